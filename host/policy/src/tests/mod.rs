//! The reference's acceptance scenarios that are decided here, its reply codes, and properties of orders and ranges.

mod calls;
mod cron;
mod inbound;
mod numbers;
mod properties;
mod routes;
mod times;

use model::{
    Account, AccountId, AccountRules, Brand, BrandId, Company, CompanyId, CompanyRules, Date, DayTime, Ddi,
    DefaultVerdict, Directory, Ha1, Handling, Local, MediaPath, MediaSecurity, RouteTarget, Rule, RuleBody, RuleId,
};

pub(crate) const COMPANY: CompanyId = CompanyId(1);

pub(crate) fn company(rules: CompanyRules) -> Company {
    Company {
        id: COMPANY,
        brand: BrandId(1),
        name: "c".to_owned(),
        domain: "c.test".to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules,
    }
}

pub(crate) fn account(username: &str, rules: AccountRules) -> Account {
    Account {
        id: AccountId(1),
        company: COMPANY,
        username: username.to_owned(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: None,
        media_security: None,
        enabled: true,
        rules,
    }
}

/// A directory of one company with these rules, account 1001 and the numbers +34900 and +34901.
pub(crate) fn directory(rules: Vec<(&str, RuleBody)>) -> Directory {
    let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let rules = (1..).zip(rules).map(|(id, (name, body))| {
        body.check().unwrap();
        Rule { id: RuleId(id), company: COMPANY, name: name.to_owned(), body }
    });
    let accounts = vec![account("1001", AccountRules::default())];
    let ddi = |(id, e164)| Ddi::to(id, COMPANY, e164, RouteTarget::Account("1001".to_owned()));
    let ddis = [(1, "+34900"), (2, "+34901")].map(ddi).to_vec();
    let built = Directory::build(1, vec![brand], vec![company(CompanyRules::default())], accounts, vec![], ddis);
    built.unwrap().with_rules(rules.collect()).unwrap()
}

pub(crate) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub(crate) fn time(text: &str) -> DayTime {
    text.parse().unwrap()
}

/// `2026-12-24`, a day of the week with 0 = Monday, `09:00`.
pub(crate) fn local(day: &str, weekday: u8, at: &str) -> Local {
    Local { date: date(day), weekday, time: time(at) }
}
