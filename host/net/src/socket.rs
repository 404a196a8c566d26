//! Makes sockets: non-blocking, IPv6 without the IPv4-mapped half, marked for the network's priority queues.

use crate::Dscp;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use model::Cidr;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{TcpListener, UdpSocket};

/// Receive and send buffer asked for on a SIP listener; the kernel gives less where `net.core.rmem_max` says so.
const SIP_BUFFER: usize = 4 << 20;
/// Receive buffer asked for on a media socket: 100 packets of 20 ms and some.
const MEDIA_BUFFER: usize = 256 << 10;

fn open(address: SocketAddr, kind: Type, protocol: Protocol, dscp: Dscp) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    // The mark is a wish: a container may forbid it, and the call works without.
    let _marked = match address {
        SocketAddr::V4(_) => socket.set_tos_v4(dscp.class()),
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_tclass_v6(dscp.class())
        }
    };
    Ok(socket)
}

/// Fails where somebody has this address, whether or not they would share it. A node whose shards share its listeners
/// must ask: else a second node on the same address would be given half of its messages instead of an error.
pub(crate) fn is_free(address: SocketAddr, stream: bool) -> io::Result<()> {
    let (kind, protocol) = if stream { (Type::STREAM, Protocol::TCP) } else { (Type::DGRAM, Protocol::UDP) };
    let socket = open(address, kind, protocol, Dscp::CS3)?;
    if stream {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}

/// `shared`: the other shards of this node open the same.
pub(crate) fn udp_sip(address: SocketAddr, shared: bool, dscp: Dscp) -> io::Result<UdpSocket> {
    let socket = open(address, Type::DGRAM, Protocol::UDP, dscp)?;
    socket.set_reuse_port(shared)?;
    let _sized = socket.set_recv_buffer_size(SIP_BUFFER).and_then(|()| socket.set_send_buffer_size(SIP_BUFFER));
    socket.bind(&address.into())?;
    Ok(socket.into())
}

pub(crate) fn udp_media(address: SocketAddr, dscp: Dscp) -> io::Result<UdpSocket> {
    let socket = open(address, Type::DGRAM, Protocol::UDP, dscp)?;
    let _sized = socket.set_recv_buffer_size(MEDIA_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// `shared`: the other shards of this node open the same.
pub(crate) fn tcp_listener(address: SocketAddr, shared: bool, dscp: Dscp) -> io::Result<TcpListener> {
    let socket = open(address, Type::STREAM, Protocol::TCP, dscp)?;
    // So that a restart does not wait for the old connections' TIME-WAIT; it does not share a port that is listened on.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

/// Begins to connect; the socket becomes writable when it is decided.
pub(crate) fn tcp_connect(from: Option<IpAddr>, remote: SocketAddr, dscp: Dscp) -> io::Result<Socket> {
    let socket = open(remote, Type::STREAM, Protocol::TCP, dscp)?;
    if let Some(ip) = from.filter(|ip| !ip.is_unspecified() && ip.is_ipv4() == remote.is_ipv4()) {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    tune(&socket);
    match socket.connect(&remote.into()) {
        Ok(()) => Ok(socket),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Ok(socket),
        Err(e) => Err(e),
    }
}

/// No delay for small messages, and a probe that finds a peer that is gone without a word.
pub(crate) fn tune(socket: &Socket) {
    let probe = TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15));
    let _tuned = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&probe));
}

/// The address that the peers of each network reach a listener by: its own, or for a wildcard the one that this machine
/// uses towards them.
pub(crate) fn inside(bound: SocketAddr, nets: &[Cidr]) -> Vec<(Cidr, SocketAddr)> {
    let family = nets.iter().filter(|net| net.is_ipv4() == bound.is_ipv4());
    family.map(|net| (*net, towards(bound, host_of(net)))).collect()
}

/// An address of the network that a host may have: the first one names the network itself.
fn host_of(net: &Cidr) -> IpAddr {
    let (first, last) = net.range();
    let host = if last > first { first + 1 } else { first };
    match net.address() {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(host).unwrap_or(0)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(host).into(),
    }
}

/// The address of this machine that the peers of `net` see what is bound to `bind` by.
#[must_use]
pub fn address_towards(bind: IpAddr, net: &Cidr) -> IpAddr {
    towards(SocketAddr::new(bind, 0), host_of(net)).ip()
}

/// The address peers would reach a wildcard listener by: that of the default route. Nothing is sent.
pub(crate) fn reachable(bound: SocketAddr) -> SocketAddr {
    // Documentation addresses (RFC 5737, RFC 3849): routed like any other, and nobody's.
    towards(
        bound,
        match bound {
            SocketAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
            SocketAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        },
    )
}

/// The address by which somebody at `far` sees `bound`. Nothing is sent.
fn towards(bound: SocketAddr, far: IpAddr) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let (any, loopback): (IpAddr, IpAddr) = match bound {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
    };
    let found = UdpSocket::bind(SocketAddr::new(any, 0))
        .and_then(|socket| socket.connect(SocketAddr::new(far, 9)).and_then(|()| socket.local_addr()));
    SocketAddr::new(found.map_or(loopback, |a| a.ip()), bound.port())
}
