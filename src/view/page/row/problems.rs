//! What is wrong with the row and what to do: the cause first, then further faults, then warnings.

use maud::Markup;
use maud::html;

use super::code_block;
use crate::health::State;
use crate::verdict::ProbeResult;
use crate::view::page::printable;
use crate::view::page::who;
use crate::view::page::with_code;
use crate::view::report::Problem;
use crate::view::report::ReportRow;

pub(super) fn all(row: &ReportRow<'_>) -> Markup {
    let last = row.last_probe.as_ref();
    let unheard = last.filter(|probe| probe.result == ProbeResult::NoVerdict).and_then(|probe| probe.cause.as_ref());
    let unheard = unheard.filter(|problem| row.cause.as_ref().is_none_or(|cause| cause.code != problem.code));
    html! {
        @match &row.cause {
            Some(cause) => (problem(cause, "faulty", "What is wrong", "solution")),
            None => section.problem.fine aria-labelledby="solution" {
                h2 #solution { (calm(row)) }
                p {
                    @if row.warnings.is_empty() { "Nothing has to be done." }
                    @else { "The latest probe succeeded, but see the warning below." }
                }
            },
        }
        @if let Some(unheard) = unheard {
            (problem(unheard, "warned", "The latest probe gave no verdict", "unheard"))
        }
        @for (index, also) in row.also.iter().enumerate() {
            (problem(also, "faulty", "Wrong as well", &format!("also-{index}")))
        }
        @for (index, warning) in row.warnings.iter().enumerate() {
            (problem(warning, "warned", "Warning", &format!("warning-{index}")))
        }
    }
}

fn calm(row: &ReportRow<'_>) -> &'static str {
    match (row.state, row.warnings.is_empty()) {
        (State::Healthy, true) => "Healthy: all checks passed",
        (State::Healthy, false) => "Healthy, with a warning",
        (State::Unhealthy | State::Unknown, _) => "The latest probe succeeded",
    }
}

fn problem(problem: &Problem<'_>, class: &str, kind: &str, id: &str) -> Markup {
    let Problem { code, stage: _, side, title, explanation, detail, remedy, reproduce, certificate: _, docs_url } =
        problem;
    html! {
        section class={ "problem " (class) } aria-labelledby=(id) {
            h2 id=(id) { small { (kind) } " " (title) }
            @if !detail.is_empty() { p.detail { bdi { (printable(detail)) } } }
            p { (explanation) }
            h3 { "What to do" }
            p.side { "Who acts: " b { (who(*side)) } }
            ol.remedy { @for step in remedy { li { (with_code(step)) } } }
            @if let Some(command) = reproduce {
                h3 { "Show it yourself" }
                (code_block("Command that shows the same", command))
            }
            p.small { a href=(docs_url) { "More on " code { (code) } } }
        }
    }
}
