//! The report as a value: made from a snapshot, written as JSON, read again, filtered.

pub(crate) mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::health::{Row, Snapshot};
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::verdict::Cause;
use backend_health_exporter::view::report::{Event, Events, Filter, Links, Report};
use serde_json::Value;

use crate::effort::cpu_time;
use crate::sample;

fn snapshot() -> Arc<Snapshot> {
    let row = |pool: &str, setting: &str, server: &str| sample::healthy_row(pool, setting, server, Protocol::Https);
    let dead = sample::unhealthy_row("web", "plain", "2001:db8::7", Protocol::Http, Cause::TcpRefused, "refused");
    let new = sample::new_row("mail", "smtp", "mx.example.com", Protocol::Tcp);
    let odd = Row { cause: Some(sample::finding(Cause::HttpTimeout, "late")), ..row("web", "tls", "Slow.example.com") };
    sample::snapshot(vec![row("web", "tls", "10.0.0.4"), odd, dead, new])
}

fn links() -> Links {
    Links { base: String::new() }
}

#[test]
fn the_json_is_what_it_is_read_from() {
    let snapshot = snapshot();
    let report = Report::of(&snapshot, &Filter::default(), &links());
    let json = serde_json::to_string(&report).unwrap();
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["generated_at"], "2026-11-22T03:12:05Z");
    assert_eq!(value["summary"], serde_json::json!({"healthy": 2, "unhealthy": 1, "unknown": 1}));
    let dead = &value["rows"][2];
    assert_eq!(dead["cause"]["code"], "tcp_refused");
    assert_eq!(dead["cause"]["docs_url"], "/docs/troubleshooting#tcp_refused");
    assert_eq!(dead["last_probe"]["request"]["url"], "http://[2001:db8::7]:8080");
    assert_eq!(dead["last_probe"]["phases"].get("tls"), None, "http has no such phase");
    assert_eq!(value["rows"][3]["last_probe"], Value::Null);
}

#[test]
fn a_filter_keeps_the_rows_that_have_what_is_asked_for() {
    fn check(query: &str, expected: &[&str]) {
        let snapshot = snapshot();
        let filter = Filter::parse(query).unwrap();
        let report = Report::of(&snapshot, &filter, &links());
        let servers: Vec<_> = report.rows.iter().map(|row| &*row.server).collect();
        assert_eq!(servers, expected, "{query}");
        assert_eq!(Filter::parse(&filter.to_query()).unwrap(), filter, "{query}");
    }
    let all = ["10.0.0.4", "Slow.example.com", "2001:db8::7", "mx.example.com"];
    check("", &all);
    check("pool=&state=&other=x", &all);
    check("pool=web", &all[..3]);
    check("pool=WEB&setting=tls", &all[..2]);
    check("pool=web&pool=mail&state=unknown", &all[3..]);
    check("state=UNHEALTHY&state=unknown", &all[2..]);
    check("server=%5B2001:DB8::7%5D", &all[2..3]);
    check("server=slow.example.com", &all[1..2]);
    check("cause=tcp_refused", &all[2..3]);
    check("cause=http_timeout", &all[1..2]);
    check("q=slow", &all[1..2]);
    check("q=unhealthy+8080", &all[2..3]);
    check("q=refused+https", &[]);
    check("pool=nobody", &[]);
}

#[test]
fn a_state_or_cause_that_does_not_exist_is_an_error() {
    fn check(query: &str, expected: &str) {
        let error = Filter::parse(query).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check("state=up", "\"up\" is none of Healthy, Unhealthy, Unknown");
    check("cause=broken", "\"broken\" is no cause");
}

#[test]
fn the_json_stays_what_it_was() {
    fn check(name: &str, json: &str) {
        let value: Value = serde_json::from_str(json).unwrap();
        let found = format!("{value:#}\n");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/report").join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert!(found == expected, "{name} is not what is sent; BLESS=1 writes it anew:\n{found}");
    }
    let table = table::sample();
    let snapshot = table.snapshot(sample::now());
    let mut written = String::new();
    Report::write(&snapshot, &Filter::default(), &links(), &mut written).unwrap();
    check("report.json", &written);
    let changes: Vec<_> = table.transitions().collect();
    let mut written = String::new();
    Events::write(table.transitions(), &links(), &mut written).unwrap();
    let events = Events { events: changes.iter().map(|change| Event::of(change, &links())).collect() };
    assert_eq!(written, serde_json::to_string(&events).unwrap());
    check("events.json", &written);
}

#[test]
fn what_is_written_row_by_row_is_the_whole_report() {
    let snapshot = table::sample().snapshot(sample::now());
    let check = |query: &str, rows: usize| {
        let filter = Filter::parse(query).unwrap();
        let report = Report::of(&snapshot, &filter, &links());
        let mut written = String::new();
        Report::write(&snapshot, &filter, &links(), &mut written).unwrap();
        assert_eq!(written, serde_json::to_string(&report).unwrap());
        assert_eq!(report.rows.len(), rows, "{query}");
        let read: Report = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
    };
    check("", 5);
    check("state=unhealthy", 2);
    check("pool=nobody", 0);
}

#[test]
fn what_a_backend_or_certificate_says_comes_back_unchanged() {
    let table = table::sample();
    let mut written = String::new();
    Report::write(&table.snapshot(sample::now()), &Filter::default(), &links(), &mut written).unwrap();
    let value: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(value["rows"][2]["last_probe"]["response"]["body_excerpt"], table::HOSTILE);
    assert_eq!(value["rows"][1]["last_probe"]["tls"]["chain"][0]["subject"], format!("CN={}", table::HOSTILE));
    assert!(!written.bytes().any(|byte| byte < b' '), "a control character stands in the JSON as it is");
}

#[test]
fn an_output_that_fails_ends_the_writing() {
    struct Full(usize);
    impl std::fmt::Write for Full {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let snapshot = table::sample().snapshot(sample::now());
    let write = |room| Report::write(&snapshot, &Filter::default(), &links(), &mut Full(room));
    assert!(write(1_000).is_err());
    assert!(write(1_000_000).is_ok());
}

#[test]
fn ten_thousand_rows_are_written_in_a_moment() {
    let rows = table::sample().snapshot(sample::now()).rows;
    let snapshot = sample::snapshot(rows.iter().cycle().take(10_000).cloned().collect());
    let mut written = String::new();
    let took = cpu_time(|| Report::write(&snapshot, &Filter::default(), &links(), &mut written).unwrap());
    println!("10,000 rows are {} kB of JSON, written in {took:?}", written.len() / 1_000);
    assert!(took < Duration::from_secs(30), "{took:?}");
}
