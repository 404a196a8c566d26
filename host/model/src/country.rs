//! The countries and territories of the world: how their numbers are written, and what time it is there.
//!
//! The facts are those of ISO 3166, of libphonenumber and of the tz database; `country.py` beside this file makes
//! `country.csv` of them anew.

use crate::NumberingPlan;
use std::sync::LazyLock;

static ALL: LazyLock<Vec<Country>> = LazyLock::new(|| include_str!("country.csv").lines().filter_map(read).collect());

/// A country or territory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Country {
    /// Two capitals of ISO 3166; `XK`, `AC` and `TA` are used though it reserves them.
    pub code: &'static str,
    /// As people of the field say it in English.
    pub name: &'static str,
    /// The country code of E.164, without `+`; several may share one.
    pub calling_code: &'static str,
    /// What is dialled there before a number of another country: `00`. Where it chooses a carrier, one of them.
    pub international_prefix: &'static str,
    /// What is dialled there before a number of another area; may be empty.
    pub national_prefix: &'static str,
    /// How many digits a national number has; `None` where that varies.
    pub national_length: Option<u8>,
    /// What the national numbers begin with, of a country that shares its calling code; the main one of a code has none.
    pub leading: Vec<&'static str>,
    /// Whether a number tells it: not one that uses the numbers of another country as they are.
    pub told_by_number: bool,
    /// Its zones in the tz database, the one most people live in first; never empty.
    pub zones: Vec<&'static str>,
}

/// A line: code, calling code, prefixes, length, leading digits, zones, name.
fn read(line: &'static str) -> Option<Country> {
    let mut cells = line.splitn(8, ',');
    let mut cell = || cells.next();
    let (code, calling_code, international_prefix, national_prefix) = (cell()?, cell()?, cell()?, cell()?);
    let (length, leading, zones, name) = (cell()?, cell()?, cell()?, cell()?);
    Some(Country {
        code,
        name,
        calling_code,
        international_prefix,
        national_prefix,
        national_length: length.parse().ok(),
        leading: leading.split(' ').filter(|digits| !matches!(*digits, "" | "-")).collect(),
        told_by_number: leading != "-",
        zones: zones.split(' ').collect(),
    })
}

impl Country {
    /// All of them, by code.
    #[must_use]
    pub fn all() -> &'static [Country] {
        &ALL
    }

    /// The country of two letters, large or small.
    #[must_use]
    pub fn of_code(code: &str) -> Option<&'static Country> {
        ALL.iter().find(|country| country.code.eq_ignore_ascii_case(code))
    }

    /// The country of an E.164 number, with its `+`: the one of which most digits fit.
    #[must_use]
    pub fn of_number(number: &str) -> Option<&'static Country> {
        let digits = number.strip_prefix('+')?;
        let fits = |country: &Country| {
            let national = digits.strip_prefix(country.calling_code)?;
            let leading =
                country.leading.iter().filter(|lead| national.starts_with(**lead)).map(|lead| lead.len()).max();
            match leading {
                Some(more) => Some(country.calling_code.len() + more),
                None => country.leading.is_empty().then_some(country.calling_code.len()),
            }
        };
        let told = ALL.iter().filter(|country| country.told_by_number);
        told.filter_map(|country| Some((fits(country)?, country))).max_by_key(|(length, _)| *length).map(|(_, c)| c)
    }

    /// The prefixes of E.164 that lead there, with `+`.
    #[must_use]
    pub fn prefixes(&self) -> Vec<String> {
        match (self.told_by_number, self.leading.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => vec![format!("+{}", self.calling_code)],
            (true, false) => self.leading.iter().map(|lead| format!("+{}{lead}", self.calling_code)).collect(),
        }
    }

    /// How numbers are written in an area of it; in the country at large, if the area is empty.
    #[must_use]
    pub fn numbering(&self, area_code: &str) -> NumberingPlan {
        NumberingPlan {
            country_code: self.calling_code.to_owned(),
            international_prefix: self.international_prefix.to_owned(),
            national_prefix: self.national_prefix.to_owned(),
            area_code: area_code.to_owned(),
            national_length: self.national_length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_is_a_country_and_each_is_there_once() {
        let lines = include_str!("country.csv").lines().count();
        assert_eq!((Country::all().len(), lines), (252, 252), "249 of ISO 3166 and three of use");
        assert!(Country::all().windows(2).all(|pair| pair[0].code < pair[1].code), "by code");
        for country in Country::all() {
            assert!(country.code.len() == 2 && country.code.bytes().all(|b| b.is_ascii_uppercase()), "{country:?}");
            assert!(!country.name.is_empty() && !country.zones.iter().any(|zone| zone.is_empty()), "{country:?}");
            country.numbering("").lists().unwrap_or_else(|error| panic!("{}: {error}", country.code));
        }
    }

    #[test]
    fn every_prefix_leads_back_to_its_country() {
        let mut seen = BTreeSet::new();
        for country in Country::all() {
            for prefix in country.prefixes() {
                assert!(seen.insert(prefix.clone()), "{prefix} leads to two");
                assert_eq!(Country::of_number(&prefix).map(|c| c.code), Some(country.code), "{prefix}");
            }
        }
        let main: BTreeSet<_> =
            Country::all().iter().filter(|c| c.leading.is_empty()).map(|c| c.calling_code).collect();
        let all: BTreeSet<_> = Country::all().iter().map(|c| c.calling_code).collect();
        assert_eq!(main, all, "each calling code has one that takes what no other does");
    }

    #[test]
    fn numbers_tell_their_country() {
        for (number, code) in [
            ("+34944048182", "ES"),
            ("+442079460000", "GB"),
            ("+441481960194", "GG"),
            ("+12125550100", "US"),
            ("+14165550100", "CA"),
            ("+12425550100", "BS"),
            ("+77012345678", "KZ"),
            ("+74951234567", "RU"),
            ("+390669812345", "VA"),
            ("+390612345678", "IT"),
        ] {
            assert_eq!(Country::of_number(number).map(|c| c.code), Some(code), "{number}");
        }
        for none in ["", "34944048182", "+", "+999123", "+0"] {
            assert_eq!(Country::of_number(none), None, "{none}");
        }
        assert_eq!(Country::of_code("es"), Country::of_code("ES"));
        assert_eq!(Country::of_code("EN"), None);
    }

    #[test]
    fn a_number_is_written_as_at_home() {
        for (code, area, dialled, e164) in [
            ("ES", "", "944048182", "+34944048182"),
            ("DE", "30", "123456", "+4930123456"),
            ("US", "973", "5550100", "+19735550100"),
            ("RU", "", "810442079460000", "+442079460000"),
            ("HU", "", "0612345678", "+3612345678"),
        ] {
            let lists = Country::of_code(code).unwrap().numbering(area).lists().unwrap();
            assert_eq!(lists.callee_in.apply(dialled), e164, "{dialled} in {code}");
        }
    }
}
