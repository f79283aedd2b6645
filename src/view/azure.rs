//! The report in the shapes of Azure's REST API: `ApplicationGatewayBackendHealth` and its answer to a probe on demand.
//!
//! Resource ids are made of the names in the configuration. The words and texts are ours; the structure is Azure's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;

use serde::Serialize;

use crate::health::State;
use crate::target::Protocol;
use crate::view::report::{Problem, Report, ReportRow};

/// The application gateway that this exporter stands for: what every resource id begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub subscription: String,
    pub resource_group: String,
    pub name: String,
}

impl Gateway {
    /// Its own resource id.
    #[must_use]
    pub fn id(&self) -> String {
        let Self { subscription, resource_group, name } = self;
        format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}\
             /providers/Microsoft.Network/applicationGateways/{name}"
        )
    }

    #[must_use]
    pub fn pool_id(&self, pool: &str) -> String {
        format!("{}/{POOLS}/{}", self.id(), Segment(pool))
    }

    #[must_use]
    pub fn setting_id(&self, setting: &str, protocol: Protocol) -> String {
        let collection = protocol.row().azure_collection;
        format!("{}/{collection}/{}", self.id(), Segment(setting))
    }

    /// The pool's name in a reference to it: its id, in any case, or the name alone. `None` when it is something else.
    #[must_use]
    pub fn pool_in(&self, reference: &str) -> Option<String> {
        self.name_in(reference, |collection| collection.eq_ignore_ascii_case(POOLS))
    }

    /// Likewise of a backend setting.
    #[must_use]
    pub fn setting_in(&self, reference: &str) -> Option<String> {
        self.name_in(reference, |collection| {
            Protocol::ALL.iter().any(|protocol| collection.eq_ignore_ascii_case(protocol.row().azure_collection))
        })
    }

    fn name_in(&self, reference: &str, is_right: impl Fn(&str) -> bool) -> Option<String> {
        let Some((above, name)) = reference.rsplit_once('/') else {
            return (!reference.is_empty()).then(|| decoded(reference));
        };
        let (gateway, collection) = above.rsplit_once('/')?;
        (is_right(collection) && !name.is_empty() && gateway.to_lowercase() == self.id().to_lowercase())
            .then(|| decoded(name))
    }
}

/// A pool as configured, so that one without servers or settings is seen, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOutline<'a> {
    pub name: &'a str,
    pub settings: Vec<SettingOutline<'a>>,
}

/// A backend setting of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingOutline<'a> {
    pub name: &'a str,
    pub protocol: Protocol,
}

/// Azure's `ApplicationGatewayBackendHealth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendHealth<'a> {
    pub backend_address_pools: Vec<PoolHealth<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolHealth<'a> {
    pub backend_address_pool: Reference,
    pub backend_http_settings_collection: Vec<SettingHealth<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingHealth<'a> {
    pub backend_http_settings: Reference,
    pub servers: Vec<ServerHealth<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerHealth<'a> {
    /// As written in the configuration.
    pub address: &'a str,
    /// `Healthy`, `Unhealthy` or `Unknown`.
    pub health: &'static str,
    /// Never empty.
    pub health_probe_log: String,
}

/// Azure's `ApplicationGatewayBackendHealthOnDemand`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandHealth<'a> {
    pub backend_address_pool: Reference,
    pub backend_health_http_settings: SettingHealth<'a>,
}

/// A resource by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    pub id: String,
}

impl<'a> BackendHealth<'a> {
    /// The whole report: every pool with every setting that it has, with a row or without.
    #[must_use]
    pub fn of(report: &'a Report<'_>, pools: &[PoolOutline<'_>], gateway: &Gateway) -> Self {
        let mut rows: HashMap<(&str, &str), Vec<ServerHealth<'a>>> = HashMap::new();
        for row in &report.rows {
            rows.entry((&row.pool, &row.setting)).or_default().push(ServerHealth::of(row));
        }
        let pools = pools.iter().map(|pool| PoolHealth {
            backend_address_pool: Reference { id: gateway.pool_id(pool.name) },
            backend_http_settings_collection: pool
                .settings
                .iter()
                .map(|setting| SettingHealth {
                    backend_http_settings: Reference { id: gateway.setting_id(setting.name, setting.protocol) },
                    servers: rows.remove(&(pool.name, setting.name)).unwrap_or_default(),
                })
                .collect(),
        });
        Self { backend_address_pools: pools.collect() }
    }
}

impl<'a> OnDemandHealth<'a> {
    /// A report that has the rows of one pool under one setting, and no other.
    #[must_use]
    pub fn of(report: &'a Report<'_>, pool: &str, setting: SettingOutline<'_>, gateway: &Gateway) -> Self {
        Self {
            backend_address_pool: Reference { id: gateway.pool_id(pool) },
            backend_health_http_settings: SettingHealth {
                backend_http_settings: Reference { id: gateway.setting_id(setting.name, setting.protocol) },
                servers: report.rows.iter().map(ServerHealth::of).collect(),
            },
        }
    }
}

impl<'a> ServerHealth<'a> {
    fn of(row: &'a ReportRow<'_>) -> Self {
        Self { address: &row.server, health: row.state.as_str(), health_probe_log: log(row) }
    }
}

/// What the latest probe came to, in a few sentences: what was seen, and the first thing to do about it.
fn log(row: &ReportRow<'_>) -> String {
    let mut text = String::new();
    let last = row.last_probe.as_ref();
    match (&row.cause, last.and_then(|probe| probe.cause.as_ref())) {
        (Some(cause), _) => {
            text.push_str(&sentence(cause));
            if row.state == State::Healthy {
                let (failures, threshold) = (row.consecutive_failures, row.unhealthy_threshold);
                // Writing to a String does not fail.
                let _ = write!(text, " Still Healthy: {failures} failed in a row, Unhealthy at {threshold}.");
            }
            append_remedy(&mut text, cause);
        }
        // Our own trouble, which leaves the row's state alone.
        (None, Some(without_verdict)) => {
            let _ = write!(text, "The latest probe gave no verdict. {}", sentence(without_verdict));
            append_remedy(&mut text, without_verdict);
        }
        (None, None) => {
            let status = last.and_then(|probe| probe.response.as_ref()).map(|response| response.status);
            let _ = match status {
                Some(status) => write!(text, "Success: the server answered with status {status}."),
                None => write!(text, "Success: {}.", row.protocol.row().success),
            };
        }
    }
    for warning in &row.warnings {
        let _ = write!(text, " Warning: {}", sentence(warning));
    }
    text
}

fn append_remedy(text: &mut String, problem: &Problem<'_>) {
    if let Some(step) = problem.remedy.first() {
        let _ = write!(text, " What to do: {}", ended(step));
    }
}

fn sentence(problem: &Problem<'_>) -> String {
    let (title, detail) = (&problem.title, problem.detail.trim_end());
    if detail.is_empty() { format!("{title}.") } else { format!("{title}: {}", ended(detail)) }
}

fn ended(text: &str) -> Cow<'_, str> {
    if text.ends_with(['.', '!', '?', '…']) { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}.")) }
}

/// A name as the last part of an id: what would end it there, or make it look like another name, in percent encoding.
struct Segment<'a>(&'a str);

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '/' | '\\' | '%' | '?' | '#' | ' ' => write!(f, "%{:02X}", u32::from(character))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A path's segment with its percent encoding undone; a percent sign that begins none stays.
#[must_use]
pub fn decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|hex| *byte == b'%' && hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let value = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        plain.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

const POOLS: &str = "backendAddressPools";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gateway() -> Gateway {
        Gateway { subscription: "sub".to_owned(), resource_group: "Group".to_owned(), name: "gw".to_owned() }
    }

    #[test]
    fn a_name_is_found_again_in_its_id() {
        for name in ["web", "Web 1", "a/b", "50%", "a%2Fb", "ü?#", "x\\y", "%", "%zz"] {
            let gateway = gateway();
            assert_eq!(gateway.pool_in(&gateway.pool_id(name)).as_deref(), Some(name));
            for protocol in [Protocol::Https, Protocol::Tls] {
                assert_eq!(gateway.setting_in(&gateway.setting_id(name, protocol)).as_deref(), Some(name));
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_a_name_holds_its_id_leads_back_to_it(name in "\\PC{1,20}") {
            let gateway = gateway();
            prop_assert_eq!(gateway.pool_in(&gateway.pool_id(&name)), Some(name));
        }

        #[test]
        fn no_reference_makes_a_reader_panic(reference in "\\PC{0,12}|[%/0-9a-f]{0,12}") {
            let _ = (decoded(&reference), gateway().pool_in(&reference), gateway().setting_in(&reference));
        }
    }

    #[test]
    fn a_reference_is_an_id_of_this_gateway_in_any_case_or_a_name() {
        fn check(reference: &str, expected: Option<&str>) {
            assert_eq!(gateway().pool_in(reference).as_deref(), expected, "{reference}");
        }
        let above = "/subscriptions/sub/resourceGroups/Group/providers/Microsoft.Network/applicationGateways";
        check("web", Some("web"));
        check(&format!("{above}/gw/backendAddressPools/web"), Some("web"));
        check(&format!("{above}/gw/BACKENDADDRESSPOOLS/Web").to_uppercase(), Some("WEB"));
        check("", None);
        check("/", None);
        check(&format!("{above}/gw/backendAddressPools/"), None);
        check(&format!("{above}/other/backendAddressPools/web"), None);
        check(&format!("{above}/gw/probes/web"), None);
        check(&format!("{above}/gw/backendAddressPools/web/x"), None);
        check("backendAddressPools/web", None);
    }
}
