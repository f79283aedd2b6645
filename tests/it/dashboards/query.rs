//! `PromQL` as the dashboards' source has it. The words in upper case stand for what nearly every expression needs.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::variables::EXPORTER_URL;

/// The data source that the reader chose.
pub(super) static DATA_SOURCE: LazyLock<Value> =
    LazyLock::new(|| json!({"type": "prometheus", "uid": "${datasource}"}));

/// What a word in upper case stands for. The longer ones come first.
const WORDS: [(&str, &str); 4] = [
    ("ROW_LABELS", "job, instance, pool, setting, server, port, protocol"),
    ("ROW", "POOL, server=~\"$server\""),
    ("POOL", "EXPORTER, pool=~\"$pool\", setting=~\"$setting\""),
    ("EXPORTER", "job=~\"$job\", instance=~\"$instance\""),
];

/// The expression with every word replaced, on one line.
pub(super) fn spelled_out(expression: &str) -> String {
    let mut text = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    for (word, meaning) in WORDS {
        text = text.replace(word, meaning);
    }
    text
}

/// Every row that `rows` selects, as a number that sorts by urgency: 2 Unhealthy, 1 Unknown, 0 Healthy.
pub(super) fn state(rows: &str) -> String {
    format!(
        "sum by (ROW_LABELS) (backend_health_state{{{rows}, state=\"unhealthy\"}} * 2 \
         or backend_health_state{{{rows}, state=\"unknown\"}})"
    )
}

/// The rows that have such a cause, by state: the worst ones, and no more than `limit`.
pub(super) fn worst(limit: u32, rows: &str, cause: &str) -> String {
    format!("topk({limit}, {} and on (ROW_LABELS) backend_health_cause_info{{{rows}{cause}}})", state(rows))
}

/// The same, with that cause and its words as labels, and where to read more.
pub(super) fn worst_with_cause(limit: u32, rows: &str, cause: &str) -> String {
    with_url(&format!(
        "{} * on (ROW_LABELS) group_left (cause, stage, side) backend_health_cause_info{{{rows}}} {WITH_WORDS}",
        worst(limit, rows, cause)
    ))
}

/// Joins the words for a cause and the side that has to act, which every exporter has: from one of them, so that two, of
/// different versions perhaps, are no two answers.
pub(super) const WITH_WORDS: &str = "* on (cause, side) group_left (title, remedy) \
                                     topk by (cause, side) (1, backend_health_cause_help_info{EXPORTER})";

/// The title of a cause alone, where its side is not known.
pub(super) const WITH_TITLE: &str =
    "* on (cause) group_left (title) topk by (cause) (1, backend_health_cause_help_info{EXPORTER})";

/// How near a certificate is to its end, by the alerts' own limits: 0 ended, 1 and 2 as the two alerts have it, 3 neither.
pub(super) fn nearness(not_after: &str, not_before: &str) -> String {
    let left = format!("({not_after} - time())");
    let least = |part: u32, days: u32| format!("clamp_max(({not_after} - {not_before}) / {part}, {days} * 86400)");
    format!("({left} > bool 0) + ({left} >= bool {}) + ({left} >= bool {})", least(12, 7), least(4, 21))
}

/// Adds where a browser finds the exporter, as the reader chose it.
pub(super) fn with_url(expression: &str) -> String {
    format!("label_replace({expression}, \"exporter_url\", \"${{exporter_url}}\", \"instance\", \"(.*)\")")
}

/// What Grafana puts in for its variables when nothing was chosen, and an interval that fits a young Prometheus.
pub(super) fn interpolated(text: &str) -> String {
    let values = [
        ("${exporter_url}", EXPORTER_URL),
        ("$__rate_interval", "20s"),
        ("$__interval", "2s"),
        ("$__range", "1m"),
        ("$job", ".+"),
        ("$instance", ".+"),
        ("$pool", ".+"),
        ("$setting", ".+"),
        ("$server", ".+"),
    ];
    values.iter().fold(text.to_owned(), |text, (variable, value)| text.replace(variable, value))
}
