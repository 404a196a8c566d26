//! Many changes in one transaction, each of them whole or not at all.
//!
//! A job that takes in a file makes thousands of changes with the operations that the API uses, and says in the same
//! transaction how far it is: what it did and that it did it can never differ. Within [`Batch::step`] whatever begins a
//! transaction gets a part of the batch's one (a savepoint), and whatever reads sees what the batch has done so far. A
//! step that fails leaves nothing behind; a batch that is dropped leaves nothing at all. One task at a time: two changes
//! at once in a step are refused, not waited for.

use crate::sql::{Row, Statement, Tx, savepoint};
use crate::{Db, StoreError};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

tokio::task_local! {
    static BATCH: Arc<Mutex<Inside>>;
}

/// The transaction, and whether the last part of it was left without an end.
pub(crate) struct Inside {
    tx: Tx,
    left: bool,
}

impl Inside {
    /// Undoes what a part that was dropped has done.
    async fn settle(&mut self) -> Result<(), StoreError> {
        if core::mem::take(&mut self.left) {
            self.tx.run(savepoint::UNDO_PART, &[]).await?;
            self.tx.run(savepoint::END_PART, &[]).await?;
        }
        Ok(())
    }
}

/// A part of a batch's transaction: dropped without [`Part::commit`] it is undone before anything else is done.
pub(crate) struct Part {
    inside: OwnedMutexGuard<Inside>,
    open: bool,
}

impl Part {
    pub(crate) fn tx(&mut self) -> &mut Tx {
        &mut self.inside.tx
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.inside.tx.run(savepoint::END_PART, &[]).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.inside.left |= self.open;
    }
}

fn locked(shared: Arc<Mutex<Inside>>) -> Result<OwnedMutexGuard<Inside>, StoreError> {
    let why = || "two changes at once in one step of a batch".to_owned();
    shared.try_lock_owned().map_err(|_| StoreError::Refused { why: why() })
}

/// A part of the batch under way, if there is one.
pub(crate) async fn part() -> Result<Option<Part>, StoreError> {
    let Ok(shared) = BATCH.try_with(Arc::clone) else { return Ok(None) };
    let mut inside = locked(shared)?;
    inside.settle().await?;
    inside.tx.run(savepoint::BEGIN_PART, &[]).await?;
    Ok(Some(Part { inside, open: true }))
}

/// The batch under way, to read in.
pub(crate) async fn reading() -> Result<Option<OwnedMutexGuard<Inside>>, StoreError> {
    let Ok(shared) = BATCH.try_with(Arc::clone) else { return Ok(None) };
    let mut inside = locked(shared)?;
    inside.settle().await?;
    Ok(Some(inside))
}

impl Inside {
    pub(crate) async fn all<T: Row>(
        &mut self,
        s: Statement,
        args: &[crate::sql::Arg<'_>],
    ) -> Result<Vec<T>, StoreError> {
        self.tx.all(s, args).await
    }

    pub(crate) async fn all_of<T: Row>(
        &mut self,
        s: crate::sql::Listed,
        args: &[crate::sql::Arg<'_>],
    ) -> Result<Vec<T>, StoreError> {
        self.tx.all_of(s, args).await
    }

    pub(crate) async fn one<T: Row>(
        &mut self,
        s: Statement,
        args: &[crate::sql::Arg<'_>],
    ) -> Result<Option<T>, StoreError> {
        self.tx.one(s, args).await
    }
}

/// One transaction for many changes.
pub struct Batch {
    shared: Arc<Mutex<Inside>>,
    db: Db,
}

impl core::fmt::Debug for Batch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl Db {
    /// Begins a batch. On SQLite it holds the one writer until it is committed or dropped: keep it short.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch(&self) -> Result<Batch, StoreError> {
        let tx = self.inner.pools.begin_write().await?;
        Ok(Batch { shared: Arc::new(Mutex::new(Inside { tx, left: false })), db: self.clone() })
    }

    /// Whether this task is in a step of a batch: what it writes is not live before the batch is committed.
    #[must_use]
    pub fn in_batch() -> bool {
        BATCH.try_with(|_| ()).is_ok()
    }
}

impl Batch {
    /// Does `work`, whose changes stay if it gives `Ok` and are undone if it gives `Err`.
    ///
    /// # Errors
    /// The database failed: the batch is lost. What `work` gives is within.
    pub async fn step<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<Result<T, E>, StoreError> {
        self.alone().await?.tx.run(savepoint::BEGIN_STEP, &[]).await?;
        let done = BATCH.scope(Arc::clone(&self.shared), work).await;
        let mut inside = self.alone().await?;
        if done.is_err() {
            inside.tx.run(savepoint::UNDO_STEP, &[]).await?;
        }
        inside.tx.run(savepoint::END_STEP, &[]).await?;
        Ok(done)
    }

    async fn alone(&self) -> Result<OwnedMutexGuard<Inside>, StoreError> {
        let mut inside = locked(Arc::clone(&self.shared))?;
        inside.settle().await?;
        Ok(inside)
    }

    /// Makes everything so.
    ///
    /// # Errors
    /// The database failed: nothing is so.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Batch { shared, db } = self;
        let why = || StoreError::Refused { why: "a step of a batch goes on beyond it".to_owned() };
        let mut inside = Arc::try_unwrap(shared).map_err(|_| why())?.into_inner();
        inside.settle().await?;
        inside.tx.commit().await?;
        db.woken();
        Ok(())
    }
}
