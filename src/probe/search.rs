//! Bounds the search for a path. Certificates that name each other in circles make webpki try every order of them, for
//! seconds; a chain with so many possible paths is refused instead, as webpki does when its own, far higher bound is
//! reached.

use std::borrow::Cow;
use std::collections::HashMap;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::clock::dates;

/// The intermediates that a path may be looked for in: those sent, or, when these allow too many paths, those of them
/// that can be part of a valid one.
///
/// # Errors
/// When even these allow too many.
pub(super) fn searchable<'a>(
    leaf: &EndEntityCert<'_>,
    intermediates: &'a [CertificateDer<'a>],
    now: UnixTime,
) -> Result<Cow<'a, [CertificateDer<'a>]>, Error> {
    if Graph::new(leaf, intermediates).is_searchable() {
        return Ok(Cow::Borrowed(intermediates));
    }
    let mut useful: Vec<CertificateDer<'a>> = Vec::new();
    for intermediate in intermediates.iter().take(MAX_INTERMEDIATES) {
        if can_issue(intermediate, now) && !useful.contains(intermediate) {
            useful.push(intermediate.clone());
        }
    }
    if Graph::new(leaf, &useful).is_searchable() {
        Ok(Cow::Owned(useful))
    } else {
        Err(Error::MaximumPathBuildCallsExceeded)
    }
}

/// Whether webpki could take this certificate for an issuer.
fn can_issue(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, read)| {
        let (not_before, not_after) = dates(&read);
        not_before <= now && now <= not_after && read.is_ca()
    })
}

/// Who names whom as issuer. Names and keys are numbers here: equal ones have the same.
struct Graph {
    issuer_of_leaf: usize,
    nodes: Vec<Node>,
}

struct Node {
    subject: usize,
    issuer: usize,
    subject_and_key: usize,
}

impl Graph {
    fn new(leaf: &EndEntityCert<'_>, intermediates: &[CertificateDer<'_>]) -> Self {
        let mut names = HashMap::new();
        let mut keys = HashMap::new();
        let issuer_of_leaf = number(&mut names, leaf.issuer().to_vec());
        let nodes = intermediates.iter().filter_map(|der| {
            // What cannot be read is passed over by webpki, too.
            let certificate = EndEntityCert::try_from(der).ok()?;
            let subject = number(&mut names, certificate.subject().to_vec());
            let issuer = number(&mut names, certificate.issuer().to_vec());
            let key = (subject, certificate.subject_public_key_info().to_vec());
            Some(Node { subject, issuer, subject_and_key: number(&mut keys, key) })
        });
        let nodes = nodes.collect();
        Self { issuer_of_leaf, nodes }
    }

    /// Walks as webpki does in the worst case, when no path is valid, and counts what it would look at.
    fn is_searchable(&self) -> bool {
        let mut steps = 0;
        self.walk(self.issuer_of_leaf, &mut Vec::new(), &mut steps);
        steps < MAX_STEPS && steps * self.nodes.len() < MAX_LOOKS
    }

    fn walk(&self, issuer: usize, path: &mut Vec<usize>, steps: &mut usize) {
        for node in self.nodes.iter().filter(|node| node.subject == issuer) {
            if *steps >= MAX_STEPS {
                return;
            }
            if path.contains(&node.subject_and_key) {
                continue;
            }
            *steps += 1;
            if path.len() < MAX_DEPTH {
                path.push(node.subject_and_key);
                self.walk(node.issuer, path, steps);
                path.pop();
            }
        }
    }
}

fn number<K: Eq + std::hash::Hash>(numbers: &mut HashMap<K, usize>, key: K) -> usize {
    let next = numbers.len();
    *numbers.entry(key).or_insert(next)
}

/// webpki follows no more intermediates than this.
const MAX_DEPTH: usize = 6;

/// Intermediates put on a path; real chains need less than ten.
const MAX_STEPS: usize = 1_000;

/// Certificates read: at every step webpki reads all of them again.
const MAX_LOOKS: usize = 20_000;

/// More than these are not sorted out.
const MAX_INTERMEDIATES: usize = 100;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

    use super::super::clock::unix_time;
    use super::*;

    fn certificate(subject: &str, key: &KeyPair, issuer: &str, years: (i32, i32)) -> CertificateDer<'static> {
        let named = |name: &str| {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name = DistinguishedName::new();
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.not_before = rcgen::date_time_ymd(years.0, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(years.1, 1, 1);
            parameters
        };
        named(subject).signed_by(key, &Issuer::new(named(issuer), key)).expect("a certificate").into()
    }

    fn check(sent: &[CertificateDer<'static>], expected: &Result<usize, Error>) {
        let leaf = certificate("leaf", &KeyPair::generate().expect("a key"), "ca", (2020, 4000));
        let leaf = EndEntityCert::try_from(&leaf).expect("readable");
        let now = unix_time(SystemTime::now());
        assert_eq!(searchable(&leaf, sent, now).map(|searchable| searchable.len()), *expected);
    }

    #[test]
    fn chains_with_few_possible_paths_are_left_alone_and_others_are_thinned_or_refused() {
        let keys: Vec<KeyPair> = (0..40).map(|_| KeyPair::generate().expect("a key")).collect();
        let valid = (2020, 4000);
        // Cross-signed in every way: two names, each signed by the other and by itself.
        let crossed: Vec<_> = [("ca", "ca"), ("ca", "cb"), ("cb", "ca"), ("cb", "cb")]
            .into_iter()
            .map(|(subject, issuer)| certificate(subject, &keys[usize::from(subject == "cb")], issuer, valid))
            .collect();
        check(&crossed, &Ok(4));
        // A whole store of unrelated roots.
        let store: Vec<_> =
            (0..40).map(|index| certificate(&format!("r{index}"), &keys[index], &format!("r{index}"), valid)).collect();
        check(&store, &Ok(40));
        // Forty keys of one name, each of which may have signed each other.
        let circle: Vec<_> = keys.iter().map(|key| certificate("ca", key, "ca", valid)).collect();
        check(&circle, &Err(Error::MaximumPathBuildCallsExceeded));
        // All but three of them have expired, and these come thrice.
        let mut thinned: Vec<_> = keys.iter().skip(3).map(|key| certificate("ca", key, "ca", (2020, 2021))).collect();
        for key in keys.iter().take(3) {
            let lasting = certificate("ca", key, "ca", valid);
            thinned.extend([lasting.clone(), lasting.clone(), lasting]);
        }
        check(&thinned, &Ok(3));
        check(&[b"junk".to_vec().into()], &Ok(1));
        check(&[], &Ok(0));
    }
}
