//! The rules of Grafana's dashboard linter, all of those that concern Prometheus, without an exception. A rule without
//! a dashboard that breaks it would be no rule: [`every_rule_can_fail`] spoils a good dashboard for each.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use super::promql::selectors;
use super::query::interpolated;

/// A rule that a dashboard breaks, and where.
type Finding = (&'static str, String);

/// Units by Grafana's ids. Look a further one up in Grafana before you add it: an unknown id shows as text behind the
/// number.
const UNITS: [&str; 10] =
    ["none", "short", "s", "percent", "percentunit", "bytes", "ops", "dateTimeAsIso", "dateTimeFromNow", "dtdurations"];

/// What shows numbers or texts that need a title and a unit.
const PICTURES: [&str; 7] = ["stat", "gauge", "bargauge", "timeseries", "state-timeline", "status-history", "table"];

fn lint(dashboard: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    uneditable_dashboard(dashboard, &mut findings);
    templates(dashboard, &mut findings);
    for panel in panels(dashboard) {
        panel_rules(panel, &mut findings);
        for target in list(&panel["targets"]) {
            target_rules(title(panel), target, &mut findings);
        }
    }
    target_promql(dashboard, &mut findings);
    findings
}

fn uneditable_dashboard(dashboard: &Value, findings: &mut Vec<Finding>) {
    if dashboard["editable"] != false {
        findings.push(("uneditable-dashboard", "editable is not false".to_owned()));
    }
}

fn templates(dashboard: &Value, findings: &mut Vec<Finding>) {
    let variables = list(&dashboard["templating"]["list"]);
    let named = |name: &str| variables.iter().find(|variable| variable["name"] == name);
    let source = named("datasource").or_else(|| named("prometheus_datasource"));
    let is_source = |variable: &Value| {
        variable["type"] == "datasource" && variable["query"] == "prometheus" && variable["label"] == "Data source"
    };
    if !source.is_some_and(is_source) {
        findings.push(("template-datasource", "no data source variable for Prometheus with its label".to_owned()));
    }
    for (rule, name, label) in [("template-job", "job", "Job"), ("template-instance", "instance", "Instance")] {
        let sound = |variable: &Value| {
            variable["type"] == "query"
                && uses_data_source(variable)
                && variable["label"] == label
                && variable["multi"] == true
                && variable["allValue"] == ".+"
        };
        if !named(name).is_some_and(sound) {
            findings.push((rule, format!("no variable {name} as it must be")));
        }
    }
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        let query = variable["query"]["query"].as_str().or(variable["query"].as_str()).unwrap_or_default();
        let known = ["label_values(", "label_names(", "metrics(", "query_result("];
        if !(known.iter().any(|function| query.starts_with(function)) && query.ends_with(')')) {
            findings.push(("template-label-promql", query.to_owned()));
        }
        if variable["refresh"] != 2 {
            findings.push(("template-on-time-change-reload", variable["name"].to_string()));
        }
    }
}

fn panel_rules(panel: &Value, findings: &mut Vec<Finding>) {
    if !PICTURES.contains(&panel["type"].as_str().unwrap_or_default()) {
        return;
    }
    let title = title(panel);
    let mut found = |rule, what: &str| findings.push((rule, format!("{title}: {what}")));
    if !uses_data_source(panel) {
        found("panel-datasource", "the panel does not use the variable");
    }
    if title.is_empty() || text(&panel["description"]).is_empty() {
        found("panel-title-description", "both must be there");
    }
    let options = &panel["fieldConfig"];
    let overridden = list(&options["overrides"]).iter().flat_map(|rule| list(&rule["properties"]));
    let overridden = overridden.filter(|property| property["id"] == "unit").map(|property| text(&property["value"]));
    for unit in overridden.chain([text(&options["defaults"]["unit"])]) {
        if !UNITS.contains(&unit) {
            found("panel-units", unit);
        }
    }
    if list(&panel["targets"]).is_empty() {
        found("panel-no-targets", "no query");
    }
}

fn target_rules(panel: &str, target: &Value, findings: &mut Vec<Finding>) {
    let expression = text(&target["expr"]);
    let mut found = |rule, what: String| findings.push((rule, format!("{panel}: {what}")));
    if !uses_data_source(target) {
        found("panel-datasource", "a target does not use the variable".to_owned());
    }
    for selector in selectors(expression) {
        for (rule, matcher) in [("target-job", "job=~\"$job\""), ("target-instance", "instance=~\"$instance\"")] {
            if !selector.matchers.iter().any(|found| found == matcher) {
                found(rule, format!("{} has no {matcher}", selector.metric));
            }
        }
        let within = selector.within.as_deref().unwrap_or_default();
        if ["rate", "irate"].contains(&within) && selector.range.as_deref() != Some("$__rate_interval") {
            found("target-rate-interval", format!("{within} of {} over {:?}", selector.metric, selector.range));
        }
        let counts = ["_total", "_bucket", "_count", "_sum"].iter().any(|ending| selector.metric.ends_with(ending));
        if counts && !["rate", "irate", "increase"].contains(&within) {
            found("target-counter-agg", format!("{} as it is", selector.metric));
        }
    }
}

/// promtool reads every expression as a rule's.
fn target_promql(dashboard: &Value, findings: &mut Vec<Finding>) {
    let targets = panels(dashboard).into_iter().flat_map(|panel| list(&panel["targets"]));
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for expression in targets.map(|target| text(&target["expr"])) {
        writeln!(rules, "  - {{record: panel, expr: {}}}", json!(interpolated(expression))).unwrap();
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), rules).expect("the file can be written");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "rules", "--lint=none"]).arg(file.path());
    let output = promtool.output().expect("promtool is there: ./tests/run installs it");
    if !output.status.success() {
        findings.push(("target-promql", String::from_utf8_lossy(&output.stderr).into_owned()));
    }
}

/// Every panel, those of closed rows among them.
pub(super) fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = list(&dashboard["panels"]).iter().flat_map(|panel| std::iter::once(panel).chain(list(&panel["panels"])));
    all.filter(|panel| panel["type"] != "row").collect()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn title(panel: &Value) -> &str {
    text(&panel["title"])
}

fn uses_data_source(value: &Value) -> bool {
    value["datasource"]["uid"] == "${datasource}" && value["datasource"]["type"] == "prometheus"
}

#[test]
fn the_dashboards_break_no_rule() {
    for dashboard in super::all() {
        let findings = lint(&dashboard.json());
        assert!(findings.is_empty(), "{}: {findings:#?}", dashboard.uid);
    }
}

/// Where a dashboard is spoiled, with what, and the one rule that is broken by it.
#[test]
fn every_rule_can_fail() {
    let variable = |name: &str, key: &str| format!("/templating/list/{}/{key}", index_of_variable(name));
    let expression = |text: &str| (String::from("/panels/0/targets/0/expr"), json!(text));
    let cases: Vec<(&str, (String, Value))> = vec![
        ("uneditable-dashboard", ("/editable".to_owned(), json!(true))),
        ("template-datasource", (variable("datasource", "label"), json!("Source"))),
        ("template-datasource", (variable("datasource", "query"), json!("loki"))),
        ("template-datasource", (variable("datasource", "name"), json!("source"))),
        ("template-job", (variable("job", "multi"), json!(false))),
        ("template-job", (variable("job", "allValue"), json!(null))),
        ("template-job", (variable("job", "datasource"), json!({"type": "prometheus", "uid": "abc"}))),
        ("template-instance", (variable("instance", "label"), json!("Target"))),
        ("template-instance", (variable("instance", "name"), json!("node"))),
        ("template-label-promql", (variable("job", "query/query"), json!("up"))),
        ("template-on-time-change-reload", (variable("pool", "refresh"), json!(1))),
        ("panel-datasource", ("/panels/0/datasource/uid".to_owned(), json!("abc"))),
        ("panel-datasource", ("/panels/0/targets/0/datasource/uid".to_owned(), json!("abc"))),
        ("panel-title-description", ("/panels/0/title".to_owned(), json!(""))),
        ("panel-title-description", ("/panels/0/description".to_owned(), json!(""))),
        ("panel-units", ("/panels/0/fieldConfig/defaults/unit".to_owned(), json!("probes"))),
        ("panel-units", ("/panels/0/fieldConfig/defaults/unit".to_owned(), json!(null))),
        ("panel-no-targets", ("/panels/0/targets".to_owned(), json!([]))),
        ("target-promql", expression("sum(up{job=~\"$job\", instance=~\"$instance\"}")),
        ("target-promql", expression("summ(up{job=~\"$job\", instance=~\"$instance\"})")),
        ("target-rate-interval", expression("rate(x_total{job=~\"$job\", instance=~\"$instance\"}[5m])")),
        ("target-job", expression("up{instance=~\"$instance\"}")),
        ("target-job", expression("up{job=\"$job\", instance=~\"$instance\"}")),
        ("target-instance", expression("up{job=~\"$job\"}")),
        ("target-instance", expression("vector(1) or (up{job=~\"$job\"} > 0)")),
        ("target-counter-agg", expression("sum(x_total{job=~\"$job\", instance=~\"$instance\"})")),
    ];
    for (rule, (place, value)) in cases {
        let mut dashboard = super::overview::dashboard().json();
        *dashboard.pointer_mut(&place).unwrap_or_else(|| panic!("there is no {place}")) = value.clone();
        let broken: Vec<&str> = lint(&dashboard).iter().map(|(rule, _)| *rule).collect();
        assert_eq!(broken, [rule], "{place} = {value}");
    }
}

fn index_of_variable(name: &str) -> usize {
    let dashboard = super::overview::dashboard().json();
    let variables = list(&dashboard["templating"]["list"]);
    variables.iter().position(|variable| variable["name"] == name).expect("the variable is there")
}
