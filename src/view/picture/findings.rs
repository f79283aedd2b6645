//! What was found, and at which place of the picture it is marked with which words.

use std::time::SystemTime;

use super::part::{Mark, Note};
use super::place;
use super::place::{Place, Saying};
use crate::verdict::{Cause, Code, ProbeResult};
use crate::view::report::{CertificateView, Problem, ReportRow};
use crate::words::{age, day, one_line, rough};

/// Everything that was found, place by place.
pub(super) struct Findings<'r> {
    found: Vec<(Place, Note, Option<&'r str>)>,
}

impl<'r> Findings<'r> {
    pub(super) fn of(row: &'r ReportRow<'_>, now: SystemTime) -> Self {
        let last = row.last_probe.as_ref();
        let unheard =
            last.filter(|probe| probe.result == ProbeResult::NoVerdict).and_then(|probe| probe.cause.as_ref());
        let unheard = unheard.filter(|problem| row.cause.as_ref().is_none_or(|cause| cause.code != problem.code));
        let mut findings = Self { found: Vec::new() };
        for problem in row.cause.iter().chain(unheard).chain(&row.also) {
            findings.add(problem, Mark::Faulty, row, now);
        }
        for problem in &row.warnings {
            findings.add(problem, Mark::Warning, row, now);
        }
        findings
    }

    fn add(&mut self, problem: &'r Problem<'_>, mark: Mark, row: &ReportRow<'_>, now: SystemTime) {
        let Some(code) = place::parse(&problem.code) else { return };
        // Nothing is wrong yet.
        let mark = if code == Code::Cause(Cause::NotProbedYet) { Mark::Warning } else { mark };
        let fingerprint = problem.certificate.as_deref();
        let sent = fingerprint.and_then(|fingerprint| certificate(row, fingerprint));
        let tls = row.last_probe.as_ref().and_then(|probe| probe.tls.as_ref());
        let chain_came = tls.is_some_and(|tls| !tls.chain.is_empty());
        for (place, saying) in place::of(code) {
            // A check that is off ends no probe.
            if place == Place::Line && mark == Mark::Warning {
                continue;
            }
            let place = match (place, sent) {
                (Place::Certificate, None) if chain_came && is_of_a_trusted_root(problem) => Place::Trust,
                (Place::Certificate | Place::IssuerSlot, None) => Place::Chain,
                (place, _) => place,
            };
            let text = match (saying, sent) {
                (Saying::Words(words), _) if place != Place::Chain || code_is_about_the_chain(code) => words.to_owned(),
                (Saying::Title, _) => code.words().title.to_owned(),
                (Saying::Dates, Some(sent)) => dates(sent, now),
                (Saying::Dates | Saying::Detail | Saying::Words(_), _) => one_line(&problem.detail),
            };
            let note = Note { mark, text };
            // What stands at one place is said once.
            let is_said = |(known, noted, of): &(Place, Note, Option<&str>)| {
                (*known, noted) == (place, &note) && (*of == fingerprint || place == Place::Line)
            };
            if !self.found.iter().any(is_said) {
                self.found.push((place, note, fingerprint));
            }
        }
    }

    pub(super) fn at(&self, place: Place) -> Vec<Note> {
        self.found.iter().filter(|(of, ..)| *of == place).map(|(_, note, _)| note.clone()).collect()
    }

    /// Those about the certificate with this fingerprint.
    pub(super) fn about(&self, place: Place, fingerprint: &str) -> Vec<Note> {
        let about = self.found.iter().filter(|(of, _, which)| *of == place && *which == Some(fingerprint));
        about.map(|(_, note, _)| note.clone()).collect()
    }
}

fn certificate<'r>(row: &'r ReportRow<'_>, fingerprint: &str) -> Option<&'r CertificateView<'r>> {
    let chain = &row.last_probe.as_ref()?.tls.as_ref()?.chain;
    chain.iter().find(|certificate| certificate.fingerprint_sha256 == fingerprint)
}

/// It is about a certificate, and that one was not sent: so it is one of ours.
fn is_of_a_trusted_root(problem: &Problem<'_>) -> bool {
    problem.certificate.is_some()
        && ["cert_expired", "cert_not_yet_valid", "cert_expires_soon"].contains(&&*problem.code)
}

fn code_is_about_the_chain(code: Code) -> bool {
    place::of(code).iter().any(|(place, _)| *place == Place::Chain)
}

/// Whether and since when a certificate is out of its dates, or for how long it is not.
fn dates(certificate: &CertificateView<'_>, now: SystemTime) -> String {
    let CertificateView { not_before, not_after, .. } = certificate;
    let (first, last) = (day(*not_before), day(*not_after));
    if *not_before > now {
        format!("begins on {first}, in {}", rough(age(*not_before, now)))
    } else if *not_after < now {
        format!("expired on {last}, {} ago", rough(age(now, *not_after)))
    } else {
        format!("expires on {last}, in {}", rough(age(*not_after, now)))
    }
}
