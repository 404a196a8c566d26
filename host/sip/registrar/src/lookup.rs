//! Who is where: the bindings of an account, the one to try of each device, and the device behind a GRUU.

use crate::binding::Held;
use crate::{Binding, Registrar};
use core::cmp::Reverse;
use model::{AccountId, Instant};
use std::borrow::Cow;

/// What a GRUU stands for (RFC 5627 section 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GruuTarget {
    /// The account.
    pub account: AccountId,
    /// The URN of its device.
    pub urn: String,
}

impl Registrar {
    fn alive(&self, account: AccountId, now: Instant) -> Vec<&Held> {
        let mut alive: Vec<&Held> = self.held(account).iter().filter(|h| h.binding.expires_at > now).collect();
        alive.sort_by_key(|h| (Reverse(h.binding.q), Reverse(h.number)));
        alive
    }

    /// The bindings of an account that have time left: by q, then the newest first.
    #[must_use]
    pub fn bindings(&self, account: AccountId, now: Instant) -> Vec<&Binding> {
        self.alive(account, now).into_iter().map(|h| &h.binding).collect()
    }

    /// The bindings of an account to try at once: of each device the newest only (RFC 5626 section 7), in the order of
    /// [`Registrar::bindings`].
    #[must_use]
    pub fn targets(&self, account: AccountId, now: Instant) -> Vec<&Binding> {
        let alive = self.alive(account, now);
        let newest = |h: &&Held| match &h.binding.instance {
            None => true,
            Some(i) => !alive.iter().any(|other| other.number > h.number && other.binding.is_of(&i.urn)),
        };
        alive.iter().filter(|h| newest(h)).map(|h| &h.binding).collect()
    }

    /// The bindings of one device of an account, the newest first: if one fails, the next is tried (RFC 5626 section 7).
    #[must_use]
    pub fn device(&self, account: AccountId, urn: &str, now: Instant) -> Vec<&Binding> {
        let mut alive = self.alive(account, now);
        alive.retain(|h| h.binding.is_of(urn));
        alive.sort_by_key(|h| Reverse(h.number));
        alive.into_iter().map(|h| &h.binding).collect()
    }

    /// The next flow of the device that `contact` was one of; `None` if there is none or the phone names no device.
    #[must_use]
    pub fn next_flow(&self, account: AccountId, urn: &str, tried: &[String], now: Instant) -> Option<&Binding> {
        self.device(account, urn, now).into_iter().find(|b| !tried.contains(&b.contact))
    }

    /// The device behind a temporary GRUU's user part; `None` if we never gave it out or it is good no more.
    #[must_use]
    pub fn temporary_gruu(&self, user: &str, now: Instant) -> Option<GruuTarget> {
        let (account, epoch) = self.gruus.open(user)?;
        let alive = self.alive(account, now);
        let urn = alive.iter().find_map(|h| h.binding.instance.as_deref().filter(|i| i.epoch == epoch))?.urn.clone();
        Some(GruuTarget { account, urn })
    }

    /// The device that a public GRUU's `gr` parameter names.
    #[must_use]
    pub fn public_gruu(account: AccountId, gr: &str) -> GruuTarget {
        let urn: Cow<'_, str> = sip_message::unescape(gr);
        GruuTarget { account, urn: urn.into_owned() }
    }
}
