//! One file per noun: its form on the wire, its endpoints, nothing else.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod bans;
pub(crate) mod bindings;
pub(crate) mod brand_rules;
pub(crate) mod brands;
pub(crate) mod calls;
pub(crate) mod cdrs;
pub(crate) mod companies;
pub(crate) mod countries;
pub(crate) mod ddis;
pub(crate) mod events;
pub(crate) mod extensions;
pub(crate) mod identities;
pub(crate) mod imports;
pub(crate) mod jobs;
pub(crate) mod logins;
pub(crate) mod mail;
pub(crate) mod mailboxes;
pub(crate) mod me;
pub(crate) mod people;
pub(crate) mod plugins;
pub(crate) mod policies;
pub(crate) mod prefix_tables;
pub(crate) mod recordings;
pub(crate) mod registrations;
pub(crate) mod replays;
pub(crate) mod rules;
pub(crate) mod security;
pub(crate) mod socket;
pub(crate) mod summons;
pub(crate) mod timetables;
pub(crate) mod tokens;
pub(crate) mod translation_sets;
pub(crate) mod trunks;
pub(crate) mod voicemail;
pub(crate) mod wallets;

use crate::problem::Problem;
use axum::Json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{CompanyId, RouteTarget};
use serde::{Deserialize, Serialize};
use store::{Page, Sorted};
use utoipa::{IntoParams, ToSchema};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Many<T> {
    /// The items.
    items: Vec<T>,
    /// Give it back as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What a list endpoint answers.
pub(crate) type Listed<T> = Result<Json<Many<T>>, Problem>;

impl<T> Many<T> {
    /// A list that has no pages.
    pub(crate) fn all(items: impl IntoIterator<Item = impl Into<T>>) -> Json<Self> {
        Json(Many { items: items.into_iter().map(Into::into).collect(), next: None })
    }

    /// A page of rows; one that is full may have another after it.
    pub(crate) fn page<R: Into<T>>(rows: Vec<R>, page: Page, id: impl Fn(&R) -> i64) -> Json<Self> {
        let next = Self::next(&rows, page, id);
        Self::of(rows, next)
    }

    /// A page and where the next begins.
    pub(crate) fn of<R: Into<T>>(rows: Vec<R>, next: Option<String>) -> Json<Self> {
        Json(Many { items: rows.into_iter().map(Into::into).collect(), next })
    }

    /// A page of rows in the order of a name.
    pub(crate) fn sorted<R: Into<T>>(rows: Vec<R>, page: &Sorted, key: impl Fn(&R) -> (&str, i64)) -> Json<Self> {
        let full = rows.len() >= usize::try_from(page.limit).unwrap_or(usize::MAX);
        let next = rows.last().filter(|_| full).map(|row| {
            let (name, id) = key(row);
            format!("{id}.{}", URL_SAFE_NO_PAD.encode(name))
        });
        Self::of(rows, next)
    }

    /// Where the page after these rows begins, if there may be one.
    pub(crate) fn next<R>(rows: &[R], page: Page, id: impl Fn(&R) -> i64) -> Option<String> {
        let full = rows.len() >= usize::try_from(page.limit).unwrap_or(usize::MAX);
        rows.last().filter(|_| full).map(|r| id(r).to_string())
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// `next` of the page before.
    #[serde(default)]
    after: Option<i64>,
    /// At most so many, 1 to 1000; else 100.
    #[serde(default)]
    limit: Option<u32>,
}

impl Paging {
    pub(crate) fn page(&self) -> Result<Page, Problem> {
        Ok(Page { after: self.after.unwrap_or(0), limit: limit(self.limit)? })
    }
}

/// A page's size.
pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Problem> {
    match wanted.unwrap_or(100) {
        n @ 1..=Page::LIMIT_MAX => Ok(n),
        _ => Err(Problem::field("limit", format!("expected 1 to {}", Page::LIMIT_MAX))),
    }
}

/// Which page of a list, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ordered {
    /// A column to order by, from the last to the first with a `-` before it; else by `id`.
    order: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; else 100.
    limit: Option<u32>,
}

/// In which order a page comes.
pub(crate) enum InOrder {
    /// Of their ids.
    Ids(Page),
    /// Of the column.
    Names(Sorted),
}

impl Ordered {
    /// The page of a list that may be in the order of this column too.
    pub(crate) fn by(&self, column: &str) -> Result<InOrder, Problem> {
        in_order((self.order.as_deref(), self.after.as_deref(), self.limit), column)
    }
}

/// The page that `order`, `after` and `limit` name, of a list that may be in the order of this column too.
pub(crate) fn in_order(
    (order, after, wanted): (Option<&str>, Option<&str>, Option<u32>),
    column: &str,
) -> Result<InOrder, Problem> {
    let (limit, wrong) = (limit(wanted)?, || Problem::field("after", "expected `next` of the page before"));
    let order = order.unwrap_or("id");
    let (down, name) = order.strip_prefix('-').map_or((false, order), |name| (true, name));
    if name == "id" && !down {
        let after = after.map_or(Ok(0), str::parse).map_err(|_| wrong())?;
        return Ok(InOrder::Ids(Page { after, limit }));
    }
    if name != column {
        return Err(Problem::field("order", format!("expected id, {column} or -{column}")));
    }
    let read = |text: &str| {
        let (id, name) = text.split_once('.')?;
        Some((String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?, id.parse().ok()?))
    };
    let after = after.map(|text| read(text).ok_or_else(wrong)).transpose()?;
    Ok(InOrder::Names(Sorted { down, after, limit }))
}

/// Which page of a list, of which company, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct InCompany {
    /// Of this company.
    company: Option<i64>,
    /// A column to order by, from the last to the first with a `-` before it; else by `id`.
    order: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; else 100.
    limit: Option<u32>,
}

impl InCompany {
    /// The page of a list that may be in the order of this column too.
    pub(crate) fn by(&self, column: &str) -> Result<InOrder, Problem> {
        in_order((self.order.as_deref(), self.after.as_deref(), self.limit), column)
    }

    pub(crate) fn company(&self) -> Option<CompanyId> {
        self.company.map(CompanyId)
    }
}

/// A field of a PATCH that may be absent (keep), null (none) or a value.
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// Where a number leads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// What it is.
    kind: TargetKind,
    /// An account's user name, the name of a call app's binding, an extension's number, the name of a rule, queue or room,
    /// or a public number.
    name: String,
}

/// What a number leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TargetKind {
    /// An account.
    Account,
    /// A call app.
    App,
    /// An extension; for public numbers only.
    Extension,
    /// A hunt group: a rule.
    HuntGroup,
    /// Where a conditional route says: a rule.
    ConditionalRoute,
    /// The voicemail of an account: the app bound as `voicemail`, with the argument `mailbox`.
    Voicemail,
    /// A queue: the app bound as `queue`, with the argument `queue`.
    Queue,
    /// A conference room: the app bound as `conference`, with the argument `room`.
    Conference,
    /// A public number, in E.164; the company pays.
    Number,
}

/// The words of where a number leads: its kind and its name.
pub(crate) fn target_words(target: &RouteTarget) -> (&'static str, &str) {
    match target {
        RouteTarget::Account(name) => ("account", name),
        RouteTarget::App(name) => ("app", name),
        RouteTarget::Extension(name) => ("extension", name),
        RouteTarget::HuntGroup(name) => ("hunt-group", name),
        RouteTarget::ConditionalRoute(name) => ("conditional-route", name),
        RouteTarget::Voicemail(name) => ("voicemail", name),
        RouteTarget::Queue(name) => ("queue", name),
        RouteTarget::Conference(name) => ("conference", name),
        RouteTarget::Number(name) => ("number", name),
    }
}

impl From<RouteTarget> for Target {
    fn from(target: RouteTarget) -> Self {
        let (kind, name) = match target {
            RouteTarget::Account(name) => (TargetKind::Account, name),
            RouteTarget::App(name) => (TargetKind::App, name),
            RouteTarget::Extension(name) => (TargetKind::Extension, name),
            RouteTarget::HuntGroup(name) => (TargetKind::HuntGroup, name),
            RouteTarget::ConditionalRoute(name) => (TargetKind::ConditionalRoute, name),
            RouteTarget::Voicemail(name) => (TargetKind::Voicemail, name),
            RouteTarget::Queue(name) => (TargetKind::Queue, name),
            RouteTarget::Conference(name) => (TargetKind::Conference, name),
            RouteTarget::Number(name) => (TargetKind::Number, name),
        };
        Target { kind, name }
    }
}

impl From<Target> for RouteTarget {
    fn from(Target { kind, name }: Target) -> Self {
        match kind {
            TargetKind::Account => RouteTarget::Account(name),
            TargetKind::App => RouteTarget::App(name),
            TargetKind::Extension => RouteTarget::Extension(name),
            TargetKind::HuntGroup => RouteTarget::HuntGroup(name),
            TargetKind::ConditionalRoute => RouteTarget::ConditionalRoute(name),
            TargetKind::Voicemail => RouteTarget::Voicemail(name),
            TargetKind::Queue => RouteTarget::Queue(name),
            TargetKind::Conference => RouteTarget::Conference(name),
            TargetKind::Number => RouteTarget::Number(name),
        }
    }
}
