//! A tenant with a row that has no meaning: what is made of it at a first read, and what is taken from it after.
//!
//! At a first read nothing is known of the tenant, so as much is put in as has a meaning. Its phones register and may call
//! emergency numbers; who may have been forbidden something by what is missing is barred from calling the outside. Of a
//! tenant that is known the facts stay as they were, but for what only takes away: who was removed or disabled, or has
//! another password, must not go on calling because of somebody else's row.

use crate::image::Held;
use crate::news::Found;
use model::{Account, Directory, Holder, Row, RowId, Trunk};
use std::collections::{BTreeMap, BTreeSet};

/// A row of which not all has a meaning.
pub(crate) struct Short {
    /// Why.
    pub(crate) why: String,
    /// What of it has a meaning, where its tenant is not there to have it.
    pub(crate) left: Option<Box<Row>>,
}

/// Puts in what a row says as far as it has a meaning, and bars whom what has none may have forbidden something.
///
/// # Errors
/// [`Short`], where not all of it has a meaning.
pub(crate) fn put(directory: &mut Directory, found: Found) -> Result<(), Short> {
    let Found { id, holder, row, rest, .. } = found;
    let (row, why) = match row {
        Ok(row) => (Some(row), None),
        Err(error) => (rest, Some(error.to_string())),
    };
    let left = row.as_ref().filter(|_| !is_there(directory, holder)).cloned().map(Box::new);
    let put = row.map_or(Ok(()), |row| directory.put(row));
    let Some(why) = why.or_else(|| put.err().map(|dangling| dangling.to_string())) else { return Ok(()) };
    bar(directory, id, holder);
    Err(Short { why, left })
}

/// Bars whom a row without meaning may have forbidden something.
pub(crate) fn bar(directory: &mut Directory, row: RowId, holder: Holder) {
    match (row, holder) {
        (RowId::Account(_), _) => directory.bar(row),
        (RowId::Company(_) | RowId::Policy(_) | RowId::Rule(_), Holder::Company(company)) => {
            directory.bar(RowId::Company(company));
        }
        // Without it less is possible, not more.
        (
            RowId::Brand(_)
            | RowId::TranslationSet(_)
            | RowId::Trunk(_)
            | RowId::Routing(_)
            | RowId::Extension(_)
            | RowId::Ddi(_),
            _,
        )
        | (_, Holder::Brand(_)) => {}
    }
}

/// Whether a tenant is there.
pub(crate) fn is_there(directory: &Directory, holder: Holder) -> bool {
    match holder {
        Holder::Brand(id) => directory.brand(id).is_some(),
        Holder::Company(id) => directory.company(id).is_some(),
    }
}

/// Notes who of the held is not there at all.
pub(crate) fn note_lost(directory: &Directory, held: &mut BTreeMap<Holder, Held>) {
    for (holder, held) in held {
        held.lost = !is_there(directory, *holder);
    }
}

/// A row of a held tenant as it is in the store.
pub(crate) enum Now {
    /// It is not there any more, or is another tenant's.
    Gone,
    /// It is there, and nothing is known of it.
    Unread,
    /// As far as it has a meaning.
    Row(Box<Row>),
}

/// Takes from a held tenant what it has no more in the store: removed accounts, numbers and trunks, what was disabled,
/// passwords that were changed, addresses that were taken back. Rules stay, because one that is missing may permit.
pub(crate) fn narrow(directory: &mut Directory, holder: Holder, ids: &BTreeSet<RowId>, now: impl Fn(RowId) -> Now) {
    for id in ids.iter().filter(|id| matches!(id, RowId::Account(_) | RowId::Ddi(_) | RowId::Trunk(_))) {
        if directory.holder(*id) != Some(holder) {
            continue;
        }
        let is = match now(*id) {
            Now::Gone => {
                directory.take(*id, holder);
                continue;
            }
            Now::Unread => continue,
            Now::Row(is) => *is,
        };
        let narrowed = match (directory.row(*id), is) {
            (Some(Row::Account(was)), Row::Account(is)) => Row::Account(account(was, &is)),
            (Some(Row::Trunk(was)), Row::Trunk(is)) => Row::Trunk(trunk(was, &is)),
            _ => continue,
        };
        if directory.row(*id).as_ref() != Some(&narrowed) {
            // It names nothing but what it has named before.
            let _dangling = directory.put(narrowed);
        }
    }
}

fn account(was: Account, is: &Account) -> Account {
    let direct = was.direct.filter(|_| was.direct == is.direct);
    Account { enabled: was.enabled && is.enabled, ha1: is.ha1.clone(), direct, ..was }
}

fn trunk(mut was: Trunk, is: &Trunk) -> Trunk {
    was.enabled &= is.enabled;
    was.sources.retain(|source| is.sources.contains(source));
    was
}
