//! What only a binding knows: sealed, written by its operator, read by nobody but the switch.

use crate::secrets::SecretKey;
use crate::sql::{args, in_scope, statements};
use crate::{Bindings, OpContext, PlainSecret, StoreError, check};
use model::BindingId;
use std::collections::BTreeMap;

/// Most secrets of a binding.
const SECRETS_MAX: usize = 32;
/// Longest secret, in bytes.
const BYTES_MAX: usize = 4_096;

statements! { "binding";
    PUT = concat!("INSERT INTO binding_secrets (binding_id, name, sealed) SELECT id, $4, $5 FROM bindings WHERE id = $3
        AND ", in_scope!(), " ON CONFLICT (binding_id, name) DO UPDATE SET sealed = excluded.sealed");
    REMOVE = concat!("DELETE FROM binding_secrets WHERE name = $4 AND binding_id IN
        (SELECT id FROM bindings WHERE id = $3 AND ", in_scope!(), ")");
    NAMES = concat!("SELECT s.name FROM binding_secrets s JOIN bindings b ON b.id = s.binding_id WHERE b.id = $3 AND ",
        in_scope!("b.brand_id", "b.company_id"), " ORDER BY s.name");
    EVERY = "SELECT binding_id, name, sealed FROM binding_secrets ORDER BY binding_id, name";
}

#[derive(sqlx::FromRow)]
struct SecretRow {
    binding_id: i64,
    name: String,
    sealed: Vec<u8>,
}

/// The place a secret is sealed for.
fn owner(binding: BindingId, name: &str) -> String {
    format!("binding {binding} {name}")
}

fn sealed(key: Option<&SecretKey>, id: BindingId, name: &str, value: &str) -> Result<Vec<u8>, StoreError> {
    let no_key = || StoreError::Invalid {
        what: "secret",
        why: "this node has no key to seal it with (see store.key_file in host/docs/config.md)".to_owned(),
    };
    key.and_then(|key| key.seal(&owner(id, name), value.as_bytes())).ok_or_else(no_key)
}

impl Bindings<'_> {
    /// Writes secrets of a binding, or removes those without a value; the others stay. Gives the names there are now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a name or a value breaks a rule; this node has no key to seal them with.
    pub async fn set_secrets(
        &self,
        ctx: &OpContext,
        id: BindingId,
        secrets: &BTreeMap<String, Option<String>>,
    ) -> Result<Vec<String>, StoreError> {
        self.get(ctx, id).await?;
        let mut tx = self.0.begin().await?;
        for (name, value) in secrets {
            check::name("secret name", name)?;
            match value {
                Some(value) if (1..=BYTES_MAX).contains(&value.len()) => {
                    let sealed = sealed(self.0.inner.key.as_ref(), id, name, value)?;
                    tx.run(PUT, args![ctx, id.0, name, sealed.as_slice()]).await?;
                }
                Some(_) => {
                    let why = format!("has 1 to {BYTES_MAX} bytes");
                    return Err(StoreError::Invalid { what: "secret", why });
                }
                None => {
                    tx.run(REMOVE, args![ctx, id.0, name]).await?;
                }
            }
        }
        let names: Vec<(String,)> = tx.all(NAMES, args![ctx, id.0]).await?;
        if names.len() > SECRETS_MAX {
            let why = format!("a binding has at most {SECRETS_MAX}");
            return Err(StoreError::Invalid { what: "secret", why });
        }
        self.0.commit(tx).await?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// The names of a binding's secrets.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn secret_names(&self, ctx: &OpContext, id: BindingId) -> Result<Vec<String>, StoreError> {
        self.get(ctx, id).await?;
        let names: Vec<(String,)> = self.0.all(NAMES, args![ctx, id.0]).await?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// Every binding's secrets, for the switch. One that this node's key does not open is left out and told.
    pub(crate) async fn every_secret(&self) -> Result<BTreeMap<BindingId, BTreeMap<String, PlainSecret>>, StoreError> {
        let mut all: BTreeMap<BindingId, BTreeMap<String, PlainSecret>> = BTreeMap::new();
        for row in self.0.all::<SecretRow>(EVERY, &[]).await? {
            let id = BindingId(row.binding_id);
            let key = self.0.inner.key.as_ref();
            let plain = key.and_then(|key| key.open(&owner(id, &row.name), &row.sealed));
            match plain.and_then(|plain| String::from_utf8(plain).ok()) {
                Some(text) => {
                    all.entry(id).or_default().insert(row.name, PlainSecret::new(text));
                }
                None => tracing::warn!(binding = %id, secret = row.name, "a secret was sealed with another key"),
            }
        }
        Ok(all)
    }
}
