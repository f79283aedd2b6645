//! HTTP responses: what is healthy, what is not as expected, and what is not HTTP.

use backend_health_exporter::lab::http::{Placement, answer};
use backend_health_exporter::lab::tls::{Chain, ServerTls};
use backend_health_exporter::lab::{Script, Service, http, tcp};
use backend_health_exporter::verdict::Cause;

use super::{Expected, HOST, Part, Probe, Row, Secure, check, fails, row, succeeds};

fn good(name: &str, script: Script, status: u16) -> Row {
    row(name, script, Probe::http(), succeeds().status(status))
}

fn malformed(name: &str, script: Script, words: &str) -> Row {
    row(name, script, Probe::http(), fails(Cause::HttpMalformed, Part::Transfer).saying(words))
}

/// Malformed after a whole head.
fn broken_body(name: &str, script: Script, words: &str) -> Row {
    let row = malformed(name, script, words);
    Row { expected: row.expected.status(200), ..row }
}

fn wrong_status(status: u16, words: &str) -> Expected {
    fails(Cause::HttpStatusMismatch, Part::Transfer).saying(words).status(status)
}

#[tokio::test]
async fn odd_but_legal_responses_are_healthy() {
    let ready = |name, script| row(name, script, Probe::http().wanting_body("ready"), succeeds().status(200));
    check([
        ready("plain", http::ok()),
        ready("byte by byte", http::split_at_every_byte()),
        ready("three interim responses", http::interim_then_ok(103, 3)),
        ready("sixteen interim responses", http::interim_then_ok(100, 16)),
        ready("obs-fold", http::folded_header()),
        ready("equal lengths", http::equal_content_lengths()),
        ready("HTTP/1.0 with a length", http::http10_with_length()),
        ready("HTTP/1.0 without a length", http::http10_without_length()),
        ready("until close", http::close_delimited()),
        ready("chunked", http::chunked()),
        ready("line feeds only", answer("HTTP/1.1 200 OK\nContent-Length: 5\n\nready")),
        ready("no reason phrase", answer("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nready")),
        ready("an empty line first", answer("\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready")),
        ready("more than announced", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready and more")),
        ready(
            "a final chunk in capitals",
            answer("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n05\r\nready\r\n000\r\n\r\n"),
        ),
        good("no body and no length", http::no_content(), 204),
        good("304 with a length and no body", http::not_modified(), 304),
        good("an empty body", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 200),
        good(
            "a thousand fields",
            answer(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "A: b\r\n".repeat(1000))),
            200,
        ),
    ])
    .await;
}

#[tokio::test]
async fn status_codes_are_matched_as_they_are_written() {
    let wanting = |codes: &[(u16, u16)], status: u16, expected: Expected| {
        row(format!("{codes:?} and {status}"), http::status(status, "x"), Probe::http().wanting(codes, ""), expected)
    };
    let usual = &[(200, 399)];
    let ok = |status| succeeds().status(status);
    let no = wrong_status;
    check([
        wanting(usual, 200, ok(200)),
        wanting(usual, 299, ok(299)),
        wanting(usual, 399, ok(399)),
        wanting(usual, 400, no(400, "expected status 200-399, received 400")),
        wanting(usual, 503, no(503, "received 503")),
        wanting(&[(204, 204), (401, 403)], 204, ok(204)),
        wanting(&[(204, 204), (401, 403)], 401, ok(401)),
        wanting(&[(204, 204), (401, 403)], 402, ok(402)),
        wanting(&[(204, 204), (401, 403)], 403, ok(403)),
        wanting(&[(204, 204), (401, 403)], 404, no(404, "expected status 204, 401-403, received 404")),
        wanting(&[(204, 204), (401, 403)], 200, no(200, "received 200")),
        wanting(&[(500, 599)], 503, ok(503)),
        row("600", http::status_text("600"), Probe::http(), no(600, "received 600")),
        row("999", http::status_text("999"), Probe::http(), no(999, "received 999")),
        row("600 wanted", http::status_text("600"), Probe::http().wanting(&[(600, 600)], ""), ok(600)),
        row("101", http::switching_protocols(), Probe::http(), no(101, "received 101")),
        // 199 is an interim response; the real one never comes.
        row("199", http::status(199, ""), Probe::http(), fails(Cause::TcpReset, Part::Transfer).saying("closed")),
        row(
            "a redirect",
            http::redirect("https://login.example.com/?from=probe"),
            Probe::http().wanting(&[(200, 200)], ""),
            no(302, "expected status 200, received 302, a redirect to \"https://login.example.com/?from=probe\""),
        ),
        row("a redirect that is expected", http::redirect("/login"), Probe::http(), ok(302)),
    ])
    .await;
}

#[tokio::test]
async fn the_body_is_searched_in_its_first_64_kib() {
    let needle = "needle";
    let wanting = || Probe::http().wanting_body(needle);
    let missing = || fails(Cause::HttpBodyMismatch, Part::Transfer).saying("expected \"needle\"").status(200);
    let found = || succeeds().status(200);
    check([
        row("just inside", http::big_body(needle, Placement::JustInside), wanting(), found()),
        row("straddling", http::big_body(needle, Placement::Straddling), wanting(), missing()),
        row("just outside", http::big_body(needle, Placement::JustOutside), wanting(), missing()),
        row("the whole body", http::status(200, needle), wanting(), found()),
        row("at the end", http::status(200, "a needle"), wanting(), found()),
        row("in other letters", http::status(200, "NEEDLE"), wanting(), missing()),
        row("empty", http::status(200, ""), wanting(), missing().saying("received 0 bytes")),
        row("none at all", http::no_content(), wanting(), fails(Cause::HttpBodyMismatch, Part::Transfer).status(204)),
        row(
            "not in the head",
            http::redirect("/needle"),
            wanting(),
            fails(Cause::HttpBodyMismatch, Part::Transfer).status(302),
        ),
        row(
            "across two chunks",
            answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n"),
            wanting(),
            found(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn broken_framing_is_malformed() {
    check([
        broken_body("short body", http::short_body(), "after 10 of 1000 bytes"),
        broken_body("cut chunk", http::cut_in_chunk(), "within the chunked body"),
        broken_body("bad chunk size", http::bad_chunk_size(), "a chunk's size is not a hexadecimal number"),
        broken_body("chunk size overflow", http::chunk_size_overflow(), "a chunk's size"),
        broken_body("missing last chunk", http::missing_last_chunk(), "within the chunked body"),
        broken_body(
            "a chunk longer than its size",
            answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nready\r\n0\r\n\r\n"),
            "longer than its announced size",
        ),
        malformed("NUL in a field", http::nul_in_header(), "invalid value"),
        malformed("differing lengths", http::differing_content_lengths(), "Content-Length"),
        malformed("length and chunks", http::length_and_chunks(), "both Transfer-Encoding and Content-Length"),
        malformed(
            "a length that is no number",
            answer("HTTP/1.1 200 OK\r\nContent-Length: six\r\n\r\nready\n"),
            "Content-Length",
        ),
        malformed(
            "chunks in HTTP/1.0",
            answer("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "HTTP/1.0",
        ),
        malformed("a field without a colon", answer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "header field"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_not_http_is_malformed_and_quoted() {
    check([
        malformed("garbage", http::garbage(), "the response begins with"),
        malformed("garbage at once", tcp::garbage(), "the response begins with"),
        malformed("SSH", tcp::ssh_banner(), "SSH-2.0-OpenSSH_9.2p1"),
        malformed("SMTP", tcp::smtp_banner(), "220 mail.lab.test ESMTP"),
        malformed("HTTP/0.9", http::body_without_head(), "<html><body>ready"),
        malformed("HTTP/2", answer("HTTP/2 200 OK\r\n\r\n"), "HTTP/2 200"),
        malformed("bad status line", http::bad_status_line(), "HTTP/1.1 all is well"),
        malformed("status 099", http::status_text("099"), "status code"),
        malformed("status 20", http::status_text("20"), "HTTP/1.1 20"),
        malformed("status 2000", http::status_text("2000"), "HTTP/1.1 2000"),
    ])
    .await;
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_so() {
    let secure = Secure::new();
    let tls = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    check([row(
        "a TLS port",
        Service::tls(&tls, http::ok()),
        Probe::http(),
        fails(Cause::HttpMalformed, Part::Transfer).saying("answered in TLS, not in plain HTTP"),
    )])
    .await;
}

#[tokio::test]
async fn https_judges_responses_as_http_does() {
    use backend_health_exporter::verdict::Role;
    let secure = Secure::new();
    let tls = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    let https = |name: &str, script, expected: Expected| {
        let expected = expected.chain(&[Role::Leaf, Role::Intermediate]);
        row(name, Service::tls(&tls, script), Probe::https(&secure.trust).wanting_body("ready"), expected)
    };
    check([
        https("in order", http::ok(), succeeds().status(200)),
        https("chunked", http::chunked(), succeeds().status(200)),
        https("byte by byte", http::split_at_every_byte(), succeeds().status(200)),
        https("503", http::status(503, "ready"), wrong_status(503, "received 503")),
        https("maintenance", http::status(200, "later"), fails(Cause::HttpBodyMismatch, Part::Transfer).status(200)),
        https("garbage", http::garbage(), fails(Cause::HttpMalformed, Part::Transfer)),
        https("NUL", http::nul_in_header(), fails(Cause::HttpMalformed, Part::Transfer)),
        https("just inside", http::big_body("ready", Placement::JustInside), succeeds().status(200)),
    ])
    .await;
}
