//! What something costs in CPU time, so that a bound holds whatever else the machine does.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The CPU time that this thread has taken so far.
fn taken() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock").into()
}

/// The CPU time that `work` takes on this thread.
pub(crate) fn cpu_time(work: impl FnOnce()) -> Duration {
    let before = taken();
    work();
    taken().saturating_sub(before)
}

#[test]
fn who_waits_takes_no_cpu_time_and_who_works_does() {
    let waiting = cpu_time(|| std::thread::sleep(Duration::from_millis(50)));
    let end = taken() + Duration::from_millis(20);
    let working = cpu_time(|| while taken() < end {});
    assert!(waiting < Duration::from_millis(40), "{waiting:?}");
    assert!(working >= Duration::from_millis(15), "{working:?}");
}
