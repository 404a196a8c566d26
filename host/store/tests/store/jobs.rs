//! Jobs: who gets them, what becomes of those whose process was killed, and changes that are all or nothing.

use crate::fixture::{CTX, at, brand, company};
use crate::on_both;
use model::{CompanyId, DefaultVerdict, Instant};
use std::time::Duration;
use store::{
    Db, Job, JobFilter, JobLine, JobState, Lease, NewBrand, NewJob, OpContext, Outlook, Page, Principal, Scope,
    SecretKey, Step, StoreError,
};

const LEASE: Duration = Duration::from_secs(30);

fn new(scope: Scope, loading: bool) -> NewJob {
    NewJob {
        scope,
        kind: "k".to_owned(),
        noun: "accounts".to_owned(),
        actor: "token 1 t".to_owned(),
        impersonator: None,
        principal: Principal::Switch,
        asked: "{}".to_owned(),
        loading,
        made_at: at(10),
    }
}

async fn ask(db: &Db, scope: Scope) -> Job {
    db.jobs().create(&CTX, new(scope, false)).await.unwrap()
}

async fn claim(db: &Db, holder: &str, now: Instant) -> Option<i64> {
    db.job_runs().claim(holder, now, LEASE).await.unwrap().map(|job| job.id)
}

fn named(name: &str) -> NewBrand {
    NewBrand { name: name.to_owned(), default_verdict: DefaultVerdict::Refuse }
}

async fn brands(db: &Db) -> Vec<String> {
    db.brands().list(&CTX, Page::first()).await.unwrap().into_iter().map(|b| b.name).collect()
}

on_both! {
    async fn a_job_is_one_hands_until_its_lease_ends(place: Place) {
        let (db, runs) = (&place.db, place.db.job_runs());
        let job = ask(db, Scope::Platform).await;
        assert_eq!(claim(db, "a", at(5)).await, None, "its time has not come");
        assert_eq!(claim(db, "a", at(10)).await, Some(job.id));
        assert_eq!(claim(db, "b", at(11)).await, None);
        let (a, b) = (Lease { job: job.id, holder: "a" }, Lease { job: job.id, holder: "b" });
        assert_eq!(runs.renew(a, at(41)).await.unwrap(), Outlook::Going);
        assert_eq!(claim(db, "b", at(41)).await, None, "the lease was renewed");
        // The process that held it was killed: another takes it up, and nothing may come of the first run any more.
        assert_eq!(claim(db, "b", at(42)).await, Some(job.id));
        assert_eq!(runs.renew(a, at(99)).await.unwrap(), Outlook::Lost);
        assert_eq!(runs.step(a, Step::default()).await, Err(StoreError::NotFound { what: "job" }));
        assert!(runs.end(a, (JobState::Done, at(50)), None, None).await.is_err());
        runs.step(b, Step { done: 5, faults: 1, total: Some(9), place: Some("{}") }).await.unwrap();
        runs.end(b, (JobState::Done, at(50)), Some("{\"n\":5}"), None).await.unwrap();
        let seen = db.jobs().get(&CTX, job.id).await.unwrap();
        assert_eq!((seen.state, seen.tries, seen.done, seen.faults, seen.total), (JobState::Done, 2, 5, 1, Some(9)));
        assert_eq!((seen.started_at, seen.ended_at), (Some(at(10)), Some(at(50))));
        assert_eq!(claim(db, "c", at(1_000)).await, None);
    }

    async fn of_many_hands_each_job_has_one(place: Place) {
        let db = &place.db;
        for n in 0..6 {
            let brand = db.brands().create(&CTX, named(&format!("b{n}"))).await.unwrap();
            ask(db, Scope::Brand(brand.id)).await;
        }
        let hands = (0..12).map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut got = Vec::new();
                for turn in 0..12 {
                    got.extend(claim(&db, &format!("h{n}-{turn}"), at(20)).await);
                }
                got
            })
        });
        let mut got = Vec::new();
        for hand in hands.collect::<Vec<_>>() {
            got.extend(hand.await.unwrap());
        }
        got.sort_unstable();
        let mut once = got.clone();
        once.dedup();
        assert_eq!((got.len(), &got), (6, &once), "each job is one hand's");
    }

    async fn one_tenant_does_not_keep_the_others_waiting(place: Place) {
        let db = &place.db;
        let (one, two) = (brand(db, "one").await.id, brand(db, "two").await.id);
        let first = ask(db, Scope::Brand(one)).await;
        let second = ask(db, Scope::Brand(one)).await;
        let other = ask(db, Scope::Brand(two)).await;
        assert_eq!(claim(db, "a", at(20)).await, Some(first.id));
        assert_eq!(claim(db, "b", at(20)).await, Some(other.id), "a brand's second job waits for its first");
        assert_eq!(claim(db, "c", at(20)).await, None);
        let a = Lease { job: first.id, holder: "a" };
        db.job_runs().end(a, (JobState::Failed, at(21)), None, Some("a\0b")).await.unwrap();
        assert_eq!(claim(db, "c", at(22)).await, Some(second.id));
        for _ in 0..99 {
            ask(db, Scope::Brand(one)).await;
        }
        let full = db.jobs().create(&CTX, new(Scope::Brand(one), false)).await;
        assert!(matches!(full, Err(StoreError::Invalid { what: "job", .. })), "{full:?}");
        ask(db, Scope::Brand(two)).await;
    }

    async fn a_job_is_called_off_tried_again_and_seen_by_its_tenant_alone(place: Place) {
        let (db, jobs) = (&place.db, place.db.jobs());
        let own = company(db, brand(db, "b").await.id, "one").await;
        let scope = Scope::Company(own.brand, own.id);
        let (mine, stranger) = (OpContext { scope }, OpContext::company(own.brand, CompanyId(own.id.0 + 1)));
        let job = jobs.create(&mine, new(scope, false)).await.unwrap();
        let line = JobLine { id: 0, line: 3, field: "e164".to_owned(), detail: "no\0number".to_owned() };
        db.job_runs().say(job.id, &[line]).await.unwrap();
        assert_eq!(jobs.get(&stranger, job.id).await, Err(StoreError::NotFound { what: "job" }));
        assert!(jobs.lines(&stranger, job.id, Page::first()).await.unwrap().is_empty());
        assert!(jobs.cancel(&stranger, job.id, at(11)).await.is_err());
        assert!(jobs.create(&stranger, new(scope, false)).await.is_err());
        assert_eq!(jobs.lines(&mine, job.id, Page::first()).await.unwrap()[0].line, 3);
        let off = jobs.cancel(&mine, job.id, at(11)).await.unwrap();
        assert_eq!((off.state, off.ended_at), (JobState::Cancelled, Some(at(11))));
        assert_eq!(claim(db, "a", at(20)).await, None);
        assert!(jobs.retry(&stranger, job.id, at(21)).await.is_err());
        assert_eq!(jobs.retry(&mine, job.id, at(21)).await.unwrap().state, JobState::Waiting);
        assert!(jobs.retry(&mine, job.id, at(21)).await.is_err(), "it waits already");
        assert_eq!(claim(db, "a", at(21)).await, Some(job.id));
        assert!(jobs.cancel(&mine, job.id, at(22)).await.unwrap().stop);
        let a = Lease { job: job.id, holder: "a" };
        assert_eq!(db.job_runs().renew(a, at(60)).await.unwrap(), Outlook::CalledOff);
        assert!(db.job_runs().step(a, Step::default()).await.is_err(), "nothing more comes of it");
        let of = JobFilter { company: Some(own.id.0), state: Some(JobState::Running), kind: Some("k"), timetable: None };
        assert_eq!(jobs.list(&mine, of, Page::first()).await.unwrap().len(), 1);
        assert!(jobs.list(&stranger, JobFilter::default(), Page::first()).await.unwrap().is_empty());
        db.companies().delete(&CTX, own.id).await.unwrap();
        assert!(jobs.get(&CTX, job.id).await.is_err(), "a company's jobs go with it");
    }

    async fn a_failed_try_comes_back_and_an_interrupted_one_does_not_count(place: Place) {
        let (db, runs) = (&place.db, place.db.job_runs());
        let job = ask(db, Scope::Platform).await;
        claim(db, "a", at(10)).await.unwrap();
        runs.later(Lease { job: job.id, holder: "a" }, at(30), Some("away")).await.unwrap();
        assert_eq!((claim(db, "b", at(29)).await, runs.next().await.unwrap()), (None, Some(at(30))));
        let again = runs.claim("b", at(30), LEASE).await.unwrap().unwrap();
        assert_eq!((again.tries, again.error.as_deref()), (2, Some("away")));
        runs.later(Lease { job: job.id, holder: "b" }, at(31), None).await.unwrap();
        assert_eq!(runs.claim("c", at(31), LEASE).await.unwrap().unwrap().tries, 2);
    }

    async fn schedules_come_once_however_many_ask(place: Place) {
        let (db, runs) = (&place.db, place.db.job_runs());
        let every = Duration::from_secs(60);
        runs.schedule("sweep", every, at(100)).await.unwrap();
        runs.schedule("sweep", every, at(130)).await.unwrap();
        assert_eq!(runs.come(at(99)).await.unwrap(), 0);
        let asked = (0..4).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.job_runs().come(at(100)).await.unwrap() })
        });
        let mut came = 0;
        for ask in asked.collect::<Vec<_>>() {
            came += ask.await.unwrap();
        }
        assert_eq!(came, 1);
        assert_eq!(runs.come(at(160)).await.unwrap(), 1);
        let jobs = db.jobs().list(&CTX, JobFilter::default(), Page::first()).await.unwrap();
        assert_eq!(jobs.len(), 1, "one that still waits is not asked for again");
    }

    async fn a_file_is_sealed_and_goes_with_its_job(place: Place) {
        let keyed = SecretKey::from_hex(&"5e".repeat(32)).unwrap();
        let db = Db::open_keyed(&place.url, Some(keyed)).await.unwrap();
        let runs = db.job_runs();
        assert!(place.db.job_runs().add_piece(1, 0, b"x").await.is_err(), "without a key nothing is kept");
        let job = db.jobs().create(&CTX, new(Scope::Platform, true)).await.unwrap();
        runs.add_piece(job.id, 0, b"one").await.unwrap();
        runs.add_piece(job.id, 1, b"two").await.unwrap();
        assert_eq!(claim(&db, "a", at(20)).await, None, "its file is on its way");
        assert!(db.jobs().cancel(&CTX, job.id, at(20)).await.is_err());
        runs.ready(job.id, at(20), Some(9)).await.unwrap();
        assert_eq!(claim(&db, "a", at(20)).await, Some(job.id));
        assert_eq!(runs.piece(job.id, 1).await.unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(runs.piece(job.id, 2).await.unwrap(), None);
        let late = db.jobs().create(&CTX, new(Scope::Platform, true)).await.unwrap();
        runs.end(Lease { job: job.id, holder: "a" }, (JobState::Done, at(30)), None, None).await.unwrap();
        assert_eq!(runs.sweep(at(30), at(10), 10).await.unwrap(), 0);
        assert_eq!(runs.sweep(at(31), at(11), 10).await.unwrap(), 2);
        assert_eq!(runs.piece(job.id, 0).await.unwrap(), None);
        assert!(db.jobs().get(&CTX, late.id).await.is_err());
    }

    async fn of_a_batch_each_step_is_whole_and_all_of_it_or_nothing(place: Place) {
        let db = &place.db;
        let job = ask(db, Scope::Platform).await;
        claim(db, "a", at(10)).await.unwrap();
        let lease = Lease { job: job.id, holder: "a" };
        let batch = db.batch().await.unwrap();
        batch.step(async { db.brands().create(&CTX, named("one")).await }).await.unwrap().unwrap();
        let taken = batch
            .step(async {
                assert!(Db::in_batch());
                db.brands().create(&CTX, named("two")).await?;
                assert_eq!(brands(db).await, ["one", "two"], "a step reads what was done before");
                db.brands().create(&CTX, named("one")).await
            })
            .await
            .unwrap();
        assert_eq!(taken, Err(StoreError::Conflict { what: "brand" }));
        // A refusal within a step that goes on is undone alone.
        let went_on = batch
            .step(async {
                assert!(db.brands().create(&CTX, named("one")).await.is_err());
                db.brands().create(&CTX, named("three")).await.map(|_| ())
            })
            .await
            .unwrap();
        assert_eq!(went_on, Ok(()));
        batch.step(db.job_runs().step(lease, Step { done: 2, ..Step::default() })).await.unwrap().unwrap();
        assert!(brands(db).await.is_empty(), "nobody else sees it before its end");
        batch.commit().await.unwrap();
        assert_eq!(brands(db).await, ["one", "three"]);
        assert_eq!(db.jobs().get(&CTX, job.id).await.unwrap().done, 2);

        // What it did and how far it is are one: a run that lost its lease leaves nothing.
        let batch = db.batch().await.unwrap();
        batch.step(async { db.brands().create(&CTX, named("four")).await }).await.unwrap().unwrap();
        let lost = Lease { job: job.id, holder: "b" };
        assert!(batch.step(db.job_runs().step(lost, Step::default())).await.unwrap().is_err());
        drop(batch);
        assert_eq!(brands(db).await, ["one", "three"]);
    }
}
