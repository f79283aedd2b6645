//! TLS servers that complete a handshake, if the client is content with what they offer.

use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use crate::lab::tls::credential::Credential;

/// A TLS server's side of the handshake, ready to be used on any number of connections.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

/// What a server shows: certificates in the order in which they are sent, and the key that it signs with. Nothing
/// here checks whether these belong together.
#[derive(Debug)]
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// What a server accepts.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub versions: Versions,
    pub offer: Offer,
    pub client: ClientAuthentication,
    /// Application protocols, the preferred one first; none: ALPN is ignored.
    pub alpn: Vec<Vec<u8>>,
    /// Session tickets that are sent right after a TLS 1.3 handshake; none said: the usual two.
    pub tickets: Option<usize>,
    /// Bytes of a record at most, with its head; none said: as many as one may have.
    pub record_size: Option<usize>,
}

/// TLS versions that a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    #[default]
    Tls12And13,
    Tls12,
    Tls13,
}

/// Cipher suites and groups that a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    #[default]
    Usual,
    /// TLS 1.2 suites for RSA keys only; with a certificate of another kind no handshake can succeed.
    RsaSuites,
    /// Only a key exchange that hardly any client offers: pure ML-KEM-768, TLS 1.3.
    RareGroup,
}

/// Whether a server asks for a client certificate, and whose it accepts.
#[derive(Clone, Debug, Default)]
pub enum ClientAuthentication {
    #[default]
    None,
    Optional(CertificateDer<'static>),
    Required(CertificateDer<'static>),
}

impl Identity {
    /// These certificates in this order, with the key of the first one.
    #[must_use]
    pub fn new(first: &Credential, others: &[&Credential]) -> Self {
        let chain = std::iter::once(first).chain(others.iter().copied()).map(Credential::der).collect();
        Self { chain, key: first.key_der() }
    }
}

impl ServerTls {
    /// The usual terms.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn new(identity: &Identity) -> anyhow::Result<Self> {
        Self::with(identity, Terms::default())
    }

    /// # Errors
    /// When the key or the client's CA cannot be used.
    pub fn with(identity: &Identity, terms: Terms) -> anyhow::Result<Self> {
        let provider = Arc::new(terms.offer.provider());
        let key = provider.key_provider.load_private_key(identity.key.clone_key()).context("unusable key")?;
        // Not `with_single_cert`: that one insists on a key that belongs to the first certificate.
        let certified = CertifiedKey::new(identity.chain.clone(), key);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(terms.protocol_versions())
            .context("the versions do not fit the suites")?;
        let builder = match terms.client.verifier(&provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = terms.alpn;
        config.max_fragment_size = terms.record_size;
        config.send_tls13_tickets = terms.tickets.unwrap_or(config.send_tls13_tickets);
        Ok(Self { config: Arc::new(config) })
    }

    pub(in crate::lab) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl Terms {
    fn protocol_versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match (self.offer, self.versions) {
            (Offer::RsaSuites, _) | (Offer::Usual, Versions::Tls12) => ONLY_TLS12,
            (Offer::RareGroup, _) | (Offer::Usual, Versions::Tls13) => ONLY_TLS13,
            (Offer::Usual, Versions::Tls12And13) => rustls::DEFAULT_VERSIONS,
        }
    }
}

impl Offer {
    fn provider(self) -> CryptoProvider {
        let usual = aws_lc_rs::default_provider();
        match self {
            Self::Usual => usual,
            Self::RsaSuites => CryptoProvider {
                cipher_suites: vec![
                    aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                    aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                ],
                ..usual
            },
            Self::RareGroup => CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::MLKEM768], ..usual },
        }
    }
}

impl ClientAuthentication {
    fn verifier(self, provider: &Arc<CryptoProvider>) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
        let builder = |root: CertificateDer<'static>| -> anyhow::Result<_> {
            let mut roots = RootCertStore::empty();
            roots.add(root).context("unusable client CA")?;
            Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)))
        };
        match self {
            Self::None => Ok(None),
            Self::Optional(root) => Ok(Some(builder(root)?.allow_unauthenticated().build()?)),
            Self::Required(root) => Ok(Some(builder(root)?.build()?)),
        }
    }
}

static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
