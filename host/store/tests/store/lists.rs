//! Lists in any order, filtered, page by page, the same on both databases; and without reading more than a page.

use crate::fixture::{CTX, Place, account, brand, company, new_account, new_company};
use crate::on_both;
use model::{Account, BrandId, CompanyId, RouteTarget};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::collections::BTreeSet;
use store::{Found, Listing, Mark, NewDdi, OpContext, StoreError, Test, Value, Wanted, lists};

const SCOPES: [OpContext; 3] = [CTX, OpContext::brand(BrandId(1)), OpContext::company(BrandId(1), CompanyId(1))];

fn value_for(test: Test) -> Value {
    match test {
        Test::Number | Test::From | Test::Until => Value::Number(1),
        Test::Truth => Value::Truth(true),
        Test::Word(words) => words()[0].into(),
        Test::Text | Test::Call | Test::Begins | Test::BeginsNumber => "1".into(),
    }
}

/// What may be asked of a list: each order of two columns, from the beginning and from a mark, without filters and with all.
fn wanted(of: &'static Listing) -> Vec<Wanted> {
    let columns: Vec<&str> = of.columns().collect();
    let mut orders: Vec<String> = columns.iter().flat_map(|one| [(*one).to_owned(), format!("-{one}")]).collect();
    for one in &columns {
        orders.extend(columns.iter().flat_map(|two| [format!("{one},-{two}"), format!("{one},{two}")]));
    }
    let mut all = vec![Wanted::of(of, 10)];
    for order in orders {
        let by = Wanted::of(of, 10).ordered(&order).unwrap();
        let filtered = of.filters().iter().fold(by.clone(), |w, f| w.only(f.name(), value_for(f.test())));
        let words = by.order_words();
        // A value that a number, a text and a truth can each be is none: those that do not fit are left out.
        let marks = words.split(',').map(|name| match name.trim_start_matches('-') {
            "enabled" => "true",
            _ => "1",
        });
        let mark = Mark { order: words.clone(), values: marks.map(str::to_owned).collect() };
        let behind = by.clone().after(&mark).unwrap_or_else(|why| panic!("{} {words}: {why}", of.what()));
        all.extend([by, filtered.clone(), behind, filtered.after(&mark).unwrap()]);
    }
    all
}

/// The text of each such page for everybody who may ask, with its noun.
fn texts() -> impl Iterator<Item = (&'static str, String)> {
    let pages = lists::ALL.iter().flat_map(|of| wanted(of).into_iter().map(move |wanted| (of.what(), wanted)));
    pages.flat_map(|(what, wanted)| SCOPES.iter().map(move |scope| (what, wanted.text(scope).0)))
}

#[tokio::test]
async fn every_list_can_be_prepared_on_sqlite() {
    let place = Place::sqlite().await;
    let pool = sqlx::SqlitePool::connect(&place.url).await.unwrap();
    for (what, sql) in texts() {
        let prepared = (&pool).prepare(AssertSqlSafe(sql.clone()).into_sql_str()).await;
        prepared.unwrap_or_else(|e| panic!("{what}: {e}\n{sql}"));
    }
}

#[tokio::test]
async fn every_list_can_be_prepared_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let pool = sqlx::PgPool::connect(&place.url).await.unwrap();
    for (what, sql) in texts() {
        let prepared = (&pool).prepare(AssertSqlSafe(sql.clone()).into_sql_str()).await;
        prepared.unwrap_or_else(|e| panic!("{what}: {e}\n{sql}"));
    }
}

/// However large a table is, a page of numbers, extensions or accounts is read from an index and no further than it goes:
/// nothing is sorted, and no row is looked at that is somebody else's.
#[tokio::test]
async fn a_page_of_a_large_platform_walks_an_index() {
    let place = Place::sqlite().await;
    let pool = sqlx::SqlitePool::connect(&place.url).await.unwrap();
    for (of, name) in [(lists::DDIS, "e164"), (lists::EXTENSIONS, "number"), (lists::ACCOUNTS, "username")] {
        for scope in &SCOPES {
            for order in ["id", "-id", name, &format!("-{name}")] {
                let first = Wanted::of(of, 100).ordered(order).unwrap();
                let values = first.order_words().split(',').map(|_| "7".to_owned()).collect();
                let mark = Mark { order: first.order_words(), values };
                let behind = first.clone().after(&mark).unwrap();
                let begins = Wanted::of(of, 100).only(name, "+44");
                for (wanted, whole) in [(first, true), (behind, false), (begins, false)] {
                    let (sql, _) = wanted.text(scope);
                    let ask = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(ask).fetch_all(&pool).await.unwrap();
                    let steps: Vec<&str> = plan.iter().map(|(.., step)| step.as_str()).collect();
                    // The first page of all there is begins at one end of the table, or of an index.
                    let walks = steps[0].starts_with("SEARCH") || (whole && *scope == CTX);
                    assert!(steps.len() == 1 && walks, "{} by {order} as {scope:?}: {steps:?}\n{sql}", of.what());
                }
            }
        }
    }
}

async fn page(place: &Place, order: &str, after: Option<&Mark>) -> Found<Account> {
    let wanted = Wanted::of(lists::ACCOUNTS, 2).ordered(order).unwrap();
    let wanted = after.map_or(wanted.clone(), |mark| wanted.after(mark).unwrap());
    place.db.accounts().found(&CTX, &wanted).await.unwrap()
}

fn names(found: &[Account]) -> Vec<&str> {
    found.iter().map(|a| a.username.as_str()).collect()
}

on_both! {
    async fn several_columns_order_a_list_each_in_its_direction(place: Place) {
        let db = &place.db;
        let north = company(db, brand(db, "acme").await.id, "north").await;
        let mut all = Vec::new();
        for (username, shown, enabled) in [
            ("a", "x", true), ("b", "x", false), ("c", "y", true), ("d", "x", true), ("e", "", false), ("f", "y", false),
            ("g", "x", false),
        ] {
            let new = store::NewAccount { display_name: shown.to_owned(), enabled, ..new_account(north.id, username) };
            all.push(db.accounts().create(&CTX, new).await.unwrap());
        }
        for order in ["display_name,-enabled,-username", "-enabled,display_name", "-display_name,enabled", "company,-id"] {
            let mut expected = all.clone();
            expected.sort_by(|a, b| match order {
                "display_name,-enabled,-username" => (&a.display_name, b.enabled, &b.username).cmp(&(&b.display_name, a.enabled, &a.username)),
                "-enabled,display_name" => (b.enabled, &a.display_name, a.id).cmp(&(a.enabled, &b.display_name, b.id)),
                "-display_name,enabled" => (&b.display_name, a.enabled, a.id).cmp(&(&a.display_name, b.enabled, b.id)),
                _ => b.id.cmp(&a.id),
            });
            let (mut seen, mut next) = (Vec::new(), None);
            loop {
                let found = page(&place, order, next.as_ref()).await;
                assert!(found.rows.len() <= 2);
                seen.extend(found.rows);
                next = found.next;
                if next.is_none() { break }
            }
            assert_eq!(names(&seen), names(&expected), "{order}");
        }
    }

    async fn what_comes_and_goes_between_pages_neither_repeats_nor_hides_a_row(place: Place) {
        let db = &place.db;
        let north = company(db, brand(db, "acme").await.id, "north").await;
        for username in ["b", "d", "f", "h", "j"] {
            account(db, north.id, username).await;
        }
        let order = "enabled,-username";
        let first = page(&place, order, None).await;
        assert_eq!(names(&first.rows), ["j", "h"]);
        // The last row of the page goes, one comes before it, one behind it.
        db.accounts().delete(&CTX, first.rows[1].id).await.unwrap();
        account(db, north.id, "i").await;
        account(db, north.id, "g").await;
        let second = page(&place, order, first.next.as_ref()).await;
        assert_eq!(names(&second.rows), ["g", "f"]);
        account(db, north.id, "e").await;
        let third = page(&place, order, second.next.as_ref()).await;
        assert_eq!(names(&third.rows), ["e", "d"]);
        let last = page(&place, order, third.next.as_ref()).await;
        assert_eq!((names(&last.rows), last.next), (vec!["b"], None));
    }

    async fn texts_are_ordered_by_their_bytes_and_begin_as_they_are_written(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        for (at, name) in ["b", "B", "a b", "a_b", "a%b", "a", "\u{e4}", "Z"].into_iter().enumerate() {
            let new = store::NewCompany { domain: format!("c{at}.example"), ..new_company(acme.id, name) };
            db.companies().create(&CTX, new).await.unwrap();
        }
        let named = async |wanted: Wanted| -> Vec<String> {
            db.companies().found(&CTX, &wanted).await.unwrap().rows.into_iter().map(|c| c.name).collect()
        };
        let by_name = Wanted::of(lists::COMPANIES, 100).ordered("name").unwrap();
        assert_eq!(named(by_name.clone()).await, ["B", "Z", "a", "a b", "a%b", "a_b", "b", "\u{e4}"]);
        assert_eq!(named(by_name.clone().only("name", "a")).await, ["a", "a b", "a%b", "a_b"]);
        assert_eq!(named(by_name.clone().only("name", "a_")).await, ["a_b"], "nothing is wild");
        assert_eq!(named(by_name.clone().only("name", "\u{e4}")).await, ["\u{e4}"]);
        assert_eq!(named(by_name.clone().only("name", "")).await.len(), 8);
        assert_eq!(named(by_name.only("kind", "retail")).await.len(), 0);
    }

    async fn filters_narrow_within_the_scope_and_never_beyond_it(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let (north, south) = (company(db, acme.id, "north").await, company(db, rival.id, "south").await);
        for (company, e164) in [(north.id, "+4420"), (north.id, "+4930"), (south.id, "+4421")] {
            let target = RouteTarget::App("echo".to_owned());
            db.ddis().create(&CTX, NewDdi { company, e164: e164.to_owned(), target }).await.unwrap();
        }
        let found = async |ctx: OpContext, wanted: Wanted| -> BTreeSet<String> {
            db.ddis().found(&ctx, &wanted).await.unwrap().rows.into_iter().map(|d| d.e164).collect()
        };
        let all = Wanted::of(lists::DDIS, 100);
        let set = |numbers: &[&str]| numbers.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        for begin in ["+44", "44", " 44"] {
            assert_eq!(found(CTX, all.clone().only("e164", begin)).await, set(&["+4420", "+4421"]), "{begin:?}");
        }
        assert_eq!(found(CTX, all.clone().only("brand", rival.id.0)).await, set(&["+4421"]));
        let own = OpContext::company(acme.id, north.id);
        assert_eq!(found(own.clone(), all.clone().only("e164", "44")).await, set(&["+4420"]));
        assert_eq!(found(own.clone(), all.clone().only("company", south.id.0)).await, set(&[]));
        assert_eq!(found(OpContext::brand(acme.id), all.clone().only("company", south.id.0)).await, set(&[]));
        assert_eq!(found(own, all.clone().only("no-such", 1)).await, set(&[]));
        let trunks = Wanted::of(lists::TRUNKS, 5);
        assert!(matches!(db.ddis().found(&CTX, &trunks).await, Err(StoreError::Invalid { .. })));
    }
}
