//! Instants and durations as metrics, files and people want them. There is no clock here.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::ext::SystemTimeExt;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970-01-01 UTC, whole milliseconds, negative before it.
#[must_use]
pub fn unix_seconds(at: SystemTime) -> f64 {
    let whole_milliseconds = |span: Duration| Duration::new(span.as_secs(), span.subsec_millis() * 1_000_000);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => whole_milliseconds(after).as_secs_f64(),
        Err(before) => -whole_milliseconds(before.duration()).as_secs_f64(),
    }
}

/// Seconds, whole microseconds: what is below says more about the clock than about the network.
#[must_use]
pub fn seconds(span: Duration) -> f64 {
    Duration::new(span.as_secs(), span.subsec_micros() * 1_000).as_secs_f64()
}

/// How long `then` is ago at `now`; zero when the clock was set back in between.
#[must_use]
pub fn age(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// In UTC; beyond the calendar's end, the end.
fn utc(at: SystemTime) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH.saturating_add(at.signed_duration_since(SystemTime::UNIX_EPOCH))
}

/// To the second: `2026-11-22T03:12:05Z`.
#[must_use]
pub fn rfc3339(at: SystemTime) -> impl fmt::Display {
    let (date, (hour, minute, second)) = (utc(at).date(), utc(at).to_hms());
    fmt::from_fn(move |f| write!(f, "{date}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// To the millisecond: `2026-11-22T03:12:05.123Z`.
#[must_use]
pub fn rfc3339_milliseconds(at: SystemTime) -> impl fmt::Display {
    let (date, (hour, minute, second, millisecond)) = (utc(at).date(), utc(at).to_hms_milli());
    fmt::from_fn(move |f| write!(f, "{date}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"))
}

#[must_use]
pub fn from_rfc3339(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

/// Of the calendar: `2026-11-22`.
#[must_use]
pub fn day(at: SystemTime) -> impl fmt::Display {
    utc(at).date()
}

/// For people: `2026-11-22 03:12:05 UTC`.
#[must_use]
pub fn readable(at: SystemTime) -> impl fmt::Display {
    let (date, (hour, minute, second)) = (utc(at).date(), utc(at).to_hms());
    fmt::from_fn(move |f| write!(f, "{date} {hour:02}:{minute:02}:{second:02} UTC"))
}

/// An instant of the recent past, seen from `now`: `03:12 UTC` on the same day, else `2026-11-21 03:12 UTC`.
#[must_use]
pub fn moment(at: SystemTime, now: SystemTime) -> String {
    let (hour, minute, _) = utc(at).to_hms();
    let date = utc(at).date();
    if date == utc(now).date() {
        format!("{hour:02}:{minute:02} UTC")
    } else {
        format!("{date} {hour:02}:{minute:02} UTC")
    }
}

/// A day of the calendar in a few letters: `22 Nov`.
#[must_use]
pub fn short_day(at: SystemTime) -> String {
    let date = utc(at).date();
    let month = date.month().to_string();
    format!("{} {}", date.day(), month.get(..3).unwrap_or(&month))
}

/// The two largest units of a span, written as [`setting`] writes them: `3d4h`, `3h12m`, `4m5s`, `12s`.
#[must_use]
pub fn span(span: Duration) -> impl fmt::Display {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    fmt::from_fn(move |f| match (days, hours, minutes) {
        (0, 0, 0) => write!(f, "{seconds}s"),
        (0, 0, _) => write!(f, "{minutes}m{}s", seconds % 60),
        (0, _, _) => write!(f, "{hours}h{}m", minutes % 60),
        (_, _, _) => write!(f, "{days}d{}h", hours % 24),
    })
}

/// A span within a sentence, in its largest unit that makes two: `3 days`, `47 hours`, `2 minutes`, `1 second`.
#[must_use]
pub fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7_200.. => (seconds / 3_600, "hours"),
        120.. => (seconds / 60, "minutes"),
        1 => (1, "second"),
        _ => (seconds, "seconds"),
    };
    format!("{count} {unit}")
}

/// How long something took or may take: `0.23 ms`, `45 ms`, `3.05 s`, `30 s`.
#[must_use]
pub fn took(span: Duration) -> impl fmt::Display {
    let milliseconds = span.as_secs_f64() * 1_000.0;
    fmt::from_fn(move |f| match milliseconds {
        ..9.995 => write!(f, "{milliseconds:.2} ms"),
        ..999.5 => write!(f, "{milliseconds:.0} ms"),
        _ => write!(f, "{} s", format!("{:.2}", milliseconds / 1_000.0).trim_end_matches('0').trim_end_matches('.')),
    })
}

/// A duration as the configuration has it, in days and less, to the millisecond: `30s`, `1m30s`, `500ms`.
#[must_use]
pub fn setting(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, length) in UNITS.iter().filter(|(name, _)| !matches!(*name, "y" | "w")) {
        if rest >= *length {
            // Writing to a String does not fail.
            let _ = write!(text, "{}{name}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads a Prometheus duration: `30s`, `1m30s`, `500ms`, `1h`, `21d`; each unit at most once, large units first.
#[must_use]
pub fn from_setting(text: &str) -> Option<Duration> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() && text != "0" {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        // The units are tried from where the last one was found, which refuses repetition and wrong order.
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        milliseconds = milliseconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*length)?)?;
        rest = &rest[digits + letters..];
    }
    (!text.is_empty()).then_some(Duration::from_millis(milliseconds))
}

/// Large to small, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

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
            assert_eq!(rfc3339(at(seconds)).to_string(), expected, "{seconds}");
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
                let text = rfc3339_milliseconds(instant).to_string();
                assert_eq!(from_rfc3339(&text), Some(instant), "{text}");
            }
        }
        assert_eq!(from_rfc3339("1970-01-01T00:00:05Z"), Some(at(5)));
        for wrong in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.xZ",
        ] {
            assert_eq!(from_rfc3339(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_part_of_a_second_before_1970_is_in_the_second_that_began_earlier() {
        let instant = SystemTime::UNIX_EPOCH - Duration::from_millis(200);
        assert_eq!(readable(instant).to_string(), "1969-12-31 23:59:59 UTC");
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
        }
        check(0, "0s");
        check(59, "59s");
        check(60, "1m0s");
        check(3_599, "59m59s");
        check(3_600, "1h0m");
        check(86_399, "23h59m");
        check(86_400, "1d0h");
        check(777_600, "9d0h");
    }

    #[test]
    fn within_a_sentence_a_span_has_one_unit() {
        fn check(seconds: u64, expected: &str) {
            assert_eq!(rough(Duration::from_secs(seconds)), expected);
        }
        check(0, "0 seconds");
        check(1, "1 second");
        check(119, "119 seconds");
        check(120, "2 minutes");
        check(7_200, "2 hours");
        check(172_799, "47 hours");
        check(172_800, "2 days");
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
        check(999_600, "1 s");
        check(1_500_000, "1.5 s");
        check(30_000_000, "30 s");
    }

    #[test]
    fn an_instant_beyond_the_calendar_is_its_end() {
        let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(rfc3339(beyond).to_string(), "9999-12-31T23:59:59Z");
    }
}
