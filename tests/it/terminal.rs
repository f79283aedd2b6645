//! A terminal of a given size, for programs that write otherwise on one.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use nix::pty::{OpenptyResult, Winsize, openpty};
use tokio::time::{Instant, sleep};

use crate::exporter::{DEADLINE, PAUSE};

/// A terminal of this size, and what was written to it so far.
pub(crate) struct Terminal {
    /// Held so that the terminal outlives whoever writes.
    slave: OwnedFd,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(crate) fn new(columns: u16, lines: u16) -> Self {
        let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).expect("a pseudo-terminal");
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let shared = written.clone();
        std::thread::spawn(move || {
            let (mut master, mut bytes) = (File::from(master), [0; 4096]);
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                shared.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { slave, written }
    }

    pub(crate) fn end(&self) -> Stdio {
        self.slave.try_clone().expect("a descriptor is free").into()
    }

    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Waits until this was written.
    pub(crate) async fn shows(&self, what: &str) {
        self.shows_after(0, what).await;
    }

    /// Waits until this was written after so many bytes.
    pub(crate) async fn shows_after(&self, start: usize, what: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.written()[start..].contains(what) {
            assert!(Instant::now() < deadline, "{what:?} never came: {:?}", self.written());
            sleep(PAUSE).await;
        }
    }
}

/// What stands in the lines of a terminal, without colours.
pub(crate) fn plain(written: &str) -> String {
    let mut parts = written.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest)).replace('\r', "")
}
