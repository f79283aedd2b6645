//! YAML text → a tree of [`Node`]s that know their places. The only file that names the YAML parser.
//!
//! The parser's events are built into a tree here, rather than being given to serde, because serde stops at the first
//! error, knows no key paths and cannot say where the first one of two equal keys stands. What hostile or broken
//! input can cost is bounded: the depth, and the number of values with every use of an alias counted again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_saphyr::granit_parser;
use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::report::{Place, Report};
use super::value::cut_key;

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a value is. What a text means (number, duration, name) is for its reader to say.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `quoted` when it can only be meant as a text.
    Text {
        text: Arc<str>,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping with its value. No two entries of a mapping have the same key.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// Where in the tree a value stands, as shown to people: `backend_pools[0].servers[2]`. Made on the way down, and
/// written only when there is something to say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyPath<'a> {
    Root,
    Key(&'a KeyPath<'a>, &'a str),
    Item(&'a KeyPath<'a>, usize),
}

impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Reads a text that is one YAML document; no document at all is `null`. Reports what is wrong with it; `None` when it
/// is no YAML, or too much of it, and that is then all that the report says.
pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Node> {
    let mut builder =
        Builder { report, stack: Vec::new(), anchors: HashMap::new(), values: 0, documents: 0, root: None };
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => builder.take(event, place(span.start), place(span.tag_start.unwrap_or(span.start))),
            Err(error) => Err(syntax_error(&error)),
        };
        if let Err(Stop { place, message }) = step {
            report.replace_all(place, message);
            return None;
        }
    }
    let nothing = Node { place: Place { line: 1, column: 1 }, value: Value::Null };
    Some(builder.root.unwrap_or(nothing))
}

/// Nothing in a configuration is nested deeper than 5.
const MAX_DEPTH: usize = 32;

/// Enough for hundreds of thousands of servers, and at some 100 bytes each still bounded memory.
const MAX_VALUES: usize = 1_000_000;

/// What ends the reading at once.
struct Stop {
    place: Place,
    message: String,
}

struct Builder<'r> {
    report: &'r mut Report,
    /// The lists and mappings that are open, outermost first.
    stack: Vec<Frame>,
    /// Finished nodes that aliases may name, with the number of their values.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
    documents: usize,
    root: Option<Node>,
}

/// A list or mapping that is not closed yet.
struct Frame {
    place: Place,
    /// 0: no anchor.
    anchor: usize,
    /// The number of values in it so far, itself included.
    values: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<Arc<str>, Place>,
        /// The values of `<<`, whose entries yield to the mapping's own.
        merged: Vec<Node>,
        /// The key whose value comes next.
        key: Option<Key>,
    },
}

struct Key {
    text: Arc<str>,
    place: Place,
    kind: KeyKind,
}

enum KeyKind {
    Plain,
    /// `<<`.
    Merge,
    /// Reported already; its value is read and dropped.
    Refused,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, place: Place, place_of_tag: Place) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second YAML document starts here; one file holds one document".to_owned();
                    return Err(Stop { place, message });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = self.tag_means_text(tag.as_deref(), place_of_tag) || style != ScalarStyle::Plain;
                self.values = counted(self.values, 1, place)?;
                self.finish(Node { place, value: scalar(&text, quoted) }, 1, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag_means_text(tag.as_deref(), place_of_tag);
                self.open(place, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag_means_text(tag.as_deref(), place_of_tag);
                let (entries, seen, merged) = (Vec::new(), HashMap::new(), Vec::new());
                self.open(place, anchor, Content::Map { entries, seen, merged, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => {
                let Some((node, values)) = self.anchors.get(&id) else {
                    let message = "this alias stands inside the value that it names".to_owned();
                    return Err(Stop { place, message });
                };
                // Counted before it is copied, so that a bomb never goes off.
                self.values = counted(self.values, *values, place)?;
                // Where it is used is where a reader looks for it.
                let (node, values) = (Node { place, value: node.value.clone() }, *values);
                self.finish(node, values, 0)
            }
            // Marks of stream and document carry no values.
            _ => Ok(()),
        }
    }

    fn open(&mut self, place: Place, anchor: usize, content: Content) -> Result<(), Stop> {
        self.values = counted(self.values, 1, place)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(Stop { place, message: too_deep() });
        }
        self.stack.push(Frame { place, anchor, values: 1, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(Frame { place, anchor, values, content }) = self.stack.pop() else {
            return Ok(());
        };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, mut seen, merged, key: _ } => {
                for node in merged {
                    self.merge(node, &mut entries, &mut seen);
                }
                Value::Map(entries)
            }
        };
        self.finish(Node { place, value }, values, anchor)
    }

    /// Gives a whole node to what it stands in.
    fn finish(&mut self, node: Node, values: usize, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            self.values = counted(self.values, values, node.place)?;
            self.anchors.insert(anchor, (node.clone(), values));
        }
        let Some(mut frame) = self.stack.pop() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.values += values;
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, merged, key } => match key.take() {
                None => *key = Some(self.key(node)),
                Some(Key { kind: KeyKind::Refused, .. }) => {}
                Some(Key { kind: KeyKind::Merge, .. }) => merged.push(node),
                Some(Key { text, place, kind: KeyKind::Plain }) => {
                    if let Some(first) = seen.get(&text) {
                        let message = format!("duplicate key; it already stands at {first}");
                        self.report.error(Some(place), self.path_of(&text), message);
                    } else {
                        seen.insert(text.clone(), place);
                        entries.push(Entry { key: text, place, node });
                    }
                }
            },
        }
        self.stack.push(frame);
        Ok(())
    }

    fn key(&mut self, node: Node) -> Key {
        let place = node.place;
        match node.value {
            Value::Text { text, quoted: false } if &*text == "<<" => Key { text, place, kind: KeyKind::Merge },
            Value::Text { text, quoted: _ } => Key { text, place, kind: KeyKind::Plain },
            Value::Null => {
                self.report.error(Some(place), self.path_of(""), "a key is missing before this `:`");
                Key { text: "".into(), place, kind: KeyKind::Refused }
            }
            Value::List(_) | Value::Map(_) => {
                self.report.error(Some(place), self.path_of(""), "a key must be a text, not a list or a mapping");
                Key { text: "".into(), place, kind: KeyKind::Refused }
            }
        }
    }

    /// Adds what the mapping does not say itself; of several mappings the first one wins.
    fn merge(&mut self, node: Node, entries: &mut Vec<Entry>, seen: &mut HashMap<Arc<str>, Place>) {
        match node.value {
            Value::Map(merged) => {
                for entry in merged {
                    if !seen.contains_key(&entry.key) {
                        seen.insert(entry.key.clone(), entry.place);
                        entries.push(entry);
                    }
                }
            }
            Value::List(several) => several.into_iter().for_each(|one| self.merge(one, entries, seen)),
            Value::Null | Value::Text { .. } => {
                let message = "a merge key wants an alias of a mapping, or a list of them";
                self.report.error(Some(node.place), self.path_of("<<"), message);
            }
        }
    }

    /// Where `key` of the mapping that is just being filled (and off the stack) stands.
    fn path_of(&self, key: &str) -> String {
        let path = self.stack.iter().fold(String::new(), |path, frame| match &frame.content {
            Content::List(items) => format!("{path}[{}]", items.len()),
            Content::Map { key: Some(Key { text, .. }), .. } if path.is_empty() => cut_key(text).into_owned(),
            Content::Map { key: Some(Key { text, .. }), .. } => format!("{path}.{}", cut_key(text)),
            Content::Map { key: None, .. } => path,
        });
        match (path.is_empty(), key.is_empty()) {
            (true, _) => cut_key(key).into_owned(),
            (false, true) => path,
            (false, false) => format!("{path}.{}", cut_key(key)),
        }
    }

    /// Whether a tag says that a plain scalar is a text. Any tag that is not YAML's own is reported.
    fn tag_means_text(&mut self, tag: Option<&Tag>, place: Place) -> bool {
        let Some(tag) = tag else {
            return false;
        };
        match tag.core_suffix() {
            Some(core) => core == "str",
            None if tag.original() == "!" => true,
            None => {
                self.report.error(
                    Some(place),
                    self.path_of(""),
                    // The text may be a secret.
                    "tags mean nothing here; a text that starts with `!` must be in quotes",
                );
                false
            }
        }
    }
}

fn counted(values: usize, more: usize, place: Place) -> Result<usize, Stop> {
    match values.saturating_add(more) {
        total if total > MAX_VALUES => {
            Err(Stop { place, message: format!("more than {MAX_VALUES} values, each use of an alias counted") })
        }
        total => Ok(total),
    }
}

fn scalar(text: &str, quoted: bool) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" if !quoted => Value::Null,
        text => Value::Text { text: text.into(), quoted },
    }
}

fn place(marker: Marker) -> Place {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Place { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

fn syntax_error(error: &ScanError) -> Stop {
    let hint = match error.kind() {
        ErrorKind::RecursionLimitExceeded => {
            return Stop { place: place(*error.marker()), message: too_deep() };
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "; indent with spaces",
        ErrorKind::MappingValueNotAllowed => "; put a text that holds `: ` into quotes, and check the indentation",
        ErrorKind::UnknownAnchor => "; a text that starts with `*` must be in quotes",
        ErrorKind::UnexpectedCharacter { .. } => "; a text that starts with such a character must be in quotes",
        _ => "",
    };
    Stop { place: place(*error.marker()), message: format!("this is not valid YAML: {}{hint}", error.info()) }
}
