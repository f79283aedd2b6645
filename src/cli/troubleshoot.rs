//! `troubleshoot`: one deep check of one server or URL.

use std::io;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{LogFlags, print, runtime};
use crate::config::parse_duration;
use crate::troubleshoot::{Stage, State};
use crate::view::check::{Check, text};
use crate::{app, resolver};

#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Troubleshoot {
    /// `host` (https on port 443), `host:port` (TCP, and TLS when it answers TLS), or a URL with http, https, tcp or tls;
    /// with --config.file a server as it is written there
    target: String,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    output: Output,
    /// For the whole check, 2s to 10m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = whole_timeout)]
    timeout: Duration,
    /// Connections to try to each address, 1 to 100
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    /// Take the row's own settings from this configuration file
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// The row's pool, when the server is in several
    #[arg(long, value_name = "NAME", requires = "config_file")]
    pool: Option<String>,
    /// The row's backend setting, when the pool has several
    #[arg(long, value_name = "NAME", requires = "config_file")]
    setting: Option<String>,
    /// Without a configuration: the Host header, and the name in TLS unless --sni says another
    #[arg(long, value_name = "NAME", conflicts_with = "config_file")]
    host: Option<String>,
    /// Without a configuration: the name that TLS asks for and that the certificate must have
    #[arg(long, value_name = "NAME", conflicts_with = "config_file")]
    sni: Option<String>,
    /// Without a configuration: trust the certificates of this file, PEM or DER, and no others
    #[arg(long, value_name = "FILE", conflicts_with = "config_file")]
    ca: Option<String>,
    /// Without a configuration: the client certificate to show when the server asks for one
    #[arg(long, value_name = "FILE", conflicts_with = "config_file", requires = "client_key")]
    client_certificate: Option<String>,
    /// The client certificate's private key
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<String>,
    /// Without a configuration: go on whatever is wrong with the server's certificates; it is told as a warning
    #[arg(long, conflicts_with = "config_file")]
    insecure: bool,
    /// Resolver to ask instead of the system's, as ADDRESS:PORT; may be given several times
    #[arg(long = "dns.nameserver", value_name = "ADDRESS:PORT")]
    nameservers: Vec<SocketAddr>,
    #[command(flatten)]
    log: LogFlags,
}

const EXIT_CODES: &str = "Exit code: 0 Healthy; 1 Unhealthy; 3 Unknown: no verdict, for example a name that does not \
    resolve; 2 could not run: a bad flag, file or target";

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Troubleshoot {
    /// The exit code tells the state.
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let _log = self.log.start()?;
        let Self { target, output, timeout, tries, config_file, pool, setting, .. } = self;
        let Self { host, sni, ca, client_certificate, client_key, .. } = self;
        let about = match config_file {
            Some(config_file) => app::About::Row(app::RowOptions { config_file, pool, setting }),
            None => app::About::Alone(app::AskOptions {
                host,
                sni,
                ca,
                client_certificate: client_certificate.zip(client_key),
                insecure: self.insecure,
            }),
        };
        let nameservers = self.nameservers;
        let options = app::TroubleshootOptions {
            target,
            about,
            // One check remembers nothing.
            resolver: resolver::Options { nameservers, last_known_good: Duration::ZERO },
            tries,
            timeout,
        };
        let shows_progress = io::stderr().is_terminal();
        let tell = |stage: Stage| {
            if shows_progress {
                show(stage);
            }
        };
        let examination = runtime()?.block_on(app::run_troubleshoot(options, &tell))?;
        let check = Check::of(&examination, None);
        print(&match output {
            Output::Text => text(&check, super::screen::colour(), super::screen::size().map(|(width, _)| width)),
            Output::Json => check.json(),
        })?;
        Ok(ExitCode::from(match examination.state() {
            State::Healthy => 0,
            State::Unhealthy => 1,
            State::Unknown => 3,
        }))
    }
}

/// On a line of its own that each part writes anew, and the last one clears.
fn show(stage: Stage) {
    const CLEAR: &str = "\r\u{1b}[K";
    let line = match stage.number() {
        None => CLEAR.to_owned(),
        Some(number) => format!("{CLEAR}[{number}/{}] {} ...", Stage::PARTS.len(), stage.as_str()),
    };
    // When nobody reads it, nothing is lost.
    let _ = write!(io::stderr(), "{line}").and_then(|()| io::stderr().flush());
}

fn whole_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if (SHORTEST..=LONGEST).contains(&timeout) { Ok(timeout) } else { Err("it goes from 2s to 10m".to_owned()) }
}

const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_mins(10);
