//! Why a chain is refused: all the faults that hold, each with the certificate it belongs to, in the order in which one
//! of them becomes the row's cause.
//!
//! Accepting or refusing is webpki's alone; this explains it, by our own reading of the chain. Where the two readings
//! differ the report says so: a refusal that we cannot explain is given in webpki's words, and a fault that webpki does
//! not mind is a notice.

use std::time::SystemTime;

use rustls::CertificateError;

use super::certificate::Certificate;
use super::chain::{MAX_CERTIFICATES, Reading};
use super::fault::Fault;
use super::links::{End, Links, Path};
use super::text::shown;
use super::{Case, Cause, Facts, Slot, flaws, name, trust};
use crate::probe::{TlsFacts, TlsSpec, Trust, TrustMode};
use crate::words::{rfc3339, rough};

/// What there is to say about a chain.
#[derive(Default)]
pub(super) struct Diagnosis {
    /// Of path, dates, trust and revocation; empty exactly when webpki accepts the path.
    pub(super) path_faults: Vec<Fault>,
    /// Present exactly when webpki does not find the name, or found no certificate to look for it in.
    pub(super) name_fault: Option<Fault>,
    /// Why the certificate could not be used to verify the handshake's signature, which is never left out.
    pub(super) handshake_fault: Option<Fault>,
    /// What our reading finds wrong with a path that webpki accepts.
    pub(super) disagreements: Vec<String>,
    /// Index of the server's own certificate among those read.
    pub(super) leaf: Option<usize>,
    /// The path that was accepted, or that leads furthest.
    pub(super) path: Option<Path>,
}

impl Diagnosis {
    /// `at` is the probe's time; what the certificates were judged for counts, where it is known.
    pub(super) fn of(spec: &TlsSpec, facts: &TlsFacts, reading: &Reading<'_>, at: SystemTime) -> Self {
        let at = facts.judged_for.unwrap_or(at);
        let mut diagnosis = match &facts.path {
            None => Self::default(),
            Some(Ok(accepted)) => {
                let links: Vec<usize> = accepted.links.iter().filter_map(|link| reading.index_of(*link)).collect();
                if links.is_empty() {
                    // webpki reads what we cannot: nothing to add.
                    return Self { name_fault: name::fault(spec, facts, reading, None), ..Self::default() };
                }
                let path = Path { links, end: End::Trusted { root: accepted.root } };
                let others = flaws::refused_by_others(&spec.trust, &reading.sent, &path.links, accepted.root);
                let faults = faults_of(&spec.trust, reading, &path, at);
                let disagreements = faults.into_iter().map(|fault| fault.detail);
                let disagreements = disagreements.chain(others.into_iter().map(|flaw| flaw.what)).collect();
                Self { leaf: Some(path.links[0]), path: Some(path), disagreements, ..Self::default() }
            }
            Some(Err(refusal)) => Self::of_refusal(&spec.trust, refusal, reading, facts.is_signed_by_first(), at),
        };
        diagnosis.name_fault = name::fault(spec, facts, reading, diagnosis.leaf);
        diagnosis
    }

    fn of_refusal(
        trust: &Trust,
        refusal: &webpki::Error,
        reading: &Reading<'_>,
        first_signed: bool,
        at: SystemTime,
    ) -> Self {
        let mut faults = unreadable(reading);
        let Some(leaf) = reading.leaf(first_signed) else {
            if faults.is_empty() || !reading.sent.is_empty() {
                let detail = format!("the server sent {}, and none of its own", certificates(reading.sent.len()));
                let element = (!reading.sent.is_empty()).then_some(0);
                faults.push(Fault::new(Cause::CertLeafMissing, detail, element));
            }
            return Self { path_faults: in_order(faults), ..Self::default() };
        };
        let sent = &reading.sent;
        if leaf > 0 {
            let (own, first) = (sent[leaf].certificate.title(), sent[0].certificate.title());
            let place = sent[leaf].position + 1;
            let detail = format!("{own} is certificate {place} of {}, after {first}", reading.count);
            faults.push(Fault::new(Cause::CertLeafNotFirst, detail, Some(leaf)));
        }
        let mut best: Option<(Path, Vec<Fault>)> = None;
        for path in Links::new(trust, sent).paths(leaf) {
            let found = faults_of(trust, reading, &path, at);
            let weight = |path: &Path, faults: &[Fault]| (rank(path.end), faults.len());
            if best.as_ref().is_none_or(|(best, least)| weight(&path, &found) < weight(best, least)) {
                best = Some((path, found));
            }
        }
        let path = best.map(|(path, found)| {
            faults.extend(found);
            path
        });
        if faults.is_empty() {
            let fault = unexplained(refusal, leaf, &sent[leaf].certificate.title());
            let mut on_path = path.iter().flat_map(|path| &path.links).map(|index| &sent[*index].certificate);
            let file = on_path.find_map(|certificate| list_file(trust, certificate));
            faults.push(fault.with(Facts::default().with(Slot::ListFile, file.unwrap_or_default())));
        }
        Self { path_faults: in_order(faults), leaf: Some(leaf), path, ..Self::default() }
    }

    /// The handshake's own verification failed with the first certificate sent: of its key, or of what it signed.
    pub(super) fn add_handshake_fault(&mut self, error: &rustls::Error, reading: &Reading<'_>) {
        let Some(first) = reading.index_of(0) else { return };
        let certificate = &reading.sent[first].certificate;
        let subject = certificate.title();
        let (why, case) = match (certificate.key().weakness_of_server(), error) {
            (Some(weakness), _) => (format!("{subject} cannot be used: {weakness}"), Some(Case::InvalidKey)),
            (None, rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => (
                format!("the handshake is not signed with the key of {subject}: the server has another private key"),
                Some(Case::OtherPrivateKey),
            ),
            (None, rustls::Error::InvalidCertificate(_)) => match flaws::unreadable(certificate).into_iter().next() {
                Some((flaw, case)) => (format!("{subject} {flaw}"), case),
                None => return,
            },
            (None, _) => return,
        };
        self.handshake_fault = Some(Fault::new(Cause::CertInvalid, why, Some(first)).in_case(case));
    }

    /// The trusted certificate that the path leads to, where it was sent, too.
    pub(super) fn sent_root(&self, spec: &TlsSpec, reading: &Reading<'_>) -> Option<usize> {
        let End::Trusted { root } = self.path.as_ref()?.end else { return None };
        let root = &spec.trust.roots()[root];
        reading.sent.iter().rposition(|sent| sent.certificate.der == root.as_ref())
    }

    /// Those of the certificates sent that the path goes through, the trusted one too.
    pub(super) fn on_path(&self, trust: Option<&Trust>, reading: &Reading<'_>) -> Vec<usize> {
        let Some(path) = &self.path else { return self.leaf.into_iter().collect() };
        let root = match path.end {
            End::Trusted { root } | End::Powerless { root } => trust.map(|trust| &trust.roots()[root]),
            _ => None,
        };
        let is_on_path = |sent: &Certificate<'_>| {
            path.links.iter().any(|link| reading.sent[*link].certificate.der == sent.der)
                || root.is_some_and(|root| root.as_ref() == sent.der)
        };
        (0..reading.sent.len()).filter(|index| is_on_path(&reading.sent[*index].certificate)).collect()
    }

    /// The subject of the trusted certificate that the path leads to.
    pub(super) fn trusted_root(&self, trust: Option<&Trust>) -> Option<String> {
        let End::Trusted { root } = self.path.as_ref()?.end else { return None };
        Some(Certificate::read(&trust?.roots()[root])?.subject())
    }

    /// Everything that is wrong, with its element.
    pub(super) fn elements(&self) -> Vec<(usize, Cause)> {
        let faults = self.path_faults.iter().chain(&self.handshake_fault).chain(&self.name_fault);
        faults.filter_map(|fault| Some((fault.element?, fault.cause))).collect()
    }
}

/// Which end is nearer to a good one.
fn rank(end: End) -> usize {
    match end {
        End::Trusted { .. } => 0,
        End::UntrustedRoot | End::Powerless { .. } => 1,
        End::IssuerMissing { .. } => 2,
        End::Forged { .. } => 3,
        End::TooLong | End::TooIntricate => 4,
    }
}

/// The order in which one of several faults becomes the cause: that of the causes' table, but dates are one kind, the
/// server's own certificate first.
fn in_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| match fault.cause {
        Cause::CertNotYetValid => Cause::CertExpired,
        other => other,
    });
    let mut kept: Vec<Fault> = Vec::with_capacity(faults.len());
    for fault in faults {
        if !kept.contains(&fault) && kept.len() < MAX_FAULTS {
            kept.push(fault);
        }
    }
    kept
}

/// All faults of one path.
fn faults_of(trust: &Trust, reading: &Reading<'_>, path: &Path, at: SystemTime) -> Vec<Fault> {
    let flaws = flaws::of_path(trust, &reading.sent, path).into_iter();
    let mut faults: Vec<Fault> =
        flaws.map(|flaw| Fault::new(Cause::CertInvalid, flaw.what, flaw.element).in_case(flaw.case)).collect();
    faults.extend(dates(trust, reading, path, at));
    faults.extend(trust::faults(trust, &reading.sent, path));
    faults.extend(revocations(trust, reading, path));
    faults
}

fn unreadable(reading: &Reading<'_>) -> Vec<Fault> {
    let fault = |(position, why): &(usize, &str)| {
        let detail = format!("certificate {} of {} cannot be read: {why}", position + 1, reading.count);
        Fault::new(Cause::CertInvalid, detail, None)
    };
    let mut faults: Vec<Fault> = reading.unreadable.iter().map(fault).collect();
    if reading.count > MAX_CERTIFICATES {
        let detail = format!(
            "the server sent {} certificates; this exporter looks at no more than {MAX_CERTIFICATES}",
            reading.count
        );
        faults.push(Fault::new(Cause::CertInvalid, detail, None).in_case(Case::InvalidForUs));
    }
    faults
}

fn dates(trust: &Trust, reading: &Reading<'_>, path: &Path, at: SystemTime) -> Vec<Fault> {
    let mut faults = Vec::new();
    for index in &path.links {
        let certificate = &reading.sent[*index].certificate;
        if let Some((cause, when)) = outside(certificate, at) {
            let is_leaf = path.links.first() == Some(index);
            let detail = format!("{} {when}", certificate.described(is_leaf));
            let case = case_of_dates(cause, trust, certificate, is_leaf);
            faults.push(Fault::new(cause, detail, Some(*index)).in_case(case));
        }
    }
    let End::Trusted { root } = path.end else { return faults };
    // Reading it costs more than all of this.
    if trust.root_dates(root).is_some_and(|(not_before, not_after)| not_before <= at && at <= not_after) {
        return faults;
    }
    let index = root;
    let Some(root) = Certificate::read(&trust.roots()[index]) else { return faults };
    let sent = reading.sent.iter().position(|sent| sent.certificate.der == root.der);
    if let Some((cause, when)) = outside(&root, at)
        && !sent.is_some_and(|index| path.links.contains(&index))
    {
        let detail = format!("the trusted root {} {when}", root.title());
        let case = case_of_dates(cause, trust, &root, false);
        let facts = Facts::of(&root).with(Slot::RootFile, trust.file(index).unwrap_or_default());
        faults.push(Fault::new(cause, detail, sent).with(facts).in_case(case));
    }
    faults
}

/// Whose it is that a certificate is outside its dates, and what to do about one of its place.
fn case_of_dates(cause: Cause, trust: &Trust, certificate: &Certificate<'_>, is_leaf: bool) -> Option<Case> {
    let is_trusted = trust.roots().iter().any(|root| root.as_ref() == certificate.der);
    match (cause, is_trusted, trust.mode()) {
        (Cause::CertExpired, true, _) if is_leaf => Some(Case::ExpiredPinned),
        (Cause::CertExpired, true, TrustMode::Configured) => Some(Case::ExpiredConfigured),
        (Cause::CertExpired, true, TrustMode::WellKnown) => Some(Case::ExpiredInStore),
        (Cause::CertExpired, false, _) if !is_leaf => Some(Case::ExpiredIntermediate),
        (Cause::CertNotYetValid, true, TrustMode::Configured) if !is_leaf => Some(Case::NotYetValidConfigured),
        _ => None,
    }
}

/// Whether `at` is outside the dates, and since or until when.
pub(super) fn outside(certificate: &Certificate<'_>, at: SystemTime) -> Option<(Cause, String)> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if not_before > not_after {
        let detail =
            format!("is never valid: it begins on {}, after its end on {}", rfc3339(not_before), rfc3339(not_after));
        return Some((Cause::CertInvalid, detail));
    }
    if let Ok(ago) = at.duration_since(not_after)
        && !ago.is_zero()
    {
        return Some((Cause::CertExpired, format!("ended {} ago, on {}", rough(ago), rfc3339(not_after))));
    }
    match not_before.duration_since(at) {
        Ok(ahead) if !ahead.is_zero() => {
            Some((Cause::CertNotYetValid, format!("begins in {}, on {}", rough(ahead), rfc3339(not_before))))
        }
        _ => None,
    }
}

fn revocations(trust: &Trust, reading: &Reading<'_>, path: &Path) -> Vec<Fault> {
    // The first list of an issuer is the one that counts.
    let on_a_list = |certificate: &Certificate<'_>| {
        let list = trust.revocation_lists().find(|list| certificate.names_as_issuer(list.issuer()));
        list.is_some_and(|list| matches!(list.find_serial(certificate.parsed.raw_serial()), Ok(Some(_))))
    };
    let revoked = path.links.iter().filter(|index| on_a_list(&reading.sent[**index].certificate));
    revoked
        .map(|index| {
            let certificate = &reading.sent[*index].certificate;
            let serial = certificate.serial();
            let (subject, issuer) = (certificate.title(), certificate.issuer_title());
            let detail = format!("{subject} (serial {}) is on the revocation list of {issuer}", shown(&serial));
            let facts = Facts::default().with(Slot::ListFile, list_file(trust, certificate).unwrap_or_default());
            Fault::new(Cause::CertRevoked, detail, Some(*index)).with(facts)
        })
        .collect()
}

/// The file of the revocation list that counts for a certificate.
fn list_file<'a>(trust: &'a Trust, certificate: &Certificate<'_>) -> Option<&'a str> {
    trust.list_file(|list| certificate.names_as_issuer(list.issuer()))
}

/// webpki refuses, and our reading finds nothing: its word counts, and the report says that they differ.
fn unexplained(refusal: &webpki::Error, leaf: usize, title: &str) -> Fault {
    use webpki::Error;
    let cause = match refusal {
        Error::CertRevoked => Cause::CertRevoked,
        _ => Cause::CertInvalid,
    };
    let detail = match refusal {
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathDepthExceeded => {
            format!("the chain is too long or too intricate for this exporter to verify ({refusal})")
        }
        Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => format!(
            "a configured revocation list bears the name of an issuer of the chain, but that issuer did not sign it or \
             may not ({refusal})"
        ),
        other => {
            format!(
                "the verification of {title} and its chain failed ({other}), though our own reading of the chain finds no fault"
            )
        }
    };
    let whose = match refusal {
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathDepthExceeded => Some(Case::InvalidForUs),
        Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => Some(Case::InvalidList),
        _ => None,
    };
    Fault::new(cause, detail, Some(leaf)).in_case(whose)
}

fn certificates(count: usize) -> String {
    match count {
        0 => "no certificate that can be read".to_owned(),
        1 => "one CA certificate".to_owned(),
        more => format!("{more} CA certificates"),
    }
}

/// Faults that are listed.
const MAX_FAULTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(cause: Cause, detail: &str, element: usize) -> Fault {
        Fault::new(cause, detail.to_owned(), Some(element))
    }

    #[test]
    fn the_weightiest_fault_comes_first_and_each_is_told_once() {
        let expired = fault(Cause::CertExpired, "expired", 1);
        let early = fault(Cause::CertNotYetValid, "early", 0);
        let invalid = fault(Cause::CertInvalid, "invalid", 2);
        let mismatch = fault(Cause::CertIssuerMismatch, "mismatch", 1);
        let all = [&mismatch, &early, &expired, &mismatch, &invalid, &early].map(Clone::clone).to_vec();
        assert_eq!(in_order(all), [invalid, early, expired, mismatch], "dates are one kind, and keep their order");
        let many = (0..100).map(|number| fault(Cause::CertInvalid, &number.to_string(), number)).collect();
        let kept = in_order(many);
        assert_eq!((kept.len(), kept.last().and_then(|fault| fault.element)), (MAX_FAULTS, Some(MAX_FAULTS - 1)));
    }
}
