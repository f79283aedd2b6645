//! Server-sent events: the answer that stays open, and one event as it is written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;

/// The answer that such events come in, as they are sent; without a receiver only its head.
pub(super) fn response<T: Send + 'static>(events: Option<mpsc::Receiver<T>>, write: fn(T) -> Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        // nginx would collect events before it passes them on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let body = events.map_or_else(Body::empty, |events| Body::new(Events { events, write }));
    (headers, body).into_response()
}

/// One event; `further` are its other fields, each with its newline. `data` is a single line, as JSON is.
pub(super) fn event(kind: &str, further: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {kind}\n{further}data: {data}\n\n"))
}

pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// The answer's body.
struct Events<T> {
    events: mpsc::Receiver<T>,
    write: fn(T) -> Bytes,
}

impl<T> HttpBody for Events<T> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let write = self.write;
        self.events.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(write(event)))))
    }
}
