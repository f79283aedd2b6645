//! What a check comes to: state, cause and remedy, then whatever else is wrong.

use maud::Markup;
use maud::html;

use super::found::foreign;
use super::found::line;
use crate::troubleshoot::ConnectionStatus;
use crate::troubleshoot::Examination;
use crate::troubleshoot::Insight;
use crate::troubleshoot::Severity;
use crate::troubleshoot::State;
use crate::verdict::Code;
use crate::verdict::Finding;
use crate::view::page::shape_named;
use crate::view::page::who;
use crate::view::page::with_code;
use crate::view::report::Links;
use crate::view::report::Problem;
use crate::view::troubleshoot::paper::Mark;

pub(super) fn all(examination: &Examination, root: &str) -> Markup {
    let verdict = &examination.verdict;
    let links = Links { base: root.to_owned() };
    let (class, shape) = match examination.state() {
        State::Healthy => ("fine", "healthy"),
        State::Unhealthy => ("faulty", "unhealthy"),
        State::Unknown => ("warned", "unknown"),
    };
    let cause = verdict.cause.as_ref().map(|cause| problem(cause, examination, &links));
    let also: Vec<_> = verdict.also.iter().map(|also| problem(also, examination, &links)).collect();
    let warnings: Vec<_> = verdict.warnings.iter().map(|warning| problem(warning, examination, &links)).collect();
    html! {
        section class={ "check-verdict " (class) } aria-labelledby="check-verdict" {
            h3 #check-verdict tabindex="-1" {
                (shape_named(shape)) " " (examination.state().as_str())
                @if let Some(cause) = &cause { ": " (cause.title) }
            }
            p.check-status { "Connection: " b { (examination.connection_status().as_str()) } " – " (status(examination)) }
            @match &cause {
                Some(cause) => (explained(cause)),
                None => p { "The probe succeeded, just as the exporter makes it. " @if is_calm(examination) { "Nothing has to be done." } },
            }
            @if examination.probe_was_cut_short {
                (line(Mark::Odd, "The probe had less time than its own timeout, because the whole check had no more"))
            }
        }
        @for problem in &also { (further("Wrong as well", "faulty", problem)) }
        @for insight in &examination.insights { (only_here(insight)) }
        @for warning in &warnings { (further("Warning", "warned", warning)) }
    }
}

fn problem<'a, C: Copy + Into<Code>>(
    finding: &'a Finding<C>,
    examination: &Examination,
    links: &Links,
) -> Problem<'a> {
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

fn explained(cause: &Problem<'_>) -> Markup {
    let Problem { code, stage, side, title: _, explanation, detail, remedy, reproduce, certificate: _, docs_url } = cause;
    html! {
        @if !detail.is_empty() { p.check-detail { (foreign(detail)) } }
        p { (explanation) }
        h4 { "What to do" }
        p { "Who acts: " b { (who(*side)) } }
        ol.remedy { @for step in remedy { li { (with_code(step)) } } }
        @if let Some(command) = reproduce {
            h4 { "Show it yourself" }
            pre.command tabindex="0" role="region" aria-label="Command that shows the same" { code { (command) } }
        }
        p.small { "Cause " code { (code) } ", stage " (stage.as_str()) ". " a href=(docs_url) { "Documentation of this cause" } }
    }
}

/// What is not the cause.
fn further(kind: &str, class: &str, problem: &Problem<'_>) -> Markup {
    let Problem { code, title, side, detail, remedy, docs_url, .. } = problem;
    html! {
        section class={ "check-further " (class) } {
            h4 { (kind) ": " (title) }
            @if !detail.is_empty() { p { (foreign(detail)) } }
            @if let Some(step) = remedy.first() { p { (who(*side)) ": " (with_code(step)) } }
            p.small { a href=(docs_url) { "More on " code { (code) } } }
        }
    }
}

/// What no probe sees.
fn only_here(insight: &Insight) -> Markup {
    let Insight { kind, severity, detail, context: _ } = insight;
    let class = match severity {
        Severity::Error => "faulty",
        Severity::Warning => "warned",
    };
    html! {
        section class={ "check-further " (class) } {
            h4 { "Seen by this check: " (kind.title()) }
            p { (foreign(detail)) }
            p { (who(kind.side())) ": " (with_code(kind.remedy())) }
        }
    }
}
