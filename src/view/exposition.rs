//! The two text formats of `/metrics`: which one a client gets, and how it is written, as a stream.
//!
//! `OpenMetrics` 1.0.0 is what the encoder writes. The older text format 0.0.4 has the same sample lines and differs
//! only in the lines that begin with `#`, so it is made from the first one, line by line, while it is written.

use std::fmt;
use std::fmt::Write;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// Prometheus' own text format, version 0.0.4.
    Text,
}

impl Format {
    /// The value of the `Content-Type` header.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Type, subtype and version.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
            Self::Text => ("text", "plain", "0.0.4"),
        }
    }
}

/// The format for a request whose `Accept` header is `accept` (several headers joined by commas, RFC 9110, sections
/// 5.3 and 12.5.1). A client that asks for neither gets the older one: readable metrics help more than a 406.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let preference = |format| Preference::of(format, accept.unwrap_or_default());
    let (open_metrics, text) = (preference(Format::OpenMetrics), preference(Format::Text));
    // Between equals the newer format wins only when it was asked for by name; `*/*` is what curl and browsers send.
    let by_name = open_metrics.specificity == Specificity::Named && open_metrics.quality > 0.0;
    if open_metrics.quality > text.quality || (by_name && open_metrics.quality >= text.quality) {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// Writes what `registry` holds. Little more is kept back than one comment line.
///
/// # Errors
/// When `out` fails.
pub fn encode(registry: &Registry, format: Format, out: &mut impl Write) -> fmt::Result {
    match format {
        Format::OpenMetrics => {
            let mut gathered = Gathered::new(out);
            encode_registry(&mut gathered, registry)?;
            encode_eof(&mut gathered)?;
            gathered.hand_over()
        }
        Format::Text => {
            let mut filter = TextFilter::new(out);
            let mut gathered = Gathered::new(&mut filter);
            encode_registry(&mut gathered, registry)?;
            gathered.hand_over()
        }
    }
}

/// Gathers the pieces of a few bytes that the encoder writes, tens of millions of them for many rows, on their way to `out`.
struct Gathered<'a, W> {
    out: &'a mut W,
    text: String,
}

/// Bytes that are gathered.
const GATHERED: usize = 16 * 1024;

impl<'a, W: Write> Gathered<'a, W> {
    fn new(out: &'a mut W) -> Self {
        Self { out, text: String::with_capacity(GATHERED) }
    }

    fn hand_over(&mut self) -> fmt::Result {
        self.out.write_str(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

impl<W: Write> Write for Gathered<'_, W> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.text.len() + piece.len() > GATHERED {
            self.hand_over()?;
        }
        self.text.push_str(piece);
        Ok(())
    }
}

/// How much a client wants a format.
#[derive(Clone, Copy)]
struct Preference {
    specificity: Specificity,
    quality: f32,
}

/// How closely a media range names a format; the closest one that matches says how much the format is wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Anything,
    Type,
    Named,
}

impl Preference {
    fn of(format: Format, accept: &str) -> Self {
        let unwanted = Self { specificity: Specificity::Anything, quality: 0.0 };
        accept.split(',').filter_map(|range| Self::read(format, range)).fold(unwanted, |best, next| {
            let closer = next.specificity > best.specificity;
            let stronger = next.specificity == best.specificity && next.quality > best.quality;
            if closer || stronger { next } else { best }
        })
    }

    /// `None` when `range` (`text/plain;version=0.0.4;q=0.5`) does not match the format.
    fn read(format: Format, range: &str) -> Option<Self> {
        let (wanted_type, wanted_subtype, wanted_version) = format.names();
        let mut parts = range.split(';').map(str::trim);
        let (main, sub) = parts.next()?.split_once('/')?;
        let specificity = match (main.trim(), sub.trim()) {
            ("*", "*") => Specificity::Anything,
            (main, "*") if main.eq_ignore_ascii_case(wanted_type) => Specificity::Type,
            (main, sub) if main.eq_ignore_ascii_case(wanted_type) && sub.eq_ignore_ascii_case(wanted_subtype) => {
                Specificity::Named
            }
            _ => return None,
        };
        let mut quality = 1.0;
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            if key.trim().eq_ignore_ascii_case("q") {
                quality = value.parse::<f32>().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
            } else if key.trim().eq_ignore_ascii_case("version") && value != wanted_version {
                return None;
            }
        }
        Some(Self { specificity, quality })
    }
}

/// Turns `OpenMetrics` into the text format 0.0.4 on its way to `out`: counters carry `_total` in `# TYPE` and
/// `# HELP` too, and there are no `# UNIT` and `# EOF` lines. Sample lines pass through in the pieces in which they come.
struct TextFilter<'a, W> {
    out: &'a mut W,
    line: Line,
    /// The beginning of a comment line.
    comment: String,
    /// The latest `# HELP` line, kept until `# TYPE` tells whether it is about a counter.
    help: String,
}

/// Where in a line the next piece belongs.
#[derive(Clone, Copy)]
enum Line {
    Start,
    Sample,
    Comment,
}

impl<'a, W: Write> TextFilter<'a, W> {
    fn new(out: &'a mut W) -> Self {
        Self { out, line: Line::Start, comment: String::new(), help: String::new() }
    }

    /// Takes one whole comment line, without its end.
    fn end_comment(&mut self) -> fmt::Result {
        let mut words = self.comment.splitn(4, ' ').skip(1);
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(_), Some(_)) => std::mem::swap(&mut self.help, &mut self.comment),
            (Some("TYPE"), Some(name), Some(kind)) => {
                let suffix = if kind == "counter" { "_total" } else { "" };
                let help = self.help.splitn(4, ' ').nth(3).unwrap_or_default();
                writeln!(self.out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")?;
            }
            _ => {}
        }
        self.comment.clear();
        Ok(())
    }
}

impl<W: Write> Write for TextFilter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, ends) = match rest.find('\n') {
                Some(end) => (&rest[..=end], true),
                None => (rest, false),
            };
            if let Line::Start = self.line {
                self.line = if piece.starts_with('#') { Line::Comment } else { Line::Sample };
            }
            match self.line {
                Line::Comment => {
                    self.comment.push_str(piece.trim_end_matches('\n'));
                    if ends {
                        self.end_comment()?;
                    }
                }
                Line::Start | Line::Sample => self.out.write_str(piece)?,
            }
            if ends {
                self.line = Line::Start;
            }
            rest = &rest[piece.len()..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_accept_header() {
        fn check(accept: &str, expected: Format) {
            assert_eq!(negotiate(Some(accept)), expected, "{accept}");
        }
        // Prometheus 3, without and with native histograms; Prometheus 2; older ones.
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        );
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2",
            Format::OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        );
        check("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Text);
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Text);
        // Browsers, curl, nonsense.
        check("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Format::Text);
        check("*/*", Format::Text);
        check("", Format::Text);
        check(",;/=,q", Format::Text);
        check("application/json", Format::Text);
        // q-values and specificity.
        check("application/openmetrics-text", Format::OpenMetrics);
        check("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1", Format::OpenMetrics);
        check("application/openmetrics-text;q=0.5, text/plain;q=0.5", Format::OpenMetrics);
        check("application/openmetrics-text;q=0.4, text/plain;q=0.5", Format::Text);
        check("application/openmetrics-text;q=0.4, */*;q=0.5", Format::Text);
        check("application/openmetrics-text;q=0, */*", Format::Text);
        check("application/openmetrics-text;q=0", Format::Text);
        check("application/openmetrics-text;q=2", Format::Text);
        check("application/openmetrics-text;q=NaN", Format::Text);
        check("text/plain;q=0, */*", Format::OpenMetrics);
        check("application/*", Format::OpenMetrics);
        check("text/*, application/*", Format::Text);
        check("text/plain;version=1.0.0", Format::Text);
    }

    #[test]
    fn a_request_without_accept_header_gets_the_older_format() {
        assert_eq!(negotiate(None), Format::Text);
    }

    #[test]
    fn only_comment_lines_differ_between_the_formats_however_the_text_is_cut() {
        let open_metrics = "# HELP a_seconds How \"a # b\" took.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                            a_seconds_total{x=\"# TYPE a counter\"} 1.5\n# HELP b Help of b.\n# TYPE b gauge\nb 2\n# EOF\n";
        let expected = "# HELP a_seconds_total How \"a # b\" took.\n# TYPE a_seconds_total counter\n\
                        a_seconds_total{x=\"# TYPE a counter\"} 1.5\n# HELP b Help of b.\n# TYPE b gauge\nb 2\n";
        for size in 1..=open_metrics.len() {
            let mut out = String::new();
            let mut filter = TextFilter::new(&mut out);
            for piece in open_metrics.as_bytes().chunks(size) {
                filter.write_str(std::str::from_utf8(piece).expect("the text is ASCII")).expect("a String takes all");
            }
            assert_eq!(out, expected, "pieces of {size}");
        }
    }
}
