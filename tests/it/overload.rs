//! The exporter in trouble of its own: stopped, starved of CPU, out of descriptors. No healthy server may ever be called
//! Unhealthy because of that.

mod clock;
mod descriptors;
mod flood;
mod isolation;
mod stops;
mod throttle;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::tls::{Chain, Pki, ServerTls};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http, tcp};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Healthy backends of every kind, the quick and the slow, and an exporter that probes them often.
struct World {
    _backends: Vec<Backend>,
    _nameserver: Nameserver,
    /// One more, that can die.
    mortal: Backend,
    exporter: Exporter,
    rows: usize,
}

/// An HTTP server that gives up on clients that keep it waiting, as all servers do some time.
async fn impatient_server() -> u16 {
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if timeout(Duration::from_millis(400), connection.read(&mut request)).await.is_ok() {
                    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                }
            });
        }
    });
    port
}

struct Exporter {
    child: Child,
    url: String,
    client: reqwest::Client,
    directory: TempDir,
}

impl World {
    /// Every server stands in `copies` rows. `launcher` comes before the exporter's own command line.
    async fn start(launcher: &[&str], copies: usize, interval: Duration) -> Self {
        let tls = ServerTls::new(&Pki::new().unwrap().identity(Chain::Good, "app.test").unwrap()).unwrap();
        let slow = Duration::from_millis(200);
        let kinds: [(&str, &str, Behaviour); 7] = [
            ("tcp", "", tcp::holds().into()),
            ("tcp", "enable_probe_proxy_protocol_header: true, ", tcp::accepts_proxy_line().into()),
            ("http", "", http::ok().into()),
            ("http", "", http::ok_after(slow).into()),
            ("https", "", Service::tls(&tls, http::ok()).into()),
            ("https", "", Service::tls(&tls, http::ok_after(slow)).into()),
            ("tls", "", Service::tls(&tls, tcp::holds()).into()),
        ];
        let nameserver =
            Nameserver::start(Zone::new().with("app.test", Answer::addresses([Ipv4Addr::LOCALHOST], 0))).await.unwrap();
        let (mut probes, mut settings, mut pools) = (String::new(), String::new(), String::new());
        let mut servers = vec![("http", "", impatient_server().await)];
        let mut backends = Vec::new();
        for (protocol, more, behaviour) in kinds {
            let backend = Backend::start(LOCALHOST, behaviour).unwrap();
            servers.push((protocol, more, backend.address().port()));
            backends.push(backend);
        }
        let mortal = Backend::start(LOCALHOST, http::ok()).unwrap();
        let rows = servers.len() * copies * 2 + 1;
        let interval = interval.as_millis();
        for (number, (protocol, more, port)) in servers.into_iter().enumerate() {
            let trust = match protocol {
                "https" | "tls" => ", validate_cert_chain_and_expiry: false, validate_sni: false",
                _ => "",
            };
            writeln!(
                probes,
                "  - {{name: p{number}, protocol: {protocol}, {more}interval: {interval}ms, timeout: {interval}ms, \
                 unhealthy_threshold: 1}}"
            )
            .unwrap();
            for copy in 0..copies {
                let name = format!("s{number}-{copy}");
                writeln!(settings, "  - {{name: {name}, protocol: {protocol}, port: {port}, probe: p{number}{trust}}}")
                    .unwrap();
                writeln!(pools, "  - {{name: {name}, settings: [{name}], servers: [127.0.0.1, app.test]}}").unwrap();
            }
        }
        writeln!(settings, "  - {{name: mortal, protocol: http, port: {}, probe: p0}}", mortal.address().port())
            .unwrap();
        pools.push_str("  - {name: mortal, settings: [mortal], servers: [127.0.0.1]}\n");
        let config = format!("probes:\n{probes}backend_settings:\n{settings}backend_pools:\n{pools}");
        let exporter = Exporter::start(launcher, &config, &nameserver.address().to_string()).await;
        Self { _backends: backends, _nameserver: nameserver, mortal, exporter, rows }
    }

    /// Waits until every row is Healthy.
    async fn all_healthy(&self) {
        self.exporter.metrics_when(|metrics| in_state(metrics, "healthy") == self.rows).await;
    }

    /// Whatever this host is going through: a server that dies is found, and nobody else. It comes back then.
    async fn a_dead_server_is_found(&self) {
        self.mortal.set(Behaviour::Refused).unwrap();
        let found = "backend_health_transitions_total{pool=\"mortal\"";
        self.exporter.metrics_when(|metrics| sum(metrics, found, "to=\"unhealthy\"") > 0.0).await;
        self.mortal.set(http::ok()).unwrap();
    }

    /// No row may have become Unhealthy so far, but the one that was dead.
    async fn none_was_unhealthy(&self, when: &str) {
        let metrics = self.exporter.metrics().await;
        let wrong: Vec<&str> = metrics
            .lines()
            .filter(|line| {
                let counts = line.starts_with("backend_health_transitions_total{") && line.contains("to=\"unhealthy\"");
                counts && !line.ends_with(" 0") && !line.contains("pool=\"mortal\"")
            })
            .collect();
        let log = self.exporter.log();
        let log: Vec<&str> = log.lines().filter(|line| line.contains("to=Unhealthy")).collect();
        assert!(wrong.is_empty(), "{when}: {} rows: {log:#?}", wrong.len());
    }
}

impl Exporter {
    async fn start(launcher: &[&str], config: &str, nameserver: &str) -> Self {
        // There is one for the whole process; who comes second finds it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("backend_health.yml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let line = [launcher, &[env!("CARGO_BIN_EXE_backend_health_exporter")]].concat();
        let child = Command::new(line[0])
            .args(&line[1..])
            .args(["run", "--web.listen-address", "127.0.0.1:0", "--dns.nameserver", nameserver])
            .args(["--dns.last-known-good", "0s", "--config.file"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut this = Self { child, url: String::new(), client: reqwest::Client::new(), directory };
        let deadline = Instant::now() + DEADLINE;
        let address = loop {
            let log = this.log();
            if let Some((_, rest)) = log.split_once("address=") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "it does not listen: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        this.url = format!("http://{address}");
        this
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Over one connection that is kept, as long as nobody closes it. The client may take a new one when the kept one is
    /// not back in its hands yet, and an exporter without descriptors cannot accept that: then it is asked again.
    async fn metrics(&self) -> String {
        self.get("/metrics").await
    }

    async fn page(&self) -> String {
        self.get("/").await
    }

    async fn get(&self, path: &str) -> String {
        // Who gives up too soon closes the kept connection, which such an exporter cannot replace.
        const PATIENCE: Duration = Duration::from_secs(15);
        let deadline = Instant::now() + DEADLINE;
        loop {
            let page =
                async { self.client.get(format!("{}{path}", self.url)).timeout(PATIENCE).send().await?.text().await };
            match page.await {
                Ok(text) => return text,
                Err(error) => assert!(Instant::now() < deadline, "{path} is not answered: {error}"),
            }
        }
    }

    async fn metrics_when(&self, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let asked = Instant::now();
            let metrics = self.metrics().await;
            if holds(&metrics) {
                return metrics;
            }
            let causes = metrics.lines().filter(|line| line.starts_with("backend_health_cause_info{"));
            let causes = causes.collect::<Vec<_>>().join("\n");
            assert!(Instant::now() < deadline, "waited in vain\n{causes}\n{}", self.log());
            // A scrape of many rows costs more than their probes: who looks must not be the overload.
            tokio::time::sleep((asked.elapsed() * 10).clamp(Duration::from_millis(50), Duration::from_millis(500)))
                .await;
        }
    }

    fn signal(&self, name: &str) {
        succeed(Command::new("kill").args([name, &self.child.id().to_string()]));
    }

    /// Sets the priority of all its threads; that of a process is only its first one's.
    fn renice(&self, nice: u8) {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let threads = threads.map(|thread| thread.unwrap().file_name());
        succeed(Command::new("renice").args(["-n", &nice.to_string(), "-p"]).args(threads).stdout(Stdio::null()));
    }

    /// Sets the soft limit of descriptors while it runs.
    fn limit_descriptors(&self, limit: &str) {
        let pid = self.child.id().to_string();
        succeed(Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}")]));
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child that does nothing but use up one CPU, for a limited time.
struct BusyLoop(Child);

impl BusyLoop {
    fn start(seconds: u64) -> Self {
        let script = format!("end=$((SECONDS+{seconds})); while [ $SECONDS -lt $end ]; do :; done");
        Self(Command::new("bash").args(["-c", &script]).spawn().unwrap())
    }
}

impl Drop for BusyLoop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn succeed(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// A number that may be set from outside, to try more than a test run has time for.
fn from_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// How many rows are in this state.
fn in_state(metrics: &str, state: &str) -> usize {
    let label = format!("state=\"{state}\"}} 1");
    metrics.lines().filter(|line| line.starts_with("backend_health_state{") && line.ends_with(&label)).count()
}

/// All samples whose line begins so and contains this, added up.
fn sum(metrics: &str, start: &str, part: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(start) && line.contains(part));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_that_was_stopped_calls_no_server_unhealthy() {
    let world = World::start(&[], 4, Duration::from_secs(1)).await;
    world.all_healthy().await;
    let as_long_as_wanted = from_environment("STOP_SECONDS", 5) as u64 * 1000;
    for millis in [300, 800, 1500, as_long_as_wanted] {
        world.exporter.signal("-STOP");
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.exporter.signal("-CONT");
        world.all_healthy().await;
        // The probes that were under way have ended by then.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        world.none_was_unhealthy(&format!("after a stop of {millis} ms")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_without_cpu_calls_no_server_unhealthy() {
    let world = World::start(&[], 8, Duration::from_secs(1)).await;
    world.all_healthy().await;
    world.exporter.renice(19);
    let cpus = std::thread::available_parallelism().unwrap().get();
    let busy: Vec<BusyLoop> = (0..cpus * 2).map(|_| BusyLoop::start(30)).collect();
    tokio::time::sleep(Duration::from_secs(12)).await;
    world.a_dead_server_is_found().await;
    drop(busy);
    // Whatever else this machine does.
    world.exporter.renice(0);
    world.none_was_unhealthy("after 12 s without CPU").await;
    world.all_healthy().await;
    world.none_was_unhealthy("when the CPU is back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_out_of_descriptors_says_so_and_calls_no_server_unhealthy() {
    let world = World::start(&[], 1, Duration::from_millis(500)).await;
    world.all_healthy().await;
    world.exporter.limit_descriptors("8:");
    let metrics = world.exporter.metrics_when(|metrics| in_state(metrics, "unknown") == world.rows).await;
    let causes: Vec<&str> = metrics.lines().filter(|line| line.starts_with("backend_health_cause_info{")).collect();
    assert_eq!(causes.len(), world.rows, "{causes:#?}");
    for cause in causes {
        assert!(cause.contains("cause=\"local_exhausted\",stage=\"local\",side=\"exporter\""), "{cause}");
    }
    world.none_was_unhealthy("out of descriptors").await;
    world.exporter.limit_descriptors("4096:");
    world.all_healthy().await;
    world.none_was_unhealthy("with descriptors again").await;
}

const DEADLINE: Duration = Duration::from_mins(1);
