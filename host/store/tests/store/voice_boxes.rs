//! Voice mailboxes: PINs and their lock, messages, what is forgotten, and whose they are.

use crate::fixture::{account, at, brand, company};
use crate::on_both;
use core::time::Duration;
use model::{BoxOwner, BoxSettings, Folder, Greeting, Instant, PinCheck};
use store::{BoxShut, Db, NewVoiceMessage, SecretKey, StoreError};

async fn owner(db: &Db, brand_name: &str, company_name: &str, username: &str) -> BoxOwner {
    let acme = brand(db, brand_name).await;
    let company = company(db, acme.id, company_name).await;
    account(db, company.id, username).await;
    BoxOwner { brand: acme.id, company: company.id, account: username.to_owned() }
}

fn said(file: &str, received_at: Instant) -> NewVoiceMessage {
    let (caller, caller_name) = ("1001".to_owned(), Some("Ann".to_owned()));
    NewVoiceMessage { caller, caller_name, received_at, length_ms: 2_500, urgent: false, file: file.to_owned() }
}

fn is_missing<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotFound { .. }))
}

on_both! {
    async fn messages_lie_in_folders_of_their_owner_only(place: Place) {
        let boxes = place.db.voice_boxes();
        let ann = owner(&place.db, "acme", "north", "1001").await;
        let bob = owner(&place.db, "other", "south", "1001").await;
        let first = boxes.add(&ann, &said("f1", at(5)), None).await.unwrap().unwrap();
        let urgent = NewVoiceMessage { urgent: true, ..said("f2", at(6)) };
        let second = boxes.add(&ann, &urgent, None).await.unwrap().unwrap();
        let found = boxes.open(&ann, at(7)).await.unwrap();
        assert_eq!((found.new, found.new_urgent, found.saved, found.deleted), (2, 1, 0, 0));
        boxes.put(&ann, first, Folder::Saved, at(8)).await.unwrap();
        let list = boxes.messages(&ann, Some(Folder::Saved)).await.unwrap();
        assert_eq!((list.len(), list[0].id, list[0].caller_name.as_deref()), (1, first, Some("Ann")));
        assert_eq!(list[0].received_ms, at(5).unix_millis());
        let waiting = boxes.waiting().await.unwrap();
        assert_eq!((waiting.len(), waiting[0].voice.new, waiting[0].voice.new_urgent, waiting[0].voice.old), (1, 1, 1, 1));

        // The same number in another brand is another box; so is an account of that brand named by its neighbour.
        assert_eq!(boxes.messages(&bob, None).await.unwrap(), []);
        assert!(is_missing(boxes.message(&bob, first).await) && is_missing(boxes.erase(&bob, first).await));
        assert!(is_missing(boxes.put(&bob, first, Folder::Deleted, at(9)).await));
        let stranger = BoxOwner { brand: bob.brand, ..ann.clone() };
        assert!(is_missing(boxes.open(&stranger, at(9)).await) && is_missing(boxes.add(&stranger, &urgent, None).await));

        assert_eq!(boxes.erase(&ann, second).await.unwrap().as_deref(), Some("f2"));
        assert!(is_missing(boxes.message(&ann, second).await));
    }

    async fn a_sound_that_two_messages_share_goes_with_the_last(place: Place) {
        let boxes = place.db.voice_boxes();
        let ann = owner(&place.db, "acme", "north", "1001").await;
        let first = boxes.add(&ann, &said("shared", at(5)), None).await.unwrap().unwrap();
        let second = boxes.add(&ann, &said("shared", at(5)), None).await.unwrap().unwrap();
        assert_eq!(boxes.files(ann.company).await.unwrap(), ["shared"]);
        assert_eq!(boxes.erase(&ann, first).await.unwrap(), None);
        assert_eq!(boxes.erase(&ann, second).await.unwrap().as_deref(), Some("shared"));
        assert_eq!(boxes.files(ann.company).await.unwrap(), Vec::<String>::new());
    }

    async fn five_wrong_pins_lock_a_box_for_a_while(place: Place) {
        let key = SecretKey::from_hex(&"07".repeat(32)).unwrap();
        let db = Db::open_keyed(&place.url, Some(key)).await.unwrap();
        let boxes = db.voice_boxes();
        let ann = owner(&db, "acme", "north", "1001").await;
        let check = async |pin: &str, now| boxes.check_pin(&ann, pin, now).await.unwrap();
        assert_eq!(check("4711", at(1)).await, PinCheck::Unset);
        for bad in ["471", "47a1", "", "1234567890123"] {
            assert!(matches!(boxes.set_pin(&ann, Some(bad)).await, Err(StoreError::Invalid { .. })), "{bad}");
        }
        boxes.set_pin(&ann, Some("4711")).await.unwrap();
        for _ in 0..4 {
            assert_eq!(check("0000", at(2)).await, PinCheck::Wrong);
        }
        assert_eq!(check("4711", at(2)).await, PinCheck::Right);
        for _ in 0..4 {
            assert_eq!(check("0000", at(3)).await, PinCheck::Wrong, "a right one begins anew");
        }
        assert_eq!(check("0000", at(3)).await, PinCheck::Locked);
        assert_eq!(check("4711", at(4)).await, PinCheck::Locked);
        assert!(boxes.open(&ann, at(4)).await.unwrap().locked_s > 800);
        assert_eq!(check("4711", at(3) + Duration::from_secs(901)).await, PinCheck::Right);
        let raw = std::fs::read(place.dir.path().join("strowger.db")).unwrap_or_default();
        assert!(!raw.windows(4).any(|w| w == b"4711"), "a PIN is never in clear");
        // Without the key nobody can compare.
        assert!(place.db.voice_boxes().check_pin(&ann, "4711", at(2_000)).await.is_err());
    }

    async fn a_box_that_is_full_or_off_takes_nothing(place: Place) {
        let boxes = place.db.voice_boxes();
        let ann = owner(&place.db, "acme", "north", "1001").await;
        let one = BoxSettings { messages_max: 1, ..BoxSettings::default() };
        boxes.configure(&ann, &one).await.unwrap();
        let id = boxes.add(&ann, &said("f1", at(5)), None).await.unwrap().unwrap();
        assert_eq!(boxes.add(&ann, &said("f2", at(5)), None).await.unwrap(), Err(BoxShut::Full));
        assert!(boxes.open(&ann, at(5)).await.unwrap().is_full());
        boxes.put(&ann, id, Folder::Deleted, at(6)).await.unwrap();
        boxes.configure(&ann, &BoxSettings { enabled: false, ..one.clone() }).await.unwrap();
        assert_eq!(boxes.add(&ann, &said("f2", at(5)), None).await.unwrap(), Err(BoxShut::Off));
        for bad in [
            BoxSettings { message_max_s: 2, ..one.clone() },
            BoxSettings { messages_max: 0, ..one.clone() },
            BoxSettings { keep_days: 0, ..one.clone() },
        ] {
            assert!(matches!(boxes.configure(&ann, &bad).await, Err(StoreError::Invalid { .. })), "{bad:?}");
        }
        assert_eq!(boxes.greet(&ann, Greeting::Busy, Some("g1")).await.unwrap(), None);
        assert_eq!(boxes.greet(&ann, Greeting::Busy, None).await.unwrap().as_deref(), Some("g1"));
    }

    async fn what_is_too_old_is_forgotten(place: Place) {
        const DAY: Duration = Duration::from_secs(86_400);
        let boxes = place.db.voice_boxes();
        let ann = owner(&place.db, "acme", "north", "1001").await;
        boxes.configure(&ann, &BoxSettings { keep_days: 30, ..BoxSettings::default() }).await.unwrap();
        let born = at(1_000_000);
        let (old, dropped, young) = (said("old", born), said("dropped", born + DAY * 20), said("young", born + DAY * 20));
        boxes.add(&ann, &old, None).await.unwrap().unwrap();
        let dropped = boxes.add(&ann, &dropped, None).await.unwrap().unwrap();
        let young = boxes.add(&ann, &young, None).await.unwrap().unwrap();
        boxes.put(&ann, dropped, Folder::Deleted, born + DAY * 21).await.unwrap();
        assert_eq!(boxes.age(born + DAY * 27, 0).await.unwrap().files, []);
        let aged = boxes.age(born + DAY * 31, 0).await.unwrap();
        let mut files: Vec<&str> = aged.files.iter().map(|(_, file)| file.as_str()).collect();
        files.sort_unstable();
        assert_eq!((files, aged.boxes, aged.next), (vec!["dropped", "old"], vec![ann.clone()], None));
        let left: Vec<i64> = boxes.messages(&ann, None).await.unwrap().iter().map(|m| m.id).collect();
        assert_eq!(left, [young]);
    }
}
