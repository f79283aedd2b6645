//! A real Prometheus scrapes the demo and finds in its database what the demo's plan says.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use backend_health_exporter::view::exposition::Format;
use reqwest::Client;
use rustls::RootCertStore;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::demo::settled;
use super::process::Process;
use super::{DEADLINE, PAUSE, http_client, text};
use crate::exposition;

/// A running Prometheus server that scrapes one target every second and gives it a label of its own, as people's do.
pub(crate) struct Prometheus {
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
    client: Client,
}

impl Prometheus {
    pub(crate) async fn scraping(target: SocketAddr) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let yaml = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: demo, static_configs: [{{targets: ['{target}'], \
             labels: {{environment: test}}}}]}}]\n"
        );
        std::fs::write(directory.path().join("prometheus.yml"), yaml).expect("the configuration can be written");
        Self::start(directory).await
    }

    /// One that scrapes this target in the rhythm of a test, and evaluates the rules as they are shipped. It has time
    /// for a target that has none.
    pub(crate) async fn with_the_shipped_rules(target: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus/backend_health.rules.yml");
        let rules = std::fs::read_to_string(rules).expect("the rules are there");
        assert_eq!(rules.matches("interval: 30s").count(), 1);
        std::fs::write(directory.path().join("rules.yml"), rules.replace("interval: 30s", "interval: 1s"))
            .expect("the rules can be written");
        let yaml = format!(
            "global: {{scrape_interval: 10s, scrape_timeout: 10s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: backend_health, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(directory.path().join("prometheus.yml"), yaml).expect("the configuration can be written");
        Self::start(directory).await
    }

    /// One with the `prometheus.yml` in this directory.
    pub(super) async fn start(directory: TempDir) -> Self {
        installed("prometheus");
        let mut process = Process::spawn(
            Command::new("prometheus")
                .arg(format!("--config.file={}", text(&directory.path().join("prometheus.yml"))))
                .arg(format!("--storage.tsdb.path={}", text(&directory.path().join("data"))))
                .arg("--web.listen-address=127.0.0.1:0"),
        );
        let address = process.said("where Prometheus listens", where_it_listens).await;
        let client = http_client(RootCertStore::empty()).build().unwrap();
        Self { _process: process, _directory: directory, address, client }
    }

    /// `None` while the server starts.
    async fn api(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let request = self.client.get(format!("http://{}/api/v1/{path}", self.address)).query(query);
        let answer: Value = request.send().await.ok()?.error_for_status().ok()?.json().await.ok()?;
        assert_eq!(answer["status"], "success", "{answer:#}");
        Some(answer["data"].clone())
    }

    /// What the server answers to a question that it must understand, or the error that it answers with.
    pub(crate) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let request = self.client.get(format!("http://{}/api/v1/{path}", self.address)).query(query);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer["error"].to_string()) }
    }

    /// The series of an instant vector: their labels and their values.
    pub(crate) async fn query(&self, expression: &str) -> Vec<(Value, String)> {
        let data = self.api("query", &[("query", expression)]).await.unwrap_or_default();
        let series = data["result"].as_array().cloned().unwrap_or_default();
        series
            .into_iter()
            .map(|series| (series["metric"].clone(), series["value"][1].as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    /// Pool, setting and server of every series.
    async fn rows(&self, expression: &str) -> BTreeSet<[String; 3]> {
        let series = self.query(expression).await;
        let label = |labels: &Value, name| labels[name].as_str().unwrap_or_default().to_owned();
        series.iter().map(|(labels, _)| ["pool", "setting", "server"].map(|name| label(labels, name))).collect()
    }
}

/// In a log line of Prometheus or Alertmanager.
pub(super) fn where_it_listens(line: &str) -> Option<SocketAddr> {
    line.split_once("msg=\"Listening on\" address=")?.1.split(' ').next()?.parse().ok()
}

fn installed(program: &str) {
    assert!(
        Command::new(program).arg("--version").output().is_ok(),
        "{program} is not installed: this test needs Debian's package `prometheus`, which ./tests/run installs"
    );
}

#[tokio::test]
async fn prometheus_finds_every_row_of_the_demo_in_its_state() {
    let (exporter, expected) = settled().await;
    let prometheus = Prometheus::scraping(exporter.address).await;
    let deadline = Instant::now() + DEADLINE;
    let wanted = |state: &str| -> BTreeSet<[String; 3]> {
        let rows = expected.iter().filter(|row| row.state.to_lowercase() == state);
        rows.map(|row| [row.pool, row.setting, row.server].map(str::to_owned)).collect()
    };
    for state in ["healthy", "unhealthy", "unknown"] {
        assert!(!wanted(state).is_empty());
        let expression = format!("backend_health_state{{state=\"{state}\"}} == 1");
        loop {
            let found = prometheus.rows(&expression).await;
            if found == wanted(state) {
                break;
            }
            let targets = prometheus.api("targets", &[]).await.unwrap_or_default();
            let difference: Vec<_> = wanted(state).symmetric_difference(&found).cloned().collect();
            assert!(Instant::now() < deadline, "{state}: {difference:#?}\n{targets:#}");
            sleep(PAUSE).await;
        }
    }

    let up = prometheus.query("up").await;
    assert_eq!(up.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["1"], "{up:?}");
    let targets = prometheus.api("targets", &[]).await.expect("Prometheus answers");
    assert_eq!(targets["activeTargets"][0]["lastError"], "", "{targets:#}");
    // What alerts are made of: the cause's words join to the rows that have it.
    let joined = prometheus
        .query(
            "count(backend_health_cause_info * on (cause, side) group_left (title, remedy) backend_health_cause_help_info)",
        )
        .await;
    let with_cause = expected.iter().filter(|row| row.cause.is_some()).count();
    assert_eq!(joined.first().map(|(_, value)| value.as_str()), Some(with_cause.to_string().as_str()));
    // And a counter counts, as rate() sees it.
    loop {
        let rates = prometheus.query("count(rate(backend_health_probes_total[1m]) > 0)").await;
        if rates.first().is_some_and(|(_, value)| *value == expected.len().to_string()) {
            break;
        }
        assert!(Instant::now() < deadline, "{rates:?}");
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn both_formats_of_the_running_demo_hold_their_rules() {
    let (exporter, expected) = settled().await;
    let cases = [
        ("text/plain;version=0.0.4", "text/plain", Format::Text),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", Format::OpenMetrics),
        // Prometheus 2.42's own header.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text",
            Format::OpenMetrics,
        ),
        ("*/*", "text/plain", Format::Text),
    ];
    for (accept, content_type, format) in cases {
        let request = exporter.client.get(format!("http://{}/metrics", exporter.address));
        let response = request.header("Accept", accept).send().await.expect("an answer");
        let answered = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(answered.starts_with(content_type), "{accept}: {answered}");
        let body = response.text().await.expect("the body is complete");
        let families = exposition::read(&body, format);
        let states = families.iter().find(|family| family.name == "backend_health_state").expect("the family is there");
        assert_eq!(states.samples.len(), 3 * expected.len());
    }
}

#[tokio::test]
async fn promtool_has_no_complaint_about_the_running_demo() {
    let (exporter, _) = settled().await;
    installed("promtool");
    let scrape = exporter.scrape().await;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), scrape.text()).expect("the file can be written");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(file.reopen().expect("the file can be read"));
    let output = promtool.output().expect("promtool runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
