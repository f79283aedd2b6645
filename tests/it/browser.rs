//! The pages in a real browser: what somebody sees, can reach with the keys, and hears from a screen reader.

mod accessibility;
mod alive;
mod check;
mod driver;
mod layout;
mod phone;
mod report;
mod row;
pub(crate) mod window;

use std::path::Path;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use self::driver::DEADLINE;
pub(crate) use self::window::{Browser, ENTER, Look, TAB};

use crate::exporter::{Exporter, PAUSE};

/// The exporter with its demo, whose every row has had its first probe.
pub(crate) async fn demo() -> Exporter {
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    exporter
}

#[tokio::test]
async fn a_real_browser_opens_the_page() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/")).await;
    let heading = browser.eval("document.querySelector('h1').textContent").await;
    assert!(heading.as_str().unwrap().contains("are Unhealthy"), "{heading}");
    assert!(browser.screenshot().await.starts_with(b"\x89PNG"));
    browser.keep_screenshot("first").await;
}

#[tokio::test]
async fn a_browser_takes_keys_and_clicks_and_tells_what_went_wrong() {
    let browser = Browser::start(Look::PHONE).await;
    let page = "<title>a</title><input autofocus><button onclick=\"console.error('pressed')\">Press</button>\
                <div style='width:400px'>wide</div>";
    browser.open(&format!("data:text/html,{page}")).await;
    assert!(browser.overflow().await > 0);
    assert_eq!(browser.console().await, [""; 0]);
    browser.press("ab").await;
    browser.until("the letters are there", "document.querySelector('input').value === 'ab'").await;
    browser.press(&format!("{TAB}{ENTER}")).await;
    browser.click("button").await;
    let said = browser.console().await;
    assert!(said.len() == 2 && said.iter().all(|line| line.contains("pressed")), "{said:?}");
}

#[tokio::test]
#[should_panic(expected = "image-alt")]
async fn a_page_that_keeps_somebody_out_is_found() {
    let browser = Browser::start(Look::default()).await;
    browser.open("data:text/html,<html lang=en><title>a</title><main><h1>a</h1><img src='data:,'></main>").await;
    browser.assert_accessible("a picture without words").await;
}

#[tokio::test]
async fn nothing_of_a_browser_outlives_its_test() {
    let browser = Browser::start(Look::default()).await;
    browser.open("data:text/html,<title>a</title>").await;
    let profile = browser.driver.profile().display().to_string();
    let left = || -> Vec<String> {
        let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
        let commands = processes.filter_map(|path| std::fs::read_to_string(path).ok());
        commands.filter(|command| command.contains(&profile)).collect()
    };
    assert!(!left().is_empty(), "the browser runs with its profile");
    drop(browser);
    let deadline = Instant::now() + DEADLINE;
    while !left().is_empty() {
        assert!(Instant::now() < deadline, "{:#?}", left());
        sleep(PAUSE).await;
    }
    assert!(!Path::new(&profile).exists());
}

#[tokio::test]
async fn a_browser_has_the_width_the_colours_and_the_script_that_a_test_wants() {
    const SEEN: &str = "[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches, \
                        matchMedia('(prefers-reduced-motion: reduce)').matches, document.title]";
    const PAGE: &str = "data:text/html,<title>plain</title><script>document.title='script'</script>";
    async fn check(look: Look, expected: &Value) {
        let browser = Browser::start(look).await;
        browser.open(PAGE).await;
        assert_eq!(browser.eval(SEEN).await, *expected, "{look:?}");
    }
    check(Look::default(), &serde_json::json!([1280, false, false, "script"])).await;
    check(Look::PHONE.dark().without_script().still(), &serde_json::json!([375, true, true, "plain"])).await;
}
