//! The world of a scenario: a host with one plugin, its tenant, its keys, and a network and mailboxes that are lists.

use super::books::{Books, Clerk};
use super::form::{BoxForm, Exchange, Scenario};
use super::letters::Letters;
use crate::exit::Failure;
use bundle::{Grants, Manifest};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use model::{
    Account, AccountId, AccountRules, AppError, BindingId, BoxOwner, BoxReply, BoxSettings, BoxVerb, Brand, BrandId,
    CallId, CallInfo, Clip, Company, CompanyId, Ddi, DefaultVerdict, Directory, Extension, ExtensionId, Folder, Ha1,
    Handling, Instant, MediaPath, MediaSecurity, Party, PinCheck, RouteTarget, VoiceBox, VoiceMessage,
};
use plugin::{
    Artifact, BindingSpec, BoxAnswer, GuestClock, Host, HostConfig, HttpAnswer, HttpAsked, HttpClients, Mailboxes,
    Point, Scope, Secret,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tables::{Kv, KvEntry, PrefixTable, SpaceName};
use tokio::sync::oneshot;

const BRAND: BrandId = BrandId(1);
const COMPANY: CompanyId = CompanyId(1);
/// Wrong PINs that lock a box, as in the switch.
const WRONG_MAX: u32 = 5;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What outlives a scenario: the host, the compiled component, and the parts that each scenario fills anew.
pub(super) struct Bench {
    host: Host,
    artifact: Arc<Artifact>,
    clock: GuestClock,
    fuel: Arc<AtomicU64>,
    kv: Kv,
    network: Arc<Network>,
    letters: Arc<Letters>,
    boxes: Arc<Boxes>,
    books: Arc<Books>,
}

/// The world of one run.
pub(super) struct World {
    pub(super) host: Host,
    pub(super) directory: Arc<Directory>,
    pub(super) clock: GuestClock,
    fuel: Arc<AtomicU64>,
    fuel_before: u64,
    plugin: String,
    network: Arc<Network>,
    letters: Arc<Letters>,
    books: Arc<Books>,
    base: CallInfo,
}

/// Answers requests from a list.
#[derive(Debug, Default)]
struct Network {
    left: Mutex<VecDeque<Exchange>>,
    strange: Mutex<Vec<String>>,
}

impl plugin::HttpScript for Network {
    fn answer(&self, asked: &HttpAsked) -> Result<HttpAnswer, AppError> {
        let strange = |why: String| {
            lock(&self.strange).push(why);
            AppError::Unavailable("no such request in the scenario".to_owned())
        };
        let Some(next) = lock(&self.left).pop_front() else {
            return Err(strange(format!("it asks for {} {}, and no answer is left", asked.method, asked.url)));
        };
        let method = next.method.as_deref().unwrap_or("GET");
        if next.url != asked.url || method != asked.method {
            let why = format!("it asks for {} {}, expected {method} {}", asked.method, asked.url, next.url);
            return Err(strange(why));
        }
        match next.error.as_deref() {
            Some("timeout") => return Err(AppError::Timeout),
            Some(_) => return Err(AppError::Unavailable("as the scenario says".to_owned())),
            None => {}
        }
        let body = match next.body {
            serde_json::Value::Null => Vec::new(),
            serde_json::Value::String(text) => text.into_bytes(),
            other @ (serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_)) => other.to_string().into_bytes(),
        };
        Ok(HttpAnswer { status: next.status.unwrap_or(200), body })
    }
}

#[derive(Debug)]
struct FakeBox {
    pin: Option<String>,
    wrong: u32,
    settings: BoxSettings,
    messages: Vec<VoiceMessage>,
    greetings: Vec<model::Greeting>,
}

/// Mailboxes in memory; every account has one.
#[derive(Debug)]
struct Boxes {
    boxes: Mutex<BTreeMap<String, FakeBox>>,
    clock: GuestClock,
}

impl FakeBox {
    fn of(form: Option<&BoxForm>, at: u64) -> FakeBox {
        let form = form.cloned().unwrap_or_default();
        let defaults = BoxSettings::default();
        let message = |(n, caller): (usize, String)| VoiceMessage {
            id: i64::try_from(n).unwrap_or_default() + 1,
            folder: Folder::New,
            caller,
            caller_name: None,
            received_ms: at,
            length_ms: 5_000,
            urgent: false,
        };
        FakeBox {
            pin: form.pin,
            wrong: 0,
            settings: BoxSettings {
                enabled: form.enabled.unwrap_or(true),
                messages_max: form.messages_max.unwrap_or(defaults.messages_max),
                ..defaults
            },
            messages: form.messages.into_iter().enumerate().map(message).collect(),
            greetings: Vec::new(),
        }
    }

    fn count(&self, folder: Folder) -> u32 {
        u32::try_from(self.messages.iter().filter(|m| m.folder == folder).count()).unwrap_or(u32::MAX)
    }

    fn shown(&self, account: &str) -> VoiceBox {
        VoiceBox {
            account: account.to_owned(),
            display_name: account.to_owned(),
            settings: self.settings.clone(),
            has_pin: self.pin.is_some(),
            locked_s: if self.wrong >= WRONG_MAX { 900 } else { 0 },
            greetings: self.greetings.clone(),
            new: self.count(Folder::New),
            new_urgent: 0,
            saved: self.count(Folder::Saved),
            saved_urgent: 0,
            deleted: self.count(Folder::Deleted),
        }
    }

    fn check(&mut self, pin: &str) -> PinCheck {
        match &self.pin {
            None => PinCheck::Unset,
            Some(_) if self.wrong >= WRONG_MAX => PinCheck::Locked,
            Some(known) if known == pin => {
                self.wrong = 0;
                PinCheck::Right
            }
            Some(_) => {
                self.wrong += 1;
                if self.wrong >= WRONG_MAX { PinCheck::Locked } else { PinCheck::Wrong }
            }
        }
    }

    fn add(&mut self, message: VoiceMessage) -> BoxAnswer {
        if !self.settings.enabled {
            return Err(AppError::InvalidState("the mailbox takes no messages".to_owned()));
        }
        if self.count(Folder::New) + self.count(Folder::Saved) >= self.settings.messages_max {
            return Err(AppError::LimitExceeded("mailbox-messages-max".to_owned()));
        }
        let id = self.messages.iter().map(|m| m.id).max().unwrap_or(0) + 1;
        self.messages.push(VoiceMessage { id, ..message });
        Ok(BoxReply::Kept(id))
    }

    fn message(&mut self, id: i64) -> Result<&mut VoiceMessage, AppError> {
        self.messages.iter_mut().find(|m| m.id == id).ok_or(AppError::NotFound)
    }
}

fn sound() -> BoxReply {
    BoxReply::Sound(Some(Clip(Arc::from([0; 8]))))
}

impl Boxes {
    fn carry(&self, whose: &BoxOwner, verb: BoxVerb) -> BoxAnswer {
        let mut boxes = lock(&self.boxes);
        if let BoxVerb::Forward(id, to) = verb {
            let message = boxes.get_mut(&whose.account).ok_or(AppError::NotFound)?.message(id)?.clone();
            let copy = VoiceMessage { folder: Folder::New, ..message };
            return boxes.get_mut(&to).ok_or(AppError::NotFound)?.add(copy);
        }
        let own = boxes.get_mut(&whose.account).ok_or(AppError::NotFound)?;
        Ok(match verb {
            BoxVerb::Open => BoxReply::Opened(own.shown(&whose.account)),
            BoxVerb::Configure(settings) => {
                own.settings = settings;
                BoxReply::Done
            }
            BoxVerb::CheckPin(pin) => BoxReply::Pin(own.check(&pin)),
            BoxVerb::SetPin(pin) => {
                let good = |p: &String| (4..=12).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit());
                if pin.as_ref().is_some_and(|p| !good(p)) {
                    return Err(AppError::InvalidArgument("pin: expected 4 to 12 digits".to_owned()));
                }
                (own.pin, own.wrong) = (pin, 0);
                BoxReply::Done
            }
            BoxVerb::Deposit(deposit) => {
                return own.add(VoiceMessage {
                    id: 0,
                    folder: Folder::New,
                    caller: deposit.caller,
                    caller_name: deposit.caller_name,
                    received_ms: self.clock.now_ms(),
                    length_ms: 5_000,
                    urgent: deposit.urgent,
                });
            }
            BoxVerb::Messages(folder) => {
                let wanted = |m: &&VoiceMessage| folder.is_none_or(|f| f == m.folder);
                BoxReply::Messages(own.messages.iter().filter(wanted).cloned().collect())
            }
            BoxVerb::Hear(id) => own.message(id).map(|_| sound())?,
            BoxVerb::Fetch(id) => own.message(id).map(|_| BoxReply::File(Vec::new()))?,
            BoxVerb::Move(id, folder) => {
                own.message(id)?.folder = folder;
                BoxReply::Done
            }
            BoxVerb::Erase(id) => {
                own.message(id)?;
                own.messages.retain(|m| m.id != id);
                BoxReply::Done
            }
            BoxVerb::Greet(kind, recording) => {
                own.greetings.retain(|k| *k != kind);
                own.greetings.extend(recording.map(|_| kind));
                BoxReply::Done
            }
            BoxVerb::HearGreeting(kind) if own.greetings.contains(&kind) => sound(),
            BoxVerb::HearGreeting(_) => BoxReply::Sound(None),
            BoxVerb::HearRecording(_) => sound(),
            // Taken above.
            BoxVerb::Forward(..) => return Err(AppError::NotFound),
        })
    }
}

impl Mailboxes for Boxes {
    fn ask(&self, whose: BoxOwner, verb: BoxVerb) -> oneshot::Receiver<BoxAnswer> {
        let (answer, receiver) = oneshot::channel();
        let _nobody_waits = answer.send(self.carry(&whose, verb));
        receiver
    }
}

fn directory(scenario: &Scenario, accounts: &[String]) -> Result<Directory, String> {
    let call = &scenario.call;
    let brand = Brand { id: BRAND, name: call.brand.clone(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: COMPANY,
        brand: BRAND,
        name: call.company.clone(),
        domain: "company.test".to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let account = |(id, name): (i64, &String)| Account {
        id: AccountId(id),
        company: COMPANY,
        username: name.clone(),
        display_name: format!("Phone {name}"),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: None,
        media_security: None,
        enabled: true,
        rules: AccountRules { do_not_disturb: scenario.undisturbed.contains(name), ..AccountRules::default() },
    };
    let target = |text: &String| match text.split_once(':') {
        Some(("app", name)) => RouteTarget::App(name.to_owned()),
        Some(("extension", number)) => RouteTarget::Extension(number.to_owned()),
        Some(_) | None => RouteTarget::Account(text.clone()),
    };
    let extension = |(id, (number, to)): (i64, (&String, &String))| Extension {
        id: ExtensionId(id),
        company: COMPANY,
        number: number.clone(),
        target: target(to),
    };
    let ddi = |(id, (e164, to)): (i64, (&String, &String))| Ddi::to(id, COMPANY, e164, target(to));
    Directory::build(
        1,
        vec![brand],
        vec![company],
        (1..).zip(accounts).map(account).collect(),
        (1..).zip(&scenario.extensions).map(extension).collect(),
        (1..).zip(&scenario.ddis).map(ddi).collect(),
    )
    .map_err(|e| format!("accounts and numbers: {e}"))
}

fn base_call(scenario: &Scenario, accounts: &[String], at: u64) -> CallInfo {
    let call = &scenario.call;
    let party = |user: &str, display: Option<String>| Party {
        uri: format!("sip:{user}@company.test"),
        user: user.to_owned(),
        display,
        verified: Some("digest".to_owned()),
    };
    let own = accounts.contains(&call.from).then(|| call.from.clone());
    CallInfo {
        call: CallId(1),
        brand: BRAND,
        brand_name: call.brand.clone(),
        company: COMPANY,
        company_name: call.company.clone(),
        account: call.account.clone().or(own),
        source_ip: "192.0.2.1".to_owned(),
        caller: party(&call.from, call.name.clone()),
        callee: party(&call.to, None),
        headers: Vec::new(),
        received_at: Instant::from_unix_nanos(at.saturating_mul(1_000_000)),
        attrs: call.attrs.clone().into_iter().collect(),
    }
}

impl Bench {
    /// Compiles the component.
    pub(super) fn new(component: &[u8]) -> Result<Bench, String> {
        let (clock, fuel) = (GuestClock::standing_at(0), Arc::new(AtomicU64::new(0)));
        let (network, kv, books) = (Arc::new(Network::default()), Kv::default(), Arc::new(Books::default()));
        // The machine of a test is shared: what is late there need not be late in a switch. Fuel tells what a plugin costs.
        let limits = model::Limits {
            route_deadline_ms: 60_000,
            route_io_deadline_ms: 60_000,
            filter_deadline_ms: 60_000,
            register_deadline_ms: 60_000,
            rate_deadline_ms: 60_000,
            ..model::Limits::default()
        };
        let config = HostConfig {
            limits,
            hook_cpu: Duration::from_secs(2),
            app_cpu: Duration::from_secs(5),
            hooks_max: 4,
            apps_max: 4,
            waits_max: 4,
            raters_max: 4,
            brand_share_percent: 100,
            binding_share_percent: 100,
            hook_threads: 1,
            app_threads: 1,
            spare_cpu_only: false,
            kv: kv.clone(),
            clock: clock.clone(),
            fuel: Some(Arc::clone(&fuel)),
            ledger: Some(Arc::new(Clerk(Arc::clone(&books), clock.clone()))),
            http: HttpClients::scripted(Arc::clone(&network) as Arc<dyn plugin::HttpScript>),
            ..HostConfig::default()
        };
        let host = Host::new(config).map_err(|e| e.to_string())?;
        let boxes = Arc::new(Boxes { boxes: Mutex::default(), clock: clock.clone() });
        host.keep_mailboxes(Arc::clone(&boxes) as Arc<dyn Mailboxes>);
        let letters = Arc::new(Letters::default());
        host.keep_mail(Arc::clone(&letters) as Arc<dyn plugin::Mailer>);
        let artifact = host.compile(component).map_err(|e| e.to_string())?;
        Ok(Bench { host, artifact, clock, fuel, kv, network, letters, boxes, books })
    }

    /// Nothing is left of another scenario.
    fn clear(&self) {
        // Whatever has a time is over; a clock that goes back must not bring it back.
        self.kv.expire(u64::MAX, usize::MAX);
        for (name, ..) in self.kv.usage() {
            let space = self.kv.space(&name);
            loop {
                let keys = space.keys("", None, 1_000, 0);
                if keys.is_empty() {
                    break;
                }
                for key in &keys {
                    // No limit stands in the way: what waits to be written is taken below.
                    let _nothing = space.delete(key);
                }
            }
        }
        // Nobody writes them to a disk.
        while !self.kv.take_changes(10_000).is_empty() {}
        for (brand, name, ..) in self.host.prefix_tables().list() {
            self.host.prefix_tables().set(brand, &name, None);
        }
    }
}

impl World {
    /// What the scenario says, on a clean bench.
    pub(super) fn new(
        bench: &Bench,
        manifest: &Manifest,
        scenario: &Scenario,
        grants: &Grants,
    ) -> Result<World, String> {
        let clock: jiff::Timestamp = scenario.call.clock.parse().map_err(|e| format!("call.clock: {e}"))?;
        let at = u64::try_from(clock.as_millisecond()).map_err(|_| "call.clock: before 1970".to_owned())?;
        bench.clear();
        bench.clock.set(at);
        *lock(&bench.network.left) = scenario.http.clone().into();
        lock(&bench.network.strange).clear();
        bench.letters.expect(&scenario.mail);
        bench.books.open(scenario.wallet.as_ref())?;
        let default = ["1001", "1002", "1003"].map(str::to_owned).to_vec();
        let accounts = scenario.accounts.as_ref().unwrap_or(&default);
        let boxes = accounts.iter().map(|a| (a.clone(), FakeBox::of(scenario.boxes.get(a), at)));
        *lock(&bench.boxes.boxes) = boxes.collect();
        for (name, csv) in &scenario.tables {
            let table = PrefixTable::from_csv(csv).map_err(|e| format!("tables.{name}: {e}"))?;
            bench.host.prefix_tables().set(BRAND, name, Some(Arc::new(table)));
        }
        let world = World {
            directory: Arc::new(directory(scenario, accounts)?),
            base: base_call(scenario, accounts, at),
            plugin: manifest.id.clone(),
            host: bench.host.clone(),
            clock: bench.clock.clone(),
            fuel: Arc::clone(&bench.fuel),
            fuel_before: bench.fuel.load(Ordering::Relaxed),
            network: Arc::clone(&bench.network),
            letters: Arc::clone(&bench.letters),
            books: Arc::clone(&bench.books),
        };
        for (bucket, keys) in &scenario.kv {
            for (key, value) in keys {
                let entry = KvEntry { value: value.clone().into_bytes(), expires_ms: None };
                world.space(bucket).put(key, entry).map_err(|e| format!("kv.{bucket}: {e}"))?;
            }
        }
        let artifact = &bench.artifact;
        let bindings = artifact.points().iter().map(|p| world.binding((*p, artifact), manifest, scenario, grants));
        world.host.set_bindings(bindings.collect()).map_err(|e| e.to_string())?;
        Ok(world)
    }

    fn binding(
        &self,
        (point, artifact): (Point, &Arc<Artifact>),
        manifest: &Manifest,
        scenario: &Scenario,
        grants: &Grants,
    ) -> BindingSpec {
        let secret = |(name, value): (&String, &String)| (name.clone(), Secret::new(value.clone()));
        BindingSpec {
            id: BindingId(1),
            name: manifest.id.clone(),
            scope: Scope { brand: BRAND, company: None, account: None },
            point,
            priority: 100,
            plugin: format!("{}@{}", manifest.id, manifest.version),
            artifact: Arc::clone(artifact),
            config_json: scenario.call.config.to_string(),
            config_secrets: BTreeSet::new(),
            grants: grants.clone(),
            secrets: scenario.secrets.iter().map(secret).collect(),
            codes: manifest.feature.codes.clone(),
            // A filter that fails shows it.
            mandatory: point == Point::SipFilter,
            recourse: model::Recourse::default(),
            reuse: manifest.reuse(point.name()),
            trial: None,
        }
    }

    fn space(&self, bucket: &str) -> tables::KvSpace {
        let (plugin, bucket) = (self.plugin.clone(), bucket.to_owned());
        self.host.kv().space(&SpaceName { brand: BRAND, company: None, account: None, plugin, bucket })
    }

    /// What the plugin keeps under a key, as text.
    pub(super) fn kept(&self, bucket: &str, key: &str) -> Option<String> {
        let value = self.space(bucket).get(key, self.clock.now_ms())?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    /// The scenario's call under this number, now.
    pub(super) fn call(&self, number: u32, from: Option<&str>, to: Option<&str>) -> CallInfo {
        let mut call = self.base.clone();
        call.call = CallId(u128::from(number));
        call.received_at = Instant::from_unix_nanos(self.clock.now_ms().saturating_mul(1_000_000));
        if let Some(user) = from {
            call.account = self.directory.account(COMPANY, user).map(|a| a.username.clone());
            call.caller.user = user.to_owned();
        }
        if let Some(user) = to {
            call.callee.user = user.to_owned();
        }
        call
    }

    /// The first thing that was wrong with a request or a mail to the outside.
    pub(super) fn strange_request(&self) -> Option<String> {
        lock(&self.network.strange).first().cloned().or_else(|| self.letters.strange())
    }

    /// A mail that was to be sent, and was not.
    pub(super) fn missing_mail(&self) -> Option<String> {
        self.letters.missing()
    }

    /// What the company's wallet has, and what is kept of it.
    pub(super) fn wallet(&self) -> Option<(String, String)> {
        self.books.figures()
    }

    /// What the plugin has used so far, in instructions.
    pub(super) fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed) - self.fuel_before
    }
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Failed { line: 0, text }
    }
}

/// What went otherwise than a scenario says, and on which line of its file; 0 where it has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failed {
    pub(super) line: u64,
    pub(super) text: String,
}

impl Failed {
    /// As the author reads it.
    pub(super) fn shown(&self, file: &str) -> Failure {
        match self.line {
            0 => Failure::refused(format!("{file}: {}", self.text)),
            line => Failure::refused(format!("{file}:{line}: {}", self.text)),
        }
    }
}
