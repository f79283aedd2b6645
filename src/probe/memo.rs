//! Remembers which chains were accepted, so that an unchanged one costs no signature checks but the handshake's own, which
//! is verified every time.
//!
//! A chain is remembered by everything that its acceptance depends on: every byte of it, the name, the content of the
//! trust and of its revocation lists; and only while each certificate of the accepted path, the trusted one too, is
//! within its dates. A refusal is never remembered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::AcceptedPath;
use super::Trust;
use super::clock::dates;

/// Chains that are remembered: more than rows fit into one process, and about 10 MB.
const MOST: usize = 65_536;

/// One for the whole program.
#[derive(Debug, Default)]
pub(super) struct Memo {
    accepted: Mutex<HashMap<[u8; 32], Accepted>>,
}

#[derive(Debug)]
struct Accepted {
    path: AcceptedPath,
    /// When it was verified, and until when that holds.
    from: UnixTime,
    until: UnixTime,
}

impl Memo {
    /// The path that was accepted before, when that still holds at `now`.
    pub(super) fn recall(&self, key: &[u8; 32], now: UnixTime) -> Option<AcceptedPath> {
        let accepted = self.lock();
        let known = accepted.get(key)?;
        (known.from <= now && now <= known.until).then(|| known.path.clone())
    }

    /// Remembers what was accepted at `now`.
    pub(super) fn keep(
        &self,
        key: [u8; 32],
        path: &AcceptedPath,
        chain: &[CertificateDer<'_>],
        trust: &Trust,
        now: UnixTime,
    ) {
        let links = path.links.iter().filter_map(|link| chain.get(*link));
        let ends = links.chain(trust.roots().get(path.root)).map(|der| {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            Some(dates(&certificate).1)
        });
        // What cannot be read is not remembered.
        let Some(until) = ends.collect::<Option<Vec<UnixTime>>>().and_then(|ends| ends.into_iter().min()) else {
            return;
        };
        let mut accepted = self.lock();
        if accepted.len() >= MOST {
            accepted.clear();
        }
        accepted.insert(key, Accepted { path: path.clone(), from: now, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digest of everything but the time that the acceptance of `chain` depends on.
pub(super) fn key<'a>(
    trust: &Trust,
    name: &ServerName<'_>,
    chain: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    // Each part with its length before it, so that no two lists of parts look alike.
    let mut add = |part: &[u8]| {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    };
    add(trust.digest());
    add(name.to_str().as_bytes());
    chain.into_iter().for_each(|der| add(der));
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lab::tls::Pki;
    use crate::lab::tls::Profile;
    use crate::lab::tls::Validity;
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
        let memo = Memo::default();
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
