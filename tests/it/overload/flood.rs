//! Several times the work that this machine can do. Every server that answers stays Healthy or becomes Unknown, every one
//! that is down is found, and all surfaces say that the exporter does not keep up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use backend_health_exporter::lab::tls::{Chain, Pki, ServerTls};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http, tcp};

use super::{Exporter, LOCALHOST, from_environment, sum};
use crate::exporter::prometheus::Prometheus;

/// Servers that answer, each of them probed over TLS every second.
const SERVERS: usize = 1_500;

/// More of them, of which nothing is known as soon as one beat gave no verdict.
const STRICT: usize = 50;

/// Rows of each kind of server that is down.
const DOWN: usize = 10;

/// How long the flood is watched.
const WATCHED: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_handshakes_hides_no_dead_server_and_kills_no_healthy_one() {
    let tls = ServerTls::new(&Pki::new().unwrap().identity(Chain::Good, "app.test").unwrap()).unwrap();
    let good = Backend::start(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Service::tls(&tls, http::ok())).unwrap();
    let down = [
        ("refuses", "tcp_refused", Backend::start(LOCALHOST, Behaviour::Refused).unwrap()),
        ("drops", "tcp_timeout", Backend::start(LOCALHOST, Behaviour::SilentSyn).unwrap()),
        ("hangs", "tls_timeout", Backend::start(LOCALHOST, tcp::holds()).unwrap()),
        ("breaks", "tls_closed", Backend::start(LOCALHOST, tcp::closes()).unwrap()),
    ];
    let servers = from_environment("FLOOD_SERVERS", SERVERS);
    let mut settings = String::new();
    let mut pools = String::new();
    let mut setting = |name: &str, port: u16, probe: &str| {
        writeln!(
            settings,
            "  - {{name: {name}, protocol: https, port: {port}, probe: {probe}, validate_cert_chain_and_expiry: false, \
             validate_sni: false}}"
        )
        .unwrap();
    };
    setting("good", good.address().port(), "usual");
    setting("strict", good.address().port(), "strict");
    for (name, _, backend) in &down {
        setting(name, backend.address().port(), "usual");
        for number in 0..DOWN {
            writeln!(pools, "  - {{name: {name}-{number}, settings: [{name}], servers: [127.0.0.1]}}").unwrap();
        }
    }
    pools.push_str("  - name: good\n    settings: [good]\n    servers:\n");
    for number in 0..servers {
        writeln!(pools, "      - 127.{}.{}.{}", 70 + number / 50_000, number % 50_000 / 200, number % 200 + 1).unwrap();
    }
    pools.push_str("  - name: strict\n    settings: [strict]\n    servers:\n");
    for number in 1..=STRICT {
        writeln!(pools, "      - 127.69.0.{number}").unwrap();
    }
    let config = format!(
        "probes:\n  - {{name: usual, protocol: https, interval: 1s, timeout: 1s, unhealthy_threshold: 3}}\n  \
         - {{name: strict, protocol: https, interval: 1s, timeout: 1s, unhealthy_threshold: 1}}\n\
         backend_settings:\n{settings}backend_pools:\n{pools}"
    );
    let exporter = Exporter::start(&[], &config, "127.0.0.1:9").await;
    let prometheus = Prometheus::with_the_shipped_rules(exporter.url.trim_start_matches("http://")).await;
    tokio::time::sleep(WATCHED).await;
    let found = |metrics: &str| {
        down.iter().all(|(name, ..)| {
            let turned = format!("setting=\"{name}\"");
            let lines = metrics.lines().filter(|line| {
                line.starts_with("backend_health_transitions_total{")
                    && line.contains(&turned)
                    && line.contains("to=\"unhealthy\"")
                    && !line.ends_with(" 0")
            });
            lines.count() == DOWN
        })
    };
    let deadline = std::time::Instant::now() + super::DEADLINE;
    let metrics = loop {
        let metrics = exporter.metrics().await;
        if found(&metrics) {
            break metrics;
        }
        assert!(std::time::Instant::now() < deadline, "not every server that is down was found\n{}", told(&metrics));
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    // Not one probe of theirs may have failed, whatever the threshold would have made of that.
    let failed = metrics.lines().filter(|line| {
        let answers =
            ["good", "strict"].map(|pool| format!("backend_health_pool_probe_failures_total{{pool=\"{pool}\""));
        answers.iter().any(|start| line.starts_with(start))
            && !line.contains("cause=\"local_overloaded\"")
            && !line.ends_with(" 0")
    });
    let failed: Vec<&str> = failed.collect();
    assert!(failed.is_empty(), "{failed:#?}\n{}", told(&metrics));
    // And it says so.
    let skipped = sum(&metrics, "backend_health_exporter_probes_skipped_total", "");
    assert!(skipped > 0.0, "no beat was left out: this was no flood\n{}", told(&metrics));
    let late = sum(&metrics, "backend_health_exporter_probe_start_delay_seconds_count", "")
        - sum(&metrics, "backend_health_exporter_probe_start_delay_seconds_bucket", "le=\"0.1\"");
    assert!(late > 0.0, "no probe began late\n{}", told(&metrics));
    let unknown = sum(&metrics, "backend_health_cause_info{pool=\"strict\"", "cause=\"local_overloaded\"");
    assert!(unknown > 0.0, "no row says that this host is overloaded\n{}", told(&metrics));
    let page = exporter.page().await;
    assert!(page.contains("This host does not keep up."), "the page does not say so\n{}", told(&metrics));
    let deadline = std::time::Instant::now() + super::DEADLINE;
    // It fires when that goes on for a quarter of an hour; until then its expression is true.
    while prometheus.query("ALERTS{alertname=\"BackendHealthExporterProbesSkipped\"}").await.is_empty() {
        let alerts = prometheus.query("ALERTS").await;
        let scraped = prometheus.query("up").await;
        assert!(std::time::Instant::now() < deadline, "no alert: {alerts:#?}, {scraped:?}\n{}", told(&metrics));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let log = exporter.log();
    let answers = |line: &&str| line.contains("setting=good") || line.contains("setting=strict");
    let wrong: Vec<&str> = log.lines().filter(|line| line.contains("to=Unhealthy")).filter(answers).take(5).collect();
    println!("{}", told(&metrics));
    assert!(wrong.is_empty(), "healthy servers were called Unhealthy: {wrong:#?}");
}

/// What the exporter says of itself, and what came of the probes.
fn told(metrics: &str) -> String {
    let of_interest = |line: &&str| {
        line.starts_with("backend_health_exporter_probe")
            || line.starts_with("process_cpu")
            || line.starts_with("backend_health_pool_servers{") && line.contains("pool=\"good\"")
            || line.starts_with("backend_health_pool_probe_failures_total{")
                && line.contains("-0\"")
                && !line.ends_with(" 0")
            || line.starts_with("backend_health_pool_probe_failures_total{")
                && line.contains("pool=\"good\"")
                && !line.ends_with(" 0")
    };
    let mut text = metrics.lines().filter(of_interest).collect::<Vec<_>>().join("\n") + "\n";
    let mut ended: BTreeMap<u64, usize> = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("backend_health_probes_total{pool=\"good\"")) {
        let count: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        *ended.entry(count).or_default() += 1;
    }
    writeln!(text, "rows by probes ended: {ended:?}").unwrap();
    text
}
