//! What a stage found, as headings, tables and lines that text and page draw alike.

use schemars::JsonSchema;
use serde::Serialize;

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Neither good nor bad.
    #[default]
    None,
    Good,
    Odd,
    Bad,
}

impl Mark {
    /// The worst of them.
    pub(super) fn worst(marks: impl Iterator<Item = Self>) -> Self {
        marks.max().unwrap_or_default()
    }
}

/// A stage: what it comes to, and what was seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Section {
    /// One word for programs: its key among the stages.
    pub id: &'static str,
    pub title: &'static str,
    pub mark: Mark,
    /// In a few words.
    pub outcome: String,
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Block {
    pub title: Option<String>,
    pub form: Form,
    /// Of a table.
    pub columns: Vec<&'static str>,
    /// Each with a cell for each column; of anything but a table with one.
    pub rows: Vec<Vec<Cell>>,
}

/// How a block is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Lines,
    Table,
    /// Counted from 0.
    List,
    /// What went over the wire, line by line.
    Wire,
}

/// One thing that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    pub mark: Mark,
    /// May be a server's own words: whoever shows it makes it harmless.
    pub text: String,
    /// What stands below it.
    pub more: Vec<String>,
}

impl Cell {
    pub(super) fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), more: Vec::new() }
    }

    pub(super) fn and(self, more: Vec<String>) -> Self {
        Self { more, ..self }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Mark::None, text.to_string())
    }
}

impl Block {
    pub(super) fn lines(lines: Vec<Cell>) -> Self {
        Self {
            title: None,
            form: Form::Lines,
            columns: Vec::new(),
            rows: lines.into_iter().map(|line| vec![line]).collect(),
        }
    }

    pub(super) fn list(title: &str, items: Vec<Cell>) -> Self {
        Self { title: Some(title.to_owned()), form: Form::List, ..Self::lines(items) }
    }

    pub(super) fn wire(title: &str, lines: Vec<String>) -> Self {
        let lines = lines.into_iter().map(Cell::from).collect();
        Self { title: Some(title.to_owned()), form: Form::Wire, ..Self::lines(lines) }
    }

    pub(super) fn table(title: impl Into<String>, columns: &[&'static str], rows: Vec<Vec<Cell>>) -> Self {
        Self { title: Some(title.into()), form: Form::Table, columns: columns.to_vec(), rows }
    }
}
