//! Cases of causes and warnings: where the facts say more than the code, who has to act or what to do first is another
//! than the table's. Each row is like one of that table, of the same code, stage and title.
//!
//! A case is added here, and where the verdict sees the facts: [`Finding::in_case`](super::Finding::in_case).

use super::cause::optional;
use super::{Cause, Notice, Side, Step, Words};

macro_rules! cases {
    ($(
        $variant:ident of $table:ident $code:ident $side:ident $explanation:literal
        $(shown by $reproduce:literal)?
        [$($actor:ident $step:literal $(or $alone:literal)? $(in general $general:literal)?),+ $(,)?]
    )+) => {
        /// What the facts of a finding make of its code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Case { $(#[doc = $explanation] $variant),+ }

        impl Case {
            /// Every row, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What is said of a finding in this case.
            #[must_use]
            pub const fn words(self) -> &'static Words {
                match self {
                    $(Self::$variant => {
                        const OF: &Words = $table::$code.words();
                        const WORDS: &Words = &Words {
                            code: OF.code,
                            stage: OF.stage,
                            side: Side::$side,
                            title: OF.title,
                            explanation: $explanation,
                            reproduce: optional!($($reproduce)?),
                            remedy: &[$(Step { side: Side::$actor, text: $step, alone: optional!($($alone)?), general: optional!($($general)?) }),+],
                            marks: OF.marks,
                            issue: OF.issue,
                        };
                        WORDS
                    }),+
                }
            }
        }
    };
}

cases! {
    InvalidKey of Cause CertInvalid Server
        "The key of a certificate of the chain is of a kind or size that cannot be accepted."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null"
        [
            Server "Make a new key for {subject}, ECDSA P-256 or RSA with at least 2048 bits (`openssl ecparam -name prime256v1 -genkey -noout -out new.key`), and have its certificate reissued for that key.",
            Server "If it is the certificate of a CA, ask that CA for its current one, and have the certificates that it issued reissued.",
        ]
    InvalidConfiguredKey of Cause CertInvalid Gateway
        "A certificate that the settings trust has a key of a kind or size that cannot be accepted."
        shown by "openssl x509 -noout -subject -text -in {root_file}"
        [
            Gateway "Ask the CA for its current root in place of {subject} (SHA-256 {fingerprint}), and list that in `trusted_root_certificates` of the backend setting `{setting}`."
                or "Ask the CA for its current root in place of {subject} (SHA-256 {fingerprint}), and trust that one."
                in general "If the detail names a trusted certificate and its key, list the CA's current root in its place in `trusted_root_certificates`.",
            Server "Then install a certificate that leads to the new root.",
        ]
    OtherPrivateKey of Cause CertInvalid Server
        "The server's private key is not the one that its certificate was issued for."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Server "Install the private key that belongs to {subject}. `openssl x509 -noout -pubkey` of the certificate's file and `openssl pkey -pubout` of the key's file must print the same.",
            Server "If the certificate was renewed with a new key, install both files, and reload the server: `nginx -s reload`, `systemctl reload haproxy`, `apachectl graceful`",
        ]
    InvalidNames of Cause CertInvalid Server
        "A CA of the chain may not issue for a name of the server's certificate (name constraints)."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts -verify_return_error </dev/null"
        [
            Server "Have the server's certificate issued by a CA that may issue for all its names, or reissued without those that are not permitted; the detail says which.",
            Server "If the CA that the detail names should be allowed to, have its certificate reissued with constraints that permit these names.",
        ]
    InvalidForUs of Cause CertInvalid Gateway
        "The chain needs something that this exporter cannot verify: the limit is ours, other clients may accept it."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts -verify_return_error </dev/null"
        [
            Gateway "To probe it anyway, list the server's own certificate in `trusted_root_certificates` of the backend setting `{setting}`, or set `validate_cert_chain_and_expiry: false` there."
                or "Check the chain with a client that can: `openssl s_client -connect {endpoint} {servername} -verify_return_error </dev/null`"
                in general "If it names a limit of this exporter, list the server's own certificate in `trusted_root_certificates`.",
            Server "Or have the certificate that the detail names issued without it.",
        ]
    InvalidList of Cause CertInvalid Gateway
        "A revocation list of the settings cannot be believed: the issuer whose name it bears did not sign it, or may not."
        shown by "openssl crl -noout -issuer -lastupdate -nextupdate -in {list_file}"
        [
            Gateway "Fetch the current list of {issuer} from the CA, and replace its file in `certificate_revocation_lists` of the backend setting `{setting}`."
                in general "If it names a revocation list, replace the file in `certificate_revocation_lists` with the CA's current list.",
            Server "If the list is the right one, ask the CA: its certificate must have the key usage cRLSign, and the key that signs the list.",
        ]

    ExpiredIntermediate of Cause CertExpired Server
        "An intermediate certificate that the server sends has expired; its own certificate has not."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ s:|NotAfter'"
        [
            Server "Replace the intermediate {subject} in the server's certificate file with the CA's current one of that name. The server's own certificate can stay.",
            Server "The CA offers its certificate at {issuer_url}",
            Server "Reload the server, so that it reads the file: `nginx -s reload`, `systemctl reload haproxy`, `apachectl graceful`",
            Server "If the CA has no newer one under that name and key, have the server's own certificate reissued, and install it with its intermediates.",
            Exporter "If these dates are right, the exporter's clock is wrong: `timedatectl`",
        ]
    ExpiredConfigured of Cause CertExpired Gateway
        "A certificate that this exporter's settings trust has expired; the server is fine."
        shown by "openssl x509 -noout -subject -dates -fingerprint -sha256 -in {root_file}"
        [
            Gateway "Replace {subject} (SHA-256 {fingerprint}, ended {not_after}) in `trusted_root_certificates` of the backend setting `{setting}` with the CA's current root."
                or "Trust the CA's current root in place of {subject} (SHA-256 {fingerprint}), which ended {not_after}."
                in general "Replace the trusted certificate that has ended (the detail names it) in `trusted_root_certificates` of the backend setting with the CA's current root.",
            Server "If the CA's new root has another key, install certificates that lead to it.",
            Exporter "If these dates are right, the exporter's clock is wrong: `timedatectl`",
        ]
    ExpiredInStore of Cause CertExpired Server
        "The well-known root at the end of the chain has expired."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *([0-9]+ s|i):'"
        [
            Server "Install the chain that the CA offers now, which leads to a root newer than {subject} (ended {not_after})."
                in general "Install the chain that the CA offers now, which leads to a newer root than the one that the detail names.",
            Exporter "If other hosts accept the chain, the store of the exporter's host is old: update `ca-certificates`, then reload the exporter's configuration.",
            Exporter "If these dates are right, the exporter's clock is wrong: `timedatectl`",
        ]
    ExpiredPinned of Cause CertExpired Server
        "The server's own certificate, which the settings trust directly, has expired."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -dates -fingerprint -sha256"
        [
            Server "Renew {subject} (ended {not_after}), install it, and reload the server."
                in general "Renew the server's certificate, install it, and reload the server.",
            Gateway "Then put the new file in place of the old one in `trusted_root_certificates` of the backend setting `{setting}`: the old copy does not vouch for the new certificate."
                or "Then trust the new file in place of the old one.",
            Exporter "If these dates are right, the exporter's clock is wrong: `timedatectl`",
        ]
    NotYetValidConfigured of Cause CertNotYetValid Gateway
        "A certificate that the settings here trust has not begun yet; nothing on the server is wrong."
        shown by "openssl x509 -noout -subject -dates -fingerprint -sha256 -in {root_file}"
        [
            Gateway "List the CA's root that is valid now beside {subject} (SHA-256 {fingerprint}, begins {not_before}) in `trusted_root_certificates` of the backend setting `{setting}`."
                or "Trust the CA's root that is valid now; {subject} begins {not_before}."
                in general "List the CA's root that is valid now in `trusted_root_certificates` of the backend setting, beside the one that has not begun yet.",
            Exporter "If these dates are right, the exporter's clock is wrong: `timedatectl`",
        ]

    SelfSignedRenewed of Cause CertSelfSigned Gateway
        "The server's certificate is self-signed and was renewed; the copy in the settings is an older one with the same name."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -dates -fingerprint -sha256"
        [
            Gateway "Replace the old copy in `trusted_root_certificates` of the backend setting `{setting}` with the server's present certificate. It must have the SHA-256 fingerprint {fingerprint}: ask whoever runs the server."
                or "Trust the server's present certificate in place of the old copy. It must have the SHA-256 fingerprint {fingerprint}: ask whoever runs the server."
                in general "Replace the old copy in `trusted_root_certificates` of the backend setting with the server's present certificate. Ask whoever runs the server for its SHA-256 fingerprint.",
            Server "If nobody renewed it, find out who answers there under the server's name.",
        ]
    SelfSignedOld of Cause CertSelfSigned Server
        "The server still shows a certificate that is older than the copy of that name in the settings."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -dates -fingerprint -sha256"
        [
            Server "Install the newer certificate, and reload the server: `nginx -s reload`, `systemctl reload haproxy`, `apachectl graceful`",
            Gateway "If the server is right, put its certificate into `trusted_root_certificates` of the backend setting `{setting}`. It must have the SHA-256 fingerprint {fingerprint}."
                or "If the server is right, trust its certificate. It must have the SHA-256 fingerprint {fingerprint}.",
        ]

    IssuerMismatchPinned of Cause CertIssuerMismatch Gateway
        "The settings trust a copy of the server's own certificate, and the server has a new one."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -dates -fingerprint -sha256"
        [
            Gateway "List the root of {issuer} in `trusted_root_certificates` of the backend setting `{setting}`, in place of the old copy of {subject}: then the next renewal needs no change here."
                or "Trust the root of {issuer} in place of the old copy of {subject}."
                in general "List the root of the CA in `trusted_root_certificates` of the backend setting, in place of the old copy of the server's certificate: then the next renewal needs no change here.",
            Gateway "Or replace the copy with the server's present certificate, with the SHA-256 fingerprint {fingerprint}; that is to be done again at each renewal."
                or "Or trust the server's present certificate, with the SHA-256 fingerprint {fingerprint}.",
        ]
    RootMismatchPinned of Cause CertRootMismatch Gateway
        "The settings trust a copy of the server's own certificate, and the server has a new one, with its CA's root."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -dates -fingerprint -sha256"
        [
            Gateway "List the root of {issuer} in `trusted_root_certificates` of the backend setting `{setting}`, in place of the old copy of {subject}: then the next renewal needs no change here."
                or "Trust the root of {issuer} in place of the old copy of {subject}."
                in general "List the root of the CA in `trusted_root_certificates` of the backend setting, in place of the old copy of the server's certificate: then the next renewal needs no change here.",
            Gateway "Or replace the copy with the server's present certificate, with the SHA-256 fingerprint {fingerprint}; that is to be done again at each renewal."
                or "Or trust the server's present certificate, with the SHA-256 fingerprint {fingerprint}.",
        ]
    IntermediatePinned of Cause CertIntermediateMissing Gateway
        "The settings trust a copy of the server's own certificate, and the server has a new one, without intermediates."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -dates -fingerprint -sha256"
        [
            Gateway "Replace the old copy of {subject} in `trusted_root_certificates` of the backend setting `{setting}` with the server's present certificate, which has the SHA-256 fingerprint {fingerprint}; that is to be done again at each renewal."
                or "Trust the server's present certificate, with the SHA-256 fingerprint {fingerprint}, in place of the old copy of {subject}."
                in general "Replace the old copy of the server's certificate in `trusted_root_certificates` of the backend setting with the present one; that is to be done again at each renewal.",
            Gateway "Or list the root of {issuer} there, once the server sends its intermediates: then a renewal needs no change here."
                or "Or trust the root of {issuer}, once the server sends its intermediates.",
            Server "Send the intermediates with the certificate: the file must hold the server's own certificate first, then {issuer}.",
        ]
    IssuerMismatchPowerless of Cause CertIssuerMismatch Gateway
        "A certificate of the settings made the signature, but it is not one that may issue others."
        shown by "openssl x509 -noout -subject -ext basicConstraints,keyUsage -in {root_file}"
        [
            Gateway "List the root of that CA in `trusted_root_certificates` of the backend setting `{setting}`, in place of the certificate that the detail names."
                or "Trust the root of that CA in place of the certificate that the detail names.",
            Server "If the certificate should be a CA, have it reissued: with the basic constraint CA:TRUE, and the key usage keyCertSign.",
        ]
    IssuerMismatchSpelling of Cause CertIssuerMismatch Server
        "A trusted certificate has the issuer's name, but written in another string type, which does not count as the same name."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | openssl x509 -noout -issuer -nameopt multiline,show_type"
        [
            Server "Have {subject} reissued with the issuer's name byte for byte as in that CA's own certificate: the CA's software copies it, when it is given the right certificate."
                in general "Have the certificate reissued with the issuer's name byte for byte as in that CA's own certificate.",
            Gateway "Or list the CA's certificate with that other spelling in `trusted_root_certificates` of the backend setting `{setting}`, if the CA has one."
                or "Or trust the CA's certificate with that other spelling, if the CA has one.",
        ]
    IntermediateSpelling of Cause CertIntermediateMissing Server
        "A certificate with the issuer's name was sent, but it writes the name in another string type, which does not count as the same name."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | openssl x509 -noout -issuer -nameopt multiline,show_type"
        [
            Server "Have {subject} reissued with the issuer's name byte for byte as in that CA's own certificate: the CA's software copies it, when it is given the right certificate."
                in general "Have the certificate reissued with the issuer's name byte for byte as in that CA's own certificate.",
        ]

    RequiredLate of Cause TlsClientCertificateRequired Gateway
        "The server asks for a client certificate only after the request, by renegotiation or post-handshake authentication, which is not done."
        shown by "echo Q | openssl s_client -connect {endpoint} {servername}"
        [
            Gateway "Set a `path` in the probe for which the server wants no client certificate: it asks for one only after it has read the request."
                or "Ask for a path for which the server wants no client certificate: it asks for one only after it has read the request.",
            Server "Or let the server ask in the handshake: Apache `SSLVerifyClient` for the whole virtual host, not in `<Location>` or `<Directory>`; IIS and http.sys `clientcertnegotiation=enable` in the binding (`netsh http show sslcert`). Then set `client_certificate` in the backend setting `{setting}`.",
        ]
    UnrecognizedWithoutName of Cause TlsUnrecognizedName Gateway
        "The server answers only who sends the name of one of its sites (SNI), and none was sent, because an IP address is not a name."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Gateway "Set the name that the server has a certificate for: `sni_name` or `host_name` in the backend setting `{setting}`, or `host` in its probe."
                or "Send the name that the server has a certificate for: the flag `--sni`.",
            Server "Or let the server answer who sends no name: nginx a `default_server` without `ssl_reject_handshake on;`, HAProxy no `strict-sni`, Apache no `SSLStrictSNIVHostCheck on`.",
        ]
    AlertName of Cause TlsAlert Gateway
        "The server refused the handshake without saying why, whatever was offered: the name that was sent is what is left to look at first."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Gateway "Check that the server knows the name {name}, which comes from {name_source}; if it has another one, set `sni_name` or `host_name` in the backend setting `{setting}`. Many servers and CDNs refuse an unknown name in this way."
                or "Check that the server knows the name {name}: many servers and CDNs refuse an unknown name in this way."
                in general "Check that the server knows the name that is sent; if it has another one, set `sni_name` or `host_name` in the backend setting.",
            Server "Read the server's TLS log at the time of the probe for the alert {alert}.",
            Server "Look for a key and certificate that do not fit the suites or groups that the server allows: an RSA certificate needs ECDHE-RSA suites, an ECDSA one ECDHE-ECDSA suites.",
        ]
    AlertWithoutName of Cause TlsAlert Gateway
        "The server refused the handshake without saying why, and no server name was sent, because an IP address is not a name."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Gateway "Set the name that the server has a certificate for: `sni_name` or `host_name` in the backend setting `{setting}`. Servers with several names, and CDNs, often refuse who sends none."
                or "Ask for the server by the name that it has a certificate for: servers with several names, and CDNs, often refuse who sends none."
                in general "If none is sent, because the server stands in the pool by its IP address, set the name that it has a certificate for.",
            Server "Or give the server a certificate for those who send no name: nginx `default_server`, HAProxy the first `crt` and no `strict-sni`, Caddy `default_sni`.",
            Server "Read the server's TLS log at the time of the probe for the alert {alert}.",
        ]
    AlertProtocol of Cause TlsAlert Server
        "The server takes none of the application protocols (ALPN) that the probe offers, which is http/1.1."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Server "Allow http/1.1 in ALPN: HAProxy `alpn h2,http/1.1`, Envoy `alpn_protocols: [h2, http/1.1]`, Go `NextProtos`.",
            Gateway "If the port is for HTTP/2 or gRPC only, probe it with `protocol: tls`, which offers no application protocol, or set `port` to one that speaks HTTP/1.1; now it is {port}."
                or "If the port is for HTTP/2 or gRPC only, look at it with `openssl s_client -connect {endpoint} {servername} -alpn h2 </dev/null`",
        ]
    ClosedWithoutName of Cause TlsClosed Gateway
        "The server closed the connection in answer to our greeting, and no server name was sent, because an IP address is not a name."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null"
        [
            Gateway "Set the name that the server has a certificate for: `sni_name` or `host_name` in the backend setting `{setting}`. Many servers, IIS and http.sys among them, close without a word when they have no certificate for who sends no name."
                or "Ask for the server by the name that it has a certificate for: many servers, IIS and http.sys among them, close without a word when they have none for who sends no name."
                in general "Set the name that the server has a certificate for: `sni_name` or `host_name` in the backend setting. Many servers, IIS and http.sys among them, close without a word when they have no certificate for who sends no name.",
            Server "Read the server's TLS log, and check its access lists: the exporter's address may not be allowed.",
            Network "Look for a device in between that inspects TLS, or blocks it by name.",
        ]
    TimeoutLength of Cause HttpTimeout Server
        "The response announces more bytes of body than came, and then the server was silent."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Correct the Content-Length of {path}: it must be the number of bytes that follow. Look at what sets it: the application (characters counted instead of bytes?), or a proxy that changes the body.",
            Server "If the length is right, the application stopped in the middle of the response: read its log.",
            Network "If the whole body arrives on the server itself, look at the path: a wrong MTU (`tracepath -n {address}`), a device that holds back data.",
        ]
    TimeoutNoEnd of Cause HttpTimeout Server
        "The response has neither a length nor chunks, so that only the end of the connection ends it, and the server keeps the connection open."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Let the server send Content-Length or chunks, or close the connection after the response: the probe asks for that with `Connection: close`.",
            Server "If {path} is a stream that has no end, offer a path for health checks that has one.",
            Gateway "Then set that `path` in the probe; now it is {path}."
                or "Then ask for that path; now it is {path}.",
        ]
    StatusRedirect of Cause HttpStatusMismatch Gateway
        "The server sends the probe elsewhere (3xx), and such an answer is not expected."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Gateway "Follow the redirect in the settings: set `path` ({path}), `host` ({host}) or `protocol` to where the server points; probes do not follow it by themselves."
                or "Use the URL that the server points to: redirects are not followed."
                in general "Follow the redirect in the settings: set `path`, `host` or `protocol` to where the server points; probes do not follow it by themselves.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
            Server "Or answer {path} without a redirect: leave the health check out of the rules for HTTPS, login and canonical names.",
        ]
    StatusAuthentication of Cause HttpStatusMismatch Server
        "The server wants a login (401, 407)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Let the health check in without a login, or offer a path for it that needs none: {path} is answered with {received}."
                in general "Let the health check in without a login, or offer a path for it that needs none.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusForbidden of Cause HttpStatusMismatch Server
        "The server does not let the probe in (403)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Let the exporter's address in: access lists, a web application firewall, rules for host names or user agents; for files also their permissions.",
            Server "Or offer a path for health checks that everybody may see: {path} is answered with {received}.",
            Gateway "Check that `host` ({host}) and `path` ({path}) in the probe are what the server expects."
                or "Check that {host} and {path} are what the server expects.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusNotFound of Cause HttpStatusMismatch Server
        "The server answers, but has nothing at the path that is asked for (404, 410)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "See on the server what there is at {path} for the host {host}: a route that is not deployed, another virtual host, a prefix that a proxy adds or takes away.",
            Gateway "If the path is another one, correct `path` ({path}) or `host` ({host}) in the probe."
                or "If the path is another one, ask for that: {path} is answered with {received}.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusRequest of Cause HttpStatusMismatch Server
        "The server answers, but does not take the request (4xx)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Read the server's log for why {path} with the host {host} is answered with {received}: 400 and 421 are often about the host, 405 about the method, 406 about the kind of answer."
                in general "Read the server's log for why it does not take the request: 400 and 421 are often about the host, 405 about the method, 406 about the kind of answer.",
            Gateway "Correct `host` ({host}) or `path` ({path}) in the probe to what the server expects."
                or "Ask with the host and path that the server expects.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusThrottled of Cause HttpStatusMismatch Server
        "The server has had too many requests (429)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Leave the health check out of the limit of requests, or let the exporter's address have more.",
            Gateway "Lengthen `interval` in the probe: every row sends its own requests."
                or "Ask less often.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusUnavailable of Cause HttpStatusMismatch Server
        "The server says that it cannot serve now (503)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Check whether this is intended: a deployment, maintenance, a readiness check that fails because of something that the application needs. Read its log for {path}.",
            Server "From a proxy or load balancer: it has no server behind it that is ready; look at those, and at its own health checks.",
            Server "Overloaded: look for queues, limits of connections or workers, and memory.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusGateway of Cause HttpStatusMismatch Server
        "What answers is a proxy, and the server behind it fails (502, 504)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Look at the server behind the proxy that answers: 502 is one that refuses, breaks off or answers wrongly, 504 one that does not answer in time. The proxy's error log names it.",
            Server "Probe that server itself, without the proxy, to see which of them it is.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    StatusError of Cause HttpStatusMismatch Server
        "The application fails (5xx)."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Read the application's log for {path} at the time of the probe: it, or something that it needs, fails.",
            Server "Compare with another path: if that one works, it is what the health check itself looks at.",
            Gateway "If {received} is a good answer, add it to `match.status_codes` of the probe: it expects {expected}.",
        ]
    BodyCoded of Cause HttpBodyMismatch Server
        "The body came with a coding that could not be taken off, so that no text is found in it."
        shown by "curl -gvk --http1.1 --connect-to ::{endpoint} -H Host:{host} {url}"
        [
            Server "Send {path} without compression, or with gzip: the probe does not ask for any (it sends no Accept-Encoding).",
            Gateway "Or leave out `match.body`, and match the status only."
                or "Or look at the status only.",
        ]
    NameOnlyCommon of Cause CertNameMismatch Server
        "The certificate has the name that we expect only as its Common Name, which does not count (RFC 9525)."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -ext subjectAltName {check_name}"
        [
            Server "Have the certificate reissued with {name} among its subject alternative names: with openssl `-addext subjectAltName={alt_name}`."
                in general "Have the certificate reissued with the expected name among its subject alternative names, exactly as the detail writes it, letter for letter; the Common Name does not count.",
            Gateway "If that cannot be, set `validate_sni: false` in the backend setting `{setting}`: then nobody checks whose certificate it is.",
        ]
    NameLookalike of Cause CertNameMismatch Server
        "The certificate has a name that looks like the one that we expect, but is another: a blank, or a letter of another alphabet."
        shown by "openssl s_client -connect {endpoint} {servername} </dev/null | openssl x509 -noout -subject -ext subjectAltName {check_name}"
        [
            Server "Have the certificate reissued with the name {name} exactly as written here, letter for letter, without blanks."
                in general "Have the certificate reissued with the expected name among its subject alternative names, exactly as the detail writes it, letter for letter; the Common Name does not count.",
            Gateway "If the name here is the one with the wrong letter, correct it: it comes from {name_source}.",
        ]

    SoonIntermediate of Notice CertExpiresSoon Server
        "An intermediate certificate that the server sends expires soon."
        shown by "openssl s_client -connect {endpoint} {servername} -showcerts </dev/null | grep -E '^ *[0-9]+ s:|NotAfter'"
        [
            Server "Replace the intermediate {subject} in the server's certificate file with the CA's current one before {not_after}, and reload the server. If the CA has none for the same key, have the server's own certificate reissued."
                in general "Replace the intermediate that the detail names in the server's certificate file with the CA's current one before it ends, and reload the server.",
            Gateway "To be warned earlier or later, set `certificate_expiry_warning` (default `21d`).",
        ]
    SoonConfigured of Notice CertExpiresSoon Gateway
        "A certificate that this exporter's settings trust expires soon."
        shown by "openssl x509 -noout -subject -dates -fingerprint -sha256 -in {root_file}"
        [
            Gateway "List the CA's next root in `trusted_root_certificates` of the backend setting `{setting}` beside {subject} (SHA-256 {fingerprint}) before {not_after}."
                or "Trust the CA's next root before {not_after}, beside {subject} (SHA-256 {fingerprint}).",
            Gateway "To be warned earlier or later, set `certificate_expiry_warning` (default `21d`).",
            Server "If the next root has another key, install certificates that lead to it by then.",
        ]
}
