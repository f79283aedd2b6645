//! Clients that hold on to what they get, and a Prometheus beside them that misses nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{BINARY, ConfigFile, Exporter, text};

/// So many rows that one scrape is more than what the buffers on its way take.
fn many_rows(rows: usize) -> ConfigFile {
    let mut config = "probes:\n  - {name: p, protocol: tcp, interval: 1h, timeout: 1s}\nbackend_settings:\n  - {name: s, \
                      protocol: tcp, port: 9, probe: p}\nbackend_pools:\n  - name: pool\n    settings: [s]\n    servers:\n"
        .to_owned();
    for number in 0..rows {
        let line = format!("      - 127.92.{}.{}\n", number / 250, number % 250 + 1);
        config.push_str(&line);
    }
    ConfigFile::new(&config)
}

/// What a Prometheus beside the attack sees: how often it was answered, and whatever else it got instead.
struct Scraper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Scraper {
    /// Asks for the metrics and the health again and again.
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut answered, mut missed) = (0, Vec::new());
            while !stopped.load(Ordering::SeqCst) {
                for path in ["/metrics", "/-/healthy"] {
                    let began = Instant::now();
                    match ask(address, path) {
                        Ok(()) => answered += 1,
                        Err(error) => missed.push(format!("{path} after {:?}: {error}", began.elapsed())),
                    }
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            (answered, missed)
        });
        Self { stop, thread }
    }

    fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the scraper ends")
    }
}

/// Less than a Prometheus's usual 10 s, and enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

fn ask(address: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let is_whole = path != "/metrics" || answer.ends_with(b"0\r\n\r\n");
    if answer.starts_with(b"HTTP/1.1 200 ") && is_whole {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
    Err(std::io::Error::other(format!("{shown:?}, {} bytes", answer.len())))
}

/// A connection that takes as little as it can.
fn connect(address: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).ok()?;
    socket.set_recv_buffer_size(2048).ok()?;
    socket.connect_timeout(&address.into(), Duration::from_secs(5)).ok()?;
    Some(socket.into())
}

/// Holds `at_once` connections, each of which begins with `says`, for `long`; those that are cut come again.
fn hold_on(address: SocketAddr, at_once: usize, says: &str, long: Duration) {
    let until = Instant::now() + long;
    let mut held: Vec<Option<TcpStream>> = (0..at_once).map(|_| None).collect();
    while Instant::now() < until {
        for place in &mut held {
            let dripped = place.as_mut().is_some_and(|stream| says.is_empty() || stream.write_all(b"x").is_ok());
            if !dripped {
                *place =
                    connect(address).and_then(|mut stream| stream.write_all(says.as_bytes()).is_ok().then_some(stream));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

async fn under_siege(exporter: &Exporter, attacks: &'static [(&'static str, usize, &'static str)]) {
    for (name, at_once, says) in attacks {
        let address = exporter.address;
        let scraper = Scraper::start(address);
        let attack = tokio::task::spawn_blocking(move || hold_on(address, *at_once, says, Duration::from_secs(4)));
        attack.await.expect("the attack ends");
        let (answered, missed) = scraper.stop();
        println!("{name}: {answered} answered, {} missed", missed.len());
        assert!(missed.is_empty() && answered > 0, "{name}: {answered} answered, missed: {missed:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hold_on_keep_nobody_else_out() {
    let config = many_rows(6_000);
    let exporter = Exporter::run(&config.path).await;
    exporter.ready().await;
    let attacks: &[(&str, usize, &str)] = &[
        ("idle connections", 520, ""),
        ("heads that never end", 600, "GET / HTTP/1.1\r\nHost: x\r\nX-"),
        ("scrapes that nobody reads", 24, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    under_siege(&exporter, attacks).await;
    let told = exporter.process.stderr().iter().filter(|line| line.contains("places for connections")).count();
    assert!(told == 1, "it is told once a minute: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_never_take_the_probes_descriptors() {
    for limit in ["64", "256"] {
        let config = many_rows(50);
        let yaml = std::fs::read_to_string(&config.path).expect("it was written").replace("1h", "1s");
        config.write(&yaml);
        let limited = format!("--nofile={limit}:{limit}");
        let mut command = Command::new("prlimit");
        command.args([&limited, BINARY, "run", "--config.file", text(&config.path)]);
        let exporter = Exporter::start_by(command.args(["--web.listen-address", "127.0.0.1:0"])).await;
        exporter.ready().await;
        let attacks: &[(&str, usize, &str)] = &[("idle connections", 300, ""), ("heads that never end", 300, "GET /")];
        under_siege(&exporter, attacks).await;
        let scrape = exporter.scrape().await;
        let exhausted = scrape
            .text()
            .lines()
            .filter(|line| line.starts_with("backend_health_cause_info") && line.contains("cause=\"local_exhausted\""));
        let exhausted: Vec<_> = exhausted.collect();
        assert!(exhausted.is_empty(), "limit {limit}: {exhausted:#?}");
        let log = exporter.process.stderr().join("\n");
        assert!(!log.contains("cannot accept"), "limit {limit}: {log}");
    }
}
