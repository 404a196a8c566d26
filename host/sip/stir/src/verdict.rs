//! Whether a token is for the call that it came with, and what a trunk makes of it (RFC 8224 section 6.2).

use crate::{Identity, IdentityError, Number, Signed};
use core::time::Duration;
use model::{Attestation, IdentityFailure, Instant, Verify, Vouched};

/// How old a token may be, and how far its clock may run before ours (RFC 8224 section 6.2.4).
const FRESH: Duration = Duration::from_secs(60);
/// Most Identity fields of one call that are looked at.
const FIELDS_MAX: usize = 4;
/// A call that nobody vouched for (RFC 8224 section 6.2.2).
const UNSIGNED: (u16, &str) = (428, "Use Identity Header");

/// The call that a token came with.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// The caller's number, as the call is going to show it.
    pub orig: Number,
    /// The number called.
    pub dest: Number,
    /// Now.
    pub now: Instant,
}

/// What stands for a call so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// Nobody vouches for it.
    Nobody,
    /// Somebody does, and it is not true or not usable.
    Failed(IdentityFailure),
    /// It fits; whether the signature is good and its key may vouch for the number is for the shell to find out.
    Proof(Box<Signed>),
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Concluded {
    /// What is known of its caller's number.
    pub vouched: Vouched,
    /// The status and phrase that refuse it, where the trunk takes only what is proved.
    pub refused: Option<(u16, &'static str)>,
}

/// Holds the Identity fields of a call against the call. The first that fits counts; where none does, the first fault.
pub fn judge<V: AsRef<str>>(values: impl Iterator<Item = V>, facts: &CallFacts) -> Evidence {
    let mut fault = None;
    for value in values.take(FIELDS_MAX) {
        match Identity::parse(value.as_ref()) {
            Err(IdentityError::OtherKind) => {}
            Err(IdentityError::Form | IdentityError::Info | IdentityError::Token(_)) => {
                fault = fault.or(Some(IdentityFailure::InvalidHeader));
            }
            Ok(Identity { signed }) => match fits(&signed, facts) {
                Ok(()) => return Evidence::Proof(Box::new(signed)),
                Err(why) => fault = fault.or(Some(why)),
            },
        }
    }
    fault.map_or(Evidence::Nobody, Evidence::Failed)
}

fn fits(signed: &Signed, facts: &CallFacts) -> Result<(), IdentityFailure> {
    let passport = &signed.passport;
    if passport.orig != facts.orig || !passport.dest.contains(&facts.dest) {
        return Err(IdentityFailure::InvalidHeader);
    }
    let now_s = facts.now.unix_nanos() / 1_000_000_000;
    if now_s.abs_diff(passport.issued_at_s) > FRESH.as_secs() { Err(IdentityFailure::StaleDate) } else { Ok(()) }
}

/// What becomes of a call: `Ok(None)` is one that nobody vouched for.
#[must_use]
pub fn conclude(verify: Verify, evidence: Result<Option<Attestation>, IdentityFailure>) -> Concluded {
    let (vouched, wrong) = match evidence {
        Ok(Some(attestation)) => (Vouched::Passed(attestation), None),
        Ok(None) => (Vouched::Nobody, Some(UNSIGNED)),
        Err(why) => (Vouched::Failed(why), Some(why.status())),
    };
    let refused = match verify {
        Verify::Refuse => wrong,
        Verify::Off | Verify::Tag => None,
    };
    Concluded { vouched, refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passport::tests::{Sum, passport};

    const X5U: &str = "https://cert.example.org/a.cer";

    fn facts(orig: &str, dest: &str, now_s: u64) -> CallFacts {
        let number = |text: &str| Number::canonical(text).unwrap();
        CallFacts { orig: number(orig), dest: number(dest), now: Instant::from_unix_nanos(now_s * 1_000_000_000) }
    }

    #[test]
    fn a_token_is_good_for_its_own_call_and_a_minute() {
        let value = Identity::value(&passport().sign(&Sum(X5U)).unwrap(), X5U);
        let iat = passport().issued_at_s;
        for (orig, dest, now_s, fault) in [
            ("+12155551212", "+1 212 555 1213", iat, None),
            ("+12155551212", "+12125551213", iat + 60, None),
            ("+12155551212", "+12125551213", iat - 60, None),
            ("+12155551212", "+12125551213", iat + 61, Some(IdentityFailure::StaleDate)),
            ("+12155551212", "+12125551213", iat - 61, Some(IdentityFailure::StaleDate)),
            ("+12155551213", "+12125551213", iat, Some(IdentityFailure::InvalidHeader)),
            ("+12155551212", "+12125551214", iat, Some(IdentityFailure::InvalidHeader)),
        ] {
            let found = match judge([value.as_str()].into_iter(), &facts(orig, dest, now_s)) {
                Evidence::Failed(why) => Some(why),
                Evidence::Proof(signed) => {
                    assert_eq!(signed.x5u, X5U);
                    None
                }
                Evidence::Nobody => panic!("somebody vouched"),
            };
            assert_eq!(found, fault, "{orig} {dest} {now_s}");
        }
        let facts = facts("+12155551212", "+12125551213", iat);
        let div = "a.b.c;info=<https://x/y>;ppt=div";
        assert_eq!(judge([div].into_iter(), &facts), Evidence::Nobody);
        let torn = "x;info=<https://x/y>;ppt=shaken";
        assert!(matches!(judge([div, torn, &value].into_iter(), &facts), Evidence::Proof(_)));
        assert_eq!(judge([torn].into_iter(), &facts), Evidence::Failed(IdentityFailure::InvalidHeader));
        let late = judge([torn, torn, torn, torn, &value].into_iter(), &facts);
        assert_eq!(late, Evidence::Failed(IdentityFailure::InvalidHeader), "nobody makes us look for ever");
    }

    #[test]
    fn a_trunk_says_what_follows() {
        let passed = Ok(Some(Attestation::B));
        for (verify, evidence, vouched, refused) in [
            (Verify::Tag, Ok(None), Vouched::Nobody, None),
            (Verify::Tag, passed, Vouched::Passed(Attestation::B), None),
            (Verify::Tag, Err(IdentityFailure::BadInfo), Vouched::Failed(IdentityFailure::BadInfo), None),
            (Verify::Refuse, passed, Vouched::Passed(Attestation::B), None),
            (Verify::Refuse, Ok(None), Vouched::Nobody, Some(428)),
            (Verify::Refuse, Err(IdentityFailure::StaleDate), Vouched::Failed(IdentityFailure::StaleDate), Some(403)),
            (Verify::Refuse, Err(IdentityFailure::BadInfo), Vouched::Failed(IdentityFailure::BadInfo), Some(436)),
        ] {
            let concluded = conclude(verify, evidence);
            assert_eq!(concluded.vouched, vouched, "{verify:?} {evidence:?}");
            assert_eq!(concluded.refused.map(|(status, _)| status), refused, "{verify:?} {evidence:?}");
        }
    }
}
