//! Where a report comes from: a running exporter, or probes of our own.

use std::path::Path;

use super::remote::Remote;
use super::{Report as Flags, complain};
use crate::app::Probing;
use crate::config::Problem;
use crate::config::http::HttpConfig;
use crate::resolver;
use crate::view::report::{Filter, Links, Report, Snapshot};
use crate::view::text::Order;

pub(super) enum Source {
    Exporter(Box<Remote>),
    Rows(Probing),
}

/// What a look showed.
pub(super) enum Seen {
    Answer(Report<'static>),
    Probed(Snapshot),
}

impl Source {
    /// Reads the files that the flags name; says on standard error what is doubtful about them.
    pub(super) fn open(flags: &Flags, filter: &Filter) -> anyhow::Result<Self> {
        let (source, warnings) = match &flags.config_file {
            Some(file) => Self::rows(file, flags, filter)?,
            None => Self::exporter(flags, filter)?,
        };
        for warning in &warnings {
            complain(&format_args!("warning: {warning}"));
        }
        Ok(source)
    }

    fn rows(file: &Path, flags: &Flags, filter: &Filter) -> anyhow::Result<(Self, Vec<Problem>)> {
        let nameservers = flags.nameservers.clone();
        let resolver = resolver::Options { nameservers, last_known_good: resolver::DEFAULT_LAST_KNOWN_GOOD };
        let probing = Probing::of(file, resolver, filter)?;
        let warnings = probing.warnings().to_vec();
        Ok((Self::Rows(probing), warnings))
    }

    fn exporter(flags: &Flags, filter: &Filter) -> anyhow::Result<(Self, Vec<Problem>)> {
        let http = flags.http_config_file.as_deref();
        let mut http = http.map_or_else(HttpConfig::without_file, HttpConfig::read)?;
        let warnings = std::mem::take(&mut http.warnings);
        let url = flags.url.as_deref().unwrap_or(DEFAULT_URL);
        // Whoever asks without TLS need not hear about it.
        let warnings = if url.starts_with("https:") { warnings } else { Vec::new() };
        Ok((Self::Exporter(Box::new(Remote::new(url, http, filter)?)), warnings))
    }

    /// Of rows in the same state.
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Exporter(_) => Order::LatestChange,
            // All of them had their state just now: which was the last says nothing.
            Self::Rows(_) => Order::Configuration,
        }
    }

    /// Why there is no row.
    pub(super) fn nothing(&self, filter: &Filter) -> String {
        match self {
            _ if !filter.is_empty() => "no row matches --pool, --setting, --server, --state or --cause".to_owned(),
            Self::Exporter(remote) => format!("{} has no rows: its configuration names no server", remote.url()),
            Self::Rows(_) => "the configuration names no server".to_owned(),
        }
    }
}

impl Seen {
    /// Looks at the report.
    pub(super) fn with<R>(&self, filter: &Filter, look: impl FnOnce(&Report<'_>) -> R) -> R {
        match self {
            Self::Answer(report) => look(report),
            // No site is here for links to lead to.
            Self::Probed(snapshot) => look(&Report::of(snapshot, filter, &Links { base: String::new() })),
        }
    }
}

const DEFAULT_URL: &str = "http://127.0.0.1:19115";
