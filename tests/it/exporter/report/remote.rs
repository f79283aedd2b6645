//! With `--url`: a running exporter is asked, or what stands in for one.

use std::io::Write;

use backend_health_exporter::lab::tls::{Chain, Pki, ServerTls, answers_plain_http};
use backend_health_exporter::lab::{Backend, Service, http};
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::verdict::Cause;
use backend_health_exporter::view::report::{Filter, Links, Report};
use backend_health_exporter::words::is_hidden;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{CODES, Servers, code, parsed, report};
use crate::sample;

/// Two rows, one of them refused.
pub(super) fn json() -> String {
    let rows = vec![
        sample::healthy_row("web", "http", "10.0.0.4", Protocol::Http),
        sample::unhealthy_row("web", "http", "10.0.0.5", Protocol::Http, Cause::TcpRefused, "10.0.0.5:8080 refused"),
    ];
    json_of(rows)
}

fn json_of(rows: Vec<backend_health_exporter::health::Row>) -> String {
    let links = Links { base: "/prefix".to_owned() };
    serde_json::to_string(&Report::of(&sample::snapshot(rows), &Filter::default(), &links)).unwrap()
}

fn answers(response: Vec<u8>) -> Backend {
    Backend::start([127, 0, 0, 1].into(), http::answer(response)).unwrap()
}

fn stand_in(json: &str) -> Backend {
    answers(http::response(200, &[("Content-Type", "application/json")], json))
}

/// The first line of the latest request.
fn asked(backend: &Backend) -> String {
    let requests = backend.requests();
    String::from_utf8_lossy(requests.last().expect("it was asked")).lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_running_exporter_is_asked_for_the_wanted_rows() {
    let servers = Servers::start().await;
    let exporter = servers.exporter(&[]).await;
    exporter.get_until("/-/ready", 200).await;
    let url = format!("http://{}", exporter.address);
    for (flags, expected) in CODES {
        let ended = report(&[&["--url", &url], *flags].concat()).await;
        assert_eq!(code(&ended), Some(*expected), "{flags:?}: {ended:?}");
        assert_eq!(ended.stdout.is_empty(), *expected == 2, "{flags:?}: {ended:?}");
    }
    let ended = report(&["--url", &url, "--output", "json", "--state", "unhealthy"]).await;
    let theirs: Value =
        serde_json::from_str(&exporter.get("/api/v1/backendhealth?state=unhealthy").await.body).unwrap();
    let ours: Value = serde_json::from_str(&ended.stdout).unwrap();
    let keys = |value: &Value| -> Vec<String> { value["rows"][0].as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&ours), keys(&theirs));
    assert_eq!(ours["rows"][0]["id"], theirs["rows"][0]["id"]);
    let docs = ours["rows"][0]["cause"]["docs_url"].as_str().unwrap();
    assert_eq!(docs, format!("{url}/docs/troubleshooting#tcp_refused"), "links lead somewhere from here, too");
}

#[tokio::test]
async fn the_url_is_that_of_the_front_page_however_it_is_written() {
    let backend = stand_in(&json());
    let address = backend.address();
    for (url, path) in [
        (format!("http://{address}"), "/api/v1/backendhealth"),
        (format!("http://{address}/"), "/api/v1/backendhealth"),
        (format!("{address}"), "/api/v1/backendhealth"),
        (format!("http://{address}/some/prefix"), "/some/prefix/api/v1/backendhealth"),
        (format!("http://{address}/some/prefix//"), "/some/prefix/api/v1/backendhealth"),
    ] {
        let ended = report(&["--url", &url]).await;
        assert_eq!(code(&ended), Some(1), "{url}: {ended:?}");
        assert_eq!(asked(&backend), format!("GET {path} HTTP/1.1"), "{url}");
    }
    let flags =
        ["--pool", "a b", "--server", "[::1]", "--state", "unknown", "--state", "HEALTHY", "--cause", "tcp_reset"];
    report(&[&["--url", &address.to_string()], &flags as &[_]].concat()).await;
    let query = "pool=a+b&server=%5B%3A%3A1%5D&state=Unknown&state=Healthy&cause=tcp_reset";
    assert_eq!(asked(&backend), format!("GET /api/v1/backendhealth?{query} HTTP/1.1"));

    let with_login = format!("http://alice:s3cr3t@{address}");
    report(&["--url", &with_login]).await;
    let request = String::from_utf8(backend.requests().pop().unwrap()).unwrap().to_lowercase();
    assert!(request.contains("authorization: basic "), "{request}");
}

#[tokio::test]
async fn what_a_newer_exporter_adds_is_no_error_and_compression_is_understood() {
    let newer = json().replace("\"summary\":{", "\"news\":[1],\"summary\":{\"sleepy\":0,");
    assert_eq!(code(&report(&["--url", &stand_in(&newer).address().to_string()]).await), Some(1));

    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(json().as_bytes()).unwrap();
    let backend = answers(http::response(200, &[("Content-Encoding", "gzip")], gzip.finish().unwrap()));
    let ended = report(&["--url", &backend.address().to_string(), "--output", "json"]).await;
    assert_eq!(parsed(&ended.stdout).rows.len(), 2, "{ended:?}");
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let backend = stand_in(&json());
    let to = format!("http://{}/api/v1/backendhealth", backend.address());
    let moved = Backend::start([127, 0, 0, 1].into(), http::redirect(&to)).unwrap();
    let url = moved.address().to_string();
    assert_eq!(code(&report(&["--url", &url]).await), Some(1));
    let round = Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap();
    round.set(http::redirect("/again")).unwrap();
    let ended = report(&["--url", &round.address().to_string()]).await;
    assert!(ended.stderr.contains("it redirects more than 10 times"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_answer_that_is_no_report_is_told_from_no_answer() {
    let tls = ServerTls::new(&Pki::new().unwrap().identity(Chain::Good, "127.0.0.1").unwrap()).unwrap();
    let secure = Backend::start([127, 0, 0, 1].into(), Service::tls(&tls, http::ok())).unwrap();
    let plain = Backend::start([127, 0, 0, 1].into(), answers_plain_http()).unwrap();
    let empty = "{\"generated_at\":\"2026-11-22T03:12:05Z\",\"summary\":{\"healthy\":0,\"unhealthy\":0,\"unknown\":0},\"rows\":[]}";
    let cases: Vec<(Backend, &[&str])> = vec![
        (answers(http::response(401, &[], "")), &["401 Unauthorized", "--http.config.file", "basic_auth"]),
        (answers(http::response(403, &[], "")), &["403 Forbidden"]),
        (answers(http::response(404, &[], "gone")), &["404 Not Found", "is this a backend_health_exporter?"]),
        (
            answers(http::response(503, &[], "\u{1b}[2Jtoo many\nmore")),
            &["503 Service Unavailable: \\u{1b}[2Jtoo many\n"],
        ),
        (
            answers(http::response(200, &[], "<html>")),
            &["does not answer with JSON", "is this a backend_health_exporter?"],
        ),
        (answers(http::response(200, &[], "")), &["does not answer with JSON"]),
        (answers(http::response(200, &[], "{\"rows\": 1}")), &["no report of this version"]),
        (answers(http::response(200, &[("Content-Encoding", "gzip")], "x")), &["cannot be decompressed"]),
        (stand_in(empty), &["has no rows: its configuration names no server"]),
        (Backend::start([127, 0, 0, 1].into(), http::closes_without_answer()).unwrap(), &["cannot ask"]),
        (Backend::start([127, 0, 0, 1].into(), http::garbage()).unwrap(), &["cannot ask", "https://"]),
        (Backend::start([127, 0, 0, 1].into(), http::short_body()).unwrap(), &["cannot ask"]),
        (Backend::start([127, 0, 0, 1].into(), super::Behaviour::Refused).unwrap(), &["connection refused", "--url"]),
    ];
    for (backend, words) in cases {
        let url = format!("http://{}", backend.address());
        let ended = report(&["--url", &url]).await;
        assert_eq!((code(&ended), ended.stdout.as_str()), (Some(2), ""), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(&url), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?}: {}", ended.stderr);
        }
    }
    for (url, words) in [
        (format!("http://{}", secure.address()), "https://"),
        (format!("https://{}", plain.address()), "http:// instead of https://?"),
        (format!("https://{}", secure.address()), "tls_config.ca_file in the file of --http.config.file"),
        ("http://no.such.invalid:1".to_owned(), "cannot ask http://no.such.invalid:1"),
        ("http://alice:s3cr3t@127.0.0.1:1".to_owned(), "cannot ask http://127.0.0.1:1: connection refused"),
    ] {
        let ended = report(&["--url", &url]).await;
        assert_eq!(code(&ended), Some(2), "{url}: {ended:?}");
        assert!(ended.stderr.contains(words) && !ended.stderr.contains("s3cr3t"), "{words:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn nothing_that_an_exporter_says_steers_the_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{1b}[2J\r\n\u{202e}\u{9b}31m";
    let row = sample::unhealthy_row(hostile, "http", hostile, Protocol::Http, Cause::TcpRefused, hostile);
    let json = json_of(vec![row]).replace("Connection refused", "Connection \\u001b[31m");
    let backend = stand_in(&json);
    for output in ["table", "csv", "json"] {
        let ended = report(&["--url", &backend.address().to_string(), "--output", output]).await;
        assert_eq!(code(&ended), Some(1), "{ended:?}");
        let lines = if output == "csv" { "\r\n" } else { "\n" };
        assert!(!ended.stdout.chars().any(|char| is_hidden(char) && !lines.contains(char)), "{:?}", ended.stdout);
        if output == "json" {
            assert_eq!(parsed(&ended.stdout).rows[0].pool, hostile, "JSON says the same, in its own way");
        }
    }
}
