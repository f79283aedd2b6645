//! The certificates that servers present, each once, with everybody who presents it; what ends next stands first.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::health::{Presented, Row, Rows};
use crate::verdict::PresentedCertificate;
use crate::words::age;

/// A certificate and the rows that present it.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    pub certificate: &'a PresentedCertificate,
    /// In the configuration's order.
    pub rows: Vec<&'a Row>,
}

/// How much time is left, by the rule of the alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Ended,
    /// Less than 7 days, or a twelfth of its lifetime where that is shorter.
    Little,
    /// Less than 21 days, or a quarter of its lifetime where that is shorter.
    Some,
    Enough,
}

impl Left {
    #[must_use]
    pub fn of(certificate: &PresentedCertificate, now: SystemTime) -> Self {
        let PresentedCertificate { not_before, not_after, .. } = certificate;
        let (lifetime, left) = (age(*not_after, *not_before), age(*not_after, now));
        let days = |days: u64| Duration::from_hours(24 * days);
        match () {
            () if *not_after <= now => Self::Ended,
            () if left < days(7).min(lifetime / 12) => Self::Little,
            () if left < days(21).min(lifetime / 4) => Self::Some,
            () => Self::Enough,
        }
    }
}

/// Those on paths that were accepted, or else on paths that were refused, as last presented within a day.
#[must_use]
pub fn shown(rows: &Rows, accepted: bool) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let Some(Presented { chain, verified, .. }) = &row.presented else { continue };
        if *verified != accepted {
            continue;
        }
        for certificate in chain.certificates.iter().filter(|certificate| certificate.on_path) {
            let at = *known.entry(&certificate.fingerprint_sha256).or_insert_with(|| {
                all.push(Shown { certificate, rows: Vec::new() });
                all.len() - 1
            });
            // A chain may hold the same one twice.
            if !all[at].rows.last().is_some_and(|last| std::ptr::eq(*last, row)) {
                all[at].rows.push(row);
            }
        }
    }
    all.sort_by_key(|shown| shown.certificate.not_after);
    all
}
