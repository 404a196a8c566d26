//! Click to call: whose phones ring, and what they call then.

use crate::Api;
use crate::problem::Problem;
use axum::Json;
use axum::http::StatusCode;
use core::time::Duration;
use model::{Account, Cause, Summons};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest number, and longest name, in characters.
const TEXT_CHARS_MAX: usize = 64;
/// How long phones may be asked to ring, in seconds; the switch's own limit may be shorter.
const RING_S: core::ops::RangeInclusive<u32> = 1..=180;

/// A call to be made for an account of a company.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddCall {
    /// The company's id; a company's token may leave it out.
    pub(crate) company: Option<i64>,
    /// Whose phones ring first: an extension that leads to an account, or an account's user name.
    pub(crate) caller: String,
    /// The number, as the account would dial it.
    to: String,
    /// What the account's phones show beside the number while they ring.
    name: Option<String>,
    /// Ask the account's phones to answer by themselves; else false.
    auto_answer: Option<bool>,
    /// How long the account's phones ring, 1 to 180 seconds; else, and at most, as the switch is configured.
    ring_s: Option<u32>,
}

/// A call to be made for oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddOwnCall {
    /// The number, as one would dial it.
    to: String,
    /// What one's phones show beside the number while they ring.
    name: Option<String>,
    /// Ask one's phones to answer by themselves; else false.
    auto_answer: Option<bool>,
    /// How long one's phones ring, 1 to 180 seconds; else, and at most, as the switch is configured.
    ring_s: Option<u32>,
}

impl From<AddCall> for AddOwnCall {
    fn from(AddCall { to, name, auto_answer, ring_s, .. }: AddCall) -> Self {
        AddOwnCall { to, name, auto_answer, ring_s }
    }
}

/// A call that has begun: the phones of its caller ring.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddedCall {
    /// 32 hex digits.
    id: String,
    company: i64,
    /// The account that calls.
    account: i64,
}

/// Begins a call for an account.
pub(crate) async fn begin(
    api: &Api,
    account: Account,
    body: AddOwnCall,
) -> Result<(StatusCode, Json<AddedCall>), Problem> {
    let dialled = |c: char| c.is_ascii_alphanumeric() || "*#+-._".contains(c);
    if body.to.is_empty() || body.to.len() > TEXT_CHARS_MAX || !body.to.chars().all(dialled) {
        return Err(Problem::field("to", "expected 1 to 64 digits, letters or * # + - . _"));
    }
    if body.name.as_ref().is_some_and(|n| n.chars().count() > TEXT_CHARS_MAX || n.chars().any(char::is_control)) {
        return Err(Problem::field("name", "expected at most 64 characters, none of them a control character"));
    }
    if body.ring_s.is_some_and(|ring| !RING_S.contains(&ring)) {
        return Err(Problem::field("ring_s", "expected 1 to 180"));
    }
    let wanted = Summons {
        account: account.id,
        number: body.to,
        display: body.name,
        auto_answer: body.auto_answer.unwrap_or(false),
        ring: body.ring_s.map(|ring| Duration::from_secs(u64::from(ring))),
    };
    let id = api.switch.summon(wanted).await?.map_err(refused)?;
    let begun = AddedCall { id: id.to_string(), company: account.company.0, account: account.id.0 };
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

/// Why nothing rings, in words.
fn refused(cause: Cause) -> Problem {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the engine refuses for few of the catalogue's causes")]
    match cause {
        Cause::NotFound => Problem::not_found("account"),
        Cause::NotRegistered => Problem::conflict("None of the account's phones is registered."),
        Cause::CallsMaxOut => Problem::conflict("The account, its company or its brand has as many calls as it may."),
        Cause::LimitReached => Problem::too_many(Duration::from_secs(1)),
        other => Problem::unavailable(format!("{}: {}", other.code(), other.advice())),
    }
}
