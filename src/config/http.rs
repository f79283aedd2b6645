//! How to speak to a running exporter (`--http.config.file`): logins, TLS, headers and proxy, in the format of Prometheus'
//! `http_config`.
//!
//! What Prometheus takes and we do not have (`oauth2`, references to a secret manager) is an error that says so: a request
//! without its login would be refused further away, where nobody sees why. Nothing here shows a secret.

mod tls;

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, header};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::decode::{Field, Located, Report, Section, text, truth};
use super::material::Material;
use super::value::{cut, quote};
use super::yaml::{KeyPath, Node, Place, Value};
use super::{ConfigFile, Problem, Problems, yaml};

/// How requests are made, checked and ready for use.
pub struct HttpConfig {
    pub tls: ClientConfig,
    /// The name that is asked for and must be in the server's certificate, when that is not the URL's.
    pub server_name: Option<ServerName<'static>>,
    /// Sent with every request; the login is among them.
    pub headers: HeaderMap,
    pub follow_redirects: bool,
    pub http2: bool,
    pub proxy: HttpProxy,
    /// What works, but not as one may think.
    pub warnings: Vec<Problem>,
}

/// Which proxy requests go through.
pub enum HttpProxy {
    None,
    /// What the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.
    Environment,
    Url {
        url: String,
        /// Hosts that are asked without it, separated by commas.
        except: Option<String>,
    },
}

impl HttpConfig {
    /// Reads the file, and those that it names relative to its directory. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong with them, in the file's order.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let file = ConfigFile::read(path)?;
        let mut report = Report::new(path.display().to_string());
        let Some(root) = yaml::parse(&file.text, &mut report) else { return Err(report.into_problems()) };
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::of(&root, directory, report)
    }

    /// Without a file: no login, and trust in the well-known CAs. Blocks.
    ///
    /// # Errors
    /// When there is no CA to trust in.
    pub fn without_file() -> Result<Self, Problems> {
        let nothing = Node { place: Place { line: 1, column: 1 }, value: Value::Null };
        Self::of(&nothing, ".".into(), Report::new("TLS".to_owned()))
    }

    fn of(root: &Node, directory: std::path::PathBuf, report: Report) -> Result<Self, Problems> {
        let empty = Node { place: root.place, value: Value::Map(Vec::new()) };
        // A file with nothing in it asks for nothing.
        let root = if let Value::Null = root.value { &empty } else { root };
        let mut reader = Reader { report, material: Material::new(directory) };
        let read = reader.config(root);
        let Reader { mut report, material } = reader;
        let (_, fallback) = material.finish();
        if let (Some(message), Some(_)) = (fallback, &read) {
            report.warning(None, "", message);
        }
        // `None` only with an error in the report.
        match (read, report.finish()) {
            (_, Err(problems)) => Err(problems),
            (Some(config), Ok(warnings)) => Ok(Self { warnings, ..config }),
            (None, Ok(warnings)) => Err(Problems::new(warnings)),
        }
    }
}

/// Shows no header, for one of them may be a login.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls: _, server_name, headers, follow_redirects, http2, proxy: _, warnings } = self;
        f.debug_struct("HttpConfig")
            .field("server_name", server_name)
            .field("headers", &headers.len())
            .field("follow_redirects", follow_redirects)
            .field("http2", http2)
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}

const FILE: &[&str] = &[
    "basic_auth",
    "authorization",
    "bearer_token",
    "bearer_token_file",
    "oauth2",
    "tls_config",
    "follow_redirects",
    "enable_http2",
    "http_headers",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
];
const BASIC_AUTH: &[&str] = &["username", "username_file", "username_ref", "password", "password_file", "password_ref"];
const AUTHORIZATION: &[&str] = &["type", "credentials", "credentials_file", "credentials_ref"];
const HTTP_HEADER: &[&str] = &["values", "secrets", "files"];

/// The problem is among the report's.
#[derive(Clone, Copy, Debug)]
struct Reported;

struct Reader {
    report: Report,
    material: Material,
}

impl Reader {
    /// `None` only when something was reported.
    fn config(&mut self, root: &Node) -> Option<HttpConfig> {
        let section = Section::open(root, &KeyPath::Root, FILE, &mut self.report)?;
        self.refuse(&section, "oauth2", "OAuth 2.0 is not supported; give a token by authorization.credentials_file");
        self.refuse(&section, "proxy_connect_header", "headers for the proxy are not supported");
        let mut headers = self.headers(&section);
        if let Some(login) = self.login(&section) {
            headers.insert(header::AUTHORIZATION, login);
        }
        let http2 = self.truth(&section, "enable_http2");
        let proxy = self.proxy(&section);
        let tls = self.tls(&section, http2);
        if let (Some((_, Some(_))), HttpProxy::Environment | HttpProxy::Url { .. }) = (&tls, &proxy) {
            let message =
                "with a proxy the certificate is checked for the URL's host; leave server_name or the proxy out";
            self.report.error(Some(section.place()), "tls_config.server_name", message);
        }
        let follow_redirects = self.truth(&section, "follow_redirects");
        let (tls, server_name) = tls?;
        Some(HttpConfig { tls, server_name, headers, follow_redirects, http2, proxy, warnings: Vec::new() })
    }

    /// The value of `Authorization`.
    fn login(&mut self, section: &Section<'_>) -> Option<HeaderValue> {
        let ways = ["basic_auth", "authorization", "bearer_token", "bearer_token_file"];
        let given: Vec<&str> = ways.into_iter().filter(|key| is_given(section, key)).collect();
        if let [first, second, ..] = *given {
            let place = section.node(second).map(|node| node.place);
            self.report.error(place, second, format!("there is {first} already; keep one of them"));
            return None;
        }
        match given.first().copied()? {
            "basic_auth" => self.basic(section),
            "authorization" => self.authorization(section),
            _ => {
                let token = self.secret(section, "bearer_token", "bearer_token_file")?;
                self.header("Bearer ", &token, section, "bearer_token")
            }
        }
    }

    fn basic(&mut self, section: &Section<'_>) -> Option<HeaderValue> {
        let path = section.path_of("basic_auth");
        let inner = Section::open(section.node("basic_auth")?, &path, BASIC_AUTH, &mut self.report)?;
        self.refuse_references(&inner, &["username_ref", "password_ref"]);
        let name = self.either(&inner, "username", "username_file");
        let password = self.either(&inner, "password", "password_file");
        let (name, password) = (name.ok()?.unwrap_or_default(), password.ok()?.unwrap_or_default());
        if name.contains(':') {
            let message = "a user's name has no colon in it: what follows would be taken for the password";
            self.report.error(Some(inner.place()), inner.path_of("username"), message);
            return None;
        }
        self.header("Basic ", &BASE64_STANDARD.encode(format!("{name}:{password}")), section, "basic_auth")
    }

    fn authorization(&mut self, section: &Section<'_>) -> Option<HeaderValue> {
        let path = section.path_of("authorization");
        let inner = Section::open(section.node("authorization")?, &path, AUTHORIZATION, &mut self.report)?;
        self.refuse_references(&inner, &["credentials_ref"]);
        let kind = inner.field("type", &mut self.report, |node| match text(node)?.trim() {
            "" => Ok("Bearer".to_owned()),
            kind if kind.eq_ignore_ascii_case("basic") => {
                Err("a name and password are given by basic_auth: {username: ..., password_file: ...}".to_owned())
            }
            kind => Ok(kind.to_owned()),
        });
        let kind = match kind {
            Field::Absent => "Bearer".to_owned(),
            Field::Wrong => return None,
            Field::Given(Located { value, place: _ }) => value,
        };
        let credentials = self.secret(&inner, "credentials", "credentials_file")?;
        self.header(&format!("{kind} "), &credentials, section, "authorization")
    }

    fn header(&mut self, kind: &str, secret: &str, section: &Section<'_>, key: &str) -> Option<HeaderValue> {
        let value = HeaderValue::from_str(&(kind.to_owned() + secret)).ok();
        if value.is_none() {
            let message = "it cannot be sent in a header, which has one line of visible characters";
            self.report.error(section.node(key).map(|node| node.place), section.path_of(key), message);
        }
        value.map(|mut value| {
            value.set_sensitive(true);
            value
        })
    }

    fn headers(&mut self, section: &Section<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let path = section.path_of("http_headers");
        let Some(node) = section.node("http_headers") else { return headers };
        let Value::Map(entries) = &node.value else {
            let message = "expected a mapping of header names, each to values, secrets or files";
            self.report.error(Some(node.place), path, message);
            return headers;
        };
        for entry in entries {
            let shown = cut(&entry.key);
            let path = KeyPath::Key(&path, &shown);
            let Ok(name) = HeaderName::from_bytes(entry.key.as_bytes()) else {
                self.report.error(Some(entry.place), path, "this is no name of a header");
                continue;
            };
            // As in Prometheus: what has a key of its own, or belongs to the protocol.
            if RESERVED.split(' ').any(|reserved| reserved == name.as_str()) {
                self.report.error(
                    Some(entry.place),
                    path,
                    "this header is not set here; basic_auth and authorization log in",
                );
                continue;
            }
            let Some(inner) = Section::open(&entry.node, &path, HTTP_HEADER, &mut self.report) else { continue };
            for key in HTTP_HEADER {
                let own = |node: &Node| text(node).map(str::to_owned);
                for (index, Located { value, place }) in inner.items(key, &mut self.report, own).right {
                    let value = match *key {
                        "files" => self
                            .material
                            .read(&value)
                            .and_then(trimmed)
                            .map_err(|why| format!("cannot read {}: {why}", quote(&value))),
                        _ => Ok(value),
                    };
                    let value = value.and_then(|value| {
                        HeaderValue::from_str(&value)
                            .map_err(|_| "a header has one line of visible characters".to_owned())
                    });
                    match value {
                        Ok(mut value) => {
                            value.set_sensitive(true);
                            headers.append(name.clone(), value);
                        }
                        Err(message) => {
                            self.report.error(Some(place), KeyPath::Item(&inner.path_of(key), index), message);
                        }
                    }
                }
            }
        }
        headers
    }

    fn proxy(&mut self, section: &Section<'_>) -> HttpProxy {
        let url = section.field("proxy_url", &mut self.report, |node| {
            let url = text(node)?;
            // What does not fit is not shown: it may hold a password.
            match url.parse::<hyper::Uri>() {
                Ok(uri) if uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")) => {
                    Ok(url.to_owned())
                }
                Ok(_) | Err(_) => Err("expected a URL such as http://proxy.example.com:3128".to_owned()),
            }
        });
        let except = section.field("no_proxy", &mut self.report, |node| text(node).map(str::to_owned));
        let environment = section.field("proxy_from_environment", &mut self.report, truth);
        let from_environment = environment.value().copied().unwrap_or(false);
        if let (Some(given), true) = (url.given().map(|url| url.place), from_environment) {
            self.report.error(Some(given), "proxy_url", "proxy_from_environment is true; keep one of them");
        }
        if let (Some(given), true) = (except.given().map(|except| except.place), url.is_absent()) {
            self.report.error(
                Some(given),
                "no_proxy",
                "it needs proxy_url: there is nothing to make an exception from",
            );
        }
        match url.into_value() {
            Some(url) => HttpProxy::Url { url, except: except.into_value() },
            None if from_environment => HttpProxy::Environment,
            None => HttpProxy::None,
        }
    }

    /// True by default.
    fn truth(&mut self, section: &Section<'_>, key: &str) -> bool {
        section.field(key, &mut self.report, truth).into_value().unwrap_or(true)
    }

    /// As [`Reader::either`]; it is an error when it is given in no way.
    fn secret(&mut self, section: &Section<'_>, inline: &'static str, file: &'static str) -> Option<String> {
        let given = self.either(section, inline, file).ok()?;
        if given.is_none() {
            self.report.error(
                Some(section.place()),
                section.path_of(inline),
                format!("missing: give {inline} or {file}"),
            );
        }
        given
    }

    /// A text that may stand here or in a file of its own, there without the white space around it.
    fn either(
        &mut self,
        section: &Section<'_>,
        inline: &'static str,
        file: &'static str,
    ) -> Result<Option<String>, Reported> {
        let given = self.here_or_in_file(section, inline, file, trimmed)?;
        Ok(given.map(|(text, _)| text.value))
    }

    /// What stands at `inline`, or is `read` from the content of the file that `file` names, and the key that gave it.
    fn here_or_in_file<T: From<String>>(
        &mut self,
        section: &Section<'_>,
        inline: &'static str,
        file: &'static str,
        read: impl FnOnce(Vec<u8>) -> Result<T, String>,
    ) -> Result<Option<(Located<T>, &'static str)>, Reported> {
        let here = section.field(inline, &mut self.report, |node| text(node).map(str::to_owned));
        let there = section.field(file, &mut self.report, |node| text(node).map(str::to_owned));
        match (here, there) {
            (Field::Wrong, _) | (_, Field::Wrong) => Err(Reported),
            (Field::Absent, Field::Absent) => Ok(None),
            (Field::Given(Located { value, place }), Field::Absent) => {
                Ok(Some((Located { value: value.into(), place }, inline)))
            }
            (Field::Absent, Field::Given(Located { value, place })) => {
                match self.material.read(&value).and_then(read) {
                    Ok(value) => Ok(Some((Located { value, place }, file))),
                    Err(why) => {
                        let message = format!("cannot read {}: {why}", quote(&value));
                        self.report.error(Some(place), section.path_of(file), message);
                        Err(Reported)
                    }
                }
            }
            (Field::Given(_), Field::Given(Located { value: _, place })) => {
                let message = format!("there is {inline} already; keep one of them");
                self.report.error(Some(place), section.path_of(file), message);
                Err(Reported)
            }
        }
    }

    fn refuse(&mut self, section: &Section<'_>, key: &'static str, why: &str) {
        if is_given(section, key) {
            self.report.error(section.node(key).map(|node| node.place), section.path_of(key), why);
        }
    }

    /// Prometheus resolves these with a secret manager of its own.
    fn refuse_references(&mut self, section: &Section<'_>, keys: &[&'static str]) {
        for key in keys {
            let file = key.replace("_ref", "_file");
            self.refuse(section, key, &format!("there is no secret manager here; {file} reads it from a file"));
        }
    }
}

/// A file's content as text, without the white space around it.
fn trimmed(content: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(text.trim().to_owned())
}

fn is_given(section: &Section<'_>, key: &str) -> bool {
    section.node(key).is_some_and(|node| !matches!(node.value, Value::Null))
}

/// Headers that `http_headers` cannot set.
const RESERVED: &str = "authorization host content-encoding content-length content-type user-agent connection keep-alive \
    proxy-authenticate proxy-authorization www-authenticate accept-encoding transfer-encoding te trailer upgrade";
