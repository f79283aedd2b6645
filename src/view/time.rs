//! Instants and durations as metrics and people want them. There is no clock here.

use std::fmt;
use std::time::{Duration, SystemTime};

const SECONDS_PER_DAY: i64 = 86_400;

/// Seconds since 1970-01-01 UTC, whole milliseconds, negative before it.
pub(super) fn unix_seconds(at: SystemTime) -> f64 {
    let whole_milliseconds = |span: Duration| Duration::new(span.as_secs(), span.subsec_millis() * 1_000_000);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => whole_milliseconds(after).as_secs_f64(),
        Err(before) => -whole_milliseconds(before.duration()).as_secs_f64(),
    }
}

/// Seconds, whole microseconds: what is below says more about the clock than about the network.
pub(super) fn seconds(span: Duration) -> f64 {
    Duration::new(span.as_secs(), span.subsec_micros() * 1_000).as_secs_f64()
}

/// How long `then` is ago at `now`; zero when the clock was set back in between.
pub(super) fn age(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// An instant in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Utc {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: u32,
}

impl Utc {
    pub(super) fn of(at: SystemTime) -> Self {
        let since_1970 = match at.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_millis()).unwrap_or(i128::MAX / 2),
            // A part of a millisecond before 1970 belongs to the one that began earlier.
            Err(before) => -i128::try_from(before.duration().as_nanos().div_ceil(1_000_000)).unwrap_or(i128::MAX / 2),
        };
        let millisecond = u32::try_from(since_1970.rem_euclid(1_000)).unwrap_or_default();
        let since_1970 = i64::try_from(since_1970.div_euclid(1_000)).unwrap_or(i64::MAX / 2);
        let in_day = since_1970.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = date(since_1970.div_euclid(SECONDS_PER_DAY));
        let (hour, minute, second) = (in_day / 3_600, in_day / 60 % 60, in_day % 60);
        Self { year, month, day, hour, minute, second, millisecond }
    }

    /// What [`Utc::rfc3339`] and [`Utc::rfc3339_milliseconds`] write.
    pub(super) fn parse(text: &str) -> Option<SystemTime> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let numbers = |text: &str, between: char| -> Option<[i64; 3]> {
            let parts: Result<Vec<_>, _> = text.split(between).map(str::parse).collect();
            parts.ok()?.try_into().ok()
        };
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = numbers(time, ':')?;
        let in_range = (0..=9_999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && fraction.len() <= 9;
        if !in_range || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let nanoseconds: u64 = format!("{fraction:0<9}").parse().ok()?;
        let seconds = days(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
        let span = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(span)?
        } else {
            SystemTime::UNIX_EPOCH.checked_add(span)?
        };
        whole.checked_add(Duration::from_nanos(nanoseconds))
    }

    /// RFC 3339: `2026-11-22T03:12:05Z`.
    pub(super) fn rfc3339(self) -> impl fmt::Display {
        let Self { year, month, day, hour, minute, second, millisecond: _ } = self;
        fmt::from_fn(move |f| write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
    }

    /// RFC 3339: `2026-11-22T03:12:05.123Z`.
    pub(super) fn rfc3339_milliseconds(self) -> impl fmt::Display {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        fmt::from_fn(move |f| {
            write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
        })
    }

    /// Of the calendar: `2026-11-22`.
    pub(super) fn day(self) -> impl fmt::Display {
        let Self { year, month, day, .. } = self;
        fmt::from_fn(move |f| write!(f, "{year:04}-{month:02}-{day:02}"))
    }

    /// For people: `2026-11-22 03:12:05 UTC`.
    pub(super) fn readable(self) -> impl fmt::Display {
        let Self { year, month, day, hour, minute, second, millisecond: _ } = self;
        fmt::from_fn(move |f| write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"))
    }
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    // Years are counted from 1 March of the year 0, so that a leap day is the last day of its year and every
    // period of 400 years has the same 146,097 days.
    let from_march_0 = days + 719_468;
    let era = from_march_0.div_euclid(146_097);
    let day_of_era = from_march_0.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 31 30 31 30 31 days, over and over: 153 days in five months.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; the inverse of [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The two largest units of a span: `3 d 4 h`, `3 h 12 min`, `4 min 5 s`, `12 s`.
pub(super) fn span(span: Duration) -> impl fmt::Display {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    fmt::from_fn(move |f| match (days, hours, minutes) {
        (0, 0, 0) => write!(f, "{seconds} s"),
        (0, 0, _) => write!(f, "{minutes} min {} s", seconds % 60),
        (0, _, _) => write!(f, "{hours} h {} min", minutes % 60),
        (_, _, _) => write!(f, "{days} d {} h", hours % 24),
    })
}

/// A span that may be long: whole days where hours say nothing more.
pub(super) fn rough(long: Duration) -> String {
    match long.as_secs() / 86_400 {
        ..3 => span(long).to_string(),
        days => format!("{days} days"),
    }
}

/// As [`span`], in one word: `3d4h`, `3h12m`, `4m5s`, `12s`.
pub(super) fn short_span(span: Duration) -> impl fmt::Display {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    fmt::from_fn(move |f| match (days, hours, minutes) {
        (0, 0, 0) => write!(f, "{seconds}s"),
        (0, 0, _) => write!(f, "{minutes}m{}s", seconds % 60),
        (0, _, _) => write!(f, "{hours}h{}m", minutes % 60),
        (_, _, _) => write!(f, "{days}d{}h", hours % 24),
    })
}

/// How long something took: `0.23 ms`, `45 ms`, `3.05 s`.
pub(super) fn took(span: Duration) -> impl fmt::Display {
    let milliseconds = span.as_secs_f64() * 1_000.0;
    fmt::from_fn(move |f| match milliseconds {
        ..9.995 => write!(f, "{milliseconds:.2} ms"),
        ..999.5 => write!(f, "{milliseconds:.0} ms"),
        _ => write!(f, "{:.2} s", milliseconds / 1_000.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> SystemTime {
        let span = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { SystemTime::UNIX_EPOCH - span } else { SystemTime::UNIX_EPOCH + span }
    }

    #[test]
    fn instants_are_calendar_dates_in_utc() {
        fn check(seconds: i64, expected: &str) {
            assert_eq!(Utc::of(at(seconds)).rfc3339().to_string(), expected, "{seconds}");
        }
        check(0, "1970-01-01T00:00:00Z");
        check(-1, "1969-12-31T23:59:59Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(951_868_800, "2000-03-01T00:00:00Z");
        check(1_798_761_599, "2026-12-31T23:59:59Z");
        check(1_798_761_600, "2027-01-01T00:00:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        check(4_107_456_000, "2100-02-28T00:00:00Z");
        check(253_402_300_799, "9999-12-31T23:59:59Z");
        check(-2_208_988_800, "1900-01-01T00:00:00Z");
    }

    #[test]
    fn what_was_written_is_read_again() {
        for milliseconds in [0, 1, 999, 951_782_399_999, 951_868_800_000, 4_107_542_400_123, 253_402_300_799_999] {
            let after = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
            let before = SystemTime::UNIX_EPOCH - Duration::from_millis(milliseconds % 2_208_988_800_000);
            for instant in [after, before] {
                let text = Utc::of(instant).rfc3339_milliseconds().to_string();
                assert_eq!(Utc::parse(&text), Some(instant), "{text}");
            }
        }
        assert_eq!(Utc::parse("1970-01-01T00:00:05Z"), Some(at(5)));
        for wrong in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.xZ",
        ] {
            assert_eq!(Utc::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_part_of_a_second_before_1970_is_in_the_second_that_began_earlier() {
        let instant = SystemTime::UNIX_EPOCH - Duration::from_millis(200);
        assert_eq!(Utc::of(instant).readable().to_string(), "1969-12-31 23:59:59 UTC");
    }

    #[test]
    fn timestamps_keep_milliseconds_and_may_be_negative() {
        fn check(at: SystemTime, expected: f64) {
            assert!((unix_seconds(at) - expected).abs() < 1e-9, "{at:?}");
        }
        check(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_123_456_789), 1.123);
        check(SystemTime::UNIX_EPOCH - Duration::from_millis(1_500), -1.5);
    }

    #[test]
    fn durations_keep_microseconds() {
        assert!((seconds(Duration::from_nanos(1_234_567_891)) - 1.234_567).abs() < 1e-12);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_negative_age() {
        assert_eq!(age(at(5), at(9)), Duration::ZERO);
        assert_eq!(age(at(9), at(5)), Duration::from_secs(4));
    }

    #[test]
    fn spans_show_their_two_largest_units() {
        fn check(seconds: u64, expected: &str) {
            let duration = Duration::from_secs(seconds);
            assert_eq!(span(duration).to_string(), expected);
            let word = expected.replace("min", "m").replace(' ', "");
            assert_eq!(short_span(duration).to_string(), word);
        }
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min 0 s");
        check(3_599, "59 min 59 s");
        check(3_600, "1 h 0 min");
        check(86_399, "23 h 59 min");
        check(86_400, "1 d 0 h");
        check(777_600, "9 d 0 h");
    }

    #[test]
    fn long_spans_are_days() {
        fn check(seconds: u64, expected: &str) {
            assert_eq!(rough(Duration::from_secs(seconds)), expected);
        }
        check(59, "59 s");
        check(259_199, "2 d 23 h");
        check(259_200, "3 days");
        check(315_360_000, "3650 days");
    }

    #[test]
    fn short_times_keep_more_digits() {
        fn check(micros: u64, expected: &str) {
            assert_eq!(took(Duration::from_micros(micros)).to_string(), expected);
        }
        check(0, "0.00 ms");
        check(234, "0.23 ms");
        check(9_994, "9.99 ms");
        check(9_996, "10 ms");
        check(999_400, "999 ms");
        check(999_600, "1.00 s");
        check(30_000_000, "30.00 s");
    }
}
