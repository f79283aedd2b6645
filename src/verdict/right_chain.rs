//! The chain as it should have been sent: the way from the server's own certificate up that was accepted, or that leads
//! furthest, with what is missing at its end.

use std::time::SystemTime;

use super::certificate::Certificate;
use super::chain::Reading;
use super::diagnosis::Diagnosis;
use super::links::End;
use super::text::distinguished_name;
use crate::probe::{TlsFacts, TlsSpec};

/// A certificate of the chain as it should be, the server's own first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RightLink {
    /// It was sent: position and subject.
    Sent { position: usize, subject: String },
    /// A trusted certificate, which need not be sent; its position, when it was.
    Trusted { position: Option<usize>, subject: String },
    /// It is the root of what was sent, and it is not trusted here.
    Untrusted { position: usize, subject: String },
    /// It was not sent, and is not among the trusted ones; where it can be had, when the certificate before it says so.
    Missing { subject: String, url: Option<String> },
    /// The way does not lead on: why.
    Broken(&'static str),
}

/// The chain as it should be; empty when no certificate of the server's own was sent.
#[must_use]
pub fn right_chain(spec: &TlsSpec, facts: &TlsFacts, at: SystemTime) -> Vec<RightLink> {
    let reading = Reading::of(&facts.chain);
    let Some(path) = Diagnosis::of(spec, facts, &reading, at).path else { return Vec::new() };
    let sent = |index: usize| (reading.sent[index].position, reading.sent[index].certificate.subject());
    let mut links: Vec<RightLink> = path
        .links
        .iter()
        .map(|index| {
            let (position, subject) = sent(*index);
            RightLink::Sent { position, subject }
        })
        .collect();
    let Some(last) = path.links.last().copied() else { return links };
    let (position, subject) = sent(last);
    let certificate = &reading.sent[last].certificate;
    match path.end {
        End::Trusted { root } | End::Powerless { root } => {
            let Some(root) = Certificate::read(&spec.trust.roots()[root]) else { return links };
            if root.der == certificate.der {
                links.pop();
                links.push(RightLink::Trusted { position: Some(position), subject });
            } else {
                let position = reading.sent.iter().find(|sent| sent.certificate.der == root.der);
                let position = position.map(|sent| sent.position);
                links.push(RightLink::Trusted { position, subject: root.subject() });
            }
        }
        End::UntrustedRoot => {
            links.pop();
            links.push(RightLink::Untrusted { position, subject });
        }
        End::IssuerMissing { .. } => {
            let url = certificate.issuer_url().map(str::to_owned);
            links.push(RightLink::Missing { subject: certificate.issuer(), url });
        }
        End::Forged { .. } => links.push(RightLink::Broken("the issuer's key did not make the signature")),
        End::TooLong | End::TooIntricate => links.push(RightLink::Broken("nobody follows a chain this long")),
    }
    links
}

/// The name in a DER encoding, as RFC 4514 writes it; `None` when it is no name.
#[must_use]
pub fn name_of_der(der: &[u8]) -> Option<String> {
    use x509_parser::prelude::FromDer;
    let (_, name) = x509_parser::x509::X509Name::from_der(der).ok()?;
    Some(distinguished_name(&name))
}
