//! Which trunk a source address belongs to, and which brand may name which trunk.

use super::*;
use crate::{Brand, DefaultVerdict, TranslationLists};

const HOME: &str = "192.0.2.1:5060";

fn trunk(id: i64, brand: i64, sources: &[(&str, Option<&str>)]) -> Trunk {
    Trunk {
        id: TrunkId(id),
        brand: BrandId(brand),
        name: "carrier".to_owned() + &id.to_string(),
        enabled: true,
        servers: Vec::new(),
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
        sources: sources
            .iter()
            .map(|(network, listener)| TrunkSource {
                network: network.parse().unwrap(),
                listener: listener.map(|l| l.parse().unwrap()),
            })
            .collect(),
        stir: TrunkStir::default(),
    }
}

fn directory(trunks: Vec<Trunk>) -> Result<Directory, LookupError> {
    let brand = |id| Brand { id: BrandId(id), name: format!("b{id}"), default_verdict: DefaultVerdict::Refuse };
    let empty = Directory::build(1, vec![brand(1), brand(2)], vec![], vec![], vec![], vec![]).unwrap();
    let set = TranslationSet {
        id: TranslationSetId(9),
        brand: BrandId(2),
        name: "x".to_owned(),
        lists: TranslationLists::default(),
    };
    empty.with_trunks(vec![set], trunks)
}

#[test]
fn the_longest_network_comes_first_then_the_listener_then_the_row() {
    let mut off = trunk(6, 1, &[("198.51.100.9/32", None)]);
    off.enabled = false;
    let d = directory(vec![
        trunk(1, 1, &[("198.51.100.0/24", None), ("2001:db8::/32", None)]),
        trunk(2, 2, &[("198.51.100.7/32", None)]),
        trunk(3, 2, &[("198.51.100.0/24", Some(HOME))]),
        trunk(4, 1, &[("203.0.113.0/24", None)]),
        trunk(5, 1, &[("203.0.113.0/24", None), ("203.0.113.99/24", None)]),
        off,
    ])
    .unwrap();
    for (remote, local, ids) in [
        ("198.51.100.1", "192.0.2.2:5060", vec![1]),
        ("198.51.100.1", HOME, vec![3, 1]),
        ("198.51.100.7", HOME, vec![2, 3, 1]),
        ("::ffff:198.51.100.7", HOME, vec![2, 3, 1]),
        ("198.51.100.9", "192.0.2.2:5060", vec![1]),
        ("203.0.113.5", HOME, vec![4, 5]),
        ("2001:db8:1::1", HOME, vec![1]),
        ("192.0.2.77", HOME, vec![]),
    ] {
        let found: Vec<i64> =
            d.trunks_at(remote.parse().unwrap(), local.parse().unwrap()).iter().map(|t| t.id.0).collect();
        assert_eq!(found, ids, "{remote} at {local}");
    }
    assert_eq!(d.trunk(BrandId(1), "carrier1").map(|t| t.id), Some(TrunkId(1)));
    assert!(d.trunk(BrandId(2), "carrier1").is_none(), "another brand's trunk is not there");
    assert!(d.trunk(BrandId(1), "carrier6").is_none(), "a disabled trunk is not there");
    assert_eq!(d.trunks().count(), 6);
}

#[test]
fn a_row_that_names_what_is_not_its_own_is_refused() {
    assert!(directory(vec![trunk(1, 3, &[])]).is_err());
    let mut foreign = trunk(1, 1, &[]);
    foreign.translation = Some(TranslationSetId(9));
    assert!(directory(vec![foreign.clone()]).is_err());
    foreign.brand = BrandId(2);
    let d = directory(vec![foreign]).unwrap();
    let trunk = d.trunk_by_id(TrunkId(1)).unwrap();
    assert_eq!(d.translation_of(trunk).map(|s| s.id), Some(TranslationSetId(9)));
}

#[test]
fn a_secret_is_never_printed() {
    let secret = TrunkSecret::Password("tell nobody".to_owned());
    let credentials = TrunkCredentials { username: "u".to_owned(), secret };
    assert!(!format!("{credentials:?}").contains("nobody"));
}
