//! Prepaid truth: the switch is killed at every point of a call that is paid for, its database goes away, its rater traps
//! or is replaced; after each the books are audited. Nothing is charged twice, nothing is lost, nothing stays kept beyond
//! its time, each balance is the sum of its movements, and each answered leg costs exactly what its rate says.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use bundle::{Bundle, COMPONENT, MANIFEST, SCHEMA};
use interop::{CHEAT, Dialog, Message, Run, Switch, Ua, free_port, until, until_or};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The company's money at the beginning, in cents.
const CENTS: i64 = 10_000;
/// What an answer costs, and each begun second after it, in cents.
const CONNECT: i64 = 10;
const SECOND: i64 = 2;
const RATES: &str = "prefix,name,per_minute,connect,increment\n49,Germany,1.20,0.10,1\n44,Britain,0.60,,60\n";

/// A switch whose only company pays ahead, its carrier, and a phone. All of them outlive the switch's process.
struct Bank {
    dir: tempfile::TempDir,
    run: Run,
    switch: Option<Switch>,
    phone: Ua,
    carrier: Ua,
    invited: BTreeSet<String>,
    company: i64,
}

fn rtp() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))
}

fn cents(text: &Value) -> i64 {
    let text = text.as_str().unwrap_or_else(|| panic!("no amount: {text}"));
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let sign = if text.starts_with('-') { -1 } else { 1 };
    whole.parse::<i64>().unwrap() * 100 + sign * format!("{rest:0<2}").parse::<i64>().unwrap()
}

fn rating() -> Vec<u8> {
    let files = [
        (MANIFEST, shipped::RATING_MANIFEST.as_bytes()),
        (SCHEMA, shipped::RATING_SCHEMA.as_bytes()),
        (COMPONENT, shipped::RATING),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Bundle::of(files.into_iter().collect()).unwrap().pack().unwrap()
}

impl Bank {
    fn open() -> Bank {
        let dir = tempfile::tempdir().unwrap();
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let config = format!(
            "[sip]\nlisten = [\"udp:{sip}\"]\ndefault_domain = \"acme.test\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [media]\nstreams_max = 16\nports = \"0\"\n"
        );
        let run = Run::Serve(config);
        let switch = Switch::start(&run, &dir.path().join("data"));
        let (phone, carrier) = (Ua::new(sip), Ua::new(sip));
        let rest = switch.rest().clone();
        let brand = json!({ "name": "brand", "default_verdict": "refuse" });
        let brand = rest.write("POST", "/brands", &brand)["id"].clone();
        let company = json!({ "brand": brand, "name": "acme", "domain": "acme.test", "media": "direct" });
        let company = rest.write("POST", "/companies", &company)["id"].as_i64().unwrap();
        switch.direct_account("ann", phone.address());
        let bank = Bank { dir, run, switch: Some(switch), phone, carrier, invited: BTreeSet::new(), company };
        bank.furnish();
        bank
    }

    /// Trunk, router, rates, rater and money.
    fn furnish(&self) {
        let file = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = self.dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let (router, rater) = (file("extensions.wasm", shipped::EXTENSIONS), file("rating.splug", &rating()));
        let (cheat, rates) = (file("cheat.wasm", CHEAT), file("rates.csv", RATES.as_bytes()));
        let switch = self.switch();
        let cli = |args: &[&str]| switch.cli(args);
        let _ = cli(&["trunk", "add", "carrier", "--server", &self.carrier.address().to_string()]);
        let _ = cli(&["plugin", "install", router.to_str().unwrap(), "--as", "1.0.0", "--unsigned"]);
        let _ = cli(&["plugin", "install", rater.to_str().unwrap(), "--unsigned"]);
        let _ = cli(&["plugin", "install", cheat.to_str().unwrap(), "--as", "1.0.0", "--unsigned"]);
        let plan = json!({ "static": { "0*": "trunk:carrier/+49{rest}" } }).to_string();
        let _ = cli(&["plugin", "bind", "extensions@1.0.0", "--config", &plan]);
        let _ = cli(&["table", "load", "retail", rates.to_str().unwrap()]);
        let _ = cli(&["wallet", "set", "--method", "prepaid", "--plan", "retail", "--currency", "EUR"]);
        let _ = cli(&["wallet", "top-up", "100", "--key", "invoice-1"]);
        let _ = cli(&["wallet", "top-up", "100", "--key", "invoice-1"]);
        self.rate(
            "rating",
            &json!({ "plans": { "retail": { "rates": [{ "table": "retail" }] } }, "grant_s": 6, "slack_s": 6 }),
        );
    }

    fn switch(&self) -> &Switch {
        self.switch.as_ref().expect("a switch")
    }

    /// Binds a rater in place of the one that is bound.
    fn rate(&self, plugin: &str, config: &Value) {
        let config = config.to_string();
        let args = ["plugin", "bind", plugin, "--name", "rater", "--config", config.as_str()];
        let _ = self.switch().cli(&args);
    }

    fn good(&self, grant_s: u32) {
        let plans = json!({ "retail": { "rates": [{ "table": "retail" }] } });
        self.rate("rating", &json!({ "plans": plans, "grant_s": grant_s, "slack_s": 6 }));
    }

    fn kill(&mut self) {
        self.switch.as_mut().expect("a switch").child().kill();
        self.switch = None;
    }

    fn again(&mut self) {
        self.switch = Some(Switch::start(&self.run, &self.dir.path().join("data")));
    }

    fn wallet(&self) -> Value {
        self.switch().rest().get(&format!("/companies/{}/wallet", self.company))
    }

    fn charges(&self) -> usize {
        let moved = self.switch().rest().all(&format!("/companies/{}/wallet/movements", self.company));
        moved.iter().filter(|m| m["kind"] == "charge").count()
    }

    /// The INVITE of a new call at the carrier.
    fn invited(&mut self) -> Message {
        let seen = &self.invited;
        let invite = self.carrier.expect("the INVITE at the carrier", |m| {
            m.method() == "INVITE" && m.status() == 0 && !seen.contains(m.header("Call-ID"))
        });
        self.invited.insert(invite.header("Call-ID").to_owned());
        invite
    }

    /// A call that is answered.
    fn talk(&mut self) -> Dialog {
        let mut call = self.phone.invite("030123", rtp());
        let invite = self.invited();
        self.carrier.respond(&invite, 200, Some(rtp()));
        assert_eq!(self.phone.answered(&mut call), 200);
        let of = |m: &Message| m.header("Call-ID") == invite.header("Call-ID");
        let _ = self.carrier.expect("the ACK", |m| m.method() == "ACK" && of(m));
        call
    }

    /// The same on a machine so busy that the rater may miss its two seconds: what is refused then is called again.
    fn talk_at_last(&mut self) -> Dialog {
        let mut refused = Vec::new();
        loop {
            let mut call = self.phone.invite("030123", rtp());
            let (phone, carrier, invited) = (&self.phone, &self.carrier, &mut self.invited);
            let mut acknowledged = false;
            let status = std::thread::scope(|scope| {
                let answer = scope.spawn(|| phone.answered(&mut call));
                while !answer.is_finished() {
                    let Some(message) = carrier.poll(Duration::from_millis(50)) else { continue };
                    if message.method() == "INVITE" && invited.insert(message.header("Call-ID").to_owned()) {
                        carrier.respond(&message, 200, Some(rtp()));
                    }
                    acknowledged |= message.method() == "ACK";
                }
                answer.join().unwrap()
            });
            if status == 200 {
                if !acknowledged {
                    let _ = carrier.expect("the ACK", |m| m.method() == "ACK");
                }
                return call;
            }
            refused.push(status);
            assert!(refused.len() < 5, "nobody is reached: {refused:?}");
        }
    }

    fn hang_up(&self, call: &mut Dialog) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let bye = self.carrier.expect("the BYE", |m| m.method() == "BYE" && m.status() == 0);
                self.carrier.respond(&bye, 200, None);
            });
            assert_eq!(self.phone.bye(call), 200);
        });
    }

    /// Waits until nothing is kept and nothing waits, and audits the books.
    fn holds(&self, at: &str) {
        let rest = self.switch().rest();
        let settled = || {
            let waiting = rest.all("/settlements");
            let unsettled = rest.all("/cdrs").into_iter().filter(|c| c["unsettled"] == true).count();
            let kept = cents(&self.wallet()["reserved"]);
            (waiting.is_empty() && unsettled == 0 && kept == 0).then_some(())
        };
        until_or(at, settled, || format!("{at}: {:#} {:#}", self.wallet(), json!(rest.all("/settlements"))));
        for book in rest.all("/wallets/audit") {
            assert_eq!(book["holds"], true, "{at}: {book:#}");
        }
        let mut owed = 0;
        let mut legs = 0;
        for cdr in rest.all("/cdrs") {
            let paid = cdr["role"] == "callee" && !cdr["answered_at"].is_null();
            assert_eq!(cdr["charge"].is_object(), paid, "{at}: {cdr:#}");
            if paid {
                let seconds = i64::try_from(cdr["billed_ms"].as_u64().unwrap().div_ceil(1_000)).unwrap();
                // A leg that its grant ended is charged to the grant's end.
                let over = i64::from(cdr["cause"] == "grant-ended");
                let cost = cents(&cdr["charge"]["cost"]);
                let exact = CONNECT + SECOND * seconds;
                assert!(cost == exact || (over == 1 && cost == exact - SECOND), "{at}: {cost} of {exact}: {cdr:#}");
                owed += cost;
                legs += 1;
            }
        }
        assert_eq!(self.charges(), legs, "{at}: one movement for each answered leg");
        assert_eq!(cents(&self.wallet()["balance"]), CENTS - owed, "{at}");
    }

    /// After a crash at this point.
    fn crash(&mut self, at: &str) {
        self.kill();
        self.again();
        self.holds(at);
    }
}

#[test]
fn the_books_hold_wherever_the_switch_is_killed() {
    let mut bank = Bank::open();
    // The walk, undisturbed.
    let mut call = bank.talk();
    bank.hang_up(&mut call);
    bank.holds("a whole call");

    // Money is kept, and the INVITE has not left: the rater keeps and computes on.
    bank.rate("cheat@1.0.0", &json!({ "do": "keep-and-spin" }));
    let _call = bank.phone.invite("030123", rtp());
    until("money that is kept", || (cents(&bank.wallet()["reserved"]) > 0).then_some(()));
    bank.kill();
    bank.again();
    bank.good(6);
    bank.holds("after authorize");

    // The carrier has its INVITE and has not answered.
    let _call = bank.phone.invite("030123", rtp());
    let _ = bank.invited();
    assert!(cents(&bank.wallet()["reserved"]) > 0);
    bank.crash("before the answer");

    // The answer is on the wire.
    let mut call = bank.phone.invite("030123", rtp());
    let invite = bank.invited();
    bank.carrier.respond(&invite, 200, Some(rtp()));
    assert_eq!(bank.phone.answered(&mut call), 200);
    bank.crash("at the answer");

    // More was granted, and the next question is not due.
    let _call = bank.talk();
    let first = cents(&bank.wallet()["reserved"]);
    until("a grant of more", || (cents(&bank.wallet()["reserved"]) > first).then_some(()));
    bank.crash("between two extends");

    // The BYE is answered; nothing is settled.
    let mut call = bank.talk();
    bank.hang_up(&mut call);
    bank.crash("at the hang-up");

    // The leg waits in the database.
    let mut call = bank.talk();
    bank.hang_up(&mut call);
    until("a leg that waits", || {
        (!bank.switch().rest().all("/cdrs").iter().all(|c| c["unsettled"] == false)).then_some(())
    });
    bank.crash("before the settlement");

    // The money has moved; the CDR may not know.
    let before = bank.charges();
    let mut call = bank.talk();
    bank.hang_up(&mut call);
    until("the movement", || (bank.charges() > before).then_some(()));
    bank.crash("amid the settlement");
}

#[test]
fn the_books_hold_whatever_becomes_of_the_rater_and_the_database() {
    let mut bank = Bank::open();
    // The rater traps at the settlement: the leg waits, visibly, until a good one is there.
    let mut call = bank.talk();
    bank.rate("cheat@1.0.0", &json!({ "do": "trap" }));
    bank.hang_up(&mut call);
    let stuck = until("a settlement that fails", || {
        let tried = bank.switch().cli(&["settlement", "list", "--tries", "1"]);
        tried.as_array().and_then(|list| list.first().cloned())
    });
    assert!(stuck["error"].as_str().unwrap().contains("trap"), "{stuck:#}");
    bank.kill();
    bank.again();
    bank.good(6);
    let (id, leg) = (stuck["call"].as_str().unwrap(), stuck["leg"].to_string());
    let rest = bank.switch().rest();
    let retried = rest.request("POST", &format!("/api/v1/settlements/{id}/{leg}/retry"), "application/json", b"null");
    assert_eq!(retried.unwrap().status, 202);
    bank.holds("a trap at the settlement");

    // The rater is replaced while a call is up, twice.
    let mut call = bank.talk();
    bank.rate("cheat@1.0.0", &json!({ "do": "err" }));
    bank.good(9);
    bank.hang_up(&mut call);
    bank.holds("another rater amid a call");

    // The rater is down while a call is up: it goes on to its grant's end, and is charged to that.
    let call = bank.talk();
    bank.rate("cheat@1.0.0", &json!({ "do": "trap" }));
    let bye = bank.phone.expect("the BYE at the grant's end", |m| m.method() == "BYE" && m.status() == 0);
    assert_eq!(bye.header("Call-ID"), call.call_id);
    bank.phone.respond(&bye, 200, None);
    bank.good(6);
    bank.holds("no rater amid a call");

    // The database goes away before the hang-up and comes back after a crash.
    let mut call = bank.talk();
    let path = bank.dir.path().join("data/strowger.db");
    let away = Away::hold(&path);
    bank.hang_up(&mut call);
    bank.kill();
    drop(away);
    bank.again();
    bank.holds("the database away at the hang-up");

    // And while somebody wants to call: closed, and nothing is kept.
    let away = Away::hold(&path);
    let mut call = bank.phone.invite("030123", rtp());
    assert_eq!(bank.phone.answered(&mut call), 503);
    drop(away);
    bank.holds("the database away at the call");
    let mut call = bank.talk();
    bank.hang_up(&mut call);
    bank.holds("the database is back");
}

#[test]
fn what_was_asked_about_a_paid_call_is_answered_alike_by_the_same_rater_and_otherwise_by_another() {
    let mut bank = Bank::open();
    let _ = bank.switch().cli(&["plugin", "record", "rater", "--calls", "20"]);
    let mut call = bank.talk_at_last();
    bank.hang_up(&mut call);
    bank.holds("a recorded call");
    let path = |name: &str| bank.dir.path().join(name).to_str().unwrap().to_owned();
    let saved = bank.switch().cli(&["plugin", "record", "rater", "--save", &path("calls.jsonl")]);
    let text = std::fs::read_to_string(path("calls.jsonl")).unwrap();
    assert_eq!(saved["bytes"], text.len());
    for word in ["{\"authorize\":", "{\"settle\":", "\"ledger.commit\"", "\"directory.longest-prefix\""] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let before = bank.wallet();
    let replay = |component: &str| {
        let mut command = std::process::Command::new(interop::binary());
        let output = command.args(["plugin", "replay", &path("calls.jsonl"), "--component", &path(component)]).output();
        let output = output.unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    };
    let (code, out, err) = replay("rating.splug");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.ends_with("as rating@0.1.0 answered.\n"), "{out}");
    let (code, out, err) = replay("cheat.wasm");
    assert_eq!(code, Some(1), "{out}{err}");
    let asked = text.lines().count() - 2;
    assert_eq!(out.lines().count(), asked, "one line for each that differs: {out}");
    assert!(out.starts_with("1 authorize (") && out.contains("): answer /: was {\"said\":{\"Rate\":"), "{out}");
    assert!(err.contains(&format!("{asked} of {asked} differ from what rating@")), "{err}");
    assert_eq!(bank.wallet(), before, "a replay moves no money");
    std::fs::write(path("calls.jsonl"), &text[..text.len() / 2]).unwrap();
    let (code, _, err) = replay("rating.splug");
    assert_eq!(code, Some(1));
    assert!(err.contains("the recording is cut off"), "{err}");
}

#[test]
fn money_that_is_used_up_ends_the_call_and_refuses_the_next() {
    let mut bank = Bank::open();
    let left = |bank: &Bank| cents(&bank.wallet()["balance"]);
    let _ = bank.switch().cli(&["wallet", "top-up", "-99.86", "--key", "most-of-it"]);
    assert_eq!(left(&bank), 14);
    // A connect fee of 10 and two seconds of 2.
    let call = bank.talk();
    let bye = bank.phone.expect("the BYE at the end of the money", |m| m.method() == "BYE" && m.status() == 0);
    assert_eq!(bye.header("Call-ID"), call.call_id);
    assert!(bye.header("Reason").contains("grant-ended"), "{}", bye.text);
    bank.phone.respond(&bye, 200, None);
    until("the charge", || (left(&bank) == 0).then_some(()));
    let mut call = bank.phone.invite("030123", rtp());
    assert_eq!(bank.phone.answered(&mut call), 402);
    // What is asked of the simulator is what is charged; a number without a rate has no price.
    let price = bank.switch().cli(&["wallet", "price", "+4930123", "61"]);
    assert_eq!((price["cost"].as_str(), price["lines"]["prefix"].as_str()), (Some("1.32"), Some("49")), "{price:#}");
    let minutes = bank.switch().cli(&["wallet", "price", "+4420123", "61"]);
    assert_eq!(minutes["cost"], "1.2", "{minutes:#}");
    for book in bank.switch().rest().all("/wallets/audit") {
        assert_eq!(book["holds"], true, "{book:#}");
    }
}

/// A database that nobody can write: another process has its lock.
struct Away(std::process::Child);

impl Away {
    fn hold(path: &std::path::Path) -> Away {
        let script = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None,timeout=30)\n\
                      c.execute('BEGIN IMMEDIATE')\nprint('held',flush=True)\nsys.stdin.read()\n";
        let mut child = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        assert_eq!(line.trim(), "held");
        Away(child)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
