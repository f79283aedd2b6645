//! A dashboard as its source describes it, and how it becomes Grafana's JSON: ids, grid positions and everything that is
//! the same in all of them are added here.

use serde_json::{Value, json};

use super::panel::Panel;
use super::variables;
use super::variables::Variables;

/// A dashboard, from top to bottom.
pub(super) struct Dashboard {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) variables: Variables,
    pub(super) sections: Vec<Section>,
}

/// Lines of panels under a heading; the first section needs none.
pub(super) struct Section {
    pub(super) heading: Option<&'static str>,
    pub(super) lines: Vec<Line>,
}

/// Panels side by side, all of one height. Their widths fill the grid.
pub(super) struct Line {
    pub(super) height: u32,
    pub(super) panels: Vec<(u32, Panel)>,
}

/// Columns of Grafana's grid.
pub(super) const GRID: u32 = 24;

/// What the links between the dashboards go by.
const TAG: &str = "backend-health";

impl Dashboard {
    pub(super) fn file_name(&self) -> String {
        format!("{}.json", self.uid)
    }

    /// What is imported.
    pub(super) fn json(&self) -> Value {
        let Self { uid, title, description, variables, sections } = self;
        json!({
            "uid": uid,
            "id": null,
            "title": title,
            "description": description,
            "tags": [TAG],
            "editable": false,
            // Grafana 9 wrote this form; every later one reads it.
            "schemaVersion": 36,
            "version": 1,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "weekStart": "",
            "fiscalYearStartMonth": 0,
            "links": [other_dashboards()],
            "annotations": {"list": variables::annotations()},
            "templating": {"list": variables.json()},
            "panels": panels(sections),
        })
    }
}

fn other_dashboards() -> Value {
    json!({
        "type": "dashboards",
        "title": "Backend health",
        "tooltip": "The other dashboards, for the same time and the same choice",
        "tags": [TAG],
        "asDropdown": false,
        "icon": "external link",
        "includeVars": true,
        "keepTime": true,
        "targetBlank": false,
        "url": "",
    })
}

fn panels(sections: &[Section]) -> Vec<Value> {
    let (mut panels, mut y) = (Vec::new(), 0);
    for Section { heading, lines } in sections {
        if let Some(heading) = heading {
            let place = json!({"x": 0, "y": y, "w": GRID, "h": 1});
            let id = panels.len() + 1;
            panels.push(json!({
                "id": id, "type": "row", "title": heading, "collapsed": false, "gridPos": place, "panels": [],
            }));
            y += 1;
        }
        for Line { height, panels: side_by_side } in lines {
            let mut x = 0;
            for (width, panel) in side_by_side {
                let place = json!({"x": x, "y": y, "w": width, "h": height});
                panels.push(panel.json(panels.len() + 1, &place));
                x += width;
            }
            y += height;
        }
    }
    panels
}
