//! What a check comes to: state, cause and remedy, then whatever else is wrong.

use maud::{Markup, html};

use super::found::{foreign, line};
use crate::troubleshoot::{Severity, State};
use crate::view::check::{Check, InsightView, Mark};
use crate::view::page::{advice, shape_named, who, with_code};
use crate::view::report::Problem;

pub(super) fn all(check: &Check<'_>) -> Markup {
    let mark = match check.state {
        State::Healthy => "healthy",
        State::Unhealthy => "unhealthy",
        State::Unknown => "unknown",
    };
    html! {
        section class={ "card check-verdict " (mark) } aria-labelledby="check-verdict" {
            header {
                h3 #check-verdict tabindex="-1" {
                    (shape_named(mark)) " " (check.state.as_str())
                    @if let Some(cause) = &check.cause { ": " (cause.title) }
                }
                p.size { "Connection: " b { (check.connection_status.as_str()) } ", " (check.status_words()) }
            }
            @match &check.cause {
                Some(cause) => {
                    @if !cause.detail.is_empty() { p.detail { (foreign(&cause.detail)) } }
                    (advice::whole(cause))
                    (certificate(cause))
                }
                None => p {
                    "The probe succeeded, sent exactly as the exporter sends it on schedule."
                    @if check.insights.is_empty() && check.warnings.is_empty() { " Nothing has to be done." }
                },
            }
            @if check.probe_cut_short {
                (line(Mark::Odd, "The probe had less time than its own timeout, because the whole check had no more"))
            }
        }
        @for (number, also) in check.also.iter().enumerate() { (further(&format!("also-{number}"), "Wrong as well", mark, also)) }
        @for insight in &check.insights { (only_here(insight)) }
        @for (number, warning) in check.warnings.iter().enumerate() { (further(&format!("warning-{number}"), "Warning", "warned", warning)) }
    }
}

/// Which certificate it is about.
fn certificate(problem: &Problem<'_>) -> Markup {
    html! {
        @if let Some(fingerprint) = &problem.certificate {
            p.check-certificate { "About the certificate with the SHA-256 fingerprint " code { (fingerprint) } }
        }
    }
}

/// What is not the cause.
fn further(id: &str, kind: &str, mark: &str, problem: &Problem<'_>) -> Markup {
    html! {
        section class={ "card " (mark) } aria-labelledby={ "check-" (id) } {
            header { h3 id={ "check-" (id) } { (shape_named(mark)) " " (kind) ": " (problem.title) } }
            @if !problem.detail.is_empty() { p.detail { (foreign(&problem.detail)) } }
            (advice::brief(problem, &format!("check-{id}-steps"), None))
            (certificate(problem))
        }
    }
}

/// What no probe sees.
fn only_here(insight: &InsightView<'_>) -> Markup {
    let mark = match insight.severity {
        Severity::Error => "unhealthy",
        Severity::Warning => "warned",
    };
    let id = format!("check-{}", insight.code);
    html! {
        section class={ "card " (mark) } aria-labelledby=(id) {
            header { h3 id=(id) { (shape_named(mark)) " Seen by this check: " (insight.title) } }
            p.detail { (foreign(insight.detail)) }
            div.advice { @for step in insight.remedy { p { b { (who(insight.side)) ": " } (with_code(step)) } } }
        }
    }
}
