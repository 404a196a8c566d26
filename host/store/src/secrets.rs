//! Secrets at rest: sealed with a key that is not in the database.
//!
//! What the switch must be able to say again (a carrier's password) cannot be kept as a digest. It is sealed with
//! XChaCha20-Poly1305 under a key from a file or the environment, bound to the row it belongs to, so that a stolen
//! database tells nothing and a sealed value moved to another row cannot be opened.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use core::fmt;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The form of what is sealed: this byte, 24 bytes of nonce, then ciphertext and tag.
const FORM: u8 = 1;
const NONCE_BYTES: usize = 24;

/// The key that secrets in the database are sealed with: 256 bits.
#[derive(Clone)]
pub struct SecretKey(XChaCha20Poly1305, [u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Why a text is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a key is 64 hex digits")]
pub struct BadKey;

impl SecretKey {
    /// The key that 64 hex digits say; blanks around them do not matter.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn from_hex(text: &str) -> Result<SecretKey, BadKey> {
        let text = text.trim();
        let mut bytes = [0_u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(BadKey);
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            let digits = text.get(at..at + 2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or(BadKey)?;
        }
        Ok(SecretKey(XChaCha20Poly1305::new(&bytes.into()), Sha256::digest(bytes).into()))
    }

    /// A new key, as 64 hex digits.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn generate() -> Result<String, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// A key for one purpose, from which neither this one nor that of another purpose can be told.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::digest([&self.1[..], b" for ", purpose.as_bytes()].concat()).into()
    }

    /// A code of `text` for one purpose: without this key nobody can make it, nor try whether a guess at the text is right.
    pub(crate) fn code(&self, purpose: &str, text: &[&[u8]]) -> [u8; 32] {
        // A key is padded to the block of its hash (RFC 2104 section 2).
        let mut key = [0; 64];
        key[..32].copy_from_slice(&self.derive(purpose));
        let mut code = Hmac::<Sha256>::new(&key.into());
        text.iter().for_each(|piece| code.update(piece));
        code.finalize().into_bytes().into()
    }

    /// Seals `plain` for the place `owner`.
    pub(crate) fn seal(&self, owner: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: owner.as_bytes() }).ok()?;
        Some([&[FORM][..], &nonce, &sealed].concat())
    }

    /// Opens what was sealed for the place `owner`; `None` for another key, another place or a changed value.
    pub(crate) fn open(&self, owner: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (form, rest) = sealed.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        if *form != FORM {
            return None;
        }
        self.0.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: owner.as_bytes() }).ok()
    }
}

/// A secret in clear, on its way to whom it is for. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainSecret(String);

impl PlainSecret {
    pub(crate) fn new(text: String) -> PlainSecret {
        PlainSecret(text)
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PlainSecret {
    fn from(text: &str) -> PlainSecret {
        PlainSecret(text.to_owned())
    }
}

impl fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_with_its_key_in_its_place_and_unchanged() {
        let key = SecretKey::from_hex(&SecretKey::generate().unwrap()).unwrap();
        let other = SecretKey::from_hex(&"ab".repeat(32)).unwrap();
        let sealed = key.seal("trunk 1 x", b"hush").unwrap();
        assert_ne!(key.seal("trunk 1 x", b"hush").unwrap(), sealed, "a nonce is never used again");
        assert!(!sealed.windows(4).any(|w| w == b"hush"));
        assert_eq!(key.open("trunk 1 x", &sealed).unwrap(), b"hush");
        assert_eq!(key.open("trunk 2 x", &sealed), None);
        assert_eq!(other.open("trunk 1 x", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open("trunk 1 x", &changed), None, "byte {at}");
            assert_eq!(key.open("trunk 1 x", &sealed[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_key_is_64_hex_digits() {
        assert!(SecretKey::from_hex(&format!(" {}\n", "0F".repeat(32))).is_ok());
        for text in ["", "00", &"0g".repeat(32), &"+1".repeat(32), &"é".repeat(32), &"00".repeat(33)] {
            assert_eq!(SecretKey::from_hex(text).err(), Some(BadKey), "{text}");
        }
    }
}
