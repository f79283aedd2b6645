//! The report as the command line shows it: the table, the details of a single row, CSV.

use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::health::Row;
use backend_health_exporter::probe::Protocol;
use backend_health_exporter::verdict::{Cause, Code, Finding, Notice, Verdict};
use backend_health_exporter::view::report::{Filter, Links, Report};
use backend_health_exporter::view::text;
use backend_health_exporter::view::text::{Colour, Look, Order};
use unicode_width::UnicodeWidthStr;

use crate::sample;

const PLAIN: Look = Look {
    now: std::time::SystemTime::UNIX_EPOCH,
    width: None,
    lines: None,
    healthy: false,
    colour: Colour::None,
    order: Order::LatestChange,
};

fn look() -> Look {
    Look { now: sample::now(), ..PLAIN }
}

fn rows() -> Vec<Row> {
    let dead = |server: &str, minutes| Row {
        since: sample::now() - Duration::from_mins(minutes),
        ..sample::unhealthy_row(
            "web",
            "https-443",
            server,
            Protocol::Https,
            Cause::TcpRefused,
            "10.0.0.5:443 refused the connection",
        )
    };
    let expires = Finding::new(Code::Notice(Notice::CertExpiresSoon), "CN=app.example.com expires in 3 days");
    let warned = Verdict { warnings: vec![expires], ..sample::success(Protocol::Https) };
    vec![
        sample::healthy_row("web", "https-443", "10.0.0.4", Protocol::Https),
        dead("10.0.0.5", 90),
        Row {
            last_probe: Some(Arc::new(warned)),
            ..sample::healthy_row("web", "https-443", "app.example.com", Protocol::Https)
        },
        Row {
            cause: Some(sample::finding(Cause::HttpTimeout, "no answer within 30 s")),
            consecutive_failures: 1,
            ..sample::healthy_row("web", "http-80", "10.0.0.6", Protocol::Http)
        },
        sample::new_row("mail", "smtp", "2001:db8::7", Protocol::Tcp),
        dead("10.0.0.7", 2),
    ]
}

fn table(rows: Vec<Row>, look: &Look) -> String {
    let snapshot = sample::snapshot(rows);
    text::table(&Report::of(&snapshot, &Filter::default(), &Links { base: "https://x.test".to_owned() }), look)
}

#[test]
fn the_worst_rows_come_first_and_columns_are_aligned() {
    let expected = "\
STATE      POOL  SERVER           SETTING    PORT  PROTOCOL  SINCE  CAUSE              DETAIL
Unhealthy  web   10.0.0.7         https-443  8080  https     2m0s   tcp_refused        10.0.0.5:443 refused the connection
Unhealthy  web   10.0.0.5         https-443  8080  https     1h30m  tcp_refused        10.0.0.5:443 refused the connection
Unknown    mail  2001:db8::7      smtp       8080  tcp       5s     not_probed_yet     the first probe has not ended yet
Healthy    web   10.0.0.6         http-80    8080  http      1h0m   http_timeout       no answer within 30 s
Healthy    web   app.example.com  https-443  8080  https     1h0m   cert_expires_soon  warning: CN=app.example.com expires in 3 days
Healthy    web   10.0.0.4         https-443  8080  https     1h0m

6 rows: 2 Unhealthy, 1 Unknown, 3 Healthy
";
    assert_eq!(table(rows(), &look()), expected);

    let configured = table(rows(), &Look { order: Order::Configuration, ..look() });
    let servers: Vec<_> =
        configured.lines().skip(1).take(2).map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(servers, ["10.0.0.5", "10.0.0.7"]);
}

#[test]
fn a_table_fits_the_terminal_and_keeps_state_server_and_cause_whole() {
    for width in 40..160 {
        let table = table(rows(), &Look { width: Some(width), ..look() });
        let whole = ["Unhealthy", "2001:db8::7", "app.example.com", "tcp_refused", "cert_expires_soon"];
        assert!(whole.iter().all(|word| table.contains(word)), "{width}\n{table}");
        // Below that a terminal has to break lines.
        if width >= 68 {
            let longest = table.lines().map(UnicodeWidthStr::width).max();
            assert!(longest.is_some_and(|longest| longest <= width), "{width}\n{table}");
        }
    }
}

#[test]
fn columns_make_room_for_the_detail_before_it_goes_itself() {
    fn check(width: usize, headings: &str, line: &str) {
        let table = table(rows(), &Look { width: Some(width), ..look() });
        assert!(table.starts_with(&format!("{headings}\n{line}\n")), "{width}\n{table}");
    }
    check(
        120,
        "STATE      POOL  SERVER           SETTING    PORT  PROTOCOL  SINCE  CAUSE              DETAIL",
        "Unhealthy  web   10.0.0.7         https-443  8080  https     2m0s   tcp_refused        10.0.0.5:443 refused the connect…",
    );
    check(
        110,
        "STATE      POOL  SERVER           SETTING    PORT  SINCE  CAUSE              DETAIL",
        "Unhealthy  web   10.0.0.7         https-443  8080  2m0s   tcp_refused        10.0.0.5:443 refused the connect…",
    );
    check(
        90,
        "STATE      POOL  SERVER           SETTING    SINCE  CAUSE              DETAIL",
        "Unhealthy  web   10.0.0.7         https-443  2m0s   tcp_refused        10.0.0.5:443 refus…",
    );
    check(
        80,
        "STATE      POOL  SERVER           SETTING    PORT  SINCE  CAUSE",
        "Unhealthy  web   10.0.0.7         https-443  8080  2m0s   tcp_refused",
    );
    check(
        70,
        "STATE      POOL  SERVER           SETTING    SINCE  CAUSE",
        "Unhealthy  web   10.0.0.7         https-443  2m0s   tcp_refused",
    );
}

#[test]
fn wide_characters_take_their_two_columns() {
    let row = |pool: &str| sample::healthy_row(pool, "s", "10.0.0.4", Protocol::Http);
    let table = table(vec![row("東京"), row("e\u{301}"), row("berlin")], &look());
    let columns: Vec<_> =
        table.lines().skip(1).take(3).map(|line| line[..line.find("10.0.0.4").unwrap()].width()).collect();
    assert_eq!(columns, [columns[0]; 3], "{table}");
}

#[test]
fn only_the_state_is_coloured() {
    let table = table(rows(), &Look { colour: Colour::Ansi, ..look() });
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].starts_with("\u{1b}[1;31mUnhealthy\u{1b}[0m  web "), "{table:?}");
    assert!(lines[3].starts_with("\u{1b}[33mUnknown\u{1b}[0m    mail "), "{table:?}");
    assert!(lines[6].starts_with("\u{1b}[32mHealthy\u{1b}[0m    web "), "{table:?}");
    assert_eq!(table.matches('\u{1b}').count(), 12);
    let plain: String = table
        .replace("\u{1b}[0m", "")
        .split("\u{1b}[")
        .map(|part| {
            part.split_once('m')
                .filter(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'))
                .map_or(part, |(_, rest)| rest)
        })
        .collect();
    assert_eq!(plain, self::table(rows(), &look()));
}

fn faults(rows: Vec<Row>, look: &Look) -> String {
    let snapshot = sample::snapshot(rows);
    text::faults(&Report::of(&snapshot, &Filter::default(), &Links { base: "https://x.test".to_owned() }), look)
}

#[test]
fn on_a_terminal_faults_stand_with_who_acts_and_the_first_step_and_the_worst_last() {
    for width in [80, 120] {
        let shown = faults(rows(), &Look { width: Some(width), ..look() });
        let order = [
            "Healthy, with a warning: Certificate expires soon (cert_expires_soon), 1 row; server acts",
            "Healthy, but the latest probe did not succeed: No complete response in time",
            "Unknown: Not probed yet (not_probed_yet), 1 row; exporter acts\n  mail  [2001:db8::7]:8080  smtp  for 5s\n",
            "Unhealthy: Connection refused (tcp_refused), 2 rows; server acts\n  \
             web  10.0.0.7:8080  https-443  for 2m0s\n  web  10.0.0.5:8080  https-443  for 1h30m\n  \
             Seen   10.0.0.5:443 refused the connection\n  First  Check on the server",
            "\n6 rows: 2 Unhealthy, 1 Unknown, 3 Healthy (--all shows every row)\n",
        ];
        let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = in_one_line(&shown);
        let places: Vec<_> = order.iter().map(|words| line.find(&in_one_line(words))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{shown}");
        assert!(!shown.contains("10.0.0.4"), "a row that is well says nothing:\n{shown}");
        let longest = shown.lines().map(UnicodeWidthStr::width).max();
        assert!(longest.is_some_and(|longest| longest <= width), "{width}\n{shown}");
        let all = faults(rows(), &Look { width: Some(width), healthy: true, ..look() });
        assert!(all.starts_with("Healthy: 1 row\n  web  10.0.0.4:8080  https-443  for 1h0m\n\n"), "{all}");
        assert!(all.ends_with("1 Unknown, 3 Healthy\n"), "{all}");
    }
}

#[test]
fn rows_on_their_way_back_say_so_though_they_have_no_cause() {
    let row = |server: &str| {
        let warnings = vec![Finding::new(Code::Notice(Notice::NotHealthyYet), "1 of the 3 have come")];
        let probe = Verdict { warnings, ..sample::success(Protocol::Http) };
        let row = sample::unhealthy_row("web", "http", server, Protocol::Http, Cause::TcpRefused, "refused");
        Row { cause: None, last_probe: Some(Arc::new(probe)), ..row }
    };
    let shown = faults(vec![row("10.0.0.5"), row("10.0.0.6")], &look());
    assert!(shown.starts_with("Unhealthy: Not Healthy yet (not_healthy_yet), 2 rows; gateway acts\n"), "{shown}");
    assert!(shown.contains("  Seen   1 of the 3 have come\n"), "{shown}");
}

#[test]
fn ten_thousand_rows_fit_the_screen_and_the_worst_is_on_it() {
    let kinds = [Cause::TcpTimeout, Cause::HttpTimeout, Cause::TcpReset, Cause::TlsTimeout, Cause::CertExpired];
    let row = |number: u64| {
        let (cause, server) =
            (kinds[usize::try_from(number % 5).unwrap()], format!("10.0.{}.{}", number / 200, number % 200));
        let minutes = if cause == Cause::CertExpired { 1 } else { 90 };
        let row = sample::unhealthy_row("web", "https-443", &server, Protocol::Https, cause, "as it was seen");
        Row { since: sample::now() - Duration::from_mins(minutes), ..row }
    };
    let rows: Vec<Row> = (0..10_000).map(row).collect();
    for lines in [12, 24, 90] {
        let shown = faults(rows.clone(), &Look { width: Some(80), lines: Some(lines), ..look() });
        assert!(shown.lines().count() < lines, "{lines} lines\n{shown}");
        let last = shown.rfind("Unhealthy: ").expect("a fault is shown");
        assert!(shown[last..].contains("(cert_expired), 2000 rows"), "{shown}");
        assert!(shown[last..].contains("and 1995 more") || lines == 12, "{shown}");
        assert_eq!(shown.starts_with("… "), lines < 90, "{shown}");
    }
    let small = faults(rows.clone(), &Look { width: Some(80), lines: Some(24), ..look() });
    assert!(
        small.starts_with("… ") && small.lines().next().is_some_and(|line| line.ends_with("--all shows them")),
        "{small}"
    );
    let all = faults(rows, &Look { width: Some(80), healthy: true, ..look() });
    assert!(all.lines().count() > 10_000);
}

#[test]
fn a_single_row_is_followed_by_its_cause_and_what_to_do() {
    let row = sample::unhealthy_row(
        "web",
        "https-443",
        "10.0.0.5",
        Protocol::Http,
        Cause::TcpRefused,
        "10.0.0.5:8080 refused",
    );
    let shown = table(vec![row], &look());
    for line in [
        "1 row: 1 Unhealthy, 0 Unknown, 0 Healthy\n",
        "Unhealthy for 2m0s; the latest 3 probes failed\n",
        "  Asks       http://10.0.0.5:8080\n",
        "  Last probe 12s ago at 10.0.0.1:8080, took 15 ms\n",
        "  Cause      tcp_refused: Connection refused\n",
        "  Seen       10.0.0.5:8080 refused\n",
        "  Who acts   server: ",
        "  To do      1. ",
        "             2. ",
        "  More       https://x.test/docs/troubleshooting#tcp_refused\n",
    ] {
        assert!(shown.contains(line), "{line:?}\n{shown}");
    }
    let well = table(vec![sample::healthy_row("web", "s", "10.0.0.5", Protocol::Http)], &look());
    assert!(well.contains("\nHealthy for 1h0m\n") && !well.contains("Cause "), "{well}");
    assert!(!table(rows(), &look()).contains("To do"), "of several rows there is only the table");
}

#[test]
fn a_row_without_any_verdict_shows_what_kept_its_probe_from_one() {
    let lost = Verdict { cause: Some(Finding::new(Cause::LocalNetwork, "no route")), ..sample::success(Protocol::Tcp) };
    let row = Row { last_probe: Some(Arc::new(lost)), ..sample::new_row("a", "b", "c", Protocol::Tcp) };
    let table = table(vec![row], &look());
    assert!(table.contains("local_network  no route\n") && !table.contains("not_probed_yet"), "{table}");
}

const HOSTILE: &str = "=cmd|' /C calc'!A0,\"x\"\u{1b}[2J\u{9b}31m\r\n@\u{202e}txt\u{2028}\u{200b}";

#[test]
fn hostile_text_steers_nothing() {
    let row = || sample::unhealthy_row("=web", "@s", "-1", Protocol::Http, Cause::HttpMalformed, HOSTILE);
    for rows in [vec![row()], vec![row(), row()]] {
        let table = table(rows, &look());
        assert!(
            table.contains(r#"=cmd|' /C calc'!A0,"x"\u{1b}[2J\u{9b}31m\r\n@\u{202e}txt\u{2028}\u{200b}"#),
            "{table}"
        );
        assert!(
            table.chars().all(|char| char == '\n' || !backend_health_exporter::words::is_hidden(char)),
            "{table:?}"
        );
    }
}

#[test]
fn csv_is_what_rfc_4180_says_and_no_formula() {
    let hostile = sample::unhealthy_row("=web", "+s", "-1", Protocol::Http, Cause::HttpMalformed, HOSTILE);
    let warned = rows().remove(2);
    let snapshot =
        sample::snapshot(vec![sample::healthy_row("a,b", "c\"d", "10.0.0.4", Protocol::Tcp), hostile, warned]);
    let report = Report::of(&snapshot, &Filter::default(), &Links { base: String::new() });
    let csv = text::csv_header() + &text::csv_rows(&report);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[0],
        "generated_at,state,pool,setting,server,port,protocol,since,consecutive_failures,unhealthy_threshold,cause,stage,\
         side,title,detail,warnings,id"
    );
    assert_eq!(
        lines[1],
        "2026-11-22T03:12:05Z,Healthy,\"a,b\",\"c\"\"d\",10.0.0.4,8080,tcp,2026-11-22T02:12:05Z,0,3,,,,,,,0000000000000000"
    );
    let start =
        "2026-11-22T03:12:05Z,Unhealthy,'=web,'+s,'-1,8080,http,2026-11-22T03:10:05Z,3,3,http_malformed,http,server,";
    assert!(lines[2].starts_with(start), "{}", lines[2]);
    assert!(
        lines[2].contains(r#","'=cmd|' /C calc'!A0,""x""\u{1b}[2J\u{9b}31m\r\n@\u{202e}txt\u{2028}\u{200b}","#),
        "{}",
        lines[2]
    );
    assert!(lines[3].ends_with(",,,,,,cert_expires_soon,0000000000000000"), "{}", lines[3]);
}

#[test]
fn details_are_folded_to_the_terminal_but_for_what_is_copied() {
    let row = sample::unhealthy_row("web", "s", "10.0.0.5", Protocol::Http, Cause::TcpRefused, "10.0.0.5:8080 refused");
    let shown = table(vec![row], &Look { width: Some(60), ..look() });
    let details = shown.split("Cause ").nth(1).unwrap();
    let long: Vec<&str> = details.lines().filter(|line| line.width() > 60).collect();
    assert!(long.iter().all(|line| line.contains("See it") || line.contains("https://")), "{long:?}");
    assert!(details.contains("\n             "), "{shown}");
    let whole = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let row = sample::unhealthy_row("web", "s", "10.0.0.5", Protocol::Http, Cause::TcpRefused, "10.0.0.5:8080 refused");
    let unfolded = table(vec![row], &look());
    assert_eq!(whole(details), whole(unfolded.split("Cause ").nth(1).unwrap()), "nothing is lost");
}
