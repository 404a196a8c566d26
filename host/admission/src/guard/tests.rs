//! What the guard lets pass, drops and bans.

use super::*;
use sip_message::ParseLimits;

fn at(seconds: u64) -> Instant {
    Instant::from_unix_nanos((1_000_000 + seconds) * 1_000_000_000)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn request(method: &str, agent: &str, from: &str) -> Message {
    let text = format!(
        "{method} sip:100@acme.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1\r\nFrom: {from};tag=1\r\n\
         To: <sip:100@acme.example>\r\nCall-ID: a\r\nCSeq: 1 {method}\r\nUser-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), &ParseLimits::default()).unwrap_or_else(|r| panic!("{:?}", r.error))
}

fn plain(method: &str) -> Message {
    request(method, "Phone/1", "<sip:alice@acme.example>")
}

fn guard() -> Guard {
    Guard::new(GuardConfig::default())
}

fn listed(guard: &Guard, now: Instant) -> Vec<String> {
    let bans = guard.bans(|company| Some(format!("c{company}.example")), now);
    let line = |b: &Ban| {
        let account = b.account.as_deref().map(|a| format!(" {a}")).unwrap_or_default();
        format!("{}{account} {} {}s {}", b.source, b.why.name(), b.until.since(b.since).as_secs(), b.hits)
    };
    bans.iter().map(line).collect()
}

const COMPANY: CompanyId = CompanyId(1);

#[test]
fn scanners_get_no_answer_and_a_ban() {
    for (agent, from) in [
        ("friendly-scanner", "<sip:a@b>"),
        ("SIPVicious/0.3", "<sip:a@b>"),
        ("Phone", "\"sipvicious\" <sip:100@1.2.3.4>"),
        ("Phone", "\"x\" <sip:100@1.1.1.1>"),
    ] {
        let mut guard = guard();
        let source = ip("203.0.113.5");
        assert_eq!(guard.request(source, &request("OPTIONS", agent, from), at(0)), Verdict::Drop, "{agent} {from}");
        assert!(guard.is_banned(source, |_| false, at(59)));
        assert!(!guard.is_banned(source, |_| true, at(59)), "a trusted one is heard");
        assert!(!guard.is_banned(ip("203.0.113.6"), |_| false, at(59)));
        assert_eq!(listed(&guard, at(59)), ["203.0.113.5 scanner 60s 2"]);
        assert!(!guard.is_banned(source, |_| false, at(60)));
    }
    assert_eq!(guard().request(ip("203.0.113.5"), &plain("OPTIONS"), at(0)), Verdict::Pass);
}

#[test]
fn nobody_is_banned_in_anothers_name() {
    let mut guard = guard();
    let source = ip("203.0.113.5");
    guard.succeeded(source, at(0));
    // Its User-Agent may well be called so, if an account registers with it.
    assert_eq!(guard.request(source, &request("OPTIONS", "sipsak", "<sip:a@b>"), at(1)), Verdict::Pass);
    for _ in 0..5_000 {
        guard.request(source, &plain("REGISTER"), at(2));
        guard.stranger(source, at(2));
    }
    assert_eq!(listed(&guard, at(2)), [""; 0]);
    assert!(guard.counters().source_rate > 4_000, "its flood is dropped all the same");
}

#[test]
fn a_flood_is_dropped_and_one_that_goes_on_is_banned() {
    let mut guard = guard();
    let source = ip("203.0.113.5");
    let passed = (0..1_000).filter(|_| guard.request(source, &plain("REGISTER"), at(0)) == Verdict::Pass).count();
    assert_eq!(passed, 600);
    assert_eq!(listed(&guard, at(0)).len(), 1, "400 were dropped, 300 are forgiven");
    let mut guard = self::guard();
    let passed = (0..300).filter(|_| guard.request(source, &plain("INVITE"), at(0)) == Verdict::Pass).count();
    assert_eq!((passed, listed(&guard, at(0)).len()), (120, 0));
    assert_eq!(guard.request(source, &plain("REGISTER"), at(0)), Verdict::Pass, "only the INVITEs are too many");
}

#[test]
fn an_account_that_fails_is_closed_to_the_source_and_its_neighbour_is_not() {
    let mut guard = guard();
    let office = ip("203.0.113.5");
    let closed = |guard: &mut Guard, user: &str, source: IpAddr, now| {
        guard.is_account_banned(source, COMPANY, || Some(user.to_owned()), now)
    };
    for _ in 0..5 {
        guard.failed(office, COMPANY, "alice", at(0));
        assert!(!closed(&mut guard, "alice", office, at(0)));
    }
    guard.failed(office, COMPANY, "alice", at(0));
    assert!(closed(&mut guard, "alice", office, at(1)));
    assert!(!closed(&mut guard, "bob", office, at(1)) && !closed(&mut guard, "alice", ip("203.0.113.6"), at(1)));
    assert_eq!(listed(&guard, at(1)), ["203.0.113.5 alice@c1.example authentication 60s 1"]);
    assert!(!closed(&mut guard, "alice", office, at(60)));
    // It fails again at once: four times as long.
    guard.failed(office, COMPANY, "alice", at(61));
    guard.failed(office, COMPANY, "alice", at(61));
    guard.failed(office, COMPANY, "alice", at(61));
    guard.failed(office, COMPANY, "alice", at(61));
    guard.failed(office, COMPANY, "alice", at(61));
    guard.failed(office, COMPANY, "alice", at(61));
    assert_eq!(listed(&guard, at(62)), ["203.0.113.5 alice@c1.example authentication 240s 0"]);
    assert!(!guard.is_banned(office, |_| false, at(62)));
    assert!(guard.lift(office, at(63)) && !guard.lift(office, at(63)));
    assert!(!closed(&mut guard, "alice", office, at(63)));
}

#[test]
fn a_source_that_fails_with_many_accounts_is_banned_longer_each_time() {
    let mut guard = guard();
    let source = ip("2001:db8:1:2::7");
    let mut now = at(0);
    let mut lengths = Vec::new();
    for round in 0..8 {
        for n in 0..60 {
            guard.failed(source, COMPANY, &format!("u{round}-{n}"), now);
            if guard.is_banned(ip("2001:db8:1:2:ffff::1"), |_| false, now) {
                break;
            }
        }
        let ban = guard.bans(|_| None, now).into_iter().find(|b| b.account.is_none()).unwrap();
        assert_eq!((ban.source.to_string().as_str(), ban.why), ("2001:db8:1:2::/64", Offence::Authentication));
        lengths.push(ban.until.since(ban.since).as_secs());
        now = ban.until;
    }
    assert_eq!(lengths, [60, 240, 960, 3_840, 15_360, 61_440, 86_400, 86_400]);
    // After a quiet day it is a stranger again.
    now = now + Duration::from_secs(86_400);
    (0..60).for_each(|n| guard.failed(source, COMPANY, &format!("v{n}"), now));
    let ban = guard.bans(|_| None, now).into_iter().find(|b| b.account.is_none()).unwrap();
    assert_eq!(ban.until.since(now).as_secs() / 60, 1);
}

#[test]
fn an_account_has_a_rate() {
    let mut guard = guard();
    let within = (0..100).filter(|_| guard.spend(AccountId(1), &plain("INVITE"), at(0))).count();
    assert_eq!(within, 60);
    assert!(guard.spend(AccountId(2), &plain("INVITE"), at(0)) && guard.spend(AccountId(1), &plain("REGISTER"), at(0)));
    assert!(guard.spend(AccountId(1), &plain("INVITE"), at(1)));
}

#[test]
fn nobodys_domains_are_forgiven_for_a_while() {
    let mut guard = guard();
    let source = ip("203.0.113.5");
    (0..20).for_each(|_| guard.stranger(source, at(0)));
    assert!(!guard.is_banned(source, |_| false, at(0)));
    guard.stranger(source, at(0));
    assert_eq!(listed(&guard, at(0)), ["203.0.113.5 unknown-domain 60s 0"]);
}

#[test]
fn tables_are_bounded() {
    let mut guard =
        Guard::new(GuardConfig { sources_max: 100, bans_max: 50, accounts_max: 10, ..GuardConfig::default() });
    for n in 0..1_000_u32 {
        let source = IpAddr::V4(core::net::Ipv4Addr::from(0x0a00_0000 + n));
        guard.request(source, &request("OPTIONS", "sipvicious", "<sip:a@b>"), at(u64::from(n) / 100));
        guard.failed(source, COMPANY, &"x".repeat(1_000), at(0));
        guard.spend(AccountId(i64::from(n)), &plain("INVITE"), at(0));
    }
    assert!(!guard.is_banned(ip("10.1.1.1"), |_| false, at(10)));
    let counters = guard.counters();
    assert_eq!((counters.sources, counters.bans_now), (100, 50));
    assert!(guard.pairs.len() == 100 && guard.spending.len() == 10);
    assert!(guard.pairs.iter().all(|(key, _)| key.2.len() == USER_MAX));
}

#[test]
fn whom_the_operator_trusts() {
    let trusted = "198.51.100.0/24".parse().unwrap();
    let guard = Guard::new(GuardConfig { trusted: vec![trusted], ..GuardConfig::default() });
    for (source, trusts) in [
        ("127.0.0.1", true),
        ("::1", true),
        ("198.51.100.200", true),
        ("::ffff:198.51.100.2", true),
        ("10.0.0.1", false),
    ] {
        assert_eq!(guard.trusts(ip(source)), trusts, "{source}");
    }
    let guard = Guard::new(GuardConfig { trust_loopback: false, ..GuardConfig::default() });
    assert!(!guard.trusts(ip("127.0.0.1")));
    assert!(Guard::new(GuardConfig { enabled: false, ..GuardConfig::default() }).trusts(ip("10.0.0.1")));
}
