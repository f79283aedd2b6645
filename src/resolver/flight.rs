//! One lookup of one name, shared by everybody who asks for the name meanwhile: along the search list, both halves of
//! a name at once.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::DnsFault;
use super::answer::{Direct, Found, Half, candidates, combine, settle};
use super::nameservers::Nameservers;
use super::order::ordered;
use super::system::Dns;
use super::unusable::usable;

/// How far a lookup has come.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    Asking,
    /// These addresses will do for those who cannot wait for the other half.
    Half(Arc<[IpAddr]>),
    Done(Result<Arc<[IpAddr]>, DnsFault>),
}

/// Whether the same questions are under way already, for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Questions {
    First,
    Again,
}

/// Looks `name` up and tells `progress` when half of it is there.
///
/// # Errors
/// Why there is no address.
pub(super) async fn fly(
    dns: &Dns,
    name: &str,
    questions: Questions,
    progress: &watch::Sender<Progress>,
) -> Result<Found, DnsFault> {
    let anew;
    let nameservers = match questions {
        Questions::First => &dns.nameservers,
        Questions::Again => {
            anew = dns.nameservers.anew();
            &anew
        }
    };
    if nameservers.is_empty() {
        return Err(DnsFault::ServerFailure("there is no resolver that can be asked".to_owned()));
    }
    let mut faults = Vec::new();
    let (names, direct) = candidates(name, &dns.search, dns.ndots);
    let direct_at = match direct {
        Direct::First => 0,
        Direct::Last => names.len() - 1,
    };
    for (index, candidate) in names.iter().enumerate() {
        match qualified(candidate) {
            Some(qualified) => match pair(nameservers, candidate, &qualified, progress).await {
                Ok(found) => {
                    let addresses = usable(found.addresses)?;
                    return Ok(Found { addresses: ordered(addresses), ttl: found.ttl });
                }
                // Who does not answer this question, or cannot be asked, will not answer the next one either.
                Err(fault @ (DnsFault::Timeout | DnsFault::LocalExhausted(_) | DnsFault::LocalNetwork(_))) => {
                    return Err(fault);
                }
                Err(fault) => faults.push(fault),
            },
            // A name that DNS cannot carry does not exist; with a search domain behind it, it is only too long.
            None if index == direct_at => faults.push(DnsFault::NameNotFound),
            None => {}
        }
    }
    Err(settle(faults, direct))
}

pub(super) fn qualified(name: &str) -> Option<Name> {
    let mut name = Name::from_str(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Asks for A and AAAA at once. When one half is all that is needed, the other one is waited for only a little:
/// resolvers and firewalls that swallow one of the two questions are no reason to be slow.
async fn pair(
    nameservers: &Nameservers,
    name: &str,
    qualified: &Name,
    progress: &watch::Sender<Progress>,
) -> Result<Found, DnsFault> {
    let asking_a = nameservers.ask(qualified, RecordType::A);
    let asking_aaaa = nameservers.ask(qualified, RecordType::AAAA);
    tokio::pin!(asking_a, asking_aaaa);
    let (mut a, mut aaaa) = (None, None);
    let mut patience_ends = None;
    while a.is_none() || aaaa.is_none() {
        let conclusive = tokio::select! {
            half = &mut asking_a, if a.is_none() => {
                let conclusive = half.is_conclusive_as_a();
                announce(&half, progress);
                a = Some(half);
                conclusive
            }
            half = &mut asking_aaaa, if aaaa.is_none() => {
                let conclusive = half.is_conclusive_as_aaaa();
                announce(&half, progress);
                aaaa = Some(half);
                conclusive
            }
            () = sleep_until(patience_ends.unwrap_or_else(Instant::now)), if patience_ends.is_some() => break,
        };
        if conclusive {
            patience_ends = Some(Instant::now() + OTHER_HALF);
        }
    }
    combine(name, a.unwrap_or(Half::Silent), aaaa.unwrap_or(Half::Silent))
}

fn announce(half: &Half, progress: &watch::Sender<Progress>) {
    match half {
        Half::Addresses(found) => {
            if let Ok(addresses) = usable(found.addresses.clone()) {
                progress.send_replace(Progress::Half(ordered(addresses).into()));
            }
        }
        Half::NameNotFound(_)
        | Half::NoData(_)
        | Half::Failed(_)
        | Half::Silent
        | Half::Exhausted(_)
        | Half::Offline(_) => {}
    }
}

/// How long the second half is waited for when the first one is enough.
const OTHER_HALF: Duration = Duration::from_millis(500);
