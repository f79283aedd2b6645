//! The hops on the way to an address, found with packets that may pass only so many routers, and the largest packet that
//! comes through. Needs no privileges; where kernel or network give nothing, that is the finding.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Latency;
use crate::probe::{
    HopAnswer, IcmpReason, LocalFault, LocalNetworkFault, Outlook, Over, Passage, Route, Said, hop, packet,
};

/// The way to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFacts {
    pub target: SocketAddr,
    /// Ours, on this way.
    pub source: Option<IpAddr>,
    /// With SYNs to the very port.
    pub tcp: Trace,
    /// With datagrams, where the SYNs got no answer.
    pub udp: Option<Trace>,
    pub mtu: PathMtu,
}

/// One kind of packet sent towards an address, each to come one router further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// From the nearest one on; of datagrams from the first one that the SYNs left out.
    pub hops: Vec<Hop>,
    pub end: End,
}

/// What answers at one distance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// From 1.
    pub distance: u8,
    pub answers: Vec<HopAnswer>,
}

/// How a trace ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The address is this host's own: there is no way.
    Here,
    /// The target itself answers: how.
    Arrived(&'static str),
    /// Somebody refuses to bring it further.
    Refused(IcmpReason),
    /// Nothing comes back from behind this distance; 0: nothing at all.
    Silent { last: u8 },
    /// It does not leave this host.
    Local(LocalFault),
    /// The time was over, or it goes on for ever.
    CutShort,
}

/// The largest packet that comes through, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMtu {
    /// As large as this host's own network has them.
    Passes(u32),
    /// A router needs smaller ones, and says so, as it must.
    Smaller { mtu: u32, from: Option<IpAddr> },
    /// Packets of this size vanish without a word, and small ones pass.
    BlackHole { size: u32 },
    /// The target does not answer what it takes to know.
    Unclear,
}

impl Hop {
    /// Everybody who answered there.
    #[must_use]
    pub fn routers(&self) -> Vec<IpAddr> {
        let mut routers = Vec::new();
        for answer in &self.answers {
            if let Said::Passing(from) | Said::Refused(IcmpReason { from: Some(from), .. }) = answer.said
                && !routers.contains(&from)
            {
                routers.push(from);
            }
        }
        routers
    }

    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        let answered = self.answers.iter().filter(|answer| !matches!(answer.said, Said::Nothing | Said::Local(_)));
        Latency::of(answered.map(|answer| answer.took))
    }

    /// The target itself answers here.
    #[must_use]
    pub fn arrives(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer.said, Said::Arrived(_)))
    }

    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.answers.iter().all(|answer| answer.said == Said::Nothing)
    }

    /// What ends the trace here.
    fn end(&self) -> Option<End> {
        self.answers.iter().find_map(|answer| match &answer.said {
            Said::Arrived(how) => Some(End::Arrived(how)),
            Said::Refused(reason) => Some(End::Refused(*reason)),
            Said::Local(fault) => Some(End::Local(fault.clone())),
            Said::Nothing | Said::Passing(_) => None,
        })
    }
}

/// The first address of each family at the same time.
pub(super) async fn to_first_of_each_family(routes: &[Outlook], port: u16, deadline: Instant) -> Vec<PathFacts> {
    let mut firsts: Vec<&Outlook> = Vec::new();
    for outlook in routes {
        if firsts.iter().all(|first| first.target.is_ipv4() != outlook.target.is_ipv4()) {
            firsts.push(outlook);
        }
    }
    let mut under_way = JoinSet::new();
    for (index, outlook) in firsts.into_iter().enumerate() {
        let outlook = outlook.clone();
        under_way.spawn(async move { (index, to(&outlook, port, deadline).await) });
    }
    let mut done = under_way.join_all().await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, path)| path).collect()
}

async fn to(outlook: &Outlook, port: u16, deadline: Instant) -> PathFacts {
    let target = SocketAddr::new(outlook.target, port);
    let ended = |end| PathFacts {
        target,
        source: None,
        tcp: Trace { hops: Vec::new(), end },
        udp: None,
        mtu: PathMtu::Unclear,
    };
    let source = match &outlook.route {
        Route::Own => return ended(End::Here),
        Route::Barred(bar) => return ended(End::Local(LocalFault::Network(LocalNetworkFault::Barred(*bar)))),
        Route::Through { source, .. } => *source,
        Route::Unknown => None,
    };
    let (tcp, mtu) = tokio::join!(trace(target, Over::Tcp, 1, deadline), path_mtu(outlook, deadline));
    let udp = match &tcp.end {
        End::Silent { last } => Some(trace(target, Over::Udp, last + 1, deadline).await),
        End::Here | End::Arrived(_) | End::Refused(_) | End::Local(_) | End::CutShort => None,
    };
    PathFacts { target, source, tcp, udp, mtu }
}

/// A few distances at a time, until something ends it.
async fn trace(target: SocketAddr, over: Over, from: u8, deadline: Instant) -> Trace {
    let mut hops: Vec<Hop> = Vec::new();
    let mut next = from;
    while next <= MOST_HOPS {
        if Instant::now() >= deadline {
            return Trace { hops, end: End::CutShort };
        }
        let mut under_way = JoinSet::new();
        for distance in next..next + AT_A_TIME {
            under_way.spawn(at(target, over, distance, deadline));
        }
        let mut found = under_way.join_all().await;
        found.sort_by_key(|hop| hop.distance);
        for hop in found {
            let end = hop.end();
            hops.push(hop);
            if let Some(end) = end {
                return nearer(target, over, Trace { hops, end }, deadline).await;
            }
        }
        next += AT_A_TIME;
        let heard = hops.iter().rposition(|hop| !hop.is_silent());
        let silent = hops.len() - heard.map_or(0, |index| index + 1);
        if silent >= ENOUGH_SILENCE {
            let last = heard.map_or(from - 1, |index| hops[index].distance);
            hops.truncate(hops.len() - silent);
            return further(target, over, hops, last, deadline).await;
        }
    }
    Trace { hops, end: End::CutShort }
}

/// After silence: who only answers once a second is given that second.
async fn further(target: SocketAddr, over: Over, mut hops: Vec<Hop>, mut last: u8, deadline: Instant) -> Trace {
    while last < MOST_HOPS && deadline.saturating_duration_since(Instant::now()) > A_SECOND + PATIENCE {
        tokio::time::sleep(A_SECOND).await;
        let found = Hop { distance: last + 1, answers: vec![hop(target, over, last + 1, PATIENCE).await] };
        if found.is_silent() {
            break;
        }
        last += 1;
        let end = found.end();
        hops.push(found);
        if let Some(end) = end {
            return Trace { hops, end };
        }
    }
    Trace { hops, end: End::Silent { last } }
}

/// A router that refuses does so only once a second, as a rule: the distances right before it that were silent are asked
/// again, for it may be nearer.
async fn nearer(target: SocketAddr, over: Over, mut trace: Trace, deadline: Instant) -> Trace {
    if !matches!(trace.end, End::Refused(_)) {
        return trace;
    }
    let silent = trace.hops.iter().rev().skip(1).take_while(|hop| hop.is_silent()).count();
    for index in trace.hops.len() - 1 - silent..trace.hops.len() - 1 {
        if deadline.saturating_duration_since(Instant::now()) < A_SECOND + PATIENCE {
            break;
        }
        tokio::time::sleep(A_SECOND).await;
        let distance = trace.hops[index].distance;
        let hop = Hop { distance, answers: vec![hop(target, over, distance, PATIENCE).await] };
        if let Some(end) = hop.end() {
            trace.hops.truncate(index);
            trace.hops.push(hop);
            return Trace { hops: trace.hops, end };
        }
        if !hop.is_silent() {
            trace.hops[index] = hop;
        }
    }
    trace
}

/// Three answers from who answers, two tries with who does not.
async fn at(target: SocketAddr, over: Over, distance: u8, deadline: Instant) -> Hop {
    let mut answers = Vec::new();
    let mut silent = 0;
    while answers.len() < ANSWERS && silent < SILENT_TRIES {
        let patience = PATIENCE.min(deadline.saturating_duration_since(Instant::now()));
        if patience < SHORTEST {
            break;
        }
        let answer = hop(target, over, distance, patience).await;
        let goes_on = matches!(answer.said, Said::Nothing | Said::Passing(_));
        silent += usize::from(answer.said == Said::Nothing);
        answers.push(answer);
        // One more connection to the target itself would tell nothing new.
        if !goes_on {
            break;
        }
    }
    Hop { distance, answers }
}

async fn path_mtu(outlook: &Outlook, deadline: Instant) -> PathMtu {
    let Some(mut size) = outlook.route.mtu().filter(|mtu| *mtu > SMALL && *mtu <= LARGEST) else {
        return PathMtu::Unclear;
    };
    let send = async |size: u32| {
        let patience = PATIENCE.min(deadline.saturating_duration_since(Instant::now()));
        packet(outlook.target, size, patience).await
    };
    let mut told_by = None;
    for _ in 0..MOST_NARROWINGS {
        match send(size).await {
            Passage::TooBig { fits, from } if (SMALL..size).contains(&fits) => {
                told_by = from;
                size = fits;
            }
            Passage::Passed if told_by.is_none() => return PathMtu::Passes(size),
            Passage::Passed => break,
            Passage::TooBig { .. } | Passage::Unclear => return PathMtu::Unclear,
            Passage::Lost => {
                // Some answer only so many a second, and some not at all: a small packet must come through before and
                // after each large one that does not.
                for _ in 0..2 {
                    if send(SMALL).await != Passage::Passed || send(size).await != Passage::Lost {
                        return told_by
                            .map_or(PathMtu::Unclear, |from| PathMtu::Smaller { mtu: size, from: Some(from) });
                    }
                }
                let passes = send(SMALL).await == Passage::Passed;
                return if passes { PathMtu::BlackHole { size } } else { PathMtu::Unclear };
            }
        }
    }
    PathMtu::Smaller { mtu: size, from: told_by }
}

const MOST_HOPS: u8 = 30;

const AT_A_TIME: u8 = 6;

/// After so many distances in a row without an answer nobody goes on.
const ENOUGH_SILENCE: usize = 4;

const ANSWERS: usize = 3;

const SILENT_TRIES: usize = 2;

const PATIENCE: Duration = Duration::from_millis(600);

const SHORTEST: Duration = Duration::from_millis(20);

/// And a little.
const A_SECOND: Duration = Duration::from_millis(1_050);

/// In bytes: what passes everywhere.
const SMALL: u32 = 256;

/// In bytes: more than this is no network but this host itself.
const LARGEST: u32 = 9_600;

const MOST_NARROWINGS: usize = 5;
