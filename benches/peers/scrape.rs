//! Reads metrics as Prometheus does, uncompressed, and of the exporter's the histogram of how late its probes start.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::material::METRICS_PORT;

/// A response whose body came whole.
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    pub took: Duration,
}

pub fn get(path: &str) -> anyhow::Result<Response> {
    let (raw, took) = read(path)?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(&raw)? else {
        anyhow::bail!("{path}: the response is cut off")
    };
    let is_chunked = head.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("transfer-encoding") && header.value.eq_ignore_ascii_case(b"chunked")
    });
    let body = if is_chunked { joined(&raw[length..])? } else { raw[length..].to_vec() };
    Ok(Response { status: head.code.unwrap_or_default(), body, took })
}

/// The response as it came, and how long it took. The backends run on the same core: no more than that.
pub fn read(path: &str) -> anyhow::Result<(Vec<u8>, Duration)> {
    let began = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, METRICS_PORT))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut raw = Vec::with_capacity(1 << 20);
    stream.read_to_end(&mut raw)?;
    Ok((raw, began.elapsed()))
}

/// The content of a chunked body (RFC 9112, section 7.1).
fn joined(mut chunks: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(chunks.len());
    loop {
        let Ok(httparse::Status::Complete((start, length))) = httparse::parse_chunk_size(chunks) else {
            anyhow::bail!("a chunk is malformed or missing")
        };
        if length == 0 {
            return Ok(body);
        }
        let end = start + usize::try_from(length)?;
        body.extend_from_slice(chunks.get(start..end).context("a chunk is cut off")?);
        chunks = chunks.get(end + 2..).context("a chunk is cut off")?;
    }
}

/// How late probes started: upper bounds in milliseconds, and how many were at most that late.
#[derive(Clone, Debug)]
pub struct Delays(Vec<(f64, u64)>);

impl Delays {
    /// None when there is no such histogram.
    pub fn read(metrics: &[u8]) -> Option<Self> {
        let prefix = b"backend_health_exporter_probe_start_delay_seconds_bucket{le=\"";
        let lines = metrics.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(prefix));
        let buckets: Vec<(f64, u64)> = lines
            .filter_map(|line| {
                let (bound, count) = std::str::from_utf8(line).ok()?.split_once("\"}")?;
                Some((bound.parse::<f64>().ok()? * 1e3, count.trim().parse().ok()?))
            })
            .collect();
        (!buckets.is_empty()).then_some(Self(buckets))
    }

    /// Median and 99th percentile of what came after `before`: the upper bounds of the buckets that they are in.
    pub fn since(&self, before: &Self) -> [f64; 2] {
        let new: Vec<(f64, u64)> =
            self.0.iter().zip(&before.0).map(|((bound, now), (_, then))| (*bound, now.saturating_sub(*then))).collect();
        let total = new.last().map_or(0, |(_, count)| *count);
        [50, 99].map(|percent| {
            let found = new.iter().find(|(_, count)| count * 100 >= total * percent);
            found.map_or(f64::INFINITY, |(bound, _)| *bound)
        })
    }
}
