//! What a backend remembers of its connections, in a bounded space, so that tests can look at it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A TLS handshake that a backend completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The SNI that the client sent.
    pub server_name: Option<String>,
    /// The application protocol agreed on by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// How many certificates the client sent.
    pub client_certificates: usize,
}

/// What is remembered of the latest connections of one backend.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    connections: u64,
    requests: VecDeque<(u64, Vec<u8>)>,
    handshakes: VecDeque<Handshake>,
}

/// One connection's own part of a [`Journal`].
#[derive(Debug)]
pub(super) struct Recording {
    journal: Arc<Journal>,
    connection: u64,
}

impl Journal {
    pub(super) fn connection(self: &Arc<Self>) -> Recording {
        let mut entries = self.entries();
        entries.connections += 1;
        Recording { journal: Arc::clone(self), connection: entries.connections }
    }

    pub(super) fn connections(&self) -> u64 {
        self.entries().connections
    }

    pub(super) fn requests(&self) -> Vec<Vec<u8>> {
        self.entries().requests.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(super) fn handshakes(&self) -> Vec<Handshake> {
        self.entries().handshakes.iter().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    /// Bytes that the client sent. What is beyond [`MAX_REQUEST_BYTES`] is dropped.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut entries = self.journal.entries();
        if let Some((_, request)) = entries.requests.iter_mut().find(|(connection, _)| *connection == self.connection) {
            let room = MAX_REQUEST_BYTES - request.len();
            request.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else {
            let kept = bytes[..bytes.len().min(MAX_REQUEST_BYTES)].to_vec();
            push_bounded(&mut entries.requests, (self.connection, kept));
        }
    }

    pub(super) fn handshake(&self, handshake: Handshake) {
        push_bounded(&mut self.journal.entries().handshakes, handshake);
    }
}

fn push_bounded<T>(entries: &mut VecDeque<T>, entry: T) {
    if entries.len() == MAX_ENTRIES {
        entries.pop_front();
    }
    entries.push_back(entry);
}

/// How many connections are remembered.
const MAX_ENTRIES: usize = 16;

/// How much of what a client sent on one connection is remembered.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_keeps_the_start_of_the_latest_connections_only() {
        let journal = Arc::new(Journal::default());
        let first = journal.connection();
        first.received(&[b'a'; 10_000]);
        first.received(&[b'b'; 10_000]);
        assert_eq!(journal.requests()[0].len(), MAX_REQUEST_BYTES);

        for _ in 0..MAX_ENTRIES {
            journal.connection().received(b"next");
        }
        assert_eq!(journal.requests(), vec![b"next".to_vec(); MAX_ENTRIES]);
        assert_eq!(journal.connections(), 17);
    }
}
