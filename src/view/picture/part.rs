//! A part of the picture with its marks, and how it is said.

use crate::words::one_line;

/// One thing in a block or on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// What it is.
    pub(super) label: String,
    /// Its place among its like; may be empty.
    pub(super) tag: String,
    /// What it is in this case; may be empty.
    pub(super) value: String,
    /// Further lines.
    pub(super) more: Vec<String>,
    /// What is wrong with it.
    pub(super) notes: Vec<Note>,
    /// It was looked at, and nothing is wrong.
    pub(super) is_fine: bool,
}

/// What a part looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key and its value.
    Fact,
    /// A certificate, and whether the next one issued it.
    Certificate { linked: bool },
    /// The place of a certificate that is not there.
    Slot,
    /// A part of the probe's way, and how far it came.
    Step(Progress),
    /// A sentence.
    Remark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    Failed,
    /// The probe ended in it, and nobody knows what that says.
    Unclear,
    NotReached,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) mark: Mark,
    pub(super) text: String,
}

/// How a part is marked, the more urgent later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    None,
    Fine,
    Warning,
    Faulty,
}

impl Part {
    pub(super) fn new(kind: Kind, label: impl Into<String>, value: impl AsRef<str>) -> Self {
        let (label, value) = (label.into(), one_line(value.as_ref()));
        Self { kind, label, tag: String::new(), value, more: Vec::new(), notes: Vec::new(), is_fine: false }
    }

    pub(super) fn and(mut self, line: impl AsRef<str>) -> Self {
        self.more.push(one_line(line.as_ref()));
        self
    }

    pub(super) fn noted(mut self, notes: Vec<Note>) -> Self {
        self.notes.extend(notes);
        self
    }

    pub(super) fn fine_if(mut self, is_fine: bool) -> Self {
        self.is_fine = is_fine;
        self
    }

    pub(super) fn mark(&self) -> Mark {
        let worst = self.notes.iter().map(|note| note.mark).max();
        worst.unwrap_or(if self.is_fine { Mark::Fine } else { Mark::None })
    }

    /// The part in one sentence, for those who do not see it.
    pub(super) fn spoken(&self) -> String {
        let mut text = match &*self.value {
            "" => self.label.clone(),
            value => format!("{} {value}", self.label),
        };
        for Note { text: note, .. } in &self.notes {
            text.push_str(": ");
            text.push_str(note);
        }
        match self.mark() {
            Mark::Faulty => text.push_str(": faulty"),
            Mark::Warning => text.push_str(": warning"),
            Mark::Fine => text.push_str(": fine"),
            Mark::None => {}
        }
        text
    }
}
