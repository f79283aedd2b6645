//! Reads the head of a response: its status, how its body is framed and coded, and what is odd about its fields.
//!
//! What curl and browsers take is taken, and written down; what one of them refuses is refused, by the field's name.

use std::borrow::Cow;
use std::sync::Arc;

use super::body::Framing;
use super::{Coding, HttpFault, OddField, Response, Rule};

/// Odd fields of one head that are kept.
const MAX_ODD_FIELDS: usize = 8;

/// Bytes of a field that are kept to name it.
pub(super) const MAX_SHOWN: usize = 64;

/// Bytes of a value that are kept to show it.
pub(super) const MAX_VALUE: usize = 256;

/// The length of the head, when its last line is there; the first `seen` bytes are known to hold none.
pub(super) fn end_of_head(buffer: &[u8], seen: usize) -> Option<usize> {
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
pub(super) fn may_be_http(buffer: &[u8]) -> bool {
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
pub(super) fn parse(head: &[u8], wanted: &[Rule<Arc<str>>]) -> Result<(Response, Framing), HttpFault> {
    let mut odd_fields = Vec::new();
    let head = tolerate(head, &mut odd_fields)?;
    let mut few = [httparse::EMPTY_HEADER; 64];
    let parsed = match parse_with(&mut few, &head, wanted, &mut odd_fields) {
        // A field takes four bytes at least: this is room for whatever fits into a head.
        Err(Parse::TooManyFields) => {
            let mut many = vec![httparse::EMPTY_HEADER; head.len() / 4 + 1];
            parse_with(&mut many, &head, wanted, &mut odd_fields)
        }
        other => other,
    };
    let (response, framing) = parsed.map_err(|error| match error {
        Parse::TooManyFields => HttpFault::HeadTooLarge,
        Parse::Fault(fault) => fault,
    })?;
    Ok((Response { odd_fields, ..response }, framing))
}

/// The head as a strict reader takes it: without what every client passes over.
fn tolerate<'h>(head: &'h [u8], odd_fields: &mut Vec<OddField>) -> Result<Cow<'h, [u8]>, HttpFault> {
    // Made only when something has to be left out or mended.
    let mut strict: Option<Vec<u8>> = None;
    let mut place = 0;
    let mut before = Before::Start;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let read = match before {
            Before::Start | Before::StatusLine | Before::Field { .. } if text.is_empty() => Read::AsItIs(None),
            Before::Start => Read::AsItIs(None),
            Before::Field { is_left_out } if text.starts_with(b" ") || text.starts_with(b"\t") => {
                if text.contains(&0) {
                    Read::Refused(text, "holds a NUL")
                } else if is_left_out {
                    Read::LeftOut(None)
                } else {
                    Read::AsItIs(None)
                }
            }
            Before::StatusLine | Before::Field { .. } => read_field(text),
        };
        let (odd, left_out) = match read {
            Read::AsItIs(odd) => {
                if let Some(strict) = &mut strict {
                    strict.extend_from_slice(line);
                }
                (odd, false)
            }
            Read::LeftOut(odd) => {
                strict.get_or_insert_with(|| head[..place].to_vec());
                (odd, true)
            }
            Read::Mended(odd) => {
                let strict = strict.get_or_insert_with(|| head[..place].to_vec());
                let ends = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n');
                strict
                    .extend(line.iter().map(|byte| if byte.is_ascii_control() && !ends(byte) { b'?' } else { *byte }));
                (Some(odd), false)
            }
            Read::Refused(field, what) => return Err(HttpFault::BadField(OddField::new(field, what))),
        };
        odd_fields.extend(odd.filter(|_| odd_fields.len() < MAX_ODD_FIELDS));
        place += line.len();
        before = match before {
            Before::Start if text.is_empty() => Before::Start,
            Before::Start => Before::StatusLine,
            Before::StatusLine | Before::Field { .. } => Before::Field { is_left_out: left_out },
        };
    }
    Ok(strict.map_or(Cow::Borrowed(head), Cow::Owned))
}

/// What came before a line.
#[derive(Clone, Copy)]
enum Before {
    /// Nothing but empty lines.
    Start,
    StatusLine,
    /// A field, which may go on.
    Field {
        is_left_out: bool,
    },
}

/// How a line is read.
enum Read<'l> {
    AsItIs(Option<OddField>),
    LeftOut(Option<OddField>),
    /// With its control characters replaced.
    Mended(OddField),
    Refused(&'l [u8], &'static str),
}

fn read_field(line: &[u8]) -> Read<'_> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Read::Refused(line, "has no colon");
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let (bare, odd) = (name.trim_ascii_end(), |what| OddField::new(name, what));
    if line.contains(&0) {
        Read::Refused(name, "holds a NUL")
    } else if line.contains(&b'\r') {
        Read::Refused(name, "holds a carriage return that ends no line")
    } else if bare.is_empty() {
        Read::LeftOut(Some(OddField::new(line, "has no name")))
    } else if !bare.iter().all(|byte| is_token(*byte)) {
        Read::LeftOut(Some(odd("has a name with a character that must not be in one")))
    } else if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        Read::Mended(odd("holds a control character"))
    } else {
        Read::AsItIs((bare.len() < name.len()).then(|| odd("has a blank before its colon")))
    }
}

impl OddField {
    fn new(field: &[u8], what: &'static str) -> Self {
        Self { field: field[..field.len().min(MAX_SHOWN)].to_vec(), what }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

enum Parse {
    TooManyFields,
    Fault(HttpFault),
}

fn parse_with<'h>(
    fields: &mut [httparse::Header<'h>],
    head: &'h [u8],
    wanted: &[Rule<Arc<str>>],
    odd_fields: &mut Vec<OddField>,
) -> Result<(Response, Framing), Parse> {
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
    if values("transfer-encoding").next().is_some() && values("content-length").next().is_some() {
        odd_fields.push(OddField::new(b"Content-Length", "stands beside Transfer-Encoding, which counts"));
    }
    // What was put around the body first comes off last: the transfer's coding is the outer one.
    let coding = Coding::announced(values("content-encoding").chain(values("transfer-encoding")));
    let text = |value: &[u8]| String::from_utf8_lossy(&value[..value.len().min(MAX_VALUE)]).into_owned();
    let location = (300..400).contains(&status).then(|| values("location").next()).flatten().map(text);
    let upgrade = values("upgrade").next().map(text);
    let rule_for = |name: &str| wanted.iter().find(|rule| rule.at.eq_ignore_ascii_case(name));
    let wanted =
        parsed.headers.iter().filter_map(|field| Some((rule_for(field.name)?.at.clone(), field.value.to_vec())));
    let wanted = wanted.collect();
    let (odd_fields, body) = (Vec::new(), Vec::new());
    Ok((Response { status, version, location, upgrade, wanted, coding, odd_fields, body }, framing))
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
        (Some(_), _) if http_1_0 => Err(malformed("Transfer-Encoding in an HTTP/1.0 response")),
        // RFC 9112, section 6.3: it overrides a length, and so curl and browsers read it.
        (Some(coding), _) if coding == b"chunked" => Ok(Framing::Chunked),
        (Some(_), Some(_)) => Err(malformed("Content-Length stands beside a Transfer-Encoding that is not chunked")),
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
        parse(text.replace('\n', "\r\n").as_bytes(), &[])
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
        check("Content-Length: 5\nTransfer-Encoding: chunked\n", Framing::Chunked);
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
        check("HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: gzip\n\n");
        check("HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n");
        check("HTTP/1.1 099 OK\n\n");
    }

    #[test]
    fn a_field_that_clients_refuse_is_named() {
        let check = |fields: &str, field: &str, what: &str| {
            let Err(HttpFault::BadField(odd)) = head(&format!("HTTP/1.1 200 OK\nA: b\n{fields}\n\n")) else {
                panic!("{fields:?} is taken");
            };
            assert_eq!((odd.field.as_slice(), odd.what), (field.as_bytes(), what), "{fields:?}");
        };
        check("X: a\0b", "X", "holds a NUL");
        check("X\0Y: ab", "X\0Y", "holds a NUL");
        check("X: a\n b\0", " b\0", "holds a NUL");
        check("X: a\rb", "X", "holds a carriage return that ends no line");
        check("no colon", "no colon", "has no colon");
        check(&"n".repeat(200), &"n".repeat(64), "has no colon");
    }

    #[test]
    fn a_field_that_clients_take_is_taken_and_written_down() {
        let check = |fields: &str, expected: &[(&str, &str)]| {
            let (response, framing) = head(&format!("HTTP/1.1 200 OK\nA: b\n{fields}\nContent-Length: 3\n\n"))
                .unwrap_or_else(|error| panic!("{fields:?}: {error:?}"));
            let odd: Vec<_> =
                response.odd_fields.iter().map(|odd| (String::from_utf8_lossy(&odd.field), odd.what)).collect();
            let odd: Vec<_> = odd.iter().map(|(field, what)| (&**field, *what)).collect();
            assert_eq!((odd.as_slice(), framing), (expected, Framing::Length(3)), "{fields:?}");
        };
        let name = "has a name with a character that must not be in one";
        check("X Y: z", &[("X Y", name)]);
        check("Größe: 1", &[("Größe", name)]);
        check("(X): z\n folded", &[("(X)", name)]);
        check(": z", &[(": z", "has no name")]);
        check(":", &[(":", "has no name")]);
        check("X : z", &[("X ", "has a blank before its colon")]);
        check("X: a\u{1}b\u{7f}", &[("X", "holds a control character")]);
        check("X: a\tb\nY: größe\nZ:", &[]);
        check("X: a\n b: c\n\td", &[]);
        let (response, _) = head(&format!("HTTP/1.1 200 OK\n{}\n", "X Y: z\n".repeat(100))).unwrap();
        assert_eq!(response.odd_fields.len(), MAX_ODD_FIELDS);
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
