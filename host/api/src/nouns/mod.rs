//! One file per noun: its form on the wire, its endpoints, nothing else.

pub(crate) mod accounts;
pub(crate) mod archives;
pub(crate) mod audit;
pub(crate) mod bans;
pub(crate) mod binding_config;
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
pub(crate) mod faxes;
pub(crate) mod identities;
pub(crate) mod imports;
pub(crate) mod jobs;
pub(crate) mod logins;
pub(crate) mod mail;
pub(crate) mod mailboxes;
pub(crate) mod me;
pub(crate) mod outgoing_routes;
pub(crate) mod people;
pub(crate) mod plugin_logs;
pub(crate) mod plugins;
pub(crate) mod policies;
pub(crate) mod prefix_tables;
pub(crate) mod recordings;
pub(crate) mod registrations;
pub(crate) mod replays;
pub(crate) mod route_groups;
pub(crate) mod route_patterns;
pub(crate) mod route_tags;
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
use model::RouteTarget;
use serde::{Deserialize, Serialize};
use store::Page;
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
