//! Rules: order, groups, and what is refused.

use super::*;

fn rule(pattern: &str, replacement: &str) -> TranslationRule {
    TranslationRule { pattern: pattern.to_owned(), replacement: replacement.to_owned() }
}

#[test]
fn the_first_match_wins_and_no_match_changes_nothing() {
    let list = RuleList::new(vec![
        rule(r"^00(\d+)$", r"+\1"),
        rule(r"^0(\d+)$", r"+44\1"),
        rule(r"^(\d)(\d)$", r"\2-\1-\0"),
        rule("^anonymous$", ""),
    ])
    .unwrap();
    for (from, to) in [
        ("004989123", "+4989123"),
        ("02079460000", "+442079460000"),
        ("12", "2-1-12"),
        ("+442079460000", "+442079460000"),
        ("123", "123"),
        ("anonymous", ""),
        ("", ""),
        ("zoë", "zoë"),
    ] {
        assert_eq!(list.apply(from), to, "{from}");
    }
    let long = "0".repeat(200);
    assert_eq!(list.apply(&long), long);
}

#[test]
fn a_rule_that_cannot_work_is_refused_with_its_number() {
    let bad = |pattern: &str, replacement: &str| {
        RuleList::new(vec![rule("^1$", "2"), rule(pattern, replacement)]).unwrap_err()
    };
    assert_eq!(bad(r"^(\d+)$", r"+\1\2"), RuleError::Group { rule: 2, group: 2, groups: 1 });
    assert_eq!(bad(r"^(\d+)$", r"\x"), RuleError::Escape { rule: 2 });
    assert_eq!(bad(r"^(\d+)$", "\\"), RuleError::Escape { rule: 2 });
    assert_eq!(bad(r"^(\d+)$", "1>2"), RuleError::Character { rule: 2 });
    assert_eq!(bad(r"^(\d+)$", "1\r\nX: y"), RuleError::Character { rule: 2 });
    assert_eq!(bad("", "1"), RuleError::Length { rule: 2 });
    assert_eq!(bad("1", &"1".repeat(257)), RuleError::Length { rule: 2 });
    assert!(matches!(bad("(", ""), RuleError::Pattern { rule: 2, .. }));
    assert!(matches!(bad(r"(a)\1", ""), RuleError::Pattern { rule: 2, .. }));
    let RuleError::Pattern { why, .. } = bad(r"(\w{100}){100}{100}", "") else { panic!("too large a pattern") };
    assert_eq!(why.lines().count(), 1, "{why}");
    assert_eq!(RuleList::new(vec![rule("1", ""); 101]), Err(RuleError::TooMany(101)));
}

#[test]
fn a_list_keeps_its_text() {
    let list = RuleList::new(vec![rule(r"^(\d+)$", r"\\\1")]).unwrap();
    assert_eq!(list.apply("7"), "\\7");
    assert_eq!(list.rules(), [rule(r"^(\d+)$", r"\\\1")]);
}
