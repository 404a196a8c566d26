//! Who asks an S3-compatible store: Signature Version 4 of AWS, over HMAC-SHA-256.
//!
//! Only what this house sends: no query, headers in lower case, and the body's sum in the request, which the store compares
//! with what it received.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The service in the scope of a signature.
const SERVICE: &str = "s3";
/// SHA-256 of nothing, in hex.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Whose requests are signed, and for where.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) key_id: String,
    pub(crate) secret: String,
    pub(crate) region: String,
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.key_id).field("region", &self.region).finish_non_exhaustive()
    }
}

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As it goes out, percent-encoded by [`encoded`].
    pub(crate) path: &'a str,
    /// Names in lower case, in their order, `host`, `x-amz-content-sha256` and `x-amz-date` among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body, in hex.
    pub(crate) body: &'a str,
    /// As `20130524T000000Z`.
    pub(crate) date: &'a str,
}

impl Signer {
    /// The value of `authorization`.
    pub(crate) fn authorization(&self, request: &Signed<'_>) -> String {
        let names = request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let headers: String =
            request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let Signed { method, path, body, date, .. } = request;
        let canonical = format!("{method}\n{path}\n\n{headers}\n{names}\n{body}");
        let day = date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let told = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let start = format!("AWS4{}", self.secret).into_bytes();
        let key = [day, &self.region, SERVICE, "aws4_request"].iter().fold(start, |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &told));
        format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", self.key_id)
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path of which nothing has a meaning but its slashes.
pub(crate) fn encoded(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    path.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples that AWS publishes for S3 ("Signature calculations for the authorization header").
    #[test]
    fn the_published_examples() {
        let signer = Signer {
            key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let (host, date) = (("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"));
        let sum = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let get = [host, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), date];
        let class = ("x-amz-storage-class", "REDUCED_REDUNDANCY");
        let put = [("date", "Fri, 24 May 2013 00:00:00 GMT"), host, ("x-amz-content-sha256", sum), date, class];
        let path = encoded("/test$file.text");
        let get: &[(&str, &str)] = &get;
        let cases = [
            ("GET", "/test.txt", get, EMPTY, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            ("PUT", path.as_str(), &put, sum, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ];
        for (method, path, headers, body, signature) in cases {
            let said = signer.authorization(&Signed { method, path, headers, body, date: date.1 });
            assert!(said.ends_with(&format!("Signature={signature}")), "{method}: {said}");
            let credential = "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=";
            assert!(said.contains(credential), "{said}");
        }
        assert_eq!(path, "/test%24file.text");
        assert!(!format!("{signer:?}").contains("wJalr"), "a secret is not shown");
    }
}
