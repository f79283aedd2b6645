//! This process as the system sees it, and how much of the system it may have.

use std::time::Duration;
use std::time::SystemTime;

use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;
use procfs::process::LimitValue;
use procfs::process::Process;

use crate::view::metrics::ProcessNumbers;

/// Descriptors that are not for probes: listeners, scrapes, files, the resolver.
const RESERVED: u64 = 512;

/// More probes at once than this help nobody.
const MOST_PROBES: u64 = 16_384;

/// Raises the soft limit of descriptors to the hard one, and says how many probes may be under way at once.
pub(super) fn raise_descriptor_limit() -> usize {
    let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(_) => soft,
        },
        Ok((soft, _)) => soft,
        Err(_) => 1024,
    };
    probes_within(limit)
}

/// A probe holds one descriptor, for a name with several addresses a few for a moment: a fifth is left for these.
fn probes_within(limit: u64) -> usize {
    let free = limit.saturating_sub(RESERVED.min(limit / 2));
    usize::try_from((free / 5 * 4).clamp(8, MOST_PROBES)).unwrap_or(8)
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
        Self { start_time: start_time() }
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
    fn probes_stay_below_the_descriptor_limit() {
        for limit in [16, 64, 256, 1024, 20_000, 1_048_576, u64::MAX] {
            let probes = probes_within(limit) as u64;
            assert!(probes < limit, "{probes} of {limit}");
        }
        assert_eq!(probes_within(20_000), 15_588);
        assert_eq!(probes_within(1_048_576), 16_384);
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
