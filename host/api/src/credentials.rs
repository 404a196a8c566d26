//! Secrets: digest HA1 of a password, new passwords, new tokens. Nothing here is logged; only hashes are stored.

use md5::{Digest, Md5};
use model::Ha1;
use sha2::Sha256;

/// No look-alikes (`l`, `1`, `O`, `0`), so that a person can read one out.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// `H(user:realm:password)` in both algorithms (RFC 3261 section 22.4, RFC 8760 section 2.3).
#[must_use]
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 {
    let secret = format!("{user}:{realm}:{password}");
    Ha1 { md5: hex(&Md5::digest(secret.as_bytes())), sha256: hex(&Sha256::digest(secret.as_bytes())) }
}

/// The form a token is stored in: SHA-256, in hex.
#[must_use]
pub fn token_digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// `len` readable random characters, 5 bits each.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn random_text(len: usize) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0_u8; len];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|b| char::from(READABLE[usize::from(b & 31)])).collect())
}

/// A new account password: 80 bits.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn new_password() -> Result<String, getrandom::Error> {
    random_text(16)
}

/// A new API token: 200 bits, with a prefix that secret scanners can find.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn new_token() -> Result<String, getrandom::Error> {
    Ok(format!("swt_{}", random_text(40)?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(b"0123456789abcdef"[usize::from(n)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ha1_is_the_rfcs_own() {
        // RFC 2617 section 3.5 (MD5) and RFC 7616 section 3.9.1 (SHA-256): the A1 hashes of their examples.
        assert_eq!(ha1("Mufasa", "testrealm@host.com", "Circle Of Life").md5, "939e7578ed9e3c518a452acee763bce9");
        let sha = ha1("Mufasa", "http-auth@example.org", "Circle of Life").sha256;
        assert_eq!(sha, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
    }

    #[test]
    fn a_token_is_long_and_new_each_time() {
        let (one, two) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 44);
        assert_eq!(token_digest(&one).len(), 64);
        assert!(new_password().unwrap().bytes().all(|b| READABLE.contains(&b)));
    }
}
