//! What is dialled, which number a carrier's call is for, and which number is shown.

use super::*;
use crate::{Dialled, chosen, classify, external, shown_to};
use model::{
    BrandId, Company, CompanyKind, DdiChoice, MatchList, NumberingPlan, OutgoingDdiRule, OutgoingDdiRules, RuleBody,
    TranslationLists, TranslationSet, TranslationSetId,
};

fn spain() -> TranslationLists {
    let plan = NumberingPlan {
        country_code: "34".to_owned(),
        international_prefix: "00".to_owned(),
        national_prefix: String::new(),
        area_code: String::new(),
        national_length: Some(9),
    };
    plan.lists().unwrap()
}

/// Dial order (3.9), and what the four kinds of clients have of it (1.7).
#[test]
fn what_is_dialled_is_a_star_code_the_companys_own_or_a_public_number() {
    let set = TranslationSet { id: TranslationSetId(1), brand: BrandId(1), name: "spain".to_owned(), lists: spain() };
    let directory = directory(vec![]).with_trunks(vec![set], vec![]).unwrap();
    let ask = |kind: CompanyKind, translation: Option<&str>, dialled: &str| {
        let rules = CompanyRules { translation: translation.map(str::to_owned), ..CompanyRules::default() };
        classify(&directory, &Company { kind, ..company(rules) }, dialled)
    };
    let out = |number: &str| Dialled::External(number.to_owned());
    let spain = Some("spain");
    for (kind, translation, dialled, found) in [
        (CompanyKind::Vpbx, spain, "*94200", Dialled::Starred),
        (CompanyKind::Vpbx, spain, "1001", Dialled::Internal),
        (CompanyKind::Vpbx, spain, "944048182", out("+34944048182")),
        (CompanyKind::Vpbx, spain, "00442079460000", out("+442079460000")),
        (CompanyKind::Vpbx, None, "944048182", Dialled::Unknown),
        (CompanyKind::Vpbx, Some("gone"), "+34944048182", out("+34944048182")),
        (CompanyKind::Vpbx, spain, "+1001", out("+1001")),
        (CompanyKind::Vpbx, spain, "bob", Dialled::Unknown),
        (CompanyKind::Residential, spain, "1001", out("+341001")),
        (CompanyKind::Residential, None, "1001", Dialled::Unknown),
        (CompanyKind::Retail, None, "1001", Dialled::Unknown),
        (CompanyKind::Retail, spain, "944048182", out("+34944048182")),
        (CompanyKind::Wholesale, None, "+34944048182", out("+34944048182")),
        (CompanyKind::Wholesale, None, "34944048182", Dialled::Unknown),
    ] {
        assert_eq!(ask(kind, translation, dialled), found, "{kind:?} {dialled}");
    }
    assert_eq!(external(&super::numbers::spain(), "0044207946000012345678"), None, "too long");
}

/// Outgoing DDI rules (4.1, 4.2): own, company's, by list, by prefix; what is not the company's is not shown.
#[test]
fn rules_say_which_number_is_shown() {
    let list = MatchList::new(vec![], vec!["+44".to_owned()], vec![]).unwrap();
    let rule = |list: Option<&str>, prefix: Option<&str>, choice| OutgoingDdiRule {
        list: list.map(str::to_owned),
        prefix: prefix.map(str::to_owned),
        choice,
    };
    let force = |ddi: Option<&str>| DdiChoice::Force(ddi.map(str::to_owned));
    let own = OutgoingDdiRules {
        rules: vec![
            rule(None, Some("12*"), force(Some("+34900"))),
            rule(None, Some("1*"), force(Some("+34999"))),
            rule(Some("abroad"), None, force(None)),
        ],
        default: DdiChoice::Keep,
    };
    let always = OutgoingDdiRules { rules: vec![], default: force(Some("+34900")) };
    let directory = directory(vec![
        ("abroad", RuleBody::MatchList(list)),
        ("own", RuleBody::OutgoingDdiRules(own)),
        ("always", RuleBody::OutgoingDdiRules(always)),
    ]);
    // The company has +34900 and +34901; +34999 is nobody's.
    let ask = |rules: (Option<&str>, Option<&str>), ddi: Option<&str>, dialled: &str| {
        let text = |t: Option<&str>| t.map(str::to_owned);
        let company = company(CompanyRules {
            outgoing_ddi: text(Some("+34900")),
            outgoing_ddi_rules: text(rules.1),
            ..CompanyRules::default()
        });
        let account = account(
            "1001",
            AccountRules { outgoing_ddi: text(ddi), outgoing_ddi_rules: text(rules.0), ..AccountRules::default() },
        );
        let found = chosen(&directory, &company, &account, dialled);
        let (number, choice) = found.map_or((dialled, None), |(rest, choice)| (rest, Some(choice)));
        (shown_to(&directory, &company, &account, choice, number), number.to_owned())
    };
    let own = Some("+34901");
    for (rules, ddi, dialled, shown, number) in [
        ((None, None), own, "+34944", Some("+34901"), "+34944"),
        ((Some("own"), None), own, "+34944", Some("+34901"), "+34944"),
        ((Some("own"), None), own, "+44207", Some("+34900"), "+44207"),
        ((Some("own"), None), own, "12*+44207", Some("+34900"), "+44207"),
        ((Some("own"), None), own, "1*+44207", None, "+44207"),
        ((Some("own"), None), own, "3*+34944", Some("+34901"), "3*+34944"),
        ((None, Some("always")), own, "+34944", Some("+34900"), "+34944"),
        ((Some("own"), Some("always")), own, "+34944", Some("+34901"), "+34944"),
        ((Some("gone"), None), own, "+34944", Some("+34901"), "+34944"),
        ((None, None), None, "+34944", Some("+34900"), "+34944"),
    ] {
        let (found, called) = ask(rules, ddi, dialled);
        assert_eq!((found.as_deref(), called.as_str()), (shown, number), "{rules:?} {dialled}");
    }
}
