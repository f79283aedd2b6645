//! What the TLS blocks of all files have in common: certificates, the one that is shown with its key, and versions.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};

use super::decode::{Field, Section, text};
use super::material;
use super::reader::{Given, Reader, Reported};
use super::value::quote;
use crate::probe::ClientCertificate;

impl Reader {
    /// The certificates that stand in PEM at the first key, or in the file that the second one names.
    pub(super) fn certificates(
        &mut self,
        section: &Section<'_>,
        keys: [&'static str; 2],
    ) -> Result<Option<Given<Arc<[CertificateDer<'static>]>>>, Reported> {
        self.of_pem(section, keys, material::certificates)
    }

    /// Our own certificate, at `cert` or `cert_file`, with its key, at `key` or `key_file`.
    pub(super) fn own_certificate(&mut self, section: &Section<'_>) -> Result<Option<ClientCertificate>, Reported> {
        let chain = self.certificates(section, ["cert", "cert_file"]);
        let key = self.of_pem(section, ["key", "key_file"], material::key);
        match (chain?, key?) {
            (None, None) => Ok(None),
            (Some(Given { place, key, .. }), None) => {
                Err(self.wrong(section, place, key, "its private key is missing: give key_file or key"))
            }
            (None, Some(Given { place, key, .. })) => {
                Err(self.wrong(section, place, key, "its certificate is missing: give cert_file or cert"))
            }
            (Some(chain), Some(Given { value, place, key })) => ClientCertificate::new(chain.value.to_vec(), value)
                .map(Some)
                .map_err(|why| self.wrong(section, place, key, why.to_string())),
        }
    }

    fn of_pem<T>(
        &mut self,
        section: &Section<'_>,
        keys: [&'static str; 2],
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Option<Given<T>>, Reported> {
        let given: Option<Given<Vec<u8>>> = self.either(section, keys, Ok)?;
        let Some(Given { value, place, key }) = given else { return Ok(None) };
        match read(&value) {
            Ok(value) => Ok(Some(Given { value, place, key })),
            Err(why) => Err(self.wrong(section, place, key, format!("it {why}"))),
        }
    }

    /// The versions from `min_version` to `max_version`, newest first. Whether the first may be one that is `older` than
    /// those spoken here.
    pub(super) fn versions(
        &mut self,
        section: &Section<'_>,
        older: bool,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, Reported> {
        let mut version = |key, older| {
            section.field(key, &mut self.report, |node| {
                let word = text(node)?;
                match VERSIONS.iter().position(|(known, _)| *known == word) {
                    Some(at) if older || VERSIONS[at].1.is_some() => Ok(at),
                    Some(_) => Err(format!("{word} is not spoken here; TLS12 or TLS13")),
                    None => Err(format!("{} is no TLS version; TLS12 or TLS13", quote(word))),
                }
            })
        };
        let (least, most) = (version("min_version", older), version("max_version", false));
        if let (Field::Wrong, _) | (_, Field::Wrong) = (&least, &most) {
            return Err(Reported);
        }
        let range = least.value().copied().unwrap_or(0)..=most.value().copied().unwrap_or(VERSIONS.len() - 1);
        let spoken: Vec<_> =
            VERSIONS.get(range).unwrap_or_default().iter().rev().filter_map(|(_, version)| *version).collect();
        match least.given() {
            Some(least) if spoken.is_empty() => {
                Err(self.wrong(section, least.place, "min_version", "it is above max_version"))
            }
            Some(_) | None => Ok(spoken),
        }
    }
}

/// Oldest first, with what rustls calls those that it speaks.
const VERSIONS: [(&str, Option<&SupportedProtocolVersion>); 4] =
    [("TLS10", None), ("TLS11", None), ("TLS12", Some(&TLS12)), ("TLS13", Some(&TLS13))];
