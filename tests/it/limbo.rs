//! The chains of x509-limbo, at their own time: what must be refused is refused, what must be accepted is accepted, and
//! where we differ `limbo/differences.md` says why, and `docs/certificates.md` by kind. Read from a file beside the
//! checkout, where there is one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use backend_health_exporter::lab::tls::{Identity, ServerTls};
use backend_health_exporter::lab::{Backend, Service, http};
use backend_health_exporter::probe::{Clock, Prober, TlsSpec, Trust, TrustMode};
use backend_health_exporter::resolver::{Options, Resolver};
use backend_health_exporter::verdict::{Cause, Code, Verdict, judge};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::chains;
use super::chains::verdict as read;
use super::effort::cpu_time;

/// A case of the file.
#[derive(serde::Deserialize)]
struct Case {
    id: String,
    features: Vec<String>,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    peer_certificate_key: Option<String>,
    validation_time: Option<String>,
    expected_result: String,
    expected_peer_name: Option<Name>,
    crls: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Name {
    value: String,
}

#[derive(serde::Deserialize)]
struct Limbo {
    testcases: Vec<Case>,
}

#[allow(clippy::print_stdout, reason = "who runs the tests shall know what was left out")]
fn cases() -> Option<Vec<Case>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/limbo.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    let Limbo { testcases } = serde_json::from_str(&text).unwrap();
    let servers = testcases.into_iter().filter(|case| case.validation_kind == "SERVER");
    Some(servers.collect())
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

impl Case {
    fn at(&self) -> SystemTime {
        self.validation_time.as_ref().map_or(SystemTime::UNIX_EPOCH + Duration::from_hours(490_896), |time| {
            backend_health_exporter::words::from_rfc3339(time).unwrap()
        })
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.peer_certificate)
            .chain(&self.untrusted_intermediates)
            .map(|pem| certificate(pem))
            .collect()
    }

    /// `None`: a certificate or list of the configuration is refused at once, so that nothing is accepted by it.
    fn tls(&self) -> Option<TlsSpec> {
        let roots = self.trusted_certs.iter().map(|pem| certificate(pem)).collect();
        let lists = self.crls.iter().map(|pem| CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap());
        let trust = Trust::new(TrustMode::Configured, roots, lists.collect()).ok()?;
        let name = self.expected_peer_name.as_ref().map_or("no.name.expected", |name| &name.value);
        Some(TlsSpec { validate_name: self.expected_peer_name.is_some(), ..chains::tls(trust, name) })
    }
}

/// Through a handshake with a server that has this chain and its key; `None` when no server can use the key.
async fn probed(case: &Case, tls: TlsSpec) -> Option<Verdict> {
    let key = case.peer_certificate_key.as_ref()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let server = ServerTls::new(&Identity { chain: case.chain(), key }).ok()?;
    let backend = Backend::start(LOCALHOST, Service::tls(&server, http::ok())).unwrap();
    let resolver = Resolver::new(Options { nameservers: Vec::new(), last_known_good: Duration::ZERO });
    let prober = Prober::with_clock(resolver, Clock::fixed(case.at()));
    let spec = chains::probe(tls, backend.address().port());
    let observation = prober.probe(&spec).await;
    Some(judge(&spec, &observation))
}

fn word(accepted: bool) -> &'static str {
    if accepted { "accepted" } else { "refused" }
}

/// The table of `limbo/differences.md`: what we do with each case that we do not judge as expected.
fn documented() -> BTreeMap<String, String> {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/limbo/differences.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let id = cells.next()?.strip_suffix('`')?.to_owned();
        let ours = cells.next()?.to_owned();
        let reason = cells.next()?;
        assert!(id.contains("::") && reason.len() >= 8, "a case, what we do and why: {line}");
        Some((id, ours))
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_chain_of_limbo_is_judged_as_it_should_be_or_documented() {
    let Some(cases) = cases() else { return };
    let mut deviations = BTreeMap::new();
    let mut handshakes = 0;
    for case in &cases {
        let mut accepted = false;
        if let Some(tls) = case.tls() {
            let verdict = read(&tls, &case.chain(), case.at());
            accepted = verdict.cause.is_none();
            if let Some(probed) = probed(case, tls).await {
                handshakes += 1;
                let (probed, read) = (probed.cause.map(|cause| cause.code), verdict.cause.map(|cause| cause.code));
                // A chain of more than 64 KiB does not fit into a handshake.
                let too_large = case.chain().iter().map(|der| der.len()).sum::<usize>() > 60_000;
                assert!(probed == read || too_large && probed.is_some(), "{}: {probed:?}, not {read:?}", case.id);
            }
        }
        if word(accepted) != if case.expected_result == "SUCCESS" { "accepted" } else { "refused" } {
            deviations.insert(case.id.clone(), word(accepted).to_owned());
        }
    }
    assert!(cases.len() > 190 && handshakes > 170, "{} cases, {handshakes} of them by handshake", cases.len());
    assert_eq!(deviations, documented(), "what differs (left) and what is documented (right)");
}

#[test]
fn a_refused_chain_of_limbo_has_a_certificate_cause_and_only_faults_of_what_was_sent() {
    for case in cases().unwrap_or_default() {
        let Some(tls) = case.tls() else { continue };
        let verdict = read(&tls, &case.chain(), case.at());
        let causes: Vec<Cause> = verdict.cause.iter().chain(&verdict.also).map(|finding| finding.code).collect();
        assert!(causes.iter().all(|cause| cause.code().starts_with("cert_")), "{}: {causes:?}", case.id);
        let sent = verdict.evidence.chain.as_ref().map(|chain| chain.certificates.as_slice()).unwrap_or_default();
        for (element, fault) in sent.iter().flat_map(|element| element.faults.iter().map(move |fault| (element, fault)))
        {
            let warned = verdict.warnings.iter().any(|warning| warning.code == Code::Cause(*fault));
            assert!(causes.contains(fault) || warned, "{}: {fault} of certificate {}", case.id, element.position);
        }
    }
}

#[test]
fn pathological_chains_cost_little_time_and_memory() {
    let hard = |case: &Case| {
        case.id.starts_with("pathological::") || case.features.iter().any(|feature| feature == "denial-of-service")
    };
    for case in cases().unwrap_or_default().into_iter().filter(hard) {
        let Some(tls) = case.tls() else { continue };
        let chain = case.chain();
        let mut quickest = Duration::MAX;
        for _ in 0..5 {
            let mut used = None;
            let reading = || {
                used = Some(allocation_counter::measure(|| {
                    std::hint::black_box(read(&tls, &chain, case.at()));
                }));
            };
            quickest = quickest.min(cpu_time(reading));
            let used = used.unwrap();
            assert!(used.bytes_max < 4 << 20, "{} took {} bytes at once", case.id, used.bytes_max);
        }
        // Without optimisation webpki is some ten times slower.
        let bound = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 100 });
        assert!(quickest < bound, "{} took {quickest:?}", case.id);
    }
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
