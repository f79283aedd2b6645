//! What only the deep check can see, out of its facts. Pure.

use std::net::SocketAddr;

use super::Severity::{Error, Warning};
use super::{Connects, End, Examination, Insight, InsightKind, PathMtu};
use crate::resolver::{Answer, Outcome, Question, Survey};
use crate::verdict::{Cause, version_name};

/// The worst first.
pub(super) fn of(examination: &Examination) -> Vec<Insight> {
    let mut insights = Vec::new();
    insights.extend(mtu(examination));
    insights.extend(the_way(examination));
    if let Some((count, most)) = examination.host.tracked.filter(|_| examination.host.is_full()) {
        let severity = if examination.verdict.cause.is_some() { Error } else { Warning };
        let detail = format!("{count} of {most} connections are tracked on this host; new ones are dropped above that");
        let context = vec![("tracked", count.to_string()), ("most", most.to_string())];
        insights.push(Insight { kind: InsightKind::HostFilterFull, severity, detail, context });
    }
    insights.extend(connects(&examination.connects));
    if let Some(survey) = &examination.names {
        insights.extend(resolvers(survey));
    }
    insights.extend(old_tls(examination));
    insights.sort_by_key(|insight| insight.severity);
    insights
}

fn mtu(examination: &Examination) -> Option<Insight> {
    let usual = examination.verdict.cause.as_ref();
    let (small, again) = (examination.in_small_segments.as_ref(), examination.usual_again.as_ref());
    if let (Some(usual), Some(small), Some(again)) = (usual, small, again)
        && again.cause.as_ref().is_some_and(|cause| cause.code == usual.code)
    {
        let came = match &small.cause {
            None => "the same probe succeeds".to_owned(),
            Some(cause) => format!("the same probe gets as far as `{}`", cause.code.code()),
        };
        let detail = format!(
            "with TCP segments that fit into small packets {came}, with the usual ones it times out, before and after"
        );
        let context = vec![("cause", usual.code.code().to_owned())];
        return Some(Insight { kind: InsightKind::MtuBlackHole, severity: Error, detail, context });
    }
    let (path, size) = examination.paths.iter().find_map(|path| match path.mtu {
        PathMtu::BlackHole { size } => Some((path, size)),
        PathMtu::Passes(_) | PathMtu::Smaller { .. } | PathMtu::Unclear => None,
    })?;
    let timed_out = usual.is_some_and(|cause| matches!(cause.code, Cause::TlsTimeout | Cause::HttpTimeout));
    let severity = if timed_out { Error } else { Warning };
    let target = path.target.ip();
    let detail = format!("packets of {size} bytes to {target} vanish without a word, and small ones arrive");
    let context = vec![("address", target.to_string()), ("size", size.to_string())];
    Some(Insight { kind: InsightKind::MtuBlackHole, severity, detail, context })
}

/// Where connections to a silent address end.
fn the_way(examination: &Examination) -> Vec<Insight> {
    let found = examination.paths.iter().filter_map(|path| {
        let End::Silent { last } = path.tcp.end else { return None };
        let connects = examination.connects.iter().find(|connects| connects.address == path.target)?;
        if connects.opened() > 0 {
            return None;
        }
        let severity = if examination.verdict.cause.is_some() { Error } else { Warning };
        let target = path.target;
        let router = path.tcp.hops.iter().rev().find_map(|hop| Some((hop.distance, *hop.routers().first()?)));
        let by_udp = path.udp.as_ref().map(|udp| &udp.end);
        if let Some(End::Arrived(_)) = by_udp {
            let detail = format!("datagrams arrive at {}, connections to port {} do not", target.ip(), target.port());
            let context = vec![("address", target.ip().to_string()), ("port", target.port().to_string())];
            return Some(Insight { kind: InsightKind::PortSilent, severity, detail, context });
        }
        let further = path.udp.iter().flat_map(|udp| &udp.hops).rev();
        let router = further.clone().find_map(|hop| Some((hop.distance, *hop.routers().first()?))).or(router);
        let (distance, router) = router.filter(|_| last > 0 || path.udp.is_some())?;
        let hops = if distance == 1 { "hop" } else { "hops" };
        let detail = format!("towards {target} the last router that answers is {router}, {distance} {hops} away");
        let context = vec![("lastHop", router.to_string()), ("distance", distance.to_string())];
        Some(Insight { kind: InsightKind::LostBehind, severity, detail, context })
    });
    found.collect()
}

fn connects(all: &[Connects]) -> Vec<Insight> {
    let mut insights = Vec::new();
    let opened = all.iter().any(|connects| connects.opened() > 0);
    let closed: Vec<&Connects> =
        all.iter().filter(|connects| connects.opened() == 0 && !connects.tries.is_empty()).collect();
    if opened && !closed.is_empty() {
        let listed: Vec<String> = closed.iter().map(|connects| connects.address.ip().to_string()).collect();
        let of_family = |v4: bool| all.iter().filter(move |connects| connects.address.is_ipv4() == v4);
        let dead = |v4: bool| of_family(v4).count() > 0 && of_family(v4).all(|connects| connects.opened() == 0);
        let family = match (dead(true), dead(false)) {
            (true, _) => "no IPv4 address opens: ",
            (false, true) => "no IPv6 address opens: ",
            (false, false) => "no connection opens to ",
        };
        let detail = format!("{family}{}", listed.join(", "));
        let context = vec![("addresses", listed.join(","))];
        insights.push(Insight { kind: InsightKind::PartlyReachable, severity: Warning, detail, context });
    }
    for connects in all.iter().filter(|connects| connects.opened() > 0) {
        let (tries, failed, resent) = (connects.tries.len(), connects.failed(), connects.resent());
        if failed + resent > 0 {
            let address = connects.address;
            let detail = format!(
                "{address}: of {tries} connections {failed} failed and {resent} opened only after a repeated SYN"
            );
            let context = vec![
                ("address", address.ip().to_string()),
                ("tries", tries.to_string()),
                ("failed", failed.to_string()),
                ("resent", resent.to_string()),
            ];
            insights.push(Insight { kind: InsightKind::Loss, severity: Warning, detail, context });
        }
    }
    insights
}

fn resolvers(survey: &Survey) -> Vec<Insight> {
    // Names that the search list tried in vain say nothing.
    let is_found = |answer: &&Answer| matches!(answer.outcome, Outcome::Records(_));
    let Some(found) = survey.answers.iter().find(is_found) else { return Vec::new() };
    let answers: Vec<&Answer> = survey.answers.iter().filter(|answer| answer.name == found.name).collect();
    let failing = survey.resolvers.iter().filter_map(|resolver| resolver_fails(*resolver, &answers));
    let disagreeing =
        [Question::A, Question::Aaaa].into_iter().filter_map(|question| resolvers_disagree(question, &answers));
    failing.chain(disagreeing).collect()
}

fn resolver_fails(resolver: SocketAddr, answers: &[&Answer]) -> Option<Insight> {
    let mut failed = answers.iter().filter(|answer| answer.resolver == resolver).filter_map(|answer| {
        let why = match &answer.outcome {
            Outcome::Failed(why) => why.clone(),
            Outcome::NotAsked(unasked) => unasked.to_string(),
            Outcome::Silent => format!("{resolver} does not answer"),
            Outcome::Records(_) | Outcome::NameNotFound | Outcome::NoData => return None,
        };
        Some((why, answer.question.as_str(), &answer.name))
    });
    let (why, question, name) = failed.next()?;
    let questions = if failed.next().is_some() { "A and AAAA" } else { question };
    let context = vec![("resolver", resolver.to_string()), ("question", questions.to_owned())];
    let detail = format!("{why} ({questions} of {name})");
    Some(Insight { kind: InsightKind::ResolverFails, severity: Warning, detail, context })
}

fn resolvers_disagree(question: Question, answers: &[&Answer]) -> Option<Insight> {
    let views = answers.iter().filter(|answer| answer.question == question).filter_map(|answer| {
        let view = match &answer.outcome {
            Outcome::Records(_) => {
                let mut addresses: Vec<String> =
                    answer.outcome.addresses().map(|address| address.to_string()).collect();
                addresses.sort();
                addresses.join(", ")
            }
            Outcome::NameNotFound => "no such name".to_owned(),
            Outcome::NoData => "no such record".to_owned(),
            Outcome::Failed(_) | Outcome::Silent | Outcome::NotAsked(_) => return None,
        };
        Some((answer, view))
    });
    let views: Vec<_> = views.collect();
    let (first, same) = views.first()?;
    if views.iter().all(|(_, view)| view == same) {
        return None;
    }
    let told = views.iter().map(|(answer, view)| format!("{} says {view}", answer.resolver));
    let told: Vec<String> = told.collect();
    let detail = format!("{} of {}: {}", question.as_str(), first.name, told.join("; "));
    let context = vec![("name", first.name.clone()), ("question", question.as_str().to_owned())];
    Some(Insight { kind: InsightKind::ResolversDisagree, severity: Warning, detail, context })
}

fn old_tls(examination: &Examination) -> Option<Insight> {
    let versions = &examination.handshakes.as_ref()?.versions;
    let accepted = || versions.iter().filter(|facts| facts.support.is_accepted());
    let old: Vec<String> =
        accepted().filter(|facts| facts.version < 0x0303).map(|facts| version_name(facts.version)).collect();
    // Of a server that takes nothing else the cause says so.
    if old.is_empty() || accepted().count() == old.len() {
        return None;
    }
    let detail = format!("it still accepts {}", old.join(" and "));
    let context = vec![("versions", old.join(","))];
    Some(Insight { kind: InsightKind::OldTls, severity: Warning, detail, context })
}
