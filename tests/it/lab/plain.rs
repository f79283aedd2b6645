//! Ports, TCP servers and HTTP servers without TLS.

use std::io;
use std::time::{Duration, Instant};

use backend_health_exporter::lab::http::Placement;
use backend_health_exporter::lab::{Backend, Behaviour, Script, http, tcp};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{DEADLINE, End, LOCALHOST, REQUEST, Visit, eventually, patience_for, visit};

/// After this request, exactly these bytes must come, and then this end.
async fn check(name: &str, script: Script, sent: &[u8], wanted: (&str, End)) {
    let backend = Backend::start(LOCALHOST, script).expect("the backend starts");
    let Visit { received, end } = visit(backend.address(), sent, patience_for(wanted.1)).await;
    assert_eq!((&*String::from_utf8_lossy(&received), end), wanted, "{name}");
    assert_eq!(backend.connections(), 1, "{name}");
}

/// After a request, bytes for which this holds must come, and then this end.
async fn check_that(name: &str, script: Script, holds: impl Fn(&[u8]) -> bool, wanted: End) {
    let backend = Backend::start(LOCALHOST, script).expect("the backend starts");
    let Visit { received, end } = visit(backend.address(), REQUEST, patience_for(wanted)).await;
    assert_eq!(end, wanted, "{name}");
    let start = String::from_utf8_lossy(&received[..received.len().min(200)]).into_owned();
    assert!(holds(&received), "{name}: {} bytes: {start}", received.len());
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

#[tokio::test]
async fn a_refused_port_is_refused_as_long_as_it_is_held() {
    let backend = Backend::start(LOCALHOST, Behaviour::Refused).expect("the backend starts");
    for _ in 0..3 {
        let error = TcpStream::connect(backend.address()).await.expect_err("nothing listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn a_silent_port_answers_no_connect_at_all() {
    let backend = Backend::start(LOCALHOST, Behaviour::SilentSyn).expect("the backend starts");
    let connects =
        (0..5).map(|_| tokio::spawn(timeout(Duration::from_millis(1500), TcpStream::connect(backend.address()))));
    for connect in connects.collect::<Vec<_>>() {
        // Longer than the first repetition of a SYN, which comes after a second.
        assert!(connect.await.expect("no panic").is_err(), "a connect was answered");
    }
}

#[tokio::test]
async fn tcp_servers_hold_close_reset_and_greet() {
    check("hold", tcp::holds(), b"anything", ("", End::Quiet)).await;
    check("RST on accept", tcp::resets(), b"", ("", End::Reset)).await;
    check("FIN on accept", tcp::closes(), REQUEST, ("", End::Closed)).await;
    check("SSH", tcp::ssh_banner(), b"", ("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", End::Quiet)).await;
    check("SMTP", tcp::smtp_banner(), b"", ("220 mail.lab.test ESMTP\r\n", End::Quiet)).await;
    check_that("garbage", tcp::garbage(), |bytes| bytes.len() == 512 && bytes[0] == 0x80, End::Closed).await;
}

#[tokio::test]
async fn a_proxy_line_is_accepted_or_rejected_but_never_before_it_comes() {
    const LINE: &[u8] = b"PROXY UNKNOWN\r\n";
    check("accepted", tcp::accepts_proxy_line(), LINE, ("", End::Quiet)).await;
    check("closed", tcp::closes_on_proxy_line(), LINE, ("", End::Closed)).await;
    check("reset", tcp::resets_on_proxy_line(), LINE, ("", End::Reset)).await;
    let complaint = ("500 5.5.1 Unknown command\r\n", End::Closed);
    check("complaint", tcp::complains_about_proxy_line(), LINE, complaint).await;

    for script in [tcp::accepts_proxy_line(), tcp::closes_on_proxy_line(), tcp::resets_on_proxy_line()] {
        check("nothing sent", script, b"", ("", End::Quiet)).await;
    }
    check("another line", tcp::accepts_proxy_line(), b"EHLO lab\r\n", ("", End::Closed)).await;
    check("a line that is too long", tcp::accepts_proxy_line(), &b"PROXY ".repeat(20), ("", End::Closed)).await;
}

#[tokio::test]
async fn http_servers_break_off_where_they_should() {
    check("silent", http::silent(), REQUEST, ("", End::Quiet)).await;
    check("FIN", http::closes_without_answer(), REQUEST, ("", End::Closed)).await;
    check("RST", http::resets_without_answer(), REQUEST, ("", End::Reset)).await;
    check("FIN in the head", http::closes_in_head(), REQUEST, ("HTTP/1.1 200 OK\r\nContent-Le", End::Closed)).await;
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first words";
    check("RST in the body", http::resets_in_body(), REQUEST, (begun, End::Reset)).await;
    check("half a request", http::ok(), b"GET / HTTP/1.1\r\nHost: a\r\n", ("", End::Quiet)).await;
}

#[tokio::test]
async fn http_servers_answer_as_they_are_told() {
    let ok = "HTTP/1.1 200 \r\nContent-Length: 6\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nready\n";
    check("ok", http::ok(), REQUEST, (ok, End::Closed)).await;
    check("split", http::split_at_every_byte(), REQUEST, (ok, End::Closed)).await;
    let unavailable = "HTTP/1.1 503 \r\nContent-Length: 4\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nbusy";
    check("503", http::status(503, "busy"), REQUEST, (unavailable, End::Closed)).await;
    let moved = "HTTP/1.1 302 \r\nContent-Length: 0\r\nLocation: /login\r\nConnection: close\r\n\r\n";
    check("302", http::redirect("/login"), REQUEST, (moved, End::Closed)).await;
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    check("101", http::switching_protocols(), REQUEST, (upgrade, End::Closed)).await;
    check("204", http::no_content(), REQUEST, ("HTTP/1.1 204 No Content\r\n\r\n", End::Quiet)).await;
    let not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: \"1\"\r\n\r\n";
    check("304", http::not_modified(), REQUEST, (not_modified, End::Quiet)).await;
    let early = format!("{}{ok}", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3));
    check("103 three times", http::interim_then_ok(103, 3), REQUEST, (&early, End::Closed)).await;
    let with_length = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nready\n";
    check("HTTP/1.0", http::http10_with_length(), REQUEST, (with_length, End::Closed)).await;
    let without = "HTTP/1.0 200 OK\r\n\r\nready\n";
    check("HTTP/1.0, no length", http::http10_without_length(), REQUEST, (without, End::Closed)).await;
    let delimited = "HTTP/1.1 200 OK\r\n\r\nready\n";
    check("no length", http::close_delimited(), REQUEST, (delimited, End::Closed)).await;
    check("no length, cut", http::close_delimited_and_cut(), REQUEST, (delimited, End::Closed)).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;kind=odd\r\nrea\r\n3\r\ndy\n\r\n0\r\n\
                   X-Trailer: yes\r\n\r\n";
    check("chunks", http::chunked(), REQUEST, (chunked, End::Closed)).await;
}

#[tokio::test]
async fn broken_http_is_broken_in_the_way_that_it_is_named() {
    let raw = |head: &str, rest: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{rest}");
    let chunked = |rest: &str| raw("Transfer-Encoding: chunked", rest);
    let rows = [
        ("short body", http::short_body(), raw("Content-Length: 1000", "0123456789")),
        ("cut in a chunk", http::cut_in_chunk(), chunked("64\r\nonly this")),
        ("bad chunk size", http::bad_chunk_size(), chunked("five\r\nready\r\n0\r\n\r\n")),
        ("chunk size overflow", http::chunk_size_overflow(), chunked("10000000000000005\r\nready\r\n0\r\n\r\n")),
        ("no last chunk", http::missing_last_chunk(), chunked("6\r\nready\n\r\n")),
        ("no head", http::body_without_head(), "<html><body>ready</body></html>\n".to_owned()),
        ("status line", http::bad_status_line(), "HTTP/1.1 all is well\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("status 099", http::status_text("099"), "HTTP/1.1 099 Odd\r\nContent-Length: 6\r\n\r\nready\n".to_owned()),
        ("NUL", http::nul_in_header(), raw("X-Odd: a\0b\r\nContent-Length: 6", "ready\n")),
        ("two lengths", http::differing_content_lengths(), raw("Content-Length: 6\r\nContent-Length: 7", "ready\n")),
        ("a length twice", http::equal_content_lengths(), raw("Content-Length: 6\r\nContent-Length: 6", "ready\n")),
        (
            "length and chunks",
            http::length_and_chunks(),
            raw("Content-Length: 3\r\nTransfer-Encoding: chunked", "6\r\nready\n\r\n0\r\n\r\n"),
        ),
        ("folded header", http::folded_header(), raw("X-Long: one\r\n two\r\nContent-Length: 6", "ready\n")),
    ];
    for (name, script, wanted) in rows {
        check(name, script, REQUEST, (&wanted, End::Closed)).await;
    }
    check_that("garbage", http::garbage(), |bytes| bytes.len() == 512 && !bytes.starts_with(b"HTTP"), End::Closed)
        .await;
}

#[tokio::test]
async fn what_is_endless_goes_on_and_on() {
    let step = Duration::from_millis(5);
    let head_open = |bytes: &[u8]| count(bytes, b"\r\n\r\n") == 0;
    let head_done = |bytes: &[u8]| count(&bytes[..200], b"\r\n\r\n") == 1;
    check_that("head, slowly", http::drips_head(step), |bytes| count(bytes, b"\r\n\r\n") == 0, End::Endless).await;
    check_that("body, slowly", http::drips_body(step), |bytes| count(bytes, b"\r\n\r\n") == 1, End::Endless).await;
    check_that("headers", http::endless_headers(), head_open, End::Endless).await;
    check_that("body", http::endless_body(), head_done, End::Endless).await;
    check_that("chunks", http::endless_chunks(), head_done, End::Endless).await;
    for status in [100, 103] {
        let start = format!("HTTP/1.1 {status} ");
        let interim = |bytes: &[u8]| bytes.starts_with(start.as_bytes()) && count(bytes, b"\r\n\r\n") > 1000;
        check_that("interim responses", http::endless_interim(status), interim, End::Endless).await;
    }
    check_that("a header of 1 MiB", http::huge_header(), |bytes| bytes.len() > 1 << 20, End::Closed).await;
}

#[tokio::test]
async fn a_big_body_has_its_text_at_the_edge() {
    for (placement, wanted) in
        [(Placement::JustInside, 65_530), (Placement::Straddling, 65_533), (Placement::JustOutside, 65_536)]
    {
        let holds = |bytes: &[u8]| {
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            let text = bytes.windows(6).position(|window| window == b"needle").expect("the text");
            bytes.len() - head == 70_000 && text - head == wanted
        };
        check_that("big body", http::big_body("needle", placement), holds, End::Closed).await;
    }
}

#[tokio::test]
async fn a_delayed_answer_is_not_there_before_its_time() {
    let delay = Duration::from_millis(150);
    for script in [http::ok_after(delay), http::ok().delayed(delay)] {
        let backend = Backend::start(LOCALHOST, script).expect("the backend starts");
        let start = Instant::now();
        let Visit { received, end } = visit(backend.address(), REQUEST, DEADLINE).await;
        assert!(start.elapsed() >= delay);
        assert_eq!(end, End::Closed);
        assert!(received.starts_with(b"HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_backend_remembers_what_it_was_asked() {
    let backend = Backend::start(LOCALHOST, http::ok()).expect("the backend starts");
    visit(backend.address(), REQUEST, DEADLINE).await;
    let with_line = [b"PROXY UNKNOWN\r\n", REQUEST].concat();
    visit(backend.address(), &with_line, DEADLINE).await;
    assert_eq!(backend.requests(), [REQUEST.to_vec(), with_line]);
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn a_backend_changes_on_the_same_port() {
    let backend = Backend::start(LOCALHOST, http::ok()).expect("the backend starts");
    let address = backend.address();
    let answers = async |wanted: &[u8]| assert!(visit(address, REQUEST, DEADLINE).await.received.starts_with(wanted));
    answers(b"HTTP/1.1 200 ").await;

    backend.set(http::status(503, "")).expect("another service");
    answers(b"HTTP/1.1 503 ").await;

    backend.set(Behaviour::Refused).expect("the port closes");
    let error = TcpStream::connect(address).await.expect_err("nothing listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

    backend.set(Behaviour::SilentSyn).expect("the port falls silent");
    assert!(timeout(Duration::from_millis(300), TcpStream::connect(address)).await.is_err());

    backend.set(http::ok()).expect("the port opens");
    answers(b"HTTP/1.1 200 ").await;
    assert_eq!(backend.connections(), 3);
}

#[tokio::test]
async fn a_dropped_backend_is_gone_at_once_with_its_connections() {
    let backend = Backend::start(LOCALHOST, tcp::holds()).expect("the backend starts");
    let address = backend.address();
    let mut held = TcpStream::connect(address).await.expect("the backend accepts");
    eventually("the connection is accepted", || backend.connections() == 1).await;
    drop(backend);

    let error = TcpStream::connect(address).await.expect_err("nothing listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(matches!(super::read_to_the_end(&mut held, DEADLINE).await.end, End::Closed | End::Reset));
    Backend::start_at(address, http::ok()).expect("the port is free again");
}

#[tokio::test]
async fn a_backend_serves_no_more_connections_than_it_can_bear() {
    let backend = Backend::start(LOCALHOST, tcp::holds()).expect("the backend starts");
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(TcpStream::connect(backend.address()).await.expect("the queue has room"));
    }
    eventually("the bound is reached", || backend.connections() == 256).await;
    held.truncate(200);
    eventually("the waiting ones are accepted", || backend.connections() == 300).await;
}
