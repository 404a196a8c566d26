//! A brand's key: what its calls are signed with.

use crate::{Certificate, Unusable};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use core::fmt;
use model::{SIGNATURE_BYTES, Signer};
use pki_types::PrivateKeyDer;
use pki_types::pem::PemObject;

/// A key with the URL of its certificate.
pub struct BrandKey {
    x5u: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl fmt::Debug for BrandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrandKey({:?}, ..)", self.x5u)
    }
}

impl BrandKey {
    /// A key in PEM (PKCS #8 or SEC 1) with its certificate, which is found at `x5u`.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn new(x5u: &str, certificate: &str, key: &str) -> Result<BrandKey, Unusable> {
        if !is_https(x5u) {
            return Err(Unusable::Url(x5u.to_owned()));
        }
        let certificate = Certificate::read(certificate.as_bytes())?;
        let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Unusable::NoKey)?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der());
        let pair = pair.map_err(|_| Unusable::NoKey)?;
        if pair.public_key().as_ref() != certificate.point() {
            return Err(Unusable::OtherKey);
        }
        Ok(BrandKey { x5u: x5u.to_owned(), pair, random: SystemRandom::new() })
    }
}

impl Signer for BrandKey {
    fn sign(&self, input: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
        self.pair.sign(&self.random, input).ok()?.as_ref().try_into().ok()
    }

    fn x5u(&self) -> &str {
        &self.x5u
    }
}

fn is_https(url: &str) -> bool {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let clean = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\;,".contains(&b));
    !host.is_empty() && !host.contains('@') && clean && url.len() <= 1_000
}
