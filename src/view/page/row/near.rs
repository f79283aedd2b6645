//! What to say when the request names no row: what is expected, and which rows may be meant.

use maud::{Markup, html};

use super::super::advice::code_block;
use super::super::row_address;
use crate::health::{Row, Snapshot};
use crate::target::Target;
use crate::view::report::Filter;
use crate::words::{bare, one_line, typing_errors};

/// The row that a request names; empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub pool: String,
    pub setting: String,
    pub server: String,
}

impl Asked {
    /// Reads `pool`, `setting` and `server` of a query as sent.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut asked = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*key {
                "pool" => &mut asked.pool,
                "setting" => &mut asked.setting,
                "server" => &mut asked.server,
                _ => continue,
            };
            if place.is_empty() {
                value.trim().clone_into(place);
            }
        }
        asked
    }

    /// Whether it has all that names a row.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing().is_empty()
    }

    /// The row that is meant: names compare without regard to case, and where they differ only in that, it is the one that
    /// was asked for letter by letter.
    #[must_use]
    pub fn find<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Row> {
        let of = |name: &String| vec![name.clone()];
        let Self { pool, setting, server } = self;
        let filter = Filter { pools: of(pool), settings: of(setting), servers: of(server), ..Filter::default() };
        let mut found = snapshot.rows.iter().filter(|row| self.is_whole() && filter.matches(row));
        let first = found.next()?;
        let is_exactly = |target: &Target| {
            *self.pool == *target.pool && *self.setting == *target.setting && bare(&self.server) == &*target.server
        };
        Some(std::iter::once(first).chain(found).find(|row| is_exactly(&row.target)).unwrap_or(first))
    }

    fn missing(&self) -> Vec<&'static str> {
        let named = [("pool", &self.pool), ("setting", &self.setting), ("server", &self.server)];
        named.into_iter().filter(|(_, value)| value.is_empty()).map(|(key, _)| key).collect()
    }

    /// How much a row is like what was asked for; 0 when it is not.
    fn likeness(&self, target: &Target) -> usize {
        like(bare(&self.server), &target.server) * 3
            + like(&self.pool, &target.pool)
            + like(&self.setting, &target.setting)
    }
}

/// 3 when two names are the same, 2 when a typing error may part them, 1 when one is a piece of the other, else 0.
fn like(asked: &str, name: &str) -> usize {
    let shortened = |text: &str| text.chars().take(MAX_COMPARED).flat_map(char::to_lowercase).collect::<String>();
    let (asked, name) = (shortened(asked), shortened(name));
    let piece = |whole: &str, piece: &str| piece.chars().count() >= 3 && whole.contains(piece);
    match () {
        () if asked.is_empty() => 0,
        () if asked == name => 3,
        () if typing_errors(&asked, &name) <= 2.min(asked.chars().count() / 3) => 2,
        () if piece(&name, &asked) || piece(&asked, &name) => 1,
        () => 0,
    }
}

/// Letters of a name that are compared.
const MAX_COMPARED: usize = 64;

/// Rows that are offered.
const MAX_OFFERED: usize = 10;

/// Something is missing in the request.
pub(super) fn explained(asked: &Asked, snapshot: &Snapshot, root: &str) -> Markup {
    html! {
        (header("Which row?", root))
        p {
            "A row has a pool, a setting and a server, and this page wants all three. Missing here: "
            b { (asked.missing().join(", ")) } "."
        }
        (code_block("Example", "/row?pool=POOL&setting=SETTING&server=SERVER"))
        (offered(asked, snapshot, root))
    }
}

/// There is no such row.
pub(super) fn missing(asked: &Asked, snapshot: &Snapshot, root: &str) -> Markup {
    let Asked { pool, setting, server } = asked;
    html! {
        (header("No such row", root))
        p {
            "Nothing is probed as server " b { bdi { (one_line(server)) } } " of the pool " b { bdi { (one_line(pool)) } }
            " under the setting " b { bdi { (one_line(setting)) } }
            ". Perhaps a reload of the configuration has removed it."
        }
        (offered(asked, snapshot, root))
    }
}

fn header(title: &str, root: &str) -> Markup {
    html! {
        nav.crumbs aria-label="Report" { ul { li { a href={ (root) "/" } { "All rows" } } } }
        h1 { (title) }
    }
}

fn offered(asked: &Asked, snapshot: &Snapshot, root: &str) -> Markup {
    let mut rows: Vec<(usize, &Row)> = snapshot.rows.iter().map(|row| (asked.likeness(&row.target), row)).collect();
    rows.retain(|(likeness, _)| *likeness > 0);
    rows.sort_by_key(|(likeness, _)| std::cmp::Reverse(*likeness));
    rows.truncate(MAX_OFFERED);
    html! {
        @if !rows.is_empty() {
            h2 { "Perhaps one of these" }
            ul.near {
                @for (_, row) in rows {
                    @let Target { pool, setting, server, .. } = &*row.target;
                    li {
                        a href=(row_address(root, pool, setting, server)) {
                            bdi { (one_line(server)) } " – pool " bdi { (one_line(pool)) } ", setting " bdi { (one_line(setting)) }
                        }
                        " (" (row.state.as_str()) ")"
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_by_typing_errors_and_by_pieces() {
        fn check(asked: &str, name: &str, expected: usize) {
            assert_eq!(like(asked, name), expected, "{asked} {name}");
        }
        check("web", "WEB", 3);
        check("app1.example.com", "app2.example.com", 2);
        check("app.exmaple.com", "app.example.com", 2);
        check("app", "app.example.com", 1);
        check("app.example.com", "app", 1);
        check("10.0.0.4", "10.0.0.40", 2);
        check("web", "db", 0);
        check("ab", "cd", 0);
        check("", "web", 0);
        check(&"x".repeat(100_000), &"y".repeat(100_000), 0);
    }
}
