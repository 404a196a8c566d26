//! Key derivation (RFC 3711 section 4.3; with AES-256: RFC 6188; for AES-GCM: RFC 7714 section 11).

use super::MasterKey;
use super::cipher::CounterMode;

/// What a derived key is for: RTP's labels; RTCP's are three higher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// Which protocol it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Rtp,
    Rtcp,
}

/// Fills `out` with a derived key. The key derivation rate is zero: one set of keys per master key.
pub(crate) fn derive(master: &MasterKey, protocol: Protocol, purpose: Use, out: &mut [u8]) {
    // A salt of 96 bits is filled up with zeroes on the right.
    let mut counter = [0; 16];
    if let Some(place) = counter.get_mut(..master.salt().len()) {
        place.copy_from_slice(master.salt());
    }
    counter[7] ^= purpose as u8 + if protocol == Protocol::Rtcp { 3 } else { 0 };
    out.fill(0);
    CounterMode::new(master.key()).apply(counter, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::Suite;
    use crate::srtp::tests::hex;

    fn derived(master: &MasterKey, purpose: Use, len: usize) -> Vec<u8> {
        let mut out = vec![0xee; len];
        derive(master, Protocol::Rtp, purpose, &mut out);
        out
    }

    #[test]
    fn rfc_3711_appendix_b_3() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let master = MasterKey::new(Suite::AesCm128Sha1_80, &master).unwrap();
        assert_eq!(derived(&master, Use::Encryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(&master, Use::Salt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let auth = hex(
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2DC68",
        );
        assert_eq!(derived(&master, Use::Authentication, 94), auth[..94]);
    }

    #[test]
    fn rfc_6188_section_7_2() {
        let master =
            hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2");
        let master = MasterKey::new(Suite::AesCm256Sha1_80, &master).unwrap();
        assert_eq!(
            derived(&master, Use::Encryption, 32),
            hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
        );
        assert_eq!(derived(&master, Use::Salt, 14), hex("fa31791685ca444a9e07c6c64e93"));
        assert_eq!(derived(&master, Use::Authentication, 20), hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    }
}
