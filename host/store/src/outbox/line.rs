//! One line of the journal: `crc32 json\n`, the CRC in 8 hex digits over the JSON. JSON text has no raw newline.

use model::{CallId, CallRecord, Cdr, Instant};
use serde::Deserialize;
use std::io::{self, Write as _};

/// What a line says.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entry {
    /// A leg was answered.
    Answered(Cdr),
    /// A leg ended.
    Ended(Cdr),
    /// The process was alive.
    Alive(Instant),
}

impl Entry {
    /// The last time the entry proves the process to have lived.
    pub(crate) fn at(&self) -> Instant {
        match self {
            Entry::Answered(cdr) => cdr.answered_at.unwrap_or(cdr.started_at),
            Entry::Ended(cdr) => cdr.ended_at,
            Entry::Alive(at) => *at,
        }
    }
}

/// What the drain needs of a line: the other half of the journal's records, those of answers, it reads for their names
/// only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Glance {
    /// A leg was answered.
    Answered {
        /// Its call.
        call: CallId,
        /// Its number.
        leg: u16,
    },
    /// A leg ended.
    Ended(Box<Cdr>),
    /// The process was alive.
    Alive(serde::de::IgnoredAny),
}

/// CRC and blank in front of the JSON.
const PREFIX: usize = 9;

fn framed(out: &mut Vec<u8>, json: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let start = out.len();
    out.extend_from_slice(b"........ ");
    if let Err(error) = json(out) {
        out.truncate(start);
        return Err(error);
    }
    let crc = crc32fast::hash(out.get(start + PREFIX..).unwrap_or_default());
    if let Some(mut place) = out.get_mut(start..start + PREFIX) {
        write!(place, "{crc:08x}")?;
    }
    out.push(b'\n');
    Ok(())
}

/// Appends the line of a record.
pub(crate) fn encode(out: &mut Vec<u8>, record: &CallRecord) -> io::Result<()> {
    framed(out, |out| serde_json::to_writer(out, record).map_err(io::Error::from))
}

/// Appends a sign of life.
pub(crate) fn encode_alive(out: &mut Vec<u8>, now: Instant) -> io::Result<()> {
    framed(out, |out| write!(out, "{{\"alive\":{}}}", now.unix_nanos()))
}

/// Reads one line without its newline; `None` if it is damaged.
pub(crate) fn decode(line: &[u8]) -> Option<Entry> {
    serde_json::from_slice(intact(line)?).ok()
}

/// A line that is as it was written, though by a program that knew more than this one: the leg that it ends, if it names
/// one. `None` for a damaged line.
pub(crate) fn foreign(line: &[u8]) -> Option<Option<(CallId, u16)>> {
    #[derive(Deserialize)]
    struct Leg {
        call: CallId,
        leg: u16,
    }
    #[derive(Deserialize)]
    struct Ended {
        ended: Leg,
    }
    let json = intact(line)?;
    serde_json::from_slice::<serde::de::IgnoredAny>(json).ok()?;
    Some(serde_json::from_slice(json).ok().map(|Ended { ended }| (ended.call, ended.leg)))
}

/// Reads of one line what the drain needs.
pub(crate) fn glance(line: &[u8]) -> Option<Glance> {
    serde_json::from_slice(intact(line)?).ok()
}

/// The JSON of a line whose CRC is right.
fn intact(line: &[u8]) -> Option<&[u8]> {
    let (crc, json) = line.split_at_checked(PREFIX)?;
    let crc = std::str::from_utf8(crc).ok()?.strip_suffix(' ')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(json) {
        return None;
    }
    Some(json)
}

/// The lines of a chunk: each with the offset behind its newline. What follows the last newline is no line.
pub(crate) fn lines(chunk: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut end = 0;
    chunk.split_inclusive(|b| *b == b'\n').filter_map(move |line| {
        end += line.len();
        Some((end, line.strip_suffix(b"\n")?))
    })
}
