//! The small values of a configuration, read from their texts: durations, status codes, hosts, paths and names. Every
//! error says what would be right.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::discovery::{Host, Server, ServerError};
use crate::words::{self, is_hidden};

/// Reads a Prometheus duration: `30s`, `1m30s`, `500ms`, `1h`, `21d`; each unit at most once, large units first.
///
/// # Errors
/// Says what a duration looks like, when `text` is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{} is not a duration; write it like 30s, 1m30s, 500ms, 1h or 21d", quote(text));
    if !text.is_empty() && text != "0" && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!("{} has no unit; write {}s for seconds, or ms, m, h, d", quote(text), cut(text)));
    }
    words::from_setting(text).ok_or_else(wrong)
}

/// Status codes (`204`) and ranges of them (`200-399`), both ends included; a comma stands between several, as in Azure.
pub(super) fn status_codes(text: &str) -> Result<Vec<(u16, u16)>, String> {
    text.split(',').map(|part| range_of_status_codes(part.trim(), text)).collect()
}

fn range_of_status_codes(part: &str, whole: &str) -> Result<(u16, u16), String> {
    let code = |text: &str| match text.parse::<u16>() {
        Ok(code) if text.len() == 3 && (100..=999).contains(&code) => Some(code),
        Ok(_) | Err(_) => None,
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    match (code(first.trim_end()), code(last.trim_start())) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(first), Some(last)) => Err(format!("the range {first}-{last} is reversed; write {last}-{first}")),
        (None, _) | (_, None) => {
            let place = if part == whole { String::new() } else { format!(" in {}", quote(whole)) };
            Err(format!(
                "{}{place} is no status code; write codes or ranges from 100 to 999, like 204, 200-399 or 200-399,401",
                quote(part)
            ))
        }
    }
}

/// A server of a pool.
pub(super) fn server(text: &str) -> Result<Server, String> {
    // Longer than any name, or not to be shown as it is.
    if text.len() > 255 || text.contains(is_hidden) {
        return Err(format!("{} is neither an IP address nor a host name", quote(text)));
    }
    if let Some((address, length)) = text.split_once('/')
        && address.parse::<std::net::IpAddr>().is_ok()
        && length.parse::<u8>().is_ok()
    {
        return Err(format!("{} is a range of addresses; write each server by itself", quote(text)));
    }
    Server::parse(text).map_err(|error| error.to_string())
}

/// A name to speak with: in lower case, an IPv6 address in brackets, as in a Host header (RFC 9110, section 7.2).
pub(super) fn host(text: &str) -> Result<Arc<str>, String> {
    let malformed = || format!("{} is neither a host name nor an IP address", quote(text));
    if text.len() > 255 || text.contains(is_hidden) {
        return Err(malformed());
    }
    match Server::parse(text) {
        Ok(Server { host: Host::Name(name), .. }) => Ok(name),
        Ok(Server { host: Host::Ip(ip), .. }) => Ok(words::bracketed(&ip.to_string()).into()),
        Err(ServerError::Empty) => Err("a host name must not be empty; leave the key out for none".to_owned()),
        Err(ServerError::Port(_)) => {
            Err(format!("{} carries a port; write the name alone, ports go to `port`", quote(text)))
        }
        Err(ServerError::Url(_)) => Err(format!("{} is more than a host name; write the name alone", quote(text))),
        Err(ServerError::Malformed(_)) => Err(malformed()),
        // A name to speak with is not an address to connect to.
        Err(ServerError::Unusable(..) | ServerError::LinkLocal(_)) => {
            let bare = text.trim_start_matches('[').trim_end_matches(']');
            match bare.parse::<std::net::IpAddr>() {
                Ok(ip) => Ok(words::bracketed(&ip.to_string()).into()),
                Err(_) => Err(malformed()),
            }
        }
        Err(error @ ServerError::Unicode(..)) => Err(error.to_string()),
    }
}

/// The path of a request, with its query: visible ASCII only, so that it can never end the request line.
pub(super) fn path(text: &str) -> Result<Arc<str>, String> {
    if text.len() > MAX_PATH {
        return Err(format!("a path has at most {MAX_PATH} characters, this one has {}", text.len()));
    }
    if !text.starts_with('/') {
        let hint = if text.contains("://") { "; the host goes to `host`" } else { "" };
        return Err(format!("a path starts with `/`, {} does not{hint}", quote(text)));
    }
    match text.chars().find(|character| !character.is_ascii_graphic() || *character == '#') {
        None => Ok(text.into()),
        Some('#') => Err("a path has no fragment; leave out `#` and what follows, or write %23".to_owned()),
        Some(' ') => Err("a path holds no spaces; write %20".to_owned()),
        Some(character) if character.is_ascii() => Err("a path holds no control characters".to_owned()),
        Some(character) => {
            let bytes = character.to_string().bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
            Err(format!("a path holds ASCII characters only; write {bytes} for `{character}`"))
        }
    }
}

const MAX_PATH: usize = 4_096;

/// A text to look for in a response.
pub(super) fn expected_body(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0..=MAX_BODY => Ok(text.to_owned()),
        count => Err(format!("the text to look for has at most {MAX_BODY} characters, this one has {count}")),
    }
}

const MAX_BODY: usize = 4_090;

/// The name of a pool, a backend setting or a probe.
pub(super) fn name(text: &str) -> Result<Arc<str>, String> {
    match text {
        "" => Err("a name must not be empty".to_owned()),
        text if text.chars().count() > MAX_NAME => {
            Err(format!("a name has at most {MAX_NAME} characters, this one has {}", text.chars().count()))
        }
        text if text.chars().any(char::is_control) => Err("a name holds no control characters".to_owned()),
        text if text.trim() != text => Err(format!("a name has no spaces around it, {} has", quote(text))),
        text => Ok(text.into()),
    }
}

const MAX_NAME: usize = 128;

/// One segment of an Azure resource id.
pub(super) fn resource_name(text: &str) -> Result<String, String> {
    let holds = |character: char| character.is_alphanumeric() || "-_.()".contains(character);
    if (1..=90).contains(&text.chars().count()) && text.chars().all(holds) && !text.chars().all(|c| c == '.') {
        return Ok(text.to_owned());
    }
    let rule = "1 to 90 letters, digits, `-`, `_`, `.`, `(` or `)`, as in Azure's resource ids";
    Err(format!("{} is no such name; it has {rule}", quote(text)))
}

/// `text` in backquotes, as much of it as [`cut`] shows.
pub(super) fn quote(text: &str) -> String {
    format!("`{}`", cut(text))
}

/// What a message shows of `text`: at most 80 bytes, nothing hidden, and nothing of a private key, which
/// can stand anywhere by mistake.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.contains("PRIVATE KEY") || looks_like_a_key(text) {
        return Cow::Borrowed("(a private key, not shown)");
    }
    Cow::Owned(words::one_line(&words::cut(text, MAX_SHOWN)))
}

const MAX_SHOWN: usize = 80;

/// A line of base64 as PEM has it, 64 characters of every kind: what is left of a key that was torn apart. No name of a
/// file or a server looks like that.
fn looks_like_a_key(text: &str) -> bool {
    const LINE: usize = 60;
    let is_base64 = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '=');
    // Its lines may have run into one, and be in UTF-16.
    let text: String = text.chars().filter(|char| !char.is_control()).collect();
    text.split(|char| !is_base64(char)).any(|run| {
        let has = |kind: fn(&char) -> bool| run.chars().any(|char| kind(&char));
        run.len() >= LINE && has(char::is_ascii_digit) && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase)
    })
}

/// What a message shows of a mapping's key. What stands behind a colon in it was meant as a value, like the password in
/// `"name:password"`, and may be a secret.
pub(super) fn cut_key(text: &str) -> Cow<'_, str> {
    match text.split_once(':') {
        Some((name, _)) => Cow::Owned(format!("{}:…", cut(name))),
        None => cut(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_those_of_prometheus() {
        let check = |text: &str, milliseconds: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        };
        check("30s", 30_000);
        check("1m30s", 90_000);
        check("500ms", 500);
        check("1h", 3_600_000);
        check("21d", 21 * 86_400_000);
        check("1y2w3d4h5m6s7ms", (365 + 14 + 3) * 86_400_000 + 4 * 3_600_000 + 5 * 60_000 + 6_007);
        check("0", 0);
        check("0s", 0);
    }

    #[test]
    fn what_is_no_duration_says_what_one_looks_like() {
        let check = |text: &str, fragment: &str| {
            let message = parse_duration(text).expect_err(text);
            assert!(message.contains(fragment), "{text}: {message}");
        };
        check("30", "`30` has no unit; write 30s");
        check("1.5", "has no unit");
        for wrong in ["", "s", "30 s", "30S", "1.5h", "-1s", "30s1m", "1s1s", "1x", "99999999999999999999s", "1é", "é"]
        {
            check(wrong, "is not a duration; write it like 30s");
        }
        check("99999999999y", "is not a duration");
    }

    #[test]
    fn status_codes_are_codes_and_ranges_from_100_to_999() {
        let check = |text: &str, codes: &[(u16, u16)]| assert_eq!(status_codes(text), Ok(codes.to_vec()), "{text}");
        check("200", &[(200, 200)]);
        check("200-399", &[(200, 399)]);
        check("200 - 204", &[(200, 204)]);
        check("100-999", &[(100, 999)]);
        check("999", &[(999, 999)]);
        check("200-399,401", &[(200, 399), (401, 401)]);
        check("200, 204 , 300 - 302", &[(200, 200), (204, 204), (300, 302)]);
        let check = |text: &str, fragment: &str| {
            let message = status_codes(text).expect_err(text);
            assert!(message.contains(fragment), "{text}: {message}");
        };
        check("399-200", "reversed; write 200-399");
        check("200,399-300", "reversed; write 300-399");
        check("200,2xx", "`2xx` in `200,2xx` is no status code");
        for wrong in
            ["", "2xx", "99", "1000", "0200", "+20", "200-", "-200", "200-399-500", "200,", ",200", "200;204", "ok"]
        {
            check(wrong, "is no status code");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_in_its_usual_form() {
        let check = |text: &str, host_name: &str| assert_eq!(host(text).as_deref(), Ok(host_name), "{text}");
        check("API.Example.com", "api.example.com");
        check("api.example.com.", "api.example.com");
        check("10.0.0.4", "10.0.0.4");
        check("2001:DB8:0::7", "[2001:db8::7]");
        check("[2001:db8::7]", "[2001:db8::7]");
        let check = |text: &str, fragment: &str| {
            let message = host(text).expect_err(text);
            assert!(message.contains(fragment), "{text}: {message}");
        };
        check("", "must not be empty");
        check("api.example.com:8443", "carries a port");
        check("https://api.example.com", "more than a host name");
        check("api.example.com/healthz", "more than a host name");
        check("10.0.0.256", "neither a host name nor an IP address");
        check("*.example.com", "neither a host name nor an IP address");
        check("a b", "neither a host name nor an IP address");
        check("a\r\nX-Injected: 1", "neither a host name nor an IP address");
        check(&"a".repeat(300), "neither a host name nor an IP address");
    }

    #[test]
    fn a_path_can_never_end_the_request_line() {
        let check = |text: &str| assert_eq!(path(text).as_deref(), Ok(text));
        check("/");
        check("/healthz?full=1&x=%20~");
        let check = |text: &str, fragment: &str| {
            let message = path(text).expect_err(text);
            assert!(message.contains(fragment), "{text}: {message}");
        };
        check("", "starts with `/`");
        check("healthz", "`healthz` does not");
        check("http://a/b", "the host goes to `host`");
        check("/a b", "write %20");
        check("/a\r\nHost: b", "no control characters");
        check("/a\tb", "no control characters");
        check("/a#b", "no fragment");
        check("/ä", "write %C3%A4");
        check(&"/".repeat(4097), "at most 4096 characters");
    }

    #[test]
    fn what_is_quoted_is_short_and_harmless() {
        assert_eq!(quote("abc"), "`abc`");
        assert_eq!(quote("a\x1b[31m\nb"), "`a\u{fffd}[31m b`");
        assert_eq!(quote("a\u{202e}b\u{feff}"), "`a\u{fffd}b\u{fffd}`");
        assert_eq!(quote(&"ü".repeat(90)), format!("`{}…`", "ü".repeat(38)));
        assert_eq!(quote("-----BEGIN PRIVATE KEY-----\nMC4CAQ"), "`(a private key, not shown)`");
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_the_same(milliseconds in 0_u64..4_000_000_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&words::setting(duration)), Ok(duration));
        }

        #[test]
        fn a_written_status_range_reads_the_same(first in 100_u16..=999, more in 0_u16..900) {
            let codes = (first, (first + more).min(999));
            prop_assert_eq!(status_codes(&words::status_codes(codes)), Ok(vec![codes]));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,12}|[0-9a-z.:/\\[\\]-]{0,12}") {
            let _ = (parse_duration(&text), status_codes(&text), host(&text), server(&text), path(&text));
            let _ = (name(&text), resource_name(&text), quote(&text), words::nearest(&text, ["interval"]));
        }
    }
}
