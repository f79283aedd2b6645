//! The file's shape → the checked [`Config`]: references, defaults, and the rules that hold between values.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::decode::{Field, Items};
use super::material::Material;
use super::names::{Names, POOLS, PROBES, SETTINGS};
use super::probe::{Item, Misfit};
use super::reader::Reader;
use super::report::{Place, Report};
use super::value::quote;
use super::{Azure, BackendSettings, Config, HealthProbe, Problems, raw, yaml};
use crate::probe::{ClientCertificate, Feature, Protocol, Trust};

/// Checks the text of the configuration file at `path`, and reads the files that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn load(path: &Path, text: &str) -> Result<Config, Problems> {
    let mut reader = Reader::new(path);
    let file = yaml::parse(text, &mut reader.report).and_then(|root| raw::File::read(&root, &mut reader));
    let Reader { report, material } = reader;
    let Some(file) = file else {
        return Err(report.into_problems());
    };
    let mut loader = Loader { report, material };

    let mut known_probes =
        Names::of(&PROBES, &mut loader.report, file.probes.iter().map(|probe| (probe.index, &probe.name)));
    let default_probe = Arc::new(HealthProbe::default());
    let mut settings = Vec::with_capacity(file.settings.len());
    for setting in &file.settings {
        let key = format!("{}.probe", setting_key(setting));
        let custom = match setting.probe.given() {
            Some(name) => known_probes.find(name, &key, &mut loader.report),
            None => None,
        };
        let custom = custom.map(|position| &file.probes[position]);
        settings.push(Arc::new(loader.setting(setting, custom, &default_probe)));
    }
    let mut known_settings =
        Names::of(&SETTINGS, &mut loader.report, file.settings.iter().map(|setting| (setting.index, &setting.name)));
    let pools = file.pools.iter().map(|pool| loader.pool(pool, &mut known_settings, &settings)).collect();
    Names::of(&POOLS, &mut loader.report, file.pools.iter().map(|pool| (pool.index, &pool.name)));

    known_probes.warn_of_the_unused("no backend setting uses this probe", &mut loader.report);
    known_settings.warn_of_the_unused("no backend pool uses this setting", &mut loader.report);
    let Loader { mut report, material } = loader;
    if file.pools.is_empty() {
        report.warning(None, POOLS.key, "there is no backend pool, so nothing is probed");
    }
    let (files, fallback) = material.finish();
    if let Some(message) = fallback {
        report.warning(None, "", message);
    }
    let warnings = report.finish()?;
    Ok(Config {
        pools,
        settings,
        certificate_expiry_warning: file.certificate_expiry_warning.value().copied().unwrap_or(EXPIRY_WARNING),
        azure: file.azure.and_then(azure),
        warnings,
        files,
    })
}

const EXPIRY_WARNING: Duration = Duration::from_hours(21 * 24);

/// What the checks of all parts share.
pub(super) struct Loader {
    pub(super) report: Report,
    material: Material,
}

impl Loader {
    fn setting(
        &mut self,
        setting: &raw::Setting,
        custom: Option<&Item>,
        default_probe: &Arc<HealthProbe>,
    ) -> BackendSettings {
        let key = setting_key(setting);
        let protocol = setting.protocol.value().copied();
        if let Some(item) = custom {
            self.check_probe_of_setting(setting, item);
        }
        let pick = setting.pick_host_name_from_backend_address.value().copied().unwrap_or(false);
        if let (Some(host_name), true) = (setting.host_name.given(), pick) {
            let message = "must be absent with pick_host_name_from_backend_address, which takes each server's own name";
            self.report.error(Some(host_name.place), format!("{key}.host_name"), message);
        }
        let default_port = protocol.map(|protocol| protocol.row().default_port);
        if setting.port.is_absent() && default_port == Some(None) {
            let with_default = Protocol::list("and", |protocol| protocol.row().default_port.is_some());
            let message = format!("missing required key `port`; only {with_default} have a default one");
            self.report.error(Some(setting.place), &key, message);
        }
        let (trust, client_certificate) = match protocol {
            Some(protocol) if !protocol.takes(Feature::Certificates) => {
                self.refuse_tls_keys(setting, protocol);
                (None, None)
            }
            // With an unknown protocol the files are read for the sake of their errors.
            Some(_) | None => (self.trust(setting), self.client_certificate(setting)),
        };
        if let Some(protocol) = protocol.filter(|protocol| !protocol.takes(Feature::Name)) {
            let pick = setting.pick_host_name_from_backend_address.given().filter(|pick| pick.value);
            let unused = vec![
                ("host_name", setting.host_name.given().map(|host| host.place)),
                ("pick_host_name_from_backend_address", pick.map(|pick| pick.place)),
            ];
            self.warn_of_unused_keys(unused, |name| format!("{key}.{name}"), protocol);
        }
        BackendSettings {
            name: setting.name.value().cloned().unwrap_or_default(),
            protocol: protocol.unwrap_or(Protocol::Tcp),
            port: setting.port.value().copied().or(default_port.flatten()).unwrap_or_default(),
            probe: custom.map_or(default_probe, |item| &item.probe).clone(),
            host_name: setting.host_name.value().cloned(),
            pick_host_name_from_backend_address: pick,
            trust,
            client_certificate,
            validate_cert_chain_and_expiry: setting.validate_cert_chain_and_expiry.value().copied().unwrap_or(true),
            validate_sni: setting.validate_sni.value().copied().unwrap_or(true),
            sni_name: setting.sni_name.value().cloned(),
        }
    }

    /// The rules that a setting and its custom probe make together.
    fn check_probe_of_setting(&mut self, setting: &raw::Setting, Item { protocol, probe, .. }: &Item) {
        let key = setting_key(setting);
        let place = setting.probe.given().map(|name| name.place);
        if let (Some(own), Some(its)) = (setting.protocol.value(), protocol)
            && own != its
        {
            let name = quote(probe.name.as_deref().unwrap_or_default());
            let message = format!("probe {name} has protocol {its}, this backend setting {own}; they must be the same");
            self.report.error(place, format!("{key}.probe"), message);
        }
        let picks = &setting.pick_host_name_from_backend_address;
        // What is wrong was reported already.
        let has_host_name = !setting.host_name.is_absent() || matches!(picks, Field::Wrong);
        match probe.misfit(has_host_name, picks.value().is_some_and(|picks| *picks)) {
            Some(Misfit::NoHostName(message)) => self.report.error(place, format!("{key}.probe"), message),
            Some(Misfit::HostUnused(message)) => {
                let key = format!("{key}.pick_host_name_from_backend_address");
                self.report.warning(picks.given().map(|picks| picks.place), key, message);
            }
            None => {}
        }
    }

    /// A key about certificates on a plain protocol would promise a protection that is not there.
    fn refuse_tls_keys(&mut self, setting: &raw::Setting, protocol: Protocol) {
        let given = |field: &Field<bool>| field.given().map(|field| field.place);
        let keys = [
            ("trusted_root_certificates", setting.trusted_root_certificates.place),
            ("certificate_revocation_lists", setting.certificate_revocation_lists.place),
            ("validate_cert_chain_and_expiry", given(&setting.validate_cert_chain_and_expiry)),
            ("validate_sni", given(&setting.validate_sni)),
            ("sni_name", setting.sni_name.given().map(|name| name.place)),
            ("client_certificate", setting.client_certificate.as_ref().map(|files| files.place)),
        ];
        let message = format!(
            "only protocol {} have certificates, not {protocol}; remove this key",
            Protocol::list("and", |protocol| protocol.takes(Feature::Certificates))
        );
        for (name, place) in keys.into_iter().filter_map(|(name, place)| Some((name, place?))) {
            self.report.error(Some(place), format!("{}.{name}", setting_key(setting)), message.as_str());
        }
    }

    fn trust(&mut self, setting: &raw::Setting) -> Option<Arc<Trust>> {
        let key = setting_key(setting);
        let (roots, lists) = (&setting.trusted_root_certificates, &setting.certificate_revocation_lists);
        let mut whole = roots.whole && lists.whole;
        for (index, name) in &roots.right {
            if let Err(message) = self.material.certificates(&name.value) {
                whole = false;
                self.report.error(Some(name.place), format!("{key}.trusted_root_certificates[{index}]"), message);
            }
        }
        for (index, name) in &lists.right {
            if let Err(message) = self.material.revocation_lists(&name.value) {
                whole = false;
                self.report.error(Some(name.place), format!("{key}.certificate_revocation_lists[{index}]"), message);
            }
        }
        if !whole {
            return None;
        }
        let names = |items: &Items<String>| items.right.iter().map(|(_, name)| name.value.clone()).collect();
        match self.material.trust(names(roots), names(lists)) {
            Ok(trust) => Some(trust),
            Err(message) => {
                self.report.error(Some(setting.place), key, message);
                None
            }
        }
    }

    fn client_certificate(&mut self, setting: &raw::Setting) -> Option<Arc<ClientCertificate>> {
        let key = format!("{}.client_certificate", setting_key(setting));
        let files = &setting.client_certificate.as_ref()?.value;
        let certificate = files.certificate.given();
        if let Some(certificate) = certificate
            && let Err(message) = self.material.certificates(&certificate.value)
        {
            self.report.error(Some(certificate.place), format!("{key}.certificate"), message);
        }
        let private_key = files.private_key.given()?;
        match self.material.client_certificate(certificate.map(|name| &*name.value), &private_key.value) {
            Ok(pair) => pair,
            Err(message) => {
                self.report.error(Some(private_key.place), format!("{key}.private_key"), message);
                None
            }
        }
    }

    fn warn_of_unused_keys(
        &mut self,
        keys: Vec<(&str, Option<Place>)>,
        path: impl Fn(&str) -> String,
        protocol: Protocol,
    ) {
        for (name, place) in keys.into_iter().filter_map(|(name, place)| Some((name, place?))) {
            self.report.warning(Some(place), path(name), format!("not used with protocol {protocol}"));
        }
    }
}

fn setting_key(setting: &raw::Setting) -> String {
    format!("{}[{}]", SETTINGS.key, setting.index)
}

fn azure(names: raw::AzureNames) -> Option<Azure> {
    let raw::AzureNames { subscription, resource_group, application_gateway, location } = names;
    Some(Azure {
        subscription: subscription.into_value()?,
        resource_group: resource_group.into_value()?,
        application_gateway: application_gateway.into_value()?,
        location: location.into_value()?,
    })
}
