//! This process as the system sees it, and how much of the system it may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procfs::process::{LimitValue, Process};

use crate::view::metrics::ProcessNumbers;

/// Descriptors that are not for probes, where there are enough of them: clients' connections, listeners, files, the
/// resolver.
const RESERVED: u64 = 640;

/// More probes at once than this help nobody.
const MOST_PROBES: u64 = 16_384;

/// Who may have how many descriptors: neither takes those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Probes under way at once.
    pub(super) probes: usize,
    /// Connections of clients at once.
    pub(super) connections: usize,
}

/// Raises the soft limit of descriptors to the hard one, and shares them out.
pub(super) fn raise_descriptor_limit() -> Shares {
    let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(_) => soft,
        },
        Ok((soft, _)) => soft,
        Err(_) => 1024,
    };
    Shares::of(limit)
}

impl Shares {
    /// A probe holds one descriptor, for a name with several addresses a few for a moment: a fifth is left for these. What
    /// we hold without either (listeners, files, the resolver) is a fifth of the rest, and at least 16.
    fn of(limit: u64) -> Self {
        let reserved = RESERVED.min(limit / 2);
        let probes = ((limit - reserved) / 5 * 4).clamp(8, MOST_PROBES);
        let connections = reserved.saturating_sub((reserved / 5).max(16)).max(4);
        let count = |number| usize::try_from(number).unwrap_or(4);
        Self { probes: count(probes), connections: count(connections) }
    }
}

/// What this host is called; `None` where the system does not tell.
pub(super) fn host_name() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}

/// Whether the host's CPUs are all taken, and this process takes a good part of them.
#[derive(Clone)]
pub(super) struct Crowding(Arc<AtomicBool>);

/// All CPUs' time so far, in ticks.
#[derive(Clone, Copy)]
struct CpuTime {
    all: u64,
    /// Nobody's, or of work that gives way.
    spare: u64,
    /// This process's.
    own: u64,
}

impl Crowding {
    /// Unknown yet: better careful at first.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Keeps looking. Where the system does not tell, there is none.
    pub(super) async fn watch(&self) {
        const BEAT: Duration = Duration::from_millis(250);
        let mut before = CpuTime::read();
        loop {
            tokio::time::sleep(BEAT).await;
            let now = CpuTime::read();
            let is_there = match (before, now) {
                (Some(before), Some(now)) => now.is_crowded_since(before, self.is_there()),
                (Some(_) | None, Some(_) | None) => false,
            };
            self.0.store(is_there, Ordering::Relaxed);
            before = now;
        }
    }
}

impl CpuTime {
    fn read() -> Option<Self> {
        let stat = Process::myself().ok()?.stat().ok()?;
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?, stat.utime + stat.stime)
    }

    /// The first line: `cpu`, then user, nice, system, idle, iowait, irq, softirq and steal, in ticks.
    fn parse(text: &str, own: u64) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let [_, nice, _, idle, iowait, ..] = ticks[..] else { return None };
        Some(Self { all: ticks.iter().sum(), spare: nice + idle + iowait, own })
    }

    /// Once it is so, less of our own is enough for it to stay so: careful, we take less.
    fn is_crowded_since(self, before: Self, was_crowded: bool) -> bool {
        let all = self.all.saturating_sub(before.all);
        let spare = self.spare.saturating_sub(before.spare);
        let own = self.own.saturating_sub(before.own);
        let enough = if was_crowded { all / 32 } else { all / 10 };
        all > 0 && spare * 20 < all && own > enough
    }
}

/// Reads `/proc`, without what it needs only once.
pub(super) struct ProcessReader {
    start_time: Option<SystemTime>,
}

impl Default for ProcessReader {
    fn default() -> Self {
        let start_time = || {
            let since_boot = from_ticks(Process::myself().ok()?.stat().ok()?.starttime);
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(procfs::boot_time_secs().ok()?) + since_boot)
        };
        // Where the system does not tell (a hidden /proc): this is made right after the start.
        Self { start_time: Some(start_time().unwrap_or_else(SystemTime::now)) }
    }
}

impl ProcessReader {
    /// `None` where the system does not tell.
    pub(super) fn read(&self) -> Option<ProcessNumbers> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let ticks = stat.utime + stat.stime;
        let limits = process.limits().ok();
        let max_fds = limits.and_then(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Value(limit) => Some(limit),
            LimitValue::Unlimited => None,
        });
        Some(ProcessNumbers {
            cpu: from_ticks(ticks),
            resident_memory_bytes: stat.rss * procfs::page_size(),
            virtual_memory_bytes: stat.vsize,
            open_fds: process.fd_count().ok().and_then(|count| u64::try_from(count).ok()),
            max_fds,
            start_time: self.start_time,
        })
    }
}

/// The kernel counts time in ticks, usually a hundred a second.
fn from_ticks(ticks: u64) -> Duration {
    let a_second = procfs::ticks_per_second().max(1);
    Duration::from_secs(ticks / a_second)
        + Duration::from_secs(1) * u32::try_from(ticks % a_second).unwrap_or(0) / u32::try_from(a_second).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_and_clients_stay_below_the_descriptor_limit() {
        for limit in [32, 64, 256, 1024, 20_000, 1_048_576, u64::MAX] {
            let Shares { probes, connections } = Shares::of(limit);
            assert!((probes + connections) as u64 <= limit - limit / 10, "{probes} and {connections} of {limit}");
        }
        assert_eq!(Shares::of(64), Shares { probes: 24, connections: 16 });
        assert_eq!(Shares::of(256), Shares { probes: 100, connections: 103 });
        assert_eq!(Shares::of(20_000), Shares { probes: 15_488, connections: 512 });
        assert_eq!(Shares::of(1_048_576).probes, 16_384);
    }

    #[test]
    fn a_host_is_crowded_when_nothing_is_left_and_much_of_it_is_ours() {
        let check = |spare: u64, own: u64, was_crowded, is_crowded| {
            let before = CpuTime { all: 5000, spare: 3000, own: 100 };
            let now = CpuTime { all: 5100, spare: 3000 + spare, own: 100 + own };
            assert_eq!(now.is_crowded_since(before, was_crowded), is_crowded, "{spare} spare, {own} of 100 ours");
        };
        check(0, 50, false, true);
        check(4, 11, false, true);
        check(5, 50, false, false);
        check(0, 10, false, false);
        check(0, 10, true, true);
        check(0, 3, true, false);
        check(60, 40, true, false);
    }

    #[test]
    fn the_cpus_time_is_read_as_linux_writes_it() {
        let time = CpuTime::parse("cpu  10 20 30 400 5 6 7 8 9 10\ncpu0 1 2 3\n", 3).expect("a line as in proc(5)");
        assert_eq!((time.all, time.spare, time.own), (486, 425, 3));
        assert!(CpuTime::parse("cpu0 1 2 3 4 5", 0).is_none());
        assert!(CpuTime::parse("cpu  1 2", 0).is_none());
        assert!(CpuTime::read().is_some_and(|time| time.all > 0), "Linux has /proc/stat");
    }

    #[test]
    fn the_process_knows_itself() {
        let numbers = ProcessReader::default().read().expect("Linux has /proc");
        assert!(numbers.resident_memory_bytes > 1_000_000);
        assert!(numbers.open_fds.is_some_and(|open| open >= 3));
        let age = SystemTime::now().duration_since(numbers.start_time.expect("a start time")).expect("in the past");
        assert!(age < Duration::from_hours(1), "{age:?}");
    }
}
