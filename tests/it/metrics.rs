//! `/metrics` as a monitoring system reads it: names, labels, absences, both formats.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::health::{LatencyHistogram, PoolTotals, Presented, Row, Snapshot, State};
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{Case, Cause, PresentedChain, Role, TlsSession, Words};
use backend_health_exporter::view::exposition::Format;
use backend_health_exporter::view::metrics;
use backend_health_exporter::view::metrics::{DelayHistogram, ExporterNumbers, ProcessNumbers, ReloadOutcome};
use backend_health_exporter::view::remedy::Remedy;

use crate::exposition::{Family, Sample};
use crate::{exposition, sample};

const ODD: &str = "a \"quoted\" \\ back\\slash\nnew line\ttab <script>alert(1)</script> 'ü' 🦀 {x=\"y\"} # HELP x y\r";

fn numbers() -> ExporterNumbers {
    ExporterNumbers {
        version: "0.1.0",
        revision: "0123abc",
        config_last_reload: ReloadOutcome::Successful,
        config_last_reload_success: Some(sample::now() - Duration::from_hours(2)),
        web_config_last_reload: ReloadOutcome::Successful,
        probes_in_flight: 7,
        probe_start_delay: DelayHistogram {
            bounds: &[0.001, 0.01, 0.1],
            counts: vec![5, 3, 0, 1],
            sum: Duration::from_millis(250),
        },
        probes_skipped: 2,
        log_lines_dropped: 3,
        on_demand: vec![("probe", "begun", 4), ("troubleshoot", "busy", 1)],
        process: Some(ProcessNumbers {
            cpu: Duration::from_millis(1_500),
            resident_memory_bytes: 9_000_000,
            virtual_memory_bytes: 90_000_000,
            open_fds: Some(12),
            max_fds: Some(1_024),
            start_time: Some(sample::now() - Duration::from_hours(2)),
        }),
    }
}

pub(crate) fn rendered(snapshot: &Arc<Snapshot>, format: Format) -> String {
    let mut out = String::new();
    metrics::render(snapshot, &numbers(), format, &mut out).expect("a String takes everything");
    out
}

/// The samples of one family in the format 0.0.4; none when the family is absent.
fn samples(snapshot: &Arc<Snapshot>, name: &str) -> Vec<Sample> {
    let families = exposition::read(&rendered(snapshot, Format::Text), Format::Text);
    families.into_iter().find(|family| family.name == name).map_or_else(Vec::new, |family| family.samples)
}

/// The samples of one family as `label=value,... number`, without the labels of `row`.
fn lines(snapshot: &Arc<Snapshot>, name: &str) -> Vec<String> {
    let of_the_row = ["pool", "setting", "server", "port", "protocol"];
    let line = |sample: &Sample| {
        let own = sample.labels.iter().filter(|(key, _)| !of_the_row.contains(&key.as_str()));
        let labels: Vec<_> = own.map(|(key, value)| format!("{key}={value}")).collect();
        format!("{} {}", labels.join(","), sample.value).trim_start().to_owned()
    };
    samples(snapshot, name).iter().map(line).collect()
}

fn presented(at: SystemTime, chain: Arc<PresentedChain>) -> Presented {
    Presented { at, chain, session: Some(sample::SESSION), verified: true }
}

/// The row, of a pool that should have so many servers.
fn of_a_pool_of(least: u32, row: Row) -> Row {
    Row { target: Arc::new(Target { min_servers: Some(least), ..Target::clone(&row.target) }), ..row }
}

/// Every kind of row, every optional value present, texts as odd as they can be.
pub(crate) fn full_snapshot() -> Arc<Snapshot> {
    let detail = "said <b>no</b>";
    let rows = vec![
        of_a_pool_of(2, sample::healthy_row("web", "http-80", "10.0.0.4", Protocol::Http)),
        sample::unhealthy_row("web", "http-80", "10.0.0.5", Protocol::Http, Cause::HttpStatusMismatch, detail),
        Row {
            presented: Some(presented(sample::now(), sample::chain(&format!("CN={ODD}"), 3))),
            ..sample::unhealthy_row(ODD, ODD, "2001:db8::7", Protocol::Https, Cause::CertExpired, detail)
        },
        sample::healthy_row("db", "tcp-5432", "db.example.com", Protocol::Tcp),
        Row {
            presented: Some(presented(sample::now(), sample::chain("CN=mq", 1))),
            ..sample::healthy_row("mq", "tls-5671", "mq.example.com", Protocol::Tls)
        },
        sample::new_row("mq", "tls-5671", "mq2.example.com", Protocol::Tls),
    ];
    sample::snapshot(rows)
}

#[test]
fn every_metric_of_the_contract_has_its_type_and_its_labels_in_order() {
    const ROW: &str = "pool setting server port protocol";
    const EXPECTED: &[(&str, &str, &str)] = &[
        ("backend_health_state", "gauge", "ROW state"),
        ("backend_health_cause_info", "gauge", "ROW cause stage side"),
        ("backend_health_probes_total", "counter", "ROW"),
        ("backend_health_tls_errors_total", "counter", "ROW cause"),
        ("backend_health_probe_failures_total", "counter", "ROW cause"),
        ("backend_health_consecutive_failures", "gauge", "ROW"),
        ("backend_health_transitions_total", "counter", "ROW to"),
        ("backend_health_probe_duration_seconds", "gauge", "ROW"),
        ("backend_health_probe_phase_duration_seconds", "gauge", "ROW phase"),
        ("backend_health_http_status_code", "gauge", "ROW"),
        ("backend_health_last_probe_timestamp_seconds", "gauge", "ROW"),
        ("backend_health_last_transition_timestamp_seconds", "gauge", "ROW"),
        ("backend_health_certificate_not_after_timestamp_seconds", "gauge", "ROW position role on_path"),
        ("backend_health_certificate_not_before_timestamp_seconds", "gauge", "ROW position role on_path"),
        ("backend_health_certificate_info", "gauge", "ROW subject issuer serial fingerprint_sha256"),
        ("backend_health_tls_info", "gauge", "ROW version cipher"),
        ("backend_health_pool_servers", "gauge", "pool setting state"),
        ("backend_health_pool_probe_failures_total", "counter", "pool setting cause"),
        ("backend_health_pool_min_servers", "gauge", "pool"),
        ("backend_health_cause_help_info", "gauge", "cause stage side title remedy"),
        ("backend_health_probe_latency_seconds", "histogram", "pool setting"),
        ("backend_health_exporter_build_info", "gauge", "version revision"),
        ("backend_health_exporter_config_last_reload_successful", "gauge", ""),
        ("backend_health_exporter_config_last_reload_success_timestamp_seconds", "gauge", ""),
        ("backend_health_exporter_web_config_last_reload_successful", "gauge", ""),
        ("backend_health_exporter_probes_in_flight", "gauge", ""),
        ("backend_health_exporter_probe_start_delay_seconds", "histogram", ""),
        ("backend_health_exporter_probes_skipped_total", "counter", ""),
        ("backend_health_exporter_log_lines_dropped_total", "counter", ""),
        ("backend_health_exporter_on_demand_total", "counter", "what outcome"),
        ("process_cpu_seconds_total", "counter", ""),
        ("process_resident_memory_bytes", "gauge", ""),
        ("process_virtual_memory_bytes", "gauge", ""),
        ("process_open_fds", "gauge", ""),
        ("process_max_fds", "gauge", ""),
        ("process_start_time_seconds", "gauge", ""),
    ];
    let snapshot = full_snapshot();
    let families = exposition::read(&rendered(&snapshot, Format::Text), Format::Text);
    let found: BTreeMap<_, _> = families.iter().map(|family| (family.name.as_str(), family)).collect();
    for (name, kind, labels) in EXPECTED {
        let Family { kind: found_kind, samples, help, .. } = found.get(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(found_kind, kind, "{name}");
        assert!(help.len() > 20 && help.ends_with('.'), "{name}: {help}");
        for sample in samples {
            let keys = sample.labels.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "le");
            let expected = labels.replace("ROW", ROW);
            assert!(keys.eq(expected.split_whitespace()), "{sample:?}");
        }
    }
    assert_eq!(found.len(), EXPECTED.len(), "a metric is missing from this table: {:?}", found.keys());
}

#[test]
fn both_formats_hold_the_same_samples_and_odd_texts_survive_both() {
    let snapshot = full_snapshot();
    let read = |format| exposition::read(&rendered(&snapshot, format), format);
    let all = |families: Vec<Family>| families.into_iter().flat_map(|family| family.samples).collect::<Vec<_>>();
    let (open_metrics, text) = (all(read(Format::OpenMetrics)), all(read(Format::Text)));
    assert_eq!(open_metrics, text);
    let states = samples(&snapshot, "backend_health_state");
    assert!(states.iter().any(|sample| sample.label("pool") == Some(ODD) && sample.label("setting") == Some(ODD)));
    let infos = samples(&snapshot, "backend_health_certificate_info");
    assert!(infos.iter().any(|sample| sample.label("subject") == Some(&format!("CN={ODD}"))));
}

#[test]
fn a_row_is_in_exactly_one_of_three_states() {
    fn check(state: State, expected: [&str; 3]) {
        let row = Row { state, ..sample::healthy_row("p", "s", "a", Protocol::Tcp) };
        assert_eq!(lines(&sample::snapshot(vec![row]), "backend_health_state"), expected);
    }
    check(State::Healthy, ["state=healthy 1", "state=unhealthy 0", "state=unknown 0"]);
    check(State::Unhealthy, ["state=healthy 0", "state=unhealthy 1", "state=unknown 0"]);
    check(State::Unknown, ["state=healthy 0", "state=unhealthy 0", "state=unknown 1"]);
}

#[test]
fn a_row_that_was_never_probed_shows_only_what_is_known() {
    let snapshot = sample::snapshot(vec![sample::new_row("p", "s", "a", Protocol::Https)]);
    assert_eq!(lines(&snapshot, "backend_health_cause_info"), ["cause=not_probed_yet,stage=local,side=exporter 1"]);
    assert_eq!(lines(&snapshot, "backend_health_probes_total"), ["0"]);
    assert_eq!(
        lines(&snapshot, "backend_health_transitions_total"),
        ["to=healthy 0", "to=unhealthy 0", "to=unknown 0"]
    );
    for absent in [
        "backend_health_tls_errors_total",
        "backend_health_probe_failures_total",
        "backend_health_probe_duration_seconds",
        "backend_health_probe_phase_duration_seconds",
        "backend_health_http_status_code",
        "backend_health_last_probe_timestamp_seconds",
        "backend_health_last_transition_timestamp_seconds",
        "backend_health_certificate_not_after_timestamp_seconds",
        "backend_health_certificate_not_before_timestamp_seconds",
        "backend_health_certificate_info",
        "backend_health_tls_info",
    ] {
        assert_eq!(samples(&snapshot, absent), [], "{absent}");
    }
}

#[test]
fn a_success_leaves_no_cause() {
    let snapshot = sample::snapshot(vec![sample::healthy_row("p", "s", "a", Protocol::Tcp)]);
    assert_eq!(samples(&snapshot, "backend_health_cause_info"), []);
}

#[test]
fn failures_are_counted_by_cause_and_those_of_tls_once_more() {
    let row = Row {
        failures: vec![
            (Cause::LocalExhausted, 4),
            (Cause::CertExpired, 2),
            (Cause::TlsTimeout, 1),
            (Cause::TcpReset, 9),
        ],
        ..sample::unhealthy_row("p", "s", "a", Protocol::Tls, Cause::CertExpired, "")
    };
    let snapshot = sample::snapshot(vec![row]);
    assert_eq!(
        lines(&snapshot, "backend_health_probe_failures_total"),
        ["cause=local_exhausted 4", "cause=cert_expired 2", "cause=tls_timeout 1", "cause=tcp_reset 9"]
    );
    assert_eq!(lines(&snapshot, "backend_health_tls_errors_total"), ["cause=cert_expired 2", "cause=tls_timeout 1"]);
}

#[test]
fn a_protocol_has_the_phases_that_it_goes_through() {
    fn check(protocol: Protocol, expected: &[&str]) {
        let snapshot = sample::snapshot(vec![sample::healthy_row("p", "s", "a", protocol)]);
        assert_eq!(lines(&snapshot, "backend_health_probe_phase_duration_seconds"), expected, "{protocol}");
    }
    check(Protocol::Tcp, &["phase=dns 0", "phase=connect 0.0012"]);
    check(Protocol::Tls, &["phase=dns 0", "phase=connect 0.0012", "phase=tls 0.003"]);
    check(Protocol::Http, &["phase=dns 0", "phase=connect 0.0012", "phase=first_byte 0.01", "phase=transfer 0.001"]);
    check(
        Protocol::Https,
        &["phase=dns 0", "phase=connect 0.0012", "phase=tls 0.003", "phase=first_byte 0.01", "phase=transfer 0.001"],
    );
}

#[test]
fn the_status_code_is_that_of_the_latest_response_or_zero_and_only_where_http_is_spoken() {
    fn check(row: Row, expected: &[&str]) {
        assert_eq!(lines(&sample::snapshot(vec![row]), "backend_health_http_status_code"), expected);
    }
    check(sample::healthy_row("p", "s", "a", Protocol::Https), &["200"]);
    check(sample::unhealthy_row("p", "s", "a", Protocol::Http, Cause::TcpRefused, ""), &["0"]);
    check(sample::healthy_row("p", "s", "a", Protocol::Tls), &[]);
}

#[test]
fn timestamps_are_seconds_since_1970_with_milliseconds() {
    let snapshot = sample::snapshot(vec![sample::healthy_row("p", "s", "a", Protocol::Tcp)]);
    let text = rendered(&snapshot, Format::Text);
    let line = text.lines().find(|line| line.starts_with("backend_health_last_probe_timestamp_seconds{"));
    assert!(line.is_some_and(|line| line.ends_with("} 1795317112.75")), "{line:?}");
}

#[test]
fn certificates_are_shown_for_a_day_after_they_were_last_seen() {
    fn check(seen: SystemTime, expected: usize) {
        let row = Row {
            presented: Some(presented(seen, sample::chain("CN=a", 2))),
            ..sample::unhealthy_row("p", "s", "a", Protocol::Tls, Cause::TcpTimeout, "")
        };
        let snapshot = sample::snapshot(vec![row]);
        assert_eq!(samples(&snapshot, "backend_health_certificate_not_after_timestamp_seconds").len(), 2 * expected);
        assert_eq!(samples(&snapshot, "backend_health_certificate_not_before_timestamp_seconds").len(), 2 * expected);
        assert_eq!(samples(&snapshot, "backend_health_certificate_info").len(), expected);
        assert_eq!(samples(&snapshot, "backend_health_tls_info").len(), expected);
    }
    let day = Duration::from_hours(24);
    check(sample::now(), 1);
    check(sample::now() + Duration::from_secs(1), 1);
    check(sample::now() - day, 1);
    check(sample::now() - day - Duration::from_millis(1), 0);
}

#[test]
fn ten_certificates_of_a_chain_are_shown_by_position_and_role() {
    let row = Row {
        presented: Some(presented(sample::now(), sample::chain("CN=a", 12))),
        ..sample::healthy_row("p", "s", "a", Protocol::Tls)
    };
    let shown = samples(&sample::snapshot(vec![row]), "backend_health_certificate_not_after_timestamp_seconds");
    let positions = shown.iter().map(|sample| sample.label("position").expect("it has a position").to_owned());
    assert!(positions.eq((0..10).map(|position: usize| position.to_string())));
    assert_eq!(shown[0].label("role"), Some("leaf"));
    assert_eq!(shown[1].label("role"), Some("intermediate"));
}

#[test]
fn certificate_info_is_about_the_leaf_wherever_it_stands() {
    fn check(roles: &[Role], expected: &[&str]) {
        let mut chain = PresentedChain::clone(&sample::chain("", roles.len()));
        for ((position, certificate), role) in chain.certificates.iter_mut().enumerate().zip(roles) {
            (certificate.role, certificate.subject) = (*role, format!("CN={position}"));
        }
        let row = Row {
            presented: Some(presented(sample::now(), Arc::new(chain))),
            ..sample::healthy_row("p", "s", "a", Protocol::Tls)
        };
        let infos = samples(&sample::snapshot(vec![row]), "backend_health_certificate_info");
        let subjects = infos.iter().map(|sample| sample.label("subject").expect("it has a subject"));
        assert!(subjects.eq(expected.iter().copied()), "{infos:?}");
    }
    check(&[Role::Leaf, Role::Intermediate], &["CN=0"]);
    check(&[Role::Intermediate, Role::Leaf], &["CN=1"]);
    check(&[Role::Leaf, Role::Leaf], &["CN=0"]);
    check(&[Role::Intermediate, Role::Root], &[]);
    check(&[], &[]);
}

#[test]
fn the_handshake_shown_is_that_of_the_latest_probe_that_had_one() {
    let older = TlsSession { version: "TLS 1.2", cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" };
    let check = |row: Row, expected: &str| {
        let row = Row {
            presented: Some(Presented { session: Some(older), ..row.presented.clone().expect("it is set") }),
            ..row
        };
        assert_eq!(lines(&sample::snapshot(vec![row]), "backend_health_tls_info"), [expected]);
    };
    let seen = Some(presented(sample::now() - Duration::from_hours(3), sample::chain("CN=a", 1)));
    check(
        Row { presented: seen.clone(), ..sample::healthy_row("p", "s", "a", Protocol::Tls) },
        "version=TLS 1.3,cipher=TLS_AES_128_GCM_SHA256 1",
    );
    check(
        Row { presented: seen, ..sample::unhealthy_row("p", "s", "a", Protocol::Tls, Cause::TcpTimeout, "") },
        "version=TLS 1.2,cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 1",
    );
}

#[test]
fn a_pool_counts_its_servers_by_state_zeros_too() {
    let mut snapshot = Snapshot::clone(&sample::snapshot(vec![
        sample::healthy_row("web", "a", "1", Protocol::Tcp),
        sample::healthy_row("web", "b", "1", Protocol::Tcp),
        sample::healthy_row("web", "a", "2", Protocol::Tcp),
        sample::unhealthy_row("web", "a", "3", Protocol::Tcp, Cause::TcpRefused, ""),
    ]));
    let empty = PoolTotals { pool: "empty".into(), ..PoolTotals::clone(&snapshot.pools[0]) };
    snapshot.pools.push(Arc::new(empty));
    let counted = samples(&Arc::new(snapshot), "backend_health_pool_servers");
    let found: Vec<_> = counted
        .iter()
        .map(|sample| {
            let label = |key| sample.label(key).unwrap_or_default();
            format!("{} {} {} {}", label("pool"), label("setting"), label("state"), sample.value)
        })
        .collect();
    assert_eq!(
        found,
        [
            "web a healthy 2",
            "web a unhealthy 1",
            "web a unknown 0",
            "web b healthy 1",
            "web b unhealthy 0",
            "web b unknown 0",
            "empty a healthy 0",
            "empty a unhealthy 0",
            "empty a unknown 0",
        ]
    );
}

#[test]
fn a_pool_counts_every_cause_that_its_protocol_can_have_from_zero_on() {
    let snapshot = sample::snapshot(vec![sample::healthy_row("p", "s", "a", Protocol::Tcp)]);
    let possible = Cause::ALL.iter().filter(|cause| cause.possible_for(Protocol::Tcp));
    let expected: Vec<_> = possible.map(|cause| format!("cause={cause} 0")).collect();
    assert!(expected.len() > 5);
    assert_eq!(lines(&snapshot, "backend_health_pool_probe_failures_total"), expected);
}

#[test]
fn latencies_are_a_cumulative_histogram_of_the_pool() {
    let mut snapshot = Snapshot::clone(&sample::snapshot(vec![sample::healthy_row("p", "s", "a", Protocol::Tcp)]));
    let mut counts = [0; 16];
    (counts[0], counts[2], counts[15]) = (3, 2, 1);
    Arc::make_mut(&mut snapshot.pools[0]).latency = LatencyHistogram { counts, sum: Duration::from_millis(70_250) };
    let found = samples(&Arc::new(snapshot), "backend_health_probe_latency_seconds");
    let value = |name: &str, bound: Option<&str>| {
        let wanted = |sample: &&Sample| sample.name.ends_with(name) && sample.label("le") == bound;
        found.iter().find(wanted).map(|sample| sample.value)
    };
    assert_eq!(value("_sum", None), Some(70.25));
    assert_eq!(value("_count", None), Some(6.0));
    assert_eq!(value("_bucket", Some("0.001")), Some(3.0));
    assert_eq!(value("_bucket", Some("0.0025")), Some(3.0));
    assert_eq!(value("_bucket", Some("0.005")), Some(5.0));
    assert_eq!(value("_bucket", Some("60.0")), Some(5.0));
    assert_eq!(value("_bucket", Some("+Inf")), Some(6.0));
    assert_eq!(found.len(), 16 + 2);
}

/// Joined on cause and side, which a row's cause has, one series must come, and its remedy must be that side's.
#[test]
fn every_cause_comes_with_its_words_for_each_side_that_it_can_have() {
    let help = samples(&sample::snapshot(Vec::new()), "backend_health_cause_help_info");
    let texts = Cause::ALL.iter().map(|cause| cause.words());
    let cases = Case::ALL.iter().map(|case| case.words());
    let of_causes = cases.filter(|words| Cause::ALL.iter().any(|cause| cause.code() == words.code));
    let all: Vec<&Words> = texts.chain(of_causes).collect();
    let keys: BTreeSet<(&str, &str)> = all.iter().map(|words| (words.code, words.side.as_str())).collect();
    assert_eq!(help.len(), keys.len());
    for words in all {
        let of_row = |sample: &&Sample| {
            sample.label("cause") == Some(words.code) && sample.label("side") == Some(words.side.as_str())
        };
        let found: Vec<&Sample> = help.iter().filter(of_row).collect();
        let [sample] = found.as_slice() else { panic!("{} of {words:?}", found.len()) };
        assert_eq!(sample.label("stage"), Some(words.stage.as_str()));
        assert_eq!(sample.label("title"), Some(words.title));
        let remedy = sample.label("remedy").expect("it says what to do");
        let is_of_the_table = Cause::ALL.iter().any(|cause| std::ptr::eq(cause.words(), words));
        let moves = Cause::ALL.iter().all(|cause| cause.code() != words.code || cause.side() != words.side);
        let step = Remedy::first_step_in_general(words).expect("its own side has a step");
        assert!(!(is_of_the_table || moves) || remedy.contains(&step), "{}: {remedy}", words.code);
        assert!(remedy.len() <= 500, "{}: {} bytes", words.code, remedy.len());
        assert!(!remedy.contains(['{', '}']) && !remedy.contains("``"), "{}: {remedy}", words.code);
    }
}

#[test]
fn the_exporter_tells_about_itself_what_it_knows() {
    let text = |numbers: &ExporterNumbers| {
        let mut out = String::new();
        metrics::render(&sample::snapshot(Vec::new()), numbers, Format::Text, &mut out).expect("a String takes all");
        exposition::read(&out, Format::Text);
        out
    };
    let all = text(&numbers());
    for line in [
        "backend_health_exporter_build_info{version=\"0.1.0\",revision=\"0123abc\"} 1\n",
        "backend_health_exporter_config_last_reload_successful 1\n",
        "backend_health_exporter_config_last_reload_success_timestamp_seconds 1795309925.0\n",
        "backend_health_exporter_web_config_last_reload_successful 1\n",
        "backend_health_exporter_probes_in_flight 7\n",
        "backend_health_exporter_probe_start_delay_seconds_bucket{le=\"0.01\"} 8\n",
        "backend_health_exporter_probe_start_delay_seconds_bucket{le=\"+Inf\"} 9\n",
        "backend_health_exporter_probe_start_delay_seconds_count 9\n",
        "backend_health_exporter_probe_start_delay_seconds_sum 0.25\n",
        "backend_health_exporter_probes_skipped_total 2\n",
        "backend_health_exporter_log_lines_dropped_total 3\n",
        "process_cpu_seconds_total 1.5\n",
        "process_resident_memory_bytes 9000000\n",
        "process_virtual_memory_bytes 90000000\n",
        "process_open_fds 12\n",
        "process_max_fds 1024\n",
        "process_start_time_seconds 1795309925.0\n",
    ] {
        assert!(all.contains(&format!("\n{line}")), "{line}");
    }
    let fresh = ExporterNumbers {
        config_last_reload: ReloadOutcome::Failed,
        config_last_reload_success: None,
        web_config_last_reload: ReloadOutcome::Failed,
        probe_start_delay: DelayHistogram { bounds: &[0.001], ..DelayHistogram::default() },
        process: None,
        ..numbers()
    };
    let little = text(&fresh);
    assert!(little.contains("backend_health_exporter_config_last_reload_successful 0\n"));
    assert!(little.contains("backend_health_exporter_web_config_last_reload_successful 0\n"));
    assert!(little.contains("backend_health_exporter_probe_start_delay_seconds_bucket{le=\"+Inf\"} 0\n"));
    assert!(!little.contains("reload_success_timestamp") && !little.contains("\nprocess_"));
}

#[test]
fn the_text_is_written_in_small_pieces_and_an_error_stops_it() {
    struct Narrow {
        room: usize,
        largest: usize,
    }
    impl fmt::Write for Narrow {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.largest = self.largest.max(text.len());
            self.room = self.room.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let rows = (0..100).map(|number| sample::healthy_row("p", "s", &number.to_string(), Protocol::Https));
    let snapshot = sample::snapshot(rows.collect());
    for format in [Format::OpenMetrics, Format::Text] {
        let whole = rendered(&snapshot, format).len();
        let mut enough = Narrow { room: whole, largest: 0 };
        assert!(metrics::render(&snapshot, &numbers(), format, &mut enough).is_ok());
        assert!(enough.room == 0 && enough.largest <= 16_384, "{} bytes at once of {whole}", enough.largest);
        let mut narrow = Narrow { room: whole / 2, largest: 0 };
        assert!(metrics::render(&snapshot, &numbers(), format, &mut narrow).is_err());
    }
}

/// Prometheus' own checker. Where it is not installed the reader above has to do.
#[test]
fn promtool_has_no_complaint() {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        eprintln!("promtool is not installed, nothing was checked");
        return;
    };
    let mut input = promtool.stdin.take().expect("the input is piped");
    input.write_all(rendered(&full_snapshot(), Format::Text).as_bytes()).expect("promtool reads its input");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
