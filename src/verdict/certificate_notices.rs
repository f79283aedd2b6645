//! What is worth a warning about certificates that do not fail the probe.

use std::time::SystemTime;

use super::certificate::Certificate;
use super::chain::Reading;
use super::diagnosis::{Diagnosis, outside};
use super::links::End;
use super::text::{date, rough};
use super::{Code, Facts, Finding, Notice, Slot};
use crate::probe::{TlsFacts, TlsSpec};

/// All of them, for a handshake that was completed.
pub(super) fn of(
    spec: &TlsSpec,
    facts: &TlsFacts,
    reading: &Reading<'_>,
    diagnosis: &Diagnosis,
    at: SystemTime,
) -> Vec<Finding<Code>> {
    let at = facts.judged_for.unwrap_or(at);
    let mut notices = Vec::new();
    let mut add = |code, detail, facts| notices.push(Finding::new(Code::Notice(code), detail).with(facts));
    if let Some((detail, facts)) = expires_soon(spec, reading, diagnosis, at) {
        add(Notice::CertExpiresSoon, detail, facts);
    }
    let Some(path) = &diagnosis.path else { return notices };
    let path = path.links.as_slice();
    for (what, facts) in needless(reading, path, at) {
        let detail = format!("{what} was sent but is not needed, and is outside its dates");
        add(Notice::ChainExtraCertificate, detail, facts);
    }
    if matches!(facts.path, Some(Ok(_))) {
        if !path.is_sorted() {
            let names: Vec<String> = path.iter().map(|index| reading.sent[*index].certificate.title()).collect();
            let detail = format!("in the right order they are {}", names.join(", then "));
            add(Notice::ChainOutOfOrder, detail, Facts::default());
        }
        for what in &diagnosis.disagreements {
            add(Notice::ChainQuestionable, what.clone(), Facts::default());
        }
    }
    for (list, since) in spec.trust.stale_revocation_lists(at) {
        let issued_by = |certificate: &Certificate<'_>| certificate.names_as_issuer(list.issuer());
        if let Some(child) = path.iter().map(|index| &reading.sent[*index].certificate).find(|child| issued_by(child)) {
            let issuer = child.issuer_title();
            add(
                Notice::RevocationListStale,
                format!(
                    "a newer list of {issuer} was due on {}, {} ago",
                    date(since),
                    rough(at.duration_since(since).unwrap_or_default())
                ),
                Facts::default().with(Slot::Issuer, issuer),
            );
        }
    }
    notices
}

/// Certificates off the path and outside their dates, each once.
fn needless(reading: &Reading<'_>, path: &[usize], at: SystemTime) -> Vec<(String, Facts)> {
    let off_the_path = reading.sent.iter().enumerate().filter(|(index, _)| !path.contains(index));
    let outdated = off_the_path.filter(|(_, sent)| outside(&sent.certificate, at).is_some());
    let mut titles: Vec<(String, Facts)> = Vec::new();
    for (_, sent) in outdated {
        let title = sent.certificate.title();
        if titles.len() < MAX_NEEDLESS && titles.iter().all(|(known, _)| *known != title) {
            titles.push((title, Facts::of(&sent.certificate)));
        }
    }
    titles
}

/// Needless certificates that are named.
const MAX_NEEDLESS: usize = 8;

/// The certificate of the path, the trusted root included, that ends first, when that is soon.
fn expires_soon(
    spec: &TlsSpec,
    reading: &Reading<'_>,
    diagnosis: &Diagnosis,
    at: SystemTime,
) -> Option<(String, Facts)> {
    let path = diagnosis.path.as_ref()?;
    let links = path.links.iter().map(|index| &reading.sent[*index].certificate);
    let root = match path.end {
        End::Trusted { root } => Some(root),
        _ => None,
    };
    let ends =
        links.clone().map(Certificate::not_after).chain(root.and_then(|root| Some(spec.trust.root_dates(root)?.1)));
    // Most often none does, and then the root need not be read.
    if ends.min()?.duration_since(at).is_ok_and(|left| left >= spec.expiry_warning) {
        return None;
    }
    let root = root.and_then(|root| Certificate::read(&spec.trust.roots()[root]));
    let soonest = links.chain(&root).min_by_key(|certificate| certificate.not_after())?;
    let left = soonest.not_after().duration_since(at).ok()?;
    let is_leaf = path.links.first().is_some_and(|leaf| reading.sent[*leaf].certificate.der == soonest.der);
    let detail = || format!("{} ends in {}, on {}", soonest.described(is_leaf), rough(left), date(soonest.not_after()));
    (left < spec.expiry_warning).then(|| (detail(), Facts::of(soonest)))
}
