//! Scripts of HTTP/1 servers: good answers, odd but legal ones, slow ones, endless ones and broken ones.
//!
//! All of them read the whole request head before they answer, as servers do.

use std::time::Duration;

use crate::lab::script::{Mark, Script, Step};
use crate::lab::tcp::garbage_bytes;

/// Reads the request, sends exactly these bytes, closes in good order.
#[must_use]
pub fn answer(bytes: impl AsRef<[u8]>) -> Script {
    after_request([Step::send(bytes), Step::Finish])
}

/// A complete response with a `Content-Length`, as bytes. The reason phrase is left empty (RFC 9112, section 4).
#[must_use]
pub fn response(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} \r\nContent-Length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// 200 with the body `ready`.
#[must_use]
pub fn ok() -> Script {
    answer(ready())
}

/// This status with this body.
#[must_use]
pub fn status(status: u16, body: &str) -> Script {
    answer(text(status, body))
}

/// A temporary redirect.
#[must_use]
pub fn redirect(location: &str) -> Script {
    answer(response(302, &[("Location", location)], ""))
}

/// A good answer, but only this long after the request.
#[must_use]
pub fn ok_after(delay: Duration) -> Script {
    after_request([Step::Pause(delay), Step::send(ready()), Step::Finish])
}

/// A good answer in segments of one byte each.
#[must_use]
pub fn split_at_every_byte() -> Script {
    after_request([Step::drip(ready(), Duration::from_millis(1)), Step::Finish])
}

/// Never answers a request.
#[must_use]
pub fn silent() -> Script {
    after_request([Step::Hold])
}

/// FIN instead of an answer.
#[must_use]
pub fn closes_without_answer() -> Script {
    after_request([Step::Finish])
}

/// RST instead of an answer.
#[must_use]
pub fn resets_without_answer() -> Script {
    after_request([Step::Reset])
}

/// FIN in the middle of the head.
#[must_use]
pub fn closes_in_head() -> Script {
    answer("HTTP/1.1 200 OK\r\nContent-Le")
}

/// RST in the middle of a body, which had a `Content-Length`.
#[must_use]
pub fn resets_in_body() -> Script {
    // The pause lets the client take what was sent before the RST overtakes it.
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first words";
    after_request([Step::send(begun), Step::Pause(Duration::from_millis(50)), Step::Reset])
}

/// A head that comes byte by byte with this pause between them, and never ends.
#[must_use]
pub fn drips_head(pause: Duration) -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\nX-Slow: "), Step::repeat("a", pause)])
}

/// A body that comes byte by byte with this pause between them, and never ends.
#[must_use]
pub fn drips_body(pause: Duration) -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), Step::repeat("a", pause)])
}

/// Header fields without end.
#[must_use]
pub fn endless_headers() -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\n"), Step::repeat("X-More: and more\r\n".repeat(64), Duration::ZERO)])
}

/// One header field of 1 MiB.
#[must_use]
pub fn huge_header() -> Script {
    answer(format!("HTTP/1.1 200 OK\r\nX-Huge: {}\r\nContent-Length: 0\r\n\r\n", "h".repeat(1 << 20)))
}

/// A close-delimited body without end.
#[must_use]
pub fn endless_body() -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\n\r\n"), Step::repeat("more and ".repeat(512), Duration::ZERO)])
}

/// Chunks without end.
#[must_use]
pub fn endless_chunks() -> Script {
    let chunk = format!("1000\r\n{}\r\n", "c".repeat(0x1000));
    after_request([
        Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Step::repeat(chunk, Duration::ZERO),
    ])
}

/// Interim responses with this 1xx status without end.
#[must_use]
pub fn endless_interim(status: u16) -> Script {
    after_request([Step::repeat(interim(status, 1), Duration::ZERO)])
}

/// So many interim responses with this 1xx status, and then a good answer.
#[must_use]
pub fn interim_then_ok(status: u16, count: usize) -> Script {
    let mut bytes = interim(status, count).into_bytes();
    bytes.extend(ready());
    answer(bytes)
}

/// 101, which no probe asked for.
#[must_use]
pub fn switching_protocols() -> Script {
    answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
}

/// 204, which has neither a body nor a length.
#[must_use]
pub fn no_content() -> Script {
    // Kept open: who waits for a body or a close waits in vain.
    after_request([Step::send("HTTP/1.1 204 No Content\r\n\r\n"), Step::Hold])
}

/// 304 with the `Content-Length` that a 200 would have had (RFC 9110, section 8.6), and no body.
#[must_use]
pub fn not_modified() -> Script {
    after_request([Step::send("HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: \"1\"\r\n\r\n"), Step::Hold])
}

/// HTTP/1.0 with a length.
#[must_use]
pub fn http10_with_length() -> Script {
    answer("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nready\n")
}

/// HTTP/1.0 whose body ends with the connection.
#[must_use]
pub fn http10_without_length() -> Script {
    answer("HTTP/1.0 200 OK\r\n\r\nready\n")
}

/// HTTP/1.1 whose body ends with the connection (RFC 9112, section 6.3, rule 8).
#[must_use]
pub fn close_delimited() -> Script {
    answer("HTTP/1.1 200 OK\r\n\r\nready\n")
}

/// The same, ended without a `close_notify` when inside TLS, as by somebody who cuts the connection.
#[must_use]
pub fn close_delimited_and_cut() -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\n\r\nready\n"), Step::Cut])
}

/// Two chunks, one with an extension, and a trailer.
#[must_use]
pub fn chunked() -> Script {
    answer(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;kind=odd\r\nrea\r\n3\r\ndy\n\r\n0\r\nX-Trailer: yes\r\n\r\n",
    )
}

/// A body of 70,000 bytes with `needle` at the edge of its first 64 KiB.
#[must_use]
pub fn big_body(needle: &str, placement: Placement) -> Script {
    let start = match placement {
        Placement::JustInside => KEPT_BODY - needle.len(),
        Placement::Straddling => KEPT_BODY - needle.len() / 2,
        Placement::JustOutside => KEPT_BODY,
    };
    let mut body = vec![b'.'; 70_000];
    body[start..start + needle.len()].copy_from_slice(needle.as_bytes());
    answer(response(200, &[], body))
}

/// Where a text stands in a big body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Its last byte is the last one of the first 64 KiB.
    JustInside,
    /// Half of it is in the first 64 KiB.
    Straddling,
    /// Its first byte is the first one after 64 KiB.
    JustOutside,
}

/// FIN after 10 of 1000 bytes announced.
#[must_use]
pub fn short_body() -> Script {
    answer("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
}

/// FIN in the middle of a chunk.
#[must_use]
pub fn cut_in_chunk() -> Script {
    chunks("64\r\nonly this")
}

/// A chunk size that is no number.
#[must_use]
pub fn bad_chunk_size() -> Script {
    chunks("five\r\nready\r\n0\r\n\r\n")
}

/// A chunk size beyond 64 bits.
#[must_use]
pub fn chunk_size_overflow() -> Script {
    chunks("10000000000000005\r\nready\r\n0\r\n\r\n")
}

/// FIN where the last chunk should be.
#[must_use]
pub fn missing_last_chunk() -> Script {
    chunks("6\r\nready\n\r\n")
}

/// Noise instead of an answer.
#[must_use]
pub fn garbage() -> Script {
    answer(garbage_bytes(512))
}

/// A body without a head, as HTTP/0.9 had it.
#[must_use]
pub fn body_without_head() -> Script {
    answer("<html><body>ready</body></html>\n")
}

/// A status line with words where the number should be.
#[must_use]
pub fn bad_status_line() -> Script {
    answer("HTTP/1.1 all is well\r\nContent-Length: 0\r\n\r\n")
}

/// Whatever is given where the status code should be: `099`, `600`, `999`.
#[must_use]
pub fn status_text(status: &str) -> Script {
    answer(format!("HTTP/1.1 {status} Odd\r\nContent-Length: 6\r\n\r\nready\n"))
}

/// A NUL byte in a header field's value.
#[must_use]
pub fn nul_in_header() -> Script {
    with_headers("X-Odd: a\0b\r\nContent-Length: 6\r\n")
}

/// Two lengths that differ (RFC 9112, section 6.3, rule 5: an error).
#[must_use]
pub fn differing_content_lengths() -> Script {
    with_headers("Content-Length: 6\r\nContent-Length: 7\r\n")
}

/// Two lengths that are equal (RFC 9110, section 8.6: may be taken as one).
#[must_use]
pub fn equal_content_lengths() -> Script {
    with_headers("Content-Length: 6\r\nContent-Length: 6\r\n")
}

/// A length and chunks at once (RFC 9112, section 6.3, rule 3: chunks win, or an error).
#[must_use]
pub fn length_and_chunks() -> Script {
    answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nready\n\r\n0\r\n\r\n")
}

/// A port for HTTPS that is asked in plain HTTP, as nginx answers it.
#[must_use]
pub fn wants_tls() -> Script {
    status(400, "<center>The plain HTTP request was sent to HTTPS port</center>\n")
}

/// A port for HTTP/2 with prior knowledge that is asked in HTTP/1.1: SETTINGS at once, then GOAWAY (RFC 9113, sections
/// 6.5 and 6.8).
#[must_use]
pub fn wants_http2() -> Script {
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
    let go_away = b"\0\0\x17\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01Invalid preface";
    Script::new([Step::send(settings), Step::Await(Mark::RequestHead), Step::send(go_away), Step::Finish])
}

/// A body with a `Content-Length` that is one too large, on a connection that stays open.
#[must_use]
pub fn length_too_large() -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nready\n"), Step::Hold])
}

/// A body without length and chunks, on a connection that stays open.
#[must_use]
pub fn never_closes() -> Script {
    after_request([Step::send("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nready\n"), Step::Hold])
}

/// This status, the beginning of a body, and RST.
#[must_use]
pub fn status_then_reset(status: u16) -> Script {
    let begun = format!("HTTP/1.1 {status} \r\nContent-Length: 1000\r\n\r\nthe first words");
    after_request([Step::send(begun), Step::Pause(Duration::from_millis(50)), Step::Reset])
}

/// A header field that goes on in the next line (RFC 9112, section 5.2).
#[must_use]
pub fn folded_header() -> Script {
    with_headers("X-Long: one\r\n two\r\nContent-Length: 6\r\n")
}

fn ready() -> Vec<u8> {
    text(200, "ready\n")
}

fn text(status: u16, body: &str) -> Vec<u8> {
    response(status, &[("Content-Type", "text/plain")], body)
}

fn with_headers(headers: &str) -> Script {
    answer(format!("HTTP/1.1 200 OK\r\n{headers}\r\nready\n"))
}

fn chunks(bytes: &str) -> Script {
    answer(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{bytes}"))
}

fn interim(status: u16, count: usize) -> String {
    let reason = if status == 103 { "Early Hints" } else { "Continue" };
    format!("HTTP/1.1 {status} {reason}\r\n\r\n").repeat(count)
}

fn after_request<const N: usize>(steps: [Step; N]) -> Script {
    Script::new(std::iter::once(Step::Await(Mark::RequestHead)).chain(steps))
}

/// How much of a body is looked at by the prober that the big bodies are made for.
const KEPT_BODY: usize = 64 * 1024;
