//! Work that somebody asks for and waits for, beside the probes of the schedule: how much of it there is at once, and
//! that it ends with the exporter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::web::Connection;
use crate::web::bucket::{Buckets, Rarely, Rate};

/// Hands out turns for what costs backends something: probes on demand and deep checks. One for the whole exporter;
/// copies are the same one.
#[derive(Clone, Debug)]
pub struct Demand {
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// `None`: as the site's access has it.
    scope: Option<Scope>,
    allowance: Arc<Allowance>,
}

/// What one client may ask for in the long run, and what all have asked for so far.
#[derive(Debug)]
struct Allowance {
    requests: Buckets,
    rows: Buckets,
    counts: [AtomicU64; Asked::KINDS],
    /// What the log says of those that are not begun.
    refusals: Rarely,
}

/// What became of something that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Begun,
    /// It is not allowed, or makes no sense.
    Refused,
    /// Not now.
    Busy,
}

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Probe,
    Troubleshoot,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Probe, Self::Troubleshoot];

    /// For metric labels.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Troubleshoot => "troubleshoot",
        }
    }
}

impl Asked {
    const ALL: [Self; 3] = [Self::Begun, Self::Refused, Self::Busy];
    const KINDS: usize = Self::ALL.len() * Kind::ALL.len();

    /// For metric labels.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Refused => "refused",
            Self::Busy => "busy",
        }
    }
}

/// How far a probe on demand may differ from the setting's own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Not at all: a yes or no to any text, path or name, asked often enough, reads what only the exporter may see.
    Configured,
    Full,
}

/// The right to one such piece of work, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// As much is under way as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Busy {
    /// When to ask again, in seconds: the value of `Retry-After` beside status 429.
    pub const RETRY_AFTER: &str = "5";
    /// For the one who asks for too much.
    pub const TOO_MANY: &str = "this client asks for more than it may without a login; try again in a while";
    /// For the one who asks.
    pub const MESSAGE: &str = "4 probes on demand or deep checks are under way, which is the most; try again";
}

impl Demand {
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        let (requests, rows) = (Buckets::full(REQUESTS), Buckets::full(ROWS));
        let allowance = Allowance { requests, rows, counts: Default::default(), refusals: Rarely::new() };
        let (turns, tasks) = (Arc::new(Semaphore::new(AT_ONCE)), TaskTracker::new());
        Self { turns, tasks, shutdown, scope: None, allowance: Arc::new(allowance) }
    }

    /// The same with a scope of its own.
    #[must_use]
    pub fn within(self, scope: Option<Scope>) -> Self {
        Self { scope, ..self }
    }

    /// What may be asked for; `knows_clients`: whether everybody who comes in has shown who it is.
    #[must_use]
    pub fn scope(&self, knows_clients: bool) -> Scope {
        self.scope.unwrap_or(if knows_clients { Scope::Full } else { Scope::Configured })
    }

    /// Whether the flag has said what may be asked for, whoever asks.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.scope.is_some()
    }

    /// Takes a request, and the rows that it would have probed, off what this client may ask for.
    ///
    /// # Errors
    /// It has asked for too much: how long to wait.
    pub fn allow(&self, connection: &Connection, rows: usize) -> Result<(), Duration> {
        // Who has shown who it is may be asked about it.
        if connection.knows_clients {
            return Ok(());
        }
        let now = Instant::now();
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.allowance.requests.take(connection.client, 1, now)?;
        self.allowance.rows.take(connection.client, rows, now)
    }

    /// Counts a request, and says in the log who sent it.
    pub fn tell(&self, kind: Kind, asked: Asked, connection: &Connection, row: &str) {
        if let Some(count) = self.allowance.counts.get(position(kind, asked)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // What is begun is bounded; what is refused costs a client nothing, and could fill the log.
        let left_out = match asked {
            Asked::Begun => 0,
            Asked::Refused | Asked::Busy => match self.allowance.refusals.now(Instant::now()) {
                Some(left_out) => left_out,
                None => return,
            },
        };
        let (client, user) = (connection.client, connection.user.as_deref());
        let (what, outcome) = (kind.label(), asked.label());
        tracing::info!(%client, user, what, outcome, row, left_out, "a client asks for a probe or check on demand");
    }

    /// How many requests there were of each kind and outcome.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        let all = Kind::ALL.into_iter().flat_map(|kind| Asked::ALL.map(|asked| (kind, asked)));
        let counted = all.zip(&self.allowance.counts);
        counted.map(|((kind, asked), count)| (kind.label(), asked.label(), count.load(Ordering::Relaxed))).collect()
    }

    /// A turn at once, or none.
    ///
    /// # Errors
    /// When all of them are taken.
    pub fn turn(&self) -> Result<Turn, Busy> {
        self.turns.clone().try_acquire_owned().map(|permit| Turn { _permit: permit }).map_err(|_| Busy)
    }

    /// Runs it in the background, until its end or the exporter's.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            // Cut short by the exporter's end, nobody waits for it any more.
            let _ = shutdown.run_until_cancelled(work).await;
        });
    }

    /// Waits until all that was spawned has ended, after a shutdown.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn position(kind: Kind, asked: Asked) -> usize {
    kind as usize * Asked::ALL.len() + asked as usize
}

/// What a client that nobody knows may ask for: twenty requests at once and two a second, two thousand rows at once and a
/// hundred a second.
const REQUESTS: Rate = Rate { interval: Duration::from_millis(500), burst: 20 };
const ROWS: Rate = Rate { interval: Duration::from_millis(10), burst: 2_000 };

/// Turns at once.
const AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_turns_and_each_comes_back() {
        let demand = Demand::new(CancellationToken::new());
        let mut turns: Vec<_> = (0..4).map(|_| demand.turn().unwrap()).collect();
        assert_eq!(demand.clone().turn().err(), Some(Busy), "a copy has no turns of its own");
        turns.pop();
        let again = demand.turn();
        assert!(again.is_ok() && demand.turn().is_err());
        assert!(Busy::MESSAGE.starts_with(&AT_ONCE.to_string()));
    }

    #[test]
    fn only_who_is_known_may_ask_in_another_way_unless_the_flag_says_so() {
        let demand = |scope| Demand::new(CancellationToken::new()).within(scope);
        assert_eq!([false, true].map(|known| demand(None).scope(known)), [Scope::Configured, Scope::Full]);
        for scope in [Scope::Configured, Scope::Full] {
            assert_eq!([false, true].map(|known| demand(Some(scope)).scope(known)), [scope; 2]);
        }
    }

    #[test]
    fn a_client_that_nobody_knows_may_ask_for_so_much() {
        let demand = Demand::new(CancellationToken::new());
        let connection = |knows_clients| Connection { knows_clients, ..Connection::unknown() };
        let allowed = |known, rows| (0..100).filter(|_| demand.allow(&connection(known), rows).is_ok()).count();
        assert_eq!(allowed(true, 1_000), 100);
        assert_eq!(allowed(false, 1_000), 2);
        demand.tell(Kind::Troubleshoot, Asked::Busy, &connection(false), "p s 10.0.0.4");
        let counted: Vec<_> = demand.counts().into_iter().filter(|(.., count)| *count > 0).collect();
        assert_eq!(counted, [("troubleshoot", "busy", 1)]);
    }

    #[tokio::test]
    async fn what_runs_in_the_background_ends_with_the_exporter() {
        let shutdown = CancellationToken::new();
        let demand = Demand::new(shutdown.clone());
        let turn = demand.turn().unwrap();
        demand.spawn(async move {
            let _turn = turn;
            std::future::pending::<()>().await;
        });
        shutdown.cancel();
        demand.ended().await;
        assert_eq!(demand.turns.available_permits(), 4);
    }
}
