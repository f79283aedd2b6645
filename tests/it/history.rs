//! What changed and what ends next: the pages `/changes` and `/certificates`, the week of a row, and what the report says of
//! the configuration in use.

use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::health::{HealthTable, Presented, Row, Snapshot, State};
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::target::{Target, TargetId};
use backend_health_exporter::verdict::{Cause, PresentedChain};
use backend_health_exporter::view::page::{Answer, Place, certificates, changes, row};
use backend_health_exporter::view::report::{Filter, Links, Report};

use crate::sample;

const PLACE: Place<'static> = Place { root: ".", metrics_path: "/metrics" };

/// Seconds before now at which the row of this server became what it did.
const HAPPENED: [(&str, u64, bool); 6] = [
    ("a", 6 * 86_400, true),
    ("b", 6 * 86_400, true),
    ("a", 7_200, false),
    ("a", 3_900, true),
    ("b", 600, false),
    ("a", 30, false),
];

fn table() -> HealthTable {
    let target = |server: &str, id: u64| {
        let row = sample::new_row("web", "s", server, Protocol::Http);
        Arc::new(Target { id: TargetId(id), unhealthy_threshold: 1, ..Target::clone(&row.target) })
    };
    let targets = [target("a", 1), target("b", 2)];
    let table = HealthTable::new();
    table.replace(&targets, sample::now() - Duration::from_hours(24 * 6));
    table.configuration_loaded(sample::now() - Duration::from_mins(5));
    for (server, ago, succeeds) in HAPPENED {
        let target = targets.iter().find(|target| &*target.server == server).unwrap();
        let refused = || sample::failure(Protocol::Http, Cause::TcpRefused, "refused by 10.0.0.1:8080");
        let verdict = if succeeds { sample::success(Protocol::Http) } else { refused() };
        table
            .record(target, verdict, sample::now() - Duration::from_secs(ago))
            .expect("each of them changes the state");
    }
    table
}

fn asked(table: &HealthTable, query: &str) -> Answer {
    changes::answer(&table.snapshot(sample::now()), &mut table.transitions(), Some(query), PLACE)
}

/// The numbers of the changes that a page lists, in its order.
fn listed(page: &str) -> Vec<&str> {
    page.split("<tr id=\"e-").skip(1).filter_map(|part| part.split('"').next()).collect()
}

#[test]
fn changes_stand_by_day_and_hour_the_latest_first() {
    let table = table();
    let Answer { status, page } = asked(&table, "");
    assert_eq!((status, listed(&page)), (200, vec!["6", "5", "4", "3", "2", "1"]));
    assert!(page.contains("<h1>6 changes of state in the last 7 days, 2 in the last hour.</h1>"), "{page}");
    // 03:12:05 on the 22nd.
    for expected in [
        "<h2>2026-11-22</h2>",
        "<h2>2026-11-16</h2>",
        "03:00 to 04:00 <small>2 changes",
        "02:00 to 03:00 <small>1 change<",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(
        page.contains("<title>2026-11-22, 03:00 to 04:00: 2 to Unhealthy</title>"),
        "the bars say what they stand for"
    );
    assert_eq!(page.matches("<script").count(), 1);

    let check = |query: &str, expected: &[&str]| assert_eq!(listed(&asked(&table, query).page), expected, "{query}");
    check("server=b", &["5", "2"]);
    check("state=healthy", &["4", "2", "1"]);
    check("side=server&server=A", &["6", "3"]);
    check("cause=http_timeout", &[]);
    check("until=2026-11-22T03:00:00Z", &["4", "3", "2", "1"]);
    check("page=7", &["6", "5", "4", "3", "2", "1"]);
    assert_eq!(asked(&table, "until=noon").status, 400);
    // The way from an hour's bar: that hour and what was before it.
    let link = page.split("href=\"./changes?until=").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(link, "2026-11-16T04%3A00%3A00Z");
}

#[test]
fn a_thousand_changes_are_pages_of_a_hundred() {
    let table = table();
    let target = table.snapshot(sample::now()).rows[1].target.clone();
    for number in 0..1_000_u64 {
        let verdict = if number % 2 == 0 {
            sample::success(Protocol::Http)
        } else {
            sample::failure(Protocol::Http, Cause::TcpRefused, "")
        };
        table.record(&target, verdict, sample::now());
    }
    let page = asked(&table, "page=2").page;
    assert_eq!((listed(&page).len(), listed(&page)[0]), (100, "906"));
    assert!(page.contains("Page 2 of 11") && page.contains("at most 1002 an hour"), "{page}");
}

#[test]
fn a_row_tells_its_week_and_how_much_of_it_was_healthy() {
    let table = table();
    let snapshot = table.snapshot(sample::now());
    let report = Report::of(&snapshot, &Filter::default(), &Links { base: String::new() });
    let [a, b] = &report.rows[..] else { panic!("{report:?}") };
    let near =
        |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 0.0001, "{found:?} {expected}");
    // As of when the row's latest probe ended, 30 s ago.
    near(a.uptime.hour, 1.0);
    near(a.uptime.day, 1.0 - 3_300.0 / 86_400.0);
    near(b.uptime.week, 1.0);
    let page = row::answer(&snapshot, Some("pool=web&setting=s&server=a"), PLACE).page;
    for expected in [
        "Healthy for <b class=\"number\">99.16 %</b> of the last hour",
        "data-says=\"Unhealthy: 01:12 UTC to 02:07 UTC (55m0s): Connection refused\"",
        "data-says=\"Healthy: 2026-11-16 03:12 UTC to 01:12 UTC (5d22h)\"",
        "data-says=\"Unhealthy: 03:11 UTC to now (30s): Connection refused\"",
        "<title>Unhealthy: a:8080, Connection refused – Backend health</title>",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let new = sample::snapshot(vec![sample::new_row("web", "s", "c", Protocol::Http)]);
    assert!(
        !row::answer(&new, Some("pool=web&setting=s&server=c"), PLACE).page.contains("week-title"),
        "nothing is known"
    );
}

#[test]
fn a_refused_configuration_is_told_on_every_page_and_in_the_report() {
    let table = table();
    let error = "backend_health.yml:3:5: unknown key `por<t>`; meant is `port`";
    table.configuration_refused(Some(error), sample::now());
    let snapshot = table.snapshot(sample::now());
    let json = |snapshot: &Snapshot| {
        let report = Report::of(snapshot, &Filter::default(), &Links { base: String::new() });
        serde_json::to_value(report).unwrap()["configuration"].clone()
    };
    assert_eq!(json(&snapshot), serde_json::json!({ "loaded_at": "2026-11-22T03:07:05Z", "error": error }));
    let pages = [
        sample::asked(&snapshot, "").unwrap(),
        row::answer(&snapshot, Some("pool=web&setting=s&server=a"), PLACE).page,
        asked(&table, "").page,
        certificates::answer(&snapshot, None, PLACE).page,
        backend_health_exporter::view::page::pools::answer(&snapshot, None, PLACE).page,
    ];
    for page in pages {
        let words = "unknown key `por&lt;t&gt;`; meant is `port`</bdi></code>. Nothing of it holds: the configuration of \
                     <time datetime=\"2026-11-22T03:07:05Z\">03:07 UTC</time> is still in use.";
        assert!(page.contains(words), "{page}");
    }
    table.configuration_refused(None, sample::now());
    let snapshot = table.snapshot(sample::now());
    assert_eq!(json(&snapshot)["error"], serde_json::Value::Null);
    assert!(!sample::page_of(&snapshot).contains("was refused"));
}

/// A row that presented a chain whose certificates end after so many days.
fn presents(server: &str, ends: &[i64], verified: bool) -> Row {
    let chain = PresentedChain::clone(&sample::chain(&format!("CN={server}"), ends.len()));
    let day = Duration::from_hours(24);
    let certificates = chain.certificates.into_iter().zip(ends).map(|(mut certificate, days)| {
        let span = day * u32::try_from(days.unsigned_abs()).unwrap();
        certificate.not_before = sample::now() - day * 300;
        certificate.not_after = if *days < 0 { sample::now() - span } else { sample::now() + span };
        certificate.fingerprint_sha256 = format!("{days:064}");
        certificate
    });
    let chain = Arc::new(PresentedChain { certificates: certificates.collect(), trusted_root: None });
    let presented = Presented { at: sample::now(), chain, session: Some(sample::SESSION), verified };
    Row { presented: Some(presented), ..sample::healthy_row("web", "s", server, Protocol::Https) }
}

#[test]
fn certificates_stand_once_each_the_next_to_end_first_with_all_who_present_them() {
    let mut rows: Vec<Row> = (0..5).map(|n| presents(&format!("w{n}"), &[3, 200], true)).collect();
    rows.push(presents("x", &[20, 200], true));
    rows.push(presents("y", &[90], true));
    rows.push(presents("z", &[-4, 200], false));
    let snapshot = sample::snapshot(rows);
    let asked = |query: &str| certificates::answer(&snapshot, Some(query), PLACE);
    let Answer { status, page } = asked("");
    let ends: Vec<&str> = page
        .split("<td class=\"of-end\"")
        .skip(1)
        .filter_map(|part| part.split("</b>").next()?.rsplit('>').next())
        .collect();
    assert_eq!((status, ends), (200, vec!["in 3 days", "in 20 days", "in 90 days", "in 200 days"]));
    assert!(page.contains("<h1>4 certificates in use, 2 to be renewed now.</h1>"), "{page}");
    assert_eq!(page.matches(">in <bdi>web</bdi>").count(), 5 + 1 + 1 + 6, "every row that presents one");
    assert!(page.contains("2 more") && page.contains("3 more"), "{page}");
    assert!(
        page.contains("<b class=\"faulty\">in 3 days")
            && page.contains("<b class=\"warned\">in 20 days")
            && page.contains("<b class=\"fine\">in 90 days")
    );
    assert_eq!(asked("q=W3").page.matches("<tr id=\"c-").count(), 2);
    let refused = asked("path=refused").page;
    assert!(
        refused.contains("2 certificates on refused paths, 1 ended.") && refused.contains("ended 4 days ago"),
        "{refused}"
    );
    assert_eq!(asked("path=bad").status, 400);
    assert_eq!(snapshot.rows.iter().filter(|row| row.state == State::Healthy).count(), 8);
}
