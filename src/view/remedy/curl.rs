//! How `curl` asks what a probe asks: the options for its method, headers, login and body. A secret is never shown: it is
//! read from its file, asked for by `curl`, or said to be missing.

use super::shell_word;
use crate::probe::{Ask, Body, Login, Method, Value};
use crate::words::is_hidden;

/// Longest body that stands in a command, in bytes.
const LONGEST_BODY: usize = 300;

/// The options, each followed by a blank, and what is to be said behind the command.
pub(super) fn options(ask: &Ask) -> (String, String) {
    let (mut options, mut missing) = (String::new(), Vec::new());
    let mut push = |option: Option<String>, what: String| match option {
        Some(option) => {
            options.push_str(&option);
            options.push(' ');
        }
        None => missing.push(what),
    };
    match ask.method {
        Method::Get => {}
        // Asked for by name, it would wait for a body.
        Method::Head => push(Some("-I".to_owned()), String::new()),
        method => push(Some(format!("-X {}", method.as_str())), String::new()),
    }
    for header in &ask.headers {
        push(field(&header.name, "", &header.value), format!("the header {}", header.name));
    }
    match &ask.login {
        Some(Login::Basic { username, password }) => push(basic(username, password), "the login".to_owned()),
        Some(Login::Authorization { scheme, credentials }) => {
            push(field("Authorization", &format!("{scheme} "), credentials), "the header Authorization".to_owned());
        }
        None => {}
    }
    if let Some(given) = &ask.body {
        push(body(given), "the body".to_owned());
    }
    let missing = match missing.as_slice() {
        [] => String::new(),
        missing => format!(" # the probe also sends {}, which is not shown here", missing.join(", ")),
    };
    (options, missing)
}

fn field(name: &str, scheme: &str, value: &Value) -> Option<String> {
    match value {
        Value::Open(value) => Some(format!("-H {}", quoted(&format!("{name}: {scheme}{value}"))?)),
        Value::Secret { file: Some(file), .. } => {
            Some(format!("-H \"{name}: {scheme}$(cat {})\"", shell_word(file).filter(|_| is_plain(scheme))?))
        }
        Value::Secret { file: None, .. } => None,
    }
}

/// `curl` asks for a password that is not there.
fn basic(username: &str, password: &Value) -> Option<String> {
    let name = shell_word(username)?;
    match password {
        Value::Secret { file: Some(file), .. } if is_plain(username) => {
            Some(format!("-u \"{username}:$(cat {})\"", shell_word(file)?))
        }
        Value::Open(_) | Value::Secret { .. } => Some(format!("-u {name}")),
    }
}

fn body(body: &Body) -> Option<String> {
    if let Some(file) = &body.file {
        return Some(format!("--data-binary {}", quoted(&format!("@{file}"))?));
    }
    let text = std::str::from_utf8(&body.bytes).ok().filter(|text| text.len() <= LONGEST_BODY)?;
    // What begins with @ would name a file.
    Some(format!("--data-raw {}", quoted(text)?))
}

/// Whether it means itself between double quotes.
fn is_plain(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_alphanumeric() || "-._@ ".contains(character))
}

/// As one word of a shell, where nothing within means anything.
fn quoted(text: &str) -> Option<String> {
    let is_shown = |character: char| character != '\'' && !character.is_control() && !is_hidden(character);
    text.chars().all(is_shown).then(|| format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Asked, Header};

    fn secret(file: Option<&str>) -> Value {
        Value::Secret { text: "s3cret".into(), file: file.map(Into::into) }
    }

    fn check(asked: Asked, options_expected: &str, missing: &str) {
        let (options, said) = options(&Ask::new(asked));
        assert_eq!((options.as_str(), said.as_str()), (options_expected, missing));
    }

    #[test]
    fn curl_asks_as_the_probe_does() {
        check(Asked::default(), "", "");
        check(Asked { method: Method::Head, ..Asked::default() }, "-I ", "");
        let header = |name: &str, value: Value| Header { name: name.into(), value };
        let asked = Asked {
            method: Method::Post,
            headers: vec![
                header("X-Probe", Value::Open("a \"b\" $(c)".into())),
                header("X-Api-Key", secret(Some("/etc/key file.txt"))),
            ],
            body: Some(Body { bytes: b"{\"a\": 1}".as_slice().into(), file: None }),
            login: Some(Login::Basic { username: "probe".into(), password: secret(None) }),
            ..Asked::default()
        };
        let expected = "-X POST -H 'X-Probe: a \"b\" $(c)' -H \"X-Api-Key: $(cat '/etc/key file.txt')\" -u probe \
                        --data-raw '{\"a\": 1}' ";
        check(asked, expected, "");
        let login = |login| Asked { login: Some(login), ..Asked::default() };
        let file = || secret(Some("/etc/pw.txt"));
        check(
            login(Login::Basic { username: "probe".into(), password: file() }),
            "-u \"probe:$(cat /etc/pw.txt)\" ",
            "",
        );
        let bearer = |credentials| Login::Authorization { scheme: "Bearer".into(), credentials };
        check(login(bearer(file())), "-H \"Authorization: Bearer $(cat /etc/pw.txt)\" ", "");
    }

    #[test]
    fn what_cannot_be_shown_is_said_to_be_missing() {
        let bearer = Login::Authorization { scheme: "Bearer".into(), credentials: secret(None) };
        let asked = Asked {
            method: Method::Put,
            headers: vec![Header { name: "X-A".into(), value: Value::Open("it's".into()) }],
            login: Some(bearer),
            body: Some(Body { bytes: vec![0xff].into(), file: None }),
            ..Asked::default()
        };
        let missing =
            " # the probe also sends the header X-A, the header Authorization, the body, which is not shown here";
        check(asked, "-X PUT ", missing);
    }
}
