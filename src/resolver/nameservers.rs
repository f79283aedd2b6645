//! The resolvers of the network, each asked through hickory over UDP, and over TCP where the answer is truncated.
//!
//! Every resolver has a hickory pool of its own, and the choice between their answers is ours: hickory's would let a
//! resolver that refuses hide one that answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use nix::errno::Errno;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::{Earlier, Found, Half, decisive};

/// The resolvers to ask, in order.
pub(super) struct Nameservers {
    servers: Vec<Nameserver>,
}

/// One resolver.
#[derive(Clone)]
struct Nameserver {
    address: SocketAddr,
    manners: Manners,
    client: TokioResolver,
}

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// How long a try waits; within it, a question over UDP is repeated.
    pub(super) timeout: Duration,
    /// How often a resolver that does not answer is tried.
    pub(super) tries: usize,
    pub(super) edns: Edns,
}

/// Whether to offer EDNS(0), and with it longer answers over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edns {
    Offered,
    No,
}

/// One resolver's answer to one question.
pub(super) struct Asked {
    pub(super) server: SocketAddr,
    pub(super) took: Duration,
    pub(super) half: Half,
    pub(super) lookup: Option<Lookup>,
}

impl Nameservers {
    /// # Errors
    /// What hickory has against it.
    pub(super) fn new(addresses: &[SocketAddr], manners: Manners) -> Result<Self, NetError> {
        let servers = addresses.iter().map(|&address| Nameserver::new(address, manners)).collect::<Result<_, _>>()?;
        Ok(Self { servers })
    }

    /// Nobody to ask.
    pub(super) fn none() -> Self {
        Self { servers: Vec::new() }
    }

    /// The same resolvers over new sockets: hickory lets a question wait for the answer to an equal one that is under
    /// way, although that one may be lost.
    pub(super) fn anew(&self) -> Self {
        let anew =
            |server: &Nameserver| Nameserver::new(server.address, server.manners).unwrap_or_else(|_| server.clone());
        Self { servers: self.servers.iter().map(anew).collect() }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.servers.iter().map(|server| server.address)
    }

    /// Asks each resolver by itself, all at once, each one time, and no longer than until `deadline`.
    pub(super) async fn ask_each(&self, name: &Name, kind: RecordType, deadline: Instant) -> Vec<Asked> {
        let mut under_way = JoinSet::new();
        for (index, server) in self.servers.iter().enumerate() {
            let (server, name) = (server.clone(), name.clone());
            under_way.spawn(async move {
                let begun = Instant::now();
                let asked = timeout_at(deadline, server.ask_once(name, kind)).await;
                let (half, lookup) = asked.unwrap_or((Half::Silent, None));
                (index, Asked { server: server.address, took: begun.elapsed(), half, lookup })
            });
        }
        let mut answers = under_way.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, asked)| asked).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Asks one question: the first resolver at once, the others one after the other as soon as those before them have
    /// failed or kept us waiting for a moment.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Half {
        let begun = Instant::now();
        let overdue_at = begun + OVERDUE;
        let mut next_at = begun;
        let mut asked = 0;
        let mut under_way = JoinSet::new();
        let mut answers: Vec<Option<Half>> = vec![None; self.servers.len()];
        loop {
            let earlier = if Instant::now() < overdue_at { Earlier::Awaited } else { Earlier::Overdue };
            if let Some(index) = decisive(&answers, earlier) {
                return answers.swap_remove(index).unwrap_or(Half::Silent);
            }
            match self.servers.get(asked) {
                Some(server) if under_way.is_empty() || Instant::now() >= next_at => {
                    let (server, name, index) = (server.clone(), name.clone(), asked);
                    under_way.spawn(async move { (index, server.ask(name, kind).await) });
                    asked += 1;
                    next_at = Instant::now() + MOMENT;
                }
                // Only a question that broke off can bring us here without a decision.
                None if under_way.is_empty() => return answers.into_iter().flatten().next().unwrap_or(Half::Silent),
                Some(_) | None => {}
            }
            let wake_at = if asked < self.servers.len() { next_at } else { overdue_at };
            tokio::select! {
                Some(answer) = under_way.join_next() => {
                    if let Ok((index, half)) = answer {
                        answers[index] = Some(half);
                    }
                }
                () = sleep_until(wake_at), if Instant::now() < wake_at => {}
                else => {}
            }
        }
    }
}

impl Nameserver {
    fn new(address: SocketAddr, manners: Manners) -> Result<Self, NetError> {
        let mut udp = ConnectionConfig::udp();
        udp.port = address.port();
        let mut tcp = ConnectionConfig::tcp();
        tcp.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = manners.timeout;
        options.edns0 = manners.edns == Edns::Offered;
        // Tries are counted here, as hickory's would repeat a question that was answered with a failure.
        options.attempts = 0;
        // There is one cache, ours; the hosts file is read by us, too (hickory looks up only the first name of a
        // search in it).
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.max_active_requests = MAX_QUESTIONS_PER_CONNECTION;
        Ok(Self { address, manners, client: builder.build()? })
    }

    async fn ask(&self, name: Name, kind: RecordType) -> Half {
        let mut half = Half::Silent;
        for _ in 0..self.manners.tries.max(1) {
            half = self.ask_once(name.clone(), kind).await.0;
            if half != Half::Silent {
                break;
            }
        }
        half
    }

    /// What it comes to, and the records that came.
    async fn ask_once(&self, name: Name, kind: RecordType) -> (Half, Option<Lookup>) {
        match self.client.lookup(name, kind).await {
            Ok(lookup) => (found(&lookup), Some(lookup)),
            Err(error) => (self.explain(error), None),
        }
    }

    /// What hickory's error says of the question.
    fn explain(&self, error: NetError) -> Half {
        let server = self.address;
        match error {
            NetError::Timeout => Half::Silent,
            NetError::Dns(DnsError::NoRecordsFound(nothing)) => match nothing.response_code {
                ResponseCode::NXDomain => Half::NameNotFound,
                ResponseCode::NoError if is_referral(&nothing) => Half::Failed(format!(
                    "{server} answered with a referral, so that it does not resolve names for this host"
                )),
                ResponseCode::NoError => Half::NoData,
                code => Half::Failed(format!("{server} answered {}", mnemonic(code))),
            },
            NetError::Dns(DnsError::ResponseCode(code)) => {
                Half::Failed(format!("{server} answered {}", mnemonic(code)))
            }
            NetError::Proto(_) => Half::Failed(format!("{server} sent an answer that cannot be decoded")),
            NetError::Truncated => Half::Failed(format!("{server} sent a truncated answer over TCP")),
            NetError::ForeignClassRecord { .. } | NetError::QueryCaseMismatch | NetError::Dns(_) => {
                Half::Failed(format!("{server} sent a broken answer ({error})"))
            }
            NetError::Io(_) | NetError::NoConnections => self.explain_unasked(),
            NetError::Busy => Half::Failed(format!("too many questions to {server} are under way")),
            // hickory's enum is open; what is left never was an answer.
            error => Half::Failed(format!("{server} could not be asked ({error})")),
        }
    }
}

impl Nameserver {
    /// What it means that the question could not be sent: hickory keeps the system's error to itself, so that it is
    /// provoked once more.
    fn explain_unasked(&self) -> Half {
        let server = self.address;
        let Err(error) = greet(server) else { return Half::Failed(format!("{server} could not be asked")) };
        let why = format!("{server} could not be asked: {error}");
        match error.raw_os_error().map(Errno::from_raw) {
            Some(
                Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOBUFS
                | Errno::ENOMEM
                | Errno::ENOSPC
                | Errno::EADDRINUSE
                | Errno::EAGAIN,
            ) => Half::Exhausted(why),
            Some(
                Errno::ENETUNREACH
                | Errno::EHOSTUNREACH
                | Errno::ENETDOWN
                | Errno::EADDRNOTAVAIL
                | Errno::EAFNOSUPPORT
                | Errno::EPERM
                | Errno::EACCES
                | Errno::EINVAL,
            ) => Half::Offline(why),
            Some(_) | None => Half::Failed(why),
        }
    }
}

/// Sends an empty datagram, which no resolver answers.
fn greet(server: SocketAddr) -> io::Result<()> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    socket.send(&[]).map(|_| ())
}

/// An answer that only names other servers comes from a server that does not recurse.
fn is_referral(nothing: &NoRecords) -> bool {
    nothing.ns.is_some() && nothing.soa.is_none()
}

fn found(lookup: &Lookup) -> Half {
    let records = lookup.answers();
    let mut addresses: Vec<IpAddr> = records.iter().filter_map(|record| record.data.ip_addr()).collect();
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        return Half::NoData;
    }
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
    Half::Addresses(Found { addresses, ttl: Duration::from_secs(ttl.into()) })
}

/// A response code as resolver operators know it.
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::NotAuth => "NOTAUTH".into(),
        code => format!("response code {} ({code})", u16::from(code)),
    }
}

/// How long a resolver is waited for before the next one is asked, too.
const MOMENT: Duration = Duration::from_millis(200);

/// How long the earlier resolvers may keep a later one's "no such name" from counting.
const OVERDUE: Duration = Duration::from_secs(1);

/// More addresses of one family than this are of no use to anybody.
const MAX_ADDRESSES: usize = 64;

/// Over one TCP connection; hickory fails a question above it.
const MAX_QUESTIONS_PER_CONNECTION: usize = 1024;
