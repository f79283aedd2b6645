//! `/certificates`: what ends next. Every certificate on a path that was accepted, once, with all rows that present it.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use super::query::{finished, page_number, pairs};
use super::shell::{Kind, Shell};
use super::{Answer, Place, doubt, endpoint, plot, row_address, shell};
use crate::health::{Row, Snapshot, State};
use crate::verdict::PresentedCertificate;
use crate::view::certificates::{Left, Shown, shown};
use crate::words::{age, day, one_line, rfc3339, rough, short_day};

/// The page for a request's query as sent: `q` for words of names, `path=refused` for the certificates of paths that were
/// not accepted, `page`.
#[must_use]
pub fn answer(snapshot: &Snapshot, query: Option<&str>, place: Place<'_>) -> Answer {
    let framed = |status, title: &str, state, body: &Markup| Answer {
        status,
        page: shell::page(Shell { place, kind: Kind::Certificates, title, state }, body, &shell::as_of(snapshot.at)),
    };
    match Asked::parse(query.unwrap_or_default()) {
        Ok(asked) => {
            let mut all = shown(&snapshot.rows, !asked.refused);
            all.retain(|shown| asked.takes(shown));
            let state = all
                .iter()
                .any(|shown| Left::of(shown.certificate, snapshot.at) != Left::Enough)
                .then_some(State::Unknown);
            framed(200, &headline(&all, &asked, snapshot.at), state, &body(&all, &asked, snapshot, place))
        }
        Err(why) => {
            let body = html! {
                (shell::refusal(&why))
                p { a href={ (place.root) "/certificates" } { "Show all certificates" } }
            };
            framed(400, "No such certificates", None, &body)
        }
    }
}

/// What the address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    words: Vec<String>,
    refused: bool,
    /// From 0.
    page: usize,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for (key, value) in pairs(query) {
            match (&*key, value.trim()) {
                ("q", words) => asked.words.extend(words.split_whitespace().map(str::to_lowercase)),
                ("path", "accepted") => asked.refused = false,
                ("path", "refused") => asked.refused = true,
                ("path", path) => return Err(format!("path {path:?} is neither accepted nor refused")),
                ("page", page) => asked.page = page_number(page).map_err(|error| error.to_string())?,
                _ => {}
            }
        }
        Ok(asked)
    }

    fn address(&self, root: &str) -> String {
        let Self { words, refused, page } = self;
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !words.is_empty() {
            query.append_pair("q", &words.join(" "));
        }
        if *refused {
            query.append_pair("path", "refused");
        }
        finished(query, *page, &format!("{root}/certificates"))
    }

    /// Whether all words stand somewhere in its names, or in those of one row.
    fn takes(&self, shown: &Shown<'_>) -> bool {
        let PresentedCertificate { subject, issuer, serial, fingerprint_sha256, dns_names, .. } = shown.certificate;
        let own = format!("{subject} {issuer} {serial} {fingerprint_sha256} {}", dns_names.join(" ")).to_lowercase();
        let of_row =
            |row: &&Row| format!("{} {} {}", row.target.pool, row.target.setting, row.target.server).to_lowercase();
        let all_in = |text: &str| self.words.iter().all(|word| text.contains(word.as_str()));
        self.words.is_empty() || all_in(&own) || shown.rows.iter().any(|row| all_in(&format!("{own} {}", of_row(row))))
    }
}

fn headline(all: &[Shown<'_>], asked: &Asked, now: SystemTime) -> String {
    let count = |left: Left| all.iter().filter(|shown| Left::of(shown.certificate, now) == left).count();
    let (ended, soon) = (count(Left::Ended), count(Left::Little) + count(Left::Some));
    let kind = if asked.refused { "on refused paths" } else { "in use" };
    let certificates = if all.len() == 1 { "certificate" } else { "certificates" };
    let further = [(ended, "ended"), (soon, "to be renewed now")].into_iter().filter(|(count, _)| *count > 0);
    let further = further.map(|(count, words)| format!("{count} {words}"));
    let parts: Vec<String> = std::iter::once(format!("{} {certificates} {kind}", all.len())).chain(further).collect();
    parts.join(", ")
}

fn body(all: &[Shown<'_>], asked: &Asked, snapshot: &Snapshot, place: Place<'_>) -> Markup {
    let pages = all.len().div_ceil(CERTIFICATES).max(1);
    let page = asked.page.min(pages - 1);
    let other = Asked { refused: !asked.refused, page: 0, ..asked.clone() };
    html! {
        (doubt::configuration(snapshot))
        div id="summary" data-live data-generated-at=(rfc3339(snapshot.changed_at)) {
            h1 { (headline(all, asked, snapshot.at)) "." }
            p.note {
                @if asked.refused { "Each on the path of a chain that was refused, as sent in the last 24 hours. " }
                @else { "Each on a path that was accepted, the next to end first, as sent in the last 24 hours. " }
                a href=(other.address(place.root)) {
                    @if asked.refused { "Show those of accepted chains" } @else { "Show those of refused chains" }
                }
            }
            @if !all.is_empty() { (by_week(all, snapshot.at)) }
        }
        form.filter id="filter" method="get" action={ (place.root) "/certificates" } role="search" aria-label="Filter" {
            div.search {
                label for="q" { "Search" }
                input type="search" id="q" name="q" value=(asked.words.join(" ")) autocomplete="off" spellcheck="false"
                    placeholder="name, issuer, serial, pool …";
                @if asked.refused { input type="hidden" name="path" value="refused"; }
                button type="submit" { "Show" }
            }
        }
        div id="list" data-live {
            @if !all.is_empty() {
                table.certificate-list role="table" {
                    caption.hidden { "Certificates, the next to end first" }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for (class, column) in COLUMNS { th class=(class) role="columnheader" scope="col" { (column) } }
                        }
                    }
                    tbody role="rowgroup" {
                        @for shown in all.iter().skip(page * CERTIFICATES).take(CERTIFICATES) { (line(shown, snapshot.at, place)) }
                    }
                }
            }
            @if pages > 1 {
                (shell::pages(page, pages, |page| Asked { page, ..asked.clone() }.address(place.root)))
            }
        }
    }
}

/// How many end in each week of the next year.
fn by_week(all: &[Shown<'_>], now: SystemTime) -> Markup {
    let mut weeks: Vec<(usize, &'static str)> = vec![(0, "fine"); WEEKS];
    for shown in all.iter().filter(|shown| shown.certificate.not_after > now) {
        let week =
            usize::try_from(age(shown.certificate.not_after, now).as_secs() / WEEK.as_secs()).unwrap_or(usize::MAX);
        if let Some((count, worst)) = weeks.get_mut(week) {
            *count += 1;
            let class = class(Left::of(shown.certificate, now));
            if class != "fine" && *worst != "faulty" {
                *worst = class;
            }
        }
    }
    let bars: Vec<_> = (0..)
        .zip(weeks)
        .map(|(number, (count, class))| {
            let from = now + WEEK * number;
            let ends = if count == 1 { "1 ends".to_owned() } else { format!("{count} end") };
            (count, class, format!("{ends} in the week from {}", day(from)))
        })
        .collect();
    let axis: Vec<String> = [0, 13, 26, 39].map(|week| short_day(now + WEEK * week)).into();
    plot::bars("Certificates by the week in which they end; the table has the dates", &bars, &axis)
}

fn line(shown: &Shown<'_>, now: SystemTime, place: Place<'_>) -> Markup {
    let Shown { certificate, rows } = shown;
    let PresentedCertificate { role, subject, issuer, not_before, not_after, fingerprint_sha256, .. } = certificate;
    let lifetime = age(*not_after, *not_before).as_secs_f64().max(1.0);
    let used = (age(now, *not_before).as_secs_f64() / lifetime * 100.0).min(100.0);
    let class = class(Left::of(shown.certificate, now));
    let id = fingerprint_sha256.get(..16).unwrap_or(fingerprint_sha256);
    html! {
        tr id={ "c-" (id) } role="row" {
            td.of-end role="cell" {
                b class=(class) {
                    @if *not_after <= now { "ended " (rough(age(now, *not_after))) " ago" } @else { "in " (rough(age(*not_after, now))) }
                }
                small { time datetime=(rfc3339(*not_after)) { (day(*not_after)) } }
                svg.lifetime viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={ (format!("{used:.0}")) " % of its lifetime used" } {
                    title { (format!("{used:.0}")) " % of its lifetime used" }
                    rect.whole width="100" height="6" {}
                    rect class=(class) width=(format!("{used:.1}")) height="6" {}
                }
            }
            th role="rowheader" scope="row" {
                bdi { @if subject.is_empty() { "(without a subject)" } @else { (one_line(subject)) } }
                small { (role.as_str()) ", issued by " bdi { (one_line(issuer)) } }
            }
            td role="cell" {
                ul.presenters { @for row in rows.iter().take(NAMED) { li { (presenter(row, place)) } } }
                @if rows.len() > NAMED {
                    details id={ "p-" (id) } {
                        summary { (rows.len() - NAMED) " more" }
                        ul.presenters { @for row in rows.iter().skip(NAMED).take(LISTED) { li { (presenter(row, place)) } } }
                        @if rows.len() > NAMED + LISTED { p.note { "and " (rows.len() - NAMED - LISTED) " more" } }
                    }
                }
            }
        }
    }
}

fn presenter(row: &Row, place: Place<'_>) -> Markup {
    let target = &row.target;
    html! {
        a href=(row_address(place.root, &target.pool, &target.setting, &target.server)) {
            bdi { (endpoint(&one_line(&target.server), target.port())) }
        }
        " " small { "in " bdi { (one_line(&target.pool)) } }
    }
}

/// The colour of how much is left.
fn class(left: Left) -> &'static str {
    match left {
        Left::Ended | Left::Little => "faulty",
        Left::Some => "warned",
        Left::Enough => "fine",
    }
}

const COLUMNS: [(&str, &str); 3] = [("of-end", "Ends"), ("", "Certificate"), ("", "Presented by")];

/// Certificates of one part.
const CERTIFICATES: usize = 100;

/// Rows that are named at once, and those that are listed behind them.
const NAMED: usize = 3;
const LISTED: usize = 100;

const WEEKS: usize = 52;
const WEEK: Duration = Duration::from_hours(7 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written_and_wrong_values_are_named() {
        fn check(query: &str, written: Result<&str, &str>) {
            let found = Asked::parse(query).map(|asked| asked.address("."));
            assert_eq!(found, written.map(str::to_owned).map_err(str::to_owned), "{query}");
        }
        check("", Ok("./certificates"));
        check("q=Corp++ca&path=refused&page=2", Ok("./certificates?q=corp+ca&path=refused&page=2"));
        check("path=accepted&page=1", Ok("./certificates"));
        check("path=bad", Err("path \"bad\" is neither accepted nor refused"));
        check("page=x", Err("page \"x\" is no number from 1 on"));
    }
}
