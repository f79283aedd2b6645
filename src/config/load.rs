//! The file's shape → the checked [`Config`]: references, defaults, and the rules that hold between values.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::decode::{Field, Items, Located, Report};
use super::material::Material;
use super::names::{Names, POOLS, PROBES, SETTINGS};
use super::value::{format_duration, quote};
use super::yaml::Place;
use super::{Azure, BackendSettings, Config, HealthProbe, Problems, raw, yaml};
use crate::probe::{ClientCertificate, Expectation, Feature, Protocol, Trust};

/// Checks the text of the configuration file at `path`, and reads the files that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn load(path: &Path, text: &str) -> Result<Config, Problems> {
    let mut report = Report::new(path.display().to_string());
    let file = yaml::parse(text, &mut report).and_then(|root| raw::File::read(&root, &mut report));
    let Some(file) = file else {
        return Err(report.into_problems());
    };
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut loader = Loader { report, material: Material::new(directory) };

    let probes: Vec<Arc<HealthProbe>> = file.probes.iter().map(|probe| Arc::new(loader.probe(probe))).collect();
    let mut known_probes =
        Names::of(&PROBES, &mut loader.report, file.probes.iter().map(|probe| (probe.index, &probe.name)));
    let default_probe = Arc::new(default_probe());
    let mut settings = Vec::with_capacity(file.settings.len());
    for setting in &file.settings {
        let key = format!("{}.probe", setting_key(setting));
        let custom = match setting.probe.given() {
            Some(name) => known_probes.find(name, &key, &mut loader.report),
            None => None,
        };
        let custom = custom.map(|position| (&file.probes[position], &probes[position]));
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
const INTERVAL: Duration = Duration::from_secs(30);
const LONGEST_DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const UNHEALTHY_THRESHOLD: u32 = 3;
const STATUS_CODES: (u16, u16) = (200, 399);

/// What the checks of all parts share.
pub(super) struct Loader {
    pub(super) report: Report,
    material: Material,
}

impl Loader {
    fn probe(&mut self, probe: &raw::Probe) -> HealthProbe {
        let raw::Probe {
            index,
            name,
            protocol,
            host,
            path,
            port,
            interval,
            timeout,
            unhealthy_threshold,
            pick_host_name_from_backend_settings,
            status_codes,
            body,
            enable_probe_proxy_protocol_header,
        } = probe;
        let key = |name: &str| format!("{}[{index}].{name}", PROBES.key);
        if let Some(protocol) = protocol.value().copied() {
            self.check_use_of_probe_keys(probe, protocol);
        }
        let pick = pick_host_name_from_backend_settings.value().copied().unwrap_or(false);
        if let (Some(host), true) = (host.given(), pick) {
            let message =
                "must be absent with pick_host_name_from_backend_settings, which takes the backend setting's name";
            self.report.error(Some(host.place), key("host"), message);
        }
        let own_interval = interval.value().copied().unwrap_or(INTERVAL);
        if let (Some(timeout), false) = (timeout.given(), matches!(interval, Field::Wrong))
            && timeout.value > own_interval
        {
            let message = format!(
                "longer than the interval, {}; a probe that takes longer than that makes the next one miss its turn",
                format_duration(own_interval)
            );
            self.report.warning(Some(timeout.place), key("timeout"), message);
        }
        let codes: Vec<_> = status_codes.right.iter().map(|(_, codes)| codes.value).collect();
        HealthProbe {
            name: name.value().cloned(),
            host: host.value().cloned(),
            path: path.value().cloned().unwrap_or_else(|| "/".into()),
            port: port.value().copied(),
            interval: own_interval,
            timeout: timeout.value().copied().unwrap_or(own_interval.min(LONGEST_DEFAULT_TIMEOUT)),
            unhealthy_threshold: unhealthy_threshold.value().copied().unwrap_or(UNHEALTHY_THRESHOLD),
            pick_host_name_from_backend_settings: pick,
            expectation: Arc::new(Expectation {
                status_codes: if codes.is_empty() { vec![STATUS_CODES] } else { codes },
                body: body.value().cloned().unwrap_or_default(),
            }),
            enable_probe_proxy_protocol_header: enable_probe_proxy_protocol_header.value().copied().unwrap_or(false),
        }
    }

    /// The PROXY line is for plain connections only; of the rest, what a protocol cannot use is worth a warning.
    fn check_use_of_probe_keys(&mut self, probe: &raw::Probe, protocol: Protocol) {
        let key = |name: &str| format!("{}[{}].{name}", PROBES.key, probe.index);
        if let Some(Located { value: true, place }) = probe.enable_probe_proxy_protocol_header.given()
            && !protocol.takes(Feature::ProxyLine)
        {
            self.report.error(Some(*place), key("enable_probe_proxy_protocol_header"), no_proxy_line(protocol));
        }
        let mut unused = Vec::new();
        if !protocol.takes(Feature::Request) {
            let path = probe.path.given().filter(|path| &*path.value != "/").map(|path| path.place);
            let body = probe.body.given().filter(|body| !body.value.is_empty()).map(|body| body.place);
            unused.extend([("path", path), ("match.status_codes", probe.status_codes.place), ("match.body", body)]);
        }
        if !protocol.takes(Feature::Name) {
            let pick = probe.pick_host_name_from_backend_settings.given().filter(|pick| pick.value);
            unused.push(("host", probe.host.given().map(|host| host.place)));
            unused.push(("pick_host_name_from_backend_settings", pick.map(|pick| pick.place)));
        }
        self.warn_of_unused_keys(unused, key, protocol);
    }

    fn setting(
        &mut self,
        setting: &raw::Setting,
        custom: Option<(&raw::Probe, &Arc<HealthProbe>)>,
        default_probe: &Arc<HealthProbe>,
    ) -> BackendSettings {
        let key = setting_key(setting);
        let protocol = setting.protocol.value().copied();
        if let Some((raw, probe)) = custom {
            self.check_probe_of_setting(setting, raw, probe);
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
            probe: custom.map_or(default_probe, |(_, probe)| probe).clone(),
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
    fn check_probe_of_setting(&mut self, setting: &raw::Setting, raw: &raw::Probe, probe: &HealthProbe) {
        let key = setting_key(setting);
        let place = setting.probe.given().map(|name| name.place);
        let name = quote(probe.name.as_deref().unwrap_or_default());
        if let (Some(own), Some(its)) = (setting.protocol.value(), raw.protocol.value())
            && own != its
        {
            let message = format!("probe {name} has protocol {its}, this backend setting {own}; they must be the same");
            self.report.error(place, format!("{key}.probe"), message);
        }
        let picks = match &setting.pick_host_name_from_backend_address {
            Field::Given(pick) => pick.value,
            Field::Absent => false,
            // Reported already.
            Field::Wrong => true,
        };
        if probe.pick_host_name_from_backend_settings && setting.host_name.is_absent() && !picks {
            let message = format!(
                "probe {name} takes its host name from the backend setting \
                 (pick_host_name_from_backend_settings), but this one has none; give it a `host_name`"
            );
            self.report.error(place, format!("{key}.probe"), message);
        }
        if let (Some(pick), Some(host)) = (setting.pick_host_name_from_backend_address.given(), &probe.host)
            && pick.value
        {
            let message =
                format!("each server's own name is used, so the host of probe {name}, {}, is not", quote(host));
            self.report.warning(Some(pick.place), format!("{key}.pick_host_name_from_backend_address"), message);
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

/// For a PROXY line that `protocol` has no place for.
pub(super) fn no_proxy_line(protocol: Protocol) -> String {
    let right = Protocol::list("or", |protocol| protocol.takes(Feature::ProxyLine));
    format!("a PROXY line can only be sent with protocol {right}, not with {protocol}")
}

fn setting_key(setting: &raw::Setting) -> String {
    format!("{}[{}]", SETTINGS.key, setting.index)
}

/// What a setting without a probe is probed with.
fn default_probe() -> HealthProbe {
    HealthProbe {
        name: None,
        host: None,
        path: "/".into(),
        port: None,
        interval: INTERVAL,
        timeout: INTERVAL.min(LONGEST_DEFAULT_TIMEOUT),
        unhealthy_threshold: UNHEALTHY_THRESHOLD,
        pick_host_name_from_backend_settings: false,
        expectation: Arc::new(Expectation { status_codes: vec![STATUS_CODES], body: String::new() }),
        enable_probe_proxy_protocol_header: false,
    }
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
