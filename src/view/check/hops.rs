//! The hops in Azure's words: from this host to the server, or to where the packets end.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Issue, milliseconds};
use crate::troubleshoot::{End, Examination, Hop, PathFacts, Severity, Trace};

/// One hop.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Hop")]
pub struct HopView {
    #[serde(rename = "type")]
    kind: HopType,
    id: String,
    /// Null of one that does not answer.
    address: Option<IpAddr>,
    resource_id: &'static str,
    next_hop_ids: Vec<String>,
    previous_hop_ids: Vec<String>,
    links: Vec<Edge>,
    issues: Vec<Issue>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum HopType {
    Source,
    VnetLocal,
    Internet,
    Unknown,
    Destination,
}

/// The way to the next hop.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "HopLink")]
struct Edge {
    next_hop_id: String,
    link_type: &'static str,
    round_trip_time_min: Option<f64>,
    round_trip_time_avg: Option<f64>,
    round_trip_time_max: Option<f64>,
    issues: Vec<Issue>,
    context: BTreeMap<String, String>,
}

/// Those to the address that the probe came to.
pub(super) fn of(examination: &Examination, issues: &[Issue]) -> Vec<HopView> {
    let main = examination.main_address();
    let path = examination.paths.iter().find(|path| Some(path.target.ip()) == main).or(examination.paths.first());
    let Some(path) = path else { return Vec::new() };
    let connects = examination.connects.iter().find(|connects| connects.address == path.target);
    let opened = connects.and_then(|connects| connects.tries.iter().find_map(|dial| dial.result.as_ref().ok()));
    let source = path.source.or(opened.map(|opened| opened.source));
    let mut nodes: Vec<(HopType, Option<IpAddr>, Option<&Hop>)> = vec![(HopType::Source, source, None)];
    nodes.extend(between(path).into_iter().map(|hop| {
        let router = hop.routers().first().copied();
        let kind = match router {
            None => HopType::Unknown,
            Some(ip) if is_private(ip) => HopType::VnetLocal,
            Some(_) => HopType::Internet,
        };
        (kind, router, Some(hop))
    }));
    let arrived = |trace: &&Trace| matches!(trace.end, End::Arrived(_) | End::Here);
    if let Some(trace) = std::iter::once(&path.tcp).chain(&path.udp).find(arrived) {
        nodes.push((HopType::Destination, Some(path.target.ip()), trace.hops.last()));
    }
    let last = nodes.len() - 1;
    let id = |index: usize| format!("hop-{index}");
    let hops = nodes.iter().enumerate().map(|(index, (kind, address, _))| HopView {
        kind: *kind,
        id: id(index),
        address: *address,
        resource_id: "Unknown",
        next_hop_ids: (index < last).then(|| id(index + 1)).into_iter().collect(),
        previous_hop_ids: index.checked_sub(1).map(id).into_iter().collect(),
        links: nodes.get(index + 1).map(|(_, _, next)| link(id(index + 1), *next)).into_iter().collect(),
        // Where it ends is where it hurts.
        issues: issues.iter().filter(|issue| index == last && issue.severity == Severity::Error).cloned().collect(),
    });
    hops.collect()
}

fn link(next_hop_id: String, hop: Option<&Hop>) -> Edge {
    let latency = hop.and_then(Hop::latency);
    Edge {
        next_hop_id,
        link_type: "Internet",
        round_trip_time_min: latency.map(|latency| milliseconds(latency.min)),
        round_trip_time_avg: latency.map(|latency| milliseconds(latency.avg)),
        round_trip_time_max: latency.map(|latency| milliseconds(latency.max)),
        issues: Vec::new(),
        context: BTreeMap::new(),
    }
}

/// The routers, without the target itself; where SYNs got no answer, those that datagrams found.
pub(super) fn between(path: &PathFacts) -> Vec<&Hop> {
    let by_udp = |distance: u8| path.udp.iter().flat_map(|udp| &udp.hops).find(move |hop| hop.distance == distance);
    let mut hops: Vec<&Hop> = Vec::new();
    for hop in &path.tcp.hops {
        hops.push(if hop.is_silent() { by_udp(hop.distance).unwrap_or(hop) } else { hop });
    }
    let further = path
        .udp
        .iter()
        .flat_map(|udp| &udp.hops)
        .filter(|hop| path.tcp.hops.iter().all(|known| known.distance != hop.distance));
    hops.extend(further);
    let target = path.target.ip();
    let is_target = |hop: &&Hop| hop.arrives() || hop.routers().first() == Some(&target);
    match hops.iter().position(is_target) {
        Some(end) => hops.truncate(end),
        // Who ends it and is nobody in particular is no hop.
        None => {
            while hops.last().is_some_and(|hop| hop.routers().is_empty()) {
                hops.pop();
            }
        }
    }
    // A router that forwards, and refuses what comes one further, is one hop all the same.
    hops.dedup_by(|next, hop| !next.is_silent() && next.routers() == hop.routers());
    hops
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}
