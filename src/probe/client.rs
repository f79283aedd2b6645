//! Verifies the servers that we ask as clients, by the rules of probes; here an error ends the handshake.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, OtherError};

use super::Trust;
use super::signatures::signatures;
use super::verifier::{Presented, alert_for};

/// Lets servers be asked by their certificates.
#[derive(Debug)]
pub struct ServerVerifier {
    provider: Arc<CryptoProvider>,
    trust: Option<Arc<Trust>>,
    name: Option<ServerName<'static>>,
}

impl ServerVerifier {
    /// Without `trust` whoever answers is believed. `name`: the one to be in the certificate, instead of the URL's host.
    #[must_use]
    pub fn new(provider: Arc<CryptoProvider>, trust: Option<Arc<Trust>>, name: Option<ServerName<'static>>) -> Self {
        Self { provider, trust, name }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trust) = &self.trust {
            let name = self.name.as_ref().unwrap_or(server_name);
            let Presented { path, name, .. } = Presented::judge(Some(trust), end_entity, intermediates, name, now);
            path.map(drop).and(name).map_err(|error| rustls::Error::InvalidCertificate(told(error)))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    signatures!(provider);
}

/// webpki's words as rustls has them.
fn told(error: webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertNotValidForName(webpki::InvalidNameContext { expected, presented }) => {
            CertificateError::NotValidForNameContext { expected, presented }
        }
        webpki::Error::CertExpired { .. }
        | webpki::Error::CertNotValidYet { .. }
        | webpki::Error::CertRevoked
        | webpki::Error::UnknownIssuer => alert_for(&error),
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
}
