//! Listeners and connections: TLS, limits against clients that only hold on, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::web::access::Access;
use crate::web::guard::Door;
use crate::web::paths::Scheme;
use crate::web::places::{Client, Place, Places};
use crate::web::proxies::Proxies;
use crate::web::pulse::{Advice, AskedBody, Patience, Pulse, RunningBody, Version, Watched};
use crate::web::{Connection, Limits, Site, certificates, guard, routes};

/// Serves `site` on all listeners until `shutdown`; returns when the last connection has ended.
///
/// A new [`Access`] holds for every request from then on, and for every new connection; those that are open end after
/// the request that they are in, so that nobody stays in by what no longer holds.
pub async fn serve(
    listeners: Vec<TcpListener>,
    site: Site,
    access: watch::Receiver<Arc<Access>>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let server = Arc::new(Server {
        places: Arc::new(Places::new(limits.connections)),
        proxies: site.entry.proxies.clone(),
        door: Door::new(&site.paths, site.entry.clone()),
        routes: routes::router(site, &limits),
        access,
        shutdown,
        kill: CancellationToken::new(),
        tasks: TaskTracker::new(),
        limits,
    });
    for listener in listeners {
        server.tasks.spawn(accept(listener, Arc::clone(&server)));
    }
    server.shutdown.cancelled().await;
    server.tasks.close();
    if tokio::time::timeout(server.limits.shutdown, server.tasks.wait()).await.is_err() {
        tracing::info!("ending connections that are still busy");
        server.kill.cancel();
        server.tasks.wait().await;
    }
}

struct Server {
    routes: Router,
    door: Door,
    access: watch::Receiver<Arc<Access>>,
    limits: Limits,
    places: Arc<Places>,
    proxies: Proxies,
    shutdown: CancellationToken,
    /// Ends every connection at once.
    kill: CancellationToken,
    tasks: TaskTracker,
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    let next = async || {
        // Each of them gives its descriptor back in a moment; new ones wait in the kernel's queue.
        while server.places.leaving() > MOST_LEAVING {
            tokio::time::sleep(LEAVING_PAUSE).await;
        }
        listener.accept().await
    };
    while let Some(accepted) = server.shutdown.run_until_cancelled(next()).await {
        match accepted {
            Ok((stream, peer)) => {
                let address = peer.ip().to_canonical();
                let client = Client {
                    address,
                    is_proxy: server.proxies.trusts(address),
                    has_handshake: server.access.borrow().has_tls(),
                };
                let cut = server.kill.child_token();
                let place = loop {
                    match server.places.take(client, &cut, Instant::now()) {
                        Ok(place) => break place,
                        Err(later) => tokio::time::sleep_until(later).await,
                    }
                };
                server.tasks.spawn(connection((stream, address), place, Arc::clone(&server)));
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Out of descriptors, most likely: at once it would fail again.
                server.places.give_up_one(Instant::now());
                server.shutdown.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

async fn connection((stream, peer): (TcpStream, IpAddr), place: Place, server: Arc<Server>) {
    // Without it an answer's last piece may wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut access = server.access.clone();
    let tls = access.borrow_and_update().tls().cloned();
    let Some(tls) = tls else {
        return talk(stream, (Scheme::Http, Version::Http1, peer), access, (&place, &server)).await;
    };
    let handshake = tokio::time::timeout(server.limits.handshake, TlsAcceptor::from(tls).accept(stream));
    let handshake = place.cut.run_until_cancelled(handshake);
    match server.shutdown.run_until_cancelled(handshake).await {
        Some(Some(Ok(Ok(stream)))) => {
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let version = if is_h2 { Version::Http2 } else { Version::Http1 };
            // A resumed session has the certificates of the first handshake, which nobody looks at again.
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let Some(left) = certificates::left(certificates, SystemTime::now()) else {
                tracing::debug!("a client comes with a certificate that has ended");
                return;
            };
            let talking = talk(stream, (Scheme::Https, version, peer), access, (&place, &server));
            let _ended = tokio::time::timeout(left, talking).await;
        }
        Some(Some(Ok(Err(error)))) => tracing::debug!(%error, "a TLS handshake failed"),
        Some(Some(Err(_))) => tracing::debug!("a TLS handshake took too long"),
        Some(None) | None => {}
    }
}

/// Answers requests on one connection until it ends, or has to.
async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (scheme, version, peer): (Scheme, Version, IpAddr),
    mut access: watch::Receiver<Arc<Access>>,
    (place, server): (&Place, &Arc<Server>),
) {
    let cut = place.cut.clone();
    let _guard = cut.clone().drop_guard();
    let pulse = Arc::new(Pulse::new(version, Instant::now()));
    place.talks(&pulse);
    let service = {
        let (server, pulse, cut) = (Arc::clone(server), Arc::clone(&pulse), cut.clone());
        service_fn(move |request: Request<Incoming>| {
            let (server, running) = (Arc::clone(&server), pulse.request());
            let mut request = request.map(|body| Body::new(AskedBody::new(body, &pulse)));
            let access = Arc::clone(&server.access.borrow());
            let knows_clients = access.knows_clients();
            let headers = request.headers();
            let connection = Connection {
                cut: cut.clone(),
                scheme: server.proxies.scheme(peer, headers, scheme),
                asked_host: server.proxies.host(peer, headers),
                client: server.proxies.client(peer, headers),
                user: None,
                knows_clients,
            };
            request.extensions_mut().insert(connection);
            async move {
                let routes = server.routes.clone();
                let response = guard::answer(routes, &access, &server.door, request).await;
                Ok::<_, Infallible>(response.map(|body| RunningBody { body, _running: running }))
            }
        })
    };
    let builder = builder(version, Streams { tasks: server.tasks.clone(), cut: cut.clone() });
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(Watched { stream, pulse: Arc::clone(&pulse) }), service));
    let Limits { first, head, write, idle, half_closed, .. } = server.limits;
    let patience = Patience { first, head, write, idle, half_closed };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Set once the connection takes no further request: until when the one that runs may go on.
    let mut last_call: Option<Instant> = None;
    loop {
        let finish = tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended early");
                }
                return;
            }
            () = cut.cancelled() => return,
            () = server.shutdown.cancelled(), if last_call.is_none() => true,
            // When nobody can change it any more, nothing is to be waited for.
            Ok(()) = access.changed(), if last_call.is_none() => true,
            now = ticks.tick() => match pulse.advice(now, &patience) {
                Advice::Leave if last_call.is_some_and(|until| now >= until) => return,
                Advice::Leave => false,
                Advice::Finish if last_call.is_some() => return,
                Advice::Finish => true,
                Advice::Cut => return,
            },
        };
        if finish {
            connection.as_mut().graceful_shutdown();
            last_call = Some(Instant::now() + server.limits.scrape);
        }
    }
}

fn builder(version: Version, streams: Streams) -> Builder<Streams> {
    let builder = Builder::new(streams);
    let mut builder = match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
    };
    // The pulse watches over heads: hyper's own timer would run between two requests, too.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(32)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // Streams that a client opens and resets at once, and those that it gets wrong.
        .max_pending_accept_reset_streams(16)
        .max_local_error_reset_streams(64)
        .max_send_buf_size(BUFFER_BYTES)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Runs the streams of an HTTP/2 connection, and ends them with it.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move { cut.run_until_cancelled(stream).await.is_some() });
    }
}

/// How often a connection's state is looked at.
const TICK: Duration = Duration::from_millis(250);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that are ending, above which no new one is taken.
const MOST_LEAVING: usize = 16;

const LEAVING_PAUSE: Duration = Duration::from_millis(1);

/// What a client of HTTP/2 may send of bodies that nobody has read yet, in one request and in all of a connection: the
/// longest body that we take.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// What one connection may hold of requests' heads and of responses that the client does not take.
const BUFFER_BYTES: usize = 64 * 1024;
