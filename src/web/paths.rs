//! Where the exporter answers: route prefix, telemetry path and external URL, checked together.

use axum::http::Uri;
use axum::http::uri::Authority;
use thiserror::Error;

/// The checked `--web.external-url`, `--web.route-prefix` and `--web.telemetry-path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    prefix: RoutePrefix,
    telemetry: String,
    external: Option<External>,
}

impl Paths {
    /// Checks the three flags as given; without a route prefix, it is the path of the external URL.
    ///
    /// # Errors
    /// Names the flag that is wrong and what would be right.
    pub fn parse(
        external_url: Option<&str>,
        route_prefix: Option<&str>,
        telemetry_path: &str,
    ) -> Result<Self, PathsError> {
        let external = external_url.map(External::parse).transpose()?;
        let prefix = match (route_prefix, &external) {
            (Some(given), _) => RoutePrefix::parse(given)?,
            (None, Some(external)) => RoutePrefix::parse(&external.path)?,
            (None, None) => RoutePrefix::root(),
        };
        Ok(Self { prefix, telemetry: telemetry(telemetry_path)?, external })
    }

    #[must_use]
    pub fn prefix(&self) -> &RoutePrefix {
        &self.prefix
    }

    /// The telemetry path with the route prefix before it, as the router sees it.
    #[must_use]
    pub fn telemetry(&self) -> String {
        self.prefix.join(&self.telemetry)
    }

    /// The external URL without a slash at its end: what absolute links begin with.
    #[must_use]
    pub fn external_url(&self) -> Option<&str> {
        self.external.as_ref().map(|external| external.url.as_str())
    }

    pub(super) fn external_host(&self) -> Option<&str> {
        self.external.as_ref().map(|external| external.origin.host.as_str())
    }

    pub(super) fn external_origin(&self) -> Option<&Origin> {
        self.external.as_ref().map(|external| &external.origin)
    }
}

/// The path below which every route lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePrefix(String);

impl RoutePrefix {
    /// Nothing before the routes.
    #[must_use]
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Reads `/`, `/probes`, `probes/` and the like; slashes at both ends are optional.
    ///
    /// # Errors
    /// A segment is empty, `.` or `..`, or has characters that would need percent-encoding.
    pub fn parse(given: &str) -> Result<Self, PathsError> {
        let trimmed = given.trim_matches('/');
        if trimmed.is_empty() {
            return Ok(Self::root());
        }
        plain_segments(trimmed).map_err(|problem| PathsError::RoutePrefix { given: given.to_owned(), problem })?;
        Ok(Self(format!("/{trimmed}")))
    }

    /// `path`, which starts with a slash, below this prefix.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Empty for the root, else with a slash at the start and none at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a flag about paths.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathsError {
    #[error("--web.route-prefix {given:?}: {problem}; expected a path such as /probes")]
    RoutePrefix { given: String, problem: &'static str },
    #[error("--web.telemetry-path {given:?}: {problem}; expected a path such as /metrics")]
    TelemetryPath { given: String, problem: &'static str },
    #[error("--web.external-url {given:?}: {problem}; expected a URL such as https://example.com/probes")]
    ExternalUrl { given: String, problem: &'static str },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct External {
    url: String,
    path: String,
    origin: Origin,
}

impl External {
    fn parse(given: &str) -> Result<Self, PathsError> {
        let wrong = |problem| PathsError::ExternalUrl { given: given.to_owned(), problem };
        let uri: Uri = given.parse().map_err(|_| wrong("this is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user name has no place in it"));
        }
        if uri.query().is_some() || given.contains('#') {
            return Err(wrong("a query or fragment has no place in it"));
        }
        let scheme =
            uri.scheme_str().and_then(Scheme::parse).ok_or_else(|| wrong("the scheme is not http or https"))?;
        let origin = Origin::new(scheme, authority).ok_or_else(|| wrong("the port is not a number up to 65535"))?;
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { url: format!("{}://{authority}{path}", scheme.as_str()), path, origin })
    }
}

/// How a connection is spoken: the part of an origin that the transport decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A web origin (RFC 6454): scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Origin {
    /// `None` when the authority's port is none.
    pub(super) fn new(scheme: Scheme, authority: &Authority) -> Option<Self> {
        let host = authority.host().to_ascii_lowercase();
        // An IPv6 address keeps its brackets in `host()`, so what follows can only be the port.
        let port = match authority.as_str().rsplit('@').next()?.get(authority.host().len()..)? {
            "" | ":" => scheme.default_port(),
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }

    /// Whether this is the host and port that was asked, by this origin's own scheme.
    pub(super) fn is_at(&self, asked: &Authority) -> bool {
        Self::new(self.scheme, asked).as_ref() == Some(self)
    }

    /// The value of an `Origin` header; `None` for `null` and everything that is no http or https origin.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, authority) = header.split_once("://")?;
        let authority: Authority = authority.parse().ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        Self::new(Scheme::parse(scheme)?, &authority)
    }
}

fn telemetry(given: &str) -> Result<String, PathsError> {
    let wrong = |problem| PathsError::TelemetryPath { given: given.to_owned(), problem };
    let path = given.strip_prefix('/').ok_or_else(|| wrong("it does not start with a slash"))?;
    plain_segments(path).map_err(wrong)?;
    let first = path.split('/').next().unwrap_or_default();
    if RESERVED.contains(&first) {
        return Err(wrong("other pages live there"));
    }
    Ok(given.to_owned())
}

/// Only characters that no browser, proxy or router rewrites, so that paths can be compared byte by byte.
fn plain_segments(path: &str) -> Result<(), &'static str> {
    for segment in path.split('/') {
        if segment.is_empty() {
            return Err("a part between two slashes is empty");
        }
        if matches!(segment, "." | "..") {
            return Err("a part is . or ..");
        }
        if !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
            return Err("only letters, digits, - . _ ~ and slashes are allowed");
        }
    }
    Ok(())
}

/// First segments of the routes that are always there.
const RESERVED: [&str; 5] = ["-", "api", "docs", "row", "subscriptions"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_prefix_is_brought_into_one_form_or_refused() {
        fn check(given: &str, expected: Option<&str>) {
            let parsed = RoutePrefix::parse(given);
            assert_eq!(parsed.as_ref().ok().map(RoutePrefix::as_str), expected, "{given:?}: {parsed:?}");
        }
        check("", Some(""));
        check("/", Some(""));
        check("//", Some(""));
        check("/probes", Some("/probes"));
        check("probes/", Some("/probes"));
        check("/a/b-c/", Some("/a/b-c"));
        check("/a//b", None);
        check("/a/../b", None);
        check("/a b", None);
        check("/{id}", None);
        check("/:id", None);
        check("/*rest", None);
        check("/ä", None);
        check("/a%20b", None);
        check("/a?b", None);
    }

    #[test]
    fn the_route_prefix_defaults_to_the_path_of_the_external_url() {
        fn check(external: Option<&str>, prefix: Option<&str>, expected: &str) {
            let paths = Paths::parse(external, prefix, "/metrics").unwrap();
            assert_eq!(paths.telemetry(), expected);
        }
        check(None, None, "/metrics");
        check(Some("https://example.com"), None, "/metrics");
        check(Some("https://example.com/"), None, "/metrics");
        check(Some("https://example.com/probes/"), None, "/probes/metrics");
        check(Some("https://example.com/probes/"), Some("/"), "/metrics");
        check(Some("https://example.com/probes/"), Some("/inner"), "/inner/metrics");
        check(None, Some("/inner"), "/inner/metrics");
    }

    #[test]
    fn a_bad_flag_is_named_with_what_would_be_right() {
        fn check(external: Option<&str>, prefix: Option<&str>, telemetry: &str, expected: &str) {
            let error = Paths::parse(external, prefix, telemetry).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("expected"), "{error}");
        }
        check(None, Some("/a b"), "/metrics", "--web.route-prefix \"/a b\": only letters");
        check(None, None, "metrics", "--web.telemetry-path \"metrics\": it does not start with a slash");
        check(None, None, "/", "a part between two slashes is empty");
        check(None, None, "/-/healthy", "other pages live there");
        check(None, None, "/api/v1/backendhealth", "other pages live there");
        check(Some("example.com/x"), None, "/metrics", "--web.external-url");
        check(Some("ftp://example.com"), None, "/metrics", "the scheme is not http or https");
        check(Some("https://user:secret@example.com"), None, "/metrics", "a user name");
        check(Some("https://example.com/?a=b"), None, "/metrics", "a query");
        check(Some("https://example.com:99999/"), None, "/metrics", "the port");
        check(Some("/probes"), None, "/metrics", "the host is missing");
    }

    #[test]
    fn origins_compare_by_scheme_host_and_port() {
        fn check(one: &str, other: &str, expected: bool) {
            let (one, other) = (Origin::parse(one).unwrap(), Origin::parse(other).unwrap());
            assert_eq!(one == other, expected, "{one:?} {other:?}");
        }
        check("http://a.example", "http://A.example:80", true);
        check("https://a.example:443", "https://a.example", true);
        check("http://a.example", "https://a.example", false);
        check("http://a.example:8080", "http://a.example", false);
        check("http://[::1]:9115", "http://[::1]:9115", true);
        check("http://[::1]", "http://[::1]:80", true);
        for none in ["null", "", "a.example", "file:///x", "http://u@a.example", "http://a.example:x"] {
            assert_eq!(Origin::parse(none), None, "{none}");
        }
    }
}
