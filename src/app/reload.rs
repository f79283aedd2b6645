//! Taking a new configuration into use, whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::FILE_BEAT;
use super::rows::Rows;
use crate::config::{Config, ConfigFile, Problems};
use crate::view::metrics::ReloadOutcome;

/// Holds the configuration in use and replaces it.
pub(super) struct Reloader {
    rows: Arc<Rows>,
    /// Held for a whole reload, so that two never mix.
    current: tokio::sync::Mutex<Current>,
    /// Requests for a reload so far.
    asked: AtomicU64,
    report: Mutex<Report>,
    /// One reading at a time: one that never ends holds up one thread, and no more.
    reading: Arc<Semaphore>,
}

struct Current {
    file: Arc<ConfigFile>,
    config: Arc<Config>,
    /// What was wrong with the file when somebody last asked for it to be read again, in words.
    refused: Option<String>,
    /// The latest reload that somebody asked for: the last request that came before it began, and how it ended.
    latest: Option<(u64, Result<(), Arc<Problems>>)>,
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
        let current = tokio::sync::Mutex::new(Current { file: Arc::new(file), config, refused: None, latest: None });
        let (asked, reading) = (AtomicU64::new(0), Arc::new(Semaphore::new(1)));
        Self { rows, current, asked, report: Mutex::new(report), reading }
    }

    /// Reads the configuration file again, and what it names. A wrong one changes nothing but the report. Requests that come
    /// while one runs are all answered by the next one.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) async fn reload(&self) -> Result<(), Arc<Problems>> {
        let request = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut current = self.current.lock().await;
        if let Some((covered, outcome)) = &current.latest
            && *covered >= request
        {
            return outcome.clone();
        }
        let covered = self.asked.load(Ordering::SeqCst);
        let loaded = self.read(current.file.path.clone()).await;
        let outcome = self.take(&mut current, Occasion::Request, loaded).map_err(Arc::new);
        current.latest = Some((covered, outcome.clone()));
        outcome
    }

    /// Reads the configuration file, and what it names.
    async fn read(&self, path: PathBuf) -> Result<(ConfigFile, Config), Problems> {
        self.blocking(&path.clone(), move || {
            let file = ConfigFile::read(&path)?;
            let config = file.parse()?;
            Ok((file, config))
        })
        .await
    }

    /// Looks at the files that the configuration names, for ever, and takes changed ones into use. What somebody asked for
    /// while a file was half written, or a certificate there without its key, is taken as soon as it is whole.
    pub(super) async fn watch_files(&self) {
        // A file that is wrong is reported once, not at every look.
        let mut reported = None;
        loop {
            tokio::time::sleep(FILE_BEAT).await;
            let mut current = self.current.lock().await;
            if current.refused.is_some() && self.retry(&mut current).await {
                reported = None;
                continue;
            }
            let (file, config) = (current.file.clone(), current.config.clone());
            let path = file.path.clone();
            let looked = self
                .blocking(&path, move || {
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
                    if reported.as_ref() != Some(&text) && current.refused.as_ref() != Some(&text) {
                        reported = Some(text);
                        let _ = self.take(&mut current, Occasion::NamedFile, Err(problems));
                    }
                }
                // What was wrong has gone: the configuration in use is the one on disk again.
                Ok(None) if reported.take().is_some() => {
                    self.lock_report().named_files = ReloadOutcome::Successful;
                    if current.refused.is_none() {
                        self.rows.refuse(None);
                    }
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Reads again what was asked for and refused; true when it is in use now. It is told once for each thing that is wrong.
    async fn retry(&self, current: &mut Current) -> bool {
        match self.read(current.file.path.clone()).await {
            Ok(loaded) => {
                tracing::info!("what was wrong with the configuration is right now, and it is in use");
                self.take(current, Occasion::Request, Ok(loaded)).is_ok()
            }
            Err(problems) => {
                if current.refused.as_deref() != Some(problems.to_string().as_str()) {
                    let _ = self.take(current, Occasion::Request, Err(problems));
                }
                false
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
                (current.file, current.config) = (Arc::new(file), Arc::new(config));
                self.rows.take(current.config.clone());
                if let Occasion::Request = occasion {
                    current.refused = None;
                    report.file = ReloadOutcome::Successful;
                }
                if current.refused.is_none() {
                    self.rows.refuse(None);
                }
                report.named_files = ReloadOutcome::Successful;
                report.last_success = SystemTime::now();
                Ok(())
            }
            Err(problems) => {
                match occasion {
                    Occasion::Request => {
                        current.refused = Some(problems.to_string());
                        report.file = ReloadOutcome::Failed;
                    }
                    Occasion::NamedFile => report.named_files = ReloadOutcome::Failed,
                }
                self.rows.refuse(problems.as_slice().first().map(ToString::to_string).as_deref());
                for problem in problems.as_slice() {
                    tracing::error!(%problem, "the configuration is wrong; the one before stays in use");
                }
                Err(problems)
            }
        }
    }

    /// Reads files away from the probing threads, and not for ever: a mount that has gone may never answer.
    async fn blocking<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> Result<T, Problems> + Send + 'static,
    ) -> Result<T, Problems> {
        let deadline = Instant::now() + PATIENCE;
        let reading = async {
            // The turn goes along, and comes back when the disk has answered.
            let turn = self.reading.clone().acquire_owned().await;
            let work = move || {
                let _turn = turn;
                work()
            };
            match tokio::task::spawn_blocking(work).await {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        };
        timeout_at(deadline, reading).await.unwrap_or_else(|_| {
            let message = format!(
                "it, or a file that it names, cannot be read: the disk has not answered for {} s",
                PATIENCE.as_secs()
            );
            Err(Problems::of_file(path, message))
        })
    }

    fn lock_report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reloads at every SIGHUP.
pub(super) struct Hangup {
    signal: tokio::sync::Mutex<Signal>,
    reloader: Arc<Reloader>,
}

impl Hangup {
    pub(super) fn new(signal: Signal, reloader: Arc<Reloader>) -> Self {
        Self { signal: tokio::sync::Mutex::new(signal), reloader }
    }

    pub(super) async fn follow(&self) {
        let mut signal = self.signal.lock().await;
        while signal.recv().await.is_some() {
            tracing::info!("reading the configuration again after SIGHUP");
            // What is wrong has been logged.
            let _ = self.reloader.reload().await;
        }
    }
}

/// How long the files of a configuration may take to be read.
const PATIENCE: Duration = Duration::from_mins(1);
