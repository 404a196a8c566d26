//! The client side: credentials that answer a challenge (RFC 3261 section 22.2, RFC 7616 section 3.4).

use crate::digest::{Algorithm, Qop, Signed, response};
use crate::params::{Params, escape, unescape};

/// Who answers.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The user name.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
}

impl core::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChallengeError {
    /// No challenge is Digest with an algorithm and a qop that are known here.
    #[error("no challenge that can be answered")]
    NoneUsable,
    /// The secret that is kept is for another realm.
    #[error("the challenge is for a realm whose secret is not known")]
    OtherRealm,
    /// The nonce that was answered comes back: the user name or the secret is wrong.
    #[error("the credentials were refused")]
    Refused,
}

/// The value of Authorization (for WWW-Authenticate) or Proxy-Authorization (for Proxy-Authenticate).
///
/// Of several challenges the strongest is answered: SHA-256 before MD5 (RFC 8760 section 2.4 lets the client choose).
/// `count` is the nonce-count, from 1 for a new nonce; `request` is the method and the Request-URI.
///
/// # Errors
/// [`ChallengeError::NoneUsable`].
pub fn answer(
    challenges: &[&str],
    who: &Credentials<'_>,
    request: (&str, &str),
    cnonce: &str,
    count: u32,
) -> Result<String, ChallengeError> {
    let (params, algorithm) = challenges
        .iter()
        .filter_map(|value| Params::read(value).ok().flatten())
        .filter(|params| offers_auth(params.get("qop")))
        .filter_map(|params| Some((Algorithm::from_token(params.get("algorithm"))?, params)))
        .rev()
        .max_by_key(|(algorithm, _)| *algorithm)
        .map(|(algorithm, params)| (params, algorithm))
        .ok_or(ChallengeError::NoneUsable)?;
    let (Some(realm), Some(nonce)) = (params.get("realm"), params.get("nonce")) else {
        return Err(ChallengeError::NoneUsable);
    };
    let nc = format!("{count:08x}");
    let (method, uri) = request;
    let qop = params.get("qop").map(|_| Qop { nc: &nc, cnonce });
    let ha1 = algorithm.hash(&[who.username, &unescape(realm), who.password]);
    let digest = response(algorithm, ha1.as_str(), &Signed { nonce, method, uri, qop });
    let mut out = format!(
        r#"Digest username="{}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{}", algorithm={}"#,
        escape(who.username),
        digest.as_str(),
        algorithm.token()
    );
    if qop.is_some() {
        out.push_str(&format!(r#", qop=auth, nc={nc}, cnonce="{cnonce}""#));
    }
    if let Some(opaque) = params.get("opaque") {
        out.push_str(&format!(r#", opaque="{opaque}""#));
    }
    Ok(out)
}

/// Whether the challenge's qop options hold `auth`; a challenge without qop is RFC 2069's and can be answered too.
fn offers_auth(qop: Option<&str>) -> bool {
    qop.is_none_or(|options| options.split(',').any(|option| option.trim().eq_ignore_ascii_case("auth")))
}
