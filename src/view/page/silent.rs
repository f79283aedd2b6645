//! When servers may be silent because they are asked so much: many at once that answered before, and much that is asked.

use maud::{Markup, html};

use crate::health::{Row, Snapshot, State};
use crate::verdict::Cause;

/// Says so, if it may be so.
pub(super) fn banner(snapshot: &Snapshot) -> Markup {
    let known = || snapshot.rows.iter().filter(|row| row.transitions[State::Healthy as usize] > 0);
    let silent: Vec<&Row> = known().filter(|row| is_silent(row)).collect();
    let answered = known().count();
    let a_second: f64 = silent.iter().map(|row| 1.0 / row.target.interval.as_secs_f64().max(0.1)).sum();
    let is_so = silent.len() >= MANY && silent.len() * 4 >= answered && a_second >= MUCH;
    html! {
        @if is_so {
            p.doubt {
                b { "Many servers fell silent at about the same time. " }
                (silent.len()) " of " (answered) " rows that answered before do not answer in time now. This exporter asks them "
                (format!("{a_second:.0}")) " times a second. If many of them are one machine, or are reached through one device, that \
                may be more than it can answer: use a longer " code { "interval" } " and see whether they answer again."
            }
        }
    }
}

/// Its latest probes, of no more than the last minutes, were all waited for in vain.
fn is_silent(row: &Row) -> bool {
    let cause = row.last_probe.as_ref().and_then(|probe| probe.cause.as_ref());
    let in_vain =
        cause.is_some_and(|cause| matches!(cause.code, Cause::TcpTimeout | Cause::TlsTimeout | Cause::HttpTimeout));
    in_vain && row.target.interval.saturating_mul(row.consecutive_failures).as_secs() <= LATELY
}

/// Rows, below which it is no crowd.
const MANY: usize = 50;

/// Probes a second, below which it is hardly the probes.
const MUCH: f64 = 50.0;

/// Seconds.
const LATELY: u64 = 600;
