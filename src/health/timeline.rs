//! The states of a row over the last seven days: every change while there are few, hours added up where there are many, so
//! that a row that never rests takes no more room than others may.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::State;
use crate::verdict::Cause;

/// The states of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The oldest first; each holds until the next one, the last one until now.
    changes: VecDeque<Change>,
    /// Hours before the first change, the oldest first.
    hours: VecDeque<Hour>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    /// Milliseconds since 1970.
    at: u64,
    state: State,
    cause: Option<Cause>,
}

/// What an hour was made of, in milliseconds by [`State::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hour {
    /// Hours since 1970.
    number: u64,
    spent: [u32; 3],
    /// Where in it the first thing known begins, and the last one ends.
    from: u32,
    to: u32,
}

/// A time in which a row was in one state with one cause, or a whole hour with more changes than are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: SystemTime,
    pub to: SystemTime,
    /// The state; of an hour with many changes the one that it was in longest.
    pub state: State,
    pub cause: Option<Cause>,
    /// Whether it is an hour with more changes than are kept.
    pub is_summed: bool,
    /// The share of it in each state, by [`State::ALL`].
    pub shares: [f64; 3],
}

/// Shares of the time in which the row was known to be Healthy or Unhealthy; `None` where there was no such time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Uptime {
    pub hour: Option<f64>,
    pub day: Option<f64>,
    pub week: Option<f64>,
}

impl Timeline {
    /// How far it reaches back.
    pub const REACH: Duration = Duration::from_hours(7 * 24);

    pub(super) fn push(&mut self, at: SystemTime, state: State, cause: Option<Cause>) {
        // A clock that was set back must not put a change before the one that it followed.
        let at = milliseconds(at).max(self.changes.back().map_or(0, |last| last.at));
        self.changes.push_back(Change { at, state, cause });
        let oldest = at.saturating_sub(span(Self::REACH));
        while self.changes.get(1).is_some_and(|second| second.at <= oldest) {
            self.changes.pop_front();
        }
        if self.changes.len() > MOST_CHANGES {
            self.fold();
        }
        while self.hours.front().is_some_and(|hour| (hour.number + 1) * HOUR <= oldest) {
            self.hours.pop_front();
        }
    }

    /// The cause that it was told last.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.changes.back().and_then(|change| change.cause)
    }

    /// Adds up the older half of the changes by the hour.
    fn fold(&mut self) {
        for _ in 0..MOST_CHANGES / 2 {
            let (Some(first), Some(next)) = (self.changes.pop_front(), self.changes.front()) else { return };
            let (mut from, to) = (first.at, next.at);
            while from < to {
                let number = from / HOUR;
                let end = to.min((number + 1) * HOUR);
                let within = |at: u64| u32::try_from(at - number * HOUR).unwrap_or(u32::MAX);
                if self.hours.back().is_none_or(|last| last.number != number) {
                    self.hours.push_back(Hour { number, spent: [0; 3], from: within(from), to: within(from) });
                }
                if let Some(hour) = self.hours.back_mut() {
                    hour.spent[first.state as usize] += within(end) - within(from);
                    hour.to = within(end);
                }
                from = end;
            }
        }
    }

    /// What is known of the time from `since` until `now`, the oldest first, without gaps.
    pub fn spans(&self, since: SystemTime, now: SystemTime) -> impl Iterator<Item = Span> {
        let (since, now) = (milliseconds(since), milliseconds(now));
        let hours = self.hours.iter().map(|hour| {
            let all = f64::from(hour.spent.iter().sum::<u32>().max(1));
            let longest = State::ALL.into_iter().max_by_key(|state| hour.spent[*state as usize]);
            let (from, to) = (hour.number * HOUR + u64::from(hour.from), hour.number * HOUR + u64::from(hour.to));
            let shares = hour.spent.map(|spent| f64::from(spent) / all);
            (from, to, longest.unwrap_or(State::Unknown), None, true, shares)
        });
        let ends = self.changes.iter().skip(1).map(|next| next.at).chain([now]);
        let changes = self.changes.iter().zip(ends).map(|(change, to)| {
            let shares = State::ALL.map(|state| if state == change.state { 1.0 } else { 0.0 });
            (change.at, to, change.state, change.cause, false, shares)
        });
        hours.chain(changes).filter_map(move |(from, to, state, cause, is_summed, shares)| {
            let (from, to) = (from.max(since), to.min(now));
            (from < to).then(|| Span { from: time(from), to: time(to), state, cause, is_summed, shares })
        })
    }

    #[must_use]
    pub fn uptime(&self, now: SystemTime) -> Uptime {
        let share = |reach: Duration| {
            let since = now.checked_sub(reach).unwrap_or(SystemTime::UNIX_EPOCH);
            let (mut healthy, mut known) = (0.0, 0.0);
            for Span { from, to, shares, .. } in self.spans(since, now) {
                let [up, down, _] =
                    shares.map(|share| share * to.duration_since(from).unwrap_or_default().as_secs_f64());
                healthy += up;
                known += up + down;
            }
            (known > 0.0).then(|| healthy / known)
        };
        Uptime { hour: share(Duration::from_hours(1)), day: share(Duration::from_hours(24)), week: share(Self::REACH) }
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    span(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn span(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn time(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

/// Changes of one row that are kept as they were; more are added up by the hour.
const MOST_CHANGES: usize = 128;

const HOUR: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        // In the middle of an hour.
        time(500_000 * HOUR + 1_800_000) + Duration::from_secs(seconds)
    }

    #[test]
    fn uptime_is_the_share_of_the_time_known() {
        fn check(changes: &[(u64, State)], now: u64, expected: [Option<f64>; 3]) {
            let mut timeline = Timeline::default();
            for (second, state) in changes {
                timeline.push(at(*second), *state, None);
            }
            let Uptime { hour, day, week } = timeline.uptime(at(now));
            for (found, expected) in [hour, day, week].into_iter().zip(expected) {
                let close = found.zip(expected).is_some_and(|(a, b)| (a - b).abs() < 1e-9);
                assert!(close || found == expected, "{changes:?}: {found:?}, not {expected:?}");
            }
        }
        use State::{Healthy, Unhealthy, Unknown};
        check(&[], 100, [None; 3]);
        check(&[(0, Unknown)], 100, [None; 3]);
        check(&[(0, Unknown), (10, Healthy)], 10, [None; 3]);
        check(&[(0, Unknown), (10, Healthy)], 100, [Some(1.0); 3]);
        check(&[(0, Healthy), (75, Unhealthy)], 100, [Some(0.75); 3]);
        // What is not known counts for neither side.
        check(&[(0, Healthy), (50, Unknown), (150, Unhealthy)], 200, [Some(0.5); 3]);
        let day = 24 * 3_600;
        check(&[(0, Unhealthy), (day, Healthy)], 2 * day, [Some(1.0), Some(1.0), Some(0.5)]);
        check(&[(0, Unhealthy), (day, Healthy)], day + 1_800, [Some(0.5), Some(1_800.0 / 86_400.0), Some(1.0 / 49.0)]);
        // Older than a week.
        check(&[(0, Unhealthy), (day, Healthy)], 9 * day, [Some(1.0); 3]);
    }

    #[test]
    fn a_row_that_never_rests_is_added_up_by_the_hour() {
        let mut timeline = Timeline::default();
        let minutes = 8 * 24 * 60;
        for minute in 0..minutes {
            let state = if minute % 4 == 0 { State::Unhealthy } else { State::Healthy };
            timeline.push(at(minute * 60), state, Some(Cause::TcpRefused));
        }
        assert!(timeline.changes.len() <= MOST_CHANGES && timeline.hours.len() <= 169, "{}", timeline.hours.len());
        let now = at(minutes * 60);
        let uptime = timeline.uptime(now);
        for share in [uptime.hour, uptime.day, uptime.week] {
            assert!((share.unwrap() - 0.75).abs() < 0.001, "{uptime:?}");
        }
        let spans: Vec<Span> = timeline.spans(now - Timeline::REACH, now).collect();
        assert_eq!((spans[0].from, spans.last().unwrap().to), (now - Timeline::REACH, now));
        assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from), "without gaps");
        assert!(spans[0].is_summed && !spans.last().unwrap().is_summed);
    }

    #[test]
    fn a_clock_that_is_set_back_turns_nothing_around() {
        let mut timeline = Timeline::default();
        for second in [100, 50, 120] {
            timeline.push(at(second), State::Healthy, None);
        }
        let spans: Vec<_> = timeline.spans(at(0), at(200)).map(|span| (span.from, span.to)).collect();
        assert_eq!(spans, [(at(100), at(120)), (at(120), at(200))]);
    }
}
