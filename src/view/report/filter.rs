//! Which rows somebody wants to see.

use thiserror::Error;

use crate::health::{Row, State, Transition};
use crate::target::Target;
use crate::verdict::{Cause, Code, Finding, Notice, Side};
use crate::words::{bare, nearest};

/// Keeps the rows that have one of the wanted values in each field that is asked for. Names compare without regard to
/// case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub pools: Vec<String>,
    pub settings: Vec<String>,
    /// As written in the configuration; brackets around an IPv6 address may be there or not.
    pub servers: Vec<String>,
    pub states: Vec<State>,
    /// Who has to act on the row's cause.
    pub sides: Vec<Side>,
    pub causes: Vec<Cause>,
    /// What the latest probe warns of.
    pub warnings: Vec<Warned>,
    /// Words that must all stand somewhere in pool, setting, server, port, protocol, or the cause's code, title or detail.
    pub words: Vec<String>,
}

/// A warning that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warned {
    /// Whichever it is.
    Any,
    /// A notice, or a cause whose check is off.
    Of(Code),
}

/// A key of a filter's query.
#[derive(Clone, Copy, Debug)]
pub struct FilterKey {
    pub name: &'static str,
    pub meaning: &'static str,
    /// The only values; empty when any text will do.
    pub values: fn() -> Vec<&'static str>,
}

/// A value that no row can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    #[error("state {0:?} is none of Healthy, Unhealthy, Unknown")]
    State(String),
    #[error("side {0:?} is none of network, gateway, server, exporter")]
    Side(String),
    #[error("cause {0:?} is no cause; {example} is one", example = near(.0, causes(), Cause::TcpRefused.code()))]
    Cause(String),
    #[error("warning {0:?} is no warning; {example} is one, and any asks for all of them",
            example = near(.0, warnings(), Notice::CertExpiresSoon.words().code))]
    Warning(String),
}

impl Filter {
    /// What [`Filter::parse`] reads.
    pub const KEYS: [FilterKey; 8] = [
        FilterKey { name: "pool", meaning: "Only rows of these pools, in any case.", values: Vec::new },
        FilterKey {
            name: "setting",
            meaning: "Only rows under these backend settings, in any case.",
            values: Vec::new,
        },
        FilterKey {
            name: "server",
            meaning: "Only these servers as the configuration writes them, in any case, an IPv6 address with or without \
                      brackets.",
            values: Vec::new,
        },
        FilterKey {
            name: "state",
            meaning: "Only rows in these states, in any case. Of changes: only those to these states.",
            values: || State::ALL.iter().map(|state| state.as_str()).collect(),
        },
        FilterKey {
            name: "side",
            meaning: "Only rows whose cause is for these sides to act on: the network, the settings here (gateway), the \
                      server, or this host (exporter).",
            values: || Self::SIDES.iter().map(|side| side.as_str()).collect(),
        },
        FilterKey {
            name: "cause",
            meaning: "Only rows with these causes.",
            values: || Cause::ALL.iter().map(|cause| cause.code()).collect(),
        },
        FilterKey {
            name: "warning",
            meaning: "Only rows whose latest probe left one of these warnings, or `any` for whichever. Changes of state \
                      have no warnings.",
            values: || std::iter::once(ANY).chain(warnings().map(|code| code.words().code)).collect(),
        },
        FilterKey {
            name: "q",
            meaning: "Words that must all stand somewhere in pool, setting, server, port, protocol, state, or the cause's \
                      code, title or detail.",
            values: Vec::new,
        },
    ];

    /// Who may have to act.
    pub const SIDES: [Side; 4] = [Side::Network, Side::Gateway, Side::Server, Side::Exporter];

    /// From the query of a URL: `pool`, `setting`, `server`, `state`, `side`, `cause`, `warning`, each any number of times,
    /// and `q` for words. Empty values ask for nothing; other keys are not ours.
    ///
    /// # Errors
    /// When a state, side, cause or warning does not exist.
    pub fn parse(query: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.trim().is_empty()) {
            let value = value.trim();
            match &*key {
                "pool" => filter.pools.push(value.to_owned()),
                "setting" => filter.settings.push(value.to_owned()),
                "server" => filter.servers.push(value.to_owned()),
                "state" => filter.states.push(state(value)?),
                "side" => filter.sides.push(side(value)?),
                "cause" => filter.causes.push(cause(value)?),
                "warning" => filter.warnings.push(warning(value)?),
                "q" => filter.words.extend(value.split_whitespace().map(str::to_lowercase)),
                _ => {}
            }
        }
        Ok(filter)
    }

    /// As a URL's query, without a question mark; empty when it asks for nothing.
    #[must_use]
    pub fn to_query(&self) -> String {
        let Self { pools, settings, servers, states, sides, causes, warnings, words } = self;
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, values) in [("pool", pools), ("setting", settings), ("server", servers)] {
            query.extend_pairs(values.iter().map(|value| (key, value)));
        }
        query.extend_pairs(states.iter().map(|state| ("state", state.as_str())));
        query.extend_pairs(sides.iter().map(|side| ("side", side.as_str())));
        query.extend_pairs(causes.iter().map(|cause| ("cause", cause.code())));
        query.extend_pairs(warnings.iter().map(|warned| ("warning", warned.code())));
        if !words.is_empty() {
            query.append_pair("q", &words.join(" "));
        }
        query.finish()
    }

    /// What it asks of names, which hold whatever comes of a probe.
    #[must_use]
    pub fn of_names(&self) -> Self {
        let Self { pools, settings, servers, .. } = self.clone();
        Self { pools, settings, servers, ..Self::default() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn matches(&self, row: &Row) -> bool {
        let found = || row.last_probe.iter().flat_map(|probe| &probe.warnings).map(|warning| warning.code);
        self.lets_through(&row.target, row.state, row.cause.as_deref())
            && (self.warnings.is_empty() || found().any(|code| self.warnings.iter().any(|warned| warned.is(code))))
    }

    /// Whether a change of state is of a row that is asked for, and to a state and for a cause that are.
    #[must_use]
    pub fn matches_transition(&self, transition: &Transition) -> bool {
        self.warnings.is_empty() && self.lets_through(&transition.target, transition.to, transition.cause.as_deref())
    }

    fn lets_through(&self, target: &Target, state: State, cause: Option<&Finding<Cause>>) -> bool {
        let Self { pools, settings, servers, states, sides, causes, warnings: _, words } = self;
        let any = |wanted: &[String], value: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| bare(wanted).to_lowercase() == value.to_lowercase())
        };
        any(pools, &target.pool)
            && any(settings, &target.setting)
            && any(servers, &target.server)
            && (states.is_empty() || states.contains(&state))
            && (sides.is_empty() || cause.is_some_and(|cause| sides.contains(&cause.side())))
            && (causes.is_empty() || cause.is_some_and(|cause| causes.contains(&cause.code)))
            && (words.is_empty() || {
                let text = searched(target, state, cause).to_lowercase();
                words.iter().all(|word| text.contains(word.as_str()))
            })
    }
}

/// A state's name in any case.
///
/// # Errors
/// When it is none.
pub fn state(text: &str) -> Result<State, FilterError> {
    let known = State::ALL.into_iter().find(|state| state.label().eq_ignore_ascii_case(text));
    known.ok_or_else(|| FilterError::State(text.to_owned()))
}

/// A cause's code in any case.
///
/// # Errors
/// When it is none.
pub fn cause(text: &str) -> Result<Cause, FilterError> {
    let known = Cause::ALL.iter().find(|cause| cause.code().eq_ignore_ascii_case(text)).copied();
    known.ok_or_else(|| FilterError::Cause(text.to_owned()))
}

/// A known code that was probably meant, else one that shows what such a code is like.
fn near(text: &str, known: impl Iterator<Item = Code>, example: &'static str) -> &'static str {
    nearest(text, known.map(|code| code.words().code)).unwrap_or(example)
}

fn causes() -> impl Iterator<Item = Code> {
    Cause::ALL.iter().map(|cause| Code::Cause(*cause))
}

/// A side's name in any case.
///
/// # Errors
/// When it is none.
pub fn side(text: &str) -> Result<Side, FilterError> {
    let known = Filter::SIDES.into_iter().find(|side| side.as_str().eq_ignore_ascii_case(text));
    known.ok_or_else(|| FilterError::Side(text.to_owned()))
}

/// A warning's code in any case, or `any`.
///
/// # Errors
/// When it is neither.
pub fn warning(text: &str) -> Result<Warned, FilterError> {
    if text.eq_ignore_ascii_case(ANY) {
        return Ok(Warned::Any);
    }
    let known = warnings().find(|code| code.words().code.eq_ignore_ascii_case(text));
    known.map(Warned::Of).ok_or_else(|| FilterError::Warning(text.to_owned()))
}

impl Warned {
    /// As a query has it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Any => ANY,
            Self::Of(code) => code.words().code,
        }
    }

    fn is(self, code: Code) -> bool {
        self == Self::Any || self == Self::Of(code)
    }
}

/// Every code that a warning can have: notices, and the faults of a check that may be switched off.
fn warnings() -> impl Iterator<Item = Code> {
    let faults = Cause::ALL.iter().map(|cause| Code::Cause(*cause)).filter(|code| code.is_about_certificates());
    Notice::ALL.iter().map(|notice| Code::Notice(*notice)).chain(faults)
}

/// Asks for every warning.
const ANY: &str = "any";

fn searched(target: &Target, state: State, cause: Option<&Finding<Cause>>) -> String {
    let (code, title, detail) =
        cause.map_or(("", "", ""), |cause| (cause.code.code(), cause.code.words().title, cause.detail.as_str()));
    format!(
        "{} {} {}:{} {} {} {code} {title} {detail}",
        target.pool,
        target.setting,
        target.server,
        target.port(),
        target.protocol(),
        state.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is_written_and_wrong_values_are_named() {
        fn check(query: &str, written: Result<&str, &str>) {
            let parsed = Filter::parse(query).map(|filter| filter.to_query()).map_err(|error| error.to_string());
            assert_eq!(parsed, written.map(str::to_owned).map_err(str::to_owned), "{query}");
        }
        check("side=SERVER&side=exporter", Ok("side=server&side=exporter"));
        check("warning=Any&cause=tcp_refused", Ok("cause=tcp_refused&warning=any"));
        check("warning=cert_expires_soon&warning=cert_expired", Ok("warning=cert_expires_soon&warning=cert_expired"));
        check("side=&warning=", Ok(""));
        check("side=x", Err("side \"x\" is none of network, gateway, server, exporter"));
        check(
            "warning=tcp_refused",
            Err("warning \"tcp_refused\" is no warning; cert_expires_soon is one, and any asks for all of them"),
        );
    }
}
