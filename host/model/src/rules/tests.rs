//! What a rule may say, and how it is written.

use super::*;

fn body<T: for<'de> Deserialize<'de> + Serialize>(json: &str) -> Result<String, String> {
    let read: T = serde_json::from_str(json).map_err(|e| e.to_string())?;
    serde_json::to_string(&read).map_err(|e| e.to_string())
}

#[test]
fn a_rule_is_written_as_it_was_read() {
    for (json, again) in [
        (r#"{"hours":[{"days":["mon","fri"],"from":"09:00","to":"24:00"}]}"#, body::<Schedule> as fn(&str) -> _),
        (r#"{"numbers":["+34944"],"prefixes":["+44","+"],"patterns":["^\\+1(2|3)"]}"#, body::<MatchList>),
        (
            r#"{"holidays":[{"name":"x","date":"2028-02-29","hours":{"from":"00:00","to":"12:00"},"way":{"kind":"refuse"}}],"periods":[{"name":"y","from":"2026-07-01","until":"2026-08-31","schedules":["summer"],"way":{"kind":"app","name":"menu"}}]}"#,
            body::<Calendar>,
        ),
        (
            r#"{"black_lists":["a"],"white_lists":[],"calendars":[],"schedules":["b"],"closed":{"kind":"number","name":"+34944"}}"#,
            body::<CallFilter>,
        ),
        (r#"{"rules":[{"list":"a","permission":"allow"}],"default":"deny"}"#, body::<CallAcl>),
        (
            r#"{"forwards":[{"when":"no-answer","from":"external","to":{"kind":"extension","name":"200"},"after_s":20}],"call_acl":"a","calls_max":2,"outgoing_ddi":"+34944"}"#,
            body::<AccountRules>,
        ),
        (
            r#"{"time_zone":"Europe/Madrid","emergency":[{"number":"112","dials":"+34112","trunks":["gw"]}]}"#,
            body::<CompanyRules>,
        ),
    ] {
        assert_eq!(again(json), Ok(json.to_owned()));
    }
}

#[test]
fn what_cannot_be_meant_is_not_read() {
    for (json, read) in [
        (r#"{"hours":[{"days":["mon"],"from":"9:00","to":"10:00"}]}"#, body::<Schedule> as fn(&str) -> _),
        (r#"{"hours":[{"days":["mon"],"from":"09:00","to":"24:01"}]}"#, body::<Schedule>),
        (r#"{"hours":[{"days":["monday"],"from":"09:00","to":"10:00"}]}"#, body::<Schedule>),
        (r#"{"hours":[],"name":"x"}"#, body::<Schedule>),
        (r#"{"holidays":[{"name":"x","date":"2027-02-29"}]}"#, body::<Calendar>),
        (r#"{"holidays":[{"name":"x","date":"2027-2-28"}]}"#, body::<Calendar>),
        (r#"{"numbers":["34944"]}"#, body::<MatchList>),
        (r#"{"prefixes":["34"]}"#, body::<MatchList>),
        (r#"{"patterns":["("]}"#, body::<MatchList>),
        (r#"{"patterns":[""]}"#, body::<MatchList>),
        (r#"{"closed":{"kind":"nowhere","name":"x"}}"#, body::<CallFilter>),
        (r#"{"strategy":"linear","members":[{"to":{"kind":"extension","name":"x"}}]}"#, body::<HuntGroup>),
        (r#"{"conditions":[]}"#, body::<ConditionalRoute>),
        (r#"{"rules":[]}"#, body::<CallAcl>),
    ] {
        assert!(read(json).is_err(), "{json}");
    }
}

#[test]
fn what_contradicts_itself_is_refused_with_its_field() {
    let schedule = |json: &str| RuleBody::Schedule(serde_json::from_str(json).unwrap());
    let calendar = |json: &str| RuleBody::Calendar(serde_json::from_str(json).unwrap());
    let filter = |json: &str| RuleBody::CallFilter(serde_json::from_str(json).unwrap());
    let group = |members: &str| {
        let json = format!(r#"{{"strategy":"ring-all","members":[{members}]}}"#);
        RuleBody::HuntGroup(serde_json::from_str(&json).unwrap())
    };
    let lock = |json: &str| RuleBody::RouteLock(serde_json::from_str(json).unwrap());
    let shown = |json: &str| RuleBody::OutgoingDdiRules(serde_json::from_str(json).unwrap());
    for (rule, field) in [
        (schedule(r#"{"hours":[]}"#), "hours"),
        (schedule(r#"{"hours":[{"days":["mon"],"from":"22:00","to":"06:00"}]}"#), "hours"),
        (schedule(r#"{"hours":[{"days":["mon"],"from":"09:00","to":"09:00"}]}"#), "hours"),
        (schedule(r#"{"hours":[{"days":[],"from":"09:00","to":"10:00"}]}"#), "hours"),
        (calendar(r#"{"holidays":[{"name":"x","date":"2026-12-25","until":"2026-12-24"}]}"#), "holidays"),
        (calendar(r#"{"periods":[{"name":"x","from":"2026-12-25","until":"2026-12-24","schedules":[]}]}"#), "periods"),
        (filter(r#"{"closed":{"kind":"number","name":"944"}}"#), "closed"),
        (filter(r#"{"holiday":{"kind":"app","name":""}}"#), "holiday"),
        (group(""), "members"),
        (group(r#"{"to":{"kind":"account","name":"a"}},{"to":{"kind":"account","name":"a"}}"#), "members"),
        (group(r#"{"to":{"kind":"number","name":"600"}}"#), "members"),
        (group(r#"{"to":{"kind":"account","name":"a"},"ring_s":0}"#), "ring_s"),
        (lock(r#"{"open":true,"code":"night"}"#), "code"),
        (shown(r#"{"rules":[{"choice":{"kind":"keep"}}],"default":{"kind":"keep"}}"#), "rules"),
        (shown(r#"{"rules":[{"prefix":"1234*","choice":{"kind":"keep"}}],"default":{"kind":"keep"}}"#), "rules"),
        (shown(r#"{"rules":[],"default":{"kind":"force","ddi":"34900"}}"#), "rules"),
    ] {
        assert_eq!(rule.check().map_err(|bad| bad.field), Err(field), "{rule:?}");
    }
}

#[test]
fn a_rule_names_what_it_uses() {
    let filter: CallFilter =
        serde_json::from_str(r#"{"black_lists":["a"],"white_lists":["b"],"calendars":["c"],"schedules":["d"]}"#)
            .unwrap();
    let (list, calendar, schedule) = (RuleKind::MatchList, RuleKind::Calendar, RuleKind::Schedule);
    let uses = [(list, "a"), (list, "b"), (calendar, "c"), (schedule, "d")].map(|(kind, name)| Used::Rule(kind, name));
    assert_eq!(filter.uses(), uses);
    let route = RuleBody::ConditionalRoute(
        serde_json::from_str(
            r#"{"conditions":[{"locks":["l"],"way":{"kind":"voicemail","name":"ann"}}],"otherwise":{"kind":"hunt-group","name":"g"}}"#,
        )
        .unwrap(),
    );
    let group = Used::Rule(RuleKind::HuntGroup, "g");
    assert_eq!(route.uses(), [Used::Rule(RuleKind::RouteLock, "l"), Used::Account("ann"), group]);
    let group: HuntGroup = serde_json::from_str(
        r#"{"strategy":"linear","members":[{"to":{"kind":"account","name":"bob"}},{"to":{"kind":"number","name":"+34600"}}],"no_answer":{"kind":"extension","name":"200"}}"#,
    )
    .unwrap();
    assert_eq!(group.uses(), [Used::Account("bob"), Used::Extension("200")]);
    for kind in RuleKind::ALL {
        assert_eq!(RuleKind::from_word(kind.word()), Some(kind));
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.word()));
    }
    assert_eq!(RuleKind::from_word("hunt-groups"), None);
}

/// Services (3.15): the longest code wins; a company's goes before its brand's before the platform's; an empty one is off.
#[test]
fn service_codes_cascade() {
    let codes = |json: &str| serde_json::from_str::<ServiceCodes>(json).unwrap();
    let (none, brand) = (codes("{}"), codes(r#"{"pickup":"*94","retrieve":""}"#));
    let company = codes(r#"{"pickup":"*9"}"#);
    for (levels, dialled, found) in [
        (vec![&none], "*8200", Some((StarService::Pickup, "200"))),
        (vec![&none, &brand], "*8200", None),
        (vec![&none, &brand], "*94200", Some((StarService::Pickup, "200"))),
        (vec![&company, &brand], "*94200", Some((StarService::Pickup, "4200"))),
        (vec![&company, &brand], "*95", Some((StarService::GroupPickup, ""))),
        (vec![&company, &brand], "*69", None),
        (vec![&none], "*771", Some((StarService::LockToggle, "1"))),
        (vec![&none], "100", None),
    ] {
        assert_eq!(dialled_service(&levels, dialled), found, "{dialled}");
    }
    for wrong in [r#"{"pickup":"8"}"#, r#"{"pickup":"*"}"#, r#"{"pickup":"*123456"}"#, r#"{"park":"*1","pickup":"*1"}"#]
    {
        assert!(codes(wrong).check().is_err(), "{wrong}");
    }
    assert!(codes(r#"{"park":"","pickup":""}"#).check().is_ok());
}
