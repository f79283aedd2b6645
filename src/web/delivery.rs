//! Large answers: pages rendered off the async threads and sent in chunks, compressed when asked for.
//!
//! A page is never held whole. Rendering waits for the client, so a client that does not read holds a few chunks, one
//! of a bounded number of slots and one blocking thread, and loses all of it when its time is over.

use std::collections::HashMap;
use std::io::Write;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::web::encoding::Encoding;
use crate::web::{Connection, Limits};

/// A rendering, still to be written.
pub struct Page {
    /// The whole `Content-Type`, for example `text/plain; version=0.0.4; charset=utf-8`.
    pub content_type: &'static str,
    /// Writes the page, piece by piece, on a thread that may block; ends early when the client is gone.
    pub write: PageWriter,
}

/// Writes a whole page.
pub type PageWriter = Box<dyn FnOnce(&mut dyn fmt::Write) -> fmt::Result + Send>;

/// The slots of running deliveries, and how long one may take.
///
/// A quarter of them is kept for clients that have none, and one that is not read makes room for who waits: no client
/// keeps the others out by not reading, however many answers it asks for.
#[derive(Debug)]
pub(super) struct Deliveries {
    slots: Arc<Semaphore>,
    /// For clients that have no other delivery.
    kept: Arc<Semaphore>,
    running: Arc<Mutex<HashMap<u64, Running>>>,
    next: AtomicU64,
    wait: Duration,
    delivery: Duration,
}

#[derive(Debug)]
struct Running {
    client: IpAddr,
    began: Instant,
    /// Set while a chunk waits for the client.
    blocked_since: Arc<Mutex<Option<Instant>>>,
    /// Ends the connection.
    cut: CancellationToken,
}

impl Deliveries {
    pub(super) fn new(at_once: usize, wait: Duration, delivery: Duration) -> Self {
        let kept = at_once / 4;
        Self {
            slots: Arc::new(Semaphore::new(at_once - kept)),
            kept: Arc::new(Semaphore::new(kept)),
            running: Arc::default(),
            next: AtomicU64::new(0),
            wait,
            delivery,
        }
    }

    /// Waits for a slot; `None` when none becomes free in time.
    pub(super) async fn turn(&self, connection: &Connection) -> Option<Turn> {
        let slot = tokio::time::timeout(self.wait, self.slot(connection.client)).await.ok()??;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let blocked_since = Arc::default();
        let running = Running {
            client: connection.client,
            began: Instant::now(),
            blocked_since: Arc::clone(&blocked_since),
            cut: connection.cut.clone(),
        };
        lock(&self.running).insert(number, running);
        let place = InUse { _slot: slot, number, running: Arc::clone(&self.running) };
        Some(Turn { place, blocked_since, cut: connection.cut.clone(), delivery: self.delivery })
    }

    async fn slot(&self, client: IpAddr) -> Option<OwnedSemaphorePermit> {
        let mut next = pin!(Arc::clone(&self.slots).acquire_owned());
        let began = Instant::now();
        loop {
            let looked = Instant::now();
            // In the queue first: then it is this one's turn that is made.
            let soon = tokio::time::timeout(LOOK_EVERY, next.as_mut());
            tokio::select! {
                biased;
                slot = soon => if let Ok(slot) = slot { return slot.ok() },
                slot = self.kept_slot(client) => return slot,
            }
            // Where we do not get to run ourselves, it is not the clients who are slow.
            if looked.elapsed() < LOOK_EVERY * 2 {
                self.make_room(began.elapsed() >= PATIENCE);
            }
        }
    }

    /// One of those that are kept, for a client that has no other; else it never ends.
    async fn kept_slot(&self, client: IpAddr) -> Option<OwnedSemaphorePermit> {
        if lock(&self.running).values().any(|running| running.client == client) {
            return std::future::pending().await;
        }
        match Arc::clone(&self.kept).try_acquire_owned() {
            Ok(slot) => Some(slot),
            Err(_) => std::future::pending().await,
        }
    }

    /// Ends the delivery whose client has not read for longest; when somebody has waited for long, also one that goes on,
    /// but slowly.
    fn make_room(&self, even_slow_ones: bool) {
        let running = lock(&self.running);
        if running.values().any(|running| running.cut.is_cancelled()) {
            // A slot is about to be free.
            return;
        }
        let stalled = running.values().filter_map(|running| {
            let since = (*lock(&running.blocked_since))?;
            (since.elapsed() >= STALLED).then_some((since, running))
        });
        let slow = || running.values().filter(|running| even_slow_ones && running.began.elapsed() >= SLOW);
        let chosen = stalled.min_by_key(|(since, _)| *since).map(|(_, running)| running);
        if let Some(chosen) = chosen.or_else(|| slow().min_by_key(|running| running.began)) {
            tracing::debug!(client = %chosen.client, "an answer that is not read makes room for another one");
            chosen.cut.cancel();
        }
    }
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
struct InUse {
    _slot: OwnedSemaphorePermit,
    number: u64,
    running: Arc<Mutex<HashMap<u64, Running>>>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The slots of pages and of the API, which are not those of the metrics: whoever looks at pages keeps no Prometheus out.
/// Copies are the same ones.
#[derive(Clone, Debug)]
pub struct Slots(pub(super) Arc<Deliveries>);

impl Slots {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Deliveries::new(limits.scrapes, limits.scrape_wait, limits.scrape)))
    }

    /// `pages`, each of which needs a slot from its rendering until all of it has gone out.
    pub fn around<S: Clone + Send + Sync + 'static>(&self, pages: Router<S>) -> Router<S> {
        pages.layer(from_fn_with_state(self.clone(), in_turn))
    }
}

/// Answers a request for a page when it is its turn.
async fn in_turn(State(slots): State<Slots>, request: Request, next: Next) -> Response {
    let Some(connection) = request.extensions().get::<Connection>().cloned() else { return next.run(request).await };
    let Some(turn) = slots.0.turn(&connection).await else {
        let retry = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, retry, "too many pages at once\n").into_response();
    };
    // Goes on when the client hangs up, and so keeps its slot as long as it takes a thread.
    let rendered = tokio::spawn(async move { (next.run(request).await, turn) });
    match rendered.await {
        Ok((response, turn)) => turn.hold(response),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered\n").into_response(),
    }
}

/// Leave to deliver one page.
#[derive(Debug)]
pub(super) struct Turn {
    place: InUse,
    blocked_since: Arc<Mutex<Option<Instant>>>,
    /// Ends the connection.
    cut: CancellationToken,
    delivery: Duration,
}

impl Turn {
    /// Answers a GET or HEAD with a page. `None` when the page cannot be written.
    pub(super) async fn deliver(self, method: &Method, request: &HeaderMap, page: Page) -> Option<Response> {
        let encoding = Encoding::of(request);
        let mut response = if *method == Method::HEAD {
            Response::new(Body::new(OfUnknownLength))
        } else {
            Response::new(Body::new(self.start(page.write, encoding).await?))
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        encoding.name(headers);
        Some(response)
    }

    /// Keeps the slot until the response has gone out.
    fn hold(self, response: Response) -> Response {
        let Self { place, blocked_since, cut, delivery } = self;
        let guard = watch(place, cut, Instant::now() + delivery);
        response.map(|body| Body::new(Held { body, rest: Bytes::new(), blocked_since, _guard: guard }))
    }

    /// Renders up to the first chunk; `None` when not even that can be written, while there is still time to say so.
    async fn start(self, write: PageWriter, encoding: Encoding) -> Option<Chunks> {
        let Self { place, blocked_since, cut, delivery } = self;
        let deadline = Instant::now() + delivery;
        let (sender, mut chunks) = mpsc::channel(CHANNEL_CHUNKS);
        let chunk = Vec::with_capacity(CHUNK_BYTES);
        let sink = Sink { sender, deadline, runtime: Handle::current(), chunk, blocked_since };
        tokio::task::spawn_blocking(move || render(write, encoding, sink));
        let guard = watch(place, cut, deadline);
        let first = chunks.recv().await?;
        Some(Chunks { first: Some(first), rest: chunks, _guard: guard })
    }
}

/// Keeps the slot as long as what this gives, and ends the connection when that takes too long.
fn watch(place: InUse, cut: CancellationToken, deadline: Instant) -> DropGuard {
    let over = CancellationToken::new();
    let guard = over.clone().drop_guard();
    tokio::spawn(async move {
        let _place = place;
        if tokio::time::timeout_at(deadline, over.cancelled()).await.is_err() {
            tracing::warn!("an answer was not read to its end in time");
            cut.cancel();
        }
    });
    guard
}

fn render(write: PageWriter, encoding: Encoding, sink: Sink) -> io::Result<()> {
    let sink = match encoding {
        Encoding::Identity => {
            let mut text = Text(sink);
            write(&mut text).map_err(io::Error::other)?;
            text.0
        }
        Encoding::Gzip => {
            // Renderers write a few bytes at a time, and each call of the compressor has its price.
            let encoder = GzEncoder::new(sink, Compression::fast());
            let mut text = Text(io::BufWriter::with_capacity(CHUNK_BYTES, encoder));
            write(&mut text).map_err(io::Error::other)?;
            text.0.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?
        }
    };
    sink.finish()
}

/// Text into a byte sink.
struct Text<W>(W);

impl<W: Write> fmt::Write for Text<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// What the rendering thread says; the channel's end without `End` means that the page is not whole.
enum Chunk {
    Data(Bytes),
    End,
}

/// Collects bytes and hands them over a chunk at a time, waiting for the client.
struct Sink {
    sender: mpsc::Sender<Chunk>,
    deadline: Instant,
    runtime: Handle,
    chunk: Vec<u8>,
    blocked_since: Arc<Mutex<Option<Instant>>>,
}

impl Sink {
    fn finish(mut self) -> io::Result<()> {
        self.hand_over()?;
        self.send(Chunk::End)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.send(Chunk::Data(Bytes::from(full)))
    }

    fn send(&self, chunk: Chunk) -> io::Result<()> {
        let chunk = match self.sender.try_send(chunk) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(TrySendError::Full(chunk)) => chunk,
        };
        *lock(&self.blocked_since) = Some(Instant::now());
        let sent = self.runtime.block_on(tokio::time::timeout_at(self.deadline, self.sender.send(chunk)));
        *lock(&self.blocked_since) = None;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.hand_over()?;
        }
        Ok(taken)
    }

    /// Chunks are cut by size alone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The response's body.
struct Chunks {
    first: Option<Chunk>,
    rest: mpsc::Receiver<Chunk>,
    _guard: DropGuard,
}

/// The body of a page that is there as a whole, handed over piece by piece, so that it is known whether it is taken.
struct Held {
    body: Body,
    /// Of the frame before.
    rest: Bytes,
    blocked_since: Arc<Mutex<Option<Instant>>>,
    _guard: DropGuard,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        let piece = self.rest.split_to(length);
        // Until this is asked for the next one.
        *lock(&self.blocked_since) = (!self.is_end_stream()).then(Instant::now);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// What answers a HEAD: nothing, without saying that a GET would have nothing, too (RFC 9110, section 8.6).
struct OfUnknownLength;

impl HttpBody for OfUnknownLength {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = match self.first.take() {
            Some(first) => Some(first),
            None => std::task::ready!(self.rest.poll_recv(context)),
        };
        Poll::Ready(match chunk {
            Some(Chunk::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Chunk::End) => None,
            // An error makes the client see a page that is cut off, where a plain end would look like a whole one.
            None => Some(Err(io::Error::other("the page could not be written to its end"))),
        })
    }
}

/// How often who waits looks for a delivery that could make room.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A client that has taken nothing for so long makes room, when somebody waits.
const STALLED: Duration = Duration::from_millis(600);

/// After so long a wait, deliveries that take longer than `SLOW` make room, too.
const PATIENCE: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(5);

const CHUNK_BYTES: usize = 32 * 1024;

/// Chunks that wait for the client, besides the one that is being filled.
const CHANNEL_CHUNKS: usize = 2;
