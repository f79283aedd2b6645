//! The words for each cause and side that a row can have, for alerts and dashboards, which know no more of a row than
//! these two.

use crate::verdict::{Case, Cause, Side, Words};

use super::remedy::Remedy;

/// What to do first about a cause when `side` has to act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Help {
    /// The cause's own row: code, stage and title.
    pub words: &'static Words,
    /// The cause's own, or one that a case moves it to.
    pub side: Side,
    /// The first step of that side, without a value of any row. At most 500 bytes, which Prometheus' usual limits take.
    pub remedy: String,
}

/// One for each cause and each side that it can have: the cause's own first, then those of its cases.
pub fn all() -> impl Iterator<Item = Help> {
    Cause::ALL.iter().flat_map(|cause| of(cause.words()))
}

fn of(words: &'static Words) -> Vec<Help> {
    let cases = || Case::ALL.iter().map(|case| case.words()).filter(move |case| case.code == words.code);
    let mut help = vec![Help { words, side: words.side, remedy: first_steps([words]) }];
    for case in cases() {
        if help.iter().all(|known| known.side != case.side) {
            let remedy = first_steps(cases().filter(|other| other.side == case.side));
            help.push(Help { words, side: case.side, remedy });
        }
    }
    help
}

/// Each one once; several say themselves when they are meant.
fn first_steps(rows: impl IntoIterator<Item = &'static Words>) -> String {
    let mut steps: Vec<String> = Vec::new();
    for step in rows.into_iter().filter_map(Remedy::first_step_in_general) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps.join(" ")
}
