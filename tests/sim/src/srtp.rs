//! SRTP of a phone: one suite, one key of its own per call, and whatever the other side agreed to.

use core::time::Duration;
use model::Instant;
use rtp::srtp::{GROWTH_MAX, MasterKey, Receiver, Sender, SrtpError, Suite};
use sdp::{Crypto, Description};

const SUITE: Suite = Suite::AesCm128Sha1_80;
/// After keys were agreed, what was sent before may still be on its way.
const SETTLED: Duration = Duration::from_secs(3);

/// What a phone likes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Liking {
    /// Knows no SRTP.
    Plain,
    /// Offers it beside RTP in clear.
    Either,
    /// Offers nothing else.
    Strict,
}

/// Why a packet is not heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unheard {
    /// In clear, where keys were agreed.
    Clear,
    /// Under another key, and for longer than an offer is on its way.
    Foreign,
    /// Had before, or on its way when the keys changed.
    Passing,
}

/// SRTP in one call.
#[derive(Debug)]
pub(crate) struct Lock {
    liking: Liking,
    own: MasterKey,
    tag: u32,
    /// The other side's last description had the profile of SRTP.
    secure: bool,
    theirs: Option<MasterKey>,
    sender: Sender,
    receiver: Option<Receiver>,
    since: Instant,
    /// Since when nothing can be read.
    deaf: Option<Instant>,
}

impl Lock {
    pub(crate) fn new(liking: Liking, label: u32, now: Instant) -> Lock {
        let own = MasterKey::draw(SUITE, |bytes| {
            bytes.iter_mut().zip(label.to_be_bytes().into_iter().cycle()).for_each(|(b, l)| *b = l ^ 0x5a);
        });
        let sender = Sender::new(&own);
        Lock { liking, own, tag: 1, secure: false, theirs: None, sender, receiver: None, since: now, deaf: None }
    }

    /// Adds our key to a description: to an offer if we like, to an answer if the offer had one.
    pub(crate) fn say(&self, text: String, answers: bool) -> String {
        let says = self.liking != Liking::Plain && (!answers || self.theirs.is_some());
        let Some(mut description) = Description::parse(text.as_bytes()).ok().filter(|_| says) else { return text };
        let key = self.own.key_and_salt().to_vec();
        let secure = if answers { self.secure } else { self.secure || self.liking == Liking::Strict };
        description.set_security(secure, &[Crypto { tag: self.tag, suite: SUITE.name().to_owned(), key }]);
        String::from_utf8_lossy(&description.to_bytes()).into_owned()
    }

    /// Takes what the other side's description says.
    pub(crate) fn hear(&mut self, message: &str, now: Instant) {
        let body = message.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let remote = Description::parse(body.as_bytes()).ok().and_then(|d| sdp::remote_media(&d).ok());
        let Some(remote) = remote.filter(|_| self.liking != Liking::Plain) else { return };
        self.secure = remote.secure;
        let line = remote.crypto.iter().find(|line| line.suite == SUITE.name());
        let theirs = line.and_then(|line| MasterKey::new(SUITE, &line.key));
        self.tag = line.map_or(1, |line| line.tag);
        if theirs != self.theirs {
            self.theirs = theirs;
            self.receiver = theirs.as_ref().map(Receiver::new);
            self.since = now;
            self.deaf = None;
        }
    }

    /// A packet as it leaves.
    pub(crate) fn seal(&mut self, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        if self.theirs.is_some() {
            let len = bytes.len();
            bytes.resize(len + GROWTH_MAX, 0);
            let len = self.sender.protect(&mut bytes, len).ok()?;
            bytes.truncate(len);
        }
        Some(bytes)
    }

    /// A packet as it is heard.
    pub(crate) fn open(&mut self, bytes: &[u8], now: Instant) -> Result<Vec<u8>, Unheard> {
        let mut bytes = bytes.to_vec();
        let Some(receiver) = &mut self.receiver else { return Ok(bytes) };
        let clear = bytes.get(12..16) == Some(b"SIM!");
        match receiver.unprotect(&mut bytes) {
            Ok(len) => {
                bytes.truncate(len);
                self.deaf = None;
                Ok(bytes)
            }
            Err(SrtpError::Replayed) => Err(Unheard::Passing),
            Err(_) if now.since(self.since) < SETTLED => Err(Unheard::Passing),
            Err(_) if clear => Err(Unheard::Clear),
            // The new keys may be on their way: what nobody can read harms nobody, if it does not last.
            Err(_) if now.since(*self.deaf.get_or_insert(now)) < SETTLED => Err(Unheard::Passing),
            Err(_) => Err(Unheard::Foreign),
        }
    }
}
