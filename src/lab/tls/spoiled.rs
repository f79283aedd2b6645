//! Scripts of servers that never complete a TLS handshake: their answers to the `ClientHello`, written by hand.

use crate::lab::script::{Mark, Script, Step};
use crate::lab::tcp::garbage_bytes;

/// A fatal alert with this number (RFC 8446, section 6), and FIN.
#[must_use]
pub fn alert(code: u8) -> Script {
    after_hello([Step::send(alert_record(0x03, code)), Step::Finish])
}

/// A fatal alert in a record of a version that there is not.
#[must_use]
pub fn alert_of_odd_version(version: [u8; 2], code: u8) -> Script {
    after_hello([Step::send([21, version[0], version[1], 0, 2, 2, code]), Step::Finish])
}

/// Does not know the name in the SNI: alert 112. Written by hand because rustls sends 49 in this case.
#[must_use]
pub fn unrecognized_name() -> Script {
    alert(112)
}

/// Speaks TLS 1.0 at most and says so with alert 70, as OpenSSL does.
#[must_use]
pub fn tls10_alert() -> Script {
    after_hello([Step::send(alert_record(0x01, 70)), Step::Finish])
}

/// Speaks TLS 1.0 at most and answers with a TLS 1.0 `ServerHello`, as servers without version checks do.
#[must_use]
pub fn tls10_server_hello() -> Script {
    let mut body = vec![0x03, 0x01];
    body.extend_from_slice(&garbage_bytes(32));
    // No session id, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression (RFC 2246, section 7.4.1.3).
    body.extend_from_slice(&[0, 0xc0, 0x13, 0]);
    after_hello([Step::send(server_hello_record(0x01, &body)), Step::Hold])
}

/// A record that calls itself `ServerHello` and holds noise.
#[must_use]
pub fn garbage_server_hello() -> Script {
    after_hello([Step::send(server_hello_record(0x03, &garbage_bytes(70))), Step::Hold])
}

/// FIN instead of a `ServerHello`.
#[must_use]
pub fn closes_after_hello() -> Script {
    after_hello([Step::Finish])
}

/// RST instead of a `ServerHello`.
#[must_use]
pub fn resets_after_hello() -> Script {
    after_hello([Step::Reset])
}

/// Never answers the `ClientHello`.
#[must_use]
pub fn stalls_after_hello() -> Script {
    after_hello([Step::Hold])
}

/// A plain HTTP server's answer to a `ClientHello`.
#[must_use]
pub fn answers_plain_http() -> Script {
    let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    Script::new([Step::Await(Mark::Anything), Step::send(refusal), Step::Finish])
}

fn after_hello<const N: usize>(steps: [Step; N]) -> Script {
    Script::new(std::iter::once(Step::Await(Mark::ClientHello)).chain(steps))
}

fn alert_record(minor_version: u8, code: u8) -> [u8; 7] {
    [ALERT, 0x03, minor_version, 0, 2, FATAL, code]
}

/// A handshake record with one `ServerHello` in it (RFC 5246, sections 6.2.1 and 7.4).
fn server_hello_record(minor_version: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("the bodies written here are short");
    let mut record = vec![HANDSHAKE, 0x03, minor_version, 0, length + 4, SERVER_HELLO, 0, 0, length];
    record.extend_from_slice(body);
    record
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const FATAL: u8 = 2;
