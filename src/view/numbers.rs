//! What the exporter tells about itself, beside what it tells about servers: plain values, filled in by the program.

use std::time::{Duration, SystemTime};

/// The exporter at one instant.
#[derive(Clone, Debug)]
pub struct ExporterNumbers {
    /// For example `0.1.0`.
    pub version: &'static str,
    /// The source's commit, or `unknown`.
    pub revision: &'static str,
    pub config_last_reload: ReloadOutcome,
    /// When a configuration was last taken into use; `None` before the first.
    pub config_last_reload_success: Option<SystemTime>,
    /// Of the file of `--web.config.file`; successful without one.
    pub web_config_last_reload: ReloadOutcome,
    pub probes_in_flight: u64,
    pub probe_start_delay: DelayHistogram,
    /// Beats on which no probe was started.
    pub probes_skipped: u64,
    /// Lines of the log that nobody will read, because their reader stood still.
    pub log_lines_dropped: u64,
    /// Probes and checks that clients asked for: what, what became of it, how many.
    pub on_demand: Vec<(&'static str, &'static str, u64)>,
    /// `None` where the system does not tell.
    pub process: Option<ProcessNumbers>,
}

/// How the latest attempt to load the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    Successful,
    Failed,
}

/// How late probes started after their beat.
#[derive(Clone, Debug, Default)]
pub struct DelayHistogram {
    /// Upper bounds of the buckets in seconds, inclusive, ascending, without infinity.
    pub bounds: &'static [f64],
    /// Not cumulative, one for each bound and one for all above.
    pub counts: Vec<u64>,
    pub sum: Duration,
}

/// The exporter's process, as `/proc` or its like has it.
#[derive(Clone, Debug)]
pub struct ProcessNumbers {
    /// User and system time together.
    pub cpu: Duration,
    pub resident_memory_bytes: u64,
    pub virtual_memory_bytes: u64,
    pub open_fds: Option<u64>,
    /// The soft limit; `None` when there is none or it is not known.
    pub max_fds: Option<u64>,
    pub start_time: Option<SystemTime>,
}
