//! What makes a certificate unusable in its place on a path, whatever its dates and whoever issued it: version,
//! extensions, key, signature algorithm, role, usage and constraints. As strict as webpki, and in words.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::Oid;

use super::certificate::Certificate;
use super::chain::Sent;
use super::links::{End, Issuer, Path, is_signed_acceptably};
use super::text::oid;
use super::{Case, constraints, malformed, text};
use crate::probe::{Trust, TrustMode};

/// A flaw and the certificate that has it: an index into the certificates sent, `None` for a root that was not sent.
pub(super) struct Flaw {
    pub(super) element: Option<usize>,
    pub(super) what: String,
    pub(super) case: Option<Case>,
}

impl Flaw {
    fn new(element: Option<usize>, what: String) -> Self {
        Self { element, what, case: None }
    }

    fn in_case(self, case: Case) -> Self {
        Self { case: Some(case), ..self }
    }
}

/// All flaws of the certificates of `path`, from the server's own up.
pub(super) fn of_path(trust: &Trust, sent: &[Sent<'_>], path: &Path) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (depth, index) in path.links.iter().enumerate() {
        let certificate = &sent[*index].certificate;
        let place = Place::of(trust, sent, path, depth);
        let mut add = |what: String, case: Option<Case>| {
            flaws.push(Flaw { element: Some(*index), what: format!("{} {what}", certificate.title()), case });
        };
        if place != Place::UntrustedRoot || depth == 0 {
            for (what, case) in unreadable(certificate) {
                add(what, case);
            }
        }
        match place {
            Place::Server => {
                if certificate.is_ca {
                    add("is a CA certificate, which must not be used for a server".to_owned(), None);
                }
                if let Some(what) = usage(certificate) {
                    add(what, None);
                }
            }
            Place::Authority => {
                if let Some(what) = authority(certificate, depth - 1) {
                    add(what, None);
                }
                if let Some(what) = usage(certificate) {
                    add(what, None);
                }
            }
            Place::TrustedItself | Place::UntrustedRoot => {}
        }
        let key = certificate.key();
        if let Some(why) = if depth == 0 { key.weakness_of_server() } else { key.weakness() } {
            add(format!("cannot be used: {why}"), Some(Case::InvalidKey));
        }
        if matches!(place, Place::Server | Place::Authority) && !is_signed_acceptably(certificate) {
            add(format!("is signed with {}, which is not accepted", certificate.signature_algorithm()), None);
        }
        if depth > 0 {
            flaws.extend(constrained(certificate, Some(*index), sent, &path.links[..depth]));
        }
    }
    if let End::Forged { issuer } = path.end {
        let last = path.links[path.links.len() - 1];
        let by = match issuer {
            Issuer::Sent(index) if index == last => "its own key".to_owned(),
            Issuer::Sent(index) => format!("the key of {}", sent[index].certificate.title()),
            Issuer::Root(root) => {
                let root = Certificate::read(&trust.roots()[root]).map(|root| root.title()).unwrap_or_default();
                format!("the key of the trusted {root}")
            }
        };
        let what = format!("the signature on {} was not made by {by}", sent[last].certificate.title());
        flaws.push(Flaw::new(Some(last), what));
    }
    if let End::Trusted { root: index } = path.end
        && let Some(root) = Certificate::read(&trust.roots()[index])
        && Place::of(trust, sent, path, 0) != Place::TrustedItself
    {
        let element = sent.iter().position(|sent| sent.certificate.der == root.der);
        if let Some(why) = root.key().weakness() {
            let flaw = Flaw::new(element, format!("the trusted root {} cannot be used: {why}", root.title()));
            let is_ours = trust.mode() == TrustMode::Configured;
            flaws.push(if is_ours { flaw.in_case(Case::InvalidConfiguredKey) } else { flaw });
        }
        flaws.extend(constrained(&root, element, sent, &path.links));
    }
    let beyond_bounds = match path.end {
        End::TooLong => Some(format!(
            "the chain is longer than {} certificates, which is the most that this exporter follows",
            path.links.len()
        )),
        End::TooIntricate => {
            let last = &sent[path.links[path.links.len() - 1]].certificate;
            let issuer = last.issuer_title();
            Some(format!(
                "too many certificates called {issuer} were sent for this exporter to find the issuer of {}",
                last.title()
            ))
        }
        End::Trusted { .. }
        | End::Powerless { .. }
        | End::UntrustedRoot
        | End::IssuerMissing { .. }
        | End::Forged { .. } => None,
    };
    flaws.extend(beyond_bounds.map(|what| Flaw::new(path.links.last().copied(), what).in_case(Case::InvalidForUs)));
    flaws
}

/// What a certificate is on its path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Server,
    /// The server's own certificate, and trusted as it stands.
    TrustedItself,
    Authority,
    /// Nobody asks of a root more than whether it is trusted, and this one is not; a server's own, neither.
    UntrustedRoot,
}

impl Place {
    fn of(trust: &Trust, sent: &[Sent<'_>], path: &Path, depth: usize) -> Self {
        let last = depth + 1 == path.links.len();
        match path.end {
            End::UntrustedRoot if last => Self::UntrustedRoot,
            End::Trusted { root } if path.links == [path.links[0]] && is_root(trust, root, sent, path.links[0]) => {
                Self::TrustedItself
            }
            _ if depth == 0 => Self::Server,
            _ => Self::Authority,
        }
    }
}

fn is_root(trust: &Trust, root: usize, sent: &[Sent<'_>], index: usize) -> bool {
    trust.roots()[root].as_ref() == sent[index].certificate.der
}

/// What other clients refuse on a path that webpki accepts.
pub(super) fn refused_by_others(trust: &Trust, sent: &[Sent<'_>], path: &[usize], root: usize) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let issuers = path.iter().skip(1);
    let unauthorised = issuers.filter(|index| {
        let usage = sent[**index].certificate.parsed.key_usage();
        usage.is_ok_and(|usage| usage.is_some_and(|usage| !usage.value.key_cert_sign()))
    });
    flaws.extend(unauthorised.map(|index| {
        let title = sent[*index].certificate.title();
        let what = format!("{title} issues certificates, but its key usage does not say that it may");
        Flaw::new(Some(*index), what)
    }));
    // webpki knows nothing of a trusted certificate's path length.
    let authorities = path.len() - 1;
    if let Some(root) = Certificate::read(&trust.roots()[root]).filter(|root| root.is_ca)
        && path.iter().all(|index| sent[*index].certificate.der != root.der)
        && let Some(what) = authority(&root, authorities)
    {
        let what = format!("the trusted root {} {what}; other verifiers refuse that", root.title());
        flaws.push(Flaw::new(None, what));
    }
    flaws
}

/// Why webpki does not even read it.
pub(super) fn unreadable(certificate: &Certificate<'_>) -> Vec<(String, Option<Case>)> {
    let der = CertificateDer::from(certificate.der);
    let Err(error) = EndEntityCert::try_from(&der) else { return Vec::new() };
    let mut reasons = Vec::new();
    if certificate.version() != 3 {
        let version = certificate.version();
        reasons.push((format!("is an X.509 certificate of version {version}; only version 3 is accepted"), None));
    }
    let critical = certificate.parsed.extensions().iter().filter(|extension| extension.critical);
    let (standard, unknown): (Vec<&Oid<'_>>, Vec<&Oid<'_>>) = critical
        .map(|extension| &extension.oid)
        .filter(|oid| !is_understood(oid))
        .partition(|oid| standard_extension(oid).is_some());
    if !unknown.is_empty() {
        let unknown: Vec<String> = unknown.into_iter().take(MAX_OIDS).map(oid).collect();
        reasons.push((format!("has a critical extension that is not understood ({})", unknown.join(", ")), None));
    }
    if !standard.is_empty() {
        let named = |kind: &Oid<'_>| format!("{}, {}", standard_extension(kind).unwrap_or_default(), oid(kind));
        let standard: Vec<String> = standard.into_iter().take(MAX_OIDS).map(named).collect();
        let what = format!("has a critical extension that this exporter cannot check ({})", standard.join("; "));
        reasons.push((what, Some(Case::InvalidForUs)));
    }
    if certificate.der.len() > MAX_BYTES {
        let bytes = certificate.der.len();
        let what = format!("has {bytes} bytes; this exporter reads no more than {MAX_BYTES} of a certificate");
        reasons.push((what, Some(Case::InvalidForUs)));
    }
    if certificate.trailing > 0 {
        reasons.push((format!("is followed by {} bytes that do not belong to it", certificate.trailing), None));
    }
    if let Some(twice) = repeated_extension(certificate) {
        reasons.push((format!("has the extension {twice} twice"), None));
    }
    if reasons.is_empty() {
        reasons.push((malformed::what(&error, certificate), None));
    }
    reasons
}

/// Extensions of RFC 5280 and RFC 7633 that webpki does not process: others do.
fn standard_extension(oid: &Oid<'_>) -> Option<&'static str> {
    Some(match text::oid(oid).as_str() {
        "2.5.29.32" => "certificate policies",
        "2.5.29.33" => "policy mappings",
        "2.5.29.36" => "policy constraints",
        "2.5.29.54" => "inhibit any policy",
        "2.5.29.14" => "subject key identifier",
        "2.5.29.35" => "authority key identifier",
        "2.5.29.18" => "issuer alternative name",
        "1.3.6.1.5.5.7.1.1" => "authority information access",
        "1.3.6.1.5.5.7.1.24" => "TLS feature, called must-staple",
        _ => return None,
    })
}

/// webpki's extensions: those that it acts upon, or knows to be harmless.
fn is_understood(oid: &Oid<'_>) -> bool {
    matches!(
        text::oid(oid).as_str(),
        "2.5.29.15" | "2.5.29.17" | "2.5.29.19" | "2.5.29.30" | "2.5.29.31" | "2.5.29.37" | "1.3.6.1.4.1.11129.2.4.2"
    )
}

fn repeated_extension(certificate: &Certificate<'_>) -> Option<String> {
    let mut oids: Vec<&[u8]> =
        certificate.parsed.extensions().iter().map(|extension| extension.oid.as_bytes()).collect();
    oids.sort_unstable();
    let twice = oids.windows(2).find(|pair| pair[0] == pair[1])?[0];
    Some(oid(&Oid::new(twice.into())))
}

/// Extended key usage, which binds CAs, too.
fn usage(certificate: &Certificate<'_>) -> Option<String> {
    let usage = certificate.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::ExtendedKeyUsage(usage) => Some(usage),
        _ => None,
    })?;
    if usage.server_auth {
        return None;
    }
    let mut others = Vec::new();
    for (set, name) in [
        (usage.any, "any"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ] {
        if set {
            others.push(name.to_owned());
        }
    }
    others.extend(usage.other.iter().take(MAX_OIDS).map(oid));
    let has = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
    Some(format!("is not meant for servers: its extended key usage has {has} and lacks serverAuth"))
}

/// Whether it may issue, with `below` CAs between it and the server's certificate.
fn authority(certificate: &Certificate<'_>, below: usize) -> Option<String> {
    if !certificate.is_ca {
        return Some("issued a certificate of the chain but is no CA".to_owned());
    }
    let most = usize::try_from(certificate.path_length?).unwrap_or(usize::MAX);
    (below > most).then(|| {
        let count = if below == 1 { "one has".to_owned() } else { format!("{below} have") };
        format!("allows {most} CAs below it (its path length), but {count} been issued")
    })
}

/// Names of the certificates in `below` that `authority` may not vouch for.
fn constrained(authority: &Certificate<'_>, element: Option<usize>, sent: &[Sent<'_>], below: &[usize]) -> Vec<Flaw> {
    let Some(constraints) = authority.name_constraints() else { return Vec::new() };
    let of_one = |index: &usize| {
        let found = constraints::violations(&sent[*index].certificate, constraints);
        let is_our_limit = found.iter().all(|violation| violation.is_our_limit);
        let names: Vec<String> = found.into_iter().map(|violation| violation.what).collect();
        let culprit = sent[*index].certificate.title();
        let what = format!("{} is constrained: {culprit} is for {}", authority.title(), names.join("; and for "));
        let flaw = Flaw::new(element.or(Some(*index)), what);
        let case = if is_our_limit { Case::InvalidForUs } else { Case::InvalidNames };
        (!names.is_empty()).then(|| flaw.in_case(case))
    };
    below.iter().filter_map(of_one).collect()
}

/// Of one certificate; webpki reads no longer lengths.
const MAX_BYTES: usize = 0xffff;

/// Object identifiers that are named.
const MAX_OIDS: usize = 8;
