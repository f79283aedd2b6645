//! One request over an open connection, and a bounded reader of the answer.
//!
//! At most 64 KiB of heads are read and 64 KiB of body are kept; a longer body counts as received.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::body::{Body, Framing};
use super::connection::Connection;
use super::head::{MAX_SHOWN, MAX_VALUE, end_of_head, may_be_http, parse};
use super::notes::{Notes, Phase, Transcript};
use super::{Fault, HttpFault, MAX_KEPT_BYTES, Method, Request, Response, ResponseProgress, Rule};

/// Interim responses (1xx) that are borne before the real one.
const MAX_INTERIM_RESPONSES: usize = 16;

/// Asks and reads the answer to its end; redirects are answers like any other. What a server sends back of our secrets
/// is made unreadable.
pub(super) async fn exchange(
    connection: &mut Connection,
    request: &Request,
    wanted: &[Rule<Arc<str>>],
    notes: &mut Notes,
) -> Result<(), Fault> {
    let ended = ask(connection, request, wanted, notes).await;
    if !request.ask.has_secrets() {
        return ended;
    }
    let hide = |bytes: &mut [u8], most| request.ask.hide_secrets(bytes, most);
    if let Some(response) = &mut notes.response {
        hide(&mut response.body, MAX_KEPT_BYTES);
        response.wanted.iter_mut().for_each(|(_, value)| hide(value, usize::MAX));
        for text in [&mut response.location, &mut response.upgrade].into_iter().flatten() {
            let mut bytes = std::mem::take(text).into_bytes();
            hide(&mut bytes, MAX_VALUE);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    if let Some(transcript) = &mut notes.transcript {
        hide(&mut transcript.received, Transcript::MAX_KEPT);
    }
    ended.map_err(|mut fault| {
        match &mut fault {
            Fault::Http(HttpFault::NotHttp(bytes)) => hide(bytes, MAX_BEGINNING),
            Fault::Http(HttpFault::BadField(odd)) => hide(&mut odd.field, MAX_SHOWN),
            _ => {}
        }
        fault
    })
}

async fn ask(
    connection: &mut Connection,
    request: &Request,
    wanted: &[Rule<Arc<str>>],
    notes: &mut Notes,
) -> Result<(), Fault> {
    let bytes = request.bytes();
    if let Some(transcript) = &mut notes.transcript {
        transcript.sent = request.shown();
    }
    connection.send(&bytes).await;
    let mut input = Input { connection, buffer: Vec::new() };
    let (response, framing) = read_head(&mut input, wanted, notes).await?;
    // Whatever the head announces of one (RFC 9110, section 9.3.2).
    let framing = if request.ask.method == Method::Head { Framing::Empty } else { framing };
    notes.response = Some(Box::new(response));
    let mut body = Body::new(framing);
    let ended = read_body(&mut input, &mut body, notes).await;
    if let Some(response) = &mut notes.response {
        let is_whole = ended.is_ok() && body.received() <= MAX_KEPT_BYTES as u64;
        response.coding = std::mem::take(&mut response.coding).taken_off(&mut response.body, is_whole);
    }
    ended
}

async fn read_body(input: &mut Input<'_>, body: &mut Body, notes: &mut Notes) -> Result<(), Fault> {
    loop {
        let mut nowhere = Vec::new();
        let kept = notes.response.as_mut().map_or(&mut nowhere, |response| &mut response.body);
        let done = body.take(&mut input.buffer, kept).map_err(Fault::Http)?;
        notes.progress = ResponseProgress::Body { received: body.received(), end: body.awaited() };
        if done || body.received() > MAX_KEPT_BYTES as u64 {
            return Ok(());
        }
        if input.more(notes).await? == 0 {
            return body.end().map_err(Fault::Http);
        }
    }
}

/// Bytes received and not yet used.
struct Input<'a> {
    connection: &'a mut Connection,
    buffer: Vec<u8>,
}

impl Input<'_> {
    /// Appends what comes next; 0 at the end.
    async fn more(&mut self, notes: &mut Notes) -> Result<usize, Fault> {
        let before = self.buffer.len();
        match self.connection.read(&mut self.buffer, &mut notes.renegotiation_requested).await {
            Ok(count) => {
                notes.heard = Instant::now();
                if let Some(transcript) = &mut notes.transcript {
                    transcript.receive(&self.buffer[before..]);
                }
                Ok(count)
            }
            Err(broken) => Err(broken.before_a_response(notes.progress, false)),
        }
    }

    /// The first bytes of what is no HTTP, enough of them to tell what it is.
    async fn beginning(&mut self, notes: &mut Notes) -> Vec<u8> {
        let deadline = notes.deadline;
        let reading =
            async { while self.buffer.len() < TELLING && self.more(notes).await.is_ok_and(|count| count > 0) {} };
        // What has not come by then is not waited for.
        let patience = MOMENT.min(deadline.saturating_duration_since(Instant::now()) / 2);
        let _ = tokio::time::timeout(patience, reading).await;
        self.buffer[..self.buffer.len().min(MAX_BEGINNING)].to_vec()
    }
}

/// Bytes that tell TLS records, frames of HTTP/2 and banners from each other.
const TELLING: usize = 24;

/// Bytes that are kept of them.
const MAX_BEGINNING: usize = 256;

/// How long the rest of them is waited for.
const MOMENT: Duration = Duration::from_millis(250);

/// Reads heads until one is final.
async fn read_head(
    input: &mut Input<'_>,
    wanted: &[Rule<Arc<str>>],
    notes: &mut Notes,
) -> Result<(Response, Framing), Fault> {
    let mut head_bytes = 0;
    let mut interim_responses = 0;
    // A head is looked at when its end may be there, so that a server that drips cannot make us parse for each byte.
    let mut seen = 0;
    loop {
        if !may_be_http(&input.buffer) {
            return Err(Fault::Http(HttpFault::NotHttp(Box::pin(input.beginning(notes)).await)));
        }
        if let Some(end) = end_of_head(&input.buffer, seen) {
            head_bytes += end;
            if head_bytes > MAX_KEPT_BYTES {
                return Err(Fault::Http(HttpFault::HeadTooLarge));
            }
            let (response, framing) = parse(&input.buffer[..end], wanted).map_err(Fault::Http)?;
            input.buffer.drain(..end);
            seen = 0;
            if !(100..200).contains(&response.status) || response.status == 101 {
                return Ok((response, framing));
            }
            interim_responses += 1;
            if interim_responses > MAX_INTERIM_RESPONSES {
                return Err(Fault::Http(HttpFault::TooManyInterimResponses));
            }
            continue;
        }
        if head_bytes + input.buffer.len() > MAX_KEPT_BYTES {
            return Err(Fault::Http(HttpFault::HeadTooLarge));
        }
        seen = input.buffer.len();
        let progress = notes.progress;
        if input.more(notes).await? == 0 {
            return Err(Fault::Http(HttpFault::ClosedBeforeHead { received: head_bytes + input.buffer.len() }));
        }
        if progress == ResponseProgress::Nothing {
            notes.enter(Phase::Transfer);
        }
        notes.progress = ResponseProgress::Head { received: head_bytes + input.buffer.len() };
    }
}
