//! From single results to a state: thresholds and streaks, nothing else.

use super::State;

/// How a beat of a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Success,
    /// Stages tcp, tls and http.
    Failure,
    /// No address to probe.
    DnsFailure,
    /// Our own trouble, or a beat that was skipped because of it.
    NoVerdict,
}

/// What a row remembers between beats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streak {
    state: State,
    /// Failures in a row, of any kind but our own trouble.
    failures: u32,
    /// Successes in a row of a row that is not Healthy.
    successes: u32,
    /// DNS failures in a row, at the end of that streak.
    dns_failures: u32,
    /// Beats in a row that gave no verdict.
    silent: u32,
    /// The server was reached, or failed to be, at least once: the threshold counts from then on.
    judged: bool,
}

/// How many results in a row change a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) healthy: u32,
    pub(super) unhealthy: u32,
}

/// What a beat changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The state to be in; `None`: as before.
    pub(super) state: Option<State>,
    /// This beat's cause becomes the row's.
    pub(super) takes_cause: bool,
}

impl Default for Streak {
    fn default() -> Self {
        Self { state: State::Unknown, failures: 0, successes: 0, dns_failures: 0, silent: 0, judged: false }
    }
}

impl Streak {
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Of a row that is not Healthy; 0 of one that is.
    pub(super) fn successes(&self) -> u32 {
        self.successes
    }

    pub(super) fn advance(&mut self, event: Event, thresholds: Thresholds) -> Step {
        let threshold = thresholds.unhealthy;
        let state = match event {
            Event::Success => {
                let successes = self.successes.saturating_add(1);
                let heals = self.state == State::Healthy || !self.judged || successes >= thresholds.healthy;
                let state = if heals { State::Healthy } else { self.state };
                let successes = if heals { 0 } else { successes };
                *self = Self { state, successes, judged: true, ..Self::default() };
                Some(state)
            }
            Event::Failure => {
                self.fail(0);
                let first = !std::mem::replace(&mut self.judged, true);
                (first || self.failures >= threshold).then_some(State::Unhealthy)
            }
            Event::DnsFailure => {
                self.fail(self.dns_failures.saturating_add(1));
                let long_enough = match self.state {
                    // To say less of a server that was found sick takes DNS failures alone.
                    State::Unhealthy => self.dns_failures >= threshold,
                    State::Healthy | State::Unknown => self.failures >= threshold,
                };
                long_enough.then_some(State::Unknown)
            }
            Event::NoVerdict => {
                self.silent = self.silent.saturating_add(1);
                if self.silent < threshold {
                    return Step { state: None, takes_cause: false };
                }
                if self.state != State::Unknown {
                    // Whatever was counted is too old by now: leaving Unknown takes the full threshold afresh. What is
                    // counted from then on stays, so that a host that is always short still finds who is down.
                    self.failures = 0;
                    self.dns_failures = 0;
                    self.successes = 0;
                }
                Some(State::Unknown)
            }
        };
        self.state = state.unwrap_or(self.state);
        Step { state, takes_cause: true }
    }

    fn fail(&mut self, dns_failures: u32) {
        self.silent = 0;
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        self.dns_failures = dns_failures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `beats` (`.` success, `x` failure, `d` DNS failure, `-` no verdict) and compares the state after each one
    /// (`H`, `U`nhealthy, `?` Unknown).
    fn check(threshold: u32, beats: &str, states: &str) {
        check_with(1, threshold, beats, states);
    }

    fn check_with(healthy: u32, unhealthy: u32, beats: &str, states: &str) {
        let mut streak = Streak::default();
        let mut state = State::Unknown;
        let played: String = beats
            .chars()
            .map(|beat| {
                let event = match beat {
                    '.' => Event::Success,
                    'x' => Event::Failure,
                    'd' => Event::DnsFailure,
                    _ => Event::NoVerdict,
                };
                state = streak.advance(event, Thresholds { healthy, unhealthy }).state.unwrap_or(state);
                match state {
                    State::Healthy => 'H',
                    State::Unhealthy => 'U',
                    State::Unknown => '?',
                }
            })
            .collect();
        assert_eq!(played, states, "thresholds {healthy} and {unhealthy}, beats {beats}");
    }

    #[test]
    fn a_new_row_is_judged_by_its_first_probe() {
        check(3, ".", "H");
        check(3, "x", "U");
        check(3, "d", "?");
        check(3, "-", "?");
        check(3, "dddx", "???U");
        check(3, "---x", "???U");
    }

    #[test]
    fn the_threshold_counts_the_first_failure_and_one_success_heals() {
        check(3, ".xxx", "HHHU");
        check(3, ".xx.xx.xxx.", "HHHHHHHHHUH");
        check(1, ".x.", "HUH");
        check(2, ".xx.x", "HHUHH");
        check(20, ".xxxxxxxxxxxxxxxxxxxx", "HHHHHHHHHHHHHHHHHHHHU");
    }

    #[test]
    fn a_row_that_was_judged_needs_its_successes_in_a_row() {
        check_with(3, 3, ".", "H");
        check_with(3, 3, "d.", "?H");
        check_with(3, 3, "x..", "UUU");
        check_with(3, 3, "x...x", "UUUHH");
        check_with(3, 3, "x..x...", "UUUUUUH");
        check_with(3, 3, "x..d...", "UUUUUUH");
        check_with(2, 3, "x.-.", "UUUH");
        check_with(2, 3, "x.---..", "UUUU??H");
        check_with(2, 3, ".---..", "HHH??H");
        check_with(2, 3, ".ddd.x.xxx", "HHH??????U");
        check_with(2, 3, ".ddd..", "HHH??H");
        check_with(20, 1, ".x...................", "HUUUUUUUUUUUUUUUUUUUU");
        check_with(20, 1, ".x....................", "HUUUUUUUUUUUUUUUUUUUUH");
    }

    #[test]
    fn the_cause_that_reaches_the_threshold_decides_between_unhealthy_and_unknown() {
        check(3, ".ddd", "HHH?");
        check(3, ".xxd", "HHH?");
        check(3, ".ddx", "HHHU");
        check(3, ".dddx", "HHH?U");
    }

    #[test]
    fn an_unhealthy_row_turns_unknown_only_by_dns_failures_in_a_row() {
        check(3, "xxddd", "UUUU?");
        check(3, "xddxddd", "UUUUUU?");
        check(2, "xdxdxdd", "UUUUUU?");
    }

    #[test]
    fn our_own_trouble_leaves_state_and_streak_alone_until_it_lasts() {
        check(3, ".--.", "HHHH");
        check(3, ".xx-x", "HHHHU");
        check(3, "x--x", "UUUU");
        check(3, ".---", "HHH?");
        check(3, "x---", "UUU?");
    }

    #[test]
    fn a_row_that_our_trouble_made_unknown_needs_a_success_or_the_full_threshold() {
        check(3, ".---.", "HHH?H");
        check(3, ".---xxx", "HHH???U");
        check(3, ".xx---xxx", "HHHHH???U");
        check(3, "x---xx", "UUU???");
    }

    #[test]
    fn a_host_that_is_always_short_still_finds_who_is_down() {
        check(3, ".---x----x---x", "HHH??????????U");
        check(3, "x---x---x---x", "UUU?????????U");
        check(3, ".---x---.---x", "HHH?????HHH??");
    }

    #[test]
    fn a_local_cause_shows_only_when_the_row_turns_unknown_by_it() {
        let mut streak = Streak::default();
        let thresholds = Thresholds { healthy: 1, unhealthy: 2 };
        let takes = |streak: &mut Streak, event| streak.advance(event, thresholds).takes_cause;
        assert!(takes(&mut streak, Event::Failure));
        assert!(!takes(&mut streak, Event::NoVerdict));
        assert!(takes(&mut streak, Event::NoVerdict));
    }
}
