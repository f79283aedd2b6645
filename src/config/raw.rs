//! The file's own shape: the tables of its keys, and what stands at each of them, every value checked by itself.
//! What must hold between values is for `load`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::decode::{Field, Items, Located, Section, duration, number, text, truth};
use super::item::{host, name, port, protocol};
use super::probe::Item;
use super::reader::Reader;
use super::report::{Place, Report};
use super::value;
use super::yaml::{KeyPath, Node, Value};
use crate::discovery::Server;
use crate::probe::Protocol;

/// The keys of the file itself.
pub(super) const FILE: &[&str] =
    &["probes", "backend_settings", "certificate_expiry_warning", "azure", "backend_pools"];

/// The keys of an item of `backend_settings`.
pub(super) const SETTING: &[&str] = &[
    "name",
    "protocol",
    "port",
    "probe",
    "host_name",
    "pick_host_name_from_backend_address",
    "trusted_root_certificates",
    "certificate_revocation_lists",
    "validate_cert_chain_and_expiry",
    "validate_sni",
    "sni_name",
    "client_certificate",
];

/// The keys of a setting's `client_certificate`.
pub(super) const CLIENT_CERTIFICATE: &[&str] = &["certificate", "private_key"];

/// The keys of `azure`.
pub(super) const AZURE: &[&str] = &["subscription", "resource_group", "application_gateway", "location"];

/// The keys of an item of `backend_pools`.
pub(super) const POOL: &[&str] = &["name", "settings", "servers", "min_servers"];

const MIN_SERVERS: RangeInclusive<u32> = 0..=100_000;

const EXPIRY_WARNING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24 * 3650);

/// A whole file.
pub(super) struct File {
    pub(super) probes: Vec<Item>,
    pub(super) settings: Vec<Setting>,
    pub(super) pools: Vec<Pool>,
    pub(super) certificate_expiry_warning: Field<Duration>,
    pub(super) azure: Option<AzureNames>,
}

/// An item of `backend_settings`.
pub(super) struct Setting {
    /// Where it stands in the list.
    pub(super) index: usize,
    pub(super) place: Place,
    pub(super) name: Field<Arc<str>>,
    pub(super) protocol: Field<Protocol>,
    pub(super) port: Field<u16>,
    pub(super) probe: Field<Arc<str>>,
    pub(super) host_name: Field<Arc<str>>,
    pub(super) pick_host_name_from_backend_address: Field<bool>,
    pub(super) trusted_root_certificates: Items<String>,
    pub(super) certificate_revocation_lists: Items<String>,
    pub(super) validate_cert_chain_and_expiry: Field<bool>,
    pub(super) validate_sni: Field<bool>,
    pub(super) sni_name: Field<Arc<str>>,
    pub(super) client_certificate: Option<Located<ClientCertificateFiles>>,
}

/// A setting's `client_certificate`.
pub(super) struct ClientCertificateFiles {
    pub(super) certificate: Field<String>,
    pub(super) private_key: Field<String>,
}

/// An item of `backend_pools`.
pub(super) struct Pool {
    /// Where it stands in the list.
    pub(super) index: usize,
    pub(super) name: Field<Arc<str>>,
    pub(super) settings: Items<Arc<str>>,
    pub(super) servers: Items<Server>,
    pub(super) min_servers: Field<u32>,
}

/// `azure`.
pub(super) struct AzureNames {
    pub(super) subscription: Field<String>,
    pub(super) resource_group: Field<String>,
    pub(super) application_gateway: Field<String>,
    pub(super) location: Field<String>,
}

impl File {
    /// Reads the tree of a file; `None`, reported, when it is no mapping at all.
    pub(super) fn read(root: &Node, reader: &mut Reader) -> Option<Self> {
        let report = &mut reader.report;
        if matches!(root.value, Value::Null) {
            let message = "the file is empty; it needs at least `backend_pools` and `backend_settings`";
            report.error(None, "", message);
            return None;
        }
        let section = Section::open(root, &KeyPath::Root, FILE, report)?;
        if section.node("backend_pools").is_none() {
            report.error(Some(section.place()), "", "missing required key `backend_pools`");
        }
        Some(Self {
            probes: each(&section, "probes", reader, Item::read),
            settings: each(&section, "backend_settings", reader, |index, node, path, reader| {
                Setting::read(index, node, path, &mut reader.report)
            }),
            pools: each(&section, "backend_pools", reader, |index, node, path, reader| {
                Pool::read(index, node, path, &mut reader.report)
            }),
            certificate_expiry_warning: section
                .field("certificate_expiry_warning", &mut reader.report, |node| duration(node, EXPIRY_WARNING)),
            azure: section.node("azure").filter(|node| !matches!(node.value, Value::Null)).and_then(|node| {
                let path = section.path_of("azure");
                AzureNames::read(&Section::open(node, &path, AZURE, &mut reader.report)?, &mut reader.report).into()
            }),
        })
    }
}

/// The items of the list at `key` that are mappings, each as `read` understands it.
fn each<T>(
    section: &Section<'_>,
    key: &str,
    reader: &mut Reader,
    read: fn(usize, &Node, &KeyPath<'_>, &mut Reader) -> Option<T>,
) -> Vec<T> {
    let list = section.list(key, &mut reader.report);
    let path = section.path_of(key);
    let items = list.value().copied().unwrap_or_default();
    items
        .iter()
        .enumerate()
        .filter_map(|(index, node)| read(index, node, &KeyPath::Item(&path, index), reader))
        .collect()
}

impl Setting {
    fn read(index: usize, node: &Node, path: &KeyPath<'_>, report: &mut Report) -> Option<Self> {
        let section = Section::open(node, path, SETTING, report)?;
        let client_path = section.path_of("client_certificate");
        let client_certificate =
            section.node("client_certificate").filter(|node| !matches!(node.value, Value::Null)).and_then(|node| {
                let section = Section::open(node, &client_path, CLIENT_CERTIFICATE, report)?;
                let value = ClientCertificateFiles {
                    certificate: section.required("certificate", report, file_name),
                    private_key: section.required("private_key", report, file_name),
                };
                Some(Located { value, place: node.place })
            });
        Some(Self {
            index,
            place: section.place(),
            name: section.required("name", report, name),
            protocol: section.required("protocol", report, protocol),
            port: section.field("port", report, port),
            probe: section.field("probe", report, name),
            host_name: section.field("host_name", report, host),
            pick_host_name_from_backend_address: section.field("pick_host_name_from_backend_address", report, truth),
            trusted_root_certificates: section.items("trusted_root_certificates", report, file_name),
            certificate_revocation_lists: section.items("certificate_revocation_lists", report, file_name),
            validate_cert_chain_and_expiry: section.field("validate_cert_chain_and_expiry", report, truth),
            validate_sni: section.field("validate_sni", report, truth),
            sni_name: section.field("sni_name", report, host),
            client_certificate,
        })
    }
}

impl Pool {
    fn read(index: usize, node: &Node, path: &KeyPath<'_>, report: &mut Report) -> Option<Self> {
        let section = Section::open(node, path, POOL, report)?;
        for key in ["settings", "servers"].into_iter().filter(|key| section.node(key).is_none()) {
            report.error(Some(section.place()), path, format!("missing required key `{key}`"));
        }
        Some(Self {
            index,
            name: section.required("name", report, name),
            settings: section.items("settings", report, name),
            servers: section.items("servers", report, |node| value::server(text(node)?)),
            min_servers: section.field("min_servers", report, |node| number(node, MIN_SERVERS)),
        })
    }
}

impl AzureNames {
    fn read(section: &Section<'_>, report: &mut Report) -> Self {
        let mut name = |key| section.required(key, report, |node| value::resource_name(text(node)?));
        Self {
            subscription: name("subscription"),
            resource_group: name("resource_group"),
            application_gateway: name("application_gateway"),
            location: name("location"),
        }
    }
}

/// The name of a file. Never shows what stands there instead, which may be a key.
fn file_name(node: &Node) -> Result<String, String> {
    match text(node)? {
        "" => Err("expected the name of a file, not an empty text".to_owned()),
        text if text.contains("-----BEGIN") || text.contains(['\n', '\0']) => {
            Err("expected the name of a file, not its content; put the content into a file of its own".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::login::{AUTHORIZATION, BASIC_AUTH};
    use crate::config::matching::{HEADERS, JSON};
    use crate::config::probe::{MATCH, PROBE};
    use crate::config::yaml::parse;

    /// Every key with those above it, without the items' numbers: `probes.match.body`.
    fn keys(node: &Node, above: &str, found: &mut BTreeSet<String>) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let key = if above.is_empty() { entry.key.to_string() } else { format!("{above}.{}", entry.key) };
                    keys(&entry.node, &key, found);
                    found.insert(key);
                }
            }
            Value::List(items) => items.iter().for_each(|item| keys(item, above, found)),
            Value::Null | Value::Text { .. } => {}
        }
    }

    #[test]
    fn the_full_example_holds_every_known_key_and_no_other() {
        let tables = [
            ("", FILE),
            ("probes.", PROBE),
            ("probes.match.", MATCH),
            ("probes.match.json.", JSON),
            ("probes.match.headers.", HEADERS),
            ("probes.basic_auth.", BASIC_AUTH),
            ("probes.authorization.", AUTHORIZATION),
            ("backend_settings.", SETTING),
            ("backend_settings.client_certificate.", CLIENT_CERTIFICATE),
            ("azure.", AZURE),
            ("backend_pools.", POOL),
        ];
        let known = tables.iter().flat_map(|(above, keys)| keys.iter().map(move |key| format!("{above}{key}")));
        // One of two keys stands there, and names the other.
        let said = |key: &str| {
            let name = key.rsplit('.').next().unwrap_or_default();
            include_str!("../../config/full.yml").lines().any(|line| line.trim_end().ends_with(&format!("or {name}")))
        };
        let known: BTreeSet<String> = known.filter(|key| !said(key)).collect();
        let text = include_str!("../../config/full.yml");
        let root = parse(text, &mut Report::new("full.yml".to_owned())).expect("a tree");
        let mut found = BTreeSet::new();
        keys(&root, "", &mut found);
        // Names of headers are no keys.
        found.retain(|key| !key.starts_with("probes.headers.") && !key.starts_with("probes.header_files."));
        assert_eq!(found, known);
    }

    #[test]
    fn every_known_key_is_read() {
        let check = |before: &str, path: &str, keys: &[&str], after: &str| {
            for key in keys {
                let text = format!("{before}{key}: {{\"no name\": 1}}{after}");
                let mut reader = Reader::new(std::path::Path::new(""));
                parse(&text, &mut reader.report).and_then(|root| File::read(&root, &mut reader)).expect("a file");
                let problems = reader.report.into_problems();
                let wanted = format!("{path}{key}");
                assert!(
                    problems.as_slice().iter().any(|problem| problem.key.starts_with(&wanted)),
                    "{text}: {problems}"
                );
            }
        };
        check("", "", FILE, "");
        check("probes: [{", "probes[0].", PROBE, "}]");
        check("probes: [{match: {", "probes[0].match.", MATCH, "}}]");
        check("backend_settings: [{", "backend_settings[0].", SETTING, "}]");
        let client = "backend_settings[0].client_certificate.";
        check("backend_settings: [{client_certificate: {", client, CLIENT_CERTIFICATE, "}}]");
        check("azure: {", "azure.", AZURE, "}");
        check("backend_pools: [{", "backend_pools[0].", POOL, "}]");
    }
}
