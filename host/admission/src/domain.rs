//! Which tenant a host part names.

use core::net::{IpAddr, SocketAddr};
use model::{Company, Directory};
use sip_message::{Message, Method};
use std::sync::Arc;

/// Our own addresses, and the domain that stands in where a peer used one of them for a domain.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    own: Vec<IpAddr>,
    default_domain: Option<String>,
}

impl Domains {
    /// From the listeners' addresses and the configured default.
    #[must_use]
    pub fn new(own: Vec<IpAddr>, default_domain: Option<String>) -> Domains {
        Domains { own, default_domain }
    }

    /// The company that `host` names.
    #[must_use]
    pub fn company<'d>(&self, directory: &'d Directory, host: &str) -> Option<&'d Arc<Company>> {
        if let Some(company) = directory.company_by_domain(host) {
            return Some(company);
        }
        let default = self.default_domain.as_deref().filter(|_| self.is_own_address(host))?;
        directory.company_by_domain(default)
    }

    /// The tenant named by the From domain (for REGISTER: by the To domain, RFC 3261 section 10.3 step 1).
    #[must_use]
    pub fn named<'d>(&self, directory: &'d Directory, request: &Message) -> Option<&'d Arc<Company>> {
        let party = match request.method() {
            Some(Method::Register) => request.to(),
            Some(_) | None => request.from(),
        };
        self.company(directory, party.ok()?.uri().host())
    }

    /// The tenant for which a request from `remote` would be admitted, if anybody is: whose direct address it is, else
    /// who is named.
    #[must_use]
    pub fn tenant<'d>(
        &self,
        directory: &'d Directory,
        remote: SocketAddr,
        request: &Message,
    ) -> Option<&'d Arc<Company>> {
        match directory.account_by_address(remote) {
            Some(account) => directory.company(account.company),
            None => self.named(directory, request),
        }
    }

    /// Whether `host` is one of our addresses. A listener on every interface cannot tell, so with one any literal is.
    #[must_use]
    pub fn is_own_address(&self, host: &str) -> bool {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(ip) = literal.parse::<IpAddr>() else { return host.eq_ignore_ascii_case("localhost") };
        self.own.iter().any(|own| *own == ip || own.is_unspecified())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_address_stands_for_the_default_domain_and_a_foreign_one_does_not() {
        let domains = Domains::new(vec!["10.0.0.1".parse().unwrap()], Some("demo.test".to_owned()));
        assert!(domains.is_own_address("10.0.0.1"));
        assert!(!domains.is_own_address("10.0.0.2"));
        assert!(!domains.is_own_address("demo.test"));
        let any = Domains::new(vec!["::".parse().unwrap()], None);
        assert!(any.is_own_address("[2001:db8::1]"));
    }
}
