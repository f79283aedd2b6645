//! Rows that have the same fault: one expired certificate on two hundred servers is one thing to do.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::ranking::Urgency;
use crate::health::{Row, Rows, State};
use crate::verdict::{Cause, Code, Facts, Finding, ProbeResult, Side, Slot, Stage};

/// Rows of one urgency with one cause, and the same to blame.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The same from one snapshot to the next: 16 hexadecimal digits.
    pub id: String,
    pub urgency: Urgency,
    /// What is to blame for all of them, in words, when it is known: a certificate, an issuer, a pool's port.
    pub culprit: Option<String>,
    /// At least one; those of pools without a healthy server first, then the one that changed last.
    pub rows: Vec<&'a Row>,
}

impl Group<'_> {
    /// When the latest of its rows took its state.
    #[must_use]
    pub fn newest(&self) -> SystemTime {
        self.rows.iter().map(|row| row.since).max().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Its pools, each once, those that it leaves without a healthy server first.
    #[must_use]
    pub fn pools(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.rows.iter().map(|row| &*row.target.pool).filter(|pool| seen.insert(*pool)).collect()
    }

    /// How many of its pools have no healthy server under one of its rows' settings.
    fn down(&self, down: &Down<'_>) -> usize {
        let pools = self.rows.iter().filter(|row| down.has(row)).map(|row| &*row.target.pool);
        pools.collect::<HashSet<_>>().len()
    }
}

/// The pools that have no healthy row under a setting, each with that setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Down<'a>(HashSet<(&'a str, &'a str)>);

impl<'a> Down<'a> {
    /// Of all rows, not only of those that are shown.
    #[must_use]
    pub fn of(rows: &'a Rows) -> Self {
        let name = |row: &'a Row| (&*row.target.pool, &*row.target.setting);
        let healthy: HashSet<_> = rows.iter().filter(|row| row.state == State::Healthy).map(name).collect();
        let probed = rows.iter().filter(|row| row.last_probe.is_some()).map(name);
        Self(probed.filter(|name| !healthy.contains(name)).collect())
    }

    /// Whether the row's pool has nobody else who answers, either.
    #[must_use]
    pub fn has(&self, row: &Row) -> bool {
        self.0.contains(&(&*row.target.pool, &*row.target.setting))
    }
}

/// The rows that are not well in groups, the worst first: the most urgent; of the same urgency those that leave most pools
/// without a healthy server, then those with most rows, then the one with the latest change. The rows that are well are
/// none of them.
#[must_use]
pub fn by_fault<'a>(rows: impl IntoIterator<Item = &'a Row>, down: &Down<'_>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    let rows: Vec<&Row> = rows.into_iter().collect();
    let scattered = scattered(&rows);
    for row in rows {
        let urgency = Urgency::of(row);
        let Some(fault) = Fault::of(row, urgency) else { continue };
        let (blamed, culprit) = fault.blame(row, scattered.contains(&*row.target.pool));
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
        let names = names(&group.rows);
        if let (true, Some(zone)) = (names > 1, &group.culprit) {
            group.culprit = Some(format!("{names} names in {zone}"));
        } else if is_about_a_name(group.rows[0], group.urgency) {
            group.culprit = Some(group.rows[0].target.server.to_string());
        }
        group.rows.sort_by_key(|row| (!down.has(row), Reverse(row.since)));
    }
    groups.sort_by_cached_key(|group| {
        let (pools, rows) = (group.down(down), group.rows.len());
        (group.urgency, Reverse(pools), Reverse(rows), Reverse(group.newest()))
    });
    groups
}

/// Pools whose missing names lie in more zones than somebody wants to read one by one.
fn scattered<'a>(rows: &[&'a Row]) -> HashSet<&'a str> {
    let mut zones: HashMap<&str, HashSet<&str>> = HashMap::new();
    for row in rows.iter().filter(|row| is_about_a_name(row, Urgency::of(**row))) {
        zones.entry(&row.target.pool).or_default().insert(zone(&row.target.server).unwrap_or(&row.target.server));
    }
    zones.into_iter().filter(|(_, zones)| zones.len() > MOST_ZONES).map(|(pool, _)| pool).collect()
}

/// Whether what is wrong with it is that its name gives no address.
fn is_about_a_name(row: &Row, urgency: Urgency) -> bool {
    let shared = [Cause::DnsServerFailure, Cause::DnsTimeout].map(Code::Cause);
    Fault::of(row, urgency).is_some_and(|fault| fault.code.words().stage == Stage::Dns && !shared.contains(&fault.code))
}

/// What stands behind the first dot of a name, when that is more than a top-level domain.
fn zone(name: &str) -> Option<&str> {
    let (_, zone) = name.trim_end_matches('.').split_once('.')?;
    zone.contains('.').then_some(zone)
}

/// Different servers among those whose name is to blame; 1 where something else is.
fn names(rows: &[&Row]) -> usize {
    let about = rows.first().is_some_and(|row| is_about_a_name(row, Urgency::of(*row)));
    if about { rows.iter().map(|row| &*row.target.server).collect::<HashSet<_>>().len() } else { 1 }
}

/// Zones of a pool's missing names that are told apart.
const MOST_ZONES: usize = 3;

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
    fn blame(&self, row: &Row, is_scattered: bool) -> (Vec<String>, Option<String>) {
        let target = &row.target;
        let fact = |slot| self.facts.get(slot).map(str::to_owned);
        let (mut blamed, culprit) = match (self.code.words().stage, self.code) {
            // One host, one resolver: whoever is affected, there is one thing to mend.
            (Stage::Local, _) | (_, Code::Cause(Cause::DnsServerFailure | Cause::DnsTimeout)) => (Vec::new(), None),
            // Names that went together are mended together: those of one zone, or else of one pool.
            (Stage::Dns, _) => match zone(&target.server).filter(|_| !is_scattered) {
                Some(zone) => (vec!["zone".to_owned(), zone.to_owned()], Some(zone.to_owned())),
                None => (vec!["pool".to_owned(), target.pool.to_string()], Some(format!("pool {}", target.pool))),
            },
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
