//! Loops (section 16.3 step 4 as RFC 5393 section 4 has it) and how wide a fork may be (RFC 5393 section 5).
//!
//! Our branches end in a hash of what decides where a request goes. If one of ours is in the Vias of a request with the
//! same hash, the request has come round unchanged; with another it spirals, and may.

use core::hash::Hasher;
use core::net::SocketAddr;
use sip_message::{Message, Name};
use std::hash::DefaultHasher;

/// The hash of what decides about the way of `request`.
pub(crate) fn hash(request: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.write(bytes);
        hasher.write_u8(b'\n');
    };
    add(request.request_uri_str().unwrap_or_default().as_bytes());
    add(request.call_id().unwrap_or_default().as_bytes());
    add(request.from().ok().and_then(|from| from.tag()).unwrap_or_default().as_bytes());
    add(request.header(Name::CSeq).map(|value| value.as_bytes()).unwrap_or_default());
    for value in request.headers(Name::Route) {
        add(value.as_bytes());
    }
    for value in request.headers(Name::ProxyRequire) {
        add(value.as_bytes());
    }
    hasher.finish()
}

/// The branch of a request that we send on: `base` is the transaction layer's.
pub(crate) fn branch(mut base: String, hash: u64) -> String {
    base.push('.');
    for digit in (0..16).rev() {
        let four = (hash >> (4 * digit)) & 15;
        base.push(char::from_digit(four as u32, 16).unwrap_or('0'));
    }
    base
}

/// Whether `request` has been here before and would go the same way: 482.
#[must_use]
pub fn is_loop(request: &Message, own: impl Fn(SocketAddr) -> bool) -> bool {
    let mut known = None;
    request.vias().flatten().any(|via| {
        // Most branches are no proxy's, which is seen sooner than whose they are.
        let Some((_, tail)) = via.branch().and_then(|branch| branch.rsplit_once('.')) else { return false };
        let Some(ip) = via.host_ip() else { return false };
        if !own(SocketAddr::new(ip, via.port().unwrap_or(5060))) {
            return false;
        }
        let hash = *known.get_or_insert_with(|| hash(request));
        u64::from_str_radix(tail, 16) == Ok(hash)
    })
}

/// The breadth a request brings (RFC 5393 section 5.3.3).
pub(crate) fn breadth(request: &Message, default: u32) -> u32 {
    request.header(Name::MaxBreadth).map_or(default, |value| value.number().unwrap_or(default))
}
