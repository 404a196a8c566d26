//! Records that leave the database for a file: the oldest first, of one brand, exactly those that were written, and none that
//! still waits for its price.

use crate::cdrs::keep;
use crate::fixture::{CTX, Place, at, cdr};
use crate::on_both;
use model::{BrandId, CallId, Cdr, CompanyId, Explained, Instant};
use store::{ArchiveFile, ArchiveKind, CdrFilter, Leaving, OpContext, Wanted, lists};

fn file(name: &str) -> ArchiveFile {
    ArchiveFile { name: name.to_owned(), bytes: 10, sha256: "a".repeat(64) }
}

fn of(brand: i64, call: u128, second: u64) -> Cdr {
    Cdr { brand: BrandId(brand), company: CompanyId(brand * 10), started_at: at(second), ..cdr(call, 0) }
}

const ALL_TIME: (Instant, Instant) = (Instant::from_unix_nanos(0), Instant::from_unix_nanos(1 << 62));

async fn calls(place: &Place) -> Vec<u128> {
    let mut left: Vec<u128> =
        place.db.cdrs().list(&CTX, &CdrFilter::default(), None, 100).await.unwrap().iter().map(|c| c.call.0).collect();
    left.sort_unstable();
    left
}

on_both! {
    async fn the_oldest_leave_first_and_only_what_was_written(place: Place) {
        keep(&place, vec![of(1, 1, 10), of(2, 2, 5), of(1, 3, 20), of(1, 4, 30), of(1, 5, 40)]).await;
        let archives = place.db.archives();
        assert_eq!(archives.oldest(ArchiveKind::Cdrs, at(5)).await.unwrap(), None, "none began before that");
        assert_eq!(archives.oldest(ArchiveKind::Cdrs, at(6)).await.unwrap(), Some((BrandId(2), at(5))));
        let leaving = archives.leaving(ArchiveKind::Cdrs, BrandId(1), (at(0), at(40)), 2).await.unwrap();
        let Leaving::Cdrs(first) = &leaving else { panic!("{leaving:?}") };
        assert_eq!(first.iter().map(|c| c.call.0).collect::<Vec<_>>(), [1, 3], "two of those that may leave");
        assert_eq!(leaving.first(), Some((at(10), CallId(1).to_string())));
        // One comes late, between them: nothing leaves.
        keep(&place, vec![of(1, 9, 15)]).await;
        assert_eq!(archives.keep(BrandId(1), &leaving, &file("one"), at(100)).await.unwrap(), None);
        assert_eq!(calls(&place).await, [1, 2, 3, 4, 5, 9]);
        let anew = archives.leaving(ArchiveKind::Cdrs, BrandId(1), (at(0), at(40)), 3).await.unwrap();
        let kept = archives.keep(BrandId(1), &anew, &file("one"), at(100)).await.unwrap().unwrap();
        assert_eq!((kept.rows, kept.first_at, kept.last_at, kept.made_at), (3, at(10), at(20), at(100)));
        assert_eq!(calls(&place).await, [2, 4, 5]);
        // What has left cannot leave once more.
        assert_eq!(archives.keep(BrandId(1), &anew, &file("two"), at(100)).await.unwrap(), None);
        // A name stands once, and then nothing leaves either.
        let rest = archives.leaving(ArchiveKind::Cdrs, BrandId(1), ALL_TIME, 9).await.unwrap();
        assert!(archives.keep(BrandId(1), &rest, &file("one"), at(100)).await.is_err());
        assert_eq!(calls(&place).await, [2, 4, 5]);
        assert_eq!(archives.names(BrandId(1)).await.unwrap(), ["one"]);
    }

    async fn a_leg_that_waits_for_its_price_stays(place: Place) {
        let rated = model::Rated {
            id: "1.1".to_owned(), number: "+49".to_owned(), trunk: None, payer: None, unasked: false, granted_s: None, since: None,
        };
        keep(&place, vec![Cdr { rated: Some(rated), ..of(1, 1, 10) }, of(1, 2, 20)]).await;
        let archives = place.db.archives();
        assert_eq!(place.db.settlements().due(at(1_000), 9, &[]).await.unwrap().len(), 1, "it waits");
        assert_eq!(archives.oldest(ArchiveKind::Cdrs, at(99)).await.unwrap(), Some((BrandId(1), at(20))));
        let leaving = archives.leaving(ArchiveKind::Cdrs, BrandId(1), ALL_TIME, 9).await.unwrap();
        assert_eq!(archives.keep(BrandId(1), &leaving, &file("one"), at(100)).await.unwrap().unwrap().rows, 1);
        assert_eq!(calls(&place).await, [1]);
        let charge = model::Charge {
            micros: 5, carrier_micros: None, currency: "EUR".to_owned(), lines: Vec::new(),
        };
        place.db.settlements().done((CallId(1), 0), &charge).await.unwrap();
        assert_eq!(archives.oldest(ArchiveKind::Cdrs, at(99)).await.unwrap(), Some((BrandId(1), at(10))));
    }

    async fn explanations_leave_too_and_a_brand_sees_its_own_archives(place: Place) {
        let why = |call: u128, second: u64| Explained {
            call: CallId(call), company: CompanyId(10), at: at(second), asked: "route".to_owned(),
            callee: "1002".to_owned(), decision: "next".to_owned(), hooks: Vec::new(),
        };
        let all = [(BrandId(1), why(1, 10)), (BrandId(1), why(1, 10)), (BrandId(1), why(2, 50)), (BrandId(2), why(3, 11))];
        place.db.explanations().add(&all).await.unwrap();
        let archives = place.db.archives();
        assert_eq!(archives.oldest(ArchiveKind::Explanations, at(40)).await.unwrap(), Some((BrandId(1), at(10))));
        let leaving = archives.leaving(ArchiveKind::Explanations, BrandId(1), (at(0), at(40)), 9).await.unwrap();
        assert_eq!(leaving.len(), 2, "both questions of the one call");
        let made = archives.keep(BrandId(1), &leaving, &file("why"), at(100)).await.unwrap().unwrap();
        assert_eq!(made.kind, ArchiveKind::Explanations);
        assert!(place.db.explanations().of_call(&CTX, CallId(1)).await.unwrap().is_empty());
        assert_eq!(place.db.explanations().of_call(&CTX, CallId(2)).await.unwrap().len(), 1);
        let listed = |ctx: OpContext| {
            let db = place.db.clone();
            async move { db.archives().found(&ctx, &Wanted::of(lists::ARCHIVES, 9)).await.unwrap().rows.len() }
        };
        assert_eq!(listed(CTX).await, 1);
        assert_eq!(listed(OpContext::brand(BrandId(1))).await, 1);
        assert_eq!(listed(OpContext::brand(BrandId(2))).await, 0);
        assert_eq!(listed(OpContext::company(BrandId(1), CompanyId(10))).await, 0, "a brand's operator alone");
        assert!(archives.get(&OpContext::company(BrandId(1), CompanyId(10)), made.id).await.is_err());
        assert!(archives.delete(&OpContext::brand(BrandId(2)), made.id).await.is_err());
        archives.delete(&OpContext::brand(BrandId(1)), made.id).await.unwrap();
        assert!(archives.get(&CTX, made.id).await.is_err());
    }
}
