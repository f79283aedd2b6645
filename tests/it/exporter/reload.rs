//! Changes of the configuration while the exporter runs.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use backend_health_exporter::lab::tls::{Chain, Pki, Profile, ServerTls};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::process::Process;
use super::scrape::{Scrape, is};
use super::{BINARY, ConfigFile, DEADLINE, Exporter, Neighbours, text};

/// A configuration that probes these servers of the pool `web`. Its lines and columns are told apart below.
fn yaml(port: u16, servers: &[&str]) -> String {
    format!(
        "probes:\n  - name: quick\n    protocol: http\n    interval: 100ms\n    timeout: 20s\n\
         backend_settings:\n  - name: http\n    protocol: http\n    port: {port}\n    probe: quick\n\
         backend_pools:\n  - name: web\n    settings: [http]\n    servers: [{}]\n",
        servers.join(", ")
    )
}

/// One backend in order, one that fails, one to be added; and the exporter with the first two.
struct World {
    neighbours: Neighbours,
    config: ConfigFile,
    exporter: Exporter,
}

impl World {
    async fn start() -> Self {
        let failing = http::status(503, "down\n");
        let neighbours = Neighbours::start([http::ok().into(), failing.into(), Behaviour::from(http::ok())]);
        let config = ConfigFile::new(&yaml(neighbours.port, &[KEPT, REMOVED]));
        let exporter = Exporter::run(&config.path).await;
        Self { neighbours, config, exporter }
    }

    fn yaml(&self, servers: &[&str]) -> String {
        yaml(self.neighbours.port, servers)
    }

    /// Waits until both rows have been probed a few times.
    async fn settled(&self) -> Scrape {
        let settled = |scrape: &Scrape| {
            [KEPT, REMOVED].iter().all(|server| probes(scrape, server) >= 5.0)
                && scrape.state(&[("server", KEPT)]).as_deref() == Some("healthy")
                && scrape.state(&[("server", REMOVED)]).as_deref() == Some("unhealthy")
        };
        let scrape = self.exporter.scrape_until("both rows are settled", settled).await;
        self.exporter.get_until("/-/ready", 200).await;
        scrape
    }
}

#[tokio::test]
async fn a_reload_removes_adds_and_keeps_rows_for_what_they_are() {
    let world = World::start().await;
    let exporter = &world.exporter;
    let before = world.settled().await;

    world.config.write(&world.yaml(&[KEPT, ADDED]));
    let reply = exporter.reload().await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "reloaded\n"));

    let after = exporter.scrape().await;
    assert!(!after.text().contains(REMOVED), "a removed row's series are gone at once");
    assert!(!exporter.get("/").await.body.contains(REMOVED), "on the page, too");
    assert_eq!(after.state(&[("server", KEPT)]).as_deref(), Some("healthy"));
    assert_never_lower(&before, &after);
    let row = [("server", KEPT)];
    for unchanged in ["backend_health_last_transition_timestamp_seconds", "backend_health_consecutive_failures"] {
        assert!(is(after.value(unchanged, &row), before.value(unchanged, &row)), "{unchanged}");
    }
    for to in ["healthy", "unhealthy", "unknown"] {
        let labels = [row[0], ("to", to)];
        let count = |scrape: &Scrape| scrape.value("backend_health_transitions_total", &labels);
        assert!(is(count(&after), count(&before)), "{to}");
    }
    let pool_failures = |scrape: &Scrape| {
        scrape.value("backend_health_pool_probe_failures_total", &[("cause", "http_status_mismatch")])
    };
    assert!(pool_failures(&before) > 0.0 && pool_failures(&after) >= pool_failures(&before));
    assert_eq!(exporter.get("/-/ready").await.status, 200, "a new row does not make it unready");
    let reloaded = |scrape: &Scrape| {
        let successful = scrape.value("backend_health_exporter_config_last_reload_successful", &[]);
        (
            successful.to_string(),
            scrape.value("backend_health_exporter_config_last_reload_success_timestamp_seconds", &[]),
        )
    };
    assert_eq!(reloaded(&after).0, "1");
    assert!(reloaded(&after).1 > reloaded(&before).1);

    exporter
        .scrape_until("the added row is Healthy", |scrape| {
            scrape.state(&[("server", ADDED)]).as_deref() == Some("healthy")
        })
        .await;
    let asked = world.neighbours.backends[1].connections();
    exporter.scrape_until("the kept row goes on", |scrape| probes(scrape, KEPT) >= probes(&after, KEPT) + 5.0).await;
    // One probe may have been under way when its row went.
    assert!(world.neighbours.backends[1].connections() <= asked + 1, "a removed row is no longer probed");
}

#[tokio::test]
async fn no_counter_that_stays_ever_falls_however_often_rows_come_and_go() {
    let world = World::start().await;
    let mut before = world.settled().await;
    for round in 0..30 {
        let servers: &[&str] = [&[KEPT, ADDED] as &[_], &[KEPT], &[REMOVED, KEPT], &[ADDED, KEPT, REMOVED]][round % 4];
        world.config.write(&world.yaml(servers));
        assert_eq!(world.exporter.reload().await.status, 200);
        assert_eq!(world.exporter.get("/-/ready").await.status, 200);
        let after = world.exporter.scrape().await;
        let rows = after.samples("backend_health_state", &[]).len();
        assert_eq!(rows, 3 * servers.len(), "one scrape is one snapshot: {}", after.rows());
        assert_eq!(after.sum("backend_health_pool_servers", &[]).to_string(), servers.len().to_string());
        assert_never_lower(&before, &after);
        before = after;
    }
}

#[tokio::test]
async fn a_row_that_is_asked_at_other_times_keeps_what_is_known_of_it() {
    let world = World::start().await;
    let before = world.settled().await;
    world.config.write(&world.yaml(&[KEPT]).replace("interval: 100ms", "interval: 10m"));
    assert_eq!(world.exporter.reload().await.status, 200);
    let after = world.exporter.scrape().await;
    assert_eq!(after.state(&[("server", KEPT)]).as_deref(), Some("healthy"), "{}", after.rows());
    assert!(probes(&after, KEPT) >= probes(&before, KEPT), "{}", after.rows());
    assert_eq!(world.exporter.get("/-/ready").await.status, 200);
    let known = probes(&after, KEPT);
    world.exporter.scrape_until("its next probe comes soon all the same", |scrape| probes(scrape, KEPT) > known).await;
}

#[tokio::test]
async fn a_row_that_is_asked_something_else_is_unknown_until_its_next_probe_and_says_so() {
    let world = World::start().await;
    let before = world.settled().await;
    // Far longer until its next beat than the scrape takes.
    let other = world.yaml(&[KEPT]).replace("interval: 100ms", "interval: 10m\n    path: /other");
    world.config.write(&other);
    assert_eq!(world.exporter.reload().await.status, 200);
    let unknown =
        |scrape: &Scrape| scrape.sum("backend_health_transitions_total", &[("server", KEPT), ("to", "unknown")]) >= 1.0;
    let after = world.exporter.scrape().await;
    assert!(unknown(&after), "{}", after.rows());
    assert!(probes(&after, KEPT) >= probes(&before, KEPT), "counters go on: {}", after.rows());
    let healthy = |scrape: &Scrape| scrape.state(&[("server", KEPT)]).as_deref() == Some("healthy");
    world.exporter.scrape_until("it is Healthy again soon", healthy).await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_but_is_told() {
    let world = World::start().await;
    let exporter = &world.exporter;
    let good = world.yaml(&[KEPT, REMOVED]);
    let cases = [
        // (what is written, where and what the answer says)
        (good.replace("port:", "prot:"), "/backend_health.yml:9:5: ", "prot"),
        (good.replace("probe: quick", "probe: slow"), "/backend_health.yml:10:12: ", "slow"),
        (good.replace("interval: 100ms", "interval: 1ms"), "/backend_health.yml:4:15: ", "interval"),
        (good.replace("servers: [", "servers: [[["), "/backend_health.yml:14:", ""),
        (String::new(), "/backend_health.yml:", ""),
    ];
    for (broken, place, word) in cases {
        let before = world.settled().await;
        assert_eq!(gauge(&before), "1");
        let said = exporter.process.stderr().len();
        world.config.write(&broken);
        let reply = exporter.reload().await;
        assert_eq!(reply.status, 500, "{broken}");
        assert!(reply.body.contains(place) && reply.body.contains(word), "{place} {word}: {}", reply.body);

        let after = exporter.scrape().await;
        assert_eq!(gauge(&after), "0");
        assert!(is(
            after.value("backend_health_exporter_config_last_reload_success_timestamp_seconds", &[]),
            before.value("backend_health_exporter_config_last_reload_success_timestamp_seconds", &[])
        ));
        assert_never_lower(&before, &after);
        assert_eq!(exporter.get("/-/ready").await.status, 200);
        assert_eq!(exporter.get("/-/healthy").await.status, 200);
        let lines = exporter.process.stderr().split_off(said);
        let errors: Vec<_> = lines.iter().filter(|line| line.contains("level=error")).collect();
        assert!(errors.iter().any(|line| line.contains(place)), "{place} in {lines:#?}");
        exporter
            .scrape_until("the rows go on", |scrape| {
                [KEPT, REMOVED].iter().all(|server| probes(scrape, server) >= probes(&after, server) + 3.0)
            })
            .await;

        world.config.write(&good);
        exporter.process.signal(Signal::SIGHUP);
        let mended = exporter.scrape_until("SIGHUP takes the mended file", |scrape| gauge(scrape) == "1").await;
        assert_never_lower(&after, &mended);
    }
}

#[tokio::test]
async fn a_hangup_at_the_first_moment_is_a_reload_and_not_the_end() {
    // A file that takes a while to load; nobody listens on its servers.
    let servers: Vec<String> = (0..10_000).map(|number| format!("127.40.{}.{}", number / 250, number % 250)).collect();
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let config = ConfigFile::new(&yaml(1, &servers).replace("interval: 100ms", "interval: 1h"));
    let mut process = Process::spawn(Command::new(BINARY).args([
        "--config.file",
        text(&config.path),
        "--web.listen-address",
        "127.0.0.1:0",
    ]));
    let deadline = Instant::now() + DEADLINE;
    while !process.catches(Signal::SIGTERM) || !process.catches(Signal::SIGHUP) {
        assert!(Instant::now() < deadline, "it never catches signals: {:?}", process.stderr());
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(process.stderr(), [""; 0], "until now a hangup would have ended it");
    process.signal(Signal::SIGHUP);
    process.said("that it reads the file again", |line| line.contains("SIGHUP").then_some(())).await;
    process.signal(Signal::SIGTERM);
    let ended = process.ended(DEADLINE).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn a_broken_file_stays_told_when_a_certificate_changes_meanwhile() {
    let (pki, backend) = (Pki::new().unwrap(), Backend::start([127, 0, 0, 1].into(), Behaviour::Refused).unwrap());
    let yaml = format!(
        "backend_settings:\n  - name: secure\n    protocol: https\n    port: {}\n\
         \x20   trusted_root_certificates: [root.pem]\n\
         backend_pools: [{{name: web, settings: [secure], servers: [127.0.0.1]}}]\n",
        backend.address().port()
    );
    let config = ConfigFile::new("");
    config.write_beside("root.pem", pki.root.pem());
    config.write(&yaml);
    let exporter = Exporter::run(&config.path).await;
    config.write("broken");
    assert_eq!(exporter.reload().await.status, 500);
    let loaded =
        |scrape: &Scrape| scrape.value("backend_health_exporter_config_last_reload_success_timestamp_seconds", &[]);
    let before = exporter.scrape().await;
    config.write_beside("root.pem", pki.strange_root.pem());
    let taken = |scrape: &Scrape| loaded(scrape) > loaded(&before);
    let after = exporter.scrape_until("the certificate is taken into use", taken).await;
    assert_eq!(gauge(&after), "0", "the file on disk is still broken");
    config.write(&yaml);
    assert_eq!(exporter.reload().await.status, 200);
    assert_eq!(gauge(&exporter.scrape().await), "1");
}

#[tokio::test]
async fn a_reload_between_a_certificate_and_its_key_is_made_up_for_when_the_key_comes() {
    let pki = Pki::new().unwrap();
    let [old, new] = [(); 2].map(|()| pki.root.issue(&Profile::client("us")).unwrap());
    let yaml = |servers: &str| {
        format!(
            "backend_settings:\n  - name: secure\n    protocol: https\n    port: 1\n\
             \x20   client_certificate: {{certificate: us.pem, private_key: us.key}}\n\
             backend_pools: [{{name: web, settings: [secure], servers: [{servers}]}}]\n"
        )
    };
    let config = ConfigFile::new(&yaml("127.0.0.1"));
    config.write_beside("us.pem", old.pem());
    config.write_beside("us.key", old.key_pem());
    let exporter = Exporter::run(&config.path).await;
    config.write_beside("us.pem", new.pem());
    config.write(&yaml("127.0.0.1, 127.0.0.2"));
    assert_eq!(exporter.reload().await.status, 500);
    assert_eq!(gauge(&exporter.scrape().await), "0");
    config.write_beside("us.key", new.key_pem());
    let taken = |scrape: &Scrape| gauge(scrape) == "1" && scrape.samples("backend_health_state", &[]).len() == 2 * 3;
    exporter.scrape_until("what was asked for is in use", taken).await;
}

#[tokio::test]
async fn a_web_configuration_that_is_refused_is_told_by_a_gauge_of_its_own() {
    let config = ConfigFile::new(&yaml(1, &[KEPT]));
    let web = config.write_beside("web.yml", "");
    let exporter = Exporter::start(&["--config.file", text(&config.path), "--web.config.file", text(&web)]).await;
    let of_web =
        |scrape: &Scrape| scrape.value("backend_health_exporter_web_config_last_reload_successful", &[]).to_string();
    assert_eq!(of_web(&exporter.scrape().await), "1");
    for (content, successful) in [("nonsense: 1\n", "0"), ("# right again\n", "1")] {
        config.write_beside("web.yml", content);
        let scrape = exporter.scrape_until(successful, |scrape| of_web(scrape) == successful).await;
        assert_eq!(gauge(&scrape), "1", "nothing is wrong with the other file");
    }
}

#[tokio::test]
async fn a_named_certificate_is_taken_into_use_when_its_content_changes() {
    let pki = Pki::new().unwrap();
    let tls = ServerTls::new(&pki.identity(Chain::Good, "app.lab.test").unwrap()).unwrap();
    let secure = Backend::start([127, 0, 0, 1].into(), Service::tls(&tls, http::ok())).unwrap();
    let plain = Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap();
    let mut yaml = String::from("probes:\n");
    for protocol in ["http", "https"] {
        writeln!(yaml, "  - {{name: {protocol}, protocol: {protocol}, interval: 100ms, timeout: 20s}}").unwrap();
    }
    write!(
        yaml,
        "backend_settings:\n\
         \x20 - {{name: plain, protocol: http, port: {}, probe: http}}\n\
         \x20 - name: secure\n    protocol: https\n    port: {}\n    probe: https\n    host_name: app.lab.test\n\
         \x20   trusted_root_certificates: [root.pem]\n\
         backend_pools: [{{name: web, settings: [plain, secure], servers: [127.0.0.1]}}]\n",
        plain.address().port(),
        secure.address().port()
    )
    .unwrap();
    let config = ConfigFile::new("");
    config.write_beside("root.pem", pki.strange_root.pem());
    config.write(&yaml);
    let exporter = Exporter::run(&config.path).await;
    let row = [("setting", "secure")];
    let shows = |scrape: &Scrape, state: &str| scrape.state(&row).as_deref() == Some(state);
    let unhealthy = exporter.scrape_until("the old root does not fit", |scrape| shows(scrape, "unhealthy")).await;
    assert_eq!(unhealthy.cause(&row).as_deref(), Some("cert_issuer_mismatch"));

    // (the file's new content, what comes of it)
    let changes = [
        (pki.root.pem(), "healthy", "1"),
        ("no certificate at all\n".to_owned(), "healthy", "0"),
        (pki.root.pem(), "healthy", "1"),
        (pki.strange_root.pem(), "unhealthy", "1"),
    ];
    let mut before = unhealthy;
    for (content, state, successful) in changes {
        config.write_beside("root.pem", content);
        let written = Instant::now();
        let after = exporter
            .scrape_until(&format!("{state} and {successful}"), |scrape| {
                shows(scrape, state) && gauge(scrape) == successful
            })
            .await;
        // About 10 s; the rest is for a busy machine.
        assert!(written.elapsed() < Duration::from_secs(20), "{:?}", written.elapsed());
        assert_eq!(after.state(&[("setting", "plain")]).as_deref(), Some("healthy"));
        let others = |scrape: &Scrape| scrape.value("backend_health_probes_total", &[("setting", "plain")]);
        assert!(others(&after) > others(&before), "rows that have nothing to do with the file go on");
        assert_eq!(exporter.get("/-/ready").await.status, 200);
        before = after;
    }
}

/// Compares every counter of the kept row, the pool and the exporter.
fn assert_never_lower(before: &Scrape, after: &Scrape) {
    let names = [
        "backend_health_probes_total",
        "backend_health_probe_failures_total",
        "backend_health_transitions_total",
        "backend_health_pool_probe_failures_total",
        "backend_health_probe_latency_seconds_bucket",
        "backend_health_probe_latency_seconds_count",
        "backend_health_probe_latency_seconds_sum",
        "backend_health_exporter_probe_start_delay_seconds_count",
        "backend_health_exporter_probes_skipped_total",
    ];
    let mut compared = 0;
    for name in names {
        for sample in before.samples(name, &[]) {
            // A row that went and came is a new one.
            if sample.label("server").is_some_and(|server| server != KEPT) {
                continue;
            }
            let labels: Vec<_> = sample.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let now = after.value(name, &labels);
            assert!(now >= sample.value, "{sample:?} fell to {now}");
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} counters were there");
}

fn gauge(scrape: &Scrape) -> String {
    scrape.value("backend_health_exporter_config_last_reload_successful", &[]).to_string()
}

fn probes(scrape: &Scrape, server: &str) -> f64 {
    scrape.get("backend_health_probes_total", &[("server", server)]).unwrap_or_default()
}

const KEPT: &str = "127.31.0.1";
const REMOVED: &str = "127.31.0.2";
const ADDED: &str = "127.31.0.3";
