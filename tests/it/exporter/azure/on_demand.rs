//! Probes that a client asks for: what is sent, what is told, and what they leave alone.

use std::path::Path;

use backend_health_exporter::lab::{Backend, Behaviour, http};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{GATEWAY, good_backend, header};
use crate::exporter::{ConfigFile, DEADLINE, Exporter, PAUSE, text};

/// A pool of one server under several settings, probed once in all: the next beat is a day away.
fn config_of(port: u16) -> ConfigFile {
    ConfigFile::new(&format!(
        "probes:\n  \
           - {{name: daily, protocol: http, interval: 24h, timeout: 20s, host: own.example, path: /own,\n     \
              match: {{status_codes: ['200-299'], body: ready}}}}\n  \
           - {{name: daily-tcp, protocol: tcp, interval: 24h, timeout: 20s}}\n\
         backend_settings:\n  \
           - {{name: plain, protocol: http, port: {port}, probe: daily, host_name: set.example}}\n  \
           - {{name: raw, protocol: tcp, port: {port}, probe: daily-tcp}}\n  \
           - {{name: by-name, protocol: http, port: {port}, pick_host_name_from_backend_address: true}}\n  \
           - {{name: bare, protocol: http, port: {port}}}\n\
         backend_pools:\n  \
           - {{name: web, settings: [plain], servers: [127.0.0.1]}}\n  \
           - {{name: Idle, settings: [], servers: [127.0.0.1, 127.0.0.2]}}\n"
    ))
}

fn probe(pool: &str, setting: &str, more: &Value) -> Value {
    let mut body = json!({
        "backendAddressPool": {"id": format!("{GATEWAY}/backendAddressPools/{pool}")},
        "backendHttpSettings": {"id": format!("{GATEWAY}/backendHttpSettingsCollection/{setting}")},
    });
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

/// An exporter that probes in any way that it is asked for.
async fn full(config: &Path) -> Exporter {
    Exporter::start(&["run", "--config.file", text(config), "--web.on-demand", "full"]).await
}

fn path() -> String {
    format!("{GATEWAY}/getBackendHealthOnDemand?api-version=2025-07-01")
}

impl Exporter {
    /// The servers that a probe on demand tells of.
    async fn probed(&self, body: &Value) -> Vec<Value> {
        let location = self.started(&path(), Some(body)).await;
        let result = self.result(&location).await;
        result["backendHealthHttpSettings"]["servers"].as_array().expect("a list").clone()
    }

    /// All that is told of rows, as long as nothing probes them.
    pub(crate) async fn report(&self) -> String {
        let scrape = self.scrape().await;
        let told = scrape.text().lines().filter(|line| {
            !line.starts_with('#') && !line.starts_with("process_") && !line.starts_with("backend_health_exporter_")
        });
        told.collect::<Vec<_>>().join("\n")
    }
}

#[tokio::test]
async fn what_is_asked_is_what_the_server_hears_and_the_report_stays_as_it_was() {
    let backend = good_backend();
    let config = config_of(backend.address().port());
    let exporter = full(&config.path).await;
    exporter.get_until("/-/ready", 200).await;
    let before = exporter.report().await;
    assert!(before.contains("backend_health_probes_total"), "{before}");

    // Setting, more of the request, what the server hears, the state, a part of the log.
    let cases: [(&str, Value, &[&str], &str, &str); 9] = [
        ("plain", json!({}), &["GET /own ", "own.example"], "Healthy", "status 200"),
        ("PLAIN", json!({"protocol": "Http", "path": "/b?c=d"}), &["GET /b?c=d ", "own.example"], "Healthy", "200"),
        ("plain", json!({"host": "Other.Example"}), &["GET /own ", "other.example"], "Healthy", "200"),
        (
            "plain",
            json!({"pickHostNameFromBackendHttpSettings": true, "timeout": 20}),
            &["GET /own ", "set.example"],
            "Healthy",
            "200",
        ),
        ("plain", json!({"match": {"statusCodes": ["204", "300-399"]}}), &["GET /own "], "Unhealthy", "204"),
        ("plain", json!({"match": {"body": "not there"}}), &["GET /own "], "Unhealthy", "not there"),
        ("plain", json!({"match": {"statusCodes": ["200"], "body": ""}}), &["GET /own "], "Healthy", "200"),
        ("bare", json!({}), &["GET / ", "127.0.0.1"], "Healthy", "200"),
        ("by-name", json!({}), &["GET / ", "127.0.0.1"], "Healthy", "200"),
    ];
    for (setting, more, heard, health, log) in cases {
        let servers = exporter.probed(&probe("web", setting, &more)).await;
        assert_eq!(servers.len(), 1, "{servers:?}");
        assert_eq!(
            (&servers[0]["address"], &servers[0]["health"]),
            (&json!("127.0.0.1"), &json!(health)),
            "{servers:?}"
        );
        assert!(servers[0]["healthProbeLog"].as_str().unwrap().contains(log), "{servers:?}");
        let requests = backend.requests();
        let request = String::from_utf8_lossy(requests.last().expect("it was asked")).to_ascii_lowercase();
        for word in heard {
            assert!(request.contains(&word.to_ascii_lowercase()), "{setting} {more}: {request}");
        }
    }
    let raw = exporter.probed(&probe("web", "raw", &json!({"protocol": "Tcp", "timeout": 5}))).await;
    assert_eq!(raw[0]["health"], "Healthy");

    // A pool that no setting is linked to is probed, too; one of its servers has nobody who listens.
    let servers = exporter.probed(&json!({"backendPoolName": "idle", "backendHttpSettingName": "plain"})).await;
    let states: Vec<_> = servers.iter().map(|server| (&server["address"], &server["health"])).collect();
    assert_eq!(states, [(&json!("127.0.0.1"), &json!("Healthy")), (&json!("127.0.0.2"), &json!("Unhealthy"))]);
    let log = servers[1]["healthProbeLog"].as_str().unwrap();
    assert!(log.contains("refused") && log.contains("What to do: "), "{log}");

    assert_eq!(exporter.report().await, before, "what somebody asks for is no part of the report");
}

#[tokio::test]
async fn without_a_login_only_the_settings_own_probe_is_asked() {
    let backend = good_backend();
    let config = config_of(backend.address().port());
    let exporter = Exporter::run(&config.path).await;
    exporter.get_until("/-/ready", 200).await;
    let heard = backend.requests().len();
    let cases = [
        ("host", json!({"host": "other.example"})),
        ("path", json!({"path": "/secret"})),
        ("timeout", json!({"timeout": 5})),
        ("match.statusCodes", json!({"match": {"statusCodes": ["200"]}})),
        ("match.body", json!({"match": {"body": "a"}})),
        ("pickHostNameFromBackendHttpSettings", json!({"pickHostNameFromBackendHttpSettings": true})),
    ];
    for (field, more) in cases {
        let request = exporter.request(Method::POST, &path()).json(&probe("web", "plain", &more));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 403, "{field}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!((&answer["error"]["code"], &answer["error"]["target"]), (&json!("Forbidden"), &json!(field)));
        assert!(answer["error"]["message"].as_str().unwrap().contains("--web.on-demand full"), "{answer}");
    }
    assert_eq!(backend.requests().len(), heard, "nothing was asked");
    let servers = exporter.probed(&probe("web", "plain", &json!({"protocol": "Http"}))).await;
    assert_eq!(servers[0]["health"], "Healthy", "{servers:?}");
    assert_eq!(backend.requests().len(), heard + 1);
    let logged = exporter.process.stderr().join("\n");
    assert!(logged.contains("outcome=refused") && logged.contains("client=127.0.0.1"), "{logged}");
}

#[tokio::test]
async fn what_cannot_be_probed_is_refused_with_the_fields_name() {
    let backend = good_backend();
    let config = config_of(backend.address().port());
    let exporter = full(&config.path).await;
    exporter.get_until("/-/ready", 200).await;
    let asked = backend.connections();
    let other = GATEWAY.replace("gw", "other");
    let foreign = json!({"backendAddressPool": {"id": format!("{other}/backendAddressPools/web")}});
    // Setting, more of the request, code, target, a part of the message.
    let cases: [(&str, Value, &str, &str, &str); 23] = [
        (
            "plain",
            json!({"backendAddressPool": {"id": "nobody"}}),
            "InvalidResourceReference",
            "backendAddressPool",
            "nobody",
        ),
        ("plain", foreign, "InvalidResourceReference", "backendAddressPool", "other"),
        ("nothing", json!({}), "InvalidResourceReference", "backendHttpSettings", "nothing"),
        ("plain", json!({"backendAddressPool": null}), "InvalidParameter", "backendAddressPool", "required"),
        ("plain", json!({"backendHttpSettings": 5}), "InvalidParameter", "backendHttpSettings", "id"),
        ("plain", json!({"timeout": 0}), "InvalidParameter", "timeout", "86400"),
        ("plain", json!({"timeout": 86401}), "InvalidParameter", "timeout", "86400"),
        ("plain", json!({"timeout": -1}), "InvalidParameter", "timeout", "86400"),
        ("plain", json!({"timeout": "5"}), "InvalidParameter", "timeout", "number"),
        ("plain", json!({"protocol": "Https"}), "InvalidParameter", "protocol", "http"),
        ("plain", json!({"protocol": "gopher"}), "InvalidParameter", "protocol", "http"),
        ("plain", json!({"host": "evil.example:80"}), "InvalidParameter", "host", "port"),
        ("plain", json!({"host": "a\r\nX-Evil: 1"}), "InvalidParameter", "host", "neither"),
        (
            "plain",
            json!({"host": "a.example", "pickHostNameFromBackendHttpSettings": true}),
            "InvalidParameter",
            "host",
            "absent",
        ),
        ("by-name", json!({"host": "a.example"}), "InvalidParameter", "host", "own name"),
        (
            "bare",
            json!({"pickHostNameFromBackendHttpSettings": true}),
            "InvalidParameter",
            "pickHostNameFromBackendHttpSettings",
            "no host name",
        ),
        ("plain", json!({"path": "healthz"}), "InvalidParameter", "path", "starts with"),
        ("plain", json!({"path": "/a b"}), "InvalidParameter", "path", "%20"),
        ("plain", json!({"path": "/\r\nX-Evil: 1"}), "InvalidParameter", "path", "control"),
        ("plain", json!({"match": {"statusCodes": ["2xx"]}}), "InvalidParameter", "match.statusCodes", "2xx"),
        ("plain", json!({"match": {"statusCodes": []}}), "InvalidParameter", "match.statusCodes", "at least one"),
        ("plain", json!({"match": {"body": "x".repeat(4_091)}}), "InvalidParameter", "match.body", "4090"),
        ("raw", json!({"path": "/"}), "InvalidParameter", "path", "tcp"),
    ];
    for (setting, more, code, target, message) in cases {
        let body = probe("web", setting, &more);
        let response = exporter.request(Method::POST, &path()).json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{body}");
        let error: Value = response.json().await.expect("JSON");
        let error = &error["error"];
        assert_eq!((error["code"].as_str(), error["target"].as_str()), (Some(code), Some(target)), "{body}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{body}: {error}");
    }
    for (body, status) in [("", 400), ("{", 400), ("[]", 400), (&*" ".repeat(70_000), 413)] {
        let response = exporter.request(Method::POST, &path()).body(body.to_owned()).send().await.expect("an answer");
        assert_eq!(response.status(), status);
        let error: Value = response.json().await.expect("JSON");
        assert_eq!(error["error"]["code"], "InvalidRequestContent");
    }
    assert_eq!(backend.connections(), asked, "nobody was probed");
}

#[tokio::test]
async fn the_fifth_at_once_is_told_to_come_again() {
    let backend = Backend::start([127, 0, 0, 1].into(), http::silent()).expect("a backend starts");
    let config = config_of(backend.address().port());
    let exporter = full(&config.path).await;
    let body = probe("web", "plain", &json!({"timeout": 600}));
    let mut locations = Vec::new();
    for _ in 0..4 {
        locations.push(exporter.started(&path(), Some(&body)).await);
    }
    let fifth = exporter.request(Method::POST, &path()).json(&body).send().await.expect("an answer");
    assert_eq!((fifth.status().as_u16(), header(&fifth, "retry-after").as_str()), (429, "5"));
    let error: Value = fifth.json().await.expect("JSON");
    assert_eq!(error["error"]["code"], "TooManyRequests");
    for location in &locations {
        let response = exporter.client.get(location).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), header(&response, "retry-after").as_str()), (202, "1"), "{location}");
        assert_eq!(response.bytes().await.expect("a body").len(), 0);
    }
    // The report does not wait for them.
    let report = exporter.started(&format!("{GATEWAY}/backendhealth"), None).await;
    exporter.result(&report).await;

    backend.set(Behaviour::Refused).expect("the port is this backend's");
    for location in &locations {
        let result = exporter.result(location).await;
        assert_eq!(result["backendHealthHttpSettings"]["servers"][0]["health"], "Unhealthy", "{result}");
    }
    let deadline = Instant::now() + DEADLINE;
    while exporter.request(Method::POST, &path()).json(&body).send().await.expect("an answer").status() != 202 {
        assert!(Instant::now() < deadline, "no turn comes back");
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn an_exporter_ends_in_the_middle_of_a_probe_on_demand() {
    let backend = Backend::start([127, 0, 0, 1].into(), http::silent()).expect("a backend starts");
    let config = config_of(backend.address().port());
    let mut exporter = full(&config.path).await;
    exporter.started(&path(), Some(&probe("web", "plain", &json!({"timeout": 86_400})))).await;
    exporter.process.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = exporter.process.ended(std::time::Duration::from_secs(30)).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn what_a_server_sends_stays_text() {
    let hostile = "\"},{\"health\":\"Healthy\"}\u{1b}[2J\u{0}</script>\u{202e}é";
    let backend = Backend::start([127, 0, 0, 1].into(), http::answer(hostile)).expect("a backend starts");
    let config = config_of(backend.address().port());
    let exporter = full(&config.path).await;
    let servers = exporter.probed(&probe("web", "plain", &json!({}))).await;
    assert_eq!((servers.len(), &servers[0]["health"]), (1, &json!("Unhealthy")));
    let log = servers[0]["healthProbeLog"].as_str().unwrap();
    assert!(!log.is_empty() && !log.chars().any(char::is_control) && !log.contains('\u{202e}'), "{log:?}");
}

#[tokio::test]
async fn a_pool_of_a_thousand_servers_is_probed_whole() {
    let backend = good_backend();
    let servers: Vec<String> = (0..1_000).map(|n| format!("127.40.{}.{}", n / 250, n % 250 + 1)).collect();
    let config = ConfigFile::new(&format!(
        "backend_settings: [{{name: plain, protocol: http, port: {}}}]\n\
         backend_pools: [{{name: many, settings: [], servers: [{}]}}]\n",
        backend.address().port(),
        servers.join(", ")
    ));
    let exporter = full(&config.path).await;
    let probed = exporter.probed(&probe("many", "plain", &json!({}))).await;
    let addresses: Vec<&str> = probed.iter().map(|server| server["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, servers, "in the configuration's order");
    for server in &probed {
        assert_eq!(server["health"], "Unhealthy", "nobody listens there: {server}");
    }
}
