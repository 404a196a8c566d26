//! One UDP listener: many datagrams per wake-up under load, one receive per datagram without.

use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;

/// Most datagrams taken from one listener before the others have their turn.
const BURST_MAX: u32 = 64;

/// Most turns of one datagram before it is tried again whether there are two.
const PATIENCE_MAX: u32 = 64;

/// # Invariants
/// `1 <= burst <= BURST_MAX` and `1 <= patience <= PATIENCE_MAX`.
#[derive(Debug)]
pub(crate) struct UdpListener {
    socket: UdpSocket,
    /// Doubles while the socket always has more, halves when it runs dry: at low rates the one datagram that woke us
    /// is taken without a second receive that finds nothing.
    burst: u32,
    left: u32,
    /// So many turns of one datagram go by before a second is looked for; doubles each time there was none.
    patience: u32,
    /// How many of them are to come.
    wait: u32,
}

impl UdpListener {
    pub(crate) fn new(socket: UdpSocket) -> UdpListener {
        UdpListener { socket, burst: 1, left: 0, patience: 1, wait: 0 }
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// The listener's turn begins.
    pub(crate) fn begin(&mut self) {
        self.left = self.burst;
    }

    /// The turn ends with a datagram: there may be more.
    fn filled(&mut self) {
        if self.burst > 1 {
            self.patience = 1;
        } else if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        self.burst = (self.burst * 2).min(BURST_MAX);
    }

    /// The next datagram of this turn.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        while self.left > 0 {
            self.left -= 1;
            match self.socket.recv_from(buffer) {
                Ok(got) => {
                    if self.left == 0 {
                        self.filled();
                    }
                    return Some(got);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.burst = (self.burst / 2).max(1);
                    self.left = 0;
                    if self.burst == 1 {
                        self.patience = (self.patience * 2).min(PATIENCE_MAX);
                        self.wait = self.patience;
                    }
                }
                // An ICMP error of an earlier send: reading took it off the socket, the next datagram may be fine.
                Err(_) => {}
            }
        }
        None
    }
}
