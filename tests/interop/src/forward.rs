//! A network that loses and delays: between whoever sends and a phone that says it is at [`Forwarder::ADDRESS`].

use crate::free_port;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A packet whose sound is of so few different bytes is of a pause: digital silence in G.711 and in G.722.
const BYTES_OF_A_PAUSE: usize = 8;
/// So many packets of a pause are the one between two repetitions.
const PAUSE: u32 = 30;

/// What becomes of packets: the same for every forwarder of the same seed, by how far a packet is behind the one in which
/// the speech began; so the same syllables are lost wherever they pass.
#[derive(Clone, Debug)]
pub struct Fates(Vec<Option<Duration>>);

impl Fates {
    /// So many percent are lost, each after another or in bursts of up to three; the others come up to `jitter` later.
    #[must_use]
    pub fn new(seed: u64, packets: usize, percent: u64, jitter: Duration) -> Fates {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) % below
        };
        let mut fates: Vec<Option<Duration>> =
            (0..packets).map(|_| Some(Duration::from_micros(next(jitter.as_micros().max(1) as u64)))).collect();
        let mut losses = packets as u64 * percent / 100;
        while losses > 0 {
            let (at, burst) = (next(packets as u64) as usize, 1 + next(3));
            for fate in fates.iter_mut().skip(at).take(burst.min(losses) as usize) {
                losses -= u64::from(fate.take().is_some());
            }
        }
        Fates(fates)
    }

    /// Nothing happens.
    #[must_use]
    pub fn none() -> Fates {
        Fates(vec![Some(Duration::ZERO)])
    }
}

/// A port of [`Forwarder::ADDRESS`] whose packets go to the same port of 127.0.0.1.
#[derive(Debug)]
pub struct Forwarder {
    port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Where it is.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    /// Starts one.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(fates: Fates) -> Forwarder {
        let (port, socket) = std::iter::repeat_with(|| free_port(IpAddr::V4(Ipv4Addr::LOCALHOST)) & !1)
            .take(100)
            .find_map(|port| Some((port, UdpSocket::bind((Forwarder::ADDRESS, port)).ok()?)))
            .expect("a port of 127.0.0.2");
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || forward(&socket, port, &fates, &ends));
        Forwarder { port, over, thread: Some(thread) }
    }

    /// The setting `media` of a PJSIP behind it, which must be mute: what it sends would show where it is.
    #[must_use]
    pub fn media(&self) -> serde_json::Value {
        serde_json::json!({ "port": self.port, "public": Forwarder::ADDRESS.to_string() })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn forward(socket: &UdpSocket, port: u16, Fates(fates): &Fates, over: &AtomicBool) {
    let (mut first, mut quiet) = (None, PAUSE);
    let mut waiting: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
    let (mut count, mut buffer) = (0, [0; 2_048]);
    while !over.load(Ordering::Relaxed) {
        let now = Instant::now();
        while let Some(entry) = waiting.first_entry().filter(|e| e.key().0 <= now) {
            let _ = socket.send_to(&entry.remove(), (Ipv4Addr::LOCALHOST, port));
        }
        let next = waiting.keys().next().map(|(at, _)| at.saturating_duration_since(now));
        let wait = next.unwrap_or(Duration::from_millis(100)).max(Duration::from_micros(200));
        if socket.set_read_timeout(Some(wait)).is_err() {
            return;
        }
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        let Some(packet @ [_, _, high, low, ..]) = buffer.get(..length) else { continue };
        let number = u16::from_be_bytes([*high, *low]);
        let bytes: BTreeSet<u8> = packet.iter().skip(12).copied().collect();
        if bytes.len() <= BYTES_OF_A_PAUSE {
            quiet += 1;
        } else {
            first = if quiet >= PAUSE { Some(number) } else { first };
            quiet = 0;
        }
        let fate = |first: u16| fates.get(usize::from(number.wrapping_sub(first))).copied();
        if let Some(delay) = first.and_then(fate).unwrap_or(Some(Duration::ZERO)) {
            count += 1;
            waiting.insert((Instant::now() + delay, count), packet.to_vec());
        }
    }
}
