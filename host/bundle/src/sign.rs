//! Ed25519 signatures (RFC 8032) of bundles: who published it.

use core::fmt;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

/// Why a signature or key is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignError {
    /// Not of the form it must have.
    #[error("the {what} is malformed: {form}")]
    Malformed {
        /// Which.
        what: &'static str,
        /// What it must look like.
        form: &'static str,
    },
    /// It does not fit what was signed.
    #[error("the signature does not fit the bundle: it was changed after signing, or damaged")]
    Wrong,
}

const KEY_FORM: &str = "64 hex digits";
const SIGNATURE_FORM: &str = "one line `ed25519 KEY SIGNATURE` in hex";

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// A publisher's public key; printed as 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 64 hex digits.
    ///
    /// # Errors
    /// [`SignError::Malformed`].
    pub fn parse(text: &str) -> Result<PublicKey, SignError> {
        let malformed = SignError::Malformed { what: "public key", form: KEY_FORM };
        let bytes = unhex(text.trim()).ok_or_else(|| malformed.clone())?;
        VerifyingKey::from_bytes(&bytes).map(|_| PublicKey(bytes)).map_err(|_| malformed)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A publisher's secret key. Never printed but by [`SecretKey::reveal`].
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl SecretKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(&seed))
    }

    /// Reads what [`SecretKey::reveal`] has written.
    ///
    /// # Errors
    /// [`SignError::Malformed`].
    pub fn parse(text: &str) -> Result<SecretKey, SignError> {
        let seed = unhex(text.trim()).ok_or(SignError::Malformed { what: "secret key", form: KEY_FORM })?;
        Ok(SecretKey::from_seed(seed))
    }

    /// The key as text, for its owner's file only.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.to_bytes().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// What others check with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a digest.
    #[must_use]
    pub fn sign(&self, digest: &[u8; 32]) -> Signature {
        Signature { key: self.public(), bytes: self.0.sign(digest).to_bytes() }
    }
}

/// A signature with the key it fits; printed as the line that stands in a bundle.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    bytes: [u8; 64],
}

impl Signature {
    /// Reads the line.
    ///
    /// # Errors
    /// [`SignError::Malformed`].
    pub fn parse(text: &str) -> Result<Signature, SignError> {
        let malformed = || SignError::Malformed { what: "signature", form: SIGNATURE_FORM };
        let mut words = text.split_ascii_whitespace();
        let (Some("ed25519"), Some(key), Some(bytes), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed());
        };
        Ok(Signature { key: PublicKey::parse(key)?, bytes: unhex(bytes).ok_or_else(malformed)? })
    }

    /// Whether it fits a digest.
    ///
    /// # Errors
    /// [`SignError::Wrong`].
    pub fn check(&self, digest: &[u8; 32]) -> Result<(), SignError> {
        let key = VerifyingKey::from_bytes(&self.key.0).map_err(|_| SignError::Wrong)?;
        // Strict: no malleable signature, no key of small order.
        key.verify_strict(digest, &ed25519_dalek::Signature::from_bytes(&self.bytes)).map_err(|_| SignError::Wrong)
    }

    /// Whose it is.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519 {} ", self.key)?;
        hex(&self.bytes, f)?;
        f.write_str("\n")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_vector_of_rfc_8032() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let key = SecretKey::parse(seed).unwrap();
        assert_eq!(key.public().to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(key.reveal(), seed);
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
    }

    #[test]
    fn a_signature_fits_only_its_digest_and_its_key() {
        let signature = SecretKey::from_seed([1; 32]).sign(&[7; 32]);
        let read = Signature::parse(&signature.to_string()).unwrap();
        assert_eq!(read.check(&[7; 32]), Ok(()));
        assert_eq!(read.check(&[8; 32]), Err(SignError::Wrong));
        let other = SecretKey::from_seed([2; 32]).public();
        assert_eq!(Signature { key: other, ..read }.check(&[7; 32]), Err(SignError::Wrong));
        for text in ["", "ed25519", "rsa a b", "ed25519 00 00", "ed25519 zz"] {
            assert!(Signature::parse(text).is_err(), "{text}");
        }
    }
}
