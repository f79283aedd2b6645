//! What is asked over HTTP, and the text that asks it: a new part of a request is added to the value and to the text.

use std::sync::Arc;

/// What stands in every request beside path and Host.
const FIXED_FIELDS: &str = concat!(
    "User-Agent: backend_health_exporter/",
    env!("CARGO_PKG_VERSION"),
    "\r\nAccept: */*\r\nConnection: close\r\n\r\n"
);

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
        Self { host: host.into(), ask: Arc::new(Ask { path: path.into() }) }
    }

    /// As it goes over the connection.
    pub(super) fn text(&self) -> String {
        format!("GET {} HTTP/1.1\r\nHost: {}\r\n{FIXED_FIELDS}", self.ask.path, self.host)
    }
}

/// What is asked of every server alike, as configured: always GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub path: Arc<str>,
}

impl Default for Ask {
    fn default() -> Self {
        Self { path: "/".into() }
    }
}
