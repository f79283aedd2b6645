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
use super::{constraints, text};
use crate::probe::Trust;

/// A flaw and the certificate that has it: an index into the certificates sent, `None` for a root that was not sent.
pub(super) struct Flaw {
    pub(super) element: Option<usize>,
    pub(super) what: String,
}

/// All flaws of the certificates of `path`, from the server's own up.
pub(super) fn of_path(trust: &Trust, sent: &[Sent<'_>], path: &Path) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (depth, index) in path.links.iter().enumerate() {
        let certificate = &sent[*index].certificate;
        let place = Place::of(trust, sent, path, depth);
        let mut add = |what: String| {
            flaws.push(Flaw { element: Some(*index), what: format!("{} {what}", certificate.title()) });
        };
        if place != Place::UntrustedRoot || depth == 0 {
            unreadable(certificate).into_iter().for_each(&mut add);
        }
        match place {
            Place::Server => {
                if certificate.is_ca {
                    add("is a CA certificate, which must not be used for a server".to_owned());
                }
                usage(certificate).into_iter().for_each(&mut add);
            }
            Place::Authority => {
                authority(certificate, depth - 1).into_iter().for_each(&mut add);
                usage(certificate).into_iter().for_each(&mut add);
            }
            Place::TrustedItself | Place::UntrustedRoot => {}
        }
        if let Some(why) = certificate.key().weakness() {
            add(format!("cannot be used: {why}"));
        }
        if matches!(place, Place::Server | Place::Authority) && !is_signed_acceptably(certificate) {
            add(format!("is signed with {}, which is not accepted", certificate.signature_algorithm()));
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
        flaws.push(Flaw { element: Some(last), what });
    }
    if let End::Trusted { root } = path.end
        && let Some(root) = Certificate::read(&trust.roots()[root])
        && Place::of(trust, sent, path, 0) != Place::TrustedItself
    {
        let element = sent.iter().position(|sent| sent.certificate.der == root.der);
        if let Some(why) = root.key().weakness() {
            flaws.push(Flaw { element, what: format!("the trusted root {} cannot be used: {why}", root.title()) });
        }
        flaws.extend(constrained(&root, element, sent, &path.links));
    }
    let beyond_bounds = match path.end {
        End::TooLong => {
            Some(format!("the chain is longer than {} certificates, which is not accepted", path.links.len()))
        }
        End::TooIntricate => {
            let last = &sent[path.links[path.links.len() - 1]].certificate;
            let issuer = last.issuer_title();
            Some(format!("too many certificates called {issuer} were sent to find the issuer of {}", last.title()))
        }
        End::Trusted { .. }
        | End::Powerless { .. }
        | End::UntrustedRoot
        | End::IssuerMissing { .. }
        | End::Forged { .. } => None,
    };
    flaws.extend(beyond_bounds.map(|what| Flaw { element: path.links.last().copied(), what }));
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
pub(super) fn refused_by_others(sent: &[Sent<'_>], path: &[usize]) -> Vec<Flaw> {
    let issuers = path.iter().skip(1);
    let unauthorised = issuers.filter(|index| {
        let usage = sent[**index].certificate.parsed.key_usage();
        usage.is_ok_and(|usage| usage.is_some_and(|usage| !usage.value.key_cert_sign()))
    });
    unauthorised
        .map(|index| Flaw {
            element: Some(*index),
            what: format!(
                "{} issues certificates, but its key usage does not say that it may",
                sent[*index].certificate.title()
            ),
        })
        .collect()
}

/// Why webpki does not even read it.
pub(super) fn unreadable(certificate: &Certificate<'_>) -> Vec<String> {
    let der = CertificateDer::from(certificate.der);
    let Err(error) = EndEntityCert::try_from(&der) else { return Vec::new() };
    let mut reasons = Vec::new();
    if certificate.version() != 3 {
        reasons
            .push(format!("is an X.509 certificate of version {}; only version 3 is accepted", certificate.version()));
    }
    let unknown: Vec<String> = certificate
        .parsed
        .extensions()
        .iter()
        .filter(|extension| extension.critical && !is_understood(&extension.oid))
        .map(|extension| oid(&extension.oid))
        .take(MAX_OIDS)
        .collect();
    if !unknown.is_empty() {
        reasons.push(format!("has a critical extension that is not understood ({})", unknown.join(", ")));
    }
    if certificate.der.len() > MAX_BYTES {
        reasons.push(format!("has {} bytes; more than {MAX_BYTES} are not accepted", certificate.der.len()));
    }
    if certificate.trailing > 0 {
        reasons.push(format!("is followed by {} bytes that do not belong to it", certificate.trailing));
    }
    if let Some(twice) = repeated_extension(certificate) {
        reasons.push(format!("has the extension {twice} twice"));
    }
    if reasons.is_empty() {
        reasons.push(match error {
            webpki::Error::SignatureAlgorithmMismatch => "names two different algorithms for its signature".to_owned(),
            error => format!("is malformed ({error})"),
        });
    }
    reasons
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
fn constrained(
    authority: &Certificate<'_>,
    element: Option<usize>,
    sent: &[Sent<'_>],
    below: &[usize],
) -> Option<Flaw> {
    let constraints = authority.name_constraints()?;
    let (culprit, what) = below
        .iter()
        .find_map(|index| Some((*index, constraints::violation(&sent[*index].certificate, constraints)?)))?;
    let what = format!("{} is constrained: {} is for {what}", authority.title(), sent[culprit].certificate.title());
    Some(Flaw { element: element.or(Some(culprit)), what })
}

/// Of one certificate; webpki reads no longer lengths.
const MAX_BYTES: usize = 0xffff;

/// Object identifiers that are named.
const MAX_OIDS: usize = 8;
