//! Work that somebody asks for and waits for, beside the probes of the schedule: how much of it there is at once, and
//! that it ends with the exporter.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Hands out turns for what costs backends something: probes on demand and deep checks. One for the whole exporter;
/// copies are the same one.
#[derive(Clone, Debug)]
pub struct Demand {
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// `None`: as the site's access has it.
    scope: Option<Scope>,
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
    /// For the one who asks.
    pub const MESSAGE: &str = "4 probes on demand or deep checks are under way, which is the most; try again";
}

impl Demand {
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), tasks: TaskTracker::new(), shutdown, scope: None }
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
