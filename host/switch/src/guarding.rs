//! Who is listened to, and how much new work is taken: the guard before a transaction exists, the shedder after.

use crate::core::Core;
use core::net::IpAddr;
use model::{Ban, Flow, Instant};
use sip_message::{Message, Method};

impl Core {
    /// Whether nothing of this source is listened to. Asked before a byte is read.
    pub(crate) fn is_banned(&mut self, flow: &Flow, now: Instant) -> bool {
        self.doorkeeper.is_banned(&self.directory, flow.remote.ip(), now)
    }

    /// Whether a message gets no answer at all. Only requests that begin something are looked at: what belongs to a
    /// dialog, an ACK and a CANCEL pass, and so does every response.
    pub(crate) fn drops(&mut self, flow: &Flow, message: &Message, now: Instant) -> bool {
        let begins = message.is_request()
            && !matches!(message.method(), Some(Method::Ack | Method::Cancel))
            && message.to().is_ok_and(|to| to.tag().is_none());
        begins && self.doorkeeper.drops(&self.directory, flow.remote.ip(), message, now)
    }

    /// The sources that are not listened to.
    #[must_use]
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        self.doorkeeper.bans(&self.directory, now)
    }

    /// Listens to a source again; whether it was banned.
    pub fn unban(&mut self, source: IpAddr, now: Instant) -> bool {
        self.doorkeeper.unban(source, now)
    }
}
