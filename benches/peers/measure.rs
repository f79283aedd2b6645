//! One measurement: starts the backends and a contender, lets it settle, and takes its numbers over a window.

use std::env;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::backend::Count;
use crate::contender::{Contender, Running};
use crate::machine::{BACKEND, Process};
use crate::material::{COUNT_PORT, METRICS_PORT, Materials, PORT};
use crate::scenario::Scenario;
use crate::scrape;
use crate::scrape::Delays;

/// How long everything takes.
pub struct Plan {
    pub window: Duration,
    /// Windows in a row.
    pub windows: usize,
    pub settle_at_least: Duration,
}

/// What one contender needed in one window.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    pub scenario: Scenario,
    pub contender: Contender,
    /// Seconds that it had probed for when the window began.
    pub settled_seconds: f64,
    /// From its start until every server had been probed, when it tells and that was before the window.
    pub all_known_seconds: Option<f64>,
    /// Probes a second that the scenario asks for.
    pub rate_wanted: f64,
    /// Probes a second that came.
    pub rate: f64,
    /// Those of them that got as far as a request.
    pub rate_answered: f64,
    pub cpu_microseconds_per_probe: f64,
    pub memory_bytes: u64,
    /// As the backends saw it.
    pub seen: Count,
    /// As it tells itself: median and 99th percentile, at most so many milliseconds late. The readings before and after
    /// lie outside of the window in which its CPU time is taken, and their own effect inside of what they compare.
    pub start_delay: Option<[f64; 2]>,
    pub scrape: Option<Scrape>,
    pub while_scraped: Option<WhileScraped>,
}

/// Its metrics, read once.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scrape {
    pub bytes: usize,
    pub seconds: f64,
    /// The most that it held meanwhile, above what it held before.
    pub more_memory_bytes: u64,
}

/// A further window, in which its metrics are read every five seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WhileScraped {
    pub seen: Count,
    pub start_delay: Option<[f64; 2]>,
}

/// Between what disturbs and what is measured.
const REST: Duration = Duration::from_secs(1);
const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);

pub fn measure(
    contender: Contender,
    scenario: &Scenario,
    materials: &Materials,
    plan: &Plan,
) -> anyhow::Result<Vec<Measurement>> {
    // Everything has been probed once, and what is done once is done. A floor has nothing to learn.
    let first = if contender.is_floor() { Duration::ZERO } else { scenario.interval };
    let settle = (first + REST).max(plan.settle_at_least);
    let windows = u32::try_from(plan.windows)?;
    let longest = settle + (plan.window + 3 * REST) * windows + plan.window + Duration::from_secs(10);
    let _backend = start_backend(contender, scenario, materials, longest)?;
    let began = Instant::now();
    let mut running = contender.start(scenario, materials)?;
    if contender.metrics().is_some() {
        wait_for_port(METRICS_PORT)?;
    }
    // Some read long files before they begin.
    let listening = Instant::now();
    let all_known = if contender.is_exporter() { wait_until_ready(began, settle)? } else { None };
    std::thread::sleep(settle.saturating_sub(listening.elapsed()));
    // The first one makes the buffers that later ones use.
    let mut delays = read_metrics(contender, &running)?.and_then(|(_, delays)| delays);
    let mut measured = Vec::new();
    for _ in 0..plan.windows {
        std::thread::sleep(REST);
        let settled_seconds = listening.elapsed().as_secs_f64();
        count()?;
        let (start, before) = (Instant::now(), running.prober.cpu()?);
        std::thread::sleep(plan.window);
        let (after, elapsed) = (running.prober.cpu()?, start.elapsed());
        let seen = checked(count()?, contender, &mut running)?;
        let memory_bytes = running.prober.memory()?;
        let (scrape, now) = read_metrics(contender, &running)?.unzip();
        let now = now.flatten();
        let start_delay = delays.as_ref().zip(now.as_ref()).map(|(before, now)| now.since(before));
        delays = now;
        #[allow(clippy::cast_precision_loss)]
        let (probes, answered) = (seen.probes as f64, seen.answered as f64);
        measured.push(Measurement {
            scenario: *scenario,
            contender,
            settled_seconds,
            all_known_seconds: all_known.map(|all_known| all_known.as_secs_f64()),
            rate_wanted: scenario.rate(),
            rate: probes / elapsed.as_secs_f64(),
            rate_answered: answered / elapsed.as_secs_f64(),
            cpu_microseconds_per_probe: after.saturating_sub(before).as_secs_f64() * 1e6 / probes,
            memory_bytes,
            seen,
            start_delay,
            scrape,
            while_scraped: None,
        });
    }
    if scenario.is_scraped_often() && contender.metrics().is_some() {
        let while_scraped = scrape_often(contender, &mut running, delays.as_ref(), plan.window)?;
        for measurement in &mut measured {
            measurement.while_scraped = Some(while_scraped);
        }
    }
    Ok(measured)
}

/// Reads the metrics at the start of the window, and every five seconds.
fn scrape_often(
    contender: Contender,
    running: &mut Running,
    before: Option<&Delays>,
    window: Duration,
) -> anyhow::Result<WhileScraped> {
    std::thread::sleep(REST);
    count()?;
    let start = Instant::now();
    let mut due = Duration::ZERO;
    while due < window {
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        contender.metrics().map(scrape::read).transpose()?;
        due += SCRAPE_INTERVAL;
    }
    std::thread::sleep(window.saturating_sub(start.elapsed()));
    let seen = checked(count()?, contender, running)?;
    let now = read_metrics(contender, running)?.and_then(|(_, delays)| delays);
    let start_delay = before.zip(now.as_ref()).map(|(before, now)| now.since(before));
    Ok(WhileScraped { seen, start_delay })
}

/// What was seen, when it shows a prober at work.
fn checked(seen: Count, contender: Contender, running: &mut Running) -> anyhow::Result<Count> {
    anyhow::ensure!(running.prober.is_running(), "{contender:?} ended early");
    anyhow::ensure!(seen.answered > 0, "{contender:?} asks for nothing: {seen:?}");
    anyhow::ensure!(seen.repeated == 0, "the backends ran out of new chains: {seen:?}");
    Ok(seen)
}

fn start_backend(
    contender: Contender,
    scenario: &Scenario,
    materials: &Materials,
    longest: Duration,
) -> anyhow::Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["backend", "--interval-milliseconds", &scenario.interval.as_millis().to_string()]);
    if scenario.kind.is_tls() {
        command.arg("--chain").arg(&materials.chain).arg("--key").arg(&materials.key);
    }
    if contender == Contender::ExporterNewChains {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let leaves = (scenario.rate() * longest.as_secs_f64()) as usize + 1;
        command.args(["--leaves", &leaves.to_string()]);
        command.arg("--issuer").arg(&materials.issuer).arg("--issuer-key").arg(&materials.issuer_key);
    }
    let backend = Process::start(&mut command, BACKEND)?;
    wait_for_port(COUNT_PORT)?;
    wait_for_port(PORT)?;
    Ok(backend)
}

/// Until somebody listens there, on this machine.
pub fn wait_for_port(port: u16) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        anyhow::ensure!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// How long after `began` the exporter said that every server had been probed; none when not before `most` was over.
fn wait_until_ready(began: Instant, most: Duration) -> anyhow::Result<Option<Duration>> {
    while began.elapsed() < most {
        if scrape::get("/-/ready")?.status == 200 {
            return Ok(Some(began.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(None)
}

/// What the backends saw since the last time.
fn count() -> anyhow::Result<Count> {
    let mut text = String::new();
    TcpStream::connect((Ipv4Addr::LOCALHOST, COUNT_PORT))?.read_to_string(&mut text)?;
    serde_json::from_str(&text).context("the backends' count")
}

fn read_metrics(contender: Contender, running: &Running) -> anyhow::Result<Option<(Scrape, Option<Delays>)>> {
    let Some(path) = contender.metrics() else { return Ok(None) };
    let before = running.prober.memory()?;
    running.prober.forget_peak()?;
    let response = scrape::get(path)?;
    anyhow::ensure!(response.status == 200, "{path} answered {}", response.status);
    let more_memory_bytes = running.prober.peak()?.saturating_sub(before);
    let scrape = Scrape { bytes: response.body.len(), seconds: response.took.as_secs_f64(), more_memory_bytes };
    Ok(Some((scrape, Delays::read(&response.body))))
}
