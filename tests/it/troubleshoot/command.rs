//! The command `troubleshoot`: flags, exit codes, which output says what, and colours.

use std::process::{Command, Output, Stdio};

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::{Backend, Behaviour, http};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::faults::LOCALHOST;

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_backend_health_exporter");

/// Runs it to its end, while the lab goes on.
pub(super) async fn outcome(arguments: &[&str]) -> Output {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || {
        let mut command = Command::new(BINARY);
        command.arg("troubleshoot").args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR");
        command.output().expect("it runs")
    };
    spawn_blocking(run).await.unwrap()
}

pub(super) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

pub(super) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// A configuration file with two settings for a server on this port.
fn config(port: u16) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backend_health.yml");
    let yaml = format!(
        "probes:\n  - {{name: good, protocol: http, host: own.example.com, path: /own}}\n  \
         - {{name: picky, protocol: http, path: /, match: {{status_codes: [\"404\"]}}}}\n\
         backend_settings:\n  - {{name: s1, protocol: http, port: {port}, probe: good}}\n  \
         - {{name: s2, protocol: http, port: {port}, probe: picky}}\n\
         backend_pools:\n  - {{name: web, settings: [s1, s2], servers: [127.0.0.1]}}\n"
    );
    std::fs::write(&path, yaml).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[tokio::test]
async fn the_exit_code_tells_the_state_and_standard_output_the_rest() {
    let backend = Backend::start(LOCALHOST, http::ok()).unwrap();
    let refused = Backend::start(LOCALHOST, Behaviour::Refused).unwrap();
    let zone = Zone::new().with("broken.test", Answer::ServerFailure);
    let nameserver = Nameserver::start(zone).await.unwrap();
    let (_directory, file) = config(backend.address().port());
    let good = format!("http://{}/", backend.address());
    let closed = refused.address().to_string();
    let resolver = nameserver.address().to_string();
    // (arguments, exit code, what standard output says)
    let cases: [(&[&str], i32, &str); 8] = [
        (&[&good], 0, "✓ Healthy, Reachable"),
        (&[&closed], 1, "✗ Unhealthy, Unreachable: Connection refused (tcp_refused)"),
        (&[&good, "--output", "json"], 0, "\"state\": \"Healthy\""),
        (&[&closed, "--output", "JSON"], 1, "\"connectionStatus\": \"Unreachable\""),
        (&["http://gone.test", "--dns.nameserver", &resolver], 3, "! Unknown, Unreachable: Name does not exist"),
        (&["http://broken.test", "--dns.nameserver", &resolver], 3, "(dns_server_failure)"),
        (&["127.0.0.1", "--config.file", &file, "--pool", "web", "--setting", "s1"], 0, "| Host: own.example.com"),
        (&["127.0.0.1", "--config.file", &file, "--setting", "s2"], 1, "expected status 404; came: status 200"),
    ];
    for (arguments, code, words) in cases {
        let ended = outcome(arguments).await;
        assert_eq!((ended.status.code(), stderr(&ended)), (Some(code), ""), "{arguments:?}\n{}", stdout(&ended));
        assert!(stdout(&ended).contains(words), "{arguments:?} without {words:?}\n{}", stdout(&ended));
        assert!(!stdout(&ended).contains('\u{1b}'), "colours are for terminals: {arguments:?}");
    }
    assert!(
        backend.requests().iter().any(|request| request.starts_with(b"GET /own HTTP/1.1\r\nHost: own.example.com"))
    );
}

#[tokio::test]
async fn what_cannot_run_ends_with_2_and_says_why() {
    let (_directory, file) = config(1);
    let cases: [(&[&str], &str); 12] = [
        (&[], "<TARGET>"),
        (&["ftp://127.0.0.1"], "http, https, tcp and tls are"),
        (&["https://u:p@127.0.0.1"], "never sent"),
        (&["127.0.0.1:1", "--output", "xml"], "[possible values: text, json]"),
        (&["127.0.0.1:1", "--timeout", "1s"], "2s to 10m"),
        (&["127.0.0.1:1", "--timeout", "30"], "has no unit"),
        (&["127.0.0.1:1", "--tries", "0"], "1..=100"),
        (&["127.0.0.1:1", "--dns.nameserver", "nonsense"], "--dns.nameserver"),
        (&["127.0.0.1", "--pool", "web"], "--config.file"),
        (&["127.0.0.1", "--config.file", "/nonexistent.yml"], "cannot read the configuration"),
        (&["127.0.0.9", "--config.file", &file], "has no row"),
        (&["127.0.0.1", "--config.file", &file], "--pool web --setting s1\n--pool web --setting s2"),
    ];
    for (arguments, words) in cases {
        let ended = outcome(arguments).await;
        assert_eq!((ended.status.code(), stdout(&ended)), (Some(2), ""), "{arguments:?}");
        assert!(stderr(&ended).contains(words), "{arguments:?} without {words:?}:\n{}", stderr(&ended));
    }
}

#[tokio::test]
async fn json_has_azures_words_first_and_every_stage_below() {
    let backend = Backend::start(LOCALHOST, http::redirect("https://elsewhere.test/")).unwrap();
    let target = format!("http://{}/a?b=c", backend.address());
    let ended = outcome(&[&target, "--output", "json", "--tries", "2"]).await;
    let value: Value = serde_json::from_str(stdout(&ended)).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let azures =
        ["connectionStatus", "avgLatencyInMs", "minLatencyInMs", "maxLatencyInMs", "probesSent", "probesFailed"];
    assert_eq!(keys[..6], azures);
    assert_eq!(keys[6..11], ["hops", "issues", "state", "cause", "remedy"]);
    let stages: Vec<&str> = value["stages"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        stages,
        ["dns", "route", "tcp", "path", "tls", "http", "probe", "probe_in_small_segments", "probe_again"]
    );
    // A redirect is an answer within 200-399, shown and not followed.
    assert_eq!((ended.status.code(), &value["state"]), (Some(0), &"Healthy".into()));
    let http = &value["stages"]["http"];
    assert_eq!((http["status"].as_u64(), &value["cause"]), (Some(302), &Value::Null));
    assert!(http["headers"].to_string().contains("https://elsewhere.test/"), "{http}");
    assert!(http["request"].as_str().unwrap().starts_with("GET /a?b=c HTTP/1.1\r\n"), "{http}");
    assert_eq!(value["connectionStatus"], "Reachable");
    assert_eq!((value["probesSent"].as_u64(), value["probesFailed"].as_u64()), (Some(2), Some(0)));
    assert_eq!((&value["hops"][0]["type"], &value["hops"][1]["type"]), (&"Source".into(), &"Destination".into()));
    let latency = ["minLatencyInMs", "avgLatencyInMs", "maxLatencyInMs"].map(|key| value[key].as_f64().unwrap());
    assert!(latency[0] > 0.0 && latency.is_sorted(), "{latency:?}");

    let refused = Backend::start(LOCALHOST, Behaviour::Refused).unwrap();
    let ended = outcome(&[&refused.address().to_string(), "--output", "json", "--tries", "2"]).await;
    let value: Value = serde_json::from_str(stdout(&ended)).unwrap();
    let cause = &value["cause"];
    assert_eq!(
        (&cause["code"], &cause["stage"], &cause["side"]),
        (&"tcp_refused".into(), &"tcp".into(), &"server".into())
    );
    for key in ["explanation", "reproduce"] {
        assert!(cause[key].as_str().is_some_and(|words| !words.is_empty()), "{key}: {cause}");
    }
    assert_eq!(cause["certificate"], Value::Null);
    assert!(cause["remedy"].as_array().is_some_and(|steps| steps.len() > 2) && value["remedy"] == cause["remedy"]);
    assert_eq!((value["probesFailed"].as_u64(), &value["avgLatencyInMs"]), (Some(2), &Value::Null));
    let issue = &value["issues"][0];
    let words = ["origin", "severity", "type"].map(|key| issue[key].as_str().unwrap());
    assert_eq!(words, ["Outbound", "Error", "NoListenerOnDestination"]);
    assert_eq!(issue["context"][0], serde_json::json!({ "key": "cause", "value": "tcp_refused" }));
}

#[tokio::test]
async fn the_help_tells_about_every_flag() {
    let help = outcome(&["--help"]).await;
    assert_eq!((help.status.code(), stderr(&help)), (Some(0), ""));
    let flags = ["<TARGET>", "--output", "--timeout", "--tries", "--config.file", "--pool", "--setting"];
    for word in flags.iter().chain(&[
        "--dns.nameserver",
        "--log.level",
        "--log.format",
        "30s",
        "--host",
        "--sni",
        "--ca",
        "--client-certificate",
        "--client-key",
        "--insecure",
        "Exit code",
    ]) {
        assert!(stdout(&help).contains(word), "{word}:\n{}", stdout(&help));
    }
}

/// What it writes to a terminal, both outputs together; `None` where no terminal can be made.
async fn on_a_terminal(no_color: Option<&'static str>) -> Option<String> {
    let run = move || {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{BINARY} troubleshoot 127.0.0.1:1"), "/dev/null"]).stdin(Stdio::null());
        match no_color {
            Some(value) => command.env("NO_COLOR", value),
            None => command.env_remove("NO_COLOR"),
        };
        match command.output() {
            Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(error) => {
                println!("skipped: no terminal can be made here: {error}");
                None
            }
        }
    };
    spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn colours_and_progress_are_for_terminals_and_no_color_is_heard() {
    let Some(coloured) = on_a_terminal(None).await else { return };
    assert!(coloured.contains("\u{1b}[31m✗\u{1b}[0m Unhealthy"), "{coloured}");
    assert!(coloured.contains("[2/6] probing once, as the exporter does ..."), "{coloured}");
    let plain = on_a_terminal(Some("1")).await.unwrap();
    assert!(plain.contains("✗ Unhealthy") && !plain.contains("\u{1b}[31m") && !plain.contains("\u{1b}[1m"), "{plain}");
    assert!(on_a_terminal(Some("")).await.unwrap().contains("\u{1b}[31m"), "an empty NO_COLOR says nothing");
}
