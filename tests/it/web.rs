//! The web site over real sockets: what starts one here, and its routes.

mod access;
mod api;
mod clients;
mod docs;
pub(crate) mod openapi;
mod stream;

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::post;
use backend_health_exporter::health::HealthTable;
use backend_health_exporter::view::page;
use backend_health_exporter::view::page::Place;
use backend_health_exporter::view::report::Links;
use backend_health_exporter::web;
use backend_health_exporter::web::api::Api;
use backend_health_exporter::web::checks::{Begin, Checks, Refusal};
use backend_health_exporter::web::demand::Demand;
use backend_health_exporter::web::{Access, Entry, Hosts, Limits, Page, PageWriter, Paths, Site, Slots};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sample;

/// A site to be started, with what differs from the usual one.
struct Setup {
    paths: Paths,
    entry: Entry,
    access: Access,
    limits: Limits,
    listen: Vec<&'static str>,
    table: Arc<HealthTable>,
    /// Given the request's `Accept`.
    page: fn(Option<String>) -> PageWriter,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            paths: Paths::parse(None, None, "/metrics").unwrap(),
            entry: Entry::default(),
            access: Access::open(),
            limits: Limits::default(),
            listen: vec!["127.0.0.1:0"],
            table: Arc::default(),
            page: |accept| Box::new(move |out| writeln!(out, "accept {accept:?}")),
        }
    }
}

/// A running site.
struct Running {
    addresses: Vec<SocketAddr>,
    access: watch::Sender<Arc<Access>>,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
    knobs: Arc<Knobs>,
}

#[derive(Default)]
struct Knobs {
    is_ready: AtomicBool,
    reload_fails: AtomicBool,
    reloads: AtomicUsize,
    pages_written: AtomicUsize,
}

async fn start(setup: Setup) -> Running {
    let Setup { paths, entry, access, limits, listen, table, page } = setup;
    let shutdown = CancellationToken::new();
    let base = paths.external_url().unwrap_or(paths.prefix().as_str()).to_owned();
    let of_rows = web::pages::router(&table, &Arc::from("/metrics"));
    let (links, slots) = (Links { base: base.clone() }, Slots::new(&limits));
    let api = Api { table, links, limits: limits.clone(), slots: slots.clone(), shutdown: shutdown.clone() };
    // There is no row that could be checked.
    let begin: Arc<Begin> = Arc::new(|_, _| Err(Refusal::NoSuchRow("no such row".to_owned())));
    let checks = Checks::new(Demand::new(shutdown.clone()), begin);
    let knobs = Arc::new(Knobs::default());
    let (ready, reload, pages) = (knobs.clone(), knobs.clone(), knobs.clone());
    let site = Site {
        paths,
        entry,
        metrics: Box::new(move |accept| {
            let (accept, pages) = (accept.map(str::to_owned), pages.clone());
            let open_metrics = accept.as_ref().is_some_and(|accept| accept.contains("openmetrics"));
            Page {
                content_type: if open_metrics { OPEN_METRICS } else { TEXT },
                write: Box::new(move |out| {
                    pages.pages_written.fetch_add(1, Ordering::SeqCst);
                    page(accept)(out)
                }),
            }
        }),
        landing: Box::new(|query| {
            let page = format!("<!doctype html><title>landing {query:?}</title>");
            if query.is_some_and(|query| query.contains("wrong")) { Err(page) } else { Ok(page) }
        }),
        is_ready: Box::new(move || ready.is_ready.load(Ordering::SeqCst)),
        reload: Box::new(move || {
            let knobs = reload.clone();
            Box::pin(async move {
                tokio::task::yield_now().await;
                knobs.reloads.fetch_add(1, Ordering::SeqCst);
                let fails = knobs.reload_fails.load(Ordering::SeqCst);
                if fails { Err("backend_health.yml:3:5: unknown key".to_owned()) } else { Ok(()) }
            })
        }),
        slots,
        further: api
            .surface()
            .merge(web::api::troubleshoot::surface(checks))
            .into_router(&base)
            .merge(web::docs::router("/metrics"))
            .merge(of_rows)
            .route("/api/v1/echo", post(async |body: String| body)),
    };
    let mut listeners = Vec::new();
    for address in listen {
        listeners.push(web::bind(address).await.unwrap());
    }
    let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let (access, accesses) = watch::channel(Arc::new(access));
    let served = tokio::spawn(web::serve(listeners, site, accesses, limits, shutdown.clone()));
    Running { addresses, access, shutdown, served, knobs }
}

impl Running {
    fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    async fn get(&self, path: &str) -> Response {
        client().get(self.http(path)).send().await.unwrap()
    }
}

fn client() -> Client {
    builder(RootCertStore::empty()).build().unwrap()
}

/// A client that trusts `roots`, follows no redirect and keeps to a deadline.
fn builder(roots: RootCertStore) -> ClientBuilder {
    over(trusting(roots), &[b"h2", b"http/1.1"])
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn over(mut tls: ClientConfig, protocols: &[&[u8]]) -> ClientBuilder {
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let none = reqwest::redirect::Policy::none();
    Client::builder().no_proxy().redirect(none).timeout(Duration::from_secs(20)).tls_backend_preconfigured(tls)
}

fn header(response: &Response, name: &str) -> String {
    let values: Vec<_> = response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    values.join(" & ")
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[tokio::test]
async fn every_route_answers_its_methods_and_no_other() {
    let site = start(Setup::default()).await;
    let check = async |method: &str, path: &str, status: u16, text: &str| {
        let method: Method = method.parse().unwrap();
        let response = client().request(method.clone(), site.http(path)).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{method} {path}");
        assert_eq!(header(&response, "cache-control"), "no-store", "{method} {path}");
        let allow = header(&response, "allow");
        let body = response.text().await.unwrap();
        if method == Method::HEAD {
            assert_eq!(body, "", "HEAD {path}");
        } else {
            assert!(format!("{body}{allow}").contains(text), "{method} {path}: {body:?} {allow:?}");
        }
    };
    check("GET", "/", 200, "landing None").await;
    check("GET", "/?state=unhealthy&pool=a%20b", 200, "landing Some(\"state=unhealthy&pool=a%20b\")").await;
    check("HEAD", "/", 200, "").await;
    check("GET", "/metrics", 200, "accept Some(\"*/*\")").await;
    check("HEAD", "/metrics", 200, "").await;
    check("GET", "/-/healthy", 200, "healthy").await;
    check("HEAD", "/-/healthy", 200, "").await;
    check("GET", "/-/ready", 503, "not ready").await;
    check("HEAD", "/-/ready", 503, "").await;
    site.knobs.is_ready.store(true, Ordering::SeqCst);
    check("GET", "/-/ready", 200, "ready").await;
    check("POST", "/-/reload", 200, "reloaded").await;
    check("PUT", "/-/reload", 200, "reloaded").await;
    assert_eq!(site.knobs.reloads.load(Ordering::SeqCst), 2);
    site.knobs.reload_fails.store(true, Ordering::SeqCst);
    check("POST", "/-/reload", 500, "reload failed: backend_health.yml:3:5: unknown key").await;
    check("GET", "/-/reload", 405, "POST,PUT").await;
    check("HEAD", "/-/reload", 405, "").await;
    check("DELETE", "/-/reload", 405, "method not allowed").await;
    assert_eq!(site.knobs.reloads.load(Ordering::SeqCst), 3);
    check("OPTIONS", "/-/reload", 200, "POST,PUT").await;
    check("OPTIONS", "/", 200, "GET,HEAD").await;
    check("OPTIONS", "/nothing", 404, "not found").await;
    assert_eq!(site.knobs.reloads.load(Ordering::SeqCst), 3);
    check("POST", "/metrics", 405, "GET,HEAD").await;
    check("POST", "/", 405, "GET,HEAD").await;
    for path in ["/metrics/", "/metric", "/-/", "/-/nothing", "/assets/nothing", "//", "/metrics%2f"] {
        check("GET", path, 404, "not found; the report is at /, the metrics are at /metrics").await;
    }
    check("POST", "/nothing", 404, "not found").await;
    let icon = site.get("/favicon.ico").await;
    assert_eq!((icon.status().as_u16(), &*header(&icon, "content-type")), (200, "image/svg+xml"));
}

#[tokio::test]
async fn a_person_at_a_wrong_address_gets_a_page_with_ways_on() {
    const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
    let check = async |site: &Running, path: &str, accept: &str, expected: Option<&str>| {
        let response = client().get(site.http(path)).header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let text = response.text().await.unwrap();
        let link = expected.map(|root| format!("<a href=\"{root}/\">The report</a>"));
        assert_eq!(link.as_ref().is_some_and(|link| text.contains(link)), expected.is_some(), "{path}: {text}");
        assert_eq!(text.starts_with("not found; "), expected.is_none(), "{path}: {text}");
    };
    let site = start(Setup::default()).await;
    check(&site, "/nothing", BROWSER, Some(".")).await;
    check(&site, "/a/b/nothing", BROWSER, Some("../..")).await;
    check(&site, "/<script>alert(1)</script>", BROWSER, Some("..")).await;
    check(&site, "/nothing", "application/json", None).await;
    let paths = Paths::parse(None, Some("/a/probes"), "/metrics").unwrap();
    let site = start(Setup { paths, ..Setup::default() }).await;
    check(&site, "/a/probes/x/nothing", BROWSER, Some("..")).await;
    check(&site, "/elsewhere", BROWSER, None).await;
}

/// What comes for these bytes, after which the client closes its side.
async fn said(site: &Running, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(site.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("the connection stays open").unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_closes_its_side_gets_its_answer() {
    let site = start(Setup { page: large_page, ..Setup::default() }).await;
    let metrics = said(&site, "GET /metrics HTTP/1.0\r\n\r\n").await;
    assert!(metrics.starts_with("HTTP/1.0 200 OK") && metrics.ends_with(&large_text()), "{}", metrics.len());
    let reload = said(&site, "POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(reload.contains("reloaded"), "{reload}");
    let echo = said(&site, "POST /api/v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(echo.ends_with("hello"), "{echo}");
}

#[tokio::test]
async fn load_balancers_that_only_look_whether_anybody_is_there_are_answered() {
    let site = start(Setup::default()).await;
    for request in ["OPTIONS / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let answer = said(&site, request).await;
        assert!(answer.split("\r\n").next().unwrap().ends_with(" 200 OK"), "{request}: {answer}");
    }
    let twice = said(&site, "GET /-/healthy HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n").await;
    assert!(twice.starts_with("HTTP/1.1 400 ") && twice.contains("several Host headers"), "{twice}");
}

#[tokio::test]
async fn a_proxy_that_ends_tls_does_not_make_our_own_page_a_foreign_one() {
    let site = start(Setup::default()).await;
    // `Origin`, `Sec-Fetch-Site`, the status.
    let cases = [
        ("https://probes.example.com", "same-origin", 200),
        ("https://probes.example.com", "", 200),
        ("http://probes.example.com", "same-origin", 200),
        ("https://evil.example", "cross-site", 403),
        ("https://evil.example", "", 403),
        ("https://other.example.com", "same-site", 403),
    ];
    for (origin, fetch, status) in cases {
        let mut request = client().post(site.http("/-/reload")).header("host", "probes.example.com");
        request = request.header("origin", origin);
        if !fetch.is_empty() {
            request = request.header("sec-fetch-site", fetch);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{origin} {fetch}");
    }
}

#[tokio::test]
async fn a_page_of_a_rebound_name_sees_nothing() {
    let paths = Paths::parse(None, None, "/metrics").unwrap();
    let hosts = Hosts::new(&["probes.example.com".to_owned()], &paths, None).unwrap();
    let site = start(Setup { entry: Entry { hosts, ..Entry::default() }, ..Setup::default() }).await;
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    for (host, agent, status) in [
        ("evil.example:19115", browser, 421),
        ("probes.example.com", browser, 200),
        ("127.0.0.1", browser, 200),
        ("evil.example", "Prometheus/3.5.0", 200),
    ] {
        for path in ["/", "/metrics", "/api/v1/backendhealth", "/-/healthy"] {
            let request = client().get(site.http(path)).header("host", host).header("user-agent", agent);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{path} {host} {agent}");
            let named = response.text().await.unwrap().contains("--web.allowed-host");
            assert_eq!(named, status == 421, "{path} {host}");
        }
    }
}

#[tokio::test]
async fn pages_are_html_that_loads_nothing_from_elsewhere() {
    let site = start(Setup::default()).await;
    let response = site.get("/").await;
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    let policy = header(&response, "content-security-policy");
    assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&response, "x-frame-options"), "deny");
    assert_eq!(header(&response, "referrer-policy"), "same-origin");
    let response = site.get("/?wrong").await;
    assert_eq!(response.status(), 400);
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    let response = site.get("/-/healthy").await;
    assert_eq!(header(&response, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header(&response, "content-security-policy"), "");
}

#[tokio::test]
async fn a_page_is_compressed_for_who_takes_that() {
    let site = start(Setup::default()).await;
    let request = client().get(site.http("/")).header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert_eq!(header(&response, "vary"), "Accept-Encoding");
    let mut page = String::new();
    let body = response.bytes().await.unwrap();
    flate2::read::GzDecoder::new(&*body).read_to_string(&mut page).unwrap();
    let response = site.get("/").await;
    assert_eq!(header(&response, "content-encoding"), "");
    assert_eq!(header(&response, "vary"), "Accept-Encoding");
    assert_eq!(response.text().await.unwrap(), page);
}

#[tokio::test]
async fn a_page_file_is_kept_by_who_asks_for_its_version() {
    let site = start(Setup::default()).await;
    let place = Place { root: "", metrics_path: "/metrics" };
    let page = page::render(&sample::snapshot(Vec::new()), place, None, 0).unwrap();
    let addresses = page.split(['"']).filter(|part| part.starts_with("/assets/"));
    let mut seen = Vec::new();
    for address in addresses {
        let response = site.get(address).await;
        assert_eq!(response.status(), 200, "{address}");
        assert_eq!(header(&response, "cache-control"), "private, max-age=31536000, immutable", "{address}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        seen.push(header(&response, "content-type"));
        let (path, _) = address.split_once('?').unwrap();
        for other in [path.to_owned(), format!("{path}?v=0")] {
            let response = site.get(&other).await;
            assert_eq!(response.status(), 200, "{other}");
            assert_eq!(header(&response, "cache-control"), "no-cache", "{other}");
        }
    }
    let [icon, script] = ["image/svg+xml", "text/javascript; charset=utf-8"];
    assert_eq!(seen, [icon, icon, "text/css; charset=utf-8", script, script]);
    assert_eq!(site.get("/assets/nothing.css").await.status(), 404);
}

#[tokio::test]
async fn the_format_is_chosen_by_the_renderer_from_what_the_client_accepts() {
    let site = start(Setup::default()).await;
    let response = client()
        .get(site.http("/metrics"))
        .header("accept", "application/openmetrics-text;version=1.0.0")
        .header("accept", "text/plain;q=0.5")
        .send()
        .await
        .unwrap();
    assert_eq!(header(&response, "content-type"), OPEN_METRICS);
    assert_eq!(header(&response, "vary"), "Accept, Accept-Encoding");
    let expected = "accept Some(\"application/openmetrics-text;version=1.0.0, text/plain;q=0.5\")\n";
    assert_eq!(response.text().await.unwrap(), expected);
    assert_eq!(header(&site.get("/metrics").await, "content-type"), TEXT);
}

/// About 2 MB, many times the chunks that may wait.
fn large_page(_: Option<String>) -> PageWriter {
    Box::new(|out| (0..50_000).try_for_each(|number| writeln!(out, "a_sample{{of=\"{number:06}\"}} {number}")))
}

fn large_text() -> String {
    let mut text = String::new();
    large_page(None)(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_large_page_arrives_whole_plain_and_compressed() {
    let site = start(Setup { page: large_page, ..Setup::default() }).await;
    let check = async |accept: &str, coding: &str| {
        let request = client().get(site.http("/metrics")).header("accept-encoding", accept);
        let response = request.send().await.unwrap();
        assert_eq!(header(&response, "content-encoding"), coding, "{accept}");
        assert_eq!(header(&response, "transfer-encoding"), "chunked", "{accept}");
        assert_eq!(header(&response, "vary"), "Accept, Accept-Encoding", "{accept}");
        let bytes = response.bytes().await.unwrap();
        let mut text = String::new();
        match coding {
            "gzip" => {
                assert!(bytes.len() < large_text().len() / 2, "{}", bytes.len());
                flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap()
            }
            _ => (&bytes[..]).read_to_string(&mut text).unwrap(),
        };
        assert!(text == large_text(), "{accept}: the page differs");
    };
    check("gzip", "gzip").await;
    check("deflate, gzip;q=0.3", "gzip").await;
    check("gzip;q=0", "").await;
    check("identity", "").await;
    check("br", "").await;
}

#[tokio::test]
async fn a_head_request_gets_the_headers_and_costs_no_rendering() {
    let site = start(Setup { page: large_page, ..Setup::default() }).await;
    let response = client().head(site.http("/metrics")).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), TEXT);
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert_eq!(header(&response, "vary"), "Accept, Accept-Encoding");
    assert_eq!(response.bytes().await.unwrap().len(), 0);
    assert_eq!(site.knobs.pages_written.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_page_that_cannot_be_written_is_no_success() {
    fn fails(_: Option<String>) -> PageWriter {
        Box::new(|_| Err(std::fmt::Error))
    }
    fn panics(_: Option<String>) -> PageWriter {
        Box::new(|_| panic!("a renderer's fault"))
    }
    fn fails_late(_: Option<String>) -> PageWriter {
        Box::new(|out| {
            out.write_str(&large_text())?;
            Err(std::fmt::Error)
        })
    }
    for page in [fails, panics] {
        let site = start(Setup { page, ..Setup::default() }).await;
        assert_eq!(site.get("/metrics").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    let site = start(Setup { page: fails_late, ..Setup::default() }).await;
    let response = site.get("/metrics").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err(), "a page that is cut off must not look whole");
}

#[tokio::test]
async fn another_sites_page_cannot_reload() {
    let paths = Paths::parse(Some("https://outer.example"), Some("/"), "/metrics").unwrap();
    let site = start(Setup { paths, ..Setup::default() }).await;
    let own = site.http("");
    let check = async |path: &str, name: &str, value: &str, expected: u16| {
        let response = client().post(site.http(path)).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), expected, "{path} {name}: {value}");
    };
    check("/-/reload", "origin", "https://evil.example", 403).await;
    check("/-/reload", "origin", "null", 403).await;
    check("/-/reload", "sec-fetch-site", "cross-site", 403).await;
    check("/-/reload", "sec-fetch-site", "same-site", 403).await;
    check("/api/v1/echo", "origin", "https://evil.example", 403).await;
    assert_eq!(site.knobs.reloads.load(Ordering::SeqCst), 0);
    check("/-/reload", "origin", &own, 200).await;
    check("/-/reload", "origin", "https://outer.example", 200).await;
    check("/-/reload", "sec-fetch-site", "same-origin", 200).await;
    check("/api/v1/echo", "origin", &own, 200).await;
    let read = client().get(site.http("/metrics")).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(read.status(), 200);
}

#[tokio::test]
async fn everything_lies_below_the_route_prefix() {
    let paths = Paths::parse(Some("https://outer.example/a/probes/"), None, "/telemetry").unwrap();
    let site = start(Setup { paths, ..Setup::default() }).await;
    let check = async |path: &str, status: u16, location: &str| {
        let response = site.get(path).await;
        assert_eq!((response.status().as_u16(), header(&response, "location").as_str()), (status, location), "{path}");
    };
    check("/", 302, "a/probes/").await;
    check("/?x=1", 302, "a/probes/?x=1").await;
    check("/a/probes", 302, "probes/").await;
    check("/a/probes?x=1", 302, "probes/?x=1").await;
    check("/a/probes/", 200, "").await;
    check("/a/probes/telemetry", 200, "").await;
    check("/a/probes/-/healthy", 200, "").await;
    for path in ["/a", "/telemetry", "/-/healthy", "/a/probes/metrics", "/a/probes/a/probes/", "/b/probes/"] {
        check(path, 404, "").await;
    }
    let text = site.get("/nothing").await.text().await.unwrap();
    assert_eq!(text, "not found; the report is at /a/probes/, the metrics are at /a/probes/telemetry\n");
    let text = site.get("/a/probes/nothing").await.text().await.unwrap();
    assert!(text.starts_with("not found; the report is at /a/probes/"), "{text}");
    let echo = client().post(site.http("/a/probes/api/v1/echo")).body("hello").send().await.unwrap();
    assert_eq!(echo.text().await.unwrap(), "hello");
    let reload = client().post(site.http("/a/probes/-/reload")).send().await.unwrap();
    assert_eq!(reload.status(), 200);
}

#[tokio::test]
async fn every_listener_serves_the_same_site() {
    let listen = vec!["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"];
    let site = start(Setup { listen, ..Setup::default() }).await;
    assert!(site.addresses[1].is_ipv6());
    for address in &site.addresses {
        let response = client().get(format!("http://{address}/-/healthy")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{address}");
    }
    site.shutdown.cancel();
    site.served.await.unwrap();
    for address in &site.addresses {
        assert!(client().get(format!("http://{address}/-/healthy")).send().await.is_err(), "{address} still listens");
    }
}
