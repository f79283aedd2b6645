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

/// Shared by a connection's task, its stream and its responses.
#[derive(Debug)]
pub(super) struct Pulse {
    version: Version,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    requests: usize,
    idle_since: Instant,
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
            requests: 0,
            idle_since: now,
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
        state.requests += 1;
        state.head_since = None;
        state.is_asked = false;
        Running(Arc::clone(self))
    }

    pub(super) fn advice(&self, now: Instant, patience: &Patience) -> Advice {
        let state = self.state();
        let over = |since: Option<Instant>, limit| since.is_some_and(|since| now.duration_since(since) >= limit);
        if over(state.write_blocked_since, patience.write)
            || over(state.head_since, patience.head)
            || over(state.half_closed_since, patience.half_closed)
        {
            return Advice::Cut;
        }
        if state.requests == 0 && over(Some(state.idle_since), patience.idle) { Advice::Finish } else { Advice::Leave }
    }

    fn read(&self, now: Instant) {
        let mut state = self.state();
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
    fn sent(&self, now: Instant) {
        if let Some(since) = &mut self.state().half_closed_since {
            *since = now;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        if matches!(poll, Poll::Ready(Ok(1..))) {
            self.pulse.sent(Instant::now());
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
        if buffer.filled().len() > before {
            self.pulse.read(Instant::now());
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
        pulse.read(start + 50 * SECOND);
        pulse.read(start + 59 * SECOND);
        check(&pulse, start + 59 * SECOND, Advice::Leave);
        check(&pulse, start + 60 * SECOND, Advice::Cut);
        let running = pulse.request();
        pulse.read(start + 60 * SECOND);
        check(&pulse, start + 600 * SECOND, Advice::Leave);
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_are_no_unfinished_head() {
        let start = Instant::now();
        let pulse = Pulse::new(Version::Http2, start);
        pulse.read(start);
        check(&pulse, start + 59 * SECOND, Advice::Leave);
        check(&pulse, start + 60 * SECOND, Advice::Finish);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_even_in_a_request() {
        let start = Instant::now();
        let pulse = Arc::new(Pulse::new(Version::Http1, start));
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
        assert!(!pulse.ended(start), "it has asked nothing");
        let running = pulse.request();
        assert!(!pulse.ended(start), "its request is not whole");
        pulse.state().is_asked = true;
        assert!(pulse.ended(start) && pulse.ended(start + SECOND));
        check(&pulse, start + 4 * SECOND, Advice::Leave);
        pulse.sent(start + 4 * SECOND);
        check(&pulse, start + 8 * SECOND, Advice::Leave);
        check(&pulse, start + 9 * SECOND, Advice::Cut);
        drop(running);
        assert!(!pulse.ended(start + 5 * SECOND), "it has its answer");
    }
}
