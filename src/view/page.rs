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
pub mod row;
pub mod check;
mod shell;
pub mod assets;
pub mod docs;
mod markdown;

use std::fmt;
use std::time::SystemTime;

use maud::{Markup, html};

pub use self::report::render;
pub use self::shell::Place;
use super::time::Utc;
use crate::health::State;
use crate::verdict::Side;
use crate::view::report::Problem;

/// A step; what stands between backticks is code.
fn with_code(step: &str) -> Markup {
    html! {
        @for (index, part) in step.split('`').enumerate() {
            @if index % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// Who has to act, in words.
fn who(side: Side) -> &'static str {
    match side {
        Side::Network => "Network between here and the server",
        Side::Gateway => "Gateway side: the settings here",
        Side::Server => "Server side",
        Side::Exporter => "Exporter side: this host",
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
        @if server.contains(':') {
            "[" (server) "]:" (port)
        } @else {
            @for (position, label) in server.split('.').enumerate() {
                @if position > 0 { "." wbr; }
                (label)
            }
            ":" (port)
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

/// Server and port as one word, an IPv6 address in brackets.
fn endpoint_text(server: &str, port: u16) -> String {
    if server.contains(':') { format!("[{server}]:{port}") } else { format!("{server}:{port}") }
}

/// A span until now, with the instant that it counts from.
fn brief_time(from: SystemTime, span: impl fmt::Display) -> Markup {
    html! { time datetime=(Utc::of(from).rfc3339()) { (span) } }
}

fn time(at: SystemTime) -> Markup {
    let utc = Utc::of(at);
    html! { time datetime=(utc.rfc3339()) { (utc.readable()) } }
}

/// A text that may have come over the network, without what could move or hide the text around it.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            _ if character.is_control() => '\u{fffd}',
            _ => character,
        })
        .collect()
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

    #[test]
    fn foreign_text_cannot_move_or_hide_what_stands_around_it() {
        fn check(text: &str, expected: &str) {
            assert_eq!(printable(text), expected);
        }
        check("plain ü 🦀\n\tnext", "plain ü 🦀\n\tnext");
        check("a\u{202e}b\u{2066}c", "a\u{fffd}b\u{fffd}c");
        check("\u{0}\u{1b}[31m\r", "\u{fffd}\u{fffd}[31m\u{fffd}");
    }
}
