//! A deep check as one value: Azure's words at the top, ours beside them, then a section for each stage, and the facts of the
//! stages for programs. JSON is its serde form; text and page draw the same sections.

mod facts;
mod hops;
mod http;
mod section;
mod text;
mod tls;
mod way;
mod words;

use std::net::IpAddr;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use self::facts::Stages;
use self::hops::HopView;
pub use self::section::{Block, Cell, Form, Mark, Section};
pub use self::text::text;
use crate::target::Target;
use crate::troubleshoot::{ConnectionStatus, Connects, Examination, InsightKind, Latency, Severity, State};
use crate::verdict::{Code, Finding, IssueType, Side, Stage, Verdict};
use crate::view::report::{Links, Problem, words as report_words};
use crate::words::{seconds, visible_json};

/// What a deep check found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
pub struct Check<'a> {
    #[serde(rename = "connectionStatus")]
    pub connection_status: ConnectionStatus,
    /// Of opening a connection, as the next two; null when none opened.
    #[serde(rename = "avgLatencyInMs")]
    pub avg_latency: Option<f64>,
    #[serde(rename = "minLatencyInMs")]
    pub min_latency: Option<f64>,
    #[serde(rename = "maxLatencyInMs")]
    pub max_latency: Option<f64>,
    #[serde(rename = "probesSent")]
    pub probes_sent: usize,
    #[serde(rename = "probesFailed")]
    pub probes_failed: usize,
    /// From this host to the server, or to where the packets end.
    pub hops: Vec<HopView>,
    /// The causes first, then what only the deep check sees, then warnings.
    pub issues: Vec<Issue>,
    pub state: State,
    /// Null when the probe succeeded.
    pub cause: Option<Problem<'a>>,
    /// The cause's.
    pub remedy: Vec<String>,
    pub also: Vec<Problem<'a>>,
    pub warnings: Vec<Problem<'a>>,
    /// What only the deep check sees.
    pub insights: Vec<InsightView<'a>>,
    #[serde(with = "report_words::time")]
    #[schemars(schema_with = "report_words::time::schema")]
    pub at: SystemTime,
    pub duration_seconds: f64,
    pub target: TargetView<'a>,
    /// The probe had less time than its own timeout, because the whole check had no more.
    pub probe_cut_short: bool,
    /// At least one connection opened.
    #[serde(skip)]
    pub opened: bool,
    /// What each stage found, for people.
    pub sections: Vec<Section>,
    /// The same for programs: fields come with what there is to tell.
    pub stages: Stages<'a>,
}

/// One thing that is wrong, in the words of Azure's connection troubleshoot.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Issue {
    pub origin: Origin,
    pub severity: Severity,
    #[serde(rename = "type")]
    pub kind: IssueType,
    pub context: Vec<Pair>,
}

/// Where it shows, seen from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Origin {
    Local,
    Outbound,
    Inbound,
}

/// A key and its value.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Pair {
    pub key: String,
    pub value: String,
}

/// What only the deep check sees.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Insight")]
pub struct InsightView<'a> {
    pub code: &'static str,
    pub severity: Severity,
    #[serde(with = "report_words::side")]
    #[schemars(schema_with = "report_words::side::schema")]
    pub side: Side,
    pub title: &'static str,
    pub detail: &'a str,
    pub remedy: [&'static str; 1],
}

/// What was checked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "CheckTarget")]
pub struct TargetView<'a> {
    pub server: &'a str,
    pub port: u16,
    pub protocol: &'static str,
    /// The Host header; http and https only.
    pub host: Option<&'a str>,
    pub path: Option<&'a str>,
    /// What the certificate must be for; https and tls only.
    pub name: Option<String>,
    /// Null of a target that is no row.
    pub pool: Option<&'a str>,
    pub setting: Option<&'a str>,
    pub timeout_seconds: f64,
}

impl<'a> Check<'a> {
    /// `links`: where the documentation is served; `None`: nowhere.
    #[must_use]
    pub fn of(examination: &'a Examination, links: Option<&Links>) -> Self {
        let Examination { target, at, took, connects, verdict, probe_was_cut_short, insights, .. } = examination;
        let address = verdict.evidence.address;
        let cause = verdict.cause.as_ref().map(|cause| Problem::of(cause, target, address, links));
        let tries = || connects.iter().flat_map(|connects| &connects.tries);
        let latency = Latency::of(tries().filter(|dial| dial.result.is_ok()).map(|dial| dial.took));
        let issues = issues(examination);
        Self {
            connection_status: examination.connection_status(),
            avg_latency: latency.map(|latency| milliseconds(latency.avg)),
            min_latency: latency.map(|latency| milliseconds(latency.min)),
            max_latency: latency.map(|latency| milliseconds(latency.max)),
            probes_sent: tries().count(),
            probes_failed: connects.iter().map(Connects::failed).sum(),
            hops: hops::of(examination, &issues),
            issues,
            state: examination.state(),
            remedy: cause.as_ref().map(|cause| cause.remedy.clone()).unwrap_or_default(),
            cause,
            also: verdict.also.iter().map(|also| Problem::of(also, target, address, links)).collect(),
            warnings: verdict.warnings.iter().map(|warning| Problem::of(warning, target, address, links)).collect(),
            insights: insights
                .iter()
                .map(|insight| InsightView {
                    code: insight.kind.code(),
                    severity: insight.severity,
                    side: insight.kind.side(),
                    title: insight.kind.title(),
                    detail: &insight.detail,
                    remedy: [insight.kind.remedy()],
                })
                .collect(),
            at: *at,
            duration_seconds: seconds(*took),
            target: TargetView::of(target),
            probe_cut_short: *probe_was_cut_short,
            opened: tries().any(|dial| dial.result.is_ok()),
            sections: sections(examination),
            stages: Stages::of(examination),
        }
    }

    /// As JSON, indented, with a newline at the end; safe to be shown on a terminal.
    #[must_use]
    pub fn json(&self) -> String {
        // Writing to memory cannot fail, and every key is text.
        let mut json = visible_json(&serde_json::to_string_pretty(self).unwrap_or_default()).into_owned();
        json.push('\n');
        json
    }

    /// As JSON in one line.
    #[must_use]
    pub fn json_line(&self) -> String {
        visible_json(&serde_json::to_string(self).unwrap_or_default()).into_owned()
    }

    /// What Azure's word for the connection means here.
    #[must_use]
    pub fn status_words(&self) -> &'static str {
        match (self.connection_status, self.state) {
            (ConnectionStatus::Reachable, _) if self.opened => "every connection opened",
            (ConnectionStatus::Reachable, _) => "the probe came through",
            (ConnectionStatus::Degraded, State::Healthy) => "not every connection opened at once",
            (ConnectionStatus::Degraded, _) => "connections open, but the server is not in order",
            (ConnectionStatus::Unreachable, _) => "no connection opened",
        }
    }
}

impl<'a> TargetView<'a> {
    fn of(target: &'a Target) -> Self {
        let named = |name: &'a str| (!name.is_empty()).then_some(name);
        let spec = &target.probe;
        Self {
            server: &target.server,
            port: spec.port,
            protocol: spec.protocol.as_str(),
            host: spec.request.as_ref().map(|request| &*request.host),
            path: spec.request.as_ref().map(|request| &*request.ask.path),
            name: spec.tls.as_ref().map(|tls| tls.name.to_string()),
            pool: named(&target.pool),
            setting: named(&target.setting),
            timeout_seconds: seconds(spec.timeout),
        }
    }
}

fn sections(examination: &Examination) -> Vec<Section> {
    let sections = [
        way::names(examination),
        way::routes(examination),
        Some(way::connects(examination)),
        way::hops(examination),
        tls::section(examination),
        http::section(examination),
    ];
    sections.into_iter().flatten().map(|section| as_the_probe_saw_it(section, &examination.verdict)).collect()
}

/// Good is what held to the end. What is tried beside the probe may come through where the probe did not: another moment,
/// nothing sent, nothing waited for.
fn as_the_probe_saw_it(section: Section, verdict: &Verdict) -> Section {
    let stage = Stage::ALL.iter().find(|stage| stage.as_str() == section.id).copied();
    // Routes are all that is looked at of this host.
    let stage = if section.id == "route" { Some(Stage::Local) } else { stage };
    let mut findings = verdict.cause.iter().chain(&verdict.also);
    match findings.find(|finding| Some(finding.code.stage()) == stage) {
        Some(finding) if section.mark == Mark::Good => {
            let outcome = format!("{}; but the probe: {}", section.outcome, finding.words().title);
            Section { mark: Mark::Odd, outcome, ..section }
        }
        _ => section,
    }
}

fn issues(examination: &Examination) -> Vec<Issue> {
    let verdict = &examination.verdict;
    let causes = verdict.cause.iter().chain(&verdict.also).map(|finding| issue(finding, Severity::Error));
    let insights = examination.insights.iter().map(|insight| {
        let (origin, kind) = of_insight(insight.kind);
        let own = [pair("insight", insight.kind.code()), pair("detail", &insight.detail)];
        let context = own.into_iter().chain(insight.context.iter().map(|(key, value)| pair(key, value))).collect();
        Issue { origin, severity: insight.severity, kind, context }
    });
    let warnings = verdict.warnings.iter().map(|finding| issue(finding, Severity::Warning));
    causes.chain(insights).chain(warnings).collect()
}

fn issue<C: Copy + Into<Code>>(finding: &Finding<C>, severity: Severity) -> Issue {
    let words = finding.code.into().words();
    let origin = match words.stage {
        Stage::Local | Stage::Dns => Origin::Local,
        Stage::Tcp => Origin::Outbound,
        Stage::Tls | Stage::Http => Origin::Inbound,
    };
    let context = vec![pair("cause", words.code), pair("detail", &finding.detail)];
    Issue { origin, severity, kind: finding.issue(), context }
}

fn of_insight(kind: InsightKind) -> (Origin, IssueType) {
    match kind {
        InsightKind::MtuBlackHole | InsightKind::Loss => (Origin::Outbound, IssueType::NetworkError),
        InsightKind::PortSilent => (Origin::Inbound, IssueType::GuestFirewall),
        InsightKind::LostBehind => (Origin::Outbound, IssueType::DestinationUnreachable),
        InsightKind::HostFilterFull => (Origin::Local, IssueType::GuestFirewall),
        InsightKind::PartlyReachable => (Origin::Outbound, IssueType::DestinationPartiallyReachable),
        InsightKind::ResolversDisagree => (Origin::Local, IssueType::DnsResponseValidationFailed),
        InsightKind::ResolverFails => (Origin::Local, IssueType::DnsResolution),
        InsightKind::OldTls => (Origin::Inbound, IssueType::Tls),
    }
}

fn pair(key: &str, value: &str) -> Pair {
    Pair { key: key.to_owned(), value: value.to_owned() }
}

impl Origin {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "Local",
            Self::Outbound => "Outbound",
            Self::Inbound => "Inbound",
        }
    }
}

/// In milliseconds, to the microsecond: on a local network there is little more.
fn milliseconds(span: std::time::Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// `1 address`, `2 addresses`.
fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
