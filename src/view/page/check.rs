//! Connection troubleshoot on the pages: the form that asks for a check, the list of its parts, and what was found. The same
//! result stands on a page of its own, for who has no script, and is put into the row's page by the script.

mod found;
mod verdict;

use std::time::SystemTime;

use maud::{Markup, html};

use super::advice::code_block;
use super::shell::{Kind, Shell};
use super::{Place, endpoint, named_query, shell, time};
use crate::health::State;
use crate::target::Target;
use crate::troubleshoot::{Examination, Stage, State as Found};
use crate::view::check::Check;
use crate::view::remedy::shell_word;
use crate::view::report::Links;
use crate::words::{bracketed, one_line};

/// What was found, to be put into a page; `root` is what stands before its links, `id` names the page of this result.
#[must_use]
pub fn part(examination: &Examination, root: &str, id: &str) -> String {
    found(examination, root, id).into_string()
}

/// The page for a result that is not kept any more.
#[must_use]
pub fn gone(place: Place<'_>, most: usize) -> String {
    let body = html! {
        h1 { "This result is gone" }
        p { "The exporter keeps the latest " (most) " results of connection troubleshoot, and none from before it started." }
        p { a href={ (place.root) "/" } { "Show the report" } }
    };
    shell::page(Shell { place, kind: Kind::Missing, title: "No such result", state: None }, &body, &html! {})
}

/// The page of a result, which a form without a script leads to.
#[must_use]
pub fn page(examination: &Examination, place: Place<'_>, id: &str) -> String {
    let target = &examination.target;
    let state = match examination.state() {
        Found::Healthy => State::Healthy,
        Found::Unhealthy => State::Unhealthy,
        Found::Unknown => State::Unknown,
    };
    let names = Names::of(target);
    let title = format!("{}: {}, troubleshot", state.as_str(), one_line(&target.server));
    let body = html! {
        div.of-row {
            (crumbs(names, place.root))
            h1 { "Connection troubleshoot of " bdi { (endpoint(&one_line(&target.server), target.port())) } }
            p.about {
                (target.protocol()) ", pool " bdi { (one_line(&target.pool)) } ", setting "
                bdi { (one_line(&target.setting)) }
            }
            section #troubleshoot aria-labelledby="troubleshoot-title" {
                h2 #troubleshoot-title { "What was found" }
                (form(names, place.root, "Run it again", Some(&found(examination, place.root, id))))
            }
        }
    };
    let footer = html! { p { "Checked at " (time(examination.at)) ". This page stays as it is." } };
    shell::page(Shell { place, kind: Kind::Check, title: &title, state: Some(state) }, &body, &footer)
}

fn found(examination: &Examination, root: &str, id: &str) -> Markup {
    let check = Check::of(examination, Some(&Links { base: root.to_owned() }));
    html! {
        p.check-keep {
            a href={ (root) "/troubleshoot?result=" (id) } { "Address of this result" } " (for as long as the exporter keeps it) "
            button type="button" data-copies="check-text" { "Copy the result" }
        }
        div id="check-text" { (found::all(&check, &verdict::all(&check))) }
    }
}

/// The page that says why there is no result of a check of this row, with the form to ask again.
#[must_use]
pub fn refused(names: Names<'_>, why: &str, now: SystemTime, place: Place<'_>) -> String {
    let body = html! {
        div.of-row {
            (crumbs(names, place.root))
            h1 { "No connection troubleshoot of " bdi { (one_line(names.server)) } }
            p.about { "pool " bdi { (one_line(names.pool)) } ", setting " bdi { (one_line(names.setting)) } }
            section #troubleshoot aria-labelledby="troubleshoot-title" {
                h2 #troubleshoot-title { "Not now" }
                p { (why) "." }
                (form(names, place.root, "Try again", None))
            }
        }
    };
    let footer = html! { p { "As of " (time(now)) "." } };
    shell::page(Shell { place, kind: Kind::Check, title: "No connection troubleshoot", state: None }, &body, &footer)
}

/// What a row is called.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub pool: &'a str,
    pub setting: &'a str,
    pub server: &'a str,
}

impl<'a> Names<'a> {
    fn of(target: &'a Target) -> Self {
        Self { pool: &target.pool, setting: &target.setting, server: &target.server }
    }

    fn query(self) -> String {
        named_query(self.pool, self.setting, self.server)
    }
}

fn crumbs(names: Names<'_>, root: &str) -> Markup {
    html! {
        nav.crumbs aria-label="This row" {
            ul {
                li { a href={ (root) "/row?" (names.query()) } { "Row " bdi { (one_line(names.server)) } } }
            }
        }
    }
}

/// The section of the row's page.
pub(super) fn section(names: Names<'_>, root: &str) -> Markup {
    html! {
        section #troubleshoot aria-labelledby="troubleshoot-title" {
            h2 #troubleshoot-title { "Troubleshoot" }
            p.check-about {
                "Checks this server closely, once and now, from the exporter's host and with the settings of this row: names, "
                "routes, every address, the hops on the way, TLS and HTTP. It takes up to half a minute, and leaves state, "
                "counters and history as they are."
            }
            (form(names, root, "Run connection troubleshoot", None))
            details id="check-command" {
                summary { "The same from the command line" }
                p { "On the exporter's host, with the exporter's own configuration file:" }
                (command(names))
            }
            p { a href={ (root) "/docs/connection-troubleshoot" } { "How to read the result" } }
        }
    }
}

/// The button, and what becomes of it. The script runs the check in place; without it the form leads to a page.
fn form(names: Names<'_>, root: &str, label: &str, result: Option<&Markup>) -> Markup {
    html! {
        form.check-form #check-form method="post" action={ (root) "/troubleshoot?" (names.query()) } {
            button.check-run #check-run type="submit" { (label) }
            button.check-cancel #check-cancel type="button" hidden { "Cancel" }
            span.check-time #check-time hidden {}
        }
        ol.check-parts #check-parts hidden aria-label="Parts of the check" {
            @for part in Stage::PARTS {
                li data-part=(part.code()) { span.check-doing { (part.as_str()) } " " span.check-how {} }
            }
        }
        // Said aloud, and seen when there is no result.
        p.check-said #check-said role="status" {}
        div #check-result { @if let Some(result) = result { (result) } }
    }
}

fn command(names: Names<'_>) -> Markup {
    let word = |name: &str, instead: &str| shell_word(name).unwrap_or_else(|| instead.to_owned());
    let server = word(&bracketed(names.server), "SERVER");
    let (pool, setting) = (word(names.pool, "POOL"), word(names.setting, "SETTING"));
    let program = env!("CARGO_PKG_NAME");
    let line =
        format!("{program} troubleshoot --config.file backend_health.yml --pool {pool} --setting {setting} {server}");
    code_block("Command that checks this server", &line)
}
