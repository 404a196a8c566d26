//! What the common SIP scanners send (sipvicious: svmap, svwar, svcrack) tells nobody which accounts there are.

use crate::turn;
use interop::{DOMAIN, Office, Ua};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// An answer comes within this time over loopback, or there is none.
const WAIT: Duration = Duration::from_millis(500);

/// A request as svwar writes it, from a source that nobody knows.
fn probe(ua: &Ua, method: &str, user: &str, (host, authorization, n): (&str, &str, u32)) -> String {
    let own = ua.address();
    let target = if method == "REGISTER" { format!("sip:{host}") } else { format!("sip:{user}@{host}") };
    ua.send(&format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{n};rport\r\nMax-Forwards: 70\r\n\
         From: \"{user}\"<sip:{user}@{host}>;tag={n}\r\nTo: \"{user}\"<sip:{user}@{host}>\r\nCall-ID: {n}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:{user}@{own}>\r\nUser-Agent: friendly-scanner\r\nEvent: presence\r\n{authorization}\
         Content-Length: 0\r\n\r\n",
    ));
    let answer = core::iter::from_fn(|| ua.poll(WAIT)).find(|m| m.status() >= 200);
    if let Some(answer) = answer.as_ref().filter(|_| method == "INVITE") {
        let to = answer.header("To");
        ua.send(&format!(
            "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{n};rport\r\nMax-Forwards: 70\r\n\
             From: \"{user}\"<sip:{user}@{host}>;tag={n}\r\nTo: {to}\r\nCall-ID: {n}\r\nCSeq: 1 ACK\r\n\
             Content-Length: 0\r\n\r\n",
        ));
    }
    answer.map_or_else(|| "nothing".to_owned(), |m| plain(&m.text, user))
}

/// An answer without what differs from one request to the next: its names, and the nonce.
fn plain(answer: &str, user: &str) -> String {
    let own = ["Via:", "From:", "To:", "Call-ID:", "Date:"];
    let lines = answer.lines().filter(|l| !own.iter().any(|name| l.starts_with(name)));
    lines.map(|l| without_nonce(l).replace(user, "USER") + "\n").collect()
}

fn without_nonce(line: &str) -> String {
    let Some((before, rest)) = line.split_once("nonce=\"") else { return line.to_owned() };
    format!("{before}{}", rest.split_once('"').map_or("", |(_, after)| after))
}

#[test]
fn a_scan_learns_nothing() {
    let _turn = turn();
    let office = Office::open(&json!({}));
    for user in ["1000", "2000"] {
        office.account(user);
    }
    let scanner = Ua::new(office.switch().sip());
    let numeric = office.switch().sip().to_string();
    let cracked = |user: &str, uri: &str| {
        format!(
            "Authorization: Digest username=\"{user}\",realm=\"{DOMAIN}\",nonce=\"5f2d0e\",uri=\"{uri}\",\
             response=\"00112233445566778899aabbccddeeff\",algorithm=MD5\r\n"
        )
    };
    let mut n = 0;
    for host in [numeric.as_str(), DOMAIN] {
        for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "PUBLISH"] {
            for guesses in [false, true] {
                // Two that are there, two that are not, and svwar's name that surely is not.
                let users = ["1000", "2000", "1001", "3000", "1429638170"];
                let answers: BTreeSet<String> = users
                    .iter()
                    .map(|user| {
                        n += 1;
                        let uri = format!("sip:{host}");
                        let guess = if guesses { cracked(user, &uri) } else { String::new() };
                        probe(&scanner, method, user, (host, &guess, n))
                    })
                    .collect();
                assert_eq!(answers.len(), 1, "{method} to {host} tells accounts apart: {answers:#?}");
                let answer = answers.first().unwrap();
                let good = answer.starts_with("SIP/2.0 2");
                assert!(!good || method == "OPTIONS", "{method} to {host} is granted: {answer}");
            }
        }
    }
    assert_eq!(office.switch().rest().all("/calls").len(), 0);
    assert_eq!(office.switch().rest().all("/cdrs").len(), 0, "a scan leaves no CDR");
}
