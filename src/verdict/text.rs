//! Words for people: text from certificates and backends made fit to be shown, whatever its author put into it.

use std::borrow::Cow;
use std::fmt::Write;

use x509_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::words::{cut, hex, is_hidden};

/// A name as RFC 4514 writes it: the last part first, special characters escaped, what cannot be printed in hex; at most
/// [`MAX_NAME`] bytes of it.
pub(super) fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    // Names have a handful of parts; of a hostile one only those that fit are looked at.
    let parts: Vec<_> = name.iter().collect();
    for (index, part) in parts.iter().rev().enumerate() {
        if index > 0 {
            text.push(',');
        }
        for (index, attribute) in part.iter().enumerate() {
            if index > 0 {
                text.push('+');
            }
            let kind = oid(attribute.attr_type());
            text.push_str(short_name(&kind).unwrap_or(&kind));
            text.push('=');
            if let Some(value) = attribute_text(attribute) {
                escape_into(&mut text, &value);
            } else {
                text.push('#');
                text.push_str(&hex(&encoded(attribute.attr_value())));
            }
            if text.len() > MAX_NAME {
                return cut(&text, MAX_NAME).into_owned();
            }
        }
    }
    text
}

/// What an attribute of a name says: of every string type of X.520, the old ones too. `None` when it is no text.
pub(super) fn attribute_text<'v>(attribute: &'v AttributeTypeAndValue<'_>) -> Option<Cow<'v, str>> {
    let value = attribute.attr_value();
    let bytes = value.data;
    let whole = |size: usize| bytes.len().is_multiple_of(size);
    match value.tag() {
        Tag::BmpString if whole(2) => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<String, _>>().ok().map(Cow::Owned)
        }
        Tag::UniversalString if whole(4) => {
            let units = bytes.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            units.map(char::from_u32).collect::<Option<String>>().map(Cow::Owned)
        }
        // What its own standard says is hardly ever meant: those who use it write Latin 1.
        Tag::T61String => Some(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect())),
        Tag::VisibleString | Tag::GeneralString => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        _ => attribute.as_str().ok().map(Cow::Borrowed),
    }
}

/// The whole encoding of a value, as RFC 4514 wants it in hex: with tag and length.
fn encoded(value: &Any<'_>) -> Vec<u8> {
    let header = &value.header;
    let first = u8::try_from(value.tag().0 & 0x1f).unwrap_or_default();
    let first = (header.class() as u8) << 6 | u8::from(header.is_constructed()) << 5 | first;
    let mut der = header.raw_tag().map_or_else(|| vec![first], <[u8]>::to_vec);
    let length = value.data.len();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1)..];
    if length >= 0x80 {
        der.push(0x80 | u8::try_from(significant.len()).unwrap_or_default());
    }
    der.extend(significant);
    der.extend_from_slice(&value.data[..length.min(MAX_NAME)]);
    der
}

/// RFC 4514, section 3, and what else is in common use.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "EMAILADDRESS",
        _ => return None,
    })
}

/// RFC 4514, section 2.4.
fn escape_into(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            '#' if index == 0 => text.push_str("\\#"),
            hidden if is_hidden(hidden) => {
                let mut bytes = [0; 4];
                for byte in hidden.encode_utf8(&mut bytes).bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            other => text.push(other),
        }
        if text.len() > MAX_NAME {
            return;
        }
    }
}

/// A host name or URL from a certificate within a sentence: what cannot be printed is escaped, and it is cut.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let inner = text.trim().len();
    let from = text.len() - text.trim_start().len();
    for (at, character) in text.char_indices() {
        // A blank at either end cannot be seen, nor one that is none of the usual ones.
        let is_blank = character == ' ' && !(from..from + inner).contains(&at);
        if is_blank {
            shown.push_str("\\x20");
        } else if is_hidden(character) || character == '\\' || (character.is_whitespace() && character != ' ') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        if shown.len() > MAX_SHOWN {
            return cut(&shown, MAX_SHOWN).into_owned();
        }
    }
    shown
}

/// The first few, and how many more.
pub(super) fn listed(names: &[String], in_all: usize) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    match in_all.saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// In dots. Not asn1-rs's own text, which reads the first two numbers wrongly where they take more than one byte.
pub(super) fn oid(oid: &Oid<'_>) -> String {
    let mut text = String::new();
    let mut number: u64 = 0;
    for byte in oid.as_bytes() {
        number = number.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
        if byte & 0x80 != 0 {
            continue;
        }
        // The first number holds two: 40 times the first of them, which is 0, 1 or 2, and the second.
        let _ = match (text.is_empty(), number / 40) {
            (true, first @ 0..=1) => write!(text, "{first}.{}", number % 40),
            (true, _) => write!(text, "2.{}", number - 80),
            (false, _) => write!(text, ".{number}"),
        };
        if text.len() > MAX_SHOWN {
            return cut(&text, MAX_SHOWN).into_owned();
        }
        number = 0;
    }
    text
}

/// Most bytes of a distinguished name that are kept.
const MAX_NAME: usize = 1024;

/// Most bytes of a host name or URL within a sentence.
const MAX_SHOWN: usize = 253;

/// A backend's bytes as evidence: escaped, in quotes, cut.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 64;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{text:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_certificate_says_cannot_disturb_the_text_around_it() {
        for (text, expected) in [
            ("app.example.com", "app.example.com"),
            ("a\nb\tc\0", "a\\nb\\tc\\u{0}"),
            ("<b>\"x\"</b>", "<b>\"x\"</b>"),
            ("abc\u{202e}txt.exe", "abc\\u{202e}txt.exe"),
            ("back\\slash", "back\\\\slash"),
            ("müller.example", "müller.example"),
            ("app.test ", "app.test\\x20"),
            ("  app.test", "\\x20\\x20app.test"),
            ("My Server", "My Server"),
            ("a\u{a0}b", "a\\u{a0}b"),
        ] {
            assert_eq!(shown(text), expected);
        }
        let long = shown(&"ä".repeat(1000));
        assert!(long.len() <= MAX_SHOWN && long.ends_with('…'), "{long}");
    }

    #[test]
    fn object_identifiers_are_written_in_dots() {
        for (bytes, expected) in [
            (&[0x2a, 0x86, 0x48][..], "1.2.840"),
            (&[0x55, 0x1d, 0x0f], "2.5.29.15"),
            (&[0x88, 0x37, 1], "2.999.1"),
            (&[0x60, 0x86, 0x48, 1], "2.16.840.1"),
            (&[0], "0.0"),
            (&[], ""),
        ] {
            assert_eq!(oid(&Oid::new(bytes.into())), expected);
        }
        let endless = [0xff; 4000];
        assert_eq!(oid(&Oid::new(endless[..].into())), "");
    }

    #[test]
    fn lists_say_how_much_they_leave_out() {
        let names: Vec<String> = (0..7).map(|number| format!("n{number}")).collect();
        assert_eq!(listed(&names[..2], 2), "n0, n1");
        assert_eq!(listed(&names, 7), "n0, n1, n2, n3, n4 and 2 more");
        assert_eq!(listed(&names, 10_000), "n0, n1, n2, n3, n4 and 9995 more");
    }
}
