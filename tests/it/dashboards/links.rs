//! Where the cells and lanes of the dashboards lead, and the words and colours of what they show.

use serde_json::{Value, json};

use super::panel::{Column, NewTab};

/// From a table's line to its row in depth, for the same time.
pub(super) const SERVER_DASHBOARD: &str = "/d/backend-health-server?${datasource:queryparam}&${job:queryparam}&\
     ${instance:queryparam}&${exporter_url:queryparam}&var-pool=${__data.fields.pool:percentencode}&\
     var-setting=${__data.fields.setting:percentencode}&var-server=${__data.fields.server:percentencode}&\
     ${__url_time_range}";

/// The same from a series.
pub(super) const SERVER_DASHBOARD_OF_SERIES: &str = "/d/backend-health-server?${datasource:queryparam}&\
     ${job:queryparam}&${instance:queryparam}&${exporter_url:queryparam}&\
     var-pool=${__field.labels.pool:percentencode}&var-setting=${__field.labels.setting:percentencode}&\
     var-server=${__field.labels.server:percentencode}&${__url_time_range}";

/// The exporter's own page about a row.
const ROW_PAGE: &str = "${__data.fields.exporter_url:raw}/row?pool=${__data.fields.pool:percentencode}&\
     setting=${__data.fields.setting:percentencode}&server=${__data.fields.server:percentencode}";

/// What the documentation says about a cause.
const REMEDY: &str = "${__data.fields.exporter_url:raw}/docs/troubleshooting#${__data.fields.cause:percentencode}";

/// Which row: pool, server, setting, port, protocol. They lead to the row in depth.
pub(super) fn row_columns() -> Vec<Column> {
    let depth: &[_] = &[("This server in depth", SERVER_DASHBOARD, NewTab::No)];
    vec![
        Column::new("pool", "Pool").width(130).links(depth),
        Column::new("server", "Server").width(170).links(depth),
        Column::new("setting", "Setting").width(150),
        Column::new("port", "Port").width(70),
        Column::new("protocol", "Protocol").width(90),
    ]
}

/// Why, in words; leads to the documentation.
pub(super) fn why_column() -> Column {
    Column::new("title", "Why").width(210).links(&[("What it means and what to do", REMEDY, NewTab::Yes)])
}

/// The cause's code, by which the documentation, alerts and the log speak of it.
pub(super) fn code_column() -> Column {
    Column::new("cause", "Cause").width(190).links(&[("What it means and what to do", REMEDY, NewTab::Yes)])
}

pub(super) fn side_column() -> Column {
    Column::new("side", "Who acts").width(180).mapped(sides())
}

/// The exporter that says so; leads to its page about the row.
pub(super) fn exporter_column() -> Column {
    Column::new("exporter_url", "Row's page").links(&[("What the exporter knows of this row", ROW_PAGE, NewTab::Yes)])
}

/// The exporter, where a line is no row.
pub(super) fn exporter_of_cause_column() -> Column {
    Column::new("exporter_url", "Documentation").width(190).links(&[(
        "What it means and what to do",
        REMEDY,
        NewTab::Yes,
    )])
}

/// Text and colour for the numbers of `query::state`.
pub(super) fn states() -> Value {
    values(&[("0", "Healthy", "green"), ("1", "Unknown", "yellow"), ("2", "Unhealthy", "red")])
}

fn sides() -> Value {
    values(&[
        ("server", "Server", "blue"),
        ("gateway", "Gateway (our settings)", "orange"),
        ("network", "Network", "purple"),
        ("exporter", "Exporter's host", "yellow"),
    ])
}

/// Text and colour for single values.
pub(super) fn values(rows: &[(&str, &str, &str)]) -> Value {
    let options = rows.iter().enumerate().map(|(index, (value, text, color))| {
        ((*value).to_owned(), json!({"text": text, "color": color, "index": index}))
    });
    json!([{"type": "value", "options": options.collect::<serde_json::Map<_, _>>()}])
}

/// Colours for status codes, which are text enough, and words for none.
pub(super) fn status_codes() -> Value {
    let class = |from: u32, color: &str| json!({"type": "range", "options": {"from": from, "to": from + 99, "result": {"color": color, "index": from / 100}}});
    json!([
        {"type": "value", "options": {"0": {"text": "no response", "color": "purple", "index": 0}}},
        class(100, "blue"),
        class(200, "green"),
        class(300, "blue"),
        class(400, "orange"),
        class(500, "red"),
    ])
}

/// Text and colour for the numbers of `query::nearness`.
pub(super) fn nearness_column(field: &'static str) -> Column {
    Column::new(field, "Ends soon").width(110).mapped(values(&[
        ("0", "has ended", "red"),
        ("1", "very soon", "orange"),
        ("2", "soon", "yellow"),
        ("3", "no", "green"),
    ]))
}
