//! `docs/metrics.md`: the reference of every metric, made of what `/metrics` says of itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use backend_health_exporter::view::exposition::Format;

use super::assert_or_bless;
use crate::exposition;
use crate::exposition::Family;
use crate::metrics::{full_snapshot, rendered};

/// Labels that every metric of a row has.
const ROW: [&str; 5] = ["pool", "setting", "server", "port", "protocol"];

/// A heading, and whose metrics stand below it.
const SECTIONS: [(&str, &str, Whose); 4] = [
    (
        "Rows",
        "Each has the labels `pool`, `setting`, `server`, `port` and `protocol`, and those in the table.",
        Whose::Row,
    ),
    (
        "Pools",
        "A pool under one of its settings; these counters never fall when a server leaves the pool.",
        Whose::Pool,
    ),
    ("Causes", "Words for alerts and dashboards.", Whose::Cause),
    ("The exporter itself", "How punctual it is, and what it uses.", Whose::Exporter),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Row,
    Pool,
    Cause,
    Exporter,
}

/// What closed label values mean, in the order of the tables.
const VALUES: &[(&str, &str)] = &[
    ("state, to", "`healthy`, `unhealthy`, `unknown`"),
    ("cause", "a code of [troubleshooting](troubleshooting.md)"),
    ("stage", "`local`, `dns`, `tcp`, `tls`, `http`: where it showed"),
    ("side", "`network`, `gateway` (the settings here), `server`, `exporter` (this host): who acts"),
    ("phase", "`dns`, `connect`, `tls`, `first_byte`, `transfer`: those that the protocol has"),
    ("position", "place in the chain as sent, from 0 to 9"),
    ("role", "`leaf`, `intermediate`, `root`"),
];

const INTRODUCTION: &str = "# Metrics\n\n\
    `/metrics` in OpenMetrics 1.0 or the text format 0.0.4, as the client asks, gzip when asked for. One scrape is one snapshot: a row that\n\
    a reload removed is gone at once, a timestamp that has not happened yet is absent. Nothing that a server sent ever becomes a label, but\n\
    the fields of its certificate, cut at 256 bytes.\n";

const QUERIES: &str = "\n## Useful queries\n\n\
    | you want to know | ask |\n|---|---|\n\
    | what is red | `backend_health_state{state=\"unhealthy\"} == 1` |\n\
    | why, and who acts | `backend_health_cause_info` |\n\
    | what to do | `backend_health_cause_info * on(cause, side) group_left(title, remedy) topk by(cause, side) (1, backend_health_cause_help_info)`, with any number of exporters |\n\
    | which part of a pool is left | `backend_health_pool_servers{state=\"healthy\"} / ignoring(state) sum without(state) (backend_health_pool_servers)` |\n\
    | whose certificate ends within three weeks | `backend_health_certificate_not_after_timestamp_seconds{on_path=\"true\"} - time() < 21 * 86400` |\n\
    | what goes wrong how often | `rate(backend_health_pool_probe_failures_total[5m]) > 0` |\n\
    | how old a verdict is | `time() - backend_health_last_probe_timestamp_seconds` |\n\
    | does the exporter keep up | `histogram_quantile(0.99, rate(backend_health_exporter_probe_start_delay_seconds_bucket[5m]))` |\n";

fn labels(family: &Family) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for (key, _) in family.samples.iter().flat_map(|sample| &sample.labels) {
        if key != "le" && !labels.contains(&key.as_str()) {
            labels.push(key);
        }
    }
    labels
}

fn whose(family: &Family) -> Whose {
    let labels = labels(family);
    match () {
        () if ROW.iter().all(|label| labels.contains(label)) => Whose::Row,
        () if labels.contains(&"pool") => Whose::Pool,
        () if labels.contains(&"remedy") => Whose::Cause,
        () => Whose::Exporter,
    }
}

#[test]
fn the_page_is_what_the_exporter_says_of_itself() {
    let families = exposition::read(&rendered(&full_snapshot(), Format::Text), Format::Text);
    let mut page = INTRODUCTION.to_owned();
    let mut shown = BTreeMap::new();
    for (heading, about, of) in SECTIONS {
        let _ = write!(page, "\n## {heading}\n\n{about}\n\n| metric | type | labels | |\n|---|---|---|---|\n");
        for family in families.iter().filter(|family| whose(family) == of) {
            let own: Vec<_> =
                labels(family).into_iter().filter(|label| of != Whose::Row || !ROW.contains(label)).collect();
            let own: Vec<_> = own.iter().map(|label| format!("`{label}`")).collect();
            let Family { name, kind, help, .. } = family;
            let _ = writeln!(page, "| `{name}` | {kind} | {} | {help} |", own.join(", "));
            *shown.entry(name.clone()).or_insert(0) += 1;
        }
    }
    assert!(shown.len() == families.len() && shown.values().all(|times| *times == 1), "each metric stands there once");
    page.push_str("\n## Label values\n\n| label | values |\n|---|---|\n");
    for (label, values) in VALUES {
        let _ = writeln!(page, "| {label} | {values} |");
    }
    page.push_str(QUERIES);
    assert_or_bless("docs/metrics.md", &page);
}
