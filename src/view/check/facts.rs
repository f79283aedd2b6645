//! The facts of each stage, for programs. The shape grows: fields come with what there is to tell.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::Serialize;

use super::{http, milliseconds, tls, words};
use crate::troubleshoot::{
    Answer, ConnectFault, Connects, Data, Examination, Exploration, Hop, HopAnswer, Outcome, Outlook, PathFacts,
    PathMtu, Route, Said, Support, Survey, Trace, VersionFacts,
};
use crate::verdict::{Cause, RightLink, Verdict, of_local_fault, of_obstacle, of_trouble, version_name};
use crate::view::report::CertificateView;
use crate::words::{seconds, status_codes};

/// Of a stage that there was no need for: null, or empty.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Stages<'a> {
    dns: Option<Dns<'a>>,
    route: Kernel<'a>,
    tcp: Vec<Connections>,
    path: Vec<Path>,
    tls: Option<Tls<'a>>,
    http: Option<Http<'a>>,
    probe: Probe,
    /// After a timeout on an open connection.
    probe_in_small_segments: Option<Probe>,
    probe_again: Option<Probe>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Dns<'a> {
    hosts_file: Option<&'a [IpAddr]>,
    resolvers: &'a [SocketAddr],
    search: &'a [String],
    ndots: usize,
    names_tried: &'a [String],
    answers: Vec<AnswerFacts<'a>>,
    addresses: &'a [IpAddr],
    last_known_good: Option<Remembered<'a>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct AnswerFacts<'a> {
    resolver: SocketAddr,
    name: &'a str,
    question: &'static str,
    outcome: &'static str,
    detail: Option<String>,
    duration_ms: f64,
    records: Vec<RecordFacts<'a>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct RecordFacts<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    ttl: u32,
    data: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Remembered<'a> {
    addresses: &'a [IpAddr],
    age_seconds: f64,
    in_use: bool,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Kernel<'a> {
    routes: Vec<RouteFacts<'a>>,
    packet_filters: &'a [String],
    tracked_connections: Option<Tracked>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Tracked {
    count: u64,
    most: u64,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct RouteFacts<'a> {
    address: Option<IpAddr>,
    #[serde(rename = "type")]
    kind: &'static str,
    interface: Option<&'a str>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
    mtu: Option<u32>,
    detail: String,
    trouble: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Connections {
    address: SocketAddr,
    family: &'static str,
    sent: usize,
    failed: usize,
    resent: usize,
    latency_ms: Option<Latency>,
    source: Option<IpAddr>,
    segment: Option<u32>,
    path_mtu: Option<u32>,
    faults: Vec<FaultFacts>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct FaultFacts {
    #[serde(rename = "type")]
    kind: &'static str,
    detail: String,
    count: usize,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Latency {
    min: f64,
    avg: f64,
    max: f64,
    jitter: f64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Path {
    address: SocketAddr,
    source: Option<IpAddr>,
    traces: Vec<TraceFacts>,
    mtu: Option<u32>,
    mtu_black_hole: bool,
    mtu_detail: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct TraceFacts {
    over: &'static str,
    end: String,
    hops: Vec<HopFacts>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct HopFacts {
    distance: u8,
    addresses: Vec<IpAddr>,
    latency_ms: Option<Latency>,
    answers: Vec<HopAnswerFacts>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct HopAnswerFacts {
    said: String,
    from: Option<IpAddr>,
    duration_ms: f64,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct Tls<'a> {
    /// What follows was tried with it, but for the chain, which is the probe's; null when no connection opened.
    address: Option<SocketAddr>,
    versions: Vec<VersionView>,
    handshake: Option<Handshake>,
    without_sni: Option<Handshake>,
    sni: Option<String>,
    with_h2_and_http_1_1: Option<Handshake>,
    chain: Option<Vec<CertificateView<'a>>>,
    right_chain: Vec<Link<'a>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct VersionView {
    version: String,
    accepted: bool,
    detail: String,
    suites: Vec<String>,
    suites_cut_short: bool,
    group: Option<u16>,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct Handshake {
    completed: bool,
    /// Why not.
    detail: Option<String>,
    /// The cause of the probe that the server refused after a handshake like this one.
    refused_later: Option<&'static str>,
    protocol: Option<String>,
    client_certificate_requested: Option<bool>,
    client_certificate_authorities: Vec<String>,
    duration_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "RightLink")]
struct Link<'a> {
    is: &'static str,
    position: Option<usize>,
    subject: Option<&'a str>,
    url: Option<&'a str>,
    detail: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Http<'a> {
    request: Option<String>,
    response_line: Option<String>,
    headers: Vec<String>,
    first_bytes: String,
    status: Option<u16>,
    expected_status_codes: Vec<String>,
    expected_body: Option<&'a str>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "CheckProbe")]
struct Probe {
    result: &'static str,
    cause: Option<&'static str>,
    address: Option<SocketAddr>,
    duration_seconds: f64,
    phases: Phases,
    tls: Option<Session>,
    cut_short: bool,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "CheckPhases")]
struct Phases {
    dns: f64,
    connect: f64,
    tls: f64,
    first_byte: f64,
    transfer: f64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Session {
    version: &'static str,
    cipher: &'static str,
}

impl<'a> Stages<'a> {
    pub(super) fn of(examination: &'a Examination) -> Self {
        let again = |verdict: &Option<Verdict>| verdict.as_ref().map(|verdict| Probe::of(verdict, false));
        let host = &examination.host;
        Self {
            dns: examination.names.as_ref().map(|survey| Dns::of(survey, examination)),
            route: Kernel {
                routes: examination.routes.iter().map(RouteFacts::of).collect(),
                packet_filters: &host.filters,
                tracked_connections: host.tracked.map(|(count, most)| Tracked { count, most }),
            },
            tcp: examination.connects.iter().map(Connections::of).collect(),
            path: examination.paths.iter().map(Path::of).collect(),
            tls: Tls::of(examination),
            http: Http::of(examination),
            probe: Probe::of(&examination.verdict, examination.probe_was_cut_short),
            probe_in_small_segments: again(&examination.in_small_segments),
            probe_again: again(&examination.usual_again),
        }
    }
}

impl<'a> Dns<'a> {
    fn of(survey: &'a Survey, examination: &'a Examination) -> Self {
        let last_known_good = survey.last_known_good.as_ref();
        Self {
            hosts_file: survey.hosts.as_deref(),
            resolvers: &survey.resolvers,
            search: &survey.search,
            ndots: survey.ndots,
            names_tried: &survey.candidates,
            answers: survey.answers.iter().map(AnswerFacts::of).collect(),
            addresses: &examination.addresses,
            last_known_good: last_known_good.map(|(addresses, age)| Remembered {
                addresses,
                age_seconds: seconds(*age),
                in_use: examination.is_stale,
            }),
        }
    }
}

impl<'a> AnswerFacts<'a> {
    fn of(answer: &'a Answer) -> Self {
        let (outcome, detail) = match &answer.outcome {
            Outcome::Records(_) => ("answered", None),
            Outcome::NameNotFound => ("name_not_found", None),
            Outcome::NoData => ("no_record", None),
            Outcome::Failed(why) => ("failed", Some(why.clone())),
            Outcome::Silent => ("no_answer", None),
            Outcome::NotAsked(unasked) => ("not_asked", Some(unasked.to_string())),
        };
        let records = if let Outcome::Records(records) = &answer.outcome { records.as_slice() } else { &[] };
        let records = records.iter().map(|record| {
            let (kind, data) = match &record.data {
                Data::Address(ip) => (if ip.is_ipv4() { "A" } else { "AAAA" }, Cow::Owned(ip.to_string())),
                Data::Alias(target) => ("CNAME", Cow::Borrowed(target.as_str())),
            };
            RecordFacts { name: &record.name, kind, ttl: record.ttl, data }
        });
        Self {
            resolver: answer.resolver,
            name: &answer.name,
            question: answer.question.as_str(),
            outcome,
            detail,
            duration_ms: milliseconds(answer.took),
            records: records.collect(),
        }
    }
}

impl<'a> RouteFacts<'a> {
    fn of(outlook: &'a Outlook) -> Self {
        let facts = Self {
            address: Some(outlook.target),
            kind: words::kind_of_route(&outlook.route),
            detail: words::of_route(&outlook.route),
            trouble: outlook.trouble.as_ref().map(of_trouble),
            ..Self::default()
        };
        match &outlook.route {
            Route::Through { interface, gateway, source, mtu, neighbour: _ } => {
                Self { interface: Some(interface), gateway: *gateway, source: *source, mtu: *mtu, ..facts }
            }
            Route::Own | Route::Barred(_) | Route::Unknown => facts,
        }
    }
}

impl Connections {
    fn of(connects: &Connects) -> Self {
        let opened = connects.tries.iter().find_map(|dial| dial.result.as_ref().ok());
        let faults = connects.faults().into_iter().map(|(fault, count)| FaultFacts {
            kind: words::kind_of_connect_fault(fault),
            detail: words::of_connect_fault(fault),
            count,
        });
        Self {
            address: connects.address,
            family: if connects.address.is_ipv4() { "IPv4" } else { "IPv6" },
            sent: connects.tries.len(),
            failed: connects.failed(),
            resent: connects.resent(),
            latency_ms: connects.latency().map(Latency::of),
            source: opened.map(|opened| opened.source),
            segment: opened.and_then(|opened| opened.segment),
            path_mtu: opened.and_then(|opened| opened.path_mtu),
            faults: faults.collect(),
        }
    }
}

impl Latency {
    fn of(latency: crate::troubleshoot::Latency) -> Self {
        let [min, avg, max, jitter] = [latency.min, latency.avg, latency.max, latency.jitter].map(milliseconds);
        Self { min, avg, max, jitter }
    }
}

impl Path {
    fn of(path: &PathFacts) -> Self {
        let traces = std::iter::once(("tcp", &path.tcp)).chain(path.udp.iter().map(|udp| ("udp", udp)));
        Self {
            address: path.target,
            source: path.source,
            traces: traces.map(|(over, trace)| TraceFacts::of(over, trace)).collect(),
            mtu: match path.mtu {
                PathMtu::Passes(size) | PathMtu::Smaller { mtu: size, .. } => Some(size),
                PathMtu::BlackHole { .. } | PathMtu::Unclear => None,
            },
            mtu_black_hole: matches!(path.mtu, PathMtu::BlackHole { .. }),
            mtu_detail: words::of_mtu(&path.mtu),
        }
    }
}

impl TraceFacts {
    fn of(over: &'static str, trace: &Trace) -> Self {
        let hops = trace.hops.iter().map(|hop: &Hop| HopFacts {
            distance: hop.distance,
            addresses: hop.routers(),
            latency_ms: hop.latency().map(Latency::of),
            answers: hop.answers.iter().map(HopAnswerFacts::of).collect(),
        });
        Self { over, end: words::of_end(&trace.end), hops: hops.collect() }
    }
}

impl HopAnswerFacts {
    fn of(answer: &HopAnswer) -> Self {
        let (said, from) = match &answer.said {
            Said::Nothing => ("nothing".to_owned(), None),
            Said::Passing(from) => ("on the way".to_owned(), Some(*from)),
            Said::Arrived(how) => (format!("arrived: {how}"), None),
            Said::Refused(reason) => (of_obstacle(reason.what).to_owned(), reason.from),
            Said::Local(fault) => (of_local_fault(fault), None),
        };
        Self { said, from, duration_ms: milliseconds(answer.took) }
    }
}

impl<'a> Tls<'a> {
    fn of(examination: &'a Examination) -> Option<Self> {
        let chain = examination.verdict.evidence.chain.as_ref();
        let chain = chain.map(|chain| chain.certificates.iter().map(CertificateView::of).collect());
        let Some(handshakes) = &examination.handshakes else {
            return chain.map(|chain| Self { chain: Some(chain), ..Self::default() });
        };
        Some(Self {
            address: Some(handshakes.address),
            versions: handshakes.versions.iter().map(VersionView::of).collect(),
            handshake: Some(Handshake {
                refused_later: tls::refused_later(&examination.verdict).map(Cause::code),
                ..Handshake::of(&handshakes.usual)
            }),
            without_sni: handshakes.without_name.as_ref().map(Handshake::of),
            sni: Some(tls::sni(handshakes)),
            with_h2_and_http_1_1: Some(Handshake::of(&handshakes.with_protocols)),
            chain,
            right_chain: handshakes.right_chain.iter().map(Link::of).collect(),
        })
    }
}

impl VersionView {
    fn of(facts: &VersionFacts) -> Self {
        let (suites, group, suites_cut_short) = match &facts.support {
            Support::Accepted { suites, group, is_cut_short, client_certificate_requested: _ } => {
                (words::of_suites(suites), *group, *is_cut_short)
            }
            _ => (Vec::new(), None, false),
        };
        Self {
            version: version_name(facts.version),
            accepted: facts.support.is_accepted(),
            detail: words::of_support(&facts.support),
            suites,
            suites_cut_short,
            group,
        }
    }
}

impl Handshake {
    fn of(outcome: &Result<Exploration, ConnectFault>) -> Self {
        match outcome {
            Err(fault) => Self { detail: Some(words::of_connect_fault(fault)), ..Self::default() },
            Ok(exploration) => Self {
                completed: exploration.fault.is_none(),
                detail: exploration.fault.as_ref().map(words::of_tls_fault),
                refused_later: None,
                protocol: exploration.protocol.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
                client_certificate_requested: Some(exploration.facts.client_certificate_requested),
                client_certificate_authorities: tls::authorities(exploration),
                duration_ms: Some(milliseconds(exploration.took)),
            },
        }
    }
}

impl<'a> Link<'a> {
    fn of(link: &'a RightLink) -> Self {
        let none = Self::default();
        match link {
            RightLink::Sent { position, subject } => {
                Self { is: "sent", position: Some(*position), subject: Some(subject), ..none }
            }
            RightLink::Trusted { position, subject } => {
                Self { is: "trusted", position: *position, subject: Some(subject), ..none }
            }
            RightLink::Untrusted { position, subject } => {
                Self { is: "untrusted", position: Some(*position), subject: Some(subject), ..none }
            }
            RightLink::Missing { subject, url } => {
                Self { is: "missing", subject: Some(subject), url: url.as_deref(), ..none }
            }
            RightLink::Broken(why) => Self { is: "broken", detail: Some(why), ..none },
        }
    }
}

impl<'a> Http<'a> {
    fn of(examination: &'a Examination) -> Option<Self> {
        let spec = &examination.target.probe;
        spec.request.as_ref()?;
        let transcript = &examination.transcript;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = http::head_and_body(&transcript.received);
        let mut lines = head.iter().map(|line| text(line));
        Some(Self {
            request: (!transcript.sent.is_empty()).then(|| text(&transcript.sent)),
            response_line: lines.next(),
            headers: lines.collect(),
            first_bytes: text(&body[..body.len().min(http::FIRST_BYTES)]),
            status: examination.verdict.evidence.response.as_ref().map(|response| response.status),
            expected_status_codes: spec.expectation.status_codes.iter().map(|codes| status_codes(*codes)).collect(),
            expected_body: Some(spec.expectation.body.as_str()).filter(|body| !body.is_empty()),
        })
    }
}

impl Probe {
    fn of(verdict: &Verdict, cut_short: bool) -> Self {
        let evidence = &verdict.evidence;
        let phases = evidence.phases;
        Self {
            result: verdict.result().as_str(),
            cause: verdict.cause.as_ref().map(|cause| cause.code.code()),
            address: evidence.address,
            duration_seconds: seconds(evidence.duration),
            phases: Phases {
                dns: seconds(phases.dns),
                connect: seconds(phases.connect),
                tls: seconds(phases.tls),
                first_byte: seconds(phases.first_byte),
                transfer: seconds(phases.transfer),
            },
            tls: evidence.tls.map(|tls| Session { version: tls.version, cipher: tls.cipher }),
            cut_short,
        }
    }
}
