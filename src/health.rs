//! The health table: states after thresholds, streaks, counters and the latest probe of every row. The only mutable
//! state of the program; everything that shows something reads a [`Snapshot`] of it.

mod history;
mod rows;
mod streak;
mod timeline;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

pub use self::history::{History, PastProbe};
pub use self::rows::Rows;
use self::streak::{Event, Streak, Thresholds};
pub use self::timeline::{Span, Timeline, Uptime};
use crate::target::{Target, TargetId};
use crate::verdict::{
    Cause, Code, Evidence, Finding, Notice, PresentedChain, ProbeResult, ScanFacts, Stage, TlsSession, Verdict,
};

/// Every row, behind one lock that is held for microseconds and never across a wait.
#[derive(Default)]
pub struct HealthTable {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// In the configuration's order.
    entries: Vec<Entry>,
    index: HashMap<TargetId, usize>,
    pools: Vec<Arc<PoolTotals>>,
    pool_index: HashMap<PoolName, usize>,
    /// Rows present at start that have not ended a probe yet; `None` before the first configuration.
    awaited: Option<HashSet<TargetId>>,
    /// The latest changes of state, the oldest first.
    transitions: VecDeque<Transition>,
    /// The number of the latest one.
    latest_transition: watch::Sender<u64>,
    /// Rows in each state, in the order of [`State::ALL`].
    by_state: [usize; 3],
    /// Of the latest change of anything, from 0, and when it was.
    revision: u64,
    changed_at: Option<SystemTime>,
    configuration: Option<Configuration>,
}

/// The configuration in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub loaded_at: SystemTime,
    /// The first thing that is wrong with the one that should have taken its place.
    pub error: Option<Arc<str>>,
}

/// A pool and a setting.
type PoolName = (Arc<str>, Arc<str>);

struct Entry {
    row: Arc<Row>,
    streak: Streak,
    scan: Option<Box<RememberedScan>>,
}

struct RememberedScan {
    alert: u8,
    at: SystemTime,
    facts: Arc<ScanFacts>,
}

/// What the table knows of an alert that explains nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanMemory {
    Found(Arc<ScanFacts>),
    /// Nothing, and it may be found out.
    Due,
    /// Nothing, and it was tried not long ago.
    TooSoon,
}

/// An extra ClientHello is sent to a row no more often than this.
const SCAN_INTERVAL: Duration = Duration::from_mins(10);

/// Changes of state that are remembered, for as long as a [`Timeline`] reaches back.
pub const REMEMBERED_TRANSITIONS: usize = 100_000;

/// A change of a row's state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Counts the changes of this process, from 1.
    pub number: u64,
    pub target: Arc<Target>,
    pub from: State,
    pub to: State,
    /// `None` when the row became Healthy.
    pub cause: Option<Arc<Finding<Cause>>>,
    pub at: SystemTime,
}

impl HealthTable {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `targets` the rows. Those that ask their server the same as before keep all they have; those that ask
    /// something else become Unknown, and keep counting. Says whose state that changed.
    pub fn replace(&self, targets: &[Arc<Target>], now: SystemTime) -> Vec<Transition> {
        let mut transitions = Vec::new();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let mut old: HashMap<TargetId, Entry> =
            std::mem::take(&mut inner.entries).into_iter().map(|entry| (entry.row.target.id, entry)).collect();
        inner.entries = targets
            .iter()
            .map(|target| match old.remove(&target.id) {
                Some(mut entry) if target.asks_the_same_as(&entry.row.target) => {
                    Arc::make_mut(&mut entry.row).target = target.clone();
                    entry
                }
                Some(mut entry) if entry.row.has_labels_of(target) => {
                    transitions.extend(entry.begin_anew(target, now));
                    entry
                }
                Some(_) | None => {
                    Entry { row: Arc::new(Row::new(target.clone(), now)), streak: Streak::default(), scan: None }
                }
            })
            .collect();
        inner.index = targets.iter().enumerate().map(|(index, target)| (target.id, index)).collect();
        let old_pools = std::mem::take(&mut inner.pools);
        let old_index = std::mem::take(&mut inner.pool_index);
        for target in targets {
            let name: PoolName = (target.pool.clone(), target.setting.clone());
            if inner.pool_index.contains_key(&name) {
                continue;
            }
            let kept = old_index.get(&name).map(|at| &old_pools[*at]).filter(|totals| totals.fits(target));
            inner.pool_index.insert(name, inner.pools.len());
            inner.pools.push(kept.map_or_else(|| Arc::new(PoolTotals::new(target)), Arc::clone));
        }
        let present: HashSet<TargetId> = targets.iter().map(|target| target.id).collect();
        match &mut inner.awaited {
            Some(awaited) => awaited.retain(|id| present.contains(id)),
            None => inner.awaited = Some(present),
        }
        inner.changed(now);
        let transitions = transitions.into_iter().map(|transition| inner.remember(transition)).collect();
        let rows = || inner.entries.iter().map(|entry| entry.row.state);
        inner.by_state = State::ALL.map(|state| rows().filter(|of_row| *of_row == state).count());
        transitions
    }

    /// A configuration was read and is in use.
    pub fn configuration_loaded(&self, now: SystemTime) {
        let mut inner = self.lock();
        let error = inner.configuration.take().and_then(|configuration| configuration.error);
        inner.configuration = Some(Configuration { loaded_at: now, error });
        inner.changed(now);
    }

    /// Another configuration was refused for this, or there is none any more that would be.
    pub fn configuration_refused(&self, error: Option<&str>, now: SystemTime) {
        let mut inner = self.lock();
        let Some(configuration) = &mut inner.configuration else { return };
        if configuration.error.as_deref() != error {
            configuration.error = error.map(Arc::from);
            inner.changed(now);
        }
    }

    /// Books what a probe that ended at `now` says. A verdict for a target that is gone, or has changed, is dropped.
    pub fn record(&self, target: &Target, verdict: Verdict, now: SystemTime) -> Option<Transition> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let entry = inner.index.get(&target.id).map(|index| &mut inner.entries[*index])?;
        if *entry.row.target != *target {
            return None;
        }
        if let Some(awaited) = &mut inner.awaited {
            awaited.remove(&target.id);
        }
        if let Some(at) = inner.pool_index.get(&(target.pool.clone(), target.setting.clone())) {
            Arc::make_mut(&mut inner.pools[*at]).count(&verdict);
        }
        let transition = entry.record(verdict, now);
        inner.changed(now);
        transition.map(|transition| inner.remember(transition))
    }

    /// What is known of an alert that explains nothing, and whether an extra ClientHello may be spent on it: its finding
    /// holds for this alert, and the next one is due ten minutes after the last.
    #[must_use]
    pub fn scan_memory(&self, target: &Target, alert: u8, now: SystemTime) -> ScanMemory {
        let inner = self.lock();
        let entry = inner.index.get(&target.id).map(|index| &inner.entries[*index]);
        let Some(remembered) = entry.and_then(|entry| entry.scan.as_ref()) else { return ScanMemory::Due };
        // A clock that was set back must not keep a row from being looked at again.
        let age = now.duration_since(remembered.at).unwrap_or(SCAN_INTERVAL);
        match remembered.alert == alert {
            _ if age >= SCAN_INTERVAL => ScanMemory::Due,
            true => ScanMemory::Found(remembered.facts.clone()),
            false => ScanMemory::TooSoon,
        }
    }

    /// Keeps what an extra ClientHello found.
    pub fn remember_scan(&self, target: &Target, alert: u8, facts: Arc<ScanFacts>, now: SystemTime) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some(entry) = inner.index.get(&target.id).map(|index| &mut inner.entries[*index]) {
            entry.scan = Some(Box::new(RememberedScan { alert, at: now, facts }));
        }
    }

    /// Books a beat that could not be probed because of our own trouble: `cause`, described by `detail`.
    pub fn record_skip(&self, target: &Target, cause: Cause, detail: &str, now: SystemTime) -> Option<Transition> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let entry = inner.index.get(&target.id).map(|index| &mut inner.entries[*index])?;
        let cause = Finding::new(cause, detail);
        let transition = entry.advance(Event::NoVerdict, Some(Arc::new(cause)), now)?;
        inner.changed(now);
        Some(inner.remember(transition))
    }

    /// All rows and totals at this moment.
    #[must_use]
    pub fn snapshot(&self, now: SystemTime) -> Snapshot {
        let inner = self.lock();
        let changed_at = inner.changed_at.unwrap_or(now);
        Snapshot {
            at: now,
            revision: inner.revision,
            changed_at,
            configuration: inner.configuration.clone().unwrap_or(Configuration { loaded_at: changed_at, error: None }),
            rows: Rows::shared(inner.entries.iter().map(|entry| entry.row.clone())),
            pools: inner.pools.clone(),
        }
    }

    /// The changes of state of the last seven days, the latest first; at most [`REMEMBERED_TRANSITIONS`]. They are copied a
    /// few at a time, so that nobody waits for all of them.
    pub fn transitions(&self) -> impl Iterator<Item = Transition> {
        const AT_ONCE: usize = 512;
        let mut copied = VecDeque::new();
        let mut before = u64::MAX;
        std::iter::from_fn(move || {
            if copied.is_empty() {
                let inner = self.lock();
                let to = inner.transitions.partition_point(|transition| transition.number < before);
                copied.extend(inner.transitions.range(to.saturating_sub(AT_ONCE)..to).rev().cloned());
            }
            let next: Transition = copied.pop_front()?;
            before = next.number;
            Some(next)
        })
    }

    /// The changes of state after that of this number, the oldest first: the first `at_most` of those remembered.
    #[must_use]
    pub fn transitions_after(&self, number: u64, at_most: usize) -> Vec<Transition> {
        let inner = self.lock();
        let from = inner.transitions.partition_point(|transition| transition.number <= number);
        inner.transitions.range(from..).take(at_most).cloned().collect()
    }

    /// The number of the latest change of state, 0 before the first, and every later one as it comes.
    #[must_use]
    pub fn watch_transitions(&self) -> watch::Receiver<u64> {
        self.lock().latest_transition.subscribe()
    }

    /// As [`Snapshot::revision`], without the snapshot.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// What changed last, and the rows in each state; costs the same however many rows there are.
    #[must_use]
    pub fn overview(&self, now: SystemTime) -> Overview {
        let inner = self.lock();
        Overview { revision: inner.revision, changed_at: inner.changed_at.unwrap_or(now), by_state: inner.by_state }
    }

    /// The row whose id is written so, and the revision of the table that it is from.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<(u64, Row)> {
        let id = TargetId::parse(id)?;
        let inner = self.lock();
        inner.index.get(&id).map(|index| (inner.revision, Row::clone(&inner.entries[*index].row)))
    }

    /// Whether a row is Healthy, and its latest probe did not fail.
    #[must_use]
    pub fn is_well(&self, id: TargetId) -> bool {
        let inner = self.lock();
        let row = inner.index.get(&id).map(|index| &inner.entries[*index].row);
        row.is_some_and(|row| row.state == State::Healthy && row.consecutive_failures == 0)
    }

    /// Whether every row present at start has ended a probe.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().awaited.as_ref().is_some_and(HashSet::is_empty)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way; a table with one lost update is better than none.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn changed(&mut self, now: SystemTime) {
        self.revision += 1;
        self.changed_at = Some(now);
    }

    /// Gives it its number, and keeps it.
    fn remember(&mut self, transition: Transition) -> Transition {
        let number = *self.latest_transition.borrow() + 1;
        let transition = Transition { number, ..transition };
        // Saturating: within `replace` they are counted anew afterwards.
        let from = &mut self.by_state[transition.from as usize];
        *from = from.saturating_sub(1);
        self.by_state[transition.to as usize] += 1;
        let is_old = |first: &Transition| transition.at.duration_since(first.at).is_ok_and(|age| age > Timeline::REACH);
        while self.transitions.len() >= REMEMBERED_TRANSITIONS || self.transitions.front().is_some_and(is_old) {
            self.transitions.pop_front();
        }
        self.transitions.push_back(transition.clone());
        self.latest_transition.send_replace(number);
        transition
    }
}

impl Entry {
    /// Nothing is known of what is asked now; what was counted stays counted.
    fn begin_anew(&mut self, target: &Arc<Target>, now: SystemTime) -> Option<Transition> {
        let from = self.row.state;
        let Row { probes, failures, transitions, last_transition, timeline, .. } = &*self.row;
        self.row = Arc::new(Row {
            probes: *probes,
            failures: failures.clone(),
            transitions: *transitions,
            last_transition: *last_transition,
            timeline: timeline.clone(),
            ..Row::new(target.clone(), now)
        });
        self.streak = Streak::default();
        self.scan = None;
        (from != State::Unknown).then(|| self.change(from, State::Unknown, now))
    }

    fn record(&mut self, verdict: Verdict, now: SystemTime) -> Option<Transition> {
        let row = Arc::make_mut(&mut self.row);
        row.probes += 1;
        if let Some(finding) = &verdict.cause {
            match row.failures.iter_mut().find(|(cause, _)| *cause == finding.code) {
                Some((_, count)) => *count += 1,
                None => row.failures.push((finding.code, 1)),
            }
        }
        if let Some(chain) = &verdict.evidence.chain {
            // The same certificates again and again are kept once.
            let chain = match &row.presented {
                Some(presented) if presented.chain == *chain => presented.chain.clone(),
                _ => chain.clone(),
            };
            let Evidence { at, tls: session, verified, .. } = verdict.evidence;
            row.presented = Some(Presented { at, chain, session, verified });
        }
        let event = match (verdict.result(), &verdict.cause) {
            (ProbeResult::Success, _) | (_, None) => Event::Success,
            (ProbeResult::NoVerdict, Some(_)) => Event::NoVerdict,
            (ProbeResult::Failure, Some(finding)) if finding.code.stage() == Stage::Dns => Event::DnsFailure,
            (ProbeResult::Failure, Some(_)) => Event::Failure,
        };
        Arc::make_mut(&mut row.history).push(&verdict);
        let cause = verdict.cause.clone().map(Arc::new);
        row.last_probe = Some(Arc::new(verdict));
        let transition = self.advance(event, cause, now);
        let row = Arc::make_mut(&mut self.row);
        let (successes, needed) = (row.consecutive_successes, row.target.healthy_threshold);
        if let (1.., Event::Success, Some(last)) = (successes, event, &mut row.last_probe) {
            let detail = format!("{successes} of the {needed} successful probes in a row have come");
            // It is what there is to say first: the probe itself succeeded.
            Arc::make_mut(last).warnings.insert(0, Finding::new(Code::Notice(Notice::NotHealthyYet), detail));
        }
        transition
    }

    fn advance(&mut self, event: Event, cause: Option<Arc<Finding<Cause>>>, now: SystemTime) -> Option<Transition> {
        let from = self.row.state;
        let Target { healthy_threshold: healthy, unhealthy_threshold: unhealthy, .. } = *self.row.target;
        let step = self.streak.advance(event, Thresholds { healthy, unhealthy });
        let row = Arc::make_mut(&mut self.row);
        row.consecutive_failures = self.streak.failures();
        row.consecutive_successes = self.streak.successes();
        // A probe has ended, so that "not probed yet" is no longer true, though nothing else is known.
        let is_new = row.cause.as_ref().is_some_and(|cause| cause.code == Cause::NotProbedYet);
        if step.takes_cause || (is_new && row.last_probe.is_some()) {
            row.cause = cause;
        }
        let to = step.state.filter(|to| *to != from);
        let code = row.cause.as_ref().map(|cause| cause.code);
        if to.is_none() && from != State::Healthy && code != row.timeline.cause() {
            Arc::make_mut(&mut row.timeline).push(now, from, code);
        }
        let transition = to.map(|to| self.change(from, to, now));
        let row = Arc::make_mut(&mut self.row);
        row.advanced_at = Some(now);
        transition
    }

    fn change(&mut self, from: State, to: State, now: SystemTime) -> Transition {
        let row = Arc::make_mut(&mut self.row);
        row.state = to;
        row.since = now;
        row.last_transition = Some(now);
        row.transitions[to as usize] += 1;
        let code = row.cause.as_ref().map(|cause| cause.code).filter(|_| to != State::Healthy);
        Arc::make_mut(&mut row.timeline).push(now, to, code);
        Transition { number: 0, target: row.target.clone(), from, to, cause: row.cause.clone(), at: now }
    }
}

impl Row {
    /// As its latest beat left it, so that a report changes with the table and not with the clock.
    #[must_use]
    pub fn uptime(&self) -> Uptime {
        self.advanced_at.map(|at| self.timeline.uptime(at)).unwrap_or_default()
    }

    /// Whether `target`'s series are those of this row.
    fn has_labels_of(&self, target: &Target) -> bool {
        self.target.port() == target.port() && self.target.protocol() == target.protocol()
    }

    fn new(target: Arc<Target>, now: SystemTime) -> Self {
        let explanation = Cause::NotProbedYet.words().explanation;
        let mut timeline = Timeline::default();
        timeline.push(now, State::Unknown, Some(Cause::NotProbedYet));
        Self {
            target,
            state: State::Unknown,
            since: now,
            cause: Some(Arc::new(Finding::new(Cause::NotProbedYet, explanation))),
            consecutive_failures: 0,
            consecutive_successes: 0,
            probes: 0,
            failures: Vec::new(),
            transitions: [0; 3],
            last_transition: None,
            last_probe: None,
            history: Arc::default(),
            timeline: Arc::new(timeline),
            advanced_at: None,
            presented: None,
        }
    }
}

impl PoolTotals {
    fn new(target: &Target) -> Self {
        let possible = Cause::ALL.iter().filter(|cause| cause.possible_for(target.protocol()));
        Self {
            pool: target.pool.clone(),
            setting: target.setting.clone(),
            failures: possible.map(|cause| (*cause, 0)).collect(),
            latency: LatencyHistogram::default(),
        }
    }

    /// Whether these totals have a place for every cause that `target` can have: not after a change of protocol.
    fn fits(&self, target: &Target) -> bool {
        let possible = Cause::ALL.iter().filter(|cause| cause.possible_for(target.protocol()));
        possible.eq(self.failures.iter().map(|(cause, _)| cause))
    }

    fn count(&mut self, verdict: &Verdict) {
        let Some(finding) = &verdict.cause else {
            self.latency.observe(verdict.evidence.duration);
            return;
        };
        if let Some((_, count)) = self.failures.iter_mut().find(|(cause, _)| *cause == finding.code) {
            *count += 1;
        }
    }
}

impl LatencyHistogram {
    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(Self::BOUNDS.len());
        self.counts[bucket] += 1;
        self.sum += duration;
    }
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Healthy,
    Unhealthy,
    Unknown,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Unhealthy, Self::Unknown];

    /// For people and for JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unhealthy => "Unhealthy",
            Self::Unknown => "Unknown",
        }
    }

    /// For metric labels.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// The table at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub at: SystemTime,
    /// Grows with everything that ends a probe or changes a row.
    pub revision: u64,
    /// When that last happened.
    pub changed_at: SystemTime,
    pub configuration: Configuration,
    /// In the configuration's order.
    pub rows: Rows,
    /// One for each pool and setting, in the configuration's order.
    pub pools: Vec<Arc<PoolTotals>>,
}

/// How the table stands, without its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// As [`Snapshot::revision`].
    pub revision: u64,
    /// As [`Snapshot::changed_at`].
    pub changed_at: SystemTime,
    /// Rows in each state, in the order of [`State::ALL`].
    pub by_state: [usize; 3],
}

/// A row at one instant.
#[derive(Clone, Debug)]
pub struct Row {
    pub target: Arc<Target>,
    pub state: State,
    /// When the row took its state.
    pub since: SystemTime,
    /// Of the latest probe that gave a verdict, `not_probed_yet`, or the local trouble that made the row Unknown;
    /// `None` when that probe succeeded.
    pub cause: Option<Arc<Finding<Cause>>>,
    /// Failed probes in a row.
    pub consecutive_failures: u32,
    /// Successful probes in a row of a row that is not Healthy yet; 0 of one that is.
    pub consecutive_successes: u32,
    pub probes: u64,
    /// Failed probes, and those without a verdict, by cause; only causes that occurred.
    pub failures: Vec<(Cause, u64)>,
    /// Changes of state, in the order of [`State::ALL`].
    pub transitions: [u64; 3],
    /// `None` before the first change of state.
    pub last_transition: Option<SystemTime>,
    pub last_probe: Option<Arc<Verdict>>,
    pub history: Arc<History>,
    pub timeline: Arc<Timeline>,
    /// When its latest beat ended; `None` before the first.
    pub advanced_at: Option<SystemTime>,
    /// The certificates as last presented, for 24 hours.
    pub presented: Option<Presented>,
}

/// Certificates, and when a probe last saw them.
#[derive(Clone, Debug)]
pub struct Presented {
    pub at: SystemTime,
    pub chain: Arc<PresentedChain>,
    pub session: Option<TlsSession>,
    /// Whether they were accepted.
    pub verified: bool,
}

/// What is counted for a pool under a setting. Rows come and go; these only grow.
#[derive(Clone, Debug)]
pub struct PoolTotals {
    pub pool: Arc<str>,
    pub setting: Arc<str>,
    /// Every cause that the setting's protocol can have, zeros too.
    pub failures: Vec<(Cause, u64)>,
    pub latency: LatencyHistogram,
}

/// Durations of successful probes.
#[derive(Clone, Debug, Default)]
pub struct LatencyHistogram {
    /// Not cumulative, one for each of [`LatencyHistogram::BOUNDS`] and one for all above.
    pub counts: [u64; 16],
    pub sum: Duration,
}

impl LatencyHistogram {
    /// Upper bounds of the buckets, in seconds, inclusive.
    pub const BOUNDS: [f64; 15] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Host, ProbeSpec, Protocol, Request};
    use crate::verdict::{Evidence, Phases};

    fn target(path: &str, threshold: u32, port: u16) -> Arc<Target> {
        let probe = ProbeSpec {
            request: Some(Request::new("server", path)),
            ..ProbeSpec::new(Protocol::Http, Host::Name("server".into()), port, Duration::from_secs(1))
        };
        Arc::new(Target {
            id: TargetId(7),
            pool: "pool".into(),
            setting: "setting".into(),
            unhealthy_threshold: threshold,
            ..Target::single("server".into(), probe)
        })
    }

    fn success() -> Verdict {
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
        Verdict { cause: None, also: Vec::new(), warnings: Vec::new(), evidence }
    }

    /// A Healthy row after one probe, and the only row after a reload to `to`.
    fn reloaded(to: &Arc<Target>) -> (Vec<Transition>, Row) {
        let table = HealthTable::new();
        let from = target("/", 3, 80);
        table.replace(std::slice::from_ref(&from), SystemTime::now());
        assert!(table.record(&from, success(), SystemTime::now()).is_some());
        let transitions = table.replace(std::slice::from_ref(to), SystemTime::now());
        let late = table.record(&from, success(), SystemTime::now());
        assert!(late.is_none(), "a verdict of before says nothing of a changed row");
        let row = table.snapshot(SystemTime::now()).rows.remove(0);
        (transitions, row)
    }

    #[test]
    fn a_row_that_asks_the_same_keeps_its_state_across_a_reload() {
        let (transitions, row) = reloaded(&target("/", 5, 80));
        assert!(transitions.is_empty());
        assert_eq!((row.state, row.probes, row.target.unhealthy_threshold), (State::Healthy, 1, 5));
    }

    #[test]
    fn a_row_that_asks_something_else_is_unknown_and_keeps_counting() {
        let (transitions, row) = reloaded(&target("/healthz", 3, 80));
        assert_eq!(transitions.len(), 1);
        assert_eq!((transitions[0].from, transitions[0].to), (State::Healthy, State::Unknown));
        assert_eq!((row.state, row.probes, row.transitions), (State::Unknown, 1, [1, 0, 1]));
        assert_eq!(row.cause.map(|cause| cause.code), Some(Cause::NotProbedYet));
    }

    #[test]
    fn the_overview_counts_what_a_snapshot_shows() {
        let table = HealthTable::new();
        let check = |numbers: &[u64]| {
            let (snapshot, overview) = (table.snapshot(SystemTime::now()), table.overview(SystemTime::now()));
            let count = |state| snapshot.rows.iter().filter(|row| row.state == state).count();
            assert_eq!(overview.by_state, State::ALL.map(count));
            assert_eq!((overview.revision, overview.changed_at), (snapshot.revision, snapshot.changed_at));
            let after: Vec<u64> = table.transitions_after(0, 10).iter().map(|transition| transition.number).collect();
            assert_eq!(after, numbers);
            assert_eq!(*table.watch_transitions().borrow(), numbers.last().copied().unwrap_or(0));
        };
        let first = target("/", 3, 80);
        let second = Arc::new(Target { id: TargetId(8), ..Target::clone(&first) });
        table.replace(&[first.clone(), second.clone()], SystemTime::now());
        check(&[]);
        table.record(&first, success(), SystemTime::now());
        check(&[1]);
        table.record(&second, success(), SystemTime::now());
        check(&[1, 2]);
        table.replace(&[target("/healthz", 3, 80)], SystemTime::now());
        check(&[1, 2, 3]);
        assert_eq!(table.transitions_after(1, 1).first().map(|transition| transition.number), Some(2));
        assert!(table.transitions_after(3, 1).is_empty());
        assert_eq!(table.row("0000000000000007").map(|(_, row)| row.state), Some(State::Unknown));
        assert!(["0000000000000008", "7", "", "+000000000000007"].iter().all(|id| table.row(id).is_none()));
    }

    #[test]
    fn a_configuration_that_is_refused_is_told_until_it_is_right() {
        let table = HealthTable::new();
        let told = || {
            let Snapshot { configuration: Configuration { loaded_at, error }, revision, .. } = table.snapshot(at(9));
            (loaded_at, error.as_deref().map(str::to_owned), revision)
        };
        table.configuration_refused(Some("nobody has a configuration yet"), at(0));
        table.configuration_loaded(at(1));
        assert_eq!(told(), (at(1), None, 1));
        table.configuration_refused(Some("x.yml:1:1: no"), at(2));
        table.configuration_refused(Some("x.yml:1:1: no"), at(3));
        assert_eq!(told(), (at(1), Some("x.yml:1:1: no".to_owned()), 2), "the same again is no news");
        table.configuration_loaded(at(4));
        table.configuration_refused(None, at(4));
        assert_eq!(told(), (at(4), None, 4));
    }

    #[test]
    fn a_row_is_not_called_unprobed_once_a_probe_of_it_has_ended() {
        let table = HealthTable::new();
        let target = target("/", 3, 80);
        table.replace(std::slice::from_ref(&target), SystemTime::now());
        let row = || table.snapshot(SystemTime::now()).rows.remove(0);
        let code = || row().cause.map(|cause| cause.code);
        assert!(table.record_skip(&target, Cause::LocalExhausted, "no slot", SystemTime::now()).is_none());
        assert_eq!(code(), Some(Cause::NotProbedYet), "nothing has ended yet");
        let mut verdict = success();
        verdict.cause = Some(Finding::new(Cause::LocalNetwork, "no route"));
        assert!(table.record(&target, verdict, SystemTime::now()).is_none());
        assert_eq!((code(), row().state), (Some(Cause::LocalNetwork), State::Unknown));
    }

    #[test]
    fn a_row_with_other_labels_is_a_new_one() {
        let (transitions, row) = reloaded(&target("/", 3, 8080));
        assert!(transitions.is_empty());
        assert_eq!((row.state, row.probes, row.transitions), (State::Unknown, 0, [0; 3]));
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn failed(cause: Cause) -> Verdict {
        Verdict { cause: Some(Finding::new(cause, "why")), ..success() }
    }

    #[test]
    fn every_probe_is_counted_once_in_its_row_and_in_its_pool() {
        let table = HealthTable::new();
        let target = target("/", 2, 80);
        table.replace(std::slice::from_ref(&target), at(0));
        assert!(!table.is_ready());
        let beats = [
            success(),
            failed(Cause::TcpRefused),
            failed(Cause::HttpTimeout),
            failed(Cause::TcpRefused),
            failed(Cause::LocalNetwork),
            success(),
        ];
        let mut changes = Vec::new();
        for (second, verdict) in (1..).zip(beats) {
            let change = table.record(&target, verdict, at(second));
            let cause = |change: &Transition| change.cause.as_ref().map(|cause| cause.code);
            changes.extend(change.map(|change| (change.at, change.number, change.from, change.to, cause(&change))));
            assert!(table.is_ready());
        }
        let expected = [
            (at(1), 1, State::Unknown, State::Healthy, None),
            (at(3), 2, State::Healthy, State::Unhealthy, Some(Cause::HttpTimeout)),
            (at(6), 3, State::Unhealthy, State::Healthy, None),
        ];
        assert_eq!(changes, expected);
        let numbers: Vec<u64> = table.transitions().map(|change| change.number).collect();
        assert_eq!(numbers, [3, 2, 1]);

        let Snapshot { at: taken, revision, changed_at, rows, pools, .. } = table.snapshot(at(9));
        assert_eq!((taken, revision, changed_at, table.revision()), (at(9), 7, at(6), 7));
        let row = &rows[0];
        assert_eq!((row.state, row.since, row.last_transition), (State::Healthy, at(6), Some(at(6))));
        assert_eq!((row.probes, row.consecutive_failures, row.transitions), (6, 0, [2, 1, 0]));
        let causes = [(Cause::TcpRefused, 2), (Cause::HttpTimeout, 1), (Cause::LocalNetwork, 1)];
        assert_eq!(row.failures, causes);
        let counted = pools[0].failures.iter().copied().filter(|(_, count)| *count > 0);
        let counted: HashMap<Cause, u64> = counted.collect();
        assert_eq!(counted, HashMap::from(causes));
        assert_eq!((pools[0].latency.counts.iter().sum::<u64>(), pools[0].latency.counts[2]), (2, 2));
        assert_eq!(pools[0].latency.sum, Duration::from_millis(6));
    }

    #[test]
    fn a_duration_belongs_to_the_first_bucket_that_has_room_for_it() {
        for (micros, bucket) in [(0, 0), (1_000, 0), (1_001, 1), (2_500, 1), (60_000_000, 14), (60_000_001, 15)] {
            let mut histogram = LatencyHistogram::default();
            histogram.observe(Duration::from_micros(micros));
            assert_eq!(histogram.counts.iter().position(|count| *count == 1), Some(bucket), "{micros}");
        }
    }

    #[test]
    fn an_unexplained_alert_is_looked_into_every_ten_minutes() {
        let table = HealthTable::new();
        let target = target("/", 3, 80);
        table.replace(std::slice::from_ref(&target), at(0));
        let facts = Arc::new(ScanFacts::default());
        assert_eq!(table.scan_memory(&target, 40, at(1_000)), ScanMemory::Due);
        table.remember_scan(&target, 40, facts.clone(), at(1_000));
        for (alert, second, expected) in [
            (40, 1_000, ScanMemory::Found(facts.clone())),
            (40, 1_599, ScanMemory::Found(facts)),
            (70, 1_599, ScanMemory::TooSoon),
            (40, 1_600, ScanMemory::Due),
            (70, 1_600, ScanMemory::Due),
            (40, 999, ScanMemory::Due),
        ] {
            assert_eq!(table.scan_memory(&target, alert, at(second)), expected, "{alert} at {second}");
        }
    }

    #[test]
    fn the_same_certificates_are_kept_once_and_the_latest_changes_are_remembered() {
        let table = HealthTable::new();
        let target = target("/", 1, 80);
        table.replace(std::slice::from_ref(&target), at(0));
        let with = |trusted_root: Option<String>| {
            let chain = Arc::new(PresentedChain { certificates: Vec::new(), trusted_root });
            let evidence = Evidence { chain: Some(chain), ..success().evidence };
            Verdict { evidence, ..success() }
        };
        let kept = || table.snapshot(at(1)).rows.remove(0).presented.expect("certificates were sent").chain;
        table.record(&target, with(None), at(1));
        let first = kept();
        table.record(&target, with(None), at(2));
        assert!(Arc::ptr_eq(&first, &kept()));
        table.record(&target, with(Some("CN=Root".to_owned())), at(3));
        assert!(!Arc::ptr_eq(&first, &kept()));
        table.record(&target, success(), at(4));
        assert!(!Arc::ptr_eq(&first, &kept()), "what was seen last stays");

        for second in 0..REMEMBERED_TRANSITIONS as u64 {
            let verdict = if second % 2 == 0 { failed(Cause::TcpRefused) } else { success() };
            table.record(&target, verdict, at(second)).expect("with a threshold of 1 each of them changes the state");
        }
        let numbers: Vec<u64> = table.transitions().map(|change| change.number).collect();
        assert_eq!((numbers.len(), numbers[0]), (REMEMBERED_TRANSITIONS, REMEMBERED_TRANSITIONS as u64 + 1));
        assert!(numbers.is_sorted_by(|a, b| a == &(b + 1)), "each once, the latest first");
        let uptime = table.row("0000000000000007").map(|(_, row)| row.uptime().day);
        assert!(uptime.flatten().is_some_and(|share| (share - 0.5).abs() < 0.01), "{uptime:?}");
        let week = Timeline::REACH.as_secs();
        table.record(&target, failed(Cause::TcpRefused), at(50_000 + week)).expect("it changes the state");
        assert_eq!(table.transitions().count(), 50_001, "what is older than a week is forgotten");
        table.replace(&[], at(5));
        assert!(table.record(&target, success(), at(6)).is_none(), "the row is gone");
        assert!(table.record_skip(&target, Cause::LocalExhausted, "", at(6)).is_none());
        assert_eq!(table.scan_memory(&target, 40, at(6)), ScanMemory::Due);
    }
}
