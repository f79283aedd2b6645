//! The frame of every page: head, header with the ways to the other pages, and footer. Pages load our own files only.

use std::fmt;
use std::time::SystemTime;

use maud::{DOCTYPE, Markup, html};

use super::{assets, shapes, time};
use crate::health::State;

/// Where a page stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What stands before every link, without a slash at its end: `.` for a page right below the route prefix, `..` one
    /// level deeper. Relative links hold behind a proxy that shows another path to the outside.
    pub root: &'a str,
    /// Of the metrics, below the root: `/metrics`.
    pub metrics_path: &'a str,
}

/// What a page says about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shell<'a> {
    pub(super) place: Place<'a>,
    pub(super) kind: Kind,
    /// In the browser's tab, before the site's name.
    pub(super) title: &'a str,
    /// The worst state of what it shows: the tab's icon.
    pub(super) state: Option<State>,
}

/// A page and the status to answer it with.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub page: String,
}

/// What an address is answered with that asks for what there is not, before the ways on from there.
pub(super) fn refusal(why: &dyn fmt::Display) -> Markup {
    html! {
        h1 { "The address asks for what there is not" }
        p.doubt role="alert" { (why.to_string()) "." }
    }
}

/// The footer of a page of the table as it was then.
pub(super) fn as_of(at: SystemTime) -> Markup {
    html! { p id="as-of" data-live { "As of " (time(at)) "." } }
}

/// The ways from one part of a long list to the others; `page` counts from 0, and `link` leads to one.
pub(super) fn pages(page: usize, pages: usize, link: impl Fn(usize) -> String) -> Markup {
    html! {
        nav.pages aria-label="Pages" {
            @if page > 0 { a rel="prev" href=(link(page - 1)) { "Previous page" } }
            span { "Page " (page + 1) " of " (pages) }
            @if page + 1 < pages { a rel="next" href=(link(page + 1)) { "Next page" } }
            @if page + 2 < pages { a href=(link(pages - 1)) { "Last page" } }
        }
    }
}

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Report,
    Pools,
    Changes,
    Certificates,
    Row,
    NoRow,
    Missing,
    Check,
    Documents,
    Document,
}

impl Kind {
    /// What follows the header, for who wants to skip it.
    fn content(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Pools => "pools",
            Self::Changes => "changes",
            Self::Certificates => "certificates",
            Self::Row => "row and what is wrong with it",
            Self::NoRow => "rows that may be meant",
            Self::Missing => "ways from here",
            Self::Check => "result of the check",
            Self::Documents => "list of documents",
            Self::Document => "text",
        }
    }
}

/// The whole page. The elements of `body` with an id and `data-live` are brought up to date by the script: it asks for
/// the page's own address again, and takes over what differs.
pub(super) fn page(shell: Shell<'_>, body: &Markup, footer: &Markup) -> String {
    let Shell { place: Place { root, metrics_path }, kind, title, state } = shell;
    let here = |of: Kind| (kind == of).then_some("page");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Backend health" }
                (assets::icon_link(state, root))
                link rel="stylesheet" href=(assets::STYLE.address(root));
                script id="script" src=(assets::SCRIPT.address(root)) data-root=(root) data-beat=(assets::BEAT.address(root)) defer {}
            }
            body {
                (shapes())
                // Shown by the script. What counts up is not read aloud every second.
                p.alarm id="lost" role="alert" hidden {
                    b { "No answer from the exporter" } " " span id="lost-for" aria-hidden="true" {}
                    "; what you see is from " span id="lost-seen" {} "."
                }
                a.skip href="#content" { "Skip to the " (kind.content()) }
                header {
                    // The first heading of a page is its own; this names the site.
                    p.site { a href={ (root) "/" } { "Backend health" } }
                    // Filled by the script: whether what is shown is brought up to date.
                    p.live id="live" role="status" hidden {}
                    nav aria-label="Pages of this site" {
                        ul {
                            li { a href={ (root) "/" } aria-current=[here(Kind::Report)] { "Report" } }
                            li { a href={ (root) "/pools" } aria-current=[here(Kind::Pools)] { "Pools" } }
                            li { a href={ (root) "/changes" } aria-current=[here(Kind::Changes)] { "Changes" } }
                            li { a href={ (root) "/certificates" } aria-current=[here(Kind::Certificates)] { "Certificates" } }
                            li { a href={ (root) "/docs/" } aria-current=[here(Kind::Documents)] { "Documentation" } }
                            li { a href={ (root) (metrics_path) } { "Metrics (text)" } }
                        }
                    }
                }
                main id="content" tabindex="-1" { (body) }
                footer {
                    (footer)
                    nav aria-label="Exporter" {
                        ul {
                            li { a href={ (root) "/-/healthy" } { "Exporter alive" } }
                            li { a href={ (root) "/-/ready" } { "Exporter ready" } }
                        }
                    }
                }
                // Changes of state, for who does not see them.
                p.hidden id="news" role="status" {}
            }
        }
    };
    page.into_string()
}
