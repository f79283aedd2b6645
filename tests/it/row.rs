//! The page of one row: which row a request names, what stands on the page, and that nothing foreign becomes markup.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use backend_health_exporter::app;
use backend_health_exporter::health::Row;
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{
    Attempt, Cause, Code, Evidence, Facts, Finding, Notice, ResponseSummary, Slot, Verdict,
};
use backend_health_exporter::view::page::Answer;
use backend_health_exporter::view::page::{Place, row};

use crate::exporter::ConfigFile;
use crate::sample;

fn asked(rows: Vec<Row>, query: &str) -> Answer {
    let place = Place { root: ".", metrics_path: "/metrics" };
    row::answer(&sample::snapshot(rows), Some(query), place)
}

/// `row` under a setting with TLS.
fn with_tls(row: Row) -> Row {
    static TLS: LazyLock<Arc<Target>> = LazyLock::new(|| {
        let config = ConfigFile::new(
            "backend_settings:\n  - {name: s, protocol: https, host_name: app.example.com}\n\
             backend_pools:\n  - {name: p, settings: [s], servers: [10.0.0.1]}\n",
        );
        app::check(&config.path).unwrap().1.remove(0)
    });
    let Target { pool, setting, server, .. } = &*row.target;
    let named = Target { pool: pool.clone(), setting: setting.clone(), server: server.clone(), ..Target::clone(&TLS) };
    Row { target: Arc::new(named), ..row }
}

/// The page of the only row.
fn page_of(row: Row) -> String {
    let target = row.target.clone();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let named = [("pool", &target.pool), ("setting", &target.setting), ("server", &target.server)];
    query.extend_pairs(named.map(|(key, value)| (key, value.to_string())));
    let Answer { status, page } = asked(vec![row], &query.finish());
    assert_eq!(status, 200);
    page
}

/// What a reader sees, without the tags.
fn seen(page: &str) -> String {
    let page = sample::without_kept_words(page);
    let main = page.split_once("<main").unwrap().1;
    let texts = main.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("|")
}

fn rows() -> Vec<Row> {
    let row = |pool: &str, server: &str| sample::healthy_row(pool, "https-443", server, Protocol::Https);
    vec![
        row("web", "app1.example.com"),
        row("web", "app2.example.com"),
        row("Web", "app1.example.com"),
        row("db", "2001:db8::7"),
        row("mail", "mx.example.org"),
    ]
}

#[test]
fn a_row_is_found_as_the_report_finds_it() {
    fn check(query: &str, status: u16, expected: &str) {
        let answer = asked(rows(), query);
        assert_eq!(answer.status, status, "{query}");
        let text = seen(&answer.page);
        assert!(text.contains(expected), "{query}: {expected} in {text}");
    }
    check("pool=web&setting=https-443&server=app2.example.com", 200, "pool |web|");
    check("pool=WEB&setting=HTTPS-443&server=APP2.example.com", 200, "pool |web|");
    check("server=mx.example.org&pool=mail&setting=https-443&other=x", 200, "pool |mail|");
    check("pool=db&setting=https-443&server=2001:db8::7", 200, "[2001:db8::7]:8080");
    check("pool=db&setting=https-443&server=%5B2001:DB8::7%5D", 200, "[2001:db8::7]:8080");
    // Where only the case tells two apart, letter by letter.
    check("pool=Web&setting=https-443&server=app1.example.com", 200, "pool |Web|");
    check("pool=web&setting=https-443&server=app1.example.com", 200, "pool |web|");
    check("", 400, "Missing here: |pool, setting, server|");
    check("pool=web&server=", 400, "Missing here: |setting, server|");
    check("pool=web&setting=https-443&server=nowhere", 404, "No such row");
    check("pool=%ff&setting=%00&server=%3Cb%3E", 404, "&lt;b&gt;");
}

#[test]
fn rows_that_may_be_meant_are_offered_the_likeliest_first() {
    fn check(query: &str, expected: &[&str]) {
        let text = asked(rows(), query).page;
        let offered = text.split_once("Perhaps one of these").map(|(_, list)| list).unwrap_or_default();
        let servers: Vec<_> = offered.split("<a href=\"./row?").skip(1).collect();
        let servers: Vec<_> = servers.iter().map(|link| link.split('"').next().unwrap()).collect();
        assert_eq!(servers, expected, "{query}");
    }
    let link = |pool: &str, server: &str| format!("pool={pool}&amp;setting=https-443&amp;server={server}");
    let (mail, db) = (link("mail", "mx.example.org"), link("db", "2001%3Adb8%3A%3A7"));
    let others: Vec<String> = [("web", "app1"), ("web", "app2"), ("Web", "app1")]
        .map(|(pool, app)| link(pool, &format!("{app}.example.com")))
        .into();
    let [first, second, third] = [&*others[0], &*others[1], &*others[2]];
    check("pool=mial&setting=https-443&server=mx.example.orq", &[&mail, first, second, third, &db]);
    check("pool=web&server=app1", &[first, third, second]);
    check("pool=none&setting=none&server=zzz", &[]);
}

#[test]
fn the_solution_stands_on_top_with_real_values() {
    let facts = Facts::default().with(Slot::Address, "10.0.0.1");
    let row =
        sample::unhealthy_row("web", "http-80", "app", Protocol::Http, Cause::TcpRefused, "10.0.0.1:8080 refused");
    let cause = Arc::new(Finding::new(Cause::TcpRefused, "10.0.0.1:8080 refused").with(facts));
    let page = page_of(Row { cause: Some(cause), ..row });
    let text = seen(&page);
    let places = [
        "app.|",
        "Unhealthy",
        "Connection refused",
        "10.0.0.1:8080 refused",
        Cause::TcpRefused.words().explanation,
        "Server side",
        "Server: Check on the server whether the service is listening: |ss -ltnp sport = :8080|",
        "Server: If it listens on 127.0.0.1",
        "nc -vz -w 5 10.0.0.1 8080",
        "Picture of the latest probe",
        "Latest probe",
        "Troubleshoot",
        "backend_health_exporter troubleshoot --config.file backend_health.yml --pool web --setting http-80 app",
    ];
    let mut at = 0;
    for expected in &places[1..] {
        at += text[at..].find(expected).unwrap_or_else(|| panic!("{expected} after {} in {text}", &text[..at]));
    }
    for link in [
        "href=\"./docs/troubleshooting#tcp_refused\"",
        "href=\"./?pool=web\"",
        "href=\"./?setting=http-80\"",
        "href=\"./?cause=tcp_refused\"",
        "href=\"#troubleshoot\"",
        "id=\"troubleshoot\"",
    ] {
        assert!(page.contains(link), "{link}");
    }
    assert!(page.contains("<ol class=\"remedy\">"), "the steps are numbered");
}

#[test]
fn further_faults_warnings_and_our_own_trouble_have_their_own_remedies() {
    let row = sample::unhealthy_row("p", "s", "a", Protocol::Https, Cause::CertExpired, "ended");
    let probe = Verdict {
        also: vec![Finding::new(Cause::CertNameMismatch, "other name")],
        warnings: vec![Finding::new(Code::Notice(Notice::StaleAddress), "old")],
        ..sample::failure(Protocol::Https, Cause::CertExpired, "ended")
    };
    let page = page_of(Row { last_probe: Some(Arc::new(probe)), ..row.clone() });
    assert_eq!(page.matches("<ol class=\"remedy\">").count(), 3);
    for title in ["Certificate expired", "Certificate is for another name", "Remembered address in use"] {
        assert!(seen(&page).contains(title), "{title}");
    }
    let trouble = sample::failure(Protocol::Https, Cause::LocalExhausted, "too many open files");
    let text = seen(&page_of(Row { last_probe: Some(Arc::new(trouble)), ..row }));
    for expected in ["Certificate expired", "The latest probe gave no verdict", "too many open files"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_healthy_row_is_calm() {
    let page = page_of(sample::healthy_row("web", "s", "a", Protocol::Http));
    let text = seen(&page);
    assert!(text.contains("Healthy: all checks passed") && text.contains("Nothing has to be done."), "{text}");
    assert!(!page.contains("class=\"remedy\"") && !text.contains("faulty"));
}

#[test]
fn a_row_that_was_never_probed_says_so() {
    let text = seen(&page_of(sample::new_row("web", "s", "a", Protocol::Https)));
    for expected in
        ["Not probed yet", "The first one has not ended yet.", "Certificates: the probe did not get this far"]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn the_latest_probe_and_its_certificates_are_told_in_full() {
    let row = sample::unhealthy_row("web", "s", "a", Protocol::Https, Cause::TcpTimeout, "nothing came back");
    let probe = sample::success(Protocol::Https);
    let address: SocketAddr = "10.0.0.9:8080".parse().unwrap();
    let attempts = vec![Attempt { address, cause: Cause::TcpTimeout, detail: "silent".to_owned() }];
    let chain = Some(sample::chain("CN=app,O=Corp", 3));
    let probe = Verdict { evidence: Evidence { attempts, chain, ..probe.evidence }, ..probe };
    let text = seen(&page_of(with_tls(Row { last_probe: Some(Arc::new(probe)), ..row })));
    for expected in [
        "10.0.0.9:8080|: No answer to connect – |silent",
        "2026-11-22 03:11:52 UTC",
        "HTTP/1.1 |200|",
        "TLS 1.3",
        "first byte |",
        "0a1b2c",
        &"5e".repeat(32),
        "2026-10-23 03:12:05 UTC to 2027-01-21 03:12:05 UTC, 60 days left",
        "leaf: |CN=app,O=Corp",
        "EC P-256",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_command_holds_only_what_is_harmless_in_it() {
    let row = sample::new_row("a b", "$(reboot)", "2001:db8::7", Protocol::Tcp);
    let text = seen(&page_of(row));
    assert!(text.contains("--pool 'a b' --setting SETTING '[2001:db8::7]'"), "{text}");
}

/// Every part of a row that somebody else writes.
fn hostile_row(hostile: &str) -> Row {
    let row = sample::unhealthy_row(hostile, hostile, hostile, Protocol::Https, Cause::HttpStatusMismatch, hostile);
    let probe = sample::failure(Protocol::Https, Cause::HttpStatusMismatch, hostile);
    let response = ResponseSummary { status: 500, version: "HTTP/1.1", body_excerpt: hostile.to_owned() };
    let chain = Some(sample::chain(hostile, 2));
    let evidence = Evidence { response: Some(response), tls: Some(sample::SESSION), chain, ..probe.evidence };
    with_tls(Row { last_probe: Some(Arc::new(Verdict { evidence, ..probe })), ..row })
}

#[test]
fn nothing_foreign_becomes_markup_or_moves_the_text_around_it() {
    const HOSTILE: &str = "\"><script>alert(1)</script>&'\u{202e}\u{0}";
    let page = page_of(hostile_row(HOSTILE));
    assert_eq!(page.matches("<script").count(), 1, "ours");
    assert!(!page.contains(['\u{202e}', '\u{0}']));
    assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;&amp;").count() > 10, "{page}");
    for answer in [
        asked(vec![hostile_row(HOSTILE)], "pool=x&setting=y&server=%22%3E%3Cscript%3E%E2%80%AE"),
        asked(Vec::new(), "pool=%3Cscript%3E"),
    ] {
        assert!(answer.status >= 400);
        assert_eq!(answer.page.matches("<script").count(), 1, "ours");
        assert!(!answer.page.contains('\u{202e}'));
    }
}

#[test]
fn the_page_keeps_to_its_policy_and_its_outline() {
    for row in [
        hostile_row("h"),
        sample::healthy_row("p", "s", "a", Protocol::Tcp),
        sample::new_row("p", "s", "a", Protocol::Https),
    ] {
        let page = page_of(row);
        assert!(
            !page.contains(" style=\"") && !page.contains("<style") && !page.contains(" onclick"),
            "all of it is in files"
        );
        for once in ["<h1>", "<main ", "<footer>"] {
            assert_eq!(page.matches(once).count(), 1, "{once}");
        }
        let ids: Vec<_> = page.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        assert_elements_close(&page);
    }
}

fn assert_elements_close(page: &str) {
    const VOID: [&str; 5] = ["meta", "link", "wbr", "br", "!DOCTYPE"];
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
