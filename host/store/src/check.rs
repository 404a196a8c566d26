//! The rules of names and numbers, in words. The database has the same rules as constraints, in codes.

use crate::StoreError;

fn refuse<T>(what: &'static str, why: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Invalid { what, why: why.into() })
}

fn length(what: &'static str, text: &str, max: usize) -> Result<(), StoreError> {
    match text.chars().count() {
        0 => refuse(what, "must not be empty"),
        n if n > max => refuse(what, format!("has {n} characters, at most {max} are allowed")),
        _ => Ok(()),
    }
}

/// A name: printable, at most 64 characters.
pub(crate) fn name(what: &'static str, text: &str) -> Result<(), StoreError> {
    length(what, text, 64)?;
    if text.chars().any(char::is_control) {
        return refuse(what, "must not contain control characters");
    }
    Ok(())
}

/// A display name: may be empty.
pub(crate) fn display_name(text: &str) -> Result<(), StoreError> {
    words("display name", text, 128)
}

/// Words for people, at most so many characters; may be none.
pub(crate) fn words(what: &'static str, text: &str, max: usize) -> Result<(), StoreError> {
    if text.is_empty() {
        return Ok(());
    }
    length(what, text, max)?;
    if text.chars().any(char::is_control) {
        return refuse(what, "must not contain control characters");
    }
    Ok(())
}

/// The user part of a SIP URI without escapes (RFC 3261 section 25.1, `unreserved` and `user-unreserved`).
pub(crate) fn username(text: &str) -> Result<(), StoreError> {
    length("user name", text, 64)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.!~*'()&=+$".contains(*c))) {
        Some(c) => refuse("user name", format!("the character {c:?} is not allowed")),
        None => Ok(()),
    }
}

/// A host name or address literal, given back in lower case.
pub(crate) fn domain(text: &str) -> Result<String, StoreError> {
    length("domain", text, 253)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-.:[]".contains(*c))) {
        Some(c) => refuse("domain", format!("the character {c:?} is not allowed")),
        None => Ok(text.to_ascii_lowercase()),
    }
}

/// Digits, star and hash, as dialled on a phone; also names.
pub(crate) fn extension_number(text: &str) -> Result<(), StoreError> {
    length("extension number", text, 32)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "*#+-_.".contains(*c))) {
        Some(c) => refuse("extension number", format!("the character {c:?} is not allowed")),
        None => Ok(()),
    }
}

/// `+` and 2 to 15 digits (ITU-T E.164).
pub(crate) fn e164(text: &str) -> Result<(), StoreError> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    if (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    refuse("number", format!("{text:?} is not + and 2 to 15 digits"))
}

/// Digest secrets: hex digits of the right length.
pub(crate) fn ha1(ha1: &model::Ha1) -> Result<(), StoreError> {
    let hex = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
    if hex(&ha1.md5, 32) && hex(&ha1.sha256, 64) {
        return Ok(());
    }
    refuse("digest secret", "needs 32 hex digits for MD5 and 64 for SHA-256")
}

/// Configuration of a binding: a JSON text.
pub(crate) fn json(what: &'static str, text: &str) -> Result<(), StoreError> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(e) => refuse(what, format!("is not JSON: {e}")),
    }
}

/// A company's formats as they are kept: encoding names with commas between.
pub(crate) fn codecs(names: &[String]) -> Result<String, StoreError> {
    let is_name = |name: &String| {
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    if names.len() > 8 || !names.iter().all(is_name) {
        let why = "at most 8 encoding names, as PCMA or G722".to_owned();
        return Err(StoreError::Invalid { what: "codecs", why });
    }
    Ok(names.join(","))
}

/// The name of a stored prompt, where there is one.
pub(crate) fn prompt<'n>(what: &'static str, name: Option<&'n str>) -> Result<Option<&'n str>, StoreError> {
    let fits = |name: &str| (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
    if name.is_some_and(|name| !fits(name)) {
        return Err(StoreError::Invalid { what, why: "the name of a stored prompt, 1 to 128 bytes".to_owned() });
    }
    Ok(name)
}

/// Most servers, and most sources, of one trunk.
const TRUNK_SERVERS_MAX: usize = 16;
const TRUNK_SOURCES_MAX: usize = 64;

/// A list that is not too long.
pub(crate) fn at_most(what: &'static str, there: usize, most: usize) -> Result<(), StoreError> {
    if there > most { refuse(what, format!("has {there}, at most {most} are allowed")) } else { Ok(()) }
}

/// 1 to so many digits.
pub(crate) fn digits(what: &'static str, text: &str, most: usize) -> Result<(), StoreError> {
    if (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    refuse(what, format!("must be 1 to {most} digits"))
}

/// A routing pattern's name and prefix.
pub(crate) fn route_pattern(pattern: &model::RoutePattern) -> Result<(), StoreError> {
    name("name", &pattern.name)?;
    let most = model::Routing::PREFIX_DIGITS_MAX;
    let is_one = |digits: &str| (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if pattern.prefix.strip_prefix('+').is_some_and(is_one) {
        return Ok(());
    }
    refuse("prefix", format!("must be + and 1 to {most} digits"))
}

/// What an outgoing route says of itself.
pub(crate) fn outgoing_route(route: &model::OutgoingRoute) -> Result<(), StoreError> {
    name("name", &route.name)?;
    if let model::RouteWay::Lcr(trunks) = &route.way {
        if trunks.is_empty() {
            return refuse("trunks", "a route by price needs at least one");
        }
        at_most("trunks", trunks.len(), model::OutgoingRoute::TRUNKS_MAX)?;
    }
    if route.weight == 0 {
        return refuse("weight", "must be 1 to 255");
    }
    at_most("prefix", route.prefix.len(), model::OutgoingRoute::PREFIX_MAX)?;
    if route.prefix.bytes().any(|b| !(b.is_ascii_digit() || b == b'*' || b == b'#')) {
        return refuse("prefix", "may have digits, * and #");
    }
    match route.caller.as_deref().map(e164) {
        Some(Err(StoreError::Invalid { why, .. })) => refuse("caller", why),
        Some(other) => other,
        None => Ok(()),
    }
}

/// What a trunk must be, beyond what its types say.
pub(crate) fn trunk(trunk: &model::Trunk) -> Result<(), StoreError> {
    name("trunk name", &trunk.name)?;
    if trunk.servers.len() > TRUNK_SERVERS_MAX {
        return refuse("servers", format!("at most {TRUNK_SERVERS_MAX} are allowed"));
    }
    for server in &trunk.servers {
        host("servers", &server.host)?;
        if server.port == Some(0) || server.weight == 0 {
            return refuse("servers", "a port and a weight are at least 1");
        }
    }
    credentials(trunk)?;
    if let Some(registration) = &trunk.registration {
        username(&registration.user).map_err(|e| about("registration", e))?;
        registration.domain.as_deref().map_or(Ok(()), |d| host("registration", d))?;
        within("registration", "expires_s", registration.expires_s, 60..=86_400)?;
        if trunk.servers.is_empty() {
            return refuse("registration", "needs a server to register with");
        }
    }
    if let Some(user) = &trunk.from_user {
        username(user).map_err(|e| about("from_user", e))?;
    }
    if let Some(domain) = &trunk.from_domain {
        host("from_domain", domain)?;
    }
    within("answer_ms", "it", trunk.answer_ms, 500..=32_000)?;
    if let Some(ping) = trunk.ping_s {
        within("ping_s", "it", ping, 5..=3_600)?;
    }
    sources(&trunk.sources)
}

/// A refusal of another rule's words, for this field.
fn about(what: &'static str, error: StoreError) -> StoreError {
    if let StoreError::Invalid { why, .. } = error {
        return StoreError::Invalid { what, why };
    }
    error
}

fn within(
    what: &'static str,
    which: &str,
    value: u32,
    allowed: core::ops::RangeInclusive<u32>,
) -> Result<(), StoreError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    refuse(what, format!("{which} must be {} to {}", allowed.start(), allowed.end()))
}

/// A host name or an address literal without brackets.
fn host(what: &'static str, text: &str) -> Result<(), StoreError> {
    if text.parse::<core::net::IpAddr>().is_ok() {
        return Ok(());
    }
    let label = |l: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&l.len()) && l.bytes().all(legal)
    };
    if text.len() <= 253 && !text.is_empty() && text.split('.').all(label) {
        return Ok(());
    }
    refuse(what, format!("{text:?} is no host name and no address"))
}

fn credentials(trunk: &model::Trunk) -> Result<(), StoreError> {
    let Some(credentials) = &trunk.credentials else { return Ok(()) };
    length("username", &credentials.username, 128)?;
    if credentials.username.chars().any(char::is_control) {
        return refuse("username", "must not contain control characters");
    }
    match &credentials.secret {
        model::TrunkSecret::Password(password) => {
            length("password", password, 128)?;
            if password.chars().any(char::is_control) {
                return refuse("password", "must not contain control characters");
            }
            Ok(())
        }
        model::TrunkSecret::Ha1 { realm, ha1: secret } => {
            length("realm", realm, 253)?;
            ha1(secret)
        }
    }
}

/// A network that is most of the Internet is a mistake, and would let anybody call.
fn sources(sources: &[model::TrunkSource]) -> Result<(), StoreError> {
    if sources.len() > TRUNK_SOURCES_MAX {
        return refuse("sources", format!("at most {TRUNK_SOURCES_MAX} are allowed"));
    }
    for source in sources {
        let shortest = if source.network.addr().is_ipv4() { 8 } else { 16 };
        if source.network.prefix_len() < shortest {
            return refuse("sources", format!("{} is too wide: /{shortest} is the widest", source.network));
        }
        if source.listener.is_some_and(|l| l.port() == 0 || l.ip().is_unspecified()) {
            return refuse("sources", "a listener is an address of this switch and its port, as peers see it");
        }
    }
    Ok(())
}
