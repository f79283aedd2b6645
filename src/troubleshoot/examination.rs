//! All that came of a deep check, and what it comes to in one word.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Connects, Handshakes, HostFacts, Insight, Outlook, PathFacts, Survey, Transcript};
use crate::target::Target;
use crate::verdict::{Stage, Verdict};

/// All that came of a check.
#[derive(Clone, Debug)]
pub struct Examination {
    /// As it was probed.
    pub target: Target,
    pub at: SystemTime,
    pub took: Duration,
    /// Of a server that is a name.
    pub names: Option<Survey>,
    /// Every address of the server, in the order in which they are tried.
    pub addresses: Vec<IpAddr>,
    /// The addresses are remembered ones, because the lookup failed.
    pub is_stale: bool,
    /// Of each address.
    pub routes: Vec<Outlook>,
    pub host: HostFacts,
    /// To each address.
    pub connects: Vec<Connects>,
    /// To the first address of each family.
    pub paths: Vec<PathFacts>,
    /// Of a server that is to speak TLS, when a connection opens.
    pub handshakes: Option<Handshakes>,
    /// Of the probe.
    pub verdict: Verdict,
    /// The probe's exchange.
    pub transcript: Transcript,
    /// The probe had less time than its own timeout, because the whole check had no more.
    pub probe_was_cut_short: bool,
    /// The same probe with small segments, after one that timed out on an open connection.
    pub in_small_segments: Option<Verdict>,
    /// The usual probe once more, after small segments made a difference: a server that was slow for a moment is none.
    pub usual_again: Option<Verdict>,
    /// What only this check can see, the worst first.
    pub insights: Vec<Insight>,
}

/// Whether a server is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CheckState")]
pub enum State {
    Healthy,
    Unhealthy,
    Unknown,
}

/// How far one comes, in Azure's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ConnectionStatus {
    Reachable,
    /// Connections open, but not all of them, or the server is not in order.
    Degraded,
    Unreachable,
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unhealthy => "Unhealthy",
            Self::Unknown => "Unknown",
        }
    }
}

impl ConnectionStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "Reachable",
            Self::Degraded => "Degraded",
            Self::Unreachable => "Unreachable",
        }
    }
}

impl Examination {
    /// As a new row's first probe would make it.
    #[must_use]
    pub fn state(&self) -> State {
        match self.verdict.cause.as_ref().map(|finding| finding.code.stage()) {
            None => State::Healthy,
            Some(Stage::Local | Stage::Dns) => State::Unknown,
            Some(_) => State::Unhealthy,
        }
    }

    #[must_use]
    pub fn connection_status(&self) -> ConnectionStatus {
        let opened = self.connects.iter().any(|connects| connects.opened() > 0);
        let failed = self.connects.iter().any(|connects| connects.failed() > 0 || connects.resent() > 0);
        match (self.state(), opened) {
            (State::Healthy, _) if !failed => ConnectionStatus::Reachable,
            (State::Healthy, _) | (State::Unhealthy | State::Unknown, true) => ConnectionStatus::Degraded,
            (State::Unhealthy | State::Unknown, false) => ConnectionStatus::Unreachable,
        }
    }

    /// The address that the probe came to, else the first one.
    #[must_use]
    pub fn main_address(&self) -> Option<IpAddr> {
        self.verdict.evidence.address.map(|address| address.ip()).or(self.addresses.first().copied())
    }
}
