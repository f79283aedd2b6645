//! HTTP responses: what is healthy, what is not as expected, and what is not HTTP.

use backend_health_exporter::lab::http::{Placement, answer, response};
use backend_health_exporter::lab::tls::{Chain, ServerTls};
use backend_health_exporter::lab::{Script, Service, http, tcp};
use backend_health_exporter::verdict::{Cause, Notice};

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
        row("999 wanted", http::status_text("999"), Probe::http().wanting(&[(100, 999)], ""), ok(999)),
        row("700 is outside", http::status_text("700"), Probe::http().wanting(&[(100, 699)], ""), no(700, "100-699")),
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
        malformed("NUL in a field", http::nul_in_header(), "the header field \"X-Odd\" holds a NUL"),
        malformed("differing lengths", http::differing_content_lengths(), "Content-Length"),
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
        malformed(
            "a field without a colon",
            answer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
            "the header field \"no colon\" has no colon",
        ),
        malformed("a bare CR", answer("HTTP/1.1 200 OK\r\nX-Odd: a\rb\r\n\r\n"), "\"X-Odd\" holds a carriage return"),
        malformed(
            "a length beside another coding",
            answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\nabc"),
            "beside a Transfer-Encoding that is not chunked",
        ),
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
        fails(Cause::HttpToTlsPort, Part::Transfer).saying("answered plain HTTP with the TLS alert"),
    )])
    .await;
    let says_so = |name: &str, status: u16, body: &str| {
        let expected = fails(Cause::HttpToTlsPort, Part::Transfer).status(status).saying("the port is for TLS");
        row(name, http::status(status, body), Probe::http().wanting_body("ready"), expected)
    };
    let in_tls = |name: &str, bytes: &[u8]| {
        let expected = fails(Cause::HttpToTlsPort, Part::Transfer).saying("plain HTTP");
        row(name, answer(bytes), Probe::http(), expected)
    };
    check([
        row("the lab's own", http::wants_tls(), Probe::http(), fails(Cause::HttpToTlsPort, Part::Transfer).status(400)),
        says_so("nginx", 400, "<title>400 The plain HTTP request was sent to HTTPS port</title>"),
        says_so("nginx' own status", 497, "odd"),
        says_so("Apache", 400, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"),
        says_so("Apache, in two lines", 400, "You&#39;re speaking plain HTTP to an\n SSL-enabled server port."),
        says_so("Go, Caddy, Traefik", 400, "Client sent an HTTP request to an HTTPS server.\n"),
        says_so("Tomcat", 400, "Bad Request\r\nThis combination of host and port requires TLS.\r\n"),
        says_so(
            "Cheroot",
            400,
            "The client sent a plain HTTP request, but this server only speaks HTTPS on this port.",
        ),
        in_tls("an alert", &[21, 3, 1, 0, 2, 2, 70]),
        in_tls("a warning", &[21, 3, 3, 0, 2, 1, 0]),
        in_tls("an alert of an odd version", &[21, 0, 0, 0, 2, 2, 10]),
        in_tls("a handshake record", &[22, 3, 3, 0, 4, 0, 0, 0, 0]),
        row("another 400", http::status(400, "Bad Request: no Host"), Probe::http(), wrong_status(400, "received 400")),
        row(
            "a 400 that is wanted",
            http::wants_tls(),
            Probe::http().wanting(&[(400, 400)], ""),
            succeeds().status(400),
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_first_step_fits_the_status() {
    use backend_health_exporter::view::remedy::Remedy;
    let prober = super::prober();
    for (status, words) in [
        (301, "Follow the redirect"),
        (302, "Follow the redirect"),
        (400, "is answered with 400"),
        (401, "without a login"),
        (403, "Let the exporter's address in"),
        (404, "what there is at /healthz"),
        (410, "what there is at /healthz"),
        (418, "is answered with 418"),
        (429, "limit of requests"),
        (500, "Read the application's log"),
        (502, "server behind the proxy"),
        (503, "a deployment, maintenance"),
        (504, "server behind the proxy"),
        (599, "Read the application's log"),
    ] {
        let backend = super::Backend::start(super::LOCALHOST, http::status(status, "x")).unwrap();
        let spec = Probe::http().wanting(&[(200, 200)], "").of(backend.address());
        let (_, verdict) = super::judged(&prober, &spec).await;
        let finding = verdict.cause.expect("a fault");
        let row = crate::sample::new_row("web", "http-80", "127.0.0.1", spec.protocol);
        let target = backend_health_exporter::target::Target { probe: spec, ..(*row.target).clone() };
        let remedy = Remedy::of(&finding, &target, verdict.evidence.address);
        let first = remedy.first_step().expect("a step");
        assert!(first.contains(words), "{status}: {first}");
        assert!(remedy.steps()[0].ends_with(&first), "{status}: {:?}", remedy.steps());
    }
}

#[tokio::test]
async fn ports_for_another_version_of_http_are_told_so() {
    let frames = |name: &str, bytes: &[u8], words: &str| {
        row(name, answer(bytes), Probe::http(), fails(Cause::HttpVersionMismatch, Part::Transfer).saying(words))
    };
    let says_so = |name: &str, status: u16, fields: &[(&str, &str)], body: &str, words: &str| {
        let expected = fails(Cause::HttpVersionMismatch, Part::Transfer).status(status).saying(words);
        row(name, answer(response(status, fields, body)), Probe::http(), expected)
    };
    let at_once = fails(Cause::HttpVersionMismatch, Part::Transfer).saying("a frame of HTTP/2 (SETTINGS)");
    check([
        row("SETTINGS at once", http::wants_http2(), Probe::http(), at_once),
        frames("empty SETTINGS", &[0, 0, 0, 4, 0, 0, 0, 0, 0], "SETTINGS"),
        frames("GOAWAY", b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", "GOAWAY"),
        frames("a preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "preface"),
        says_so("505", 505, &[], "", "505: HTTP version not supported"),
        says_so("an upgrade", 426, &[("Upgrade", "h2c")], "", "upgrade to \"h2c\""),
        says_so("Kestrel", 400, &[], "An HTTP/1.x request was sent to an HTTP/2 only endpoint.", "only HTTP/2"),
        says_so("Node", 403, &[], "Unknown ALPN Protocol, expected `h2` to be available.", "only HTTP/2"),
        row("an upgrade to TLS", http::status(426, ""), Probe::http(), wrong_status(426, "received 426")),
        malformed("zeros", answer([0; 64]), "the response begins with"),
        malformed(
            "zeros and a length",
            answer(*b"\0\0\x05\x04\0\0\0\0\0 not SETTINGS at all"),
            "the response begins with",
        ),
    ])
    .await;
    let secure = Secure::new();
    let tls = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    let chain = [backend_health_exporter::verdict::Role::Leaf, backend_health_exporter::verdict::Role::Intermediate];
    check([row(
        "gRPC within TLS",
        Service::tls(&tls, http::wants_http2()),
        Probe::https(&secure.trust),
        fails(Cause::HttpVersionMismatch, Part::Transfer).saying("SETTINGS").chain(&chain),
    )])
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_told_by_what_should_end_it() {
    let slow = |name: &str, script: Script, words: &str| {
        let expected = fails(Cause::HttpTimeout, Part::Transfer).status(200).saying(words);
        row(name, script, Probe::http().within(super::SHORT), expected)
    };
    check([
        slow(
            "a length too large",
            http::length_too_large(),
            "6 of 7 bytes of the body came within 1 s, and nothing more",
        ),
        slow("no end", http::never_closes(), "neither Content-Length nor chunks"),
        slow(
            "no end, though asked for",
            http::never_closes(),
            "did not close within 1 s, although asked to; nothing more",
        ),
        slow(
            "no last chunk",
            Script::new([
                backend_health_exporter::lab::script::Step::send(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nready\n\r\n",
                ),
                backend_health_exporter::lab::script::Step::Hold,
            ]),
            "not the last chunk",
        ),
        slow("dripping", http::drips_body(std::time::Duration::from_millis(20)), "more was still coming"),
    ])
    .await;
}

#[tokio::test]
async fn a_compressed_body_is_decoded_or_said_to_be_compressed() {
    use std::io::Write;
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zlib = |text: &str| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let coded = |name: &str, coding: &str, body: Vec<u8>, expected: Expected| {
        let script = answer(response(200, &[("Content-Encoding", coding)], body));
        row(name, script, Probe::http().wanting_body("is well"), expected.status(200))
    };
    let missing = || fails(Cause::HttpBodyMismatch, Part::Transfer).saying("expected \"is well\" in the body");
    check([
        coded("gzip", "gzip", gzip("all is well"), succeeds()),
        coded("x-gzip", "X-GZIP", gzip("all is well"), succeeds()),
        coded("deflate", "deflate", zlib("all is well"), succeeds()),
        coded("without the text", "gzip", gzip("all is bad"), missing().saying("received 10 bytes without it")),
        coded("brotli", "br", b"\x0b\x05\x80all is well\x03".to_vec(), succeeds()),
        coded("brotli, hidden", "br", b"\x0b\x05\x80\x03".to_vec(), missing().saying("coding \"br\", which is not")),
        coded("zstd", "zstd", b"\x28\xb5\x2f\xfd".to_vec(), missing().saying("coding \"zstd\", which is not decoded")),
        coded("not gzip", "gzip", b"all is bad".to_vec(), missing().saying("which are not \"gzip\", as the head says")),
        coded("only said to be gzip", "gzip", b"all is well".to_vec(), succeeds()),
    ])
    .await;
}

#[tokio::test]
async fn an_odd_field_that_clients_take_is_a_warning() {
    let odd = |name: &str, script: Script| {
        row(name, script, Probe::http().wanting_body("ready"), succeeds().status(200).warned(Notice::HttpOddHeader))
    };
    let field = |field: &str| answer(format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 6\r\n\r\nready\n"));
    check([
        odd("a blank in a name", field("X Odd: a")),
        odd("no name", field(": a")),
        odd("a control character", field("X-Odd: a\u{1}b")),
        odd("a blank before the colon", field("X-Odd : a")),
        odd("letters that are not ASCII", field("X-Größe: a")),
        odd("length and chunks", http::length_and_chunks()),
    ])
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
