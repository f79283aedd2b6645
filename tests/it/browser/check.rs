//! Connection troubleshoot in a real browser: live part by part, and without a script as a page of its own.

use backend_health_exporter::lab::{Backend, http};
use serde_json::{Value, json};

use super::{Browser, ENTER, Look, demo};
use crate::exporter::{ConfigFile, Exporter};

const EXPIRED: &str = "pool=payments&setting=payments-https&server=127.20.6.3";
const REFUSED: &str = "pool=shop&setting=http&server=127.20.1.10";
const NO_NAME: &str = "pool=services&setting=http&server=missing.lab.test";
const HEALTHY: &str = "pool=payments&setting=payments-https&server=127.20.6.1";
const HANGS: &str = "pool=shop&setting=http&server=127.20.1.5";

const VERDICT: &str = "document.querySelector('#check-verdict')?.textContent.trim() ?? ''";
const SAID: &str = "document.querySelector('#check-said').textContent";
const FOCUS: &str = "document.activeElement.id";

fn row(query: &str) -> String {
    format!("/row?{query}#troubleshoot")
}

/// Presses the button as the keys do, and waits for the verdict.
async fn run(browser: &Browser) {
    browser.eval("document.querySelector('#check-run').focus()").await;
    browser.press(ENTER).await;
    browser.until("there is a verdict", &format!("({VERDICT}) !== '' && document.readyState === 'complete'")).await;
}

#[tokio::test]
async fn each_part_is_shown_as_it_begins_and_the_result_comes_in_place() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url(&row(EXPIRED))).await;
    assert_eq!(browser.eval("document.querySelector('#check-parts').hidden").await, true);
    // What is seen, and what is said aloud, from the first part on.
    browser
        .eval(
            "window.same = true; window.seen = []; window.heard = []; \
             new MutationObserver(() => { \
                 const now = document.querySelector('#check-parts [aria-current=step]')?.dataset.part; \
                 if (now && window.seen.at(-1) !== now) window.seen.push(now); \
             }).observe(document.querySelector('#check-parts'), { subtree: true, attributes: true }); \
             new MutationObserver(() => window.heard.push(document.querySelector('#check-said').textContent)) \
                 .observe(document.querySelector('#check-said'), { childList: true }); null",
        )
        .await;
    run(&browser).await;
    assert_eq!(browser.eval("window.seen").await, json!(["probe", "tcp", "path", "tls"]));
    let heard = browser.eval("window.heard").await;
    assert!(heard.as_array().unwrap().contains(&json!("Part 3 of 6: connecting to every address")), "{heard}");
    assert_eq!(browser.eval("document.querySelector('#check-said').getAttribute('role')").await, "status");
    assert_eq!(browser.eval(VERDICT).await, "Unhealthy: Certificate expired");
    browser.until("it is said", &format!("/^Done after .* m?s\\. Unhealthy: Certificate expired$/.test({SAID})")).await;
    browser.until("who listens is led to the verdict", &format!("{FOCUS} === 'check-verdict'")).await;
    let parts = "[...document.querySelectorAll('#check-parts li')].map(it => it.dataset.is)";
    assert_eq!(browser.eval(parts).await, json!(["left", "done", "done", "done", "done", "left"]));
    assert!(browser.eval("document.querySelectorAll('#check-result ol.remedy li').length").await.as_u64() > Some(0));
    let text = browser.eval("document.querySelector('#check-result').innerText").await;
    let text = text.as_str().unwrap();
    for words in
        ["What to do", "Route", "TCP: 10 of 10 connections opened", "Certificates as sent", "As they should be"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(browser.eval("window.same && location.pathname").await, "/row", "it is the same page");
    // Somebody else can be sent the result.
    let address = browser.eval("document.querySelector('.check-keep a').getAttribute('href')").await;
    let address = address.as_str().unwrap().trim_start_matches('.').to_owned();
    let kept = exporter.get(&address).await;
    assert_eq!(kept.status, 200);
    assert!(
        kept.body.contains("Connection troubleshoot of") && kept.body.contains("Certificate expired"),
        "{}",
        kept.body
    );
    let gone = exporter.get("/troubleshoot?result=0123456789abcdef").await;
    assert!(gone.status == 404 && gone.body.contains("This result is gone"), "{}", gone.body);
    browser.click("[data-copies=check-text]").await;
    let copied =
        "/^Copied$|^Marked: press Ctrl\\+C$/.test(document.querySelector('[data-copies=check-text]').textContent)";
    browser.until("it is copied", copied).await;
    browser.eval("getSelection().removeAllRanges()").await;
    // Once more: the first result makes room at once.
    run(&browser).await;
    assert_eq!(browser.eval("document.querySelectorAll('#check-verdict').length").await, 1);
    assert_eq!(browser.console().await, [""; 0]);
}

#[tokio::test]
async fn a_check_can_be_cancelled_and_a_refusal_is_said() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url(&row(HANGS))).await;
    browser.eval("document.querySelector('#check-run').focus()").await;
    browser.press(ENTER).await;
    browser.until("a part is under way", "!!document.querySelector('#check-parts [aria-current=step]')").await;
    assert_eq!(browser.eval(FOCUS).await, "check-cancel");
    assert_eq!(browser.eval("document.querySelector('#check-run').hidden").await, true);
    browser.press(ENTER).await;
    browser.until("it is cancelled", &format!("/^Cancelled after /.test({SAID})")).await;
    assert_eq!(browser.eval(FOCUS).await, "check-run");
    assert_eq!(browser.eval("document.querySelectorAll('#check-parts [aria-current]').length").await, 0);
    assert_eq!(browser.eval(VERDICT).await, "");

    let refused = "window.fetch = async () => new Response('4 checks are under way\\n', \
                   { status: 429, headers: { 'content-type': 'text/plain' } }); null";
    browser.eval(refused).await;
    browser.press(ENTER).await;
    browser.until("the refusal is said", &format!("{SAID} === '4 checks are under way'")).await;
    assert_eq!(browser.eval(FOCUS).await, "check-run", "to try again");
    drop(exporter);
    browser.eval("window.fetch = () => Promise.reject(new TypeError('gone')); null").await;
    browser.press(ENTER).await;
    browser.until("it is said", &format!("/^The exporter does not answer/.test({SAID})")).await;
}

#[tokio::test]
async fn it_works_without_a_script() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default().without_script()).await;
    for (query, verdict) in [(EXPIRED, "Unhealthy: Certificate expired"), (NO_NAME, "Unknown: Name does not exist")] {
        browser.open(&exporter.url(&row(query))).await;
        run(&browser).await;
        assert_eq!(browser.eval(VERDICT).await, verdict);
        assert_eq!(browser.eval("location.pathname").await, "/troubleshoot");
        let remedy = "document.querySelectorAll('#check-result ol.remedy li').length";
        assert!(browser.eval(remedy).await.as_u64() > Some(0));
        // And once more from there, and back.
        run(&browser).await;
        assert_eq!(browser.eval(VERDICT).await, verdict);
        browser.click(".crumbs a").await;
        browser.until("it leads back", "location.pathname === '/row'").await;
    }
}

#[tokio::test]
async fn the_result_fits_every_window_and_keeps_nobody_out() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    for (name, query, verdict) in [
        ("expired", EXPIRED, "Unhealthy: Certificate expired"),
        ("refused", REFUSED, "Unhealthy: Connection refused"),
        ("no-name", NO_NAME, "Unknown: Name does not exist"),
        ("healthy", HEALTHY, "Healthy"),
    ] {
        browser.look(Look::default()).await;
        browser.open(&exporter.url(&row(query))).await;
        run(&browser).await;
        assert_eq!(browser.eval(VERDICT).await, verdict);
        for (kind, look) in [
            ("wide", Look { height: 2400, ..Look::default() }),
            ("phone", Look { height: 4200, ..Look::PHONE }),
            ("dark", Look { height: 2400, ..Look::default().dark() }),
            ("phone-dark", Look { height: 4200, ..Look::PHONE.dark() }),
        ] {
            browser.look(look).await;
            let what = format!("troubleshoot-{name}-{kind}");
            assert_eq!(browser.overflow().await, 0, "{what}");
            browser.eval("document.querySelector('#troubleshoot').scrollIntoView()").await;
            browser.keep_screenshot(&what).await;
            browser.assert_accessible(&what).await;
        }
    }
}

#[tokio::test]
async fn the_page_of_a_result_fits_every_window_and_keeps_nobody_out() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    for query in [EXPIRED, NO_NAME] {
        browser.look(Look::default()).await;
        browser.open(&exporter.url(&row(query))).await;
        // As without the script, which hears of a submission by the button alone.
        browser.eval("document.querySelector('#check-form').submit()").await;
        browser
            .until("the page is there", "location.pathname === '/troubleshoot' && document.readyState === 'complete'")
            .await;
        for look in [Look::default(), Look { height: 4400, ..Look::PHONE }] {
            browser.look(look).await;
            assert_eq!(browser.overflow().await, 0, "{query}");
            browser.assert_accessible(query).await;
        }
        browser.keep_screenshot(&format!("troubleshoot-page-{}", query.len())).await;
        // There the script runs the next one in place.
        browser.eval("window.same = true").await;
        run(&browser).await;
        browser.until("it is done", &format!("/^Done after /.test({SAID})")).await;
        assert_eq!(browser.eval("window.same").await, true);
    }
}

#[tokio::test]
async fn what_a_hostile_server_says_is_shown_as_text() {
    const BODY: &str =
        "</pre><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u{202e}x";
    let backend = Backend::start([127, 0, 0, 1].into(), http::status(500, BODY)).unwrap();
    let config = ConfigFile::new(&format!(
        "backend_settings:\n  - {{name: s, protocol: http, port: {}}}\n\
         backend_pools:\n  - {{name: p, settings: [s], servers: [127.0.0.1]}}\n",
        backend.address().port()
    ));
    let exporter = Exporter::run(&config.path).await;
    exporter.ready().await;
    for look in [Look::default(), Look::default().without_script()] {
        let browser = Browser::start(look).await;
        browser.open(&exporter.url(&row("pool=p&setting=s&server=127.0.0.1"))).await;
        run(&browser).await;
        let foreign = "document.querySelectorAll('main script, main img, main [onerror]').length";
        assert_eq!(browser.eval(foreign).await, 0);
        let text = browser.eval("document.querySelector('#check-result').textContent").await;
        let text = text.as_str().unwrap();
        assert!(text.contains("</pre><script>document.title='owned'</script>") && !text.contains('\u{202e}'), "{text}");
        assert!(!browser.eval("document.title").await.as_str().unwrap().contains("owned"));
        assert_eq!(browser.console().await, [""; 0]);
        assert_ne!(browser.eval(VERDICT).await, Value::Null);
    }
}
