//! API tokens: random, shown once, kept as SHA-256 only. A token carries a scope and a role.

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::rights::{self, Rights};
use crate::sql::{Arg, args, in_scope, instant, micros, statements, stored};
use crate::{Db, OpContext, Page, Scope, StoreError, check};
use model::Instant;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

macro_rules! columns {
    () => {
        "id, brand_id, company_id, name, role, created_at, rights, expires_at"
    };
}
macro_rules! insert {
    () => {
        "INSERT INTO api_tokens (brand_id, company_id, name, role, hash, created_at, rights, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
    };
}

statements! { "token";
    CREATE = concat!(insert!(), "RETURNING ", columns!());
    PUT = concat!(insert!(), "ON CONFLICT (COALESCE(brand_id, 0), COALESCE(company_id, 0), name)
        DO UPDATE SET role = excluded.role, hash = excluded.hash, created_at = excluded.created_at,
        rights = excluded.rights, expires_at = excluded.expires_at RETURNING ",
        columns!());
    BY_HASH = concat!("SELECT ", columns!(), " FROM api_tokens WHERE hash = $1");
    GET = concat!("SELECT ", columns!(), " FROM api_tokens WHERE id = $3 AND ", in_scope!());
    DELETE = concat!("DELETE FROM api_tokens WHERE id = $3 AND ", in_scope!());
}

pub(crate) static LISTING: Listing = Listing {
    what: "token",
    columns: columns!(),
    from: "api_tokens",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("role", "role"),
        Column::number("created_at", "created_at"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::name_begins("name"),
        Filter::new("role", "role", Test::Word(|| vec!["admin", "reader"]), "Of this role."),
    ],
};

/// A token's row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenId(pub i64);

/// What a token may do within its scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Read and change.
    Admin,
    /// Read only.
    Reader,
}

impl Role {
    /// `admin` or `reader`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Reader => "reader",
        }
    }

    /// The role of that text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Role> {
        [Role::Admin, Role::Reader].into_iter().find(|role| role.text() == text)
    }
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: i64,
    brand_id: Option<i64>,
    company_id: Option<i64>,
    name: String,
    role: String,
    created_at: i64,
    rights: Option<String>,
    expires_at: Option<i64>,
}

/// A token without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiToken {
    /// The row.
    pub id: TokenId,
    /// What it may touch.
    pub scope: Scope,
    /// The name, unique within its scope.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Instant,
    /// What may be done with which noun; none = all that the role has.
    pub rights: Option<Rights>,
    /// When it is good no more; none = never.
    pub expires_at: Option<Instant>,
}

impl ApiToken {
    /// The context of every operation done with this token.
    #[must_use]
    pub const fn context(&self) -> OpContext {
        OpContext { scope: self.scope }
    }
}

impl TryFrom<TokenRow> for ApiToken {
    type Error = StoreError;
    fn try_from(row: TokenRow) -> Result<ApiToken, StoreError> {
        Ok(ApiToken {
            id: TokenId(row.id),
            scope: crate::scope::of(row.brand_id, row.company_id),
            name: row.name,
            role: stored("role", Role::from_text(&row.role))?,
            created_at: instant(row.created_at),
            rights: rights::read(row.rights.as_deref())?,
            expires_at: row.expires_at.map(instant),
        })
    }
}

/// A token to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    /// What it may touch; within the scope of who makes it.
    pub scope: Scope,
    /// The name, unique within its scope.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Now.
    pub created_at: Instant,
    /// What may be done with which noun; none = all that the role has.
    pub rights: Option<Rights>,
    /// When it is good no more; none = never.
    pub expires_at: Option<Instant>,
}

/// The operations on API tokens.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a>(pub(crate) &'a Db);

impl Tokens<'_> {
    /// Makes a token and gives its secret, which is shown this once.
    ///
    /// # Errors
    /// The scope is wider than the maker's; the name is taken or breaks a rule.
    pub async fn create(&self, ctx: &OpContext, new: NewToken) -> Result<(ApiToken, String), StoreError> {
        let secret = random_secret("swg_")?;
        Ok((self.write(CREATE, ctx, new, &secret).await?, secret))
    }

    /// Makes a token with this secret, or gives the token of that name this secret and role.
    ///
    /// # Errors
    /// The scope is wider than the maker's; the secret is shorter than 16 characters or another token's; the name
    /// breaks a rule.
    pub async fn put(&self, ctx: &OpContext, new: NewToken, secret: &str) -> Result<ApiToken, StoreError> {
        if secret.len() < 16 {
            let why = "a secret needs at least 16 characters".to_owned();
            return Err(StoreError::Invalid { what: "token", why });
        }
        self.write(PUT, ctx, new, secret).await
    }

    async fn write(
        &self,
        statement: crate::Statement,
        ctx: &OpContext,
        new: NewToken,
        secret: &str,
    ) -> Result<ApiToken, StoreError> {
        let of = ctx.narrowed(new.scope)?;
        check::name("token name", &new.name)?;
        let hash = hash(secret);
        let (rights, ends) = (rights::text(new.rights.as_ref()), new.expires_at.map(micros));
        let made = micros(new.created_at);
        let args = args![&of, &new.name, new.role.text(), hash.as_slice(), made, rights.as_deref(), ends];
        self.0.write_one::<TokenRow>(statement, args).await?.try_into()
    }

    /// Who holds this secret. The one query without a context: it makes one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<ApiToken>, StoreError> {
        // Looking for the hash gives nothing away by its time: who does not know the secret cannot steer the hash.
        let hash = hash(secret);
        let row = self.0.one::<TokenRow>(BY_HASH, &[Arg::Bytes(&hash)]).await?;
        row.map(ApiToken::try_from).transpose()
    }

    /// One token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: TokenId) -> Result<ApiToken, StoreError> {
        let row = self.0.one::<TokenRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "token" })?.try_into()
    }

    /// A page of the tokens in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<ApiToken>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: TokenRow| row.try_into()).await
    }

    /// The tokens in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<ApiToken>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: TokenId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// 256 random bits behind a prefix that secret scanners can know.
pub(crate) fn random_secret(prefix: &str) -> Result<String, StoreError> {
    let mut bits = [0_u8; 32];
    getrandom::fill(&mut bits).map_err(|e| StoreError::Away { why: format!("no randomness: {e}") })?;
    let mut secret = String::from(prefix);
    for byte in bits {
        let _ = write!(secret, "{byte:02x}");
    }
    Ok(secret)
}
