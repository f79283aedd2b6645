//! The report as a table: a line for each row, the worst first, and a line that sums them up.

use std::fmt::Write;
use std::time::SystemTime;

use super::cell::{cut, width};
use super::details::details;
use super::look::{Colour, Look, Order, reason};
use crate::health::State;
use crate::view::ranking::{Urgency, worst_first};
use crate::view::report::{Report, ReportRow, Summary};
use crate::words::{age, span, visible};

/// The report as a table; a single row is followed by all that is known about its cause, and what to do.
#[must_use]
pub fn table(report: &Report<'_>, look: &Look) -> String {
    let rows = ordered(&report.rows, look.order);
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row, look.now)));
    let widths = widths(&lines, look.width);
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let state = index.checked_sub(1).and_then(|index| rows.get(index)).map(|row| row.state);
        write_line(&mut text, line, &widths, state, look.colour);
    }
    let _ = writeln!(text, "\n{}", summary(report.summary));
    if let [row] = *rows {
        text.push('\n');
        details(&mut text, row, look);
    }
    text
}

fn ordered<'r, 'a>(rows: &'r [ReportRow<'a>], order: Order) -> Vec<&'r ReportRow<'a>> {
    match order {
        Order::LatestChange => worst_first(rows).into_iter().flat_map(|(_, rows)| rows).collect(),
        Order::Configuration => {
            let mut rows: Vec<_> = rows.iter().collect();
            rows.sort_by_key(|row| Urgency::of(*row));
            rows
        }
    }
}

/// How many rows are in which state.
pub(super) fn summary(Summary { healthy, unhealthy, unknown }: Summary) -> String {
    let rows = healthy + unhealthy + unknown;
    let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    format!("{rows}: {unhealthy} Unhealthy, {unknown} Unknown, {healthy} Healthy")
}

const HEADINGS: [&str; 9] = ["STATE", "POOL", "SERVER", "SETTING", "PORT", "PROTOCOL", "SINCE", "CAUSE", "DETAIL"];
const POOL: usize = 1;
const SETTING: usize = 3;
const PORT: usize = 4;
const PROTOCOL: usize = 5;
const DETAIL: usize = 8;

fn cells(row: &ReportRow<'_>, now: SystemTime) -> [String; 9] {
    let (cause, detail) = match (reason(row), row.warnings.as_slice()) {
        (Some(problem), _) => (problem.code.to_string(), problem.detail.to_string()),
        (None, []) => (String::new(), String::new()),
        (None, [first, others @ ..]) => {
            let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
            (first.code.to_string(), format!("warning: {}{more}", first.detail))
        }
    };
    [
        row.state.as_str().to_owned(),
        row.pool.to_string(),
        row.server.to_string(),
        row.setting.to_string(),
        row.port.to_string(),
        row.protocol.as_str().to_owned(),
        span(age(now, row.since)).to_string(),
        cause,
        detail,
    ]
    .map(|cell| visible(&cell).into_owned())
}

/// The columns' widths; 0: the column is left out. Where the terminal is too narrow the detail is cut, and columns make room
/// for it; then it is left out itself, and the names of pool and setting are cut. State, server and cause are always whole.
fn widths(lines: &[[String; 9]], terminal: Option<usize>) -> [usize; 9] {
    let mut natural = [0; 9];
    for line in lines {
        for (column, cell) in natural.iter_mut().zip(line) {
            *column = width(cell).max(*column);
        }
    }
    let Some(terminal) = terminal else { return natural };
    let mut widths = natural;
    for (hidden, least) in STEPS {
        widths = natural;
        for column in hidden {
            widths[*column] = 0;
        }
        let detail = widths[DETAIL].saturating_sub(excess(&widths, terminal));
        if detail >= least.min(widths[DETAIL]) {
            widths[DETAIL] = detail;
        }
        if excess(&widths, terminal) == 0 {
            return widths;
        }
    }
    for column in [POOL, SETTING] {
        let least = LEAST_NAME.min(widths[column]);
        widths[column] = widths[column].saturating_sub(excess(&widths, terminal)).max(least);
    }
    widths
}

/// What makes room, step by step: columns that are left out, and the least width of the detail, for less of a sentence tells
/// nobody anything.
const STEPS: [(&[usize], usize); 6] = [
    (&[], 24),
    (&[PROTOCOL], 24),
    (&[PROTOCOL, PORT], 16),
    (&[DETAIL], 0),
    (&[DETAIL, PROTOCOL], 0),
    (&[DETAIL, PROTOCOL, PORT], 0),
];

/// By how many columns a line is too long.
fn excess(widths: &[usize; 9], terminal: usize) -> usize {
    let shown = widths.iter().filter(|width| **width > 0);
    let line: usize = shown.map(|width| width + GAP.len()).sum();
    line.saturating_sub(GAP.len()).saturating_sub(terminal)
}

const LEAST_NAME: usize = 8;
const GAP: &str = "  ";

fn write_line(text: &mut String, line: &[String; 9], widths: &[usize; 9], state: Option<State>, colour: Colour) {
    let mut pending = 0;
    for (column, (cell, &columns)) in line.iter().zip(widths).enumerate() {
        if columns == 0 {
            continue;
        }
        let cell = cut(cell, columns);
        // Blanks are written when something follows, so that no line ends with them.
        if !cell.is_empty() {
            text.extend(std::iter::repeat_n(' ', pending));
            pending = 0;
        }
        match state.filter(|_| column == 0 && colour == Colour::Ansi) {
            Some(state) => drop(write!(text, "\u{1b}[{}m{cell}\u{1b}[0m", sgr(state))),
            None => text.push_str(&cell),
        }
        pending += columns - width(&cell) + GAP.len();
    }
    text.push('\n');
}

/// The number by which a terminal knows the colour.
pub(super) fn sgr(state: State) -> &'static str {
    match state {
        State::Healthy => "32",
        State::Unhealthy => "1;31",
        State::Unknown => "33",
    }
}
