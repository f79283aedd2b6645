//! The exporter against a lab of real local backends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Options, Started, WebOptions};
use crate::lab::demo::CONFIG_FILE;
use crate::{lab, resolver};

/// A lab that is being probed.
#[derive(Clone, Debug)]
pub struct DemoStarted {
    pub site: Started,
    pub config_file: PathBuf,
    pub rows: usize,
    /// Of these, those that are broken on purpose.
    pub broken: usize,
}

/// Starts the lab, probes it and serves until `shutdown`; tells when and where it has started.
///
/// # Errors
/// When the lab cannot start, and as [`super::run`].
pub async fn run_demo(
    web: WebOptions,
    log_lines_dropped: Arc<AtomicU64>,
    shutdown: CancellationToken,
    tell: impl FnOnce(DemoStarted),
) -> anyhow::Result<()> {
    let lab = lab::Demo::start().await?;
    let config_file = lab.directory().join(CONFIG_FILE);
    let resolver =
        resolver::Options { nameservers: vec![lab.nameserver()], last_known_good: resolver::DEFAULT_LAST_KNOWN_GOOD };
    let options = Options { config_file: config_file.clone(), web, resolver, log_lines_dropped };
    let (listening, started) = oneshot::channel();
    let telling = async {
        // Nobody answers when the exporter cannot start, which says so itself.
        if let Ok(site) = started.await {
            let rows = lab.expected().len();
            let broken = lab.expected().iter().filter(|row| row.cause.is_some()).count();
            tell(DemoStarted { site, config_file, rows, broken });
        }
        Ok(())
    };
    tokio::try_join!(super::run_and_tell(options, shutdown, listening), telling)?;
    Ok(())
}
