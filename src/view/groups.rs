//! Rows that have the same fault: one expired certificate on two hundred servers is one thing to do.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::SystemTime;

use super::ranking::Urgency;
use crate::health::Row;
use crate::verdict::{Cause, Code, Facts, Finding, ProbeResult, Side, Slot, Stage};

/// Rows of one urgency with one cause, and the same to blame.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The same from one snapshot to the next: 16 hexadecimal digits.
    pub id: String,
    pub urgency: Urgency,
    /// What is to blame for all of them, in words, when it is known: a certificate, an issuer, a pool's port.
    pub culprit: Option<String>,
    /// At least one; the one that changed last stands first.
    pub rows: Vec<&'a Row>,
}

impl Group<'_> {
    /// When the latest of its rows took its state.
    #[must_use]
    pub fn newest(&self) -> SystemTime {
        self.rows.iter().map(|row| row.since).max().unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// The rows that are not well in groups, the most urgent first, and of the same urgency the one with the latest change.
/// The rows that are well are none of them.
#[must_use]
pub fn by_fault<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for row in rows {
        let urgency = Urgency::of(row);
        let Some(fault) = Fault::of(row, urgency) else { continue };
        let (blamed, culprit) = fault.blame(row);
        match known.entry(Key { urgency, code: fault.code.words().code, blamed }) {
            Entry::Occupied(place) => groups[*place.get()].rows.push(row),
            Entry::Vacant(place) => {
                let id = place.key().id();
                place.insert(groups.len());
                groups.push(Group { id, urgency, culprit, rows: vec![row] });
            }
        }
    }
    for group in &mut groups {
        group.rows.sort_by_key(|row| Reverse(row.since));
    }
    groups.sort_by_key(|group| (group.urgency, Reverse(group.newest())));
    groups
}

/// What there is to say first about a row that is not well.
struct Fault<'a> {
    code: Code,
    facts: &'a Facts,
    side: Side,
}

impl<'a> Fault<'a> {
    fn new<C: Copy + Into<Code>>(finding: &'a Finding<C>) -> Self {
        Self { code: finding.code.into(), facts: &finding.facts, side: finding.side() }
    }

    fn of(row: &'a Row, urgency: Urgency) -> Option<Self> {
        let of_row = row.cause.as_deref().map(Self::new);
        let last = row.last_probe.as_deref();
        let of_probe =
            last.filter(|probe| probe.result() != ProbeResult::Success).and_then(|probe| probe.cause.as_ref());
        let of_probe = of_probe.map(Self::new);
        let warning = last.and_then(|probe| probe.warnings.first());
        match urgency {
            // Without a cause its latest probe succeeded, and what is said of that one is all that there is to say.
            Urgency::Unhealthy | Urgency::Unknown => of_row.or(warning.map(Self::new)),
            Urgency::Failing => of_probe.or(of_row),
            Urgency::Warned => warning.map(Self::new),
            Urgency::Healthy => None,
        }
    }

    /// What tells this fault from others with the same cause, and the words for what is to blame.
    fn blame(&self, row: &Row) -> (Vec<String>, Option<String>) {
        let target = &row.target;
        let fact = |slot| self.facts.get(slot).map(str::to_owned);
        let (mut blamed, culprit) = match (self.code.words().stage, self.code) {
            // One host, one resolver: whoever is affected, there is one thing to mend.
            (Stage::Local, _) | (_, Code::Cause(Cause::DnsServerFailure | Cause::DnsTimeout)) => (Vec::new(), None),
            (Stage::Dns, _) => (vec![target.server.to_string()], Some(target.server.to_string())),
            (Stage::Tls, Code::Cause(cause)) if blames_the_issuer(cause) && fact(Slot::Issuer).is_some() => {
                (fact(Slot::Issuer).into_iter().collect(), fact(Slot::Issuer))
            }
            (Stage::Tls, _) if fact(Slot::Fingerprint).is_some() => {
                let expected = fact(Slot::Expected);
                (fact(Slot::Fingerprint).into_iter().chain(expected).collect(), fact(Slot::Subject))
            }
            (Stage::Http, _) if fact(Slot::Received).is_some() => {
                let received = fact(Slot::Received).unwrap_or_default();
                let culprit = format!("{received} from pool {}, port {}", target.pool, target.port());
                (vec![target.pool.to_string(), target.port().to_string(), received], Some(culprit))
            }
            _ => {
                let culprit = format!("pool {}, port {}", target.pool, target.port());
                (vec![target.pool.to_string(), target.port().to_string()], Some(culprit))
            }
        };
        // What is to be changed here is changed in one setting.
        if self.code.words().stage == Stage::Tls && self.side == Side::Gateway {
            blamed.push(target.setting.to_string());
        }
        (blamed, culprit)
    }
}

/// Whether the certificate that is found at fault is only the last one sent, and its issuer what is missing or not trusted.
fn blames_the_issuer(cause: Cause) -> bool {
    matches!(cause, Cause::CertIntermediateMissing | Cause::CertIssuerNotWellKnown | Cause::CertIssuerMismatch)
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    urgency: Urgency,
    code: &'static str,
    blamed: Vec<String>,
}

impl Key {
    /// FNV-1a over all of it; each part ends with what no name has.
    fn id(&self) -> String {
        let urgency = self.urgency.title();
        let parts = [urgency, self.code].into_iter().chain(self.blamed.iter().map(String::as_str));
        let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }
}
