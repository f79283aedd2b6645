//! How a table is to look, and which problem of a row it shows.

use std::time::SystemTime;

use crate::view::report::{Problem, ReportRow};

/// How a table is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// When it is looked at, for ages.
    pub now: SystemTime,
    /// Columns of the terminal; `None`: everything is shown whole.
    pub width: Option<usize>,
    /// Lines that the faults may take; `None`: as many as they take.
    pub lines: Option<usize>,
    /// Rows that are well are shown among the faults, too.
    pub healthy: bool,
    pub colour: Colour,
    pub order: Order,
}

/// The order of rows that are equally bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What changed last stands first.
    LatestChange,
    Configuration,
}

/// Whether states stand out by a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Ansi,
    None,
}

/// Why the row is not well. Before there was any verdict: what kept the latest probe from giving one.
pub(super) fn reason<'r, 'a>(row: &'r ReportRow<'a>) -> Option<&'r Problem<'a>> {
    let cause = row.cause.as_ref()?;
    let latest = row.last_probe.as_ref().and_then(|probe| probe.cause.as_ref());
    Some(latest.filter(|_| cause.code == NOT_PROBED_YET).unwrap_or(cause))
}

const NOT_PROBED_YET: &str = "not_probed_yet";
