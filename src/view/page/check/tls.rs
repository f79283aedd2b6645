//! TLS as a check found it: what the server can do, and its certificates as sent and as they should be.

use maud::{Markup, html};

use super::found::{foreign, line, of_mark, stage, table};
use crate::troubleshoot::{Examination, Handshakes, Support, VersionFacts};
use crate::verdict::{Code, PresentedCertificate, Stage, version_name};
use crate::view::time::{Utc, age, rough};
use crate::view::troubleshoot::paper::Mark;
use crate::view::troubleshoot::stages::authorities;
use crate::view::troubleshoot::{tls, words};

/// `None` where no TLS is meant.
pub(super) fn section(examination: &Examination) -> Option<Markup> {
    examination.target.probe.tls.as_ref()?;
    let verdict = &examination.verdict;
    let cause = verdict.cause.as_ref().filter(|cause| cause.code.stage() == Stage::Tls);
    let (mark, outcome) = match (cause, &verdict.evidence.tls) {
        (Some(cause), _) => (Mark::Bad, Code::from(cause.code).words().title.to_owned()),
        (None, Some(session)) => (Mark::Good, format!("{}, {}", session.version, session.cipher)),
        (None, None) => (Mark::None, "not reached".to_owned()),
    };
    let content = html! {
        (chain(examination))
        @if let Some(handshakes) = &examination.handshakes { (abilities(handshakes)) }
        @else { p { "Nothing was tried, because no connection opened." } }
    };
    Some(stage("tls", "TLS", mark, &outcome, &content))
}

fn chain(examination: &Examination) -> Markup {
    let sent = examination.verdict.evidence.chain.iter().flat_map(|chain| &chain.certificates);
    let sent: Vec<&PresentedCertificate> = sent.collect();
    let right = examination.handshakes.as_ref().map(|found| found.right_chain.as_slice()).unwrap_or_default();
    html! {
        div.check-chains {
            @if !sent.is_empty() {
                div {
                    h4 { "Certificates as sent" }
                    ol.check-chain start="0" { @for certificate in &sent { (of_certificate(certificate, examination)) } }
                }
            }
            @if !right.is_empty() {
                div {
                    h4 { "As they should be" }
                    ol.check-chain start="0" {
                        @for link in right {
                            @let (mark, words) = tls::of_link(link, examination);
                            li { (of_mark(mark)) (foreign(&words)) }
                        }
                    }
                }
            }
        }
    }
}

fn of_certificate(certificate: &PresentedCertificate, examination: &Examination) -> Markup {
    let mark = if certificate.faults.is_empty() { Mark::Good } else { Mark::Bad };
    let (from, to) = (Utc::of(certificate.not_before), Utc::of(certificate.not_after));
    let left = age(certificate.not_after, examination.at);
    let ended = age(examination.at, certificate.not_after);
    let addresses = certificate.ip_addresses.iter().map(ToString::to_string);
    let names: Vec<String> = certificate.dns_names.iter().cloned().chain(addresses).collect();
    html! {
        li {
            (of_mark(mark)) (certificate.role.as_str()) " " b { (foreign(&certificate.subject)) }
            @for fault in &certificate.faults { span.check-record.check-fault { (fault.words().title) } }
            span.check-record { "issued by " (foreign(&certificate.issuer)) }
            span.check-record {
                (from.readable()) " to " (to.readable()) ", "
                @if left.is_zero() { "ended " (rough(ended)) " ago" } @else { (rough(left)) " left" }
            }
            @if !names.is_empty() {
                span.check-record {
                    "for " (foreign(&names[..names.len().min(MOST_NAMES)].join(", ")))
                    @if names.len() > MOST_NAMES { " and " (names.len() - MOST_NAMES) " more" }
                }
            }
            span.check-record { (foreign(&certificate.public_key)) ", " (foreign(&certificate.signature_algorithm)) }
        }
    }
}

fn abilities(handshakes: &Handshakes) -> Markup {
    let rows: Vec<Vec<Markup>> = handshakes.versions.iter().map(of_version).collect();
    let (mark, words) = tls::usual(handshakes);
    html! {
        h4 { "What " (handshakes.address) " can do" }
        (table("Each version tried by itself; suites in the server's own order", &["Version", "Answer", "Suites"], &rows))
        (line(mark, &format!("handshake without a client certificate: {words}")))
        (client_certificate(handshakes))
        (line(Mark::None, &format!("server name (SNI): {}", tls::sni(handshakes))))
        (line(Mark::None, &format!("application protocol (ALPN): {}", tls::alpn(handshakes))))
    }
}

fn of_version(facts: &VersionFacts) -> Vec<Markup> {
    let (suites, is_cut_short) = match &facts.support {
        Support::Accepted { suites, is_cut_short, .. } => (words::of_suites(suites), *is_cut_short),
        Support::Alert(_)
        | Support::Other(_)
        | Support::Closed
        | Support::Silent
        | Support::NotTls(_)
        | Support::NotTried => (Vec::new(), false),
    };
    vec![
        html! { (version_name(facts.version)) },
        html! { (of_mark(tls::mark_of_version(facts))) (foreign(&words::of_support(&facts.support))) },
        html! {
            @if suites.is_empty() { "–" }
            @for suite in &suites { span.check-record { code { (suite) } } }
            @if is_cut_short { span.check-record { "and perhaps more: not all were tried" } }
        },
    ]
}

fn client_certificate(handshakes: &Handshakes) -> Markup {
    let Ok(usual) = &handshakes.usual else { return html! {} };
    if !tls::asks_for_certificate(usual, handshakes) {
        return line(Mark::None, "client certificate: not asked for");
    }
    let authorities = authorities(usual);
    html! {
        @if authorities.is_empty() {
            (line(Mark::Odd, "client certificate: asked for; the server does not say from which CA"))
        } @else {
            (line(Mark::Odd, "client certificate: asked for, from one of these CAs:"))
            ul { @for authority in &authorities { li { (foreign(authority)) } } }
        }
    }
}

/// Of one certificate that are shown.
const MOST_NAMES: usize = 8;
