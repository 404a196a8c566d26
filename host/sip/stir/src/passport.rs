//! PASSporT: claims about a call, signed (RFC 8225), as SHAKEN has them (RFC 8588).
//!
//! Written in the one form of RFC 8225 section 9: members in the order of their names, no white space. Read as any JSON
//! object, but with the members that count only once.

use crate::Number;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Attestation, Instant, SIGNATURE_BYTES, Signer};
use serde::Deserialize;

/// Longest token that is read, in bytes: three parts of a call's few numbers take a tenth of it.
const TOKEN_MAX: usize = 8_192;
/// Most numbers that a call is for.
const DEST_MAX: usize = 16;
/// The claims of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passport {
    /// What the signer knows.
    pub attestation: Attestation,
    /// The number of the caller.
    pub orig: Number,
    /// The numbers called.
    pub dest: Vec<Number>,
    /// When it was signed, in seconds since 1970.
    pub issued_at_s: u64,
    /// The signer's own name for where the call came from: a UUID.
    pub origin_id: String,
}

/// Why a token is no PASSporT for a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PassportError {
    /// Not three parts of base64url, or longer than anybody needs.
    #[error("not a token of three parts")]
    Token,
    /// The first part.
    #[error("the header is not a PASSporT's with ES256 and shaken")]
    Header,
    /// Where the certificate is.
    #[error("x5u is not an https URL")]
    Certificate,
    /// The second part.
    #[error("the claims are not those of shaken")]
    Claims,
    /// The third part.
    #[error("the signature is not one of ES256")]
    Signature,
    /// The key could not sign.
    #[error("the key cannot sign")]
    Key,
}

/// A token that was read: nobody has looked at its signature yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The claims.
    pub passport: Passport,
    /// Where the certificate is.
    pub x5u: String,
    /// What was signed.
    pub input: Vec<u8>,
    /// The signature: r and s.
    pub signature: [u8; SIGNATURE_BYTES],
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    ppt: Option<String>,
    typ: String,
    x5u: String,
}

#[derive(Deserialize)]
struct Claims {
    attest: Attestation,
    dest: Many,
    iat: u64,
    orig: One,
    origid: String,
}

#[derive(Deserialize)]
struct Many {
    tn: Vec<String>,
}

#[derive(Deserialize)]
struct One {
    tn: String,
}

impl Passport {
    /// The claims of a call that begins now.
    #[must_use]
    pub fn new(attestation: Attestation, orig: Number, dest: Number, origin_id: String, now: Instant) -> Passport {
        let issued_at_s = now.unix_nanos() / 1_000_000_000;
        Passport { attestation, orig, dest: vec![dest], issued_at_s, origin_id }
    }

    /// The token, signed.
    ///
    /// # Errors
    /// [`PassportError::Certificate`] where the signer names no https URL, [`PassportError::Key`] where it cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, PassportError> {
        let x5u = signer.x5u();
        if !is_https(x5u) {
            return Err(PassportError::Certificate);
        }
        let mut token = self.input(x5u);
        let signature = signer.sign(token.as_bytes()).ok_or(PassportError::Key)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// What is signed: header and claims.
    fn input(&self, x5u: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let dest: Vec<String> = self.dest.iter().map(|number| quoted(number.as_str())).collect();
        let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":{}}}"#, quoted(x5u));
        let claims = format!(
            r#"{{"attest":"{}","dest":{{"tn":[{}]}},"iat":{},"orig":{{"tn":{}}},"origid":{}}}"#,
            self.attestation,
            dest.join(","),
            self.issued_at_s,
            quoted(self.orig.as_str()),
            quoted(&self.origin_id)
        );
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }
}

impl Signed {
    /// Reads a token in the full form.
    ///
    /// # Errors
    /// [`PassportError`]: the first part that is not right.
    pub fn parse(token: &str) -> Result<Signed, PassportError> {
        if token.len() > TOKEN_MAX {
            return Err(PassportError::Token);
        }
        let (input, signature) = token.rsplit_once('.').ok_or(PassportError::Token)?;
        let (header, claims) = input.split_once('.').ok_or(PassportError::Token)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| PassportError::Token);
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header: Header = serde_json::from_slice(&header).map_err(|_| PassportError::Header)?;
        let known = header.alg == "ES256" && header.typ == "passport" && header.ppt.as_deref() == Some("shaken");
        if !known {
            return Err(PassportError::Header);
        }
        if !is_https(&header.x5u) {
            return Err(PassportError::Certificate);
        }
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| PassportError::Claims)?;
        let number = |text: &String| Number::exact(text).ok_or(PassportError::Claims);
        if claims.dest.tn.is_empty() || claims.dest.tn.len() > DEST_MAX || claims.origid.is_empty() {
            return Err(PassportError::Claims);
        }
        let passport = Passport {
            attestation: claims.attest,
            orig: number(&claims.orig.tn)?,
            dest: claims.dest.tn.iter().map(number).collect::<Result<_, _>>()?,
            issued_at_s: claims.iat,
            origin_id: claims.origid,
        };
        let signature = signature.try_into().map_err(|_| PassportError::Signature)?;
        Ok(Signed { passport, x5u: header.x5u, input: input.as_bytes().to_vec(), signature })
    }
}

/// Whether a certificate may be fetched from there: https, a host, nothing that ends a line or a quoted string.
pub(crate) fn is_https(url: &str) -> bool {
    let rest = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).and_then(|_| url.get(8..));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\".contains(&b))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Signs with the sum of what it signs: enough to see that it was asked, and about what.
    #[derive(Debug)]
    pub(crate) struct Sum(pub(crate) &'static str);

    impl Signer for Sum {
        fn sign(&self, input: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
            let sum = input.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            Some([sum; 64])
        }
        fn x5u(&self) -> &str {
            self.0
        }
    }

    pub(crate) fn passport() -> Passport {
        Passport {
            attestation: Attestation::A,
            orig: Number::exact("12155551212").unwrap(),
            dest: vec![Number::exact("12125551213").unwrap()],
            issued_at_s: 1_443_208_345,
            origin_id: "123e4567-e89b-12d3-a456-426655440000".to_owned(),
        }
    }

    #[test]
    fn header_and_claims_are_those_of_rfc_8588() {
        let token = passport().sign(&Sum("https://cert.example.org/passport.cer")).unwrap();
        let part =
            |n: usize| String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap();
        let header = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#;
        assert_eq!(part(0), header);
        let claims = concat!(
            r#"{"attest":"A","dest":{"tn":["12125551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"#,
            r#""origid":"123e4567-e89b-12d3-a456-426655440000"}"#
        );
        assert_eq!(part(1), claims);
        let read = Signed::parse(&token).unwrap();
        assert_eq!((read.passport, read.x5u.as_str()), (passport(), "https://cert.example.org/passport.cer"));
        assert_eq!(Some(read.signature), Sum("").sign(&read.input));
        for bad in ["http://cert.example.org/", "https://", "https://a b", "https://me@host/", "https://a/\"x"] {
            assert_eq!(
                passport().sign(&Sum(Box::leak(bad.to_owned().into_boxed_str()))),
                Err(PassportError::Certificate)
            );
        }
    }

    #[test]
    fn what_is_not_shaken_is_not_read() {
        let token = |header: &str, claims: &str, signature: &[u8]| {
            let parts = [header.as_bytes(), claims.as_bytes(), signature].map(|part| URL_SAFE_NO_PAD.encode(part));
            parts.join(".")
        };
        let header = r#"{"typ":"passport","alg":"ES256","x5u":"https://a/b","ppt":"shaken","more":[1]}"#;
        let claims = r#"{"iat":1,"orig":{"tn":"1"},"dest":{"tn":["2"]},"attest":"C","origid":"x"}"#;
        assert_eq!(Signed::parse(&token(header, claims, &[0; 64])).map(|s| s.passport.attestation), Ok(Attestation::C));
        for (header, claims, signature, why) in [
            (header.replace("ES256", "none"), claims.to_owned(), 64, PassportError::Header),
            (header.replace("shaken", "div"), claims.to_owned(), 64, PassportError::Header),
            (header.replace("https", "http"), claims.to_owned(), 64, PassportError::Certificate),
            (header.to_owned(), claims.replace("\"C\"", "\"D\""), 64, PassportError::Claims),
            (header.to_owned(), claims.replace("[\"2\"]", "[]"), 64, PassportError::Claims),
            (header.to_owned(), claims.replace("\"1\"", "\"+1\""), 64, PassportError::Claims),
            (header.to_owned(), claims.replace("\"iat\":1,", "\"iat\":1,\"iat\":2,"), 64, PassportError::Claims),
            (header.to_owned(), claims.to_owned(), 63, PassportError::Signature),
        ] {
            let text = token(&header, &claims, &vec![0; signature]);
            assert_eq!(Signed::parse(&text).map(|_| ()), Err(why), "{header} {claims}");
        }
        for text in ["", "a.b", "a.b.c.d", "!.!.!", &"a".repeat(9_000)] {
            assert_eq!(Signed::parse(text).map(|_| ()), Err(PassportError::Token), "{text}");
        }
    }
}
