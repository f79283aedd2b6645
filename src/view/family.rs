//! Writes metric families: the lines that describe one, then its samples, and nothing at all when it has none.

use std::time::Duration;
use std::{fmt, iter};

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Where families are written, one after the other. Names are the full ones, as a query has them; the unit is read off
/// the name's end. Help is one line without `\` and `"`, which would need escaping.
pub(super) struct Families<'a>(DescriptorEncoder<'a>);

/// What a histogram holds.
pub(super) struct Buckets {
    /// Upper bound, inclusive, and what was counted in this bucket alone; the last bound is infinite.
    counts: Vec<(f64, u64)>,
    sum: Duration,
}

impl<'a> Families<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn gauge<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.describe(name, help, MetricType::Gauge)?;
        samples.try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    /// `name` ends with `_total`.
    pub(super) fn counter<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.describe(name, help, MetricType::Counter)?;
        samples.try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    pub(super) fn single_gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        match value {
            Some(value) => self.describe(name, help, MetricType::Gauge)?.encode_gauge(&value),
            None => Ok(()),
        }
    }

    /// `name` ends with `_total`.
    pub(super) fn single_counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        value: &impl EncodeCounterValue,
    ) -> fmt::Result {
        self.describe(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, f64>(value, None)
    }

    pub(super) fn histogram<L: EncodeLabelSet>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (L, Buckets)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.describe(name, help, MetricType::Histogram)?;
        samples.try_for_each(|(labels, buckets)| buckets.encode(metric.encode_family(&labels)?))
    }

    pub(super) fn single_histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &Buckets,
    ) -> fmt::Result {
        buckets.encode(self.describe(name, help, MetricType::Histogram)?)
    }

    fn describe(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        static SECONDS: Unit = Unit::Seconds;
        static BYTES: Unit = Unit::Bytes;
        // The encoder puts the unit and, for a counter, `_total` behind the name by itself.
        let family = name.strip_suffix("_total").unwrap_or(name);
        match (family.strip_suffix("_seconds"), family.strip_suffix("_bytes")) {
            (Some(stem), _) => self.0.encode_descriptor(stem, help, Some(&SECONDS), kind),
            (None, Some(stem)) => self.0.encode_descriptor(stem, help, Some(&BYTES), kind),
            (None, None) => self.0.encode_descriptor(family, help, None, kind),
        }
    }
}

impl Buckets {
    /// `counts` has one more than `bounds`: what was above all of them.
    pub(super) fn new(bounds: &[f64], counts: &[u64], sum: Duration) -> Self {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        // The infinite bucket must be there even when nothing was counted yet.
        let counts = counts.iter().copied().chain(iter::repeat(0));
        Self { counts: bounds.zip(counts).collect(), sum }
    }

    fn encode(&self, mut metric: MetricEncoder<'_>) -> fmt::Result {
        let Self { counts, sum } = self;
        let count = counts.iter().map(|(_, count)| count).sum();
        metric.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), count, counts, None)
    }
}
