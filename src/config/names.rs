//! The names of probes, backend settings and backend pools: unique, and found again whatever their case.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::decode::{Field, Located};
use super::report::Report;
use super::value::quote;
use crate::words::nearest;

/// A list of the file whose items have names.
pub(super) struct NamedList {
    pub(super) key: &'static str,
    /// What an item is called in messages.
    item: &'static str,
}

pub(super) const PROBES: NamedList = NamedList { key: "probes", item: "probe" };
pub(super) const SETTINGS: NamedList = NamedList { key: "backend_settings", item: "backend setting" };
pub(super) const POOLS: NamedList = NamedList { key: "backend_pools", item: "backend pool" };

/// The names of a list's items, and which of them were referred to.
pub(super) struct Names {
    list: &'static NamedList,
    /// By name in lower case.
    items: BTreeMap<String, Named>,
}

struct Named {
    /// Among the items that could be read.
    position: usize,
    /// In the file's list.
    index: usize,
    name: Located<Arc<str>>,
    used: bool,
}

impl Names {
    /// The names of a list, each with the index of its item; every one that stands there twice is reported.
    pub(super) fn of<'f>(
        list: &'static NamedList,
        report: &mut Report,
        names: impl Iterator<Item = (usize, &'f Field<Arc<str>>)>,
    ) -> Self {
        let mut items: BTreeMap<String, Named> = BTreeMap::new();
        for (position, (index, name)) in names.enumerate() {
            let Some(name) = name.given() else {
                continue;
            };
            match items.entry(name.value.to_lowercase()) {
                Entry::Vacant(free) => {
                    free.insert(Named { position, index, name: name.clone(), used: false });
                }
                Entry::Occupied(taken) => {
                    let first = taken.get();
                    let message = format!(
                        "duplicate name {}; {}[{}] at {} has it already (names compare in lower case)",
                        quote(&name.value),
                        list.key,
                        first.index,
                        first.name.place
                    );
                    report.error(Some(name.place), format!("{}[{index}].name", list.key), message);
                }
            }
        }
        Self { list, items }
    }

    /// The position of the item with this name, which stands at `key`; reported when there is none.
    pub(super) fn find(&mut self, name: &Located<Arc<str>>, key: &str, report: &mut Report) -> Option<usize> {
        if let Some(found) = self.items.get_mut(&name.value.to_lowercase()) {
            found.used = true;
            return Some(found.position);
        }
        report.error_with(Some(name.place), key, || {
            let known = || self.items.values().map(|named| &*named.name.value);
            let hint = match nearest(&name.value, known()) {
                Some(word) => format!("did you mean {}?", quote(word)),
                None if self.items.is_empty() => format!("there is none in `{}`", self.list.key),
                None => format!("known are {}", known().take(10).map(quote).collect::<Vec<_>>().join(", ")),
            };
            format!("there is no {} called {}; {hint}", self.list.item, quote(&name.value))
        });
        None
    }

    pub(super) fn warn_of_the_unused(&self, message: &str, report: &mut Report) {
        for named in self.items.values().filter(|named| !named.used) {
            let key = format!("{}[{}].name", self.list.key, named.index);
            report.warning(Some(named.name.place), key, message);
        }
    }
}
