//! What the bench and the examples measure with: one company, one call, the shipped plugins.

use model::{
    Account, AccountId, AppStart, BindingId, Brand, BrandId, CallId, CallInfo, Company, CompanyId, DefaultVerdict,
    Directory, Extension, ExtensionId, Ha1, Handling, Header, Instant, MediaPath, Party, Question, QuestionKind,
    RouteTarget, Ticket,
};
use plugin::{BindingSpec, Host, Point, Reuse, Scope};
use std::sync::Arc;

const BRAND: BrandId = BrandId(1);
const COMPANY: CompanyId = CompanyId(1);

/// A thousand accounts and extensions.
pub(crate) fn directory() -> Arc<Directory> {
    let brand = Brand { id: BRAND, name: "brand".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: COMPANY,
        brand: BRAND,
        name: "company".to_owned(),
        domain: "company.test".to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: model::MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let account = |n: i64| Account {
        id: AccountId(n),
        company: COMPANY,
        username: n.to_string(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: None,
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let extension = |n: i64| Extension {
        id: ExtensionId(n),
        company: COMPANY,
        number: n.to_string(),
        target: RouteTarget::Account(n.to_string()),
    };
    let (accounts, extensions) = ((1000..2000).map(account).collect(), (1000..2000).map(extension).collect());
    Arc::new(Directory::build(1, vec![brand], vec![company], accounts, extensions, vec![]).expect("a directory"))
}

/// A call as an INVITE from a desk phone gives it.
pub(crate) fn call() -> CallInfo {
    let party = |user: &str| Party {
        uri: format!("sip:{user}@company.test"),
        user: user.to_owned(),
        display: Some("Ann".to_owned()),
        verified: Some("digest".to_owned()),
    };
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    CallInfo {
        call: CallId(7),
        brand: BRAND,
        brand_name: "brand".to_owned(),
        company: COMPANY,
        company_name: "company".to_owned(),
        account: Some("1001".to_owned()),
        source_ip: "192.0.2.1".to_owned(),
        caller: party("1001"),
        callee: party("1002"),
        headers: vec![
            header("User-Agent", "baresip v3.10.0 (x86_64/linux)"),
            header("Allow", "INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,UPDATE,REFER"),
            header("Supported", "replaces,outbound,path,gruu,norefersub"),
        ],
        received_at: Instant::from_unix_nanos(1),
        attrs: Vec::new(),
    }
}

/// The routing question of [`call`].
pub(crate) fn question() -> Question {
    Question { ticket: Ticket(1), deadline: Instant::from_unix_nanos(0), call: call(), kind: QuestionKind::Route }
}

/// The start of the attendant for [`call`].
pub(crate) fn start() -> AppStart {
    AppStart { name: "attendant".to_owned(), args: Vec::new(), call: call() }
}

/// Binds a shipped plugin for the brand, fresh for each question.
pub(crate) fn bind(host: &Host, name: &str, point: Point, bytes: &[u8]) {
    bind_as(host, (name, point, Reuse::Fresh), bytes, "{}");
}

/// Binds a plugin for the brand, with this configuration.
pub(crate) fn bind_as(host: &Host, (name, point, reuse): (&str, Point, Reuse), bytes: &[u8], config: &str) {
    let spec = BindingSpec {
        id: BindingId(1),
        name: name.to_owned(),
        scope: Scope { brand: BRAND, company: None, account: None },
        point,
        priority: 0,
        plugin: format!("{name}@0.1.0"),
        artifact: host.compile(bytes).expect("compiles"),
        config_json: config.to_owned(),
        config_secrets: std::collections::BTreeSet::new(),
        grants: plugin::Grants { kv: ["front-desk".to_owned()].into(), ..plugin::Grants::default() },
        secrets: std::collections::BTreeMap::new(),
        codes: std::collections::BTreeSet::new(),
        mandatory: false,
        recourse: model::Recourse::default(),
        reuse,
        trial: None,
    };
    host.set_bindings(vec![spec]).expect("bound");
}
