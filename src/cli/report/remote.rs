//! The report of a running exporter, over HTTP.

use std::error::Error;
use std::io;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use flate2::read::GzDecoder;
use hyper::header;
use hyper::header::HeaderValue;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Response, StatusCode, Url};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError};

use crate::config::http::HttpConfig;
use crate::view::report::{Filter, Report};
use crate::words::{cut, visible};

/// A running exporter that is asked for some of its rows.
pub(super) struct Remote {
    client: Client,
    /// The request path.
    url: Url,
    /// Of the exporter, without a login and with a slash at its end.
    base: Url,
    /// The URL's own host, when another name is asked for in TLS.
    host: Option<HeaderValue>,
    headers: hyper::HeaderMap,
}

impl Remote {
    /// # Errors
    /// When the URL is none, or the proxy cannot be used.
    pub(super) fn new(url: &str, config: HttpConfig, filter: &Filter) -> anyhow::Result<Self> {
        let HttpConfig { tls, server_name, headers, proxy, warnings: _ } = config;
        let (mut url, base) = addresses(url, filter)?;
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::limited(MOST_REDIRECTS))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
        client = match proxy {
            None => client.no_proxy(),
            // The error may hold the URL, which may hold a password.
            Some(url) => client.proxy(Proxy::all(&url).map_err(|_| anyhow!("proxy_url cannot be used"))?),
        };
        let mut host = None;
        if let (Some(ServerName::DnsName(name)), "https") = (server_name, url.scheme()) {
            host = HeaderValue::from_str(authority(&url)).ok();
            let real = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let name = name.as_ref().to_owned();
            url.set_host(Some(&name)).with_context(|| format!("server_name {name} cannot be asked for"))?;
            // HTTP/2 has no Host header of its own to keep the URL's host in.
            client = client.dns_resolver(Arc::new(Under { name, real })).http1_only();
        }
        Ok(Self { client: client.build().map_err(|error| anyhow!(reason(&error)))?, url, base, host, headers })
    }

    /// Where the exporter is, for people.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks.
    ///
    /// # Errors
    /// When there is no answer, or another one than a report; says what to do about it.
    pub(super) async fn report(&self) -> anyhow::Result<Report<'static>> {
        self.ask(self.url.clone()).await
    }

    /// Asks for every row.
    ///
    /// # Errors
    /// As [`Remote::report`].
    pub(super) async fn everything(&self) -> anyhow::Result<Report<'static>> {
        let mut url = self.url.clone();
        url.set_query(None);
        self.ask(url).await
    }

    async fn ask(&self, url: Url) -> anyhow::Result<Report<'static>> {
        let mut request = self.client.get(url).headers(self.headers.clone());
        request = request.header(header::ACCEPT, "application/json").header(header::ACCEPT_ENCODING, "gzip");
        if let Some(host) = &self.host {
            request = request.header(header::HOST, host);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        match status {
            StatusCode::OK => self.read(&body),
            status => Err(self.refused(status, &body)),
        }
    }

    async fn body(&self, mut response: Response) -> anyhow::Result<Vec<u8>> {
        let is_gzip = response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            self.check_size(&body)?;
        }
        if !is_gzip {
            return Ok(body);
        }
        let mut whole = Vec::new();
        let read = GzDecoder::new(&*body).take(MOST_BYTES + 1).read_to_end(&mut whole);
        read.with_context(|| format!("the answer of {} cannot be decompressed", self.url()))?;
        self.check_size(&whole)?;
        Ok(whole)
    }

    fn check_size(&self, body: &[u8]) -> anyhow::Result<()> {
        if body.len() as u64 > MOST_BYTES {
            bail!(
                "the answer of {} is larger than {} MiB; --pool and --setting ask for less",
                self.url(),
                MOST_BYTES >> 20
            );
        }
        Ok(())
    }

    fn read(&self, body: &[u8]) -> anyhow::Result<Report<'static>> {
        let read: Result<Report<'static>, _> = serde_json::from_slice(body);
        let mut report = read.map_err(|error| {
            let why = visible(&error.to_string()).into_owned();
            match error.classify() {
                serde_json::error::Category::Data => anyhow!(
                    "{} answers with JSON that is no report of this version ({why}); is it a backend_health_exporter {}?",
                    self.url(),
                    env!("CARGO_PKG_VERSION")
                ),
                serde_json::error::Category::Io
                | serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof => anyhow!(
                    "{} does not answer with JSON ({why}); is this a backend_health_exporter?",
                    self.url()
                ),
            }
        })?;
        self.complete_links(&mut report);
        Ok(report)
    }

    /// Links that start at the exporter's own site lead nowhere from a terminal.
    fn complete_links(&self, report: &mut Report<'_>) {
        for row in &mut report.rows {
            let last = row.last_probe.as_mut().and_then(|probe| probe.cause.as_mut());
            let problems = row.cause.iter_mut().chain(&mut row.also).chain(&mut row.warnings).chain(last);
            for problem in problems {
                if let Ok(whole) = self.base.join(&problem.docs_url) {
                    problem.docs_url = whole.into();
                }
            }
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> anyhow::Error {
        let url = self.url();
        let hint = match status {
            StatusCode::UNAUTHORIZED if self.logs_in() => "the login in --http.config.file is refused".to_owned(),
            StatusCode::UNAUTHORIZED => {
                "it wants a login: basic_auth or authorization in the file of --http.config.file".to_owned()
            }
            StatusCode::FORBIDDEN => "this login may not see it".to_owned(),
            StatusCode::NOT_FOUND => "is this a backend_health_exporter? The URL is that of its front page, with the \
                path of --web.route-prefix if it has one"
                .to_owned(),
            _ => excerpt(body),
        };
        if hint.is_empty() { anyhow!("{url} answers {status}") } else { anyhow!("{url} answers {status}: {hint}") }
    }

    fn logs_in(&self) -> bool {
        self.headers.contains_key(header::AUTHORIZATION) || !self.url.username().is_empty()
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        anyhow!("cannot ask {}: {}", self.url(), visible(&self.why(error)))
    }

    fn why(&self, error: &reqwest::Error) -> String {
        if let Some(error) = cause::<rustls::Error>(error) {
            return tls_reason(error);
        }
        if let Some(error) = cause::<io::Error>(error)
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return "connection refused; is the exporter running there? (--url says where else)".to_owned();
        }
        if error.is_timeout() {
            let (what, within) = if error.is_connect() { ("connection", CONNECT_TIMEOUT) } else { ("answer", TIMEOUT) };
            return format!("no {what} within {} s", within.as_secs());
        }
        if error.is_redirect() {
            return format!("it redirects more than {MOST_REDIRECTS} times");
        }
        let why = reason(error);
        match self.url.scheme() {
            _ if error.is_connect() => why,
            "http" => format!("{why}; does it speak TLS there? (https://)"),
            // TLS 1.3 servers refuse clients only after the handshake, and the alert may be lost on its way here.
            _ => format!("{why}; does it want another client certificate? {} and key_file name it", key("cert_file")),
        }
    }
}

/// What is asked for, and where the exporter is.
fn addresses(text: &str, filter: &Filter) -> anyhow::Result<(Url, Url)> {
    // Not shown when it is wrong: it may hold a password.
    let wrong = || anyhow!("--url is no URL such as http://127.0.0.1:19115");
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url: Url = text.parse().map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let mut base = url.clone();
    base.set_path(&format!("{path}/"));
    // These fail only for URLs that can have no login.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    url.set_path(&format!("{path}/api/v1/backendhealth"));
    let query = filter.to_query();
    url.set_query(Some(&*query).filter(|query| !query.is_empty()));
    Ok((url, base))
}

/// Host and port as they stand in the URL.
fn authority(url: &Url) -> &str {
    let authority = url.authority();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The first line of an answer, as much of it as fits a message.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1_000)]).into_owned();
    cut(&visible(text.trim().lines().next().unwrap_or_default()), 200).into_owned()
}

/// The innermost error that says something.
fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The error of this kind among the causes, within an [`io::Error`] too.
fn cause<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            format!("its certificate leads to no CA that is trusted here; {} names one", key("ca_file"))
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))
            if other.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            format!(
                "its certificate is that of a CA, which is not trusted as a server's own; {} can name it",
                key("ca_file")
            )
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("{error}; {} says which name is right", key("server_name")),
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet, or the clock here is wrong".to_owned(),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown,
        ) => format!("{error}; does it want another client certificate? {} and key_file name it", key("cert_file")),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS there; http:// instead of https://?".to_owned()
        }
        error => error.to_string(),
    }
}

/// Where a key of `tls_config` belongs.
fn key(key: &str) -> String {
    format!("tls_config.{key} in the file of --http.config.file")
}

/// Finds the exporter under the name that TLS is to ask for.
struct Under {
    name: String,
    real: String,
}

impl Resolve for Under {
    fn resolve(&self, name: Name) -> Resolving {
        let host = if name.as_str().eq_ignore_ascii_case(&self.name) { &self.real } else { name.as_str() };
        let host = host.to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For the whole of an answer: that of tens of thousands of rows is large.
const TIMEOUT: Duration = Duration::from_mins(1);

const MOST_REDIRECTS: usize = 10;

/// Some hundred thousand rows.
const MOST_BYTES: u64 = 1 << 30;
