//! `demo`: what a newcomer sees in the first minute, and that nothing is left of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use backend_health_exporter::lab;
use backend_health_exporter::lab::demo::Expected;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::process::Process;
use super::scrape::Scrape;
use super::{BINARY, DEADLINE, Exporter, PAUSE};
use crate::terminal::Terminal;

/// Starts a demo and waits until every row shows what it must.
pub(crate) async fn settled() -> (Exporter, Vec<Expected>) {
    let expected = plan().await;
    let exporter = Exporter::start(&["demo"]).await;
    let deadline = Instant::now() + DEADLINE;
    loop {
        let scrape = exporter.scrape().await;
        let wrong: Vec<String> = expected.iter().filter_map(|row| difference(row, &scrape)).collect();
        if wrong.is_empty() {
            return (exporter, expected);
        }
        assert!(Instant::now() < deadline, "{}", wrong.join("\n"));
        sleep(PAUSE).await;
    }
}

/// Every demo has the same rows.
async fn plan() -> Vec<Expected> {
    lab::Demo::start().await.expect("a demo starts in this process").expected().to_vec()
}

fn difference(expected: &Expected, scrape: &Scrape) -> Option<String> {
    let row = [("pool", expected.pool), ("setting", expected.setting), ("server", expected.server)];
    let (state, cause) = (scrape.state(&row), scrape.cause(&row));
    let as_expected = state.as_deref() == Some(&expected.state.to_lowercase()) && cause.as_deref() == expected.cause;
    (!as_expected).then(|| format!("{expected:?}, but it is {state:?} because of {cause:?}"))
}

#[tokio::test]
async fn every_row_of_the_demo_soon_shows_its_state_and_its_cause() {
    let (exporter, expected) = settled().await;
    let scrape = exporter.scrape().await;
    assert_eq!(scrape.samples("backend_health_state", &[]).len(), 3 * expected.len(), "{}", scrape.rows());
    assert_eq!(exporter.get_until("/-/ready", 200).await.body, "ready\n");

    let mut wanted: Vec<String> =
        expected.iter().flat_map(|row| [row.pool, row.setting, row.server]).map(str::to_owned).collect();
    wanted.extend(["Healthy", "Unhealthy", "Unknown"].map(|state| {
        let count = expected.iter().filter(|row| row.state == state).count();
        format!("<b>{count}</b> <span>{state}</span>")
    }));
    // A row may have changed since on a busy machine, and comes back.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let page = exporter.get("/").await;
        assert_eq!(page.status, 200);
        // Long names may be broken in the page.
        let words = page.body.replace("<wbr>", "");
        let missing: Vec<&String> = wanted.iter().filter(|word| !words.contains(*word)).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "not on the page: {missing:?}");
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn the_demo_welcomes_its_user_and_leaves_nothing_behind() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut exporter = Exporter::start(&["demo"]).await;
        let rows = plan().await;
        let broken = rows.iter().filter(|row| row.cause.is_some()).count();
        let deadline = Instant::now() + DEADLINE;
        while !exporter.process.stdout().iter().any(|line| line.contains("Ctrl-C")) {
            assert!(Instant::now() < deadline, "no welcome: {:?}", exporter.process.stdout());
            sleep(PAUSE).await;
        }
        let welcome = exporter.process.stdout();
        let value = |key: &str| {
            let line = welcome.iter().find_map(|line| line.trim().strip_prefix(key));
            line.unwrap_or_else(|| panic!("no {key} in {welcome:#?}")).trim().to_owned()
        };
        assert!(welcome[0].starts_with(&format!("{} rows", rows.len())), "{welcome:#?}");
        assert!(welcome[0].contains(&format!("{broken} of them broken")), "{welcome:#?}");
        assert_eq!(value("Report"), format!("http://{}/", exporter.address));
        assert_eq!(value("Metrics"), format!("http://{}/metrics", exporter.address));
        let config = value("Configuration");
        let directory = Path::new(&config).parent().expect("it lies in a directory");
        assert!(Path::new(&config).is_file() && directory.join("lab-root.pem").is_file(), "{config}");

        // In the middle of its work: some backends keep their clients waiting.
        exporter.process.signal(signal);
        let ended = exporter.process.ended(Duration::from_secs(5)).await;
        assert_eq!(ended.status.code(), Some(0), "{signal}: {}", ended.stderr);
        assert!(!directory.exists(), "{} is still there after {signal}", directory.display());
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn on_a_terminal_the_addresses_stay_and_the_log_goes_into_a_file_until_the_terminal_is_closed() {
    let terminal = Terminal::new(80, 24);
    let mut command = Command::new(BINARY);
    command.args(["demo", "--web.listen-address", "127.0.0.1:0"]).env("TERM", "xterm");
    command.stdin(Stdio::null()).stdout(terminal.end()).stderr(terminal.end());
    let mut process = Process::spawn_as_it_is(&mut command);
    terminal.shows("Stop with Ctrl-C.").await;
    let welcome = terminal.written();
    let log = welcome.lines().find_map(|line| line.trim().strip_prefix("Log ")).expect("a file for the log");
    let log = Path::new(log.trim()).to_owned();
    let deadline = Instant::now() + DEADLINE;
    while !std::fs::read_to_string(&log).unwrap().contains("state changed") {
        assert!(Instant::now() < deadline, "nothing is logged");
        sleep(PAUSE).await;
    }
    assert_eq!(terminal.written(), welcome, "the addresses stay where they are");
    process.signal(Signal::SIGHUP);
    let ended = process.ended(Duration::from_secs(5)).await;
    assert_eq!(ended.status.code(), Some(0));
    assert!(!log.exists());
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_the_flag_that_helps() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(BINARY);
    let ended = Process::spawn(command.args(["demo", "--web.listen-address", &address])).ended(DEADLINE).await;
    assert_eq!(ended.status.code(), Some(2));
    let words = ["--web.listen-address", &address, "in use by another program", "like :19116"];
    assert!(words.iter().all(|word| ended.stderr.contains(word)), "{}", ended.stderr);
}

#[tokio::test]
async fn without_a_file_it_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let ended = Process::spawn(Command::new(BINARY).current_dir(directory.path())).ended(DEADLINE).await;
    assert_eq!(ended.status.code(), Some(2));
    for words in
        ["there is no backend_health.yml in this directory", "--config.file", "run: backend_health_exporter demo"]
    {
        assert!(ended.stderr.contains(words), "{words:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn shells_and_readers_of_manuals_get_every_command() {
    let output = async |arguments: &[&str]| Process::spawn(Command::new(BINARY).args(arguments)).ended(DEADLINE).await;
    for (shell, check) in [("bash", Some("bash")), ("zsh", None), ("fish", None)] {
        let script = output(&["completions", shell]).await.stdout;
        for word in ["troubleshoot", "client-certificate", "web.listen-address", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if let Some(shell) = check {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("completions");
            std::fs::write(&file, &script).unwrap();
            let checked = Command::new(shell).arg("-n").arg(&file).output().expect("the shell is there");
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
    assert_eq!(output(&["completions", "tcsh"]).await.status.code(), Some(2));
    let page = output(&["man"]).await.stdout;
    for words in [
        ".TH backend_health_exporter 1",
        ".SH \"REPORT\"",
        ".SH \"TROUBLESHOOT\"",
        "\\-\\-wait",
        "Exit code: 0 all rows",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[tokio::test]
async fn two_demos_run_side_by_side() {
    let (first, _) = settled().await;
    let (second, _) = settled().await;
    assert_ne!(first.address, second.address);
}
