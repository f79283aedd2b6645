//! Every metric, label and value that the rules speak of is one that the running exporter has.

use std::collections::{BTreeMap, BTreeSet};

use backend_health_exporter::verdict::{Cause, Stage};
use backend_health_exporter::view::exposition::Format;

use super::promql::{Mentioned, Selector, mentioned};
use super::rules;
use crate::exporter::demo::settled;
use crate::exposition;

/// What there is to speak of.
struct Known {
    /// Of each series name, the labels.
    metrics: BTreeMap<String, BTreeSet<String>>,
    /// Of each label, the values.
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    async fn from_the_demo() -> Self {
        let (exporter, _) = settled().await;
        let scrape = exporter.scrape().await;
        let mut this = Self { metrics: BTreeMap::new(), values: BTreeMap::new() };
        for family in exposition::read(scrape.text(), Format::Text) {
            for sample in family.samples {
                let labels = this.metrics.entry(sample.name).or_default();
                for (label, value) in sample.labels {
                    this.values.entry(label.clone()).or_default().insert(value);
                    labels.insert(label);
                }
            }
        }
        // What Prometheus adds, and what the rules record.
        this.metrics.insert("up".to_owned(), BTreeSet::new());
        let row: BTreeSet<String> = this.metrics["backend_health_state"].clone();
        for rule in rules::all().into_iter().filter(|rule| !rule.is_alert) {
            let grouped = mentioned(&rule.expr).labels;
            let own = rule.labels.keys().cloned().chain(grouped);
            this.metrics.insert(rule.name, row.iter().cloned().chain(own).collect());
        }
        for labels in this.metrics.values_mut() {
            labels.extend(["job", "instance"].map(str::to_owned));
        }
        this
    }

    fn has_label(&self, label: &str) -> bool {
        self.metrics.values().any(|labels| labels.contains(label))
    }

    fn check(&self, place: &str, Mentioned { selectors, labels }: &Mentioned) {
        for Selector { metric, matchers } in selectors {
            let of_metric = self.metrics.get(metric);
            assert!(of_metric.is_some() || metric.is_empty(), "{place}: there is no {metric}");
            for (label, operator, value) in matchers {
                let has = of_metric.map_or(self.has_label(label), |labels| labels.contains(label));
                assert!(has, "{place}: {metric} has no label {label}");
                let closed = ["state", "to", "stage", "cause", "side"].contains(&label.as_str());
                // What a query is only given when it is asked is empty here.
                if closed && !operator.ends_with('~') && !value.is_empty() {
                    assert!(self.values[label].contains(value), "{place}: {label} is never {value}");
                }
            }
        }
        for label in labels {
            assert!(self.has_label(label), "{place}: there is no label {label}");
        }
    }
}

/// The queries in a template's actions, values filled in.
fn queries(template: &str) -> impl Iterator<Item = String> {
    let actions = template.split("{{").skip(1).map(|rest| rest.split_once("}}").expect("an action is closed").0);
    let raw = actions.flat_map(|action| action.split('`').skip(1).step_by(2));
    let blanks = ["%[1]s", "%s"];
    let values = ["%[1]q", "%[2]q", "%q"];
    raw.map(move |text| {
        let text = blanks.iter().fold(text.to_owned(), |text, blank| text.replace(blank, ""));
        values.iter().fold(text, |text, value| text.replace(value, "\"\""))
    })
}

/// Names behind `.Labels.`, `$labels.` and `label "`.
fn labels(template: &str) -> impl Iterator<Item = &str> {
    let behind = [".Labels.", "$labels.", "label \""].into_iter();
    behind.flat_map(move |mark| template.split(mark).skip(1)).map(|rest| {
        rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().expect("split yields one")
    })
}

#[tokio::test]
async fn the_rules_speak_of_nothing_that_the_exporter_does_not_have() {
    let known = Known::from_the_demo().await;
    let mut seen = 0;
    for rule in rules::all() {
        let expression = mentioned(&rule.expr);
        seen += expression.selectors.len();
        known.check(&rule.name, &expression);
        for (key, template) in &rule.annotations {
            let place = format!("{}, {key}", rule.name);
            for query in queries(template) {
                let query = mentioned(&query);
                seen += query.selectors.len();
                known.check(&place, &query);
            }
            for label in labels(template) {
                assert!(known.has_label(label), "{place}: there is no label {label}");
            }
        }
    }
    assert!(seen > 100, "only {seen} selectors were found");
}

#[test]
fn the_causes_that_count_as_tls_errors_are_those_of_the_stage_tls() {
    const PATTERN: &str = "tls_.+|cert_.+";
    let heads: Vec<&str> = PATTERN.split('|').map(|alternative| alternative.trim_end_matches(".+")).collect();
    for cause in Cause::ALL {
        let matched = heads.iter().any(|head| cause.code().starts_with(head));
        assert_eq!(matched, cause.stage() == Stage::Tls, "{cause}");
    }
    let mut used = 0;
    for rule in rules::all() {
        let queries = rule.annotations.values().flat_map(|template| queries(template).collect::<Vec<_>>());
        for query in queries.chain([rule.expr.clone()]) {
            for Selector { metric, matchers } in mentioned(&query).selectors {
                for (_, operator, value) in matchers.iter().filter(|(label, ..)| label == "cause") {
                    if operator == "=~" {
                        assert_eq!(value, PATTERN, "{}: {metric}", rule.name);
                        used += 1;
                    }
                }
            }
        }
    }
    assert!(used >= 2, "{used}");
}
