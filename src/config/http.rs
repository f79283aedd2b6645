//! How to speak to somebody over HTTP as a client: login, TLS, headers and proxy, by the keys of Prometheus' `http_config`.
//!
//! A key that Prometheus has and we do not is an error: a request without its login would be refused further away, where
//! nobody sees why. Nothing here shows a secret.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, header};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::decode::{Field, Section, text, truth};
use super::login::login;
use super::reader::{Reader, trimmed};
use super::value::{cut_key, quote};
use super::yaml::{KeyPath, Node};
use super::{Problem, Problems};
use crate::probe::{ServerVerifier, Trust, TrustMode};

/// How requests are made, checked and ready for use.
pub struct HttpConfig {
    pub tls: ClientConfig,
    /// The name that is asked for and must be in the server's certificate, when that is not the URL's.
    pub server_name: Option<ServerName<'static>>,
    /// Sent with every request; the login is among them.
    pub headers: HeaderMap,
    /// URL of the proxy that requests go through.
    pub proxy: Option<String>,
    /// What works, but not as one may think.
    pub warnings: Vec<Problem>,
}

impl HttpConfig {
    /// Reads the file, and those that it names relative to its directory. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong with them, in the file's order.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let mut reader = Reader::new(path);
        let read = reader.file(path, Self::KEYS, Self::of).flatten();
        Self::finish(reader, read)
    }

    /// Without a file: no login, and trust in the well-known CAs. Blocks.
    ///
    /// # Errors
    /// When there is no CA to trust in.
    pub fn without_file() -> Result<Self, Problems> {
        let mut reader = Reader::new(Path::new("TLS"));
        let read = reader.text("", Self::KEYS, Self::of).flatten();
        Self::finish(reader, read)
    }

    fn finish(reader: Reader, read: Option<Self>) -> Result<Self, Problems> {
        let (config, _) = reader.finish(read);
        config.map(|(config, warnings)| Self { warnings, ..config })
    }

    /// The keys that [`HttpConfig::of`] reads.
    pub(super) const KEYS: &[&str] = &["basic_auth", "authorization", "tls_config", "http_headers", "proxy_url"];

    /// What the keys among those of `section` come to. `None` only when something was reported.
    pub(super) fn of(reader: &mut Reader, section: &Section<'_>) -> Option<Self> {
        let mut headers = headers(reader, section);
        if let Some(login) = login(reader, section).and_then(|login| sensitive(&login.sent())) {
            headers.insert(header::AUTHORIZATION, login);
        }
        let proxy = section.field("proxy_url", &mut reader.report, proxy).into_value();
        let given = section.is_given("tls_config");
        let tls = if given { reader.section(section, "tls_config", TLS, tls) } else { reader.text("", TLS, tls) };
        let (tls, server_name) = tls??;
        if let (Some(_), Some(_)) = (&server_name, &proxy) {
            let message =
                "with a proxy the certificate is checked for the URL's host; leave server_name or the proxy out";
            reader.report.error(Some(section.place()), "tls_config.server_name", message);
        }
        Some(Self { tls, server_name, headers, proxy, warnings: Vec::new() })
    }
}

/// Shows no header, for one of them may be a login.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls: _, server_name, headers, proxy: _, warnings } = self;
        f.debug_struct("HttpConfig")
            .field("server_name", server_name)
            .field("headers", &headers.len())
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}

const HTTP_HEADER: &[&str] = &["values", "secrets", "files"];
const TLS: &[&str] = &[
    "ca",
    "cert",
    "key",
    "ca_file",
    "cert_file",
    "key_file",
    "server_name",
    "insecure_skip_verify",
    "min_version",
    "max_version",
];

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn headers(reader: &mut Reader, section: &Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for entry in reader.entries(section, "http_headers", "header names, each to values, secrets or files") {
        let (parent, shown) = (section.path_of("http_headers"), cut_key(&entry.key));
        let path = KeyPath::Key(&parent, &shown);
        let Ok(name) = HeaderName::from_bytes(entry.key.as_bytes()) else {
            reader.report.error(Some(entry.place), path, "this is no name of a header");
            continue;
        };
        // As in Prometheus: what has a key of its own, or belongs to the protocol.
        if RESERVED.split(' ').any(|reserved| reserved == name.as_str()) {
            let message = "this header is not set here; basic_auth and authorization log in";
            reader.report.error(Some(entry.place), path, message);
            continue;
        }
        let Some(inner) = Section::open(&entry.node, &path, HTTP_HEADER, &mut reader.report) else { continue };
        for key in HTTP_HEADER {
            for (index, given) in inner.items(key, &mut reader.report, text).right {
                let value = match *key {
                    "files" => reader
                        .material
                        .read(given.value)
                        .and_then(trimmed)
                        .map_err(|why| format!("cannot read {}: {why}", quote(given.value))),
                    _ => Ok(given.value.to_owned()),
                };
                let value = value.and_then(|value| {
                    sensitive(&value).ok_or_else(|| "a header has one line of visible characters".to_owned())
                });
                match value {
                    Ok(value) => {
                        headers.append(name.clone(), value);
                    }
                    Err(message) => {
                        let path = inner.path_of(key);
                        reader.report.error(Some(given.place), KeyPath::Item(&path, index), message);
                    }
                }
            }
        }
    }
    headers
}

/// What does not fit is not shown: it may hold a password.
fn proxy(node: &Node) -> Result<String, String> {
    let url = text(node)?;
    match url.parse::<hyper::Uri>() {
        Ok(uri) if uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")) => Ok(url.to_owned()),
        Ok(_) | Err(_) => Err("expected a URL such as http://proxy.example.com:3128".to_owned()),
    }
}

/// What rustls asks with, and the name to ask for when it is not the URL's.
fn tls(reader: &mut Reader, section: &Section<'_>) -> Option<(ClientConfig, Option<ServerName<'static>>)> {
    let name = section.field("server_name", &mut reader.report, |node| {
        let name = text(node)?;
        ServerName::try_from(name.to_owned())
            .map_err(|_| format!("{} is neither a host name nor an IP address", quote(name)))
    });
    let believes = section.field("insecure_skip_verify", &mut reader.report, truth);
    let trust = match believes.value() {
        Some(true) => Some(None),
        Some(false) | None => trust(reader, section).map(Some),
    };
    let own = reader.own_certificate(section);
    // That servers may speak older versions does no harm: at least TLS 1.2 is spoken to them.
    let versions = reader.versions(section, true);
    let (trust, own, versions) = (trust?, own.ok()?, versions.ok()?);
    if let Field::Wrong = name {
        return None;
    }
    let (name, provider) = (name.into_value(), Arc::new(default_provider()));
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).ok()?;
    let verifier = ServerVerifier::new(provider, trust, name.clone());
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified_key().clone()))),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // An address is never sent, and the URL's host is not the name that is meant.
    config.enable_sni = !matches!(name, Some(ServerName::IpAddress(_)));
    Some((config, name))
}

fn trust(reader: &mut Reader, section: &Section<'_>) -> Option<Arc<Trust>> {
    let trust = match reader.certificates(section, ["ca", "ca_file"]).ok()? {
        None => reader.material.trust(Vec::new(), Vec::new()),
        Some(given) => Trust::new(TrustMode::Configured, given.value.to_vec(), Vec::new())
            .map(Arc::new)
            .map_err(|why| why.to_string()),
    };
    trust.map_err(|why| reader.report.error(None, section.path_of("ca_file"), format!("{why}; name a CA here"))).ok()
}

/// Headers that `http_headers` cannot set.
const RESERVED: &str = "authorization host content-encoding content-length content-type user-agent connection keep-alive \
    proxy-authenticate proxy-authorization www-authenticate accept-encoding transfer-encoding te trailer upgrade";
