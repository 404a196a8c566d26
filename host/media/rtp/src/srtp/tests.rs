//! Test vectors of the RFCs, and both ends against each other.

use super::*;
use crate::{Header, write_header};

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let nibble = |d: u8| (d as char).to_digit(16).unwrap() as u8;
    digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

fn master(suite: Suite, seed: u8) -> MasterKey {
    let bytes: Vec<u8> = (0..suite.master_len() as u8).map(|n| n.wrapping_mul(7) ^ seed).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header { payload_type: 0, marker: false, sequence, timestamp: 1_000, ssrc, payload: 0..0 };
    [&write_header(&header)[..], payload].concat()
}

fn sealed(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + GROWTH_MAX, 0);
    let len = sender.protect(&mut buffer, packet.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn opened(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let len = receiver.unprotect(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

/// libsrtp's reference packet (`srtp_driver.c`), made with the key of RFC 3711 appendix B.3.
#[test]
fn the_reference_packet_of_aes_cm_128_hmac_sha1_80() {
    let key = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let clear = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let hidden = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let master = MasterKey::new(Suite::AesCm128Sha1_80, &key).unwrap();
    assert_eq!(sealed(&mut Sender::new(&master), &clear), hidden);
    assert_eq!(opened(&mut Receiver::new(&master), &hidden), Ok(clear));
}

/// The same for AES-GCM (`srtp_validate_gcm`).
#[test]
fn the_reference_packets_of_aes_gcm() {
    let key = hex("000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab");
    let clear = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let hidden = hex("800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392");
    let master = MasterKey::new(Suite::AeadAes128Gcm, &key).unwrap();
    assert_eq!(sealed(&mut Sender::new(&master), &clear), hidden);
    assert_eq!(opened(&mut Receiver::new(&master), &hidden), Ok(clear));
    let clear = hex("81c8000bcafebabe abababababababababababababababab");
    let hidden = hex("81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001");
    let mut buffer = hidden.clone();
    let mut receiver = Receiver::new(&master);
    let len = receiver.unprotect_rtcp(&mut buffer).unwrap();
    assert_eq!(buffer[..len], clear);
    let mut sender = Sender::new(&master);
    let mut buffer = [clear.clone(), vec![0; GROWTH_MAX]].concat();
    sender.protect_rtcp(&mut buffer, clear.len()).unwrap();
    let mut buffer = [clear.clone(), vec![0; GROWTH_MAX]].concat();
    let len = sender.protect_rtcp(&mut buffer, clear.len()).unwrap();
    assert_eq!(buffer[..len], hidden, "the second packet has the index 1");
}

#[test]
fn names_and_lengths_of_the_suites() {
    for (suite, len, rtp, rtcp) in [
        (Suite::AesCm128Sha1_80, 30, 10, 14),
        (Suite::AesCm128Sha1_32, 30, 4, 14),
        (Suite::AesCm256Sha1_80, 46, 10, 14),
        (Suite::AesCm256Sha1_32, 46, 4, 14),
        (Suite::AeadAes128Gcm, 28, 16, 20),
        (Suite::AeadAes256Gcm, 44, 16, 20),
    ] {
        assert_eq!(Suite::from_name(&suite.name().to_ascii_lowercase()), Some(suite));
        assert_eq!(suite.master_len(), len);
        assert_eq!(MasterKey::new(suite, &vec![0; len + 1]), None);
        let mut sender = Sender::new(&master(suite, 1));
        assert_eq!(sealed(&mut sender, &packet(1, 1, &[0; 160])).len(), 172 + rtp);
        let mut report = [0x80, 201, 0, 1, 0, 0, 0, 1].to_vec();
        report.resize(8 + GROWTH_MAX, 0);
        assert_eq!(sender.protect_rtcp(&mut report, 8), Ok(8 + rtcp));
    }
    assert_eq!(Suite::from_name("AES_CM_256_HMAC_SHA1_80"), Some(Suite::AesCm256Sha1_80));
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
}

#[test]
fn every_suite_carries_both_ways_round_the_numbers_and_takes_nothing_twice() {
    for suite in Suite::ALL {
        let master = master(*suite, 3);
        let (mut sender, mut receiver) = (Sender::new(&master), Receiver::new(&master));
        let mut older = Vec::new();
        for n in 0..20_000_u32 {
            // Most steps are long, so that the numbers go round fast; a receiver follows steps below 2^15.
            let sequence = (n * 997) as u16;
            let clear = packet(9, sequence, &n.to_be_bytes());
            let hidden = sealed(&mut sender, &clear);
            assert_ne!(hidden[12..16], clear[12..16], "{suite:?}");
            if n % 7_001 == 0 {
                older = hidden.clone();
            }
            assert_eq!(opened(&mut receiver, &hidden).as_ref(), Ok(&clear), "{suite:?} {n}");
            assert_eq!(opened(&mut receiver, &hidden), Err(SrtpError::Replayed));
        }
        assert!(opened(&mut receiver, &older).is_err());
        assert_eq!(
            sender.protect(&mut [packet(9, (19_999_u32 * 997) as u16, &[1; 4]), vec![0; 20]].concat(), 16),
            Err(SrtpError::Replayed)
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_and_moves_nothing() {
    for suite in Suite::ALL {
        let (ours, other) = (master(*suite, 1), master(*suite, 2));
        let mut receiver = Receiver::new(&ours);
        let clear = packet(5, 100, &[7; 160]);
        let hidden = sealed(&mut Sender::new(&ours), &clear);
        assert_eq!(opened(&mut receiver, &clear), Err(SrtpError::Unauthentic), "clear RTP");
        assert_eq!(opened(&mut receiver, &sealed(&mut Sender::new(&other), &clear)), Err(SrtpError::Unauthentic));
        for at in 0..hidden.len() {
            let mut torn = hidden.clone();
            torn[at] ^= 0x10;
            assert!(opened(&mut receiver, &torn).is_err(), "{suite:?}: byte {at}");
        }
        for len in 0..hidden.len() {
            assert!(opened(&mut receiver, &hidden[..len]).is_err());
        }
        assert_eq!(opened(&mut receiver, &hidden), Ok(clear.clone()), "forgeries moved no window");
        let mut sender = Sender::new(&ours);
        assert_eq!(sender.protect(&mut clear.clone(), 172), Err(SrtpError::NoRoom));
        assert_eq!(sender.protect(&mut [0; 40], 20), Err(SrtpError::Malformed));
    }
}

#[test]
fn reports_are_hidden_numbered_and_had_once() {
    for suite in Suite::ALL {
        let master = master(*suite, 5);
        let (mut sender, mut receiver) = (Sender::new(&master), Receiver::new(&master));
        let report = [&[0x81, 201, 0, 7, 0, 0, 0, 9][..], &[3; 24]].concat();
        for _ in 0..3 {
            let mut buffer = [report.clone(), vec![0; GROWTH_MAX]].concat();
            let len = sender.protect_rtcp(&mut buffer, report.len()).unwrap();
            assert_ne!(buffer[8..32], report[8..]);
            let mut again = buffer[..len].to_vec();
            assert_eq!(receiver.unprotect_rtcp(&mut buffer[..len]), Ok(report.len()));
            assert_eq!(buffer[..report.len()], report);
            assert_eq!(receiver.unprotect_rtcp(&mut again), Err(SrtpError::Replayed));
        }
        assert_eq!(receiver.unprotect_rtcp(&mut report.clone()), Err(SrtpError::Unauthentic));
    }
}

#[test]
fn each_source_has_numbers_of_its_own_and_there_are_not_too_many() {
    let master = master(Suite::AesCm128Sha1_80, 8);
    let (mut sender, mut receiver) = (Sender::new(&master), Receiver::new(&master));
    for ssrc in 0..SOURCES_MAX as u32 {
        let hidden = sealed(&mut sender, &packet(ssrc, 65_000, &[1; 20]));
        assert!(opened(&mut receiver, &hidden).is_ok());
    }
    let mut more = [packet(99, 1, &[1; 20]), vec![0; 20]].concat();
    assert_eq!(sender.protect(&mut more, 32), Err(SrtpError::TooManySources));
    // The receiver takes one more and forgets the first.
    let mut another = Sender::new(&master);
    assert!(opened(&mut receiver, &sealed(&mut another, &packet(99, 1, &[1; 20]))).is_ok());
    assert_eq!(opened(&mut receiver, &sealed(&mut another, &packet(31, 65_000, &[1; 20]))), Err(SrtpError::Replayed));
}

#[test]
fn headers_with_extension_and_csrc_stay_in_clear() {
    for suite in Suite::ALL {
        let master = master(*suite, 9);
        let mut clear = packet(5, 1, &[]);
        clear[0] = 0xb1;
        clear.extend([9; 4]);
        clear.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        clear.extend([42, 43, 0, 2]);
        let hidden = sealed(&mut Sender::new(&master), &clear);
        assert_eq!(hidden[..24], clear[..24]);
        assert_eq!(opened(&mut Receiver::new(&master), &hidden), Ok(clear));
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        for suite in Suite::ALL {
            let mut receiver = Receiver::new(&master(*suite, 1));
            assert!(receiver.unprotect(&mut bytes.clone()).is_err());
            assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
        }
    }
}
