//! The store on both databases: every test of a query runs twice, with the same code.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod archives;
mod backup;
mod broken;
mod cdrs;
mod clients;
mod faxes;
mod feed;
mod fixture;
mod held;
mod identities;
mod jobs;
mod kept;
mod kill;
mod ledger;
mod lists;
mod mails;
mod news;
mod outbox;
mod picture;
mod plugins;
mod postgres;
mod raw;
mod requests;
mod routes;
mod routing;
mod rules;
mod schema;
mod scope;
mod stock;
mod tenants;
mod timetables;
mod trunks;
mod voice_boxes;
