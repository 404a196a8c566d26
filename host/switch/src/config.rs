//! What a shard is told once, when it starts.

use call::Listener;
use core::time::Duration;
use model::{DigestAlgorithm, Limits};

/// The configuration of one shard.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// The limits.
    pub limits: Limits,
    /// Where SIP is received; the first of a transport and address family is used to send from.
    pub listeners: Vec<Listener>,
    /// The company domain that stands in where a peer uses one of our addresses for a domain.
    pub default_domain: Option<String>,
    /// Server and User-Agent header; empty for none.
    pub server_name: String,
    /// RFC 3261 T1, the round-trip estimate.
    pub t1: Duration,
    /// RFC 3261 T2, the longest retransmission interval.
    pub t2: Duration,
    /// RFC 3261 T4, how long a message may stay in the network.
    pub t4: Duration,
    /// What digest challenges offer, in this order.
    pub digest: Vec<DigestAlgorithm>,
    /// How long a digest nonce is good for.
    pub nonce_ttl: Duration,
    /// How long a media port rests after its stream closed, so that late packets reach nobody.
    pub port_rest: Duration,
}

impl Default for CoreConfig {
    fn default() -> Self {
        CoreConfig {
            limits: Limits::default(),
            listeners: Vec::new(),
            default_domain: None,
            server_name: "Strowger".to_owned(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            nonce_ttl: Duration::from_secs(300),
            port_rest: Duration::from_secs(2),
        }
    }
}
