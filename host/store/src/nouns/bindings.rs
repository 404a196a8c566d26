//! Bindings: scope x plugin x point. Binding another version keeps the three before, to roll back to.

use crate::acting::Deed;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, args, in_scope, instant, micros, statements};
use crate::{ConfigOwner, Db, OpContext, Page, StoreError, check};
use model::{AccountId, BindingId, BrandId, CompanyId, Instant, PluginId};

macro_rules! columns {
    () => {
        "id, brand_id, company_id, account_id, name, point, priority, plugin_id, config, previous_plugin_id, previous_config,
        older_plugin_id, older_config, oldest_plugin_id, oldest_config, granted,
        mandatory, on_failure, trial_plugin_id, trial_config, trial_percent,
        trial_begun_at, trial_over_at, trial_over_why"
    };
}
// What replaces an existing binding becomes current, and what was current becomes previous; the same again is no change.
macro_rules! upsert {
    () => {
        " ON CONFLICT (brand_id, COALESCE(company_id, 0), COALESCE(account_id, 0), name) DO UPDATE SET
            previous_plugin_id = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.previous_plugin_id ELSE bindings.plugin_id END,
            previous_config = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.previous_config ELSE bindings.config END,
            older_plugin_id = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.older_plugin_id ELSE bindings.previous_plugin_id END,
            older_config = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.older_config ELSE bindings.previous_config END,
            oldest_plugin_id = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.oldest_plugin_id ELSE bindings.older_plugin_id END,
            oldest_config = CASE WHEN bindings.plugin_id = excluded.plugin_id AND bindings.config = excluded.config
                THEN bindings.oldest_config ELSE bindings.older_config END,
            trial_plugin_id = CASE WHEN bindings.plugin_id = excluded.plugin_id THEN bindings.trial_plugin_id ELSE NULL END,
            trial_config = CASE WHEN bindings.plugin_id = excluded.plugin_id THEN bindings.trial_config ELSE NULL END,
            trial_percent = CASE WHEN bindings.plugin_id = excluded.plugin_id THEN bindings.trial_percent ELSE NULL END,
            plugin_id = excluded.plugin_id, config = excluded.config, priority = excluded.priority
            WHERE bindings.point = excluded.point RETURNING "
    };
}
macro_rules! insert {
    () => {
        "INSERT INTO bindings (brand_id, company_id, account_id, name, point, priority, plugin_id, config) "
    };
}

statements! { "binding";
    BIND_BRAND = concat!(insert!(), "SELECT b.id, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), $4, $5, CAST($6 AS BIGINT), p.id, $8
        FROM brands b, plugins p WHERE b.id = $3 AND (CAST($1 AS BIGINT) IS NULL OR b.id = $1)
        AND CAST($2 AS BIGINT) IS NULL AND p.id = $7 AND (p.brand_id IS NULL OR p.brand_id = b.id)",
        upsert!(), columns!());
    BIND_COMPANY = concat!(insert!(), "SELECT c.brand_id, c.id, CAST(NULL AS BIGINT), $4, $5, CAST($6 AS BIGINT), p.id, $8
        FROM companies c, plugins p WHERE c.brand_id = $3 AND c.id = $9 AND ", in_scope!("c.brand_id", "c.id"),
        " AND p.id = $7 AND (p.brand_id IS NULL OR p.brand_id = c.brand_id)", upsert!(), columns!());
    BIND_ACCOUNT = concat!(insert!(), "SELECT c.brand_id, c.id, a.id, $4, $5, CAST($6 AS BIGINT), p.id, $8
        FROM companies c, accounts a, plugins p WHERE c.brand_id = $3 AND c.id = $9 AND a.company_id = c.id
        AND a.id = $10 AND ", in_scope!("c.brand_id", "c.id"),
        " AND p.id = $7 AND (p.brand_id IS NULL OR p.brand_id = c.brand_id)", upsert!(), columns!());
    GET = concat!("SELECT ", columns!(), " FROM bindings WHERE id = $3 AND ", in_scope!());
    FIND = concat!("SELECT ", columns!(), " FROM bindings WHERE brand_id = $3 AND
        COALESCE(company_id, 0) = COALESCE(CAST($4 AS BIGINT), 0) AND
        COALESCE(account_id, 0) = COALESCE(CAST($5 AS BIGINT), 0) AND name = $6 AND ", in_scope!());
    // What was current goes to the end of those that are kept, so nothing is lost by it.
    ROLLBACK = concat!("UPDATE bindings SET plugin_id = previous_plugin_id, config = previous_config,
        previous_plugin_id = COALESCE(older_plugin_id, plugin_id), previous_config = COALESCE(older_config, config),
        older_plugin_id = CASE WHEN older_plugin_id IS NULL THEN NULL ELSE COALESCE(oldest_plugin_id, plugin_id) END,
        older_config = CASE WHEN older_plugin_id IS NULL THEN NULL ELSE COALESCE(oldest_config, config) END,
        oldest_plugin_id = CASE WHEN oldest_plugin_id IS NULL THEN NULL ELSE plugin_id END,
        oldest_config = CASE WHEN oldest_plugin_id IS NULL THEN NULL ELSE config END
        WHERE id = $3 AND previous_plugin_id IS NOT NULL AND ", in_scope!(), " RETURNING ", columns!());
    TRY = concat!("UPDATE bindings SET trial_plugin_id = $4, trial_config = $5, trial_percent = $6,
        trial_begun_at = $7, trial_over_at = NULL, trial_over_why = NULL WHERE id = $3
        AND (CAST($4 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM plugins p WHERE p.id = $4
            AND (p.brand_id IS NULL OR p.brand_id = bindings.brand_id))) AND ", in_scope!(), " RETURNING ", columns!());
    TRIAL_OVER = "UPDATE bindings SET trial_over_at = $3, trial_over_why = $4 WHERE id = $1
        AND trial_plugin_id IS NOT NULL AND COALESCE(trial_begun_at, 0) = $2 AND trial_over_at IS NULL
        RETURNING brand_id, company_id";
    ALLOW = concat!("UPDATE bindings SET granted = $4, mandatory = $5, on_failure = $6 WHERE id = $3 AND ", in_scope!(), " RETURNING ",
        columns!());
    DELETE = concat!("DELETE FROM bindings WHERE id = $3 AND ", in_scope!());
}

pub(crate) static LISTING: Listing = Listing {
    what: "binding",
    columns: columns!(),
    from: "bindings",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("point", "point"),
        Column::number("priority", "priority"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::name_begins("name"),
        Filter::new("point", "point", Test::Text, "Of this point, as `routing/router`."),
        Filter::new("plugin", "plugin_id", Test::Number, "That run this plugin."),
        Filter::new("account", "account_id", Test::Number, "Of this account."),
    ],
};

#[derive(sqlx::FromRow)]
struct BindingRow {
    id: i64,
    brand_id: i64,
    company_id: Option<i64>,
    account_id: Option<i64>,
    name: String,
    point: String,
    priority: i64,
    plugin_id: i64,
    config: String,
    previous_plugin_id: Option<i64>,
    previous_config: Option<String>,
    older_plugin_id: Option<i64>,
    older_config: Option<String>,
    oldest_plugin_id: Option<i64>,
    oldest_config: Option<String>,
    granted: Option<String>,
    mandatory: bool,
    on_failure: Option<String>,
    trial_plugin_id: Option<i64>,
    trial_config: Option<String>,
    trial_percent: Option<i64>,
    trial_begun_at: Option<i64>,
    trial_over_at: Option<i64>,
    trial_over_why: Option<String>,
}

/// What becomes of a caller whose call app fails.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnFailure {
    /// The prompt that the caller hears; `None` = the switch's own, empty = none.
    pub apology: Option<String>,
    /// The number that is called for the caller then; `None` = the call ends.
    pub fallback: Option<String>,
    /// Whether the app is started once more where nobody has answered yet.
    pub restart: bool,
}

impl OnFailure {
    fn read(text: Option<&str>) -> Result<OnFailure, StoreError> {
        let broken = |e: serde_json::Error| StoreError::Invalid { what: "binding", why: format!("on_failure: {e}") };
        text.map(serde_json::from_str).transpose().map(Option::unwrap_or_default).map_err(broken)
    }

    /// As it is stored; `None` where nothing is said.
    fn text(&self) -> Option<String> {
        (*self != OnFailure::default()).then(|| serde_json::json!(self).to_string())
    }
}

/// What a binding is allowed, and what comes of its failures. Stays over versions and rollbacks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowance {
    /// What its scope allows it, JSON; `None` = whatever the platform's operator allows the plugin.
    pub granted: Option<String>,
    /// Whether a failure refuses, where the point has a choice.
    pub mandatory: bool,
    /// Of a call app: what becomes of a caller when it fails.
    pub on_failure: OnFailure,
}

/// A version on trial beside the bound one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindingTrial {
    /// The version.
    pub plugin: PluginId,
    /// Its configuration, JSON, its secrets sealed as the binding's own.
    pub config: String,
    /// How many of a hundred calls it answers; 0 is a shadow.
    pub percent: u8,
    /// When it began; the same version tried again is another trial.
    pub begun_at: Instant,
    /// When and why it was found to do worse: it is asked no more.
    pub over: Option<(Instant, String)>,
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
    /// Only what this account of the company does; `None` = every account.
    pub account: Option<AccountId>,
    /// The name, unique within its scope; what [`model::Decision::App`] names.
    pub name: String,
    /// The plugin point, as `routing/router`.
    pub point: String,
    /// Lower is asked first.
    pub priority: i64,
    /// The bound version.
    pub plugin: PluginId,
    /// Its configuration, JSON, as it is stored: its secrets are sealed ([`Bindings::clear_config`]).
    pub config: String,
    /// The versions and configurations bound before, at most three, the last one first: what [`Bindings::rollback`] goes
    /// back to, one after the other.
    pub previous: Vec<(PluginId, String)>,
    /// What its scope allows it, JSON; `None` = whatever the platform's operator allows the plugin.
    pub granted: Option<String>,
    /// Whether a failure refuses, where the point has a choice.
    pub mandatory: bool,
    /// Of a call app: what becomes of a caller when it fails.
    pub on_failure: OnFailure,
    /// A version on trial.
    pub trial: Option<BindingTrial>,
}

impl Binding {
    /// Whose its configuration is.
    #[must_use]
    pub fn config_owner(&self) -> ConfigOwner<'_> {
        ConfigOwner { brand: self.brand, company: self.company, account: self.account, name: &self.name }
    }
}

impl TryFrom<BindingRow> for Binding {
    type Error = StoreError;
    fn try_from(row: BindingRow) -> Result<Binding, StoreError> {
        Ok(Binding {
            id: BindingId(row.id),
            brand: BrandId(row.brand_id),
            company: row.company_id.map(CompanyId),
            account: row.account_id.map(AccountId),
            name: row.name,
            point: row.point,
            priority: row.priority,
            plugin: PluginId(row.plugin_id),
            config: row.config,
            previous: [
                row.previous_plugin_id.zip(row.previous_config),
                row.older_plugin_id.zip(row.older_config),
                row.oldest_plugin_id.zip(row.oldest_config),
            ]
            .into_iter()
            .flatten()
            .map(|(plugin, config)| (PluginId(plugin), config))
            .collect(),
            granted: row.granted,
            mandatory: row.mandatory,
            on_failure: OnFailure::read(row.on_failure.as_deref())?,
            trial: row.trial_plugin_id.map(|plugin| BindingTrial {
                plugin: PluginId(plugin),
                config: row.trial_config.unwrap_or_else(|| "{}".to_owned()),
                percent: row.trial_percent.and_then(|p| u8::try_from(p).ok()).unwrap_or(0),
                begun_at: instant(row.trial_begun_at.unwrap_or(0)),
                over: row.trial_over_at.map(|at| (instant(at), row.trial_over_why.unwrap_or_default())),
            }),
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
    /// An account of the company; `None` = every account.
    pub account: Option<AccountId>,
    /// The name, unique within its scope.
    pub name: String,
    /// The plugin point.
    pub point: String,
    /// Lower is asked first.
    pub priority: i64,
    /// The version to bind: the brand's own or the platform's.
    pub plugin: PluginId,
    /// Its configuration, JSON, its secrets sealed ([`Bindings::sealed_config`]).
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
        self.bind_and_allow(ctx, new, None).await
    }

    /// As [`Bindings::bind`], with what its scope allows it and what comes of its failures: nothing of it is ever live
    /// without the rest.
    ///
    /// # Errors
    /// As [`Bindings::bind`] and [`Bindings::allow`].
    pub async fn bind_and_allow(
        &self,
        ctx: &OpContext,
        new: NewBinding,
        allowed: Option<&Allowance>,
    ) -> Result<Binding, StoreError> {
        check::name("binding name", &new.name)?;
        check::name("plugin point", &new.point)?;
        check::json("plugin configuration", &new.config)?;
        let mut args = args![ctx, new.brand.0, &new.name, &new.point, new.priority, new.plugin.0, &new.config].to_vec();
        args.extend(new.company.map(|company| Arg::from(company.0)));
        args.extend(new.account.map(|account| Arg::from(account.0)));
        let statement = match (new.company, new.account) {
            (None, None) => BIND_BRAND,
            (Some(_), None) => BIND_COMPANY,
            (Some(_), Some(_)) => BIND_ACCOUNT,
            (None, Some(_)) => {
                return Err(StoreError::Invalid { what: "binding", why: "an account has a company".into() });
            }
        };
        if let Some(granted) = allowed.and_then(|allowed| allowed.granted.as_deref()) {
            check::json("grants", granted)?;
        }
        let mut tx = self.0.begin().await?;
        let Some(mut row) = tx.one::<BindingRow>(statement, &args).await? else {
            drop(tx);
            return Err(self.why_not_bound(ctx, &new).await?);
        };
        if let Some(Allowance { granted, mandatory, on_failure }) = allowed {
            let missing = StoreError::NotFound { what: ALLOW.what };
            let text = on_failure.text();
            let args = args![ctx, row.id, granted.as_deref(), *mandatory, text.as_deref()];
            row = tx.one::<BindingRow>(ALLOW, args).await?.ok_or(missing)?;
        }
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Notes what a binding's scope allows it, and what comes of its failures. Stays over versions and rollbacks.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; grants that are no JSON.
    pub async fn allow(&self, ctx: &OpContext, id: BindingId, allowed: &Allowance) -> Result<Binding, StoreError> {
        let Allowance { granted, mandatory, on_failure } = allowed;
        if let Some(granted) = granted {
            check::json("grants", granted)?;
        }
        let text = on_failure.text();
        let args = args![ctx, id.0, granted.as_deref(), *mandatory, text.as_deref()];
        self.0.write_one::<BindingRow>(ALLOW, args).await?.try_into()
    }

    /// Puts a version on trial beside the bound one, or ends the trial. Binding another version ends it too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the binding, or a plugin that its brand may not bind; a configuration that is no JSON.
    pub async fn try_out(
        &self,
        ctx: &OpContext,
        id: BindingId,
        trial: Option<&BindingTrial>,
    ) -> Result<Binding, StoreError> {
        if let Some(trial) = trial {
            check::json("plugin configuration", &trial.config)?;
        }
        let (plugin, config) = (trial.map(|t| t.plugin.0), trial.map(|t| t.config.as_str()));
        let (percent, begun) = (trial.map(|t| i64::from(t.percent)), trial.map(|t| micros(t.begun_at)));
        self.0.write_one::<BindingRow>(TRY, args![ctx, id.0, plugin, config, percent, begun]).await?.try_into()
    }

    /// Keeps that the version on trial since `begun` did worse, in the same transaction as the line of the audit log about
    /// it. Whether there was such a trial still, and it was not over: else nothing is written.
    ///
    /// # Errors
    /// The database failed.
    pub async fn trial_over(&self, id: BindingId, begun: i64, why: &str, deed: &Deed) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        let args = [Arg::from(id.0), begun.into(), micros(deed.at).into(), why.into()];
        if tx.one::<(i64, Option<i64>)>(TRIAL_OVER, &args).await?.is_none() {
            return Ok(false);
        }
        super::audit::note(&mut tx, deed).await?;
        self.0.commit(tx).await?;
        Ok(true)
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
                if let Some(account) = new.account
                    && self.0.accounts().get(ctx, account).await?.company != company
                {
                    return Ok(StoreError::NotFound { what: "account" });
                }
            }
        }
        match self.find(ctx, (new.brand, new.company, new.account), &new.name).await {
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
        (brand, company, account): (BrandId, Option<CompanyId>, Option<AccountId>),
        name: &str,
    ) -> Result<Binding, StoreError> {
        let (company, account) = (company.map(|c| c.0), account.map(|a| a.0));
        let row = self.0.one::<BindingRow>(FIND, args![ctx, brand.0, company, account, name]).await?;
        row.ok_or(StoreError::NotFound { what: "binding" })?.try_into()
    }

    /// A page of the bindings in scope; a company's operator sees its company's own only, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Binding>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: BindingRow| row.try_into()).await
    }

    /// The bindings in scope; a company's operator sees its company's own only.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Binding>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Goes back to the version and configuration bound before, and what was bound becomes the last of those that are kept:
    /// so each further time goes further back, at most to the third, and after the last it is where it began.
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
