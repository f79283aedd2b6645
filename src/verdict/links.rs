//! Who issued whom: follows a chain from the server's own certificate up, by name and by signatures that are really
//! checked, to a trusted certificate or to where the trail ends. The work is bounded, whatever was sent.

use std::cell::Cell;

use x509_parser::asn1_rs::Any;
use x509_parser::prelude::FromDer;

use super::certificate::Certificate;
use super::chain::Sent;
use crate::probe::Trust;

/// A way from the server's own certificate up, as far as it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Indices into the certificates sent, the server's own first.
    pub(super) links: Vec<usize>,
    pub(super) end: End,
}

/// Where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The last link is trusted, or issued by a trusted certificate: its index among the roots.
    Trusted { root: usize },
    /// A trusted certificate signed the last link, but it may not issue any.
    Powerless { root: usize },
    /// The last link was issued by itself and is not trusted.
    UntrustedRoot,
    /// Nobody sent the issuer of the last link, and nobody trusted is it; perhaps somebody has its name.
    IssuerMissing { namesake: Option<Issuer> },
    /// The issuer of the last link is there, but its key did not make the signature.
    Forged { issuer: Issuer },
    /// It leads on, but nobody follows so far.
    TooLong,
    /// So many certificates have the issuer's name that not all of them can be tried.
    TooIntricate,
}

/// Whose key may have signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// Index into the certificates sent.
    Sent(usize),
    /// Index among the trusted ones.
    Root(usize),
}

/// Whether a key made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Good,
    Bad,
    /// The algorithm or the key is not accepted, so nobody looks.
    Unchecked,
}

/// The links between some certificates.
pub(super) struct Links<'a> {
    trust: &'a Trust,
    sent: &'a [Sent<'a>],
    checks_left: Cell<usize>,
}

impl<'a> Links<'a> {
    pub(super) fn new(trust: &'a Trust, sent: &'a [Sent<'a>]) -> Self {
        Self { trust, sent, checks_left: Cell::new(MAX_CHECKS) }
    }

    /// The ways up from `leaf`; at least one, at most [`MAX_PATHS`].
    pub(super) fn paths(&self, leaf: usize) -> Vec<Path> {
        let mut walk = Walk { links: self, paths: Vec::new(), steps: 0 };
        walk.from(&mut vec![leaf]);
        walk.paths
    }

    /// Whether the key of `issuer` made the signature on `child`; `None` when too many were looked at already.
    fn signature(&self, child: &Certificate<'_>, issuer: &Certificate<'_>) -> Option<Signature> {
        self.checks_left.set(self.checks_left.get().checked_sub(1)?);
        Some(check_signature(child, issuer))
    }

    /// What is above `links`: those sent that issued the last one, or the end.
    fn above(&self, links: &[usize]) -> Result<Vec<usize>, End> {
        let last = links[links.len() - 1];
        let child = &self.sent[last].certificate;
        if let Some(root) = self.trust.roots().iter().position(|root| root.as_ref() == child.der) {
            return Err(End::Trusted { root });
        }
        let mut refused = Refused::default();
        let mut powerless = None;
        // A server's own that its own key signed has no issuer, whoever else has that key: an older copy of it. Only
        // one that is no CA may be taken for issued by a trusted CA of its name and key.
        let is_own = links.len() == 1 && child.is_self_issued();
        let is_self_signed = is_own && self.signature(child, child).ok_or(End::TooIntricate)? != Signature::Bad;
        if is_self_signed && child.is_ca {
            return Err(End::UntrustedRoot);
        }
        for (root, may_issue) in self.trust.roots_named(child.raw_issuer()) {
            let Some(certificate) = Certificate::read(&self.trust.roots()[root]) else { continue };
            let issued = match self.signature(child, &certificate).ok_or(End::TooIntricate)? {
                Signature::Good => true,
                Signature::Unchecked => may_issue && child.names_key_of(&certificate) != Some(false),
                Signature::Bad => false,
            };
            match (issued, may_issue) {
                (true, true) => return Err(End::Trusted { root }),
                (true, false) if !is_self_signed => powerless = Some(root),
                (true, false) => {}
                (false, _) => refused.add(Issuer::Root(root), child, &certificate),
            }
        }
        if let Some(root) = powerless {
            return Err(End::Powerless { root });
        }
        if child.names_itself_as_issuer() {
            match self.signature(child, child).ok_or(End::TooIntricate)? {
                Signature::Good | Signature::Unchecked => return Err(End::UntrustedRoot),
                Signature::Bad => refused.add(Issuer::Sent(last), child, child),
            }
        }
        let mut issuers = Vec::new();
        for index in self.named_as_issuer(links, child) {
            let issuer = &self.sent[index].certificate;
            match self.signature(child, issuer).ok_or(End::TooIntricate)? {
                Signature::Good => issuers.push(index),
                Signature::Unchecked if child.names_key_of(issuer) != Some(false) => issuers.push(index),
                Signature::Bad | Signature::Unchecked => refused.add(Issuer::Sent(index), child, issuer),
            }
        }
        match (issuers.is_empty(), refused.forged) {
            (false, _) if links.len() >= MAX_LINKS => Err(End::TooLong),
            (false, _) => Ok(issuers),
            (true, Some(issuer)) => Err(End::Forged { issuer }),
            (true, None) => Err(End::IssuerMissing { namesake: refused.namesake }),
        }
    }

    /// Those sent that have the name of the issuer of `child` and are not on the way already; those whose key it names
    /// first.
    fn named_as_issuer(&self, links: &[usize], child: &Certificate<'_>) -> Vec<usize> {
        let on_the_way = |certificate: &Certificate<'_>| {
            links.iter().any(|link| self.sent[*link].certificate.same_subject_and_key(certificate))
        };
        let mut named: Vec<usize> = (0..self.sent.len())
            .filter(|index| self.sent[*index].certificate.raw_subject() == child.raw_issuer())
            .filter(|index| !on_the_way(&self.sent[*index].certificate))
            .collect();
        named.sort_by_key(|index| match child.names_key_of(&self.sent[*index].certificate) {
            Some(true) => 0,
            None => 1,
            Some(false) => 2,
        });
        named
    }
}

/// Those that have the issuer's name, but did not make the signature.
#[derive(Default)]
struct Refused {
    namesake: Option<Issuer>,
    forged: Option<Issuer>,
}

impl Refused {
    /// One whose key is named is the issuer, so the signature is broken; one with another key only has the name. Where
    /// keys are not named, roots are taken for made anew, and others for the issuer.
    fn add(&mut self, issuer: Issuer, child: &Certificate<'_>, certificate: &Certificate<'_>) {
        let itself = child.der == certificate.der;
        let is_root = certificate.names_itself_as_issuer() || matches!(issuer, Issuer::Root(_));
        let is_the_issuer = child.names_key_of(certificate).unwrap_or(itself || !is_root);
        let place = if is_the_issuer { &mut self.forged } else { &mut self.namesake };
        *place = place.or(Some(issuer));
    }
}

struct Walk<'w, 'a> {
    links: &'w Links<'a>,
    paths: Vec<Path>,
    steps: usize,
}

impl Walk<'_, '_> {
    fn from(&mut self, links: &mut Vec<usize>) {
        self.steps += 1;
        let issuers = match self.links.above(links) {
            Ok(issuers) => issuers,
            Err(end) => return self.paths.push(Path { links: links.clone(), end }),
        };
        for issuer in issuers {
            // The first way up always comes to its end.
            if !self.paths.is_empty() && (self.paths.len() >= MAX_PATHS || self.steps >= MAX_STEPS) {
                return;
            }
            links.push(issuer);
            self.from(links);
            links.pop();
        }
    }
}

/// Whether the key of `issuer` made the signature on `child`.
pub(super) fn check_signature(child: &Certificate<'_>, issuer: &Certificate<'_>) -> Signature {
    if issuer.key().weakness().is_some() {
        return Signature::Unchecked;
    }
    let (Some(signature_algorithm), Some(key_algorithm)) = (signature_algorithm(child.der), key_algorithm(issuer))
    else {
        return Signature::Unchecked;
    };
    let mut known = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .filter(|algorithm| algorithm.signature_alg_id().as_ref() == signature_algorithm)
        .peekable();
    if known.peek().is_none() {
        return Signature::Unchecked;
    }
    let key: &[u8] = &issuer.parsed.public_key().subject_public_key.data;
    let (message, signature) = (child.parsed.tbs_certificate.as_ref(), child.parsed.signature_value.as_ref());
    let good = known
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm)
        .any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok());
    if good { Signature::Good } else { Signature::Bad }
}

/// Whether signatures of the kind that this certificate has are accepted at all.
pub(super) fn is_signed_acceptably(certificate: &Certificate<'_>) -> bool {
    let algorithm = signature_algorithm(certificate.der);
    webpki::ALL_VERIFICATION_ALGS.iter().any(|known| algorithm == Some(known.signature_alg_id().as_ref()))
}

/// The algorithm that a certificate says it is signed with: DER, without the outermost tag and length.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (_, whole) = Any::from_der(certificate).ok()?;
    let (after_content, _) = Any::from_der(whole.data).ok()?;
    Some(Any::from_der(after_content).ok()?.1.data)
}

/// The kind of a certificate's key, likewise.
fn key_algorithm<'c>(certificate: &'c Certificate<'_>) -> Option<&'c [u8]> {
    let (_, key) = Any::from_der(certificate.parsed.public_key().raw).ok()?;
    Some(Any::from_der(key.data).ok()?.1.data)
}

/// Signatures that are checked for one chain; real chains need less than ten.
const MAX_CHECKS: usize = 48;

/// Paths longer than this are not followed: webpki gives up before.
const MAX_LINKS: usize = 9;

/// Paths that are told apart.
const MAX_PATHS: usize = 16;

/// Certificates put on a path in all.
const MAX_STEPS: usize = 128;
