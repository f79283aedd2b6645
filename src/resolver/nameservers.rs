//! The resolvers of the network, each asked through hickory over UDP, and over TCP where that answer is truncated or longer
//! than it may be.
//!
//! Every resolver has a hickory pool of its own, and the choice between their answers is ours: hickory's would let a
//! resolver that refuses hide one that answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use nix::errno::Errno;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::Unasked;
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
    /// `None`: questions go over TCP only.
    datagrams: Option<TokioResolver>,
}

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// How long a try waits; within it, a question over UDP is repeated.
    pub(super) timeout: Duration,
    /// How often a resolver that does not answer is tried.
    pub(super) tries: usize,
    pub(super) edns: Edns,
    pub(super) transport: Transport,
    pub(super) origin: Origin,
}

/// What carries the questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// UDP, and TCP for what does not fit.
    UdpFirst,
    Tcp,
}

/// Why these resolvers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Somebody names them.
    Configured,
    /// Nobody names any, so that it is the one on this host.
    Default,
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
        let datagrams = match manners.transport {
            Transport::UdpFirst => Some(client(address, manners, ConnectionConfig::udp())?),
            Transport::Tcp => None,
        };
        Ok(Self { address, manners, datagrams })
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
        let asking = self.ask_over_udp(name.clone(), kind);
        match self.manners.origin {
            Origin::Configured => asking.await,
            Origin::Default => tokio::select! {
                answer = asking => answer,
                () = refuses(self.address) => (Half::Failed(format!(
                    "no resolver is configured, and none runs on this host ({})", self.address
                )), None),
            },
        }
    }

    async fn ask_over_udp(&self, name: Name, kind: RecordType) -> (Half, Option<Lookup>) {
        let Some(datagrams) = &self.datagrams else { return self.ask_over_tcp(&name, kind, None).await };
        match datagrams.lookup(name.clone(), kind).await {
            Ok(lookup) => (found(&lookup), Some(lookup)),
            Err(NetError::Truncated) => self.ask_over_tcp(&name, kind, Some("its answer over UDP is truncated")).await,
            // Longer than it may be over UDP, without a word about that, or nonsense: what is read of it ends within a
            // record. Nonsense is not waited for once more.
            Err(NetError::Proto(_)) => {
                let why = "its answer over UDP cannot be decoded";
                match timeout(SOON, self.ask_over_tcp(&name, kind, Some(why))).await {
                    Ok(answer) => answer,
                    Err(_) => (Half::Failed(self.undecodable()), None),
                }
            }
            Err(error) => (self.explain(&name, error), None),
        }
    }

    /// Over a connection of its own: a resolver may answer the questions of one connection one after the other, and what
    /// is slow must not hold up the rest. `why` it is asked over TCP when UDP was tried first.
    async fn ask_over_tcp(&self, name: &Name, kind: RecordType, why: Option<&str>) -> (Half, Option<Lookup>) {
        let client = match client(self.address, self.manners, ConnectionConfig::tcp()) {
            Ok(client) => client,
            Err(error) => return (self.explain(name, error), None),
        };
        let mut asking = pin!(client.lookup(name.clone(), kind));
        let answer = match timeout(SOON, &mut asking).await {
            Ok(answer) => answer,
            // A connection that does not open says more than silence.
            Err(_) => match opens(self.address).await {
                Ok(()) => asking.await,
                Err(error) => Err(NetError::from(error)),
            },
        };
        let half = match answer {
            Ok(lookup) => return (found(&lookup), Some(lookup)),
            Err(NetError::Io(_) | NetError::NoConnections) => match opens(self.address).await {
                Ok(()) => Half::Failed(format!("{} closes connections over TCP without an answer", self.address)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut && why.is_none() => Half::Silent,
                Err(error) => self.explain_unasked_for(&error),
            },
            Err(error) => self.explain(name, error),
        };
        let half = match (half, why) {
            // It did answer, so that it is not silent.
            (Half::Silent, Some(why)) => Half::Failed(format!("{}: {why}, and over TCP there is none", self.address)),
            (Half::Failed(said), Some(why)) => Half::Failed(format!("{said}; {why}")),
            (half, _) => half,
        };
        (half, None)
    }

    fn undecodable(&self) -> String {
        format!("{} sent an answer that cannot be decoded", self.address)
    }

    /// What hickory's error says of the question.
    fn explain(&self, name: &Name, error: NetError) -> Half {
        let server = self.address;
        // hickory follows aliases: its last question is for the name that they lead to.
        let alias = |nothing: &NoRecords| {
            let target = nothing.query.name();
            (target != name).then(|| target.to_ascii().trim_end_matches('.').to_owned())
        };
        match error {
            NetError::Timeout => Half::Silent,
            NetError::Dns(DnsError::NoRecordsFound(nothing)) => match nothing.response_code {
                ResponseCode::NXDomain => Half::NameNotFound(alias(&nothing)),
                ResponseCode::NoError if is_referral(&nothing) => Half::Failed(format!(
                    "{server} answered with a referral, so that it does not resolve names for this host"
                )),
                ResponseCode::NoError => Half::NoData(alias(&nothing)),
                code => Half::Failed(format!("{server} answered {}", mnemonic(code))),
            },
            NetError::Dns(DnsError::ResponseCode(code)) => {
                Half::Failed(format!("{server} answered {}", mnemonic(code)))
            }
            NetError::Proto(_) => Half::Failed(self.undecodable()),
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
        match greet(self.address) {
            Ok(()) => Half::Failed(format!("{} could not be asked", self.address)),
            Err(error) => self.explain_unasked_for(&error),
        }
    }

    fn explain_unasked_for(&self, error: &io::Error) -> Half {
        let server = self.address;
        let Some(error) = error.raw_os_error().map(Errno::from_raw) else {
            return Half::Failed(format!("{server} could not be asked: {error}"));
        };
        let unasked = Unasked { server, error };
        match error {
            Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::ENOSPC
            | Errno::EADDRINUSE
            | Errno::EAGAIN => Half::Exhausted(unasked),
            Errno::ENETUNREACH
            | Errno::EHOSTUNREACH
            | Errno::ENETDOWN
            | Errno::EADDRNOTAVAIL
            | Errno::EAFNOSUPPORT
            | Errno::EPERM
            | Errno::EACCES
            | Errno::EINVAL => Half::Offline(unasked),
            _ => Half::Failed(unasked.to_string()),
        }
    }
}

fn client(address: SocketAddr, manners: Manners, mut connection: ConnectionConfig) -> Result<TokioResolver, NetError> {
    connection.port = address.port();
    let server = NameServerConfig::new(address.ip(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = manners.timeout;
    options.edns0 = manners.edns == Edns::Offered;
    // Tries are counted here, as hickory's would repeat a question that was answered with a failure.
    options.attempts = 0;
    // There is one cache, ours; the hosts file is read by us, too (hickory looks up only the first name of a search in
    // it).
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()
}

/// Whether a connection opens.
async fn opens(server: SocketAddr) -> io::Result<()> {
    match timeout(SOON, TcpStream::connect(server)).await {
        Ok(opened) => opened.map(drop),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Ends when this host says that nobody listens there, which it does at once for an address of its own.
async fn refuses(server: SocketAddr) {
    let asked = async {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        socket.connect(server).await?;
        socket.send(&[]).await?;
        socket.recv(&mut [0; 1]).await
    };
    if !asked.await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        std::future::pending::<()>().await;
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
        return Half::NoData(None);
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

/// How long an answer over TCP is waited for before the connection itself is looked at, and how long one may take to open.
const SOON: Duration = Duration::from_secs(1);
