//! What a shard is told once, when it starts.

use admission::{Guard, GuardConfig, ShedderConfig};
use call::{Inside, Listener};
use core::net::SocketAddr;
use core::time::Duration;
use model::{DigestAlgorithm, Limits, Shards, Transport};
use sip_message::ParseLimits;
use std::sync::Arc;

/// The configuration of one shard.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// The limits.
    pub limits: Limits,
    /// Where SIP is received; the first of a transport and address family is used to send from.
    pub listeners: Vec<Listener>,
    /// Addresses of listeners that the peers of some networks know by another.
    pub inside: Vec<Inside>,
    /// The media address likewise; ports do not differ.
    pub inside_media: Vec<Inside>,
    /// What browsers know our certificate by, for DTLS; without one there is no WebRTC.
    pub certificate: Option<sdp::Fingerprint>,
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
    /// Whether phones are told of waiting messages without a subscription (message-summary NOTIFYs to bindings).
    pub unsolicited_mwi: bool,
    /// Who is listened to.
    pub guard: GuardConfig,
    /// When new work is refused.
    pub overload: ShedderConfig,
    /// Who makes decoders and encoders.
    pub codecs: Arc<dyn rtp::codec::Codecs>,
    /// How long a media port rests after its stream closed, so that late packets reach nobody.
    pub port_rest: Duration,
    /// Which of the node's shards this one is.
    pub shards: Shards,
}

/// What each floor is told of it.
impl CoreConfig {
    pub(crate) fn parse_limits(&self) -> ParseLimits {
        ParseLimits { message_bytes_max: self.limits.message_bytes_max, headers_max: self.limits.message_headers_max }
    }

    pub(crate) fn transactions(&self) -> sip_transaction::Config {
        sip_transaction::Config {
            t1: self.t1,
            t2: self.t2,
            t4: self.t4,
            transactions_max: self.limits.transactions_max,
            held_max: self.limits.filter_queue_max,
        }
    }

    pub(crate) fn dialogs(&self) -> sip_dialog::Config {
        sip_dialog::Config {
            t1: self.t1,
            t2: self.t2,
            user_agent: self.server_name.clone(),
            session_interval_s: self.limits.session_interval_s,
            session_min_se_s: self.limits.session_min_se_s,
            ..sip_dialog::Config::default()
        }
    }

    /// A guard, which is one of several where there are several shards.
    pub(crate) fn guard(&self) -> Guard {
        let guard = Guard::new(self.guard.clone());
        if self.shards.is_alone() { guard } else { guard.among_others() }
    }

    pub(crate) fn trunks(&self) -> sip_trunk::Config {
        sip_trunk::Config { user_agent: self.server_name.clone(), shards: self.shards, ..sip_trunk::Config::default() }
    }

    pub(crate) fn media(&self, prompts: media::Prompts) -> media::MediaConfig {
        media::MediaConfig {
            media_timeout: self.limits.media_timeout(),
            quarantine: self.port_rest,
            members_max: self.limits.room_members_max,
            prompts,
            codecs: Arc::clone(&self.codecs),
            ..media::MediaConfig::default()
        }
    }
}

/// Each UDP address of ours, with the TCP address of the same host.
pub(crate) fn streams(config: &CoreConfig) -> Vec<(SocketAddr, SocketAddr)> {
    let known = |transport: Transport| {
        let ours = config.listeners.iter().filter(move |l| l.transport == transport).map(|l| l.local);
        let inside = |local: SocketAddr| config.inside.iter().filter(move |i| i.outside == local).map(|i| i.inside);
        ours.flat_map(move |local| core::iter::once(local).chain(inside(local))).collect::<Vec<_>>()
    };
    let tcp = known(Transport::Tcp);
    let pair = |udp: SocketAddr| Some((udp, *tcp.iter().find(|t| t.ip() == udp.ip())?));
    known(Transport::Udp).into_iter().filter_map(pair).collect()
}

impl Default for CoreConfig {
    fn default() -> Self {
        CoreConfig {
            limits: Limits::default(),
            listeners: Vec::new(),
            inside: Vec::new(),
            inside_media: Vec::new(),
            certificate: None,
            default_domain: None,
            server_name: "Strowger".to_owned(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            nonce_ttl: Duration::from_secs(300),
            unsolicited_mwi: false,
            guard: GuardConfig::default(),
            overload: ShedderConfig::default(),
            codecs: Arc::new(rtp::codec::Own),
            port_rest: Duration::from_secs(2),
            shards: Shards::ALONE,
        }
    }
}
