//! Mail: the hosts that take it, and what is on its way.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::switch::MailTrialError;
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use core::time::Duration;
use model::{BrandId, MailHost, MailTemplate, MailTls};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::ShownMailHost;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// So long a host that was tried too often rests.
const HOUR: Duration = Duration::from_secs(3_600);

/// How the connection to a mail host is kept secret.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailSecrecy {
    /// STARTTLS, without which nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all; with a user only on loopback.
    None,
}

/// The words of a kind of mail; `{field}` stands for what is known of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailWords {
    /// One line, at most 200 bytes.
    subject: String,
    /// At most 8192 bytes.
    text: String,
}

/// A host that takes mail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailHostShown {
    host: String,
    port: u16,
    tls: MailSecrecy,
    /// Authorities beside the system's, PEM.
    ca: Option<String>,
    user: Option<String>,
    /// Whether its user has a password. The password is never shown.
    has_password: bool,
    from: String,
    from_name: Option<String>,
    templates: BTreeMap<String, MailWords>,
}

/// A host to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutMailHost {
    /// A name or an address.
    host: String,
    /// 1 to 65535.
    port: u16,
    #[serde(default)]
    tls: MailSecrecy,
    /// Authorities beside the system's, PEM.
    #[serde(default)]
    ca: Option<String>,
    /// Who we are for it; null = it asks nobody.
    #[serde(default)]
    user: Option<String>,
    /// Sealed, and never shown again. Null = the one that is there stays, if host, TLS and user stay.
    #[serde(default)]
    password: Option<String>,
    /// The address that mail is from.
    from: String,
    /// The name beside it.
    #[serde(default)]
    from_name: Option<String>,
    /// By name: `voicemail`, `missed-call`, or one that a plugin names.
    #[serde(default)]
    templates: BTreeMap<String, MailWords>,
}

impl From<ShownMailHost> for MailHostShown {
    fn from(ShownMailHost { host: h, has_password }: ShownMailHost) -> Self {
        let words = |(name, t): (String, MailTemplate)| (name, MailWords { subject: t.subject, text: t.text });
        MailHostShown {
            host: h.host,
            port: h.port,
            tls: match h.tls {
                MailTls::Starttls => MailSecrecy::Starttls,
                MailTls::Tls => MailSecrecy::Tls,
                MailTls::None => MailSecrecy::None,
            },
            ca: h.ca,
            user: h.user,
            has_password,
            from: h.from,
            from_name: h.from_name,
            templates: h.templates.into_iter().map(words).collect(),
        }
    }
}

impl PutMailHost {
    fn split(self) -> (MailHost, Option<String>) {
        let words = |(name, w): (String, MailWords)| (name, MailTemplate { subject: w.subject, text: w.text });
        let host = MailHost {
            host: self.host,
            port: self.port,
            tls: match self.tls {
                MailSecrecy::Starttls => MailTls::Starttls,
                MailSecrecy::Tls => MailTls::Tls,
                MailSecrecy::None => MailTls::None,
            },
            ca: self.ca,
            user: self.user,
            from: self.from,
            from_name: self.from_name,
            templates: self.templates.into_iter().map(words).collect(),
        };
        (host, self.password)
    }
}

/// The platform's operator; anybody else is refused before the body is read.
struct Operator(Caller);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.ctx.scope {
            store::Scope::Platform => Ok(Operator(caller)),
            store::Scope::Brand(_) | store::Scope::Company(..) => {
                Err(Problem::forbidden("The platform's mail host is for the platform's operator."))
            }
        }
    }
}

/// Shows the platform's mail host.
#[utoipa::path(get, path = "/mail-host", tag = "mail", responses((status = 200, body = MailHostShown), Refusals))]
async fn show(State(api): State<Api>, Operator(caller): Operator) -> Result<Json<MailHostShown>, Problem> {
    Ok(Json(api.db.mail_hosts().get(&caller.ctx, None).await?.into()))
}

/// Sets the platform's mail host: brands that have none of their own send by it.
#[utoipa::path(put, path = "/mail-host", tag = "mail", request_body = PutMailHost,
    responses((status = 200, body = MailHostShown), Refusals))]
async fn put(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(body): Body<PutMailHost>,
) -> Result<Json<MailHostShown>, Problem> {
    let (host, password) = body.split();
    Ok(Json(api.db.mail_hosts().put(&caller.ctx, None, (&host, password.as_deref())).await?.into()))
}

/// Takes the platform's mail host away: what would go by it waits.
#[utoipa::path(delete, path = "/mail-host", tag = "mail", responses((status = 204, description = "Gone"), Refusals))]
async fn remove_host(State(api): State<Api>, Operator(caller): Operator) -> Result<StatusCode, Problem> {
    api.db.mail_hosts().remove(&caller.ctx, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a brand's mail host.
#[utoipa::path(get, path = "/brands/{id}/mail-host", tag = "mail", params(("id" = i64, Path)),
    responses((status = 200, body = MailHostShown), Refusals))]
async fn show_of(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<MailHostShown>, Problem> {
    Ok(Json(api.db.mail_hosts().get(&caller.ctx, Some(BrandId(id))).await?.into()))
}

/// Sets a brand's mail host. It must be at a public address, unless the node's configuration says otherwise.
#[utoipa::path(put, path = "/brands/{id}/mail-host", tag = "mail", params(("id" = i64, Path)), request_body = PutMailHost,
    responses((status = 200, body = MailHostShown), Refusals))]
async fn put_of(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PutMailHost>,
) -> Result<Json<MailHostShown>, Problem> {
    let (host, password) = body.split();
    let wanted = (&host, password.as_deref());
    Ok(Json(api.db.mail_hosts().put(&caller.ctx, Some(BrandId(id)), wanted).await?.into()))
}

/// Takes a brand's mail host away: its mail goes by the platform's.
#[utoipa::path(delete, path = "/brands/{id}/mail-host", tag = "mail", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn remove_of(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.mail_hosts().remove(&caller.ctx, Some(BrandId(id))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a mail for trial goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailTrialTo {
    /// As anna@example.com.
    to: String,
}

/// What a mail host said to a mail for trial.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailTrial {
    /// Whether it has taken the mail.
    taken: bool,
    /// Why not, in its words.
    error: Option<String>,
}

async fn tried(api: &Api, caller: &Caller, brand: Option<BrandId>, to: String) -> Result<Json<MailTrial>, Problem> {
    let host = api.db.mail_hosts().on_trial(&caller.ctx, brand).await?;
    if !model::is_mail_address(&to) {
        return Err(Problem::field("to", "expected an address, as anna@example.com"));
    }
    match api.switch.try_mail(host, to).await {
        Ok(()) => Ok(Json(MailTrial { taken: true, error: None })),
        Err(MailTrialError::Refused(why)) => Ok(Json(MailTrial { taken: false, error: Some(why) })),
        Err(MailTrialError::TooOften) => Err(Problem::too_many(HOUR)),
    }
}

/// Sends a mail by the platform's mail host at once, past the queue, and says what the host says. A few times an hour.
#[utoipa::path(post, path = "/mail-host/trial", tag = "mail", request_body = MailTrialTo,
    responses((status = 200, body = MailTrial), Refusals))]
async fn trial(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(body): Body<MailTrialTo>,
) -> Result<Json<MailTrial>, Problem> {
    tried(&api, &caller, None, body.to).await
}

/// Sends a mail by the host that the brand's mail goes by, its own or the platform's, as the platform's is tried.
#[utoipa::path(post, path = "/brands/{id}/mail-host/trial", tag = "mail", params(("id" = i64, Path)),
    request_body = MailTrialTo, responses((status = 200, body = MailTrial), Refusals))]
async fn trial_of(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<MailTrialTo>,
) -> Result<Json<MailTrial>, Problem> {
    tried(&api, &caller, Some(BrandId(id)), body.to).await
}

/// A mail to one address. What it says is not shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mail {
    id: i64,
    brand: i64,
    company: i64,
    /// The plugin's binding that sends it; empty for mailboxes.
    binding: String,
    /// The same at every try.
    message_id: String,
    to: String,
    subject: String,
    /// How many sounds go with it.
    attachments: usize,
    /// `waiting`, `sending`, `sent`, `dead` (tried in vain, or refused for good).
    state: &'static str,
    made_at: String,
    /// When it is tried, or was to be.
    due_at: String,
    ended_at: Option<String>,
    tries: u32,
    /// Why the last try failed.
    error: Option<String>,
}

impl From<store::Mail> for Mail {
    fn from(m: store::Mail) -> Self {
        Mail {
            id: m.id,
            brand: m.what.brand.0,
            company: m.what.company.0,
            binding: m.what.binding,
            message_id: m.what.message_id,
            to: m.what.to,
            subject: m.what.subject,
            attachments: m.what.files.len(),
            state: m.state.word(),
            made_at: rfc3339(m.made_at),
            due_at: rfc3339(m.due_at),
            ended_at: m.ended_at.map(rfc3339),
            tries: m.tries,
            error: m.error,
        }
    }
}

impl Noun for Mail {
    fn listing() -> &'static store::Listing {
        store::lists::MAILS
    }
}

/// Lists mails, the newest first; those that were sent or are dead for thirty days.
#[utoipa::path(get, path = "/mails", tag = "mail", params(Asked<Mail>),
    responses((status = 200, body = Many<Mail>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Mail>) -> Listed<Mail> {
    Ok(Many::found(api.db.mails().found(&caller.ctx, &asked.0).await?))
}

/// Shows a mail.
#[utoipa::path(get, path = "/mails/{id}", tag = "mail", params(("id" = i64, Path)),
    responses((status = 200, body = Mail), Refusals))]
async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Mail>, Problem> {
    Ok(Json(api.db.mails().get(&caller.ctx, id).await?.into()))
}

/// Tries a mail that waits or is dead again at once.
#[utoipa::path(post, path = "/mails/{id}/retry", tag = "mail", params(("id" = i64, Path)),
    responses((status = 200, body = Mail), Refusals))]
async fn retry(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Mail>, Problem> {
    Ok(Json(api.db.mails().retry(&caller.ctx, id, api.switch.now()).await?.into()))
}

/// Forgets a mail; one that waits is not sent.
#[utoipa::path(delete, path = "/mails/{id}", tag = "mail", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn remove(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.mails().remove(&caller.ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show, put, remove_host))
        .routes(routes!(trial))
        .routes(routes!(show_of, put_of, remove_of))
        .routes(routes!(trial_of))
        .routes(routes!(list))
        .routes(routes!(get, remove))
        .routes(routes!(retry))
}
