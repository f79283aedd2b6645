//! The runs under way: the slots that they hold, what is counted of them, and what a row keeps of its latest one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::admission::Standing;
use super::{DELAY_BOUNDS, Ended, SchedulerNumbers, Skip};

/// What the runs under way hold, and what is counted of all of them.
pub(super) struct Meter {
    limit: usize,
    in_flight: AtomicUsize,
    /// Those of them that are of doubtful rows.
    doubtful: AtomicUsize,
    skipped: AtomicU64,
    delays: [AtomicU64; DELAY_BOUNDS.len() + 1],
    delay_sum_micros: AtomicU64,
}

impl Meter {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: AtomicUsize::new(0),
            doubtful: AtomicUsize::new(0),
            skipped: AtomicU64::new(0),
            delays: Default::default(),
            delay_sum_micros: AtomicU64::new(0),
        }
    }

    pub(super) fn numbers(&self) -> SchedulerNumbers {
        SchedulerNumbers {
            in_flight: self.in_flight.load(Ordering::Relaxed) as u64,
            skipped: self.skipped.load(Ordering::Relaxed),
            delays: std::array::from_fn(|bucket| self.delays[bucket].load(Ordering::Relaxed)),
            delay_sum: Duration::from_micros(self.delay_sum_micros.load(Ordering::Relaxed)),
        }
    }

    pub(super) fn skipped(&self, beats: u32) {
        self.skipped.fetch_add(u64::from(beats), Ordering::Relaxed);
    }

    fn started(&self, delay: Duration) {
        let seconds = delay.as_secs_f64();
        let bucket = DELAY_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(DELAY_BOUNDS.len());
        self.delays[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.delay_sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Runs that have had their first turn.
    pub(super) fn had_turn(&self) -> u64 {
        self.delays.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Why a row that is due has not started.
    pub(super) fn why_waiting(&self, standing: Standing) -> Skip {
        if !self.has_room() || standing == Standing::Doubtful && !self.has_room_for_doubtful() {
            Skip::NoSlot
        } else {
            Skip::NoTurn
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) < self.limit
    }

    pub(super) fn has_room_for_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire) < (self.limit / 2).max(1)
    }
}

/// What a row and its run share.
pub(super) struct RunState {
    running: AtomicBool,
    /// The latest run was answered.
    proven: AtomicBool,
    /// The latest run waited in vain.
    in_vain: AtomicBool,
    /// The row is as it should be after the latest run.
    well: AtomicBool,
}

/// What a run that ended says of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    pub ended: Ended,
    /// The row is as it should be: its usual interval holds, and otherwise the one for rows that are not.
    pub is_well: bool,
}

impl From<Ended> for Finished {
    /// Of a row that is well.
    fn from(ended: Ended) -> Self {
        Self { ended, is_well: true }
    }
}

impl RunState {
    pub(super) fn new() -> Self {
        Self {
            running: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            in_vain: AtomicBool::new(false),
            well: AtomicBool::new(false),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    pub(super) fn is_well(&self) -> bool {
        self.well.load(Ordering::Acquire)
    }

    /// Nothing is known against it.
    pub(super) fn may_be_answered(&self) -> bool {
        !self.in_vain.load(Ordering::Acquire)
    }

    pub(super) fn standing(&self) -> Standing {
        if self.proven.load(Ordering::Acquire) { Standing::Proven } else { Standing::Doubtful }
    }
}

/// Gives slot and row back however the run ends.
pub(super) struct UnderWay {
    meter: Arc<Meter>,
    run: Arc<RunState>,
    standing: Standing,
    _young: Option<Arc<()>>,
}

impl UnderWay {
    pub(super) fn begin(meter: Arc<Meter>, run: Arc<RunState>, young: Option<Arc<()>>) -> Self {
        meter.in_flight.fetch_add(1, Ordering::AcqRel);
        let standing = run.standing();
        if standing == Standing::Doubtful {
            meter.doubtful.fetch_add(1, Ordering::AcqRel);
        }
        run.running.store(true, Ordering::Release);
        Self { meter, run, standing, _young: young }
    }

    /// Its first turn, so late after its beat.
    pub(super) fn has_turn(&self, delay: Duration) {
        self.meter.started(delay);
    }

    /// Keeps what the next run's place depends on.
    pub(super) fn take(&self, Finished { ended, is_well }: Finished) {
        self.run.well.store(is_well, Ordering::Release);
        if ended == Ended::Unclear {
            return;
        }
        self.run.proven.store(ended == Ended::Answered, Ordering::Release);
        self.run.in_vain.store(ended == Ended::InVain, Ordering::Release);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.run.running.store(false, Ordering::Release);
        if self.standing == Standing::Doubtful {
            self.meter.doubtful.fetch_sub(1, Ordering::AcqRel);
        }
        self.meter.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
