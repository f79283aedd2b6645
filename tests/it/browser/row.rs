//! The row page in a real browser: the picture is marked where the fault is, fits into its boxes, and is there for all.

use backend_health_exporter::lab::tls::{Identity, Pki, Profile, ServerTls};
use backend_health_exporter::lab::{Backend, Service, http};
use serde_json::{Value, json};

use super::report::{ok, probing};
use super::{Browser, Look, demo};
use crate::exporter::{ConfigFile, Exporter};

pub(super) const EXPIRED: &str = "/row?pool=payments&setting=payments-https&server=127.20.6.4";
pub(super) const MISSING: &str = "/row?pool=payments&setting=payments-https&server=127.20.6.6";
pub(super) const OTHER_NAME: &str = "/row?pool=payments&setting=payments-https&server=127.20.6.12";
pub(super) const EXPIRES_SOON: &str = "/row?pool=payments&setting=payments-https&server=127.20.6.2";
pub(super) const CLIENT_CERTIFICATE: &str = "/row?pool=banking&setting=banking-https&server=127.20.9.1";
pub(super) const NO_NAME: &str = "/row?pool=services&setting=http&server=missing.lab.test";
pub(super) const BAD_STATUS: &str = "/row?pool=shop&setting=http&server=127.20.1.3";
pub(super) const REFUSED: &str = "/row?pool=shop&setting=http&server=127.20.1.10";
pub(super) const HEALTHY: &str = "/row?pool=payments&setting=payments-https&server=127.20.6.1";
pub(super) const NO_SUCH_ROW: &str = "/row?pool=payments&setting=payments-https&server=127.20.6.400";

/// What a picture for others is to show begins with the row's name.
const FROM_THE_NAME: &str = "document.querySelector('h1').scrollIntoView()";

/// The accessible names of the parts of the picture that is shown.
const NAMES: &str =
    "[...document.querySelectorAll('svg.picture [role=img]')].filter(part => part.getClientRects().length)
    .map(part => part.getAttribute('aria-label'))";

/// Texts that leave their own box, or the picture.
pub(super) const OUTSIDE: &str = "[...document.querySelectorAll('svg.picture')].filter(svg => svg.getClientRects().length)
    .flatMap(svg => [...svg.querySelectorAll('text')].filter(text => {
        const box = text.closest('.part')?.querySelector('rect') ?? text.closest('.block')?.querySelector('rect') ?? svg;
        const [inner, outer] = [text.getBoundingClientRect(), box.getBoundingClientRect()];
        return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
    }).map(text => text.textContent))";

async fn names(browser: &Browser) -> Vec<String> {
    let names = browser.eval(NAMES).await;
    names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_expired_intermediate_is_the_marked_part() {
    let exporter = demo().await;
    // High enough for the remedy and the picture.
    let browser = Browser::start(Look { width: 1000, height: 1070, ..Look::default() }).await;
    browser.open(&exporter.url(EXPIRED)).await;
    let names = names(&browser).await;
    let faulty: Vec<_> = names.iter().filter(|name| name.ends_with(": faulty")).collect();
    assert_eq!(faulty.len(), 2, "{names:#?}");
    assert!(faulty[0].starts_with("TLS handshake: failed"), "{faulty:#?}");
    let expired = "Intermediate certificate CN=Lab Intermediate CA of old,O=Lab: expired on ";
    assert!(faulty[1].starts_with(expired), "{faulty:#?}");
    let blocks = "[...document.querySelectorAll('svg.picture.wide .block')].map(it => it.getAttribute('aria-label'))";
    assert_eq!(browser.eval(blocks).await, json!(["Client", "Gateway", "Backend server"]));
    // Red, and a part that is fine is not.
    let edge = |class: &str| {
        format!("getComputedStyle(document.querySelector('svg.picture.wide .certificate.{class} > rect')).stroke")
    };
    assert_eq!(browser.eval(&edge("faulty")).await, "rgb(179, 22, 28)");
    assert_ne!(browser.eval(&edge("fine")).await, "rgb(179, 22, 28)");
    assert_eq!(browser.console().await, [""; 0]);
    browser.eval(FROM_THE_NAME).await;
    browser.bless_screenshot("row-expired-intermediate").await;
    browser.open(&exporter.url(MISSING)).await;
    assert_eq!(browser.eval("document.querySelectorAll('svg.picture.wide .slot').length").await, 1);
    browser.eval(FROM_THE_NAME).await;
    browser.bless_screenshot("row-missing-intermediate").await;
}

#[tokio::test]
async fn a_phone_gets_a_picture_of_its_own_with_the_same_marks() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default()).await;
    let shown = "[...document.querySelectorAll('svg.picture')].filter(it => it.getClientRects().length).map(it => it.classList[1])";
    let letters =
        "Math.min(...[...document.querySelectorAll('svg.picture text')].filter(it => it.getClientRects().length)
        .map(it => it.getBoundingClientRect().height))";
    for (look, class) in [(Look::default(), "wide"), (Look::PHONE, "tall")] {
        browser.look(look).await;
        browser.open(&exporter.url(EXPIRED)).await;
        assert_eq!(browser.eval(shown).await, json!([class]));
        let faulty = names(&browser).await.into_iter().filter(|name| name.ends_with(": faulty")).count();
        assert_eq!(faulty, 2, "{class}");
        assert!(browser.eval(letters).await.as_f64().unwrap() > 11.0, "{class}: letters that can be read");
    }
}

#[tokio::test]
async fn a_backend_that_dies_turns_its_row_red_without_a_reload() {
    let backend = ok();
    let (exporter, config) = probing(&[&backend]).await;
    // Lower than the page, so that it can be scrolled.
    let browser = Browser::start(Look { height: 500, ..Look::default() }).await;
    browser.open(&exporter.url("/row?pool=pool0&setting=s0&server=127.0.0.1")).await;
    browser.until("the page is live", "document.getElementById('live').textContent === 'Live'").await;
    let state = "document.querySelector('#standing .state').innerText.trim()";
    assert_eq!(browser.eval(state).await, "Healthy");
    let updated = browser.eval("document.getElementById('as-of').textContent").await;
    browser.until("it goes on", &format!("document.getElementById('as-of').textContent !== {updated}")).await;
    let prepare = "window.same = true; document.querySelector('#content > div > section > details').open = true; \
                   document.querySelector('#to-troubleshoot a').focus(); \
                   document.getElementById('past-title').scrollIntoView()";
    browser.eval(prepare).await;
    let top = "Math.round(document.getElementById('past-title').getBoundingClientRect().top)";
    let (before, height) =
        (browser.eval(top).await, browser.eval("document.getElementById('problems').offsetHeight").await);
    drop(backend);
    browser.until("the row is red", &format!("{state} === 'Unhealthy'")).await;
    let card = browser.eval("document.querySelector('.card.unhealthy').innerText").await;
    assert!(card.as_str().unwrap().trim().starts_with("Connection refused"), "{card}");
    let listener = names(&browser).await.into_iter().find(|name| name.starts_with("Address 127.0.0.1:"));
    assert!(
        listener.as_ref().is_some_and(|name| name.ends_with("nothing listens on this port: faulty")),
        "{listener:?}"
    );
    browser.until("in the title", "document.title.startsWith('Unhealthy: 127.0.0.1')").await;
    assert!(browser.eval("document.getElementById('icon').href").await.as_str().unwrap().contains("unhealthy.svg"));
    let said = "/pool0 is Unhealthy: Connection refused/.test(document.getElementById('news').textContent)";
    browser.until("it is said", said).await;
    assert_eq!(browser.eval("window.same").await, true, "it is the same page");
    let focused = browser.eval("document.activeElement.textContent").await;
    assert_eq!(focused, "Troubleshoot", "who stands on a link stays there");
    assert_eq!(
        browser.eval("document.querySelector('#told').checkVisibility()").await,
        true,
        "what was opened stays open"
    );
    assert!(browser.eval("document.getElementById('problems').offsetHeight").await.as_u64() > height.as_u64());
    let moved = browser.eval(top).await.as_i64().unwrap() - before.as_i64().unwrap();
    assert!(moved.abs() <= 2, "what is read moved by {moved} px");

    // A reload of the configuration removes it: the page says so.
    config.write_beside("backend_health.yml", "backend_settings: []\nbackend_pools: []\n");
    assert_eq!(exporter.reload().await.status, 200);
    browser.until("it is gone", "document.querySelector('h1').textContent === 'No such row'").await;
}

#[tokio::test]
async fn the_page_is_whole_without_a_script() {
    let exporter = demo().await;
    let browser = Browser::start(Look::default().without_script()).await;
    browser.open(&exporter.url(EXPIRED)).await;
    assert_eq!(names(&browser).await.iter().filter(|name| name.ends_with(": faulty")).count(), 2);
    for seen in ["What to do", "openssl s_client -connect ", "Recent probes"] {
        let there = browser.eval(&format!("document.querySelector('main').innerText.includes({})", json!(seen))).await;
        assert_eq!(there, true, "{seen}");
    }
    let told = "document.querySelector('#told').checkVisibility()";
    assert_eq!(browser.eval(told).await, false, "the words are folded away");
    browser.click("summary").await;
    browser.until("the words are unfolded", told).await;
    let words = browser.eval("document.querySelector('#told').innerText").await;
    assert!(words.as_str().unwrap().contains("Faulty: expired on "), "{words}");
}

#[tokio::test]
async fn what_a_hostile_server_says_is_shown_as_text() {
    const SUBJECT: &str = "</text></svg><img src=x onerror=document.title='owned'>\u{202e}txt.exe";
    const BODY: &str = "</pre><script>document.title='owned'</script>";
    let pki = Pki::new().unwrap();
    let profile = Profile { common_name: SUBJECT.to_owned(), ..Profile::server("127.0.0.1") };
    let identity = Identity::new(&pki.root.issue(&profile).unwrap(), &[]);
    let tls = ServerTls::new(&identity).unwrap();
    let backend = Backend::start([127, 0, 0, 1].into(), Service::tls(&tls, http::status(500, BODY))).unwrap();
    let config = ConfigFile::new(&format!(
        "backend_settings:\n  - {{name: s, protocol: https, port: {}, host_name: 127.0.0.1, trusted_root_certificates: [root.pem]}}\n\
         backend_pools:\n  - {{name: p, settings: [s], servers: [127.0.0.1]}}\n",
        backend.address().port()
    ));
    config.write_beside("root.pem", pki.root.pem());
    let exporter = Exporter::run(&config.path).await;
    exporter.ready().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&exporter.url("/row?pool=p&setting=s&server=127.0.0.1")).await;
    let port = backend.address().port();
    let title = format!("Unhealthy: 127.0.0.1:{port}, Unexpected status code – Backend health");
    assert_eq!(browser.eval("document.title").await, title.as_str());
    let foreign = "document.querySelectorAll('main script, main img, main [onerror]').length";
    assert_eq!(browser.eval(foreign).await, 0);
    let text = browser.eval("document.querySelector('main').textContent").await;
    let text = text.as_str().unwrap();
    // As RFC 4514 escapes it.
    assert!(
        text.contains("CN=\\</text\\>\\</svg\\>\\<img src=x onerror=document.title='owned'\\>\\E2\\80\\AEtxt.exe"),
        "{text}"
    );
    assert!(text.contains(BODY) && !text.contains('\u{202e}'), "{text}");
    assert_eq!(browser.eval(OUTSIDE).await, Value::Array(Vec::new()));
    assert_eq!(browser.console().await, [""; 0]);
}
