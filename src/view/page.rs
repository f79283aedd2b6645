//! The web pages: one frame, and words, marks and links that they share. They are whole without a script, and load
//! nothing but our own files.

mod report;
mod summary;
mod doubt;
mod form;
mod card;
mod advice;
mod line;
mod strip;
mod query;
pub mod certificates;
pub mod changes;
pub mod missing;
mod plot;
pub mod pools;
pub mod row;
pub mod check;
mod shell;
mod silent;
pub mod assets;
pub mod docs;
mod markdown;

use std::fmt;
use std::time::SystemTime;

use maud::{Markup, html};

pub use self::report::render;
pub use self::shell::{Answer, Place};
use crate::health::State;
use crate::verdict::Side;
use crate::view::report::Problem;
use crate::words::{self, readable, rfc3339};

/// A step; what stands between backticks is code.
fn with_code(step: &str) -> Markup {
    html! {
        @for (index, part) in step.split('`').enumerate() {
            @if index % 2 == 0 { (part) } @else { code { (unbroken(part)) } }
        }
    }
}

/// Code in which no word is broken at its hyphens, but for those that are too long for a line.
fn unbroken(code: &str) -> Markup {
    html! {
        @for (index, word) in code.split(' ').enumerate() {
            @if index > 0 { " " }
            @if word.contains('-') && word.chars().count() <= UNBROKEN { span.nb { (word) } } @else { (word) }
        }
    }
}

/// Characters of code that fit into a line of a phone.
const UNBROKEN: usize = 30;

/// Who has to act, in words.
fn who(side: Side) -> &'static str {
    match side {
        Side::Network => "Network between here and the server",
        Side::Gateway => "This exporter's settings",
        Side::Server => "Server side",
        Side::Exporter => "The exporter's host",
    }
}

/// The first thing to do, for where the side that acts is named already.
fn first_step<'p>(problem: &'p Problem<'_>) -> Option<&'p str> {
    let step = problem.remedy.first()?;
    let own = step.split_once(": ").filter(|(side, _)| side.eq_ignore_ascii_case(problem.side.as_str()));
    Some(own.map_or(step.as_str(), |(_, rest)| rest))
}

/// Server and port; long names may be broken after a dot.
fn endpoint(server: &str, port: u16) -> Markup {
    html! {
        @for (position, label) in words::endpoint(server, port).split('.').enumerate() {
            @if position > 0 { "." wbr; }
            (label)
        }
    }
}

/// Where the page of a row is, as a link.
fn row_address(root: &str, pool: &str, setting: &str, server: &str) -> String {
    format!("{root}/row?{}", named_query(pool, setting, server))
}

/// A row's names, as the query of an address.
fn named_query(pool: &str, setting: &str, server: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("pool", pool).append_pair("setting", setting).append_pair("server", server);
    query.finish()
}

/// A span until now, with the instant that it counts from.
fn brief_time(from: SystemTime, span: impl fmt::Display) -> Markup {
    html! { time datetime=(rfc3339(from)) { (span) } }
}

fn time(at: SystemTime) -> Markup {
    html! { time datetime=(rfc3339(at)) { (readable(at)) } }
}

/// The state's shape: a square with a cross, a diamond with a question mark, a disc with a tick; for warnings a triangle. The word for it always
/// stands beside it.
fn shape(state: State) -> Markup {
    shape_named(state.label())
}

fn shape_named(name: &str) -> Markup {
    html! {
        svg class={ "shape " (name) } aria-hidden="true" focusable="false" { use href={ "#" (name) } {} }
    }
}

/// The shapes, once for the whole page.
fn shapes() -> Markup {
    html! {
        svg.sheet aria-hidden="true" focusable="false" {
            symbol id="unhealthy" viewBox="0 0 20 20" {
                rect x="1.5" y="1.5" width="17" height="17" rx="2" {}
                path.mark d="M6.5 6.5l7 7m0-7l-7 7" {}
            }
            symbol id="unknown" viewBox="0 0 20 20" {
                path d="M10 .5L19.5 10 10 19.5.5 10z" {}
                path.mark d="M7.9 8.2a2.1 2.1 0 1 1 3.1 1.8c-.7.4-1 .8-1 1.6M10 14.2v.1" {}
            }
            symbol id="warned" viewBox="0 0 20 20" {
                path d="M10 1.2L19.4 18H.6z" {}
                path.mark d="M10 7.5v5M10 15.2v.1" {}
            }
            symbol id="healthy" viewBox="0 0 20 20" {
                circle cx="10" cy="10" r="9" {}
                path.mark d="M5.8 10.4l2.9 2.9 5.5-6" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_row_holds_whatever_its_names_are() {
        assert_eq!(
            row_address(".", "a b&c", "ü", "2001:db8::1"),
            "./row?pool=a+b%26c&setting=%C3%BC&server=2001%3Adb8%3A%3A1"
        );
    }
}
