//! Certificates that vouch for numbers, and the anchors they lead to.

use crate::der::{self, BIT_STRING, OCTET_STRING, OID, SEQUENCE};
use crate::{TnAuthList, Unusable};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use core::time::Duration;
use model::{IdentityFailure, Instant, SIGNATURE_BYTES};
use pki_types::pem::PemObject;
use pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

/// id-pe-TNAuthList (RFC 8226 section 9): 1.3.6.1.5.5.7.1.26.
const TN_AUTH_LIST: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 26];
/// Key usage (RFC 5280 section 4.2.1.3): 2.5.29.15.
const KEY_USAGE: &[u8] = &[0x55, 29, 15];
/// Most fields of a certificate, and extensions in it.
const FIELDS_MAX: usize = 64;
/// Most certificates of one file.
const CHAIN_MAX: usize = 8;
/// Most anchors of one brand.
const ANCHORS_MAX: usize = 1_000;
/// Bytes of an uncompressed point of P-256.
const POINT: usize = 65;

/// What a chain's certificates may be signed with.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
];

/// The certificates that chains must lead to.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Vec<TrustAnchor<'static>>);

impl Anchors {
    /// Reads certificates in PEM; an empty text has none.
    ///
    /// # Errors
    /// [`Unusable`]: one that is no certificate of an authority, or text without any.
    pub fn from_pem(pem: &str) -> Result<Anchors, Unusable> {
        let mut anchors = Vec::new();
        for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let der = der.map_err(|e| Unusable::Broken(e.to_string()))?;
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|e| Unusable::Broken(e.to_string()))?;
            anchors.push(anchor.to_owned());
        }
        if anchors.len() > ANCHORS_MAX {
            return Err(Unusable::Broken(format!("more than {ANCHORS_MAX} of them")));
        }
        if anchors.is_empty() && !pem.trim().is_empty() { Err(Unusable::NoCertificate) } else { Ok(Anchors(anchors)) }
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, others: &Anchors) -> Anchors {
        Anchors(self.0.iter().chain(&others.0).cloned().collect())
    }
}

/// A certificate that claims some numbers, with those that lead on from it.
#[derive(Clone, Debug)]
pub struct Certificate {
    leaf: CertificateDer<'static>,
    between: Vec<CertificateDer<'static>>,
    point: Vec<u8>,
    numbers: TnAuthList,
}

/// SHAKEN certificates say nothing of extended usage (ATIS-1000080), and one that does is none for a web server only.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

impl Certificate {
    /// Reads a file as it is published: PEM, the leaf first, or one certificate in DER.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(bytes: &[u8]) -> Result<Certificate, Unusable> {
        let pem: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).take(CHAIN_MAX + 1).collect();
        let mut chain = pem.map_err(|e| Unusable::Broken(e.to_string()))?;
        if chain.is_empty() && bytes.first() == Some(&0x30) {
            chain.push(CertificateDer::from(bytes.to_vec()));
        }
        if chain.len() > CHAIN_MAX {
            return Err(Unusable::Broken(format!("more than {CHAIN_MAX} of them")));
        }
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or(Unusable::NoCertificate)?;
        let (point, numbers) = facts(&leaf)?;
        Ok(Certificate { between: chain.collect(), point, numbers, leaf })
    }

    /// The public key: an uncompressed point.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Whether it leads to one of these anchors, today.
    ///
    /// # Errors
    /// [`IdentityFailure::UnsupportedCredential`].
    pub fn trusted(&self, anchors: &Anchors, now: Instant) -> Result<Trusted, IdentityFailure> {
        let untrusted = |_| IdentityFailure::UnsupportedCredential;
        let leaf = EndEntityCert::try_from(&self.leaf).map_err(untrusted)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now.unix_secs()));
        leaf.verify_for_usage(ALGORITHMS, &anchors.0, &self.between, time, AnyUsage, None, None).map_err(untrusted)?;
        Ok(Trusted { point: self.point.clone(), numbers: self.numbers.clone() })
    }
}

/// A certificate that led to an anchor.
#[derive(Clone, Debug)]
pub struct Trusted {
    point: Vec<u8>,
    numbers: TnAuthList,
}

impl Trusted {
    /// Whether its key signed this and may vouch for the number.
    ///
    /// # Errors
    /// [`IdentityFailure::UnsupportedCredential`] for a number of others, [`IdentityFailure::InvalidHeader`] for another
    /// key's signature.
    pub fn proves(&self, number: &str, input: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), IdentityFailure> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point);
        key.verify(input, signature).map_err(|_| IdentityFailure::InvalidHeader)?;
        if self.numbers.covers(number) { Ok(()) } else { Err(IdentityFailure::UnsupportedCredential) }
    }
}

/// Point and numbers of a leaf.
fn facts(leaf: &CertificateDer<'_>) -> Result<(Vec<u8>, TnAuthList), Unusable> {
    let read = EndEntityCert::try_from(leaf).map_err(|e| Unusable::Broken(e.to_string()))?;
    let spki = read.subject_public_key_info();
    let parts = der::whole(spki.as_ref(), SEQUENCE).and_then(|parts| der::all(parts, FIELDS_MAX));
    let bits = parts.as_deref().and_then(|parts| parts.iter().find(|(tag, _)| *tag == BIT_STRING));
    // The first byte of a bit string says how many bits at its end do not count.
    let point = bits.and_then(|(_, bits)| bits.strip_prefix(&[0])).filter(|point| point.len() == POINT);
    let point = point.ok_or_else(|| Unusable::Broken("its key is not of P-256".to_owned()))?.to_vec();
    let extensions = extensions(leaf).ok_or_else(|| Unusable::Broken("its extensions cannot be read".to_owned()))?;
    let value = |oid: &[u8]| extensions.iter().find(|(of, _)| *of == oid).map(|(_, value)| *value);
    let signs = |usage: &[u8]| der::whole(usage, BIT_STRING).is_some_and(|b| b.get(1).is_some_and(|b| b & 0x80 != 0));
    if value(KEY_USAGE).is_some_and(|usage| !signs(usage)) {
        return Err(Unusable::Broken("its key may not sign".to_owned()));
    }
    Ok((point, TnAuthList::from_der(value(TN_AUTH_LIST).ok_or(Unusable::NoNumbers)?)?))
}

/// The extensions of a certificate: which, and its value (RFC 5280 section 4.1).
fn extensions<'a>(leaf: &'a CertificateDer<'_>) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let (_, signed, _) = der::element(der::whole(leaf, SEQUENCE)?)?;
    let fields = der::all(signed, FIELDS_MAX)?;
    let Some((_, list)) = fields.into_iter().find(|(tag, _)| *tag == 0xa3) else { return Some(Vec::new()) };
    let all = der::all(der::whole(list, SEQUENCE)?, FIELDS_MAX)?;
    let one = |(tag, extension): (u8, &'a [u8])| {
        let parts = der::all(extension, 3).filter(|_| tag == SEQUENCE)?;
        let (&(OID, oid), &(OCTET_STRING, value)) = (parts.first()?, parts.last()?) else { return None };
        Some((oid, value))
    };
    all.into_iter().map(one).collect()
}
