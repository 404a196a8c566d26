//! What plugins keep: the disk behind [`tables::Kv`]. The switch's memory is the truth; this follows it.

use crate::sql::{Arg, statements};
use crate::{Db, StoreError};
use model::{AccountId, BrandId, CompanyId};
use tables::{KvChange, KvEntry, SpaceName};

// No id is ever 0, which stands for a binding of the whole brand or company.
statements! { "plugin key";
    LOAD = "SELECT brand_id, company_id, account_id, plugin, bucket, name, value, expires_ms FROM plugin_keys";
    PUT = "INSERT INTO plugin_keys (brand_id, company_id, account_id, plugin, bucket, name, value, expires_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (brand_id, company_id, account_id, plugin, bucket, name)
        DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms";
    REMOVE = "DELETE FROM plugin_keys
        WHERE brand_id = $1 AND company_id = $2 AND account_id = $3 AND plugin = $4 AND bucket = $5 AND name = $6";
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    brand_id: i64,
    company_id: i64,
    account_id: i64,
    plugin: String,
    bucket: String,
    name: String,
    value: Vec<u8>,
    expires_ms: Option<i64>,
}

/// The operations on plugins' keys.
#[derive(Clone, Copy, Debug)]
pub struct PluginKeys<'a>(pub(crate) &'a Db);

impl PluginKeys<'_> {
    /// Everything that is kept.
    ///
    /// # Errors
    /// The database failed.
    pub async fn load(&self) -> Result<Vec<(SpaceName, String, KvEntry)>, StoreError> {
        let entry = |row: KeyRow| {
            let space = SpaceName {
                brand: BrandId(row.brand_id),
                company: (row.company_id != 0).then_some(CompanyId(row.company_id)),
                account: (row.account_id != 0).then_some(AccountId(row.account_id)),
                plugin: row.plugin,
                bucket: row.bucket,
            };
            let expires_ms = row.expires_ms.map(|at| u64::try_from(at).unwrap_or_default());
            (space, row.name, KvEntry { value: row.value, expires_ms })
        };
        Ok(self.0.all::<KeyRow>(LOAD, &[]).await?.into_iter().map(entry).collect())
    }

    /// Writes changes in one transaction.
    ///
    /// # Errors
    /// The database failed; nothing was written.
    pub async fn save(&self, changes: &[KvChange]) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        for change in changes {
            let space = &change.space;
            let (company, account) = (space.company.map_or(0, |c| c.0), space.account.map_or(0, |a| a.0));
            // PostgreSQL's text has no NUL; two names that differ only there would be one, on that database only.
            let name = change.key.replace('\0', "\u{fffd}");
            let scope = [space.brand.0, company, account].map(Arg::from);
            let [brand, company, account] = scope;
            let key = [brand, company, account, (&space.plugin).into(), (&space.bucket).into(), (&name).into()];
            match &change.entry {
                Some(entry) => {
                    let until = entry.expires_ms.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
                    let [brand, company, account, plugin, bucket, name] = key;
                    let value = entry.value.as_slice().into();
                    tx.run(PUT, &[brand, company, account, plugin, bucket, name, value, until.into()]).await?;
                }
                None => {
                    tx.run(REMOVE, &key).await?;
                }
            }
        }
        tx.commit().await
    }
}
