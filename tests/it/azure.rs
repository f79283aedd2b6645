//! Azure's shapes made of a sample report, and the life of an operation by a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use backend_health_exporter::health::Row;
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::verdict::{Cause, Code, Finding, Notice, Verdict};
use backend_health_exporter::view::azure::{BackendHealth, Gateway, OnDemandHealth, PoolOutline, SettingOutline};
use backend_health_exporter::view::report::{Filter, Links, Report};
use backend_health_exporter::web::azure::Source;
use backend_health_exporter::web::demand::Demand;
use backend_health_exporter::web::{Paths, azure};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::sample;

fn gateway() -> Gateway {
    Gateway {
        subscription: "00000000-0000-0000-0000-000000000000".to_owned(),
        resource_group: "monitoring".to_owned(),
        name: "backend-health".to_owned(),
    }
}

/// One row for everything that a log can say.
fn rows() -> Vec<Row> {
    let (http, https) = (Protocol::Http, Protocol::Https);
    let refused = "10.0.0.6:8080 refused the connection";
    let below = {
        let failed = sample::unhealthy_row("web", "plain", "10.0.0.5", http, Cause::HttpTimeout, "no answer in 30 s");
        let Row { cause, last_probe, .. } = failed;
        Row { cause, last_probe, consecutive_failures: 1, ..sample::healthy_row("web", "plain", "10.0.0.5", http) }
    };
    let without_verdict = {
        let late = sample::failure(http, Cause::LocalOverloaded, "this host woke up 4 s late");
        Row { last_probe: Some(Arc::new(late)), ..sample::healthy_row("web", "plain", "2001:db8::7", http) }
    };
    let warned = {
        let soon = Finding::new(Code::Notice(Notice::CertExpiresSoon), "the leaf ends in 3 d");
        let verdict = Verdict { warnings: vec![soon], ..sample::success(https) };
        Row { last_probe: Some(Arc::new(verdict)), ..sample::healthy_row("web", "a/b c", "app.example.com", https) }
    };
    vec![
        sample::healthy_row("web", "plain", "10.0.0.4", http),
        below,
        sample::unhealthy_row("web", "plain", "10.0.0.6", http, Cause::TcpRefused, refused),
        without_verdict,
        warned,
        sample::new_row("mail", "smtp", "mx.example.com", Protocol::Tcp),
        sample::healthy_row("mail", "smtp", "10.0.0.8", Protocol::Tcp),
        sample::healthy_row("mail", "smtps", "10.0.0.8", Protocol::Tls),
    ]
}

fn pools() -> Vec<PoolOutline<'static>> {
    let setting = |name, protocol| SettingOutline { name, protocol };
    vec![
        PoolOutline {
            name: "web",
            settings: vec![setting("plain", Protocol::Http), setting("a/b c", Protocol::Https)],
        },
        PoolOutline { name: "no-servers", settings: vec![setting("plain", Protocol::Http)] },
        PoolOutline { name: "no-settings", settings: Vec::new() },
        PoolOutline { name: "mail", settings: vec![setting("smtp", Protocol::Tcp), setting("smtps", Protocol::Tls)] },
    ]
}

fn links() -> Links {
    Links { base: String::new() }
}

#[test]
fn the_report_has_azures_shape() {
    let snapshot = sample::snapshot(rows());
    let report = Report::of(&snapshot, &Filter::default(), &links());
    let shape = BackendHealth::of(&report, &pools(), &gateway());
    let json = format!("{}\n", serde_json::to_string_pretty(&shape).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/azure/backend_health.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &json).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert!(json == expected, "`BLESS=1 cargo test --test it azure` writes the file anew; now it is\n{json}");
}

#[test]
fn every_server_is_there_once_and_has_a_log() {
    let snapshot = sample::snapshot(rows());
    let report = Report::of(&snapshot, &Filter::default(), &links());
    let shape = BackendHealth::of(&report, &pools(), &gateway());
    let settings = shape.backend_address_pools.iter().flat_map(|pool| &pool.backend_http_settings_collection);
    let servers: Vec<_> = settings.flat_map(|setting| &setting.servers).collect();
    assert_eq!(servers.len(), snapshot.rows.len());
    for server in servers {
        assert!(!server.health_probe_log.trim().is_empty(), "{server:?}");
        assert!(["Healthy", "Unhealthy", "Unknown"].contains(&server.health), "{server:?}");
    }
}

#[test]
fn a_probe_on_demand_has_one_pool_and_one_setting() {
    let snapshot = sample::snapshot(vec![sample::healthy_row("mail", "smtp", "10.0.0.8", Protocol::Tcp)]);
    let report = Report::of(&snapshot, &Filter::default(), &links());
    let setting = SettingOutline { name: "smtp", protocol: Protocol::Tcp };
    let shape = serde_json::to_value(OnDemandHealth::of(&report, "mail", setting, &gateway())).unwrap();
    let id = gateway().id();
    let expected = serde_json::json!({
        "backendAddressPool": {"id": format!("{id}/backendAddressPools/mail")},
        "backendHealthHttpSettings": {
            "backendHttpSettings": {"id": format!("{id}/backendSettingsCollection/smtp")},
            "servers": [{
                "address": "10.0.0.8",
                "health": "Healthy",
                "healthProbeLog": "Success: the server accepted the connection.",
            }],
        },
    });
    assert_eq!(shape, expected);
}

/// The routes, and what lets the probe on demand end.
fn routes() -> (Router, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    let source = Source {
        names: Box::new(|| None),
        backend_health: Box::new(|gateway| format!("\"{}\"", gateway.name)),
        on_demand: Box::new(move |_, probe| {
            let go = waits.clone();
            let probing = Box::pin(async move {
                assert_ne!(probe.pool, "explosive");
                go.notified().await;
                "\"probed\"".to_owned()
            });
            Ok((1, probing))
        }),
    };
    let paths = Paths::parse(None, None, "/metrics").unwrap();
    (azure::router(paths, source, Demand::new(CancellationToken::new())), go)
}

async fn ask(routes: &Router, method: Method, path: &str, body: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "own.example");
    routes.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

fn location(response: &Response<Body>) -> String {
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["retry-after"], "1");
    // Nobody said how the connection is spoken, so the path alone is given.
    response.headers()["location"].to_str().unwrap().to_owned()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

/// Polls until the operation does not run any more.
async fn ended(routes: &Router, path: &str) -> Response<Body> {
    for _ in 0..100_000 {
        let response = ask(routes, Method::GET, path, "").await;
        if response.status() != StatusCode::ACCEPTED {
            return response;
        }
        tokio::task::yield_now().await;
    }
    panic!("{path} never ends");
}

const ACTIONS: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/gw";

#[tokio::test(start_paused = true)]
async fn a_result_is_202_while_it_is_made_then_200_for_ten_minutes_then_404() {
    let (routes, go) = routes();
    let body = r#"{"backendPoolName": "web", "backendHttpSettingName": "plain"}"#;
    let started = ask(&routes, Method::POST, &format!("{ACTIONS}/getBackendHealthOnDemand"), body).await;
    let path = location(&started);
    tokio::time::advance(Duration::from_mins(9)).await;
    for _ in 0..3 {
        let running = ask(&routes, Method::GET, &path, "").await;
        assert_eq!(location(&running), path, "it is asked for at the same place again");
        assert_eq!(text(running).await, "");
    }
    go.notify_one();
    assert_eq!(text(ended(&routes, &path).await).await, "\"probed\"");
    tokio::time::advance(Duration::from_secs(599)).await;
    let last = ask(&routes, Method::GET, &path, "").await;
    assert_eq!((last.status(), text(last).await.as_str()), (StatusCode::OK, "\"probed\""));
    tokio::time::advance(Duration::from_secs(1)).await;
    let gone = ask(&routes, Method::GET, &path, "").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let error: Value = serde_json::from_str(&text(gone).await).unwrap();
    assert_eq!(error["error"]["code"], "OperationNotFound");
}

#[tokio::test]
async fn a_probe_that_breaks_off_gives_its_turn_back_and_says_so() {
    let (routes, go) = routes();
    let path = format!("{ACTIONS}/getBackendHealthOnDemand");
    let explosive = r#"{"backendPoolName": "explosive", "backendHttpSettingName": "plain"}"#;
    for _ in 0..5 {
        let started = ask(&routes, Method::POST, &path, explosive).await;
        let failed = ended(&routes, &location(&started)).await;
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let error: Value = serde_json::from_str(&text(failed).await).unwrap();
        assert_eq!(error["error"]["code"], "InternalServerError");
    }
    go.notify_one();
    let good = r#"{"backendPoolName": "web", "backendHttpSettingName": "plain"}"#;
    let started = ask(&routes, Method::POST, &path, good).await;
    assert_eq!(ended(&routes, &location(&started)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_report_is_no_probe_and_needs_no_turn() {
    let (routes, _go) = routes();
    let body = r#"{"backendPoolName": "web", "backendHttpSettingName": "plain"}"#;
    for _ in 0..4 {
        location(&ask(&routes, Method::POST, &format!("{ACTIONS}/getBackendHealthOnDemand"), body).await);
    }
    let fifth = ask(&routes, Method::POST, &format!("{ACTIONS}/getBackendHealthOnDemand"), body).await;
    assert_eq!(fifth.status(), StatusCode::TOO_MANY_REQUESTS);
    let started = ask(&routes, Method::POST, &format!("{ACTIONS}/backendhealth"), "").await;
    assert_eq!(text(ended(&routes, &location(&started)).await).await, "\"gw\"");
}
