//! What a backend gets to see of a probe: request, Host, SNI, ALPN and PROXY line, from the configuration on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use backend_health_exporter::config::ConfigFile;
use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::tls::{Chain, Pki, ServerTls, Terms};
use backend_health_exporter::lab::{Backend, Handshake, Service, http, tcp};
use backend_health_exporter::target::{Target, expand};

use super::{HOST, LOCALHOST, Probe, Secure, judged, prober, prober_asking};

/// Not 127.0.0.1, which is a Host of its own.
const SERVER: &str = "127.33.0.7";

/// The rows of a configuration with one pool.
fn targets(directory: &Path, yaml: &str) -> Vec<Arc<Target>> {
    let file = ConfigFile { path: directory.join("test.yml"), text: yaml.to_owned() };
    let config = file.parse().unwrap_or_else(|problems| panic!("{yaml}\n{problems}"));
    expand(&config, &config.listed())
}

/// Waits until this holds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

/// The whole request, with this Host and path.
fn request(host: &str, path: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: backend_health_exporter/{version}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    )
}

/// What the server sees when `probe` and `setting` are configured for it.
async fn check_request(server: &str, probe: Option<&str>, setting: &str, host: &str, path: &str) {
    let address = SERVER.parse().expect("an address");
    let zone = Zone::from([(
        "app.example.test",
        Answer::addresses([SERVER.parse::<std::net::Ipv4Addr>().expect("an address")], 60),
    )]);
    let nameserver = Nameserver::start(zone).await.expect("the name server starts");
    let backend = Backend::start(address, http::ok()).expect("the backend starts");
    let port = backend.address().port();
    let probes = probe.map(|probe| format!("probes: [{{name: p, protocol: http, {probe}}}]\n")).unwrap_or_default();
    let uses = if probe.is_some() { "probe: p, " } else { "" };
    let yaml = format!(
        "{probes}backend_settings: [{{name: s, protocol: http, port: {port}, {uses}{setting}}}]\n\
         backend_pools: [{{name: w, settings: [s], servers: [\"{server}\"]}}]\n"
    );
    let directory = TempDir::new().expect("a directory");
    let [target] = &targets(directory.path(), &yaml)[..] else { panic!("one row") };
    let (_, verdict) = judged(&prober_asking(vec![nameserver.address()]), &target.probe).await;
    assert_eq!(verdict.cause, None, "{yaml}");
    let seen: Vec<String> =
        backend.requests().into_iter().map(|bytes| String::from_utf8(bytes).expect("text")).collect();
    assert_eq!(seen, [request(host, path)], "{yaml}");
}

#[tokio::test]
async fn the_request_has_the_host_that_the_configuration_asks_for() {
    let (host, name) = ("host: probe.example.com", "host_name: setting.example.com");
    // The probe's host, else the setting's, else the server as written, else (default probe) 127.0.0.1.
    check_request(SERVER, Some(host), "", "probe.example.com", "/").await;
    check_request(SERVER, Some(host), name, "probe.example.com", "/").await;
    check_request(SERVER, Some("path: /healthz"), name, "setting.example.com", "/healthz").await;
    check_request(SERVER, Some("path: \"/a/b?c=d&e=%20\""), "", SERVER, "/a/b?c=d&e=%20").await;
    check_request("App.Example.Test", Some("path: /x"), "", "App.Example.Test", "/x").await;
    check_request(SERVER, None, "", "127.0.0.1", "/").await;
    check_request("app.example.test", None, "", "127.0.0.1", "/").await;
    check_request(SERVER, None, name, "setting.example.com", "/").await;
    let picked = "pick_host_name_from_backend_address: true";
    check_request("app.example.test", None, picked, "app.example.test", "/").await;
    check_request("app.example.test", Some(host), picked, "app.example.test", "/").await;
    let from_setting = "pick_host_name_from_backend_settings: true";
    check_request(SERVER, Some(from_setting), name, "setting.example.com", "/").await;
}

/// The SNI that a server by this name gets with these keys, and whether it is accepted.
async fn check_sni(pki: &Pki, probe: &str, setting: &str, valid_for: &str, sni: Option<&str>) {
    let terms = Terms { alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()], ..Terms::default() };
    let tls = ServerTls::with(&pki.identity(Chain::Good, valid_for).expect("a chain"), terms).expect("a usable key");
    let backend = Backend::start(SERVER.parse().expect("an address"), Service::tls(&tls, http::ok()))
        .expect("the backend starts");
    let port = backend.address().port();
    let directory = TempDir::new().expect("a directory");
    std::fs::write(directory.path().join("root.pem"), pki.root.pem()).expect("a file");
    let yaml = format!(
        "probes: [{{name: p, protocol: https, {probe}}}]\n\
         backend_settings: [{{name: s, protocol: https, port: {port}, probe: p, \
         trusted_root_certificates: [root.pem], {setting}}}]\n\
         backend_pools: [{{name: w, settings: [s], servers: [{SERVER}]}}]\n"
    );
    let [target] = &targets(directory.path(), &yaml)[..] else { panic!("one row") };
    let (_, verdict) = judged(&prober(), &target.probe).await;
    assert_eq!(verdict.cause, None, "{yaml}");
    let alpn = Some(b"http/1.1".to_vec());
    let seen = Handshake { server_name: sni.map(str::to_owned), alpn, client_certificates: 0 };
    assert_eq!(backend.handshakes(), [seen], "{yaml}");
}

#[tokio::test]
async fn the_sni_is_the_name_that_is_validated_and_never_an_address() {
    let pki = Pki::new().unwrap();
    let (host, name, sni) = ("host: probe.lab.test", "host_name: setting.lab.test", "sni_name: sni.lab.test");
    check_sni(&pki, host, &format!("{name}, {sni}"), "sni.lab.test", Some("sni.lab.test")).await;
    check_sni(&pki, host, name, "probe.lab.test", Some("probe.lab.test")).await;
    check_sni(&pki, "path: /", name, "setting.lab.test", Some("setting.lab.test")).await;
    check_sni(&pki, "path: /", "", SERVER, None).await;
    check_sni(&pki, "host: 10.1.2.3", "", "10.1.2.3", None).await;
}

#[tokio::test]
async fn https_offers_http_1_1_and_tls_offers_no_protocol() {
    let secure = Secure::new();
    let terms = || Terms { alpn: vec![b"http/1.1".to_vec()], ..Terms::default() };
    let tls = ServerTls::with(&secure.pki.identity(Chain::Good, HOST).unwrap(), terms()).unwrap();
    let backend = Backend::start(LOCALHOST, Service::tls(&tls, http::ok())).unwrap();
    let prober = prober();
    for (probe, alpn) in [(Probe::https(&secure.trust), Some(b"http/1.1".to_vec())), (Probe::tls(&secure.trust), None)]
    {
        let (_, verdict) = judged(&prober, &probe.of(backend.address())).await;
        assert_eq!(verdict.cause, None);
        let seen = Handshake { server_name: Some(HOST.to_owned()), alpn, client_certificates: 0 };
        eventually("the handshake is over", || backend.handshakes().last() == Some(&seen)).await;
    }
    // A server by name, too: over tls nothing was said inside.
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn the_proxy_line_comes_before_everything_and_alone() {
    let line = b"PROXY UNKNOWN\r\n".to_vec();
    let prober = prober();
    let backend = Backend::start(LOCALHOST, tcp::accepts_proxy_line()).unwrap();
    judged(&prober, &Probe::tcp().with_proxy_line().of(backend.address())).await;
    assert_eq!(backend.requests(), std::slice::from_ref(&line));

    let secure = Secure::new();
    let tls = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    let service = Service::tls(&tls, tcp::holds()).behind_proxy_line();
    let backend = Backend::start(LOCALHOST, service).unwrap();
    judged(&prober, &Probe::tls(&secure.trust).with_proxy_line().of(backend.address())).await;
    eventually("the handshake is over", || backend.handshakes().len() == 1).await;
    assert_eq!(backend.requests(), std::slice::from_ref(&line));

    // Seen on the bare connection: the line, and right after it the record with the ClientHello.
    let backend = Backend::start(LOCALHOST, tcp::holds()).unwrap();
    let probe = Probe::tls(&secure.trust).with_proxy_line().within(super::SHORT);
    judged(&prober, &probe.of(backend.address())).await;
    let seen = &backend.requests()[0];
    assert_eq!(seen[..line.len() + 3], [&line[..], &[22, 3, 1]].concat());

    // Without the key there is none.
    let backend = Backend::start(LOCALHOST, tcp::holds()).unwrap();
    judged(&prober, &Probe::tcp().of(backend.address())).await;
    eventually("a connection", || backend.connections() == 1).await;
    assert_eq!(backend.requests(), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn each_probe_is_one_connection_of_its_own_that_the_prober_closes() {
    let backend = Backend::start(LOCALHOST, http::ok()).unwrap();
    let prober = prober();
    for count in 1..=3 {
        judged(&prober, &Probe::http().of(backend.address())).await;
        assert_eq!((backend.connections(), backend.requests().len()), (count, usize::try_from(count).unwrap()));
    }
}
