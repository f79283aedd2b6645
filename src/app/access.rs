//! The web configuration file → who may see what, kept up to date.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
pub(super) struct AccessWatch {
    file: Option<Arc<Mutex<WebConfigFile>>>,
    publish: watch::Sender<Arc<web::Access>>,
    reload: AccessReload,
}

impl AccessWatch {
    pub(super) fn new(
        file: Option<WebConfigFile>,
        publish: watch::Sender<Arc<web::Access>>,
        reload: AccessReload,
    ) -> Self {
        Self { file: file.map(|file| Arc::new(Mutex::new(file))), publish, reload }
    }

    /// Ends only when a look ends early.
    pub(super) async fn watch(&self) {
        let Some(file) = &self.file else { return std::future::pending().await };
        loop {
            tokio::time::sleep(FILE_BEAT).await;
            let file = file.clone();
            let looked = tokio::task::spawn_blocking(move || {
                // What a look that ended early left behind is read again as a whole.
                file.lock().unwrap_or_else(PoisonError::into_inner).read_if_changed()
            });
            let Ok(changed) = looked.await else { return };
            let Some(read) = changed else { continue };
            self.reload.is_broken.store(read.is_err(), Ordering::Relaxed);
            match read {
                Ok(config) => {
                    // Fails only when nobody serves any more.
                    let _ = self.publish.send(Arc::new(of(config)));
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
}

fn of(config: WebConfig) -> web::Access {
    let WebConfig { tls, users, headers, rate_limit, verifies_all_clients } = config;
    let rate = rate_limit.map(|limit| web::Rate { interval: limit.interval, burst: limit.burst });
    let access = web::Access::new(tls, users, headers, rate);
    if verifies_all_clients { access.behind_client_certificates() } else { access }
}
