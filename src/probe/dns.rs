//! The first stage: the server's addresses.

use std::net::IpAddr;

use tokio::time::Instant;

use super::notes::Notes;
use super::trouble::{LocalFault, LocalNetworkFault, Trouble};
use super::{Fault, route};
use crate::resolver::{DnsFault, Host, Resolver};

/// The addresses to try, in order; never empty.
pub(super) async fn resolve(resolver: &Resolver, server: &Host, notes: &mut Notes) -> Result<Vec<IpAddr>, Fault> {
    let name = match server {
        Host::Ip(ip) => return Ok(vec![*ip]),
        Host::Name(name) => name,
    };
    let budget = notes.deadline - Instant::now();
    let answer = Box::pin(resolver.lookup(name, budget)).await.map_err(|fault| match fault {
        DnsFault::Timeout => silence(resolver),
        fault => Fault::Dns(fault),
    })?;
    notes.stale = answer.stale;
    Ok(answer.addresses)
}

/// What it means that no resolver answered: it says something about them only if our questions could leave this host.
pub(super) fn silence(resolver: &Resolver) -> Fault {
    let mut ours = None;
    for nameserver in resolver.nameservers() {
        match route::trouble(nameserver.ip()) {
            Some(Trouble::Local(why)) => {
                ours = Some(LocalNetworkFault::NoResolver { nameserver, why: Box::new(why) });
            }
            Some(Trouble::NobodyThere) | None => return Fault::Dns(DnsFault::Timeout),
        }
    }
    ours.map_or(Fault::Dns(DnsFault::Timeout), |why| Fault::Local(LocalFault::Network(why)))
}
