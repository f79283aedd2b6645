//! What clients may ask the exporter to do, how much of it, and that the log and a counter say who asked.

use std::fmt::Write as _;
use std::sync::Arc;

use backend_health_exporter::lab::Backend;
use backend_health_exporter::lab::http;
use backend_health_exporter::lab::tls::{Credential, Profile};
use reqwest::{Client, StatusCode};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use super::{ConfigFile, Exporter, http_client, text};

const ON_DEMAND: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/gw/\
                         getBackendHealthOnDemand?api-version=2025-07-01";

/// One pool of so many servers, all of them the same backend, which is probed once a day.
fn config_of(backend: &Backend, servers: usize) -> ConfigFile {
    let mut yaml = format!(
        "probes: [{{name: daily, protocol: http, interval: 24h, timeout: 5s}}]\n\
         backend_settings: [{{name: plain, protocol: http, port: {}, probe: daily}}]\n\
         backend_pools:\n  - name: web\n    settings: [plain]\n    servers:\n",
        backend.address().port()
    );
    for number in 0..servers {
        writeln!(yaml, "      - 127.0.{}.{}", number / 250, number % 250 + 1).unwrap();
    }
    ConfigFile::new(&yaml)
}

fn good_backend() -> Backend {
    Backend::start([127, 0, 0, 1].into(), http::ok()).expect("a backend starts")
}

fn probe(more: &Value) -> Value {
    let mut body = json!({"backendPoolName": "web", "backendHttpSettingName": "plain"});
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

async fn post(client: &Client, url: &str, body: &Value) -> (StatusCode, String) {
    let response = client.post(url).json(body).send().await.expect("it answers");
    (response.status(), response.text().await.expect("the body is complete"))
}

#[tokio::test]
async fn a_client_that_nobody_knows_asks_for_so_much_and_is_counted_and_named() {
    let backend = good_backend();
    let config = config_of(&backend, 1);
    let exporter = Exporter::run(&config.path).await;
    exporter.ready().await;
    let client = http_client(RootCertStore::empty()).build().unwrap();
    let url = exporter.url(ON_DEMAND);
    let mut statuses = Vec::new();
    for _ in 0..60 {
        let (status, body) = post(&client, &url, &probe(&json!({}))).await;
        assert!(status == 202 || status == 429, "{status} {body}");
        statuses.push(status);
    }
    assert_eq!(statuses[0], 202);
    let scrape = exporter.scrape().await;
    let count = |outcome| {
        let labels = [("what", "probe"), ("outcome", outcome)];
        scrape.value("backend_health_exporter_on_demand_total", &labels)
    };
    assert!(count("begun") + count("busy") > 59.5, "all of them are counted");
    assert!(count("busy") > 0.5, "{statuses:?}");
    let log = exporter.process.stderr().join("\n");
    assert!(log.contains("client=127.0.0.1 what=probe outcome=begun row=\"web plain\""), "{log}");
}

#[tokio::test]
async fn a_request_for_more_than_a_thousand_rows_is_refused() {
    let backend = good_backend();
    let config = config_of(&backend, 1_001);
    let exporter = Exporter::run(&config.path).await;
    let client = http_client(RootCertStore::empty()).build().unwrap();
    let (status, body) = post(&client, &exporter.url(ON_DEMAND), &probe(&json!({}))).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("at most 1000"), "{body}");
}

#[tokio::test]
async fn behind_client_certificates_any_probe_may_be_asked_for_and_without_one_nothing() {
    let backend = good_backend();
    let config = config_of(&backend, 1);
    let root = Credential::self_signed(&Profile::authority("Our Root")).unwrap();
    let leaf = root.issue(&Profile::server("127.0.0.1")).unwrap();
    let own = root.issue(&Profile::client("on call")).unwrap();
    for (name, content) in [("root.pem", root.pem()), ("site.pem", leaf.pem()), ("site.key", leaf.key_pem())] {
        config.write_beside(name, content);
    }
    let web = "tls_server_config:\n  cert_file: site.pem\n  key_file: site.key\n  client_ca_file: root.pem\n  \
               client_auth_type: RequireAndVerifyClientCert\n";
    let web = config.write_beside("web.yml", web);
    let exporter = Exporter::start(&["--config.file", text(&config.path), "--web.config.file", text(&web)]).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.pem().as_bytes()).unwrap()).unwrap();
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(own.pem().as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    let known = Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
    let url = format!("https://{}{ON_DEMAND}", exporter.address);
    let other_path = probe(&json!({"path": "/another"}));
    // More than a client may that nobody knows; four run at once.
    let mut begun = 0;
    for _ in 0..40 {
        let (status, body) = post(&known, &url, &other_path).await;
        assert!(status == 202 || body.contains("4 probes on demand"), "{status} {body}");
        begun += usize::from(status == 202);
    }
    assert!(begun > 0);
    let stranger = http_client(roots).build().unwrap();
    assert!(stranger.post(&url).json(&other_path).send().await.is_err(), "without a certificate nobody comes in");
}

#[tokio::test]
async fn the_refusal_names_the_flag_that_the_exporter_runs_with() {
    let backend = good_backend();
    let config = config_of(&backend, 1);
    let client = http_client(RootCertStore::empty()).build().unwrap();
    for (flag, login_helps) in [(&[][..], true), (&["--web.on-demand", "configured"], false)] {
        let exporter = Exporter::start(&[&["run", "--config.file", text(&config.path)], flag].concat()).await;
        let (status, body) = post(&client, &exporter.url(ON_DEMAND), &probe(&json!({"path": "/x"}))).await;
        assert_eq!(status, 403);
        assert_eq!(body.contains("a login in --web.config.file"), login_helps, "{body}");
        assert_eq!(body.contains("runs with --web.on-demand configured"), !login_helps, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_reloads_at_once_are_few_and_the_log_says_who_asked() {
    let backend = good_backend();
    let config = config_of(&backend, 3_000);
    let exporter = Exporter::run(&config.path).await;
    let client = http_client(RootCertStore::empty()).build().unwrap();
    let posts = (0..100).map(|_| tokio::spawn(client.post(exporter.url("/-/reload")).send()));
    for post in posts.collect::<Vec<_>>() {
        assert_eq!(post.await.unwrap().expect("it answers").status(), 200);
    }
    let log = exporter.process.stderr();
    let used = log.iter().filter(|line| line.contains("configuration in use")).count();
    assert!((2..50).contains(&used), "100 requests were {used} reloads");
    let asked: Vec<_> = log.iter().filter(|line| line.contains("to be read again")).collect();
    assert!(asked[0].contains("client=127.0.0.1") && asked.len() < 30, "{asked:#?}");
}

#[tokio::test]
async fn a_refused_login_and_a_trusted_proxys_client_are_named_in_the_log() {
    let backend = good_backend();
    let config = config_of(&backend, 1);
    let hash = bcrypt::hash("correct horse", 4).unwrap();
    let web = config.write_beside("web.yml", format!("basic_auth_users: {{oncall: '{hash}'}}\n"));
    let flags = ["run", "--config.file", text(&config.path), "--web.config.file", text(&web)];
    let proxied = [&flags[..], &["--web.trusted-proxy", "127.0.0.0/8"]].concat();
    let client = http_client(RootCertStore::empty()).build().unwrap();
    for (flags, named) in [(&flags[..], "client=127.0.0.1"), (&proxied, "client=192.0.2.7")] {
        let exporter = Exporter::start(flags).await;
        for (user, password) in [("oncall", "wrong"), ("hunter2", "wrong")] {
            let request = client.get(exporter.url("/")).basic_auth(user, Some(password));
            let response = request.header("x-forwarded-for", "192.0.2.7").send().await.unwrap();
            assert_eq!(response.status(), 401);
        }
        let reload = client.post(exporter.url("/-/reload")).basic_auth("oncall", Some("correct horse"));
        assert_eq!(reload.header("x-forwarded-for", "192.0.2.7").send().await.unwrap().status(), 200);
        let log = exporter.process.stderr().join("\n");
        assert!(
            log.contains(&format!("a login is refused: user name or password wrong\" {named} user=oncall")),
            "{log}"
        );
        assert!(log.contains(&format!("{named} user=\"an unknown one\"")) && !log.contains("hunter2"), "{log}");
        assert!(log.contains(&format!("{named} user=oncall left_out=0")), "{log}");
    }
}
