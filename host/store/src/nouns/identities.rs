//! Who vouches for callers' numbers: a brand's key with its certificate, and the authorities that it trusts. Whether they
//! are what they say is looked at before they come here.

use super::translation_sets::brands_own;
use crate::secrets::SecretKey;
use crate::sql::{args, statements};
use crate::{Db, OpContext, PlainSecret, StoreError};
use model::BrandId;

/// Longest PEM text: a thousand authorities.
const PEM_MAX: usize = 2 << 20;
/// Longest URL.
const URL_MAX: usize = 1_000;

statements! { "identity";
    GET = concat!("SELECT brand_id, x5u, certificate, anchors FROM brand_identities WHERE brand_id = $3 AND ",
        brands_own!("brand_id"));
    PUT_KEY = concat!("INSERT INTO brand_identities (brand_id, x5u, certificate, sealed, anchors)
        SELECT id, CAST($4 AS TEXT), CAST($5 AS TEXT), $6, '' FROM brands WHERE id = $3 AND ", brands_own!("id"),
        " ON CONFLICT (brand_id) DO UPDATE SET x5u = excluded.x5u, certificate = excluded.certificate,
        sealed = excluded.sealed");
    REMOVE_KEY = concat!("UPDATE brand_identities SET x5u = NULL, certificate = NULL, sealed = NULL
        WHERE brand_id = $3 AND ", brands_own!("brand_id"));
    PUT_ANCHORS = concat!("INSERT INTO brand_identities (brand_id, anchors) SELECT id, CAST($4 AS TEXT) FROM brands
        WHERE id = $3 AND ", brands_own!("id"), " ON CONFLICT (brand_id) DO UPDATE SET anchors = excluded.anchors");
    EVERY = "SELECT brand_id, x5u, certificate, sealed, anchors FROM brand_identities ORDER BY brand_id";
}

#[derive(sqlx::FromRow)]
struct ShownRow {
    brand_id: i64,
    x5u: Option<String>,
    certificate: Option<String>,
    anchors: String,
}

#[derive(sqlx::FromRow)]
struct SealedRow {
    brand_id: i64,
    x5u: Option<String>,
    certificate: Option<String>,
    sealed: Option<Vec<u8>>,
    anchors: String,
}

/// What may be shown of a brand's identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrandIdentity {
    /// The brand.
    pub brand: BrandId,
    /// Where others find the certificate, and the certificate, PEM.
    pub certificate: Option<(String, String)>,
    /// The authorities that it trusts, PEM; may be empty.
    pub anchors: String,
}

/// A brand's identity as the switch needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIdentity {
    /// The brand.
    pub brand: BrandId,
    /// Where others find the certificate; the certificate, and the key, PEM.
    pub key: Option<(String, String, PlainSecret)>,
    /// The authorities that it trusts, PEM; may be empty.
    pub anchors: String,
}

/// The place a key is sealed for.
fn owner(brand: i64) -> String {
    format!("identity {brand}")
}

/// The operations on brands' identities.
#[derive(Clone, Copy, Debug)]
pub struct Identities<'a>(pub(crate) &'a Db);

impl Identities<'_> {
    /// A brand's identity; one that was never set is empty.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the brand is not in scope: a company's operator does not see it.
    pub async fn get(&self, ctx: &OpContext, brand: BrandId) -> Result<BrandIdentity, StoreError> {
        if ctx.company_id().is_some() {
            return Err(StoreError::NotFound { what: "brand" });
        }
        self.0.brands().get(ctx, brand).await?;
        let row = self.0.one::<ShownRow>(GET, args![ctx, brand.0]).await?;
        Ok(match row {
            Some(row) => BrandIdentity {
                brand: BrandId(row.brand_id),
                certificate: row.x5u.zip(row.certificate),
                anchors: row.anchors,
            },
            None => BrandIdentity { brand, certificate: None, anchors: String::new() },
        })
    }

    /// Sets a brand's key with its certificate, both PEM, and where others find the certificate.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator; this node has no key to seal it with.
    pub async fn set_key(
        &self,
        ctx: &OpContext,
        brand: BrandId,
        (x5u, certificate): (&str, &str),
        key: &str,
    ) -> Result<(), StoreError> {
        ctx.needs_brand("set a brand's key")?;
        let long = certificate.len() > PEM_MAX || key.len() > PEM_MAX || x5u.len() > URL_MAX;
        if long {
            return Err(StoreError::Invalid { what: "key", why: "it is longer than any key".to_owned() });
        }
        let no_key = || StoreError::Invalid {
            what: "key",
            why: "this node has no key to seal it with (see store.key_file in host/docs/config.md)".to_owned(),
        };
        let seal = |with: &SecretKey| with.seal(&owner(brand.0), key.as_bytes());
        let sealed = self.0.inner.key.as_ref().and_then(seal).ok_or_else(no_key)?;
        self.0.write(PUT_KEY, args![ctx, brand.0, x5u, certificate, sealed.as_slice()]).await.map_err(of_brand)
    }

    /// Takes a brand's key away: nothing is signed any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also where there is none; a company's operator.
    pub async fn remove_key(&self, ctx: &OpContext, brand: BrandId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a brand's key")?;
        self.0.write(REMOVE_KEY, args![ctx, brand.0]).await
    }

    /// Sets the authorities that a brand trusts, PEM; an empty text takes them away.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a company's operator; too long.
    pub async fn set_anchors(&self, ctx: &OpContext, brand: BrandId, anchors: &str) -> Result<(), StoreError> {
        ctx.needs_brand("set a brand's anchors")?;
        if anchors.len() > PEM_MAX {
            return Err(StoreError::Invalid { what: "anchors", why: format!("longer than {PEM_MAX} bytes") });
        }
        self.0.write(PUT_ANCHORS, args![ctx, brand.0, anchors]).await.map_err(of_brand)
    }

    /// Every brand's identity, for the switch. A key that this node's key does not open is left out and told.
    ///
    /// # Errors
    /// The database failed.
    pub async fn every(&self) -> Result<Vec<SignedIdentity>, StoreError> {
        let rows = self.0.all::<SealedRow>(EVERY, &[]).await?;
        let sealing = self.0.inner.key.as_ref();
        let opened = |row: SealedRow| {
            let (brand, sealed) = (row.brand_id, row.sealed);
            let plain = sealed.as_deref().and_then(|s| sealing?.open(&owner(brand), s));
            let plain = plain.and_then(|plain| String::from_utf8(plain).ok());
            if sealed.is_some() && plain.is_none() {
                tracing::warn!(brand, "the brand's key was sealed with another key: its calls are not signed");
            }
            let key = row.x5u.zip(row.certificate).zip(plain);
            let key = key.map(|((x5u, certificate), key)| (x5u, certificate, PlainSecret::new(key)));
            SignedIdentity { brand: BrandId(brand), key, anchors: row.anchors }
        };
        Ok(rows.into_iter().map(opened).collect())
    }
}

fn of_brand(error: StoreError) -> StoreError {
    if matches!(error, StoreError::NotFound { .. }) { StoreError::NotFound { what: "brand" } } else { error }
}
