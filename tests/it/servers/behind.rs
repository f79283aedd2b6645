//! The exporter behind a proxy that ends TLS and asks for a login, set up as `docs/behind-a-proxy.md` says, with nothing told
//! to the exporter; and its pages behind a login of its own in a real browser.

use std::net::SocketAddr;

use reqwest::{Client, Method, RequestBuilder};
use rustls::RootCertStore;

use backend_health_exporter::lab::{Backend, http};
use tokio::time::{Instant, timeout};

use super::{Certificates, Server};
use crate::browser::{Browser, Look};
use crate::exporter::{ConfigFile, DEADLINE, Exporter, http_client};
use crate::faults::{HOST, LOCALHOST};

const DOC: &str = include_str!("../../../docs/behind-a-proxy.md");

/// The example in this language.
fn example(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    DOC.split(&start).nth(1).and_then(|rest| rest.split("```").next()).expect("the text has an example")
}

async fn exporter(backend: &Backend) -> (Exporter, ConfigFile) {
    let (ip, port) = (backend.address().ip(), backend.address().port());
    let config = ConfigFile::new(&format!(
        "probes: [{{name: quick, protocol: http, interval: 250ms, timeout: 200ms}}]\n\
         backend_settings: [{{name: s, protocol: http, port: {port}, probe: quick}}]\n\
         backend_pools: [{{name: p, settings: [s], servers: [{ip}]}}]\n"
    ));
    let exporter = Exporter::run(&config.path).await;
    exporter.ready().await;
    (exporter, config)
}

/// Somebody's browser at the proxy.
struct Visitor {
    client: Client,
    address: SocketAddr,
}

impl Visitor {
    fn of(server: &Server, certificates: &Certificates) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificates.secure.pki.root.der()).unwrap();
        let client = http_client(roots).resolve(HOST, server.address).build().unwrap();
        Self { client, address: server.address }
    }

    fn origin(&self) -> String {
        format!("https://{HOST}:{}", self.address.port())
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.origin() + path).basic_auth("oncall", Some("change-me"))
    }

    async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }

    async fn check(&self, what: &str) {
        let stranger = self.client.get(self.origin() + "/");
        assert_eq!(self.status(stranger).await, 401, "{what}: without a login");
        let page = self.ask(Method::GET, "/").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("The only server is Healthy."), "{what}: {page}");
        let check = || self.ask(Method::POST, "/troubleshoot?pool=p&setting=s&server=127.0.0.1");
        let own = self.origin();
        // Today's browsers, older ones, and a foreign page in both.
        let today = check().header("sec-fetch-site", "same-origin").header("origin", &own);
        assert_eq!(self.status(today).await, 200, "{what}: a check");
        assert_eq!(self.status(check().header("origin", &own)).await, 200, "{what}: a check by an older browser");
        let foreign = check().header("origin", "https://evil.example");
        assert_eq!(self.status(foreign).await, 403, "{what}: a foreign page");
        let foreign = check().header("sec-fetch-site", "cross-site").header("origin", &own);
        assert_eq!(self.status(foreign).await, 403, "{what}: a foreign page in a browser of today");
        // Events come as they happen, not when a buffer is full.
        let mut stream = self.ask(Method::GET, "/api/v1/stream").send().await.unwrap();
        let mut told = String::new();
        let begun = Instant::now();
        while told.matches("event: report").count() < 2 {
            let chunk = timeout(DEADLINE, stream.chunk()).await.unwrap_or_else(|_| panic!("{what}: {told}"));
            told += &String::from_utf8_lossy(&chunk.unwrap().expect("the stream goes on"));
        }
        println!("{what}: two events after {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn behind_nginx_as_the_documentation_has_it() {
    let backend = Backend::start(LOCALHOST, http::ok()).unwrap();
    let (exporter, _config) = exporter(&backend).await;
    let certificates = Certificates::new();
    let nginx = Server::start(&certificates, &["nginx", "-e", "stderr", "-c"], |path, port| {
        std::fs::write(path.join("htpasswd"), "oncall:{PLAIN}change-me\n").unwrap();
        let path = path.display();
        let server = example("nginx")
            .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"))
            .replace("health.example.com", HOST)
            .replace("/etc/nginx/tls/health.pem", &format!("{path}/server.pem"))
            .replace("/etc/nginx/tls/health.key", &format!("{path}/server.key"))
            .replace("/etc/nginx/health.htpasswd", &format!("{path}/htpasswd"))
            .replace("127.0.0.1:19115", &exporter.address.to_string());
        format!(
            "daemon off; master_process off; pid {path}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f; \
             uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n{server}\n}}\n"
        )
    });
    Visitor::of(&nginx, &certificates).check("nginx").await;
}

#[tokio::test]
async fn behind_haproxy_as_the_documentation_has_it() {
    let backend = Backend::start(LOCALHOST, http::ok()).unwrap();
    let (exporter, _config) = exporter(&backend).await;
    let certificates = Certificates::new();
    let haproxy = Server::start(&certificates, &["haproxy", "-db", "-f"], |path, port| {
        example("haproxy")
            .replace("bind :443", &format!("bind 127.0.0.1:{port}"))
            .replace("/etc/haproxy/health.pem", &format!("{}/both.pem", path.display()))
            .replace("127.0.0.1:19115", &exporter.address.to_string())
    });
    Visitor::of(&haproxy, &certificates).check("HAProxy").await;
}

#[test]
fn the_other_examples_lead_to_the_exporter() {
    assert!(example("caddyfile").contains("reverse_proxy 127.0.0.1:19115"));
    let hash = include_str!("../../../config/web.yml").lines().find_map(|line| line.trim().strip_prefix("admin: "));
    assert!(example("caddyfile").contains(hash.unwrap()), "the password is the one that the text says");
    assert!(example("yaml").contains("kind: Ingress") && example("yaml").contains("number: 19115"));
}

#[tokio::test]
async fn a_page_behind_the_exporters_own_login_is_live_and_checks() {
    let backend = Backend::start(LOCALHOST, http::ok()).unwrap();
    let (ip, port) = (backend.address().ip(), backend.address().port());
    let config = ConfigFile::new(&format!(
        "backend_settings: [{{name: s, protocol: http, port: {port}}}]\n\
         backend_pools: [{{name: p, settings: [s], servers: [{ip}]}}]\n"
    ));
    let hash = include_str!("../../../config/web.yml").lines().find_map(|line| line.trim().strip_prefix("admin: "));
    let web = config.write_beside("web.yml", format!("basic_auth_users:\n  admin: {}\n", hash.unwrap()));
    let (file, web) = (config.path.to_str().unwrap(), web.to_str().unwrap());
    let exporter = Exporter::start(&["run", "--config.file", file, "--web.config.file", web]).await;
    let browser = Browser::start(Look::default()).await;
    let address = exporter.url("/row?pool=p&setting=s&server=127.0.0.1").replace("http://", "http://admin:change-me@");
    browser.open(&address).await;
    browser.until("the page is live", "document.getElementById('live').textContent === 'Live'").await;
    browser.eval("document.getElementById('check-run').click()").await;
    browser.until("the check works", "document.getElementById('check-verdict')?.textContent.includes('Healthy')").await;
    assert_eq!(browser.eval("document.getElementById('lost').hidden").await, true);
    assert_eq!(browser.console().await, [""; 0]);
}
