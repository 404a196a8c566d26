//! Plugins as people meet them: the newcomer's walk of the README, word by word, and each shipped plugin that no other test
//! walks, by real phones on one switch.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use bundle::{Bundle, COMPONENT, MANIFEST, SCHEMA};
use interop::{Message, Phone, Sip, Switch, Ua, audio, present, until};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn rtp() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))
}

/// The commands of a section of the README: the lines of its first block of `sh`.
fn commands(section: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let (_, block) = rest.split_once("```sh\n").expect("a block of commands");
    let (block, _) = block.split_once("```").expect("its end");
    block.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Runs them as one would type them; gives what each said.
fn typed(commands: &[String], home: &Path, client: &Path) -> String {
    let bin = interop::binary().parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.arg("-e").arg("-c").arg(commands.join("\n")).current_dir(root());
    shell.env("HOME", home).env("PATH", format!("{}:{path}", bin.display())).env("STROWGER_CLIENT", client);
    // Where rustup and cargo are, whoever's home it is; what a plugin depends on is on this machine already.
    let real = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        shell.env(name, std::env::var_os(name).unwrap_or_else(|| Path::new(&real).join(folder).into()));
    }
    shell.env("CARGO_NET_OFFLINE", "true").env_remove("CARGO_TARGET_DIR");
    let output = shell.output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn invite(message: &Message) -> bool {
    message.method() == "INVITE" && message.status() == 0
}

/// From nothing to a call that goes through one's own plugin, by the README alone, in a home that has nothing.
#[test]
fn a_newcomer_has_a_plugin_that_calls_go_through_within_ten_minutes() {
    let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let switch = Switch::demo(data.path());
    let began = Instant::now();
    let commands = commands("Your first plugin in ten minutes");
    assert!(commands.len() >= 6, "{commands:?}");
    let said = typed(&commands, home.path(), &data.path().join("client.toml"));
    for words in
        ["is ready", "1 scenarios of lucky@0.1.0", "is signed by", "Installed lucky@0.1.0", "runs lucky@0.1.0 now"]
    {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
    // 8 and any number rings who the configuration says: a phone that the README's reader has registered.
    let (caller, callee) = (Ua::new(switch.sip()), Ua::new(switch.sip()));
    switch.rest().write("PATCH", &format!("/companies/{}", switch.company()), &json!({ "media": "direct" }));
    let account = switch.rest().all("/accounts").into_iter().find(|a| a["username"] == "1002").expect("1002");
    let direct = json!({ "direct": callee.address().to_string() });
    switch.rest().write("PATCH", &format!("/accounts/{}", account["id"]), &direct);
    switch.direct_account("newcomer", caller.address());
    let mut dialog = caller.invite("8123", rtp());
    let asked = callee.expect("the call that the plugin has routed", invite);
    callee.respond(&asked, 200, Some(rtp()));
    assert_eq!(caller.answered(&mut dialog), 200);
    assert_eq!(caller.bye(&mut dialog), 200);
    let took = began.elapsed();
    let decided = until("the CDR", || {
        let cdrs = switch.rest().all("/cdrs");
        cdrs.iter().find(|cdr| cdr["leg"] == 1).map(|cdr| cdr["decided_by"].clone())
    });
    assert_eq!(decided, "lucky");
    let _ = writeln!(std::io::stderr(), "the newcomer's walk took {} s", took.as_secs());
    assert!(took < Duration::from_secs(600), "{took:?}");
}

/// How a phone's call ended; its own hanging up is not told of.
fn closed(phone: &mut Phone) -> Value {
    loop {
        let closed = phone.event("CALL_CLOSED");
        if !closed["param"].as_str().unwrap_or_default().contains("by user") {
            return closed;
        }
    }
}

/// A switch, two phones, and a carrier.
struct Walk {
    switch: Switch,
    one: Phone,
    two: Phone,
    carrier: Ua,
    brand: i64,
    company: i64,
    data: tempfile::TempDir,
}

impl Walk {
    fn begin() -> Walk {
        let data = tempfile::tempdir().unwrap();
        let switch = Switch::demo(data.path());
        let sip = Sip { server: switch.sip(), tcp: false };
        let one = Phone::registered(&switch, sip, "1001", &audio::noise(1, 2));
        let two = Phone::registered(&switch, sip, "1002", &audio::noise(2, 2));
        let carrier = Ua::new(switch.sip());
        let company = switch.rest().all("/companies").into_iter().find(|c| c["name"] == "demo").expect("the demo's");
        let (brand, company) = (company["brand"].as_i64().unwrap(), company["id"].as_i64().unwrap());
        Walk { switch, one, two, carrier, brand, company, data }
    }

    /// Installs a bundle and grants what it asks for; gives the plugin's id.
    fn install(&self, manifest: &str, schema: &str, component: &[u8]) -> i64 {
        let files = [(MANIFEST, manifest.as_bytes()), (SCHEMA, schema.as_bytes()), (COMPONENT, component)];
        let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        let file = self.data.path().join("plugin.splug");
        std::fs::write(&file, Bundle::of(files.into()).unwrap().pack().unwrap()).unwrap();
        let made = self.switch.cli(&["plugin", "install", file.to_str().unwrap()]);
        if made["asks"].is_object() {
            self.switch.rest().write("PUT", &format!("/plugins/{}/grants", made["id"]), &made["asks"]);
        }
        made["id"].as_i64().unwrap()
    }

    /// Binds it for the brand, before what the demo has.
    fn bind(&self, name: &str, point: &str, plugin: i64, config: &Value) {
        let body = json!({ "brand": self.brand, "name": name, "point": point, "plugin": plugin, "priority": 10, "config": config });
        self.switch.rest().write("PUT", "/bindings", &body);
    }

    /// 1001 dials; it is refused with this status.
    fn refused(&mut self, number: &str, status: u16) {
        self.one.dial(number);
        let closed = closed(&mut self.one);
        let why = closed["param"].as_str().unwrap_or_default();
        assert!(why.contains(&status.to_string()), "{number}: expected {status}: {closed}");
    }

    /// 1001 dials, 1002 answers, 1001 hangs up.
    fn talks(&mut self, number: &str) {
        self.one.dial(number);
        self.two.event("CALL_INCOMING");
        self.two.command("accept", "");
        self.two.event("CALL_ESTABLISHED");
        self.one.event("CALL_ESTABLISHED");
        self.one.command("hangup", "");
        closed(&mut self.two);
    }

    /// 1001 dials, and somebody else than a phone answers.
    fn is_answered(&mut self, number: &str) {
        self.one.dial(number);
        self.one.event("CALL_ESTABLISHED");
        self.one.command("hangup", "");
    }

    /// A star code of 1002's: it is refused with words where nothing confirms it.
    fn code(&mut self, code: &str) {
        self.two.dial(code);
        let closed = closed(&mut self.two);
        assert!(closed["param"].as_str().unwrap_or_default().contains("480"), "{code}: {closed}");
    }

    /// 1001 dials, the carrier answers this number, 1001 hangs up.
    fn by_carrier(&mut self, dialled: &str, number: &str) {
        self.one.dial(dialled);
        let asked = self.carrier.expect("the carrier's call", invite);
        assert!(asked.start().contains(&format!("sip:{number}@")), "{}", asked.start());
        self.carrier.respond(&asked, 200, Some(rtp()));
        self.one.event("CALL_ESTABLISHED");
        let ack = |m: &Message| m.method() == "ACK" && m.header("Call-ID") == asked.header("Call-ID");
        let _ = self.carrier.expect("its ACK", ack);
        self.one.command("hangup", "");
        let bye = self.carrier.expect("the end", |m| m.method() == "BYE" && m.status() == 0);
        self.carrier.respond(&bye, 200, None);
    }

    fn screening(&mut self) {
        let plugin = self.install(shipped::SCREENING_MANIFEST, shipped::SCREENING_SCHEMA, shipped::SCREENING);
        self.bind("screening", "routing/router", plugin, &json!({ "numbers": { "block": ["1003"] } }));
        self.refused("1003", 403);
        self.talks("1002");
        self.switch.unbind("screening");
    }

    fn forwards(&mut self) {
        let plugin = self.install(shipped::FORWARDS_MANIFEST, shipped::FORWARDS_SCHEMA, shipped::FORWARDS);
        for (name, point) in [("forwards", "routing/router"), ("forwards-codes", "hooks/feature")] {
            self.bind(name, point, plugin, &json!({}));
        }
        // To the echo, which answers by itself.
        self.code("*72101");
        self.is_answered("1002");
        self.code("*73");
        self.code("*78");
        self.refused("1002", 486);
        self.code("*79");
        self.code("*90101");
        self.one.dial("1002");
        self.two.event("CALL_INCOMING");
        self.two.command("hangup", "");
        self.one.event("CALL_ESTABLISHED");
        self.one.command("hangup", "");
        self.code("*91");
        self.talks("1002");
        self.switch.unbind("forwards");
        self.switch.unbind("forwards-codes");
    }

    fn lcr(&mut self) {
        let carrier = self.carrier.address().to_string();
        let _ = self.switch.cli(&["trunk", "add", "walked", "--brand", "demo", "--server", &carrier]);
        let prices = self.data.path().join("prices.csv");
        std::fs::write(&prices, "prefix,price\n49,0.02\n").unwrap();
        let _ = self.switch.cli(&["table", "load", "prices", prices.to_str().unwrap(), "--brand", "demo"]);
        let plugin = self.install(shipped::LCR_MANIFEST, shipped::LCR_SCHEMA, shipped::LCR);
        let config = json!({ "country": "44", "carriers": [{ "trunk": "walked", "table": "prices" }] });
        self.bind("lcr", "routing/router", plugin, &config);
        self.by_carrier("004930123456", "+4930123456");
    }

    /// After `lcr`, by whose carrier it calls.
    fn rating(&mut self) {
        let rates = self.data.path().join("rates.csv");
        std::fs::write(&rates, "prefix,name,per_minute,connect,increment\n49,Germany,1.20,0.10,60\n").unwrap();
        let _ = self.switch.cli(&["table", "load", "retail", rates.to_str().unwrap(), "--brand", "demo"]);
        let path = format!("/companies/{}/wallet", self.company);
        let rest = self.switch.rest().clone();
        rest.write("PUT", &path, &json!({ "method": "prepaid", "plan": "retail", "currency": "EUR" }));
        rest.write("POST", &format!("{path}/deposits"), &json!({ "key": "walk", "amount": "1.5" }));
        let plugin = self.install(shipped::RATING_MANIFEST, shipped::RATING_SCHEMA, shipped::RATING);
        let plans = json!({ "plans": { "retail": { "rates": [{ "table": "retail" }] } } });
        self.bind("rating", "billing/rater", plugin, &plans);
        self.by_carrier("004930123456", "+4930123456");
        let balance = until("the charge", || {
            let wallet = rest.get(&path);
            (wallet["balance"] != "1.5").then(|| wallet["balance"].clone())
        });
        assert_eq!(balance, "0.2", "a begun minute and the connection");
        self.refused("004930123456", 402);
        self.switch.unbind("rating");
        self.switch.unbind("lcr");
    }

    fn fraud_guard(&mut self) {
        let plugin = self.install(shipped::FRAUD_GUARD_MANIFEST, shipped::FRAUD_GUARD_SCHEMA, shipped::FRAUD_GUARD);
        let config = json!({ "country": "44", "account": { "calls_per_hour": 1 } });
        for (name, point) in [("guard", "routing/router"), ("guard-events", "hooks/event-sink")] {
            self.bind(name, point, plugin, &config);
        }
        // Nobody takes the first; the second is not tried.
        self.one.dial("07700900123");
        let first = closed(&mut self.one);
        assert!(!first["param"].as_str().unwrap_or_default().contains("Fraud guard"), "{first}");
        self.refused("07700900124", 403);
        self.talks("1002");
        self.switch.unbind("guard");
        self.switch.unbind("guard-events");
    }

    /// After the others, for it hears of a call of its own.
    fn webhook_events(&mut self) {
        let Some(component) = other_language("webhook-events") else { return };
        let (url, told) = service(|_| String::new());
        let manifest = include_str!("../../../plugins/javascript/webhook-events/plugin.toml");
        let schema = include_str!("../../../plugins/javascript/webhook-events/config.schema.json");
        let plugin = self.install(&format!("{manifest}private-addresses = true\n"), schema, &component);
        self.bind("webhook-events", "hooks/event-sink", plugin, &json!({ "url": url, "timeout_ms": 5000 }));
        self.talks("1002");
        let heard = || told.lock().unwrap().join("\n");
        until("the end of the call at the web service", || heard().contains("call-ended").then_some(()));
        assert!(heard().contains("call-started") && heard().contains("call-answered"), "{}", heard());
        self.switch.unbind("webhook-events");
    }
}

/// A plugin's name, and its walk.
type Step = (&'static str, fn(&mut Walk));

/// A component that `cargo xtask test languages` has built.
fn other_language(name: &str) -> Option<Vec<u8>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir));
    let found = std::fs::read(target.join("languages").join(format!("{name}.wasm"))).ok();
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "!!! SKIPPED {name}: `cargo xtask test languages` builds it");
        assert!(std::env::var_os("CI").is_none(), "{name} must be here in CI");
    }
    found
}

/// The bodies that a web service was sent.
type Sent = Arc<Mutex<Vec<String>>>;

/// A web service on loopback, for as long as the test lives.
fn service(answer: fn(&str) -> String) -> (String, Sent) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let told = Sent::default();
    let heard = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                // One connection may bring several.
                loop {
                    let mut length = 0;
                    let mut line = String::new();
                    while stream.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
                        let lower = line.to_ascii_lowercase();
                        length =
                            lower.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap_or(0));
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    if line.is_empty() || stream.read_exact(&mut body).is_err() {
                        return;
                    }
                    let body = String::from_utf8_lossy(&body).into_owned();
                    let said = answer(&body);
                    heard.lock().unwrap().push(body);
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len());
                    if stream.get_mut().write_all(head.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, told)
}

#[test]
fn shipped_plugins_are_walked_by_phones() {
    if !present("shipped_plugins_are_walked_by_phones", &["baresip"]) {
        return;
    }
    let mut walk = Walk::begin();
    let steps: [Step; 6] = [
        ("screening", Walk::screening),
        ("forwards", Walk::forwards),
        ("lcr", Walk::lcr),
        ("rating", Walk::rating),
        ("fraud-guard", Walk::fraud_guard),
        ("webhook-events", Walk::webhook_events),
    ];
    for (name, step) in steps {
        let began = Instant::now();
        step(&mut walk);
        let _ = writeln!(std::io::stderr(), "{name}: walked in {} ms", began.elapsed().as_millis());
    }
}
