//! DTLS of a browser's leg (RFC 5763, 5764): one certificate of ours, and a handshake per party that ends in SRTP keys or in
//! nothing. Sans-IO: records in, records out, the next deadline.
//!
//! The machine is `dimpl`'s, DTLS 1.2 as every browser speaks it (RFC 8827 section 6.5), with aws-lc-rs below it. What it
//! leaves to its user is here: whose certificate is believed (RFC 8122: the one that the party's description names), which
//! side of the exported bytes is whose (RFC 5764 section 4.2), and that every association has an end.
//!
//! Floor 5: it needs certificates, randomness and time.
#![forbid(unsafe_code)]

use aws_lc_rs::digest;
use core::time::Duration;
use dimpl::{Config, Dtls, DtlsCertificate, KeyingMaterial, Output, SrtpProfile};
use rtp::srtp::{MasterKey, Suite};
use sdp::Fingerprint;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// How long a handshake may take, from the first record on.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// A flight is sent again after this, and after twice, four times as long: browsers begin lower than RFC 6347's second too.
const RETRANSMIT: Duration = Duration::from_millis(400);
/// Largest record that is written; larger ones the machine asks for are made room for.
const RECORD: usize = 2_048;

/// Our certificate: a new self-signed one for each process, known by its hash alone (RFC 8827 section 6.5).
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
    config: Arc<Config>,
}

/// A key is never printed.
impl core::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be drawn or signed.
    #[error("no certificate for DTLS: {0}")]
    Made(#[from] rcgen::Error),
    /// The machine refuses its settings.
    #[error("no DTLS: {0}")]
    Settings(String),
}

impl Certificate {
    /// Draws a key of P-256 and signs its certificate.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn draw() -> Result<Certificate, CertificateError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // Nothing of us but the key.
        params.distinguished_name.push(rcgen::DnType::CommonName, "WebRTC");
        let der = params.self_signed(&key)?.der().to_vec();
        let config = Config::builder()
            // RFC 6347 section 4.2.1. A check that passed shows that somebody knows the leg's password, not that what we send
            // comes back to the address it came from: nothing is signed, and no certificate sent, for who has not shown that.
            .use_server_cookie(true)
            .require_client_certificate(true)
            .flight_start_rto(RETRANSMIT)
            .handshake_timeout(HANDSHAKE)
            .build()
            .map_err(|e| CertificateError::Settings(e.to_string()))?;
        Ok(Certificate { der, key: key.serialize_der(), config: Arc::new(config) })
    }

    /// What a description says of it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = digest::digest(&digest::SHA256, &self.der).as_ref().to_vec();
        Fingerprint { hash: "sha-256".to_owned(), digest }
    }
}

/// The keys that a handshake has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// What we send under.
    pub ours: MasterKey,
    /// What the party sends under.
    pub theirs: MasterKey,
}

/// What an association has to say.
#[derive(Debug)]
pub enum Told {
    /// A record for the party.
    Record(Vec<u8>),
    /// The party is who its description says, and these are the keys.
    Keys(Found),
    /// There will be no keys: why, for the log.
    Failed(String),
}

/// One handshake.
///
/// # Invariants
/// Keys are told at most once, and only after a certificate that the party's description names. After a failure nothing
/// more is told.
pub struct Association {
    dtls: Dtls,
    active: bool,
    expected: Vec<Fingerprint>,
    known: bool,
    over: bool,
    due: Option<Instant>,
    told: VecDeque<Told>,
    buffer: Vec<u8>,
}

impl core::fmt::Debug for Association {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Association").field("active", &self.active).field("over", &self.over).finish_non_exhaustive()
    }
}

impl Association {
    /// Begins one. The active side has something to send at once.
    #[must_use]
    pub fn new(certificate: &Certificate, active: bool, expected: Vec<Fingerprint>, now: Instant) -> Association {
        let ours = DtlsCertificate { certificate: certificate.der.clone(), private_key: certificate.key.clone() };
        let mut dtls = Dtls::new_12(Arc::clone(&certificate.config), ours, now);
        dtls.set_active(active);
        let mut association = Association {
            dtls,
            active,
            expected,
            known: false,
            over: false,
            due: None,
            told: VecDeque::new(),
            buffer: vec![0; RECORD],
        };
        association.handle_timeout(now);
        association
    }

    /// A datagram of the party's.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) {
        if !self.over {
            // The machine has no clock but this.
            let done = self.dtls.handle_timeout(now).and_then(|()| self.dtls.handle_packet(datagram));
            self.settle(done);
        }
    }

    /// The time of [`Association::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !self.over {
            let done = self.dtls.handle_timeout(now);
            self.settle(done);
        }
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.over)
    }

    /// What it has to say next.
    pub fn poll(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    fn settle(&mut self, done: Result<(), dimpl::Error>) {
        if let Err(error) = done {
            return self.fail(error.to_string());
        }
        // An alert or a last flight may be there besides what fails.
        while !self.over && self.step() {}
    }

    /// Takes one output of the machine; `false` when it has no more.
    fn step(&mut self) -> bool {
        match self.dtls.poll_output(&mut self.buffer) {
            Output::Packet(bytes) => self.told.push_back(Told::Record(bytes.to_vec())),
            Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
            Output::Timeout(at) => {
                self.due = Some(at);
                return false;
            }
            Output::PeerCert(der) => {
                self.known = self.expected.iter().any(|expected| fits(expected, der));
                if !self.known {
                    self.fail("the certificate is not the one of the description".to_owned());
                }
            }
            Output::KeyingMaterial(material, profile) => match keys(&material, profile, self.active) {
                Some(keys) if self.known => self.told.push_back(Told::Keys(keys)),
                Some(_) => self.fail("keys without a certificate".to_owned()),
                None => self.fail(format!("no such SRTP profile: {profile}")),
            },
            // Nobody talks over DTLS here, and a party that leaves says so in SIP.
            Output::Connected | Output::ApplicationData(_) | Output::CloseNotify => {}
            _ => {}
        }
        true
    }

    fn fail(&mut self, why: String) {
        self.over = true;
        self.told.push_back(Told::Failed(why));
    }
}

/// Whether a certificate has this hash. SHA-1 and MD5 name nobody any more.
fn fits(expected: &Fingerprint, der: &[u8]) -> bool {
    let algorithm = match expected.hash.as_str() {
        "sha-256" => &digest::SHA256,
        "sha-384" => &digest::SHA384,
        "sha-512" => &digest::SHA512,
        _ => return false,
    };
    digest::digest(algorithm, der).as_ref() == expected.digest
}

/// RFC 5764 section 4.2: client's key, server's key, client's salt, server's salt.
fn keys(material: &KeyingMaterial, profile: SrtpProfile, active: bool) -> Option<Found> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128Sha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (key, salt) = (suite.key_len(), suite.salt_len());
    let master = |n: usize| {
        let key_at = material.get(n * key..(n + 1) * key)?;
        let salt_at = material.get(2 * key + n * salt..2 * key + (n + 1) * salt)?;
        MasterKey::new(suite, &[key_at, salt_at].concat())
    };
    let (client, server) = (master(0)?, master(1)?);
    Some(if active { Found { ours: client, theirs: server } } else { Found { ours: server, theirs: client } })
}

#[cfg(test)]
mod tests;
