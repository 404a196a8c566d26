//! What SRTP, transcoding and conferences cost in the engine.

use core::net::SocketAddr;
use core::time::Duration;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use media::{Engine, Keys, MediaConfig, MediaPort, MediaPortId, PacketKind, StreamId};
use model::{IdSource, Instant};
use rtp::srtp::{GROWTH_MAX, MasterKey, Sender, Suite};
use std::hint::black_box;

const NOW: Instant = Instant::from_unix_nanos(1_700_000_000_000_000_000);
const TICK: Duration = Duration::from_millis(20);
const PACKET: usize = 172;

fn party(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 4_000))
}

/// An engine with a stream for each format: the payload types of its party's line.
fn engine(formats: &[&str]) -> (Engine, Vec<StreamId>) {
    let local = SocketAddr::from(([203, 0, 113, 1], 20_000));
    let ports = (0..formats.len() as u64).map(|n| MediaPort { id: MediaPortId(n), rtp: local, rtcp: local }).collect();
    let mut engine = Engine::new(MediaConfig::default(), ports, IdSource::new([0; 32]));
    let mut streams = Vec::new();
    for (n, formats) in formats.iter().enumerate() {
        let Ok((id, _)) = engine.open(local.ip(), NOW) else { continue };
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 {}\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n",
            party(n).ip()
        );
        let description = sdp::Description::parse(text.as_bytes()).ok();
        if let Some(remote) = description.and_then(|d| sdp::remote_media(&d).ok()) {
            engine.set_remote(id, remote, NOW);
        }
        streams.push(id);
    }
    (engine, streams)
}

/// The packet number `n` of a party: its payload is a tone of sorts.
fn packet(buffer: &mut [u8], payload_type: u8, ssrc: u32, n: u32) {
    buffer[..2].copy_from_slice(&[0x80, payload_type]);
    buffer[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    buffer[4..8].copy_from_slice(&(n.wrapping_mul(160)).to_be_bytes());
    buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
    buffer[12..PACKET].iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7 % 251) as u8);
}

fn keys(suite: Suite) -> Keys {
    let key = |fill: u8| MasterKey::draw(suite, |bytes| bytes.fill(fill));
    Keys { ours: key(1), theirs: key(2) }
}

fn srtp(c: &mut Criterion) {
    for suite in [None, Some(Suite::AesCm128Sha1_80), Some(Suite::AeadAes128Gcm), Some(Suite::AeadAes256Gcm)] {
        let name = suite.map_or("clear", Suite::name);
        let (mut engine, streams) = engine(&["0", "0"]);
        engine.secure(streams[1], suite.map(keys).as_ref(), NOW);
        engine.connect(streams[0], streams[1]);
        let mut n = 0;
        c.bench_function(&format!("srtp/hide/{name}"), |b| {
            b.iter(|| {
                n += 1;
                let mut buffer = [0_u8; PACKET + GROWTH_MAX];
                packet(&mut buffer, 0, 7, n);
                black_box(engine.handle_packet(MediaPortId(0), PacketKind::Rtp, party(0), &mut buffer, PACKET, NOW))
            });
        });
        let mut sender = suite.map(|suite| Sender::new(&keys(suite).theirs));
        let mut n = 0;
        c.bench_function(&format!("srtp/show/{name}"), |b| {
            b.iter_batched(
                || {
                    n += 1;
                    let mut buffer = [0_u8; PACKET + GROWTH_MAX];
                    packet(&mut buffer, 0, 8, n);
                    let len = sender.as_mut().and_then(|s| s.protect(&mut buffer, PACKET).ok()).unwrap_or(PACKET);
                    (buffer, len)
                },
                |(mut buffer, len)| {
                    black_box(engine.handle_packet(MediaPortId(1), PacketKind::Rtp, party(1), &mut buffer, len, NOW))
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// One tick: some speak a packet each, everything due runs, everything made is taken.
fn tick(engine: &mut Engine, speakers: &[(usize, u8)], n: u32) -> usize {
    let now = NOW + TICK * n;
    for (speaker, payload_type) in speakers {
        let mut buffer = [0_u8; PACKET];
        packet(&mut buffer, *payload_type, *speaker as u32, n);
        let port = MediaPortId(*speaker as u64);
        let _ = engine.handle_packet(port, PacketKind::Rtp, party(*speaker), &mut buffer, PACKET, now);
    }
    engine.handle_timeout(now);
    while engine.poll_event().is_some() {}
    core::iter::from_fn(|| engine.poll_transmit()).map(|t| t.bytes.len()).sum()
}

fn conference(c: &mut Criterion) {
    for (members, speakers, format, payload_type) in
        [(32, 3, "8", 8_u8), (32, 32, "8", 8), (100, 3, "8", 8), (500, 3, "8", 8), (32, 3, "9", 9)]
    {
        let (mut engine, streams) = engine(&vec![format; members]);
        let room = engine.open_conference();
        for id in &streams {
            let _ = engine.join(room, *id);
        }
        let speakers: Vec<_> = (0..speakers).map(|n| (n, payload_type)).collect();
        let mut n = 0;
        let name = format!("conference/{members} members, {} speak, type {format}", speakers.len());
        c.bench_function(&name, |b| {
            b.iter(|| {
                n += 1;
                black_box(tick(&mut engine, &speakers, n))
            });
        });
    }
}

fn transcode(c: &mut Criterion) {
    for (name, from, to, payload_type) in [("G.722 to PCMA", "9", "8", 9_u8), ("PCMA to G.722", "8", "9", 8)] {
        let (mut engine, streams) = engine(&[from, to].repeat(100));
        for pair in streams.chunks_exact(2) {
            engine.connect(pair[0], pair[1]);
        }
        let speakers: Vec<_> = (0..100).map(|n| (2 * n, payload_type)).collect();
        let mut n = 0;
        c.bench_function(&format!("transcode/100 x {name}"), |b| {
            b.iter(|| {
                n += 1;
                black_box(tick(&mut engine, &speakers, n))
            });
        });
    }
}

criterion_group!(benches, srtp, conference, transcode);
criterion_main!(benches);
