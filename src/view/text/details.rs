//! All that is known about why one row is not well, and what to do.

use std::fmt::Write;
use std::time::Duration;

use super::cell::folded;
use super::look::{Look, reason};
use crate::health::State;
use crate::verdict::Side;
use crate::view::report::{Problem, ReportRow};
use crate::words::{age, span, took, visible};

// Writing to a String cannot fail.
pub(super) fn details(text: &mut String, row: &ReportRow<'_>, look: &Look) {
    let now = look.now;
    let start = text.len();
    let since = span(age(now, row.since));
    let _ = write!(text, "{} for {since}", row.state.as_str());
    let (failures, threshold) = (row.consecutive_failures, row.unhealthy_threshold);
    let probes = if failures == 1 { "the latest probe".to_owned() } else { format!("the latest {failures} probes") };
    let _ = match row.state {
        _ if failures == 0 => Ok(()),
        State::Healthy => write!(text, "; {probes} failed, {threshold} in a row turn it"),
        State::Unhealthy | State::Unknown => write!(text, "; {probes} failed"),
    };
    text.push('\n');
    line(text, "Asks", &row.probe.request.url);
    if let Some(probe) = &row.last_probe {
        let ago = span(age(now, probe.at));
        let to = probe.address.map(|address| format!(" at {address}")).unwrap_or_default();
        let took = took(Duration::try_from_secs_f64(probe.duration_seconds).unwrap_or_default());
        line(text, "Last probe", &format!("{ago} ago{to}, took {took}"));
        for attempt in probe.attempts.iter().filter(|attempt| Some(attempt.address) != probe.address) {
            line(text, "Also tried", &format!("{}: {}", attempt.address, attempt.detail));
        }
    }
    if let Some(cause) = reason(row) {
        problem(text, "Cause", cause);
    }
    for also in &row.also {
        problem(text, "Also", also);
    }
    for warning in &row.warnings {
        problem(text, "Warning", warning);
    }
    fold(text, start, look.width);
}

/// Breaks the lines from `start` on, so that they fit so many columns and keep their indentation.
pub(in crate::view) fn fold(text: &mut String, start: usize, columns: Option<usize>) {
    let Some(columns) = columns else { return };
    let whole = text.split_off(start);
    for line in whole.lines() {
        // A command is there to be copied.
        let is_command = line.trim_start().starts_with(COMMAND);
        let line = if is_command { line.to_owned() } else { folded(line, INDENT, columns) };
        text.push_str(&line);
        text.push('\n');
    }
}

fn problem(text: &mut String, heading: &str, problem: &Problem<'_>) {
    text.push('\n');
    line(text, heading, &format!("{}: {}", problem.code, problem.title));
    facts(text, problem);
}

/// All that there is to say of it, but for its title.
pub(in crate::view) fn facts(text: &mut String, problem: &Problem<'_>) {
    let Problem { code, stage: _, side, title: _, explanation, detail, certificate, remedy, reproduce, docs_url } =
        problem;
    line(text, "Seen", detail);
    line(text, "Means", explanation);
    if let Some(fingerprint) = certificate {
        line(text, "In", &format!("the certificate with the SHA-256 fingerprint {fingerprint}"));
    }
    line(text, "Who acts", who(*side));
    for (number, step) in (1..).zip(remedy) {
        line(text, if number == 1 { "To do" } else { "" }, &format!("{number}. {step}"));
    }
    if let Some(command) = reproduce {
        line(text, COMMAND, command);
    }
    let section = format!("docs/troubleshooting.md#{code}");
    line(text, "More", if docs_url.contains("://") { docs_url } else { &section });
}

fn line(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let _ = writeln!(text, "  {name:<11}{}", visible(value));
    }
}

/// Where the values of a line begin.
const INDENT: usize = 13;
const COMMAND: &str = "See it";

fn who(side: Side) -> &'static str {
    match side {
        Side::Network => "network: whoever runs what lies between here and the server",
        Side::Gateway => "gateway: whoever runs this configuration",
        Side::Server => "server: whoever runs the server or its certificate",
        Side::Exporter => "exporter: whoever runs this host",
    }
}
