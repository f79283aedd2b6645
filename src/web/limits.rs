//! How much a client may take, and for how long.

use std::time::Duration;

/// How much a client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, over all listeners; for one more, another one ends.
    pub connections: usize,
    /// For the whole TLS handshake.
    pub handshake: Duration,
    /// From the start of a connection to its first byte, after TLS.
    pub first: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Without a byte taken from what we write.
    pub write: Duration,
    /// Without a request.
    pub idle: Duration,
    /// For what a client waits for that has closed its own side: from then, or from the latest byte that we wrote.
    pub half_closed: Duration,
    /// Scrapes at once.
    pub scrapes: usize,
    /// How long a scrape waits for its turn before it is refused with 503.
    pub scrape_wait: Duration,
    /// From the start of a scrape to its last byte.
    pub scrape: Duration,
    /// Clients at once that are told of changes as they come.
    pub streams: usize,
    /// After so long without a change, such a client gets a sign of life.
    pub heartbeat: Duration,
    /// What running requests get when the exporter ends.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(10),
            first: Duration::from_secs(5),
            head: Duration::from_secs(10),
            write: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            half_closed: Duration::from_secs(5),
            scrapes: 16,
            scrape_wait: Duration::from_secs(5),
            scrape: Duration::from_mins(1),
            streams: 64,
            heartbeat: Duration::from_secs(15),
            shutdown: Duration::from_secs(3),
        }
    }
}
