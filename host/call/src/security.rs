//! SRTP on a leg: whose keys are offered, answered and agreed (RFC 4568), or that DTLS shall find them (`webrtc`).
//!
//! Each leg has keys of its own: what one party sends is shown at the switch and hidden again for the other. An answer
//! takes the party's first line that the switch knows; after that a new offer keeps the keys, and a party that brings a
//! new one gets a new one back.

use crate::webrtc::Own;
use media::Keys;
use model::{Cause, IdSource, MediaSecurity, Transport};
use rtp::srtp::{MasterKey, Suite};
use sdp::{Crypto, Description, Fingerprint, OwnWebrtc, RemoteMedia, Setup, Webrtc};
use std::sync::Arc;

/// What the switch offers, strongest first. The suites with short tags are taken, not offered.
const OFFERED: &[Suite] = &[Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm256Sha1_80, Suite::AesCm128Sha1_80];

/// One of our keys, under the tag that an offer or answer gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ours {
    tag: u32,
    key: MasterKey,
}

impl Ours {
    fn line(&self) -> Crypto {
        let suite = self.key.suite().name().to_owned();
        Crypto { tag: self.tag, suite, key: self.key.key_and_salt().to_vec() }
    }
}

/// What a description of ours says: its profile, and its keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Said {
    pub(crate) secure: bool,
    pub(crate) lines: Vec<Crypto>,
    /// ICE and DTLS instead of lines with keys.
    pub(crate) webrtc: Option<OwnWebrtc>,
}

impl Said {
    /// Writes it into a description of ours.
    pub(crate) fn write(&self, description: &mut Description) {
        match &self.webrtc {
            Some(own) => description.set_webrtc(own),
            None => description.set_security(self.secure, &self.lines),
        }
    }
}

/// What speaks for SRTP in an offer, where the tenant leaves it open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wish {
    /// The other leg has it, or the party itself has shown keys.
    pub(crate) keys: bool,
    /// The party has described nothing but SRTP.
    pub(crate) only: bool,
}

/// SRTP on one leg.
///
/// # Invariants
/// `agreed` holds one of `ours` and what the party sends under. Without keys on both sides nothing is agreed. `offered` is
/// what we named last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    policy: MediaSecurity,
    /// The profile of the last description, `RTP/SAVP` or `RTP/AVP`.
    secure: bool,
    ours: Vec<Ours>,
    /// All that our newest description named: each answer to it is held against these, as a fork and a media server give several.
    offered: Vec<Ours>,
    agreed: Option<Keys>,
    /// The party is a browser, as far as is known: its signalling comes by WebSocket, or it has shown DTLS.
    browser: bool,
    certificate: Option<Arc<Fingerprint>>,
    /// Our side of WebRTC, once it was offered or answered.
    own: Option<Box<Own>>,
}

impl Security {
    pub(crate) fn new(policy: MediaSecurity) -> Self {
        Security { policy, ..Security::default() }
    }

    /// Towards a party whose signalling comes this way. Without a certificate there is no WebRTC.
    pub(crate) fn towards(mut self, transport: Transport, certificate: Option<&Arc<Fingerprint>>) -> Self {
        self.browser = matches!(transport, Transport::Ws | Transport::Wss);
        self.certificate = certificate.cloned();
        self
    }

    /// The same policy, with nothing agreed.
    pub(crate) fn renewed(&self) -> Self {
        let certificate = self.certificate.clone();
        Security { browser: self.is_browser(), certificate, ..Security::new(self.policy) }
    }

    /// Whether the party is a browser, as far as is known.
    pub(crate) fn is_browser(&self) -> bool {
        self.browser || self.own.is_some()
    }

    /// Our side of WebRTC, once it was offered or answered.
    pub(crate) fn webrtc(&self) -> Option<&Own> {
        self.own.as_deref()
    }

    /// Whether keys were agreed on, or how to find them.
    pub(crate) fn is_agreed(&self) -> bool {
        self.agreed.is_some() || self.own.as_ref().is_some_and(|own| own.peer().is_some())
    }

    /// What an offer says of ICE and DTLS, where we would take it. An agent that makes no checks is not found by one that
    /// makes none either.
    fn browsers<'o>(&self, offer: &'o RemoteMedia) -> Option<(&'o Webrtc, Arc<Fingerprint>)> {
        let theirs = offer.webrtc.as_deref().filter(|w| !w.lite && self.policy != MediaSecurity::Forbid)?;
        Some((theirs, self.certificate.clone()?))
    }

    /// The keys that stand.
    pub(crate) const fn keys(&self) -> Option<&Keys> {
        self.agreed.as_ref()
    }

    /// Whether the tenant leaves it to the parties: then media may also flow without the switch.
    pub(crate) const fn is_free(&self) -> bool {
        matches!(self.policy, MediaSecurity::Allow)
    }

    /// Whether the party may be given media in clear, as a fax by UDPTL is. A browser takes none.
    pub(crate) fn takes_clear(&self) -> bool {
        self.policy != MediaSecurity::Require && !self.is_browser()
    }

    /// Whether the party's offer has keys that we would take.
    pub(crate) fn would_take(&self, offer: &RemoteMedia) -> bool {
        self.policy != MediaSecurity::Forbid && (usable(offer).is_some() || self.browsers(offer).is_some())
    }

    /// What we offer.
    pub(crate) fn offer(&mut self, wish: Wish, ids: &mut IdSource) -> Said {
        if self.agreed.is_some() {
            self.offered.clone_from(&self.ours);
            return self.said();
        }
        let webrtc = self.is_browser() && self.policy != MediaSecurity::Forbid;
        if let Some(certificate) = self.certificate.as_ref().filter(|_| webrtc) {
            let own = self.own.get_or_insert_with(|| Box::new(Own::draw(ids)));
            return Said { webrtc: Some(own.say(certificate, Setup::ActPass)), ..Said::default() };
        }
        let offers = match self.policy {
            MediaSecurity::Forbid => false,
            MediaSecurity::Allow => wish.keys,
            MediaSecurity::Require => true,
        };
        self.secure = self.policy == MediaSecurity::Require || offers && wish.only;
        if !offers {
            self.ours.clear();
        } else if self.ours.is_empty() {
            self.ours = OFFERED.iter().zip(1..).map(|(suite, tag)| Ours { tag, key: draw(*suite, ids) }).collect();
        }
        self.offered.clone_from(&self.ours);
        self.said()
    }

    /// The party answered our offer.
    ///
    /// # Errors
    /// It answered with keys or a profile that we did not offer, or in clear where we must not.
    pub(crate) fn hear_answer(&mut self, answer: &RemoteMedia) -> Result<(), Cause> {
        if let Some(own) = &mut self.own {
            // In clear, with keys in the text, or without one who begins: none of it was offered.
            let fits = |w: &&Webrtc| !w.lite && w.setup != Setup::ActPass;
            own.hear_answer(answer.webrtc.as_deref().filter(fits).ok_or(Cause::NotAcceptable)?);
            return Ok(());
        }
        let chosen = answer.crypto.iter().find_map(|line| {
            let theirs = master(line)?;
            let ours = self.offered.iter().find(|o| o.tag == line.tag && o.key.suite() == theirs.suite())?;
            Some((*ours, theirs))
        });
        match chosen {
            Some((ours, theirs)) => {
                self.ours = vec![ours];
                self.agreed = Some(Keys { ours: ours.key, theirs });
                // What has to be SRTP is offered as nothing else, in whatever profile it was answered.
                self.secure = answer.secure || self.policy == MediaSecurity::Require;
                Ok(())
            }
            // Keys that fit none of ours are a fault, not a wish for RTP in clear.
            None if answer.secure || self.secure || self.policy == MediaSecurity::Require => Err(Cause::NotAcceptable),
            None if !self.offered.is_empty() && !answer.crypto.is_empty() => Err(Cause::NotAcceptable),
            None => {
                self.clear();
                Ok(())
            }
        }
    }

    /// Answers the party's offer.
    ///
    /// # Errors
    /// It takes only what the tenant forbids, or lacks what the tenant requires.
    pub(crate) fn answer(&mut self, offer: &RemoteMedia, ids: &mut IdSource) -> Result<Said, Cause> {
        self.offered.clear();
        if let Some((theirs, certificate)) = self.browsers(offer) {
            self.clear();
            self.browser = true;
            let own = self.own.get_or_insert_with(|| Box::new(Own::draw(ids)));
            let setup = own.hear_offer(theirs, ids);
            return Ok(Said { webrtc: Some(own.say(&certificate, setup)), ..Said::default() });
        }
        let line = usable(offer).filter(|_| self.policy != MediaSecurity::Forbid);
        let Some((tag, theirs)) = line else {
            if offer.secure || self.policy == MediaSecurity::Require {
                return Err(Cause::NotAcceptable);
            }
            self.clear();
            (self.own, self.browser) = (None, false);
            return Ok(self.said());
        };
        (self.own, self.browser) = (None, false);
        let kept = self.agreed.filter(|keys| keys.theirs == theirs).map(|keys| keys.ours);
        let ours = kept.unwrap_or_else(|| draw(theirs.suite(), ids));
        self.ours = vec![Ours { tag, key: ours }];
        self.agreed = Some(Keys { ours, theirs });
        self.secure = offer.secure;
        // What answers may be offered too: to a caller that has an answer already and is then told of another callee.
        self.offered.clone_from(&self.ours);
        Ok(self.said())
    }

    /// Whether an offer could be answered.
    pub(crate) fn check(&self, offer: &RemoteMedia) -> Result<(), Cause> {
        let takes = self.would_take(offer) || !(offer.secure || self.policy == MediaSecurity::Require);
        if takes { Ok(()) } else { Err(Cause::NotAcceptable) }
    }

    /// Nothing is agreed; what was offered stays, as another answer to it may come.
    fn clear(&mut self) {
        self.ours.clear();
        self.agreed = None;
        self.secure = false;
    }

    fn said(&self) -> Said {
        Said { secure: self.secure, lines: self.ours.iter().map(Ours::line).collect(), webrtc: None }
    }
}

/// The party's first line that the switch knows.
fn usable(offer: &RemoteMedia) -> Option<(u32, MasterKey)> {
    offer.crypto.iter().find_map(|line| master(line).map(|key| (line.tag, key)))
}

fn master(line: &Crypto) -> Option<MasterKey> {
    MasterKey::new(Suite::from_name(&line.suite)?, &line.key)
}

fn draw(suite: Suite, ids: &mut IdSource) -> MasterKey {
    MasterKey::draw(suite, |bytes| ids.fill(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use MediaSecurity::{Allow, Forbid, Require};
    use sdp::{Description, remote_media};

    fn ids() -> IdSource {
        IdSource::new([1; 32])
    }

    /// A party's description with this profile and these keys.
    fn said(profile: &str, lines: &[(u32, Suite, u8)]) -> RemoteMedia {
        let text = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let mut description = Description::parse(text.as_bytes()).unwrap();
        let lines: Vec<Crypto> = lines
            .iter()
            .map(|(tag, suite, fill)| Crypto {
                tag: *tag,
                suite: suite.name().to_owned(),
                key: vec![*fill; suite.master_len()],
            })
            .collect();
        description.set_security(profile == "RTP/SAVP", &lines);
        remote_media(&description).unwrap()
    }

    const PHONE: Suite = Suite::AesCm128Sha1_80;

    #[test]
    fn what_is_answered_to_what_under_which_policy() {
        let clear = said("RTP/AVP", &[]);
        let best_effort = said("RTP/AVP", &[(7, PHONE, 1)]);
        let secure = said("RTP/SAVP", &[(3, Suite::AesCm128Sha1_32, 1), (4, PHONE, 1)]);
        let keyless = said("RTP/SAVP", &[]);
        for (policy, offer, answered) in [
            (Forbid, &clear, Some((false, None))),
            (Allow, &clear, Some((false, None))),
            (Require, &clear, None),
            (Forbid, &best_effort, Some((false, None))),
            (Allow, &best_effort, Some((false, Some(7)))),
            (Require, &best_effort, Some((false, Some(7)))),
            (Forbid, &secure, None),
            (Allow, &secure, Some((true, Some(3)))),
            (Require, &secure, Some((true, Some(3)))),
            (Allow, &keyless, None),
        ] {
            let mut leg = Security::new(policy);
            assert_eq!(leg.check(offer).is_ok(), answered.is_some(), "{policy:?} {offer:?}");
            let got = leg.answer(offer, &mut ids()).ok();
            let lines = got.as_ref().map(|s| (s.secure, s.lines.first().map(|l| l.tag)));
            assert_eq!(lines, answered, "{policy:?} {offer:?}");
            assert_eq!(leg.keys().is_some(), answered.is_some_and(|(_, tag)| tag.is_some()));
        }
    }

    #[test]
    fn what_is_offered_and_which_answers_are_taken() {
        let wish = |keys, only| Wish { keys, only };
        for (policy, wish, lines, secure) in [
            (Forbid, wish(true, true), 0, false),
            (Allow, wish(false, false), 0, false),
            (Allow, wish(true, false), 4, false),
            (Allow, wish(true, true), 4, true),
            (Require, wish(false, false), 4, true),
        ] {
            let mut leg = Security::new(policy);
            let offered = leg.offer(wish, &mut ids());
            assert_eq!((offered.lines.len(), offered.secure), (lines, secure), "{policy:?}");
            assert_eq!(leg.offer(wish, &mut ids()), offered, "a repeated offer has the same keys");
            assert_eq!(leg.clone().hear_answer(&said("RTP/AVP", &[])).is_ok(), !secure, "in clear");
            let taken = leg.clone().hear_answer(&said("RTP/SAVP", &[(4, PHONE, 9)]));
            assert_eq!(taken.is_ok(), lines > 0, "{policy:?}");
            let mut other = leg.clone();
            let swapped = other.hear_answer(&said("RTP/SAVP", &[(1, PHONE, 9)]));
            assert!(swapped.is_err() && other.keys().is_none(), "another suite under our tag");
        }
    }

    #[test]
    fn keys_stay_until_the_party_brings_another() {
        let mut leg = Security::new(Allow);
        let mut ids = ids();
        let first = leg.answer(&said("RTP/SAVP", &[(1, PHONE, 1)]), &mut ids).unwrap();
        assert_eq!(leg.answer(&said("RTP/SAVP", &[(1, PHONE, 1)]), &mut ids).unwrap(), first);
        assert_eq!(leg.offer(Wish::default(), &mut ids), first, "our own re-offer repeats them");
        leg.hear_answer(&said("RTP/SAVP", &[(1, PHONE, 2)])).unwrap();
        assert_eq!(leg.keys().unwrap().ours.key_and_salt(), first.lines[0].key);
        let second = leg.answer(&said("RTP/SAVP", &[(1, PHONE, 3)]), &mut ids).unwrap();
        assert_ne!(second.lines[0].key, first.lines[0].key);
        leg.answer(&said("RTP/AVP", &[]), &mut ids).unwrap();
        assert!(leg.keys().is_none(), "agreed in clear");
    }

    #[test]
    fn each_answer_to_one_offer_is_held_against_all_of_its_keys() {
        let wish = Wish { keys: true, only: false };
        let mut leg = Security::new(Allow);
        let offered = leg.offer(wish, &mut ids());
        // A media server answers with another of the keys than the phone that takes the call.
        leg.hear_answer(&said("RTP/AVP", &[(1, Suite::AeadAes256Gcm, 1)])).unwrap();
        assert_eq!(leg.keys().unwrap().ours.key_and_salt(), offered.lines[0].key);
        leg.hear_answer(&said("RTP/AVP", &[(4, PHONE, 2)])).unwrap();
        assert_eq!(leg.keys().unwrap().ours.key_and_salt(), offered.lines[3].key);
        // One that has answered in clear is followed by one that has keys, ours or none of ours.
        leg.hear_answer(&said("RTP/AVP", &[])).unwrap();
        assert!(leg.keys().is_none(), "agreed in clear");
        assert!(leg.clone().hear_answer(&said("RTP/AVP", &[(9, PHONE, 3)])).is_err(), "keys that fit none of ours");
        leg.hear_answer(&said("RTP/AVP", &[(4, PHONE, 3)])).unwrap();
        assert_eq!(leg.keys().unwrap().ours.key_and_salt(), offered.lines[3].key);
        assert_eq!(leg.offer(wish, &mut ids()).lines.len(), 1, "the next offer names the key that stands");
    }

    #[test]
    fn what_has_to_be_srtp_is_never_agreed_in_clear() {
        let mut leg = Security::new(Require);
        let mut ids = ids();
        leg.offer(Wish::default(), &mut ids);
        leg.hear_answer(&said("RTP/AVP", &[(4, PHONE, 1)])).unwrap();
        let again = leg.offer(Wish::default(), &mut ids);
        assert!(again.secure && again.lines.len() == 1, "offered as nothing but SRTP: {again:?}");
        assert!(leg.hear_answer(&said("RTP/AVP", &[])).is_err() && leg.keys().is_some(), "in clear");
        // What answered one offer may be said again as ours.
        let mut told = leg.clone();
        told.answer(&said("RTP/SAVP", &[(3, PHONE, 4)]), &mut ids).unwrap();
        assert!(told.hear_answer(&said("RTP/SAVP", &[(3, PHONE, 5)])).is_ok());
        // The same where the party has offered keys in the profile of clear RTP.
        leg.answer(&said("RTP/AVP", &[(7, PHONE, 2)]), &mut ids).unwrap();
        leg.offer(Wish::default(), &mut ids);
        assert!(leg.hear_answer(&said("RTP/AVP", &[])).is_err() && leg.keys().is_some(), "in clear");
    }
}
