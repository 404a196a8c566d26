//! What to bind, what was bound, and what was counted.

use crate::Dscp;
use crate::tls::{TlsFailure, TlsMaterial};
use core::net::{IpAddr, SocketAddr};
use model::{Cidr, MediaPortId, Shards, Transport};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One SIP listener to open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// The transport.
    pub transport: Transport,
    /// The address and port to bind. Port 0 takes a free one.
    pub bind: SocketAddr,
    /// What peers reach it by, if that differs: the address a NAT or load balancer shows. Port 0 means the bound one.
    #[serde(default)]
    pub advertised: Option<SocketAddr>,
}

/// A SIP listener that is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundListener {
    /// The transport.
    pub transport: Transport,
    /// The address the kernel gave it.
    pub bound: SocketAddr,
    /// The address peers reach it by; [`model::Flow::local`] of what comes in here from outside.
    pub advertised: SocketAddr,
    /// What the peers of a network on our side of the NAT reach it by.
    pub inside: Vec<(Cidr, SocketAddr)>,
}

impl BoundListener {
    /// The address by which a peer at `remote` reaches this listener.
    #[must_use]
    pub fn towards(&self, remote: SocketAddr) -> SocketAddr {
        let inside = self.inside.iter().find(|(net, _)| net.contains(remote.ip()));
        inside.map_or(self.advertised, |(_, address)| *address)
    }

    /// Whether `local` is one of the addresses that this listener is known by.
    #[must_use]
    pub fn is_at(&self, local: SocketAddr) -> bool {
        self.advertised == local || self.inside.iter().any(|(_, address)| *address == local)
    }
}

/// What else the sockets of a shard are opened with.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Certificates and authorities; without them no TLS in and none out.
    pub tls: Option<TlsMaterial>,
    /// The networks on our side of the NAT: their peers are told a listener's own address, not the advertised one.
    pub local_nets: Vec<Cidr>,
    /// The origins whose pages may open a WebSocket; none = every origin.
    pub ws_origins: Vec<String>,
    /// Whose sockets they are: where there are several shards each opens its own for the same listeners.
    pub shards: Shards,
    /// The mark of signalling.
    pub signalling: Dscp,
}

impl Default for Surroundings {
    fn default() -> Self {
        Surroundings {
            tls: None,
            local_nets: Vec::new(),
            ws_origins: Vec::new(),
            shards: Shards::ALONE,
            signalling: Dscp::CS3,
        }
    }
}

/// Certificates for what comes in and authorities for what goes out. Files are PEM.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsConfig {
    /// One per domain; the first is also for a peer that names no domain, or an unknown one.
    pub certificates: Vec<TlsCertificate>,
    /// Whether peers that connect must show a certificate.
    pub client_certificates: ClientCertificates,
    /// The authorities of those certificates.
    pub client_ca: Option<PathBuf>,
    /// The authorities of the peers that we connect to; none = the system's.
    pub ca: Option<PathBuf>,
}

/// A certificate chain and its key.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCertificate {
    /// The SIP domain it is shown for (SNI): `sip.example.com`, or `*.example.com` for every name below it.
    pub domain: String,
    /// The chain, the domain's own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whether peers that connect by TLS must show a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; one that is shown must be good.
    Request,
    /// No connection without a good one.
    Require,
}

/// Where media ports come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum PortRange {
    /// Even ports from `first` on carry RTP, the odd port after each carries RTCP, up to `last`.
    Range {
        /// The lowest port.
        first: u16,
        /// The highest port.
        last: u16,
    },
    /// Whatever the kernel gives: for tests and for several switches on one machine.
    Ephemeral,
}

/// The media ports of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaConfig {
    /// The address to bind.
    pub bind: IpAddr,
    /// The address to write into session descriptions, if it differs.
    #[serde(default)]
    pub advertised: Option<IpAddr>,
    /// Which ports.
    pub ports: PortRange,
    /// How many pairs to bind.
    pub pairs: usize,
    /// The mark of RTP and RTCP.
    pub dscp: Dscp,
}

/// One bound RTP/RTCP pair, as peers reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaPair {
    /// Names the pair; an index that counts up from 0.
    pub id: MediaPortId,
    /// The advertised RTP address; its port is even.
    pub rtp: SocketAddr,
    /// The advertised RTCP address; the port after it.
    pub rtcp: SocketAddr,
}

/// Which socket of a pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PacketKind {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// What the sockets of one shard have done since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NetCounters {
    /// SIP messages received.
    pub received: ByTransport,
    /// SIP messages sent.
    pub sent: ByTransport,
    /// Datagrams the kernel would not take.
    pub udp_send_failed: u64,
    /// STUN binding requests answered on SIP's own ports.
    pub stun_answered: u64,
    /// Datagrams that were a keep-alive or nothing at all.
    pub keepalives: u64,
    /// TLS handshakes that ended well.
    pub tls_handshakes: u64,
    /// TLS connections that failed, by reason.
    pub tls_failed: TlsFailures,
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections turned away because of a limit.
    pub turned_away: u64,
    /// Connections closed because the peer broke the framing or a limit.
    pub misbehaved: u64,
    /// Connections that could not be opened.
    pub connects_failed: u64,
    /// RTP and RTCP packets received.
    pub media_received: u64,
    /// RTP and RTCP packets sent.
    pub media_sent: u64,
    /// RTP and RTCP packets the kernel would not take.
    pub media_send_failed: u64,
}

impl NetCounters {
    /// The counts of all shards together.
    #[must_use]
    pub fn of_all(shards: impl IntoIterator<Item = NetCounters>) -> NetCounters {
        shards.into_iter().reduce(NetCounters::plus).unwrap_or_default()
    }

    fn plus(mut self, other: NetCounters) -> NetCounters {
        /// Does not compile when a field is forgotten.
        macro_rules! add {
            ($($field:ident),*) => {
                let NetCounters { received: _, sent: _, tls_failed: _, $($field),* } = other;
                $(self.$field += $field;)*
            };
        }
        add!(
            udp_send_failed,
            stun_answered,
            keepalives,
            tls_handshakes,
            connections,
            accepted,
            turned_away,
            misbehaved,
            connects_failed,
            media_received,
            media_sent,
            media_send_failed
        );
        self.received.add(other.received);
        self.sent.add(other.sent);
        self.tls_failed.add(other.tls_failed);
        self
    }
}

/// A count for each transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByTransport([u64; Transport::ALL.len()]);

impl ByTransport {
    /// Transport and count.
    pub fn iter(&self) -> impl Iterator<Item = (Transport, u64)> + '_ {
        Transport::ALL.into_iter().zip(self.0)
    }

    /// The count of one.
    #[must_use]
    pub fn get(&self, transport: Transport) -> u64 {
        self.0[transport as usize]
    }

    pub(crate) fn of(&mut self, transport: Transport) -> &mut u64 {
        &mut self.0[transport as usize]
    }

    fn add(&mut self, other: ByTransport) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, others)| *mine += others);
    }
}

/// TLS connections that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TlsFailures {
    /// No version or cipher suite in common.
    pub nothing_in_common: u64,
    /// The peer's certificate is for another name.
    pub wrong_name: u64,
    /// The peer's certificate is not trusted.
    pub untrusted: u64,
    /// The peer shows no certificate and must.
    pub no_certificate: u64,
    /// The peer gave up: it may not trust ours.
    pub alert: u64,
    /// What it sends is no TLS.
    pub garbled: u64,
    /// The handshake took too long.
    pub late: u64,
    /// Anything else.
    pub other: u64,
}

impl TlsFailures {
    /// Name and count.
    #[must_use]
    pub fn each(&self) -> [(&'static str, u64); 8] {
        [
            ("nothing_in_common", self.nothing_in_common),
            ("wrong_name", self.wrong_name),
            ("untrusted", self.untrusted),
            ("no_certificate", self.no_certificate),
            ("alert", self.alert),
            ("garbled", self.garbled),
            ("late", self.late),
            ("other", self.other),
        ]
    }

    fn add(&mut self, other: TlsFailures) {
        let TlsFailures { nothing_in_common, wrong_name, untrusted, no_certificate, alert, garbled, late, other } =
            other;
        self.nothing_in_common += nothing_in_common;
        self.wrong_name += wrong_name;
        self.untrusted += untrusted;
        self.no_certificate += no_certificate;
        self.alert += alert;
        self.garbled += garbled;
        self.late += late;
        self.other += other;
    }

    pub(crate) fn count(&mut self, failure: TlsFailure) {
        let count = match failure {
            TlsFailure::NothingInCommon => &mut self.nothing_in_common,
            TlsFailure::WrongName => &mut self.wrong_name,
            TlsFailure::Untrusted => &mut self.untrusted,
            TlsFailure::NoCertificate => &mut self.no_certificate,
            TlsFailure::Alert => &mut self.alert,
            TlsFailure::Garbled => &mut self.garbled,
            TlsFailure::Late => &mut self.late,
            TlsFailure::Other => &mut self.other,
        };
        *count += 1;
    }
}
