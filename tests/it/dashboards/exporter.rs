//! *Exporter*: whether what the other dashboards say can be believed.

use super::links;
use super::model::{Dashboard, Line, Section};
use super::panel::{Column, Panel};
use super::variables::Variables;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "backend-health-exporter",
        title: "Backend health exporter",
        description: "Whether backend_health_exporter itself is well: it probes in time, skips nothing, and uses the \
                      configuration that you gave it.",
        variables: Variables::Exporter,
        sections: vec![now(), schedule(), process()],
    }
}

/// Several exporters need their names.
const LEGEND: &str = "{{instance}}";

fn now() -> Section {
    let numbers = numbers().into_iter().map(|panel| (4, panel)).collect();
    Section {
        heading: None,
        lines: vec![Line { height: 5, panels: numbers }, Line { height: 6, panels: vec![(24, about())] }],
    }
}

fn numbers() -> [Panel; 6] {
    let stat = |title: &str, description: &str, unit, expression: &str| {
        Panel::stat(title, description, unit, LEGEND, expression).when_empty("none found")
    };
    [
        stat("Exporter", "Whether Prometheus reaches it.", "none", "up{EXPORTER}")
            .mappings(links::values(&[("0", "Down", "red"), ("1", "Up", "green")])),
        stat(
            "Configuration",
            "Whether the latest attempt to load the configuration succeeded. When it was refused, the one before is \
             still in use; the log says what is wrong with it.",
            "none",
            "backend_health_exporter_config_last_reload_successful{EXPORTER}",
        )
        .mappings(links::values(&[("0", "Refused", "red"), ("1", "In use", "green")])),
        stat(
            "Rows",
            "Servers under each of their settings: what is probed.",
            "none",
            "sum by (job, instance) (backend_health_pool_servers{EXPORTER})",
        )
        .thresholds(&[(None, "blue")]),
        stat(
            "Without verdict",
            "Rows whose latest verdict is missing because of the exporter's own host, and not because of a name or a \
             server.",
            "none",
            "count by (job, instance) (backend_health_cause_info{EXPORTER, stage=\"local\"}) or 0 * sum by (job, instance) (up{EXPORTER})",
        )
        .thresholds(&[(None, "green"), (Some(1.0), "red")]),
        stat(
            "Late (99%)",
            "99 of 100 probes start no later than this after their beat. Above a second this host is too busy.",
            "s",
            &delay("0.99"),
        )
        .thresholds(&[(None, "green"), (Some(0.25), "yellow"), (Some(1.0), "red")]),
        stat(
            "Skipped per second",
            "Beats on which no probe was started, because the one before still ran or there was no room for more.",
            "ops",
            "rate(backend_health_exporter_probes_skipped_total{EXPORTER}[$__rate_interval])",
        )
        .thresholds(&[(None, "green"), (Some(0.001), "yellow"), (Some(1.0), "red")]),
    ]
}

fn about() -> Panel {
    Panel::table(
        "Version, start and configuration",
        "What runs, since when, and when it last took a configuration into use.",
        &[
            Column::new("instance", "Exporter").width(220),
            Column::new("job", "Job").width(180),
            Column::new("version", "Version").width(120),
            Column::new("revision", "Source revision").width(320),
            Column::new("Value #B", "Started").width(180).unit("dateTimeFromNow"),
            Column::new("Value #C", "Configuration loaded").unit("dateTimeFromNow"),
        ],
        &[
            "max by (job, instance, version, revision) (backend_health_exporter_build_info{EXPORTER})",
            "max by (job, instance) (process_start_time_seconds{EXPORTER}) * 1000",
            "max by (job, instance) \
             (backend_health_exporter_config_last_reload_success_timestamp_seconds{EXPORTER}) * 1000",
        ],
    )
    .when_empty("No exporter was found.")
}

fn delay(share: &str) -> String {
    format!(
        "histogram_quantile({share}, sum by (job, instance, le) \
         (rate(backend_health_exporter_probe_start_delay_seconds_bucket{{EXPORTER}}[$__rate_interval])))"
    )
}

fn schedule() -> Section {
    let line = |panels: [Panel; 3]| Line { height: 8, panels: panels.into_iter().map(|panel| (8, panel)).collect() };
    Section {
        heading: Some("Schedule"),
        lines: vec![
            line([
                Panel::graph(
                    "How late probes start",
                    "The time from a probe's beat to its start. A growing delay means that this host is too busy; a \
                     timeout that comes from it is not booked on a server.",
                    "s",
                    &[
                        ("{{instance}} half", &delay("0.5")),
                        ("{{instance}} 90%", &delay("0.9")),
                        ("{{instance}} 99%", &delay("0.99")),
                    ],
                ),
                Panel::graph(
                    "Probes in flight",
                    "Probes that run at the same time. It grows with servers that do not answer, up to their timeout.",
                    "none",
                    &[(LEGEND, "backend_health_exporter_probes_in_flight{EXPORTER}")],
                ),
                Panel::graph(
                    "Skipped beats per second",
                    "Beats on which no probe was started, because the one before still ran or this host had no room \
                     for more.",
                    "ops",
                    &[(LEGEND, "rate(backend_health_exporter_probes_skipped_total{EXPORTER}[$__rate_interval])")],
                ),
            ]),
            line([
                Panel::graph(
                    "Probes per second",
                    "Probes that ended, whatever their result.",
                    "ops",
                    &[(
                        LEGEND,
                        "sum by (job, instance) (rate(backend_health_probes_total{EXPORTER}[$__rate_interval]))",
                    )],
                ),
                Panel::graph(
                    "Probes without a verdict per second",
                    "Probes that ended by trouble of this host: no descriptors, too late, no network.",
                    "ops",
                    &[(
                        "{{instance}} {{cause}}",
                        "sum by (job, instance, cause) \
                         (rate(backend_health_pool_probe_failures_total{EXPORTER, cause=~\"local_.+\"}\
                         [$__rate_interval]))",
                    )],
                ),
                Panel::graph(
                    "Age of the oldest verdict",
                    "How long ago the row that has waited longest was probed. It should stay below the longest \
                     interval and timeout of your probes.",
                    "s",
                    &[(
                        LEGEND,
                        "time() - min by (job, instance) (backend_health_last_probe_timestamp_seconds{EXPORTER})",
                    )],
                ),
            ]),
        ],
    }
}

fn process() -> Section {
    let line = |panels: [Panel; 2]| Line { height: 8, panels: panels.into_iter().map(|panel| (12, panel)).collect() };
    Section {
        heading: Some("Process"),
        lines: vec![
            line([
                Panel::graph(
                    "CPU",
                    "100% is one whole core.",
                    "percentunit",
                    &[(LEGEND, "rate(process_cpu_seconds_total{EXPORTER}[$__rate_interval])")],
                ),
                Panel::graph(
                    "Memory",
                    "Memory of the exporter that is in RAM.",
                    "bytes",
                    &[(LEGEND, "process_resident_memory_bytes{EXPORTER}")],
                ),
            ]),
            line([
                Panel::graph(
                    "File descriptors",
                    "Open ones, and how many may be open. Probes need one each; without any left they give no verdict.",
                    "none",
                    &[
                        ("{{instance}} open", "process_open_fds{EXPORTER}"),
                        ("{{instance}} allowed", "process_max_fds{EXPORTER}"),
                    ],
                ),
                Panel::graph(
                    "Scrapes",
                    "How long Prometheus waited for the metrics.",
                    "s",
                    &[(LEGEND, "scrape_duration_seconds{EXPORTER}")],
                ),
            ]),
        ],
    }
}
