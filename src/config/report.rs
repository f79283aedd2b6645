//! What is wrong with one file, and where: collected while it is read, and given out in the file's order.

use std::fmt;

use super::{Problem, Problems};

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Collects the problems of one file.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    left_out: usize,
}

impl Report {
    /// For the file with this path.
    pub(crate) fn new(file: String) -> Self {
        Self { file, errors: Vec::new(), warnings: Vec::new(), left_out: 0 }
    }

    /// Something that makes the file unusable. No place: the file as a whole.
    pub(crate) fn error(&mut self, place: Option<Place>, key: impl fmt::Display, message: impl Into<String>) {
        self.error_with(place, key, || message.into());
    }

    /// As [`Report::error`], for messages that cost something to find: a suggestion among many names.
    pub(crate) fn error_with(
        &mut self,
        place: Option<Place>,
        key: impl fmt::Display,
        message: impl FnOnce() -> String,
    ) {
        if self.errors.len() >= MAX_SHOWN {
            self.left_out += 1;
            return;
        }
        let problem = self.problem(place, &key, message());
        self.errors.push(problem);
    }

    /// One error instead of all others: reading ended here, so the others may only follow from it.
    pub(crate) fn replace_all(&mut self, place: Place, message: String) {
        self.left_out = 0;
        self.errors = vec![self.problem(Some(place), &"", message)];
    }

    /// Something that is allowed but probably not meant.
    pub(crate) fn warning(&mut self, place: Option<Place>, key: impl fmt::Display, message: impl Into<String>) {
        if self.warnings.len() < MAX_SHOWN {
            let problem = self.problem(place, &key, message.into());
            self.warnings.push(problem);
        }
    }

    fn problem(&self, place: Option<Place>, key: &dyn fmt::Display, message: String) -> Problem {
        Problem {
            file: self.file.clone(),
            place: place.map(|place| (place.line.into(), place.column.into())),
            key: key.to_string(),
            message,
        }
    }

    /// The warnings in the file's order.
    ///
    /// # Errors
    /// The errors in the file's order, if there are any.
    pub(crate) fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        if !self.errors.is_empty() {
            return Err(self.into_problems());
        }
        self.warnings.sort_by_key(|problem| problem.place);
        Ok(self.warnings)
    }

    /// The errors in the file's order.
    pub(crate) fn into_problems(mut self) -> Problems {
        // Stable, so that problems of one place stay in the order in which they were found.
        self.errors.sort_by_key(|problem| problem.place);
        if self.left_out > 0 {
            let message = format!("{} more errors are not shown", self.left_out);
            let problem = self.problem(None, &"", message);
            self.errors.push(problem);
        }
        Problems::new(self.errors)
    }
}

/// Nobody reads more; a file of broken lines must not become as many messages.
const MAX_SHOWN: usize = 1_000;
