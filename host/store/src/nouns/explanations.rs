//! Why calls went where they went: every question to the routing chain, with every hook's answer. Kept beside the CDRs.

use crate::sql::{args, in_scope, instant, micros, statements, stored, translated};
use crate::{Db, OpContext, StoreError};
use model::{BrandId, CallId, CompanyId, Explained, HookReport};
use serde::{Deserialize, Serialize};
use std::time::Duration;

statements! { "explanation";
    INSERT = "INSERT INTO call_explanations (call_id, step, brand_id, company_id, at, asked, callee, decision, hooks)
        SELECT CAST($1 AS TEXT), COALESCE(MAX(step) + 1, 0), CAST($2 AS BIGINT), CAST($3 AS BIGINT),
        CAST($4 AS BIGINT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT)
        FROM call_explanations WHERE call_id = $1";
    OF_CALL = concat!("SELECT call_id, company_id, at, asked, callee, decision, hooks FROM call_explanations
        WHERE call_id = $3 AND ", in_scope!(), " ORDER BY step");
}

#[derive(sqlx::FromRow)]
pub(crate) struct ExplainedRow {
    call_id: String,
    company_id: i64,
    at: i64,
    asked: String,
    callee: String,
    decision: String,
    hooks: String,
}

/// A hook's report as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    binding: String,
    plugin: String,
    outcome: String,
    us: u64,
    #[serde(default)]
    warm: bool,
}

impl TryFrom<ExplainedRow> for Explained {
    type Error = StoreError;
    fn try_from(row: ExplainedRow) -> Result<Explained, StoreError> {
        let kept: Vec<Kept> = stored("hook report", serde_json::from_str(&row.hooks).ok())?;
        let report = |k: Kept| HookReport {
            binding: k.binding,
            plugin: k.plugin,
            outcome: k.outcome,
            took: Duration::from_micros(k.us),
            warm: k.warm,
        };
        Ok(Explained {
            call: stored("call id", row.call_id.parse().ok())?,
            company: CompanyId(row.company_id),
            at: instant(row.at),
            asked: row.asked,
            callee: row.callee,
            decision: row.decision,
            hooks: kept.into_iter().map(report).collect(),
        })
    }
}

fn hooks_text(hooks: &[HookReport]) -> String {
    let kept: Vec<Kept> = hooks
        .iter()
        .map(|h| Kept {
            binding: h.binding.clone(),
            plugin: h.plugin.clone(),
            outcome: h.outcome.clone(),
            us: u64::try_from(h.took.as_micros()).unwrap_or(u64::MAX),
            warm: h.warm,
        })
        .collect();
    // Strings and a number: always JSON.
    serde_json::to_string(&kept).unwrap_or_else(|_| "[]".to_owned())
}

/// The operations on explanations.
#[derive(Clone, Copy, Debug)]
pub struct Explanations<'a>(pub(crate) &'a Db);

impl Explanations<'_> {
    /// Writes explanations in one transaction; those of one call in the order in which they are given.
    ///
    /// # Errors
    /// The database failed; nothing was written.
    pub async fn add(&self, all: &[(BrandId, Explained)]) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        for (brand, why) in all {
            // PostgreSQL's text has no NUL, and a caller may send one.
            let clean = |text: &str| text.replace('\0', "\u{fffd}");
            let (call, hooks) = (why.call.to_string(), clean(&hooks_text(&why.hooks)));
            let (callee, decision) = (clean(&why.callee), clean(&why.decision));
            let args = [
                (&call).into(),
                brand.0.into(),
                why.company.0.into(),
                micros(why.at).into(),
                (&why.asked).into(),
                (&callee).into(),
                (&decision).into(),
                (&hooks).into(),
            ];
            tx.run(INSERT, &args).await?;
        }
        tx.commit().await
    }

    /// The explanations of a call in order; empty if the call is not in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn of_call(&self, ctx: &OpContext, call: CallId) -> Result<Vec<Explained>, StoreError> {
        translated(self.0.all::<ExplainedRow>(OF_CALL, args![ctx, &call.to_string()]).await?)
    }
}
