//! How late this process runs, so that its own trouble is never booked on a server.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::AfterProxyLine;
use super::Fault;
use super::HttpFault;
use super::TlsFault;

/// How often the runtime's punctuality is looked at.
const BEAT: Duration = Duration::from_millis(50);

/// Lateness that timers and a busy scheduler have on any machine, and that explains nothing.
const ORDINARY: Duration = Duration::from_millis(25);

/// A client that keeps a server waiting this long may find the connection ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// Adds up by how much a steady timer of this process fires too late: a measure of lack of CPU, of a stopped
/// process, of a suspended machine.
pub(super) struct Lateness {
    beats: Arc<Mutex<Beats>>,
    task: AbortHandle,
}

struct Beats {
    /// Of all beats so far.
    late: Duration,
    /// The next beat.
    due: Instant,
}

impl Lateness {
    /// Starts watching; ends when dropped.
    pub(super) fn watch() -> Self {
        let beats = Arc::new(Mutex::new(Beats { late: Duration::ZERO, due: Instant::now() + BEAT }));
        let watched = beats.clone();
        let task = tokio::spawn(async move {
            loop {
                let due = watched.lock().unwrap_or_else(PoisonError::into_inner).due;
                tokio::time::sleep_until(due).await;
                watched.lock().unwrap_or_else(PoisonError::into_inner).fall_due(Instant::now());
            }
        });
        Self { beats, task: task.abort_handle() }
    }

    /// All lateness so far, that of a beat which is overdue just now included: after a stop, whoever wakes first must
    /// know of it.
    pub(super) fn total(&self) -> Duration {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.late + overdue(beats.due, Instant::now())
    }

    /// Whether a probe that was `late` in all may have missed an answer because of that.
    pub(super) fn explains(late: Duration, timeout: Duration) -> bool {
        late >= ORDINARY && late >= timeout / 4
    }

    /// Whether `fault` may have come from our being `late` in all: a server that we keep waiting ends the connection.
    pub(super) fn explains_fault(fault: &Fault, late: Duration, timeout: Duration) -> bool {
        let ended_by_the_server = match fault {
            Fault::AfterProxyLine(AfterProxyLine::Closed | AfterProxyLine::Reset)
            | Fault::Tls(TlsFault::Closed | TlsFault::Reset | TlsFault::EndAfterHandshake { .. })
            | Fault::Http(HttpFault::Reset(_) | HttpFault::ClosedBeforeHead { .. } | HttpFault::BodyCutShort { .. }) => {
                true
            }
            Fault::AfterProxyLine(AfterProxyLine::NotTls(_) | AfterProxyLine::Alert(_))
            | Fault::Tls(TlsFault::Timeout | TlsFault::Rustls(_) | TlsFault::AlertAfterHandshake(_))
            | Fault::Http(
                HttpFault::Timeout(_)
                | HttpFault::Malformed(_)
                | HttpFault::NotHttp(_)
                | HttpFault::HeadTooLarge
                | HttpFault::TooManyInterimResponses,
            )
            | Fault::Local(_)
            | Fault::Dns(_)
            | Fault::Connect(_) => false,
        };
        ended_by_the_server && Self::explains(late, timeout.min(PATIENCE * 4))
    }
}

impl Beats {
    fn fall_due(&mut self, now: Instant) {
        self.late += overdue(self.due, now);
        self.due = now + BEAT;
    }
}

/// A millisecond or two is the timer's own grain.
fn overdue(due: Instant, now: Instant) -> Duration {
    const GRAIN: Duration = Duration::from_millis(2);
    Some(now.saturating_duration_since(due)).filter(|late| *late > GRAIN).unwrap_or_default()
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lateness_of_a_quarter_of_the_timeout_explains_it() {
        let check = |late, timeout, explains| {
            assert_eq!(
                Lateness::explains(Duration::from_millis(late), Duration::from_millis(timeout)),
                explains,
                "{late} ms of {timeout} ms"
            );
        };
        check(0, 1000, false);
        check(249, 1000, false);
        check(250, 1000, true);
        check(24, 50, false);
        check(25, 50, true);
        check(60_000, 30_000, true);
    }

    #[test]
    fn a_server_that_was_kept_waiting_may_end_the_connection() {
        let check = |fault: &Fault, late, timeout, explains| {
            let (late, timeout) = (Duration::from_millis(late), Duration::from_secs(timeout));
            assert_eq!(Lateness::explains_fault(fault, late, timeout), explains, "{fault:?}, {late:?} of {timeout:?}");
        };
        let closed = Fault::Http(HttpFault::ClosedBeforeHead { received: 0 });
        check(&closed, 249, 1, false);
        check(&closed, 250, 1, true);
        check(&closed, 999, 30, false);
        check(&closed, 1000, 30, true);
        check(&Fault::Tls(TlsFault::Reset), 1000, 30, true);
        check(&Fault::AfterProxyLine(AfterProxyLine::Closed), 1000, 30, true);
        check(&Fault::Connect(super::super::ConnectFault::Refused), 20_000, 30, false);
        check(&Fault::Http(HttpFault::HeadTooLarge), 20_000, 30, false);
        check(&Fault::Dns(crate::resolver::DnsFault::NameNotFound), 20_000, 30, false);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_wakes_first_after_a_stop_knows_of_it() {
        let lateness = Lateness::watch();
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(300));
        // The watcher itself had no chance yet.
        assert!(lateness.total() >= Duration::from_millis(240), "{:?}", lateness.total());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_blocked_runtime_is_seen_as_late() {
        let lateness = Lateness::watch();
        tokio::task::yield_now().await;
        let blocked = std::time::Instant::now();
        while blocked.elapsed() < Duration::from_millis(300) {}
        let deadline = Instant::now() + Duration::from_secs(10);
        while lateness.total() < Duration::from_millis(200) {
            assert!(Instant::now() < deadline, "lateness of {:?} only", lateness.total());
            tokio::task::yield_now().await;
        }
    }
}
