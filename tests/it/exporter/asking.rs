//! Requests as configured: what reaches a server, what its answers come to, and that no secret is told anywhere, even by a
//! server that sends back all it was sent.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{BINARY, ConfigFile, Exporter, text};

/// A server that keeps what it is asked, and answers with what `answer` makes of it.
struct Peer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !is_whole(&request) && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let _ = stream.write_all(&answer(&request)).await;
                    kept.lock().expect("a lock").push(request);
                });
            }
        });
        Self { address, asked }
    }

    fn last(&self) -> String {
        self.asked.lock().expect("a lock").last().cloned().expect("it was asked")
    }
}

/// The head, and the body that it announces.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn response(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

fn config(port: u16, probe: &str) -> String {
    format!(
        "probes:\n  - {{name: p, protocol: http, interval: 200ms, timeout: 20s, {probe}}}\n\
         backend_settings: [{{name: s, protocol: http, port: {port}, probe: p, host_name: app.test}}]\n\
         backend_pools: [{{name: w, settings: [s], servers: [127.0.0.1]}}]\n"
    )
}

async fn row(exporter: &Exporter) -> Value {
    let report: Value = serde_json::from_str(&exporter.get("/api/v1/backendhealth").await.body).expect("JSON");
    report["rows"][0].clone()
}

#[tokio::test]
async fn what_is_configured_is_sent() {
    let peer = Peer::start(|_| response("", "ready")).await;
    let probe = "method: PATCH, path: \"/x?y=1\", headers: {X-One: a b, User-Agent: me}, header_files: {X-Key: key.txt}, \
                 body: \"{}\", basic_auth: {username: probe, password_file: pw.txt}";
    let file = ConfigFile::new(&config(peer.address.port(), probe));
    file.write_beside("key.txt", "the-key\r\n");
    file.write_beside("pw.txt", "the-password\n");
    let exporter = Exporter::run(&file.path).await;
    exporter.scrape_until("Healthy", |scrape| scrape.state(&[]).as_deref() == Some("healthy")).await;
    let expected = "PATCH /x?y=1 HTTP/1.1\r\nHost: app.test\r\nAccept: */*\r\nConnection: close\r\nX-One: a b\r\n\
                    User-Agent: me\r\nX-Key: the-key\r\nAuthorization: Basic cHJvYmU6dGhlLXBhc3N3b3Jk\r\n\
                    Content-Length: 2\r\n\r\n{}";
    assert_eq!(peer.last(), expected);
    // Another password is sent as soon as it stands there, and the row stays as it is.
    let before = row(&exporter).await["since"].clone();
    file.write_beside("pw.txt", "another");
    let said = || peer.last().contains("cHJvYmU6YW5vdGhlcg==");
    exporter.scrape_until("the new password is sent", |_| said()).await;
    let after = row(&exporter).await;
    assert_eq!((&after["state"], &after["since"]), (&"Healthy".into(), &before));
}

#[tokio::test]
async fn no_secret_is_told_even_where_the_server_sends_it_back() {
    // In the body, in a header that is looked at, in a redirect, and as what is no HTTP at all.
    let answers: [fn(&str) -> Vec<u8>; 4] = [
        |request| response("", request),
        |request| response(&format!("X-Echo: {}\r\n", request.replace("\r\n", " ")), "no"),
        |request| {
            let to = request.split_ascii_whitespace().collect::<String>();
            format!("HTTP/1.1 302 Found\r\nLocation: /?{to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        },
        |request| request.as_bytes().to_vec(),
    ];
    let logins = [
        "basic_auth: {username: probe, password: hunter2-Zq8LtWm4}",
        "authorization: {credentials_file: token.txt}",
        "headers: {Authorization: t0ken-Rm27cGhJ}",
        "basic_auth: {username: probe, password: hunter2-Zq8LtWm4}",
    ];
    let searches = answers.into_iter().zip(logins).map(|(answer, login)| tokio::spawn(all_that_is_said(answer, login)));
    for (number, search) in searches.collect::<Vec<_>>().into_iter().enumerate() {
        let said = search.await.expect("it ends");
        assert!(said.contains("X-Api-Key"), "it is said what is sent");
        for secret in SECRETS {
            let near =
                said.find(secret).map(|at| String::from_utf8_lossy(&said.as_bytes()[at.saturating_sub(300)..at]));
            assert_eq!(near, None, "answer {number}, {}: {secret} is told", logins[number]);
        }
    }
}

const SECRETS: [&str; 5] =
    ["hunter2-Zq8LtWm4", "k3y-Pw91xVbQ", "t0ken-Rm27cGhJ", "cHJvYmU6aHVudGVyMi1acThMdFdtNA==", "b0dy-Ju55kWsa"];

/// Everything that a person or a program can read, of a row whose server answers like this.
async fn all_that_is_said(answer: fn(&str) -> Vec<u8>, login: &'static str) -> String {
    let peer = Peer::start(answer).await;
    let probe = format!(
        "method: POST, header_files: {{X-Api-Key: key.txt}}, body_file: body.txt, {login}, match: {{body: never, \
         headers: [{{name: X-Echo, equals: never}}], json: [{{path: $.a, equals: 1}}]}}"
    );
    let file = ConfigFile::new(&config(peer.address.port(), &probe));
    file.write_beside("key.txt", "k3y-Pw91xVbQ");
    file.write_beside("token.txt", "t0ken-Rm27cGhJ");
    file.write_beside("body.txt", "b0dy-Ju55kWsa");
    let exporter = Exporter::run(&file.path).await;
    exporter.scrape_until("Unhealthy", |scrape| scrape.state(&[]).as_deref() == Some("unhealthy")).await;
    assert!(SECRETS.iter().any(|secret| peer.last().contains(secret)), "{}", peer.last());
    let mut said = String::new();
    let row = "pool=w&setting=s&server=127.0.0.1";
    let gets = ["/", "/?view=rows", "/api/v1/backendhealth", "/api/v1/events", "/metrics"].map(str::to_owned);
    for path in gets.into_iter().chain([format!("/row?{row}")]) {
        let reply = exporter.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        said += &reply.body;
    }
    said += &exporter.ask(Method::POST, &format!("/api/v1/troubleshoot?{row}")).await.body;
    let azure = "/subscriptions/a/resourceGroups/b/providers/Microsoft.Network/applicationGateways/c/backendhealth";
    said += &exporter.ask(Method::POST, azure).await.body;
    let troubleshoot = ["troubleshoot", "127.0.0.1", "--pool", "w", "--setting", "s"];
    let commands: [&[&str]; 5] =
        [&["check"], &["report"], &["report", "--output", "json"], &["report", "--output", "csv"], &troubleshoot];
    for arguments in commands {
        let mut command = std::process::Command::new(BINARY);
        command.args(arguments).args(["--config.file", text(&file.path)]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it runs");
        let _ = write!(said, "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    said + &exporter.process.stderr().join("\n")
}

#[tokio::test]
async fn matches_say_what_was_expected_and_what_came() {
    // Spring's shape.
    const SPRING: &str = r#"{"status":"DOWN","components":{"db":{"status":"DOWN","details":{"error":"refused"}},"disk":{"status":"UP"}}}"#;
    let check = async |matching: &str, headers: &'static str, body: &'static str, expected: Option<(&str, &str)>| {
        let peer = Peer::start(move |_| response(headers, body)).await;
        let file = ConfigFile::new(&config(peer.address.port(), &format!("match: {{{matching}}}")));
        let exporter = Exporter::run(&file.path).await;
        let known = |state: Option<String>| state.is_some_and(|state| state != "unknown");
        exporter.scrape_until("it is judged", |scrape| known(scrape.state(&[]))).await;
        let row = row(&exporter).await;
        let came = row["cause"]["code"].as_str().zip(row["cause"]["detail"].as_str());
        assert_eq!(came, expected, "{matching}, {headers:?}, {body:?}");
    };
    let json = |detail| Some(("http_json_mismatch", detail));
    let header = |detail| Some(("http_header_mismatch", detail));
    let text = |detail| Some(("http_body_mismatch", detail));
    tokio::join!(
        check(
            "json: [{path: $.status, equals: UP}]",
            "",
            SPRING,
            json("expected $.status to be \"UP\"; received \"DOWN\"")
        ),
        check("json: [{path: $.components.*.status, equals: UP}]", "", SPRING, None),
        check(
            "json: [{path: $.components.db.details, exists: false}]",
            "",
            SPRING,
            json("expected $.components.db.details not to be there; received {\"error\":\"refused\"}")
        ),
        check("json: [{path: $.x, equals: 1}]", "", SPRING, json("expected $.x to be 1; it is not there")),
        check("json: [{path: $.n, equals: 1}]", "", "{\"n\":1.0}", None),
        check("json: [{path: $.n, equals: 1}]", "", "{\"n\":\"1\"}", json("expected $.n to be 1; received \"1\"")),
        check("json: [{path: $.n, equals: null}]", "", "{\"n\":null}", None),
        check(
            "json: [{path: $.n, regex: \"^a+$\"}]",
            "",
            "{\"n\":\"aab\"}",
            json("expected $.n to match \"^a+$\"; received \"aab\"")
        ),
        check(
            "json: [{path: $.a, exists: true}]",
            "",
            "<html>",
            json("expected JSON with $.a, received \"<html>\" (line 1, column 1)")
        ),
        check("json: [{path: $.a, exists: true}]", "", "", json("expected JSON with $.a, received an empty body")),
        check("headers: [{name: x-ready, regex: \"^yes$\"}]", "X-Ready: yes\r\n", "", None),
        check(
            "headers: [{name: X-Ready, regex: \"^yes$\"}]",
            "X-Ready: no\r\n",
            "",
            header("expected the header X-Ready to match \"^yes$\"; received \"no\"")
        ),
        check(
            "headers: [{name: X-Draining, exists: false}]",
            "X-Draining: 1\r\n",
            "",
            header("expected the header X-Draining not to be there; received \"1\"")
        ),
        check("headers: [{name: X-A, equals: b}]", "X-A: a\r\nX-A: b\r\n", "", None),
        check(
            "headers: [{name: X-A, exists: true}]",
            "",
            "",
            header("expected the header X-A to be there; it is not there")
        ),
        check("body_regex: \"^rea.y$\"", "", "ready", None),
        check(
            "body_regex: \"^rea.y$\"",
            "",
            "not ready",
            text("expected a match of \"^rea.y$\" in the body, received 9 bytes without it")
        ),
        check(
            "body_not_regex: \"(?i)maintenance\"",
            "",
            "Maintenance",
            text("expected no match of \"(?i)maintenance\" in the body, received 11 bytes with one")
        ),
        check(
            "status_codes: [204], json: [{path: $.a, exists: true}]",
            "",
            "no",
            Some(("http_status_mismatch", "expected status 204, received 200"))
        ),
    );
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_it_announces() {
    let head = |_: &str| b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nX-Ready: yes\r\n\r\n".to_vec();
    let peer = Peer::start(head).await;
    let probe = "method: HEAD, match: {headers: [{name: X-Ready, equals: yes}]}";
    let file = ConfigFile::new(&config(peer.address.port(), probe));
    let exporter = Exporter::run(&file.path).await;
    exporter.scrape_until("Healthy", |scrape| scrape.state(&[]).as_deref() == Some("healthy")).await;
    assert!(peer.last().starts_with("HEAD / HTTP/1.1\r\n"), "{}", peer.last());
}
