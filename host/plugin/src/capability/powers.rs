//! What one binding may use beside what every guest may: made once when it is bound, from its grants.

use crate::capability::MailPower;
use crate::capability::http::HttpPower;
use crate::capability::secrets::Secret;
use crate::tape::SECRET;
use crate::{BindingSpec, HostConfig};
use arc_swap::ArcSwap;
use bundle::Grants;
use model::BrandId;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tables::{KvSpace, PrefixTable, SpaceName};

/// Shortest secret that is taken out of logs, in bytes.
const HUSHED_MIN: usize = 6;

type OfBrand = BTreeMap<String, Arc<PrefixTable>>;

/// The prefix tables of every brand, replaced table by table. Cheap to clone; a lookup takes no lock.
#[derive(Clone, Debug, Default)]
pub struct PrefixTables(Arc<ArcSwap<BTreeMap<BrandId, OfBrand>>>);

impl PrefixTables {
    /// Puts a table in place of the one of that name, or removes it. Running lookups end with the table they have.
    pub fn set(&self, brand: BrandId, name: &str, table: Option<Arc<PrefixTable>>) {
        self.0.rcu(|all| {
            let mut all = BTreeMap::clone(all);
            let of_brand = all.entry(brand).or_default();
            match &table {
                Some(table) => of_brand.insert(name.to_owned(), Arc::clone(table)),
                None => of_brand.remove(name),
            };
            all
        });
    }

    /// A brand's table.
    #[must_use]
    pub fn get(&self, brand: BrandId, name: &str) -> Option<Arc<PrefixTable>> {
        self.0.load().get(&brand)?.get(name).cloned()
    }

    /// Every table: brand, name, rows and bytes.
    #[must_use]
    pub fn list(&self) -> Vec<(BrandId, String, usize, usize)> {
        let all = self.0.load();
        let of = |brand: &BrandId, name: &String, t: &PrefixTable| (*brand, name.clone(), t.len(), t.bytes());
        all.iter().flat_map(|(brand, tables)| tables.iter().map(|(name, t)| of(brand, name, t))).collect()
    }
}

/// Which interfaces are linked as what they are, and which as stubs that say `denied`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) kv: bool,
    pub(crate) http: bool,
    pub(crate) secrets: bool,
    pub(crate) mailboxes: bool,
    pub(crate) mail: bool,
}

impl Allowed {
    pub(crate) fn by(grants: &Grants) -> Allowed {
        Allowed {
            kv: !grants.kv.is_empty(),
            http: !grants.http.is_empty(),
            secrets: !grants.secrets.is_empty(),
            mailboxes: grants.mailboxes,
            mail: !grants.mail.is_empty(),
        }
    }
}

/// # Invariants
/// Holds what [`BindingSpec::grants`] names and nothing else.
#[derive(Debug)]
pub(crate) struct Powers {
    pub(crate) buckets: BTreeMap<String, KvSpace>,
    pub(crate) http: HttpPower,
    pub(crate) mail: MailPower,
    /// Granted names; `None` where the binding has no such secret.
    pub(crate) secrets: BTreeMap<String, Option<Secret>>,
    /// The secrets of its configuration.
    pub(crate) in_config: InConfig,
    pub(crate) tables: BTreeSet<String>,
    pub(crate) prefix_tables: PrefixTables,
}

/// The secrets of a configuration: each text and number of them.
#[derive(Debug, Default)]
pub(crate) struct InConfig {
    secrets: Vec<Secret>,
    /// Some are numbers, which stand in no text.
    numbers: bool,
}

impl InConfig {
    pub(crate) fn of(config: &Value, places: &BTreeSet<String>) -> InConfig {
        let mut found = InConfig::default();
        places.iter().filter_map(|place| config.pointer(place)).for_each(|value| found.take(value));
        found
    }

    fn take(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.secrets.push(Secret::new(text.clone())),
            Value::Number(number) => {
                self.numbers = true;
                self.secrets.push(Secret::new(number.to_string()));
            }
            Value::Array(items) => items.iter().for_each(|item| self.take(item)),
            Value::Object(members) => members.values().for_each(|member| self.take(member)),
            Value::Null | Value::Bool(_) => {}
        }
    }
}

impl Powers {
    /// Every secret it knows.
    fn known(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().flatten().chain(&self.in_config.secrets).map(Secret::reveal)
    }

    /// A guest's words for logs and traces, without the secrets it knows.
    pub(crate) fn hushed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        // Shorter ones would tear up ordinary words, and tell what they are by it.
        self.known().filter(|secret| secret.len() >= HUSHED_MIN).fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(secret) { Cow::Owned(text.replace(secret, SECRET)) } else { text }
        })
    }

    /// Whether it knows one that cannot be taken out of everything: too short, or a number.
    pub(crate) fn knows_a_short_secret(&self) -> bool {
        self.in_config.numbers || self.known().any(|secret| (1..HUSHED_MIN).contains(&secret.len()))
    }

    /// The same for bytes; `None` where no secret is in them.
    pub(crate) fn hushed_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.known().map(str::as_bytes).filter(|secret| secret.len() >= HUSHED_MIN).fold(None, |hushed, secret| {
            let bytes = hushed.as_deref().unwrap_or(bytes);
            let at = bytes.windows(secret.len()).position(|window| window == secret);
            let Some(at) = at else { return hushed };
            let (mut out, mut rest) = (bytes[..at].to_vec(), &bytes[at..]);
            while let Some(first) = rest.first() {
                match rest.strip_prefix(secret) {
                    Some(behind) => {
                        out.extend_from_slice(SECRET.as_bytes());
                        rest = behind;
                    }
                    None => {
                        out.push(*first);
                        rest = &rest[1..];
                    }
                }
            }
            Some(out)
        })
    }

    /// Gives a shadow keys of its own.
    pub(crate) fn set_apart(&mut self, spec: &BindingSpec, config: &HostConfig) {
        let plugin = spec.plugin.split('@').next().unwrap_or_default();
        let own = Powers::of(&BindingSpec { plugin: format!("{plugin}~shadow@"), ..spec.clone() }, config);
        self.buckets = own.buckets;
    }

    pub(crate) fn of(spec: &BindingSpec, config: &HostConfig) -> Powers {
        let grants = &spec.grants;
        let plugin = spec.plugin.split('@').next().unwrap_or_default();
        let space = |bucket: &String| SpaceName {
            brand: spec.scope.brand,
            company: spec.scope.company,
            account: spec.scope.account,
            plugin: plugin.to_owned(),
            bucket: bucket.clone(),
        };
        Powers {
            buckets: grants.kv.iter().map(|b| (b.clone(), config.kv.space(&space(b)))).collect(),
            http: HttpPower::of(grants, config),
            mail: MailPower::of(grants, config),
            secrets: grants.secrets.iter().map(|n| (n.clone(), spec.secrets.get(n).cloned())).collect(),
            in_config: InConfig::default(),
            tables: grants.tables.clone(),
            prefix_tables: config.prefix_tables.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::PrefixTableBuilder;

    #[test]
    fn a_table_is_its_brands_and_is_replaced_whole() {
        let tables = PrefixTables::default();
        let table = |price: &str| {
            let mut builder = PrefixTableBuilder::new(vec!["price".to_owned()]);
            builder.row("44", [price]).expect("a row");
            Some(Arc::new(builder.build().expect("a table")))
        };
        tables.set(BrandId(1), "rates", table("1"));
        let old = tables.get(BrandId(1), "rates").expect("set");
        tables.set(BrandId(1), "rates", table("2"));
        let price = |t: &PrefixTable| t.longest("44").map(|m| m.columns[0].1.to_owned());
        assert_eq!(
            (price(&old), tables.get(BrandId(1), "rates").and_then(|t| price(&t))),
            (Some("1".into()), Some("2".into()))
        );
        assert!(tables.get(BrandId(2), "rates").is_none());
        tables.set(BrandId(1), "rates", None);
        assert!(tables.list().is_empty());
    }
}
