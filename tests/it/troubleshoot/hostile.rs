//! Servers that send what steers a terminal, hides text or turns its direction: none of it comes through.

use std::time::Duration;

use backend_health_exporter::lab::tls::{Credential, Identity, Profile, ServerTls, Terms};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http, tcp, tls};
use backend_health_exporter::probe::{Trust, TrustMode};
use backend_health_exporter::troubleshoot::Question;
use backend_health_exporter::troubleshoot::{Adhoc, adhoc};
use backend_health_exporter::view::check::{Check, text};
use backend_health_exporter::view::page::check::part;
use backend_health_exporter::view::text::Colour;
use backend_health_exporter::words::is_hidden;

use super::{examine, manner};
use crate::faults::{LOCALHOST, prober};

/// ANSI in one and in two characters, a bell, a title, an override, an isolate, a line separator, a zero-width space.
const POISON: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gpj\u{2066}\u{2028}\u{200b}\r\u{8}";

/// As it is read: words of code that are kept in one line are the same words.
fn unescaped(html: &str) -> String {
    let pairs =
        [("<span class=\"nb\">", ""), ("</span>", ""), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    pairs.iter().fold(html.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

#[tokio::test]
async fn nothing_that_a_server_sends_steers_the_terminal() {
    let answer = |head: &str, body: &str| {
        Behaviour::from(http::answer(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())))
    };
    let trust = std::sync::Arc::new(Trust::new(TrustMode::WellKnown, Vec::new(), Vec::new()).unwrap());
    let mut profile = Profile::server("app.lab.test");
    profile.common_name = POISON.to_owned();
    let credential = Credential::self_signed(&profile).unwrap();
    let identity = Identity::new(&credential, &[]);
    let named = ServerTls::new(&identity).unwrap();
    let alpn = Terms { alpn: vec![b"h2".to_vec()], ..Terms::default() };
    let alpn = ServerTls::with(&identity, alpn).unwrap();
    let header = POISON.replace(['\r', '\u{7}', '\u{8}', '\u{1b}'], "");
    let rows: [(&str, Behaviour, &str); 9] = [
        ("body", answer("200 OK", POISON), "http"),
        ("header", answer(&format!("200 OK\r\nX-Poison: {header}"), ""), "http"),
        ("reason", answer(&format!("500 {header}"), POISON), "http"),
        ("location", answer(&format!("302 Found\r\nLocation: https://{header}/"), ""), "http"),
        ("no HTTP", tcp::banner(POISON).into(), "http"),
        ("no TLS", tcp::banner(POISON).into(), "https"),
        ("certificate", Service::tls(&named, http::ok()).into(), "https"),
        ("protocol", Service::tls(&alpn, http::ok()).into(), "https"),
        ("garbage in TLS", tls::garbage_server_hello().into(), "https"),
    ];
    let prober = prober();
    for (name, behaviour, scheme) in rows {
        let backend = Backend::start(LOCALHOST, behaviour).unwrap();
        let target = format!("{scheme}://{}/", backend.address());
        let Adhoc { target, tls_if_spoken } = adhoc(&target, &manner(&trust, Duration::from_secs(20))).unwrap();
        let question = Question { target, tls_if_spoken, tries: 1, timeout: Duration::from_mins(1) };
        let examination = examine(&prober, &question).await;
        let check = Check::of(&examination, None);
        let (plain, coloured) = (text(&check, Colour::None, None), text(&check, Colour::Ansi, None));
        for ours in ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
            assert!(!plain.contains(ours));
        }
        let bare = ["1", "31", "32", "33", "0"]
            .iter()
            .fold(coloured, |text, paint| text.replace(&format!("\u{1b}[{paint}m"), ""));
        assert_eq!(bare, plain, "{name}: colours change nothing else");
        let json = check.json();
        // Nothing of what is known is left out anywhere.
        for problem in check.cause.iter().chain(&check.also).chain(&check.warnings) {
            let further = problem.reproduce.iter().map(String::as_str).chain(problem.certificate.as_deref());
            for words in std::iter::once(&*problem.explanation).chain(further) {
                let missing: Vec<&str> = [("text", &plain), ("page", &part(&examination, ".", "0"))]
                    .into_iter()
                    .filter_map(|(what, written)| (!unescaped(written).contains(words)).then_some(what))
                    .collect();
                assert!(missing.is_empty(), "{name}: {words} is not in {missing:?}");
            }
        }
        serde_json::from_str::<serde_json::Value>(&json).unwrap_or_else(|error| panic!("{name}: {error}\n{json}"));
        for (what, written) in [("text", &plain), ("json", &json)] {
            let bad: String = written.chars().filter(|character| *character != '\n' && is_hidden(*character)).collect();
            assert!(bad.is_empty(), "{name}, {what}: {bad:?}\n{}", written.escape_debug());
        }
    }
}
