//! `/`: the report, the worst rows first, those with the same fault together. Only the part of it that is shown is put
//! into words, so that ten thousand rows are a page like any other.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::line::{Lines, Why};
use super::query::{Form, Query, QueryError, Sort};
use super::shell::{Kind, Shell};
use super::{Place, card, doubt, form, line, shell, silent, strip, summary, time};
use crate::health::{Row, Snapshot};
use crate::view::groups::{Down, Group, by_fault};
use crate::view::ranking::{Urgency, worst_first};
use crate::view::report::{Filter, Links, ReportRow, Summary};
use crate::view::standing::{servers, standings, standings_among};
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
    let Filter { pools, states, .. } = &query.filter;
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
    let (servers, all) = (servers(of_any_state.iter().copied()), servers(&snapshot.rows).total());
    let of_all = standings(&snapshot.rows);
    let down = standings_among(of_any_state.iter().copied(), &of_all);
    let pools = standings_among(of_any_pool.iter().copied(), &of_all);

    let body = html! {
        (doubt::configuration(snapshot))
        div id="summary" data-live data-generated-at=(rfc3339(snapshot.changed_at)) {
            h1 { (summary::headline(&down, of_all.len(), servers, all)) }
            (doubt::banner(snapshot, skipped))
            (silent::banner(snapshot))
            (summary::tiles(states, query, place))
            (summary::remarks(&shown, servers.total(), query, place))
        }
        div.pool-tiles id="pool-tiles" data-live { (summary::pools(&pools, query, place)) }
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
            (shell::refusal(error))
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
        let down = Down::of(&self.snapshot.rows);
        let groups = by_fault(shown.iter().copied(), &down);
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
                    (self.list(&[Section::of(group.urgency, group.rows.iter().map(|row| Item::Row(row)).collect())]))
                }
            };
        }
        let sections: Vec<Section<'_>> = match self.query.sort {
            Some(sort) => vec![Section { id: "all".to_owned(), title: "Rows", items: sorted(shown, sort) }],
            None => worst_first(shown.iter().copied())
                .iter()
                .map(|(urgency, rows)| match (self.query.form, urgency) {
                    (Form::Faults, Urgency::Unhealthy | Urgency::Unknown | Urgency::Failing | Urgency::Warned) => {
                        let of_urgency = groups.iter().filter(|group| group.urgency == *urgency);
                        Section::of(*urgency, of_urgency.map(Item::Fault).collect())
                    }
                    (Form::Faults, Urgency::Healthy) | (Form::Rows, _) => {
                        // Those of a pool that serves nobody before the others.
                        let (first, then): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| down.has(row));
                        Section::of(*urgency, first.into_iter().chain(then).map(Item::Row).collect())
                    }
                })
                .collect(),
        };
        html! {
            @if !shown.is_empty() { (self.ways()) }
            (self.list(&sections))
            @if !shown.is_empty() { (strip::legend()) }
        }
    }

    /// The ways to show the rows; the one that is taken is no link.
    fn ways(self) -> Markup {
        let of_form =
            |form, words| (self.query.sort.is_none() && self.query.form == form, self.query.in_form(form), words);
        let forms = [of_form(Form::Faults, "same fault together"), of_form(Form::Rows, "each row for itself")];
        let sorts = Sort::ALL.map(|sort| (self.query.sort == Some(sort), self.query.sorted(sort), sort.title()));
        html! {
            ul.ways aria-label="Order of the rows" {
                @for (is_here, query, words) in forms.iter().chain(&sorts) {
                    li { a href=(query.address(self.place.root)) aria-current=[is_here.then_some("true")] { (words) } }
                }
            }
        }
    }

    /// The items of the page that is asked for, or of the last one where there are no more so many.
    fn list(self, sections: &[Section<'_>]) -> Markup {
        let total: usize = sections.iter().map(|section| section.items.len()).sum();
        let pages = total.div_ceil(ITEMS).max(1);
        let page = self.query.page.min(pages - 1);
        let (mut skip, mut room) = (page * ITEMS, ITEMS);
        let mut visible: Vec<(&Section<'_>, &[Item<'_>])> = Vec::new();
        for section in sections {
            let items = &section.items;
            let from = skip.min(items.len());
            let to = (from + room).min(items.len());
            skip -= from;
            room -= to - from;
            if from < to {
                visible.push((section, &items[from..to]));
            }
        }
        let faults = visible.iter().flat_map(|(_, items)| *items).filter(|item| matches!(item, Item::Fault(_))).count();
        let rows_of_a_fault = (ROWS_OF_FAULTS / faults.max(1)).clamp(3, 20);
        html! {
            @for (Section { id, title, items: all }, items) in visible {
                @let heading = format!("h-{id}");
                section aria-labelledby=(heading) {
                    @let rows: usize = all.iter().map(Item::rows).sum();
                    h2 id=(heading) { (title) " " small { (rows) @if rows == 1 { " row" } @else { " rows" } } }
                    @for item in items {
                        @if let Item::Fault(group) = item {
                            (card::card(group, self.lines(), self.query, &self.links(), rows_of_a_fault))
                        }
                    }
                    @let rows: Vec<&Row> = items.iter().filter_map(|item| item.row()).collect();
                    @if !rows.is_empty() { (self.table(title, &rows)) }
                }
            }
            @if pages > 1 { (shell::pages(page, pages, |target| self.query.on_page(target).address(self.place.root))) }
        }
    }

    fn table(self, title: &str, rows: &[&Row]) -> Markup {
        let (lines, base) = (self.lines(), self.links());
        html! {
            table.list.flat role="table" {
                caption.hidden { (title) ": each row is one server of a pool under one backend setting" }
                (line::head())
                tbody role="rowgroup" { @for row in rows { (lines.line(&ReportRow::of(row, &base))) } }
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

/// Rows of one urgency, or all of them in another order.
struct Section<'a> {
    /// The same from one snapshot to the next.
    id: String,
    title: &'static str,
    items: Vec<Item<'a>>,
}

impl<'a> Section<'a> {
    fn of(urgency: Urgency, items: Vec<Item<'a>>) -> Self {
        Self { id: (urgency as u8).to_string(), title: urgency.title(), items }
    }
}

/// Rows that have none of what they are sorted by stand last.
fn sorted<'a>(rows: &[&'a Row], sort: Sort) -> Vec<Item<'a>> {
    let mut rows = rows.to_vec();
    match sort {
        Sort::Server => rows.sort_by_cached_key(|row| (row.target.server.to_lowercase(), row.target.port())),
        Sort::Since => rows.sort_by_key(|row| Reverse(row.since)),
        Sort::Duration => rows.sort_by_key(|row| Reverse(row.last_probe.as_ref().map(|probe| probe.evidence.duration))),
    }
    rows.into_iter().map(Item::Row).collect()
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
