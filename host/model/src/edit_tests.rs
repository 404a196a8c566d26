//! Rows that come, change and go, and what is found by them.

use super::*;
use crate::{AccountRules, RouteTarget};
use crate::{CompanyKind, CompanyRules, DefaultVerdict, Ha1, Handling, MediaPath, MediaSecurity};

fn brand(id: i64) -> Row {
    let brand = Brand { id: BrandId(id), name: format!("brand {id}"), default_verdict: DefaultVerdict::Refuse };
    Row::Brand(brand, BrandRules::NOTHING)
}

fn company(id: i64, domain: &str) -> Row {
    Row::Company(Company {
        id: CompanyId(id),
        brand: BrandId(1),
        name: format!("company {id}"),
        domain: domain.to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: MediaSecurity::default(),
        codecs: Vec::new(),
        hold_music: None,
        kind: CompanyKind::Vpbx,
        rules: CompanyRules::default(),
    })
}

fn account(id: i64, company: i64, username: &str, direct: Option<&str>) -> Row {
    Row::Account(Account {
        id: AccountId(id),
        company: CompanyId(company),
        username: username.to_owned(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: direct.map(|at| at.parse().unwrap()),
        media_security: None,
        enabled: true,
        rules: AccountRules::default(),
    })
}

fn ddi(id: i64, company: i64, e164: &str) -> Row {
    Row::Ddi(Ddi::to(id, CompanyId(company), e164, RouteTarget::App("menu".to_owned())))
}

fn of(rows: &[Row]) -> Directory {
    let mut directory = Directory::default();
    for row in rows {
        directory.put(row.clone()).unwrap();
    }
    directory
}

const NORTH: Holder = Holder::Company(CompanyId(1));
const SOUTH: Holder = Holder::Company(CompanyId(2));

fn two_companies() -> Vec<Row> {
    vec![brand(1), company(1, "north.test"), company(2, "south.test")]
}

fn with(more: &[Row]) -> Directory {
    of(&[two_companies(), more.to_vec()].concat())
}

#[test]
fn a_number_goes_from_one_company_to_another_in_whatever_order_the_changes_come() {
    let before = with(&[ddi(5, 1, "+441")]);
    // The row itself moves.
    for removed_first in [true, false] {
        let mut after = before.clone();
        if removed_first {
            after.take(RowId::Ddi(DdiId(5)), NORTH);
        }
        after.put(ddi(5, 2, "+441")).unwrap();
        after.take(RowId::Ddi(DdiId(5)), NORTH);
        assert_eq!(after.difference(&with(&[ddi(5, 2, "+441")])), None, "{removed_first}");
    }
    // One row goes and another comes.
    for removed_first in [true, false] {
        let mut after = before.clone();
        if removed_first {
            after.take(RowId::Ddi(DdiId(5)), NORTH);
        }
        after.put(ddi(6, 2, "+441")).unwrap();
        after.take(RowId::Ddi(DdiId(5)), NORTH);
        assert_eq!(after.difference(&with(&[ddi(6, 2, "+441")])), None, "{removed_first}");
        assert_eq!(after.ddi("+441").unwrap().company, CompanyId(2));
    }
    assert_eq!(before.ddi("+441").unwrap().company, CompanyId(1), "the image before is as it was");
}

#[test]
fn two_rows_that_change_names_and_addresses_keep_both() {
    let mut directory = with(&[account(1, 1, "a", Some("192.0.2.1:5060")), account(2, 1, "b", None)]);
    let after = [account(1, 1, "b", None), account(2, 1, "a", Some("192.0.2.1:5060"))];
    for row in &after {
        directory.put(row.clone()).unwrap();
    }
    assert_eq!(directory.difference(&with(&after)), None);
    assert_eq!(directory.account(CompanyId(1), "a").unwrap().id, AccountId(2));
    assert!(directory.is_direct("192.0.2.1".parse().unwrap()));
}

#[test]
fn what_goes_is_found_by_nothing_any_more() {
    let mut directory = with(&[account(1, 2, "a", Some("192.0.2.1:5060")), ddi(1, 2, "+441")]);
    let rows = directory.rows_of(&BTreeSet::from([SOUTH]));
    assert_eq!(rows.len(), 3);
    for (id, holder) in rows {
        directory.take(id, holder);
    }
    assert_eq!(directory.difference(&of(&two_companies()[..2])), None);
    assert!(directory.company_by_domain("south.test").is_none());
    assert_eq!(directory.rows_len(), 2);
}

#[test]
fn a_row_whose_tenant_is_not_there_changes_nothing() {
    let mut directory = of(&two_companies());
    let before = directory.clone();
    for row in [account(1, 3, "a", None), ddi(1, 3, "+441")] {
        assert!(directory.put(row).is_err());
    }
    assert_eq!(directory.difference(&before), None);
    assert_eq!(before.difference(&of(&two_companies()[..2])), Some("companies"));
}

#[test]
fn a_change_of_one_row_shares_all_but_a_few_chunks() {
    let numbers = (0..20_000).map(|n| ddi(n, 1 + n % 2, &format!("+44{n:08}")));
    let before = of(&two_companies().into_iter().chain(numbers).collect::<Vec<_>>());
    let mut after = before.clone();
    after.put(ddi(7, 2, "+4999")).unwrap();
    let own = after.ddis.own_chunks(&before.ddis) + after.ddis_by_id.own_chunks(&before.ddis_by_id);
    assert!(own <= 4, "{own}");
    assert_eq!(after.accounts.own_chunks(&before.accounts), 0);
}

/// How a brand's calls leave is one row: it comes, is kept and goes with its brand, and other brands share theirs.
#[test]
fn the_routing_of_a_brand_comes_and_goes_with_it() {
    let (one, two) = (BrandId(1), BrandId(2));
    let pattern = crate::RoutePattern {
        id: crate::RoutePatternId(1),
        brand: one,
        name: "spain".to_owned(),
        prefix: "+34".to_owned(),
        special: false,
    };
    let routing = Routing::new(vec![pattern], vec![], vec![], vec![]);
    let row = |brand| Row::Routing(brand, routing.clone());
    let before = of(&[brand(1), brand(2), row(one), row(two)]);
    assert_eq!((before.rows_len(), before.holder(RowId::Routing(one))), (4, Some(Holder::Brand(one))));

    let mut after = before.clone();
    after.put(Row::Routing(one, Routing::default())).unwrap();
    assert!(after.routing(one).is_none() && after.difference(&before) == Some("routing"));
    assert!(Arc::ptr_eq(after.routing(two).unwrap(), before.routing(two).unwrap()));
    after.keep(&before, &BTreeSet::from([Holder::Brand(one)]));
    assert_eq!(after.difference(&before), None);
    after.take(RowId::Routing(one), Holder::Brand(two));
    assert!(after.routing(one).is_some(), "another brand takes nothing");
    after.take(RowId::Brand(two), Holder::Brand(two));
    assert!(after.routing(two).is_none());
    assert!(after.put(row(two)).is_err(), "there is no such brand any more");
}
