//! The floor: the least that a probe can do. One thread, blocking sockets, no timeout, no evidence, no verdict. And a driver
//! that makes `blackbox_exporter` probe, which does nothing by itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::machine;
use crate::material::{HOST, METRICS_PORT, PORT, address};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[arg(long)]
    servers: u32,
    #[arg(long)]
    interval_milliseconds: u64,
    /// The root to verify against; without one, plain HTTP
    #[arg(long)]
    root: Option<PathBuf>,
    /// Verify the handshake's signature alone, as one may when the chain is the same as last time
    #[arg(long)]
    skip_chain: bool,
}

#[derive(clap::Args, Debug)]
pub struct Drive {
    #[arg(long)]
    servers: u32,
    #[arg(long)]
    interval_milliseconds: u64,
    #[arg(long)]
    scheme: String,
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: app.bench.test\r\nConnection: close\r\n\r\n";

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.root.as_ref().map(|root| client(root, arguments.skip_chain)).transpose()?;
    paced(arguments.servers, arguments.interval_milliseconds, |server| {
        let to = SocketAddr::from((address(server), PORT));
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        let mut response = [0; 4096];
        match &config {
            None => {
                stream.write_all(REQUEST.as_bytes())?;
                while stream.read(&mut response)? > 0 {}
            }
            Some(config) => {
                let mut tls = ClientConnection::new(config.clone(), ServerName::try_from(HOST)?)?;
                let mut stream = rustls::Stream::new(&mut tls, &mut stream);
                stream.write_all(REQUEST.as_bytes())?;
                while stream.read(&mut response)? > 0 {}
            }
        }
        Ok(())
    })
}

/// Asks for one probe after another over a few connections that stay open, as Prometheus does.
pub fn drive(arguments: &Drive) -> anyhow::Result<()> {
    machine::raise_descriptor_limit()?;
    let threads = 4;
    let scheme: Arc<str> = arguments.scheme.as_str().into();
    let interval = arguments.interval_milliseconds;
    let (servers, each) = (arguments.servers, arguments.servers / threads);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let scheme = scheme.clone();
            std::thread::spawn(move || -> anyhow::Result<()> {
                let mut stream: Option<TcpStream> = None;
                let mut response = vec![0; 65_536];
                let first = thread * each;
                let count = if thread + 1 == threads { servers - first } else { each };
                paced(count, interval, |server| {
                    let target = address(first + server);
                    let mut connection = match stream.take() {
                        Some(open) => open,
                        None => TcpStream::connect(("127.0.0.1", METRICS_PORT))?,
                    };
                    connection.set_nodelay(true)?;
                    let request = format!(
                        "GET /probe?module=bench&target={scheme}://{target}:{PORT}/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    );
                    connection.write_all(request.as_bytes())?;
                    if read_response(&mut connection, &mut response)? {
                        stream = Some(connection);
                    }
                    Ok(())
                })
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| anyhow::anyhow!("a driver ended early"))??;
    }
    Ok(())
}

/// Reads one response; whether the connection may be used again.
fn read_response(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<bool> {
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..])?;
        if read == 0 {
            return Ok(false);
        }
        length += read;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(body) = head.parse(&buffer[..length])? else { continue };
        let value = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        let complete = match value("content-length") {
            Some(header) => length >= body + std::str::from_utf8(header.value)?.trim().parse::<usize>()?,
            None => buffer[..length].ends_with(b"0\r\n\r\n"),
        };
        if complete {
            return Ok(true);
        }
        anyhow::ensure!(length < buffer.len(), "a response is too long");
    }
}

/// Runs `probe` for one server after the other, evenly spread over the interval, until this process is ended.
fn paced(
    servers: u32,
    interval_milliseconds: u64,
    mut probe: impl FnMut(u32) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let step = Duration::from_millis(interval_milliseconds) / servers.max(1);
    let mut due = Instant::now();
    loop {
        for server in 0..servers {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // One that fails says nothing of the next.
            let _ = probe(server);
            due += step;
        }
    }
}

fn client(root: &std::path::Path, skip_chain: bool) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let mut config = if skip_chain {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(SignatureAlone(provider))).with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root).context("the root")?)?;
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Takes any chain, and verifies that the server has the leaf's key.
#[derive(Debug)]
struct SignatureAlone(Arc<CryptoProvider>);

impl ServerCertVerifier for SignatureAlone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
