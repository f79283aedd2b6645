//! The block `tls_server_config`, made into what rustls serves with.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{NamedGroup, RootCertStore, ServerConfig, SupportedCipherSuite};

use super::client::{ClientAuth, ClientPolicy};
use crate::config::decode::{Field, Located, Section, text, truth};
use crate::config::reader::{Given, Reader, Reported};
use crate::config::value::quote;

pub(super) const KEYS: &[&str] = &[
    "cert",
    "key",
    "client_ca",
    "cert_file",
    "key_file",
    "client_ca_file",
    "client_auth_type",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];

/// What the block makes of a listener.
pub(super) struct Listener {
    pub(super) tls: Arc<ServerConfig>,
    /// Whether nobody comes in without a certificate of a client CA.
    pub(super) verifies_all_clients: bool,
}

/// Checks the block and reads the files that it names. `None`: reported, or without a key.
pub(super) fn server_config(reader: &mut Reader, section: &Section<'_>, protocols: &[&[u8]]) -> Option<Listener> {
    // As in the toolkit: TLS is off.
    if section.is_empty() {
        return None;
    }
    let own = reader.own_certificate(section);
    if let Ok(None) = own {
        let message = "the certificate and its key are missing: give cert_file and key_file";
        reader.report.error(Some(section.place()), section.path(), message);
    }
    let versions = reader.versions(section, false);
    let provider = provider(reader, section);
    let client = client_policy(reader, section);
    let order = section.field("prefer_server_cipher_suites", &mut reader.report, truth);
    let (own, versions, provider, client) = (own.ok()??, versions.ok()?, Arc::new(provider?), client.ok()?);
    let verifies_all_clients = client.as_ref().is_some_and(|client| client.auth.requires() && client.auth.verifies());
    let mut refuse = |message| reader.report.error(Some(section.place()), section.path(), message);
    let verifier = match client {
        None => None,
        Some(Client { auth, roots, allowed_sans }) => {
            let policy = ClientPolicy::new(auth, roots, allowed_sans, Arc::clone(&provider));
            let policy = policy.map_err(|error| refuse(error.to_string())).ok()?;
            Some(Arc::new(policy) as Arc<dyn ClientCertVerifier>)
        }
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| refuse(format!("these versions, cipher suites and curves do not go together: {error}")))
        .ok()?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified_key().clone())));
    config.ignore_client_order = order.into_value().unwrap_or(true);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Some(Listener { tls: Arc::new(config), verifies_all_clients })
}

/// The library's own provider with what the file leaves of it.
fn provider(reader: &mut Reader, section: &Section<'_>) -> Option<CryptoProvider> {
    let default = aws_lc_rs::default_provider();
    let suites = section.items("cipher_suites", &mut reader.report, |node| {
        // Go knows these two under a shorter name, too.
        let full = match text(node)? {
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            other => other,
        };
        default.cipher_suites.iter().copied().find(|suite| go_name(suite) == full).ok_or_else(|| {
            let valid: Vec<_> = default.cipher_suites.iter().map(go_name).collect();
            format!("unknown cipher suite {}; valid are {}", quote(full), valid.join(", "))
        })
    });
    let offered =
        |(_, group): &(&str, NamedGroup)| aws_lc_rs::ALL_KX_GROUPS.iter().copied().find(|known| known.name() == *group);
    let groups = section.items("curve_preferences", &mut reader.report, |node| {
        let name = text(node)?;
        CURVES.iter().find(|(known, _)| *known == name).and_then(offered).ok_or_else(|| {
            let valid: Vec<_> = CURVES.iter().filter(|curve| offered(curve).is_some()).map(|(name, _)| *name).collect();
            format!("unknown or unsupported curve {}; valid are {}", quote(name), valid.join(", "))
        })
    });
    if !(suites.whole && groups.whole) {
        return None;
    }
    let (suites, groups) = (suites.values(), groups.values());
    // As in Go, the list is about TLS 1.2; those of TLS 1.3 are always on.
    let (always, others): (Vec<_>, Vec<_>) = default.cipher_suites.iter().copied().partition(is_tls13);
    let chosen = if suites.is_empty() { others } else { suites.into_iter().filter(|suite| !is_tls13(suite)).collect() };
    let cipher_suites = [always, chosen].concat();
    let kx_groups = if groups.is_empty() { default.kx_groups.clone() } else { groups };
    Some(CryptoProvider { cipher_suites, kx_groups, ..default })
}

fn is_tls13(suite: &SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
}

fn go_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

/// What the file says about client certificates, checked.
struct Client {
    auth: ClientAuth,
    roots: RootCertStore,
    allowed_sans: Vec<String>,
}

/// `None` when clients are not asked for a certificate.
fn client_policy(reader: &mut Reader, section: &Section<'_>) -> Result<Option<Client>, Reported> {
    let given = section.field("client_auth_type", &mut reader.report, |node| {
        let name = text(node)?;
        ClientAuth::parse(name).ok_or_else(|| format!("unknown type {}; one of {}", quote(name), ClientAuth::NAMES))
    });
    let ca = reader.certificates(section, ["client_ca", "client_ca_file"]);
    let sans = section.items("client_allowed_sans", &mut reader.report, |node| text(node).map(str::to_owned));
    if let Field::Wrong = given {
        return Err(Reported);
    }
    let (auth, ca) = (given.value().copied().unwrap_or(ClientAuth::NoClientCert), ca?);
    if let Some(place) = sans.place.filter(|_| !auth.requires()) {
        let message = "it needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert: \
            without a certificate there is no name to look at";
        return Err(reader.wrong(section, place, "client_allowed_sans", message));
    }
    if let Some(place) = sans.place.filter(|_| sans.whole && sans.right.is_empty()) {
        let message = "the list is empty: name who is allowed, or leave it out to allow every name";
        return Err(reader.wrong(section, place, "client_allowed_sans", message));
    }
    match (auth, &ca, given.given()) {
        (ClientAuth::NoClientCert, Some(Given { place, key, .. }), _) => {
            let message = "a client CA is given, but client_auth_type asks for no certificate; \
                RequireAndVerifyClientCert is the safe one";
            return Err(reader.wrong(section, *place, key, message));
        }
        (ClientAuth::NoClientCert, None, _) => return Ok(None),
        (auth, None, Some(Located { place, .. })) if auth.verifies() => {
            let message = "it needs client_ca_file or client_ca: whose certificates are good?";
            return Err(reader.wrong(section, *place, "client_auth_type", message));
        }
        _ => {}
    }
    let mut roots = RootCertStore::empty();
    for (index, certificate) in ca.iter().flat_map(|ca| ca.value.iter()).enumerate() {
        if let (Err(error), Some(Given { place, key, .. })) = (roots.add(certificate.clone()), &ca) {
            let message = format!("certificate {} in it cannot be used as a CA: {error}", index + 1);
            return Err(reader.wrong(section, *place, key, message));
        }
    }
    Ok(Some(Client { auth, roots, allowed_sans: sans.values() }))
}

/// Go's names for key exchange groups.
const CURVES: [(&str, NamedGroup); 5] = [
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("CurveP521", NamedGroup::secp521r1),
    ("X25519", NamedGroup::X25519),
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
];
