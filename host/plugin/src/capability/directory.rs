//! `host/directory`: the calling company's facts. The company is the host's argument, never the guest's.

use crate::bindings::router::strowger::host::directory::Host;
use crate::bindings::router::strowger::types::types::{Attr, Error};
use crate::guest::Guest;
use crate::tape::taped;
use model::{CompanyId, Directory, RouteTarget};
use serde::Serialize;
use std::sync::Arc;
use tables::{PrefixMatch, PrefixTable};

#[derive(Serialize)]
struct Account<'a> {
    username: &'a str,
    display_name: &'a str,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    do_not_disturb: bool,
}

#[derive(Serialize)]
struct Extension<'a> {
    number: &'a str,
    target: &'a RouteTarget,
}

#[derive(Serialize)]
struct Ddi<'a> {
    e164: &'a str,
    target: &'a RouteTarget,
}

impl Host for Guest {
    fn find(&mut self, kind: String, key: String) -> Result<Option<String>, Error> {
        taped!(self, "directory.find", (&kind, &key), find(&self.directory, self.company, &kind, &key))
    }

    fn longest_prefix(&mut self, table: String, number: String) -> Result<Option<(String, Vec<Attr>)>, Error> {
        taped!(self, "directory.longest-prefix", (&table, &number), {
            self.prefix_table(&table).map(|table| table.longest(&number).map(row))
        })
    }

    fn prefixes(&mut self, table: String, number: String) -> Result<Vec<(String, Vec<Attr>)>, Error> {
        taped!(self, "directory.prefixes", (&table, &number), {
            self.prefix_table(&table).map(|table| table.all(&number).into_iter().map(row).collect())
        })
    }
}

impl Guest {
    fn prefix_table(&self, name: &str) -> Result<Arc<PrefixTable>, Error> {
        let powers = &self.bound.powers;
        // `*`: the tables that the configuration names, all of the brand's own.
        if !powers.tables.contains(name) && !powers.tables.contains("*") {
            return Err(Error::Denied(format!("prefix table {:?} is not granted", super::cut(name, 64))));
        }
        powers.prefix_tables.get(self.brand, name).ok_or(Error::NotFound)
    }
}

fn row(found: PrefixMatch<'_>) -> (String, Vec<Attr>) {
    let columns = found.columns.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    (found.prefix.to_owned(), columns.collect())
}

fn find(directory: &Directory, company: CompanyId, kind: &str, key: &str) -> Result<Option<String>, Error> {
    let json = match kind {
        "account" => directory.account(company, key).map(|a| {
            let do_not_disturb = a.rules.do_not_disturb;
            serde_json::to_string(&Account { username: &a.username, display_name: &a.display_name, do_not_disturb })
        }),
        "extension" => directory
            .extension(company, key)
            .map(|e| serde_json::to_string(&Extension { number: &e.number, target: &e.target })),
        // DDIs are unique on the platform: another company's must look as if it were not there.
        "ddi" => directory
            .ddi(key)
            .filter(|d| d.company == company)
            .map(|d| serde_json::to_string(&Ddi { e164: &d.e164, target: &d.target })),
        _ => return Err(Error::InvalidArgument("kind: account, extension or ddi".to_owned())),
    };
    json.transpose().map_err(|e| Error::Unavailable(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Brand, BrandId, Company, DefaultVerdict, ExtensionId, Handling, MediaPath};

    fn company(id: i64) -> Company {
        let name = format!("c{id}");
        let domain = format!("{name}.test");
        Company {
            id: CompanyId(id),
            brand: BrandId(1),
            name,
            domain,
            media: MediaPath::Anchor,
            handling: Handling::B2bua,
            decline_ends_all: false,
            calls_max: None,
            media_security: model::MediaSecurity::Allow,
            codecs: Vec::new(),
            hold_music: None,
            kind: Default::default(),
            rules: Default::default(),
        }
    }

    #[test]
    fn another_companys_facts_cannot_be_named() {
        let target = RouteTarget::Account("ann".to_owned());
        let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
        let extension = model::Extension {
            id: ExtensionId(1),
            company: CompanyId(1),
            number: "7".to_owned(),
            target: target.clone(),
        };
        let ddi = model::Ddi::to(1, CompanyId(1), "+4420", target);
        let directory =
            Directory::build(1, vec![brand], vec![company(1), company(2)], vec![], vec![extension], vec![ddi])
                .expect("a directory");
        for (kind, key, text) in [
            ("extension", "7", r#"{"number":"7","target":{"kind":"account","name":"ann"}}"#),
            ("ddi", "+4420", r#"{"e164":"+4420","target":{"kind":"account","name":"ann"}}"#),
        ] {
            assert_eq!(find(&directory, CompanyId(1), kind, key).expect("granted").as_deref(), Some(text));
            assert_eq!(find(&directory, CompanyId(2), kind, key).expect("granted"), None);
        }
        assert!(matches!(find(&directory, CompanyId(1), "brand", "b"), Err(Error::InvalidArgument(_))));
    }
}
