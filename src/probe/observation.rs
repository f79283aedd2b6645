//! What one probe saw: facts, and what ended it. What they mean is for the verdict to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use super::memo::Acceptance;
use super::phases::Phases;
use super::scan::ScanFacts;
use super::trouble::{IcmpReason, LocalFault};
use super::trust::AcceptedPath;
use crate::resolver::{DnsFault, Stale};

/// What one probe saw.
#[derive(Clone, Debug)]
pub struct Observation {
    /// When the probe started.
    pub at: SystemTime,
    /// The whole probe.
    pub duration: Duration,
    pub phases: Phases,
    /// The address that was connected to, or the last one that was tried.
    pub address: Option<SocketAddr>,
    /// Every address that failed, in the order in which they failed.
    pub failed_addresses: Vec<FailedAddress>,
    /// Set when the addresses are remembered ones, because the lookup failed.
    pub stale: Option<Stale>,
    /// Present when a TLS handshake was begun.
    pub tls: Option<Box<TlsFacts>>,
    /// Present when a whole response head arrived.
    pub response: Option<Response>,
    /// What ended the probe before its work was done.
    pub fault: Option<Fault>,
    /// What an extra ClientHello found out about an alert that explains nothing, now or a while ago.
    pub scan: Option<Arc<ScanFacts>>,
}

/// What a handshake showed, whether it succeeded or not.
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    pub version: Option<rustls::ProtocolVersion>,
    pub cipher_suite: Option<rustls::CipherSuite>,
    /// The certificates as sent, DER, in the order sent; empty when none came.
    pub chain: Arc<[CertificateDer<'static>]>,
    /// webpki's verdict on path, dates, usage and revocation; `None` when no certificate came.
    pub path: Option<Result<AcceptedPath, webpki::Error>>,
    /// webpki's verdict on the name; `None` when no certificate came.
    pub name: Option<Result<(), webpki::Error>>,
    /// Whether the handshake is signed with the key of the first certificate, also when path or name were refused;
    /// `None` when it did not come to that.
    pub signature: Option<Result<(), rustls::Error>>,
    /// The leaf is, byte for byte, one of the trusted certificates.
    pub leaf_is_trusted_itself: bool,
    /// Present when path and name were accepted, and by what the acceptance was remembered.
    pub accepted_as: Option<Acceptance>,
    /// The moment, in whole seconds, that the certificates were judged for.
    pub judged_for: Option<SystemTime>,
    /// The server asked for a client certificate.
    pub client_certificate_requested: bool,
    /// After the handshake it asked to renegotiate, as TLS up to 1.2 allows, which is not done.
    pub renegotiation_requested: bool,
    /// The first bytes that the server sent, at most 512.
    pub received: Vec<u8>,
}

/// A response: its head and what was kept of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// The `Location` of a redirect, at most 256 bytes.
    pub location: Option<String>,
    /// What it would rather speak, at most 256 bytes.
    pub upgrade: Option<String>,
    /// The headers that the probe has rules for, with their values, as they came.
    pub wanted: Vec<(Arc<str>, Vec<u8>)>,
    /// What was around the body.
    pub coding: Coding,
    /// Fields that were taken although they are not as they should be, at most 8.
    pub odd_fields: Vec<OddField>,
    /// The first 64 KiB at most, without the framing, and without a coding that could be taken off.
    pub body: Vec<u8>,
}

/// An address that could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAddress {
    pub address: SocketAddr,
    pub fault: ConnectFault,
}

/// What happened, in the network's own terms; what it means is for the verdict to say.
#[derive(Clone, Debug)]
pub enum Fault {
    Local(LocalFault),
    Dns(DnsFault),
    /// No address could be connected to; the fault of the last one to fail.
    Connect(ConnectFault),
    /// The PROXY line was sent, and this came before anything else.
    AfterProxyLine(AfterProxyLine),
    Tls(TlsFault),
    Http(HttpFault),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    Refused,
    Timeout,
    /// An ICMP message said so, or nobody answered for an on-link address.
    Unreachable(IcmpReason),
    Reset,
    Local(LocalFault),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterProxyLine {
    Closed,
    Reset,
    /// The first bytes were no TLS, at most 256 of them.
    NotTls(Vec<u8>),
    /// A TLS alert was the first message.
    Alert(rustls::AlertDescription),
}

#[derive(Clone, Debug)]
pub enum TlsFault {
    Timeout,
    Closed,
    Reset,
    /// What rustls said, with the bytes received in [`TlsFacts::received`].
    Rustls(rustls::Error),
    /// The handshake was over, and then the server sent an alert before anything else.
    AlertAfterHandshake(rustls::AlertDescription),
    /// The handshake was over, the server had asked for a client certificate, and it closed or reset before
    /// anything else.
    EndAfterHandshake {
        reset: bool,
    },
    /// More bytes came than this of what holds nothing for us; the reading ended there.
    Flood(Flood),
}

/// What a server sent far too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Messages of a handshake that was not over by then.
    Handshake,
    /// After the handshake, records that carry no data: session tickets, key updates, empty or padded ones.
    Records,
    /// After the handshake, messages that run on into each other, more at once than is kept of them: 64 KiB.
    Messages,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// What of the response was in by then, and for how long nothing more had come.
    Timeout {
        progress: ResponseProgress,
        quiet: Duration,
    },
    /// A reset at any time.
    Reset(ResponseProgress),
    /// Closed before a whole head.
    ClosedBeforeHead {
        received: usize,
    },
    /// Not HTTP or broken framing; what is wrong, in our words, never the backend's.
    Malformed(&'static str),
    /// A field of the head that no client takes.
    BadField(OddField),
    /// Not HTTP at all: the first bytes, at most 256.
    NotHttp(Vec<u8>),
    BodyCutShort {
        received: u64,
        end: BodyEnd,
    },
    HeadTooLarge,
    TooManyInterimResponses,
}

/// How far a response had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseProgress {
    #[default]
    Nothing,
    /// Bytes of an incomplete head.
    Head { received: usize },
    /// Bytes of an incomplete body.
    Body { received: u64, end: BodyEnd },
}

/// What ends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// So many bytes, which the head announced.
    Length(u64),
    LastChunk,
    /// Neither was announced: the connection's end.
    Close,
}

impl ResponseProgress {
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::Nothing
    }
}

/// Most that is read of a handshake, in bytes: several messages as large as one may be.
pub const MAX_HANDSHAKE_BYTES: usize = 512 * 1024;

/// Most that is read of records that carry no data, and of what stands around the data in others, in bytes. A body of
/// 64 KiB in a record for each byte stays below.
pub const MAX_IDLE_RECORD_BYTES: usize = 2 * 1024 * 1024;

/// Most of a body that is kept and searched, and most of a head that is read, in bytes.
pub const MAX_KEPT_BYTES: usize = 64 * 1024;

/// The coding that a server put around a body, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    #[default]
    Plain,
    /// Taken off; how many bytes there were with it.
    Decoded { name: String, encoded: usize },
    /// Still on: not one that is decoded here, or the body has not come.
    Encoded { name: String },
    /// Announced, but the body is not coded like this; it is as it came.
    Broken { name: String },
}

/// A field of a head that was taken although it should not be there like this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddField {
    /// The field's name, or its line, as it came; at most 64 bytes.
    pub field: Vec<u8>,
    pub what: &'static str,
}
