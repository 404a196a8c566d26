//! Money: what a key does once, who gets what is there, and books that agree whatever happens.

use crate::cdrs::keep;
use crate::fixture::{CTX, Place, at, brand, cdr, company};
use crate::on_both;
use model::{Charge, CompanyId, Instant, LedgerRefusal, Money, Rated};
use store::{Charging, Db, LedgerError, NewWallet, OpContext, Page, StoreError};

fn eur(micros: i64) -> Money {
    Money { micros, currency: "EUR".to_owned() }
}

/// The midnight of most tests.
const DAY: Instant = Instant::from_unix_nanos(0);

fn on(second: u64) -> Charging<'static> {
    Charging { memo: &[], now: at(second), since: DAY }
}

fn plan(method: &str, credit: i64) -> NewWallet {
    let (method, plan, currency) = (method.to_owned(), "retail".to_owned(), "EUR".to_owned());
    NewWallet { method, plan, currency, credit, daily_cap: None, low_mark: None }
}

/// A company with a prepaid wallet of so much.
async fn payer(db: &Db, name: &str, balance: i64) -> CompanyId {
    let brand = brand(db, name).await;
    let company = company(db, brand.id, name).await.id;
    db.wallets().put(&CTX, company, &plan("prepaid", 0)).await.unwrap();
    if balance != 0 {
        db.wallets().deposit(&CTX, company, ("first", balance), "", at(1)).await.unwrap();
    }
    company
}

async fn holds(db: &Db) {
    for audit in db.ledger().audit(at(0)).await.unwrap() {
        assert!(audit.holds(), "{audit:?}");
    }
}

async fn is(db: &Db, company: CompanyId, balance: i64, reserved: i64) {
    let wallet = db.wallets().get(&CTX, company).await.unwrap();
    assert_eq!((wallet.balance, wallet.reserved), (balance, reserved));
    holds(db).await;
}

on_both! {
async fn a_key_keeps_charges_and_lets_go_once(place: Place) {
    let db = &place.db;
    let c = payer(db, "a", 1_000).await;
    let l = db.ledger();
    assert_eq!(l.reserve(c, "g", &eur(400), 60, (at(2), DAY)).await, Ok(400));
    assert_eq!(l.reserve(c, "g", &eur(999), 60, (at(2), DAY)).await, Ok(400), "the same key, whatever is asked");
    let poor = LedgerError::Refused(LedgerRefusal::Insufficient(600));
    assert_eq!(l.reserve(c, "h", &eur(601), 60, (at(2), DAY)).await, Err(poor.clone()));
    assert_eq!(l.adjust(c, "g", &eur(900), 60, (at(3), DAY)).await, Ok(900));
    assert_eq!(l.adjust(c, "g", &eur(900), 60, (at(3), DAY)).await, Ok(900));
    is(db, c, 1_000, 900).await;
    assert_eq!(l.commit(c, "leg", Some("g"), &eur(350), on(4)).await, Ok(350));
    assert_eq!(l.commit(c, "leg", Some("g"), &eur(777), on(5)).await, Ok(350), "charged once, as it was then");
    is(db, c, 650, 0).await;
    assert_eq!(l.adjust(c, "g", &eur(1), 60, (at(5), DAY)).await, Err(LedgerError::Refused(LedgerRefusal::Closed)));
    assert_eq!(l.reserve(c, "i", &eur(10), 60, (at(5), DAY)).await, Ok(10));
    l.release(c, "i", at(5)).await.unwrap();
    l.release(c, "i", at(5)).await.unwrap();
    l.release(c, "never", at(5)).await.unwrap();
    is(db, c, 650, 0).await;
    let other = Money { micros: 1, currency: "USD".to_owned() };
    assert!(matches!(l.reserve(c, "x", &other, 1, (at(6), DAY)).await, Err(LedgerError::Refused(LedgerRefusal::Invalid(_)))));
    assert!(matches!(l.commit(c, "x", None, &eur(-1), on(6)).await, Err(LedgerError::Refused(_))));
    // What was used is owed, even where it is not there.
    assert_eq!(l.commit(c, "big", None, &eur(5_000), on(7)).await, Ok(5_000));
    is(db, c, -4_350, 0).await;
    let seen = l.account(c, at(5), None).await.unwrap();
    assert_eq!((seen.balance, seen.spent_today), (-4_350, 5_000), "only since the midnight that is given");
}

async fn what_is_kept_ends_with_its_time_unless_it_was_kept_longer(place: Place) {
    let db = &place.db;
    let c = payer(db, "a", 1_000).await;
    let l = db.ledger();
    l.reserve(c, "short", &eur(100), 10, (at(0), DAY)).await.unwrap();
    l.reserve(c, "long", &eur(200), 10, (at(0), DAY)).await.unwrap();
    l.adjust(c, "long", &eur(250), 100, (at(5), DAY)).await.unwrap();
    assert_eq!(l.expire(at(9)).await.unwrap(), 0);
    assert_eq!(l.expire(at(10)).await.unwrap(), 1);
    is(db, c, 1_000, 250).await;
    // A call that outlives what was kept for it: it keeps again, and its charge comes all the same.
    assert_eq!(l.adjust(c, "short", &eur(120), 10, (at(11), DAY)).await, Ok(120));
    is(db, c, 1_000, 370).await;
    l.commit(c, "leg", Some("short"), &eur(90), on(12)).await.unwrap();
    assert_eq!(l.expire(at(1_000)).await.unwrap(), 1);
    is(db, c, 910, 0).await;
}

async fn of_many_at_once_none_gets_what_is_not_there(place: Place) {
    let c = payer(&place.db, "a", 1_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..24 {
        let db = place.db.clone();
        tasks.spawn(async move {
            let key = format!("g{n}");
            let kept = db.ledger().reserve(c, &key, &eur(100), 60, (at(2), DAY)).await.is_ok();
            if kept && n % 2 == 0 {
                // The same charge twice, from two sides.
                let leg = format!("leg{n}");
                let (one, two) = tokio::join!(
                    async { db.ledger().commit(c, &leg, Some(&key), &eur(70), on(3)).await },
                    async { db.ledger().commit(c, &leg, Some(&key), &eur(70), on(3)).await },
                );
                assert_eq!((one, two), (Ok(70), Ok(70)));
                return (kept, true);
            }
            (kept, false)
        });
    }
    let done: Vec<(bool, bool)> = tasks.join_all().await;
    let charged = i64::try_from(done.iter().filter(|d| d.1).count()).unwrap();
    let kept = i64::try_from(done.iter().filter(|d| d.0).count()).unwrap();
    assert!(kept >= 10, "all that was there was given: {kept}");
    let (left, still) = (1_000 - 70 * charged, 100 * (kept - charged));
    assert!(still <= left, "{kept} were kept and {charged} charged: {still} of {left}");
    is(&place.db, c, left, still).await;
}

async fn the_cap_of_a_day_holds_over_all_calls_at_once_and_ends_with_the_day(place: Place) {
    let db = &place.db;
    let c = payer(db, "a", 0).await;
    let capped = NewWallet { daily_cap: Some(500), ..plan("postpaid", 10_000) };
    db.wallets().put(&CTX, c, &capped).await.unwrap();
    let l = db.ledger();
    // The day before, and then: what was charged and what is kept count together.
    let (before, day, next) = (at(0), at(100), at(200));
    let charging = |second, since| Charging { memo: &[], now: at(second), since };
    assert_eq!(l.commit(c, "old", None, &eur(450), charging(50, before)).await, Ok(450));
    assert_eq!(l.commit(c, "new", None, &eur(100), charging(110, day)).await, Ok(100));
    let keep = |key: String, now| async move {
        db.ledger().adjust(c, &key, &eur(100), 500, (at(now), if now < 200 { day } else { next })).await
    };
    let mut kept = 0;
    for n in 0..6 {
        match keep(format!("g{n}"), 120).await {
            Ok(_) => kept += 1,
            Err(error) => assert_eq!(error, LedgerError::Refused(LedgerRefusal::Insufficient(0))),
        }
    }
    assert_eq!(kept, 4, "100 were charged today, and 400 are left");
    let seen = l.account(c, day, None).await.unwrap();
    assert_eq!((seen.spent_today, seen.reserved), (100, 400));
    assert_eq!(l.commit(c, "leg", Some("rater"), &eur(90), charging(130, day)).await, Ok(90));
    assert_eq!(l.account(c, day, None).await.unwrap().spent_today, 190);
    // Another zone, another midnight: counted anew. So is the day after, for which what is kept counts still.
    assert_eq!(l.account(c, at(120), None).await.unwrap().spent_today, 90);
    assert_eq!(l.account(c, before, None).await.unwrap().spent_today, 640);
    assert_eq!(l.account(c, next, None).await.unwrap().spent_today, 0);
    assert_eq!(keep("g9".to_owned(), 210).await, Ok(100));
    assert!(keep("g10".to_owned(), 210).await.is_err());
    assert_eq!(l.commit(c, "late", None, &eur(7), charging(220, next)).await, Ok(7));
    assert_eq!(l.account(c, next, None).await.unwrap().spent_today, 7);
    holds(db).await;
}

async fn who_lets_go_first_has_let_go_and_old_rows_are_forgotten(place: Place) {
    let db = &place.db;
    let c = payer(db, "a", 1_000).await;
    let l = db.ledger();
    let closed = Err(LedgerError::Refused(LedgerRefusal::Closed));
    // The call was over before its rater had kept anything.
    l.release(c, "late", at(5)).await.unwrap();
    assert_eq!(l.reserve(c, "late", &eur(0), 60, (at(6), DAY)).await, closed);
    assert_eq!(l.adjust(c, "late", &eur(10), 60, (at(6), DAY)).await, closed);
    l.reserve(c, "slow", &eur(10), 1, (at(6), DAY)).await.unwrap();
    l.expire(at(8)).await.unwrap();
    l.release(c, "slow", at(9)).await.unwrap();
    assert_eq!(l.adjust(c, "slow", &eur(10), 60, (at(10), DAY)).await, closed);
    l.reserve(c, "open", &eur(10), 172_800, (at(6), DAY)).await.unwrap();
    is(db, c, 1_000, 10).await;
    // Two days after its end a row is gone, and one that is open stays.
    l.forget(at(172_804)).await.unwrap();
    assert_eq!(l.adjust(c, "late", &eur(10), 60, (at(172_804), DAY)).await, closed);
    l.forget(at(172_805)).await.unwrap();
    assert_eq!(l.adjust(c, "late", &eur(20), 60, (at(172_805), DAY)).await, Ok(20));
    is(db, c, 1_000, 30).await;
}

async fn money_by_hand_moves_once_by_its_key_and_is_a_brands(place: Place) {
    let db = &place.db;
    let c = payer(db, "a", 0).await;
    let w = db.wallets();
    let own = OpContext::company(w.get(&CTX, c).await.map(|w| model::BrandId(w.brand_id)).unwrap(), c);
    assert_eq!(w.deposit(&CTX, c, ("k", 500), "cash", at(1)).await.unwrap().balance, 500);
    assert_eq!(w.deposit(&CTX, c, ("k", 500), "cash", at(2)).await.unwrap().balance, 500, "the same again");
    assert!(matches!(w.deposit(&CTX, c, ("k", 501), "", at(2)).await, Err(StoreError::Conflict { .. })));
    assert!(matches!(w.deposit(&own, c, ("mine", 9), "", at(2)).await, Err(StoreError::Forbidden { .. })));
    assert_eq!(w.deposit(&CTX, c, ("back", -200), "taken back", at(3)).await.unwrap().balance, 300);
    let seen = w.movements(&own, c, Page { after: 0, limit: 1 }).await.unwrap();
    assert_eq!(seen.iter().map(|m| (m.kind.as_str(), m.amount, m.balance)).collect::<Vec<_>>(), [("correction", -200, 300)]);
    let older = w.movements(&own, c, Page { after: seen[0].id, limit: 9 }).await.unwrap();
    assert_eq!((older.len(), older[0].memo.as_str()), (1, "cash"));
    let dollars = NewWallet { currency: "USD".to_owned(), ..plan("postpaid", 7) };
    assert!(matches!(w.put(&CTX, c, &dollars).await, Err(StoreError::Invalid { what: "currency", .. })));
    assert_eq!(w.put(&CTX, c, &plan("postpaid", 7)).await.unwrap().balance, 300, "what it has stays");
    is(db, c, 300, 0).await;
    let other = payer(db, "b", 5).await;
    assert!(matches!(w.get(&own, other).await, Err(StoreError::NotFound { .. })));
}

async fn a_companys_backlog_stands_before_nobody_elses_legs(place: Place) {
    let db = &place.db;
    let rated = Rated { id: "7.1".to_owned(), number: "+49".to_owned(), trunk: None, payer: None, unasked: false, granted_s: None, since: None };
    let leg = |call: u128, company: i64| {
        let one = cdr(call, 1);
        model::Cdr { company: CompanyId(company), rated: Some(rated.clone()), ..one }
    };
    keep(&place, (0..40).map(|n| leg(n, 1)).collect()).await;
    keep(&place, vec![leg(50, 2), leg(51, 2), leg(60, 3)]).await;
    let due = |limit, busy: &'static [i64]| async move {
        let due = db.settlements().due(at(20), limit, busy).await.unwrap();
        due.into_iter().map(|(s, _)| s.company).collect::<Vec<_>>()
    };
    let mut first = due(3, &[]).await;
    first.sort_unstable();
    assert_eq!(first, [1, 2, 3], "one of each before the second of any");
    assert_eq!(due(256, &[]).await.len(), 32 + 3, "and of one not all at once");
    assert_eq!(due(256, &[1, 3]).await, [2, 2], "none of those that are at work");
    // All that wait, page by page.
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = db.settlements().waiting(&CTX, 0, after.as_ref(), 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.made_at, last.call, last.leg));
        seen.extend(page.iter().map(|s| s.call));
        assert!(seen.len() <= 43, "it ends");
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 43);
    // What was settled long ago is forgotten, what waits is not.
    let charge = Charge { micros: 1, carrier_micros: None, currency: "EUR".to_owned(), lines: Vec::new() };
    db.settlements().done((seen[0], 1), &charge).await.unwrap();
    db.settlements().forget(at(172_700)).await.unwrap();
    keep(&place, vec![leg(0, 1)]).await;
    assert_eq!(db.settlements().count().await.unwrap().0, 42, "the row is there");
    db.settlements().forget(at(200_000)).await.unwrap();
    assert_eq!(db.settlements().count().await.unwrap().0, 42);
    keep(&place, vec![leg(0, 1)]).await;
    assert_eq!(db.settlements().count().await.unwrap().0, 43, "the row was gone");
}

async fn an_answered_leg_waits_for_its_price_from_its_cdr_on(place: Place) {
    let db = &place.db;
    let rated = |n| Some(Rated { id: format!("7.{n}"), number: "+49".to_owned(), trunk: None, payer: None, unasked: false, granted_s: None, since: None });
    let leg = |n: u16| model::Cdr { rated: rated(n), ..cdr(7, n) };
    let unanswered = model::Cdr { answered_at: None, ..leg(3) };
    keep(&place, vec![cdr(7, 0), leg(1), leg(2), unanswered]).await;
    keep(&place, vec![leg(1)]).await;
    let due = db.settlements().due(at(20), 9, &[]).await.unwrap();
    let legs: Vec<u16> = due.iter().map(|(s, c)| { assert_eq!(s.leg, c.leg); s.leg }).collect();
    assert_eq!((legs, due[0].1.rated.clone()), (vec![1, 2], rated(1)));
    let call = due[0].0.call;
    let lines = vec![("prefix".to_owned(), "49".to_owned())];
    let charge = Charge { micros: 12, carrier_micros: Some(5), currency: "EUR".to_owned(), lines };
    db.settlements().done((call, 1), &charge).await.unwrap();
    db.settlements().done((call, 1), &Charge { micros: 99, ..charge.clone() }).await.unwrap();
    db.settlements().later((call, 2), at(100), "a trap").await.unwrap();
    assert!(db.settlements().due(at(99), 9, &[]).await.unwrap().is_empty());
    assert_eq!(db.settlements().next().await.unwrap(), Some(at(100)));
    assert_eq!(db.settlements().count().await.unwrap(), (1, 1));
    let waiting = db.settlements().waiting(&CTX, 1, None, 100).await.unwrap();
    assert_eq!((waiting[0].tries, waiting[0].error.as_deref()), (1, Some("a trap")));
    let stranger = OpContext::company(model::BrandId(9), CompanyId(9));
    assert!(db.settlements().retry(&stranger, (call, 2), at(50)).await.is_err());
    db.settlements().retry(&CTX, (call, 2), at(50)).await.unwrap();
    assert_eq!(db.settlements().due(at(50), 9, &[]).await.unwrap().len(), 1);
    // The CDR comes once more, after all: it stays settled.
    keep(&place, vec![leg(1)]).await;
    assert_eq!(db.settlements().count().await.unwrap(), (1, 1));
    let legs = db.cdrs().of_call(&CTX, call).await.unwrap();
    assert_eq!(legs[1].charge, Some(charge));
    assert_eq!(legs[2].charge, None);
}
}

/// As somebody with the database's own tool does.
async fn by_force(place: &Place, sql: &str) {
    if place.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&place.url).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(&place.url).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

on_both! {
async fn the_audit_names_each_difference(place: Place) {
    let db = &place.db;
    let (brand, other) = (brand(db, "a").await, payer(db, "other", 7).await);
    let c = company(db, brand.id, "a").await.id;
    let leg = |n| model::Cdr { company: c, brand: brand.id, ..cdr(7, n) };
    keep(&place, vec![leg(1), leg(2)]).await;
    db.wallets().put(&CTX, c, &plan("prepaid", 0)).await.unwrap();
    db.wallets().deposit(&CTX, c, ("first", 1_000_000), "", at(1)).await.unwrap();
    let l = db.ledger();
    assert_eq!(l.reserve(c, "g", &eur(400_000), 60, (at(2), DAY)).await, Ok(400_000));
    let call = leg(1).call;
    assert_eq!(l.commit(c, &format!("rater/{call}/1"), None, &eur(250_000), on(4)).await, Ok(250_000));
    let books = async |second: u64| {
        let all = db.ledger().audit(at(second)).await.unwrap();
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|book| book.company_id == c.0);
        assert!(others.iter().all(|b| b.company_id == other.0 && b.holds() && b.overdue + b.unmoved == 0), "{others:?}");
        own.into_iter().next().unwrap()
    };
    by_force(&place, "UPDATE cdrs SET cost = 250000 WHERE leg = 1").await;
    let good = books(10).await;
    assert_eq!((good.differences(), good.spent, good.charged, good.overdue), (vec![], 250_000, 250_000, 0));
    let late = books(62).await;
    assert_eq!((late.overdue, late.holds()), (1, true), "nobody has let it go yet");
    by_force(&place, "UPDATE cdrs SET cost = 3 WHERE leg = 2").await;
    let elsewhere = books(10).await;
    assert_eq!((elsewhere.unmoved, elsewhere.holds()), (1, true), "a rater may charge elsewhere");
    for (sql, back, words) in [
        ("balance = balance + 1000", "balance = balance - 1000", &["its movements come to", "last movement left"][..]),
        ("reserved = reserved + 1", "reserved = reserved - 1", &["its open reservations come to 0.4"][..]),
        ("spent = spent - 50000", "spent = spent + 50000", &["spent is 0.2, its charges since then come to 0.25"][..]),
    ] {
        by_force(&place, &format!("UPDATE wallets SET {sql} WHERE company_id = {}", c.0)).await;
        let found = books(10).await;
        assert!(!found.holds());
        assert_eq!(found.differences().len(), words.len(), "{found:?}");
        for (said, word) in found.differences().iter().zip(words) {
            assert!(said.contains(word), "{said}");
        }
        by_force(&place, &format!("UPDATE wallets SET {back} WHERE company_id = {}", c.0)).await;
    }
    by_force(&place, "UPDATE cdrs SET cost = 250001 WHERE leg = 1").await;
    assert_eq!(books(10).await.differences(), ["legs that cost other than what was moved for them: 1"]);
}
}

#[tokio::test]
async fn a_movement_is_never_changed_or_removed() {
    let place = Place::sqlite().await;
    payer(&place.db, "a", 5).await;
    let pool = sqlx::SqlitePool::connect(&place.url).await.unwrap();
    for sql in ["UPDATE wallet_movements SET amount = 0", "DELETE FROM wallet_movements"] {
        assert!(sqlx::query(sql).execute(&pool).await.is_err(), "{sql}");
    }
    if let Some(place) = Place::postgres().await {
        payer(&place.db, "a", 5).await;
        let pool = sqlx::PgPool::connect(&place.url).await.unwrap();
        for sql in ["UPDATE wallet_movements SET amount = 0", "DELETE FROM wallet_movements"] {
            assert!(sqlx::query(sql).execute(&pool).await.is_err(), "{sql}");
        }
    }
}
