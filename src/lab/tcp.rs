//! Scripts of servers that speak no HTTP, and of those that break a connection off.

use crate::lab::script::{Mark, Script, Step};

/// Accepts and holds: reads, answers nothing, stays open until the client closes.
#[must_use]
pub fn holds() -> Script {
    Script::new([Step::Hold])
}

/// RST as soon as a connection is accepted.
#[must_use]
pub fn resets() -> Script {
    Script::new([Step::Reset])
}

/// FIN as soon as a connection is accepted.
#[must_use]
pub fn closes() -> Script {
    Script::new([Step::Finish])
}

/// Sends this as soon as a connection is accepted, and holds.
#[must_use]
pub fn banner(text: &str) -> Script {
    Script::new([Step::send(text), Step::Hold])
}

/// An SSH server's greeting (RFC 4253, section 4.2).
#[must_use]
pub fn ssh_banner() -> Script {
    banner("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
}

/// A mail server's greeting (RFC 5321, section 4.2).
#[must_use]
pub fn smtp_banner() -> Script {
    banner("220 mail.lab.test ESMTP\r\n")
}

/// Random bytes as soon as a connection is accepted, always the same ones, and then FIN.
#[must_use]
pub fn garbage() -> Script {
    Script::new([Step::send(garbage_bytes(512)), Step::Finish])
}

/// Wants a PROXY protocol v1 line, and stays open after it.
#[must_use]
pub fn accepts_proxy_line() -> Script {
    Script::new([Step::Await(Mark::ProxyLine), Step::Hold])
}

/// Closes when it sees a PROXY line, or anything else; stays open as long as nothing comes.
#[must_use]
pub fn closes_on_proxy_line() -> Script {
    Script::new([Step::Await(Mark::ProxyLine), Step::Finish])
}

/// RST when it sees a PROXY line; stays open as long as nothing comes.
#[must_use]
pub fn resets_on_proxy_line() -> Script {
    Script::new([Step::Await(Mark::Anything), Step::Reset])
}

/// Answers a PROXY line as a mail server answers a command that it does not know, and closes.
#[must_use]
pub fn complains_about_proxy_line() -> Script {
    Script::new([Step::Await(Mark::ProxyLine), Step::send("500 5.5.1 Unknown command\r\n"), Step::Finish])
}

/// Bytes that look random but are always the same. The first one is neither a letter nor a TLS record type.
pub(super) fn garbage_bytes(count: usize) -> Vec<u8> {
    // A linear congruential generator (Knuth's MMIX constants); its upper bits are good enough for noise.
    let mut state: u64 = 0x01ab_0bad;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(count)
    .collect();
    if let Some(first) = bytes.first_mut() {
        *first = 0x80;
    }
    bytes
}
