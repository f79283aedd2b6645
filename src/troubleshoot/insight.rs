//! What only the deep check can see: the kinds, and the words for each. A table.

use schemars::JsonSchema;
use serde::Serialize;

use crate::verdict::Side;

/// One thing that only the deep check sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insight {
    pub kind: InsightKind,
    pub severity: Severity,
    /// One sentence with the actual names and numbers.
    pub detail: String,
    /// The same in pairs, for machines.
    pub context: Vec<(&'static str, String)>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Severity {
    /// It explains why the server is not in order.
    Error,
    Warning,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
        }
    }
}

macro_rules! kinds {
    ($($variant:ident $code:literal $side:ident $title:literal $remedy:literal)+) => {
        /// What there may be to see.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum InsightKind { $(#[doc = $title] $variant),+ }

        impl InsightKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// In JSON.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Who has to act.
            #[must_use]
            pub fn side(self) -> Side {
                match self { $(Self::$variant => Side::$side),+ }
            }

            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What to do.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy),+ }
            }
        }
    };
}

kinds! {
    MtuBlackHole "mtu_black_hole" Network
        "Large packets get lost on the way"
        "Let the devices on the way send ICMP `fragmentation needed` (type 3 code 4) and `packet too big` (ICMPv6 type 2), and let firewalls pass them; until then clamp the MSS on the router or VPN: `nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu`."
    PortSilent "port_silent" Network
        "The server is reached, its port stays silent"
        "Datagrams arrive at the server, connections to this port get no answer: look for a rule for the port on the server's own firewall (`nft list ruleset`, `iptables -S`), in its security group and on the last device that answers, or for a full accept queue, which `ss -ltn` shows on the server as a Recv-Q above Send-Q."
    LostBehind "lost_behind" Network
        "The way ends behind a router"
        "Ask whoever runs the last router that answers for its route to the server, and for the filters behind it; then check that the server's own route back leads here."
    HostFilterFull "host_filter_full" Exporter
        "This host tracks as many connections as it can"
        "Raise `net.netfilter.nf_conntrack_max`, or find what opens so many connections: `conntrack -C`, `ss -s`."
    PartlyReachable "partly_reachable" Network
        "Not every address can be reached"
        "Clients that try one address only fail on the others: mend the way to them, or remove their A or AAAA records."
    Loss "loss" Network
        "Some connections failed or had to be tried again"
        "Look for loss on the way (`mtr -T`, interface errors, a full firewall table) and for a server whose accept queue overflows (`nstat -az TcpExtListenOverflows`)."
    ResolversDisagree "resolvers_disagree" Network
        "Resolvers give different answers"
        "Find out which answer is right and mend the other resolver: an old zone, a cache, or a split view that one of them does not see. A name whose answers rotate is harmless."
    ResolverFails "resolver_fails" Network
        "A resolver fails"
        "Another one answers, so that names resolve, but late: mend this one, or take it out of `/etc/resolv.conf` or `--dns.nameserver`."
    OldTls "old_tls" Server
        "The server still takes old TLS versions"
        "Turn off TLS 1.0 and 1.1 on the server (RFC 8996) once no client needs them."
}
