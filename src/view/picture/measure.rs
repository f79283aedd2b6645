//! Breaks text into lines of a width. SVG does not do that, and nobody knows the reader's font: reckoned with are the
//! widths of `DejaVu Sans`, the widest of the usual ones, so that text never leaves its box.

/// How heavy the letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The text in at most `max` lines, none wider than `width` at this size; `…` ends the last one when there is more.
/// All in the picture's own units.
pub(super) fn wrap(text: &str, width: usize, size: usize, weight: Weight, max: usize) -> Vec<String> {
    let room = width * 100 / size;
    let of = |character| match weight {
        Weight::Regular => advance(character),
        Weight::Bold => advance(character) * 9 / 8,
    };
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < max {
        let is_last = lines.len() + 1 == max;
        let line = first_line(rest, room, of);
        if line.len() < rest.len() && is_last {
            lines.push(format!("{}…", fitting(rest, room.saturating_sub(of('…')), of).trim_end()));
            break;
        }
        lines.push(line.trim_end().to_owned());
        rest = rest[line.len()..].trim_start();
    }
    lines
}

/// As much as fits, broken where a reader expects it, if that is not too early in the line.
fn first_line(text: &str, room: usize, of: impl Fn(char) -> usize) -> &str {
    let fits = fitting(text, room, of);
    if fits.len() == text.len() {
        return text;
    }
    if text[fits.len()..].starts_with(' ') {
        return fits;
    }
    let breaks = fits.char_indices().filter(|(_, character)| " ,.-/:=+".contains(*character));
    match breaks.map(|(at, character)| at + character.len_utf8()).next_back() {
        Some(end) if end * 3 > fits.len() => &fits[..end],
        _ => fits,
    }
}

/// At least one character, or a narrow box would never be filled.
fn fitting(text: &str, room: usize, of: impl Fn(char) -> usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().skip(1).find_map(|(at, _)| {
        used += text[..at].chars().next_back().map_or(0, &of);
        let next = text[at..].chars().next().map_or(0, &of);
        (used + next > room).then_some(at)
    });
    &text[..end.unwrap_or(text.len())]
}

/// In hundredths of the letters' size.
fn advance(character: char) -> usize {
    match character {
        ' '..='~' => usize::from(ASCII[character as usize - 32]),
        '\u{300}'..='\u{36f}' => 0,
        '\u{a0}'..='\u{10ff}' => 75,
        '\u{2010}'..='\u{2027}' => 60,
        _ => 110,
    }
}

#[rustfmt::skip]
const ASCII: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84,
    84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40,
    34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60,
    53, 64, 34, 64, 84,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_a_reader_expects_it_and_never_run_over() {
        fn check(text: &str, width: usize, max: usize, expected: &[&str]) {
            assert_eq!(wrap(text, width, 10, Weight::Regular, max), expected, "{text}");
        }
        check("", 100, 3, &[]);
        check("short", 100, 3, &["short"]);
        check("two words", 40, 3, &["two", "words"]);
        check("CN=a.example.com,O=Corp", 90, 3, &["CN=a.example.", "com,O=Corp"]);
        check("CN=a.example.com,O=Corp", 90, 1, &["CN=a.example.…"]);
        check("iiiiiiii", 15, 2, &["iiiii", "iii"]);
        check("WWW", 1, 9, &["W", "W", "W"]);
        check("證明書", 23, 2, &["證明", "書"]);
        check("  spaces  around  ", 500, 2, &["spaces  around"]);
    }

    #[test]
    fn a_long_text_costs_no_more_than_its_lines() {
        let lines = wrap(&"x".repeat(1 << 20), 200, 13, Weight::Bold, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with('…'));
    }
}
