//! The rules file as a list of rules, and its form for Kubernetes, which is made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{directory, parse, run, text_of, yaml_of};

pub(super) const FILE: &str = "backend_health.rules.yml";

/// A recording rule or an alert.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) is_alert: bool,
    pub(super) expr: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// In the file's order.
pub(super) fn all() -> Vec<Rule> {
    let file = yaml_of(FILE);
    let groups = file["groups"].as_array().expect("there are groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("a group has rules"));
    rules
        .map(|rule| {
            let texts = |key: &str| -> BTreeMap<String, String> {
                let texts = rule[key].as_object().into_iter().flatten();
                texts.map(|(key, value)| (key.clone(), value.as_str().expect("a text").to_owned())).collect()
            };
            let is_alert = rule["alert"].is_string();
            let name = if is_alert { &rule["alert"] } else { &rule["record"] };
            Rule {
                name: name.as_str().expect("a rule has a name").to_owned(),
                is_alert,
                expr: rule["expr"].as_str().expect("a rule has an expression").to_owned(),
                labels: texts("labels"),
                annotations: texts("annotations"),
            }
        })
        .collect()
}

pub(super) fn alerts() -> Vec<Rule> {
    all().into_iter().filter(|rule| rule.is_alert).collect()
}

/// Of every alert that there is.
pub(crate) fn alert_names() -> BTreeSet<String> {
    alerts().into_iter().map(|alert| alert.name).collect()
}

#[test]
fn promtool_has_no_complaint_about_rules_and_scrape_configuration() {
    for arguments in
        [&["check", "rules", "--lint=all", "--lint-fatal", FILE] as &[_], &["check", "config", "prometheus.yml"]]
    {
        let said = run("promtool", arguments, &directory());
        assert!(said.content && said.text.contains("SUCCESS"), "{}", said.text);
    }
}

const KUBERNETES: &str = "kubernetes/prometheusrule.yml";

/// The rules as the Prometheus operator wants them: the file, moved in.
fn rendered() -> String {
    let mut text = format!(
        "# Made of ../{FILE}: change the rules there, then run BLESS=1 cargo test --test it alerts::rules\n\
         #\n\
         # Your Prometheus may want a label of its own here to pick this object up (`ruleSelector`).\n\
         apiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\n\
         metadata:\n\
         \x20 name: backend-health-exporter\n\
         \x20 labels:\n\
         \x20   app.kubernetes.io/name: backend-health-exporter\n\
         spec:\n"
    );
    let file = text_of(FILE);
    let groups = file.split_once("\ngroups:\n").expect("the groups stand at the file's left edge").1;
    text.push_str("  groups:\n");
    for line in groups.lines() {
        if !line.is_empty() {
            text.push_str("  ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_rules_for_kubernetes_are_made_of_the_file() {
    let rendered = rendered();
    let object = parse(&rendered);
    assert_eq!(object["spec"], yaml_of(FILE), "moving it in changes nothing");
    assert_eq!(
        (&object["kind"], &object["apiVersion"]),
        (&"PrometheusRule".into(), &"monitoring.coreos.com/v1".into())
    );
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(directory().join(KUBERNETES), rendered).unwrap();
        return;
    }
    assert!(text_of(KUBERNETES) == rendered, "run BLESS=1 cargo test --test it alerts::rules");
}

#[test]
fn the_service_monitor_scrapes_under_the_job_that_the_alerts_look_for() {
    let monitor = yaml_of("kubernetes/servicemonitor.yml");
    assert_eq!(monitor["kind"], "ServiceMonitor");
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(endpoint["path"], "/metrics");
    assert_eq!(endpoint["honorLabels"], true, "no label of a pod takes the place of one of ours");
    let relabelings = endpoint["relabelings"].as_array().unwrap();
    let job = relabelings.iter().find(|relabeling| relabeling["targetLabel"] == "job").unwrap();
    let scrape = yaml_of("prometheus.yml");
    assert_eq!(scrape["scrape_configs"][0]["honor_labels"], true);
    let scraped = &scrape["scrape_configs"][0]["job_name"];
    assert_eq!(&job["replacement"], scraped);
    let named = alerts().iter().filter(|alert| alert.expr.contains(&format!("up{{job={scraped}}}"))).count();
    assert_eq!(named, 2, "the alerts about exporters that do not answer");
}

/// The file with only this alert, changed by `change`, and the recording rules that it or its annotations ask for.
pub(super) fn with_only(alert: &str, change: impl Fn(&mut Value)) -> Value {
    let mut file = yaml_of(FILE);
    let all = all();
    let mut needed: BTreeSet<&str> = BTreeSet::from([alert]);
    let mut open = vec![alert];
    while let Some(name) = open.pop() {
        let rule = all.iter().find(|rule| rule.name == name).expect("there is such a rule");
        let asks_for =
            |other: &str| rule.expr.contains(other) || rule.annotations.values().any(|text| text.contains(other));
        let records = all.iter().filter(|other| !other.is_alert && asks_for(&other.name));
        open.extend(records.map(|rule| rule.name.as_str()).filter(|name| needed.insert(name)));
    }
    for group in file["groups"].as_array_mut().expect("there are groups") {
        let rules = group["rules"].as_array_mut().expect("a group has rules");
        rules.retain(|rule| {
            rule["alert"].as_str().or(rule["record"].as_str()).is_some_and(|name| needed.contains(name))
        });
        rules.iter_mut().filter(|rule| rule["alert"] == alert).for_each(&change);
    }
    file
}
