//! The way to the server as a check found it: names, routes, connections, hops.

use maud::{Markup, html};

use super::found::{foreign, line, of_mark, stage, table, worst};
use crate::troubleshoot::{Connects, End, Examination, Hop, PathFacts, Survey};
use crate::view::time::{span, took};
use crate::view::troubleshoot::json::between;
use crate::view::troubleshoot::paper::Mark;
use crate::view::troubleshoot::{text, words};

/// `None` of a server that is an address.
pub(super) fn names(examination: &Examination) -> Option<Markup> {
    let survey = examination.names.as_ref()?;
    let count = |v4: bool| examination.addresses.iter().filter(|address| address.is_ipv4() == v4).count();
    let (mark, outcome) = match (examination.addresses.len(), examination.is_stale) {
        (0, _) => (Mark::Bad, "no address".to_owned()),
        (_, true) => (Mark::Odd, "the lookup fails; remembered addresses are in use".to_owned()),
        (_, false) => (Mark::Good, format!("{} IPv4 and {} IPv6", count(true), addresses(count(false)))),
    };
    Some(stage("dns", "DNS", mark, &outcome, &answers(examination, survey)))
}

fn addresses(count: usize) -> String {
    if count == 1 { "1 address".to_owned() } else { format!("{count} addresses") }
}

fn answers(examination: &Examination, survey: &Survey) -> Markup {
    let listed = |addresses: &[std::net::IpAddr]| {
        let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        listed.join(", ")
    };
    if let Some(hosts) = &survey.hosts {
        let localhost = examination.target.server.trim_end_matches('.').ends_with("localhost");
        let by = if localhost { "localhost" } else { "the hosts file of the exporter's host" };
        return line(Mark::Good, &format!("known without a resolver, by {by}: {}", listed(hosts)));
    }
    let rows = survey.answers.iter().map(|answer| {
        let is_good = answer.outcome.addresses().next().is_some();
        let mark = if is_good { Mark::Good } else { text::mark_of(&answer.outcome) };
        vec![
            html! { code { (answer.resolver) } },
            html! { code { (foreign(&answer.name)) } },
            html! { (answer.question.as_str()) },
            html! { (of_mark(mark)) @for (index, words) in words::of_outcome(answer).iter().enumerate() {
                span class=[(index > 0).then_some("check-record")] { (foreign(words)) }
            } },
            html! { (took(answer.took)) },
        ]
    });
    let rows: Vec<Vec<Markup>> = rows.collect();
    html! {
        @if survey.resolvers.is_empty() {
            (line(Mark::Bad, "no resolver is configured, and the hosts file does not have the name"))
        }
        @if !rows.is_empty() {
            (table("What each resolver says", &["Resolver", "Name", "Record", "Answer", "Took"], &rows))
        }
        @if !survey.search.is_empty() {
            (line(Mark::None, &format!("search domains: {} (ndots {})", survey.search.join(" "), survey.ndots)))
        }
        @if let Some((remembered, age)) = survey.last_known_good.as_ref().filter(|_| examination.is_stale) {
            (line(Mark::Odd, &format!("the last good answer is used, {} old: {}", span(*age), listed(remembered))))
        }
    }
}

pub(super) fn routes(examination: &Examination) -> Option<Markup> {
    if examination.routes.is_empty() {
        return None;
    }
    let found: Vec<_> = examination.routes.iter().map(|outlook| (outlook, text::of_outlook(outlook))).collect();
    let mark = worst(found.iter().map(|(_, (mark, _))| *mark));
    let outcome = match found.as_slice() {
        [(_, (_, words))] => words.clone(),
        _ if mark == Mark::Good => "every address has one".to_owned(),
        _ => "not every address can be reached from here".to_owned(),
    };
    let rows: Vec<Vec<Markup>> = found
        .iter()
        .map(|(outlook, (mark, words))| {
            vec![html! { code { (outlook.target) } }, html! { (of_mark(*mark)) (foreign(words)) }]
        })
        .collect();
    let content = html! {
        (table("What this host's kernel chooses", &["Address", "Way"], &rows))
        @for (mark, words) in text::of_host(&examination.host) { (line(mark, &words)) }
    };
    Some(stage("route", "Route", mark, &outcome, &content))
}

pub(super) fn connects(examination: &Examination) -> Markup {
    let all = &examination.connects;
    if all.is_empty() {
        let content = html! { p { "There was no address to connect to." } };
        return stage("tcp", "TCP", Mark::None, "not reached", &content);
    }
    let (tries, opened): (usize, usize) =
        (all.iter().map(|connects| connects.tries.len()).sum(), all.iter().map(Connects::opened).sum());
    let mark = match worst(all.iter().map(text::mark_of_connects)) {
        // One address that opens is enough for clients that try them all.
        Mark::Bad if opened > 0 => Mark::Odd,
        mark => mark,
    };
    let outcome = format!("{opened} of {tries} connections opened");
    let columns = ["Address", "Opened", "Failed", "Min", "Avg", "Max", "Jitter", "How it went"];
    let rows: Vec<Vec<Markup>> = all.iter().map(of_address).collect();
    let content = table("Connections to each address, one after the other", &columns, &rows);
    stage("tcp", "TCP", mark, &outcome, &content)
}

fn of_address(connects: &Connects) -> Vec<Markup> {
    let (tries, opened) = (connects.tries.len(), connects.opened());
    let latency = connects.latency();
    let [min, avg, max, jitter] = match latency {
        Some(latency) => [latency.min, latency.avg, latency.max, latency.jitter].map(|part| took(part).to_string()),
        None => [(); 4].map(|()| "–".to_owned()),
    };
    let first = connects.tries.iter().find_map(|dial| dial.result.as_ref().ok());
    let segment = first.and_then(|opened| opened.segment.zip(opened.path_mtu));
    let resent = connects.resent();
    let how = html! {
        (of_mark(text::mark_of_connects(connects)))
        @if opened > 0 { "reachable" } @else { "not reachable" }
        @for (fault, count) in connects.faults() {
            span.check-record { (count) @if count == 1 { " time " } @else { " times " } (foreign(&words::of_connect_fault(fault))) }
        }
        @if resent > 0 { span.check-record { (resent) " opened only after a repeated SYN" } }
        @if let Some((segment, mtu)) = segment {
            span.check-record { "segments of " (segment) " bytes, path MTU " (mtu) " as far as the kernel knows" }
        }
    };
    let loss = connects.failed() * 100 / tries.max(1);
    vec![
        html! { code { (connects.address) } },
        html! { (opened) " of " (tries) },
        html! { (loss) " %" },
        html! { (min) },
        html! { (avg) },
        html! { (max) },
        html! { (jitter) },
        how,
    ]
}

pub(super) fn hops(examination: &Examination) -> Option<Markup> {
    let first = examination.paths.first()?;
    let mark = |path: &PathFacts| {
        let udp = path.udp.iter().map(|udp| text::mark_of_end(&udp.end));
        let ends = std::iter::once(text::mark_of_end(&path.tcp.end)).chain(udp);
        worst(ends.chain(text::mark_of_mtu(path)))
    };
    let outcome = match examination.paths.as_slice() {
        [path] => words::of_end(&path.tcp.end),
        paths => format!("to {} addresses", paths.len()),
    };
    let marked = if examination.paths.len() == 1 { mark(first) } else { worst(examination.paths.iter().map(mark)) };
    // What the heading says already.
    let is_told = examination.paths.len() == 1 && first.tcp.end == End::Here;
    let content = html! { @if !is_told { @for path in &examination.paths { (of_path(path)) } } };
    Some(stage("hops", "Hops", marked, &outcome, &content))
}

fn of_path(path: &PathFacts) -> Markup {
    let from = path.source.map(|source| format!(" from {source}")).unwrap_or_default();
    let hops = between(path);
    let rows: Vec<Vec<Markup>> = hops.iter().map(|hop| of_hop(hop)).collect();
    html! {
        h4 { "To " (path.target) (from) }
        @if !rows.is_empty() { (table("Who answers on the way", &["Hop", "Router", "Average"], &rows)) }
        @match &path.udp {
            None => (line(text::mark_of_end(&path.tcp.end), &words::of_end(&path.tcp.end))),
            Some(udp) => {
                (line(text::mark_of_end(&path.tcp.end), &format!("with SYNs: {}", words::of_end(&path.tcp.end))))
                (line(text::mark_of_end(&udp.end), &format!("with datagrams: {}", words::of_end(&udp.end))))
            }
        }
        @if let Some(mark) = text::mark_of_mtu(path) {
            (line(mark, &format!("largest packet: {}", words::of_mtu(&path.mtu))))
        }
    }
}

fn of_hop(hop: &Hop) -> Vec<Markup> {
    let routers: Vec<String> = hop.routers().iter().map(ToString::to_string).collect();
    let average = hop.latency().map(|latency| took(latency.avg).to_string());
    vec![
        html! { (hop.distance) },
        html! { @if routers.is_empty() { "no answer" } @else { code { (routers.join(", ")) } } },
        html! { (average.as_deref().unwrap_or("–")) },
    ]
}
