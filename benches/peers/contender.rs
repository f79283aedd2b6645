//! Who probes: how each one is started, and where it tells its metrics.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

use crate::machine::{BACKEND, PROBER, Process};
use crate::material::{Kind, METRICS_PORT, Materials};
use crate::scenario::Scenario;

/// The order is that of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Contender {
    /// Connect, ask, read, close; with TLS, bare rustls with verification.
    Floor,
    /// The same with the handshake's signature alone.
    FloorWithoutChain,
    Exporter,
    /// The exporter, with another certificate of the backends at every handshake.
    ExporterNewChains,
    Haproxy,
    /// With `verify none`.
    HaproxyUnverified,
    Envoy,
    Blackbox,
}

/// A contender at work.
pub struct Running {
    pub prober: Process,
    /// What makes it probe, if it does not do so by itself.
    _driver: Option<Process>,
}

impl Contender {
    /// As the tables call it.
    pub fn name(self, kind: Kind) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::FloorWithoutChain => "floor, chain not verified",
            Self::Exporter if kind.is_tls() => "backend_health_exporter, unchanged chain",
            Self::Exporter => "backend_health_exporter",
            Self::ExporterNewChains => "backend_health_exporter, every chain new",
            Self::Haproxy => "HAProxy",
            Self::HaproxyUnverified => "HAProxy, certificates not verified",
            Self::Envoy => "Envoy",
            Self::Blackbox => "blackbox_exporter",
        }
    }

    pub fn is_installed(self) -> bool {
        self.program().is_ok()
    }

    pub fn is_floor(self) -> bool {
        matches!(self, Self::Floor | Self::FloorWithoutChain)
    }

    pub fn is_exporter(self) -> bool {
        matches!(self, Self::Exporter | Self::ExporterNewChains)
    }

    /// The path of its metrics.
    pub fn metrics(self) -> Option<&'static str> {
        match self {
            Self::Exporter | Self::ExporterNewChains | Self::Haproxy | Self::HaproxyUnverified => Some("/metrics"),
            Self::Envoy => Some("/clusters?format=json"),
            Self::Floor | Self::FloorWithoutChain | Self::Blackbox => None,
        }
    }

    fn program(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Floor | Self::FloorWithoutChain => env::current_exe().context("this program"),
            Self::Exporter | Self::ExporterNewChains => Ok(env!("CARGO_BIN_EXE_backend_health_exporter").into()),
            Self::Haproxy | Self::HaproxyUnverified => installed("haproxy", "HAPROXY"),
            Self::Envoy => installed("envoy", "ENVOY"),
            Self::Blackbox => installed("prometheus-blackbox-exporter", "BLACKBOX_EXPORTER"),
        }
    }

    pub fn start(self, scenario: &Scenario, materials: &Materials) -> anyhow::Result<Running> {
        let mut command = Command::new(self.program()?);
        let interval = scenario.interval.as_millis().to_string();
        let servers = scenario.servers.to_string();
        match self {
            Self::Floor | Self::FloorWithoutChain => {
                command.args(["floor", "--servers", &servers, "--interval-milliseconds", &interval]);
                if scenario.kind.is_tls() {
                    command.arg("--root").arg(&materials.root);
                }
                if self == Self::FloorWithoutChain {
                    command.arg("--skip-chain");
                }
            }
            Self::Exporter | Self::ExporterNewChains => {
                let listen = format!("127.0.0.1:{METRICS_PORT}");
                command.arg("--config.file").arg(&materials.exporter);
                command.args(["--web.listen-address", &listen, "--log.level", "error"]);
            }
            Self::Haproxy => {
                command.arg("-db").arg("-f").arg(&materials.haproxy);
            }
            Self::HaproxyUnverified => {
                command.arg("-db").arg("-f").arg(&materials.haproxy_unverified);
            }
            Self::Envoy => {
                command.arg("-c").arg(&materials.envoy);
                command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "off"]);
            }
            Self::Blackbox => {
                let listen = format!("--web.listen-address=127.0.0.1:{METRICS_PORT}");
                command.arg(format!("--config.file={}", materials.blackbox.display())).arg(listen);
                command.arg("--log.level=error").env("GOMAXPROCS", "1");
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let prober = Process::start(&mut command, PROBER)?;
        let driver = match self {
            Self::Blackbox => {
                crate::measure::wait_for_port(METRICS_PORT)?;
                let scheme = if scenario.kind.is_tls() { "https" } else { "http" };
                let mut driver = Command::new(env::current_exe()?);
                driver.args(["drive", "--servers", &servers, "--interval-milliseconds", &interval, "--scheme", scheme]);
                Some(Process::start(&mut driver, BACKEND)?)
            }
            Self::Floor
            | Self::FloorWithoutChain
            | Self::Exporter
            | Self::ExporterNewChains
            | Self::Haproxy
            | Self::HaproxyUnverified
            | Self::Envoy => None,
        };
        Ok(Running { prober, _driver: driver })
    }
}

/// The program of that name on the path, or where the variable says.
fn installed(name: &str, variable: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Ok(path.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not installed"))
}
