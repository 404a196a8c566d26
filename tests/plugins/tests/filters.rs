//! Filters of messages: what they are shown, how they are chained, and that nothing that one says makes a message another.

#![allow(clippy::expect_used, reason = "test code")]

use model::{
    AccountId, CallId, Edge, EdgeAt, FilterAnswer, FilterMessage, FilterVerdict, Header, HeaderOp, Names, TrunkId,
};
use plugin::{BindError, BindingSpec, Host, Point};
use plugin_tests::{ACME, BRAND, OTHER, PATIENCE, PROBE, bind, directory, host, host_with};

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

fn add(name: &str, value: &str) -> HeaderOp {
    HeaderOp::Add(header(name, value))
}

fn at(at: EdgeAt, name: &str) -> FilterMessage {
    FilterMessage {
        edge: Edge { call: CallId(7), brand: BRAND, company: ACME, at, withheld: false },
        brand_name: "brand".to_owned(),
        company_name: "acme".to_owned(),
        edge_name: name.to_owned(),
        method: "INVITE".to_owned(),
        status: None,
        inbound: true,
        within: false,
        request_uri: Some("sip:1002@acme.test".to_owned()),
        from_uri: "sip:1001@acme.test".to_owned(),
        to_uri: "sip:1002@acme.test".to_owned(),
        headers: vec![header("User-Agent", "Phone 1"), header("X-Site", "7")],
    }
}

/// An INVITE of the account 1001.
fn invite() -> FilterMessage {
    at(EdgeAt::Account(AccountId(1)), "1001")
}

fn probe(host: &Host, id: i64, config: &str) -> BindingSpec {
    let artifact = host.compile(PROBE).expect("compiles");
    bind(id, &format!("probe{id}"), Point::SipFilter, &artifact, config)
}

async fn ask(host: &Host, message: FilterMessage) -> FilterAnswer {
    tokio::time::timeout(PATIENCE, host.ask_filter(message, directory())).await.expect("it always answers")
}

/// What one filter makes of an INVITE, if it may fail and if it may not.
async fn both_ways(host: &Host, config: &str, message: &FilterMessage) -> [FilterAnswer; 2] {
    let mut spec = probe(host, 1, config);
    host.set_bindings(vec![spec.clone()]).expect("bound");
    let free = ask(host, message.clone()).await;
    spec.mandatory = true;
    host.set_bindings(vec![spec]).expect("bound");
    [free, ask(host, message.clone()).await]
}

#[tokio::test]
async fn each_filter_sees_what_those_before_it_have_changed() {
    let host = host();
    assert_eq!(ask(&host, invite()).await.verdict, FilterVerdict::Pass(Vec::new()), "nobody is bound");
    let last = probe(&host, 3, r#"{"do":"tell"}"#);
    let (first, second) =
        (probe(&host, 1, r#"{"do":"add","text":"one"}"#), probe(&host, 2, r#"{"do":"remove","text":"x-site"}"#));
    // In their order, however they were bound; the brand's before the company's before the account's.
    let (mut company, mut account) = (second, last);
    company.scope.company = Some(ACME);
    (account.scope.company, account.scope.account, account.priority) = (Some(ACME), Some(AccountId(1)), 0);
    host.set_bindings(vec![account, company, first]).expect("bound");
    let answer = ask(&host, invite()).await;
    let told = "INVITE None in None Some('1001') User-Agent=Phone 1;X-Probe=one";
    let changes = vec![add("X-Probe", "one"), HeaderOp::Remove("x-site".to_owned()), add("X-Told", told)];
    assert_eq!(answer.verdict, FilterVerdict::Pass(changes), "{:?}", answer.hooks);
    let shown: Vec<_> = answer.hooks.iter().map(|h| (h.binding.as_str(), h.outcome.as_str())).collect();
    assert_eq!(shown, [("probe1", "pass, changes: 1"), ("probe2", "pass, changes: 1"), ("probe3", "pass, changes: 1")]);
    assert_eq!(host.metrics().bindings.iter().map(|b| b.calls).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn only_an_invite_on_its_way_in_is_refused() {
    let host = host();
    let config = r#"{"do":"refuse","number":433,"text":"Not So"}"#;
    for answer in both_ways(&host, config, &invite()).await {
        assert_eq!(answer.verdict, FilterVerdict::Refuse(433, "Not So".to_owned()));
    }
    let out = FilterMessage { inbound: false, ..invite() };
    let again = FilterMessage { within: true, ..invite() };
    let ringing = FilterMessage { status: Some(180), request_uri: None, ..invite() };
    for message in [out, again, ringing] {
        let [free, mandatory] = both_ways(&host, config, &message).await;
        assert_eq!(free.verdict, FilterVerdict::Pass(Vec::new()), "{message:?}");
        assert!(free.hooks[0].outcome.contains("only an INVITE that begins a call"), "{:?}", free.hooks);
        assert_eq!(mandatory.verdict, FilterVerdict::Closed);
    }
    for status in ["200", "302", "99", "399", "700", "65535"] {
        let config = format!(r#"{{"do":"refuse","number":{status},"text":"x"}}"#);
        let [free, mandatory] = both_ways(&host, &config, &invite()).await;
        assert_eq!((free.verdict, mandatory.verdict), (FilterVerdict::Pass(Vec::new()), FilterVerdict::Closed));
    }
}

/// Each deed, and words that say why it was refused.
const DEEDS: [(&str, &str); 26] = [
    (r#"{"do":"trap"}"#, "trap"),
    (r#"{"do":"spin"}"#, "timeout"),
    (r#"{"do":"err"}"#, "err: "),
    (r#"{"do":"flood","number":33}"#, "header-ops"),
    (r#"{"do":"flood","number":10000}"#, ""),
    (r#"{"do":"huge","number":1022}"#, ""),
    (r#"{"do":"huge","number":4000000}"#, ""),
    (r#"{"do":"split","text":"Via"}"#, "header value"),
    (r#"{"do":"broken","text":"Via"}"#, "header name"),
    (r#"{"do":"nul"}"#, "header value"),
    (r#"{"do":"set","text":"Call-ID"}"#, "Call-ID"),
    (r#"{"do":"remove","text":"i"}"#, "`i`"),
    (r#"{"do":"remove","text":"From"}"#, "From"),
    (r#"{"do":"set","text":"TO"}"#, "TO"),
    (r#"{"do":"set","text":"cseq"}"#, "cseq"),
    (r#"{"do":"set","text":"Via"}"#, "Via"),
    (r#"{"do":"remove","text":"v"}"#, "`v`"),
    (r#"{"do":"set","text":"Route"}"#, "Route"),
    (r#"{"do":"set","text":"Record-Route"}"#, "Record-Route"),
    (r#"{"do":"set","text":"Contact"}"#, "Contact"),
    (r#"{"do":"set","text":"Content-Length"}"#, "Content-Length"),
    (r#"{"do":"set","text":"Content-Type"}"#, "Content-Type"),
    (r#"{"do":"set","text":"Authorization"}"#, "Authorization"),
    (r#"{"do":"set","text":"WWW-Authenticate"}"#, "WWW-Authenticate"),
    (r#"{"do":"set","text":"no token"}"#, "header name"),
    (r#"{"do":"set","text":""}"#, "header name"),
];

#[tokio::test]
async fn what_a_filter_may_not_say_is_refused_by_name_and_the_message_stays_as_it_was() {
    let host = host();
    for (config, why) in DEEDS {
        let [free, mandatory] = both_ways(&host, config, &invite()).await;
        assert_eq!(free.verdict, FilterVerdict::Pass(Vec::new()), "{config}: {:?}", free.hooks);
        assert!(free.hooks[0].outcome.contains(why), "{config}: {:?}", free.hooks);
        assert_eq!(mandatory.verdict, FilterVerdict::Closed, "{config}: {:?}", mandatory.hooks);
    }
}

#[tokio::test]
async fn the_changes_of_all_filters_have_one_limit_and_what_is_past_it_spoils_only_its_own() {
    let host = host();
    let two = vec![probe(&host, 1, r#"{"do":"flood","number":20}"#), probe(&host, 2, r#"{"do":"flood","number":20}"#)];
    host.set_bindings(two).expect("bound");
    let answer = ask(&host, invite()).await;
    assert!(matches!(&answer.verdict, FilterVerdict::Pass(ops) if ops.len() == 20), "{:?}", answer.verdict);
    assert!(answer.hooks[1].outcome.contains("filter-ops-max"), "{:?}", answer.hooks);
}

#[tokio::test]
async fn the_chain_has_one_deadline() {
    let host = host_with(|config| {
        config.limits.filter_deadline_ms = 50;
        config.hook_cpu = PATIENCE;
    });
    let [free, mandatory] = both_ways(&host, r#"{"do":"spin"}"#, &invite()).await;
    assert_eq!((free.verdict, mandatory.verdict), (FilterVerdict::Pass(Vec::new()), FilterVerdict::Closed));
}

#[tokio::test]
async fn a_binding_is_for_the_trunks_and_accounts_that_it_names() {
    let host = host();
    let asked = |message| {
        let host = host.clone();
        async move { ask(&host, message).await.hooks.len() }
    };
    let carrier = || at(EdgeAt::Trunk(TrunkId(1)), "carrier");
    host.set_bindings(vec![probe(&host, 1, r#"{"trunks":["carrier"]}"#)]).expect("bound");
    assert_eq!((asked(carrier()).await, asked(invite()).await), (1, 0));
    assert_eq!(asked(at(EdgeAt::Trunk(TrunkId(2)), "other")).await, 0);
    host.set_bindings(vec![probe(&host, 1, r#"{"accounts":"*"}"#)]).expect("bound");
    assert_eq!((asked(carrier()).await, asked(invite()).await), (0, 1));
    host.set_bindings(vec![probe(&host, 1, "{}")]).expect("bound");
    assert_eq!((asked(carrier()).await, asked(invite()).await), (1, 1));
    let mut others = probe(&host, 1, "{}");
    others.scope.company = Some(OTHER);
    host.set_bindings(vec![others]).expect("bound");
    assert_eq!((asked(carrier()).await, asked(invite()).await), (0, 0));
    for wrong in [r#"{"trunks":"carrier"}"#, r#"{"accounts":[7]}"#, r#"{"accounts":true}"#] {
        let refused = host.set_bindings(vec![probe(&host, 1, wrong)]);
        assert!(matches!(refused, Err(BindError::Config { .. })), "{wrong}: {refused:?}");
    }
    let mut own = probe(&host, 1, r#"{"trunks":"*"}"#);
    (own.scope.company, own.scope.account) = (Some(ACME), Some(AccountId(1)));
    assert!(matches!(host.set_bindings(vec![own]), Err(BindError::Config { .. })));
}

#[tokio::test]
async fn the_switch_knows_which_edges_are_filtered_and_which_of_them_close() {
    let host = host();
    let mut brands = probe(&host, 1, r#"{"trunks":["carrier"]}"#);
    brands.mandatory = true;
    let mut own = probe(&host, 2, "{}");
    (own.scope.company, own.scope.account) = (Some(ACME), Some(AccountId(1)));
    assert!(host.hooks().sip_filter.is_empty());
    host.set_bindings(vec![brands, own]).expect("bound");
    let filters = host.hooks().sip_filter;
    let mandatory = |at, name| filters.at((BRAND, ACME), at, name).map(|policy| policy.mandatory);
    assert_eq!(mandatory(EdgeAt::Trunk(TrunkId(1)), "carrier"), Some(true));
    assert_eq!(mandatory(EdgeAt::Account(AccountId(1)), "1001"), Some(false));
    assert_eq!(mandatory(EdgeAt::Account(AccountId(2)), "1002"), None);
    assert!(filters.0[&(BRAND, None)].iter().all(|reach| reach.accounts == Names::None));
}

#[tokio::test]
async fn header_rules_change_and_refuse_as_they_are_configured() {
    let host = host();
    let artifact = host.compile(shipped::HEADER_RULES).expect("compiles");
    let config = r#"{"enter":{"remove":["X-Site"]},"leave":{"set":{"X-Site":"north"}},
        "refuse":[{"field":"user-agent","holds":"scanner"}]}"#;
    host.set_bindings(vec![bind(1, "rules", Point::SipFilter, &artifact, config)]).expect("bound");
    let removed = FilterVerdict::Pass(vec![HeaderOp::Remove("X-Site".to_owned())]);
    assert_eq!(ask(&host, invite()).await.verdict, removed);
    let out = FilterMessage { inbound: false, ..invite() };
    let set = FilterVerdict::Pass(vec![HeaderOp::Set(header("X-Site", "north"))]);
    assert_eq!(ask(&host, out).await.verdict, set);
    let scanner = FilterMessage { headers: vec![header("User-Agent", "a scanner")], ..invite() };
    assert_eq!(ask(&host, scanner.clone()).await.verdict, FilterVerdict::Refuse(403, "Not Wanted Here".to_owned()));
    assert_eq!(ask(&host, FilterMessage { within: true, ..scanner.clone() }).await.verdict, removed);
    let harmless = [header("User-Agent", "a phone")];
    let hidden = FilterMessage { headers: [&harmless[..], &scanner.headers].concat(), ..scanner };
    assert_eq!(ask(&host, hidden).await.verdict, FilterVerdict::Refuse(403, "Not Wanted Here".to_owned()));
}
