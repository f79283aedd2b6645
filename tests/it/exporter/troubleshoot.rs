//! Connection troubleshoot over HTTP: rows of the configuration and nothing else, told part by part, few at once, ended with
//! whoever asked.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use backend_health_exporter::lab::{Backend, http};
use nix::sys::signal::Signal;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::{ConfigFile, DEADLINE, Exporter, PAUSE};
use crate::web::openapi::complaints;

const PATH: &str = "/api/v1/troubleshoot";

/// Two pools with a good server each and one whose server never answers a request, all of them probed once in all.
struct Lab {
    good: Backend,
    silent: Backend,
    config: ConfigFile,
}

impl Lab {
    fn new() -> Self {
        let good = Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap();
        let silent = Backend::start([127, 0, 0, 1].into(), http::silent()).unwrap();
        let (port, mute) = (good.address().port(), silent.address().port());
        let config = ConfigFile::new(&format!(
            "probes:\n  \
               - {{name: daily, protocol: http, interval: 24h, timeout: 20s, host: own.example, path: /own}}\n  \
               - {{name: short, protocol: http, interval: 24h, timeout: 1s}}\n  \
               - {{name: patient, protocol: http, interval: 24h, timeout: 24h}}\n\
             backend_settings:\n  \
               - {{name: plain, protocol: http, port: {port}, probe: daily}}\n  \
               - {{name: mute, protocol: http, port: {mute}, probe: short}}\n  \
               - {{name: never, protocol: http, port: {mute}, probe: patient}}\n\
             backend_pools:\n  \
               - {{name: web, settings: [plain], servers: [127.0.0.1]}}\n  \
               - {{name: shop, settings: [plain, mute], servers: [127.0.0.1]}}\n  \
               - {{name: slow, settings: [never], servers: [127.0.0.1]}}\n"
        ));
        Self { good, silent, config }
    }
}

fn named(pool: &str, setting: &str, server: &str) -> Value {
    json!({ "pool": pool, "setting": setting, "server": server })
}

impl Exporter {
    async fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.url(path)).body(body.to_owned());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("it is answered")
    }

    /// The result of a check; a machine that is too busy to judge is asked again.
    async fn troubleshoot(&self, body: &Value) -> Value {
        let begun = Instant::now();
        loop {
            let response = self.post(PATH, &body.to_string(), &[]).await;
            let (status, text) = (response.status(), response.text().await.unwrap());
            assert_eq!(status, 200, "{body}: {text}");
            let result: Value = serde_json::from_str(&text).unwrap();
            if result["cause"]["code"] != "local_overloaded" {
                return result;
            }
            assert!(begun.elapsed() < DEADLINE, "this machine is too busy for any verdict");
        }
    }

    /// A check that is told as events.
    async fn stream(&self, body: &Value) -> Response {
        self.post(PATH, &body.to_string(), &[("accept", "text/event-stream")]).await
    }
}

/// The events of a whole stream: kinds and data.
async fn events(response: Response) -> Vec<(String, Value)> {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let event = |event: &str| {
        let (kind, data) = event.split_once('\n').unwrap();
        let kind = kind.strip_prefix("event: ").unwrap().to_owned();
        (kind, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
    };
    text.split_terminator("\n\n").map(event).collect()
}

#[tokio::test]
async fn the_row_that_is_named_is_checked_with_its_own_settings_and_nothing_of_it_is_recorded() {
    let lab = Lab::new();
    let exporter = Exporter::run(&lab.config.path).await;
    exporter.get_until("/-/ready", 503).await;
    // All but the row that takes a day have ended their only probe.
    let ended = |scrape: &super::Scrape| {
        scrape
            .text()
            .lines()
            .filter(|line| line.starts_with("backend_health_probes_total{") && line.ends_with(" 1"))
            .count()
            == 3
    };
    exporter.scrape_until("three rows are probed", ended).await;
    let (before, events_before) = (exporter.report().await, exporter.get("/api/v1/events").await.body);
    let rows: Value = serde_json::from_str(&exporter.get("/api/v1/backendhealth").await.body).unwrap();
    let id = rows["rows"][2]["id"].as_str().unwrap();

    // What is asked, the row that is checked, its state, its cause.
    let cases = [
        (named("web", "plain", "127.0.0.1"), ["web", "plain"], "Healthy", Value::Null),
        (named("SHOP", "Plain", "127.0.0.1"), ["shop", "plain"], "Healthy", Value::Null),
        (json!({ "id": id, "tries": 2, "timeout": "20s" }), ["shop", "mute"], "Unhealthy", json!("http_timeout")),
    ];
    for (asked, [pool, setting], state, cause) in cases {
        let result = exporter.troubleshoot(&asked).await;
        let target = &result["target"];
        assert_eq!((&target["pool"], &target["setting"]), (&json!(pool), &json!(setting)), "{asked}");
        assert_eq!((&result["state"], &result["cause"]["code"]), (&json!(state), &cause), "{asked}: {result:#}");
        let tries = asked.get("tries").map_or(10, |tries| tries.as_u64().unwrap());
        assert_eq!(result["probesSent"].as_u64(), Some(tries), "{asked}");
        if pool == "web" {
            assert_eq!(target["host"], "own.example");
            let sent = result["stages"]["http"]["request"].as_str().unwrap();
            assert!(sent.starts_with("GET /own HTTP/1.1\r\nHost: own.example"), "{sent}");
        }
        if cause != Value::Null {
            assert_eq!(result["cause"]["docs_url"], "/docs/troubleshooting#http_timeout");
            assert!(result["remedy"].as_array().is_some_and(|steps| !steps.is_empty()), "{result:#}");
        }
    }
    assert!(lab.good.requests().len() >= 4, "the rows' servers were really asked");
    assert_eq!(exporter.report().await, before, "what somebody asks for is no part of the report");
    assert_eq!(exporter.get("/api/v1/events").await.body, events_before);
    let after: Value = serde_json::from_str(&exporter.get("/api/v1/backendhealth").await.body).unwrap();
    assert_eq!(after, rows);
}

#[tokio::test]
async fn each_part_is_told_as_it_begins_and_the_result_is_what_the_document_describes() {
    let lab = Lab::new();
    let exporter = Exporter::run(&lab.config.path).await;
    let told = events(exporter.stream(&named("shop", "mute", "127.0.0.1")).await).await;
    let (kind, result) = told.last().unwrap();
    assert_eq!((kind.as_str(), &result["state"]), ("result", &json!("Unhealthy")));
    let stages: Vec<_> = told.iter().rev().skip(1).rev().collect();
    assert!(stages.iter().all(|(kind, stage)| kind == "stage" && stage["of"] == 6), "{stages:?}");
    let names: Vec<_> = stages.iter().map(|(_, stage)| stage["stage"].as_str().unwrap()).collect();
    // An address needs no resolver, and plain HTTP no TLS; what timed out is tried with small packets.
    assert_eq!(names, ["probe", "tcp", "path", "small_segments"]);
    let numbers: Vec<_> = stages.iter().map(|(_, stage)| stage["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4, 6]);
    assert_eq!(stages[0].1["doing"], "probing once, as the exporter does");

    // The same as without events, and as it is described.
    let whole = exporter.troubleshoot(&named("shop", "mute", "127.0.0.1")).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&whole), keys(result));
    let healthy = exporter.troubleshoot(&named("web", "plain", "127.0.0.1")).await;
    let document: Value = serde_json::from_str(&exporter.get("/api/v1/openapi.json").await.body).unwrap();
    let answers = [whole, healthy].map(
        |body| json!({ "path": PATH, "method": "post", "status": "200", "type": "application/json", "body": body }),
    );
    assert_eq!(complaints(&document, &answers), "");
    let kinds = keys(&document["paths"][PATH]["post"]["responses"]["200"]["content"]);
    assert_eq!(kinds, ["application/json", "text/event-stream"]);
}

#[tokio::test]
async fn nothing_but_a_row_is_checked_and_what_is_not_meant_is_said() {
    let lab = Lab::new();
    let exporter = Exporter::run(&lab.config.path).await;
    // Somebody whom no row names, and who would notice.
    let stranger = Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap();
    let address = stranger.address().to_string();
    let url = format!("http://{address}/");
    let row = |more: Value| {
        let mut body = named("web", "plain", "127.0.0.1");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let long = "x".repeat(20_000);
    // The body, the status, a part of the message.
    let cases: [(String, u16, &str); 20] = [
        (named("web", "plain", &address).to_string(), 404, "only these can be checked"),
        (named("web", "plain", &url).to_string(), 404, "no row has"),
        (named("web", "plain", "127.0.0.2").to_string(), 404, "no row has"),
        (named("web", "mute", "127.0.0.1").to_string(), 404, "no row has"),
        (named("", "", "").to_string(), 404, "no row has"),
        (json!({ "id": "0123456789abcdef" }).to_string(), 404, "no row has the id"),
        (json!({ "id": url }).to_string(), 404, "no row has the id"),
        (json!({ "target": url }).to_string(), 400, "unknown field `target`"),
        (row(json!({ "host": "evil.example" })), 400, "unknown field `host`"),
        (row(json!({ "port": 1 })), 400, "unknown field `port`"),
        (row(json!({ "id": "ff" })), 400, "which row?"),
        (json!({ "pool": "web", "server": "127.0.0.1" }).to_string(), 400, "which row?"),
        (String::new(), 400, "meant is"),
        ("[]".to_owned(), 400, "meant is"),
        (row(json!({ "tries": 0 })), 400, "1 to 20"),
        (row(json!({ "tries": 21 })), 400, "1 to 20"),
        (row(json!({ "tries": 1.5 })), 400, "meant is"),
        (row(json!({ "timeout": "1s" })), 400, "2s to 30s"),
        (row(json!({ "timeout": "1h" })), 400, "2s to 30s"),
        (row(json!({ "timeout": long })), 413, "longer than"),
    ];
    for (body, status, words) in &cases {
        for accept in ["*/*", "text/event-stream"] {
            let response = exporter.post(PATH, body, &[("accept", accept)]).await;
            assert_eq!(response.status(), *status, "{body}");
            assert_eq!(response.headers()["content-type"], "application/json");
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(words), "{body}: {message}");
        }
    }
    let query = format!("{PATH}?server={address}");
    assert_eq!(exporter.post(&query, &row(json!({})), &[]).await.status(), 400);
    let page = format!("/troubleshoot?pool=web&setting=plain&server={address}");
    let response = exporter.post(&page, "", &[]).await;
    assert_eq!(response.status(), 404);
    assert!(response.text().await.unwrap().contains("No such row"));
    assert_eq!(stranger.connections(), 0);

    let good = row(json!({}));
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", &exporter.url(""), 200),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let own = named("web", "plain", "127.0.0.1");
        let page = "/troubleshoot?pool=web&setting=plain&server=127.0.0.1";
        assert_eq!(exporter.post(PATH, &good, &[(name, value)]).await.status(), status, "{name}: {value} {own}");
        assert_eq!(exporter.post(page, "", &[(name, value)]).await.status(), status, "{name}: {value}");
    }
    assert_eq!(exporter.get(PATH).await.status, 405);
}

/// Whether a stream has told its result; reads what has come so far.
async fn has_ended(stream: &mut Response) -> bool {
    let mut text = String::new();
    loop {
        match tokio::time::timeout(PAUSE, stream.chunk()).await {
            Ok(Ok(Some(chunk))) => text.push_str(&String::from_utf8_lossy(&chunk)),
            Ok(_) => return true,
            Err(_) => return text.contains("event: result"),
        }
    }
}

#[tokio::test]
async fn four_at_once_and_whoever_hangs_up_makes_room() {
    let lab = Lab::new();
    let exporter = Exporter::run(&lab.config.path).await;
    let never = named("slow", "never", "127.0.0.1");
    let started = Instant::now();
    let connected = async |count: u64| {
        while lab.silent.connections() < count {
            assert!(started.elapsed() < DEADLINE, "{count} connections never come");
            sleep(PAUSE).await;
        }
    };
    // The exporter's own probes, and then the check of one who waits for the whole result.
    connected(2).await;
    let request = exporter.client.post(exporter.url(PATH)).body(never.to_string());
    let waiting = tokio::spawn(async move { request.send().await.map(|response| response.status()) });
    connected(3).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let stream = exporter.stream(&never).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let refused = exporter.post(PATH, &never.to_string(), &[]).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    let answer: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(answer["error"]["code"], "busy");
    let page = "/troubleshoot?pool=slow&setting=never&server=127.0.0.1";
    let refused = exporter.post(page, "", &[]).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    let text = refused.text().await.unwrap();
    assert!(text.contains("4 probes on demand or deep checks are under way") && text.contains("Try again"), "{text}");
    let refused = exporter.post(page, "", &[("accept", "text/event-stream")]).await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["content-type"].to_str().unwrap()),
        (429, "text/plain; charset=utf-8")
    );

    // Each one who hangs up makes room, long before the check would have ended.
    let room = async || {
        loop {
            let stream = exporter.stream(&never).await;
            if stream.status() == 200 {
                return stream;
            }
            assert!(started.elapsed() < DEADLINE, "no room is made");
            sleep(PAUSE).await;
        }
    };
    waiting.abort();
    streams.push(room().await);
    drop(streams.remove(0));
    streams.push(room().await);
    for stream in &mut streams {
        let is_too_late = started.elapsed() > Duration::from_secs(15);
        assert!(is_too_late || !has_ended(stream).await, "room was made by who hung up, and by no check's end");
    }
}

#[tokio::test]
async fn a_check_under_way_holds_up_nobodys_end() {
    let lab = Lab::new();
    let mut exporter = Exporter::run(&lab.config.path).await;
    let mut stream = exporter.stream(&named("slow", "never", "127.0.0.1")).await;
    assert!(stream.chunk().await.unwrap().is_some(), "it has begun");
    exporter.process.signal(Signal::SIGTERM);
    let mut told = String::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        told.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(!told.contains("event: result"), "{told}");
    assert_eq!(exporter.process.ended(Duration::from_secs(10)).await.status.code(), Some(0));
}

#[tokio::test]
async fn it_comes_to_the_cause_of_the_exporters_own_probes() {
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    let report: Value = serde_json::from_str(&exporter.get("/api/v1/backendhealth").await.body).unwrap();
    let wanted = [
        ("payments", "payments-https", "127.20.6.1", Value::Null),
        ("payments", "payments-https", "127.20.6.4", json!("cert_expired")),
        ("payments", "payments-https", "127.20.6.6", json!("cert_intermediate_missing")),
        ("payments", "payments-https", "127.20.6.12", json!("cert_name_mismatch")),
        ("banking", "banking-https", "127.20.9.1", json!("tls_client_certificate_required")),
        ("services", "http", "missing.lab.test", json!("dns_name_not_found")),
        ("shop", "http", "127.20.1.3", json!("http_status_mismatch")),
        ("shop", "http", "127.20.1.4", json!("http_body_mismatch")),
    ];
    for (pool, setting, server, cause) in wanted {
        let is = |row: &&Value| row["pool"] == pool && row["setting"] == setting && row["server"] == server;
        let row = report["rows"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("{server} is a row"));
        let result = exporter.troubleshoot(&json!({ "id": row["id"], "tries": 1 })).await;
        assert_eq!(result["cause"]["code"], cause, "{server}");
        assert_eq!(result["state"], row["state"], "{server}");
        assert_eq!(result["cause"]["code"], row["cause"]["code"], "{server}");
    }
    // A name that does not exist: there is nothing to connect to.
    let told = events(exporter.stream(&named("services", "http", "missing.lab.test")).await).await;
    let stages: Vec<_> = told.iter().filter_map(|(_, data)| data["stage"].as_str()).collect();
    assert_eq!(stages, ["dns", "probe"]);
}

#[tokio::test]
async fn the_examples_of_the_documentation_work_as_they_stand() {
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connection-troubleshoot.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, after) = text.split_once("## On the web").expect("the section is there");
    let examples: Vec<&str> = after.split("```").filter_map(|block| block.strip_prefix("sh\n")).collect();
    assert_eq!(examples.len(), 1);
    let commands = examples[0].replace("localhost:19115", &exporter.address.to_string());
    let run = move || Command::new("bash").args(["-ec", &commands]).output().expect("bash runs");
    let output = spawn_blocking(run).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\"code\": \"cert_expired\"") && said.contains("event: result\ndata: {"), "{said}");
}
