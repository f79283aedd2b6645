//! Connection troubleshoot: one deep check of one server, stage by stage, within a bounded time.
//!
//! The verdict is that of the very same probe that the exporter makes on its beats; everything else here gathers what
//! explains it. Exploring never shows a client certificate and never sends a request: only the probe itself does.

mod adhoc;
mod connects;
mod examination;
mod handshakes;
mod host;
mod insight;
mod insights;
mod paths;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};

use crate::probe::scan::{Greeting, suites_of};
use crate::probe::{ProbeSpec, Prober, Protocol, TlsSpec, outlook};
use crate::resolver::{Host, ordered, unusable};
use crate::target::Target;
use crate::verdict::{Cause, Verdict, judge, unexplained_alert};

pub use self::adhoc::{Adhoc, Manner, adhoc};
pub use self::connects::{Connects, Latency};
pub use self::examination::{ConnectionStatus, Examination, State};
pub use self::handshakes::{Handshakes, Support, VersionFacts};
pub use self::host::HostFacts;
pub use self::insight::{Insight, InsightKind, Severity};
pub use self::paths::{End, Hop, PathFacts, PathMtu, Trace};
pub use crate::probe::{
    Bar, ConnectFault, Dial, Exploration, HopAnswer, LocalFault, Neighbour, Outlook, Over, Route, Said, TlsFault,
    Transcript,
};
pub use crate::resolver::{Answer, Data, Outcome, Survey};

/// What is to be looked into.
#[derive(Clone, Debug)]
pub struct Question {
    pub target: Target,
    /// Of a port of which it is not known what is spoken there: TLS is taken for it, if it answers TLS.
    pub tls_if_spoken: Option<TlsSpec>,
    /// Connections that are tried to each address.
    pub tries: u32,
    /// For the whole check.
    pub timeout: Duration,
}

/// A part of the check, in the order in which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Names,
    Probe,
    Connects,
    Paths,
    Handshakes,
    Segments,
    Done,
}

impl Stage {
    /// All of them that do something.
    pub const PARTS: &'static [Self] =
        &[Self::Names, Self::Probe, Self::Connects, Self::Paths, Self::Handshakes, Self::Segments];

    /// One word, for programs: where JSON has what the part finds, its key among the stages.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Names => "dns",
            Self::Probe => "probe",
            Self::Connects => "tcp",
            Self::Paths => "path",
            Self::Handshakes => "tls",
            Self::Segments => "small_segments",
            Self::Done => "done",
        }
    }

    /// Counted from 1; `None` of the end, which is no part.
    #[must_use]
    pub fn number(self) -> Option<usize> {
        Self::PARTS.iter().position(|part| *part == self).map(|index| index + 1)
    }

    /// What is done, for people who wait.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Names => "asking the resolvers",
            Self::Probe => "probing once, as the exporter does",
            Self::Connects => "connecting to every address",
            Self::Paths => "looking for the hops on the way",
            Self::Handshakes => "trying TLS versions and cipher suites",
            Self::Segments => "trying again with small packets",
            Self::Done => "done",
        }
    }
}

/// Looks into it; `tell` hears of every part that begins. Ends within the question's timeout, but for this host's own
/// lateness.
pub async fn troubleshoot(prober: &Prober, question: &Question, tell: &(dyn Fn(Stage) + Sync)) -> Examination {
    let at = SystemTime::now();
    let start = Instant::now();
    let whole = question.timeout;
    let end = start + whole;
    let mut target = question.target.clone();

    let names = match &target.probe.server {
        Host::Ip(_) => None,
        Host::Name(name) => {
            tell(Stage::Names);
            Some(prober.resolver().survey(name, start + whole.mul_f64(NAMES)).await)
        }
    };
    let (addresses, is_stale) = addresses(&target.probe.server, names.as_ref());
    if let Some(tls) = &question.tls_if_spoken
        && speaks_tls(prober, &target.probe, tls, &addresses, end).await
    {
        target.probe.protocol = Protocol::Tls;
        target.probe.tls = Some(tls.clone());
    }

    tell(Stage::Probe);
    let budget = end.saturating_duration_since(Instant::now()).mul_f64(PROBE);
    let has_less_time = budget < target.probe.timeout;
    target.probe.timeout = target.probe.timeout.min(budget);
    let spec = &target.probe.clone();
    let mut probing = Box::pin(probe(prober, spec, end));
    // Alone at first: a server that takes one connection at a time must not be confused.
    let early = timeout_at(Instant::now() + whole.mul_f64(ALONE), &mut probing).await;
    let exploring = Box::pin(explore(prober, spec, &addresses, question.tries, start, end, tell));
    let ((verdict, transcript), explored) =
        if let Ok(done) = early { (done, exploring.await) } else { tokio::join!(probing, exploring) };
    let Explored { routes, connects, paths, handshakes } = explored;

    // It counts only when the time was used up.
    let probe_was_cut_short = has_less_time && verdict.evidence.duration >= budget.mul_f64(0.95);
    let opened = connects.iter().any(|connects| connects.opened() > 0);
    let (in_small_segments, usual_again) = match &verdict.cause {
        Some(cause) if opened && matches!(cause.code, Cause::TlsTimeout | Cause::HttpTimeout) => {
            tell(Stage::Segments);
            Box::pin(in_other_segments(prober, spec, cause.code, verdict.evidence.address, end)).await
        }
        _ => (None, None),
    };
    tell(Stage::Done);
    let mut examination = Examination {
        target,
        at,
        took: start.elapsed(),
        names,
        addresses,
        is_stale,
        routes,
        host: HostFacts::read(),
        connects,
        paths,
        handshakes,
        verdict,
        transcript,
        probe_was_cut_short,
        in_small_segments,
        usual_again,
        insights: Vec::new(),
    };
    examination.insights = insights::of(&examination);
    examination
}

/// The probe of every beat, with the extra ClientHello after an alert that explains nothing.
async fn probe(prober: &Prober, spec: &ProbeSpec, end: Instant) -> (Verdict, Transcript) {
    let (mut observation, transcript) = prober.probe_closely(spec, None).await;
    if let (Some(_), Some(address)) = (unexplained_alert(&observation), observation.address) {
        let scanned = timeout_at(end, prober.scan(spec, address)).await;
        observation.scan = scanned.ok().flatten().map(Arc::new);
    }
    (judge(spec, &observation), transcript)
}

/// What is found out about the way to the server, and about its TLS.
struct Explored {
    routes: Vec<Outlook>,
    connects: Vec<Connects>,
    paths: Vec<PathFacts>,
    handshakes: Option<Handshakes>,
}

async fn explore(
    prober: &Prober,
    spec: &ProbeSpec,
    addresses: &[IpAddr],
    tries: u32,
    start: Instant,
    end: Instant,
    tell: &(dyn Fn(Stage) + Sync),
) -> Explored {
    let whole = end - start;
    let left = |share: f64| (Instant::now() + whole.mul_f64(share)).min(end - whole.mul_f64(RESERVE));
    if !addresses.is_empty() {
        tell(Stage::Connects);
    }
    let connects = connects::to_each(addresses, spec.port, tries, left(CONNECTS)).await;
    // Asked only now: who was asked for something is known to the neighbours' table.
    let routes: Vec<Outlook> = addresses.iter().map(|address| outlook(*address)).collect();
    if !addresses.is_empty() {
        tell(Stage::Paths);
    }
    let paths = paths::to_first_of_each_family(&routes, spec.port, left(PATHS)).await;
    let open = connects.iter().find(|connects| connects.opened() > 0).map(|connects| connects.address);
    let handshakes = match (&spec.tls, open) {
        (Some(tls), Some(address)) => {
            tell(Stage::Handshakes);
            Some(Box::pin(handshakes::explore(prober, spec, tls, address, left(1.0))).await)
        }
        (None, _) | (_, None) => None,
    };
    Explored { routes, connects, paths, handshakes }
}

/// Every address of the server, and whether they are remembered ones.
fn addresses(server: &Host, names: Option<&Survey>) -> (Vec<IpAddr>, bool) {
    let survey = match (server, names) {
        (Host::Ip(ip), _) => return (vec![*ip], false),
        (Host::Name(_), None) => return (Vec::new(), false),
        (Host::Name(_), Some(survey)) => survey,
    };
    // To connect to one that no server can have would be to connect to ourselves.
    let can_be_had = |address: &IpAddr| unusable(*address).is_none();
    if let Some(hosts) = &survey.hosts {
        return (some(hosts.iter().copied().filter(can_be_had).collect()), false);
    }
    let found = survey.answers.iter().flat_map(|answer| answer.outcome.addresses());
    let found: Vec<IpAddr> = found.filter(can_be_had).collect();
    match (found.is_empty(), &survey.last_known_good) {
        (true, Some((remembered, _))) => (some(remembered.clone()), true),
        (_, _) => (some(found), false),
    }
}

fn some(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut addresses = ordered(addresses);
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// Whether the first address that answers does so in TLS.
async fn speaks_tls(prober: &Prober, spec: &ProbeSpec, tls: &TlsSpec, addresses: &[IpAddr], end: Instant) -> bool {
    let suites = suites_of(TLS12);
    let greeting = Greeting { name: Some(&tls.name), version: TLS12, suites: &suites };
    for address in addresses {
        let patience = SNIFF.min(end.saturating_duration_since(Instant::now()) / 8);
        let reply = prober.greet(spec, &greeting, SocketAddr::new(*address, spec.port), patience).await;
        if let Ok(reply) = reply {
            // An alert or a handshake record; a single byte could be anything.
            return matches!(reply.first.as_slice(), [21 | 22, 3, ..]) || reply.flight.alert.is_some();
        }
    }
    false
}

/// Whether segments that fit everywhere come through where others get lost: the probe with such ones and, when they make
/// a difference, with the usual ones again.
async fn in_other_segments(
    prober: &Prober,
    spec: &ProbeSpec,
    usual: Cause,
    address: Option<SocketAddr>,
    end: Instant,
) -> (Option<Verdict>, Option<Verdict>) {
    let Some(address) = address else { return (None, None) };
    // What every network must carry: RFC 791 and RFC 8200, less the headers.
    let segment = if address.is_ipv4() { 536 } else { 1220 };
    let left = || end.saturating_duration_since(Instant::now());
    let server = Host::Ip(address.ip());
    let spec = ProbeSpec { timeout: spec.timeout.min(left() / 2), server, ..spec.clone() };
    if spec.timeout < SHORTEST_PROBE {
        return (None, None);
    }
    let (observation, _) = prober.probe_closely(&spec, Some(segment)).await;
    let small = judge(&spec, &observation);
    if small.cause.as_ref().is_some_and(|cause| cause.code == usual) {
        return (Some(small), None);
    }
    // Much longer than it took just now.
    let patience = (small.evidence.duration * 5).max(Duration::from_secs(2));
    let spec = ProbeSpec { timeout: spec.timeout.min(left()).min(patience), ..spec };
    let (observation, _) = prober.probe_closely(&spec, None).await;
    (Some(small), Some(judge(&spec, &observation)))
}

const TLS12: u16 = 0x0303;

/// More addresses than this are not looked into.
const MAX_ADDRESSES: usize = 16;

/// How long a port of which nothing is known may take to answer a ClientHello.
const SNIFF: Duration = Duration::from_secs(2);

/// Less tells nothing.
const SHORTEST_PROBE: Duration = Duration::from_millis(250);

/// Shares of the whole time. The probe runs alone for its first part, and beside everything else then.
const NAMES: f64 = 0.2;
const PROBE: f64 = 0.7;
const ALONE: f64 = 0.33;
const CONNECTS: f64 = 0.2;
const PATHS: f64 = 0.25;
/// Left for the last part.
const RESERVE: f64 = 0.1;
