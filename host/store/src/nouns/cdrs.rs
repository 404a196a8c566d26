//! CDRs: one row per leg, `(call, leg)` unique for ever. Written by the outbox only; listed newest first.

use super::settlements;
use crate::listing::{Column, Filter, Found, Listing, Mark, Owner, Test, Wanted};
use crate::sql::{Arg, Statement, args, in_scope, instant, micros, statements, stored, translated};
use crate::{Db, OpContext, StoreError};
use model::{AccountId, BrandId, CallId, Cause, Cdr, Charge, CompanyId, EndedBy, Instant, LegRole, Vouched};

macro_rules! cdr_columns {
    () => {
        "call_id, leg, role, brand_id, company_id, account_id, sip_call_id, caller, callee, decided_by, started_at,
        ringing_at, answered_at, ended_at, cause, sip_status, ended_by, media, identity, rated"
    };
}
// What a row has beside what the outbox writes: what it cost.
macro_rules! charged {
    () => {
        concat!(cdr_columns!(), ", cost, carrier_cost, currency, charge_lines")
    };
}
pub(crate) use {cdr_columns, charged};
/// Rows of one statement: a statement's way to the database and back costs more than its rows.
const MANY: usize = 32;
/// Columns of a row.
const COLUMNS: usize = 20;
const MANY_HEAD: &str = concat!("INSERT INTO cdrs (", cdr_columns!(), ") VALUES ");
const MANY_TAIL: &str = " ON CONFLICT (call_id, leg) DO NOTHING";
/// Room for a row's brackets and for each `$n, `.
const MANY_ROOM: usize = MANY_HEAD.len() + MANY_TAIL.len() + MANY * (4 + COLUMNS * 6);

/// The text of the statement for so many rows, made by the compiler, and how much of the room it takes; `bare` with `?`
/// in place of each `$n`.
const fn insert_text(rows: usize, bare: bool) -> ([u8; MANY_ROOM], usize) {
    let (mut out, mut at) = put(([0; MANY_ROOM], 0), MANY_HEAD);
    let mut n = 1;
    while n <= rows * COLUMNS {
        (out, at) = put((out, at), if n % COLUMNS == 1 { "(" } else { "" });
        (out, at) = put((out, at), if bare { "?" } else { "$" });
        let mut unit = if bare { 0 } else { 100 };
        while unit > 0 {
            if n >= unit {
                out[at] = b'0' + (n / unit % 10) as u8;
                at += 1;
            }
            unit /= 10;
        }
        let behind = if n % COLUMNS > 0 {
            ", "
        } else if n < rows * COLUMNS {
            "), "
        } else {
            ")"
        };
        (out, at) = put((out, at), behind);
        n += 1;
    }
    put((out, at), MANY_TAIL)
}

const fn put((mut out, mut at): ([u8; MANY_ROOM], usize), text: &str) -> ([u8; MANY_ROOM], usize) {
    let mut index = 0;
    while index < text.len() {
        out[at] = text.as_bytes()[index];
        (at, index) = (at + 1, index + 1);
    }
    (out, at)
}

const fn text_in(made: &'static ([u8; MANY_ROOM], usize)) -> &'static str {
    match core::str::from_utf8(made.0.split_at(made.1).0) {
        Ok(text) => text,
        Err(_) => "",
    }
}

static MANY_TEXT: ([u8; MANY_ROOM], usize) = insert_text(MANY, false);
static MANY_BARE: ([u8; MANY_ROOM], usize) = insert_text(MANY, true);
static ONE_TEXT: ([u8; MANY_ROOM], usize) = insert_text(1, false);

statements! { "CDR";
    INSERT = text_in(&ONE_TEXT);
    INSERT_MANY = text_in(&MANY_TEXT);
    OF_CALL = concat!("SELECT ", charged!(), " FROM cdrs WHERE call_id = $3 AND ", in_scope!(), " ORDER BY leg");
}

/// The codes of the causes.
fn causes() -> Vec<&'static str> {
    Cause::ALL.iter().map(|cause| cause.code()).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "CDR",
    columns: charged!(),
    from: "cdrs",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::text("call", "call_id"), Column::number("leg", "leg")],
    usual: "-started_at",
    by: &[
        Column::number("started_at", "started_at"),
        Column::number("ended_at", "ended_at"),
        Column::text("caller", "caller"),
        Column::text("callee", "callee"),
        Column::text("cause", "cause"),
        Column::number("leg", "leg"),
    ],
    filters: &[
        Filter::new("call", "call_id", Test::Call, "Of this call; in the order of its legs, if no other is asked for."),
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("account", "account_id", Test::Number, "Of this account."),
        Filter::new("from", "started_at", Test::From, "Started at or after, RFC 3339 or a date."),
        Filter::new("until", "started_at", Test::Until, "Started before, RFC 3339 or a date."),
        Filter::new("cause", "cause", Test::Word(causes), "Ended for this cause."),
        Filter::sharp("caller", "caller", "Whose caller begins with this."),
        Filter::sharp("callee", "callee", "Whose callee begins with this."),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct CdrRow {
    call_id: String,
    leg: i64,
    role: String,
    brand_id: i64,
    company_id: i64,
    account_id: Option<i64>,
    sip_call_id: String,
    caller: String,
    callee: String,
    decided_by: Option<String>,
    started_at: i64,
    ringing_at: Option<i64>,
    answered_at: Option<i64>,
    ended_at: i64,
    cause: String,
    sip_status: i64,
    ended_by: String,
    media: Option<String>,
    identity: Option<String>,
    rated: Option<String>,
    cost: Option<i64>,
    carrier_cost: Option<i64>,
    currency: Option<String>,
    charge_lines: Option<String>,
}

/// A CDR and what of it must be made to be stored.
struct InsertRow<'a> {
    cdr: &'a Cdr,
    call: String,
    sip_call_id: String,
    caller: String,
    callee: String,
    decided_by: Option<String>,
    /// JSON.
    media: Option<String>,
    /// JSON.
    rated: Option<String>,
}

impl InsertRow<'_> {
    fn of(cdr: &Cdr) -> InsertRow<'_> {
        // PostgreSQL's text has no NUL, and a peer may send one: it must not keep a record out for ever.
        let clean = |text: &str| text.replace('\0', "\u{fffd}");
        InsertRow {
            cdr,
            call: cdr.call.to_string(),
            sip_call_id: clean(&cdr.sip_call_id),
            caller: clean(&cdr.caller),
            callee: clean(&cdr.callee),
            decided_by: cdr.decided_by.as_deref().map(clean),
            media: cdr.media.and_then(|media| serde_json::to_string(&media).ok()),
            rated: cdr.rated.as_ref().and_then(|rated| serde_json::to_string(rated).ok()).map(|text| clean(&text)),
        }
    }

    /// In the order of `cdr_columns!`.
    fn args(&self) -> [Arg<'_>; COLUMNS] {
        let cdr = self.cdr;
        [
            (&self.call).into(),
            i64::from(cdr.leg).into(),
            text_of(&ROLES, cdr.role).into(),
            cdr.brand.0.into(),
            cdr.company.0.into(),
            cdr.account.map(|a| a.0).into(),
            (&self.sip_call_id).into(),
            (&self.caller).into(),
            (&self.callee).into(),
            self.decided_by.as_deref().into(),
            micros(cdr.started_at).into(),
            cdr.ringing_at.map(micros).into(),
            cdr.answered_at.map(micros).into(),
            micros(cdr.ended_at).into(),
            cdr.cause.code().into(),
            i64::from(cdr.sip_status).into(),
            text_of(&ENDERS, cdr.ended_by).into(),
            self.media.as_deref().into(),
            cdr.identity.map(Vouched::code).into(),
            self.rated.as_deref().into(),
        ]
    }
}

const ROLES: [(LegRole, &str); 2] = [(LegRole::Caller, "caller"), (LegRole::Callee, "callee")];
const ENDERS: [(EndedBy, &str); 4] = [
    (EndedBy::Caller, "caller"),
    (EndedBy::Callee, "callee"),
    (EndedBy::Switch, "switch"),
    (EndedBy::Operator, "operator"),
];

fn text_of<T: PartialEq + Copy>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|(known, _)| *known == value).map_or("", |(_, text)| text)
}

fn value_of<T: Copy>(table: &[(T, &'static str)], text: &str) -> Option<T> {
    table.iter().find(|(_, known)| *known == text).map(|(value, _)| *value)
}

impl TryFrom<CdrRow> for Cdr {
    type Error = StoreError;
    fn try_from(row: CdrRow) -> Result<Cdr, StoreError> {
        Ok(Cdr {
            call: stored("call id", row.call_id.parse().ok())?,
            leg: stored("leg", u16::try_from(row.leg).ok())?,
            role: stored("leg role", value_of(&ROLES, &row.role))?,
            brand: BrandId(row.brand_id),
            company: CompanyId(row.company_id),
            account: row.account_id.map(AccountId),
            sip_call_id: row.sip_call_id,
            caller: row.caller,
            callee: row.callee,
            decided_by: row.decided_by,
            started_at: instant(row.started_at),
            ringing_at: row.ringing_at.map(instant),
            answered_at: row.answered_at.map(instant),
            ended_at: instant(row.ended_at),
            cause: stored("cause", Cause::from_code(&row.cause))?,
            sip_status: stored("SIP status", u16::try_from(row.sip_status).ok())?,
            ended_by: stored("ender", value_of(&ENDERS, &row.ended_by))?,
            media: row.media.map(|text| stored("media quality", serde_json::from_str(&text).ok())).transpose()?,
            identity: row.identity.map(|code| stored("identity", Vouched::from_code(&code))).transpose()?,
            rated: row.rated.map(|text| stored("authorisation", serde_json::from_str(&text).ok())).transpose()?,
            charge: match (row.cost, row.currency) {
                (Some(micros), Some(currency)) => Some(Charge {
                    micros,
                    carrier_micros: row.carrier_cost,
                    currency,
                    lines: stored("charge", serde_json::from_str(row.charge_lines.as_deref().unwrap_or("[]")).ok())?,
                }),
                (_, _) => None,
            },
        })
    }
}

/// Which CDRs. Every field narrows; the default is all in scope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CdrFilter {
    /// Only this company's.
    pub company: Option<CompanyId>,
    /// Only this account's legs.
    pub account: Option<AccountId>,
    /// Started at or after.
    pub from: Option<Instant>,
    /// Started before.
    pub to: Option<Instant>,
    /// Ended for this cause.
    pub cause: Option<Cause>,
}

/// Where a page ended: the last CDR of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CdrCursor {
    /// Its start.
    pub started_at: Instant,
    /// Its call.
    pub call: CallId,
    /// Its leg.
    pub leg: u16,
}

impl From<&Cdr> for CdrCursor {
    fn from(cdr: &Cdr) -> Self {
        CdrCursor { started_at: cdr.started_at, call: cdr.call, leg: cdr.leg }
    }
}

/// The operations on CDRs.
#[derive(Clone, Copy, Debug)]
pub struct Cdrs<'a>(pub(crate) &'a Db);

impl Cdrs<'_> {
    /// Most CDRs of one page.
    pub const LIMIT_MAX: u32 = 1_000;

    /// A page of the CDRs in scope, as it is wanted; newest first if no order is asked for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Cdr>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: CdrRow| row.try_into()).await
    }

    /// One page, newest first; the next page starts after the [`CdrCursor`] of the last row.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        ctx: &OpContext,
        filter: &CdrFilter,
        after: Option<CdrCursor>,
        limit: u32,
    ) -> Result<Vec<Cdr>, StoreError> {
        let mut wanted = Wanted::of(&LISTING, limit)
            .only_some("company", filter.company.map(|c| c.0))
            .only_some("account", filter.account.map(|a| a.0))
            .only_some("from", filter.from)
            .only_some("until", filter.to)
            .only_some("cause", filter.cause.map(Cause::code));
        if let Some(CdrCursor { started_at, call, leg }) = after {
            let values = vec![micros(started_at).to_string(), call.to_string(), leg.to_string()];
            let mark = Mark { order: wanted.order_words(), values };
            wanted = wanted.after(&mark).map_err(|why| StoreError::Invalid { what: "cursor", why })?;
        }
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// The legs of one call, by number; empty if the call is not in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn of_call(&self, ctx: &OpContext, call: CallId) -> Result<Vec<Cdr>, StoreError> {
        translated(self.0.all::<CdrRow>(OF_CALL, args![ctx, &call.to_string()]).await?)
    }

    /// Writes CDRs in one transaction; those that are there already stay as they are.
    pub(crate) async fn insert(&self, cdrs: &[Cdr]) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let (many, rest) = cdrs.as_chunks::<MANY>();
        for some in many {
            let rows = some.each_ref().map(InsertRow::of);
            let args: Vec<Arg<'_>> = rows.iter().flat_map(InsertRow::args).collect();
            tx.run(Statement { bare: Some(text_in(&MANY_BARE)), ..INSERT_MANY }, &args).await?;
        }
        for cdr in rest {
            tx.run(INSERT, &InsertRow::of(cdr).args()).await?;
        }
        // What is to be paid for waits for its price from the same moment on.
        for cdr in cdrs.iter().filter(|cdr| cdr.rated.is_some() && cdr.answered_at.is_some()) {
            let (brand, company) = (cdr.brand.0.into(), cdr.company.0.into());
            let call = cdr.call.to_string();
            let waits = [(&call).into(), i64::from(cdr.leg).into(), brand, company, micros(cdr.ended_at).into()];
            tx.run(settlements::ADD, &waits).await?;
        }
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_text_is_the_other_without_its_numbers() {
        let (named, bare) = (text_in(&MANY_TEXT), text_in(&MANY_BARE));
        let mut want = String::new();
        for (index, piece) in named.split('$').enumerate() {
            want.push_str(if index == 0 { piece } else { piece.trim_start_matches(|c: char| c.is_ascii_digit()) });
            want.push('?');
        }
        assert_eq!(Some(bare), want.strip_suffix('?'));
        assert_eq!(named.matches('$').count(), MANY * COLUMNS);
        assert!(
            named.contains("$1, ")
                && named.ends_with(&format!("${}) ON CONFLICT (call_id, leg) DO NOTHING", MANY * COLUMNS))
        );
    }
}
