//! Lines for a terminal, each with its mark; whatever stands in one is escaped as a whole.

use crate::view::text::{Colour, visible};

/// What a line tells, which is its mark and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::view) enum Mark {
    Good,
    Bad,
    Odd,
    None,
}

/// What is written on, line by line.
pub(super) struct Paper {
    pub(super) text: String,
    pub(super) colour: Colour,
}

impl Paper {
    pub(super) fn title(&mut self, title: &str) {
        self.text.push('\n');
        self.painted("1", &visible(title));
        self.text.push('\n');
    }

    pub(super) fn line(&mut self, mark: Mark, words: &str) {
        let (sign, paint) = match mark {
            Mark::Good => ("✓", "32"),
            Mark::Bad => ("✗", "31"),
            Mark::Odd => ("!", "33"),
            Mark::None => (" ", ""),
        };
        self.text.push_str("  ");
        self.painted(paint, sign);
        self.text.push(' ');
        self.text.push_str(&visible(words));
        self.text.push('\n');
    }

    pub(super) fn note(&mut self, words: &str) {
        self.line(Mark::None, words);
    }

    pub(super) fn painted(&mut self, paint: &str, words: &str) {
        match self.colour {
            Colour::Ansi if !paint.is_empty() => {
                self.text.push_str("\u{1b}[");
                self.text.push_str(paint);
                self.text.push('m');
                self.text.push_str(words);
                self.text.push_str("\u{1b}[0m");
            }
            Colour::Ansi | Colour::None => self.text.push_str(words),
        }
    }
}
