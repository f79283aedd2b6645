//! The page for an address that leads nowhere.

use maud::html;

use super::Place;
use super::shell::{self, Kind, Shell};
use crate::words::one_line;

/// Says that there is nothing at `path`, and what there is.
#[must_use]
pub fn page(path: &str, place: Place<'_>) -> String {
    let Place { root, metrics_path } = place;
    let shown: String = one_line(path).chars().take(MOST).collect();
    let body = html! {
        h1 { "There is no such page" }
        p { "Nothing is at " code { (shown) } ". Perhaps the link is of another version, or a part of it was lost on the way." }
        ul.near {
            li { a href={ (root) "/" } { "The report" } ": which servers are healthy, and why the others are not" }
            li { a href={ (root) "/pools" } { "Pools" } }
            li { a href={ (root) "/docs/" } { "Documentation" } }
            li { a href={ (root) (metrics_path) } { "Metrics" } ", for Prometheus" }
        }
    };
    shell::page(Shell { place, kind: Kind::Missing, title: "No such page", state: None }, &body, &html! {})
}

/// Letters of a path that are shown.
const MOST: usize = 200;
