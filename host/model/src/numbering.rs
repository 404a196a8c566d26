//! Translation rules out of a country's numbering facts: eight base rules, four inwards and four outwards.
//!
//! Inwards, in this order: international, national, within the area, anything else of the country (short codes,
//! emergency). Outwards the same steps backwards. Caller and callee are written alike.

use crate::{RuleError, RuleList, TranslationLists, TranslationRule};

/// How numbers are written in a country, and perhaps in one area of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberingPlan {
    /// The country code without `+`: `34`.
    pub country_code: String,
    /// What is dialled before a number of another country: `00`.
    pub international_prefix: String,
    /// What is dialled before a number of another area: `0`; may be empty.
    pub national_prefix: String,
    /// The area whose numbers are dialled without it: `91`; may be empty.
    pub area_code: String,
    /// How many digits a national number has, area code included and prefix not; `None` where they vary.
    pub national_length: Option<u8>,
}

/// Why a plan makes no rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// Not 1 to 3 digits.
    #[error("the country code needs 1 to 3 digits")]
    Country,
    /// Not digits, or too many.
    #[error("prefixes and the area code are at most 8 digits")]
    Digits,
    /// Without it an international number could not be told from another.
    #[error("the international prefix must not be empty")]
    International,
    /// A national number must be longer than its area code, and an E.164 number has at most 15 digits.
    #[error("the national length does not fit country and area code")]
    Length,
    /// A rule that does not compile; that would be a defect.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl NumberingPlan {
    /// The four lists.
    ///
    /// # Errors
    /// [`PlanError`], which names the fact that is wrong.
    pub fn lists(&self) -> Result<TranslationLists, PlanError> {
        self.check()?;
        let (inwards, outwards) = (RuleList::new(self.inwards())?, RuleList::new(self.outwards())?);
        Ok(TranslationLists {
            caller_in: inwards.clone(),
            callee_in: inwards,
            caller_out: outwards.clone(),
            callee_out: outwards,
        })
    }

    fn check(&self) -> Result<(), PlanError> {
        let digits = |text: &str| text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(&self.country_code) || !(1..=3).contains(&self.country_code.len()) {
            return Err(PlanError::Country);
        }
        if ![&self.international_prefix, &self.national_prefix, &self.area_code].into_iter().all(|t| digits(t)) {
            return Err(PlanError::Digits);
        }
        if self.international_prefix.is_empty() {
            return Err(PlanError::International);
        }
        let longest = 15 - self.country_code.len();
        if self.national_length.is_some_and(|n| !(self.area_code.len() + 1..=longest).contains(&usize::from(n))) {
            return Err(PlanError::Length);
        }
        Ok(())
    }

    /// So many digits, less those of `known`; any number of them where lengths vary.
    fn digits(&self, known: &str) -> String {
        match self.national_length {
            Some(length) => format!(r"\d{{{}}}", usize::from(length).saturating_sub(known.len())),
            None => r"\d+".to_owned(),
        }
    }

    fn inwards(&self) -> Vec<TranslationRule> {
        let NumberingPlan { country_code: country, international_prefix, national_prefix, area_code: area, .. } = self;
        let mut rules = vec![
            rule(format!(r"^(\+|{international_prefix})(\d+)$"), r"+\2".to_owned()),
            rule(format!(r"^{national_prefix}({})$", self.digits("")), format!(r"+{country}\1")),
        ];
        if !area.is_empty() {
            rules.push(rule(format!("^({})$", self.digits(area)), format!(r"+{country}{area}\1")));
        }
        rules.push(rule(r"^(\d+)$".to_owned(), format!(r"+{country}\1")));
        rules
    }

    fn outwards(&self) -> Vec<TranslationRule> {
        let NumberingPlan { country_code: country, international_prefix, national_prefix, area_code: area, .. } = self;
        let mut rules = Vec::new();
        if !area.is_empty() {
            rules.push(rule(format!(r"^\+{country}{area}({})$", self.digits(area)), r"\1".to_owned()));
        }
        rules.push(rule(format!(r"^\+{country}({})$", self.digits("")), format!(r"{national_prefix}\1")));
        rules.push(rule(format!(r"^\+{country}(\d+)$"), r"\1".to_owned()));
        rules.push(rule(r"^\+(\d+)$".to_owned(), format!(r"{international_prefix}\1")));
        rules
    }
}

fn rule(pattern: String, replacement: String) -> TranslationRule {
    TranslationRule { pattern, replacement }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(country: &str, prefixes: [&str; 2], area: &str, length: Option<u8>) -> NumberingPlan {
        NumberingPlan {
            country_code: country.to_owned(),
            international_prefix: prefixes[0].to_owned(),
            national_prefix: prefixes[1].to_owned(),
            area_code: area.to_owned(),
            national_length: length,
        }
    }

    #[test]
    fn numbers_of_three_countries_go_in_and_out() {
        // Spain: nine digits, no national prefix. Germany: lengths vary. North America: an area dialled by seven digits.
        let spain = plan("34", ["00", ""], "", Some(9));
        let germany = plan("49", ["00", "0"], "", None);
        let berlin = plan("49", ["00", "0"], "30", None);
        let newark = plan("1", ["011", "1"], "973", Some(10));
        for (plan, dialled, e164, back) in [
            (&spain, "944048182", "+34944048182", "944048182"),
            (&spain, "0034944048182", "+34944048182", "944048182"),
            (&spain, "+34944048182", "+34944048182", "944048182"),
            (&spain, "004930123456", "+4930123456", "004930123456"),
            (&spain, "112", "+34112", "112"),
            (&germany, "030123456", "+4930123456", "030123456"),
            (&germany, "0034944048182", "+34944048182", "0034944048182"),
            (&berlin, "123456", "+4930123456", "123456"),
            (&berlin, "089123456", "+4989123456", "089123456"),
            (&newark, "5550100", "+19735550100", "5550100"),
            (&newark, "12125550100", "+12125550100", "12125550100"),
            (&newark, "01144207946", "+44207946", "01144207946"),
            (&newark, "911", "+1911", "911"),
        ] {
            let lists = plan.lists().unwrap();
            assert_eq!(lists.callee_in.apply(dialled), e164, "{dialled} in {}", plan.country_code);
            assert_eq!(lists.caller_in, lists.callee_in);
            assert_eq!(lists.callee_out.apply(e164), back, "{e164} out of {}", plan.country_code);
            assert_eq!(lists.caller_out, lists.callee_out);
        }
        let full = newark.lists().unwrap();
        assert_eq!(full.callee_in.rules().len() + full.callee_out.rules().len(), 8, "the eight base rules");
        assert_eq!(full.callee_in.apply("anonymous"), "anonymous");
    }

    #[test]
    fn facts_that_do_not_fit_are_refused() {
        for (plan, error) in [
            (plan("", ["00", "0"], "", None), PlanError::Country),
            (plan("1234", ["00", "0"], "", None), PlanError::Country),
            (plan("+1", ["00", "0"], "", None), PlanError::Country),
            (plan("1", ["", "0"], "", None), PlanError::International),
            (plan("1", ["0.", "0"], "", None), PlanError::Digits),
            (plan("1", ["00", "(0)"], "", None), PlanError::Digits),
            (plan("1", ["00", "0"], "123456789", None), PlanError::Digits),
            (plan("49", ["00", "0"], "30", Some(2)), PlanError::Length),
            (plan("49", ["00", "0"], "", Some(14)), PlanError::Length),
        ] {
            assert_eq!(plan.lists(), Err(error), "{plan:?}");
        }
    }
}
