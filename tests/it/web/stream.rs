//! The stream of changes over real sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::health::HealthTable;
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::target::{Target, TargetId};
use backend_health_exporter::verdict::Cause;
use backend_health_exporter::web::Limits;
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::sample;
use crate::web::access::{Certificates, tls_only};
use crate::web::{Running, Setup, client, header, start};

const DEADLINE: Duration = Duration::from_secs(30);

/// A table of one row for each server, and how to change it.
struct World {
    table: Arc<HealthTable>,
    targets: Vec<Arc<Target>>,
}

impl World {
    fn new(servers: usize) -> Self {
        let targets: Vec<_> = (0..servers)
            .map(|number| {
                let row = sample::new_row("web", "plain", &format!("s{number}"), Protocol::Tcp);
                let target = Arc::unwrap_or_clone(row.target);
                Arc::new(Target { id: TargetId(number as u64), unhealthy_threshold: 1, ..target })
            })
            .collect();
        let table = Arc::new(HealthTable::new());
        table.replace(&targets, SystemTime::now());
        Self { table, targets }
    }

    fn setup(&self) -> Setup {
        Setup { table: self.table.clone(), ..Setup::default() }
    }

    /// Books a success, or a failure.
    fn book(&self, server: usize, succeeds: bool) {
        let verdict = if succeeds {
            sample::success(Protocol::Tcp)
        } else {
            sample::failure(Protocol::Tcp, Cause::TcpRefused, "nothing\nlistens")
        };
        self.table.record(&self.targets[server], verdict, SystemTime::now());
    }
}

/// A client's side of a stream.
struct Listener {
    response: Response,
    buffer: String,
}

/// One event as it came.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    kind: String,
    id: String,
    data: Value,
    /// Comments and retry times.
    other: String,
}

impl Listener {
    async fn get(client: &Client, url: String, last: Option<&str>) -> Self {
        let request = client.get(url).timeout(Duration::from_mins(2));
        let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "text/event-stream");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "content-encoding"), "");
        Self { response, buffer: String::new() }
    }

    async fn to(site: &Running, path: &str, last: Option<&str>) -> Self {
        Self::get(&client(), site.http(path), last).await
    }

    /// `None` at the stream's orderly end.
    async fn next(&mut self) -> Option<Told> {
        let read = async {
            loop {
                if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                    let mut told = Told::default();
                    for line in event.lines() {
                        match line.split_once(": ") {
                            Some(("event", kind)) => kind.clone_into(&mut told.kind),
                            Some(("id", id)) => id.clone_into(&mut told.id),
                            Some(("data", data)) => told.data = serde_json::from_str(data).unwrap(),
                            _ => told.other += line,
                        }
                    }
                    self.buffer = rest.into();
                    return Some(told);
                }
                let chunk = self.response.chunk().await.expect("the stream is not cut off")?;
                self.buffer += std::str::from_utf8(&chunk).unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("nothing comes")
    }

    /// The next event of this kind.
    async fn next_of(&mut self, kind: &str) -> Told {
        loop {
            let told = self.next().await.expect("the stream goes on");
            if told.kind == kind {
                return told;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_tells_the_report_at_once_and_every_change_as_it_comes() {
    let world = World::new(2);
    let site = start(world.setup()).await;
    world.book(0, true);
    let mut listener = Listener::to(&site, "/api/v1/stream", None).await;
    assert_eq!(listener.next().await.unwrap().other, "retry: 2000");
    let first = listener.next().await.unwrap();
    assert_eq!((&*first.kind, &*first.id), ("report", "1"));
    assert_eq!(first.data["summary"], serde_json::json!({"healthy": 1, "unhealthy": 0, "unknown": 1}));
    assert!(first.data["generated_at"].as_str().unwrap().ends_with('Z'), "{first:?}");
    world.book(1, false);
    let change = listener.next_of("transition").await;
    assert_eq!(change.id, "2");
    let words = ["server", "from", "to"].map(|key| change.data[key].as_str().unwrap().to_owned());
    assert_eq!(words, ["s1", "Unknown", "Unhealthy"]);
    assert_eq!(change.data["cause"]["code"], "tcp_refused");
    assert_eq!(change.data["cause"]["docs_url"], "/docs/troubleshooting#tcp_refused");
    let after = listener.next_of("report").await;
    assert_eq!(after.data["summary"], serde_json::json!({"healthy": 1, "unhealthy": 1, "unknown": 0}));
    assert_eq!(after.id, "2");
}

#[tokio::test]
async fn the_report_is_told_once_a_second_and_only_when_something_changed() {
    let world = World::new(1);
    let limits = Limits { heartbeat: Duration::from_millis(2_500), ..Limits::default() };
    let site = start(Setup { limits, ..world.setup() }).await;
    let mut listener = Listener::to(&site, "/api/v1/stream", None).await;
    listener.next_of("report").await;
    // Nothing changes: a sign of life is all that comes.
    assert_eq!(listener.next().await.unwrap().other, ": still here");
    let busy = async {
        loop {
            world.book(0, true);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let listen = async {
        let (started, mut reports) = (Instant::now(), 0);
        while reports < 3 {
            listener.next_of("report").await;
            reports += 1;
        }
        started.elapsed()
    };
    let took = tokio::select! { () = busy => unreachable!(), took = listen => took };
    // The first of them cannot be older than the first change, and the third is two seconds younger.
    assert!(took >= Duration::from_millis(1_900), "{took:?} for three reports");
}

#[tokio::test]
async fn a_client_that_comes_again_is_told_what_it_missed() {
    let world = World::new(1);
    let site = start(world.setup()).await;
    for succeeds in [true, false, true, false] {
        world.book(0, succeeds);
    }
    let check = async |path: &str, last: &str, expected: &[&str]| {
        let mut listener = Listener::to(&site, path, Some(last)).await;
        let mut ids = Vec::new();
        loop {
            let told = listener.next().await.unwrap();
            match &*told.kind {
                "transition" => ids.push(told.id),
                "report" => break assert_eq!(told.id, "4"),
                _ => {}
            }
        }
        assert_eq!(ids, expected, "{path} {last}");
    };
    check("/api/v1/stream", "2", &["3", "4"]).await;
    check("/api/v1/stream", "4", &[]).await;
    check("/api/v1/stream", "0", &["1", "2", "3", "4"]).await;
    check("/api/v1/stream", "99", &["1", "2", "3", "4"]).await;
    check("/api/v1/stream?state=unhealthy", "0", &["2", "4"]).await;
    check("/api/v1/stream?cause=tcp_refused&pool=WEB", "0", &["2", "4"]).await;
    check("/api/v1/stream?pool=other", "0", &[]).await;
}

#[tokio::test]
async fn what_is_remembered_is_told_whole_to_several_clients() {
    let world = World::new(1);
    let site = start(world.setup()).await;
    // More than are kept as they were written.
    for number in 0..1_100 {
        world.book(0, number % 2 == 0);
    }
    let mut listeners = vec![];
    for _ in 0..3 {
        listeners.push(Listener::to(&site, "/api/v1/stream", Some("0")).await);
    }
    for number in 1..=1_100 {
        for listener in &mut listeners {
            assert_eq!(listener.next_of("transition").await.id, number.to_string());
        }
    }
}

#[tokio::test]
async fn streams_beyond_the_bound_are_told_to_come_again() {
    let world = World::new(1);
    let limits = Limits { streams: 1, ..Limits::default() };
    let site = start(Setup { limits, ..world.setup() }).await;
    let mut first = Listener::to(&site, "/api/v1/stream", None).await;
    first.next_of("report").await;
    let second = site.get("/api/v1/stream").await;
    assert_eq!((second.status().as_u16(), &*header(&second, "retry-after")), (503, "10"));
    let error: Value = serde_json::from_slice(&second.bytes().await.unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "too_many_streams");
    drop(first);
    let deadline = Instant::now() + DEADLINE;
    while site.get("/api/v1/stream").await.status() != 200 {
        assert!(Instant::now() < deadline, "the place is not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stream_outlives_the_patience_with_idle_and_slow_clients() {
    let world = World::new(1);
    let short = Duration::from_millis(300);
    let write = Duration::from_secs(1);
    let limits = Limits { idle: short, head: short, write, scrape: short, heartbeat: short, ..Limits::default() };
    let site = start(Setup { limits, ..world.setup() }).await;
    let mut listener = Listener::to(&site, "/api/v1/stream", None).await;
    listener.next_of("report").await;
    for _ in 0..3 {
        assert_eq!(listener.next().await.unwrap().other, ": still here");
    }
    world.book(0, true);
    assert_eq!(listener.next_of("transition").await.id, "1");
}

#[tokio::test]
async fn a_stream_that_is_not_read_loses_its_place_and_its_connection() {
    let world = World::new(1);
    let limits = Limits { streams: 1, write: Duration::from_millis(500), ..Limits::default() };
    let site = start(Setup { limits, ..world.setup() }).await;
    let mut lazy = TcpStream::connect(site.address()).await.unwrap();
    lazy.write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    lazy.readable().await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    // More than all the buffers on the way take.
    while site.get("/api/v1/stream").await.status() != 200 {
        for number in 0..200 {
            world.book(0, number % 2 == 0);
        }
        assert!(Instant::now() < deadline, "the place is not given back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(1..) = lazy.read(&mut buffer).await {}
    };
    tokio::time::timeout(DEADLINE, read).await.expect("the connection stays open");
}

#[tokio::test]
async fn http2_streams_tell_the_same_and_lose_their_connection_when_they_are_not_read() {
    let world = World::new(1);
    let certificates = Certificates::new();
    let access = tls_only(&certificates);
    let limits = Limits { streams: 2, write: Duration::from_millis(500), ..Limits::default() };
    let site = start(Setup { access, limits, ..world.setup() }).await;
    let client = || certificates.client().http2_initial_stream_window_size(16 * 1024).build().unwrap();
    let url = format!("https://localhost:{}/api/v1/stream", site.address().port());
    let mut reading = Listener::get(&client(), url.clone(), None).await;
    assert_eq!(reading.response.version(), reqwest::Version::HTTP_2);
    reading.next_of("report").await;
    let lazy = Listener::get(&client(), url.clone(), None).await;
    let third = client();
    assert_eq!(third.get(&url).send().await.unwrap().status(), 503);
    let deadline = Instant::now() + DEADLINE;
    let mut number = 0;
    // The one that reads is told all, while the other one holds up nobody and is cut.
    while third.get(&url).send().await.unwrap().status() != 200 {
        assert!(Instant::now() < deadline, "the place is not given back");
        for _ in 0..20 {
            number += 1;
            world.book(0, number % 2 == 1);
            assert_eq!(reading.next_of("transition").await.id, number.to_string());
        }
    }
    drop(lazy);
}

#[tokio::test]
async fn streams_end_with_the_exporter_and_do_not_hold_it_up() {
    let world = World::new(1);
    let site = start(world.setup()).await;
    let mut listener = Listener::to(&site, "/api/v1/stream", None).await;
    listener.next_of("report").await;
    site.shutdown.cancel();
    while listener.next().await.is_some() {}
    tokio::time::timeout(Duration::from_secs(2), site.served).await.expect("it ends at once then").unwrap();
}

#[tokio::test]
async fn a_stream_is_asked_for_with_get_and_filters_that_exist() {
    let world = World::new(1);
    let limits = Limits { streams: 1, ..Limits::default() };
    let site = start(Setup { limits, ..world.setup() }).await;
    let head = client().head(site.http("/api/v1/stream")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), &*header(&head, "content-type")), (200, "text/event-stream"));
    let wrong = site.get("/api/v1/stream?state=up").await;
    assert_eq!(wrong.status(), 400);
    let error: Value = serde_json::from_slice(&wrong.bytes().await.unwrap()).unwrap();
    assert_eq!(error["error"]["message"], "state \"up\" is none of Healthy, Unhealthy, Unknown");
    assert_eq!(site.get("/api/v1/stream").await.status(), 200, "neither of them took the place");
}
