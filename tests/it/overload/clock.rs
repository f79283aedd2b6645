//! The wall clock of the exporter's host jumps, by an hour or by weeks: no beat moves, and certificates are judged by what
//! the clock says now, whatever was accepted before.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use backend_health_exporter::lab::tls::{Identity, Pki, Profile, ServerTls, Validity};
use backend_health_exporter::lab::{Backend, Service, http};
use tempfile::TempDir;

use super::{Exporter, LOCALHOST, in_state, sum};

/// Rows of each protocol.
const ROWS: u8 = 20;

/// Of all rows.
const INTERVAL: Duration = Duration::from_secs(1);

/// Days that the servers' certificate began before the test and ends after it.
const BEGAN: i32 = -5;
const ENDS: i32 = 30;

const HOUR: i32 = 3600;
const DAY: i32 = 24 * HOUR;

/// The wall clock of one process, moved by Debian's libfaketime; its monotonic clock goes on as ever.
struct WallClock {
    directory: TempDir,
    library: PathBuf,
}

impl WallClock {
    fn new() -> Self {
        let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
        let library = PathBuf::from(library);
        assert!(
            library.exists(),
            "{} is missing: this test needs Debian's package `faketime`, which ./tests/run installs",
            library.display()
        );
        let this = Self { directory: TempDir::new().unwrap(), library };
        this.set(0);
        this
    }

    /// Ahead of the true time by so many seconds from now on.
    fn set(&self, ahead: i32) {
        let fresh = self.directory.path().join("fresh");
        std::fs::write(&fresh, format!("{ahead:+}\n")).unwrap();
        std::fs::rename(&fresh, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ahead")
    }

    /// What makes a command follow this clock.
    fn launcher(&self) -> Vec<String> {
        vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file().display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            // Its name changed between two versions.
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_moves_no_beat_and_certificates_are_judged_by_the_time_it_is() {
    let directory = TempDir::new().unwrap();
    let pki = Pki::new().unwrap();
    let leaf = Profile { validity: Validity::days(BEGAN, ENDS), ..Profile::server("app.test") };
    let identity = Identity::new(&pki.intermediate.issue(&leaf).unwrap(), &[&pki.intermediate]);
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let secure = Backend::start(everywhere, Service::tls(&ServerTls::new(&identity).unwrap(), http::ok())).unwrap();
    let plain = Backend::start(LOCALHOST, http::ok()).unwrap();
    let root = directory.path().join("root.pem");
    std::fs::write(&root, pki.root.pem()).unwrap();
    let clock = WallClock::new();
    let launcher = clock.launcher();
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    let exporter = Exporter::start(&launcher, &config(&secure, &plain, &root), "127.0.0.1:9").await;
    exporter.metrics_when(|metrics| in_state(metrics, "healthy") == usize::from(2 * ROWS)).await;

    for (ahead, what) in [(HOUR, "an hour on"), (-HOUR, "two hours back"), (0, "an hour on again")] {
        let before = exporter.metrics().await;
        clock.set(ahead);
        let jumped = Instant::now();
        let after = exporter.metrics_when(|metrics| probes(metrics, &before).all(|(_, count)| count >= 2.0)).await;
        // Every beat that fell due, the one that was under way, and no more.
        let most = (jumped.elapsed().as_secs_f64() / INTERVAL.as_secs_f64()).ceil() + 1.0;
        let wrong: Vec<_> = probes(&after, &before).filter(|(_, count)| *count > most).collect();
        assert!(wrong.is_empty(), "{what}: more than {most} probes: {wrong:#?}");
        let turned = sum(&after, TURNED, "") - sum(&before, TURNED, "");
        assert!(turned.abs() < 0.5, "{what}: states changed:\n{}", exporter.log());
        // The hour would be thousands of them for each row.
        let skipped = sum(&after, SKIPPED, "") - sum(&before, SKIPPED, "");
        assert!(skipped < f64::from(2 * ROWS), "{what}: {skipped} beats were skipped");
        follows(&after, ahead, what);
    }

    for (ahead, cause) in [(40 * DAY, "cert_expired"), (-40 * DAY, "cert_not_yet_valid")] {
        clock.set(ahead);
        let metrics = exporter.metrics_when(|metrics| in_state(metrics, "unhealthy") == usize::from(ROWS)).await;
        let causes: Vec<&str> = metrics.lines().filter(|line| line.starts_with("backend_health_cause_info{")).collect();
        let wanted = format!("cause=\"{cause}\"");
        assert_eq!(causes.len(), usize::from(ROWS), "{causes:#?}");
        assert!(causes.iter().all(|line| line.contains("pool=\"secure\"") && line.contains(&wanted)), "{causes:#?}");
        assert_eq!(in_state(&metrics, "healthy"), usize::from(ROWS));
        follows(&metrics, ahead, cause);
        clock.set(0);
        exporter.metrics_when(|metrics| in_state(metrics, "healthy") == usize::from(2 * ROWS)).await;
    }
    let metrics = exporter.metrics().await;
    assert!(
        (sum(&metrics, TURNED, "setting=\"plain\"") - f64::from(ROWS)).abs() < 0.5,
        "the plain ones became Healthy, and no more"
    );
}

/// How many more probes of each row have ended.
fn probes<'m>(metrics: &'m str, before: &'m str) -> impl Iterator<Item = (&'m str, f64)> {
    metrics.lines().filter(|line| line.starts_with("backend_health_probes_total{")).map(|line| {
        let (row, count) = line.rsplit_once(' ').unwrap();
        let count: f64 = count.parse().unwrap();
        (row, count - sum(before, row, ""))
    })
}

/// All times since the jump are those of the clock.
fn follows(metrics: &str, ahead: i32, what: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() + f64::from(ahead);
    let times = metrics.lines().filter(|line| line.starts_with("backend_health_last_probe_timestamp_seconds{"));
    let times: Vec<f64> = times.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(times.len(), usize::from(2 * ROWS));
    let off: Vec<f64> = times.into_iter().map(|at| at - now).filter(|off| off.abs() > 600.0).collect();
    assert!(off.is_empty(), "{what}: off by so many seconds: {off:?}");
}

fn config(secure: &Backend, plain: &Backend, root: &Path) -> String {
    let mut text = format!(
        "probes:\n  - {{name: https, protocol: https, interval: 1s, timeout: 1s, unhealthy_threshold: 2}}\n  \
         - {{name: http, protocol: http, interval: 1s, timeout: 1s, unhealthy_threshold: 2}}\n\
         backend_settings:\n  - {{name: secure, protocol: https, port: {}, probe: https, host_name: app.test, \
         trusted_root_certificates: [{}]}}\n  - {{name: plain, protocol: http, port: {}, probe: http}}\n\
         backend_pools:\n  - name: secure\n    settings: [secure]\n    servers:\n",
        secure.address().port(),
        root.display(),
        plain.address().port()
    );
    for number in 1..=ROWS {
        writeln!(text, "      - 127.92.0.{number}").unwrap();
    }
    for number in 1..=ROWS {
        writeln!(text, "  - {{name: plain-{number}, settings: [plain], servers: [127.0.0.1]}}").unwrap();
    }
    text
}

const TURNED: &str = "backend_health_transitions_total{";

const SKIPPED: &str = "backend_health_exporter_probes_skipped_total";
