//! `demo`: the exporter against a lab of real local backends, with nothing to install or configure.

use clap::Args;

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
        let log = self.log.start()?;
        to_the_end(async {
            let shutdown = shutdown_on_signal()?;
            let tell = |started: DemoStarted| {
                // Nobody reads it: the demo goes on all the same.
                let _ = print(&welcome(&started));
            };
            app::run_demo(self.web.into(), log.dropped(), shutdown, tell).await
        })
    }
}

/// What runs, and where to look.
fn welcome(started: &DemoStarted) -> String {
    let DemoStarted { site, config_file, rows, broken } = started;
    format!(
        "{rows} rows of real local backends are being probed, {broken} of them broken on purpose. First verdicts come \
         within 5 seconds.\n\n  \
         Report         {url}/\n  \
         Metrics        {url}{metrics}\n  \
         Configuration  {file}\n\n\
         Stop with Ctrl-C.\n",
        url = site.url,
        metrics = site.telemetry_path,
        file = config_file.display()
    )
}
