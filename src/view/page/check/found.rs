//! What a check found: the verdict first, then what each stage saw, then the issues in Azure's words.

use maud::{Markup, html};

use super::{http, tls, verdict, way};
use crate::troubleshoot::Examination;
use crate::view::page::{shape_named, time};
use crate::view::text::visible;
use crate::view::time::took;
use crate::view::troubleshoot::issues;
use crate::view::troubleshoot::paper::Mark;

pub(super) fn all(examination: &Examination, root: &str) -> Markup {
    let stages = [
        way::names(examination),
        way::routes(examination),
        Some(way::connects(examination)),
        way::hops(examination),
        tls::section(examination),
        http::section(examination),
    ];
    html! {
        div.check-found {
            (verdict::all(examination, root))
            p.check-when {
                "Checked at " (time(examination.at)) " in " (took(examination.took)) ", from the exporter's host."
            }
            @for stage in stages.iter().flatten() { (stage) }
            (issues(examination))
        }
    }
}

/// A stage: its mark and what it comes to stand in the heading.
pub(super) fn stage(id: &str, title: &str, mark: Mark, outcome: &str, content: &Markup) -> Markup {
    let id = format!("check-{id}");
    html! {
        section.check-stage aria-labelledby=(id) {
            h3 id=(id) { (of_mark(mark)) (title) ": " span.check-outcome { (outcome) } }
            (content)
        }
    }
}

/// A shape, and for who does not see it a word; nothing of what is neither good nor bad.
pub(super) fn of_mark(mark: Mark) -> Markup {
    let (shape, word) = match mark {
        Mark::Good => ("healthy", "in order"),
        Mark::Bad => ("unhealthy", "broken"),
        Mark::Odd => ("warned", "odd"),
        Mark::None => return html! {},
    };
    html! { (shape_named(shape)) span.hidden { " " (word) ": " } " " }
}

/// The worst of them.
pub(super) fn worst(marks: impl Iterator<Item = Mark>) -> Mark {
    let rank = |mark: &Mark| match mark {
        Mark::Bad => 3,
        Mark::Odd => 2,
        Mark::Good => 1,
        Mark::None => 0,
    };
    marks.max_by_key(rank).unwrap_or(Mark::None)
}

/// A line beside the tables.
pub(super) fn line(mark: Mark, words: &str) -> Markup {
    html! { p.check-line { (of_mark(mark)) (foreign(words)) } }
}

/// Words that may come from elsewhere: what could move or hide the text around them is shown as an escape.
pub(super) fn foreign(words: &str) -> Markup {
    html! { bdi { (visible(words)) } }
}

/// A table, whose cells stand one below the other in narrow windows, each with its column's name.
pub(super) fn table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table.check-table role="table" {
            caption { (caption) }
            thead role="rowgroup" { tr role="row" { @for name in columns { th scope="col" role="columnheader" { (name) } } } }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (name, cell) in columns.iter().zip(row) { td role="cell" data-label=(name) { div { (cell) } } }
                    }
                }
            }
        }
    }
}

fn issues(examination: &Examination) -> Markup {
    let found = issues::of(examination);
    let rows = found.iter().map(|issue| {
        let context = issue.context.iter().map(|(key, value)| html! { (key) ": " (foreign(value)) });
        vec![
            html! { (issue.severity) },
            html! { (issue.origin) },
            html! { code { (issue.kind) } },
            html! { @for pair in context { p { (pair) } } },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        @if !rows.is_empty() {
            section.check-stage aria-labelledby="check-issues" {
                h3 #check-issues { "Issues, in the words of Azure's connection troubleshoot" }
                (table("What is wrong, the worst first", &["Severity", "Origin", "Type", "Context"], &rows))
            }
        }
    }
}
