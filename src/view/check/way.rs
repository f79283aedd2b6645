//! The way to the server: names, routes, connections, hops.

use super::hops::between;
use super::section::{Block, Cell, Mark, Section};
use super::{counted, listed, words};
use crate::troubleshoot::{
    Connects, End, Examination, Hop, HostFacts, Neighbour, Outcome, Outlook, PathFacts, PathMtu, Route, Survey,
};
use crate::verdict::of_trouble;
use crate::words::{span, took};

/// `None` of a server that is an address.
pub(super) fn names(examination: &Examination) -> Option<Section> {
    let survey = examination.names.as_ref()?;
    let addresses = &examination.addresses;
    let (mark, outcome) = match (addresses.len(), examination.is_stale) {
        (0, _) => (Mark::Bad, "no address".to_owned()),
        (_, true) => (Mark::Odd, "the lookup fails; remembered addresses are in use".to_owned()),
        (_, false) => {
            let v4 = addresses.iter().filter(|address| address.is_ipv4()).count();
            let families =
                [(v4, "IPv4 address", "IPv4 addresses"), (addresses.len() - v4, "IPv6 address", "IPv6 addresses")];
            let families = families.into_iter().filter(|(count, ..)| *count > 0);
            let families: Vec<String> = families.map(|(count, one, several)| counted(count, one, several)).collect();
            (Mark::Good, families.join(" and "))
        }
    };
    Some(Section { id: "dns", title: "DNS", mark, outcome, blocks: answers(examination, survey) })
}

fn answers(examination: &Examination, survey: &Survey) -> Vec<Block> {
    if let Some(hosts) = &survey.hosts {
        let localhost = examination.target.server.trim_end_matches('.').ends_with("localhost");
        let by = if localhost { "localhost" } else { "hosts file" };
        let words = format!("known without a resolver ({by}): {}", listed(hosts));
        return vec![Block::lines(vec![Cell::new(Mark::Good, words)])];
    }
    let mut lines = vec![Cell::from("not in the hosts file")];
    if survey.resolvers.is_empty() {
        lines = vec![Cell::new(Mark::Bad, "no resolver is configured, and the hosts file does not have the name")];
    }
    if !survey.search.is_empty() {
        lines.push(Cell::from(format!("search domains: {} (ndots {})", survey.search.join(" "), survey.ndots)));
    }
    if let Some((remembered, age)) = survey.last_known_good.as_ref().filter(|_| examination.is_stale) {
        let words = format!("the last good answer is used, {} old: {}", span(*age), listed(remembered));
        lines.push(Cell::new(Mark::Odd, words));
    }
    let rows = survey.answers.iter().map(|answer| {
        let mut records = words::of_outcome(answer);
        let first = if records.is_empty() { String::new() } else { records.remove(0) };
        let answered = Cell::new(mark_of(&answer.outcome), first).and(records);
        vec![
            answer.resolver.into(),
            answer.name.as_str().into(),
            answer.question.as_str().into(),
            answered,
            took(answer.took).into(),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let mut blocks = vec![Block::lines(lines)];
    if !rows.is_empty() {
        blocks.push(Block::table("What each resolver says", &["Resolver", "Name", "Record", "Answer", "Took"], rows));
    }
    blocks
}

fn mark_of(outcome: &Outcome) -> Mark {
    match outcome {
        Outcome::Records(_) => Mark::Good,
        // One family is enough.
        Outcome::NoData => Mark::None,
        Outcome::NameNotFound | Outcome::Failed(_) | Outcome::Silent | Outcome::NotAsked(_) => Mark::Bad,
    }
}

/// `None` when there is no address.
pub(super) fn routes(examination: &Examination) -> Option<Section> {
    let routes = &examination.routes;
    let ways: Vec<Cell> = routes.iter().map(of_outlook).collect();
    let mark = Mark::worst(ways.iter().map(|way| way.mark));
    let outcome = match ways.as_slice() {
        [] => return None,
        [way] => way.text.clone(),
        _ if mark == Mark::Good => "every address has one".to_owned(),
        _ => "not every address can be reached from here".to_owned(),
    };
    let rows = routes.iter().zip(ways).map(|(outlook, way)| vec![outlook.target.into(), way]).collect();
    let blocks = vec![
        Block::table("What this host's kernel chooses", &["Address", "Way"], rows),
        Block::lines(of_host(&examination.host)),
    ];
    Some(Section { id: "route", title: "Route", mark, outcome, blocks })
}

/// The way to an address, and what is wrong with it.
fn of_outlook(outlook: &Outlook) -> Cell {
    let way = words::of_route(&outlook.route);
    match &outlook.trouble {
        None => Cell::new(Mark::Good, way),
        // The way may tell the trouble already.
        Some(_) if is_told_by_the_way(&outlook.route) => Cell::new(Mark::Bad, way),
        Some(trouble) => Cell::new(Mark::Bad, format!("{way}: {}", of_trouble(trouble))),
    }
}

fn is_told_by_the_way(route: &Route) -> bool {
    match route {
        Route::Barred(_) => true,
        Route::Through { neighbour, .. } => *neighbour == Some(Neighbour::Silent),
        Route::Own | Route::Unknown => false,
    }
}

/// What shows of this host's own packet filters.
fn of_host(host: &HostFacts) -> Vec<Cell> {
    let mut lines = Vec::new();
    if !host.filters.is_empty() {
        let filters = host.filters.join(", ");
        lines.push(Cell::from(format!(
            "packet filters are loaded on this host ({filters}); their rules need privileges to be read"
        )));
    }
    if let Some((count, most)) = host.tracked.filter(|_| host.is_full()) {
        let words = format!("{count} of at most {most} connections are tracked on this host");
        lines.push(Cell::new(Mark::Bad, words));
    }
    lines
}

pub(super) fn connects(examination: &Examination) -> Section {
    let all = &examination.connects;
    let (id, title) = ("tcp", "TCP");
    if all.is_empty() {
        let blocks = vec![Block::lines(vec![Cell::from("There was no address to connect to.")])];
        return Section { id, title, mark: Mark::None, outcome: "not reached".to_owned(), blocks };
    }
    let tries: usize = all.iter().map(|connects| connects.tries.len()).sum();
    let opened: usize = all.iter().map(Connects::opened).sum();
    let mark = match Mark::worst(all.iter().map(mark_of_connects)) {
        // One address that opens is enough for clients that try them all.
        Mark::Bad if opened > 0 => Mark::Odd,
        mark => mark,
    };
    let outcome = format!("{opened} of {} opened", counted(tries, "connection", "connections"));
    let columns = ["Address", "Opened", "Failed", "Min", "Avg", "Max", "Jitter", "How it went"];
    let table = Block::table("Connections to each address", &columns, all.iter().map(of_address).collect());
    Section { id, title, mark, outcome, blocks: vec![table] }
}

fn of_address(connects: &Connects) -> Vec<Cell> {
    let (tries, opened) = (connects.tries.len(), connects.opened());
    let times = match connects.latency() {
        Some(latency) => [latency.min, latency.avg, latency.max, latency.jitter].map(|part| took(part).to_string()),
        None => [(); 4].map(|()| "–".to_owned()),
    };
    let faults = connects
        .faults()
        .into_iter()
        .map(|(fault, count)| format!("{}: {}", counted(count, "time", "times"), words::of_connect_fault(fault)));
    let mut how: Vec<String> = faults.collect();
    if connects.resent() > 0 {
        how.push(format!("{} opened only after a repeated SYN", connects.resent()));
    }
    let first = connects.tries.iter().find_map(|dial| dial.result.as_ref().ok());
    if let Some((segment, mtu)) = first.and_then(|opened| opened.segment.zip(opened.path_mtu)) {
        how.push(format!("segments of {segment} bytes, path MTU {mtu} as far as the kernel knows"));
    }
    let reachable = if opened > 0 { "reachable" } else { "not reachable" };
    let loss = connects.failed() * 100 / tries.max(1);
    let mut row = vec![connects.address.into(), format!("{opened} of {tries}").into(), format!("{loss} %").into()];
    row.extend(times.map(Cell::from));
    row.push(Cell::new(mark_of_connects(connects), reachable).and(how));
    row
}

fn mark_of_connects(connects: &Connects) -> Mark {
    match (connects.opened(), connects.failed() + connects.resent()) {
        (0, _) => Mark::Bad,
        (_, 0) => Mark::Good,
        (_, _) => Mark::Odd,
    }
}

/// `None` when nobody looked.
pub(super) fn hops(examination: &Examination) -> Option<Section> {
    let paths = &examination.paths;
    let mark = |path: &PathFacts| {
        let ends = std::iter::once(&path.tcp).chain(&path.udp).map(|trace| mark_of_end(&trace.end));
        Mark::worst(ends.chain(mark_of_mtu(path)))
    };
    let outcome = match paths.as_slice() {
        [] => return None,
        [path] => words::of_end(&path.tcp.end),
        paths => format!("to {} addresses", paths.len()),
    };
    // What the heading says already.
    let is_told = paths.len() == 1 && paths.iter().all(|path| path.tcp.end == End::Here);
    let blocks = if is_told { Vec::new() } else { paths.iter().flat_map(of_path).collect() };
    Some(Section { id: "path", title: "Hops", mark: Mark::worst(paths.iter().map(mark)), outcome, blocks })
}

fn of_path(path: &PathFacts) -> Vec<Block> {
    let from = path.source.map(|source| format!(" from {source}")).unwrap_or_default();
    let rows: Vec<Vec<Cell>> = between(path).into_iter().map(of_hop).collect();
    let mut lines = match &path.udp {
        None => vec![Cell::new(mark_of_end(&path.tcp.end), words::of_end(&path.tcp.end))],
        Some(udp) => [("SYNs", &path.tcp.end), ("datagrams", &udp.end)]
            .map(|(what, end)| Cell::new(mark_of_end(end), format!("with {what}: {}", words::of_end(end))))
            .to_vec(),
    };
    if let Some(mark) = mark_of_mtu(path) {
        lines.push(Cell::new(mark, format!("largest packet: {}", words::of_mtu(&path.mtu))));
    }
    let title = format!("To {}{from}", path.target);
    if rows.is_empty() {
        return vec![Block { title: Some(title), ..Block::lines(lines) }];
    }
    vec![Block::table(title, &["Hop", "Router", "Average"], rows), Block::lines(lines)]
}

fn of_hop(hop: &Hop) -> Vec<Cell> {
    let routers = hop.routers();
    let who = if routers.is_empty() { "no answer".to_owned() } else { listed(&routers) };
    let average = hop.latency().map_or_else(|| "–".to_owned(), |latency| took(latency.avg).to_string());
    vec![hop.distance.into(), who.into(), average.into()]
}

/// `None` where there is no way on which packets could be too large.
fn mark_of_mtu(path: &PathFacts) -> Option<Mark> {
    if matches!(path.tcp.end, End::Here | End::Local(_)) {
        return None;
    }
    Some(match path.mtu {
        PathMtu::Passes(_) => Mark::Good,
        PathMtu::BlackHole { .. } => Mark::Bad,
        PathMtu::Smaller { .. } | PathMtu::Unclear => Mark::None,
    })
}

fn mark_of_end(end: &End) -> Mark {
    match end {
        End::Here | End::Arrived(_) => Mark::Good,
        End::Refused(_) | End::Local(_) => Mark::Bad,
        End::Silent { .. } => Mark::Odd,
        End::CutShort => Mark::None,
    }
}
