//! The fault table: what a backend does over real sockets, and the cause, the words and the evidence that come of it.

mod certificates;
mod connections;
mod handshakes;
mod names;
mod requests;
mod responses;
mod several;
mod advice;
mod timing;

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use backend_health_exporter::discovery::Host;
use backend_health_exporter::lab::tls::Pki;
use backend_health_exporter::lab::{Backend, Behaviour};
use backend_health_exporter::probe::{
    ClientCertificate, Expectation, NameSource, Observation, ProbeSpec, Prober, Protocol, Request, TlsSpec, Trust,
    TrustMode, VerifiedName,
};
use backend_health_exporter::resolver::{Options, Resolver};
use backend_health_exporter::verdict::{Cause, Code, Notice, Role, Stage, Verdict, judge};

/// How a backend is probed; [`Probe::of`] makes it whole.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) spec: ProbeSpec,
}

impl Probe {
    pub(crate) fn http() -> Self {
        Self {
            spec: ProbeSpec {
                request: Some(Request::new(HOST, "/healthz")),
                ..ProbeSpec::new(Protocol::Http, Host::Ip(LOCALHOST), 0, PLENTY)
            },
        }
    }

    fn tcp() -> Self {
        let spec = ProbeSpec { protocol: Protocol::Tcp, request: None, ..Self::http().spec };
        Self { spec }
    }

    pub(crate) fn https(trust: &Arc<Trust>) -> Self {
        let tls = TlsSpec {
            name: VerifiedName::Dns(HOST.into()),
            name_source: NameSource::SettingHostName,
            trust: trust.clone(),
            client_certificate: None,
            validate_chain: true,
            validate_name: true,
            expiry_warning: Duration::from_hours(21 * 24),
        };
        Self { spec: ProbeSpec { protocol: Protocol::Https, tls: Some(tls), ..Self::http().spec } }
    }

    pub(crate) fn tls(trust: &Arc<Trust>) -> Self {
        Self { spec: ProbeSpec { protocol: Protocol::Tls, request: None, ..Self::https(trust).spec } }
    }

    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self { spec: ProbeSpec { timeout, ..self.spec } }
    }

    fn wanting(self, status_codes: &[(u16, u16)], body: &str) -> Self {
        let (status_codes, body) = (status_codes.to_vec(), body.to_owned());
        let expectation = Expectation { status_codes, body, ..Expectation::default() };
        Self { spec: ProbeSpec { expectation: Arc::new(expectation), ..self.spec } }
    }

    fn wanting_body(self, body: &str) -> Self {
        self.wanting(&[(200, 399)], body)
    }

    fn with_proxy_line(self) -> Self {
        Self { spec: ProbeSpec { proxy_protocol: true, ..self.spec } }
    }

    pub(crate) fn with_tls(mut self, change: impl FnOnce(&mut TlsSpec)) -> Self {
        change(self.spec.tls.as_mut().expect("a protocol with TLS"));
        self
    }

    pub(crate) fn showing(self, certificate: &Arc<ClientCertificate>) -> Self {
        self.with_tls(|tls| tls.client_certificate = Some(certificate.clone()))
    }

    /// Expects a certificate for this name or address.
    pub(crate) fn named(self, name: &str) -> Self {
        self.with_tls(|tls| tls.name = VerifiedName::of(&name.into()))
    }

    pub(crate) fn of(&self, address: SocketAddr) -> ProbeSpec {
        ProbeSpec { server: Host::Ip(address.ip()), port: address.port(), ..self.spec.clone() }
    }

    fn of_name(&self, name: &str, port: u16) -> ProbeSpec {
        ProbeSpec { server: Host::Name(name.into()), port, ..self.spec.clone() }
    }
}

/// The parts of a probe in their order; those that it came to are not zero, the later ones are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Dns,
    Connect,
    Tls,
    FirstByte,
    Transfer,
}

/// What a row of the table must come to.
#[derive(Clone, Debug)]
struct Expected {
    cause: Option<Cause>,
    /// Fragments of the cause's detail.
    words: Vec<String>,
    /// The last part that the probe came to; after a success the protocol's last one, unless it is said.
    reached: Option<Part>,
    status: Option<u16>,
    chain: Vec<Role>,
    also: Vec<Cause>,
    warnings: Vec<Code>,
}

fn succeeds() -> Expected {
    Expected {
        cause: None,
        words: Vec::new(),
        reached: None,
        status: None,
        chain: Vec::new(),
        also: Vec::new(),
        warnings: Vec::new(),
    }
}

fn fails(cause: Cause, reached: Part) -> Expected {
    Expected { cause: Some(cause), reached: Some(reached), ..succeeds() }
}

impl Expected {
    fn saying(mut self, words: &str) -> Self {
        self.words.push(words.to_owned());
        self
    }

    fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The certificates that are kept.
    fn chain(self, roles: &[Role]) -> Self {
        Self { chain: roles.to_vec(), ..self }
    }

    fn also(self, causes: &[Cause]) -> Self {
        Self { also: causes.to_vec(), ..self }
    }

    fn warned(self, notice: Notice) -> Self {
        Self { warnings: vec![Code::Notice(notice)], ..self }
    }

    fn warned_of(self, causes: &[Cause]) -> Self {
        Self { warnings: causes.iter().copied().map(Code::Cause).collect(), ..self }
    }

    /// Every difference, in words.
    fn differences(&self, spec: &ProbeSpec, verdict: &Verdict) -> Vec<String> {
        let Self { cause, words, reached, status, chain, also, warnings } = self;
        let mut differences = Vec::new();
        let mut same = |what: &str, found: &dyn Debug, wanted: &dyn Debug| {
            let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
            if found != wanted {
                differences.push(format!("{what}: {found}, not {wanted}"));
            }
        };
        same("cause", &verdict.cause.as_ref().map(|finding| finding.code), cause);
        same("also", &verdict.also.iter().map(|finding| finding.code).collect::<Vec<_>>(), also);
        same("warnings", &verdict.warnings.iter().map(|finding| finding.code).collect::<Vec<_>>(), warnings);
        same("status", &verdict.evidence.response.as_ref().map(|response| response.status), status);
        let roles = verdict.evidence.chain.as_ref().map(|chain| chain.certificates.iter().map(|one| one.role));
        same("chain", &roles.map(Iterator::collect::<Vec<_>>).unwrap_or_default(), chain);
        for finding in verdict.cause.iter().chain(&verdict.also) {
            let possible = finding.code.possible_for(spec.protocol);
            same(&format!("{} over {} is possible", finding.code, spec.protocol), &possible, &true);
        }
        let last = match spec.protocol {
            Protocol::Tcp => Part::Connect,
            Protocol::Tls => Part::Tls,
            Protocol::Http | Protocol::Https => Part::Transfer,
        };
        let reached = reached.unwrap_or(last);
        let phases = verdict.evidence.phases;
        for (part, spent, exists) in [
            (Part::Connect, phases.connect, true),
            (Part::Tls, phases.tls, spec.protocol.has(Stage::Tls)),
            (Part::FirstByte, phases.first_byte, spec.protocol.has(Stage::Http)),
            (Part::Transfer, phases.transfer, spec.protocol.has(Stage::Http)),
        ] {
            same(&format!("came to {part:?}"), &!spent.is_zero(), &(exists && part <= reached));
        }
        let detail = verdict.cause.as_ref().map_or("", |finding| &finding.detail);
        for fragment in words.iter().filter(|fragment| !detail.contains(*fragment)) {
            differences.push(format!("detail without {fragment:?}"));
        }
        differences
    }
}

/// A backend that behaves so, probed so, must come to that.
struct Row {
    name: String,
    behaviour: Behaviour,
    probe: Probe,
    expected: Expected,
}

fn row(name: impl Into<String>, behaviour: impl Into<Behaviour>, probe: Probe, expected: Expected) -> Row {
    Row { name: name.into(), behaviour: behaviour.into(), probe, expected }
}

/// Probes all rows at once, and tells of all that differ.
async fn check(rows: impl IntoIterator<Item = Row>) {
    let prober = Arc::new(prober());
    let mut under_way = JoinSet::new();
    for Row { name, behaviour, probe, expected } in rows {
        let prober = prober.clone();
        under_way.spawn(async move {
            let backend = Backend::start(LOCALHOST, behaviour).expect("the backend starts");
            let spec = probe.of(backend.address());
            let (observation, verdict) = judged(&prober, &spec).await;
            let mut differences = expected.differences(&spec, &verdict);
            if observation.duration > spec.timeout + GRACE {
                differences.push(format!("took {:?} of {:?}", observation.duration, spec.timeout));
            }
            (!differences.is_empty())
                .then(|| format!("{} ({}): {}\n    {:?}", name, spec.protocol, differences.join("; "), told(&verdict)))
        });
    }
    let failed: Vec<String> = under_way.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} rows differ\n{}", failed.len(), failed.join("\n"));
}

/// All that a verdict says in words.
pub(crate) fn told(verdict: &Verdict) -> Vec<String> {
    let causes = verdict.cause.iter().chain(&verdict.also);
    let causes = causes.map(|finding| format!("{}: {}", finding.code, finding.detail));
    let warnings = verdict.warnings.iter().map(|finding| format!("{}: {}", finding.code.words().code, finding.detail));
    causes.chain(warnings).collect()
}

/// One probe and its verdict. A machine too busy to judge is no verdict, and asked again.
pub(crate) async fn judged(prober: &Prober, spec: &ProbeSpec) -> (Observation, Verdict) {
    let begun = Instant::now();
    loop {
        let observation = prober.probe(spec).await;
        let verdict = judge(spec, &observation);
        let too_busy = verdict.cause.as_ref().is_some_and(|finding| finding.code == Cause::LocalOverloaded);
        if !too_busy {
            return (observation, verdict);
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "this machine is too busy for any verdict: {verdict:?}");
    }
}

pub(crate) fn prober() -> Prober {
    prober_asking(Vec::new())
}

fn prober_asking(nameservers: Vec<SocketAddr>) -> Prober {
    Prober::new(Resolver::new(Options { nameservers, last_known_good: Duration::from_hours(1) }))
}

/// The lab's PKI, the trust in its root, and what else TLS rows are made of.
pub(crate) struct Secure {
    pub(crate) pki: Pki,
    pub(crate) trust: Arc<Trust>,
}

impl Secure {
    pub(crate) fn new() -> Self {
        let pki = Pki::new().expect("a PKI");
        let trust = trusting(TrustMode::Configured, vec![pki.root.der()]);
        Self { pki, trust }
    }
}

pub(crate) fn trusting(mode: TrustMode, roots: Vec<rustls::pki_types::CertificateDer<'static>>) -> Arc<Trust> {
    Arc::new(Trust::new(mode, roots, Vec::new()).expect("usable roots"))
}

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The name in Host, SNI and certificates.
pub(crate) const HOST: &str = "app.lab.test";

/// A timeout that no honest answer meets, however busy the machine is.
pub(crate) const PLENTY: Duration = Duration::from_secs(20);

/// The timeout where it is waited for.
const SHORT: Duration = Duration::from_secs(1);

/// How much later than its timeout a probe may end.
const GRACE: Duration = Duration::from_millis(500);
