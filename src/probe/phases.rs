//! The parts of a probe that take time, and how long each of them took.

use std::time::Duration;

/// Durations of the parts of a probe; zero when a part was not reached. They start where the one before ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    pub dns: Duration,
    pub connect: Duration,
    pub tls: Duration,
    /// From the request's first byte sent to the response's first byte received.
    pub first_byte: Duration,
    pub transfer: Duration,
}

/// A part of a probe that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Dns,
    Connect,
    Tls,
    FirstByte,
    Transfer,
}

impl Part {
    /// As in labels and in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Transfer => "transfer",
        }
    }

    #[must_use]
    pub fn of(self, phases: &Phases) -> Duration {
        match self {
            Self::Dns => phases.dns,
            Self::Connect => phases.connect,
            Self::Tls => phases.tls,
            Self::FirstByte => phases.first_byte,
            Self::Transfer => phases.transfer,
        }
    }
}
