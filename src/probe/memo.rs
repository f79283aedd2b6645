//! Remembers which chains were accepted, so that an unchanged one costs no signature checks but the handshake's own, which
//! is verified every time.
//!
//! A chain is remembered by everything that its acceptance depends on: every byte of it, the name, the content of the
//! trust and of its revocation lists; and only until the next moment at which any certificate, sent or trusted, begins or
//! ends. Up to then verifying it anew could come to nothing else. A refusal is never remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::clock::{Dates, dates, system_time, unchanged_until, unix_time};
use super::{AcceptedPath, Trust};
use crate::words::sha256_of_parts;

/// Chains that are remembered: more than rows fit into one process, and about 10 MB.
const MOST: usize = 65_536;

/// The chains that were accepted; one for the whole program.
#[derive(Debug, Default)]
pub struct AcceptedChains {
    accepted: Mutex<HashMap<Acceptance, Accepted>>,
}

/// Stands for a chain that was accepted under a name by a trust: a digest of everything that this depends on, but for the
/// time. What has the same one was accepted for the same reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Acceptance([u8; 32]);

#[derive(Debug)]
struct Accepted {
    path: AcceptedPath,
    /// When it was verified, and until when that holds.
    from: UnixTime,
    until: UnixTime,
}

impl AcceptedChains {
    /// The path that was accepted before, when that still holds at `now`.
    pub(super) fn recall(&self, key: &Acceptance, now: UnixTime) -> Option<AcceptedPath> {
        let accepted = self.lock();
        let known = accepted.get(key)?;
        (known.from <= now && now <= known.until).then(|| known.path.clone())
    }

    /// Remembers what was accepted at `now`.
    pub(super) fn keep(
        &self,
        key: Acceptance,
        path: &AcceptedPath,
        chain: &[CertificateDer<'_>],
        trust: &Trust,
        now: UnixTime,
    ) {
        let sent = chain.iter().map(|der| Some(dates(&X509Certificate::from_der(der).ok()?.1)));
        // What cannot be read is not remembered.
        let Some(sent) = sent.collect::<Option<Vec<Dates>>>() else { return };
        let anchors = trust.anchors_unchanged_until(system_time(now)).map(unix_time);
        let Some(until) = unchanged_until(sent.into_iter(), now).into_iter().chain(anchors).min() else { return };
        let mut accepted = self.lock();
        if accepted.len() >= MOST {
            accepted.clear();
        }
        accepted.insert(key, Accepted { path: path.clone(), from: now, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Acceptance, Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn key<'a>(
    trust: &Trust,
    name: &ServerName<'_>,
    chain: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> Acceptance {
    let name = name.to_str();
    let known = [trust.digest().as_slice(), name.as_bytes()];
    Acceptance(sha256_of_parts(known.into_iter().chain(chain.into_iter().map(|der| &**der))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lab::tls::{Pki, Profile, Validity};
    use crate::probe::TrustMode;

    fn name(text: &'static str) -> ServerName<'static> {
        ServerName::try_from(text).expect("a name")
    }

    #[test]
    fn another_byte_name_or_trust_is_another_chain() {
        let pki = Pki::new().expect("certificates");
        let trust = |root| Trust::new(TrustMode::Configured, vec![root], Vec::new()).expect("trust");
        let (ours, theirs) = (trust(pki.root.der()), trust(pki.strange_root.der()));
        let chain = [pki.intermediate.der(), pki.root.der()];
        let keys = [
            key(&ours, &name("a.test"), &chain),
            key(&theirs, &name("a.test"), &chain),
            key(&ours, &name("b.test"), &chain),
            key(&ours, &name("a.test"), &chain[..1]),
            key(&ours, &name("a.test"), &[chain[1].clone(), chain[0].clone()]),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys[index + 1..].iter().all(|other| one != other));
        }
        assert_eq!(keys[0], key(&ours, &name("a.test"), &chain));
    }

    #[test]
    fn what_was_accepted_holds_until_the_first_certificate_ends() {
        let pki = Pki::new().expect("certificates");
        let leaf = pki.intermediate.issue(&Profile { validity: Validity::days(-1, 10), ..Profile::server("a.test") });
        let chain = [leaf.expect("a leaf").der(), pki.intermediate.der()];
        let trust = Trust::new(TrustMode::Configured, vec![pki.root.der()], Vec::new()).expect("trust");
        let memo = AcceptedChains::default();
        let known = key(&trust, &name("a.test"), &chain);
        let now = UnixTime::now();
        let after = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + days * 86_400));
        assert_eq!(memo.recall(&known, now), None);
        memo.keep(known, &AcceptedPath { links: vec![0, 1], root: 0 }, &chain, &trust, now);
        assert!(memo.recall(&known, now).is_some());
        assert!(memo.recall(&known, after(9)).is_some());
        assert_eq!(memo.recall(&known, after(11)), None, "the leaf has ended");
        let before = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() - 1));
        assert_eq!(memo.recall(&known, before), None, "nobody knows whether it held before");
    }
}
