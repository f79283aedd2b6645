//! The shipped documentation over real sockets: every page, every anchor, and no link that leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use backend_health_exporter::verdict::{Cause, Notice};
use backend_health_exporter::view::page::docs::{DOCS, PICTURES};
use reqwest::Method;

use crate::web::{Running, Setup, client, header, start};

async fn page(site: &Running, path: &str) -> String {
    let response = site.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8", "{path}");
    assert!(!header(&response, "content-security-policy").is_empty(), "{path}");
    response.text().await.unwrap()
}

/// The values of an attribute.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    html.split(&start).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

fn names(directory: &str, extension: &str) -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(extension)).collect()
}

#[test]
fn every_text_and_picture_is_shipped() {
    let shipped: BTreeSet<String> = DOCS.iter().map(|doc| format!("{}.md", doc.name)).collect();
    assert_eq!(names("docs", ".md"), shipped, "src/view/page/docs.rs lists what is shipped");
    let shipped: BTreeSet<String> = PICTURES.iter().map(|picture| picture.name.to_owned()).collect();
    assert_eq!(names("docs/screenshots", ".png"), shipped, "src/view/page/docs.rs lists what is shipped");
    let bytes: usize = PICTURES.iter().map(|picture| picture.png.len()).sum();
    assert!(bytes < 4_000_000, "the pictures make the program {bytes} bytes larger");
}

#[test]
fn what_a_text_links_to_is_there() {
    for doc in DOCS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let text = fs::read_to_string(directory.join(format!("{}.md", doc.name))).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
            let file = target.split_once('#').map_or(target, |(file, _)| file);
            let is_there = file.is_empty() || file.contains("://") || directory.join(file).exists();
            assert!(is_there, "docs/{}.md links to {target}", doc.name);
        }
    }
}

#[tokio::test]
async fn every_cause_and_notice_has_its_section() {
    let site = start(Setup::default()).await;
    let html = page(&site, "/docs/troubleshooting").await;
    let ids: BTreeSet<&str> = values(&html, "id").into_iter().collect();
    let codes = Cause::ALL.iter().map(|cause| cause.code());
    for code in codes.chain(Notice::ALL.iter().map(|notice| notice.words().code)) {
        assert!(ids.contains(code), "there is no section for {code}");
        assert!(html.contains(&format!("<h3 id=\"{code}\">")), "{code} is no heading");
    }
}

#[tokio::test]
async fn no_link_leads_nowhere() {
    let site = start(Setup::default()).await;
    let mut pages = BTreeMap::from([(String::new(), page(&site, "/docs/").await)]);
    for doc in DOCS {
        pages.insert(doc.name.to_owned(), page(&site, &format!("/docs/{}", doc.name)).await);
    }
    let mut followed = 0;
    for (name, html) in &pages {
        let ids = values(html, "id");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id of {name} is there twice");
        for target in [values(html, "href"), values(html, "src")].concat() {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = path.strip_prefix("./").unwrap_or(path);
            // Links to the list of pages and to this page are both without a name.
            let same = if target.starts_with('#') { name } else { path };
            if let Some(html) = pages.get(same) {
                assert!(anchor.is_empty() || values(html, "id").contains(&anchor), "{name}: {target}");
            } else {
                let below_docs = || format!("/docs/{path}");
                let absolute = path.strip_prefix("..").map_or_else(below_docs, str::to_owned);
                let status = site.get(&absolute).await.status().as_u16();
                assert!(status == 200 || (path == "../-/ready" && status == 503), "{name}: {target} is {status}");
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed} links");
}

#[tokio::test]
async fn pages_are_whole_and_have_no_markup_of_their_own() {
    let site = start(Setup::default()).await;
    let index = page(&site, "/docs/").await;
    for doc in DOCS {
        assert!(index.contains(&format!("href=\"{}\"", doc.name)), "{} is not listed", doc.name);
        let html = page(&site, &format!("/docs/{}", doc.name)).await;
        assert_eq!(html.matches("<h1").count(), 1, "{}", doc.name);
        assert!(!html.contains("&lt;!--") && !html.contains("<!--"), "{}: a comment is seen", doc.name);
        assert!(!html.contains("&lt;a ") && !html.contains("&lt;img"), "{}: markup is seen", doc.name);
        assert_eq!(html.matches("<script").count(), 1, "{}: our own", doc.name);
    }
}

#[tokio::test]
async fn other_addresses_below_docs_are_told_apart() {
    let site = start(Setup::default()).await;
    let check = async |method: Method, path: &str, status: u16, location: &str| {
        let response = client().request(method, site.http(path)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &*header(&response, "location")), (status, location), "{path}");
    };
    check(Method::GET, "/docs", 302, "docs/").await;
    check(Method::HEAD, "/docs/", 200, "").await;
    check(Method::HEAD, "/docs/certificates", 200, "").await;
    for path in ["/docs/nothing", "/docs/troubleshooting.md", "/docs/..%2fCargo.toml", "/docs/screenshots/nothing.png"]
    {
        check(Method::GET, path, 404, "").await;
    }
    check(Method::POST, "/docs/", 405, "").await;
}
