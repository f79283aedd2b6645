//! *Backend health overview*: what is red, why, whose side acts and what to do, before anything else.

use super::links;
use super::model::{Dashboard, Line, Section};
use super::panel::{Column, NewTab, Panel};
use super::query::{WITH_TITLE, WITH_WORDS, nearness, with_url, worst, worst_with_cause};
use super::variables::Variables;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "backend-health-overview",
        title: "Backend health overview",
        description: "Which backend servers are not healthy, why, whose side has to act, and what to do.",
        variables: Variables::Row,
        sections: vec![now(), over_time(), pools(), certificates()],
    }
}

fn now() -> Section {
    Section {
        heading: None,
        lines: vec![
            Line { height: 4, panels: numbers().into_iter().map(|panel| (4, panel)).collect() },
            Line { height: 9, panels: vec![(24, causes())] },
            Line { height: 11, panels: vec![(24, rows_that_are_not_well())] },
        ],
    }
}

fn numbers() -> Vec<Panel> {
    let in_state = |title: &str, state: &str, description: &str, some: &'static str, none: &'static str| {
        let expression = format!("sum(backend_health_state{{ROW, state=\"{state}\"}})");
        Panel::stat(title, description, "none", "", &expression)
            .thresholds(&[(None, none), (Some(1.0), some)])
            .when_empty("no rows")
    };
    vec![
        in_state(
            "Unhealthy",
            "unhealthy",
            "Rows whose probes fail. A row is one server of one pool under one backend setting.",
            "red",
            "green",
        ),
        in_state(
            "Unknown",
            "unknown",
            "Rows that cannot be judged: the name does not resolve, no probe has ended yet, or the exporter's own host \
             is in trouble. No guess about the server.",
            "yellow",
            "green",
        ),
        in_state("Healthy", "healthy", "Rows whose probes succeed.", "green", "red"),
        Panel::stat(
            "Pools that are down",
            "Pools that have, under one of their settings, servers but not a single Healthy one.",
            "none",
            "",
            "count((sum by (job, instance, pool, setting) (backend_health_pool_servers{POOL, state=\"healthy\"}) == 0) \
             and sum by (job, instance, pool, setting) (backend_health_pool_servers{POOL}) > 0) or vector(0)",
        )
        .thresholds(&[(None, "green"), (Some(1.0), "red")]),
        Panel::stat(
            "Next certificate ends",
            "How long the certificate with the nearest end is still valid, of all that the servers send.",
            "s",
            "",
            "min(backend_health_certificate_not_after_timestamp_seconds{ROW, on_path=\"true\"}) - time()",
        )
        .mappings(serde_json::json!([{
            "type": "range",
            "options": {"from": null, "to": 0, "result": {"text": "expired", "color": "red", "index": 0}},
        }]))
        .thresholds(&[
            (None, "red"),
            (Some(7.0 * 86_400.0), "orange"),
            (Some(21.0 * 86_400.0), "yellow"),
            (Some(45.0 * 86_400.0), "green"),
        ])
        .when_empty("no certificates"),
        Panel::stat(
            "Exporters",
            "Whether Prometheus reaches every exporter. While one is down, what is shown of its rows is old.",
            "none",
            "",
            "min(up{EXPORTER})",
        )
        .mappings(links::values(&[("0", "Down", "red"), ("1", "Up", "green")]))
        .when_empty("none found"),
    ]
}

fn causes() -> Panel {
    let rows = format!(
        "count by (cause, stage, side, title, remedy) (backend_health_cause_info{{ROW}} {WITH_WORDS}) \
         * on (cause) group_left (exporter_url) topk by (cause) (1, {})",
        with_url("backend_health_cause_help_info{EXPORTER}")
    );
    Panel::table(
        "What is wrong, who acts, what to do",
        "One line for each cause that a latest probe ended with, those on the most rows first. When one cause is on \
         many rows at once, look at what these rows share before you look at a server. What to do is the first step; \
         the row's page has all of them, with names and dates.",
        &[
            links::side_column(),
            links::why_column(),
            Column::new("Value", "Rows").width(70),
            Column::new("remedy", "What to do").wrapped(),
            Column::new("stage", "Showed in").width(90),
            links::code_column(),
            links::exporter_of_cause_column(),
        ],
        &[&rows],
    )
    .largest_first("Rows")
    .when_empty("Nothing is wrong: every latest probe succeeded.")
}

fn rows_that_are_not_well() -> Panel {
    let same_rows = format!("on (ROW_LABELS) {}", worst(500, "ROW", ""));
    let mut columns = vec![Column::new("Value #A", "State").width(100).mapped(links::states())];
    columns.extend(links::row_columns());
    columns.extend([
        links::why_column(),
        links::side_column(),
        Column::new("remedy", "What to do"),
        Column::new("Value #B", "Since").width(130).unit("dateTimeFromNow").when_empty("the start"),
        Column::new("Value #C", "Failed in a row").width(120),
        links::code_column(),
        links::exporter_column(),
    ]);
    Panel::table(
        "Servers that are not well",
        "Every row that is Unhealthy or Unknown, the Unhealthy ones first, and those still Healthy whose latest probe \
         failed: at most 500. Why leads to the remedy, Pool and Server to the row in depth, Row's page to the certificates and the \
         evidence.",
        &columns,
        &[
            &worst_with_cause(500, "ROW", ""),
            &format!(
                "sum by (ROW_LABELS) (backend_health_last_transition_timestamp_seconds{{ROW}} * 1000 and {same_rows})"
            ),
            &format!("sum by (ROW_LABELS) (backend_health_consecutive_failures{{ROW}} and {same_rows})"),
        ],
    )
    .largest_first("State")
    .when_empty("Every row is well.")
}

fn over_time() -> Section {
    // First the few rows that matter, then their states: what is done for each of 2,000 rows at each of hundreds of
    // points in time must be little.
    let in_state = |state: &str| {
        format!(
            "(backend_health_state{{ROW, state=\"{state}\"}} and on (ROW_LABELS) topk(40, sum by (ROW_LABELS) \
             (avg_over_time(backend_health_state{{ROW, state!=\"healthy\"}}[$__range] @ end())) > 0))"
        )
    };
    let states = format!("sum by (ROW_LABELS) ({} * 2 or {})", in_state("unhealthy"), in_state("unknown"));
    Section {
        heading: Some("Over time"),
        lines: vec![
            Line {
                height: 11,
                panels: vec![(
                    24,
                    Panel::timeline(
                        "State of the servers that were not well",
                        "A lane for each row that was not Healthy at some time in this range: at most 40, those that \
                         were so the longest.",
                        &[("{{pool}} / {{server}} ({{setting}})", &states)],
                    )
                    .mappings(links::states())
                    .link("This server in depth", links::SERVER_DASHBOARD_OF_SERIES)
                    .when_empty("Every row was Healthy all the time."),
                )],
            },
            Line {
                height: 9,
                panels: vec![
                    (
                        12,
                        Panel::stacked(
                            "Rows by cause",
                            "On how many rows the latest probe ended with this cause.",
                            "none",
                            &[(
                                "{{title}}",
                                &format!(
                                    "sum by (title) (count by (cause, side) (backend_health_cause_info{{ROW}}) {WITH_WORDS})"
                                ),
                            )],
                        )
                        .when_empty("No probe failed."),
                    ),
                    (
                        12,
                        Panel::stacked(
                            "Failed probes per second by cause",
                            "Single failures show here, too, which change no state while they stay below the \
                             threshold. The choice of a server does not apply: this is counted for each pool and \
                             setting.",
                            "ops",
                            &[(
                                "{{title}}",
                                &format!(
                                    "sum by (title) ((sum by (cause) (rate(backend_health_pool_probe_failures_total{{POOL}}\
                                     [$__rate_interval])) > 0) {WITH_TITLE})"
                                ),
                            )],
                        )
                        .when_empty("No probe failed."),
                    ),
                ],
            },
        ],
    }
}

fn pools() -> Section {
    let share = |at: &str| {
        format!(
            "sum by (pool, setting) (backend_health_pool_servers{{POOL, state=\"healthy\"}}{at}) \
             / (sum by (pool, setting) (backend_health_pool_servers{{POOL}}{at}) > 0)"
        )
    };
    let legend = "{{pool}} ({{setting}})";
    let colors: &[(Option<f64>, &str)] = &[(None, "red"), (Some(0.5), "orange"), (Some(1.0), "green")];
    Section {
        heading: Some("Pools"),
        lines: vec![Line {
            height: 9,
            panels: vec![
                (
                    12,
                    Panel::bars(
                        "Healthy share of each pool now",
                        "How many of a pool's servers are Healthy under a setting: at most 20 pools, the worst ones.",
                        "percentunit",
                        legend,
                        &format!("sort(bottomk(20, {}))", share("")),
                    )
                    .up_to(1.0)
                    .thresholds(colors),
                ),
                (
                    12,
                    Panel::graph(
                        "Healthy share of each pool",
                        "The same over time, for the 20 pools that are worst at the end of this range.",
                        "percentunit",
                        &[(
                            legend,
                            &format!("{} and on (pool, setting) bottomk(20, {})", share(""), share(" @ end()")),
                        )],
                    )
                    .up_to(1.0),
                ),
            ],
        }],
    }
}

fn certificates() -> Section {
    // The one of a row's certificates that ends first, of the 100 rows where that is soonest.
    let soonest = "bottomk(100, bottomk by (ROW_LABELS) (1, min by (ROW_LABELS, role, position) \
                   (backend_health_certificate_not_after_timestamp_seconds{ROW, on_path=\"true\"})))";
    let begin = "min by (ROW_LABELS, role, position) \
                 (backend_health_certificate_not_before_timestamp_seconds{ROW, on_path=\"true\"})";
    let mut columns = vec![
        links::nearness_column("Value #C"),
        Column::new("Value #A", "Days left").width(100).decimals(1),
        Column::new("Value #B", "Ends").width(180).unit("dateTimeAsIso"),
        Column::new("role", "Certificate").width(120),
        Column::new("position", "Position").width(90),
    ];
    columns.extend(links::row_columns());
    columns.push(links::exporter_column());
    Section {
        heading: Some("Certificates"),
        lines: vec![Line {
            height: 9,
            panels: vec![(
                24,
                Panel::table(
                    "Certificates by days left",
                    "For each row the certificate of its chain that ends first, also when it was refused: at most 100, \
                     those that end soonest. Position 0 is the first one that the server sent. Soon and very soon \
                     depend on its lifetime, as for the alerts.",
                    &columns,
                    &[
                        &with_url(&format!("({soonest} - time()) / 86400")),
                        &with_url(&format!("{soonest} * 1000")),
                        &with_url(&nearness(soonest, begin)),
                    ],
                )
                .smallest_first("Days left")
                .when_empty("No server sent a certificate within 24 hours."),
            )],
        }],
    }
}

/// Rows with some causes, whatever row is chosen: for the dashboard of one server.
pub(super) fn rows_of_category(title: &str, description: &str, cause: &str, none: &str) -> Panel {
    let columns = [
        Column::new("Value", "State").width(100).mapped(links::states()),
        Column::new("pool", "Pool").width(110).links(&[("This server in depth", links::SERVER_DASHBOARD, NewTab::No)]),
        Column::new("server", "Server").width(150).links(&[(
            "This server in depth",
            links::SERVER_DASHBOARD,
            NewTab::No,
        )]),
        Column::new("setting", "Setting").width(130),
        links::why_column(),
        links::side_column(),
        links::code_column(),
        links::exporter_column(),
    ];
    Panel::table(title, description, &columns, &[&worst_with_cause(100, "EXPORTER", cause)])
        .largest_first("State")
        .when_empty(none)
}
