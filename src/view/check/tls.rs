//! TLS: what the server can do, and its certificates as sent and as they should be.

use super::section::{Block, Cell, Mark, Section};
use super::words;
use crate::troubleshoot::{Examination, Exploration, Handshakes, Support, VersionFacts};
use crate::verdict::{Cause, Code, PresentedCertificate, RightLink, Stage, Verdict, name_of_der, version_name};
use crate::words::{age, readable, rough, took};

/// `None` where no TLS is meant.
pub(super) fn section(examination: &Examination) -> Option<Section> {
    examination.target.probe.tls.as_ref()?;
    let verdict = &examination.verdict;
    let all = || verdict.cause.iter().chain(&verdict.also);
    let cause = all().find(|finding| finding.code.stage() == Stage::Tls);
    let (mark, outcome) = match (cause, &verdict.evidence.tls) {
        (Some(cause), _) => (Mark::Bad, cause.code.words().title.to_owned()),
        (None, Some(session)) => (mark_of(verdict), format!("{}, {}", session.version, session.cipher)),
        (None, None) => (Mark::None, "not reached".to_owned()),
    };
    let mut blocks = Vec::new();
    if let Some(chain) = &verdict.evidence.chain {
        let sent = chain.certificates.iter().map(|certificate| of_certificate(certificate, examination));
        blocks.push(Block::list("Certificates as sent", sent.collect()));
    }
    match &examination.handshakes {
        Some(handshakes) => {
            if !handshakes.right_chain.is_empty() {
                let right = handshakes.right_chain.iter().map(|link| of_link(link, examination));
                blocks.push(Block::list("As they should be", right.collect()));
            }
            blocks.extend(abilities(handshakes, examination));
        }
        None => blocks.push(Block::lines(vec![Cell::from("Nothing was tried, because no connection opened.")])),
    }
    Some(Section { id: "tls", title: "TLS", mark, outcome, blocks })
}

/// Of a handshake that ended well. Good is what held to the end: a server that resets the connection after it may mean
/// the handshake.
fn mark_of(verdict: &Verdict) -> Mark {
    let is_broken_off = verdict.cause.as_ref().is_some_and(|cause| cause.code.stage() == Stage::Tcp);
    if is_broken_off { Mark::None } else { Mark::Good }
}

fn of_certificate(certificate: &PresentedCertificate, examination: &Examination) -> Cell {
    let PresentedCertificate { role, subject, issuer, not_before, not_after, public_key, .. } = certificate;
    let mark = if certificate.faults.is_empty() { Mark::Good } else { Mark::Bad };
    let (left, ended) = (age(*not_after, examination.at), age(examination.at, *not_after));
    let left = if left.is_zero() { format!("ended {} ago", rough(ended)) } else { format!("{} left", rough(left)) };
    let faults = certificate.faults.iter().map(|fault| format!("{} ({})", fault.words().title, fault.code()));
    let mut more: Vec<String> = faults.collect();
    more.push(format!("issued by {issuer}"));
    more.push(format!("{} to {}, {left}", readable(*not_before), readable(*not_after)));
    let addresses = certificate.ip_addresses.iter().map(ToString::to_string);
    let names: Vec<String> = certificate.dns_names.iter().cloned().chain(addresses).collect();
    if !names.is_empty() {
        let rest = names.len().saturating_sub(MOST_NAMES);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        more.push(format!("for {}{rest}", names[..names.len().min(MOST_NAMES)].join(", ")));
    }
    more.push(format!("{public_key}, {}", certificate.signature_algorithm));
    Cell::new(mark, format!("{} {subject}", role.as_str())).and(more)
}

fn of_link(link: &RightLink, examination: &Examination) -> Cell {
    let chain = examination.verdict.evidence.chain.iter().flat_map(|chain| &chain.certificates);
    let faults = |position: usize| {
        let certificate = chain.clone().find(|certificate| certificate.position == position);
        let faults = certificate.map(|found| found.faults.as_slice()).unwrap_or_default();
        faults.iter().map(|cause| cause.code()).collect::<Vec<_>>().join(", ")
    };
    let (mark, words) = match link {
        RightLink::Sent { position, subject } => match faults(*position).as_str() {
            "" => (Mark::Good, format!("{subject}  (sent as [{position}])")),
            faults => (Mark::Bad, format!("{subject}  (sent as [{position}]; one without {faults} belongs here)")),
        },
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
    };
    Cell::new(mark, words)
}

fn abilities(handshakes: &Handshakes, examination: &Examination) -> [Block; 2] {
    let title = format!("What {} can do: each version by itself, suites in the server's own order", handshakes.address);
    let rows = handshakes.versions.iter().map(of_version).collect();
    let mut lines = vec![match &handshakes.usual {
        Err(fault) => Cell::new(Mark::Bad, words::of_connect_fault(fault)),
        Ok(Exploration { fault: Some(fault), .. }) => Cell::new(Mark::Bad, words::of_tls_fault(fault)),
        Ok(usual) => completed(usual, &examination.verdict),
    }];
    lines[0].text.insert_str(0, "handshake without a client certificate, whatever the server's certificate: ");
    if let Ok(usual) = &handshakes.usual {
        lines.push(client_certificate(usual, handshakes));
    }
    lines.push(format!("server name (SNI): {}", sni(handshakes)).into());
    lines.push(format!("application protocol (ALPN): {}", alpn(handshakes)).into());
    [Block::table(title, &["Version", "Answer", "Suites"], rows), Block::lines(lines)]
}

/// A handshake that came to its end, as far as anybody saw: it sends nothing and waits for nothing more.
fn completed(usual: &Exploration, verdict: &Verdict) -> Cell {
    let words = format!("completed in {}", took(usual.took));
    let ended_tls = verdict.cause.iter().chain(&verdict.also).any(|finding| finding.code.stage() == Stage::Tls);
    match refused_later(verdict) {
        Some(code) => Cell::new(Mark::Odd, format!("{words}, and refused later: {}", code.words().title)),
        None if ended_tls => words.into(),
        None => Cell::new(mark_of(verdict), words),
    }
}

/// What the server refused when the handshake itself was over, as it does with client certificates in TLS 1.3 (RFC 8446,
/// section 4.6.2), by renegotiation, or with a status. An exploring handshake ends before that.
pub(super) fn refused_later(verdict: &Verdict) -> Option<Cause> {
    let is_of_certificates = |cause: Cause| Code::Cause(cause).is_about_certificates();
    verdict.evidence.tls?;
    let code = verdict.cause.as_ref()?.code;
    (code.stage() == Stage::Tls && !is_of_certificates(code)).then_some(code)
}

fn of_version(facts: &VersionFacts) -> Vec<Cell> {
    let mark = match (&facts.support, facts.version) {
        (Support::Accepted { .. }, 0x0303..) => Mark::Good,
        (Support::Accepted { .. }, _) => Mark::Odd,
        (_, _) => Mark::None,
    };
    let suites = match &facts.support {
        Support::Accepted { suites, is_cut_short, .. } => {
            let mut suites = words::of_suites(suites);
            if *is_cut_short {
                suites.push("and perhaps more: not all were tried".to_owned());
            }
            let first = if suites.is_empty() { "–".to_owned() } else { suites.remove(0) };
            Cell::from(first).and(suites)
        }
        _ => "–".into(),
    };
    vec![version_name(facts.version).into(), Cell::new(mark, words::of_support(&facts.support)), suites]
}

/// Whether the server wants to see one.
fn client_certificate(usual: &Exploration, handshakes: &Handshakes) -> Cell {
    let in_clear = |support: &Support| matches!(support, Support::Accepted { client_certificate_requested: true, .. });
    let asked = usual.facts.client_certificate_requested;
    if !asked && !handshakes.versions.iter().any(|facts| in_clear(&facts.support)) {
        return "client certificate: not asked for".into();
    }
    let authorities = authorities(usual);
    let from =
        if authorities.is_empty() { "; the server does not say from which CA" } else { ", from one of these CAs:" };
    Cell::new(Mark::Odd, format!("client certificate: asked for{from}")).and(authorities)
}

/// The CAs that a server names, as text.
pub(super) fn authorities(exploration: &Exploration) -> Vec<String> {
    let named = |der: &Vec<u8>| name_of_der(der).unwrap_or_else(|| "a name that cannot be read".to_owned());
    exploration.authorities.iter().map(named).collect()
}

/// Whether the server needs to be told a name.
pub(super) fn sni(handshakes: &Handshakes) -> String {
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

fn alpn(handshakes: &Handshakes) -> String {
    let Ok(both) = &handshakes.with_protocols else { return "unknown: no connection opened".to_owned() };
    match (&both.fault, &both.protocol) {
        (Some(fault), _) => format!("offered h2 and http/1.1, the handshake fails ({})", words::of_tls_fault(fault)),
        (None, Some(name)) => format!("offered h2 and http/1.1, it chooses {}", String::from_utf8_lossy(name)),
        (None, None) => "offered h2 and http/1.1, it chooses none".to_owned(),
    }
}

/// Of one certificate that are shown.
const MOST_NAMES: usize = 8;
