//! The common SIP scanner (sipvicious: svmap, svwar, svcrack), and what it sends in other words: nobody is told which
//! accounts there are, and the source is banned.

use crate::turn;
use interop::{DOMAIN, Office, Ua, present, until};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

/// An answer comes within this time over loopback, or there is none.
const WAIT: Duration = Duration::from_millis(700);
/// What the scanner calls itself.
const SCANNER: &str = "friendly-scanner";
/// Nobody would ban this.
const PHONE: &str = "Plain Phone 1.0";

/// A source that nobody knows.
struct Stranger {
    ua: Ua,
    agent: &'static str,
    sent: u32,
    /// The newest nonce it was given.
    nonce: String,
}

impl Stranger {
    /// On an address of the loopback network.
    fn new(office: &Office, last: u8, agent: &'static str) -> Stranger {
        let ua = Ua::on(Ipv4Addr::new(127, 0, 0, last), office.switch().sip());
        Stranger { ua, agent, sent: 0, nonce: String::new() }
    }

    /// A request as svwar writes it; the answer without what differs from one request to the next, or `nothing`.
    fn asks(&mut self, method: &str, user: &str, host: &str, guesses: bool) -> String {
        self.sent += 1;
        let (own, n, agent) = (self.ua.address(), format!("{}{}", self.ua.address().port(), self.sent), self.agent);
        let target = if method == "REGISTER" { format!("sip:{host}") } else { format!("sip:{user}@{host}") };
        let authorization = if guesses {
            format!(
                "Authorization: Digest username=\"{user}\",realm=\"{DOMAIN}\",nonce=\"{}\",uri=\"{target}\",\
                 response=\"00112233445566778899aabbccddeeff\",algorithm=MD5,qop=auth,nc={:08x},cnonce=\"c\"\r\n",
                self.nonce, self.sent
            )
        } else {
            String::new()
        };
        let common = format!(
            "Via: SIP/2.0/UDP {own};branch=z9hG4bK-{n};rport\r\nMax-Forwards: 70\r\n\
             From: \"{user}\"<sip:{user}@{host}>;tag={n}\r\nCall-ID: {n}\r\n"
        );
        self.ua.send(&format!(
            "{method} {target} SIP/2.0\r\n{common}To: \"{user}\"<sip:{user}@{host}>\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:{user}@{own}>\r\nUser-Agent: {agent}\r\nEvent: presence\r\n{authorization}\
             Content-Length: 0\r\n\r\n",
        ));
        let answer = core::iter::from_fn(|| self.ua.poll(WAIT)).find(|m| m.status() >= 200);
        if let Some(answer) = answer.as_ref().filter(|_| method == "INVITE") {
            let to = answer.header("To");
            self.ua
                .send(&format!("ACK {target} SIP/2.0\r\n{common}To: {to}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"));
        }
        if let Some(nonce) = answer.as_ref().and_then(|m| m.text.split("nonce=\"").nth(1)?.split('"').next()) {
            nonce.clone_into(&mut self.nonce);
        }
        answer.map_or_else(|| "nothing".to_owned(), |m| plain(&m.text, user))
    }
}

fn plain(answer: &str, user: &str) -> String {
    let own = ["Via:", "From:", "To:", "Call-ID:", "Date:"];
    let lines = answer.lines().filter(|l| !own.iter().any(|name| l.starts_with(name)));
    lines.map(|l| without_nonce(l).replace(user, "USER") + "\n").collect()
}

fn without_nonce(line: &str) -> String {
    let Some((before, rest)) = line.split_once("nonce=\"") else { return line.to_owned() };
    format!("{before}{}", rest.split_once('"').map_or("", |(_, after)| after))
}

/// One that is let ask, again and again, as from a thousand sources.
#[test]
fn a_scan_learns_nothing() {
    let _turn = turn();
    let office = Office::open(&json!({}));
    for user in ["1000", "2000"] {
        office.account(user);
    }
    let mut scanner = Stranger::new(&office, 1, PHONE);
    let numeric = office.switch().sip().to_string();
    for host in [numeric.as_str(), DOMAIN] {
        for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "PUBLISH"] {
            for guesses in [false, true] {
                // Two that are there, two that are not, and svwar's name that surely is not.
                let users = ["1000", "2000", "1001", "3000", "1429638170"];
                let answers: BTreeSet<String> =
                    users.iter().map(|user| scanner.asks(method, user, host, guesses)).collect();
                assert_eq!(answers.len(), 1, "{method} to {host} tells accounts apart: {answers:#?}");
                let good = answers.iter().any(|answer| answer.starts_with("SIP/2.0 2"));
                assert!(!good || method == "OPTIONS", "{method} to {host} is granted: {answers:?}");
            }
        }
    }
    assert_eq!(office.switch().rest().all("/calls").len(), 0);
    assert_eq!(office.switch().rest().all("/cdrs").len(), 0, "a scan leaves no CDR");
}

/// The ban of a source, as the command lists it.
fn banned(office: &Office, source: &str, why: &str) {
    until(&format!("the ban of {source}"), || {
        let bans = office.switch().cli(&["ban", "list"]);
        let is = |b: &serde_json::Value| b["source"].as_str().is_some_and(|s| s.starts_with(source)) && b["why"] == why;
        bans.as_array()?.iter().any(is).then_some(())
    });
}

#[test]
fn a_scanner_is_banned_and_an_operator_lets_it_off() {
    let _turn = turn();
    let office = Office::configured(&json!({}), "[protection]\ntrust_loopback = false\n");
    office.account("1000");
    let (mut scanner, mut phone) = (Stranger::new(&office, 2, SCANNER), Stranger::new(&office, 1, PHONE));
    assert_eq!(scanner.asks("OPTIONS", "100", "1.1.1.1", false), "nothing");
    banned(&office, "127.0.0.2", "scanner");
    scanner.agent = PHONE;
    assert_eq!(scanner.asks("OPTIONS", "1000", DOMAIN, false), "nothing", "whatever it calls itself now");
    assert!(phone.asks("OPTIONS", "1000", DOMAIN, false).starts_with("SIP/2.0 200"), "others are heard");
    let _ = office.switch().cli(&["ban", "lift", "127.0.0.2"]);
    assert!(scanner.asks("OPTIONS", "1000", DOMAIN, false).starts_with("SIP/2.0 200"));
}

/// What one of sipvicious' programs says it has found at the switch.
fn scans(office: &Office, program: &str, args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let sip = office.switch().sip();
    let mut command = Command::new(program);
    command.env("HOME", home.path()).current_dir(home.path()).args(args);
    let output = command.args(["-p", &sip.port().to_string(), &sip.ip().to_string()]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && !said.contains("Traceback"), "{program} {args:?}: {said}");
    said
}

const NOTHING: &str = "found nothing";
/// A password within the range that is tried.
const GUESSED: &str = "10000045";
const RANGE: &str = "10000040-10000049";

/// The scanner itself, where it is let ask: it sees that somebody is there and who knows the password, and else nothing.
#[test]
fn sipvicious_tells_no_accounts_apart() {
    let _turn = turn();
    if !present("sipvicious_tells_no_accounts_apart", &["svmap"]) {
        return;
    }
    let office = Office::for_phones(&json!({}));
    office.account_with("1002", GUESSED);
    office.account("1004");
    let found = scans(&office, "svmap", &[]);
    assert!(found.contains(&office.switch().sip().to_string()), "svmap can find what answers: {found}");
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let found = scans(&office, "svwar", &["-m", method, "-e", "1000-1009"]);
        assert!(!found.contains("1002") && !found.contains("1004"), "{method}: {found}");
    }
    let found = scans(&office, "svcrack", &["-u", "1002", "-r", RANGE]);
    assert!(found.contains(GUESSED), "svcrack can find a password: {found}");
}

/// The scanner itself at a switch that trusts nobody: each program is banned with its first request.
#[test]
fn sipvicious_learns_nothing_and_is_banned() {
    let _turn = turn();
    if !present("sipvicious_learns_nothing_and_is_banned", &["svmap"]) {
        return;
    }
    let office = Office::exposed();
    office.account_with("1002", GUESSED);
    let found = scans(&office, "svmap", &["-b", "127.0.0.4"]);
    assert!(found.contains(NOTHING), "{found}");
    banned(&office, "127.0.0.4", "scanner");
    // These two have no address but the machine's.
    let programs: [(&str, &[&str]); 2] =
        [("svwar", &["-m", "INVITE", "-e", "1000-1009"]), ("svcrack", &["-u", "1002", "-r", RANGE])];
    for (program, args) in programs {
        let found = scans(&office, program, args);
        assert!(found.contains(NOTHING) && !found.contains(GUESSED), "{program}: {found}");
        banned(&office, "127.0.0.1", "scanner");
        let _ = office.switch().cli(&["ban", "lift", "127.0.0.1"]);
    }
    assert_eq!(office.switch().rest().all("/cdrs").len(), 0, "a scan leaves no CDR");
}

#[test]
fn a_guesser_of_passwords_is_banned() {
    let _turn = turn();
    let office = Office::configured(&json!({}), "[protection]\ntrust_loopback = false\n");
    office.account("1000");
    let mut cracker = Stranger::new(&office, 3, PHONE);
    assert!(cracker.asks("REGISTER", "1000", DOMAIN, false).starts_with("SIP/2.0 401"));
    let users = (1000..1040).map(|n| n.to_string());
    let answers: Vec<String> = users.map(|user| cracker.asks("REGISTER", &user, DOMAIN, true)).collect();
    assert!(!answers.iter().any(|answer| answer.starts_with("SIP/2.0 2")), "{answers:#?}");
    assert_eq!(answers.last().map(String::as_str), Some("nothing"), "it is still answered: {answers:#?}");
    banned(&office, "127.0.0.3", "authentication");
}
