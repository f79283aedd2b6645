//! Real handshakes with `openssl s_server`: TLS of another make, with versions, suites, groups, keys and habits that the
//! lab's own servers cannot have. Whatever chain comes of it is compared with what `openssl s_client -showcerts` prints.

mod certificates;
mod clients;
mod deep;
mod files;
mod handshakes;
mod keys;
mod program;
mod server;

use std::sync::Arc;

use backend_health_exporter::probe::{ProbeSpec, Prober, Trust};
use backend_health_exporter::verdict::{Cause, Code, Role, Side, Verdict, judge, unexplained_alert};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::server::{Server, Shown};
use crate::faults::{Probe, judged, prober, told};

/// A server with these arguments, probed so, must come to that.
struct Row {
    name: String,
    server: Vec<String>,
    probes: Vec<Probe>,
    /// What `s_client` needs for the same handshake.
    client: Vec<String>,
    expected: Expected,
}

/// Over https and tls.
fn row(name: impl Into<String>, server: Vec<String>, trust: &Arc<Trust>, expected: Expected) -> Row {
    let probes = vec![Probe::https(trust), Probe::tls(trust)];
    Row { name: name.into(), server, probes, client: Vec::new(), expected }
}

impl Row {
    fn probed(self, change: impl Fn(Probe) -> Probe) -> Self {
        Self { probes: self.probes.into_iter().map(change).collect(), ..self }
    }
}

/// What a row must come to.
#[derive(Clone, Debug)]
struct Expected {
    cause: Option<(Cause, Side)>,
    /// Fragments of the cause's detail.
    words: Vec<String>,
    /// Further causes that hold.
    also: Vec<Cause>,
    warnings: Vec<Code>,
    /// Version, and how the suite's name begins.
    session: Option<(&'static str, &'static str)>,
    chain: Vec<Role>,
}

fn succeeds() -> Expected {
    Expected {
        cause: None,
        words: Vec::new(),
        also: Vec::new(),
        warnings: Vec::new(),
        session: None,
        chain: Vec::new(),
    }
}

fn fails(cause: Cause, side: Side) -> Expected {
    Expected { cause: Some((cause, side)), ..succeeds() }
}

impl Expected {
    fn saying(mut self, words: &str) -> Self {
        self.words.push(words.to_owned());
        self
    }

    fn over(self, version: &'static str, cipher: &'static str) -> Self {
        Self { session: Some((version, cipher)), ..self }
    }

    /// The certificates that are kept.
    fn chain(self, roles: &[Role]) -> Self {
        Self { chain: roles.to_vec(), ..self }
    }

    fn also(self, causes: &[Cause]) -> Self {
        Self { also: causes.to_vec(), ..self }
    }

    fn warned(self, code: Code) -> Self {
        Self { warnings: vec![code], ..self }
    }

    /// Every difference, in words.
    fn differences(&self, spec: &ProbeSpec, verdict: &Verdict) -> Vec<String> {
        let Self { cause, words, also, warnings, session, chain } = self;
        let mut differences = Vec::new();
        let mut same = |what: &str, found: String, wanted: String| {
            if found != wanted {
                differences.push(format!("{what}: {found}, not {wanted}"));
            }
        };
        let found = verdict.cause.as_ref().map(|finding| (finding.code, finding.side()));
        same("cause", format!("{found:?}"), format!("{cause:?}"));
        let found: Vec<_> = verdict.also.iter().map(|finding| finding.code).collect();
        same("also", format!("{found:?}"), format!("{also:?}"));
        let found: Vec<_> = verdict.warnings.iter().map(|finding| finding.code).collect();
        same("warnings", format!("{found:?}"), format!("{warnings:?}"));
        let status = verdict.evidence.response.as_ref().map(|response| response.status);
        let answered = (cause.is_none() && spec.request.is_some()).then_some(200);
        same("status", format!("{status:?}"), format!("{answered:?}"));
        let found = verdict.evidence.tls;
        let fits = match (found, session) {
            (Some(found), Some((version, cipher))) => found.version == *version && found.cipher.starts_with(cipher),
            (found, session) => found.is_none() && session.is_none(),
        };
        same("session", format!("{found:?}"), if fits { format!("{found:?}") } else { format!("{session:?}") });
        let roles: Vec<_> = certificates(verdict).iter().map(|one| one.role).collect();
        same("chain", format!("{roles:?}"), format!("{chain:?}"));
        let detail = verdict.cause.as_ref().map_or("", |finding| &finding.detail);
        for fragment in words.iter().filter(|fragment| !detail.contains(*fragment)) {
            differences.push(format!("detail without {fragment:?}"));
        }
        differences
    }
}

fn certificates(verdict: &Verdict) -> &[backend_health_exporter::verdict::PresentedCertificate] {
    verdict.evidence.chain.as_ref().map_or(&[], |chain| &chain.certificates)
}

/// Starts a server for each row, probes it, and tells of all rows that differ.
async fn check(rows: Vec<Row>) {
    assert!(!rows.is_empty());
    let prober = Arc::new(prober());
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for row in rows {
        let (prober, room) = (prober.clone(), room.clone());
        under_way.spawn(async move {
            let _place = room.acquire().await.expect("nobody closes it");
            differences(&prober, &row).await
        });
    }
    let failed: Vec<String> = under_way.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} differ\n{}", failed.len(), failed.join("\n"));
}

async fn differences(prober: &Prober, row: &Row) -> Vec<String> {
    let server = Server::start(&row.server).await;
    let mut all = Vec::new();
    for probe in &row.probes {
        let spec = probe.of(server.address());
        let verdict = verdict(prober, &spec).await;
        let mut differences = row.expected.differences(&spec, &verdict);
        if !certificates(&verdict).is_empty() {
            let found: Vec<Shown> = certificates(&verdict).iter().map(Shown::of).collect();
            let name = spec.tls.as_ref().map(|tls| tls.name.clone());
            let shown = server.chain_shown_to_client(name, row.client.clone()).await;
            // s_client sees none where a handshake of its own ends before the certificate; the extra hello drew ours.
            let drawn = verdict.evidence.tls.is_none() && shown.is_empty();
            if found != shown && !drawn {
                differences.push(format!("the chain: {found:#?}\nnot as s_client shows it: {shown:#?}"));
            }
        }
        if !differences.is_empty() {
            let told = told(&verdict);
            all.push(format!("{} ({}): {}\n    {told:?}", row.name, spec.protocol, differences.join("; ")));
        }
    }
    all
}

/// One probe, an extra ClientHello where one is due, and what both come to.
async fn verdict(prober: &Prober, spec: &ProbeSpec) -> Verdict {
    let (mut observation, verdict) = judged(prober, spec).await;
    if unexplained_alert(&observation).is_none() {
        return verdict;
    }
    let address = observation.address.expect("an alert came from somewhere");
    observation.scan = prober.scan(spec, address).await.map(Arc::new);
    judge(spec, &observation)
}

/// Servers that run at once.
const AT_ONCE: usize = 8;
