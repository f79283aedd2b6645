//! Servers that never answer beside good ones, in an exporter with few descriptors: the good ones must not notice.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use backend_health_exporter::lab::{Backend, Behaviour, http, tcp};

use super::{Exporter, LOCALHOST, in_state, sum};

/// Servers that answer after 50 ms.
const GOOD: u8 = 40;

/// Rows of each kind of server that keeps its prober waiting.
const WAITING: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_never_answer_neither_delay_nor_displace_the_others() {
    let good = Backend::start(IpAddr::V4(Ipv4Addr::UNSPECIFIED), http::ok_after(Duration::from_millis(50))).unwrap();
    let black_hole = Backend::start(LOCALHOST, Behaviour::SilentSyn).unwrap();
    let mute = Backend::start(LOCALHOST, tcp::holds()).unwrap();
    let alone = config(&good, &[]);
    let beside = config(&good, &[("black-hole", &black_hole), ("mute", &mute)]);
    // Room for a hundred probes, where 300 rows would hold a place for a second each.
    let few = ["prlimit", "--nofile=256:256"];
    let alone = Exporter::start(&few, &alone, "127.0.0.1:9").await;
    let beside = Exporter::start(&few, &beside, "127.0.0.1:9").await;
    // Both at the same time, so that whatever else this machine does befalls both.
    for exporter in [&alone, &beside] {
        exporter.metrics_when(|metrics| in_state(metrics, "healthy") == usize::from(GOOD)).await;
    }
    // All are known for what they are by the time all those that wait have had a turn.
    beside.metrics_when(|metrics| in_state(metrics, "unhealthy") == 2 * WAITING).await;
    let before = [Sample::of(&alone).await, Sample::of(&beside).await];
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = [Sample::of(&alone).await, Sample::of(&beside).await];
    let [alone_mean, beside_mean] = [0, 1].map(|at| after[at].mean_since(&before[at]));
    let [alone_runs, beside_runs] = [0, 1].map(|at| after[at].probes - before[at].probes);
    println!("alone {alone_runs} probes of {alone_mean:.4} s, beside {beside_runs} of {beside_mean:.4} s");
    assert!(
        beside_mean <= alone_mean * 1.1,
        "{beside_mean} s beside servers that never answer, {alone_mean} s without"
    );
    assert!(beside_runs >= alone_runs * 0.9, "{beside_runs} probes beside them, {alone_runs} without");

    let metrics = beside.metrics().await;
    assert_eq!(in_state(&metrics, "healthy"), usize::from(GOOD), "the good ones stay");
    let skipped = sum(&metrics, "backend_health_exporter_probes_skipped_total", "");
    assert!(skipped > 0.0, "of those that wait, most beats are left out");
    let turned = sum(&metrics, "backend_health_transitions_total{", "setting=\"good\"");
    assert!((turned - f64::from(GOOD)).abs() < 0.5, "each became Healthy, once, and nothing else: {turned}");
}

/// What came of the good servers' probes.
struct Sample {
    probes: f64,
    seconds: f64,
}

impl Sample {
    async fn of(exporter: &Exporter) -> Self {
        let metrics = exporter.metrics().await;
        let of = |name: &str| sum(&metrics, &format!("backend_health_probe_latency_seconds_{name}{{"), "pool=\"good\"");
        Self { probes: of("count"), seconds: of("sum") }
    }

    fn mean_since(&self, before: &Self) -> f64 {
        (self.seconds - before.seconds) / (self.probes - before.probes)
    }
}

fn config(good: &Backend, others: &[(&str, &Backend)]) -> String {
    let mut settings = format!("  - {{name: good, protocol: http, port: {}, probe: p}}\n", good.address().port());
    let mut pools = "  - name: good\n    settings: [good]\n    servers:\n".to_owned();
    for number in 1..=GOOD {
        writeln!(pools, "      - 127.80.0.{number}").unwrap();
    }
    for (name, backend) in others {
        let port = backend.address().port();
        writeln!(settings, "  - {{name: {name}, protocol: http, port: {port}, probe: p}}").unwrap();
        for number in 0..WAITING {
            writeln!(pools, "  - {{name: {name}-{number}, settings: [{name}], servers: [127.0.0.1]}}").unwrap();
        }
    }
    format!(
        "probes:\n  - {{name: p, protocol: http, interval: 1s, timeout: 1s, unhealthy_threshold: 20}}\n\
         backend_settings:\n{settings}backend_pools:\n{pools}"
    )
}
