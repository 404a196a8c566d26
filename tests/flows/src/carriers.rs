//! Carriers of a ladder: `trunk gw servers=10.0.0.21,10.0.0.22 ...` makes or changes one, `trunk gw gone` removes it.
//!
//! Inside, public numbers are `+49...`; a trunk with `rules` speaks German national form: `0049...` and `0...` abroad. With
//! `brand=2` it is the other brand's, and `rules` are British.

use model::{
    BrandId, CompanyId, Ddi, Directory, RouteTarget, RuleList, TranslationLists, TranslationRule, TranslationSet,
    TranslationSetId, Trunk, TrunkCredentials, TrunkHeaders, TrunkId, TrunkRegistration, TrunkSecret, TrunkServer,
    TrunkSource, TrunkStir, Verify,
};

/// The carriers' servers: parties with an address and no account.
pub(crate) const CARRIERS: [(&str, &str, &str); 2] =
    [("gw1", "gw1", "10.0.0.21:5060"), ("gw2", "gw2", "10.0.0.22:5060")];

/// The company's public numbers, and whom they lead to.
const DDIS: [(i64, &str, &str); 2] = [(1, "+4930123456", "1001"), (2, "+4930123457", "1003")];

/// The trunks of a ladder so far.
#[derive(Debug, Default)]
pub(crate) struct Carriers(Vec<Trunk>);

impl Carriers {
    /// One line: a name and its settings.
    pub(crate) fn set(&mut self, words: &[&str]) {
        let (name, settings) = words.split_first().unwrap_or_else(|| panic!("a trunk needs a name"));
        let known = self.0.iter().find(|t| t.name == *name).map(|t| t.id);
        let id = known.unwrap_or(TrunkId(i64::try_from(self.0.len()).unwrap_or(0) + 1));
        self.0.retain(|t| t.name != *name);
        if settings != ["gone"] {
            self.0.push(trunk(id, name, settings));
        }
    }

    /// The directory with the trunks, and the DDIs.
    pub(crate) fn join(&self, build: impl FnOnce(Vec<Ddi>) -> Directory) -> Directory {
        let ddi = |(id, e164, account): (i64, &str, &str)| {
            Ddi::to(id, CompanyId(1), e164, RouteTarget::Account(account.to_owned()))
        };
        let directory = build(DDIS.map(ddi).to_vec()).with_trunks(vec![set(1, "49"), set(2, "44")], self.0.clone());
        directory.unwrap_or_else(|error| panic!("{error}")).with_signers(crate::vouching::signers())
    }
}

fn trunk(id: TrunkId, name: &str, settings: &[&str]) -> Trunk {
    let value = |key: &str| settings.iter().find_map(|s| s.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str| value(key).map(|n| n.parse().unwrap_or_else(|_| panic!("no number: {n}")));
    let servers = value("servers").unwrap_or_default().split(',').filter(|s| !s.is_empty()).zip(0_u16..);
    let credentials = value("auth").and_then(|auth| auth.split_once(':'));
    Trunk {
        id,
        brand: BrandId(number("brand").map_or(1, i64::from)),
        name: name.to_owned(),
        enabled: true,
        servers: servers
            .map(|(host, priority)| TrunkServer {
                host: host.to_owned(),
                port: None,
                transport: None,
                priority,
                weight: 1,
            })
            .collect(),
        credentials: credentials.map(|(user, password)| TrunkCredentials {
            username: user.to_owned(),
            secret: TrunkSecret::Password(password.to_owned()),
        }),
        registration: value("register").map(|user| TrunkRegistration {
            user: user.to_owned(),
            domain: Some("carrier.test".to_owned()),
            expires_s: 600,
        }),
        from_user: None,
        from_domain: value("domain").map(str::to_owned),
        headers: headers(settings),
        calls_max: number("calls"),
        cps_max: number("cps"),
        answer_ms: Trunk::ANSWER_MS,
        ping_s: number("ping"),
        translation: settings.contains(&"rules").then(|| TranslationSetId(number("brand").map_or(1, i64::from))),
        anchor: settings.contains(&"anchor"),
        sources: value("source")
            .map(|network| TrunkSource {
                network: network.parse().unwrap_or_else(|_| panic!("no network: {network}")),
                listener: None,
            })
            .into_iter()
            .collect(),
        stir: TrunkStir {
            sign: settings.contains(&"sign"),
            verify: match value("verify") {
                None => Verify::Off,
                Some("tag") => Verify::Tag,
                Some("refuse") => Verify::Refuse,
                Some(other) => panic!("no such policy: {other}"),
            },
        },
    }
}

/// `trust`, and what is told of callers where it is not the usual: `no-pai ppi rpid no-diversion history-info`.
fn headers(settings: &[&str]) -> TrunkHeaders {
    let says = |word: &str| settings.contains(&word);
    TrunkHeaders {
        trust_identity: says("trust"),
        send_pai: !says("no-pai"),
        send_ppi: says("ppi"),
        send_rpid: says("rpid"),
        send_diversion: !says("no-diversion"),
        send_history_info: says("history-info"),
    }
}

/// How the carriers of a brand write numbers: those of its own country with a zero.
fn set(brand: i64, country: &str) -> TranslationSet {
    let (abroad, home) = (r"+\1".to_owned(), format!(r"+{country}\1"));
    let own = format!(r"^\+{country}(\d+)$");
    let list = |rules: &[(&str, &str)]| {
        let rule = |(pattern, replacement): &(&str, &str)| TranslationRule {
            pattern: (*pattern).to_owned(),
            replacement: (*replacement).to_owned(),
        };
        RuleList::new(rules.iter().map(rule).collect()).unwrap_or_else(|error| panic!("{error}"))
    };
    let inwards = [(r"^00(\d+)$", &*abroad), (r"^0(\d+)$", &*home)];
    let outwards = [(&*own, r"0\1"), (r"^\+(\d+)$", r"00\1")];
    TranslationSet {
        id: TranslationSetId(brand),
        brand: BrandId(brand),
        name: "de".to_owned(),
        lists: TranslationLists {
            caller_in: list(&inwards),
            caller_out: list(&outwards),
            callee_in: list(&inwards),
            callee_out: list(&outwards),
        },
    }
}
