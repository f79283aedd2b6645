//! Ten thousand rows in one process on a small machine, in whatever profile the tests are built with: the debug profile
//! takes about a third of a core for them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{ConfigFile, DEADLINE, Exporter};
use crate::everywhere::Everywhere;

#[tokio::test]
async fn ten_thousand_rows_keep_their_beat_in_little_memory_whatever_becomes_of_one_of_them() {
    let servers = Everywhere::start(Duration::ZERO);
    let config = ConfigFile::new(&yaml(servers.port(), "/before"));
    let begun_at = Instant::now();
    let exporter = Exporter::run(&config.path).await;
    let started_at = Instant::now();
    let deadline = started_at + DEADLINE;
    exporter.get_until("/-/ready", 200).await;
    let first_verdicts = started_at.elapsed();
    // An interval of 10 s, and what the last probes take on a machine that others use, too.
    assert!(first_verdicts < Duration::from_secs(15), "the first verdict of every row took {first_verdicts:?}");
    let (asked, in_time) = (servers.asked_since(begun_at), started_at + INTERVAL + Duration::from_secs(1));
    let asked_late = asked.values().filter(|times| times[0] > in_time).count();
    assert_eq!(asked.len(), 10_000, "every row has been asked");
    assert!(asked_late < 100, "{asked_late} rows were asked for the first time later than within one interval");

    config.write(&yaml(servers.port(), "/after"));
    let reload = Instant::now();
    assert_eq!(exporter.reload().await.status, 200);
    println!("a reload in {:?}", reload.elapsed());
    // Two and a half intervals from the start on.
    let enough = f64::from(ROWS) * 2.5;
    let count = "backend_health_exporter_probe_start_delay_seconds_count";
    // Scrapes of this size cost more than the probes: one in a while, as Prometheus does it.
    let scrape = loop {
        let scrape = exporter.scrape().await;
        if scrape.value(count, &[]) >= enough {
            break scrape;
        }
        assert!(Instant::now() < deadline, "{}", scrape.value(count, &[]));
        sleep(Duration::from_secs(3)).await;
    };

    let started = scrape.value(count, &[]);
    let within_a_second = scrape.value("backend_health_exporter_probe_start_delay_seconds_bucket", &[("le", "1.0")]);
    let late = (started - within_a_second) / started;
    let resident = scrape.value("process_resident_memory_bytes", &[]) / 1e6;
    let cpu = scrape.value("process_cpu_seconds_total", &[]);
    println!("{started} starts, {:.3} % late, {resident:.0} MB resident, {cpu:.1} s CPU", late * 100.0);
    println!("first verdicts of all rows after {first_verdicts:?}");
    assert!(late < 0.01, "{late} of the starts were more than a second late");
    assert!(resident < 150.0, "{resident} MB");
    assert_eq!(scrape.value("backend_health_exporter_probes_skipped_total", &[]).to_string(), "0");
    let in_state = |state| scrape.sum("backend_health_pool_servers", &[("state", state)]).to_string();
    assert_eq!(["healthy", "unhealthy", "unknown"].map(in_state), ["10000", "0", "0"], "{}", scrape.rows());

    kept_their_beats(&servers, begun_at);
    let changed = exporter.get("/api/v1/backendhealth?pool=single").await;
    assert!(changed.body.contains("/after"), "the reload took effect: {}", changed.body);

    let asked = Instant::now();
    let report = exporter.get("/api/v1/backendhealth").await;
    println!("{} MB of JSON in {:?}", report.body.len() / 1_000_000, asked.elapsed());
    assert_eq!((report.status, report.body.matches("\"since\":").count()), (200, 10_000));
    let after = exporter.scrape().await.value("process_resident_memory_bytes", &[]) / 1e6;
    println!("{after:.0} MB resident after that");
    // A slow report holds on to probes that were replaced meanwhile, but never to its own text.
    assert!(after < 150.0, "{resident} MB before, {after} MB after");
}

/// Nobody's beat was left out or moved, by the reload or by anything else.
fn kept_their_beats(servers: &Everywhere, begun_at: Instant) {
    let mut shifts = Vec::new();
    for (server, times) in servers.asked_since(begun_at) {
        assert!(times.len() >= 2, "{server} was asked only once");
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!(gap < INTERVAL * 3 / 2, "{server} was not asked for {gap:?}");
            shifts.push(gap.abs_diff(INTERVAL));
        }
    }
    shifts.sort_unstable();
    // A beat with another place would be anywhere in the interval. Each start that this machine delays makes two gaps.
    let moved = shifts.len() - shifts.partition_point(|shift| *shift <= Duration::from_millis(500));
    let median = shifts[shifts.len() / 2];
    println!("of {} gaps {moved} were off by more than 500 ms, half of them by less than {median:?}", shifts.len());
    assert!(moved < 300, "{moved} of {} gaps are not the interval", shifts.len());
    assert!(median < Duration::from_millis(50), "{median:?}");
}

/// All rows but one in one pool; that one has a probe of its own, with this path.
fn yaml(port: u16, path: &str) -> String {
    let mut yaml = format!(
        "probes:\n  - {{name: quick, protocol: http, interval: 10s, timeout: 5s}}\n  \
         - {{name: single, protocol: http, interval: 10s, timeout: 5s, path: {path}}}\n\
         backend_settings:\n  - {{name: http, protocol: http, port: {port}, probe: quick}}\n  \
         - {{name: single, protocol: http, port: {port}, probe: single}}\n\
         backend_pools:\n  - {{name: single, settings: [single], servers: [127.62.0.1]}}\n  \
         - name: large\n    settings: [http]\n    servers:\n"
    );
    for number in 1..ROWS {
        writeln!(yaml, "      - 127.{}.{}.{}", 60 + number / 5000, number % 5000 / 250, number % 250 + 1).unwrap();
    }
    yaml
}

const ROWS: u32 = 10_000;

const INTERVAL: Duration = Duration::from_secs(10);
