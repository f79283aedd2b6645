//! [`Node`]s → typed values, without stopping at the first error: every key that is unknown, missing or wrong is
//! reported with its place and path, and decoding goes on.

use std::time::Duration;

use super::habits::habit;
use super::report::{Place, Report};
use super::value::{cut_key, parse_duration, quote};
use super::yaml::{Entry, KeyPath, Node, Value};
use crate::words::{nearest, setting};

/// A mapping of which the known keys are read.
pub(crate) struct Section<'a> {
    path: &'a KeyPath<'a>,
    place: Place,
    entries: &'a [Entry],
    known: &'static [&'static str],
}

/// What stands at a key.
#[derive(Clone, Debug)]
pub(crate) enum Field<T> {
    /// Nothing, or `null`.
    Absent,
    /// Something wrong, which was reported.
    Wrong,
    Given(Located<T>),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Field<T> {
    /// The value with its place, when there is a right one.
    pub(crate) fn given(&self) -> Option<&Located<T>> {
        match self {
            Self::Given(located) => Some(located),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The value, when there is a right one.
    pub(crate) fn value(&self) -> Option<&T> {
        self.given().map(|located| &located.value)
    }

    /// The value itself, when there is a right one.
    pub(crate) fn into_value(self) -> Option<T> {
        match self {
            Self::Given(located) => Some(located.value),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'a> Section<'a> {
    /// The mapping at `node`, with its unknown keys reported; `None`, reported, when it is no mapping.
    pub(crate) fn open(
        node: &'a Node,
        path: &'a KeyPath<'a>,
        known: &'static [&'static str],
        report: &mut Report,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let keys = known.join(", ");
            let message = format!("expected a mapping with the keys {keys}, not {}", kind(node));
            report.error(Some(node.place), path, message);
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            report.error_with(Some(entry.place), KeyPath::Key(path, &cut_key(&entry.key)), || {
                let right = match (habit(&entry.key, known), nearest(&entry.key, known.iter().copied())) {
                    (Some(right), _) => right.to_owned(),
                    (None, Some(word)) => format!("did you mean `{word}`?"),
                    (None, None) => format!("known here are {}", known.join(", ")),
                };
                format!("unknown key `{}`; {right}", cut_key(&entry.key))
            });
        }
        Some(Self { path, place: node.place, entries, known })
    }

    /// Whether it is `{}`.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Where this mapping stands in the file's tree.
    pub(crate) fn path(&self) -> &KeyPath<'a> {
        self.path
    }

    /// Where `key` of this mapping stands in the file's tree.
    pub(crate) fn path_of<'b>(&'b self, key: &'b str) -> KeyPath<'b> {
        KeyPath::Key(self.path, key)
    }

    /// What stands at `key`, `null` included.
    pub(crate) fn node(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.known.contains(&key), "{key} is in no key table");
        self.entries.iter().find(|entry| &*entry.key == key).map(|entry| &entry.node)
    }

    /// Whether there is anything but `null` at `key`.
    pub(crate) fn is_given(&self, key: &str) -> bool {
        self.node(key).is_some_and(|node| !matches!(node.value, Value::Null))
    }

    /// The value at `key`, as `read` understands it.
    pub(crate) fn field<T>(
        &self,
        key: &str,
        report: &mut Report,
        read: impl FnOnce(&'a Node) -> Result<T, String>,
    ) -> Field<T> {
        match self.node(key) {
            None | Some(Node { value: Value::Null, .. }) => Field::Absent,
            Some(node) => match read(node) {
                Ok(value) => Field::Given(Located { value, place: node.place }),
                Err(message) => {
                    report.error(Some(node.place), self.path_of(key), message);
                    Field::Wrong
                }
            },
        }
    }

    /// As [`Section::field`], but it is an error when there is nothing.
    pub(crate) fn required<T>(
        &self,
        key: &str,
        report: &mut Report,
        read: impl FnOnce(&'a Node) -> Result<T, String>,
    ) -> Field<T> {
        let field = self.field(key, report, read);
        if field.is_absent() {
            report.error(Some(self.place), self.path, format!("missing required key `{key}`"));
        }
        field
    }

    /// The items at `key`; a key with nothing after it is an empty list.
    pub(crate) fn list(&self, key: &str, report: &mut Report) -> Field<&'a [Node]> {
        match self.node(key) {
            None => Field::Absent,
            Some(Node { value: Value::Null, place }) => Field::Given(Located { value: &[], place: *place }),
            Some(Node { value: Value::List(items), place }) => Field::Given(Located { value: items, place: *place }),
            Some(node) => {
                let message = format!("expected a list, not {}", kind(node));
                report.error(Some(node.place), self.path_of(key), message);
                Field::Wrong
            }
        }
    }

    /// The items at `key`, each as `read` understands it. Wrong items are left out, and the list is then wrong.
    pub(crate) fn items<T>(
        &self,
        key: &str,
        report: &mut Report,
        read: impl Fn(&'a Node) -> Result<T, String>,
    ) -> Items<T> {
        let field = self.list(key, report);
        let mut right = Vec::new();
        let mut whole = !matches!(field, Field::Wrong);
        for (index, node) in field.value().copied().unwrap_or_default().iter().enumerate() {
            match read(node) {
                Ok(value) => right.push((index, Located { value, place: node.place })),
                Err(message) => {
                    whole = false;
                    report.error(Some(node.place), KeyPath::Item(&self.path_of(key), index), message);
                }
            }
        }
        Items { place: field.given().map(|list| list.place), whole, right }
    }
}

/// The items of a list that are right, each with its index.
#[derive(Clone, Debug)]
pub(crate) struct Items<T> {
    /// `None` when the key is not there, or is no list.
    pub(crate) place: Option<Place>,
    /// Nothing of it was wrong.
    pub(crate) whole: bool,
    pub(crate) right: Vec<(usize, Located<T>)>,
}

impl<T> Items<T> {
    /// The right ones.
    pub(crate) fn values(self) -> Vec<T> {
        self.right.into_iter().map(|(_, item)| item.value).collect()
    }
}

/// Reads any text, and what looks like a number or a truth value as the text that it is written with.
pub(crate) fn text(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text { text, quoted: _ } => Ok(text),
        Value::Null | Value::List(_) | Value::Map(_) => Err(format!("expected a text, not {}", kind(node))),
    }
}

/// Reads `true` or `false`.
pub(crate) fn truth(node: &Node) -> Result<bool, String> {
    match &node.value {
        Value::Text { text, quoted: false } => match &**text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            other => Err(format!("expected true or false, not {}", quote(other))),
        },
        Value::Null | Value::Text { .. } | Value::List(_) | Value::Map(_) => {
            Err(format!("expected true or false without quotes, not {}", kind(node)))
        }
    }
}

/// Reads a whole number within `range`.
pub(crate) fn number(node: &Node, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let (least, most) = (range.start(), range.end());
    match &node.value {
        Value::Text { text, quoted: false } => match text.parse::<u32>() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(format!("expected a whole number from {least} to {most}, not {}", quote(text))),
        },
        Value::Null | Value::Text { .. } | Value::List(_) | Value::Map(_) => {
            Err(format!("expected a whole number from {least} to {most} without quotes, not {}", kind(node)))
        }
    }
}

/// Reads a Prometheus duration within `range`.
pub(crate) fn duration(node: &Node, range: std::ops::RangeInclusive<Duration>) -> Result<Duration, String> {
    let Value::Text { text, .. } = &node.value else {
        return Err(format!("expected a duration like 30s, not {}", kind(node)));
    };
    let duration = parse_duration(text)?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (least, most) = (setting(*range.start()), setting(*range.end()));
    Err(format!("{} is out of range; it must be from {least} to {most}", quote(text)))
}

/// What a node is, in words that show nothing of its content.
fn kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Null => "nothing",
        Value::Text { quoted: true, .. } => "a quoted text",
        Value::Text { quoted: false, .. } => "a single value",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}
