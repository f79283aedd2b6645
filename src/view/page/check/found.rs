//! What a check found: the verdict first, then the section of each stage, then the issues in Azure's words.

use maud::{Markup, html};

use crate::view::check::{Block, Cell, Check, Form, Mark, Section};
use crate::view::page::{shape_named, time};
use crate::words::{took, visible};

pub(super) fn all(check: &Check<'_>, verdict: &Markup) -> Markup {
    let whole = took(std::time::Duration::try_from_secs_f64(check.duration_seconds).unwrap_or_default());
    html! {
        div.check-found {
            (verdict)
            p.check-when { "Checked at " (time(check.at)) " in " (whole) ", from the exporter's host." }
            @for section in &check.sections { (of_section(section)) }
            (issues(check))
        }
    }
}

/// Its mark and what it comes to stand in the heading.
fn of_section(section: &Section) -> Markup {
    let id = format!("check-{}", section.id);
    let (lists, others): (Vec<&Block>, Vec<&Block>) = section.blocks.iter().partition(|block| block.form == Form::List);
    html! {
        section.check-stage aria-labelledby=(id) {
            h3 id=(id) { (of_mark(section.mark)) (section.title) ": " span.check-outcome { (foreign(&section.outcome)) } }
            @if !lists.is_empty() {
                div.check-chains { @for block in &lists { div { (of_block(block)) } } }
            }
            @for block in &others { (of_block(block)) }
        }
    }
}

fn of_block(block: &Block) -> Markup {
    let title = block.title.as_deref().unwrap_or_default();
    let cells = || block.rows.iter().flatten();
    html! {
        @if block.form != Form::Table && !title.is_empty() { h4 { (foreign(title)) } }
        @match block.form {
            Form::Lines => { @for cell in cells() { div.check-line { (of_cell(cell)) } } }
            Form::List => ol.check-chain start="0" { @for cell in cells() { li { (of_cell(cell)) } } },
            Form::Wire => pre.check-wire tabindex="0" role="region" aria-label=(title) {
                bdi { @for cell in cells() { (visible(&cell.text)) "\n" } }
            },
            Form::Table => (table(title, &block.columns, &block.rows)),
        }
    }
}

fn of_cell(cell: &Cell) -> Markup {
    html! {
        (of_mark(cell.mark)) (foreign(&cell.text))
        @for more in &cell.more { span.check-record { (foreign(more)) } }
    }
}

/// A shape, and for who does not see it a word; nothing of what is neither good nor bad.
fn of_mark(mark: Mark) -> Markup {
    let (shape, word) = match mark {
        Mark::Good => ("healthy", "in order"),
        Mark::Bad => ("unhealthy", "broken"),
        Mark::Odd => ("warned", "odd"),
        Mark::None => return html! {},
    };
    html! { (shape_named(shape)) span.hidden { " " (word) ": " } " " }
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
fn table(caption: &str, columns: &[&str], rows: &[Vec<Cell>]) -> Markup {
    html! {
        table.check-table role="table" {
            caption { (foreign(caption)) }
            thead role="rowgroup" { tr role="row" { @for name in columns { th scope="col" role="columnheader" { (name) } } } }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (name, cell) in columns.iter().zip(row) { td role="cell" data-label=(name) { div { (of_cell(cell)) } } }
                    }
                }
            }
        }
    }
}

fn issues(check: &Check<'_>) -> Markup {
    let rows = check.issues.iter().map(|issue| {
        let mut context = issue.context.iter().map(|pair| format!("{}: {}", pair.key, pair.value));
        let first = Cell { text: context.next().unwrap_or_default(), more: context.collect(), ..Cell::default() };
        let [severity, origin, kind] = [issue.severity.as_str(), issue.origin.as_str(), issue.kind.as_str()];
        vec![severity.into(), origin.into(), kind.into(), first]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    html! {
        @if !rows.is_empty() {
            section.check-stage aria-labelledby="check-issues" {
                h3 #check-issues { "Issues, in the words of Azure's connection troubleshoot" }
                (table("What is wrong, the worst first", &["Severity", "Origin", "Type", "Context"], &rows))
            }
        }
    }
}
