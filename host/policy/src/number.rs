//! What a dialled number is: a service code, an extension, or a public number; and its E.164 form.

use model::{CompanyId, Directory, TranslationLists};

/// What was dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dialled<'a> {
    /// A service code and what follows it.
    Service {
        /// The code, as `*94`.
        code: &'a str,
        /// The rest.
        argument: &'a str,
    },
    /// A short number of the company.
    Extension,
    /// An account of the company, by user name.
    Account,
    /// A public number, in E.164.
    External(String),
    /// Nothing that can be called: 404.
    Nothing,
}

/// A company's service codes.
///
/// # Invariants
/// Codes begin with `*`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Services {
    exact: Vec<String>,
    with_argument: Vec<String>,
}

impl Services {
    /// Codes that stand alone, and codes that something follows; what does not begin with `*` is left out.
    #[must_use]
    pub fn new(exact: &[&str], with_argument: &[&str]) -> Services {
        let codes = |all: &[&str]| all.iter().filter(|c| c.starts_with('*')).map(|c| (*c).to_owned()).collect();
        Services { exact: codes(exact), with_argument: codes(with_argument) }
    }

    /// The code in what was dialled: one that stands alone goes before one that something follows, of those the longest.
    fn find<'a>(&'a self, dialled: &'a str) -> Option<(&'a str, &'a str)> {
        if let Some(code) = self.exact.iter().find(|code| *code == dialled) {
            return Some((code, ""));
        }
        let fits =
            self.with_argument.iter().filter_map(|code| Some((code.as_str(), dialled.strip_prefix(code.as_str())?)));
        fits.max_by_key(|(code, _)| code.len())
    }
}

/// In this order: service, extension, account, public number. An extension therefore hides a public number of the same
/// digits. A number with `+` is never an extension.
#[must_use]
pub fn classify<'a>(
    directory: &Directory,
    company: CompanyId,
    services: &'a Services,
    lists: &TranslationLists,
    dialled: &'a str,
) -> Dialled<'a> {
    if dialled.starts_with('*') {
        return services.find(dialled).map_or(Dialled::Nothing, |(code, argument)| Dialled::Service { code, argument });
    }
    if !dialled.starts_with('+') {
        if directory.extension(company, dialled).is_some() {
            return Dialled::Extension;
        }
        if directory.account(company, dialled).is_some() {
            return Dialled::Account;
        }
    }
    external(lists, dialled).map_or(Dialled::Nothing, Dialled::External)
}

/// The E.164 form of what was dialled, if it is a public number at all.
#[must_use]
pub fn external(lists: &TranslationLists, dialled: &str) -> Option<String> {
    let number = lists.callee_in.apply(dialled);
    let digits = number.strip_prefix('+')?;
    ((2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}
