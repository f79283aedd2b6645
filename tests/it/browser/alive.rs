//! The pages never look alive when they are not: an exporter that hangs or is gone, a hidden tab, a refused configuration.

use std::time::{Duration, Instant};

use backend_health_exporter::lab::{Backend, http};
use serde_json::json;

use super::report::{ok, probing};
use super::{Browser, Look};
use crate::faults::LOCALHOST;

const LIVE: &str = "document.getElementById('live').textContent === 'Live'";
const LOST: &str = "!document.getElementById('lost').hidden";
/// What the tab says, and whether the banner spans the window at its top, wherever the page is scrolled to.
const SEEN: &str = "(() => {
    scrollTo(0, 1e6);
    const box = document.getElementById('lost').getBoundingClientRect();
    const seen = [document.title.startsWith('No answer – '), /lost\\.svg/.test(document.getElementById('icon').href),
        box.left === 0 && box.width === document.documentElement.clientWidth && box.top === 0,
        /^No answer from the exporter for \\d+ s; what you see is from \\d\\d:\\d\\d:\\d\\d UTC\\.$/
            .test(document.getElementById('lost').innerText.trim()),
        getComputedStyle(document.querySelector('main')).filter];
    scrollTo(0, 0);
    return seen;
})()";

#[tokio::test]
async fn a_page_says_within_five_seconds_that_nobody_answers() {
    let backends: Vec<Backend> = (0..12).map(|_| ok()).collect();
    let (exporter, _config) = probing(&backends.iter().collect::<Vec<_>>()).await;
    let browser = Browser::start(Look::PHONE).await;
    browser.open(&exporter.url("/?view=rows")).await;
    browser.until("the page is live", LIVE).await;

    // It hangs: no connection breaks, nothing comes.
    exporter.freeze(true);
    let frozen = Instant::now();
    browser.until("it says so", LOST).await;
    let took = frozen.elapsed();
    println!("an exporter that hangs is told after {took:?}");
    // The promise is 5 s on a machine of its own.
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(browser.eval(SEEN).await, json!([true, true, true, true, "grayscale(1)"]));
    assert_eq!(browser.overflow().await, 0);
    browser.assert_accessible("a page that nobody brings up to date").await;
    for (look, name) in [
        (Look::PHONE, "lost-375"),
        (Look { width: 768, ..Look::PHONE }.dark(), "lost-768-dark"),
        (Look { width: 1440, ..Look::default() }, "lost-1440"),
    ] {
        browser.look(look).await;
        browser.keep_screenshot(name).await;
    }
    exporter.freeze(false);
    browser.until("it is alive again", &format!("{LIVE} && !({LOST})")).await;
    let again = "!document.title.startsWith('No answer') && /healthy\\.svg/.test(document.getElementById('icon').href)";
    browser.until("the tab too", again).await;

    let killed = Instant::now();
    drop(exporter);
    browser.until("it is gone", LOST).await;
    println!("an exporter that is gone is told after {:?}", killed.elapsed());
    assert_eq!(browser.eval(SEEN).await, json!([true, true, true, true, "grayscale(1)"]));
    assert_eq!(browser.eval("document.querySelectorAll('tbody tr').length").await, 12, "what was known stays");
}

#[tokio::test]
async fn a_hidden_tab_follows_in_title_and_icon_and_says_when_nobody_answers() {
    let (first, second) = (ok(), ok());
    let (exporter, config) = probing(&[&first, &second]).await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    browser.until("the page is live", LIVE).await;
    // A refused configuration is told, and when it is right again.
    let text = std::fs::read_to_string(&config.path).unwrap();
    config.write_beside("backend_health.yml", text.replace("backend_pools:", "backend_pool:"));
    assert_eq!(exporter.reload().await.status, 500);
    let said = "/The changed configuration was refused: .*backend_pool.* is still in use\\./.test(document.getElementById('configuration').innerText)";
    browser.until("it is refused", said).await;
    browser.keep_screenshot("refused-configuration").await;
    config.write_beside("backend_health.yml", text);
    assert_eq!(exporter.reload().await.status, 200);
    browser.until("it is right again", "document.getElementById('configuration').innerText.trim() === ''").await;

    // Another tab is in front of it.
    browser.driver.chromium("Target.createTarget", json!({ "url": "about:blank" })).await;
    if browser.eval("document.hidden").await != true {
        // A window without a screen has no front: the page is told that it is hidden.
        let hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true }); \
                    document.dispatchEvent(new Event('visibilitychange'))";
        browser.eval(hide).await;
        println!("the tab is only told that it is hidden");
    }
    let titled = |words: &str, icon: &str| {
        format!("document.title.startsWith('{words}') && document.getElementById('icon').href.includes('{icon}.svg')")
    };
    browser.until("it counts", &titled("2 Healthy", "healthy")).await;
    drop(second);
    browser.until("it follows", &titled("1 Unhealthy, 1 Healthy", "unhealthy")).await;

    drop(exporter);
    browser.until("nobody answers", &titled("No answer", "lost")).await;
    assert_eq!(browser.console().await.iter().filter(|line| line.contains("Security")).count(), 0);
}

#[tokio::test]
async fn the_week_of_a_row_is_read_by_pointer_and_by_keys() {
    let backend = Backend::start(LOCALHOST, http::status(500, "no")).unwrap();
    let (exporter, _config) = probing(&[&backend]).await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/row?pool=pool0&setting=s0&server=127.0.0.1")).await;
    browser.until("the page is live", LIVE).await;
    let said = "document.getElementById('week-said').textContent";
    let bands = "document.querySelectorAll('.band')";
    browser.eval(&format!("{bands}[1].querySelector('[tabindex=\"0\"]').focus()")).await;
    browser
        .until(
            "the latest is said",
            &format!("/^Unhealthy: .* to now .*: Unexpected|^Unhealthy: .* to now/.test({said})"),
        )
        .await;
    browser.press("\u{e012}").await;
    browser.until("the arrow goes back", &format!("/^Unknown: /.test({said})")).await;
    let kept = browser.eval(said).await;
    let updated = browser.eval("document.getElementById('as-of').textContent").await;
    browser.until("it goes on", &format!("document.getElementById('as-of').textContent !== {updated}")).await;
    assert_eq!(browser.eval(said).await, kept, "what is read stays");
    browser.eval("document.getElementById('week-title').scrollIntoView()").await;
    browser.keep_screenshot("row-week").await;
    browser.look(Look::PHONE.dark()).await;
    assert_eq!(browser.overflow().await, 0);
    browser.eval("document.getElementById('week-title').scrollIntoView()").await;
    browser.keep_screenshot("row-week-375-dark").await;
}
