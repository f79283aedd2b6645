//! The text of one scrape, and questions to it.

use crate::exposition::{Sample, read_sample};

/// One scrape in the text format. Read as far as it is asked for: a large one takes a while.
#[derive(Debug)]
pub(crate) struct Scrape {
    text: String,
}

impl Scrape {
    pub(crate) fn new(text: String) -> Self {
        Self { text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Every sample of this name that has these labels, whatever others it has.
    pub(crate) fn samples(&self, name: &str, labels: &[(&str, &str)]) -> Vec<Sample> {
        let of_name =
            self.text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let samples = of_name.map(read_sample);
        samples.filter(|sample| labels.iter().all(|(key, value)| sample.label(key) == Some(value))).collect()
    }

    /// The only sample of this name with these labels, if there is one.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let samples = self.samples(name, labels);
        assert!(samples.len() <= 1, "not only one: {samples:#?}");
        samples.first().map(|sample| sample.value)
    }

    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.get(name, labels).unwrap_or_else(|| panic!("there is no {name} with {labels:?}\n{}", self.rows()))
    }

    /// The sum over every sample of this name with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).iter().map(|sample| sample.value).sum()
    }

    /// `healthy`, `unhealthy` or `unknown`, if there is such a row.
    pub(crate) fn state(&self, row: &[(&str, &str)]) -> Option<String> {
        let states = self.samples("backend_health_state", row);
        let mut on = states.iter().filter(|sample| is(sample.value, 1.0));
        let state = on.next()?.label("state").expect("the metric has this label").to_owned();
        assert!(on.next().is_none() && states.len() == 3, "not one row in one state: {states:#?}");
        Some(state)
    }

    /// The cause of the row's latest probe.
    pub(crate) fn cause(&self, row: &[(&str, &str)]) -> Option<String> {
        let causes = self.samples("backend_health_cause_info", row);
        assert!(causes.len() <= 1, "{causes:#?}");
        causes.first().map(|sample| sample.label("cause").expect("the metric has this label").to_owned())
    }

    /// What there is to know about rows, for people who read a failed test.
    pub(crate) fn rows(&self) -> String {
        const SHOWN: [&str; 4] = [
            "backend_health_state{",
            "backend_health_cause_info{",
            "backend_health_consecutive_failures{",
            "backend_health_probes_total{",
        ];
        let shown = self.text.lines().filter(|line| SHOWN.iter().any(|name| line.starts_with(name)));
        shown.filter(|line| !line.ends_with(" 0")).take(500).collect::<Vec<_>>().join("\n")
    }
}

/// Whether a sample has exactly this value: flags, counts, and timestamps that must not have moved.
pub(crate) fn is(value: f64, expected: f64) -> bool {
    value.to_bits() == expected.to_bits()
}
