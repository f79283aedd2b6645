//! What an alert says: that it is all there, that its links lead somewhere, and that every alert has its section.

use std::collections::BTreeSet;
use std::path::Path;

use super::rules::Rule;
use super::{rules, text_of};

/// Dashboards that alerts may link to.
const DASHBOARDS: &[&str] = &["backend-health-overview", "backend-health-server", "backend-health-exporter"];

/// Whom an alert is about: the first word behind the prefix.
fn subject(alert: &Rule) -> &str {
    let name = alert.name.strip_prefix("BackendHealth").unwrap_or_else(|| panic!("{} is not one of ours", alert.name));
    let subjects = ["Server", "Pool", "Certificate", "Exporter"];
    subjects.into_iter().find(|subject| name.starts_with(subject)).unwrap_or_else(|| panic!("about whom? {name}"))
}

#[test]
fn an_alert_says_what_is_wrong_where_why_and_what_to_do() {
    for alert in rules::alerts() {
        let Rule { name, labels, annotations, .. } = &alert;
        let known: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
        let job: &[&str] = if name == "BackendHealthExporterAbsent" { &["job"] } else { &[] };
        assert_eq!(known, job.iter().copied().chain(["severity"]).collect(), "{name}: a label makes another alert");
        assert!(["critical", "warning", "info"].contains(&labels["severity"].as_str()), "{name}");

        let (row, pool) =
            (&["server", "port", "setting", "pool", "instance"] as &[_], &["setting", "pool", "instance"] as &[_]);
        let (places, in_summary, causes) = match subject(&alert) {
            "Server" | "Certificate" => (row, &["pool", "server", "port"] as &[_], true),
            "Pool" => (pool, &["pool", "setting"] as &[_], true),
            _ if name == "BackendHealthExporterAbsent" => (&[] as &[_], &[] as &[_], false),
            _ => (&["instance"] as &[_], &["instance"] as &[_], name == "BackendHealthExporterBlind"),
        };
        let summary = &annotations["summary"];
        assert!(summary.ends_with('.'), "{name}: {summary}");
        for place in in_summary {
            assert!(summary.contains(&format!("$labels.{place}")), "{name}: {place}");
        }
        let is_of_cause = causes && !name.contains("Certificate");
        assert!(summary.contains("{{ $title }}") || !is_of_cause, "{name}: the cause's title");
        let description = &annotations["description"];
        for place in places {
            assert!(description.contains(&format!("$labels.{place}")), "{name}: {place}");
        }
        for word in ["({{ $cause }})", "Who acts: ", "First: "] {
            let word = if word.starts_with('(') && !is_of_cause { "(cert_exp" } else { word };
            assert!(description.contains(word) || !causes, "{name}: {word}");
        }
        assert_eq!(annotations.contains_key("cause"), causes, "{name}");
        assert!(!annotations["remedy"].is_empty(), "{name}");
        assert_eq!(annotations.contains_key("row_url"), places == row, "{name}");
        assert_eq!(annotations.contains_key("page_url"), places != row, "{name}: each alert leads to a page");
    }
}

#[test]
fn every_link_begins_with_the_one_address_and_leads_to_what_there_is() {
    for alert in rules::alerts() {
        let Rule { name, annotations, .. } = &alert;
        let base = |label: &str| {
            format!(
                "{{{{ with query `backend_health:links:info` }}}}{{{{ . | first | label \"{label}\" }}}}{{{{ end -}}}} /"
            )
        };
        let (key, exporter, grafana) = ("a link has its base", base("exporter"), base("grafana"));
        let runbook = annotations["runbook_url"].strip_prefix(&exporter).expect(key);
        assert_eq!(runbook, format!("docs/alerts#{name}"));
        let dashboard = annotations["dashboard_url"].strip_prefix(&grafana).expect(key);
        let uid = dashboard.strip_prefix("d/").and_then(|rest| rest.split_once('?')).expect("a dashboard has a uid").0;
        assert!(DASHBOARDS.contains(&uid), "{name}: {uid}");
        if let Some(row) = annotations.get("row_url") {
            assert!(row.strip_prefix(&exporter).expect(key).starts_with("row?pool="), "{row}");
        }
        if let Some(page) = annotations.get("page_url") {
            let page = page.strip_prefix(&exporter).expect(key);
            assert_eq!(page.starts_with("?pool="), subject(&alert) == "Pool", "{name}: {page}");
        }
    }
    let text = text_of(rules::FILE);
    assert_eq!(text.matches("://").count(), 2, "the addresses of exporter and Grafana stand in one place");
    assert_eq!(rules::all()[0].name, "backend_health:links:info", "and that is the first rule");
}

fn documentation(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// Every anchor of a page.
fn anchors(text: &str) -> Vec<&str> {
    text.split("<a id=\"").skip(1).map(|rest| rest.split_once('"').expect("a quote is closed").0).collect()
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let text = documentation("alerts.md");
    let alerts = rules::alert_names();
    let found = anchors(&text);
    assert_eq!(found.iter().map(|anchor| (*anchor).to_owned()).collect::<BTreeSet<_>>(), alerts);
    assert_eq!(found.len(), alerts.len(), "an anchor stands once");
    for alert in rules::alerts() {
        let (name, severity) = (&alert.name, &alert.labels["severity"]);
        let section = text.split_once(&format!("<a id=\"{name}\"></a>\n\n## {name}\n\n")).expect("the title follows").1;
        let section = section.split_once("<a id=").map_or(section, |(section, _)| section);
        assert!(section.to_lowercase().starts_with(severity.as_str()), "{name} is of severity {severity}");
        for part in ["**Look first** at ", "**Do** ", "**Tune** "] {
            assert_eq!(section.matches(part).count(), 1, "{name}: {part}");
        }
    }
}

#[test]
fn every_link_of_the_documentation_about_alerts_leads_somewhere() {
    let text = documentation("alerts.md");
    let (own, troubleshooting) = (anchors(&text), documentation("troubleshooting.md"));
    let causes = anchors(&troubleshooting);
    let links = text.split("](").skip(1).map(|rest| rest.split_once(')').expect("a link ends").0);
    let mut count = 0;
    for link in links {
        let leads = match link.split_once('#') {
            Some(("", anchor)) => own.contains(&anchor),
            Some(("troubleshooting.md", "all-causes")) => troubleshooting.contains("## All causes"),
            Some(("troubleshooting.md", anchor)) => causes.contains(&anchor),
            Some(_) => false,
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(link).exists(),
        };
        assert!(leads, "{link}");
        count += 1;
    }
    assert!(count > 10, "{count}");
}
