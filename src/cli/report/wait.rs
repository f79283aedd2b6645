//! `--wait`: the report when all rows are Healthy, or as it is when the time is over.

use std::io;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::{Seen, Source, see};
use crate::view::report::{Filter, Summary};

/// Looks again and again. What goes wrong meanwhile may pass: only the last look's trouble is an error.
pub(super) async fn all_healthy(source: &Source, filter: &Filter, within: Duration) -> anyhow::Result<Seen> {
    let end = Instant::now() + within;
    let shutdown = super::super::shutdown_on_signal()?;
    let line = Line { is_on: io::stderr().is_terminal() };
    loop {
        let look = async {
            if let Source::Rows(probing) = source {
                probing.once(|_| {}).await;
            }
            see(source).await
        };
        let Some(seen) = shutdown.run_until_cancelled(look).await else {
            anyhow::bail!("ended before all rows were Healthy");
        };
        let left = end.saturating_duration_since(Instant::now());
        let summary = seen.as_ref().ok().map(|seen| seen.with(filter, |report| report.summary));
        let is_done = match summary {
            Some(Summary { unhealthy: 0, unknown: 0, .. }) => true,
            Some(_) | None => false,
        };
        if is_done || left.is_zero() {
            return seen;
        }
        line.show(summary, left);
        shutdown.run_until_cancelled(tokio::time::sleep(PAUSE.min(left))).await;
    }
}

/// How it stands, on a line that each look writes anew, for who watches.
struct Line {
    is_on: bool,
}

impl Line {
    fn show(&self, summary: Option<Summary>, left: Duration) {
        if !self.is_on {
            return;
        }
        let how = summary.map_or_else(
            || "no answer".to_owned(),
            |Summary { unhealthy, unknown, .. }| format!("{unhealthy} Unhealthy, {unknown} Unknown"),
        );
        let line = format!("\r\u{1b}[K{how}; waiting {} s more", left.as_secs());
        // When nobody reads it, nothing is lost.
        let _ = write!(io::stderr(), "{line}").and_then(|()| io::stderr().flush());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_on {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
