//! The request as sent, the answer as it came, and what was expected of it.

use super::section::{Block, Cell, Mark, Section};
use crate::troubleshoot::Examination;
use crate::verdict::Stage;
use crate::words::took;

/// `None` where no request is meant.
pub(super) fn section(examination: &Examination) -> Option<Section> {
    let spec = &examination.target.probe;
    spec.request.as_ref()?;
    let verdict = &examination.verdict;
    let cause = verdict.cause.as_ref();
    let transcript = &examination.transcript;
    let (id, title) = ("http", "HTTP");
    if transcript.sent.is_empty() {
        let ended = cause.map_or("", |cause| cause.code.stage().as_str());
        let words = format!("Nothing was asked: the probe ended in the stage {ended}.");
        let blocks = vec![Block::lines(vec![words.into()])];
        return Some(Section { id, title, mark: Mark::None, outcome: "not reached".to_owned(), blocks });
    }
    let status = verdict.evidence.response.as_ref().map(|response| response.status);
    let came = status.map_or_else(|| "no complete response".to_owned(), |status| format!("status {status}"));
    let mark = if cause.is_none() { Mark::Good } else { Mark::Bad };
    let outcome = match cause.filter(|cause| matches!(cause.code.stage(), Stage::Http | Stage::Tcp)) {
        Some(cause) => cause.code.words().title.to_owned(),
        None => came.clone(),
    };
    let codes = spec.expectation.statuses();
    let mut facts = vec![Cell::from(format!("expected status {codes}; came: {came}"))];
    // The status stands above; of the rest the verdict says what does not hold.
    let rest = spec.expectation.in_words().into_iter().skip(1);
    facts.extend(rest.map(|expected| Cell::from(format!("expected, too: {expected}"))));
    let phases = verdict.evidence.phases;
    let [dns, connect, tls, first, transfer] =
        [phases.dns, phases.connect, phases.tls, phases.first_byte, phases.transfer].map(took);
    facts
        .push(format!("time: DNS {dns}, connect {connect}, TLS {tls}, first byte {first}, transfer {transfer}").into());
    let mut blocks = vec![Block::lines(facts), Block::wire("Request as sent", lines(&transcript.sent))];
    if transcript.received.is_empty() {
        blocks.push(Block::lines(vec![Cell::new(Mark::Bad, "Not a byte came back.")]));
    } else {
        blocks.push(Block::wire("Answer", answer(&transcript.received)));
    }
    Some(Section { id, title, mark, outcome, blocks })
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The head, and the first bytes of the body.
fn answer(received: &[u8]) -> Vec<String> {
    let (head, body) = head_and_body(received);
    let shown = head.iter().take(MOST_LINES).map(|line| String::from_utf8_lossy(line).into_owned());
    let mut shown: Vec<String> = shown.collect();
    if head.len() > MOST_LINES {
        let rest = head.len() - MOST_LINES;
        shown.push(format!("... and {rest} more {}", if rest == 1 { "line" } else { "lines" }));
    }
    if !body.is_empty() {
        shown.push(String::new());
        shown.extend(lines(&body[..body.len().min(FIRST_BYTES)]));
    }
    shown
}

/// The lines before the first empty one, and what follows it.
pub(super) fn head_and_body(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        if line.is_empty() && !lines.is_empty() {
            return (lines, rest);
        }
        lines.push(line);
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    (lines, &[])
}

/// Of a response's head that are shown.
const MOST_LINES: usize = 40;

/// Of a body that are shown.
pub(super) const FIRST_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        let check = |bytes: &str, head: &[&str], body: &str| {
            let (found, rest) = head_and_body(bytes.as_bytes());
            let found: Vec<_> = found.into_iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!((found.as_slice(), std::str::from_utf8(rest).unwrap()), (head, body), "{bytes:?}");
        };
        check("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello\r\n\r\n", &["HTTP/1.1 200 OK", "A: b"], "hello\r\n\r\n");
        check("HTTP/1.1 200 OK\nA: b\n\nhello", &["HTTP/1.1 200 OK", "A: b"], "hello");
        check("HTTP/1.1 200", &["HTTP/1.1 200"], "");
        check("", &[], "");
    }
}
