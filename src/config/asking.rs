//! The keys of a probe that say what is asked over HTTP: method, headers, body and login.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};

use super::decode::{Field, Located, Section, text};
use super::login::login;
use super::reader::Reader;
use super::value::{cut_key, quote};
use super::yaml::{Entry, KeyPath, Node};
use crate::probe::{Ask, Asked, Body, Header, Method, Value};

/// The keys that [`ask`] reads, beside the path.
pub(super) const KEYS: [&str; 7] =
    ["method", "headers", "header_files", "body", "body_file", "basic_auth", "authorization"];

/// Most of a body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What these keys come to; `None` when none of them is there, and the probe asks as it did.
pub(super) fn ask(reader: &mut Reader, section: &Section<'_>, path: Option<Arc<str>>, own: &Arc<Ask>) -> Arc<Ask> {
    if path.is_none() && !KEYS.iter().any(|key| section.is_given(key)) {
        return own.clone();
    }
    let method = section.field("method", &mut reader.report, method);
    let mut headers = headers(reader, section, "headers");
    headers.extend(header_files(reader, section));
    let body = body(reader, section, method.value().copied().unwrap_or(own.method));
    let login = login(reader, section);
    if let (Some(_), Some((place, _))) = (&login, headers.iter().find(|(_, header)| is(header, "authorization"))) {
        let message = "there is a login already, which sets this header; keep one of them";
        reader.report.error(Some(*place), section.path_of("headers"), message);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (place, Header { name, .. }) in &headers {
        if seen.iter().any(|before| before.eq_ignore_ascii_case(name)) {
            let message = format!("{} is given twice; keep one of them", quote(name));
            reader.report.error(Some(*place), section.path_of("headers"), message);
        }
        seen.push(name);
    }
    let headers: Vec<Header> = headers.into_iter().map(|(_, header)| header).collect();
    let given = section.is_given("headers") || section.is_given("header_files");
    Arc::new(Ask::new(Asked {
        path: path.unwrap_or_else(|| own.path.clone()),
        method: method.into_value().unwrap_or(own.method),
        headers: if given { headers } else { own.headers.clone() },
        body: body.or_else(|| own.body.clone()),
        login: login.or_else(|| own.login.clone()),
    }))
}

fn is(header: &Header, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

fn method(node: &Node) -> Result<Method, String> {
    let given = text(node)?;
    Method::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(given)).ok_or_else(|| {
        let all: Vec<&str> = Method::ALL.iter().map(|method| method.as_str()).collect();
        format!("{} is not a method that a probe can use; it must be one of {}", quote(given), all.join(", "))
    })
}

type Placed = (super::report::Place, Header);

fn headers(reader: &mut Reader, section: &Section<'_>, key: &str) -> Vec<Placed> {
    let mut headers = Vec::new();
    for entry in reader.entries(section, key, "header names to their values") {
        let Some(name) = name(reader, section, key, entry) else { continue };
        let value = text(&entry.node).and_then(|value| sent(value).map(|()| value));
        match value {
            Ok(value) if is_secret(&name) => {
                headers.push((entry.place, Header { name, value: Value::Secret { text: value.into(), file: None } }));
            }
            Ok(value) => headers.push((entry.place, Header { name, value: Value::Open(value.into()) })),
            Err(message) => wrong(reader, section, key, entry, message),
        }
    }
    headers
}

fn header_files(reader: &mut Reader, section: &Section<'_>) -> Vec<Placed> {
    let key = "header_files";
    let mut headers = Vec::new();
    for entry in reader.entries(section, key, "header names to files") {
        let Some(name) = name(reader, section, key, entry) else { continue };
        let file = match text(&entry.node) {
            Ok(file) => file,
            Err(message) => {
                wrong(reader, section, key, entry, message);
                continue;
            }
        };
        let content = reader.material.read(file).map_err(|why| format!("cannot read {}: {why}", quote(file)));
        let value = content.and_then(|bytes| {
            let text = String::from_utf8(bytes).map_err(|_| format!("the file {} is not UTF-8", quote(file)))?;
            let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
            sent(text).map_err(|why| format!("the file {}: {why}", quote(file)))?;
            Ok(Value::Secret { text: text.into(), file: Some(reader.material.shown_path(file)) })
        });
        match value {
            Ok(value) => headers.push((entry.place, Header { name, value })),
            Err(message) => wrong(reader, section, key, entry, message),
        }
    }
    headers
}

/// The header's name, if it is one that a probe may set.
fn name(reader: &mut Reader, section: &Section<'_>, key: &str, entry: &Entry) -> Option<Arc<str>> {
    let message = match HeaderName::from_bytes(entry.key.as_bytes()) {
        Err(_) => "this is not the name of a header: letters, digits and `-`, without a colon",
        Ok(name) => match name.as_str() {
            "host" => "the Host header follows from `host` of the probe or `host_name` of the setting; set it there",
            "connection" => "a probe always asks the server to close the connection; leave this header out",
            "content-length" | "transfer-encoding" => "this header follows from `body`; leave it out",
            _ => return Some(Arc::from(&*entry.key)),
        },
    };
    wrong(reader, section, key, entry, message.to_owned());
    None
}

fn wrong(reader: &mut Reader, section: &Section<'_>, key: &str, entry: &Entry, message: String) {
    let (parent, shown) = (section.path_of(key), cut_key(&entry.key));
    reader.report.error(Some(entry.place), KeyPath::Key(&parent, &shown), message);
}

/// Whether a value can be sent; no message repeats it.
fn sent(value: &str) -> Result<(), String> {
    match HeaderValue::from_str(value) {
        Ok(_) => Ok(()),
        Err(_) => Err("a header has one line of visible ASCII characters".to_owned()),
    }
}

/// Headers whose values are logins by their very name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "subscription-key"]
        .iter()
        .any(|word| name.contains(word))
}

fn body(reader: &mut Reader, section: &Section<'_>, method: Method) -> Option<Body> {
    let here = section.field("body", &mut reader.report, |node| text(node).map(str::to_owned));
    let there = section.field("body_file", &mut reader.report, |node| text(node).map(str::to_owned));
    let (place, body) = match (here, there) {
        (Field::Given(_), Field::Given(Located { place, .. })) => {
            reader.wrong(section, place, "body_file", "there is body already; keep one of them");
            return None;
        }
        (Field::Given(Located { value, place }), _) => {
            (place, Ok(Body { bytes: value.into_bytes().into(), file: None }))
        }
        (_, Field::Given(Located { value: name, place })) => {
            let read = reader.material.read(&name).map_err(|why| format!("cannot read {}: {why}", quote(&name)));
            let file = Some(reader.material.shown_path(&name));
            (place, read.map(|bytes| Body { bytes: bytes.into(), file }))
        }
        (Field::Absent | Field::Wrong, _) => return None,
    };
    let key = if section.is_given("body") { "body" } else { "body_file" };
    match body {
        Ok(body) if body.bytes.is_empty() => None,
        Ok(_) if !method.has_body() => {
            let message =
                format!("a request by {} has no body; add `method: POST`, or leave this out", method.as_str());
            reader.wrong(section, place, key, message);
            None
        }
        Ok(body) if body.bytes.len() > MAX_BODY => {
            reader.wrong(section, place, key, format!("a body has at most {} KiB", MAX_BODY / 1024));
            None
        }
        Ok(body) => Some(body),
        Err(message) => {
            reader.wrong(section, place, key, message);
            None
        }
    }
}
