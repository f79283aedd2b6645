//! The top of the report: how many rows are in which state, in which pools, and whether there is something to do.

use maud::{Markup, html};

use super::query::Query;
use super::{Place, shape};
use crate::health::{Row, State};
use crate::view::ranking::Urgency;
use crate::view::report::{Filter, Summary, Warned};
use crate::view::standing::Standing;

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

/// Whether there is something to do: pools that serve nobody first, then how many servers are in which state.
pub(super) fn headline(pools: &[Standing<'_>], all_pools: usize, servers: Summary, all: usize) -> String {
    let Summary { healthy: _, unhealthy, unknown } = servers;
    let total = servers.total();
    let are = |count| if count == 1 { "is" } else { "are" };
    let nouns = if total == 1 { "server" } else { "servers" };
    let nouns = if total < all { format!("matching {nouns}") } else { nouns.to_owned() };
    let states = match (total, unhealthy, unknown) {
        (0, ..) if all == 0 => "There is nothing to probe: no pool has a server and a setting.".to_owned(),
        (0, ..) => format!("None of the {all} servers matches."),
        (1, 0, 0) => format!("The only {nouns} is Healthy."),
        (_, 0, 0) => format!("All {total} {nouns} are Healthy."),
        (_, 0, _) => format!("{unknown} of {total} {nouns} {} Unknown.", are(unknown)),
        (_, _, 0) => format!("{unhealthy} of {total} {nouns} {} Unhealthy.", are(unhealthy)),
        (_, _, _) => {
            format!("{unhealthy} of {total} {nouns} {} Unhealthy, {unknown} {} Unknown.", are(unhealthy), are(unknown))
        }
    };
    match down(pools, all_pools) {
        Some(down) => format!("{down} {states}"),
        None => states,
    }
}

/// The pools that have no healthy server, or none under one of their settings, counted in a sentence.
pub(super) fn down(pools: &[Standing<'_>], all_pools: usize) -> Option<String> {
    let (whole, part): (Vec<_>, Vec<_>) =
        pools.iter().filter(|pool| pool.is_down()).partition(|pool| pool.is_down_whole);
    let have = |count: usize| if count == 1 { "has" } else { "have" };
    let named = |count: usize| match (all_pools, count) {
        (1, _) => "The only pool has".to_owned(),
        (_, count) => format!("{count} {} {}", if count == 1 { "pool" } else { "pools" }, have(count)),
    };
    match (whole.len(), part.len()) {
        (0, 0) => None,
        (0, part) => Some(format!("{} a setting without a healthy server.", named(part))),
        (whole, 0) => Some(format!("{} no healthy server.", named(whole))),
        (whole, part) => {
            Some(format!("{} no healthy server, {part} {} a setting without one.", named(whole), have(part)))
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

/// What is not wrong, but begins to be, as links to it; and how rows are counted, where there are more of them than servers.
pub(super) fn remarks(rows: &[&Row], servers: usize, query: &Query, place: Place<'_>) -> Markup {
    let count = |wanted| rows.iter().filter(|row| Urgency::of(**row) == wanted).count();
    let (failing, warned) = (count(Urgency::Failing), count(Urgency::Warned));
    let with_a_warning =
        query.with_filter(Filter { states: vec![State::Healthy], warnings: vec![Warned::Any], ..query.filter.clone() });
    html! {
        @if failing + warned > 0 {
            p.remark {
                "Of the Healthy ones, "
                @if failing > 0 { (failing) " failed the latest probe" }
                @if failing > 0 && warned > 0 { ", " }
                @if warned > 0 {
                    a href=(with_a_warning.address(place.root)) {
                        (warned) @if warned == 1 { " has a warning" } @else { " have a warning" }
                    }
                }
                "."
            }
        }
        @if rows.len() > servers {
            p.remark { (rows.len()) " rows: a server counts there once for each of its backend settings." }
        }
    }
}

/// The pools that stand worst, and the way to all of them.
pub(super) fn pools(all: &[Standing<'_>], query: &Query, place: Place<'_>) -> Markup {
    let is_chosen = |pool: &&Standing<'_>| query.filter.pools.iter().any(|chosen| chosen == pool.pool);
    let (chosen, others): (Vec<_>, Vec<_>) = all.iter().partition(is_chosen);
    html! {
        @if all.len() > 1 || !query.filter.pools.is_empty() {
            section aria-labelledby="pools" {
                h2 id="pools" { "Pools" }
                ul.pools { @for pool in chosen.into_iter().chain(others).take(POOLS) { (tile(pool, query, place)) } }
                @if all.len() > POOLS {
                    p { a href={ (place.root) "/pools" } { "All " (all.len()) " pools" } }
                }
            }
        }
    }
}

fn tile(standing: &Standing<'_>, query: &Query, place: Place<'_>) -> Markup {
    let pool = standing.pool;
    let chosen = query.filter.pools == [pool];
    let target = query.with_pools(if chosen { Vec::new() } else { vec![pool.to_owned()] });
    html! {
        li {
            a href=(target.address(place.root)) aria-current=[chosen.then_some("true")] { bdi { (pool) } }
            (bar(standing.summary))
            span.counts { (counts(standing.summary)) }
            @if let Some(words) = without(standing) { small.unhealthy { (words) } }
        }
    }
}

/// That a pool has no healthy server, and under which settings, when it has one under others.
pub(super) fn without(standing: &Standing<'_>) -> Option<Markup> {
    let Standing { is_down_whole, down_under, .. } = standing;
    standing.is_down().then(|| {
        html! {
            "No healthy server"
            @if !is_down_whole {
                " under "
                @for (index, setting) in down_under.iter().take(SETTINGS).enumerate() { @if index > 0 { ", " } bdi { (setting) } }
                @if down_under.len() > SETTINGS { " and " (down_under.len() - SETTINGS) " more settings" }
            }
        }
    })
}

/// The states of some rows, each as wide as it is large.
pub(super) fn bar(summary: Summary) -> Markup {
    let mut from = 0;
    let parts: Vec<_> = some(summary)
        .map(|(state, count)| {
            from += count;
            (state, from - count, count)
        })
        .collect();
    html! {
        svg.bar viewBox={ "0 0 " (summary.total().max(1)) " 10" } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (state, from, count) in parts { rect class=(state.label()) x=(from) width=(count) height="10" {} }
        }
    }
}

/// The same in words.
pub(super) fn counts(summary: Summary) -> Markup {
    html! {
        @for (place, (state, count)) in some(summary).enumerate() {
            @if place > 0 { ", " }
            span class=(state.label()) { (count) " " (state.as_str()) }
        }
    }
}

/// The states that there are, the worst first.
fn some(summary: Summary) -> impl Iterator<Item = (State, usize)> {
    worst_first(summary).into_iter().filter(|(_, count)| *count > 0)
}

/// Pools that the report shows.
const POOLS: usize = 6;

/// Settings that a pool names.
const SETTINGS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(healthy: usize, unhealthy: usize, down_under: &[&'static str]) -> Standing<'static> {
        Standing {
            pool: "p",
            summary: Summary { healthy, unhealthy, unknown: 0 },
            servers: healthy + unhealthy,
            down_under: down_under.to_vec(),
            is_down_whole: healthy == 0 && !down_under.is_empty(),
            settings: 2,
            commonest: None,
            changed: std::time::SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_headline_says_whether_there_is_something_to_do() {
        fn check(healthy: usize, unhealthy: usize, unknown: usize, all: usize, headline: &str, title: &str) {
            let summary = Summary { healthy, unhealthy, unknown };
            assert_eq!(super::headline(&[], 1, summary, all), headline);
            assert_eq!(super::title(summary), title);
        }
        check(0, 0, 0, 0, "There is nothing to probe: no pool has a server and a setting.", "No rows");
        check(0, 0, 0, 9, "None of the 9 servers matches.", "No rows");
        check(1, 0, 0, 1, "The only server is Healthy.", "1 Healthy");
        check(1, 0, 0, 2, "The only matching server is Healthy.", "1 Healthy");
        check(7, 0, 0, 7, "All 7 servers are Healthy.", "7 Healthy");
        check(6, 1, 0, 7, "1 of 7 servers is Unhealthy.", "1 Unhealthy, 6 Healthy");
        check(5, 0, 2, 7, "2 of 7 servers are Unknown.", "2 Unknown, 5 Healthy");
        check(0, 2, 1, 3, "2 of 3 servers are Unhealthy, 1 is Unknown.", "2 Unhealthy, 1 Unknown");
        check(0, 2, 1, 9, "2 of 3 matching servers are Unhealthy, 1 is Unknown.", "2 Unhealthy, 1 Unknown");
    }

    #[test]
    fn the_headline_begins_with_pools_that_serve_nobody() {
        fn check(pools: &[Standing<'_>], expected: Option<&str>) {
            assert_eq!(down(pools, pools.len()).as_deref(), expected);
        }
        let (well, whole, part) = (standing(2, 0, &[]), standing(0, 2, &["s"]), standing(1, 1, &["s"]));
        check(&[], None);
        check(&[well.clone(), well.clone()], None);
        check(std::slice::from_ref(&whole), Some("The only pool has no healthy server."));
        check(&[whole.clone(), well.clone()], Some("1 pool has no healthy server."));
        check(&[whole.clone(), whole.clone(), well.clone()], Some("2 pools have no healthy server."));
        check(&[part.clone(), well], Some("1 pool has a setting without a healthy server."));
        check(&[whole.clone(), whole, part], Some("2 pools have no healthy server, 1 has a setting without one."));
    }
}
