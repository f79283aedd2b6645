//! A phone in the hand of whoever is on call: the first fault at once, nothing endless, words that stay whole.

use serde_json::json;

use super::{Browser, Look, demo};

/// Words of letters that are broken between two lines, and code that is broken behind a hyphen.
const BROKEN: &str = "(() => {
    const found = [];
    const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!node.parentElement.checkVisibility() || node.parentElement.closest('svg, thead, .hidden, pre.check-wire')) continue;
        const words = node.parentElement.closest('code') ? /(?<!\\S)[\\w-]{3,24}(?!\\S)/g : /(?<![^\\s(])[A-Za-z]{3,24}(?![^\\s.,:;)])/g;
        for (const { 0: word, index } of node.data.matchAll(words)) {
            const range = document.createRange();
            range.setStart(node, index);
            range.setEnd(node, index + word.length);
            const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
            if (lines.size > 1) found.push(word);
        }
    }
    return [...new Set(found)];
})()";

#[tokio::test]
async fn on_call_with_a_phone() {
    let exporter = demo().await;
    let browser = Browser::start(Look::PHONE).await;
    browser.open(&exporter.url("/")).await;
    browser.until("the page is live", "document.getElementById('live').textContent === 'Live'").await;
    let bottom = |what: &str| format!("document.querySelector('article {what}').getBoundingClientRect().bottom");
    // A busy host says so above, which is another matter.
    browser.eval("document.querySelectorAll('.doubt').forEach(it => it.remove())").await;
    for what in ["h3", ".trail", ".detail", ".advice p"] {
        let at = browser.eval(&bottom(what)).await.as_f64().unwrap();
        println!("{what} of the first fault ends at {at} px");
        assert!(at < 812.0, "{what} is on the first screen, not at {at}");
    }
    let height = browser.eval("document.documentElement.scrollHeight").await.as_u64().unwrap();
    println!("the demo is {height} px high");
    assert!(height < 8_000, "{height} px");
    let order = "document.querySelector('.pool-tiles').getBoundingClientRect().top > [...document.querySelectorAll('article')].at(-1).getBoundingClientRect().bottom";
    assert_eq!(browser.eval(order).await, true, "pools after faults");
    assert_eq!(browser.overflow().await, 0);
    browser.keep_screenshot("phone-375").await;
    browser.look(Look { height: 3_000, ..Look::PHONE.dark() }).await;
    browser.keep_screenshot("phone-375-dark-long").await;
    browser.assert_accessible("the report on a phone").await;
    // What is folded is opened, and stays open while the page goes on.
    browser.look(Look::PHONE).await;
    browser
        .eval("window.opened = document.querySelectorAll('.fold')[5]; opened.querySelector('summary').click()")
        .await;
    let updated = browser.eval("document.getElementById('as-of').textContent").await;
    browser.until("it goes on", &format!("document.getElementById('as-of').textContent !== {updated}")).await;
    assert_eq!(browser.eval("opened.isConnected && opened.open").await, true);
    browser.eval("document.querySelectorAll('details').forEach(it => it.open = true)").await;
    assert_eq!(browser.eval(BROKEN).await, json!([]));

    for (path, look) in [
        ("/", Look { width: 768, ..Look::PHONE }),
        ("/", Look { width: 1440, ..Look::default() }),
        ("/?view=rows", Look::PHONE),
        ("/?view=rows", Look::default()),
        ("/pools", Look::PHONE),
        ("/changes", Look::PHONE),
        ("/certificates", Look::PHONE),
        (super::row::EXPIRED, Look::PHONE),
    ] {
        browser.look(look).await;
        browser.open(&exporter.url(path)).await;
        browser.eval("document.querySelectorAll('details').forEach(it => it.open = true)").await;
        assert_eq!(browser.eval(BROKEN).await, json!([]), "{path} {look:?}");
        let name = path.replace(['/', '?', '=', '&'], "-");
        browser.keep_screenshot(&format!("whole{}-{}", name.get(..name.len().min(30)).unwrap(), look.width)).await;
    }
}
