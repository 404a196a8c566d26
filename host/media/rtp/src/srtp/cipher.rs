//! The transforms: AES in counter mode with HMAC-SHA1 (RFC 3711 sections 4.1.1, 4.2.1), and AES-GCM (RFC 7714).

use super::Suite;
use super::kdf::{Protocol, Use, derive};
use super::{MasterKey, SrtpError};
use aes::cipher::consts::{U12, U16};
use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use aes::{Aes128Enc, Aes256Enc, Block};
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, Tag};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Blocks of key stream made at once: what the processor's AES keeps busy, and 160 bytes of speech in two.
const AT_ONCE: usize = 8;

/// AES in counter mode.
#[derive(Clone)]
pub(crate) enum CounterMode {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

impl CounterMode {
    /// A key of 16 or 32 bytes; one of another length is filled up or cut, which no suite asks for.
    pub(crate) fn new(key: &[u8]) -> Self {
        if key.len() > 16 {
            CounterMode::Aes256(Aes256Enc::new(&padded::<32>(key).into()))
        } else {
            CounterMode::Aes128(Aes128Enc::new(&padded::<16>(key).into()))
        }
    }

    /// Adds the key stream from this counter on.
    pub(crate) fn apply(&self, counter: [u8; 16], data: &mut [u8]) {
        let mut next = u128::from_be_bytes(counter);
        for part in data.chunks_mut(16 * AT_ONCE) {
            let mut blocks = [Block::default(); AT_ONCE];
            let count = part.len().div_ceil(16);
            for block in blocks.iter_mut().take(count) {
                *block = next.to_be_bytes().into();
                next = next.wrapping_add(1);
            }
            let used = blocks.get_mut(..count).unwrap_or_default();
            match self {
                CounterMode::Aes128(aes) => aes.encrypt_blocks(used),
                CounterMode::Aes256(aes) => aes.encrypt_blocks(used),
            }
            part.iter_mut().zip(used.as_flattened_bytes()).for_each(|(byte, key)| *byte ^= key);
        }
    }
}

/// The bytes of several blocks in a row.
trait Flattened {
    fn as_flattened_bytes(&self) -> impl Iterator<Item = &u8>;
}

impl Flattened for &mut [Block] {
    fn as_flattened_bytes(&self) -> impl Iterator<Item = &u8> {
        self.iter().flat_map(|block| block.iter())
    }
}

fn padded<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    out
}

/// How packets of one protocol are hidden under one master key.
#[derive(Clone)]
pub(crate) enum Transform {
    Counter { cipher: Box<CounterMode>, mac: Box<Hmac<Sha1>>, salt: [u8; 16], tag: usize },
    Gcm128 { cipher: Box<Aes128Gcm>, salt: [u8; 12] },
    Gcm256 { cipher: Box<Aes256Gcm>, salt: [u8; 12] },
}

/// Where the parts of a packet lie: what is only authenticated, then what is hidden.
pub(crate) struct Layout<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) ssrc: u32,
    pub(crate) index: u64,
    /// How many bytes stay in clear.
    pub(crate) clear: usize,
    /// The word that is authenticated behind the packet: rollover counter, or index of SRTCP.
    pub(crate) word: u32,
    /// The packet without tag and word.
    pub(crate) packet: &'a mut [u8],
}

impl Transform {
    pub(crate) fn new(master: &MasterKey, protocol: Protocol) -> Self {
        let suite = master.suite();
        let mut key = [0; 32];
        let key = key.get_mut(..suite.key_len()).unwrap_or_default();
        derive(master, protocol, Use::Encryption, key);
        let mut salt = [0; 16];
        derive(master, protocol, Use::Salt, salt.get_mut(..suite.salt_len()).unwrap_or_default());
        match suite {
            Suite::AeadAes128Gcm => {
                let cipher = Box::new(Aes128Gcm::new(&padded::<16>(key).into()));
                Transform::Gcm128 { cipher, salt: padded(&salt) }
            }
            Suite::AeadAes256Gcm => {
                let cipher = Box::new(Aes256Gcm::new(&padded::<32>(key).into()));
                Transform::Gcm256 { cipher, salt: padded(&salt) }
            }
            Suite::AesCm128Sha1_80 | Suite::AesCm128Sha1_32 | Suite::AesCm256Sha1_80 | Suite::AesCm256Sha1_32 => {
                let mut auth = [0; 20];
                derive(master, protocol, Use::Authentication, &mut auth);
                // A key of 20 bytes is one block with zeroes behind it (RFC 2104): `new` takes the block.
                let mac = Box::new(Hmac::<Sha1>::new(&padded::<64>(&auth).into()));
                let tag = if protocol == Protocol::Rtp { suite.rtp_tag() } else { suite.rtcp_tag() };
                Transform::Counter { cipher: Box::new(CounterMode::new(key)), mac, salt, tag }
            }
        }
    }

    pub(crate) const fn tag_len(&self) -> usize {
        match self {
            Transform::Counter { tag, .. } => *tag,
            Transform::Gcm128 { .. } | Transform::Gcm256 { .. } => 16,
        }
    }

    /// Whether the tag stands before SRTCP's index word (AES-GCM) or behind it.
    pub(crate) const fn tag_is_first(&self) -> bool {
        matches!(self, Transform::Gcm128 { .. } | Transform::Gcm256 { .. })
    }

    /// Hides a packet and gives its tag, of which [`Transform::tag_len`] bytes count.
    pub(crate) fn seal(&self, of: Layout<'_>) -> Result<[u8; 16], SrtpError> {
        match self {
            Transform::Counter { cipher, mac, salt, .. } => {
                let hidden = of.packet.get_mut(of.clear..).ok_or(SrtpError::Malformed)?;
                cipher.apply(counter(salt, of.ssrc, of.index), hidden);
                Ok(authenticate(mac, of.packet, of.word))
            }
            Transform::Gcm128 { cipher, salt } => gcm_seal(cipher.as_ref(), salt, of),
            Transform::Gcm256 { cipher, salt } => gcm_seal(cipher.as_ref(), salt, of),
        }
    }

    /// Shows a packet, if the tag fits; else it is left as it was or unreadable.
    pub(crate) fn open(&self, of: Layout<'_>, tag: &[u8]) -> Result<(), SrtpError> {
        match self {
            Transform::Counter { cipher, mac, salt, .. } => {
                let expected = authenticate(mac, of.packet, of.word);
                let expected = expected.get(..tag.len()).ok_or(SrtpError::Malformed)?;
                if !bool::from(expected.ct_eq(tag)) {
                    return Err(SrtpError::Unauthentic);
                }
                let hidden = of.packet.get_mut(of.clear..).ok_or(SrtpError::Malformed)?;
                cipher.apply(counter(salt, of.ssrc, of.index), hidden);
                Ok(())
            }
            Transform::Gcm128 { cipher, salt } => gcm_open(cipher.as_ref(), salt, of, tag),
            Transform::Gcm256 { cipher, salt } => gcm_open(cipher.as_ref(), salt, of, tag),
        }
    }

    /// Whether the tag fits a packet of which nothing is hidden (SRTCP with E = 0). AES-GCM has no use for such.
    pub(crate) fn verify_clear(&self, of: &Layout<'_>, tag: &[u8]) -> Result<(), SrtpError> {
        let Transform::Counter { mac, .. } = self else { return Err(SrtpError::Unauthentic) };
        let expected = authenticate(mac, of.packet, of.word);
        let fits = expected.get(..tag.len()).is_some_and(|e| bool::from(e.ct_eq(tag)));
        if fits { Ok(()) } else { Err(SrtpError::Unauthentic) }
    }
}

/// RFC 3711 section 4.1.1: salt, SSRC and index, each at its place; the low 16 bits count blocks.
fn counter(salt: &[u8; 16], ssrc: u32, index: u64) -> [u8; 16] {
    let value = u128::from_be_bytes(*salt) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
    value.to_be_bytes()
}

fn authenticate(mac: &Hmac<Sha1>, packet: &[u8], word: u32) -> [u8; 16] {
    let mut mac = mac.clone();
    mac.update(packet);
    mac.update(&word.to_be_bytes());
    padded(&mac.finalize().into_bytes())
}

/// What RFC 7714 authenticates beside the hidden part, and its nonce (sections 8.1 and 9.1): the 48-bit index of RTP and
/// the 31-bit one of RTCP lie at the same end.
fn nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut out = *salt;
    out.iter_mut().skip(2).zip(ssrc.to_be_bytes()).for_each(|(byte, x)| *byte ^= x);
    out.iter_mut().skip(6).zip(index.to_be_bytes().iter().skip(2)).for_each(|(byte, x)| *byte ^= x);
    out
}

/// What AES-GCM authenticates beside the hidden part: RTP's header; RTCP's first header and the index word behind it.
fn beside<'a>(protocol: Protocol, word: u32, clear: &'a [u8], room: &'a mut [u8; 12]) -> &'a [u8] {
    match (protocol, clear.first_chunk::<8>()) {
        (Protocol::Rtcp, Some(head)) => {
            let (first, second) = room.split_at_mut(8);
            first.copy_from_slice(head);
            second.copy_from_slice(&word.to_be_bytes());
            room
        }
        (Protocol::Rtp | Protocol::Rtcp, _) => clear,
    }
}

fn gcm_seal<C>(cipher: &C, salt: &[u8; 12], of: Layout<'_>) -> Result<[u8; 16], SrtpError>
where
    C: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    let nonce = nonce(salt, of.ssrc, of.index).into();
    let (head, hidden) = of.packet.split_at_mut_checked(of.clear).ok_or(SrtpError::Malformed)?;
    let mut room = [0; 12];
    let aad = beside(of.protocol, of.word, head, &mut room);
    let tag = cipher.encrypt_inout_detached(&nonce, aad, hidden.into()).map_err(|_| SrtpError::Malformed)?;
    Ok(tag.into())
}

fn gcm_open<C>(cipher: &C, salt: &[u8; 12], of: Layout<'_>, tag: &[u8]) -> Result<(), SrtpError>
where
    C: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    let nonce = nonce(salt, of.ssrc, of.index).into();
    let tag = Tag::from(*tag.first_chunk::<16>().ok_or(SrtpError::Malformed)?);
    let (head, hidden) = of.packet.split_at_mut_checked(of.clear).ok_or(SrtpError::Malformed)?;
    let mut room = [0; 12];
    let aad = beside(of.protocol, of.word, head, &mut room);
    cipher.decrypt_inout_detached(&nonce, aad, hidden.into(), &tag).map_err(|_| SrtpError::Unauthentic)
}
