//! Timetables: each time comes once however many nodes look, is not lost by a crash, and is its tenant's alone.

use crate::fixture::{CTX, at, brand, company};
use crate::on_both;
use model::{CompanyId, Instant};
use std::time::Duration;
use store::{
    Cadence, Db, JobFilter, JobState, Lease, OpContext, Page, Principal, Scope, StoreError, Timetable, Timing, TokenId,
    When,
};

fn timing(name: &str, next: u64) -> Timing {
    Timing {
        name: name.to_owned(),
        kind: "export".to_owned(),
        noun: "accounts".to_owned(),
        asked: "{\"of\":\"accounts\"}".to_owned(),
        cadence: Cadence::Every(Duration::from_secs(60)),
        keep: 2,
        enabled: true,
        actor: "token 7 ci".to_owned(),
        impersonator: None,
        principal: Principal::Token(TokenId(7)),
        next_at: Some(at(next)),
    }
}

/// What a node does when it looks.
async fn look(db: &Db, now: Instant, next: Instant) -> Option<i64> {
    let seen = db.timetables().due(now).await.unwrap()?;
    db.timetables().come(&seen, Some(next), now).await.unwrap()
}

/// Ends the job under way.
async fn done(db: &Db, now: Instant) {
    let job = db.job_runs().claim("h", now, Duration::from_secs(30)).await.unwrap().unwrap();
    db.job_runs().end(Lease { job: job.id, holder: "h" }, (JobState::Done, now), Some("{}"), None).await.unwrap();
}

async fn runs(db: &Db, of: &Timetable) -> usize {
    let filter = JobFilter { timetable: Some(of.id), ..JobFilter::default() };
    db.jobs().list(&CTX, filter, Page::first()).await.unwrap().len()
}

on_both! {
    async fn a_time_comes_once_however_many_nodes_look(place: Place) {
        let db = &place.db;
        let made = db.timetables().create(&CTX, Scope::Platform, &timing("nightly", 100), at(1)).await.unwrap();
        assert_eq!((look(db, at(99), at(160)).await, db.timetables().next().await.unwrap()), (None, Some(at(100))));
        // Two nodes, each with its own connections, all of whose hands have seen the same row before any has moved it.
        let other = Db::open(&place.url).await.unwrap();
        let seen = db.timetables().due(at(100)).await.unwrap().unwrap();
        let hands = (0..12).map(|n| {
            let (db, seen) = (if n % 2 == 0 { db.clone() } else { other.clone() }, seen.clone());
            tokio::spawn(async move { db.timetables().come(&seen, Some(at(160)), at(100)).await.unwrap() })
        });
        let mut asked = Vec::new();
        for hand in hands.collect::<Vec<_>>() {
            asked.extend(hand.await.unwrap());
        }
        assert_eq!((asked.len(), runs(db, &made).await), (1, 1), "{asked:?}");
        let job = db.jobs().get(&CTX, asked[0]).await.unwrap();
        assert_eq!((job.kind.as_str(), job.timetable, job.principal), ("export", Some(made.id), Principal::Token(TokenId(7))));
        let shown = db.timetables().get(&CTX, made.id).await.unwrap();
        assert_eq!((shown.timing.next_at, shown.skipped), (Some(at(160)), 0));
        assert_eq!(shown.last.unwrap().state, JobState::Waiting);
    }

    async fn a_time_that_comes_while_the_job_is_under_way_is_passed_over(place: Place) {
        let db = &place.db;
        let made = db.timetables().create(&CTX, Scope::Platform, &timing("nightly", 100), at(1)).await.unwrap();
        assert!(look(db, at(100), at(160)).await.is_some());
        assert_eq!(look(db, at(160), at(220)).await, None);
        assert_eq!(db.timetables().get(&CTX, made.id).await.unwrap().skipped, 1);
        done(db, at(170)).await;
        // Of those that ended two are kept beside the new one.
        for n in 0..4 {
            assert!(look(db, at(220 + n * 60), at(280 + n * 60)).await.is_some());
            done(db, at(230 + n * 60)).await;
        }
        assert_eq!(runs(db, &made).await, 3);
        let last = db.timetables().get(&CTX, made.id).await.unwrap().last.unwrap();
        assert_eq!((last.state, last.ended_at), (JobState::Done, Some(at(410))));
        db.timetables().delete(&CTX, made.id).await.unwrap();
        assert_eq!((runs(db, &made).await, db.jobs().get(&CTX, last.job).await.unwrap().timetable), (0, None));
    }

    async fn one_that_is_switched_off_or_has_no_next_time_does_not_come(place: Place) {
        let db = &place.db;
        let off = Timing { enabled: false, ..timing("off", 100) };
        let off = db.timetables().create(&CTX, Scope::Platform, &off, at(1)).await.unwrap();
        let never = Timing { next_at: None, ..timing("never", 100) };
        db.timetables().create(&CTX, Scope::Platform, &never, at(1)).await.unwrap();
        assert_eq!((look(db, at(900), at(960)).await, db.timetables().next().await.unwrap()), (None, None));
        let on = timing("on", 200);
        let on = db.timetables().update(&CTX, off.id, &on, When::At(at(200))).await.unwrap();
        assert_eq!((on.timing.name.as_str(), on.timing.next_at), ("on", Some(at(200))));
        assert!(look(db, at(900), at(960)).await.is_some(), "what was missed comes once");
        assert_eq!(look(db, at(901), at(960)).await, None);
        // Somebody renames what he read before its time came.
        let named = db.timetables().update(&CTX, off.id, &timing("named", 200), When::AsItIs).await.unwrap();
        assert_eq!((named.timing.name.as_str(), named.timing.next_at), ("named", Some(at(960))));
        assert_eq!(look(db, at(902), at(960)).await, None, "a time comes once");
        done(db, at(950)).await;
        let seen = db.timetables().due(at(960)).await.unwrap().unwrap();
        assert!(db.timetables().come(&seen, None, at(960)).await.unwrap().is_some());
        let over = db.timetables().get(&CTX, off.id).await.unwrap().timing;
        assert_eq!((over.enabled, over.next_at), (false, None), "what has no next time says so");
    }

    async fn files_outlast_failures_and_the_sweep(place: Place) {
        let db = &place.db;
        let made = db.timetables().create(&CTX, Scope::Platform, &timing("monthly", 100), at(1)).await.unwrap();
        let first = look(db, at(100), at(160)).await.unwrap();
        done(db, at(110)).await;
        for n in 0..4 {
            look(db, at(160 + n * 60), at(220 + n * 60)).await.unwrap();
            let now = at(170 + n * 60);
            let job = db.job_runs().claim("h", now, Duration::from_secs(30)).await.unwrap().unwrap();
            let lease = Lease { job: job.id, holder: "h" };
            db.job_runs().end(lease, (JobState::Failed, now), None, Some("no rights")).await.unwrap();
        }
        assert!(db.jobs().get(&CTX, first).await.is_ok(), "failures push no file out");
        db.job_runs().sweep(at(1_000_000), at(1_000_000), 100).await.unwrap();
        assert!(db.jobs().get(&CTX, first).await.is_ok(), "its timetable says how long it stays");
        assert!(runs(db, &made).await <= 5);
    }

    async fn it_is_its_tenants_alone_and_they_are_few(place: Place) {
        let (db, all) = (&place.db, place.db.timetables());
        let own = company(db, brand(db, "b").await.id, "one").await;
        let scope = Scope::Company(own.brand, own.id);
        let (mine, stranger) = (OpContext { scope }, OpContext::company(own.brand, CompanyId(own.id.0 + 1)));
        let made = all.create(&mine, scope, &timing("nightly", 100), at(1)).await.unwrap();
        let gone = StoreError::NotFound { what: "timetable" };
        assert_eq!(all.get(&stranger, made.id).await, Err(gone.clone()));
        assert_eq!(all.update(&stranger, made.id, &timing("x", 1), When::Never).await, Err(gone.clone()));
        assert_eq!(all.delete(&stranger, made.id).await, Err(gone.clone()));
        assert!(all.list(&stranger, Page::first()).await.unwrap().is_empty());
        assert!(all.create(&stranger, scope, &timing("y", 1), at(1)).await.is_err(), "a scope that is not its own");
        let twice = all.create(&mine, scope, &timing("nightly", 100), at(1)).await;
        assert!(matches!(twice, Err(StoreError::Conflict { .. })), "{twice:?}");
        let bad = Timing { cadence: Cadence::Every(Duration::from_secs(59)), ..timing("often", 1) };
        assert!(matches!(all.create(&mine, scope, &bad, at(1)).await, Err(StoreError::Invalid { .. })));
        for n in 1..50 {
            all.create(&mine, scope, &timing(&format!("n{n}"), 9_000), at(1)).await.unwrap();
        }
        let full = all.create(&mine, scope, &timing("one more", 1), at(1)).await;
        assert!(matches!(full, Err(StoreError::Invalid { what: "timetable", .. })), "{full:?}");
        all.create(&CTX, Scope::Platform, &timing("nightly", 9_000), at(1)).await.unwrap();
        db.companies().delete(&CTX, own.id).await.unwrap();
        assert_eq!(all.list(&CTX, Page::first()).await.unwrap().len(), 1, "a company's timetables go with it");
    }
}
