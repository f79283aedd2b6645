//! Where Alertmanager sends the alerts, how it groups them and what mutes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{parse, rules, run};

const FILE: &str = "alertmanager.yml";

/// Where it stands.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alertmanager")
}

fn file() -> Value {
    parse(&std::fs::read_to_string(directory().join(FILE)).unwrap())
}

#[test]
fn amtool_has_no_complaint() {
    let said = run("amtool", &["check-config", FILE], &directory());
    assert!(said.content && said.text.contains("SUCCESS"), "{}", said.text);
}

#[test]
fn an_alert_goes_where_its_severity_says() {
    for alert in rules::alerts() {
        let severity = &alert.labels["severity"];
        let expected = match severity.as_str() {
            "critical" => "pager",
            "warning" => "chat",
            "info" => "nobody",
            other => panic!("{}: {other}", alert.name),
        };
        let labels = [format!("alertname={}", alert.name), format!("severity={severity}"), "pool=web".to_owned()];
        let mut arguments = vec!["config", "routes", "test", "--config.file", FILE, "--verify.receivers", expected];
        arguments.extend(labels.iter().map(String::as_str));
        let said = run("amtool", &arguments, &directory());
        assert!(said.content, "{}: {}", alert.name, said.text);
    }
    let other = run("amtool", &["config", "routes", "test", "--config.file", FILE, "alertname=NodeDown"], &directory());
    assert!(other.content && other.text.contains("chat"), "{}", other.text);
}

#[test]
fn alerts_are_grouped_by_pool_and_setting_whatever_else_they_differ_in() {
    let file = file();
    let route = &file["route"]["routes"][0];
    assert_eq!(route["group_by"], serde_json::json!(["job", "pool", "setting"]));
    for inner in route["routes"].as_array().unwrap() {
        assert!(inner["group_by"].is_null(), "{inner} groups in its own way");
    }
}

/// Every alternative of a pattern of words, `(a|b)` and `.+`, which stays at the end.
fn alternatives(pattern: &str) -> Vec<String> {
    match pattern.split_once('(') {
        Some((head, rest)) => {
            let (inner, tail) = rest.rsplit_once(')').expect("a parenthesis is closed");
            inner.split('|').map(|one| format!("{head}{one}{tail}")).collect()
        }
        None => pattern.split('|').map(str::to_owned).collect(),
    }
}

/// The alerts whose name is matched.
fn matched(matcher: &str, alerts: &BTreeSet<String>) -> BTreeSet<String> {
    let (operator, pattern) = ["!~", "=~", "!=", "="]
        .iter()
        .find_map(|operator| Some((*operator, matcher.strip_prefix("alertname")?.strip_prefix(operator)?)))
        .unwrap_or_else(|| panic!("not about names: {matcher}"));
    let names = alternatives(pattern.trim_matches('"'));
    for name in &names {
        let known = match name.strip_suffix(".+") {
            Some(head) => alerts.iter().any(|alert| alert.starts_with(head)),
            None => alerts.contains(name),
        };
        assert!(known, "{name} in {matcher} is no alert");
    }
    let is = |alert: &String| {
        names.iter().any(|name| name.strip_suffix(".+").map_or(alert == name, |head| alert.starts_with(head)))
    };
    alerts.iter().filter(|alert| is(alert) != operator.starts_with('!')).cloned().collect()
}

#[test]
fn what_explains_an_alert_mutes_it_and_nothing_else() {
    let file = file();
    let alerts = rules::alert_names();
    let all = |matchers: &Value| {
        let matchers = matchers.as_array().expect("a list of matchers").iter().map(|matcher| matcher.as_str().unwrap());
        matchers.fold(alerts.clone(), |left, matcher| left.intersection(&matched(matcher, &alerts)).cloned().collect())
    };
    let mut mutes = Vec::new();
    for rule in file["inhibit_rules"].as_array().unwrap() {
        let equal: Vec<&str> = rule["equal"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
        let (sources, targets) = (all(&rule["source_matchers"]), all(&rule["target_matchers"]));
        assert!(sources.is_disjoint(&targets), "an alert would mute itself: {rule}");
        assert!(!sources.is_empty() && !targets.is_empty(), "{rule}");
        for source in &sources {
            let scope = match source.strip_prefix("BackendHealth").unwrap() {
                "ExporterAbsent" => &["job"] as &[_],
                exporter if exporter.starts_with("Exporter") => &["job", "instance"],
                "PoolNoHealthyServer" => &["job", "instance", "pool", "setting"],
                certificate if certificate.starts_with("CertificateExpires") => {
                    &["job", "instance", "pool", "setting", "server", "port", "position"]
                }
                _ => &["job", "instance", "pool", "setting"],
            };
            assert!(scope.iter().all(|label| equal.contains(label)), "{source} mutes more than its own: {equal:?}");
            // Of several exporters with one name, only its own.
            let elsewhere = ["cluster", "namespace"].iter().all(|label| equal.contains(label));
            assert!(elsewhere || source == "BackendHealthExporterAbsent", "{source}: {equal:?}");
            mutes.extend(targets.iter().map(|target| (source.clone(), target.clone())));
        }
    }
    let muted_by = |name: &str| -> BTreeSet<&str> {
        mutes.iter().filter(|(source, _)| source == name).map(|(_, target)| target.as_str()).collect()
    };
    let others = |name: &[&str]| -> BTreeSet<&str> {
        alerts.iter().map(String::as_str).filter(|alert| !name.contains(alert)).collect()
    };
    let (absent, down) = ("BackendHealthExporterAbsent", "BackendHealthExporterDown");
    assert_eq!(muted_by(absent), others(&[absent]));
    assert_eq!(muted_by(down), others(&[absent, down]));
    let pool = muted_by("BackendHealthPoolNoHealthyServer");
    for server in ["BackendHealthServerUnhealthy", "BackendHealthServerUnknown", "BackendHealthPoolDegraded"] {
        assert!(pool.contains(server), "{server}");
    }
}
