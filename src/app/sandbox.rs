//! What a sandbox takes away, said once at the start: later on it would only look like trouble of somebody else.

use socket2::{Domain, Socket, Type};

use crate::probe::has_netlink;

/// Logs what is missing.
pub(super) fn tell() {
    if !has_netlink() {
        tracing::warn!(
            "netlink is forbidden here, so the exporter cannot ask the kernel about routes, links and neighbours: a link that \
             is down, or an own firewall that drops packets, looks like a network that does not answer. Under systemd, add \
             AF_NETLINK to RestrictAddressFamilies="
        );
    }
    if Socket::new(Domain::IPV6, Type::STREAM, None)
        .is_err_and(|error| error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT))
    {
        tracing::info!("this host does not speak IPv6, or a sandbox forbids it: servers can be probed over IPv4 only");
    }
}
