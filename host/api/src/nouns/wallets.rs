//! Money: how companies pay, what they have, what was moved, what a call would cost, and legs that wait for their price.
//! Amounts are decimal texts of at most six places, never floating numbers.

use super::cdrs::Charge;
use super::{Listed, Many, Paging};
use crate::extract::{Body, Id, Params};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, Priced, auth::Caller, stamp};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{CallId, CompanyId, amount_of, amount_text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Book, Movement, NewWallet, Settlement, SettlementPlace};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// A company's wallet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Wallet {
    company: i64,
    brand: i64,
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    method: String,
    /// The plan's name, as the rater's configuration knows it.
    plan: String,
    /// ISO 4217; never changes.
    currency: String,
    /// The sum of all movements, as `12.5`.
    balance: String,
    /// Of that, kept for calls that are up.
    reserved: String,
    /// How far below zero the balance may go.
    credit: String,
    /// Most that may be charged in a day of the company's zone.
    daily_cap: Option<String>,
    /// Event sinks are told when a charge takes the balance below it.
    low_mark: Option<String>,
}

impl From<store::Wallet> for Wallet {
    fn from(w: store::Wallet) -> Self {
        Wallet {
            company: w.company_id,
            brand: w.brand_id,
            method: w.method,
            plan: w.plan,
            currency: w.currency,
            balance: amount_text(w.balance),
            reserved: amount_text(w.reserved),
            credit: amount_text(w.credit),
            daily_cap: w.daily_cap.map(amount_text),
            low_mark: w.low_mark.map(amount_text),
        }
    }
}

/// How a company shall pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pays {
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    method: String,
    /// The plan's name.
    plan: String,
    /// ISO 4217.
    currency: String,
    /// How far below zero the balance may go; else not at all.
    #[serde(default)]
    credit: Option<String>,
    /// Most that may be charged in a day; else no such limit.
    #[serde(default)]
    daily_cap: Option<String>,
    /// When event sinks are told; else never.
    #[serde(default)]
    low_mark: Option<String>,
}

/// Money that is moved by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deposit {
    /// Moves money once for ever: the same request again does nothing more.
    key: String,
    /// As `50` or `-0.25`; below zero is a correction.
    amount: String,
    /// For people.
    #[serde(default)]
    memo: String,
}

/// One movement; never changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moved {
    id: i64,
    key: String,
    /// `charge`, `top-up` or `correction`.
    kind: String,
    /// What it added; a charge is below zero.
    amount: String,
    /// The balance that it left.
    balance: String,
    at: String,
    /// What for.
    memo: String,
}

impl From<Movement> for Moved {
    fn from(m: Movement) -> Self {
        // A charge's memo is names and values.
        let pairs: Option<BTreeMap<String, String>> =
            serde_json::from_str::<Vec<(String, String)>>(&m.memo).ok().map(|pairs| pairs.into_iter().collect());
        let words = |pairs: BTreeMap<String, String>| {
            pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        Moved {
            id: m.id,
            key: m.key,
            kind: m.kind,
            amount: amount_text(m.amount),
            balance: amount_text(m.balance),
            at: stamp::rfc3339(m.at),
            memo: pairs.map_or(m.memo, words),
        }
    }
}

/// A call whose price is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// The number as it is inside, with its `+`.
    number: String,
    /// From answer to end.
    seconds: u64,
    /// The trunk, where the price depends on it.
    #[serde(default)]
    trunk: Option<String>,
    /// When it is answered, RFC 3339; else now.
    #[serde(default)]
    at: Option<String>,
}

/// A leg that waits for its price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    call: String,
    leg: u16,
    company: i64,
    /// How often it was tried in vain.
    tries: u32,
    /// When it is tried next.
    due_at: String,
    /// Why it failed last.
    error: Option<String>,
}

impl From<Settlement> for Waiting {
    fn from(s: Settlement) -> Self {
        let (call, due_at) = (s.call.to_string(), stamp::rfc3339(s.due_at));
        Waiting { call, leg: s.leg, company: s.company, tries: s.tries, due_at, error: s.error }
    }
}

/// Which legs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Those that have failed at least so often; 1 shows only what is in trouble.
    #[serde(default)]
    tries: u32,
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; else 100.
    limit: Option<u32>,
}

/// The books of one wallet, side by side.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Books {
    company: i64,
    /// What the wallet says it has.
    balance: String,
    /// What its movements say.
    moved: String,
    /// What the wallet says it keeps.
    reserved: String,
    /// What its open reservations say.
    kept: String,
    /// What the wallet says was charged since the midnight that it counts from.
    spent: String,
    /// What its movements say.
    charged: String,
    /// Reservations that are open past their time; the switch lets them go by itself.
    overdue: i64,
    /// Legs that cost something, and nothing was moved for them: all of those whose rater charges elsewhere, else none.
    unmoved: i64,
    /// Whether they agree.
    holds: bool,
    /// What does not, in words: a sum that is another, a leg that costs other than what was moved for it.
    differences: Vec<String>,
}

impl From<Book> for Books {
    fn from(a: Book) -> Self {
        Books {
            company: a.company_id,
            balance: amount_text(a.balance),
            moved: amount_text(a.moved),
            reserved: amount_text(a.reserved),
            kept: amount_text(a.kept),
            spent: amount_text(a.spent),
            charged: amount_text(a.charged),
            overdue: a.overdue,
            unmoved: a.unmoved,
            holds: a.holds(),
            differences: a.differences(),
        }
    }
}

fn amount(field: &str, text: &str) -> Result<i64, Problem> {
    amount_of(text).ok_or_else(|| Problem::field(field, "expected an amount as 12.5, with at most six decimals"))
}

fn amount_or_none(field: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(|text| amount(field, text)).transpose()
}

impl Noun for Wallet {
    fn listing() -> &'static store::Listing {
        store::lists::WALLETS
    }
}

/// Lists wallets.
#[utoipa::path(get, path = "/wallets", tag = "money", params(Asked<Wallet>), responses((status = 200, body = Many<Wallet>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Wallet>) -> Listed<Wallet> {
    Ok(Many::found(api.db.wallets().found(&caller.ctx, &asked.0).await?))
}

/// A company's wallet.
#[utoipa::path(get, path = "/companies/{id}/wallet", tag = "money", params(("id" = i64, Path)),
    responses((status = 200, body = Wallet), Refusals))]
async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Wallet>, Problem> {
    Ok(Json(api.db.wallets().get(&caller.ctx, CompanyId(id)).await?.into()))
}

/// Says how a company pays; makes its wallet where it has none. What it has stays as it is.
#[utoipa::path(put, path = "/companies/{id}/wallet", tag = "money", params(("id" = i64, Path)), request_body = Pays,
    responses((status = 200, body = Wallet), Refusals))]
async fn put(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Pays>,
) -> Result<Json<Wallet>, Problem> {
    let new = NewWallet {
        method: body.method,
        plan: body.plan,
        currency: body.currency,
        credit: amount_or_none("credit", body.credit.as_deref())?.unwrap_or(0),
        daily_cap: amount_or_none("daily_cap", body.daily_cap.as_deref())?,
        low_mark: amount_or_none("low_mark", body.low_mark.as_deref())?,
    };
    Ok(Json(api.db.wallets().put(&caller.ctx, CompanyId(id), &new).await?.into()))
}

/// Puts money in, or corrects: once for ever by the key. The movement is the record of who did what: it stays.
#[utoipa::path(post, path = "/companies/{id}/wallet/deposits", tag = "money", params(("id" = i64, Path)),
    request_body = Deposit, responses((status = 200, body = Wallet), Refusals))]
async fn deposit(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Deposit>,
) -> Result<Json<Wallet>, Problem> {
    let moved = (body.key.as_str(), amount("amount", &body.amount)?);
    let now = api.switch.now();
    let wallet = api.db.wallets().deposit(&caller.ctx, CompanyId(id), moved, &body.memo, now).await?;
    tracing::info!(company = id, key = body.key, amount = body.amount, scope = ?caller.ctx.scope, "money was moved by hand");
    Ok(Json(wallet.into()))
}

/// What was moved, newest first.
#[utoipa::path(get, path = "/companies/{id}/wallet/movements", tag = "money", params(("id" = i64, Path), Paging),
    responses((status = 200, body = Many<Moved>), Refusals))]
async fn movements(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> Listed<Moved> {
    let page = paging.page()?;
    Ok(Many::page(api.db.wallets().movements(&caller.ctx, CompanyId(id), page).await?, page, |m| m.id))
}

/// What a call of the company would cost, by the rater that would be asked about it. Nothing is charged or kept.
#[utoipa::path(post, path = "/companies/{id}/price", tag = "money", params(("id" = i64, Path)), request_body = Ask,
    responses((status = 200, body = Charge), Refusals))]
async fn price(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Ask>,
) -> Result<Json<Charge>, Problem> {
    let company = api.db.companies().get(&caller.ctx, CompanyId(id)).await?;
    let expected = || Problem::field("at", "expected a time as 2026-11-22T05:48:00Z, or a date");
    let at = body.at.as_deref().map(|at| stamp::parse(at).ok_or_else(expected)).transpose()?;
    let Ask { number, seconds, trunk, .. } = body;
    if number.is_empty() || number.len() > 128 || number.chars().any(char::is_control) {
        return Err(Problem::field("number", "expected a number as +442079460000"));
    }
    let priced = Priced {
        brand: company.brand,
        company: company.id,
        number,
        trunk,
        at: at.unwrap_or_else(|| api.switch.now()),
        billed_ms: seconds.saturating_mul(1_000),
    };
    let charge = api.switch.quote(priced).await.map_err(|why| Problem::conflict(format!("The rater says: {why}.")))?;
    Ok(Json(Charge::shown(charge, caller.ctx.scope)))
}

/// Answered legs that wait for their price, oldest first. They are tried until they are settled.
#[utoipa::path(get, path = "/settlements", tag = "money", params(Which),
    responses((status = 200, body = Many<Waiting>), Refusals))]
async fn settlements(State(api): State<Api>, caller: Caller, Params(which): Params<Which>) -> Listed<Waiting> {
    let expected = || Problem::field("after", "expected what `next` of the page before says");
    let after = which.after.as_deref().map(|text| place_of(text).ok_or_else(expected)).transpose()?;
    let limit = super::limit(which.limit)?;
    let rows = api.db.settlements().waiting(&caller.ctx, which.tries, after.as_ref(), limit.into()).await?;
    let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(|s| format!("{}.{}.{}", s.made_at.unix_nanos(), s.call, s.leg));
    Ok(Many::of(rows, next))
}

/// Where a page of those that wait ended.
fn place_of(text: &str) -> Option<SettlementPlace> {
    let mut parts = text.splitn(3, '.');
    let made_at = model::Instant::from_unix_nanos(parts.next()?.parse().ok()?);
    Some((made_at, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Tries one again at once.
#[utoipa::path(post, path = "/settlements/{call}/{leg}/retry", tag = "money",
    params(("call" = String, Path), ("leg" = u16, Path)), responses((status = 202, description = "Being tried"), Refusals))]
async fn retry(
    State(api): State<Api>,
    caller: Caller,
    Path((call, leg)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let nothing = || Problem::not_found("settlement");
    let call: CallId = call.parse().map_err(|_| nothing())?;
    let leg: u16 = leg.parse().map_err(|_| nothing())?;
    api.db.settlements().retry(&caller.ctx, (call, leg), api.switch.now()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Compares the books of every wallet of the platform: each balance with the sum of its movements, what is kept with its
/// open reservations, what was charged in a day with its charges, and what legs cost with what was moved for them.
#[utoipa::path(get, path = "/wallets/audit", tag = "money", responses((status = 200, body = Many<Books>), Refusals))]
async fn audit(State(api): State<Api>, caller: Caller) -> Listed<Books> {
    if !matches!(caller.ctx.scope, store::Scope::Platform) {
        return Err(Problem::forbidden("The books are for the platform's operator."));
    }
    Ok(Many::all(api.db.ledger().audit(api.switch.now()).await?))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(audit))
        .routes(routes!(get, put))
        .routes(routes!(deposit))
        .routes(routes!(movements))
        .routes(routes!(price))
        .routes(routes!(settlements))
        .routes(routes!(retry))
}
