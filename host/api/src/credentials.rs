//! Passwords: new ones, and the digest secrets that are kept of them. Nothing here is logged.

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

/// A new account password: 16 readable characters, 80 bits.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn new_password() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|b| char::from(READABLE[usize::from(b & 31)])).collect())
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
    fn a_password_is_long_readable_and_new_each_time() {
        let (one, two) = (new_password().unwrap(), new_password().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 16);
        assert!(one.bytes().all(|b| READABLE.contains(&b)));
    }
}
