//! The backends: one process that answers on every address of 127/8, as cheaply as it can, and remembers when which
//! address was asked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::leaves::Leaves;
use crate::machine;
use crate::material::{COUNT_PORT, PORT};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The certificate chain; without one, plain HTTP
    #[arg(long, requires = "key")]
    chain: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
    /// So many leaves for that key, another one at every handshake
    #[arg(long, requires_all = ["key", "issuer", "issuer_key"])]
    leaves: Option<usize>,
    /// The certificate that issues them
    #[arg(long)]
    issuer: Option<PathBuf>,
    #[arg(long)]
    issuer_key: Option<PathBuf>,
    #[arg(long)]
    interval_milliseconds: u64,
}

/// What the backends saw since they were last asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub probes: u64,
    /// Those whose request came whole.
    pub answered: u64,
    /// Handshakes with a leaf that had been shown before, where each one should be new; since the start.
    pub repeated: u64,
    /// How far from one interval after the one before a probe came, in milliseconds: median, 99th percentile and most.
    pub jitter: [f64; 3],
    /// Most probes in any 100 ms, over the mean number.
    pub burst: f64,
}

struct Journal {
    interval: Duration,
    started: Instant,
    latest: HashMap<IpAddr, Instant>,
    jitter: Vec<f64>,
    arrivals: Vec<Instant>,
    answered: u64,
}

type Shared = Arc<Mutex<Journal>>;

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nok";

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    machine::raise_descriptor_limit()?;
    let leaves = match (arguments.leaves, &arguments.key, &arguments.issuer, &arguments.issuer_key) {
        (Some(count), Some(key), Some(issuer), Some(issuer_key)) => {
            Some(Arc::new(Leaves::issue(count, key, issuer, issuer_key)?))
        }
        (None, ..) | (_, None, ..) | (_, _, None, _) | (_, _, _, None) => None,
    };
    let tls = match (&arguments.chain, &arguments.key) {
        (Some(chain), Some(key)) => Some(acceptor(chain, key, leaves.clone())?),
        (None, _) | (_, None) => None,
    };
    let interval = Duration::from_millis(arguments.interval_milliseconds);
    let journal = Arc::new(Mutex::new(Journal::new(interval)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
        let counts = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, COUNT_PORT)))?;
        tokio::spawn(tell(counts, journal.clone(), leaves));
        loop {
            // Out of descriptors for a moment: the next one may succeed.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let Ok(asked) = stream.local_addr() else { continue };
            lock(&journal).note(asked.ip());
            let _ = stream.set_nodelay(true);
            let journal = journal.clone();
            match tls.clone() {
                None => drop(tokio::spawn(answer(stream, journal))),
                Some(tls) => drop(tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer(stream, journal).await;
                    }
                })),
            }
        }
    })
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acceptor(chain: &Path, key: &Path, leaves: Option<Arc<Leaves>>) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(chain)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_no_client_auth();
    let config = match leaves {
        Some(leaves) => builder.with_cert_resolver(leaves),
        None => builder.with_single_cert(chain, key)?,
    };
    Ok(Arc::new(config).into())
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into()).with_context(|| format!("cannot listen on {address}"))?;
    socket.listen(65_535)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into())?)
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, journal: Shared) {
    let mut request = [0; 1024];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[length..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => length += read,
        }
    }
    lock(&journal).answered += 1;
    // A prober that is gone loses nothing.
    let _ = stream.write_all(RESPONSE).await;
    let _ = stream.shutdown().await;
    let _ = stream.read(&mut request).await;
}

/// Each connection is told the count, which begins anew.
async fn tell(listener: TcpListener, journal: Shared, leaves: Option<Arc<Leaves>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let count = lock(&journal).take();
        let count = Count { repeated: leaves.as_ref().map_or(0, |leaves| leaves.repeated()), ..count };
        let Ok(text) = serde_json::to_string(&count) else { continue };
        let _ = stream.write_all(text.as_bytes()).await;
    }
}

impl Journal {
    fn new(interval: Duration) -> Self {
        let (latest, jitter, arrivals) = (HashMap::new(), Vec::new(), Vec::new());
        Self { interval, started: Instant::now(), latest, jitter, arrivals, answered: 0 }
    }

    fn note(&mut self, asked: IpAddr) {
        let now = Instant::now();
        self.arrivals.push(now);
        if let Some(before) = self.latest.insert(asked, now) {
            let gap = now.duration_since(before).as_secs_f64() - self.interval.as_secs_f64();
            self.jitter.push(gap.abs() * 1e3);
        }
    }

    fn take(&mut self) -> Count {
        let mut jitter = std::mem::take(&mut self.jitter);
        jitter.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let index = (jitter.len().saturating_sub(1) as f64 * share) as usize;
            jitter.get(index).copied().unwrap_or_default()
        };
        let arrivals = std::mem::take(&mut self.arrivals);
        let window = Duration::from_millis(100);
        let span = self.started.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)]
        let mean = arrivals.len() as f64 * window.as_secs_f64() / span;
        let mut first = 0;
        let mut most = 0;
        for (last, arrival) in arrivals.iter().enumerate() {
            while *arrival - arrivals[first] > window {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        self.started = Instant::now();
        #[allow(clippy::cast_precision_loss)]
        let burst = if mean > 0.0 { most as f64 / mean } else { 0.0 };
        Count {
            probes: arrivals.len() as u64,
            answered: std::mem::take(&mut self.answered),
            repeated: 0,
            jitter: [at(0.5), at(0.99), at(1.0)],
            burst,
        }
    }
}
