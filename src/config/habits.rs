//! What people write by habit from other tools, and which key means it here.

/// A key of `HAProxy`, `blackbox_exporter`, Prometheus or Azure, and what to write instead.
const HABITS: &[(&str, &str)] = &[
    ("fall", "HAProxy's `fall` is `unhealthy_threshold` of a probe here"),
    ("rise", "HAProxy's `rise` is `healthy_threshold` of a probe here"),
    ("inter", "HAProxy's `inter` is `interval` of a probe here"),
    ("fastinter", "HAProxy's `fastinter` is `unhealthy_interval` of a probe here"),
    ("downinter", "HAProxy's `downinter` is `unhealthy_interval` of a probe here"),
    (
        "expect",
        "what has to come back stands in `match` of a probe: `status_codes`, `body`, `body_regex`, `json`, `headers`",
    ),
    ("valid_status_codes", "write `match: {status_codes: [...]}` in the probe"),
    ("valid_http_versions", "a probe asks by HTTP/1.1; other versions are not checked"),
    ("fail_if_body_matches_regexp", "write `match: {body_not_regex: ...}` in the probe"),
    ("fail_if_body_not_matches_regexp", "write `match: {body_regex: ...}` in the probe"),
    ("fail_if_header_matches", "write `match: {headers: [{name: ..., exists: false}]}` in the probe"),
    ("fail_if_header_not_matches", "write `match: {headers: [{name: ..., regex: ...}]}` in the probe"),
    (
        "insecure_skip_verify",
        "write `validate_cert_chain_and_expiry: false` and `validate_sni: false` in the backend setting; faults are then warnings",
    ),
    ("ca_file", "write `trusted_root_certificates: [FILE]` in the backend setting"),
    ("cert_file", "write `client_certificate: {certificate: FILE, private_key: FILE}` in the backend setting"),
    ("key_file", "write `client_certificate: {certificate: FILE, private_key: FILE}` in the backend setting"),
    ("sni", "write `sni_name` in the backend setting"),
    ("server_name", "write `sni_name` in the backend setting"),
    ("probe_name", "a backend setting names its probe with `probe`"),
    ("fqdns", "addresses and names both stand in `servers` of a pool"),
    ("fqdn", "addresses and names both stand in `servers` of a pool"),
    ("ip_addresses", "addresses and names both stand in `servers` of a pool"),
    ("targets", "the servers of a pool stand in `servers`; their port stands in the backend setting"),
    ("backend_address_pools", "pools stand in `backend_pools`, each with `name`, `settings` and `servers`"),
    ("backend_http_settings_collection", "backend settings stand in `backend_settings`"),
    ("backend_settings_collection", "backend settings stand in `backend_settings`"),
];

/// What to write instead of a key that somebody knows from elsewhere, in any spelling: `fastInter`, `Valid-Status-Codes`.
///
/// Nothing of a key that is one of those `known` there, but for its spelling.
pub(super) fn habit(key: &str, known: &[&str]) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let key = plain(key);
    if known.iter().any(|known| plain(known) == key) {
        return None;
    }
    HABITS.iter().find(|(habit, _)| plain(habit) == key).map(|(_, right)| *right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_in_any_spelling_and_what_is_said_names_keys_that_there_are() {
        for key in
            ["fall", "FALL", "backendAddressPools", "valid_status_codes", "validStatusCodes", "insecureSkipVerify"]
        {
            assert!(habit(key, &[]).is_some(), "{key}");
        }
        assert_eq!(habit("intervall", &[]), None);
        assert_eq!(habit("caFile", &["ca_file"]), None);
        let keys = include_str!("../../config/full.yml");
        for (habit, right) in HABITS {
            let named = right
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|code| code.chars().all(|it| it.is_ascii_lowercase() || it == '_'));
            for key in named.filter(|key| key != habit) {
                assert!(keys.contains(&format!("{key}:")), "{habit}: {key}");
            }
        }
    }
}
