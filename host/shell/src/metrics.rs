//! `/metrics`: the figures of shard, sockets, plugins and outbox in the OpenMetrics text format.

use crate::handle::Inner;
use crate::kept_metrics;
use crate::post::MailFigures;
use crate::published::{Figures, HOOK_BUCKETS_US};
use core::fmt;
use plugin::{BindingMetrics, CodeFigures, HostMetrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::MailState;

type NoLabels = Vec<(String, String)>;

/// The text of one scrape.
pub(crate) fn text(inner: &Arc<Inner>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(Arc::clone(inner))));
    let mut out = String::new();
    // Writing to a string fails only where a metric's encoder does; half a page is better than none.
    if text::encode(&mut out, &registry).is_err() {
        tracing::error!("a metric could not be written");
    }
    out
}

#[derive(Debug)]
struct Scrape(Arc<Inner>);

/// One name with a value per label value.
struct Series<'a> {
    name: &'a str,
    help: &'a str,
    label: &'a str,
    values: &'a [(&'a str, u64)],
}

fn counter(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)
}

pub(crate) fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    ConstGauge::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counters(to: &mut DescriptorEncoder<'_>, series: &Series<'_>) -> fmt::Result {
    let mut metric = to.encode_descriptor(series.name, series.help, None, MetricType::Counter)?;
    for (value, count) in series.values {
        ConstCounter::new(*count).encode(metric.encode_family(&[(series.label, *value)])?)?;
    }
    Ok(())
}

fn gauges(to: &mut DescriptorEncoder<'_>, series: &Series<'_>) -> fmt::Result {
    let mut metric = to.encode_descriptor(series.name, series.help, None, MetricType::Gauge)?;
    for (value, count) in series.values {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        ConstGauge::new(count).encode(metric.encode_family(&[(series.label, *value)])?)?;
    }
    Ok(())
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        let shards = self.0.each();
        let figures = Figures::of_all(&shards);
        signalling(to, &figures)?;
        protection(to, &figures)?;
        each(to, &shards)?;
        calls(to, &figures)?;
        trunks(to, &figures)?;
        sockets(to, &figures)?;
        asks(to, &figures)?;
        let bindings = self.0.plugins.metrics();
        hooks(to, &bindings)?;
        kept_metrics::encode(to, &self.0.plugins, &bindings)?;
        outbox(to, &self.0, &figures)?;
        feed(to, &self.0)?;
        mails(to, self.0.boxes.post().figures())
    }
}

fn mails(to: &mut DescriptorEncoder<'_>, figures: &MailFigures) -> fmt::Result {
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    counters(
        to,
        &Series {
            name: "strowger_mails",
            help: "Mails: taken by their host, put off after a try in vain, dead, not taken into the queue",
            label: "what",
            values: &[
                ("sent", count(&figures.sent)),
                ("put-off", count(&figures.put_off)),
                ("dead", count(&figures.dead)),
                ("refused", count(&figures.refused)),
            ],
        },
    )?;
    gauges(
        to,
        &Series {
            name: "strowger_mails_kept",
            help: "Mails in the database that wait, are under way, or are dead",
            label: "state",
            values: &[MailState::Waiting, MailState::Sending, MailState::Dead].map(|s| (s.word(), figures.at(s))),
        },
    )
}

fn signalling(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> fmt::Result {
    let core = &figures.core;
    counters(
        to,
        &Series {
            name: "strowger_sip_messages",
            help: "SIP messages: received, sent, dropped because they were no SIP, refused because they were malformed",
            label: "what",
            values: &[
                ("received", core.sip_received),
                ("sent", core.sip_sent),
                ("dropped", core.sip_dropped),
                ("rejected", core.sip_rejected),
            ],
        },
    )?;
    gauge(to, "strowger_sip_transactions", "SIP transactions alive", core.transactions_alive as u64)?;
    gauge(to, "strowger_sip_dialogs", "SIP dialogs alive", core.dialogs_alive as u64)?;
    gauge(to, "strowger_registrations", "Contacts registered now", core.bindings_alive as u64)?;
    counters(
        to,
        &Series {
            name: "strowger_filtered_messages",
            help: "Messages that plugins at hooks/sip-filter were asked about, and what came of it",
            label: "what",
            values: &[
                ("asked", core.filters_asked),
                ("changed", core.filters_changed),
                ("refused", core.filters_refused),
                ("failed", core.filters_failed),
                ("late", core.filters_late),
                ("stale", core.filter_answers_stale),
                ("skipped", core.filters_skipped),
            ],
        },
    )?;
    counter(to, "strowger_registers_accepted", "REGISTER requests answered 200", core.registered)
}

fn protection(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> fmt::Result {
    let (guard, door, overload) = (&figures.core.guard, &figures.core.admission, &figures.core.overload);
    counters(
        to,
        &Series {
            name: "strowger_sip_refused",
            help: "Messages that were not listened to or not let in, by reason",
            label: "why",
            values: &[
                ("banned", guard.banned),
                ("banned-account", guard.banned_accounts),
                ("source-rate", guard.source_rate),
                ("account-rate", guard.account_rate),
                ("scanner", guard.scanners),
                ("unknown-domain", door.unknown_domains),
                ("source", door.sources_refused),
                ("wrong-credentials", door.wrong_credentials),
                ("replayed", door.replayed),
                ("foreign-nonce", door.foreign_nonces),
                ("overload", overload.shed),
            ],
        },
    )?;
    counter(to, "strowger_sip_bans_begun", "Bans begun", guard.bans)?;
    gauge(to, "strowger_sip_bans", "Sources banned now", guard.bans_now as u64)?;
    gauge(to, "strowger_sip_sources", "Sources whose rates are known", guard.sources as u64)?;
    counter(to, "strowger_overload_begun", "Times that new work began to be shed", overload.began)?;
    gauge(to, "strowger_overload_share", "Share of new work that is taken, in thousandths", u64::from(overload.share))?;
    counter(to, "strowger_nat_pings", "Packets that keep phones behind NATs reachable", figures.core.nat_pings)
}

/// How the load is spread over the shards, and what goes between them.
fn each(to: &mut DescriptorEncoder<'_>, shards: &[Figures]) -> fmt::Result {
    let names: Vec<String> = (0..shards.len()).map(|shard| shard.to_string()).collect();
    let values = |of: fn(&Figures) -> u64| -> Vec<(&str, u64)> {
        names.iter().map(String::as_str).zip(shards.iter().map(of)).collect()
    };
    let label = "shard";
    let (name, help) = ("strowger_shard_calls", "Calls up now, by shard");
    gauges(to, &Series { name, help, label, values: &values(|f| f.core.calls_alive as u64) })?;
    let (name, help) = ("strowger_shard_share", "Share of new work that is taken, in thousandths, by shard");
    gauges(to, &Series { name, help, label, values: &values(|f| u64::from(f.core.overload.share)) })?;
    let (name, help) = ("strowger_shard_handed_over", "Messages read by a shard that are another's, by the reader");
    counters(to, &Series { name, help, label, values: &values(|f| f.core.handed_over) })?;
    let (name, help) = ("strowger_shard_hand_overs_dropped", "Messages to other shards that found no room");
    counters(to, &Series { name, help, label, values: &values(|f| f.hand_overs_dropped) })?;
    let (name, help) = ("strowger_shard_astray", "What was admitted for a brand that lives on another shard");
    counters(to, &Series { name, help, label, values: &values(|f| f.core.astray) })
}

fn calls(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> fmt::Result {
    let calls = &figures.core.calls;
    gauge(to, "strowger_calls", "Calls up now", figures.core.calls_alive as u64)?;
    counters(
        to,
        &Series {
            name: "strowger_calls_steps",
            help: "Calls that were opened, answered, ended, refused because of a limit",
            label: "step",
            values: &[
                ("opened", calls.opened),
                ("answered", calls.answered),
                ("ended", calls.ended),
                ("refused_by_limit", calls.refused_by_limit),
            ],
        },
    )?;
    counter(to, "strowger_verdicts_late", "Default verdicts because the chain was late", calls.verdicts_late)?;
    gauges(
        to,
        &Series {
            name: "strowger_media_ports",
            help: "Media port pairs: in all, free",
            label: "what",
            values: &[("total", figures.core.ports_total as u64), ("free", figures.core.ports_free as u64)],
        },
    )?;
    let hands = &figures.hands;
    counters(
        to,
        &Series {
            name: "strowger_handshakes",
            help: "Handshakes with browsers: begun, that came to keys, that failed, that we could not finish",
            label: "step",
            values: &[("begun", hands.begun), ("keyed", hands.keyed), ("failed", hands.failed), ("lost", hands.lost)],
        },
    )?;
    counter(to, "strowger_handshake_records_dropped", "Records of browsers that found no room", hands.dropped)?;
    counter(
        to,
        "strowger_handshake_threads_lost",
        "Threads of handshakes that ended and were replaced",
        hands.threads,
    )?;
    gauge(to, "strowger_media_streams", "Media streams open", figures.core.streams_open as u64)?;
    figures.scores.encode(to)
}

fn trunks(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> fmt::Result {
    let core = &figures.core;
    gauge(to, "strowger_trunk_calls", "Calls by trunks up now, both ways", core.trunks.calls)?;
    counter(to, "strowger_trunk_shed", "Calls kept from carriers' servers that asked for less", core.trunks.shed)?;
    gauges(
        to,
        &Series {
            name: "strowger_trunk_registrations",
            help: "Registrations with carriers: that stand, that are wanted and do not",
            label: "state",
            values: &[("registered", core.trunks.registered), ("failed", core.trunks.unregistered)],
        },
    )?;
    gauges(
        to,
        &Series {
            name: "strowger_trunk_servers",
            help: "Carriers' servers: that take calls, that take none",
            label: "state",
            values: &[("up", core.trunks.servers_up), ("down", core.trunks.servers_down)],
        },
    )?;
    counter(
        to,
        "strowger_trunk_numbers_unknown",
        "Calls from carriers for numbers that are nobody's",
        core.admission.unknown_numbers,
    )
}

fn sockets(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> fmt::Result {
    let net = &figures.net;
    counters(
        to,
        &Series {
            name: "strowger_media_packets",
            help: "RTP and RTCP packets: received, sent, not taken by the kernel",
            label: "what",
            values: &[
                ("received", net.media_received),
                ("sent", net.media_sent),
                ("send_failed", net.media_send_failed),
            ],
        },
    )?;
    for (name, help, counts) in [
        ("strowger_sip_received", "SIP messages received by transport", net.received),
        ("strowger_sip_sent", "SIP messages sent by transport", net.sent),
    ] {
        let values: Vec<(&str, u64)> = counts.iter().map(|(transport, count)| (transport.name(), count)).collect();
        counters(to, &Series { name, help, label: "transport", values: &values })?;
    }
    counter(to, "strowger_sip_udp_send_failed", "SIP datagrams the kernel would not take", net.udp_send_failed)?;
    counter(to, "strowger_stun_answered", "STUN binding requests answered on the SIP ports", net.stun_answered)?;
    counter(to, "strowger_sip_keepalives", "Datagrams that were a keep-alive", net.keepalives)?;
    counter(to, "strowger_tls_handshakes", "TLS handshakes that ended well", net.tls_handshakes)?;
    let (name, help) = ("strowger_tls_failed", "TLS connections that failed, by reason");
    counters(to, &Series { name, help, label: "reason", values: &net.tls_failed.each() })?;
    gauge(to, "strowger_connections", "Stream connections open", net.connections)?;
    counters(
        to,
        &Series {
            name: "strowger_connections_steps",
            help: "Stream connections accepted, turned away at a limit, cut for misbehaving, not opened",
            label: "step",
            values: &[
                ("accepted", net.accepted),
                ("turned_away", net.turned_away),
                ("misbehaved", net.misbehaved),
                ("connect_failed", net.connects_failed),
            ],
        },
    )
}

fn asks(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> fmt::Result {
    counter(to, "strowger_asks", "Questions asked of the plugin chain", figures.asked)?;
    counter(to, "strowger_asks_failed", "Questions in whose chain a plugin failed", figures.ask_failed)?;
    gauge(to, "strowger_asks_pending", "Questions whose answer is awaited", figures.asks_pending as u64)?;
    gauge(to, "strowger_apps", "Call apps alive", figures.apps_alive as u64)?;
    let latency = &figures.ask_latency;
    let bounds = HOOK_BUCKETS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(latency.counts).collect();
    let help = "Time from question to answer, thread changes included";
    to.encode_descriptor("strowger_ask_seconds", help, None, MetricType::Histogram)?.encode_histogram::<NoLabels>(
        latency.sum_us as f64 / 1e6,
        latency.counts.iter().sum(),
        &buckets,
        None,
    )
}

pub(crate) fn labels(binding: &BindingMetrics) -> Vec<(String, String)> {
    vec![
        ("binding".to_owned(), binding.name.clone()),
        ("id".to_owned(), binding.id.to_string()),
        ("plugin".to_owned(), binding.plugin.clone()),
        ("point".to_owned(), binding.point.name().to_owned()),
    ]
}

fn hooks(to: &mut DescriptorEncoder<'_>, host: &HostMetrics) -> fmt::Result {
    gauges(
        to,
        &Series {
            name: "strowger_plugin_instances",
            help: "Plugin instances alive, by engine",
            label: "engine",
            values: &[("hooks", host.hooks_live), ("apps", host.apps_live)],
        },
    )?;
    places(to, host)?;
    gauge(to, "strowger_plugin_artifacts", "Components kept compiled", host.artifacts)?;
    codes(to, host.code)?;
    gauge(to, "strowger_plugin_generation", "Generation of bindings in use", host.generation)?;
    let mut metric = to.encode_descriptor("strowger_hook_seconds", "Time of one hook", None, MetricType::Histogram)?;
    for binding in &host.bindings {
        let last = binding.took_log2_us.len() - 1;
        let bound = |i: usize| if i == last { f64::INFINITY } else { (1_u64 << i) as f64 / 1e6 };
        let buckets: Vec<(f64, u64)> = binding.took_log2_us.iter().enumerate().map(|(i, n)| (bound(i), *n)).collect();
        let labels = labels(binding);
        let (sum, count) = (binding.took_ns as f64 / 1e9, binding.took_log2_us.iter().sum());
        metric.encode_family(&labels)?.encode_histogram::<NoLabels>(sum, count, &buckets, None)?;
    }
    let help = "Hooks and apps: begun, trapped, out of time, with an answer that breaks a rule, not begun";
    let mut metric = to.encode_descriptor("strowger_hook_outcomes", help, None, MetricType::Counter)?;
    for binding in &host.bindings {
        let outcomes = [
            ("begun", binding.calls),
            ("trap", binding.traps),
            ("timeout", binding.timeouts),
            ("invalid", binding.invalid),
            ("saturated", binding.saturated),
            ("tripped", binding.tripped),
        ];
        for (outcome, count) in outcomes {
            let mut labels = labels(binding);
            labels.push(("outcome".to_owned(), outcome.to_owned()));
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    warm(to, host)?;
    guests(to, host)
}

/// What became of compiled code.
fn codes(to: &mut DescriptorEncoder<'_>, code: CodeFigures) -> fmt::Result {
    gauge(to, "strowger_plugin_code_bytes", "Bytes of compiled components in the data folder", code.bytes)?;
    let help = "Code of components: compiled, no code came of it, read from the data folder, not believed there, not \
                written, removed for want of room";
    let values = &[
        ("compiled", code.compiled),
        ("failed", code.failed),
        ("loaded", code.loaded),
        ("refused", code.refused),
        ("unwritten", code.unwritten),
        ("removed", code.removed),
    ];
    counters(to, &Series { name: "strowger_plugin_code", help, label: "event", values })
}

/// Instances that are kept between questions; bindings that keep none have no line.
fn warm(to: &mut DescriptorEncoder<'_>, host: &HostMetrics) -> fmt::Result {
    gauge(to, "strowger_plugin_warm_places", "Instances that may wait for a question at once", host.warm_max)?;
    let kept = || host.bindings.iter().filter(|b| b.warm.made > 0);
    let mut metric = to.encode_descriptor("strowger_plugin_warm", "Instances that wait", None, MetricType::Gauge)?;
    for binding in kept() {
        let idle = i64::try_from(binding.warm.idle).unwrap_or(i64::MAX);
        ConstGauge::new(idle).encode(metric.encode_family(&labels(binding))?)?;
    }
    let help = "Linear memory of instances that wait";
    let mut metric = to.encode_descriptor("strowger_plugin_warm_bytes", help, None, MetricType::Gauge)?;
    for binding in kept() {
        let bytes = i64::try_from(binding.warm.idle_bytes).unwrap_or(i64::MAX);
        ConstGauge::new(bytes).encode(metric.encode_family(&labels(binding))?)?;
    }
    let help = "Instances of warm bindings: asked again, made, gone by reason";
    let mut metric = to.encode_descriptor("strowger_plugin_warm_events", help, None, MetricType::Counter)?;
    for binding in kept() {
        let gone = binding.warm.gone.iter().map(|(why, n)| (*why, *n));
        for (event, count) in [("hit", binding.warm.hits), ("made", binding.warm.made)].into_iter().chain(gone) {
            let mut labels = labels(binding);
            labels.push(("event".to_owned(), event.to_owned()));
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// The places for plugin instances and the shares of them: what there is, what is taken, who was refused one.
fn places(to: &mut DescriptorEncoder<'_>, host: &HostMetrics) -> fmt::Result {
    let help = "Places for plugin instances: all there are, those one brand and one binding may take, those taken";
    let mut metric = to.encode_descriptor("strowger_plugin_places", help, None, MetricType::Gauge)?;
    for used in &host.pools {
        let values = [("max", used.max), ("brand_max", used.brand_max), ("binding_max", used.binding_max)];
        for (what, count) in values.into_iter().chain([("taken", used.live)]) {
            ConstGauge::new(i64::from(count))
                .encode(metric.encode_family(&[("pool", used.pool.name()), ("what", what)])?)?;
        }
    }
    let help = "Places for plugin instances that a brand has taken; brands without one are left out";
    let mut metric = to.encode_descriptor("strowger_plugin_places_of_brand", help, None, MetricType::Gauge)?;
    for used in &host.pools {
        for (brand, count) in &used.brands {
            let labels = [("pool", used.pool.name().to_owned()), ("brand", brand.to_string())];
            ConstGauge::new(i64::from(*count)).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "Instances refused a place, by what was full: all places, the brand's share, the binding's share";
    let mut metric = to.encode_descriptor("strowger_plugin_places_refused", help, None, MetricType::Counter)?;
    for used in &host.pools {
        let values = [("all", used.refused_all), ("brand", used.refused_brand), ("binding", used.refused_binding)];
        for (full, count) in values {
            ConstCounter::new(count).encode(metric.encode_family(&[("pool", used.pool.name()), ("full", full)])?)?;
        }
    }
    let help = "Instances of a binding alive, over all its versions";
    let mut metric = to.encode_descriptor("strowger_binding_instances", help, None, MetricType::Gauge)?;
    for binding in &host.bindings {
        ConstGauge::new(i64::from(binding.live)).encode(metric.encode_family(&labels(binding))?)?;
    }
    Ok(())
}

/// What the guests count themselves: one metric name of ours, theirs as a label, so that none can take another's.
fn guests(to: &mut DescriptorEncoder<'_>, host: &HostMetrics) -> fmt::Result {
    let mut metric = to.encode_descriptor("strowger_guest", "What plugins count", None, MetricType::Counter)?;
    for binding in &host.bindings {
        for series in &binding.series {
            let mut all = labels(binding);
            all.push(("series".to_owned(), series.name.clone()));
            all.extend(series.labels.iter().map(|(name, value)| (format!("guest_{name}"), value.clone())));
            ConstCounter::new(series.sum).encode(metric.encode_family(&all)?)?;
        }
    }
    Ok(())
}

fn outbox(to: &mut DescriptorEncoder<'_>, inner: &Inner, figures: &Figures) -> fmt::Result {
    let outbox = inner.outbox.counters();
    counters(
        to,
        &Series {
            name: "strowger_call_records",
            help: "Call records: written to the journal, lost; CDRs: stored, set aside; failed writes of the journal",
            label: "what",
            values: &[
                ("written", outbox.records_written),
                ("lost", outbox.records_lost),
                ("stored", outbox.cdrs_stored),
                ("rejected", outbox.cdrs_rejected),
                ("io_errors", outbox.io_errors),
            ],
        },
    )?;
    let unwritten = figures.records_unwritten as u64;
    gauge(to, "strowger_records_unwritten", "Call records that wait in memory for the disk", unwritten)?;
    gauge(to, "strowger_journal_backlog_bytes", "Journal bytes not yet in the database", outbox.bytes_pending)?;
    gauge(to, "strowger_journal_segments", "Journal files", outbox.segments)
}

fn feed(to: &mut DescriptorEncoder<'_>, inner: &Inner) -> fmt::Result {
    let applied = inner.applied.borrow().clone();
    gauge(to, "strowger_directory_version", "Change number of the store that is live", applied.version)?;
    let stale = applied.stale.is_some() || inner.db.is_away();
    gauge(to, "strowger_directory_stale", "1 while the store's news cannot be read", stale.into())?;
    gauge(
        to,
        "strowger_tenants_held",
        "Tenants whose facts stay as they were, because a row has no meaning",
        applied.held.len() as u64,
    )?;
    let read = applied.read;
    let values = [("whole", read.whole), ("steps", read.steps), ("rows", read.rows)];
    let help =
        "What was read of the store since the start: everything so many times; in steps, and so many changed rows";
    counters(to, &Series { name: "strowger_directory_reads", help, label: "what", values: &values })?;
    let help = "Times that a component was not compiled because the database or the compiler failed; it is tried again";
    counter(to, "strowger_component_waits", help, applied.component_waits)?;
    gauge(to, "strowger_bindings_broken", "Plugin bindings that are not live", applied.broken.len() as u64)
}
