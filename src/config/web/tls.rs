//! The block `tls_server_config`, made into what rustls serves with.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use serde_saphyr::{Location, Spanned};

use crate::config::web::client::{ClientAuth, ClientPolicy};
use crate::config::web::shape::Tls;
use crate::config::web::{Reader, Reported};

/// Checks the block and reads the files that it names; problems go to the reader, all at once.
pub(super) fn server_config(
    raw: &Spanned<Tls>,
    protocols: &[&[u8]],
    reader: &mut Reader,
) -> Result<Arc<ServerConfig>, Reported> {
    let (block, raw) = (raw.referenced, &raw.value);
    let chain = certificate_chain(raw, block, reader);
    let key = private_key(raw, block, reader);
    let versions = versions(raw, reader);
    let provider = provider(raw, reader);
    let client = client_policy(raw, reader);
    let (chain, key, versions, provider, client) = (chain?, key?, versions?, Arc::new(provider?), client?);
    let verifier = match client {
        None => None,
        Some(Client { auth, roots, allowed_sans }) => {
            let policy = ClientPolicy::new(auth, roots, allowed_sans, Arc::clone(&provider));
            let policy = policy.map_err(|error| reader.report(block, KEY, error.to_string()))?;
            Some(Arc::new(policy) as Arc<dyn ClientCertVerifier>)
        }
    };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions).map_err(|error| {
        let message = format!("these versions, cipher suites and curves do not go together: {error}");
        reader.report(block, KEY, message)
    })?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            reader.report(block, KEY, "the key does not belong to the certificate, which comes first in its file")
        }
        error => reader.report(block, KEY, format!("certificate and key cannot be used: {error}")),
    })?;
    config.ignore_client_order = raw.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A value that may stand in the file or in a file of its own.
struct Pem {
    bytes: Vec<u8>,
    at: Location,
    key: String,
}

/// `None` when neither is there. An empty text counts as absent, as in the toolkit.
fn pem(
    name: &str,
    inline: Option<&Spanned<String>>,
    file: Option<&Spanned<String>>,
    reader: &mut Reader,
) -> Result<Option<Pem>, Reported> {
    let given = |value: Option<&Spanned<String>>| value.filter(|value| !value.value.is_empty()).cloned();
    match (given(inline), given(file)) {
        (None, None) => Ok(None),
        (Some(inline), None) => {
            Ok(Some(Pem { bytes: inline.value.into_bytes(), at: inline.referenced, key: format!("{KEY}.{name}") }))
        }
        (None, Some(file)) => {
            let key = format!("{KEY}.{name}_file");
            match reader.file(&file.value) {
                Ok(bytes) => Ok(Some(Pem { bytes, at: file.referenced, key })),
                Err(error) => Err(reader.report(file.referenced, &key, format!("cannot read {}: {error}", file.value))),
            }
        }
        (Some(_), Some(file)) => {
            let key = format!("{KEY}.{name}_file");
            Err(reader.report(file.referenced, &key, format!("both {name} and {name}_file are given; keep one")))
        }
    }
}

fn certificates(pem: &Pem, reader: &mut Reader) -> Result<Vec<CertificateDer<'static>>, Reported> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => {
            Err(reader.report(pem.at, &pem.key, "no certificate in it; PEM with BEGIN CERTIFICATE is meant"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(reader.report(pem.at, &pem.key, format!("this is no PEM: {error}"))),
    }
}

fn certificate_chain(
    raw: &Tls,
    block: Location,
    reader: &mut Reader,
) -> Result<Vec<CertificateDer<'static>>, Reported> {
    match pem("cert", raw.cert.as_ref(), raw.cert_file.as_ref(), reader)? {
        Some(pem) => certificates(&pem, reader),
        None => Err(reader.report(block, KEY, "the certificate is missing: give cert_file or cert")),
    }
}

fn private_key(raw: &Tls, block: Location, reader: &mut Reader) -> Result<PrivateKeyDer<'static>, Reported> {
    let Some(pem) = pem("key", raw.key.as_ref(), raw.key_file.as_ref(), reader)? else {
        return Err(reader.report(block, KEY, "the private key is missing: give key_file or key"));
    };
    let is_encrypted = pem.bytes.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
    PrivateKeyDer::from_pem_slice(&pem.bytes).map_err(|error| {
        let message = if is_encrypted {
            "the private key is encrypted; give one without a passphrase".to_owned()
        } else {
            format!("no private key in it: {error}")
        };
        reader.report(pem.at, &pem.key, message)
    })
}

fn versions(raw: &Tls, reader: &mut Reader) -> Result<Vec<&'static SupportedProtocolVersion>, Reported> {
    let min = version("min_version", raw.min_version.as_ref(), reader);
    let max = version("max_version", raw.max_version.as_ref(), reader);
    let (min, max) = (min?.unwrap_or(&TLS12), max?.unwrap_or(&TLS13));
    let versions: Vec<_> = [&TLS13, &TLS12]
        .into_iter()
        .filter(|version| (u16::from(min.version)..=u16::from(max.version)).contains(&u16::from(version.version)))
        .collect();
    match (versions.is_empty(), raw.min_version.as_ref().or(raw.max_version.as_ref())) {
        (true, Some(at)) => {
            Err(reader.report(at.referenced, "tls_server_config.min_version", "it is above max_version"))
        }
        (true | false, _) => Ok(versions),
    }
}

fn version(
    name: &str,
    given: Option<&Spanned<String>>,
    reader: &mut Reader,
) -> Result<Option<&'static SupportedProtocolVersion>, Reported> {
    let Some(given) = given else { return Ok(None) };
    let problem = match given.value.as_str() {
        "TLS13" => return Ok(Some(&TLS13)),
        "TLS12" => return Ok(Some(&TLS12)),
        "TLS10" | "TLS11" => format!("{} is not spoken by rustls, our TLS library; TLS12 or TLS13", given.value),
        other => format!("unknown TLS version {other:?}; TLS12 or TLS13"),
    };
    Err(reader.report(given.referenced, &format!("{KEY}.{name}"), problem))
}

/// The library's own provider with what the file leaves of it.
fn provider(raw: &Tls, reader: &mut Reader) -> Result<CryptoProvider, Reported> {
    let default = aws_lc_rs::default_provider();
    let suites = cipher_suites(raw, &default, reader);
    let groups = curves(raw, reader);
    let (suites, groups) = (suites?, groups?);
    Ok(CryptoProvider {
        cipher_suites: suites.unwrap_or_else(|| default.cipher_suites.clone()),
        kx_groups: groups.unwrap_or_else(|| default.kx_groups.clone()),
        ..default
    })
}

/// As in Go, the list is about TLS 1.2; those of TLS 1.3 are always on.
fn cipher_suites(
    raw: &Tls,
    default: &CryptoProvider,
    reader: &mut Reader,
) -> Result<Option<Vec<SupportedCipherSuite>>, Reported> {
    let Some(names) = raw.cipher_suites.as_ref().filter(|names| !names.is_empty()) else { return Ok(None) };
    let is_tls13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    let mut chosen: Vec<_> = default.cipher_suites.iter().copied().filter(is_tls13).collect();
    let mut outcome = Ok(());
    for (index, name) in names.iter().enumerate() {
        // Go knows these two under a shorter name, too.
        let full = match name.value.as_str() {
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            other => other,
        };
        match default.cipher_suites.iter().find(|suite| go_name(suite) == full) {
            Some(suite) if is_tls13(suite) => {}
            Some(suite) => chosen.push(*suite),
            None => {
                let valid: Vec<_> = default.cipher_suites.iter().map(go_name).collect();
                let message = format!("unknown cipher suite {:?}; valid are {}", name.value, valid.join(", "));
                outcome = Err(reader.report(name.referenced, &format!("{KEY}.cipher_suites[{index}]"), message));
            }
        }
    }
    outcome.map(|()| Some(chosen))
}

fn go_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

fn curves(raw: &Tls, reader: &mut Reader) -> Result<Option<Vec<&'static dyn SupportedKxGroup>>, Reported> {
    let Some(names) = raw.curve_preferences.as_ref().filter(|names| !names.is_empty()) else { return Ok(None) };
    let offered = |group: NamedGroup| aws_lc_rs::ALL_KX_GROUPS.iter().copied().find(|known| known.name() == group);
    let mut chosen = Vec::new();
    let mut outcome = Ok(());
    for (index, name) in names.iter().enumerate() {
        let group = CURVES.iter().find(|(known, _)| *known == name.value).and_then(|(_, group)| offered(*group));
        if let Some(group) = group {
            chosen.push(group);
            continue;
        }
        let valid: Vec<_> =
            CURVES.iter().filter(|(_, group)| offered(*group).is_some()).map(|(name, _)| *name).collect();
        let message = format!("unknown or unsupported curve {:?}; valid are {}", name.value, valid.join(", "));
        outcome = Err(reader.report(name.referenced, &format!("{KEY}.curve_preferences[{index}]"), message));
    }
    outcome.map(|()| Some(chosen))
}

/// What the file says about client certificates, checked.
struct Client {
    auth: ClientAuth,
    roots: RootCertStore,
    allowed_sans: Vec<String>,
}

/// `None` when clients are not asked for a certificate.
fn client_policy(raw: &Tls, reader: &mut Reader) -> Result<Option<Client>, Reported> {
    let auth_key = "tls_server_config.client_auth_type";
    let auth = match &raw.client_auth_type {
        None => ClientAuth::NoClientCert,
        Some(given) => ClientAuth::parse(&given.value).ok_or_else(|| {
            let message = format!("unknown type {:?}; one of {}", given.value, ClientAuth::NAMES);
            reader.report(given.referenced, auth_key, message)
        })?,
    };
    let ca = pem("client_ca", raw.client_ca.as_ref(), raw.client_ca_file.as_ref(), reader)?;
    if let Some(sans) = raw.client_allowed_sans.as_ref().filter(|_| !auth.requires()) {
        let message = "it needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert: \
            without a certificate there is no name to look at";
        return Err(reader.report(sans.referenced, "tls_server_config.client_allowed_sans", message));
    }
    if let Some(sans) = raw.client_allowed_sans.as_ref().filter(|sans| sans.value.is_empty()) {
        let message = "the list is empty: name who is allowed, or leave it out to allow every name";
        return Err(reader.report(sans.referenced, "tls_server_config.client_allowed_sans", message));
    }
    match (auth, &ca, &raw.client_auth_type) {
        (ClientAuth::NoClientCert, Some(ca), _) => {
            let message = "a client CA is given, but client_auth_type asks for no certificate; \
                RequireAndVerifyClientCert is the safe one";
            return Err(reader.report(ca.at, &ca.key, message));
        }
        (ClientAuth::NoClientCert, None, _) => return Ok(None),
        (auth, None, Some(given)) if auth.verifies() => {
            let message = format!("{} needs client_ca_file or client_ca: whose certificates are good?", given.value);
            return Err(reader.report(given.referenced, auth_key, message));
        }
        _ => {}
    }
    let roots = ca.map_or_else(|| Ok(RootCertStore::empty()), |ca| roots(&ca, reader))?;
    let allowed_sans = raw.client_allowed_sans.as_ref().map(|sans| sans.value.clone()).unwrap_or_default();
    Ok(Some(Client { auth, roots, allowed_sans }))
}

fn roots(ca: &Pem, reader: &mut Reader) -> Result<RootCertStore, Reported> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates(ca, reader)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| {
            let message = format!("certificate {} in it cannot be used as a CA: {error}", index + 1);
            reader.report(ca.at, &ca.key, message)
        })?;
    }
    Ok(roots)
}

const KEY: &str = "tls_server_config";

const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// Go's names for key exchange groups.
const CURVES: [(&str, NamedGroup); 5] = [
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("CurveP521", NamedGroup::secp521r1),
    ("X25519", NamedGroup::X25519),
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
];
