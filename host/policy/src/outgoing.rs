//! Which public number a call to the outside shows.

use model::{Account, Company, CompanyId, DdiChoice, Directory, OutgoingDdiRules};

/// The number shown, and the number called, which a prefix was taken off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown<'a> {
    /// The public number; `None` where neither account nor company has one.
    pub ddi: Option<String>,
    /// What is called.
    pub number: &'a str,
}

/// The number an account is shown by outside: its own, else its company's. One that the company does not have, or has no
/// longer, is nobody's to show.
#[must_use]
pub fn outgoing_ddi<'a>(directory: &Directory, company: &'a Company, account: &'a Account) -> Option<&'a str> {
    let held = |number: &&str| directory.ddi(number).is_some_and(|ddi| ddi.company == company.id);
    let own = account.rules.outgoing_ddi.as_deref().filter(held);
    own.or_else(|| company.rules.outgoing_ddi.as_deref().filter(held))
}

/// Applies the rules: the first whose list has the number called, or whose prefix (1 to 3 digits and `*`) it begins with.
/// Of the two numbers an account's call may show, `own` is the account's and `companys` the company's.
#[must_use]
pub fn shown_outside<'a>(
    directory: &Directory,
    company: CompanyId,
    rules: &OutgoingDdiRules,
    (own, companys): (Option<&str>, Option<&str>),
    dialled: &'a str,
) -> Shown<'a> {
    let mut number = dialled;
    let mut choice = &rules.default;
    for rule in &rules.rules {
        let listed = rule.list.as_deref().and_then(|name| directory.match_list(company, name));
        let rest = rule.prefix.as_deref().filter(|p| is_prefix(p)).and_then(|prefix| dialled.strip_prefix(prefix));
        if listed.is_some_and(|list| list.has(dialled)) || rest.is_some() {
            number = rest.unwrap_or(dialled);
            choice = &rule.choice;
            break;
        }
    }
    let ddi = match choice {
        DdiChoice::Keep => own.or(companys),
        DdiChoice::Force(forced) => forced.as_deref().or(companys),
    };
    Shown { ddi: ddi.map(str::to_owned), number }
}

fn is_prefix(text: &str) -> bool {
    let digits = text.strip_suffix('*').unwrap_or_default();
    (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
