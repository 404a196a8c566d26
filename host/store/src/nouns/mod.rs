//! One file per noun. Each holds its statements, its row and the operations on it.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod binding_secrets;
pub(crate) mod bindings;
pub(crate) mod brands;
pub(crate) mod cdrs;
pub(crate) mod companies;
pub(crate) mod ddis;
pub(crate) mod explanations;
pub(crate) mod extensions;
pub(crate) mod idempotency;
pub(crate) mod identities;
pub(crate) mod ledger;
pub(crate) mod logins;
pub(crate) mod people;
pub(crate) mod plugin_keys;
pub(crate) mod plugins;
pub(crate) mod policies;
pub(crate) mod prefix_tables;
pub(crate) mod rules;
pub(crate) mod settlements;
pub(crate) mod targets;
pub(crate) mod tokens;
pub(crate) mod translation_sets;
pub(crate) mod trunks;
pub(crate) mod wallets;
