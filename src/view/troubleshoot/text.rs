//! A deep check as text: stage by stage, the verdict last, where the eye is when the command has ended.

use super::json::between;
use super::paper::{Mark, Paper};
use super::{tls, words};
use crate::troubleshoot::{
    ConnectionStatus, Connects, End, Examination, Hop, HostFacts, Neighbour, Outlook, PathFacts, PathMtu, Route,
    Severity, State,
};
use crate::verdict::{Code, Finding, of_trouble};
use crate::view::remedy::Remedy;
use crate::view::text::{Colour, visible};
use crate::view::time::{Utc, span, took};

/// All of it. Nothing that a server sent can steer the terminal: every line is escaped as a whole.
#[must_use]
pub fn render(examination: &Examination, colour: Colour) -> String {
    let mut paper = Paper { text: String::new(), colour };
    head(&mut paper, examination);
    names(&mut paper, examination);
    routes(&mut paper, examination);
    connects(&mut paper, examination);
    paths(&mut paper, examination);
    tls::chain(&mut paper, examination);
    if let Some(handshakes) = &examination.handshakes {
        tls::tls(&mut paper, handshakes);
    }
    exchange(&mut paper, examination);
    verdict(&mut paper, examination);
    paper.text
}

fn head(paper: &mut Paper, examination: &Examination) {
    let target = &examination.target;
    let spec = &target.probe;
    let request = spec.request.as_ref().map(|request| format!(", GET {} with Host {}", request.ask.path, request.host));
    let name = spec.tls.as_ref().map(|tls| format!(", certificate for {}", tls.name));
    let row = (!target.pool.is_empty()).then(|| format!(" (pool {}, setting {})", target.pool, target.setting));
    let further: String = [request, name, row].into_iter().flatten().collect();
    paper.painted("1", &visible(&format!("{} port {}, {}{further}", target.server, spec.port, spec.protocol)));
    let (at, time) = (Utc::of(examination.at).readable().to_string(), took(examination.took).to_string());
    paper.text.extend(["\n", &at, ", ", &time, "\n"]);
}

fn names(paper: &mut Paper, examination: &Examination) {
    let Some(survey) = &examination.names else { return };
    paper.title("Names");
    if let Some(hosts) = &survey.hosts {
        let listed: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let server = &examination.target.server;
        let by = if server.trim_end_matches('.').ends_with("localhost") { "localhost" } else { "hosts file" };
        paper.line(Mark::Good, &format!("known without a resolver ({by}): {}", listed.join(", ")));
        return;
    }
    if survey.resolvers.is_empty() {
        paper.line(Mark::Bad, "no resolver is configured, and the hosts file does not have the name");
    }
    if !survey.search.is_empty() {
        paper.note(&format!("search domains: {} (ndots {})", survey.search.join(" "), survey.ndots));
    }
    paper.note("not in the hosts file");
    let mut last = None;
    for answer in &survey.answers {
        if last != Some((&answer.name, answer.resolver)) {
            last = Some((&answer.name, answer.resolver));
            paper.note(&format!("{} about {}:", answer.resolver, answer.name));
        }
        let mark = if answer.outcome.addresses().next().is_some() { Mark::Good } else { mark_of(&answer.outcome) };
        for (index, words) in words::of_outcome(answer).iter().enumerate() {
            let label = if index == 0 { answer.question.as_str() } else { "" };
            let time = if index == 0 { format!("  {}", took(answer.took)) } else { String::new() };
            paper.line(if index == 0 { mark } else { Mark::None }, &format!("  {label:<5}{words}{time}"));
        }
    }
    let count = |v4: bool| examination.addresses.iter().filter(|address| address.is_ipv4() == v4).count();
    match (&survey.last_known_good, examination.is_stale) {
        (Some((addresses, age)), true) => {
            let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let words = format!("the last good answer is used, {} old: {}", span(*age), listed.join(", "));
            paper.line(Mark::Odd, &words);
        }
        (_, _) if examination.addresses.is_empty() => paper.line(Mark::Bad, "no address"),
        (_, _) => paper.note(&format!("{} IPv4 and {} IPv6 addresses", count(true), count(false))),
    }
}

pub(in crate::view) fn mark_of(outcome: &crate::troubleshoot::Outcome) -> Mark {
    use crate::troubleshoot::Outcome;
    match outcome {
        Outcome::Records(_) => Mark::Good,
        // One family is enough.
        Outcome::NoData => Mark::None,
        Outcome::NameNotFound | Outcome::Failed(_) | Outcome::Silent | Outcome::NotAsked(_) => Mark::Bad,
    }
}

fn routes(paper: &mut Paper, examination: &Examination) {
    if examination.routes.is_empty() {
        return;
    }
    paper.title("Route");
    for outlook in &examination.routes {
        let (mark, words) = of_outlook(outlook);
        paper.line(mark, &format!("{}  {words}", outlook.target));
    }
    for (mark, words) in of_host(&examination.host) {
        paper.line(mark, &words);
    }
}

/// The way to an address, and what is wrong with it.
pub(in crate::view) fn of_outlook(outlook: &Outlook) -> (Mark, String) {
    let (mark, trouble) = match &outlook.trouble {
        None => (Mark::Good, String::new()),
        // The way may tell the trouble already.
        Some(_) if is_told_by_the_way(&outlook.route) => (Mark::Bad, String::new()),
        Some(trouble) => (Mark::Bad, format!(": {}", of_trouble(trouble))),
    };
    (mark, format!("{}{trouble}", words::of_route(&outlook.route)))
}

fn is_told_by_the_way(route: &Route) -> bool {
    match route {
        Route::Barred(_) => true,
        Route::Through { neighbour, .. } => *neighbour == Some(Neighbour::Silent),
        Route::Own | Route::Unknown => false,
    }
}

/// What shows of this host's own packet filters.
pub(in crate::view) fn of_host(host: &HostFacts) -> Vec<(Mark, String)> {
    let mut lines = Vec::new();
    if !host.filters.is_empty() {
        let filters = host.filters.join(", ");
        let words =
            format!("packet filters are loaded on this host ({filters}); their rules need privileges to be read");
        lines.push((Mark::None, words));
    }
    if let Some((count, most)) = host.tracked.filter(|_| host.is_full()) {
        lines.push((Mark::Bad, format!("{count} of at most {most} connections are tracked on this host")));
    }
    lines
}

fn connects(paper: &mut Paper, examination: &Examination) {
    if examination.connects.is_empty() {
        return;
    }
    paper.title("TCP");
    for connects in &examination.connects {
        let (tries, opened) = (connects.tries.len(), connects.opened());
        let mark = mark_of_connects(connects);
        let loss = connects.failed() * 100 / tries.max(1);
        paper.line(mark, &format!("{}  {opened} of {tries} opened, {loss} % failed", connects.address));
        if let Some(latency) = connects.latency() {
            let (min, avg, max) = (took(latency.min), took(latency.avg), took(latency.max));
            paper.note(&format!("  min {min}, avg {avg}, max {max}, jitter {}", took(latency.jitter)));
        }
        let opened = connects.tries.iter().find_map(|dial| dial.result.as_ref().ok());
        if let Some((segment, mtu)) = opened.and_then(|opened| opened.segment.zip(opened.path_mtu)) {
            paper.note(&format!("  segments of {segment} bytes, path MTU {mtu} as far as the kernel knows"));
        }
        if connects.resent() > 0 {
            paper.line(Mark::Odd, &format!("  {} opened only after a repeated SYN", connects.resent()));
        }
        for (fault, count) in connects.faults() {
            paper.line(Mark::Bad, &format!("  {count} times {}", words::of_connect_fault(fault)));
        }
    }
}

pub(in crate::view) fn mark_of_connects(connects: &Connects) -> Mark {
    match (connects.opened(), connects.failed() + connects.resent()) {
        (0, _) => Mark::Bad,
        (_, 0) => Mark::Good,
        (_, _) => Mark::Odd,
    }
}

fn paths(paper: &mut Paper, examination: &Examination) {
    if examination.paths.is_empty() {
        return;
    }
    paper.title("Hops");
    for path in &examination.paths {
        let source = path.source.map(|source| format!(" from {source}")).unwrap_or_default();
        paper.note(&format!("to {}{source}", path.target));
        for hop in between(path) {
            paper.note(&format!("  {}", of_hop(hop)));
        }
        match (&path.tcp.end, &path.udp) {
            (end, None) => paper.line(mark_of_end(end), &format!("  {}", words::of_end(end))),
            (end, Some(udp)) => {
                paper.line(mark_of_end(end), &format!("  with SYNs: {}", words::of_end(end)));
                paper.line(mark_of_end(&udp.end), &format!("  with datagrams: {}", words::of_end(&udp.end)));
            }
        }
        mtu(paper, path);
    }
}

fn mtu(paper: &mut Paper, path: &PathFacts) {
    if let Some(mark) = mark_of_mtu(path) {
        paper.line(mark, &format!("  largest packet: {}", words::of_mtu(&path.mtu)));
    }
}

/// `None` where there is no way on which packets could be too large.
pub(in crate::view) fn mark_of_mtu(path: &PathFacts) -> Option<Mark> {
    if matches!(path.tcp.end, End::Here | End::Local(_)) {
        return None;
    }
    Some(match path.mtu {
        PathMtu::Passes(_) => Mark::Good,
        PathMtu::BlackHole { .. } => Mark::Bad,
        PathMtu::Smaller { .. } | PathMtu::Unclear => Mark::None,
    })
}

pub(in crate::view) fn mark_of_end(end: &End) -> Mark {
    match end {
        End::Here | End::Arrived(_) => Mark::Good,
        End::Refused(_) | End::Local(_) => Mark::Bad,
        End::Silent { .. } => Mark::Odd,
        End::CutShort => Mark::None,
    }
}

fn of_hop(hop: &Hop) -> String {
    let routers: Vec<String> = hop.routers().iter().map(ToString::to_string).collect();
    let who = if routers.is_empty() { "no answer".to_owned() } else { routers.join(", ") };
    let time = hop.latency().map(|latency| format!("  {}", took(latency.avg))).unwrap_or_default();
    format!("{:>2}  {who}{time}", hop.distance)
}

fn exchange(paper: &mut Paper, examination: &Examination) {
    let spec = &examination.target.probe;
    if spec.request.is_none() {
        return;
    }
    paper.title("HTTP");
    let transcript = &examination.transcript;
    if transcript.sent.is_empty() {
        let stage = examination.verdict.cause.as_ref().map_or("", |cause| cause.code.stage().as_str());
        paper.note(&format!("not asked: the probe ended in the stage {stage}"));
        return;
    }
    for line in String::from_utf8_lossy(&transcript.sent).lines().filter(|line| !line.is_empty()) {
        paper.note(&format!("> {line}"));
    }
    if transcript.received.is_empty() {
        paper.line(Mark::Bad, "not a byte came back");
    }
    let (head, body) = head_and_body(&transcript.received);
    for line in head.iter().take(MOST_LINES) {
        paper.note(&format!("< {}", String::from_utf8_lossy(line)));
    }
    if head.len() > MOST_LINES {
        paper.note(&format!("< ... and {} more lines", head.len() - MOST_LINES));
    }
    if !body.is_empty() {
        paper.note(&format!("< {}", String::from_utf8_lossy(&body[..body.len().min(FIRST_BYTES)])));
    }
    let phases = examination.verdict.evidence.phases;
    let [dns, connect, tls, first, transfer] =
        [phases.dns, phases.connect, phases.tls, phases.first_byte, phases.transfer].map(took);
    paper.note(&format!("dns {dns}, connect {connect}, tls {tls}, first byte {first}, transfer {transfer}"));
    let codes = words::of_codes(&spec.expectation.status_codes);
    let body = match spec.expectation.body.as_str() {
        "" => String::new(),
        wanted => format!(" and \"{wanted}\" in the body"),
    };
    let came = match &examination.verdict.evidence.response {
        Some(response) => format!("status {}", response.status),
        None => "no whole response".to_owned(),
    };
    paper.note(&format!("expected status {}{body}; came: {came}", codes.join(", ")));
}

/// The lines before the first empty one, and what follows it.
pub(in crate::view) fn head_and_body(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        if line.is_empty() && !lines.is_empty() {
            return (lines, rest);
        }
        lines.push(line);
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    (lines, &[])
}

fn verdict(paper: &mut Paper, examination: &Examination) {
    paper.title("Verdict");
    let status = examination.connection_status();
    let state = examination.state();
    let mark = match (state, status) {
        (State::Healthy, ConnectionStatus::Reachable) => Mark::Good,
        (State::Healthy | State::Unknown, _) => Mark::Odd,
        (State::Unhealthy, _) => Mark::Bad,
    };
    let verdict = &examination.verdict;
    let Some(cause) = &verdict.cause else {
        paper.line(mark, &format!("{}, {}", state.as_str(), status.as_str()));
        further(paper, examination);
        return;
    };
    let words = cause.words();
    paper.line(mark, &format!("{}, {}: {} ({})", state.as_str(), status.as_str(), words.title, words.code));
    paper.note(&cause.detail);
    paper.note(&format!("acts: {}", words.side.as_str()));
    let address = verdict.evidence.address;
    let remedy = Remedy::of(cause, &examination.target, address);
    for (number, step) in remedy.steps().iter().enumerate() {
        paper.note(&format!("{}. {step}", number + 1));
    }
    if let Some(command) = remedy.reproduce() {
        paper.note(&format!("shown by: {command}"));
    }
    if examination.probe_was_cut_short {
        paper.line(Mark::Odd, "the probe had less time than its own timeout; --timeout gives more to the whole check");
    }
    for also in &verdict.also {
        further_finding(paper, Mark::Bad, "also", &also.clone().into_code(), examination);
    }
    further(paper, examination);
}

fn further(paper: &mut Paper, examination: &Examination) {
    for insight in &examination.insights {
        let mark = match insight.severity {
            Severity::Error => Mark::Bad,
            Severity::Warning => Mark::Odd,
        };
        paper.line(mark, &format!("{}: {}", insight.kind.title(), insight.detail));
        paper.note(&format!("  {}: {}", insight.kind.side().as_str(), insight.kind.remedy()));
    }
    for warning in &examination.verdict.warnings {
        further_finding(paper, Mark::Odd, "warning", warning, examination);
    }
}

fn further_finding(paper: &mut Paper, mark: Mark, label: &str, finding: &Finding<Code>, examination: &Examination) {
    let words = finding.words();
    paper.line(mark, &format!("{label}: {} ({}): {}", words.title, words.code, finding.detail));
    let remedy = Remedy::of(finding, &examination.target, examination.verdict.evidence.address);
    if let Some(step) = remedy.first_step() {
        paper.note(&format!("  {step}"));
    }
}

/// Of a response's head that are shown.
pub(in crate::view) const MOST_LINES: usize = 40;

/// Of a body that are shown.
pub(in crate::view) const FIRST_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        let check = |bytes: &str, head: &[&str], body: &str| {
            let (found, rest) = head_and_body(bytes.as_bytes());
            let found: Vec<_> = found.into_iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!((found.as_slice(), std::str::from_utf8(rest).unwrap()), (head, body), "{bytes:?}");
        };
        check("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello\r\n\r\n", &["HTTP/1.1 200 OK", "A: b"], "hello\r\n\r\n");
        check("HTTP/1.1 200 OK\nA: b\n\nhello", &["HTTP/1.1 200 OK", "A: b"], "hello");
        check("HTTP/1.1 200", &["HTTP/1.1 200"], "");
        check("", &[], "");
    }
}
