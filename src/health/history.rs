//! The recent past of a row: its latest probes, and failures for longer.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::verdict::{Cause, ProbeResult, Stage, Verdict};

/// What is remembered of a row's probes: the [`History::LATEST`] latest ones, and of those before them the
/// [`History::FAILURES`] latest failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The oldest first.
    latest: VecDeque<Kept>,
    /// The oldest first; all of them older than those in `latest`.
    failures: VecDeque<Kept>,
}

/// One probe of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastProbe {
    /// When it started, to the millisecond.
    pub at: SystemTime,
    /// To the microsecond, at most 71 minutes.
    pub duration: Duration,
    /// `None` after a success.
    pub cause: Option<Cause>,
    /// Of the response's head, when one came.
    pub status: Option<u16>,
}

/// A past probe in sixteen bytes: thousands of rows keep thirty each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    milliseconds: u64,
    microseconds_taken: u32,
    status: u16,
    cause: Option<Cause>,
}

impl History {
    pub const LATEST: usize = 20;
    pub const FAILURES: usize = 10;

    pub(super) fn push(&mut self, verdict: &Verdict) {
        if self.latest.len() == Self::LATEST
            && let Some(oldest) = self.latest.pop_front()
            && oldest.past().result() == ProbeResult::Failure
        {
            if self.failures.len() == Self::FAILURES {
                self.failures.pop_front();
            }
            self.failures.push_back(oldest);
        }
        self.latest.push_back(Kept::of(verdict));
    }

    /// The latest first.
    pub fn latest_first(&self) -> impl Iterator<Item = PastProbe> {
        self.latest.iter().rev().chain(self.failures.iter().rev()).map(Kept::past)
    }
}

impl PastProbe {
    #[must_use]
    pub fn result(&self) -> ProbeResult {
        match self.cause.map(Cause::stage) {
            None => ProbeResult::Success,
            Some(Stage::Local) => ProbeResult::NoVerdict,
            Some(_) => ProbeResult::Failure,
        }
    }
}

impl Kept {
    fn of(verdict: &Verdict) -> Self {
        let since_1970 = verdict.evidence.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            milliseconds: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            microseconds_taken: u32::try_from(verdict.evidence.duration.as_micros()).unwrap_or(u32::MAX),
            status: verdict.evidence.response.as_ref().map_or(0, |response| response.status),
            cause: verdict.cause.as_ref().map(|finding| finding.code),
        }
    }

    fn past(&self) -> PastProbe {
        let Self { milliseconds, microseconds_taken, status, cause } = *self;
        PastProbe {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds),
            duration: Duration::from_micros(microseconds_taken.into()),
            cause,
            status: (status != 0).then_some(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Evidence, Finding, Phases};

    fn verdict(second: u64, cause: Option<Cause>) -> Verdict {
        let evidence = Evidence {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            duration: Duration::from_micros(1_234),
            phases: Phases::default(),
            address: None,
            attempts: Vec::new(),
            response: None,
            tls: None,
            verified: false,
            chain: None,
        };
        Verdict { cause: cause.map(|cause| Finding::new(cause, "")), also: Vec::new(), warnings: Vec::new(), evidence }
    }

    /// Seconds at which the remembered probes of such a row started, one probe a second.
    fn remembered(causes: &[Option<Cause>]) -> Vec<u64> {
        let mut history = History::default();
        for (second, cause) in (0..).zip(causes) {
            history.push(&verdict(second, *cause));
        }
        let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        history.latest_first().map(|past| seconds(past.at)).collect()
    }

    #[test]
    fn failures_are_remembered_longer_than_successes() {
        let failure = Some(Cause::TcpRefused);
        let local = Some(Cause::LocalExhausted);
        let check = |causes: Vec<Option<Cause>>, expected: Vec<u64>| assert_eq!(remembered(&causes), expected);
        check(vec![], vec![]);
        check(vec![None, failure], vec![1, 0]);
        check(vec![None; 25], (5..25).rev().collect());
        check([vec![None, failure, local, failure], vec![None; 20]].concat(), (4..24).rev().chain([3, 1]).collect());
        check(vec![failure; 50], (20..50).rev().collect());
        check([vec![failure; 12], vec![None; 1000]].concat(), (992..1012).rev().chain((2..12).rev()).collect());
    }

    #[test]
    fn a_past_probe_keeps_when_how_long_and_why() {
        let mut history = History::default();
        history.push(&verdict(7, Some(Cause::HttpTimeout)));
        let past = history.latest_first().next().unwrap();
        assert_eq!(past.at, SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!((past.duration, past.cause), (Duration::from_micros(1_234), Some(Cause::HttpTimeout)));
        assert_eq!((past.status, past.result()), (None, ProbeResult::Failure));
        assert!(size_of::<Kept>() <= 16);
    }
}
