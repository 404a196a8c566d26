//! Public numbers that a brand has in stock: given to a company, taken back, kept apart, and what the directory knows.

use crate::fixture::{CTX, account, brand, company};
use crate::on_both;
use crate::trunks::trunk;
use model::{CallFilter, DdiRecording, RouteTag, RouteTagId, RouteTarget, RuleBody, Trunk, TrunkId};
use store::{NewRule, Number, OpContext, StoreError, Wanted, lists};

fn invalid<T: std::fmt::Debug>(refused: Result<T, StoreError>) -> &'static str {
    let Err(StoreError::Invalid { what, .. }) = refused else { panic!("{refused:?}") };
    what
}

on_both! {
    async fn a_number_is_given_to_a_company_and_taken_back(place: Place) {
        let db = &place.db;
        let acme = brand(db, "acme").await;
        let (north, south) = (company(db, acme.id, "north").await, company(db, acme.id, "south").await);
        account(db, north.id, "anna").await;
        let own = OpContext::brand(acme.id);
        let stock = Number { description: "reserve".to_owned(), ..Number::stock(acme.id, "+4420") };
        let mut image = db.image().await.unwrap();
        let made = db.ddis().add(&own, &stock).await.unwrap();
        assert_eq!(made, Number { id: made.id, ..stock.clone() });
        let taken = db.ddis().add(&own, &stock).await;
        assert_eq!(taken, Err(StoreError::Conflict { what: "ddi" }), "a number is one brand's, in stock or not");
        image = db.news(&image).await.unwrap().image;
        assert!(image.directory.ddi("+4420").is_none() && image.held.is_empty(), "calls know nothing of it");

        let to_anna = Some(RouteTarget::Account("anna".to_owned()));
        let filter = NewRule { company: north.id, name: "f".to_owned(), body: RuleBody::CallFilter(CallFilter::default()) };
        let filter = db.rules().create(&own, filter).await.unwrap();
        assert_eq!(invalid(db.ddis().update(&own, &Number { company: Some(north.id), ..made.clone() }).await), "target");
        assert_eq!(invalid(db.ddis().update(&own, &Number { target: to_anna.clone(), ..made.clone() }).await), "company");
        let given = Number {
            company: Some(north.id),
            target: to_anna,
            call_filter: Some("f".to_owned()),
            record: DdiRecording::In,
            display_name: "Sales".to_owned(),
            ..made.clone()
        };
        assert_eq!(db.ddis().update(&own, &given).await.unwrap(), given);
        image = db.news(&image).await.unwrap().image;
        let known = image.directory.ddi("+4420").unwrap();
        assert_eq!((known.company, known.display_name.as_str(), known.record), (north.id, "Sales", DdiRecording::In));
        assert_eq!(db.rules().delete(&own, filter.id).await, Err(StoreError::InUse { what: "rule" }));

        let moved = Number { company: Some(south.id), target: Some(RouteTarget::App("x".to_owned())), call_filter: None, ..given.clone() };
        assert_eq!(invalid(db.ddis().update(&own, &moved).await), "company");
        let back = Number { company: None, target: None, call_filter: None, ..given.clone() };
        assert_eq!(db.ddis().update(&own, &back).await.unwrap(), back);
        image = db.news(&image).await.unwrap().image;
        assert!(image.directory.ddi("+4420").is_none());
        assert_eq!(image.directory.difference(&db.image().await.unwrap().directory), None);
        db.rules().delete(&own, filter.id).await.unwrap();
        assert_eq!(db.ddis().update(&own, &moved).await.unwrap(), moved, "and now the other company may have it");
    }

    async fn stock_is_its_brands_and_no_companys(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let north = company(db, acme.id, "north").await;
        let (own, theirs) = (OpContext::brand(acme.id), OpContext::brand(rival.id));
        let its = OpContext::company(acme.id, north.id);
        let made = db.ddis().add(&own, &Number::stock(acme.id, "+4420")).await.unwrap();
        let refused = db.ddis().add(&its, &Number::stock(acme.id, "+4421")).await;
        assert!(matches!(refused, Err(StoreError::Forbidden { .. })), "{refused:?}");
        let foreign = db.ddis().add(&theirs, &Number::stock(acme.id, "+4421")).await;
        assert_eq!(foreign, Err(StoreError::NotFound { what: "brand" }));
        for ctx in [&its, &theirs] {
            assert_eq!(db.ddis().get(ctx, made.id).await, Err(StoreError::NotFound { what: "ddi" }));
            assert_eq!(db.ddis().update(ctx, &made).await, Err(StoreError::NotFound { what: "ddi" }));
            assert_eq!(db.ddis().find(ctx, "+4420").await, Err(StoreError::NotFound { what: "ddi" }));
        }
        let to = Some(RouteTarget::App("x".to_owned()));
        let given = Number { company: Some(north.id), target: to.clone(), ..made.clone() };
        let given = db.ddis().update(&own, &given).await.unwrap();
        let away = Number { company: None, target: None, ..given.clone() };
        assert!(matches!(db.ddis().update(&its, &away).await, Err(StoreError::Forbidden { .. })));
        db.ddis().add(&own, &Number::stock(acme.id, "+4421")).await.unwrap();
        let found = async |assigned: bool| -> Vec<String> {
            let wanted = Wanted::of(lists::DDIS, 10).ordered("-company").unwrap().only("assigned", assigned);
            db.ddis().found(&own, &wanted).await.unwrap().rows.into_iter().map(|number| number.e164).collect()
        };
        assert_eq!((found(true).await, found(false).await), (vec!["+4420".to_owned()], vec!["+4421".to_owned()]));
        let south = company(db, rival.id, "south").await;
        let strange = Number { company: Some(south.id), target: to, ..away.clone() };
        db.ddis().update(&own, &away).await.unwrap();
        assert!(db.ddis().update(&CTX, &strange).await.is_err(), "not even the platform gives it to another brand's");
    }

    async fn a_number_is_bound_to_its_brands_trunk_and_tag(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await, brand(db, "rival").await);
        let made = |of: Trunk| async move { db.trunks().create(&CTX, &Trunk { credentials: None, translation: None, ..of }).await.unwrap() };
        let (own, theirs) = (made(trunk(acme.id, "one")).await, made(trunk(rival.id, "one")).await);
        let tag = RouteTag {
            id: RouteTagId(0), brand: acme.id, name: "t".to_owned(), tag: "12".to_owned(), everybody: true,
            companies: Default::default(),
        };
        let tag = db.route_tags().create(&CTX, &tag).await.unwrap();
        let stock = Number::stock(acme.id, "+4420");
        for trunk in [theirs.id, TrunkId(4711)] {
            assert_eq!(invalid(db.ddis().add(&CTX, &Number { trunk: Some(trunk), ..stock.clone() }).await), "trunk");
        }
        assert_eq!(invalid(db.ddis().add(&CTX, &Number { tag: Some(RouteTagId(4711)), ..stock.clone() }).await), "tag");
        let bound = Number { trunk: Some(own.id), tag: Some(tag.id), ..stock };
        let bound = db.ddis().add(&CTX, &bound).await.unwrap();
        let refused = db.trunks().delete(&CTX, own.id).await.unwrap_err();
        assert_eq!(refused, StoreError::UsedBy { what: "trunk", by: "public number +4420".to_owned() });
        assert!(db.route_tags().delete(&CTX, tag.id).await.is_err());
        let north = company(db, acme.id, "north").await;
        let given = Number { company: Some(north.id), target: Some(RouteTarget::App("x".to_owned())), ..bound };
        db.ddis().update(&CTX, &given).await.unwrap();
        let directory = db.directory().await.unwrap();
        let known = directory.ddi("+4420").unwrap();
        assert_eq!((known.trunk, known.tag), (Some(own.id), Some(tag.id)));
        // The company's own operator may change where it leads, and keeps what the brand has said.
        let its = OpContext::company(acme.id, north.id);
        let led = Number { target: Some(RouteTarget::App("y".to_owned())), ..given };
        assert_eq!(db.ddis().update(&its, &led).await.unwrap(), led);
        db.ddis().delete(&CTX, led.id).await.unwrap();
        db.trunks().delete(&CTX, own.id).await.unwrap();
    }
}
