//! The report as RFC 4180 has it: a header, a record for each row in the configuration's order, lines that end with CR LF.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, and some of the text comes from servers:
//! such a cell gets an apostrophe in front, by which a spreadsheet knows a text. What steers a terminal is written out, so
//! no cell has a line break in it.

use std::borrow::Cow;

use super::look::reason;
use crate::view::report::{Report, ReportRow};
use crate::words::{rfc3339, visible};

const COLUMNS: [&str; 17] = [
    "generated_at",
    "state",
    "pool",
    "setting",
    "server",
    "port",
    "protocol",
    "since",
    "consecutive_failures",
    "unhealthy_threshold",
    "cause",
    "stage",
    "side",
    "title",
    "detail",
    "warnings",
    "id",
];

/// The names of the columns.
#[must_use]
pub fn csv_header() -> String {
    record(COLUMNS.map(str::to_owned))
}

/// A record for each row.
#[must_use]
pub fn csv_rows(report: &Report<'_>) -> String {
    let generated_at = rfc3339(report.generated_at).to_string();
    report.rows.iter().map(|row| record(cells(row, &generated_at))).collect()
}

fn cells(row: &ReportRow<'_>, generated_at: &str) -> [String; 17] {
    let cause = reason(row);
    let of = |text: Option<&str>| text.unwrap_or_default().to_owned();
    [
        generated_at.to_owned(),
        row.state.as_str().to_owned(),
        row.pool.to_string(),
        row.setting.to_string(),
        row.server.to_string(),
        row.port.to_string(),
        row.protocol.as_str().to_owned(),
        rfc3339(row.since).to_string(),
        row.consecutive_failures.to_string(),
        row.unhealthy_threshold.to_string(),
        of(cause.map(|cause| &*cause.code)),
        of(cause.map(|cause| cause.stage.as_str())),
        of(cause.map(|cause| cause.side.as_str())),
        of(cause.map(|cause| &*cause.title)),
        of(cause.map(|cause| &*cause.detail)),
        row.warnings.iter().map(|warning| &*warning.code).collect::<Vec<_>>().join(" "),
        row.id.clone(),
    ]
}

fn record(cells: [String; 17]) -> String {
    let cells = cells.map(|cell| quoted(&harmless(&visible(&cell))).into_owned());
    cells.join(",") + "\r\n"
}

/// Not a formula.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"']) {
        Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(cell)
    }
}
