//! What logging in needs: hashes of passwords, access tokens, and limits on trying.
//!
//! Passwords are hashed with argon2id (RFC 9106; 19 MiB, 2 passes, the second choice of OWASP), two at a time, so that
//! whoever sends many wrong ones can take neither the memory nor the processor from calls. An access token is a JWT
//! (RFC 7519, HS256) that says which login it belongs to and nothing else: what the person may do is read from the
//! database with each request, so that a right that is taken is gone at once.

use crate::gate::rate::{RateLimit, Rates};
use crate::problem::Problem;
use argon2::Argon2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::Instant;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How long an access token is good.
pub(crate) const ACCESS_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a login goes on without being refreshed.
pub(crate) const LOGIN_LIFE: Duration = Duration::from_secs(12 * 3_600);
/// How long somebody may be acted as.
pub(crate) const IMPERSONATION_LIFE: Duration = Duration::from_secs(3_600);

/// Passwords hashed at once.
const HASHES_MAX: usize = 2;
/// How long a password waits to be hashed.
const HASH_WAIT: Duration = Duration::from_secs(5);
/// Attempts at one name.
const NAME_RATE: RateLimit = RateLimit { per_minute: 10, burst: 10 };
/// Attempts from one address; more than one person may sit behind it.
const SOURCE_RATE: RateLimit = RateLimit { per_minute: 60, burst: 60 };

/// Attempts to go on from one address: tokens cannot be guessed, so this only spares the database.
const REFRESH_RATE: RateLimit = RateLimit { per_minute: 600, burst: 600 };

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
const PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
const ISSUER: &str = "strowger";

/// What all clones of the API share about logging in.
pub(crate) struct Doors {
    hashing: Semaphore,
    key: Option<[u8; 32]>,
    names: Rates,
    sources: Rates,
    refreshes: Rates,
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doors(..)")
    }
}

/// Whose address it is: an IPv6 network of 64 bits is one subscriber's (RFC 6177), who has every address in it.
fn network(source: IpAddr) -> String {
    match source {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("{:x}/64", u128::from(v6) >> 64),
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    login: i64,
    iat: u64,
    exp: u64,
}

impl Doors {
    /// Doors that sign with this key; without one with their own, and then logins end with the process.
    pub(crate) fn new(key: Option<[u8; 32]>) -> Arc<Doors> {
        let own = || {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).ok().map(|()| bytes)
        };
        Arc::new(Doors {
            hashing: Semaphore::new(HASHES_MAX),
            key: key.or_else(own),
            names: Rates::new(NAME_RATE),
            sources: Rates::new(SOURCE_RATE),
            refreshes: Rates::new(REFRESH_RATE),
        })
    }

    /// Counts an attempt to log in.
    pub(crate) fn knock(&self, name: &str, source: Option<IpAddr>, now: Instant) -> Result<(), Problem> {
        let counted = source.map_or(Ok(()), |source| self.sources.take(&network(source), now));
        counted.and_then(|()| self.names.take(name, now)).map_err(Problem::too_many)
    }

    /// Counts an attempt to go on. Who fails to log in keeps nobody at the same address from going on.
    pub(crate) fn knock_refresh(&self, source: Option<IpAddr>, now: Instant) -> Result<(), Problem> {
        source.map_or(Ok(()), |source| self.refreshes.take(&network(source), now).map_err(Problem::too_many))
    }

    /// The hash of a new password, in the PHC form.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        let hash = self.work(password, salt.to_vec()).await?;
        Ok(format!("{PREFIX}{}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash)))
    }

    /// Whether this is the password of that hash. Without a hash it takes as long and says no.
    pub(crate) async fn fits(&self, password: String, hash: Option<&str>) -> Result<bool, Problem> {
        let parts = hash.and_then(|hash| {
            let (salt, hash) = hash.strip_prefix(PREFIX)?.split_once('$')?;
            Some((STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?))
        });
        let known = parts.is_some();
        let (salt, wanted) = parts.unwrap_or_else(|| (vec![0; SALT_BYTES], vec![0; HASH_BYTES]));
        let made = self.work(password, salt).await?;
        // Hashes of a secret: their first difference tells nobody anything to steer by.
        Ok(known && made[..] == wanted[..])
    }

    async fn work(&self, password: String, salt: Vec<u8>) -> Result<[u8; HASH_BYTES], Problem> {
        let busy = || Problem::unavailable("Too many people log in at once; try again.");
        let _turn =
            tokio::time::timeout(HASH_WAIT, self.hashing.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let work = move || {
            let mut out = [0; HASH_BYTES];
            Argon2::default().hash_password_into(password.as_bytes(), &salt, &mut out).map(|()| out)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| Problem::internal())?.map_err(|_| Problem::internal())
    }

    /// An access token of a login.
    pub(crate) fn token(&self, login: i64, now: Instant, life: Duration) -> Result<String, Problem> {
        let unable = || Problem::unavailable("The switch has no key to sign with.");
        let key = self.key.as_ref().ok_or_else(unable)?;
        let claims = Claims { iss: ISSUER.to_owned(), login, iat: now.unix_secs(), exp: (now + life).unix_secs() };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key))
            .map_err(|_| Problem::internal())
    }

    /// The login of an access token that is ours and still good.
    pub(crate) fn login_of(&self, token: &str, now: Instant) -> Option<i64> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        // By the switch's clock, like everything else; below.
        rules.validate_exp = false;
        let key = DecodingKey::from_secret(self.key.as_ref()?);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).ok()?.claims;
        (claims.exp > now.unix_secs()).then_some(claims.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_unix_nanos(1_795_326_480_000_000_000);

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let doors = Doors::new(None);
        let hash = doors.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, doors.hash("correct horse".to_owned()).await.unwrap(), "each has its own salt");
        assert!(doors.fits("correct horse".to_owned(), Some(&hash)).await.unwrap());
        for (password, hash) in [("correct hors", Some(hash.as_str())), ("", Some("nonsense")), ("x", None)] {
            assert!(!doors.fits(password.to_owned(), hash).await.unwrap(), "{password}");
        }
    }

    #[test]
    fn an_access_token_is_good_for_its_time_and_from_its_signer() {
        let (doors, other) = (Doors::new(Some([7; 32])), Doors::new(Some([8; 32])));
        let token = doors.token(42, NOW, ACCESS_LIFE).unwrap();
        assert_eq!(doors.login_of(&token, NOW + ACCESS_LIFE - Duration::from_secs(1)), Some(42));
        assert_eq!(doors.login_of(&token, NOW + ACCESS_LIFE), None);
        assert_eq!(other.login_of(&token, NOW), None);
        // `{"alg":"none"}` with the same claims and no signature.
        let claims = token.split('.').nth(1).unwrap();
        assert_eq!(doors.login_of(&format!("eyJhbGciOiJub25lIn0.{claims}."), NOW), None);
        for text in ["", ".", "..", "a.b.c"] {
            assert_eq!(doors.login_of(text, NOW), None, "{text}");
        }
    }

    #[test]
    fn one_name_is_tried_ten_times_a_minute() {
        let doors = Doors::new(None);
        let (here, there) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        for _ in 0..10 {
            doors.knock("anna", here, NOW).unwrap();
        }
        assert_eq!(doors.knock("anna", there, NOW).unwrap_err().status, 429);
        doors.knock("bert", here, NOW).unwrap();
        doors.knock("anna", here, NOW + Duration::from_secs(7)).unwrap();
    }

    #[test]
    fn a_subscribers_network_is_one_source_and_going_on_is_counted_apart() {
        let doors = Doors::new(None);
        let from = |host: u16| format!("2001:db8:1:2::{host:x}").parse().ok();
        for n in 0..60 {
            doors.knock(&format!("n{n}"), from(n), NOW).unwrap();
        }
        assert_eq!(doors.knock("another", from(61), NOW).unwrap_err().status, 429);
        doors.knock("another", "2001:db8:1:3::1".parse().ok(), NOW).unwrap();
        doors.knock_refresh(from(61), NOW).unwrap();
    }
}
