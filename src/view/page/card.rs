//! A group of rows with the same fault: the fault and what to do about it once, and its rows.

use maud::{Markup, html};

use super::line::{Lines, Why};
use super::query::Query;
use super::{advice, brief_time, endpoint, line, shape_named, strip};
use crate::health::State;
use crate::view::groups::Group;
use crate::view::ranking::Urgency;
use crate::view::report::{Links, ReportRow};
use crate::words::{self, age, masked, span};

/// `room` is how many of its rows may be shown.
pub(super) fn card(group: &Group<'_>, lines: Lines<'_>, query: &Query, base: &Links, room: usize) -> Markup {
    let total = group.rows.len();
    let shown = total.min(room.max(1));
    let rows: Vec<ReportRow<'_>> = group.rows[..shown].iter().map(|row| ReportRow::of(row, base)).collect();
    let Some((lead, problem)) = rows.first().and_then(|row| Some((row, group.urgency.problem_of(row)?))) else {
        return html! {};
    };
    let lines = Lines { why: Why::Beyond(problem), ..lines };
    let whose = (total > 1).then(|| words::endpoint(&lead.server, lead.port));
    let (id, mark) = (&group.id, mark(group.urgency));
    let table = html! {
        table.list role="table" {
            caption.hidden { (problem.title) @if let Some(culprit) = &group.culprit { ": " (masked(culprit)) } }
            (line::head())
            tbody role="rowgroup" { @for row in &rows { (lines.line(row)) } }
        }
        @if shown < total {
            p.rest {
                a href=(query.of_group(id).address(lines.place.root)) { "All " (total) " rows with this fault" }
            }
        }
    };
    html! {
        article class={ "card " (mark) } id={ "g-" (id) } aria-labelledby={ "t-" (id) } {
            header {
                h3 id={ "t-" (id) } {
                    (shape_named(mark)) " " (problem.title)
                    @if let Some(culprit) = &group.culprit { ": " bdi { (masked(culprit)) } }
                }
                p.size {
                    @if total > 1 { b { (total) " rows" } ", latest change " (brief_time(group.newest(), span(age(lines.at, group.newest())))) " ago" }
                }
            }
            p.where {
                (strip::trail(lead.protocol, problem.stage))
                " "
                span { (pools(group)) @if total == 1 { ", " bdi { (endpoint(&lead.server, lead.port)) } } }
            }
            // A narrow window folds all but the first ones.
            details.fold id={ "f-" (id) } open {
                summary { "What to do" }
                p.detail {
                    bdi { (masked(&problem.detail)) }
                    @if total > 1 { span.faint { " (" (words::endpoint(&lead.server, lead.port)) ")" } }
                }
                (advice::brief(problem, &format!("w-{id}"), whose.as_deref()))
                @if total <= OPEN {
                    (table)
                } @else {
                    details.rows id={ "d-" (id) } {
                        summary { (servers(group)) }
                        (table)
                    }
                }
            }
        }
    }
}

/// The shape beside the fault: that of the state, and a triangle for what is wrong with rows that are Healthy.
fn mark(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Unhealthy => State::Unhealthy.label(),
        Urgency::Unknown => State::Unknown.label(),
        Urgency::Failing | Urgency::Warned => "warned",
        Urgency::Healthy => State::Healthy.label(),
    }
}

/// Its pools, those that it leaves without a healthy server first.
fn pools(group: &Group<'_>) -> Markup {
    let pools = group.pools();
    html! {
        @if pools.len() == 1 { "Pool " } @else { "Pools " }
        @for (place, pool) in pools.iter().take(NAMED).enumerate() { @if place > 0 { ", " } bdi { (pool) } }
        @if pools.len() > NAMED { " and " (pools.len() - NAMED) " more" }
    }
}

/// The first of its servers by name.
fn servers(group: &Group<'_>) -> Markup {
    let names: Vec<&str> = group.rows.iter().take(NAMED).map(|row| &*row.target.server).collect();
    let more = group.rows.len() - names.len();
    html! {
        (group.rows.len()) " rows: "
        @for (place, name) in names.iter().enumerate() { @if place > 0 { ", " } bdi { (name) } }
        @if more > 0 { " and " (more) " more" }
    }
}

/// A group of no more rows shows them at once.
const OPEN: usize = 3;

/// Servers that a closed group names.
const NAMED: usize = 4;
