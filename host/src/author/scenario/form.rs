//! What a scenario looks like in its file. `wit/README.md` shows one whole.

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// One file of `tests/`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    /// The call that comes.
    pub(super) call: CallForm,
    /// Arguments of a call app.
    pub(super) args: BTreeMap<String, String>,
    /// The company's accounts; without it 1001, 1002 and 1003.
    pub(super) accounts: Option<Vec<String>>,
    /// Those of them that are not to be disturbed.
    pub(super) undisturbed: Vec<String>,
    /// Numbers of the company: to an account, or `app:NAME`.
    pub(super) extensions: BTreeMap<String, String>,
    /// Public numbers, with `+`: to an account, `app:NAME`, `extension:NUMBER`.
    pub(super) ddis: BTreeMap<String, String>,
    /// What the plugin has kept before: buckets with keys and values.
    pub(super) kv: BTreeMap<String, BTreeMap<String, String>>,
    /// Secrets of the binding.
    pub(super) secrets: BTreeMap<String, String>,
    /// Prefix tables: name, and the text of a CSV file.
    pub(super) tables: BTreeMap<String, String>,
    /// What web services answer, in the order in which they are asked.
    pub(super) http: Vec<Exchange>,
    /// Mails that are to be sent, in their order, and no others.
    pub(super) mail: Vec<MailForm>,
    /// Mailboxes of accounts.
    pub(super) boxes: BTreeMap<String, BoxForm>,
    /// What the company has, for raters.
    pub(super) wallet: Option<WalletForm>,
    /// What its wallet has afterwards.
    pub(super) wallet_after: Option<Spanned<WalletAfter>>,
    /// What happens.
    pub(super) steps: Vec<Spanned<Step>>,
    /// How a call app ends; without it as it likes, but for a trap.
    pub(super) ends: Option<Spanned<Ends>>,
    /// What the plugin has kept afterwards; null: nothing.
    pub(super) kv_after: BTreeMap<String, BTreeMap<String, Spanned<Option<String>>>>,
}

/// The call.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CallForm {
    pub(super) from: String,
    pub(super) name: Option<String>,
    pub(super) to: String,
    /// The calling account; without it `from`, where that is an account.
    pub(super) account: Option<String>,
    pub(super) brand: String,
    pub(super) company: String,
    /// When it comes: RFC 3339.
    pub(super) clock: String,
    /// The binding's configuration.
    pub(super) config: Value,
    /// What routers before this one have left.
    pub(super) attrs: BTreeMap<String, String>,
}

impl Default for CallForm {
    fn default() -> Self {
        CallForm {
            from: "1001".to_owned(),
            name: None,
            to: "1002".to_owned(),
            account: None,
            brand: "brand".to_owned(),
            company: "company".to_owned(),
            clock: "2026-03-02T10:00:00Z".to_owned(),
            config: Value::Object(Map::new()),
            attrs: BTreeMap::new(),
        }
    }
}

/// One request to the outside and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Exchange {
    #[serde(default)]
    pub(super) method: Option<String>,
    pub(super) url: String,
    /// The status of the answer.
    #[serde(default)]
    pub(super) status: Option<u16>,
    /// Its body: text as it is, anything else as JSON.
    #[serde(default)]
    pub(super) body: Value,
    /// `timeout` or `unavailable` in place of an answer.
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// A mail that is to be sent. What is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MailForm {
    pub(super) to: Vec<String>,
    pub(super) template: Option<String>,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) media: Option<Vec<String>>,
    pub(super) key: Option<String>,
    /// `denied`, `not-found`, `limit-exceeded` or `unavailable` in place of the queue.
    pub(super) error: Option<String>,
}

/// What a company has, and how it pays. Amounts are units with their decimals, as `"12.50"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WalletForm {
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    pub(super) method: String,
    pub(super) plan: String,
    pub(super) currency: String,
    pub(super) balance: String,
    pub(super) credit: String,
    pub(super) daily_cap: Option<String>,
}

impl Default for WalletForm {
    fn default() -> Self {
        WalletForm {
            method: "prepaid".to_owned(),
            plan: "retail".to_owned(),
            currency: "EUR".to_owned(),
            balance: "10".to_owned(),
            credit: "0".to_owned(),
            daily_cap: None,
        }
    }
}

/// What a wallet has at the end. What is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WalletAfter {
    pub(super) balance: Option<String>,
    pub(super) reserved: Option<String>,
}

/// A mailbox.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BoxForm {
    pub(super) pin: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) messages_max: Option<u32>,
    /// Callers who have left a message.
    pub(super) messages: Vec<String>,
}

/// One line of what happens.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    /// The verb that a call app asks for, or what a hook decides; `end`: the app asks for nothing.
    pub(super) expect: Option<String>,
    /// What stands in it; what is not named may be anything.
    pub(super) with: Map<String, Value>,
    /// What comes of the verb.
    pub(super) reply: Reply,
    /// Asks a hook: `route`, `exhausted`, `feature`, `filter`, `register`; a rater: `authorize`, `extend`, `settle`,
    /// `release`, `quote`.
    pub(super) ask: Option<String>,
    /// Whom the call is for, of a hook.
    pub(super) to: Option<String>,
    /// Who calls, of a hook.
    pub(super) from: Option<String>,
    /// What was tried, of `exhausted`: causes by their codes.
    pub(super) tried: Vec<String>,
    /// Of `register` for how long; of `extend`, `settle` and `quote` how long the leg has lasted.
    pub(super) seconds: Option<u32>,
    /// Of `extend`: how long it may last so far, in seconds.
    pub(super) granted: Option<u32>,
    /// The trunk that the leg leaves by.
    pub(super) trunk: Option<String>,
    /// Where a REGISTER comes from.
    pub(super) source: Option<String>,
    /// Header fields of the message that a filter is shown, or of the REGISTER.
    pub(super) headers: BTreeMap<String, String>,
    /// What else it is; without it an INVITE that begins a call and comes from the caller's terminal.
    pub(super) message: MessageForm,
    /// Tells event sinks: `call-started`, `call-answered`, `call-ended`.
    pub(super) tell: Option<String>,
    /// Names the call of a hook or an event; without it each question is of a call of its own.
    pub(super) call: Option<u32>,
    /// Lets time pass.
    pub(super) wait_ms: u64,
}

/// A message that a filter is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MessageForm {
    /// It leaves the switch.
    pub(super) outbound: bool,
    /// It is within a dialog.
    pub(super) within: bool,
    /// Of a response.
    pub(super) status: Option<u16>,
    /// The trunk that it enters or leaves by.
    pub(super) trunk: Option<String>,
    /// The account whose terminal it is; without either the caller's.
    pub(super) account: Option<String>,
}

/// What comes of a verb.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Reply {
    /// `denied`, `invalid-state`, `not-found`, `timeout`, `limit-exceeded`, `hung-up`, `cancelled`, `unavailable`.
    pub(super) error: Option<String>,
    /// Why it hung up, by its code.
    pub(super) cause: Option<String>,
    pub(super) digits: Option<String>,
    pub(super) digit: Option<String>,
    pub(super) terminator: Option<String>,
    pub(super) ended_by: Option<String>,
    pub(super) duration_ms: Option<u64>,
    /// The last words of a line's other end.
    pub(super) note: Option<String>,
    /// `silence`, or a beep's frequency.
    pub(super) heard: Option<String>,
    /// So long it took.
    pub(super) after_ms: u64,
}

/// How a call app ends.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ends {
    /// The status it gives a caller who was not answered.
    pub(super) status: Option<u16>,
    /// The case of its business error.
    pub(super) error: Option<String>,
}
