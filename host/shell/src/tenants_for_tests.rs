//! What tests of mailboxes and mail begin with: a database with one brand, one company and accounts.

use model::{BrandId, CompanyId, DefaultVerdict, Ha1, Handling, MediaPath};
use std::path::Path;
use store::{Db, NewAccount, NewBrand, NewCompany, OpContext};

const CTX: OpContext = OpContext::platform();

/// A database in `dir`, its brand and its company.
pub(crate) async fn company_in(dir: &Path) -> (Db, BrandId, CompanyId) {
    let db = Db::open(&format!("sqlite:{}", dir.join("s.db").display())).await.unwrap();
    let brand = NewBrand { name: "acme".to_owned(), default_verdict: DefaultVerdict::Extensions };
    let brand = db.brands().create(&CTX, brand).await.unwrap().id;
    let company = NewCompany {
        brand,
        name: "north".to_owned(),
        domain: "north.test".to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        kind: model::CompanyKind::Vpbx,
        media_security: Default::default(),
    };
    let company = db.companies().create(&CTX, company).await.unwrap().id;
    (db, brand, company)
}

/// An account of the company that nobody can register.
pub(crate) async fn account(db: &Db, company: CompanyId, username: &str) {
    let ha1 = Ha1 { md5: "0".repeat(32), sha256: "0".repeat(64) };
    let (username, display_name) = (username.to_owned(), String::new());
    let account = NewAccount { company, username, display_name, ha1, direct: None, enabled: true };
    db.accounts().create(&CTX, account).await.unwrap();
}
