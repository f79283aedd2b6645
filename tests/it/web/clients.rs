//! Clients that do not do their part, and the end of the exporter while they do not.

use std::time::{Duration, Instant};

use backend_health_exporter::web::{Limits, PageWriter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::web::access::{Certificates, tls_only};
use crate::web::{Running, Setup, client, large_page, large_text, start};

/// More than any buffer on the way takes.
fn endless_page(_: Option<String>) -> PageWriter {
    Box::new(|out| {
        loop {
            out.write_str("a_sample{that=\"never ends\"} 1\n")?;
        }
    })
}

/// A page of nothing but its first chunk, until the client is gone.
fn hanging_page(_: Option<String>) -> PageWriter {
    Box::new(|out| {
        out.write_str(&"# padding\n".repeat(4_000))?;
        loop {
            std::thread::sleep(Duration::from_millis(5));
            out.write_str(&"# a little more\n".repeat(100))?;
        }
    })
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Waits until the other side has closed or reset the connection; gives what came before, without keeping it all.
async fn closed(stream: &mut TcpStream) -> String {
    let mut first = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let read = async {
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            if first.len() < 64 * 1024 {
                first.extend_from_slice(&buffer[..length]);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("the connection stays open");
    String::from_utf8_lossy(&first).into_owned()
}

#[tokio::test]
async fn a_scrape_that_is_not_read_loses_its_slot_and_its_connection() {
    let limits = Limits { scrapes: 1, write: Duration::from_millis(300), ..Limits::default() };
    let site = start(Setup { page: endless_page, limits, ..Setup::default() }).await;
    let mut lazy = TcpStream::connect(site.address()).await.unwrap();
    send(&mut lazy, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    lazy.readable().await.unwrap();
    // The second one waits for the slot that the first one gives up.
    let mut second = site.get("/metrics").await;
    assert_eq!(second.status(), 200);
    assert!(second.chunk().await.unwrap().is_some());
    let text = closed(&mut lazy).await;
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{}", &text[..60]);
}

#[tokio::test]
async fn scrapes_beyond_the_bound_are_told_to_come_again() {
    let limits = Limits { scrapes: 1, scrape_wait: Duration::from_millis(50), ..Limits::default() };
    let site = start(Setup { page: hanging_page, limits, ..Setup::default() }).await;
    let mut first = site.get("/metrics").await;
    assert!(first.chunk().await.unwrap().is_some());
    let second = site.get("/metrics").await;
    assert_eq!((second.status().as_u16(), super::header(&second, "retry-after").as_str()), (503, "1"));
    assert_eq!(site.get("/-/healthy").await.status(), 200, "the other routes answer");
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(10);
    while site.get("/metrics").await.status() != 200 {
        assert!(Instant::now() < deadline, "the slot is not given back");
    }
}

#[tokio::test]
async fn an_http2_stream_that_is_not_read_is_cut_at_its_deadline() {
    let certificates = Certificates::new();
    let limits = Limits { scrape: Duration::from_millis(500), ..Limits::default() };
    let access = tls_only(&certificates);
    let site = start(Setup { access, limits, page: endless_page, ..Setup::default() }).await;
    // Small windows are full at once, and nothing but reading opens them again.
    let client = certificates.client().http2_initial_stream_window_size(16 * 1024).build().unwrap();
    let url = format!("https://localhost:{}/metrics", site.address().port());
    let mut lazy = client.get(&url).send().await.unwrap();
    assert_eq!(lazy.version(), reqwest::Version::HTTP_2);
    tokio::time::sleep(Duration::from_millis(800)).await;
    // Read now, the page would go on for ever.
    let rest = async { while let Ok(Some(_)) = lazy.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(10), rest).await.expect("it goes on after its deadline");
}

#[tokio::test]
async fn heads_that_never_end_are_cut_and_hold_up_nobody() {
    let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
    let site = start(Setup { limits, ..Setup::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(site.address()).await.unwrap();
        send(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nX-").await;
        slow.push(stream);
    }
    assert_eq!(site.get("/-/healthy").await.status(), 200);
    let started = Instant::now();
    for stream in &mut slow {
        assert_eq!(closed(stream).await, "");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_too() {
    let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
    let site = start(Setup { limits, ..Setup::default() }).await;
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    let drip = async {
        loop {
            if stream.write_all(b"x").await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), drip).await.expect("the connection stays open");
}

#[tokio::test]
async fn a_connection_between_two_requests_is_not_a_slow_head() {
    let limits = Limits { head: Duration::from_millis(1), ..Limits::default() };
    let Running { addresses, access, shutdown, .. } = start(Setup { limits, ..Setup::default() }).await;
    // Nobody who could change the access is no reason to end a connection either.
    drop(access);
    let mut stream = TcpStream::connect(addresses[0]).await.unwrap();
    let request = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut buffer = [0; 1024];
    for _ in 0..2 {
        send(&mut stream, request).await;
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"HTTP/1.1 200 OK"));
        // Longer than a head may take, and than the looks at the connection are apart.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    shutdown.cancel();
    assert_eq!(closed(&mut stream).await, "");
}

#[tokio::test]
async fn for_one_connection_too_many_the_oldest_silent_one_ends() {
    let limits = Limits { connections: 8, ..Limits::default() };
    let site = start(Setup { limits, ..Setup::default() }).await;
    let mut first = TcpStream::connect(site.address()).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(TcpStream::connect(site.address()).await.unwrap());
    }
    assert_eq!(site.get("/-/healthy").await.status(), 200);
    assert_eq!(closed(&mut first).await, "");
}

#[tokio::test]
async fn a_client_says_something_within_seconds_or_is_cut() {
    let limits = Limits { first: Duration::from_millis(300), ..Limits::default() };
    let site = start(Setup { limits, ..Setup::default() }).await;
    let mut silent = TcpStream::connect(site.address()).await.unwrap();
    assert_eq!(closed(&mut silent).await, "");
}

#[tokio::test]
async fn scrapes_that_are_not_read_make_room_for_one_that_is() {
    let limits = Limits { scrapes: 4, ..Limits::default() };
    let site = start(Setup { page: endless_page, limits, ..Setup::default() }).await;
    let mut lazy = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(site.address()).await.unwrap();
        send(&mut stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        lazy.push(stream);
    }
    let mut scrape = site.get("/metrics").await;
    assert_eq!(scrape.status(), 200);
    for _ in 0..20 {
        assert!(scrape.chunk().await.unwrap().is_some(), "it goes on");
    }
}

#[tokio::test]
async fn a_flood_of_frames_that_ask_for_nothing_is_cut() {
    let certificates = Certificates::new();
    let site = start(Setup { access: tls_only(&certificates), ..Setup::default() }).await;
    // A PRIORITY frame (RFC 9113, 6.3), a PING (6.7), and empty SETTINGS (6.5).
    let priority = [0, 0, 5, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 16];
    let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[7; 8]].concat();
    for frame in [&priority[..], &ping, &[0, 0, 0, 4, 0, 0, 0, 0, 0]] {
        let mut stream = certificates.h2_stream(site.address()).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let flood = frame.repeat(1_000);
        let cut = async {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let reading = tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(1..) = reader.read(&mut buffer).await {}
            });
            while writer.write_all(&flood).await.is_ok() {}
            reading.abort();
        };
        tokio::time::timeout(Duration::from_secs(20), cut).await.expect("the flood goes on");
    }
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let limits = Limits { idle: Duration::from_millis(300), ..Limits::default() };
    let site = start(Setup { limits, ..Setup::default() }).await;
    let mut fresh = TcpStream::connect(site.address()).await.unwrap();
    let mut used = TcpStream::connect(site.address()).await.unwrap();
    send(&mut used, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(closed(&mut fresh).await, "");
    assert!(closed(&mut used).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_and_holds_up_nobody() {
    let certificates = Certificates::new();
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let access = tls_only(&certificates);
    let site = start(Setup { access, limits, ..Setup::default() }).await;
    let mut silent = TcpStream::connect(site.address()).await.unwrap();
    let mut half = TcpStream::connect(site.address()).await.unwrap();
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    let url = format!("https://localhost:{}/-/healthy", site.address().port());
    assert_eq!(certificates.client().build().unwrap().get(url).send().await.unwrap().status(), 200);
    assert_eq!(closed(&mut silent).await + &closed(&mut half).await, "");
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let site = start(Setup::default()).await;
    let response = client().get(site.http("/")).header("x-large", "x".repeat(200_000)).send().await;
    assert!(response.is_err() || response.is_ok_and(|response| response.status() == 431));
    assert_eq!(site.get("/-/healthy").await.status(), 200);
}

#[tokio::test]
async fn the_end_waits_for_a_running_scrape() {
    let site = start(Setup { page: large_page, ..Setup::default() }).await;
    let response = site.get("/metrics").await;
    site.shutdown.cancel();
    assert!(response.text().await.unwrap() == large_text(), "the page is cut off");
    tokio::time::timeout(Duration::from_secs(2), site.served).await.expect("it ends at once then").unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait_longer_than_its_deadline() {
    let limits = Limits { shutdown: Duration::from_millis(500), ..Limits::default() };
    let site = start(Setup { page: hanging_page, limits, ..Setup::default() }).await;
    let mut response = site.get("/metrics").await;
    assert!(response.chunk().await.unwrap().is_some());
    let idle = TcpStream::connect(site.address()).await.unwrap();
    let started = Instant::now();
    site.shutdown.cancel();
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = response.chunk().await {} });
    tokio::time::timeout(Duration::from_secs(5), site.served).await.expect("it hangs").unwrap();
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("the client hangs").unwrap();
    drop(idle);
}

#[tokio::test]
async fn the_end_comes_at_once_when_nothing_runs() {
    let site = start(Setup::default()).await;
    let client = client();
    assert_eq!(client.get(site.http("/-/healthy")).send().await.unwrap().status(), 200);
    let mut silent = TcpStream::connect(site.address()).await.unwrap();
    site.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(2), site.served).await.expect("an idle connection holds it up").unwrap();
    assert_eq!(closed(&mut silent).await, "");
}
