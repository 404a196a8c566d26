//! The server side: challenges and verification (RFC 3261 section 22.1, RFC 7616 section 3.3 to 3.4).

use crate::digest::{Algorithm, Qop, Signed, response};
use crate::nonce::{Nonces, Realm, Standing};
use crate::params::{Params, escape, unescape};
use core::time::Duration;
use model::{DigestAlgorithm, Ha1, Instant};
use subtle::ConstantTimeEq;

/// Most header field values of our realm that are tried; a client has no reason to send more than one per algorithm.
const CREDENTIALS_MAX: usize = 4;
/// Longest user name, nonce, cnonce or digest URI that is looked at.
const VALUE_MAX: usize = 1024;

/// Credentials that hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The user name, unescaped.
    pub username: String,
    /// The digest URI: the Request-URI as the client wrote it, for callers that want to compare.
    pub uri: String,
    /// The hash that was used.
    pub algorithm: Algorithm,
}

/// Why credentials do not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthFailure {
    /// No Digest credentials for this realm: challenge.
    #[error("no credentials for this realm")]
    Missing,
    /// The password is right, the nonce is ours and too old: challenge with `stale=true`.
    #[error("stale nonce")]
    Stale,
    /// The nonce is not ours, or was given to another source: challenge. Whether the password is right is not said, and
    /// nobody is to blame: anybody can write such a request in anybody's name.
    #[error("a nonce of somebody else")]
    ForeignNonce,
    /// The password is right, the nonce-count was used before: challenge with `stale=true`, and count it.
    #[error("nonce-count used before")]
    Replayed,
    /// No such user.
    #[error("unknown user")]
    UnknownUser,
    /// The response does not match.
    #[error("wrong password")]
    WrongPassword,
    /// The value cannot be read, or uses what was not offered: 400.
    #[error("malformed credentials: {0}")]
    Malformed(&'static str),
}

/// Challenges requests and verifies credentials.
///
/// # Invariants
/// Memory grows only by credentials that hold, and never past `nonces_max`; see the crate's `nonce` module.
pub struct Authenticator {
    nonces: Nonces,
    nobody: Ha1,
    offered: Vec<Algorithm>,
}

impl core::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Authenticator").field("nonces", &self.nonces.len()).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Starts with a secret that nobody else knows; nonces live for `nonce_ttl`, and the counts of the last
    /// `nonces_max` used ones are remembered.
    #[must_use]
    pub fn new(secret: [u8; 32], nonces_max: usize, nonce_ttl: Duration) -> Self {
        Authenticator {
            nonces: Nonces::new(secret, nonces_max, nonce_ttl),
            nobody: crate::ha1("nobody", "nowhere", "nothing"),
            offered: vec![Algorithm::Sha256, Algorithm::Md5],
        }
    }

    /// Offers these algorithms, in this order, instead of both. What is accepted does not change: a phone that knows
    /// SHA-256 may use it wherever it was offered before.
    #[must_use]
    pub fn offering(mut self, algorithms: &[DigestAlgorithm]) -> Self {
        self.offered = algorithms.iter().map(|a| Algorithm::from(*a)).collect();
        self
    }

    /// The values of WWW-Authenticate or Proxy-Authenticate, one header field each, the stronger algorithm first as
    /// RFC 8760 section 2.4 asks. `stale` tells the client to try again without asking its user.
    pub fn challenge(&mut self, realm: Realm<'_>, stale: bool, now: Instant) -> Vec<String> {
        let nonce = self.nonces.mint(realm, now);
        let realm = escape(realm.name);
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &Algorithm| {
            let head = ["Digest realm=\"", &realm, "\", nonce=\"", &nonce, "\", algorithm="];
            head.concat() + algorithm.token() + ", qop=\"auth\"" + stale
        };
        self.offered.iter().map(value).collect()
    }

    /// Verifies the values of Authorization or Proxy-Authorization for `realm`. Values for other realms are skipped
    /// (RFC 3261 section 22.3: they are for proxies further on).
    ///
    /// The response is computed and compared even for an unknown user and a foreign nonce, so that time tells nothing;
    /// `stale` is said only to who knows the password (RFC 7616 section 3.3).
    ///
    /// # Errors
    /// [`AuthFailure`], the one of the last value looked at.
    pub fn verify<'a, 'd>(
        &mut self,
        header_values: impl IntoIterator<Item = &'a str>,
        method: &str,
        realm: Realm<'_>,
        lookup: impl Fn(&str) -> Option<&'d Ha1>,
        now: Instant,
    ) -> Result<Verified, AuthFailure> {
        let mut failure = AuthFailure::Missing;
        let mut tried = 0;
        for value in header_values {
            let claim = match Claim::read(value, realm.name) {
                Ok(Some(claim)) => claim,
                Ok(None) => continue,
                Err(why) => {
                    failure = AuthFailure::Malformed(why);
                    continue;
                }
            };
            tried += 1;
            if tried > CREDENTIALS_MAX {
                break;
            }
            match self.check(&claim, method, realm, &lookup, now) {
                Ok(verified) => return Ok(verified),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    /// What nonces are made with, to be kept over a restart.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.nonces.secret()
    }

    /// Goes on with the secret of an earlier run: its nonces are stale, not foreign, so phones try again by themselves;
    /// none of them is accepted, as their counts are not known.
    pub fn resume(&mut self, secret: [u8; 32], now: Instant) {
        self.nonces.resume(secret, now);
    }

    /// How many used nonces are remembered.
    #[must_use]
    pub fn nonces_len(&self) -> usize {
        self.nonces.len()
    }

    fn check<'d>(
        &mut self,
        claim: &Claim<'_>,
        method: &str,
        realm: Realm<'_>,
        lookup: &impl Fn(&str) -> Option<&'d Ha1>,
        now: Instant,
    ) -> Result<Verified, AuthFailure> {
        let known = lookup(&claim.username);
        let secret = claim.algorithm.pick(known.unwrap_or(&self.nobody));
        let signed = Signed {
            nonce: claim.nonce,
            method,
            uri: claim.uri,
            qop: claim.qop.as_ref().map(|q| Qop { nc: q.nc_text, cnonce: q.cnonce }),
        };
        let expected = response(claim.algorithm, secret, &signed);
        let matches = bool::from(expected.as_bytes().ct_eq(claim.response.as_bytes()));
        let standing = self.nonces.standing(claim.nonce, realm, now);
        if standing == Standing::Foreign {
            return Err(AuthFailure::ForeignNonce);
        }
        if known.is_none() {
            return Err(AuthFailure::UnknownUser);
        }
        if !matches {
            return Err(AuthFailure::WrongPassword);
        }
        let id = match standing {
            Standing::Fresh(id) => id,
            Standing::Expired | Standing::Foreign => return Err(AuthFailure::Stale),
        };
        // Without qop there is no nonce-count to tell two requests apart, so such a nonce serves once only.
        let count = claim.qop.as_ref().map_or(u32::MAX, |q| q.nc);
        if !self.nonces.spend(id, count, now) {
            return Err(AuthFailure::Replayed);
        }
        Ok(Verified { username: claim.username.clone(), uri: claim.uri.to_owned(), algorithm: claim.algorithm })
    }
}

/// The user name that credentials for `realm` claim, unescaped; nothing is verified.
#[must_use]
pub fn claimed_user<'a>(header_values: impl IntoIterator<Item = &'a str>, realm: &str) -> Option<String> {
    header_values.into_iter().find_map(|value| {
        let params = Params::read(value).ok().flatten()?;
        (unescape(params.get("realm")?) == realm).then(|| params.get("username").map(unescape)).flatten()
    })
}

/// One set of credentials, read and within the rules.
struct Claim<'a> {
    username: String,
    nonce: &'a str,
    uri: &'a str,
    response: String,
    algorithm: Algorithm,
    qop: Option<ClaimedQop<'a>>,
}

struct ClaimedQop<'a> {
    nc_text: &'a str,
    nc: u32,
    cnonce: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads one header field value; `Ok(None)` if it is of another scheme or realm.
    fn read(value: &'a str, realm: &str) -> Result<Option<Claim<'a>>, &'static str> {
        let Some(params) = Params::read(value)? else { return Ok(None) };
        if unescape(params.get("realm").ok_or("no realm")?) != realm {
            return Ok(None);
        }
        let get = |name: &str, missing: &'static str| match params.get(name) {
            Some(value) if value.len() <= VALUE_MAX => Ok(value),
            Some(_) => Err("value too long"),
            None => Err(missing),
        };
        let algorithm = Algorithm::from_token(params.get("algorithm")).ok_or("algorithm was not offered")?;
        let response = get("response", "no response")?.to_ascii_lowercase();
        if response.len() != algorithm.hex_len() {
            return Err("response has the wrong length");
        }
        let qop = match params.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let nc_text = get("nc", "qop without nc")?;
                Some(ClaimedQop { nc: read_count(nc_text)?, nc_text, cnonce: get("cnonce", "qop without cnonce")? })
            }
            Some(_) => return Err("qop was not offered"),
            // RFC 7616 always has a qop; only the MD5 of RFC 2069 may come without.
            None if algorithm == Algorithm::Md5 => None,
            None => return Err("no qop"),
        };
        Ok(Some(Claim {
            username: unescape(get("username", "no username")?),
            nonce: get("nonce", "no nonce")?,
            uri: get("uri", "no uri")?,
            response,
            algorithm,
            qop,
        }))
    }
}

/// `nc`: exactly eight hex digits, at least 1 (RFC 7616 section 3.4). The highest value is kept for RFC 2069's form.
fn read_count(text: &str) -> Result<u32, &'static str> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("nc is not eight hex digits");
    }
    match u32::from_str_radix(text, 16) {
        Ok(0 | u32::MAX) | Err(_) => Err("nc out of range"),
        Ok(count) => Ok(count),
    }
}
