//! From the journal into the database: once, through outages, and gone from the disk when it is there.

use crate::fixture::{CTX, Place, at, cdr};
use crate::on_both;
use model::{CallId, CallRecord, Cause};
use sqlx::{AssertSqlSafe, Executor};
use std::time::Duration;
use store::outbox::{Outbox, OutboxConfig};
use store::{CdrFilter, StoreError};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(20);

fn small() -> OutboxConfig {
    OutboxConfig { segment_bytes_max: 4_000, backoff_max: Duration::from_millis(200), ..OutboxConfig::default() }
}

async fn stored(place: &Place) -> usize {
    place.db.cdrs().list(&CTX, &CdrFilter::default(), None, 1_000).await.unwrap().len()
}

async fn change(place: &Place, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if place.db.backend() == "sqlite" {
        sqlx::SqlitePool::connect(&place.url).await.unwrap().execute(sql).await.unwrap();
    } else {
        sqlx::PgPool::connect(&place.url).await.unwrap().execute(sql).await.unwrap();
    }
}

fn journal_files(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.dir.path().join("journal")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

on_both! {
    async fn what_ended_is_stored_and_its_segments_go(place: Place) {
        let dir = place.dir.path().join("journal");
        let (outbox, mut drain) = Outbox::open(&dir, small()).unwrap();
        let mut journal = outbox.journal();
        // One leg stays up over many segments.
        journal.append(&[CallRecord::Answered(cdr(1, 0))]).unwrap();
        for call in 2..=60 {
            journal.append(&[CallRecord::Answered(cdr(call, 0)), CallRecord::Ended(cdr(call, 0))]).unwrap();
        }
        let before = outbox.counters().segments;
        assert!(before > 10, "{before}");
        assert_eq!(drain.drain(&place.db).await.unwrap(), 59);
        assert_eq!(stored(&place).await, 59);
        let after = outbox.counters();
        assert!(after.segments <= 2, "{after:?}");
        assert_eq!((after.bytes_pending, after.cdrs_stored), (0, 59));
        assert_eq!(drain.drain(&place.db).await.unwrap(), 0);

        journal.append(&[CallRecord::Ended(cdr(1, 0))]).unwrap();
        drop(journal);
        assert_eq!(drain.drain(&place.db).await.unwrap(), 1);
        assert_eq!(stored(&place).await, 60);
        assert_eq!(journal_files(&place), ["lock"]);
    }

    async fn twice_is_once(place: Place) {
        let dir = place.dir.path().join("journal");
        for _ in 0..2 {
            // The process dies between the commit and the removal: the journal is still there at the next start.
            let (outbox, mut drain) = Outbox::open(&dir, small()).unwrap();
            let mut journal = outbox.journal();
            journal.append(&[CallRecord::Answered(cdr(1, 0)), CallRecord::Ended(cdr(1, 0))]).unwrap();
            drain.drain(&place.db).await.unwrap();
            std::mem::forget(journal);
            drop((outbox, drain));
            let copy = place.dir.path().join("copy");
            let _ = std::fs::remove_dir_all(&copy);
            std::fs::create_dir_all(&copy).unwrap();
            for name in journal_files(&place).iter().filter(|n| *n != "lock") {
                std::fs::copy(dir.join(name), copy.join(name)).unwrap();
            }
            let (_outbox, mut drain) = Outbox::open(&copy, small()).unwrap();
            drain.drain(&place.db).await.unwrap();
            assert_eq!(stored(&place).await, 1);
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }

    async fn the_drain_waits_for_a_database_that_is_away(place: Place) {
        change(&place, "ALTER TABLE cdrs RENAME TO hidden").await;
        let (outbox, drain) = Outbox::open(&place.dir.path().join("journal"), small()).unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(drain.run(place.db.clone(), stopped));
        let mut journal = outbox.journal();
        let records: Vec<CallRecord> = (1..=30).map(|call| CallRecord::Ended(cdr(call, 0))).collect();
        journal.append(&records).unwrap();
        let pending = async {
            while outbox.counters().bytes_pending == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, pending).await.unwrap();
        assert_eq!(outbox.counters().cdrs_stored, 0);
        change(&place, "ALTER TABLE hidden RENAME TO cdrs").await;
        let moved = async {
            while outbox.counters().cdrs_stored < 30 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, moved).await.unwrap();
        // What comes last before the end is still moved.
        journal.append(&[CallRecord::Ended(cdr(31, 0))]).unwrap();
        drop(journal);
        stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        assert_eq!(stored(&place).await, 31);
        assert_eq!(journal_files(&place), ["lock"]);
    }

    async fn a_cdr_that_the_database_refuses_holds_up_no_others(place: Place) {
        change(&place, "CREATE UNIQUE INDEX cdrs_picky ON cdrs (callee)").await;
        let (outbox, mut drain) = Outbox::open(&place.dir.path().join("journal"), small()).unwrap();
        let mut journal = outbox.journal();
        let other = model::Cdr { callee: "other".to_owned(), ..cdr(3, 0) };
        let records = [cdr(1, 0), cdr(2, 0), other].map(CallRecord::Ended);
        journal.append(&records).unwrap();
        drop(journal);
        drain.drain(&place.db).await.unwrap();
        assert_eq!(stored(&place).await, 2);
        assert_eq!(outbox.counters().cdrs_rejected, 1);
        assert_eq!(journal_files(&place), ["lock", "rejected.cdrs"]);
        let kept = std::fs::read_to_string(place.dir.path().join("journal/rejected.cdrs")).unwrap();
        assert!(kept.contains(&CallId(2).to_string()), "{kept}");
    }

    async fn several_shards_write_beside_each_other(place: Place) {
        let dir = place.dir.path().join("journal");
        let (outbox, mut drain) = Outbox::open(&dir, small()).unwrap();
        let threads: Vec<_> = (0..4_u128)
            .map(|shard| {
                let mut journal = outbox.journal();
                std::thread::spawn(move || {
                    for call in 0..50 {
                        let id = shard << 64 | call;
                        journal.append(&[CallRecord::Answered(cdr(id, 0))]).unwrap();
                        if call != 49 {
                            journal.append(&[CallRecord::Ended(cdr(id, 0))]).unwrap();
                        }
                    }
                    std::mem::forget(journal);
                })
            })
            .collect();
        drain.drain(&place.db).await.unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        drain.drain(&place.db).await.unwrap();
        assert_eq!(stored(&place).await, 4 * 49);
    }

    async fn a_call_cut_by_a_crash_has_its_cdr_with_that_cause(place: Place) {
        let dir = place.dir.path().join("journal");
        let (outbox, drain) = Outbox::open(&dir, small()).unwrap();
        let mut journal = outbox.journal();
        journal.append(&[CallRecord::Answered(cdr(1, 0)), CallRecord::Answered(cdr(1, 1))]).unwrap();
        journal.heartbeat(at(40)).unwrap();
        drop((journal, drain, outbox));
        let (_outbox, mut drain) = Outbox::open(&dir, small()).unwrap();
        drain.drain(&place.db).await.unwrap();
        let legs = place.db.cdrs().of_call(&CTX, CallId(1)).await.unwrap();
        assert_eq!(legs.len(), 2);
        assert!(legs.iter().all(|leg| leg.cause == Cause::SwitchRestarted && leg.ended_at == at(40)), "{legs:?}");
        assert_eq!(journal_files(&place), ["lock"]);
    }

    async fn a_segment_stays_while_it_alone_knows_of_an_open_leg(place: Place) {
        let dir = place.dir.path().join("journal");
        let (outbox, mut drain) = Outbox::open(&dir, small()).unwrap();
        let mut journal = outbox.journal();
        // More legs than one batch carries over, so that the first segment is still needed when it is closed.
        let up: Vec<CallRecord> = (1..=200).map(|call| CallRecord::Answered(cdr(call, 0))).collect();
        journal.append(&up).unwrap();
        journal.append(&[CallRecord::Ended(cdr(999, 0))]).unwrap();
        drain.drain(&place.db).await.unwrap();
        assert_eq!((outbox.counters().segments, stored(&place).await), (2, 1));
        // kill -9.
        std::mem::forget(journal);
        drop((outbox, drain));
        let lines = std::fs::read_dir(&dir).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap()).collect::<Vec<_>>();
        let again = place.dir.path().join("again");
        std::fs::create_dir_all(&again).unwrap();
        for (n, bytes) in lines.iter().filter(|bytes| !bytes.is_empty()).enumerate() {
            std::fs::write(again.join(format!("{n:016x}.cdrs")), bytes).unwrap();
        }
        let (outbox, mut drain) = Outbox::open(&again, small()).unwrap();
        assert_eq!(outbox.recovered().legs_interrupted, 200);
        drain.drain(&place.db).await.unwrap();
        assert_eq!(stored(&place).await, 201);
    }

    async fn a_segment_stays_until_all_of_it_is_stored(place: Place) {
        let (outbox, mut drain) = Outbox::open(&place.dir.path().join("journal"), OutboxConfig::default()).unwrap();
        let mut journal = outbox.journal();
        journal.append(&[CallRecord::Ended(cdr(1, 0))]).unwrap();
        drain.drain(&place.db).await.unwrap();
        journal.append(&[CallRecord::Ended(cdr(2, 0))]).unwrap();
        drop(journal);
        change(&place, "ALTER TABLE cdrs RENAME TO hidden").await;
        drain.drain(&place.db).await.unwrap_err();
        assert_eq!(outbox.counters().segments, 1);
        change(&place, "ALTER TABLE hidden RENAME TO cdrs").await;
        assert_eq!(drain.drain(&place.db).await.unwrap(), 1);
        assert_eq!((outbox.counters().segments, stored(&place).await), (0, 2));
    }

    async fn a_missing_table_is_no_verdict_on_the_record(place: Place) {
        change(&place, "DROP TABLE cdrs").await;
        let (outbox, mut drain) = Outbox::open(&place.dir.path().join("journal"), small()).unwrap();
        outbox.journal().append(&[CallRecord::Ended(cdr(1, 0))]).unwrap();
        let error = drain.drain(&place.db).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. } | StoreError::Away { .. }), "{error:?}");
        assert_eq!(outbox.counters().cdrs_rejected, 0);
        assert!(outbox.counters().bytes_pending > 0);
    }
}
