//! Logins: one row for each time somebody logged in, with refresh tokens that are good once.
//!
//! A refresh token that comes a second time was in two hands: the login ends there and then, for both.

use super::jobs::Principal;
use super::people::{Behind, PersonId};
use crate::sql::{args, in_scope, instant, micros, statements};
use crate::{Db, OpContext, Page, StoreError};
use core::time::Duration;
use model::Instant;
use sha2::{Digest, Sha256};

/// Most open logins of one person; a newer one ends the oldest.
pub(crate) const LOGINS_MAX: i64 = 20;

statements! { "login";
    FORGET = "DELETE FROM logins WHERE expires_at <= $1";
    CREATE = "INSERT INTO logins (person_id, impersonator, created_at, expires_at, by_person, by_token)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    SPARE = "DELETE FROM logins WHERE person_id = $1 AND id NOT IN
        (SELECT id FROM logins WHERE person_id = $1 ORDER BY id DESC LIMIT $2)";
    ADD_REFRESH = "INSERT INTO login_refreshes (hash, login_id, used) VALUES ($1, $2, CAST(0 AS BOOLEAN))";
    USE_REFRESH = "UPDATE login_refreshes SET used = CAST(1 AS BOOLEAN) WHERE hash = $1 AND NOT used RETURNING login_id";
    REFRESH_LOGIN = "SELECT login_id FROM login_refreshes WHERE hash = $1";
    EXTEND = "UPDATE logins SET expires_at = $2 WHERE id = $1 AND expires_at > $3 RETURNING id";
    END = "DELETE FROM logins WHERE id = $1";
    END_ALL = "DELETE FROM logins WHERE person_id = $1";
    LIST = concat!("SELECT l.id, l.person_id, p.name, p.brand_id, p.company_id, l.impersonator, l.created_at, l.expires_at
        FROM logins l JOIN people p ON p.id = l.person_id WHERE l.id > $3 AND l.expires_at > $5 AND ",
        in_scope!("p.brand_id", "p.company_id"), " ORDER BY l.id LIMIT $4");
    GET = concat!("SELECT l.id, l.person_id, p.name, p.brand_id, p.company_id, l.impersonator, l.created_at, l.expires_at
        FROM logins l JOIN people p ON p.id = l.person_id WHERE l.id = $3 AND l.expires_at > $4 AND ",
        in_scope!("p.brand_id", "p.company_id"));
    DELETE = concat!("DELETE FROM logins WHERE id = $3
        AND person_id IN (SELECT id FROM people WHERE ", in_scope!(), ")");
}

/// An open login.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
struct LoginRow {
    id: i64,
    person_id: i64,
    name: String,
    brand_id: Option<i64>,
    company_id: Option<i64>,
    impersonator: Option<String>,
    created_at: i64,
    expires_at: i64,
}

/// An open login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The row.
    pub id: i64,
    /// Who is logged in.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// Where they belong.
    pub scope: crate::Scope,
    /// Who stands behind the person that is acted as.
    pub impersonator: Option<String>,
    /// When they logged in.
    pub created_at: Instant,
    /// When it ends, unless it is refreshed.
    pub expires_at: Instant,
}

impl From<LoginRow> for Login {
    fn from(row: LoginRow) -> Login {
        Login {
            id: row.id,
            person: PersonId(row.person_id),
            name: row.name,
            scope: crate::scope::of(row.brand_id, row.company_id),
            impersonator: row.impersonator,
            created_at: instant(row.created_at),
            expires_at: instant(row.expires_at),
        }
    }
}

/// What a refresh gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refreshed {
    /// The login goes on with this new refresh token.
    Goes(i64, String),
    /// The token is none of ours, or its login has ended.
    Unknown,
    /// The token was used before: its login was ended.
    Stolen(i64),
}

/// The operations on logins.
#[derive(Clone, Copy, Debug)]
pub struct Logins<'a>(pub(crate) &'a Db);

impl Logins<'_> {
    /// Opens a login and gives its number and refresh token. An impersonation has none: it ends when it ends.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open(
        &self,
        person: PersonId,
        impersonator: Option<&Behind>,
        now: Instant,
        life: Duration,
    ) -> Result<(i64, Option<String>), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.run(FORGET, &[micros(now).into()]).await?;
        let (made, ends) = (micros(now), micros(now + life));
        let (by_person, by_token) = match impersonator.map(|behind| behind.who) {
            Some(Principal::Person(person)) => (Some(person.0), None),
            Some(Principal::Token(token)) => (None, Some(token.0)),
            Some(Principal::Switch) | None => (None, None),
        };
        let name = impersonator.map(|behind| behind.name.as_str());
        let args = [person.0.into(), name.into(), made.into(), ends.into(), by_person.into(), by_token.into()];
        let login = crate::sql::stored("login", tx.one::<(i64,)>(CREATE, &args).await?.map(|(id,)| id))?;
        tx.run(SPARE, &[person.0.into(), LOGINS_MAX.into()]).await?;
        let mut refresh = None;
        if impersonator.is_none() {
            let secret = super::tokens::random_secret("swr_")?;
            tx.run(ADD_REFRESH, &[hash(&secret).as_slice().into(), login.into()]).await?;
            refresh = Some(secret);
        }
        self.0.commit(tx).await?;
        Ok((login, refresh))
    }

    /// Gives a new refresh token for one that was not used yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refresh(&self, secret: &str, now: Instant, life: Duration) -> Result<Refreshed, StoreError> {
        let hash_of = hash(secret);
        let mut tx = self.0.begin().await?;
        let Some((login,)) = tx.one::<(i64,)>(USE_REFRESH, &[hash_of.as_slice().into()]).await? else {
            let known = tx.one::<(i64,)>(REFRESH_LOGIN, &[hash_of.as_slice().into()]).await?;
            let Some((login,)) = known else { return Ok(Refreshed::Unknown) };
            tx.run(END, &[login.into()]).await?;
            tx.commit().await?;
            return Ok(Refreshed::Stolen(login));
        };
        let ends = micros(now + life);
        if tx.one::<(i64,)>(EXTEND, &[login.into(), ends.into(), micros(now).into()]).await?.is_none() {
            return Ok(Refreshed::Unknown);
        }
        let secret = super::tokens::random_secret("swr_")?;
        tx.run(ADD_REFRESH, &[hash(&secret).as_slice().into(), login.into()]).await?;
        tx.commit().await?;
        Ok(Refreshed::Goes(login, secret))
    }

    /// The open logins in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, now: Instant, page: Page) -> Result<Vec<Login>, StoreError> {
        let args = args![ctx, page.after, page.limit(), micros(now)];
        Ok(self.0.all::<LoginRow>(LIST, args).await?.into_iter().map(Into::into).collect())
    }

    /// One open login.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, login: i64, now: Instant) -> Result<Login, StoreError> {
        let row = self.0.one::<LoginRow>(GET, args![ctx, login, micros(now)]).await?;
        row.map(Into::into).ok_or(StoreError::NotFound { what: "login" })
    }

    /// Ends a login.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, login: i64) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, login]).await
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
