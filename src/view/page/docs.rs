//! `/docs/`: the documentation that is shipped, as pages.

use std::sync::LazyLock;

use maud::{Markup, html};

use super::markdown::Rendered;
use super::shell::{Kind, Place, Shell};
use super::{markdown, shell};
use crate::verdict::Cause;

/// A text of `docs/`.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// The file's name without `.md`, and the page's address below `/docs/`.
    pub name: &'static str,
    /// One sentence for the list of all.
    about: &'static str,
    text: &'static str,
}

/// Every text of `docs/`, in the order in which a newcomer wants them.
pub const DOCS: &[Doc] = &[
    doc(
        "troubleshooting",
        "From a red row to the fix: every cause and warning, what it means, and what to do.",
        include_str!("../../../docs/troubleshooting.md"),
    ),
    doc(
        "connection-troubleshoot",
        "One deep check of one server: what each stage shows, and how to read it.",
        include_str!("../../../docs/connection-troubleshoot.md"),
    ),
    doc(
        "alerts",
        "What each alert means, what to look at first, what to do, how to tune it.",
        include_str!("../../../docs/alerts.md"),
    ),
    doc(
        "getting-started",
        "Exporter, Prometheus, alerts and Grafana on one machine in five minutes.",
        include_str!("../../../docs/getting-started.md"),
    ),
    doc(
        "configuration",
        "Every key of the configuration, with its default and what is allowed.",
        include_str!("../../../docs/configuration.md"),
    ),
    doc(
        "probing",
        "Headers, logins, bodies and matches of a probe, and the words of blackbox_exporter and HAProxy for them.",
        include_str!("../../../docs/probing.md"),
    ),
    doc(
        "command-line",
        "The same report in a terminal: filters, JSON and CSV, watching, logins, and exit codes for scripts.",
        include_str!("../../../docs/command-line.md"),
    ),
    doc("metrics", "Every metric, its labels, and queries to begin with.", include_str!("../../../docs/metrics.md")),
    doc(
        "certificates",
        "How certificate chains are judged: what is checked, in which order, and what is only a warning.",
        include_str!("../../../docs/certificates.md"),
    ),
    doc(
        "performance",
        "What happens when there is more to probe than this host can do, how it shows, and what to do.",
        include_str!("../../../docs/performance.md"),
    ),
    doc(
        "behind-a-proxy",
        "The pages behind a login, nginx, HAProxy, Caddy or an Ingress, and below a path.",
        include_str!("../../../docs/behind-a-proxy.md"),
    ),
    doc(
        "security",
        "What is open by default, what to set in front of people, and where each limit is.",
        include_str!("../../../docs/security.md"),
    ),
    doc(
        "azure",
        "How Azure's SDKs, az rest and scripts ask this exporter instead of an Application Gateway.",
        include_str!("../../../docs/azure.md"),
    ),
];

const fn doc(name: &'static str, about: &'static str, text: &'static str) -> Doc {
    Doc { name, about, text }
}

/// A picture of `docs/screenshots/`.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The file's name.
    pub name: &'static str,
    pub png: &'static [u8],
}

/// Every picture of `docs/screenshots/`.
pub const PICTURES: &[Picture] = &[
    picture_of("report.png", include_bytes!("../../../docs/screenshots/report.png")),
    picture_of("report-phone-dark.png", include_bytes!("../../../docs/screenshots/report-phone-dark.png")),
    picture_of(
        "row-expired-intermediate.png",
        include_bytes!("../../../docs/screenshots/row-expired-intermediate.png"),
    ),
    picture_of(
        "row-missing-intermediate.png",
        include_bytes!("../../../docs/screenshots/row-missing-intermediate.png"),
    ),
];

const fn picture_of(name: &'static str, png: &'static [u8]) -> Picture {
    Picture { name, png }
}

/// The list of all texts. `place.root` leads from `/docs/` up.
#[must_use]
pub fn index(place: Place<'_>) -> String {
    let body = html! {
        article.docs {
            h1 { "Documentation" }
            dl {
                @for (doc, rendered) in DOCS.iter().zip(&*RENDERED) {
                    dt { a href=(doc.name) { (rendered.title) } }
                    dd { (doc.about) }
                }
            }
            p { "The API is described by " a href={ (place.root) "/api/v1/openapi.json" } { "its OpenAPI document" } "." }
        }
    };
    shell::page(Shell { place, kind: Kind::Documents, title: "Documentation", state: None }, &body, &footer())
}

/// One text; `None` when there is none of this name.
#[must_use]
pub fn page(name: &str, place: Place<'_>) -> Option<String> {
    let at = DOCS.iter().position(|doc| doc.name == name)?;
    let Rendered { title, html } = RENDERED.get(at)?;
    let body = html! {
        nav.crumbs aria-label="Documentation" {
            ul {
                @for (doc, rendered) in DOCS.iter().zip(&*RENDERED) {
                    li { a href=(doc.name) aria-current=[(doc.name == name).then_some("page")] { (rendered.title) } }
                }
            }
        }
        article.docs { (html) }
        p { a href={ (place.root) "/" } { "Back to the report" } }
    };
    Some(shell::page(Shell { place, kind: Kind::Document, title, state: None }, &body, &footer()))
}

/// A picture of this name, as PNG.
#[must_use]
pub fn picture(name: &str) -> Option<&'static [u8]> {
    PICTURES.iter().find(|picture| picture.name == name).map(|picture| picture.png)
}

/// Of [`DOCS`], one for each.
static RENDERED: LazyLock<Vec<Rendered>> =
    LazyLock::new(|| DOCS.iter().map(|doc| markdown::render(doc.text, address, rows_with)).collect());

/// Below the heading of a cause: the way to the rows that have it now. All texts are served one level below the report.
fn rows_with(id: &str) -> Option<Markup> {
    let code = Cause::ALL.iter().map(|cause| cause.code()).find(|code| *code == id)?;
    Some(html! { p { a href={ "../?cause=" (code) } { "Rows with this cause now" } } })
}

/// Where a relative link of a text leads, from one of the pages.
fn address(target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    if file.is_empty() {
        return anchor.map(|anchor| format!("#{anchor}"));
    }
    let is_picture = |name: &str| PICTURES.iter().any(|picture| picture.name == name);
    if file.strip_prefix("screenshots/").is_some_and(is_picture) {
        return Some(file.to_owned());
    }
    let name = file.strip_suffix(".md")?;
    let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    DOCS.iter().any(|doc| doc.name == name).then(|| format!("{name}{anchor}"))
}

fn footer() -> Markup {
    html! { p { "Documentation of version " (env!("CARGO_PKG_VERSION")) "." } }
}
