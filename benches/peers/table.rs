//! The result of a scenario as Markdown tables: medians, and each cost beside `HAProxy`'s and the floor's.

use std::fmt::Write;

use crate::contender::Contender;
use crate::measure::Measurement;
use crate::scenario::Scenario;

pub fn render(scenario: &Scenario, measured: &[Measurement]) -> String {
    let results = Results { measured };
    let mut contenders: Vec<Contender> = measured.iter().map(|measurement| measurement.contender).collect();
    contenders.sort_unstable();
    contenders.dedup();
    let mut text = format!("\n### {}\n", scenario.name());
    cost(&mut text, scenario, &contenders, &results);
    resources(&mut text, scenario, &contenders, &results);
    disturbance(&mut text, scenario, &contenders, &results);
    if scenario.kind.is_tls() {
        text.push_str(
            "\n*Unchanged chain*: the very same chain was accepted for that name before, so that only the handshake's signature is \
             verified: less work by design. *Every chain new*: each handshake presents a certificate never seen before, \
             and every signature is verified, as the others do at each probe.\n",
        );
    }
    if let Some(seconds) = results.median(scenario, Contender::Exporter, |m| m.all_known_seconds) {
        let _ =
            writeln!(text, "\nEvery server had been probed {seconds:.1} s after backend_health_exporter was started.");
    }
    text
}

fn cost(text: &mut String, scenario: &Scenario, contenders: &[Contender], results: &Results<'_>) {
    text.push_str(
        "\n| | CPU µs per probe | × floor | × HAProxy | probes that asked, of those due | off its beat ms, p50 / p99 / max | start delay ms, p50 / p99 \
         | busiest 100 ms, × mean |\n|---|---|---|---|---|---|---|---|\n",
    );
    for contender in contenders {
        let of = |field: fn(&Measurement) -> Option<f64>| results.median(scenario, *contender, field);
        let cost = Measurement::cost;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} % | {} / {} / {} | {} | {} |",
            contender.name(scenario.kind),
            number(of(cost), 1),
            number(results.ratio(scenario, *contender, Contender::Floor, cost), 2),
            number(results.ratio(scenario, *contender, Contender::Haproxy, cost), 2),
            number(of(|m| Some(m.rate_answered / m.rate_wanted * 100.0)), 1),
            number(of(|m| Some(m.seen.jitter[0])), 2),
            number(of(|m| Some(m.seen.jitter[1])), 2),
            number(of(|m| Some(m.seen.jitter[2])), 1),
            delays(of(|m| Some(m.start_delay?[0])), of(|m| Some(m.start_delay?[1]))),
            number(of(|m| Some(m.seen.burst)), 2),
        );
    }
    let of_all = |contender: &Contender| results.median(scenario, *contender, Measurement::cost).is_some();
    if !contenders.iter().all(of_all) {
        text.push_str("\nA cost of –: it did not keep up with this rate, and what a probe costs cannot be told.\n");
    }
}

fn resources(text: &mut String, scenario: &Scenario, contenders: &[Contender], results: &Results<'_>) {
    text.push_str(
        "\n| | memory MB | × HAProxy | kB a server | more while scraped MB | scrape MB | × HAProxy | kB a server | scrape ms | × HAProxy |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for contender in contenders {
        let of = |field: fn(&Measurement) -> Option<f64>| results.median(scenario, *contender, field);
        let to_haproxy = |field: fn(&Measurement) -> Option<f64>| {
            number(results.ratio(scenario, *contender, Contender::Haproxy, field), 2)
        };
        let servers = f64::from(scenario.servers);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            contender.name(scenario.kind),
            number(of(memory_megabytes), 1),
            to_haproxy(memory_megabytes),
            number(of(memory_megabytes).map(|all| all * 1e3 / servers), 1),
            number(of(Measurement::more_megabytes_while_scraped), 1),
            number(of(Measurement::scrape_megabytes), 1),
            to_haproxy(Measurement::scrape_megabytes),
            number(of(Measurement::scrape_megabytes).map(|all| all * 1e3 / servers), 2),
            number(of(Measurement::scrape_milliseconds), 0),
            to_haproxy(Measurement::scrape_milliseconds),
        );
    }
}

/// What scrapes do to the probes.
fn disturbance(text: &mut String, scenario: &Scenario, contenders: &[Contender], results: &Results<'_>) {
    if results.measured.iter().all(|measurement| measurement.while_scraped.is_none()) {
        return;
    }
    text.push_str(
        "\n| while metrics are read every 5 s | off its beat ms, p99: quiet | scraped | start delay ms, p99: quiet | scraped |\n\
         |---|---|---|---|---|\n",
    );
    for contender in contenders {
        let of = |field: fn(&Measurement) -> Option<f64>| results.median(scenario, *contender, field);
        if of(|m| Some(m.while_scraped?.seen.jitter[1])).is_none() {
            continue;
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            contender.name(scenario.kind),
            number(of(|m| Some(m.seen.jitter[1])), 2),
            number(of(|m| Some(m.while_scraped?.seen.jitter[1])), 2),
            at_most(of(|m| Some(m.start_delay?[1]))),
            at_most(of(|m| Some(m.while_scraped?.start_delay?[1]))),
        );
    }
}

/// Everything that was measured so far.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    pub measured: &'a [Measurement],
}

impl Results<'_> {
    /// None when nobody told.
    pub fn median(
        &self,
        scenario: &Scenario,
        contender: Contender,
        field: impl Fn(&Measurement) -> Option<f64>,
    ) -> Option<f64> {
        let of = self.measured.iter().filter(|m| m.scenario == *scenario && m.contender == contender);
        let mut values: Vec<f64> = of.filter_map(field).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// One contender's median over another one's.
    pub fn ratio(
        &self,
        scenario: &Scenario,
        contender: Contender,
        to: Contender,
        field: impl Fn(&Measurement) -> Option<f64>,
    ) -> Option<f64> {
        Some(self.median(scenario, contender, &field)? / self.median(scenario, to, &field)?)
    }
}

#[allow(clippy::cast_precision_loss)]
impl Measurement {
    /// Microseconds of CPU for a probe; none when it could not keep up, since much of what it spent then led nowhere.
    pub fn cost(&self) -> Option<f64> {
        let kept_up = self.rate_answered >= 0.95 * self.rate && self.rate_answered >= 0.8 * self.rate_wanted;
        kept_up.then_some(self.cpu_microseconds_per_probe)
    }

    pub fn more_megabytes_while_scraped(&self) -> Option<f64> {
        Some(self.scrape?.more_memory_bytes as f64 / 1e6)
    }

    pub fn scrape_megabytes(&self) -> Option<f64> {
        Some(self.scrape?.bytes as f64 / 1e6)
    }

    pub fn scrape_milliseconds(&self) -> Option<f64> {
        Some(self.scrape?.seconds * 1e3)
    }
}

/// As an option like everything that not all contenders tell.
#[allow(clippy::cast_precision_loss, clippy::unnecessary_wraps)]
pub fn memory_megabytes(measurement: &Measurement) -> Option<f64> {
    Some(measurement.memory_bytes as f64 / 1e6)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

fn at_most(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "–".to_owned(),
        // Above the last of the histogram's bounds.
        Some(f64::INFINITY) => "> 10000".to_owned(),
        Some(bound) => format!("≤ {bound}"),
    }
}

fn delays(median: Option<f64>, most: Option<f64>) -> String {
    match (median, most) {
        (None, None) => "–".to_owned(),
        (Some(_), _) | (_, Some(_)) => format!("{} / {}", at_most(median), at_most(most)),
    }
}
