//! *Server troubleshooting*: one row in depth, and who else has the same kind of trouble.

use super::links;
use super::model::{Dashboard, Line, Section};
use super::overview::rows_of_category;
use super::panel::{Column, Panel};
use super::query::{WITH_WORDS, nearness, state, worst_with_cause};
use super::variables::Variables;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "backend-health-server",
        title: "Server troubleshooting",
        description: "One backend server in depth: its state and cause over time, where its probes spend their time, \
                      what it answers, which certificates it sends, and what changed. Choose a pool, a setting and a \
                      server; links from the overview do it for you.",
        variables: Variables::Server,
        sections: vec![verdict(), history(), probes(), certificates(), categories()],
    }
}

/// Several rows in one lane each need more of a name.
const ROW_LEGEND: &str = "{{pool}} / {{server}} ({{setting}})";

fn verdict() -> Section {
    let mut why = vec![Column::new("Value", "State").width(100).mapped(links::states())];
    why.extend([
        Column::new("server", "Server").width(150),
        Column::new("setting", "Setting").width(130),
        links::why_column(),
        links::side_column(),
        Column::new("remedy", "What to do").wrapped(),
        Column::new("pool", "Pool").width(110),
        links::code_column(),
        links::exporter_column(),
    ]);
    Section {
        heading: None,
        lines: vec![Line {
            height: 9,
            panels: vec![
                (
                    5,
                    Panel::stat(
                        "State now",
                        "The state of the chosen rows: at most 12, the worst first.",
                        "none",
                        "{{server}} ({{setting}})",
                        &format!("sort_desc(topk(12, {}))", state("ROW")),
                    )
                    .mappings(links::states())
                    .when_empty("no such row"),
                ),
                (
                    19,
                    Panel::table(
                        "Why, who acts, what to do",
                        "The cause of each chosen row's latest probe, if that failed. Row's page leads to what the \
                         exporter knows of it: the certificates as they were sent, the response, the commands that \
                         show the same by hand.",
                        &why,
                        &[&worst_with_cause(100, "ROW", "")],
                    )
                    .largest_first("State")
                    .when_empty("Nothing is wrong: the latest probe succeeded."),
                ),
            ],
        }],
    }
}

fn history() -> Section {
    Section {
        heading: Some("State, cause, and what changed"),
        lines: vec![
            Line {
                height: 7,
                panels: vec![
                    (
                        12,
                        Panel::timeline("State", "Each chosen row's state over time.", &[(ROW_LEGEND, &state("ROW"))])
                            .mappings(links::states()),
                    ),
                    (
                        12,
                        Panel::timeline(
                            "Cause",
                            "A lane for each cause, filled while the row's latest probe ended with it. No lanes: no \
                             probe failed.",
                            &[(
                                "{{server}} ({{setting}}): {{title}}",
                                &format!("backend_health_cause_info{{ROW}} {WITH_WORDS}"),
                            )],
                        )
                        .mappings(links::values(&[("1", "failing", "red")]))
                        .when_empty("No probe failed."),
                    ),
                ],
            },
            Line {
                height: 7,
                panels: vec![
                    (
                        12,
                        Panel::timeline(
                            "What changed: certificate and TLS",
                            "A lane for each certificate that the server had as its own, and for each TLS version and \
                             cipher suite. A new lane is a new certificate, or another side's new TLS settings.",
                            &[
                                (
                                    "{{server}} ({{setting}}): {{subject}}, {{serial}}",
                                    "backend_health_certificate_info{ROW}",
                                ),
                                ("{{server}} ({{setting}}): {{version}}, {{cipher}}", "backend_health_tls_info{ROW}"),
                            ],
                        )
                        .mappings(links::values(&[("1", "in use", "blue")]))
                        .when_empty("No TLS here."),
                    ),
                    (
                        12,
                        Panel::graph(
                            "What changed: changes of state",
                            "How often the chosen rows changed into each state. Many bars: the server flaps.",
                            "none",
                            &[(
                                "to {{to}}",
                                "sum by (to) (increase(backend_health_transitions_total{ROW}[$__rate_interval])) > 0",
                            )],
                        )
                        .drawn_as_bars()
                        .colored("to healthy", "green")
                        .colored("to unhealthy", "red")
                        .colored("to unknown", "yellow")
                        .when_empty("No state changed."),
                    ),
                ],
            },
        ],
    }
}

fn probes() -> Section {
    let phase = |phase: &str| format!("avg(backend_health_probe_phase_duration_seconds{{ROW, phase=\"{phase}\"}})");
    let phases: Vec<(&str, String)> = [
        ("name resolution", "dns"),
        ("TCP connect", "connect"),
        ("TLS handshake", "tls"),
        ("waiting for the first byte", "first_byte"),
        ("receiving the response", "transfer"),
    ]
    .map(|(legend, name)| (legend, phase(name)))
    .into();
    let phases: Vec<(&str, &str)> = phases.iter().map(|(legend, expression)| (*legend, expression.as_str())).collect();
    Section {
        heading: Some("Probes"),
        lines: vec![
            Line {
                height: 9,
                panels: vec![
                    (
                        12,
                        Panel::stacked(
                            "Where a probe spends its time",
                            "The parts of the latest probe, in their order; with several rows chosen, their mean. A \
                             part that is missing was not reached.",
                            "s",
                            &phases,
                        ),
                    ),
                    (
                        12,
                        Panel::timeline(
                            "Status codes",
                            "What the chosen rows answered over HTTP.",
                            &[(ROW_LEGEND, "backend_health_http_status_code{ROW}")],
                        )
                        .mappings(links::status_codes())
                        .when_empty("No HTTP here."),
                    ),
                ],
            },
            Line {
                height: 8,
                panels: vec![
                    (
                        8,
                        Panel::graph(
                            "Probes and failures per second",
                            "How often the chosen rows are probed, and how many of the probes fail.",
                            "ops",
                            &[
                                ("probes", "sum(rate(backend_health_probes_total{ROW}[$__rate_interval]))"),
                                (
                                    "failures: {{cause}}",
                                    "sum by (cause) (rate(backend_health_probe_failures_total{ROW}[$__rate_interval]))",
                                ),
                            ],
                        ),
                    ),
                    (
                        8,
                        Panel::graph(
                            "Failed in a row",
                            "The longest streak among the chosen rows, for each setting. A row turns Unhealthy when \
                             its streak reaches the probe's unhealthy_threshold.",
                            "none",
                            &[("{{setting}}", "max by (setting) (backend_health_consecutive_failures{ROW})")],
                        ),
                    ),
                    (
                        8,
                        Panel::graph(
                            "Successful probes of the whole pool",
                            "How long they took, for all servers of the chosen pools and settings. Compare: it may be this \
                             server that is slow, or all of them.",
                            "s",
                            &[("half", &quantile("0.5")), ("90%", &quantile("0.9")), ("99%", &quantile("0.99"))],
                        )
                        .when_empty("No probe succeeded."),
                    ),
                ],
            },
        ],
    }
}

fn quantile(share: &str) -> String {
    format!(
        "histogram_quantile({share}, sum by (le) \
         (rate(backend_health_probe_latency_seconds_bucket{{POOL}}[$__rate_interval])))"
    )
}

fn certificates() -> Section {
    let dates = "backend_health_certificate_not_after_timestamp_seconds{ROW}";
    let begin = "backend_health_certificate_not_before_timestamp_seconds{ROW}";
    Section {
        heading: Some("Certificates and TLS"),
        lines: vec![
            Line {
                height: 8,
                panels: vec![
                    (
                        14,
                        Panel::table(
                            "Certificate chain as sent",
                            "Every certificate in the order in which the server sent it, also when it was refused. A \
                             chain without an intermediate between leaf and root is the usual reason for a refusal.",
                            &[
                                Column::new("server", "Server").width(150),
                                Column::new("setting", "Setting").width(130),
                                Column::new("position", "Position").width(90),
                                Column::new("role", "Certificate").width(120),
                                links::nearness_column("Value #D"),
                                Column::new("Value #A", "Days left").width(100).decimals(1),
                                Column::new("Value #B", "Ends").width(180).unit("dateTimeAsIso"),
                                Column::new("Value #C", "Begins").unit("dateTimeAsIso"),
                            ],
                            &[
                                &format!("sum by (ROW_LABELS, position, role) (({dates} - time()) / 86400)"),
                                &format!("sum by (ROW_LABELS, position, role) ({dates} * 1000)"),
                                &format!("sum by (ROW_LABELS, position, role) ({begin} * 1000)"),
                                &nearness(
                                    &format!("min by (ROW_LABELS, position, role) ({dates})"),
                                    &format!("min by (ROW_LABELS, position, role) ({begin})"),
                                ),
                            ],
                        )
                        .smallest_first("Position")
                        .when_empty("No certificate was sent within 24 hours."),
                    ),
                    (
                        10,
                        Panel::table(
                            "TLS version",
                            "What the latest handshake came to.",
                            &[
                                Column::new("server", "Server").width(150),
                                Column::new("setting", "Setting").width(130),
                                Column::new("version", "Version").width(90),
                                Column::new("cipher", "Cipher suite"),
                            ],
                            &["max by (ROW_LABELS, version, cipher) (backend_health_tls_info{ROW})"],
                        )
                        .when_empty("No handshake came far enough within 24 hours."),
                    ),
                ],
            },
            Line {
                height: 7,
                panels: vec![(
                    24,
                    Panel::table(
                        "The server's own certificate",
                        "Whose it is, who signed it, and how to recognise it.",
                        &[
                            Column::new("server", "Server").width(150),
                            Column::new("setting", "Setting").width(130),
                            Column::new("subject", "Subject"),
                            Column::new("issuer", "Issuer"),
                            Column::new("serial", "Serial number").width(220),
                            Column::new("fingerprint_sha256", "SHA-256 fingerprint"),
                        ],
                        &["max by (ROW_LABELS, subject, issuer, serial, fingerprint_sha256) \
                           (backend_health_certificate_info{ROW})"],
                    )
                    .when_empty("No certificate of a server was seen within 24 hours."),
                )],
            },
        ],
    }
}

/// Who else has it: here the choice of a pool, a setting and a server does not apply.
fn categories() -> Section {
    let panel = |title: &str, about: &str, cause: &str, none: &str| {
        let description = format!(
            "{about} Every row with such a cause, whatever is chosen above: who else has it? Why leads to the section \
             of the documentation, Row's page to the evidence. At most 100 rows."
        );
        (12, rows_of_category(title, &description, cause, none))
    };
    let line = |panels: [(u32, Panel); 2]| Line { height: 8, panels: panels.into() };
    Section {
        heading: Some("All rows in trouble, by kind"),
        lines: vec![
            line([
                panel("DNS", "The server's name gave no address to probe.", ", stage=\"dns\"", "Every name resolves."),
                panel(
                    "TCP",
                    "No connection: refused, dropped, unreachable, broken off.",
                    ", stage=\"tcp\"",
                    "Every server can be connected to.",
                ),
            ]),
            line([
                panel(
                    "TLS handshake",
                    "Connected, but the two sides did not agree on TLS.",
                    ", stage=\"tls\", cause=~\"tls_.+\"",
                    "Every handshake is well.",
                ),
                panel(
                    "Certificate",
                    "The server's certificate or its chain was refused.",
                    ", stage=\"tls\", cause=~\"cert_.+\"",
                    "Every certificate is accepted.",
                ),
            ]),
            line([
                panel(
                    "HTTP",
                    "Connected, but the response was not the expected one.",
                    ", stage=\"http\"",
                    "Every response is as expected.",
                ),
                panel(
                    "The exporter's own host",
                    "The exporter could not probe, so it judges nobody.",
                    ", stage=\"local\"",
                    "The exporter's host is well.",
                ),
            ]),
        ],
    }
}
