//! Reads as much of an expression as it takes to know which metrics and labels it speaks of.

/// A metric with the labels that are asked of it, or only labels when the selector has no name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    /// (label, operator, value)
    pub(super) matchers: Vec<(String, String, String)>,
}

/// What an expression speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mentioned {
    pub(super) selectors: Vec<Selector>,
    /// Labels of `by`, `without`, `on`, `ignoring` and `group_left`.
    pub(super) labels: Vec<String>,
}

/// # Panics
/// When braces, brackets or quotes are not closed.
pub(super) fn mentioned(expression: &str) -> Mentioned {
    let mut found = Mentioned::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() || first == '_' {
            let (word, after) = word(rest);
            rest = after.trim_start();
            if LISTS.contains(&word) && rest.starts_with('(') {
                let (list, after) = rest[1..].split_once(')').expect("a list is closed");
                found
                    .labels
                    .extend(list.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
                rest = after;
            } else if !is_function(rest) && !OPERATORS.contains(&word) && !LISTS.contains(&word) {
                let matchers = if rest.starts_with('{') { matchers(&mut rest) } else { Vec::new() };
                found.selectors.push(Selector { metric: word.to_owned(), matchers });
            }
        } else if first == '{' {
            found.selectors.push(Selector { metric: String::new(), matchers: matchers(&mut rest) });
        } else if first == '[' {
            rest = rest.split_once(']').expect("a bracket is closed").1;
        } else if first == '"' {
            rest = rest[1..].split_once('"').expect("a quote is closed").1;
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// Whether what follows a word makes it a function, as in `sum(x)` and `sum by (a) (x)`.
fn is_function(rest: &str) -> bool {
    rest.starts_with('(') || rest.starts_with("by ") || rest.starts_with("without ")
}

/// The name at the beginning, and what follows.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    text.split_at(end.unwrap_or(text.len()))
}

/// Reads from `{` to `}`.
fn matchers(rest: &mut &str) -> Vec<(String, String, String)> {
    let mut matchers = Vec::new();
    let mut text = &rest[1..];
    loop {
        text = text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
        if let Some(after) = text.strip_prefix('}') {
            *rest = after;
            return matchers;
        }
        let (label, after) = word(text);
        let quote = after.find('"').expect("a matcher has a value");
        let (value, after_value) = after[quote + 1..].split_once('"').expect("a quote is closed");
        matchers.push((label.to_owned(), after[..quote].trim().to_owned(), value.to_owned()));
        text = after_value;
    }
}

const LISTS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

const OPERATORS: &[&str] = &["and", "or", "unless", "bool", "offset"];

#[test]
fn expressions_are_read_as_prometheus_reads_them() {
    type Matcher = (&'static str, &'static str, &'static str);
    fn check(expression: &str, selectors: &[(&str, &[Matcher])], labels: &[&str]) {
        let found = mentioned(expression);
        let selectors: Vec<_> = selectors
            .iter()
            .map(|(metric, matchers)| Selector {
                metric: (*metric).to_owned(),
                matchers: matchers.iter().map(|(l, o, v)| ((*l).into(), (*o).into(), (*v).into())).collect(),
            })
            .collect();
        assert_eq!(found, Mentioned { selectors, labels: labels.iter().map(|label| (*label).to_owned()).collect() });
    }
    check("up", &[("up", &[])], &[]);
    check("1 + 2.5", &[], &[]);
    check("a:b:c[5m] offset 15m >= 5", &[("a:b:c", &[])], &[]);
    check(r#"up{job="x y", a!~"b|c",}"#, &[("up", &[("job", "=", "x y"), ("a", "!~", "b|c")])], &[]);
    check("sum without (a, b) (rate(x[5m]))", &[("x", &[])], &["a", "b"]);
    check("sum(x) by (a)", &[("x", &[])], &["a"]);
    check("x * on (a) group_left (b) y unless y", &[("x", &[]), ("y", &[]), ("y", &[])], &["a", "b"]);
    check("x and on () y", &[("x", &[]), ("y", &[])], &[]);
    check(r#"{job="a"}"#, &[("", &[("job", "=", "a")])], &[]);
    check("clamp_max(x / 4, 21 * 86400)", &[("x", &[])], &[]);
}
