//! A world to ask: a real SQLite store with two brands and three companies, and the switch of [`switch`].
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "each test file uses a part; test code")]

use api::{Api, Switch};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use model::{
    BrandId, CallId, Channels, CompanyId, DefaultVerdict, Explained, HookReport, Instant, MediaPath, RecordedBy,
    RecordingId, RecordingStart,
};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{
    ArchiveFile, ArchiveKind, Db, JobLine, NewBrand, NewCompany, NewJob, NewToken, OpContext, Page, Principal,
    RecordedFile, Role, Scope, SecretKey,
};
use tower::ServiceExt;

mod switch;
pub(crate) use switch::{APP, FakeSwitch, ROUTER, call_id};
use switch::{call, registration};

/// Two brands; the first has two companies.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) api: Api,
    pub(crate) db: Db,
    pub(crate) switch: Arc<FakeSwitch>,
    pub(crate) brands: [i64; 2],
    /// Two of the first brand, one of the second.
    pub(crate) companies: [i64; 3],
    pub(crate) platform: String,
    pub(crate) brand_admins: [String; 2],
    pub(crate) company_admins: [String; 3],
    pub(crate) reader: String,
    pub(crate) archives: std::path::PathBuf,
    pub(crate) dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) kind: String,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl World {
    pub(crate) async fn new() -> World {
        World::limited(api::RateLimit { per_minute: 600_000, burst: 10_000 }).await
    }

    /// A world where each may ask so often.
    pub(crate) async fn limited(rate: api::RateLimit) -> World {
        let dir = tempfile::tempdir().unwrap();
        let key = Some(SecretKey::from_hex(&"5e".repeat(32)).unwrap());
        let url = format!("sqlite:{}", dir.path().join("t.db").display());
        let db = Db::open_keyed(&url, key).await.unwrap();
        let ctx = OpContext::platform();
        let mut brands = Vec::new();
        for name in ["acme", "zeta"] {
            let new = NewBrand { name: name.to_owned(), default_verdict: DefaultVerdict::Refuse };
            brands.push(db.brands().create(&ctx, new).await.unwrap().id);
        }
        let mut companies = Vec::new();
        for (brand, name) in [(0, "one"), (0, "two"), (1, "three")] {
            let new = NewCompany {
                brand: brands[brand],
                name: name.to_owned(),
                domain: format!("{name}.example"),
                media: MediaPath::Anchor,
                handling: model::Handling::B2bua,
                decline_ends_all: false,
                calls_max: None,
                kind: model::CompanyKind::Vpbx,
                media_security: Default::default(),
            };
            companies.push(db.companies().create(&ctx, new).await.unwrap());
        }
        let platform = token(&db, Scope::Platform, Role::Admin).await;
        let reader = token(&db, Scope::Platform, Role::Reader).await;
        let mut brand_admins = Vec::new();
        for brand in &brands {
            brand_admins.push(token(&db, Scope::Brand(*brand), Role::Admin).await);
        }
        let mut company_admins = Vec::new();
        for company in &companies {
            company_admins.push(token(&db, Scope::Company(company.brand, company.id), Role::Admin).await);
        }
        let recordings = dir.path().join("recordings");
        let switch = Arc::new(FakeSwitch { recordings, ..FakeSwitch::default() });
        for company in &companies {
            switch.calls.lock().unwrap().push(call(company.brand, company.id));
            switch.registrations.lock().unwrap().push(registration(company.brand, company.id));
        }
        let api = Api::new(db.clone(), switch.clone()).limited(rate).beating(core::time::Duration::from_millis(50));
        let api = api.archiving(dir.path().join("archive"), None);
        World {
            router: api.clone().router(),
            api,
            db,
            switch,
            brands: [brands[0].0, brands[1].0],
            companies: [companies[0].id.0, companies[1].id.0, companies[2].id.0],
            platform,
            brand_admins: brand_admins.try_into().unwrap(),
            company_admins: company_admins.try_into().unwrap(),
            reader,
            archives: dir.path().join("archive"),
            dir,
        }
    }

    /// Lets something happen to one of the companies.
    pub(crate) fn happen(&self, kind: &'static str, company: usize) {
        let brand = BrandId(self.brands[usize::from(company == 2)]);
        let company = CompanyId(self.companies[company]);
        let at = Instant::from_unix_nanos(5_000_000_000);
        self.switch.events.tell(&model::Told {
            kind,
            at,
            call: None,
            brand,
            company,
            attrs: vec![("caller", "1001".to_owned())],
        });
    }

    /// Asks, with a JSON body unless it is null.
    pub(crate) async fn ask(&self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.ask_bytes(token, method, path, bytes).await
    }

    pub(crate) async fn ask_bytes(&self, token: Option<&str>, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let kind = response.headers().get("content-type").map_or("", |k| k.to_str().unwrap()).to_owned();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, kind, body, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Asks as the platform and expects success.
    pub(crate) async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(Some(&self.platform), method, path, &body).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        answer.body
    }

    /// A recording of a company, and its file.
    pub(crate) async fn recorded(&self, n: u64, company: usize) -> i64 {
        let id = CompanyId(self.companies[company]);
        let start = RecordingStart {
            recording: RecordingId(n),
            name: format!("call-0-{n}"),
            brand: BrandId(self.brands[company / 2]),
            company: id,
            call: call_id(id.0),
            leg: 0,
            channels: Channels::Stereo,
            rate: 8_000,
            by: RecordedBy::Number,
            at: Instant::from_unix_nanos(5_000_000_000),
        };
        let sound = vec![b'x'; 150_000];
        let (bytes, becomes) = (sound.len() as u64, model::RecordingFormat::Opus);
        let about = RecordedFile { length_ms: 4_686, bytes, sha256: "0".repeat(64), becomes };
        self.db.recordings().add(&start, &about).await.unwrap();
        let folder = self.switch.recordings.join(id.0.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("call-0-{n}.wav")), sound).unwrap();
        let all = self.db.recordings().list(&OpContext::platform(), (Some(id), None), Page::first()).await.unwrap();
        all.iter().find(|r| r.name == start.name).unwrap().id
    }

    /// A fax of a company that waits; the company has this number.
    pub(crate) async fn faxed(&self, company: usize, from: &str) -> i64 {
        let pages = facsimile::tiff::write(&[(1_728, vec![0x55; 216 * 4]), (1_728, vec![0; 216])]);
        let from = from.replace('+', "%2B");
        let path = format!("/api/v1/faxes?company={}&from={from}&to=%2B4930123456", self.companies[company]);
        let queued = self.ask_bytes(Some(&self.platform), "POST", &path, pages).await;
        assert_eq!(queued.status, StatusCode::ACCEPTED, "{queued:?}");
        queued.body["id"].as_i64().unwrap()
    }

    /// Lets jobs be done.
    pub(crate) fn work(&self) -> Working {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        Working { stop, done: tokio::spawn(self.api.workers().unwrap().run(stopped)) }
    }

    /// A job when it has ended.
    pub(crate) async fn ended(&self, job: i64) -> Value {
        let path = format!("/api/v1/jobs/{job}");
        let begun = std::time::Instant::now();
        loop {
            let shown = self.must("GET", &path, Value::Null).await;
            if ["done", "failed", "cancelled"].iter().any(|state| shown["state"] == *state) {
                return shown;
            }
            assert!(begun.elapsed().as_secs() < 60, "it does not end: {shown}");
            tokio::time::sleep(core::time::Duration::from_millis(20)).await;
        }
    }

    /// A job of a company that waits, with a word about its first line.
    pub(crate) async fn asked(&self, company: usize) -> i64 {
        let id = CompanyId(self.companies[company]);
        let new = NewJob {
            scope: Scope::Company(BrandId(self.brands[company / 2]), id),
            kind: "nothing".to_owned(),
            noun: "accounts".to_owned(),
            actor: "switch".to_owned(),
            impersonator: None,
            principal: Principal::Switch,
            asked: "{}".to_owned(),
            loading: false,
            made_at: self.switch.now(),
        };
        let job = self.db.jobs().create(&OpContext::platform(), new).await.unwrap().id;
        let line = JobLine { id: 0, line: 1, field: "username".to_owned(), detail: format!("secret of {}", id.0) };
        self.db.job_runs().say(job, &[line]).await.unwrap();
        job
    }

    /// A mail of a company that waits, and a mail host of its brand; the mail's number.
    pub(crate) async fn mailed(&self, company: usize) -> i64 {
        let brand = self.brands[company / 2];
        let host = json!({"host": "mail.example.com", "port": 587, "user": "pbx", "password": "hush hush", "from": "pbx@example.com"});
        self.must("PUT", &format!("/api/v1/brands/{brand}/mail-host"), host).await;
        let new = store::NewMail {
            brand: BrandId(brand),
            company: CompanyId(self.companies[company]),
            binding: "mine".to_owned(),
            name: "first".to_owned(),
            message_id: format!("{company}@example.com"),
            to: "anna@example.com".to_owned(),
            subject: "Hello".to_owned(),
            text: "secret".to_owned(),
            files: Vec::new(),
            delete_after: false,
        };
        let caps = store::MailCaps { hour: 9, binding_hour: 9, waiting: 9 };
        self.db.mails().add(&[new], caps, self.switch.now()).await.unwrap().unwrap();
        self.must("GET", "/api/v1/mails", Value::Null).await["items"][0]["id"].as_i64().unwrap()
    }

    /// An archive of the first brand, and its file: a question that a plugin was asked long ago.
    pub(crate) async fn archived(&self) -> i64 {
        let (brand, now) = (BrandId(self.brands[0]), self.switch.now());
        let start = Instant::from_unix_nanos(0);
        let old = Instant::from_unix_nanos(1_000_000);
        let why = Explained { at: start, call: CallId(7), ..explained(self.companies[0]) };
        self.db.explanations().add(&[(brand, why)]).await.unwrap();
        let archives = self.db.archives();
        let leaving = archives.leaving(ArchiveKind::Explanations, brand, (start, old), 9).await.unwrap();
        let file = ArchiveFile { name: "explanations-1970-01-0".to_owned(), bytes: 6, sha256: "0".repeat(64) };
        let folder = self.archives.join(brand.0.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("explanations-1970-01-0.jsonl.zst"), b"secret").unwrap();
        archives.keep(brand, &leaving, &file, now).await.unwrap().unwrap().id
    }

    /// Adds one of each noun to the first company, with a plugin of its brand and a token of its own.
    pub(crate) async fn furnish(&self) -> Furniture {
        let (brand, company) = (self.brands[0], self.companies[0]);
        let id = |made: Value| made["id"].as_i64().unwrap();
        let account = id(self.must("POST", "/api/v1/accounts", json!({"company": company, "username": "1001"})).await);
        let target = json!({"kind": "account", "name": "1001"});
        let body = json!({"company": company, "number": "1001", "target": target});
        let extension = id(self.must("POST", "/api/v1/extensions", body).await);
        let body = json!({"company": company, "e164": "+442079460000", "target": target});
        let ddi = id(self.must("POST", "/api/v1/ddis", body).await);
        let path = format!("/api/v1/plugins?name=mine&version=1&brand={brand}");
        let installed = self.ask_bytes(Some(&self.platform), "POST", &path, ROUTER.to_vec()).await;
        assert_eq!(installed.status, StatusCode::CREATED, "{installed:?}");
        let plugin = id(installed.body);
        let bind = |config: Value| json!({"company": company, "name": "mine", "plugin": plugin, "config": config});
        let binding = id(self.must("PUT", "/api/v1/bindings", bind(json!({}))).await);
        self.must("PUT", "/api/v1/bindings", bind(json!({"changed": true}))).await;
        let body = json!({"company": company, "name": "own", "role": "admin"});
        let token = id(self.must("POST", "/api/v1/tokens", body).await);
        let set = id(self.must("POST", "/api/v1/translation-sets", json!({"brand": brand, "name": "gb"})).await);
        let body = json!({
            "brand": brand, "name": "carrier", "servers": [{"host": "198.51.100.1"}], "translation_set": set,
            "credentials": {"username": "acme", "password": "a secret of acme"},
        });
        let trunk = id(self.must("POST", "/api/v1/trunks", body).await);
        self.db.explanations().add(&[(BrandId(brand), explained(company))]).await.unwrap();
        let path = format!("/api/v1/prefix-tables?name=rates&brand={brand}");
        let loaded = self.ask_bytes(Some(&self.platform), "POST", &path, b"prefix,price\n44,1\n".to_vec()).await;
        let table = id(loaded.body);
        let body = json!({"brand": brand, "name": "spain", "prefix": "+34"});
        let pattern = id(self.must("POST", "/api/v1/route-patterns", body).await);
        let body = json!({"brand": brand, "name": "europe", "patterns": [pattern]});
        let group = id(self.must("POST", "/api/v1/route-groups", body).await);
        let body = json!({"brand": brand, "name": "premium", "tag": "12", "companies": [company]});
        let tag = id(self.must("POST", "/api/v1/route-tags", body).await);
        let rated = json!([{"trunk": trunk, "table": "rates"}]);
        let body = json!({"brand": brand, "name": "out", "company": company, "group": group, "tag": tag, "mode": "lcr", "trunks": rated});
        let route = id(self.must("POST", "/api/v1/outgoing-routes", body).await);
        let body = json!({"company": company, "kind": "match-list", "name": "friends", "body": {"numbers": ["+4477"]}});
        let rule = id(self.must("POST", "/api/v1/rules", body).await);
        let body = json!({"method": "prepaid", "plan": "retail", "currency": "EUR"});
        self.must("PUT", &format!("/api/v1/companies/{company}/wallet"), body).await;
        let body = json!({"company": company, "name": "anna", "password": "a long password", "role": "admin"});
        let person = id(self.must("POST", "/api/v1/people", body).await);
        let log_in = json!({"name": "anna", "password": "a long password", "company": "one.example"});
        self.must("POST", "/api/v1/login", log_in).await;
        let login = id(self.must("GET", "/api/v1/logins", Value::Null).await["items"][0].take());
        let recording = self.recorded(1, 0).await;
        let fax = self.faxed(0, "+442079460000").await;
        let job = self.asked(0).await;
        let timetable = id(self.must("POST", "/api/v1/timetables", nightly(company)).await);
        let mail = self.mailed(0).await;
        let archive = self.archived().await;
        Furniture {
            archive,
            account,
            extension,
            ddi,
            plugin,
            binding,
            token,
            set,
            trunk,
            table,
            pattern,
            group,
            tag,
            route,
            rule,
            person,
            login,
            recording,
            fax,
            job,
            timetable,
            mail,
        }
    }
}

/// Those who do jobs.
pub(crate) struct Working {
    stop: tokio::sync::watch::Sender<bool>,
    done: tokio::task::JoinHandle<()>,
}

impl Working {
    pub(crate) async fn end(self) {
        self.stop.send(true).unwrap();
        self.done.await.unwrap();
    }
}

/// Row numbers of what the first company has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Furniture {
    pub(crate) archive: i64,
    pub(crate) account: i64,
    pub(crate) extension: i64,
    pub(crate) ddi: i64,
    pub(crate) plugin: i64,
    pub(crate) binding: i64,
    pub(crate) token: i64,
    pub(crate) set: i64,
    pub(crate) trunk: i64,
    pub(crate) table: i64,
    pub(crate) pattern: i64,
    pub(crate) group: i64,
    pub(crate) tag: i64,
    pub(crate) route: i64,
    pub(crate) rule: i64,
    pub(crate) person: i64,
    pub(crate) login: i64,
    pub(crate) recording: i64,
    pub(crate) fax: i64,
    pub(crate) job: i64,
    pub(crate) timetable: i64,
    pub(crate) mail: i64,
}

/// A timetable of a company.
pub(crate) fn nightly(company: i64) -> Value {
    json!({
        "company": company, "name": "nightly", "export": "accounts", "cron": "30 2 * * *", "zone": "Europe/Berlin",
    })
}

async fn token(db: &Db, scope: Scope, role: Role) -> String {
    let now = Instant::from_unix_nanos(1_000);
    let new =
        NewToken { scope, name: format!("t-{}", role.text()), role, created_at: now, rights: None, expires_at: None };
    db.tokens().create(&OpContext::platform(), new).await.unwrap().1
}

/// Why the company's call went where it went.
pub(crate) fn explained(company: i64) -> Explained {
    let hook = HookReport {
        binding: "mine".to_owned(),
        plugin: "mine@1".to_owned(),
        outcome: "connect".to_owned(),
        took: core::time::Duration::from_micros(12),
        warm: true,
    };
    Explained {
        call: call_id(company),
        company: CompanyId(company),
        at: Instant::from_unix_nanos(5_000_000_000),
        asked: "route".to_owned(),
        callee: "1002".to_owned(),
        decision: "connect account 1002".to_owned(),
        hooks: vec![hook],
    }
}
