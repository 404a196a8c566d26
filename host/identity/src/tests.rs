//! Vectors of others, lists at their edges, chains that lead somewhere and nowhere.
#![allow(clippy::unwrap_used, reason = "test code")]

use crate::{Anchors, BrandKey, Certificate, TnAuthList, Unusable};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use model::{IdentityFailure, Instant, Signer as _};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};

const X5U: &str = "https://cert.example.org/a.pem";
const NOW: Instant = Instant::from_unix_nanos(1_800_000_000 * 1_000_000_000);

/// TNAuthList: a service provider's code; one number; ten numbers from 4930123450 on.
const PROVIDER: &[u8] = &[0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J'];
const ONE: &[u8] = b"\x30\x10\xa2\x0e\x16\x0c441632960000";
const RANGE: &[u8] = b"\x30\x13\xa1\x11\x30\x0f\x16\x0a4930123450\x02\x01\x0a";

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

/// A leaf that claims numbers: its PEM and its key's.
fn leaf(by: &Authority, numbers: Option<&[u8]>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    let extension = |n: &[u8]| CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], n.to_vec());
    params.custom_extensions = numbers.into_iter().map(extension).collect();
    (params.signed_by(&key, &by.issuer).unwrap().pem(), key.serialize_pem())
}

/// A signature that others made: the example of appendix A in the drafts of RFC 8225, with the public key that the RFC
/// prints in its section A.2.
#[test]
fn the_signature_of_the_passport_example_is_good() {
    let token = concat!(
        "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.",
        "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1",
        "NTEyMTIifX0.",
        "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w"
    );
    let spki = concat!(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH",
        "78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g=="
    );
    let spki = STANDARD.decode(spki).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &spki[spki.len() - 65..]);
    assert!(key.verify(input.as_bytes(), &signature).is_ok());
    assert!(key.verify(&input.as_bytes()[1..], &signature).is_err());
}

#[test]
fn a_list_covers_its_numbers_and_no_others() {
    for (der, number, covered) in [
        (PROVIDER, "12155551212", true),
        (ONE, "441632960000", true),
        (ONE, "441632960001", false),
        (RANGE, "4930123449", false),
        (RANGE, "4930123450", true),
        (RANGE, "4930123459", true),
        (RANGE, "4930123460", false),
        (RANGE, "04930123455", false),
        (RANGE, "49301234*5", false),
    ] {
        assert_eq!(TnAuthList::from_der(der).unwrap().covers(number), covered, "{number}");
    }
    let cut = (0..RANGE.len()).map(|end| &RANGE[..end]);
    for broken in
        cut.chain([&b"\x30\x00"[..], b"\x30\x04\xa2\x02\x16\x00", b"\x30\x05\xa2\x03\x16\x01x", b"\x30\x02\x16\x00"])
    {
        assert!(TnAuthList::from_der(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn what_a_brand_signs_is_proved_by_who_trusts_its_authority() {
    let (ours, others) = (authority(), authority());
    let (certificate, key) = leaf(&ours, Some(RANGE));
    let brand = BrandKey::new(X5U, &certificate, &key).unwrap();
    assert!(!format!("{brand:?}").contains("PRIVATE"));
    let signature = brand.sign(b"header.claims").unwrap();
    let published = Certificate::read(certificate.as_bytes()).unwrap();
    let anchors = Anchors::from_pem(&ours.pem).unwrap();
    let trusted = published.trusted(&anchors.and(&Anchors::from_pem(&others.pem).unwrap()), NOW).unwrap();
    assert_eq!(trusted.proves("4930123456", b"header.claims", &signature), Ok(()));
    assert_eq!(trusted.proves("4930123460", b"header.claims", &signature), Err(IdentityFailure::UnsupportedCredential));
    assert_eq!(trusted.proves("4930123456", b"header.Claims", &signature), Err(IdentityFailure::InvalidHeader));
    for (anchors, now) in [
        (Anchors::from_pem(&others.pem).unwrap(), NOW),
        (Anchors::default(), NOW),
        (anchors, Instant::from_unix_nanos(1)),
    ] {
        assert_eq!(published.trusted(&anchors, now).unwrap_err(), IdentityFailure::UnsupportedCredential);
    }
}

#[test]
fn a_chain_leads_over_what_is_between() {
    let root = authority();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let between = params.signed_by(&key, &root.issuer).unwrap().pem();
    let middle = Authority { pem: between.clone(), issuer: Issuer::new(params, key) };
    let (certificate, _) = leaf(&middle, Some(PROVIDER));
    let anchors = Anchors::from_pem(&root.pem).unwrap();
    assert!(Certificate::read(certificate.as_bytes()).unwrap().trusted(&anchors, NOW).is_err());
    let whole = format!("{certificate}{between}");
    assert!(Certificate::read(whole.as_bytes()).unwrap().trusted(&anchors, NOW).is_ok());
}

#[test]
fn what_cannot_vouch_is_refused_when_it_is_set() {
    let authority = authority();
    let (certificate, key) = leaf(&authority, Some(PROVIDER));
    let (bare, bare_key) = leaf(&authority, None);
    let (_, other_key) = leaf(&authority, Some(PROVIDER));
    let refused = |x5u: &str, certificate: &str, key: &str| BrandKey::new(x5u, certificate, key).unwrap_err();
    assert!(BrandKey::new(X5U, &certificate, &key).is_ok());
    assert_eq!(refused("http://a/b", &certificate, &key), Unusable::Url("http://a/b".to_owned()));
    assert!(matches!(refused("https://me@host/b", &certificate, &key), Unusable::Url(_)));
    assert_eq!(refused(X5U, "", &key), Unusable::NoCertificate);
    assert_eq!(refused(X5U, &certificate, &certificate), Unusable::NoKey);
    assert_eq!(refused(X5U, &bare, &bare_key), Unusable::NoNumbers);
    assert_eq!(refused(X5U, &certificate, &other_key), Unusable::OtherKey);
    assert_eq!(Anchors::from_pem("words").unwrap_err(), Unusable::NoCertificate);
    assert!(Anchors::from_pem(" \n").is_ok());
    assert!(Certificate::read(&[0x30, 0x03, 1, 2, 3]).is_err());
    assert!(Certificate::read(&"-----BEGIN CERTIFICATE-----\nAA".repeat(9).into_bytes()).is_err());
}
