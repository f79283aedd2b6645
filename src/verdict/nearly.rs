//! Names of a certificate that nearly are the one that we expect: what cannot be seen of the difference, and the rule for
//! wildcards that one of them breaks.

use super::Case;
use super::text::shown;
use crate::words::is_hidden;

/// What keeps a name from being the one that is expected.
pub(super) struct Nearly {
    pub(super) what: String,
    pub(super) case: Option<Case>,
}

/// The first name that only nearly is `expected`.
pub(super) fn difference(names: &[&str], expected: &str) -> Option<Nearly> {
    let lookalike = || names.iter().find_map(|name| lookalike(name, expected));
    let wildcard = || names.iter().find_map(|name| wildcard(name, expected));
    lookalike()
        .map(|what| Nearly { what, case: Some(Case::NameLookalike) })
        .or_else(|| wildcard().map(|what| Nearly { what, case: None }))
}

/// It reads the same, or has something around it that cannot be seen.
fn lookalike(name: &str, expected: &str) -> Option<String> {
    let plain: String = name.chars().filter(|letter| !is_invisible(*letter)).map(latin).collect();
    let plain = plain.trim_end_matches('.');
    if !plain.eq_ignore_ascii_case(expected.trim_end_matches('.')) || name.eq_ignore_ascii_case(expected) {
        return None;
    }
    let mut oddities: Vec<String> = Vec::new();
    for (place, letter) in (1..).zip(name.chars()) {
        let code = u32::from(letter);
        let oddity = if letter == ' ' {
            format!("character {place} is a blank")
        } else if is_invisible(letter) {
            format!("character {place} cannot be seen (U+{code:04X})")
        } else if latin(letter) != letter {
            format!("character {place} is {} (U+{code:04X}), not {}", alphabet(letter), latin(letter))
        } else {
            continue;
        };
        if oddities.len() < MOST {
            oddities.push(oddity);
        }
    }
    if name.ends_with('.') {
        return Some(format!("{} ends with a dot, which no name of a certificate may", shown(name)));
    }
    (!oddities.is_empty()).then(|| format!("in {} {}", shown(name), oddities.join(", ")))
}

/// Which rule for `*` is broken (RFC 9525, section 6.3).
fn wildcard(name: &str, expected: &str) -> Option<String> {
    let star = name.find('*')?;
    let shown = shown(name);
    let Some(parent) = name.strip_prefix("*.") else {
        let (before, after) = (&name[..star], &name[star + 1..]);
        let fits =
            expected.len() >= before.len() + after.len() && expected.starts_with(before) && expected.ends_with(after);
        let rule = if name == "*" || before.contains('.') {
            "* must be the first label, with a domain behind it"
        } else {
            "* must be the whole first label, not a part of one"
        };
        return fits.then(|| format!("in {shown} the {rule}"));
    };
    if parent.contains('*') {
        return Some(format!("in {shown} there is more than one *, and only the first label may be one"));
    }
    if expected.eq_ignore_ascii_case(parent) {
        return Some(format!("in {shown} the * stands for exactly one label, and {expected} has none there"));
    }
    let dotted = format!(".{}", parent.to_ascii_lowercase());
    let labels = expected.to_ascii_lowercase().strip_suffix(&dotted)?.split('.').count();
    (labels > 1).then(|| format!("in {shown} the * stands for exactly one label, and {expected} has {labels} there"))
}

fn is_invisible(letter: char) -> bool {
    letter.is_whitespace() || is_hidden(letter)
}

/// The Latin letter that one of another alphabet looks like; itself when it looks like none.
fn latin(letter: char) -> char {
    match letter {
        'а' | 'А' | 'α' | 'Α' | 'ａ' => 'a',
        'в' | 'В' | 'Β' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'Ε' | 'ё' => 'e',
        'һ' | 'н' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ı' => 'i',
        'ј' | 'Ј' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'ӏ' | 'Ӏ' => 'l',
        'м' | 'М' | 'Μ' => 'm',
        'п' | 'Ν' | 'η' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'σ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ѡ' | 'ω' | 'ԝ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'γ' | 'Υ' => 'y',
        'Ζ' => 'z',
        '‐' | '‑' | '‒' | '–' | '—' | '−' => '-',
        '．' | '。' => '.',
        other => other,
    }
}

fn alphabet(letter: char) -> &'static str {
    match letter {
        '\u{370}'..='\u{3ff}' => "a Greek letter",
        '\u{400}'..='\u{52f}' => "a Cyrillic letter",
        '\u{530}'..='\u{58f}' => "an Armenian letter",
        _ => "another character",
    }
}

/// Characters that are told of one name.
const MOST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_said() {
        let check = |name: &str, expected: &str, words: Option<&str>| {
            let found = difference(&[name], expected).map(|nearly| nearly.what);
            assert_eq!(found.as_deref(), words, "{name:?} {expected}");
        };
        check("app.test ", "app.test", Some("in app.test\\x20 character 9 is a blank"));
        check(" app.test", "app.test", Some("in \\x20app.test character 1 is a blank"));
        check("аpp.test", "app.test", Some("in аpp.test character 1 is a Cyrillic letter (U+0430), not a"));
        check("app.tεst", "app.test", None);
        check(
            "арр.test",
            "app.test",
            Some(
                "in арр.test character 1 is a Cyrillic letter (U+0430), not a, character 2 is a Cyrillic letter (U+0440), not p, \
             character 3 is a Cyrillic letter (U+0440), not p",
            ),
        );
        check("app\u{200b}.test", "app.test", Some("in app\\u{200b}.test character 4 cannot be seen (U+200B)"));
        check("app.test.", "app.test", Some("app.test. ends with a dot, which no name of a certificate may"));
        check("app.test", "app.test", None);
        check("other.test", "app.test", None);
    }

    #[test]
    fn the_rule_for_wildcards_that_is_broken_is_named() {
        let check = |name: &str, expected: &str, words: Option<&str>| {
            let found = difference(&[name], expected).map(|nearly| nearly.what);
            assert_eq!(found.as_deref(), words, "{name:?} {expected}");
        };
        let one = "in *.example.com the * stands for exactly one label, and ";
        check("*.example.com", "a.b.example.com", Some(&format!("{one}a.b.example.com has 2 there")));
        check("*.example.com", "example.com", Some(&format!("{one}example.com has none there")));
        check(
            "a*.example.com",
            "app.example.com",
            Some("in a*.example.com the * must be the whole first label, not a part of one"),
        );
        check(
            "app.*.com",
            "app.example.com",
            Some("in app.*.com the * must be the first label, with a domain behind it"),
        );
        check("*", "app", Some("in * the * must be the first label, with a domain behind it"));
        check(
            "*.*.com",
            "app.example.com",
            Some("in *.*.com there is more than one *, and only the first label may be one"),
        );
        check("*.example.org", "app.example.com", None);
    }
}
