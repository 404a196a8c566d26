//! Routing patterns, groups, tags and outgoing routes: made, changed, fed, kept apart and removed; what the database refuses.

use crate::fixture::{CTX, brand, company};
use crate::on_both;
use crate::raw::Raw;
use crate::trunks::trunk;
use model::{
    Instant, OutgoingRoute, OutgoingRouteId, RatedTrunk, RouteGroup, RouteGroupId, RouteNumbers, RoutePattern,
    RoutePatternId, RouteScope, RouteTag, RouteTagId, RouteWay,
};
use store::{NewPrefixTable, OpContext, StoreError, Wanted, lists};

fn pattern(brand: model::BrandId, name: &str, prefix: &str) -> RoutePattern {
    let (name, prefix) = (name.to_owned(), prefix.to_owned());
    RoutePattern { id: RoutePatternId(0), brand, name, prefix, special: false }
}

fn route(brand: model::BrandId, name: &str, way: RouteWay) -> OutgoingRoute {
    OutgoingRoute {
        id: OutgoingRouteId(0),
        brand,
        name: name.to_owned(),
        scope: RouteScope::All,
        tag: None,
        numbers: RouteNumbers::Any,
        way,
        priority: 1,
        weight: 1,
        stopper: false,
        prefix: String::new(),
        caller: None,
    }
}

fn user(error: Result<(), StoreError>) -> String {
    let Err(StoreError::UsedBy { by, .. }) = error else { panic!("{error:?}") };
    by
}

on_both! {
    async fn routes_are_made_changed_fed_and_removed(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await.id, brand(db, "rival").await.id);
        let north = company(db, acme, "north").await.id;
        let carrier = db.trunks().create(&CTX, &trunk(acme, "carrier")).await.unwrap().id;
        let new = NewPrefixTable {
            brand: acme, name: "rates".to_owned(), rows: 1, csv: "prefix,price\n34,1\n".to_owned(), loaded_at: Instant::from_unix_nanos(0),
        };
        let table = db.prefix_tables().load(&CTX, new).await.unwrap().id;
        let spain = db.route_patterns().create(&CTX, &pattern(acme, "spain", "+34")).await.unwrap();
        let group = RouteGroup { id: RouteGroupId(0), brand: acme, name: "europe".to_owned(), patterns: [spain.id].into() };
        let group = db.route_groups().create(&CTX, &group).await.unwrap();
        let tag = RouteTag {
            id: RouteTagId(0), brand: acme, name: "cheap".to_owned(), tag: "12".to_owned(), everybody: false, companies: [north].into(),
        };
        let tag = db.route_tags().create(&CTX, &tag).await.unwrap();
        let full = OutgoingRoute {
            scope: RouteScope::Company(north),
            tag: Some(tag.id),
            numbers: RouteNumbers::Group(group.id),
            weight: 9,
            stopper: true,
            prefix: "99#".to_owned(),
            caller: Some("+34900".to_owned()),
            ..route(acme, "out", RouteWay::Lcr(vec![RatedTrunk { trunk: carrier, table: "rates".to_owned() }]))
        };
        let made = db.outgoing_routes().create(&CTX, &full).await.unwrap();
        assert_eq!(made, OutgoingRoute { id: made.id, ..full });
        assert_eq!(db.outgoing_routes().get(&CTX, made.id).await.unwrap(), made);
        let fed = db.directory().await.unwrap();
        let routing = fed.routing(acme).unwrap();
        assert_eq!(routing.routes_to("+34911234567").collect::<Vec<_>>(), [&made]);
        assert_eq!(routing.tags(), std::slice::from_ref(&tag));
        assert!(fed.routing(rival).is_none());

        // What is named stays, and who names it is said.
        assert_eq!(user(db.route_patterns().delete(&CTX, spain.id).await), "routing group europe");
        assert_eq!(user(db.route_groups().delete(&CTX, group.id).await), "outgoing route out");
        assert_eq!(user(db.route_tags().delete(&CTX, tag.id).await), "outgoing route out");
        assert_eq!(user(db.trunks().delete(&CTX, carrier).await), "outgoing route out");
        assert_eq!(user(db.prefix_tables().delete(&CTX, table).await), "outgoing route out");
        assert!(matches!(db.companies().delete(&CTX, north).await, Err(StoreError::InUse { .. })));

        // Another brand sees nothing, names nothing of it and changes nothing.
        let theirs = OpContext::brand(rival);
        assert!(db.outgoing_routes().found(&theirs, &Wanted::of(lists::OUTGOING_ROUTES, 9)).await.unwrap().rows.is_empty());
        assert!(db.outgoing_routes().found(&OpContext::company(acme, north), &Wanted::of(lists::OUTGOING_ROUTES, 9)).await.unwrap().rows.is_empty());
        assert!(matches!(db.outgoing_routes().update(&theirs, &made).await, Err(StoreError::NotFound { .. })));
        let steal = RouteGroup { id: RouteGroupId(0), brand: rival, name: "x".to_owned(), patterns: [spain.id].into() };
        assert!(matches!(db.route_groups().create(&theirs, &steal).await, Err(StoreError::Invalid { what: "patterns", .. })));
        let steal = route(rival, "x", RouteWay::Static(carrier));
        assert!(matches!(db.outgoing_routes().create(&theirs, &steal).await, Err(StoreError::Invalid { .. })));

        // It is changed, and the trunks of a route by price go with the mode.
        let plain = OutgoingRoute { id: made.id, ..route(acme, "out", RouteWay::Block) };
        assert_eq!(db.outgoing_routes().update(&CTX, &plain).await.unwrap(), plain);
        assert_eq!(db.directory().await.unwrap().routing(acme).unwrap().routes_to("+1").collect::<Vec<_>>(), [&plain]);
        db.trunks().delete(&CTX, carrier).await.unwrap();
        db.outgoing_routes().delete(&CTX, made.id).await.unwrap();
        db.route_tags().delete(&CTX, tag.id).await.unwrap();
        db.route_groups().delete(&CTX, group.id).await.unwrap();
        db.route_patterns().delete(&CTX, spain.id).await.unwrap();
        assert!(db.directory().await.unwrap().routing(acme).is_none());
    }

    async fn the_database_refuses_what_is_no_route(place: Place) {
        let db = &place.db;
        let (acme, rival) = (brand(db, "acme").await.id, brand(db, "rival").await.id);
        let theirs = db.trunks().create(&CTX, &trunk(rival, "theirs")).await.unwrap().id;
        for (name, prefix) in [("x", "34"), ("x", "+"), ("x", "+3a"), ("x", "+1234567890123456"), ("", "+34")] {
            let refused = db.route_patterns().create(&CTX, &pattern(acme, name, prefix)).await;
            assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{name} {prefix}");
        }
        db.route_patterns().create(&CTX, &pattern(acme, "spain", "+34")).await.unwrap();
        for twice in [pattern(acme, "spain", "+1"), pattern(acme, "x", "+34")] {
            assert!(matches!(db.route_patterns().create(&CTX, &twice).await, Err(StoreError::Conflict { .. })));
        }
        let mut raw = Raw::open(&place).await;
        let columns = "brand_id, name, company_id, company_kind, pattern_id, group_id, mode, trunk_id, priority, weight, stopper, prefix";
        for (why, values) in [
            ("a static route has a trunk", "NULL, NULL, NULL, NULL, 'static', NULL, 1, 1, FALSE, ''".to_owned()),
            ("a block has none", format!("NULL, NULL, NULL, NULL, 'block', {theirs}, 1, 1, FALSE, ''")),
            ("its trunk is its brand's", format!("NULL, NULL, NULL, NULL, 'static', {theirs}, 1, 1, FALSE, ''")),
            ("there are three modes", "NULL, NULL, NULL, NULL, 'other', NULL, 1, 1, FALSE, ''".to_owned()),
            ("a weight is one at least", "NULL, NULL, NULL, NULL, 'block', NULL, 1, 0, FALSE, ''".to_owned()),
            ("a priority ends at 255", "NULL, NULL, NULL, NULL, 'block', NULL, 256, 1, FALSE, ''".to_owned()),
            ("a prefix is dialled", "NULL, NULL, NULL, NULL, 'block', NULL, 1, 1, FALSE, '+34'".to_owned()),
            ("a kind is known", "NULL, 'pbx', NULL, NULL, 'block', NULL, 1, 1, FALSE, ''".to_owned()),
        ] {
            assert!(!raw.took(&format!("INSERT INTO outgoing_routes ({columns}) VALUES ({acme}, 'x', {values})")).await, "{why}");
        }
        assert!(raw.took(&format!("INSERT INTO outgoing_routes ({columns}) VALUES
            ({acme}, 'x', NULL, NULL, NULL, NULL, 'block', NULL, 255, 255, TRUE, '*#9')")).await);
    }
}
