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
    /// One running call-app instance; never reused within a shard.
    AppId;
    /// One verb of a call app that waits for its reply; counted up by the app's side.
    RequestId;
    /// One bound RTP/RTCP port pair; an index into the shard's port table.
    MediaPortId;
}

/// One call: unique across shards, nodes and restarts (128 random bits), printed as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

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
