//! What this project sets out to reach, beside what was measured.

use std::fmt::Write;

use crate::contender::Contender;
use crate::contender::Contender::{Envoy, Exporter, ExporterNewChains, Floor, FloorWithoutChain, Haproxy};
use crate::measure::Measurement;
use crate::scenario;
use crate::scenario::Scenario;
use crate::table::{Results, memory_megabytes};

/// At most so much of something; none is measured when its scenario was not run, or when a contender could not keep up.
struct Goal {
    name: &'static str,
    at_most: f64,
    unit: &'static str,
    measured: fn(&Results<'_>) -> Option<f64>,
}

/// What an exporter without any servers may hold, in megabytes.
const BASE_MEGABYTES: f64 = 25.0;

const GOALS: &[Goal] = &[
    goal("CPU of an http probe", 1.0, "× HAProxy", |all| cpu(all, &scenario::HTTP, Exporter, Haproxy)),
    goal("CPU of an http probe", 1.6, "× floor", |all| cpu(all, &scenario::HTTP, Exporter, Floor)),
    goal("CPU of an https probe, every chain new", 0.5, "× HAProxy", |all| {
        cpu(all, &scenario::ECDSA, ExporterNewChains, Haproxy)
    }),
    goal("CPU of an https probe, unchanged chain", 0.35, "× HAProxy", |all| {
        cpu(all, &scenario::ECDSA, Exporter, Haproxy)
    }),
    goal("CPU of an https probe, unchanged chain", 0.7, "× Envoy", |all| cpu(all, &scenario::ECDSA, Exporter, Envoy)),
    goal("CPU of an https probe, unchanged chain", 1.25, "× floor, chain not verified", |all| {
        cpu(all, &scenario::ECDSA, Exporter, FloorWithoutChain)
    }),
    goal("CPU of an http probe, dearest over cheapest of 100, 1,000 and 20,000 servers", 1.1, "", |all| {
        let of = |scenario| all.median(scenario, Exporter, Measurement::cost);
        let costs = [of(&scenario::FEW)?, of(&scenario::HTTP)?, of(&scenario::MANY_HTTP)?];
        Some(costs.into_iter().fold(f64::MIN, f64::max) / costs.into_iter().fold(f64::MAX, f64::min))
    }),
    goal("memory per http row, above 25 MB", 3.0, "kB", |all| memory_per_row(all, &scenario::MANY_HTTP)),
    goal("memory per https row, above 25 MB", 4.0, "kB", |all| memory_per_row(all, &scenario::MANY_ECDSA)),
    goal("memory for 20,000 http rows", 110.0, "MB", |all| many_http(all, memory_megabytes)),
    goal("memory for 20,000 https rows", 110.0, "MB", |all| many_https(all, memory_megabytes)),
    goal("more while 20,000 http rows are scraped", 16.0, "MB", |all| {
        many_http(all, Measurement::more_megabytes_while_scraped)
    }),
    goal("more while 20,000 https rows are scraped", 16.0, "MB", |all| {
        many_https(all, Measurement::more_megabytes_while_scraped)
    }),
    goal("scrape per http row", 2.5, "kB", |all| Some(many_http(all, Measurement::scrape_megabytes)? * 1e3 / 20e3)),
    goal("scrape per https row", 4.0, "kB", |all| Some(many_https(all, Measurement::scrape_megabytes)? * 1e3 / 20e3)),
    goal("scrape of 20,000 http rows", 300.0, "ms", |all| many_http(all, Measurement::scrape_milliseconds)),
    goal("scrape of 20,000 https rows", 300.0, "ms", |all| many_https(all, Measurement::scrape_milliseconds)),
    goal("start delay p99 of http while scraped, over that of a quiet time", 1.0, "×", |all| {
        later_while_scraped(all, &scenario::MANY_HTTP)
    }),
    goal("start delay p99 of https while scraped, over that of a quiet time", 1.0, "×", |all| {
        later_while_scraped(all, &scenario::MANY_ECDSA)
    }),
    goal("start delay p99 at 5,000 http probes a second", 5.0, "ms", |all| {
        all.median(&scenario::FAST, Exporter, |m| Some(m.start_delay?[1]))
    }),
    goal("busiest 100 ms at 5,000 http probes a second", 1.5, "× mean", |all| {
        all.median(&scenario::FAST, Exporter, |m| Some(m.seen.burst))
    }),
    goal("first verdict for each of 20,000 http rows probed every 20 s", 20.0, "s", |all| {
        many_http(all, |m| m.all_known_seconds)
    }),
    goal("first verdict for each of 20,000 https rows probed every 20 s", 20.0, "s", |all| {
        many_https(all, |m| m.all_known_seconds)
    }),
];

/// Empty when no goal's scenario was run.
pub fn render(measured: &[Measurement]) -> String {
    let results = Results { measured };
    let known = GOALS.iter().filter_map(|goal| Some((goal, (goal.measured)(&results)?)));
    let mut text = String::new();
    for (Goal { name, at_most, unit, .. }, value) in known {
        if text.is_empty() {
            text.push_str("\n### Goals\n\n| | measured | at most | |\n|---|---|---|---|\n");
        }
        let result = if value <= *at_most { "met" } else { "**missed**" };
        let _ = writeln!(text, "| {name} | {value:.2} | {at_most} {unit} | {result} |");
    }
    let history = measured.iter().filter(|m| m.contender == Exporter && m.scenario.is_scraped_often()).map(|m| {
        // Each row was probed once at the start, and once an interval.
        m.settled_seconds / m.scenario.interval.as_secs_f64() + 1.0
    });
    if let Some(probes) = history.min_by(f64::total_cmp) {
        let kept = probes.floor().min(20.0);
        let _ =
            writeln!(text, "\nMemory is that of rows with the history of their latest {kept} probes, of at most 20.");
    }
    text
}

const fn goal(name: &'static str, at_most: f64, unit: &'static str, measured: fn(&Results<'_>) -> Option<f64>) -> Goal {
    Goal { name, at_most, unit, measured }
}

fn cpu(all: &Results<'_>, scenario: &Scenario, contender: Contender, to: Contender) -> Option<f64> {
    all.ratio(scenario, contender, to, Measurement::cost)
}

fn many_http(all: &Results<'_>, field: fn(&Measurement) -> Option<f64>) -> Option<f64> {
    all.median(&scenario::MANY_HTTP, Exporter, field)
}

fn many_https(all: &Results<'_>, field: fn(&Measurement) -> Option<f64>) -> Option<f64> {
    all.median(&scenario::MANY_ECDSA, Exporter, field)
}

fn memory_per_row(all: &Results<'_>, scenario: &Scenario) -> Option<f64> {
    let megabytes = all.median(scenario, Exporter, memory_megabytes)?;
    Some((megabytes - BASE_MEGABYTES) * 1e3 / f64::from(scenario.servers))
}

fn later_while_scraped(all: &Results<'_>, scenario: &Scenario) -> Option<f64> {
    let quiet = all.median(scenario, Exporter, |m| Some(m.start_delay?[1]))?;
    let scraped = all.median(scenario, Exporter, |m| Some(m.while_scraped?.start_delay?[1]))?;
    Some(scraped / quiet)
}
