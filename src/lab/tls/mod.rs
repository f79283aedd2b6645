//! TLS for backends: certificates, servers that complete a handshake, and servers that spoil it.

mod chain;
mod credential;
mod server;
mod spoiled;

pub use chain::Chain;
pub use chain::Pki;
pub use credential::Credential;
pub use credential::KeyAlgorithm;
pub use credential::Profile;
pub use credential::Role;
pub use credential::Usage;
pub use credential::Validity;
pub use server::ClientAuthentication;
pub use server::Identity;
pub use server::Offer;
pub use server::ServerTls;
pub use server::Terms;
pub use server::Versions;
pub use spoiled::alert;
pub use spoiled::answers_plain_http;
pub use spoiled::closes_after_hello;
pub use spoiled::garbage_server_hello;
pub use spoiled::resets_after_hello;
pub use spoiled::stalls_after_hello;
pub use spoiled::tls10_alert;
pub use spoiled::tls10_server_hello;
pub use spoiled::unrecognized_name;
