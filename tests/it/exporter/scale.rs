//! Ten thousand rows in one process on a small machine, in whatever profile the tests are built with: the debug profile
//! takes about a third of a core for them.

use std::fmt::Write as _;
use std::io::Read;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use tokio::time::Instant;
use tokio::time::sleep;

use super::ConfigFile;
use super::DEADLINE;
use super::Exporter;

/// Answers every request on every address of this host.
struct Everywhere {
    port: u16,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Everywhere {
    fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).unwrap();
        // A burst waits here rather than losing its SYNs.
        socket.listen(4096).unwrap();
        let listener: std::net::TcpListener = socket.into();
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..4)
            .map(|_| {
                let (listener, over) = (listener.try_clone().unwrap(), over.clone());
                std::thread::spawn(move || {
                    while let Ok((mut client, _)) = listener.accept() {
                        if over.load(Ordering::SeqCst) {
                            return;
                        }
                        let mut request = [0; 1024];
                        // A client that goes away is no reason to stop.
                        let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
                        let _ = client.read(&mut request).and_then(|_| client.write_all(ANSWER));
                    }
                })
            })
            .collect();
        Self { port, over, threads }
    }
}

impl Drop for Everywhere {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // Each of them takes one more connection to see that it is over.
            while !thread.is_finished() {
                let _ = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[tokio::test]
async fn ten_thousand_rows_keep_their_beat_in_little_memory() {
    let servers = Everywhere::start();
    let config = ConfigFile::new(&config(servers.port));
    let exporter = Exporter::run(&config.path).await;
    let started_at = Instant::now();
    let deadline = started_at + DEADLINE;
    exporter.get_until("/-/ready", 200).await;
    let first_verdicts = started_at.elapsed();
    // An interval of 10 s, and what the last probes take on a machine that others use, too.
    assert!(first_verdicts < Duration::from_secs(15), "the first verdict of every row took {first_verdicts:?}");
    // Two and a half intervals from the start on.
    let enough = f64::from(ROWS) * 2.5;
    let count = "backend_health_exporter_probe_start_delay_seconds_count";
    // Scrapes of this size cost more than the probes: one in a while, as Prometheus does it.
    let scrape = loop {
        let scrape = exporter.scrape().await;
        if scrape.value(count, &[]) >= enough {
            break scrape;
        }
        assert!(Instant::now() < deadline, "{}", scrape.value(count, &[]));
        sleep(Duration::from_secs(3)).await;
    };

    let started = scrape.value(count, &[]);
    let within_a_second = scrape.value("backend_health_exporter_probe_start_delay_seconds_bucket", &[("le", "1.0")]);
    let late = (started - within_a_second) / started;
    let resident = scrape.value("process_resident_memory_bytes", &[]) / 1e6;
    let cpu = scrape.value("process_cpu_seconds_total", &[]);
    println!("{started} starts, {:.3} % late, {resident:.0} MB resident, {cpu:.1} s CPU", late * 100.0);
    println!("first verdicts of all rows after {first_verdicts:?}");
    assert!(late < 0.01, "{late} of the starts were more than a second late");
    assert!(resident < 150.0, "{resident} MB");
    assert_eq!(scrape.value("backend_health_exporter_probes_skipped_total", &[]).to_string(), "0");
    let servers = |state| scrape.value("backend_health_pool_servers", &[("state", state)]).to_string();
    assert_eq!(["healthy", "unhealthy", "unknown"].map(servers), ["10000", "0", "0"], "{}", scrape.rows());

    let asked = Instant::now();
    let report = exporter.get("/api/v1/backendhealth").await;
    println!("{} MB of JSON in {:?}", report.body.len() / 1_000_000, asked.elapsed());
    assert_eq!((report.status, report.body.matches("\"since\":").count()), (200, 10_000));
    let after = exporter.scrape().await.value("process_resident_memory_bytes", &[]) / 1e6;
    println!("{after:.0} MB resident after that");
    // A slow report holds on to probes that were replaced meanwhile, but never to its own text.
    assert!(after < 150.0, "{resident} MB before, {after} MB after");
}

fn config(port: u16) -> String {
    let mut yaml = format!(
        "probes: [{{name: quick, protocol: http, interval: 10s, timeout: 5s}}]\n\
         backend_settings: [{{name: http, protocol: http, port: {port}, probe: quick}}]\n\
         backend_pools:\n  - name: large\n    settings: [http]\n    servers:\n"
    );
    for number in 0..ROWS {
        writeln!(yaml, "      - 127.{}.{}.{}", 60 + number / 5000, number % 5000 / 250, number % 250 + 1).unwrap();
    }
    yaml
}

const ROWS: u32 = 10_000;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nready\n";
