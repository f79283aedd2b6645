//! The facts of each stage of a deep check, for JSON.

use serde_json::{Value, json};

use super::json::{milliseconds, over};
use super::words;
use crate::troubleshoot::{
    Data, Dial, Examination, Exploration, Handshakes, HopAnswer, Latency, Outcome, Over, PathMtu, Route, Said, Support,
    Trace,
};
use crate::verdict::{
    PresentedCertificate, RightLink, Verdict, name_of_der, of_local_fault, of_obstacle, of_trouble, version_name,
};
use crate::view::time::{Utc, seconds};

pub(super) fn names(examination: &Examination) -> Value {
    let Some(survey) = &examination.names else { return Value::Null };
    let answers = survey.answers.iter().map(|answer| {
        let records = match &answer.outcome {
            Outcome::Records(records) => records.as_slice(),
            Outcome::NameNotFound | Outcome::NoData | Outcome::Failed(_) | Outcome::Silent | Outcome::NotAsked(_) => &[],
        };
        let outcome = match &answer.outcome {
            Outcome::Records(_) => "answered",
            Outcome::NameNotFound => "name_not_found",
            Outcome::NoData => "no_record",
            Outcome::Failed(_) => "failed",
            Outcome::Silent => "no_answer",
            Outcome::NotAsked(_) => "not_asked",
        };
        let detail = match &answer.outcome {
            Outcome::Failed(why) => Some(why.clone()),
            Outcome::NotAsked(unasked) => Some(unasked.to_string()),
            Outcome::Records(_) | Outcome::NameNotFound | Outcome::NoData | Outcome::Silent => None,
        };
        json!({
            "resolver": answer.resolver.to_string(),
            "name": answer.name,
            "question": answer.question.as_str(),
            "outcome": outcome,
            "detail": detail,
            "duration_ms": milliseconds(answer.took),
            "records": records.iter().map(|record| match &record.data {
                Data::Address(ip) => json!({ "name": record.name, "type": if ip.is_ipv4() { "A" } else { "AAAA" }, "ttl": record.ttl, "data": ip.to_string() }),
                Data::Alias(target) => json!({ "name": record.name, "type": "CNAME", "ttl": record.ttl, "data": target }),
            }).collect::<Vec<_>>(),
        })
    });
    let last_known_good = survey.last_known_good.as_ref();
    json!({
        "hosts_file": survey.hosts.as_ref().map(|addresses| addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "resolvers": survey.resolvers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "search": survey.search,
        "ndots": survey.ndots,
        "names_tried": survey.candidates,
        "answers": answers.collect::<Vec<_>>(),
        "addresses": examination.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "last_known_good": last_known_good.map(|(addresses, age)| json!({
            "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "age_seconds": seconds(*age),
            "in_use": examination.is_stale,
        })),
    })
}

pub(super) fn routes(examination: &Examination) -> Value {
    let routes = examination.routes.iter().map(|outlook| {
        let (interface, gateway, source, mtu) = match &outlook.route {
            Route::Through { interface, gateway, source, mtu, neighbour: _ } => {
                (Some(interface), gateway.map(|ip| ip.to_string()), source.map(|ip| ip.to_string()), *mtu)
            }
            Route::Own | Route::Barred(_) | Route::Unknown => (None, None, None, None),
        };
        json!({
            "address": outlook.target.to_string(),
            "type": words::kind_of_route(&outlook.route),
            "interface": interface,
            "gateway": gateway,
            "source": source,
            "mtu": mtu,
            "detail": words::of_route(&outlook.route),
            "trouble": outlook.trouble.as_ref().map(of_trouble),
        })
    });
    let host = &examination.host;
    json!({
        "routes": routes.collect::<Vec<_>>(),
        "packet_filters": host.filters,
        "tracked_connections": host.tracked.map(|(count, most)| json!({ "count": count, "most": most })),
    })
}

pub(super) fn connects(examination: &Examination) -> Value {
    let all = examination.connects.iter().map(|connects| {
        let (tries, failed) = (connects.tries.len(), connects.failed());
        let opened = connects.tries.iter().find_map(|dial: &Dial| dial.result.as_ref().ok());
        json!({
            "address": connects.address.to_string(),
            "family": if connects.address.is_ipv4() { "IPv4" } else { "IPv6" },
            "sent": tries,
            "failed": failed,
            "resent": connects.resent(),
            "latency_ms": of_latency(connects.latency()),
            "source": opened.map(|opened| opened.source.to_string()),
            "segment": opened.and_then(|opened| opened.segment),
            "path_mtu": opened.and_then(|opened| opened.path_mtu),
            "faults": connects.faults().iter().map(|(fault, count)| json!({
                "type": words::kind_of_connect_fault(fault),
                "detail": words::of_connect_fault(fault),
                "count": count,
            })).collect::<Vec<_>>(),
        })
    });
    Value::Array(all.collect())
}

fn of_latency(latency: Option<Latency>) -> Value {
    latency.map_or(Value::Null, |latency| {
        json!({
            "min": milliseconds(latency.min),
            "avg": milliseconds(latency.avg),
            "max": milliseconds(latency.max),
            "jitter": milliseconds(latency.jitter),
        })
    })
}

pub(super) fn paths(examination: &Examination) -> Value {
    let all = examination.paths.iter().map(|path| {
        let mtu = match path.mtu {
            PathMtu::Passes(size) | PathMtu::Smaller { mtu: size, .. } => Some(size),
            PathMtu::BlackHole { .. } | PathMtu::Unclear => None,
        };
        json!({
            "address": path.target.to_string(),
            "source": path.source.map(|ip| ip.to_string()),
            "traces": std::iter::once((Over::Tcp, &path.tcp))
                .chain(path.udp.iter().map(|udp| (Over::Udp, udp)))
                .map(|(kind, trace)| of_trace(kind, trace))
                .collect::<Vec<_>>(),
            "mtu": mtu,
            "mtu_black_hole": matches!(path.mtu, PathMtu::BlackHole { .. }),
            "mtu_detail": words::of_mtu(&path.mtu),
        })
    });
    Value::Array(all.collect())
}

fn of_trace(kind: Over, trace: &Trace) -> Value {
    let hops = trace.hops.iter().map(|hop| {
        json!({
            "distance": hop.distance,
            "addresses": hop.routers().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "latency_ms": of_latency(hop.latency()),
            "answers": hop.answers.iter().map(of_answer).collect::<Vec<_>>(),
        })
    });
    json!({ "over": over(kind), "end": words::of_end(&trace.end), "hops": hops.collect::<Vec<_>>() })
}

fn of_answer(answer: &HopAnswer) -> Value {
    let (said, from) = match &answer.said {
        Said::Nothing => ("nothing".to_owned(), None),
        Said::Passing(from) => ("on the way".to_owned(), Some(*from)),
        Said::Arrived(how) => (format!("arrived: {how}"), None),
        Said::Refused(reason) => (of_obstacle(reason.what).to_owned(), reason.from),
        Said::Local(fault) => (of_local_fault(fault), None),
    };
    json!({ "said": said, "from": from.map(|ip| ip.to_string()), "duration_ms": milliseconds(answer.took) })
}

pub(super) fn handshakes(examination: &Examination) -> Value {
    let chain = examination.verdict.evidence.chain.as_ref();
    let chain = chain.map(|chain| chain.certificates.iter().map(of_certificate).collect::<Vec<_>>());
    let Some(handshakes) = &examination.handshakes else {
        return chain.map_or(Value::Null, |chain| json!({ "chain": chain }));
    };
    let Handshakes { address, versions, usual, without_name, with_protocols, right_chain } = handshakes;
    let versions = versions.iter().map(|facts| {
        let (suites, group, is_cut_short) = match &facts.support {
            Support::Accepted { suites, group, is_cut_short, client_certificate_requested: _ } => {
                (words::of_suites(suites), *group, *is_cut_short)
            }
            _ => (Vec::new(), None, false),
        };
        json!({
            "version": version_name(facts.version),
            "accepted": facts.support.is_accepted(),
            "detail": words::of_support(&facts.support),
            "suites": suites,
            "suites_cut_short": is_cut_short,
            "group": group,
        })
    });
    let shaken = |outcome: &Result<Exploration, crate::troubleshoot::ConnectFault>| match outcome {
        Err(fault) => json!({ "completed": false, "detail": words::of_connect_fault(fault) }),
        Ok(exploration) => json!({
            "completed": exploration.fault.is_none(),
            "detail": exploration.fault.as_ref().map(words::of_tls_fault),
            "protocol": exploration.protocol.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
            "client_certificate_requested": exploration.facts.client_certificate_requested,
            "client_certificate_authorities": authorities(exploration),
            "duration_ms": milliseconds(exploration.took),
        }),
    };
    json!({
        "address": address.to_string(),
        "versions": versions.collect::<Vec<_>>(),
        "handshake": shaken(usual),
        "without_sni": without_name.as_ref().map(shaken),
        "sni": super::tls::sni(handshakes),
        "with_h2_and_http_1_1": shaken(with_protocols),
        "chain": chain,
        "right_chain": right_chain.iter().map(of_link).collect::<Vec<_>>(),
    })
}

/// The CAs that a server names, as text.
pub(in crate::view) fn authorities(exploration: &Exploration) -> Vec<String> {
    let named = |der: &Vec<u8>| name_of_der(der).unwrap_or_else(|| "a name that cannot be read".to_owned());
    exploration.authorities.iter().map(named).collect()
}

fn of_certificate(certificate: &PresentedCertificate) -> Value {
    json!({
        "position": certificate.position,
        "role": certificate.role.as_str(),
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "not_before": Utc::of(certificate.not_before).rfc3339().to_string(),
        "not_after": Utc::of(certificate.not_after).rfc3339().to_string(),
        "dns_names": certificate.dns_names,
        "ip_addresses": certificate.ip_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "public_key": certificate.public_key,
        "signature_algorithm": certificate.signature_algorithm,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "faults": certificate.faults.iter().map(|cause| cause.code()).collect::<Vec<_>>(),
    })
}

fn of_link(link: &RightLink) -> Value {
    match link {
        RightLink::Sent { position, subject } => json!({ "is": "sent", "position": position, "subject": subject }),
        RightLink::Trusted { position, subject } => {
            json!({ "is": "trusted", "position": position, "subject": subject })
        }
        RightLink::Untrusted { position, subject } => {
            json!({ "is": "untrusted", "position": position, "subject": subject })
        }
        RightLink::Missing { subject, url } => json!({ "is": "missing", "subject": subject, "url": url }),
        RightLink::Broken(why) => json!({ "is": "broken", "detail": why }),
    }
}

pub(super) fn exchange(examination: &Examination) -> Value {
    let spec = &examination.target.probe;
    if spec.request.is_none() {
        return Value::Null;
    }
    let transcript = &examination.transcript;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = super::text::head_and_body(&transcript.received);
    let mut lines = head.iter().map(|line| text(line));
    let response = &examination.verdict.evidence.response;
    json!({
        "request": (!transcript.sent.is_empty()).then(|| text(&transcript.sent)),
        "response_line": lines.next(),
        "headers": lines.collect::<Vec<_>>(),
        "first_bytes": text(&body[..body.len().min(256)]),
        "status": response.as_ref().map(|response| response.status),
        "expected_status_codes": words::of_codes(&spec.expectation.status_codes),
        "expected_body": (!spec.expectation.body.is_empty()).then_some(&spec.expectation.body),
    })
}

pub(super) fn probe(verdict: &Verdict, was_cut_short: bool) -> Value {
    let evidence = &verdict.evidence;
    let phases = evidence.phases;
    json!({
        "result": verdict.result().as_str(),
        "cause": verdict.cause.as_ref().map(|cause| cause.code.code()),
        "address": evidence.address.map(|address| address.to_string()),
        "duration_seconds": seconds(evidence.duration),
        "phases": {
            "dns": seconds(phases.dns),
            "connect": seconds(phases.connect),
            "tls": seconds(phases.tls),
            "first_byte": seconds(phases.first_byte),
            "transfer": seconds(phases.transfer),
        },
        "tls": evidence.tls.map(|tls| json!({ "version": tls.version, "cipher": tls.cipher })),
        "cut_short": was_cut_short,
    })
}
