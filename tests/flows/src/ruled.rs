//! Rules of a ladder: `rule schedule hours {...}`, `account 1002 {...}`, `company {...}`, `company calls_max=1`,
//! `company kind retail`, `company codecs PCMA`, `company decline-ends-all`, `company policy {...}`, `brand {...}`, `ddi filter=office`, `ddi record=all`, `ddi to={...}`,
//! `ddi trunk=2`, `ddi display=Sales`, `ddi tag=1` (a routing tag by its number), `ddi rival=+44...` (a number of the other
//! brand's company), `extension 300 {...}`. What stands in braces is what the API takes, without blanks.

use model::{
    AccountRules, BrandRules, CompanyId, CompanyKind, CompanyPolicy, CompanyRules, Countries, DdiRecording, Extension,
    ExtensionId, RouteTagId, RouteTarget, Rule, RuleBody, RuleId, RuleKind, TrunkId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rules so far.
#[derive(Debug, Default)]
pub(crate) struct Ruled {
    pub(crate) rules: Vec<Rule>,
    accounts: BTreeMap<String, AccountRules>,
    pub(crate) company: CompanyRules,
    pub(crate) calls_max: Option<u32>,
    pub(crate) call_filter: Option<String>,
    pub(crate) codecs: Vec<String>,
    pub(crate) brand: BrandRules,
    pub(crate) kind: CompanyKind,
    /// Where the first public number leads.
    pub(crate) ddi: Option<RouteTarget>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) record: DdiRecording,
    /// The trunk that the first public number is bound to.
    pub(crate) bound: Option<TrunkId>,
    /// The name that its called see.
    pub(crate) display: String,
    /// The routing tag of calls that show it.
    pub(crate) tag: Option<RouteTagId>,
    /// The number of a company of the other brand.
    pub(crate) rival: Option<String>,
    pub(crate) decline_ends_all: bool,
    pub(crate) policy: CompanyPolicy,
    /// Which addresses are in which country.
    pub(crate) countries: Arc<Countries>,
}

impl Ruled {
    /// One line: a noun, and what is said of it.
    pub(crate) fn set(&mut self, noun: &str, words: &[&str]) {
        match (noun, words) {
            ("rule", [kind, name, json]) => self.rule(kind, name, json),
            ("account", [number, json]) => {
                let rules: AccountRules = read(json);
                rules.check().unwrap_or_else(|bad| panic!("{bad}"));
                self.accounts.insert((*number).to_owned(), rules);
            }
            ("brand", [json]) => {
                self.brand = read(json);
                self.brand.check().unwrap_or_else(|bad| panic!("{bad}"));
            }
            ("company", ["kind", kind]) => {
                self.kind = CompanyKind::from_word(kind).unwrap_or_else(|| panic!("no kind: {kind}"));
            }
            ("company", ["decline-ends-all"]) => self.decline_ends_all = true,
            ("company", ["policy", json]) => self.policy = read(json),
            ("countries", lines) => {
                let table = Countries::parse(&lines.join("\n")).unwrap_or_else(|bad| panic!("{bad}"));
                self.countries = Arc::new(table);
            }
            ("company", ["codecs", codecs @ ..]) => {
                self.codecs = codecs.iter().map(|name| (*name).to_owned()).collect()
            }
            ("company", [setting]) => match setting.strip_prefix("calls_max=") {
                Some(number) => self.calls_max = Some(number.parse().unwrap_or_else(|_| panic!("no number: {number}"))),
                None => {
                    self.company = read(setting);
                    self.company.check().unwrap_or_else(|bad| panic!("{bad}"));
                }
            },
            ("ddi", [setting]) => self.ddi(setting.split_once('=').unwrap_or((setting, ""))),
            ("extension", [number, json]) => {
                let id = ExtensionId(i64::try_from(self.extensions.len()).unwrap_or_default() + 2);
                let (number, target) = ((*number).to_owned(), read(json));
                self.extensions.push(Extension { id, company: CompanyId(1), number, target });
            }
            _ => panic!("no rule: {noun} {words:?}"),
        }
    }

    fn ddi(&mut self, (name, value): (&str, &str)) {
        let number = || value.parse().unwrap_or_else(|_| panic!("no number: {value}"));
        match name {
            "to" => self.ddi = Some(read(value)),
            "record" => self.record = DdiRecording::from_word(value).unwrap_or_else(|| panic!("no choice: {value}")),
            "filter" => self.call_filter = Some(value.to_owned()),
            "trunk" => self.bound = Some(TrunkId(number())),
            "tag" => self.tag = Some(RouteTagId(number())),
            "display" => self.display = value.to_owned(),
            "rival" => self.rival = Some(value.to_owned()),
            _ => panic!("nothing of a ddi: {name}"),
        }
    }

    pub(crate) fn account(&self, number: &str) -> AccountRules {
        self.accounts.get(number).cloned().unwrap_or_default()
    }

    fn rule(&mut self, kind: &str, name: &str, json: &str) {
        let kind = RuleKind::from_word(kind).unwrap_or_else(|| panic!("no kind: {kind}"));
        let body = RuleBody::read(kind, &mut serde_json::Deserializer::from_str(json))
            .unwrap_or_else(|error| panic!("{json}: {error}"));
        body.check().unwrap_or_else(|bad| panic!("{bad}"));
        let id = RuleId(i64::try_from(self.rules.len()).unwrap_or_default() + 1);
        self.rules.retain(|rule| rule.name != name || rule.body.kind() != kind);
        self.rules.push(Rule { id, company: CompanyId(1), name: name.to_owned(), body });
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}
