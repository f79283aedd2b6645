//! The documentation's Markdown as HTML: headings have anchors, links lead to the pages as they are served, and HTML
//! that stands in the text stays text.

use std::collections::HashSet;

use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// A text as a part of a page.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    /// Of the first heading.
    pub(super) title: String,
    pub(super) html: Markup,
}

/// Renders a text; `address` says where a relative link leads, `None` when what it names is not served, and `beneath` what
/// stands below the heading with an id.
pub(super) fn render(
    markdown: &str,
    address: impl Fn(&str) -> Option<String>,
    beneath: impl Fn(&str) -> Option<Markup>,
) -> Rendered {
    let mut events: Vec<Event> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    events = anchored(inert(events));
    lead(&mut events, address);
    let title = title(&events);
    let mut text = String::new();
    html::push_html(&mut text, tables(below_headings(events, beneath)).into_iter());
    Rendered { title, html: PreEscaped(text) }
}

/// Without comments, and with all other HTML as text but `<a id="..."></a>`, which becomes the id of a heading.
fn inert(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    events
        .into_iter()
        .filter_map(|event| match event {
            Event::Html(html) | Event::InlineHtml(html) if html.trim_start().starts_with("<!--") => None,
            Event::InlineHtml(html) if anchor(&html).is_some() || &*html == "</a>" => Some(Event::InlineHtml(html)),
            Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
            other => Some(other),
        })
        .collect()
}

/// The id in `<a id="...">`.
fn anchor(html: &str) -> Option<&str> {
    let id = html.strip_prefix("<a id=\"")?.strip_suffix("\">")?;
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-').then_some(id)
}

/// Gives every heading an id: that of the anchor before it, else its words as code forges write them.
fn anchored(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let mut seen = HashSet::new();
    let mut given = None;
    let mut anchored = Vec::with_capacity(events.len());
    let mut rest = events.into_iter().peekable();
    while let Some(event) = rest.next() {
        match event {
            Event::InlineHtml(html) => {
                // The only two that are left: an anchor's start and its end.
                given = anchor(&html).map(str::to_owned).or(given);
            }
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let mut inner = Vec::new();
                while let Some(event) = rest.next_if(|event| !matches!(event, Event::End(TagEnd::Heading(_)))) {
                    inner.push(event);
                }
                let id = given.take().unwrap_or_else(|| slug(&words(&inner)));
                let same = (1..).map(|number| format!("{id}-{number}"));
                let id = std::iter::once(id.clone()).chain(same).find(|id| seen.insert(id.clone()));
                anchored.push(Event::Start(Tag::Heading { level, id: id.map(CowStr::from), classes, attrs }));
                anchored.extend(inner);
            }
            // An anchor stands in a paragraph of its own, which is empty then.
            Event::End(TagEnd::Paragraph) if matches!(anchored.last(), Some(Event::Start(Tag::Paragraph))) => {
                anchored.pop();
            }
            other => anchored.push(other),
        }
    }
    anchored
}

/// A heading's words in lower case, hyphens for spaces, without punctuation.
fn slug(words: &str) -> String {
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn words(events: &[Event<'_>]) -> String {
    let words = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(&**text),
        _ => None,
    });
    words.collect()
}

/// Lets links and pictures lead where `address` says; a link to what is not served is only its words.
fn lead(events: &mut Vec<Event<'_>>, address: impl Fn(&str) -> Option<String>) {
    let mut unlinked = 0;
    events.retain_mut(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) if !leads_outside(dest_url) => {
            let target = address(dest_url);
            unlinked += usize::from(target.is_none());
            target.map(|target| *dest_url = target.into()).is_some()
        }
        Event::End(TagEnd::Link) if unlinked > 0 => {
            unlinked -= 1;
            false
        }
        Event::Start(Tag::Image { dest_url, .. }) => {
            *dest_url = address(dest_url).unwrap_or_default().into();
            true
        }
        _ => true,
    });
}

/// Whether a link is a whole URL that a browser may follow.
fn leads_outside(target: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

fn below_headings(events: Vec<Event<'_>>, beneath: impl Fn(&str) -> Option<Markup>) -> Vec<Event<'_>> {
    let mut below = None;
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        if let Event::Start(Tag::Heading { id: Some(id), .. }) = &event {
            below = beneath(id);
        }
        let is_end = matches!(event, Event::End(TagEnd::Heading(_)));
        all.push(event);
        if is_end {
            all.extend(below.take().map(|markup| Event::Html(markup.into_string().into())));
        }
    }
    all
}

/// Tables as the style sheet wants them: wider than the page they move in a frame of their own, which a keyboard reaches; in
/// a narrow window every row is a block, whose cells say what they are, and the roles repeat what browsers forget then.
fn tables(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let tag = |text: &str| Event::Html(text.to_owned().into());
    let mut labels: Vec<String> = Vec::new();
    let (mut is_head, mut column) = (false, 0);
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        all.push(match event {
            Event::Start(Tag::Table(_)) => {
                labels.clear();
                tag("<div class=\"wide\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table role=\"table\">")
            }
            Event::End(TagEnd::Table) => tag("</tbody></table></div>\n"),
            Event::Start(Tag::TableHead) => {
                is_head = true;
                tag("<thead role=\"rowgroup\"><tr role=\"row\">")
            }
            Event::End(TagEnd::TableHead) => {
                is_head = false;
                tag("</tr></thead><tbody role=\"rowgroup\">")
            }
            Event::Start(Tag::TableRow) => {
                column = 0;
                tag("<tr role=\"row\">")
            }
            Event::End(TagEnd::TableRow) => tag("</tr>"),
            Event::Start(Tag::TableCell) if is_head => {
                labels.push(String::new());
                tag("<th role=\"columnheader\" scope=\"col\">")
            }
            Event::End(TagEnd::TableCell) if is_head => tag("</th>"),
            Event::Start(Tag::TableCell) => {
                let label = labels.get(column).filter(|label| column > 0 && !label.is_empty());
                column += 1;
                match label {
                    Some(label) => tag(&format!("<td role=\"cell\" data-label=\"{}\">", maud::html! { (label) }.0)),
                    None => tag("<td role=\"cell\">"),
                }
            }
            Event::End(TagEnd::TableCell) => tag("</td>"),
            other => {
                if let (true, Some(label), Event::Text(text) | Event::Code(text)) = (is_head, labels.last_mut(), &other)
                {
                    label.push_str(text);
                }
                other
            }
        });
    }
    all
}

fn title(events: &[Event<'_>]) -> String {
    let heading = events.iter().skip_while(|event| !matches!(event, Event::Start(Tag::Heading { .. })));
    let heading: Vec<_> = heading.take_while(|event| !matches!(event, Event::End(_))).cloned().collect();
    words(&heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(markdown: &str, expected: &str) {
        let address = |target: &str| match target {
            "known.md" => Some("known".to_owned()),
            "#here" => Some("#here".to_owned()),
            _ => None,
        };
        assert_eq!(render(markdown, address, |_| None).html.into_string().trim_end(), expected);
    }

    #[test]
    fn headings_have_the_anchors_that_links_name() {
        check("## What to do", "<h2 id=\"what-to-do\">What to do</h2>");
        check("# A `code`, and more!", "<h1 id=\"a-code-and-more\">A <code>code</code>, and more!</h1>");
        check("# A\n\n# A", "<h1 id=\"a\">A</h1>\n<h1 id=\"a-1\">A</h1>");
        check("<a id=\"tcp_refused\"></a>\n\n### Refused", "<h3 id=\"tcp_refused\">Refused</h3>");
        assert_eq!(render("text\n\n# The `title`\n\n# Other", |_| None, |_| None).title, "The title");
    }

    #[test]
    fn cells_say_what_they_are_and_headings_have_their_links_beneath() {
        check(
            "| key | <&> | |\n|---|---|---|\n| a | b | c |",
            "<div class=\"wide\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table role=\"table\">\
             <thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" scope=\"col\">key</th>\
             <th role=\"columnheader\" scope=\"col\">&lt;&amp;&gt;</th><th role=\"columnheader\" scope=\"col\"></th></tr></thead>\
             <tbody role=\"rowgroup\"><tr role=\"row\"><td role=\"cell\">a</td>\
             <td role=\"cell\" data-label=\"&lt;&amp;&gt;\">b</td><td role=\"cell\">c</td></tr></tbody></table></div>",
        );
        let beneath = |id: &str| (id == "b").then(|| maud::html! { p { "below " (id) } });
        let html = render("# A\n\n## B\n\ntext", |_| None, beneath).html.into_string();
        assert_eq!(html, "<h1 id=\"a\">A</h1>\n<h2 id=\"b\">B</h2>\n<p>below b</p>\n<p>text</p>\n");
    }

    #[test]
    fn html_stays_text() {
        check("<!-- a note -->\n\ntext", "<p>text</p>");
        check("a <b>c</b>", "<p>a &lt;b&gt;c&lt;/b&gt;</p>");
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check("<a id=\"x\" onclick=\"y\">z", "<p>&lt;a id=\"x\" onclick=\"y\"&gt;z</p>");
        check("a <!-- b --> c", "<p>a  c</p>");
    }

    #[test]
    fn links_lead_to_what_is_served() {
        check("[a](known.md)", "<p><a href=\"known\">a</a></p>");
        check("[a](#here)", "<p><a href=\"#here\">a</a></p>");
        check("[a](https://example.com/x.md)", "<p><a href=\"https://example.com/x.md\">a</a></p>");
        check("[`a`](../Cargo.toml) b", "<p><code>a</code> b</p>");
        check("[a](javascript:x)", "<p>a</p>");
        check("[a](x) [b](known.md)", "<p>a <a href=\"known\">b</a></p>");
    }
}
