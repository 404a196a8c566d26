//! What an account and a company say about their own calls: forwards, the ACL, the number shown, limits, emergency.

use super::way::is_e164;
use super::{BadRule, RuleKind, ServiceCodes, Used, Way, entries};
use crate::RecordingFormat;
use serde::{Deserialize, Serialize};

/// What makes an account's calls go elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardWhen {
    /// Any call, before anything rings.
    Unconditional,
    /// It is busy, or has as many calls as it may.
    Busy,
    /// It does not answer in time.
    NoAnswer,
    /// No phone of it is registered, or none can be reached.
    Unreachable,
}

impl ForwardWhen {
    /// The word for it in Diversion (RFC 5806 section 4.2.1).
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            ForwardWhen::Unconditional => "unconditional",
            ForwardWhen::Busy => "user-busy",
            ForwardWhen::NoAnswer => "no-answer",
            ForwardWhen::Unreachable => "unavailable",
        }
    }

    /// The SIP status that stands for it in History-Info (RFC 4458 section 5).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            ForwardWhen::Unconditional => 302,
            ForwardWhen::Busy => 486,
            ForwardWhen::NoAnswer => 408,
            ForwardWhen::Unreachable => 503,
        }
    }
}

/// Whose calls are forwarded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardFrom {
    /// Anybody's.
    #[default]
    Anybody,
    /// Those of the company's own accounts.
    Internal,
    /// Those that come by a trunk.
    External,
}

/// One forward of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// When.
    pub when: ForwardWhen,
    /// Whose calls.
    #[serde(default)]
    pub from: ForwardFrom,
    /// Where they go.
    pub to: Way,
    /// How long it rings before `no-answer`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_s: Option<u16>,
    /// Only calls from outside to this number of the company; absent = to whatever number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ddi: Option<String>,
    /// Only while this schedule covers the company's local time; absent = always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Whether it stands; one that does not is kept for later.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

impl Forward {
    /// One that stands at any time, whatever number was called.
    #[must_use]
    pub const fn new(when: ForwardWhen, from: ForwardFrom, to: Way) -> Forward {
        Forward { when, from, to, after_s: None, ddi: None, schedule: None, enabled: true }
    }

    /// Whether it can be meant.
    fn check(&self) -> Result<(), BadRule> {
        let bad = |why: &str| Err(BadRule::new("forwards", why));
        self.to.check("forwards")?;
        match (self.when, self.after_s) {
            (ForwardWhen::NoAnswer, Some(1..=180)) => {}
            (ForwardWhen::NoAnswer, _) => return bad("no-answer needs after_s, 1 to 180"),
            (ForwardWhen::Unconditional | ForwardWhen::Busy | ForwardWhen::Unreachable, None) => {}
            (ForwardWhen::Unconditional | ForwardWhen::Busy | ForwardWhen::Unreachable, Some(_)) => {
                return bad("only no-answer has after_s");
            }
        }
        match (&self.ddi, self.from) {
            (Some(_), ForwardFrom::Internal) => bad("only calls from outside come by a ddi"),
            (Some(number), _) if !is_e164(number) => {
                bad(&format!("ddi: expected a number as +34944048182, found {number:?}"))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// What two forwards may not have in common, where both stand.
    fn calls(&self) -> (ForwardWhen, ForwardFrom, Option<&str>, Option<&str>) {
        (self.when, self.from, self.ddi.as_deref(), self.schedule.as_deref())
    }
}

/// What an account says about its calls.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountRules {
    /// Its forwards: of those that stand, at most one for each of when, whose, number and schedule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<Forward>,
    /// Its phones do not ring: to whoever calls it is busy. It calls as ever, and is rung for calls that it makes by
    /// click and for its own that come back from a transfer or a park.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub do_not_disturb: bool,
    /// The ACL of its calls to the outside, and of those that it forwards there; absent = the company's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_acl: Option<String>,
    /// Most calls at once; past it the account is busy for others and may make no call itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<u32>,
    /// The public number it is shown by outside; absent = the company's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outgoing_ddi: Option<String>,
    /// The rules that say when another number is shown; absent = the company's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outgoing_ddi_rules: Option<String>,
    /// Who takes its calls first; absent = nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Assistant>,
    /// The groups whose ringing phones it may pick up by the service code of group pickup, and that may pick up its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pickup_groups: Vec<String>,
}

/// Who takes an account's calls first. The assistant itself gets through, as does whoever is on a white list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assistant {
    /// The assistant's user name.
    pub account: String,
    /// Match lists of callers who get through to the boss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub white_lists: Vec<String>,
}

impl AccountRules {
    /// Most forwards, also of those that do not stand.
    pub const FORWARDS_MAX: usize = 40;
    /// Most pickup groups of one account.
    pub const PICKUP_GROUPS_MAX: usize = 16;

    /// Whether what is said can be meant.
    ///
    /// # Errors
    /// [`BadRule`], which names the field.
    pub fn check(&self) -> Result<(), BadRule> {
        if self.forwards.len() > Self::FORWARDS_MAX {
            return Err(BadRule::new("forwards", format!("at most {}", Self::FORWARDS_MAX)));
        }
        let mut seen = Vec::new();
        for forward in &self.forwards {
            forward.check()?;
            if forward.enabled && seen.contains(&forward.calls()) {
                return Err(BadRule::new("forwards", "two of them are for the same calls"));
            }
            if forward.enabled {
                seen.push(forward.calls());
            }
        }
        if let Some(assistant) = &self.assistant {
            entries("assistant", assistant.white_lists.len())?;
            Way::Account(assistant.account.clone()).check("assistant")?;
        }
        let is_name = |name: &String| (1..=64).contains(&name.len()) && !name.contains(char::is_control);
        if self.pickup_groups.len() > Self::PICKUP_GROUPS_MAX || !self.pickup_groups.iter().all(is_name) {
            let why = format!("at most {} names of 1 to 64 characters", Self::PICKUP_GROUPS_MAX);
            return Err(BadRule::new("pickup_groups", why));
        }
        public(self.outgoing_ddi.as_deref())
    }

    /// What of the company's it names, but for the number shown, which may be somebody else's by now.
    #[must_use]
    pub fn uses(&self) -> Vec<Used<'_>> {
        let ways = self.forwards.iter().filter_map(|forward| forward.to.uses());
        let times = self.forwards.iter().filter_map(|forward| forward.schedule.as_ref());
        let times = times.map(|name| Used::Rule(RuleKind::Schedule, name));
        let numbers = self.forwards.iter().filter_map(|forward| forward.ddi.as_deref()).map(Used::Ddi);
        let acl = self.call_acl.iter().map(|name| Used::Rule(RuleKind::CallAcl, name));
        let ddis = self.outgoing_ddi_rules.iter().map(|name| Used::Rule(RuleKind::OutgoingDdiRules, name));
        let assistant = self.assistant.iter().map(|assistant| Used::Account(&assistant.account));
        let lists = self.assistant.iter().flat_map(|assistant| &assistant.white_lists);
        let lists = lists.map(|name| Used::Rule(RuleKind::MatchList, name));
        ways.chain(times).chain(numbers).chain(acl).chain(ddis).chain(assistant).chain(lists).collect()
    }
}

fn public(number: Option<&str>) -> Result<(), BadRule> {
    match number.filter(|number| !is_e164(number)) {
        Some(wrong) => Err(BadRule::new("outgoing_ddi", format!("expected a number as +34944048182, found {wrong:?}"))),
        None => Ok(()),
    }
}

/// A number that is answered when somebody is in danger: no plugin, no ACL and no limit of the tenant stands before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyNumber {
    /// What is dialled: `112`.
    pub number: String,
    /// The number the carriers want instead; absent = the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dials: Option<String>,
    /// The brand's trunks, in the order in which they are tried.
    pub trunks: Vec<String>,
}

impl EmergencyNumber {
    /// Most trunks of one number: so many steps a plan may have.
    pub const TRUNKS_MAX: usize = 8;
}

/// What a company says about recordings.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingRules {
    /// Whether a phone of the company may have its own call recorded, by INFO with `Record: on`.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub on_demand: bool,
    /// The keys that begin and end it in mid-call, as `*3`; absent = none. Only where `on_demand` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// So many days recordings are kept; absent = until they are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// So many megabytes (1,000,000 bytes) of them are kept, the newest; absent = as many as the disk holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub megabytes: Option<u32>,
    /// What they are kept as: `opus`, encoded in the background, or `wav`. It is about recordings that end from now on.
    #[serde(skip_serializing_if = "RecordingFormat::is_usual")]
    pub format: RecordingFormat,
}

impl RecordingRules {
    /// Most keys of a code.
    pub const CODE_MAX: usize = 8;

    fn check(&self) -> Result<(), BadRule> {
        let keys = |code: &String| {
            (2..=RecordingRules::CODE_MAX).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b))
        };
        if !self.code.as_ref().is_none_or(keys) {
            return Err(BadRule::new("recording", "a code is 2 to 8 of 0 to 9, * and #"));
        }
        if self.code.is_some() && !self.on_demand {
            return Err(BadRule::new("recording", "a code needs on_demand"));
        }
        if self.days == Some(0) || self.megabytes == Some(0) {
            return Err(BadRule::new("recording", "days and megabytes are at least 1: leave out what has no limit"));
        }
        Ok(())
    }
}

fn says_nothing(rules: &RecordingRules) -> bool {
    *rules == RecordingRules::default()
}

/// What a company says about its calls.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompanyRules {
    /// Its time zone by IANA name, as `Europe/Madrid`; absent = UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The ACL of accounts that have none of their own; absent = they may call anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_acl: Option<String>,
    /// The public number its accounts are shown by outside; absent = their user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outgoing_ddi: Option<String>,
    /// The rules of accounts that have none of their own about when another number is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outgoing_ddi_rules: Option<String>,
    /// Emergency numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emergency: Vec<EmergencyNumber>,
    /// The brand's translation set by which the numbers that its accounts dial become public ones; absent = they dial
    /// as the routers know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translation: Option<String>,
    /// Service codes that differ from the brand's.
    #[serde(skip_serializing_if = "ServiceCodes::is_empty")]
    pub services: ServiceCodes,
    /// The call app, by the name of its binding, that tells who has dialled a service code what has become of it; absent
    /// = the phone is refused with the same words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_app: Option<String>,
    /// Recordings of its calls.
    #[serde(skip_serializing_if = "says_nothing")]
    pub recording: RecordingRules,
    /// Its faxes.
    #[serde(skip_serializing_if = "crate::FaxRules::is_empty")]
    pub fax: crate::FaxRules,
}

impl CompanyRules {
    /// Whether what is said can be meant. Whether there is such a time zone is not known here.
    ///
    /// # Errors
    /// [`BadRule`], which names the field.
    pub fn check(&self) -> Result<(), BadRule> {
        entries("emergency", self.emergency.len())?;
        self.recording.check()?;
        self.fax.check()?;
        let dialled = |text: &str| {
            (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b"+*#".contains(&b))
        };
        for number in &self.emergency {
            if !dialled(&number.number) || !number.dials.as_deref().is_none_or(dialled) {
                return Err(BadRule::new("emergency", "a number is 1 to 32 of 0 to 9, +, * and #"));
            }
            if !(1..=EmergencyNumber::TRUNKS_MAX).contains(&number.trunks.len()) {
                let why = format!("{} needs 1 to {} trunks", number.number, EmergencyNumber::TRUNKS_MAX);
                return Err(BadRule::new("emergency", why));
            }
        }
        self.services.check()?;
        public(self.outgoing_ddi.as_deref())
    }

    /// What of its own it names, but for the number shown.
    #[must_use]
    pub fn uses(&self) -> Vec<Used<'_>> {
        let acl = self.call_acl.iter().map(|name| Used::Rule(RuleKind::CallAcl, name));
        acl.chain(self.outgoing_ddi_rules.iter().map(|name| Used::Rule(RuleKind::OutgoingDdiRules, name))).collect()
    }
}
