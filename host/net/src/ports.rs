//! RTP/RTCP port pairs, bound ahead: an even port for RTP, the next for RTCP (RFC 3550 section 11).

use crate::config::{MediaConfig, MediaPair, PortRange};
use crate::{NetError, socket};
use core::net::{IpAddr, SocketAddr};
use model::{MediaPortId, Shards};
use std::io;
use std::net::UdpSocket;

/// Tries of the ephemeral mode per pair: about half fail because the kernel's port is odd or its neighbour is taken.
const EPHEMERAL_TRIES: usize = 64;

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    pub(crate) public: MediaPair,
}

/// The media ports of one shard.
///
/// # Invariants
/// The pair at index `i` has the id `MediaPortId(i)`; RTP ports are even and RTCP is the port after.
#[derive(Debug, Default)]
pub struct PortPool {
    pub(crate) pairs: Vec<Pair>,
}

impl PortPool {
    /// Binds every pair of every address. In a range, taken ports are passed over while enough others are left.
    ///
    /// # Errors
    /// [`NetError`] that names the address, the port and what to do.
    pub fn bind(configs: &[MediaConfig]) -> Result<PortPool, NetError> {
        let mut pool = PortPool::default();
        for config in configs {
            match config.ports {
                PortRange::Range { first, last } => pool.bind_range(config, first, last)?,
                PortRange::Ephemeral => pool.bind_ephemeral(config)?,
            }
        }
        Ok(pool)
    }

    /// The pairs dealt out to so many shards, as evenly as they go.
    #[must_use]
    pub fn dealt(self, shards: Shards) -> Vec<PortPool> {
        let mut pools: Vec<PortPool> = Shards::all(shards.count()).map(|_| PortPool::default()).collect();
        let count = pools.len();
        for (at, pair) in self.pairs.into_iter().enumerate() {
            if let Some(pool) = pools.get_mut(at % count) {
                let public = MediaPair { id: MediaPortId(pool.pairs.len() as u64), ..pair.public };
                pool.pairs.push(Pair { public, ..pair });
            }
        }
        pools
    }

    /// The pairs as peers reach them, by id.
    pub fn pairs(&self) -> impl Iterator<Item = MediaPair> + '_ {
        self.pairs.iter().map(|p| p.public)
    }

    /// How many pairs are bound.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether the pool has no pair: signalling only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn bind_range(&mut self, config: &MediaConfig, first: u16, last: u16) -> Result<(), NetError> {
        let start = u32::from(first) + u32::from(first % 2);
        let evens = (start..u32::from(last)).step_by(2);
        if evens.len() < config.pairs {
            return Err(NetError::MediaRange { first, last, holds: evens.len(), wanted: config.pairs });
        }
        let (mut bound, mut taken) = (0, None);
        for port in evens.filter_map(|p| u16::try_from(p).ok()) {
            if bound == config.pairs {
                break;
            }
            match self.bind_pair(config, port) {
                Ok(()) => bound += 1,
                Err((address, e)) if e.kind() == io::ErrorKind::AddrInUse => {
                    taken.get_or_insert(address);
                }
                Err((_, source)) => return Err(NetError::Media { address: config.bind, source }),
            }
        }
        match taken {
            Some(address) if bound < config.pairs => {
                Err(NetError::MediaPortTaken { address, wanted: config.pairs, bound })
            }
            _ => Ok(()),
        }
    }

    fn bind_ephemeral(&mut self, config: &MediaConfig) -> Result<(), NetError> {
        for _ in 0..config.pairs {
            let mut last_error = io::Error::from(io::ErrorKind::AddrInUse);
            let found = (0..EPHEMERAL_TRIES).any(|_| self.bind_free_pair(config).map_err(|e| last_error = e).is_ok());
            if !found {
                return Err(NetError::Media { address: config.bind, source: last_error });
            }
        }
        Ok(())
    }

    fn bind_free_pair(&mut self, config: &MediaConfig) -> io::Result<()> {
        let one = socket::udp_media(SocketAddr::new(config.bind, 0), config.dscp)?;
        let port = one.local_addr()?.port();
        // XOR 1: the RTCP port above an even one, the RTP port below an odd one.
        let other = socket::udp_media(SocketAddr::new(config.bind, port ^ 1), config.dscp)?;
        if port.is_multiple_of(2) {
            self.push(config, one, other, port)
        } else {
            self.push(config, other, one, port ^ 1)
        }
        Ok(())
    }

    fn bind_pair(&mut self, config: &MediaConfig, port: u16) -> Result<(), (SocketAddr, io::Error)> {
        let open = |port| {
            let address = SocketAddr::new(config.bind, port);
            socket::udp_media(address, config.dscp).map_err(|e| (address, e))
        };
        let (rtp, rtcp) = (open(port)?, open(port + 1)?);
        self.push(config, rtp, rtcp, port);
        Ok(())
    }

    fn push(&mut self, config: &MediaConfig, rtp: UdpSocket, rtcp: UdpSocket, port: u16) {
        let ip: IpAddr =
            config.advertised.unwrap_or_else(|| socket::reachable(SocketAddr::new(config.bind, port)).ip());
        let public = MediaPair {
            id: MediaPortId(self.pairs.len() as u64),
            rtp: SocketAddr::new(ip, port),
            rtcp: SocketAddr::new(ip, port + 1),
        };
        self.pairs.push(Pair { rtp, rtcp, public });
    }
}
