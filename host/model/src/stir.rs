//! Who vouches for a caller's number (RFC 8224, 8225, 8588): the nouns that every floor shares.

use crate::{BrandId, Instant, Ticket};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Bytes of an ES256 signature: r and s (RFC 7518 section 3.4).
pub const SIGNATURE_BYTES: usize = 64;

/// What a signer knows of the caller (RFC 8588 section 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Attestation {
    /// Full: it knows the customer, and that the number is the customer's.
    A,
    /// Partial: it knows the customer.
    B,
    /// Gateway: it knows where the call came in.
    C,
}

impl Attestation {
    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Attestation::A => "A",
            Attestation::B => "B",
            Attestation::C => "C",
        }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

/// Why a token does not hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IdentityFailure {
    /// 403 Stale Date.
    StaleDate,
    /// 436: the certificate cannot be had.
    BadInfo,
    /// 437: the certificate is nobody's whom we trust, or not for this number.
    UnsupportedCredential,
    /// 438: the token, its signature, or that it is for another call.
    InvalidHeader,
}

impl IdentityFailure {
    /// The status that refuses the call, and its phrase (RFC 8224 section 6.2.2).
    #[must_use]
    pub const fn status(self) -> (u16, &'static str) {
        match self {
            IdentityFailure::StaleDate => (403, "Stale Date"),
            IdentityFailure::BadInfo => (436, "Bad Identity Info"),
            IdentityFailure::UnsupportedCredential => (437, "Unsupported Credential"),
            IdentityFailure::InvalidHeader => (438, "Invalid Identity Header"),
        }
    }
}

/// What is known of the number of a leg's caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Vouched {
    /// Nobody vouched for it.
    Nobody,
    /// Somebody whom we trust did.
    Passed(Attestation),
    /// Somebody did, and it does not hold.
    Failed(IdentityFailure),
    /// We did, to the carrier that this leg goes to.
    Signed(Attestation),
}

impl Vouched {
    /// Everything that can be known.
    pub const ALL: [Vouched; 11] = [
        Vouched::Nobody,
        Vouched::Passed(Attestation::A),
        Vouched::Passed(Attestation::B),
        Vouched::Passed(Attestation::C),
        Vouched::Failed(IdentityFailure::StaleDate),
        Vouched::Failed(IdentityFailure::BadInfo),
        Vouched::Failed(IdentityFailure::UnsupportedCredential),
        Vouched::Failed(IdentityFailure::InvalidHeader),
        Vouched::Signed(Attestation::A),
        Vouched::Signed(Attestation::B),
        Vouched::Signed(Attestation::C),
    ];

    /// The stable code, as in CDRs and the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Vouched::Nobody => "none",
            Vouched::Passed(Attestation::A) => "passed-a",
            Vouched::Passed(Attestation::B) => "passed-b",
            Vouched::Passed(Attestation::C) => "passed-c",
            Vouched::Failed(IdentityFailure::StaleDate) => "failed-stale-date",
            Vouched::Failed(IdentityFailure::BadInfo) => "failed-bad-info",
            Vouched::Failed(IdentityFailure::UnsupportedCredential) => "failed-credential",
            Vouched::Failed(IdentityFailure::InvalidHeader) => "failed-invalid",
            Vouched::Signed(Attestation::A) => "signed-a",
            Vouched::Signed(Attestation::B) => "signed-b",
            Vouched::Signed(Attestation::C) => "signed-c",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Vouched> {
        Vouched::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The `verstat` of 3GPP TS 24.229 that the called party is told; none for a leg that we signed.
    #[must_use]
    pub const fn verstat(self) -> Option<&'static str> {
        match self {
            Vouched::Nobody => Some("No-TN-Validation"),
            Vouched::Passed(_) => Some("TN-Validation-Passed"),
            Vouched::Failed(_) => Some("TN-Validation-Failed"),
            Vouched::Signed(_) => None,
        }
    }

    /// What the signer of a call that passed knows.
    #[must_use]
    pub const fn attestation(self) -> Option<Attestation> {
        match self {
            Vouched::Passed(attestation) | Vouched::Signed(attestation) => Some(attestation),
            Vouched::Nobody | Vouched::Failed(_) => None,
        }
    }
}

impl Serialize for Vouched {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Vouched {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(input)?;
        Vouched::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("{code:?} says nothing of a caller")))
    }
}

/// What a trunk does about its callers' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Nobody looks.
    #[default]
    Off,
    /// The call is told.
    Tag,
    /// Only what is proved comes in.
    Refuse,
}

/// A trunk's part in STIR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkStir {
    /// Whether calls to it are signed with the brand's key.
    pub sign: bool,
    /// What is done about Identity of calls from it.
    pub verify: Verify,
}

/// Makes signatures with a brand's key: the key itself does not come down to the floors of the switch.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The ES256 signature of `input`. `None` when it cannot be made.
    fn sign(&self, input: &[u8]) -> Option<[u8; SIGNATURE_BYTES]>;
    /// Where the certificate of the key is found: an https URL.
    fn x5u(&self) -> &str;
}

/// A token fits its call; is its certificate one that we trust, may it vouch for the number, and did its key sign?
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProofQuestion {
    /// Carried back in the answer.
    pub ticket: Ticket,
    /// By when.
    pub deadline: Instant,
    /// Whose anchors count.
    pub brand: BrandId,
    /// Where the certificate is.
    pub x5u: String,
    /// The number vouched for: digits, `#` and `*`.
    pub number: String,
    /// What was signed.
    pub input: Vec<u8>,
    /// The signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_a_code_of_its_own() {
        for vouched in Vouched::ALL {
            assert_eq!(Vouched::from_code(vouched.code()), Some(vouched));
            let json = serde_json::to_string(&vouched).unwrap();
            assert_eq!(json, format!("\"{}\"", vouched.code()));
            assert_eq!(serde_json::from_str::<Vouched>(&json).unwrap(), vouched);
        }
        assert!(serde_json::from_str::<Vouched>("\"maybe\"").is_err());
    }
}
