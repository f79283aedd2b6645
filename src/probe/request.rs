//! What is asked over HTTP, and the bytes that ask it: a new part of a request is added to the value and to the bytes.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Who asks.
const USER_AGENT: &str = concat!("User-Agent: backend_health_exporter/", env!("CARGO_PKG_VERSION"), "\r\n");

/// What is taken for an answer.
const ACCEPT: &str = "Accept: */*\r\n";

/// The HTTP request to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The Host header.
    pub host: Arc<str>,
    pub ask: Arc<Ask>,
}

impl Request {
    /// Asks for a path.
    #[must_use]
    pub fn new(host: impl Into<Arc<str>>, path: impl Into<Arc<str>>) -> Self {
        Self { host: host.into(), ask: Arc::new(Ask::new(Asked { path: path.into(), ..Asked::default() })) }
    }

    /// As it goes over the connection.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.beginning().into_bytes();
        bytes.extend_from_slice(&self.ask.rest);
        bytes
    }

    /// As it may be shown: with a word in the place of each secret.
    pub(super) fn shown(&self) -> Vec<u8> {
        let mut text = self.beginning() + &fields(&self.ask, true);
        match &self.ask.body {
            Some(Body { bytes, file: None }) => text.push_str(&String::from_utf8_lossy(bytes)),
            Some(Body { bytes, file: Some(file) }) => {
                // Writing to a String does not fail.
                let _ = write!(text, "({} bytes of {file}, not shown)", bytes.len());
            }
            None => {}
        }
        text.into_bytes()
    }

    fn beginning(&self) -> String {
        format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.ask.method.as_str(), self.ask.path, self.host)
    }
}

/// In the place of a secret.
const NOT_SHOWN: &str = "(not shown)";

/// A shorter secret would be found in what has nothing to do with it.
const SHORTEST_SECRET: usize = 4;

/// The headers after Host, and the empty line; with a word in the place of each secret when these are to be hidden.
fn fields(asked: &Asked, hidden: bool) -> String {
    let mut text = String::new();
    let is_set = |name: &str| asked.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    for (name, line) in [("User-Agent", USER_AGENT), ("Accept", ACCEPT)] {
        if !is_set(name) {
            text.push_str(line);
        }
    }
    text.push_str("Connection: close\r\n");
    for header in &asked.headers {
        let value = match &header.value {
            Value::Secret { .. } if hidden => NOT_SHOWN,
            Value::Open(text) | Value::Secret { text, .. } => text,
        };
        push_field(&mut text, &header.name, value);
    }
    if let Some(login) = &asked.login {
        let value = if hidden { format!("{} {NOT_SHOWN}", login.scheme()) } else { login.sent() };
        push_field(&mut text, "Authorization", &value);
    }
    if asked.body.is_some() || asked.method.has_body() {
        let length = asked.body.as_ref().map_or(0, |body| body.bytes.len());
        push_field(&mut text, "Content-Length", &length.to_string());
    }
    text.push_str("\r\n");
    text
}

fn secrets(asked: &Asked) -> Vec<Arc<[u8]>> {
    let mut secrets: Vec<Arc<[u8]>> = Vec::new();
    let mut keep = |text: &str| {
        let bytes = text.trim().as_bytes();
        if bytes.len() >= SHORTEST_SECRET {
            secrets.push(bytes.into());
        }
    };
    let of = |value: &Value| match value {
        Value::Secret { text, .. } => Some(text.clone()),
        Value::Open(_) => None,
    };
    let mut values: Vec<&Value> = asked.headers.iter().map(|header| &header.value).collect();
    match &asked.login {
        Some(login @ Login::Basic { password, .. }) => {
            values.push(password);
            keep(login.sent().trim_start_matches("Basic "));
        }
        Some(Login::Authorization { credentials, .. }) => values.push(credentials),
        None => {}
    }
    for text in values.into_iter().filter_map(of) {
        keep(&text);
    }
    if let Some(Body { bytes, file: Some(_) }) = &asked.body {
        keep(&String::from_utf8_lossy(bytes));
    }
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// What is asked of every server alike, as configured.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    asked: Asked,
    /// What follows the Host header, made once.
    rest: Arc<[u8]>,
    /// What must never be seen again, longest first.
    secrets: Vec<Arc<[u8]>>,
}

/// The parts of a request that are configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// With its query.
    pub path: Arc<str>,
    pub method: Method,
    /// In the order written.
    pub headers: Vec<Header>,
    pub body: Option<Body>,
    pub login: Option<Login>,
}

/// A method of a probe (RFC 9110, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// As it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether a request by it has a body, though perhaps an empty one.
    #[must_use]
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch | Self::Delete)
    }
}

/// A header of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Arc<str>,
    pub value: Value,
}

/// A value that is sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Stands in the configuration for all to see.
    Open(Arc<str>),
    /// Is shown nowhere; the file that it came from, if there is one, is named.
    Secret { text: Arc<str>, file: Option<Arc<str>> },
}

/// What is sent after the head.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    pub bytes: Arc<[u8]>,
    /// Where it came from, when that is a file.
    pub file: Option<Arc<str>>,
}

/// How the probe logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// RFC 7617.
    Basic { username: Arc<str>, password: Value },
    /// A scheme, and what goes with it: `Bearer`, and a token (RFC 6750).
    Authorization { scheme: Arc<str>, credentials: Value },
}

impl Login {
    /// The first word of the value of `Authorization`.
    fn scheme(&self) -> &str {
        match self {
            Self::Basic { .. } => "Basic",
            Self::Authorization { scheme, .. } => scheme,
        }
    }

    /// The value of `Authorization`.
    #[must_use]
    pub fn sent(&self) -> String {
        match self {
            Self::Basic { username, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", password.sent())))
            }
            Self::Authorization { scheme, credentials } => format!("{scheme} {}", credentials.sent()),
        }
    }
}

impl Value {
    /// What goes over the connection.
    #[must_use]
    pub fn sent(&self) -> &str {
        match self {
            Self::Open(text) | Self::Secret { text, .. } => text,
        }
    }
}

/// Never shows a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(text) => text.fmt(f),
            Self::Secret { file: Some(file), .. } => write!(f, "<secret of {file}>"),
            Self::Secret { file: None, .. } => f.write_str("<secret>"),
        }
    }
}

/// A body may hold a secret, too.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.bytes.len())
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asked.fmt(f)
    }
}

impl Default for Asked {
    fn default() -> Self {
        Self { path: "/".into(), method: Method::Get, headers: Vec::new(), body: None, login: None }
    }
}

impl Default for Ask {
    fn default() -> Self {
        Self::new(Asked::default())
    }
}

impl std::ops::Deref for Ask {
    type Target = Asked;

    fn deref(&self) -> &Asked {
        &self.asked
    }
}

impl Ask {
    /// Makes the bytes of the request as far as they are the same for every server.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        let mut rest = fields(&asked, false).into_bytes();
        rest.extend(asked.body.iter().flat_map(|body| body.bytes.iter()));
        let secrets = secrets(&asked);
        Self { asked, rest: rest.into(), secrets }
    }

    /// Whether anything of it is to be hidden.
    pub(super) fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Makes unreadable what a server sent back of our secrets; `most`: more of it than this was not kept, so that a
    /// secret may be cut off at the end.
    pub(super) fn hide_secrets(&self, bytes: &mut [u8], most: usize) {
        for secret in &self.secrets {
            if bytes.len() >= most
                && let Some(length) = (1..secret.len()).rev().find(|length| bytes.ends_with(&secret[..*length]))
            {
                let from = bytes.len() - length;
                bytes[from..].fill(b'*');
            }
            let mut from = 0;
            while let Some(at) = find(&bytes[from..], secret) {
                bytes[from + at..from + at + secret.len()].fill(b'*');
                from += at + secret.len();
            }
        }
    }

    /// What is asked, part by part; no secret is shown.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let method = (self.method != Method::Get).then(|| format!("method {}", self.method.as_str()));
        let headers = self.headers.iter().map(|Header { name, value }| match value {
            Value::Open(value) => format!("header {name}: {value}"),
            Value::Secret { file: Some(file), .. } => format!("header {name} from {file}"),
            Value::Secret { file: None, .. } => format!("header {name} (secret)"),
        });
        let body = self.body.as_ref().map(|body| match &body.file {
            Some(file) => format!("a body of {} bytes from {file}", body.bytes.len()),
            None => format!("a body of {} bytes", body.bytes.len()),
        });
        let login = self.login.as_ref().map(|login| match login {
            Login::Basic { username, .. } => format!("login as {username}"),
            Login::Authorization { scheme, .. } => format!("login by {scheme} credentials"),
        });
        let path = format!("path {}", self.path);
        method.into_iter().chain([path]).chain(headers).chain(body).chain(login).collect()
    }

    /// Whether an answer to `other` still says something of this: the same question, though perhaps with another
    /// password or a newer key.
    #[must_use]
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        let open = |value: &Value| match value {
            Value::Open(text) => Some(text.clone()),
            Value::Secret { .. } => None,
        };
        let headers = |ask: &Self| -> Vec<_> {
            ask.headers.iter().map(|header| (header.name.clone(), open(&header.value))).collect()
        };
        let login = |ask: &Self| match &ask.login {
            None => None,
            Some(Login::Basic { username, .. }) => Some((true, username.clone())),
            Some(Login::Authorization { scheme, .. }) => Some((false, scheme.clone())),
        };
        self.path == other.path
            && self.method == other.method
            && self.body == other.body
            && headers(self) == headers(other)
            && login(self) == login(other)
    }
}

fn push_field(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    text.push_str(value);
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(asked: Asked) -> String {
        let request = Request { host: "app.test".into(), ask: Arc::new(Ask::new(asked)) };
        String::from_utf8(request.bytes()).expect("text").replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }

    fn secret(text: &str) -> Value {
        Value::Secret { text: text.into(), file: None }
    }

    #[test]
    fn a_plain_request_is_short() {
        let expected = "GET / HTTP/1.1\r\nHost: app.test\r\nUser-Agent: backend_health_exporter/VERSION\r\n\
                        Accept: */*\r\nConnection: close\r\n\r\n";
        assert_eq!(sent(Asked::default()), expected);
    }

    #[test]
    fn every_part_is_sent_as_configured_and_in_its_order() {
        let asked = Asked {
            path: "/check?full=1".into(),
            method: Method::Post,
            headers: vec![
                Header { name: "X-Probe".into(), value: Value::Open("1".into()) },
                Header { name: "accept".into(), value: Value::Open("text/plain".into()) },
                Header { name: "X-Api-Key".into(), value: secret("s3cret") },
            ],
            body: Some(Body { bytes: b"{}".as_slice().into(), file: None }),
            login: Some(Login::Basic { username: "probe".into(), password: secret("pass:word") }),
        };
        let expected = "POST /check?full=1 HTTP/1.1\r\nHost: app.test\r\n\
                        User-Agent: backend_health_exporter/VERSION\r\nConnection: close\r\nX-Probe: 1\r\n\
                        accept: text/plain\r\nX-Api-Key: s3cret\r\nAuthorization: Basic cHJvYmU6cGFzczp3b3Jk\r\n\
                        Content-Length: 2\r\n\r\n{}";
        assert_eq!(sent(asked.clone()), expected);
        let ask = Arc::new(Ask::new(asked));
        let request = Request { host: "app.test".into(), ask: ask.clone() };
        for shown in
            [format!("{ask:?}"), ask.in_words().join("\n"), String::from_utf8_lossy(&request.shown()).into_owned()]
        {
            assert!(shown.contains("X-Api-Key"), "{shown}");
            let secrets = ["s3cret", "pass:word", "cHJvYmU6cGFzczp3b3Jk"];
            assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
        }
        let mut echo = request.bytes();
        ask.hide_secrets(&mut echo, usize::MAX);
        let echo = String::from_utf8_lossy(&echo);
        assert!(echo.contains("X-Api-Key: ******\r\nAuthorization: Basic ********************\r\n"), "{echo}");
        let mut cut = b"X-Api-Key: s3cr".to_vec();
        ask.hide_secrets(&mut cut, 15);
        assert_eq!(cut, b"X-Api-Key: ****", "the rest of it was not kept");
        let mut whole = b"X-Api-Key: s3cr".to_vec();
        ask.hide_secrets(&mut whole, 16);
        assert_eq!(whole, b"X-Api-Key: s3cr", "it is another text");
    }

    #[test]
    fn a_method_with_a_body_announces_an_empty_one() {
        for method in Method::ALL {
            let text = sent(Asked { method, ..Asked::default() });
            assert!(text.starts_with(method.as_str()), "{text}");
            assert_eq!(text.contains("Content-Length: 0\r\n"), method.has_body(), "{text}");
        }
    }

    #[test]
    fn another_password_is_the_same_question() {
        let of = |password: &str, path: &str| {
            let login = Login::Basic { username: "probe".into(), password: secret(password) };
            Ask::new(Asked { path: path.into(), login: Some(login), ..Asked::default() })
        };
        assert!(of("a", "/").asks_the_same_as(&of("b", "/")));
        assert!(!of("a", "/").asks_the_same_as(&of("a", "/x")));
        assert!(!of("a", "/").asks_the_same_as(&Ask::default()));
    }
}
