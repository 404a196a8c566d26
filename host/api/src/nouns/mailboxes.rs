//! Waiting messages: whoever keeps an account's messages outside the switch says here what its phones' lamps shall show.

use crate::extract::{Body, Id};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::extract::State;
use axum::http::StatusCode;
use model::{AccountId, BoxOwner, Mailbox, MessageCounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Counts of one class of messages.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Counts {
    /// Not heard yet.
    new: u32,
    /// Heard.
    old: u32,
    /// Urgent ones among the new.
    new_urgent: u32,
    /// Urgent ones among the old.
    old_urgent: u32,
}

impl From<Counts> for MessageCounts {
    fn from(counts: Counts) -> Self {
        let Counts { new, old, new_urgent, old_urgent } = counts;
        MessageCounts { new, old, new_urgent, old_urgent }
    }
}

/// What waits, whole.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PutMailbox {
    /// Voice messages.
    voice: Counts,
    /// Fax messages.
    fax: Counts,
}

/// Says what waits in an account's mailbox. It is not stored: after a restart of the switch it is to be said again.
#[utoipa::path(put, path = "/accounts/{id}/mailbox", tag = "accounts", params(("id" = i64, Path)),
    request_body = PutMailbox, responses((status = 204, description = "The phones are being told"), Refusals))]
async fn put(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PutMailbox>,
) -> Result<StatusCode, Problem> {
    let account = api.db.accounts().get(&caller.ctx, AccountId(id)).await?;
    let company = api.db.companies().get(&caller.ctx, account.company).await?;
    let whose = BoxOwner { brand: company.brand, company: account.company, account: account.username.clone() };
    let kept = api.db.voice_boxes().messages(&whose, None).await?;
    if !kept.is_empty() {
        return Err(Problem::conflict("Its messages are kept in the switch, which counts them."));
    }
    let PutMailbox { voice, fax } = body;
    let mailbox = Mailbox { company: account.company, account: account.username, voice: voice.into(), fax: fax.into() };
    api.switch.mailbox(mailbox).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(put))
}
