//! Which number a caller may present: only what its account owns.
//!
//! A phone is not a trusted peer (RFC 3325 section 5): what it asserts is a wish. The wish is looked for in
//! P-Asserted-Identity, P-Preferred-Identity, Remote-Party-ID and From, in this order; the first that the account owns
//! is presented, and where it owns none of them its own user name is (decision 0074).

use model::{Account, CompanyKind, Directory, RouteTarget};
use sip_message::{HeaderValue, Message, Name, UriRef};

/// Most identities of one request that are looked at.
const WISHES_MAX: usize = 8;

/// Who a caller is to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presented {
    /// The number.
    pub user: String,
    /// Whether the account owns every identity in the request, and it says nothing else of the caller or to the phone
    /// that is called: only then may the request go on as it is, to be shown to somebody else by a proxy.
    pub all_owned: bool,
}

/// Whom a call of `account` presents.
#[must_use]
pub fn presented(directory: &Directory, account: &Account, request: &Message) -> Presented {
    let fields = [Name::PAssertedIdentity, Name::PPreferredIdentity, Name::RemotePartyId, Name::From];
    let mut wishes = fields.into_iter().flat_map(|name| request.values(name));
    if directory.company(account.company).is_some_and(|company| company.kind == CompanyKind::Wholesale) {
        // A carrier's callers are its own affair.
        let said = wishes.find_map(number_of).filter(|said| !said.is_empty());
        return Presented { user: said.unwrap_or_else(|| account.username.clone()), all_owned: false };
    }
    let mut found: Option<String> = None;
    let mut all_owned = SAID_FOR_OTHERS.into_iter().all(|name| request.header(name).is_none());
    for value in wishes.by_ref().take(WISHES_MAX) {
        all_owned &= is_own_name(account, value);
        let own = number_of(value).and_then(|wish| owned(directory, account, &wish));
        all_owned &= own.is_some();
        found = found.or(own);
    }
    all_owned &= wishes.next().is_none();
    Presented { user: found.unwrap_or_else(|| account.username.clone()), all_owned }
}

/// What a phone may not say to another: who sent the call on, who vouches for it, how it is to ring or be answered.
const SAID_FOR_OTHERS: [Name<'static>; 6] =
    [Name::Diversion, Name::HistoryInfo, Name::Identity, Name::ReferredBy, Name::AlertInfo, Name::CallInfo];

/// Whether an identity's display name is the account's, or its number once more, or none.
fn is_own_name(account: &Account, value: HeaderValue<'_>) -> bool {
    let Ok(party) = value.name_addr() else { return false };
    let Some(name) = party.display() else { return true };
    let name = name.trim();
    let number = party.uri().user_unescaped();
    name.is_empty()
        || name == account.display_name
        || name == account.username
        || number.is_some_and(|number| number == name)
}

/// The number or user part of an identity.
fn number_of(value: HeaderValue<'_>) -> Option<String> {
    let uri = value.name_addr().ok()?.uri();
    let text = if uri.is_tel() { tel_number(uri) } else { uri.user_unescaped()?.into_owned() };
    // RFC 3966 section 5.1.1: separators are for people.
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'+') {
        return Some(text);
    }
    let looks_dialled = text.bytes().all(|b| b.is_ascii_digit() || b"+-.() ".contains(&b));
    Some(if looks_dialled { text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect() } else { text })
}

/// What a Request-URI dials, as the directory writes it: without escapes (`*21%23` is `*21#`, RFC 3261 section 19.1.2),
/// and of a tel URI without the separators that are for people. `None` where it holds what nobody dials: blanks, control
/// bytes, quotes and angle brackets.
#[must_use]
pub fn dialled(uri: UriRef<'_>) -> Option<String> {
    let user = match uri.is_tel() {
        true => tel_number(uri).chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect(),
        false => uri.user_unescaped().unwrap_or_default().into_owned(),
    };
    let strange =
        |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | char::REPLACEMENT_CHARACTER);
    (!user.contains(strange)).then_some(user)
}

pub(crate) fn tel_number(uri: UriRef<'_>) -> String {
    let text = uri.as_str();
    let number = text.split_once(':').map_or(text, |(_, rest)| rest);
    number.split(';').next().unwrap_or_default().to_owned()
}

/// The number as it is written in the directory, if the account owns it: its user name, an extension or a public number
/// that leads to it. A direct account is a telephone system of its own: every public number of its company is its; so are
/// they those of every account of a client that shares them.
fn owned(directory: &Directory, account: &Account, wish: &str) -> Option<String> {
    if wish == account.username {
        return Some(account.username.clone());
    }
    if leads_to(directory, account, wish) {
        return Some(wish.to_owned());
    }
    let e164 = if wish.starts_with('+') { wish.to_owned() } else { format!("+{wish}") };
    let ddi = directory.ddi(&e164).filter(|ddi| ddi.company == account.company)?;
    let own = match &ddi.target {
        RouteTarget::Account(name) => *name == account.username,
        RouteTarget::Extension(number) => leads_to(directory, account, number),
        RouteTarget::App(_)
        | RouteTarget::HuntGroup(_)
        | RouteTarget::ConditionalRoute(_)
        | RouteTarget::Voicemail(_)
        | RouteTarget::Queue(_)
        | RouteTarget::Conference(_)
        | RouteTarget::Number(_) => false,
    };
    let shared = directory.company(account.company).is_some_and(|company| company.kind.shares_numbers());
    (own || shared || account.direct.is_some()).then(|| ddi.e164.clone())
}

fn leads_to(directory: &Directory, account: &Account, number: &str) -> bool {
    let found = directory.extension(account.company, number);
    found.is_some_and(|e| e.target.account() == Some(&account.username))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        AccountId, Brand, BrandId, Company, CompanyId, Ddi, DefaultVerdict, Extension, ExtensionId, Ha1, MediaPath,
    };
    use sip_message::ParseLimits;

    fn account(id: i64, username: &str, direct: bool) -> Account {
        Account {
            id: AccountId(id),
            company: CompanyId(1),
            username: username.to_owned(),
            display_name: String::new(),
            ha1: Ha1 { md5: String::new(), sha256: String::new() },
            direct: direct.then(|| "192.0.2.1:5060".parse().unwrap()),
            media_security: None,
            enabled: true,
            rules: Default::default(),
        }
    }

    fn directory() -> Directory {
        let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
        let company = |id: i64, domain: &str| Company {
            id: CompanyId(id),
            brand: BrandId(1),
            name: domain.to_owned(),
            domain: domain.to_owned(),
            media: MediaPath::Anchor,
            handling: model::Handling::B2bua,
            decline_ends_all: false,
            calls_max: None,
            media_security: model::MediaSecurity::default(),
            codecs: Vec::new(),
            hold_music: None,
            kind: Default::default(),
            rules: Default::default(),
        };
        let extension = |id: i64, number: &str, name: &str| Extension {
            id: ExtensionId(id),
            company: CompanyId(1),
            number: number.to_owned(),
            target: RouteTarget::Account(name.to_owned()),
        };
        let ddi = |id: i64, company: i64, e164: &str, target| Ddi::to(id, CompanyId(company), e164, target);
        let of = |name: &str| RouteTarget::Account(name.to_owned());
        let ddis = vec![
            ddi(1, 1, "+3311", of("alice")),
            ddi(2, 1, "+3312", RouteTarget::Extension("201".to_owned())),
            ddi(3, 1, "+3313", RouteTarget::App("menu".to_owned())),
            ddi(4, 2, "+3399", of("alice")),
        ];
        let extensions = vec![extension(1, "201", "alice"), extension(2, "202", "bob")];
        let companies = vec![company(1, "acme.example"), company(2, "other.example")];
        let accounts = vec![account(1, "alice", false), account(2, "bob", false), account(3, "pbx", true)];
        Directory::build(1, vec![brand], companies, accounts, extensions, ddis).unwrap()
    }

    fn invite(lines: &str) -> Message {
        let text = format!(
            "INVITE sip:1@acme.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n{lines}\r\n\
             To: <sip:1@acme.example>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text.into(), &ParseLimits::default()).unwrap_or_else(|r| panic!("{:?}", r.error))
    }

    #[test]
    fn a_caller_presents_only_what_its_account_owns() {
        let directory = directory();
        let alice = account(1, "alice", false);
        let pbx = account(3, "pbx", true);
        for (who, lines, number) in [
            (&alice, "From: <sip:alice@acme.example>;tag=1", "alice"),
            (&alice, "From: <sip:201@acme.example>;tag=1", "201"),
            (&alice, "From: <sip:202@acme.example>;tag=1", "alice"),
            (&alice, "From: <sip:bob@acme.example>;tag=1", "alice"),
            (&alice, "From: <sip:+3311@acme.example>;tag=1", "+3311"),
            (&alice, "From: <sip:3311@acme.example>;tag=1", "+3311"),
            (&alice, "From: <tel:+33-1.1;x=y>;tag=1", "+3311"),
            (&alice, "From: \"201\" <sip:+3312@acme.example>;tag=1", "+3312"),
            // A number of an app, another company's, the police.
            (&alice, "From: <sip:+3313@acme.example>;tag=1", "alice"),
            (&alice, "From: <sip:+3399@acme.example>;tag=1", "alice"),
            (&alice, "From: <sip:+112@acme.example>;tag=1", "alice"),
            (&alice, "From: \"x\" <sip:anonymous@anonymous.invalid>;tag=1", "alice"),
            // What is asserted comes before From, but only if it is owned.
            (&alice, "P-Asserted-Identity: <sip:201@x>\r\nFrom: <sip:+3311@x>;tag=1", "201"),
            (&alice, "P-Asserted-Identity: <sip:112@x>, <tel:+3312>\r\nFrom: <sip:+3311@x>;tag=1", "+3312"),
            (&alice, "P-Preferred-Identity: <sip:201@x>\r\nFrom: <sip:anonymous@anonymous.invalid>;tag=1", "201"),
            (&alice, "Remote-Party-ID: <sip:202@x>;screen=yes\r\nFrom: <sip:201@x>;tag=1", "201"),
            (&pbx, "From: <sip:+3313@x>;tag=1", "+3313"),
            (&pbx, "From: <sip:+3399@x>;tag=1", "pbx"),
            (&pbx, "From: <sip:202@x>;tag=1", "pbx"),
        ] {
            assert_eq!(presented(&directory, who, &invite(lines)).user, number, "{} {lines}", who.username);
        }
        let many = format!("P-Asserted-Identity: {}<sip:201@x>\r\nFrom: <sip:x@y>;tag=1", "<sip:112@x>, ".repeat(8));
        let looked = presented(&directory, &alice, &invite(&many));
        assert_eq!((looked.user.as_str(), looked.all_owned), ("alice", false), "nobody makes us look for ever");
    }

    #[test]
    fn what_an_account_does_not_own_is_not_shown_to_anybody() {
        let directory = directory();
        let alice = Account { display_name: "Alice A.".to_owned(), ..account(1, "alice", false) };
        for (lines, all_owned) in [
            ("From: <sip:alice@acme.example>;tag=1", true),
            ("P-Asserted-Identity: <sip:+3311@x>, <tel:+3312>\r\nFrom: <sip:201@x>;tag=1", true),
            ("P-Asserted-Identity: <sip:112@x>\r\nFrom: <sip:alice@x>;tag=1", false),
            ("Remote-Party-ID: <sip:bob@x>\r\nFrom: <sip:alice@x>;tag=1", false),
            ("From: <sip:anonymous@anonymous.invalid>;tag=1", false),
            ("From: \"Alice A.\" <sip:alice@x>;tag=1", true),
            ("From: \"201\" <sip:201@x>;tag=1", true),
            ("From: \"Police 110\" <sip:alice@x>;tag=1", false),
            ("P-Asserted-Identity: \"CEO\" <sip:201@x>\r\nFrom: <sip:alice@x>;tag=1", false),
            ("Diversion: <sip:boss@x>\r\nFrom: <sip:alice@x>;tag=1", false),
            ("History-Info: <sip:boss@x>;index=1\r\nFrom: <sip:alice@x>;tag=1", false),
            ("Referred-By: <sip:boss@x>\r\nFrom: <sip:alice@x>;tag=1", false),
            ("Identity: a.b.c;info=<https://x/y>\r\nFrom: <sip:alice@x>;tag=1", false),
            ("Alert-Info: <http://x>;info=alert-autoanswer\r\nFrom: <sip:alice@x>;tag=1", false),
            ("Call-Info: <sip:x>;answer-after=0\r\nFrom: <sip:alice@x>;tag=1", false),
        ] {
            assert_eq!(presented(&directory, &alice, &invite(lines)).all_owned, all_owned, "{lines}");
        }
    }
}
