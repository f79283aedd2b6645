//! The form that asks for some of the rows. It is a GET form: what it asks for stands in the address.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::Place;
use super::query::{Form, Query};
use crate::health::{Row, State};
use crate::view::report::Filter;

pub(super) fn form(all: &[Row], query: &Query, place: Place<'_>) -> Markup {
    let Filter { pools, settings, servers, states, causes, words } = &query.filter;
    let names = |of: fn(&Row) -> &str| all.iter().map(of).collect::<BTreeSet<&str>>();
    let states_chosen: Vec<String> = states.iter().map(|state| state.as_str().to_owned()).collect();
    let causes_chosen: Vec<String> = causes.iter().map(|cause| cause.code().to_owned()).collect();
    let all_states = [State::Unhealthy, State::Unknown, State::Healthy].map(State::as_str);
    let present = names(|row| row.cause.as_deref().map_or("", |cause| cause.code.code()));
    let chosen = [pools, settings, servers, &states_chosen, &causes_chosen].iter().any(|values| !values.is_empty());
    html! {
        form.filter id="filter" method="get" action={ (place.root) "/" } role="search" aria-label="Filter" {
            div.search {
                label for="q" { "Search" }
                input type="search" id="q" name="q" value=(words.join(" ")) autocomplete="off" spellcheck="false"
                    placeholder="server, pool, cause …";
                @if query.form == Form::Rows { input type="hidden" name="view" value="rows"; }
                button type="submit" { "Show" }
            }
            details.more open[chosen] {
                summary { "More filters" }
                div.fields {
                    (choice("state", "State", &all_states, &states_chosen))
                    (choice("cause", "Cause", present.into_iter().filter(|code| !code.is_empty()).collect::<Vec<_>>().as_slice(), &causes_chosen))
                    (choice("pool", "Pool", &names(|row| &row.target.pool).into_iter().collect::<Vec<_>>(), pools))
                    (choice("setting", "Setting", &names(|row| &row.target.setting).into_iter().collect::<Vec<_>>(), settings))
                    div.field {
                        label for="server" { "Server" }
                        @for server in servers.iter().skip(1) { input type="hidden" name="server" value=(server); }
                        input type="text" id="server" name="server" value=[servers.first()] autocomplete="off"
                            spellcheck="false" placeholder="as in the configuration";
                    }
                }
            }
            @if !query.filter.is_empty() || query.same.is_some() {
                a.reset href=(Query { form: query.form, ..Query::default() }.address(place.root)) { "Show all rows" }
            }
        }
    }
}

/// One of the known values, or any. Further values that the address asks for are kept.
fn choice(name: &str, label: &str, known: &[&str], chosen: &[String]) -> Markup {
    let first = chosen.first().map(String::as_str);
    let is_first = |value: &str| first.is_some_and(|first| first.eq_ignore_ascii_case(value));
    html! {
        div.field {
            label for=(name) { (label) @if chosen.len() > 1 { " (and " (chosen[1..].join(", ")) ")" } }
            @for value in chosen.iter().skip(1) { input type="hidden" name=(name) value=(value); }
            select id=(name) name=(name) {
                option value="" { "any" }
                @if let Some(first) = first && !known.iter().any(|value| is_first(value)) {
                    option value=(first) selected { (first) }
                }
                @for value in known { option value=(value) selected[is_first(value)] { (value) } }
            }
        }
    }
}
