//! The program as its users have it: the real binary in a process of its own, asked over HTTP, ended by signals.

mod alerting;
mod api;
mod asking;
mod azure;
mod clients;
mod dampening;
mod demanded;
pub(crate) mod demo;
mod files;
mod flags;
mod logs;
mod names;
mod process;
pub(crate) mod prometheus;
mod reload;
mod report;
mod scale;
pub(crate) mod scrape;
mod secrets;
mod thresholds;
mod troubleshoot;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::lab::{Backend, Behaviour};
use nix::sys::signal::Signal;
use reqwest::{Client, ClientBuilder, Method};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use self::process::Process;
use self::scrape::Scrape;

/// A running exporter. Dropping it ends it with SIGTERM.
pub(crate) struct Exporter {
    process: Process,
    pub(crate) address: SocketAddr,
    client: Client,
}

impl Exporter {
    /// Starts it with these arguments, listening on a free port.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_by(Command::new(BINARY).args(arguments).args(["--web.listen-address", "127.0.0.1:0"])).await
    }

    /// Starts it with this configuration file.
    pub(crate) async fn run(config: &Path) -> Self {
        Self::start(&["run", "--config.file", text(config)]).await
    }

    /// Starts it with its demo.
    pub(crate) async fn demo() -> Self {
        Self::start(&["demo"]).await
    }

    /// Waits until every row has ended a probe.
    pub(crate) async fn ready(&self) {
        self.get_until("/-/ready", 200).await;
    }

    /// Stops it where it stands, or lets it go on: it neither answers nor hangs up.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.process.signal(if frozen { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Starts what this command says, and waits until it says where it listens.
    async fn start_by(command: &mut Command) -> Self {
        let mut process = Process::spawn(command);
        let address = process.said("where it listens", listening).await;
        Self { process, address, client: http_client(RootCertStore::empty()).build().unwrap() }
    }

    async fn ask(&self, method: Method, path: &str) -> Reply {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        let response = request.send().await.unwrap_or_else(|error| {
            panic!("{path} is not answered: {error:?}\n{}", self.process.stderr().join("\n"));
        });
        Reply { status: response.status().as_u16(), body: response.text().await.expect("the body is complete") }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path).await
    }

    pub(crate) async fn reload(&self) -> Reply {
        self.ask(Method::POST, "/-/reload").await
    }

    pub(crate) async fn scrape(&self) -> Scrape {
        let reply = self.get("/metrics").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        Scrape::new(reply.body)
    }

    /// Scrapes until this holds.
    pub(crate) async fn scrape_until(&self, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let scrape = self.scrape().await;
            if holds(&scrape) {
                return scrape;
            }
            let said = || self.process.stderr().join("\n");
            assert!(Instant::now() < deadline, "never came true: {what}\n{}\n{}", scrape.rows(), said());
            sleep(PAUSE).await;
        }
    }

    /// Asks until the answer has this status.
    async fn get_until(&self, path: &str, status: u16) -> Reply {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let reply = self.get(path).await;
            if reply.status == status {
                return reply;
            }
            assert!(Instant::now() < deadline, "{path} still answers {reply:?}");
            sleep(PAUSE).await;
        }
    }
}

/// An answer of the exporter's own site.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A configuration file in a directory of its own.
pub(crate) struct ConfigFile {
    directory: TempDir,
    pub(crate) path: PathBuf,
}

impl ConfigFile {
    pub(crate) fn new(yaml: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("backend_health.yml");
        let this = Self { directory, path };
        this.write(yaml);
        this
    }

    fn write(&self, yaml: &str) {
        self.write_beside("backend_health.yml", yaml);
    }

    /// Where a file next to it is.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file next to it, at once and whole, as deployment tools do.
    pub(crate) fn write_beside(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let (path, fresh) = (self.directory.path().join(name), self.directory.path().join("fresh"));
        std::fs::write(&fresh, content).expect("the file can be written");
        std::fs::rename(&fresh, &path).expect("the file can be put in place");
        path
    }
}

/// Backends on one port of 127.31.0.1, 127.31.0.2 and so on, because a setting has one port for all its servers.
struct Neighbours {
    backends: Vec<Backend>,
    port: u16,
}

impl Neighbours {
    fn start(behaviours: impl IntoIterator<Item = Behaviour>) -> Self {
        let behaviours: Vec<Behaviour> = behaviours.into_iter().collect();
        for _ in 0..50 {
            let mut backends: Vec<Backend> = Vec::new();
            let mut port = 0;
            for (behaviour, number) in behaviours.iter().zip(1..) {
                let address = SocketAddr::from((Ipv4Addr::new(127, 31, 0, number), port));
                // The first one's port may be taken on the next one's address: then all of them try another.
                let Ok(backend) = Backend::start_at(address, behaviour.clone()) else { break };
                port = backend.address().port();
                backends.push(backend);
            }
            if backends.len() == behaviours.len() {
                return Self { backends, port };
            }
        }
        panic!("no port is free on all the addresses");
    }
}

/// Speaks HTTP, and HTTPS with who has a certificate from these roots. Keeps no connection, so that every request finds
/// the exporter as it is now.
pub(crate) fn http_client(roots: RootCertStore) -> ClientBuilder {
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(tls).no_proxy().pool_max_idle_per_host(0).timeout(DEADLINE)
}

/// The address in the log line that says where the site is.
fn listening(line: &str) -> Option<SocketAddr> {
    let of_key = |key| line.split_once(key)?.1.split([' ', '"', ',']).next()?.parse().ok();
    if line.contains("msg=listening") {
        return of_key("address=");
    }
    line.contains("\"msg\":\"listening\"").then(|| of_key("\"address\":\""))?
}

fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().expect("paths of tests are UTF-8")
}

const BINARY: &str = env!("CARGO_BIN_EXE_backend_health_exporter");

/// What has not come true by then never will, however busy the machine is.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
