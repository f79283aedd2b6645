//! Log lines: what a hostile value can and cannot do to them.

use std::io;
use std::sync::{Arc, Mutex};

use backend_health_exporter::cli::log::{LogFormat, LogLevel, subscriber};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn capture(level: LogLevel, format: LogFormat, log: impl FnOnce()) -> String {
    let captured = Captured::default();
    tracing::subscriber::with_default(subscriber(level, format, captured.clone()), log);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The pairs of a logfmt line, read strictly; a quoted value is a JSON string, as Go's parser takes it.
fn logfmt(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').expect("a key");
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte)), "{key:?} in {line:?}");
        let length = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
            pairs.push((key.to_owned(), values.next().unwrap().unwrap()));
            values.byte_offset()
        } else {
            let length = after.find(' ').unwrap_or(after.len());
            pairs.push((key.to_owned(), after[..length].to_owned()));
            length
        };
        rest = &after[length..];
        rest = rest.strip_prefix(' ').unwrap_or_else(|| {
            assert!(rest.is_empty(), "{rest:?} in {line:?}");
            ""
        });
    }
    pairs
}

const TARGET: &str = "backend_health_exporter::web";

const HOSTILE: [&str; 18] = [
    "two\nlines ts=2026-01-01T00:00:00Z level=error msg=forged",
    "carriage\rreturn",
    "quote\" level=error",
    "back\\slash\\\" and quote",
    "a=b c=d",
    "\u{1b}[2J\u{1b}[31mred",
    "\u{9b}31m and \u{85}next line",
    "nul\0 bell\u{7} delete\u{7f} tab\t",
    "line\u{2028}separator\u{2029}",
    "\u{202e}desrever\u{202c} \u{2066}isolate\u{2069}",
    "zero\u{200b}width\u{feff}\u{2060}",
    "tags\u{e0041}\u{e007f}",
    "soft\u{ad}hyphen\u{34f}\u{fe0f}\u{3164}",
    "{\"level\":\"error\"}",
    "",
    " ",
    "größe 測試 🦀",
    "\u{fffd}\u{ffff}",
];

#[test]
fn a_hostile_value_stays_in_its_place_and_reads_back_as_it_was() {
    for value in HOSTILE {
        let log = || {
            let error = io::Error::other(value);
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(target: TARGET, text = value, shown = %value, error, port = 443, "{value}");
        };
        let text = capture(LogLevel::Info, LogFormat::Logfmt, log);
        let line = text.strip_suffix('\n').unwrap();
        let pairs = logfmt(line);
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["ts", "level", "msg", "text", "shown", "error", "port"], "{line}");
        assert_eq!(pairs[1].1, "warn");
        for (_, read) in &pairs[2..=5] {
            assert_eq!(read, value, "{line}");
        }
        harmless(line);

        let text = capture(LogLevel::Info, LogFormat::Json, log);
        let line = text.strip_suffix('\n').unwrap();
        harmless(line);
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object.as_object().unwrap().len(), 7, "{line}");
        assert_eq!(object["level"], "warn");
        assert_eq!(object["port"], 443);
        for key in ["msg", "text", "shown", "error"] {
            assert_eq!(object[key], value, "{line}");
        }
    }
}

/// Nothing in the line steers a terminal, breaks it or hides.
fn harmless(line: &str) {
    let is_bad = |char: &char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{ad}' | '\u{34f}' | '\u{fe0f}' | '\u{3164}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
    };
    assert_eq!(line.chars().find(is_bad), None, "{line:?}");
}

#[test]
fn plain_values_stay_readable() {
    let text = capture(LogLevel::Debug, LogFormat::Logfmt, || {
        tracing::info!(target: TARGET, pool = "web", server = "10.0.0.4", "probe ended");
        tracing::debug!(target: TARGET, ok = true, share = 0.5, name = "größe");
    });
    let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(lines[0].1, "level=info msg=\"probe ended\" pool=web server=10.0.0.4");
    assert_eq!(lines[1].1, "level=debug msg=\"\" ok=true share=0.5 name=größe");
    for (time, _) in lines {
        let digits = time.replace(|char: char| char.is_ascii_digit(), "9");
        assert_eq!(digits, "ts=9999-99-99T99:99:99.999999Z");
    }
}

#[test]
fn numbers_that_json_does_not_know_are_text() {
    let text = capture(LogLevel::Info, LogFormat::Json, || {
        tracing::info!(target: TARGET, never = f64::NAN, ever = f64::INFINITY, big = u64::MAX, small = -1, "x");
    });
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["never"], "NaN");
    assert_eq!(object["ever"], "inf");
    assert_eq!(object["big"], u64::MAX);
    assert_eq!(object["small"], -1);
}

#[test]
fn fields_of_spans_follow_the_events_own() {
    for format in [LogFormat::Logfmt, LogFormat::Json] {
        let text = capture(LogLevel::Info, format, || {
            let outer = tracing::info_span!(target: TARGET, "probe", pool = "web");
            let _outer = outer.enter();
            let inner = tracing::info_span!(target: TARGET, "tls", name = "a\nb");
            let _inner = inner.enter();
            tracing::info!(target: TARGET, port = 1, "x");
        });
        let line = text.strip_suffix('\n').unwrap();
        match format {
            LogFormat::Logfmt => {
                let pairs = logfmt(line);
                let tail: Vec<_> = pairs[3..].iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                assert_eq!(tail, [("port", "1"), ("pool", "web"), ("name", "a\nb")]);
            }
            LogFormat::Json => {
                let object: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!((&object["pool"], &object["name"]), (&"web".into(), &"a\nb".into()));
            }
        }
    }
}

#[test]
fn a_chain_of_errors_is_told_to_its_end() {
    let text = capture(LogLevel::Info, LogFormat::Logfmt, || {
        let error = anyhow::anyhow!("no route").context("cannot connect");
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        tracing::info!(target: TARGET, error, "x");
    });
    assert!(text.contains("error=\"cannot connect: no route\""), "{text}");
}

#[test]
fn the_level_is_ours_and_libraries_speak_only_from_warn_on() {
    fn check(level: LogLevel, expected: &str) {
        let text = capture(level, LogFormat::Logfmt, || {
            for target in ["ours", "theirs"] {
                macro_rules! log {
                    ($level:ident) => {
                        if target == "ours" {
                            tracing::$level!(target: TARGET, "{target}");
                        } else {
                            tracing::$level!(target: "hyper", "{target}");
                        }
                    };
                }
                log!(debug);
                log!(info);
                log!(warn);
                log!(error);
            }
        });
        let told: Vec<_> = text.lines().map(logfmt).map(|pairs| format!("{}-{}", pairs[2].1, pairs[1].1)).collect();
        assert_eq!(told.join(" "), expected, "{level:?}");
    }
    check(LogLevel::Debug, "ours-debug ours-info ours-warn ours-error theirs-warn theirs-error");
    check(LogLevel::Info, "ours-info ours-warn ours-error theirs-warn theirs-error");
    check(LogLevel::Warn, "ours-warn ours-error theirs-warn theirs-error");
    check(LogLevel::Error, "ours-error theirs-error");
}
