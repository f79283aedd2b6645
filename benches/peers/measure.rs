//! One measurement: starts the backends and a contender, lets it settle, and takes its numbers over a window.

use std::env;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use crate::Scenario;
use crate::backend::Count;
use crate::contender::Contender;
use crate::machine::BACKEND;
use crate::machine::Process;
use crate::material::COUNT_PORT;
use crate::material::METRICS_PORT;
use crate::material::Materials;
use crate::material::PORT;

/// What one contender needed in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    pub scenario: String,
    pub contender: Contender,
    pub servers: u32,
    /// Probes a second that the scenario asks for.
    pub rate_wanted: f64,
    /// Probes a second that came.
    pub rate: f64,
    pub cpu_microseconds_per_probe: f64,
    pub memory_bytes: u64,
    /// As the backends saw it.
    pub seen: Count,
    pub scrape: Option<Scrape>,
}

/// Its metrics, read once.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scrape {
    pub bytes: usize,
    pub seconds: f64,
    pub memory_bytes_after: u64,
}

pub fn measure(
    contender: Contender,
    scenario: &Scenario,
    materials: &Materials,
    window: Duration,
) -> anyhow::Result<Measurement> {
    let _backend = start_backend(scenario, materials)?;
    let mut running = contender.start(scenario, materials)?;
    if contender.metrics().is_some() {
        wait_for_port(METRICS_PORT)?;
    }
    // Everything has been probed once, and what is done once is done.
    std::thread::sleep(scenario.interval.min(Duration::from_secs(20)) + Duration::from_secs(3));
    count()?;
    let (began, before) = (Instant::now(), running.prober.cpu()?);
    std::thread::sleep(window);
    let (after, elapsed) = (running.prober.cpu()?, began.elapsed());
    let seen = count()?;
    let memory_bytes = running.prober.memory()?;
    anyhow::ensure!(running.prober.is_running(), "{} ended early", contender.name());
    anyhow::ensure!(seen.probes > 0, "{} does not probe", contender.name());
    #[allow(clippy::cast_precision_loss)]
    let probes = seen.probes as f64;
    let scrape = contender.metrics().map(scrape).transpose()?;
    let scrape = match scrape {
        Some(scrape) => Some(Scrape { memory_bytes_after: running.prober.memory()?, ..scrape }),
        None => None,
    };
    Ok(Measurement {
        scenario: scenario.name(),
        contender,
        servers: scenario.servers,
        rate_wanted: scenario.rate(),
        rate: probes / elapsed.as_secs_f64(),
        cpu_microseconds_per_probe: after.saturating_sub(before).as_secs_f64() * 1e6 / probes,
        memory_bytes,
        seen,
        scrape,
    })
}

fn start_backend(scenario: &Scenario, materials: &Materials) -> anyhow::Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["backend", "--interval-milliseconds", &scenario.interval.as_millis().to_string()]);
    if scenario.kind.is_tls() {
        command.arg("--chain").arg(&materials.chain).arg("--key").arg(&materials.key);
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

/// What the backends saw since the last time.
fn count() -> anyhow::Result<Count> {
    let mut text = String::new();
    TcpStream::connect((Ipv4Addr::LOCALHOST, COUNT_PORT))?.read_to_string(&mut text)?;
    serde_json::from_str(&text).context("the backends' count")
}

fn scrape(path: &str) -> anyhow::Result<Scrape> {
    let began = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, METRICS_PORT))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            read => bytes += read,
        }
    }
    Ok(Scrape { bytes, seconds: began.elapsed().as_secs_f64(), memory_bytes_after: 0 })
}
