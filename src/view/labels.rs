//! Labels of the metrics: borrowed from a snapshot, written without copies, never longer than [`MAX_BYTES`].

use std::fmt;
use std::fmt::Write;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, EncodeLabelValue, LabelSetEncoder, LabelValueEncoder};

use crate::health::PoolTotals;
use crate::target::Target;
use crate::words::cut;

/// The most bytes of a label value that somebody else chose, the mark of a cut included.
const MAX_BYTES: usize = 256;

/// What identifies a row: `pool`, `setting`, `server`, `port`, `protocol`.
pub(super) struct RowLabels<'a>(pub(super) &'a Target);

impl EncodeLabelSet for RowLabels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let Self(target) = self;
        ("pool", Name(&target.pool)).encode(encoder.encode_label())?;
        ("setting", Name(&target.setting)).encode(encoder.encode_label())?;
        ("server", Name(&target.server)).encode(encoder.encode_label())?;
        ("port", target.port()).encode(encoder.encode_label())?;
        ("protocol", target.protocol().as_str()).encode(encoder.encode_label())
    }
}

/// What identifies a pool under a setting: `pool`, `setting`.
pub(super) struct PoolLabels<'a>(pub(super) &'a PoolTotals);

impl EncodeLabelSet for PoolLabels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let Self(totals) = self;
        ("pool", Name(&totals.pool)).encode(encoder.encode_label())?;
        ("setting", Name(&totals.setting)).encode(encoder.encode_label())
    }
}

/// A text that somebody else chose: cut when it is too long, and then it ends with `…`.
pub(super) struct Text<'a>(pub(super) &'a str);

impl EncodeLabelValue for Text<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&cut(self.0, MAX_BYTES))
    }
}

/// A name that tells series apart. When it is cut, a digest of the whole name stands before the `…`, because two long
/// names with the same beginning must not become one series: a scrape with a series twice is refused as a whole.
struct Name<'a>(&'a str);

impl EncodeLabelValue for Name<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        const DIGEST_BYTES: usize = "~01234567…".len();
        let Self(name) = *self;
        if name.len() <= MAX_BYTES {
            return encoder.write_str(name);
        }
        let kept = &name[..name.floor_char_boundary(MAX_BYTES - DIGEST_BYTES)];
        write!(encoder, "{kept}~{:08x}…", digest(name))
    }
}

/// FNV-1a: the same on every machine and in every version, because series live longer than a process.
fn digest(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::encoding::text::encode_registry;
    use prometheus_client::metrics::MetricType;
    use prometheus_client::registry::Registry;

    use super::*;

    /// Both kinds of value for one text, as an encoder writes them.
    #[derive(Debug)]
    struct Sample(String);

    impl Collector for Sample {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut metric = encoder.encode_descriptor("m", "h", None, MetricType::Gauge)?;
            metric.encode_family(&[("text", Text(&self.0))])?.encode_gauge(&1_u32)?;
            metric.encode_family(&[("name", Name(&self.0))])?.encode_gauge(&1_u32)
        }
    }

    fn encoded(value: &str) -> (String, String) {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Sample(value.to_owned())));
        let mut out = String::new();
        encode_registry(&mut out, &registry).expect("a String takes everything");
        let between = |start: &str| {
            let rest = out.split_once(start).expect("the label is there").1;
            rest.split_once("\"} 1\n").expect("the label ends").0.to_owned()
        };
        (between("m{text=\""), between("m{name=\""))
    }

    #[test]
    fn values_of_up_to_256_bytes_stay_whole() {
        for length in [0, 1, 255, 256] {
            let value = "x".repeat(length);
            assert_eq!(encoded(&value), (value.clone(), value));
        }
    }

    #[test]
    fn longer_values_are_cut_between_characters_and_marked() {
        // With one to four bytes in front, the limit falls on every byte of a four-byte character.
        for shift in 1..=4 {
            let value = format!("{}{}", "x".repeat(shift), "🦀".repeat(80));
            let (text, name) = encoded(&value);
            for cut in [&text, &name] {
                assert!(cut.len() <= 256 && cut.len() > 250, "{} bytes", cut.len());
                assert!(cut.ends_with('…'));
            }
            assert!(value.starts_with(text.trim_end_matches('…')));
        }
    }

    #[test]
    fn long_names_that_begin_alike_stay_different() {
        let name = |end: &str| encoded(&format!("{}{end}", "n".repeat(300))).1;
        assert_ne!(name("a"), name("b"));
        assert_eq!(name("a"), name("a"));
    }

    #[test]
    fn the_digest_is_the_published_one() {
        // Test values of FNV-1a, 32 bits.
        assert_eq!(digest(""), 0x811c_9dc5);
        assert_eq!(digest("a"), 0xe40c_292c);
        assert_eq!(digest("foobar"), 0xbf9c_f968);
    }
}
