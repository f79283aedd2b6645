//! Why the end of a path is not trusted, in words: self-signed, incomplete, or another root than ours.

use super::certificate::Certificate;
use super::chain::{Sent, fingerprint};
use super::fault::Fault;
use super::links::{End, Issuer, Path};
use super::{Case, Cause, Facts, Slot, spelling};
use crate::probe::{Trust, TrustMode};
use crate::words::rfc3339;

/// The faults of the path's end.
pub(super) fn faults(trust: &Trust, sent: &[Sent<'_>], path: &Path) -> Option<Fault> {
    let fault = of_end(trust, sent, path)?;
    let case = match fault.cause {
        Cause::CertIssuerMismatch => Case::IssuerMismatchPinned,
        Cause::CertRootMismatch => Case::RootMismatchPinned,
        Cause::CertIntermediateMissing => Case::IntermediatePinned,
        _ => return Some(fault),
    };
    match pinned(trust, &sent[path.links[0]].certificate).filter(|_| fault.case.is_none()) {
        None => Some(fault),
        Some(copy) => {
            let detail = format!("{}; {copy}", fault.detail);
            // The one to put in place of the copy is the server's own.
            let facts = Facts::of(&sent[path.links[0]].certificate)
                .with(Slot::Issuer, sent[path.links[0]].certificate.issuer());
            Some(Fault { detail, ..fault }.with(facts).in_case(case))
        }
    }
}

/// A configured certificate that was the server's own once.
fn pinned(trust: &Trust, leaf: &Certificate<'_>) -> Option<String> {
    let known = trust.roots_named(leaf.raw_subject()).filter(|(_, may_issue)| !may_issue);
    let mut known = known.filter_map(|(root, _)| Some((root, Certificate::read(&trust.roots()[root])?)));
    let (root, copy) = known.find(|(_, copy)| !copy.is_ca && !copy.raw_subject().is_empty())?;
    let file = trust.file(root).map(|file| format!(" in {file}")).unwrap_or_default();
    let (from, to) = (rfc3339(copy.not_before()), rfc3339(copy.not_after()));
    Some(format!("the trusted certificate of the server's own name{file} is another one, valid from {from} to {to}"))
}

/// A trusted certificate of the same name as one that is self-signed: what to say of it, and whose it is. The one
/// that begins later is the newer one.
fn copy_of(trust: &Trust, own: &Certificate<'_>) -> Option<(String, Case)> {
    let named = trust.roots_named(own.raw_subject());
    let named: Vec<_> = named.filter_map(|(root, _)| Some((root, Certificate::read(&trust.roots()[root])?))).collect();
    let same_key = named.iter().find(|(_, copy)| copy.same_subject_and_key(own));
    let (root, copy) = same_key.or(named.first())?;
    let key = if same_key.is_some() { "the same key" } else { "another key" };
    let file = trust.file(*root).map(|file| format!(" in {file}")).unwrap_or_default();
    let is_older = copy.not_before() <= own.not_before();
    let (age, case) = if is_older { ("older", Case::SelfSignedRenewed) } else { ("newer", Case::SelfSignedOld) };
    let text = format!(
        "; the trusted certificate of that name{file} has {key}, but is an {age} copy (SHA-256 {}, {} to {})",
        fingerprint(copy),
        rfc3339(copy.not_before()),
        rfc3339(copy.not_after())
    );
    Some((text.replace("an newer", "a newer"), case))
}

fn of_end(trust: &Trust, sent: &[Sent<'_>], path: &Path) -> Option<Fault> {
    let index = path.links[path.links.len() - 1];
    let last = &sent[index].certificate;
    let fault = |cause, detail| Some(Fault::new(cause, detail, Some(index)));
    match path.end {
        End::Trusted { .. } | End::Forged { .. } | End::TooLong | End::TooIntricate => None,
        End::Powerless { root: index_of_root } => {
            let root = Certificate::read(&trust.roots()[index_of_root])?;
            let why = if root.is_ca {
                "a CA certificate whose key usage lacks keyCertSign, so that it may not issue any"
            } else {
                "which is not a CA certificate"
            };
            let detail = format!("{} was issued by the trusted {}, {why}", last.title(), root.title());
            let facts = Facts::default().with(Slot::RootFile, trust.file(index_of_root).unwrap_or_default());
            let case = (trust.mode() == TrustMode::Configured).then_some(Case::IssuerMismatchPowerless);
            Some(Fault::new(issuer_is_not_trusted(trust), detail, Some(index)).with(facts).in_case(case))
        }
        End::UntrustedRoot if path.links.len() == 1 => {
            let (copy, case) = copy_of(trust, last).unzip();
            let detail =
                format!("{} (SHA-256 {}) is self-signed{}", last.title(), fingerprint(last), copy.unwrap_or_default());
            Some(Fault::new(Cause::CertSelfSigned, detail, Some(index)).in_case(case))
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
        End::IssuerMissing { namesake: None } if let Some(fault) = spelling::fault(trust, sent, index) => Some(fault),
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
