//! Where a number leads, as columns: one of `account`, `app` and `extension` is set. Columns, not a kind and a name, so
//! that foreign keys keep an account alive while a number leads to it.

use crate::StoreError;
use crate::sql::stored;
use model::RouteTarget;

/// The columns of a target.
pub(crate) struct TargetColumns<'a> {
    pub(crate) account: Option<&'a str>,
    pub(crate) app: Option<&'a str>,
    pub(crate) extension: Option<&'a str>,
}

impl<'a> From<&'a RouteTarget> for TargetColumns<'a> {
    fn from(target: &'a RouteTarget) -> Self {
        let none = TargetColumns { account: None, app: None, extension: None };
        match target {
            RouteTarget::Account(name) => TargetColumns { account: Some(name), ..none },
            RouteTarget::App(name) => TargetColumns { app: Some(name), ..none },
            RouteTarget::Extension(number) => TargetColumns { extension: Some(number), ..none },
        }
    }
}

pub(crate) fn target(
    account: Option<String>,
    app: Option<String>,
    extension: Option<String>,
) -> Result<RouteTarget, StoreError> {
    let target = account
        .map(RouteTarget::Account)
        .or_else(|| app.map(RouteTarget::App))
        .or_else(|| extension.map(RouteTarget::Extension));
    stored("target of a number", target)
}
