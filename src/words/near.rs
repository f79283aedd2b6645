//! Which known word was probably meant.

/// Letters of a word that are compared.
const MOST_LETTERS: usize = 64;

/// Words that are searched for a near one.
const MOST_WORDS: usize = 1_000;

/// Letters to change, add, leave out or swap to make one of the other.
#[must_use]
pub fn typing_errors(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

/// The known word that was probably meant by `written`, if one is near enough.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Case, hyphens and the like are the commonest slips, among them the camel case of Azure's templates.
    let plain = |text: &str| -> String {
        text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).take(MOST_LETTERS).collect()
    };
    let written = plain(written);
    let likeness = |word: &'a str| {
        let plain = plain(word);
        let errors = typing_errors(&written, &plain);
        (errors <= plain.chars().count().max(3) / 3).then_some((errors, word))
    };
    known.into_iter().take(MOST_WORDS).filter_map(likeness).min_by_key(|(errors, _)| *errors).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let known = ["interval", "timeout", "unhealthy_threshold", "pick_host_name_from_backend_settings"];
        let check = |written: &str, meant| assert_eq!(nearest(written, known), meant, "{written}");
        check("intervall", Some("interval"));
        check("itnerval", Some("interval"));
        check("Timeout", Some("timeout"));
        check("unhealthyThreshold", Some("unhealthy_threshold"));
        check("pickHostNameFromBackendHttpSettings", Some("pick_host_name_from_backend_settings"));
        check("method", None);
        check("", None);
    }
}
