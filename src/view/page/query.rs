//! What the page's address asks for: which rows, in which form, and which part of them. Every link and form of the page
//! is such an address, so each can be sent to somebody else.

use std::borrow::Cow;

use form_urlencoded::Serializer;
use thiserror::Error;

use crate::health::State;
use crate::view::report::{Filter, FilterError};

/// The page's address behind the question mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) filter: Filter,
    pub(super) form: Form,
    /// The order of the rows, where it is not the worst first; always with [`Form::Rows`].
    pub(super) sort: Option<Sort>,
    /// Only the rows of one group, by its id.
    pub(super) same: Option<String>,
    /// Counts from 0, where the address counts from 1.
    pub(super) page: usize,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Those with the same fault together.
    #[default]
    Faults,
    /// Each for itself.
    Rows,
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// By name, then by port.
    Server,
    /// What changed last first.
    Since,
    /// The slowest latest probe first.
    Duration,
}

impl Sort {
    pub(super) const ALL: [Self; 3] = [Self::Server, Self::Since, Self::Duration];

    /// In the address.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Since => "since",
            Self::Duration => "duration",
        }
    }

    /// As a link.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Server => "by server",
            Self::Since => "latest change first",
            Self::Duration => "slowest first",
        }
    }
}

/// An address that asks for what cannot be.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum QueryError {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("page {0:?} is no number from 1 on")]
    Page(String),
    #[error("view {0:?} is neither faults nor rows")]
    Form(String),
    #[error("sort {0:?} is none of server, since, duration")]
    Sort(String),
}

/// What an address asks for, key by key; one without a value asks for nothing.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.trim().is_empty())
}

/// Which part of a long list, from 0; the address counts from 1.
///
/// # Errors
/// When it is no number, or 0.
pub(super) fn page_number(text: &str) -> Result<usize, QueryError> {
    text.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).ok_or_else(|| QueryError::Page(text.to_owned()))
}

/// The address of this part of what `query` asks for at `path`.
pub(super) fn finished(mut query: Serializer<'_, String>, page: usize, path: &str) -> String {
    if page > 0 {
        query.append_pair("page", &(page + 1).to_string());
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

impl Query {
    /// Keys that are not ours are left alone.
    pub(super) fn parse(query: &str) -> Result<Self, QueryError> {
        let mut parsed = Self { filter: Filter::parse(query)?, ..Self::default() };
        for (key, value) in pairs(query) {
            match (&*key, value.trim()) {
                ("page", page) => parsed.page = page_number(page)?,
                ("view", "faults") => parsed.form = Form::Faults,
                ("view", "rows") => parsed.form = Form::Rows,
                ("view", form) => return Err(QueryError::Form(form.to_owned())),
                ("sort", word) => match Sort::ALL.into_iter().find(|sort| sort.word().eq_ignore_ascii_case(word)) {
                    Some(sort) => parsed.sort = Some(sort),
                    None => return Err(QueryError::Sort(word.to_owned())),
                },
                ("same", id) => parsed.same = Some(id.to_owned()),
                _ => {}
            }
        }
        // A fault has no name or duration of its own to be sorted by.
        if parsed.sort.is_some() {
            parsed.form = Form::Rows;
        }
        Ok(parsed)
    }

    /// As a link from the page; `root` as in [`super::Place`].
    pub(super) fn address(&self, root: &str) -> String {
        let Self { filter, form, sort, same, page } = self;
        let mut query = Serializer::new(filter.to_query());
        match (form, sort) {
            (_, Some(sort)) => {
                query.append_pair("sort", sort.word());
            }
            (Form::Rows, None) => {
                query.append_pair("view", "rows");
            }
            (Form::Faults, None) => {}
        }
        if let Some(same) = same {
            query.append_pair("same", same);
        }
        finished(query, *page, &format!("{root}/"))
    }

    pub(super) fn with_filter(&self, filter: Filter) -> Self {
        Self { filter, form: self.form, sort: self.sort, same: None, page: 0 }
    }

    pub(super) fn with_states(&self, states: Vec<State>) -> Self {
        self.with_filter(Filter { states, ..self.filter.clone() })
    }

    pub(super) fn with_pools(&self, pools: Vec<String>) -> Self {
        self.with_filter(Filter { pools, ..self.filter.clone() })
    }

    pub(super) fn in_form(&self, form: Form) -> Self {
        Self { form, sort: None, page: 0, ..self.clone() }
    }

    pub(super) fn sorted(&self, sort: Sort) -> Self {
        Self { form: Form::Rows, sort: Some(sort), page: 0, ..self.clone() }
    }

    pub(super) fn of_group(&self, id: &str) -> Self {
        Self { same: Some(id.to_owned()), page: 0, ..self.clone() }
    }

    pub(super) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        fn check(query: &str, written: &str) {
            let parsed = Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
            assert_eq!(parsed.address("."), written, "{query}");
            let again = written.trim_start_matches("./").trim_start_matches('?');
            assert_eq!(Query::parse(again), Ok(parsed), "{written}");
        }
        check("", "./");
        check("utm=1", "./");
        check("q=&pool=&state=&page=", "./");
        check("state=unhealthy", "./?state=Unhealthy");
        check("pool=a+b%26c&pool=d&page=1", "./?pool=a+b%26c&pool=d");
        check("q=two++words&view=rows&page=3", "./?q=two+words&view=rows&page=3");
        check("same=00ff&view=faults", "./?same=00ff");
        check("sort=DURATION&side=server", "./?side=server&sort=duration");
        check("view=faults&sort=since&page=2", "./?sort=since&page=2");
    }

    #[test]
    fn what_cannot_be_asked_for_is_an_error() {
        fn check(query: &str, error: &str) {
            let found = Query::parse(query).expect_err(query);
            assert_eq!(found.to_string(), error);
        }
        check("state=ill", "state \"ill\" is none of Healthy, Unhealthy, Unknown");
        check("cause=bad_luck", "cause \"bad_luck\" is no cause; tcp_refused is one");
        check("side=x", "side \"x\" is none of network, gateway, server, exporter");
        check("sort=size", "sort \"size\" is none of server, since, duration");
        check("page=0", "page \"0\" is no number from 1 on");
        check("page=-1", "page \"-1\" is no number from 1 on");
        check("page=two", "page \"two\" is no number from 1 on");
        check("view=cards", "view \"cards\" is neither faults nor rows");
    }
}
