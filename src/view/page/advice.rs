//! What to do about a problem: who acts and the first step, and everything else behind them.

use maud::{Markup, html};

use super::{first_step, unbroken, who, with_code};
use crate::view::report::Problem;

/// With `id` the page's script knows what is open already; `whose` is whom the command is about, where several have the
/// problem.
pub(super) fn brief(problem: &Problem<'_>, id: &str, whose: Option<&str>) -> Markup {
    let rest = problem.remedy.get(1..).unwrap_or_default();
    html! {
        div.advice.short {
            p { b { (who(problem.side)) ": " } @if let Some(step) = first_step(problem) { (with_code(step)) } }
            details id=(id) {
                summary { @if rest.is_empty() { "What it means" } @else { "All steps, and what it means" } }
                p { (problem.explanation) }
                @if !rest.is_empty() { (steps(problem)) }
                (command(problem, whose))
                (documentation(problem))
            }
        }
    }
}

/// All of it, nothing folded away.
pub(super) fn whole(problem: &Problem<'_>) -> Markup {
    html! {
        div.advice {
            p { (problem.explanation) }
            div.to-do {
                h3 { "What to do" }
                p { "Who acts: " b { (who(problem.side)) } }
            }
            (steps(problem))
            (command(problem, None))
            (documentation(problem))
        }
    }
}

fn steps(problem: &Problem<'_>) -> Markup {
    html! {
        ol.remedy { @for step in &problem.remedy { li { (with_code(step)) } } }
    }
}

fn command(problem: &Problem<'_>, whose: Option<&str>) -> Markup {
    html! {
        @if let Some(command) = &problem.reproduce {
            p { "To see the same" @if let Some(whose) = whose { " of " (whose) } ":" }
            (code_block("Command that shows the same", command))
        }
    }
}

fn documentation(problem: &Problem<'_>) -> Markup {
    html! {
        p { a href=(problem.docs_url) { "Documentation: " code { (problem.code) } } }
    }
}

/// A command to be copied: one click selects all of it, and the keys can scroll it.
pub(super) fn code_block(label: &str, code: &str) -> Markup {
    html! {
        pre tabindex="0" role="region" aria-label=(label) { code { (unbroken(code)) } }
    }
}
