//! What every request passes and every response gets, whatever the route: access, origin, headers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use crate::web::access::Access;
use crate::web::hosts::{Hosts, authority};
use crate::web::paths::Origin;
use crate::web::{Connection, Entry, Paths};

/// What a request is measured by besides [`Access`], for as long as the exporter runs.
pub(super) struct Door {
    external: Option<Origin>,
    hosts: Hosts,
    /// The paths that need no login.
    open: Vec<String>,
}

impl Door {
    pub(super) fn new(paths: &Paths, entry: Entry) -> Self {
        let Entry { open_health, hosts, proxies: _ } = entry;
        let open = if open_health { ["/-/healthy", "/-/ready"].as_slice() } else { &[] };
        let open = open.iter().map(|path| paths.prefix().join(path)).collect();
        Self { external: paths.external_origin().cloned(), hosts, open }
    }

    fn is_open_to(&self, head: &Parts) -> bool {
        let path = head.uri.path();
        matches!(head.method, Method::GET | Method::HEAD) && self.open.iter().any(|open| open == path)
    }
}

/// Answers a request: refuses it or hands it to the routes, and dresses the response.
pub(super) async fn answer(routes: Router, access: &Access, door: &Door, request: Request<Body>) -> Response {
    let (mut head, body) = request.into_parts();
    let passed = pass(access, door, &head).await;
    if let (Ok(user), Some(connection)) = (&passed, head.extensions.get_mut::<Connection>()) {
        connection.user.clone_from(user);
    }
    let mut response = match passed {
        Err(refusal) => refusal,
        Ok(_) if head.method == Method::OPTIONS => options(routes, Request::from_parts(head, body)).await,
        Ok(_) => route(routes, Request::from_parts(head, body)).await,
    };
    dress(response.headers_mut());
    for (name, value) in access.headers() {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// Lets a request pass and says whose it is, where that is asked, or gives the answer that refuses it.
async fn pass(access: &Access, door: &Door, head: &Parts) -> Result<Option<Arc<str>>, Response> {
    let forwarded = head.extensions.get::<Connection>().and_then(|connection| connection.asked_host.as_ref());
    if door.hosts.refuses(&head.uri, &head.headers, forwarded) {
        return Err((StatusCode::MISDIRECTED_REQUEST, MISDIRECTED).into_response());
    }
    if head.headers.get_all(header::HOST).iter().count() > 1 {
        // RFC 9112, 3.2: what stands before us and we ourselves may each believe another one.
        return Err((StatusCode::BAD_REQUEST, "bad request: it has several Host headers\n").into_response());
    }
    if door.is_open_to(head) {
        return Ok(None);
    }
    let client = head.extensions.get::<Connection>().map_or(IpAddr::from([0; 4]), |connection| connection.client);
    let user = access.admit(&head.headers, client).await?;
    if is_foreign(head, door.external.as_ref()) {
        return Err((StatusCode::FORBIDDEN, "forbidden: the request comes from another site\n").into_response());
    }
    Ok(user)
}

async fn route(routes: Router, request: Request<Body>) -> Response {
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// 200 and what may be done there, as load balancers ask to see whether anybody answers; 404 where nothing is.
async fn options(routes: Router, request: Request<Body>) -> Response {
    if request.uri().path() == "*" {
        return StatusCode::OK.into_response();
    }
    let answered = route(routes, request).await;
    if answered.status() == StatusCode::NOT_FOUND {
        return answered;
    }
    let mut response = StatusCode::OK.into_response();
    if let Some(allowed) = answered.headers().get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    response
}

/// Whether another site's page sent this request to change something. Browsers cannot forge these two headers, and
/// other clients do not send them. `Sec-Fetch-Site` is the browser's own word, whatever stands between it and us; an
/// older browser's `Origin` has the scheme that it knows, which a proxy that ends TLS changes: its host is compared.
fn is_foreign(head: &Parts, external: Option<&Origin>) -> bool {
    let Parts { method, uri, headers, .. } = head;
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return false;
    }
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return !sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    }
    let forwarded = head.extensions.get::<Connection>().and_then(|connection| connection.asked_host.clone());
    let asked = forwarded.or_else(|| authority(uri, headers));
    let is_own = |value: &HeaderValue| {
        let origin = value.to_str().ok().and_then(Origin::parse);
        origin
            .is_some_and(|origin| asked.as_ref().is_some_and(|asked| origin.is_at(asked)) || Some(&origin) == external)
    };
    !headers.get_all(header::ORIGIN).iter().all(is_own)
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

const MISDIRECTED: &str = "misdirected request: browsers are not answered under this name; if it is right, start the \
    exporter with --web.allowed-host and the name\n";

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
            let foreign = is_foreign(&request.body(()).unwrap().into_parts().0, external.as_ref());
            assert_eq!(foreign, expected, "{method} {headers:?}");
        }
        check("POST", &[], false);
        check("POST", &[("origin", "http://own.example:9115")], false);
        check("POST", &[("origin", "http://OWN.example:9115")], false);
        check("POST", &[("origin", "https://outer.example")], false);
        check("POST", &[("origin", "https://own.example:9115")], false);
        check("POST", &[("origin", "http://own.example")], true);
        check("POST", &[("origin", "http://own.example:9116")], true);
        check("POST", &[("origin", "http://own.example.evil.example:9115")], true);
        check("POST", &[("origin", "https://evil.example")], true);
        check("POST", &[("origin", "null")], true);
        check("POST", &[("origin", "http://own.example:9115"), ("origin", "https://evil.example")], true);
        check("POST", &[("sec-fetch-site", "same-origin")], false);
        check("POST", &[("sec-fetch-site", "none")], false);
        check("POST", &[("sec-fetch-site", "same-origin"), ("origin", "https://own.example")], false);
        check("POST", &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], true);
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
        assert!(is_foreign(&request.into_parts().0, None));
    }

    #[test]
    fn a_proxy_that_ends_tls_hands_on_a_host_without_a_port() {
        let from = |origin: &str| {
            let request = Request::post("/-/reload").header("host", "own.example").header("origin", origin);
            is_foreign(&request.body(()).unwrap().into_parts().0, None)
        };
        assert!(!from("https://own.example") && !from("http://own.example"));
        assert!(from("https://own.example:8443") && from("https://evil.example"));
    }

    #[test]
    fn a_request_without_a_host_has_no_own_origin() {
        let request = Request::post("/-/reload").header("origin", "http://own.example").body(()).unwrap();
        assert!(is_foreign(&request.into_parts().0, None));
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
