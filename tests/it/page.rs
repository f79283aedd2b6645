//! The report page: what stands in it, in which order, and that nothing foreign becomes markup.

use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::health::Row;
use backend_health_exporter::health::State;
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::verdict::Cause;
use backend_health_exporter::verdict::Code;
use backend_health_exporter::verdict::Evidence;
use backend_health_exporter::verdict::Finding;
use backend_health_exporter::verdict::Notice;
use backend_health_exporter::verdict::ResponseSummary;
use backend_health_exporter::verdict::Verdict;
use backend_health_exporter::view::page;
use backend_health_exporter::view::page::Place;
use backend_health_exporter::view::ranking::Urgency;
use backend_health_exporter::view::ranking::worst_first;

use crate::sample;

fn rendered(rows: Vec<Row>) -> String {
    sample::page(rows)
}

/// What a reader sees: the page without its tags and its head.
fn seen(page: &str) -> String {
    let body = page.split_once("</head>").expect("the page has a head").1;
    let texts = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let words: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    words.join("|")
}

/// A row that one failed probe has not made Unhealthy yet.
fn failing_row(server: &str) -> Row {
    let Row { cause, last_probe, .. } =
        sample::unhealthy_row("p", "s", server, Protocol::Http, Cause::TcpTimeout, "nothing came back");
    Row { cause, last_probe, consecutive_failures: 1, ..sample::healthy_row("p", "s", server, Protocol::Http) }
}

fn warned_row(server: &str) -> Row {
    let warning = Finding::new(Code::Notice(Notice::CertExpiresSoon), "the leaf ends tomorrow");
    let probe = Verdict { warnings: vec![warning], ..sample::success(Protocol::Https) };
    Row { last_probe: Some(Arc::new(probe)), ..sample::healthy_row("p", "s", server, Protocol::Https) }
}

/// `row`, whose latest probe did not tell anything about the server.
fn unheard(row: Row) -> Row {
    let probe = sample::failure(Protocol::Http, Cause::LocalExhausted, "too many open files");
    Row { last_probe: Some(Arc::new(probe)), ..row }
}

#[test]
fn a_row_is_as_urgent_as_its_state_and_its_latest_probe() {
    fn check(row: &Row, expected: Urgency) {
        assert_eq!(Urgency::of(row), expected, "{row:?}");
    }
    let unhealthy = sample::unhealthy_row("p", "s", "a", Protocol::Http, Cause::TcpRefused, "");
    let healthy = sample::healthy_row("p", "s", "a", Protocol::Http);
    check(&unhealthy, Urgency::Unhealthy);
    check(&unheard(unhealthy), Urgency::Unhealthy);
    check(&sample::new_row("p", "s", "a", Protocol::Http), Urgency::Unknown);
    check(&failing_row("a"), Urgency::Failing);
    check(&unheard(healthy.clone()), Urgency::Failing);
    check(&warned_row("a"), Urgency::Warned);
    check(&healthy, Urgency::Healthy);
}

#[test]
fn the_worst_stand_first_and_among_them_what_changed_last() {
    let unhealthy = |server: &str, seconds: u64| Row {
        since: sample::now() - Duration::from_secs(seconds),
        ..sample::unhealthy_row("p", "s", server, Protocol::Http, Cause::TcpRefused, "")
    };
    let healthy = |server: &str, seconds: u64| Row {
        since: sample::now() - Duration::from_secs(seconds),
        ..sample::healthy_row("p", "s", server, Protocol::Http)
    };
    let rows = [
        healthy("fine-old", 900),
        healthy("fine-new", 1),
        warned_row("warned"),
        unhealthy("down-long", 500),
        failing_row("failing"),
        sample::new_row("p", "s", "unknown", Protocol::Http),
        unhealthy("down-now", 2),
    ];
    let names = |rows: &[&Row]| rows.iter().map(|row| row.target.server.to_string()).collect::<Vec<_>>();
    let found: Vec<_> = worst_first(&rows).iter().map(|(urgency, rows)| (*urgency, names(rows))).collect();
    let expected = [
        (Urgency::Unhealthy, vec!["down-now", "down-long"]),
        (Urgency::Unknown, vec!["unknown"]),
        (Urgency::Failing, vec!["failing"]),
        (Urgency::Warned, vec!["warned"]),
        (Urgency::Healthy, vec!["fine-old", "fine-new"]),
    ];
    assert_eq!(found, expected.map(|(urgency, names)| (urgency, names.into_iter().map(String::from).collect())));
}

#[test]
fn groups_without_rows_are_left_out() {
    assert!(worst_first::<Row>(&[]).is_empty());
    let groups: Vec<_> = worst_first(&[failing_row("a")]).into_iter().map(|(urgency, _)| urgency).collect();
    assert_eq!(groups, [Urgency::Failing]);
}

#[test]
fn a_row_says_what_is_wrong_who_acts_and_what_to_do() {
    let detail = "10.0.0.5:8080 answered with a reset";
    let row = sample::unhealthy_row("web", "http-80", "2001:db8::5", Protocol::Http, Cause::TcpRefused, detail);
    let text = seen(&rendered(vec![row]));
    let words = Cause::TcpRefused.words();
    for expected in [
        "1 of 1 rows is Unhealthy.",
        "Unhealthy",
        "2 min 0 s",
        "[2001:db8::5]:8080",
        "http",
        "web",
        "http-80",
        words.title,
        detail,
        "Server side",
        "See on the server whether the service listens: |ss -ltnp sport = :8080|.",
        "3 of 3",
        "no response",
        "12 s",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("it listens on 127.0.0.1"), "only the first step");
}

#[test]
fn further_faults_warnings_and_our_own_trouble_are_told_beside_the_cause() {
    fn check(row: Row, expected: &[&str]) {
        let text = seen(&rendered(vec![row]));
        for title in expected {
            assert_eq!(text.matches(title).count(), 1, "{title} in {text}");
        }
    }
    let row = sample::unhealthy_row("p", "s", "a", Protocol::Https, Cause::CertExpired, "ended");
    let probe = Verdict {
        also: vec![Finding::new(Cause::CertNameMismatch, "other name")],
        warnings: vec![Finding::new(Code::Notice(Notice::StaleAddress), "old")],
        ..sample::failure(Protocol::Https, Cause::CertExpired, "ended")
    };
    check(
        Row { last_probe: Some(Arc::new(probe)), ..row.clone() },
        &["Certificate expired", "Certificate is for another name", "Remembered address in use"],
    );
    check(unheard(row), &["Certificate expired", "Exporter out of resources", "too many open files"]);
    let unknown = Row {
        state: State::Unknown,
        cause: Some(sample::finding(Cause::LocalExhausted, "too many open files")),
        ..unheard(sample::healthy_row("p", "s", "a", Protocol::Http))
    };
    check(unknown, &["Exporter out of resources"]);
}

#[test]
fn the_latest_probe_is_told_as_far_as_it_came() {
    fn check(row: Row, expected: &str) {
        let text = seen(&rendered(vec![row]));
        assert!(text.contains(expected), "{expected} in {text}");
    }
    check(sample::healthy_row("p", "s", "a", Protocol::Http), "HTTP/1.1 |200");
    check(sample::healthy_row("p", "s", "a", Protocol::Tls), "TLS 1.3 handshake");
    check(sample::healthy_row("p", "s", "a", Protocol::Tcp), "|connected|");
    check(sample::new_row("p", "s", "a", Protocol::Tcp), "|not ended yet|");
    check(unheard(sample::healthy_row("p", "s", "a", Protocol::Http)), "|no verdict|");
    check(sample::healthy_row("p", "s", "a", Protocol::Tcp), "took 15 ms, ");
    check(sample::healthy_row("p", "s", "a", Protocol::Tcp), "|10.0.0.1:8080|");
}

#[test]
fn an_address_is_not_told_twice() {
    let text = seen(&rendered(vec![sample::healthy_row("p", "s", "10.0.0.1", Protocol::Tcp)]));
    assert_eq!(text.replace(".|", ".").matches("10.0.0.1:8080").count(), 1, "{text}");
}

#[test]
fn nothing_foreign_becomes_markup() {
    const HOSTILE: &str = "\"><script>alert(1)</script>&'\u{202e}";
    let row = sample::unhealthy_row(HOSTILE, HOSTILE, HOSTILE, Protocol::Http, Cause::HttpStatusMismatch, HOSTILE);
    let probe = sample::failure(Protocol::Http, Cause::HttpStatusMismatch, HOSTILE);
    let response = ResponseSummary { status: 500, version: "HTTP/1.1", body_excerpt: HOSTILE.to_owned() };
    let probe = Verdict { evidence: Evidence { response: Some(response), ..probe.evidence }, ..probe };
    let page = rendered(vec![Row { last_probe: Some(Arc::new(probe)), ..row }]);
    assert_eq!(page.matches("<script").count(), 1, "our own");
    // Server, pool, setting, detail and body.
    assert_eq!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;&amp;").count(), 5, "{page}");
    // Names come from the configuration, detail and body from the network.
    assert_eq!(page.matches('\u{202e}').count(), 3);
}

#[test]
fn links_are_relative_to_the_page() {
    fn check(root: &str, metrics_path: &str, expected: [&str; 4]) {
        let page = page::render(&sample::snapshot(Vec::new()), Place { root, metrics_path });
        for link in expected {
            assert!(page.contains(&format!("<a href=\"{link}\">")), "{link}");
        }
        for asset in ["page.css", "page.js", "none.svg"] {
            assert!(page.contains(&format!("=\"{root}/assets/{asset}?v=")), "{asset}");
        }
    }
    check(".", "/metrics", ["./", "./metrics", "./-/healthy", "./-/ready"]);
    check("..", "/m", ["../", "../m", "../-/healthy", "../-/ready"]);
}

#[test]
fn a_screen_reader_finds_its_way() {
    let page = rendered(vec![failing_row("a"), warned_row("b")]);
    for once in ["<html lang=\"en\">", "<header>", "<nav ", "<main ", "<footer>", "<h1>", "<caption>", "<table "] {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
    // Every header cell says what it is the header of: 7 columns, 2 groups, 2 rows.
    assert_eq!(page.matches("<th ").count(), 11);
    assert_eq!(page.matches("scope=\"col\"").count(), 7);
    assert_eq!(page.matches("scope=\"rowgroup\"").count(), 2);
    assert_eq!(page.matches("scope=\"row\"").count(), 2);
    assert_eq!(page.matches("<svg ").count(), page.matches("aria-hidden=\"true\"").count(), "words say it all");
    assert!(!page.contains("http://") && !page.contains("https://"));
}

#[test]
fn every_element_that_is_opened_is_closed() {
    const VOID: [&str; 4] = ["meta", "link", "wbr", "!DOCTYPE"];
    let page =
        rendered(vec![failing_row("a.example.com"), warned_row("b"), sample::new_row("p", "s", "c", Protocol::Tls)]);
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (name, _) = tag.split_once([' ', '>']).expect("a tag has a name");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_browser_gets_the_worst_thousand_rows_and_is_told_so() {
    let mut rows: Vec<_> = (0..1_200).map(|n| sample::healthy_row("p", "s", &format!("h{n}"), Protocol::Tcp)).collect();
    rows.push(sample::unhealthy_row("p", "s", "down", Protocol::Tcp, Cause::TcpRefused, ""));
    let page = rendered(rows);
    assert_eq!(page.matches("scope=\"row\"").count(), 1_000);
    let text = seen(&page);
    assert!(text.contains("|down:8080|"), "the worst is among them");
    assert!(text.contains("the worst 1000 of 1201 rows"));
    assert!(text.contains("1 of 1201 rows is Unhealthy."));
    assert!(text.contains("Healthy |1200"), "a group says how many it has, shown or not");
}

#[test]
fn no_rows_are_no_table() {
    let page = rendered(Vec::new());
    assert!(page.contains("There is nothing to probe") && !page.contains("<table"));
}
