//! What the switch and a helper tell each other: frames of a length (32 bits, big endian), a kind, and so many bytes.

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Samples of one frame: 20 ms at 8 kHz.
pub const FRAME: usize = 160;
/// Longest frame, in bytes after its length.
pub const FRAME_MAX: usize = 65_536;

/// What the helper is to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Send the file, as the caller does; else receive into it.
    pub send: bool,
    /// The TIFF file.
    pub file: PathBuf,
    /// Our number as the other machine shows it: at most 20 characters of a fax's alphabet.
    pub ident: String,
    /// A line above each page sent; none where it is empty.
    #[serde(default)]
    pub header: String,
    /// Error correction (T.30 annex A).
    pub ecm: bool,
    /// Pages received at most.
    pub pages_max: u32,
}

/// To the helper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToHelper {
    /// The first frame.
    Job(Job),
    /// 20 ms of the party's sound; it answers with as much.
    Sound(Vec<i16>),
    /// 20 ms have passed of a fax by T.38.
    Tick,
    /// A datagram of UDPTL.
    Datagram(Vec<u8>),
    /// The fax goes on by T.38, or as sound. Where no page has passed yet, it begins anew there.
    Medium {
        /// By T.38.
        t38: bool,
    },
    /// The call is over.
    End,
}

/// From the helper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FromHelper {
    /// 20 ms for the party.
    Sound(Vec<i16>),
    /// A datagram of UDPTL for the party.
    Datagram(Vec<u8>),
    /// 20 ms were taken in of a fax by T.38: it lives.
    Tick,
    /// Something to know.
    News(News),
}

/// What became of the fax so far.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "news")]
pub enum News {
    /// The library is there, and the fax begins.
    Begun,
    /// Now is the time to offer T.38: the calling machine was heard, or ours has said its name.
    OfferT38,
    /// So many pages have passed and were confirmed.
    Page {
        /// How many.
        pages: u32,
    },
    /// It is over.
    Done(Done),
}

/// How a fax ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// All pages have passed.
    pub ok: bool,
    /// In words.
    pub text: String,
    /// Pages that were confirmed.
    pub pages: u32,
    /// What the other machine calls itself.
    pub remote: String,
    /// It went by T.38 at the end.
    pub t38: bool,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn json<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))
}

fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 1).unwrap_or(u32::MAX);
    [&len.to_be_bytes()[..], &[kind], payload].concat()
}

impl ToHelper {
    /// The frame.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            ToHelper::Job(job) => framed(b'J', &serde_json::to_vec(job).unwrap_or_default()),
            ToHelper::Sound(sound) => framed(b'S', &bytes_of(sound)),
            ToHelper::Tick => framed(b'T', &[]),
            ToHelper::Datagram(datagram) => framed(b'D', datagram),
            ToHelper::Medium { t38 } => framed(b'M', &[u8::from(*t38)]),
            ToHelper::End => framed(b'E', &[]),
        }
    }

    /// The frame's meaning, of what follows its length.
    ///
    /// # Errors
    /// It has none.
    pub fn from_bytes(frame: &[u8]) -> io::Result<ToHelper> {
        let (kind, payload) = frame.split_first().ok_or_else(|| invalid("an empty frame"))?;
        Ok(match kind {
            b'J' => ToHelper::Job(json(payload)?),
            b'S' => ToHelper::Sound(samples(payload)),
            b'T' => ToHelper::Tick,
            b'D' => ToHelper::Datagram(payload.to_vec()),
            b'M' => ToHelper::Medium { t38: payload == [1] },
            b'E' => ToHelper::End,
            _ => return Err(invalid("a frame of no kind")),
        })
    }
}

impl FromHelper {
    /// The frame.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            FromHelper::Sound(sound) => framed(b'S', &bytes_of(sound)),
            FromHelper::Datagram(datagram) => framed(b'D', datagram),
            FromHelper::Tick => framed(b'T', &[]),
            FromHelper::News(news) => framed(b'N', &serde_json::to_vec(news).unwrap_or_default()),
        }
    }

    /// The frame's meaning, of what follows its length.
    ///
    /// # Errors
    /// It has none.
    pub fn from_bytes(frame: &[u8]) -> io::Result<FromHelper> {
        let (kind, payload) = frame.split_first().ok_or_else(|| invalid("an empty frame"))?;
        Ok(match kind {
            b'S' => FromHelper::Sound(samples(payload)),
            b'D' => FromHelper::Datagram(payload.to_vec()),
            b'T' => FromHelper::Tick,
            b'N' => FromHelper::News(json(payload)?),
            _ => return Err(invalid("a frame of no kind")),
        })
    }
}

/// The length of a frame, of its first four bytes.
///
/// # Errors
/// It is empty, or longer than [`FRAME_MAX`].
pub fn length(head: [u8; 4]) -> io::Result<usize> {
    let len = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if len == 0 || len > FRAME_MAX { Err(invalid("a frame of an impossible length")) } else { Ok(len) }
}

/// The next frame; `None` at the end.
///
/// # Errors
/// The reader fails, or what it gives is no frame.
pub fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut frame = vec![0; length(head)?];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// Writes frames, and sees them off.
///
/// # Errors
/// The writer fails.
pub fn write(to: &mut impl Write, frames: impl IntoIterator<Item = FromHelper>) -> io::Result<()> {
    for frame in frames {
        to.write_all(&frame.to_bytes())?;
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let job = Job {
            send: true,
            file: PathBuf::from("/tmp/a.tif"),
            ident: "+49 30".to_owned(),
            header: String::new(),
            ecm: true,
            pages_max: 9,
        };
        for to in [
            ToHelper::Job(job),
            ToHelper::Sound(vec![-5, 7]),
            ToHelper::Tick,
            ToHelper::Datagram(vec![1, 2]),
            ToHelper::Medium { t38: true },
            ToHelper::Medium { t38: false },
            ToHelper::End,
        ] {
            let frame = read(&mut to.to_bytes().as_slice()).unwrap().unwrap();
            assert_eq!(ToHelper::from_bytes(&frame).unwrap(), to);
        }
        for from in [
            FromHelper::Sound(vec![i16::MIN, i16::MAX]),
            FromHelper::Datagram(vec![9]),
            FromHelper::Tick,
            FromHelper::News(News::Begun),
            FromHelper::News(News::Page { pages: 2 }),
            FromHelper::News(News::Done(Done { ok: true, ..Done::default() })),
        ] {
            let frame = read(&mut from.to_bytes().as_slice()).unwrap().unwrap();
            assert_eq!(FromHelper::from_bytes(&frame).unwrap(), from);
        }
        assert!(read(&mut &[0, 0, 0, 0, 1][..]).is_err() && read(&mut &[9, 0, 0, 0, 1][..]).is_err());
        assert!(read(&mut &[][..]).unwrap().is_none());
        assert!(ToHelper::from_bytes(b"X").is_err() && FromHelper::from_bytes(b"N{").is_err());
    }
}
