//! What this host lets everybody see of what filters its packets. The rules themselves need privileges.

use std::fs;

/// This host's packet filters, as far as they show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Kernel modules of packet filters.
    pub filters: Vec<String>,
    /// Tracked connections, and how many there may be.
    pub tracked: Option<(u64, u64)>,
}

impl HostFacts {
    pub(super) fn read() -> Self {
        let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
        let names = modules.lines().filter_map(|line| line.split(' ').next());
        let is_filter = |name: &&str| FILTERS.iter().any(|filter| name == filter) || name.starts_with("nft_");
        let mut filters: Vec<String> = names.filter(is_filter).map(str::to_owned).collect();
        filters.sort();
        let number = |name: &str| {
            let text = fs::read_to_string(format!("/proc/sys/net/netfilter/{name}")).ok()?;
            text.trim().parse().ok()
        };
        let tracked = number("nf_conntrack_count").zip(number("nf_conntrack_max"));
        Self { filters, tracked }
    }

    /// New connections are about to be dropped for want of room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.tracked.is_some_and(|(count, most)| most > 0 && count >= most / 100 * 95)
    }
}

const FILTERS: &[&str] =
    &["nf_tables", "ip_tables", "ip6_tables", "iptable_filter", "ip6table_filter", "ebtables", "xt_conntrack"];
