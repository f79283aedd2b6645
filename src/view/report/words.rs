//! The report's closed sets and instants as JSON: the words that every surface uses, and their schemas.

use crate::health::State;
use crate::target::Protocol;
use crate::verdict::{ProbeResult, Role, Side, Stage};

/// A module for `#[serde(with = ...)]` and `#[schemars(schema_with = ...)]`: an enum by the words of its `as_str`.
macro_rules! worded {
    ($module:ident, $type:ty, $all:expr) => {
        pub(in crate::view) mod $module {
            use std::borrow::Cow;

            use schemars::{Schema, SchemaGenerator, json_schema};
            use serde::{Deserialize, Deserializer, Serializer};
            use serde::de::Error;

            use super::*;

            const ALL: &[$type] = $all;

            #[allow(clippy::trivially_copy_pass_by_ref)] // serde wants a reference
            pub fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.as_str())
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let word = Cow::<str>::deserialize(deserializer)?;
                let known = ALL.iter().find(|value| value.as_str() == word).copied();
                known.ok_or_else(|| Error::custom(format!("{word:?} is none of the words for this field")))
            }

            pub fn schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<_> = ALL.iter().map(|value| value.as_str()).collect();
                json_schema!({ "type": "string", "enum": words })
            }
        }
    };
}

worded!(state, State, &State::ALL);
worded!(protocol, Protocol, Protocol::ALL);
worded!(stage, Stage, Stage::ALL);
worded!(side, Side, &[Side::Network, Side::Gateway, Side::Server, Side::Exporter]);
worded!(result, ProbeResult, &[ProbeResult::Success, ProbeResult::Failure, ProbeResult::NoVerdict]);
worded!(role, Role, &[Role::Leaf, Role::Intermediate, Role::Root]);

/// Null instead of nothing.
pub(super) fn text_or_null<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.is_empty() { serializer.serialize_none() } else { serializer.serialize_str(text) }
}

/// RFC 3339 in UTC, to the second.
pub(in crate::view) mod time {
    use std::borrow::Cow;
    use std::time::SystemTime;

    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::words::{from_rfc3339, rfc3339};

    pub fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&rfc3339(*at))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        from_rfc3339(&text).ok_or_else(|| Error::custom(format!("{text:?} is no instant such as 2026-11-22T03:12:05Z")))
    }

    pub fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(in crate::view) mod time_in_milliseconds {
    use std::time::SystemTime;

    use serde::Serializer;

    pub(in crate::view) use super::time::deserialize;
    use crate::words::rfc3339_milliseconds;

    pub fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&rfc3339_milliseconds(*at))
    }
}
