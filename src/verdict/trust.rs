//! Why the end of a path is not trusted, in words: self-signed, incomplete, or another root than ours.

use super::Cause;
use super::certificate::Certificate;
use super::chain::{Sent, fingerprint};
use super::fault::Fault;
use super::links::{End, Issuer, Path};
use crate::probe::{Trust, TrustMode};

/// The faults of the path's end.
pub(super) fn faults(trust: &Trust, sent: &[Sent<'_>], path: &Path) -> Option<Fault> {
    let index = path.links[path.links.len() - 1];
    let last = &sent[index].certificate;
    let fault = |cause, detail| Some(Fault::new(cause, detail, Some(index)));
    match path.end {
        End::Trusted { .. } | End::Forged { .. } | End::TooLong | End::TooIntricate => None,
        End::Powerless { root } => {
            let root = Certificate::read(&trust.roots()[root])?;
            let detail =
                format!("{} was issued by the trusted {}, which is no CA certificate", last.title(), root.title());
            fault(issuer_is_not_trusted(trust), detail)
        }
        End::UntrustedRoot if path.links.len() == 1 => {
            let detail = format!("{} (SHA-256 {}) is signed by itself", last.title(), fingerprint(last));
            fault(Cause::CertSelfSigned, detail)
        }
        End::UntrustedRoot => {
            let detail = format!(
                "the server sent the root {} (SHA-256 {}){}",
                last.title(),
                fingerprint(last),
                same_name(trust, last)
            );
            fault(root_is_not_trusted(trust), detail)
        }
        End::IssuerMissing { namesake: Some(namesake) } => {
            let (other, whose) = match namesake {
                Issuer::Sent(other) => (Some(&sent[other].certificate), "certificate of that name that was sent"),
                Issuer::Root(_) => (None, "trusted certificate of that name"),
            };
            let (child, issuer) = (last.title(), last.issuer_title());
            let detail = format!("{child} was issued by {issuer}, but the {whose} has another key");
            match other {
                // A root was sent, of the right name and with another key than the one that issued this.
                Some(root) if root.names_itself_as_issuer() && !is_trusted(trust, root) => {
                    let element = sent.iter().position(|sent| sent.certificate.der == root.der);
                    Some(Fault::new(root_is_not_trusted(trust), detail, element))
                }
                Some(root) if root.names_itself_as_issuer() => fault(issuer_is_not_trusted(trust), detail),
                Some(_) => Some(missing(last, index, Some(&detail))),
                None => fault(issuer_is_not_trusted(trust), detail),
            }
        }
        End::IssuerMissing { namesake: None } => {
            let on_the_way = |other: &Sent<'_>| {
                path.links.iter().any(|link| sent[*link].certificate.same_subject_and_key(&other.certificate))
            };
            let unlinked = sent.iter().any(|other| other.certificate.is_ca && !on_the_way(other));
            if path.links.len() == 1 || unlinked {
                return Some(missing(last, index, None));
            }
            fault(issuer_is_not_trusted(trust), format!("{} was issued by {}", last.title(), last.issuer_title()))
        }
    }
}

/// Says which certificate is missing, and where its issuer offers it. It is for people to fetch: a probe does not.
fn missing(child: &Certificate<'_>, index: usize, instead: Option<&str>) -> Fault {
    let issued = instead.map_or_else(
        || format!("{} was issued by {}, which was not sent", child.title(), child.issuer_title()),
        str::to_owned,
    );
    let place = child.issuer_url().map(|url| format!("; it can be had from {url}")).unwrap_or_default();
    Fault::new(Cause::CertIntermediateMissing, format!("{issued}{place}"), Some(index))
}

/// A root of the same name that we do trust is worth a word: one of the two was made anew.
fn same_name(trust: &Trust, root: &Certificate<'_>) -> &'static str {
    let namesake = trust.roots_named(root.raw_subject()).next().is_some();
    if namesake { "; a trusted certificate has the same name, but another key" } else { "" }
}

fn is_trusted(trust: &Trust, certificate: &Certificate<'_>) -> bool {
    trust.roots().iter().any(|root| root.as_ref() == certificate.der)
}

fn root_is_not_trusted(trust: &Trust) -> Cause {
    match trust.mode() {
        TrustMode::WellKnown => Cause::CertRootNotWellKnown,
        TrustMode::Configured => Cause::CertRootMismatch,
    }
}

fn issuer_is_not_trusted(trust: &Trust) -> Cause {
    match trust.mode() {
        TrustMode::WellKnown => Cause::CertIssuerNotWellKnown,
        TrustMode::Configured => Cause::CertIssuerMismatch,
    }
}
