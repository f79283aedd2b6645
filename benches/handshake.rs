//! What a verified handshake of a probe costs above bare rustls with verification, in CPU of the client's thread.
//!
//! `cargo bench --bench handshake` prints both and their ratio, medians over rounds that take turns, so that a machine
//! that slows down slows both. Server and client run on threads of their own; only the client's time counts. With
//! `--limit 1.10` it fails above that ratio.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backend_health_exporter::lab::tls::{Chain, Pki, ServerTls};
use backend_health_exporter::lab::{Backend, Behaviour, Service, tcp};
use backend_health_exporter::probe::{
    Host, NameSource, ProbeSpec, Prober, Protocol, TlsSpec, Trust, TrustMode, VerifiedName,
};
use backend_health_exporter::resolver;
use backend_health_exporter::resolver::Resolver;
use backend_health_exporter::verdict::judge;
use nix::sys::resource::{UsageWho, getrusage};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const HOST: &str = "app.lab.test";
const ROUNDS: usize = 15;
const HANDSHAKES: u32 = 200;

#[expect(clippy::print_stdout, reason = "the result is what this program is for")]
fn main() -> anyhow::Result<()> {
    let limit = std::env::args().skip_while(|argument| argument != "--limit").nth(1);
    let limit: Option<f64> = limit.map(|text| text.parse()).transpose().context("--limit takes a number")?;
    let (address, root) = start_server()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (bare, probe) = runtime.block_on(measure(address, root))?;
    let mut ratios: Vec<f64> = bare.iter().zip(&probe).map(|(bare, probe)| probe / bare).collect();
    let (bare, probe, ratio) = (median(bare), median(probe), median(std::mem::take(&mut ratios)));
    println!("bare rustls with verification  {bare:.1} µs of CPU a handshake");
    println!("probe and verdict              {probe:.1} µs");
    println!("ratio                          {ratio:.3}");
    anyhow::ensure!(limit.is_none_or(|limit| ratio <= limit), "the ratio is above the limit");
    Ok(())
}

/// A TLS server on a thread of its own: leaf, intermediate, ECDSA P-256.
fn start_server() -> anyhow::Result<(SocketAddr, CertificateDer<'static>)> {
    let pki = Pki::new()?;
    let root = pki.root.der();
    let tls = ServerTls::new(&pki.identity(Chain::Good, HOST)?)?;
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let behaviour = Behaviour::Serves(Service::tls(&tls, tcp::holds()));
            let backend = Backend::start(Ipv4Addr::LOCALHOST.into(), behaviour)?;
            tell.send(backend.address())?;
            std::future::pending().await
        })
    });
    Ok((told.recv()?, root))
}

async fn measure(address: SocketAddr, root: CertificateDer<'static>) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let connector = bare(root.clone())?;
    let options = resolver::Options { nameservers: Vec::new(), last_known_good: Duration::ZERO };
    let prober = Prober::new(Resolver::new(options));
    let spec = spec(address, root)?;
    let (mut bare_times, mut probe_times) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let start = cpu()?;
        for _ in 0..HANDSHAKES {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut stream = connector.connect(ServerName::try_from(HOST)?, stream).await?;
            tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
        }
        let middle = cpu()?;
        for _ in 0..HANDSHAKES {
            let observation = prober.probe(&spec).await;
            let verdict = judge(&spec, &observation);
            anyhow::ensure!(verdict.cause.is_none(), "{:?}", verdict.cause);
        }
        // The first round warms both up.
        if round > 0 {
            bare_times.push((middle - start) / f64::from(HANDSHAKES));
            probe_times.push((cpu()? - middle) / f64::from(HANDSHAKES));
        }
    }
    Ok((bare_times, probe_times))
}

fn bare(root: CertificateDer<'static>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(root)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config).into())
}

fn spec(address: SocketAddr, root: CertificateDer<'static>) -> anyhow::Result<ProbeSpec> {
    Ok(ProbeSpec {
        tls: Some(TlsSpec {
            name: VerifiedName::Dns(HOST.into()),
            name_source: NameSource::SettingHostName,
            trust: Arc::new(Trust::new(TrustMode::Configured, vec![root], Vec::new())?),
            client_certificate: None,
            validate_chain: true,
            validate_name: true,
            expiry_warning: Duration::from_hours(24),
        }),
        ..ProbeSpec::new(Protocol::Tls, Host::Ip(address.ip()), address.port(), Duration::from_secs(10))
    })
}

/// CPU time of this thread so far, in microseconds.
fn cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let seconds = Duration::from_secs((user.tv_sec() + system.tv_sec()).unsigned_abs());
    let micros = Duration::from_micros((user.tv_usec() + system.tv_usec()).unsigned_abs());
    Ok((seconds + micros).as_secs_f64() * 1e6)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
