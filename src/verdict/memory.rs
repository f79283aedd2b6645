//! Remembers the chains of which there was nothing to say, so that an unchanged one is not read again for every probe.
//!
//! What is remembered holds until the next moment at which there could be something to say: a date of a certificate, the
//! warning before its end, a revocation list that a newer one was due for. Up to then reading it anew comes to the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use super::certificate_notices::warned_from;
use super::judge::{judge, judge_spotless};
use super::{PresentedChain, Verdict};
use crate::probe::{Acceptance, Fault, Observation, ProbeSpec, TlsFacts, TlsSpec};

/// Chains that are remembered at most.
const MOST: usize = 65_536;

/// Judges as [`judge`] does, for less where a chain is the same as before; one for the whole program.
#[derive(Debug, Default)]
pub struct Judge {
    /// By what was accepted, and by how long before its end a warning is due.
    spotless: Mutex<HashMap<(Acceptance, Duration), Spotless>>,
}

#[derive(Debug)]
struct Spotless {
    /// Kept by the rows that show it.
    chain: Weak<PresentedChain>,
    /// When it was judged, and until when that holds.
    from: SystemTime,
    until: SystemTime,
}

impl Judge {
    /// What one probe says about its row.
    #[must_use]
    pub fn judge(&self, spec: &ProbeSpec, observation: &Observation) -> Verdict {
        let (Some(tls), Some(facts)) = (&spec.tls, &observation.tls) else { return judge(spec, observation) };
        let (Some(acceptance), Some(at)) = (facts.accepted_as, facts.judged_for) else {
            return judge(spec, observation);
        };
        let key = (acceptance, tls.expiry_warning);
        let handshake_held = !matches!(observation.fault, Some(Fault::Tls(_)));
        if let Some(chain) = self.recall(&key, at).filter(|_| handshake_held) {
            return judge_spotless(spec, observation, chain);
        }
        let verdict = judge(spec, observation);
        if let (None, true, Some(chain)) = (&verdict.cause, verdict.warnings.is_empty(), &verdict.evidence.chain)
            && let Some(until) = unchanged_until(tls, facts, chain, at)
        {
            self.keep(key, Spotless { chain: Arc::downgrade(chain), from: at, until });
        }
        verdict
    }

    fn recall(&self, key: &(Acceptance, Duration), at: SystemTime) -> Option<Arc<PresentedChain>> {
        let spotless = self.lock();
        let known = spotless.get(key)?;
        (known.from <= at && at <= known.until).then(|| known.chain.upgrade())?
    }

    fn keep(&self, key: (Acceptance, Duration), chain: Spotless) {
        let mut spotless = self.lock();
        if spotless.len() >= MOST {
            spotless.retain(|_, known| known.chain.strong_count() > 0);
        }
        if spotless.len() < MOST {
            spotless.insert(key, chain);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Acceptance, Duration), Spotless>> {
        self.spotless.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when, from `at` on, there is nothing to say of a chain of which there is nothing to say at `at`; `None` when
/// that cannot be told.
fn unchanged_until(tls: &TlsSpec, facts: &TlsFacts, chain: &PresentedChain, at: SystemTime) -> Option<SystemTime> {
    if chain.certificates.len() != facts.chain.len() {
        return None;
    }
    let path = facts.path.as_ref()?.as_ref().ok()?;
    let root = tls.trust.root_dates(path.root)?;
    // All of them have begun, or there were something to say.
    let dates = chain.certificates.iter().map(|certificate| (certificate.not_before, certificate.not_after));
    let ends =
        dates.chain([root]).map(|(not_before, not_after)| warned_from(not_before, not_after, tls.expiry_warning));
    let ends = ends.collect::<Option<Vec<_>>>()?;
    let lists = tls.trust.lists_unchanged_until(at);
    let anchors = tls.trust.anchors_unchanged_until(at);
    ends.into_iter().chain(lists).chain(anchors).min().filter(|until| *until >= at)
}
