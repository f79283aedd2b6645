//! Facts of a deep check in a few words, for text and JSON alike.

use rustls::AlertDescription;

use crate::troubleshoot::{
    Answer, Bar, ConnectFault, Data, End, Neighbour, Outcome, PathMtu, Route, Support, TlsFault,
};
use crate::verdict::{alert_name, of_bar, of_local_fault, of_reason, suite_name, version_name};

pub(super) fn of_connect_fault(fault: &ConnectFault) -> String {
    match fault {
        ConnectFault::Refused => "refused (RST)".to_owned(),
        ConnectFault::Timeout => "no answer".to_owned(),
        ConnectFault::Reset => "opened and reset at once".to_owned(),
        ConnectFault::Unreachable(reason) => of_reason(*reason),
        ConnectFault::Local(fault) => of_local_fault(fault),
    }
}

/// One word for machines.
pub(super) fn kind_of_connect_fault(fault: &ConnectFault) -> &'static str {
    match fault {
        ConnectFault::Refused => "refused",
        ConnectFault::Timeout => "timeout",
        ConnectFault::Reset => "reset",
        ConnectFault::Unreachable(_) => "unreachable",
        ConnectFault::Local(_) => "local",
    }
}

pub(super) fn of_tls_fault(fault: &TlsFault) -> String {
    match fault {
        TlsFault::Timeout => "did not finish in time".to_owned(),
        TlsFault::Closed => "closed in the handshake".to_owned(),
        TlsFault::Reset => "reset in the handshake".to_owned(),
        TlsFault::Rustls(rustls::Error::AlertReceived(alert)) | TlsFault::AlertAfterHandshake(alert) => {
            format!("alert {}", alert_name(*alert))
        }
        TlsFault::Rustls(error) => error.to_string(),
        TlsFault::EndAfterHandshake { .. } => "closed right after the handshake".to_owned(),
        TlsFault::Flood(_) => "a flood of messages, not read to its end".to_owned(),
    }
}

pub(super) fn of_outcome(answer: &Answer) -> Vec<String> {
    match &answer.outcome {
        Outcome::Records(records) => records
            .iter()
            .map(|record| match &record.data {
                Data::Address(address) => format!("{address}  (TTL {} s)", record.ttl),
                Data::Alias(target) => format!("{} is an alias of {target}  (TTL {} s)", record.name, record.ttl),
            })
            .collect(),
        Outcome::NameNotFound => vec!["no such name (NXDOMAIN)".to_owned()],
        Outcome::NoData => vec!["no such record".to_owned()],
        Outcome::Failed(why) => vec![why.clone()],
        Outcome::NotAsked(unasked) => vec![unasked.to_string()],
        Outcome::Silent => vec!["no answer".to_owned()],
    }
}

pub(super) fn of_route(route: &Route) -> String {
    match route {
        Route::Own => "this host's own address".to_owned(),
        Route::Barred(bar) => of_bar(*bar).to_owned(),
        Route::Unknown => "the kernel does not tell".to_owned(),
        Route::Through { interface, gateway, source, mtu, neighbour } => {
            let way = match gateway {
                Some(gateway) => format!("via {gateway} on {interface}"),
                None => format!("directly on {interface}"),
            };
            let source = source.map(|source| format!(", from {source}")).unwrap_or_default();
            let mtu = mtu.map(|mtu| format!(", MTU {mtu}")).unwrap_or_default();
            let heard = match (neighbour, gateway) {
                (Some(Neighbour::Answers), Some(_)) => "; the next hop answers",
                (Some(Neighbour::Answers), None) => "; it answers on the local network",
                (Some(Neighbour::Silent), Some(_)) => "; the next hop does not answer",
                (Some(Neighbour::Silent), None) => "; nobody answers for it on the local network",
                (None, _) => "",
            };
            format!("{way}{source}{mtu}{heard}")
        }
    }
}

/// As `ip route` has it.
pub(super) fn kind_of_route(route: &Route) -> &'static str {
    match route {
        Route::Own => "local",
        Route::Through { .. } => "unicast",
        Route::Unknown => "unknown",
        Route::Barred(Bar::Blackhole) => "blackhole",
        Route::Barred(Bar::Prohibit) => "prohibit",
        Route::Barred(Bar::Unreachable) => "unreachable",
        Route::Barred(Bar::NoRoute | Bar::Broadcast | Bar::Multicast) => "none",
    }
}

pub(super) fn of_end(end: &End) -> String {
    match end {
        End::Here => "the address is this host's own: there is no hop in between".to_owned(),
        End::Arrived(how) => format!("arrived: {how}"),
        End::Refused(reason) => format!("ends: {}", of_reason(*reason)),
        End::Silent { last: 0 } => "nothing answers at any distance".to_owned(),
        End::Silent { last } => format!("nothing answers behind hop {last}"),
        End::Local(fault) => format!("nothing leaves this host: {}", of_local_fault(fault)),
        End::CutShort => "not followed to its end: no time left".to_owned(),
    }
}

pub(super) fn of_mtu(mtu: &PathMtu) -> String {
    match mtu {
        PathMtu::Passes(size) => format!("packets of {size} bytes arrive"),
        PathMtu::Smaller { mtu, from: Some(from) } => format!("{mtu} bytes, says {from}"),
        PathMtu::Smaller { mtu, from: None } => format!("{mtu} bytes"),
        PathMtu::BlackHole { size } => {
            format!("packets of {size} bytes vanish without a word, and small ones arrive")
        }
        PathMtu::Unclear => "unknown: the target does not answer the datagrams that it takes to know".to_owned(),
    }
}

pub(super) fn of_support(support: &Support) -> String {
    match support {
        Support::Accepted { .. } => "accepted".to_owned(),
        Support::Alert(alert) => format!("refused with the alert {}", alert_name(AlertDescription::from(*alert))),
        Support::Other(version) => format!("refused: it chooses {}", version_name(*version)),
        Support::Closed => "refused: it closes the connection".to_owned(),
        Support::Silent => "no answer".to_owned(),
        Support::NotTls(bytes) => format!("no TLS: it answers \"{}\"", String::from_utf8_lossy(bytes)),
        Support::NotTried => "not tried: no connection, or no time left".to_owned(),
    }
}

pub(super) fn of_suites(suites: &[u16]) -> Vec<String> {
    suites.iter().map(|suite| suite_name(*suite)).collect()
}
