//! Text in the columns of a terminal: how wide it is, cut and broken into lines.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
