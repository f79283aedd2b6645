//! How late this process runs, so that its own trouble is never booked on a server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{AfterProxyLine, Fault, HttpFault, TlsFault};

/// How often the runtime's punctuality is looked at.
const BEAT: Duration = Duration::from_millis(50);

/// Lateness that timers and a busy scheduler have on any machine, and that explains nothing.
const ORDINARY: Duration = Duration::from_millis(25);

/// A beat that is so late is a stop. Mere lack of CPU keeps a process waiting for less.
const STOP: Duration = Duration::from_secs(1);

/// A client that keeps a server waiting this long may find the connection ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// Adds up by how much a steady timer of this process fires too late: a measure of lack of CPU, of a stopped
/// process, of a suspended machine.
pub(super) struct Lateness {
    beats: Arc<Mutex<Beats>>,
    task: AbortHandle,
}

/// How late this process ran: since it began, or during a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Late {
    /// Of all beats.
    pub(super) all: Duration,
    /// Of those beats that were very late: perhaps not even the kernel ran.
    pub(super) stops: Duration,
}

struct Beats {
    /// Of all beats so far.
    late: Late,
    /// The next beat.
    due: Instant,
}

impl Lateness {
    /// Starts watching; ends when dropped.
    pub(super) fn watch() -> Self {
        let beats = Arc::new(Mutex::new(Beats { late: Late::default(), due: Instant::now() + BEAT }));
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
    pub(super) fn total(&self) -> Late {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.late.and(overdue(beats.due, Instant::now()))
    }

    /// How late it ran since it was `before` in all.
    pub(super) fn since(&self, before: Late) -> Late {
        let Late { all, stops } = self.total();
        Late { all: all.saturating_sub(before.all), stops: stops.saturating_sub(before.stops) }
    }

    /// Whether a probe that was `late` in all may have missed an answer because of that.
    fn explains(late: Duration, timeout: Duration) -> bool {
        late >= ORDINARY && late >= timeout / 4
    }

    /// How much longer than its timeout a probe may wait that was so `late`: the time that we took is not the server's.
    pub(super) fn grace(late: Late, timeout: Duration) -> Duration {
        if Self::explains(late.all, timeout) { late.all.min(timeout) } else { Duration::ZERO }
    }

    /// Whether a probe may have missed an answer because of its being `late`. A server that was `silent_for` most of the
    /// timeout has not answered, because the kernel, which was there all the time, would have taken the answer.
    pub(super) fn explains_timeout(late: Late, silent_for: Option<Duration>, timeout: Duration) -> bool {
        let was_silent = silent_for.is_some_and(|silent| silent >= timeout / 4 * 3);
        Self::explains(late.stops, timeout) || !was_silent && Self::explains(late.all, timeout)
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
            | Fault::Tls(
                TlsFault::Timeout | TlsFault::Rustls(_) | TlsFault::AlertAfterHandshake(_) | TlsFault::Flood(_),
            )
            | Fault::Http(
                HttpFault::Timeout { .. }
                | HttpFault::Malformed(_)
                | HttpFault::BadField(_)
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

impl Late {
    /// With one more beat that was so late.
    fn and(self, late: Duration) -> Self {
        let stop = if late >= STOP { late } else { Duration::ZERO };
        Self { all: self.all + late, stops: self.stops + stop }
    }
}

impl Beats {
    fn fall_due(&mut self, now: Instant) {
        self.late = self.late.and(overdue(self.due, now));
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
    fn a_server_that_said_nothing_for_most_of_the_timeout_is_silent_however_late_we_are() {
        // All in milliseconds; the timeout is a second.
        let check = |all, stops, silent_for: Option<u64>, explains| {
            let millis = Duration::from_millis;
            let late = Late { all: millis(all), stops: millis(stops) };
            let outcome = Lateness::explains_timeout(late, silent_for.map(millis), millis(1000));
            assert_eq!(outcome, explains, "{late:?}, silent for {silent_for:?}");
        };
        check(249, 0, None, false);
        check(250, 0, None, true);
        check(900, 0, Some(749), true);
        check(900, 0, Some(750), false);
        check(900, 240, Some(1000), false);
        check(900, 250, Some(1000), true);
    }

    #[test]
    fn our_own_lateness_is_not_taken_from_the_servers_time() {
        let check = |late, grace| {
            let late = Late { all: Duration::from_millis(late), stops: Duration::ZERO };
            assert_eq!(Lateness::grace(late, Duration::from_secs(1)), Duration::from_millis(grace), "{late:?}");
        };
        check(249, 0);
        check(250, 250);
        check(5000, 1000);
    }

    #[test]
    fn only_a_beat_that_is_very_late_is_a_stop() {
        let millis = Duration::from_millis;
        let late = Late::default().and(millis(999)).and(millis(1000)).and(millis(1));
        assert_eq!(late, Late { all: millis(2000), stops: millis(1000) });
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
        assert!(lateness.total().all >= Duration::from_millis(240), "{:?}", lateness.total());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_blocked_runtime_is_seen_as_late() {
        let lateness = Lateness::watch();
        tokio::task::yield_now().await;
        let blocked = std::time::Instant::now();
        while blocked.elapsed() < Duration::from_millis(300) {}
        let deadline = Instant::now() + Duration::from_secs(10);
        while lateness.total().all < Duration::from_millis(200) {
            assert!(Instant::now() < deadline, "lateness of {:?} only", lateness.total());
            tokio::task::yield_now().await;
        }
    }
}
