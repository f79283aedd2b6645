//! The picture in words: a list for each block, for screens and readers that a picture does not suit.

use maud::{Markup, html};

use super::part::{Kind, Mark, Part};
use super::scene::Scene;

pub(super) fn lists(scene: &Scene) -> Markup {
    html! {
        div.told {
            (list("Gateway", &scene.gateway))
            (list("The way there", &scene.line))
            (list("Backend server", &scene.server))
        }
    }
}

fn list(title: &str, parts: &[Part]) -> Markup {
    html! {
        section {
            h3 { (title) }
            ul { @for part in parts { (item(part)) } }
        }
    }
}

fn item(part: &Part) -> Markup {
    let Part { kind, label, tag, value, more, notes, is_fine: _ } = part;
    html! {
        li {
            span { (label) @if !tag.is_empty() { " (" (tag) ")" } @if *kind == Kind::Slot { " (missing)" } }
            @if !value.is_empty() { ": " b { bdi { (value) } } }
            @for line in more { "; " bdi { (line) } }
            @for note in notes {
                @match note.mark {
                    Mark::Faulty => strong.faulty { " ✗ Faulty: " (note.text) },
                    Mark::Warning => strong.warned { " ⚠ Warning: " (note.text) },
                    Mark::None | Mark::Fine => {},
                }
            }
        }
    }
}
