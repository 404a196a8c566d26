//! SRTP keys in a description: `a=crypto` (RFC 4568 section 9).
//!
//! Only what the switch can honour is read: one key per line, no MKI, no session parameter that changes how packets
//! look. Everything else is passed over, as section 6.3 lets an answerer do. A carried description never keeps the
//! writer's keys: each leg has keys of its own.

use crate::Description;
use crate::description::attribute;
use crate::webrtc::{forget_transport, is_dtls};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use core::fmt;
use sdp_types::Media;

/// Most `a=crypto` lines read of one m-line.
const LINES_MAX: usize = 16;
/// Session parameters that change nothing for who reads them (section 6.3).
const HARMLESS: &[&str] = &["WSH="];

/// One `a=crypto` line.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names the line; the answer repeats it.
    pub tag: u32,
    /// The suite's name as written.
    pub suite: String,
    /// Master key and salt.
    pub key: Vec<u8>,
}

/// A key is never printed.
impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crypto({} {})", self.tag, self.suite)
    }
}

impl Crypto {
    /// Reads the attribute's value: `1 SUITE inline:BASE64[|LIFETIME][;..] [PARAMETER]..`.
    fn parse(value: &str) -> Option<Crypto> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let suite = words.next()?.to_owned();
        let parameters = words.next()?.strip_prefix("inline:")?;
        if !words.all(|word| HARMLESS.iter().any(|known| word.starts_with(known))) {
            return None;
        }
        let mut parts = parameters.split('|');
        let key = parts.next().filter(|key| !key.contains(';'))?.trim_end_matches('=');
        // `|2^31` is a lifetime; `|1:4` is an MKI, which would stand in every packet.
        if parts.any(|part| part.contains(':') || part.contains(';')) {
            return None;
        }
        Some(Crypto { tag, suite, key: STANDARD_NO_PAD.decode(key).ok()? })
    }

    fn value(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite, STANDARD.encode(&self.key))
    }
}

/// The readable `a=crypto` lines of an m-line, in its order.
pub(crate) fn crypto_lines(media: &Media) -> Vec<Crypto> {
    let values = media.attributes.iter().filter(|a| a.attribute == "crypto").filter_map(|a| a.value.as_deref());
    values.take(LINES_MAX).filter_map(Crypto::parse).collect()
}

/// Whether a profile is SRTP's: `RTP/SAVP`, `RTP/SAVPF`, and those keyed by DTLS.
pub(crate) fn is_secure_profile(proto: &str) -> bool {
    proto.to_ascii_uppercase().contains("RTP/SAVP")
}

impl Description {
    /// Makes the audio line in use say exactly these keys. `secure` picks the profile: `RTP/SAVP` says that nothing
    /// else is taken; `RTP/AVP` with keys is the form that lets the other side choose.
    pub fn set_security(&mut self, secure: bool, keys: &[Crypto]) {
        let Some(index) = self.audio_index() else { return };
        let webrtc = self.0.medias.get(index).is_some_and(|m| is_dtls(&m.proto));
        if webrtc {
            forget_transport(&mut self.0, index);
        }
        let Some(media) = self.0.medias.get_mut(index) else { return };
        let feedback = !webrtc && media.proto.to_ascii_uppercase().ends_with("AVPF");
        media.proto = format!("RTP/{}AVP{}", if secure { "S" } else { "" }, if feedback { "F" } else { "" });
        media.attributes.retain(|a| !matches!(a.attribute.as_str(), "crypto" | "fingerprint" | "setup" | "tls-id"));
        let at = media.attributes.len();
        media.attributes.splice(at..at, keys.iter().map(|key| attribute("crypto", Some(key.value()))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote_media;

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn what_is_read_of_a_crypto_line() {
        let good = Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        assert_eq!((good.tag, good.suite.as_str(), good.key.len()), (1, "AES_CM_128_HMAC_SHA1_80", 30));
        for same in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20"),
            format!("1  AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576 WSH=64"),
        ] {
            assert_eq!(Crypto::parse(&same), Some(good.clone()), "{same}");
        }
        for passed_over in [
            String::new(),
            "1".to_owned(),
            "x AES inline:AAAA".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 inline:***".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 uri:AAAA".to_owned(),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"),
        ] {
            assert_eq!(Crypto::parse(&passed_over), None, "{passed_over}");
        }
    }

    #[test]
    fn a_line_is_given_its_profile_and_keys() {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/SAVPF 0\r\na=crypto:7 A inline:{KEY}\r\na=x:kept\r\n"
        );
        let mut description = Description::parse(text.as_bytes()).unwrap();
        let remote = remote_media(&description).unwrap();
        assert!(remote.secure && remote.crypto.len() == 1 && remote.crypto[0].tag == 7);
        let key = Crypto { tag: 2, suite: "AES_CM_128_HMAC_SHA1_80".to_owned(), key: vec![9; 30] };
        for (secure, keys, proto) in
            [(false, vec![], "RTP/AVPF"), (false, vec![key.clone()], "RTP/AVPF"), (true, vec![key], "RTP/SAVPF")]
        {
            description.set_security(secure, &keys);
            let again = Description::parse(&description.to_bytes()).unwrap();
            assert_eq!((again.0.medias[0].proto.as_str(), crypto_lines(&again.0.medias[0])), (proto, keys));
            assert!(again.0.medias[0].attributes.iter().any(|a| a.attribute == "x"));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_read_without_panic(value in ".{0,80}", tail in "[0-9A-Za-z+/=|:;^ ]{0,60}") {
            let _ = Crypto::parse(&value);
            if let Some(read) = Crypto::parse(&format!("1 X inline:{tail}")) {
                assert_eq!(Crypto::parse(&read.value()), Some(read));
            }
        }
    }
}
