//! Reads a certificate chain as it was sent: what each certificate says, and which part of the chain it is.
//!
//! Reading is all that happens here; trust is webpki's, and why trust is refused is the `diagnosis` module's.

use std::net::IpAddr;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;

use super::Cause;
use super::certificate::Certificate;
use crate::probe::{Trust, TrustMode};
use crate::words::{hex, sha256};

/// The certificates that a server sent, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedChain {
    /// In the order sent; at most the first 128. Those that cannot be read are left out.
    pub certificates: Vec<PresentedCertificate>,
    /// The subject of the trusted certificate that they lead to, as RFC 4514 writes it; `None` when they lead to none.
    pub trusted_root: Option<String>,
}

/// The subjects of the trusted certificates that a setting names; of well-known ones none, there are too many to tell.
#[must_use]
pub fn anchor_names(trust: &Trust) -> Vec<String> {
    match trust.mode() {
        TrustMode::WellKnown => Vec::new(),
        TrustMode::Configured => {
            trust.roots().iter().filter_map(|root| Some(Certificate::read(root)?.subject())).collect()
        }
    }
}

/// One certificate of a presented chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// From 0, as sent.
    pub position: usize,
    pub role: Role,
    /// The path that was accepted, or the one that was judged, goes through it.
    pub on_path: bool,
    /// RFC 4514, for example `CN=app.example.com,O=Corp`; cut after 1 KiB.
    pub subject: String,
    pub issuer: String,
    /// Lower-case hex without colons.
    pub serial: String,
    /// Lower-case hex without colons.
    pub fingerprint_sha256: String,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// At most the first 256.
    pub dns_names: Vec<String>,
    /// At most the first 256.
    pub ip_addresses: Vec<IpAddr>,
    /// For example `RSA 2048` or `ECDSA P-256`.
    pub public_key: String,
    /// For example `SHA256 with RSA`.
    pub signature_algorithm: String,
    /// What is wrong with it, or begins to be wrong here: each cause once, in the order of their weight.
    pub faults: Vec<Cause>,
}

/// Which part of a chain a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Leaf,
    Intermediate,
    Root,
}

impl Role {
    /// As in labels and in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Intermediate => "intermediate",
            Self::Root => "root",
        }
    }
}

/// A chain as sent, as far as it can be read.
#[derive(Default)]
pub(super) struct Reading<'a> {
    /// How many certificates were sent.
    pub(super) count: usize,
    pub(super) sent: Vec<Sent<'a>>,
    /// Positions of those that are not X.509, and why.
    pub(super) unreadable: Vec<(usize, &'static str)>,
}

/// A certificate as sent.
pub(super) struct Sent<'a> {
    pub(super) position: usize,
    pub(super) certificate: Certificate<'a>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(chain: &'a [CertificateDer<'static>]) -> Self {
        let mut reading = Self { count: chain.len(), ..Self::default() };
        for (position, der) in chain.iter().enumerate().take(MAX_CERTIFICATES) {
            match Certificate::read(der) {
                Some(certificate) => reading.sent.push(Sent { position, certificate }),
                None => reading.unreadable.push((position, Certificate::why_unreadable(der))),
            }
        }
        reading
    }

    /// Where in `sent` the server's own certificate is: the first one that can be it. Where none can, the first one is the
    /// server's own all the same when its key signed the handshake, or when it is alone and signed by itself.
    pub(super) fn leaf(&self, first_signed: bool) -> Option<usize> {
        let named = self.sent.iter().position(|sent| sent.certificate.can_be_leaf());
        named.or_else(|| {
            let first = self.sent.first().filter(|first| first.position == 0)?;
            let own = &first.certificate;
            let is_alone = self.unreadable.is_empty() && self.sent.iter().all(|sent| sent.certificate.der == own.der);
            (first_signed || (is_alone && own.is_self_issued())).then_some(0)
        })
    }

    /// Where in `sent` the certificate at this position is.
    pub(super) fn index_of(&self, position: usize) -> Option<usize> {
        self.sent.iter().position(|sent| sent.position == position)
    }

    /// What is kept of it. `leaf` is an index into `sent`, and so are those of the faults.
    pub(super) fn present(
        &self,
        leaf: Option<usize>,
        faults: &[(usize, Cause)],
        on_path: &[usize],
        trusted_root: Option<String>,
    ) -> PresentedChain {
        let leaf_der = leaf.map(|leaf| self.sent[leaf].certificate.der);
        let certificates = self.sent.iter().enumerate().map(|(index, sent)| {
            let certificate = &sent.certificate;
            let role = if Some(certificate.der) == leaf_der {
                Role::Leaf
            } else if certificate.names_itself_as_issuer() {
                Role::Root
            } else {
                Role::Intermediate
            };
            let mut faults: Vec<Cause> =
                faults.iter().filter(|(element, _)| *element == index).map(|(_, cause)| *cause).collect();
            faults.sort_unstable();
            faults.dedup();
            present(sent.position, certificate, role, on_path.contains(&index), faults)
        });
        PresentedChain { certificates: certificates.collect(), trusted_root }
    }
}

fn present(
    position: usize,
    certificate: &Certificate<'_>,
    role: Role,
    on_path: bool,
    faults: Vec<Cause>,
) -> PresentedCertificate {
    PresentedCertificate {
        position,
        role,
        on_path,
        subject: certificate.subject(),
        issuer: certificate.issuer(),
        serial: certificate.serial(),
        fingerprint_sha256: fingerprint(certificate),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        dns_names: certificate.dns_names().take(MAX_NAMES).map(str::to_owned).collect(),
        ip_addresses: certificate.ip_addresses().take(MAX_NAMES).collect(),
        public_key: certificate.public_key(),
        signature_algorithm: certificate.signature_algorithm(),
        faults,
    }
}

/// SHA-256, in lower-case hex.
pub(super) fn fingerprint(certificate: &Certificate<'_>) -> String {
    hex(&sha256(certificate.der))
}

/// Certificates of one chain that are read.
pub const MAX_CERTIFICATES: usize = 128;

/// Names of one certificate that are kept, of each kind. All of them count when a name is looked for.
pub const MAX_NAMES: usize = 256;
