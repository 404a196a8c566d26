//! Requests that carry a key: done once, however often they are sent.
//!
//! A key is its sender's own. The row is made before the work, marked in the same transaction as the change
//! ([`crate::acting`]), and gets the answer after it. So a request that broke off is done again if nothing of it was
//! committed, and never if it was. Answers may hold secrets that are shown once: they are sealed. Requests may hold secrets
//! as well, and short ones: what is kept of them is a code under the key that secrets are sealed with, so that whoever has
//! the database alone cannot try guesses.

use crate::sql::{Tx, micros, statements};
use crate::{Db, StoreError};
use core::time::Duration;
use model::Instant;

/// How long a key is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// How long a request that has neither committed nor answered is believed to be under way.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// Bytes of a kept fingerprint that name the key it was made with; the other 24 are of the code.
const NAME_BYTES: usize = 8;

statements! { "idempotency key";
    FORGET = "DELETE FROM idempotency WHERE at < $1";
    BEGIN = "INSERT INTO idempotency (actor, request_key, fingerprint, at, committed) VALUES ($1, $2, $3, $4, CAST(0 AS BOOLEAN))
        ON CONFLICT (actor, request_key) DO UPDATE SET at = excluded.at
        WHERE NOT idempotency.committed AND idempotency.status IS NULL AND idempotency.at < $5
        AND idempotency.fingerprint = excluded.fingerprint RETURNING at";
    FIND = "SELECT fingerprint, committed, status, answer FROM idempotency WHERE actor = $1 AND request_key = $2";
    COMMIT = "UPDATE idempotency SET committed = CAST(1 AS BOOLEAN) WHERE actor = $1 AND request_key = $2";
    FINISH = "UPDATE idempotency SET status = $3, answer = $4 WHERE actor = $1 AND request_key = $2";
    DROP = "DELETE FROM idempotency WHERE actor = $1 AND request_key = $2 AND NOT committed";
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    fingerprint: Vec<u8>,
    committed: bool,
    status: Option<i64>,
    answer: Option<Vec<u8>>,
}

/// What is known of a request with a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Known {
    /// Nothing: do it.
    New,
    /// The key was used for another request.
    Other,
    /// The key was used while another key sealed the secrets, or by a version that kept fingerprints in another form: nobody
    /// can say whether it was for this request. It is forgotten like every other.
    Unreadable,
    /// It is under way.
    UnderWay,
    /// It was done, and the answer is lost: the switch ended between.
    Done,
    /// It was done, and this was the answer: status and body.
    Answered(u16, Vec<u8>),
}

/// The keys of one sender's request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestKey<'a> {
    /// Who sends it.
    pub actor: &'a str,
    /// The key it carries.
    pub key: &'a str,
}

/// The operations on idempotency keys.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency<'a>(pub(crate) &'a Db);

impl Idempotency<'_> {
    /// Takes a key for the request with this SHA-256, or says what became of it.
    ///
    /// # Errors
    /// The database failed, or there is no key to seal answers with.
    pub async fn begin(&self, of: RequestKey<'_>, request: &[u8; 32], now: Instant) -> Result<Known, StoreError> {
        let fingerprint = fingerprint(self.sealing()?, of, request);
        let (at, stale) = (micros(now), micros(now - UNDER_WAY));
        let mut tx = self.0.begin().await?;
        tx.run(FORGET, &[micros(now - REMEMBERED).into()]).await?;
        let args = [of.actor.into(), of.key.into(), fingerprint.as_slice().into(), at.into(), stale.into()];
        let new = tx.one::<(i64,)>(BEGIN, &args).await?.is_some();
        let found = tx.one::<KeyRow>(FIND, &[of.actor.into(), of.key.into()]).await?;
        tx.commit().await?;
        let Some(row) = found.filter(|_| !new) else { return Ok(Known::New) };
        if row.fingerprint != fingerprint {
            let comparable = row.fingerprint.get(..NAME_BYTES) == fingerprint.get(..NAME_BYTES);
            return Ok(if comparable { Known::Other } else { Known::Unreadable });
        }
        Ok(match (row.status.and_then(|s| u16::try_from(s).ok()), row.answer, row.committed) {
            (Some(status), Some(sealed), _) => {
                let opened = self.sealing()?.open(&place(of), &sealed);
                Known::Answered(status, crate::sql::stored("answer", opened)?)
            }
            (_, _, true) => Known::Done,
            _ => Known::UnderWay,
        })
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn finish(&self, of: RequestKey<'_>, status: u16, answer: &[u8]) -> Result<(), StoreError> {
        let sealed = self.sealing()?.seal(&place(of), answer);
        let sealed = sealed.ok_or_else(|| StoreError::Away { why: "no randomness".to_owned() })?;
        let mut tx = self.0.begin().await?;
        let args = [of.actor.into(), of.key.into(), i64::from(status).into(), sealed.as_slice().into()];
        tx.run(FINISH, &args).await?;
        tx.commit().await
    }

    /// Forgets a request that committed nothing, so that it may be tried again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn drop(&self, of: RequestKey<'_>) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.run(DROP, &[of.actor.into(), of.key.into()]).await?;
        tx.commit().await
    }

    fn sealing(&self) -> Result<&crate::SecretKey, StoreError> {
        let why = || "answers are kept sealed, and this switch has no key to seal with".to_owned();
        self.0.inner.key.as_ref().ok_or_else(|| StoreError::Invalid { what: "idempotency key", why: why() })
    }
}

/// What is kept of a request: the name of the key, and a code of its sum for its sender and its key, so that the same request
/// of two is not known by it.
fn fingerprint(key: &crate::SecretKey, of: RequestKey<'_>, request: &[u8; 32]) -> [u8; 32] {
    let mut kept = key.code("requests' fingerprints", &[request, place(of).as_bytes()]);
    kept[..NAME_BYTES].copy_from_slice(&key.derive("the name of requests' fingerprints")[..NAME_BYTES]);
    kept
}

fn place(of: RequestKey<'_>) -> String {
    format!("answer {} {}", of.actor, of.key)
}

/// Marks a request as done, in the transaction of its change.
pub(crate) async fn commit(tx: &mut Tx, actor: &str, key: &str) -> Result<(), StoreError> {
    tx.run(COMMIT, &[actor.into(), key.into()]).await.map(|_| ())
}
