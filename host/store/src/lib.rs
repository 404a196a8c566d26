//! The store: tenants, plugins and CDRs in SQLite or PostgreSQL, the feed of the directory, and the CDR outbox.
//!
//! Floor 5. One SQL text serves both databases; every statement is static and listed in [`statements`]. Every query
//! takes an [`OpContext`] first and filters by it, so that a row of another tenant is not there at all. Nothing here is
//! on the path of a call: the switch keeps a [`model::Directory`] in memory, fed by [`Db::news`] whenever
//! [`Db::watch`] wakes, and hands its call records to the [`outbox`], which survives what the database does not.
#![forbid(unsafe_code)]

mod acting;
mod apart;
mod batch;
mod check;
mod copy;
mod db;
mod error;
mod feed;
mod image;
mod known;
mod listing;
pub mod lists;
mod news;
mod nouns;
mod open;
pub mod outbox;
mod partly;
mod rights;
mod scope;
mod secrets;
mod seed;
mod sql;

pub use acting::{Act, Deed, Tenant};
pub use batch::Batch;
pub use copy::{Content, backup, look, restore};
pub use db::Db;
pub use error::StoreError;
pub use feed::{BoundPlugin, BoundTrial};
pub use image::{Held, Image, News, Stand};
pub use listing::{Column, Filter, Found, Listing, Mark, ORDER_MAX, Test, Value, Wanted};
pub use nouns::accounts::{Accounts, NewAccount, OwnChange};
pub use nouns::archives::{Archive, ArchiveFile, ArchiveKind, Archives, Leaving};
pub use nouns::audit::{Audit, AuditLine, Outcome};
pub use nouns::binding_config::{ClearConfig, ConfigOwner, has_sealed, shown_config};
pub use nouns::bindings::{Allowance, Binding, BindingTrial, Bindings, NewBinding, OnFailure};
pub use nouns::brands::{Brands, NewBrand};
pub use nouns::cdrs::{CdrCursor, CdrFilter, Cdrs};
pub use nouns::companies::{Companies, NewCompany};
pub use nouns::ddis::{Ddis, NewDdi, Number};
pub use nouns::explanations::Explanations;
pub use nouns::extensions::{Extensions, NewExtension};
pub use nouns::faxes::{Fax, FaxEnd, FaxState, FaxTry, Faxes, NewFax, ReceivedFax};
pub use nouns::idempotency::{Idempotency, Known, RequestKey};
pub use nouns::identities::{BrandIdentity, Identities, SignedIdentity};
pub use nouns::job_runs::{JobRuns, Lease, Outlook, Step};
pub use nouns::jobs::{Job, JobFilter, JobLine, JobState, Jobs, NewJob, Principal};
pub use nouns::ledger::{Book, Charging, Ledger, LedgerError};
pub use nouns::logins::{Login, Logins, Refreshed};
pub use nouns::mail_hosts::{MailHosts, ShownMailHost, UsedMailHost};
pub use nouns::mails::{Mail, MailCapped, MailCaps, MailFile, MailState, MailTry, Mails, NewMail};
pub use nouns::outgoing_routes::OutgoingRoutes;
pub use nouns::people::{Behind, NewPerson, People, Person, PersonChange, PersonId, Standing};
pub use nouns::plugin_keys::PluginKeys;
pub use nouns::plugins::{NewPlugin, Plugin, PluginAbout, Plugins};
pub use nouns::policies::Policies;
pub use nouns::prefix_tables::{NewPrefixTable, PrefixTableRow, PrefixTables};
pub use nouns::recordings::{RecordedFile, Recording, Recordings};
pub use nouns::route_groups::RouteGroups;
pub use nouns::route_patterns::RoutePatterns;
pub use nouns::route_tags::RouteTags;
pub use nouns::rules::{NewRule, Rules};
pub use nouns::settlements::{Place as SettlementPlace, Settlement, Settlements};
pub use nouns::timetables::{Cadence, LastRun, Timetable, Timetables, Timing, When};
pub use nouns::tokens::{ApiToken, NewToken, Role, TokenId, Tokens};
pub use nouns::translation_sets::{NewTranslationSet, TranslationSets};
pub use nouns::trunks::Trunks;
pub use nouns::voice_boxes::{Aged, BoxShut, KeptMessage, NewVoiceMessage, VoiceBoxes};
pub use nouns::wallets::{Movement, NewWallet, Wallet, Wallets};
pub use open::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE};
pub use rights::{Access, Rights};
pub use scope::{OpContext, Page, Scope};
pub use secrets::{BadKey, PlainSecret, SecretKey};
pub use seed::{DemoAccount, DemoSeed, DemoTenant};
pub use sql::Statement;

/// Every SQL statement of the store, by module. A test prepares each on both databases.
pub fn statements() -> impl Iterator<Item = (&'static str, &'static Statement)> {
    const REGISTRIES: &[(&str, &[Statement])] = &[
        ("accounts", nouns::accounts::ALL),
        ("archives", nouns::archives::ALL),
        ("audit", nouns::audit::ALL),
        ("binding_secrets", nouns::binding_secrets::ALL),
        ("bindings", nouns::bindings::ALL),
        ("brands", nouns::brands::ALL),
        ("cdrs", nouns::cdrs::ALL),
        ("companies", nouns::companies::ALL),
        ("ddis", nouns::ddis::ALL),
        ("explanations", nouns::explanations::ALL),
        ("extensions", nouns::extensions::ALL),
        ("faxes", nouns::faxes::ALL),
        ("feed", feed::ALL),
        ("identities", nouns::identities::ALL),
        ("job_runs", nouns::job_runs::ALL),
        ("jobs", nouns::jobs::ALL),
        ("ledger", nouns::ledger::ALL),
        ("idempotency", nouns::idempotency::ALL),
        ("logins", nouns::logins::ALL),
        ("mail_hosts", nouns::mail_hosts::ALL),
        ("mails", nouns::mails::ALL),
        ("news", news::ALL),
        ("outgoing_routes", nouns::outgoing_routes::ALL),
        ("people", nouns::people::ALL),
        ("plugin_keys", nouns::plugin_keys::ALL),
        ("plugins", nouns::plugins::ALL),
        ("policies", nouns::policies::ALL),
        ("prefix_tables", nouns::prefix_tables::ALL),
        ("recordings", nouns::recordings::ALL),
        ("route_groups", nouns::route_groups::ALL),
        ("route_patterns", nouns::route_patterns::ALL),
        ("route_tags", nouns::route_tags::ALL),
        ("rules", nouns::rules::ALL),
        ("seed", seed::ALL),
        ("settlements", nouns::settlements::ALL),
        ("timetables", nouns::timetables::ALL),
        ("tokens", nouns::tokens::ALL),
        ("translation_sets", nouns::translation_sets::ALL),
        ("trunks", nouns::trunks::ALL),
        ("voice_boxes", nouns::voice_boxes::ALL),
        ("wallets", nouns::wallets::ALL),
    ];
    REGISTRIES.iter().flat_map(|(module, all)| all.iter().map(move |s| (*module, s)))
}
