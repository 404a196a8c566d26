//! What is proxied: requests and responses that pass, before anybody else is asked about them (RFC 3261 section 16).

use crate::config::CoreConfig;
use crate::core::Core;
use crate::front::Refusal;
use model::Instant;
use sip_message::{Message, Name};
use sip_transaction::Event;

/// The proxy's part of the shard's configuration.
pub(crate) fn config(config: &CoreConfig) -> sip_proxy::Config {
    sip_proxy::Config {
        repeats: config.t1 * 64,
        listeners: config.listeners.iter().map(|l| (l.transport, l.local)).collect(),
        passes_max: config.limits.transactions_max,
        ..sip_proxy::Config::default()
    }
}

impl Core {
    /// Gives a transaction's event to the proxy, if it is of something that passes; else gives it back.
    pub(crate) fn pass_through(&mut self, event: Event, now: Instant) -> Option<Event> {
        let proxies = &mut self.proxies;
        let bodies = &mut call::Anchors { calls: &mut self.calls, media: &mut self.media, now };
        let below = &mut sip_proxy::Below { transactions: &mut self.transactions, bodies };
        let taken = match &event {
            Event::Request { key, flow, request } => {
                request.header(Name::Route).is_some() && proxies.handle_request(below, *key, *flow, request, now)
            }
            Event::Ack { flow, request } => {
                request.header(Name::Route).is_some() && proxies.handle_ack(below, *flow, request, now)
            }
            Event::Cancelled { invite, request } => proxies.handle_cancel(below.transactions, *invite, request, now),
            Event::Response { key, response, flow, .. } => {
                proxies.handle_response(below, *key, (response.clone(), *flow), now)
            }
            Event::ClientFailed { key, why } => proxies.handle_client_failed(below.transactions, *key, *why, now),
            Event::ServerFailed { key, why } => proxies.handle_server_failed(below.transactions, *key, *why, now),
            // What passes filters is never proxied.
            Event::Leaving { .. } => false,
        };
        if taken { None } else { Some(event) }
    }

    /// The proxy reported: of a call, or of an address.
    pub(crate) fn proxy_event(&mut self, event: sip_proxy::Event, now: Instant) {
        if let sip_proxy::Event::HopFailed { flow, retry_after } = &event {
            return self.hops.failed(flow, *retry_after, now);
        }
        self.with_calls(now, |calls, f| calls.handle_proxy_event(f, event));
    }

    /// The checks of section 16.3 that the screen for user agents lacks: an INVITE that has been here before, and
    /// extensions that a proxy must know.
    pub(crate) fn screen_loops(&self, request: &Message) -> Result<(), Refusal> {
        if sip_proxy::is_loop(request, |address| self.setup.listeners.iter().any(|l| l.local == address)) {
            return Err((482, Vec::new()));
        }
        if request.header(Name::ProxyRequire).is_none() {
            return Ok(());
        }
        let required: Vec<String> = request.values(Name::ProxyRequire).map(|v| v.text().into_owned()).collect();
        if !required.is_empty() {
            return Err((420, vec![("Unsupported", required.join(", "))]));
        }
        Ok(())
    }
}
