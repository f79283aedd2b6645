//! The body of a probe on demand: Azure's `ApplicationGatewayOnDemandProbe`, read with every field's type checked.

use serde_json::{Map, Value};

use super::Refusal;
use crate::view::azure::Gateway;
use crate::words::cut;

/// What to probe, and how. `None`: as the backend setting's own probe does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDemandProbe {
    /// A name, not yet known to be one of the configuration.
    pub pool: String,
    /// Likewise.
    pub setting: String,
    pub protocol: Option<String>,
    pub host: Option<String>,
    pub path: Option<String>,
    pub timeout_seconds: Option<i64>,
    pub pick_host_name_from_backend_settings: Option<bool>,
    pub enable_probe_proxy_protocol_header: Option<bool>,
    pub status_codes: Option<Vec<String>>,
    pub body: Option<String>,
}

impl OnDemandProbe {
    pub const PROTOCOL: &str = "protocol";
    pub const HOST: &str = "host";
    pub const PATH: &str = "path";
    pub const TIMEOUT: &str = "timeout";
    pub const PICK_HOST_NAME: &str = "pickHostNameFromBackendHttpSettings";
    pub const PROXY_PROTOCOL_HEADER: &str = "enableProbeProxyProtocolHeader";
    pub const STATUS_CODES: &str = "match.statusCodes";
    pub const BODY: &str = "match.body";
    pub const POOL: &str = "backendAddressPool";
    pub const SETTING: &str = "backendHttpSettings";
}

/// Why a body is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotJson(String),
    Field(Refusal),
}

impl OnDemandProbe {
    /// # Errors
    /// The first thing that is wrong. Fields that are not known are passed over, as Azure does.
    pub(super) fn parse(body: &[u8], gateway: &Gateway) -> Result<Self, Problem> {
        let value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(_) if body.is_empty() => {
                return Err(Problem::NotJson("the request has no body; expected a JSON object".to_owned()));
            }
            Err(error) => return Err(Problem::NotJson(format!("the request's body is not JSON: {error}"))),
        };
        let Value::Object(fields) = value else {
            return Err(Problem::NotJson("the request's body is not a JSON object".to_owned()));
        };
        Self::read(&Fields(&fields), gateway).map_err(Problem::Field)
    }

    /// The first field that would have the setting's own probe ask in another way.
    pub(super) fn changed(&self) -> Option<&'static str> {
        let Self { pool: _, setting: _, protocol: _, host, path, timeout_seconds, status_codes, body, .. } = self;
        let given = [
            (Self::HOST, host.is_some()),
            (Self::PATH, path.is_some()),
            (Self::TIMEOUT, timeout_seconds.is_some()),
            (Self::STATUS_CODES, status_codes.is_some()),
            (Self::BODY, body.is_some()),
            (Self::PICK_HOST_NAME, self.pick_host_name_from_backend_settings.is_some()),
            (Self::PROXY_PROTOCOL_HEADER, self.enable_probe_proxy_protocol_header.is_some()),
        ];
        given.into_iter().find_map(|(field, is_given)| is_given.then_some(field))
    }

    fn read(fields: &Fields<'_>, gateway: &Gateway) -> Result<Self, Refusal> {
        let nothing = Map::new();
        let matching = match fields.get("match") {
            Some(Value::Object(matching)) => Fields(matching),
            Some(_) => return Err(Refusal::bad_value("match", "expected an object with statusCodes and body")),
            None => Fields(&nothing),
        };
        let filled = |text: &String| !text.is_empty();
        Ok(Self {
            pool: reference(fields, Self::POOL, "backendPoolName", |text| gateway.pool_in(text))?,
            setting: reference(fields, Self::SETTING, "backendHttpSettingName", |text| gateway.setting_in(text))?,
            protocol: fields.text("protocol", Self::PROTOCOL)?.filter(filled),
            host: fields.text("host", Self::HOST)?.filter(filled),
            path: fields.text("path", Self::PATH)?.filter(filled),
            timeout_seconds: fields.number("timeout", Self::TIMEOUT)?,
            pick_host_name_from_backend_settings: fields.truth(Self::PICK_HOST_NAME)?,
            enable_probe_proxy_protocol_header: fields.truth(Self::PROXY_PROTOCOL_HEADER)?,
            status_codes: matching.texts("statusCodes", Self::STATUS_CODES)?,
            body: matching.text("body", Self::BODY)?,
        })
    }
}

/// The pool or setting that the request names: as `{"id": …}`, or by its name alone in a field of its own.
fn reference(
    fields: &Fields<'_>,
    key: &'static str,
    name_key: &'static str,
    name_in: impl Fn(&str) -> Option<String>,
) -> Result<String, Refusal> {
    match fields.get(key) {
        Some(Value::Object(reference)) => {
            let Some(id) = Fields(reference).text("id", key)? else {
                return Err(Refusal::bad_value(key, "its id is missing"));
            };
            name_in(&id).ok_or_else(|| {
                Refusal::no_such(key, format!("{} is no id of such a resource of this application gateway", shown(&id)))
            })
        }
        Some(_) => Err(Refusal::bad_value(key, "expected an object with an id")),
        None => match fields.text(name_key, name_key)? {
            Some(name) => Ok(name),
            None => Err(Refusal::bad_value(key, "this field is required; it says what to probe")),
        },
    }
}

/// An object's fields, found in any case as Resource Manager does; null is as good as absent.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        let exact = self.0.get(key);
        let found = exact.or_else(|| self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, v)| v));
        found.filter(|value| !value.is_null())
    }

    fn text(&self, key: &str, target: &'static str) -> Result<Option<String>, Refusal> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::bad_value(target, "expected a string")),
        }
    }

    fn number(&self, key: &str, target: &'static str) -> Result<Option<i64>, Refusal> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(Refusal::bad_value(target, "expected a whole number of seconds")),
            },
        }
    }

    fn truth(&self, key: &'static str) -> Result<Option<bool>, Refusal> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(Refusal::bad_value(key, "expected true or false")),
        }
    }

    fn texts(&self, key: &str, target: &'static str) -> Result<Option<Vec<String>>, Refusal> {
        let wrong = || Refusal::bad_value(target, "expected a list of strings such as \"200-399\"");
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let text = |item: &Value| item.as_str().map(str::to_owned);
                items.iter().map(text).collect::<Option<Vec<_>>>().map(Some).ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }
}

/// A few words of what was sent.
fn shown(text: &str) -> String {
    format!("{:?}", cut(text, MAX_SHOWN))
}

const MAX_SHOWN: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gateway() -> Gateway {
        Gateway { subscription: "s".to_owned(), resource_group: "g".to_owned(), name: "gw".to_owned() }
    }

    #[test]
    fn every_field_is_read_in_any_case() {
        let gateway = gateway();
        let body = json!({
            "Protocol": "Https", "host": "a.example", "PATH": "/x", "timeout": 7,
            "pickhostnamefrombackendhttpsettings": true, "enableProbeProxyProtocolHeader": false,
            "match": {"StatusCodes": ["200", "300-399"], "body": "ok"},
            "backendAddressPool": {"ID": gateway.pool_id("web").to_uppercase()},
            "backendHttpSettings": {"id": "https-443"}, "unknown": {"is": "passed over"},
        });
        let probe = OnDemandProbe::parse(body.to_string().as_bytes(), &gateway).unwrap();
        let expected = OnDemandProbe {
            pool: "WEB".to_owned(),
            setting: "https-443".to_owned(),
            protocol: Some("Https".to_owned()),
            host: Some("a.example".to_owned()),
            path: Some("/x".to_owned()),
            timeout_seconds: Some(7),
            pick_host_name_from_backend_settings: Some(true),
            enable_probe_proxy_protocol_header: Some(false),
            status_codes: Some(vec!["200".to_owned(), "300-399".to_owned()]),
            body: Some("ok".to_owned()),
        };
        assert_eq!(probe, expected);
    }

    #[test]
    fn pool_and_setting_are_enough_and_may_be_named_as_in_2019() {
        let expected = OnDemandProbe {
            pool: "web".to_owned(),
            setting: "plain".to_owned(),
            protocol: None,
            host: None,
            path: None,
            timeout_seconds: None,
            pick_host_name_from_backend_settings: None,
            enable_probe_proxy_protocol_header: None,
            status_codes: None,
            body: None,
        };
        for body in [
            json!({"backendAddressPool": {"id": "web"}, "backendHttpSettings": {"id": "plain"}}),
            json!({"backendPoolName": "web", "backendHttpSettingName": "plain", "host": null, "path": "", "match": null}),
        ] {
            assert_eq!(OnDemandProbe::parse(body.to_string().as_bytes(), &gateway()), Ok(expected.clone()));
        }
    }

    #[test]
    fn what_is_wrong_is_named_as_it_is_called_in_the_request() {
        fn check(field: &str, value: &Value, target: &str) {
            let mut body = json!({"backendPoolName": "web", "backendHttpSettingName": "plain"});
            body[field] = value.clone();
            match OnDemandProbe::parse(body.to_string().as_bytes(), &gateway()) {
                Err(Problem::Field(refusal)) => assert_eq!(refusal.target, target, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        check("protocol", &json!(1), "protocol");
        check("host", &json!(["a"]), "host");
        check("path", &json!({}), "path");
        check("timeout", &json!("30"), "timeout");
        check("timeout", &json!(1.5), "timeout");
        check("pickHostNameFromBackendHttpSettings", &json!("true"), "pickHostNameFromBackendHttpSettings");
        check("enableProbeProxyProtocolHeader", &json!(1), "enableProbeProxyProtocolHeader");
        check("match", &json!([]), "match");
        check("match", &json!({"statusCodes": "200-399"}), "match.statusCodes");
        check("match", &json!({"statusCodes": [200]}), "match.statusCodes");
        check("match", &json!({"body": 1}), "match.body");
        check("backendAddressPool", &json!("web"), "backendAddressPool");
        check("backendAddressPool", &json!({}), "backendAddressPool");
        check("backendAddressPool", &json!({"id": "/subscriptions/other/x"}), "backendAddressPool");
        check("backendHttpSettings", &json!({"id": ""}), "backendHttpSettings");
        check("backendHttpSettings", &json!({"id": gateway().pool_id("web")}), "backendHttpSettings");
        check("backendPoolName", &Value::Null, "backendAddressPool");
        check("backendHttpSettingName", &Value::Null, "backendHttpSettings");
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in ["", "null", "[]", "{", "\"x\"", "\u{0}", "a=b"] {
            let parsed = OnDemandProbe::parse(body.as_bytes(), &gateway());
            assert!(matches!(parsed, Err(Problem::NotJson(_))), "{body}: {parsed:?}");
        }
    }
}
