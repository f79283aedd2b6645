//! What a probe costs, beside what others pay for one: this exporter, `HAProxy`, Envoy, `blackbox_exporter` and a bare floor
//! probe the same local backends at the same rate, by turns, each alone on one core; the backends have the other one.
//!
//! `benches/run` installs the peers and starts this. It prints a table for each scenario, medians of the rounds, and
//! writes every raw number as JSON. A peer that is not installed is left out, and the table says so.

#![allow(clippy::print_stdout, reason = "the result is what this program is for")]

mod backend;
mod contender;
mod floor;
mod machine;
mod material;
mod measure;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use self::contender::Contender;
use self::material::Kind;
use self::measure::Measurement;

/// Compares the cost of a probe with that of others.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Only scenarios whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Rounds; the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each one is measured for
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Where to write the raw numbers
    #[arg(long, default_value = "target/peers.json")]
    json: PathBuf,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this program does in processes of its own.
#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Answers probes
    #[command(hide = true)]
    Backend(backend::Arguments),
    /// Probes as cheaply as can be
    #[command(hide = true)]
    Floor(floor::Arguments),
    /// Asks `blackbox_exporter` to probe
    #[command(hide = true)]
    Drive(floor::Drive),
}

/// So many servers of a kind, each probed once an interval.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub kind: Kind,
    pub servers: u32,
    pub interval: Duration,
}

impl Scenario {
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {} servers at {}", self.kind.name(), self.servers, humantime::format_duration(self.interval))
    }

    /// Probes a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.servers) / self.interval.as_secs_f64()
    }
}

fn scenarios() -> Vec<Scenario> {
    let scenario = |kind, servers, seconds: u64| Scenario { kind, servers, interval: Duration::from_secs(seconds) };
    let mut all = vec![
        scenario(Kind::Http, 1_000, 1),
        scenario(Kind::HttpsEcdsa, 1_000, 1),
        scenario(Kind::HttpsRsa, 1_000, 1),
        scenario(Kind::Http, 1_000, 5),
        scenario(Kind::HttpsEcdsa, 1_000, 5),
        scenario(Kind::Http, 20_000, 20),
        scenario(Kind::HttpsEcdsa, 20_000, 20),
    ];
    all.insert(0, Scenario { kind: Kind::Http, servers: 100, interval: Duration::from_millis(100) });
    all
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Backend(arguments)) => return backend::run(&arguments),
        Some(Role::Floor(arguments)) => return floor::run(&arguments),
        Some(Role::Drive(arguments)) => return floor::drive(&arguments),
        None => {}
    }
    machine::raise_descriptor_limit()?;
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let contenders = Contender::available();
    let mut all: Vec<Measurement> = Vec::new();
    for scenario in scenarios().into_iter().filter(|scenario| scenario.name().contains(&arguments.only)) {
        let materials = material::write(directory.path(), &scenario)?;
        let mut measured = Vec::new();
        for round in 0..arguments.rounds {
            for contender in contenders.iter().filter(|contender| contender.takes(&scenario)) {
                eprintln_progress(&scenario, *contender, round);
                let seconds = Duration::from_secs(arguments.seconds).max(scenario.interval);
                measured.push(measure::measure(*contender, &scenario, &materials, seconds)?);
            }
        }
        println!("{}", table::render(&scenario, &measured));
        all.extend(measured);
        // After every scenario, so that a long run that is cut short has told what it knows.
        std::fs::write(&arguments.json, serde_json::to_string_pretty(&all)?).context("cannot write the raw numbers")?;
    }
    println!("raw numbers: {}", arguments.json.display());
    Ok(())
}

#[expect(clippy::print_stderr, reason = "how far it is, beside the result")]
fn eprintln_progress(scenario: &Scenario, contender: Contender, round: usize) {
    eprintln!("round {} of {}: {}", round + 1, scenario.name(), contender.name());
}
