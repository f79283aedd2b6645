//! A row as a line of a table: its state, where it is, why, how its latest probe went and how those before it.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use super::{Place, brief_time, endpoint, first_step, row_address, shape, strip, who, with_code};
use crate::health::State;
use crate::verdict::ProbeResult;
use crate::view::report::{LastProbe, Problem, ReportRow};
use crate::words::{self, age, masked, span, took};

/// What is the same for all lines of a table.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) place: Place<'a>,
    /// Now.
    pub(super) at: SystemTime,
    pub(super) why: Why<'a>,
}

/// What stands in the column on why.
#[derive(Clone, Copy)]
pub(super) enum Why<'a> {
    /// All of it: nothing else on the page says it.
    All,
    /// Only what is not above the table already: cause and detail that all rows of a group have.
    Beyond(&'a Problem<'a>),
}

const COLUMNS: [(&str, &str); 7] = [
    ("of-state", "State"),
    ("of-server", "Server"),
    ("of-pool", POOL),
    ("of-why", WHY),
    ("of-failures", FAILURES),
    ("of-latest", LATEST),
    ("of-history", HISTORY),
];
const POOL: &str = "Pool and setting";
const WHY: &str = "Why";
const FAILURES: &str = "Failed probes";
const LATEST: &str = "Latest probe";
const HISTORY: &str = "Last probes";

/// The head of the table. The roles here and below repeat what the elements mean, because browsers forget it when a
/// narrow page shows the rows as cards.
pub(super) fn head() -> Markup {
    html! {
        thead role="rowgroup" {
            tr role="row" {
                @for (class, column) in COLUMNS {
                    th class=(class) role="columnheader" scope="col" { (column) }
                }
            }
        }
    }
}

impl Lines<'_> {
    pub(super) fn line(&self, row: &ReportRow<'_>) -> Markup {
        let ReportRow { id, pool, setting, server, port, protocol, state, since, .. } = row;
        let address = row_address(self.place.root, pool, setting, server);
        let why = self.why(row);
        html! {
            tr id={ "r-" (id) } role="row" {
                td.state role="cell" {
                    span class=(state.label()) { (shape(*state)) " " (state.as_str()) }
                    small { "for " (brief_time(*since, span(age(self.at, *since)))) }
                }
                th role="rowheader" scope="row" {
                    a href=(address) { bdi { (endpoint(server, *port)) } }
                    small {
                        (protocol)
                        @if *state != State::Healthy {
                            " · "
                            a.act href={ (address) "#troubleshoot" }
                                aria-label={ "Troubleshoot " (words::endpoint(server, *port)) " in " (pool) } { "Troubleshoot" }
                        }
                    }
                }
                td.brief role="cell" data-label=(POOL) {
                    div { bdi { (pool) } small { bdi { (setting) } } }
                }
                td.why.blank[why.is_none()] role="cell" data-label=(WHY) { @if let Some(why) = why { (why) } }
                td.brief role="cell" data-label=(FAILURES) {
                    div.number {
                        @if row.consecutive_failures == 0 { span.faint { "none" } }
                        @else {
                            (row.consecutive_failures) " in a row"
                            small { "threshold " (row.unhealthy_threshold) }
                        }
                    }
                }
                td.brief role="cell" data-label=(LATEST) {
                    @match &row.last_probe {
                        Some(probe) => div { (self.latest(probe, server)) },
                        None => div.faint { "not ended yet" },
                    }
                }
                td.brief role="cell" data-label=(HISTORY) { (strip::history(&row.history)) }
            }
        }
    }

    fn why(&self, row: &ReportRow<'_>) -> Option<Markup> {
        let mut problems = problems(row).into_iter();
        let act = problems.clone().next();
        let told = match self.why {
            Why::All => None,
            Why::Beyond(told) => problems.next().filter(|first| first.detail != told.detail),
        };
        let rest: Vec<&Problem<'_>> = problems.collect();
        let excerpt = excerpt(row);
        (told.is_some() || !rest.is_empty() || excerpt.is_some()).then(|| {
            html! {
                @if let Some(told) = told { div.finding { span { bdi { (masked(&told.detail)) } } } }
                @for problem in rest {
                    div.finding {
                        b { (problem.title) }
                        @if !problem.detail.is_empty() { span { bdi { (masked(&problem.detail)) } } }
                    }
                }
                @if let (Why::All, Some(problem)) = (self.why, act) {
                    div.finding {
                        span.faint { (who(problem.side)) ": " }
                        @if let Some(step) = first_step(problem) { (with_code(step)) }
                    }
                }
                @if let Some(excerpt) = excerpt {
                    div { span.faint { "The body begins: " } code { bdi { (masked(excerpt)) } } }
                }
            }
        })
    }

    /// What came back, how long it took and on what, when, and from which address when the server is a name.
    fn latest(&self, probe: &LastProbe<'_>, server: &str) -> Markup {
        let LastProbe { at, duration_seconds, address, result, phases, response, tls, .. } = probe;
        let version = tls.as_ref().and_then(|tls| tls.version.as_deref());
        html! {
            @match (response, version, result) {
                (Some(response), ..) => span { (response.version) " " b { (response.status) } },
                (None, Some(version), _) => span { (version) " handshake" },
                (None, None, ProbeResult::Success) => span { "connected" },
                (None, None, ProbeResult::Failure) => span { "no response" },
                (None, None, ProbeResult::NoVerdict) => span { "no verdict" },
            }
            (strip::phases(phases, *duration_seconds))
            small {
                "took " (took(Duration::from_secs_f64(*duration_seconds)))
                @if let Some(most) = strip::most(phases, *duration_seconds) { ", mostly " (most) }
                ", " (brief_time(*at, span(age(self.at, *at)))) " ago"
            }
            @if let Some(address) = address && address.ip().to_string() != server {
                small { (address) }
            }
        }
    }
}

/// The row's cause, what kept the latest probe from a verdict, further faults, warnings.
pub(super) fn problems<'r>(row: &'r ReportRow<'_>) -> Vec<&'r Problem<'r>> {
    let unheard = row.last_probe.as_ref().filter(|probe| probe.result == ProbeResult::NoVerdict);
    let unheard = unheard.and_then(|probe| probe.cause.as_ref());
    let cause = row.cause.as_ref();
    let unheard = unheard.filter(|problem| cause.is_none_or(|cause| cause.code != problem.code));
    cause.into_iter().chain(unheard).chain(&row.also).chain(&row.warnings).collect()
}

/// The beginning of a response that was not as expected.
fn excerpt<'r>(row: &'r ReportRow<'_>) -> Option<&'r str> {
    let probe = row.last_probe.as_ref().filter(|probe| probe.result == ProbeResult::Failure)?;
    probe.response.as_ref().map(|response| response.body_excerpt.trim()).filter(|excerpt| !excerpt.is_empty())
}
