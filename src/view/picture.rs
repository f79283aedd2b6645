//! The certificate picture: who asks, what the gateway uses, how far the probe came, and what the server sent, with exactly
//! the faulty parts marked. Drawn as SVG, and told in words.
//!
//! A mark is a colour, an icon and words together, and the accessible name of a faulty part ends with "faulty".

mod chain;
mod draw;
mod findings;
mod measure;
mod part;
pub mod place;
mod scene;
mod told;

use std::time::SystemTime;

use maud::Markup;

use self::scene::Scene;
use crate::view::report::ReportRow;

/// The picture of a row's latest probe: once for wide windows and once for narrow ones, of which the style sheet shows one.
#[must_use]
pub fn svg(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    draw::both(&Scene::of(row, now))
}

/// The same facts and marks in words.
#[must_use]
pub fn told(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    told::lists(&Scene::of(row, now))
}
