//! The web configuration file → who may see what, kept up to date.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::FILE_BEAT;
use crate::config::web::{WebConfig, WebConfigFile};
use crate::view::metrics::ReloadOutcome;
use crate::web;

/// Reads the file for the first time.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn read(file: &mut WebConfigFile) -> anyhow::Result<web::Access> {
    Ok(of(file.read()?))
}

/// How the latest attempt to read the file ended; without a file nothing has failed.
#[derive(Clone, Default)]
pub(super) struct AccessReload {
    is_broken: Arc<AtomicBool>,
}

impl AccessReload {
    pub(super) fn outcome(&self) -> ReloadOutcome {
        if self.is_broken.load(Ordering::Relaxed) { ReloadOutcome::Failed } else { ReloadOutcome::Successful }
    }
}

/// Publishes the file anew when it, or a file that it names, has other content. A broken file keeps what was there.
pub(super) async fn watch_access(
    file: Option<WebConfigFile>,
    publish: watch::Sender<Arc<web::Access>>,
    reload: AccessReload,
) {
    let Some(mut file) = file else { return std::future::pending().await };
    loop {
        tokio::time::sleep(FILE_BEAT).await;
        let looked = tokio::task::spawn_blocking(move || {
            let changed = file.read_if_changed();
            (file, changed)
        });
        // Cancelled with the runtime; the other watchers must not end before it.
        let Ok((same, changed)) = looked.await else { return std::future::pending().await };
        file = same;
        let Some(read) = changed else { continue };
        reload.is_broken.store(read.is_err(), Ordering::Relaxed);
        match read {
            Ok(config) => {
                // Fails only when nobody serves any more.
                let _ = publish.send(Arc::new(of(config)));
                tracing::info!("the web configuration has changed and is in use");
            }
            Err(problems) => {
                tracing::error!(
                    %problems,
                    "the web configuration is wrong; the one before stays in use"
                );
            }
        }
    }
}

fn of(config: WebConfig) -> web::Access {
    let WebConfig { tls, users, headers, rate_limit, verifies_all_clients } = config;
    let rate = rate_limit.map(|limit| web::Rate { interval: limit.interval, burst: limit.burst });
    let access = web::Access::new(tls, users, headers, rate);
    if verifies_all_clients { access.behind_client_certificates() } else { access }
}
