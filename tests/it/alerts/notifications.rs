//! The templates for Slack, e-mail and `PagerDuty`, as Alertmanager's own tool renders them.

use std::path::Path;

use serde_json::{Value, json};

use super::run;

/// What Alertmanager hands to a template: as many alerts about rows, and one about a pool when `pool` is set.
fn data(status: &str, rows: usize, pool: bool) -> Value {
    let alert = |annotations: Value| {
        json!({
            "status": status, "labels": {"alertname": "BackendHealthServerUnhealthy", "severity": "warning"},
            "annotations": annotations, "startsAt": "2026-11-22T03:10:00Z", "endsAt": "2026-11-22T03:12:05Z",
            "generatorURL": "http://prometheus/graph", "fingerprint": "1"
        })
    };
    let links = |page: &str, url: String| {
        json!({
            "summary": "web: 10.0.0.4 port 443 is unhealthy: Connection refused.",
            "description": "Server 10.0.0.4 <b>&. Who acts: whoever runs the server. First: Start it.",
            "cause": "tcp_refused", "remedy": "Start it.", page: url,
            "runbook_url": "http://exporter/docs/alerts#X", "dashboard_url": "http://grafana/d/x?a=1&b=2"
        })
    };
    let of_rows = (0..rows).map(|row| alert(links("row_url", format!("http://exporter/row?pool=web&server={row}"))));
    let of_pool = pool.then(|| alert(links("page_url", "http://exporter/?pool=web".to_owned())));
    let alerts: Vec<Value> = of_rows.chain(of_pool).collect();
    json!({
        "receiver": "chat", "status": status, "alerts": alerts, "groupLabels": {"pool": "web"},
        "commonLabels": {"pool": "web", "severity": "warning"}, "commonAnnotations": {"cause": "tcp_refused"},
        "externalURL": "http://alertmanager"
    })
}

/// A template of the shipped file, rendered by amtool.
fn rendered(template: &str, is_html: bool, data: &Value) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("data.json"), data.to_string()).expect("the file can be written");
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alertmanager/*.tmpl");
    let glob = format!("--template.glob={}", templates.display());
    let text = format!("--template.text={{{{ template \"backend_health.{template}\" . }}}}");
    let kind = if is_html { "--template.type=html" } else { "--template.type=text" };
    let said =
        run("amtool", &["template", "render", &glob, &text, kind, "--template.data=data.json"], directory.path());
    assert!(said.content, "{template}: {}", said.text);
    said.text
}

#[test]
fn slack_gets_what_is_wrong_who_acts_and_where_to_look_of_ten_alerts_at_most() {
    let text = rendered("slack.text", false, &data("firing", 1, true));
    for words in [
        ":red_circle: *web: 10.0.0.4 port 443 is unhealthy: Connection refused.*\n",
        "Server 10.0.0.4 &lt;b&gt;&amp;. Who acts: whoever runs the server. First: Start it.\n",
        "<http://exporter/row?pool=web&server=0|Look> · <http://exporter/docs/alerts#X|Runbook>",
        "<http://exporter/?pool=web|Look>",
    ] {
        assert!(text.contains(words), "without {words:?}:\n{text}");
    }
    let many = rendered("slack.text", false, &data("firing", 12, false));
    assert_eq!(many.matches(":red_circle:").count(), 10, "{many}");
    assert!(many.contains("These are 10 of 12: <http://alertmanager|all of them>."), "{many}");
    let over = rendered("slack.text", false, &data("resolved", 1, false));
    assert!(over.contains(":large_green_circle:") && !over.contains("First: "), "{over}");
}

#[test]
fn the_title_says_how_many_and_the_first_of_them_and_its_link_leads_there() {
    let title = rendered("title", false, &data("firing", 3, false));
    assert_eq!(title.trim(), "[3 firing] web: 10.0.0.4 port 443 is unhealthy: Connection refused.");
    let title = rendered("email.subject", false, &data("resolved", 1, false));
    assert_eq!(title.trim(), "[resolved] web: 10.0.0.4 port 443 is unhealthy: Connection refused.");
    assert_eq!(rendered("link", false, &data("firing", 2, true)).trim(), "http://exporter/row?pool=web&server=0");
    assert_eq!(rendered("link", false, &data("firing", 0, true)).trim(), "http://exporter/?pool=web");
}

#[test]
fn a_mail_is_text_and_html_in_which_nothing_of_a_backend_is_markup() {
    let html = rendered("email.html", true, &data("firing", 1, true));
    assert!(html.contains("Server 10.0.0.4 &lt;b&gt;&amp;. Who acts"), "{html}");
    assert!(html.contains("<a href=\"http://exporter/row?pool=web&amp;server=0\">Look</a>"), "{html}");
    let text = rendered("email.text", false, &data("resolved", 1, false));
    for words in
        ["Look:      http://exporter/row", "Since:     2026-11-22 03:10:00 UTC, over since 2026-11-22 03:12:05"]
    {
        assert!(text.contains(words), "without {words:?}:\n{text}");
    }
}

#[test]
fn pagerduty_gets_the_texts_of_what_fires() {
    let details = rendered("pagerduty.details", false, &data("firing", 2, false));
    assert_eq!(details.matches("First: Start it.\nhttp://exporter/row").count(), 2, "{details}");
}
