//! The report: every row with its state, its cause and the facts of its latest probe, made from one
//! [`Snapshot`]. Web page, REST API, Azure's shapes and command line are renderings of it.
//!
//! The types are the JSON of `/api/v1/backendhealth`, and its schema is derived from them; reading that JSON gives the
//! same value again.

mod filter;
mod json;
mod of;
pub(in crate::view) mod words;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::filter::{Filter, FilterError, FilterKey, Warned, cause, side, state, warning};
pub use self::json::write_json;
pub use self::of::Links;
pub use crate::health::{Snapshot, State};
use crate::target::Protocol;
pub use crate::verdict::{Cause, Side};
use crate::verdict::{ProbeResult, Role, Stage};

/// The state of some or all rows at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Report")]
pub struct Report<'a> {
    /// When the report last changed: when a probe ended, or the configuration was read again.
    #[serde(with = "words::time")]
    #[schemars(schema_with = "words::time::schema")]
    pub generated_at: SystemTime,
    /// Of the rows in this report.
    pub summary: Summary,
    /// The configuration that the rows are of; null only in what an older exporter says.
    #[serde(default)]
    pub configuration: Option<ConfigurationView<'a>>,
    /// In the configuration's order.
    pub rows: Vec<ReportRow<'a>>,
}

/// The configuration in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Configuration")]
pub struct ConfigurationView<'a> {
    /// When it was read.
    #[serde(with = "words::time")]
    #[schemars(schema_with = "words::time::schema")]
    pub loaded_at: SystemTime,
    /// The first thing that is wrong with the configuration that should have taken its place; null when there is none.
    pub error: Option<Cow<'a, str>>,
}

/// How the report stands, without its rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportHead {
    /// As the report's.
    #[serde(with = "words::time")]
    #[schemars(schema_with = "words::time::schema")]
    pub generated_at: SystemTime,
    /// Of all rows.
    pub summary: Summary,
}

/// How many rows are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    pub healthy: usize,
    pub unhealthy: usize,
    pub unknown: usize,
}

/// One server of one pool under one backend setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Row")]
pub struct ReportRow<'a> {
    /// The same across restarts and reloads: 16 hexadecimal digits.
    pub id: String,
    pub pool: Cow<'a, str>,
    pub setting: Cow<'a, str>,
    /// As written in the configuration, an IPv6 address without brackets.
    pub server: Cow<'a, str>,
    /// The port that is really probed.
    pub port: u16,
    #[serde(with = "words::protocol")]
    #[schemars(schema_with = "words::protocol::schema")]
    pub protocol: Protocol,
    #[serde(with = "words::state")]
    #[schemars(schema_with = "words::state::schema")]
    pub state: State,
    /// When the row took its state.
    #[serde(with = "words::time")]
    #[schemars(schema_with = "words::time::schema")]
    pub since: SystemTime,
    #[serde(default)]
    pub uptime: UptimeView,
    /// Failed probes in a row.
    pub consecutive_failures: u32,
    /// Successful probes in a row of a row that is not Healthy yet; 0 of one that is.
    #[serde(default)]
    pub consecutive_successes: u32,
    /// The failed probes in a row that make it Unhealthy.
    pub unhealthy_threshold: u32,
    /// The successful probes in a row that make it Healthy again.
    #[serde(default = "one")]
    pub healthy_threshold: u32,
    /// Why it is not Healthy, or why its latest probe failed; null when that succeeded.
    pub cause: Option<Problem<'a>>,
    /// Further faults of the latest probe.
    pub also: Vec<Problem<'a>>,
    /// What is not right but does not fail the probe.
    pub warnings: Vec<Problem<'a>>,
    /// How the row is probed.
    pub probe: Question<'a>,
    /// Null until the first probe has ended.
    pub last_probe: Option<LastProbe<'a>>,
    /// The 20 latest probes, and the 10 latest failures before them; the latest first.
    pub history: Vec<PastProbe>,
}

/// Of an exporter that knows no other threshold.
fn one() -> u32 {
    1
}

/// How much of the time the row was Healthy, of that in which it was known to be Healthy or Unhealthy: from 0 to 1, and null
/// where there was no such time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Uptime")]
pub struct UptimeView {
    /// Of the last hour.
    pub hour: Option<f64>,
    /// Of the last 24 hours.
    pub day: Option<f64>,
    /// Of the last seven days, or since the exporter started.
    pub week: Option<f64>,
}

/// Something that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem<'a> {
    /// Of the closed set of causes, or of notices in `warnings`.
    pub code: Cow<'a, str>,
    /// Where it showed.
    #[serde(with = "words::stage")]
    #[schemars(schema_with = "words::stage::schema")]
    pub stage: Stage,
    /// Who has to act: the network, the settings here (gateway), the server, or this host (exporter).
    #[serde(with = "words::side")]
    #[schemars(schema_with = "words::side::schema")]
    pub side: Side,
    pub title: Cow<'a, str>,
    /// What it means, in one sentence.
    pub explanation: Cow<'a, str>,
    /// What was seen, in one sentence with the actual names, numbers and times.
    pub detail: Cow<'a, str>,
    /// What to do, in the order in which to try it. Code stands between backticks.
    pub remedy: Vec<String>,
    /// The shell command that shows the same.
    pub reproduce: Option<String>,
    /// The SHA-256 fingerprint of the certificate that it is about, or whose issuer is missing: one of the chain, or a
    /// trusted root. Null when it is about no certificate that can be read.
    #[serde(default)]
    pub certificate: Option<Cow<'a, str>>,
    /// Empty, and then null, where the documentation is served nowhere.
    #[serde(serialize_with = "words::text_or_null")]
    #[schemars(with = "String")]
    pub docs_url: String,
}

/// How a row is probed: what the gateway uses.
#[allow(clippy::struct_excessive_bools)] // each is a key of the configuration
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Question<'a> {
    pub interval_seconds: f64,
    /// The interval after a failed probe, and while the row is not Healthy; 0 of an exporter that has none.
    #[serde(default)]
    pub unhealthy_interval_seconds: f64,
    pub timeout_seconds: f64,
    /// Status codes and ranges that count as healthy; http and https only.
    pub expected_status_codes: Vec<String>,
    /// What the body must contain; empty: anything.
    pub expected_body: Cow<'a, str>,
    /// What is sent, part by part, in words that show no secret; http and https only.
    #[serde(default)]
    pub sends: Vec<String>,
    /// All that has to come back, part by part, in words; http and https only.
    #[serde(default)]
    pub expects: Vec<String>,
    /// The name that the certificate must be for; https and tls only.
    pub name: Option<String>,
    /// Where that name comes from.
    pub name_source: Option<Cow<'a, str>>,
    pub trust: Option<TrustView>,
    /// A client certificate is sent when the server asks for one.
    pub client_certificate: bool,
    /// A PROXY protocol line is sent first.
    pub proxy_protocol: bool,
    /// False: faults of chain and dates are only warnings.
    pub validate_cert_chain_and_expiry: bool,
    /// False: a wrong name is only a warning.
    pub validate_sni: bool,
    pub request: RequestView<'a>,
}

/// The facts of the latest probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastProbe<'a> {
    /// When it started.
    #[serde(with = "words::time_in_milliseconds")]
    #[schemars(schema_with = "words::time::schema")]
    pub at: SystemTime,
    pub duration_seconds: f64,
    /// What was connected to, or tried last; null when there was no address.
    pub address: Option<SocketAddr>,
    #[serde(with = "words::result")]
    #[schemars(schema_with = "words::result::schema")]
    pub result: ProbeResult,
    /// Why it did not succeed; differs from the row's cause when it gave no verdict.
    pub cause: Option<Problem<'a>>,
    /// Every address that could not be connected to, in the order in which they failed.
    pub attempts: Vec<AttemptView<'a>>,
    /// Seconds spent on each part that the protocol has; 0 when it was not reached.
    pub phases: PhasesView,
    pub request: RequestView<'a>,
    /// Null when no complete response head came.
    pub response: Option<ResponseView<'a>>,
    /// Null without TLS, and when the probe did not come so far.
    pub tls: Option<TlsView<'a>>,
}

/// An address that could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub struct AttemptView<'a> {
    pub address: SocketAddr,
    /// A code of the closed set.
    pub cause: Cow<'a, str>,
    pub detail: Cow<'a, str>,
}

/// Durations in seconds, of the parts that the protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Phases")]
pub struct PhasesView {
    pub dns: f64,
    pub connect: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<f64>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Request")]
pub struct RequestView<'a> {
    /// Scheme, server, port and path; the scheme is the protocol.
    pub url: String,
    /// The Host header; http and https only.
    pub host: Option<Cow<'a, str>>,
    /// The TLS server name that is sent; null without TLS and for an IP address, which is never sent.
    pub sni: Option<String>,
}

/// What came back over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Response")]
pub struct ResponseView<'a> {
    pub status: u16,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: Cow<'a, str>,
    /// The first bytes of the body, at most 256.
    pub body_excerpt: Cow<'a, str>,
}

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Tls")]
pub struct TlsView<'a> {
    /// `TLS 1.2` or `TLS 1.3`; null when the server did not get to choose.
    pub version: Option<Cow<'a, str>>,
    /// IANA's name, for example `TLS_AES_128_GCM_SHA256`.
    pub cipher: Option<Cow<'a, str>>,
    /// The handshake was completed with a certificate that has a path to a trusted root and the expected name.
    pub verified: bool,
    /// The certificates in the order sent.
    pub chain: Vec<CertificateView<'a>>,
    pub trust: TrustView,
}

/// One certificate as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Certificate")]
pub struct CertificateView<'a> {
    /// From 0, as sent.
    pub position: usize,
    #[serde(with = "words::role")]
    #[schemars(schema_with = "words::role::schema")]
    pub role: Role,
    /// Whether the path that was accepted, or the one that was judged, goes through it.
    #[serde(default)]
    pub on_path: bool,
    /// As RFC 4514 writes it, for example `CN=app.example.com,O=Corp`.
    pub subject: Cow<'a, str>,
    pub issuer: Cow<'a, str>,
    /// Lower-case hexadecimal without colons, as the fingerprint.
    pub serial: Cow<'a, str>,
    #[serde(with = "words::time")]
    #[schemars(schema_with = "words::time::schema")]
    pub not_before: SystemTime,
    #[serde(with = "words::time")]
    #[schemars(schema_with = "words::time::schema")]
    pub not_after: SystemTime,
    pub dns_names: Cow<'a, [String]>,
    pub ip_addresses: Cow<'a, [IpAddr]>,
    /// For example `RSA 2048` or `ECDSA P-256`.
    pub public_key: Cow<'a, str>,
    /// For example `SHA256 with RSA`.
    pub signature_algorithm: Cow<'a, str>,
    pub fingerprint_sha256: Cow<'a, str>,
    /// Codes of what is wrong with it, or begins to be wrong here.
    pub faults: Vec<Cow<'a, str>>,
}

/// What the certificates are checked against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Trust")]
pub struct TrustView {
    /// `well_known`: the CAs that this host trusts; `configured`: those that the backend setting names.
    pub mode: Cow<'static, str>,
    /// Subjects of the configured certificates, or of the well-known CA that the chain led to.
    pub anchors: Vec<String>,
}

/// One probe of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastProbe {
    /// When it started.
    #[serde(with = "words::time_in_milliseconds")]
    #[schemars(schema_with = "words::time::schema")]
    pub at: SystemTime,
    #[serde(with = "words::result")]
    #[schemars(schema_with = "words::result::schema")]
    pub result: ProbeResult,
    /// A code of the closed set; null after a success.
    pub cause: Option<Cow<'static, str>>,
    pub duration_seconds: f64,
    /// Of the HTTP response, when one came.
    pub status: Option<u16>,
}

/// The latest changes of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Events<'a> {
    /// The latest first.
    pub events: Vec<Event<'a>>,
}

/// A change of a row's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event<'a> {
    /// Counts the changes since the exporter started, from 1.
    pub number: u64,
    #[serde(with = "words::time_in_milliseconds")]
    #[schemars(schema_with = "words::time::schema")]
    pub at: SystemTime,
    /// The row's.
    pub id: String,
    pub pool: Cow<'a, str>,
    pub setting: Cow<'a, str>,
    pub server: Cow<'a, str>,
    pub port: u16,
    #[serde(with = "words::protocol")]
    #[schemars(schema_with = "words::protocol::schema")]
    pub protocol: Protocol,
    #[serde(with = "words::state")]
    #[schemars(schema_with = "words::state::schema")]
    pub from: State,
    #[serde(with = "words::state")]
    #[schemars(schema_with = "words::state::schema")]
    pub to: State,
    /// Why; null when the row became Healthy.
    pub cause: Option<Problem<'a>>,
}
