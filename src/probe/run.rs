//! Runs the stages of a probe in their order, under one deadline that no backend can stretch.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connection::Connection;
use super::lateness::{Late, Lateness};
use super::notes::{Notes, Phase, Transcript};
use super::tls::{Handshake, LastFlight};
use super::{
    AfterProxyLine, Clock, ConnectFault, FailedAddress, Fault, HttpFault, LocalFault, MAX_KEPT_BYTES, Observation,
    ProbeSpec, Request, TlsFault, TlsSpec, dns, http, tcp,
};
use crate::resolver::Resolver;

/// The line that a load balancer's health check sends (PROXY protocol 1, section 2.1).
const PROXY_LINE: &[u8] = b"PROXY UNKNOWN\r\n";

/// Probes servers; one for the whole program.
pub struct Prober {
    resolver: Resolver,
    pub(super) handshake: Handshake,
    lateness: Lateness,
    clock: Clock,
}

impl Prober {
    /// Must be called within a tokio runtime: it watches how late that runtime runs.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        Self::with_clock(resolver, Clock::of_the_host())
    }

    /// The same, with certificates judged by another clock than the host's.
    #[must_use]
    pub fn with_clock(resolver: Resolver, clock: Clock) -> Self {
        let handshake = Handshake::new(clock.clone());
        Self { resolver, handshake, lateness: Lateness::watch(), clock }
    }

    /// Asks once. Ends within the timeout of `spec`, but for this host's own lateness.
    pub async fn probe(&self, spec: &ProbeSpec) -> Observation {
        self.probe_noting(spec, |_| {}).await.0
    }

    /// The same probe, with the HTTP exchange as it went over the connection; `segment`: the most bytes of a TCP segment,
    /// when that is not to be the network's own choice.
    pub async fn probe_closely(&self, spec: &ProbeSpec, segment: Option<u32>) -> (Observation, Transcript) {
        let (observation, transcript) = self
            .probe_noting(spec, |notes| {
                notes.transcript = Some(Box::default());
                notes.segment = segment;
            })
            .await;
        (observation, transcript.map(|transcript| *transcript).unwrap_or_default())
    }

    /// Who turns names into addresses here.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    async fn probe_noting(
        &self,
        spec: &ProbeSpec,
        prepare: impl FnOnce(&mut Notes),
    ) -> (Observation, Option<Box<Transcript>>) {
        let at = self.clock.now();
        let start = Instant::now();
        let deadline = start + spec.timeout;
        let late_before = self.lateness.total();
        let mut notes = Notes::new(start, deadline);
        prepare(&mut notes);
        let late = || self.lateness.since(late_before);
        let (outcome, deadline) = {
            let stages = pin!(self.stages(spec, &mut notes));
            within(deadline, || Lateness::grace(late(), spec.timeout), stages).await
        };
        notes.deadline = deadline;
        let mut late = late();
        let fault = match outcome {
            Some(Ok(())) => None,
            Some(Err(fault)) => {
                let explained = Lateness::explains_fault(&fault, late.all, spec.timeout);
                Some(if explained { Fault::Local(LocalFault::Overloaded { late: late.all }) } else { fault })
            }
            None => {
                late.all = late.all.max(deadline.elapsed());
                self.at_the_deadline(&mut notes, late, spec.timeout)
            }
        };
        notes.enter(Phase::Over);
        if let Some(tls) = &mut notes.tls {
            tls.renegotiation_requested = notes.renegotiation_requested;
        }
        let transcript = notes.transcript.take();
        let observation = Observation {
            at,
            duration: start.elapsed(),
            phases: notes.phases,
            address: notes.address,
            failed_addresses: notes.failed_addresses,
            stale: notes.stale,
            tls: notes.tls,
            response: notes.response.map(|response| *response),
            fault,
            scan: None,
        };
        (observation, transcript)
    }

    async fn stages(&self, spec: &ProbeSpec, notes: &mut Notes) -> Result<(), Fault> {
        let addresses = dns::resolve(&self.resolver, &spec.server, notes).await?;
        notes.enter(Phase::Connect);
        let stream = match tcp::connect(&addresses, spec.port, notes).await {
            Ok(stream) => stream,
            Err(Fault::Connect(ConnectFault::Reset)) => {
                return reset_at_once(spec, notes);
            }
            Err(fault) => return Err(fault),
        };
        if spec.proxy_protocol {
            send_proxy_line(&stream).await?;
        }
        match (&spec.tls, &spec.request) {
            (None, None) if spec.proxy_protocol => {
                notes.enter(Phase::Watch);
                Box::pin(watch_after_proxy_line(stream, notes.rejection_window())).await
            }
            (None, None) => Ok(()),
            (None, Some(request)) => {
                notes.enter(Phase::FirstByte);
                http::exchange(&mut Connection::plain(stream), request, &spec.expectation.headers, notes).await
            }
            (Some(tls), request) => Box::pin(self.over_tls(stream, spec, tls, request.as_ref(), notes)).await,
        }
    }

    /// The handshake, and what comes over it. Boxed by its caller, as everything is that most probes do not need: a probe
    /// costs by its size, too.
    async fn over_tls(
        &self,
        stream: TcpStream,
        spec: &ProbeSpec,
        tls: &TlsSpec,
        request: Option<&Request>,
        notes: &mut Notes,
    ) -> Result<(), Fault> {
        // A handshake writes several times; a refinement, as a server may wait for an answer to each.
        let _ = stream.set_nodelay(true);
        notes.enter(Phase::Tls);
        let facts = notes.tls.insert(Box::default());
        let alpn = spec.protocol.row().alpn;
        let last_flight = if request.is_some() { LastFlight::WithRequest } else { LastFlight::Now };
        let mut connection = match self.handshake.run(stream, tls, alpn, last_flight, facts).await {
            Ok(connection) => connection,
            Err(fault) if spec.proxy_protocol => return Err(after_proxy_line(fault, &facts.received)),
            Err(fault) => return Err(fault),
        };
        let client_certificate_in_question = facts.client_certificate_requested;
        let ended = match request {
            Some(request) => {
                notes.enter(Phase::FirstByte);
                http::exchange(&mut connection, request, &spec.expectation.headers, notes).await
            }
            None if client_certificate_in_question => {
                notes.enter(Phase::Watch);
                watch_after_handshake(&mut connection, notes).await
            }
            None => Ok(()),
        };
        connection.close();
        let client_certificate_in_question = client_certificate_in_question || notes.renegotiation_requested;
        ended.map_err(|fault| match fault {
            Fault::Http(HttpFault::Reset(progress)) if client_certificate_in_question && progress.is_nothing() => {
                Fault::Tls(TlsFault::EndAfterHandshake { reset: true })
            }
            Fault::Http(HttpFault::ClosedBeforeHead { received: 0 }) if client_certificate_in_question => {
                Fault::Tls(TlsFault::EndAfterHandshake { reset: false })
            }
            other => other,
        })
    }

    /// What the probe was waiting for when its time was over; `None` when that was nothing but a late rejection.
    fn at_the_deadline(&self, notes: &mut Notes, late: Late, timeout: Duration) -> Option<Fault> {
        if Lateness::explains_timeout(late, notes.silent_for(), timeout) {
            return Some(Fault::Local(LocalFault::Overloaded { late: late.all }));
        }
        let timeout = match notes.phase {
            Phase::Dns => return Some(dns::silence(&self.resolver)),
            Phase::Connect => {
                for address in std::mem::take(&mut notes.pending_addresses) {
                    notes.failed_addresses.push(FailedAddress { address, fault: tcp::silence(address) });
                }
                return Some(tcp::weightiest(&notes.failed_addresses));
            }
            Phase::Watch => return None,
            Phase::Tls => Fault::Tls(TlsFault::Timeout),
            Phase::FirstByte | Phase::Transfer | Phase::Over => {
                let quiet = notes.deadline.saturating_duration_since(notes.heard);
                Fault::Http(HttpFault::Timeout { progress: notes.progress, quiet })
            }
        };
        // The network may have gone after the connection was there.
        match notes.address.map(tcp::silence) {
            Some(ConnectFault::Local(fault)) => Some(Fault::Local(fault)),
            Some(_) | None => Some(timeout),
        }
    }
}

/// Drives `stages` until they end or `deadline` is there. What the kernel holds by then was in time: before this gives up,
/// it asks the kernel once more for all that came. Gives the moment until which it waited, too: `grace` after the deadline.
async fn within<T>(
    deadline: Instant,
    grace: impl Fn() -> Duration,
    mut stages: Pin<&mut impl Future<Output = T>>,
) -> (Option<T>, Instant) {
    if let Ok(ended) = tokio::time::timeout_at(deadline, stages.as_mut()).await {
        return (Some(ended), deadline);
    }
    let deadline = deadline + grace();
    // The runtime asks the kernel before it comes back to a task that yields.
    tokio::task::yield_now().await;
    (tokio::time::timeout_at(deadline, stages).await.ok(), deadline)
}

/// A connection that was reset had opened before, and may have been reset before or after we looked: the verdict must
/// not depend on that.
fn reset_at_once(spec: &ProbeSpec, notes: &mut Notes) -> Result<(), Fault> {
    notes.failed_addresses.retain(|failed| failed.fault != ConnectFault::Reset);
    if spec.tls.is_some() {
        notes.enter(Phase::Tls);
        notes.tls = Some(Box::default());
    }
    match (&spec.tls, &spec.request) {
        _ if spec.proxy_protocol => Err(Fault::AfterProxyLine(AfterProxyLine::Reset)),
        (None, None) => Ok(()),
        (Some(_), _) => Err(Fault::Tls(TlsFault::Reset)),
        (None, Some(_)) => {
            notes.enter(Phase::FirstByte);
            Err(Fault::Http(HttpFault::Reset(notes.progress)))
        }
    }
}

pub(super) async fn send_proxy_line(stream: &TcpStream) -> Result<(), Fault> {
    loop {
        match stream.try_write(PROXY_LINE) {
            // An empty send buffer takes 15 bytes whole.
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if stream.writable().await.is_err() {
                    return Err(Fault::AfterProxyLine(AfterProxyLine::Reset));
                }
            }
            Err(_) => return Err(Fault::AfterProxyLine(AfterProxyLine::Reset)),
        }
    }
}

/// Plain TCP after the PROXY line: a server that cannot read it closes or resets at once.
async fn watch_after_proxy_line(stream: TcpStream, window: Duration) -> Result<(), Fault> {
    let mut connection = Connection::plain(stream);
    let mut bytes = Vec::new();
    let watch = async {
        let mut received = 0;
        loop {
            bytes.clear();
            match connection.read(&mut bytes, &mut false).await {
                Ok(0) => return Err(Fault::AfterProxyLine(AfterProxyLine::Closed)),
                Ok(count) => received += count,
                Err(_) => return Err(Fault::AfterProxyLine(AfterProxyLine::Reset)),
            }
            // Who has so much to say has read the line.
            if received > MAX_KEPT_BYTES {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(window, watch).await.unwrap_or(Ok(()))
}

/// TLS after a handshake in which the server asked for a client certificate: under TLS 1.3 its refusal comes only now.
async fn watch_after_handshake(connection: &mut Connection, notes: &mut Notes) -> Result<(), Fault> {
    let window = notes.rejection_window();
    let mut bytes = Vec::new();
    let watch = async {
        let mut received = 0;
        loop {
            bytes.clear();
            match connection.read(&mut bytes, &mut notes.renegotiation_requested).await {
                Ok(0) => return Err(Fault::Tls(TlsFault::EndAfterHandshake { reset: false })),
                Ok(count) => received += count,
                Err(error) => return Err(error.before_a_response(super::ResponseProgress::Nothing, true)),
            }
            // Who has so much to say has let us in.
            if received > MAX_KEPT_BYTES {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(window, watch).await.unwrap_or(Ok(()))
}

/// A handshake that failed before the server said anything in TLS: the PROXY line is to blame.
fn after_proxy_line(fault: Fault, received: &[u8]) -> Fault {
    // A warning alert, such as a farewell, does not end the handshake by itself.
    let said_nothing = matches!(received.first(), None | Some(&super::clear::ALERT));
    if let (Fault::Tls(TlsFault::Rustls(_)), Some(alert)) = (&fault, super::alert_in_clear(received)) {
        return Fault::AfterProxyLine(AfterProxyLine::Alert(alert.into()));
    }
    match fault {
        Fault::Tls(TlsFault::Closed) if said_nothing => Fault::AfterProxyLine(AfterProxyLine::Closed),
        Fault::Tls(TlsFault::Reset) if said_nothing => Fault::AfterProxyLine(AfterProxyLine::Reset),
        Fault::Tls(_) if !super::looks_like_tls(received) && !received.is_empty() => {
            Fault::AfterProxyLine(AfterProxyLine::NotTls(received[..received.len().min(256)].to_vec()))
        }
        other => other,
    }
}

// One prober serves every worker thread.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Arc<Prober>>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Host, Protocol};
    use crate::resolver;

    /// Thousands of probes wait at the same time, and each is moved when it begins.
    #[tokio::test]
    async fn a_probe_takes_little_room_while_it_waits() {
        let resolver = Resolver::new(resolver::Options { nameservers: Vec::new(), last_known_good: Duration::ZERO });
        let spec = ProbeSpec {
            request: Some(Request::new("app.test", "/")),
            ..ProbeSpec::new(Protocol::Http, Host::Ip([127, 0, 0, 1].into()), 80, Duration::from_secs(1))
        };
        let prober = Prober::new(resolver);
        let size = size_of_val(&prober.probe(&spec));
        assert!(size <= 1536, "{size} bytes");
    }
}
