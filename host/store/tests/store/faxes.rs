//! Faxes: whose turn it is, what is tried again, what is bounded, what goes.

use crate::fixture::{CTX, at, brand, company};
use crate::on_both;
use core::time::Duration;
use model::{CallId, Company, CompanyId, RouteTarget};
use store::{Db, Fax, FaxEnd, FaxState, FaxTry, NewDdi, NewFax, OpContext, ReceivedFax, StoreError, Wanted, lists};

const LEASE: Duration = Duration::from_secs(30);

async fn tenant(db: &Db, name: &str, number: &str) -> Company {
    let brand = brand(db, name).await;
    let company = company(db, brand.id, name).await;
    let new = NewDdi { company: company.id, e164: number.to_owned(), target: RouteTarget::App("fax".to_owned()) };
    db.ddis().create(&CTX, new).await.unwrap();
    company
}

fn fax(of: CompanyId, name: &str, from: &str) -> NewFax {
    NewFax {
        name: name.to_owned(),
        company: of,
        from: from.to_owned(),
        to: "030123".to_owned(),
        pages: 2,
        bytes: 1_000,
        made_at: at(1),
    }
}

async fn claim(db: &Db, holder: &str, second: u64) -> Option<Fax> {
    db.faxes().claim(holder, (at(second), LEASE), 1).await.unwrap()
}

fn end(whole: bool, pages: u32) -> FaxEnd {
    FaxEnd { whole, pages, station: "+49\0 30".to_owned(), t38: true, reason: "so".to_owned() }
}

on_both! {
    async fn a_fax_is_one_tries_and_comes_again_until_it_is_over(place: Place) {
        let db = &place.db;
        let acme = tenant(db, "acme", "+4930111").await;
        let own = OpContext::company(acme.brand, acme.id);
        let queued = db.faxes().queue(&own, &fax(acme.id, "a", "+4930111"), 9).await.unwrap();
        assert_eq!((queued.state, queued.tries, queued.brand, queued.pages), (FaxState::Queued, 0, acme.brand, 2));
        db.faxes().queue(&own, &fax(acme.id, "b", "+4930111"), 9).await.unwrap();
        let first = claim(db, "one", 2).await.unwrap();
        assert_eq!((first.id, first.state, first.tries), (queued.id, FaxState::Sending, 1));
        assert_eq!(claim(db, "two", 2).await, None, "one of a company at once");
        let of = FaxTry { fax: first.id, holder: "one" };
        let other = FaxTry { fax: first.id, holder: "two" };
        db.faxes().called(of, CallId(7)).await.unwrap();
        assert!(matches!(db.faxes().renew(other, at(99)).await, Err(StoreError::NotFound { .. })));
        assert!(db.faxes().delete(&own, first.id).await.is_err(), "a call is made for it");
        db.faxes().later(of, at(50), &end(false, 1), true).await.unwrap();
        let waits = db.faxes().get(&own, first.id).await.unwrap();
        assert_eq!((waits.state, waits.tries, waits.pages_done, waits.call), (FaxState::Queued, 1, 1, Some(CallId(7))));
        assert_eq!(waits.station, "+49\u{fffd} 30");
        // The other one's process dies: it is another's when the lease is over.
        let second = claim(db, "two", 3).await.unwrap();
        assert_eq!(second.name, "b");
        assert_eq!(claim(db, "three", 20).await, None);
        let again = claim(db, "three", 40).await.unwrap();
        assert_eq!((again.name.as_str(), again.tries), ("b", 2));
        let again = FaxTry { fax: again.id, holder: "three" };
        db.faxes().later(again, at(90), &end(false, 0), false).await.unwrap();
        assert_eq!(db.faxes().get(&own, second.id).await.unwrap().tries, 1, "a try that was none does not count");
        let last = claim(db, "four", 60).await.unwrap();
        db.faxes().ended(FaxTry { fax: last.id, holder: "four" }, at(61), &end(true, 2)).await.unwrap();
        let sent = db.faxes().get(&own, first.id).await.unwrap();
        assert_eq!((sent.state, sent.pages_done, sent.ended_at), (FaxState::Sent, 2, Some(at(61))));
        db.faxes().delete(&own, first.id).await.unwrap();
    }

    async fn a_fax_is_of_its_company_from_its_number_and_within_bounds(place: Place) {
        let db = &place.db;
        let (acme, other) = (tenant(db, "acme", "+4930111").await, tenant(db, "other", "+4930222").await);
        let own = OpContext::company(acme.brand, acme.id);
        let theirs = OpContext::company(other.brand, other.id);
        let refused = |error: Result<Fax, StoreError>| match error {
            Err(StoreError::Invalid { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(db.faxes().queue(&own, &fax(acme.id, "a", "+4930222"), 9).await), "from");
        assert_eq!(refused(db.faxes().queue(&theirs, &fax(acme.id, "a", "+4930111"), 9).await), "from");
        let kept = db.faxes().queue(&own, &fax(acme.id, "a", "+4930111"), 1).await.unwrap();
        assert_eq!(refused(db.faxes().queue(&own, &fax(acme.id, "b", "+4930111"), 1).await), "company");
        assert!(matches!(db.faxes().get(&theirs, kept.id).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(db.faxes().delete(&theirs, kept.id).await, Err(StoreError::NotFound { .. })));
        let listed = db.faxes().found(&theirs, &Wanted::of(lists::FAXES, 9)).await.unwrap();
        assert!(listed.rows.is_empty());
    }

    async fn what_came_is_noted_once_and_goes_by_age_and_size(place: Place) {
        let db = &place.db;
        let acme = tenant(db, "acme", "+4930111").await;
        for n in 1..=4_u8 {
            let came = ReceivedFax {
                name: format!("c{n}"),
                brand: acme.brand,
                company: if n == 4 { CompanyId(99) } else { acme.id },
                caller: "1".to_owned(),
                callee: "2".to_owned(),
                call: CallId(u128::from(n)),
                made_at: at(u64::from(n) * 10),
                ended_at: at(u64::from(n) * 10 + 5),
                bytes: 600,
                end: end(n != 2, 1),
            };
            db.faxes().received(&came).await.unwrap();
            db.faxes().received(&came).await.unwrap();
        }
        let names = |faxes: Vec<Fax>| faxes.into_iter().map(|fax| fax.name).collect::<Vec<_>>();
        assert_eq!(names(db.faxes().older(acme.id, at(26), 9).await.unwrap()), ["c1", "c2"]);
        assert_eq!(names(db.faxes().surplus(acme.id, 1_200, 9).await.unwrap()), ["c1"]);
        assert_eq!(names(db.faxes().orphans(9).await.unwrap()), ["c4"]);
        let own = OpContext::company(acme.brand, acme.id);
        let all = db.faxes().found(&own, &Wanted::of(lists::FAXES, 9)).await.unwrap().rows;
        let states: Vec<_> = all.iter().map(|fax| (fax.name.as_str(), fax.state)).collect();
        assert_eq!(states, [("c3", FaxState::Received), ("c2", FaxState::Failed), ("c1", FaxState::Received)]);
    }
}
