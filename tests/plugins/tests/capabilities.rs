//! What a guest may use, and that it may not use more.

#![allow(clippy::expect_used, reason = "test code")]

use core::time::Duration;
use model::{AppError, BindingId, BrandId, Decision, MailAsked, MailSender, RegisterAttempt, RegisterVerdict};
use plugin::{BindingSpec, Grants, Host, HostConfig, Point, Secret};
use plugin_tests::{ACME, BRAND, OTHER, PROBE, ask, ask_for, bind, directory, host, host_with};
use std::collections::BTreeSet;
use std::sync::Arc;
use tables::{Kv, KvEntry, KvLimits, PrefixTableBuilder, SpaceName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn probe(host: &Host, config: &str, grants: Grants) -> BindingSpec {
    let artifact = host.compile(PROBE).expect("compiles");
    let mut spec = bind(1, "probe", Point::RouterIo, &artifact, config);
    spec.grants = grants;
    spec
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn kv_grant() -> Grants {
    Grants { kv: set(&["probe"]), ..Grants::default() }
}

async fn says(host: &Host, spec: BindingSpec) -> String {
    host.set_bindings(vec![spec]).expect("bound");
    let answer = ask(host, "442079460000").await;
    match answer.decision {
        Some(Decision::Refuse(refusal)) => refusal.reason.trim_start_matches("Error::").to_owned(),
        _ => format!("{answer:?}"),
    }
}

#[tokio::test]
async fn what_is_not_granted_is_denied() {
    let host = host();
    for (config, what) in [
        (r#"{"do":"get"}"#, "host/kv"),
        (r#"{"do":"http","url":"http://192.0.2.1/"}"#, "host/http"),
        (r#"{"do":"secret","text":"key"}"#, "host/secrets"),
        (r#"{"do":"prefix","text":"rates"}"#, "prefix table"),
    ] {
        let said = says(&host, probe(&host, config, Grants::default())).await;
        assert!(said.starts_with("Denied(") && said.contains(what), "{config}: {said}");
    }
    // One grant of a kind is not all of that kind.
    let other = Grants { kv: set(&["other"]), secrets: set(&["other"]), ..Grants::default() };
    for config in [r#"{"do":"get"}"#, r#"{"do":"secret","text":"key"}"#] {
        let said = says(&host, probe(&host, config, other.clone())).await;
        assert!(said.starts_with("Denied("), "{config}: {said}");
    }
}

#[tokio::test]
async fn keys_outlive_calls_and_versions_and_do_not_cross_scopes() {
    let kv = Kv::default();
    let host = host_with(|c: &mut HostConfig| c.kv = kv.clone());
    let count = || probe(&host, r#"{"do":"count","text":"n"}"#, kv_grant());
    for n in 1..=3 {
        assert_eq!(says(&host, count()).await, n.to_string());
    }
    let mut next_version = count();
    next_version.plugin = "probe@0.2.0".to_owned();
    assert_eq!(says(&host, next_version).await, "4", "a new version finds what the old one kept");
    for (change, why) in [
        (&(|s: &mut BindingSpec| s.scope.company = Some(ACME)) as &dyn Fn(&mut BindingSpec), "a company's binding"),
        (&|s: &mut BindingSpec| s.plugin = "other@0.1.0".to_owned(), "another plugin"),
    ] {
        let mut spec = count();
        change(&mut spec);
        assert_eq!(says(&host, spec).await, "1", "{why} has keys of its own");
    }
    assert!(says(&host, probe(&host, r#"{"do":"huge"}"#, kv_grant())).await.contains("kv-value-bytes"));
    assert_eq!(says(&host, probe(&host, r#"{"do":"put","text":"x"}"#, kv_grant())).await, "()");
    assert_eq!(says(&host, probe(&host, r#"{"do":"get"}"#, kv_grant())).await, "Some(x)");
}

#[tokio::test]
async fn a_plugin_that_fills_its_bucket_stops_there_and_harms_no_neighbour() {
    let limits = KvLimits { space_bytes_max: 1 << 20, brand_bytes_max: 3 << 19, ..KvLimits::default() };
    let kv = Kv::new(limits);
    let host = host_with(|c: &mut HostConfig| {
        c.kv = kv.clone();
        c.hook_cpu = Duration::from_secs(5);
    });
    let fill = || probe(&host, r#"{"do":"fill"}"#, kv_grant());
    let said = says(&host, fill()).await;
    assert!(said.contains("kv-bytes"), "{said}");
    assert!(kv.bytes() <= 1 << 20, "{}", kv.bytes());
    let mut second = fill();
    second.plugin = "second@0.1.0".to_owned();
    let said = says(&host, second).await;
    assert!(said.contains("kv-brand-bytes"), "the brand has a bound over all its plugins: {said}");
    let elsewhere =
        SpaceName { brand: BrandId(9), company: None, account: None, plugin: "p".into(), bucket: "b".into() };
    kv.space(&elsewhere).put("k", KvEntry { value: vec![0; 60 << 10], expires_ms: None }).expect("another brand's own");
    let said = says(&host, probe(&host, r#"{"do":"long"}"#, kv_grant())).await;
    assert!(said.contains("kv-key-bytes"), "{said}");
    assert_eq!(host.metrics().bindings[0].traps, 0);
}

#[tokio::test]
async fn a_plugin_that_storms_the_host_is_stopped_by_its_cpu_time() {
    let host = host();
    host.set_bindings(vec![probe(&host, r#"{"do":"storm"}"#, kv_grant())]).expect("bound");
    let answer = ask(&host, "1").await;
    assert!(answer.failed && answer.hooks[0].outcome == "timeout", "{answer:?}");
    assert!(answer.hooks[0].took < Duration::from_secs(20), "{:?}", answer.hooks[0].took);
}

#[tokio::test]
async fn what_is_forbidden_is_refused_before_anything_is_sent() {
    let host = host();
    let port = mirror().await;
    let everywhere: Grants = serde_json::from_str(r#"{"http":[{"host":"*"}]}"#).expect("grants");
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://0.0.0.0/".to_owned(),
    ] {
        let said = says(&host, probe(&host, &format!(r#"{{"do":"http","url":"{url}"}}"#), everywhere.clone())).await;
        assert!(said.starts_with("Denied("), "{url}: {said}");
    }
    for url in ["file:///etc/passwd", "ftp://h.test/", "http://", "nonsense", "http://u:p@h.test/"] {
        let said = says(&host, probe(&host, &format!(r#"{{"do":"http","url":"{url}"}}"#), everywhere.clone())).await;
        assert!(said.starts_with("InvalidArgument("), "{url}: {said}");
    }
}

/// Everything the host says of a binding, its answers and its figures, while it uses a secret well and badly.
#[tokio::test]
async fn a_secret_stands_in_no_report() {
    let host = host();
    let grants: Grants =
        serde_json::from_str(r#"{"http":[{"host":"127.0.0.1"}],"private-addresses":true,"secrets":["key"]}"#)
            .expect("grants");
    let mut reports = String::new();
    for config in [
        // Nobody listens there.
        r#"{"do":"http","url":"http://127.0.0.1:1/","text":"key"}"#,
        r#"{"do":"http","url":"http://h.test/","text":"key"}"#,
        r#"{"do":"log","text":"key"}"#,
        r#"{"do":"leak","text":"key"}"#,
    ] {
        let mut spec = probe(&host, config, grants.clone());
        spec.secrets.insert("key".to_owned(), Secret::new("s3cret".to_owned()));
        reports += &format!("{spec:?}");
        host.set_bindings(vec![spec]).expect("bound");
        let answer = ask(&host, "1").await;
        reports += &format!("{answer:?} {:?} {host:?}", host.metrics());
    }
    assert!(reports.contains("refuse") && reports.contains("key [secret]") && !reports.contains("s3cret"), "{reports}");
}

#[tokio::test]
async fn a_secret_of_a_configuration_stands_in_no_report() {
    let host = host();
    // It names a secret by its own, and hears that this one is not granted.
    let other = Grants { secrets: set(&["other"]), ..Grants::default() };
    let mut spec = probe(&host, r#"{"do":"leak","text":"s3cret-of-ours"}"#, other);
    spec.config_secrets = set(&["/text"]);
    let mut reports = format!("{spec:?}");
    host.set_bindings(vec![spec]).expect("bound");
    let answer = ask(&host, "1").await;
    reports += &format!("{answer:?} {:?} {host:?}", host.metrics());
    assert!(reports.contains("[secret]") && !reports.contains("s3cret"), "{reports}");
}

/// What guests write is kept for who may look at it: over versions, hushed, and no more than may be.
#[tokio::test]
async fn a_bindings_log_is_kept_hushed_and_bounded() {
    let writes = async |host: &Host, version: u32| {
        let grants = serde_json::from_str(r#"{"secrets":["key"]}"#).expect("grants");
        let mut spec = probe(host, &format!(r#"{{"do":"log","text":"key","number":{version}}}"#), grants);
        spec.secrets.insert("key".to_owned(), Secret::new("s3cret".to_owned()));
        let id = spec.id;
        host.set_bindings(vec![spec]).expect("bound");
        let _ = ask(host, "1").await;
        host.log_of(id).expect("bound")
    };
    let host = host_with(|c: &mut HostConfig| c.log_kept_lines_max = 2);
    let first = writes(&host, 1).await.all();
    assert_eq!(first.len(), 1, "{first:?}");
    let shown = format!("{first:?}");
    assert!(shown.contains("[secret]") && !shown.contains("s3cret"), "{shown}");
    let _ = (writes(&host, 2).await, writes(&host, 3).await);
    let log = writes(&host, 3).await;
    let numbers: Vec<u64> = log.all().iter().map(|(number, _)| *number).collect();
    assert_eq!((numbers, log.dropped()), (vec![3, 4], 0), "of all versions, the newest two");
    host.set_bindings(Vec::new()).expect("unbound");
    assert!(host.log_of(BindingId(1)).is_none());
    let silent = host_with(|c: &mut HostConfig| c.log_lines_max = 0);
    let log = writes(&silent, 1).await;
    assert_eq!((log.all().len(), log.dropped()), (0, 1));
}

#[tokio::test]
async fn ten_askers_at_once_count_every_call() {
    let kv = Kv::default();
    let host = host_with(|c: &mut HostConfig| c.kv = kv.clone());
    host.set_bindings(vec![probe(&host, r#"{"do":"count","text":"n"}"#, kv_grant())]).expect("bound");
    let asks: Vec<_> = (0..10)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    assert!(!ask(&host, "1").await.failed);
                }
            })
        })
        .collect();
    for asker in asks {
        asker.await.expect("joined");
    }
    assert_eq!(says(&host, probe(&host, r#"{"do":"count","text":"n"}"#, kv_grant())).await, "201");
}

#[tokio::test]
async fn a_secret_reaches_the_guest_it_was_granted_to() {
    let host = host();
    let grants = Grants { secrets: set(&["key", "gone"]), ..Grants::default() };
    let with = |name: &str| {
        let mut spec = probe(&host, &format!(r#"{{"do":"secret","text":"{name}"}}"#), grants.clone());
        spec.secrets.insert("key".to_owned(), Secret::new("s3cret".to_owned()));
        spec.secrets.insert("private".to_owned(), Secret::new("other".to_owned()));
        spec
    };
    assert!(!format!("{:?}", with("key")).contains("s3cret"));
    assert_eq!(says(&host, with("key")).await, "s3cret");
    assert_eq!(says(&host, with("gone")).await, "Error::NotFound".trim_start_matches("Error::"));
    assert!(says(&host, with("private")).await.starts_with("Denied("));
}

#[tokio::test]
async fn prefix_tables_are_the_brands_and_the_longest_prefix_wins() {
    let host_config = |c: &mut HostConfig| {
        let mut rates = PrefixTableBuilder::new(vec!["price".to_owned()]);
        for (prefix, price) in [("44", "2"), ("4420", "1"), ("1", "9")] {
            rates.row(prefix, [price]).expect("a row");
        }
        c.prefix_tables.set(BRAND, "rates", Some(Arc::new(rates.build().expect("a table"))));
    };
    let host = host_with(host_config);
    let grants = || Grants { tables: set(&["rates", "gone"]), ..Grants::default() };
    let said = says(&host, probe(&host, r#"{"do":"prefix","text":"rates"}"#, grants())).await;
    assert_eq!(said, "Some((4420, [(price, 1)]))");
    assert_eq!(says(&host, probe(&host, r#"{"do":"prefixes","text":"rates"}"#, grants())).await, "2");
    assert_eq!(says(&host, probe(&host, r#"{"do":"prefix","text":"gone"}"#, grants())).await, "NotFound");
}

#[tokio::test]
async fn a_guest_reads_any_wall_clock() {
    let host = host();
    let said = says(&host, probe(&host, r#"{"do":"clock","text":"Asia/Tokyo"}"#, Grants::default())).await;
    assert_eq!(said, "Some((1970, 9, 4))");
}

/// A web server that answers every request with what it was asked, once per connection.
async fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 4_096];
                let n = stream.read(&mut bytes).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
                let auth = text.lines().find(|l| l.to_ascii_lowercase().starts_with("authorization"));
                let body = format!("{} {}", text.lines().next().unwrap_or(""), auth.unwrap_or("-"));
                let length = body.len();
                let head = if text.contains("/redirect") {
                    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/".to_owned()
                } else {
                    "HTTP/1.1 200 OK".to_owned()
                };
                let answer = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_router_asks_a_web_service_it_was_granted_and_no_other() {
    let host = host();
    let port = mirror().await;
    let grants = |text: &str| -> Grants { serde_json::from_str(text).expect("grants") };
    let local =
        grants(r#"{"http":[{"host":"127.0.0.1"},{"host":"localhost"}],"private-addresses":true,"secrets":["key"]}"#);
    let get = |url: &str, secret: &str, grants: &Grants| {
        let mut spec = probe(&host, &format!(r#"{{"do":"http","url":"{url}","text":"{secret}"}}"#), grants.clone());
        spec.secrets.insert("key".to_owned(), Secret::new("s3cret".to_owned()));
        spec
    };
    let url = format!("http://127.0.0.1:{port}/a?b=c");
    assert_eq!(says(&host, get(&url, "", &local)).await, "(200, GET /a?b=c HTTP/1.1 -)");
    let authorized = says(&host, get(&url, "key", &local)).await;
    assert!(authorized.contains("Bearer s3cret"), "{authorized}");
    assert!(says(&host, get(&url, "other", &local)).await.starts_with("Denied("));
    let by_name = format!("http://localhost:{port}/");
    assert!(says(&host, get(&by_name, "", &local)).await.starts_with("(200"));
    let redirect = says(&host, get(&format!("http://127.0.0.1:{port}/redirect"), "", &local)).await;
    assert!(redirect.starts_with("(302"), "a redirect is the guest's to follow: {redirect}");
    let public = grants(r#"{"http":[{"host":"127.0.0.1"},{"host":"localhost"}]}"#);
    for url in [&url, &by_name] {
        let said = says(&host, get(url, "", &public)).await;
        assert!(said.starts_with("Denied("), "{url}: {said}");
    }
    let closed = says(&host, get("http://127.0.0.1:1/", "", &local)).await;
    assert!(closed.starts_with("Unavailable("), "{closed}");
    assert_eq!(host.metrics().bindings[0].traps, 0);
}

#[tokio::test]
async fn forwards_are_set_by_star_codes_and_followed_by_the_router() {
    let host = host();
    let artifact = host.compile(shipped::FORWARDS).expect("compiles");
    let manifest = bundle::Manifest::parse(shipped::FORWARDS_MANIFEST).expect("a manifest");
    let spec = |id, point| {
        let mut spec = bind(id, "forwards", point, &artifact, "{}");
        spec.grants = manifest.needs.meet(&Grants::everything());
        spec.codes = manifest.feature.codes.clone();
        spec
    };
    host.set_bindings(vec![spec(1, Point::Router), spec(2, Point::Feature)]).expect("bound");
    let reason = |decision: Option<Decision>| match decision {
        Some(Decision::Refuse(refusal)) => refusal.reason.trim_start_matches("Error::").to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!(ask(&host, "1001").await.decision, None);
    assert_eq!(reason(ask(&host, "*721002").await.decision), "Forwarding is on");
    let Some(Decision::Reroute { callee, attrs }) = ask(&host, "1001").await.decision else { panic!("not forwarded") };
    assert_eq!((callee.as_str(), attrs[0].0.as_str()), ("1002", "forwards.by-1001"));
    assert_eq!(ask_for(&host, OTHER, "1001").await.decision, None, "another company's 1001 is nobody's");
    assert_eq!(reason(ask(&host, "*72x").await.decision), "A number must follow");
    assert_eq!(reason(ask(&host, "*78").await.decision), "Do not disturb");
    assert_eq!(reason(ask(&host, "1001").await.decision), "Do not disturb");
    for code in ["*79", "*73"] {
        assert_eq!(reason(ask(&host, code).await.decision), "Off");
    }
    assert_eq!(ask(&host, "1001").await.decision, None);
    let points: BTreeSet<_> = manifest.provides.iter().map(|p| p.point.as_str()).collect();
    assert_eq!(points, artifact.points().iter().map(|p| p.name()).collect(), "the manifest tells the exports");
    bundle::Schema::parse(shipped::FORWARDS_SCHEMA).expect("a schema");
}

/// Takes mail, and remembers what it was asked.
#[derive(Debug, Default)]
struct Postbox(std::sync::Mutex<Vec<(MailSender, MailAsked)>>);

impl plugin::Mailer for Postbox {
    fn send(&self, from: MailSender, mail: MailAsked) -> tokio::sync::oneshot::Receiver<Result<(), AppError>> {
        let (answer, receiver) = tokio::sync::oneshot::channel();
        let refused = mail.template == "none";
        self.0.lock().expect("nobody has panicked").push((from, mail));
        let said = if refused { Err(AppError::Denied("no-mail-host: nobody".to_owned())) } else { Ok(()) };
        let _nobody_waits = answer.send(said);
        receiver
    }
}

#[tokio::test]
async fn a_mail_is_asked_of_whoever_takes_mail_with_what_the_binding_may() {
    let host = host();
    let grants = Grants { mail: set(&["own"]), ..Grants::default() };
    let mail = |text: &str, url: &str, number: u32| {
        format!(r#"{{"do":"mail","text":{text:?},"url":{url:?},"number":{number}}}"#)
    };
    let say = async |text: &str, url: &str, grants: &Grants| {
        says(&host, probe(&host, &mail(text, url, 7), grants.clone())).await
    };
    assert!(say("1001", "message", &grants).await.starts_with("Unavailable("), "nobody takes mail yet");
    let postbox = Arc::new(Postbox::default());
    host.keep_mail(Arc::clone(&postbox) as Arc<dyn plugin::Mailer>);
    let denied = say("1001", "message", &Grants::default()).await;
    assert!(denied.starts_with("Denied(") && denied.contains("host/mail"), "{denied}");
    assert!(say("a@b\r\nBcc: c@d", "message", &grants).await.starts_with("InvalidArgument(to"));
    assert!(say("1001", "../x", &grants).await.starts_with("InvalidArgument(template"));
    assert!(postbox.0.lock().expect("unpoisoned").is_empty(), "what breaks a rule goes no further");
    assert_eq!(say("1001", "message", &grants).await, "()");
    assert_eq!(say("1001", "none", &grants).await, "Denied(no-mail-host: nobody)");
    let (from, asked) = postbox.0.lock().expect("unpoisoned")[0].clone();
    assert_eq!((from.brand, from.company, from.binding.as_str(), &from.may), (BRAND, ACME, "probe", &set(&["own"])));
    assert_eq!((asked.to.as_slice(), asked.template.as_str()), (&["1001".to_owned()][..], "message"));
    assert_eq!(
        (asked.fields.as_slice(), asked.key.as_deref()),
        (&[("caller".to_owned(), "1001".to_owned())][..], Some("7"))
    );

    // A hook may not wait, whatever it was granted.
    let mut spec = probe(&host, &mail("1001", "message", 0), grants);
    spec.point = Point::Registration;
    host.set_bindings(vec![spec]).expect("bound");
    let attempt = RegisterAttempt {
        brand: BRAND,
        brand_name: "brand".to_owned(),
        company: ACME,
        company_name: "acme".to_owned(),
        account: "1001".to_owned(),
        aor: "sip:1001@acme.test".to_owned(),
        contacts: Vec::new(),
        source_ip: "192.0.2.1".to_owned(),
        user_agent: "Phone 1".to_owned(),
        expires_s: None,
        headers: Vec::new(),
    };
    let verdict = host.ask_register(attempt, directory()).await.verdict;
    assert!(matches!(&verdict, RegisterVerdict::Refuse(403, why) if why.contains("may wait")), "{verdict:?}");
    assert_eq!(postbox.0.lock().expect("unpoisoned").len(), 2);
}
