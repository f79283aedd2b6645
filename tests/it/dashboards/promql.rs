//! Reads the selectors of a query, with Grafana's variables still in it. Whether it is one at all is for promtool to say.

/// One selector: `metric{label="value"}[range]`, and the call that it stands in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    /// As written: `job=~"$job"`.
    pub(super) matchers: Vec<String>,
    pub(super) range: Option<String>,
    /// The innermost function or aggregation around it.
    pub(super) within: Option<String>,
}

/// Words before a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words that are neither functions nor metrics.
const OPERATORS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];

pub(super) fn selectors(expression: &str) -> Vec<Selector> {
    let mut reader = Reader { rest: expression };
    let (mut found, mut calls, mut called) = (Vec::new(), Vec::new(), None);
    while let Some(letter) = reader.peek() {
        match letter {
            '"' => drop(reader.string()),
            '(' => {
                reader.skip(1);
                calls.push(called.take());
            }
            ')' => {
                reader.skip(1);
                calls.pop();
            }
            '{' => {
                let within = calls.iter().rev().flatten().next().cloned();
                found.push(reader.selector(String::new(), within));
            }
            letter if letter.is_alphabetic() || letter == '_' || letter == ':' => {
                let word = reader.word();
                if BEFORE_LABELS.contains(&word.as_str()) {
                    reader.list();
                } else if !OPERATORS.contains(&word.as_str()) {
                    let next = Reader { rest: reader.rest }.next_word();
                    if reader.peek() == Some('(') || BEFORE_LABELS[..2].contains(&next.as_str()) {
                        called = Some(word);
                    } else {
                        let within = calls.iter().rev().flatten().next().cloned();
                        found.push(reader.selector(word, within));
                    }
                }
            }
            // A number with its unit is no metric.
            letter if letter.is_ascii_digit() => drop(reader.word()),
            other => reader.skip(other.len_utf8()),
        }
    }
    found
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// The next letter that is no white space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn word(&mut self) -> String {
        self.until(|letter| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
    }

    fn next_word(mut self) -> String {
        self.peek();
        self.word()
    }

    fn until(&mut self, ends: impl Fn(char) -> bool) -> String {
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        let text = self.rest[..length].to_owned();
        self.skip(length);
        text
    }

    fn string(&mut self) -> String {
        self.skip(1);
        let text = self.until(|letter| letter == '"');
        self.skip(1);
        text
    }

    /// `(label, label)`, if it is there.
    fn list(&mut self) {
        if self.peek() == Some('(') {
            self.until(|letter| letter == ')');
            self.skip(1);
        }
    }

    fn selector(&mut self, metric: String, within: Option<String>) -> Selector {
        let mut selector = Selector { metric, within, ..Selector::default() };
        if self.peek() == Some('{') {
            self.skip(1);
            while self.peek().is_some_and(|letter| letter != '}') {
                let label = self.until(|letter| letter == '"');
                let value = self.string();
                selector.matchers.push(format!("{}\"{value}\"", label.trim_start_matches([',', ' '])));
            }
            self.skip(1);
        }
        if self.peek() == Some('[') {
            self.skip(1);
            selector.range = Some(self.until(|letter| letter == ']'));
            self.skip(1);
        }
        selector
    }
}

#[test]
fn selectors_are_read_with_their_matchers_range_and_call() {
    type Expected<'a> = (&'a str, &'a [&'a str], Option<&'a str>, Option<&'a str>);
    let check = |expression: &str, expected: &[Expected<'_>]| {
        let expected: Vec<Selector> = expected
            .iter()
            .map(|(metric, matchers, range, within)| Selector {
                metric: (*metric).to_owned(),
                matchers: matchers.iter().map(|matcher| (*matcher).to_owned()).collect(),
                range: range.map(str::to_owned),
                within: within.map(str::to_owned),
            })
            .collect();
        assert_eq!(selectors(expression), expected, "{expression}");
    };
    check("up", &[("up", &[], None, None)]);
    check("1 + 2 * 1e3", &[]);
    check("vector(0)", &[]);
    check("up{job=~\"$job\", a!=\"b c\"}", &[("up", &["job=~\"$job\"", "a!=\"b c\""], None, None)]);
    check("{a=\"b\"}", &[("", &["a=\"b\""], None, None)]);
    check("rate(x_total[$__rate_interval])", &[("x_total", &[], Some("$__rate_interval"), Some("rate"))]);
    check("sum by (a, b) (rate(x[5m])) / y", &[("x", &[], Some("5m"), Some("rate")), ("y", &[], None, None)]);
    check("sum(x) by (a) > bool 2", &[("x", &[], None, Some("sum"))]);
    check("rate(x[5m] offset 5m)", &[("x", &[], Some("5m"), Some("rate"))]);
    check("a * on (b) group_left (c) d", &[("a", &[], None, None), ("d", &[], None, None)]);
    check("a and on (b) c @ end()", &[("a", &[], None, None), ("c", &[], None, None)]);
    check("label_replace(a, \"b\", \"$1 up\", \"c\", \"(.*)\")", &[("a", &[], None, Some("label_replace"))]);
    check("(x_total) + 0", &[("x_total", &[], None, None)]);
    check("rate((x_total)[5m:1m])", &[("x_total", &[], None, Some("rate"))]);
}
