//! `report`: who is healthy, and of the others why not; from a running exporter or by probing now.

mod asked;
mod remote;
mod source;
mod wait;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use self::asked::Asked;
use self::source::{Seen, Source, see};
use super::screen::Progress;
use super::{COULD_NOT_RUN, complain, print, runtime, screen};
use crate::config::parse_duration;
use crate::view::report::{Filter, Report as Rows, Side, State, Summary};
use crate::view::text::{Look, Order};
use crate::view::{report, text};
use crate::words::visible_json;

#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
#[allow(clippy::doc_markdown)] // a terminal shows it as it is
pub(super) struct Report {
    /// A running exporter's front page; by default http://127.0.0.1:19115
    #[arg(long, value_name = "URL", conflicts_with = "config_file")]
    url: Option<String>,
    /// Probe every row of this configuration once, now, instead of asking an exporter
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Login and TLS for the exporter at --url, in the format of Prometheus' http_config
    #[arg(long = "http.config.file", value_name = "FILE", conflicts_with = "config_file")]
    http_config_file: Option<PathBuf>,
    /// With --config.file: resolver to ask instead of the system's, as ADDRESS:PORT; may be given several times
    #[arg(long = "dns.nameserver", value_name = "ADDRESS:PORT", requires = "config_file")]
    nameservers: Vec<SocketAddr>,
    /// How it is written: a table (on a terminal the faults, the worst last; else a line for each row, the worst first), JSON as /api/v1/backendhealth has it (with --watch a line for
    /// each look), or CSV; these keep the configuration's order
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table", ignore_case = true)]
    output: Output,
    /// Go on until Ctrl-C; rows of --config.file are probed at their own intervals
    #[arg(long)]
    watch: bool,
    /// With --watch: how often it is looked at
    #[arg(long = "watch.interval", value_name = "DURATION", default_value = "2s", requires = "watch",
          value_parser = interval)]
    watch_interval: Duration,
    /// Only rows of this pool; this and the following may be given several times, in any case
    #[arg(long, value_name = "NAME")]
    pool: Vec<String>,
    /// Only rows under this backend setting
    #[arg(long, value_name = "NAME")]
    setting: Vec<String>,
    /// Only rows of this server, as the configuration has it
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,
    /// Only rows in this state: Healthy, Unhealthy or Unknown
    #[arg(long, value_name = "STATE", value_parser = report::state)]
    state: Vec<State>,
    /// Only rows on whose cause this side has to act: network, gateway, server or exporter
    #[arg(long, value_name = "SIDE", value_parser = report::side)]
    side: Vec<Side>,
    /// Only rows with this cause or this warning, for example tcp_refused or cert_expires_soon
    #[arg(long, value_name = "CAUSE", value_parser = asked::code)]
    cause: Vec<Asked>,
    /// On a terminal: every row, Healthy ones too, however many lines they take
    #[arg(long)]
    all: bool,
    /// Look again, every second, until all rows are Healthy; when this time is over, the exit code says how they are
    #[arg(long, value_name = "DURATION", conflicts_with = "watch", value_parser = super::duration_or_zero)]
    wait: Option<Duration>,
}

const EXIT_CODES: &str = "Exit code: 0 all rows Healthy; 1 at least one Unhealthy; 3 none Unhealthy, some Unknown; \
    2 could not run, or no row matches";

/// How the report is written (`--output`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Csv,
}

impl Report {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let outcome = runtime.block_on(self.run());
        // A lookup that still waits for the system's resolver waits without us.
        runtime.shutdown_background();
        outcome
    }

    async fn run(self) -> anyhow::Result<ExitCode> {
        let filter = self.filter()?;
        let source = Source::open(&self, &filter)?;
        let how = How { output: self.output, all: self.all, healthy: self.all || self.state.contains(&State::Healthy) };
        if self.watch {
            return watch::run(&source, &filter, how, self.watch_interval).await;
        }
        let seen = match &source {
            _ if let Some(within) = self.wait => wait::all_healthy(&source, &filter, within).await?,
            Source::Exporter(remote) => Seen::Answer(remote.report().await?),
            Source::Rows(probing) => {
                let shutdown = super::shutdown_on_signal()?;
                let mut progress = Progress::of(probing.rows());
                let whole = shutdown.run_until_cancelled(probing.once(|ended| progress.show(ended))).await;
                progress.clear();
                if whole.is_none() {
                    anyhow::bail!("ended before every row was probed");
                }
                Seen::Probed(probing.snapshot())
            }
        };
        let (text, code) = seen.with(&filter, |report| (whole(report, how, source.order()), exit_code(report.summary)));
        let Some(code) = code else { anyhow::bail!(source.nothing(&filter).await) };
        print(&text?)?;
        Ok(code)
    }

    fn filter(&self) -> anyhow::Result<Filter> {
        let (causes, warnings) = asked::apart(&self.cause)?;
        Ok(Filter {
            pools: self.pool.clone(),
            settings: self.setting.clone(),
            servers: self.server.clone(),
            states: self.state.clone(),
            sides: self.side.clone(),
            causes,
            warnings,
            ..Filter::default()
        })
    }
}

/// How the report is shown.
#[derive(Clone, Copy, Debug)]
struct How {
    output: Output,
    /// On a terminal, however many lines it takes.
    all: bool,
    /// On a terminal, rows that are well among the others.
    healthy: bool,
}

/// All of a report that is looked at once.
fn whole(report: &Rows<'_>, how: How, order: Order) -> anyhow::Result<String> {
    Ok(match how.output {
        Output::Table => table(report, &look(how, order)),
        Output::Json => visible_json(&serde_json::to_string_pretty(report)?).into_owned() + "\n",
        Output::Csv => text::csv_header() + &text::csv_rows(report),
    })
}

/// A line for each row, and on a terminal what is wrong.
fn table(report: &Rows<'_>, look: &Look) -> String {
    if look.width.is_some() { text::faults(report, look) } else { text::table(report, look) }
}

/// What fits where standard output goes.
fn look(how: How, order: Order) -> Look {
    let size = screen::size();
    let (width, height) = (size.map(|(width, _)| width), size.map(|(_, height)| height));
    let lines = height.filter(|_| !how.all);
    Look { now: SystemTime::now(), width, lines, healthy: how.healthy, colour: screen::colour(), order }
}

/// `None` when there is no row.
fn exit_code(Summary { healthy, unhealthy, unknown }: Summary) -> Option<ExitCode> {
    match (healthy, unhealthy, unknown) {
        (0, 0, 0) => None,
        (_, 0, 0) => Some(ExitCode::SUCCESS),
        (_, 0, _) => Some(ExitCode::from(SOME_UNKNOWN)),
        (_, _, _) => Some(ExitCode::from(SOME_UNHEALTHY)),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(100) { Err("at least 100ms".to_owned()) } else { Ok(interval) }
}

const SOME_UNHEALTHY: u8 = 1;
const SOME_UNKNOWN: u8 = 3;
