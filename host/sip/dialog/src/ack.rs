//! The ACK of a 2xx: sent once per 2xx, remembered, and sent again for each repetition (RFC 3261 section 13.2.2.4).
//!
//! A 2xx climbs to here each time it comes, since only the UAC core may acknowledge it. Its client transaction lets
//! 2xx through for 64*T1 after the first (RFC 6026, Timer M), and this table remembers ACKs for as long. A 2xx with a
//! To-tag that was not seen is another branch of the fork that answered too late: it is acknowledged and hung up.

use crate::dialog::Dialog;
use crate::usage::Cx;
use crate::write::{ack_request, bye_request};
use bytes::Bytes;
use model::{Flow, IdMap, Instant};
use sip_message::Message;
use sip_transaction::ClientKey;
use std::collections::VecDeque;

/// The ACKs that may be wanted again.
///
/// # Invariants
/// - Every entry of `memories` has exactly one entry in `due`, and `due` is in order of time, as the span is constant.
#[derive(Default, Debug)]
pub(crate) struct AckTable {
    memories: IdMap<ClientKey, Memory>,
    due: VecDeque<(Instant, ClientKey)>,
}

#[derive(Debug)]
struct Memory {
    /// The dialog before any response, for an INVITE that may fork; `None` for a re-INVITE.
    template: Option<Box<Dialog>>,
    cseq: u32,
    acked: Vec<Acked>,
}

#[derive(Debug)]
struct Acked {
    remote_tag: String,
    /// `None` while the transaction user has not given the answer to a late offer.
    ack: Option<(Flow, Bytes)>,
}

impl AckTable {
    /// Whether a first 2xx of this transaction was seen.
    pub(crate) fn knows(&self, client: ClientKey) -> bool {
        self.memories.contains_key(&client)
    }

    /// Begins to remember: the first 2xx came now, in the dialog with `remote_tag`.
    pub(crate) fn begin(&mut self, client: ClientKey, template: Option<Box<Dialog>>, cseq: u32, until: Instant) {
        self.memories.insert(client, Memory { template, cseq, acked: Vec::with_capacity(1) });
        self.due.push_back((until, client));
    }

    /// Notes that the 2xx of `remote_tag` is `ack`nowledged, or will be by the transaction user.
    pub(crate) fn note(&mut self, client: ClientKey, remote_tag: &str, ack: Option<(Flow, Bytes)>) {
        let Some(memory) = self.memories.get_mut(&client) else { return };
        match memory.acked.iter_mut().find(|a| a.remote_tag == remote_tag) {
            Some(known) => known.ack = ack,
            None => memory.acked.push(Acked { remote_tag: remote_tag.to_owned(), ack }),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, client)) = self.due.front().copied()
            && at <= now
        {
            self.due.pop_front();
            self.memories.remove(&client);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.memories.len()
    }
}

/// Sends the ACK of the 2xx to the INVITE `cseq` of `client`, with `answer` where the 2xx carried the offer.
pub(crate) fn acknowledge(cx: &mut Cx<'_>, dialog: &Dialog, client: ClientKey, cseq: u32, answer: Option<Bytes>) {
    let (flow, bytes) = ack_request(cx.tx, cx.config, dialog, cseq, answer);
    cx.acks.note(client, &dialog.remote_tag, Some((flow, bytes.clone())));
    cx.tx.send(flow, bytes);
}

/// A 2xx after the first one of its INVITE: a repetition, or another branch of the fork.
pub(crate) fn repeated(cx: &mut Cx<'_>, client: ClientKey, response: &Message, flow: Flow) {
    let Some(memory) = cx.acks.memories.get(&client) else { return };
    let remote_tag = crate::dialog::to_tag(response);
    if let Some(known) = memory.acked.iter().find(|a| a.remote_tag == remote_tag) {
        if let Some((flow, bytes)) = &known.ack {
            cx.tx.send(*flow, bytes.clone());
        }
        return;
    }
    let room = memory.acked.len() <= cx.config.forks_max;
    let (Some(template), true) = (&memory.template, room) else { return };
    let mut stray = template.joined(response, flow);
    let cseq = memory.cseq;
    acknowledge(cx, &stray, client, cseq, None);
    // Nobody waits for this BYE's response: Timer F of its transaction ends the matter.
    let (flow, bye) = bye_request(cx.config, &mut stray, None);
    cx.tx.request(flow, bye, cx.now);
}
