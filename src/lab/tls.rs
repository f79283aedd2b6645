//! TLS for backends: certificates, servers that complete a handshake, and servers that spoil it.

mod chain;
mod credential;
mod server;
mod spoiled;

pub use chain::{Chain, Pki};
pub use credential::{Credential, KeyAlgorithm, Profile, Role, Usage, Validity};
pub use server::{ClientAuthentication, Identity, Offer, ServerTls, Terms, Versions};
pub use spoiled::{
    alert, alert_of_odd_version, answers_plain_http, closes_after_hello, garbage_server_hello, resets_after_hello,
    stalls_after_hello, tls10_alert, tls10_server_hello, unrecognized_name,
};
