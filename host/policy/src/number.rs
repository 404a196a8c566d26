//! What a dialled number is: a star code, something of the company's own, or a public number; and its E.164 form.

use model::{Company, Directory, TranslationLists};

/// What was dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dialled {
    /// Something with a star: a service, or a feature of a plugin.
    Starred,
    /// A short number or an account of the company.
    Internal,
    /// A public number, in E.164.
    External(String),
    /// Nothing that is known here. A telephone system's routers may know it; of another client it is 404.
    Unknown,
}

/// What an account of this company has dialled, in this order: star code, extension, account, public number by the
/// company's translation set. An extension therefore hides a public number of the same digits; a number with `+` is never
/// an extension, and clients that are no telephone systems have none.
#[must_use]
pub fn classify(directory: &Directory, company: &Company, dialled: &str) -> Dialled {
    if dialled.starts_with('*') {
        return Dialled::Starred;
    }
    let known =
        || directory.extension(company.id, dialled).is_some() || directory.account(company.id, dialled).is_some();
    if company.kind.has_extensions() && !dialled.starts_with('+') && known() {
        return Dialled::Internal;
    }
    let unchanged = TranslationLists::default();
    let set = company.rules.translation.as_ref().and_then(|name| directory.translation_set(company.brand, name));
    let lists = set.map_or(&unchanged, |set| &set.lists);
    external(lists, dialled).map_or(Dialled::Unknown, Dialled::External)
}

/// The E.164 form of what was dialled, if it is a public number at all.
#[must_use]
pub fn external(lists: &TranslationLists, dialled: &str) -> Option<String> {
    let number = lists.callee_in.apply(dialled);
    let digits = number.strip_prefix('+')?;
    ((2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}
