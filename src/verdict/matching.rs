//! What is not as expected of a response's headers and body: the rules of a probe's `match`, judged one by one.

use serde_json::Value;

use super::case::Case;
use super::text::quoted;
use super::{Cause, Facts, Finding, Slot};
use crate::probe::{Coding, Expectation, MAX_KEPT_BYTES, Path, Pattern, ProbeSpec, Response, Rule, Wanted};
use crate::words::{cut, visible};

/// Values of a response that are shown, and bytes of each.
const SHOWN: usize = 3;
const SHOWN_BYTES: usize = 100;

/// What does not hold, each with its own cause; of the body only when it is complete.
pub(super) fn findings(spec: &ProbeSpec, response: &Response, is_complete: bool) -> Vec<Finding<Cause>> {
    let expectation = &*spec.expectation;
    let headers = expectation.headers.iter().find_map(|rule| of_header(rule, response));
    if !is_complete {
        return headers.into_iter().collect();
    }
    headers.into_iter().chain(of_body(expectation, response)).chain(of_json(&expectation.json, response)).collect()
}

/// The first rule that does not hold.
fn of_header(rule: &Rule<std::sync::Arc<str>>, response: &Response) -> Option<Finding<Cause>> {
    let values = response.wanted.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&rule.at));
    let values: Vec<&[u8]> = values.map(|(_, value)| value.trim_ascii()).collect();
    let holds = match &rule.wanted {
        Wanted::Exists(exists) => values.is_empty() != *exists,
        Wanted::Equals(expected) => expected.as_str().is_some_and(|text| values.contains(&text.as_bytes())),
        Wanted::Matches(pattern) => values.iter().any(|value| pattern.is_match(value)),
    };
    let shown = || values.iter().take(SHOWN).map(|value| shown(value)).collect::<Vec<_>>();
    (!holds).then(|| {
        mismatch(Cause::HttpHeaderMismatch, &format!("the header {}", rule.at), &rule.wanted, &shown(), values.len())
    })
}

/// The first of the texts and patterns that are not found, or are found.
fn of_body(expectation: &Expectation, response: &Response) -> Option<Finding<Cause>> {
    let body = &response.body;
    let wanted = expectation.body.as_bytes();
    let lacks = |pattern: &&Pattern| !pattern.is_match(body);
    let (expected, came) = if !contains(body, wanted) {
        (quoted(wanted), without_it(response))
    } else if let Some(pattern) = expectation.body_regex.as_ref().filter(lacks) {
        (format!("a match of {}", quoted(pattern.as_str().as_bytes())), without_it(response))
    } else if let Some(pattern) = expectation.body_not_regex.as_ref().filter(|pattern| pattern.is_match(body)) {
        let length = body.len();
        (format!("no match of {}", quoted(pattern.as_str().as_bytes())), format!("received {length} bytes with one"))
    } else {
        return None;
    };
    let facts = Facts::default().with(Slot::Expected, expected.clone());
    let is_coded = matches!(response.coding, Coding::Encoded { .. } | Coding::Broken { .. });
    let finding = Finding::new(Cause::HttpBodyMismatch, format!("expected {expected} in the body, {came}"));
    Some(finding.with(facts).in_case(is_coded.then_some(Case::BodyCoded)))
}

/// What came instead.
fn without_it(response: &Response) -> String {
    let length = response.body.len();
    match &response.coding {
        Coding::Plain => format!("received {length} bytes without it"),
        Coding::Decoded { name, encoded } => {
            format!("received {length} bytes without it ({encoded} before {} was decoded)", quoted(name.as_bytes()))
        }
        Coding::Encoded { name } => format!(
            "received {length} bytes with the coding {}, which is not decoded here, so that no text is found in them",
            quoted(name.as_bytes())
        ),
        Coding::Broken { name } => {
            format!("received {length} bytes without it, which are not {}, as the head says", quoted(name.as_bytes()))
        }
    }
}

/// The first rule that does not hold, or that there is no JSON to look into.
fn of_json(rules: &[Rule<Path>], response: &Response) -> Option<Finding<Cause>> {
    let first = rules.first()?;
    let value: Value = match serde_json::from_slice(&response.body) {
        Ok(value) => value,
        Err(error) => {
            let expected = format!("JSON with {}", first.at.as_str());
            let came = match &response.coding {
                Coding::Encoded { name } => {
                    format!("the coding {}, which is not decoded here", quoted(name.as_bytes()))
                }
                _ if response.body.is_empty() => "an empty body".to_owned(),
                _ if response.body.len() >= MAX_KEPT_BYTES => "more than the 64 KiB that are looked at".to_owned(),
                _ => format!("{} (line {}, column {})", shown(&response.body), error.line(), error.column()),
            };
            let detail = format!("expected {expected}, received {came}");
            let facts = Facts::default().with(Slot::Expected, expected);
            return Some(Finding::new(Cause::HttpJsonMismatch, detail).with(facts));
        }
    };
    rules.iter().find_map(|rule| {
        let selected = rule.at.select(&value);
        let holds = match &rule.wanted {
            Wanted::Exists(exists) => selected.is_empty() != *exists,
            Wanted::Equals(expected) => selected.iter().any(|value| is_same(value, expected)),
            Wanted::Matches(pattern) => {
                selected.iter().any(|value| value.as_str().is_some_and(|text| pattern.is_match(text.as_bytes())))
            }
        };
        let came = || selected.iter().take(SHOWN).map(|value| json(value)).collect::<Vec<_>>();
        (!holds).then(|| mismatch(Cause::HttpJsonMismatch, rule.at.as_str(), &rule.wanted, &came(), selected.len()))
    })
}

/// 1 and 1.0 are one number.
fn is_same(value: &Value, expected: &Value) -> bool {
    match (value.as_f64(), expected.as_f64()) {
        (Some(value), Some(expected)) if value.to_bits() == expected.to_bits() => true,
        _ => value == expected,
    }
}

fn mismatch(cause: Cause, what: &str, wanted: &Wanted, came: &[String], count: usize) -> Finding<Cause> {
    let expected = wanted.in_words(what);
    let more = count.saturating_sub(came.len());
    let received = match came {
        [] => "it is not there".to_owned(),
        came if more > 0 => format!("received {} and {more} more", came.join(", ")),
        came => format!("received {}", came.join(", ")),
    };
    let facts = Facts::default().with(Slot::Expected, expected.clone()).with(Slot::Received, received.clone());
    Finding::new(cause, format!("expected {expected}; {received}")).with(facts)
}

/// A value as JSON writes it, short and harmless.
fn json(value: &Value) -> String {
    let text = value.to_string();
    visible(&cut(&text, SHOWN_BYTES)).into_owned()
}

/// What a server sent, short and harmless.
fn shown(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text = quoted(kept);
    if kept.len() < bytes.len() { format!("{text}…") } else { text }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}
