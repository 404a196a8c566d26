//! Requests with a key: done once, and what is kept of them tells nothing without the key that secrets are sealed with.

use crate::fixture::{Place, at};
use crate::on_both;
use crate::raw::Raw;
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{Db, Known, RequestKey, SecretKey};

async fn keyed(place: &Place, digits: &str) -> Db {
    let key = SecretKey::from_hex(&digits.repeat(32)).unwrap();
    Db::open_keyed(&place.url, Some(key)).await.unwrap()
}

fn sum(request: &str) -> [u8; 32] {
    Sha256::digest(request).into()
}

const ANNE: RequestKey<'_> = RequestKey { actor: "token 1", key: "once" };
const BERT: RequestKey<'_> = RequestKey { actor: "token 2", key: "once" };

async fn kept(raw: &mut Raw, of: RequestKey<'_>) -> Vec<u8> {
    let RequestKey { actor, key } = of;
    raw.one(&format!("SELECT fingerprint FROM idempotency WHERE actor = '{actor}' AND request_key = '{key}'")).await
}

on_both! {
    async fn a_request_is_known_again_by_a_code_that_only_the_switchs_key_makes(place: Place) {
        let db = keyed(&place, "5e").await;
        let keys = db.idempotency();
        let request = sum("PATCH /api/v1/voice-boxes/7\n{\"pin\":\"1234\"}");
        assert_eq!(keys.begin(ANNE, &request, at(1)).await.unwrap(), Known::New);
        assert_eq!(keys.begin(BERT, &request, at(1)).await.unwrap(), Known::New, "another sender's key is another");
        assert_eq!(keys.begin(ANNE, &request, at(2)).await.unwrap(), Known::UnderWay);
        keys.finish(ANNE, 200, b"{}").await.unwrap();
        assert_eq!(keys.begin(ANNE, &request, at(3)).await.unwrap(), Known::Answered(200, b"{}".to_vec()));
        assert_eq!(keys.begin(ANNE, &sum("another"), at(3)).await.unwrap(), Known::Other);

        let mut raw = Raw::open(&place).await;
        let (anne, bert) = (kept(&mut raw, ANNE).await, kept(&mut raw, BERT).await);
        assert_ne!(anne, request, "who guesses the PIN cannot see that the guess is right");
        let pieces = |of: &[u8]| of.windows(8).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert!(!pieces(&request).iter().any(|piece| pieces(&anne).contains(piece)), "nor by a piece of it");
        assert_ne!(anne[8..], bert[8..], "nor that two have sent the same");
    }

    async fn a_request_that_was_kept_under_another_key_is_neither_answered_nor_done_again(place: Place) {
        let (old, new) = (keyed(&place, "5e").await, keyed(&place, "e5").await);
        let (request, later) = (sum("POST /api/v1/accounts\n{}"), at(2) + Duration::from_secs(600));
        assert_eq!(old.idempotency().begin(ANNE, &request, at(1)).await.unwrap(), Known::New);
        for now in [at(2), later] {
            let known = new.idempotency().begin(ANNE, &request, now).await.unwrap();
            assert_eq!(known, Known::Unreadable, "whether anything of it was done or not");
        }
        old.idempotency().finish(ANNE, 201, b"{}").await.unwrap();
        assert_eq!(new.idempotency().begin(ANNE, &request, later).await.unwrap(), Known::Unreadable);
        assert_eq!(old.idempotency().begin(ANNE, &request, later).await.unwrap(), Known::Answered(201, b"{}".to_vec()));
        // A fingerprint as versions before this one kept it.
        let mut raw = Raw::open(&place).await;
        let plain = request.map(|byte| format!("{byte:02x}")).concat();
        let plain = if place.db.backend() == "sqlite" { format!("x'{plain}'") } else { format!("'\\x{plain}'::bytea") };
        raw.run(&format!("UPDATE idempotency SET fingerprint = {plain}")).await;
        assert_eq!(new.idempotency().begin(ANNE, &request, later).await.unwrap(), Known::Unreadable);
        let day = Duration::from_secs(25 * 3_600);
        assert_eq!(new.idempotency().begin(ANNE, &request, later + day).await.unwrap(), Known::New, "it is forgotten");
    }
}
