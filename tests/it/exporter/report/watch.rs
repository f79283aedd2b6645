//! `--watch`: over and over, until Ctrl-C.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::{BINARY, Backend, Behaviour, DEADLINE, Process, Servers, code, http, parsed, remote, text};
use crate::exporter::PAUSE;
use crate::terminal::Terminal;

/// Waits until standard output has so many lines in which this stands.
async fn lines_with(process: &Process, what: &str, count: usize) -> Vec<String> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let lines: Vec<_> = process.stdout().into_iter().filter(|line| line.contains(what)).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(Instant::now() < deadline, "{what:?}: {:?} {:?}", process.stdout(), process.stderr());
        sleep(PAUSE).await;
    }
}

fn watching(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["report", "--watch", "--watch.interval", "100ms"]).args(arguments);
    command
}

#[tokio::test]
async fn rows_of_a_configuration_go_on_being_probed_and_the_last_report_decides() {
    let servers = Servers::every("200ms").await;
    let arguments = ["--config.file", text(&servers.config.path), "--server", "127.31.0.1", "--output", "json"];
    let mut process = Process::spawn(&mut watching(&arguments));
    lines_with(&process, "\"state\":\"Healthy\"", 3).await;
    assert!(servers.good().requests().len() > 1, "more than the first round");
    servers.good().set(http::status(500, "no\n")).unwrap();
    let turned = lines_with(&process, "\"state\":\"Unhealthy\"", 1).await;
    let row = &parsed(&turned[0]).rows[0];
    assert!(row.consecutive_failures >= 3, "the threshold holds as in the exporter: {turned:?}");
    process.signal(Signal::SIGINT);
    let ended = process.ended(DEADLINE).await;
    assert_eq!(code(&ended), Some(1));
    assert!(ended.stderr.lines().all(|line| line.starts_with("warning: ")), "{ended:?}");
    assert!(ended.stdout.lines().all(|line| parsed(line).rows.len() == 1), "a line for each look");
}

#[tokio::test]
async fn an_appended_table_says_when_it_was_and_csv_has_one_header() {
    let servers = Servers::every("200ms").await;
    let nameserver = servers.nameserver.address().to_string();
    let arguments = ["--config.file", text(&servers.config.path), "--dns.nameserver", &nameserver, "--pool", "names"];
    let mut process = Process::spawn(&mut watching(&arguments));
    lines_with(&process, " UTC", 3).await;
    process.signal(Signal::SIGTERM);
    let ended = process.ended(DEADLINE).await;
    assert_eq!(code(&ended), Some(3));
    assert!(ended.stdout.matches("STATE ").count() >= 2 && !ended.stdout.contains('\u{1b}'), "{ended:?}");

    let mut process = Process::spawn(watching(&arguments).args(["--output", "csv"]));
    lines_with(&process, "gone.lab.test", 3).await;
    process.signal(Signal::SIGINT);
    let ended = process.ended(DEADLINE).await;
    assert_eq!(ended.stdout.matches("generated_at").count(), 1, "{ended:?}");
}

#[tokio::test]
async fn an_exporter_that_goes_away_is_asked_again() {
    let good = http::answer(http::response(200, &[], remote::json()));
    let backend = Backend::start([127, 0, 0, 1].into(), good.clone()).unwrap();
    let url = backend.address().to_string();
    let mut process = Process::spawn(&mut watching(&["--url", &url]));
    lines_with(&process, "2 rows", 2).await;
    backend.set(Behaviour::Refused).unwrap();
    let said = |line: &str| line.ends_with("; trying again").then(|| line.to_owned());
    let trouble = process.said("that the exporter is gone", said).await;
    assert!(trouble.starts_with(&format!("cannot ask http://{url}: ")), "{trouble}");
    let before = lines_with(&process, "2 rows", 2).await.len();
    backend.set(good).unwrap();
    lines_with(&process, "2 rows", before + 2).await;
    backend.set(Behaviour::Refused).unwrap();
    process.signal(Signal::SIGINT);
    assert_eq!(code(&process.ended(DEADLINE).await), Some(1), "as the last report had it");

    let mut process = Process::spawn(&mut watching(&["--url", &url]));
    let ended = process.ended(DEADLINE).await;
    assert_eq!((code(&ended), ended.stdout.as_str()), (Some(2), ""), "the first look has to succeed");
}

#[tokio::test]
async fn rows_that_match_later_are_waited_for() {
    let servers = Servers::every("200ms").await;
    let arguments = ["--config.file", text(&servers.config.path), "--server", "127.31.0.1", "--state", "unhealthy"];
    let mut process = Process::spawn(&mut watching(&arguments));
    lines_with(&process, "no row matches", 1).await;
    servers.good().set(Behaviour::Refused).unwrap();
    lines_with(&process, "tcp_refused", 1).await;
    process.signal(Signal::SIGINT);
    assert_eq!(code(&process.ended(DEADLINE).await), Some(1));
}

#[tokio::test]
async fn on_a_terminal_the_table_is_drawn_in_place_and_the_terminal_is_given_back() {
    let good = http::answer(http::response(200, &[], remote::json()));
    let backend = Backend::start([127, 0, 0, 1].into(), good).unwrap();
    let terminal = Terminal::new(120, 12);
    let url = backend.address().to_string();
    let mut command = watching(&["--url", &url]);
    command.env("TERM", "xterm").stdin(Stdio::null()).stdout(terminal.end()).stderr(Stdio::piped());
    let mut process = Process::spawn_as_it_is(&mut command);
    terminal.shows("\u{1b}[?1049h\u{1b}[?25l").await;
    terminal.shows("2 rows: 1 Unhealthy, 0 Unknown, 1 Healthy").await;
    let first = terminal.written();
    assert_eq!(first.matches("\u{1b}[2J").count(), 1, "the page is cleared once, and then only drawn over");
    terminal.shows_after(first.len(), "\u{1b}[H").await;
    backend.set(Behaviour::Refused).unwrap();
    terminal.shows("No news since ").await;
    process.signal(Signal::SIGINT);
    let ended = process.ended(DEADLINE).await;
    assert_eq!((code(&ended), ended.stderr.as_str()), (Some(1), ""));
    terminal.shows("\u{1b}[?25h\u{1b}[?1049l").await;
    let deadline = Instant::now() + DEADLINE;
    let left = loop {
        let written = terminal.written();
        let left = written.split("\u{1b}[?1049l").nth(1).unwrap_or_default().to_owned();
        if left.contains("1 Healthy") || Instant::now() > deadline {
            break left;
        }
        sleep(PAUSE).await;
    };
    assert!(left.contains("2 rows: 1 Unhealthy, 0 Unknown, 1 Healthy"), "the last report stays: {left:?}");
}
