//! The job that gives out a file: what `GET /exports/{of}` would say to who asked for it, kept sealed beside the job until
//! the job is forgotten, for those who may read what is in it.
//!
//! Each piece of the file is kept in one transaction with a word that the lease still holds, so a run that was believed
//! dead adds nothing to the file of the next one.

use super::import::plan::Of;
use super::import::{BYTES_MAX, PIECE};
use super::{Broke, Run};
use crate::auth::{self, Caller};
use crate::gate::ROOT;
use crate::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{Access, Step};
use tower::ServiceExt as _;

/// Its kind.
pub(crate) const KIND: &str = "export";
/// Largest refusal that is read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// What is to be given out: what is kept of the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) of: Of,
    /// Of rates.
    pub(crate) brand: Option<i64>,
    /// Of what belongs to a company.
    pub(crate) company: Option<i64>,
    /// Of rates: the table.
    pub(crate) table: Option<String>,
}

impl Plan {
    /// How a job was asked for.
    pub(crate) fn of_job(job: &store::Job) -> Option<Plan> {
        (job.kind == KIND).then(|| serde_json::from_str(&job.asked).ok()).flatten()
    }

    fn path(&self) -> String {
        let mut query = String::new();
        let numbers = [("company", self.company), ("brand", self.brand)];
        let named = numbers.into_iter().filter_map(|(name, id)| Some((name, id?.to_string())));
        for (name, value) in named.chain(self.table.as_deref().map(|table| ("table", escaped(table)))) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(name);
            query.push('=');
            query.push_str(&value);
        }
        format!("{ROOT}exports/{}{query}", self.of.word())
    }
}

/// A value as a query has it (RFC 3986 section 2.1).
fn escaped(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    value.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub(super) async fn run(run: &Run) -> Result<Value, Broke> {
    let unreadable = || Broke::Final("what it is to give out cannot be read".to_owned(), None);
    let plan = Plan::of_job(&run.job).ok_or_else(unreadable)?;
    let caller = auth::who_asked(&run.api, &run.job).await?;
    let caller = caller.ok_or_else(|| Broke::Final("who asked for it is not known any more".to_owned(), None))?;
    for noun in plan.of.nouns() {
        caller.check(noun, Access::Read).map_err(|problem| Broke::Final(problem.detail, None))?;
    }
    let answer = ask(run, &plan, caller).await?;
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer).await);
    }
    keep(run, answer).await
}

async fn ask(run: &Run, plan: &Plan, caller: Caller) -> Result<Response, Broke> {
    let request = Request::get(plan.path()).body(Body::empty());
    let mut request = request.map_err(|error| Broke::Final(error.to_string(), None))?;
    request.extensions_mut().insert(caller);
    let Ok(answer) = run.inside.clone().oneshot(request).await;
    Ok(answer)
}

async fn refusal(answer: Response) -> Broke {
    let passing = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
    let bytes = to_bytes(answer.into_body(), REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let why = serde_json::from_slice::<Problem>(&bytes).map_or_else(|_| "it was refused".to_owned(), |p| p.detail);
    if passing { Broke::Passing(why) } else { Broke::Final(why, None) }
}

/// Keeps the file piece by piece; how large it is, and its digest.
async fn keep(run: &Run, answer: Response) -> Result<Value, Broke> {
    let runs = run.api.db.job_runs();
    let batch = run.api.db.batch().await?;
    let begin = async {
        runs.step(run.lease(), Step::default()).await?;
        runs.drop_pieces(run.job.id).await
    };
    batch.step(begin).await??;
    batch.commit().await?;
    let mut body = answer.into_body().into_data_stream();
    let (mut piece, mut file) = (Vec::with_capacity(PIECE), File::default());
    while let Some(some) = body.try_next().await.map_err(|error| Broke::Passing(format!("it broke off: {error}")))? {
        for part in some.chunks(PIECE) {
            piece.extend_from_slice(part);
            if piece.len() >= PIECE {
                file.add(run, &piece).await?;
                piece.clear();
            }
        }
    }
    if !piece.is_empty() {
        file.add(run, &piece).await?;
    }
    let digest: String = file.digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(json!({ "lines": file.lines.saturating_sub(1), "bytes": file.bytes, "sha256": digest }))
}

/// What is kept so far.
#[derive(Default)]
struct File {
    pieces: u32,
    bytes: u64,
    lines: u64,
    digest: Sha256,
}

impl File {
    async fn add(&mut self, run: &Run, piece: &[u8]) -> Result<(), Broke> {
        self.bytes += piece.len() as u64;
        if self.bytes > BYTES_MAX {
            return Err(Broke::Final(format!("the file is larger than {BYTES_MAX} bytes"), None));
        }
        self.lines += piece.iter().filter(|b| **b == b'\n').count() as u64;
        self.digest.update(piece);
        let (runs, batch) = (run.api.db.job_runs(), run.api.db.batch().await?);
        let kept = async {
            // The heading is no line of what is given out.
            let step = Step { done: self.lines.saturating_sub(1), ..Step::default() };
            runs.step(run.lease(), step).await?;
            runs.add_piece(run.job.id, self.pieces, piece).await
        };
        batch.step(kept).await??;
        batch.commit().await?;
        self.pieces += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_request_that_it_stands_for() {
        let plan = Plan { of: Of::Users, brand: None, company: Some(7), table: None };
        assert_eq!(plan.path(), "/api/v1/exports/users?company=7");
        let plan = Plan { of: Of::Rates, brand: Some(3), company: None, table: Some("a b&c=ü".to_owned()) };
        assert_eq!(plan.path(), "/api/v1/exports/rates?brand=3&table=a%20b%26c%3D%C3%BC");
    }
}
