//! Log lines on their way out. A thread of its own writes them: a reader that stands still (a full pipe, a stopped
//! journal) holds up that thread and nobody else. Lines for which there is no room are dropped and counted.
//!
//! `tracing-appender` does the same with a bound in lines and three more crates; here the bound is in bytes.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Most that waits for the reader, in bytes.
const ROOM: usize = 1024 * 1024;

/// What a waiting line takes beside its bytes, about.
const OVERHEAD: usize = 64;

/// How long the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Takes lines, and never waits for who reads them.
#[derive(Clone)]
pub(super) struct Lines {
    queue: Sender<Entry>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    /// Answered when all that came before is written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Lines that go to standard error.
    pub(super) fn to_standard_error() -> io::Result<Self> {
        // A handle of its own, so that nobody else waits for its lock while the reader stands still.
        Self::to(File::from(io::stderr().as_fd().try_clone_to_owned()?))
    }

    pub(super) fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = channel();
        let (waiting, dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicU64>::default());
        let (left, lost) = (waiting.clone(), dropped.clone());
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&entries, &mut out, &left, &lost))?;
        Ok(Self { queue, waiting, dropped })
    }

    /// Counts the lines that were dropped, or could not be written.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        self.dropped.clone()
    }

    /// Waits until all lines so far are written, as long as that is sensible.
    pub(super) fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.send(Entry::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(LAST_LINES);
        }
    }
}

/// The thread's work: ends when nobody can send any more.
fn write(entries: &Receiver<Entry>, out: &mut impl Write, waiting: &AtomicUsize, dropped: &AtomicU64) {
    for entry in entries {
        match entry {
            Entry::Line(line) => {
                if out.write_all(&line).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
                waiting.fetch_sub(line.len() + OVERHEAD, Ordering::Relaxed);
            }
            Entry::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Each write is a whole line.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let size = line.len() + OVERHEAD;
        let has_room = self.waiting.fetch_add(size, Ordering::Relaxed) + size <= ROOM;
        if !has_room || self.queue.send(Entry::Line(line.to_vec())).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn who_writes_never_waits_for_who_reads_and_what_is_lost_is_counted() {
        let (reader, writer) = io::pipe().unwrap();
        let mut lines = Lines::to(writer).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        let count = 4 * ROOM / line.len();
        for _ in 0..count {
            assert_eq!(lines.write(line.as_bytes()).unwrap(), line.len());
        }
        let dropped = lines.dropped().load(Ordering::Relaxed);
        assert!(dropped > 0, "the pipe and the queue hold less than that");
        // The reader goes on: what was kept comes whole and in order, and there is room again.
        let reading = thread::spawn(move || BufReader::new(reader).lines().map_while(Result::ok).collect::<Vec<_>>());
        lines.flush();
        lines.write_all(b"last\n").unwrap();
        lines.flush();
        drop(lines);
        let read = reading.join().unwrap();
        assert_eq!(read.len() as u64, count as u64 - dropped + 1);
        assert!(read.iter().all(|line| line.len() == 999 || line == "last"));
        assert_eq!(read.last().map(String::as_str), Some("last"));
    }
}
