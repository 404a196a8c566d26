//! The news: after whatever changes, an image that was led on by them is the one that is read from nothing, and what did not
//! change is not read and not copied.

use crate::fixture::{CTX, Place, account, brand, company};
use crate::on_both;
use crate::raw::Raw;
use crate::trunks::trunk;
use model::{CompanyId, Directory, RouteTarget};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Db, Image, NewDdi, NewExtension, NewTranslationSet, News};

/// What is new, which must be what somebody who begins anew reads.
pub async fn news(db: &Db, since: &Image) -> News {
    let news = db.news(since).await.unwrap();
    assert_same(&news.image, &db.image().await.unwrap(), "");
    news
}

fn assert_same(led_on: &Image, anew: &Image, when: &str) {
    assert_eq!(led_on.directory.difference(&anew.directory), None, "{when}");
    assert_eq!((led_on.stand, &*led_on.held), (anew.stand, &*anew.held), "{when}");
    assert_eq!(led_on.directory.version(), anew.stand.version, "{when}");
}

/// Two companies of two brands, each with an account, an extension and a number.
pub async fn north_and_south(db: &Db) -> (CompanyId, CompanyId) {
    let mut ids = Vec::new();
    for (name, number) in [("north", "+4410"), ("south", "+4420")] {
        let of = company(db, brand(db, &format!("brand-of-{name}")).await.id, name).await.id;
        account(db, of, "anna").await;
        let to = RouteTarget::Account("anna".to_owned());
        db.extensions()
            .create(&CTX, NewExtension { company: of, number: "10".to_owned(), target: to.clone() })
            .await
            .unwrap();
        db.ddis().create(&CTX, NewDdi { company: of, e164: number.to_owned(), target: to }).await.unwrap();
        ids.push(of);
    }
    (ids[0], ids[1])
}

/// Whether every row of the company is the very same in memory.
fn shares(before: &Directory, after: &Directory, company: CompanyId) -> bool {
    let own = |d: &Directory| {
        let found = (
            Arc::as_ptr(d.company(company).unwrap()),
            Arc::as_ptr(d.account(company, "anna").unwrap()),
            Arc::as_ptr(d.extension(company, "10").unwrap()),
        );
        let brand = d.company(company).unwrap().brand;
        (found, Arc::as_ptr(d.brand(brand).unwrap()), Arc::as_ptr(d.ddi("+4420").unwrap()))
    };
    own(before) == own(after)
}

const SET: &str = r#"{"prefixes":["+34"]}"#;

on_both! {
    async fn each_kind_of_row_is_read_alone_and_the_other_tenants_are_shared(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        let mut raw = Raw::open(&place).await;
        let mut image = db.image().await.unwrap();
        let of = |table: &str, columns: &str, values: &str| {
            format!("INSERT INTO {table} (company_id, brand_id, {columns}) VALUES ({north}, {own}, {values})")
        };
        let lists = "'[]', '[]', '[]', '[]'";
        let (md5, sha) = ("0".repeat(32), "0".repeat(64));
        let changes = [
            (format!("UPDATE brands SET name = 'other' WHERE id = {own}"), 1),
            (format!("UPDATE brands SET rules = '{{}}', default_verdict = 'extensions' WHERE id = {own}"), 1),
            (format!("UPDATE companies SET domain = 'elsewhere.example' WHERE id = {north}"), 1),
            (of("company_policies", "policy", "'{}'"), 1),
            (of("rules", "kind, name, body", &format!("'match-list', 'spain', '{SET}'")), 1),
            (of("accounts", "username, display_name, ha1_md5, ha1_sha256, enabled",
                &format!("'bob', '', '{md5}', '{sha}', TRUE")), 1),
            (of("extensions", "number, account", "'11', 'bob'"), 1),
            (of("ddis", "e164, extension", "'+4411', '11'"), 1),
            // What goes along by itself is noted too: the account, the extension and the number that name it.
            (format!("UPDATE accounts SET username = 'bea' WHERE company_id = {north} AND username = 'bob'"), 2),
            (format!("INSERT INTO translation_sets (brand_id, name, caller_in, caller_out, callee_in, callee_out)
                VALUES ({own}, 'gb', {lists})"), 1),
            (format!("INSERT INTO trunks (brand_id, name, enabled, servers, headers, answer_ms, anchor, translation_set_id)
                SELECT {own}, 'carrier', TRUE, '[]', '{{}}', 5000, FALSE, id FROM translation_sets"), 1),
            (format!("INSERT INTO trunk_sources (trunk_id, position, brand_id, network)
                SELECT id, 0, {own}, '192.0.2.0/24' FROM trunks"), 1),
            // How a brand's calls leave is one row of the image, whichever of its tables changed.
            (format!("INSERT INTO route_patterns (brand_id, name, prefix, special) VALUES ({own}, 'spain', '+34', FALSE)"), 1),
            (format!("INSERT INTO route_groups (brand_id, name) VALUES ({own}, 'europe')"), 1),
            (format!("INSERT INTO route_group_patterns (group_id, pattern_id, brand_id)
                SELECT g.id, p.id, {own} FROM route_groups g, route_patterns p"), 1),
            (format!("INSERT INTO route_tags (brand_id, name, tag, everybody) VALUES ({own}, 'cheap', '12', FALSE)"), 1),
            (format!("INSERT INTO route_tag_companies (tag_id, company_id, brand_id) SELECT id, {north}, {own} FROM route_tags"), 1),
            (format!("INSERT INTO prefix_tables (brand_id, name, row_count, digest, loaded_at, body) VALUES ({own}, 'rates', 0, '', 0, '')"), 0),
            (format!("INSERT INTO outgoing_routes (brand_id, name, group_id, tag_id, mode, priority, weight, stopper, prefix)
                SELECT {own}, 'out', g.id, t.id, 'lcr', 1, 1, TRUE, '99' FROM route_groups g, route_tags t"), 1),
            (format!("INSERT INTO outgoing_route_trunks (route_id, position, brand_id, trunk_id, price_table)
                SELECT r.id, 0, {own}, t.id, 'rates' FROM outgoing_routes r, trunks t"), 1),
            ("UPDATE outgoing_routes SET weight = 2".to_owned(), 1),
            ("DELETE FROM outgoing_routes".to_owned(), 1),
            ("DELETE FROM route_tags".to_owned(), 1),
            ("DELETE FROM route_groups".to_owned(), 1),
            ("DELETE FROM route_patterns".to_owned(), 1),
            ("DELETE FROM trunk_sources".to_owned(), 1),
            ("DELETE FROM trunks".to_owned(), 1),
            ("DELETE FROM translation_sets".to_owned(), 1),
            ("DELETE FROM ddis WHERE e164 = '+4411'".to_owned(), 1),
            ("DELETE FROM extensions WHERE number = '11'".to_owned(), 1),
            ("DELETE FROM accounts WHERE username = 'bea'".to_owned(), 1),
            ("DELETE FROM rules".to_owned(), 1),
            ("DELETE FROM company_policies".to_owned(), 1),
        ];
        for (sql, rows) in changes {
            raw.run(&sql).await;
            let news = news(db, &image).await;
            assert_eq!((news.whole, news.rows), (false, rows), "{sql}");
            assert!(!news.bindings && !news.identities, "{sql}");
            assert_eq!(news.prefix_tables.is_empty(), rows > 0, "{sql}");
            assert_eq!(news.image.directory.difference(&image.directory).is_some(), rows > 0, "{sql}");
            assert!(shares(&image.directory, &news.image.directory, south), "{sql}");
            image = news.image;
        }
    }

    async fn a_number_that_moves_is_found_with_its_new_company_only(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let mut raw = Raw::open(&place).await;
        let image = db.image().await.unwrap();
        let to = |company: CompanyId| format!("UPDATE ddis SET company_id = {company}, brand_id = (SELECT brand_id FROM
            companies WHERE id = {company}), account = NULL, app = 'menu' WHERE e164 = '+4410'");
        raw.run(&to(south)).await;
        let there = news(db, &image).await;
        assert_eq!(there.image.directory.ddi("+4410").unwrap().company, south);
        assert!(!there.whole);
        raw.run(&to(north)).await;
        let back = news(db, &there.image).await;
        assert_eq!(back.image.directory.ddi("+4410").unwrap().company, north);
        // As two deeds of one transaction: one row goes, another comes.
        raw.run(&format!("BEGIN; DELETE FROM ddis WHERE e164 = '+4410'; INSERT INTO ddis (company_id, brand_id, e164, app)
            SELECT id, brand_id, '+4410', 'menu' FROM companies WHERE id = {south}; COMMIT")).await;
        let again = news(db, &back.image).await;
        assert_eq!(again.image.directory.ddi("+4410").unwrap().company, south);
        assert!(!again.whole);
        // Two numbers change places.
        raw.run("BEGIN; UPDATE ddis SET e164 = '+4499' WHERE e164 = '+4410'; UPDATE ddis SET e164 = '+4410' WHERE
            e164 = '+4420'; UPDATE ddis SET e164 = '+4420' WHERE e164 = '+4499'; COMMIT").await;
        assert!(!news(db, &again.image).await.whole);
    }

    async fn a_brand_that_goes_takes_nobody_along(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        db.trunks().create(&CTX, &trunk(own, "carrier")).await.unwrap();
        let lists = model::TranslationLists::default();
        db.translation_sets().create(&CTX, NewTranslationSet { brand: own, name: "gb".to_owned(), lists }).await.unwrap();
        let image = db.image().await.unwrap();
        let mut raw = Raw::open(&place).await;
        for table in ["ddis", "extensions", "accounts", "trunks", "translation_sets", "companies"] {
            raw.run(&format!("DELETE FROM {table} WHERE brand_id = {own}")).await;
        }
        raw.run(&format!("DELETE FROM brands WHERE id = {own}")).await;
        let news = news(db, &image).await;
        assert!(!news.whole);
        assert!(news.image.directory.brand(own).is_none() && news.image.directory.company_by_domain("north.example").is_none());
        assert_eq!(news.image.directory.rows_len(), 5);
        assert!(shares(&image.directory, &news.image.directory, south));
    }

    async fn bindings_tables_and_identities_are_named_and_the_directory_stays(place: Place) {
        let db = &place.db;
        let (north, south) = north_and_south(db).await;
        let own = db.companies().get(&CTX, north).await.unwrap().brand;
        let image = db.image().await.unwrap();
        let table = store::NewPrefixTable {
            brand: own, name: "rates".to_owned(), rows: 1, csv: "prefix,value\n44,1\n".to_owned(), loaded_at: crate::fixture::at(0),
        };
        db.prefix_tables().load(&CTX, table).await.unwrap();
        let tables = news(db, &image).await;
        assert_eq!((tables.prefix_tables.clone(), tables.rows), (BTreeSet::from([own]), 0));
        assert!(!tables.whole && !tables.bindings && !tables.identities);
        db.identities().set_anchors(&CTX, own, "").await.unwrap();
        let identities = news(db, &tables.image).await;
        assert!(identities.identities && identities.prefix_tables.is_empty() && !identities.whole);
        assert!(shares(&image.directory, &identities.image.directory, south));
        // Nothing new is nothing.
        let none = news(db, &identities.image).await;
        assert_eq!((none.rows, none.whole, none.identities), (0, false, false));
    }

    async fn another_history_is_read_anew(place: Place) {
        let db = &place.db;
        let (north, _) = north_and_south(db).await;
        let mut raw = Raw::open(&place).await;
        let image = db.image().await.unwrap();
        let at = image.stand.version;
        // What a failover to a server that was behind leaves: less is known, and the numbers are given out anew.
        let back = format!("DELETE FROM change_log WHERE version > {}; UPDATE changes SET version = {}", at - 2, at - 2);
        let rename = |n: u32| format!("UPDATE companies SET name = 'north {n}' WHERE id = {north}");
        for (more, n) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
            raw.run(&rename(n)).await;
            raw.run(&back).await;
            for _ in 0..more {
                raw.run(&rename(n)).await;
            }
            let news = news(db, &image).await;
            assert!(news.whole && news.bindings && news.identities, "{more} after going back");
            assert_eq!(news.image.stand.version, at - 2 + more);
        }
        // A log that was cut.
        let image = db.image().await.unwrap();
        raw.run(&rename(5)).await;
        raw.run("DELETE FROM change_log").await;
        let cut = news(db, &image).await;
        assert!(cut.whole);
        raw.run(&rename(6)).await;
        let after = news(db, &cut.image).await;
        assert!(after.whole, "nothing says that the log is whole since");
        raw.run(&rename(7)).await;
        assert!(!news(db, &after.image).await.whole);
    }

    async fn the_log_forgets_what_is_long_ago(place: Place) {
        let db = &place.db;
        let (north, _) = north_and_south(db).await;
        let image = db.image().await.unwrap();
        let mut raw = Raw::open(&place).await;
        raw.run(&format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100100)
            INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id)
            SELECT 0, 0, 'company', {north}, 1, {north} FROM n")).await;
        raw.run(&format!("UPDATE companies SET name = 'other' WHERE id = {north}")).await;
        assert!(news(db, &image).await.whole);
        // On PostgreSQL the versions are transactions, and one that is only partly too old stays.
        let kept = raw.count("SELECT COUNT(*) FROM change_log").await;
        assert!(kept <= 100_101, "{kept}");
        assert_eq!(raw.count("SELECT COUNT(*) FROM change_log WHERE version <= 5").await, 0);
    }

    async fn images_led_on_by_random_changes_are_those_read_from_nothing(place: Place) {
        let db = &place.db;
        let mut raw = Raw::open(&place).await;
        let mut dice = Dice(0x5eed);
        let mut image = db.image().await.unwrap();
        let (mut steps, mut holds, mut taken) = (0, 0, 0);
        for round in 0..400 {
            let deeds = 1 + dice.below(4);
            // Each is taken or refused by itself; now and then all of them are one transaction, or are taken back.
            let together = dice.below(3) == 0;
            let mut open = together && raw.took("BEGIN").await;
            let mut done = Vec::new();
            for _ in 0..deeds {
                let deed = dice.deed();
                if open && place.db.backend() == "postgres" {
                    raw.run("SAVEPOINT deed").await;
                }
                let took = raw.took(&deed).await;
                if !took && open && place.db.backend() == "postgres" {
                    raw.run("ROLLBACK TO SAVEPOINT deed").await;
                }
                taken += u32::from(took);
                done.push((deed, took));
            }
            if open {
                open = !raw.took(if dice.below(5) == 0 { "ROLLBACK" } else { "COMMIT" }).await;
            }
            assert!(!open, "{done:?}");
            if round % 8 == 7 {
                for cure in CURES {
                    raw.run(cure).await;
                }
            }
            let (next, anew) = (db.news(&image).await.unwrap(), db.image().await.unwrap());
            if next.image.stand != image.stand {
                steps += u32::from(!next.whole);
            }
            if round % 8 == 7 || (next.image.held.is_empty() && anew.held.is_empty()) {
                assert_same(&next.image, &anew, &format!("round {round}: {done:?}"));
            } else {
                holds += 1;
            }
            image = next.image;
        }
        // The dice must not spare what is to be tested.
        assert!(steps > 150 && holds > 20 && taken > 400, "{steps} {holds} {taken}");
        assert!(image.directory.rows_len() > 20, "{}", image.directory.rows_len());
    }
}

/// What gives every row of [`Dice::deed`] a meaning.
const CURES: [&str; 6] = [
    "UPDATE brands SET rules = '{}' WHERE rules <> '{}'",
    "UPDATE companies SET rules = '{}' WHERE rules <> '{}'",
    "UPDATE accounts SET rules = '{}' WHERE rules <> '{}'",
    "UPDATE trunks SET stir = '{}' WHERE stir <> '{}'",
    "DELETE FROM rules WHERE kind = 'call-acl'",
    "UPDATE rules SET body = '{\"prefixes\":[\"+34\"]}' WHERE body = 'nonsense'",
];

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % end
    }

    /// Something that somebody may write, whether the database takes it or not.
    fn deed(&mut self) -> String {
        let (brand, company) = (1 + self.below(3), 1 + self.below(6));
        let (id, n) = (1 + self.below(12), self.below(8));
        let of = format!("FROM companies WHERE id = {company}");
        match self.below(10) {
            0 => self.of_brand(brand, id, n),
            1..=3 => self.new_row(company, brand, id, n, &of),
            4 => format!("DELETE FROM {} WHERE id = {id}", self.table()),
            5 => format!(
                "UPDATE ddis SET (company_id, brand_id) = (SELECT id, brand_id {of}), app = 'x', account = NULL
                WHERE id = {id}"
            ),
            6 => format!("UPDATE ddis SET e164 = '+440{n}' WHERE id = {id}"),
            7 => match self.below(4) {
                0 => format!("UPDATE accounts SET username = 'u{n}' WHERE id = {id}"),
                1 => format!("UPDATE accounts SET direct = '192.0.2.{n}:5060' WHERE id = {id}"),
                2 => format!("UPDATE companies SET domain = 'd{n}.test' WHERE id = {company}"),
                _ => format!("UPDATE extensions SET number = '{n}' WHERE id = {id}"),
            },
            8 => match self.below(4) {
                0 => format!("DELETE FROM companies WHERE id = {company}"),
                1 => format!("DELETE FROM brands WHERE id = {brand}"),
                2 => format!("DELETE FROM company_policies WHERE company_id = {company}"),
                _ => format!("UPDATE rules SET name = 'r{n}' WHERE id = {id}"),
            },
            _ => match self.below(6) {
                0 => format!("UPDATE accounts SET rules = 'nonsense' WHERE id = {id}"),
                1 => format!("UPDATE companies SET rules = 'nonsense' WHERE id = {company}"),
                2 => format!("UPDATE trunks SET stir = 'nonsense' WHERE id = {id}"),
                3 => format!("UPDATE rules SET body = 'nonsense' WHERE id = {id}"),
                4 if self.below(3) == 0 => format!("UPDATE brands SET rules = 'nonsense' WHERE id = {brand}"),
                _ => CURES[usize::try_from(self.below(6)).unwrap()].to_owned(),
            },
        }
    }

    fn table(&mut self) -> &'static str {
        ["ddis", "extensions", "accounts", "rules", "trunks", "translation_sets"]
            [usize::try_from(self.below(6)).unwrap()]
    }

    fn of_brand(&mut self, brand: u64, id: u64, n: u64) -> String {
        match self.below(6) {
            0 | 1 => format!("INSERT INTO brands (id, name, default_verdict) VALUES ({brand}, 'b{n}', 'refuse')"),
            2 => format!(
                "INSERT INTO translation_sets (id, brand_id, name, caller_in, caller_out, callee_in, callee_out)
                VALUES ({id}, {brand}, 's{n}', '[]', '[]', '[]', '[]')"
            ),
            3 => format!(
                "INSERT INTO trunks (id, brand_id, name, enabled, servers, headers, answer_ms, anchor)
                VALUES ({id}, {brand}, 't{n}', TRUE, '[]', '{{}}', 5000, FALSE)"
            ),
            4 => format!(
                "INSERT INTO trunk_sources (trunk_id, position, brand_id, network)
                SELECT id, {n}, brand_id, '192.0.2.{n}/32' FROM trunks WHERE id = {id}"
            ),
            _ => format!("UPDATE trunks SET translation_set_id = {n}, name = 't{n}' WHERE id = {id}"),
        }
    }

    fn new_row(&mut self, company: u64, brand: u64, id: u64, n: u64, of: &str) -> String {
        let (md5, sha) = ("0".repeat(32), "0".repeat(64));
        match self.below(8) {
            0 | 1 => format!("INSERT INTO companies (id, brand_id, name, domain, media)
                VALUES ({company}, {brand}, 'c{n}', 'd{n}.test', 'anchor')"),
            2 => format!("INSERT INTO accounts (id, brand_id, company_id, username, display_name, ha1_md5, ha1_sha256, enabled)
                SELECT {id}, brand_id, id, 'u{n}', '', '{md5}', '{sha}', TRUE {of}"),
            3 => format!("INSERT INTO extensions (id, brand_id, company_id, number, account)
                SELECT {id}, brand_id, id, '{n}', (SELECT MIN(username) FROM accounts a WHERE a.company_id = companies.id) {of}"),
            4 => format!("INSERT INTO ddis (id, brand_id, company_id, e164, app) SELECT {id}, brand_id, id, '+440{n}', 'x' {of}"),
            5 => format!("INSERT INTO rules (id, brand_id, company_id, kind, name, body)
                SELECT {id}, brand_id, id, 'match-list', 'r{n}', '{SET}' {of}"),
            6 => format!("INSERT INTO rules (id, brand_id, company_id, kind, name, body) SELECT {id}, brand_id, id, 'call-acl',
                'r{n}', '{{\"rules\":[{{\"list\":\"r{}\",\"permission\":\"allow\"}}],\"default\":\"deny\"}}' {of}", self.below(8)),
            _ => format!("INSERT INTO company_policies (company_id, brand_id, policy) SELECT id, brand_id, '{{}}' {of}"),
        }
    }
}

#[tokio::test]
async fn a_change_is_not_missed_although_one_that_began_later_was_done_sooner() {
    let Some(place) = Place::postgres().await else { return };
    let db = &place.db;
    let (north, south) = north_and_south(db).await;
    let (mut first, mut second) = (Raw::open(&place).await, Raw::open(&place).await);
    let rename = |company: CompanyId, to: &str| format!("UPDATE companies SET name = '{to}' WHERE id = {company}");
    let name = |news: &News, company| news.image.directory.company(company).unwrap().name.clone();
    let image = db.image().await.unwrap();
    first.run("BEGIN").await;
    first.run(&rename(north, "the first")).await;
    second.run("BEGIN").await;
    second.run(&rename(south, "the second")).await;
    second.run("COMMIT").await;
    let one = news(db, &image).await;
    assert_eq!((one.rows, one.whole), (1, false));
    assert_eq!((name(&one, north), name(&one, south)), ("north".to_owned(), "the second".to_owned()));
    first.run("COMMIT").await;
    let two = news(db, &one.image).await;
    assert_eq!((two.rows, two.whole), (1, false));
    assert_eq!(name(&two, north), "the first");
    assert_eq!(two.image.stand.version, one.image.stand.version + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_at_once_are_all_seen_in_steps() {
    let Some(place) = Place::postgres().await else { return };
    let db = &place.db;
    let (north, south) = north_and_south(db).await;
    let mut image = db.image().await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..4 {
        let mut raw = Raw::open(&place).await;
        let company = if writer % 2 == 0 { north } else { south };
        writers.push(tokio::spawn(async move {
            for n in 0..25 {
                let number = format!("'+44{writer}{n:02}'");
                raw.run("BEGIN").await;
                raw.run(&format!(
                    "INSERT INTO ddis (company_id, brand_id, e164, app)
                    SELECT id, brand_id, {number}, 'x' FROM companies WHERE id = {company}"
                ))
                .await;
                tokio::task::yield_now().await;
                raw.run(if n % 5 == 4 { "ROLLBACK" } else { "COMMIT" }).await;
            }
        }));
    }
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let next = db.news(&image).await.unwrap();
        assert!(!next.whole);
        image = next.image;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let last = news(db, &image).await;
    assert!(!last.whole);
    assert_eq!(last.image.directory.rows_len(), 10 + 80);
}

#[tokio::test]
async fn a_transaction_is_numbered_once_and_what_a_savepoint_took_back_is_not() {
    let Some(place) = Place::postgres().await else { return };
    let db = &place.db;
    let (north, south) = north_and_south(db).await;
    let mut raw = Raw::open(&place).await;
    let rename = |company: CompanyId, to: &str| format!("UPDATE companies SET name = '{to}' WHERE id = {company}");
    let image = db.image().await.unwrap();
    raw.run("BEGIN; SAVEPOINT deed").await;
    raw.run(&rename(north, "taken back")).await;
    raw.run("ROLLBACK TO SAVEPOINT deed").await;
    raw.run(&rename(south, "one")).await;
    raw.run("SAVEPOINT deed").await;
    raw.run(&rename(north, "taken back")).await;
    raw.run("ROLLBACK TO SAVEPOINT deed; COMMIT").await;
    let once = news(db, &image).await;
    assert_eq!((once.rows, once.image.stand.version), (1, image.stand.version + 1));
    // Nor does a transaction that came to nothing keep the next of its connection from being numbered.
    raw.run("BEGIN").await;
    raw.run(&rename(south, "nothing")).await;
    raw.run("ROLLBACK").await;
    raw.run("BEGIN").await;
    raw.run(&rename(south, "two")).await;
    raw.run("SET CONSTRAINTS ALL IMMEDIATE").await;
    raw.run(&rename(north, "two")).await;
    raw.run("COMMIT").await;
    let both = news(db, &once.image).await;
    assert_eq!((both.rows, both.whole), (2, false));
    assert_eq!(raw.count("SELECT COUNT(*) FROM change_log WHERE version = 0").await, 0);
    let queued = "SELECT COUNT(*) FROM pg_trigger WHERE tgname = 'change_log_is_numbered' AND tgqual IS NOT NULL";
    assert_eq!(raw.count(queued).await, 1, "not queued for each row");
}

#[tokio::test]
async fn a_small_change_does_not_clear_up_after_an_import() {
    let Some(place) = Place::postgres().await else { return };
    let db = &place.db;
    let (north, _) = north_and_south(db).await;
    let mut raw = Raw::open(&place).await;
    let import = format!(
        "INSERT INTO change_log (version, mark, noun, row_id, brand_id, company_id)
        SELECT 0, 0, 'company', {north}, 1, {north} FROM generate_series(1, 100000)"
    );
    raw.run(&import).await;
    raw.run(&import).await;
    let before = raw.count("SELECT COUNT(*) FROM change_log").await;
    let image = db.image().await.unwrap();
    for n in 1..4 {
        raw.run(&format!("UPDATE companies SET name = 'n{n}' WHERE id = {north}")).await;
        assert_eq!(raw.count("SELECT COUNT(*) FROM change_log").await, before - n * 10_000 + n);
    }
    assert!(!news(db, &image).await.whole);
}
