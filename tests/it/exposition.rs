//! An independent reader of the two text formats, which panics at whatever the formats forbid.

use std::collections::BTreeSet;

use backend_health_exporter::view::exposition::Format;

/// A family as read.
#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// A sample as read, escapes resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Sample {
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// Reads a whole text.
///
/// # Panics
/// When a comment line comes twice for a family or after its samples, a family is in two places or without samples, a
/// sample does not belong to the family it stands in, a series comes twice, or the text does not end as it must.
pub fn read(text: &str, format: Format) -> Vec<Family> {
    let body = match format {
        Format::OpenMetrics => text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF"),
        Format::Text => text,
    };
    assert!(body.ends_with('\n'), "the last line ends");
    let mut families: Vec<Family> = Vec::new();
    let mut series = BTreeSet::new();
    let mut open: Option<Family> = None;
    for line in body.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            if let Some(done) = open.take() {
                families.push(done);
            }
            let (name, help) = rest.split_once(' ').expect("help has a text");
            assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
            assert!(!help.contains(['\\', '"']), "help needs escaping: {help}");
            open = Some(Family { name: name.into(), kind: String::new(), help: help.into(), samples: Vec::new() });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let family = open.as_mut().expect("help stands before type");
            let (name, kind) = rest.split_once(' ').expect("a type line names a type");
            assert_eq!(family.name, name, "type and help belong together");
            assert!(family.kind.is_empty() && family.samples.is_empty(), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            family.kind = kind.into();
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            assert_eq!(format, Format::OpenMetrics, "{line}");
            let family = open.as_ref().expect("help stands before unit");
            let (name, unit) = rest.split_once(' ').expect("a unit line names a unit");
            assert_eq!(family.name, name);
            assert!(family.samples.is_empty() && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let sample = read_sample(line);
            let family = open.as_mut().expect("a family is described before its samples");
            let suffix = sample.name.strip_prefix(&family.name).unwrap_or_else(|| panic!("out of place: {line}"));
            let allowed: &[&str] = match (family.kind.as_str(), format) {
                ("counter", Format::OpenMetrics) => &["_total"],
                ("histogram", _) => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{line} in {family:?}");
            let mut labels = sample.labels.clone();
            labels.sort();
            assert!(labels.windows(2).all(|pair| pair[0].0 != pair[1].0), "a label twice: {line}");
            assert!(series.insert((sample.name.clone(), labels)), "a series twice: {line}");
            family.samples.push(sample);
        }
    }
    families.extend(open);
    for family in &families {
        assert!(!family.samples.is_empty(), "{} has no samples", family.name);
        assert!(!family.kind.is_empty(), "{} has no type", family.name);
        let total = family.kind == "counter" && format == Format::Text;
        assert_eq!(family.name.ends_with("_total"), total, "{}", family.name);
    }
    families
}

/// Reads one line that is no comment.
///
/// # Panics
/// When it is no sample.
pub fn read_sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line:?}"));
    let (name, mut rest) = line.split_at(end);
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()), "{line}");
    let mut labels = Vec::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (key, after) = inner.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            assert!(
                key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()),
                "{line}"
            );
            let (value, after) = read_value(after);
            labels.push((key.to_owned(), value));
            if let Some(next) = after.strip_prefix(',') {
                inner = next;
            } else {
                rest = after.strip_prefix('}').unwrap_or_else(|| panic!("labels do not end: {line}"));
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line}"));
    Sample { name: name.to_owned(), labels, value: value.parse().unwrap_or_else(|_| panic!("no number: {line}")) }
}

/// The value up to its closing quote, escapes resolved, and what stands behind it.
fn read_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => panic!("no such escape: {other:?} in {text}"),
            },
            _ => value.push(character),
        }
    }
    panic!("no closing quote: {text}")
}
