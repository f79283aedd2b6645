//! Taking a new configuration into use, whole or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::signal::unix::Signal;

use super::FILE_BEAT;
use super::rows::Rows;
use crate::config::{Config, ConfigFile, Problems};
use crate::view::metrics::ReloadOutcome;

/// Holds the configuration in use and replaces it.
pub(super) struct Reloader {
    rows: Arc<Rows>,
    /// Held for a whole reload, so that two never mix.
    current: tokio::sync::Mutex<Current>,
    report: Mutex<Report>,
}

struct Current {
    file: Arc<ConfigFile>,
    config: Arc<Config>,
}

/// How the two ways to a new configuration went the last time; one that went wrong says nothing about the other.
struct Report {
    file: ReloadOutcome,
    named_files: ReloadOutcome,
    last_success: SystemTime,
}

/// What a configuration was read again for.
#[derive(Clone, Copy)]
enum Occasion {
    /// Somebody asked for it: the configuration file and what it names.
    Request,
    /// A file that the configuration in use names has other content.
    NamedFile,
}

impl Reloader {
    /// `config` is what `file` says, and in use.
    pub(super) fn new(file: ConfigFile, config: Arc<Config>, rows: Arc<Rows>) -> Self {
        let report = Report {
            file: ReloadOutcome::Successful,
            named_files: ReloadOutcome::Successful,
            last_success: SystemTime::now(),
        };
        let current = Current { file: Arc::new(file), config };
        Self { rows, current: tokio::sync::Mutex::new(current), report: Mutex::new(report) }
    }

    /// Reads the configuration file again, and what it names. A wrong one changes nothing but the report.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) async fn reload(&self) -> Result<(), Problems> {
        let mut current = self.current.lock().await;
        let path = current.file.path.clone();
        let loaded = blocking(move || {
            let file = ConfigFile::read(&path)?;
            let config = file.parse()?;
            Ok((file, config))
        })
        .await;
        self.take(&mut current, Occasion::Request, loaded)
    }

    /// Looks at the files that the configuration names, for ever, and takes changed ones into use.
    pub(super) async fn watch_files(&self) {
        // A file that is wrong is reported once, not at every look.
        let mut reported = None;
        loop {
            tokio::time::sleep(FILE_BEAT).await;
            let mut current = self.current.lock().await;
            let (file, config) = (current.file.clone(), current.config.clone());
            let looked = blocking(move || {
                Ok(config.files_changed().then(|| {
                    let file = ConfigFile::clone(&file);
                    let config = file.parse();
                    (file, config)
                }))
            })
            .await;
            match looked {
                Ok(Some((file, Ok(config)))) => {
                    reported = None;
                    tracing::info!("a file that the configuration names has changed");
                    let _ = self.take(&mut current, Occasion::NamedFile, Ok((file, config)));
                }
                Ok(Some((_, Err(problems)))) => {
                    let text = problems.to_string();
                    if reported.as_ref() != Some(&text) {
                        reported = Some(text);
                        let _ = self.take(&mut current, Occasion::NamedFile, Err(problems));
                    }
                }
                // What was wrong has gone: the configuration in use is the one on disk again.
                Ok(None) if reported.take().is_some() => self.lock_report().named_files = ReloadOutcome::Successful,
                Ok(None) | Err(_) => {}
            }
        }
    }

    pub(super) fn outcome(&self) -> ReloadOutcome {
        let Report { file, named_files, last_success: _ } = *self.lock_report();
        match (file, named_files) {
            (ReloadOutcome::Successful, ReloadOutcome::Successful) => ReloadOutcome::Successful,
            (ReloadOutcome::Failed, _) | (_, ReloadOutcome::Failed) => ReloadOutcome::Failed,
        }
    }

    pub(super) fn last_success(&self) -> SystemTime {
        self.lock_report().last_success
    }

    fn take(
        &self,
        current: &mut Current,
        occasion: Occasion,
        loaded: Result<(ConfigFile, Config), Problems>,
    ) -> Result<(), Problems> {
        let mut report = self.lock_report();
        match loaded {
            Ok((file, config)) => {
                *current = Current { file: Arc::new(file), config: Arc::new(config) };
                self.rows.take(current.config.clone());
                if let Occasion::Request = occasion {
                    report.file = ReloadOutcome::Successful;
                }
                report.named_files = ReloadOutcome::Successful;
                report.last_success = SystemTime::now();
                Ok(())
            }
            Err(problems) => {
                match occasion {
                    Occasion::Request => report.file = ReloadOutcome::Failed,
                    Occasion::NamedFile => report.named_files = ReloadOutcome::Failed,
                }
                for problem in problems.as_slice() {
                    tracing::error!(%problem, "the configuration is wrong; the one before stays in use");
                }
                Err(problems)
            }
        }
    }

    fn lock_report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reloads at every SIGHUP.
pub(super) async fn on_hangup(mut hangup: Signal, reloader: &Reloader) {
    while hangup.recv().await.is_some() {
        tracing::info!("reading the configuration again after SIGHUP");
        // What is wrong has been logged.
        let _ = reloader.reload().await;
    }
}

/// Reads files away from the probing threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problems> + Send + 'static,
) -> Result<T, Problems> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
