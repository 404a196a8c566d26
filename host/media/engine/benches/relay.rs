//! What one relayed packet costs in user space, with 1,000 bridges open.

use core::net::SocketAddr;
use criterion::{Criterion, criterion_group, criterion_main};
use media::{DtlsPeer, Engine, FromDtls, Keys, MediaConfig, MediaPort, MediaPortId, PacketKind, StreamId, ToDtls};
use model::{IdSource, Instant, Prompt};
use rtp::srtp::{GROWTH_MAX, MasterKey, Sender, Suite};
use std::hint::black_box;

const BRIDGES: usize = 1_000;
const NOW: Instant = Instant::from_unix_nanos(1);

fn party(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 4_000))
}

/// An engine with bridges between even and odd streams; the odd ones take this codec.
fn engine(codec: sdp::Codec) -> (Engine, Vec<StreamId>) {
    let local = SocketAddr::from(([203, 0, 113, 1], 20_000));
    let ports = (0..2 * BRIDGES as u64).map(|n| MediaPort { id: MediaPortId(n), rtp: local, rtcp: local }).collect();
    let mut engine = Engine::new(MediaConfig::default(), ports, IdSource::new([0; 32]));
    let mut streams = Vec::new();
    for n in 0..2 * BRIDGES {
        let Ok((id, _)) = engine.open(local.ip(), NOW) else { continue };
        let codec = if n % 2 == 0 { sdp::Codec::Pcmu } else { codec };
        let offer = sdp::offer_local(sdp::MediaAddr { rtp: party(n), rtcp: party(n) }, &[codec]);
        if let Ok(remote) = sdp::remote_media(&offer) {
            engine.set_remote(id, remote, NOW);
        }
        streams.push(id);
    }
    for pair in streams.chunks_exact(2) {
        engine.connect(pair[0], pair[1]);
    }
    (engine, streams)
}

fn relay(c: &mut Criterion) {
    for (name, codec, played) in [
        ("relay/transparent", sdp::Codec::Pcmu, false),
        ("relay/transcoded", sdp::Codec::Pcma, false),
        ("relay/rewritten", sdp::Codec::Pcmu, true),
    ] {
        let (mut engine, streams) = engine(codec);
        for id in streams.iter().filter(|_| played) {
            let _ = engine.play(*id, &[Prompt::SilenceMs(20)], false, NOW);
        }
        engine.handle_timeout(NOW);
        while engine.poll_transmit().is_some() {}
        let mut packet = [0_u8; 172];
        let mut n = 0_usize;
        c.bench_function(name, |b| {
            b.iter(|| {
                n += 1;
                let bridge = n % BRIDGES;
                let sequence = (n / BRIDGES) as u16;
                packet[..2].copy_from_slice(&[0x80, 0]);
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[8..12].copy_from_slice(&(bridge as u32).to_be_bytes());
                let port = MediaPortId(2 * bridge as u64);
                black_box(engine.handle_packet(port, PacketKind::Rtp, party(2 * bridge), &mut packet, 172, NOW))
            });
        });
    }
}

fn tick(c: &mut Criterion) {
    let (mut engine, streams) = engine(sdp::Codec::Pcma);
    for id in &streams {
        let _ = engine.play(*id, &[Prompt::Tone("425/1000".to_owned())], true, NOW);
    }
    let mut now = NOW;
    c.bench_function("tick/2000 tones", |b| {
        b.iter(|| {
            engine.handle_timeout(now);
            now = engine.poll_timeout().unwrap_or(now);
            let mut bytes = 0;
            while let Some(transmit) = engine.poll_transmit() {
                bytes += transmit.bytes.len();
            }
            black_box(bytes)
        });
    });
}

/// Between a browser, found by its checks and keyed, and a phone in clear: one way with every packet hidden, the other with
/// every packet shown. What hiding costs the bench itself on the way in is measured by the side.
fn browser(c: &mut Criterion) {
    let key = |n: u8| MasterKey::new(Suite::AeadAes256Gcm, &[n; 44]);
    let Some((ours, theirs)) = key(1).zip(key(2)) else { return };
    let (mut engine, streams) = engine(sdp::Codec::Pcmu);
    let ice = sdp::Ice { ufrag: "abcd".to_owned(), pwd: "a password of twenty-two".to_owned() };
    let check = rtp::stun::write_request("abcd:x", &ice.pwd, &[7; 12], &[(0x25, &[])]);
    let peer = DtlsPeer { active: false, fingerprints: Vec::new(), tls_id: None };
    for (n, id) in streams.iter().enumerate().step_by(2) {
        engine.set_ice(*id, Some(&ice));
        let mut buffer = check.clone();
        let _ = engine.handle_packet(MediaPortId(n as u64), PacketKind::Rtp, party(n), &mut buffer, check.len(), NOW);
        engine.set_dtls(*id, &peer, NOW);
        let Some(ToDtls::Open { handshake, .. }) = engine.poll_dtls() else { return };
        engine.handle_dtls(handshake, FromDtls::Keys(Box::new(Keys { ours, theirs })), NOW);
    }
    while engine.poll_transmit().is_some() {}
    let mut packet = [0_u8; 172 + GROWTH_MAX];
    let mut n = 0_usize;
    let mut write = move |packet: &mut [u8; 172 + GROWTH_MAX]| {
        n += 1;
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&((n / BRIDGES) as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&[0; 4]);
        packet[8..12].copy_from_slice(&((n % BRIDGES) as u32).to_be_bytes());
        n % BRIDGES
    };
    c.bench_function("relay/to a browser", |b| {
        b.iter(|| {
            let place = 2 * write(&mut packet) + 1;
            let port = MediaPortId(place as u64);
            black_box(engine.handle_packet(port, PacketKind::Rtp, party(place), &mut packet, 172, NOW))
        });
    });
    let senders = || -> Vec<Sender> { (0..BRIDGES).map(|_| Sender::new(&theirs)).collect() };
    let mut hidden = senders();
    c.bench_function("relay/hiding alone", |b| {
        b.iter(|| {
            let bridge = write(&mut packet);
            black_box(hidden[bridge].protect(&mut packet, 172).ok())
        });
    });
    let mut hidden = senders();
    c.bench_function("relay/hiding, and from a browser", |b| {
        b.iter(|| {
            let bridge = write(&mut packet);
            let len = hidden[bridge].protect(&mut packet, 172).unwrap_or(0);
            let port = MediaPortId(2 * bridge as u64);
            black_box(engine.handle_packet(port, PacketKind::Rtp, party(2 * bridge), &mut packet, len, NOW))
        });
    });
}

criterion_group!(benches, relay, browser, tick);
criterion_main!(benches);
