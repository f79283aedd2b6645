//! Names → addresses over hickory: A and AAAA asked separately, answers cached for their TTL, the last good answer
//! kept for a while when a lookup fails, and each way of failing told apart as a [`DnsFault`].
//!
//! The system's files count as the C library reads them: `/etc/hosts` first, then the resolvers, search domains and
//! `ndots` of `/etc/resolv.conf`; both are read again when they change.

mod host;
mod unusable;
mod answer;
mod cache;
mod flight;
mod hosts;
mod nameservers;
mod order;
mod survey;
mod system;

pub use self::host::Host;
pub use self::survey::{Answer, Data, Outcome, Question, Record, Survey};
pub use self::system::Files;
pub use self::unusable::{Unusable, unusable};

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::cache::{Cache, Remembered};
use self::flight::{Progress, Questions, fly};
pub use self::order::ordered;
use self::system::{Live, Resolvers, System};
use self::unusable::{usable, words as unusable_words};

/// What a name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// In RFC 6724 order, never empty.
    pub addresses: Vec<IpAddr>,
    /// Set when these are remembered addresses, because the lookup failed.
    pub stale: Option<Stale>,
}

/// Why remembered addresses are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Since the last good answer came.
    pub age: Duration,
    pub fault: DnsFault,
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    #[error("the name does not exist (NXDOMAIN)")]
    NameNotFound,
    #[error("the name exists but has neither an A nor an AAAA record")]
    NoAddress,
    #[error("the name is an alias of {0}, which does not exist (NXDOMAIN)")]
    AliasNotFound(String),
    #[error("the name is an alias of {0}, which has neither an A nor an AAAA record")]
    AliasWithoutAddress(String),
    /// Addresses that no server can have, and no other ones; at least one.
    #[error("{}", unusable_words(.0))]
    Unusable(Vec<IpAddr>),
    /// SERVFAIL, REFUSED or a broken answer: which one, in our words.
    #[error("{0}")]
    ServerFailure(String),
    #[error("no resolver answered in time")]
    Timeout,
    /// No resolver could be asked, for want of a descriptor, a port or memory on this host.
    #[error("{0}")]
    LocalExhausted(Unasked),
    /// No resolver could be asked, because this host's network cannot send to it.
    #[error("{0}")]
    LocalNetwork(Unasked),
}

/// A resolver that this host could not ask, and the system's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{server} could not be asked: {}", std::io::Error::from(*error))]
pub struct Unasked {
    pub server: SocketAddr,
    pub error: Errno,
}

/// How long the last good answer outlives a failing lookup, unless somebody says otherwise.
pub const DEFAULT_LAST_KNOWN_GOOD: Duration = Duration::from_hours(1);

/// How names are resolved.
#[derive(Clone, Debug)]
pub struct Options {
    /// Asked instead of the system's resolvers; empty: the system's configuration.
    pub nameservers: Vec<SocketAddr>,
    /// How long the last good answer outlives its TTL while lookups fail; zero: not at all.
    pub last_known_good: Duration,
}

/// Resolves names; one for the whole program. Dropping it ends the lookups under way.
pub struct Resolver {
    shared: Arc<Shared>,
    live: Live,
    flights: CancellationToken,
    _end_flights: DropGuard,
}

/// What lookups under way fill.
struct Shared {
    state: Mutex<State>,
    /// For lookups that begin.
    slots: Semaphore,
}

/// What is known, and what is being asked.
struct State {
    cache: Cache,
    flights: HashMap<Arc<str>, Flight>,
    /// How often the resolvers changed.
    changes: u64,
}

/// A lookup under way.
struct Flight {
    begun: Instant,
    progress: watch::Receiver<Progress>,
}

impl Resolver {
    /// Reads the system's configuration; without a resolver in it, the one on this host is asked.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::with_files(options, Files::default())
    }

    /// As [`Self::new`], with other files in place of the system's.
    #[must_use]
    pub fn with_files(options: Options, files: Files) -> Self {
        let Options { nameservers, last_known_good } = options;
        let now = Instant::now();
        let flights = CancellationToken::new();
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    cache: Cache::new(last_known_good, now),
                    flights: HashMap::new(),
                    changes: 0,
                }),
                slots: Semaphore::new(SLOTS),
            }),
            live: Live::new(files, nameservers, now),
            _end_flights: flights.clone().drop_guard(),
            flights,
        }
    }

    /// The addresses of `name`, from the cache while its TTL lasts. The answer comes within `budget`; within half of
    /// it, or 1.8 s, when there are remembered addresses to fall back on.
    ///
    /// `name` is in lower case and without the final dot; search domains apply to it as they do for every program on
    /// this host. A lookup that takes longer than the budget goes on in the background and fills the cache.
    ///
    /// # Errors
    /// Why there is no address, not even a remembered one.
    pub async fn lookup(&self, name: &str, budget: Duration) -> Result<Addresses, DnsFault> {
        let (system, resolvers) = self.live.current(Instant::now());
        if let Some(addresses) = without_dns(&system, name) {
            return usable(addresses).map(|addresses| Addresses { addresses: ordered(addresses), stale: None });
        }
        let (mut progress, remembered) = {
            let now = Instant::now();
            let mut state = self.shared.state();
            match resolvers {
                Resolvers::Same => {}
                Resolvers::Changed => state.outdate(now),
            }
            if let Some(addresses) = state.cache.fresh(name, now) {
                return Ok(Addresses { addresses: addresses.to_vec(), stale: None });
            }
            let progress = match state.flights.get(name) {
                Some(flight) if now.saturating_duration_since(flight.begun) < JOINABLE => flight.progress.clone(),
                Some(_) | None => self.take_off(&mut state, name.into(), system, now),
            };
            (progress, state.cache.remembered(name, now))
        };
        let patience = match &remembered {
            Some(_) => (budget / 2).min(STALE_PATIENCE),
            None => budget,
        };
        // When the lookup broke off or the time is over, half an answer is one, too.
        let done = progress.wait_for(|progress| matches!(progress, Progress::Done(_)));
        let _ = timeout(patience, done).await;
        let progress = Progress::clone(&progress.borrow());
        match progress {
            Progress::Half(addresses) | Progress::Done(Ok(addresses)) => {
                Ok(Addresses { addresses: addresses.to_vec(), stale: None })
            }
            Progress::Done(Err(fault)) => fall_back(remembered, fault),
            Progress::Asking => fall_back(remembered, DnsFault::Timeout),
        }
    }

    /// Who is asked at the moment.
    #[must_use]
    pub fn nameservers(&self) -> Vec<SocketAddr> {
        self.live.latest().dns.nameservers.addresses().collect()
    }

    /// Begins a lookup in the background; it takes the place of an older one, which still counts if it succeeds.
    fn take_off(
        &self,
        state: &mut State,
        name: Arc<str>,
        system: Arc<System>,
        now: Instant,
    ) -> watch::Receiver<Progress> {
        let (sender, progress) = watch::channel(Progress::Asking);
        let older = state.flights.insert(name.clone(), Flight { begun: now, progress: progress.clone() });
        let questions = if older.is_some() { Questions::Again } else { Questions::First };
        let changes = state.changes;
        let shared = self.shared.clone();
        let cancelled = self.flights.clone();
        tokio::spawn(async move {
            // Whatever ends the lookup, a panic too, takes it off the list.
            let landing = Landing { shared: &shared, name: &name, sender: &sender };
            let flight = timeout(FLIGHT_LIMIT, async {
                let slot = shared.slots.acquire().await;
                let flight = fly(&system.dns, &name, questions, &sender);
                tokio::pin!(flight);
                if let Ok(found) = timeout(SLOT_TIME, &mut flight).await {
                    return found;
                }
                // Names that nobody answers for must not hold up the others.
                drop(slot);
                flight.await
            });
            let Some(found) = cancelled.run_until_cancelled(flight).await else { return };
            let result = found.unwrap_or(Err(DnsFault::Timeout)).map(|found| {
                let addresses: Arc<[IpAddr]> = found.addresses.into();
                let mut state = shared.state();
                if state.changes == changes {
                    state.cache.keep(name.clone(), addresses.clone(), found.ttl, Instant::now());
                }
                addresses
            });
            drop(landing);
            sender.send_replace(Progress::Done(result));
        });
        progress
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done in there when somebody panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Other resolvers are asked from now on: neither the answers nor the questions of the former ones count.
    fn outdate(&mut self, now: Instant) {
        self.changes += 1;
        self.cache.outdate(now);
        self.flights.clear();
    }
}

/// Takes a lookup off the list when it is over, unless a younger one has its place.
struct Landing<'a> {
    shared: &'a Shared,
    name: &'a str,
    sender: &'a watch::Sender<Progress>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let ours =
            state.flights.get(self.name).is_some_and(|flight| flight.progress.same_channel(&self.sender.subscribe()));
        if ours {
            state.flights.remove(self.name);
        }
    }
}

/// The hosts file comes first; `localhost` and what is below it needs no resolver (RFC 6761, section 6.3).
fn without_dns(system: &System, name: &str) -> Option<Vec<IpAddr>> {
    if let Some(addresses) = system.hosts.find(name) {
        return Some(addresses.to_vec());
    }
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local.then(|| vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])
}

fn fall_back(remembered: Option<Remembered>, fault: DnsFault) -> Result<Addresses, DnsFault> {
    match remembered {
        Some(Remembered { addresses, age }) => {
            Ok(Addresses { addresses: addresses.to_vec(), stale: Some(Stale { age, fault }) })
        }
        None => Err(fault),
    }
}

/// How long a lookup may take in the background.
const FLIGHT_LIMIT: Duration = Duration::from_secs(15);

/// Who comes later than this after a lookup began asks anew: a resolver that was mended meanwhile answers the new
/// question, while the old one may have been lost.
const JOINABLE: Duration = Duration::from_secs(1);

/// How long remembered addresses wait for an answer at most (RFC 8767, section 5, the client response timer).
const STALE_PATIENCE: Duration = Duration::from_millis(1800);

/// Lookups that begin at the same time; more wait for their turn. Resolvers lose questions that come in a burst, as
/// all those of a start would.
const SLOTS: usize = 128;

/// How long a lookup counts as beginning, if it does not end sooner.
const SLOT_TIME: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A resolver over these files only.
    fn resolver(hosts: &str, resolv_conf: &str) -> (Resolver, TempDir) {
        let directory = TempDir::new().unwrap();
        let files = Files { hosts: directory.path().join("hosts"), resolv_conf: directory.path().join("resolv.conf") };
        fs::write(&files.hosts, hosts).unwrap();
        fs::write(&files.resolv_conf, resolv_conf).unwrap();
        let options = Options { nameservers: vec![], last_known_good: Duration::from_hours(1) };
        (Resolver::with_files(options, files), directory)
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_hosts_file_needs_no_resolver() {
        let (resolver, _directory) =
            resolver("127.0.0.2 app app.corp.example\n10.0.0.1 db.corp.example\n", "search corp.example\n");
        for (name, expected) in [("app", "127.0.0.2"), ("app.corp.example", "127.0.0.2")] {
            let found = resolver.lookup(name, Duration::from_secs(1)).await;
            assert_eq!(found, Ok(Addresses { addresses: ips(&[expected]), stale: None }), "{name}");
        }
    }

    #[tokio::test]
    async fn localhost_is_this_host_even_without_a_hosts_file() {
        let (resolver, _directory) = resolver("", "");
        for name in ["localhost", "app.localhost"] {
            let mut found = resolver.lookup(name, Duration::from_secs(1)).await.unwrap();
            found.addresses.sort();
            assert_eq!(found, Addresses { addresses: ips(&["127.0.0.1", "::1"]), stale: None }, "{name}");
        }
    }

    #[tokio::test]
    async fn ended_lookups_leave_nothing_behind() {
        let (resolver, _directory) = resolver("", "");
        // Names that DNS cannot carry, so that nobody is asked for them.
        for name in ["a..example", "b..example"] {
            resolver.lookup(name, Duration::from_secs(1)).await.unwrap_err();
        }
        assert_eq!(resolver.shared.state().flights.len(), 0);
    }
}
