//! The rows of a snapshot, shared with the table: a snapshot of thousands of rows costs what a list of them does, and a
//! client that takes long for one holds no more than the rows that have changed since.

use std::ops::Index;
use std::sync::Arc;

use super::Row;

/// Rows at one instant, in the configuration's order.
#[derive(Clone, Debug, Default)]
pub struct Rows(Vec<Arc<Row>>);

impl Rows {
    pub(super) fn shared(rows: impl IntoIterator<Item = Arc<Row>>) -> Self {
        Self(rows.into_iter().collect())
    }

    /// All of them.
    pub fn iter(&self) -> Iter<'_> {
        self.0.iter().map(|row| &**row)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out the row at `index`.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&mut self, index: usize) -> Row {
        Arc::unwrap_or_clone(self.0.remove(index))
    }
}

/// References to the rows.
pub type Iter<'a> = std::iter::Map<std::slice::Iter<'a, Arc<Row>>, fn(&'a Arc<Row>) -> &'a Row>;

impl Index<usize> for Rows {
    type Output = Row;

    fn index(&self, index: usize) -> &Row {
        &self.0[index]
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Row;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::iter::Map<std::vec::IntoIter<Arc<Row>>, fn(Arc<Row>) -> Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(Arc::unwrap_or_clone)
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<T: IntoIterator<Item = Row>>(rows: T) -> Self {
        Self(rows.into_iter().map(Arc::new).collect())
    }
}

impl From<Vec<Row>> for Rows {
    fn from(rows: Vec<Row>) -> Self {
        rows.into_iter().collect()
    }
}
