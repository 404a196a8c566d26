//! Whose calls go to an assistant first.

use model::{Account, Directory};

/// The assistant that a call to this account goes to first; `None` where the caller gets through: the assistant itself
/// (by user name), or a number (E.164) on one of the white lists. An assistant who is gone or disabled stands before
/// nobody.
#[must_use]
pub fn goes_to_assistant<'a>(
    directory: &Directory,
    boss: &'a Account,
    caller_account: Option<&str>,
    caller: &str,
) -> Option<&'a str> {
    let assistant = boss.rules.assistant.as_ref()?;
    let is_assistant = caller_account == Some(assistant.account.as_str());
    let listed = |name: &String| directory.match_list(boss.company, name).is_some_and(|list| list.has(caller));
    let there = directory.account(boss.company, &assistant.account).is_some();
    (there && !is_assistant && assistant.account != boss.username && !assistant.white_lists.iter().any(listed))
        .then_some(&assistant.account)
}
