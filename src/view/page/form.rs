//! The form that asks for some of the rows. It is a GET form: what it asks for stands in the address.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use maud::{Markup, html};

use super::query::{Form, Query};
use super::{Place, who};
use crate::health::{Row, Rows, State};
use crate::view::report::{Filter, Warned};

pub(super) fn form(all: &Rows, query: &Query, place: Place<'_>) -> Markup {
    let Filter { pools, settings, servers, states, sides, causes, warnings, words } = &query.filter;
    let names = |of: fn(&Row) -> &str| all.iter().map(of).collect::<BTreeSet<&str>>();
    let states_chosen: Vec<String> = states.iter().map(|state| state.as_str().to_owned()).collect();
    let sides_chosen: Vec<String> = sides.iter().map(|side| side.as_str().to_owned()).collect();
    let causes_chosen: Vec<String> = causes.iter().map(|cause| cause.code().to_owned()).collect();
    let warnings_chosen: Vec<String> = warnings.iter().map(|warned| warned.code().to_owned()).collect();
    let all_states: Vec<_> =
        [State::Unhealthy, State::Unknown, State::Healthy].map(|state| plain(state.as_str())).into();
    let all_sides: Vec<_> = Filter::SIDES.map(|side| (side.as_str(), who(side))).into();
    let causes_present: BTreeSet<_> =
        all.iter().filter_map(|row| row.cause.as_deref()).map(|cause| cause.code).collect();
    let causes_present: Vec<_> = causes_present.iter().map(|cause| (cause.code(), cause.words().title)).collect();
    let of_probes = all.iter().filter_map(|row| row.last_probe.as_deref()).flat_map(|probe| &probe.warnings);
    let warnings_present: BTreeMap<_, _> =
        of_probes.map(|warning| (warning.words().code, warning.words().title)).collect();
    let warnings_present: Vec<_> = iter::once((Warned::Any.code(), "any warning")).chain(warnings_present).collect();
    let chosen = [pools, settings, servers, &states_chosen, &sides_chosen, &causes_chosen, &warnings_chosen];
    let chosen = chosen.iter().any(|values| !values.is_empty());
    html! {
        form.filter id="filter" method="get" action={ (place.root) "/" } role="search" aria-label="Filter" {
            div.search {
                label for="q" { "Search" }
                input type="search" id="q" name="q" value=(words.join(" ")) autocomplete="off" spellcheck="false"
                    placeholder="server, pool, cause …";
                @if query.form == Form::Rows { input type="hidden" name="view" value="rows"; }
                @if let Some(sort) = query.sort { input type="hidden" name="sort" value=(sort.word()); }
                button type="submit" { "Show" }
            }
            details.more open[chosen] {
                summary { "More filters" }
                div.fields {
                    (choice("state", "State", &all_states, &states_chosen))
                    (choice("side", "Who acts", &all_sides, &sides_chosen))
                    (choice("cause", "Cause", &causes_present, &causes_chosen))
                    (choice("warning", "Warning", &warnings_present, &warnings_chosen))
                    (named("pool", "Pool", &names(|row| &row.target.pool), pools))
                    (named("setting", "Setting", &names(|row| &row.target.setting), settings))
                    (typed("server", "Server", servers))
                }
            }
            @if !query.filter.is_empty() || query.same.is_some() {
                a.reset href=(Query { form: query.form, sort: query.sort, ..Query::default() }.address(place.root)) { "Show all rows" }
            }
        }
    }
}

/// A name that is chosen where there are few of them, and typed where a list of them would be longer than the report.
fn named(name: &str, label: &str, known: &BTreeSet<&str>, chosen: &[String]) -> Markup {
    if known.len() > CHOICES {
        return typed(name, label, chosen);
    }
    choice(name, label, &known.iter().map(|name| plain(name)).collect::<Vec<_>>(), chosen)
}

fn typed(name: &str, label: &str, chosen: &[String]) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            @for value in chosen.iter().skip(1) { input type="hidden" name=(name) value=(value); }
            input type="text" id=(name) name=(name) value=[chosen.first()] autocomplete="off" spellcheck="false"
                placeholder="as in the configuration";
        }
    }
}

/// A value that is its own word.
fn plain(value: &str) -> (&str, &str) {
    (value, value)
}

/// Names that a list offers.
const CHOICES: usize = 100;

/// One of the known values, each with its words, or any. Further values that the address asks for are kept.
fn choice(name: &str, label: &str, known: &[(&str, &str)], chosen: &[String]) -> Markup {
    let first = chosen.first().map(String::as_str);
    let is_first = |value: &str| first.is_some_and(|first| first.eq_ignore_ascii_case(value));
    html! {
        div.field {
            label for=(name) { (label) @if chosen.len() > 1 { " (and " (chosen[1..].join(", ")) ")" } }
            @for value in chosen.iter().skip(1) { input type="hidden" name=(name) value=(value); }
            select id=(name) name=(name) {
                option value="" { "any" }
                @if let Some(first) = first && !known.iter().any(|(value, _)| is_first(value)) {
                    option value=(first) selected { (first) }
                }
                @for (value, words) in known { option value=(value) selected[is_first(value)] { (words) } }
            }
        }
    }
}
