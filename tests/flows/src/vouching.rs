//! Who vouches for callers in a ladder. `vouched=A:49171555:4930123456` after an INVITE adds the Identity of somebody who
//! says so, and a fourth part how many seconds ago; `proof > good` is the shell's word about it.

use model::{Attestation, BrandId, IdentityFailure, Instant, SIGNATURE_BYTES, Signer};
use sip_stir::{Identity, Number, Passport};
use std::collections::BTreeMap;
use std::sync::Arc;

const X5U: &str = "https://cert.carrier.test/a.pem";

/// Signs with the sum of what it signs: enough to see that it was asked.
#[derive(Debug)]
struct Sum;

impl Signer for Sum {
    fn sign(&self, input: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
        Some([input.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)); SIGNATURE_BYTES])
    }
    fn x5u(&self) -> &str {
        X5U
    }
}

/// The keys of the ladder's brand.
pub(crate) fn signers() -> BTreeMap<BrandId, Arc<dyn Signer>> {
    BTreeMap::from([(BrandId(1), Arc::new(Sum) as Arc<dyn Signer>)])
}

/// The header field that a `vouched=` word stands for.
pub(crate) fn identity(text: &str, now: Instant) -> String {
    let mut parts = text.split(':');
    let mut part = || parts.next().unwrap_or_default();
    let attestation = match part() {
        "A" => Attestation::A,
        "B" => Attestation::B,
        "C" => Attestation::C,
        other => panic!("no attestation: {other}"),
    };
    let mut number = || Number::exact(part()).unwrap_or_else(|| panic!("no number in {text}"));
    let (orig, dest) = (number(), number());
    let age_s: u64 = part().parse().unwrap_or(0);
    let then = Instant::from_unix_nanos(now.unix_nanos() - age_s * 1_000_000_000);
    let token = Passport::new(attestation, orig, dest, "somebody".to_owned(), then).sign(&Sum);
    let token = token.unwrap_or_else(|error| panic!("{error}"));
    format!("!Identity:{}", Identity::value(&token, X5U))
}

/// The shell's word.
pub(crate) fn proof(word: &str) -> Result<(), IdentityFailure> {
    match word {
        "good" => Ok(()),
        "gone" => Err(IdentityFailure::BadInfo),
        "untrusted" => Err(IdentityFailure::UnsupportedCredential),
        "forged" => Err(IdentityFailure::InvalidHeader),
        _ => panic!("no proof: {word}"),
    }
}

/// An Identity field in a few words.
pub(crate) fn show(value: &str) -> String {
    match Identity::parse(value) {
        Ok(Identity { signed }) => {
            let passport = signed.passport;
            let dest: Vec<&str> = passport.dest.iter().map(Number::as_str).collect();
            format!(" Identity={}:{}:{}", passport.attestation, passport.orig, dest.join("+"))
        }
        Err(error) => format!(" Identity={error}"),
    }
}
