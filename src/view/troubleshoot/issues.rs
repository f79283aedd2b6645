//! What is wrong, in the words of Azure's connection troubleshoot, where it has one.

use crate::troubleshoot::{Examination, InsightKind, Severity};
use crate::verdict::{Code, Finding, IssueType, Stage};

/// One thing that is wrong.
pub(in crate::view) struct Issue {
    pub(in crate::view) origin: &'static str,
    pub(in crate::view) severity: &'static str,
    pub(in crate::view) kind: &'static str,
    /// Keys and values.
    pub(in crate::view) context: Vec<(String, String)>,
}

/// The causes first, then what only the deep check sees, then warnings.
pub(in crate::view) fn of(examination: &Examination) -> Vec<Issue> {
    let verdict = &examination.verdict;
    let causes = verdict.cause.iter().chain(&verdict.also);
    let causes = causes.map(|finding| issue(finding, Severity::Error));
    let insights = examination.insights.iter().map(|insight| {
        let (origin, kind) = of_insight(insight.kind);
        let mut context =
            vec![("insight".to_owned(), insight.kind.code().to_owned()), ("detail".to_owned(), insight.detail.clone())];
        context.extend(insight.context.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        Issue { origin, severity: insight.severity.as_str(), kind, context }
    });
    let warnings = verdict.warnings.iter().map(|finding| issue(finding, Severity::Warning));
    causes.chain(insights).chain(warnings).collect()
}

fn issue<C: Copy + Into<Code>>(finding: &Finding<C>, severity: Severity) -> Issue {
    let words = finding.code.into().words();
    let origin = match words.stage {
        Stage::Local | Stage::Dns => "Local",
        Stage::Tcp => "Outbound",
        Stage::Tls | Stage::Http => "Inbound",
    };
    let context = vec![("cause".to_owned(), words.code.to_owned()), ("detail".to_owned(), finding.detail.clone())];
    Issue { origin, severity: severity.as_str(), kind: finding.issue().as_str(), context }
}

fn of_insight(kind: InsightKind) -> (&'static str, &'static str) {
    let (origin, kind) = match kind {
        InsightKind::MtuBlackHole | InsightKind::Loss => ("Outbound", IssueType::NetworkError),
        InsightKind::PortSilent => ("Inbound", IssueType::GuestFirewall),
        InsightKind::LostBehind => ("Outbound", IssueType::DestinationUnreachable),
        InsightKind::HostFilterFull => ("Local", IssueType::GuestFirewall),
        InsightKind::PartlyReachable => ("Outbound", IssueType::DestinationPartiallyReachable),
        InsightKind::ResolversDisagree => ("Local", IssueType::DnsResponseValidationFailed),
        InsightKind::ResolverFails => ("Local", IssueType::DnsResolution),
        InsightKind::OldTls => ("Inbound", IssueType::Tls),
    };
    (origin, kind.as_str())
}
