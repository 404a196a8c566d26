//! Permissions, forwards, limits, emergency, groups and conditions.

use super::*;
use crate::{
    Coming, Direction, Origin, company_may_call, conditional, emergency, emergency_plan, forward, full,
    goes_to_assistant, may_call, order, outgoing_ddi, ring_at_most, what_happened,
};
use core::time::Duration;
use model::{
    Assistant, Calendar, CallAcl, CallAclRule, Cause, CauseInfo, Condition, ConditionalRoute, EmergencyNumber,
    Endpoint, Forward, ForwardFrom, ForwardWhen, Hours, HuntGroup, HuntMember, HuntParty, HuntStrategy, IdSource,
    MatchList, Permission, RouteLock, Row, RowId, RuleBody, Schedule, Way, Weekdays,
};

fn prefixes(all: &[&str]) -> RuleBody {
    let prefixes = all.iter().map(|n| (*n).to_owned()).collect();
    RuleBody::MatchList(MatchList::new(vec![], prefixes, vec![]).unwrap())
}

fn acl(default: Permission, rules: &[(&str, Permission)]) -> RuleBody {
    let rules =
        rules.iter().map(|(list, permission)| CallAclRule { list: (*list).to_owned(), permission: *permission });
    RuleBody::CallAcl(CallAcl { rules: rules.collect(), default })
}

#[test]
fn the_first_list_that_has_the_number_decides() {
    use Permission::{Allow, Deny};
    let directory = directory(vec![
        ("premium", prefixes(&["+34803", "+34806"])),
        ("spain", prefixes(&["+34"])),
        ("national", acl(Deny, &[("premium", Deny), ("spain", Allow)])),
        ("upside down", acl(Deny, &[("spain", Allow), ("premium", Deny)])),
        ("nobody", acl(Deny, &[])),
        ("anybody", acl(Allow, &[])),
    ]);
    let ask = |own: Option<&str>, companys: Option<&str>, number: &str| {
        let company = company(CompanyRules { call_acl: companys.map(str::to_owned), ..CompanyRules::default() });
        let rules = AccountRules { call_acl: own.map(str::to_owned), ..AccountRules::default() };
        may_call(&directory, &company, &account("1001", rules), number)
    };
    for (own, companys, number, may) in [
        (None, None, "+88216", true),
        (Some("national"), None, "+34944", true),
        (Some("national"), None, "+34803", false),
        (Some("national"), None, "+44207", false),
        (Some("upside down"), None, "+34803", true),
        (None, Some("nobody"), "+34944", false),
        (Some("anybody"), Some("nobody"), "+34944", true),
        (Some("gone"), Some("anybody"), "+34944", false),
    ] {
        assert_eq!(ask(own, companys, number), may, "{own:?} {companys:?} {number}");
    }
}

fn goes(when: ForwardWhen, from: ForwardFrom, to: &str) -> Forward {
    let after_s = (when == ForwardWhen::NoAnswer).then_some(15);
    Forward { after_s, ..Forward::new(when, from, Way::Extension(to.to_owned())) }
}

#[test]
fn a_forward_for_this_origin_goes_before_one_for_anybody() {
    let rules = AccountRules {
        forwards: vec![
            goes(ForwardWhen::Busy, ForwardFrom::Anybody, "any"),
            goes(ForwardWhen::Busy, ForwardFrom::External, "out"),
            goes(ForwardWhen::NoAnswer, ForwardFrom::Internal, "in"),
        ],
        ..AccountRules::default()
    };
    rules.check().unwrap();
    let (directory, account, now) = (directory(vec![]), account("1001", rules), local("2026-11-23", 0, "10:00"));
    let coming = |origin| Coming { origin, ddi: None, now: &now };
    let to = |when, origin| match forward(&directory, &account, when, coming(origin)).map(|f| &f.to) {
        Some(Way::Extension(to)) => to.as_str(),
        _ => "-",
    };
    assert_eq!(to(ForwardWhen::Busy, Origin::External), "out");
    assert_eq!(to(ForwardWhen::Busy, Origin::Internal), "any");
    assert_eq!(to(ForwardWhen::NoAnswer, Origin::Internal), "in");
    assert_eq!(to(ForwardWhen::NoAnswer, Origin::External), "-");
    assert_eq!(to(ForwardWhen::Unconditional, Origin::Internal), "-");
    let (plan, short) = (Duration::from_secs(60), Duration::from_secs(5));
    let most = |origin, plan| ring_at_most(&directory, &account, coming(origin), plan);
    assert_eq!(most(Origin::Internal, plan), Duration::from_secs(15));
    assert_eq!(most(Origin::Internal, short), short);
    assert_eq!(most(Origin::External, plan), plan);
}

/// Scenario 15 of the first reference, and the rest of what makes one forward narrower than another.
#[test]
fn the_narrowest_forward_that_stands_counts() {
    use ForwardFrom::{Anybody, External};
    let to = |name: &str, from| goes(ForwardWhen::Unreachable, from, name);
    let by = |name: &str, ddi: &str| Forward { ddi: Some(ddi.to_owned()), ..to(name, Anybody) };
    let at = |name: &str, from, schedule: &str| Forward { schedule: Some(schedule.to_owned()), ..to(name, from) };
    let off = Forward { enabled: false, ..by("off", "+34900") };
    let forwards = vec![
        off,
        to("any", Anybody),
        at("morning", Anybody, "morning"),
        at("day", Anybody, "day"),
        at("never", External, "gone"),
        to("outside", External),
        by("first", "+34900"),
        by("second", "+34901"),
    ];
    let rules = AccountRules { forwards, ..AccountRules::default() };
    rules.check().unwrap();
    let open = |from: &str, to: &str| {
        let hours = vec![Hours { days: Weekdays::ALL, from: time(from), to: time(to) }];
        RuleBody::Schedule(Schedule { hours })
    };
    let directory = directory(vec![("morning", open("08:00", "12:00")), ("day", open("08:00", "18:00"))]);
    let account = account("1001", rules);
    for (origin, ddi, clock, to) in [
        (Origin::External, Some("+34900"), "10:00", "first"),
        (Origin::External, Some("+34901"), "20:00", "second"),
        (Origin::External, Some("+34902"), "10:00", "outside"),
        (Origin::External, None, "10:00", "outside"),
        (Origin::Internal, None, "10:00", "morning"),
        (Origin::Internal, None, "14:00", "day"),
        (Origin::Internal, None, "20:00", "any"),
    ] {
        let now = local("2026-11-23", 0, clock);
        let found = forward(&directory, &account, ForwardWhen::Unreachable, Coming { origin, ddi, now: &now });
        assert_eq!(found.map(|f| &f.to), Some(&Way::Extension(to.to_owned())), "{origin:?} {ddi:?} {clock}");
    }
}

#[test]
fn what_became_of_the_phones_says_which_forward_is_meant() {
    let own = CauseInfo::local;
    let by_phone = |sip| CauseInfo { cause: Cause::from_sip(sip), sip, reason: String::new(), by_remote: true };
    for (tried, when) in [
        (vec![own(Cause::NotRegistered)], Some(ForwardWhen::Unreachable)),
        (vec![own(Cause::TransportFailed)], Some(ForwardWhen::Unreachable)),
        (vec![own(Cause::SignallingTimeout)], Some(ForwardWhen::Unreachable)),
        (vec![by_phone(480)], Some(ForwardWhen::Unreachable)),
        (vec![by_phone(486)], Some(ForwardWhen::Busy)),
        (vec![by_phone(600)], Some(ForwardWhen::Busy)),
        (vec![by_phone(603)], Some(ForwardWhen::Busy)),
        (vec![own(Cause::CallsMaxIn)], Some(ForwardWhen::Busy)),
        (vec![own(Cause::DoNotDisturb)], Some(ForwardWhen::Busy)),
        (vec![own(Cause::NoAnswer)], Some(ForwardWhen::NoAnswer)),
        // Scenario 14: one phone declines, the other rings on: nobody answered.
        (vec![by_phone(603), own(Cause::NoAnswer)], Some(ForwardWhen::NoAnswer)),
        (vec![own(Cause::NotRegistered), by_phone(486)], Some(ForwardWhen::Busy)),
        (vec![own(Cause::NotFound)], None),
        (vec![own(Cause::NotPermitted)], None),
        (vec![by_phone(488)], None),
        (vec![], None),
    ] {
        assert_eq!(what_happened(&tried), when, "{tried:?}");
    }
}

#[test]
fn forwards_that_say_two_things_are_refused() {
    let twice =
        vec![goes(ForwardWhen::Busy, ForwardFrom::Anybody, "1"), goes(ForwardWhen::Busy, ForwardFrom::Anybody, "2")];
    let patient = Forward { after_s: Some(5), ..goes(ForwardWhen::Busy, ForwardFrom::Anybody, "1") };
    let endless = Forward { after_s: None, ..goes(ForwardWhen::NoAnswer, ForwardFrom::Anybody, "1") };
    let inside = Forward { ddi: Some("+34900".to_owned()), ..goes(ForwardWhen::Busy, ForwardFrom::Internal, "1") };
    let unwritten = Forward { ddi: Some("900".to_owned()), ..goes(ForwardWhen::Busy, ForwardFrom::Anybody, "1") };
    let many = vec![
        Forward { enabled: false, ..goes(ForwardWhen::Busy, ForwardFrom::Anybody, "1") };
        AccountRules::FORWARDS_MAX + 1
    ];
    for forwards in [twice, vec![patient], vec![endless], vec![inside], vec![unwritten], many] {
        assert!(
            AccountRules { forwards: forwards.clone(), ..AccountRules::default() }.check().is_err(),
            "{forwards:?}"
        );
    }
}

#[test]
fn the_reply_codes_of_the_reference() {
    for (cause, status) in [
        (Cause::CallsMaxOut, 403),
        (Cause::CallsMaxIn, 486),
        (Cause::DoNotDisturb, 486),
        (Cause::CallerRefused, 403),
        (Cause::NotPermitted, 403),
        (Cause::NotFound, 404),
        (Cause::NoRoute, 500),
        (Cause::RouteBlocked, 403),
        (Cause::RoutesExhausted, 503),
    ] {
        assert_eq!(cause.sip_status(), status, "{cause:?}");
    }
    assert_eq!(Cause::CallerRefused.q850(), 21);
}

#[test]
fn one_full_level_is_enough() {
    for (direction, cause) in [(Direction::Out, Cause::CallsMaxOut), (Direction::In, Cause::CallsMaxIn)] {
        assert_eq!(full(direction, &[(10, None), (3, Some(4)), (0, Some(1))]), None);
        assert_eq!(full(direction, &[(10, None), (4, Some(4)), (0, Some(1))]), Some(cause));
        assert_eq!(full(direction, &[(10, Some(10)), (3, Some(4))]), Some(cause));
        assert_eq!(full(direction, &[(0, Some(0))]), Some(cause));
    }
}

#[test]
fn an_emergency_number_is_known_as_dialled_and_no_refusal_stops_it() {
    let number = EmergencyNumber {
        number: "112".to_owned(),
        dials: Some("+34112".to_owned()),
        trunks: vec!["a".to_owned(), "b".to_owned()],
    };
    let rules = CompanyRules { emergency: vec![number.clone()], ..CompanyRules::default() };
    rules.check().unwrap();
    assert_eq!(emergency(&rules, "112"), Some(&number));
    assert_eq!(emergency(&rules, "1120"), None);
    assert_eq!(emergency(&rules, "0112"), None);
    let plan = emergency_plan(&number);
    let trunks: Vec<_> = plan.steps.iter().map(|s| (&s.targets[0].to, s.advance_on.contains(&603))).collect();
    let to = |name: &str| Endpoint::Trunk { name: name.to_owned(), number: "+34112".to_owned(), prefix: String::new() };
    assert_eq!(trunks, [(&to("a"), true), (&to("b"), true)]);
    for trunks in [0, EmergencyNumber::TRUNKS_MAX + 1] {
        let wrong = EmergencyNumber { trunks: vec!["a".to_owned(); trunks], ..number.clone() };
        assert!(CompanyRules { emergency: vec![wrong], ..CompanyRules::default() }.check().is_err(), "{trunks}");
    }
    assert!(EmergencyNumber::TRUNKS_MAX <= model::Limits::default().plan_steps_max);
}

#[test]
fn an_account_shows_its_own_number_or_its_companys() {
    let directory = directory(vec![]);
    let ask = |own: Option<&str>, companys: Option<&str>| {
        let rules = CompanyRules { outgoing_ddi: companys.map(str::to_owned), ..CompanyRules::default() };
        let own = AccountRules { outgoing_ddi: own.map(str::to_owned), ..AccountRules::default() };
        outgoing_ddi(&directory, &company(rules), &account("1001", own)).map(str::to_owned)
    };
    // The company has +34900 and +34901.
    assert_eq!(ask(Some("+34901"), Some("+34900")).as_deref(), Some("+34901"));
    assert_eq!(ask(None, Some("+34900")).as_deref(), Some("+34900"));
    assert_eq!(ask(Some("+34999"), Some("+34900")).as_deref(), Some("+34900"), "somebody else's number");
    assert_eq!(ask(Some("+34999"), Some("+34998")), None);
}

/// `+34600` is somebody outside.
fn party(name: &str) -> HuntParty {
    let name = name.to_owned();
    if name.starts_with('+') { HuntParty::Number(name) } else { HuntParty::Account(name) }
}

fn group(strategy: HuntStrategy, members: &[(&str, u16)], rounds: u8) -> HuntGroup {
    let member = |(name, priority): &(&str, u16)| HuntMember { to: party(name), priority: *priority, ring_s: 10 };
    let members = members.iter().map(member).collect();
    HuntGroup { strategy, members, ring_s: 30, rounds, no_answer: None, prevent_missed_calls: false }
}

fn rung(group: &HuntGroup, turn: u64) -> Vec<String> {
    let name = |party: &&HuntParty| match party {
        HuntParty::Account(name) | HuntParty::Number(name) => name.clone(),
    };
    let rings = order(group, turn, &mut IdSource::new([7; 32]));
    rings.iter().map(|r| r.members.iter().map(name).collect::<Vec<_>>().join("+")).collect()
}

#[test]
fn a_group_rings_in_the_order_of_its_strategy() {
    let members = [("c", 2), ("a", 1), ("b", 1)];
    assert_eq!(rung(&group(HuntStrategy::Linear, &[("a", 1), ("+34600", 0)], 1), 0), ["+34600", "a"]);
    assert_eq!(rung(&group(HuntStrategy::RingAll, &members, 1), 0), ["a+b+c"]);
    assert_eq!(rung(&group(HuntStrategy::Linear, &members, 1), 5), ["a", "b", "c"]);
    let round = group(HuntStrategy::RoundRobin, &members, 2);
    assert_eq!(rung(&round, 0), ["a", "b", "c", "a", "b", "c"]);
    assert_eq!(rung(&round, 1), ["b", "c", "a", "b", "c", "a"]);
    assert_eq!(rung(&round, 3), rung(&round, 0));
    assert_eq!(rung(&group(HuntStrategy::RingAll, &[], 1), 0), Vec::<String>::new());
    assert_eq!(rung(&group(HuntStrategy::RoundRobin, &[], 3), 9), Vec::<String>::new());
}

/// Scenario 16: a lock that is thrown sends the next call by the other branch.
#[test]
fn a_condition_needs_every_sort_that_it_names() {
    let now = local("2026-11-23", 0, "10:00");
    let named = |n: &str| vec![n.to_owned()];
    let condition = Condition {
        match_lists: named("vips"),
        schedules: vec![],
        calendars: vec![],
        locks: vec!["closed".to_owned(), "door".to_owned()],
        way: Way::Extension("200".to_owned()),
    };
    let route = ConditionalRoute { conditions: vec![condition.clone()], otherwise: Way::Extension("300".to_owned()) };
    let with = |door: bool| {
        let lock = |open| RuleBody::RouteLock(RouteLock { open, code: None });
        let year = RuleBody::Calendar(Calendar::default());
        directory(vec![("vips", prefixes(&["+34944"])), ("year", year), ("closed", lock(false)), ("door", lock(door))])
    };
    let goes = |caller: &str, door: bool| conditional(&with(door), COMPANY, &route, (caller, &now)).clone();
    assert_eq!(goes("+34944048182", true), Way::Extension("200".to_owned()));
    assert_eq!(goes("+34944048182", false), Way::Extension("300".to_owned()));
    assert_eq!(goes("+34600", true), Way::Extension("300".to_owned()));
    let holiday = Condition { calendars: named("year"), match_lists: vec![], locks: vec![], ..condition.clone() };
    let route = ConditionalRoute { conditions: vec![holiday], otherwise: Way::Refuse };
    assert_eq!(conditional(&with(true), COMPANY, &route, ("+34600", &now)), &Way::Refuse);
    let always = Condition { match_lists: vec![], locks: vec![], ..condition };
    let route = ConditionalRoute { conditions: vec![always], otherwise: Way::Refuse };
    let way = conditional(&with(true), COMPANY, &route, ("+34600", &now)).clone();
    assert_eq!(way, Way::Extension("200".to_owned()), "no criterion holds always");
}

/// What a company itself calls (its numbers, filters and groups) is its own ACL's matter.
#[test]
fn the_company_pays_by_its_own_acl() {
    use Permission::Deny;
    let directory = directory(vec![("nobody", acl(Deny, &[]))]);
    let with = |name: &str| company(CompanyRules { call_acl: Some(name.to_owned()), ..CompanyRules::default() });
    assert!(company_may_call(&directory, &company(CompanyRules::default()), "+34900"));
    assert!(!company_may_call(&directory, &with("nobody"), "+34900"));
}

/// Scenario 13, the gate: the assistant and white lists get through, everybody else does not.
#[test]
fn a_boss_is_called_by_the_assistant_and_by_who_is_listed() {
    let directory = directory(vec![("vips", prefixes(&["+34944"]))]);
    let boss = |assistant: &str| {
        let assistant = Assistant { account: assistant.to_owned(), white_lists: vec!["vips".to_owned()] };
        let rules = AccountRules { assistant: Some(assistant), ..AccountRules::default() };
        rules.check().unwrap();
        account("boss", rules)
    };
    // The company has account 1001.
    for (assistant, account, caller, goes) in [
        ("1001", None, "+34600", Some("1001")),
        ("1001", None, "+34944048182", None),
        ("1001", Some("1002"), "1002", Some("1001")),
        ("1001", Some("1001"), "1001", None),
        ("gone", None, "+34600", None),
    ] {
        assert_eq!(goes_to_assistant(&directory, &boss(assistant), account, caller), goes, "{assistant} {caller}");
    }
}

/// Of whom not all is known may call nobody outside; emergency numbers are not asked about here.
#[test]
fn the_barred_call_nobody_outside_whatever_their_acl_says() {
    let open = || directory(vec![("anybody", acl(Permission::Allow, &[]))]);
    let who = account("1001", AccountRules { call_acl: Some("anybody".to_owned()), ..AccountRules::default() });
    let theirs = company(CompanyRules::default());
    let may = |d: &Directory| [may_call(d, &theirs, &who, "+34900"), company_may_call(d, &theirs, "+34900")];
    let of = |id: RowId| {
        let mut barred = open();
        barred.put(Row::Account(who.clone())).unwrap();
        barred.bar(id);
        may(&barred)
    };
    assert_eq!(may(&open()), [true, true]);
    assert_eq!(of(RowId::Account(who.id)), [false, true]);
    assert_eq!(of(RowId::Company(theirs.id)), [false, false]);
}
