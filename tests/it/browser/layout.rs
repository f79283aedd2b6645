//! Every page in every window: nothing lies on anything else, nothing is wider than the window, nobody is kept out.

use backend_health_exporter::view::page::docs::DOCS;
use serde_json::json;

use super::row::OUTSIDE;
use super::{Browser, ENTER, Look, TAB, demo, row};

const TABLET: Look = Look { width: 768, ..Look::PHONE };

/// Blocks beside each other in the page's tree that share more than a pixel on the screen, with all that sticks out of them.
const OVERLAPS: &str = "(() => {
    const kept = new Map();
    const visible = (it) => it.checkVisibility({ contentVisibilityAuto: true }) && it.getClientRects().length > 0
        && !['absolute', 'fixed'].includes(getComputedStyle(it).position);
    function extent(it) {
        if (kept.has(it)) return kept.get(it);
        let { left, right, top, bottom } = it.getBoundingClientRect();
        if (it.localName !== 'svg' && getComputedStyle(it).overflowX === 'visible') {
            for (const child of it.children) {
                if (!visible(child)) continue;
                const inner = extent(child);
                [left, right] = [Math.min(left, inner.left), Math.max(right, inner.right)];
                [top, bottom] = [Math.min(top, inner.top), Math.max(bottom, inner.bottom)];
            }
        }
        const all = { left, right, top, bottom };
        kept.set(it, all);
        return all;
    }
    const name = (it) => it.localName + (it.id && '#' + it.id) + [...it.classList].map(of => '.' + of).join('');
    const found = [];
    for (const parent of [document.body, ...document.querySelectorAll('body *:not(svg, svg *)')]) {
        const blocks = [...parent.children].filter(it => visible(it) && getComputedStyle(it).display !== 'inline');
        blocks.forEach((it, index) => {
            for (const other of blocks.slice(index + 1, index + 12)) {
                const [a, b] = [extent(it), extent(other)];
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (wide > 1 && high > 1) found.push(`${name(it)} and ${name(other)} in ${name(parent)}`);
            }
        });
    }
    return found;
})()";

/// Lists of links in the frame that show the bullets of a list.
const BULLETS: &str =
    "[...document.querySelectorAll('nav ul')].filter(it => getComputedStyle(it).listStyleType !== 'none').length";

async fn check(browser: &Browser, url: &str, skip: &str) {
    browser.look(Look::default()).await;
    browser.open(url).await;
    let words = browser.eval("document.querySelector('a.skip').textContent").await;
    assert_eq!(words, format!("Skip to the {skip}"), "{url}");
    for look in [Look::default(), TABLET, Look::PHONE, Look::PHONE.dark()] {
        browser.look(look).await;
        let what = format!("{url} {look:?}");
        assert_eq!(browser.overflow().await, 0, "{what}");
        assert_eq!(browser.eval(OVERLAPS).await, json!([]), "{what}");
        assert_eq!(browser.eval(OUTSIDE).await, json!([]), "{what}");
        assert_eq!(browser.eval(BULLETS).await, 0, "{what}");
    }
    browser.assert_accessible(&format!("{url} on a dark phone")).await;
    // The same on all of them; the colours of each state once in the light, too.
    if LIGHT.iter().any(|path| url.ends_with(path)) {
        browser.look(Look::default()).await;
        browser.assert_accessible(url).await;
    }
}

const LIGHT: [&str; 6] =
    [row::EXPIRED, row::EXPIRES_SOON, row::NO_NAME, row::HEALTHY, row::NO_SUCH_ROW, "/docs/configuration"];

#[tokio::test]
async fn what_lies_on_something_else_is_found() {
    async fn check(browser: &Browser, body: &str, expected: &[&str]) {
        browser.open(&format!("data:text/html,<title>a</title><body>{body}")).await;
        assert_eq!(browser.eval(OVERLAPS).await, json!(expected), "{body}");
    }
    let browser = Browser::start(Look::default()).await;
    check(&browser, "<p>a</p><p>b</p>", &[]).await;
    check(&browser, "<p>a</p><p id=b style=margin-top:-2em>b</p>", &["p and p#b in body"]).await;
    // Whatever the font: a line may be 18 pixels high or 19.
    let too_high = "<div style=height:9px><p class=c style=margin:0;height:30px>a</p></div><hr><p>b</p>";
    check(&browser, too_high, &["div and hr in body"]).await;
    let moves = too_high.replace("height:9px", "height:9px;overflow:auto");
    check(&browser, &moves, &[]).await;
}

#[tokio::test]
async fn nothing_lies_on_anything_else_on_the_page_of_a_row() {
    const ROW: &str = "row and what is wrong with it";
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    for path in [
        row::EXPIRED,
        row::MISSING,
        row::OTHER_NAME,
        row::EXPIRES_SOON,
        row::CLIENT_CERTIFICATE,
        row::NO_NAME,
        row::BAD_STATUS,
        row::REFUSED,
        row::HEALTHY,
    ] {
        check(&browser, &exporter.url(path), ROW).await;
    }
    for path in [row::NO_SUCH_ROW, "/row"] {
        check(&browser, &exporter.url(path), "rows that may be meant").await;
    }
}

#[tokio::test]
async fn nothing_lies_on_anything_else_in_the_report_and_the_documentation() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    for path in ["/", "/?view=rows&pool=payments&pool=shop"] {
        check(&browser, &exporter.url(path), "report").await;
    }
    for (path, skip) in [
        ("/pools", "pools"),
        ("/changes", "changes"),
        ("/certificates", "certificates"),
        ("/certificates?path=refused", "certificates"),
    ] {
        check(&browser, &exporter.url(path), skip).await;
        for (look, name) in
            [(Look::PHONE, "375"), (TABLET.dark(), "768-dark"), (Look { width: 1440, ..Look::default() }, "1440")]
        {
            browser.look(look).await;
            browser.keep_screenshot(&format!("{}-{name}", path.trim_start_matches('/').replace(['?', '='], "-"))).await;
        }
    }
    check(&browser, &exporter.url("/docs/"), "list of documents").await;
    for doc in DOCS {
        check(&browser, &exporter.url(&format!("/docs/{}", doc.name)), "text").await;
    }
}

#[tokio::test]
async fn the_documentation_leads_to_the_report_and_back() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    let arrives = async |path: &str| {
        let there = format!("location.pathname + location.search === '{path}' && document.readyState === 'complete'");
        browser.until("the link leads on", &there).await;
    };
    browser.open(&exporter.url("/docs/troubleshooting#cert_expired")).await;
    browser.click("#cert_expired + p a").await;
    arrives("/?cause=cert_expired").await;
    let rows = browser.eval("document.querySelector('h1').textContent").await;
    assert_eq!(rows, "2 of 2 matching servers are Unhealthy.");
    browser.click("header nav a[href$='/docs/']").await;
    arrives("/docs/").await;
    browser.click("dl a").await;
    arrives("/docs/troubleshooting").await;
    let here = browser.eval("document.querySelector('.crumbs [aria-current]').textContent").await;
    assert_eq!(here, "Troubleshooting");
    browser.press(&format!("{TAB}{ENTER}")).await;
    assert_eq!(browser.eval("document.activeElement.id").await, "content");
    browser.click("main > p:last-child a").await;
    arrives("/").await;
}
