//! The demo tenant: brand `demo`, company `demo`, ten accounts and their numbers, the attendant and the echo test.

use crate::nouns::brands::verdict_text;
use crate::sql::statements;
use crate::{Db, OpContext, StoreError, check};
use model::{Account, Brand, Company, DefaultVerdict, Ha1};

statements! { "demo tenant";
    BRAND = "INSERT INTO brands (name, default_verdict) VALUES ('demo', $1)
        ON CONFLICT (name) DO UPDATE SET default_verdict = brands.default_verdict RETURNING id";
    COMPANY = "INSERT INTO companies (brand_id, name, domain, media) VALUES ($1, 'demo', $2, 'anchor')
        ON CONFLICT (brand_id, name) DO UPDATE SET domain = excluded.domain RETURNING id";
    ACCOUNT = "INSERT INTO accounts (brand_id, company_id, username, display_name, ha1_md5, ha1_sha256, enabled)
        VALUES ($1, $2, $3, $4, $5, $6, CAST(1 AS BOOLEAN))
        ON CONFLICT (company_id, username) DO UPDATE SET ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256";
    TO_ACCOUNT = "INSERT INTO extensions (brand_id, company_id, number, account) VALUES ($1, $2, $3, $4)
        ON CONFLICT (company_id, number) DO NOTHING";
    TO_APP = "INSERT INTO extensions (brand_id, company_id, number, app) VALUES ($1, $2, $3, $4)
        ON CONFLICT (company_id, number) DO NOTHING";
}

/// One demo account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DemoAccount {
    /// The user name and extension, `1001`.
    pub username: String,
    /// Shown to the callee.
    pub display_name: String,
    /// The digest secrets for the demo's domain.
    pub ha1: Ha1,
}

/// What the demo tenant shall hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DemoSeed {
    /// The company's SIP domain and digest realm.
    pub domain: String,
    /// What a new brand does when no plugin decided.
    pub default_verdict: DefaultVerdict,
    /// The accounts, 1001 to 1010; each gets an extension of its user name.
    pub accounts: Vec<DemoAccount>,
    /// Numbers that lead to apps: `100` to `attendant`, `101` to `echo`, `102` to `conference`, `103` to
    /// `voicemail`, `104` to `queue`.
    pub apps: Vec<(String, String)>,
}

impl DemoSeed {
    /// The demo with these accounts, the attendant at 100, the echo test at 101, a conference room at 102,
    /// voicemail at 103, a queue at 104.
    #[must_use]
    pub fn new(domain: String, accounts: Vec<DemoAccount>) -> Self {
        let apps =
            [("100", "attendant"), ("101", "echo"), ("102", "conference"), ("103", "voicemail"), ("104", "queue")];
        DemoSeed {
            domain,
            default_verdict: DefaultVerdict::Refuse,
            accounts,
            apps: apps.map(|(number, app)| (number.to_owned(), app.to_owned())).to_vec(),
        }
    }
}

/// The demo tenant as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DemoTenant {
    /// The brand.
    pub brand: Brand,
    /// The company.
    pub company: Company,
    /// The seeded accounts.
    pub accounts: Vec<Account>,
}

impl Db {
    /// Makes what is missing of the demo tenant, and sets the domain and the digest secrets to the given ones. What
    /// the user changed besides (numbers, names, more accounts) stays; the same again changes nothing.
    ///
    /// # Errors
    /// A value breaks a rule; the domain or an address is another company's.
    pub async fn seed_demo(&self, seed: DemoSeed) -> Result<DemoTenant, StoreError> {
        let domain = check::domain(&seed.domain)?;
        let missing = || StoreError::NotFound { what: "demo tenant" };
        let mut tx = self.begin().await?;
        let verdict = verdict_text(&seed.default_verdict).into();
        let (brand,) = tx.one::<(i64,)>(BRAND, &[verdict]).await?.ok_or_else(missing)?;
        let (company,) = tx.one::<(i64,)>(COMPANY, &[brand.into(), (&domain).into()]).await?.ok_or_else(missing)?;
        for account in &seed.accounts {
            check::username(&account.username)?;
            check::ha1(&account.ha1)?;
            let name = (&account.username).into();
            let shown = (&account.display_name).into();
            let (md5, sha256) = ((&account.ha1.md5).into(), (&account.ha1.sha256).into());
            tx.run(ACCOUNT, &[brand.into(), company.into(), name, shown, md5, sha256]).await?;
            tx.run(TO_ACCOUNT, &[brand.into(), company.into(), name, name]).await?;
        }
        for (number, app) in &seed.apps {
            tx.run(TO_APP, &[brand.into(), company.into(), number.into(), app.into()]).await?;
        }
        self.commit(tx).await?;
        let ctx = OpContext::platform();
        let brand = self.brands().get(&ctx, model::BrandId(brand)).await?;
        let company = self.companies().get(&ctx, model::CompanyId(company)).await?;
        let mut accounts = Vec::with_capacity(seed.accounts.len());
        for account in &seed.accounts {
            accounts.push(self.accounts().find(&ctx, company.id, &account.username).await?);
        }
        Ok(DemoTenant { brand, company, accounts })
    }
}
