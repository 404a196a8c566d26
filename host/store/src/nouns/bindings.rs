//! Bindings: scope x plugin x point. Binding another version keeps the one before, to roll back to.

use crate::sql::{args, in_scope, statements, translated};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{BindingId, BrandId, CompanyId, PluginId};

macro_rules! columns {
    () => {
        "id, brand_id, company_id, name, point, priority, plugin_id, config, previous_plugin_id, previous_config"
    };
}
// What replaces an existing binding becomes current, and what was current becomes previous; the same again is no change.
macro_rules! upsert {
    () => {
        " ON CONFLICT (brand_id, COALESCE(company_id, 0), name) DO UPDATE SET
            previous_plugin_id = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.previous_plugin_id ELSE bindings.plugin_id END,
            previous_config = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.previous_config ELSE bindings.config END,
            plugin_id = excluded.plugin_id, config = excluded.config, priority = excluded.priority
            WHERE bindings.point = excluded.point RETURNING "
    };
}
macro_rules! insert {
    () => {
        "INSERT INTO bindings (brand_id, company_id, name, point, priority, plugin_id, config) "
    };
}

statements! { "binding";
    BIND_BRAND = concat!(insert!(), "SELECT b.id, CAST(NULL AS BIGINT), $4, $5, CAST($6 AS BIGINT), p.id, $8
        FROM brands b, plugins p WHERE b.id = $3 AND (CAST($1 AS BIGINT) IS NULL OR b.id = $1)
        AND CAST($2 AS BIGINT) IS NULL AND p.id = $7 AND (p.brand_id IS NULL OR p.brand_id = b.id)",
        upsert!(), columns!());
    BIND_COMPANY = concat!(insert!(), "SELECT c.brand_id, c.id, $4, $5, CAST($6 AS BIGINT), p.id, $8
        FROM companies c, plugins p WHERE c.brand_id = $3 AND c.id = $9 AND ", in_scope!("c.brand_id", "c.id"),
        " AND p.id = $7 AND (p.brand_id IS NULL OR p.brand_id = c.brand_id)", upsert!(), columns!());
    GET = concat!("SELECT ", columns!(), " FROM bindings WHERE id = $3 AND ", in_scope!());
    FIND = concat!("SELECT ", columns!(), " FROM bindings WHERE brand_id = $3 AND
        COALESCE(company_id, 0) = COALESCE(CAST($4 AS BIGINT), 0) AND name = $5 AND ", in_scope!());
    LIST = concat!("SELECT ", columns!(), " FROM bindings WHERE id > $3 AND ", in_scope!(), " ORDER BY id LIMIT $4");
    ROLLBACK = concat!("UPDATE bindings SET plugin_id = previous_plugin_id, config = previous_config,
        previous_plugin_id = plugin_id, previous_config = config
        WHERE id = $3 AND previous_plugin_id IS NOT NULL AND ", in_scope!(), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM bindings WHERE id = $3 AND ", in_scope!());
}

#[derive(sqlx::FromRow)]
struct BindingRow {
    id: i64,
    brand_id: i64,
    company_id: Option<i64>,
    name: String,
    point: String,
    priority: i64,
    plugin_id: i64,
    config: String,
    previous_plugin_id: Option<i64>,
    previous_config: Option<String>,
}

/// A binding as the operator edits it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The row.
    pub id: BindingId,
    /// The brand whose calls it sees.
    pub brand: BrandId,
    /// Only this company's calls; `None` = every company of the brand.
    pub company: Option<CompanyId>,
    /// The name, unique within its scope; what [`model::Decision::App`] names.
    pub name: String,
    /// The plugin point, as `routing/router`.
    pub point: String,
    /// Lower is asked first.
    pub priority: i64,
    /// The bound version.
    pub plugin: PluginId,
    /// Its configuration, JSON.
    pub config: String,
    /// The version and configuration bound before: what [`Bindings::rollback`] goes back to.
    pub previous: Option<(PluginId, String)>,
}

impl TryFrom<BindingRow> for Binding {
    type Error = StoreError;
    fn try_from(row: BindingRow) -> Result<Binding, StoreError> {
        Ok(Binding {
            id: BindingId(row.id),
            brand: BrandId(row.brand_id),
            company: row.company_id.map(CompanyId),
            name: row.name,
            point: row.point,
            priority: row.priority,
            plugin: PluginId(row.plugin_id),
            config: row.config,
            previous: row.previous_plugin_id.map(PluginId).zip(row.previous_config),
        })
    }
}

/// A binding to be made or changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewBinding {
    /// The brand.
    pub brand: BrandId,
    /// The company; `None` = every company of the brand.
    pub company: Option<CompanyId>,
    /// The name, unique within brand and company.
    pub name: String,
    /// The plugin point.
    pub point: String,
    /// Lower is asked first.
    pub priority: i64,
    /// The version to bind: the brand's own or the platform's.
    pub plugin: PluginId,
    /// Its configuration, JSON.
    pub config: String,
}

/// The operations on bindings.
#[derive(Clone, Copy, Debug)]
pub struct Bindings<'a>(pub(crate) &'a Db);

impl Bindings<'_> {
    /// Makes a binding, or gives the one of that name another version, configuration or priority at once. The same
    /// again changes nothing.
    ///
    /// # Errors
    /// Brand, company or plugin is not in scope; the name is bound to another point; a value breaks a rule.
    pub async fn bind(&self, ctx: &OpContext, new: NewBinding) -> Result<Binding, StoreError> {
        check::name("binding name", &new.name)?;
        check::name("plugin point", &new.point)?;
        check::json("plugin configuration", &new.config)?;
        let mut args = args![ctx, new.brand.0, &new.name, &new.point, new.priority, new.plugin.0, &new.config].to_vec();
        let statement = match new.company {
            None => BIND_BRAND,
            Some(company) => {
                args.push(company.0.into());
                BIND_COMPANY
            }
        };
        match self.0.write_one::<BindingRow>(statement, &args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(self.why_not_bound(ctx, &new).await?),
            Err(other) => Err(other),
        }
    }

    async fn why_not_bound(&self, ctx: &OpContext, new: &NewBinding) -> Result<StoreError, StoreError> {
        match new.company {
            None => {
                ctx.needs_brand("bind for a whole brand")?;
                self.0.brands().get(ctx, new.brand).await?;
            }
            Some(company) => {
                if self.0.companies().get(ctx, company).await?.brand != new.brand {
                    return Ok(StoreError::NotFound { what: "company" });
                }
            }
        }
        match self.find(ctx, new.brand, new.company, &new.name).await {
            Ok(bound) if bound.point != new.point => {
                let why = format!("{:?} is bound to {}; remove it first or choose another name", new.name, bound.point);
                Ok(StoreError::Invalid { what: "binding", why })
            }
            _ => Ok(StoreError::NotFound { what: "plugin" }),
        }
    }

    /// One binding.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: BindingId) -> Result<Binding, StoreError> {
        let row = self.0.one::<BindingRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "binding" })?.try_into()
    }

    /// The binding of that name in exactly that scope.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn find(
        &self,
        ctx: &OpContext,
        brand: BrandId,
        company: Option<CompanyId>,
        name: &str,
    ) -> Result<Binding, StoreError> {
        let row = self.0.one::<BindingRow>(FIND, args![ctx, brand.0, company.map(|c| c.0), name]).await?;
        row.ok_or(StoreError::NotFound { what: "binding" })?.try_into()
    }

    /// The bindings in scope; a company's operator sees its company's own only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Binding>, StoreError> {
        translated(self.0.all::<BindingRow>(LIST, args![ctx, page.after, page.limit()]).await?)
    }

    /// Goes back to the version and configuration bound before; a second time goes forward again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Invalid`] when nothing was bound before.
    pub async fn rollback(&self, ctx: &OpContext, id: BindingId) -> Result<Binding, StoreError> {
        match self.0.write_one::<BindingRow>(ROLLBACK, args![ctx, id.0]).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => {
                let bound = self.get(ctx, id).await?;
                let why = format!("{:?} has no earlier version to roll back to", bound.name);
                Err(StoreError::Invalid { what: "binding", why })
            }
            Err(other) => Err(other),
        }
    }

    /// Removes a binding; its plugin stays installed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn unbind(&self, ctx: &OpContext, id: BindingId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}
