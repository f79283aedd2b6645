//! What a backend does with one connection, step by step.

use std::sync::Arc;
use std::time::Duration;

/// Steps that a backend takes on each connection, in their order. When they are over, it closes in good order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    steps: Arc<[Step]>,
}

/// One thing that a backend does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reads until the mark is complete. When the peer ends before that, the script is over.
    Await(Mark),
    /// Sends all at once.
    Send(Arc<[u8]>),
    /// Sends byte by byte, each in a write of its own, with a pause before each.
    Drip { bytes: Arc<[u8]>, pause: Duration },
    /// Sends the same again and again, with a pause before each, until the peer has gone.
    Repeat { bytes: Arc<[u8]>, pause: Duration },
    /// Does nothing for a while.
    Pause(Duration),
    /// Reads and discards until the peer closes; answers nothing.
    Hold,
    /// Closes in good order: `close_notify` inside TLS, then FIN, then waits for the peer to close.
    Finish,
    /// FIN without a `close_notify`; the same as [`Step::Finish`] outside TLS.
    Cut,
    /// RST.
    Reset,
}

/// What is read before the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Any byte.
    Anything,
    /// A whole HTTP request head.
    RequestHead,
    /// One whole TLS record, which holds the `ClientHello`.
    ClientHello,
    /// A PROXY protocol v1 line and not a byte more. Anything else ends the script.
    ProxyLine,
}

impl Script {
    /// A script of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// These steps after a pause of `delay`, counted from the connection's start.
    #[must_use]
    pub fn delayed(&self, delay: Duration) -> Self {
        Self::new(std::iter::once(Step::Pause(delay)).chain(self.steps.iter().cloned()))
    }
}

impl Step {
    pub fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(bytes.as_ref().into())
    }

    pub fn drip(bytes: impl AsRef<[u8]>, pause: Duration) -> Self {
        Self::Drip { bytes: bytes.as_ref().into(), pause }
    }

    pub fn repeat(bytes: impl AsRef<[u8]>, pause: Duration) -> Self {
        Self::Repeat { bytes: bytes.as_ref().into(), pause }
    }
}
