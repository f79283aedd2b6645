//! The one table of causes: code, stage, side and all the words that people read about them.
//!
//! Labels, API fields, the page, the command line and `docs/troubleshooting.md` all read the same row. A cause is
//! added here, and in the arm of the verdict that sees it.

use std::fmt;

use super::{IssueType, Place, Saying};
use crate::probe::{Feature, Protocol, Stage};

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Firewalls, routes, resolvers between us and the server.
    Network,
    /// Our own settings.
    Gateway,
    /// The backend or its certificate.
    Server,
    /// The host that the exporter runs on.
    Exporter,
}

impl Side {
    /// As in labels and in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Gateway => "gateway",
            Self::Server => "server",
            Self::Exporter => "exporter",
        }
    }
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub code: &'static str,
    pub stage: Stage,
    pub side: Side,
    /// A few words, for a table cell.
    pub title: &'static str,
    /// One sentence that is always true.
    pub explanation: &'static str,
    /// The shell command that shows the same, in the texts' own notation, without anything that a backend chose.
    pub reproduce: Option<&'static str>,
    /// What to do, in the order in which to try it, the cause's own side first, each side's steps together.
    pub remedy: &'static [Step],
    /// The parts of the picture that are marked, where they are others than stage and side make of it.
    pub marks: &'static [(Place, Saying)],
    /// Azure's type, likewise.
    pub issue: Option<IssueType>,
}

/// One thing to do.
///
/// Values stand in braces, each one a [`Slot`](super::Slot). Between two backticks there is code: a command, a key or a
/// file. In commands a slot is a word, or the end of one, and never stands in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who has to do it.
    pub side: Side,
    pub text: &'static str,
    /// Instead, for a target that stands in no configuration; a step for the settings that has none is left out there.
    pub alone: Option<&'static str>,
    /// Instead, where nothing is known of a row, as in the words of an alert: without a slot.
    pub general: Option<&'static str>,
}

macro_rules! optional {
    () => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
}
pub(super) use optional;

macro_rules! issue {
    () => {
        None
    };
    ($issue:ident) => {
        Some(IssueType::$issue)
    };
}

macro_rules! saying {
    (Dates) => {
        Saying::Dates
    };
    (Detail) => {
        Saying::Detail
    };
    ($words:literal) => {
        Saying::Words($words)
    };
}

macro_rules! table {
    (
        $(#[$doc:meta])* $name:ident:
        $(
            $variant:ident $code:literal $stage:ident $side:ident $title:literal $explanation:literal
            $(azure $issue:ident)?
            $(marked [$($place:ident $saying:tt),+])?
            $(shown by $reproduce:literal)?
            [$($actor:ident $step:literal $(or $alone:literal)? $(in general $general:literal)?),+ $(,)?]
        )+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $(#[doc = $title] $variant),+ }

        impl $name {
            /// Every row, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// All that is said about this one.
            #[must_use]
            pub const fn words(self) -> &'static Words {
                match self {
                    $(Self::$variant => &Words {
                        code: $code,
                        stage: Stage::$stage,
                        side: Side::$side,
                        title: $title,
                        explanation: $explanation,
                        reproduce: optional!($($reproduce)?),
                        remedy: &[$(Step { side: Side::$actor, text: $step, alone: optional!($($alone)?), general: optional!($($general)?) }),+],
                        marks: &[$($((Place::$place, saying!($saying))),+)?],
                        issue: issue!($($issue)?),
                    }),+
                }
            }
        }
    };
}

table! {
    /// Why a probe failed or gave no verdict: the closed set. Within the stage tls the order of the certificate
    /// causes is the order in which one of several becomes the row's cause.
    Cause:

    NotProbedYet "not_probed_yet" Local Exporter
        "Not probed yet"
        "No probe of this row has ended yet."
        azure Unknown
        marked [ThisHost "the first probe has not ended yet"]
        shown by "curl -s http://localhost:19115/metrics | grep '^backend_health_exporter_probes_'"
        [
            Exporter "Wait for the first probe: it starts within the shorter of its interval and 10 seconds, and ends at the latest {probe_timeout} later."
                in general "Wait for the first probe: it starts within the shorter of its interval and 10 seconds, and ends when its timeout is over, at the latest.",
            Exporter "If nothing changes, read the exporter's log. If `backend_health_exporter_probes_skipped_total` grows, this host has no room for more probes: see `process_open_fds` and `process_max_fds`.",
        ]
    LocalExhausted "local_exhausted" Local Exporter
        "Exporter out of resources"
        "The exporter's host had no file descriptor, local port or memory left, so nothing was asked of the server."
        azure SocketError
        marked [ThisHost "out of descriptors, ports or memory"]
        shown by "curl -s http://localhost:19115/metrics | grep -E '^process_(open|max)_fds '"
        [
            Exporter "Compare `process_open_fds` with `process_max_fds` in the exporter's metrics. If they are close, raise the limit (systemd: `LimitNOFILE=`, shell: `ulimit -n`) and restart the exporter.",
            Exporter "See what the sockets are doing: `ss -s`. If most are in TIME-WAIT, widen `net.ipv4.ip_local_port_range`, or lengthen `interval` in the probes that hit one address often.",
            Exporter "Look for out-of-memory messages in the kernel log: `dmesg | grep -i 'out of memory'`",
        ]
    LocalOverloaded "local_overloaded" Local Exporter
        "Exporter too slow to judge"
        "The exporter's own host was too slow or too busy to tell anything about the server."
        azure Cpu
        marked [ThisHost "was too slow to judge"]
        shown by "curl -s http://localhost:19115/metrics | grep probe_start_delay_seconds"
        [
            Exporter "Find what is using the CPU of the exporter's host, and stop or move it: `top -b -n 1 | head -20`",
            Exporter "In a container or a systemd slice, raise the CPU limit: throttling looks exactly like this (`nr_throttled` in the control group's `cpu.stat`).",
            Exporter "Lengthen `interval` in the probes, or split the pools over several exporters.",
        ]
    LocalNetwork "local_network" Local Exporter
        "Exporter's network cannot send"
        "The exporter's own host cannot send to this address: no route, a blocking route, no source address, a link that is down, its own firewall, or a next hop that does not answer."
        marked [ThisHost "cannot send to this address"]
        shown by "ip route get {address}"
        [
            Exporter "See which route the exporter's host takes: `ip route get {address}`. If there is none, or it says unreachable, prohibit or blackhole, correct the route."
                in general "See which route the exporter's host takes to the server: `ip route get` with its address. If there is none, or it says unreachable, prohibit or blackhole, correct the route.",
            Exporter "Check that the interface is up and has an address of the same family: `ip -brief address`",
            Exporter "Look for a rule of the host's own firewall on outgoing packets: `nft list ruleset`, `iptables -S OUTPUT`",
            Exporter "If the next hop does not answer (FAILED or INCOMPLETE in `ip neigh`), check that router and the VLAN.",
            Gateway "If no server can have {address} (a broadcast address, a network that is gone), correct {server} in the pool `{pool}`.",
        ]

    DnsNameNotFound "dns_name_not_found" Dns Gateway
        "Name does not exist"
        "The resolver says that the server's name does not exist (NXDOMAIN), so there is no address to probe."
        marked [ServerName "this name does not exist", Line "no such name"]
        shown by "dig {server} A"
        [
            Gateway "Check the spelling of {server} in the pool `{pool}`, and use the full name with its domain."
                or "Check the spelling of {server}, and use the full name with its domain."
                in general "Check the spelling of the server's name in its pool, and use the full name with its domain.",
            Gateway "If the machine is gone for good, remove it from the pool.",
            Exporter "If only a private resolver knows the name, point the exporter at it: `/etc/resolv.conf` of its host, or the flag `--dns.nameserver`. To ask another resolver by hand, write its address with an @ before it into `dig {server} A`.",
            Network "If the name should exist, have its A or AAAA record restored in its zone.",
        ]
    DnsNoAddress "dns_no_address" Dns Gateway
        "Name has no address"
        "The name exists, but has neither an A nor an AAAA record, so there is no address to probe."
        marked [ServerName "this name has no address", Line "no address"]
        shown by "dig {server} A; dig {server} AAAA; dig {server} CNAME"
        [
            Gateway "See what the name has: `dig {server} CNAME`. If it is an alias, its target has lost its address."
                or "See what the name has: `dig {server} CNAME`. If it is an alias, its target has lost its address."
                in general "Ask for the name's CNAME record with `dig`. If it is an alias, its target has lost its address.",
            Gateway "Put the name that has an address into the pool `{pool}`."
                or "Ask for the name that has an address.",
            Network "Or have an A or AAAA record created for {server} in its zone.",
        ]
    DnsUnusableAddress "dns_unusable_address" Dns Gateway
        "No usable address"
        "The name resolves only to addresses that no server can have: unspecified (0.0.0.0, ::), multicast or broadcast, so nothing is sent there."
        marked [ServerName "no server can have its address", Line "no usable address"]
        shown by "dig {server} A; dig {server} AAAA"
        [
            Gateway "If {server} is only a placeholder, put the server's real name or address into the pool `{pool}`."
                or "If {server} is only a placeholder, ask for the server's real name or address."
                in general "If the name is only a placeholder, put the server's real name or address into the pool.",
            Exporter "See where the address comes from: `getent ahosts {server}`, then `dig {server} A`. If only the first one has it, correct `/etc/hosts` on the exporter's host.",
            Exporter "If another resolver has the right address, point the exporter at it: `/etc/resolv.conf` of its host, or the flag `--dns.nameserver`.",
            Network "Allow the name where names are filtered (a DNS firewall, Pi-hole, AdGuard, a response policy zone), or have its A or AAAA record corrected in its zone.",
        ]
    DnsServerFailure "dns_server_failure" Dns Network
        "Resolver failed"
        "The resolver answered with SERVFAIL, REFUSED or something broken, so there is no address to probe."
        azure DnsResponseValidationFailed
        marked [Line "the resolver failed"]
        shown by "dig {server} A"
        [
            Network "SERVFAIL: compare with `dig +cd {server} A`. If that one works, the zone's DNSSEC signatures are broken or expired; otherwise the zone's own name servers fail: `dig +trace {server} A`"
                in general "Ask for the name with `dig +cd`. If that works, its zone's DNSSEC signatures are broken or expired; otherwise the zone's own name servers fail. If the detail says REFUSED, let the resolver answer the exporter's address.",
            Network "REFUSED: let the resolver answer the exporter's address (its access list or view).",
            Exporter "Check that the right resolvers are configured: `/etc/resolv.conf` of the exporter's host, or the flag `--dns.nameserver`.",
        ]
    DnsTimeout "dns_timeout" Dns Network
        "No resolver answered"
        "No resolver answered in time, so there is no address to probe."
        marked [Line "no resolver answered"]
        shown by "dig +tries=1 +timeout=5 {server} A"
        [
            Network "Check that the resolver is running and reachable from the exporter's host: `dig +tries=1 {server} A`, then the same with `+tcp`."
                in general "Check that the resolver is running, and that `dig` on the exporter's host gets an answer from it, over UDP and with `+tcp`.",
            Network "Allow UDP and TCP port 53 between the exporter and the resolver, in both directions.",
            Exporter "Check that the right resolvers are configured: `/etc/resolv.conf` of the exporter's host, or the flag `--dns.nameserver`.",
        ]

    TcpRefused "tcp_refused" Tcp Server
        "Connection refused"
        "The server's address answered our connection attempt with a reset: nothing listens on that port."
        azure NoListenerOnDestination
        marked [Listener "nothing listens on this port", Line "refused"]
        shown by "nc -vz -w 5 {address} {port}"
        [
            Server "Check on the server whether the service is listening: `ss -ltnp sport = :{port}`. If nothing is listed, start the service and read its log."
                in general "Check on the server whether the service is listening on this port: `ss -ltnp`. If nothing is listed, start the service and read its log.",
            Server "If it listens on 127.0.0.1 or only on another address, make it listen on {address}. In a container, publish port {port}.",
            Gateway "If it listens on another port, set `port` in the backend setting `{setting}` or in its probe.",
            Network "If it listens on {address} and the connection is still refused, look for a firewall that answers with a reset (iptables: `--reject-with tcp-reset`).",
        ]
    TcpTimeout "tcp_timeout" Tcp Network
        "No answer to connect"
        "Nothing came back to our connection attempt within the timeout: something drops it, or the address is not in use."
        marked [Line "nothing came back"]
        shown by "nc -vz -w 5 {address} {port}"
        [
            Network "Allow TCP port {port} from the exporter to {address}: in firewalls and security groups on the path, and in the server's own firewall (`nft list ruleset`)."
                in general "Allow this TCP port from the exporter to the server: in firewalls and security groups on the path, and in the server's own firewall (`nft list ruleset`).",
            Network "Check the route there, and on the server the route back: `ip route get {address}`. Replies that take a different route are often dropped.",
            Server "Check that the server is up and has the address {address}: `ip -brief address`",
            Server "Check that its accept queue is not full: `ss -ltn sport = :{port}` must show a Recv-Q below Send-Q.",
            Gateway "If the server has moved, correct {server} in the pool `{pool}`.",
        ]
    TcpUnreachable "tcp_unreachable" Tcp Network
        "Address unreachable"
        "An ICMP message says that the address or port cannot be reached, or nobody owns the address on the local network."
        marked [Line "unreachable"]
        shown by "ip route get {address}; tracepath -n {address}"
        [
            Network "Go to the router or firewall that sent the message (the detail names it), and look at its route and its rules for {address} port {port}."
                in general "Go to the router or firewall that sent the message (the detail names it), and look at its route and its rules for the server's address and port.",
            Network "See how far packets get: `tracepath -n {address}`",
            Server "If nobody answers for the address on the local network (`ip neigh show {address}` says FAILED), start the server, or give it this address.",
            Server "If the server itself sent the message, its own firewall rejects port {port}: `nft list ruleset`",
            Gateway "If the server has moved, correct {server} in the pool `{pool}`.",
        ]
    TcpReset "tcp_reset" Tcp Server
        "Connection dropped"
        "The connection was reset, or closed before a complete response arrived."
        marked [Listener "dropped the connection", Line "broken off"]
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Read the service's log at the time of the probe: crashes, restarts, connection or memory limits.",
            Server "Look for rules that close the connection without a response: nginx `return 444` and `limit_conn`, HAProxy `tcp-request connection reject`, Apache `RequestReadTimeout`, an access list without the exporter's address.",
            Gateway "Check `protocol` and `port` of the backend setting `{setting}`: a TLS port often drops plain HTTP, and the other way round.",
            Network "Look for a device on the path that resets connections: intrusion prevention, a load balancer without servers.",
        ]
    ProxyProtocolRejected "proxy_protocol_rejected" Tcp Server
        "PROXY line rejected"
        "The server answered the probe's PROXY protocol line with a close, a reset, an alert or something that is not TLS."
        marked [Listener "does not take the PROXY line", Line "PROXY line rejected"]
        shown by "printf 'PROXY UNKNOWN\\r\\n' | nc -w 5 {address} {port}"
        [
            Server "Configure the server to expect the PROXY protocol on port {port}: nginx `listen {port} proxy_protocol;`, HAProxy `bind :{port} accept-proxy`, Apache `RemoteIPProxyProtocol On`, Postfix `smtpd_upstream_proxy_protocol = haproxy`."
                in general "Configure the server to expect the PROXY protocol on this port: `proxy_protocol` in nginx's `listen`, `accept-proxy` in HAProxy's `bind`, Apache `RemoteIPProxyProtocol On`, Postfix `smtpd_upstream_proxy_protocol = haproxy`.",
            Server "If it does, check that it accepts version 1 with the word UNKNOWN, and accepts it from the exporter's address.",
            Gateway "If the server should not get the line, set `enable_probe_proxy_protocol_header: false` in the probe of the backend setting `{setting}`.",
        ]

    TlsNotTls "tls_not_tls" Tls Gateway
        "Port does not speak TLS"
        "The port answered our TLS greeting with something that is not TLS."
        azure InvalidResponseFromServer
        marked [Protocol "this port does not speak TLS", Line "not TLS"]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Gateway "If the port speaks plain HTTP, set `protocol: http` in the backend setting `{setting}` and in its probe."
                or "If the port speaks plain HTTP, ask with a URL that begins with `http://`.",
            Gateway "If TLS is on another port, set `port` in the backend setting or in its probe; it is {port} now."
                or "If TLS is on another port, use that one; it is {port} now.",
            Gateway "If the protocol starts in plain text and switches to TLS later (STARTTLS), use a port with TLS from the first byte, or `protocol: tcp`.",
            Server "Or turn TLS on for port {port}: nginx `listen {port} ssl;`, HAProxy `bind :{port} ssl` with a `crt`, Apache `SSLEngine on`, IIS a binding of type https.",
        ]
    TlsVersionMismatch "tls_version_mismatch" Tls Server
        "No common TLS version"
        "The server accepts none of the TLS versions that we offer, 1.2 and 1.3."
        marked [Tls "accepts neither TLS 1.2 nor 1.3", Line "no common version"]
        shown by "openssl s_client -connect {endpoint} {servername} -tls1_2 </dev/null"
        [
            Server "Enable TLS 1.2 and 1.3: nginx `ssl_protocols TLSv1.2 TLSv1.3;`, HAProxy `ssl-min-ver TLSv1.2`, Apache `SSLProtocol -all +TLSv1.2 +TLSv1.3`, Windows and IIS the SCHANNEL registry keys.",
            Server "If its TLS library is too old for that, update it, or put a proxy with TLS 1.2 in front: TLS 1.0 and 1.1 are deprecated (RFC 8996).",
            Server "To see what it does speak: `openssl s_client -connect {endpoint} {servername} -tls1 -cipher DEFAULT@SECLEVEL=0 </dev/null`",
        ]
    TlsCipherMismatch "tls_cipher_mismatch" Tls Server
        "No common cipher suite"
        "Server and exporter have no cipher suite, key exchange group or signature scheme in common."
        marked [Tls "no cipher suite, group or signature in common", Line "no common cipher suite"]
        shown by "openssl s_client -connect {endpoint} {servername} -cipher ECDHE+AESGCM:ECDHE+CHACHA20 -groups X25519:P-256:P-384 </dev/null"
        [
            Server "Allow a suite with ECDHE and AES-GCM or ChaCha20-Poly1305, for example `ECDHE-RSA-AES128-GCM-SHA256` (nginx `ssl_ciphers`, HAProxy `ssl-default-bind-ciphers`, Apache `SSLCipherSuite`). CBC and RSA key exchange are not offered.",
            Server "Let suites and key fit: an RSA certificate needs ECDHE-RSA suites, an ECDSA one ECDHE-ECDSA suites.",
            Server "Allow one of the groups X25519, P-256 and P-384 (nginx `ssl_ecdh_curve`, HAProxy `curves`).",
            Gateway "Some servers refuse a name that they do not know in this way: check that {name}, which comes from {name_source}, is right.",
        ]
    TlsClientCertificateRequired "tls_client_certificate_required" Tls Gateway
        "Client certificate required"
        "The server wants a client certificate, and the backend setting has none."
        marked [ClientCertificate "the server wants one", Line "client certificate required"]
        shown by "sleep 1 | openssl s_client -connect {endpoint} {servername}"
        [
            Gateway "Set `client_certificate` in the backend setting `{setting}`, with the files `certificate` and `private_key`."
                or "Show a client certificate: the flags `--client-certificate` and `--client-key`.",
            Gateway "Have it issued by a CA that the server accepts: `openssl s_client -connect {endpoint} {servername} </dev/null` lists them under Acceptable client certificate CA names."
                or "Have it issued by a CA that the server accepts: `openssl s_client -connect {endpoint} {servername} </dev/null` lists them under Acceptable client certificate CA names.",
            Server "Or let the health check pass without one: nginx `ssl_verify_client optional;`, HAProxy `verify optional`, Apache `SSLVerifyClient optional`, IIS Client certificates: Accept.",
        ]
    TlsClientCertificateRejected "tls_client_certificate_rejected" Tls Gateway
        "Client certificate rejected"
        "The server did not accept the client certificate of the backend setting."
        marked [ClientCertificate "the server refused it", Line "client certificate refused"]
        shown by "sleep 1 | openssl s_client -connect {endpoint} {servername} -cert {client_file} -key {client_key_file}"
        [
            Gateway "Look at the file in `client_certificate` of the backend setting `{setting}`: `openssl x509 -noout -subject -issuer -dates -purpose -in {client_file}`. It must be within its dates and allowed for SSL clients."
                in general "Look at the file in `client_certificate` of the backend setting: it must be within its dates, allowed for SSL clients, and followed by its intermediates.",
            Gateway "Put its intermediates into the same file, after it."
                or "Put its intermediates into the same file, after it, and look at its dates and its usage: it must be allowed for SSL clients.",
            Server "Read the server's TLS log: it refused the certificate with the alert {alert}.",
            Server "Let the server trust the CA that issued it: nginx `ssl_client_certificate`, HAProxy `ca-file`, Apache `SSLCACertificateFile`, Windows and IIS the store of trusted root authorities.",
        ]
    TlsUnrecognizedName "tls_unrecognized_name" Tls Gateway
        "Server name not recognized"
        "The server refused the name that we sent as SNI."
        marked [Name "the server refused this name", Line "name refused"]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Gateway "Set the name that the server knows: `sni_name` or `host_name` in the backend setting `{setting}`, or `host` in its probe. Now it is {name}, from {name_source}."
                or "Send the name that the server knows: the flag `--sni`. Now it is {name}."
                in general "Set the name that the server knows: `sni_name` or `host_name` in the backend setting, or `host` in its probe.",
            Server "Or make the server answer for {name}: nginx `server_name` (and no `ssl_reject_handshake on;` in that block), HAProxy a certificate for it under `crt` (or no `strict-sni`), Apache `ServerName` or `ServerAlias`, IIS a binding with this host name.",
        ]
    TlsAlert "tls_alert" Tls Server
        "Handshake refused by alert"
        "The server refused the handshake for a reason that has no cause of its own; the detail names it."
        marked [Tls "refused the handshake with an alert", Line "refused"]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Server "Read the server's TLS log at the time of the probe for the alert {alert}."
                in general "Read the server's TLS log at the time of the probe for the alert that the detail names.",
            Server "internal_error: look for a key or certificate that the server cannot load, or none for {name}: `nginx -t`, `haproxy -c -f /etc/haproxy/haproxy.cfg`, `apachectl configtest`",
            Server "no_application_protocol: allow http/1.1 in ALPN (HAProxy `alpn h2,http/1.1`).",
            Gateway "Check that {name} is the name that the server expects; it comes from {name_source}.",
        ]
    TlsClosed "tls_closed" Tls Server
        "Closed in the handshake"
        "The connection was closed or reset in the middle of the TLS handshake."
        marked [Tls "closed in the handshake", Line "closed"]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Server "Read the server's TLS log. Many servers close without a word when they have no certificate for {name}: IIS and http.sys without one in the binding (`netsh http show sslcert`), for example."
                in general "Read the server's TLS log. Many servers close without a word when they have no certificate for the name that was sent: IIS and http.sys without one in the binding (`netsh http show sslcert`), for example.",
            Server "Check access lists: the exporter's address may not be allowed.",
            Gateway "Check that {name} is the name that the server expects; it comes from {name_source}.",
            Gateway "If the server wants the PROXY protocol first, probe with `protocol: tls` and `enable_probe_proxy_protocol_header: true`.",
            Network "Look for a device in between that inspects TLS, or blocks it by name.",
        ]
    TlsTimeout "tls_timeout" Tls Server
        "TLS handshake timed out"
        "The connection opened, but the TLS handshake was not over within the timeout."
        marked [Tls "did not finish the handshake in time", Line "did not finish in time"]
        shown by "time timeout 30 openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Server "Check on the server that what listens there speaks TLS and is not stuck or overloaded: `ss -ltnp sport = :{port}; uptime`"
                in general "Check on the server that what listens on this port (`ss -ltnp`) speaks TLS and is not stuck or overloaded.",
            Network "If small packets pass and large ones do not, the MTU is wrong on the way: `tracepath -n {address}`. Let ICMP's fragmentation needed pass.",
            Gateway "If the port speaks plain text, set `protocol: http` or `protocol: tcp`; if the server is supposed to be this slow, raise `timeout` in its probe (now {probe_timeout}).",
        ]
    TlsProtocolError "tls_protocol_error" Tls Server
        "TLS protocol broken"
        "The server sent TLS messages that break the protocol."
        marked [Tls "broke the TLS protocol", Line "protocol broken"]
        shown by "openssl s_client -connect {endpoint} {servername} -msg </dev/null"
        [
            Server "Update the server's TLS library; the detail says which rule was broken.",
            Network "Look for a device in between that rewrites TLS: repeat the handshake from the server's own host, and compare.",
        ]

    CertLeafMissing "cert_leaf_missing" Tls Server
        "Server certificate missing"
        "The server sent no certificate of its own."
        marked [LeafSlot "missing: the server did not send it"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Server "Put the server's own certificate first into its certificate file (nginx `ssl_certificate`, HAProxy `crt`, Apache `SSLCertificateFile`), then its intermediates.",
            Server "In IIS, choose the certificate of the server in the binding, not that of its CA.",
            Server "Reload the server, and see that the first certificate is for {name}: `openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -ext subjectAltName`",
        ]
    CertLeafNotFirst "cert_leaf_not_first" Tls Server
        "Server certificate not first"
        "The server's own certificate is in the chain that it sent, but not at its start."
        marked [Certificate "must be sent first"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Server "Reorder the server's certificate file (nginx `ssl_certificate`, HAProxy `crt`, Apache `SSLCertificateFile`): {subject} first, then each issuer in turn: `cat server.pem intermediate.pem > chain.pem`"
                in general "Reorder the server's certificate file (nginx `ssl_certificate`, HAProxy `crt`, Apache `SSLCertificateFile`): its own certificate first, then each issuer in turn.",
            Server "Reload the server: `nginx -s reload`, `systemctl reload haproxy`, `apachectl graceful`",
        ]
    CertInvalid "cert_invalid" Tls Server
        "Certificate not usable"
        "A certificate of the chain cannot be used for a TLS server; the detail says what is wrong with it."
        marked [Certificate Detail]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -text -purpose"
        [
            Server "Have {subject} reissued without the fault named in the detail, and install it with the intermediates that come with it."
                in general "Have the certificate reissued without the fault that the detail names, and install it with the intermediates that come with it.",
            Server "Wrong usage: ask for a server certificate (extended key usage serverAuth). Weak or unknown: an RSA key of 2048 bits or more or an ECDSA one on P-256, signed with SHA-256.",
            Server "Bad signature: the certificate file mixes two generations of a CA, or does not belong to the private key. Install certificate, intermediates and key from one and the same issue.",
        ]
    CertExpired "cert_expired" Tls Server
        "Certificate expired"
        "A certificate of the chain is past its end date."
        marked [Certificate Dates]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ s:|NotAfter'"
        [
            Server "Renew {subject} (serial {serial}), which ended on {not_after}, and install it with its intermediates. If it is an intermediate, get the current one from the CA."
                in general "Renew the certificate that has ended, and install it with its intermediates. If it is an intermediate, get the current one from the CA.",
            Server "If the file on the server is new already, the server has not read it: `nginx -s reload`, `systemctl reload haproxy`, `apachectl graceful`, in IIS choose the new one in the binding.",
            Gateway "If {subject} is one of the `trusted_root_certificates` of the backend setting `{setting}`, put its successor there.",
            Exporter "If it is still valid for others, check the clock of the exporter's host: `timedatectl`",
        ]
    CertNotYetValid "cert_not_yet_valid" Tls Server
        "Certificate not yet valid"
        "A certificate of the chain is before its start date."
        marked [Certificate Dates]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ s:|NotBefore'"
        [
            Server "Until {not_before}, when {subject} begins, install the certificate that was in use before it."
                in general "Until the certificate begins, install the one that was in use before it.",
            Server "Or have it reissued with an earlier start; if it should already be valid, the clock of its CA is wrong.",
            Exporter "If it is valid for others, check the clock of the exporter's host: `timedatectl`",
        ]
    CertIntermediateMissing "cert_intermediate_missing" Tls Server
        "Intermediate certificate missing"
        "A link is missing between the server's certificate and a root."
        marked [IssuerSlot "missing: the server did not send it"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Server "Add the certificate of {issuer} to the server's certificate file, right after {subject} (nginx `ssl_certificate`, HAProxy `crt`, Apache `SSLCertificateFile`; often shipped as `fullchain.pem`). In Windows and IIS, import it into the store of intermediate certification authorities."
                in general "Add the issuer's certificate to the server's certificate file, right after the one that it issued (nginx `ssl_certificate`, HAProxy `crt`, Apache `SSLCertificateFile`; often shipped as `fullchain.pem`). In Windows and IIS, import it into the store of intermediate certification authorities.",
            Server "Get the missing certificate from {issuer_url}; if that is binary (DER), `openssl x509 -inform DER` makes it PEM.",
            Server "Reload the server: `nginx -s reload`, `systemctl reload haproxy`, `apachectl graceful`",
            Gateway "If {issuer} is your own root, add it to `trusted_root_certificates` of the backend setting `{setting}`.",
        ]
    CertSelfSigned "cert_self_signed" Tls Server
        "Self-signed certificate"
        "The server's certificate is self-signed and is not one of the trusted certificates."
        marked [Certificate "self-signed, and not trusted here"]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -issuer -fingerprint -sha256"
        [
            Server "Install a certificate from a CA, with its intermediates, in place of {subject}."
                in general "Install a certificate from a CA, with its intermediates, in place of the self-signed one.",
            Server "If one is installed already, the server's default certificate was shown: check which virtual host answers for {name} (nginx `default_server`, Apache `ServerName`, IIS the binding).",
            Gateway "If this very certificate is to be trusted, add its file to `trusted_root_certificates` of the backend setting `{setting}`. It must have the SHA-256 fingerprint {fingerprint}."
                or "If this very certificate is to be trusted, give its file with the flag `--ca`. It must have the SHA-256 fingerprint {fingerprint}.",
        ]
    CertRootNotWellKnown "cert_root_not_well_known" Tls Gateway
        "Root not well known"
        "The chain leads to a root that is not a well-known CA, and the backend setting has no roots of its own."
        marked [Trust "the root that was sent is not among them", Certificate "this root is not well known"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Gateway "If {subject} is your own CA, add its file to `trusted_root_certificates` of the backend setting `{setting}`. It must have the SHA-256 fingerprint {fingerprint}. From then on only the roots listed there are trusted."
                or "If {subject} is your own CA, trust its file: the flag `--ca`. It must have the SHA-256 fingerprint {fingerprint}."
                in general "If the root is your own CA, add its file to `trusted_root_certificates` of the backend setting, after a look at its fingerprint. From then on only the roots listed there are trusted.",
            Server "If it is not, a wrong certificate is installed, or a device in between shows its own: install one from a well-known CA.",
            Exporter "If browsers know this CA, the store of the exporter's host is old: update `ca-certificates`, then reload the exporter's configuration.",
        ]
    CertIssuerNotWellKnown "cert_issuer_not_well_known" Tls Gateway
        "Issuer not well known"
        "The last certificate sent is not issued by a well-known CA, and the backend setting has no roots of its own."
        marked [Trust "the last issuer is not among them", Certificate "its issuer is not well known"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Gateway "If {issuer} belongs to your own CA, add that CA's root to `trusted_root_certificates` of the backend setting `{setting}`. From then on only the roots listed there are trusted."
                or "If {issuer} belongs to your own CA, trust that CA's root: the flag `--ca`."
                in general "If the issuer belongs to your own CA, add that CA's root to `trusted_root_certificates` of the backend setting. From then on only the roots listed there are trusted.",
            Server "If {issuer} is an intermediate of a well-known CA, add it to the server's certificate file, after {subject}.",
            Server "Get the certificate of {issuer} from {issuer_url}",
            Exporter "If browsers know this CA, the store of the exporter's host is old: update `ca-certificates`, then reload the exporter's configuration.",
        ]
    CertRootMismatch "cert_root_mismatch" Tls Gateway
        "Another root than configured"
        "The root that the server sent is not among the backend setting's trusted_root_certificates."
        marked [Trust "the root that was sent is not among them", Certificate "this is not a root that is trusted here"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts{ca_file} </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Gateway "Compare the root that the server sent, {subject} (SHA-256 {fingerprint}), with the files in `trusted_root_certificates` of the backend setting `{setting}`: `openssl x509 -noout -subject -fingerprint -sha256 -in {root_file}`"
                or "Compare the root that the server sent, {subject} (SHA-256 {fingerprint}), with the one that was given with the flag `--ca`."
                in general "Compare the root that the server sent (the detail names it) with the files in `trusted_root_certificates` of the backend setting. If the server's root is right, because the CA was renewed or replaced, add it there.",
            Gateway "If the server's root is right, because the CA was renewed or replaced, add it there; leave the old one as long as other servers need it.",
            Server "If it is not, install a certificate from the CA that is configured, with that CA's intermediates.",
        ]
    CertIssuerMismatch "cert_issuer_mismatch" Tls Gateway
        "Not from a configured root"
        "None of the backend setting's trusted_root_certificates signed the last certificate that the server sent."
        marked [Trust "none of them signed the last certificate", Certificate "not issued by a root that is trusted here"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts{ca_file} </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Gateway "Find the root that {issuer} belongs to, and add it to `trusted_root_certificates` of the backend setting `{setting}`; leave the others as long as servers need them."
                or "Find the root that {issuer} belongs to, and trust it: the flag `--ca`."
                in general "Find the root that the last issuer belongs to, and add it to `trusted_root_certificates` of the backend setting; leave the others as long as servers need them.",
            Gateway "If a root of that name is there already, it has another key: get the current one from the CA.",
            Server "If {issuer} is an intermediate of the configured CA, add it to the server's certificate file, after {subject}.",
            Server "Else install a certificate from the CA that is configured.",
        ]
    CertRevoked "cert_revoked" Tls Server
        "Certificate revoked"
        "A certificate of the chain is on a configured revocation list."
        marked [Certificate "revoked by its issuer"]
        shown by "openssl s_client -connect {endpoint} {servername}{ca_file} -CRL {list_file} -crl_check </dev/null"
        [
            Server "Replace {subject} (serial {serial}): have a new certificate issued for a new key, install it, reload the server."
                in general "Replace the revoked certificate: have a new one issued for a new key, install it, reload the server.",
            Server "Ask {issuer} why it was revoked. If the key leaked, treat the server as compromised.",
            Gateway "If the list is wrong or old, replace its file in `certificate_revocation_lists` of the backend setting `{setting}`: `openssl crl -noout -issuer -lastupdate -nextupdate -in {list_file}`",
        ]
    CertNameMismatch "cert_name_mismatch" Tls Gateway
        "Certificate is for another name"
        "The expected name is not among the certificate's subject alternative names."
        marked [Name "the certificate is not for this name", Certificate "is for another name"]
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -ext subjectAltName {check_name}"
        [
            Gateway "If {name} is the wrong name, set the right one: `sni_name` or `host_name` in the backend setting `{setting}`, or `host` in its probe. It comes from {name_source} now; the certificate is for {received}."
                or "If {name} is the wrong name, ask for the right one: the flag `--sni`. The certificate is for {received}."
                in general "If the name that is expected is the wrong one (the detail says both), set the right one: `sni_name` or `host_name` in the backend setting, or `host` in its probe.",
            Gateway "If each server has a certificate for its own name, set `pick_host_name_from_backend_address: true` and write the servers by name.",
            Server "If {name} is right, install a certificate that has it among its subject alternative names; the Common Name does not count.",
            Server "If that one is installed already, another virtual host answers: check nginx `server_name`, HAProxy `crt`, Apache `ServerName` and `ServerAlias`, IIS the binding's host name.",
        ]

    HttpTimeout "http_timeout" Http Server
        "No complete response in time"
        "The request was sent, but no complete response came within the timeout."
        marked [Response "not complete in time", Line "no complete response"]
        shown by "time curl -gsk --max-time 60 -o /dev/null --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Measure on the server itself: `time curl -gsk --max-time 60 -o /dev/null --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}`. If it is slow there too, the application is slow."
                in general "Ask for the same on the server itself, with `curl`. If it is slow there too, the application is slow; if it is fast, look at the path.",
            Server "Look at what {path} waits for: a database, a disk, other services, an exhausted pool of threads or connections.",
            Network "If it is fast there, look at the path: packet loss, a wrong MTU (`tracepath -n {address}`), an overloaded device.",
            Gateway "If it is supposed to be this slow, raise `timeout` in its probe (now {probe_timeout}), or set a lighter `path`.",
        ]
    HttpStatusMismatch "http_status_mismatch" Http Server
        "Unexpected status code"
        "The response's status code is not one that the probe expects."
        azure StatusCodeValidationFailed
        marked [Response "this status is not expected", Line "wrong status"]
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "5xx: read the application's log for {path}; it, or what it depends on, is down. From a proxy, 502, 503 and 504 mean that the servers behind it are."
                in general "Read the server's log for the status that the detail names. 5xx: the application, or what it depends on, is down. 404: nothing is at the probe's path. 401, 403 or 429: let the exporter in, or offer a path for health checks that needs no login.",
            Server "401, 403 or 429: let the exporter in, or offer a path for health checks that needs no login.",
            Gateway "404, 400, 421 or a redirect: correct `path` ({path}) or `host` ({host}) in the probe, or follow the redirect there and in `protocol`.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    HttpBodyMismatch "http_body_mismatch" Http Server
        "Unexpected body"
        "The response's body is not as the probe expects: a text or a pattern is missing, or one is there that must not be."
        azure ContentValidationFailed
        marked [Response "not the expected body", Line "wrong body"]
        shown by "curl -gsk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Look at what comes back instead: `curl -gsk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}`. A page for maintenance or login, or another virtual host, may answer with a good status too."
                in general "Look with `curl` at what comes back instead. A page for maintenance or login, or another virtual host, may answer with a good status too.",
            Gateway "If the answer is right, correct `match` in the probe: in the first 64 KiB of the body it expects {expected}. Upper and lower case differ.",
        ]
    HttpHeaderMismatch "http_header_mismatch" Http Server
        "Unexpected header"
        "A header of the response is not as the probe expects, or is missing, or is there although it must not be."
        azure ContentValidationFailed
        marked [Response "a header is not as expected", Line "wrong header"]
        shown by "curl -gskD - -o /dev/null --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Find out why the service answers like this: {received}. A health endpoint sets such a header to say that it drains or is not ready; a proxy in front may drop it."
                in general "Look at the headers that come back with `curl -gskD -`. A health endpoint sets such a header to say that it drains or is not ready; a proxy in front may drop it.",
            Gateway "If the answer is right, correct `match.headers` in the probe: it expects {expected}.",
        ]
    HttpJsonMismatch "http_json_mismatch" Http Server
        "Unexpected JSON"
        "The response's body is not JSON, or a value in it is not as the probe expects."
        azure ContentValidationFailed
        marked [Response "the JSON is not as expected", Line "wrong JSON"]
        shown by "curl -gsk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Read what the service reports of itself: `curl -gsk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}`. Repair the part that it calls down, or what that part depends on."
                in general "Read with `curl` what the service reports of itself. Repair the part that it calls down, or what that part depends on.",
            Gateway "If the answer is right, correct `match.json` in the probe: it expects {expected}.",
        ]
    HttpMalformed "http_malformed" Http Server
        "Response is not valid HTTP"
        "What came back is not HTTP, has broken framing, or is shorter than announced."
        marked [Response "not valid HTTP", Line "not valid HTTP"]
        shown by "curl -gvk --raw --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Look at the raw answer: `curl -gvk --raw --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}`. Look for a crash in the middle of a response, a wrong Content-Length, a proxy that truncates."
                in general "Look at the raw answer with `curl --raw`: a crash in the middle of a response, a wrong Content-Length, a proxy that truncates?",
            Gateway "If the port speaks no HTTP at all, set `protocol: tcp` in the backend setting `{setting}` and in its probe, or the right `port`; it is {port} now.",
        ]
    HttpToTlsPort "http_to_tls_port" Http Gateway
        "Plain HTTP to TLS port"
        "Plain HTTP was sent to a port that speaks TLS."
        marked [Protocol "this port speaks TLS", Line "plain HTTP to a TLS port"]
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Gateway "Set `protocol: https` in the backend setting `{setting}` and in its probe, and `host_name` to the name in the server's certificate."
                or "Ask with https:// instead of http://.",
            Gateway "If plain HTTP is on another port, set `port` in the backend setting or in its probe; it is {port} now.",
            Server "Or switch port {port} to plain HTTP: nginx `listen {port};` without `ssl`, HAProxy `bind :{port}` without `ssl`, Apache `SSLEngine off`, IIS a binding of type http.",
        ]
    HttpVersionMismatch "http_version_mismatch" Http Gateway
        "Another version of HTTP"
        "The port does not take the HTTP/1.1 of the probe, but another version only, as gRPC servers and HTTP/2 with prior knowledge do."
        marked [Protocol "the port speaks another version", Line "another version of HTTP"]
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Gateway "Probe a port of the server that speaks HTTP/1.1, as many have one for health checks and metrics: set `port` in the backend setting `{setting}` or in its probe; now it is {port}."
                or "Look at a port of the server that speaks HTTP/1.1, as many have one for health checks and metrics; now it is {port}."
                in general "Probe a port of the server that speaks HTTP/1.1, as many have one for health checks and metrics: set `port` in the backend setting or in its probe.",
            Gateway "If it has none, set `protocol: tcp` there (`protocol: tls` where the port speaks TLS): that asks whether the port is open. See that HTTP/2 answers: `curl -gvk --http2-prior-knowledge --connect-to ::{endpoint} -H Host:{host} {url}`",
            Server "Or enable HTTP/1.1 on the port as well: Envoy `codec_type: AUTO`, nginx `http2 on;` (1.25.1 or later), HAProxy `bind :{port}` without `proto h2`, Kestrel `Http1AndHttp2`, Go `h2c.NewHandler`.",
        ]
}

table! {
    /// What is worth a warning although the probe may have succeeded.
    Notice:

    CertExpiresSoon "cert_expires_soon" Tls Server
        "Certificate expires soon"
        "A certificate of the chain expires within the configured warning time."
        marked [Certificate Dates]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ s:|NotAfter'"
        [
            Server "Renew {subject} (serial {serial}) before {not_after}, install it with its intermediates, and reload the server."
                in general "Renew the certificate before it ends, install it with its intermediates, and reload the server.",
            Server "If it should have renewed automatically, find out why it did not: `systemctl list-timers`, `certbot renew --dry-run`, in Kubernetes `kubectl describe certificate`",
            Gateway "To be warned earlier or later, set `certificate_expiry_warning` (default `21d`).",
        ]
    StaleAddress "stale_address" Dns Network
        "Remembered address in use"
        "The name could not be resolved just now; the addresses of the last good answer are probed."
        marked [Lookup "failed; a remembered address is in use"]
        shown by "dig {server} A"
        [
            Network "Find out why the lookup fails before the remembered addresses are forgotten: `dig {server} A`"
                in general "Find out why the lookup fails before the remembered addresses are forgotten: ask for the name with `dig`.",
            Exporter "They are kept for as long as the flag `--dns.last-known-good` says (default `1h`).",
        ]
    AddressFailed "address_failed" Tcp Network
        "One address failed"
        "The name has several addresses, and the one that the detail names could not be connected to."
        azure DestinationPartiallyReachable
        marked [Connection "another address of this name failed"]
        shown by "nc -vz -w 5 {address} {port}"
        [
            Network "Check the way to {address}: `nc -vz -w 5 {address} {port}`. Clients that try only one address fail on it; with IPv6 the reason is often a missing route or firewall rule."
                in general "Check the way to the address that the detail names. Clients that try only one address fail on it; with IPv6 the reason is often a missing route or firewall rule.",
            Network "If nothing should answer there, remove that A or AAAA record of {server}.",
            Server "If the address belongs to the server, make the service listen on it: `ss -ltn sport = :{port}`",
        ]
    ChainExtraCertificate "chain_extra_certificate" Tls Server
        "Unneeded certificate sent"
        "The server sent a certificate that is not part of the valid path and is outside its validity dates."
        marked [Certificate "not needed, and outside its dates"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ s:|NotAfter'"
        [
            Server "Remove {subject} (valid from {not_before} to {not_after}) from the server's certificate file, and reload the server: some clients refuse the chain because of it."
                in general "Remove the certificate that the detail names from the server's certificate file, and reload the server: some clients refuse the chain because of it.",
        ]
    ChainOutOfOrder "chain_out_of_order" Tls Server
        "Chain out of order"
        "The chain is valid, but its certificates were not sent in order, which some clients refuse."
        marked [Chain "valid, but not in order"]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ [si]:|^ +i:'"
        [
            Server "Reorder the server's certificate file: its own certificate first, then each issuer in turn, and reload the server.",
        ]
    ChainQuestionable "chain_questionable" Tls Server
        "Chain that others may refuse"
        "The chain was accepted, but it contains something that other clients may refuse."
        marked [Chain Detail]
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts -verify_return_error </dev/null"
        [
            Server "Have the certificate named in the detail reissued without that problem.",
        ]
    HttpOddHeader "http_odd_header" Http Server
        "Odd header field"
        "The response was accepted, although a field of its head is not as HTTP has it, which stricter clients and proxies refuse."
        marked [Response Detail]
        shown by "curl -gvk --raw --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Correct the field that the detail names, where the application or a proxy in front of it sets it: names hold letters, digits and `-`, values no control characters, and Content-Length never stands beside Transfer-Encoding.",
        ]
    NotHealthyYet "not_healthy_yet" Local Gateway
        "Not Healthy yet"
        "The latest probe succeeded, but it takes more successful probes in a row, as many as the probe's `healthy_threshold`, before the server counts as Healthy again."
        [
            Gateway "Wait: if the next probes succeed too, it turns Healthy by itself. If that takes too long, lower `healthy_threshold` of the probe that backend setting {setting} uses, or give that probe a shorter `unhealthy_interval`.",
        ]
    RevocationListStale "revocation_list_stale" Tls Gateway
        "Revocation list out of date"
        "A configured revocation list is past its next update; it is still used, but newer revocations are not on it."
        marked [Trust "a revocation list is out of date"]
        shown by "openssl crl -in {list_file} -noout -issuer -lastupdate -nextupdate"
        [
            Gateway "Fetch the issuer's newest list into the file that `certificate_revocation_lists` of the backend setting {setting} names; it is reloaded automatically.",
        ]
}

impl Cause {
    #[must_use]
    pub fn code(self) -> &'static str {
        self.words().code
    }

    #[must_use]
    pub fn stage(self) -> Stage {
        self.words().stage
    }

    #[must_use]
    pub fn side(self) -> Side {
        self.words().side
    }

    /// Whether a probe over `protocol` can end with this cause.
    #[must_use]
    pub fn possible_for(self, protocol: Protocol) -> bool {
        match (self, self.stage()) {
            (Self::NotProbedYet, _) => false,
            (Self::ProxyProtocolRejected, _) => protocol.takes(Feature::ProxyLine),
            // Where a connection is all that is wanted, what happens to it later does not count.
            (Self::TcpReset, _) => protocol.row().stages.last() != Some(&Stage::Tcp),
            (_, Stage::Local) => true,
            (_, stage) => protocol.has(stage),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a warning is about: a fault of a check that is off, or a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Cause(Cause),
    Notice(Notice),
}

impl Code {
    #[must_use]
    pub fn words(self) -> &'static Words {
        match self {
            Self::Cause(cause) => cause.words(),
            Self::Notice(notice) => notice.words(),
        }
    }

    #[must_use]
    pub fn is_about_certificates(self) -> bool {
        match self {
            Self::Cause(cause) => cause.code().starts_with("cert_"),
            Self::Notice(notice) => notice.words().stage == Stage::Tls,
        }
    }

    /// Azure's type for it, unless the fault says more.
    #[must_use]
    pub fn issue(self) -> IssueType {
        let words = self.words();
        words.issue.unwrap_or(match (words.stage, words.side) {
            (Stage::Local, _) => IssueType::NetworkError,
            (Stage::Dns, _) => IssueType::DnsResolution,
            (Stage::Tcp, Side::Network) => IssueType::DestinationUnreachable,
            (Stage::Tcp | Stage::Http, _) => IssueType::InvalidResponseFromServer,
            (Stage::Tls, _) if self.is_about_certificates() => IssueType::Certificate,
            (Stage::Tls, _) => IssueType::Tls,
        })
    }
}

impl From<Cause> for Code {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl From<Notice> for Code {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}
