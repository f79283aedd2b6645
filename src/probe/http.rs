//! One GET over an open connection, and a bounded reader of the answer over httparse.
//!
//! At most 64 KiB of heads are read and 64 KiB of body are kept; a longer body counts as received.

use super::body::{Body, Framing};
use super::connection::Connection;
use super::notes::{Notes, Phase, Transcript};
use super::{Fault, HttpFault, MAX_KEPT_BYTES, Request, Response, ResponseProgress};

/// Interim responses (1xx) that are borne before the real one.
const MAX_INTERIM_RESPONSES: usize = 16;

/// What stands in every request beside path and Host.
const FIXED_FIELDS: &str = concat!(
    "User-Agent: backend_health_exporter/",
    env!("CARGO_PKG_VERSION"),
    "\r\nAccept: */*\r\nConnection: close\r\n\r\n"
);

/// Asks and reads the answer to its end; redirects are answers like any other.
pub(super) async fn exchange(connection: &mut Connection, request: &Request, notes: &mut Notes) -> Result<(), Fault> {
    let text = format!("GET {} HTTP/1.1\r\nHost: {}\r\n{FIXED_FIELDS}", request.path, request.host);
    if let Some(transcript) = &mut notes.transcript {
        transcript.sent = text.clone().into_bytes();
    }
    connection.send(text.as_bytes()).await;
    let mut input = Input { connection, buffer: Vec::new() };
    let (response, framing) = read_head(&mut input, notes).await?;
    let response = notes.response.insert(response);
    let mut body = Body::new(framing);
    loop {
        let done = body.take(&mut input.buffer, &mut response.body).map_err(Fault::Http)?;
        notes.progress = ResponseProgress::Body { received: body.received() };
        if done || body.received() > MAX_KEPT_BYTES as u64 {
            return Ok(());
        }
        if input.more(&mut notes.transcript, notes.progress).await? == 0 {
            return body.end().map_err(Fault::Http);
        }
    }
}

/// Bytes received and not yet used.
struct Input<'a> {
    connection: &'a mut Connection,
    buffer: Vec<u8>,
}

impl Input<'_> {
    /// Appends what comes next; 0 at the end.
    async fn more(
        &mut self,
        transcript: &mut Option<Box<Transcript>>,
        progress: ResponseProgress,
    ) -> Result<usize, Fault> {
        let before = self.buffer.len();
        match self.connection.read(&mut self.buffer).await {
            Ok(count) => {
                if let Some(transcript) = transcript {
                    transcript.receive(&self.buffer[before..]);
                }
                Ok(count)
            }
            Err(broken) => Err(broken.before_a_response(progress, false)),
        }
    }
}

/// Reads heads until one is final.
async fn read_head(input: &mut Input<'_>, notes: &mut Notes) -> Result<(Response, Framing), Fault> {
    let mut head_bytes = 0;
    let mut interim_responses = 0;
    // A head is looked at when its end may be there, so that a server that drips cannot make us parse for each byte.
    let mut seen = 0;
    loop {
        if !may_be_http(&input.buffer) {
            let excerpt = input.buffer[..input.buffer.len().min(256)].to_vec();
            return Err(Fault::Http(HttpFault::NotHttp(excerpt)));
        }
        if let Some(end) = end_of_head(&input.buffer, seen) {
            head_bytes += end;
            if head_bytes > MAX_KEPT_BYTES {
                return Err(Fault::Http(HttpFault::HeadTooLarge));
            }
            let (response, framing) = parse(&input.buffer[..end]).map_err(Fault::Http)?;
            input.buffer.drain(..end);
            seen = 0;
            if !(100..200).contains(&response.status) || response.status == 101 {
                return Ok((response, framing));
            }
            interim_responses += 1;
            if interim_responses > MAX_INTERIM_RESPONSES {
                return Err(Fault::Http(HttpFault::TooManyInterimResponses));
            }
            continue;
        }
        if head_bytes + input.buffer.len() > MAX_KEPT_BYTES {
            return Err(Fault::Http(HttpFault::HeadTooLarge));
        }
        seen = input.buffer.len();
        let progress = notes.progress;
        if input.more(&mut notes.transcript, progress).await? == 0 {
            return Err(Fault::Http(HttpFault::ClosedBeforeHead { received: head_bytes + input.buffer.len() }));
        }
        if progress == ResponseProgress::Nothing {
            notes.enter(Phase::Transfer);
        }
        notes.progress = ResponseProgress::Head { received: head_bytes + input.buffer.len() };
    }
}

/// The length of the head, when its last line is there; the first `seen` bytes are known to hold none.
fn end_of_head(buffer: &[u8], seen: usize) -> Option<usize> {
    // Empty lines before the status line belong to no head.
    let start = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let from = seen.saturating_sub(3).max(start);
    let rest = buffer.get(from..)?;
    rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| match &rest[at + 1..] {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Whether these first bytes can still become an HTTP/1 head with a proper status line.
fn may_be_http(buffer: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let line = buffer.trim_ascii_start();
    let common = line.len().min(START.len());
    if line[..common] != START[..common] {
        return false;
    }
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else { return true };
    httparse::Response::new(&mut []).parse(&line[..=end]).is_ok()
}

/// Reads a whole head: the response without its body, and how its body is framed (RFC 9112, section 6.3).
fn parse(head: &[u8]) -> Result<(Response, Framing), HttpFault> {
    let mut few = [httparse::EMPTY_HEADER; 64];
    match parse_with(&mut few, head) {
        // A field takes four bytes at least: this is room for whatever fits into a head.
        Err(Parse::TooManyFields) => {
            let mut many = vec![httparse::EMPTY_HEADER; head.len() / 4 + 1];
            parse_with(&mut many, head)
        }
        other => other,
    }
    .map_err(|error| match error {
        Parse::TooManyFields => HttpFault::HeadTooLarge,
        Parse::Fault(fault) => fault,
    })
}

enum Parse {
    TooManyFields,
    Fault(HttpFault),
}

fn parse_with<'h>(fields: &mut [httparse::Header<'h>], head: &'h [u8]) -> Result<(Response, Framing), Parse> {
    let mut parsed = httparse::Response::new(fields);
    let outcome = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .parse_response(&mut parsed, head);
    match outcome {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(malformed("the head ends in the middle of a line")),
        Err(httparse::Error::TooManyHeaders) => return Err(Parse::TooManyFields),
        Err(error) => return Err(malformed(in_words(error))),
    }
    let status = parsed.code.unwrap_or(0);
    if !(100..=999).contains(&status) {
        return Err(malformed("the status code is not a number from 100 on"));
    }
    let (version, http_1_0) = match parsed.version {
        Some(0) => ("HTTP/1.0", true),
        _ => ("HTTP/1.1", false),
    };
    let values = |name: &'static str| {
        parsed.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    };
    let framing = framing(status, http_1_0, values("transfer-encoding"), values("content-length"))?;
    let location = (300..400).contains(&status).then(|| values("location").next()).flatten();
    let location = location.map(|value| String::from_utf8_lossy(&value[..value.len().min(256)]).into_owned());
    Ok((Response { status, version, location, body: Vec::new() }, framing))
}

/// How long the body is (RFC 9112, section 6.3). Framing that two readers could understand in two ways is refused.
fn framing<'h>(
    status: u16,
    http_1_0: bool,
    transfer_encodings: impl Iterator<Item = &'h [u8]>,
    content_lengths: impl Iterator<Item = &'h [u8]>,
) -> Result<Framing, Parse> {
    let last_coding = transfer_encodings
        .last()
        .map(|value| value.rsplit(|byte| *byte == b',').next().unwrap_or(value).trim_ascii().to_ascii_lowercase());
    let mut length = None;
    for value in content_lengths.flat_map(|value| value.split(|byte| *byte == b',')) {
        let digits = value.trim_ascii();
        let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = number.and_then(|text| text.parse::<u64>().ok()) else {
            return Err(malformed("Content-Length is not a number"));
        };
        if length.is_some_and(|other| other != number) {
            return Err(malformed("two Content-Length values differ"));
        }
        length = Some(number);
    }
    if matches!(status, 101 | 204 | 304) {
        return Ok(Framing::Empty);
    }
    match (last_coding, length) {
        (Some(_), Some(_)) => Err(malformed("both Transfer-Encoding and Content-Length are there")),
        (Some(_), None) if http_1_0 => Err(malformed("Transfer-Encoding in an HTTP/1.0 response")),
        (Some(coding), None) if coding == b"chunked" => Ok(Framing::Chunked),
        (Some(_) | None, None) => Ok(Framing::UntilClose),
        (None, Some(length)) => Ok(Framing::Length(length)),
    }
}

fn malformed(what: &'static str) -> Parse {
    Parse::Fault(HttpFault::Malformed(what))
}

fn in_words(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header field has an invalid name",
        httparse::Error::HeaderValue => "a header field has an invalid value",
        httparse::Error::NewLine => "a line of the head ends wrongly",
        httparse::Error::Status => "the status line is invalid",
        httparse::Error::Token => "the head holds a character that must not be there",
        httparse::Error::TooManyHeaders => "too many header fields",
        httparse::Error::Version => "the HTTP version is not 1.0 or 1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<(Response, Framing), HttpFault> {
        parse(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn a_body_is_framed_as_rfc_9112_says() {
        let check = |fields: &str, expected: Framing| {
            let (_, framing) =
                head(&format!("HTTP/1.1 200 OK\n{fields}\n")).unwrap_or_else(|error| panic!("{fields}: {error:?}"));
            assert_eq!(framing, expected, "{fields}");
        };
        check("", Framing::UntilClose);
        check("Content-Length: 5\n", Framing::Length(5));
        check("content-length:5\nContent-Length: 5\n", Framing::Length(5));
        check("Content-Length: 5, 5\n", Framing::Length(5));
        check("Transfer-Encoding: chunked\n", Framing::Chunked);
        check("Transfer-Encoding: gzip, Chunked\n", Framing::Chunked);
        check("Transfer-Encoding: gzip\n", Framing::UntilClose);
        check("X-Folded: a\n b\nContent-Length: 1\n", Framing::Length(1));
        for status in [101, 204, 304] {
            let (_, framing) = head(&format!("HTTP/1.1 {status} X\nContent-Length: 5\n\n")).unwrap();
            assert_eq!(framing, Framing::Empty, "{status}");
        }
    }

    #[test]
    fn a_head_that_can_be_read_in_two_ways_is_malformed() {
        let check = |text: &str| {
            let outcome = head(text);
            assert!(matches!(outcome, Err(HttpFault::Malformed(_))), "{text:?}: {outcome:?}");
        };
        check("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\n");
        check("HTTP/1.1 200 OK\nContent-Length: 5, 6\n\n");
        check("HTTP/1.1 200 OK\nContent-Length: +5\n\n");
        check("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999999\n\n");
        check("HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n");
        check("HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n");
        check("HTTP/1.1 099 OK\n\n");
        check("HTTP/1.1 200 OK\nX: a\0b\n\n");
        check("HTTP/1.1 200 OK\nno colon\n\n");
    }

    #[test]
    fn the_first_bytes_tell_what_is_no_http() {
        let check =
            |bytes: &[u8], may_be| assert_eq!(may_be_http(bytes), may_be, "{:?}", String::from_utf8_lossy(bytes));
        check(b"", true);
        check(b"HT", true);
        check(b"HTTP/1.1 200", true);
        check(b"\r\nHTTP/1.1 200 OK\r\n", true);
        check(b"HTTP/1.1 2OO OK\r\n", false);
        check(b"HTTP/2 200\r\n", false);
        check(b"SSH-2.0-OpenSSH_9.2\r\n", false);
        check(b"\x15\x03\x01\x00\x02", false);
        check(b"<html>", false);
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_the_pieces_were_cut() {
        let check = |text: &[u8], end: Option<usize>| {
            for seen in 0..=end.map_or(text.len(), |end| end - 1) {
                assert_eq!(end_of_head(text, seen), end, "{text:?} from {seen}");
            }
        };
        check(b"HTTP/1.1 200 OK\r\n\r\nbody", Some(19));
        check(b"HTTP/1.1 200 OK\n\nbody", Some(17));
        check(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Some(25));
        check(b"HTTP/1.1 200 OK\r\nA: b\r\n", None);
        check(b"\r\n\r\n", None);
    }
}
