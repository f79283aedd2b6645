//! Runs a given function for each target on its own beat. Knows nothing of probes.
//!
//! Every beat stands on a grid, at a place that comes from the target's id, so that rows spread over the interval by
//! themselves and stay where they are across reloads. A run never overlaps itself; a beat that cannot be kept is
//! skipped and said so, never made up for.
//!
//! What there is no room for now waits its turn. A row whose next beat comes meanwhile has skipped the one before.

mod admission;
mod grid;
mod runs;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::{Pace, Queue, Young};
use self::grid::{Grid, missed_beats};
pub use self::runs::Finished;
use self::runs::{Meter, RunState, UnderWay};
use crate::target::{Target, TargetId};

/// Time between two looks at whether there is room for what waits.
const LOOK: Duration = Duration::from_millis(4);

/// How many missed beats of one row are told apart after a long stop; more tell nothing more.
const MAX_MISSED_TOLD: u32 = 20;

/// Keeps the beats of all targets until it is cancelled.
pub struct Scheduler {
    targets: mpsc::UnboundedSender<Vec<Arc<Target>>>,
    meter: Arc<Meter>,
    runs: TaskTracker,
}

/// Why a beat was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The row's run before it is still under way.
    StillRunning,
    /// As many runs are under way as this host may have, of all or of those that wait in vain.
    NoSlot,
    /// More runs are due than this host has CPU for, and the row's turn did not come.
    NoTurn,
    /// This process did not get to run when the beat was due.
    Missed,
}

/// How a run ended, as far as the next one's place depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody answered.
    Answered,
    /// It held its slot for an answer that did not come. At most half of all slots go to rows of this kind, and to those
    /// that are new: they never keep the others from running.
    InVain,
    /// Our own trouble, which says nothing.
    Unclear,
}

/// What the scheduler counts about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerNumbers {
    pub in_flight: u64,
    pub skipped: u64,
    /// Not cumulative; one for each of [`DELAY_BOUNDS`], and one for all above.
    pub delays: [u64; DELAY_BOUNDS.len() + 1],
    pub delay_sum: Duration,
}

/// Upper bounds of the start delay's buckets, in seconds, inclusive.
pub const DELAY_BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Scheduler {
    /// Starts with no targets. At most `limit` runs are under way at once; ends its own work when `shutdown` is cancelled.
    ///
    /// `crowded` says whether the host has no CPU to spare because of this process: then few runs are under way at once, so
    /// that servers on the same host can answer them in time.
    ///
    /// `run` is called for each beat that is kept, and says how it ended; `skipped` is called for each one that is not.
    pub fn start<Run, Running>(
        limit: usize,
        crowded: impl Fn() -> bool + Send + 'static,
        shutdown: CancellationToken,
        run: Run,
        skipped: impl Fn(&Target, Skip) + Send + 'static,
    ) -> Self
    where
        Run: Fn(Arc<Target>) -> Running + Send + 'static,
        Running: Future<Output: Into<Finished>> + Send + 'static,
    {
        let (ill, ended) = mpsc::unbounded_channel();
        let (targets, incoming) = mpsc::unbounded_channel();
        let meter = Arc::new(Meter::new(limit));
        let runs = TaskTracker::new();
        let epoch = Instant::now();
        let beats = Beats {
            grid: Grid::new(epoch),
            slots: HashMap::new(),
            due: BinaryHeap::new(),
            queue: Queue::default(),
            pace: Pace::new(epoch),
            young: Young::new(epoch),
            crowded: Box::new(crowded),
            meter: meter.clone(),
            runs: runs.clone(),
            shutdown,
            ended: ill,
            run,
            skipped,
        };
        runs.spawn(beats.keep(incoming, ended));
        Self { targets, meter, runs }
    }

    /// Makes `targets` the ones to keep. Those that did not change keep their beat.
    pub fn replace(&self, targets: Vec<Arc<Target>>) {
        // Fails only after the end, when there is nothing left to keep.
        let _ = self.targets.send(targets);
    }

    #[must_use]
    pub fn numbers(&self) -> SchedulerNumbers {
        self.meter.numbers()
    }

    /// Waits until every run has ended, after a shutdown.
    pub async fn ended(&self) {
        self.runs.close();
        self.runs.wait().await;
    }
}

struct Beats<Run, Skipped> {
    grid: Grid,
    slots: HashMap<TargetId, Slot>,
    /// Earliest first. An entry whose time is not its slot's next one is out of date.
    due: BinaryHeap<Reverse<(Instant, TargetId)>>,
    /// Due, and not started.
    queue: Queue,
    pace: Pace,
    young: Young,
    crowded: Box<dyn Fn() -> bool + Send>,
    meter: Arc<Meter>,
    runs: TaskTracker,
    shutdown: CancellationToken,
    /// Told of each run that ended of a row whose interval depends on that.
    ended: mpsc::UnboundedSender<TargetId>,
    run: Run,
    skipped: Skipped,
}

struct Slot {
    target: Arc<Target>,
    /// Its place on the grid.
    place: Duration,
    next: Instant,
    /// The beat that is due and not started.
    waiting: Option<Instant>,
    /// The beat before the next one; `None` before the first.
    latest: Option<Instant>,
    run: Arc<RunState>,
}

impl<Run, Running, Skipped> Beats<Run, Skipped>
where
    Run: Fn(Arc<Target>) -> Running + Send + 'static,
    Running: Future<Output: Into<Finished>> + Send + 'static,
    Skipped: Fn(&Target, Skip) + Send + 'static,
{
    async fn keep(
        mut self,
        mut incoming: mpsc::UnboundedReceiver<Vec<Arc<Target>>>,
        mut ended: mpsc::UnboundedReceiver<TargetId>,
    ) {
        let shutdown = self.shutdown.clone();
        loop {
            let beat = self.due.peek().map(|Reverse((at, _))| *at);
            let next = if self.queue.is_empty() { beat } else { beat.min(Some(Instant::now() + LOOK)) };
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                targets = incoming.recv() => match targets {
                    Some(targets) => self.replace(targets),
                    None => return,
                },
                Some(id) = ended.recv() => self.pace_of(id),
                () = wait => self.start_due(),
            }
        }
    }

    fn replace(&mut self, targets: Vec<Arc<Target>>) {
        let now = Instant::now();
        self.grid.expect(targets.iter().map(AsRef::as_ref));
        // As much as may fall due.
        let most = |target: &Arc<Target>| target.interval.min(target.unhealthy_interval);
        self.pace.expect(targets.iter().map(most), self.grid.spacing());
        let mut old = std::mem::take(&mut self.slots);
        // Those that have a place come first.
        for target in &targets {
            if let Some(slot) = old.get(&target.id).filter(|slot| slot.target.interval == target.interval) {
                self.grid.keep(target.interval, slot.place);
            }
        }
        self.due.clear();
        for target in targets {
            let slot = match old.remove(&target.id) {
                Some(slot) if slot.target == target => slot,
                before => {
                    let kept = before.as_ref().filter(|slot| slot.target.interval == target.interval);
                    let place = kept.map_or_else(|| self.grid.place(&target), |slot| slot.place);
                    // A changed row waits for the end of a run that began under its old settings.
                    let run = before.map_or_else(|| Arc::new(RunState::new()), |slot| slot.run);
                    Slot { next: self.grid.first(&target, place, now), waiting: None, latest: None, target, place, run }
                }
            };
            self.due.push(Reverse((slot.next, slot.target.id)));
            self.slots.insert(slot.target.id, slot);
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        // What waits has its pace; what falls due at its usual time, and finds nobody waiting, starts at once.
        let nobody_waits = self.queue.is_empty();
        let mut fresh = 0;
        while let Some(Reverse((at, id))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.next == at) else { continue };
            slot.latest = Some(at);
            slot.next = slot.following(&self.grid, at, now);
            self.due.push(Reverse((slot.next, id)));
            let missed = missed_beats(at, now, slot.interval());
            self.meter.skipped(missed);
            for _ in 0..missed.min(MAX_MISSED_TOLD) {
                (self.skipped)(&slot.target, Skip::Missed);
            }
            let skip = if slot.run.is_running() {
                // Its beat is set anew when the run ends.
                (!slot.has_its_own_pace()).then_some(Skip::StillRunning)
            } else if slot.waiting.replace(at).is_none() {
                self.queue.push(id, slot.run.standing());
                fresh += usize::from(nobody_waits);
                None
            } else {
                // The beat before leaves its place to this one.
                Some(self.meter.why_waiting(slot.run.standing()))
            };
            if let Some(why) = skip {
                self.meter.skipped(1);
                (self.skipped)(&slot.target, why);
            }
        }
        let for_cpu = self.pace.room(fresh, self.meter.had_turn(), now);
        let room = for_cpu.min(self.young.room(now, (self.crowded)()));
        for _ in 0..room {
            if !self.meter.has_room() {
                return;
            }
            let Some(id) = self.queue.pop(self.meter.has_room_for_doubtful()) else { return };
            // A reload may have taken the row, or its beat, meanwhile.
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            if let Some(due) = slot.waiting.take() {
                let (target, run) = (slot.target.clone(), slot.run.clone());
                self.start_one(target, run, due);
            }
        }
    }

    /// After a run that ended the next beat may come sooner, or later, than it was to.
    fn pace_of(&mut self, id: TargetId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        // What is due already has its turn first.
        if let (Some(latest), None) = (slot.latest, slot.waiting) {
            let next = slot.following(&self.grid, latest, Instant::now());
            if next != slot.next {
                slot.next = next;
                self.due.push(Reverse((next, id)));
            }
        }
    }

    fn start_one(&mut self, target: Arc<Target>, run: Arc<RunState>, due: Instant) {
        let young = run.may_be_answered().then(|| self.young.one_more());
        let under_way = UnderWay::begin(self.meter.clone(), run, young);
        self.pace.started_one();
        let (id, depends) = (target.id, target.interval != target.unhealthy_interval);
        let work = (self.run)(target);
        let (shutdown, ended_runs) = (self.shutdown.clone(), depends.then(|| self.ended.clone()));
        self.runs.spawn(async move {
            under_way.has_turn(due.elapsed());
            tokio::select! {
                () = shutdown.cancelled() => {}
                finished = work => {
                    under_way.take(finished.into());
                    drop(under_way);
                    // Fails only after the end, when there is no other beat.
                    let _ = ended_runs.map(|runs| runs.send(id));
                }
            }
        });
    }
}

impl Slot {
    /// The interval that holds for it now.
    fn interval(&self) -> Duration {
        if self.run.is_well() { self.target.interval } else { self.target.unhealthy_interval }
    }

    /// It is probed by the interval for rows that are not well.
    fn has_its_own_pace(&self) -> bool {
        self.interval() != self.target.interval
    }

    /// The beat after the one that was due at `at`. A row that is not well leaves its place, and comes back to it; those
    /// that fell ill at different moments stay as far apart as they were.
    fn following(&self, grid: &Grid, at: Instant, now: Instant) -> Instant {
        if self.has_its_own_pace() {
            grid.later(at, self.interval(), now)
        } else {
            grid.following(self.target.interval, self.place, at, now)
        }
    }
}

/// Half a millennium fits.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::grid::FIRST_WITHIN;
    use super::*;
    use crate::probe::{ProbeSpec, Protocol};

    pub(super) fn target(number: u64, interval: Duration) -> Arc<Target> {
        // Spreads like a hash does.
        let id = TargetId(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number << 17));
        let server: Arc<str> = format!("server-{number}").into();
        let host = crate::probe::Host::Name(server.clone());
        let probe = ProbeSpec::new(Protocol::Tcp, host, 80, Duration::from_secs(1));
        Arc::new(Target { id, interval, unhealthy_interval: interval, ..Target::single(server, probe) })
    }

    /// What happened, in order: the moment since start, the target, and `None` for a run or why not.
    type Log = Arc<Mutex<Vec<(Duration, TargetId, Option<Skip>)>>>;

    fn scheduler(limit: usize, takes: Duration) -> (Scheduler, Log, CancellationToken) {
        scheduler_of(limit, move |_| (takes, Ended::Answered))
    }

    /// `of` says how long a run takes, and how it ends.
    fn scheduler_of(
        limit: usize,
        of: impl Fn(&Target) -> (Duration, Ended) + Send + 'static,
    ) -> (Scheduler, Log, CancellationToken) {
        let log: Log = Arc::default();
        let shutdown = CancellationToken::new();
        let start = Instant::now();
        let (runs, skips) = (log.clone(), log.clone());
        let run = move |target: Arc<Target>| {
            runs.lock().unwrap().push((start.elapsed(), target.id, None));
            let (takes, ended) = of(&target);
            async move {
                tokio::time::sleep(takes).await;
                ended
            }
        };
        let skipped = move |target: &Target, why| {
            skips.lock().unwrap().push((start.elapsed(), target.id, Some(why)));
        };
        (Scheduler::start(limit, || false, shutdown.clone(), run, skipped), log, shutdown)
    }

    #[tokio::test(start_paused = true)]
    async fn every_row_starts_soon_and_then_keeps_its_interval() {
        let (scheduler, log, shutdown) = scheduler(100, Duration::from_millis(5));
        let targets =
            [target(1, Duration::from_secs(2)), target(2, Duration::from_secs(30)), target(3, Duration::from_secs(7))];
        scheduler.replace(targets.to_vec());
        tokio::time::sleep(Duration::from_secs(200)).await;
        shutdown.cancel();
        scheduler.ended().await;
        let log = log.lock().unwrap();
        for target in &targets {
            let starts: Vec<Duration> = log.iter().filter(|entry| entry.1 == target.id).map(|entry| entry.0).collect();
            assert!(starts[0] <= target.interval.min(FIRST_WITHIN) + Duration::from_millis(21), "{starts:?}");
            // The second beat is on the grid; from then on the interval is exact.
            for pair in starts[1..].windows(2) {
                let gap = pair[1].saturating_sub(pair[0]);
                assert!(gap.abs_diff(target.interval) <= Duration::from_millis(2), "{gap:?} for {:?}", target.interval);
            }
            let first_gap = starts[1].saturating_sub(starts[0]);
            assert!(first_gap + Duration::from_millis(2) >= target.interval / 2, "{first_gap:?}");
        }
        assert_eq!(scheduler.numbers().skipped, 0);
    }

    /// The most starts within any 100 ms, beginning with each wake-up, and all of them.
    fn most_within_100_ms(log: &Log, from: Duration) -> (usize, usize) {
        let mut starts: Vec<Duration> = log
            .lock()
            .unwrap()
            .iter()
            .filter(|(at, _, skip)| *at >= from && skip.is_none())
            .map(|(at, ..)| *at)
            .collect();
        starts.sort_unstable();
        let within = |from: Duration| starts.partition_point(|at| *at < from + Duration::from_millis(100));
        let most = starts.iter().enumerate().map(|(before, at)| within(*at) - before).max();
        (most.unwrap_or(0), starts.len())
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_rows_never_start_together() {
        let (scheduler, log, shutdown) = scheduler(20_000, Duration::from_millis(1));
        scheduler.replace((0..10_000).map(|number| target(number, Duration::from_secs(10))).collect());
        tokio::time::sleep(Duration::from_secs(20)).await;
        shutdown.cancel();
        let (most, all) = most_within_100_ms(&log, Duration::ZERO);
        assert!(most <= 150, "{most} starts within 100 ms, where 100 are even");
        assert!((19_950..=20_050).contains(&all), "{all} starts in two intervals");
        let rows: std::collections::HashSet<TargetId> = log
            .lock()
            .unwrap()
            .iter()
            .filter(|(at, ..)| *at <= Duration::from_millis(10_021))
            .map(|entry| entry.1)
            .collect();
        assert_eq!(rows.len(), 10_000, "every row has started within one interval");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_that_changes_one_of_ten_thousand_rows_moves_no_other() {
        let rows = || (0..10_000).map(|number| target(number, Duration::from_secs(10)));
        let (scheduler, log, shutdown) = scheduler(20_000, Duration::from_millis(1));
        scheduler.replace(rows().collect());
        tokio::time::sleep(Duration::from_secs(13)).await;
        let changed =
            Arc::new(Target { unhealthy_threshold: 7, ..Target::clone(&target(77, Duration::from_secs(10))) });
        let id = changed.id;
        scheduler.replace(rows().map(|row| if row.id == id { changed.clone() } else { row }).collect());
        tokio::time::sleep(Duration::from_secs(22)).await;
        shutdown.cancel();
        let mut starts: HashMap<TargetId, Vec<Duration>> = HashMap::new();
        for (at, id, skip) in log.lock().unwrap().iter() {
            assert_eq!(*skip, None, "{id} at {at:?}");
            starts.entry(*id).or_default().push(*at);
        }
        assert_eq!(starts.len(), 10_000);
        for (id, starts) in starts {
            let gaps = starts.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
            let off = gaps.filter(|gap| gap.abs_diff(Duration::from_secs(10)) > Duration::from_millis(2));
            assert_eq!(off.count(), 0, "{id}: {starts:?}");
            assert!(starts.len() >= 3, "{id}: {starts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_stop_every_row_starts_once_and_not_all_together() {
        let (scheduler, log, shutdown) = scheduler(20_000, Duration::from_millis(1));
        scheduler.replace((0..10_000).map(|number| target(number, Duration::from_secs(10))).collect());
        tokio::time::sleep(Duration::from_secs(15)).await;
        let stopped = log.lock().unwrap().len();
        // Nobody else gets to run meanwhile.
        tokio::time::advance(Duration::from_mins(1)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        shutdown.cancel();
        let log: Log = Arc::new(Mutex::new(log.lock().unwrap().split_off(stopped)));
        let (most, all) = most_within_100_ms(&log, Duration::ZERO);
        // 40 starts at a wake-up at most on a machine of 4 cores, 25 wake-ups.
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!(most <= 26 * (8 + 8 * cores) + 40, "{most} starts within 100 ms");
        let mut starts: HashMap<TargetId, usize> = HashMap::new();
        for (_, id, skip) in log.lock().unwrap().iter() {
            *starts.entry(*id).or_default() += usize::from(skip.is_none());
        }
        // Those that come to their own beat by then start once more.
        assert_eq!(starts.values().filter(|starts| **starts == 0).count(), 0);
        assert!((10_000..=12_300).contains(&all), "{all} starts");
        let missed = log.lock().unwrap().iter().filter(|entry| entry.2 == Some(Skip::Missed)).count();
        assert!((49_000..=51_000).contains(&missed), "{missed} beats are counted as missed");
    }

    #[tokio::test(start_paused = true)]
    async fn rows_that_wait_in_vain_take_half_of_the_slots_and_keep_nobody_else_from_running() {
        let is_black_hole = |id: TargetId| id.0.is_multiple_of(2);
        let (scheduler, log, shutdown) = scheduler_of(20, move |target| {
            if is_black_hole(target.id) {
                (Duration::from_secs(5), Ended::InVain)
            } else {
                (Duration::from_millis(5), Ended::Answered)
            }
        });
        scheduler.replace((0..400).map(|number| target(number, Duration::from_secs(5))).collect());
        // By then each row ran once: the black holes took all the slots there are for rows that nobody knows yet.
        tokio::time::sleep(Duration::from_mins(4)).await;
        let before = scheduler.numbers().skipped;
        let from = log.lock().unwrap().len();
        tokio::time::sleep(Duration::from_mins(1)).await;
        shutdown.cancel();
        let log = log.lock().unwrap();
        let of = |black_holes: bool, skip: Option<Skip>| {
            log[from..].iter().filter(|entry| is_black_hole(entry.1) == black_holes && entry.2 == skip).count()
        };
        let black_holes = log.iter().map(|entry| entry.1).collect::<std::collections::HashSet<_>>();
        let black_holes = black_holes.into_iter().filter(|id| is_black_hole(*id)).count();
        // Twelve beats each, and none left out.
        let good = 400 - black_holes;
        assert!((100..300).contains(&good), "{good}");
        assert!(of(false, None).abs_diff(good * 12) <= good, "{} runs of {good} rows", of(false, None));
        assert_eq!(of(false, Some(Skip::NoSlot)) + of(false, Some(Skip::NoTurn)), 0);
        // Ten slots, each taken for 5 s: the other half is never theirs, and their own half is always taken.
        assert!((110..=125).contains(&of(true, None)), "{} runs", of(true, None));
        let reasons = [Skip::NoSlot, Skip::StillRunning, Skip::NoTurn];
        let skipped: usize = reasons.into_iter().map(|why| of(true, Some(why))).sum();
        assert_eq!(scheduler.numbers().skipped - before, skipped as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn with_too_little_room_every_row_has_its_turn_equally_often() {
        // 100 rows a second, where 25 fit.
        let (scheduler, log, shutdown) = scheduler(10, Duration::from_millis(400));
        scheduler.replace((0..100).map(|number| target(number, Duration::from_secs(1))).collect());
        tokio::time::sleep(Duration::from_secs(100)).await;
        shutdown.cancel();
        let mut starts: HashMap<TargetId, usize> = HashMap::new();
        for (_, id, skip) in log.lock().unwrap().iter() {
            *starts.entry(*id).or_default() += usize::from(skip.is_none());
        }
        let (fewest, most) = (starts.values().min().unwrap(), starts.values().max().unwrap());
        assert_eq!(starts.len(), 100);
        assert!(*fewest >= 20 && *most - *fewest <= 5, "{fewest} to {most} starts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_never_overlaps_itself() {
        let (scheduler, log, shutdown) = scheduler(100, Duration::from_millis(2500));
        scheduler.replace(vec![target(1, Duration::from_secs(1))]);
        tokio::time::sleep(Duration::from_millis(9500)).await;
        shutdown.cancel();
        let log = log.lock().unwrap();
        let skips = log.iter().filter(|entry| entry.2 == Some(Skip::StillRunning)).count();
        let runs: Vec<Duration> = log.iter().filter(|entry| entry.2.is_none()).map(|entry| entry.0).collect();
        assert!(runs.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) >= Duration::from_millis(2500)), "{runs:?}");
        assert_eq!(runs.len() + skips, log.len());
        assert_eq!(scheduler.numbers().skipped, skips as u64);
        assert!(skips >= 5, "{log:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_limit_is_skipped_and_counted() {
        // Half of them for rows that nobody knows yet.
        let (scheduler, log, shutdown) = scheduler(4, Duration::from_mins(1));
        scheduler.replace((0..5).map(|number| target(number, Duration::from_secs(1))).collect());
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(scheduler.numbers().in_flight, 2);
        shutdown.cancel();
        scheduler.ended().await;
        let log = log.lock().unwrap();
        assert_eq!(log.iter().filter(|entry| entry.2.is_none()).count(), 2);
        assert!(log.iter().filter(|entry| entry.2 == Some(Skip::NoSlot)).count() >= 3);
        assert_eq!(scheduler.numbers().in_flight, 0, "a shutdown gives the slots back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_keeps_the_beat_of_rows_that_did_not_change() {
        let (scheduler, log, shutdown) = scheduler(100, Duration::from_millis(1));
        let kept = target(1, Duration::from_secs(3));
        scheduler.replace(vec![kept.clone(), target(2, Duration::from_secs(3))]);
        tokio::time::sleep(Duration::from_millis(4100)).await;
        scheduler.replace(vec![target(1, Duration::from_secs(3)), target(4, Duration::from_secs(3))]);
        tokio::time::sleep(Duration::from_secs(12)).await;
        shutdown.cancel();
        let log = log.lock().unwrap();
        let of = |id| log.iter().filter(|entry| entry.1 == id).map(|entry| entry.0).collect::<Vec<_>>();
        let starts = of(kept.id);
        assert!(
            starts.windows(2).all(
                |pair| pair[1].saturating_sub(pair[0]).abs_diff(Duration::from_secs(3)) <= Duration::from_millis(2)
            ),
            "{starts:?}"
        );
        let gone = target(2, Duration::from_secs(3)).id;
        assert!(of(gone).iter().all(|at| *at < Duration::from_millis(4200)), "a removed row is not run again");
        assert!(!of(target(4, Duration::from_secs(3)).id).is_empty());
    }

    /// When each of these rows ran, in milliseconds, while those runs failed whose start `fails` names.
    async fn runs_of(
        rows: Vec<Arc<Target>>,
        takes: Duration,
        fails: fn(Duration) -> bool,
        seconds: u64,
    ) -> Vec<Vec<u64>> {
        let start = Instant::now();
        let log: Arc<Mutex<HashMap<TargetId, Vec<u64>>>> = Arc::default();
        let written = log.clone();
        let run = move |target: Arc<Target>| {
            let at = start.elapsed();
            written.lock().unwrap().entry(target.id).or_default().push(u64::try_from(at.as_millis()).unwrap());
            async move {
                tokio::time::sleep(takes).await;
                Finished { ended: Ended::Answered, is_well: !fails(at) }
            }
        };
        let shutdown = CancellationToken::new();
        let skipped = |target: &Target, skip: Skip| panic!("{} is not skipped: {skip:?}", target.server);
        let scheduler = Scheduler::start(100_000, || false, shutdown.clone(), run, skipped);
        scheduler.replace(rows.clone());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        shutdown.cancel();
        scheduler.ended().await;
        let mut log = log.lock().unwrap();
        rows.iter().map(|row| log.remove(&row.id).unwrap_or_default()).collect()
    }

    fn paced(number: u64, unhealthy_interval: Duration) -> Arc<Target> {
        Arc::new(Target { unhealthy_interval, ..Target::clone(&target(number, Duration::from_secs(10))) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_failed_is_asked_by_its_other_interval_and_comes_back_to_its_place() {
        let ill = |at: Duration| (30..52).contains(&at.as_secs());
        for (unhealthy, takes) in [(1, 10), (3, 10), (2, 5_000), (25, 10)] {
            let row = paced(5, Duration::from_secs(unhealthy));
            let runs = runs_of(vec![row], Duration::from_millis(takes), ill, 120).await.remove(0);
            let place = runs[1] % 10_000;
            let is_ill = |at: &u64| ill(Duration::from_millis(*at));
            for pair in runs[1..].windows(2) {
                let gap = pair[1] - pair[0];
                // The first beat is set when a run that took longer than the interval has ended.
                let shortest = (unhealthy * 1_000).max(takes);
                if is_ill(&pair[0]) {
                    assert!((shortest..=shortest + unhealthy * 1_000 + 40).contains(&gap), "{unhealthy} s: {runs:?}");
                } else {
                    assert!((4_980..=15_020).contains(&gap), "{unhealthy} s: {runs:?}");
                    assert!((pair[1] % 10_000).abs_diff(place) <= 20, "back at its place, {unhealthy} s: {runs:?}");
                }
            }
            assert!(runs.iter().any(is_ill) && runs.last().is_some_and(|last| *last > 105_000), "{runs:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_fall_ill_together_are_not_asked_together() {
        let rows: Vec<_> = (0..1_000).map(|number| paced(number, Duration::from_secs(1))).collect();
        let always = runs_of(rows, Duration::from_millis(1), |at| at.as_secs() >= 20, 60).await;
        let mut in_slot = HashMap::new();
        for at in always.iter().flatten().filter(|at| (40_000..50_000).contains(*at)) {
            *in_slot.entry(at / 100).or_insert(0_usize) += 1;
        }
        // 1,000 a second are 100 in each tenth of one.
        assert_eq!(in_slot.len(), 100);
        assert!(in_slot.values().all(|count| (60..=150).contains(count)), "{in_slot:?}");
    }
}
