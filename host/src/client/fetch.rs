//! `plugin install https://HOST/PATH#sha256=HEX`: a bundle or component from an address, if it is the one that is meant.

use crate::exit::Failure;
use plugin::Digest;
use reqwest::{Url, redirect};
use std::path::Path;
use std::time::Duration;

/// Most bytes that are fetched: what the switch takes.
const BYTES_MAX: usize = 64 << 20;
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 3;
/// Longest that all of it may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(300);

/// An address, and the digest of what must be there.
#[derive(Debug)]
pub(super) struct Address {
    url: Url,
    digest: Option<String>,
}

/// Whether a request there can be seen or changed by nobody on the way.
fn is_private(url: &Url) -> bool {
    let own = match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    };
    url.scheme() == "https" || own
}

impl Address {
    /// Reads one; `None` for what is a file.
    pub(super) fn of(text: &Path) -> Option<Result<Address, Failure>> {
        let text = text.to_str()?;
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return None;
        }
        Some(Address::parse(text))
    }

    fn parse(text: &str) -> Result<Address, Failure> {
        let mut url = Url::parse(text).map_err(|e| Failure::start(format!("{text} is no address: {e}")))?;
        let digest = match url.fragment() {
            None | Some("") => None,
            Some(fragment) => {
                let hex = fragment.strip_prefix("sha256=").filter(|hex| hex.len() == 64);
                let hex = hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_ascii_lowercase);
                let expected = || Failure::start(format!("expected #sha256= and 64 hex digits, not #{fragment}"));
                Some(hex.ok_or_else(expected)?)
            }
        };
        url.set_fragment(None);
        Ok(Address { url, digest })
    }

    /// What is there.
    ///
    /// # Errors
    /// 2 where it cannot be had; 1 where it is another, too large, or nobody said which it must be: then the sentence says
    /// the digest of what is there.
    pub(super) async fn fetch(&self, plain_http: bool) -> Result<Vec<u8>, Failure> {
        let allowed = move |url: &Url| plain_http || is_private(url);
        if !allowed(&self.url) {
            let url = &self.url;
            return Err(Failure::start(format!("{url} is not https: --plain-http fetches it nevertheless")));
        }
        let policy = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS_MAX {
                attempt.error(format!("more than {REDIRECTS_MAX} redirects"))
            } else if allowed(attempt.url()) {
                attempt.follow()
            } else {
                attempt.error("a redirect to plain http")
            }
        });
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(policy);
        let client = client.build().map_err(Failure::start)?;
        let bytes = self.bytes(&client).await?;
        let found = Digest::of(&bytes).to_string();
        match &self.digest {
            Some(wanted) if *wanted == found => Ok(bytes),
            Some(wanted) => {
                Err(Failure::refused(format!("{}: expected sha256 {wanted}, what is there has {found}", self.url)))
            }
            None => Err(Failure::refused(format!(
                "say which one it must be: what is there now is {}#sha256={found}",
                self.url
            ))),
        }
    }

    async fn bytes(&self, client: &reqwest::Client) -> Result<Vec<u8>, Failure> {
        let failed = |e: reqwest::Error| {
            let mut why = e.to_string();
            let mut cause = std::error::Error::source(&e);
            while let Some(deeper) = cause {
                why += &format!(": {deeper}");
                cause = deeper.source();
            }
            Failure::start(format!("cannot fetch it: {why}"))
        };
        let too_large = || Failure::refused(format!("{}: more than {BYTES_MAX} bytes", self.url));
        let mut response = client.get(self.url.clone()).send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::refused(format!("{}: HTTP status {status}", self.url)));
        }
        if response.content_length().is_some_and(|length| length > BYTES_MAX as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if bytes.len() + piece.len() > BYTES_MAX {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_digest_of_its_own_form() {
        let of = |text: &str| Address::of(Path::new(text));
        assert!(of("plugin.splug").is_none() && of("oci:dir").is_none());
        let hex = "AB".repeat(32);
        let address = of(&format!("https://a.example/x.splug#sha256={hex}")).unwrap().unwrap();
        assert_eq!((address.url.as_str(), address.digest), ("https://a.example/x.splug", Some("ab".repeat(32))));
        assert!(of("https://a.example/x#sha256=12").unwrap().is_err());
        assert!(of("https://a.example/x#md5=12").unwrap().is_err());
    }

    #[test]
    fn only_loopback_is_asked_in_the_clear() {
        let private = |text: &str| is_private(&Url::parse(text).unwrap());
        assert!(private("https://a.example/x") && private("http://127.0.0.1:1/x") && private("http://[::1]/x"));
        assert!(private("http://localhost/x") && !private("http://a.example/x") && !private("http://192.0.2.1/x"));
    }
}
