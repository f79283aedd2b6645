//! How a finding shows elsewhere than in sentences: the part of the picture that it marks, and Azure's type for it.

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::Serialize;

use crate::probe::{Bar, ConnectFault, DnsFault, LocalFault, LocalNetworkFault, Obstacle, Shortage, Unasked};

/// A part of the picture that can be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the gateway's block: the exporter's own host.
    ThisHost,
    /// Likewise: the server as the pool names it.
    ServerName,
    Protocol,
    /// The name that is sent as SNI, and that the certificate must have.
    Name,
    Trust,
    ClientCertificate,
    /// The step on the line at which the probe ended.
    Line,
    /// The step on the line that looks up the name.
    Lookup,
    /// The step on the line that connects.
    Connection,
    /// In the server's block: what listens at the address.
    Listener,
    /// Likewise: its TLS, the certificates aside.
    Tls,
    /// The certificates as a whole.
    Chain,
    /// The certificate that the finding is about.
    Certificate,
    /// An empty place before the first certificate.
    LeafSlot,
    /// An empty place behind the certificate that the finding is about.
    IssuerSlot,
    Response,
}

/// What stands at a marked part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    Words(&'static str),
    /// The code's title.
    Title,
    /// Since when, or until when, the certificate is out of its dates.
    Dates,
    /// The finding's own detail.
    Detail,
}

macro_rules! issue_types {
    ($($variant:ident $code:literal)+) => {
        /// What is wrong, in the words of Azure's connection troubleshoot; the last two are ours, for what it has none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
        pub enum IssueType { $(#[serde(rename = $code)] $variant),+ }

        impl IssueType {
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
        }
    };
}

issue_types! {
    Unknown "Unknown"
    Cpu "CPU"
    SocketError "SocketError"
    SourcePortInUse "SourcePortInUse"
    NetworkError "NetworkError"
    RouteMissing "RouteMissing"
    UserDefinedRoute "UserDefinedRoute"
    ArpMissing "ARPMissing"
    GuestFirewall "GuestFirewall"
    DnsResolution "DNSResolution"
    DnsResponseValidationFailed "DNSResponseValidationFailed"
    NoListenerOnDestination "NoListenerOnDestination"
    DestinationUnreachable "DestinationUnreachable"
    DestinationPartiallyReachable "DestinationPartiallyReachable"
    InvalidResponseFromServer "InvalidResponseFromServer"
    StatusCodeValidationFailed "StatusCodeValidationFailed"
    ContentValidationFailed "ContentValidationFailed"
    Tls "TLS"
    Certificate "Certificate"
}

/// Where the fault itself says more than its cause.
pub(super) fn of_connect(fault: &ConnectFault) -> Option<IssueType> {
    match fault {
        ConnectFault::Unreachable(reason) if reason.what == Obstacle::NobodyThere => Some(IssueType::ArpMissing),
        ConnectFault::Local(fault) => of_local(fault),
        ConnectFault::Unreachable(_) | ConnectFault::Refused | ConnectFault::Timeout | ConnectFault::Reset => None,
    }
}

pub(super) fn of_local(fault: &LocalFault) -> Option<IssueType> {
    match fault {
        LocalFault::Exhausted(Shortage::Ports) => Some(IssueType::SourcePortInUse),
        LocalFault::Exhausted(_) | LocalFault::Overloaded { .. } => None,
        LocalFault::Network(fault) => Some(of_local_network(fault)),
    }
}

fn of_local_network(fault: &LocalNetworkFault) -> IssueType {
    match fault {
        LocalNetworkFault::Barred(Bar::NoRoute) | LocalNetworkFault::NoSource => IssueType::RouteMissing,
        LocalNetworkFault::Barred(Bar::Unreachable | Bar::Prohibit | Bar::Blackhole) => IssueType::UserDefinedRoute,
        LocalNetworkFault::NextHopSilent(_) => IssueType::ArpMissing,
        LocalNetworkFault::SecurityPolicy
        | LocalNetworkFault::OwnFirewall
        | LocalNetworkFault::HeldBack
        | LocalNetworkFault::OwnRejection(_) => IssueType::GuestFirewall,
        LocalNetworkFault::NoResolver { why, .. } => of_local_network(why),
        LocalNetworkFault::Barred(Bar::Broadcast | Bar::Multicast)
        | LocalNetworkFault::InterfaceDown(_)
        | LocalNetworkFault::LinkDown(_)
        | LocalNetworkFault::NoScope
        | LocalNetworkFault::UnknownFamily
        | LocalNetworkFault::System(_) => IssueType::NetworkError,
    }
}

pub(super) fn of_dns(fault: &DnsFault) -> Option<IssueType> {
    match fault {
        DnsFault::LocalExhausted(Unasked { error, .. }) | DnsFault::LocalNetwork(Unasked { error, .. }) => {
            match error {
                Errno::EADDRINUSE | Errno::EAGAIN => Some(IssueType::SourcePortInUse),
                Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EADDRNOTAVAIL => Some(IssueType::RouteMissing),
                Errno::EPERM | Errno::EACCES => Some(IssueType::GuestFirewall),
                _ => None,
            }
        }
        DnsFault::NameNotFound
        | DnsFault::AliasNotFound(_)
        | DnsFault::NoAddress
        | DnsFault::AliasWithoutAddress(_)
        | DnsFault::Unusable(_)
        | DnsFault::ServerFailure(_)
        | DnsFault::Timeout => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::probe::IcmpReason;

    #[test]
    fn the_fault_itself_says_which_type_it_is() {
        let network = |fault| of_connect(&ConnectFault::Local(LocalFault::Network(fault)));
        let resolver: SocketAddr = ([192, 0, 2, 53], 53).into();
        let hop = || LocalNetworkFault::NextHopSilent([192, 0, 2, 1].into());
        for (fault, issue) in [
            (LocalNetworkFault::Barred(Bar::NoRoute), IssueType::RouteMissing),
            (LocalNetworkFault::NoSource, IssueType::RouteMissing),
            (LocalNetworkFault::Barred(Bar::Blackhole), IssueType::UserDefinedRoute),
            (LocalNetworkFault::Barred(Bar::Multicast), IssueType::NetworkError),
            (hop(), IssueType::ArpMissing),
            (LocalNetworkFault::NoResolver { nameserver: resolver, why: Box::new(hop()) }, IssueType::ArpMissing),
            (LocalNetworkFault::OwnFirewall, IssueType::GuestFirewall),
            (LocalNetworkFault::OwnRejection(Obstacle::Prohibited), IssueType::GuestFirewall),
            // Its words do not matter.
            (LocalNetworkFault::System("no firewall, no port, no next hop".to_owned()), IssueType::NetworkError),
        ] {
            assert_eq!(network(fault.clone()), Some(issue), "{fault:?}");
        }
        let exhausted = |shortage| of_connect(&ConnectFault::Local(LocalFault::Exhausted(shortage)));
        assert_eq!(exhausted(Shortage::Ports), Some(IssueType::SourcePortInUse));
        assert_eq!(exhausted(Shortage::TlsClient("no port".to_owned())), None);
        let icmp = |what| of_connect(&ConnectFault::Unreachable(IcmpReason { what, from: None }));
        assert_eq!(icmp(Obstacle::NobodyThere), Some(IssueType::ArpMissing));
        assert_eq!(icmp(Obstacle::Host), None);
        let unasked = |error| of_dns(&DnsFault::LocalNetwork(Unasked { server: resolver, error }));
        assert_eq!(unasked(Errno::EPERM), Some(IssueType::GuestFirewall));
        assert_eq!(unasked(Errno::EINVAL), None);
    }
}
