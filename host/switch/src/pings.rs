//! Packets that keep phones behind NATs reachable: the registrar says when, this says what.
//!
//! An OPTIONS outside any transaction: only its way back through the NAT counts, so nothing is repeated and nothing is
//! kept for the answer, which the transactions drop as they know of no such request.

use crate::core::Core;
use bytes::Bytes;
use model::{Flow, Instant, NatPing};
use sip_message::RequestWriter;

/// RFC 5626 section 3.5.1 uses the same on streams.
const CRLF: &[u8] = b"\r\n\r\n";

impl Core {
    /// Sends every ping that is due.
    pub(crate) fn ping_phones(&mut self, now: Instant) {
        while let Some(ping) = self.registrar.poll_ping(now) {
            let bytes = match ping.kind {
                NatPing::Off => continue,
                NatPing::Crlf => Bytes::from_static(CRLF),
                NatPing::Options => self.options_ping(&ping.flow, &ping.contact),
            };
            self.counters.nat_pings += 1;
            self.transactions.send(ping.flow, bytes);
        }
    }

    fn options_ping(&mut self, flow: &Flow, contact: &str) -> Bytes {
        let branch = self.transactions.stateless_branch();
        let (tag, call_id) = (self.ids.token(12), self.ids.token(20));
        RequestWriter::new("OPTIONS", contact)
            .header("Max-Forwards", "70")
            .header("From", format!("<sip:ping@{}>;tag={tag}", flow.local))
            .header("To", format!("<{contact}>"))
            .header("Call-ID", call_id)
            .header("CSeq", "1 OPTIONS")
            .via(flow.transport, flow.local, &branch)
            .finish()
    }
}
