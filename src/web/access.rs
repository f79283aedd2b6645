//! Who may ask: TLS, users, rate limit and the headers that an administrator adds. One value, swapped whole.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::web::bucket::{Bucket, Buckets, Rarely, Rate};
use crate::words::sha256_of_parts;

/// What stands between the network and the routes. It applies to every route, the health endpoints too
/// unless these are open.
#[derive(Debug)]
pub struct Access {
    tls: Option<Arc<ServerConfig>>,
    users: Users,
    headers: HeaderMap,
    bucket: Option<Bucket>,
    has_verified_clients: bool,
}

impl Access {
    /// Plain HTTP for everybody.
    #[must_use]
    pub fn open() -> Self {
        Self::new(None, [], HeaderMap::new(), None)
    }

    /// Whether connections are TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// `users` are names and bcrypt hashes, none: no login; `headers` are set on every response, over our own.
    #[must_use]
    pub fn new(
        tls: Option<Arc<ServerConfig>>,
        users: impl IntoIterator<Item = (String, String)>,
        headers: HeaderMap,
        rate: Option<Rate>,
    ) -> Self {
        Self { tls, users: Users::new(users), headers, bucket: rate.map(Bucket::full), has_verified_clients: false }
    }

    /// The same where TLS lets in nobody without a certificate of a client CA.
    #[must_use]
    pub fn behind_client_certificates(self) -> Self {
        Self { has_verified_clients: true, ..self }
    }

    /// Whether everybody who comes in has shown who it is.
    pub(super) fn knows_clients(&self) -> bool {
        self.has_verified_clients || !self.users.all.is_empty()
    }

    pub(super) fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Lets a request pass and says which user sent it, where there are users, or gives the answer that refuses it.
    pub(super) async fn admit(&self, request: &HeaderMap, client: IpAddr) -> Result<Option<Arc<str>>, Response> {
        if let Some(bucket) = &self.bucket {
            bucket.take(Instant::now()).map_err(too_many_requests)?;
        }
        if self.users.all.is_empty() {
            return Ok(None);
        }
        let Some((name, password)) = request.get(header::AUTHORIZATION).and_then(credentials) else {
            return Err(unauthorized());
        };
        match self.users.verify(&name, password, client).await {
            Login::Accepted => Ok(Some(name.into())),
            Login::Refused => {
                self.users.tell_of_refusal(&name, client);
                Err(unauthorized())
            }
            Login::Busy(wait) => Err(too_many_requests(wait)),
        }
    }
}

/// What became of a login.
enum Login {
    Accepted,
    Refused,
    /// Too many passwords are being checked just now, or this client has tried too many: when to come again.
    Busy(Duration),
}

/// Names with their hashes.
#[derive(Debug)]
struct Users {
    all: HashMap<String, User>,
    /// Passwords that are not known yet, by client: each costs a processor the better part of a second.
    tries: Buckets,
    refusals: Rarely,
}

#[derive(Debug)]
struct User {
    hash: String,
    /// Digest of the hash and the password that was right the last time, so that bcrypt runs once and not on every
    /// scrape. One entry for each user bounds the memory.
    last_good: Mutex<Option<[u8; 32]>>,
}

impl Users {
    fn new(users: impl IntoIterator<Item = (String, String)>) -> Self {
        let users = users.into_iter().map(|(name, hash)| (name, User { hash, last_good: Mutex::new(None) }));
        Self { all: users.collect(), tries: Buckets::full(TRIES), refusals: Rarely::new() }
    }

    async fn verify(&self, name: &str, password: Zeroizing<Vec<u8>>, client: IpAddr) -> Login {
        let user = self.all.get(name);
        let hash = user.map_or_else(|| self.decoy(), |user| user.hash.clone());
        let fingerprint = fingerprint(&hash, &password);
        if user.is_some_and(|user| user.knows(&fingerprint)) {
            return Login::Accepted;
        }
        if let Err(wait) = self.tries.take(client, 1, Instant::now()) {
            return Login::Busy(wait);
        }
        let Ok(Ok(turn)) = tokio::time::timeout(LOGIN_WAIT, LOGINS.acquire()).await else {
            return Login::Busy(Duration::from_secs(1));
        };
        // The turn goes along, so that a client that hangs up does not make room for a third computation.
        let matches = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            bcrypt::verify(password.as_slice(), &hash).unwrap_or(false)
        });
        match (matches.await.unwrap_or(false), user) {
            (true, Some(user)) => {
                *user.last_good.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
                Login::Accepted
            }
            (true | false, None) | (false, Some(_)) => Login::Refused,
        }
    }

    /// Says it, though not to whoever floods the log. A name that no user has is not repeated: people put passwords there.
    fn tell_of_refusal(&self, name: &str, client: IpAddr) {
        if let Some(left_out) = self.refusals.now(Instant::now()) {
            let user = if self.all.contains_key(name) { name } else { "an unknown one" };
            tracing::warn!(%client, user, left_out, "a login is refused: user name or password wrong");
        }
    }

    /// A hash that no password is known for and that takes as long as the dearest real one, so that the time of a
    /// refusal does not tell which names exist.
    fn decoy(&self) -> String {
        let costs = self.all.values().filter_map(|user| user.hash.split('$').nth(2)?.parse::<u32>().ok());
        format!("$2b${:02}${DECOY_SALT_AND_DIGEST}", costs.max().unwrap_or(bcrypt::DEFAULT_COST))
    }
}

impl User {
    fn knows(&self, fingerprint: &[u8; 32]) -> bool {
        let last_good = self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        last_good.is_some_and(|known| verify_slices_are_equal(&known, fingerprint).is_ok())
    }
}

fn fingerprint(hash: &str, password: &[u8]) -> [u8; 32] {
    sha256_of_parts([hash.as_bytes(), password])
}

/// Name and password of an `Authorization: Basic` header (RFC 7617).
fn credentials(header: &HeaderValue) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((name, Zeroizing::new(decoded[colon + 1..].to_vec())))
}

fn unauthorized() -> Response {
    let challenge = (header::WWW_AUTHENTICATE, "Basic realm=\"backend_health_exporter\", charset=\"UTF-8\"");
    (StatusCode::UNAUTHORIZED, [challenge], "unauthorized: user name or password missing or wrong\n").into_response()
}

fn too_many_requests(wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let retry = (header::RETRY_AFTER, seconds.max(1).to_string());
    (StatusCode::TOO_MANY_REQUESTS, [retry], "too many requests\n").into_response()
}

/// Passwords that one client may try.
const TRIES: Rate = Rate { interval: Duration::from_secs(1), burst: 30 };

/// bcrypt is made to be slow; two at once leave the other cores to the probes.
static LOGINS: Semaphore = Semaphore::const_new(2);

/// Longer than a handful of computations, shorter than a scrape's timeout.
const LOGIN_WAIT: Duration = Duration::from_secs(5);

/// 22 characters of salt and 31 of digest, in bcrypt's alphabet.
const DECOY_SALT_AND_DIGEST: &str = "backend.health.decoy..e2WmXb0Qv5RzT7uYc1NfKj8LhGp4Sd.";

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn basic(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(text)).parse().unwrap());
        headers
    }

    fn access(rate: Option<Rate>) -> Access {
        let hash = bcrypt::hash("open:sesame", 4).unwrap();
        Access::new(None, [("alice".to_owned(), hash)], HeaderMap::new(), rate)
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        async fn check(access: &Access, headers: HeaderMap, expected: Option<StatusCode>) {
            let refusal = access.admit(&headers, CLIENT).await.err();
            assert_eq!(refusal.map(|response| response.status()), expected, "{headers:?}");
        }
        let access = access(None);
        let no = Some(StatusCode::UNAUTHORIZED);
        check(&access, HeaderMap::new(), no).await;
        check(&access, basic("alice:open:sesame"), None).await;
        check(&access, basic("alice:open:sesame"), None).await;
        check(&access, basic("alice:open:sesamE"), no).await;
        check(&access, basic("alice:"), no).await;
        check(&access, basic("alice"), no).await;
        check(&access, basic("Alice:open:sesame"), no).await;
        check(&access, basic("bob:open:sesame"), no).await;
        check(&access, basic(":"), no).await;
        check(&access, basic("alice:open:sesame\0"), no).await;
        for header in ["Basic", "Basic !!!", "Bearer YWxpY2U6b3BlbjpzZXNhbWU=", "YWxpY2U6b3BlbjpzZXNhbWU="] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
            check(&access, headers, no).await;
        }
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_and_a_wrong_one_is_not() {
        let access = access(None);
        let alice = &access.users.all["alice"];
        assert!(access.admit(&basic("alice:wrong"), CLIENT).await.is_err());
        assert!(alice.last_good.lock().unwrap().is_none());
        assert!(access.admit(&basic("alice:open:sesame"), CLIENT).await.is_ok());
        assert!(alice.knows(&fingerprint(&alice.hash, b"open:sesame")));
        assert!(access.admit(&basic("alice:wrong"), CLIENT).await.is_err());
        assert!(alice.knows(&fingerprint(&alice.hash, b"open:sesame")));
    }

    #[test]
    fn an_unknown_user_costs_as_much_as_the_dearest_known_one() {
        let users =
            Users::new([("a", 4), ("b", 6)].map(|(name, cost)| (name.into(), bcrypt::hash("x", cost).unwrap())));
        let decoy = users.decoy();
        assert_eq!(decoy.len(), 60);
        assert!(decoy.starts_with("$2b$06$"), "{decoy}");
        assert!(!bcrypt::verify("", &decoy).expect("the decoy is a well-formed hash"));
    }

    #[tokio::test]
    async fn a_full_bucket_is_told_when_to_come_back() {
        let access = access(Some(Rate { interval: Duration::from_secs(90), burst: 1 }));
        assert_eq!(access.admit(&HeaderMap::new(), CLIENT).await.unwrap_err().status(), StatusCode::UNAUTHORIZED);
        let refusal = access.admit(&HeaderMap::new(), CLIENT).await.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refusal.headers()[header::RETRY_AFTER], "90");
    }

    #[tokio::test]
    async fn one_clients_wrong_passwords_are_bounded_and_keep_no_other_client_out() {
        let access = access(None);
        let mut statuses = Vec::new();
        for number in 0..32 {
            let refusal = access.admit(&basic(&format!("alice:{number}")), CLIENT).await.unwrap_err();
            statuses.push(refusal.status().as_u16());
        }
        assert_eq!((statuses[0], statuses[31]), (401, 429), "{statuses:?}");
        let other = IpAddr::from([10, 0, 0, 1]);
        let user = access.admit(&basic("alice:open:sesame"), other).await.unwrap();
        assert_eq!(user.as_deref(), Some("alice"));
        assert!(access.admit(&basic("alice:open:sesame"), CLIENT).await.is_ok(), "a known password costs nothing");
    }
}
