//! The unit tests of the rules: they pass, there are some for every rule, and they notice when a rule changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};

use super::{Said, directory, parse, rules, run};

/// The files with unit tests.
fn files() -> Vec<PathBuf> {
    let directory = directory().join("tests");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Every test of every file.
fn tests() -> Vec<Value> {
    let files = files().into_iter().map(|file| parse(&std::fs::read_to_string(file).unwrap()));
    files.flat_map(|file| file["tests"].as_array().expect("a file has tests").clone()).collect()
}

fn list<'v>(test: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    test[key].as_array().into_iter().flatten()
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    let running = files().into_iter().map(|file| {
        thread::spawn(move || {
            let said = run("promtool", &["test", "rules", file.to_str().unwrap()], &directory());
            assert!(said.content && said.text.contains("SUCCESS"), "{}", said.text);
        })
    });
    let running: Vec<_> = running.collect();
    assert!(running.len() >= 5);
    for run in running {
        run.join().expect("promtool is content");
    }
}

#[test]
fn every_alert_is_tested_when_it_fires_and_when_it_does_not_and_every_record_has_a_value() {
    let tests = tests();
    let mut seen: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for case in tests.iter().flat_map(|test| list(test, "alert_rule_test")) {
        let fires = !case["exp_alerts"].as_array().expect("a list, be it empty").is_empty();
        seen.entry(case["alertname"].as_str().unwrap()).or_default().insert(fires);
    }
    let alerts = rules::alert_names();
    assert_eq!(seen.keys().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), alerts);
    for (alert, fires) in seen {
        assert_eq!(fires.len(), 2, "{alert} is only tested one way");
    }
    let expressions: Vec<&str> = tests
        .iter()
        .flat_map(|test| list(test, "promql_expr_test"))
        .filter(|case| case["exp_samples"].as_array().is_some_and(|samples| !samples.is_empty()))
        .map(|case| case["expr"].as_str().unwrap())
        .collect();
    for rule in rules::all().iter().filter(|rule| !rule.is_alert) {
        assert!(expressions.iter().any(|expression| expression.contains(&rule.name)), "{} is not tested", rule.name);
    }
}

#[test]
fn what_is_said_of_a_pool_with_long_names_fits_a_message() {
    let tests = tests();
    let mut longest = 0;
    for case in tests.iter().flat_map(|test| list(test, "alert_rule_test")) {
        for alert in case["exp_alerts"].as_array().into_iter().flatten() {
            let description = alert["exp_annotations"]["description"].as_str().expect("every alert has one");
            if case["alertname"] == "BackendHealthPoolDegraded" {
                longest = longest.max(description.chars().count());
            }
        }
    }
    assert!((400..=600).contains(&longest), "the longest message has {longest} characters");
}

/// What promtool says of one alert, changed by `change`, and of its tests alone.
fn judged(alert: &str, change: impl Fn(&mut Value)) -> Said {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str, content: &Value| {
        std::fs::write(directory.path().join(name), content.to_string()).expect("the file can be written");
    };
    place("rules.yml", &rules::with_only(alert, change));
    let own = tests().into_iter().filter_map(|mut test| {
        let cases: Vec<Value> =
            list(&test, "alert_rule_test").filter(|case| case["alertname"] == alert).cloned().collect();
        test["alert_rule_test"] = cases.into();
        let test = test.as_object_mut()?;
        test.remove("promql_expr_test");
        (!test["alert_rule_test"].as_array()?.is_empty()).then(|| Value::Object(test.clone()))
    });
    let own: Vec<Value> = own.collect();
    place("tests.yml", &json!({"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": own}));
    let said = run("promtool", &["test", "rules", "tests.yml"], directory.path());
    assert!(said.content || said.text.contains(&format!("alertname: {alert}")), "no verdict: {}", said.text);
    said
}

/// `5m` or `30s` in seconds.
fn seconds(duration: &str) -> u32 {
    let (number, unit) = duration.split_at(duration.len() - 1);
    number.parse::<u32>().unwrap() * if unit == "m" { 60 } else { 1 }
}

const WINDOWS: &[&str] = &["[2m]", "[5m]", "[15m]"];

#[test]
fn the_unit_tests_notice_a_shorter_and_a_longer_for_and_a_rule_that_trusts_a_single_scrape() {
    let alerts = rules::alerts();
    let check = |alert: &rules::Rule| {
        let name = &alert.name;
        let as_it_is = judged(name, |_| ());
        assert!(as_it_is.content, "{}", as_it_is.text);
        for by in [-30, 30] {
            let longer = |rule: &mut Value| {
                let seconds = seconds(rule["for"].as_str().expect("every alert waits")).saturating_add_signed(by);
                rule["for"] = format!("{seconds}s").into();
            };
            assert!(!judged(name, longer).content, "no test notices that {name} waits {by} seconds longer");
        }
        // Nearly all of them bridge lost scrapes by reading the last value of some minutes.
        let forgetful = WINDOWS.iter().fold(alert.expr.clone(), |expr, window| expr.replace(window, "[1s]"));
        if forgetful != alert.expr {
            let change = |rule: &mut Value| rule["expr"] = forgetful.as_str().into();
            assert!(!judged(name, change).content, "no test notices that {name} trusts a single scrape");
        }
    };
    let (some, others) = alerts.split_at(alerts.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| some.iter().for_each(check));
        others.iter().for_each(check);
    });
}
