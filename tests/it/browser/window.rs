//! A browser's window as a test uses it: opened on a page, looked at, typed into.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::driver::{DEADLINE, Driver};
use crate::exporter::PAUSE;

/// How somebody looks at a page.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a preference of its own
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
    pub(crate) script: bool,
    /// Prefers reduced motion.
    pub(crate) still: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 1280, height: 900, dark: false, script: true, still: false }
    }
}

impl Look {
    pub(crate) const PHONE: Self = Self { width: 375, height: 812, dark: false, script: true, still: false };

    pub(crate) const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }

    pub(crate) const fn without_script(self) -> Self {
        Self { script: false, ..self }
    }

    pub(crate) const fn still(self) -> Self {
        Self { still: true, ..self }
    }
}

/// A real browser.
pub(crate) struct Browser {
    pub(super) driver: Driver,
}

impl Browser {
    pub(crate) async fn start(look: Look) -> Self {
        let this = Self { driver: Driver::start().await };
        this.look(look).await;
        this
    }

    /// Looks at the page in another way from now on; without a script it takes effect with the next page.
    pub(crate) async fn look(&self, look: Look) {
        let Look { width, height, dark, script, still } = look;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.driver.chromium("Emulation.setDeviceMetricsOverride", size).await;
        let colours = if dark { "dark" } else { "light" };
        let motion = if still { "reduce" } else { "no-preference" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": colours },
            { "name": "prefers-reduced-motion", "value": motion },
        ]});
        self.driver.chromium("Emulation.setEmulatedMedia", features).await;
        self.driver.chromium("Emulation.setScriptExecutionDisabled", json!({ "value": !script })).await;
    }

    /// Opens a page, and waits until it is loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.driver.post("url", json!({ "url": url })).await;
    }

    /// The value of an expression of JavaScript, also where the page's own scripts are off.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.driver.chromium("Runtime.evaluate", parameters).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.eval(expression).await != Value::Bool(true) {
            if Instant::now() >= deadline {
                let text = self.eval("document.body.innerText").await;
                panic!("never came true: {what}: {expression}\n{}", text.as_str().unwrap_or_default());
            }
            sleep(PAUSE).await;
        }
    }

    /// Presses keys, one after the other; a character beyond `\u{e000}` is a key without a letter ([`TAB`], [`ENTER`]).
    pub(crate) async fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            let (down, up) = (json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key }));
            [down, up]
        });
        let strokes: Vec<Value> = strokes.collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] });
        self.driver.post("actions", actions).await;
    }

    /// Clicks on the middle of the first element that the selector finds, as a mouse does.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.driver.post("element", json!({ "using": "css selector", "value": selector })).await;
        let id = element.as_object().and_then(|element| element.values().next()).and_then(Value::as_str);
        self.driver.post(&format!("element/{}/click", id.unwrap()), json!({})).await;
    }

    /// What the window shows, as a PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let image = self.driver.get("screenshot").await;
        STANDARD.decode(image.as_str().unwrap()).unwrap()
    }

    /// Keeps a screenshot below `target`, to be looked at, and says where.
    pub(crate) async fn keep_screenshot(&self, name: &str) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots").join(name).with_extension("png");
        write(&path, &self.screenshot().await);
        println!("screenshot: {}", path.display());
    }

    /// Under `BLESS=1`, makes what the window shows the documentation's picture of this name.
    pub(crate) async fn bless_screenshot(&self, name: &str) {
        self.keep_screenshot(name).await;
        if blesses() {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots").join(name);
            write(&path.with_extension("png"), &self.screenshot().await);
        }
    }

    /// What the page's console says, the errors of its content security policy among it; each line once. What the browser
    /// says of pages of its own, such as the new tab that it begins with on a busy machine, is not the page's.
    pub(crate) async fn console(&self) -> Vec<String> {
        let log = self.driver.post("se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let of_the_browser =
            |entry: &Value| entry["message"].as_str().is_some_and(|message| message.starts_with("chrome://"));
        entries
            .iter()
            .filter(|entry| !of_the_browser(entry))
            .map(|entry| format!("{}: {}", entry["level"], entry["message"]))
            .collect()
    }

    /// By how many pixels the page is wider than the window.
    pub(crate) async fn overflow(&self) -> i64 {
        let width = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.eval(width).await.as_i64().unwrap()
    }
}

/// Whether the pictures of the documentation are to be made anew.
pub(crate) fn blesses() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
