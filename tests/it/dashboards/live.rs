//! Every query of every dashboard against a real Prometheus that scrapes the demo: it answers without an error, and it
//! gives what the panel shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::exporter::demo::settled;
use crate::exporter::prometheus::Prometheus;
use crate::exporter::{DEADLINE, PAUSE};

use super::lint::{list, panels, text, title};
use super::query::interpolated;

/// What the demo cannot show.
const WITHOUT_ROWS: [(&str, &str, &str); 1] =
    [("backend-health-server", "What changed: changes of state", "once settled, the demo's rows keep their states")];

/// A series of an answer: its labels and its latest value.
type Series = (BTreeMap<String, String>, f64);

/// Asks for what Grafana asks for: one moment, or the latest half minute.
async fn series(prometheus: &Prometheus, target: &Value) -> Vec<Series> {
    let expression = interpolated(text(&target["expr"]));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (from, to) = ((now - 30).to_string(), now.to_string());
    let range = [("query", expression.as_str()), ("start", &from), ("end", &to), ("step", "2")];
    let answer = if target["range"] == true {
        prometheus.ask("query_range", &range).await
    } else {
        prometheus.ask("query", &range[..1]).await
    };
    let answer = answer.unwrap_or_else(|error| panic!("{error}\n{expression}"));
    let read = |series: &Value| {
        let latest = series["values"].as_array().map_or(&series["value"], |values| values.last().expect("a value"));
        let labels = series["metric"].as_object().expect("labels").iter();
        let labels = labels.map(|(name, value)| (name.clone(), text(value).to_owned())).collect();
        (labels, text(&latest[1]).parse().expect("a number"))
    };
    let series: Vec<Series> = list(&answer["result"]).iter().map(read).collect();
    series.into_iter().filter(|(_, value)| !value.is_nan()).collect()
}

/// The answers to all targets of a panel, asked until they are as they must be.
async fn answers(prometheus: &Prometheus, uid: &str, panel: &Value) -> Vec<Vec<Series>> {
    let empty = WITHOUT_ROWS.iter().find(|(of, name, _)| (*of, *name) == (uid, title(panel)));
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mut answers = Vec::new();
        for target in list(&panel["targets"]) {
            answers.push(series(prometheus, target).await);
        }
        // A busy machine may make an exception true for a while.
        if answers.iter().all(|series| series.is_empty() == empty.is_some()) {
            return answers;
        }
        let expected = empty.map_or("rows", |(_, _, reason)| reason);
        assert!(Instant::now() < deadline, "{uid}, {}: not as expected ({expected}): {answers:#?}", title(panel));
        sleep(PAUSE).await;
    }
}

/// Each named field is in the answer: columns, the parts of legends, and what links are made of.
fn has_every_field_that_is_shown(uid: &str, panel: &Value, answers: &[Vec<Series>]) {
    let place = format!("{uid}, {}", title(panel));
    let fields = |series: &[Series]| series.iter().flat_map(|(labels, _)| labels.keys().cloned()).collect();
    let all: Vec<BTreeSet<String>> = answers.iter().map(|series| fields(series)).collect();
    for (target, fields) in list(&panel["targets"]).iter().zip(&all) {
        for label in text(&target["legendFormat"]).split("{{").skip(1) {
            let label = label.split("}}").next().expect("an end");
            assert!(fields.contains(label), "{place}: no {label} in {fields:?}");
        }
    }
    if panel["type"] != "table" {
        for (target, series) in list(&panel["targets"]).iter().zip(answers) {
            let legends: BTreeSet<String> = series.iter().map(|(labels, _)| legend(target, labels)).collect();
            assert_eq!(legends.len(), series.len(), "{place}: legends do not tell series apart: {legends:?}");
        }
    }
    let link = text(&panel["fieldConfig"]["defaults"]["links"][0]["url"]);
    for label in link.split("${__field.labels.").skip(1).map(|rest| rest.split(':').next().expect("a name")) {
        assert!(all.iter().all(|fields| fields.contains(label)), "{place}: no {label}");
    }
    if panel["type"] != "table" {
        return;
    }
    let values: Vec<String> = match all.len() {
        1 => vec!["Value".to_owned()],
        count => ('A'..).take(count).map(|target| format!("Value #{target}")).collect(),
    };
    let fields: BTreeSet<&str> = all.iter().flatten().chain(&values).map(String::as_str).chain(["Time"]).collect();
    let overrides = list(&panel["fieldConfig"]["overrides"]).iter();
    let shown: BTreeSet<&str> = overrides.map(|rule| text(&rule["matcher"]["options"])).collect();
    assert!(shown.is_subset(&fields), "{place}: no {:?}", shown.difference(&fields));
    let organized = &panel["transformations"].as_array().expect("a list").last().expect("one")["options"];
    let hidden: BTreeSet<&str> = organized["excludeByName"].as_object().unwrap().keys().map(String::as_str).collect();
    for field in fields {
        assert!(shown.contains(field) != hidden.contains(field), "{place}: what about {field}?");
    }
}

/// What a series is called.
fn legend(target: &Value, labels: &BTreeMap<String, String>) -> String {
    let legend = text(&target["legendFormat"]).to_owned();
    labels.iter().fold(legend, |legend, (name, value)| legend.replace(&format!("{{{{{name}}}}}"), value))
}

/// Grafana puts lines of several answers together where all the labels that these have in common are equal: that must be
/// a line each, and none that only a later answer has.
fn merges(uid: &str, panel: &Value, answers: &[Vec<Series>]) {
    if panel["type"] != "table" || answers.len() < 2 {
        return;
    }
    let place = format!("{uid}, {}", title(panel));
    let labels = |series: &[Series]| -> BTreeSet<String> { series[0].0.keys().cloned().collect() };
    let common = answers.iter().map(|series| labels(series)).reduce(|a, b| a.intersection(&b).cloned().collect());
    let common = common.expect("there are answers");
    let keys: Vec<BTreeSet<Vec<String>>> = answers
        .iter()
        .map(|series| {
            let keys: BTreeSet<Vec<String>> =
                series.iter().map(|(labels, _)| common.iter().map(|name| labels[name].clone()).collect()).collect();
            assert_eq!(keys.len(), series.len(), "{place}: {common:?} do not tell lines apart");
            keys
        })
        .collect();
    for later in &keys[1..] {
        assert!(later.is_subset(&keys[0]), "{place}: {:?}", later.difference(&keys[0]));
    }
}

/// A row: pool, setting, server, state, cause.
type Row = [String; 5];

/// The rows of an answer, with their states and causes.
fn rows(series: &[Series]) -> Vec<Row> {
    let row = |(labels, value): &Series| {
        // As `query::state` numbers them.
        let state = match value.to_string().as_str() {
            "0" => "Healthy",
            "1" => "Unknown",
            "2" => "Unhealthy",
            other => panic!("{other} is no state"),
        };
        let [pool, setting, server, cause] = ["pool", "setting", "server", "cause"].map(|name| labels[name].clone());
        [pool, setting, server, state.to_owned(), cause]
    };
    let mut rows: Vec<Row> = series.iter().map(row).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn every_panel_gets_from_prometheus_what_it_shows() {
    let (exporter, expected) = settled().await;
    let prometheus = Prometheus::scraping(exporter.address).await;
    scraped(&prometheus).await;
    for dashboard in super::all() {
        let json = dashboard.json();
        for panel in panels(&json) {
            let answers = answers(&prometheus, dashboard.uid, panel).await;
            if answers.iter().any(|series| !series.is_empty()) {
                has_every_field_that_is_shown(dashboard.uid, panel, &answers);
                merges(dashboard.uid, panel, &answers);
            }
        }
        for mark in list(&json["annotations"]["list"]).iter().filter(|mark| mark["builtIn"] != 1) {
            assert!(!series(&prometheus, mark).await.is_empty(), "{mark}");
        }
        for variable in list(&json["templating"]["list"]).iter().filter(|variable| variable["type"] == "query") {
            let query = interpolated(text(&variable["query"]["query"]));
            let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = inside.expect("label_values").rsplit_once(", ").expect("a selector and a label");
            let values = prometheus.ask(&format!("label/{label}/values"), &[("match[]", selector)]).await;
            assert!(!list(&values.expect("it is understood")).is_empty(), "{query}");
        }
    }

    // The lines of the tables are those that the demo has, once a busy machine lets them be.
    let with_cause = expected.iter().filter_map(|row| Some([row.pool, row.setting, row.server, row.state, row.cause?]));
    let mut with_cause: Vec<Row> = with_cause.map(|row| row.map(str::to_owned)).collect();
    with_cause.sort();
    let mut by_cause: BTreeMap<String, f64> = BTreeMap::new();
    for [.., cause] in &with_cause {
        *by_cause.entry(cause.clone()).or_default() += 1.0;
    }
    let deadline = Instant::now() + DEADLINE;
    loop {
        let [overview, server, _] = super::all().map(|dashboard| dashboard.json());
        let not_well = table(&prometheus, &overview, "Servers that are not well").await;
        let causes = table(&prometheus, &overview, "What is wrong, who acts, what to do").await;
        let mut by_kind = Vec::new();
        for kind in ["DNS", "TCP", "TLS handshake", "Certificate", "HTTP", "The exporter's own host"] {
            by_kind.extend(table(&prometheus, &server, kind).await);
        }
        for (labels, _) in not_well.iter().chain(&causes) {
            assert_eq!(labels["exporter_url"], format!("http://{}", exporter.address), "links lead to this exporter");
        }
        // One cause may be two sides' to mend, a line each.
        let lines: BTreeSet<_> = causes.iter().map(|(labels, _)| (&labels["cause"], &labels["side"])).collect();
        assert_eq!(lines.len(), causes.len(), "a line for each cause and side: {causes:#?}");
        let mut counted: BTreeMap<String, f64> = BTreeMap::new();
        for (labels, rows) in &causes {
            *counted.entry(labels["cause"].clone()).or_default() += rows;
        }
        if rows(&not_well) == with_cause && rows(&by_kind) == with_cause && counted == by_cause {
            return;
        }
        assert!(Instant::now() < deadline, "{with_cause:#?}\n{not_well:#?}\n{by_kind:#?}\n{causes:#?}\n{by_cause:#?}");
        sleep(PAUSE).await;
    }
}

async fn scraped(prometheus: &Prometheus) {
    let deadline = Instant::now() + DEADLINE;
    while prometheus.query("up == 1").await.is_empty() {
        assert!(Instant::now() < deadline, "Prometheus never scraped the demo");
        sleep(PAUSE).await;
    }
}

/// What the first query of this panel gives.
async fn table(prometheus: &Prometheus, dashboard: &Value, name: &str) -> Vec<Series> {
    let panel = panels(dashboard).into_iter().find(|panel| title(panel) == name).expect("there is this panel");
    series(prometheus, &panel["targets"][0]).await
}
