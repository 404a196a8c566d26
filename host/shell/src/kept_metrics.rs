//! `/metrics` of what plugins keep, look up and are told: each limit of theirs with its use.

use crate::metrics::{gauge, labels};
use core::fmt;
use plugin::{Host, HostMetrics};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tables::SpaceName;

type Labels = Vec<(String, String)>;

fn level(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

fn of(space: &SpaceName) -> Labels {
    let or_all = |id: Option<String>| id.unwrap_or_else(|| "-".to_owned());
    vec![
        ("brand".to_owned(), space.brand.to_string()),
        ("company".to_owned(), or_all(space.company.map(|c| c.to_string()))),
        ("account".to_owned(), or_all(space.account.map(|a| a.to_string()))),
        ("plugin".to_owned(), space.plugin.clone()),
        ("bucket".to_owned(), space.bucket.clone()),
    ]
}

/// Keys, prefix tables, events and breakers.
pub(crate) fn encode(to: &mut DescriptorEncoder<'_>, host: &Host, bindings: &HostMetrics) -> fmt::Result {
    let usage = host.kv().usage();
    let mut metric = to.encode_descriptor("strowger_plugin_keys", "Keys of a bucket", None, MetricType::Gauge)?;
    for (space, keys, _) in &usage {
        level(*keys).encode(metric.encode_family(&of(space))?)?;
    }
    let help = "Bytes of a bucket, as its limit counts them";
    let mut metric = to.encode_descriptor("strowger_plugin_key_bytes", help, None, MetricType::Gauge)?;
    for (space, _, bytes) in &usage {
        level(*bytes).encode(metric.encode_family(&of(space))?)?;
    }
    let unwritten = host.kv().unwritten() as u64;
    gauge(to, "strowger_plugin_keys_unwritten", "Changes of plugins' keys on their way to the disk", unwritten)?;
    let help = "Rows of a prefix table";
    let mut metric = to.encode_descriptor("strowger_prefix_table_rows", help, None, MetricType::Gauge)?;
    for (brand, name, rows, _) in host.prefix_tables().list() {
        let labels: Labels = vec![("brand".to_owned(), brand.to_string()), ("table".to_owned(), name)];
        level(rows).encode(metric.encode_family(&labels)?)?;
    }
    let help = "1 while a binding rests because it keeps failing";
    let mut metric = to.encode_descriptor("strowger_hook_open", help, None, MetricType::Gauge)?;
    for binding in &bindings.bindings {
        level(usize::from(binding.open)).encode(metric.encode_family(&labels(binding))?)?;
    }
    events(to, bindings)
}

fn events(to: &mut DescriptorEncoder<'_>, bindings: &HostMetrics) -> fmt::Result {
    let sinks = || bindings.bindings.iter().filter(|b| b.point == plugin::Point::EventSink);
    let help = "Events that wait for an event sink";
    let mut metric = to.encode_descriptor("strowger_events_waiting", help, None, MetricType::Gauge)?;
    for binding in sinks() {
        let waiting = usize::try_from(binding.events.waiting).unwrap_or(usize::MAX);
        level(waiting).encode(metric.encode_family(&labels(binding))?)?;
    }
    let help = "Events that an event sink has taken, and those put aside (dead letters)";
    let mut metric = to.encode_descriptor("strowger_events_told", help, None, MetricType::Counter)?;
    for binding in sinks() {
        for (what, count) in [("taken", binding.events.told), ("aside", binding.events.dead)] {
            let mut labels = labels(binding);
            labels.push(("what".to_owned(), what.to_owned()));
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
