//! The row's probes of late: a strip to see a pattern, a table to read.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::verdict::ProbeResult;
use crate::view::page::strip;
use crate::view::picture::place;
use crate::view::report::{PastProbe, ReportRow};
use crate::words::{age, one_line, readable, rfc3339, span, took};

pub(super) fn section(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    let (latest, earlier) = row.history.split_at(row.history.len().min(SHOWN));
    html! {
        @if !latest.is_empty() {
            section aria-labelledby="past-title" {
                h2 id="past-title" { "Recent probes" }
                (strip::history(&row.history))
                (table("The newest first", latest, now))
                @if !earlier.is_empty() {
                    details id="earlier" {
                        summary { (earlier.len()) " earlier" }
                        (table("Earlier probes; failures are kept longer", earlier, now))
                    }
                }
            }
        }
    }
}

fn table(caption: &str, probes: &[PastProbe], now: SystemTime) -> Markup {
    html! {
        table.past {
            caption.hidden { (caption) }
            thead {
                tr {
                    @for (class, column) in [("of-time", "Started"), ("of-result", "Result"), ("of-took", "Took")] {
                        th class=(class) scope="col" { (column) }
                    }
                }
            }
            tbody { @for probe in probes { (line(probe, now)) } }
        }
    }
}

fn line(probe: &PastProbe, now: SystemTime) -> Markup {
    let PastProbe { at, result, cause, duration_seconds, status } = probe;
    let (class, word) = match result {
        ProbeResult::Success => ("fine", "✓ Succeeded"),
        ProbeResult::Failure => ("faulty", "✗ Failed"),
        ProbeResult::NoVerdict => ("warned", "⚠ No verdict"),
    };
    let title = cause.as_deref().map(|code| match place::parse(code) {
        Some(code) => code.words().title.to_owned(),
        None => one_line(code),
    });
    html! {
        tr {
            td.of-time { time datetime=(rfc3339(*at)) { (readable(*at)) } " " small { (span(age(now, *at))) " ago" } }
            td {
                b class=(class) { (word) }
                @if let Some(title) = title { ": " (title) }
                @if let Some(status) = status { " (status " (status) ")" }
            }
            td.number { (took(Duration::try_from_secs_f64(*duration_seconds).unwrap_or_default())) }
        }
    }
}

/// Probes that are shown at once.
const SHOWN: usize = 5;
