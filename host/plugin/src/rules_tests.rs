//! Each rule is broken once.

use super::*;
use crate::bindings::router::strowger::types::types::Header as WitHeader;

fn to(endpoint: wit::Endpoint) -> wit::Target {
    wit::Target { to: endpoint, caller_id: None, header_ops: vec![], attrs: vec![] }
}

fn ring(targets: Vec<wit::Target>) -> wit::Plan {
    let step = wit::Step { targets, ring_timeout_ms: 20_000, advance_on: vec![] };
    wit::Plan {
        steps: vec![step],
        handling: wit::Handling::TenantDefault,
        media: wit::MediaPath::TenantDefault,
        header_ops: vec![],
        max_duration_s: None,
        attrs: vec![],
    }
}

fn account(name: &str) -> wit::Target {
    to(wit::Endpoint::Account(name.to_owned()))
}

fn refused(decision: wit::Decision) -> String {
    match verdict(decision, &Limits::default(), "b") {
        Ok(v) => panic!("passed: {v:?}"),
        Err(Broken(rule)) => rule,
    }
}

fn set(name: &str, value: &str) -> Vec<WitHeaderOp> {
    vec![WitHeaderOp::Set(WitHeader { name: name.to_owned(), value: value.to_owned() })]
}

#[test]
fn a_plain_plan_passes_and_its_attributes_bear_the_bindings_name() {
    let mut plan = ring(vec![account("1001"), to(wit::Endpoint::Uri("sip:7@[2001:db8::1]:5070;transport=tcp".into()))]);
    plan.attrs = vec![("class".to_owned(), "gold".to_owned())];
    let Ok(Verdict::Decided(Decision::Connect(p))) =
        verdict(wit::Decision::Connect(plan), &Limits::default(), "extensions")
    else {
        panic!("not connected")
    };
    assert_eq!(p.attrs, [("extensions.class".to_owned(), "gold".to_owned())]);
    assert_eq!(p.steps[0].targets.len(), 2);
}

#[test]
fn plans_keep_to_the_limits() {
    let mut none = ring(vec![]);
    assert_eq!(refused(wit::Decision::Connect(none.clone())), "step: at least one target");
    none.steps.clear();
    assert_eq!(refused(wit::Decision::Connect(none)), "plan: at least one step");
    let many = ring((0..21).map(|i| account(&i.to_string())).collect());
    assert_eq!(refused(wit::Decision::Connect(many)), "plan: plan-targets-max");
    let mut long = ring(vec![account("1")]);
    long.steps = vec![long.steps[0].clone(); 11];
    assert_eq!(refused(wit::Decision::Connect(long)), "plan: plan-steps-max");
    for ms in [0, 180_001] {
        let mut plan = ring(vec![account("1")]);
        plan.steps[0].ring_timeout_ms = ms;
        assert_eq!(refused(wit::Decision::Connect(plan)), "ring-timeout-ms: ring-timeout-max-s");
    }
    let mut plan = ring(vec![account("1")]);
    plan.steps[0].advance_on = vec![200];
    assert_eq!(refused(wit::Decision::Connect(plan)), "step: advance-on 300 to 699");
    let mut plan = ring(vec![account("1")]);
    plan.max_duration_s = Some(10_801);
    assert_eq!(refused(wit::Decision::Connect(plan)), "plan: max-duration-s");
}

#[test]
fn uris_are_literal_and_carry_no_headers() {
    for good in ["sip:1.2.3.4", "sip:a@1.2.3.4:5060", "SIP:a@[::1]", "sip:a:pw@1.2.3.4;transport=udp"] {
        assert_eq!(uri(good, "u"), Ok(()), "{good}");
    }
    for bad in [
        "",
        "sip:",
        "tel:+44",
        "sips:a@1.2.3.4",
        "sip:a@example.com",
        "sip:a@1.2.3.4:0",
        "sip:a@1.2.3.4:99999",
        "sip:a@1.2.3.4?Via=x",
        "sip:a@1.2.3.4\r\nVia: x",
        "sip:a b@1.2.3.4",
        "<sip:a@1.2.3.4>",
        "sip:@1.2.3.4",
        "sip:a@::1",
        "sip:a@[1.2.3.4]",
        "sip:a@1.2.3.4;x=\u{e9}",
        "\u{e9}\u{e9}\u{e9}",
    ] {
        assert!(uri(bad, "u").is_err(), "{bad:?}");
    }
}

#[test]
fn the_switchs_own_headers_cannot_be_changed_in_any_spelling() {
    for name in [
        "Via",
        "v",
        "ROUTE",
        "Record-Route",
        "Contact",
        "m",
        "Call-ID",
        "I",
        "CSeq",
        "From",
        "t",
        "L",
        "Require",
        "Session-Expires",
        "X",
        "RAck",
        "Identity",
    ] {
        assert!(header_ops(set(name, "x")).is_err(), "{name}");
        assert!(header_ops(vec![WitHeaderOp::Remove(name.to_owned())]).is_err(), "{name}");
    }
    for name in ["", "X Y", "X:", "X\r\nVia", "\u{e9}"] {
        assert!(header_ops(set(name, "x")).is_err(), "{name:?}");
    }
    for value in ["a\r\nVia: b", "a\nb", "a\0"] {
        assert!(header_ops(set("X-A", value)).is_err(), "{value:?}");
    }
    assert!(header_ops(vec![WitHeaderOp::Other(("x".into(), "y".into()))]).is_err());
    assert_eq!(header_ops(set("P-Asserted-Identity", "<sip:+44@1.2.3.4>")).map(|o| o.len()), Ok(1));
}

#[test]
fn refusals_redirects_apps_and_reroutes_are_checked() {
    for sip in [0, 100, 200, 302, 399, 700] {
        let r = wit::Refusal { sip, reason: "no".to_owned(), header_ops: vec![] };
        assert_eq!(refused(wit::Decision::Refuse(r)), "refuse: status 400 to 699");
    }
    let r = wit::Refusal { sip: 486, reason: "a\r\nb".to_owned(), header_ops: vec![] };
    assert!(refused(wit::Decision::Refuse(r)).starts_with("refuse: reason"));
    assert_eq!(refused(wit::Decision::Redirect(vec![])), "redirect: one to ten contacts");
    assert!(refused(wit::Decision::Redirect(vec!["mailto:x".to_owned()])).starts_with("redirect"));
    assert!(refused(wit::Decision::App(("a b".to_owned(), vec![]))).starts_with("app: name"));
    assert!(refused(wit::Decision::Reroute(("a@b".to_owned(), vec![]))).starts_with("reroute"));
    assert_eq!(refused(wit::Decision::Other(("fly".into(), "me".into()))), "decision `fly` is not known");
    let many = (0..33).map(|i| (i.to_string(), String::new())).collect();
    assert_eq!(refused(wit::Decision::Next(many)), "attrs: at most 32");
}

#[test]
fn verbs_are_checked() {
    let limits = Limits::default();
    let spec = |max, min| ctl::CollectSpec {
        prompts: vec![],
        min_digits: min,
        max_digits: max,
        terminators: "#".to_owned(),
        first_digit_ms: u32::MAX,
        inter_digit_ms: 1,
        attrs: vec![],
    };
    assert!(collect(spec(0, 0), &limits).is_err() && collect(spec(65, 0), &limits).is_err());
    assert!(collect(spec(1, 2), &limits).is_err());
    assert_eq!(collect(spec(1, 1), &limits).map(|c| c.first_digit), Ok(Duration::from_secs(600)));
    assert!(digits("12x".to_owned()).is_err());
    let other = |name: &str, value: &str| prompts(vec![ctl::Prompt::Other((name.into(), value.into()))], &limits);
    let said = |value: &str| match other("speech", value).map(|mut list| list.remove(0)) {
        Ok(Prompt::Brought { from: SoundSource::Speech(s), .. }) => Some((s.language, s.voice, s.text)),
        _ => None,
    };
    assert_eq!(said("en:Hi: there"), Some(("en".into(), None, "Hi: there".into())));
    assert_eq!(said("pt-BR/ana:oi"), Some(("pt-BR".into(), Some("ana".into()), "oi".into())));
    for bad in ["hi", ":hi", "en:", "en: ", "-x:hi", "en/--stdout:hi", "en/a b:hi", "en:a\u{7}"] {
        assert_eq!(said(bad), None, "{bad}");
    }
    assert_eq!(said(&format!("en:{}", "x".repeat(2_001))), None);
    let from = SoundSource::Url("https://a.test/x.opus".into());
    assert_eq!(other("url", "https://a.test/x.opus"), Ok(vec![Prompt::Brought { from, sound: Clip::default() }]));
    assert!(other("url", "https://a.test/\r\nx").is_err() && other("url", &"x".repeat(2_049)).is_err());
    assert!(prompts(vec![ctl::Prompt::Other(("tts".into(), "hi".into()))], &limits).is_err());
    assert!(prompts(vec![ctl::Prompt::SilenceMs(1); 33], &limits).is_err());
    assert!(refusal(200, "").is_err() && refusal(302, "ok").is_ok());
}
