//! Takes content codings off a body (RFC 9110, section 8.4): gzip and deflate, which servers use unasked, within the same
//! bound that holds for plain bodies.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::{Coding, MAX_KEPT_BYTES};

/// More codings around one body are not taken off.
const MAX_CODINGS: usize = 4;

/// Bytes of a coding's name that are kept.
const MAX_NAME: usize = 64;

impl Coding {
    /// What the fields of a head announce, the innermost first.
    pub(super) fn announced<'h>(fields: impl Iterator<Item = &'h [u8]>) -> Self {
        let codings = fields.flat_map(|value| value.split(|byte| *byte == b','));
        let mut name = String::new();
        for coding in codings {
            let coding = String::from_utf8_lossy(coding.trim_ascii()).to_ascii_lowercase();
            if matches!(coding.as_str(), "" | "identity" | "chunked") {
                continue;
            }
            if !name.is_empty() {
                name.push_str(SEPARATOR);
            }
            name.push_str(&coding);
        }
        if name.is_empty() {
            return Self::Plain;
        }
        name.truncate(name.floor_char_boundary(MAX_NAME));
        Self::Encoded { name }
    }

    /// Takes it off `body`, as far as that is known how; `is_whole`: nothing is missing of the body.
    #[must_use]
    pub(super) fn taken_off(self, body: &mut Vec<u8>, is_whole: bool) -> Self {
        let Self::Encoded { name } = self else { return self };
        if body.is_empty() {
            return Self::Plain;
        }
        let codings: Vec<&str> = name.split(SEPARATOR).collect();
        if codings.len() > MAX_CODINGS || !codings.iter().all(|coding| KNOWN.contains(coding)) {
            return Self::Encoded { name };
        }
        let mut decoded = body.clone();
        let mut is_whole = is_whole;
        for coding in codings.iter().rev() {
            let outcome = match *coding {
                "deflate" => inflate(&decoded, is_whole),
                _ => gunzip(&decoded, is_whole),
            };
            let Some(inner) = outcome else { return Self::Broken { name } };
            is_whole &= inner.len() < MAX_KEPT_BYTES;
            decoded = inner;
        }
        let encoded = std::mem::replace(body, decoded).len();
        Self::Decoded { name, encoded }
    }
}

const SEPARATOR: &str = ", ";

const KNOWN: &[&str] = &["gzip", "x-gzip", "deflate"];

/// One member after the other; what follows the last one is passed over, as clients do.
fn gunzip(mut bytes: &[u8], is_whole: bool) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while text.is_empty() || bytes.starts_with(&[0x1f, 0x8b]) {
        let mut reader = GzDecoder::new(bytes);
        let is_at_its_end = read(&mut reader, &mut text, is_whole)?;
        bytes = reader.into_inner();
        if !is_at_its_end || bytes.is_empty() {
            break;
        }
    }
    Some(text)
}

/// In the frame of zlib, as the specification has it, or without one, as some servers have it.
fn inflate(bytes: &[u8], is_whole: bool) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let has_frame = matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0);
    if has_frame && read(&mut ZlibDecoder::new(bytes), &mut text, is_whole).is_some() {
        return Some(text);
    }
    text.clear();
    read(&mut DeflateDecoder::new(bytes), &mut text, is_whole).map(|_| text)
}

/// Reads until there is as much as is kept, and tells whether it came to the end; `None` when it is not coded like this.
fn read(reader: &mut impl Read, text: &mut Vec<u8>, is_whole: bool) -> Option<bool> {
    let room = MAX_KEPT_BYTES.saturating_sub(text.len());
    // One byte more would tell the end from the bound.
    match reader.take(room as u64).read_to_end(text) {
        Ok(count) => Some(count < room),
        // The rest of the body is missing here, or was not kept.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !is_whole => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(fields: &[&str], body: &[u8], is_whole: bool) -> (Coding, Vec<u8>) {
        let mut body = body.to_vec();
        let coding = Coding::announced(fields.iter().map(|field| field.as_bytes())).taken_off(&mut body, is_whole);
        (coding, body)
    }

    #[test]
    fn what_servers_put_around_a_body_comes_off() {
        let check = |fields: &[&str], body: &[u8]| {
            let (coding, text) = decoded(fields, body, true);
            assert!(matches!(&coding, Coding::Decoded { encoded, .. } if *encoded == body.len()), "{coding:?}");
            assert_eq!(text, b"all is well", "{fields:?}");
        };
        let text = b"all is well";
        check(&["gzip"], &gzip(text));
        check(&[" GZIP "], &gzip(text));
        check(&["x-gzip"], &gzip(text));
        check(&["identity", "gzip"], &gzip(text));
        check(&["gzip, chunked"], &gzip(text));
        check(&["deflate"], &zlib(text));
        check(&["deflate"], &raw(text));
        check(&["deflate, gzip"], &gzip(&zlib(text)));
        check(&["gzip", "gzip"], &gzip(&gzip(text)));
        check(&["gzip"], &[gzip(b"all is"), gzip(b" well")].concat());
        check(&["gzip"], &[gzip(text), vec![0; 7]].concat());
    }

    #[test]
    fn what_is_not_coded_or_cannot_be_decoded_stays_as_it_came() {
        let check = |fields: &[&str], body: &[u8], expected: Coding| {
            assert_eq!(decoded(fields, body, true), (expected, body.to_vec()), "{fields:?}");
        };
        let name = |name: &str| name.to_owned();
        check(&[], b"all is well", Coding::Plain);
        check(&["identity"], b"all is well", Coding::Plain);
        check(&["gzip"], b"", Coding::Plain);
        check(&["br"], b"\x0b\x05\x80", Coding::Encoded { name: name("br") });
        check(&["zstd, gzip"], b"\x1f\x8b", Coding::Encoded { name: name("zstd, gzip") });
        let five = ["gzip, gzip, gzip, gzip, gzip"];
        check(&five, b"\x1f\x8b", Coding::Encoded { name: name(five[0]) });
        check(&["gzip"], b"all is well", Coding::Broken { name: name("gzip") });
        check(&["deflate"], b"all is well", Coding::Broken { name: name("deflate") });
        check(&["gzip"], &gzip(b"all is well")[..20], Coding::Broken { name: name("gzip") });
        let mut damaged = gzip(b"all is well");
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        check(&["gzip"], &damaged, Coding::Broken { name: name("gzip") });
    }

    #[test]
    fn a_part_of_a_body_is_decoded_as_far_as_it_goes() {
        // Does not shrink by much.
        let text: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = gzip(&text);
        let (coding, part) = decoded(&["gzip"], &whole[..whole.len().min(MAX_KEPT_BYTES)], false);
        assert!(matches!(coding, Coding::Decoded { .. }), "{coding:?}");
        assert!(part.len() > 1000 && text.starts_with(&part), "{} bytes", part.len());
    }

    #[test]
    fn a_bomb_fills_no_more_than_what_is_kept_of_any_body() {
        let bomb = gzip(&gzip(&vec![b'x'; 8_000_000]));
        assert!(bomb.len() < MAX_KEPT_BYTES, "{} bytes", bomb.len());
        let (coding, text) = decoded(&["gzip, gzip"], &bomb, true);
        assert!(matches!(coding, Coding::Decoded { .. }), "{coding:?}");
        assert_eq!(text, vec![b'x'; MAX_KEPT_BYTES]);
    }
}
