//! What is wrong with the row and what to do: the cause first, then further faults, then warnings.

use maud::{Markup, html};

use crate::health::State;
use crate::verdict::ProbeResult;
use crate::view::page::{advice, shape_named};
use crate::view::report::{Problem, ReportRow};
use crate::words::masked;

/// The first of them in full, the others with their first step.
pub(super) fn all(row: &ReportRow<'_>) -> Markup {
    let last = row.last_probe.as_ref();
    let unheard = last.filter(|probe| probe.result == ProbeResult::NoVerdict).and_then(|probe| probe.cause.as_ref());
    let unheard = unheard.filter(|problem| row.cause.as_ref().is_none_or(|cause| cause.code != problem.code));
    let (mark, kind) = match row.state {
        State::Unhealthy | State::Unknown => (row.state.label(), ""),
        State::Healthy => ("warned", "The latest probe failed"),
    };
    let cause = row.cause.iter().map(|problem| Found { problem, mark, kind });
    let unheard = unheard.map(|problem| Found { problem, mark: "warned", kind: "The latest probe gave no verdict" });
    let also = row.also.iter().map(|problem| Found { problem, mark, kind: "Wrong as well" });
    let warnings = row.warnings.iter().map(|problem| Found { problem, mark: "warned", kind: "Warning" });
    let mut found = cause.chain(unheard).chain(also).chain(warnings).enumerate().peekable();
    html! {
        @if found.peek().is_none() { (calm(row)) }
        @for (number, found) in found { (found.card(number)) }
    }
}

fn calm(row: &ReportRow<'_>) -> Markup {
    let words = match row.state {
        State::Healthy => "Healthy: all checks passed",
        State::Unhealthy | State::Unknown => "The latest probe succeeded",
    };
    html! {
        section.card.healthy id="problem-0" aria-labelledby="problem-0-title" {
            header { h2 id="problem-0-title" { (shape_named("healthy")) " " (words) } }
            p { "Nothing has to be done." }
        }
    }
}

struct Found<'a> {
    problem: &'a Problem<'a>,
    mark: &'static str,
    /// What it is beside the cause; may be empty.
    kind: &'static str,
}

impl Found<'_> {
    fn card(&self, number: usize) -> Markup {
        let Self { problem, mark, kind } = self;
        let title = format!("problem-{number}-title");
        html! {
            section class={ "card " (mark) } id={ "problem-" (number) } aria-labelledby=(title) {
                header {
                    h2 id=(title) { (shape_named(mark)) " " @if !kind.is_empty() { (kind) ": " } (problem.title) }
                }
                @if !problem.detail.is_empty() { p.detail { bdi { (masked(&problem.detail)) } } }
                @if number == 0 { (advice::whole(problem)) }
                @else { (advice::brief(problem, &format!("steps-{number}"), None)) }
            }
        }
    }
}
