//! One UDP listener: many datagrams per wake-up under load, one receive per datagram without.

use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;

/// Most datagrams taken from one listener before the others have their turn.
const BURST_MAX: u32 = 64;

/// # Invariants
/// `1 <= burst <= BURST_MAX`.
#[derive(Debug)]
pub(crate) struct UdpListener {
    socket: UdpSocket,
    /// Doubles while the socket always has more, halves when it runs dry: at low rates the one datagram that woke us
    /// is taken without a second receive that finds nothing.
    burst: u32,
    left: u32,
}

impl UdpListener {
    pub(crate) fn new(socket: UdpSocket) -> UdpListener {
        UdpListener { socket, burst: 1, left: 0 }
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// The listener's turn begins.
    pub(crate) fn begin(&mut self) {
        self.left = self.burst;
    }

    /// The next datagram of this turn.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        while self.left > 0 {
            self.left -= 1;
            match self.socket.recv_from(buffer) {
                Ok(got) => {
                    if self.left == 0 {
                        self.burst = (self.burst * 2).min(BURST_MAX);
                    }
                    return Some(got);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.burst = (self.burst / 2).max(1);
                    self.left = 0;
                }
                // An ICMP error of an earlier send: reading took it off the socket, the next datagram may be fine.
                Err(_) => {}
            }
        }
        None
    }
}
