//! Relayed calls that carry RTP both ways: each packet has its number and the time when it left, so that loss, order and
//! delay are known.

use crate::world::{Tenant, World};
use interop::{Dialog, Ua};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Not that of the calls beside: a plan may not lead to an address of another brand (decision 0289).
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// One packet each 20 ms.
const SLOTS: usize = 20;
/// Header, and 160 samples of G.711.
const PACKET: usize = 172;

/// Calls that talk until [`Talk::end`].
pub(crate) struct Talk {
    caller: Ua,
    callee: Ua,
    dialogs: Vec<Dialog>,
    stop: Arc<AtomicBool>,
    running: JoinHandle<Heard>,
}

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) disordered: u64,
    pub(crate) hangups_failed: u64,
    pub(crate) delays_us: Vec<f64>,
}

/// One side's RTP.
struct Side {
    socket: UdpSocket,
    to: SocketAddr,
    next: u32,
    expected: u32,
}

impl Talk {
    /// Sets the calls up, one after the other, and begins to talk.
    pub(crate) fn begin(world: &World, tenant: Tenant, calls: usize) -> Talk {
        let [caller, callee] = [(); 2].map(|()| Ua::on(ADDRESS, world.switch.sip()));
        world.account(tenant, "talker", caller.address());
        world.route(tenant, &json!({ "6*": format!("sip:{{number}}@{}", callee.address()) }));
        let mut sides = Vec::new();
        let mut dialogs = Vec::new();
        for _ in 0..calls {
            let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("an RTP port"));
            let [one, two] = sockets;
            let mut dialog = caller.invite("600", one.local_addr().expect("bound"));
            let invite = callee.expect("the INVITE", |m| m.method() == "INVITE");
            callee.respond(&invite, 200, two.local_addr().ok());
            assert_eq!(caller.answered(&mut dialog), 200);
            let to = dialog.response.as_ref().and_then(interop::Message::media).expect("an answer");
            sides.push(Side::new(one, to));
            sides.push(Side::new(two, invite.media().expect("an offer")));
            dialogs.push(dialog);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let running = std::thread::spawn(move || talk(sides, &stopped));
        Talk { caller, callee, dialogs, stop, running }
    }

    /// Stops talking, hangs up, and says what was heard.
    pub(crate) fn end(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        let mut heard = self.running.join().expect("the talk ends");
        for mut dialog in self.dialogs {
            let status = self.caller.bye(&mut dialog);
            let bye = self.callee.expect("the BYE", |m| m.method() == "BYE");
            self.callee.respond(&bye, 200, None);
            heard.hangups_failed += u64::from(status != 200);
        }
        heard.delays_us.sort_by(f64::total_cmp);
        heard
    }
}

impl Side {
    fn new(socket: UdpSocket, to: SocketAddr) -> Side {
        socket.set_nonblocking(true).expect("non-blocking");
        Side { socket, to, next: 0, expected: 0 }
    }

    fn say(&mut self, epoch: Instant) -> bool {
        let mut packet = [0x7f_u8; PACKET];
        let number = self.next.to_be_bytes();
        let nanos = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or_default().to_be_bytes();
        let timestamp = self.next.wrapping_mul(160).to_be_bytes();
        let ssrc = u32::from(self.to.port()).to_be_bytes();
        let head = [&[0x80, 0x00], number.get(2..).unwrap_or_default(), &timestamp, &ssrc, &number, &nanos].concat();
        packet.iter_mut().zip(&head).for_each(|(to, from)| *to = *from);
        self.next += 1;
        self.socket.send_to(&packet, self.to).is_ok()
    }

    fn hear(&mut self, epoch: Instant, heard: &mut Heard) {
        let mut packet = [0; 2_048];
        while let Ok((PACKET, _)) = self.socket.recv_from(&mut packet) {
            let word = |at: usize| packet.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
            let number = word(12);
            let left = (u64::from(word(16)) << 32) + u64::from(word(20));
            heard.received += 1;
            heard.disordered += u64::from(number < self.expected);
            self.expected = number + 1;
            let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or_default();
            // Every sixteenth is enough for quantiles.
            if number % 16 == 0 {
                heard.delays_us.push((now.saturating_sub(left)) as f64 / 1_000.0);
            }
        }
    }
}

/// A twentieth of the sides speaks each millisecond; all listen.
fn talk(mut sides: Vec<Side>, stop: &AtomicBool) -> Heard {
    let epoch = Instant::now();
    let mut heard = Heard::default();
    let mut tick = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let slot = tick as usize % SLOTS;
        for side in sides.iter_mut().skip(slot).step_by(SLOTS) {
            heard.sent += u64::from(side.say(epoch));
        }
        for side in &mut sides {
            side.hear(epoch, &mut heard);
        }
        tick += 1;
        let next = Duration::from_millis(1) * tick;
        std::thread::sleep(next.saturating_sub(epoch.elapsed()));
    }
    // What is under way arrives, or is lost after a second.
    let stopped = Instant::now();
    while heard.received < heard.sent && stopped.elapsed() < Duration::from_secs(1) {
        sides.iter_mut().for_each(|side| side.hear(epoch, &mut heard));
        std::thread::sleep(Duration::from_millis(1));
    }
    heard
}
