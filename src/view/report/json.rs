//! The report's JSON, written a row at a time: thousands of rows never stand in memory as one text or value.

use std::{fmt, io};

use serde::{Serialize, Serializer};

use super::{ConfigurationView, Event, Events, Filter, Links, Report, ReportRow, Summary, words};
use crate::health::{Row, Snapshot, Transition};

impl Report<'_> {
    /// Writes what [`Report::of`] comes to as JSON.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write(snapshot: &Snapshot, filter: &Filter, links: &Links, out: &mut dyn fmt::Write) -> fmt::Result {
        let rows: Vec<&Row> = snapshot.rows.iter().filter(|row| filter.matches(row)).collect();
        let summary = Summary::of(rows.iter().map(|row| row.state));
        let configuration = ConfigurationView::of(&snapshot.configuration);
        let rows = Rows { rows: &rows, links };
        write_json(&Written { generated_at: snapshot.changed_at, summary, configuration, rows }, out)
    }
}

impl Events<'_> {
    /// Writes changes of state as the JSON of [`Events`], one at a time.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write(changes: impl Iterator<Item = Transition>, links: &Links, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("{\"events\":[")?;
        for (place, change) in changes.enumerate() {
            if place > 0 {
                out.write_str(",")?;
            }
            write_json(&Event::of(&change, links), out)?;
        }
        out.write_str("]}")
    }
}

/// Writes a value of the report as JSON.
///
/// # Errors
/// When `out` fails.
pub fn write_json(value: &impl Serialize, out: &mut dyn fmt::Write) -> fmt::Result {
    serde_json::to_writer(Text(out), value).map_err(|_| fmt::Error)
}

/// A [`Report`] whose rows are made while they are written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(with = "words::time")]
    generated_at: std::time::SystemTime,
    summary: Summary,
    configuration: ConfigurationView<'a>,
    rows: Rows<'a>,
}

struct Rows<'a> {
    rows: &'a [&'a Row],
    links: &'a Links,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| ReportRow::of(row, self.links)))
    }
}

/// A text as a sink of bytes. `serde_json` cuts strings only at characters that stand for themselves.
struct Text<'a>(&'a mut dyn fmt::Write);

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
