//! Text for a terminal, whoever wrote it: nothing in it may steer the terminal, hide, or turn the direction of writing.

use std::fmt::Write;

/// Whether escape sequences for colours may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Ansi,
}

/// The text in one line; what must not stand there is written as `\u{...}`, and `\n`, `\r`, `\t`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => out.extend(character.escape_default()),
            character if must_escape(character) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out
}

/// Characters that steer a terminal or an editor, or that nobody sees: controls, separators, format characters, fillers,
/// tags, variation selectors and noncharacters.
#[must_use]
pub fn must_escape(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal_or_turns_the_text() {
        let check = |text: &str, shown: &str| assert_eq!(escaped(text), shown);
        check("CN=Größe ✓ \\ \"q\"", "CN=Größe ✓ \\ \"q\"");
        check("\u{1b}[31mred\u{9b}2J\u{7}", "\\u{1b}[31mred\\u{9b}2J\\u{7}");
        check("a\r\n\tb", "a\\r\\n\\tb");
        check("\u{202e}gpj.exe\u{2066}\u{200b}", "\\u{202e}gpj.exe\\u{2066}\\u{200b}");
    }
}
