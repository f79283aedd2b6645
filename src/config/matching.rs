//! The keys of a probe's `match` that are more than a text: patterns, rules for headers and for JSON.

use std::sync::Arc;

use hyper::header::HeaderName;
use serde_json::Value as Json;

use super::decode::{Section, text, truth};
use super::report::Report;
use super::value::quote;
use super::yaml::{KeyPath, Node, Value};
use crate::probe::{Path, Pattern, Rule, Wanted};

/// The keys of an item of `match.json`.
pub(super) const JSON: &[&str] = &["path", "equals", "regex", "exists"];

/// The keys of an item of `match.headers`.
pub(super) const HEADERS: &[&str] = &["name", "equals", "regex", "exists"];

/// A regular expression.
pub(super) fn pattern(node: &Node) -> Result<Pattern, String> {
    let given = text(node)?;
    if given.is_empty() {
        return Err("an empty pattern matches anything; leave the key out".to_owned());
    }
    Pattern::parse(given).map_err(|why| format!("{} is not a regular expression: {why}", quote(given)))
}

/// The rules for JSON; `None` when the key is not there.
pub(super) fn json(section: &Section<'_>, report: &mut Report) -> Option<Vec<Rule<Path>>> {
    rules(section, "json", JSON, report, |rule, report| {
        let path = |node: &Node| {
            let given = text(node)?;
            Path::parse(given).map_err(|why| format!("{} is not a JSONPath (RFC 9535): {why}", quote(given)))
        };
        rule.required("path", report, path).into_value()
    })
}

/// The rules for headers; `None` when the key is not there.
pub(super) fn headers(section: &Section<'_>, report: &mut Report) -> Option<Vec<Rule<Arc<str>>>> {
    rules(section, "headers", HEADERS, report, |rule, report| {
        let name = |node: &Node| {
            let given = text(node)?;
            let is_name = HeaderName::from_bytes(given.as_bytes()).is_ok();
            is_name.then(|| Arc::from(given)).ok_or_else(|| format!("{} is not the name of a header", quote(given)))
        };
        rule.required("name", report, name).into_value()
    })
}

fn rules<At>(
    section: &Section<'_>,
    key: &str,
    known: &'static [&'static str],
    report: &mut Report,
    place: impl Fn(&Section<'_>, &mut Report) -> Option<At>,
) -> Option<Vec<Rule<At>>> {
    let list = section.list(key, report);
    let items = list.given()?.value;
    let path = section.path_of(key);
    let mut rules = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let item = KeyPath::Item(&path, index);
        let Some(rule) = Section::open(node, &item, known, report) else { continue };
        let (at, wanted) = (place(&rule, report), wanted(&rule, report));
        rules.extend(at.zip(wanted).map(|(at, wanted)| Rule { at, wanted }));
    }
    Some(rules)
}

fn wanted(rule: &Section<'_>, report: &mut Report) -> Option<Wanted> {
    let equals = rule.node("equals").map(|node| (node, scalar(node)));
    let (regex, exists) = (rule.field("regex", report, pattern), rule.field("exists", report, truth));
    let given = [equals.is_some(), !regex.is_absent(), !exists.is_absent()];
    if given.iter().filter(|given| **given).count() != 1 {
        let message = "give one of `equals`, `regex` and `exists`";
        report.error(Some(rule.place()), rule.path(), message);
        return None;
    }
    match equals {
        Some((_, Ok(value))) => Some(Wanted::Equals(value)),
        Some((node, Err(message))) => {
            report.error(Some(node.place), rule.path_of("equals"), message);
            None
        }
        None => regex.into_value().map(Wanted::Matches).or_else(|| exists.into_value().map(Wanted::Exists)),
    }
}

/// A YAML scalar as JSON has it.
fn scalar(node: &Node) -> Result<Json, String> {
    match &node.value {
        Value::Null => Ok(Json::Null),
        Value::Text { text, quoted: true } => Ok(Json::String(text.to_string())),
        Value::Text { text, quoted: false } => Ok(match &**text {
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            other => match serde_json::from_str(other) {
                Ok(Json::Number(number)) => Json::Number(number),
                Ok(_) | Err(_) => Json::String(other.to_owned()),
            },
        }),
        Value::List(_) | Value::Map(_) => Err("expected a single value, not a list or a mapping".to_owned()),
    }
}
