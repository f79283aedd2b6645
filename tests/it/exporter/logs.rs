//! Log lines of the running program: one for each change of state, and none that a backend wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use backend_health_exporter::lab::tls::{Credential, Identity, Profile, ServerTls, Validity};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http, tcp};
use backend_health_exporter::view::exposition::Format;
use nix::sys::signal::Signal;
use rustls::RootCertStore;
use tokio::time::Instant;

use super::process::Process;
use super::scrape::Scrape;
use super::{BINARY, ConfigFile, DEADLINE, Exporter, http_client, listening, text};
use crate::exposition;

/// A line as read: every field once.
type Line = BTreeMap<String, String>;

/// Reads one line, and panics at whatever could be read in two ways.
type Reader = fn(&str) -> Line;

#[tokio::test]
async fn every_change_of_state_is_one_line_and_no_probe_is() {
    for (format, read) in FORMATS {
        let backends = [
            Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap(),
            Backend::start([127, 0, 0, 1].into(), http::status(503, "down\n")).unwrap(),
            Backend::start([127, 0, 0, 1].into(), Behaviour::Refused).unwrap(),
        ];
        let ports: Vec<String> = backends.iter().map(|backend| backend.address().port().to_string()).collect();
        let config = ConfigFile::new(&yaml(&ports, |_| ("http", "")));
        let mut exporter = Exporter::start(&["run", "--config.file", text(&config.path), "--log.format", format]).await;
        // The state of each row, over time; the port tells the rows apart.
        let mut wanted: Vec<Vec<(&str, &str, Option<&str>)>> = vec![
            vec![("Unknown", "Healthy", None)],
            vec![("Unknown", "Unhealthy", Some("http_status_mismatch"))],
            vec![("Unknown", "Unhealthy", Some("tcp_refused"))],
        ];
        settle(&exporter, &["healthy", "unhealthy", "unhealthy"]).await;
        backends[0].set(Behaviour::Refused).unwrap();
        backends[1].set(http::ok()).unwrap();
        wanted[0].push(("Healthy", "Unhealthy", Some("tcp_refused")));
        wanted[1].push(("Unhealthy", "Healthy", None));
        let scrape = settle(&exporter, &["unhealthy", "healthy", "unhealthy"]).await;
        let probes = scrape.sum("backend_health_probes_total", &[]);
        assert_eq!(scrape.sum("backend_health_transitions_total", &[]).to_string(), "5");
        exporter
            .scrape_until("many more probes", |scrape| scrape.sum("backend_health_probes_total", &[]) > probes + 60.0)
            .await;
        exporter.process.signal(Signal::SIGTERM);
        let log = exporter.process.ended(DEADLINE).await.stderr;
        let changes = changes(&log, read);
        assert_eq!(changes.len(), 5, "{log}");
        for (port, wanted) in ports.iter().zip(&wanted) {
            let of_row = changes.iter().filter(|line| line["port"] == *port);
            let told: Vec<_> = of_row
                .map(|line| (line["from"].as_str(), line["to"].as_str(), line.get("cause").map(String::as_str)))
                .collect();
            assert_eq!(told, *wanted, "{log}");
        }
        for line in &changes {
            assert_eq!(keys(line), TOLD[usize::from(line["to"] == "Healthy")], "{line:?}");
            assert_eq!((line["pool"].as_str(), line["server"].as_str()), ("web", "127.0.0.1"));
            assert!(line["setting"].starts_with("setting-"), "{line:?}");
            let (level, detail) = (line["level"].as_str(), line.get("detail").map(String::as_str));
            match line["to"].as_str() {
                "Healthy" => assert_eq!((level, detail), ("info", None)),
                _ => assert!(level == "warn" && detail.is_some_and(|detail| detail.len() > 10), "{line:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_stands_still_stops_neither_probes_nor_answers_nor_the_end() {
    let backend = Backend::start([127, 0, 0, 1].into(), http::ok()).unwrap();
    let good = yaml(&[backend.address().port().to_string()], |_| ("http", ""));
    let config = ConfigFile::new(&good);
    let (reader, writer) = std::io::pipe().unwrap();
    let process = Process::spawn_as_it_is(
        Command::new(BINARY)
            .args(["--config.file", text(&config.path), "--web.listen-address", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(writer),
    );
    // Reads until it listens, and then never again.
    let mut log = BufReader::new(reader);
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "it has ended");
        if let Some(address) = listening(line.trim_end()) {
            break address;
        }
    };
    let client = http_client(RootCertStore::empty()).build().unwrap();
    let mut exporter = Exporter { process, address, client };
    // A thousand lines for each reload.
    let mut wrong = good.clone();
    for number in 0..1000 {
        writeln!(wrong, "unknown_{number}: 1").unwrap();
    }
    config.write(&wrong);
    let dropped = |scrape: &Scrape| scrape.value("backend_health_exporter_log_lines_dropped_total", &[]);
    let deadline = Instant::now() + DEADLINE;
    while dropped(&exporter.scrape().await) < 1.0 {
        assert!(Instant::now() < deadline, "no line was dropped");
        assert_eq!(exporter.reload().await.status, 500);
    }
    assert_eq!(exporter.get("/-/healthy").await.status, 200);
    let probes = |scrape: &Scrape| scrape.sum("backend_health_probes_total", &[]);
    let before = probes(&exporter.scrape().await);
    exporter.scrape_until("probes go on", |scrape| probes(scrape) >= before + 5.0).await;
    exporter.process.signal(Signal::SIGTERM);
    assert!(exporter.process.ended(DEADLINE).await.status.success());
    drop(log);
}

#[tokio::test]
async fn nothing_that_a_backend_sends_can_forge_a_line_or_a_field() {
    // A line of our own in both formats, controls, an ANSI escape of one character, and a reordering.
    const EVIL: &str = "x\nts=2026-01-01T00:00:00Z level=error msg=\"state changed\" pool=forged\r\n\
        {\"level\":\"error\",\"pool\":\"forged\"}\n\" pool=forged cause=forged\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\\\0";
    // What a header may hold of it.
    const EVIL_HEADER: &str = "/x\" pool=forged cause=forged msg=\"state changed\" \u{9b}31m\u{202e}\u{2028}\\";
    for (format, read) in FORMATS {
        let root = Credential::self_signed(&Profile::authority(EVIL)).unwrap();
        let leaf = |hosts: &str, validity| {
            let profile = Profile { common_name: EVIL.to_owned(), validity, ..Profile::server(hosts) };
            ServerTls::new(&Identity::new(&root.issue(&profile).unwrap(), &[])).unwrap()
        };
        let in_time = Validity::days(-1, 90);
        let expired = Service::tls(&leaf("app.lab.test", Validity::days(-90, -1)), http::ok());
        let other_name = Service::tls(&leaf("x\n pool=forged", in_time), http::ok());
        let strange = Service::tls(&leaf("app.lab.test", in_time), http::ok());
        let cases: Vec<(Behaviour, &str, &str, &str)> = vec![
            (tcp::banner(EVIL).into(), "http", "", "http_malformed"),
            (http::redirect(EVIL_HEADER).into(), "http", "", "http_status_mismatch"),
            (http::status(200, EVIL).into(), "http", "", "http_body_mismatch"),
            (http::status(503, EVIL).into(), "http", "", "http_status_mismatch"),
            (http::answer(format!("HTTP/1.1 200 {EVIL}\r\n\r\n")).into(), "http", "", "http_malformed"),
            (tcp::banner(EVIL).into(), "https", "", "tls_not_tls"),
            (tcp::banner(EVIL).into(), "tls-proxy", "", "proxy_protocol_rejected"),
            (expired.into(), "https", TRUSTED, "cert_expired"),
            (other_name.into(), "https", TRUSTED, "cert_name_mismatch"),
            (strange.into(), "https", "", "cert_intermediate_missing"),
        ];
        let backends: Vec<Backend> = cases
            .iter()
            .map(|(behaviour, ..)| Backend::start([127, 0, 0, 1].into(), behaviour.clone()).unwrap())
            .collect();
        let ports: Vec<String> = backends.iter().map(|backend| backend.address().port().to_string()).collect();
        let config = ConfigFile::new("");
        config.write_beside("root.pem", root.pem());
        config.write(&yaml(&ports, |index| (cases[index].1, cases[index].2)));
        let mut exporter = Exporter::start(&["--config.file", text(&config.path), "--log.format", format]).await;
        let scrape = settle(&exporter, &vec!["unhealthy"; cases.len()]).await;
        for (port, (_, _, _, cause)) in ports.iter().zip(&cases) {
            assert_eq!(scrape.cause(&[("port", port)]).as_deref(), Some(*cause), "{}", scrape.rows());
        }
        // A subject may stand in a label, but never as more than one label.
        exposition::read(scrape.text(), Format::Text);
        assert!(!scrape.text().lines().any(|line| line.starts_with("ts=")), "{}", scrape.text());

        exporter.process.signal(Signal::SIGTERM);
        let log = exporter.process.ended(DEADLINE).await.stderr;
        let odd = log.chars().find(|char| (char.is_control() && *char != '\n') || "\u{202e}\u{2028}".contains(*char));
        assert_eq!(odd, None, "{log}");
        let changes = changes(&log, read);
        assert_eq!(changes.len(), cases.len(), "{log}");
        let mut quoting = 0;
        for line in &changes {
            assert_eq!(keys(line), TOLD[0], "{line:?}");
            let index = ports.iter().position(|port| *port == line["port"]).expect("a row of ours");
            assert_eq!((line["pool"].as_str(), line["cause"].as_str()), ("web", cases[index].3), "{line:?}");
            quoting += u32::from(line["detail"].contains("pool=forged"));
        }
        assert!(quoting >= 4, "the details quote what was sent, or this test shows nothing: {log}");
    }
}

/// Waits until every row is in its state, in the order of the settings.
async fn settle(exporter: &Exporter, states: &[&str]) -> super::scrape::Scrape {
    let wanted: Vec<String> = (0..states.len()).map(|index| format!("setting-{index}")).collect();
    exporter
        .scrape_until("every row is in its state", |scrape| {
            let mut rows = wanted.iter().zip(states);
            rows.all(|(setting, state)| scrape.state(&[("setting", setting)]).as_deref() == Some(state))
        })
        .await
}

/// The lines about changes of state. The others are about the program itself, and are few.
fn changes(log: &str, read: Reader) -> Vec<Line> {
    let (changes, others): (Vec<Line>, Vec<Line>) =
        log.lines().map(read).partition(|line| line["msg"] == "state changed");
    let (about_config, others): (Vec<Line>, Vec<Line>) =
        others.into_iter().partition(|line| line["msg"] == "the configuration may not mean what it says");
    let others: Vec<&str> = others.iter().map(|line| line["msg"].as_str()).collect();
    assert_eq!(others, ["configuration in use", "listening", "ending after SIGTERM"], "{about_config:?}");
    changes
}

/// A setting for each port, with the probe and the further keys that `how` names for it.
fn yaml<'a>(ports: &[String], how: impl Fn(usize) -> (&'a str, &'a str)) -> String {
    // However busy the machine is, an answer comes within the timeout.
    let mut yaml = String::from(
        "probes:\n\
         \x20 - {name: http, protocol: http, interval: 250ms, timeout: 20s, match: {body: ready, status_codes: [200]}}\n\
         \x20 - {name: https, protocol: https, interval: 250ms, timeout: 20s}\n\
         \x20 - name: tls-proxy\n    protocol: tls\n    interval: 250ms\n    timeout: 20s\n\
         \x20   enable_probe_proxy_protocol_header: true\n\
         backend_settings:\n",
    );
    for (index, port) in ports.iter().enumerate() {
        let (probe, keys) = how(index);
        let protocol = probe.split('-').next().unwrap();
        let name = if protocol == "http" { "" } else { ", host_name: app.lab.test" };
        let setting = format!("name: setting-{index}, protocol: {protocol}, port: {port}, probe: {probe}");
        writeln!(yaml, "  - {{{setting}{name}{keys}}}").unwrap();
    }
    let settings: Vec<String> = (0..ports.len()).map(|index| format!("setting-{index}")).collect();
    writeln!(yaml, "backend_pools: [{{name: web, servers: [127.0.0.1], settings: [{}]}}]", settings.join(", "))
        .unwrap();
    yaml
}

/// Reads a line of logfmt, and panics at whatever could be read in two ways.
fn logfmt(line: &str) -> Line {
    let mut fields = Line::new();
    let mut rest = line;
    loop {
        let (key, after) = rest.split_once('=').unwrap_or_else(|| panic!("no field at {rest:?}: {line}"));
        assert!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        let end = match after.strip_prefix('"') {
            Some(quoted) => 2 + closing_quote(quoted).unwrap_or_else(|| panic!("no closing quote: {line}")),
            None => after.find(' ').unwrap_or(after.len()),
        };
        let (value, after) = after.split_at(end);
        let value = if value.starts_with('"') {
            serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {value}"))
        } else {
            value.to_owned()
        };
        assert!(fields.insert(key.to_owned(), value).is_none(), "{key} comes twice: {line}");
        match after.strip_prefix(' ') {
            Some(next) => rest = next,
            None if after.is_empty() => return fields,
            None => panic!("no space after a value: {line}"),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|char| {
        let closes = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        closes
    })
}

/// Reads a line of JSON: one object of plain values, no key twice.
fn json(line: &str) -> Line {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for key in object.keys() {
        assert_eq!(line.matches(&format!("\"{key}\":")).count(), 1, "{key} comes twice: {line}");
    }
    let plain = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => value.to_string(),
        other => panic!("no plain value: {other}: {line}"),
    };
    object.into_iter().map(|(key, value)| (key, plain(value))).collect()
}

fn keys(line: &Line) -> Vec<&str> {
    line.keys().map(String::as_str).collect()
}

const FORMATS: [(&str, Reader); 2] = [("logfmt", logfmt), ("json", json)];

/// What is told of a change, in the order of the alphabet: when something is wrong, and when nothing is.
const TOLD: [&[&str]; 2] = [
    &["cause", "detail", "from", "level", "msg", "pool", "port", "server", "setting", "to", "ts"],
    &["from", "level", "msg", "pool", "port", "server", "setting", "to", "ts"],
];

const TRUSTED: &str = ", trusted_root_certificates: [root.pem]";
