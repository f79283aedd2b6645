//! `judge`: [`Observation`](crate::probe::Observation) → [`Verdict`]. Pure: facts in, verdict out; no clock, no files, no network.

mod case;
mod cause;
mod certificate;
mod certificate_notices;
mod chain;
mod constraints;
mod diagnosis;
mod fault;
mod finding;
mod flaws;
mod handshake;
mod http;
mod offer;
mod judge;
mod links;
mod malformed;
mod matching;
mod memory;
mod name;
mod nearly;
mod right_chain;
mod showing;
mod spelling;
mod text;
mod trouble;
mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use case::Case;
pub use cause::{Cause, Code, Notice, Side, Step, Words};
pub use chain::{PresentedCertificate, PresentedChain, Role, anchor_names};
pub use finding::{Facts, Finding, Slot};
pub use handshake::{alert_name, unexplained_alert};
pub use judge::judge;
pub use memory::Judge;
pub use offer::{suite_name, version_name};
pub use right_chain::{RightLink, name_of_der, right_chain};
pub use showing::{IssueType, Place, Saying};
pub use trouble::{of_bar, of_local_fault, of_obstacle, of_reason, of_trouble};

pub use crate::probe::{Part, Phases, ScanFacts, Stage};

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    Success,
    /// The server, the network or our settings failed it: stages dns, tcp, tls and http.
    Failure,
    /// Our own trouble: says nothing about the server.
    NoVerdict,
}

impl ProbeResult {
    /// As in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::NoVerdict => "no_verdict",
        }
    }
}

/// What is made of one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Why it failed or gave no verdict; `None` after a success.
    pub cause: Option<Finding<Cause>>,
    /// Further faults that hold at the same time.
    pub also: Vec<Finding<Cause>>,
    /// What is not right but does not fail the probe.
    pub warnings: Vec<Finding<Code>>,
    pub evidence: Evidence,
}

/// What is kept of a probe, beside what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// When the probe started.
    pub at: SystemTime,
    /// The whole probe.
    pub duration: Duration,
    pub phases: Phases,
    /// The address that was connected to, or the last one that was tried.
    pub address: Option<SocketAddr>,
    /// Every address that could not be connected to, in the order in which they failed.
    pub attempts: Vec<Attempt>,
    pub response: Option<ResponseSummary>,
    /// The latest handshake, as far as it came.
    pub tls: Option<TlsSession>,
    /// The handshake was completed with a certificate that has a path to a trusted root and the name that we expect.
    pub verified: bool,
    /// The certificates as sent, when there were any.
    pub chain: Option<Arc<PresentedChain>>,
}

/// An address that could not be connected to, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub address: SocketAddr,
    pub cause: Cause,
    pub detail: String,
}

/// What is kept of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseSummary {
    pub status: u16,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// The first bytes of the body, at most 256.
    pub body_excerpt: String,
}

/// The parameters of a handshake, in the field's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// `TLS 1.2`, `TLS 1.3`.
    pub version: &'static str,
    /// IANA's name, for example `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
}

impl Verdict {
    #[must_use]
    pub fn result(&self) -> ProbeResult {
        match &self.cause {
            None => ProbeResult::Success,
            Some(finding) if finding.code.stage() == Stage::Local => ProbeResult::NoVerdict,
            Some(_) => ProbeResult::Failure,
        }
    }
}
