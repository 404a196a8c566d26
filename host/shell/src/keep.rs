//! What plugins leave behind goes to the database beside the calls' path: keys and values within [`GATHER`], and the
//! explanations of calls within [`GATHER_WHYS`].

use crate::told::Why;
use core::time::Duration;
use model::LockThrow;
use store::{Db, OpContext, StoreError};
use tables::Kv;
use tokio::sync::{mpsc, watch};

/// How long changes are gathered; a crash loses at most these (`wit/host/kv.wit` promises it).
const GATHER: Duration = Duration::from_millis(50);
/// How long explanations are gathered: a transaction, with its sync of the disk, for each call would cost more than the
/// call.
const GATHER_WHYS: Duration = Duration::from_millis(500);
/// Changes of one transaction.
const BATCH: usize = 1_000;
/// How often keys whose time has passed are looked for, and how many of a space at once.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
const EXPIRE_MAX: usize = 10_000;
/// The pause while the database is away; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// So often an explanation is tried to be written before it is given up.
const TRIES: u32 = 5;

/// Brings back what was kept.
pub(crate) async fn restore(kv: &Kv, db: &Db) -> Result<(), StoreError> {
    let kept = db.plugin_keys().load().await?;
    let (all, restored) = (kept.len(), kv.restore(kept));
    if restored < all {
        tracing::warn!(lost = all - restored, "keys of plugins are over today's limits and were left out");
    }
    Ok(())
}

/// Writes changed keys until `stop` holds true; then once more.
pub(crate) async fn keys(kv: Kv, db: Db, clock: crate::Clock, mut stop: watch::Receiver<bool>) {
    let mut expire_at = tokio::time::Instant::now() + EXPIRE_EVERY;
    let mut pause = PAUSE_FIRST;
    loop {
        let last = *stop.borrow_and_update() || stop.has_changed().is_err();
        if tokio::time::Instant::now() >= expire_at {
            kv.expire(clock.now().unix_millis(), EXPIRE_MAX);
            expire_at += EXPIRE_EVERY;
        }
        let wait = match save(&kv, &db).await {
            Ok(()) => {
                pause = PAUSE_FIRST;
                GATHER
            }
            Err(error) => {
                tracing::warn!(%error, unwritten = kv.unwritten(), "keys of plugins wait in memory");
                let wait = pause;
                pause = (pause * 2).min(PAUSE_MAX);
                wait
            }
        };
        if last {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

async fn save(kv: &Kv, db: &Db) -> Result<(), StoreError> {
    loop {
        let changes = kv.take_changes(BATCH);
        if changes.is_empty() {
            return Ok(());
        }
        if let Err(error) = db.plugin_keys().save(&changes).await {
            kv.give_back(changes);
            return Err(error);
        }
    }
}

/// Writes explanations until nobody can send one. While they gather, nobody is woken by them.
pub(crate) async fn explanations(mut inbox: mpsc::Receiver<Why>, db: Db, mut stop: watch::Receiver<bool>) {
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() < BATCH {
            tokio::select! {
                () = tokio::time::sleep(GATHER_WHYS) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            while batch.len() < BATCH
                && let Ok(why) = inbox.try_recv()
            {
                batch.push(why);
            }
        }
        let mut pause = PAUSE_FIRST;
        for attempt in 1..=TRIES {
            match db.explanations().add(&batch).await {
                Ok(()) => break,
                Err(error) if attempt == TRIES => {
                    tracing::warn!(%error, lost = batch.len(), "explanations of calls cannot be written");
                }
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause *= 4;
                }
            }
        }
        batch.clear();
    }
}

/// Writes route locks that were thrown by phone; the feed brings them back to the calls.
pub(crate) async fn locks(mut inbox: mpsc::Receiver<LockThrow>, db: Db) {
    while let Some(throw) = inbox.recv().await {
        let mut pause = PAUSE_FIRST;
        for attempt in 1..=TRIES {
            match db.rules().throw(&OpContext::platform(), throw.company, &throw.lock, throw.open).await {
                // Somebody removed it meanwhile.
                Ok(()) | Err(StoreError::NotFound { .. }) => break,
                Err(error) if attempt == TRIES => {
                    tracing::warn!(%error, lock = throw.lock, "a route lock that was thrown by phone cannot be written");
                }
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause *= 4;
                }
            }
        }
    }
}
