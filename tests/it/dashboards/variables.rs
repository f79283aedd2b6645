//! The choices on top of a dashboard, each one narrowed by those before it, and the marks in its graphs.

use serde_json::{Value, json};

use super::query::{DATA_SOURCE, spelled_out};

/// How far the choices go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    /// Data source, job, instance.
    Exporter,
    /// And pool, setting and server; and where a browser finds the exporter.
    Row,
    /// The same, but some of them and not all: what is shown of each row is too much for thousands of them.
    Server,
}

impl Variables {
    pub(super) fn json(self) -> Vec<Value> {
        let mut all = vec![
            json!({
                "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
                "description": "The Prometheus that scrapes backend_health_exporter.", "regex": "", "refresh": 1,
                "includeAll": false, "multi": false, "options": [], "skipUrlSync": false,
            }),
            query("job", "Job", "The scrape job.", "label_values(backend_health_exporter_build_info, job)"),
            query(
                "instance",
                "Instance",
                "The exporter, by the address at which it is scraped.",
                "label_values(backend_health_exporter_build_info{job=~\"$job\"}, instance)",
            ),
        ];
        if self != Self::Exporter {
            let mut row = [
                query("pool", "Pool", "The backend pool.", "label_values(backend_health_state{EXPORTER}, pool)"),
                query(
                    "setting",
                    "Setting",
                    "The backend setting: protocol, port, host name, trust.",
                    "label_values(backend_health_state{EXPORTER, pool=~\"$pool\"}, setting)",
                ),
                query(
                    "server",
                    "Server",
                    "The backend server, as the configuration has it.",
                    "label_values(backend_health_state{POOL}, server)",
                ),
                exporter_url(),
            ];
            if self == Self::Server {
                row[..3].iter_mut().for_each(without_all);
            }
            all.extend(row);
        }
        all
    }
}

fn query(name: &str, label: &str, description: &str, query: &str) -> Value {
    let query = spelled_out(query);
    json!({
        "name": name, "label": label, "description": description, "type": "query", "hide": 0,
        "datasource": DATA_SOURCE.clone(), "definition": query,
        "query": {"query": query, "refId": format!("variable-{name}")},
        // Again whenever the time range changes: what was there then is offered.
        "refresh": 2, "sort": 1, "regex": "", "multi": true, "includeAll": true, "allValue": ".+",
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]}, "options": [], "skipUrlSync": false,
    })
}

/// Begins with the first value instead of all of them.
fn without_all(variable: &mut Value) {
    variable["includeAll"] = json!(false);
    let variable = variable.as_object_mut().expect("a variable is an object");
    variable.retain(|key, _| key != "allValue" && key != "current");
}

/// Links to a row's page and to the documentation need an address that a browser can reach. Prometheus knows only the
/// one that it scrapes, so the first choice is made of that one.
fn exporter_url() -> Value {
    json!({
        "name": "exporter_url", "label": "Exporter at", "type": "textbox", "hide": 0, "query": EXPORTER_URL,
        "description": "Where your browser reaches the exporter: links to a row's page and to the remedies begin with \
                        it. $1 stands for the instance label; write a whole URL, without a slash at its end, when the \
                        exporter is behind a proxy.",
        "current": {"selected": true, "text": EXPORTER_URL, "value": EXPORTER_URL},
        "options": [{"selected": true, "text": EXPORTER_URL, "value": EXPORTER_URL}], "skipUrlSync": false,
    })
}

pub(super) const EXPORTER_URL: &str = "http://$1";

/// What explains many a change at once: the exporter started, or took another configuration into use.
pub(super) fn annotations() -> Vec<Value> {
    let mark = |name: &str, color: &str, metric: &str| {
        json!({
            "name": name, "enable": true, "hide": false, "iconColor": color, "datasource": DATA_SOURCE.clone(),
            "expr": spelled_out(&format!("{metric}{{EXPORTER}} * 1000")), "useValueForTime": "on", "step": "",
            "titleFormat": name, "textFormat": "{{instance}}", "tagKeys": "job",
        })
    };
    vec![
        json!({
            "name": "Annotations & Alerts", "type": "dashboard", "builtIn": 1, "enable": true, "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)", "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        }),
        mark("Exporter started", "purple", "process_start_time_seconds"),
        mark("Configuration loaded", "blue", "backend_health_exporter_config_last_reload_success_timestamp_seconds"),
    ]
}
