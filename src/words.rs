//! Small words that every room writes the same way: endpoints, ranges, digests, instants, durations, and texts that others
//! wrote. Pure, and of no room in particular.

mod hidden;
mod near;
mod time;

use std::borrow::Cow;
use std::fmt::Write;

use aws_lc_rs::digest;

pub use self::hidden::{is_hidden, masked, one_line, visible, visible_json};
pub use self::near::{nearest, typing_errors};
pub use self::time::{
    age, day, from_rfc3339, from_setting, moment, readable, rfc3339, rfc3339_milliseconds, rough, seconds, setting,
    short_day, span, took, unix_seconds,
};

/// At most so many bytes of the text, the `…` included that ends it when it was longer.
#[must_use]
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(most.saturating_sub('…'.len_utf8()))]))
}

/// A host as it stands before a port and in URLs: an IPv6 address in brackets.
#[must_use]
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

/// The same without the brackets.
#[must_use]
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Host and port: `app.example.com:443`, `10.0.0.4:443`, `[2001:db8::7]:443`.
#[must_use]
pub fn endpoint(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// Status codes, both ends included: `204` or `200-399`.
#[must_use]
pub fn status_codes((first, last): (u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// In lower case, without colons.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

/// SHA-256 over `parts`, each with its length before it, so that no two lists of parts look alike.
#[must_use]
pub fn sha256_of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(context.finish().as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("üüü", 5), "ü…");
        assert_eq!(cut("üü", 1), "…");
    }

    #[test]
    fn only_ipv6_addresses_stand_in_brackets() {
        for (host, expected) in
            [("10.0.0.4", "10.0.0.4:80"), ("app.example", "app.example:80"), ("2001:db8::7", "[2001:db8::7]:80")]
        {
            assert_eq!(endpoint(host, 80), expected);
            assert_eq!(bare(&bracketed(host)), host);
        }
    }

    #[test]
    fn digests_are_the_published_ones() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&sha256(b"")), empty);
        assert_eq!(sha256_of_parts([]), sha256(b""));
        assert_ne!(sha256_of_parts([&b"ab"[..], b"c"]), sha256_of_parts([&b"a"[..], b"bc"]));
    }
}
