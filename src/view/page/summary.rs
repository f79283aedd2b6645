//! The top of the report: how many rows are in which state, in which pools, and whether there is something to do.

use std::collections::HashMap;

use maud::{Markup, html};

use super::query::Query;
use super::{Place, shape};
use crate::health::{Row, State};
use crate::view::ranking::Urgency;
use crate::view::report::Summary;

/// The worst first, as everywhere on the page.
pub(super) fn worst_first(summary: Summary) -> [(State, usize); 3] {
    let Summary { healthy, unhealthy, unknown } = summary;
    [(State::Unhealthy, unhealthy), (State::Unknown, unknown), (State::Healthy, healthy)]
}

pub(super) fn worst(summary: Summary) -> Option<State> {
    worst_first(summary).into_iter().find(|(_, count)| *count > 0).map(|(state, _)| state)
}

/// For a browser's tab: the worst first, zeros left out.
pub(super) fn title(summary: Summary) -> String {
    let some = worst_first(summary).into_iter().filter(|(_, count)| *count > 0);
    let parts: Vec<_> = some.map(|(state, count)| format!("{count} {}", state.as_str())).collect();
    if parts.is_empty() { "No rows".to_owned() } else { parts.join(", ") }
}

/// One sentence that says whether there is something to do.
pub(super) fn headline(summary: Summary, all: usize) -> String {
    let Summary { healthy, unhealthy, unknown } = summary;
    let total = healthy + unhealthy + unknown;
    let are = |count| if count == 1 { "is" } else { "are" };
    let rows = if total == 1 { "row" } else { "rows" };
    let rows = if total < all { format!("matching {rows}") } else { rows.to_owned() };
    match (total, unhealthy, unknown) {
        (0, ..) if all == 0 => "There is nothing to probe: no pool has a server and a setting.".to_owned(),
        (0, ..) => format!("None of the {all} rows matches."),
        (1, 0, 0) => format!("The only {rows} is Healthy."),
        (_, 0, 0) => format!("All {total} {rows} are Healthy."),
        (_, 0, _) => format!("{unknown} of {total} {rows} {} Unknown.", are(unknown)),
        (_, _, 0) => format!("{unhealthy} of {total} {rows} {} Unhealthy.", are(unhealthy)),
        (_, _, _) => {
            format!("{unhealthy} of {total} {rows} {} Unhealthy, {unknown} {} Unknown.", are(unhealthy), are(unknown))
        }
    }
}

/// How many rows are in each state; each a link that shows them alone, or, when it does already, all again.
pub(super) fn tiles(summary: Summary, query: &Query, place: Place<'_>) -> Markup {
    html! {
        ul.tiles aria-label="Rows by state" {
            @for (state, count) in worst_first(summary) {
                @let chosen = query.filter.states == [state];
                @let target = query.with_states(if chosen { Vec::new() } else { vec![state] });
                li {
                    a class=(state.label()) href=(target.address(place.root)) aria-current=[chosen.then_some("true")] {
                        (shape(state)) b { (count) } " " span { (state.as_str()) }
                    }
                }
            }
        }
    }
}

/// What is not wrong, but begins to be.
pub(super) fn remarks(rows: &[&Row]) -> Markup {
    let count = |wanted| rows.iter().filter(|row| Urgency::of(**row) == wanted).count();
    let (failing, warned) = (count(Urgency::Failing), count(Urgency::Warned));
    html! {
        @if failing + warned > 0 {
            p.remark {
                "Of the Healthy ones, "
                @if failing > 0 { (failing) " failed the latest probe" }
                @if failing > 0 && warned > 0 { ", " }
                @if warned > 0 { (warned) @if warned == 1 { " has a warning" } @else { " have a warning" } }
                "."
            }
        }
    }
}

/// Each pool with its rows by state, those with trouble first.
pub(super) fn pools(rows: &[&Row], query: &Query, place: Place<'_>) -> Markup {
    let mut order: Vec<&str> = Vec::new();
    let mut by_pool: HashMap<&str, Summary> = HashMap::new();
    for row in rows {
        let summary = by_pool.entry(&row.target.pool).or_insert_with(|| {
            order.push(&row.target.pool);
            Summary::default()
        });
        match row.state {
            State::Healthy => summary.healthy += 1,
            State::Unhealthy => summary.unhealthy += 1,
            State::Unknown => summary.unknown += 1,
        }
    }
    let (well, ill): (Vec<_>, Vec<_>) = order
        .into_iter()
        .map(|pool| (pool, by_pool[pool]))
        .partition(|(_, summary)| worst(*summary) == Some(State::Healthy));
    let all: Vec<_> = ill.into_iter().chain(well).collect();
    let (first, rest) = all.split_at(all.len().min(POOLS));
    html! {
        @if all.len() > 1 || !query.filter.pools.is_empty() {
            section aria-labelledby="pools" {
                h2 id="pools" { "Pools" }
                ul.pools { @for (pool, summary) in first { (bar(pool, *summary, query, place)) } }
                @if !rest.is_empty() {
                    details id="more-pools" {
                        summary { (rest.len()) @if rest.len() == 1 { " more pool" } @else { " more pools" } }
                        ul.pools { @for (pool, summary) in rest { (bar(pool, *summary, query, place)) } }
                    }
                }
            }
        }
    }
}

fn bar(pool: &str, summary: Summary, query: &Query, place: Place<'_>) -> Markup {
    let Summary { healthy, unhealthy, unknown } = summary;
    let total = healthy + unhealthy + unknown;
    let chosen = query.filter.pools == [pool];
    let target = query.with_pools(if chosen { Vec::new() } else { vec![pool.to_owned()] });
    let mut from = 0;
    let mut parts = Vec::new();
    for (state, count) in worst_first(summary).into_iter().filter(|(_, count)| *count > 0) {
        parts.push((state, from, count));
        from += count;
    }
    html! {
        li {
            a href=(target.address(place.root)) aria-current=[chosen.then_some("true")] { bdi { (pool) } }
            svg.bar viewBox={ "0 0 " (total) " 10" } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                @for (state, from, count) in &parts {
                    rect class=(state.label()) x=(from) width=(count) height="10" {}
                }
            }
            span.counts {
                @for (place, (state, _, count)) in parts.iter().enumerate() {
                    @if place > 0 { ", " }
                    span class=(state.label()) { (count) " " (state.as_str()) }
                }
            }
        }
    }
}

/// Pools that are shown at once.
const POOLS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_says_whether_there_is_something_to_do() {
        fn check(healthy: usize, unhealthy: usize, unknown: usize, all: usize, headline: &str, title: &str) {
            let summary = Summary { healthy, unhealthy, unknown };
            assert_eq!(super::headline(summary, all), headline);
            assert_eq!(super::title(summary), title);
        }
        check(0, 0, 0, 0, "There is nothing to probe: no pool has a server and a setting.", "No rows");
        check(0, 0, 0, 9, "None of the 9 rows matches.", "No rows");
        check(1, 0, 0, 1, "The only row is Healthy.", "1 Healthy");
        check(1, 0, 0, 2, "The only matching row is Healthy.", "1 Healthy");
        check(7, 0, 0, 7, "All 7 rows are Healthy.", "7 Healthy");
        check(6, 1, 0, 7, "1 of 7 rows is Unhealthy.", "1 Unhealthy, 6 Healthy");
        check(5, 0, 2, 7, "2 of 7 rows are Unknown.", "2 Unknown, 5 Healthy");
        check(0, 2, 1, 3, "2 of 3 rows are Unhealthy, 1 is Unknown.", "2 Unhealthy, 1 Unknown");
        check(0, 2, 1, 9, "2 of 3 matching rows are Unhealthy, 1 is Unknown.", "2 Unhealthy, 1 Unknown");
    }
}
