//! Text that others wrote, made fit to stand in a line: nothing in it ends the line, steers a terminal or hides.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters that steer a terminal or an editor, or that nobody sees: controls, separators, format characters, fillers,
/// tags, variation selectors and noncharacters.
#[must_use]
pub fn steers(char: char) -> bool {
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
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // Writing to a String cannot fail.
            char if steers(char) => drop(write!(shown, "\\u{{{:x}}}", u32::from(char))),
            char => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// JSON with such characters in its texts written as `\u202e`: it means the same.
#[must_use]
pub fn visible_json(json: String) -> String {
    let hidden = |char: char| char != '\n' && steers(char);
    if !json.chars().any(hidden) {
        return json;
    }
    let mut shown = String::with_capacity(json.len() + 64);
    for char in json.chars() {
        if hidden(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(char);
        }
    }
    shown
}

/// How many columns of a terminal the text takes.
pub(in crate::view) fn width(text: &str) -> usize {
    text.width()
}

/// As much of the text as fits, and an ellipsis where more was.
pub(super) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let mut end = 0;
    for (at, char) in text.char_indices() {
        let wide = char.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        end = at + char.len_utf8();
    }
    Cow::Owned(format!("{}…", text[..end].trim_end()))
}

/// The text in lines of at most so many columns, broken between words; lines after the first begin with `indent` blanks. A
/// word that is longer stays whole, so that it can be copied.
#[must_use]
pub fn folded(text: &str, indent: usize, columns: usize) -> String {
    let mut lines = String::with_capacity(text.len() + 16);
    let (mut taken, mut has_word) = (0, false);
    for (index, word) in text.split(' ').enumerate() {
        let wide = width(word);
        if has_word && taken + 1 + wide > columns {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            taken = indent;
        } else if index > 0 {
            lines.push(' ');
            taken += 1;
        }
        lines.push_str(word);
        taken += wide;
        has_word |= wide > 0;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        fn check(text: &str, expected: &str) {
            assert_eq!(visible(text), expected);
        }
        check("CN=app.example.com,O=Größe 東京", "CN=app.example.com,O=Größe 東京");
        check("a\u{1b}[31mb", "a\\u{1b}[31mb");
        check("a\u{9b}31mb", "a\\u{9b}31mb");
        check("a\r\n\tb\u{0}", "a\\r\\n\\tb\\u{0}");
        check("user\u{202e}txt.exe", "user\\u{202e}txt.exe");
        check("a\u{200b}\u{2028}b", "a\\u{200b}\\u{2028}b");
    }

    #[test]
    fn a_folded_text_keeps_its_words() {
        fn check(text: &str, indent: usize, columns: usize, expected: &str) {
            assert_eq!(folded(text, indent, columns), expected, "{text:?} in {columns}");
        }
        check("one two three", 0, 20, "one two three");
        check("one two three", 0, 7, "one two\nthree");
        check("one two three", 2, 7, "one two\n  three");
        check("  one two", 2, 5, "  one\n  two");
        check("東京 東京", 1, 4, "東京\n 東京");
        check("a https://example.com b", 0, 5, "a\nhttps://example.com\nb");
        check("", 3, 5, "");
    }

    #[test]
    fn a_cut_text_never_takes_more_columns_than_there_are() {
        fn check(text: &str, columns: usize, expected: &str) {
            let shown = cut(text, columns);
            assert_eq!(shown, expected, "{text:?} in {columns}");
            assert!(width(&shown) <= columns.max(1), "{text:?} in {columns}");
        }
        check("refused", 7, "refused");
        check("refused", 6, "refus…");
        check("a bc", 3, "a…");
        check("東京都", 6, "東京都");
        check("東京都", 5, "東京…");
        check("東京都", 4, "東…");
        check("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…");
        check("abc", 1, "…");
    }
}
