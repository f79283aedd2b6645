//! What is remembered of the names asked for: good answers, while their TTL lasts and as last known good ones after it.
//! Failures are not kept, so that a mended DNS shows with the next lookup. Knows neither clock nor network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Good answers by name.
pub(super) struct Cache {
    answers: HashMap<Arc<str>, Answer>,
    last_known_good: Duration,
    swept: Instant,
}

/// A name's last good answer.
struct Answer {
    addresses: Arc<[IpAddr]>,
    came: Instant,
    fresh_until: Instant,
    last_use: Instant,
}

/// A last known good answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) addresses: Arc<[IpAddr]>,
    /// Since the answer came.
    pub(super) age: Duration,
}

impl Cache {
    /// `last_known_good`: how long an answer is remembered after its TTL; zero: not at all.
    pub(super) fn new(last_known_good: Duration, now: Instant) -> Self {
        Self { answers: HashMap::new(), last_known_good, swept: now }
    }

    /// The addresses of `name`, if their TTL still lasts.
    pub(super) fn fresh(&mut self, name: &str, now: Instant) -> Option<Arc<[IpAddr]>> {
        let answer = self.answers.get_mut(name)?;
        answer.last_use = now;
        (now < answer.fresh_until).then(|| answer.addresses.clone())
    }

    /// The last known good addresses of `name`, if they are not too old to be used.
    pub(super) fn remembered(&self, name: &str, now: Instant) -> Option<Remembered> {
        let answer = self.answers.get(name)?;
        let overdue = now.saturating_duration_since(answer.fresh_until);
        (!self.last_known_good.is_zero() && overdue <= self.last_known_good).then(|| Remembered {
            addresses: answer.addresses.clone(),
            age: now.saturating_duration_since(answer.came),
        })
    }

    /// Keeps a good answer: for its TTL (at most an hour; 0: for no further lookup), then as the last known good one.
    pub(super) fn keep(&mut self, name: Arc<str>, addresses: Arc<[IpAddr]>, ttl: Duration, now: Instant) {
        self.sweep(now);
        let fresh_until = now + ttl.min(LONGEST_TTL);
        let last_use = self.answers.get(&name).map_or(now, |answer| answer.last_use);
        self.answers.insert(name, Answer { addresses, came: now, fresh_until, last_use });
    }

    /// Ends the TTL of every answer: they came from resolvers that are no longer ours. They stay as last known good.
    pub(super) fn outdate(&mut self, now: Instant) {
        for answer in self.answers.values_mut() {
            answer.fresh_until = answer.fresh_until.min(now);
        }
    }

    /// Forgets names that nobody asked for in the last hour. The names in use are those of the configuration, so that
    /// this bounds the memory.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP_INTERVAL {
            return;
        }
        self.swept = now;
        self.answers.retain(|_, answer| now.saturating_duration_since(answer.last_use) <= UNUSED);
    }
}

/// The longest time for which an answer is not asked again, whatever its TTL.
const LONGEST_TTL: Duration = Duration::from_hours(1);

/// How long a name that nobody asks for is kept.
const UNUSED: Duration = Duration::from_hours(1);

const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn addresses(last: u8) -> Arc<[IpAddr]> {
        Arc::new([IpAddr::from([10, 0, 0, last])])
    }

    #[test]
    fn an_answer_is_fresh_for_its_ttl_and_at_most_for_an_hour() {
        let start = Instant::now();
        for (ttl, lasts) in
            [(Duration::ZERO, Duration::ZERO), (SECOND, SECOND), (SECOND * 300, SECOND * 300), (HOUR * 24, HOUR)]
        {
            let mut cache = Cache::new(HOUR, start);
            cache.keep("app".into(), addresses(1), ttl, start);
            if !lasts.is_zero() {
                assert_eq!(cache.fresh("app", start + lasts - SECOND / 10), Some(addresses(1)), "{ttl:?}");
            }
            assert_eq!(cache.fresh("app", start + lasts), None, "{ttl:?}");
            assert_eq!(cache.fresh("other", start), None);
        }
    }

    #[test]
    fn the_last_good_answer_is_remembered_for_its_time_after_the_ttl() {
        let start = Instant::now();
        let mut cache = Cache::new(HOUR, start);
        cache.keep("app".into(), addresses(1), SECOND * 30, start);
        let end = start + SECOND * 30 + HOUR;
        let age = SECOND * 30 + HOUR;
        assert_eq!(cache.remembered("app", end), Some(Remembered { addresses: addresses(1), age }));
        assert_eq!(cache.remembered("app", end + SECOND), None);
    }

    #[test]
    fn an_hour_of_memory_is_an_hour_even_after_the_longest_ttl() {
        let start = Instant::now();
        let mut cache = Cache::new(HOUR, start);
        cache.keep("app".into(), addresses(1), HOUR * 24, start);
        assert!(cache.remembered("app", start + HOUR * 2).is_some());
        assert!(cache.remembered("app", start + HOUR * 2 + SECOND).is_none());
    }

    #[test]
    fn zero_switches_the_memory_off() {
        let start = Instant::now();
        let mut cache = Cache::new(Duration::ZERO, start);
        cache.keep("app".into(), addresses(1), SECOND, start);
        assert_eq!(cache.fresh("app", start), Some(addresses(1)));
        assert_eq!(cache.remembered("app", start), None);
        assert_eq!(cache.remembered("app", start + SECOND), None);
    }

    #[test]
    fn a_newer_answer_takes_the_place_of_the_older_one() {
        let start = Instant::now();
        let mut cache = Cache::new(HOUR, start);
        cache.keep("app".into(), addresses(1), SECOND, start);
        cache.keep("app".into(), addresses(2), SECOND, start + SECOND);
        let remembered = cache.remembered("app", start + SECOND * 3);
        assert_eq!(remembered, Some(Remembered { addresses: addresses(2), age: SECOND * 2 }));
    }

    #[test]
    fn names_that_nobody_asks_for_are_forgotten_after_an_hour() {
        let start = Instant::now();
        let mut cache = Cache::new(HOUR * 24, start);
        cache.keep("used".into(), addresses(1), SECOND, start);
        cache.keep("unused".into(), addresses(2), SECOND, start);
        let later = start + HOUR + SECOND;
        cache.fresh("used", later);
        cache.keep("new".into(), addresses(3), SECOND, later);
        assert_eq!(cache.answers.len(), 2);
        assert!(cache.remembered("used", later).is_some());
        assert!(cache.remembered("unused", later).is_none());
    }

    #[test]
    fn a_refresh_in_the_background_is_no_use_of_the_name() {
        let start = Instant::now();
        let mut cache = Cache::new(HOUR, start);
        cache.keep("app".into(), addresses(1), SECOND, start);
        cache.keep("app".into(), addresses(1), SECOND, start + HOUR);
        cache.keep("new".into(), addresses(2), SECOND, start + HOUR + SWEEP_INTERVAL);
        assert!(cache.remembered("app", start + HOUR + SWEEP_INTERVAL).is_none());
        assert_eq!(cache.answers.len(), 1);
    }

    #[test]
    fn other_resolvers_end_the_ttl_but_not_the_memory() {
        let start = Instant::now();
        let mut cache = Cache::new(HOUR, start);
        cache.keep("app".into(), addresses(1), HOUR, start);
        cache.outdate(start + SECOND);
        assert_eq!(cache.fresh("app", start + SECOND), None);
        assert!(cache.remembered("app", start + SECOND).is_some());
    }
}
