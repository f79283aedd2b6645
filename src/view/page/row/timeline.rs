//! How the row was over the last day and week: its states as bands, how much of the time it was Healthy, and its causes.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::health::{Row, Span, Timeline, Uptime};
use crate::view::page::{named_query, plot};

pub(super) fn section(row: &Row, now: SystemTime, root: &str) -> Markup {
    let reach = |reach: Duration| {
        let since = now.checked_sub(reach).unwrap_or(SystemTime::UNIX_EPOCH);
        (since, row.timeline.spans(since, now).collect::<Vec<Span>>())
    };
    let ((day, of_day), (week, of_week)) = (reach(Duration::from_hours(24)), reach(Timeline::REACH));
    let target = &row.target;
    html! {
        @if !of_week.is_empty() {
            section aria-labelledby="week-title" {
                h2 id="week-title" { "Last 24 hours and 7 days" }
                p { (uptime(row.timeline.uptime(now))) }
                h3 { "24 hours" }
                (plot::band(&of_day, day, now, "week-said", "States of the last 24 hours, the latest on the right"))
                h3 { "7 days" }
                (plot::band(&of_week, week, now, "week-said", "States of the last 7 days, the latest on the right"))
                p.band-said id="week-said" data-kept aria-hidden="true" { "Point at a time, or use Tab and the arrow keys, to read it." }
                details id="week-table" {
                    summary { "The same as a table, with causes" }
                    (plot::spans(&of_week, now))
                }
                p { a href={ (root) "/changes?" (named_query(&target.pool, &target.setting, &target.server)) } { "Its changes of state" } }
            }
        }
    }
}

/// How much of the time it was Healthy.
fn uptime(uptime: Uptime) -> Markup {
    let Uptime { hour, day, week } = uptime;
    let parts = [(hour, "hour"), (day, "day"), (week, "week")];
    html! {
        @if parts.iter().all(|(share, _)| share.is_none()) {
            "Nothing is known yet of how much of the time it was Healthy."
        } @else {
            "Healthy for "
            @for (place, (share, name)) in parts.iter().filter_map(|(share, name)| Some(((*share)?, name))).enumerate() {
                @if place > 0 { ", " }
                b.number { (percent(share)) } " of the last " (name)
            }
            ", of the time known since the exporter started."
        }
    }
}

/// Never rounded up: what is not always is not 100 %.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", (share * 10_000.0).floor() / 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up() {
        fn check(share: f64, expected: &str) {
            assert_eq!(percent(share), expected);
        }
        check(1.0, "100 %");
        check(0.999_999, "99.99 %");
        check(0.5, "50 %");
        check(0.123_45, "12.34 %");
        check(0.0, "0 %");
    }
}
