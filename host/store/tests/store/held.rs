//! Rows that have no meaning to this program: they hold up their own tenant only, take nobody's phone away, and what was taken
//! from a tenant meanwhile is taken.

use crate::fixture::{CTX, account};
use crate::news::{news, north_and_south};
use crate::on_both;
use crate::raw::Raw;
use crate::trunks::trunk;
use model::{Holder, RouteTarget, RowId};
use store::Image;

on_both! {
    async fn a_row_without_meaning_holds_up_its_own_tenant_only(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        let mut raw = Raw::open(&place).await;
        let image = db.image().await.unwrap();
        let bad = format!("UPDATE accounts SET rules = 'nonsense' WHERE company_id = {north}");
        raw.run(&bad).await;
        raw.run("UPDATE ddis SET account = NULL, app = 'menu'").await;
        let held = db.news(&image).await.unwrap();
        assert!(!held.whole);
        let why = &held.image.held[&Holder::Company(north)];
        let anna = image.directory.account(north, "anna").unwrap().id;
        assert_eq!((why.row, why.brand), (RowId::Account(anna), own));
        assert_eq!(held.image.held.len(), 1);
        let target = |image: &Image, number: &str| image.directory.ddi(number).map(|ddi| ddi.target.clone());
        let (was, is) = (RouteTarget::Account("anna".to_owned()), RouteTarget::App("menu".to_owned()));
        assert_eq!(target(&held.image, "+4410"), Some(was.clone()), "the last whole image of that tenant");
        assert_eq!(target(&held.image, "+4420"), Some(is.clone()), "the others go on");
        // It is also what stays when everything is read anew, but not what a new start knows: that has what has a meaning.
        raw.run("UPDATE change_log SET mark = mark - 1").await;
        raw.run(&format!("UPDATE companies SET name = 'other' WHERE id = {south}")).await;
        let whole = db.news(&held.image).await.unwrap();
        assert!(whole.whole);
        assert_eq!(target(&whole.image, "+4410"), Some(was));
        assert_eq!(*whole.image.held, *held.image.held);
        assert!(!whole.image.directory.is_barred(RowId::Account(anna)), "its facts are whole");
        let anew = db.image().await.unwrap();
        assert_eq!((target(&anew, "+4410"), target(&anew, "+4420")), (Some(is.clone()), Some(is.clone())));
        assert!(anew.directory.is_barred(RowId::Account(anna)) && anew.directory.account(north, "anna").is_some());
        assert!(!anew.directory.is_barred(RowId::Company(north)), "the others of the company call as they may");
        assert_eq!(*anew.held, *held.image.held);
        assert!(db.directory().await.unwrap_err().to_string().contains(&format!("account {anna}")));
        // What has a meaning again is live with all that came meanwhile, for whoever was there before and for the new one.
        raw.run(&format!("UPDATE accounts SET rules = '{{}}' WHERE company_id = {north}")).await;
        for since in [whole.image, anew] {
            let well = news(db, &since).await;
            assert_eq!(target(&well.image, "+4410"), Some(is.clone()));
            assert!(well.image.held.is_empty() && !well.whole);
        }
    }

    async fn a_brand_without_meaning_keeps_its_companies(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        let mut raw = Raw::open(&place).await;
        let image = db.image().await.unwrap();
        raw.run(&format!("UPDATE brands SET rules = 'nonsense' WHERE id = {own}")).await;
        let held = db.news(&image).await.unwrap().image;
        assert_eq!(held.held.keys().collect::<Vec<_>>(), [&Holder::Brand(own)]);
        assert!(held.directory.company(north).is_some());
        raw.run("UPDATE change_log SET mark = mark - 1").await;
        raw.run(&format!("UPDATE companies SET name = 'other' WHERE id = {south}")).await;
        let whole = db.news(&held).await.unwrap();
        assert!(whole.whole && whole.image.directory.ddi("+4410").is_some_and(|ddi| ddi.company == north));
        let anew = db.image().await.unwrap();
        assert!(anew.directory.company(north).is_some() && !anew.directory.is_barred(RowId::Company(north)));
        assert_eq!(anew.held.keys().collect::<Vec<_>>(), [&Holder::Brand(own)]);
        raw.run(&format!("UPDATE brands SET rules = '{{}}' WHERE id = {own}")).await;
        for since in [held, whole.image, anew] {
            assert!(news(db, &since).await.image.held.is_empty());
        }
    }

    async fn what_a_newer_program_wrote_takes_no_phone_away_at_a_start(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        let anna = db.accounts().find(&CTX, north, "anna").await.unwrap().id;
        let mut raw = Raw::open(&place).await;
        for kind in ["match-list", "call-acl"] {
            raw.run(&format!("INSERT INTO rules (company_id, brand_id, kind, name, body)
                VALUES ({north}, {own}, '{kind}', 'bad', '{{\"newer\":1}}')")).await;
        }
        let emergency = r#"[{"number":"112","trunks":["t"],"newer":1},{"number":7}]"#;
        let (bar, open) = (RowId::Company(north), RowId::Company(south));
        let rules = |rules: &str| format!("UPDATE companies SET rules = '{rules}' WHERE id = {north}");
        for (bad, good, row) in [
            (rules(&format!(r#"{{"emergency":{emergency},"call_acl":"all","newer":1}}"#)), rules("{}"), bar),
            (format!("INSERT INTO company_policies (company_id, brand_id, policy) VALUES ({north}, {own},
                '{{\"sources\":{{\"deny\":[\"192.0.2.0/24\"],\"newer\":1}}}}')"),
                "DELETE FROM company_policies".to_owned(), RowId::Policy(north)),
            ("SELECT 1".to_owned(), "DELETE FROM rules".to_owned(), bar),
        ] {
            raw.run(&bad).await;
            let anew = db.image().await.unwrap();
            assert!(anew.directory.account_by_id(anna).is_some() && anew.directory.ddi("+4410").is_some(), "{bad}");
            assert!(anew.directory.is_barred(bar) && !anew.directory.is_barred(open), "{bad}");
            let held = &anew.held[&Holder::Company(north)];
            assert!(!held.lost && (held.row == row || matches!(held.row, RowId::Rule(_))), "{bad}: {held:?}");
            if matches!(row, RowId::Policy(_)) {
                assert_eq!(anew.directory.policy(north).sources.deny.len(), 1);
            } else if bad.contains("112") {
                let said = &anew.directory.company(north).unwrap().rules;
                assert_eq!((said.emergency.len(), said.emergency[0].number.as_str()), (1, "112"));
                assert_eq!(said.call_acl.as_deref(), Some("all"));
            }
            // A change that does not cure keeps it barred, one that does frees it.
            raw.run(&format!("UPDATE accounts SET display_name = 'A' WHERE id = {anna}")).await;
            let still = db.news(&anew).await.unwrap().image;
            assert!(still.directory.is_barred(bar) && still.held.contains_key(&Holder::Company(north)), "{bad}");
            raw.run(&good).await;
            if good.contains("FROM rules") {
                assert!(!news(db, &still).await.image.directory.is_barred(bar));
            }
        }
        raw.run(&format!("UPDATE brands SET rules = '{{\"calls_max\":7,\"newer\":1}}' WHERE id = {own}")).await;
        let anew = db.image().await.unwrap();
        assert_eq!(anew.directory.brand_rules(own).calls_max, Some(7));
        assert!(anew.directory.ddi("+4410").is_some() && anew.held.contains_key(&Holder::Brand(own)));
        // Of a company that cannot be told at all there is nothing, and that is said.
        let postgres = db.backend() == "postgres";
        raw.run(if postgres { "ALTER TABLE companies DROP CONSTRAINT companies_media" } else {
            "PRAGMA ignore_check_constraints = ON"
        }).await;
        raw.run(&format!("UPDATE companies SET media = 'newer' WHERE id = {north}")).await;
        let anew = db.image().await.unwrap();
        assert!(anew.directory.company(north).is_none() && anew.held[&Holder::Company(north)].lost);
        raw.run("UPDATE companies SET media = 'anchor'").await;
        raw.run("UPDATE brands SET rules = '{}'").await;
        assert!(news(db, &anew).await.image.held.is_empty());
    }

    async fn what_was_taken_from_a_held_tenant_is_taken(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        for name in ["bea", "cleo", "dora", "emma"] {
            account(db, north, name).await;
        }
        for name in ["gone", "off", "narrow"] {
            db.trunks().create(&CTX, &trunk(own, name)).await.unwrap();
        }
        let mut raw = Raw::open(&place).await;
        raw.run("UPDATE accounts SET direct = '192.0.2.1:5060' WHERE username = 'dora'").await;
        for (at, network) in ["198.51.100.0/24", "203.0.113.0/24"].into_iter().enumerate() {
            raw.run(&format!("INSERT INTO trunk_sources (trunk_id, position, brand_id, network)
                SELECT id, {}, {own}, '{network}' FROM trunks WHERE name = 'narrow'", 10 + at)).await;
        }
        let before = db.image().await.unwrap();
        let sources = |image: &Image| image.directory.trunk(own, "narrow").unwrap().sources.len();
        let had = sources(&before);
        // One row without meaning in the company, one in the brand, and then what takes away and what gives.
        raw.run(&format!("INSERT INTO rules (company_id, brand_id, kind, name, body)
            VALUES ({north}, {own}, 'match-list', 'bad', 'nonsense')")).await;
        raw.run(&format!("UPDATE brands SET rules = 'nonsense' WHERE id = {own}")).await;
        let (md5, sha) = ("a".repeat(32), "b".repeat(64));
        for sql in [
            "UPDATE accounts SET enabled = FALSE WHERE username = 'bea'".to_owned(),
            format!("UPDATE accounts SET ha1_md5 = '{md5}', ha1_sha256 = '{sha}', display_name = 'C' WHERE username = 'cleo'"),
            "UPDATE accounts SET direct = '192.0.2.9:5060' WHERE username = 'dora'".to_owned(),
            "DELETE FROM accounts WHERE username = 'emma'".to_owned(),
            format!("DELETE FROM ddis WHERE company_id = {north}"),
            "DELETE FROM trunk_sources WHERE trunk_id IN (SELECT id FROM trunks WHERE name = 'gone')".to_owned(),
            "DELETE FROM trunks WHERE name = 'gone'".to_owned(),
            "UPDATE trunks SET enabled = FALSE WHERE name = 'off'".to_owned(),
            "DELETE FROM trunk_sources WHERE network = '203.0.113.0/24'".to_owned(),
            // This would give.
            format!("INSERT INTO extensions (company_id, brand_id, number, account) VALUES ({north}, {own}, '99', 'bea')"),
        ] {
            raw.run(&sql).await;
        }
        let step = db.news(&before).await.unwrap();
        assert!(!step.whole);
        raw.run("UPDATE change_log SET mark = mark - 1").await;
        raw.run(&format!("UPDATE companies SET name = 'other' WHERE id = {south}")).await;
        let whole = db.news(&before).await.unwrap();
        assert!(whole.whole);
        for image in [&step.image, &whole.image] {
            let d = &image.directory;
            assert_eq!(image.held.keys().collect::<Vec<_>>(), [&Holder::Brand(own), &Holder::Company(north)]);
            assert!(d.account(north, "bea").is_none() && d.account(north, "emma").is_none());
            let cleo = d.account(north, "cleo").unwrap();
            assert_eq!((cleo.ha1.md5.as_str(), cleo.ha1.sha256.as_str()), (md5.as_str(), sha.as_str()));
            assert_ne!(cleo.display_name, "C", "the rest of it stays as it was");
            assert_eq!(d.account(north, "dora").unwrap().direct, None);
            assert!(!d.is_direct("192.0.2.1".parse().unwrap()) && !d.is_direct("192.0.2.9".parse().unwrap()));
            assert!(d.ddi("+4410").is_none() && d.ddi("+4420").is_some() && d.extension(north, "99").is_none());
            assert!(d.trunk(own, "gone").is_none() && d.trunk(own, "off").is_none_or(|trunk| !trunk.enabled));
            assert_eq!(sources(image), had - 1);
            assert!(d.account(north, "anna").is_some() && !d.is_barred(RowId::Company(north)));
        }
        raw.run("DELETE FROM rules").await;
        raw.run("UPDATE brands SET rules = '{}'").await;
        for since in [step.image, whole.image] {
            assert!(news(db, &since).await.image.held.is_empty());
        }
    }
}
