//! Globally routable URIs of one device (RFC 5627): public ones, and temporary ones that name nobody.
//!
//! A public GRUU is the address of record with the device's URN. A temporary one carries account and epoch, enciphered
//! and sealed, so no table is kept and two of them cannot be seen to be the same phone's (section 5.4, appendix A.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::AccountId;
use sha2::Sha256;
use subtle::ConstantTimeEq;

const NONCE: usize = 8;
const BODY: usize = 16;
const SEAL: usize = 12;

/// Makes and reads temporary GRUUs.
pub(crate) struct Gruus {
    secret: [u8; 32],
}

impl core::fmt::Debug for Gruus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Gruus(..)")
    }
}

impl Gruus {
    pub(crate) const fn new(secret: [u8; 32]) -> Gruus {
        Gruus { secret }
    }

    pub(crate) const fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn mac(&self, purpose: u8, parts: [&[u8]; 2]) -> [u8; 32] {
        // The block-sized key is the secret padded with zeros, which is what HMAC does with a shorter one (RFC 2104).
        let mut key = [0_u8; 64];
        key[..32].copy_from_slice(&self.secret);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(&[purpose]);
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// The pad for one nonce: never used twice, as the nonce is drawn for each GRUU.
    fn cipher(&self, nonce: &[u8], body: &mut [u8]) {
        let pad = self.mac(1, [nonce, &[]]);
        body.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    }

    /// The user part of a temporary GRUU. `nonce` is random.
    pub(crate) fn seal(&self, account: AccountId, epoch: u64, nonce: u64) -> String {
        let mut raw = [0_u8; NONCE + BODY + SEAL];
        raw[..NONCE].copy_from_slice(&nonce.to_be_bytes());
        raw[NONCE..NONCE + 8].copy_from_slice(&account.0.to_be_bytes());
        raw[NONCE + 8..NONCE + BODY].copy_from_slice(&epoch.to_be_bytes());
        let (head, body) = raw.split_at_mut(NONCE);
        let (body, seal) = body.split_at_mut(BODY);
        self.cipher(head, body);
        seal.copy_from_slice(&self.mac(2, [head, body])[..SEAL]);
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// The account and the epoch of a temporary GRUU's user part; `None` if it is not one of ours.
    pub(crate) fn open(&self, user: &str) -> Option<(AccountId, u64)> {
        let mut raw = [0_u8; NONCE + BODY + SEAL];
        if URL_SAFE_NO_PAD.decode_slice(user, &mut raw) != Ok(raw.len()) {
            return None;
        }
        let (head, body) = raw.split_at_mut(NONCE);
        let (body, seal) = body.split_at_mut(BODY);
        if !bool::from(self.mac(2, [head, body])[..SEAL].ct_eq(seal)) {
            return None;
        }
        self.cipher(head, body);
        let (account, epoch) = body.split_at(8);
        Some((AccountId(i64::from_be_bytes(account.try_into().ok()?)), u64::from_be_bytes(epoch.try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_gruu_names_its_account_to_us_and_to_nobody_else() {
        let gruus = Gruus::new([7; 32]);
        let one = gruus.seal(AccountId(42), 9, 1);
        let two = gruus.seal(AccountId(42), 9, 2);
        assert_eq!((gruus.open(&one), gruus.open(&two)), (Some((AccountId(42), 9)), Some((AccountId(42), 9))));
        assert!(one[12..] != two[12..], "nothing shows that both are one phone's");
        assert_eq!(Gruus::new([8; 32]).open(&one), None);
        let mut forged = one.clone().into_bytes();
        forged[14] = if forged[14] == b'A' { b'B' } else { b'A' };
        assert_eq!(gruus.open(core::str::from_utf8(&forged).unwrap()), None);
        for other in ["", "alice", &one[1..], "!!!!"] {
            assert_eq!(gruus.open(other), None, "{other}");
        }
    }
}
