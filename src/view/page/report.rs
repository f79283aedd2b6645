//! `/`: the report, the worst rows first, those with the same fault together. Only the part of it that is shown is put
//! into words, so that ten thousand rows are a page like any other.

use maud::{Markup, html};

use super::line::{Lines, Why};
use super::query::{Form, Query, QueryError};
use super::shell::{Kind, Shell};
use super::{Place, card, doubt, form, line, shell, summary, time};
use crate::health::{Row, Snapshot};
use crate::view::groups::{Group, by_fault};
use crate::view::ranking::{Urgency, worst_first};
use crate::view::report::{Filter, Links, ReportRow, Summary};
use crate::words::rfc3339;

/// The whole page, for the query of the address as sent; `skipped` are the probes that could not be started on their
/// beat since the exporter started.
///
/// # Errors
/// When the query asks for what cannot be: the page that says so.
pub fn render(snapshot: &Snapshot, place: Place<'_>, query: Option<&str>, skipped: u64) -> Result<String, String> {
    match Query::parse(query.unwrap_or_default()) {
        Ok(query) => Ok(page(snapshot, place, &query, skipped)),
        Err(error) => Err(refusal(snapshot, place, &error)),
    }
}

fn page(snapshot: &Snapshot, place: Place<'_>, query: &Query, skipped: u64) -> String {
    let Filter { pools, settings: _, servers: _, states, causes: _, words: _ } = &query.filter;
    // What a state and a pool would show if they were chosen instead is counted, too.
    let rest = Filter { pools: Vec::new(), states: Vec::new(), ..query.filter.clone() };
    let of_pool = Filter { pools: pools.clone(), ..Filter::default() };
    let of_state = Filter { states: states.clone(), ..Filter::default() };
    let matching: Vec<&Row> = snapshot.rows.iter().filter(|row| rest.matches(row)).collect();
    let of_any_state: Vec<&Row> = matching.iter().copied().filter(|row| of_pool.matches(row)).collect();
    let of_any_pool: Vec<&Row> = matching.iter().copied().filter(|row| of_state.matches(row)).collect();
    let shown: Vec<&Row> = of_any_state.iter().copied().filter(|row| of_state.matches(row)).collect();
    let tally = |rows: &[&Row]| Summary::of(rows.iter().map(|row| row.state));
    let (states, counted) = (tally(&of_any_state), tally(&shown));

    let body = html! {
        div id="summary" data-live data-generated-at=(rfc3339(snapshot.changed_at)) {
            h1 { (summary::headline(states, snapshot.rows.len())) }
            (doubt::banner(snapshot, skipped))
            (summary::tiles(states, query, place))
            (summary::remarks(&shown))
            (summary::pools(&of_any_pool, query, place))
        }
        (form::form(&snapshot.rows, query, place))
        div id="report" data-live { (Listing { snapshot, place, query }.of(&shown)) }
    };
    let title = summary::title(counted);
    shell::page(
        Shell { place, kind: Kind::Report, title: &title, state: summary::worst(counted) },
        &body,
        &footer(snapshot, skipped),
    )
}

fn refusal(snapshot: &Snapshot, place: Place<'_>, error: &QueryError) -> String {
    let all: Vec<&Row> = snapshot.rows.iter().collect();
    let summary = Summary::of(all.iter().map(|row| row.state));
    let query = Query::default();
    let body = html! {
        div id="summary" data-live {
            h1 { "The address asks for what there is not" }
            p.doubt role="alert" { (error) "." }
            (summary::tiles(summary, &query, place))
        }
        (form::form(&snapshot.rows, &query, place))
        div id="report" data-live { p { a href={ (place.root) "/" } { "Show all rows" } } }
    };
    shell::page(Shell { place, kind: Kind::Report, title: "No such rows", state: None }, &body, &footer(snapshot, 0))
}

fn footer(snapshot: &Snapshot, skipped: u64) -> Markup {
    html! {
        p id="as-of" data-live {
            "As of " (time(snapshot.at)) ". "
            @if skipped > 0 { (skipped) @if skipped == 1 { " probe" } @else { " probes" } " skipped since the exporter started." }
        }
    }
}

/// What is listed, and where.
#[derive(Clone, Copy)]
struct Listing<'a> {
    snapshot: &'a Snapshot,
    place: Place<'a>,
    query: &'a Query,
}

/// What stands by itself in the list.
#[derive(Clone, Copy)]
enum Item<'a> {
    Fault(&'a Group<'a>),
    Row(&'a Row),
}

impl<'a> Listing<'a> {
    fn of(self, shown: &[&Row]) -> Markup {
        let groups = by_fault(shown.iter().copied());
        if let Some(id) = &self.query.same {
            let group = groups.iter().find(|group| group.id == *id);
            return html! {
                p.note {
                    @match group {
                        Some(group) => { "Only the " (group.rows.len()) " rows with one fault. " }
                        None => { "No row has this fault any more. " }
                    }
                    a href=(Query { same: None, page: 0, ..self.query.clone() }.address(self.place.root)) { "Show all faults" }
                }
                @if let Some(group) = group {
                    (card::card(group, self.lines(), self.query, &self.links(), 0))
                    (self.list(&[(group.urgency, group.rows.iter().map(|row| Item::Row(row)).collect())]))
                }
            };
        }
        let by_urgency = worst_first(shown.iter().copied());
        let sections: Vec<(Urgency, Vec<Item<'_>>)> = by_urgency
            .iter()
            .map(|(urgency, rows)| match (self.query.form, urgency) {
                (Form::Faults, Urgency::Unhealthy | Urgency::Unknown | Urgency::Failing | Urgency::Warned) => {
                    (*urgency, groups.iter().filter(|group| group.urgency == *urgency).map(Item::Fault).collect())
                }
                (Form::Faults, Urgency::Healthy) | (Form::Rows, _) => {
                    (*urgency, rows.iter().map(|row| Item::Row(row)).collect())
                }
            })
            .collect();
        html! {
            @if !shown.is_empty() {
                p.note {
                    "The worst first. "
                    @let (form, words) = match self.query.form {
                        Form::Faults => (Form::Rows, "Show each row for itself"),
                        Form::Rows => (Form::Faults, "Show rows with the same fault together"),
                    };
                    a href=(self.query.in_form(form).address(self.place.root)) { (words) }
                }
            }
            (self.list(&sections))
        }
    }

    /// The items of the page that is asked for, or of the last one where there are no more so many.
    fn list(self, sections: &[(Urgency, Vec<Item<'_>>)]) -> Markup {
        let total: usize = sections.iter().map(|(_, items)| items.len()).sum();
        let pages = total.div_ceil(ITEMS).max(1);
        let page = self.query.page.min(pages - 1);
        let (mut skip, mut room) = (page * ITEMS, ITEMS);
        let mut visible: Vec<(Urgency, &[Item<'_>])> = Vec::new();
        for (urgency, items) in sections {
            let from = skip.min(items.len());
            let to = (from + room).min(items.len());
            skip -= from;
            room -= to - from;
            if from < to {
                visible.push((*urgency, &items[from..to]));
            }
        }
        let faults = visible.iter().flat_map(|(_, items)| *items).filter(|item| matches!(item, Item::Fault(_))).count();
        let rows_of_a_fault = (ROWS_OF_FAULTS / faults.max(1)).clamp(3, 20);
        html! {
            @for (urgency, items) in visible {
                @let heading = format!("h-{}", urgency as u8);
                section aria-labelledby=(heading) {
                    @let rows: usize = sections.iter().filter(|(of, _)| *of == urgency).flat_map(|(_, items)| items).map(Item::rows).sum();
                    h2 id=(heading) { (urgency.title()) " " small { (rows) @if rows == 1 { " row" } @else { " rows" } } }
                    @for item in items {
                        @if let Item::Fault(group) = item {
                            (card::card(group, self.lines(), self.query, &self.links(), rows_of_a_fault))
                        }
                    }
                    @let rows: Vec<&Row> = items.iter().filter_map(|item| item.row()).collect();
                    @if !rows.is_empty() { (self.table(urgency, &rows)) }
                }
            }
            @if pages > 1 { (self.pages(page, pages)) }
        }
    }

    fn table(self, urgency: Urgency, rows: &[&Row]) -> Markup {
        let (lines, base) = (self.lines(), self.links());
        html! {
            table.list.flat role="table" {
                caption.hidden { (urgency.title()) ": each row is one server of a pool under one backend setting" }
                (line::head())
                tbody role="rowgroup" { @for row in rows { (lines.line(&ReportRow::of(row, &base))) } }
            }
        }
    }

    fn pages(self, page: usize, pages: usize) -> Markup {
        let link = |target: usize| self.query.on_page(target).address(self.place.root);
        html! {
            nav.pages aria-label="Pages" {
                @if page > 0 { a rel="prev" href=(link(page - 1)) { "Previous page" } }
                span { "Page " (page + 1) " of " (pages) }
                @if page + 1 < pages { a rel="next" href=(link(page + 1)) { "Next page" } }
                @if page + 2 < pages { a href=(link(pages - 1)) { "Last page" } }
            }
        }
    }

    fn lines(self) -> Lines<'a> {
        Lines { place: self.place, at: self.snapshot.at, why: Why::All }
    }

    fn links(self) -> Links {
        Links { base: self.place.root.to_owned() }
    }
}

impl Item<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Fault(group) => group.rows.len(),
            Self::Row(_) => 1,
        }
    }

    fn row(&self) -> Option<&Row> {
        match self {
            Self::Fault(_) => None,
            Self::Row(row) => Some(row),
        }
    }
}

/// Faults and rows on one page.
const ITEMS: usize = 100;

/// Rows that all the faults of a page show together, but for a few of each.
const ROWS_OF_FAULTS: usize = 200;
