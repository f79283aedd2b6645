//! What needs a person first: rows in groups, the worst group on top.

use std::cmp::Reverse;
use std::time::SystemTime;

use crate::health::{Row, State};
use crate::verdict::ProbeResult;
use crate::view::report::{Problem, ReportRow};

/// How urgent a row is, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    Unhealthy,
    Unknown,
    /// Still Healthy, but its latest probe did not succeed.
    Failing,
    /// Healthy, with a warning.
    Warned,
    Healthy,
}

impl Urgency {
    pub const ALL: [Self; 5] = [Self::Unhealthy, Self::Unknown, Self::Failing, Self::Warned, Self::Healthy];

    #[must_use]
    pub fn of(row: &impl Ranked) -> Self {
        match row.state() {
            State::Unhealthy => Self::Unhealthy,
            State::Unknown => Self::Unknown,
            State::Healthy if row.is_unclear() => Self::Failing,
            State::Healthy if row.is_warned() => Self::Warned,
            State::Healthy => Self::Healthy,
        }
    }

    /// What there is to say first about such a row. Without a cause its latest probe succeeded, and what is said of that one
    /// is all that there is.
    #[must_use]
    pub fn problem_of<'r, 'a>(self, row: &'r ReportRow<'a>) -> Option<&'r Problem<'a>> {
        let of_probe = row.last_probe.as_ref().and_then(|probe| probe.cause.as_ref());
        match self {
            Self::Unhealthy | Self::Unknown => row.cause.as_ref().or(row.warnings.first()),
            Self::Failing => of_probe.or(row.cause.as_ref()),
            Self::Warned => row.warnings.first(),
            Self::Healthy => None,
        }
    }

    /// As a heading over such rows.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Unhealthy => "Unhealthy",
            Self::Unknown => "Unknown",
            Self::Failing => "Healthy, but the latest probe did not succeed",
            Self::Warned => "Healthy, with a warning",
            Self::Healthy => "Healthy",
        }
    }
}

/// A row, in the table or in a report.
pub trait Ranked {
    fn state(&self) -> State;
    fn since(&self) -> SystemTime;
    /// It has a cause, or its latest probe did not succeed.
    fn is_unclear(&self) -> bool;
    /// Its latest probe left a warning.
    fn is_warned(&self) -> bool;
}

impl Ranked for Row {
    fn state(&self) -> State {
        self.state
    }

    fn since(&self) -> SystemTime {
        self.since
    }

    fn is_unclear(&self) -> bool {
        self.cause.is_some() || self.last_probe.as_deref().is_some_and(|probe| probe.result() != ProbeResult::Success)
    }

    fn is_warned(&self) -> bool {
        self.last_probe.as_deref().is_some_and(|probe| !probe.warnings.is_empty())
    }
}

impl Ranked for ReportRow<'_> {
    fn state(&self) -> State {
        self.state
    }

    fn since(&self) -> SystemTime {
        self.since
    }

    fn is_unclear(&self) -> bool {
        self.cause.is_some() || self.last_probe.as_ref().is_some_and(|probe| probe.result != ProbeResult::Success)
    }

    fn is_warned(&self) -> bool {
        !self.warnings.is_empty()
    }
}

/// Every row in its group, the worst group first, groups without rows left out. Among rows that are not well the one
/// that changed last stands first: it is what somebody was just woken for. Rows that are well keep their order.
#[must_use]
pub fn worst_first<'a, R: Ranked + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Vec<(Urgency, Vec<&'a R>)> {
    let mut groups = Urgency::ALL.map(|urgency| (urgency, Vec::new()));
    for row in rows {
        let urgency = Urgency::of(row);
        groups.iter_mut().filter(|(of, _)| *of == urgency).for_each(|(_, members)| members.push(row));
    }
    for (urgency, members) in &mut groups {
        match urgency {
            Urgency::Unhealthy | Urgency::Unknown => members.sort_by_key(|row| Reverse(row.since())),
            Urgency::Failing | Urgency::Warned | Urgency::Healthy => {}
        }
    }
    groups.into_iter().filter(|(_, members)| !members.is_empty()).collect()
}
