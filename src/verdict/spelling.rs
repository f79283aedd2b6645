//! Names that read the same and are not the same: webpki compares their bytes.

use x509_parser::x509::X509Name;

use super::certificate::Certificate;
use super::chain::Sent;
use super::fault::Fault;
use super::links::{Signature, check_signature};
use super::text::{attribute_text, oid};
use super::{Case, Cause};
use crate::probe::{Trust, TrustMode};

/// The issuer of a certificate is there, by its key, but its name is spelled in another way.
pub(super) fn fault(trust: &Trust, sent: &[Sent<'_>], child: usize) -> Option<Fault> {
    let certificate = &sent[child].certificate;
    let issued = |issuer: &Certificate<'_>| {
        let how = difference(certificate.parsed.issuer(), issuer.parsed.subject())?;
        (check_signature(certificate, issuer) == Signature::Good).then_some(how)
    };
    let detail = |how: &str, whose: &str| {
        format!(
            "{} was issued by {}: {whose} has that name and made the signature, but the name is not written alike ({how}), \
             and names are compared byte for byte",
            certificate.title(),
            certificate.issuer_title()
        )
    };
    if let Some(how) = sent.iter().find_map(|other| issued(&other.certificate)) {
        let fault =
            Fault::new(Cause::CertIntermediateMissing, detail(&how, "a certificate that was sent"), Some(child));
        return Some(fault.in_case(Case::IntermediateSpelling));
    }
    let configured = trust.roots().iter().filter(|_| trust.mode() == TrustMode::Configured);
    let how = configured.take(MOST).find_map(|root| issued(&Certificate::read(root)?))?;
    let fault = Fault::new(Cause::CertIssuerMismatch, detail(&how, "a trusted certificate"), Some(child));
    Some(fault.in_case(Case::IssuerMismatchSpelling))
}

/// How two names differ that read alike; `None` when they are equal, or are names of different things.
fn difference(one: &X509Name<'_>, other: &X509Name<'_>) -> Option<String> {
    if one.as_raw() == other.as_raw() {
        return None;
    }
    let (ones, others): (Vec<_>, Vec<_>) = (one.iter_attributes().collect(), other.iter_attributes().collect());
    if ones.len() != others.len() || ones.is_empty() {
        return None;
    }
    let mut differences = Vec::new();
    for (one, other) in ones.iter().zip(others) {
        let (text, other_text) = (attribute_text(one)?, attribute_text(other)?);
        if one.attr_type() != other.attr_type() || folded(&text) != folded(&other_text) {
            return None;
        }
        let (kind, other_kind) = (string_type(one.attr_value().tag().0), string_type(other.attr_value().tag().0));
        let part = oid(one.attr_type());
        let part = match part.as_str() {
            "2.5.4.3" => "CN",
            "2.5.4.6" => "C",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            other => other,
        };
        if kind != other_kind {
            differences
                .push(format!("{part} is a {kind} as the issuer and a {other_kind} in the issuer's own certificate"));
        } else if text != other_text {
            differences.push(format!("{part} has other blanks or capitals in the issuer's own certificate"));
        }
    }
    if differences.is_empty() {
        differences.push("its parts are grouped or encoded in another way".to_owned());
    }
    Some(differences.join("; "))
}

/// As RFC 5280 (section 7.1) compares names: without regard to capitals and to more than one blank.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn string_type(tag: u32) -> &'static str {
    match tag {
        12 => "UTF8String",
        18 => "NumericString",
        19 => "PrintableString",
        20 => "T61String",
        22 => "IA5String",
        26 => "VisibleString",
        28 => "UniversalString",
        30 => "BMPString",
        _ => "string of another type",
    }
}

/// Trusted certificates that are looked at.
const MOST: usize = 64;
