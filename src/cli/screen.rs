//! The terminal: how large it is, whether it has colours, a progress bar, and a page that is drawn over and over.

use std::io;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use terminal_size::{Height, Width, terminal_size_of};

use crate::view::text::Colour;

/// Columns and lines of the terminal that standard output goes to, if it goes to one.
pub(super) fn size() -> Option<(usize, usize)> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let (width, height) = match terminal_size_of(&stdout) {
        Some((Width(width @ 1..), Height(height @ 1..))) => (width, height),
        Some(_) | None => (80, 24),
    };
    Some((width.into(), height.into()))
}

/// Whether standard output is a terminal that can be drawn on.
pub(super) fn can_draw() -> bool {
    io::stdout().is_terminal() && !is_dumb()
}

/// Colours only on a terminal that has them, and never against `NO_COLOR` (<https://no-color.org>).
pub(super) fn colour() -> Colour {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if can_draw() && !refused { Colour::Ansi } else { Colour::None }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// How far it is, on standard error, when that is a terminal.
pub(super) struct Progress {
    rows: usize,
    shown: Option<Instant>,
    started: Instant,
    is_on: bool,
}

impl Progress {
    pub(super) fn of(rows: usize) -> Self {
        let is_on = io::stderr().is_terminal() && !is_dumb();
        let mut progress = Self { rows, shown: None, started: Instant::now(), is_on };
        progress.show(0);
        progress
    }

    pub(super) fn show(&mut self, ended: usize) {
        if !self.is_on || self.shown.is_some_and(|shown| shown.elapsed() < BETWEEN_STEPS) {
            return;
        }
        self.shown = Some(Instant::now());
        let filled = BAR * ended / self.rows.max(1);
        let (bar, rest) = ("#".repeat(filled), ".".repeat(BAR - filled));
        let seconds = self.started.elapsed().as_secs();
        let _ = write!(io::stderr(), "\r\u{1b}[K[{bar}{rest}] {ended} of {} rows probed, {seconds}s", self.rows);
    }

    pub(super) fn clear(self) {
        if self.is_on {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

const BAR: usize = 24;

/// A line that changes faster is not read.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

/// The terminal's other page, which leaves the first one as it was. Dropping it goes back.
pub(super) struct Page(());

impl Page {
    pub(super) fn open() -> io::Result<Self> {
        // The guard is there first: half an opening is undone, too. Lines that are too long are cut by the terminal, for a
        // broken one would move all that is below.
        let page = Self(());
        write_out("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J")?;
        Ok(page)
    }

    /// Replaces what is shown, in one go and without clearing first: nothing flickers.
    #[allow(clippy::unused_self)] // there is nothing to draw on without a page
    pub(super) fn draw(&self, text: &str) -> io::Result<()> {
        let (_, height) = size().unwrap_or((80, 24));
        let lines: Vec<&str> = text.lines().take(height).collect();
        write_out(&format!("\u{1b}[H{}\u{1b}[K\u{1b}[J", lines.join("\u{1b}[K\r\n")))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = write_out("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l");
    }
}

pub(super) fn write_out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
