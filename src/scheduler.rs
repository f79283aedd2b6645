//! Runs a given function for each target on its own beat. Knows nothing of probes.
//!
//! Every beat stands on a grid: a phase that comes from the target's id, so that rows spread over the interval by
//! themselves and stay where they are across reloads. A run never overlaps itself; a beat that cannot be kept is
//! skipped and said so, never made up for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::target::Target;
use crate::target::TargetId;

/// A new row's first run starts within the shorter of its interval and this.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Time between two moments at which beats are kept.
const WAKE_UP: Duration = Duration::from_millis(4);

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
    /// As many runs are under way as this host may have.
    NoSlot,
    /// This process did not get to run when the beat was due.
    Missed,
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

struct Meter {
    slots: Semaphore,
    limit: usize,
    skipped: AtomicU64,
    delays: [AtomicU64; DELAY_BOUNDS.len() + 1],
    delay_sum_micros: AtomicU64,
}

impl Scheduler {
    /// Starts with no targets. At most `limit` runs are under way at once; ends its own work when `shutdown` is cancelled.
    ///
    /// `run` is called for each beat that is kept, `skipped` for each one that is not.
    pub fn start<Run, Running>(
        limit: usize,
        shutdown: CancellationToken,
        run: Run,
        skipped: impl Fn(&Target, Skip) + Send + 'static,
    ) -> Self
    where
        Run: Fn(Arc<Target>) -> Running + Send + 'static,
        Running: Future<Output = ()> + Send + 'static,
    {
        let (targets, incoming) = mpsc::unbounded_channel();
        let meter = Arc::new(Meter {
            slots: Semaphore::new(limit),
            limit,
            skipped: AtomicU64::new(0),
            delays: Default::default(),
            delay_sum_micros: AtomicU64::new(0),
        });
        let runs = TaskTracker::new();
        let beats = Beats {
            epoch: Instant::now(),
            slots: HashMap::new(),
            due: BinaryHeap::new(),
            meter: meter.clone(),
            runs: runs.clone(),
            shutdown,
            run,
            skipped,
        };
        runs.spawn(beats.keep(incoming));
        Self { targets, meter, runs }
    }

    /// Makes `targets` the ones to keep. Those that did not change keep their beat.
    pub fn replace(&self, targets: Vec<Arc<Target>>) {
        // Fails only after the end, when there is nothing left to keep.
        let _ = self.targets.send(targets);
    }

    #[must_use]
    pub fn numbers(&self) -> SchedulerNumbers {
        let meter = &self.meter;
        SchedulerNumbers {
            in_flight: (meter.limit - meter.slots.available_permits()) as u64,
            skipped: meter.skipped.load(Ordering::Relaxed),
            delays: std::array::from_fn(|bucket| meter.delays[bucket].load(Ordering::Relaxed)),
            delay_sum: Duration::from_micros(meter.delay_sum_micros.load(Ordering::Relaxed)),
        }
    }

    /// Waits until every run has ended, after a shutdown.
    pub async fn ended(&self) {
        self.runs.close();
        self.runs.wait().await;
    }
}

impl Meter {
    fn started(&self, delay: Duration) {
        let seconds = delay.as_secs_f64();
        let bucket = DELAY_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(DELAY_BOUNDS.len());
        self.delays[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.delay_sum_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

struct Beats<Run, Skipped> {
    /// Where every grid begins.
    epoch: Instant,
    slots: HashMap<TargetId, Slot>,
    /// Earliest first. An entry whose time is not its slot's next one is out of date.
    due: BinaryHeap<Reverse<(Instant, TargetId)>>,
    meter: Arc<Meter>,
    runs: TaskTracker,
    shutdown: CancellationToken,
    run: Run,
    skipped: Skipped,
}

struct Slot {
    target: Arc<Target>,
    next: Instant,
    running: Arc<AtomicBool>,
}

impl<Run, Running, Skipped> Beats<Run, Skipped>
where
    Run: Fn(Arc<Target>) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send + 'static,
    Skipped: Fn(&Target, Skip) + Send + 'static,
{
    async fn keep(mut self, mut incoming: mpsc::UnboundedReceiver<Vec<Arc<Target>>>) {
        let shutdown = self.shutdown.clone();
        loop {
            let next = self.due.peek().map(|Reverse((at, _))| *at);
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
                () = wait => self.start_due(),
            }
        }
    }

    fn replace(&mut self, targets: Vec<Arc<Target>>) {
        let now = Instant::now();
        let mut old = std::mem::take(&mut self.slots);
        self.due.clear();
        for target in targets {
            let slot = match old.remove(&target.id) {
                Some(slot) if slot.target == target => slot,
                // A changed row waits for the end of a run that began under its old settings.
                Some(slot) => Slot { next: self.first_beat(&target, now), target, running: slot.running },
                None => Slot { next: self.first_beat(&target, now), target, running: Arc::default() },
            };
            self.due.push(Reverse((slot.next, slot.target.id)));
            self.slots.insert(slot.target.id, slot);
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, id))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.next == at) else { continue };
            let target = slot.target.clone();
            let running = slot.running.clone();
            slot.next = following_beat(self.epoch, &target, at, now);
            self.due.push(Reverse((slot.next, id)));
            let missed = missed_beats(at, now, target.interval);
            self.meter.skipped.fetch_add(u64::from(missed), Ordering::Relaxed);
            for _ in 0..missed.min(MAX_MISSED_TOLD) {
                (self.skipped)(&target, Skip::Missed);
            }
            self.start_one(target, running, at);
        }
    }

    fn start_one(&self, target: Arc<Target>, running: Arc<AtomicBool>, due: Instant) {
        let skip = |why| {
            self.meter.skipped.fetch_add(1, Ordering::Relaxed);
            (self.skipped)(&target, why);
        };
        if running.load(Ordering::Acquire) {
            return skip(Skip::StillRunning);
        }
        let Ok(permit) = self.meter.slots.try_acquire() else { return skip(Skip::NoSlot) };
        permit.forget();
        running.store(true, Ordering::Release);
        let under_way = UnderWay { meter: self.meter.clone(), running };
        let work = (self.run)(target);
        let shutdown = self.shutdown.clone();
        self.runs.spawn(async move {
            under_way.meter.started(due.elapsed());
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = work => {}
            }
            drop(under_way);
        });
    }

    /// A row with a long interval is not left waiting for its place on the grid.
    fn first_beat(&self, target: &Target, now: Instant) -> Instant {
        if target.interval <= FIRST_WITHIN {
            return grid_after(self.epoch, target, now);
        }
        self.epoch + common_wake_up(now.saturating_duration_since(self.epoch) + phase(target.id, FIRST_WITHIN))
    }
}

/// Gives slot and row back however the run ends.
struct UnderWay {
    meter: Arc<Meter>,
    running: Arc<AtomicBool>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Release);
        self.meter.slots.add_permits(1);
    }
}

/// The beat after the one that was due at `at`: the first on the grid that is not behind us, nor so close that a first
/// beat off the grid would be followed at once.
fn following_beat(epoch: Instant, target: &Target, at: Instant, now: Instant) -> Instant {
    grid_after(epoch, target, now.max(at + target.interval / 2))
}

/// The first beat of the target's grid after `moment`.
fn grid_after(epoch: Instant, target: &Target, moment: Instant) -> Instant {
    let interval = nanos(target.interval);
    let phase = nanos(phase(target.id, target.interval));
    let since_epoch = moment.saturating_duration_since(epoch);
    // The beat before may be the one: it was moved to the next common wake-up.
    let before = nanos(since_epoch).saturating_sub(phase) / interval;
    let mut beats = (before..).map(|beat| common_wake_up(Duration::from_nanos(phase + beat * interval)));
    epoch + beats.find(|beat| *beat > since_epoch).unwrap_or_default()
}

/// The next of the moments at which beats are kept, all those in between together: waking up costs as much as a probe.
fn common_wake_up(since_epoch: Duration) -> Duration {
    Duration::from_nanos(nanos(since_epoch).next_multiple_of(nanos(WAKE_UP)))
}

/// How many beats after the one due at `at` have gone by, too.
fn missed_beats(at: Instant, now: Instant, interval: Duration) -> u32 {
    u32::try_from(nanos(now.saturating_duration_since(at)) / nanos(interval)).unwrap_or(u32::MAX)
}

/// The target's stable place within `span`.
fn phase(id: TargetId, span: Duration) -> Duration {
    Duration::from_nanos(id.0 % nanos(span))
}

/// Half a millennium fits.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::probe::Expectation;
    use crate::probe::ProbeSpec;
    use crate::probe::Protocol;

    fn target(number: u64, interval: Duration) -> Arc<Target> {
        // Spreads like a hash does.
        let id = TargetId(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number << 17));
        let server: Arc<str> = format!("server-{number}").into();
        Arc::new(Target {
            id,
            pool: "pool".into(),
            setting: "setting".into(),
            server: server.clone(),
            interval,
            unhealthy_threshold: 3,
            probe: ProbeSpec {
                protocol: Protocol::Tcp,
                server: crate::probe::Host::Name(server),
                port: 80,
                timeout: Duration::from_secs(1),
                request: None,
                expectation: Arc::new(Expectation { status_codes: vec![(200, 399)], body: String::new() }),
                proxy_protocol: false,
                tls: None,
            },
        })
    }

    /// What happened, in order: the moment since start, the target, and `None` for a run or why not.
    type Log = Arc<Mutex<Vec<(Duration, TargetId, Option<Skip>)>>>;

    fn scheduler(limit: usize, takes: Duration) -> (Scheduler, Log, CancellationToken) {
        let log: Log = Arc::default();
        let shutdown = CancellationToken::new();
        let start = Instant::now();
        let (runs, skips) = (log.clone(), log.clone());
        let run = move |target: Arc<Target>| {
            runs.lock().unwrap().push((start.elapsed(), target.id, None));
            tokio::time::sleep(takes)
        };
        let skipped = move |target: &Target, why| {
            skips.lock().unwrap().push((start.elapsed(), target.id, Some(why)));
        };
        (Scheduler::start(limit, shutdown.clone(), run, skipped), log, shutdown)
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
            assert!(starts[0] <= target.interval.min(FIRST_WITHIN) + Duration::from_millis(1), "{starts:?}");
            // The second beat is on the grid; from then on the interval is exact.
            for pair in starts[1..].windows(2) {
                let gap = pair[1].saturating_sub(pair[0]);
                assert!(
                    gap.abs_diff(target.interval) <= WAKE_UP + Duration::from_millis(2),
                    "{gap:?} for {:?}",
                    target.interval
                );
            }
            let first_gap = starts[1].saturating_sub(starts[0]);
            assert!(first_gap + Duration::from_millis(2) >= target.interval / 2, "{first_gap:?}");
        }
        assert_eq!(scheduler.numbers().skipped, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_rows_never_start_together() {
        let (scheduler, log, shutdown) = scheduler(20_000, Duration::from_millis(1));
        scheduler.replace((0..10_000).map(|number| target(number, Duration::from_secs(10))).collect());
        tokio::time::sleep(Duration::from_secs(20)).await;
        shutdown.cancel();
        let mut in_each_100_ms = [0; 201];
        for (at, _, _) in log.lock().unwrap().iter() {
            in_each_100_ms[usize::try_from(at.as_millis() / 100).unwrap().min(200)] += 1;
        }
        let most = in_each_100_ms.iter().max().unwrap();
        assert!(*most < 200, "{most} starts within 100 ms, where 100 are even");
        let all: i32 = in_each_100_ms.iter().sum();
        assert!((19_950..=20_050).contains(&all), "{all} starts in two intervals");
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
        let (scheduler, log, shutdown) = scheduler(2, Duration::from_mins(1));
        scheduler.replace((0..5).map(|number| target(number, Duration::from_secs(1))).collect());
        tokio::time::sleep(Duration::from_millis(1500)).await;
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

    #[tokio::test(start_paused = true)]
    async fn missed_beats_are_skipped_not_bunched() {
        let epoch = Instant::now();
        let target = target(5, Duration::from_secs(1));
        let due = grid_after(epoch, &target, epoch + Duration::from_secs(10));
        let late = due + Duration::from_millis(3400);
        assert_eq!(missed_beats(due, late, target.interval), 3);
        assert_eq!(following_beat(epoch, &target, due, late), due + Duration::from_secs(4));
        assert_eq!(following_beat(epoch, &target, due, due), due + Duration::from_secs(1));
    }
}
