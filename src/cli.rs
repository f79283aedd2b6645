//! The command line: what was asked for, and the exit code that says how it went.

mod check;
mod demo;
pub mod log;
mod manual;
mod report;
mod screen;
mod troubleshoot;

use std::fs::File;
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::log::{Log, LogFormat, LogLevel};
use crate::config::parse_duration;
use crate::{app, resolver};

/// Probes every server of every backend pool and tells which are healthy, and of the others exactly why not, whose side
/// has to act and what to do.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Probe and serve: the default command
    Run(Run),
    /// Start real local backends, most of them broken on purpose, and run against them; needs no file
    Demo(demo::Demo),
    /// Say what is wrong with the configuration file, or what would be probed
    Check(check::Check),
    /// Tell who is healthy, and of the others why not: from a running exporter, or by probing now
    Report(report::Report),
    /// Look closely into one server or URL: names, route, TCP, hops, TLS and HTTP, the cause and what to do
    Troubleshoot(troubleshoot::Troubleshoot),
    /// Print what a shell needs to complete commands and flags
    Completions(manual::Completions),
    /// Print a manual page of all commands
    Man,
}

#[derive(Args, Debug)]
struct Run {
    #[command(flatten)]
    config: ConfigFlag,
    #[command(flatten)]
    web: WebFlags,
    /// Resolver to ask instead of the system's, as ADDRESS:PORT; may be given several times
    #[arg(long = "dns.nameserver", value_name = "ADDRESS:PORT")]
    nameservers: Vec<SocketAddr>,
    /// How long the last good answer for a name is probed while its lookup fails; 0s: not at all
    #[arg(long = "dns.last-known-good", value_name = "DURATION", default_value = "1h", value_parser = duration_or_zero)]
    last_known_good: Duration,
    #[command(flatten)]
    log: LogFlags,
}

#[derive(Args, Debug)]
struct ConfigFlag {
    /// Configuration file: pools, servers, settings and probes
    #[arg(long = "config.file", value_name = "FILE", default_value = DEFAULT_FILE)]
    config_file: PathBuf,
}

#[derive(Args, Debug)]
struct WebFlags {
    /// Address to listen on, as HOST:PORT or :PORT; may be given several times
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":19115")]
    listen_addresses: Vec<String>,
    /// Path of the metrics
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics")]
    telemetry_path: String,
    /// File with TLS and logins for the exporter's own web site, in the format of Prometheus' exporter-toolkit
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config_file: Option<PathBuf>,
    /// URL under which people reach the exporter, when that is not where it listens
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// Path below which everything is served; by default that of --web.external-url
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Name under which browsers may see the site, beside that of --web.external-url, localhost, this host's name and
    /// addresses; may be given several times. With neither flag, any name will do
    #[arg(long = "web.allowed-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Address of a proxy before the exporter, or a block of addresses such as 10.0.0.0/24, whose X-Forwarded-For,
    /// X-Forwarded-Proto and X-Forwarded-Host are believed; may be given several times. By default nobody's are
    #[arg(long = "web.trusted-proxy", value_name = "ADDRESS")]
    trusted_proxies: Vec<String>,
    /// Answer /-/healthy and /-/ready without a login
    #[arg(long = "web.open-health")]
    open_health: bool,
    /// What a probe on demand may ask for: only what the setting's own probe asks (configured), or any host, path, match
    /// and timeout (full). By default full where a login or a client certificate is asked for, else configured
    #[arg(long = "web.on-demand", value_name = "SCOPE", value_parser = ["configured", "full"])]
    on_demand: Option<String>,
}

#[derive(Args, Clone, Copy, Debug)]
struct LogFlags {
    /// Least urgent messages to write
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
    level: LogLevel,
    /// How messages are written
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt")]
    format: LogFormat,
}

const DEFAULT_FILE: &str = "backend_health.yml";

/// How many threads the runtime has, as tokio calls it.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

const MOST_WORKER_THREADS: usize = 1024;

/// It could not run: a bad flag, a bad file, an address in use.
const COULD_NOT_RUN: u8 = 2;

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    // Passwords and keys are in memory: no core dump, and no look into it by others who run as the same user. Where the
    // system does not have that, it is as with any other program.
    let _ = nix::sys::prctl::set_dumpable(false);
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(run) => run.execute().map(|()| ExitCode::SUCCESS),
        Command::Demo(demo) => demo.execute().map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check.execute().map(|()| ExitCode::SUCCESS),
        Command::Report(report) => report.execute(),
        Command::Troubleshoot(troubleshoot) => troubleshoot.execute(),
        Command::Completions(completions) => completions.execute().map(|()| ExitCode::SUCCESS),
        Command::Man => manual::man().map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            complain(&format_args!("{error:#}"));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

impl Run {
    fn execute(self) -> anyhow::Result<()> {
        let file = &self.config.config_file;
        // Most likely somebody's very first try.
        if file.as_os_str() == DEFAULT_FILE && !file.exists() {
            anyhow::bail!(
                "there is no {DEFAULT_FILE} in this directory. --config.file names another one. To see what the exporter \
                 does without any file, run: {} demo",
                env!("CARGO_PKG_NAME")
            );
        }
        let log = self.log.start()?;
        let Self { config, web, nameservers, last_known_good, log: _ } = self;
        let options = app::Options {
            config_file: config.config_file,
            web: web.into(),
            resolver: resolver::Options { nameservers, last_known_good },
            log_lines_dropped: log.dropped(),
        };
        to_the_end(async {
            let shutdown = shutdown_on_signal()?;
            app::run(options, shutdown).await
        })
    }
}

impl From<WebFlags> for app::WebOptions {
    fn from(flags: WebFlags) -> Self {
        let WebFlags { listen_addresses, telemetry_path, web_config_file, external_url, route_prefix, .. } = flags;
        let WebFlags { allowed_hosts, trusted_proxies, open_health, on_demand, .. } = flags;
        Self {
            listen_addresses,
            telemetry_path,
            external_url,
            route_prefix,
            config_file: web_config_file,
            allowed_hosts,
            trusted_proxies,
            open_health,
            full_on_demand: on_demand.map(|scope| scope == "full"),
        }
    }
}

impl LogFlags {
    /// The log ends when what this gives is dropped.
    fn start(self) -> anyhow::Result<Log> {
        log::init(self.level, self.format, None)
    }

    /// The same, into this file.
    fn start_in(self, file: File) -> anyhow::Result<Log> {
        log::init(self.level, self.format, Some(file))
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let given = std::env::var(WORKER_THREADS).unwrap_or_default();
    let threads = worker_threads(&given)?;
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

/// How many threads probe and serve. The library reads the same variable, and panics at one that is set but empty.
fn worker_threads(given: &str) -> anyhow::Result<usize> {
    match given.trim() {
        "" => Ok(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        given => {
            if let Ok(threads @ 1..=MOST_WORKER_THREADS) = given.parse() {
                return Ok(threads);
            }
            let right = format!("a number from 1 to {MOST_WORKER_THREADS}, or nothing for one for each processor");
            anyhow::bail!("the environment's {WORKER_THREADS}={given:?} is wrong: {right}")
        }
    }
}

/// Runs a service until it ends. A file on a disk that does not answer is then not waited for.
fn to_the_end(service: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let runtime = runtime()?;
    let outcome = runtime.block_on(service);
    runtime.shutdown_timeout(PATIENCE);
    outcome
}

/// Cancelled by SIGTERM or SIGINT. Must be called within a runtime.
fn shutdown_on_signal() -> std::io::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("ending after SIGTERM"),
            _ = interrupt.recv() => tracing::info!("ending after SIGINT"),
        }
        token.cancel();
    });
    Ok(shutdown)
}

fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => parse_duration(text),
    }
}

/// Errors go to standard error, each problem on a line of its own. When nobody reads it, the exit code has to do.
fn complain(words: &std::fmt::Arguments<'_>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let line = format!("{words}\n");
    let (written, is_written) = std::sync::mpsc::sync_channel(1);
    // A full pipe whose reader stands still must not keep the program from ending.
    std::thread::spawn(move || {
        let _ = io::stderr().write_all(line.as_bytes());
        let _ = written.send(());
    });
    let _ = is_written.recv_timeout(PATIENCE);
}

/// Data goes to standard output. A reader that has seen enough, like `head`, is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match io::Write::write_all(&mut io::stdout(), text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
