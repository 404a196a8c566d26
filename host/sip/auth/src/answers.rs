//! A client that is challenged again and again: the newest challenge is kept, so that the next request brings its
//! credentials along and saves a round trip (RFC 3261 section 22.2 and 22.3, RFC 7616 section 3.4 and 3.5).

use crate::client::ChallengeError;
use crate::digest::{Algorithm, Qop, Signed, response};
use crate::params::{Params, escape, unescape};
use model::TrunkSecret;

/// The field that carries a challenge's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    /// WWW-Authenticate, of a 401: the far end.
    Origin,
    /// Proxy-Authenticate, of a 407: a proxy before it.
    Proxy,
}

impl Door {
    const fn header(self) -> &'static str {
        match self {
            Door::Origin => "Authorization",
            Door::Proxy => "Proxy-Authorization",
        }
    }
}

/// A challenge that can be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Challenge {
    /// As between the quotes.
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    qop: bool,
    /// How often the nonce was used.
    count: u32,
}

/// One user's answers to the challenges of one carrier.
///
/// # Invariants
/// Each nonce is used with counts that rise by one; at most one challenge of the far end and one of a proxy is kept.
#[derive(Clone)]
pub struct Answers {
    username: String,
    secret: TrunkSecret,
    origin: Option<Challenge>,
    proxy: Option<Challenge>,
}

impl core::fmt::Debug for Answers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answers").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Answers {
    /// Of this user; nothing was asked yet.
    #[must_use]
    pub fn new(username: String, secret: TrunkSecret) -> Answers {
        Answers { username, secret, origin: None, proxy: None }
    }

    /// Whether it is this user with this secret.
    #[must_use]
    pub fn is_of(&self, username: &str, secret: &TrunkSecret) -> bool {
        self.username == username && self.secret == *secret
    }

    /// Takes the challenges of a 401 (`www`: its WWW-Authenticate values) or a 407 (`proxy`: its Proxy-Authenticate
    /// values) to heart. Of several the strongest is answered: SHA-256 before MD5 (RFC 8760 section 2.4).
    ///
    /// # Errors
    /// [`ChallengeError`] when trying again is of no use: nothing that can be answered, a realm whose secret is not
    /// known, or the very nonce that was answered already, and not for being stale.
    pub fn learn(&mut self, www: &[&str], proxy: &[&str]) -> Result<(), ChallengeError> {
        let mut learned = false;
        for (door, values) in [(Door::Origin, www), (Door::Proxy, proxy)] {
            if values.is_empty() {
                continue;
            }
            let (challenge, stale) = choose(values).ok_or(ChallengeError::NoneUsable)?;
            if let TrunkSecret::Ha1 { realm, .. } = &self.secret
                && *realm != unescape(&challenge.realm)
            {
                return Err(ChallengeError::OtherRealm);
            }
            let held = match door {
                Door::Origin => &mut self.origin,
                Door::Proxy => &mut self.proxy,
            };
            if held.as_ref().is_some_and(|h| h.nonce == challenge.nonce && h.count > 0) && !stale {
                return Err(ChallengeError::Refused);
            }
            *held = Some(challenge);
            learned = true;
        }
        if learned { Ok(()) } else { Err(ChallengeError::NoneUsable) }
    }

    /// The credentials for a request: none before the first challenge. `cnonce` must be new for each.
    pub fn sign(&mut self, method: &str, uri: &str, cnonce: &str) -> Vec<(&'static str, String)> {
        let Answers { username, secret, origin, proxy } = self;
        [(Door::Origin, origin), (Door::Proxy, proxy)]
            .into_iter()
            .filter_map(|(door, held)| {
                let challenge = held.as_mut()?;
                challenge.count = challenge.count.saturating_add(1);
                Some((door.header(), challenge.answer(username, secret, (method, uri), cnonce)))
            })
            .collect()
    }
}

impl Challenge {
    fn answer(&self, username: &str, secret: &TrunkSecret, request: (&str, &str), cnonce: &str) -> String {
        let (method, uri) = request;
        let hashed;
        let ha1 = match secret {
            TrunkSecret::Password(password) => {
                hashed = self.algorithm.hash(&[username, &unescape(&self.realm), password]);
                hashed.as_str()
            }
            TrunkSecret::Ha1 { ha1, .. } => self.algorithm.pick(ha1),
        };
        let nc = format!("{:08x}", self.count);
        let qop = self.qop.then_some(Qop { nc: &nc, cnonce });
        let digest = response(self.algorithm, ha1, &Signed { nonce: &self.nonce, method, uri, qop });
        let mut out = format!(
            r#"Digest username="{}", realm="{}", nonce="{}", uri="{uri}", response="{}", algorithm={}"#,
            escape(username),
            self.realm,
            self.nonce,
            digest.as_str(),
            self.algorithm.token()
        );
        if qop.is_some() {
            out.push_str(&format!(r#", qop=auth, nc={nc}, cnonce="{cnonce}""#));
        }
        if let Some(opaque) = &self.opaque {
            out.push_str(&format!(r#", opaque="{opaque}""#));
        }
        out
    }
}

/// The strongest challenge that can be answered, and whether it only says that the nonce is too old.
fn choose(values: &[&str]) -> Option<(Challenge, bool)> {
    let read = |value: &&str| {
        let params = Params::read(value).ok().flatten()?;
        let algorithm = Algorithm::from_token(params.get("algorithm"))?;
        let qop = params.get("qop");
        // Without qop it is RFC 2069's and can be answered too.
        if qop.is_some_and(|options| !options.split(',').any(|o| o.trim().eq_ignore_ascii_case("auth"))) {
            return None;
        }
        let stale = params.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
        let challenge = Challenge {
            realm: params.get("realm")?.to_owned(),
            nonce: params.get("nonce")?.to_owned(),
            opaque: params.get("opaque").map(str::to_owned),
            algorithm,
            qop: qop.is_some(),
            count: 0,
        };
        Some((challenge, stale))
    };
    // The first of the strongest, as the server listed them by preference.
    values.iter().filter_map(read).rev().max_by_key(|(challenge, _)| challenge.algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authenticator, Realm, ha1};
    use core::net::{IpAddr, Ipv4Addr};
    use core::time::Duration;
    use model::{DigestAlgorithm, Instant};

    const NOW: Instant = Instant::from_unix_nanos(1_000_000_000_000);
    const REALM: Realm<'_> = Realm { name: "carrier.example", source: IpAddr::V4(Ipv4Addr::LOCALHOST) };

    fn carrier(offers: &[DigestAlgorithm]) -> Authenticator {
        Authenticator::new([7; 32], 100, Duration::from_secs(300)).offering(offers)
    }

    fn verified(carrier: &mut Authenticator, values: &[(&'static str, String)], now: Instant) -> Result<(), String> {
        let known = ha1("acme", "carrier.example", "secret");
        let lookup = |user: &str| (user == "acme").then_some(&known);
        let given = values.iter().map(|(_, value)| value.as_str());
        carrier.verify(given, "INVITE", REALM, lookup, now).map(|_| ()).map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn both_kinds_of_secret_answer_both_algorithms_and_a_nonce_serves_again() {
        let secrets = [
            TrunkSecret::Password("secret".to_owned()),
            TrunkSecret::Ha1 { realm: "carrier.example".to_owned(), ha1: ha1("acme", "carrier.example", "secret") },
        ];
        for secret in secrets {
            for offers in [&[DigestAlgorithm::Md5][..], &[DigestAlgorithm::Md5, DigestAlgorithm::Sha256]] {
                let mut carrier = carrier(offers);
                let mut answers = Answers::new("acme".to_owned(), secret.clone());
                assert!(answers.sign("INVITE", "sip:1@carrier.example", "c").is_empty(), "nothing was asked");
                let challenge = carrier.challenge(REALM, false, NOW);
                let values: Vec<&str> = challenge.iter().map(String::as_str).collect();
                answers.learn(&values, &[]).unwrap();
                for n in 1..=3 {
                    let signed = answers.sign("INVITE", "sip:1@carrier.example", &format!("c{n}"));
                    assert_eq!(signed[0].0, "Authorization");
                    assert!(signed[0].1.contains(&format!("nc=0000000{n}")), "{signed:?}");
                    verified(&mut carrier, &signed, NOW).unwrap();
                }
                let strongest = if offers.len() == 2 { "algorithm=SHA-256" } else { "algorithm=MD5" };
                assert!(answers.sign("INVITE", "sip:1@x", "c9")[0].1.contains(strongest));
            }
        }
    }

    #[test]
    fn an_old_nonce_is_replaced_and_a_refused_answer_is_not_repeated() {
        let secret = TrunkSecret::Password("wrong".to_owned());
        let mut answers = Answers::new("acme".to_owned(), secret);
        let one = r#"Digest realm="r", nonce="n1", qop="auth""#;
        answers.learn(&[], &[one]).unwrap();
        let signed = answers.sign("REGISTER", "sip:r", "c");
        assert_eq!(signed[0].0, "Proxy-Authorization");
        assert_eq!(answers.learn(&[], &[one]), Err(ChallengeError::Refused));
        answers.learn(&[], &[r#"Digest realm="r", nonce="n1", qop="auth", stale=TRUE"#]).unwrap();
        answers.learn(&[], &[r#"Digest realm="r", nonce="n2", qop="auth""#]).unwrap();
        assert!(answers.sign("REGISTER", "sip:r", "c")[0].1.contains("nc=00000001"), "a new nonce counts anew");
        for bad in ["Basic realm=\"r\"", r#"Digest realm="r", nonce="n", algorithm=X"#, r#"Digest realm="r""#] {
            assert_eq!(answers.learn(&[bad], &[]), Err(ChallengeError::NoneUsable), "{bad}");
        }
        assert_eq!(answers.learn(&[], &[]), Err(ChallengeError::NoneUsable));
        let secret = TrunkSecret::Ha1 { realm: "r".to_owned(), ha1: ha1("acme", "r", "secret") };
        let mut bound = Answers::new("acme".to_owned(), secret);
        let other = r#"Digest realm="other", nonce="n1", qop="auth""#;
        assert_eq!(bound.learn(&[other], &[]), Err(ChallengeError::OtherRealm));
        let both = (r#"Digest realm="r", nonce="a""#, r#"Digest realm="r", nonce="b", qop="auth-int,auth""#);
        bound.learn(&[both.0], &[both.1]).unwrap();
        let signed = bound.sign("BYE", "sip:x", "c");
        assert_eq!(signed.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["Authorization", "Proxy-Authorization"]);
        assert!(!signed[0].1.contains("nc="), "without qop it is RFC 2069's: {signed:?}");
        assert!(!format!("{bound:?}").contains("ha1"));
    }
}
