//! Connects to every address several times.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::probe::{ConnectFault, Dial, dial};

/// All tries to connect to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connects {
    pub address: SocketAddr,
    /// In the order in which they began; fewer than wanted when the time was over.
    pub tries: Vec<Dial>,
}

/// How long it took to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub min: Duration,
    pub avg: Duration,
    pub max: Duration,
    /// The mean difference between one and the next.
    pub jitter: Duration,
}

impl Connects {
    #[must_use]
    pub fn opened(&self) -> usize {
        self.tries.iter().filter(|dial| dial.result.is_ok()).count()
    }

    #[must_use]
    pub fn failed(&self) -> usize {
        self.tries.len() - self.opened()
    }

    /// Connections that opened, but not at the first SYN.
    #[must_use]
    pub fn resent(&self) -> usize {
        let resent = |dial: &&Dial| dial.result.as_ref().is_ok_and(|opened| opened.resent.unwrap_or(0) > 0);
        self.tries.iter().filter(resent).count()
    }

    /// `None` when no connection opened.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        Latency::of(self.tries.iter().filter(|dial| dial.result.is_ok()).map(|dial| dial.took))
    }

    /// How the tries failed, each way with how often, in the order in which they came.
    #[must_use]
    pub fn faults(&self) -> Vec<(&ConnectFault, usize)> {
        let mut faults: Vec<(&ConnectFault, usize)> = Vec::new();
        for fault in self.tries.iter().filter_map(|dial| dial.result.as_ref().err()) {
            match faults.iter_mut().find(|(known, _)| *known == fault) {
                Some((_, count)) => *count += 1,
                None => faults.push((fault, 1)),
            }
        }
        faults
    }
}

impl Latency {
    /// `None` of nothing.
    #[must_use]
    pub fn of(durations: impl Iterator<Item = Duration>) -> Option<Self> {
        let all: Vec<Duration> = durations.collect();
        let count = u32::try_from(all.len()).ok().filter(|count| *count > 0)?;
        let steps = all.windows(2).map(|pair| pair[0].abs_diff(pair[1])).sum::<Duration>();
        Some(Self {
            min: all.iter().min().copied()?,
            avg: all.iter().sum::<Duration>() / count,
            max: all.iter().max().copied()?,
            jitter: steps / (count - 1).max(1),
        })
    }
}

/// All addresses at once, the tries to each one after the other.
pub(super) async fn to_each(addresses: &[IpAddr], port: u16, tries: u32, deadline: Instant) -> Vec<Connects> {
    let mut under_way = JoinSet::new();
    for (index, address) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*address, port);
        under_way.spawn(async move { (index, Connects { address, tries: to_one(address, tries, deadline).await }) });
    }
    let mut done = under_way.join_all().await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, connects)| connects).collect()
}

/// One try after the other, a moment apart whether or not the one before has ended: silence takes no longer than a few
/// seconds in all, and a small server that takes its connections one at a time is not what our own tries overrun.
async fn to_one(address: SocketAddr, tries: u32, deadline: Instant) -> Vec<Dial> {
    let mut under_way = JoinSet::new();
    let mut done = Vec::new();
    // Fewer tries tell less than tries that are closer together.
    let moment = MOMENT.min(deadline.saturating_duration_since(Instant::now()) / tries.max(1));
    for number in 0..tries {
        let patience = PATIENCE.min(deadline.saturating_duration_since(Instant::now()));
        if patience < SHORTEST && number > 0 {
            break;
        }
        under_way.spawn(async move { (number, dial(address, patience.max(SHORTEST)).await) });
        if number + 1 < tries {
            tokio::time::sleep(moment).await;
        }
        while let Some(Ok(ended)) = under_way.try_join_next() {
            done.push(ended);
        }
    }
    done.extend(under_way.join_all().await);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, dial)| dial).collect()
}

/// Longer than a router asks in vain for a neighbour, and than the first two SYNs may get lost.
const PATIENCE: Duration = Duration::from_millis(3_500);

/// Between two tries; a queue of five connections (`listen(5)`) outlasts a server that needs three times as long for each.
const MOMENT: Duration = Duration::from_millis(200);

const SHORTEST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    /// `each`: how long a connection keeps the server.
    fn one_at_a_time(queue: i32, each: Duration) -> SocketAddr {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(queue).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        std::thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                std::thread::sleep(each);
                drop(connection);
            }
        });
        address
    }

    #[tokio::test]
    async fn the_short_queue_of_a_small_server_is_not_overrun_by_our_own_tries() {
        for (queue, each) in [(5, 300), (5, 150), (1, 150)] {
            let address = one_at_a_time(queue, Duration::from_millis(each));
            let deadline = Instant::now() + Duration::from_secs(10);
            let all = to_each(&[address.ip()], address.port(), 10, deadline).await;
            assert_eq!((all[0].opened(), all[0].failed(), all[0].resent()), (10, 0, 0), "{queue}, {each} ms: {all:?}");
        }
    }

    #[test]
    fn latency_is_told_of_what_opened() {
        let of = |milliseconds: &[u64]| Latency::of(milliseconds.iter().copied().map(Duration::from_millis));
        let told = |min, avg, max, jitter| {
            let [min, avg, max, jitter] = [min, avg, max, jitter].map(Duration::from_millis);
            Some(Latency { min, avg, max, jitter })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), told(7, 7, 7, 0));
        assert_eq!(
            of(&[1, 3, 2]),
            told(1, 2, 3, 1).map(|mut latency| {
                latency.jitter = Duration::from_micros(1_500);
                latency
            })
        );
    }
}
