//! What every request passes and every response gets, whatever the route: access, origin, headers.

use axum::Router;
use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::web::access::Access;
use crate::web::paths::{Origin, Scheme};

/// Answers a request: refuses it or hands it to the routes, and dresses the response.
pub(super) async fn answer(
    routes: Router,
    access: &Access,
    scheme: Scheme,
    external: Option<&Origin>,
    request: Request<Incoming>,
) -> Response {
    let mut response = match access.admit(request.headers()).await {
        Err(refusal) => refusal,
        Ok(()) if is_foreign(&request, scheme, external) => {
            (StatusCode::FORBIDDEN, "forbidden: the request comes from another site\n").into_response()
        }
        Ok(()) => match routes.oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
    };
    dress(response.headers_mut());
    for (name, value) in access.headers() {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// Whether another site's page sent this request to change something. Browsers cannot forge these two headers, and
/// other clients do not send them.
fn is_foreign<B>(request: &Request<B>, scheme: Scheme, external: Option<&Origin>) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return false;
    }
    let headers = request.headers();
    let from_elsewhere = |site: &HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all("sec-fetch-site").iter().any(from_elsewhere) {
        return true;
    }
    let own = authority(request.uri(), headers).and_then(|authority| Origin::new(scheme, &authority));
    let is_own = |value: &HeaderValue| {
        let origin = value.to_str().ok().and_then(Origin::parse);
        origin.is_some_and(|origin| Some(&origin) == own.as_ref() || Some(&origin) == external)
    };
    !headers.get_all(header::ORIGIN).iter().all(is_own)
}

/// The host that the client asked: HTTP/2's `:authority` and the absolute form come before `Host` (RFC 9112, 3.2.2).
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => headers.get(header::HOST)?.to_str().ok()?.parse().ok(),
    }
}

/// Adds what is safe for every response of ours; a route that set a header itself keeps it.
fn dress(headers: &mut HeaderMap) {
    let mut set = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "no-store");
    let is_html = |value: &HeaderValue| value.as_bytes().starts_with(b"text/html");
    if headers.get(header::CONTENT_TYPE).is_some_and(is_html) {
        let mut set = |name, value| {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        };
        set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        set(header::X_FRAME_OPTIONS, "deny");
        // Not `no-referrer`, with which a browser sends our own forms as from a foreign site: `Origin: null`.
        set(header::REFERRER_POLICY, "same-origin");
    }
}

/// Scripts, styles and pictures come from our own origin as files, never from elsewhere and never inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_refused_when_another_site_asks_for_it() {
        fn check(method: &str, headers: &[(&str, &str)], expected: bool) {
            let mut request = Request::builder().method(method).uri("/-/reload").header("host", "own.example:9115");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let external = Origin::parse("https://outer.example");
            let foreign = is_foreign(&request.body(()).unwrap(), Scheme::Http, external.as_ref());
            assert_eq!(foreign, expected, "{method} {headers:?}");
        }
        check("POST", &[], false);
        check("POST", &[("origin", "http://own.example:9115")], false);
        check("POST", &[("origin", "http://OWN.example:9115")], false);
        check("POST", &[("origin", "https://outer.example")], false);
        check("POST", &[("origin", "https://own.example:9115")], true);
        check("POST", &[("origin", "http://own.example")], true);
        check("POST", &[("origin", "http://own.example.evil.example:9115")], true);
        check("POST", &[("origin", "https://evil.example")], true);
        check("POST", &[("origin", "null")], true);
        check("POST", &[("origin", "http://own.example:9115"), ("origin", "https://evil.example")], true);
        check("POST", &[("sec-fetch-site", "same-origin")], false);
        check("POST", &[("sec-fetch-site", "none")], false);
        check("POST", &[("sec-fetch-site", "same-site")], true);
        check("POST", &[("sec-fetch-site", "cross-site")], true);
        check("POST", &[("sec-fetch-site", "cross-site"), ("origin", "http://own.example:9115")], true);
        check("PUT", &[("origin", "https://evil.example")], true);
        check("DELETE", &[("origin", "https://evil.example")], true);
        check("GET", &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], false);
        check("HEAD", &[("origin", "https://evil.example")], false);
    }

    #[test]
    fn the_authority_of_the_request_line_comes_before_the_host_header() {
        let request = Request::post("http://own.example/-/reload")
            .header("host", "evil.example")
            .header("origin", "http://evil.example")
            .body(())
            .unwrap();
        assert!(is_foreign(&request, Scheme::Http, None));
    }

    #[test]
    fn a_request_without_a_host_has_no_own_origin() {
        let request = Request::post("/-/reload").header("origin", "http://own.example").body(()).unwrap();
        assert!(is_foreign(&request, Scheme::Http, None));
    }

    #[test]
    fn a_route_keeps_the_header_that_it_set() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        dress(&mut headers);
        assert_eq!(headers[header::CACHE_CONTROL], "max-age=60");
        assert!(!headers.contains_key(header::CONTENT_SECURITY_POLICY));
    }
}
