//! What a page asks of the database, and what it refuses to be asked.

use super::*;
use crate::lists;
use model::{BrandId, CompanyId};

const COMPANY: OpContext = OpContext::company(BrandId(1), CompanyId(2));

fn mark(order: &str, values: &[&str]) -> Mark {
    Mark { order: order.to_owned(), values: values.iter().map(|v| (*v).to_owned()).collect() }
}

#[test]
fn what_begins_with_a_text_ends_before_the_next() {
    assert_eq!(beyond("+44").as_deref(), Some("+45"));
    assert_eq!(beyond("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(beyond("\u{d7ff}").as_deref(), Some("\u{e000}"));
    assert_eq!(beyond("\u{10ffff}"), None);
    assert_eq!(beyond(""), None);
}

#[test]
fn nothing_that_a_client_says_is_in_the_text() {
    let hostile = "x'; DROP TABLE accounts; --";
    for listing in lists::ALL {
        assert!(Wanted::of(listing, 5).ordered(hostile).is_err(), "{}", listing.what);
        assert!(Wanted::of(listing, 5).ordered("").is_err(), "{}", listing.what);
        for filter in listing.filters {
            let (text, args) = Wanted::of(listing, 5).only(filter.name, hostile).text(&COMPANY);
            assert!(!text.contains("DROP"), "{text}");
            assert!(args.iter().any(|arg| matches!(arg, Value::Text(t) if t.contains("DROP"))), "{text}");
        }
    }
}

#[test]
fn every_list_looks_at_the_scope_and_its_usual_order_is_one() {
    for listing in lists::ALL {
        assert!(listing.order(listing.usual).is_ok(), "{}", listing.what);
        let (text, args) = Wanted::of(listing, 5).text(&COMPANY);
        match listing.owner {
            Owner::Tenant(brand, company) => {
                assert!(text.contains(&format!("+{brand} = $1 AND {company} = $2")), "{text}");
                assert_eq!(args[..2], [Value::Number(1), Value::Number(2)]);
            }
            Owner::Brand(_) => assert!(text.contains("1 = 0"), "{text}"),
            Owner::Itself(brand) | Owner::Shared(brand) => {
                assert!(text.contains(&format!("{brand} = $1")), "{text}");
                assert_eq!(args[0], Value::Number(1));
            }
        }
        // A filter that a noun has not finds nothing, rather than everything.
        assert!(Wanted::of(listing, 5).only("no-such", 1).text(&COMPANY).0.contains("1 = 0"), "{}", listing.what);
    }
}

#[test]
fn rows_that_are_the_same_are_told_apart_by_their_key() {
    let of = |order: &str| Wanted::of(lists::ACCOUNTS, 5).ordered(order).unwrap().order_words();
    assert_eq!(of("username"), "username,id");
    assert_eq!(of("-username,enabled,-company"), "-username,enabled,-company,-id");
    assert_eq!(of("enabled,id,username"), "enabled,id", "behind the key nothing is left to order");
    assert_eq!(of("username,-username"), "username,id");
    let e = Wanted::of(lists::ACCOUNTS, 5).ordered("password").unwrap_err();
    assert!(e.contains("username"), "{e}");
    assert!(Wanted::of(lists::ACCOUNTS, 5).ordered("id,username,company,enabled,display_name").is_err());
    assert_eq!(Wanted::of(lists::ACCOUNTS, 5).order_words(), "id");
    assert_eq!(Wanted::of(lists::ACCOUNTS, 5).only("username", "10").order_words(), "username,id");
    assert_eq!(Wanted::of(lists::CDRS, 5).order_words(), "-started_at,-call,-leg");
    assert_eq!(Wanted::of(lists::JOBS, 5).order_words(), "-id");
}

#[test]
fn a_mark_of_another_order_is_refused() {
    let by = |order: &str| Wanted::of(lists::ACCOUNTS, 5).ordered(order).unwrap();
    by("-username,enabled").after(&mark("-username,enabled,id", &["x", "true", "7"])).unwrap();
    for wrong in [
        mark("username,enabled,id", &["x", "true", "7"]),
        mark("-username,enabled,id", &["x", "true"]),
        mark("-username,enabled,id", &["x", "maybe", "7"]),
        mark("-username,enabled,id", &["x", "true", "9'"]),
        mark("", &[]),
    ] {
        assert!(by("-username,enabled").after(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_page_begins_behind_the_mark_whichever_ways_its_columns_go() {
    let (same, _) = Wanted::of(lists::ACCOUNTS, 5)
        .ordered("-username")
        .unwrap()
        .after(&mark("-username,-id", &["x", "7"]))
        .unwrap()
        .text(&OpContext::platform());
    assert!(same.contains(" WHERE (username, id) < ($1, $2) ORDER BY username DESC, id DESC LIMIT $3"), "{same}");
    let (mixed, _) = Wanted::of(lists::ACCOUNTS, 5)
        .ordered("-username,enabled")
        .unwrap()
        .after(&mark("-username,enabled,id", &["x", "true", "7"]))
        .unwrap()
        .text(&OpContext::platform());
    let behind =
        "username <= $1 AND (username < $1 OR (username = $1 AND (enabled > $2 OR (enabled = $2 AND id > $3))))";
    assert!(mixed.contains(behind), "{mixed}");
}
