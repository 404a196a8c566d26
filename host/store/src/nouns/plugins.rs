//! Plugins: installed component versions, by digest. The last three of a name are kept, and all that are bound.

use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::sql::{Arg, instant, micros, statements};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{BrandId, Instant, PluginId};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// How many versions of one name stay installed without being bound.
const KEPT: i64 = 3;

macro_rules! columns {
    () => {
        "id, brand_id, name, version, digest, CAST(length(bytes) AS BIGINT) AS size, installed_at, manifest,
        config_schema, signed_by, granted"
    };
}
macro_rules! visible {
    () => {
        "(CAST($1 AS BIGINT) IS NULL OR brand_id IS NULL OR brand_id = $1)"
    };
}

statements! { "plugin";
    INSTALL = concat!("INSERT INTO plugins
        (brand_id, name, version, digest, bytes, installed_at, manifest, config_schema, signed_by, granted)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT p.granted FROM plugins p
            WHERE COALESCE(p.brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0) AND p.name = $2 ORDER BY p.id DESC LIMIT 1))
        ON CONFLICT DO NOTHING RETURNING ", columns!());
    FIND_DIGEST = concat!("SELECT ", columns!(), " FROM plugins
        WHERE COALESCE(brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0) AND name = $2 AND digest = $3
            AND version = $4");
    PRUNE = "DELETE FROM plugins WHERE COALESCE(brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0) AND name = $2
        AND id NOT IN (SELECT id FROM plugins WHERE COALESCE(brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0)
            AND name = $2 ORDER BY id DESC LIMIT $3)
        AND NOT EXISTS (SELECT 1 FROM bindings WHERE plugin_id = plugins.id OR previous_plugin_id = plugins.id
            OR older_plugin_id = plugins.id OR oldest_plugin_id = plugins.id OR trial_plugin_id = plugins.id)";
    GET = concat!("SELECT ", columns!(), " FROM plugins WHERE id = $2 AND ", visible!());
    BYTES = concat!("SELECT bytes FROM plugins WHERE id = $2 AND ", visible!());
    LATEST = concat!("SELECT ", columns!(), " FROM plugins WHERE name = $2 AND (version = $3 OR CAST($3 AS TEXT) IS NULL)
        AND ", visible!(), " ORDER BY COALESCE(brand_id, 0) DESC, id DESC LIMIT 1");
    GRANT = concat!("UPDATE plugins SET granted = $2 WHERE id = $1 RETURNING ", columns!());
    DELETE = "DELETE FROM plugins WHERE id = $2 AND (CAST($1 AS BIGINT) IS NULL OR brand_id = $1)";
}

pub(crate) static LISTING: Listing = Listing {
    what: "plugin",
    columns: columns!(),
    from: "plugins",
    owner: Owner::Shared("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("version", "version"),
        Column::number("installed_at", "installed_at"),
    ],
    filters: &[Filter::brand("brand_id"), Filter::name_begins("name")],
};

#[derive(sqlx::FromRow)]
struct PluginRow {
    id: i64,
    brand_id: Option<i64>,
    name: String,
    version: String,
    digest: String,
    size: i64,
    installed_at: i64,
    manifest: Option<String>,
    config_schema: Option<String>,
    signed_by: Option<String>,
    granted: Option<String>,
}

/// An installed component version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plugin {
    /// The row.
    pub id: PluginId,
    /// The brand that owns it; `None` = the platform, for every brand to bind.
    pub brand: Option<BrandId>,
    /// The plugin's name.
    pub name: String,
    /// Its version, as the component says.
    pub version: String,
    /// SHA-256 of the component, 64 hex digits.
    pub digest: String,
    /// The component's size in bytes.
    pub size: u64,
    /// When it was installed.
    pub installed_at: Instant,
    /// What its bundle tells; a bare component tells nothing and is granted nothing.
    pub about: PluginAbout,
    /// What the platform's operator allows it, JSON; `None` = he has not said.
    pub granted: Option<String>,
}

impl TryFrom<PluginRow> for Plugin {
    type Error = StoreError;
    fn try_from(row: PluginRow) -> Result<Plugin, StoreError> {
        Ok(Plugin {
            id: PluginId(row.id),
            brand: row.brand_id.map(BrandId),
            name: row.name,
            version: row.version,
            digest: row.digest,
            size: u64::try_from(row.size).unwrap_or_default(),
            installed_at: instant(row.installed_at),
            about: PluginAbout { manifest: row.manifest, config_schema: row.config_schema, signed_by: row.signed_by },
            granted: row.granted,
        })
    }
}

/// A component to be installed. The caller has validated it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPlugin {
    /// The brand that owns it; `None` = the platform.
    pub brand: Option<BrandId>,
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub bytes: Vec<u8>,
    /// Now.
    pub installed_at: Instant,
    /// What its bundle tells; nothing for a bare component.
    pub about: PluginAbout,
}

/// What a bundle tells of its component.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PluginAbout {
    /// The manifest, JSON.
    pub manifest: Option<String>,
    /// The JSON Schema of its configuration.
    pub config_schema: Option<String>,
    /// Its publisher's key, 64 hex digits.
    pub signed_by: Option<String>,
}

/// SHA-256 of a component in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The operations on installed plugins.
#[derive(Clone, Copy, Debug)]
pub struct Plugins<'a>(pub(crate) &'a Db);

impl Plugins<'_> {
    /// Installs a component. The same component under the same name, version and owner is there already and is given back;
    /// older versions of the name beyond the last three go, unless a binding uses or may roll back to them.
    ///
    /// # Errors
    /// A company's operator, or a brand's for another brand or the platform; a name that breaks a rule; the same version
    /// with another manifest, schema or publisher ([`StoreError::Conflict`]).
    pub async fn install(&self, ctx: &OpContext, new: NewPlugin) -> Result<Plugin, StoreError> {
        ctx.needs_brand("install a plugin")?;
        if ctx.brand_id().is_some() && ctx.brand_id() != new.brand.map(|b| b.0) {
            return Err(StoreError::NotFound { what: "brand" });
        }
        check::name("plugin name", &new.name)?;
        check::name("plugin version", &new.version)?;
        let digest = digest(&new.bytes);
        let owner = Arg::from(new.brand.map(|b| b.0));
        let (name, installed_at) = (Arg::from(&new.name), Arg::from(micros(new.installed_at)));
        let bytes = Arg::from(new.bytes.as_slice());
        let mut tx = self.0.begin().await?;
        let about = &new.about;
        let (manifest, schema) = (Arg::from(about.manifest.as_deref()), Arg::from(about.config_schema.as_deref()));
        let signed_by = Arg::from(about.signed_by.as_deref());
        let version = Arg::from(&new.version);
        let install = [owner, name, version, (&digest).into(), bytes, installed_at, manifest, schema, signed_by];
        let row = match tx.one::<PluginRow>(INSTALL, &install).await? {
            Some(row) => {
                tx.run(PRUNE, &[owner, name, KEPT.into()]).await?;
                row
            }
            None => tx
                .one::<PluginRow>(FIND_DIGEST, &[owner, name, (&digest).into(), version])
                .await?
                .ok_or(StoreError::NotFound { what: "plugin" })?,
        };
        self.0.commit(tx).await?;
        let plugin = Plugin::try_from(row)?;
        if plugin.about != new.about {
            return Err(StoreError::Conflict { what: "version with another manifest, schema or publisher" });
        }
        Ok(plugin)
    }

    /// One installed version.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: PluginId) -> Result<Plugin, StoreError> {
        let row = self.0.one::<PluginRow>(GET, &[ctx.brand_id().into(), id.0.into()]).await?;
        row.ok_or(StoreError::NotFound { what: "plugin" })?.try_into()
    }

    /// The newest installed version of a name, or the newest with this version; a brand's own before the platform's.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn latest(&self, ctx: &OpContext, name: &str, version: Option<&str>) -> Result<Plugin, StoreError> {
        let row = self.0.one::<PluginRow>(LATEST, &[ctx.brand_id().into(), name.into(), version.into()]).await?;
        row.ok_or(StoreError::NotFound { what: "plugin" })?.try_into()
    }

    /// Notes what the platform's operator allows a version; what is bound of it changes at once. A later version of the
    /// name begins with the same.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; any operator but the platform's.
    pub async fn grant(&self, ctx: &OpContext, id: PluginId, granted: Option<&str>) -> Result<Plugin, StoreError> {
        ctx.needs_platform("grant a plugin what it asks for")?;
        if let Some(granted) = granted {
            check::json("grants", granted)?;
        }
        self.0.write_one::<PluginRow>(GRANT, &[id.0.into(), granted.into()]).await?.try_into()
    }

    /// The component itself.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when the bytes are not those that were installed.
    pub async fn bytes(&self, ctx: &OpContext, id: PluginId) -> Result<Vec<u8>, StoreError> {
        let plugin = self.get(ctx, id).await?;
        let row = self.0.one::<(Vec<u8>,)>(BYTES, &[ctx.brand_id().into(), id.0.into()]).await?;
        let (bytes,) = row.ok_or(StoreError::NotFound { what: "plugin" })?;
        if digest(&bytes) != plugin.digest {
            let why = format!("the stored component of {}@{} does not have its digest", plugin.name, plugin.version);
            return Err(StoreError::Refused { why });
        }
        Ok(bytes)
    }

    /// A page of the installed versions that the scope may bind, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Plugin>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: PluginRow| row.try_into()).await
    }

    /// The installed versions that the scope may bind.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Plugin>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Removes a version that no binding uses or may roll back to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: PluginId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a plugin")?;
        self.0.write(DELETE, &[ctx.brand_id().into(), id.0.into()]).await
    }
}
