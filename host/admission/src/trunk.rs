//! A call from a carrier: which brand's trunk it came by, which number it is for, and who calls.
//!
//! The source address (with the listener) or the line token has named the trunks already, of one brand or of several.
//! [`policy::inbound`] says which of them it came by: the dialled number is made E.164 by a trunk's rules and must be a
//! DDI of the trunk's own brand, and the DDI's company is the tenant. Who calls is believed as the trunk's header policy
//! says (RFC 3325 section 5: only within a trust domain).

use crate::Doorkeeper;
use model::{Company, Directory, Party, TranslationLists, Trunk};
use policy::Inbound;
use sip_message::{Message, Name, NameAddrRef};
use std::sync::Arc;

/// Permission to open a call for the company that a DDI belongs to.
///
/// # Invariants
/// The trunk is enabled, and it, the DDI's company and the brand belong together.
#[derive(Clone, Debug)]
pub struct AdmittedTrunk {
    trunk: Arc<Trunk>,
    company: Arc<Company>,
    brand_name: String,
    number: String,
    caller: Party,
    caller_number: Option<String>,
}

impl AdmittedTrunk {
    /// The trunk it came by.
    #[must_use]
    pub fn trunk(&self) -> &Arc<Trunk> {
        &self.trunk
    }

    /// The tenant.
    #[must_use]
    pub fn company(&self) -> &Arc<Company> {
        &self.company
    }

    /// The brand's name.
    #[must_use]
    pub fn brand_name(&self) -> &str {
        &self.brand_name
    }

    /// The DDI, in E.164.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Who calls.
    #[must_use]
    pub fn caller(&self) -> &Party {
        &self.caller
    }

    /// The caller's number, even where it is withheld: somebody may have vouched for it.
    #[must_use]
    pub fn caller_number(&self) -> Option<&str> {
        self.caller_number.as_deref()
    }
}

impl Doorkeeper {
    /// Decides about an INVITE from a carrier: see [`called`]. `by_line` says that the Request-URI holds our own line token, so that the number is elsewhere.
    ///
    /// # Errors
    /// The status that refuses it: 404 where no trunk knows the number.
    pub fn admit_trunk(
        &mut self,
        directory: &Directory,
        trunks: &[Arc<Trunk>],
        request: &Message,
        by_line: bool,
    ) -> Result<AdmittedTrunk, u16> {
        let found = called(directory, trunks, request, by_line);
        let Some((found, brand)) = found.and_then(|found| Some((found, directory.brand(found.trunk.brand)?))) else {
            self.counters.unknown_numbers += 1;
            return Err(404);
        };
        self.counters.admitted += 1;
        let (caller, caller_number) = caller_of(directory, found.trunk, found.company, request);
        Ok(AdmittedTrunk {
            number: found.ddi.e164.clone(),
            caller,
            caller_number,
            trunk: Arc::clone(found.trunk),
            company: Arc::clone(found.company),
            brand_name: brand.name.clone(),
        })
    }
}

/// Whose an INVITE is that any of these trunks may have brought, by the number that it calls.
#[must_use]
pub fn called<'d>(
    directory: &'d Directory,
    trunks: &'d [Arc<Trunk>],
    request: &Message,
    by_line: bool,
) -> Option<Inbound<'d>> {
    policy::inbound(directory, trunks, &dialled(request, by_line))
}

/// What may be the dialled number, best first: the Request-URI's user; where that is our own token, what the carrier
/// says beside it (RFC 7315 section 4.2 P-Called-Party-ID, then To).
fn dialled(request: &Message, by_line: bool) -> Vec<String> {
    if !by_line {
        return request.request_uri().and_then(crate::dialled).into_iter().collect();
    }
    let called = first(request, Name::PCalledPartyId).and_then(|(user, _)| user);
    let to = request.to().ok().and_then(|to| number_of(&to));
    called.into_iter().chain(to).collect()
}

/// The same for a request that was admitted already and says something else by now.
#[must_use]
pub fn caller_of(
    directory: &Directory,
    trunk: &Trunk,
    company: &Company,
    request: &Message,
) -> (Party, Option<String>) {
    let unchanged = TranslationLists::default();
    let lists = directory.translation_of(trunk).map_or(&unchanged, |set| &set.lists);
    caller(trunk, lists, company, request)
}

/// The caller as the trunk's policy lets us believe: asserted identities before From, and no name from a carrier that is
/// not trusted. A caller that wants privacy is anonymous (RFC 3323 section 4.2). With it the number, withheld or not.
fn caller(trunk: &Trunk, lists: &TranslationLists, company: &Company, request: &Message) -> (Party, Option<String>) {
    let asserted = [Name::PAssertedIdentity, Name::PPreferredIdentity, Name::RemotePartyId];
    let trusted = trunk.headers.trust_identity;
    let (user, display) = asserted
        .into_iter()
        .filter(|_| trusted)
        .find_map(|name| first(request, name).filter(|(user, _)| user.is_some()))
        .or_else(|| request.from().ok().map(|from| (number_of(&from), display_of(&from))))
        .unwrap_or_default();
    let hides = request.header(Name::Privacy).is_some_and(|wishes| {
        let text = wishes.text();
        text.split([';', ',']).any(|wish| ["id", "user", "header"].contains(&wish.trim().to_ascii_lowercase().as_str()))
    });
    let number = user.map(|user| lists.caller_in.apply(&user)).filter(|user| !user.is_empty());
    let user = number.clone().filter(|_| !hides);
    let user = user.unwrap_or_else(|| "anonymous".to_owned());
    let domain = if user == "anonymous" { "anonymous.invalid" } else { company.domain.as_str() };
    let party = Party {
        uri: format!("sip:{user}@{domain}"),
        display: display.filter(|_| trusted && !hides),
        verified: Some("trunk".to_owned()),
        user,
    };
    (party, number)
}

/// Number and name of a header's first value.
fn first(request: &Message, name: Name<'static>) -> Option<(Option<String>, Option<String>)> {
    let value = request.values(name).next()?;
    let party = NameAddrRef::parse(value.as_bytes()).ok()?;
    Some((number_of(&party), display_of(&party)))
}

/// The user part; of a `tel` URI the number without its separators (RFC 3966 section 5.1.1).
fn number_of(party: &NameAddrRef<'_>) -> Option<String> {
    let uri = party.uri();
    let user = uri.user()?;
    let plain = |c: &char| !matches!(c, '-' | '.' | '(' | ')');
    Some(if uri.scheme().eq_ignore_ascii_case("tel") { user.chars().filter(plain).collect() } else { user.to_owned() })
}

fn display_of(party: &NameAddrRef<'_>) -> Option<String> {
    party.display().map(|d| d.into_owned()).filter(|d| !d.is_empty())
}
