//! A backend on loopback: binds an address and behaves as it is told, until it is dropped.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

use crate::lab::behaviour::{Behaviour, Service};
use crate::lab::journal::{Handshake, Journal};
use crate::lab::play::serve;

/// A running backend. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    journal: Arc<Journal>,
    port: Mutex<Port>,
}

impl Backend {
    /// Starts a backend on a free port of `ip`.
    ///
    /// # Errors
    /// When the address cannot be bound, or outside a tokio runtime.
    pub fn start(ip: IpAddr, behaviour: impl Into<Behaviour>) -> io::Result<Self> {
        Self::start_at(SocketAddr::new(ip, 0), behaviour)
    }

    /// Starts a backend on this very port, or on a free one when it is 0.
    ///
    /// # Errors
    /// When the address cannot be bound, or outside a tokio runtime.
    pub fn start_at(address: SocketAddr, behaviour: impl Into<Behaviour>) -> io::Result<Self> {
        let journal = Arc::new(Journal::default());
        let (address, port) = Port::open(address, behaviour.into(), &journal)?;
        Ok(Self { address, journal, port: Mutex::new(port) })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves like this from now on, on the same port. Between two services the port stays open and connections
    /// under way go on as they began; any other change ends them.
    ///
    /// # Errors
    /// When the port cannot be bound again; the port is closed then.
    pub fn set(&self, behaviour: impl Into<Behaviour>) -> io::Result<()> {
        let mut port = self.port();
        match (&*port, behaviour.into()) {
            (Port::Open { service, .. }, Behaviour::Serves(next)) => {
                *service.lock().unwrap_or_else(PoisonError::into_inner) = next;
            }
            (Port::Open { .. } | Port::Full { .. } | Port::Reserved { .. }, behaviour) => {
                *port = Port::Gone;
                (_, *port) = Port::open(self.address, behaviour, &self.journal)?;
            }
            (Port::Gone, behaviour) => (_, *port) = Port::open(self.address, behaviour, &self.journal)?,
        }
        Ok(())
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.journal.connections()
    }

    /// The first 16 KiB that each of the latest 16 connections sent, without TLS's own bytes, oldest first.
    /// Connections that sent nothing are left out.
    #[must_use]
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.journal.requests()
    }

    /// The latest 16 completed TLS handshakes, oldest first.
    #[must_use]
    pub fn handshakes(&self) -> Vec<Handshake> {
        self.journal.handshakes()
    }

    fn port(&self) -> MutexGuard<'_, Port> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What holds the port.
#[derive(Debug)]
enum Port {
    /// Bound, not listening.
    Reserved {
        _socket: Socket,
    },
    /// Listening, with an accept queue that our own connections fill.
    Full {
        _listener: Socket,
        _fillers: Vec<Socket>,
    },
    Open {
        listener: Arc<TcpListener>,
        service: Arc<Mutex<Service>>,
        acceptor: AbortHandle,
    },
    /// Nothing does: it could not be bound again.
    Gone,
}

impl Port {
    fn open(address: SocketAddr, behaviour: Behaviour, journal: &Arc<Journal>) -> io::Result<(SocketAddr, Self)> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // A port that was just closed is bound again at once.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        let port = match behaviour {
            Behaviour::Refused => Self::Reserved { _socket: socket },
            Behaviour::SilentSyn => {
                socket.listen(0)?;
                Self::Full { _fillers: fill(bound)?, _listener: socket }
            }
            Behaviour::Serves(service) => {
                let runtime = Handle::try_current().map_err(io::Error::other)?;
                socket.set_nonblocking(true)?;
                socket.listen(BACKLOG)?;
                let listener = Arc::new(TcpListener::from_std(socket.into())?);
                let service = Arc::new(Mutex::new(service));
                let accepting = accept(Arc::clone(&listener), Arc::clone(&service), Arc::clone(journal));
                let acceptor = runtime.spawn(accepting).abort_handle();
                Self::Open { listener, service, acceptor }
            }
        };
        Ok((bound, port))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        match self {
            Self::Open { listener, acceptor, .. } => {
                // The task still holds the socket until the runtime comes to it; this closes the port right now.
                // It can only fail when the port is closed already.
                let _closed_already = SockRef::from(&**listener).shutdown(std::net::Shutdown::Both);
                acceptor.abort();
            }
            Self::Reserved { .. } | Self::Full { .. } | Self::Gone => {}
        }
    }
}

/// Fills an accept queue of length 0, which holds one connection: Linux drops SYNs while it is over its length.
fn fill(address: SocketAddr) -> io::Result<Vec<Socket>> {
    let filler = || Socket::new(Domain::for_address(address), Type::STREAM, None);
    let first = filler()?;
    first.connect_timeout(&address.into(), Duration::from_secs(1))?;
    let mut fillers = vec![first];
    // Should the first one not be in the queue yet, then the next ones are; else these stay where they are, asking.
    for _ in 0..2 {
        let next = filler()?;
        next.set_nonblocking(true)?;
        match next.connect(&address.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(error),
        }
        fillers.push(next);
    }
    Ok(fillers)
}

async fn accept(listener: Arc<TcpListener>, service: Arc<Mutex<Service>>, journal: Arc<Journal>) {
    // Owned here, so that ending this task ends them all.
    let mut connections = JoinSet::new();
    loop {
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    let service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    connections.spawn(serve(tcp, service, journal.connection()));
                }
                // The port was closed under us.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                // Out of descriptors, most likely; waiting a little keeps this from spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Connections that a backend serves at once; further ones wait in the accept queue.
const MAX_CONNECTIONS: usize = 256;

const BACKLOG: i32 = 256;
