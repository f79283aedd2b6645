//! More slow servers than there are descriptors for: all of them are known for what they are, and the exporter says that
//! it leaves out beats.

use std::fmt::Write as _;
use std::time::Duration;

use backend_health_exporter::lab::{Backend, Behaviour};

use super::{Exporter, LOCALHOST, in_state, sum};
use crate::everywhere::Everywhere;

/// Servers that answer, each keeping its probe waiting for a third of the interval.
const SLOW: usize = 500;

/// How long one of them takes. There is room for a hundred probes; all of them would hold 167.
const TAKES: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn with_fewer_descriptors_than_slow_servers_all_of_them_stay_healthy_and_a_dead_one_is_found() {
    let slow = Everywhere::start(TAKES);
    let dead = Backend::start(LOCALHOST, Behaviour::Refused).unwrap();
    let mut config = format!(
        "probes:\n  - {{name: p, protocol: http, interval: 3s, timeout: 3s, unhealthy_threshold: 1}}\n\
         backend_settings:\n  - {{name: slow, protocol: http, port: {}, probe: p}}\n  \
         - {{name: dead, protocol: http, port: {}, probe: p}}\n\
         backend_pools:\n  - {{name: dead, settings: [dead], servers: [127.0.0.1]}}\n  \
         - name: slow\n    settings: [slow]\n    servers:\n",
        slow.port(),
        dead.address().port()
    );
    for number in 0..SLOW {
        writeln!(config, "      - 127.91.{}.{}", number / 200, number % 200 + 1).unwrap();
    }
    let exporter = Exporter::start(&["prlimit", "--nofile=256:256"], &config, "127.0.0.1:9").await;
    // The dead one is known by its first probe, the others when each of them has had a turn.
    let turned_healthy = |metrics: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with("backend_health_transitions_total{pool=\"slow\""));
        lines.filter(|line| line.contains("to=\"healthy\"") && !line.ends_with(" 0")).count()
    };
    let exhausted =
        |metrics: &str| sum(metrics, "backend_health_cause_info{pool=\"slow\"", "cause=\"local_exhausted\"");
    let metrics = exporter
        .metrics_when(|metrics| {
            turned_healthy(metrics) == SLOW && exhausted(metrics) > 0.5 && in_state(metrics, "unhealthy") == 1
        })
        .await;
    let skipped = sum(&metrics, "backend_health_exporter_probes_skipped_total", "");
    println!("{skipped} skipped, {} rows exhausted", exhausted(&metrics));
    assert!(skipped > 0.0, "no beat was left out");
    assert!(exporter.page().await.contains("This host does not keep up."), "the page says so");
    let log = exporter.log();
    let wrong: Vec<&str> =
        log.lines().filter(|line| line.contains("to=Unhealthy") && line.contains("setting=slow")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
