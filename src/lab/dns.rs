//! A small real name server on the loopback: answers, fails, stays silent or sends nonsense, name by name, as told.
//!
//! Speaks UDP and TCP on one port, for A, AAAA and the aliases on the way to them; everything else has no data.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What a name is answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To each question those of its family; without one of them: no data. `ttl` in seconds.
    Addresses { addresses: Vec<IpAddr>, ttl: u32 },
    /// CNAME to another name, with that name's answer if it is in the zone. `ttl` in seconds.
    Alias { target: String, ttl: u32 },
    /// NXDOMAIN.
    NameNotFound,
    /// The name exists, without a record of the type asked for.
    NoData,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// NOTIMP.
    NotImplemented,
    /// Nothing is ever sent.
    Silent,
    /// The right header, then bytes that are no message.
    Garbage,
    /// Over UDP only the sign that the answer is truncated, over TCP this answer.
    Truncated(Box<Answer>),
    /// Over UDP the whole of this answer, longer than it may be, and no sign of that.
    Oversized(Box<Answer>),
    /// Over UDP one answer, over TCP another.
    Transports { udp: Box<Answer>, tcp: Box<Answer> },
    /// The questions for A and for AAAA, each with its own answer.
    Halves { a: Box<Answer>, aaaa: Box<Answer> },
    /// This answer, but late.
    Delayed { by: Duration, answer: Box<Answer> },
}

impl Answer {
    /// These addresses; `ttl` in seconds.
    #[must_use]
    pub fn addresses<A: Into<IpAddr>>(addresses: impl IntoIterator<Item = A>, ttl: u32) -> Self {
        Self::Addresses { addresses: addresses.into_iter().map(Into::into).collect(), ttl }
    }

    /// CNAME to `target`; `ttl` in seconds.
    #[must_use]
    pub fn alias(target: &str, ttl: u32) -> Self {
        Self::Alias { target: target.to_owned(), ttl }
    }

    /// This answer, truncated over UDP.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self::Truncated(Box::new(self))
    }

    /// This answer, whole over UDP however long it is.
    #[must_use]
    pub fn oversized(self) -> Self {
        Self::Oversized(Box::new(self))
    }

    /// `udp` over UDP, `tcp` over TCP.
    #[must_use]
    pub fn transports(udp: Self, tcp: Self) -> Self {
        Self::Transports { udp: Box::new(udp), tcp: Box::new(tcp) }
    }

    /// `a` to the question for A, `aaaa` to the one for AAAA.
    #[must_use]
    pub fn halves(a: Self, aaaa: Self) -> Self {
        Self::Halves { a: Box::new(a), aaaa: Box::new(aaaa) }
    }

    /// This answer, later.
    #[must_use]
    pub fn delayed(self, by: Duration) -> Self {
        Self::Delayed { by, answer: Box::new(self) }
    }
}

/// Answers by name; names in any case, without the final dot. A name that is not in it does not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    answers: HashMap<String, Answer>,
}

impl Zone {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name.
    #[must_use]
    pub fn with(mut self, name: &str, answer: Answer) -> Self {
        self.answers.insert(key(name), answer);
        self
    }
}

impl<const N: usize> From<[(&str, Answer); N]> for Zone {
    fn from(answers: [(&str, Answer); N]) -> Self {
        Self { answers: answers.into_iter().map(|(name, answer)| (key(name), answer)).collect() }
    }
}

/// A running name server; dropping it closes its sockets.
#[derive(Debug)]
pub struct Nameserver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    zone: Zone,
    /// Questions that came in, by name.
    questions: HashMap<String, u64>,
}

impl Nameserver {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free for both UDP and TCP.
    pub async fn start(zone: Zone) -> io::Result<Self> {
        let (udp, tcp) = bind().await?;
        Self::serve(zone, udp, Some(tcp))
    }

    /// As [`Self::start`], but nobody listens over TCP.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_without_tcp(zone: Zone) -> io::Result<Self> {
        let (udp, _) = bind().await?;
        Self::serve(zone, udp, None)
    }

    /// As [`Self::start`], at this address.
    ///
    /// # Errors
    /// When its port is taken.
    pub async fn start_at(address: SocketAddr, zone: Zone) -> io::Result<Self> {
        Self::serve(zone, UdpSocket::bind(address).await?, Some(TcpListener::bind(address).await?))
    }

    fn serve(zone: Zone, udp: UdpSocket, tcp: Option<TcpListener>) -> io::Result<Self> {
        let address = udp.local_addr()?;
        let state = Arc::new(Mutex::new(State { zone, questions: HashMap::new() }));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(Arc::new(udp), state.clone()));
        if let Some(tcp) = tcp {
            tasks.spawn(serve_tcp(tcp, state.clone()));
        }
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the answer for `name`, from the next question on.
    pub fn set(&self, name: &str, answer: Answer) {
        lock(&self.state).zone.answers.insert(key(name), answer);
    }

    /// How many questions for `name` came in, of any type and over any transport.
    #[must_use]
    pub fn questions(&self, name: &str) -> u64 {
        lock(&self.state).questions.get(&key(name)).copied().unwrap_or(0)
    }
}

/// One port for both; the one that UDP was given may be taken over TCP.
async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == BIND_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, state: Arc<Mutex<State>>) {
    let mut late = JoinSet::new();
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        // An error here is about an earlier datagram that could not be delivered, not about the socket.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(reply) = reply(&state, &buffer[..length], Transport::Udp) else { continue };
        while late.try_join_next().is_some() {}
        if late.len() < MAX_LATE {
            let socket = socket.clone();
            late.spawn(async move {
                sleep(reply.after).await;
                // Who does not listen any more misses the answer.
                let _ = socket.send_to(&reply.bytes, peer).await;
            });
        }
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: the next one may find some.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if connections.len() < MAX_CONNECTIONS {
            connections.spawn(timeout(CONNECTION_LIFETIME, converse(stream, state.clone())));
        }
    }
}

/// Messages over TCP have their length in front (RFC 1035, section 4.2.2).
async fn converse(mut stream: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let length = stream.read_u16().await?;
        buffer.resize(length.into(), 0);
        stream.read_exact(&mut buffer).await?;
        let Some(reply) = reply(&state, &buffer, Transport::Tcp) else { continue };
        let Ok(length) = u16::try_from(reply.bytes.len()) else { continue };
        sleep(reply.after).await;
        stream.write_all(&[&length.to_be_bytes()[..], &reply.bytes].concat()).await?;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

struct Reply {
    after: Duration,
    bytes: Vec<u8>,
}

/// What a message is answered with; none: with nothing.
fn reply(state: &Mutex<State>, request: &[u8], transport: Transport) -> Option<Reply> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?.clone();
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    if request.edns.is_some() {
        response.set_edns(Edns::new());
    }
    let mut room = match transport {
        Transport::Udp => usize::from(request.max_payload()).max(MAX_PLAIN_UDP),
        Transport::Tcp => usize::from(u16::MAX),
    };
    let mut after = Duration::ZERO;
    let told = if request.metadata.op_code == OpCode::Query {
        let mut state = lock(state);
        state.count(&key(&query.name().to_ascii()));
        tell(&state.zone, query.name(), query.query_type(), transport, &mut response, (&mut after, &mut room))
    } else {
        response.metadata.response_code = ResponseCode::NotImp;
        Told::Message
    };
    let bytes = match told {
        Told::Nothing => return None,
        Told::Message => response.to_vec().ok()?,
        Told::Truncated => response.truncate().to_vec().ok()?,
        Told::Garbage => {
            let mut bytes = response.truncate().to_vec().ok()?;
            // One question is announced, and what follows is a label that runs past the end.
            bytes.truncate(HEADER);
            bytes.extend_from_slice(&[0x3f, 0xff, 0xff]);
            bytes
        }
    };
    let bytes = if bytes.len() > room { response.truncate().to_vec().ok()? } else { bytes };
    Some(Reply { after, bytes })
}

/// What [`tell`] made of the response.
enum Told {
    Message,
    Truncated,
    Garbage,
    Nothing,
}

/// Writes the zone's answer into `response`, and how late it is to be and how long it may be.
fn tell(
    zone: &Zone,
    name: &Name,
    kind: RecordType,
    transport: Transport,
    response: &mut Message,
    (after, room): (&mut Duration, &mut usize),
) -> Told {
    let mut name = name.clone();
    let mut answer = zone.answers.get(&key(&name.to_ascii())).unwrap_or(&Answer::NameNotFound);
    for _ in 0..MAX_STEPS {
        let code = match answer {
            Answer::Addresses { addresses, ttl } => {
                for &address in addresses {
                    let data = RData::from(address);
                    if data.record_type() == kind {
                        response.add_answer(Record::from_rdata(name.clone(), *ttl, data));
                    }
                }
                ResponseCode::NoError
            }
            Answer::Alias { target, ttl } => {
                let Ok(mut target) = Name::from_str(target) else { return Told::Nothing };
                target.set_fqdn(true);
                response.add_answer(Record::from_rdata(name, *ttl, RData::CNAME(CNAME(target.clone()))));
                answer = zone.answers.get(&key(&target.to_ascii())).unwrap_or(&Answer::NameNotFound);
                name = target;
                continue;
            }
            Answer::NameNotFound => ResponseCode::NXDomain,
            Answer::NoData => ResponseCode::NoError,
            Answer::ServerFailure => ResponseCode::ServFail,
            Answer::Refused => ResponseCode::Refused,
            Answer::NotImplemented => ResponseCode::NotImp,
            Answer::Silent => return Told::Nothing,
            Answer::Garbage => return Told::Garbage,
            Answer::Truncated(whole) => {
                if transport == Transport::Udp {
                    return Told::Truncated;
                }
                answer = whole;
                continue;
            }
            Answer::Oversized(whole) => {
                *room = usize::from(u16::MAX);
                answer = whole;
                continue;
            }
            Answer::Transports { udp, tcp } => {
                answer = if transport == Transport::Udp { udp } else { tcp };
                continue;
            }
            Answer::Halves { a, aaaa } => {
                answer = if kind == RecordType::AAAA { aaaa } else { a };
                continue;
            }
            Answer::Delayed { by, answer: then } => {
                *after += *by;
                answer = then;
                continue;
            }
        };
        response.metadata.response_code = code;
        return Told::Message;
    }
    // A chain without an end: what a resolver says of it.
    response.answers.clear();
    response.metadata.response_code = ResponseCode::ServFail;
    Told::Message
}

impl State {
    fn count(&mut self, name: &str) {
        if let Some(count) = self.questions.get_mut(name) {
            *count += 1;
        } else if self.questions.len() < MAX_COUNTED {
            self.questions.insert(name.to_owned(), 1);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing is left half done in there when somebody panics.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names are the same in any case, with and without the final dot.
fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

const BIND_TRIES: usize = 16;

/// A message's fixed part (RFC 1035, section 4.1.1), in bytes.
const HEADER: usize = 12;

/// What a message over UDP may be without EDNS(0) (RFC 1035, section 4.2.1), in bytes.
const MAX_PLAIN_UDP: usize = 512;

/// In bytes, over UDP.
const MAX_MESSAGE: usize = 4096;

/// Answers that wait for their time; questions beyond that stay unanswered.
const MAX_LATE: usize = 1024;

const MAX_CONNECTIONS: usize = 64;

const CONNECTION_LIFETIME: Duration = Duration::from_secs(30);

/// Aliases and other steps to an answer.
const MAX_STEPS: usize = 16;

/// Names whose questions are counted.
const MAX_COUNTED: usize = 10_000;
