//! `--watch`: the report over and over, until Ctrl-C. On a terminal the table is drawn in place; everything else is
//! appended.

use std::fmt::Write;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{COULD_NOT_RUN, How, Output, Progress, Seen, Source, complain, exit_code, look, see, table};
use crate::app::Probing;
use crate::cli::screen;
use crate::cli::screen::{Page, write_out};
use crate::view::report::Filter;
use crate::view::text;
use crate::view::text::Look;
use crate::words::{readable, visible_json};

/// Watches until it is told to end; the exit code is that of the last report.
pub(super) async fn run(source: &Source, filter: &Filter, how: How, interval: Duration) -> anyhow::Result<ExitCode> {
    let shutdown = super::super::shutdown_on_signal()?;
    let resized = signal(SignalKind::window_change())?;
    let scheduler = match source {
        Source::Rows(probing) => {
            if !first_round(probing, &shutdown).await {
                anyhow::bail!("ended before every row was probed");
            }
            Some(probing.go_on(&shutdown))
        }
        Source::Exporter(_) => None,
    };
    // The first look decides whether there is anything to watch; what goes wrong later may pass.
    let Some(first) = shutdown.run_until_cancelled(see(source)).await else { return Ok(ExitCode::from(COULD_NOT_RUN)) };
    let first = first?;
    let drawn = how.output == Output::Table && screen::can_draw();
    let mut watch = Watch { source, filter, how, seen: first, trouble: None, resized, nothing: String::new() };
    let ended = if drawn { watch.draw(interval, &shutdown).await } else { watch.append(interval, &shutdown).await };
    shutdown.cancel();
    if let Some(scheduler) = scheduler {
        scheduler.ended().await;
    }
    match ended {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        ended => ended?,
    }
    Ok(watch.seen.with(filter, |report| exit_code(report.summary)).unwrap_or(ExitCode::from(COULD_NOT_RUN)))
}

/// Whether every row was probed.
async fn first_round(probing: &Probing, shutdown: &CancellationToken) -> bool {
    let mut progress = Progress::of(probing.rows());
    let whole = shutdown.run_until_cancelled(probing.once(|ended| progress.show(ended))).await;
    progress.clear();
    whole.is_some()
}

struct Watch<'a> {
    source: &'a Source,
    filter: &'a Filter,
    how: How,
    /// The last report that there was.
    seen: Seen,
    /// What has gone wrong since, and since when.
    trouble: Option<(String, SystemTime)>,
    resized: Signal,
    /// Why there is no row, when there is none.
    nothing: String,
}

impl Watch<'_> {
    /// On a page of the terminal's own.
    async fn draw(&mut self, interval: Duration, shutdown: &CancellationToken) -> io::Result<()> {
        let page = Page::open()?;
        let mut due = Instant::now() + interval;
        loop {
            self.explain().await;
            page.draw(&self.frame())?;
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = self.resized.recv() => {}
                () = tokio::time::sleep_until(due) => {
                    let Some(seen) = shutdown.run_until_cancelled(see(self.source)).await else { break };
                    self.take(seen);
                    due = Instant::now() + interval;
                }
            }
        }
        drop(page);
        // The last report stays where the next command is typed.
        write_out(&self.frame())
    }

    /// One after the other.
    async fn append(&mut self, interval: Duration, shutdown: &CancellationToken) -> io::Result<()> {
        if self.how.output == Output::Csv {
            write_out(&text::csv_header())?;
        }
        loop {
            self.explain().await;
            match &self.trouble {
                None => write_out(&self.entry()?)?,
                Some((trouble, _)) => complain(&format_args!("{trouble}; trying again")),
            }
            let next = async {
                tokio::time::sleep(interval).await;
                see(self.source).await
            };
            let Some(seen) = shutdown.run_until_cancelled(next).await else { return Ok(()) };
            self.take(seen);
        }
    }

    /// Finds out why there is no row, once.
    async fn explain(&mut self) {
        if self.nothing.is_empty() && self.seen.with(self.filter, |report| report.rows.is_empty()) {
            self.nothing = self.source.nothing(self.filter).await;
        }
    }

    fn take(&mut self, seen: anyhow::Result<Seen>) {
        match seen {
            Ok(seen) => (self.seen, self.trouble) = (seen, None),
            Err(error) => {
                let since = self.trouble.take().map_or_else(SystemTime::now, |(_, since)| since);
                self.trouble = Some((format!("{error:#}"), since));
            }
        }
    }

    /// What the terminal is to show.
    fn frame(&self) -> String {
        let look = look(self.how, self.source.order());
        let mut frame = String::new();
        let mut above = 2;
        // Writing to a String cannot fail.
        let _ = writeln!(frame, "{}  (Ctrl-C ends)\n", readable(look.now));
        if let Some((trouble, since)) = &self.trouble {
            let since = readable(*since);
            let news = format!("No news since {since}: {trouble}; trying again. Below is the last report.");
            let news = text::folded(&news, 0, look.width.unwrap_or(usize::MAX));
            above += news.lines().count() + 1;
            let _ = writeln!(frame, "{news}\n");
        }
        let room = screen::size().map(|(_, height)| height.saturating_sub(above));
        frame + &self.table(&Look { lines: room.filter(|_| !self.how.all), ..look })
    }

    fn table(&self, look: &Look) -> String {
        self.seen.with(self.filter, |report| match report.rows.as_slice() {
            [] => format!("{}\n", self.nothing),
            _ => table(report, look),
        })
    }

    fn entry(&self) -> io::Result<String> {
        match self.how.output {
            Output::Table => {
                let look = look(self.how, self.source.order());
                Ok(format!("{}\n{}\n", readable(look.now), self.table(&look)))
            }
            Output::Json => {
                let json = self.seen.with(self.filter, |report| serde_json::to_string(report))?;
                Ok(visible_json(&json).into_owned() + "\n")
            }
            Output::Csv => Ok(self.seen.with(self.filter, text::csv_rows)),
        }
    }
}
