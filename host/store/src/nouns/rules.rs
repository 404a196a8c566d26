//! Rules: the named nouns of a company that say what becomes of its calls, and who names what.
//!
//! What a rule says is JSON. That whatever is named is there is a foreign key's work: `rule_uses` has a row for each rule,
//! account, extension and public number that an account, a public number, a company or a rule says, written in the
//! transaction that saves it.

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Tx, args, in_scope, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{BrandId, CompanyId, CompanyKind, RouteLock, RouteTarget, Rule, RuleBody, RuleId, RuleKind, Used};
use std::collections::BTreeSet;

macro_rules! columns {
    () => {
        "id, company_id, kind, name, body"
    };
}

statements! { "rule";
    CREATE = concat!("INSERT INTO rules (brand_id, company_id, kind, name, body)
        SELECT brand_id, id, $4, $5, $6 FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM rules WHERE id = $3 AND ", in_scope!());
    UPDATE = concat!("UPDATE rules SET body = $4 WHERE id = $3 AND ", in_scope!(), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM rules WHERE id = $3 AND ", in_scope!());
    CLEAR_USES = concat!("DELETE FROM rule_uses WHERE company_id = $3 AND COALESCE(account_id, 0) = $4
        AND COALESCE(ddi_id, 0) = $5 AND COALESCE(rule_id, 0) = $6 AND ", in_scope!());
    USE_RULE = concat!("INSERT INTO rule_uses (brand_id, company_id, account_id, ddi_id, rule_id, kind, name)
        SELECT r.brand_id, r.company_id, NULLIF(CAST($4 AS BIGINT), 0), NULLIF(CAST($5 AS BIGINT), 0),
        NULLIF(CAST($6 AS BIGINT), 0), r.kind, r.name FROM rules r
        WHERE r.company_id = $3 AND r.kind = $7 AND r.name = $8 AND ", in_scope!("r.brand_id", "r.company_id"));
    USE_ACCOUNT = concat!("INSERT INTO rule_uses (brand_id, company_id, account_id, ddi_id, rule_id, used_account)
        SELECT a.brand_id, a.company_id, NULLIF(CAST($4 AS BIGINT), 0), NULLIF(CAST($5 AS BIGINT), 0),
        NULLIF(CAST($6 AS BIGINT), 0), a.username FROM accounts a
        WHERE a.company_id = $3 AND a.username = $7 AND ", in_scope!("a.brand_id", "a.company_id"));
    USE_EXTENSION = concat!("INSERT INTO rule_uses (brand_id, company_id, account_id, ddi_id, rule_id, used_extension)
        SELECT e.brand_id, e.company_id, NULLIF(CAST($4 AS BIGINT), 0), NULLIF(CAST($5 AS BIGINT), 0),
        NULLIF(CAST($6 AS BIGINT), 0), e.number FROM extensions e
        WHERE e.company_id = $3 AND e.number = $7 AND ", in_scope!("e.brand_id", "e.company_id"));
    USE_DDI = concat!("INSERT INTO rule_uses (brand_id, company_id, account_id, ddi_id, rule_id, used_ddi)
        SELECT d.brand_id, d.company_id, NULLIF(CAST($4 AS BIGINT), 0), NULLIF(CAST($5 AS BIGINT), 0),
        NULLIF(CAST($6 AS BIGINT), 0), d.e164 FROM ddis d
        WHERE d.company_id = $3 AND d.e164 = $7 AND ", in_scope!("d.brand_id", "d.company_id"));
    FIND_LOCK = concat!("SELECT ", columns!(), " FROM rules WHERE company_id = $3 AND kind = 'route-lock' AND name = $4
        AND ", in_scope!());
    HAS_SET = "SELECT id FROM translation_sets WHERE (CAST($1 AS BIGINT) IS NULL OR brand_id = $1)
        AND brand_id = $2 AND name = $3";
    HAS_DDI = concat!("SELECT id FROM ddis WHERE company_id = $3 AND e164 = $4 AND ", in_scope!());
    HAS_TRUNK = concat!("SELECT t.id FROM trunks t JOIN companies c ON c.brand_id = t.brand_id
        WHERE c.id = $3 AND t.name = $4 AND ", in_scope!("c.brand_id", "c.id"));
}

/// The words of the kinds.
fn kinds() -> Vec<&'static str> {
    RuleKind::ALL.into_iter().map(RuleKind::word).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "rule",
    columns: columns!(),
    from: "rules",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("kind", "kind"),
        Column::text("name", "name"),
        Column::number("company", "company_id"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("kind", "kind", Test::Word(kinds), "Of this kind."),
        Filter::name_begins("name"),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct RuleRow {
    id: i64,
    company_id: i64,
    kind: String,
    name: String,
    body: String,
}

impl TryFrom<RuleRow> for Rule {
    type Error = StoreError;
    fn try_from(row: RuleRow) -> Result<Rule, StoreError> {
        let kind = stored("kind of a rule", RuleKind::from_word(&row.kind))?;
        let body = RuleBody::read(kind, &mut serde_json::Deserializer::from_str(&row.body));
        Ok(Rule {
            id: RuleId(row.id),
            company: CompanyId(row.company_id),
            name: row.name,
            body: stored("rule", body.ok())?,
        })
    }
}

/// JSON of what is said, as it is kept.
pub(crate) fn text(said: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(said).map_err(|e| StoreError::Invalid { what: "rules", why: e.to_string() })
}

/// Who names rules.
#[derive(Clone, Copy)]
pub(crate) enum User {
    Company,
    Account(i64),
    Ddi(i64),
    Rule(i64),
}

/// Notes what somebody names of its company, instead of what was noted before.
///
/// # Errors
/// Something of it does not exist.
pub(crate) async fn note_uses(
    tx: &mut Tx,
    ctx: &OpContext,
    (company, user): (CompanyId, User),
    uses: Vec<Used<'_>>,
) -> Result<(), StoreError> {
    let (account, ddi, rule, what) = match user {
        User::Company => (0, 0, 0, "rules"),
        User::Account(id) => (id, 0, 0, "rules"),
        User::Ddi(id) => (0, id, 0, "call filter"),
        User::Rule(id) => (0, 0, id, "body"),
    };
    tx.run(CLEAR_USES, args![ctx, company.0, account, ddi, rule]).await?;
    for used in uses.into_iter().collect::<BTreeSet<_>>() {
        let (statement, word, name) = match used {
            Used::Rule(kind, name) => (USE_RULE, kind.word(), name),
            Used::Account(name) => (USE_ACCOUNT, "account", name),
            Used::Extension(number) => (USE_EXTENSION, "extension", number),
            Used::Ddi(e164) => (USE_DDI, "public number", e164),
        };
        let noted = match used {
            Used::Rule(kind, name) => {
                tx.run(statement, args![ctx, company.0, account, ddi, rule, kind.word(), name]).await?
            }
            Used::Account(_) | Used::Extension(_) | Used::Ddi(_) => {
                tx.run(statement, args![ctx, company.0, account, ddi, rule, name]).await?
            }
        };
        if noted == 0 {
            let why = format!("the company has no {word} named {name:?}");
            return Err(StoreError::Invalid { what, why });
        }
    }
    Ok(())
}

/// Refuses a public number that the company does not have.
pub(crate) async fn has_ddi(
    tx: &mut Tx,
    ctx: &OpContext,
    company: CompanyId,
    e164: Option<&str>,
) -> Result<(), StoreError> {
    let Some(e164) = e164 else { return Ok(()) };
    match tx.one::<(i64,)>(HAS_DDI, args![ctx, company.0, e164]).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Invalid { what: "rules", why: format!("outgoing_ddi: {e164} is not the company's") }),
    }
}

/// Refuses a trunk that the company's brand does not have.
pub(crate) async fn has_trunk(tx: &mut Tx, ctx: &OpContext, company: CompanyId, name: &str) -> Result<(), StoreError> {
    match tx.one::<(i64,)>(HAS_TRUNK, args![ctx, company.0, name]).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Invalid { what: "rules", why: format!("emergency: the brand has no trunk {name:?}") }),
    }
}

/// Refuses a translation set that the brand does not have.
pub(crate) async fn has_translation(
    db: &Db,
    ctx: &OpContext,
    brand: BrandId,
    name: Option<&str>,
) -> Result<(), StoreError> {
    let Some(name) = name else { return Ok(()) };
    match db.one::<(i64,)>(HAS_SET, &[ctx.brand_id().into(), brand.0.into(), name.into()]).await? {
        Some(_) => Ok(()),
        None => {
            let why = format!("translation: the brand has no translation set {name:?}");
            Err(StoreError::Invalid { what: "rules", why })
        }
    }
}

/// Refuses a target that a client of the company's kind cannot have.
pub(crate) async fn fits_kind(
    db: &Db,
    ctx: &OpContext,
    company: CompanyId,
    target: &RouteTarget,
) -> Result<(), StoreError> {
    let kind = db.companies().kind(ctx, company).await?;
    let fits = match kind {
        CompanyKind::Vpbx => true,
        CompanyKind::Residential => {
            matches!(target, RouteTarget::Account(_) | RouteTarget::Voicemail(_) | RouteTarget::Number(_))
        }
        CompanyKind::Retail => matches!(target, RouteTarget::Account(_)),
        CompanyKind::Wholesale => false,
    };
    if fits {
        return Ok(());
    }
    let why = format!("a client of the kind {} has no number that leads there", kind.word());
    Err(StoreError::Invalid { what: "target", why })
}

/// Refuses what only a telephone system has.
pub(crate) async fn is_pbx(db: &Db, ctx: &OpContext, company: CompanyId, what: &'static str) -> Result<(), StoreError> {
    let kind = db.companies().kind(ctx, company).await?;
    if kind.has_extensions() {
        return Ok(());
    }
    Err(StoreError::Invalid { what, why: format!("a client of the kind {} has none", kind.word()) })
}

/// Refuses what cannot be meant.
pub(crate) fn checked(result: Result<(), model::BadRule>) -> Result<(), StoreError> {
    result.map_err(|bad| StoreError::Invalid { what: "rules", why: bad.to_string() })
}

/// A rule to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRule {
    /// Its company.
    pub company: CompanyId,
    /// The name, unique among the company's rules of its kind.
    pub name: String,
    /// What it says.
    pub body: RuleBody,
}

/// The operations on rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a>(pub(crate) &'a Db);

impl Rules<'_> {
    /// Makes a rule.
    ///
    /// # Errors
    /// The company is not in scope; the name is taken or breaks a rule; it names a rule that does not exist.
    pub async fn create(&self, ctx: &OpContext, new: NewRule) -> Result<Rule, StoreError> {
        check::name("name", &new.name)?;
        let body = body(&new.body)?;
        if matches!(new.body.kind(), RuleKind::HuntGroup) {
            is_pbx(self.0, ctx, new.company, "hunt group").await?;
        }
        let mut tx = self.0.begin().await?;
        let args = args![ctx, new.company.0, new.body.kind().word(), &new.name, &body];
        let row = tx.one::<RuleRow>(CREATE, args).await?.ok_or(StoreError::NotFound { what: "company" })?;
        note_uses(&mut tx, ctx, (new.company, User::Rule(row.id)), new.body.uses()).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// One rule.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: RuleId) -> Result<Rule, StoreError> {
        let row = self.0.one::<RuleRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "rule" })?.try_into()
    }

    /// A page of the rules in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Rule>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: RuleRow| row.try_into()).await
    }

    /// The rules in scope, of one company and of one kind if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        ctx: &OpContext,
        (company, kind): (Option<CompanyId>, Option<RuleKind>),
        page: Page,
    ) -> Result<Vec<Rule>, StoreError> {
        let of = Wanted::page(&LISTING, page).only_some("company", company.map(|c| c.0));
        Ok(self.found(ctx, &of.only_some("kind", kind.map(RuleKind::word))).await?.rows)
    }

    /// Changes what a rule says. Name and kind stay: others name it by them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a body of another kind; it names a rule that does not exist.
    pub async fn update(&self, ctx: &OpContext, id: RuleId, new: &RuleBody) -> Result<Rule, StoreError> {
        let body = body(new)?;
        let mut tx = self.0.begin().await?;
        let row = tx.one::<RuleRow>(UPDATE, args![ctx, id.0, &body]).await?;
        let row = row.filter(|row| row.kind == new.kind().word()).ok_or(StoreError::NotFound { what: "rule" })?;
        note_uses(&mut tx, ctx, (CompanyId(row.company_id), User::Rule(row.id)), new.uses()).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Throws a route lock.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn throw(&self, ctx: &OpContext, company: CompanyId, lock: &str, open: bool) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let row = tx.one::<RuleRow>(FIND_LOCK, args![ctx, company.0, lock]).await?;
        let rule: Rule = row.ok_or(StoreError::NotFound { what: "rule" })?.try_into()?;
        if let RuleBody::RouteLock(lock) = rule.body
            && lock.open != open
        {
            let said = text(&RouteLock { open, ..lock })?;
            tx.run(UPDATE, args![ctx, rule.id.0, &said]).await?;
        }
        self.0.commit(tx).await
    }

    /// Removes a rule that nobody names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`].
    pub async fn delete(&self, ctx: &OpContext, id: RuleId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}

fn body(body: &RuleBody) -> Result<String, StoreError> {
    body.check().map_err(|bad| StoreError::Invalid { what: "body", why: bad.to_string() })?;
    text(body)
}
