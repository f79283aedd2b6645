//! A token bucket: how many requests are let through.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one request each `interval` in the long run, and `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub interval: Duration,
    pub burst: u32,
}

/// Counts by the time at which the bucket would be full again, so that no timer is needed.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    full_at: Mutex<Option<Instant>>,
}

impl Bucket {
    pub(super) fn full(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::new(None) }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// None is left: how long to wait for the next one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let after = debt.saturating_add(self.rate.interval);
        let capacity = self.rate.interval.saturating_mul(self.rate.burst);
        let missing = after.saturating_sub(capacity);
        if !missing.is_zero() {
            return Err(missing);
        }
        *full_at = now.checked_add(after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_request_each_interval() {
        let second = Duration::from_secs(1);
        let bucket = Bucket::full(Rate { interval: second, burst: 3 });
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for _ in 0..3 {
            assert_eq!(bucket.take(at(0)), Ok(()));
        }
        assert_eq!(bucket.take(at(0)), Err(second));
        assert_eq!(bucket.take(at(400)), Err(Duration::from_millis(600)));
        assert_eq!(bucket.take(at(1000)), Ok(()));
        assert_eq!(bucket.take(at(1000)), Err(second));
        for _ in 0..3 {
            assert_eq!(bucket.take(at(60_000)), Ok(()));
        }
        assert_eq!(bucket.take(at(60_000)), Err(second));
    }
}
