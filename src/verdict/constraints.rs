//! Name constraints (RFC 5280, section 4.2.1.10): which name of which certificate a CA may not vouch for. webpki decides;
//! this finds the words for it.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, NameConstraints};

use super::certificate::Certificate;
use super::text::shown;

/// What `constraints` do not allow of a certificate.
pub(super) struct Violation {
    pub(super) what: String,
    /// It is only that nobody here can compare such names.
    pub(super) is_our_limit: bool,
}

/// The names of `certificate` that `constraints` do not allow, in words.
pub(super) fn violations(certificate: &Certificate<'_>, constraints: &NameConstraints<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let permitted: Vec<&GeneralName<'_>> = bases(constraints.permitted_subtrees.as_deref());
    let excluded: Vec<&GeneralName<'_>> = bases(constraints.excluded_subtrees.as_deref());
    let mut comparisons_left = MAX_COMPARISONS;
    for name in certificate.alternative_names() {
        if found.len() >= MAX_VIOLATIONS {
            break;
        }
        let mut add = |what: String, is_our_limit| found.push(Violation { what, is_our_limit });
        let Some(left) = comparisons_left.checked_sub(permitted.len() + excluded.len()) else { break };
        comparisons_left = left;
        if permitted.iter().chain(&excluded).any(|base| are_of_an_unsupported_kind(name, base)) {
            add(format!("{}, of a kind whose constraints this exporter cannot check", described(name)), true);
            continue;
        }
        let mut of_this_kind = permitted.iter().filter_map(|base| within(name, base)).peekable();
        let bounded = of_this_kind.peek().is_some();
        if bounded && !of_this_kind.any(|inside| inside) {
            add(format!("{}, which is not among the names that it may issue for", described(name)), false);
        }
        if excluded.iter().any(|base| within(name, base) == Some(true) || wildcard_covers(name, base)) {
            add(format!("{}, which is among the names that it must not issue for", described(name)), false);
        }
    }
    let of_directories =
        |bases: &[&GeneralName<'_>]| bases.iter().any(|base| matches!(base, GeneralName::DirectoryName(_)));
    if found.is_empty() && (of_directories(&permitted) || of_directories(&excluded)) {
        let what = "a subject's name, and constraints on those are what this exporter cannot check, so that it refuses";
        found.push(Violation { what: what.to_owned(), is_our_limit: true });
    }
    found
}

/// Names of one certificate that are told.
const MAX_VIOLATIONS: usize = 5;

fn bases<'c, 'a>(subtrees: Option<&'c [x509_parser::extensions::GeneralSubtree<'a>]>) -> Vec<&'c GeneralName<'a>> {
    subtrees.unwrap_or_default().iter().map(|subtree| &subtree.base).collect()
}

/// Whether `name` is within the subtree; `None` when they are of different kinds, so that the one says nothing of the
/// other.
fn within(name: &GeneralName<'_>, base: &GeneralName<'_>) -> Option<bool> {
    match (name, base) {
        (GeneralName::DNSName(name), GeneralName::DNSName(base)) => Some(dns_within(name, base)),
        (GeneralName::IPAddress(address), GeneralName::IPAddress(base)) => Some(address_within(address, base)),
        _ => None,
    }
}

/// webpki refuses those that it cannot compare.
fn are_of_an_unsupported_kind(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
    matches!(
        (name, base),
        (GeneralName::URI(_), GeneralName::URI(_))
            | (GeneralName::RFC822Name(_), GeneralName::RFC822Name(_))
            | (GeneralName::OtherName(..), GeneralName::OtherName(..))
            | (GeneralName::X400Address(_), GeneralName::X400Address(_))
            | (GeneralName::EDIPartyName(_), GeneralName::EDIPartyName(_))
            | (GeneralName::RegisteredID(_), GeneralName::RegisteredID(_))
    )
}

/// `*.example.com` stands for names within `app.example.com`, too.
fn wildcard_covers(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
    match (name, base) {
        (GeneralName::DNSName(name), GeneralName::DNSName(base)) => {
            name.strip_prefix("*.").is_some_and(|parent| dns_within(base, parent))
        }
        _ => false,
    }
}

fn dns_within(name: &str, base: &str) -> bool {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    match base.strip_prefix('.') {
        _ if base.is_empty() => true,
        Some(parent) => name.strip_suffix(parent).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.')),
        None => name.strip_suffix(&base).is_some_and(|labels| labels.is_empty() || labels.ends_with('.')),
    }
}

/// `base` is a network address and its mask.
fn address_within(address: &[u8], base: &[u8]) -> bool {
    let Some((network, mask)) = base.split_at_checked(address.len()).filter(|(_, mask)| mask.len() == address.len())
    else {
        return false;
    };
    address.iter().zip(network).zip(mask).all(|((address, network), mask)| address & mask == network & mask)
}

fn described(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => shown(name),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => IpAddr::from(four).to_string(),
            (_, Ok(sixteen)) => IpAddr::from(sixteen).to_string(),
            _ => "a malformed IP address".to_owned(),
        },
        GeneralName::RFC822Name(text) | GeneralName::URI(text) => shown(text),
        _ => "a name that is neither DNS nor IP".to_owned(),
    }
}

/// Names times subtrees.
const MAX_COMPARISONS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtree_holds_the_names_below_it() {
        for (name, base, expected) in [
            ("app.example.com", "example.com", true),
            ("example.com", "example.com", true),
            ("EXAMPLE.com", "example.COM", true),
            ("badexample.com", "example.com", false),
            ("app.example.com", ".example.com", true),
            ("example.com", ".example.com", false),
            ("app.example.org", "example.com", false),
            ("*.example.com", "example.com", true),
            ("anything", "", true),
        ] {
            assert_eq!(dns_within(name, base), expected, "{name} {base}");
        }
        for (address, base, expected) in [
            (&[10, 1, 2, 3][..], &[10, 0, 0, 0, 255, 0, 0, 0][..], true),
            (&[11, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0], false),
            (&[10, 1, 2, 3], &[10, 0, 0, 0], false),
            (&[10, 1, 2, 3], &[0; 32], false),
            (&[], &[], true),
        ] {
            assert_eq!(address_within(address, base), expected, "{address:?} {base:?}");
        }
    }
}
