//! Mail: hosts and their sealed passwords, and the queue: whose turn it is, what is tried again, what is bounded.

use crate::fixture::{CTX, account, at, brand, company};
use crate::on_both;
use core::time::Duration;
use model::{BoxMail, BoxOwner, BoxSettings, BrandId, Company, Folder, MailHost, MailTemplate, MailTls};
use std::collections::BTreeMap;
use store::{
    Db, Mail, MailCaps, MailFile, MailState, MailTry, NewMail, NewVoiceMessage, OpContext, SecretKey, StoreError,
    Wanted,
};

const LEASE: Duration = Duration::from_secs(30);
const WIDE: MailCaps = MailCaps { hour: 100, binding_hour: 100, waiting: 100 };

fn host(name: &str) -> MailHost {
    MailHost {
        host: name.to_owned(),
        port: 587,
        tls: MailTls::Starttls,
        ca: None,
        user: Some("pbx".to_owned()),
        from: format!("pbx@{name}"),
        from_name: None,
        templates: BTreeMap::new(),
    }
}

fn mail(of: &Company, name: &str, to: &str) -> NewMail {
    NewMail {
        brand: of.brand,
        company: of.id,
        binding: "mine".to_owned(),
        name: name.to_owned(),
        message_id: format!("{}.{name}.{to}", of.id),
        to: to.to_owned(),
        subject: "Hello".to_owned(),
        text: "Text".to_owned(),
        files: vec![MailFile { file: "f1".to_owned(), name: "message.wav".to_owned() }],
        delete_after: false,
    }
}

async fn claim(db: &Db, holder: &str, second: u64) -> Option<Mail> {
    db.mails().claim(holder, (at(second), LEASE), 9).await.unwrap()
}

async fn state(db: &Db, id: i64) -> (MailState, u32) {
    let mail = db.mails().get(&CTX, id).await.unwrap();
    (mail.state, mail.tries)
}

fn is_missing<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotFound { .. }))
}

on_both! {
    async fn a_brand_sends_by_its_own_host_else_by_the_platforms(place: Place) {
        let key = SecretKey::from_hex(&"07".repeat(32)).unwrap();
        let db = Db::open_keyed(&place.url, Some(key)).await.unwrap();
        let (acme, other) = (brand(&db, "acme").await.id, brand(&db, "other").await.id);
        let hosts = db.mail_hosts();
        assert_eq!(hosts.of_brand(acme).await.unwrap(), None);
        assert_eq!(hosts.sender(acme).await.unwrap(), None);
        hosts.put(&CTX, None, (&host("platform.example"), Some("swordfish"))).await.unwrap();
        let mine = OpContext::brand(acme);
        let words = MailTemplate { subject: "s".to_owned(), text: "t".to_owned() };
        let own = MailHost { templates: BTreeMap::from([("x".to_owned(), words.clone())]), ..host("acme.example") };
        let shown = hosts.put(&mine, Some(acme), (&own, Some("hush hush"))).await.unwrap();
        assert!(shown.has_password && shown.host == own);
        for (of, name, password) in [(acme, "acme.example", "hush hush"), (other, "platform.example", "swordfish")] {
            let used = hosts.of_brand(of).await.unwrap().unwrap();
            assert_eq!((used.host.host.as_str(), used.password.as_ref().unwrap().reveal()), (name, password));
            assert_eq!((used.is_brands, hosts.sender(of).await.unwrap()), (of == acme, Some(format!("pbx@{name}"))));
            assert!(!format!("{used:?}").contains(password));
        }
        assert_eq!(hosts.template(acme, "x").await.unwrap(), Some(words));
        assert_eq!(hosts.template(other, "x").await.unwrap(), None);
        let raw = std::fs::read(place.dir.path().join("strowger.db")).unwrap_or_default();
        assert!(!raw.windows(9).any(|w| w == b"hush hush"), "a password is never in clear");
        assert!(place.db.mail_hosts().of_brand(acme).await.is_err(), "without the key nobody sends by it");

        // The password stays for the same user of the same host, and is told to no other.
        assert!(hosts.put(&mine, Some(acme), (&MailHost { port: 465, ..own.clone() }, None)).await.unwrap().has_password);
        let moved = MailHost { host: "evil.example".to_owned(), ..own.clone() };
        assert!(!hosts.put(&mine, Some(acme), (&moved, None)).await.unwrap().has_password);

        let theirs = OpContext::brand(other);
        let member = OpContext::company(acme, company(&db, acme, "north").await.id);
        for ctx in [&theirs, &member] {
            assert!(is_missing(hosts.get(ctx, Some(acme)).await), "{ctx:?}");
            assert!(hosts.get(ctx, None).await.is_err() && hosts.put(ctx, None, (&own, None)).await.is_err());
            assert!(hosts.put(ctx, Some(acme), (&own, None)).await.is_err(), "{ctx:?}");
            assert!(hosts.remove(ctx, Some(acme)).await.is_err() && hosts.remove(ctx, None).await.is_err());
            assert!(hosts.on_trial(ctx, Some(acme)).await.is_err() && hosts.on_trial(ctx, None).await.is_err());
        }
        assert!(!hosts.on_trial(&theirs, Some(other)).await.unwrap().is_brands, "the platform's, which is not shown");
        let bad = MailHost { from: "a@b\r\nBcc: c@d".to_owned(), ..own };
        assert!(matches!(hosts.put(&mine, Some(acme), (&bad, None)).await, Err(StoreError::Invalid { what: "from", .. })));
        hosts.remove(&mine, Some(acme)).await.unwrap();
        assert!(!hosts.of_brand(acme).await.unwrap().unwrap().is_brands);
        hosts.remove(&CTX, None).await.unwrap();
        assert_eq!(hosts.of_brand(acme).await.unwrap(), None);
    }

    async fn a_mail_is_one_holders_until_its_lease_is_over(place: Place) {
        let (db, mails) = (&place.db, place.db.mails());
        let north = company(db, brand(db, "acme").await.id, "north").await;
        let before = db.image().await.unwrap();
        mails.add(&[mail(&north, "k", "anna@example.com")], WIDE, at(5)).await.unwrap().unwrap();
        assert!(claim(db, "early", 4).await.is_none());
        let first = claim(db, "one", 5).await.unwrap();
        assert_eq!((first.tries, first.what.to.as_str(), first.what.files[0].file.as_str()), (1, "anna@example.com", "f1"));
        assert!(claim(db, "two", 6).await.is_none(), "somebody is at it");
        assert!(mails.remove(&CTX, first.id).await.is_err() && mails.retry(&CTX, first.id, at(6)).await.is_err());

        // Its holder was killed: another says the same mail, and what the first would still write is not written.
        let again = claim(db, "two", 36).await.unwrap();
        assert_eq!((again.id, again.tries, &again.what.message_id), (first.id, 2, &first.what.message_id));
        let (one, two) = (MailTry { mail: first.id, holder: "one" }, MailTry { mail: first.id, holder: "two" });
        assert!(is_missing(mails.sent(one, at(37), true).await) && is_missing(mails.dead(one, at(37), "x").await));
        mails.later(two, at(90), "451 later\0").await.unwrap();
        assert!(claim(db, "three", 89).await.is_none());
        let third = claim(db, "three", 90).await.unwrap();
        assert_eq!((third.tries, third.error.as_deref()), (3, Some("451 later\u{fffd}")));
        mails.dead(MailTry { mail: third.id, holder: "three" }, at(91), "550 no").await.unwrap();
        assert_eq!(state(db, third.id).await, (MailState::Dead, 3));
        assert_eq!(mails.count().await.unwrap(), [(MailState::Dead, 1)]);
        assert!(claim(db, "four", 500).await.is_none());

        // An operator tries it again, from the beginning.
        let retried = mails.retry(&CTX, third.id, at(100)).await.unwrap();
        assert_eq!((retried.state, retried.tries, retried.since_at), (MailState::Waiting, 0, at(100)));
        assert!(claim(db, "five", 100).await.is_some());
        mails.sent(MailTry { mail: third.id, holder: "five" }, at(101), false).await.unwrap();
        assert!(mails.retry(&CTX, third.id, at(102)).await.is_err(), "it was sent");
        assert_eq!(mails.sweep(at(101)).await.unwrap(), 0);
        assert_eq!(mails.sweep(at(102)).await.unwrap(), 1);
        assert!(is_missing(mails.get(&CTX, third.id).await));
        assert_eq!(db.news(&before).await.unwrap().image.stand, before.stand, "nothing of it is news for the directory");
    }

    async fn the_queue_is_bounded_and_of_a_key_each_address_gets_one(place: Place) {
        let (db, mails) = (&place.db, place.db.mails());
        let acme = brand(db, "acme").await.id;
        let (north, south) = (company(db, acme, "north").await, company(db, acme, "south").await);
        let caps = MailCaps { hour: 4, binding_hour: 3, waiting: 100 };
        let add = async |all: &[NewMail], caps, second| mails.add(all, caps, at(second)).await.unwrap();
        for _ in 0..5 {
            let both = [mail(&north, "k", "a@example.com"), mail(&north, "k", "b@example.com")];
            assert_eq!(add(&both, caps, 1).await, Ok(()), "asked again it costs nothing");
        }
        assert_eq!(mails.count().await.unwrap(), [(MailState::Waiting, 2)]);
        let two = [mail(&north, "l", "a@example.com"), mail(&north, "l", "b@example.com")];
        assert_eq!(add(&two, caps, 2).await, Err("mails-per-binding-hour-max"), "all or none");
        assert_eq!(mails.count().await.unwrap(), [(MailState::Waiting, 2)]);
        assert_eq!(add(&two[..1], caps, 2).await, Ok(()));
        let of = |binding: &str, name: &str| NewMail { binding: binding.to_owned(), ..mail(&north, name, "a@example.com") };
        assert_eq!(add(&[of("", "m")], caps, 3).await, Ok(()), "another binding");
        assert_eq!(add(&[of("other", "n")], caps, 3).await, Err("mails-per-hour-max"));
        assert_eq!(add(&[mail(&south, "n", "a@example.com")], caps, 3).await, Ok(()), "another company");
        let full = MailCaps { waiting: 4, ..WIDE };
        assert_eq!(add(&[of("other", "n")], full, 4_000).await, Err("mails-waiting-max"));
        assert_eq!(add(&[of("other", "n")], caps, 4_000).await, Ok(()), "an hour later");
        let nobodys = NewMail { brand: BrandId(99), ..of("x", "x") };
        assert!(is_missing(mails.add(&[nobodys], WIDE, at(5)).await));

        // Of one brand no more are under way than may be, and a company's operator sees its own.
        let first = mails.claim("1", (at(5_000), LEASE), 1).await.unwrap().unwrap();
        assert!(mails.claim("2", (at(5_000), LEASE), 1).await.unwrap().is_none());
        let theirs = OpContext::company(acme, south.id);
        let all = Wanted::of(store::lists::MAILS, 100);
        let seen = mails.found(&theirs, &all).await.unwrap().rows;
        assert_eq!(seen.iter().map(|m| m.what.company).collect::<Vec<_>>(), [south.id]);
        assert!(is_missing(mails.get(&theirs, first.id).await) && is_missing(mails.retry(&theirs, first.id, at(1)).await));
        assert!(is_missing(mails.remove(&theirs, first.id).await));
        let sending = mails.found(&CTX, &all.clone().only("state", "sending")).await.unwrap().rows;
        assert_eq!(sending.iter().map(|m| m.id).collect::<Vec<_>>(), [first.id]);
        db.companies().delete(&CTX, south.id).await.unwrap();
        assert!(mails.found(&CTX, &all.only("company", south.id.0)).await.unwrap().rows.is_empty());
    }

    async fn a_voice_message_and_its_mail_are_kept_together(place: Place) {
        let (db, boxes, mails) = (&place.db, place.db.voice_boxes(), place.db.mails());
        let north = company(db, brand(db, "acme").await.id, "north").await;
        account(db, north.id, "1001").await;
        let ann = BoxOwner { brand: north.brand, company: north.id, account: "1001".to_owned() };
        let told = |address: &str, attach| BoxMail { address: address.to_owned(), attach, delete: true };
        let wants = |mail| BoxSettings { mail: Some(mail), ..BoxSettings::default() };
        for bad in [told("anna", true), told("anna@example.com", false)] {
            assert!(boxes.configure(&ann, &wants(bad)).await.is_err());
        }
        boxes.configure(&ann, &wants(told("anna@example.com", true))).await.unwrap();
        for (address, own) in [("anna@example.com", true), ("ann_@example.com", false), ("bob@example.com", false)] {
            assert_eq!(mails.is_own((north.brand, north.id), address).await.unwrap(), own, "{address}");
        }
        let said = |file: &str| NewVoiceMessage {
            caller: "1002".to_owned(),
            caller_name: None,
            received_at: at(5),
            length_ms: 2_500,
            urgent: false,
            file: file.to_owned(),
        };
        let new = NewMail { binding: String::new(), delete_after: true, ..mail(&north, "v", "anna@example.com") };
        let id = boxes.add(&ann, &said("f1"), Some((&new, WIDE, at(5)))).await.unwrap().unwrap();
        let none = MailCaps { hour: 1, ..WIDE };
        let more = NewMail { name: "w".to_owned(), message_id: "w".to_owned(), ..new };
        let second = boxes.add(&ann, &said("f2"), Some((&more, none, at(6)))).await.unwrap().unwrap();
        assert_eq!(mails.count().await.unwrap(), [(MailState::Waiting, 1)], "a message is kept without its mail");

        let first = claim(db, "one", 7).await.unwrap();
        assert_eq!((first.voice_message, first.what.delete_after), (Some(id), true));
        let of = MailTry { mail: first.id, holder: "one" };
        assert_eq!(mails.sent(of, at(8), true).await.unwrap(), Some(ann.clone()));
        assert_eq!(boxes.message(&ann, id).await.unwrap().message.folder, Folder::Deleted);
        assert_eq!(boxes.message(&ann, second).await.unwrap().message.folder, Folder::New);
        // One that its owner has put elsewhere meanwhile stays there.
        mails.add(&[mail(&north, "z", "b@example.com")], WIDE, at(9)).await.unwrap().unwrap();
        let other = claim(db, "two", 9).await.unwrap();
        assert_eq!(mails.sent(MailTry { mail: other.id, holder: "two" }, at(10), true).await.unwrap(), None);
    }
}
