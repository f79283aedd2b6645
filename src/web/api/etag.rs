//! Whether a client already has what it asks for (RFC 9110, section 13.1.2).

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Makes tags that no other run of the program makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    process: u64,
}

impl Default for Tags {
    fn default() -> Self {
        Self { process: RandomState::new().hash_one(0) }
    }
}

impl Tags {
    /// For a representation that is another one with each `revision`.
    pub(super) fn of(self, revision: u64) -> ETag {
        ETag { process: self.process, revision }
    }
}

/// A weak tag: what it stands for means the same, whether compressed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ETag {
    process: u64,
    revision: u64,
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W/\"{:016x}-{}\"", self.process, self.revision)
    }
}

impl ETag {
    /// The whole answer when the client has this representation.
    pub(super) fn not_modified(self, request: &HeaderMap) -> Option<Response> {
        self.is_known(request).then(|| self.on(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// The answer with the headers that go with the tag.
    pub(super) fn on(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::ETAG, HeaderValue::try_from(self.to_string()).expect("digits and quotes"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        response
    }

    fn is_known(self, request: &HeaderMap) -> bool {
        let opaque = self.to_string();
        let opaque = opaque.trim_start_matches("W/");
        let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        // Our tags have no commas.
        values
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == opaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_it_when_one_of_its_tags_says_so() {
        fn check(values: &[&str], expected: bool) {
            let mut request = HeaderMap::new();
            for value in values {
                request.append(header::IF_NONE_MATCH, value.parse().unwrap());
            }
            let tag = Tags { process: 0xab }.of(7);
            assert_eq!(tag.is_known(&request), expected, "{values:?}");
        }
        check(&[], false);
        check(&["*"], true);
        check(&["W/\"00000000000000ab-7\""], true);
        check(&["\"00000000000000ab-7\""], true);
        check(&["\"x\", W/\"00000000000000ab-7\" , \"y\""], true);
        check(&["\"x\"", "\"00000000000000ab-7\""], true);
        check(&["W/\"00000000000000ab-8\""], false);
        check(&["W/\"00000000000000ac-7\""], false);
        check(&["00000000000000ab-7"], false);
        check(&["\"a, b\"", ""], false);
    }

    #[test]
    fn each_run_has_tags_of_its_own() {
        assert_ne!(Tags::default().of(1), Tags::default().of(1));
    }
}
