//! The demo's other clients, one of each kind that is no telephone system: a home, a shop with a line, and a carrier that
//! passes calls through. All are of the demo's brand and call out by one trunk.
//!
//! The addresses are of this machine's own network: nobody is there until the newcomer starts something that listens
//! (a SIP phone or sipp) or says where his carrier is (`strowger trunk set`). A client that is there is left as it is.

use core::net::SocketAddr;
use model::{
    AccountRules, BrandId, Company, CompanyKind, CompanyRules, Handling, MediaPath, NumberingPlan, PluginId,
    RouteTarget, RuleList, TranslationLists, TranslationRule, Trunk, TrunkHeaders, TrunkId, TrunkServer, TrunkSource,
    TrunkStir,
};
use store::{Db, NewAccount, NewBinding, NewCompany, NewDdi, NewTranslationSet, OpContext, Page, StoreError};

/// The user names that have passwords, and the domains of their companies.
pub(crate) const USERS: [(&str, &str); 2] = [("2001", "home.demo.strowger"), ("3001", "line.demo.strowger")];
/// Where the demo's carrier would be, and where its calls come from.
pub(crate) const CARRIER: (&str, u16) = ("127.0.0.2", 5070);
/// Where the carrier that is a client calls from; the port is that of its own SIP.
pub(crate) const TRANSIT: &str = "127.0.0.3:5070";
/// What that carrier dials before a number.
pub(crate) const PREFIX: &str = "7700";
/// The public numbers of home and shop.
pub(crate) const NUMBERS: [&str; 2] = ["+442079460201", "+442079460301"];

const CTX: OpContext = OpContext::platform();

/// Makes what is missing. `router` is the plugin `extensions`.
pub(crate) async fn furnish(
    db: &Db,
    brand: BrandId,
    router: PluginId,
    passwords: &[(String, String)],
) -> Result<(), StoreError> {
    let password = |user: &str| passwords.iter().find(|(name, _)| name == user).map_or("", |(_, password)| password);
    carrier(db, brand).await?;
    set(db, brand, "united-kingdom", national()?).await?;
    set(db, brand, "transit", prefixed()?).await?;
    let kinds = [("home", CompanyKind::Residential), ("line", CompanyKind::Retail)];
    for (((name, kind), (user, domain)), number) in kinds.into_iter().zip(USERS).zip(NUMBERS) {
        let Some(company) = company(db, brand, (name, domain, kind), "united-kingdom").await? else { continue };
        let ha1 = api::ha1(user, domain, password(user));
        let new = NewAccount {
            company: company.id,
            username: user.to_owned(),
            display_name: format!("{name} {user}"),
            ha1,
            direct: None,
            enabled: true,
        };
        let mut account = db.accounts().create(&CTX, new).await?;
        let target = RouteTarget::Account(user.to_owned());
        db.ddis().create(&CTX, NewDdi { company: company.id, e164: number.to_owned(), target }).await?;
        account.rules = AccountRules { outgoing_ddi: Some(number.to_owned()), ..account.rules };
        db.accounts().update(&CTX, &account).await?;
        out(db, &company, router).await?;
    }
    let transit = ("transit", "transit.demo.strowger", CompanyKind::Wholesale);
    if let Some(company) = company(db, brand, transit, "transit").await? {
        let direct: Option<SocketAddr> = TRANSIT.parse().ok();
        // It is known by its address and never asked for a password.
        let nobodys = api::new_password().map_err(|e| StoreError::Away { why: format!("no randomness: {e}") })?;
        let ha1 = api::ha1("carrier", transit.1, &nobodys);
        let (username, display_name) = ("carrier".to_owned(), "carrier".to_owned());
        let new = NewAccount { company: company.id, username, display_name, ha1, direct, enabled: true };
        db.accounts().create(&CTX, new).await?;
        out(db, &company, router).await?;
    }
    Ok(())
}

/// The trunk that all of them call out by.
async fn carrier(db: &Db, brand: BrandId) -> Result<(), StoreError> {
    let network = format!("{}/32", CARRIER.0);
    let wrong = || StoreError::Invalid { what: "trunk", why: format!("{network} is no network") };
    let network = network.parse().map_err(|_| wrong())?;
    let server =
        TrunkServer { host: CARRIER.0.to_owned(), port: Some(CARRIER.1), transport: None, priority: 0, weight: 1 };
    let trunk = Trunk {
        id: TrunkId(0),
        brand,
        name: "demo-carrier".to_owned(),
        enabled: true,
        servers: vec![server],
        credentials: None,
        registration: None,
        from_user: None,
        from_domain: None,
        headers: TrunkHeaders::default(),
        calls_max: None,
        cps_max: None,
        answer_ms: Trunk::ANSWER_MS,
        ping_s: None,
        translation: None,
        anchor: false,
        sources: vec![TrunkSource { network, listener: None }],
        stir: TrunkStir::default(),
    };
    there(db.trunks().create(&CTX, &trunk).await.map(|_| ()))
}

/// What was there is as good as what was made.
fn there(made: Result<(), StoreError>) -> Result<(), StoreError> {
    if matches!(made, Err(StoreError::Conflict { .. })) { Ok(()) } else { made }
}

async fn set(db: &Db, brand: BrandId, name: &str, lists: TranslationLists) -> Result<(), StoreError> {
    let new = NewTranslationSet { brand, name: name.to_owned(), lists };
    there(db.translation_sets().create(&CTX, new).await.map(|_| ()))
}

fn wrong(why: impl core::fmt::Display) -> StoreError {
    StoreError::Invalid { what: "translation set", why: why.to_string() }
}

/// Numbers as London dials them.
fn national() -> Result<TranslationLists, StoreError> {
    let plan = NumberingPlan {
        country_code: "44".to_owned(),
        international_prefix: "00".to_owned(),
        national_prefix: "0".to_owned(),
        area_code: "20".to_owned(),
        national_length: Some(10),
    };
    plan.lists().map_err(wrong)
}

/// A carrier's prefix, and the number behind it.
fn prefixed() -> Result<TranslationLists, StoreError> {
    let rule = TranslationRule { pattern: format!("^{PREFIX}([1-9][0-9]+)$"), replacement: r"+\1".to_owned() };
    Ok(TranslationLists { callee_in: RuleList::new(vec![rule]).map_err(wrong)?, ..TranslationLists::default() })
}

/// A company that was not there.
async fn company(
    db: &Db,
    brand: BrandId,
    (name, domain, kind): (&str, &str, CompanyKind),
    translation: &str,
) -> Result<Option<Company>, StoreError> {
    let all = db.companies().list(&CTX, Some(brand), Page::first()).await?;
    if all.iter().any(|company| company.name == name) {
        return Ok(None);
    }
    let new = NewCompany {
        brand,
        name: name.to_owned(),
        domain: domain.to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        kind,
        media_security: Default::default(),
    };
    let mut company = db.companies().create(&CTX, new).await?;
    company.rules = CompanyRules { translation: Some(translation.to_owned()), ..company.rules };
    db.companies().update(&CTX, &company).await.map(Some)
}

/// Lets a company's public numbers go out by the trunk.
async fn out(db: &Db, company: &Company, router: PluginId) -> Result<(), StoreError> {
    let new = NewBinding {
        brand: company.brand,
        company: Some(company.id),
        account: None,
        name: "outside".to_owned(),
        point: "routing/router".to_owned(),
        priority: 100,
        plugin: router,
        config: r#"{"static":{"+*":"trunk:demo-carrier/+{rest}"}}"#.to_owned(),
    };
    db.plugin_bindings().bind(&CTX, new).await.map(|_| ())
}
