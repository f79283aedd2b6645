//! The request as sent, the answer as it came, and what was expected of it.

use maud::{Markup, html};

use super::found::{foreign, stage};
use crate::troubleshoot::Examination;
use crate::verdict::{Cause, Stage};
use crate::view::text::visible;
use crate::view::time::took;
use crate::view::troubleshoot::paper::Mark;
use crate::view::troubleshoot::{text, words};

/// `None` where no request is meant.
pub(super) fn section(examination: &Examination) -> Option<Markup> {
    let spec = &examination.target.probe;
    spec.request.as_ref()?;
    let verdict = &examination.verdict;
    let cause = verdict.cause.as_ref();
    let transcript = &examination.transcript;
    if transcript.sent.is_empty() {
        let ended = cause.map_or("", |cause| cause.code.stage().as_str());
        let content = html! { p { "Nothing was asked: the probe ended in the stage " (ended) "." } };
        return Some(stage("http", "HTTP", Mark::None, "not reached", &content));
    }
    let status = verdict.evidence.response.as_ref().map(|response| response.status);
    let came = status.map_or_else(|| "no whole response".to_owned(), |status| format!("status {status}"));
    let mark = if cause.is_none() { Mark::Good } else { Mark::Bad };
    let outcome = match cause.filter(|cause| matches!(cause.code.stage(), Stage::Http | Stage::Tcp)) {
        Some(cause) => cause.code.words().title.to_owned(),
        None => came.clone(),
    };
    let codes = words::of_codes(&spec.expectation.status_codes).join(", ");
    let wanted = &spec.expectation.body;
    let has_body = match cause.map(|cause| cause.code) {
        None => "it is there",
        Some(Cause::HttpBodyMismatch) => "it is not there",
        Some(_) => "not looked for",
    };
    let phases = verdict.evidence.phases;
    let parts = [
        ("DNS", phases.dns),
        ("connect", phases.connect),
        ("TLS", phases.tls),
        ("first byte", phases.first_byte),
        ("transfer", phases.transfer),
    ];
    let content = html! {
        dl.check-facts {
            dt { "Expected status" } dd { (codes) }
            dt { "Received" } dd { (came) }
            @if !wanted.is_empty() { dt { "Expected in the body" } dd { "“" (foreign(wanted)) "”: " (has_body) } }
            dt { "Time" }
            dd { @for (index, (name, spent)) in parts.iter().enumerate() { @if index > 0 { ", " } (name) " " (took(*spent)) } }
        }
        h4 { "Request as sent" }
        (block("Request as sent", &lines(&transcript.sent)))
        h4 { "Answer" }
        @if transcript.received.is_empty() { p { "Not a byte came back." } }
        @else { (block("Answer", &answer(&transcript.received))) }
    };
    Some(stage("http", "HTTP", mark, &outcome, &content))
}

fn block(label: &str, lines: &[String]) -> Markup {
    html! {
        pre.check-wire tabindex="0" role="region" aria-label=(label) { bdi { (lines.join("\n")) } }
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().filter(|line| !line.is_empty()).map(shown).collect()
}

/// The head, and the first bytes of the body.
fn answer(received: &[u8]) -> Vec<String> {
    let (head, body) = text::head_and_body(received);
    let mut shown_lines: Vec<String> =
        head.iter().take(text::MOST_LINES).map(|line| shown(&String::from_utf8_lossy(line))).collect();
    if head.len() > text::MOST_LINES {
        shown_lines.push(format!("... and {} more lines", head.len() - text::MOST_LINES));
    }
    if !body.is_empty() {
        shown_lines.push(String::new());
        shown_lines.extend(lines(&body[..body.len().min(text::FIRST_BYTES)]));
    }
    shown_lines
}

fn shown(line: &str) -> String {
    visible(line).into_owned()
}
