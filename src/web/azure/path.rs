//! Resource Manager's paths: what they name, whatever their case.

use axum::extract::Request;
use axum::http::{StatusCode, Uri};

use super::error::ArmError;
use super::operations::OperationId;
use crate::view::azure::{Gateway, decoded};
use crate::web::paths::RoutePrefix;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Gateway {
        gateway: AskedGateway<'a>,
        action: Action,
    },
    /// `None`: an id that no operation can have.
    Operation {
        subscription: Segment<'a>,
        location: Segment<'a>,
        id: Option<OperationId>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    BackendHealth,
    OnDemand,
}

/// An application gateway as a path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedGateway<'a> {
    pub(super) subscription: Segment<'a>,
    resource_group: Segment<'a>,
    name: Segment<'a>,
}

/// A name as it stands in the path; it is one that a resource can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) raw: &'a str,
    name: String,
}

impl<'a> Resource<'a> {
    /// # Errors
    /// When the path names nothing that is here.
    pub(super) fn parse(path: &'a str) -> Result<Self, ArmError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        match *segments.as_slice() {
            [subscriptions, subscription, groups, group, providers, provider, gateways, name, action]
                if subscriptions.eq_ignore_ascii_case("subscriptions")
                    && groups.eq_ignore_ascii_case("resourceGroups")
                    && providers.eq_ignore_ascii_case("providers")
                    && provider.eq_ignore_ascii_case(PROVIDER)
                    && gateways.eq_ignore_ascii_case("applicationGateways") =>
            {
                let action = match action {
                    action if action.eq_ignore_ascii_case("backendhealth") => Action::BackendHealth,
                    action if action.eq_ignore_ascii_case("getBackendHealthOnDemand") => Action::OnDemand,
                    _ => return Err(nothing_here()),
                };
                let gateway = AskedGateway {
                    subscription: Segment::parse(subscription)?,
                    resource_group: Segment::parse(group)?,
                    name: Segment::parse(name)?,
                };
                Ok(Self::Gateway { gateway, action })
            }
            [subscriptions, subscription, providers, provider, locations, location, results, id]
                if subscriptions.eq_ignore_ascii_case("subscriptions")
                    && providers.eq_ignore_ascii_case("providers")
                    && provider.eq_ignore_ascii_case(PROVIDER)
                    && locations.eq_ignore_ascii_case("locations")
                    && results.eq_ignore_ascii_case("operationResults") =>
            {
                let (subscription, location) = (Segment::parse(subscription)?, Segment::parse(location)?);
                Ok(Self::Operation { subscription, location, id: OperationId::parse(id) })
            }
            _ => Err(nothing_here()),
        }
    }
}

impl AskedGateway<'_> {
    pub(super) fn gateway(&self) -> Gateway {
        let Self { subscription, resource_group, name } = self;
        Gateway {
            subscription: subscription.name().to_owned(),
            resource_group: resource_group.name().to_owned(),
            name: name.name().to_owned(),
        }
    }

    /// Whether it is this one, whatever the case of its names.
    pub(super) fn is(&self, gateway: &Gateway) -> bool {
        let Gateway { subscription, resource_group, name } = gateway;
        let same = |asked: &Segment<'_>, own: &str| asked.name().to_lowercase() == own.to_lowercase();
        same(&self.subscription, subscription) && same(&self.resource_group, resource_group) && same(&self.name, name)
    }
}

impl<'a> Segment<'a> {
    fn parse(raw: &'a str) -> Result<Self, ArmError> {
        let name = decoded(raw);
        let holds = |character: char| character.is_alphanumeric() || "-_.()".contains(character);
        let short = (1..=MAX_NAME).contains(&name.chars().count());
        if raw.is_ascii() && short && name.chars().all(holds) && name.chars().any(|character| character != '.') {
            return Ok(Self { raw, name });
        }
        let message = "a name in the path has 1 to 90 letters, digits, -, _, ., ( or )";
        Err(ArmError::new(StatusCode::BAD_REQUEST, "InvalidResourceName", message))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Where the result of an operation is, below the route prefix. Subscription and location are percent-encoded.
pub(super) fn operation(subscription: &str, location: &str, id: OperationId) -> String {
    format!("/subscriptions/{subscription}/providers/{PROVIDER}/locations/{location}/operationResults/{id}")
}

/// A configured name as a path's segment.
pub(super) fn encoded(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

/// The query's `api-version`, when it looks like one: it is only handed on.
pub(super) fn api_version(query: &str) -> Option<String> {
    let (_, version) =
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key.eq_ignore_ascii_case("api-version"))?;
    let holds = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    ((1..=32).contains(&version.len()) && version.bytes().all(holds)).then(|| version.into_owned())
}

/// The router knows `subscriptions` in lower case; Resource Manager knows it in any.
pub(in crate::web) fn with_first_segment_in_lower_case(prefix: &RoutePrefix, mut request: Request) -> Request {
    let uri = request.uri();
    let below = uri.path().strip_prefix(prefix.as_str()).and_then(|below| below.strip_prefix('/'));
    let Some((first, rest)) = below.and_then(|below| below.split_once('/')) else { return request };
    if !first.eq_ignore_ascii_case("subscriptions") || first == "subscriptions" {
        return request;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}/subscriptions/{rest}{query}", prefix.as_str());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

fn nothing_here() -> ArmError {
    let message = "of Azure's API there are POST applicationGateways/{name}/backendhealth and \
        getBackendHealthOnDemand, and GET locations/{location}/operationResults/{id}";
    ArmError::new(StatusCode::NOT_FOUND, "NotFound", message)
}

const PROVIDER: &str = "Microsoft.Network";

/// As for the names in the configuration.
const MAX_NAME: usize = 90;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_any_case_and_names_keep_theirs() {
        fn check(path: &str, expected: Option<(&str, &str, &str, Action)>) {
            let resource = Resource::parse(path).ok();
            let found = resource.as_ref().map(|resource| match resource {
                Resource::Gateway { gateway, action } => {
                    (gateway.subscription.name(), gateway.resource_group.name(), gateway.name.name(), *action)
                }
                Resource::Operation { .. } => panic!("{path} is no operation"),
            });
            assert_eq!(found, expected, "{path}");
        }
        let usual = "/subscriptions/Sub/resourceGroups/My-Group/providers/Microsoft.Network/applicationGateways/gw";
        let names = |action| Some(("Sub", "My-Group", "gw", action));
        check(&format!("{usual}/backendhealth"), names(Action::BackendHealth));
        check(&format!("{usual}/backendHealth/"), names(Action::BackendHealth));
        check(&format!("{usual}/getBackendHealthOnDemand"), names(Action::OnDemand));
        check(&format!("{usual}/GETBACKENDHEALTHONDEMAND"), names(Action::OnDemand));
        let shouted = "/SUBSCRIPTIONS/Sub/RESOURCEGROUPS/My-Group/PROVIDERS/MICROSOFT.NETWORK/APPLICATIONGATEWAYS/gw";
        check(&format!("{shouted}/BACKENDHEALTH"), names(Action::BackendHealth));
        check(&format!("{usual}/start"), None);
        check(usual, None);
        check(&format!("{usual}/backendhealth/x"), None);
        check(&usual.replace("Network", "Compute"), None);
        let odd = usual.replace("Sub", "%C3%BC(1)");
        check(&format!("{odd}/backendhealth"), Some(("ü(1)", "My-Group", "gw", Action::BackendHealth)));
        for wrong in
            ["a%2Fb", "", "a b", "a%20b", "a%00", "a%0d%0ab", "<x>", "a+b", "a=b", "..", &"a".repeat(91), "%FF"]
        {
            check(&format!("{}/backendhealth", usual.replace("Sub", wrong)), None);
        }
    }

    #[test]
    fn an_api_version_is_handed_on_when_it_can_be_one() {
        fn check(query: &str, expected: Option<&str>) {
            assert_eq!(api_version(query).as_deref(), expected, "{query}");
        }
        check("api-version=2025-07-01", Some("2025-07-01"));
        check("$expand=x&API-Version=2024-05-01-preview", Some("2024-05-01-preview"));
        check("", None);
        check("api-version=", None);
        check("api-version=a%0d%0aX-Evil:1", None);
        check(&format!("api-version={}", "1".repeat(33)), None);
    }

    #[test]
    fn only_the_first_segment_below_the_prefix_loses_its_case() {
        fn check(prefix: &str, uri: &str, expected: &str) {
            let request = Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
            let prefix = RoutePrefix::parse(prefix).unwrap();
            assert_eq!(with_first_segment_in_lower_case(&prefix, request).uri(), expected, "{uri}");
        }
        check("", "/SubScriptions/X/Y?Z=1", "/subscriptions/X/Y?Z=1");
        check("", "http://host:1/SUBSCRIPTIONS/X", "http://host:1/subscriptions/X");
        check("/a", "/a/Subscriptions/X", "/a/subscriptions/X");
        check("/a", "/Subscriptions/X", "/Subscriptions/X");
        check("", "/api/Subscriptions/X", "/api/Subscriptions/X");
        check("", "/Subscriptions", "/Subscriptions");
    }
}
