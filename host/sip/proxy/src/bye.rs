//! Requests of our own within somebody else's dialog: the BYE that ends a call from here, and the ACK for a 2xx that
//! came too late to be passed on.

use crate::context::{Context, Cx};
use crate::event::Side;
use crate::layer::Use;
use crate::peer::Peer;
use crate::splice::is_strict;
use model::Flow;
use sip_message::{Message, Name, NameAddrRef, RequestWriter};

impl Context {
    /// Ends the answered dialogs of a closed context: a BYE to both ends of each. One whose ACK is still to come waits
    /// for it, or until `late`: a caller that has not got its 2xx would not know what the BYE is about.
    pub(crate) fn hang_up(&mut self, cx: &mut Cx<'_>, late: bool) {
        let reason = self.reason.clone();
        for at in 0..self.peers.len() {
            if self.peers.get(at).is_some_and(|peer| peer.is_up() && (peer.acked || late)) {
                self.bye(cx, at, Side::Callee, reason.as_deref());
                self.bye(cx, at, Side::Caller, reason.as_deref());
                self.peers[at].over = true;
            }
        }
    }

    /// A 2xx that the caller cannot get any more: whoever answered is told, or it would wait for ever.
    pub(crate) fn too_late(&mut self, cx: &mut Cx<'_>, at: usize) {
        self.acknowledge(cx, at);
        if self.peers.get(at).is_some_and(Peer::is_up) {
            self.bye(cx, at, Side::Callee, None);
            self.peers[at].over = true;
        }
    }

    fn bye(&mut self, cx: &mut Cx<'_>, at: usize, to: Side, reason: Option<&str>) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let cseq = match to {
            // A request to the callee is in the caller's numbers, and the other way round.
            Side::Callee => {
                peer.caller_cseq += 1;
                peer.caller_cseq
            }
            Side::Caller => {
                peer.callee_cseq += 1;
                peer.callee_cseq
            }
        };
        let Some(mut writer) = self.within(at, to, "BYE", cseq) else { return };
        if let Some(reason) = reason {
            writer = writer.header(Name::Reason, reason);
        }
        let flow = self.flow_to(at, to);
        let client = cx.tx.request(flow, writer, cx.now);
        cx.clients.insert(client, Use::Own);
    }

    /// Section 13.2.2.4, in the caller's place.
    fn acknowledge(&mut self, cx: &mut Cx<'_>, at: usize) {
        let cseq = self.request.cseq().map_or(1, |cseq| cseq.number);
        let Some(writer) = self.within(at, Side::Callee, "ACK", cseq) else { return };
        let flow = self.flow_to(at, Side::Callee);
        let branch = cx.tx.stateless_branch();
        cx.tx.send(flow, writer.via(flow.transport, flow.local, &branch).finish());
    }

    /// The way to a side.
    pub(crate) fn flow_to(&self, at: usize, side: Side) -> Flow {
        match side {
            Side::Caller => self.back,
            Side::Callee => self.peers.get(at).map_or(self.back, |peer| peer.flow),
        }
    }

    /// A request within the dialog, as the party on the other side would send it (section 12.2.1.1).
    fn within(&self, at: usize, to: Side, method: &str, cseq: u32) -> Option<RequestWriter> {
        let peer = self.peers.get(at)?;
        let answer: &Message = peer.answer.as_ref()?;
        let target = peer.contact(to, &self.request)?;
        let mut routes = peer.routes(to, self.mark, &self.request);
        let uri = match routes.first().and_then(|route| NameAddrRef::parse(route.as_bytes()).ok()) {
            Some(first) if is_strict(&first.uri()) => {
                let uri = first.uri().as_str().to_owned();
                routes.remove(0);
                routes.push(format!("<{target}>"));
                uri
            }
            Some(_) | None => target,
        };
        let (from, to_field) = match to {
            Side::Callee => (answer.header(Name::From)?, answer.header(Name::To)?),
            Side::Caller => (answer.header(Name::To)?, answer.header(Name::From)?),
        };
        let mut writer = RequestWriter::new(method, &uri);
        for route in &routes {
            writer = writer.header(Name::Route, route);
        }
        let writer = writer
            .header(Name::MaxForwards, "70")
            .header(Name::From, from.unfolded())
            .header(Name::To, to_field.unfolded())
            .header(Name::CallId, answer.call_id().ok()?)
            .header(Name::CSeq, format!("{cseq} {method}"));
        Some(writer)
    }
}
