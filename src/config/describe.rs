//! A checked configuration in words, for the `check` command: pools, settings and probes with their effective values.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use super::{BackendSettings, Config, HealthProbe};
use crate::discovery::Lists;
use crate::probe::{Protocol, TrustMode};
use crate::words::setting;

/// Says what the pools are probed with when their servers are those of `lists`, every default filled in. Several lines,
/// the last one ended, too; settings and probes that no pool uses are not among them.
#[must_use]
pub fn describe(config: &Config, lists: &Lists) -> String {
    let mut text = String::new();
    let mut settings: Vec<&Arc<BackendSettings>> = Vec::new();
    let mut seen = HashSet::new();
    for pool in &config.pools {
        let names: Vec<&str> = pool.settings.iter().map(|settings| &*settings.name).collect();
        let servers = lists.servers(&pool.name).len();
        line(&mut text, format_args!("pool {}: {}, settings: {}", pool.name, count(servers, "server"), list(&names)));
        settings.extend(pool.settings.iter().filter(|settings| seen.insert(Arc::as_ptr(settings))));
    }
    for setting in &settings {
        line(&mut text, format_args!("setting {}: {}", setting.name, setting_words(setting)));
    }
    let mut seen = HashSet::new();
    for probe in settings.iter().map(|setting| &setting.probe).filter(|probe| seen.insert(Arc::as_ptr(probe))) {
        let users = settings.iter().filter(|setting| Arc::ptr_eq(&setting.probe, probe));
        let protocols: Vec<Protocol> = users.map(|setting| setting.protocol).collect();
        line(&mut text, format_args!("probe {}: {}", probe_name(probe), probe.in_words(&protocols)));
    }
    let warning = setting(config.certificate_expiry_warning);
    line(&mut text, format_args!("certificate expiry warning: {warning} ahead"));
    if let Some(azure) = &config.azure {
        line(
            &mut text,
            format_args!(
                "azure: subscription {}, resource group {}, application gateway {}, location {}",
                azure.subscription, azure.resource_group, azure.application_gateway, azure.location
            ),
        );
    }
    text
}

fn setting_words(setting: &BackendSettings) -> String {
    let mut words =
        vec![format!("{} on port {}", setting.protocol, setting.port), format!("probe {}", probe_name(&setting.probe))];
    if let Some(host_name) = &setting.host_name {
        words.push(format!("host name {host_name}"));
    }
    if setting.pick_host_name_from_backend_address {
        words.push("host name from each server".to_owned());
    }
    if let Some(sni_name) = &setting.sni_name {
        words.push(format!("SNI {sni_name}"));
    }
    if let Some(trust) = &setting.trust {
        let certificates = count(trust.roots().len(), "certificate");
        words.push(match trust.mode() {
            TrustMode::WellKnown => format!("trusts the well-known CAs ({certificates})"),
            TrustMode::Configured => format!("trusts {}", count(trust.roots().len(), "configured certificate")),
        });
        words.push(match trust.revocation_lists().len() {
            0 => "revocation not checked".to_owned(),
            lists => format!("revocation checked with {}", count(lists, "list")),
        });
        if !setting.validate_cert_chain_and_expiry {
            words.push("chain and dates not validated".to_owned());
        }
        if !setting.validate_sni {
            words.push("name not validated".to_owned());
        }
    }
    if setting.client_certificate.is_some() {
        words.push("shows a client certificate".to_owned());
    }
    words.join(", ")
}

fn probe_name(probe: &HealthProbe) -> &str {
    probe.name.as_deref().unwrap_or("(default)")
}

pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{words}");
}
