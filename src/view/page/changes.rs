//! `/changes`: what changed in the last seven days, the latest first, by day and hour, filtered as the report is.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use super::query::{finished, page_number, pairs};
use super::shell::{Kind, Shell};
use super::{Answer, Place, doubt, endpoint, plot, row_address, shape, shell, time};
use crate::health::{Snapshot, State, Timeline, Transition};
use crate::view::report::Filter;
use crate::words::{age, day, from_rfc3339, one_line, rfc3339};

/// The page for a request's query as sent: a filter as the report's, `until` for what happened before an instant, and
/// `page`. `changes` are those of the table, the latest first.
#[must_use]
pub fn answer(
    snapshot: &Snapshot,
    changes: &mut dyn Iterator<Item = Transition>,
    query: Option<&str>,
    place: Place<'_>,
) -> Answer {
    let framed = |status, title: &str, body: &Markup| Answer {
        status,
        page: shell::page(Shell { place, kind: Kind::Changes, title, state: None }, body, &shell::as_of(snapshot.at)),
    };
    match Asked::parse(query.unwrap_or_default()) {
        Ok(asked) => {
            let gathered = Gathered::of(changes, &asked, snapshot.at);
            framed(200, &headline(&gathered), &body(&gathered, &asked, snapshot, place))
        }
        Err(why) => {
            let body = html! {
                (shell::refusal(&why))
                p { a href={ (place.root) "/changes" } { "Show all changes" } }
            };
            framed(400, "No such changes", &body)
        }
    }
}

/// What the address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    filter: Filter,
    until: Option<SystemTime>,
    /// From 0.
    page: usize,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self { filter: Filter::parse(query).map_err(|error| error.to_string())?, ..Self::default() };
        for (key, value) in pairs(query) {
            let value = value.trim();
            match &*key {
                "until" => {
                    let until = from_rfc3339(value);
                    let wrong = || format!("until {value:?} is no time as 2026-11-22T03:12:05Z is one");
                    asked.until = Some(until.ok_or_else(wrong)?);
                }
                "page" => asked.page = page_number(value).map_err(|error| error.to_string())?,
                _ => {}
            }
        }
        Ok(asked)
    }

    fn address(&self, root: &str) -> String {
        let Self { filter, until, page } = self;
        let mut query = form_urlencoded::Serializer::new(filter.to_query());
        if let Some(until) = until {
            query.append_pair("until", &rfc3339(*until).to_string());
        }
        finished(query, *page, &format!("{root}/changes"))
    }

    /// What happened in an hour and before it.
    fn before_the_end_of(&self, hour: SystemTime, root: &str) -> String {
        Self { until: Some(hour + HOUR), page: 0, ..self.clone() }.address(root)
    }
}

/// The changes that are asked for, counted, and those of the page.
struct Gathered {
    /// By hour, the first of them where the day began that lies seven days back; each by [`State::ALL`].
    hours: Vec<[usize; 3]>,
    begin: SystemTime,
    in_all: usize,
    in_last_hour: usize,
    /// Up to the instant that is asked for.
    listed: usize,
    page: usize,
    shown: Vec<Transition>,
}

impl Gathered {
    fn of(changes: &mut dyn Iterator<Item = Transition>, asked: &Asked, now: SystemTime) -> Self {
        let begin = whole(now.checked_sub(Timeline::REACH).unwrap_or(SystemTime::UNIX_EPOCH), DAY);
        let mut gathered = Self {
            hours: vec![[0; 3]; plot::DAYS * 24],
            begin,
            in_all: 0,
            in_last_hour: 0,
            listed: 0,
            page: asked.page,
            shown: Vec::new(),
        };
        let mut listed = Vec::new();
        for change in changes.filter(|change| asked.filter.matches_transition(change)) {
            let Ok(since) = change.at.duration_since(begin) else { continue };
            let hour = usize::try_from(since.as_secs() / HOUR.as_secs()).unwrap_or(usize::MAX);
            if let Some(hour) = gathered.hours.get_mut(hour) {
                hour[change.to as usize] += 1;
            }
            gathered.in_all += 1;
            gathered.in_last_hour += usize::from(age(now, change.at) < HOUR);
            if asked.until.is_none_or(|until| change.at < until) {
                gathered.listed += 1;
                // More than can be asked for are counted, not kept.
                if listed.len() < (asked.page + 1).saturating_mul(CHANGES) {
                    listed.push(change);
                }
            }
        }
        gathered.page = asked.page.min(gathered.pages() - 1);
        gathered.shown = listed.into_iter().skip(gathered.page * CHANGES).take(CHANGES).collect();
        gathered
    }

    fn pages(&self) -> usize {
        self.listed.div_ceil(CHANGES).max(1)
    }

    /// Each hour with its changes.
    fn hours(&self) -> impl Iterator<Item = (SystemTime, [usize; 3])> {
        self.hours.iter().zip(0..).map(|(counts, number)| (self.begin + HOUR * number, *counts))
    }
}

fn headline(gathered: &Gathered) -> String {
    let Gathered { in_all, in_last_hour, .. } = gathered;
    match in_all {
        0 => "No change of state in the last 7 days".to_owned(),
        1 => format!("1 change of state in the last 7 days, {in_last_hour} in the last hour"),
        _ => format!("{in_all} changes of state in the last 7 days, {in_last_hour} in the last hour"),
    }
}

fn body(gathered: &Gathered, asked: &Asked, snapshot: &Snapshot, place: Place<'_>) -> Markup {
    let all = Asked::default();
    html! {
        (doubt::configuration(snapshot))
        div id="summary" data-live data-generated-at=(rfc3339(snapshot.changed_at)) {
            h1 { (headline(gathered)) "." }
            p.note { "Since the exporter started; at most 7 days and 100,000 changes. Times are UTC." }
            (plot::hours(&gathered.hours().collect::<Vec<_>>(), |hour| asked.before_the_end_of(hour, place.root)))
            details id="hours" {
                summary { "The hours as a table" }
                (table_of_hours(gathered, asked, place))
            }
        }
        form.filter id="filter" method="get" action={ (place.root) "/changes" } role="search" aria-label="Filter" {
            div.search {
                label for="q" { "Search" }
                input type="search" id="q" name="q" value=(asked.filter.words.join(" ")) autocomplete="off" spellcheck="false"
                    placeholder="server, pool, cause …";
                label.hidden for="state" { "Became" }
                select id="state" name="state" {
                    option value="" { "to any state" }
                    @for state in [State::Unhealthy, State::Unknown, State::Healthy] {
                        option value=(state.as_str()) selected[asked.filter.states == [state]] { "to " (state.as_str()) }
                    }
                }
                label.hidden for="side" { "Who acts" }
                select id="side" name="side" {
                    option value="" { "whoever acts" }
                    @for side in Filter::SIDES {
                        option value=(side.as_str()) selected[asked.filter.sides == [side]] { (super::who(side)) }
                    }
                }
                @for pool in &asked.filter.pools { input type="hidden" name="pool" value=(pool); }
                @for setting in &asked.filter.settings { input type="hidden" name="setting" value=(setting); }
                @for server in &asked.filter.servers { input type="hidden" name="server" value=(server); }
                @for cause in &asked.filter.causes { input type="hidden" name="cause" value=(cause.code()); }
                button type="submit" { "Show" }
            }
            @if *asked != all { a.reset href=(all.address(place.root)) { "Show all changes" } }
        }
        div id="list" data-live {
            @if let Some(until) = asked.until {
                p.note {
                    "Before " (time(until)) ". "
                    a href=(Asked { until: None, page: 0, ..asked.clone() }.address(place.root)) { "Show the latest" }
                }
            }
            (list(gathered, snapshot, place))
            @if gathered.pages() > 1 {
                (shell::pages(gathered.page, gathered.pages(), |page| Asked { page, ..asked.clone() }.address(place.root)))
            }
        }
    }
}

fn table_of_hours(gathered: &Gathered, asked: &Asked, place: Place<'_>) -> Markup {
    let some: Vec<_> = gathered.hours().filter(|(_, counts)| counts.iter().any(|count| *count > 0)).collect();
    html! {
        table.hours {
            caption.hidden { "Changes by hour, the latest first" }
            thead { tr { @for column in ["Hour", "Unhealthy", "Unknown", "Healthy"] { th scope="col" { (column) } } } }
            tbody {
                @for (hour, [healthy, unhealthy, unknown]) in some.into_iter().rev() {
                    tr {
                        th scope="row" { a href=(asked.before_the_end_of(hour, place.root)) { (day(hour)) ", " (plot::hour_of(hour)) } }
                        @for count in [unhealthy, unknown, healthy] { td.number { (count) } }
                    }
                }
            }
        }
    }
}

fn list(gathered: &Gathered, snapshot: &Snapshot, place: Place<'_>) -> Markup {
    let by_hour = gathered.shown.chunk_by(|a, b| whole(a.at, HOUR) == whole(b.at, HOUR));
    let mut last_day = None;
    let hours: Vec<_> = by_hour
        .map(|changes| {
            let hour = whole(changes[0].at, HOUR);
            (last_day.replace(whole(hour, DAY)) != Some(whole(hour, DAY)), hour, changes)
        })
        .collect();
    html! {
        @for (begins_a_day, hour, changes) in hours {
            @if begins_a_day { h2 { (day(hour)) } }
            section.hour aria-label={ (day(hour)) ", " (plot::hour_of(hour)) } {
                h3 { (plot::hour_of(hour)) " " small { (changes.len()) @if changes.len() == 1 { " change" } @else { " changes" } } }
                table.changes role="table" {
                    caption.hidden { "Changes, the latest first" }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for (class, column) in COLUMNS { th class=(class) role="columnheader" scope="col" { (column) } }
                        }
                    }
                    tbody role="rowgroup" { @for change in changes { (line(change, snapshot, place)) } }
                }
            }
        }
    }
}

fn line(change: &Transition, snapshot: &Snapshot, place: Place<'_>) -> Markup {
    let Transition { number, target, from, to, cause, at } = change;
    let clock = rfc3339(*at).to_string();
    let of_row = row_address(place.root, &target.pool, &target.setting, &target.server);
    html! {
        tr id={ "e-" (number) } role="row" {
            td.number role="cell" { time datetime=(clock) title={ (crate::words::span(age(snapshot.at, *at))) " ago" } { (&clock[11..19]) } }
            td.state role="cell" {
                span class=(to.label()) { (shape(*to)) " " (to.as_str()) } " " small { "was " (from.as_str()) }
            }
            th role="rowheader" scope="row" { a href=(of_row) { bdi { (endpoint(&one_line(&target.server), target.port())) } } }
            td role="cell" { bdi { (one_line(&target.pool)) } " " small { bdi { (one_line(&target.setting)) } } }
            td role="cell" {
                @if let Some(cause) = cause {
                    a href={ (place.root) "/?cause=" (cause.code.code()) } { (cause.words().title) }
                    " " small { (super::who(cause.side())) }
                }
            }
        }
    }
}

const COLUMNS: [(&str, &str); 5] = [
    ("of-clock", "Time"),
    ("of-state", "State"),
    ("of-server", "Server"),
    ("of-pool", "Pool and setting"),
    ("", "Why"),
];

fn whole(at: SystemTime, unit: Duration) -> SystemTime {
    let seconds = age(at, SystemTime::UNIX_EPOCH).as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds - seconds % unit.as_secs())
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Changes of one part.
const CHANGES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written_and_wrong_values_are_named() {
        fn check(query: &str, written: Result<&str, &str>) {
            let found = Asked::parse(query).map(|asked| asked.address("."));
            assert_eq!(found, written.map(str::to_owned).map_err(str::to_owned), "{query}");
        }
        check("", Ok("./changes"));
        check("pool=a&state=unhealthy&page=2", Ok("./changes?pool=a&state=Unhealthy&page=2"));
        check("until=2026-11-22T03:00:00Z", Ok("./changes?until=2026-11-22T03%3A00%3A00Z"));
        check("until=noon", Err("until \"noon\" is no time as 2026-11-22T03:12:05Z is one"));
        check("side=x", Err("side \"x\" is none of network, gateway, server, exporter"));
        check("page=0", Err("page \"0\" is no number from 1 on"));
    }
}
