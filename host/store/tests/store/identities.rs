//! Brands' identities: sealed, fed to the switch, nobody else's.

use crate::fixture::{CTX, Place, brand};
use crate::on_both;
use model::BrandId;
use store::{Db, OpContext, SecretKey, StoreError};

async fn keyed(place: &Place, key: u8) -> Db {
    let key = SecretKey::from_hex(&format!("{key:02x}").repeat(32)).unwrap();
    Db::open_keyed(&place.url, Some(key)).await.unwrap()
}

const CERTIFICATE: (&str, &str) = ("https://cert.example.org/a.pem", "a certificate");

on_both! {
    async fn a_key_is_sealed_and_reaches_the_switch(place: Place) {
        let db = keyed(&place, 1).await;
        let acme = brand(&db, "acme").await.id;
        let before = db.version().await.unwrap();
        assert_eq!(db.identities().get(&CTX, acme).await.unwrap().certificate, None);
        db.identities().set_anchors(&CTX, acme, "some authorities").await.unwrap();
        db.identities().set_key(&CTX, acme, CERTIFICATE, "a private key").await.unwrap();
        assert!(db.version().await.unwrap() > before, "the switch hears of it");
        let shown = db.identities().get(&CTX, acme).await.unwrap();
        assert_eq!(shown.certificate, Some((CERTIFICATE.0.to_owned(), CERTIFICATE.1.to_owned())));
        assert_eq!(shown.anchors, "some authorities");
        let every = db.identities().every().await.unwrap();
        let (url, certificate, key) = every[0].key.clone().unwrap();
        assert_eq!((url.as_str(), certificate.as_str(), key.reveal()), (CERTIFICATE.0, CERTIFICATE.1, "a private key"));

        // Another key opens nothing, and keeps nobody from the rest.
        let other = keyed(&place, 2).await;
        let every = other.identities().every().await.unwrap();
        assert_eq!((&every[0].key, every[0].anchors.as_str()), (&None, "some authorities"));
        let none = place.db.identities().set_key(&CTX, acme, CERTIFICATE, "a private key").await;
        assert!(matches!(none, Err(StoreError::Invalid { what: "key", .. })), "{none:?}");

        db.identities().remove_key(&CTX, acme).await.unwrap();
        let every = db.identities().every().await.unwrap();
        assert_eq!((&every[0].key, every[0].anchors.as_str()), (&None, "some authorities"));
        db.brands().delete(&CTX, acme).await.unwrap();
        assert_eq!(db.identities().every().await.unwrap(), []);
    }

    async fn nobody_sets_another_brands_identity(place: Place) {
        let db = keyed(&place, 1).await;
        let (acme, other) = (brand(&db, "acme").await.id, brand(&db, "other").await.id);
        let theirs = OpContext::brand(other);
        let refused = [
            db.identities().get(&theirs, acme).await.map(|_| ()),
            db.identities().set_key(&theirs, acme, CERTIFICATE, "k").await,
            db.identities().set_anchors(&theirs, acme, "a").await,
            db.identities().remove_key(&theirs, acme).await,
            db.identities().set_anchors(&CTX, BrandId(999), "a").await,
        ];
        for refused in refused {
            assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
        }
        assert_eq!(db.identities().every().await.unwrap(), []);
    }
}
