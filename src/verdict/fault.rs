//! A fault of a chain and the certificate that it belongs to.

use super::chain::Reading;
use super::{Case, Cause, Facts, Finding};

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) cause: Cause,
    pub(super) detail: String,
    /// Index into the certificates read; `None` when it is in none of those sent.
    pub(super) element: Option<usize>,
    /// What is known beside that certificate's own facts.
    pub(super) facts: Facts,
    pub(super) case: Option<Case>,
}

impl Fault {
    pub(super) fn new(cause: Cause, detail: String, element: Option<usize>) -> Self {
        Self { cause, detail, element, facts: Facts::default(), case: None }
    }

    pub(super) fn with(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    pub(super) fn in_case(self, case: impl Into<Option<Case>>) -> Self {
        Self { case: case.into(), ..self }
    }

    pub(super) fn finding(&self, reading: &Reading<'_>) -> Finding<Cause> {
        let element = self.element.map(|element| Facts::of(&reading.sent[element].certificate));
        Finding::new(self.cause, self.detail.clone())
            .with(self.facts.clone().and(element.unwrap_or_default()))
            .in_case(self.case)
    }
}
