//! What a line becomes: requests to our own endpoints, with their lines in the audit log.

use super::plan::{Of, Plan};
use super::{Broke, Run};
use crate::auth::Caller;
use crate::gate::shown;
use crate::problem::Problem;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use model::{BrandId, CompanyId};
use serde_json::{Map, Value, json};
use store::{Act, Deed, Outcome, StoreError, Tenant};
use tower::ServiceExt as _;

/// Largest answer of an endpoint that is looked at.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    /// What it names is new.
    Added,
    /// It was there.
    Changed,
}

/// Why a line is not taken in.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is wrong: which columns, and why.
    Line(Vec<(String, String)>),
    /// Nothing can be taken in now.
    Run(Broke),
}

impl Refusal {
    fn of(field: &str, why: &str) -> Refusal {
        Refusal::Line(vec![(field.to_owned(), why.to_owned())])
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Run(error.into())
    }
}

/// A line's cells by the names of their columns.
type Cells<'a> = [(&'static str, &'a str)];

fn cell<'a>(cells: &Cells<'a>, name: &str) -> Option<&'a str> {
    cells.iter().find(|(column, _)| *column == name).map(|(_, cell)| *cell)
}

/// Does what lines say, as who asked for it.
pub(super) struct Doer<'a> {
    run: &'a Run,
    of: Of,
    caller: Caller,
    company: CompanyId,
    brand: BrandId,
}

impl<'a> Doer<'a> {
    pub(super) async fn of(run: &'a Run, plan: &Plan, caller: Caller) -> Result<Doer<'a>, Broke> {
        let company = CompanyId(plan.company.unwrap_or_default());
        // It may have gone since, or out of its asker's scope.
        let found = run.api.db.companies().get(&caller.ctx, company).await?;
        Ok(Doer { run, of: plan.of, caller, company, brand: found.brand })
    }

    pub(super) async fn line(&self, cells: &Cells<'_>) -> Result<Done, Refusal> {
        match self.of {
            Of::Accounts => {
                self.account(cells, cell(cells, "display_name").map(str::to_owned)).await.map(|(done, _)| done)
            }
            Of::Extensions => self.extension(cell(cells, "number").unwrap_or_default(), target(cells)?).await,
            Of::Ddis => self.ddi(cells).await,
            Of::Users => self.user(cells).await,
            Of::Rates => Err(Refusal::of("", "prices are no requests")),
        }
    }

    async fn account(&self, cells: &Cells<'_>, display_name: Option<String>) -> Result<(Done, i64), Refusal> {
        let username = cell(cells, "username").ok_or_else(|| Refusal::of("username", "must not be empty"))?;
        let mut body = Map::new();
        body.extend(display_name.map(|name| ("display_name".to_owned(), Value::from(name))));
        body.extend(cell(cells, "password").map(|password| ("password".to_owned(), Value::from(password))));
        if let Some(text) = cell(cells, "enabled") {
            body.insert("enabled".to_owned(), Value::from(yes_or_no("enabled", text)?));
        }
        match found(self.run.api.db.accounts().find(&self.caller.ctx, self.company, username).await)? {
            Some(account) => {
                self.ask(Method::PATCH, &format!("/accounts/{}", account.id.0), body.into()).await?;
                Ok((Done::Changed, account.id.0))
            }
            None if !body.contains_key("password") => Err(Refusal::of("password", "a new account needs one")),
            None => {
                body.extend([
                    ("company".to_owned(), Value::from(self.company.0)),
                    ("username".to_owned(), Value::from(username)),
                ]);
                let made = self.ask(Method::POST, "/accounts", body.into()).await?;
                Ok((Done::Added, made.get("id").and_then(Value::as_i64).unwrap_or_default()))
            }
        }
    }

    async fn extension(&self, number: &str, target: Option<Value>) -> Result<Done, Refusal> {
        if number.is_empty() {
            return Err(Refusal::of("number", "must not be empty"));
        }
        let needed = || Refusal::of("target", "a new extension needs one");
        match found(self.run.api.db.extensions().find(&self.caller.ctx, self.company, number).await)? {
            Some(extension) => {
                let body = target.map_or_else(|| json!({}), |target| json!({ "target": target }));
                self.ask(Method::PATCH, &format!("/extensions/{}", extension.id.0), body).await?;
                Ok(Done::Changed)
            }
            None => {
                let target = target.ok_or_else(needed)?;
                let body = json!({ "company": self.company.0, "number": number, "target": target });
                self.ask(Method::POST, "/extensions", body).await?;
                Ok(Done::Added)
            }
        }
    }

    async fn ddi(&self, cells: &Cells<'_>) -> Result<Done, Refusal> {
        let e164 = cell(cells, "e164").ok_or_else(|| Refusal::of("e164", "must not be empty"))?;
        let mut rest = Map::new();
        for name in ["call_filter", "record", "display_name", "description"] {
            rest.extend(cell(cells, name).map(|text| (name.to_owned(), Value::from(text))));
        }
        self.number(e164, target(cells)?, rest).await
    }

    /// A number of the company, or one that its brand has in stock and the line gives to it, or a new one.
    async fn number(&self, e164: &str, target: Option<Value>, mut rest: Map<String, Value>) -> Result<Done, Refusal> {
        let known = found(self.run.api.db.ddis().find(&self.caller.ctx, e164).await)?;
        let own = known.as_ref().filter(|ddi| ddi.company == Some(self.company));
        let needed = || Refusal::of("target", "a new public number needs one");
        if own.is_none() {
            target.is_some().then_some(()).ok_or_else(needed)?;
            rest.insert("company".to_owned(), Value::from(self.company.0));
        }
        rest.extend(target.map(|target| ("target".to_owned(), target)));
        let stock = known.as_ref().filter(|ddi| ddi.company.is_none());
        if let Some(ddi) = own.or(stock) {
            self.ask(Method::PATCH, &format!("/ddis/{}", ddi.id.0), rest.into()).await?;
            return Ok(if own.is_some() { Done::Changed } else { Done::Added });
        }
        rest.insert("e164".to_owned(), Value::from(e164));
        self.ask(Method::POST, "/ddis", rest.into()).await?;
        Ok(Done::Added)
    }

    /// Account, extensions, public number and login of one person.
    async fn user(&self, cells: &Cells<'_>) -> Result<Done, Refusal> {
        let username = cell(cells, "username").unwrap_or_default();
        let names: Vec<&str> = ["first_name", "last_name"].iter().filter_map(|name| cell(cells, name)).collect();
        let whole = cell(cells, "display_name").map(str::to_owned);
        let shown = whole.or_else(|| (!names.is_empty()).then(|| names.join(" ")));
        let (done, account) = self.account(cells, shown).await?;
        let to_them = json!({ "kind": "account", "name": username });
        let aliases = cell(cells, "aliases").unwrap_or_default().split([' ', ',', ';']).filter(|a| !a.is_empty());
        for (column, number) in
            cell(cells, "extension").map(|n| ("extension", n)).into_iter().chain(aliases.map(|a| ("aliases", a)))
        {
            self.extension(number, Some(to_them.clone())).await.map_err(|refusal| at_column(refusal, column))?;
        }
        if let Some(e164) = cell(cells, "ddi") {
            let done = self.number(e164, Some(to_them), Map::new()).await;
            done.map_err(|refusal| at_column(refusal, "ddi"))?;
        }
        if let Some(password) = cell(cells, "login_password") {
            let body = json!({
                "company": self.company.0, "account": account, "name": username, "password": password, "role": "user",
            });
            let made = self.ask(Method::POST, "/people", body).await;
            made.map_err(|refusal| at_column(refusal, "login_password"))?;
        }
        Ok(done)
    }

    /// Asks one of our own endpoints, and writes it down.
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Refusal> {
        let (path, api) = (format!("/api/v1{path}"), &self.run.api);
        let before = if method == Method::POST { None } else { self.send(Method::GET, &path, None).await?.ok() };
        let text = |value: &Value| shown(&path, value.to_string().as_bytes());
        let tenant = Tenant { brand: Some(self.brand), company: Some(self.company) };
        let act = Act::new(Deed {
            at: api.switch.now(),
            actor: self.caller.actor.clone(),
            impersonator: self.caller.impersonator.clone(),
            source: None,
            method: method.to_string(),
            path: format!("{path}?job={}", self.run.job.id),
            tenant,
            before: before.as_ref().and_then(text),
            asked: text(&body),
            key: None,
        });
        let status = if method == Method::POST { 201 } else { 200 };
        match api.db.acting(act.clone(), self.send(method, &path, Some(&body))).await? {
            Ok(answer) => {
                api.db.audit().finish(&act, &Outcome { tenant, after: text(&answer), status }).await?;
                Ok(answer)
            }
            Err(problem) => Err(refusal(problem)),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Result<Value, Problem>, Refusal> {
        let lost = |why: &str| Refusal::Run(Broke::Passing(why.to_owned()));
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let built = Request::builder().method(method).uri(path).body(Body::from(bytes));
        let mut request = built.map_err(|error| Refusal::of("", &error.to_string()))?;
        request.extensions_mut().insert(self.caller.clone());
        let inside: Router = self.run.inside.clone();
        let Ok(response) = inside.oneshot(request).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.map_err(|_| lost("an answer broke off"))?;
        let answer = || serde_json::from_slice(&bytes).ok();
        if status.is_success() {
            return Ok(Ok(answer().unwrap_or(Value::Null)));
        }
        let problem = serde_json::from_slice::<Problem>(&bytes).map_err(|_| lost("an answer has no meaning"))?;
        if status.is_server_error() {
            return Err(lost(&problem.detail));
        }
        Ok(Err(problem))
    }
}

/// A problem of a request as what is wrong with a line.
fn refusal(problem: Problem) -> Refusal {
    if problem.errors.is_empty() {
        return Refusal::of("", &problem.detail);
    }
    let column = |field: String| match field.split_once('.') {
        Some(("target", "kind")) => "target_kind".to_owned(),
        Some((first, _)) => first.to_owned(),
        None => field,
    };
    Refusal::Line(problem.errors.into_iter().map(|error| (column(error.field), error.detail)).collect())
}

fn at_column(refusal: Refusal, column: &str) -> Refusal {
    match refusal {
        Refusal::Line(faults) => Refusal::Line(faults.into_iter().map(|(_, why)| (column.to_owned(), why)).collect()),
        run @ Refusal::Run(_) => run,
    }
}

fn found<T>(found: Result<T, StoreError>) -> Result<Option<T>, Refusal> {
    match found {
        Ok(thing) => Ok(Some(thing)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn yes_or_no(column: &str, text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "y" => Ok(true),
        "0" | "false" | "no" | "n" => Ok(false),
        _ => Err(Refusal::of(column, "expected yes or no")),
    }
}

/// Where a number leads, if the line says so.
fn target(cells: &Cells<'_>) -> Result<Option<Value>, Refusal> {
    match (cell(cells, "target_kind"), cell(cells, "target")) {
        (None, None) => Ok(None),
        (kind, Some(name)) => Ok(Some(json!({ "kind": kind.unwrap_or("account"), "name": name }))),
        (Some(_), None) => Err(Refusal::of("target", "must not be empty where there is a target_kind")),
    }
}
