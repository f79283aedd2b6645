//! The rows in use: what the configuration and the lists of its sources make together. A reload and a source that lists
//! other servers go one way into scheduler and health.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::config::Config;
use crate::discovery::{Discovery, Lists};
use crate::health::{HealthTable, Snapshot};
use crate::scheduler::Scheduler;
use crate::target::expand;

/// After a source has listed other servers, the others have this long to do the same before rows are made anew.
const SETTLES: Duration = Duration::from_millis(200);

/// Keeps table and scheduler at the rows of the configuration in use.
pub(super) struct Rows {
    table: Arc<HealthTable>,
    scheduler: Arc<Scheduler>,
    changes: Arc<Notify>,
    /// Whose rows table and scheduler have; locked for no longer than it takes to replace these.
    current: Mutex<Current>,
}

struct Current {
    in_use: InUse,
    discovery: Discovery,
}

/// What the rows are made of.
#[derive(Clone)]
pub(super) struct InUse {
    pub(super) config: Arc<Config>,
    pub(super) lists: Arc<Lists>,
}

impl Rows {
    /// Takes the first configuration into use. Must be called within a runtime.
    pub(super) fn start(config: Arc<Config>, table: Arc<HealthTable>, scheduler: Arc<Scheduler>) -> Self {
        let discovery = Discovery::default();
        let changes = discovery.changes();
        let in_use = InUse { config: config.clone(), lists: Arc::default() };
        let this = Self { table, scheduler, changes, current: Mutex::new(Current { in_use, discovery }) };
        this.take(config);
        this
    }

    /// Makes this the configuration in use. Its sources that ran before go on.
    pub(super) fn take(&self, config: Arc<Config>) {
        for problem in &config.warnings {
            tracing::warn!(%problem, "the configuration may not mean what it says");
        }
        let mut current = self.lock();
        current.discovery.run(config.sources());
        let lists = Arc::new(current.discovery.lists());
        let rows = self.put_to_use(&mut current, InUse { config, lists });
        self.table.configuration_loaded(SystemTime::now());
        tracing::info!(rows, "configuration in use");
    }

    /// Says on every surface what is wrong with the configuration that should be in use, or that nothing is.
    pub(super) fn refuse(&self, error: Option<&str>) {
        self.table.configuration_refused(error, SystemTime::now());
    }

    /// Follows the sources, for ever: rows of new servers come, those of servers that are gone go, and the others keep all
    /// that they have.
    pub(super) async fn follow(&self) {
        loop {
            self.changes.notified().await;
            tokio::time::sleep(SETTLES).await;
            let mut current = self.lock();
            let lists = current.discovery.lists();
            // A reload may have taken it over meanwhile, or a source may list what it did before.
            if lists != *current.in_use.lists {
                let in_use = InUse { config: current.in_use.config.clone(), lists: Arc::new(lists) };
                let rows = self.put_to_use(&mut current, in_use);
                tracing::info!(rows, "servers have come or gone");
            }
        }
    }

    /// What the rows are made of now.
    pub(super) fn in_use(&self) -> InUse {
        self.lock().in_use.clone()
    }

    /// The table's rows with the very configuration that they come from.
    pub(super) fn snapshot(&self, now: SystemTime) -> (Arc<Config>, Snapshot) {
        let current = self.lock();
        (current.in_use.config.clone(), self.table.snapshot(now))
    }

    /// The one way into scheduler and health. Says how many rows there are.
    fn put_to_use(&self, current: &mut Current, in_use: InUse) -> usize {
        let targets = expand(&in_use.config, &in_use.lists);
        current.in_use = in_use;
        for transition in self.table.replace(&targets, SystemTime::now()) {
            super::log(&transition);
        }
        let rows = targets.len();
        self.scheduler.replace(targets);
        rows
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::config::ConfigFile;
    use crate::discovery::Source;
    use crate::discovery::told::{list, told};
    use crate::health::{Row, State};
    use crate::scheduler::Ended;
    use crate::target::Target;
    use crate::verdict::{Cause, Evidence, Finding, Phases, Verdict};

    const INTERVAL: Duration = Duration::from_secs(10);

    /// A configuration whose second pool, `changing`, has the servers of `source` beside its own one.
    fn config(source: &Source) -> Arc<Config> {
        let text = "probes: [{name: p, protocol: tcp, interval: 10s, timeout: 1s, unhealthy_threshold: 20}]
backend_settings: [{name: s, protocol: tcp, port: 80, probe: p}]
backend_pools:
  - {name: fixed, settings: [s], servers: [10.0.0.1, 10.0.0.2]}
  - {name: changing, settings: [s], servers: [10.0.0.2]}";
        let mut config = ConfigFile { path: "test.yml".into(), text: text.to_owned() }.parse().unwrap();
        config.pools[1].sources.push(source.clone());
        Arc::new(config)
    }

    /// When each row was probed, in order, by pool and server.
    type Beats = Arc<Mutex<Vec<(String, Duration)>>>;

    struct Exporter {
        rows: Arc<Rows>,
        table: Arc<HealthTable>,
        beats: Beats,
    }

    impl Exporter {
        /// Everything between configuration and table; 10.0.0.2 refuses, and everybody else answers.
        fn start(config: Arc<Config>) -> Self {
            let (table, beats) = (Arc::new(HealthTable::new()), Beats::default());
            let (begun, recorded, written) = (Instant::now(), table.clone(), beats.clone());
            let run = move |target: Arc<Target>| {
                written.lock().unwrap().push((name(&target), begun.elapsed()));
                let cause = (&*target.server == "10.0.0.2").then(|| Finding::new(Cause::TcpRefused, "refused"));
                recorded.record(&target, verdict(cause), SystemTime::now());
                async { Ended::Answered }
            };
            let scheduler = Scheduler::start(100, || false, CancellationToken::new(), run, |_, _| {});
            let rows = Arc::new(Rows::start(config, table.clone(), Arc::new(scheduler)));
            let followed = rows.clone();
            tokio::spawn(async move { followed.follow().await });
            Self { rows, table, beats }
        }

        fn all(&self) -> Vec<Row> {
            self.table.snapshot(SystemTime::now()).rows.into_iter().collect()
        }

        fn names(&self) -> Vec<String> {
            self.all().iter().map(|row| name(&row.target)).collect()
        }

        fn row(&self, wanted: &str) -> Row {
            self.all().into_iter().find(|row| name(&row.target) == wanted).unwrap()
        }

        fn beats(&self, of: &str) -> Vec<Duration> {
            let beats = self.beats.lock().unwrap();
            beats.iter().filter(|(row, _)| row == of).map(|(_, at)| *at).collect()
        }
    }

    fn name(target: &Target) -> String {
        format!("{} {}", target.pool, target.server)
    }

    fn verdict(cause: Option<Finding<Cause>>) -> Verdict {
        let evidence = Evidence {
            at: SystemTime::UNIX_EPOCH,
            duration: Duration::from_millis(3),
            phases: Phases::default(),
            address: None,
            attempts: Vec::new(),
            response: None,
            tls: None,
            verified: false,
            chain: None,
        };
        Verdict { cause, also: Vec::new(), warnings: Vec::new(), evidence }
    }

    async fn pass(intervals: u32) {
        tokio::time::sleep(INTERVAL * intervals).await;
    }

    #[tokio::test(start_paused = true)]
    async fn rows_come_and_go_with_a_source_and_the_others_keep_all_they_have() {
        let (tell, source) = told(&["10.0.0.3"]);
        let exporter = Exporter::start(config(&source));
        let others = ["fixed 10.0.0.1", "fixed 10.0.0.2", "changing 10.0.0.2"];
        assert_eq!(exporter.names(), [others[0], others[1], others[2], "changing 10.0.0.3"]);
        pass(3).await;
        let before = others.map(|other| exporter.row(other));
        assert_eq!(before.clone().map(|row| row.state), [State::Healthy, State::Unhealthy, State::Unhealthy]);

        let lists: [&[&str]; 4] = [&["10.0.0.4", "10.0.0.3"], &["10.0.0.4"], &[], &["10.0.0.2", "10.0.0.3"]];
        let rows: [&[&str]; 4] = [&["10.0.0.4", "10.0.0.3"], &["10.0.0.4"], &[], &["10.0.0.3"]];
        for (list_now, come) in lists.into_iter().zip(rows) {
            tell.send(list(list_now)).unwrap();
            pass(1).await;
            let come = come.iter().map(|server| format!("changing {server}"));
            assert_eq!(exporter.names(), others.map(str::to_owned).into_iter().chain(come).collect::<Vec<_>>());
        }
        // The row that came again is a new one: what it had has gone with it.
        assert_eq!(exporter.row("changing 10.0.0.3").probes, 1);

        pass(3).await;
        for (other, before) in others.iter().zip(before) {
            let after = exporter.row(other);
            assert_eq!((after.state, after.since), (before.state, before.since), "{other}");
            assert_eq!((after.transitions, after.probes), (before.transitions, before.probes + 7), "{other}");
            let failures = if before.state == State::Healthy { 0 } else { before.consecutive_failures + 7 };
            assert_eq!(after.consecutive_failures, failures, "{other}");
            let beats = exporter.beats(other);
            assert_eq!(beats.len(), 10, "{other}: no beat is left out, none is made twice");
            for pair in beats[1..].windows(2) {
                let off = (pair[1].saturating_sub(pair[0])).abs_diff(INTERVAL);
                assert!(off <= Duration::from_millis(2), "{other} keeps its beat: {beats:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sources_that_change_together_are_taken_together_and_once() {
        let (tell, source) = told(&[]);
        let exporter = Exporter::start(config(&source));
        // Each probe that ends is a revision of the table, too.
        let made_anew = || exporter.table.revision() - exporter.beats.lock().unwrap().len() as u64;
        let first = made_anew();
        for number in 1..=50 {
            tell.send(list(&[&format!("10.0.1.{number}")])).unwrap();
            tokio::time::sleep(SETTLES / 100).await;
        }
        tokio::time::sleep(SETTLES * 3).await;
        assert_eq!(exporter.names()[3], "changing 10.0.1.50");
        assert_eq!(exporter.rows.in_use().lists.servers("changing").len(), 2);
        assert_eq!(made_anew(), first + 1);
        // Another list that is gone again before anybody looks is none.
        tell.send(list(&["10.0.1.51"])).unwrap();
        tokio::time::sleep(SETTLES / 2).await;
        tell.send(list(&["10.0.1.50"])).unwrap();
        tokio::time::sleep(SETTLES).await;
        assert_eq!(made_anew(), first + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_keeps_the_list_of_a_source_that_stays() {
        let (tell, source) = told(&["10.0.0.3"]);
        let exporter = Exporter::start(config(&source));
        tell.send(list(&["10.0.0.4"])).unwrap();
        pass(2).await;
        let before = exporter.row("changing 10.0.0.4");
        exporter.rows.take(config(&source));
        let after = exporter.row("changing 10.0.0.4");
        assert_eq!((after.state, after.since, after.probes), (before.state, before.since, before.probes));
        tell.send(list(&["10.0.0.5"])).unwrap();
        pass(1).await;
        assert_eq!(exporter.names()[3], "changing 10.0.0.5", "it is still followed");

        drop(source);
        let (_tell, other) = told(&["10.0.0.6"]);
        exporter.rows.take(config(&other));
        assert_eq!(exporter.names()[3], "changing 10.0.0.6");
        tokio::time::timeout(INTERVAL, tell.closed()).await.expect("nobody follows a source that is gone");
    }
}
