//! The digest itself: algorithms, HA1, HA2 and the response (RFC 7616 section 3.4).

use md5::{Digest, Md5};
use model::{DigestAlgorithm, Ha1};
use sha2::Sha256;

/// A hash that credentials are made with. SHA-256 is the stronger, so it is offered first (RFC 8760 section 2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Algorithm {
    /// What every phone can do.
    Md5,
    /// RFC 7616.
    Sha256,
}

impl From<DigestAlgorithm> for Algorithm {
    fn from(algorithm: DigestAlgorithm) -> Algorithm {
        match algorithm {
            DigestAlgorithm::Sha256 => Algorithm::Sha256,
            DigestAlgorithm::Md5 => Algorithm::Md5,
        }
    }
}

impl Algorithm {
    /// The token of the `algorithm` parameter.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The algorithm that the parameter's value names; absent means MD5 (RFC 7616 section 3.3).
    pub(crate) fn from_token(token: Option<&str>) -> Option<Algorithm> {
        match token {
            None => Some(Algorithm::Md5),
            Some(t) if t.eq_ignore_ascii_case("MD5") => Some(Algorithm::Md5),
            Some(t) if t.eq_ignore_ascii_case("SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }

    /// Length of the digest in hex digits.
    pub(crate) const fn hex_len(self) -> usize {
        match self {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        }
    }

    /// The hash of `parts` joined by colons, in lower-case hex.
    pub(crate) fn hash(self, parts: &[&str]) -> Hex {
        match self {
            Algorithm::Md5 => hash_of::<Md5>(parts),
            Algorithm::Sha256 => hash_of::<Sha256>(parts),
        }
    }

    /// The stored secret for this algorithm.
    pub(crate) fn pick(self, ha1: &Ha1) -> &str {
        match self {
            Algorithm::Md5 => &ha1.md5,
            Algorithm::Sha256 => &ha1.sha256,
        }
    }
}

/// Hex digits on the stack: up to 32 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hex digits are ASCII.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

fn hash_of<D: Digest>(parts: &[&str]) -> Hex {
    let mut hasher = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hasher.update(b":");
        }
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = Hex { digits: [0; 64], len: 0 };
    for (pair, byte) in out.digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
        out.len += 2;
    }
    out
}

/// The digest secrets that the directory keeps instead of a password: `H(user:realm:password)` for each algorithm.
#[must_use]
pub fn ha1(username: &str, realm: &str, password: &str) -> Ha1 {
    let parts = [username, realm, password];
    let hash = |algorithm: Algorithm| algorithm.hash(&parts).as_str().to_owned();
    Ha1 { md5: hash(Algorithm::Md5), sha256: hash(Algorithm::Sha256) }
}

/// `qop=auth` of a set of credentials: what makes each response differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qop<'a> {
    /// `nc` as it was written: eight hex digits.
    pub(crate) nc: &'a str,
    /// The client's own nonce.
    pub(crate) cnonce: &'a str,
}

/// What the response is computed over, besides the secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    /// `None` is the form of RFC 2069.
    pub(crate) qop: Option<Qop<'a>>,
}

/// The response in hex (RFC 7616 section 3.4.1; without qop RFC 2069 section 2.4).
pub(crate) fn response(algorithm: Algorithm, ha1: &str, signed: &Signed<'_>) -> Hex {
    let ha2 = algorithm.hash(&[signed.method, signed.uri]);
    match signed.qop {
        Some(Qop { nc, cnonce }) => algorithm.hash(&[ha1, signed.nonce, nc, cnonce, "auth", ha2.as_str()]),
        None => algorithm.hash(&[ha1, signed.nonce, ha2.as_str()]),
    }
}
