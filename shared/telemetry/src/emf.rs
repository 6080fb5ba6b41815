//! `CloudWatch`'s embedded metric format: one JSON line that is a log line and carries metrics
//! (AWS's page "Specification: embedded metric format").
//!
//! A set of metrics is a struct. [`metric_set`] makes the published name of each field part of its
//! declaration, so that no list pairs names with values by position.

use std::time::Duration;

use poolbridge_core::time::Time;
use serde_json::{Map, Value, json};

/// The namespace of every metric.
pub const NAMESPACE: &str = "poolbridge";

/// The dimension of every metric: the bridge's name. AWS bills each further value as a metric of
/// its own, so there is only one.
pub const DIMENSION: &str = "name";

/// The values of one metric in one line: the embedded metric format allows at most 100.
const VALUES_MAX: usize = 100;

/// A duration that is published in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Seconds(pub Duration);

/// Durations that are published in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Milliseconds(pub Vec<Duration>);

impl Milliseconds {
    /// Adds one duration.
    pub fn push(&mut self, span: Duration) {
        self.0.push(span);
    }
}

/// The value of one metric.
pub(crate) trait Metric {
    /// The unit, as `CloudWatch` names it.
    const UNIT: &'static str;
    /// The value to publish; `None` if there is none, because `CloudWatch` refuses an empty list.
    fn json(&self) -> Option<Value>;
    /// Adds the value of another part of the same work.
    fn add(&mut self, other: Self);
}

/// A count.
impl Metric for u64 {
    const UNIT: &'static str = "Count";

    fn json(&self) -> Option<Value> {
        Some(json!(self))
    }

    fn add(&mut self, other: Self) {
        *self = self.saturating_add(other);
    }
}

impl Metric for Seconds {
    const UNIT: &'static str = "Seconds";

    fn json(&self) -> Option<Value> {
        Some(json!(self.0.as_secs()))
    }

    fn add(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Metric for Milliseconds {
    const UNIT: &'static str = "Milliseconds";

    fn json(&self) -> Option<Value> {
        let values: Vec<u64> = self.0.iter().take(VALUES_MAX).copied().map(milliseconds).collect();
        match values.as_slice() {
            [] => None,
            [value] => Some(json!(value)),
            values => Some(json!(values)),
        }
    }

    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Whole milliseconds of a duration.
pub fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Metrics that are published together, in one line.
pub trait MetricSet {
    /// The published names.
    const NAMES: &'static [&'static str];

    /// Name, unit and value of each metric that has a value.
    fn values(&self) -> Vec<(&'static str, &'static str, Value)>;
}

/// Declares a set of metrics: `"published_name" => field: Type` for each. The set also gets
/// `add`, which adds another part of the same work metric by metric.
macro_rules! metric_set {
    (
        $(#[$set_doc:meta])*
        $Set:ident { $($(#[$doc:meta])* $name:literal => $field:ident: $Kind:ty,)+ }
    ) => {
        $(#[$set_doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Default)]
        pub struct $Set {
            $($(#[$doc])* pub $field: $Kind,)+
        }

        impl $crate::emf::MetricSet for $Set {
            const NAMES: &'static [&'static str] = &[$($name,)+];

            fn values(&self) -> Vec<(&'static str, &'static str, ::serde_json::Value)> {
                use $crate::emf::Metric;
                let all = [$(($name, <$Kind>::UNIT, self.$field.json()),)+];
                let given = all.into_iter();
                given.filter_map(|(name, unit, value)| Some((name, unit, value?))).collect()
            }
        }

        impl $Set {
            /// Adds the metrics of another part of the same work.
            pub fn add(&mut self, other: Self) {
                use $crate::emf::Metric;
                $(self.$field.add(other.$field);)+
            }
        }
    };
}
pub(crate) use metric_set;

/// One line of the embedded metric format. `bridge`: the bridge's name.
pub(crate) fn line(bridge: &str, now: Time, metrics: &impl MetricSet) -> String {
    let mut definitions = Vec::new();
    let mut root = Map::new();
    for (name, unit, value) in metrics.values() {
        definitions.push(json!({ "Name": name, "Unit": unit }));
        root.insert(name.to_owned(), value);
    }
    root.insert(DIMENSION.to_owned(), json!(bridge));
    root.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.0,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": definitions,
            }],
        }),
    );
    Value::Object(root).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(unreachable_pub, reason = "the macro declares public sets")]
    mod sample {
        use super::super::{Milliseconds, Seconds};
        metric_set! {
            /// A set with each kind of metric.
            Sample {
                /// A count.
                "sample_count" => count: u64,
                /// Seconds.
                "sample_seconds" => age: Seconds,
                /// Milliseconds.
                "sample_milliseconds" => spans: Milliseconds,
            }
        }
    }
    use sample::Sample;

    fn sample(spans: usize) -> Sample {
        Sample {
            count: 3,
            age: Seconds(Duration::from_millis(95_900)),
            spans: Milliseconds(vec![Duration::from_millis(12); spans]),
        }
    }

    fn written(sample: &Sample) -> Value {
        serde_json::from_str(&line("acme", Time(1_700_000_000_123), sample)).unwrap()
    }

    #[test]
    fn a_line_is_embedded_metric_format() {
        let wanted = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_123_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "poolbridge",
                    "Dimensions": [["name"]],
                    "Metrics": [
                        { "Name": "sample_count", "Unit": "Count" },
                        { "Name": "sample_seconds", "Unit": "Seconds" },
                        { "Name": "sample_milliseconds", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "name": "acme",
            "sample_count": 3,
            "sample_seconds": 95,
            "sample_milliseconds": 12,
        });
        assert_eq!(written(&sample(1)), wanted);
        assert_eq!(Sample::NAMES, ["sample_count", "sample_seconds", "sample_milliseconds"]);
    }

    #[test]
    fn several_values_are_a_list_of_at_most_a_hundred_and_no_value_is_left_out() {
        let shown = |spans| written(&sample(spans))["sample_milliseconds"].clone();
        assert_eq!(shown(2), json!([12, 12]));
        assert_eq!(shown(150).as_array().unwrap().len(), VALUES_MAX);
        assert!(!line("acme", Time(1), &sample(0)).contains("sample_milliseconds"));
    }

    #[test]
    fn two_parts_add_up_metric_by_metric() {
        let mut sum = sample(1);
        sum.add(sample(2));
        let age = Seconds(Duration::from_millis(2 * 95_900));
        assert_eq!((sum.count, sum.age, sum.spans.0.len()), (6, age, 3));
    }
}
