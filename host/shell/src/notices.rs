//! What the plugin host does to bindings by itself: kept, audited, and told to those who watch.

use crate::clock::Clock;
use core::time::Duration;
use model::{CompanyId, Instant, Told};
use plugin::{Host, Notice, NoticeKind};
use store::{Db, Deed, StoreError, Tenant};
use tokio::sync::watch;

/// Who did it, in the audit log.
const ACTOR: &str = "switch";
/// The pause after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Takes notices until the switch stops.
pub(crate) async fn heed(plugins: Host, db: Db, clock: Clock, mut stopping: watch::Receiver<bool>) {
    let Some(mut notices) = plugins.notices().take() else { return };
    let heed = async {
        while let Some(notice) = notices.recv().await {
            let at = clock.now();
            plugins.live().tell(&told(&notice, at));
            keep(&db, &notice, at).await;
        }
    };
    tokio::select! {
        () = heed => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

async fn keep(db: &Db, notice: &Notice, at: Instant) {
    let deed = deed(notice, at);
    loop {
        let kept = match &notice.kind {
            NoticeKind::Tripped => db.audit().note(&deed).await,
            NoticeKind::TrialOver { begun, why } => {
                db.plugin_bindings().trial_over(notice.binding, *begun, why, &deed).await.map(drop)
            }
        };
        match kept {
            Ok(()) => return,
            Err(error) if error.is_passing() => tokio::time::sleep(RETRY).await,
            Err(StoreError::NotFound { .. }) => return,
            Err(error) => {
                return tracing::warn!(%error, binding = notice.name, "what became of a binding is not kept");
            }
        }
    }
}

fn words(notice: &Notice) -> (&'static str, &str) {
    match &notice.kind {
        NoticeKind::Tripped => ("binding-tripped", "its plugin kept failing and rests"),
        NoticeKind::TrialOver { why, .. } => ("binding-trial-over", why),
    }
}

fn told(notice: &Notice, at: Instant) -> Told {
    let (kind, why) = words(notice);
    Told {
        kind,
        at,
        call: None,
        brand: notice.scope.brand,
        company: notice.scope.company.unwrap_or(CompanyId(0)),
        attrs: vec![
            ("binding", notice.binding.to_string()),
            ("name", notice.name.clone()),
            ("plugin", notice.plugin.clone()),
            ("why", why.to_owned()),
        ],
    }
}

fn deed(notice: &Notice, at: Instant) -> Deed {
    let (kind, why) = words(notice);
    let (method, path) = match notice.kind {
        NoticeKind::Tripped => ("TRIP", format!("/api/v1/bindings/{}", notice.binding)),
        NoticeKind::TrialOver { .. } => ("ROLLBACK", format!("/api/v1/bindings/{}/trial", notice.binding)),
    };
    let said = serde_json::json!({ "event": kind, "name": notice.name, "plugin": notice.plugin, "why": why });
    Deed {
        at,
        actor: ACTOR.to_owned(),
        impersonator: None,
        source: None,
        method: method.to_owned(),
        path,
        tenant: Tenant { brand: Some(notice.scope.brand), company: notice.scope.company },
        before: None,
        asked: Some(said.to_string()),
        key: None,
    }
}
