//! A server that answers on every address of this host, and notes when each of them was asked: what an exporter's beats
//! look like from the other side.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Answers HTTP requests from threads of its own, so that what a test does itself moves no time.
pub(crate) struct Everywhere {
    port: u16,
    notes: Arc<Notes>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Notes {
    asked: Mutex<Vec<(IpAddr, Instant)>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Everywhere {
    /// Each request waits so long for its answer.
    pub(crate) fn start(delay: Duration) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).unwrap();
        // A burst waits here rather than losing its SYNs.
        socket.listen(4096).unwrap();
        socket.set_nonblocking(true).unwrap();
        let listener: std::net::TcpListener = socket.into();
        let port = listener.local_addr().unwrap().port();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let notes: Arc<Notes> = Arc::default();
        let shared = notes.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                // Out of descriptors for a moment, or a client that has gone already.
                let Ok((client, _)) = listener.accept().await else { continue };
                let Ok(server) = client.local_addr() else { continue };
                shared.asked.lock().unwrap().push((server.ip(), Instant::now()));
                tokio::spawn(answer(client, delay, shared.clone()));
            }
        });
        Self { port, notes, runtime: Some(runtime) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// When each address was asked since then, in order.
    pub(crate) fn asked_since(&self, start: Instant) -> HashMap<IpAddr, Vec<Instant>> {
        let mut asked: HashMap<IpAddr, Vec<Instant>> = HashMap::new();
        for (server, at) in self.notes.asked.lock().unwrap().iter().filter(|(_, at)| *at >= start) {
            asked.entry(*server).or_default().push(*at);
        }
        asked
    }

    /// The most requests that waited at once since this was asked last.
    pub(crate) fn most_at_once(&self) -> usize {
        let open = self.notes.open.load(Ordering::SeqCst);
        self.notes.most_open.swap(open, Ordering::SeqCst)
    }
}

async fn answer(mut client: TcpStream, delay: Duration, notes: Arc<Notes>) {
    let open = notes.open.fetch_add(1, Ordering::SeqCst) + 1;
    notes.most_open.fetch_max(open, Ordering::SeqCst);
    let mut request = [0; 1024];
    // A client that goes away is no reason to stop.
    if client.read(&mut request).await.is_ok() {
        tokio::time::sleep(delay).await;
        let _ = client.write_all(ANSWER).await;
    }
    notes.open.fetch_sub(1, Ordering::SeqCst);
}

impl Drop for Everywhere {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not be waited for where other futures run.
            runtime.shutdown_background();
        }
    }
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nready\n";
