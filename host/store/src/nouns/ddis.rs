//! DDIs: public numbers, in E.164 form. Each is of a brand, which gives it to a company and takes it back.

use super::rules::{self, User};
use super::targets::{TargetColumns, TargetRow, target_columns};
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, Statement, Tx, args, in_scope, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{BrandId, CompanyId, Ddi, DdiId, DdiRecording, RouteTagId, RouteTarget, RuleKind, TrunkId, Used};

macro_rules! columns {
    () => {
        concat!(
            "id, brand_id, company_id, e164, extension, call_filter, record, trunk_id, tag_id, display_name, description, ",
            target_columns!()
        )
    };
}

statements! { "ddi";
    CREATE = concat!("INSERT INTO ddis (brand_id, company_id, e164, extension, account, app, voicemail, rule_kind, rule_name,
        queue, conference, public_number, call_filter, record, trunk_id, tag_id, display_name, description)
        SELECT brand_id, id, $4, CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT),
        CAST($9 AS TEXT), CAST($10 AS TEXT), CAST($11 AS TEXT), CAST($12 AS TEXT), CAST($13 AS TEXT), CAST($14 AS TEXT),
        $15, CAST($16 AS BIGINT), CAST($17 AS BIGINT), $18, $19 FROM companies
        WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " RETURNING ", columns!());
    STOCK = concat!("INSERT INTO ddis (brand_id, e164, record, trunk_id, tag_id, display_name, description)
        SELECT id, $4, $5, CAST($6 AS BIGINT), CAST($7 AS BIGINT), $8, $9 FROM brands
        WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM ddis WHERE id = $3 AND ", in_scope!());
    FIND = concat!("SELECT ", columns!(), " FROM ddis WHERE e164 = $3 AND ", in_scope!());
    UPDATE = concat!("UPDATE ddis SET company_id = $4, e164 = $5, extension = $6, account = $7, app = $8, voicemail = $9,
        rule_kind = $10, rule_name = $11, queue = $12, conference = $13, public_number = $14, call_filter = $15,
        record = $16, trunk_id = $17, tag_id = $18, display_name = $19, description = $20
        WHERE id = $3 AND ", in_scope!(), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM ddis WHERE id = $3 AND ", in_scope!());
    HAS_TRUNK = "SELECT id FROM trunks WHERE (CAST($1 AS BIGINT) IS NULL OR brand_id = $1) AND brand_id = $2 AND id = $3";
    HAS_TAG = "SELECT id FROM route_tags WHERE (CAST($1 AS BIGINT) IS NULL OR brand_id = $1) AND brand_id = $2
        AND id = $3";
    USED = concat!("SELECT used_ddi FROM rule_uses WHERE company_id = $3 AND used_ddi = $4 AND ", in_scope!(), " LIMIT 1");
}

pub(crate) static LISTING: Listing = Listing {
    what: "ddi",
    columns: columns!(),
    from: "ddis",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("e164", "e164"),
        Column::number("company", "COALESCE(company_id, 0)"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("e164", "e164", Test::BeginsNumber, "That begin with these digits, with the `+` or without."),
        Filter::new(
            "assigned",
            "(company_id IS NOT NULL)",
            Test::Truth,
            "Only those that a company has, or those that a brand has in stock.",
        ),
        Filter::new("trunk", "trunk_id", Test::Number, "Bound to this trunk."),
    ],
};

/// The row of a number that a company has, as the directory wants it.
#[derive(sqlx::FromRow)]
pub(crate) struct DdiRow {
    id: i64,
    company_id: i64,
    e164: String,
    #[sqlx(flatten)]
    target: TargetRow,
    call_filter: Option<String>,
    record: String,
    trunk_id: Option<i64>,
    tag_id: Option<i64>,
    display_name: String,
}

impl TryFrom<DdiRow> for Ddi {
    type Error = StoreError;
    fn try_from(row: DdiRow) -> Result<Ddi, StoreError> {
        Ok(Ddi {
            id: DdiId(row.id),
            company: CompanyId(row.company_id),
            e164: row.e164,
            target: row.target.try_into()?,
            call_filter: row.call_filter,
            record: recording(&row.record)?,
            trunk: row.trunk_id.map(TrunkId),
            tag: row.tag_id.map(RouteTagId),
            display_name: row.display_name,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct NumberRow {
    id: i64,
    brand_id: i64,
    company_id: Option<i64>,
    e164: String,
    #[sqlx(flatten)]
    target: TargetRow,
    call_filter: Option<String>,
    record: String,
    trunk_id: Option<i64>,
    tag_id: Option<i64>,
    display_name: String,
    description: String,
}

impl TryFrom<NumberRow> for Number {
    type Error = StoreError;
    fn try_from(row: NumberRow) -> Result<Number, StoreError> {
        let target = row.company_id.map(|_| row.target.try_into()).transpose()?;
        Ok(Number {
            id: DdiId(row.id),
            brand: BrandId(row.brand_id),
            company: row.company_id.map(CompanyId),
            e164: row.e164,
            target,
            call_filter: row.call_filter,
            record: recording(&row.record)?,
            trunk: row.trunk_id.map(TrunkId),
            tag: row.tag_id.map(RouteTagId),
            display_name: row.display_name,
            description: row.description,
        })
    }
}

fn recording(word: &str) -> Result<DdiRecording, StoreError> {
    stored("choice of calls to record", DdiRecording::from_word(word))
}

/// A public number as its brand has it: a company's, or in stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    /// The row.
    pub id: DdiId,
    /// Its brand.
    pub brand: BrandId,
    /// Whose it is; `None` = in stock: calls for it reach nobody.
    pub company: Option<CompanyId>,
    /// `+` and digits, unique on the platform.
    pub e164: String,
    /// Where it leads, exactly where a company has it.
    pub target: Option<RouteTarget>,
    /// The call filter of the company that its calls from outside go through.
    pub call_filter: Option<String>,
    /// Which of its calls are recorded.
    pub record: DdiRecording,
    /// The trunk of the brand that brings its calls, where several might have.
    pub trunk: Option<TrunkId>,
    /// The brand's routing tag of calls that show it and have dialled none.
    pub tag: Option<RouteTagId>,
    /// The name that its called see in place of the caller's; may be empty.
    pub display_name: String,
    /// Words about it, for people.
    pub description: String,
}

impl Number {
    /// A number in stock, with nothing said about it; to be made, so without an id.
    #[must_use]
    pub fn stock(brand: BrandId, e164: &str) -> Number {
        Number {
            id: DdiId(0),
            brand,
            company: None,
            e164: e164.to_owned(),
            target: None,
            call_filter: None,
            record: DdiRecording::None,
            trunk: None,
            tag: None,
            display_name: String::new(),
            description: String::new(),
        }
    }
}

/// A DDI of a company to be made, with nothing more said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDdi {
    /// Its company.
    pub company: CompanyId,
    /// `+` and digits, unique on the platform.
    pub e164: String,
    /// Where it leads.
    pub target: RouteTarget,
}

/// The operations on DDIs.
#[derive(Clone, Copy, Debug)]
pub struct Ddis<'a>(pub(crate) &'a Db);

impl Ddis<'_> {
    /// Makes a DDI of a company; see [`Ddis::add`].
    ///
    /// # Errors
    /// Those of [`Ddis::add`].
    pub async fn create(&self, ctx: &OpContext, new: NewDdi) -> Result<Number, StoreError> {
        let bare = Number::stock(BrandId(0), &new.e164);
        self.add(ctx, &Number { company: Some(new.company), target: Some(new.target), ..bare }).await
    }

    /// Makes a number: of its company, whose brand counts, or where it has none in its brand's stock. The id is not
    /// looked at.
    ///
    /// # Errors
    /// The company or the brand is not in scope, or a company's operator puts it in stock; the number is taken or breaks
    /// a rule; what it names does not exist.
    pub async fn add(&self, ctx: &OpContext, new: &Number) -> Result<Number, StoreError> {
        checked(new)?;
        let Some(company) = new.company else { return self.add_stock(ctx, new).await };
        self.fits(ctx, new).await?;
        let to = new.target.as_ref().map_or_else(|| Ok(TargetColumns::default()), TargetColumns::of)?;
        let mut args = args![ctx, company.0, &new.e164].to_vec();
        said(&mut args, &to, new);
        let brand = self.0.companies().get(ctx, company).await?.brand;
        let mut tx = self.0.begin().await?;
        self.names_its_own(&mut tx, ctx, brand, (None, new)).await?;
        let made = tx.one::<NumberRow>(CREATE, &args).await?.ok_or(StoreError::NotFound { what: "company" })?;
        note_filter(&mut tx, ctx, made.id, (company, new.call_filter.as_deref())).await?;
        self.0.commit(tx).await?;
        made.try_into()
    }

    async fn add_stock(&self, ctx: &OpContext, new: &Number) -> Result<Number, StoreError> {
        ctx.needs_brand("put a public number in stock")?;
        let (trunk, tag) = (new.trunk.map(|t| t.0), new.tag.map(|t| t.0));
        let (record, shown, about) = (new.record.word(), &new.display_name, &new.description);
        let args = args![ctx, new.brand.0, &new.e164, record, trunk, tag, shown, about];
        let mut tx = self.0.begin().await?;
        self.names_its_own(&mut tx, ctx, new.brand, (None, new)).await?;
        let made = tx.one::<NumberRow>(STOCK, args).await?.ok_or(StoreError::NotFound { what: "brand" })?;
        self.0.commit(tx).await?;
        made.try_into()
    }

    /// One DDI.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: DdiId) -> Result<Number, StoreError> {
        let row = self.0.one::<NumberRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "ddi" })?.try_into()
    }

    /// One DDI in scope by number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn find(&self, ctx: &OpContext, e164: &str) -> Result<Number, StoreError> {
        let row = self.0.one::<NumberRow>(FIND, args![ctx, e164]).await?;
        row.ok_or(StoreError::NotFound { what: "ddi" })?.try_into()
    }

    /// A page of the DDIs in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Number>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: NumberRow| row.try_into()).await
    }

    /// The DDIs in scope, of one company if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        ctx: &OpContext,
        company: Option<CompanyId>,
        page: Page,
    ) -> Result<Vec<Number>, StoreError> {
        let wanted = Wanted::page(&LISTING, page).only_some("company", company.map(|c| c.0));
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes everything but the brand. A number goes from one company to another by way of the stock: who takes it
    /// back says that nothing of the company's is to lead anywhere by it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the number is taken or breaks a rule; what it names does not exist; it goes from company
    /// to company; [`StoreError::InUse`] where rules of the company name a number that is taken back; a company's
    /// operator gives or takes one.
    pub async fn update(&self, ctx: &OpContext, ddi: &Number) -> Result<Number, StoreError> {
        checked(ddi)?;
        self.fits(ctx, ddi).await?;
        let to = ddi.target.as_ref().map_or_else(|| Ok(TargetColumns::default()), TargetColumns::of)?;
        let mut args = args![ctx, ddi.id.0, ddi.company.map(|c| c.0), &ddi.e164].to_vec();
        said(&mut args, &to, ddi);
        let mut tx = self.0.begin().await?;
        let was = tx.one::<NumberRow>(GET, args![ctx, ddi.id.0]).await?.ok_or(StoreError::NotFound { what: "ddi" })?;
        let was = Number::try_from(was)?;
        if was.company != ddi.company {
            ctx.needs_brand("assign a public number")?;
            self.leaves(&mut tx, ctx, (&was, ddi)).await?;
        }
        self.names_its_own(&mut tx, ctx, was.brand, (Some(&was), ddi)).await?;
        let row = tx.one::<NumberRow>(UPDATE, &args).await?.ok_or(StoreError::NotFound { what: "ddi" })?;
        if let Some(company) = ddi.company {
            note_filter(&mut tx, ctx, row.id, (company, ddi.call_filter.as_deref())).await?;
        }
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// A number gets another holder: whether it may, and nothing of its company's is noted any more.
    async fn leaves(&self, tx: &mut Tx, ctx: &OpContext, (was, is): (&Number, &Number)) -> Result<(), StoreError> {
        let Some(company) = was.company else { return Ok(()) };
        if is.company.is_some() {
            let why = "another company has the number: take it back first".to_owned();
            return Err(StoreError::Invalid { what: "company", why });
        }
        if tx.one::<(String,)>(USED, args![ctx, company.0, &was.e164]).await?.is_some() {
            return Err(StoreError::InUse { what: "ddi" });
        }
        note_filter(tx, ctx, was.id.0, (company, None)).await
    }

    async fn fits(&self, ctx: &OpContext, number: &Number) -> Result<(), StoreError> {
        match (number.company, &number.target) {
            (Some(company), Some(target)) => rules::fits_kind(self.0, ctx, company, target).await,
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Refuses a trunk or a tag that was not named before and is not the brand's.
    async fn names_its_own(
        &self,
        tx: &mut Tx,
        ctx: &OpContext,
        brand: BrandId,
        (was, is): (Option<&Number>, &Number),
    ) -> Result<(), StoreError> {
        let trunk = is.trunk.filter(|_| was.is_none_or(|was| was.trunk != is.trunk)).map(|t| t.0);
        let tag = is.tag.filter(|_| was.is_none_or(|was| was.tag != is.tag)).map(|t| t.0);
        let wanted: [(&'static str, Statement, Option<i64>); 2] = [("trunk", HAS_TRUNK, trunk), ("tag", HAS_TAG, tag)];
        for (what, statement, id) in wanted {
            let Some(id) = id else { continue };
            if tx.one::<(i64,)>(statement, &[ctx.brand_id().into(), brand.0.into(), id.into()]).await?.is_none() {
                return Err(StoreError::Invalid { what, why: "the brand has no such one".to_owned() });
            }
        }
        Ok(())
    }

    /// Removes a DDI.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: DdiId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}

fn checked(number: &Number) -> Result<(), StoreError> {
    check::e164(&number.e164)?;
    check::display_name(&number.display_name)?;
    check::words("description", &number.description, 256)?;
    match (number.company, &number.target, &number.call_filter) {
        (Some(_), Some(_), _) | (None, None, None) => Ok(()),
        (Some(_), None, _) => {
            let why = "a number that a company has leads somewhere".to_owned();
            Err(StoreError::Invalid { what: "target", why })
        }
        (None, Some(_), _) | (None, None, Some(_)) => {
            let why = "a number in stock leads nowhere and has no call filter".to_owned();
            Err(StoreError::Invalid { what: "company", why })
        }
    }
}

/// What follows the number in the arguments of CREATE and UPDATE.
fn said<'a>(args: &mut Vec<Arg<'a>>, to: &TargetColumns<'a>, number: &'a Number) {
    args.extend_from_slice(&[
        to.extension.into(),
        to.account.into(),
        to.app.into(),
        to.voicemail.into(),
        to.rule_kind.into(),
        to.rule_name.into(),
        to.queue.into(),
        to.conference.into(),
        to.public_number.into(),
        number.call_filter.as_deref().into(),
        number.record.word().into(),
        number.trunk.map(|t| t.0).into(),
        number.tag.map(|t| t.0).into(),
        number.display_name.as_str().into(),
        number.description.as_str().into(),
    ]);
}

async fn note_filter(
    tx: &mut Tx,
    ctx: &OpContext,
    id: i64,
    (company, filter): (CompanyId, Option<&str>),
) -> Result<(), StoreError> {
    let uses = filter.map(|name| Used::Rule(RuleKind::CallFilter, name)).into_iter().collect();
    rules::note_uses(tx, ctx, (company, User::Ddi(id)), uses).await
}
