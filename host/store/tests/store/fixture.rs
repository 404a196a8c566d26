//! An empty database of either kind, and the smallest tenant.

use crate::postgres;
use model::{Account, AccountId, BrandId, CallId, Cause, Cdr, Company, CompanyId, DefaultVerdict, EndedBy, Ha1};
use model::{Brand, Instant, LegRole, MediaPath};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Db, NewAccount, NewBrand, NewCompany, OpContext};

/// Declares tests that run on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($place: $crate::fixture::Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::fixture::Place::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(place) = $crate::fixture::Place::postgres().await {
                    run(place).await;
                }
            }
        }
    )*};
}

/// A folder that goes with its value.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("strowger-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An open database, its URL and a folder beside it.
pub struct Place {
    pub db: Db,
    pub url: String,
    pub dir: TempDir,
}

impl Place {
    pub async fn sqlite() -> Place {
        let dir = TempDir::new();
        let url = format!("sqlite:{}", dir.path().join("strowger.db").display());
        Place { db: Db::open(&url).await.unwrap(), url, dir }
    }

    /// `None` when the PostgreSQL half was switched off.
    pub async fn postgres() -> Option<Place> {
        let url = postgres::new_database().await?;
        Some(Place { db: Db::open(&url).await.unwrap(), url, dir: TempDir::new() })
    }
}

pub const CTX: OpContext = OpContext::platform();

pub fn ha1(seed: u8) -> Ha1 {
    Ha1 { md5: format!("{seed:02x}").repeat(16), sha256: format!("{seed:02x}").repeat(32) }
}

pub async fn brand(db: &Db, name: &str) -> Brand {
    let new = NewBrand { name: name.to_owned(), default_verdict: DefaultVerdict::Refuse };
    db.brands().create(&CTX, new).await.unwrap()
}

pub fn new_company(brand: BrandId, name: &str) -> NewCompany {
    let (name, domain) = (name.to_owned(), format!("{name}.example"));
    NewCompany {
        brand,
        name,
        domain,
        media: MediaPath::Anchor,
        handling: model::Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        kind: model::CompanyKind::Vpbx,
        media_security: Default::default(),
    }
}

pub async fn company(db: &Db, brand: BrandId, name: &str) -> Company {
    db.companies().create(&CTX, new_company(brand, name)).await.unwrap()
}

pub fn new_account(company: CompanyId, username: &str) -> NewAccount {
    NewAccount {
        company,
        username: username.to_owned(),
        display_name: format!("Phone {username}"),
        ha1: ha1(7),
        direct: None,
        enabled: true,
    }
}

pub async fn account(db: &Db, company: CompanyId, username: &str) -> Account {
    db.accounts().create(&CTX, new_account(company, username)).await.unwrap()
}

/// A whole second of 2026 and a bit.
pub const fn at(second: u64) -> Instant {
    Instant::from_unix_nanos((1_767_225_600 + second) * 1_000_000_000)
}

pub fn cdr(call: u128, leg: u16) -> Cdr {
    Cdr {
        call: CallId(call),
        leg,
        role: if leg == 0 { LegRole::Caller } else { LegRole::Callee },
        brand: BrandId(1),
        company: CompanyId(1),
        account: Some(AccountId(i64::from(leg) + 1)),
        sip_call_id: format!("{call:x}@phone"),
        caller: "1001".to_owned(),
        callee: "1002".to_owned(),
        decided_by: Some("extensions".to_owned()),
        started_at: at(10),
        ringing_at: Some(at(11)),
        answered_at: Some(at(12)),
        ended_at: at(20),
        cause: Cause::NormalClearing,
        sip_status: 200,
        ended_by: EndedBy::Caller,
        media: Some(model::MediaQuality { packets_in: 500, mos_in: Some(437), ..model::MediaQuality::default() }),
        identity: Some(model::Vouched::Passed(model::Attestation::B)),
        rated: None,
        charge: None,
    }
}
