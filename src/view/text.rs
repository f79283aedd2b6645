//! Renderings for a terminal, and for a spreadsheet.

mod cell;
mod csv;
mod details;
mod look;
mod table;

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use crate::target::{Target, VerifiedName};

pub(super) use self::cell::width;
pub use self::cell::{folded, steers, visible, visible_json};
pub use self::csv::{csv_header, csv_rows};
pub(super) use self::details::facts;
pub use self::look::{Colour, Look, Order};
pub use self::table::table;
use crate::view::time::Utc;

/// An instant for people.
#[must_use]
pub fn moment(at: SystemTime) -> impl std::fmt::Display {
    Utc::of(at).readable()
}

/// What would be probed, a line for each row.
#[must_use]
pub fn rows(targets: &[Arc<Target>]) -> String {
    let count = targets.len();
    let mut text = format!("{count} {} probed:\n", if count == 1 { "row is" } else { "rows are" });
    for target in targets {
        text.push_str("  ");
        row(&mut text, target);
        text.push('\n');
    }
    text
}

// Writing to a String cannot fail.
fn row(text: &mut String, target: &Target) {
    let server = if target.server.contains(':') { format!("[{}]", target.server) } else { target.server.to_string() };
    let Target { pool, setting, interval, .. } = target;
    let (protocol, port) = (target.protocol(), target.port());
    let every = humantime::format_duration(*interval);
    let _ = write!(text, "{pool} / {setting} / {server}: {protocol} on port {port} every {every}");
    if let Some(request) = &target.probe.request {
        let _ = write!(text, ", GET {} with Host {}", request.ask.path, request.host);
    }
    let _ = match target.verified_name() {
        Some(VerifiedName::Dns(name)) => write!(text, ", SNI {name}"),
        Some(VerifiedName::Ip(ip)) => write!(text, ", no SNI, certificate for {ip}"),
        None => Ok(()),
    };
}

/// A text that may have come over the network as one line, without what could move or hide the text around it.
pub(super) fn one_line(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\r' | '\t' => ' ',
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
            '\u{fffd}'
        }
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    };
    text.chars().map(shown).collect()
}
