//! Where a report comes from: a running exporter, or probes of our own.

use std::collections::BTreeSet;
use std::path::Path;

use super::remote::Remote;
use super::{Report as Flags, complain};
use crate::app::Probing;
use crate::config::Problem;
use crate::config::http::HttpConfig;
use crate::resolver;
use crate::view::report::{Filter, Links, Report, Snapshot};
use crate::view::text::Order;
use crate::words::{bare, nearest, visible};

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
    pub(super) async fn nothing(&self, filter: &Filter) -> String {
        match self {
            _ if !filter.is_empty() => self.names().await.unmatched(filter),
            Self::Exporter(remote) => format!("{} has no rows: its configuration names no server", remote.url()),
            Self::Rows(_) => "the configuration names no server".to_owned(),
        }
    }

    /// The names that rows have; none where these cannot be had.
    async fn names(&self) -> Names {
        let mut names = Names::default();
        match self {
            Self::Exporter(remote) => {
                for row in remote.everything().await.map(|report| report.rows).unwrap_or_default() {
                    names.add(&row.pool, &row.setting, &row.server);
                }
            }
            Self::Rows(probing) => {
                for target in probing.all() {
                    names.add(&target.pool, &target.setting, &target.server);
                }
            }
        }
        names
    }
}

/// Names of pools, settings and servers, to tell a wrong one by.
#[derive(Default)]
struct Names {
    pools: BTreeSet<String>,
    settings: BTreeSet<String>,
    servers: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, pool: &str, setting: &str, server: &str) {
        for (names, name) in [(&mut self.pools, pool), (&mut self.settings, setting), (&mut self.servers, server)] {
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        }
    }

    /// Which name is none, and which one was probably meant.
    fn unmatched(&self, filter: &Filter) -> String {
        let fields = [
            ("pool", &filter.pools, &self.pools),
            ("setting", &filter.settings, &self.settings),
            ("server", &filter.servers, &self.servers),
        ];
        for (word, wanted, known) in fields {
            let is_known = |name: &String| known.iter().any(|known| known.eq_ignore_ascii_case(bare(name)));
            if let Some(wrong) = wanted.iter().find(|name| !known.is_empty() && !is_known(name)) {
                let near = nearest(wrong, known.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("; did you mean {}?", visible(near)));
                return format!("no row matches: no {word} is called {}{near}", visible(wrong));
            }
        }
        "no row matches --pool, --setting, --server, --state, --side and --cause together".to_owned()
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

/// A look, without probing first.
pub(super) async fn see(source: &Source) -> anyhow::Result<Seen> {
    match source {
        Source::Exporter(remote) => Ok(Seen::Answer(remote.report().await?)),
        Source::Rows(probing) => Ok(Seen::Probed(probing.snapshot())),
    }
}
