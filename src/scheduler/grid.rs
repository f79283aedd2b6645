//! When each row has its beat: a place of its own on a grid on the monotonic clock, moved to the next of the moments at
//! which whatever is due starts together.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::nanos;
use crate::target::{Target, TargetId};

/// A new row's first run starts within the shorter of its interval and this.
pub(super) const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Time between two wake-ups, the longest first: each is a part of 100 ms, so that common intervals stay exact.
const SPACINGS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(10),
    Duration::from_millis(5),
    Duration::from_millis(2),
    Duration::from_millis(1),
];

/// The work that falls due at one wake-up on average, at most, in plain probes. Waking up costs as much as one of them, and
/// those that start together find the caches warm; more of them would have to wait for one another.
const TOGETHER: u64 = 20;

/// The beats of all rows.
pub(super) struct Grid {
    /// Where it begins.
    epoch: Instant,
    spacing: Duration,
    /// How many rows of an interval have their place within the same longest spacing.
    taken: HashMap<(Duration, u128), usize>,
}

impl Grid {
    pub(super) fn new(epoch: Instant) -> Self {
        Self { epoch, spacing: SPACINGS[0], taken: HashMap::new() }
    }

    /// Chooses how often to wake up for these rows. A little more or less of them changes nothing, so that a reload does
    /// not move beats.
    pub(super) fn expect<'t>(&mut self, targets: impl Iterator<Item = &'t Target>) {
        let load = Load::of(targets.map(|target| (target.effort(), target.interval)));
        let fits = |percent: u64| {
            let may_take =
                |spacing: &&Duration| load.within(**spacing).saturating_mul(100) <= TOGETHER * PARTS * percent;
            SPACINGS.iter().find(may_take).copied().unwrap_or(SPACINGS[SPACINGS.len() - 1])
        };
        if self.spacing != fits(80) && self.spacing != fits(125) {
            self.spacing = fits(100);
        }
        self.taken.clear();
    }

    /// Takes note of a row that keeps its place.
    pub(super) fn keep(&mut self, interval: Duration, place: Duration) {
        *self.taken.entry(Self::crowd(interval, place)).or_default() += 1;
    }

    /// A place for a row that has none, within its interval: of the two that come from its id the emptier one, which
    /// leaves no crowds. The same rows in the same order have the same places.
    pub(super) fn place(&mut self, target: &Target) -> Duration {
        let TargetId(id) = target.id;
        let places = [id, id.rotate_left(32)].map(|id| place_of(TargetId(id), target.interval));
        let taken = |place: &Duration| self.taken.get(&Self::crowd(target.interval, *place)).copied();
        let place = if taken(&places[1]) < taken(&places[0]) { places[1] } else { places[0] };
        self.keep(target.interval, place);
        place
    }

    fn crowd(interval: Duration, place: Duration) -> (Duration, u128) {
        (interval, place.as_nanos() / SPACINGS[0].as_nanos())
    }

    pub(super) fn spacing(&self) -> Duration {
        self.spacing
    }

    /// The first beat of a row that is new at `now`; one with a long interval is not left waiting for its place.
    pub(super) fn first(&self, target: &Target, place: Duration, now: Instant) -> Instant {
        if target.interval <= FIRST_WITHIN {
            return self.after(target.interval, place, now);
        }
        self.epoch + self.wake_up(now.saturating_duration_since(self.epoch) + place_of(target.id, FIRST_WITHIN))
    }

    /// The beat after the one that was due at `at`: the first on the grid that is not behind us, nor so close that a first
    /// beat off the grid would be followed at once.
    pub(super) fn following(&self, interval: Duration, place: Duration, at: Instant, now: Instant) -> Instant {
        self.after(interval, place, now.max(at + interval / 2))
    }

    /// The first beat off the grid that is a whole number of intervals after `at` and not behind us.
    pub(super) fn later(&self, at: Instant, interval: Duration, now: Instant) -> Instant {
        let intervals = nanos(now.saturating_duration_since(at)) / nanos(interval) + 1;
        let since_epoch = at.saturating_duration_since(self.epoch) + Duration::from_nanos(nanos(interval) * intervals);
        self.epoch + self.wake_up(since_epoch)
    }

    /// The first beat at that place after `moment`.
    fn after(&self, interval: Duration, place: Duration, moment: Instant) -> Instant {
        let (interval, place) = (nanos(interval), nanos(place));
        let since_epoch = moment.saturating_duration_since(self.epoch);
        // The beat before may be the one: it was moved to the next wake-up.
        let before = nanos(since_epoch).saturating_sub(place) / interval;
        let mut beats = (before..).map(|beat| self.wake_up(Duration::from_nanos(place + beat * interval)));
        self.epoch + beats.find(|beat| *beat > since_epoch).unwrap_or_default()
    }

    /// The next wake-up.
    fn wake_up(&self, since_epoch: Duration) -> Duration {
        Duration::from_nanos(nanos(since_epoch).next_multiple_of(nanos(self.spacing)))
    }
}

/// How many beats after the one due at `at` have gone by, too.
pub(super) fn missed_beats(at: Instant, now: Instant, interval: Duration) -> u32 {
    u32::try_from(nanos(now.saturating_duration_since(at)) / nanos(interval)).unwrap_or(u32::MAX)
}

/// A stable place within `span`.
fn place_of(id: TargetId, span: Duration) -> Duration {
    Duration::from_nanos(id.0 % nanos(span))
}

/// How much falls due on average.
pub(super) struct Load {
    /// Parts of one within the longest spacing.
    parts: u64,
}

/// What falls due is counted in parts of one, because most rows have far less than one beat in a wake-up.
pub(super) const PARTS: u64 = 1 << 32;

impl Load {
    /// Of rows that take so much each, this often.
    pub(super) fn of(rows: impl Iterator<Item = (u64, Duration)>) -> Self {
        let parts = |(each, interval): (u64, Duration)| PARTS * each * nanos(SPACINGS[0]) / nanos(interval);
        Self { parts: rows.map(parts).fold(0, u64::saturating_add) }
    }

    /// In parts of one.
    pub(super) fn within(&self, span: Duration) -> u64 {
        let share = u128::from(self.parts) * span.as_nanos() / SPACINGS[0].as_nanos();
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::target;
    use super::*;
    use crate::probe::Protocol;

    #[tokio::test(start_paused = true)]
    async fn missed_beats_are_skipped_not_bunched() {
        let epoch = Instant::now();
        let grid = Grid::new(epoch);
        let (interval, place) = (Duration::from_secs(1), Duration::from_millis(123));
        let due = grid.after(interval, place, epoch + Duration::from_secs(10));
        assert_eq!(due - epoch, Duration::from_millis(10_140));
        let late = due + Duration::from_millis(3400);
        assert_eq!(missed_beats(due, late, interval), 3);
        assert_eq!(grid.following(interval, place, due, late), due + Duration::from_secs(4));
        assert_eq!(grid.following(interval, place, due, due), due + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn about_twenty_plain_probes_or_five_handshakes_start_together() {
        let check = |rows: u64, protocol: Protocol, interval: Duration, spacing: u64| {
            let mut row = Target::clone(&target(1, interval));
            row.probe.protocol = protocol;
            let rows: Vec<Arc<Target>> = std::iter::repeat_n(Arc::new(row), usize::try_from(rows).unwrap()).collect();
            let mut grid = Grid::new(Instant::now());
            grid.expect(rows.iter().map(AsRef::as_ref));
            let found = grid.spacing();
            assert_eq!(found, Duration::from_millis(spacing), "{} of {protocol} every {interval:?}", rows.len());
        };
        let second = Duration::from_secs(1);
        check(0, Protocol::Http, second, 20);
        check(100, Protocol::Http, second, 20);
        check(1_000, Protocol::Http, second, 20);
        check(20_000, Protocol::Http, second * 20, 20);
        check(2_000, Protocol::Http, second, 10);
        check(5_000, Protocol::Http, second, 2);
        check(100_000, Protocol::Http, second, 1);
        check(250, Protocol::Https, second, 20);
        check(1_000, Protocol::Tls, second, 5);
        check(20_000, Protocol::Https, second * 20, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn rows_spread_evenly_and_those_that_were_there_keep_their_places() {
        let rows: Vec<Arc<Target>> = (0..1_100).map(|number| target(number, Duration::from_secs(1))).collect();
        let mut grid = Grid::new(Instant::now());
        let places: Vec<Duration> = rows[..1_000].iter().map(|row| grid.place(row)).collect();
        let fullest = |grid: &Grid| grid.taken.values().copied().max().unwrap();
        assert!(fullest(&grid) <= 24, "{} of 1,000 rows at one of 50 wake-ups", fullest(&grid));
        // A reload: the first one has gone, a hundred are new.
        grid.expect(rows[1..].iter().map(AsRef::as_ref));
        for (row, place) in rows.iter().zip(&places).skip(1) {
            grid.keep(row.interval, *place);
        }
        rows[1_000..].iter().for_each(|row| _ = grid.place(row));
        assert_eq!(grid.taken.values().sum::<usize>(), 1_099);
        assert!(fullest(&grid) <= 26, "{} of 1,099 rows at one of 50 wake-ups", fullest(&grid));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_rows_more_or_less_change_no_wake_up() {
        let rows: Vec<Arc<Target>> = (0..1_600).map(|number| target(number, Duration::from_secs(1))).collect();
        let mut grid = Grid::new(Instant::now());
        let mut spacing_with = |count: usize| {
            grid.expect(rows[..count].iter().map(AsRef::as_ref));
            grid.spacing().as_millis()
        };
        let spacings = [900, 1_000, 1_100, 1_240, 1_300, 1_100, 1_000, 900, 820, 780].map(&mut spacing_with);
        assert_eq!(spacings, [20, 20, 20, 20, 10, 10, 10, 10, 10, 20]);
    }
}
