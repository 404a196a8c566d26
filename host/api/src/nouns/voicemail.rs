//! Voice mailboxes of accounts: how they are kept, and their messages.

use super::{Listed, Many, limit, nullable};
use crate::extract::{Body, Id, Params};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use model::{AccountId, AppError, BoxMail, BoxOwner, BoxReply, BoxSettings, BoxVerb, Instant, VoiceBox, VoiceMessage};
use serde::{Deserialize, Serialize};
use store::Page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Where a message lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Folder {
    /// Not dealt with yet.
    New,
    /// Heard and kept.
    Saved,
    /// Forgotten after seven days.
    Deleted,
}

impl From<Folder> for model::Folder {
    fn from(folder: Folder) -> Self {
        match folder {
            Folder::New => model::Folder::New,
            Folder::Saved => model::Folder::Saved,
            Folder::Deleted => model::Folder::Deleted,
        }
    }
}

impl From<model::Folder> for Folder {
    fn from(folder: model::Folder) -> Self {
        match folder {
            model::Folder::New => Folder::New,
            model::Folder::Saved => Folder::Saved,
            model::Folder::Deleted => Folder::Deleted,
        }
    }
}

/// How the owner of a box is told of new messages by mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TellBy {
    /// As anna@example.com.
    address: String,
    /// Whether the sound goes with it; else it is only a notice.
    #[serde(default)]
    attach: bool,
    /// Whether the message is put among the deleted ones once the mail with its sound was taken. Only with `attach`.
    #[serde(default)]
    delete: bool,
}

impl From<BoxMail> for TellBy {
    fn from(m: BoxMail) -> Self {
        TellBy { address: m.address, attach: m.attach, delete: m.delete }
    }
}

impl From<TellBy> for BoxMail {
    fn from(t: TellBy) -> Self {
        BoxMail { address: t.address, attach: t.attach, delete: t.delete }
    }
}

/// An account's voice mailbox.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Voicemail {
    /// The account's user name.
    account: String,
    /// Whether callers may leave messages.
    enabled: bool,
    /// The longest message, in seconds.
    message_max_s: u32,
    /// Most messages that are not deleted.
    messages_max: u32,
    /// After so many days a message is forgotten, heard or not.
    keep_days: u32,
    /// Where its owner is told of new messages by mail.
    mail: Option<TellBy>,
    /// Whether a PIN was chosen.
    has_pin: bool,
    /// So many seconds no PIN is looked at.
    locked_s: u32,
    /// What its owner has spoken: `unavailable`, `busy`, `name`.
    greetings: Vec<&'static str>,
    new: u32,
    saved: u32,
    deleted: u32,
}

impl From<VoiceBox> for Voicemail {
    fn from(b: VoiceBox) -> Self {
        Voicemail {
            account: b.account,
            enabled: b.settings.enabled,
            message_max_s: b.settings.message_max_s,
            messages_max: b.settings.messages_max,
            keep_days: b.settings.keep_days,
            mail: b.settings.mail.map(Into::into),
            has_pin: b.has_pin,
            locked_s: b.locked_s,
            greetings: b.greetings.iter().map(|g| g.name()).collect(),
            new: b.new,
            saved: b.saved,
            deleted: b.deleted,
        }
    }
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchVoicemail {
    enabled: Option<bool>,
    /// 3 to 1200.
    message_max_s: Option<u32>,
    /// 1 to 5000.
    messages_max: Option<u32>,
    /// 1 to 3650.
    keep_days: Option<u32>,
    /// Null = no mail.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<TellBy>)]
    mail: Option<Option<TellBy>>,
    /// 4 to 12 digits; null = none, and the account's phone chooses one. Opens a locked box.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pin: Option<Option<String>>,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    id: i64,
    folder: Folder,
    /// A number, or nothing for a caller who showed none.
    caller: String,
    caller_name: Option<String>,
    received_at: String,
    length_ms: u64,
    urgent: bool,
}

impl From<VoiceMessage> for Message {
    fn from(m: VoiceMessage) -> Self {
        Message {
            id: m.id,
            folder: m.folder.into(),
            caller: m.caller,
            caller_name: m.caller_name,
            received_at: rfc3339(Instant::from_unix_nanos(m.received_ms.saturating_mul(1_000_000))),
            length_ms: m.length_ms,
            urgent: m.urgent,
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct InFolder {
    /// Only of this folder.
    #[param(inline)]
    folder: Option<Folder>,
    /// `next` of the page before.
    after: Option<i64>,
    /// At most so many, 1 to 1000; else 100.
    limit: Option<u32>,
}

/// Where a message shall lie.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchMessage {
    folder: Folder,
}

fn refused(error: AppError) -> Problem {
    match error {
        AppError::NotFound => Problem::not_found("message"),
        AppError::InvalidArgument(why) => match why.split_once(": ") {
            Some((field, why)) => Problem::field(field, why),
            None => Problem::malformed(why),
        },
        AppError::InvalidState(why) | AppError::LimitExceeded(why) | AppError::Denied(why) => Problem::conflict(why),
        AppError::Unavailable(why) => Problem::unavailable(why),
        AppError::Timeout | AppError::HungUp(_) | AppError::Cancelled => Problem::internal(),
    }
}

fn unfit() -> Problem {
    tracing::error!("the mailboxes gave a question another one's answer");
    Problem::internal()
}

/// The account's box, if the token may see the account.
async fn owner(api: &Api, caller: &Caller, id: i64) -> Result<BoxOwner, Problem> {
    let account = api.db.accounts().get(&caller.ctx, AccountId(id)).await?;
    let company = api.db.companies().get(&caller.ctx, account.company).await?;
    Ok(BoxOwner { brand: company.brand, company: account.company, account: account.username })
}

async fn ask(api: &Api, whose: BoxOwner, verb: BoxVerb) -> Result<BoxReply, Problem> {
    api.switch.voice_box(whose, verb).await.map_err(refused)
}

async fn done(api: &Api, whose: BoxOwner, verb: BoxVerb) -> Result<(), Problem> {
    match ask(api, whose, verb).await {
        Ok(BoxReply::Done) => Ok(()),
        Ok(_) => Err(unfit()),
        Err(problem) => Err(problem),
    }
}

async fn opened(api: &Api, whose: BoxOwner) -> Result<VoiceBox, Problem> {
    match ask(api, whose, BoxVerb::Open).await {
        Ok(BoxReply::Opened(found)) => Ok(found),
        Ok(_) => Err(unfit()),
        Err(problem) => Err(problem),
    }
}

/// The account's and the message's number in the path.
fn numbers((account, message): (String, String)) -> Result<(i64, i64), Problem> {
    let number = |text: String| text.parse().map_err(|_| Problem::not_found("message"));
    Ok((number(account)?, number(message)?))
}

/// Shows an account's voice mailbox. Every account has one.
#[utoipa::path(get, path = "/accounts/{id}/voicemail", tag = "voicemail", params(("id" = i64, Path)),
    responses((status = 200, body = Voicemail), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Voicemail>, Problem> {
    let whose = owner(&api, &caller, id).await?;
    Ok(Json(opened(&api, whose).await?.into()))
}

/// Changes how a voice mailbox is kept.
#[utoipa::path(patch, path = "/accounts/{id}/voicemail", tag = "voicemail", params(("id" = i64, Path)),
    request_body = PatchVoicemail, responses((status = 200, body = Voicemail), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchVoicemail>,
) -> Result<Json<Voicemail>, Problem> {
    let whose = owner(&api, &caller, id).await?;
    let now = opened(&api, whose.clone()).await?.settings;
    let wanted = BoxSettings {
        enabled: body.enabled.unwrap_or(now.enabled),
        message_max_s: body.message_max_s.unwrap_or(now.message_max_s),
        messages_max: body.messages_max.unwrap_or(now.messages_max),
        keep_days: body.keep_days.unwrap_or(now.keep_days),
        mail: body.mail.map_or_else(|| now.mail.clone(), |mail| mail.map(Into::into)),
    };
    if wanted != now {
        done(&api, whose.clone(), BoxVerb::Configure(wanted)).await?;
    }
    if let Some(pin) = body.pin {
        done(&api, whose.clone(), BoxVerb::SetPin(pin)).await?;
    }
    Ok(Json(opened(&api, whose).await?.into()))
}

/// Lists the messages of an account, the oldest first.
#[utoipa::path(get, path = "/accounts/{id}/voicemail/messages", tag = "voicemail", params(("id" = i64, Path), InFolder),
    responses((status = 200, body = Many<Message>), Refusals))]
async fn messages(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Params(filter): Params<InFolder>,
) -> Listed<Message> {
    let page = Page { after: filter.after.unwrap_or(0), limit: limit(filter.limit)? };
    let whose = owner(&api, &caller, id).await?;
    match ask(&api, whose, BoxVerb::Messages(filter.folder.map(Into::into))).await {
        Ok(BoxReply::Messages(mut list)) => {
            list.retain(|m| m.id > page.after);
            list.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
            Ok(Many::page(list, page, |m| m.id))
        }
        Ok(_) => Err(unfit()),
        Err(problem) => Err(problem),
    }
}

/// Gives a message's sound: WAV, 8 kHz, 16 bits.
#[utoipa::path(get, path = "/accounts/{id}/voicemail/messages/{message}/audio", tag = "voicemail",
    params(("id" = i64, Path), ("message" = i64, Path)),
    responses((status = 200, content_type = "audio/wav", body = Vec<u8>), Refusals))]
async fn audio(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Problem> {
    let (id, message) = numbers(path)?;
    let whose = owner(&api, &caller, id).await?;
    match ask(&api, whose, BoxVerb::Fetch(message)).await {
        Ok(BoxReply::File(wav)) => Ok(([(header::CONTENT_TYPE, "audio/wav")], wav)),
        Ok(_) => Err(unfit()),
        Err(problem) => Err(problem),
    }
}

/// Puts a message into another folder; the lamps of the account's phones follow.
#[utoipa::path(patch, path = "/accounts/{id}/voicemail/messages/{message}", tag = "voicemail",
    params(("id" = i64, Path), ("message" = i64, Path)), request_body = PatchMessage,
    responses((status = 204, description = "It lies there"), Refusals))]
async fn put_message(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    Body(body): Body<PatchMessage>,
) -> Result<StatusCode, Problem> {
    let (id, message) = numbers(path)?;
    let whose = owner(&api, &caller, id).await?;
    done(&api, whose, BoxVerb::Move(message, body.folder.into())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a message and its sound, at once and for good.
#[utoipa::path(delete, path = "/accounts/{id}/voicemail/messages/{message}", tag = "voicemail",
    params(("id" = i64, Path), ("message" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn erase(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (id, message) = numbers(path)?;
    let whose = owner(&api, &caller, id).await?;
    done(&api, whose, BoxVerb::Erase(message)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show, patch))
        .routes(routes!(messages))
        .routes(routes!(put_message, erase))
        .routes(routes!(audio))
}
