//! ICMP messages about our own packets, read from a socket's error queue, which needs no privileges.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, getsockname, setsockopt, sockopt};
use socket2::Socket;

use super::trouble::Obstacle;

/// An ICMP message about our own packet.
pub(super) struct Icmp {
    v6: bool,
    kind: u8,
    code: u8,
    pub(super) from: Option<IpAddr>,
    /// The socket's own address is the one that it came from.
    pub(super) from_ourselves: bool,
    /// Of `packet too big`: what would have fitted.
    info: u32,
}

/// Lets ICMP messages about the socket's packets come into its error queue.
pub(super) fn hear_errors(socket: &Socket, address: SocketAddr) -> nix::Result<()> {
    match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
    }
}

/// The first ICMP message in the socket's error queue.
pub(super) fn queued_icmp(socket: &impl AsRawFd) -> Option<Icmp> {
    let mut payload = [0; 64];
    let mut slices = [IoSliceMut::new(&mut payload)];
    let mut space = nix::cmsg_space!([u8; 128]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        nix::sys::socket::recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags).ok()?;
    let local = getsockname::<SockaddrStorage>(socket.as_raw_fd()).ok();
    let local = local.as_ref().and_then(|local| {
        let v4 = local.as_sockaddr_in().map(|local| IpAddr::from(local.ip()));
        v4.or_else(|| local.as_sockaddr_in6().map(|local| IpAddr::from(local.ip())))
    });
    let icmp = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, from) if error.ee_origin == libc::SO_EE_ORIGIN_ICMP => Some(Icmp {
            v6: false,
            kind: error.ee_type,
            code: error.ee_code,
            from: from.map(|from| IpAddr::from(u32::from_be(from.sin_addr.s_addr).to_be_bytes())),
            from_ourselves: false,
            info: error.ee_info,
        }),
        ControlMessageOwned::Ipv6RecvErr(error, from) if error.ee_origin == libc::SO_EE_ORIGIN_ICMP6 => Some(Icmp {
            v6: true,
            kind: error.ee_type,
            code: error.ee_code,
            from: from.map(|from| IpAddr::from(from.sin6_addr.s6_addr)),
            from_ourselves: false,
            info: error.ee_info,
        }),
        _ => None,
    })?;
    Some(Icmp { from_ourselves: icmp.from.is_some() && icmp.from == local, ..icmp })
}

impl Icmp {
    /// A router took the packet for one that goes round in circles.
    pub(super) fn is_out_of_hops(&self) -> bool {
        matches!((self.v6, self.kind, self.code), (false, 11, 0) | (true, 3, 0))
    }

    /// Nobody listens on the port.
    pub(super) fn is_closed_port(&self) -> bool {
        matches!((self.v6, self.kind, self.code), (false, 3, 3) | (true, 1, 4))
    }

    /// What would have fitted, in bytes, when the packet was too big.
    pub(super) fn fitting(&self) -> Option<u32> {
        matches!((self.v6, self.kind, self.code), (false, 3, 4) | (true, 2, _)).then_some(self.info)
    }

    pub(super) fn is_host_unreachable(&self) -> bool {
        matches!((self.v6, self.kind, self.code), (false, 3, 1) | (true, 1, 3))
    }

    /// RFC 792, RFC 1812 (section 5.2.7.1) and RFC 4443 (section 3).
    pub(super) fn what(&self) -> Obstacle {
        match (self.v6, self.kind, self.code) {
            (false, 3, 0 | 11) | (true, 1, 0) => Obstacle::NoRoute,
            (false, 3, 1 | 12) | (true, 1, 3) => Obstacle::Host,
            (false, 3, 2) | (true, 4, 1) => Obstacle::Protocol,
            (false, 3, 3) | (true, 1, 4) => Obstacle::Port,
            (false, 3, 4) | (true, 2, _) => Obstacle::TooBig,
            (false, 3, 6) => Obstacle::NetworkUnknown,
            (false, 3, 7) => Obstacle::HostUnknown,
            (false, 3, 8) => Obstacle::SourceIsolated,
            (false, 3, 9 | 10 | 13..=15) | (true, 1, 1) => Obstacle::Prohibited,
            (true, 1, 2) => Obstacle::BeyondScope,
            (true, 1, 5) => Obstacle::SourceRefused,
            (true, 1, 6) => Obstacle::RouteRejected,
            (false, 11, 0) | (true, 3, 0) => Obstacle::HopsExceeded,
            (false, 11, _) | (true, 3, _) => Obstacle::FragmentsLost,
            (false, 12, _) | (true, 4, _) => Obstacle::NotUnderstood,
            (false, 3, _) | (true, 1, _) => Obstacle::Unreachable,
            _ => Obstacle::Other,
        }
    }
}
