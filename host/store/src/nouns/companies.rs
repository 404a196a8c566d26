//! Companies: the tenants. A company's domain is its SIP domain and its digest realm.

use super::rules;
use crate::known::{cut, keep_known};
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{
    BrandId, Company, CompanyId, CompanyKind, CompanyRules, EmergencyNumber, Handling, MediaPath, MediaSecurity,
    RecordingRules,
};
use serde::Deserialize;

macro_rules! columns {
    () => {
        "id, brand_id, name, domain, media, calls_max, media_security, codecs, handling, decline_ends_all,
         hold_music, kind, rules"
    };
}

statements! { "company";
    CREATE = concat!("INSERT INTO companies (brand_id, name, domain, media, calls_max, handling, decline_ends_all, kind,
        media_security)
        SELECT id, $4, $5, $6, CAST($7 AS BIGINT), $8, CAST($9 AS BOOLEAN), $10, $11 FROM brands WHERE id = $3
        AND (CAST($1 AS BIGINT) IS NULL OR id = $1) AND CAST($2 AS BIGINT) IS NULL RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"));
    // The digest secrets of its accounts are bound to the realm: with accounts, the domain stays.
    UPDATE = concat!("UPDATE companies SET name = $4, domain = $5, media = $6, calls_max = $7,
        media_security = $8, codecs = $9, handling = $10, decline_ends_all = $11,
        hold_music = CAST($12 AS TEXT), rules = $13
        WHERE id = $3 AND ", in_scope!("brand_id", "id"), " AND (domain = $5
        OR NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.company_id = companies.id)) RETURNING ", columns!());
    HAS_KIND = concat!("SELECT id FROM companies WHERE brand_id = $3 AND kind = $4 AND ",
        in_scope!("brand_id", "id"), " LIMIT 1");
    KIND = concat!("SELECT kind FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"));
    DELETE = concat!("DELETE FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"));
}

/// The words of the kinds.
fn kinds() -> Vec<&'static str> {
    CompanyKind::ALL.into_iter().map(CompanyKind::word).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "company",
    columns: columns!(),
    from: "companies",
    owner: Owner::Tenant("brand_id", "id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("domain", "domain"),
        Column::number("brand", "brand_id"),
    ],
    filters: &[
        Filter::brand("brand_id"),
        Filter::name_begins("name"),
        Filter::new("domain", "domain", Test::Begins, "Whose domain begins with this."),
        Filter::new("kind", "kind", Test::Word(kinds), "Of this kind."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct CompanyRow {
    id: i64,
    brand_id: i64,
    name: String,
    domain: String,
    media: String,
    calls_max: Option<i64>,
    media_security: String,
    codecs: String,
    handling: String,
    decline_ends_all: bool,
    hold_music: Option<String>,
    kind: String,
    rules: String,
}

impl TryFrom<CompanyRow> for Company {
    type Error = StoreError;
    fn try_from(row: CompanyRow) -> Result<Company, StoreError> {
        let media = match row.media.as_str() {
            "anchor" => Some(MediaPath::Anchor),
            "direct" => Some(MediaPath::Direct),
            _ => None,
        };
        let handling = match row.handling.as_str() {
            "proxy" => Some(Handling::Proxy),
            "relay" => Some(Handling::Relay),
            "b2bua" => Some(Handling::B2bua),
            _ => None,
        };
        let calls_max = row.calls_max.map(|n| stored("call limit", u32::try_from(n).ok())).transpose()?;
        Ok(Company {
            id: CompanyId(row.id),
            brand: BrandId(row.brand_id),
            name: row.name,
            domain: row.domain,
            media: stored("media path", media)?,
            handling: stored("handling", handling)?,
            decline_ends_all: row.decline_ends_all,
            calls_max,
            codecs: row.codecs.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            hold_music: row.hold_music,
            kind: stored("kind of a company", CompanyKind::from_word(&row.kind))?,
            media_security: stored("media security", MediaSecurity::from_word(&row.media_security))?,
            rules: stored("rules of a company", serde_json::from_str(&row.rules).ok())?,
        })
    }
}

impl CompanyRow {
    /// Leaves of its rules what this program knows; why something had to go. Emergency numbers stay as long as it says which
    /// and by which trunks.
    pub(crate) fn cut(&mut self) -> Option<StoreError> {
        cut::<CompanyRules>("rules of a company", &mut self.rules, |rules| {
            keep_known::<RecordingRules>(rules.get_mut("recording"));
            keep_known::<model::FaxRules>(rules.get_mut("fax"));
            let Some(serde_json::Value::Array(numbers)) = rules.get_mut("emergency") else { return };
            for number in &mut *numbers {
                if let serde_json::Value::Object(said) = number {
                    said.retain(|field, _| ["number", "dials", "trunks"].contains(&field.as_str()));
                }
            }
            numbers.retain(|number| EmergencyNumber::deserialize(number).is_ok());
        })
    }
}

pub(crate) fn media_text(media: MediaPath) -> Result<&'static str, StoreError> {
    match media {
        MediaPath::Anchor => Ok("anchor"),
        MediaPath::Direct => Ok("direct"),
        MediaPath::TenantDefault => {
            let why = "a company's default must be anchor or direct".to_owned();
            Err(StoreError::Invalid { what: "media path", why })
        }
    }
}

fn handling_text(handling: Handling) -> Result<&'static str, StoreError> {
    match handling {
        Handling::Proxy => Ok("proxy"),
        Handling::Relay => Ok("relay"),
        Handling::B2bua => Ok("b2bua"),
        Handling::TenantDefault => Err(StoreError::Invalid {
            what: "handling",
            why: "a company's default must be proxy, relay or b2bua".to_owned(),
        }),
    }
}

/// A company to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCompany {
    /// Its brand.
    pub brand: BrandId,
    /// The name, unique within the brand.
    pub name: String,
    /// The SIP domain and digest realm, unique; kept in lower case.
    pub domain: String,
    /// Where media flows by default.
    pub media: MediaPath,
    /// How its calls are handled by default.
    pub handling: Handling,
    /// Whether a 6xx of one phone ends the call for all that ring with it.
    pub decline_ends_all: bool,
    /// Most calls at once; `None` = the switch's limit.
    pub calls_max: Option<u32>,
    /// What kind of client it is, for good.
    pub kind: CompanyKind,
    /// SRTP on its legs.
    pub media_security: MediaSecurity,
}

/// The operations on companies.
#[derive(Clone, Copy, Debug)]
pub struct Companies<'a>(pub(crate) &'a Db);

impl Companies<'_> {
    /// Makes a company.
    ///
    /// # Errors
    /// The brand is not in scope; a company's operator; the name or domain is taken or breaks a rule.
    pub async fn create(&self, ctx: &OpContext, new: NewCompany) -> Result<Company, StoreError> {
        ctx.needs_brand("make a company")?;
        check::name("company name", &new.name)?;
        let domain = check::domain(&new.domain)?;
        let calls_max = new.calls_max.map(i64::from);
        let (media, handling) = (media_text(new.media)?, handling_text(new.handling)?);
        let decline = new.decline_ends_all;
        let (kind, security) = (new.kind.word(), new.media_security.word());
        let args = args![ctx, new.brand.0, &new.name, &domain, media, calls_max, handling, decline, kind, security];
        if !self.0.brands().rules(ctx, new.brand).await?.may_have(new.kind) {
            let why = format!("the brand may have no companies of the kind {}", new.kind.word());
            return Err(StoreError::Invalid { what: "kind", why });
        }
        match self.0.write_one::<CompanyRow>(CREATE, args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "brand" }),
            Err(other) => Err(other),
        }
    }

    /// One company.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: CompanyId) -> Result<Company, StoreError> {
        let row = self.0.one::<CompanyRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "company" })?.try_into()
    }

    /// A page of the companies in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Company>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: CompanyRow| row.try_into()).await
    }

    /// The companies in scope, of one brand if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, brand: Option<BrandId>, page: Page) -> Result<Vec<Company>, StoreError> {
        let wanted = Wanted::page(&LISTING, page).only_some("brand", brand.map(|b| b.0));
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes everything but the brand and the kind.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`] for another domain while there are accounts, whose digest
    /// secrets are bound to it; the name or domain is taken or breaks a rule; its rules name what does not exist.
    pub async fn update(&self, ctx: &OpContext, company: &Company) -> Result<Company, StoreError> {
        check::name("company name", &company.name)?;
        let domain = check::domain(&company.domain)?;
        let calls_max = company.calls_max.map(i64::from);
        let (media, security) = (media_text(company.media)?, company.media_security.word());
        let (codecs, handling) = (check::codecs(&company.codecs)?, handling_text(company.handling)?);
        let decline = company.decline_ends_all;
        let music = check::prompt("hold music", company.hold_music.as_deref())?;
        rules::checked(company.rules.check())?;
        let (name, said) = (&company.name, rules::text(&company.rules)?);
        let args = args![
            ctx,
            company.id.0,
            name,
            &domain,
            media,
            calls_max,
            security,
            &codecs,
            handling,
            decline,
            music,
            &said
        ];
        rules::has_translation(self.0, ctx, company.brand, company.rules.translation.as_deref()).await?;
        let mut tx = self.0.begin().await?;
        let Some(row) = tx.one::<CompanyRow>(UPDATE, args).await? else {
            drop(tx);
            self.get(ctx, company.id).await?;
            return Err(StoreError::InUse { what: "domain" });
        };
        let own = &company.rules;
        rules::has_ddi(&mut tx, ctx, company.id, own.outgoing_ddi.as_deref()).await?;
        for trunk in own.emergency.iter().flat_map(|number| &number.trunks) {
            rules::has_trunk(&mut tx, ctx, company.id, trunk).await?;
        }
        rules::note_uses(&mut tx, ctx, (company.id, rules::User::Company), own.uses()).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Whether the brand has companies of this kind.
    pub(crate) async fn has_kind(
        &self,
        ctx: &OpContext,
        brand: BrandId,
        kind: CompanyKind,
    ) -> Result<bool, StoreError> {
        Ok(self.0.one::<(i64,)>(HAS_KIND, args![ctx, brand.0, kind.word()]).await?.is_some())
    }

    /// What kind of client a company is; it never changes.
    pub(crate) async fn kind(&self, ctx: &OpContext, id: CompanyId) -> Result<CompanyKind, StoreError> {
        let row = self.0.one::<(String,)>(KIND, args![ctx, id.0]).await?;
        let (word,) = row.ok_or(StoreError::NotFound { what: "company" })?;
        stored("kind of a company", CompanyKind::from_word(&word))
    }

    /// Removes a company that nothing belongs to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`].
    pub async fn delete(&self, ctx: &OpContext, id: CompanyId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a company")?;
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}
