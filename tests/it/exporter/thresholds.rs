//! Failures below and at the threshold, as one sees them from outside.

use std::time::SystemTime;

use backend_health_exporter::lab::{Backend, Behaviour, http};
use tokio::time::{Instant, sleep};

use super::scrape::{Scrape, is};
use super::{ConfigFile, DEADLINE, Exporter, PAUSE};

/// One backend and the exporter that probes it.
struct Flipped {
    backend: Backend,
    exporter: Exporter,
    _config: ConfigFile,
}

impl Flipped {
    async fn start(behaviour: impl Into<Behaviour>) -> Self {
        let backend = Backend::start([127, 0, 0, 1].into(), behaviour).expect("a backend starts");
        // The streak takes two seconds to reach the threshold, in which many scrapes see it grow. The timeout is far
        // longer than any probe takes, however busy this host is.
        let config = ConfigFile::new(&format!(
            "probes: [{{name: quick, protocol: http, interval: 100ms, timeout: 20s, unhealthy_threshold: {THRESHOLD}}}]\n\
             backend_settings: [{{name: http, protocol: http, port: {}, probe: quick}}]\n\
             backend_pools: [{{name: web, settings: [http], servers: [127.0.0.1]}}]\n",
            backend.address().port()
        ));
        let exporter = Exporter::run(&config.path).await;
        Self { backend, exporter, _config: config }
    }

    fn set(&self, behaviour: impl Into<Behaviour>) {
        self.backend.set(behaviour).expect("the port is free for this backend");
    }

    /// Every scrape up to the one in which this holds, that one included.
    async fn scrapes_until(&self, what: &str, holds: impl Fn(&Scrape) -> bool) -> Vec<Scrape> {
        let deadline = Instant::now() + DEADLINE;
        let mut scrapes = Vec::new();
        loop {
            let scrape = self.exporter.scrape().await;
            let over = holds(&scrape);
            assert!(over || Instant::now() < deadline, "never came true: {what}\n{}", scrape.rows());
            scrapes.push(scrape);
            if over {
                return scrapes;
            }
            sleep(PAUSE).await;
        }
    }
}

#[tokio::test]
async fn a_healthy_row_turns_unhealthy_at_the_threshold_and_healthy_by_one_success() {
    let broken: [(&str, Behaviour); 3] = [
        ("http_status_mismatch", http::status(503, "down\n").into()),
        ("tcp_refused", Behaviour::Refused),
        ("http_malformed", http::garbage().into()),
    ];
    for (cause, broken) in broken {
        let flipped = Flipped::start(http::ok()).await;
        let start = seconds_now();
        let healthy = flipped.exporter.scrape_until("the row is Healthy", |scrape| state(scrape) == "healthy").await;
        assert_eq!(transitions(&healthy), ["1", "0", "0"]);

        flipped.set(broken);
        let scrapes = flipped.scrapes_until("the row is Unhealthy", |scrape| state(scrape) == "unhealthy").await;
        let mut below = 0;
        for scrape in &scrapes {
            let failures = streak(scrape);
            let expected = if failures < THRESHOLD { "healthy" } else { "unhealthy" };
            assert_eq!(state(scrape), expected, "{}", scrape.rows());
            assert_eq!(scrape.cause(&[]).as_deref(), (failures > 0).then_some(cause), "{}", scrape.rows());
            assert_eq!(transitions(scrape)[1], u32::from(failures >= THRESHOLD).to_string());
            let counted =
                scrape.get("backend_health_probe_failures_total", &[("cause", cause), ("server", "127.0.0.1")]);
            assert_eq!(counted.unwrap_or_default().to_string(), failures.to_string());
            below += u32::from((1..THRESHOLD).contains(&failures));
        }
        assert!(below > 0, "no scrape of {} saw the streak below the threshold", scrapes.len());
        assert!(scrapes.windows(2).all(|pair| streak(&pair[0]) <= streak(&pair[1])), "the streak only grows");
        let unhealthy = scrapes.last().unwrap();

        flipped.set(http::ok());
        let successes_before = successes(unhealthy);
        let scrapes = flipped.scrapes_until("the row is Healthy again", |scrape| state(scrape) == "healthy").await;
        for scrape in &scrapes {
            let expected = if successes(scrape) > successes_before { "healthy" } else { "unhealthy" };
            assert_eq!(state(scrape), expected, "one success is enough: {}", scrape.rows());
        }
        let healed = scrapes.last().unwrap();
        assert_eq!((streak(healed), healed.cause(&[])), (0, None));
        assert_eq!(transitions(healed), ["2", "1", "0"]);

        let moments = [&healthy, unhealthy, healed].map(last_transition);
        assert!(start <= moments[0] && moments.windows(2).all(|pair| pair[0] < pair[1]), "{moments:?}");
        assert!(moments[2] <= seconds_now(), "{moments:?}");
        // The probe that changed the state had started before.
        assert!(last_probe(unhealthy) <= moments[1] || streak(unhealthy) > THRESHOLD, "{}", unhealthy.rows());
    }
}

#[tokio::test]
async fn a_streak_that_ends_below_the_threshold_changes_nothing() {
    let flipped = Flipped::start(http::ok()).await;
    let before = flipped.exporter.scrape_until("the row is Healthy", |scrape| state(scrape) == "healthy").await;
    for _ in 0..3 {
        flipped.set(http::status(500, "no\n"));
        flipped.exporter.scrape_until("some failures", |scrape| streak(scrape) >= 2).await;
        flipped.set(http::ok());
        flipped.exporter.scrape_until("no failures", |scrape| streak(scrape) == 0).await;
    }
    let after = flipped.exporter.scrape().await;
    assert_eq!(state(&after), "healthy");
    assert_eq!(transitions(&after), transitions(&before));
    assert!(is(last_transition(&after), last_transition(&before)));
    assert!(after.value("backend_health_probe_failures_total", &[("server", "127.0.0.1")]) >= 6.0);
}

#[tokio::test]
async fn a_new_row_is_unknown_until_its_first_probe_has_ended_which_decides() {
    let flipped = Flipped::start(http::silent()).await;
    let deadline = Instant::now() + DEADLINE;
    while flipped.backend.requests().is_empty() {
        assert!(Instant::now() < deadline, "the backend is never asked");
        sleep(PAUSE).await;
    }
    // The first probe is under way, and stays so as long as the backend is silent.
    let waiting = flipped.exporter.scrape().await;
    assert_eq!((state(&waiting), waiting.cause(&[])), ("unknown".to_owned(), Some("not_probed_yet".to_owned())));
    assert_eq!(waiting.get("backend_health_last_probe_timestamp_seconds", &[]), None);
    assert_eq!(waiting.get("backend_health_last_transition_timestamp_seconds", &[]), None);
    let reply = flipped.exporter.get("/-/ready").await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(flipped.exporter.get("/-/healthy").await.status, 200);
    flipped.set(Behaviour::Refused);
    let scrapes = flipped.scrapes_until("the first probe has ended", |scrape| streak(scrape) > 0).await;
    assert_eq!(state(scrapes.last().unwrap()), "unhealthy", "the first failure is enough");
    assert_eq!(transitions(scrapes.last().unwrap()), ["0", "1", "0"]);
    assert_eq!(flipped.exporter.get("/-/ready").await.status, 200);
}

fn state(scrape: &Scrape) -> String {
    scrape.state(&[]).expect("there is a row")
}

fn streak(scrape: &Scrape) -> u32 {
    let failures = scrape.value("backend_health_consecutive_failures", &[]);
    failures.to_string().parse().expect("a whole number")
}

/// To Healthy, Unhealthy and Unknown.
fn transitions(scrape: &Scrape) -> [String; 3] {
    ["healthy", "unhealthy", "unknown"]
        .map(|to| scrape.value("backend_health_transitions_total", &[("to", to)]).to_string())
}

fn successes(scrape: &Scrape) -> f64 {
    scrape.value("backend_health_probe_latency_seconds_count", &[])
}

fn last_transition(scrape: &Scrape) -> f64 {
    scrape.value("backend_health_last_transition_timestamp_seconds", &[])
}

fn last_probe(scrape: &Scrape) -> f64 {
    scrape.value("backend_health_last_probe_timestamp_seconds", &[])
}

/// With milliseconds, as the metrics have it.
fn seconds_now() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    (now.as_secs_f64() * 1000.0).floor() / 1000.0
}

const THRESHOLD: u32 = 20;
