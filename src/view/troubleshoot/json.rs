//! A deep check as JSON: Azure's words at the top, ours beside them, and the facts of every stage below.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::issues::Issue;
use super::{issues, stages};
use crate::target::Target;
use crate::troubleshoot::{Connects, End, Examination, Hop, Latency, Over, PathFacts, Trace};
use crate::verdict::{Code, Finding, Verdict};
use crate::view::remedy::Remedy;
use crate::view::text::visible_json;
use crate::view::time::{Utc, seconds};

/// The whole of it. `docs`: where the documentation is served, without a slash at the end; `None`: nowhere.
#[must_use]
pub fn value(examination: &Examination, docs: Option<&str>) -> Value {
    let Examination { target, at, took, connects, verdict, probe_was_cut_short, insights, .. } = examination;
    let finding = |finding: &Finding<Code>| of_finding(finding, examination, docs);
    let cause = verdict.cause.as_ref().map(|cause| finding(&general(cause)));
    let remedy = cause.as_ref().map_or_else(|| json!([]), |cause| cause["remedy"].clone());
    let sent: usize = connects.iter().map(|connects| connects.tries.len()).sum();
    let failed: usize = connects.iter().map(Connects::failed).sum();
    let again = |verdict: Option<&Verdict>| verdict.map(|verdict| stages::probe(verdict, false));
    let opened = connects.iter().flat_map(|connects| &connects.tries).filter(|dial| dial.result.is_ok());
    let latency = Latency::of(opened.map(|dial| dial.took));
    json!({
        "connectionStatus": examination.connection_status().as_str(),
        "avgLatencyInMs": latency.map(|latency| milliseconds(latency.avg)),
        "minLatencyInMs": latency.map(|latency| milliseconds(latency.min)),
        "maxLatencyInMs": latency.map(|latency| milliseconds(latency.max)),
        "probesSent": sent,
        "probesFailed": failed,
        "hops": hops(examination),
        "issues": issues::of(examination).iter().map(of_issue).collect::<Vec<_>>(),
        "state": examination.state().as_str(),
        "cause": cause,
        "remedy": remedy,
        "also": verdict.also.iter().map(|also| finding(&general(also))).collect::<Vec<_>>(),
        "warnings": verdict.warnings.iter().map(finding).collect::<Vec<_>>(),
        "insights": insights.iter().map(|insight| json!({
            "code": insight.kind.code(),
            "severity": insight.severity.as_str(),
            "side": insight.kind.side().as_str(),
            "title": insight.kind.title(),
            "detail": insight.detail,
            "remedy": [insight.kind.remedy()],
        })).collect::<Vec<_>>(),
        "at": Utc::of(*at).rfc3339().to_string(),
        "duration_seconds": seconds(*took),
        "target": of_target(target),
        "stages": {
            "dns": stages::names(examination),
            "route": stages::routes(examination),
            "tcp": stages::connects(examination),
            "path": stages::paths(examination),
            "tls": stages::handshakes(examination),
            "http": stages::exchange(examination),
            "probe": stages::probe(verdict, *probe_was_cut_short),
            "probe_in_small_segments": again(examination.in_small_segments.as_ref()),
            "probe_again": again(examination.usual_again.as_ref()),
        },
    })
}

/// The same as text, indented, with a newline at the end; safe to be shown on a terminal.
#[must_use]
pub fn render(examination: &Examination, docs: Option<&str>) -> String {
    // Writing to memory cannot fail, and every key is text.
    let mut json = visible_json(serde_json::to_string_pretty(&value(examination, docs)).unwrap_or_default());
    json.push('\n');
    json
}

/// The same in one line.
#[must_use]
pub fn line(examination: &Examination, docs: Option<&str>) -> String {
    visible_json(value(examination, docs).to_string())
}

/// What stands in it, for the API's description. What each stage found has no fixed shape: fields come with what there is
/// to tell.
#[must_use]
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    let list = |item: &Value| json!({ "type": "array", "items": item });
    let text = json!({ "type": "string" });
    let maybe = |kind: &str| json!({ "type": [kind, "null"] });
    let issue = json!({
        "type": "object",
        "required": ["origin", "severity", "type", "context"],
        "properties": {
            "origin": words(&["Local", "Outbound", "Inbound"]),
            "severity": words(&["Error", "Warning"]),
            "type": text,
            "context": list(&json!({
                "type": "object", "required": ["key", "value"], "properties": { "key": text, "value": text },
            })),
        },
    });
    let finding = json!({
        "type": ["object", "null"],
        "required": ["code", "stage", "side", "title", "detail", "remedy", "docs_url"],
        "properties": {
            "code": text, "stage": text, "side": text, "title": text, "detail": text, "remedy": list(&text),
            "docs_url": maybe("string"),
        },
    });
    let properties = json!({
        "connectionStatus": words(&["Reachable", "Degraded", "Unreachable"]),
        "avgLatencyInMs": maybe("number"),
        "minLatencyInMs": maybe("number"),
        "maxLatencyInMs": maybe("number"),
        "probesSent": { "type": "integer" },
        "probesFailed": { "type": "integer" },
        "hops": list(&json!({ "type": "object", "required": ["type", "id", "address", "links", "issues"] })),
        "issues": list(&issue),
        "state": words(&["Healthy", "Unhealthy", "Unknown"]),
        "cause": finding,
        "remedy": list(&text),
        "also": list(&finding),
        "warnings": list(&finding),
        "insights": list(&json!({ "type": "object", "required": ["code", "severity", "side", "title", "detail", "remedy"] })),
        "at": { "type": "string", "format": "date-time" },
        "duration_seconds": { "type": "number" },
        "target": { "type": "object" },
        "stages": { "type": "object" },
    });
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    json_schema!({ "type": "object", "required": required, "properties": properties })
}

/// In milliseconds, to the microsecond: on a local network there is little more.
pub(super) fn milliseconds(span: std::time::Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

fn general<C: Copy + Into<Code>>(finding: &Finding<C>) -> Finding<Code> {
    finding.clone().into_code()
}

fn of_finding(finding: &Finding<Code>, examination: &Examination, docs: Option<&str>) -> Value {
    let words = finding.words();
    let remedy = Remedy::of(finding, &examination.target, examination.verdict.evidence.address);
    json!({
        "code": words.code,
        "stage": words.stage.as_str(),
        "side": words.side.as_str(),
        "title": words.title,
        "detail": finding.detail,
        "remedy": remedy.steps(),
        "docs_url": docs.map(|docs| format!("{docs}#{}", words.code)),
    })
}

fn of_issue(issue: &Issue) -> Value {
    let Issue { origin, severity, kind, context } = issue;
    let context: Vec<Value> = context.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({ "origin": origin, "severity": severity, "type": kind, "context": context })
}

fn of_target(target: &Target) -> Value {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let spec = &target.probe;
    json!({
        "server": &*target.server,
        "port": spec.port,
        "protocol": spec.protocol.as_str(),
        "host": spec.request.as_ref().map(|request| &*request.host),
        "path": spec.request.as_ref().map(|request| &*request.ask.path),
        "name": spec.tls.as_ref().map(|tls| tls.name.to_string()),
        "pool": named(&target.pool),
        "setting": named(&target.setting),
        "timeout_seconds": seconds(spec.timeout),
    })
}

/// From this host to the server, or to where the packets end; those to the address that the probe came to.
fn hops(examination: &Examination) -> Value {
    let main = examination.main_address();
    let path = examination.paths.iter().find(|path| Some(path.target.ip()) == main).or(examination.paths.first());
    let Some(path) = path else { return json!([]) };
    let connects = examination.connects.iter().find(|connects| connects.address == path.target);
    let opened = connects.and_then(|connects| connects.tries.iter().find_map(|dial| dial.result.as_ref().ok()));
    let source = path.source.or(opened.map(|opened| opened.source));
    let mut nodes: Vec<Node> = vec![Node { kind: "Source", address: source.map(|ip| ip.to_string()), hop: None }];
    nodes.extend(between(path).into_iter().map(|hop| {
        let routers = hop.routers();
        let kind = match routers.first() {
            None => "Unknown",
            Some(ip) if is_private(*ip) => "VnetLocal",
            Some(_) => "Internet",
        };
        Node { kind, address: routers.first().map(ToString::to_string), hop: Some(hop) }
    }));
    let arrived = |trace: &Trace| matches!(trace.end, End::Arrived(_) | End::Here);
    if arrived(&path.tcp) || path.udp.as_ref().is_some_and(arrived) {
        let traces = [Some(&path.tcp), path.udp.as_ref()].into_iter().flatten();
        let hop = traces.filter(|trace| arrived(trace)).find_map(|trace| trace.hops.last());
        nodes.push(Node { kind: "Destination", address: Some(path.target.ip().to_string()), hop });
    }
    let own: Vec<Value> =
        issues::of(examination).iter().filter(|issue| issue.severity == "Error").map(of_issue).collect();
    let last = nodes.len() - 1;
    let written = nodes.iter().enumerate().map(|(index, node)| {
        let next: Vec<String> = (index < last).then(|| format!("hop-{}", index + 1)).into_iter().collect();
        let links: Vec<Value> = next.iter().map(|id| link(id, nodes[index + 1].hop)).collect();
        let previous: Vec<String> = (index > 0).then(|| format!("hop-{}", index - 1)).into_iter().collect();
        json!({
            "type": node.kind,
            "id": format!("hop-{index}"),
            "address": node.address,
            "resourceId": "Unknown",
            "nextHopIds": next,
            "previousHopIds": previous,
            "links": links,
            // Where it ends is where it hurts.
            "issues": if index == last { own.clone() } else { Vec::new() },
        })
    });
    Value::Array(written.collect())
}

struct Node<'a> {
    kind: &'static str,
    address: Option<String>,
    hop: Option<&'a Hop>,
}

fn link(next: &str, hop: Option<&Hop>) -> Value {
    let latency = hop.and_then(Hop::latency);
    json!({
        "nextHopId": next,
        "linkType": "Internet",
        "roundTripTimeMin": latency.map(|latency| milliseconds(latency.min)),
        "roundTripTimeAvg": latency.map(|latency| milliseconds(latency.avg)),
        "roundTripTimeMax": latency.map(|latency| milliseconds(latency.max)),
        "issues": [],
        "context": {},
    })
}

/// The routers, without the target itself; where SYNs got no answer, those that datagrams found.
pub(in crate::view) fn between(path: &PathFacts) -> Vec<&Hop> {
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

fn is_private(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        std::net::IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

pub(super) fn over(over: Over) -> &'static str {
    match over {
        Over::Tcp => "tcp",
        Over::Udp => "udp",
    }
}
