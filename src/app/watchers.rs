//! What looks after something for as long as the exporter runs: one that ends before is begun again, and the log says so.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The watchers of one exporter.
pub(super) struct Watchers {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Watchers {
    /// They end with `shutdown`.
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), shutdown }
    }

    /// Runs what `begin` makes of `of`, again and again: it is not meant to end.
    pub(super) fn keep<T, F>(&self, watched: &'static str, of: &Arc<T>, begin: impl Fn(Arc<T>) -> F + Send + 'static)
    where
        T: Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (shutdown, of) = (self.shutdown.clone(), of.clone());
        self.tasks.spawn(async move {
            loop {
                let mut running = tokio::spawn(begin(of.clone()));
                tokio::select! {
                    () = shutdown.cancelled() => return running.abort(),
                    ended = &mut running => {
                        let panicked = ended.is_err();
                        tracing::error!(watched, panicked, "nobody looked after this any more; it is begun again");
                    }
                }
                // What fails at once must not take a processor.
                if shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Waits until all have ended, after a shutdown.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Before one that ended is begun again.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_panics_is_begun_again_until_the_exporter_ends() {
        let shutdown = CancellationToken::new();
        let (watchers, begun) = (Watchers::new(shutdown.clone()), Arc::new(AtomicUsize::new(0)));
        watchers.keep("a test", &begun, async |begun| match begun.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("this one is meant to"),
            1 => {}
            _ => std::future::pending().await,
        });
        while begun.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(PAUSE * 5).await;
        assert_eq!(begun.load(Ordering::SeqCst), 3, "one that goes on is left alone");
        shutdown.cancel();
        watchers.ended().await;
    }
}
