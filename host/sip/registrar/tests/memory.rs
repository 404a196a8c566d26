//! What a binding costs: a hundred thousand phones register, and what each takes is counted by the allocator.

use core::net::{Ipv4Addr, SocketAddr};
use model::{Account, AccountId, CompanyId, CompanyPolicy, Flow, Ha1, IdSource, Instant, Limits, Transport};
use registrar::{Registrant, Registrar};
use sip_message::{Message, ParseLimits};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged; counting is an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes a binding may take.
const BYTES_MAX: usize = 1_536;
/// Phones of each kind.
const PHONES: u32 = 33_334;

#[test]
fn a_hundred_thousand_bindings_take_little_memory_each() {
    let kinds = [("plain", false, false), ("behind NAT", true, false), ("outbound", false, true)];
    let counted = kinds.map(|(what, nat, outbound)| (what, measure(PHONES, nat, outbound)));
    eprintln!("bytes a binding: {counted:?}");
    assert!(counted.iter().all(|(_, each)| *each <= BYTES_MAX), "bytes a binding: {counted:?}");
}

fn measure(count: u32, nat: bool, outbound: bool) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    let mut registrar = Registrar::new(&Limits::default(), IdSource::new([1; 32]));
    let mut account = Account {
        id: AccountId(0),
        company: CompanyId(1),
        username: String::new(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: None,
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let policy = CompanyPolicy::default();
    for n in 0..count {
        account.id = AccountId(i64::from(n));
        account.username = format!("phone{n}");
        let remote = SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + n), 5060));
        let flow = Flow::new(Transport::Udp, SocketAddr::from(([192, 0, 2, 1], 5060)), remote);
        let who =
            Registrant { account: &account, domain: "acme.example", policy: &policy.registration, at_most_s: None };
        let request = request(n, remote, nat, outbound);
        let answer = registrar.register(&who, &request, &flow, Instant::from_unix_nanos(1_000_000_000_000));
        assert_eq!(answer.status, 200);
        while registrar.poll_event().is_some() {}
    }
    (HELD.load(Ordering::Relaxed) - before) / count as usize
}

fn request(n: u32, remote: SocketAddr, nat: bool, outbound: bool) -> Message {
    let host = if nat { SocketAddr::from(([192, 168, 1, 20], 5060)) } else { remote };
    let device = format!(";+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0{n:08x}>\";reg-id=1");
    let (device, supported) =
        if outbound { (device.as_str(), "Supported: outbound, path, gruu\r\n") } else { ("", "") };
    let text = format!(
        "REGISTER sip:acme.example SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:phone{n}@acme.example>;tag=abcdef\r\nTo: <sip:phone{n}@acme.example>\r\n\
         Call-ID: {n:08x}-9c1f-44aa-8b52-0123456789ab@192.168.1.20\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:phone{n}@{host};line=abcdefgh;transport=udp>{device};expires=3600\r\n{supported}\
         User-Agent: Some Vendor Phone T46S 66.86.0.15\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), &ParseLimits::default()).unwrap_or_else(|r| panic!("{:?}", r.error))
}
