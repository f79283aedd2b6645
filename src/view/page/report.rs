//! `/`: the report, the worst rows first.

use maud::Markup;
use maud::html;

use crate::health::Row;
use crate::health::Snapshot;
use crate::health::State;
use crate::target::Target;
use crate::verdict::Code;
use crate::verdict::Evidence;
use crate::verdict::Finding;
use crate::verdict::ProbeResult;
use crate::verdict::Verdict;
use crate::verdict::Words;

use super::Place;
use super::endpoint;
use super::printable;
use super::row_address;
use super::shape;
use super::shell;
use super::shell::Shell;
use super::time;
use super::who;
use super::with_code;
use crate::view::ranking::Urgency;
use crate::view::ranking::worst_first;
use crate::view::remedy::Remedy;
use crate::view::time::Utc;
use crate::view::time::age;
use crate::view::time::span;
use crate::view::time::took;

/// A browser is not asked to lay out more rows than this; the worst ones are shown, and the page says so.
const MAX_ROWS: usize = 1_000;

/// Class and heading of each column.
const COLUMNS: [(&str, &str); 7] = [
    ("of-state", "State"),
    ("of-server", "Server"),
    ("of-pool", POOL),
    ("of-cause", WHY),
    ("of-remedy", WHO),
    ("of-failures", FAILURES),
    ("of-latest", LATEST),
];
const POOL: &str = "Pool and setting";
const WHY: &str = "Why";
const WHO: &str = "Who acts, and the first step";
const FAILURES: &str = "Failed in a row";
const LATEST: &str = "Latest probe";

/// The whole page.
#[must_use]
pub fn render(snapshot: &Snapshot, place: Place<'_>) -> String {
    let tally = Tally::of(&snapshot.rows);
    let body = html! {
        h1 { (tally.headline()) }
        ul.summary aria-label="Rows by state" {
            @for (state, count) in tally.worst_first() {
                li { (shape(state)) b { (count) } " " (state.as_str()) }
            }
        }
        (report(snapshot, place.root))
    };
    let footer = html! { p { "As of " (time(snapshot.at)) "." } };
    shell::page(Shell { place, title: &tally.title(), state: tally.worst() }, &body, &footer)
}

/// Rows by state.
struct Tally {
    healthy: usize,
    unhealthy: usize,
    unknown: usize,
}

impl Tally {
    fn of(rows: &[Row]) -> Self {
        let count = |state| rows.iter().filter(|row| row.state == state).count();
        Self { healthy: count(State::Healthy), unhealthy: count(State::Unhealthy), unknown: count(State::Unknown) }
    }

    fn worst_first(&self) -> [(State, usize); 3] {
        let Self { healthy, unhealthy, unknown } = *self;
        [(State::Unhealthy, unhealthy), (State::Unknown, unknown), (State::Healthy, healthy)]
    }

    fn worst(&self) -> Option<State> {
        self.worst_first().into_iter().find(|(_, count)| *count > 0).map(|(state, _)| state)
    }

    /// For a browser's tab: the worst first, zeros left out.
    fn title(&self) -> String {
        let parts: Vec<_> = self
            .worst_first()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(state, count)| format!("{count} {}", state.as_str()))
            .collect();
        if parts.is_empty() { "No rows".to_owned() } else { parts.join(", ") }
    }

    /// One sentence that says whether there is something to do.
    fn headline(&self) -> String {
        let Self { healthy, unhealthy, unknown } = *self;
        let total = healthy + unhealthy + unknown;
        let are = |count| if count == 1 { "is" } else { "are" };
        match (total, unhealthy, unknown) {
            (0, ..) => "There is nothing to probe: no pool has a server and a setting.".to_owned(),
            (1, 0, 0) => "The only row is Healthy.".to_owned(),
            (_, 0, 0) => format!("All {total} rows are Healthy."),
            (_, 0, _) => format!("{unknown} of {total} rows {} Unknown.", are(unknown)),
            (_, _, 0) => format!("{unhealthy} of {total} rows {} Unhealthy.", are(unhealthy)),
            (_, _, _) => {
                format!("{unhealthy} of {total} rows {} Unhealthy, {unknown} {} Unknown.", are(unhealthy), are(unknown))
            }
        }
    }
}

/// The table. The roles repeat what the elements mean, because browsers forget it when a narrow page shows the rows as
/// cards.
fn report(snapshot: &Snapshot, root: &str) -> Markup {
    let total = snapshot.rows.len();
    let groups = worst_first(&snapshot.rows).into_iter().scan(MAX_ROWS, |room, (urgency, mut rows)| {
        let members = rows.len();
        rows.truncate(*room);
        *room -= rows.len();
        (!rows.is_empty()).then_some((urgency, members, rows))
    });
    html! {
        @if total > 0 {
            table role="table" {
                caption {
                    "Each row is one server of a pool, probed under one backend setting; the worst stand first."
                    @if total > MAX_ROWS {
                        " Shown are the worst " (MAX_ROWS) " of " (total) " rows; the metrics have all of them."
                    }
                }
                thead role="rowgroup" {
                    tr role="row" {
                        @for (class, column) in COLUMNS {
                            th class=(class) role="columnheader" scope="col" { (column) }
                        }
                    }
                }
                @for (urgency, members, rows) in groups {
                    tbody role="rowgroup" {
                        tr.group role="row" {
                            th role="rowheader" colspan="7" scope="rowgroup" {
                                (urgency.title()) " " small { (members) }
                            }
                        }
                        @for row in rows { (line(row, urgency, snapshot, root)) }
                    }
                }
            }
        }
    }
}

fn line(row: &Row, urgency: Urgency, snapshot: &Snapshot, root: &str) -> Markup {
    let Row { target, state, since, consecutive_failures, .. } = row;
    let findings = findings(row);
    let act = findings.first();
    let quiet = (urgency == Urgency::Healthy).then_some("blank");
    html! {
        tr role="row" {
            td.state role="cell" {
                span class=(state.label()) { (shape(*state)) " " (state.as_str()) }
                small { "for " time datetime=(Utc::of(*since).rfc3339()) { (span(age(snapshot.at, *since))) } }
            }
            th role="rowheader" scope="row" {
                a href=(row_address(root, &target.pool, &target.setting, &target.server)) {
                    bdi { (endpoint(&target.server, target.port())) }
                }
                small { (target.protocol()) }
            }
            td.brief role="cell" data-label=(POOL) {
                div { bdi { (target.pool) } small { bdi { (target.setting) } } }
            }
            td class=[quiet] role="cell" data-label=(WHY) {
                @for Found { words, detail, .. } in &findings {
                    div.finding {
                        b { (words.title) }
                        @if !detail.is_empty() { span { bdi { (printable(detail)) } } }
                    }
                }
                @if let Some(excerpt) = excerpt(row) {
                    div { span.faint { "The body begins:" } code { bdi { (printable(excerpt)) } } }
                }
            }
            td class=[quiet] role="cell" data-label=(WHO) {
                @if let Some(Found { words, remedy, .. }) = act {
                    div.finding {
                        b { (who(words.side)) }
                        @if let Some(step) = remedy.first_step() { span { (with_code(&step)) } }
                    }
                }
            }
            td.brief role="cell" data-label=(FAILURES) {
                div.number { (consecutive_failures) " of " (target.unhealthy_threshold) }
            }
            td.brief role="cell" data-label=(LATEST) {
                @match row.last_probe.as_deref() {
                    Some(probe) => div { (latest(probe, target, snapshot)) },
                    None => div.faint { "not ended yet" },
                }
            }
        }
    }
}

/// Something to tell about a row.
struct Found<'a> {
    words: &'static Words,
    detail: &'a str,
    remedy: Remedy<'a>,
}

impl<'a> Found<'a> {
    fn of<C: Copy + Into<Code>>(finding: &'a Finding<C>, row: &'a Row) -> Self {
        let code: Code = finding.code.into();
        let address = row.last_probe.as_deref().and_then(|probe| probe.evidence.address);
        Self { words: code.words(), detail: &finding.detail, remedy: Remedy::of(finding, &row.target, address) }
    }
}

/// The row's cause, what kept the latest probe from a verdict, further faults, warnings.
fn findings(row: &Row) -> Vec<Found<'_>> {
    let cause = row.cause.as_deref();
    let last = row.last_probe.as_deref();
    let unheard = last.filter(|probe| probe.result() == ProbeResult::NoVerdict).and_then(|probe| probe.cause.as_ref());
    let unheard = unheard.filter(|finding| cause.is_none_or(|cause| cause.code != finding.code));
    let causes = cause.into_iter().chain(unheard).chain(last.into_iter().flat_map(|probe| &probe.also));
    let warnings = last.into_iter().flat_map(|probe| &probe.warnings);
    causes.map(|finding| Found::of(finding, row)).chain(warnings.map(|finding| Found::of(finding, row))).collect()
}

/// The beginning of a response that was not as expected.
fn excerpt(row: &Row) -> Option<&str> {
    let probe = row.last_probe.as_deref().filter(|probe| probe.result() == ProbeResult::Failure)?;
    probe.evidence.response.as_ref().map(|response| response.body_excerpt.trim()).filter(|excerpt| !excerpt.is_empty())
}

/// What came back, how long it took, when, and from which address when the server is a name.
fn latest(probe: &Verdict, target: &Target, snapshot: &Snapshot) -> Markup {
    let Evidence { at, duration, address, response, tls, .. } = &probe.evidence;
    let result = probe.result();
    html! {
        @match (response, tls, result) {
            (Some(response), ..) => span { (response.version) " " b { (response.status) } },
            (None, Some(tls), _) => span { (tls.version) " handshake" },
            (None, None, ProbeResult::Success) => span { "connected" },
            (None, None, ProbeResult::Failure) => span { "no response" },
            (None, None, ProbeResult::NoVerdict) => span { "no verdict" },
        }
        small { "took " (took(*duration)) ", " time datetime=(Utc::of(*at).rfc3339()) { (span(age(snapshot.at, *at))) } " ago" }
        @if let Some(address) = address && address.ip().to_string() != *target.server {
            small { (address) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_says_whether_there_is_something_to_do() {
        fn check(healthy: usize, unhealthy: usize, unknown: usize, headline: &str, title: &str) {
            let tally = Tally { healthy, unhealthy, unknown };
            assert_eq!(tally.headline(), headline);
            assert_eq!(tally.title(), title);
        }
        check(0, 0, 0, "There is nothing to probe: no pool has a server and a setting.", "No rows");
        check(1, 0, 0, "The only row is Healthy.", "1 Healthy");
        check(7, 0, 0, "All 7 rows are Healthy.", "7 Healthy");
        check(6, 1, 0, "1 of 7 rows is Unhealthy.", "1 Unhealthy, 6 Healthy");
        check(5, 0, 2, "2 of 7 rows are Unknown.", "2 Unknown, 5 Healthy");
        check(0, 2, 1, "2 of 3 rows are Unhealthy, 1 is Unknown.", "2 Unhealthy, 1 Unknown");
    }
}
