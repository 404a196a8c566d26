//! Where a number leads, as columns: one of them is set, and `rule_kind` with `rule_name`. Columns, not a kind and a name,
//! so that foreign keys keep an account or a rule alive while a number leads to it.

use crate::sql::stored;
use crate::{StoreError, check};
use model::{RouteTarget, RuleKind};

/// The columns of a target, in the order of [`target_columns`].
#[derive(Default)]
pub(crate) struct TargetColumns<'a> {
    pub(crate) account: Option<&'a str>,
    pub(crate) app: Option<&'a str>,
    pub(crate) extension: Option<&'a str>,
    pub(crate) voicemail: Option<&'a str>,
    pub(crate) rule_kind: Option<&'static str>,
    pub(crate) rule_name: Option<&'a str>,
    pub(crate) queue: Option<&'a str>,
    pub(crate) conference: Option<&'a str>,
    pub(crate) public_number: Option<&'a str>,
}

/// The names of the columns that extensions and public numbers have; these have `extension` besides.
macro_rules! target_columns {
    () => {
        "account, app, voicemail, rule_kind, rule_name, queue, conference, public_number"
    };
}
pub(crate) use target_columns;

impl<'a> TargetColumns<'a> {
    /// The columns of what may be meant.
    pub(crate) fn of(target: &'a RouteTarget) -> Result<Self, StoreError> {
        let of_rule = |kind: RuleKind, name| TargetColumns {
            rule_kind: Some(kind.word()),
            rule_name: Some(name),
            ..TargetColumns::default()
        };
        Ok(match target {
            RouteTarget::Account(name) => TargetColumns { account: Some(name), ..Self::default() },
            RouteTarget::App(name) => TargetColumns { app: Some(name), ..Self::default() },
            RouteTarget::Extension(number) => TargetColumns { extension: Some(number), ..Self::default() },
            RouteTarget::Voicemail(name) => TargetColumns { voicemail: Some(name), ..Self::default() },
            RouteTarget::HuntGroup(name) => of_rule(RuleKind::HuntGroup, name),
            RouteTarget::ConditionalRoute(name) => of_rule(RuleKind::ConditionalRoute, name),
            RouteTarget::Queue(name) => {
                check::name("queue", name)?;
                TargetColumns { queue: Some(name), ..Self::default() }
            }
            RouteTarget::Conference(name) => {
                check::name("conference", name)?;
                TargetColumns { conference: Some(name), ..Self::default() }
            }
            RouteTarget::Number(number) => {
                check::e164(number)?;
                TargetColumns { public_number: Some(number), ..Self::default() }
            }
        })
    }
}

/// What a row says of where it leads.
#[derive(sqlx::FromRow)]
pub(crate) struct TargetRow {
    account: Option<String>,
    app: Option<String>,
    #[sqlx(default)]
    extension: Option<String>,
    voicemail: Option<String>,
    rule_kind: Option<String>,
    rule_name: Option<String>,
    queue: Option<String>,
    conference: Option<String>,
    public_number: Option<String>,
}

impl TryFrom<TargetRow> for RouteTarget {
    type Error = StoreError;
    fn try_from(row: TargetRow) -> Result<RouteTarget, StoreError> {
        let rule = row.rule_name.zip(row.rule_kind).and_then(|(name, kind)| {
            Some(match RuleKind::from_word(&kind)? {
                RuleKind::HuntGroup => RouteTarget::HuntGroup(name),
                RuleKind::ConditionalRoute => RouteTarget::ConditionalRoute(name),
                RuleKind::MatchList
                | RuleKind::Schedule
                | RuleKind::Calendar
                | RuleKind::CallFilter
                | RuleKind::CallAcl
                | RuleKind::RouteLock
                | RuleKind::OutgoingDdiRules => return None,
            })
        });
        let target = row
            .account
            .map(RouteTarget::Account)
            .or_else(|| row.app.map(RouteTarget::App))
            .or_else(|| row.extension.map(RouteTarget::Extension))
            .or_else(|| row.voicemail.map(RouteTarget::Voicemail))
            .or(rule)
            .or_else(|| row.queue.map(RouteTarget::Queue))
            .or_else(|| row.conference.map(RouteTarget::Conference))
            .or_else(|| row.public_number.map(RouteTarget::Number));
        stored("target of a number", target)
    }
}
