//! Thresholds and intervals beside a real `HAProxy` that is given the same answers: `fall` and `rise` are our
//! `unhealthy_threshold` and `healthy_threshold`, `fastinter` and `downinter` our `unhealthy_interval`.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use rustls::RootCertStore;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::{ConfigFile, DEADLINE, Exporter, PAUSE, http_client};

/// A server that answers a check only when it is told how.
struct Gate {
    address: SocketAddr,
    pending: mpsc::UnboundedReceiver<TcpStream>,
}

impl Gate {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (asked, pending) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
                {
                }
                if asked.send(stream).is_err() {
                    return;
                }
            }
        });
        Self { address, pending }
    }

    /// The next check, which waits for its answer.
    async fn asked(&mut self) -> TcpStream {
        timeout(DEADLINE, self.pending.recv()).await.expect("the next check comes").expect("the gate is open")
    }
}

async fn answer(mut check: TcpStream, is_well: bool) {
    let status = if is_well { "200 OK" } else { "503 Service Unavailable" };
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    check.write_all(text.as_bytes()).await.expect("the check waits");
    let _ = check.shutdown().await;
}

/// A `HAProxy` that checks one server.
struct Peer {
    process: Child,
    client: Client,
    statistics: String,
    _directory: TempDir,
}

impl Peer {
    async fn start(checks: SocketAddr, fall: u32, rise: u32) -> Self {
        let statistics =
            TcpListener::bind("127.0.0.1:0").await.and_then(|free| free.local_addr()).expect("a free port");
        let directory = TempDir::new().expect("a directory");
        let file = directory.path().join("haproxy.cfg");
        let text = format!(
            "defaults\nmode http\ntimeout connect 20s\ntimeout client 20s\ntimeout server 20s\ntimeout check 60s\n\
             listen statistics\nbind {statistics}\nstats enable\nstats uri /\n\
             backend checked\noption httpchk GET /\n\
             server one {checks} check inter 200ms fastinter 100ms downinter 100ms fall {fall} rise {rise}\n"
        );
        fs::write(&file, text).expect("a file");
        let process = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy is installed");
        let client = http_client(RootCertStore::empty()).build().expect("a client");
        Self { process, client, statistics: format!("http://{statistics}/;csv"), _directory: directory }
    }

    /// Whether its statistics say that the server is up: `UP`, `UP 1/3`, `DOWN`, `DOWN 1/2`.
    async fn is_up(&self) -> bool {
        let deadline = Instant::now() + DEADLINE;
        let text = loop {
            match self.client.get(&self.statistics).send().await {
                Ok(reply) => break reply.text().await.expect("its statistics"),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            sleep(PAUSE).await;
        };
        let mut lines = text.lines();
        let column =
            lines.next().and_then(|names| names.split(',').position(|name| name == "status")).expect("a column");
        let line = lines.find(|line| line.starts_with("checked,one,")).expect("the server's line");
        let status = line.split(',').nth(column).expect("a status");
        assert!(status.starts_with("UP") || status.starts_with("DOWN"), "{status}");
        status.starts_with("UP")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The states after each answer, ours and theirs: `U`p and `D`own.
async fn play(fall: u32, rise: u32, answers: &str) -> (String, String) {
    let (mut ours, mut theirs) = (Gate::open().await, Gate::open().await);
    let config = ConfigFile::new(&format!(
        "probes: [{{name: p, protocol: http, interval: 200ms, unhealthy_interval: 100ms, timeout: 60s, \
         unhealthy_threshold: {fall}, healthy_threshold: {rise}}}]\n\
         backend_settings: [{{name: s, protocol: http, port: {}, probe: p}}]\n\
         backend_pools: [{{name: checked, settings: [s], servers: [127.0.0.1]}}]\n",
        ours.address.port()
    ));
    let peer = Peer::start(theirs.address, fall, rise).await;
    let exporter = Exporter::run(&config.path).await;
    let (mut checks, mut states) = ((ours.asked().await, theirs.asked().await), (String::new(), String::new()));
    for is_well in answers.chars().map(|answer| answer == '.') {
        tokio::join!(answer(checks.0, is_well), answer(checks.1, is_well));
        // The next check is sent when this one has been booked.
        checks = (ours.asked().await, theirs.asked().await);
        states.0.push(if exporter.scrape().await.state(&[]).as_deref() == Some("healthy") { 'U' } else { 'D' });
        states.1.push(if peer.is_up().await { 'U' } else { 'D' });
    }
    states
}

#[tokio::test]
async fn the_same_flaps_make_the_same_transitions_as_with_haproxy() {
    // It takes its servers for up until they fail, so that each sequence begins with a success.
    let sequences = [
        (3, 2, "...xx.xxx.x..x.xx.xxxx....xxx.x.x..x"),
        (1, 3, ".x..x...x.....x.x...xx...x"),
        (2, 1, ".x.x.xx.x.xx.xxx..x.x.xx."),
        (5, 4, ".xxxx.xxxxx...x....xxxxx...."),
    ];
    let games = sequences.map(|(fall, rise, answers)| tokio::spawn(play(fall, rise, answers)));
    for ((fall, rise, answers), game) in sequences.into_iter().zip(games) {
        let (ours, theirs) = game.await.expect("the game ends");
        assert_eq!(ours, theirs, "fall {fall}, rise {rise}, answers {answers}");
        assert!(ours.contains('U') && ours.contains('D'), "{ours}");
    }
}

#[tokio::test]
async fn a_row_on_its_way_back_says_how_far_it_is() {
    let mut gate = Gate::open().await;
    let config = ConfigFile::new(&format!(
        "probes: [{{name: p, protocol: http, interval: 1h, unhealthy_interval: 100ms, timeout: 60s, healthy_threshold: 3}}]\n\
         backend_settings: [{{name: s, protocol: http, port: {}, probe: p}}]\n\
         backend_pools: [{{name: web, settings: [s], servers: [127.0.0.1], min_servers: 2}}]\n",
        gate.address.port()
    ));
    let exporter = Exporter::run(&config.path).await;
    for is_well in [false, true, true] {
        let check = gate.asked().await;
        answer(check, is_well).await;
    }
    // Within the hour of the usual interval.
    let last = gate.asked().await;
    let row = |text: &str| -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(text).expect("JSON")["rows"][0].clone()
    };
    let report = row(&exporter.get("/api/v1/backendhealth").await.body);
    assert_eq!((&report["state"], &report["cause"]), (&"Unhealthy".into(), &serde_json::Value::Null), "{report:#}");
    assert_eq!((&report["consecutive_successes"], &report["healthy_threshold"]), (&2.into(), &3.into()), "{report:#}");
    assert_eq!(report["warnings"][0]["code"], "not_healthy_yet", "{report:#}");
    assert_eq!(report["warnings"][0]["detail"], "2 of the 3 successful probes in a row have come");
    let page = exporter.get("/").await.body;
    assert!(page.contains("2 of the 3 successful probes in a row have come"), "{page}");
    let scrape = exporter.scrape().await;
    assert_eq!(scrape.cause(&[]), None);
    assert!((scrape.value("backend_health_pool_min_servers", &[("pool", "web")]) - 2.0).abs() < f64::EPSILON);
    answer(last, true).await;
    exporter.scrape_until("it is Healthy", |scrape| scrape.state(&[]).as_deref() == Some("healthy")).await;
    let report = row(&exporter.get("/api/v1/backendhealth").await.body);
    assert_eq!((&report["consecutive_successes"], &report["warnings"]), (&0.into(), &serde_json::json!([])));
}
