//! Whose is a message? Which of a node's shards is to have it, said by whichever has read it.
//!
//! A brand lives whole on one shard. What begins something goes to the shard of the brand that would be asked to admit
//! it: `admission` finds the tenant by the same functions. What belongs to something that is there goes where that is,
//! and this stands in what we wrote ourselves: the first letter of every branch, tag and mark is the number of the shard
//! that drew it ([`IdSource`]).
//!
//! A function of the message, of where it came from and of the directory, so that all shards say the same.

use admission::Domains;
use model::{BrandId, Directory, Flow, IdSource, Shards};
use sip_message::{MAGIC_COOKIE, Message, Method};
use std::collections::BTreeMap;

/// By what an owner is found.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The tenants.
    pub directory: &'a Directory,
    /// Our own addresses, and whose domain stands in for them.
    pub domains: &'a Domains,
    /// The tokens by which carriers call.
    pub lines: &'a Lines,
    /// Who asks, and how many shards there are.
    pub shards: Shards,
}

/// The shard that is to have a message: the one that asks, where it is nobody's.
#[must_use]
pub fn owner(message: &Message, flow: &Flow, around: &Around<'_>) -> u8 {
    let owner = if message.is_request() { of_request(message, flow, around) } else { of_response(message) };
    owner.filter(|shard| *shard < around.shards.count()).unwrap_or(around.shards.own())
}

/// The Via on top is ours (RFC 3261 section 18.1.2), and so is its branch.
fn of_response(response: &Message) -> Option<u8> {
    IdSource::shard_of(response.top_via().ok()?.branch()?.get(MAGIC_COOKIE.len()..)?)
}

fn of_request(request: &Message, flow: &Flow, around: &Around<'_>) -> Option<u8> {
    let method = request.method()?;
    let to = request.to().ok()?;
    let Some(tag) = to.tag() else {
        return begins(&method).then(|| of_tenant(&method, request, flow, around)).flatten();
    };
    // A dialog that passes shows our mark, whoever drew its tags. One that ends here has our tag.
    let of_dialog = || IdSource::shard_of(tag);
    if let Some(shard) = sip_proxy::shown_shard(request) {
        return Some(shard);
    }
    // The ACK to a refusal has the Request-URI of its INVITE and may have a callee's tag (section 17.1.1.3); that to a
    // 2xx is sent to our Contact, which has no user part.
    let with_invite = method == Method::Ack && request.request_uri().is_some_and(|uri| uri.user().is_some());
    if with_invite { of_tenant(&method, request, flow, around).or_else(of_dialog) } else { of_dialog() }
}

/// Whether a request without a To-tag can begin something, or is of an INVITE that did. The others are answered alike by
/// every shard.
fn begins(method: &Method<'_>) -> bool {
    match method {
        Method::Invite
        | Method::Ack
        | Method::Cancel
        | Method::Register
        | Method::Subscribe
        | Method::Publish
        | Method::Message => true,
        Method::Bye
        | Method::Options
        | Method::Info
        | Method::Update
        | Method::Prack
        | Method::Refer
        | Method::Notify
        | Method::Other(_) => false,
    }
}

/// The shard of the brand that would be asked to admit it, as `Core::invite` and `Doorkeeper::admit` look for it.
fn of_tenant(method: &Method<'_>, request: &Message, flow: &Flow, around: &Around<'_>) -> Option<u8> {
    let of_invite = matches!(method, Method::Invite | Method::Ack | Method::Cancel);
    let carrier = if of_invite { of_trunk(request, flow, around) } else { None };
    let tenant = || around.domains.tenant(around.directory, flow.remote, request).map(|company| company.brand);
    carrier.or_else(tenant).map(|brand| around.shards.of_brand(brand))
}

/// The brand whose carrier calls: by the line token that is called, else by where it comes from. Where a source is of
/// several brands, the number called says which, as it does for who admits the call; a number of none is anybody's.
fn of_trunk(request: &Message, flow: &Flow, around: &Around<'_>) -> Option<BrandId> {
    let called = request.request_uri().and_then(|uri| uri.user().and_then(|user| around.lines.brand(user)));
    if called.is_some() {
        return called;
    }
    let trunks = around.directory.trunks_at(flow.remote.ip(), flow.local);
    let first = trunks.first().filter(|_| around.directory.account_by_address(flow.remote).is_none())?.brand;
    if trunks.iter().all(|trunk| trunk.brand == first) {
        return Some(first);
    }
    admission::called(around.directory, &trunks, request, false).map_or(Some(first), |found| Some(found.trunk.brand))
}

/// The line tokens of every trunk of the node that registers, with its brand: a shard has lines of its own brands only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines(BTreeMap<String, BrandId>);

impl Lines {
    /// As the directory has them.
    #[must_use]
    pub fn of(directory: &Directory) -> Lines {
        let registering = directory.trunks().filter(|trunk| trunk.enabled && trunk.registration.is_some());
        Lines(registering.map(|trunk| (sip_trunk::line_token(trunk), trunk.brand)).collect())
    }

    fn brand(&self, user: &str) -> Option<BrandId> {
        self.0.get(user).copied()
    }
}

#[cfg(test)]
#[path = "owner_tests.rs"]
mod tests;
