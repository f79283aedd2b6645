//! `/metrics`: one snapshot of the rows and the exporter's own numbers, as metric families. A metric is added here,
//! where its name, its help and its samples stand together.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use crate::health::{LatencyHistogram, Presented, Row, Snapshot, State};
use crate::target::Target;
use crate::verdict::{PresentedCertificate, Role, Stage, TlsSession, Verdict};

use super::exposition;
use super::exposition::Format;
use super::family::{Buckets, Families};
use super::help;
use super::help::Help;
use super::labels::{PoolLabels, RowLabels, Text};
use crate::words::{age, seconds, unix_seconds};

pub use super::numbers::{DelayHistogram, ExporterNumbers, ProcessNumbers, ReloadOutcome};

/// Certificates are shown for so long after a probe last saw them.
const CERTIFICATES_SHOWN_FOR: Duration = Duration::from_hours(24);

/// Certificates further down a chain than this are not shown.
const MAX_CERTIFICATES: usize = 10;

/// Writes every metric to `out` while it is encoded, in many small pieces; the whole text is never held. The snapshot
/// is shared, not copied: a registry keeps only what it owns.
///
/// # Errors
/// When `out` fails.
pub fn render(
    snapshot: &Arc<Snapshot>,
    numbers: &ExporterNumbers,
    format: Format,
    out: &mut impl Write,
) -> fmt::Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { snapshot: Arc::clone(snapshot), numbers: numbers.clone() }));
    exposition::encode(&registry, format, out)
}

/// What one scrape shows.
#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    numbers: ExporterNumbers,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { snapshot, numbers } = self;
        let families = &mut Families::new(encoder);
        states(families, snapshot)?;
        failures(families, snapshot)?;
        latest_probes(families, snapshot)?;
        certificates(families, snapshot)?;
        pools(families, snapshot)?;
        causes(families)?;
        exporter(families, numbers)?;
        numbers.process.as_ref().map_or(Ok(()), |numbers| process(families, numbers))
    }
}

fn states(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { rows, .. } = snapshot;
    families.gauge(
        "backend_health_state",
        "Whether the server is healthy under this setting: 1 for the state that the row is in, 0 for the two others. \
         unknown means that the exporter cannot tell; it is never a guess about the server.",
        rows.iter().flat_map(|row| {
            State::ALL.map(|state| ((row_labels(row), [("state", state.label())]), u32::from(row.state == state)))
        }),
    )?;
    families.gauge(
        "backend_health_cause_info",
        "Always 1: why the latest probe failed (cause), where it showed (stage: local, dns, tcp, tls, http) and who \
         has to act (side: network, gateway for the settings here, server, exporter for this host). Absent while the \
         latest probe succeeded. backend_health_cause_help_info has the words for each cause.",
        rows.iter().filter_map(|row| {
            let words = row.cause.as_ref()?.words();
            let (stage, side) = (words.stage.as_str(), words.side.as_str());
            Some(((row_labels(row), [("cause", words.code), ("stage", stage), ("side", side)]), 1_u32))
        }),
    )?;
    families.gauge(
        "backend_health_consecutive_failures",
        "Failed probes in a row up to now; at the probe's unhealthy_threshold the row leaves Healthy. 0 after a \
         success.",
        rows.iter().map(|row| (row_labels(row), row.consecutive_failures)),
    )?;
    families.counter(
        "backend_health_transitions_total",
        "Changes of the row's state, by the state that it changed to. Fast growth means that the server flaps.",
        rows.iter().flat_map(|row| {
            State::ALL
                .into_iter()
                .zip(row.transitions)
                .map(|(state, count)| ((row_labels(row), [("to", state.label())]), count))
        }),
    )?;
    families.gauge(
        "backend_health_last_transition_timestamp_seconds",
        "When the row's state last changed, in seconds since 1970. Absent before the first change.",
        rows.iter().filter_map(|row| Some((row_labels(row), unix_seconds(row.last_transition?)))),
    )
}

fn failures(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { rows, .. } = snapshot;
    families.counter(
        "backend_health_probes_total",
        "Probes of this row that ended, whatever their result.",
        rows.iter().map(|row| (row_labels(row), row.probes)),
    )?;
    families.counter(
        "backend_health_probe_failures_total",
        "Failed probes by cause, and under a local cause those that gave no verdict because of trouble on the \
         exporter's own host. A series appears with its first failure.",
        rows.iter().flat_map(|row| {
            row.failures.iter().map(|(cause, count)| ((row_labels(row), [("cause", cause.code())]), *count))
        }),
    )?;
    families.counter(
        "backend_health_tls_errors_total",
        "Failed probes whose fault showed in the TLS handshake or in the certificates, by cause. A series appears \
         with its first failure.",
        rows.iter().flat_map(|row| {
            let tls = row.failures.iter().filter(|(cause, _)| cause.stage() == Stage::Tls);
            tls.map(|(cause, count)| ((row_labels(row), [("cause", cause.code())]), *count))
        }),
    )
}

fn latest_probes(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let probed = || snapshot.rows.iter().filter_map(|row| Some((row, row.last_probe.as_deref()?)));
    families.gauge(
        "backend_health_last_probe_timestamp_seconds",
        "When the latest probe that has ended was started, in seconds since 1970. Absent before the first has ended; \
         when it falls behind, the row is no longer probed.",
        probed().map(|(row, probe)| (row_labels(row), unix_seconds(probe.evidence.at))),
    )?;
    families.gauge(
        "backend_health_probe_duration_seconds",
        "How long the latest probe took as a whole, in seconds, successful or not. Absent before the first has ended.",
        probed().map(|(row, probe)| (row_labels(row), seconds(probe.evidence.duration))),
    )?;
    families.gauge(
        "backend_health_probe_phase_duration_seconds",
        "How long the parts of the latest probe took, in seconds: dns, connect, tls, first_byte (from the request to \
         the response's first byte) and transfer, as far as the protocol has them; 0 for a part that was not reached. \
         Absent before the first probe has ended.",
        probed().flat_map(|(row, probe)| {
            phases(&row.target, probe).map(move |(phase, took)| ((row_labels(row), [("phase", phase)]), seconds(took)))
        }),
    )?;
    families.gauge(
        "backend_health_http_status_code",
        "Status code of the latest probe's response, 0 when there was no response. Only for http and https; absent \
         before the first probe has ended.",
        probed().filter(|(row, _)| row.target.protocol().has(Stage::Http)).map(|(row, probe)| {
            (row_labels(row), probe.evidence.response.as_ref().map_or(0, |response| u32::from(response.status)))
        }),
    )?;
    families.gauge(
        "backend_health_tls_info",
        "Always 1: protocol version and cipher suite of the latest TLS handshake. Absent when no handshake came that \
         far within 24 hours.",
        snapshot.rows.iter().filter_map(|row| {
            let TlsSession { version, cipher } = latest_session(row, snapshot.at)?;
            Some(((row_labels(row), [("version", version), ("cipher", cipher)]), 1_u32))
        }),
    )
}

fn certificates(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let presented = || {
        let rows = snapshot.rows.iter();
        rows.filter_map(|row| Some((row, presented(row, snapshot.at)?.chain.certificates.as_slice())))
    };
    let dates = |date: fn(&PresentedCertificate) -> SystemTime| {
        presented().flat_map(move |(row, chain)| {
            chain.iter().enumerate().take(MAX_CERTIFICATES).map(move |(position, certificate)| {
                let on_path = if certificate.on_path { "true" } else { "false" };
                let labels = ([("position", position)], [("role", certificate.role.as_str()), ("on_path", on_path)]);
                ((row_labels(row), labels), unix_seconds(date(certificate)))
            })
        })
    };
    families.gauge(
        "backend_health_certificate_not_after_timestamp_seconds",
        "When a certificate that the server sent ends, in seconds since 1970, by its position in the chain as sent \
         (0 first, 9 at most), its role (leaf, intermediate, root), and whether the path that was accepted, or judged, \
         goes through it (on_path: true, false). Also when verification failed; absent when no probe saw certificates \
         for 24 hours.",
        dates(|certificate| certificate.not_after),
    )?;
    families.gauge(
        "backend_health_certificate_not_before_timestamp_seconds",
        "When a certificate that the server sent begins to be valid, in seconds since 1970; labels and absence as for \
         backend_health_certificate_not_after_timestamp_seconds.",
        dates(|certificate| certificate.not_before),
    )?;
    families.gauge(
        "backend_health_certificate_info",
        "Always 1: subject, issuer, serial number and SHA-256 fingerprint (hexadecimal) of the server's own \
         certificate, also when verification failed. Absent when no probe saw one for 24 hours.",
        presented().filter_map(|(row, chain)| {
            let leaf = chain.iter().take(MAX_CERTIFICATES).find(|certificate| certificate.role == Role::Leaf)?;
            let fields = [
                ("subject", Text(&leaf.subject)),
                ("issuer", Text(&leaf.issuer)),
                ("serial", Text(&leaf.serial)),
                ("fingerprint_sha256", Text(&leaf.fingerprint_sha256)),
            ];
            Some(((row_labels(row), fields), 1_u32))
        }),
    )
}

fn pools(families: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { rows, pools, .. } = snapshot;
    let mut by_state: HashMap<(&str, &str), [u32; 3]> = HashMap::with_capacity(pools.len());
    for row in rows {
        let counts = by_state.entry((&row.target.pool, &row.target.setting)).or_default();
        for (count, state) in counts.iter_mut().zip(State::ALL) {
            *count += u32::from(row.state == state);
        }
    }
    families.gauge(
        "backend_health_pool_servers",
        "Servers of the pool under this setting that are in the state.",
        pools.iter().flat_map(|pool| {
            let counts = by_state.get(&(&*pool.pool, &*pool.setting)).copied().unwrap_or_default();
            State::ALL
                .into_iter()
                .zip(counts)
                .map(|(state, count)| ((PoolLabels(pool), [("state", state.label())]), count))
        }),
    )?;
    let mut seen = HashSet::new();
    families.gauge(
        "backend_health_pool_min_servers",
        "How many servers the pool should have by its min_servers; absent where that key is not set. It changes no state.",
        rows.iter().filter_map(|row| {
            let least = row.target.min_servers.filter(|_| seen.insert(&row.target.pool))?;
            Some(([("pool", Text(&row.target.pool))], least))
        }),
    )?;
    families.counter(
        "backend_health_pool_probe_failures_total",
        "Failed probes of the pool under this setting, by cause: every cause that the setting's protocol can have, \
         from 0 on. Keeps counting when servers come and go.",
        pools.iter().flat_map(|pool| {
            pool.failures.iter().map(|(cause, count)| ((PoolLabels(pool), [("cause", cause.code())]), *count))
        }),
    )?;
    families.histogram(
        "backend_health_probe_latency_seconds",
        "How long the successful probes of the pool under this setting took as a whole, in seconds.",
        pools.iter().map(|pool| {
            let LatencyHistogram { counts, sum } = &pool.latency;
            (PoolLabels(pool), Buckets::new(&LatencyHistogram::BOUNDS, counts, *sum))
        }),
    )
}

fn causes(families: &mut Families<'_>) -> fmt::Result {
    families.gauge(
        "backend_health_cause_help_info",
        "Always 1: for each cause that a probe can end with and each side that can have to act, where it shows (stage), \
         its title and what that side does first. Join on cause and side to put these words into alerts and dashboards.",
        help::all().map(|Help { words, side, remedy }| {
            let known = [
                ("cause", words.code),
                ("stage", words.stage.as_str()),
                ("side", side.as_str()),
                ("title", words.title),
            ];
            ((known, [("remedy", remedy)]), 1_u32)
        }),
    )
}

fn exporter(families: &mut Families<'_>, numbers: &ExporterNumbers) -> fmt::Result {
    families.gauge(
        "backend_health_exporter_build_info",
        "Always 1: version and source revision of the exporter.",
        [([("version", numbers.version), ("revision", numbers.revision)], 1_u32)],
    )?;
    families.single_gauge(
        "backend_health_exporter_config_last_reload_successful",
        "1 when the latest attempt to load the configuration succeeded, 0 when it failed; then the one before is \
         still in use.",
        Some(u32::from(numbers.config_last_reload == ReloadOutcome::Successful)),
    )?;
    families.single_gauge(
        "backend_health_exporter_config_last_reload_success_timestamp_seconds",
        "When a configuration was last taken into use, in seconds since 1970. Absent before the first.",
        numbers.config_last_reload_success.map(unix_seconds),
    )?;
    families.single_gauge(
        "backend_health_exporter_web_config_last_reload_successful",
        "1 when the latest attempt to load the file of --web.config.file succeeded, 0 when it failed; then the logins, \
         certificate and key from before are still in use. 1 without such a file.",
        Some(u32::from(numbers.web_config_last_reload == ReloadOutcome::Successful)),
    )?;
    families.single_gauge(
        "backend_health_exporter_probes_in_flight",
        "Probes that run right now.",
        Some(numbers.probes_in_flight),
    )?;
    let DelayHistogram { bounds, counts, sum } = &numbers.probe_start_delay;
    families.single_histogram(
        "backend_health_exporter_probe_start_delay_seconds",
        "How late probes started after their scheduled time, in seconds. A growing delay means that this host is too busy.",
        &Buckets::new(bounds, counts, *sum),
    )?;
    families.single_counter(
        "backend_health_exporter_probes_skipped_total",
        "Scheduled probes that were not started, because the previous one was still running or this host had no capacity.",
        &numbers.probes_skipped,
    )?;
    families.single_counter(
        "backend_health_exporter_log_lines_dropped_total",
        "Lines of the exporter's log that were dropped, because whoever reads it stood still or had gone. Probing and \
         serving do not wait for it.",
        &numbers.log_lines_dropped,
    )?;
    families.counter(
        "backend_health_exporter_on_demand_total",
        "Probes and connection troubleshoots that clients asked for, by what it was (what: probe, troubleshoot) and what \
         became of it (outcome: begun; refused, because it is not allowed or makes no sense; busy, because too much was \
         asked for). The log says who asked.",
        numbers.on_demand.iter().map(|(what, outcome, count)| ([("what", *what), ("outcome", *outcome)], *count)),
    )
}

fn process(families: &mut Families<'_>, numbers: &ProcessNumbers) -> fmt::Result {
    let ProcessNumbers { cpu, resident_memory_bytes, virtual_memory_bytes, open_fds, max_fds, start_time } = numbers;
    families.single_counter(
        "process_cpu_seconds_total",
        "User and system CPU time that the exporter has used, in seconds.",
        &seconds(*cpu),
    )?;
    families.single_gauge(
        "process_resident_memory_bytes",
        "Memory of the exporter that is in RAM, in bytes.",
        Some(*resident_memory_bytes),
    )?;
    families.single_gauge(
        "process_virtual_memory_bytes",
        "Address space of the exporter, in bytes.",
        Some(*virtual_memory_bytes),
    )?;
    families.single_gauge("process_open_fds", "File descriptors that the exporter has open.", *open_fds)?;
    families.single_gauge(
        "process_max_fds",
        "File descriptors that the exporter may have open. Absent when there is no limit.",
        *max_fds,
    )?;
    families.single_gauge(
        "process_start_time_seconds",
        "When the exporter started, in seconds since 1970.",
        start_time.map(unix_seconds),
    )
}

fn row_labels(row: &Row) -> RowLabels<'_> {
    RowLabels(&row.target)
}

/// The parts that a probe of this protocol has.
fn phases(target: &Target, probe: &Verdict) -> impl Iterator<Item = (&'static str, Duration)> {
    let phases = probe.evidence.phases;
    target.protocol().row().parts.iter().map(move |part| (part.as_str(), part.of(&phases)))
}

/// The certificates as last presented, while they are not too old to be shown at `now`.
fn presented(row: &Row, now: SystemTime) -> Option<&Presented> {
    row.presented.as_ref().filter(|presented| age(now, presented.at) <= CERTIFICATES_SHOWN_FOR)
}

/// Of the latest probe, or, when that one did not come so far, of the one that last presented certificates.
fn latest_session(row: &Row, now: SystemTime) -> Option<TlsSession> {
    let of_latest_probe = row.last_probe.as_ref().and_then(|probe| probe.evidence.tls);
    of_latest_probe.or_else(|| presented(row, now)?.session)
}
