//! The report as a value: made from a snapshot, written as JSON, read again, filtered.

use std::sync::Arc;

use backend_health_exporter::health::Row;
use backend_health_exporter::health::Snapshot;
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::verdict::Cause;
use backend_health_exporter::view::report::Filter;
use backend_health_exporter::view::report::Links;
use backend_health_exporter::view::report::Report;
use serde_json::Value;

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
