//! Certificates and TLS of a deep check, as text.

use super::paper::{Mark, Paper};
use super::stages::authorities;
use super::words;
use crate::troubleshoot::{Examination, Exploration, Handshakes, Support, VersionFacts};
use crate::verdict::{RightLink, version_name};
use crate::view::time::{Utc, age, span, took};

/// The chain as sent, drawn from the server's own certificate up, and as it should be.
pub(super) fn chain(paper: &mut Paper, examination: &Examination) {
    if let Some(chain) = &examination.verdict.evidence.chain {
        paper.title("Certificates as sent");
        for (index, certificate) in chain.certificates.iter().enumerate() {
            let mark = if certificate.faults.is_empty() { Mark::Good } else { Mark::Bad };
            let faults: Vec<&str> = certificate.faults.iter().map(|cause| cause.code()).collect();
            let faults = if faults.is_empty() { String::new() } else { format!("  <- {}", faults.join(", ")) };
            let (position, role) = (certificate.position, certificate.role.as_str());
            paper.line(mark, &format!("[{position}] {role:<12} {}{faults}", certificate.subject));
            let (from, to) = (Utc::of(certificate.not_before).readable(), Utc::of(certificate.not_after).readable());
            let more = index + 1 < chain.certificates.len();
            let bar = if more { "│" } else { " " };
            let left = age(certificate.not_after, examination.at);
            let left = if left.is_zero() { "ended".to_owned() } else { format!("{} left", span(left)) };
            paper.note(&format!(" {bar}  issued by {}", certificate.issuer));
            paper.note(&format!(" {bar}  {from} to {to} ({left}), {}", certificate.public_key));
            if !certificate.dns_names.is_empty() || !certificate.ip_addresses.is_empty() {
                let names = certificate.dns_names.iter().cloned();
                let names: Vec<String> =
                    names.chain(certificate.ip_addresses.iter().map(ToString::to_string)).take(8).collect();
                let all = certificate.dns_names.len() + certificate.ip_addresses.len();
                let more = if all > 8 { format!(" and {} more", all - 8) } else { String::new() };
                paper.note(&format!(" {bar}  for {}{more}", names.join(", ")));
            }
        }
    }
    let Some(handshakes) = examination.handshakes.as_ref().filter(|found| !found.right_chain.is_empty()) else {
        return;
    };
    paper.title("Certificates as they should be");
    for (depth, link) in handshakes.right_chain.iter().enumerate() {
        let branch = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
        let (mark, words) = of_link(link, examination);
        paper.line(mark, &format!("{branch}{words}"));
    }
}

pub(in crate::view) fn of_link(link: &RightLink, examination: &Examination) -> (Mark, String) {
    let chain = examination.verdict.evidence.chain.iter().flat_map(|chain| &chain.certificates);
    let faults = |position: usize| {
        let certificate = chain.clone().find(|certificate| certificate.position == position);
        let faults = certificate.map(|found| found.faults.as_slice()).unwrap_or_default();
        faults.iter().map(|cause| cause.code()).collect::<Vec<_>>().join(", ")
    };
    match link {
        RightLink::Sent { position, subject } if !faults(*position).is_empty() => {
            let faults = faults(*position);
            (Mark::Bad, format!("{subject}  (sent as [{position}]; one without {faults} belongs here)"))
        }
        RightLink::Sent { position, subject } => (Mark::Good, format!("{subject}  (sent as [{position}])")),
        RightLink::Trusted { position: Some(position), subject } => {
            (Mark::Good, format!("{subject}  (trusted here; sent as [{position}], which need not be)"))
        }
        RightLink::Trusted { position: None, subject } => {
            (Mark::Good, format!("{subject}  (trusted here; need not be sent)"))
        }
        RightLink::Untrusted { position, subject } => {
            (Mark::Bad, format!("{subject}  (sent as [{position}], not trusted here)"))
        }
        RightLink::Missing { subject, url } => {
            let place = url.as_ref().map(|url| format!("; it can be had from {url}")).unwrap_or_default();
            (Mark::Bad, format!("{subject}  (neither sent nor trusted here{place})"))
        }
        RightLink::Broken(why) => (Mark::Bad, (*why).to_owned()),
    }
}

pub(super) fn tls(paper: &mut Paper, handshakes: &Handshakes) {
    paper.title("TLS");
    paper.note(&format!("tried with {}", handshakes.address));
    for facts in &handshakes.versions {
        let mark = mark_of_version(facts);
        paper.line(mark, &format!("{}: {}", version_name(facts.version), words::of_support(&facts.support)));
        if let Support::Accepted { suites, is_cut_short, .. } = &facts.support {
            for suite in words::of_suites(suites) {
                paper.note(&format!("    {suite}"));
            }
            if *is_cut_short {
                paper.note("    and perhaps more: not all were tried");
            }
        }
    }
    let (mark, words) = usual(handshakes);
    paper.line(mark, &format!("handshake without a client certificate: {words}"));
    if let Ok(usual) = &handshakes.usual {
        client_certificate(paper, usual, handshakes);
    }
    paper.note(&format!("server name (SNI): {}", sni(handshakes)));
    paper.note(&format!("application protocol (ALPN): {}", alpn(handshakes)));
}

pub(in crate::view) fn mark_of_version(facts: &VersionFacts) -> Mark {
    match (&facts.support, facts.version) {
        (Support::Accepted { .. }, 0x0303..) => Mark::Good,
        (Support::Accepted { .. }, _) => Mark::Odd,
        (_, _) => Mark::None,
    }
}

/// How the usual handshake, without a client certificate, went.
pub(in crate::view) fn usual(handshakes: &Handshakes) -> (Mark, String) {
    match &handshakes.usual {
        Err(fault) => (Mark::Bad, words::of_connect_fault(fault)),
        Ok(usual) => match &usual.fault {
            Some(fault) => (Mark::Bad, words::of_tls_fault(fault)),
            None => (Mark::Good, format!("completed in {}", took(usual.took))),
        },
    }
}

/// Whether the server wants to see one.
pub(in crate::view) fn asks_for_certificate(usual: &Exploration, handshakes: &Handshakes) -> bool {
    let in_clear = |support: &Support| matches!(support, Support::Accepted { client_certificate_requested: true, .. });
    usual.facts.client_certificate_requested || handshakes.versions.iter().any(|facts| in_clear(&facts.support))
}

fn client_certificate(paper: &mut Paper, usual: &Exploration, handshakes: &Handshakes) {
    if !asks_for_certificate(usual, handshakes) {
        paper.note("client certificate: not asked for");
        return;
    }
    let authorities = authorities(usual);
    if authorities.is_empty() {
        paper.line(Mark::Odd, "client certificate: asked for; the server does not say from which CA");
    } else {
        paper.line(Mark::Odd, "client certificate: asked for, from one of these CAs:");
        for authority in authorities {
            paper.note(&format!("    {authority}"));
        }
    }
}

/// Whether the server needs to be told a name.
pub(in crate::view) fn sni(handshakes: &Handshakes) -> String {
    let Some(without) = &handshakes.without_name else {
        return "an address is never sent as a name".to_owned();
    };
    let (Ok(with), Ok(without)) = (&handshakes.usual, without) else {
        return "unknown: no connection opened".to_owned();
    };
    let same = with.facts.chain.first() == without.facts.chain.first();
    match (&with.fault, &without.fault) {
        (None, Some(fault)) => format!("needed: without it the handshake fails ({})", words::of_tls_fault(fault)),
        (Some(fault), None) => {
            format!("refused: only without it the handshake completes ({})", words::of_tls_fault(fault))
        }
        (Some(_), Some(_)) if with.facts.chain.is_empty() => "unknown: no handshake completes either way".to_owned(),
        (_, _) if same => "not needed: the same certificate comes without it".to_owned(),
        (_, _) => "needed: without it another certificate comes".to_owned(),
    }
}

pub(in crate::view) fn alpn(handshakes: &Handshakes) -> String {
    let Ok(both) = &handshakes.with_protocols else { return "unknown: no connection opened".to_owned() };
    match (&both.fault, &both.protocol) {
        (Some(fault), _) => format!("offered h2 and http/1.1, the handshake fails ({})", words::of_tls_fault(fault)),
        (None, Some(name)) => format!("offered h2 and http/1.1, it chooses {}", String::from_utf8_lossy(name)),
        (None, None) => "offered h2 and http/1.1, it chooses none".to_owned(),
    }
}
