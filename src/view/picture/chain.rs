//! The certificates as sent, with an empty place where one is missing, and what they lead to.

use super::findings::Findings;
use super::part::{Kind, Mark, Note, Part};
use super::place::Place;
use crate::verdict::Role;
use crate::view::report::{CertificateView, ReportRow, TlsView};
use crate::words::{day, one_line};

/// Certificates that are shown although nothing is wrong with them.
const MAX_CERTIFICATES: usize = 8;

/// Names of the leaf that are shown.
const MAX_NAMES: usize = 4;

pub(super) fn parts(row: &ReportRow<'_>, findings: &Findings<'_>) -> Vec<Part> {
    let tls = row.last_probe.as_ref().and_then(|probe| probe.tls.as_ref());
    let sent = tls.map(|tls| tls.chain.as_slice()).unwrap_or_default();
    let mut parts = vec![heading(tls, sent.len()).noted(findings.at(Place::Chain))];
    let leaf_notes = findings.at(Place::LeafSlot);
    if !leaf_notes.is_empty() {
        let expected = row.probe.name.as_deref().unwrap_or_default();
        parts.push(Part::new(Kind::Slot, "Leaf certificate", "").noted(leaf_notes).and(format!("for {expected}")));
    }
    let mut left_out = 0;
    for (index, certificate) in sent.iter().enumerate() {
        let is_repeated = sent[..index].iter().any(|other| other.fingerprint_sha256 == certificate.fingerprint_sha256);
        let notes = |place| {
            if is_repeated { Vec::new() } else { findings.about(place, &certificate.fingerprint_sha256) }
        };
        let (own, slot) = (notes(Place::Certificate), notes(Place::IssuerSlot));
        if index >= MAX_CERTIFICATES && own.is_empty() && slot.is_empty() {
            left_out += 1;
            continue;
        }
        let linked = slot.is_empty()
            && sent
                .get(index + 1)
                .is_some_and(|next| next.subject == certificate.issuer && certificate.role != Role::Root);
        parts.push(card(certificate, sent.len(), linked, own));
        if !slot.is_empty() {
            let missing = Part::new(Kind::Slot, "Intermediate certificate", &certificate.issuer);
            parts.push(missing.noted(slot));
        }
    }
    if left_out > 0 {
        parts.push(Part::new(Kind::Remark, format!("{left_out} more certificates, in the table below"), ""));
    }
    let is_in_doubt = [Place::Trust, Place::IssuerSlot, Place::LeafSlot, Place::Chain];
    if let Some(root) = tls.and_then(trusted_root)
        && is_in_doubt.iter().all(|place| findings.at(*place).iter().all(|note| note.mark != Mark::Faulty))
    {
        parts.push(Part::new(Kind::Fact, "Leads to the trusted root", root).fine_if(true));
    }
    parts
}

fn heading(tls: Option<&TlsView<'_>>, sent: usize) -> Part {
    let text = match (tls, sent) {
        (None, _) => "Certificates: the probe did not get this far",
        (Some(_), 0) => "Certificates: none came",
        (Some(_), 1) => "Certificate, the only one that was sent",
        (Some(_), _) => "Certificates, in the order sent",
    };
    Part::new(Kind::Remark, text, "")
}

fn card(certificate: &CertificateView<'_>, count: usize, linked: bool, notes: Vec<Note>) -> Part {
    let CertificateView { position, role, subject, issuer, not_before, not_after, dns_names, ip_addresses, .. } =
        certificate;
    let kind = match role {
        Role::Leaf => "Leaf certificate",
        Role::Intermediate => "Intermediate certificate",
        Role::Root => "Root certificate",
    };
    let subject: &str = if subject.is_empty() { "without a subject" } else { subject };
    let is_fine = notes.is_empty();
    let mut part = Part::new(Kind::Certificate { linked }, kind, subject).noted(notes).fine_if(is_fine);
    if *role == Role::Leaf {
        let names = dns_names.iter().cloned().chain(ip_addresses.iter().map(ToString::to_string));
        let names: Vec<String> = names.take(MAX_NAMES).collect();
        let in_all = dns_names.len() + ip_addresses.len();
        part = match (names.len(), in_all.saturating_sub(names.len())) {
            (0, _) => part.and("for no name at all"),
            (_, 0) => part.and(format!("for {}", names.join(", "))),
            (_, more) => part.and(format!("for {} and {more} more", names.join(", "))),
        };
    }
    part = if issuer == subject { part.and("issued by itself") } else { part.and(format!("issued by {issuer}")) };
    part = part.and(format!("{} to {}", day(*not_before), day(*not_after)));
    if count > 1 {
        part.tag = format!("[{position}]");
    }
    part
}

/// The trusted certificate that those sent lead to, by names: the verdict has found that there is one.
fn trusted_root(tls: &TlsView<'_>) -> Option<String> {
    let mut at = tls.chain.iter().find(|certificate| certificate.role == Role::Leaf)?;
    for _ in &tls.chain {
        if let Some(root) =
            [&at.issuer, &at.subject].into_iter().find(|name| tls.trust.anchors.iter().any(|anchor| *anchor == ***name))
        {
            return Some(one_line(root));
        }
        at = tls
            .chain
            .iter()
            .find(|next| next.subject == at.issuer && next.fingerprint_sha256 != at.fingerprint_sha256)?;
    }
    None
}
