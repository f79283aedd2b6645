//! What is worth a warning about certificates that do not fail the probe.

use std::time::{Duration, SystemTime};

use super::certificate::Certificate;
use super::chain::Reading;
use super::diagnosis::{Diagnosis, outside};
use super::links::End;
use super::{Case, Code, Facts, Finding, Notice, Slot};
use crate::probe::{TlsFacts, TlsSpec, TrustMode};
use crate::words::{rfc3339, rough};

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
    if let Some((detail, facts, case)) = expires_soon(spec, reading, diagnosis, at) {
        notices.push(Finding::new(Code::Notice(Notice::CertExpiresSoon), detail).with(facts).in_case(case));
    }
    let mut add = |code, detail, facts| notices.push(Finding::new(Code::Notice(code), detail).with(facts));
    let Some(path) = &diagnosis.path else { return notices };
    let path = path.links.as_slice();
    for (what, facts) in needless(reading, path, at) {
        let detail = format!("{what} was sent but is not needed, and is outside its dates");
        add(Notice::ChainExtraCertificate, detail, facts);
    }
    if matches!(facts.path, Some(Ok(_))) {
        // The trusted root need not be sent, but where it was it comes last.
        let sent_root = diagnosis.sent_root(spec, reading).filter(|root| !path.contains(root));
        let whole: Vec<usize> = path.iter().copied().chain(sent_root).collect();
        if !whole.is_sorted() {
            let names: Vec<String> = whole.iter().map(|index| reading.sent[*index].certificate.title()).collect();
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
            let file = spec.trust.list_file(|other| other.issuer() == list.issuer()).unwrap_or_default();
            add(
                Notice::RevocationListStale,
                format!(
                    "a newer list of {issuer} was due on {}, {} ago",
                    rfc3339(since),
                    rough(at.duration_since(since).unwrap_or_default())
                ),
                Facts::default().with(Slot::Issuer, issuer).with(Slot::ListFile, file),
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
) -> Option<(String, Facts, Option<Case>)> {
    let path = diagnosis.path.as_ref()?;
    let links = path.links.iter().map(|index| &reading.sent[*index].certificate);
    let root = match path.end {
        End::Trusted { root } => Some(root),
        _ => None,
    };
    let dates = links.clone().map(|link| (link.not_before(), link.not_after()));
    let mut dates = dates.chain(root.and_then(|root| spec.trust.root_dates(root)));
    // Most often none does, and then the root need not be read.
    let is_soon = |(not_before, not_after)| warned_from(not_before, not_after, spec.expiry_warning) < Some(at);
    if !dates.any(is_soon) {
        return None;
    }
    let trusted = root.and_then(|root| Certificate::read(&spec.trust.roots()[root]));
    let ending = links.chain(&trusted).filter(|one| is_soon((one.not_before(), one.not_after())));
    let soonest = ending.min_by_key(|certificate| certificate.not_after())?;
    let left = soonest.not_after().duration_since(at).ok()?;
    let is_leaf = path.links.first().is_some_and(|leaf| reading.sent[*leaf].certificate.der == soonest.der);
    let detail =
        || format!("{} ends in {}, on {}", soonest.described(is_leaf), rough(left), rfc3339(soonest.not_after()));
    let is_ours = spec.trust.mode() == TrustMode::Configured
        && trusted.as_ref().is_some_and(|trusted| trusted.der == soonest.der);
    let facts = Facts::of(soonest);
    let file = root.filter(|_| is_ours).and_then(|root| spec.trust.file(root)).unwrap_or_default();
    let case = match (is_leaf, is_ours) {
        (true, _) => None,
        (false, true) => Some(Case::SoonConfigured),
        (false, false) if trusted.as_ref().is_some_and(|trusted| trusted.der == soonest.der) => None,
        (false, false) => Some(Case::SoonIntermediate),
    };
    Some((detail(), facts.with(Slot::RootFile, file), case))
}

/// From when on it is worth a warning that a certificate ends: by `warning` before its end, or by a quarter of its
/// lifetime where that is shorter.
pub(super) fn warned_from(not_before: SystemTime, not_after: SystemTime, warning: Duration) -> Option<SystemTime> {
    let lifetime = not_after.duration_since(not_before).unwrap_or_default();
    not_after.checked_sub(warning.min(lifetime / 4))
}
