//! `demo`: the exporter against a lab of real local backends, with nothing to install or configure.

use std::io;
use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use tempfile::NamedTempFile;
use tokio::signal::unix::{SignalKind, signal};

use super::{LogFlags, WebFlags, print, shutdown_on_signal, to_the_end};
use crate::app;
use crate::app::DemoStarted;

#[derive(Args, Debug)]
pub(super) struct Demo {
    #[command(flatten)]
    web: WebFlags,
    #[command(flatten)]
    log: LogFlags,
}

impl Demo {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        // On a terminal the addresses are to stay where they can be read: the log goes into a file.
        let file = io::stderr().is_terminal().then(log_file).transpose()?;
        let log = match &file {
            Some(file) => self.log.start_in(file.reopen()?)?,
            None => self.log.start()?,
        };
        to_the_end(async {
            let shutdown = shutdown_on_signal()?;
            // There is no file to read again: the terminal was closed.
            let (mut hangup, closed) = (signal(SignalKind::hangup())?, shutdown.clone());
            tokio::spawn(async move {
                hangup.recv().await;
                closed.cancel();
            });
            let tell = |started: DemoStarted| {
                // Nobody reads it: the demo goes on all the same.
                let _ = print(&welcome(&started, file.as_ref().map(NamedTempFile::path)));
            };
            app::run_demo(self.web.into(), log.dropped(), shutdown, tell).await
        })
    }
}

/// Gone when the demo ends.
fn log_file() -> anyhow::Result<NamedTempFile> {
    let file = tempfile::Builder::new().prefix("backend_health_demo-").suffix(".log").tempfile();
    file.context("no temporary file for the demo's log")
}

/// What runs, and where to look.
fn welcome(started: &DemoStarted, log: Option<&Path>) -> String {
    let DemoStarted { site, config_file, rows, broken } = started;
    let log = log.map_or_else(String::new, |log| format!("  Log            {}\n", log.display()));
    format!(
        "{rows} rows of real local backends are being probed, {broken} of them broken on purpose. First verdicts come \
         within 5 seconds.\n\n  \
         Report         {url}/\n  \
         Metrics        {url}{metrics}\n  \
         Configuration  {file}\n{log}\n\
         Stop with Ctrl-C.\n",
        url = site.url,
        metrics = site.telemetry_path,
        file = config_file.display()
    )
}
