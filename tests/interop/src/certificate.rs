//! A certificate for `localhost` that signs itself.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::PublicKeyData;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The files, and what pins the key.
#[derive(Debug)]
pub struct Certificate {
    dir: tempfile::TempDir,
    pin: String,
}

impl Certificate {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn new() -> Certificate {
        let dir = tempfile::tempdir().expect("a folder");
        let pin = write(dir.path());
        Certificate { dir, pin }
    }

    /// Writes another one over the files; [`Certificate::pin`] stays that of the first.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn renew(&self) {
        write(self.dir.path());
    }

    /// The certificate: who trusts this file trusts the switch.
    #[must_use]
    pub fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// The SHA-256 of its SubjectPublicKeyInfo in base64, as browsers pin keys.
    #[must_use]
    pub fn pin(&self) -> &str {
        &self.pin
    }
}

/// Writes a new certificate and its key; gives the pin.
fn write(dir: &Path) -> String {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    BASE64_STANDARD.encode(Sha256::digest(made.signing_key.subject_public_key_info()))
}

impl Default for Certificate {
    fn default() -> Self {
        Certificate::new()
    }
}
