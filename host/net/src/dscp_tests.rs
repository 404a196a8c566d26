//! Names and numbers, and what packets on the wire say.

use super::*;
use crate::{ListenerConfig, MediaConfig, Net, PacketKind, PortPool, PortRange, Surroundings, socket};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use model::{Flow, Instant, Limits, MediaPortId, Transmit, Transport};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::SockRef;
use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

const IPS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const NOW: Instant = Instant::from_unix_nanos(1);

#[test]
fn names_and_numbers() {
    for number in 0..=63 {
        let dscp = Dscp::new(number).unwrap();
        assert_eq!(dscp.to_string().parse(), Ok(dscp), "{dscp}");
        assert_eq!(number.to_string().parse(), Ok(dscp));
    }
    assert_eq!(Dscp::new(64), None);
    for (name, number) in [("ef", 46), ("EF", 46), ("cs0", 0), ("cs3", 24), ("CS5", 40), ("af31", 26), ("af41", 34)] {
        let dscp: Dscp = name.parse().unwrap();
        assert_eq!((dscp.0, dscp.to_string()), (number, name.to_lowercase()));
    }
    for none in ["", "64", "-1", "e", "eff", "cs8", "cs", "af01", "af44", "af5", "cs33", "\u{e4}f", "a\u{e4}1", "0x2e"]
    {
        let refused = none.parse::<Dscp>().unwrap_err().to_string();
        assert!(refused.starts_with(&format!("`{none}` is no DSCP")), "{refused}");
    }
}

/// A party that sees the class of what it receives.
fn party(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match ip {
        IpAddr::V4(_) => setsockopt(&socket, sockopt::IpRecvTos, &true).unwrap(),
        IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvTClass, &true).unwrap(),
    }
    socket
}

/// The next datagram and its class.
fn receive(socket: &UdpSocket) -> (Vec<u8>, i32) {
    let mut space = nix::cmsg_space!(i32);
    let mut buffer = [0; 100];
    let mut into = [IoSliceMut::new(&mut buffer)];
    let got = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut into, Some(&mut space), MsgFlags::empty()).unwrap();
    let class = got.cmsgs().unwrap().find_map(|message| {
        if let ControlMessageOwned::Ipv4Tos(class) = message {
            return Some(i32::from(class));
        }
        if let ControlMessageOwned::Ipv6TClass(class) = message { Some(class) } else { None }
    });
    let len = got.bytes;
    (buffer[..len].to_vec(), class.expect("the kernel tells the class"))
}

/// What arrives of signalling, RTP and RTCP.
fn classes(ip: IpAddr, around: Surroundings, voice: Dscp) -> [i32; 3] {
    let media = MediaConfig { bind: ip, advertised: None, ports: PortRange::Ephemeral, pairs: 1, dscp: voice };
    let pool = PortPool::bind(&[media]).unwrap();
    let listener = ListenerConfig { transport: Transport::Udp, bind: SocketAddr::new(ip, 0), advertised: None };
    let mut net = Net::open(&[listener], pool, &Limits::default(), around).unwrap();
    let (phone, local) = (party(ip), net.listeners()[0].advertised);
    let to = phone.local_addr().unwrap();
    let flow = Flow::new(Transport::Udp, local, to);
    net.send(Transmit { flow, bytes: Bytes::from_static(b"sip") }, NOW);
    net.send_media(MediaPortId(0), PacketKind::Rtp, to, b"rtp");
    net.send_media(MediaPortId(0), PacketKind::Rtcp, to, b"rtcp");
    let mut got = [receive(&phone), receive(&phone), receive(&phone)];
    // Three sockets: the kernel owes no order.
    got.sort_by_key(|(bytes, _)| [&b"sip"[..], b"rtp", b"rtcp"].iter().position(|name| name == bytes));
    got.map(|(_, class)| class)
}

#[test]
fn packets_carry_the_class_that_is_set_on_both_families() {
    for ip in IPS {
        assert_eq!(classes(ip, Surroundings::default(), Dscp::EF), [24 << 2, 46 << 2, 46 << 2], "{ip}");
        let (af31, cs5) = ("af31".parse().unwrap(), "cs5".parse().unwrap());
        let around = Surroundings { signalling: af31, ..Surroundings::default() };
        assert_eq!(classes(ip, around, cs5), [26 << 2, 40 << 2, 40 << 2], "{ip}");
    }
}

#[test]
fn connections_have_the_class_of_signalling_whoever_opened_them() {
    let class = |socket: SockRef<'_>, ip: IpAddr| match ip {
        IpAddr::V4(_) => socket.tos_v4().unwrap(),
        IpAddr::V6(_) => socket.tclass_v6().unwrap(),
    };
    for ip in IPS {
        let af31: Dscp = "af31".parse().unwrap();
        let listener = socket::tcp_listener(SocketAddr::new(ip, 0), false, af31).unwrap();
        let ours = socket::tcp_connect(None, listener.local_addr().unwrap(), af31).unwrap();
        assert_eq!(class(SockRef::from(&ours), ip), 26 << 2, "{ip}");
        listener.set_nonblocking(false).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(class(SockRef::from(&accepted), ip), 26 << 2, "{ip}");
    }
}
