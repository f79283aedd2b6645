//! A login in the words of Prometheus' `http_config`: `basic_auth` or `authorization`, for probes and for our own requests.

use std::sync::Arc;

use hyper::header::HeaderValue;

use super::decode::{Section, text};
use super::reader::{Reader, Reported};
use crate::probe::{Login, Value};

/// The keys that [`login`] reads.
pub(super) const BASIC_AUTH: &[&str] = &["username", "username_file", "password", "password_file"];
pub(super) const AUTHORIZATION: &[&str] = &["type", "credentials", "credentials_file"];

/// The login of `section`, if it has one that is right.
pub(super) fn login(reader: &mut Reader, section: &Section<'_>) -> Option<Login> {
    let basic = reader.section(section, "basic_auth", BASIC_AUTH, basic).flatten();
    let authorization = reader.section(section, "authorization", AUTHORIZATION, authorization).flatten();
    if section.is_given("basic_auth")
        && let Some(second) = section.node("authorization").filter(|_| section.is_given("authorization"))
    {
        reader.wrong(section, second.place, "authorization", "there is basic_auth already; keep one of them");
    }
    let login = basic.or(authorization)?;
    if HeaderValue::from_str(&login.sent()).is_err() {
        let message = "it cannot be sent in a header, which has one line of visible characters";
        reader.report.error(Some(section.place()), section.path_of("authorization"), message);
        return None;
    }
    Some(login)
}

fn basic(reader: &mut Reader, section: &Section<'_>) -> Option<Login> {
    let name = value(reader, section, ["username", "username_file"]);
    let password = value(reader, section, ["password", "password_file"]);
    let (name, password) = (name.ok()?, password.ok()?);
    let username: Arc<str> = name.map_or_else(|| "".into(), |name| name.sent().into());
    if username.contains(':') {
        let message = "a user's name has no colon in it: what follows would be taken for the password";
        reader.wrong(section, section.place(), "username", message);
        return None;
    }
    let password = password.unwrap_or_else(|| Value::Secret { text: "".into(), file: None });
    Some(Login::Basic { username, password })
}

fn authorization(reader: &mut Reader, section: &Section<'_>) -> Option<Login> {
    let scheme = section.field("type", &mut reader.report, |node| match text(node)?.trim() {
        "" => Ok("Bearer".into()),
        kind if kind.eq_ignore_ascii_case("basic") => {
            Err("a name and password are given by basic_auth: {username: ..., password_file: ...}".to_owned())
        }
        kind => Ok(Arc::from(kind)),
    });
    let Some(credentials) = value(reader, section, ["credentials", "credentials_file"]).ok()? else {
        reader.wrong(section, section.place(), "credentials", "missing: give credentials or credentials_file");
        return None;
    };
    Some(Login::Authorization { scheme: scheme.into_value().unwrap_or_else(|| "Bearer".into()), credentials })
}

/// A secret that stands at the first key, or in the file that the second one names.
fn value(reader: &mut Reader, section: &Section<'_>, keys: [&'static str; 2]) -> Result<Option<Value>, Reported> {
    let Some(secret) = reader.secret(section, keys)? else { return Ok(None) };
    let file = section.node(keys[1]).and_then(|node| text(node).ok()).filter(|name| !name.is_empty());
    let file = file.map(|name| reader.material.shown_path(name));
    Ok(Some(Value::Secret { text: secret.into(), file }))
}
