//! URI equivalence (RFC 3261 section 19.1.4; RFC 3966 section 4 in its simple form).

use crate::params::{Param, Params};
use crate::uri::{UriRef, unescape};

impl UriRef<'_> {
    /// Whether two URIs mean the same by section 19.1.4.
    #[must_use]
    pub fn equivalent(&self, other: &UriRef<'_>) -> bool {
        if !self.scheme().eq_ignore_ascii_case(other.scheme()) {
            return false;
        }
        if self.is_tel() {
            return same_number(self.user(), other.user()) && params_match(self.params(), other.params());
        }
        if !self.is_sip() {
            return self.as_str() == other.as_str();
        }
        // The cheapest first.
        self.port() == other.port()
            && self.user().map(unescape) == other.user().map(unescape)
            && self.password().map(unescape) == other.password().map(unescape)
            && same_host(self, other)
            && params_match(self.params(), other.params())
            && headers_match(self.headers(), other.headers())
    }
}

fn same_host(one: &UriRef<'_>, two: &UriRef<'_>) -> bool {
    match (one.host_ip(), two.host_ip()) {
        (Some(a), Some(b)) => a == b,
        _ => one.host().eq_ignore_ascii_case(two.host()),
    }
}

/// Visual separators do not count (RFC 3966 section 5.1.1).
fn same_number(one: Option<&str>, two: Option<&str>) -> bool {
    let digits = |text: Option<&str>| {
        text.unwrap_or_default().chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect::<String>()
    };
    digits(one).eq_ignore_ascii_case(&digits(two))
}

/// Parameters in both must match; these few must be in both or in none, since each has a default that is not written.
fn params_match(one: Params<'_>, two: Params<'_>) -> bool {
    const NEVER_ALONE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    let covered = |from: Params<'_>, by: Params<'_>| {
        from.into_iter().all(|param| match by.find(param.name) {
            Some(twin) => same_param(param, twin),
            None => !NEVER_ALONE.iter().any(|name| param.name.eq_ignore_ascii_case(name)),
        })
    };
    covered(one, two) && covered(two, one)
}

fn same_param(one: Param<'_>, two: Param<'_>) -> bool {
    let value = |param: Param<'_>| unescape(param.value.unwrap_or_default()).to_ascii_lowercase();
    value(one) == value(two)
}

/// Header fields must be the same set; their order does not count.
fn headers_match(one: Option<&str>, two: Option<&str>) -> bool {
    let sorted = |text: Option<&str>| {
        let mut fields: Vec<(String, String)> = text
            .unwrap_or_default()
            .split('&')
            .filter(|field| !field.is_empty())
            .map(|field| {
                let (name, value) = field.split_once('=').unwrap_or((field, ""));
                (unescape(name).to_ascii_lowercase(), unescape(value).into_owned())
            })
            .collect();
        fields.sort();
        fields
    };
    sorted(one) == sorted(two)
}
