//! The hosts that take mail: the platform's, and those of brands that have their own.

use crate::secrets::SecretKey;
use crate::sql::{args, statements, stored};
use crate::{Db, OpContext, PlainSecret, StoreError};
use model::{BrandId, MailHost, MailTemplate};

/// Longest password, in bytes.
const PASSWORD_MAX: usize = 1_024;

/// A row that the scope may see: a brand's by the brand, the platform's by the platform.
macro_rules! own {
    () => {
        "(CAST($1 AS BIGINT) IS NULL OR brand_id = $1) AND CAST($2 AS BIGINT) IS NULL AND scope = $3"
    };
}

statements! { "mail host";
    GET = concat!("SELECT settings, password FROM mail_hosts WHERE ", own!());
    OF_SCOPE = "SELECT settings, password FROM mail_hosts WHERE scope = $1";
    PUT = "INSERT INTO mail_hosts (scope, brand_id, settings, password) VALUES ($1, CAST($2 AS BIGINT), $3, $4)
        ON CONFLICT (scope) DO UPDATE SET settings = excluded.settings, password = excluded.password";
    DELETE = concat!("DELETE FROM mail_hosts WHERE ", own!());
}

#[derive(sqlx::FromRow)]
struct HostRow {
    settings: String,
    password: Option<Vec<u8>>,
}

/// A host as its operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownMailHost {
    /// Its settings.
    pub host: MailHost,
    /// Whether it has a password.
    pub has_password: bool,
}

/// A host as the switch uses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsedMailHost {
    /// Its settings.
    pub host: MailHost,
    /// Its user's password.
    pub password: Option<PlainSecret>,
    /// Whether it is the brand's own, not the platform's.
    pub is_brands: bool,
}

fn scope(brand: Option<BrandId>) -> String {
    brand.map_or_else(|| "platform".to_owned(), |brand| format!("brand {brand}"))
}

/// The place a password is sealed for.
fn place(scope: &str) -> String {
    format!("mail host {scope}")
}

fn host(text: &str) -> Result<MailHost, StoreError> {
    stored("mail host", serde_json::from_str(text).ok())
}

/// The operations on mail hosts; no brand is the platform's host.
#[derive(Clone, Copy, Debug)]
pub struct MailHosts<'a>(pub(crate) &'a Db);

impl MailHosts<'_> {
    /// The host of a brand, or of the platform.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, brand: Option<BrandId>) -> Result<ShownMailHost, StoreError> {
        let row = self.row(ctx, brand).await?.ok_or(StoreError::NotFound { what: "mail host" })?;
        Ok(ShownMailHost { host: host(&row.settings)?, has_password: row.password.is_some() })
    }

    async fn row(&self, ctx: &OpContext, brand: Option<BrandId>) -> Result<Option<HostRow>, StoreError> {
        self.0.one::<HostRow>(GET, args![ctx, &scope(brand)]).await
    }

    /// Sets it. Without a password the one that is there stays, if it is for the same user of the same host: nobody is told
    /// another's.
    ///
    /// # Errors
    /// A setting breaks a rule; a company's operator; the brand is not in scope; there is no key to seal with.
    pub async fn put(
        &self,
        ctx: &OpContext,
        brand: Option<BrandId>,
        (wanted, password): (&MailHost, Option<&str>),
    ) -> Result<ShownMailHost, StoreError> {
        ctx.needs_brand("set a mail host")?;
        match brand {
            Some(brand) => drop(crate::Brands(self.0).get(ctx, brand).await?),
            None => ctx.needs_platform("set the platform's mail host")?,
        }
        let invalid = |(what, why)| StoreError::Invalid { what, why };
        wanted.check().map_err(invalid)?;
        let before = self.row(ctx, brand).await?;
        let scope = scope(brand);
        let sealed = match (password, before) {
            (Some(_), _) if wanted.user.is_none() => return Err(invalid(("password", "there is no user".to_owned()))),
            (Some(password), _) => Some(sealed(self.0.inner.key.as_ref(), &scope, password)?),
            (None, Some(row)) => {
                let there = host(&row.settings)?;
                let same = there.user == wanted.user && there.host == wanted.host && there.tls == wanted.tls;
                row.password.filter(|_| same && wanted.user.is_some())
            }
            (None, None) => None,
        };
        let settings = serde_json::to_string(wanted).unwrap_or_default();
        let brand = brand.map(|brand| brand.0);
        let mut tx = self.0.begin().await?;
        tx.run(PUT, &[(&scope).into(), brand.into(), (&settings).into(), sealed.as_deref().into()]).await?;
        self.0.commit(tx).await?;
        Ok(ShownMailHost { host: wanted.clone(), has_password: sealed.is_some() })
    }

    /// Takes it away: a brand's mail goes by the platform's host, the platform's waits.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator.
    pub async fn remove(&self, ctx: &OpContext, brand: Option<BrandId>) -> Result<(), StoreError> {
        ctx.needs_brand("remove a mail host")?;
        self.0.write(DELETE, args![ctx, &scope(brand)]).await
    }

    /// The host that a brand's mail goes by: its own, else the platform's; none where there is neither.
    ///
    /// # Errors
    /// The password was sealed with another key; the database failed.
    pub async fn of_brand(&self, brand: BrandId) -> Result<Option<UsedMailHost>, StoreError> {
        match self.at(Some(brand)).await? {
            Some(own) => Ok(Some(own)),
            None => self.at(None).await,
        }
    }

    /// The address that a brand's mail is from: its own, else the platform's; none where there is no host.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sender(&self, brand: BrandId) -> Result<Option<String>, StoreError> {
        for scope in [scope(Some(brand)), scope(None)] {
            if let Some(row) = self.0.one::<HostRow>(OF_SCOPE, &[(&scope).into()]).await? {
                return Ok(Some(host(&row.settings)?.from));
            }
        }
        Ok(None)
    }

    async fn at(&self, brand: Option<BrandId>) -> Result<Option<UsedMailHost>, StoreError> {
        let scope = scope(brand);
        let Some(row) = self.0.one::<HostRow>(OF_SCOPE, &[(&scope).into()]).await? else { return Ok(None) };
        let password = row.password.map(|sealed| self.opened(&scope, &sealed)).transpose()?;
        Ok(Some(UsedMailHost { host: host(&row.settings)?, password, is_brands: brand.is_some() }))
    }

    /// The host that mail of a brand goes by, or that of the platform, for whoever may set it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the brand is not in scope, or there is no host; a company's operator.
    pub async fn on_trial(&self, ctx: &OpContext, brand: Option<BrandId>) -> Result<UsedMailHost, StoreError> {
        ctx.needs_brand("try a mail host")?;
        let none = StoreError::NotFound { what: "mail host" };
        let Some(brand) = brand else {
            ctx.needs_platform("try the platform's mail host")?;
            return self.at(None).await?.ok_or(none);
        };
        drop(crate::Brands(self.0).get(ctx, brand).await?);
        self.of_brand(brand).await?.ok_or(none)
    }

    /// The words that a brand's mails of this kind have: its own, else the platform's.
    ///
    /// # Errors
    /// The database failed.
    pub async fn template(&self, brand: BrandId, name: &str) -> Result<Option<MailTemplate>, StoreError> {
        for scope in [scope(Some(brand)), scope(None)] {
            let row = self.0.one::<HostRow>(OF_SCOPE, &[(&scope).into()]).await?;
            let own = row.map(|row| host(&row.settings)).transpose()?;
            if let Some(template) = own.and_then(|mut host| host.templates.remove(name)) {
                return Ok(Some(template));
            }
        }
        Ok(None)
    }

    fn opened(&self, scope: &str, sealed: &[u8]) -> Result<PlainSecret, StoreError> {
        let plain = self.0.inner.key.as_ref().and_then(|key| key.open(&place(scope), sealed));
        let why = || format!("the password of the mail host of {scope} was sealed with another key");
        let plain = plain.and_then(|plain| String::from_utf8(plain).ok());
        plain.map(PlainSecret::new).ok_or_else(|| StoreError::Refused { why: why() })
    }
}

fn sealed(key: Option<&SecretKey>, scope: &str, password: &str) -> Result<Vec<u8>, StoreError> {
    if !(1..=PASSWORD_MAX).contains(&password.len()) {
        return Err(StoreError::Invalid { what: "password", why: format!("has 1 to {PASSWORD_MAX} bytes") });
    }
    let no_key = || StoreError::Invalid {
        what: "password",
        why: "this node has no key to seal it with (see store.key_file in host/docs/config.md)".to_owned(),
    };
    key.and_then(|key| key.seal(&place(scope), password.as_bytes())).ok_or_else(no_key)
}
