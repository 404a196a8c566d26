//! The switch behind the API of a test: a few vectors, and what it was asked.

use api::{Asked, Component, Gone, MailTrialError, Registration, Switch, Trial};
use bundle::Fault;
use core::net::IpAddr;
use model::{
    AccountId, AppError, Ban, BindingId, BoxOwner, BoxReply, BoxSettings, BoxVerb, BrandId, CallId, CallSnapshot,
    Cause, CompanyId, Folder, Greeting, Instant, LegSnapshot, LegState, Mailbox, Summons, TapeAct, TapeRefusal,
    VoiceBox, VoiceMessage,
};
use shell::LifecycleError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use store::UsedMailHost;

/// A component that the fake switch takes: it serves what its text names.
pub(crate) const ROUTER: &[u8] = b"\0asm routing/router";
pub(crate) const APP: &[u8] = b"\0asm call/app";

#[derive(Debug, Default)]
pub(crate) struct FakeSwitch {
    pub(crate) calls: Mutex<Vec<CallSnapshot>>,
    pub(crate) registrations: Mutex<Vec<Registration>>,
    pub(crate) hung_up: Mutex<Vec<CallId>>,
    pub(crate) summoned: Mutex<Vec<Summons>>,
    /// Why it makes no calls.
    pub(crate) refuses: Mutex<Option<Cause>>,
    pub(crate) taped: Mutex<Vec<(CallId, u16, TapeAct)>>,
    pub(crate) recordings: std::path::PathBuf,
    pub(crate) faxes_queued: AtomicUsize,
    pub(crate) trunks: Mutex<Vec<model::TrunkStatus>>,
    pub(crate) mailboxes: Mutex<Vec<Mailbox>>,
    pub(crate) asked_boxes: Mutex<Vec<(BoxOwner, BoxVerb)>>,
    /// Hosts that were tried, and where to: the first takes the mail, the second does not, and then it is too often.
    pub(crate) mailed: Mutex<Vec<(UsedMailHost, String)>>,
    pub(crate) bans: Mutex<Vec<Ban>>,
    pub(crate) live: AtomicUsize,
    pub(crate) stuck: AtomicBool,
    /// Whoever holds this holds up what is asked of the switch.
    pub(crate) held: tokio::sync::Mutex<()>,
    /// Told of everything that waits for that.
    pub(crate) waits: tokio::sync::Notify,
    /// How bindings do; the others it does not run.
    pub(crate) bindings: Mutex<std::collections::BTreeMap<BindingId, shell::BindingState>>,
    /// What their guests wrote; the others it does not run.
    pub(crate) logs: Mutex<std::collections::BTreeMap<BindingId, Arc<shell::GuestLog>>>,
    pub(crate) draining: AtomicBool,
    /// How far its clock was put on, in seconds.
    pub(crate) ahead: AtomicU64,
    pub(crate) events: shell::LiveEvents,
}

impl Switch for FakeSwitch {
    fn calls(&self) -> Asked<'_, Result<Vec<CallSnapshot>, Gone>> {
        Box::pin(async { Ok(self.calls.lock().unwrap().clone()) })
    }
    fn hangup(&self, call: CallId) -> Asked<'_, Result<bool, Gone>> {
        Box::pin(async move {
            self.hung_up.lock().unwrap().push(call);
            self.waits.notify_one();
            let _turn = self.held.lock().await;
            Ok(true)
        })
    }
    fn summon(&self, wanted: Summons) -> Asked<'_, Result<Result<CallId, Cause>, Gone>> {
        Box::pin(async move {
            let refusal = *self.refuses.lock().unwrap();
            self.summoned.lock().unwrap().push(wanted);
            Ok(refusal.map_or(Ok(CallId(0xca11)), Err))
        })
    }
    fn tape(&self, call: CallId, leg: u16, act: TapeAct) -> Asked<'_, Result<Result<(), TapeRefusal>, Gone>> {
        Box::pin(async move {
            self.taped.lock().unwrap().push((call, leg, act));
            Ok(if leg == 0 { Ok(()) } else { Err(TapeRefusal::State) })
        })
    }
    fn recordings(&self) -> shell::Archive {
        shell::Archive::at(self.recordings.clone())
    }
    fn fax_room(&self) -> shell::FaxRoom {
        shell::FaxRoom { root: self.recordings.with_file_name("faxes"), pages_max: 3, waiting_max: 2 }
    }
    fn fax_queued(&self) {
        self.faxes_queued.fetch_add(1, Ordering::Relaxed);
    }
    fn mailbox(&self, mailbox: Mailbox) -> Asked<'_, Result<(), Gone>> {
        Box::pin(async move {
            self.mailboxes.lock().unwrap().push(mailbox);
            Ok(())
        })
    }
    fn voice_box(&self, whose: BoxOwner, verb: BoxVerb) -> Asked<'_, Result<BoxReply, AppError>> {
        Box::pin(async move {
            self.asked_boxes.lock().unwrap().push((whose.clone(), verb.clone()));
            Ok(match verb {
                BoxVerb::Open => BoxReply::Opened(voice_box(whose)),
                BoxVerb::Messages(_) => BoxReply::Messages(vec![message()]),
                BoxVerb::Fetch(7) => BoxReply::File(b"RIFF".to_vec()),
                BoxVerb::Move(7, _) | BoxVerb::Erase(7) | BoxVerb::Configure(_) | BoxVerb::SetPin(_) => BoxReply::Done,
                BoxVerb::CheckPin(_)
                | BoxVerb::Deposit(_)
                | BoxVerb::Hear(_)
                | BoxVerb::Fetch(_)
                | BoxVerb::Move(..)
                | BoxVerb::Erase(_)
                | BoxVerb::Forward(..)
                | BoxVerb::Greet(..)
                | BoxVerb::HearGreeting(_)
                | BoxVerb::HearRecording(_) => return Err(AppError::NotFound),
            })
        })
    }
    fn try_mail(&self, host: UsedMailHost, to: String) -> Asked<'_, Result<(), MailTrialError>> {
        Box::pin(async move {
            let mut mailed = self.mailed.lock().unwrap();
            mailed.push((host, to));
            match mailed.len() {
                1 => Ok(()),
                2 => Err(MailTrialError::Refused("550 not here".to_owned())),
                _ => Err(MailTrialError::TooOften),
            }
        })
    }
    fn registrations(&self) -> Asked<'_, Result<Vec<Registration>, Gone>> {
        Box::pin(async { Ok(self.registrations.lock().unwrap().clone()) })
    }
    fn trunks(&self) -> Asked<'_, Result<Vec<model::TrunkStatus>, Gone>> {
        Box::pin(async { Ok(self.trunks.lock().unwrap().clone()) })
    }
    fn bans(&self) -> Asked<'_, Result<Vec<Ban>, Gone>> {
        Box::pin(async { Ok(self.bans.lock().unwrap().clone()) })
    }
    fn unban(&self, source: IpAddr) -> Asked<'_, Result<bool, Gone>> {
        Box::pin(async move {
            let mut bans = self.bans.lock().unwrap();
            let before = bans.len();
            bans.retain(|b| !b.source.contains(source));
            Ok(bans.len() < before)
        })
    }
    fn check(&self, component: Vec<u8>) -> Asked<'_, Result<Component, String>> {
        Box::pin(async move {
            let text = String::from_utf8_lossy(&component);
            let Some(points) = text.strip_prefix("\0asm ") else {
                return Err("not a WebAssembly component: no magic".to_owned());
            };
            let points = points.split(' ').filter(|p| p.contains('/')).map(str::to_owned).collect();
            let lifecycle = text.contains(" lifecycle");
            Ok(Component { digest: sha256(&component), points, lifecycle })
        })
    }
    fn validate_config(&self, component: Vec<u8>, json: String) -> Asked<'_, Result<Vec<Fault>, LifecycleError>> {
        assert!(String::from_utf8_lossy(&component).contains(" lifecycle"), "nothing else is asked");
        Box::pin(async move {
            match json.contains("bad") {
                true => Ok(vec![Fault { at: "/prefix".to_owned(), why: format!("not with {json}") }]),
                false if json.contains("busy") => Err(LifecycleError::Busy),
                false => Ok(Vec::new()),
            }
        })
    }
    fn migrate_config(&self, _: Vec<u8>, version: String, json: String) -> Asked<'_, api::Migrated> {
        Box::pin(async move {
            match version.as_str() {
                "1.0.0" => Ok(Some(Ok(json.replace("\"prefix\"", "\"lead\"")))),
                _ => Ok(Some(Err(vec![Fault { at: String::new(), why: format!("not from {version}") }]))),
            }
        })
    }
    fn live(&self) -> Asked<'_, Result<(), String>> {
        Box::pin(async {
            if self.stuck.load(Ordering::SeqCst) {
                return Err("the shard does not answer".to_owned());
            }
            self.waits.notify_one();
            let _turn = self.held.lock().await;
            self.live.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
    fn quote(&self, priced: api::Priced) -> Asked<'_, Result<model::Charge, String>> {
        let seconds = i64::try_from(priced.billed_ms / 1_000).unwrap();
        let known = priced.number.starts_with('+');
        let lines = vec![("prefix".to_owned(), priced.number.chars().skip(1).take(2).collect())];
        let charge = model::Charge { micros: seconds * 1_500, carrier_micros: None, currency: "EUR".to_owned(), lines };
        Box::pin(async move { if known { Ok(charge) } else { Err("no price for the number".to_owned()) } })
    }
    fn trial(&self, _: BindingId) -> Option<Trial> {
        Some(Trial { calls: 7, same: 6, different: 1, differences: vec!["x".to_owned()], ..Trial::default() })
    }
    fn binding(&self, binding: BindingId) -> Option<shell::BindingState> {
        self.bindings.lock().unwrap().get(&binding).copied()
    }
    fn binding_log(&self, binding: BindingId) -> Option<Arc<shell::GuestLog>> {
        self.logs.lock().unwrap().get(&binding).cloned()
    }
    fn record_plugin(&self, _: BindingId, sample: shell::Sample) -> Result<(), shell::RecordRefusal> {
        if sample.wanted < 1_000 { Ok(()) } else { Err(shell::RecordRefusal::TooMany) }
    }
    fn plugin_recording(&self, _: BindingId) -> Option<shell::RecordingState> {
        let (plugin, full) = ("front@0.1.0".to_owned(), false);
        Some(shell::RecordingState { plugin, takes: 3, wanted: 20, bytes: 4_096, left_out: 0, full })
    }
    fn plugin_recording_file(&self, _: BindingId) -> Option<String> {
        Some("{}\n".to_owned())
    }
    fn forget_plugin_recording(&self, _: BindingId) -> bool {
        true
    }
    fn unready(&self) -> Vec<String> {
        if self.draining.load(Ordering::SeqCst) { vec!["draining".to_owned()] } else { Vec::new() }
    }
    fn warnings(&self) -> Vec<String> {
        vec!["binding x is not live".to_owned()]
    }
    fn metrics(&self) -> String {
        "strowger_calls 2\n".to_owned()
    }
    fn events(&self) -> &shell::LiveEvents {
        &self.events
    }
    fn now(&self) -> Instant {
        let ahead = core::time::Duration::from_secs(self.ahead.load(Ordering::SeqCst));
        Instant::from_unix_nanos(1_795_326_480_000_000_000) + ahead
    }
}

fn voice_box(whose: BoxOwner) -> VoiceBox {
    VoiceBox {
        account: whose.account,
        display_name: String::new(),
        settings: BoxSettings::default(),
        has_pin: true,
        locked_s: 0,
        greetings: vec![Greeting::Busy],
        new: 1,
        new_urgent: 0,
        saved: 0,
        saved_urgent: 0,
        deleted: 0,
    }
}

fn message() -> VoiceMessage {
    VoiceMessage {
        id: 7,
        folder: Folder::New,
        caller: "1002".to_owned(),
        caller_name: None,
        received_ms: 1_795_326_480_000,
        length_ms: 2_500,
        urgent: false,
    }
}

/// The digest as the store has it.
fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The call id of a company's call.
pub(crate) fn call_id(company: i64) -> CallId {
    CallId(0xca11_0000 + u128::from(company.unsigned_abs()))
}

/// A call of the company's.
pub(crate) fn call(brand: BrandId, company: CompanyId) -> CallSnapshot {
    let now = Instant::from_unix_nanos(5_000_000_000);
    CallSnapshot {
        call: call_id(company.0),
        brand,
        company,
        account: None,
        caller: "1001".to_owned(),
        callee: "1002".to_owned(),
        app: None,
        started_at: now,
        answered_at: Some(now),
        legs: vec![
            LegSnapshot { leg: 0, party: "1001".to_owned(), state: LegState::Answered },
            LegSnapshot { leg: 1, party: "1002".to_owned(), state: LegState::Held },
        ],
    }
}

/// A phone of the company's.
pub(crate) fn registration(brand: BrandId, company: CompanyId) -> Registration {
    Registration {
        account: AccountId(1),
        username: "1001".to_owned(),
        brand,
        company,
        contact: "sip:1001@192.0.2.1".to_owned(),
        source: "udp/192.0.2.1:5060".to_owned(),
        user_agent: None,
        expires_at: Instant::from_unix_nanos(9_000_000_000),
    }
}
