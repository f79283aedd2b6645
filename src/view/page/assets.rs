//! What the pages load beside themselves: files of our own, whose address changes with their content.

use maud::{Markup, html};

use crate::health::State;

/// A file.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Below `assets/`.
    pub name: &'static str,
    pub content_type: &'static str,
    pub content: &'static str,
    /// Of the content.
    pub version: u64,
}

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, content: &'static str) -> Self {
        Self { name, content_type, content, version: fingerprint(content.as_bytes()) }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ASSETS.iter().copied().find(|asset| asset.name == name)
    }

    /// As the `v` of the address has it.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{:016x}", self.version)
    }

    /// For a page; `root` is what stands before `/assets/`.
    pub(super) fn address(&self, root: &str) -> String {
        format!("{root}/assets/{}?v={}", self.name, self.version())
    }
}

/// One file, so that going from page to page loads nothing again.
const STYLES: &str = concat!(
    include_str!("page.css"),
    include_str!("report.css"),
    include_str!("row.css"),
    include_str!("picture.css"),
    include_str!("troubleshoot.css"),
    include_str!("docs.css"),
);

/// The style of all pages.
pub(super) static STYLE: Asset = Asset::new("page.css", "text/css; charset=utf-8", STYLES);

/// What keeps a page up to date, and what runs a check in place.
const SCRIPTS: &str = concat!(include_str!("page.js"), include_str!("troubleshoot.js"));

/// The script of all pages.
pub(super) static SCRIPT: Asset = Asset::new("page.js", "text/javascript; charset=utf-8", SCRIPTS);

/// What the script keeps time by.
pub(super) static BEAT: Asset = Asset::new("beat.js", "text/javascript; charset=utf-8", include_str!("beat.js"));

/// Each state in its shape and colour, for a browser's tab.
pub(super) fn icon(state: Option<State>) -> &'static Asset {
    match state {
        Some(State::Healthy) => &ICON_HEALTHY,
        Some(State::Unhealthy) => &ICON_UNHEALTHY,
        Some(State::Unknown) => &ICON_UNKNOWN,
        None => &ICON_NONE,
    }
}

/// The icon of a page; with `state` the worst one of what it shows.
pub(super) fn icon_link(state: Option<State>, root: &str) -> Markup {
    html! { link rel="icon" id="icon" type=(SVG) href=(icon(state).address(root)) data-lost=(ICON_LOST.address(root)); }
}

const SVG: &str = "image/svg+xml";

static ICON_HEALTHY: Asset = Asset::new("healthy.svg", SVG, include_str!("healthy.svg"));
static ICON_UNHEALTHY: Asset = Asset::new("unhealthy.svg", SVG, include_str!("unhealthy.svg"));
static ICON_UNKNOWN: Asset = Asset::new("unknown.svg", SVG, include_str!("unknown.svg"));
static ICON_NONE: Asset = Asset::new("none.svg", SVG, include_str!("none.svg"));

static ICON_LOST: Asset = Asset::new("lost.svg", SVG, include_str!("lost.svg"));

static ASSETS: [&Asset; 8] =
    [&STYLE, &SCRIPT, &BEAT, &ICON_HEALTHY, &ICON_UNHEALTHY, &ICON_UNKNOWN, &ICON_NONE, &ICON_LOST];

/// FNV-1a: tells one version of a file from another; nobody can gain by two that have the same.
const fn fingerprint(content: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < content.len() {
        hash = (hash ^ content[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
