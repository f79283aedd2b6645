//! The REST API over real sockets.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use backend_health_exporter::target::{Target, TargetId};
use backend_health_exporter::web::{Limits, Paths};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::report::table;
use crate::sample;
use crate::web::{Running, Setup, client, header, start};

fn setup() -> Setup {
    Setup { table: table::sample(), ..Setup::default() }
}

async fn json(response: Response) -> Value {
    assert_eq!(header(&response, "content-type"), "application/json");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn get(site: &Running, path: &str) -> Value {
    let response = site.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    json(response).await
}

#[tokio::test]
async fn the_report_is_sent_as_it_is() {
    let site = start(setup()).await;
    let expected: Value = serde_json::from_str(include_str!("../report/report.json")).unwrap();
    let sent = get(&site, "/api/v1/backendhealth").await;
    assert_eq!(sent, expected);
    for row in expected["rows"].as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        assert_eq!(get(&site, &format!("/api/v1/backendhealth/{id}")).await, *row);
    }
    let expected: Value = serde_json::from_str(include_str!("../report/events.json")).unwrap();
    assert_eq!(get(&site, "/api/v1/events").await, expected);
}

#[tokio::test]
async fn filters_keep_the_rows_that_are_asked_for() {
    let site = start(setup()).await;
    let check = async |query: &str, expected: &[&str], counts: [u64; 3]| {
        let report = get(&site, &format!("/api/v1/backendhealth?{query}")).await;
        let servers: Vec<_> =
            report["rows"].as_array().unwrap().iter().map(|row| row["server"].as_str().unwrap()).collect();
        assert_eq!(servers, expected, "{query}");
        let summary = ["healthy", "unhealthy", "unknown"].map(|state| report["summary"][state].as_u64().unwrap());
        assert_eq!(summary, counts, "{query}");
    };
    check("state=Healthy", &["10.0.0.4"], [1, 0, 0]).await;
    check("state=unhealthy", &["10.0.0.5", "2001:db8::7"], [0, 2, 0]).await;
    check("state=UNKNOWN&state=healthy&pool=web", &["10.0.0.4"], [1, 0, 0]).await;
    check("pool=data&pool=mail", &["db.example.com", "mx.example.com"], [0, 0, 2]).await;
    check("setting=http-80", &["2001:db8::7"], [0, 1, 0]).await;
    check("server=%5B2001:DB8::7%5D", &["2001:db8::7"], [0, 1, 0]).await;
    check("cause=cert_expired", &["10.0.0.5"], [0, 1, 0]).await;
    check("q=web+503", &["2001:db8::7"], [0, 1, 0]).await;
    check("pool=nobody", &[], [0, 0, 0]).await;
    check("pool=", &["10.0.0.4", "10.0.0.5", "2001:db8::7", "db.example.com", "mx.example.com"], [1, 2, 2]).await;
}

#[tokio::test]
async fn events_come_the_latest_first_and_as_many_as_are_wanted() {
    let site = start(setup()).await;
    let check = async |query: &str, expected: &[u64]| {
        let events = get(&site, &format!("/api/v1/events?{query}")).await;
        let numbers: Vec<_> =
            events["events"].as_array().unwrap().iter().map(|event| event["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, expected, "{query}");
    };
    check("", &[4, 3, 2, 1]).await;
    check("limit=2", &[4, 3]).await;
    check("limit=1000", &[4, 3, 2, 1]).await;
    check("state=healthy", &[2, 1]).await;
    check("state=healthy&limit=1", &[2]).await;
    check("server=10.0.0.5", &[3, 2]).await;
    check("cause=cert_expired", &[3]).await;
    check("pool=mail", &[]).await;
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_in_json_with_what_would_be_right() {
    let site = start(setup()).await;
    let check = async |method: &str, path: &str, status: u16, code: &str, message: &str| {
        let method: Method = method.parse().unwrap();
        let response = client().request(method, site.http(path)).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let allow = header(&response, "allow");
        let error = json(response).await;
        assert_eq!(error["error"]["code"], code, "{path}");
        let text = error["error"]["message"].as_str().unwrap();
        assert!(text.contains(message), "{path}: {text}");
        assert_eq!(error.as_object().unwrap().len(), 1, "{path}");
        assert_eq!(allow, if status == 405 { "GET,HEAD" } else { "" }, "{path}");
    };
    let report = "/api/v1/backendhealth";
    check("GET", &format!("{report}?state=up"), 400, "bad_parameter", "\"up\" is none of Healthy, Unhealthy, Unknown")
        .await;
    check("GET", &format!("{report}?cause=broken"), 400, "bad_parameter", "\"broken\" is no cause").await;
    check("GET", &format!("{report}?status=Healthy"), 400, "bad_parameter", "there are pool, setting, server, state")
        .await;
    check("GET", "/api/v1/events?limit=", 400, "bad_parameter", "1 to 100000").await;
    for path in ["/api/v1/backendhealth", "/api/v1/events", "/api/v1/stream"] {
        let empty = "state has no value; leave it out, or give one of ";
        check("GET", &format!("{path}?pool=&state="), 400, "bad_parameter", empty).await;
    }
    check("GET", "/api/v1/events?limit=0", 400, "bad_parameter", "limit \"0\" is no number from 1 to 100000").await;
    check("GET", "/api/v1/events?limit=100001", 400, "bad_parameter", "1 to 100000").await;
    check("GET", "/api/v1/events?limit=x", 400, "bad_parameter", "1 to 100000").await;
    check("GET", "/api/v1/events?since=noon", 400, "bad_parameter", "since \"noon\" is no time").await;
    check("GET", "/api/v1/events?state=up", 400, "bad_parameter", "none of").await;
    for id in ["00000000000000ff", "11", "xyz", "0000000000000011x", "%00", "..%2f"] {
        check("GET", &format!("{report}/{id}"), 404, "not_found", "no row has the id").await;
    }
    for path in ["/api/v1/nothing", "/api/", "/api", "/api/v2/backendhealth", "/api/v1/backendhealth/a/b"] {
        check("GET", path, 404, "not_found", "/api/v1/openapi.json lists what is").await;
        check("POST", path, 404, "not_found", "/api/v1/openapi.json lists what is").await;
    }
    for path in [report, "/api/v1/backendhealth/0000000000000011", "/api/v1/events", "/api/v1/stream"] {
        check("POST", path, 405, "method_not_allowed", "Allow").await;
        check("DELETE", path, 405, "method_not_allowed", "Allow").await;
    }
}

#[tokio::test]
async fn a_client_that_has_the_answer_is_told_so() {
    let table = table::sample();
    let site = start(Setup { table: table.clone(), ..Setup::default() }).await;
    let ask = async |path: &str, tag: &str| {
        let request = client().get(site.http(path)).header("if-none-match", tag).header("accept-encoding", "gzip");
        let response = request.send().await.unwrap();
        assert_eq!(header(&response, "cache-control"), "no-cache", "{path}");
        assert_eq!(header(&response, "vary"), "Accept-Encoding", "{path}");
        let (status, tag) = (response.status().as_u16(), header(&response, "etag"));
        let length = response.bytes().await.unwrap().len();
        assert_eq!(length == 0, status == 304, "{path}");
        (status, tag)
    };
    let paths = [
        "/api/v1/backendhealth",
        "/api/v1/backendhealth?state=healthy",
        "/api/v1/backendhealth/0000000000000011",
        "/api/v1/events",
        "/api/v1/openapi.json",
    ];
    for path in paths {
        let (status, tag) = ask(path, "\"other\"").await;
        assert_eq!(status, 200, "{path}");
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{path}: {tag}");
        assert_eq!(ask(path, &tag).await, (304, tag.clone()), "{path}");
        assert_eq!(ask(path, "*").await, (304, tag.clone()), "{path}");
        assert_eq!(ask(path, &format!("\"a\", {tag}, \"b\"")).await, (304, tag.clone()), "{path}");
        assert_eq!(ask(path, tag.trim_start_matches("W/")).await, (304, tag.clone()), "{path}");
    }
    assert_eq!(site.get("/api/v1/backendhealth/ff").await.status(), 404);
    let (_, tag) = ask(paths[0], "").await;
    let (_, events) = ask(paths[3], "").await;
    // The same state as before: the report is another one, the events are not.
    let row = table.snapshot(sample::now()).rows.remove(0);
    table.record(&row.target, sample::success(row.target.protocol()), sample::now());
    let (status, newer) = ask(paths[0], &tag).await;
    assert_eq!(status, 200);
    assert_ne!(newer, tag);
    assert_eq!(ask(paths[3], &events).await.0, 304);
    // Another process's tags are not ours, whatever has happened there.
    let other = start(setup()).await;
    let request = client().get(other.http(paths[0])).header("if-none-match", tag);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn gzip_is_the_same_in_fewer_bytes() {
    let site = start(setup()).await;
    for path in
        ["/api/v1/backendhealth", "/api/v1/backendhealth/0000000000000012", "/api/v1/events", "/api/v1/openapi.json"]
    {
        let plain = site.get(path).await;
        assert_eq!(header(&plain, "content-encoding"), "");
        let plain = plain.bytes().await.unwrap();
        let packed = client().get(site.http(path)).header("accept-encoding", "br, gzip").send().await.unwrap();
        assert_eq!(header(&packed, "content-encoding"), "gzip", "{path}");
        let packed = packed.bytes().await.unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain && packed.len() < plain.len(), "{path}");
    }
}

#[tokio::test]
async fn head_gets_the_headers_alone() {
    let site = start(setup()).await;
    for path in
        ["/api/v1/backendhealth", "/api/v1/backendhealth/0000000000000012", "/api/v1/events", "/api/v1/openapi.json"]
    {
        let (get, head) = (site.get(path).await, client().head(site.http(path)).send().await.unwrap());
        assert_eq!(head.status(), 200, "{path}");
        for name in ["content-type", "etag", "cache-control", "vary"] {
            assert_eq!(header(&head, name), header(&get, name), "{path} {name}");
        }
        assert_eq!(head.bytes().await.unwrap().len(), 0, "{path}");
    }
    let missing = client().head(site.http("/api/v1/backendhealth/ff")).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn links_lead_to_where_the_site_is_seen_from_outside() {
    let check = async |external: Option<&str>, prefix: Option<&str>, below: &str, expected: &str| {
        let paths = Paths::parse(external, prefix, "/metrics").unwrap();
        let site = start(Setup { paths, ..setup() }).await;
        let url = "docs_url";
        let row = get(&site, &format!("{below}/api/v1/backendhealth/0000000000000012")).await;
        assert_eq!(row["cause"][url], format!("{expected}/docs/troubleshooting#cert_expired"));
        assert_eq!(row["also"][0][url], format!("{expected}/docs/troubleshooting#cert_name_mismatch"));
        let events = get(&site, &format!("{below}/api/v1/events?cause=cert_expired")).await;
        assert_eq!(events["events"][0]["cause"][url], row["cause"][url]);
        let document = get(&site, &format!("{below}/api/v1/openapi.json")).await;
        assert_eq!(document["servers"][0]["url"], if expected.is_empty() { "/" } else { expected });
        let error = site.get(&format!("{below}/api/v1/nothing")).await;
        assert_eq!((error.status().as_u16(), &*header(&error, "content-type")), (404, "application/json"));
        assert_eq!(site.get(&format!("{below}/docs/troubleshooting")).await.status(), 200);
    };
    check(None, None, "", "").await;
    check(None, Some("/a/b"), "/a/b", "/a/b").await;
    check(Some("https://outer.example/a/"), None, "/a", "https://outer.example/a").await;
    check(Some("https://outer.example/a"), Some("/"), "", "https://outer.example/a").await;
}

#[tokio::test]
async fn reports_beyond_the_bound_are_told_to_come_again_and_keep_no_scrape_out() {
    // Connections that do not read hold all the places there are.
    let rows: Vec<_> = table::sample().snapshot(sample::now()).rows.into_iter().collect();
    let targets: Vec<_> = (0..20_000_u64)
        .map(|number| {
            let target = Target::clone(&rows[4].target);
            Arc::new(Target { id: TargetId(number), server: format!("s{number}").into(), ..target })
        })
        .collect();
    let table = table::sample();
    table.replace(&targets, sample::now());
    let limits = Limits { scrapes: 1, scrape_wait: Duration::from_millis(50), ..Limits::default() };
    let site = start(Setup { limits, table, ..Setup::default() }).await;
    let mut lazy = site.get("/api/v1/backendhealth").await;
    assert!(lazy.chunk().await.unwrap().is_some());
    let second = site.get("/api/v1/backendhealth").await;
    assert_eq!((second.status().as_u16(), &*header(&second, "retry-after")), (503, "1"));
    assert_eq!(json(second).await["error"]["code"], "busy");
    assert_eq!(site.get("/metrics").await.status(), 200);
    let mut length = 0;
    while let Some(chunk) = lazy.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert!(length > 10_000_000, "{length}");
}
