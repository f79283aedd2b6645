//! That the dashboards hold together: the grid, the links, the columns, the words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::lint::{list, panels, text, title};
use super::model::GRID;

/// Every dashboard's JSON, with its uid.
fn dashboards() -> Vec<(&'static str, Value)> {
    super::all().iter().map(|dashboard| (dashboard.uid, dashboard.json())).collect()
}

/// The cells of the grid that a panel covers.
fn cells(panel: &Value) -> Vec<(u64, u64)> {
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a number"));
    (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y))).collect()
}

#[test]
fn panels_fill_the_grid_without_overlap_or_gap() {
    for (uid, dashboard) in dashboards() {
        let covered: Vec<_> = list(&dashboard["panels"]).iter().flat_map(cells).collect();
        let different: BTreeSet<_> = covered.iter().copied().collect();
        assert_eq!(covered.len(), different.len(), "{uid}: panels overlap");
        let height = covered.iter().map(|(_, y)| y + 1).max().expect("there are panels");
        assert_eq!(different.len() as u64, u64::from(GRID) * height, "{uid}: there are gaps");
        assert!(different.iter().all(|(x, _)| *x < u64::from(GRID)), "{uid}: wider than the grid");
    }
}

#[test]
fn ids_are_stable_and_tell_panels_and_dashboards_apart() {
    let mut uids = BTreeSet::new();
    for (uid, dashboard) in dashboards() {
        assert!(uid.starts_with("backend-health-") && uid.len() <= 40 && uids.insert(uid), "{uid}");
        assert_eq!(dashboard["uid"], uid);
        assert_eq!(dashboard["id"], Value::Null, "an id belongs to one Grafana");
        assert!(dashboard.get("__inputs").is_none(), "importing asks no questions");
        let all = list(&dashboard["panels"]);
        let ids: BTreeSet<_> = all.iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), all.len(), "{uid}");
        let titles: BTreeSet<_> = all.iter().map(title).collect();
        assert_eq!(titles.len(), all.len(), "{uid}: two panels of one title");
    }
}

/// What Grafana knows without a variable of ours.
const BUILT_IN: [&str; 7] = ["__data", "__field", "__interval", "__range", "__rate_interval", "__url_time_range", "1"];

/// The names behind `$` and `${`.
fn variables(text: &str) -> Vec<&str> {
    let after = text.split('$').skip(1).map(|after| after.trim_start_matches('{'));
    after
        .map(|after| after.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).next().unwrap())
        .collect()
}

#[test]
fn every_variable_that_is_used_is_there_and_every_one_that_is_there_is_used() {
    for (uid, dashboard) in dashboards() {
        let listed = list(&dashboard["templating"]["list"]);
        let known: BTreeSet<&str> = listed.iter().map(|variable| text(&variable["name"])).collect();
        let everything = dashboard.to_string();
        let used: BTreeSet<&str> = variables(&everything).into_iter().filter(|name| !name.is_empty()).collect();
        let unknown: Vec<_> = used.iter().filter(|name| !known.contains(*name) && !BUILT_IN.contains(name)).collect();
        // `$__all` is a value, not a variable.
        assert_eq!(unknown, [&"__all"], "{uid}");
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(unused.is_empty(), "{uid}: {unused:?}");
        // Each one is narrowed by those before it, and by no other.
        for (index, variable) in listed.iter().enumerate().filter(|(_, variable)| variable["type"] == "query") {
            let before: BTreeSet<&str> = listed[1..index].iter().map(|variable| text(&variable["name"])).collect();
            let narrowed: BTreeSet<&str> = variables(text(&variable["query"]["query"])).into_iter().collect();
            assert_eq!(narrowed, before, "{uid}: {}", variable["name"]);
        }
    }
}

/// Every link of a panel: of its cells and of its series.
fn links(panel: &Value) -> Vec<&Value> {
    let options = &panel["fieldConfig"];
    let properties = list(&options["overrides"]).iter().flat_map(|rule| list(&rule["properties"]));
    let of_cells =
        properties.filter(|property| property["id"] == "links").flat_map(|property| list(&property["value"]));
    list(&options["defaults"]["links"]).iter().chain(of_cells).collect()
}

#[test]
fn links_lead_to_what_is_there_and_take_their_values_from_columns_that_are_shown() {
    let uids: Vec<&str> = super::all().iter().map(|dashboard| dashboard.uid).collect();
    let mut seen = BTreeSet::new();
    for (uid, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let overrides = list(&panel["fieldConfig"]["overrides"]);
            let columns: Vec<&str> = overrides.iter().map(|rule| text(&rule["matcher"]["options"])).collect();
            for link in links(panel) {
                let url = text(&link["url"]);
                let place = format!("{uid}, {}: {url}", title(panel));
                for field in url.split("${__data.fields.").skip(1) {
                    let field = field.split([':', '}']).next().expect("a name");
                    assert!(columns.contains(&field), "{place}: {field} is no column");
                }
                // Grafana encodes nothing or everything, by its version, unless it is told.
                for variable in url.split("${__").skip(1).map(|rest| rest.split('}').next().expect("an end")) {
                    assert!(variable == "url_time_range" || variable.contains(':'), "{place}: {variable}");
                }
                if let Some(inside) = url.strip_prefix("/d/") {
                    let target = inside.split('?').next().expect("a uid");
                    assert!(uids.contains(&target), "{place}");
                    assert!(
                        url.ends_with("${__url_time_range}") && url.contains("${datasource:queryparam}"),
                        "{place}"
                    );
                    seen.insert("dashboard");
                } else {
                    let path = url.strip_prefix("${__data.fields.exporter_url:raw}").expect("the exporter's own site");
                    let place_of = path.split(['?', '#']).next().expect("a path");
                    assert!(["/row", "/docs/troubleshooting"].contains(&place_of), "{place}");
                    assert_eq!(link["targetBlank"], true, "{place}");
                    seen.insert(if place_of == "/row" { "row" } else { "docs" });
                }
            }
        }
        let to_others = &dashboard["links"][0];
        assert_eq!((&to_others["keepTime"], &to_others["includeVars"]), (&Value::Bool(true), &Value::Bool(true)));
        assert_eq!(to_others["tags"], dashboard["tags"], "{uid}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["dashboard", "docs", "row"]);
}

#[test]
fn states_have_a_text_and_a_colour() {
    let mut seen = 0;
    for (uid, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let options = &panel["fieldConfig"];
            let properties = list(&options["overrides"]).iter().flat_map(|rule| list(&rule["properties"]));
            let of_columns =
                properties.filter(|property| property["id"] == "mappings").map(|property| &property["value"]);
            for mapping in of_columns.chain([&options["defaults"]["mappings"]]).flat_map(list) {
                let results: Vec<&Value> = match text(&mapping["type"]) {
                    "value" => mapping["options"].as_object().expect("values").values().collect(),
                    // A status code is its own text.
                    "range" if title(panel) == "Status codes" => Vec::new(),
                    "range" => vec![&mapping["options"]["result"]],
                    other => panic!("{uid}: {other}"),
                };
                for result in results {
                    seen += 1;
                    assert!(!text(&result["text"]).is_empty(), "{uid}, {}: {result}", title(panel));
                    assert!(!text(&result["color"]).is_empty(), "{uid}, {}: {result}", title(panel));
                }
            }
            if panel["type"] == "state-timeline" {
                assert!(!list(&options["defaults"]["mappings"]).is_empty(), "{uid}, {}", title(panel));
            }
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn an_empty_table_says_what_that_means_and_an_empty_cell_does_not() {
    for (uid, dashboard) in dashboards() {
        for panel in panels(&dashboard).into_iter().filter(|panel| panel["type"] == "table") {
            let says = text(&panel["fieldConfig"]["defaults"]["noValue"]);
            assert!(says.ends_with('.'), "{uid}, {}: {says}", title(panel));
            for column in list(&panel["fieldConfig"]["overrides"]) {
                let own = list(&column["properties"]).iter().find(|property| property["id"] == "noValue");
                assert!(own.is_some_and(|own| !text(&own["value"]).is_empty()), "{uid}, {}: {column}", title(panel));
            }
        }
    }
}

#[test]
fn panels_of_many_rows_have_a_limit_or_pages() {
    for (uid, dashboard) in dashboards() {
        let mut variables = list(&dashboard["templating"]["list"]).iter();
        let all_rows = variables.any(|variable| variable["name"] == "server" && variable["includeAll"] == true);
        for panel in panels(&dashboard) {
            if panel["type"] == "table" {
                assert_eq!(panel["options"]["enablePagination"], true, "{uid}, {}", title(panel));
                continue;
            }
            for target in list(&panel["targets"]) {
                let per_row = text(&target["legendFormat"]).contains("{{server}}");
                let limited = ["topk(", "bottomk("].iter().any(|limit| text(&target["expr"]).contains(limit));
                assert!(!per_row || !all_rows || limited, "{uid}, {}: a series for each of 2,000 rows", title(panel));
            }
        }
    }
}

#[test]
fn words_are_whole_sentences_and_short() {
    for (uid, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let (title, description) = (title(panel), text(&panel["description"]));
            assert!(title.len() <= 45 && !title.ends_with('.'), "{uid}: {title}");
            assert!(description.ends_with('.') && description.len() <= 400, "{uid}, {title}: {description}");
            assert!(!description.contains("  "), "{uid}, {title}: {description}");
        }
    }
}
