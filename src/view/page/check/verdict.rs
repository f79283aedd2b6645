//! What a check comes to: state, cause and remedy, then whatever else is wrong.

use maud::{Markup, html};

use super::found::{foreign, line};
use crate::troubleshoot::{ConnectionStatus, Examination, Insight, Severity, State};
use crate::verdict::{Code, Finding};
use crate::view::page::{advice, shape_named, who, with_code};
use crate::view::report::{Links, Problem};
use crate::view::troubleshoot::paper::Mark;

pub(super) fn all(examination: &Examination, root: &str) -> Markup {
    let verdict = &examination.verdict;
    let links = Links { base: root.to_owned() };
    let mark = match examination.state() {
        State::Healthy => "healthy",
        State::Unhealthy => "unhealthy",
        State::Unknown => "unknown",
    };
    let cause = verdict.cause.as_ref().map(|cause| problem(cause, examination, &links));
    let also = verdict.also.iter().map(|also| ("Wrong as well", mark, problem(also, examination, &links)));
    let warnings = verdict.warnings.iter().map(|warning| ("Warning", "warned", problem(warning, examination, &links)));
    let (also, warnings): (Vec<_>, Vec<_>) = (also.collect(), warnings.collect());
    html! {
        section class={ "card check-verdict " (mark) } aria-labelledby="check-verdict" {
            header {
                h3 #check-verdict tabindex="-1" {
                    (shape_named(mark)) " " (examination.state().as_str())
                    @if let Some(cause) = &cause { ": " (cause.title) }
                }
                p.size { "Connection: " b { (examination.connection_status().as_str()) } ", " (status(examination)) }
            }
            @match &cause {
                Some(cause) => {
                    @if !cause.detail.is_empty() { p.detail { (foreign(&cause.detail)) } }
                    (advice::whole(cause))
                }
                None => p {
                    "The probe succeeded, made just as the exporter makes it on its beats."
                    @if is_calm(examination) { " Nothing has to be done." }
                },
            }
            @if examination.probe_was_cut_short {
                (line(Mark::Odd, "The probe had less time than its own timeout, because the whole check had no more"))
            }
        }
        @for (number, (kind, mark, problem)) in also.iter().enumerate() { (further(&format!("also-{number}"), kind, mark, problem)) }
        @for insight in &examination.insights { (only_here(insight)) }
        @for (number, (kind, mark, problem)) in warnings.iter().enumerate() { (further(&format!("warning-{number}"), kind, mark, problem)) }
    }
}

fn problem<'a, C: Copy + Into<Code>>(finding: &'a Finding<C>, examination: &Examination, links: &Links) -> Problem<'a> {
    Problem::of(finding, &examination.target, examination.verdict.evidence.address, links)
}

fn is_calm(examination: &Examination) -> bool {
    examination.insights.is_empty() && examination.verdict.warnings.is_empty()
}

/// What Azure's word means here.
fn status(examination: &Examination) -> &'static str {
    let opened = examination.connects.iter().any(|connects| connects.opened() > 0);
    match (examination.connection_status(), examination.state()) {
        (ConnectionStatus::Reachable, _) if opened => "every connection opened",
        (ConnectionStatus::Reachable, _) => "the probe came through",
        (ConnectionStatus::Degraded, State::Healthy) => "not every connection opened at once",
        (ConnectionStatus::Degraded, _) => "connections open, but the server is not in order",
        (ConnectionStatus::Unreachable, _) => "no connection opened",
    }
}

/// What is not the cause.
fn further(id: &str, kind: &str, mark: &str, problem: &Problem<'_>) -> Markup {
    html! {
        section class={ "card " (mark) } aria-labelledby={ "check-" (id) } {
            header { h3 id={ "check-" (id) } { (shape_named(mark)) " " (kind) ": " (problem.title) } }
            @if !problem.detail.is_empty() { p.detail { (foreign(&problem.detail)) } }
            (advice::brief(problem, &format!("check-{id}-steps"), None))
        }
    }
}

/// What no probe sees.
fn only_here(insight: &Insight) -> Markup {
    let Insight { kind, severity, detail, context: _ } = insight;
    let mark = match severity {
        Severity::Error => "unhealthy",
        Severity::Warning => "warned",
    };
    let id = format!("check-{}", kind.code());
    html! {
        section class={ "card " (mark) } aria-labelledby=(id) {
            header { h3 id=(id) { (shape_named(mark)) " Seen by this check: " (kind.title()) } }
            p.detail { (foreign(detail)) }
            div.advice { p { b { (who(kind.side())) ": " } (with_code(kind.remedy())) } }
        }
    }
}
