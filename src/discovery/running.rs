//! Sources that run: each one's latest list is kept, and whoever waits hears that one is another than before.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{Lists, Servers, Source};

/// The sources of every pool of the configuration in use.
#[derive(Debug, Default)]
pub struct Discovery {
    pools: Vec<(Arc<str>, Vec<Running>)>,
    changes: Arc<Notify>,
}

/// One source and what it lists now.
#[derive(Debug)]
struct Running {
    source: Source,
    list: watch::Receiver<Servers>,
    /// `None` for a source that has said all. Ends with this.
    _following: Option<AbortOnDropHandle<()>>,
}

/// Where a source puts its lists.
#[derive(Debug)]
pub struct Feed {
    list: watch::Sender<Servers>,
    changes: Arc<Notify>,
}

impl Feed {
    /// The source lists these now. The same ones again change nothing.
    pub fn put(&self, servers: Servers) {
        let changed = self.list.send_if_modified(|list| {
            let differs = *list != servers;
            if differs {
                *list = servers;
            }
            differs
        });
        if changed {
            self.changes.notify_one();
        }
    }
}

impl Discovery {
    /// Makes these the sources that run. One that ran for the same pool before goes on, with the list that it has; those
    /// that are not among them end. Must be called within a runtime.
    pub fn run<'p>(&mut self, pools: impl IntoIterator<Item = (&'p Arc<str>, &'p [Source])>) {
        let mut before: HashMap<Arc<str>, Vec<Running>> = self.pools.drain(..).collect();
        for (pool, sources) in pools {
            let mut old = before.remove(pool).unwrap_or_default();
            let running = sources.iter().map(|source| {
                let same = old.iter().position(|running| running.source == *source);
                same.map_or_else(|| Running::start(source, &self.changes), |at| old.swap_remove(at))
            });
            self.pools.push((pool.clone(), running.collect()));
        }
    }

    /// What every source lists now.
    #[must_use]
    pub fn lists(&self) -> Lists {
        let lists = |sources: &Vec<Running>| sources.iter().map(|running| running.list.borrow().clone()).collect();
        self.pools.iter().map(|(pool, sources)| (pool.clone(), lists(sources))).collect()
    }

    /// Wakes one waiter when a list has changed since the one before was woken.
    #[must_use]
    pub fn changes(&self) -> Arc<Notify> {
        self.changes.clone()
    }
}

impl Running {
    fn start(source: &Source, changes: &Arc<Notify>) -> Self {
        let (sender, list) = watch::channel(source.listed());
        let feed = Feed { list: sender, changes: changes.clone() };
        let following = source.following(feed).map(|following| AbortOnDropHandle::new(tokio::spawn(following)));
        Self { source: source.clone(), list, _following: following }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::discovery::{Fixed, Server};

    /// A source that lists what a test tells it.
    #[derive(Clone, Debug)]
    pub struct Told(watch::Receiver<Servers>);

    impl PartialEq for Told {
        fn eq(&self, other: &Self) -> bool {
            self.0.same_channel(&other.0)
        }
    }

    impl Eq for Told {}

    impl Told {
        pub(in crate::discovery) fn listed(&self) -> Servers {
            self.0.borrow().clone()
        }

        pub(in crate::discovery) async fn follow(mut self, feed: Feed) {
            while self.0.changed().await.is_ok() {
                let servers = self.0.borrow_and_update().clone();
                feed.put(servers);
            }
        }
    }

    pub(crate) fn list(servers: &[&str]) -> Servers {
        servers.iter().map(|server| Server::parse(server).unwrap()).collect()
    }

    /// A source that lists these for a start, and where to tell it others.
    pub(crate) fn told(servers: &[&str]) -> (watch::Sender<Servers>, Source) {
        let (tell, told) = watch::channel(list(servers));
        (tell, Source::Told(Told(told)))
    }

    async fn is_woken(changes: &Notify) -> bool {
        tokio::time::timeout(Duration::from_secs(1), changes.notified()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn another_list_is_told_and_the_same_one_is_not() {
        let (tell, source) = told(&["10.0.0.4"]);
        let (pool, sources) = (Arc::from("web"), [Source::Fixed(Fixed::new(list(&["10.0.0.1"]).to_vec())), source]);
        let mut discovery = Discovery::default();
        let changes = discovery.changes();
        discovery.run([(&pool, sources.as_slice())]);
        assert_eq!(discovery.lists().servers("web"), &*list(&["10.0.0.1", "10.0.0.4"]));
        assert!(!is_woken(&changes).await, "nothing is another list");

        tell.send(list(&["10.0.0.5", "10.0.0.1"])).unwrap();
        assert!(is_woken(&changes).await);
        assert_eq!(discovery.lists().servers("web"), &*list(&["10.0.0.1", "10.0.0.5"]));
        tell.send(list(&["10.0.0.5", "10.0.0.1"])).unwrap();
        assert!(!is_woken(&changes).await, "the same again");
        tell.send(list(&[])).unwrap();
        assert!(is_woken(&changes).await, "an empty list is a list");
        assert_eq!(discovery.lists().servers("web"), &*list(&["10.0.0.1"]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_stays_keeps_its_list_and_one_that_goes_ends() {
        let ((tell, source), (tell_other, other)) = (told(&["10.0.0.4"]), told(&["10.0.0.9"]));
        let (pool, mut discovery) = (Arc::from("web"), Discovery::default());
        let changes = discovery.changes();
        discovery.run([(&pool, [source.clone(), other].as_slice())]);
        tell.send(list(&["10.0.0.5"])).unwrap();
        assert!(is_woken(&changes).await);

        discovery.run([(&pool, [source].as_slice())]);
        assert_eq!(discovery.lists().servers("web"), &*list(&["10.0.0.5"]), "not what it listed for a start");
        tokio::time::timeout(Duration::from_secs(1), tell_other.closed()).await.expect("nobody listens any more");
        tell.send(list(&["10.0.0.6"])).unwrap();
        assert!(is_woken(&changes).await, "it goes on");
        discovery.run([]);
        tokio::time::timeout(Duration::from_secs(1), tell.closed()).await.expect("nobody listens any more");
    }
}
