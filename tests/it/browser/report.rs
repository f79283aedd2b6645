//! The report page in a real browser: filters, paging, live changes, keys, narrow windows, dark colours, hostile text.

use std::fmt::Write as _;

use backend_health_exporter::lab::{Backend, http};
use serde_json::Value;
use tokio::time::Instant;

use super::window::blesses;
use super::{Browser, ENTER, Look, TAB, demo};
use crate::exporter::{ConfigFile, Exporter};
use crate::faults::LOCALHOST;

const ROWS: &str = "document.querySelectorAll('tbody tr').length";
/// Every row of the demo is in its state and has a past, and this host keeps up.
const SETTLED: &str = "!document.querySelector('.doubt') && document.querySelector('h1').textContent.includes(' Unhealthy, ') \
                       && document.body.textContent.includes('all 20 succeeded')";
const HEADLINE: &str = "document.querySelector('h1').textContent";

/// An exporter that probes these backends of the pool `web` four times a second.
pub(super) async fn probing(backends: &[&Backend]) -> (Exporter, ConfigFile) {
    let mut yaml = "probes: [{name: quick, protocol: http, interval: 250ms, timeout: 200ms, unhealthy_threshold: 2}]\n\
                    backend_settings:\n"
        .to_owned();
    let mut pools = "backend_pools:\n".to_owned();
    for (number, backend) in backends.iter().enumerate() {
        let (ip, port) = (backend.address().ip(), backend.address().port());
        writeln!(yaml, "  - {{name: s{number}, protocol: http, port: {port}, probe: quick}}").unwrap();
        writeln!(pools, "  - {{name: pool{number}, settings: [s{number}], servers: [{ip}]}}").unwrap();
    }
    let config = ConfigFile::new(&(yaml + &pools));
    let exporter = Exporter::run(&config.path).await;
    exporter.ready().await;
    (exporter, config)
}

pub(super) fn ok() -> Backend {
    Backend::start(LOCALHOST, http::ok()).unwrap()
}

#[tokio::test]
async fn a_browser_shows_the_report_without_a_complaint() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser.until("the page is live", "document.getElementById('live').textContent === 'Live'").await;
    assert!(browser.eval(ROWS).await.as_u64().unwrap() > 40);
    let title = browser.eval("document.title").await;
    assert!(title.as_str().unwrap().contains("Unhealthy, "), "{title}");
    let tls = "[...document.querySelectorAll('td')].some(it => /TLS 1\\.[23] handshake/.test(it.textContent))";
    assert_eq!(browser.eval(tls).await, true);
    assert_eq!(browser.console().await, [""; 0]);
    browser.assert_accessible("the report").await;
    browser.until("a picture for others can be taken", &format!("{} || {SETTLED}", !blesses())).await;
    browser.bless_screenshot("report").await;
}

#[tokio::test]
async fn dark_phones_read_it_without_scrolling_sideways() {
    let exporter = demo().await;
    let browser = Browser::start(Look::PHONE.dark()).await;
    browser.open(&exporter.url("/")).await;
    browser.eval("document.querySelectorAll('details').forEach(it => it.open = true)").await;
    assert_eq!(browser.overflow().await, 0);
    let paper = browser.eval("getComputedStyle(document.body).backgroundColor").await;
    assert_eq!(paper, "rgb(20, 22, 26)");
    browser.assert_accessible("the report on a dark phone").await;
    browser.open(&exporter.url("/?view=rows")).await;
    assert_eq!(browser.overflow().await, 0);
    browser.open(&exporter.url("/")).await;
    browser.until("a picture for others can be taken", &format!("{} || {SETTLED}", !blesses())).await;
    browser.look(Look { height: 1250, ..Look::PHONE.dark() }).await;
    browser.bless_screenshot("report-phone-dark").await;
    // The narrowest window that zooming by 400 % makes of a small screen.
    browser.look(Look { width: 320, ..Look::PHONE }).await;
    browser.open(&exporter.url("/")).await;
    assert_eq!(browser.overflow().await, 0);
}

#[tokio::test]
async fn every_form_of_the_page_can_be_used_by_everybody() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    for query in ["/?view=rows", "/?pool=payments&state=unhealthy", "/?state=ill", "/?q=nothing+like+this"] {
        browser.open(&exporter.url(query)).await;
        browser.eval("document.querySelectorAll('details').forEach(it => it.open = true)").await;
        browser.assert_accessible(query).await;
    }
}

#[tokio::test]
async fn typing_filters_the_rows_and_the_address() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    let all = browser.eval(ROWS).await;
    browser.eval("document.getElementById('q').focus()").await;
    browser.press("payments").await;
    browser.until("the address follows", "location.search === '?q=payments'").await;
    browser.until("only those are left", &format!("/matching servers/.test({HEADLINE})")).await;
    assert_eq!(browser.eval("document.activeElement.id + document.activeElement.value").await, "qpayments");
    let pools = "[...document.querySelectorAll('tbody tr')].every(it => it.textContent.includes('payments'))";
    assert_eq!(browser.eval(pools).await, true);
    browser.until("it is said", &format!("document.getElementById('news').textContent === {HEADLINE}")).await;
    // Somebody who is sent the address sees the same.
    let seen = browser.eval("[...document.querySelectorAll('tbody tr')].map(it => it.id).sort().join()").await;
    let address = browser.eval("location.href").await;
    browser.open(address.as_str().unwrap()).await;
    assert_eq!(browser.eval("[...document.querySelectorAll('tbody tr')].map(it => it.id).sort().join()").await, seen);
    // Nothing typed: all rows again.
    browser.eval("document.getElementById('q').select()").await;
    browser.press("\u{e003}").await;
    browser.until("all rows are back", &format!("location.search === '' && {ROWS} === {all}")).await;
    // A choice of the form.
    browser.click(".more > summary").await;
    let choose = "{ const it = document.getElementById('state'); it.value = 'Unknown'; \
                  it.dispatchEvent(new Event('input', { bubbles: true })) }";
    browser.eval(choose).await;
    let only = "[...document.querySelectorAll('td.state')].every(it => it.textContent.includes('Unknown'))";
    browser.until("only Unknown rows", &format!("location.search === '?state=Unknown' && {only}")).await;
}

#[tokio::test]
async fn a_backend_that_dies_changes_the_page_without_a_reload() {
    let (first, second) = (ok(), ok());
    let (exporter, _config) = probing(&[&first, &second]).await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser.until("all is well", &format!("{HEADLINE} === 'All 2 servers are Healthy.'")).await;
    browser.eval("window.same = true; document.querySelector('.more').open = true").await;
    browser.eval("document.getElementById('server').focus()").await;
    drop(second);
    browser
        .until("it is seen", &format!("{HEADLINE} === '1 pool has no healthy server. 1 of 2 servers is Unhealthy.'"))
        .await;
    browser.until("in the title", "document.title.startsWith('1 Unhealthy, 1 Healthy')").await;
    assert!(browser.eval("document.getElementById('icon').href").await.as_str().unwrap().contains("unhealthy.svg"));
    let card = browser.eval("document.querySelector('article').innerText").await;
    assert!(card.as_str().unwrap().contains("Connection refused: pool pool1"), "{card}");
    browser
        .until(
            "it is said",
            "/pool1 is Unhealthy: Connection refused/.test(document.getElementById('news').textContent)",
        )
        .await;
    assert_eq!(browser.eval("window.same").await, true, "it is the same page");
    assert_eq!(browser.eval("document.activeElement.id").await, "server", "who typed, types on");
    assert_eq!(browser.eval("document.querySelector('.more').open").await, true);

    // What somebody opened stays open, and who stands on a link stays there, while the page changes below.
    browser
        .eval(
            "document.querySelector('article .advice details').open = true; document.querySelector('tbody a').focus()",
        )
        .await;
    let focused = browser.eval("document.activeElement.href").await;
    let updated = browser.eval("document.getElementById('as-of').textContent").await;
    let changed = format!("document.getElementById('as-of').textContent !== {updated}");
    browser.until("it goes on", &changed).await;
    assert_eq!(browser.eval("document.querySelector('article .advice details').open").await, true);
    assert_eq!(browser.eval("document.activeElement.href").await, focused);
}

#[tokio::test]
async fn every_way_of_showing_the_rows_is_live() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    for query in ["?view=rows", "?view=rows&page=1&pool=shop", "?state=Unhealthy&q=shop", "?unheard=of"] {
        browser.open(&exporter.url(&format!("/{query}"))).await;
        browser.until(query, "document.getElementById('live').textContent === 'Live'").await;
    }
    assert_eq!(browser.console().await, [""; 0]);
}

#[tokio::test]
async fn a_page_says_since_when_it_is_not_live() {
    let backend = ok();
    let (exporter, _config) = probing(&[&backend]).await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser.until("the page is live", "document.getElementById('live').textContent === 'Live'").await;
    drop(exporter);
    let lost = "/^Not live since \\d\\d:\\d\\d:\\d\\d, retrying$/.test(document.getElementById('live').textContent)";
    browser.until("it says so", lost).await;
    assert_eq!(browser.eval(ROWS).await, 1, "what was known stays");
}

#[tokio::test]
async fn text_that_is_marked_to_be_copied_stays_as_it_is() {
    let backend = ok();
    let (exporter, _config) = probing(&[&backend]).await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser.until("the page is live", "document.getElementById('live').textContent === 'Live'").await;
    browser.eval("getSelection().selectAllChildren(document.querySelector('tbody th'))").await;
    let marked = browser.eval("getSelection().toString()").await;
    let as_of = "document.getElementById('as-of').textContent";
    let before = browser.eval(as_of).await;
    // As many signs of changes as several updates need.
    let count = "window.signs = 0; \
                 new EventSource('api/v1/stream').addEventListener('report', () => window.signs++)";
    browser.eval(count).await;
    browser.until("it would have been updated", "window.signs >= 5").await;
    assert_eq!(browser.eval(as_of).await, before);
    assert_eq!(browser.eval("getSelection().toString()").await, marked);
    browser.eval("getSelection().removeAllRanges()").await;
    browser.until("it goes on", &format!("{as_of} !== {before}")).await;
}

#[tokio::test]
async fn the_keys_alone_lead_everywhere() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser.press(TAB).await;
    assert_eq!(browser.eval("document.activeElement.textContent").await, "Skip to the report");
    let visible = "{ const box = document.activeElement.getBoundingClientRect(); box.width > 40 && box.height > 20 }";
    assert_eq!(browser.eval(visible).await, true, "it is seen when it has the focus");
    browser.press(ENTER).await;
    assert_eq!(browser.eval("document.activeElement.id").await, "content");
    browser.press(TAB).await;
    assert_eq!(browser.eval("document.activeElement.className").await, "unhealthy");
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "the focus is seen");
    browser.press(ENTER).await;
    browser
        .until("the filter is on", "location.search === '?state=Unhealthy' && document.readyState === 'complete'")
        .await;
    // Everything that can be clicked has its turn, from the top of the page to the first card.
    let mut seen = Vec::new();
    for _ in 0..60 {
        browser.press(TAB).await;
        let here = "document.activeElement.closest('article') ? 'card' : document.activeElement.closest('form') ? 'form' \
                    : document.activeElement.closest('.pools') ? 'pools' : document.activeElement.localName";
        let here = browser.eval(here).await.as_str().unwrap().to_owned();
        if here == "card" {
            break;
        }
        seen.push(here);
    }
    for place in ["pools", "form", "a"] {
        assert!(seen.iter().any(|here| here == place), "{place} in {seen:?}");
    }
    assert_eq!(browser.eval("document.activeElement.localName").await, "summary");
    browser.press(ENTER).await;
    assert_eq!(browser.eval("document.activeElement.parentElement.open").await, true, "the steps are open");
}

#[tokio::test]
async fn all_of_it_works_without_a_script() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default().without_script()).await;
    browser.open(&exporter.url("/")).await;
    assert_eq!(browser.eval("document.getElementById('live').hidden").await, true, "nothing claims to be live");
    browser.click("#q").await;
    browser.press(&format!("payments{ENTER}")).await;
    browser
        .until("the form is sent", &format!("location.search.includes('q=payments') && /matching/.test({HEADLINE})"))
        .await;
    browser.click(".tiles a.healthy").await;
    browser.until("the link leads on", "location.search.includes('state=Healthy')").await;
    let only = "[...document.querySelectorAll('td.state')].every(it => it.textContent.includes('Healthy'))";
    assert_eq!(browser.eval(only).await, true);
    assert_eq!(browser.eval("document.getElementById('q').value").await, "payments");
}

#[tokio::test]
async fn what_a_server_sends_is_shown_and_never_run() {
    const BODY: &str =
        "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><h1>owned</h1>";
    let hostile = Backend::start(LOCALHOST, http::status(500, BODY)).unwrap();
    let (exporter, _config) = probing(&[&hostile]).await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser
        .until("it is shown", "document.querySelector('td.why code')?.textContent.includes('<script>document.title')")
        .await;
    // And when the page takes over what changed.
    let updated = browser.eval("document.getElementById('as-of').textContent").await;
    browser.until("it goes on", &format!("document.getElementById('as-of').textContent !== {updated}")).await;
    assert!(!browser.eval("document.title").await.as_str().unwrap().contains("owned"));
    assert_eq!(browser.eval("document.querySelectorAll('h1, main script, img').length").await, 1);
    let complaints = browser.console().await;
    assert_eq!(complaints, [""; 0], "nothing was even tried");
}

#[tokio::test]
async fn ten_thousand_rows_are_seen_in_a_second() {
    let mut yaml = "probes: [{name: slow, protocol: tcp, interval: 1h, timeout: 1s}]\n\
                    backend_settings: [{name: s, protocol: tcp, port: 9, probe: slow}]\n\
                    backend_pools:\n  - name: large\n    settings: [s]\n    servers:\n"
        .to_owned();
    for number in 0..10_000 {
        writeln!(yaml, "      - 127.{}.{}.{}", 60 + number / 5000, number % 5000 / 250, number % 250 + 1).unwrap();
    }
    let config = ConfigFile::new(&yaml);
    let exporter = Exporter::run(&config.path).await;
    let browser = Browser::start(Look::default()).await;
    // The browser's own first steps are not the page's.
    browser.open(&exporter.url("/-/healthy")).await;
    let started = Instant::now();
    browser.open(&exporter.url("/?view=rows")).await;
    let loaded = started.elapsed();
    let painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null";
    browser.until("it is painted", &format!("({painted}) !== null")).await;
    let painted = browser.eval(painted).await.as_f64().unwrap();
    let answered = browser.eval("performance.getEntriesByType('navigation')[0].responseEnd").await;
    let bytes = browser.eval("performance.getEntriesByType('navigation')[0].encodedBodySize").await;
    println!("10,000 rows: answered {answered} ms, first paint {painted} ms, loaded {loaded:?}, {bytes} bytes");
    assert_eq!(browser.eval(ROWS).await, 100);
    // In the debug profile, beside other tests; a second on a machine of its own.
    assert!(painted < 5_000.0, "first paint after {painted} ms");
    assert!(browser.eval(HEADLINE).await != Value::Null);
}
