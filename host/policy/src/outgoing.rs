//! Which public number a call to the outside shows.
//!
//! An account's own number, else its company's, unless rules say otherwise: by what was dialled before the number, or by
//! the number called. The account's rules go before its company's. A number that the company does not have, or has no
//! longer, is nobody's to show.

use model::{Account, Company, DdiChoice, Directory, OutgoingDdiRules};

/// The number an account is shown by outside where no rule says otherwise.
#[must_use]
pub fn outgoing_ddi<'a>(directory: &Directory, company: &'a Company, account: &'a Account) -> Option<&'a str> {
    let held = |number: &&str| is_held(directory, company, number);
    let own = account.rules.outgoing_ddi.as_deref().filter(held);
    own.or_else(|| company.rules.outgoing_ddi.as_deref().filter(held))
}

fn is_held(directory: &Directory, company: &Company, number: &str) -> bool {
    directory.ddi(number).is_some_and(|ddi| ddi.company == company.id)
}

fn rules<'d>(directory: &'d Directory, company: &Company, account: &Account) -> Option<&'d OutgoingDdiRules> {
    let name = account.rules.outgoing_ddi_rules.as_ref().or(company.rules.outgoing_ddi_rules.as_ref())?;
    directory.outgoing_ddi_rules(company.id, name)
}

/// What was dialled, without the prefix by which the caller has chosen a number, and that choice; `None` where none of
/// the rules' prefixes was dialled.
#[must_use]
pub fn chosen<'a>(
    directory: &'a Directory,
    company: &Company,
    account: &Account,
    dialled: &'a str,
) -> Option<(&'a str, &'a DdiChoice)> {
    let all = rules(directory, company, account)?.rules.iter();
    all.filter_map(|rule| Some((dialled.strip_prefix(rule.prefix.as_deref()?)?, &rule.choice))).next()
}

/// The number that a call of the account to `number` (E.164) shows; `choice` is what it has chosen by a prefix.
#[must_use]
pub fn shown_to(
    directory: &Directory,
    company: &Company,
    account: &Account,
    choice: Option<&DdiChoice>,
    number: &str,
) -> Option<String> {
    let by_list = || {
        let rules = rules(directory, company, account)?;
        let fits = |name: &String| directory.match_list(company.id, name).is_some_and(|list| list.has(number));
        let rule = rules.rules.iter().find(|rule| rule.list.as_ref().is_some_and(fits));
        Some(rule.map_or(&rules.default, |rule| &rule.choice))
    };
    let forced = match choice.or_else(by_list) {
        None | Some(DdiChoice::Keep) => return outgoing_ddi(directory, company, account).map(str::to_owned),
        Some(DdiChoice::Force(forced)) => forced.as_deref(),
    };
    let own = company.rules.outgoing_ddi.as_deref();
    forced.or(own).filter(|number| is_held(directory, company, number)).map(str::to_owned)
}
