//! Over loopback, on ports the kernel gives. Waits end with the event waited for; the clock is a number.

use crate::{Incoming, ListenerConfig, MediaConfig, Net, NetError, PacketKind, PortPool, PortRange, Surroundings};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use model::{Flow, Instant, Limits, MediaPortId, Transmit, Transport};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const START: Instant = Instant::from_unix_nanos(1_000_000_000);
const MESSAGE: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody";

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Message(Flow, Bytes),
    Failed(Flow),
    Media(MediaPortId, PacketKind, SocketAddr, Vec<u8>),
}

fn listen(transport: Transport, ip: IpAddr) -> ListenerConfig {
    ListenerConfig { transport, bind: SocketAddr::new(ip, 0), advertised: None }
}

fn net(listeners: &[ListenerConfig], limits: &Limits) -> Net {
    Net::bind(listeners, PortPool::default(), limits).unwrap()
}

/// Everything that comes until `count` things came or nothing came for two seconds.
fn gather(net: &mut Net, count: usize, now: Instant) -> Vec<Got> {
    let mut got = Vec::new();
    let begun = std::time::Instant::now();
    while got.len() < count && begun.elapsed() < Duration::from_secs(2) {
        net.wait(Some(Duration::from_millis(50))).unwrap();
        while let Some(incoming) = net.next(now) {
            got.push(match incoming {
                Incoming::Message { flow, bytes } => Got::Message(flow, bytes),
                Incoming::FlowFailed { flow } => Got::Failed(flow),
                Incoming::Media { port, kind, from, packet, len } => {
                    Got::Media(port, kind, from, packet[..len].to_vec())
                }
            });
        }
    }
    got
}

/// Lets the net serve its sockets until `done`.
fn serve_until(net: &mut Net, now: Instant, mut done: impl FnMut(&Net) -> bool) {
    let begun = std::time::Instant::now();
    while !done(net) {
        assert!(begun.elapsed() < Duration::from_secs(5), "waited in vain");
        net.wait(Some(Duration::from_millis(20))).unwrap();
        while net.next(now).is_some() {}
    }
}

fn transmit(local: SocketAddr, remote: SocketAddr, transport: Transport) -> Transmit {
    Transmit { flow: Flow::new(transport, local, remote), bytes: Bytes::from_static(MESSAGE) }
}

#[test]
fn a_datagram_comes_in_and_its_answer_goes_back_on_both_families() {
    for ip in [V4, V6] {
        let mut net = net(&[listen(Transport::Udp, ip)], &Limits::default());
        let at = net.listeners()[0].advertised;
        let phone = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
        phone.send_to(MESSAGE, at).unwrap();
        let got = gather(&mut net, 1, START);
        let from = phone.local_addr().unwrap();
        let flow = Flow::new(Transport::Udp, at, from);
        assert_eq!(got, [Got::Message(flow, Bytes::from_static(MESSAGE))]);
        net.send(Transmit { flow, bytes: Bytes::from_static(b"answer") }, START);
        let mut buffer = [0; 100];
        let (count, source) = phone.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..count], source), (&b"answer"[..], at));
    }
}

#[test]
fn a_burst_of_datagrams_is_taken_whole_and_in_order() {
    let mut net = net(&[listen(Transport::Udp, V4)], &Limits::default());
    let phone = UdpSocket::bind(SocketAddr::new(V4, 0)).unwrap();
    for n in 0..200_u8 {
        phone.send_to(&[n, b'.'], net.listeners()[0].bound).unwrap();
    }
    let got = gather(&mut net, 200, START);
    let order: Vec<u8> = got.iter().map(|g| if let Got::Message(_, b) = g { b[0] } else { 255 }).collect();
    assert_eq!(order, (0..200).collect::<Vec<u8>>());
    assert_eq!(net.counters().received.get(Transport::Udp), 200);
}

#[test]
fn what_waits_in_the_kernel_is_known_until_it_was_taken() {
    for ip in [V4, V6] {
        let mut net = net(&[listen(Transport::Udp, ip)], &Limits::default());
        let phone = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
        let mut longest = Duration::ZERO;
        let begun = std::time::Instant::now();
        // The first long turn asks the kernel for its stamps, a later one reads them.
        for _ in 0..3 {
            for n in 0..200_u8 {
                phone.send_to(&[n, b'.'], net.listeners()[0].bound).unwrap();
            }
            let mut got = 0;
            while got < 200 {
                net.wait(None).unwrap();
                while let Some(Incoming::Message { flow, .. }) = net.next(START) {
                    assert_eq!(flow.remote, phone.local_addr().unwrap());
                    got += 1;
                }
                longest = longest.max(net.waited());
            }
            net.wait(Some(Duration::ZERO)).unwrap();
            assert_eq!(net.waited(), Duration::ZERO, "nothing waits");
        }
        assert!(longest > Duration::ZERO && longest < begun.elapsed(), "{longest:?}");
    }
}

#[test]
fn a_phone_learns_its_address_by_stun_and_a_keep_alive_is_nobodys_business() {
    for ip in [V4, V6] {
        let mut net = net(&[listen(Transport::Udp, ip)], &Limits::default());
        let phone = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend_from_slice(&[7; 12]);
        for datagram in [&b"\r\n\r\n"[..], &b"\0"[..], &[][..], &request[..]] {
            phone.send_to(datagram, net.listeners()[0].bound).unwrap();
        }
        serve_until(&mut net, START, |n| n.counters().stun_answered == 1);
        let mut answer = [0; 100];
        let count = phone.recv(&mut answer).unwrap();
        let port = phone.local_addr().unwrap().port() ^ 0x2112;
        assert_eq!((&answer[..2], &answer[26..28]), (&[1, 1][..], &port.to_be_bytes()[..]));
        assert_eq!(count, if ip.is_ipv4() { 32 } else { 44 });
        assert_eq!((net.counters().keepalives, net.counters().received.get(Transport::Udp)), (3, 0));
    }
}

#[test]
fn the_advertised_address_is_the_local_side_of_every_flow() {
    let public: SocketAddr = "198.51.100.7:0".parse().unwrap();
    let config = ListenerConfig { advertised: Some(public), ..listen(Transport::Udp, V4) };
    let mut net = net(&[config], &Limits::default());
    let bound = net.listeners()[0].bound;
    let phone = UdpSocket::bind(SocketAddr::new(V4, 0)).unwrap();
    phone.send_to(MESSAGE, bound).unwrap();
    let got = gather(&mut net, 1, START);
    let Got::Message(flow, _) = &got[0] else { panic!("{got:?}") };
    assert_eq!(flow.local, SocketAddr::new(public.ip(), bound.port()));
    net.send(Transmit { flow: *flow, bytes: Bytes::from_static(b"x") }, START);
    assert_eq!(phone.recv_from(&mut [0; 9]).unwrap().1, bound);
}

#[test]
fn a_peer_on_our_side_of_the_nat_is_told_another_address() {
    let public: SocketAddr = "198.51.100.7:0".parse().unwrap();
    for (local_net, inside) in [("127.0.0.0/8", true), ("10.0.0.0/8", false), ("::1", false)] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let bind = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
            let config = ListenerConfig { transport, bind, advertised: Some(public) };
            let local_nets = vec![local_net.parse().unwrap()];
            let around = Surroundings { local_nets, ..Surroundings::default() };
            let mut net = Net::open(&[config], PortPool::default(), &Limits::default(), around).unwrap();
            let port = net.listeners()[0].bound.port();
            let to = SocketAddr::new(V4, port);
            let udp = UdpSocket::bind(SocketAddr::new(V4, 0)).unwrap();
            let _tcp = if transport == Transport::Udp {
                udp.send_to(MESSAGE, to).unwrap();
                None
            } else {
                let mut stream = TcpStream::connect(to).unwrap();
                stream.write_all(MESSAGE).unwrap();
                Some(stream)
            };
            let got = gather(&mut net, 1, START);
            let Got::Message(flow, _) = &got[0] else { panic!("{got:?}") };
            let expected = SocketAddr::new(if inside { V4 } else { public.ip() }, port);
            assert_eq!(flow.local, expected, "{local_net} {transport:?}");
            net.send(Transmit { flow: *flow, bytes: Bytes::from_static(b"x") }, START);
            assert_eq!(net.counters().sent.get(transport), 1);
        }
    }
}

#[test]
fn a_datagram_that_no_listener_can_carry_fails_its_flow() {
    let mut net = net(&[listen(Transport::Udp, V4)], &Limits::default());
    let t = transmit(net.listeners()[0].advertised, SocketAddr::new(V6, 5060), Transport::Udp);
    net.send(t.clone(), START);
    assert_eq!(gather(&mut net, 1, START), [Got::Failed(t.flow)]);
}

#[test]
fn a_taken_listener_says_which_and_what_to_do() {
    let other = UdpSocket::bind(SocketAddr::new(V4, 0)).unwrap();
    let bind = other.local_addr().unwrap();
    let config = ListenerConfig { transport: Transport::Udp, bind, advertised: None };
    let error = Net::bind(&[config], PortPool::default(), &Limits::default()).unwrap_err();
    assert!(matches!(error, NetError::ListenerTaken { .. }), "{error}");
    assert!(error.to_string().contains(&format!("udp {bind} is taken")), "{error}");
    let other = TcpListener::bind(SocketAddr::new(V4, 0)).unwrap();
    let bind = other.local_addr().unwrap();
    let config = ListenerConfig { transport: Transport::Tcp, bind, advertised: None };
    let error = Net::bind(&[config], PortPool::default(), &Limits::default()).unwrap_err();
    assert!(error.to_string().contains(&format!("tcp {bind} is taken")), "{error}");
}

#[test]
fn messages_are_framed_from_a_stream_however_they_are_cut() {
    let mut net = net(&[listen(Transport::Tcp, V4)], &Limits::default());
    let mut phone = TcpStream::connect(net.listeners()[0].bound).unwrap();
    phone.set_nodelay(true).unwrap();
    phone.write_all(&MESSAGE[..20]).unwrap();
    serve_until(&mut net, START, |n| n.counters().connections == 1);
    phone.write_all(&MESSAGE[20..]).unwrap();
    phone.write_all(MESSAGE).unwrap();
    let got = gather(&mut net, 2, START);
    let Got::Message(flow, bytes) = &got[0] else { panic!("{got:?}") };
    assert_eq!(&bytes[..], MESSAGE);
    assert_eq!(got[1], Got::Message(*flow, Bytes::from_static(MESSAGE)));
    assert!(flow.connection.is_some());
    net.send(Transmit { flow: *flow, bytes: Bytes::from_static(b"answer") }, START);
    let mut buffer = [0; 6];
    phone.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"answer");
    drop(phone);
    assert_eq!(gather(&mut net, 1, START), [Got::Failed(*flow)]);
    assert_eq!(net.counters().connections, 0);
    net.send(Transmit { flow: *flow, bytes: Bytes::from_static(b"too late") }, START);
    assert_eq!(gather(&mut net, 1, START), [Got::Failed(*flow)]);
}

#[test]
fn a_keep_alive_gets_its_pong() {
    let mut net = net(&[listen(Transport::Tcp, V6)], &Limits::default());
    let mut phone = TcpStream::connect(net.listeners()[0].bound).unwrap();
    phone.write_all(b"\r\n\r\n").unwrap();
    phone.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut pong = [0; 2];
    serve_until(&mut net, START, |_| phone.read_exact(&mut pong).is_ok());
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn nonsense_on_a_stream_cuts_the_connection() {
    let mut net = net(&[listen(Transport::Tcp, V4)], &Limits::default());
    let mut phone = TcpStream::connect(net.listeners()[0].bound).unwrap();
    phone.write_all(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: minus one\r\n\r\n").unwrap();
    let got = gather(&mut net, 1, START);
    let Got::Message(flow, _) = got[0] else { panic!("{got:?}") };
    net.send(Transmit { flow, bytes: Bytes::from_static(b"400") }, START);
    let mut answer = [0; 3];
    phone.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"400");
    phone.write_all(MESSAGE).unwrap();
    net.handle_timeout(START + Duration::from_secs(1));
    assert_eq!(gather(&mut net, 1, START), [Got::Failed(flow)]);
    assert_eq!(net.counters().misbehaved, 1);
}

#[test]
fn a_message_without_a_length_cuts_the_connection_at_once() {
    let mut net = net(&[listen(Transport::Tcp, V4)], &Limits::default());
    let mut phone = TcpStream::connect(net.listeners()[0].bound).unwrap();
    phone.write_all(b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n").unwrap();
    assert!(matches!(gather(&mut net, 1, START)[..], [Got::Failed(_)]));
    assert_eq!(net.counters().misbehaved, 1);
}

#[test]
fn a_connection_is_opened_on_demand_reused_and_fails_with_its_flow() {
    let mut net = net(&[listen(Transport::Tcp, V4)], &Limits::default());
    let peer = TcpListener::bind(SocketAddr::new(V4, 0)).unwrap();
    let t = transmit(net.listeners()[0].advertised, peer.local_addr().unwrap(), Transport::Tcp);
    net.send(t.clone(), START);
    net.send(t.clone(), START);
    assert_eq!(net.counters().connections, 1);
    let (mut accepted, _) = peer.accept().unwrap();
    serve_until(&mut net, START, |n| n.streams_idle());
    let mut both = vec![0; MESSAGE.len() * 2];
    accepted.read_exact(&mut both).unwrap();
    assert_eq!(both, [MESSAGE, MESSAGE].concat());
    accepted.write_all(MESSAGE).unwrap();
    let got = gather(&mut net, 1, START);
    let Got::Message(pinned, _) = got[0] else { panic!("{got:?}") };
    drop(accepted);
    assert_eq!(gather(&mut net, 2, START), [Got::Failed(pinned), Got::Failed(t.flow)]);
}

#[test]
fn a_refused_connection_fails_its_flow() {
    let mut net = net(&[listen(Transport::Tcp, V4)], &Limits::default());
    let gone = TcpListener::bind(SocketAddr::new(V4, 0)).unwrap().local_addr().unwrap();
    let t = transmit(net.listeners()[0].advertised, gone, Transport::Tcp);
    net.send(t.clone(), START);
    assert!(gather(&mut net, 2, START).contains(&Got::Failed(t.flow)));
    assert_eq!(net.counters().connects_failed, 1);
}

#[test]
fn silent_slow_and_idle_connections_are_closed_when_their_time_is_over() {
    let limits = Limits { connection_stall_s: 5, connection_idle_s: 60, ..Limits::default() };
    let mut net = net(&[listen(Transport::Tcp, V4)], &limits);
    let at = net.listeners()[0].bound;
    let _silent = TcpStream::connect(at).unwrap();
    let mut slow = TcpStream::connect(at).unwrap();
    slow.write_all(MESSAGE).unwrap();
    slow.write_all(&MESSAGE[..9]).unwrap();
    let mut idle = TcpStream::connect(at).unwrap();
    idle.write_all(MESSAGE).unwrap();
    assert_eq!(gather(&mut net, 2, START).len(), 2);
    serve_until(&mut net, START, |n| n.counters().connections == 3);
    assert!(net.poll_timeout().unwrap() <= START + Duration::from_secs(1));
    net.handle_timeout(START + Duration::from_secs(4));
    assert_eq!(net.counters().connections, 3);
    net.handle_timeout(START + Duration::from_secs(6));
    assert_eq!(net.counters().connections, 1, "only the one that spoke whole messages stays");
    net.handle_timeout(START + Duration::from_secs(61));
    assert_eq!(net.counters().connections, 0);
    assert_eq!(net.poll_timeout(), None);
}

#[test]
fn a_peer_that_does_not_read_is_cut_at_the_limit_and_the_memory_is_bounded() {
    let limits = Limits { connection_write_bytes_max: 100_000, ..Limits::default() };
    let mut net = net(&[listen(Transport::Tcp, V4)], &limits);
    let mut phone = TcpStream::connect(net.listeners()[0].bound).unwrap();
    phone.write_all(MESSAGE).unwrap();
    let got = gather(&mut net, 1, START);
    let Got::Message(flow, _) = got[0] else { panic!("{got:?}") };
    let bytes = Bytes::from(vec![b'x'; 50_000]);
    for _ in 0..1_000 {
        net.send(Transmit { flow, bytes: bytes.clone() }, START);
    }
    assert_eq!(net.counters().misbehaved, 1);
    assert!(gather(&mut net, 1, START).contains(&Got::Failed(flow)));
}

#[test]
fn connections_past_the_limit_are_turned_away() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let mut net = net(&[listen(Transport::Tcp, V4)], &limits);
    let at = net.listeners()[0].bound;
    let (_one, _two) = (TcpStream::connect(at).unwrap(), TcpStream::connect(at).unwrap());
    serve_until(&mut net, START, |n| n.counters().turned_away == 1);
    assert_eq!(net.counters().connections, 1);
}

fn media(ip: IpAddr, ports: PortRange, pairs: usize) -> MediaConfig {
    MediaConfig { bind: ip, advertised: None, ports, pairs, dscp: crate::Dscp::EF }
}

#[test]
fn pairs_are_even_and_odd_and_packets_are_relayed_in_place() {
    let pool = PortPool::bind(&[media(V4, PortRange::Ephemeral, 2), media(V6, PortRange::Ephemeral, 1)]).unwrap();
    assert_eq!(pool.len(), 3);
    let mut net = Net::bind(&[], pool, &Limits::default()).unwrap();
    let pairs: Vec<_> = net.media_pairs().collect();
    for (index, pair) in pairs.iter().enumerate() {
        assert_eq!(pair.id, MediaPortId(index as u64));
        assert!(pair.rtp.port().is_multiple_of(2) && pair.rtcp.port() == pair.rtp.port() + 1, "{pair:?}");
    }
    let (alice, bob) = (UdpSocket::bind((V4, 0)).unwrap(), UdpSocket::bind((V4, 0)).unwrap());
    alice.send_to(b"voice", pairs[0].rtp).unwrap();
    let from = alice.local_addr().unwrap();
    let begun = std::time::Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(2));
        net.wait(Some(Duration::from_millis(50))).unwrap();
        if let Some(Incoming::Media { port, kind, from: source, packet, len }) = net.next(START) {
            assert_eq!((port, kind, source, &packet[..len]), (MediaPortId(0), PacketKind::Rtp, from, &b"voice"[..]));
            packet[0] = b'V';
            packet[len] = b'!';
            break;
        }
    }
    net.forward(MediaPortId(1), PacketKind::Rtp, bob.local_addr().unwrap(), 6);
    let mut buffer = [0; 100];
    let (count, source) = bob.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..count], source), (&b"Voice!"[..], pairs[1].rtp));
    alice.send_to(b"report", pairs[0].rtcp).unwrap();
    assert_eq!(gather(&mut net, 1, START), [Got::Media(MediaPortId(0), PacketKind::Rtcp, from, b"report".to_vec())]);
}

/// Enough for pauses between the turns; whatever their rhythm, each packet comes once.
#[test]
fn many_packets_gather_and_none_is_lost() {
    let pool = PortPool::bind(&[media(V4, PortRange::Ephemeral, 4)]).unwrap();
    let mut net = Net::bind(&[], pool, &Limits::default()).unwrap();
    let pairs: Vec<_> = net.media_pairs().collect();
    let alice = UdpSocket::bind((V4, 0)).unwrap();
    let (mut sent, mut heard) = (0_u16, Vec::new());
    while sent < 4_000 {
        for pair in pairs.iter().cycle().take(20) {
            alice.send_to(&sent.to_be_bytes(), pair.rtp).unwrap();
            sent += 1;
        }
        let begun = std::time::Instant::now();
        while heard.len() < usize::from(sent) {
            assert!(begun.elapsed() < Duration::from_secs(5), "{} of {sent}", heard.len());
            net.wait(Some(Duration::from_millis(50))).unwrap();
            while let Some(Incoming::Media { packet, .. }) = net.next(START) {
                heard.push(u16::from_be_bytes([packet[0], packet[1]]));
            }
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..sent).collect::<Vec<_>>());
    // What wakes the shard ends a pause as it ends a sleep.
    let waker = net.waker();
    let thread = std::thread::spawn(move || waker.wake());
    net.wait(Some(Duration::from_secs(20))).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_taken_media_port_is_passed_over_or_named() {
    // A run of free ports: the pool of one pair tells where the kernel has room.
    let probe = PortPool::bind(&[media(V4, PortRange::Ephemeral, 1)]).unwrap();
    let taken = probe.pairs().next().unwrap().rtp.port();
    let narrow = PortRange::Range { first: taken, last: taken + 1 };
    let error = PortPool::bind(&[media(V4, narrow, 1)]).unwrap_err();
    assert!(error.to_string().contains(&format!("media port 127.0.0.1:{taken} is taken")), "{error}");
    let wide = PortRange::Range { first: taken, last: taken.saturating_add(400) };
    assert_eq!(PortPool::bind(&[media(V4, wide, 2)]).unwrap().len(), 2);
    let error = PortPool::bind(&[media(V4, PortRange::Range { first: 20_001, last: 20_004 }, 3)]).unwrap_err();
    assert!(matches!(error, NetError::MediaRange { holds: 1, wanted: 3, .. }), "{error}");
}

#[test]
fn the_waker_ends_a_sleep_from_another_thread() {
    let mut net = net(&[], &Limits::default());
    let waker = net.waker();
    let thread = std::thread::spawn(move || waker.wake());
    let begun = std::time::Instant::now();
    net.wait(Some(Duration::from_secs(20))).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    thread.join().unwrap();
    net.waker().wake();
    net.wait(None).unwrap();
}

#[test]
fn the_file_limit_is_raised_or_named() {
    assert!(crate::raise_file_limit(10, usize::MAX).is_ok());
    let error = crate::raise_file_limit(usize::MAX, 0).unwrap_err();
    assert!(error.to_string().contains("ulimit -n"), "{error}");
}
