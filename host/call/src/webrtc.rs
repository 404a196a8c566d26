//! A leg whose party is a browser: our half of ICE and DTLS in the descriptions (RFC 8839, 8842). Each leg has credentials of
//! its own; the certificate is the switch's. What the descriptions agree on, `media` carries out.
//!
//! We answer checks and never make any (ICE-lite), and let the party begin the handshake wherever it may: it begins when
//! its checks have passed, and nothing of ours can arrive too soon.

use media::DtlsPeer;
use model::IdSource;
use sdp::{Fingerprint, Ice, OwnWebrtc, Setup, Webrtc};

/// Characters of ufrag and password: 40 and 140 bits and more (RFC 8839 section 5.4 wants 24 and 128).
const UFRAG: usize = 8;
const PASSWORD: usize = 28;
/// Characters of an association's name: 160 bits and more (RFC 8842 section 4 wants 120).
const TLS_ID: usize = 32;
/// The name of a line that nobody has named yet.
const MID: &str = "0";

/// Our side of one leg.
///
/// # Invariants
/// `peer` is as it was agreed last: an offer that leaves the roles open and names the same certificates changes none
/// (RFC 8842 section 5.3). `tls_id` changes with the association and never without.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    ice: Ice,
    mid: String,
    tls_id: String,
    theirs: Option<Ice>,
    peer: Option<DtlsPeer>,
}

impl Own {
    pub(crate) fn draw(ids: &mut IdSource) -> Own {
        Own { ice: credentials(ids), mid: MID.to_owned(), tls_id: ids.token(TLS_ID), theirs: None, peer: None }
    }

    /// What checks towards us are known by.
    pub(crate) const fn ice(&self) -> &Ice {
        &self.ice
    }

    /// Who the party is, once it has said so.
    pub(crate) const fn peer(&self) -> Option<&DtlsPeer> {
        self.peer.as_ref()
    }

    /// What our description says. An answer names the association only where the offer has (RFC 8842 section 5.3).
    pub(crate) fn say(&self, certificate: &Fingerprint, setup: Setup) -> OwnWebrtc {
        let named = setup == Setup::ActPass || self.peer.as_ref().is_some_and(|p| p.tls_id.is_some());
        let tls_id = named.then(|| self.tls_id.clone());
        OwnWebrtc { ice: self.ice.clone(), fingerprint: certificate.clone(), setup, tls_id, mid: self.mid.clone() }
    }

    /// The party answered.
    pub(crate) fn hear_answer(&mut self, answer: &Webrtc) {
        let _another = self.hear(answer);
    }

    /// The party offers; gives who begins, for our answer. Where its credentials are others than before, its checks begin
    /// anew, and ours are others too (RFC 8839 section 4.4.1.1.1).
    pub(crate) fn hear_offer(&mut self, offer: &Webrtc, ids: &mut IdSource) -> Setup {
        if self.theirs.as_ref().is_some_and(|before| *before != offer.ice) {
            self.ice = credentials(ids);
        }
        if let Some(mid) = &offer.mid {
            self.mid.clone_from(mid);
        }
        if self.hear(offer) {
            self.tls_id = ids.token(TLS_ID);
        }
        if self.peer.as_ref().is_some_and(|p| p.active) { Setup::Active } else { Setup::Passive }
    }

    /// Gives whether this is another association than before.
    fn hear(&mut self, said: &Webrtc) -> bool {
        self.theirs = Some(said.ice.clone());
        let before = self.peer.take();
        let peer = |active| DtlsPeer { active, fingerprints: said.fingerprints.clone(), tls_id: said.tls_id.clone() };
        let mut now = match (said.setup, &before) {
            (Setup::Active, _) | (Setup::ActPass, None) => peer(false),
            (Setup::Passive, _) => peer(true),
            // The roles stay with the association; a new one is begun by the party, as a first one is.
            (Setup::ActPass, Some(before)) => peer(before.active && peer(before.active).goes_on(before)),
        };
        let goes_on = before.as_ref().is_some_and(|before| now.goes_on(before));
        if let Some(before) = before.filter(|_| goes_on && now.tls_id.is_none()) {
            now.tls_id = before.tls_id;
        }
        self.peer = Some(now);
        !goes_on
    }
}

fn credentials(ids: &mut IdSource) -> Ice {
    Ice { ufrag: ids.token(UFRAG), pwd: ids.token(PASSWORD) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::{Said, Security, Wish};
    use model::{Cause, MediaSecurity, Transport};
    use sdp::{Description, RemoteMedia, remote_media};
    use std::sync::Arc;

    fn ids() -> IdSource {
        IdSource::new([1; 32])
    }

    fn ours() -> Arc<Fingerprint> {
        Arc::new(Fingerprint { hash: "sha-256".to_owned(), digest: vec![1; 32] })
    }

    fn leg(policy: MediaSecurity, transport: Transport) -> Security {
        Security::new(policy).towards(transport, Some(&ours()))
    }

    fn browser(ufrag: &str, digest: u8, setup: Setup) -> RemoteMedia {
        let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        let mut description = Description::parse(text.as_bytes()).unwrap();
        let ice = Ice { ufrag: ufrag.to_owned(), pwd: "x".repeat(24) };
        let fingerprint = Fingerprint { hash: "sha-256".to_owned(), digest: vec![digest; 32] };
        description.set_webrtc(&OwnWebrtc { ice, fingerprint, setup, tls_id: None, mid: "a7".to_owned() });
        let mut remote = remote_media(&description).unwrap();
        remote.webrtc.as_mut().unwrap().lite = false;
        remote
    }

    fn plain() -> RemoteMedia {
        let text = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap()
    }

    fn own(said: Said) -> OwnWebrtc {
        said.webrtc.unwrap()
    }

    #[test]
    fn who_is_offered_webrtc() {
        use MediaSecurity::{Allow, Forbid, Require};
        for (policy, transport, certificate, webrtc) in [
            (Allow, Transport::Wss, true, true),
            (Allow, Transport::Ws, true, true),
            (Require, Transport::Wss, true, true),
            (Forbid, Transport::Wss, true, false),
            (Allow, Transport::Tls, true, false),
            (Allow, Transport::Wss, false, false),
        ] {
            let certificate = certificate.then(ours);
            let mut leg = Security::new(policy).towards(transport, certificate.as_ref());
            let said = leg.offer(Wish::default(), &mut ids());
            assert_eq!(said.webrtc.is_some(), webrtc, "{policy:?} {transport:?}");
            if let Some(own) = said.webrtc {
                assert_eq!((own.setup, own.mid.as_str()), (Setup::ActPass, MID));
                assert!(leg.clone().hear_answer(&plain()).is_err(), "in clear where it was not offered");
                assert!(leg.hear_answer(&browser("abcd", 7, Setup::ActPass)).is_err(), "nobody begins");
                leg.hear_answer(&browser("abcd", 7, Setup::Active)).unwrap();
                assert!(leg.is_agreed() && !leg.webrtc().unwrap().peer().unwrap().active);
            }
        }
    }

    #[test]
    fn a_browsers_offer_is_answered_whatever_it_came_by_unless_it_must_not_be() {
        let offer = browser("abcd", 7, Setup::ActPass);
        let mut by_udp = leg(MediaSecurity::Require, Transport::Udp);
        let said = own(by_udp.answer(&offer, &mut ids()).unwrap());
        assert_eq!((said.setup, said.mid.as_str(), &said.fingerprint), (Setup::Passive, "a7", &*ours()));
        assert!(by_udp.is_browser());
        let mut lite = offer.clone();
        lite.webrtc.as_mut().unwrap().lite = true;
        for (mut leg, offer) in [
            (leg(MediaSecurity::Forbid, Transport::Wss), &offer),
            (Security::new(MediaSecurity::Allow), &offer),
            (leg(MediaSecurity::Allow, Transport::Wss), &lite),
        ] {
            assert_eq!(leg.check(offer), Err(Cause::NotAcceptable));
            assert_eq!(leg.answer(offer, &mut ids()).unwrap_err(), Cause::NotAcceptable);
        }
    }

    /// The browser's description with this name of the association.
    fn named(mut remote: RemoteMedia, name: &str) -> RemoteMedia {
        remote.webrtc.as_mut().unwrap().tls_id = Some(name.repeat(20));
        remote
    }

    #[test]
    fn an_association_is_another_by_its_role_and_by_its_name_and_ours_is_named_with_it() {
        let (mut ids, mut leg) = (ids(), leg(MediaSecurity::Allow, Transport::Wss));
        let mut hear = |offer: &RemoteMedia| own(leg.answer(offer, &mut ids).unwrap());
        let offer = |setup| named(browser("abcd", 7, setup), "a");
        let first = hear(&offer(Setup::Passive));
        assert!(first.setup == Setup::Active && first.tls_id.as_ref().is_some_and(|id| id.len() >= 20), "{first:?}");
        assert_eq!(hear(&offer(Setup::ActPass)), first, "it goes on");
        assert_eq!(hear(&browser("abcd", 7, Setup::ActPass)), first, "a name that is left out says nothing");
        let renamed = hear(&named(browser("abcd", 7, Setup::ActPass), "b"));
        assert!(renamed.setup == Setup::Passive && renamed.tls_id != first.tls_id, "{renamed:?}");
        let turned = hear(&named(browser("abcd", 7, Setup::Passive), "b"));
        assert!(turned.setup == Setup::Active && turned.tls_id != renamed.tls_id, "{turned:?}");
        let offered = own(leg.offer(Wish::default(), &mut ids));
        assert_eq!((offered.tls_id, offered.setup), (turned.tls_id, Setup::ActPass), "we begin nothing anew");
        leg.hear_answer(&named(browser("abcd", 7, Setup::Passive), "b")).unwrap();
        assert_eq!(leg.webrtc().unwrap().peer().map(|p| (p.active, p.fingerprints.len())), Some((true, 1)));
    }

    #[test]
    fn roles_and_credentials_stay_until_the_party_begins_anew() {
        let (mut ids, mut leg) = (ids(), leg(MediaSecurity::Allow, Transport::Wss));
        let first = own(leg.answer(&browser("abcd", 7, Setup::Passive), &mut ids).unwrap());
        assert_eq!(first.setup, Setup::Active, "a party that waits is begun with");
        let held = own(leg.answer(&browser("abcd", 7, Setup::ActPass), &mut ids).unwrap());
        assert_eq!(held, first, "the same certificate: the same roles");
        let ours = own(leg.offer(Wish::default(), &mut ids));
        assert_eq!((ours.ice, ours.mid, ours.setup), (first.ice.clone(), first.mid.clone(), Setup::ActPass));
        assert!(first.tls_id.is_none() && ours.tls_id.is_some(), "an answer has a name only where the offer has one");
        let restarted = own(leg.answer(&browser("efgh", 7, Setup::ActPass), &mut ids).unwrap());
        assert!(restarted.ice != first.ice && restarted.setup == Setup::Active);
        let another = own(leg.answer(&browser("efgh", 8, Setup::ActPass), &mut ids).unwrap());
        assert_eq!(another.setup, Setup::Passive);
        let moved = leg.renewed();
        assert!(moved.is_browser() && !moved.is_agreed());
        leg.answer(&plain(), &mut ids).unwrap();
        assert!(!leg.is_browser() && leg.offer(Wish::default(), &mut ids) == Said::default());
    }
}
