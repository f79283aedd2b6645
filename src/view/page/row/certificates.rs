//! The certificates that the server sent, in full.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::view::picture::place;
use crate::view::report::{CertificateView, ReportRow};
use crate::words::{age, one_line, readable, rough};

/// Names of one certificate that are shown.
const MAX_NAMES: usize = 50;

pub(super) fn list(row: &ReportRow<'_>, now: SystemTime) -> Markup {
    let tls = row.last_probe.as_ref().and_then(|probe| probe.tls.as_ref());
    let chain = tls.map(|tls| tls.chain.as_slice()).unwrap_or_default();
    html! {
        @if !chain.is_empty() {
            section aria-labelledby="certificates-title" {
                h2 id="certificates-title" { "Certificates, as sent" }
                ol.certificates {
                    @for certificate in chain { li { (details(certificate, now)) } }
                }
            }
        }
    }
}

fn details(certificate: &CertificateView<'_>, now: SystemTime) -> Markup {
    let CertificateView {
        position,
        role,
        on_path: _,
        subject,
        issuer,
        serial,
        not_before,
        not_after,
        dns_names,
        ip_addresses,
        public_key,
        signature_algorithm,
        fingerprint_sha256,
        faults,
    } = certificate;
    let addresses = ip_addresses.iter().map(ToString::to_string);
    let in_all = dns_names.len() + ip_addresses.len();
    let names: Vec<String> = dns_names.iter().map(|name| one_line(name)).chain(addresses).take(MAX_NAMES).collect();
    html! {
        h3 { "[" (position) "] " (role.as_str()) ": " bdi { @if subject.is_empty() { "(without a subject)" } @else { (one_line(subject)) } } }
        dl.facts {
            @if !faults.is_empty() {
                dt { "Faults" }
                dd.faulty { @for fault in faults { (title(fault)) br; } }
            }
            dt { "Issuer" } dd { bdi { (one_line(issuer)) } }
            dt { "Valid" }
            dd {
                (readable(*not_before)) " to " (readable(*not_after)) ", "
                (left(*not_before, *not_after, now))
            }
            dt { "Names" }
            dd {
                @if names.is_empty() { "none" }
                @for (index, name) in names.iter().enumerate() { @if index > 0 { ", " } bdi { (name) } }
                @if in_all > names.len() { " and " (in_all - names.len()) " more" }
            }
            dt { "Key" } dd { bdi { (one_line(public_key)) } }
            dt { "Signature" } dd { bdi { (one_line(signature_algorithm)) } }
            dt { "Serial" } dd { code { (serial) } }
            dt { "SHA-256" } dd { code { (fingerprint_sha256) } }
        }
    }
}

fn title(code: &str) -> String {
    place::parse(code).map_or_else(|| one_line(code), |code| code.words().title.to_owned())
}

/// How long it is still valid, or since when it is not.
fn left(not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> String {
    if now < not_before {
        format!("begins in {}", rough(age(not_before, now)))
    } else if now > not_after {
        format!("ended {} ago", rough(age(now, not_after)))
    } else {
        format!("{} left", rough(age(not_after, now)))
    }
}
