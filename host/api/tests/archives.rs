//! Old records leave the database for files, each brand's and each month's in their own, and can be fetched again.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::World;
use core::time::Duration;
use model::{BrandId, CallId, Cause, Cdr, CompanyId, EndedBy, Explained, Instant, LegRole};
use ruzstd::decoding::StreamingDecoder;
use serde_json::{Value, json};
use std::io::Read as _;
use store::OpContext;
use store::outbox::{Outbox, OutboxConfig};

const DAY: Duration = Duration::from_secs(86_400);

fn cdr(world: &World, call: u128, company: usize, started_at: Instant) -> Cdr {
    Cdr {
        call: CallId(call),
        leg: 0,
        role: LegRole::Caller,
        brand: BrandId(world.brands[company / 2]),
        company: CompanyId(world.companies[company]),
        account: None,
        sip_call_id: "a@b".to_owned(),
        caller: format!("+44{call}"),
        callee: "1002".to_owned(),
        decided_by: None,
        started_at,
        ringing_at: None,
        answered_at: None,
        ended_at: started_at + DAY,
        cause: Cause::Busy,
        sip_status: 486,
        ended_by: EndedBy::Callee,
        media: None,
        identity: None,
        rated: None,
        charge: None,
    }
}

fn lines(packed: &[u8]) -> Vec<Value> {
    let mut text = String::new();
    StreamingDecoder::new(packed).unwrap().read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asks for the job at once and waits for its end.
async fn archive(world: &World) -> Value {
    let mut runs = Value::Null;
    for _ in 0..3_000 {
        let listed = world.must("GET", "/api/v1/jobs?kind=archive-records", Value::Null).await;
        runs = listed["items"].get(0).cloned().unwrap_or_default();
        if ["done", "failed"].iter().any(|state| runs["state"] == *state) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    runs
}

#[tokio::test]
async fn old_records_leave_for_files_of_their_brand_and_month_and_can_be_fetched() {
    let mut world = World::new().await;
    let folder = world.archives.clone();
    world.api = world.api.clone().archiving(folder.clone(), Some(30));
    let now = {
        use api::Switch as _;
        world.switch.now()
    };
    let ago = |days: u32| Instant::from_unix_nanos(now.unix_nanos() - u64::try_from((DAY * days).as_nanos()).unwrap());
    // Two of one brand in one month, one of it in another month, one of another brand, and one that is young.
    let all = [(1, 0, ago(60)), (2, 1, ago(61)), (3, 0, ago(100)), (4, 2, ago(60)), (5, 0, ago(29))];
    let cdrs: Vec<Cdr> = all.into_iter().map(|(call, company, at)| cdr(&world, call, company, at)).collect();
    let journal = tempfile::tempdir().unwrap();
    let (outbox, mut drain) = Outbox::open(journal.path(), OutboxConfig::default()).unwrap();
    let records: Vec<_> = cdrs.into_iter().map(model::CallRecord::Ended).collect();
    outbox.journal().append(&records).unwrap();
    drain.drain(&world.db).await.unwrap();
    let why = Explained { at: ago(60), call: CallId(1), ..common::explained(world.companies[0]) };
    world.db.explanations().add(&[(BrandId(world.brands[0]), why)]).await.unwrap();
    // What a run that was cut off has left is nobody's.
    let orphan = folder.join(world.brands[0].to_string()).join("cdrs-2026-01-9.jsonl.zst");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"half").unwrap();

    let working = world.work();
    let done = archive(&world).await;
    working.end().await;
    assert_eq!((&done["state"], &done["result"]), (&json!("done"), &json!({"archived": 5})), "{done}");
    assert!(!orphan.exists(), "no row names it");
    let left = world.must("GET", "/api/v1/cdrs", Value::Null).await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "the young one stays: {left}");
    assert!(world.db.explanations().of_call(&OpContext::platform(), CallId(1)).await.unwrap().is_empty());

    let own = Some(world.brand_admins[0].as_str());
    let listed = world.ask(own, "GET", "/api/v1/archives?kind=cdrs&order=first_at", &Value::Null).await;
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|a| a["rows"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2], "{listed:?}");
    let why = world.ask(own, "GET", "/api/v1/archives?kind=explanations", &Value::Null).await;
    assert_eq!(why.body["items"][0]["rows"], 1, "{why:?}");
    let theirs = world.ask(Some(&world.brand_admins[1]), "GET", "/api/v1/archives", &Value::Null).await;
    assert_eq!(theirs.body["items"].as_array().unwrap().len(), 1, "{theirs:?}");
    let companys = world.ask(Some(&world.company_admins[0]), "GET", "/api/v1/archives", &Value::Null).await;
    assert_eq!(companys.body["items"], json!([]), "a file has all of a brand's companies");

    let (id, name) = (&items[1]["id"], items[1]["name"].as_str().unwrap());
    let packed = std::fs::read(folder.join(world.brands[0].to_string()).join(format!("{name}.jsonl.zst"))).unwrap();
    assert_eq!(items[1]["bytes"], packed.len());
    let found = lines(&packed);
    let callers: Vec<&str> = found.iter().map(|line| line["caller"].as_str().unwrap()).collect();
    assert_eq!(callers, ["+442", "+441"], "the older first");
    let path = format!("/api/v1/archives/{id}");
    let fetched = world.ask(own, "GET", &format!("{path}/file"), &Value::Null).await;
    assert_eq!((fetched.status, fetched.kind.as_str()), (StatusCode::OK, "application/zstd"));
    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(own, "GET", &format!("{path}/file"), &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(std::fs::read_dir(folder.join(world.brands[0].to_string())).unwrap().count(), 2, "its file is gone");
}
