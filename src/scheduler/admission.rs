//! Which beats that are due start now: as many as this host has room for, in the order in which they fell due, so that
//! more work than it can do makes every row's probes rarer instead of all of them too late to tell anything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::LOOK;
use super::grid::{Load, PARTS};
use crate::target::TargetId;

/// The rows whose beat is due and has not started, each at most once.
#[derive(Default)]
pub(super) struct Queue {
    proven: VecDeque<(u64, TargetId)>,
    doubtful: VecDeque<(u64, TargetId)>,
    /// Of the latest to come.
    number: u64,
}

/// What a row's run before says of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was answered.
    Proven,
    /// It waited in vain, or there was none.
    Doubtful,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.proven.is_empty() && self.doubtful.is_empty()
    }

    pub(super) fn push(&mut self, id: TargetId, standing: Standing) {
        self.number += 1;
        let queue = match standing {
            Standing::Proven => &mut self.proven,
            Standing::Doubtful => &mut self.doubtful,
        };
        queue.push_back((self.number, id));
    }

    /// The one that came first; doubtful ones only while there is room for these.
    pub(super) fn pop(&mut self, room_for_doubtful: bool) -> Option<TargetId> {
        let queue = match (self.proven.front(), self.doubtful.front().filter(|_| room_for_doubtful)) {
            (Some((proven, _)), Some((doubtful, _))) if doubtful < proven => &mut self.doubtful,
            (None, Some(_)) => &mut self.doubtful,
            (Some(_) | None, Some(_) | None) => &mut self.proven,
        };
        queue.pop_front().map(|(_, id)| id)
    }
}

/// The runs that began lately and are under way: what servers on this host may have to compute for us at once. Older ones
/// wait for something else.
///
/// How many there may be begins small and doubles while the host has CPU to spare, so that a flood is known before it is
/// there. A crowded host goes back to where it began.
pub(super) struct Young {
    least: usize,
    most: usize,
    /// When `most` was thought over last.
    decided: Instant,
    /// When the latest generation began.
    since: Instant,
    /// Each run holds one of its generation.
    latest: Arc<()>,
    before: Arc<()>,
}

/// How long a run is young, at least.
const YOUTH: Duration = Duration::from_secs(1);

/// Time between two decisions: what came of the one before shows by then.
const DECISION: Duration = Duration::from_millis(250);

impl Young {
    pub(super) fn new(now: Instant) -> Self {
        let least = cores() * 32;
        Self { least, most: least, decided: now, since: now, latest: Arc::default(), before: Arc::default() }
    }

    /// How many more may be under way.
    pub(super) fn room(&mut self, now: Instant, is_crowded: bool) -> usize {
        if now.saturating_duration_since(self.since) >= YOUTH {
            self.since = now;
            self.before = std::mem::take(&mut self.latest);
        }
        let under_way = Arc::strong_count(&self.latest) + Arc::strong_count(&self.before) - 2;
        if is_crowded {
            (self.most, self.decided) = (self.least, now);
        } else if now.saturating_duration_since(self.decided) >= DECISION {
            self.decided = now;
            if under_way >= self.most / 2 {
                self.most = self.most.saturating_mul(2);
            } else if under_way < self.most / 8 {
                self.most = self.least.max(self.most / 2);
            }
        }
        self.most.saturating_sub(under_way)
    }

    /// To be dropped when the run ends.
    pub(super) fn one_more(&self) -> Arc<()> {
        self.latest.clone()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many runs may start without having those before them wait for the CPU.
///
/// A run that was started waits for its first turn behind everything that probes under way have to compute. So the runs
/// that still wait for theirs tell how far the CPU is behind, whatever takes it, and without asking the system.
pub(super) struct Pace {
    cores: usize,
    /// Beats that fall due together on average, and between two looks.
    usual_together: usize,
    usual: usize,
    started: u64,
    /// Runs that had had their first turn when that was looked at last.
    had_turn: u64,
    looked: Instant,
}

/// How long started runs may have to wait for their first turn.
const BACKLOG: Duration = Duration::from_millis(8);

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { cores: cores(), usual_together: 0, usual: 0, started: 0, had_turn: 0, looked: now }
    }

    /// Of rows with these intervals, when so much time lies between two moments at which beats fall due.
    pub(super) fn expect(&mut self, intervals: impl Iterator<Item = Duration>, spacing: Duration) {
        let load = Load::of(intervals.map(|interval| (1, interval)));
        let within = |span| usize::try_from(load.within(span).div_ceil(PARTS)).unwrap_or(usize::MAX / 4);
        (self.usual_together, self.usual) = (within(spacing), within(LOOK));
    }

    /// How many may start now, when `fresh` beats have just fallen due and so many runs have had their first turn since the
    /// beginning.
    pub(super) fn room(&mut self, fresh: usize, had_turn: u64, now: Instant) -> usize {
        let waiting = self.started.saturating_sub(had_turn);
        let turns = had_turn.saturating_sub(self.had_turn);
        let elapsed = now.saturating_duration_since(self.looked).max(LOOK);
        (self.had_turn, self.looked) = (had_turn, now);
        // After a stop all rows are due at once: what starts at one look is bounded even then.
        let most = fresh.min(self.usual_together * 2) + self.usual * 2 + self.cores * 8;
        if waiting == 0 {
            return most;
        }
        let within_backlog = super::nanos(BACKLOG) / super::nanos(elapsed).max(1) * turns;
        let may_wait = usize::try_from(within_backlog).unwrap_or(most).clamp(self.cores, most);
        may_wait.saturating_sub(usize::try_from(waiting).unwrap_or(usize::MAX))
    }

    pub(super) fn started_one(&mut self) {
        self.started += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_first_starts_first_and_the_doubtful_step_back_when_they_have_enough() {
        let mut queue = Queue::default();
        let rows = [Standing::Doubtful, Standing::Proven, Standing::Doubtful, Standing::Proven];
        for (number, standing) in (1..).zip(rows) {
            queue.push(TargetId(number), standing);
        }
        let mut next = |room_for_doubtful| queue.pop(room_for_doubtful).map(|id| id.0);
        assert_eq!(next(true), Some(1));
        assert_eq!(next(false), Some(2));
        assert_eq!(next(false), Some(4));
        assert_eq!(next(false), None);
        assert_eq!(next(true), Some(3));
        assert_eq!(next(true), None);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_start_than_the_cpu_came_to_lately() {
        let start = Instant::now();
        // Started before, of these had their turn by now, milliseconds since the last look, room.
        let check = |started: u64, had_turn: u64, millis: u64, room: usize| {
            let mut pace = Pace { cores: 2, usual_together: 20, usual: 10, started, had_turn: 0, looked: start };
            assert_eq!(
                pace.room(0, had_turn, start + Duration::from_millis(millis)),
                room,
                "{had_turn} of {started} in {millis} ms"
            );
        };
        check(0, 0, 4, 36);
        check(100, 100, 4, 36);
        // 5 in 4 ms are 10 in 8 ms, and 3 are waiting.
        check(8, 5, 4, 7);
        check(20, 5, 4, 0);
        check(1, 0, 4, 1);
        check(2, 0, 4, 0);
        // Woken late: what one had time for says little of now.
        check(40, 39, 1000, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn runs_grow_old_and_then_leave_their_place_to_others() {
        let start = Instant::now();
        let mut young = Young { most: 3, ..Young::new(start) };
        // Not thought over in this test.
        young.decided = start + Duration::from_hours(1);
        let room_at = |young: &mut Young, millis| young.room(start + Duration::from_millis(millis), false);
        assert_eq!(room_at(&mut young, 0), 3);
        let (waits, ends) = (young.one_more(), young.one_more());
        assert_eq!(room_at(&mut young, 999), 1);
        drop(ends);
        assert_eq!(room_at(&mut young, 1000), 2);
        let next = young.one_more();
        assert_eq!(room_at(&mut young, 1999), 1);
        assert_eq!(room_at(&mut young, 2000), 2);
        drop((waits, next));
        assert_eq!(room_at(&mut young, 3000), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_more_while_the_host_has_cpu_to_spare() {
        let start = Instant::now();
        let mut young = Young { least: 4, most: 4, ..Young::new(start) };
        let mut runs: Vec<_> = (0..4).map(|_| young.one_more()).collect();
        let room_at = |young: &mut Young, millis, is_crowded| {
            let now = start + Duration::from_millis(millis);
            young.since = now;
            young.room(now, is_crowded)
        };
        assert_eq!(room_at(&mut young, 100, false), 0);
        assert_eq!(room_at(&mut young, 250, false), 4, "twice as many");
        assert_eq!(room_at(&mut young, 300, false), 4);
        assert_eq!(room_at(&mut young, 500, false), 12, "and again, as half is used");
        assert_eq!(room_at(&mut young, 600, true), 0, "crowded");
        assert_eq!(room_at(&mut young, 849, false), 0);
        assert_eq!(room_at(&mut young, 850, false), 4);
        runs.truncate(0);
        assert_eq!(room_at(&mut young, 1100, false), 4, "what nobody needs is given up");
        assert_eq!(room_at(&mut young, 2000, false), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_falls_due_together_as_usual_starts_together() {
        let now = Instant::now();
        let check = |fresh, room| {
            let mut pace = Pace { cores: 1, usual_together: 20, usual: 4, ..Pace::new(now) };
            assert_eq!(pace.room(fresh, 0, now), room, "{fresh} fresh");
        };
        check(0, 16);
        check(25, 41);
        check(10_000, 56);
    }

    #[test]
    fn the_usual_number_of_starts_follows_from_the_intervals() {
        let check = |rows: usize, interval: Duration, together, usual| {
            let mut pace = Pace::new(Instant::now());
            pace.expect(std::iter::repeat_n(interval, rows), Duration::from_millis(20));
            assert_eq!((pace.usual_together, pace.usual), (together, usual), "{rows} rows every {interval:?}");
        };
        check(0, Duration::from_secs(1), 0, 0);
        check(1, Duration::from_secs(1), 1, 1);
        check(10_000, Duration::from_secs(10), 20, 4);
        check(20_000, Duration::from_secs(1), 400, 80);
        check(100_000, Duration::from_hours(24), 1, 1);
    }
}
