//! Raters: the shipped one over a ledger in memory, and one that cheats. The arithmetic's own tests come along.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test code")]

#[path = "../../../plugins/guests/rating/src/price.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, clippy::pedantic)]
mod price;

use core::time::Duration;
use model::{
    CompanyId, Grant, Instant, LedgerAct, LedgerRefusal, LedgerSaid, RateAnswer, RateKind, RateQuestion, RateVerdict,
    Rated, Ticket, Usage, WalletView,
};
use plugin::{Grants, Host, Ledger, LedgerTold, Point, Quote};
use plugin_tests::{ACME, BRAND, CHEAT, OTHER, PATIENCE, bind, call, directory, host_with};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tables::PrefixTable;

/// A wallet in memory, which may be away.
#[derive(Debug)]
struct Purse(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    method: String,
    balance: i64,
    credit: i64,
    cap: Option<i64>,
    spent: i64,
    kept: BTreeMap<String, i64>,
    charged: BTreeMap<String, i64>,
    away: bool,
    /// Of what was kept last.
    ttl_s: u32,
}

impl Purse {
    fn of(method: &str, balance: i64) -> Arc<Purse> {
        let (kept, charged) = (BTreeMap::new(), BTreeMap::new());
        let (method, cap) = (method.to_owned(), None);
        let (credit, spent, ttl_s, away) = (0, 0, 0, false);
        Arc::new(Purse(Mutex::new(Inside { method, balance, credit, cap, spent, kept, charged, away, ttl_s })))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn kept(&self) -> i64 {
        self.with(|p| p.kept.values().sum())
    }
}

impl Inside {
    fn act(&mut self, company: CompanyId, act: LedgerAct) -> Result<LedgerSaid, LedgerRefusal> {
        if self.away {
            return Err(LedgerRefusal::Away("gone fishing".to_owned()));
        }
        if company != ACME {
            return Err(LedgerRefusal::NoWallet);
        }
        let reserved: i64 = self.kept.values().sum();
        let amount = match act {
            LedgerAct::Account(_, time_zone) => {
                return Ok(LedgerSaid::Account(Box::new(WalletView {
                    method: self.method.clone(),
                    plan: "retail".to_owned(),
                    currency: "EUR".to_owned(),
                    balance: self.balance,
                    reserved,
                    credit: self.credit,
                    daily_cap: self.cap,
                    spent_today: self.spent,
                    time_zone,
                })));
            }
            LedgerAct::Reserve(key, ..) if self.kept.contains_key(&key) => self.kept[&key],
            LedgerAct::Reserve(key, money, ttl_s, _) | LedgerAct::Adjust(key, money, ttl_s, _) => {
                if money.micros < 0 {
                    return Err(LedgerRefusal::Invalid("amount".to_owned()));
                }
                let day = self.cap.map_or(i64::MAX, |cap| cap - self.spent);
                let there = (self.balance + self.credit).min(day) - reserved;
                let more = money.micros - self.kept.get(&key).copied().unwrap_or(0);
                if more > there && more > 0 {
                    return Err(LedgerRefusal::Insufficient(there));
                }
                self.kept.insert(key, money.micros);
                self.ttl_s = ttl_s;
                money.micros
            }
            LedgerAct::Commit(key, reservation, money, ..) => {
                reservation.and_then(|key| self.kept.remove(&key));
                let fresh = !self.charged.contains_key(&key);
                let charged = *self.charged.entry(key).or_insert(money.micros);
                self.balance -= if fresh { charged } else { 0 };
                charged
            }
            LedgerAct::Release(key) => {
                self.kept.remove(&key);
                0
            }
        };
        Ok(LedgerSaid::Amount(amount))
    }
}

impl Ledger for Purse {
    fn act(&self, company: CompanyId, act: LedgerAct) -> LedgerTold {
        let said = self.with(|inside| inside.act(company, act));
        Box::pin(core::future::ready(said))
    }
}

const RATES: &str = "prefix,name,per_minute,connect,increment,initial,start\n49,Germany,1.20,0.10,1,,\n\
                     4917,Mobile,6,,60,60,\n44,Britain,0.60,,6,30,\n1,Free,0,,1,,\n7,Odd,much,,1,,\n";
const NIGHT: &str = "prefix,per_minute\n49,0.60\n";

fn bank(purse: &Arc<Purse>, config: &str) -> Host {
    let host = host_with(|config| config.ledger = Some(Arc::clone(purse) as Arc<dyn Ledger>));
    for (name, csv) in [("retail", RATES), ("night", NIGHT), ("cost", "prefix,per_minute\n49,0.30\n")] {
        host.prefix_tables().set(BRAND, name, Some(Arc::new(PrefixTable::from_csv(csv).unwrap())));
    }
    let artifact = host.compile(shipped::RATING).expect("compiles");
    let mut spec = bind(1, "rating", Point::Rater, &artifact, config);
    spec.grants = Grants::within();
    host.set_bindings(vec![spec]).expect("bound");
    host
}

fn cheat(host: &Host, deed: &str) {
    let artifact = host.compile(CHEAT).expect("compiles");
    host.set_bindings(vec![bind(1, "cheat", Point::Rater, &artifact, &format!(r#"{{"do":"{deed}"}}"#))])
        .expect("bound");
}

fn rated(id: &str, number: &str) -> Rated {
    let (id, number) = (id.to_owned(), number.to_owned());
    Rated { id, number, trunk: Some("gw".to_owned()), payer: None, unasked: false, granted_s: None, since: None }
}

async fn rate(host: &Host, company: CompanyId, rated: Rated, kind: RateKind) -> RateAnswer {
    let (ticket, deadline) = (Ticket(1), Instant::from_unix_nanos(0));
    let question = RateQuestion { ticket, deadline, call: call(company, &rated.number), rated, kind };
    tokio::time::timeout(PATIENCE, host.ask_rate(question, directory())).await.expect("it always answers")
}

async fn authorize(host: &Host, id: &str, number: &str) -> RateVerdict {
    rate(host, ACME, rated(id, number), RateKind::Authorize).await.verdict
}

async fn extend(host: &Host, id: &str, used_s: u64, granted_s: u32) -> RateVerdict {
    let used = Duration::from_secs(used_s);
    rate(host, ACME, rated(id, "+4930"), RateKind::Extend { used, granted_s }).await.verdict
}

fn used(id: &str, number: &str, billed_ms: u64) -> Usage {
    Usage {
        call: model::CallId(7),
        leg: 1,
        brand: BRAND,
        company: ACME,
        rated: rated(id, number),
        caller: "1001".to_owned(),
        answered_at: Instant::from_unix_nanos(1_795_374_000_000_000_000),
        billed_ms,
        cause: "normal-clearing".to_owned(),
    }
}

async fn settle(host: &Host, id: &str, number: &str, billed_ms: u64) -> Result<model::Charge, String> {
    tokio::time::timeout(PATIENCE, host.settle(used(id, number, billed_ms), directory())).await.expect("it answers")
}

fn seconds(verdict: &RateVerdict) -> Option<u32> {
    match verdict {
        RateVerdict::Grant(Grant { seconds, .. }) => Some(*seconds),
        RateVerdict::Deny(..) | RateVerdict::Failed => None,
    }
}

const PLAIN: &str = r#"{"plans":{"retail":{"rates":[{"table":"retail"}]}},"carriers":{"gw":"cost"},"grant_s":60}"#;

#[tokio::test]
async fn prepaid_money_is_kept_ahead_and_let_go_with_the_charge() {
    // 0.10 and 2 cents a second: two minutes cost 2.50.
    let purse = Purse::of("prepaid", 2_000_000);
    let host = bank(&purse, PLAIN);
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(60));
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(60), "the same again keeps no more");
    assert_eq!(purse.kept(), 1_300_000);
    assert_eq!(seconds(&authorize(&host, "c.2", "+4930").await), Some(30), "what is left is for thirty");
    assert_eq!(authorize(&host, "c.3", "+4930").await, RateVerdict::Deny(402, "No credit".to_owned()));
    let released = rate(&host, ACME, rated("c.2", "+4930"), RateKind::Release).await;
    assert_eq!((released.hook.unwrap().outcome, purse.kept()), ("released".to_owned(), 1_300_000));
    assert_eq!(seconds(&extend(&host, "c.1", 40, 60).await), Some(95), "0.10 and 95 seconds are all there is");
    assert_eq!(seconds(&extend(&host, "c.1", 40, 60).await), Some(95), "the same again");
    assert_eq!(extend(&host, "c.1", 90, 95).await, RateVerdict::Deny(402, "No credit".to_owned()));
    let charge = settle(&host, "c.1", "+4930", 61_001).await.expect("a charge");
    assert_eq!((charge.micros, charge.carrier_micros, charge.currency.as_str()), (1_340_000, Some(310_000), "EUR"));
    let line = |name: &str| charge.lines.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((line("plan"), line("prefix"), line("seconds")), (Some("retail"), Some("49"), Some("62")));
    // Once more, as after a crash: the same, and nothing moves.
    assert_eq!(settle(&host, "c.1", "+4930", 61_001).await.expect("a charge").micros, 1_340_000);
    assert_eq!((purse.kept(), purse.with(|p| p.balance)), (0, 660_000));
}

#[tokio::test]
async fn what_costs_what() {
    let purse = Purse::of("postpaid", 0);
    purse.with(|p| p.credit = 50_000_000);
    let night = r#"{"plans":{"retail":{"deductible":true,"rates":[{"table":"retail"},
        {"table":"night","hours":"18:00-20:00","weight":5},{"table":"night","from":"2030-01-01","weight":9}]}}}"#;
    let host = bank(&purse, night);
    let quote = |number: &str, at_ms, billed_ms| {
        let (number, trunk) = (number.to_owned(), None);
        let quote = Quote { brand: BRAND, company: ACME, number, trunk, at_ms, billed_ms };
        let host = host.clone();
        async move { host.quote(quote, directory()).await.map(|charge| charge.micros) }
    };
    // 19:00 and 21:00 UTC of a Sunday.
    let (evening, late) = (1_795_374_000_000, 1_795_381_200_000);
    assert_eq!(quote("+4930", evening, 60_000).await, Ok(600_000), "of equal prefixes the heavier table");
    assert_eq!(quote("+4930", late, 60_000).await, Ok(1_200_000), "the fee is a least charge");
    assert_eq!(quote("+4930", late, 1_000).await, Ok(100_000));
    assert_eq!(quote("+491711", evening, 61_000).await, Ok(12_000_000), "the longest prefix wins over any weight");
    assert_eq!(quote("+4420", late, 31_000).await, Ok(360_000));
    assert_eq!(quote("+15550001", late, 3_600_000).await, Ok(0));
    assert!(quote("+33", late, 1).await.unwrap_err().contains("no-rate"));
    assert!(quote("+7", late, 1).await.unwrap_err().contains("bad-rate"));
    assert_eq!(authorize(&host, "c.1", "+33").await, RateVerdict::Deny(403, "No rate for this number".to_owned()));
    let senseless = RateVerdict::Deny(403, "The rate of this number makes no sense".to_owned());
    assert_eq!(authorize(&host, "c.1", "+7").await, senseless, "an answer, and no failure that a policy lets pass");
    assert_eq!(purse.with(|p| (p.balance, p.kept.len())), (0, 0), "a price moves nothing");
}

#[tokio::test]
async fn credit_and_caps_hold_for_all_calls_together() {
    let purse = Purse::of("postpaid", 0);
    let host = bank(&purse, PLAIN);
    let broke = RateVerdict::Deny(402, "No credit".to_owned());
    assert_eq!(authorize(&host, "c.1", "+4930").await, broke);
    assert_eq!(purse.with(|p| p.kept.len()), 0, "a call that never rings keeps nothing");
    assert_eq!(seconds(&authorize(&host, "c.2", "+1555").await), Some(60), "what costs nothing needs no money");
    // A minute costs 1.30: of a credit of 2.60 there are two calls, however many ask.
    purse.with(|p| p.credit = 2_600_000);
    let mut rung = 0;
    for n in 10..20 {
        rung += u32::from(seconds(&authorize(&host, &format!("c.{n}"), "+4930").await) == Some(60));
    }
    assert_eq!((rung, purse.kept()), (2, 2_600_000));
    purse.with(|p| p.kept.clear());
    // What is left of the day, over all calls.
    purse.with(|p| (p.credit, p.cap, p.spent) = (1_000_000_000, Some(5_000_000), 2_800_000));
    let mut talk = Vec::new();
    for n in 20..24 {
        talk.push(seconds(&authorize(&host, &format!("c.{n}"), "+4930").await));
    }
    assert_eq!(talk, [Some(60), Some(40), None, None]);
    // Prepaid money under a cap holds the same way.
    purse.with(|p| p.kept.clear());
    purse.with(|p| (p.method, p.balance, p.credit) = ("prepaid".to_owned(), 90_000_000, 0));
    assert_eq!(seconds(&authorize(&host, "c.30", "+4930").await), Some(60));
    assert_eq!(seconds(&authorize(&host, "c.31", "+4930").await), Some(40));
    assert_eq!(authorize(&host, "c.32", "+4930").await, broke);
    // What is there at the beginning.
    purse.with(|p| p.kept.clear());
    purse.with(|p| (p.method, p.balance, p.cap) = ("pseudo-prepaid".to_owned(), 700_000, None));
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(30));
    assert_eq!(purse.kept(), 0, "nothing is kept");
    assert_eq!(seconds(&extend(&host, "c.1", 29, 30).await), None);
}

#[tokio::test]
async fn a_prepaid_call_lasts_as_its_money_and_what_is_kept_outlives_its_seconds() {
    let purse = Purse::of("prepaid", 9_000_000_000);
    let short = PLAIN.replace("\"grant_s\":60", "\"grant_s\":60,\"slack_s\":1,\"longest_s\":100");
    let host = bank(&purse, &short);
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(60));
    assert_eq!(purse.with(|p| p.ttl_s), 61);
    // Asked at 40 for what ends at 120: eighty seconds, and the slack.
    assert_eq!(seconds(&extend(&host, "c.1", 40, 60).await), Some(120), "whatever the longest call of others is");
    assert_eq!(purse.with(|p| p.ttl_s), 81);
    purse.with(|p| (p.method, p.credit) = ("postpaid".to_owned(), 1_000_000));
    assert_eq!(seconds(&authorize(&host, "c.2", "+4930").await), Some(60));
    assert_eq!(seconds(&extend(&host, "c.2", 40, 60).await), Some(100));
    assert_eq!(seconds(&extend(&host, "c.2", 80, 100).await), None);
}

#[tokio::test]
async fn without_wallet_plan_table_or_rate_nothing_passes_even_where_a_failure_would() {
    let purse = Purse::of("postpaid", 0);
    purse.with(|p| p.credit = 50_000_000);
    let host = bank(&purse, &PLAIN.replace("\"grant_s\"", "\"open_s\":60,\"grant_s\""));
    let denied = |verdict: &RateVerdict| matches!(verdict, RateVerdict::Deny(403, _));
    let stranger = rate(&host, OTHER, rated("d.1", "+4930"), RateKind::Authorize).await.verdict;
    assert!(denied(&stranger), "no wallet: {stranger:?}");
    for (config, what) in [
        (PLAIN.replace("\"retail\":{", "\"other\":{"), "no plan"),
        (PLAIN.replace("\"table\":\"retail\"", "\"table\":\"gone\""), "no table"),
    ] {
        let host = bank(&purse, &config);
        let said = authorize(&host, "c.1", "+4930").await;
        assert!(denied(&said), "{what}: {said:?}");
    }
}

#[tokio::test]
async fn a_grant_is_by_the_dearer_of_the_rates_that_the_answer_may_have() {
    let purse = Purse::of("prepaid", 1_300_000);
    // By day and by night, split at this minute: one of the two counts now, the other may in three minutes.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 60;
    let clock = |minutes: u64| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
    let (from, turn) = (clock(now + 1_440 - 60), clock(now + 2));
    let rates = format!(
        r#"{{"plans":{{"retail":{{"rates":[{{"table":"retail"}},
        {{"table":"night","hours":"{from}-{turn}","weight":5}}]}}}},"grant_s":60}}"#
    );
    let host = bank(&purse, &rates);
    // At night 0.60 a minute, then 1.20 and 0.10 for the answer.
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(60));
    assert_eq!(purse.kept(), 1_300_000);
}

#[tokio::test]
async fn a_ledger_that_is_away_is_a_failure_and_no_answer() {
    let purse = Purse::of("prepaid", 9_000_000);
    let host = bank(&purse, PLAIN);
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(60));
    purse.with(|p| p.away = true);
    let answer = rate(&host, ACME, rated("c.2", "+4930"), RateKind::Authorize).await;
    assert_eq!(answer.verdict, RateVerdict::Failed);
    assert!(answer.hook.unwrap().outcome.contains("gone fishing"));
    assert!(settle(&host, "c.1", "+4930", 1_000).await.unwrap_err().contains("gone fishing"));
    purse.with(|p| p.away = false);
    assert_eq!(settle(&host, "c.1", "+4930", 1_000).await.expect("a charge").micros, 120_000);
    host.set_bindings(Vec::new()).expect("none");
    assert_eq!(authorize(&host, "c.9", "+4930").await, RateVerdict::Failed);
    assert_eq!(settle(&host, "c.9", "+4930", 1).await, Err("no rater is bound".to_owned()));
}

#[tokio::test]
async fn a_rater_that_cheats_is_not_believed() {
    let purse = Purse::of("prepaid", 1_000_000);
    let host = host_with(|config| {
        config.ledger = Some(Arc::clone(&purse) as Arc<dyn Ledger>);
        config.app_cpu = Duration::from_millis(50);
        config.limits.rate_deadline_ms = 60_000;
    });
    for (deed, said) in [
        ("spin", "timeout"),
        ("trap", "trap"),
        ("absurd", "invalid: grant"),
        ("nothing", "invalid: grant"),
        ("odd", "invalid: refuse"),
        ("err", "err: not-found"),
        ("keep-and-spin", "timeout"),
    ] {
        cheat(&host, deed);
        let answer = rate(&host, ACME, rated(deed, "+4930"), RateKind::Authorize).await;
        let outcome = answer.hook.expect("asked").outcome;
        assert_eq!(answer.verdict, RateVerdict::Failed, "{deed}");
        assert!(outcome.starts_with(said), "{deed}: {outcome}");
    }
    purse.with(|p| p.kept.clear());
    for (deed, said) in
        [("spin", "timeout"), ("trap", "trap"), ("negative", "invalid: charge"), ("coins", "invalid: charge")]
    {
        cheat(&host, deed);
        let why = settle(&host, "c.1", "+4930", 1).await.unwrap_err();
        assert!(why.starts_with(said), "{deed}: {why}");
    }
    cheat(&host, "gift");
    let RateVerdict::Deny(_, said) = authorize(&host, "c.1", "+4930").await else { panic!("it says what it heard") };
    assert!(said.contains("InvalidArgument"), "{said}");
    // Where only a price is asked for nothing is written.
    cheat(&host, "write");
    let quote = Quote { brand: BRAND, company: ACME, number: "+49".to_owned(), trunk: None, at_ms: 0, billed_ms: 1 };
    let why = host.quote(quote, directory()).await.unwrap_err();
    assert!(why.contains("Denied"), "{why}");
    assert_eq!(purse.with(|p| (p.balance, p.charged.len())), (1_000_000, 0));
    cheat(&host, "good");
    assert_eq!(seconds(&authorize(&host, "c.1", "+4930").await), Some(10), "a new version begins with a clean slate");
}

#[tokio::test]
async fn a_companys_rater_comes_before_its_brands_and_says_what_holds_where_it_fails() {
    let purse = Purse::of("prepaid", 1_000_000);
    let host = host_with(|config| config.ledger = Some(Arc::clone(&purse) as Arc<dyn Ledger>));
    let artifact = host.compile(CHEAT).expect("compiles");
    let brands = bind(1, "brands", Point::Rater, &artifact, r#"{"do":"trap","open_s":30}"#);
    let mut own = bind(2, "own", Point::Rater, &artifact, r#"{"do":"good"}"#);
    own.scope.company = Some(ACME);
    host.set_bindings(vec![brands, own]).expect("bound");
    let asked = |answer: RateAnswer| answer.hook.expect("asked").binding;
    assert_eq!(asked(rate(&host, ACME, rated("a", "+4930"), RateKind::Authorize).await), "own");
    assert_eq!(asked(rate(&host, OTHER, rated("b", "+4930"), RateKind::Authorize).await), "brands");
    let hooks = host.hooks();
    assert_eq!(hooks.rater(BRAND, ACME).map(|policy| policy.open_s), Some(None));
    assert_eq!(hooks.rater(BRAND, OTHER).map(|policy| policy.open_s), Some(Some(30)));
}
