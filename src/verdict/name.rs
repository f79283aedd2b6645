//! Whether the server's own certificate is for the name that we expect: webpki's word, and why.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::certificate::Certificate;
use super::chain::Reading;
use super::fault::Fault;
use super::text::{listed, shown};
use super::{Case, Cause, Facts, Slot, nearly};
use crate::probe::{NameSource, TlsFacts, TlsSpec, VerifiedName, covers};

/// The fault of the name, if there is one. `leaf` is an index into the certificates read.
pub(super) fn fault(spec: &TlsSpec, facts: &TlsFacts, reading: &Reading<'_>, leaf: Option<usize>) -> Option<Fault> {
    let word = facts.name.as_ref()?;
    let Some(leaf) = leaf else {
        // There is no certificate to look for the name in; that is said already, unless webpki could read one.
        let error = word.as_ref().err().filter(|_| matches!(facts.path, Some(Ok(_))))?;
        let detail = format!("we expect {}, but the certificate's names cannot be read ({error})", spec.name);
        return Some(Fault::new(Cause::CertNameMismatch, detail, None));
    };
    let certificate = &reading.sent[leaf].certificate;
    let (why, case) = match has_name(certificate, reading.sent[leaf].position, spec, facts) {
        Has::Name => return None,
        Has::OtherNames => why(certificate, &spec.name),
        Has::UnreadableNames => {
            let names: Vec<&str> = certificate.dns_names().collect();
            let nearly = nearly::difference(&names, &spec.name.to_string());
            let malformed = "has subject alternative names (the extension subjectAltName) that are malformed";
            match nearly {
                Some(nearly) => (format!("{malformed}: {}", nearly.what), nearly.case),
                None => (malformed.to_owned(), None),
            }
        }
    };
    let key = match spec.name_source {
        NameSource::SniName => "sni_name of the backend setting",
        NameSource::ProbeHost => "host of the probe",
        NameSource::SettingHostName => "host_name of the backend setting",
        NameSource::Server => "the server's own name",
    };
    let detail = format!("we expect {} (from {key}), but the certificate {why}", spec.name);
    let facts = Facts::default()
        .with(Slot::Expected, spec.name.to_string())
        .with(Slot::Received, presented(certificate).unwrap_or_else(|| "no name at all".to_owned()));
    Some(Fault::new(Cause::CertNameMismatch, detail, Some(leaf)).with(facts).in_case(case))
}

/// The names that it has, in short.
fn presented(certificate: &Certificate<'_>) -> Option<String> {
    match (names(certificate), certificate.names().count()) {
        (_, 0) => certificate.common_name().map(|name| format!("the Common Name {} alone", shown(&name))),
        (names, in_all) => Some(listed(&names, in_all)),
    }
}

fn names(certificate: &Certificate<'_>) -> Vec<String> {
    let addresses = certificate.ip_addresses().map(|address| address.to_string());
    certificate.dns_names().map(str::to_owned).chain(addresses).take(LISTED).collect()
}

enum Has {
    Name,
    OtherNames,
    UnreadableNames,
}

/// webpki's word on the name, wherever in the chain the certificate stands; our own where webpki does not read it at all.
fn has_name(certificate: &Certificate<'_>, position: usize, spec: &TlsSpec, facts: &TlsFacts) -> Has {
    let der = CertificateDer::from(certificate.der);
    let Ok(readable) = EndEntityCert::try_from(&der) else {
        return if is_named(certificate, &spec.name) { Has::Name } else { Has::OtherNames };
    };
    let word = match (&facts.name, spec.name.for_tls()) {
        (Some(word), _) if position == 0 => word.clone(),
        (_, Some(name)) => readable.verify_is_valid_for_subject_name(&name),
        (_, None) => return Has::OtherNames,
    };
    match word {
        Ok(()) => Has::Name,
        Err(webpki::Error::CertNotValidForName(_)) => Has::OtherNames,
        Err(_) => Has::UnreadableNames,
    }
}

fn is_named(certificate: &Certificate<'_>, expected: &VerifiedName) -> bool {
    match expected {
        VerifiedName::Ip(ip) => certificate.ip_addresses().any(|address| address == *ip),
        VerifiedName::Dns(expected) => certificate.dns_names().any(|name| covers(name, expected)),
    }
}

/// What the certificate is for instead.
fn why(certificate: &Certificate<'_>, expected: &VerifiedName) -> (String, Option<Case>) {
    let names = names(certificate);
    let in_all = certificate.names().count();
    let common_name = certificate.common_name();
    let only_there = common_name.clone().filter(|name| name.eq_ignore_ascii_case(&expected.to_string()));
    let only_there_case = only_there.is_some().then_some(Case::NameOnlyCommon);
    let text = match (in_all, only_there, common_name) {
        (0, Some(name), _) => {
            format!("has it only as its Common Name {}, which today's clients refuse (RFC 9525)", shown(&name))
        }
        (0, None, Some(name)) => format!("has no subject alternative name, only the Common Name {}", shown(&name)),
        (0, None, None) => "has no name at all".to_owned(),
        (_, _, _)
            if matches!(expected, VerifiedName::Ip(_))
                && certificate.dns_names().any(|name| name == expected.to_string()) =>
        {
            "has the address only as a DNS name, not among its IP addresses".to_owned()
        }
        (_, Some(name), _) => format!(
            "is for {}; it has the name only as its Common Name {}, which today's clients refuse (RFC 9525)",
            listed(&names, in_all),
            shown(&name)
        ),
        (_, None, _) => format!("is for {}", listed(&names, in_all)),
    };
    let VerifiedName::Dns(expected) = expected else { return (text, only_there_case) };
    let alternatives: Vec<&str> = certificate.dns_names().collect();
    match nearly::difference(&alternatives, expected) {
        Some(nearly) => (format!("{text}: {}", nearly.what), nearly.case.or(only_there_case)),
        None => (text, only_there_case),
    }
}

/// More names than are shown are not needed.
const LISTED: usize = 8;
