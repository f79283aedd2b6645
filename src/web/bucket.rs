//! Token buckets: how many requests are let through, of all or of each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
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
        self.take_several(1, now)
    }

    /// Takes so many tokens, or none. More than it holds when full are as many as that.
    ///
    /// # Errors
    /// Too few are left: how long to wait for them.
    pub(super) fn take_several(&self, tokens: u32, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let taken = self.rate.interval.saturating_mul(tokens.min(self.rate.burst.max(1)));
        let after = debt.saturating_add(taken);
        let capacity = self.rate.interval.saturating_mul(self.rate.burst);
        let missing = after.saturating_sub(capacity);
        if !missing.is_zero() {
            return Err(missing);
        }
        *full_at = now.checked_add(after);
        Ok(())
    }
}

impl Bucket {
    fn is_full(&self, now: Instant) -> bool {
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        full_at.is_none_or(|at| at <= now)
    }
}

/// A bucket for each client address, of those that have taken something not long ago.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Rate,
    of_client: Mutex<HashMap<IpAddr, Bucket>>,
    /// Of all whom there is no room to remember.
    others: Bucket,
}

impl Buckets {
    pub(super) fn full(rate: Rate) -> Self {
        Self { rate, of_client: Mutex::default(), others: Bucket::full(rate) }
    }

    /// Takes so many tokens of this client's.
    ///
    /// # Errors
    /// Too few are left: how long to wait for them.
    pub(super) fn take(&self, client: IpAddr, tokens: u32, now: Instant) -> Result<(), Duration> {
        let mut of_client = self.of_client.lock().unwrap_or_else(PoisonError::into_inner);
        if of_client.len() >= MOST_CLIENTS && !of_client.contains_key(&client) {
            // A full one is as good as none.
            of_client.retain(|_, bucket| !bucket.is_full(now));
            if of_client.len() >= MOST_CLIENTS {
                return self.others.take_several(tokens, now);
            }
        }
        of_client.entry(client).or_insert_with(|| Bucket::full(self.rate)).take_several(tokens, now)
    }
}

/// Clients that are remembered at once.
const MOST_CLIENTS: usize = 1024;

/// Lets a line into the log now and then, of many that say the same.
#[derive(Debug)]
pub(super) struct Rarely {
    bucket: Bucket,
    left_out: AtomicU64,
}

impl Rarely {
    /// Ten lines at once, and one every six seconds in the long run.
    pub(super) fn new() -> Self {
        Self::at(Rate { interval: Duration::from_secs(6), burst: 10 })
    }

    /// So many lines.
    pub(super) fn at(rate: Rate) -> Self {
        Self { bucket: Bucket::full(rate), left_out: AtomicU64::new(0) }
    }

    /// Whether to say it, and then how many lines were left out before it.
    pub(super) fn now(&self, now: Instant) -> Option<u64> {
        if self.bucket.take(now).is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_bucket_of_its_own_and_memory_is_bounded() {
        let buckets = Buckets::full(Rate { interval: Duration::from_secs(1), burst: 5 });
        let (now, client) = (Instant::now(), |number: u32| IpAddr::from(number.to_be_bytes()));
        assert_eq!(buckets.take(client(1), 5, now), Ok(()));
        assert_eq!(buckets.take(client(1), 2, now), Err(Duration::from_secs(2)));
        assert_eq!(buckets.take(client(2), 5, now), Ok(()));
        for number in 3..5_000 {
            let _ = buckets.take(client(number), 1, now);
        }
        assert!(buckets.of_client.lock().unwrap().len() <= MOST_CLIENTS);
        assert!(buckets.take(client(9_999), 1, now).is_err(), "those who are not remembered share one");
        assert_eq!(buckets.take(client(9_999), 1, now + Duration::from_mins(1)), Ok(()));
        assert_eq!(buckets.of_client.lock().unwrap().len(), 1, "full ones are forgotten");
    }

    #[test]
    fn more_than_a_full_bucket_is_a_full_bucket() {
        let bucket = Bucket::full(Rate { interval: Duration::from_secs(1), burst: 5 });
        let now = Instant::now();
        assert_eq!(bucket.take_several(1_000, now), Ok(()));
        assert_eq!(bucket.take_several(1_000, now), Err(Duration::from_secs(5)));
    }

    #[test]
    fn lines_that_say_the_same_are_counted_when_they_are_left_out() {
        let (rarely, now) = (Rarely::new(), Instant::now());
        let said = (0..100).filter(|_| rarely.now(now).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(rarely.now(now + Duration::from_secs(6)), Some(90));
    }

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
