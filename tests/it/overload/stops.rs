//! A stop that lasts many intervals: afterwards each row starts at most one probe to catch up, not all rows at once, and
//! nothing that was known has changed.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{Exporter, from_environment, in_state, sum};
use crate::everywhere::Everywhere;

/// Rows that miss many beats.
const OFTEN: u32 = 200;

/// Rows that have their beat once in as long as the stop lasts, with servers that take their time.
const SELDOM: u32 = 1_000;

/// How many intervals of the rows that are probed often the stop lasts.
const BEATS: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_of_many_beats_every_row_starts_once_more_at_most_and_no_state_has_changed() {
    let stop = Duration::from_secs(from_environment("STOP_SECONDS", 8) as u64);
    let interval = stop / BEATS;
    let (quick, slow) = (Everywhere::start(Duration::ZERO), Everywhere::start(Duration::from_millis(300)));
    let exporter = Exporter::start(&[], &config(interval, &quick, &slow), "127.0.0.1:9").await;
    let all_healthy = |metrics: &str| in_state(metrics, "healthy") == (OFTEN + SELDOM) as usize;
    exporter.metrics_when(all_healthy).await;
    let before = exporter.metrics().await;

    exporter.signal("-STOP");
    tokio::time::sleep(stop).await;
    slow.most_at_once();
    let over = Instant::now();
    exporter.signal("-CONT");
    tokio::time::sleep(interval.max(Duration::from_secs(2))).await;
    let at_once = slow.most_at_once();
    let after = exporter.metrics_when(all_healthy).await;

    let mut most = 0;
    for (servers, rows, interval) in [(&quick, OFTEN, interval), (&slow, SELDOM, stop)] {
        let mut starts = servers.asked_since(over);
        for times in starts.values_mut() {
            times.retain(|at| *at - over < interval);
            most = most.max(times.len());
        }
        // Its own beat, and the one to catch up.
        let wrong: Vec<_> = starts.iter().filter(|(_, times)| times.len() > 2).take(5).collect();
        assert!(wrong.is_empty(), "{wrong:?} within an interval of {interval:?} after {over:?}");
        assert!(starts.len() <= rows as usize, "{} of {rows}", starts.len());
    }
    println!("{at_once} of {SELDOM} waited at once; at most {most} starts of a row within its interval");
    assert!(most > 0, "nobody was asked after the stop");
    // Nearly all of them, if nothing held them back.
    assert!(at_once < SELDOM as usize / 5 * 4, "{at_once} of {SELDOM} rows were started together");

    let skipped = |metrics: &str| sum(metrics, "backend_health_exporter_probes_skipped_total", "");
    let missed = skipped(&after) - skipped(&before);
    let least = f64::from(OFTEN * (BEATS - 1));
    assert!(missed >= least, "{missed} beats were counted as skipped, of at least {least}");
    let turned = |metrics: &str| sum(metrics, "backend_health_transitions_total{", "");
    assert!((turned(&after) - turned(&before)).abs() < 0.5, "states changed:\n{}", exporter.log());
}

fn config(interval: Duration, quick: &Everywhere, slow: &Everywhere) -> String {
    let (often, seldom) = (interval.as_millis(), (interval * BEATS).as_millis());
    // More beats than the stop takes: what was known before it stays known.
    let mut text = format!(
        "probes:\n  \
         - {{name: often, protocol: http, interval: {often}ms, timeout: {often}ms, unhealthy_threshold: 20}}\n  \
         - {{name: seldom, protocol: http, interval: {seldom}ms, timeout: {often}ms, unhealthy_threshold: 20}}\n\
         backend_settings:\n  - {{name: often, protocol: http, port: {}, probe: often}}\n  \
         - {{name: seldom, protocol: http, port: {}, probe: seldom}}\nbackend_pools:\n",
        quick.port(),
        slow.port()
    );
    for (name, rows) in [("often", OFTEN), ("seldom", SELDOM)] {
        writeln!(text, "  - name: {name}\n    settings: [{name}]\n    servers:").unwrap();
        for number in 0..rows {
            writeln!(text, "      - 127.90.{}.{}", number / 200, number % 200 + 1).unwrap();
        }
    }
    text
}
