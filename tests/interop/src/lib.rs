//! The real binary against real phones: what interoperability tests and loads are made of.
//!
//! [`Switch`] starts `strowger demo` or `serve` on free ports with a folder of its own, [`Office`] one with a company and
//! every transport. [`Phone`] is a baresip, [`Linphone`] a linphone, [`Pjsua`] a PJSIP, [`Browser`] a Chromium with JsSIP, [`Sipp`] a sipp,
//! [`Ua`] a phone of our own for what those cannot say. [`audio`] makes sounds and finds them again in
//! recordings. Nothing sleeps to be lucky: everything waits for the thing itself, for at most [`PATIENCE`]. Only
//! processes that were started here are ended, by their id, and always.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

pub mod audio;
mod browser;
mod certificate;
mod child;
mod forward;
mod linphone;
mod missing;
mod office;
mod phone;
mod pjsip;
mod rest;
mod sipp;
mod switch;
mod ua;

pub use browser::{Browser, jssip};
pub use certificate::Certificate;
pub use child::{Child, CpuTime, Usage};
pub use forward::{Fates, Forwarder};
pub use linphone::Linphone;
pub use missing::present;
pub use office::{DOMAIN, Office, PASSWORD};
pub use phone::{Phone, Sip};
pub use pjsip::{Pjsua, score};
pub use rest::{Answer, Rest};
pub use sipp::{Figures, Sipp};
pub use switch::{Run, Switch, binary};
pub use ua::{Dialog, Message, Ua, sdp};

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The guest that misbehaves as it is configured to.
pub const CHEAT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cheat.wasm"));

/// The hostile router and app.
pub const HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile.wasm"));

/// How long a test waits for what must come: it fails by this, and never decides by it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until there is something; what it waits for comes from other processes, which tell nobody.
///
/// # Panics
/// When it does not come.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_or(what, look, String::new)
}

/// The same, with an explanation for when it does not come.
///
/// # Panics
/// When it does not come.
pub fn until_or<T>(what: &str, look: impl FnMut() -> Option<T>, explain: impl FnOnce() -> String) -> T {
    within(PATIENCE, what, look, explain)
}

/// The same, with more patience: for what must not come earlier.
///
/// # Panics
/// When it does not come.
pub fn within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    explain: impl FnOnce() -> String,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        if begun.elapsed() >= patience {
            panic!("it never came: {what}\n{}", explain());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Where free ports are looked for: below those that the system gives to whoever asks for any, which might give one away
/// between the look and the listening.
const PORTS: std::ops::Range<u16> = 25_000..30_000;

/// A UDP and TCP port of this address that was free a moment ago.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port(ip: std::net::IpAddr) -> u16 {
    let span = PORTS.end - PORTS.start;
    let begin = (RandomState::new().hash_one(()) % u64::from(span)) as u16;
    for n in 0..span {
        let port = PORTS.start + (begin + n) % span;
        if std::net::TcpListener::bind((ip, port)).is_ok() && std::net::UdpSocket::bind((ip, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for UDP and TCP")
}
