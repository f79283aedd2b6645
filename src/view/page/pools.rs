//! `/pools`: every pool with the states of its rows, those that serve nobody first; searched, sorted and in parts, so that
//! hundreds of pools are read like a dozen.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::query::{Query, finished, page_number, pairs};
use super::shell::{Kind, Shell};
use super::{Answer, Place, brief_time, doubt, shell, summary};
use crate::health::Snapshot;
use crate::view::report::{Filter, Summary};
use crate::view::standing::{Standing, servers, standings};
use crate::words::{age, one_line, rfc3339, span};

/// The page for a request's query as sent: `q` for words of the pool's name, `sort`, `page`.
#[must_use]
pub fn answer(snapshot: &Snapshot, query: Option<&str>, place: Place<'_>) -> Answer {
    let all = standings(&snapshot.rows);
    let framed = |status, title: &str, body: &Markup| {
        let state = summary::worst(Summary::of(snapshot.rows.iter().map(|row| row.state)));
        Answer {
            status,
            page: shell::page(Shell { place, kind: Kind::Pools, title, state }, body, &shell::as_of(snapshot.at)),
        }
    };
    match Asked::parse(query.unwrap_or_default()) {
        Ok(asked) => {
            let title = summary::down(&all, all.len()).unwrap_or_else(|| format!("{} pools", all.len()));
            framed(200, title.trim_end_matches('.'), &body(&all, &asked, snapshot, place))
        }
        Err(why) => {
            let body = html! {
                (shell::refusal(&why))
                p { a href={ (place.root) "/pools" } { "Show all pools" } }
            };
            framed(400, "No such pools", &body)
        }
    }
}

/// What the address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    words: Vec<String>,
    sort: Sort,
    /// From 0.
    page: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Worst,
    Name,
    Servers,
    Unhealthy,
    Changed,
}

impl Sort {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Worst, "worst", "the worst first"),
        (Self::Name, "name", "by name"),
        (Self::Servers, "servers", "most servers first"),
        (Self::Unhealthy, "unhealthy", "most Unhealthy first"),
        (Self::Changed, "changed", "latest change first"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(sort, ..)| *sort == self).map_or("", |(_, word, _)| word)
    }
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for (key, value) in pairs(query) {
            let value = value.trim();
            match &*key {
                "q" => asked.words.extend(value.split_whitespace().map(str::to_lowercase)),
                "sort" => {
                    let known = Sort::ALL.iter().find(|(_, word, _)| word.eq_ignore_ascii_case(value));
                    let words = || Sort::ALL.map(|(_, word, _)| word).join(", ");
                    asked.sort = known.ok_or_else(|| format!("sort {value:?} is none of {}", words()))?.0;
                }
                "page" => asked.page = page_number(value).map_err(|error| error.to_string())?,
                _ => {}
            }
        }
        Ok(asked)
    }

    fn address(&self, root: &str) -> String {
        let Self { words, sort, page } = self;
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !words.is_empty() {
            query.append_pair("q", &words.join(" "));
        }
        if *sort != Sort::Worst {
            query.append_pair("sort", sort.word());
        }
        finished(query, *page, &format!("{root}/pools"))
    }

    fn takes(&self, pool: &Standing<'_>) -> bool {
        let name = pool.pool.to_lowercase();
        self.words.iter().all(|word| name.contains(word.as_str()))
    }

    fn sort(&self, pools: &mut [&Standing<'_>]) {
        match self.sort {
            Sort::Worst => {}
            Sort::Name => pools.sort_by_cached_key(|pool| pool.pool.to_lowercase()),
            Sort::Servers => pools.sort_by_key(|pool| Reverse(pool.servers)),
            Sort::Unhealthy => pools.sort_by_key(|pool| Reverse((pool.summary.unhealthy, pool.summary.unknown))),
            Sort::Changed => pools.sort_by_key(|pool| Reverse(pool.changed)),
        }
    }
}

fn body(all: &[Standing<'_>], asked: &Asked, snapshot: &Snapshot, place: Place<'_>) -> Markup {
    let mut shown: Vec<&Standing<'_>> = all.iter().filter(|pool| asked.takes(pool)).collect();
    asked.sort(&mut shown);
    let pages = shown.len().div_ceil(POOLS).max(1);
    let page = asked.page.min(pages - 1);
    let headline = match (shown.len(), all.len()) {
        (shown, all) if shown < all => format!("{shown} of {all} pools match."),
        (_, _) => summary::headline(all, all.len(), servers(&snapshot.rows), 0),
    };
    html! {
        (doubt::configuration(snapshot))
        div id="summary" data-live data-generated-at=(rfc3339(snapshot.changed_at)) { h1 { (headline) } }
        form.filter id="filter" method="get" action={ (place.root) "/pools" } role="search" aria-label="Filter" {
            div.search {
                label for="q" { "Search" }
                input type="search" id="q" name="q" value=(asked.words.join(" ")) autocomplete="off" spellcheck="false"
                    placeholder="pool";
                label.hidden for="sort" { "Order" }
                select id="sort" name="sort" {
                    @for (sort, word, title) in Sort::ALL {
                        option value=(if sort == Sort::Worst { "" } else { word }) selected[sort == asked.sort] { (title) }
                    }
                }
                button type="submit" { "Show" }
            }
        }
        div id="list" data-live {
            @if !shown.is_empty() {
                table.pool-list role="table" {
                    caption.hidden { "Pools and the states of their rows" }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for column in ["Pool", "States", "Servers", "Commonest cause", "Latest change"] {
                                th role="columnheader" scope="col" { (column) }
                            }
                        }
                    }
                    tbody role="rowgroup" {
                        @for pool in shown.iter().skip(page * POOLS).take(POOLS) { (line(pool, snapshot, place)) }
                    }
                }
            }
            @if pages > 1 {
                (shell::pages(page, pages, |target| Asked { page: target, ..asked.clone() }.address(place.root)))
            }
        }
    }
}

fn line(standing: &Standing<'_>, snapshot: &Snapshot, place: Place<'_>) -> Markup {
    let Standing { pool, summary, servers, commonest, changed, .. } = standing;
    let of_pool = |filter: Filter| {
        let filter = Filter { pools: vec![(*pool).to_owned()], ..filter };
        Query { filter, ..Query::default() }.address(place.root)
    };
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                a href=(of_pool(Filter::default())) { bdi { (one_line(pool)) } }
                @if let Some(words) = summary::without(standing) { small.unhealthy { (words) } }
            }
            td.of-states role="cell" { (summary::bar(*summary)) span.counts { (summary::counts(*summary)) } }
            td.number role="cell" data-label="Servers" { (servers) }
            td role="cell" data-label="Commonest cause" {
                @if let Some((cause, count)) = commonest {
                    a href=(of_pool(Filter { causes: vec![*cause], ..Filter::default() })) { (cause.words().title) }
                    " (" (count) ")"
                }
            }
            td role="cell" data-label="Latest change" { (brief_time(*changed, span(age(snapshot.at, *changed)))) " ago" }
        }
    }
}

/// Pools of one part.
const POOLS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written_and_wrong_values_are_named() {
        fn check(query: &str, written: Result<&str, &str>) {
            let found = Asked::parse(query).map(|asked| asked.address("."));
            assert_eq!(found, written.map(str::to_owned).map_err(str::to_owned), "{query}");
        }
        check("", Ok("./pools"));
        check("q=+Two+words&sort=NAME&page=3", Ok("./pools?q=two+words&sort=name&page=3"));
        check("q=&sort=worst&page=1&utm=1", Ok("./pools"));
        check("sort=size", Err("sort \"size\" is none of worst, name, servers, unhealthy, changed"));
        check("page=0", Err("page \"0\" is no number from 1 on"));
    }
}
