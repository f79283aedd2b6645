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
    /// Resolver to ask instead of the system's, as ADDRESS:PORT; may be given several times
    #[arg(long = "dns.nameserver", value_name = "ADDRESS:PORT")]
    nameservers: Vec<SocketAddr>,
    #[command(flatten)]
    log: LogFlags,
}

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
        let Self { target, output, timeout, tries, config_file, pool, setting, nameservers, log: _ } = self;
        let options = app::TroubleshootOptions {
            target,
            row: config_file.map(|config_file| app::RowOptions { config_file, pool, setting }),
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
            Output::Text => text(&check, super::screen::colour()),
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
