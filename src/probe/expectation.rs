//! What a response must be like to count as healthy, as values that are checked when they are made: patterns that compile,
//! paths that cannot take long.

use std::fmt;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use serde_json_path::JsonPath;

use crate::words::status_codes;

/// What a response must be like to count as healthy: all of it must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Inclusive ranges of status codes, in the order written.
    pub status_codes: Vec<(u16, u16)>,
    /// A substring of the body's first 64 KiB; empty: any body.
    pub body: String,
    /// What the same part of the body must match.
    pub body_regex: Option<Pattern>,
    /// What it must not match.
    pub body_not_regex: Option<Pattern>,
    /// What the body must be as JSON, in the order written.
    pub json: Vec<Rule<Path>>,
    /// What its headers must be, in the order written.
    pub headers: Vec<Rule<Arc<str>>>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self {
            status_codes: vec![(200, 399)],
            body: String::new(),
            body_regex: None,
            body_not_regex: None,
            json: Vec::new(),
            headers: Vec::new(),
        }
    }
}

impl Expectation {
    /// The status codes as they are written: `200-399, 401`.
    #[must_use]
    pub fn statuses(&self) -> String {
        self.status_codes.iter().map(|codes| status_codes(*codes)).collect::<Vec<_>>().join(", ")
    }

    /// What has to come back, part by part.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let codes = format!("status {}", self.statuses());
        let body = (!self.body.is_empty()).then(|| format!("{:?} in the body", self.body));
        let found = self.body_regex.as_ref().map(|pattern| format!("a match of {pattern:?} in the body"));
        let absent = self.body_not_regex.as_ref().map(|pattern| format!("no match of {pattern:?} in the body"));
        let json = self.json.iter().map(|rule| rule.wanted.in_words(rule.at.as_str()));
        let headers = self.headers.iter().map(|rule| rule.wanted.in_words(&format!("the header {}", rule.at)));
        [codes].into_iter().chain(body).chain(found).chain(absent).chain(json).chain(headers).collect()
    }

    /// Whether anything but the first bytes of the body is looked at.
    #[must_use]
    pub fn looks_at_the_body(&self) -> bool {
        !self.body.is_empty() || self.body_regex.is_some() || self.body_not_regex.is_some() || !self.json.is_empty()
    }
}

/// What must hold of the values at one place; several values: of any of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule<At> {
    pub at: At,
    pub wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Of the same type, and the same. Headers are texts.
    Equals(serde_json::Value),
    Matches(Pattern),
    /// Whether there must be one.
    Exists(bool),
}

impl Wanted {
    /// What is wanted of `what`.
    #[must_use]
    pub fn in_words(&self, what: &str) -> String {
        match self {
            Self::Equals(value) => format!("{what} to be {value}"),
            Self::Matches(pattern) => format!("{what} to match {pattern:?}"),
            Self::Exists(true) => format!("{what} to be there"),
            Self::Exists(false) => format!("{what} not to be there"),
        }
    }
}

/// A regular expression of the crate `regex`, which takes time in proportion to the text however it is written.
#[derive(Clone)]
pub struct Pattern {
    regex: Regex,
}

/// Most that a compiled pattern may take, in bytes, and as much again while it is used.
const MAX_COMPILED: usize = 1 << 20;

impl Pattern {
    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
        built.map(|regex| Self { regex }).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "it is too large once it is compiled; make its repetitions smaller".to_owned()
            }
            other => in_one_line(&other.to_string()),
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Whether it matches anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}

/// The library draws an arrow below the pattern; its last line says what is wrong.
fn in_one_line(error: &str) -> String {
    let place = error.lines().find_map(|line| line.trim_start().starts_with('^').then(|| line.find('^')).flatten());
    let what = error.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(error).trim();
    match place {
        // The library indents the pattern by four.
        Some(column) if error.lines().count() == 4 => format!("{what}, at character {}", column.saturating_sub(4) + 1),
        Some(_) | None => what.replace('\n', " "),
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// A `JSONPath` (RFC 9535) that stays quick on whatever a server sends.
#[derive(Clone)]
pub struct Path {
    text: Arc<str>,
    path: JsonPath,
}

impl Path {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = JsonPath::parse(text).map_err(|error| {
            let at = text.get(..error.position()).map_or(0, |before| before.chars().count()) + 1;
            let hint = if text.starts_with('$') { "" } else { "; a path begins with $" };
            format!("{}, at character {at}{hint}", error.message())
        })?;
        let marks = outside_of_quotes(text);
        if marks.matches("..").count() > 2 {
            return Err(
                "it looks through all of the body more than twice (`..`), which a large one would make slow; name \
                        the members on the way"
                    .to_owned(),
            );
        }
        if let Some((_, filter)) = marks.split_once('?')
            && (filter.contains("..") || filter.contains('$'))
        {
            return Err(
                "a filter (`?`) that looks at all of the body for each element (`$`, `..`) would be slow on a \
                        large one; begin with @, and name the members on the way"
                    .to_owned(),
            );
        }
        Ok(Self { text: text.into(), path })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Everything that it selects.
    #[must_use]
    pub fn select<'v>(&self, value: &'v serde_json::Value) -> Vec<&'v serde_json::Value> {
        self.path.query(value).all()
    }
}

/// The text with what stands between quotes left out.
fn outside_of_quotes(text: &str) -> String {
    let (mut kept, mut quote, mut escaped) = (String::new(), None, false);
    for character in text.chars() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, _) => kept.push(character),
        }
    }
    kept
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_pattern_that_cannot_be_says_why_and_where() {
        let check = |text: &str, expected: &str| {
            let error = Pattern::parse(text).expect_err(text);
            assert_eq!(error, expected, "{text}");
        };
        check("a(b", "unclosed group, at character 2");
        check("[z-a]", "invalid character class range, the start must be <= the end, at character 2");
        check("(?=x)", "look-around, including look-ahead and look-behind, is not supported, at character 1");
        check("(a{1000}){1000}", "it is too large once it is compiled; make its repetitions smaller");
        assert!(Pattern::parse("^ok$").is_ok_and(|pattern| pattern.is_match(b"ok") && !pattern.is_match(b"no ok")));
    }

    #[test]
    fn a_path_that_could_take_long_is_refused() {
        for right in ["$.status", "$..status", "$..*..name", "$.components[?@.status == 'DOWN']", "$['a..b..c..?$']"] {
            assert!(Path::parse(right).is_ok(), "{right}: {:?}", Path::parse(right));
        }
        let check = |text: &str, part: &str| {
            let error = Path::parse(text).expect_err(text);
            assert!(error.contains(part) && !error.contains('\n'), "{text}: {error}");
        };
        check("status", "a path begins with $");
        check("$.", "at character");
        check("$..*..*..*", "more than twice");
        check("$.a[?$..b]", "would be slow");
        check("$.a[?@..b]", "would be slow");
        check("$[?$[*]]", "would be slow");
    }

    #[test]
    fn hostile_bodies_take_no_time() {
        let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
        let wide = format!("[{}]", "[0],".repeat(16_000).trim_end_matches(','));
        let nested: String = (0..60).map(|_| r#"{"a":[1,2,3,4,5,6,7,8,"#).collect::<String>() + "0" + &"]}".repeat(60);
        let begun = Instant::now();
        for body in [deep, wide, nested] {
            let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            for path in ["$..*..*", "$..*..a", "$..[?@.a == 1]", "$..[?@[0] == 0]", "$[*][*]", "$..a..a"] {
                let selected = Path::parse(path).expect("a path").select(&value).len();
                assert!(selected < 5_000_000, "{path}: {selected}");
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let text = vec![b'a'; 64 * 1024];
        let begun = Instant::now();
        for pattern in ["(a+)+$b", "(a|aa)*c", "(.*)(.*)(.*)x"] {
            assert!(!Pattern::parse(pattern).expect("a pattern").is_match(&text));
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
