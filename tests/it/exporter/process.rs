//! A child process whose output can be looked at while it runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::{DEADLINE, PAUSE};

/// A running process. Dropping it ends it with SIGTERM, and with SIGKILL when that does not help.
pub(super) struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Process {
    /// Starts it, without any input. Outputs that `command` has already given a place are left alone.
    pub(super) fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn_as_it_is(command)
    }

    /// Starts it with the outputs as `command` has them.
    pub(super) fn spawn_as_it_is(command: &mut Command) -> Self {
        // The caller's environment is no part of a test.
        Self::spawn_with_environment(command.env_remove("NO_COLOR").env_remove("RUST_LOG"))
    }

    /// Starts it with outputs and environment as `command` has them.
    pub(super) fn spawn_with_environment(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().map(Output::read).unwrap_or_default();
        let stderr = child.stderr.take().map(Output::read).unwrap_or_default();
        Self { child, stdout, stderr }
    }

    /// Complete lines of standard output so far.
    pub(super) fn stdout(&self) -> Vec<String> {
        self.stdout.lines()
    }

    /// Complete lines of standard error so far.
    pub(super) fn stderr(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// Waits for a line on standard error in which `find` finds something.
    pub(super) async fn said<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            // Looked at first: what it says last is said before it ends.
            let ended = self.child.try_wait().expect("the child is ours").is_some();
            let lines = self.stderr();
            if let Some(found) = lines.iter().find_map(|line| find(line)) {
                return found;
            }
            assert!(!ended && Instant::now() < deadline, "it never said {what}:\n{}", lines.join("\n"));
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the process is there");
    }

    /// Whether it has a handler for this signal.
    pub(super) fn catches(&self, signal: Signal) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process is there");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("Linux tells");
        let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask in hexadecimal");
        mask & (1 << (signal as u32 - 1)) != 0
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ended(&mut self, within: Duration) -> Ended {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            let said = || format!("{}\n{}", self.stdout().join("\n"), self.stderr().join("\n"));
            assert!(Instant::now() < deadline, "it still runs after {within:?}:\n{}", said());
            tokio::time::sleep(PAUSE).await;
        };
        Ended { status, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let _ended_meanwhile = kill(self.pid(), Signal::SIGTERM);
        while let Ok(None) = self.child.try_wait() {
            if std::time::Instant::now() > deadline {
                let _ended_meanwhile = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What came out of a pipe so far.
#[derive(Default)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let shared = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                shared.lock().unwrap().append(&mut line);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    /// Everything, after the end of the process.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        String::from_utf8(self.bytes.lock().unwrap().clone()).expect("the output is UTF-8")
    }
}
