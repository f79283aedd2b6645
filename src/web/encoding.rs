//! Which content coding a client takes (RFC 9110, section 12.5.3).

use std::io::Write;

use axum::http::{HeaderMap, HeaderValue, header};
use flate2::Compression;
use flate2::write::GzEncoder;

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// The coding for the response to a request with these headers.
    pub(super) fn of(request: &HeaderMap) -> Self {
        Self::negotiate(request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()))
    }

    /// A whole body in this coding.
    pub(super) fn encode(self, body: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Identity => body,
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
                encoder.write_all(&body).and_then(|()| encoder.finish()).expect("memory takes what is written")
            }
        }
    }

    /// Says so in the response's headers.
    pub(super) fn name(self, response: &mut HeaderMap) {
        match self {
            Self::Identity => {}
            Self::Gzip => {
                response.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
    }

    /// The coding for the values of all `Accept-Encoding` headers of a request: gzip when the client takes it and does
    /// not say that it likes the plain body better.
    pub(super) fn negotiate<'a>(headers: impl Iterator<Item = &'a str>) -> Self {
        let (mut gzip, mut any, mut identity) = (None, None, None);
        for item in headers.flat_map(|header| header.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let weight = parts.clone().skip(1).find_map(quality).unwrap_or(1000);
            match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(weight),
                "*" => any = Some(weight),
                "identity" => identity = Some(weight),
                _ => {}
            }
        }
        let gzip = gzip.or(any).unwrap_or(0);
        if gzip > 0 && gzip >= identity.unwrap_or(0) { Self::Gzip } else { Self::Identity }
    }
}

/// The weight in thousandths; one that cannot be read counts as a refusal, so that nobody is sent what he cannot read.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(0);
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().unwrap_or(0);
    Some(match (whole, thousandths) {
        ("0", thousandths) => thousandths,
        ("1", 0) => 1000,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        fn check(headers: &[&str], expected: Encoding) {
            assert_eq!(Encoding::negotiate(headers.iter().copied()), expected, "{headers:?}");
        }
        check(&[], Encoding::Identity);
        check(&[""], Encoding::Identity);
        check(&["gzip"], Encoding::Gzip);
        check(&["GZIP"], Encoding::Gzip);
        check(&["x-gzip"], Encoding::Gzip);
        check(&["deflate, gzip;q=1.0, *;q=0.5"], Encoding::Gzip);
        check(&["br", "gzip"], Encoding::Gzip);
        check(&["gzip;q=0"], Encoding::Identity);
        check(&["gzip;q=0.000"], Encoding::Identity);
        check(&["gzip; Q=0"], Encoding::Identity);
        check(&["gzip;q=0, *"], Encoding::Identity);
        check(&["*"], Encoding::Gzip);
        check(&["*;q=0"], Encoding::Identity);
        check(&["identity"], Encoding::Identity);
        check(&["identity, gzip;q=0.5"], Encoding::Identity);
        check(&["identity;q=0.5, gzip;q=0.5"], Encoding::Gzip);
        check(&["identity;q=0.1, gzip;q=0.2"], Encoding::Gzip);
        check(&["gzip;q=zero"], Encoding::Identity);
        check(&["gzip;q=0.0001"], Encoding::Identity);
        check(&["gzip;q=2"], Encoding::Identity);
        check(&["gzipped"], Encoding::Identity);
    }
}
