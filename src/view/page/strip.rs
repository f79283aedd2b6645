//! Small pictures in a line: the last probes, and what the latest one spent its time on. Words beside them, or their
//! titles, say the same.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use crate::probe::Protocol;
use crate::verdict::{ProbeResult, Stage};
use crate::view::report::{PastProbe, PhasesView};
use crate::words::took;

/// The latest probes, from left to right as they came: a low bar for a success, a high one for a failure, a frame for a
/// probe without a verdict. The words count them.
pub(super) fn history(latest_first: &[PastProbe]) -> Markup {
    let latest = &latest_first[..latest_first.len().min(LATEST)];
    let earlier = latest_first.len() - latest.len();
    let count = |result| latest.iter().filter(|probe| probe.result == result).count();
    let (failed, unheard) = (count(ProbeResult::Failure), count(ProbeResult::NoVerdict));
    // One path for each kind keeps a page of many rows small.
    let path = |result: ProbeResult, bar: &str| {
        let mut path = String::new();
        for (place, _) in latest.iter().enumerate().filter(|(_, probe)| probe.result == result) {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{} {bar}", (latest.len() - 1 - place) * 6);
        }
        (!path.is_empty()).then_some(path)
    };
    html! {
        @if latest.is_empty() {
            div.faint { "none yet" }
        } @else {
            div {
                svg.strip viewBox="0 0 120 18" preserveAspectRatio="xMinYMax meet" aria-hidden="true" focusable="false" {
                    @if let Some(path) = path(ProbeResult::Success, "12h5v6h-5z") { path.ok d=(path) {} }
                    @if let Some(path) = path(ProbeResult::Failure, "0h5v18h-5z") { path.failed d=(path) {} }
                    @if let Some(path) = path(ProbeResult::NoVerdict, "6h5v12h-5zm1.5 1.5v9h2v-9z") { path.unheard d=(path) {} }
                }
                small {
                    @if failed == 0 && unheard == 0 {
                        @if latest.len() == 1 { "the first one succeeded" } @else { "all " (latest.len()) " succeeded" }
                    } @else {
                        @match (latest.len(), failed) {
                            (1, 1) => "the first one failed",
                            (all, failed) if all == failed => { "all " (all) " failed" }
                            (all, failed) => { (failed) " of " (all) " failed" }
                        }
                        @if unheard > 0 { ", " (unheard) " without a verdict" }
                        @if latest[0].result == ProbeResult::Success { ", not the latest" }
                    }
                    @if earlier > 0 && failed < latest.len() { "; " (earlier) @if earlier == 1 { " earlier failure" } @else { " earlier failures" } }
                }
            }
        }
    }
}

/// The parts of a probe, each as wide as it took long.
pub(super) fn phases(phases: &PhasesView, whole: f64) -> Markup {
    let parts = parts(phases);
    let spent: f64 = parts.iter().map(|(_, _, seconds)| seconds).sum();
    let scale = 100.0 / spent.max(whole).max(f64::MIN_POSITIVE);
    let mut words = String::new();
    let mut bars = Vec::new();
    let mut from = 0.0;
    for (class, name, seconds) in parts {
        let separator = if words.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(words, "{separator}{name} {}", took(Duration::from_secs_f64(seconds)));
        let width = seconds * scale;
        if width >= 0.5 {
            bars.push((class, format!("{from:.1}"), format!("{width:.1}")));
        }
        from += width;
    }
    html! {
        svg.phases role="img" viewBox="0 0 100 6" preserveAspectRatio="none" {
            title { (words) }
            @for (class, from, width) in bars { rect class=(class) x=(from) width=(width) height="6" {} }
        }
    }
}

/// The parts and how long each took, beside the colours that they have in the picture.
pub(super) fn key(phases: &PhasesView) -> Markup {
    html! {
        ul.key {
            @for (class, name, seconds) in parts(phases) {
                li {
                    svg viewBox="0 0 10 10" aria-hidden="true" focusable="false" { rect class=(class) width="10" height="10" {} }
                    " " (name) " "
                    @if seconds > 0.0 { b { (took(Duration::from_secs_f64(seconds))) } } @else { span.faint { "not reached" } }
                }
            }
        }
    }
}

/// What the colours of the parts stand for.
pub(super) fn legend() -> Markup {
    html! {
        div.legend {
            "Parts of the latest probe: "
            ul.key {
                @for (class, name) in PARTS {
                    li { svg viewBox="0 0 10 10" aria-hidden="true" focusable="false" { rect class=(class) width="10" height="10" {} } " " (name) }
                }
            }
        }
    }
}

/// The way of a probe in one line: what held, where it failed, and what was not reached. The picture of the row in a word.
pub(super) fn trail(protocol: Protocol, failed: Stage) -> Markup {
    let steps = [Stage::Local, Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Http];
    let steps: Vec<Stage> = steps.into_iter().filter(|stage| protocol.has(*stage) || *stage == failed).collect();
    let at = steps.iter().position(|stage| *stage == failed).unwrap_or(0);
    let name = |stage: Stage| match stage {
        Stage::Local => "this host",
        Stage::Dns => "DNS",
        Stage::Tcp => "TCP",
        Stage::Tls => "TLS",
        Stage::Http => "HTTP",
    };
    let words = match at {
        0 => format!("failed at {}", name(failed)),
        _ => format!(
            "passed {}, failed at {}",
            steps[..at].iter().map(|step| name(*step)).collect::<Vec<_>>().join(", "),
            name(failed)
        ),
    };
    html! {
        span.trail role="img" aria-label=(words) {
            @for (place, step) in steps.iter().enumerate() {
                @let (class, mark) = match place.cmp(&at) {
                    Ordering::Less => ("fine", " ✓"),
                    Ordering::Equal => ("faulty", " ✗"),
                    Ordering::Greater => ("faint", ""),
                };
                span class=(class) aria-hidden="true" { (name(*step)) (mark) }
            }
        }
    }
}

/// The part that took more than half of a probe, if there is one and it is worth telling.
pub(super) fn most(phases: &PhasesView, whole: f64) -> Option<&'static str> {
    let mut parts = parts(phases).into_iter();
    let (_, name, _) = parts.find(|(_, _, seconds)| *seconds > whole / 2.0 && *seconds >= 0.001)?;
    Some(name)
}

/// Class, name and seconds of the parts that the protocol has.
fn parts(phases: &PhasesView) -> Vec<(&'static str, &'static str, f64)> {
    let PhasesView { dns, connect, tls, first_byte, transfer } = *phases;
    let spent = [Some(dns), Some(connect), tls, first_byte, transfer];
    PARTS.iter().zip(spent).filter_map(|((class, name), seconds)| Some((*class, *name, seconds?.max(0.0)))).collect()
}

const PARTS: [(&str, &str); 5] = [
    ("p-dns", "name lookup"),
    ("p-connect", "connecting"),
    ("p-tls", "TLS handshake"),
    ("p-first", "waiting for the first byte"),
    ("p-transfer", "receiving the rest"),
];

/// Probes that a picture shows; failures before them are counted.
const LATEST: usize = crate::health::History::LATEST;
