//! `check`: what is wrong with a configuration file, or what would be probed.

use clap::Args;

use super::ConfigFlag;
use crate::view::text;
use crate::{app, config};

#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigFlag,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let (config, targets) = app::check(&self.config.config_file)?;
        for warning in &config.warnings {
            super::complain(&format_args!("warning: {warning}"));
        }
        super::print(&format!("{}\n{}", config::describe(&config, &config.listed()), text::rows(&targets)))
    }
}
