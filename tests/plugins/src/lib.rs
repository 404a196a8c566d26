//! A small world for plugins: one brand, two companies, a host, and a shell that plays the call engine by hand.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use core::time::Duration;
use model::{
    Account, AccountId, Answer, AppError, AppFailure, AppId, AppOutcome, AppReply, AppStart, AppVerb, BindingId, Brand,
    BrandId, CallId, CallInfo, Company, CompanyId, Ddi, DefaultVerdict, Directory, Extension, ExtensionId, Ha1,
    Handling, Header, Instant, LegHandle, MediaPath, Party, Question, QuestionKind, RegisterAttempt, RequestId,
    RouteTarget, Ticket,
};
use plugin::{AppMessage, Artifact, BindingSpec, Grants, Host, HostConfig, Point, Reuse, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The guest that misbehaves as configured.
pub const HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile.wasm"));

/// The rater that misbehaves as configured.
pub const CHEAT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cheat.wasm"));

/// The guest that uses every capability as configured.
pub const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.wasm"));

/// Every verb about sound, once.
pub const STUDIO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/studio.wasm"));

/// The front desk in Rust; `sdk/` has it in other languages.
pub const DESK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/desk.wasm"));

/// The brand of every call.
pub const BRAND: BrandId = BrandId(1);
/// The company with accounts 1001 to 1003, extensions and a DDI.
pub const ACME: CompanyId = CompanyId(1);
/// Another company of the brand, with account `bob` and extension 2000.
pub const OTHER: CompanyId = CompanyId(2);
/// How long a test waits for what must come: it fails, and never decides by, this.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A phone of the first company registers.
#[must_use]
pub fn attempt() -> RegisterAttempt {
    RegisterAttempt {
        brand: BRAND,
        brand_name: "brand".to_owned(),
        company: ACME,
        company_name: "acme".to_owned(),
        account: "1001".to_owned(),
        aor: "sip:1001@acme.test".to_owned(),
        contacts: vec!["<sip:1001@192.0.2.1>".to_owned()],
        source_ip: "192.0.2.1".to_owned(),
        user_agent: "Phone 1".to_owned(),
        expires_s: Some(3_600),
        headers: vec![Header { name: "X-Site".to_owned(), value: "7".to_owned() }],
    }
}

/// A host with small pools and patient deadlines.
#[must_use]
pub fn host() -> Host {
    host_with(|_| {})
}

/// The same, changed.
#[must_use]
pub fn host_with(change: impl FnOnce(&mut HostConfig)) -> Host {
    let mut config = HostConfig {
        hooks_max: 32,
        apps_max: 32,
        brand_share_percent: 100,
        binding_share_percent: 100,
        hook_threads: 1,
        app_threads: 1,
        // Test machines are shared: a guest on spare CPU would wait for whatever else runs there.
        spare_cpu_only: false,
        hook_cpu: Duration::from_millis(200),
        ..HostConfig::default()
    };
    // Long enough that nothing is late by accident.
    config.limits.route_deadline_ms = 60_000;
    config.limits.route_io_deadline_ms = 60_000;
    config.limits.register_deadline_ms = 60_000;
    config.limits.filter_deadline_ms = 60_000;
    config.limits.rate_deadline_ms = 60_000;
    change(&mut config);
    Host::new(config).expect("a host")
}

fn account(id: i64, company: CompanyId, name: &str) -> Account {
    Account {
        id: AccountId(id),
        company,
        username: name.to_owned(),
        display_name: name.to_uppercase(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: None,
        media_security: None,
        enabled: name != "1003",
        rules: Default::default(),
    }
}

fn extension(id: i64, company: CompanyId, number: &str, target: RouteTarget) -> Extension {
    Extension { id: ExtensionId(id), company, number: number.to_owned(), target }
}

/// The directory of both companies. 1003 is disabled; extension 100 is the app `attendant`; 7 is account 1002.
#[must_use]
pub fn directory() -> Arc<Directory> {
    let brand = Brand { id: BRAND, name: "brand".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = |id, name: &str| Company {
        id,
        brand: BRAND,
        name: name.to_owned(),
        domain: format!("{name}.test"),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: model::MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let to = |name: &str| RouteTarget::Account(name.to_owned());
    let accounts =
        vec![account(1, ACME, "1001"), account(2, ACME, "1002"), account(3, ACME, "1003"), account(4, OTHER, "bob")];
    let extensions = vec![
        extension(1, ACME, "7", to("1002")),
        extension(2, ACME, "100", RouteTarget::App("attendant".to_owned())),
        extension(3, OTHER, "2000", to("bob")),
    ];
    let ddis = vec![
        Ddi::to(1, ACME, "+442079460000", RouteTarget::Extension("7".to_owned())),
        Ddi::to(2, OTHER, "+15550001111", to("bob")),
    ];
    let companies = vec![company(ACME, "acme"), company(OTHER, "other")];
    Arc::new(Directory::build(1, vec![brand], companies, accounts, extensions, ddis).expect("a directory"))
}

/// A call of a company to a number.
#[must_use]
pub fn call(company: CompanyId, callee: &str) -> CallInfo {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let party = |user: &str| Party {
        uri: format!("sip:{user}@acme.test"),
        user: user.to_owned(),
        display: None,
        verified: Some("digest".to_owned()),
    };
    CallInfo {
        call: CallId(u128::from(NEXT.fetch_add(1, Ordering::Relaxed))),
        brand: BRAND,
        brand_name: "brand".to_owned(),
        company,
        company_name: "acme".to_owned(),
        account: Some("1001".to_owned()),
        source_ip: "192.0.2.1".to_owned(),
        caller: party("1001"),
        callee: party(callee),
        headers: Vec::new(),
        received_at: Instant::from_unix_nanos(1),
        attrs: Vec::new(),
    }
}

/// Asks where ACME's call to a number goes.
pub async fn ask(host: &Host, callee: &str) -> Answer {
    ask_for(host, ACME, callee).await
}

/// Asks for a company.
pub async fn ask_for(host: &Host, company: CompanyId, callee: &str) -> Answer {
    ask_kind(host, company, callee, QuestionKind::Route).await
}

/// Asks this kind of question for a company.
pub async fn ask_kind(host: &Host, company: CompanyId, callee: &str, kind: QuestionKind) -> Answer {
    let question =
        Question { ticket: Ticket(1), deadline: Instant::from_unix_nanos(0), call: call(company, callee), kind };
    tokio::time::timeout(PATIENCE, host.ask(question, directory())).await.expect("ask always answers")
}

/// A binding for the whole brand; `id` is its priority too.
#[must_use]
pub fn bind(id: i64, name: &str, point: Point, artifact: &Arc<Artifact>, config: &str) -> BindingSpec {
    BindingSpec {
        id: BindingId(id),
        name: name.to_owned(),
        scope: Scope { brand: BRAND, company: None, account: None },
        point,
        priority: i32::try_from(id).expect("small"),
        plugin: format!("{name}@0.1.0"),
        artifact: Arc::clone(artifact),
        config_json: config.to_owned(),
        config_secrets: BTreeSet::new(),
        grants: Grants::default(),
        secrets: BTreeMap::new(),
        codes: BTreeSet::new(),
        mandatory: false,
        recourse: model::Recourse::default(),
        reuse: Reuse::Fresh,
        trial: None,
    }
}

/// A router of the hostile guest that does this deed.
#[must_use]
pub fn deed(host: &Host, id: i64, name: &str, deed: &str) -> BindingSpec {
    let artifact = host.compile(HOSTILE).expect("it compiles");
    bind(id, name, Point::Router, &artifact, &format!(r#"{{"do":"{deed}","text":"{name}"}}"#))
}

/// The call engine's end of one app, played by hand.
pub struct Engine {
    host: Host,
    /// The app.
    pub app: AppId,
    requests: UnboundedReceiver<AppMessage>,
    _keep: UnboundedSender<AppMessage>,
}

impl Engine {
    /// Starts the app of that name for a call to 100.
    #[must_use]
    pub fn start(host: &Host, name: &str) -> Engine {
        Engine::start_call(host, name, Vec::new(), call(ACME, "100"))
    }

    /// Starts the app of that name for this call.
    #[must_use]
    pub fn start_call(host: &Host, name: &str, args: model::AppArgs, call: CallInfo) -> Engine {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let app = AppId(NEXT.fetch_add(1, Ordering::Relaxed));
        let (keep, requests) = unbounded_channel();
        let start = AppStart { name: name.to_owned(), args, call };
        host.start_app(app, start, directory(), keep.clone());
        Engine { host: host.clone(), app, requests, _keep: keep }
    }

    async fn message(&mut self) -> AppMessage {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.expect("the app speaks").expect("a message")
    }

    /// The next verb.
    pub async fn verb(&mut self) -> (RequestId, AppVerb) {
        match self.message().await {
            AppMessage::Request { app, request, verb } => {
                assert_eq!(app, self.app);
                (request, verb)
            }
            AppMessage::Ended { outcome, .. } => panic!("ended: {outcome:?}"),
            AppMessage::Fork { said, .. } => panic!("a line says {said:?}"),
        }
    }

    /// Expects a verb and replies.
    pub async fn expect(&mut self, is: impl FnOnce(&AppVerb) -> bool, reply: Result<AppReply, AppError>) {
        let (request, verb) = self.verb().await;
        assert!(is(&verb), "unexpected {verb:?}");
        self.host.app_reply(self.app, request, reply);
    }

    /// How it ended.
    pub async fn ended(&mut self) -> Result<AppOutcome, AppFailure> {
        self.ended_with().await.0
    }

    /// How it ended, and what its binding has for the caller then.
    pub async fn ended_with(&mut self) -> (Result<AppOutcome, AppFailure>, Option<model::Recourse>) {
        match self.message().await {
            AppMessage::Ended { outcome, recourse, .. } => (outcome, recourse),
            AppMessage::Request { verb, .. } => panic!("still asks for {verb:?}"),
            AppMessage::Fork { said, .. } => panic!("a line says {said:?}"),
        }
    }

    /// Whether nothing has been said.
    pub fn is_silent(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    /// The reply to `dial`.
    #[must_use]
    pub fn leg(number: u16) -> AppReply {
        AppReply::Leg(LegHandle(number), Box::new(call(ACME, "1002")))
    }
}

/// Waits until `holds`; what it waits for must come without more input.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it never came true");
}
