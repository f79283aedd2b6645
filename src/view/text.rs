//! Renderings for a terminal, and for a spreadsheet.

mod cell;
mod csv;
mod details;
mod faults;
mod look;
mod table;

use std::fmt::Write;
use std::sync::Arc;

use crate::target::{Target, VerifiedName};

pub use self::cell::folded;
pub(super) use self::cell::width;
pub use self::csv::{csv_header, csv_rows};
pub(super) use self::details::{facts, fold};
pub use self::faults::faults;
pub use self::look::{Colour, Look, Order};
pub use self::table::table;
use crate::words::{self, bracketed};

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
    let Target { pool, setting, interval, .. } = target;
    let (server, every) = (bracketed(&target.server), words::setting(*interval));
    let (protocol, port) = (target.protocol(), target.port());
    let _ = write!(text, "{pool} / {setting} / {server}: {protocol} on port {port} every {every}");
    if let Some(request) = &target.probe.request {
        let (method, path) = (request.ask.method.as_str(), &request.ask.path);
        let _ = write!(text, ", {method} {path} with Host {}", request.host);
    }
    let _ = match target.verified_name() {
        Some(VerifiedName::Dns(name)) => write!(text, ", SNI {name}"),
        Some(VerifiedName::Ip(ip)) => write!(text, ", no SNI, certificate for {ip}"),
        None => Ok(()),
    };
}
