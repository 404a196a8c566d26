//! What a plugin may use beside what every plugin may: the product of what its manifest asks for and of what operator,
//! reseller and brand allow.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Stands for everything of its kind in a consent.
const ALL: &str = "*";

/// One kind of request to the outside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGrant {
    /// A host name, `*.example.com` for every name below it, an address, or `*` for any. With `:port` only that
    /// port.
    pub host: String,
    /// Methods in capitals; none means `GET`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
}

/// What is asked for (in a manifest) or allowed (in a consent).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Grants {
    /// Buckets of `host/kv`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub kv: BTreeSet<String>,
    /// Requests of `host/http`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<HttpGrant>,
    /// Whether `host/http` may reach private, loopback and link-local addresses.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub private_addresses: bool,
    /// Names of `host/secrets`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
    /// Prefix tables of `host/directory`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tables: BTreeSet<String>,
    /// Whether `call/mailbox` may be used: the mailboxes of the call's company.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub mailboxes: bool,
    /// To whom `host/mail` may send: addresses, `*@example.com`, `own` for the addresses of the company's mailboxes, `*`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub mail: BTreeSet<String>,
}

impl Grants {
    /// A consent to everything a manifest may ask for, but private addresses.
    #[must_use]
    pub fn everything() -> Grants {
        let all = || BTreeSet::from([ALL.to_owned()]);
        let http = BTreeSet::from([HttpGrant { host: ALL.to_owned(), methods: all() }]);
        Grants {
            kv: all(),
            http,
            private_addresses: false,
            secrets: all(),
            tables: all(),
            mailboxes: true,
            mail: all(),
        }
    }

    /// A consent to what stays within the switch: keys, secrets of the binding, prefix tables, mailboxes. What holds for a plugin of
    /// which the platform's operator has not said anything.
    #[must_use]
    pub fn within() -> Grants {
        Grants { http: BTreeSet::new(), mail: BTreeSet::new(), ..Grants::everything() }
    }

    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Grants) -> Grants {
        Grants {
            kv: names(&self.kv, &other.kv),
            http: self.http.iter().flat_map(|a| other.http.iter().filter_map(|b| a.meet(b))).collect(),
            private_addresses: self.private_addresses && other.private_addresses,
            secrets: names(&self.secrets, &other.secrets),
            tables: names(&self.tables, &other.tables),
            mailboxes: self.mailboxes && other.mailboxes,
            mail: self.mail.iter().flat_map(|a| other.mail.iter().filter_map(|b| mail_meet(a, b))).collect(),
        }
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Grants::default()
    }
}

fn names(a: &BTreeSet<String>, b: &BTreeSet<String>) -> BTreeSet<String> {
    match (a.contains(ALL), b.contains(ALL)) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        (false, false) => a.intersection(b).cloned().collect(),
    }
}

/// The narrower of two grants of mail, where one holds the other.
fn mail_meet(a: &str, b: &str) -> Option<String> {
    if mail_covers(a, b) {
        return Some(b.to_owned());
    }
    mail_covers(b, a).then(|| a.to_owned())
}

/// Whether a grant of mail holds an address, or another grant. `own` is held by `*` and itself only.
#[must_use]
pub fn mail_covers(wide: &str, narrow: &str) -> bool {
    let domain = |text: &str| text.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
    wide == ALL
        || wide.eq_ignore_ascii_case(narrow)
        || wide.strip_prefix("*@").is_some_and(|held| domain(narrow).is_some_and(|d| d.eq_ignore_ascii_case(held)))
}

impl HttpGrant {
    fn meet(&self, other: &HttpGrant) -> Option<HttpGrant> {
        let host = if covers(&self.host, &other.host) {
            &other.host
        } else if covers(&other.host, &self.host) {
            &self.host
        } else {
            return None;
        };
        let methods = names(&self.methods(), &other.methods());
        (!methods.is_empty()).then(|| HttpGrant { host: host.clone(), methods })
    }

    fn methods(&self) -> BTreeSet<String> {
        if self.methods.is_empty() { BTreeSet::from(["GET".to_owned()]) } else { self.methods.clone() }
    }

    /// Whether a request of this method to this host and port is meant.
    #[must_use]
    pub fn allows(&self, method: &str, host: &str, port: u16) -> bool {
        let methods = self.methods();
        (methods.contains(method) || methods.contains(ALL)) && host_matches(&self.host, host, port)
    }
}

/// Whether every host of `narrow` is one of `wide`.
fn covers(wide: &str, narrow: &str) -> bool {
    let (wide_host, wide_port) = split(wide);
    let (host, port) = split(narrow);
    if wide_port.is_some() && wide_port != port {
        return false;
    }
    match wide_host.strip_prefix("*.") {
        _ if wide_host == ALL => true,
        Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => wide_host.eq_ignore_ascii_case(host),
    }
}

/// Whether the host and port of a URL are what a grant's host names.
#[must_use]
pub fn host_matches(granted: &str, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    covers(&granted.to_ascii_lowercase(), &format!("{host}:{port}"))
}

/// Host and port of `host`, `host:1`, `[::1]:1`.
fn split(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grants(text: &str) -> Grants {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_granted_is_what_all_allow() {
        let asked = grants(
            "kv = ['a', 'b']\nsecrets = ['k']\nprivate-addresses = true\nhttp = [{ host = 'api.example.com', methods = ['GET', 'POST'] }]",
        );
        let operator = Grants::everything();
        let brand = grants("kv = ['b', 'c']\nhttp = [{ host = '*.example.com', methods = ['POST', 'PUT'] }]");
        let product = asked.meet(&operator).meet(&brand);
        assert_eq!(product, grants("kv = ['b']\nhttp = [{ host = 'api.example.com', methods = ['POST'] }]"));
        assert_eq!(product, brand.meet(&asked).meet(&operator), "the order does not matter");
        assert!(asked.meet(&Grants::default()).is_empty(), "who says nothing allows nothing");
        assert!(!asked.meet(&asked).is_empty());
    }

    #[test]
    fn mail_goes_where_all_let_it() {
        let meet = |a: &str, b: &str| {
            let of = |one: &str| Grants { mail: BTreeSet::from([one.to_owned()]), ..Grants::default() };
            of(a).meet(&of(b)).mail.into_iter().next()
        };
        for (a, b, both) in [
            ("*", "own", Some("own")),
            ("own", "*", Some("own")),
            ("own", "*@example.com", None),
            ("*@example.com", "anna@Example.com", Some("anna@Example.com")),
            ("*@example.com", "anna@mail.example.com", None),
            ("*@example.com", "anna@badexample.com", None),
            ("a@example.com", "b@example.com", None),
        ] {
            assert_eq!(meet(a, b).as_deref(), both, "{a} {b}");
        }
        assert!(Grants::within().mail.is_empty(), "nothing leaves before the operator says so");
    }

    #[test]
    fn hosts_match_by_label_port_and_case() {
        for (granted, host, port, matches) in [
            ("api.example.com", "API.example.COM", 443, true),
            ("api.example.com", "api.example.com.evil.test", 443, false),
            ("*.example.com", "a.b.example.com", 1, true),
            ("*.example.com", "example.com", 1, false),
            ("*.example.com", "badexample.com", 1, false),
            ("api.example.com:8443", "api.example.com", 8443, true),
            ("api.example.com:8443", "api.example.com", 443, false),
            ("192.0.2.7", "192.0.2.7", 80, true),
            ("[2001:db8::1]", "2001:db8::1", 80, true),
            ("*", "anything.test", 80, true),
        ] {
            assert_eq!(host_matches(granted, host, port), matches, "{granted} {host}:{port}");
        }
    }

    #[test]
    fn a_grant_without_methods_reads_only() {
        let grant = HttpGrant { host: "h".to_owned(), methods: BTreeSet::new() };
        assert!(grant.allows("GET", "h", 80) && !grant.allows("POST", "h", 80));
    }
}
