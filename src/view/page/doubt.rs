//! When the report may be older or weaker than it looks: this host does not keep up, or a changed configuration was refused.

use maud::{Markup, html};

use crate::health::{Configuration, Row, Snapshot};
use crate::verdict::Cause;
use crate::words::{age, masked, moment, rfc3339};

/// Says so, if it is so.
pub(super) fn banner(snapshot: &Snapshot, skipped: u64) -> Markup {
    let late = snapshot.rows.iter().filter(|row| is_overdue(row, snapshot)).count();
    let strained = snapshot.rows.iter().filter(|row| is_strained(row)).count();
    html! {
        @if late + strained > 0 {
            p.doubt {
                b { "This host does not keep up. " }
                @if late > 0 { (rows(late)) " not been probed for more than two intervals. " }
                @if strained > 0 { (rows(strained)) " no verdict of late, because this host was too busy or out of resources. " }
                @if skipped > 0 { (skipped) @if skipped == 1 { " probe was" } @else { " probes were" } " skipped since the exporter started. " }
                "What is shown may be older than it looks: give the exporter more CPU, or probe less often."
            }
        }
    }
}

/// Says what is wrong with the configuration that should be in use.
pub(super) fn configuration(snapshot: &Snapshot) -> Markup {
    let Configuration { loaded_at, error } = &snapshot.configuration;
    html! {
        div id="configuration" data-live {
            @if let Some(error) = error {
                p.doubt {
                    b { "The changed configuration was refused: " } code { bdi { (masked(error)) } }
                    ". Nothing of it holds: the configuration of " time datetime=(rfc3339(*loaded_at)) { (moment(*loaded_at, snapshot.at)) }
                    " is still in use."
                }
            }
        }
    }
}

fn rows(count: usize) -> String {
    if count == 1 { "1 row has".to_owned() } else { format!("{count} rows have") }
}

/// Two whole intervals and the time a probe may take have gone by since its latest probe began, or since it is there.
fn is_overdue(row: &Row, snapshot: &Snapshot) -> bool {
    let since = row.last_probe.as_ref().map_or(row.since, |probe| probe.evidence.at);
    let timeout = row.target.probe.timeout;
    age(snapshot.at, since) > row.target.interval.saturating_mul(2).saturating_add(timeout)
}

/// Its latest probe gave no verdict, or it had none for so long that nothing is known of it.
fn is_strained(row: &Row) -> bool {
    let of_probe = row.last_probe.as_ref().and_then(|probe| probe.cause.as_ref());
    let mut causes = of_probe.into_iter().chain(row.cause.as_deref());
    causes.any(|cause| matches!(cause.code, Cause::LocalExhausted | Cause::LocalOverloaded))
}
