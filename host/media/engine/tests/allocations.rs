//! Relaying a packet allocates nothing: not transparent, not transcoded, not rewritten, not echoed.

use core::net::SocketAddr;
use media::{Engine, MediaConfig, MediaPort, MediaPortId, PacketKind};
use model::{IdSource, Instant, Prompt};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged; counting touches a thread-local cell without drop.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn remote(rtp: SocketAddr, pt: u8) -> sdp::RemoteMedia {
    let codec = if pt == 0 { sdp::Codec::Pcmu } else { sdp::Codec::Pcma };
    let offer = sdp::offer_local(sdp::MediaAddr { rtp, rtcp: rtp }, &[codec, sdp::Codec::TelephoneEvent]);
    sdp::remote_media(&offer).unwrap_or_else(|e| unreachable!("our own offer: {e}"))
}

fn engine() -> (Engine, SocketAddr) {
    let local = SocketAddr::from(([203, 0, 113, 1], 20_000));
    let ports = (0..2).map(|n| MediaPort { id: MediaPortId(n), rtp: local, rtcp: local }).collect();
    (Engine::new(MediaConfig::default(), ports, IdSource::new([0; 32])), local)
}

#[test]
fn no_allocation_per_relayed_packet() {
    let now = Instant::from_unix_nanos(1);
    let from = SocketAddr::from(([10, 0, 0, 1], 4_000));
    // Name, payload type of the other party, whether it was played to before, echo.
    for (case, to_pt, played, echo) in [
        ("transparent", 0, false, false),
        ("transcoded", 8, false, false),
        ("rewritten", 0, true, false),
        ("echoed", 0, false, true),
    ] {
        let (mut engine, local) = engine();
        let (a, port) = engine.open(local.ip(), now).unwrap();
        let (b, _) = engine.open(local.ip(), now).unwrap();
        engine.set_remote(a, remote(from, 0), now);
        engine.set_remote(b, remote(SocketAddr::from(([10, 0, 0, 2], 5_000)), to_pt), now);
        engine.connect(a, b);
        engine.detect_digits(a, true);
        engine.echo(a, echo);
        if played {
            engine.play(b, &[Prompt::SilenceMs(20)], false, now).unwrap();
            engine.handle_timeout(now);
            while engine.poll_transmit().is_some() {}
            while engine.poll_event().is_some() {}
        }
        let mut digits = 0;
        let mut warm = 0;
        for n in 0..10_000_u16 {
            // Every hundredth packet is a new key: the queue of events is used again, too.
            let [high, low] = n.to_be_bytes();
            let mut packet = [0_u8; 172];
            packet[..8].copy_from_slice(&[0x80, if n % 100 == 0 { 101 } else { 0 }, high, low, high, low, 0, 0]);
            let forward = engine.handle_packet(port.id, PacketKind::Rtp, from, &mut packet, 172, now);
            assert!(forward.is_some(), "{case}");
            while engine.poll_event().is_some() {
                digits += 1;
            }
            if n == 0 {
                warm = ALLOCATIONS.with(Cell::get);
            }
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - warm, 0, "{case}");
        assert_eq!(digits, 100, "{case}");
    }
}
