//! The port of a browser's leg: whatever comes there (RFC 7983).

use core::net::SocketAddr;
use media::{DtlsPeer, Engine, Keys, MediaConfig, MediaPort, PacketKind, ToDtls};
use model::{IdSource, Instant, MediaPortId};
use rtp::srtp::{GROWTH_MAX, MasterKey, Suite};
use rtp::stun::{self, ANSWER_MAX, Request};

/// Datagrams at a browser's port, each behind its length: never a panic, never more out than an answer, and nothing passes
/// to the other party that was not under the keys.
///
/// # Panics
/// Where a promise is broken: that is a finding.
pub fn browser(data: &[u8]) {
    let now = Instant::from_unix_nanos(1_700_000_000_000_000_000);
    let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
    let ports = (0..2_u16).map(|n| MediaPort {
        id: MediaPortId(u64::from(n)),
        rtp: address(20_000 + 2 * n),
        rtcp: address(20_001 + 2 * n),
    });
    let mut engine = Engine::new(MediaConfig::default(), ports.collect(), IdSource::new([1; 32]));
    let (Ok((browser, port)), Ok((phone, _))) = (engine.open(address(0).ip(), now), engine.open(address(0).ip(), now))
    else {
        return;
    };
    let ours = sdp::Ice { ufrag: "abcd".to_owned(), pwd: "a password of twenty-two".to_owned() };
    engine.set_ice(browser, Some(&ours));
    let fingerprints = vec![sdp::Fingerprint { hash: "sha-256".to_owned(), digest: vec![1; 32] }];
    engine.set_dtls(browser, &DtlsPeer { active: false, fingerprints, tls_id: None }, now);
    engine.connect(browser, phone);
    // A party that passed its check and has keys: what follows is judged by all that there is to judge by.
    let check = stun::write_request("abcd:x", &ours.pwd, &[7; 12], &[(0x25, &[])]);
    let mut buffer = check.clone();
    let _ = engine.handle_packet(port.id, PacketKind::Rtp, address(9), &mut buffer, check.len(), now);
    let key = |n| MasterKey::new(Suite::AeadAes128Gcm, &[n; 28]).expect("as long as the suite wants");
    let keys = Keys { ours: key(1), theirs: key(2) };
    let Some(ToDtls::Open { handshake, .. }) = engine.poll_dtls() else { return };
    engine.handle_dtls(handshake, media::FromDtls::Keys(Box::new(keys)), now);
    let mut rest = data;
    while let Some((len, tail)) = rest.split_first() {
        let (datagram, next) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = next;
        let request = Request::read(datagram);
        let _ = request.map(|request| request.reject(&mut [0; ANSWER_MAX]));
        let knows = request.is_some_and(|request| request.is_of(&ours.ufrag, &ours.pwd));
        // The stranger at the other address has everything but the password.
        for from in [address(9), address(10)].into_iter().filter(|from| *from == address(9) || !knows) {
            let mut buffer = [datagram, &[0; GROWTH_MAX]].concat();
            let forward = engine.handle_packet(port.id, PacketKind::Rtp, from, &mut buffer, datagram.len(), now);
            assert!(forward.is_none(), "it was under no key");
            while let Some(answer) = engine.poll_transmit() {
                assert!(answer.to == from || answer.to == address(9), "to whom nobody asked");
                assert!(answer.bytes.len() <= ANSWER_MAX);
            }
            while let Some(work) = engine.poll_dtls() {
                assert!(from == address(9) || !matches!(work, ToDtls::Record { .. }), "a record of a stranger's");
            }
        }
    }
}
