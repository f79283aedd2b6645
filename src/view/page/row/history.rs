//! The row's probes of late: a strip to see a pattern, a table to read.

use std::time::Duration;
use std::time::SystemTime;

use maud::Markup;
use maud::html;

use crate::verdict::ProbeResult;
use crate::view::picture::place;
use crate::view::report::PastProbe;
use crate::view::report::ReportRow;
use crate::view::text::one_line;
use crate::view::time::Utc;
use crate::view::time::age;
use crate::view::time::span;
use crate::view::time::took;

pub(super) fn section(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    let history = &row.history;
    html! {
        @if !history.is_empty() {
            section aria-labelledby="past-title" {
                h2 id="past-title" { "Probes of late" }
                (strip(history))
                table.history {
                    caption { "The newest first; failures are kept longer." }
                    thead { tr { @for column in ["Started", "Result", "Took"] { th scope="col" { (column) } } } }
                    tbody { @for probe in history { (line(probe, now)) } }
                }
            }
        }
    }
}

/// From the oldest to the newest; a failure is lower as well as of another colour.
fn strip(history: &[PastProbe]) -> Markup {
    const STEP: usize = 14;
    let failed = history.iter().filter(|probe| probe.result == ProbeResult::Failure).count();
    let label = format!("{failed} of the {} probes shown failed", history.len());
    html! {
        svg.strip viewBox={ "0 0 " (history.len() * STEP) " 28" } width=(history.len() * STEP) height="28" role="img" aria-label=(label) {
            @for (index, probe) in history.iter().rev().enumerate() {
                @let (class, y, height) = match probe.result {
                    ProbeResult::Success => ("fine", 0, 12),
                    ProbeResult::Failure => ("faulty", 16, 12),
                    ProbeResult::NoVerdict => ("warned", 10, 8),
                };
                rect class=(class) x=(index * STEP + 1) y=(y) width=(STEP - 3) height=(height) rx="2" {}
            }
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
            td { time datetime=(Utc::of(*at).rfc3339()) { (Utc::of(*at).readable()) } " " small { (span(age(now, *at))) " ago" } }
            td {
                b class=(class) { (word) }
                @if let Some(title) = title { ": " (title) }
                @if let Some(status) = status { " (status " (status) ")" }
            }
            td.number { (took(Duration::try_from_secs_f64(*duration_seconds).unwrap_or_default())) }
        }
    }
}
