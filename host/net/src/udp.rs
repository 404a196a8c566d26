//! One UDP listener: many datagrams per wake-up under load, one receive per datagram without.

use core::net::SocketAddr;
use core::time::Duration;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::SystemTime;

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
    /// Whether the kernel notes when datagrams come.
    stamped: bool,
    /// How long the oldest datagram had lain in the socket when it was last looked at; nothing since it was dry.
    waited: Duration,
}

impl UdpListener {
    pub(crate) fn new(socket: UdpSocket) -> UdpListener {
        UdpListener { socket, burst: 1, left: 0, patience: 1, wait: 0, stamped: false, waited: Duration::ZERO }
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// The listener's turn begins.
    pub(crate) fn begin(&mut self) {
        self.left = self.burst;
    }

    /// How long what is in the socket has waited: a queue that the shard does not see, but whose length is its callers'.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Nothing is in the socket: its last turn took everything.
    pub(crate) fn is_dry(&mut self) {
        self.waited = Duration::ZERO;
    }

    /// Takes a datagram and notes how long it lay there. It is asked once in a turn, and only of a socket that always has
    /// more: a call of its own, and the kernel's stamps, cost nothing else.
    fn receive_stamped(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut into = [IoSliceMut::new(buffer)];
        let got =
            recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut into, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
        let stamp = got.cmsgs()?.find_map(|message| {
            if let ControlMessageOwned::ScmTimestampns(at) = message { Some(Duration::from(at)) } else { None }
        });
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.waited = stamp.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        let from = got.address.as_ref().and_then(|a| {
            let four = a.as_sockaddr_in().map(|a| SocketAddr::from(core::net::SocketAddrV4::from(*a)));
            four.or_else(|| a.as_sockaddr_in6().map(|a| SocketAddr::from(core::net::SocketAddrV6::from(*a))))
        });
        from.map(|from| (got.bytes, from)).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// The next datagram, with its stamp where this is the first of a long turn.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        if self.burst == BURST_MAX && self.left + 1 == BURST_MAX {
            if !self.stamped {
                // Where the kernel refuses, nothing is ever said to have waited.
                let _unstamped = setsockopt(&self.socket, sockopt::ReceiveTimestampns, &true);
                self.stamped = true;
            }
            return self.receive_stamped(buffer);
        }
        self.socket.recv_from(buffer)
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
            match self.take(buffer) {
                Ok(got) => {
                    if self.left == 0 {
                        self.filled();
                    }
                    return Some(got);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.burst = (self.burst / 2).max(1);
                    self.left = 0;
                    self.waited = Duration::ZERO;
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
