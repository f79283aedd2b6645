//! The demo's pools with TLS, and the certificates that they and the configuration need.

use crate::lab::behaviour::{Behaviour, Service};
use crate::lab::demo::plan::Outcome::{Healthy, Unhealthy};
use crate::lab::demo::plan::{
    APPLIANCE, BANKING, BANKING_WITH_CERTIFICATE, LEGACY, Outcome, PARTNERS, PAYMENTS, Pool, QUEUE, SMTPS_PROXY,
    STAGING, Server, WEBSITE,
};
use crate::lab::tls::{
    Chain, ClientAuthentication, Credential, Identity, Offer, Pki, Profile, ServerTls, Terms, Validity, Versions,
};
use crate::lab::{http, tcp, tls};

/// The certificates of the demo.
#[derive(Debug)]
pub(super) struct Material {
    pki: Pki,
    /// What the configuration shows to servers that ask for a client certificate.
    client: Credential,
    /// A server's certificate that stands on the intermediate's revocation list.
    revoked: Credential,
    /// Self-signed; the configuration has a copy of it.
    appliance: Credential,
}

impl Material {
    pub(super) fn new() -> anyhow::Result<Self> {
        let pki = Pki::new()?;
        let client = pki.root.issue(&Profile::client("Lab Gateway"))?;
        let revoked = pki.intermediate.issue(&Profile::server("partners.lab.test"))?;
        let validity = Validity::days(-300, 65);
        let appliance = Credential::self_signed(&Profile { validity, ..Profile::server(APPLIANCE_HOST) })?;
        Ok(Self { pki, client, revoked, appliance })
    }

    /// The files that the configuration names, with their content.
    pub(super) fn files(&self) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(vec![
            ("lab-root.pem", self.pki.root.pem().into_bytes()),
            ("lab-root.crl", self.pki.root.revocation_list(&[])?.to_vec()),
            ("lab-intermediate.crl", self.pki.intermediate.revocation_list(&[&self.revoked])?.to_vec()),
            ("lab-appliance.pem", self.appliance.pem().into_bytes()),
            ("lab-client.pem", self.client.pem().into_bytes()),
            ("lab-client.key", self.client.key_pem().into_bytes()),
        ])
    }

    fn https(&self, chain: Chain, host: &str) -> anyhow::Result<Behaviour> {
        Ok(Service::tls(&self.tls(chain, host)?, http::ok()).into())
    }

    fn https_on_terms(&self, host: &str, terms: Terms) -> anyhow::Result<Behaviour> {
        Ok(Service::tls(&ServerTls::with(&self.pki.identity(Chain::Good, host)?, terms)?, http::ok()).into())
    }

    fn tls(&self, chain: Chain, host: &str) -> anyhow::Result<ServerTls> {
        ServerTls::new(&self.pki.identity(chain, host)?)
    }
}

/// The pools, in the order of the configuration.
pub(super) fn pools(material: &Material) -> anyhow::Result<Vec<Pool>> {
    Ok(vec![
        mail_secure(material)?,
        payments(material)?,
        appliance(material)?,
        partners(material)?,
        website(material)?,
        banking(material)?,
        legacy(material)?,
        queue(material)?,
        staging(material)?,
    ])
}

fn mail_secure(material: &Material) -> anyhow::Result<Pool> {
    let tls = material.tls(Chain::Good, "mail.lab.test")?;
    let rejected = [Unhealthy("proxy_protocol_rejected")];
    let held = Service::tls(&tls, tcp::holds());
    let servers = vec![
        Server::at("127.20.5.1", "takes the PROXY line, then TLS", held.clone().behind_proxy_line(), [Healthy]),
        Server::at("127.20.5.2", "expects TLS at once", held, rejected),
        Server::at("127.20.5.3", "complains in plain text", tcp::complains_about_proxy_line(), rejected),
    ];
    Ok(Pool { name: "mail-secure", purpose: "TLS behind the PROXY protocol.", settings: vec![&SMTPS_PROXY], servers })
}

fn payments(material: &Material) -> anyhow::Result<Pool> {
    let server = |address, note, chain, outcome: Outcome| -> anyhow::Result<Server> {
        Ok(Server::at(address, note, material.https(chain, "payments.lab.test")?, [outcome]))
    };
    let servers = vec![
        server("127.20.6.1", "in order", Chain::Good, Healthy)?,
        server("127.20.6.2", "in order for 10 more days", Chain::ExpiresSoon, Healthy)?,
        server("127.20.6.3", "expired", Chain::Expired, Unhealthy("cert_expired"))?,
        server("127.20.6.4", "its intermediate expired", Chain::ExpiredIntermediate, Unhealthy("cert_expired"))?,
        server("127.20.6.5", "valid from next week on", Chain::NotYetValid, Unhealthy("cert_not_yet_valid"))?,
        server(
            "127.20.6.6",
            "does not send the intermediate",
            Chain::IntermediateMissing,
            Unhealthy("cert_intermediate_missing"),
        )?,
        server("127.20.6.7", "signed by itself", Chain::SelfSigned, Unhealthy("cert_self_signed"))?,
        server(
            "127.20.6.8",
            "from another CA, whose root it sends",
            Chain::StrangeRootSent,
            Unhealthy("cert_root_mismatch"),
        )?,
        server(
            "127.20.6.9",
            "from another CA, without its root",
            Chain::StrangeRootNotSent,
            Unhealthy("cert_issuer_mismatch"),
        )?,
        server("127.20.6.10", "chain in the wrong order", Chain::LeafNotFirst, Unhealthy("cert_leaf_not_first"))?,
        server("127.20.6.11", "sends CA certificates only", Chain::LeafMissing, Unhealthy("cert_leaf_missing"))?,
        server("127.20.6.12", "for another name", Chain::WrongName, Unhealthy("cert_name_mismatch"))?,
        server("127.20.6.13", "a certificate for clients", Chain::ClientUsageOnly, Unhealthy("cert_invalid"))?,
        server("127.20.6.14", "an RSA key of 1024 bits", Chain::WeakKey, Unhealthy("cert_invalid"))?,
        server("127.20.6.15", "the root before the intermediate", Chain::RootBeforeIntermediate, Healthy)?,
        server("127.20.6.16", "an old certificate too many", Chain::GoodWithExpiredExtra, Healthy)?,
    ];
    Ok(Pool { name: "payments", purpose: "What goes wrong with certificates.", settings: vec![&PAYMENTS], servers })
}

fn appliance(material: &Material) -> anyhow::Result<Pool> {
    let tls = |credential| -> anyhow::Result<Service> {
        Ok(Service::tls(&ServerTls::new(&Identity::new(credential, &[]))?, http::ok()))
    };
    let renewed = material.appliance.renewed(&Profile::server(APPLIANCE_HOST))?;
    let servers = vec![
        Server::at("127.20.13.1", "its own certificate, which is trusted", tls(&material.appliance)?, [Healthy]),
        Server::at(
            "127.20.13.2",
            "renewed, and the old copy is trusted",
            tls(&renewed)?,
            [Unhealthy("cert_self_signed")],
        ),
    ];
    let purpose = "Self-signed, and trusted by a copy of the certificate.";
    Ok(Pool { name: "appliance", purpose, settings: vec![&APPLIANCE], servers })
}

fn partners(material: &Material) -> anyhow::Result<Pool> {
    let revoked = ServerTls::new(&Identity::new(&material.revoked, &[&material.pki.intermediate]))?;
    let servers = vec![
        Server::at("127.20.7.1", "in order", material.https(Chain::Good, "partners.lab.test")?, [Healthy]),
        Server::at("127.20.7.2", "revoked", Service::tls(&revoked, http::ok()), [Unhealthy("cert_revoked")]),
    ];
    Ok(Pool { name: "partners", purpose: "Revocation is checked.", settings: vec![&PARTNERS], servers })
}

fn website(material: &Material) -> anyhow::Result<Pool> {
    let host = "website.lab.test";
    let servers = vec![
        Server::at(
            "127.20.8.1",
            "a private CA, with its root",
            material.https(Chain::GoodWithRoot, host)?,
            [Unhealthy("cert_root_not_well_known")],
        ),
        Server::at(
            "127.20.8.2",
            "a private CA, without its root",
            material.https(Chain::Good, host)?,
            [Unhealthy("cert_issuer_not_well_known")],
        ),
    ];
    Ok(Pool { name: "website", purpose: "Only well-known CAs are trusted.", settings: vec![&WEBSITE], servers })
}

fn banking(material: &Material) -> anyhow::Result<Pool> {
    let wanting = |root: &Credential| {
        let client = ClientAuthentication::Required(root.der());
        material.https_on_terms("banking.lab.test", Terms { client, ..Terms::default() })
    };
    let required = Unhealthy("tls_client_certificate_required");
    let rejected = Unhealthy("tls_client_certificate_rejected");
    let servers = vec![
        Server::at("127.20.9.1", "accepts our client certificate", wanting(&material.pki.root)?, [required, Healthy]),
        Server::at(
            "127.20.9.2",
            "accepts another CA's only",
            wanting(&material.pki.strange_root)?,
            [required, rejected],
        ),
    ];
    let purpose = "Servers that want a client certificate: probed without one, and with one.";
    Ok(Pool { name: "banking", purpose, settings: vec![&BANKING, &BANKING_WITH_CERTIFICATE], servers })
}

fn legacy(material: &Material) -> anyhow::Result<Pool> {
    let host = "legacy.lab.test";
    let old = material.https_on_terms(host, Terms { versions: Versions::Tls12, ..Terms::default() })?;
    let odd = material.https_on_terms(host, Terms { offer: Offer::RareGroup, ..Terms::default() })?;
    let servers = vec![
        Server::at("127.20.10.1", "TLS 1.2 only, which is fine", old, [Healthy]),
        Server::at("127.20.10.2", "TLS 1.0 only", tls::tls10_alert(), [Unhealthy("tls_version_mismatch")]),
        Server::at("127.20.10.3", "a key exchange that hardly anybody offers", odd, [Unhealthy("tls_cipher_mismatch")]),
        Server::at("127.20.10.4", "plain HTTP on this port", tls::answers_plain_http(), [Unhealthy("tls_not_tls")]),
        Server::at(
            "127.20.10.5",
            "knows other names only",
            tls::unrecognized_name(),
            [Unhealthy("tls_unrecognized_name")],
        ),
        Server::at("127.20.10.6", "internal error in its TLS", tls::alert(80), [Unhealthy("tls_alert")]),
        Server::at("127.20.10.7", "closes in the handshake", tls::closes_after_hello(), [Unhealthy("tls_closed")]),
        Server::at(
            "127.20.10.8",
            "a broken TLS implementation",
            tls::garbage_server_hello(),
            [Unhealthy("tls_protocol_error")],
        ),
    ];
    Ok(Pool { name: "legacy", purpose: "What goes wrong in the TLS handshake.", settings: vec![&LEGACY], servers })
}

fn queue(material: &Material) -> anyhow::Result<Pool> {
    let tls = material.tls(Chain::Good, "queue.lab.test")?;
    let held = Service::tls(&tls, tcp::holds());
    let servers = vec![
        Server::at("127.20.11.1", "in order", held.clone(), [Healthy]),
        Server::at("127.20.11.2", "in order", held, [Healthy]),
        Server::at("127.20.11.3", "never answers the greeting", tls::stalls_after_hello(), [Unhealthy("tls_timeout")]),
        Server::at("127.20.11.4", "resets in the handshake", tls::resets_after_hello(), [Unhealthy("tls_closed")]),
    ];
    Ok(Pool { name: "queue", purpose: "TLS without HTTP.", settings: vec![&QUEUE], servers })
}

fn staging(material: &Material) -> anyhow::Result<Pool> {
    let servers = vec![Server::at(
        "127.20.12.1",
        "expired, which is a warning here",
        material.https(Chain::Expired, "staging.lab.test")?,
        [Healthy],
    )];
    Ok(Pool { name: "staging", purpose: "Validation is switched off.", settings: vec![&STAGING], servers })
}

const APPLIANCE_HOST: &str = "appliance.lab.test";
