//! Every id is a newtype, so that one cannot be passed for another.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )*};
}
row_id! {
    /// A brand's row: a reseller, the unit of isolation.
    BrandId;
    /// A company's row: a client of a brand, the tenant of a call.
    CompanyId;
    /// An account's row: one set of SIP credentials of a company.
    AccountId;
    /// An extension's row: a short number of a company.
    ExtensionId;
    /// A DDI's row: a public number of a company.
    DdiId;
    /// A trunk's row: a link of a brand to a carrier.
    TrunkId;
    /// A translation set's row: how a carrier writes numbers.
    TranslationSetId;
    /// A plugin version's row.
    PluginId;
    /// A binding's row: scope x plugin x point.
    BindingId;
    /// A rule's row: a named match list, schedule, calendar, call filter or call ACL of a company.
    RuleId;
    /// A routing pattern's row: numbers of a brand that begin alike.
    RoutePatternId;
    /// A routing group's row: patterns under one name.
    RouteGroupId;
    /// A routing tag's row: what is dialled before a number for other routes.
    RouteTagId;
    /// An outgoing route's row: a way out of a brand.
    OutgoingRouteId;
}

macro_rules! shard_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )*};
}
shard_id! {
    /// One question asked of the plugin chain; never reused within a shard.
    Ticket;
    /// One running call-app instance; never reused by a process: the upper eight bits are its shard's number.
    AppId;
    /// One verb of a call app that waits for its reply; counted up by the app's side.
    RequestId;
    /// One bound RTP/RTCP port pair; an index into the shard's port table.
    MediaPortId;
}

/// One call: unique across shards, nodes and restarts, printed as 32 hex digits. It is a UUID of version 7 (RFC 9562): the
/// millisecond in which the call began, then 74 random bits. So what is kept by call stands in the order of time, and
/// records of one minute lie together in the database's indexes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

impl CallId {
    /// The id of a call that begins now.
    #[must_use]
    pub fn begun(now: crate::Instant, random: u128) -> CallId {
        const VERSION: u128 = 0x7 << 76;
        const VARIANT: u128 = 0x2 << 62;
        const RANDOM: u128 = (0xfff << 64) | ((1 << 62) - 1);
        let milliseconds = u128::from(now.unix_millis()) << 80;
        CallId(milliseconds | VERSION | VARIANT | (random & RANDOM))
    }

    /// The id as UUIDs are written: groups of 8, 4, 4, 4 and 12 digits.
    #[must_use]
    pub fn as_uuid(self) -> String {
        let (high, low) = (self.0 >> 64, self.0 & u128::from(u64::MAX));
        let group = |part: u128, shift: u32, bits: u32| (part >> shift) & ((1 << bits) - 1);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            group(high, 32, 32),
            group(high, 16, 16),
            group(high, 0, 16),
            group(low, 48, 16),
            group(low, 0, 48)
        )
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

impl core::str::FromStr for CallId {
    type Err = core::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(CallId)
    }
}

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::CallId;
    use crate::Instant;

    #[test]
    fn a_call_is_named_by_the_time_it_began() {
        let at = |ms: u64| Instant::from_unix_nanos(ms * 1_000_000 + 999);
        // RFC 9562 appendix A.6.
        let id = CallId::begun(at(0x017f_22e2_79b0), (0xcc3 << 64) | 0x18c4_dc0c_0c07_398f);
        assert_eq!(id.as_uuid(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(id.to_string(), id.as_uuid().replace('-', ""));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(CallId::begun(at(2), 0) > CallId::begun(at(1), u128::MAX));
    }
}
