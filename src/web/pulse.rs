//! What a connection is doing, and since when: finds clients that keep one open without using it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Whether bytes outside a request are the start of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Everything between two requests belongs to a request's head.
    Http1,
    /// Frames may come at any time.
    Http2,
}

/// How long each state may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until the first byte.
    pub(super) first: Duration,
    pub(super) head: Duration,
    pub(super) write: Duration,
    pub(super) idle: Duration,
    pub(super) half_closed: Duration,
}

/// What to do about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Leave,
    /// Nothing is lost when it ends.
    Finish,
    /// The client does not do its part.
    Cut,
}

/// What a connection is worth to its client, the least first. Each with when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It has never asked for anything.
    New(Instant),
    /// Between two requests.
    Idle(Instant),
    /// In a request whose answer it does not take.
    Stalled(Instant),
    /// In a request.
    Busy(Instant),
}

/// Shared by a connection's task, its stream and its responses.
#[derive(Debug)]
pub(super) struct Pulse {
    version: Version,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    /// Whether any request has come.
    has_asked: bool,
    requests: usize,
    /// Since when at least one runs, while one does.
    busy_since: Instant,
    idle_since: Instant,
    /// Whether any byte has come.
    has_spoken: bool,
    /// Bytes that came, over those that the client had a reason to send.
    overdraft: Overdraft,
    head_since: Option<Instant>,
    write_blocked_since: Option<Instant>,
    /// Of HTTP/1: whether all of the running request has come.
    is_asked: bool,
    /// The client has closed its side, or is gone: only a byte that we write would tell. Moves on with each one.
    half_closed_since: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(version: Version, now: Instant) -> Self {
        let state = State {
            began: now,
            has_asked: false,
            requests: 0,
            busy_since: now,
            idle_since: now,
            has_spoken: false,
            overdraft: Overdraft::new(now),
            head_since: None,
            write_blocked_since: None,
            is_asked: false,
            half_closed_since: None,
        };
        Self { version, state: Mutex::new(state) }
    }

    /// Marks a request as running until the value is dropped, which is when its response is through.
    pub(super) fn request(self: &Arc<Self>) -> Running {
        let mut state = self.state();
        if state.requests == 0 {
            state.busy_since = Instant::now();
        }
        state.requests += 1;
        state.has_asked = true;
        state.head_since = None;
        state.is_asked = false;
        state.overdraft.earn(A_REQUEST);
        Running(Arc::clone(self))
    }

    /// What ending this connection would cost its client.
    pub(super) fn standing(&self) -> Standing {
        let state = self.state();
        match (state.requests, state.write_blocked_since) {
            (0, _) if state.has_asked => Standing::Idle(state.idle_since),
            (0, _) => Standing::New(state.began),
            (_, Some(since)) => Standing::Stalled(since),
            (_, None) => Standing::Busy(state.busy_since),
        }
    }

    pub(super) fn advice(&self, now: Instant, patience: &Patience) -> Advice {
        let state = self.state();
        let over = |since: Option<Instant>, limit| since.is_some_and(|since| now.duration_since(since) >= limit);
        if over(state.write_blocked_since, patience.write)
            || over(state.head_since, patience.head)
            || over(state.half_closed_since, patience.half_closed)
            || (self.version == Version::Http2 && state.overdraft.is_overdrawn(now))
        {
            return Advice::Cut;
        }
        if !state.has_spoken && over(Some(state.began), patience.first) {
            return Advice::Finish;
        }
        if state.requests == 0 && over(Some(state.idle_since), patience.idle) { Advice::Finish } else { Advice::Leave }
    }

    fn read(&self, bytes: usize, now: Instant) {
        let mut state = self.state();
        state.has_spoken = true;
        state.overdraft.spend(bytes);
        if state.requests == 0 && self.version == Version::Http1 {
            state.head_since.get_or_insert(now);
        }
    }

    /// The client sends no more. Whether it may still have an answer to its request: `nc -N` and old load balancers close
    /// their side with the last byte of it.
    fn ended(&self, now: Instant) -> bool {
        let mut state = self.state();
        let waits = state.requests > 0 && state.is_asked && self.version == Version::Http1;
        if waits {
            state.half_closed_since.get_or_insert(now);
        }
        waits
    }

    fn write_blocked(&self, now: Instant) {
        self.state().write_blocked_since.get_or_insert(now);
    }

    fn written(&self) {
        self.state().write_blocked_since = None;
    }

    /// Bytes of an answer went out. A flush of nothing is none: the connection is flushed each time that it is looked at.
    fn sent(&self, bytes: usize, now: Instant) {
        let mut state = self.state();
        // Each piece of an answer that is taken opens windows again, in a few bytes.
        state.overdraft.earn(bytes / 8);
        if let Some(since) = &mut state.half_closed_since {
            *since = now;
        }
    }

    fn has_body(&self, bytes: usize) {
        self.state().overdraft.earn(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of HTTP/2: a client may send frames that are part of no request (PRIORITY, PING, SETTINGS, empty DATA), and each costs
/// work. What it sends is weighed against what it has a reason to.
#[derive(Debug)]
struct Overdraft {
    began: Instant,
    spent: u64,
    earned: u64,
}

impl Overdraft {
    fn new(began: Instant) -> Self {
        Self { began, spent: 0, earned: ALWAYS as u64 }
    }

    fn spend(&mut self, bytes: usize) {
        self.spent = self.spent.saturating_add(bytes as u64);
    }

    fn earn(&mut self, bytes: usize) {
        self.earned = self.earned.saturating_add(bytes as u64);
    }

    fn is_overdrawn(&self, now: Instant) -> bool {
        // A client may ask once in a while whether we are still there.
        let with_time = now.duration_since(self.began).as_secs().saturating_mul(A_SECOND);
        self.spent > self.earned.saturating_add(with_time)
    }
}

/// Bytes that a client may send for nothing.
const ALWAYS: usize = 64 * 1024;

/// What it may send more with each request: a head, and what goes along with it.
const A_REQUEST: usize = 20 * 1024;

const A_SECOND: u64 = 512;

/// A request from its head's arrival to its response's end.
#[derive(Debug)]
pub(super) struct Running(Arc<Pulse>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.idle_since = Instant::now();
    }
}

/// A response body that keeps its request running.
pub(super) struct RunningBody {
    pub(super) body: Body,
    pub(super) _running: Running,
}

impl HttpBody for RunningBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body, which tells when all of it has come.
pub(super) struct AskedBody {
    body: Incoming,
    pulse: Arc<Pulse>,
}

impl AskedBody {
    pub(super) fn new(body: Incoming, pulse: &Arc<Pulse>) -> Self {
        pulse.state().is_asked = body.is_end_stream();
        Self { body, pulse: Arc::clone(pulse) }
    }
}

impl HttpBody for AskedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(data) = frame.data_ref()
        {
            self.pulse.has_body(data.len());
        }
        if self.body.is_end_stream() || matches!(poll, Poll::Ready(None)) {
            self.pulse.state().is_asked = true;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that reports to a [`Pulse`] what moves on it.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    fn note<T>(&self, poll: Poll<T>) -> Poll<T> {
        match &poll {
            Poll::Ready(_) => self.pulse.written(),
            Poll::Pending => self.pulse.write_blocked(Instant::now()),
        }
        poll
    }
}

impl<S> Watched<S> {
    fn note_sent(&self, poll: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes @ 1..)) = poll {
            self.pulse.sent(*bytes, Instant::now());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.pulse.read(read, Instant::now());
        } else if room > 0 && matches!(poll, Poll::Ready(Ok(()))) && self.pulse.ended(Instant::now()) {
            // The end is told once the answer is through, when this is asked again; a reset is told at once.
            return Poll::Pending;
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_sent(&poll);
        self.note(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.note(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_sent(&poll);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience = Patience {
        first: Duration::from_secs(5),
        head: Duration::from_secs(10),
        write: Duration::from_secs(20),
        idle: Duration::from_mins(1),
        half_closed: Duration::from_secs(5),
    };

    fn check(pulse: &Pulse, at: Instant, expected: Advice) {
        assert_eq!(pulse.advice(at, &PATIENCE), expected, "{pulse:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_finished_after_a_while() {
        let start = Instant::now();
        let pulse = Arc::new(Pulse::new(Version::Http1, start));
        check(&pulse, start + 4 * SECOND, Advice::Leave);
        check(&pulse, start + 5 * SECOND, Advice::Finish);
        pulse.read(1, start + 5 * SECOND);
        drop(pulse.request());
        check(&pulse, start + 59 * SECOND, Advice::Leave);
        check(&pulse, start + 60 * SECOND, Advice::Finish);
        let running = pulse.request();
        check(&pulse, start + 3600 * SECOND, Advice::Leave);
        tokio::time::advance(3600 * SECOND).await;
        drop(running);
        check(&pulse, start + 3659 * SECOND, Advice::Leave);
        check(&pulse, start + 3660 * SECOND, Advice::Finish);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_must_be_complete_soon_after_its_first_byte() {
        let start = Instant::now();
        let pulse = Arc::new(Pulse::new(Version::Http1, start));
        pulse.read(1, start + 50 * SECOND);
        pulse.read(1, start + 59 * SECOND);
        check(&pulse, start + 59 * SECOND, Advice::Leave);
        check(&pulse, start + 60 * SECOND, Advice::Cut);
        let running = pulse.request();
        pulse.read(1, start + 60 * SECOND);
        check(&pulse, start + 600 * SECOND, Advice::Leave);
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_are_no_unfinished_head() {
        let start = Instant::now();
        let pulse = Pulse::new(Version::Http2, start);
        pulse.read(1, start);
        check(&pulse, start + 59 * SECOND, Advice::Leave);
        check(&pulse, start + 60 * SECOND, Advice::Finish);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_even_in_a_request() {
        let start = Instant::now();
        let pulse = Arc::new(Pulse::new(Version::Http1, start));
        pulse.read(1, start);
        let running = pulse.request();
        pulse.write_blocked(start);
        pulse.write_blocked(start + 19 * SECOND);
        check(&pulse, start + 20 * SECOND, Advice::Cut);
        pulse.written();
        check(&pulse, start + 40 * SECOND, Advice::Leave);
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_closed_its_side_gets_its_answer_when_it_comes_soon() {
        let start = Instant::now();
        let pulse = Arc::new(Pulse::new(Version::Http1, start));
        pulse.read(1, start);
        assert!(!pulse.ended(start), "it has asked nothing");
        let running = pulse.request();
        assert!(!pulse.ended(start), "its request is not whole");
        pulse.state().is_asked = true;
        assert!(pulse.ended(start) && pulse.ended(start + SECOND));
        check(&pulse, start + 4 * SECOND, Advice::Leave);
        pulse.sent(1, start + 4 * SECOND);
        check(&pulse, start + 8 * SECOND, Advice::Leave);
        check(&pulse, start + 9 * SECOND, Advice::Cut);
        drop(running);
        assert!(!pulse.ended(start + 5 * SECOND), "it has its answer");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_connection_is_worth_follows_what_it_does() {
        let start = Instant::now();
        let pulse = Arc::new(Pulse::new(Version::Http1, start));
        assert_eq!(pulse.standing(), Standing::New(start));
        tokio::time::advance(SECOND).await;
        let running = pulse.request();
        assert_eq!(pulse.standing(), Standing::Busy(start + SECOND));
        pulse.write_blocked(start + 2 * SECOND);
        assert_eq!(pulse.standing(), Standing::Stalled(start + 2 * SECOND));
        pulse.written();
        tokio::time::advance(2 * SECOND).await;
        drop(running);
        assert_eq!(pulse.standing(), Standing::Idle(start + 3 * SECOND));
        let order = [Standing::New(start), Standing::Idle(start), Standing::Stalled(start), Standing::Busy(start)];
        assert!(order.is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_a_reason_cut_a_connection_of_http2() {
        let start = Instant::now();
        let flooded = Arc::new(Pulse::new(Version::Http2, start));
        flooded.read(ALWAYS, start);
        check(&flooded, start, Advice::Leave);
        flooded.read(1, start);
        check(&flooded, start, Advice::Cut);
        check(&flooded, start + SECOND, Advice::Leave);
        let uploading = Arc::new(Pulse::new(Version::Http2, start));
        let running = uploading.request();
        for _ in 0..100 {
            uploading.read(16 * 1024, start);
            uploading.has_body(16 * 1024);
        }
        check(&uploading, start, Advice::Leave);
        drop(running);
    }
}
