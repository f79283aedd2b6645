//! With `--config.file`: every row is probed once, now.

use std::io::Read;
use std::process::{Command, Stdio};

use backend_health_exporter::health::State;
use backend_health_exporter::lab::http;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::{BINARY, Backend, CODES, ConfigFile, DEADLINE, Process, Servers, code, parsed, report, text};
use crate::exporter::PAUSE;

#[tokio::test]
async fn the_exit_code_tells_the_worst_state_of_the_wanted_rows() {
    let servers = Servers::start().await;
    for (flags, expected) in CODES {
        for output in ["table", "json", "csv"] {
            let ended = servers.report(&[*flags, &["--output", output]].concat()).await;
            assert_eq!(code(&ended), Some(*expected), "{flags:?} {output}: {ended:?}");
            assert_eq!(ended.stdout.is_empty(), *expected == 2, "{flags:?} {output}: {ended:?}");
            assert_eq!(ended.stderr.is_empty(), *expected != 2, "{flags:?} {output}: {ended:?}");
        }
    }
}

#[tokio::test]
async fn one_probe_of_each_wanted_row_decides() {
    let servers = Servers::start().await;
    let ended = servers.report(&["--pool", "web", "--output", "json"]).await;
    assert!(ended.stdout.starts_with("{\n  \"generated_at\"") && ended.stdout.ends_with("}\n"), "{}", ended.stdout);
    assert!(!ended.stdout.ends_with("\n\n"));
    let report = parsed(&ended.stdout);
    let rows: Vec<_> = report.rows.iter().map(|row| (&*row.server, row.state, row.consecutive_failures)).collect();
    assert_eq!(rows, [("127.31.0.1", State::Healthy, 0), ("127.31.0.2", State::Unhealthy, 1)]);
    assert_eq!(report.rows[1].cause.as_ref().unwrap().code, "tcp_refused");
    assert!(report.rows.iter().all(|row| row.history.len() == 1), "each was probed once");
    assert_eq!(servers.good().requests().len(), 1);
    assert_eq!(servers.nameserver.questions("known.lab.test"), 0, "rows that nobody asked for are left alone");

    servers.report(&["--state", "unknown"]).await;
    assert_eq!(servers.good().requests().len(), 3, "to know who is Unknown all have to be probed");
}

#[tokio::test]
async fn a_table_has_the_worst_first_and_a_single_row_tells_what_to_do() {
    let servers = Servers::start().await;
    let table = servers.report(&[]).await.stdout;
    let shown: Vec<String> =
        table.lines().map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        shown,
        [
            "STATE POOL SERVER SETTING",
            "Unhealthy Web 127.31.0.2 http",
            "Unknown names gone.lab.test http",
            "Healthy Web 127.31.0.1 http",
            "Healthy names known.lab.test http",
            "",
            "4 rows: 1 Unhealthy,",
        ]
    );
    let single = servers.report(&["--server", "gone.lab.test"]).await.stdout;
    for words in
        ["dns_name_not_found", "To do      1. ", "Who acts   gateway", "docs/troubleshooting.md#dns_name_not_found"]
    {
        assert!(single.contains(words), "{words}: {single}");
    }
    let csv = servers.report(&["--output", "csv"]).await.stdout;
    let states: Vec<&str> = csv.split_terminator("\r\n").map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(states, ["state", "Healthy", "Unhealthy", "Unknown", "Healthy"], "in the configuration's order");
}

#[tokio::test]
async fn what_cannot_run_ends_with_2_and_says_why() {
    let good = ConfigFile::new(
        "backend_settings: [{name: a, protocol: http, port: 1}]\nbackend_pools: [{name: w, settings: [a], servers: []}]\n",
    );
    let bad = ConfigFile::new("backend_settings:\n  - {name: a, protocol: http, prot: 1}\n");
    let http = good.write_beside("http.yml", "basic_aut: {}\n");
    let cases: &[(&[&str], &[&str])] = &[
        (&["--config.file", text(&bad.path)], &["backend_health.yml:2:", "prot"]),
        (&["--config.file", "/nowhere/to/be.yml"], &["/nowhere/to/be.yml"]),
        (&["--config.file", text(&good.path)], &["names no server", "warning: "]),
        (&["--config.file", text(&good.path), "--url", "http://127.0.0.1:1"], &["--config.file", "--url"]),
        (&["--config.file", text(&good.path), "--http.config.file", text(&http)], &["--http.config.file"]),
        (&["--http.config.file", text(&http)], &["http.yml:1:1", "basic_auth"]),
        (&["--dns.nameserver", "127.0.0.1:53"], &["--config.file"]),
        (&["--config.file", text(&good.path), "--dns.nameserver", "x"], &["--dns.nameserver"]),
        (&["--url", "ftp://127.0.0.1"], &["--url", "http://127.0.0.1:19115"]),
        (&["--url", "http://127.0.0.1:1/?a=b"], &["--url"]),
        (&["--state", "up"], &["Healthy, Unhealthy, Unknown"]),
        (&["--cause", "broken"], &["broken", "tcp_refused"]),
        (&["--output", "xml"], &["table", "json", "csv"]),
        (&["--watch", "--watch.interval", "1"], &["--watch.interval"]),
        (&["--watch", "--watch.interval", "10ms"], &["at least 100ms"]),
    ];
    for (arguments, words) in cases {
        let ended = report(arguments).await;
        assert_eq!((code(&ended), ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        for word in *words {
            assert!(ended.stderr.contains(word), "{arguments:?} says nothing of {word}:\n{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn many_servers_that_do_not_answer_are_waited_for_together() {
    let servers: Vec<String> = (1..=60).map(|number| format!("127.0.1.{number}")).collect();
    let listening = Backend::start([0, 0, 0, 0].into(), http::silent()).unwrap();
    let config = ConfigFile::new(&format!(
        "probes: [{{name: p, protocol: http, timeout: 4s, interval: 4s}}]\n\
         backend_settings: [{{name: http, protocol: http, port: {}, probe: p}}]\n\
         backend_pools: [{{name: web, settings: [http], servers: [{}]}}]\n",
        listening.address().port(),
        servers.join(", ")
    ));
    let start = Instant::now();
    let ended = report(&["--config.file", text(&config.path)]).await;
    assert_eq!(code(&ended), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("60 rows: 60 Unhealthy"), "{}", ended.stdout);
    assert!(start.elapsed() < DEADLINE / 2, "one after the other they take four minutes");
}

#[tokio::test]
async fn ctrl_c_ends_it_before_the_servers_have_answered() {
    let silent = Backend::start([127, 0, 0, 1].into(), http::silent()).unwrap();
    let config = ConfigFile::new(&format!(
        "backend_settings: [{{name: http, protocol: http, port: {}}}]\n\
         backend_pools: [{{name: web, settings: [http], servers: [127.0.0.1]}}]\n",
        silent.address().port()
    ));
    for watch in [&[] as &[&str], &["--watch"]] {
        let before = silent.requests().len();
        let mut command = Command::new(BINARY);
        let mut process = Process::spawn(command.args(["report", "--config.file", text(&config.path)]).args(watch));
        let deadline = Instant::now() + DEADLINE;
        while silent.requests().len() == before {
            assert!(Instant::now() < deadline, "the server is never asked");
            sleep(PAUSE).await;
        }
        process.signal(Signal::SIGINT);
        let ended = process.ended(DEADLINE / 3).await;
        assert_eq!((code(&ended), ended.stdout.as_str()), (Some(2), ""));
        assert_eq!(ended.stderr, "ended before every row was probed\n");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let servers = Servers::start().await;
    let nameserver = servers.nameserver.address().to_string();
    for output in ["table", "json", "csv"] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(BINARY);
        command.args(["report", "--config.file", text(&servers.config.path), "--dns.nameserver", &nameserver]);
        command.args(["--output", output, "--watch", "--watch.interval", "100ms"]);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let mut process = Process::spawn_as_it_is(&mut command);
        // The command holds the writing end, too.
        drop(command);
        // Away from here, where the name server answers.
        tokio::task::spawn_blocking(move || reader.read_exact(&mut [0; 20])).await.unwrap().unwrap();
        let ended = process.ended(DEADLINE).await;
        assert_eq!((code(&ended), ended.stderr.as_str()), (Some(1), ""), "{output}");
    }
}
