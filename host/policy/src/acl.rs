//! Whether an account may call a public number.
//!
//! It is asked of whoever pays: the account that dials, the one that forwards, the one that transfers. A forward to a
//! number is a call like any other (IvozProvider lets it pass unasked; that is not inherited).

use model::{Account, Company, Directory, Permission, RowId};

/// What the account's ACL, else the company's, says about a number in E.164. Without any the account may call anywhere;
/// one that is gone, or names a list that is gone, refuses, and so does a bar ([`Directory::is_barred`]).
#[must_use]
pub fn may_call(directory: &Directory, company: &Company, account: &Account, number: &str) -> bool {
    !directory.is_barred(RowId::Account(account.id))
        && by(directory, company, account.rules.call_acl.as_ref().or(company.rules.call_acl.as_ref()), number)
}

/// The same of what the company itself calls: where its numbers, filters and groups lead outside.
#[must_use]
pub fn company_may_call(directory: &Directory, company: &Company, number: &str) -> bool {
    by(directory, company, company.rules.call_acl.as_ref(), number)
}

fn by(directory: &Directory, company: &Company, acl: Option<&String>, number: &str) -> bool {
    if directory.is_barred(RowId::Company(company.id)) {
        return false;
    }
    let Some(name) = acl else { return true };
    let Some(acl) = directory.call_acl(company.id, name) else { return false };
    for rule in &acl.rules {
        let Some(list) = directory.match_list(company.id, &rule.list) else { return false };
        if list.has(number) {
            return rule.permission == Permission::Allow;
        }
    }
    acl.default == Permission::Allow
}
