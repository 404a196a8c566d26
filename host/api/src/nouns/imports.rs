//! Files in and out: comma-separated values of users, accounts, extensions, public numbers and prices.
//!
//! In: the file streams into the database, sealed, and a job takes it in. Out: rows stream as they are read, page by page.

use super::jobs::Job;
use crate::extract::Params;
use crate::gate::FILE_WAIT;
use crate::jobs::import::plan::{Of, Plan};
use crate::jobs::import::{BYTES_MAX, KIND, PIECE, rates, text};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, try_unfold};
use futures_util::{Stream, TryStreamExt as _};
use model::{BrandId, CompanyId, RouteTarget};
use serde::Deserialize;
use std::collections::BTreeMap;
use store::{Access, NewJob, OpContext, Page, Scope, StoreError};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What is to be taken in, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// What its lines are: `users` (each with account, extensions, public number, login), `accounts`, `extensions`,
    /// `ddis`, `rates`.
    #[param(inline)]
    of: Of,
    /// The company they belong to; a company's token may leave it out.
    company: Option<i64>,
    /// For rates: the brand; a brand's token may leave it out.
    brand: Option<i64>,
    /// For rates: the name of the prefix table.
    table: Option<String>,
    /// Say what would become of it, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// All lines or none; of all but rates at most 500 on SQLite and 20,000 on PostgreSQL.
    #[serde(default)]
    atomic: bool,
    /// For rates: prefixes that are not in the file go; else they stay as they are.
    #[serde(default)]
    replace: bool,
    /// The columns in their order, with commas between; the file has no heading then.
    columns: Option<String>,
}

impl Import {
    /// What is kept of the request, and whose job it is.
    async fn plan(self, api: &Api, caller: &Caller) -> Result<(Plan, Scope), Problem> {
        for noun in self.of.nouns() {
            caller.check(noun, Access::Write)?;
        }
        let columns = self.columns.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect());
        let (brand, company, scope) = if self.of == Of::Rates {
            caller.needs_brand("Prices are for a brand's operator.")?;
            let brand = api.db.brands().get(&caller.ctx, caller.brand(self.brand)?).await?.id;
            if self.table.as_ref().is_none_or(String::is_empty) {
                return Err(Problem::field("table", "expected the name of a prefix table"));
            }
            (brand, None, Scope::Brand(brand))
        } else {
            let company = api.db.companies().get(&caller.ctx, caller.company(self.company)?).await?;
            (company.brand, Some(company.id.0), Scope::Company(company.brand, company.id))
        };
        let plan = Plan {
            of: self.of,
            brand: brand.0,
            company,
            table: self.table,
            dry_run: self.dry_run,
            atomic: self.atomic,
            replace: self.replace,
            columns,
        };
        Ok((plan, scope))
    }
}

/// Takes a file in: comma-separated values (RFC 4180), UTF-8, at most 64 MiB and 1,000,000 lines. The first line names the
/// columns: the API's own names, or those of IvozProvider and sipXecs. What is there already is changed, what is not is
/// added, nothing is removed; an empty cell changes nothing. The answer is a job, whose report tells which lines are wrong,
/// and why.
#[utoipa::path(post, path = "/imports", tag = "jobs", params(Import),
    request_body(content = Vec<u8>, content_type = "text/csv", description = "The file"),
    responses((status = 202, body = Job), (status = 413, body = Problem, content_type = "application/problem+json"), Refusals))]
async fn import(
    State(api): State<Api>,
    caller: Caller,
    Params(wanted): Params<Import>,
    request: Request,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let (plan, scope) = wanted.plan(&api, &caller).await?;
    let new = NewJob {
        scope,
        kind: KIND.to_owned(),
        noun: plan.of.nouns().first().copied().unwrap_or_default().to_owned(),
        actor: caller.actor.clone(),
        impersonator: caller.impersonator.clone(),
        principal: caller.principal(),
        asked: serde_json::to_string(&plan).map_err(|_| Problem::internal())?,
        loading: true,
        made_at: api.switch.now(),
    };
    let job = api.db.jobs().create(&caller.ctx, new).await?;
    let heading = u64::from(plan.columns.is_none());
    let runs = api.db.job_runs();
    let loaded = tokio::time::timeout(FILE_WAIT, load(&api, job.id, request)).await;
    match loaded.unwrap_or_else(|_| Err(Problem::too_slow(FILE_WAIT))) {
        Ok(lines) => runs.ready(job.id, api.switch.now(), Some(lines.saturating_sub(heading))).await?,
        Err(problem) => {
            runs.broke_off(job.id).await?;
            return Err(problem);
        }
    }
    api.jobs.notify_one();
    Ok((StatusCode::ACCEPTED, Json(api.db.jobs().get(&caller.ctx, job.id).await?.into())))
}

/// Keeps the file piece by piece; how many lines it has, about.
async fn load(api: &Api, job: i64, request: Request) -> Result<u64, Problem> {
    let mut body = request.into_body().into_data_stream();
    let (mut piece, mut next, mut bytes, mut breaks) = (Vec::with_capacity(PIECE), 0, 0_u64, 0_u64);
    let mut last = b'\n';
    while let Some(some) = body.try_next().await.map_err(|_| Problem::malformed("The body broke off."))? {
        bytes += some.len() as u64;
        if bytes > BYTES_MAX {
            return Err(Problem::too_large(usize::try_from(BYTES_MAX).unwrap_or(usize::MAX)));
        }
        breaks += some.iter().filter(|b| **b == b'\n').count() as u64;
        last = some.last().copied().unwrap_or(last);
        for part in some.chunks(PIECE) {
            piece.extend_from_slice(part);
            if piece.len() >= PIECE {
                api.db.job_runs().add_piece(job, next, &piece).await?;
                next += 1;
                piece.clear();
            }
        }
    }
    if !piece.is_empty() {
        api.db.job_runs().add_piece(job, next, &piece).await?;
    }
    Ok(breaks + u64::from(last != b'\n'))
}

/// What is to be given out.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// The company it belongs to; a company's token may leave it out.
    company: Option<i64>,
    /// For rates: the brand; a brand's token may leave it out.
    brand: Option<i64>,
    /// For rates: the name of the prefix table.
    table: Option<String>,
}

/// Lines that go out together, and where the next ones begin.
type Lines = (Vec<String>, Option<i64>);

/// Gives out a file with the columns that an import takes: comma-separated values, passwords left out. Cells that a
/// spreadsheet would compute begin with an apostrophe, which an import takes off again.
#[utoipa::path(get, path = "/exports/{of}", tag = "jobs", params(("of" = String, Path, description = "`users`, `accounts`, `extensions`, `ddis`, `rates`"), Export),
    responses((status = 200, content_type = "text/csv", body = String), Refusals))]
async fn export(
    State(api): State<Api>,
    caller: Caller,
    Path(of): Path<String>,
    Params(wanted): Params<Export>,
) -> Result<Response, Problem> {
    let of = Of::from_word(&of).ok_or_else(|| Problem::not_found("export"))?;
    for noun in of.nouns() {
        caller.check(noun, Access::Read)?;
    }
    if of == Of::Rates {
        let lines = prices(&api, &caller, &wanted).await?;
        return Ok(answer(of, stream::iter(lines.into_iter().map(Ok::<_, StoreError>))));
    }
    let company = api.db.companies().get(&caller.ctx, caller.company(wanted.company)?).await?.id;
    let heading = text::written(heading(of).iter().copied());
    let begin = (api, caller.ctx, Some(0_i64), Some(heading));
    let pages = try_unfold(begin, move |(api, ctx, next, heading)| async move {
        if let Some(heading) = heading {
            return Ok(Some((heading, (api, ctx, next, None))));
        }
        let Some(after) = next else { return Ok(None) };
        let (lines, next) = page(&api, &ctx, (of, company), after).await?;
        Ok(Some((lines.concat(), (api, ctx, next, None))))
    });
    Ok(answer(of, pages))
}

fn answer(of: Of, lines: impl Stream<Item = Result<String, StoreError>> + Send + 'static) -> Response {
    let named = format!("attachment; filename=\"{}.csv\"", of.word());
    let about = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, named)];
    (about, Bytes::from_stream(lines)).into_response()
}

const fn heading(of: Of) -> &'static [&'static str] {
    match of {
        Of::Users => &["username", "display_name", "extension", "aliases", "ddi", "enabled"],
        Of::Accounts => &["username", "display_name", "enabled"],
        Of::Extensions => &["number", "target_kind", "target"],
        Of::Ddis => &["e164", "target_kind", "target", "call_filter", "record", "display_name", "description"],
        Of::Rates => &[],
    }
}

async fn prices(api: &Api, caller: &Caller, wanted: &Export) -> Result<Vec<String>, Problem> {
    let nothing = || Problem::not_found("prefix table");
    let brand: BrandId = api.db.brands().get(&caller.ctx, caller.brand(wanted.brand)?).await?.id;
    let all = api.db.prefix_tables().list(&caller.ctx, Page::first()).await?;
    let found = all.into_iter().find(|t| t.brand == brand && Some(&t.name) == wanted.table.as_ref());
    let text = api.db.prefix_tables().text(found.ok_or_else(nothing)?.id).await?.ok_or_else(nothing)?;
    tokio::task::spawn_blocking(move || rates::shown(&text))
        .await
        .map_err(|_| Problem::internal())?
        .map_err(|why| Problem::conflict(format!("The table cannot be read: {why}.")))
}

/// A page of lines.
async fn page(api: &Api, ctx: &OpContext, (of, company): (Of, CompanyId), after: i64) -> Result<Lines, StoreError> {
    let page = Page { after, ..Page::first() };
    let full = |n: usize| n >= usize::try_from(page.limit).unwrap_or(usize::MAX);
    match of {
        Of::Accounts | Of::Users => {
            let rows = api.db.accounts().list(ctx, Some(company), page).await?;
            let next = rows.last().map(|r| r.id.0).filter(|_| full(rows.len()));
            let numbers = if of == Of::Users { numbers(api, ctx, company).await? } else { Numbers::default() };
            let line = |row: &model::Account| {
                let enabled = if row.enabled { "yes" } else { "no" };
                if of == Of::Accounts {
                    return text::written([row.username.as_str(), &row.display_name, enabled]);
                }
                let mut extensions = numbers.extensions.get(&row.username).cloned().unwrap_or_default().into_iter();
                let first = extensions.next().unwrap_or_default();
                let aliases = extensions.collect::<Vec<_>>().join(" ");
                let ddi = numbers.ddis.get(&row.username).map_or("", String::as_str);
                text::written([row.username.as_str(), &row.display_name, &first, &aliases, ddi, enabled])
            };
            Ok((rows.iter().map(line).collect(), next))
        }
        Of::Extensions => {
            let rows = api.db.extensions().list(ctx, Some(company), page).await?;
            let next = rows.last().map(|r| r.id.0).filter(|_| full(rows.len()));
            let line = |row: &model::Extension| {
                let (kind, name) = super::target_words(&row.target);
                text::written([row.number.as_str(), kind, name])
            };
            Ok((rows.iter().map(line).collect(), next))
        }
        Of::Ddis => {
            let rows = api.db.ddis().list(ctx, Some(company), page).await?;
            let next = rows.last().map(|r| r.id.0).filter(|_| full(rows.len()));
            let line = |row: &store::Number| {
                let (kind, name) = row.target.as_ref().map(super::target_words).unwrap_or_default();
                let filter = row.call_filter.as_deref().unwrap_or_default();
                let words = [row.display_name.as_str(), row.description.as_str()];
                text::written([&[row.e164.as_str(), kind, name, filter, row.record.word()][..], &words].concat())
            };
            Ok((rows.iter().map(line).collect(), next))
        }
        Of::Rates => Ok((Vec::new(), None)),
    }
}

/// A company's numbers by the account they lead to.
#[derive(Default)]
struct Numbers {
    extensions: BTreeMap<String, Vec<String>>,
    ddis: BTreeMap<String, String>,
}

async fn numbers(api: &Api, ctx: &OpContext, company: CompanyId) -> Result<Numbers, StoreError> {
    let mut numbers = Numbers::default();
    let full = |n: usize, page: Page| n >= usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut page = Page::first();
    loop {
        let rows = api.db.extensions().list(ctx, Some(company), page).await?;
        let last = rows.last().map(|r| r.id.0).filter(|_| full(rows.len(), page));
        for row in rows {
            if let RouteTarget::Account(name) = row.target {
                numbers.extensions.entry(name).or_default().push(row.number);
            }
        }
        let Some(last) = last else { break };
        page.after = last;
    }
    page = Page::first();
    loop {
        let rows = api.db.ddis().list(ctx, Some(company), page).await?;
        let last = rows.last().map(|r| r.id.0).filter(|_| full(rows.len(), page));
        for row in rows {
            if let Some(RouteTarget::Account(name)) = row.target {
                numbers.ddis.entry(name).or_insert(row.e164);
            }
        }
        let Some(last) = last else { return Ok(numbers) };
        page.after = last;
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    // The handler counts what streams in.
    OpenApiRouter::new().routes(routes!(import)).layer(DefaultBodyLimit::disable()).routes(routes!(export))
}
