//! Scenarios 1 and 2: whose a call is that several trunks may have brought.

use super::*;
use crate::inbound;
use model::{
    BrandId as Of, RuleList, TranslationLists, TranslationRule, TranslationSet, TranslationSetId, Trunk, TrunkHeaders,
    TrunkId, TrunkStir,
};
use std::sync::Arc;

const SOUTH: CompanyId = CompanyId(2);

fn trunk(id: i64, brand: i64, translation: Option<i64>) -> Trunk {
    Trunk {
        id: TrunkId(id),
        brand: Of(brand),
        name: format!("t{id}"),
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
        translation: translation.map(TranslationSetId),
        anchor: false,
        sources: Vec::new(),
        stir: TrunkStir::default(),
    }
}

/// Numbers of this brand are dialled with a zero for its country.
fn national(brand: i64, country: &str) -> TranslationSet {
    let rule = TranslationRule { pattern: r"^0(\d+)$".to_owned(), replacement: format!(r"+{country}\1") };
    let callee_in = RuleList::new(vec![rule]).unwrap();
    let lists = TranslationLists { callee_in, ..TranslationLists::default() };
    TranslationSet { id: TranslationSetId(brand), brand: Of(brand), name: "n".to_owned(), lists }
}

/// Brand 1 has a company with +34900 and +34901, bound to the trunk; brand 2 one with +49900. `trunks` may have brought a
/// call to `dialled`: by which did it come, for which number, of which company?
fn found(trunks: &[i64], bound: Option<i64>, dialled: &[&str]) -> Option<(i64, String, CompanyId)> {
    let brand = |id| Brand { id: Of(id), name: format!("b{id}"), default_verdict: DefaultVerdict::Refuse };
    let north = company(CompanyRules::default());
    let south = Company { id: SOUTH, brand: Of(2), domain: "south.test".to_owned(), ..north.clone() };
    let to = RouteTarget::App("menu".to_owned());
    let number = |id, company, e164| Ddi::to(id, company, e164, to.clone());
    let ddis = vec![
        number(1, COMPANY, "+34900"),
        Ddi { trunk: bound.map(TrunkId), ..number(2, COMPANY, "+34901") },
        number(3, SOUTH, "+49900"),
    ];
    let directory = Directory::build(1, vec![brand(1), brand(2)], vec![north, south], vec![], vec![], ddis).unwrap();
    let all = vec![trunk(1, 1, Some(1)), trunk(2, 2, Some(2)), trunk(3, 1, Some(1)), trunk(4, 1, None)];
    let directory = directory.with_trunks(vec![national(1, "34"), national(2, "49")], all).unwrap();
    let trunks: Vec<Arc<Trunk>> =
        trunks.iter().map(|id| Arc::clone(directory.trunk_by_id(TrunkId(*id)).unwrap())).collect();
    let dialled: Vec<String> = dialled.iter().map(|number| (*number).to_owned()).collect();
    let inbound = inbound(&directory, &trunks, &dialled)?;
    Some((inbound.trunk.id.0, inbound.ddi.e164.clone(), inbound.company.id))
}

#[test]
fn the_number_says_which_brand_s_trunk_it_was() {
    let north = |trunk, number: &str| Some((trunk, number.to_owned(), COMPANY));
    for trunks in [[1, 2], [2, 1]] {
        // Each reads it by its own rules, and it is a number of one brand only.
        assert_eq!(found(&trunks, None, &["+34900"]), north(1, "+34900"));
        assert_eq!(found(&trunks, None, &["+49900"]), Some((2, "+49900".to_owned(), SOUTH)));
        assert_eq!(found(&trunks, None, &["0777"]), None);
    }
    // The same digits are a number here and there: the first trunk has it.
    assert_eq!(found(&[1, 2], None, &["0900"]), north(1, "+34900"));
    assert_eq!(found(&[2, 1], None, &["0900"]), Some((2, "+49900".to_owned(), SOUTH)));
    // A trunk whose rules make it no number of its own leaves it to the next.
    assert_eq!(found(&[4, 1], None, &["0900"]), north(1, "+34900"));
    // What is said beside the line token: the first that is a number.
    assert_eq!(found(&[1], None, &["x", "0900", "0901"]), north(1, "+34900"));
    assert_eq!(found(&[2], None, &["+34900"]), None, "another brand's number is nobody's");
    assert_eq!(found(&[], None, &["+34900"]), None);
}

#[test]
fn a_bound_number_came_by_its_trunk_where_that_may_have_brought_it() {
    let north = |trunk| Some((trunk, "+34901".to_owned(), COMPANY));
    assert_eq!(found(&[1, 2, 3], None, &["0901"]), north(1));
    assert_eq!(found(&[1, 2, 3], Some(3), &["0901"]), north(3));
    assert_eq!(found(&[1, 4], Some(3), &["0901"]), north(1), "its trunk cannot have: it is reached all the same");
    assert_eq!(found(&[1, 2, 3], Some(2), &["0901"]), north(1), "no trunk of another brand");
    assert_eq!(found(&[1, 3], Some(3), &["0900"]), Some((1, "+34900".to_owned(), COMPANY)), "the other number");
}
