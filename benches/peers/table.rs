//! The result of a scenario as a Markdown table: medians, and each cost beside `HAProxy`'s and the floor's.

use std::fmt::Write;

use crate::Scenario;
use crate::contender::Contender;
use crate::measure::Measurement;

pub fn render(scenario: &Scenario, measured: &[Measurement]) -> String {
    let mut text = format!(
        "\n### {}\n\n| | CPU µs a probe | to the floor | to HAProxy | kept | memory | a server | jitter p50 / p99 / max ms | busiest 100 ms | scrape | a server |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        scenario.name()
    );
    let mut contenders: Vec<Contender> = measured.iter().map(|measurement| measurement.contender).collect();
    contenders.sort_unstable();
    contenders.dedup();
    let cost = |of: Contender| median(measured, of, |measurement| measurement.cpu_microseconds_per_probe);
    for contender in contenders {
        let of = |field: fn(&Measurement) -> f64| median(measured, contender, field);
        let ratio = |to: Contender| match (of(|m| m.cpu_microseconds_per_probe), cost(to)) {
            (Some(own), Some(other)) => format!("{:.2}", own / other),
            (None, _) | (_, None) => "–".to_owned(),
        };
        let number =
            |value: Option<f64>, digits: usize| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
        let scraped = |field: fn(&Measurement) -> Option<f64>| {
            let mut values: Vec<f64> = measured.iter().filter(|m| m.contender == contender).filter_map(field).collect();
            middle(&mut values)
        };
        let scrape = match (
            scraped(|m| Some(bytes(m.scrape?.bytes as u64) / 1e6)),
            scraped(|m| Some(m.scrape?.seconds * 1e3)),
        ) {
            (Some(megabytes), Some(milliseconds)) => format!("{megabytes:.1} MB in {milliseconds:.0} ms"),
            (None, _) | (_, None) => "–".to_owned(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} % | {} MB | {} kB | {} / {} / {} | {} | {scrape} | {} kB |",
            contender.name(),
            number(of(|m| m.cpu_microseconds_per_probe), 1),
            ratio(Contender::Floor),
            ratio(Contender::Haproxy),
            number(of(|m| m.rate / m.rate_wanted * 100.0), 1),
            number(of(|m| bytes(m.memory_bytes) / 1e6), 1),
            number(of(|m| bytes(m.memory_bytes) / 1e3 / f64::from(m.servers)), 1),
            number(of(|m| m.seen.jitter[0]), 2),
            number(of(|m| m.seen.jitter[1]), 2),
            number(of(|m| m.seen.jitter[2]), 1),
            number(of(|m| m.seen.burst), 2),
            number(scraped(|m| Some(bytes(m.scrape?.bytes as u64) / 1e3 / f64::from(m.servers))), 2),
        );
    }
    text
}

#[allow(clippy::cast_precision_loss)]
fn bytes(count: u64) -> f64 {
    count as f64
}

fn median(measured: &[Measurement], of: Contender, field: fn(&Measurement) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = measured.iter().filter(|measurement| measurement.contender == of).map(field).collect();
    middle(&mut values)
}

fn middle(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
