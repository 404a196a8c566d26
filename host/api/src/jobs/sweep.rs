//! The job that forgets jobs: those that ended long ago, and those whose files never came whole.

use super::{Broke, Run, before};
use core::time::Duration;
use serde_json::{Value, json};

/// Its kind, and the name of its schedule.
pub(crate) const KIND: &str = "sweep-jobs";
/// How often it comes.
pub(crate) const EVERY: Duration = Duration::from_secs(3_600);
/// How long a job that ended is shown.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// How long a file may take to come.
const LOADING_MAX: Duration = Duration::from_secs(3_600);
/// Jobs forgotten in one transaction.
const SWEEP_MAX: u32 = 100;

pub(super) async fn run(run: &Run) -> Result<Value, Broke> {
    let (runs, now) = (run.api.db.job_runs(), run.api.switch.now());
    let mut forgotten = 0;
    loop {
        let gone = runs.sweep(before(now, KEPT), before(now, LOADING_MAX), SWEEP_MAX).await?;
        forgotten += gone;
        if gone < u64::from(SWEEP_MAX) {
            return Ok(json!({ "forgotten": forgotten }));
        }
    }
}
