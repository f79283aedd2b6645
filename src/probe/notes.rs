//! What a probe has seen so far: the stages write it down as they go, so that it outlives them when the deadline cuts them
//! off.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{FailedAddress, Phases, Response, ResponseProgress, Stale, TlsFacts};

/// How long a server itself may take to close or reset after a PROXY line or a client certificate that it does not like.
const REJECTION_WINDOW: Duration = Duration::from_millis(250);

/// What is known so far; outlives the stages when the deadline cuts them off.
pub(super) struct Notes {
    pub(super) deadline: Instant,
    pub(super) phase: Phase,
    phase_start: Instant,
    pub(super) phases: Phases,
    pub(super) address: Option<SocketAddr>,
    /// Connection attempts under way.
    pub(super) pending_addresses: Vec<SocketAddr>,
    pub(super) failed_addresses: Vec<FailedAddress>,
    pub(super) stale: Option<Stale>,
    pub(super) tls: Option<Box<TlsFacts>>,
    /// See [`TlsFacts::renegotiation_requested`].
    pub(super) renegotiation_requested: bool,
    pub(super) response: Option<Box<Response>>,
    /// What of the response is in.
    pub(super) progress: ResponseProgress,
    /// When the last bytes of it came.
    pub(super) heard: Instant,
    /// Bytes that a segment may have at most, when that is not the network's own choice.
    pub(super) segment: Option<u32>,
    /// Filled when somebody wants to see the exchange itself.
    pub(super) transcript: Option<Box<Transcript>>,
}

/// An HTTP exchange as it went over the connection, within TLS if there was any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    pub sent: Vec<u8>,
    /// The first 16 KiB.
    pub received: Vec<u8>,
}

impl Transcript {
    pub(super) const MAX_KEPT: usize = 16 * 1024;

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let room = Self::MAX_KEPT.saturating_sub(self.received.len()).min(bytes.len());
        self.received.extend_from_slice(&bytes[..room]);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Dns,
    Connect,
    Tls,
    FirstByte,
    Transfer,
    /// All is done, and only a rejection that comes late could still change that; booked on no part of the probe.
    Watch,
    Over,
}

impl Notes {
    pub(super) fn new(start: Instant, deadline: Instant) -> Self {
        Self {
            deadline,
            phase: Phase::Dns,
            phase_start: start,
            phases: Phases::default(),
            address: None,
            pending_addresses: Vec::new(),
            failed_addresses: Vec::new(),
            stale: None,
            tls: None,
            renegotiation_requested: false,
            response: None,
            progress: ResponseProgress::Nothing,
            heard: start,
            segment: None,
            transcript: None,
        }
    }

    /// How long the server has said nothing, when it has not since it was told something: the kernel would hold its
    /// answer, however late we are.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        let is_silent = match self.phase {
            Phase::Connect | Phase::FirstByte => true,
            Phase::Tls => self.tls.as_ref().is_some_and(|facts| facts.received.is_empty()),
            Phase::Dns | Phase::Transfer | Phase::Watch | Phase::Over => false,
        };
        is_silent.then(|| self.deadline.saturating_duration_since(self.phase_start))
    }

    /// How long a server that has nothing to say is waited for, in case it says no: what a refusal takes to come here is
    /// what everything else took, and a little more when a packet is lost.
    pub(super) fn rejection_window(&self) -> Duration {
        REJECTION_WINDOW + self.phases.connect.max(self.phases.tls) * 2
    }

    /// Ends the current phase and begins the next one.
    pub(super) fn enter(&mut self, next: Phase) {
        let now = Instant::now();
        let spent = now - self.phase_start;
        match self.phase {
            Phase::Dns => self.phases.dns = spent,
            Phase::Connect => self.phases.connect = spent,
            Phase::Tls => self.phases.tls = spent,
            Phase::FirstByte => self.phases.first_byte = spent,
            Phase::Transfer => self.phases.transfer = spent,
            Phase::Watch | Phase::Over => {}
        }
        self.phase = next;
        self.phase_start = now;
    }
}
