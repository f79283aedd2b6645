//! What a probe costs, beside what others pay for one: this exporter, `HAProxy`, Envoy, `blackbox_exporter` and a bare floor
//! probe the same local backends at the same rate, by turns, each alone on one core; the backends have the other one.
//!
//! `benches/run` installs the peers and starts this. It prints tables for each scenario, medians of the rounds, at the end
//! the project's goals beside what was measured, and writes every raw number as JSON. A peer that is not installed is left
//! out.

#![allow(clippy::print_stdout, reason = "the result is what this program is for")]

mod scenario;
mod contender;
mod measure;
mod table;
mod goals;
mod scrape;
mod backend;
mod leaves;
mod floor;
mod machine;
mod material;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use self::contender::Contender;
use self::measure::{Measurement, Plan};
use self::scenario::Scenario;

/// Compares the cost of a probe with that of others.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Only scenarios whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Only these contenders, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    contenders: Vec<Contender>,
    /// Rounds; the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each one is measured for
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds that each one probes at least before it is measured; 20 intervals fill the history of each row
    #[arg(long, default_value_t = 0)]
    settle: u64,
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
    /// Writes the files of a scenario, for `benches/profile`
    #[command(hide = true)]
    Materials(material::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.role {
        Some(Role::Backend(arguments)) => return backend::run(arguments),
        Some(Role::Floor(arguments)) => return floor::run(arguments),
        Some(Role::Drive(arguments)) => return floor::drive(arguments),
        Some(Role::Materials(arguments)) => return material::run(arguments),
        None => {}
    }
    machine::raise_descriptor_limit()?;
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let mut all: Vec<Measurement> = Vec::new();
    for scenario in scenario::ALL.iter().filter(|scenario| scenario.name().contains(&arguments.only)) {
        let measured = measure_all(&arguments, scenario, directory.path())?;
        if measured.is_empty() {
            continue;
        }
        println!("{}", table::render(scenario, &measured));
        all.extend(measured);
        // After every scenario, so that a long run that is cut short has told what it knows.
        std::fs::write(&arguments.json, serde_json::to_string_pretty(&all)?).context("cannot write the raw numbers")?;
    }
    anyhow::ensure!(!all.is_empty(), "no scenario and contender left to measure");
    println!("{}", goals::render(&all));
    println!("raw numbers: {}", arguments.json.display());
    Ok(())
}

fn measure_all(
    arguments: &Arguments,
    scenario: &Scenario,
    directory: &std::path::Path,
) -> anyhow::Result<Vec<Measurement>> {
    let wanted = |contender: &Contender| arguments.contenders.is_empty() || arguments.contenders.contains(contender);
    let mut contenders: Vec<Contender> = scenario.contenders.iter().copied().filter(wanted).collect();
    contenders.retain(|contender| contender.is_installed());
    if contenders.is_empty() {
        return Ok(Vec::new());
    }
    let materials = material::write(&directory.join(scenario.name().replace(' ', "-")), scenario)?;
    let (rounds, windows) = if scenario.settles_slowly() { (1, arguments.rounds) } else { (arguments.rounds, 1) };
    let plan = Plan {
        window: Duration::from_secs(arguments.seconds),
        windows,
        settle_at_least: Duration::from_secs(arguments.settle),
    };
    let mut measured = Vec::new();
    for round in 0..rounds {
        for contender in &contenders {
            progress(scenario, *contender, round, &plan);
            // One that fails must not cost a long run its other results.
            match measure::measure(*contender, scenario, &materials, &plan) {
                Ok(windows) => measured.extend(windows),
                Err(error) => failed(scenario, *contender, &error),
            }
        }
        // What the one before left behind, connections in TIME_WAIT above all, is a burden to another one each round.
        contenders.rotate_left(1);
    }
    Ok(measured)
}

#[expect(clippy::print_stderr, reason = "what is missing, beside the result")]
fn failed(scenario: &Scenario, contender: Contender, error: &anyhow::Error) {
    eprintln!("left out of {}: {}: {error:#}", scenario.name(), contender.name(scenario.kind));
}

#[expect(clippy::print_stderr, reason = "how far it is, beside the result")]
fn progress(scenario: &Scenario, contender: Contender, round: usize, plan: &Plan) {
    let (first, last) = (round * plan.windows + 1, (round + 1) * plan.windows);
    let rounds = if first == last { format!("round {first}") } else { format!("rounds {first} to {last}") };
    eprintln!("{rounds} of {}: {}", scenario.name(), contender.name(scenario.kind));
}
