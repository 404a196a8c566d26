//! `plugin.toml`: who a plugin is, what it serves and what it asks for. Every error names the line.

use crate::Grants;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use toml::Spanned;

/// The version of the contract (`wit/`) that this switch speaks.
pub const WIT_VERSION: &str = "0.1.0";
/// Names a manifest may give to points; kept beside the plugin host's own list by a test there.
const POINTS: [&str; 8] = [
    "routing/router",
    "routing/router-io",
    "call/app",
    "hooks/registration",
    "hooks/feature",
    "hooks/event-sink",
    "hooks/sip-filter",
    "billing/rater",
];
const CODES_MAX: usize = 64;

/// Whether an instance answers one question and goes, or stays for others of the same binding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    /// One question each: what a plugin keeps in its memory is gone with the answer.
    #[default]
    Fresh,
    /// Kept between questions, as long as it lives; it may go at any time. For guests that are slow to begin.
    Warm,
}

impl Reuse {
    /// Whether it is the default.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        *self == Reuse::Fresh
    }
}

/// One point a plugin serves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provided {
    /// `routing/router`, `call/app`, ...
    pub point: String,
    /// What becomes of an instance after its answer.
    #[serde(default, skip_serializing_if = "Reuse::is_fresh")]
    pub reuse: Reuse,
}

/// What a feature is dialled by.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feature {
    /// Codes, such as `*72`.
    pub codes: BTreeSet<String>,
}

/// A manifest that holds together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name, the same over all versions: 1 to 64 of `a-z`, `0-9`, `-`.
    pub id: String,
    /// The version, as `1.2.0`.
    pub version: String,
    /// The contract it was built for.
    pub wit: String,
    /// An SPDX expression.
    #[serde(default)]
    pub licence: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// What it serves; equal to what the component exports.
    pub provides: BTreeSet<Provided>,
    /// What it asks for.
    #[serde(default)]
    pub needs: Grants,
    /// Star codes.
    #[serde(default)]
    pub feature: Feature,
}

/// What is wrong with a manifest, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("plugin.toml line {line}: {why}")]
pub struct ManifestError {
    /// The line, from one.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

/// As it is written: each value with its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Spanned<String>,
    version: Spanned<String>,
    wit: Spanned<String>,
    #[serde(default)]
    licence: String,
    #[serde(default)]
    description: String,
    provides: Vec<Spanned<Provided>>,
    #[serde(default)]
    needs: Option<Spanned<Grants>>,
    #[serde(default)]
    feature: Option<Spanned<Feature>>,
}

struct Text<'a>(&'a str);

impl Text<'_> {
    fn fault<T>(&self, at: usize, why: impl Into<String>) -> Result<T, ManifestError> {
        let line = 1 + self.0.get(..at).unwrap_or_default().matches('\n').count();
        Err(ManifestError { line, why: why.into() })
    }

    fn ensure(&self, holds: bool, at: usize, why: &str) -> Result<(), ManifestError> {
        if holds { Ok(()) } else { self.fault(at, why) }
    }
}

impl Manifest {
    /// What becomes of an instance that has answered at this point.
    #[must_use]
    pub fn reuse(&self, point: &str) -> Reuse {
        self.provides.iter().find(|p| p.point == point).map(|p| p.reuse).unwrap_or_default()
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] with the line.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let place = Text(text);
        let written: Written = match toml::from_str(text) {
            Ok(written) => written,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                return place.fault(at, error.message().to_owned());
            }
        };
        let word = |s: &str| {
            (1..=64).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let at = |span: core::ops::Range<usize>| span.start;
        place.ensure(word(written.id.get_ref()), at(written.id.span()), "id: 1 to 64 of a-z, 0-9 and `-`")?;
        let version = written.version.get_ref();
        let numbers = version.split('.').filter(|n| n.parse::<u32>().is_ok()).count();
        let plain = numbers == 3 && version.split('.').count() == 3;
        place.ensure(plain, at(written.version.span()), "version: three numbers, as 1.2.0")?;
        if written.wit.get_ref() != WIT_VERSION {
            let why = format!("wit: this switch speaks {WIT_VERSION}, not {}", written.wit.get_ref());
            return place.fault(at(written.wit.span()), why);
        }
        let mut provides = BTreeSet::new();
        for provided in &written.provides {
            let point = &provided.get_ref().point;
            if !POINTS.contains(&point.as_str()) {
                let why = format!("provides: {point:?} is no point of this switch; it knows {}", POINTS.join(", "));
                return place.fault(at(provided.span()), why);
            }
            let warm_app = point == "call/app" && provided.get_ref().reuse == Reuse::Warm;
            place.ensure(
                !warm_app,
                at(provided.span()),
                "provides: a call/app has an instance for each call, never warm",
            )?;
            let twice = provides.iter().any(|p: &Provided| p.point == *point);
            place.ensure(!twice, at(provided.span()), "provides: twice the same")?;
            provides.insert(provided.get_ref().clone());
        }
        place.ensure(!provides.is_empty(), 0, "provides: at least one point")?;
        let needs_at = written.needs.as_ref().map_or(0, |n| at(n.span()));
        let needs = written.needs.map(Spanned::into_inner).unwrap_or_default();
        check_needs(&place, &needs, needs_at)?;
        let feature_at = written.feature.as_ref().map_or(0, |f| at(f.span()));
        let feature = written.feature.map(Spanned::into_inner).unwrap_or_default();
        let serves = provides.iter().any(|p| p.point == "hooks/feature");
        check_codes(&place, &feature, serves, feature_at)?;
        Ok(Manifest {
            id: written.id.into_inner(),
            version: written.version.into_inner(),
            wit: written.wit.into_inner(),
            licence: written.licence,
            description: written.description,
            provides,
            needs,
            feature,
        })
    }
}

fn check_needs(place: &Text<'_>, needs: &Grants, at: usize) -> Result<(), ManifestError> {
    let name = |s: &String| {
        (1..=64).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let named = [("kv", &needs.kv), ("secrets", &needs.secrets), ("tables", &needs.tables)];
    for (kind, names) in named {
        // `*`: those that the configuration names. Keys and secrets are the plugin's own to name.
        let any = |n: &String| kind == "tables" && n == "*";
        if let Some(bad) = names.iter().find(|n| !name(n) && !any(n)) {
            return place.fault(at, format!("needs.{kind}: {bad:?}: 1 to 64 letters, digits, `-` and `_`"));
        }
    }
    let address = |text: &String| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
        text == "*"
            || text == "own"
            || text.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !domain.is_empty() && (local.bytes().chain(domain.bytes())).all(legal)
            })
    };
    if let Some(bad) = needs.mail.iter().find(|text| !address(text)) {
        return place.fault(at, format!("needs.mail: {bad:?}: an address, `*@DOMAIN`, `own` or `*`"));
    }
    for grant in &needs.http {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:*[]".contains(&b);
        let whole = !grant.host.is_empty() && grant.host.bytes().all(legal);
        place.ensure(
            whole,
            at,
            "needs.http: host is a name, `*.name`, an address or `*`, with `:port` if only that",
        )?;
        let capital = grant.methods.iter().all(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_uppercase()));
        place.ensure(capital, at, "needs.http: methods in capitals, as GET")?;
    }
    Ok(())
}

fn check_codes(place: &Text<'_>, feature: &Feature, serves: bool, at: usize) -> Result<(), ManifestError> {
    let code = |c: &String| {
        (2..=16).contains(&c.len())
            && c.starts_with(['*', '#'])
            && c.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#')
    };
    if let Some(bad) = feature.codes.iter().find(|c| !code(c)) {
        return place.fault(at, format!("feature.codes: {bad:?}: `*` or `#`, then digits, as *72"));
    }
    place.ensure(feature.codes.len() <= CODES_MAX, at, "feature.codes: at most 64")?;
    place.ensure(serves || feature.codes.is_empty(), at, "feature.codes: only with the point hooks/feature")?;
    place.ensure(!serves || !feature.codes.is_empty(), at, "feature.codes: hooks/feature needs at least one")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "id = \"forwards\"\nversion = \"1.0.0\"\nwit = \"0.1.0\"\n\n[[provides]]\npoint = \"hooks/feature\"\n\n[needs]\nkv = [\"forwards\"]\n\n[feature]\ncodes = [\"*72\", \"*73\"]\n";

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!((manifest.id.as_str(), manifest.feature.codes.len()), ("forwards", 2));
        assert!(manifest.needs.kv.contains("forwards"));
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
    }

    #[test]
    fn a_point_may_be_kept_warm_and_is_not_unless_it_says_so() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(manifest.reuse("hooks/feature"), Reuse::Fresh);
        assert!(!serde_json::to_string(&manifest).unwrap().contains("reuse"), "as it was kept before there was any");
        let warm = GOOD.replace("\"hooks/feature\"\n", "\"hooks/feature\"\nreuse = \"warm\"\n");
        let manifest = Manifest::parse(&warm).unwrap();
        assert_eq!((manifest.reuse("hooks/feature"), manifest.reuse("routing/router")), (Reuse::Warm, Reuse::Fresh));
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
        let twice = format!("{GOOD}[[provides]]\npoint = \"hooks/feature\"\nreuse = \"warm\"\n");
        assert!(Manifest::parse(&twice).unwrap_err().why.contains("twice"));
        let app = warm.replace("hooks/feature", "call/app");
        assert!(Manifest::parse(&app).unwrap_err().why.contains("an instance for each call"));
        assert!(Manifest::parse(&warm.replace("\"warm\"", "\"hot\"")).is_err());
    }

    #[test]
    fn every_error_names_its_line() {
        for (from, to, line, why) in [
            ("id = \"forwards\"", "id = \"For wards\"", 1, "id: 1 to 64"),
            ("version = \"1.0.0\"", "version = \"1.0\"", 2, "three numbers"),
            ("wit = \"0.1.0\"", "wit = \"0.9.0\"", 3, "speaks 0.1.0"),
            ("hooks/feature", "hooks/futures", 5, "is no point of this switch"),
            ("kv = [\"forwards\"]", "kv = [\"a b\"]", 8, "needs.kv"),
            ("kv = [\"forwards\"]", "kvs = [\"a\"]", 9, "kvs"),
            ("kv = [\"forwards\"]", "kv = [\"*\"]", 8, "needs.kv"),
            ("kv = [\"forwards\"]", "mail = [\"everybody\"]", 8, "needs.mail"),
            ("kv = [\"forwards\"]", "http = [{ host = \"a b\" }]", 8, "host is a name"),
            ("\"*72\"", "\"72\"", 11, "feature.codes"),
            ("codes = [\"*72\", \"*73\"]", "codes = []", 11, "at least one"),
            ("id = \"forwards\"", "id = forwards", 1, ""),
        ] {
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err();
            assert_eq!(error.line, line, "{to}: {error}");
            assert!(error.why.contains(why), "{to}: {error}");
        }
    }
}
