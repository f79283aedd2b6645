//! Panels: one constructor for each kind of picture, with what all panels of that kind have in common.

use serde_json::{Value, json};

use super::query::{DATA_SOURCE, spelled_out};

/// One picture.
pub(super) struct Panel {
    kind: &'static str,
    title: String,
    description: String,
    unit: &'static str,
    targets: Vec<Value>,
    options: Value,
    /// Field options beside the unit.
    defaults: Value,
    overrides: Vec<Value>,
    transformations: Vec<Value>,
    /// Points in time, where fewer than pixels do.
    points: Option<u32>,
}

/// Whether a target asks for one moment or for the whole time range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    Always,
}

impl Panel {
    fn new(kind: &'static str, title: &str, description: &str, unit: &'static str) -> Self {
        Self {
            kind,
            title: title.to_owned(),
            description: description.to_owned(),
            unit,
            targets: Vec::new(),
            options: json!({}),
            defaults: json!({}),
            overrides: Vec::new(),
            transformations: Vec::new(),
            points: None,
        }
    }

    /// One number, or one for each series, on a coloured ground.
    pub(super) fn stat(title: &str, description: &str, unit: &'static str, legend: &str, expression: &str) -> Self {
        let mut panel = Self::new("stat", title, description, unit);
        panel.options = json!({
            "colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
            "textMode": if legend.is_empty() { "value" } else { "value_and_name" },
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        });
        panel.target(expression, legend, When::Now, "time_series")
    }

    /// Lines over time, with their latest and largest values in the legend.
    pub(super) fn graph(title: &str, description: &str, unit: &'static str, lines: &[(&str, &str)]) -> Self {
        let mut panel = Self::new("timeseries", title, description, unit);
        panel.options = json!({
            "legend": {
                "calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": true,
                "sortBy": "Last *", "sortDesc": true,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        });
        panel.defaults = json!({
            "min": 0,
            "custom": {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false},
        });
        lines
            .iter()
            .fold(panel, |panel, (legend, expression)| panel.target(expression, legend, When::Always, "time_series"))
    }

    /// A graph whose lines add up.
    pub(super) fn stacked(title: &str, description: &str, unit: &'static str, lines: &[(&str, &str)]) -> Self {
        let mut panel = Self::graph(title, description, unit, lines);
        panel.defaults["custom"]["stacking"] = json!({"mode": "normal", "group": "A"});
        panel.defaults["custom"]["fillOpacity"] = json!(60);
        panel
    }

    /// A lane for each series, coloured by its value.
    pub(super) fn timeline(title: &str, description: &str, lanes: &[(&str, &str)]) -> Self {
        let mut panel = Self::new("state-timeline", title, description, "none");
        panel.options = json!({
            "alignValue": "left", "mergeValues": true, "rowHeight": 0.8, "showValue": "auto",
            // Lanes keep a height that can be read; further ones are on the next page.
            "perPage": 20,
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "single", "sort": "none"},
        });
        panel.defaults = json!({"custom": {"fillOpacity": 80, "lineWidth": 0}});
        panel.points = Some(400);
        lanes
            .iter()
            .fold(panel, |panel, (legend, expression)| panel.target(expression, legend, When::Always, "time_series"))
    }

    /// A bar for each series.
    pub(super) fn bars(title: &str, description: &str, unit: &'static str, legend: &str, expression: &str) -> Self {
        let mut panel = Self::new("bargauge", title, description, unit);
        panel.options = json!({
            "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true, "minVizHeight": 16,
            "minVizWidth": 8, "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        });
        panel.target(expression, legend, When::Now, "time_series")
    }

    /// A table: a line for each series and a column for each of its labels and values that is named.
    pub(super) fn table(title: &str, description: &str, columns: &[Column], expressions: &[&str]) -> Self {
        let mut panel = Self::new("table", title, description, "none");
        panel.options = json!({
            "showHeader": true, "cellHeight": "sm", "frameIndex": 0,
            "enablePagination": true,
        });
        panel.defaults = json!({
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": true, "filterable": true},
        });
        for expression in expressions {
            panel = panel.target(expression, "", When::Now, "table");
        }
        if expressions.len() > 1 {
            panel.transformations.push(json!({"id": "merge", "options": {}}));
        }
        let order = columns.iter().enumerate().map(|(index, column)| (column.field.to_owned(), json!(index)));
        let hidden = FIELDS.iter().filter(|field| columns.iter().all(|column| column.field != **field));
        panel.transformations.push(json!({
            "id": "organize",
            "options": {
                "indexByName": order.collect::<serde_json::Map<_, _>>(),
                "excludeByName": hidden.map(|field| ((*field).to_owned(), json!(true))).collect::<serde_json::Map<_, _>>(),
                "renameByName": {},
            },
        }));
        panel.overrides.extend(columns.iter().map(Column::json));
        panel
    }

    /// Says this in place of *No data*.
    pub(super) fn when_empty(mut self, text: &str) -> Self {
        self.defaults["noValue"] = json!(text);
        self
    }

    /// The column that a table is sorted by, from the largest value down.
    pub(super) fn largest_first(mut self, column: &str) -> Self {
        self.options["sortBy"] = json!([{"displayName": column, "desc": true}]);
        self
    }

    /// The column that a table is sorted by, from the smallest value up.
    pub(super) fn smallest_first(mut self, column: &str) -> Self {
        self.options["sortBy"] = json!([{"displayName": column, "desc": false}]);
        self
    }

    /// Colours from these values on; the first colour is that of everything below.
    pub(super) fn thresholds(mut self, steps: &[(Option<f64>, &str)]) -> Self {
        self.defaults["thresholds"] = thresholds(steps);
        self.defaults["color"] = json!({"mode": "thresholds"});
        self
    }

    /// Text and colour for values.
    pub(super) fn mappings(mut self, mappings: Value) -> Self {
        self.defaults["mappings"] = mappings;
        self
    }

    /// The value at which a bar is full.
    pub(super) fn up_to(mut self, max: f64) -> Self {
        self.defaults["min"] = json!(0);
        self.defaults["max"] = json!(max);
        self
    }

    /// A fixed colour for the series of this name.
    pub(super) fn colored(mut self, series: &str, color: &str) -> Self {
        self.overrides.push(json!({
            "matcher": {"id": "byName", "options": series},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }));
        self
    }

    /// Drawn as bars instead of lines.
    pub(super) fn drawn_as_bars(mut self) -> Self {
        self.defaults["custom"]["drawStyle"] = json!("bars");
        self
    }

    /// A link from every series.
    pub(super) fn link(mut self, title: &str, url: &str) -> Self {
        self.defaults["links"] = json!([{"title": title, "url": url, "targetBlank": false}]);
        self
    }

    fn target(mut self, expression: &str, legend: &str, when: When, format: &str) -> Self {
        let name = char::from(b'A' + u8::try_from(self.targets.len()).expect("a panel has a few targets"));
        self.targets.push(json!({
            "refId": name.to_string(), "datasource": DATA_SOURCE.clone(), "expr": spelled_out(expression),
            "legendFormat": legend, "format": format, "editorMode": "code", "exemplar": false,
            "instant": when == When::Now, "range": when == When::Always,
        }));
        self
    }

    pub(super) fn json(&self, id: usize, place: &Value) -> Value {
        let Self { kind, title, description, unit, targets, options, defaults, overrides, transformations, points } =
            self;
        let mut defaults = defaults.clone();
        defaults["unit"] = json!(unit);
        let mut json = json!({
            "id": id,
            "type": kind,
            "title": title,
            "description": description,
            "gridPos": place,
            "datasource": DATA_SOURCE.clone(),
            "targets": targets,
            "options": options,
            "fieldConfig": {"defaults": defaults, "overrides": overrides},
            "transformations": transformations,
        });
        if let Some(points) = points {
            json["maxDataPoints"] = json!(points);
        }
        json
    }
}

/// A column of a table.
pub(super) struct Column {
    field: &'static str,
    properties: Vec<Value>,
}

impl Column {
    /// The label, `Value`, or `Value #A` when the table has several targets.
    pub(super) fn new(field: &'static str, title: &str) -> Self {
        // Without this an empty cell would say what an empty table says.
        let nothing = json!({"id": "noValue", "value": "–"});
        Self { field, properties: vec![json!({"id": "displayName", "value": title}), nothing] }
    }

    fn with(mut self, id: &str, value: impl Into<Value>) -> Self {
        self.properties.push(json!({"id": id, "value": value.into()}));
        self
    }

    pub(super) fn width(self, width: u32) -> Self {
        self.with("custom.width", width)
    }

    pub(super) fn unit(self, unit: &str) -> Self {
        self.with("unit", unit)
    }

    pub(super) fn decimals(self, decimals: u32) -> Self {
        self.with("decimals", decimals)
    }

    /// Long text, shown whole.
    pub(super) fn wrapped(self) -> Self {
        self.with("custom.wrapText", true)
    }

    /// Text and colour for its values, as the cell's ground.
    pub(super) fn mapped(self, mappings: Value) -> Self {
        self.with("mappings", mappings).ground()
    }

    fn ground(self) -> Self {
        self.with("custom.cellOptions", json!({"type": "color-background", "mode": "basic"}))
    }

    /// Says this where there is no value.
    pub(super) fn when_empty(mut self, text: &str) -> Self {
        self.properties[1]["value"] = json!(text);
        self
    }

    pub(super) fn links(self, links: &[(&str, &str, NewTab)]) -> Self {
        let links = links
            .iter()
            .map(|(title, url, tab)| json!({"title": title, "url": url, "targetBlank": *tab == NewTab::Yes}));
        let links: Vec<Value> = links.collect();
        self.with("links", links)
    }

    fn json(&self) -> Value {
        json!({"matcher": {"id": "byName", "options": self.field}, "properties": self.properties})
    }
}

/// What leads away from Grafana opens beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NewTab {
    Yes,
    No,
}

fn thresholds(steps: &[(Option<f64>, &str)]) -> Value {
    let steps = steps.iter().map(|(value, color)| json!({"value": value, "color": color}));
    json!({"mode": "absolute", "steps": steps.collect::<Vec<_>>()})
}

/// Every field that a table can get from its queries: what is no column of it is left out.
const FIELDS: [&str; 25] = [
    "Time",
    "Value",
    "Value #A",
    "__name__",
    "cause",
    "cipher",
    "exporter_url",
    "fingerprint_sha256",
    "instance",
    "issuer",
    "job",
    "pool",
    "port",
    "position",
    "protocol",
    "remedy",
    "revision",
    "role",
    "serial",
    "server",
    "setting",
    "side",
    "stage",
    "subject",
    "title",
];
