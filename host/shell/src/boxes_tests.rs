//! A message whose row could not be written gets it from its note, and its file stays until then.

use super::*;
use crate::inboxes::Inboxes;
use crate::tenants_for_tests;
use model::Folder;

async fn boxes(dir: &Path) -> (Boxes, BoxOwner) {
    let (db, brand, company) = tenants_for_tests::company_in(dir).await;
    tenants_for_tests::account(&db, company, "anna").await;
    let (inboxes, _shards) = Inboxes::new(1, 1);
    let clock = Clock::anchored();
    let post = Postbox::new((db.clone(), dir.join(MESSAGES)), Default::default(), clock).unwrap();
    let boxes = Boxes::new((db, dir), Unfinished::default(), inboxes.downgrade(), (clock, post));
    (boxes, BoxOwner { brand, company, account: "anna".to_owned() })
}

async fn left(boxes: &Boxes, whose: &BoxOwner) -> Vec<(String, u64)> {
    let found = boxes.carry(whose, BoxVerb::Messages(Some(Folder::New))).await.unwrap();
    let BoxReply::Messages(list) = found else { panic!("{found:?}") };
    list.into_iter().map(|m| (m.caller, m.length_ms)).collect()
}

/// A file as a recording leaves it, of a second, written long ago.
fn sound(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, vec![0; 44 + 2 * usize::try_from(media::RECORD_RATE).unwrap()]).unwrap();
    let long_ago = std::time::SystemTime::now() - ORPHAN_AGE * 3;
    std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

fn note(whose: &BoxOwner, caller: &str) -> Vec<u8> {
    let (whose, caller) = (whose.clone(), caller.to_owned());
    let received_at = Instant::from_unix_nanos(1_800_000_000_000_000_000);
    let note = Note { whose, caller, caller_name: None, received_at, length_ms: 1_000, urgent: false };
    serde_json::to_vec(&note).unwrap()
}

#[tokio::test]
async fn a_message_that_a_killed_process_left_gets_its_row_and_is_swept_by_nobody_before() {
    let dir = tempfile::tempdir().unwrap();
    let (boxes, whose) = boxes(dir.path()).await;
    // One was moved, of one the move was still to come, one nobody knows of any more.
    let [moved, unmoved] = ["m1", "m2"].map(|name| boxes.message_path(whose.company, name));
    sound(&moved);
    sound(&boxes.recording_path(whose.company, "m2"));
    let stray = boxes.message_path(whose.company, "m3");
    sound(&stray);
    for (path, caller) in [(&moved, "+4420"), (&unmoved, "+4421")] {
        std::fs::write(path.with_extension(NOTE), note(&whose, caller)).unwrap();
    }
    boxes.remove_orphans().await;
    assert!(moved.exists() && !stray.exists(), "what has a note is no orphan");
    boxes.enter_noted().await;
    let mut found = left(&boxes, &whose).await;
    found.sort();
    assert_eq!(found, [("+4420".to_owned(), 1_000), ("+4421".to_owned(), 1_000)]);
    assert!(unmoved.exists() && !moved.with_extension(NOTE).exists() && !unmoved.with_extension(NOTE).exists());
    boxes.remove_orphans().await;
    assert!(moved.exists() && unmoved.exists(), "rows name them");
    // A note that stayed behind its row makes no second one.
    std::fs::write(moved.with_extension(NOTE), note(&whose, "+4420")).unwrap();
    boxes.inner.noted.store(true, Ordering::Release);
    boxes.enter_noted().await;
    assert_eq!(left(&boxes, &whose).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_left_or_refused_leaves_no_note() {
    let dir = tempfile::tempdir().unwrap();
    let (boxes, whose) = boxes(dir.path()).await;
    let deposit = |recording: &str| {
        BoxVerb::Deposit(Deposit {
            recording: recording.to_owned(),
            caller: "+4420".to_owned(),
            caller_name: None,
            urgent: false,
        })
    };
    let files = || notes(boxes.message_path(whose.company, "m1").parent().unwrap());
    sound(&boxes.recording_path(whose.company, "m1"));
    let kept = boxes.carry(&whose, deposit("m1")).await;
    assert!(matches!(kept, Ok(BoxReply::Kept(_))), "{kept:?}");
    assert_eq!((files(), left(&boxes, &whose).await.len()), (vec![], 1));
    let nobody = BoxOwner { account: "nobody".to_owned(), ..whose.clone() };
    sound(&boxes.recording_path(whose.company, "m2"));
    let refused = boxes.carry(&nobody, deposit("m2")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(files().is_empty() && !boxes.message_path(whose.company, "m2").exists());
    assert!(boxes.inner.leaving.lock().unwrap().is_empty());
}
