//! The report page: what stands in it, in which order, and that nothing foreign becomes markup.

use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::health::{HealthTable, Row, State};
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{Cause, Code, Evidence, Facts, Finding, Notice, ResponseSummary, Slot, Verdict};
use backend_health_exporter::view::groups::{Down, by_fault};
use backend_health_exporter::view::page;
use backend_health_exporter::view::page::Place;
use backend_health_exporter::view::ranking::{Urgency, worst_first};

use crate::sample;

fn rendered(rows: Vec<Row>) -> String {
    sample::page(rows)
}

/// What a reader sees: the page without its tags and its head.
fn seen(page: &str) -> String {
    let page = sample::without_kept_words(page);
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
        "The only pool has no healthy server. 1 of 1 server is Unhealthy.",
        "Unhealthy",
        "2m0s",
        "[2001:db8::5]:8080",
        "http",
        "web",
        "http-80",
        words.title,
        detail,
        "Server side",
        "Check on the server whether the service is listening: |ss -ltnp sport = :8080|.",
        "3 in a row",
        "threshold 3",
        "no response",
        "12s",
        "Troubleshoot",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn further_faults_warnings_and_our_own_trouble_are_told_beside_the_cause() {
    fn check(row: Row, expected: &[&str]) {
        let text = seen(&rendered(vec![row]));
        for title in expected {
            assert!(text.contains(title), "{title} in {text}");
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
    let snapshot = sample::snapshot(vec![Row { last_probe: Some(Arc::new(probe)), ..row }]);
    let hostile_query = form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>();
    for query in ["", "view=rows", &format!("q={hostile_query}&pool={hostile_query}&server={hostile_query}"), "q=alert"]
    {
        let page = sample::asked(&snapshot, query).unwrap();
        assert_eq!(page.matches("<script").count(), 1, "our own");
        assert!(!page.contains("alert(1)</"), "{query}: {page}");
        assert!(
            query.contains("q=%") || page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;"),
            "{query}: {page}"
        );
    }
    for query in ["state=<script>", "cause=<script>", "page=<script>", "view=<script>"] {
        let page = sample::asked(&snapshot, query).unwrap_err();
        assert!(page.contains("&lt;script&gt;") && page.matches("<script").count() == 1, "{query}: {page}");
    }
}

#[test]
fn links_are_relative_to_the_page() {
    fn check(root: &str, metrics_path: &str, expected: [&str; 4]) {
        let place = Place { root, metrics_path };
        let page = page::render(&sample::snapshot(Vec::new()), place, None, 0).unwrap();
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
    let page = rendered(vec![failing_row("a"), sample::healthy_row("p", "s", "b", Protocol::Http)]);
    for once in ["<html lang=\"en\">", "<main ", "<footer>", "<h1>", "aria-label=\"Exporter\"", "role=\"search\""] {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
    // A card with one row, and the rows that are well: two tables.
    assert_eq!(page.matches("<table ").count(), 2);
    assert_eq!(page.matches("<caption").count(), 2);
    assert_eq!(page.matches("scope=\"col\"").count(), 14);
    assert_eq!(page.matches("scope=\"row\"").count(), 2);
    // A picture has a name, or words beside it say the same.
    let pictures = page.matches("<svg ").count();
    let named = page.split("<svg ").skip(1).filter(|svg| {
        let tag = svg.split_once('>').map_or("", |(tag, _)| tag);
        tag.contains("aria-hidden=\"true\"") || tag.contains("role=\"img\"")
    });
    assert_eq!(named.count(), pictures);
    assert!(!page.contains("style=") && !page.contains("onclick"), "nothing inline");
    assert!(!page.contains("=\"http"), "nothing from elsewhere");
}

#[test]
fn every_element_that_is_opened_is_closed() {
    const VOID: [&str; 5] = ["meta", "link", "wbr", "input", "!DOCTYPE"];
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
fn ten_thousand_rows_are_pages_of_a_hundred() {
    let mut rows: Vec<_> =
        (0..10_000).map(|n| sample::healthy_row("p", "s", &format!("h{n}"), Protocol::Tcp)).collect();
    rows.push(sample::unhealthy_row("p", "s", "down", Protocol::Tcp, Cause::TcpRefused, ""));
    let snapshot = sample::snapshot(rows);
    let check = |query: &str, expected: &[&str], not: &[&str]| {
        let page = sample::asked(&snapshot, query).unwrap();
        assert_eq!(page.matches("scope=\"row\"").count(), if query.contains("101") { 1 } else { 100 }, "{query}");
        let text = seen(&page);
        assert!(text.contains("1 of 10001 servers is Unhealthy."), "{query}: the head counts all of them");
        assert!(text.contains("Healthy |10000 rows"), "{query}: a section says how many it has, shown or not");
        for (words, stand) in [(expected, true), (not, false)] {
            let wrong: Vec<_> = words.iter().filter(|word| text.contains(**word) != stand).collect();
            assert!(wrong.is_empty(), "{query}: {wrong:?}");
        }
    };
    check(
        "",
        &["|down:8080|", "|h98:8080|", "Page 1 of 101", "Next page", "Last page"],
        &["|h99:8080|", "Previous page"],
    );
    check("page=2", &["|h99:8080|", "|h198:8080|", "Page 2 of 101", "Previous page"], &["|down:8080|", "|h98:8080|"]);
    check("page=101", &["|h9999:8080|", "Page 101 of 101", "Previous page"], &["Next page"]);
    check("page=999999&101", &["Page 101 of 101"], &["Next page"]);
}

#[test]
fn rows_with_the_same_fault_are_one_line_with_one_remedy() {
    let certificate = |serial: &str| {
        let facts = Facts::default().with(Slot::Subject, "CN=Corp Issuing CA 2").with(Slot::Fingerprint, serial);
        let facts = facts.with(Slot::Servername, "app.example.com");
        Arc::new(Finding::new(Cause::CertExpired, "CN=Corp Issuing CA 2 ended 3 days ago").with(facts))
    };
    let down = |server: String, serial| Row {
        cause: Some(certificate(serial)),
        ..sample::unhealthy_row("p", "s", &server, Protocol::Https, Cause::CertExpired, "")
    };
    let mut rows: Vec<_> = (0..200).map(|n| down(format!("h{n}"), "aa")).collect();
    rows.push(down("other".to_owned(), "bb"));
    let snapshot = sample::snapshot(rows);
    let page = sample::asked(&snapshot, "").unwrap();
    let text = seen(&page);
    assert_eq!(page.matches("<article ").count(), 2);
    assert_eq!(text.matches(" Certificate expired: |CN=Corp Issuing CA 2|").count(), 2, "{text}");
    for expected in ["|200 rows|", "200 rows: |h0|, |h1|, |h2|, |h3| and 196 more", "All 200 rows with this fault"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(text.matches("To see the same").count(), 2);

    let link = page.split("href=\"").find(|part| part.contains("same=")).unwrap().split('"').next().unwrap();
    let query = link.trim_start_matches("./?").replace("&amp;", "&");
    let page = sample::asked(&snapshot, &query).unwrap();
    let text = seen(&page);
    assert!(text.contains("Only the 200 rows with one fault.") && text.contains("Page 1 of 2"), "{text}");
    assert!(!text.contains("|other:8080|"));
    let page = sample::asked(&snapshot, "same=0000000000000000").unwrap();
    assert!(seen(&page).contains("No row has this fault any more."));
}

#[test]
fn what_is_to_blame_tells_one_fault_from_another() {
    fn check(rows: &[&Row], expected: &[(usize, Option<&str>)]) {
        let groups = by_fault(rows.iter().copied(), &Down::default());
        let found: Vec<_> = groups.iter().map(|group| (group.rows.len(), group.culprit.as_deref())).collect();
        assert_eq!(found, expected);
    }
    let row = |pool: &str, setting: &str, server: &str, cause: Cause, facts: Facts| Row {
        cause: Some(Arc::new(Finding::new(cause, "").with(facts))),
        ..sample::unhealthy_row(pool, setting, server, Protocol::Https, cause, "")
    };
    let plain = |pool: &str, server: &str, cause| row(pool, "s", server, cause, Facts::default());
    let refused = [("a", "1"), ("a", "2"), ("b", "3")].map(|(pool, server)| plain(pool, server, Cause::TcpRefused));
    check(&refused.each_ref(), &[(2, Some("pool a, port 8080")), (1, Some("pool b, port 8080"))]);
    let names = [("a", "x"), ("b", "x"), ("b", "y")].map(|(pool, name)| plain(pool, name, Cause::DnsNameNotFound));
    check(&names.each_ref(), &[(2, Some("2 names in pool b")), (1, Some("x"))]);
    // One zone is one thing to mend, whichever pools its names are in; another zone is another.
    let zones = [("a", "x.shop.example"), ("b", "y.shop.example"), ("b", "z.mail.example"), ("c", "shop.example")];
    let zones = zones.map(|(pool, name)| plain(pool, name, Cause::DnsNameNotFound));
    let culprits = [(2, Some("2 names in shop.example")), (1, Some("z.mail.example")), (1, Some("shop.example"))];
    check(&zones.each_ref(), &culprits);
    // Fifty names of one pool, each in a zone of its own, and others of one zone over fifty pools.
    let scattered: Vec<_> = (0..50).map(|n| plain("a", &format!("x.z{n}.example"), Cause::DnsNameNotFound)).collect();
    check(&scattered.iter().collect::<Vec<_>>(), &[(50, Some("50 names in pool a"))]);
    let spread: Vec<_> =
        (0..50).map(|n| plain(&format!("p{n}"), &format!("x{n}.z.example"), Cause::DnsNameNotFound)).collect();
    check(&spread.iter().collect::<Vec<_>>(), &[(50, Some("50 names in z.example"))]);
    let ours = [("a", "1"), ("b", "2")].map(|(pool, server)| plain(pool, server, Cause::LocalNetwork));
    check(&ours.each_ref(), &[(2, None)]);
    let status = ["503", "503", "404"]
        .map(|code| row("a", "s", code, Cause::HttpStatusMismatch, Facts::default().with(Slot::Received, code)));
    let culprits = [(2, Some("503 from pool a, port 8080")), (1, Some("404 from pool a, port 8080"))];
    check(&status.each_ref(), &culprits);
    // The issuer is not trusted by one setting and by another: two places to mend.
    let issued = [("s", "1"), ("s", "2"), ("t", "3")].map(|(setting, print)| {
        let facts = Facts::default().with(Slot::Issuer, "CN=Root").with(Slot::Fingerprint, print);
        row("a", setting, print, Cause::CertIssuerNotWellKnown, facts)
    });
    check(&issued.each_ref(), &[(2, Some("CN=Root")), (1, Some("CN=Root"))]);
    check(&[&sample::healthy_row("p", "s", "a", Protocol::Tcp)], &[]);
    check(&[&warned_row("a"), &failing_row("b")], &[(1, Some("pool p, port 8080")), (1, Some("pool p, port 8080"))]);
}

#[test]
fn the_worst_fault_is_that_which_leaves_most_pools_without_a_server() {
    let aged = |row: Row, seconds: u64| Row { since: sample::now() - Duration::from_secs(seconds), ..row };
    let down = |pool: &str, server: &str, cause, seconds| {
        aged(sample::unhealthy_row(pool, "s", server, Protocol::Tcp, cause, ""), seconds)
    };
    let snapshot = sample::snapshot(vec![
        // Two of three servers, for long.
        down("large", "l1", Cause::TcpRefused, 900),
        down("large", "l2", Cause::TcpRefused, 900),
        sample::healthy_row("large", "s", "l3", Protocol::Tcp),
        // The latest change, of one server of two.
        down("half", "h1", Cause::TcpReset, 1),
        sample::healthy_row("half", "s", "h2", Protocol::Tcp),
        // One server, and nobody else.
        down("alone", "a1", Cause::TcpTimeout, 5_000),
    ]);
    let culprits = |rows: Vec<&Row>| -> Vec<String> {
        let groups = by_fault(rows, &Down::of(&snapshot.rows));
        groups.into_iter().filter_map(|group| group.culprit).collect()
    };
    let expected = ["pool alone, port 8080", "pool large, port 8080", "pool half, port 8080"];
    assert_eq!(culprits(snapshot.rows.iter().collect()), expected);
    // A filter that hides the healthy ones makes no pool worse.
    assert_eq!(culprits(snapshot.rows.iter().filter(|row| row.state != State::Healthy).collect()), expected);
    let text = seen(&sample::asked(&snapshot, "view=rows").unwrap());
    let place = |server: &str| text.find(&format!("|{server}:8080|")).unwrap();
    assert!(place("a1") < place("h1") && place("h1") < place("l1"), "{text}");
}

#[test]
fn a_filter_shows_some_rows_and_counts_what_others_would_show() {
    let snapshot = sample::snapshot(vec![
        sample::unhealthy_row("web", "s", "w1", Protocol::Tcp, Cause::TcpRefused, ""),
        sample::healthy_row("web", "s", "w2", Protocol::Tcp),
        sample::healthy_row("db", "s", "d1", Protocol::Tcp),
    ]);
    let check = |query: &str, headline: &str, rows: &[&str], tiles: &str| {
        let text = seen(&sample::asked(&snapshot, query).unwrap());
        assert!(text.contains(headline), "{query}: {headline} in {text}");
        assert!(text.contains(tiles), "{query}: {tiles} in {text}");
        for server in ["w1", "w2", "d1"] {
            assert_eq!(text.contains(&format!("|{server}:8080|")), rows.contains(&server), "{query}: {server}: {text}");
        }
    };
    check("", "1 of 3 servers is Unhealthy.", &["w1", "w2", "d1"], "|1| |Unhealthy|0| |Unknown|2| |Healthy|");
    check("state=HEALTHY", "1 of 3 servers is Unhealthy.", &["w2", "d1"], "|1| |Unhealthy|0| |Unknown|2| |Healthy|");
    check("pool=db", "The only matching server is Healthy.", &["d1"], "|web|");
    check("q=w", "1 of 2 matching servers is Unhealthy.", &["w1", "w2"], "|1| |Unhealthy|0| |Unknown|1| |Healthy|");
    check("cause=tcp_refused", "|1 of 1 matching server is Unhealthy.", &["w1"], "|0| |Healthy|");
    check("q=nothing", "None of the 3 servers matches.", &[], "Show all rows");
    check("view=rows", "1 of 3 servers is Unhealthy.", &["w1", "w2", "d1"], "same fault together");
}

#[test]
fn rows_are_found_by_who_acts_and_by_warning_and_sorted_as_asked() {
    let aged = |row: Row, seconds: u64| Row { since: sample::now() - Duration::from_secs(seconds), ..row };
    let snapshot = sample::snapshot(vec![
        aged(sample::unhealthy_row("p", "s", "c", Protocol::Tcp, Cause::TcpRefused, ""), 30),
        aged(sample::unhealthy_row("p", "s", "B", Protocol::Tcp, Cause::TcpTimeout, ""), 10),
        aged(warned_row("a"), 20),
    ]);
    let order = |query: &str| {
        let text = seen(&sample::asked(&snapshot, query).unwrap());
        let mut found: Vec<_> = ["a", "B", "c"]
            .into_iter()
            .filter_map(|name| Some((text.find(&format!("|{name}:8080|"))?, name)))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(order("side=server"), ["c"]);
    assert_eq!(order("side=network"), ["B"]);
    assert_eq!(order("side=network&side=server&sort=server"), ["B", "c"]);
    assert_eq!(order("side=exporter"), [""; 0]);
    assert_eq!(order("state=Healthy&warning=any"), ["a"]);
    assert_eq!(order("warning=cert_expires_soon"), ["a"]);
    assert_eq!(order("warning=stale_address"), [""; 0]);
    assert_eq!(order("sort=server"), ["a", "B", "c"]);
    assert_eq!(order("sort=since"), ["B", "a", "c"]);
    let page = sample::asked(&snapshot, "").unwrap();
    assert!(page.contains("<a href=\"./?state=Healthy&amp;warning=any\">1 has a warning</a>"), "{page}");
}

/// The names of pools in the order in which a page has them.
fn pool_names(page: &str) -> Vec<String> {
    let names = page.split("<bdi>").skip(1).filter_map(|part| part.split("</bdi>").next());
    names.filter(|name| name.starts_with("pool")).map(str::to_owned).collect()
}

#[test]
fn pools_that_serve_nobody_come_first_and_the_report_shows_the_worst_six() {
    let mut rows: Vec<Row> = (0..600)
        .flat_map(|n| {
            let pool = format!("pool{n:03}");
            let healthy = |server: &str| sample::healthy_row(&pool, "s", server, Protocol::Tcp);
            let down = |server: &str| sample::unhealthy_row(&pool, "s", server, Protocol::Tcp, Cause::TcpRefused, "");
            match n {
                7 => vec![down("a"), healthy("b"), healthy("c")],
                11 => vec![down("a"), down("b"), healthy("c")],
                500 => vec![down("a"), down("b")],
                599 => vec![down("a")],
                _ => vec![healthy("a")],
            }
        })
        .collect();
    // Down under one of its settings, and not under the other.
    rows.push(sample::healthy_row("pool042", "t", "a", Protocol::Http));
    rows.push(sample::unhealthy_row("pool043", "t", "a", Protocol::Http, Cause::HttpTimeout, ""));
    // Nothing is known of it yet: it is not called down.
    rows.push(sample::new_row("pool600", "s", "a", Protocol::Tcp));
    let snapshot = sample::snapshot(rows);
    let worst = ["pool500", "pool599", "pool043", "pool600", "pool011", "pool007"];

    let report = sample::asked(&snapshot, "").unwrap();
    let tiles = report.split("<ul class=\"pools\">").nth(1).unwrap().split("</ul>").next().unwrap();
    assert_eq!(pool_names(tiles), worst);
    let text = seen(&report);
    assert!(
        text.contains(
            "2 pools have no healthy server, 1 has a setting without one. 7 of 606 servers are Unhealthy, 1 is Unknown."
        ),
        "{text}"
    );
    assert!(text.contains("|No healthy server under |t|") && text.contains("|All 601 pools|"), "{text}");
    assert!(
        !report.contains("<option value=\"pool012\""),
        "neither a tile nor a list to choose from grows with the number of pools"
    );

    let place = Place { root: ".", metrics_path: "/metrics" };
    let pools = |query: &str| page::pools::answer(&snapshot, Some(query), place);
    let all = pools("");
    assert_eq!((all.status, &pool_names(&all.page)[..6]), (200, &worst.map(str::to_owned)[..]));
    let text = seen(&all.page);
    for expected in ["2 pools have no healthy server", "|2 Unhealthy|", "|Connection refused|", "Page 1 of 7"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(pool_names(&pools("sort=name").page)[..2], ["pool000", "pool001"]);
    assert_eq!(pool_names(&pools("sort=unhealthy").page)[..2], ["pool500", "pool011"]);
    assert_eq!(pool_names(&pools("q=POOL04&page=9").page).len(), 10);
    assert!(seen(&pools("q=POOL04").page).contains("10 of 601 pools match."));
    let wrong = pools("sort=size");
    assert_eq!(wrong.status, 400);
    assert!(seen(&wrong.page).contains("sort &quot;size&quot; is none of worst, name, servers, unhealthy, changed."));
    assert_eq!(pools("page=<script>").page.matches("<script").count(), 1);
}

#[test]
fn an_address_that_asks_for_what_there_is_not_says_so() {
    let snapshot = sample::snapshot(vec![sample::healthy_row("p", "s", "a", Protocol::Tcp)]);
    for (query, message) in [
        ("state=ill", "state &quot;ill&quot; is none of Healthy, Unhealthy, Unknown."),
        ("cause=bad_luck", "cause &quot;bad_luck&quot; is no cause; tcp_refused is one."),
        ("side=x", "side &quot;x&quot; is none of network, gateway, server, exporter."),
        ("warning=x", "warning &quot;x&quot; is no warning;"),
        ("sort=x", "sort &quot;x&quot; is none of server, since, duration."),
        ("page=0", "page &quot;0&quot; is no number from 1 on."),
    ] {
        let page = sample::asked(&snapshot, query).unwrap_err();
        let text = seen(&page);
        assert!(text.contains(message) && text.contains("Show all rows"), "{query}: {text}");
    }
}

#[test]
fn the_last_probes_are_counted_in_words() {
    fn check(results: &str, words: &str) {
        let table = HealthTable::new();
        let row = sample::new_row("p", "s", "a", Protocol::Http);
        table.replace(std::slice::from_ref(&row.target), sample::now());
        for result in results.chars() {
            let verdict = match result {
                '.' => sample::success(Protocol::Http),
                'x' => sample::failure(Protocol::Http, Cause::TcpRefused, ""),
                _ => sample::failure(Protocol::Http, Cause::LocalExhausted, ""),
            };
            table.record(&row.target, verdict, sample::now());
        }
        let text = seen(&sample::page_of(&table.snapshot(sample::now())));
        assert!(text.contains(words), "{results}: {words} in {text}");
    }
    check("", "|none yet|");
    check(".", "|the first one succeeded|");
    check("....", "|all 4 succeeded|");
    check("x", "|the first one failed|");
    check("xx.", "|2 of 3 failed, not the latest|");
    check(".x?", "|1 of 3 failed, 1 without a verdict|");
    check(&format!("xx{}", ".".repeat(20)), "|all 20 succeeded; 2 earlier failures|");
    check(&format!("x{}", "x".repeat(20)), "|all 20 failed|");
}

#[test]
fn the_page_says_when_this_host_does_not_keep_up() {
    fn check(rows: Vec<Row>, expected: Option<&str>) {
        let text = seen(&rendered(rows));
        assert_eq!(text.contains("does not keep up"), expected.is_some(), "{text}");
        assert!(expected.is_none_or(|words| text.contains(words)), "{expected:?} in {text}");
    }
    let probed = |seconds: u64| {
        let probe = sample::success(Protocol::Http);
        let at = sample::now() - Duration::from_secs(seconds);
        let probe = Verdict { evidence: Evidence { at, ..probe.evidence }, ..probe };
        Row { last_probe: Some(Arc::new(probe)), ..sample::healthy_row("p", "s", "a", Protocol::Http) }
    };
    // An interval and a timeout of 30 s.
    check(vec![probed(85)], None);
    check(vec![probed(95), probed(10)], Some("1 row has not been probed for more than two intervals."));
    check(vec![unheard(probed(5)), unheard(probed(6))], Some("2 rows have no verdict of late"));
    // Its latest probe succeeded; since then its beats had to be left out.
    let skipped = Row { cause: Some(Arc::new(Finding::new(Cause::LocalExhausted, "no room"))), ..probed(5) };
    check(vec![skipped, probed(5)], Some("1 row has no verdict of late"));
    let page = page::render(&sample::snapshot(vec![probed(5)]), Place { root: ".", metrics_path: "/metrics" }, None, 7);
    assert!(seen(&page.unwrap()).contains("7 probes skipped since the exporter started."));
}

#[test]
fn the_page_says_when_the_probes_themselves_may_be_too_much() {
    let row = |number: usize, cause: Option<Cause>, interval: Duration, healthy_before: u64| {
        let name = format!("s{number}");
        let row = match cause {
            Some(cause) => sample::unhealthy_row("p", "s", &name, Protocol::Https, cause, "no answer"),
            None => sample::healthy_row("p", "s", &name, Protocol::Https),
        };
        let target = Arc::new(Target { interval, ..Target::clone(&row.target) });
        Row { target, transitions: [healthy_before, 1, 0], ..row }
    };
    let check = |silent: usize, others: usize, cause, interval, healthy_before, expected: Option<&str>| {
        let silent = (0..silent).map(|number| row(number, Some(cause), interval, healthy_before));
        let others = (0..others).map(|number| row(1_000 + number, None, interval, 1));
        let text = seen(&rendered(silent.chain(others).collect()));
        assert_eq!(text.contains("fell silent"), expected.is_some(), "{text}");
        assert!(expected.is_none_or(|words| text.contains(words)), "{expected:?} in {text}");
    };
    let (second, timeout) = (Duration::from_secs(1), Cause::TlsTimeout);
    let said =
        "80 of 180 rows that answered before do not answer in time now. This exporter asks them 80 times a second.";
    check(80, 100, timeout, second, 1, Some(said));
    check(80, 1_000, timeout, second, 1, None);
    check(80, 100, timeout, Duration::from_secs(30), 1, None);
    check(80, 100, Cause::TcpRefused, second, 1, None);
    check(80, 100, timeout, second, 0, None);
    check(40, 0, timeout, second, 1, None);
}

#[test]
fn no_rows_are_no_table() {
    let page = rendered(Vec::new());
    assert!(page.contains("There is nothing to probe") && !page.contains("<table"));
}
