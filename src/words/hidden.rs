//! Text that others wrote, made fit to stand in a line: nothing in it ends the line, steers a terminal or hides.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that steer a terminal or an editor, or that nobody sees: controls, separators, format characters, fillers,
/// tags, variation selectors and noncharacters. The one list of them.
#[must_use]
pub fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The text with such characters written as `\n` or `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |shown, char| match char {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        // Writing to a String cannot fail.
        char => drop(write!(shown, "\\u{{{:x}}}", u32::from(char))),
    })
}

/// JSON with such characters in its texts written as `\u202e`: it means the same.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    replaced(json, |shown, char| match char {
        '\n' => shown.push('\n'),
        char => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    })
}

/// The text in its own lines, whichever way they end, with a sign in place of each such character.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") {
        return Cow::Owned(masked(&text.replace("\r\n", "\n")).into_owned());
    }
    replaced(text, |shown, char| {
        shown.push(if matches!(char, '\n' | '\t') { char } else { char::REPLACEMENT_CHARACTER });
    })
}

/// The text in one line, with a sign in place of each such character.
#[must_use]
pub fn one_line(text: &str) -> String {
    let replace = |char| if matches!(char, '\n' | '\r' | '\t') { ' ' } else { char::REPLACEMENT_CHARACTER };
    text.chars().map(|char| if is_hidden(char) { replace(char) } else { char }).collect()
}

fn replaced(text: &str, replace: fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_hidden(char) {
            replace(&mut shown, char);
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_hides_is_shown_or_replaced() {
        fn check(text: &str, escaped: &str, line: &str, lines: &str) {
            assert_eq!((&*visible(text), one_line(text).as_str(), &*masked(text)), (escaped, line, lines));
        }
        check("plain ü 🦀", "plain ü 🦀", "plain ü 🦀", "plain ü 🦀");
        check("a\r\nb\tc", "a\\r\\nb\\tc", "a  b c", "a\nb\tc");
        check("a\rb\r\n", "a\\rb\\r\\n", "a b  ", "a\u{fffd}b\n");
        check("\u{0}\u{1b}[31m", "\\u{0}\\u{1b}[31m", "\u{fffd}\u{fffd}[31m", "\u{fffd}\u{fffd}[31m");
        check("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c", "a\u{fffd}b\u{fffd}c", "a\u{fffd}b\u{fffd}c");
        check(
            "a\u{200b}\u{2028}\u{feff}",
            "a\\u{200b}\\u{2028}\\u{feff}",
            "a\u{fffd}\u{fffd}\u{fffd}",
            "a\u{fffd}\u{fffd}\u{fffd}",
        );
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "text": "a\u{202e}b\u{9b}\n\u{e0041}" });
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let shown = visible_json(&pretty);
        assert!(
            shown.contains("\\u202e")
                && shown.contains('\n')
                && !shown.contains(|char| char != '\n' && is_hidden(char))
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
