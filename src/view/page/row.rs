//! `/row`: everything about one row. What is wrong and what to do stands on top, then the picture, then the facts.

mod certificates;
mod history;
mod near;
mod probe;
mod problems;
mod timeline;

use std::time::SystemTime;

use maud::{Markup, html};

pub use self::near::Asked;
use super::shell::{Kind, Shell};
use super::{Answer, Place, check, doubt, endpoint, shape, shell, time};
use crate::health::{Row, Snapshot, State};
use crate::verdict::{Cause, Stage};
use crate::view::picture;
use crate::view::report::{Filter, Links, ReportRow};
use crate::words::{self, age, one_line, rfc3339, span};

/// The page for a request's query as sent. It names a row by `pool`, `setting` and `server`; names compare as everywhere in
/// the report, without regard to case, and an IPv6 address may stand in brackets.
#[must_use]
pub fn answer(snapshot: &Snapshot, query: Option<&str>, place: Place<'_>) -> Answer {
    let framed = |status, kind, title: &str, state: Option<State>, content: &Markup| {
        let body = html! { div.of-row { (content) } };
        let footer = html! { p id="as-of" data-live { "As of " (time(snapshot.at)) "." } };
        Answer { status, page: shell::page(Shell { place, kind, title, state }, &body, &footer) }
    };
    let asked = Asked::parse(query.unwrap_or_default());
    if !asked.is_whole() {
        return framed(400, Kind::NoRow, "Which row?", None, &near::explained(&asked, snapshot, place.root));
    }
    match asked.find(snapshot) {
        Some(found) => {
            let row = ReportRow::of(found, &Links { base: place.root.to_owned() });
            // Enough to tell this tab from the others.
            let why = row.cause.as_ref().map(|problem| format!(", {}", problem.title)).unwrap_or_default();
            let title = format!("{}: {}{why}", row.state.as_str(), words::endpoint(&one_line(&row.server), row.port));
            framed(200, Kind::Row, &title, Some(row.state), &content(&row, found, snapshot, place.root))
        }
        None => framed(404, Kind::NoRow, "No such row", None, &near::missing(&asked, snapshot, place.root)),
    }
}

/// What changes with every probe is brought up to date in place.
fn content(row: &ReportRow<'_>, found: &Row, snapshot: &Snapshot, root: &str) -> Markup {
    let now = snapshot.at;
    html! {
        (doubt::configuration(snapshot))
        (crumbs(row, root))
        div id="standing" data-live data-generated-at=(rfc3339(snapshot.changed_at)) { (heading(row, now)) }
        div id="problems" data-live { (problems::all(row)) }
        section aria-labelledby="picture-title" {
            h2 id="picture-title" { @if row.protocol.has(Stage::Tls) { "Certificate picture" } @else { "Picture of the latest probe" } }
            div id="picture" data-live { (picture::svg(row, now)) }
            details {
                summary { "The same in words" }
                div id="told" data-live { (picture::told(row, now)) }
            }
        }
        div id="certificates" data-live { (certificates::list(row, now)) }
        div id="latest" data-live { (probe::facts(row, now)) }
        div id="past" data-live { (history::section(row, now)) }
        div id="week" data-live { (timeline::section(found, now, root)) }
        (check::section(check::Names { pool: &row.pool, setting: &row.setting, server: &row.server }, root))
    }
}

/// The ways back to the report, and down this page.
fn crumbs(row: &ReportRow<'_>, root: &str) -> Markup {
    let of = |name: &str| vec![name.to_owned()];
    let report = |filter: &Filter| format!("{root}/?{}", filter.to_query());
    let in_pool = report(&Filter { pools: of(&row.pool), ..Filter::default() });
    let with_setting = report(&Filter { settings: of(&row.setting), ..Filter::default() });
    let cause = row.cause.as_ref().and_then(|problem| Cause::ALL.iter().find(|cause| cause.code() == problem.code));
    let as_broken = cause.map(|cause| report(&Filter { causes: vec![*cause], ..Filter::default() }));
    html! {
        nav.crumbs id="crumbs" data-live aria-label="This row" {
            ul {
                li { a href=(in_pool) { "Pool " bdi { (one_line(&row.pool)) } } }
                li { a href=(with_setting) { "Setting " bdi { (one_line(&row.setting)) } } }
                @if let Some(as_broken) = as_broken { li { a href=(as_broken) { "Rows with this cause" } } }
                li id="to-troubleshoot" { a href="#troubleshoot" { "Troubleshoot" } }
            }
        }
    }
}

fn heading(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    let ReportRow { pool, setting, server, port, state, since, consecutive_failures, unhealthy_threshold, .. } = row;
    html! {
        h1 { bdi { (endpoint(&one_line(server), *port)) } }
        p.about {
            (row.protocol) ", pool " bdi { (one_line(pool)) } ", setting " bdi { (one_line(setting)) }
        }
        p.standing {
            span class={ "state " (state.label()) } { (shape(*state)) " " (state.as_str()) }
            " for " time datetime=(rfc3339(*since)) { (span(age(now, *since))) }
            @if *consecutive_failures > 0 {
                ", " (consecutive_failures) @if *consecutive_failures == 1 { " probe" } @else { " probes" } " failed in a row"
                @if *state == State::Healthy { ", Unhealthy after " (unhealthy_threshold) }
            }
        }
    }
}
