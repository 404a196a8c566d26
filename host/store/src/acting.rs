//! Who does what: the line of the audit log that a change is committed with.
//!
//! The API runs each changing request within [`Db::acting`]. The first transaction that the request commits takes the
//! line along, and marks the request's idempotency key as done: there is no change without its line, and no line of a
//! change that was not committed. What the answer was is filled in after it ([`crate::Audit::finish`]). Work outside such
//! a request (CDRs, plugins' keys, the switch's own) is nobody's act and has no line.

use crate::sql::Tx;
use crate::{Db, StoreError};
use model::{BrandId, CompanyId, Instant};
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static ACT: Arc<Act>;
}

/// Whose thing is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tenant {
    /// The brand; none = the platform's own.
    pub brand: Option<BrandId>,
    /// The company; none = the brand's own.
    pub company: Option<CompanyId>,
}

/// Who asks for a change, and for which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deed {
    /// When it was asked for.
    pub at: Instant,
    /// Who, as `token 5 ci` or `person 7 anna`.
    pub actor: String,
    /// Who stands behind the person that is acted as.
    pub impersonator: Option<String>,
    /// The address it came from.
    pub source: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// Whose thing it is, as far as is known before.
    pub tenant: Tenant,
    /// The thing before, JSON, secrets masked.
    pub before: Option<String>,
    /// What was asked, JSON, secrets masked.
    pub asked: Option<String>,
    /// The idempotency key that came with it.
    pub key: Option<String>,
}

/// A deed and the line it has.
#[derive(Debug)]
pub struct Act {
    pub(crate) deed: Deed,
    line: Mutex<Option<i64>>,
}

impl Act {
    /// A deed that has no line yet.
    #[must_use]
    pub fn new(deed: Deed) -> Arc<Act> {
        Arc::new(Act { deed, line: Mutex::new(None) })
    }

    /// Whether something was committed with its line.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.line().is_some()
    }

    /// Whose thing it was thought to be.
    #[must_use]
    pub const fn tenant(&self) -> Tenant {
        self.deed.tenant
    }

    /// Its line, once something was committed.
    pub(crate) fn line(&self) -> Option<i64> {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_line(&self, line: i64) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }
}

impl Db {
    /// Runs `work`; whatever it commits is committed with the deed's line.
    pub async fn acting<F: Future>(&self, act: Arc<Act>, work: F) -> F::Output {
        ACT.scope(act, work).await
    }

    /// For whom the caller acts, as far as was known before; `None` outside of [`Db::acting`].
    #[must_use]
    pub fn acting_for() -> Option<Tenant> {
        ACT.try_with(|act| act.tenant()).ok()
    }
}

/// Writes the line of the deed under way into this transaction, if it has none yet.
pub(crate) async fn note(tx: &mut Tx) -> Result<Option<(Arc<Act>, i64)>, StoreError> {
    let Some(act) = ACT.try_with(Arc::clone).ok().filter(|act| act.line().is_none()) else { return Ok(None) };
    let line = crate::nouns::audit::insert(tx, &act.deed).await?;
    if let Some(key) = &act.deed.key {
        crate::nouns::idempotency::commit(tx, &act.deed.actor, key).await?;
    }
    Ok(Some((act, line)))
}
