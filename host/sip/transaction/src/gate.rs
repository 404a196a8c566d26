//! Responses of a watched INVITE: each waits to be let go, one behind the other, so that none overtakes another.

use crate::Gone;
use bytes::Bytes;
use model::Edge;
use std::collections::VecDeque;

/// How many responses that have left are known again when they are repeated: a final one, and provisional ones before.
const KNOWN_MAX: usize = 4;

/// What waits at a watched transaction.
///
/// # Invariants
/// Numbers grow; the front of `waiting` is the one that somebody was told of. Nothing is taken after a final response.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Where they leave, and whether they are within a dialog.
    at: (Edge, bool),
    next: u32,
    waiting: VecDeque<Waiting>,
    /// What has left, as it was given and as it went.
    known: VecDeque<(Bytes, Bytes)>,
    /// Whether a final response has come.
    finished: bool,
}

#[derive(Debug)]
struct Waiting {
    number: u32,
    status: u16,
    wire: Bytes,
}

/// What became of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It waits behind another, or repeats one that waits, or is lost for want of room.
    Waits,
    /// It is the first: somebody is to be told.
    First,
    /// It has left before, so.
    Again(Bytes),
}

impl Gate {
    pub(crate) fn new(at: (Edge, bool)) -> Gate {
        Gate { at, next: 0, waiting: VecDeque::new(), known: VecDeque::new(), finished: false }
    }

    /// The transaction user gives a response.
    pub(crate) fn take(&mut self, status: u16, wire: Bytes, max: usize) -> Result<Taken, Gone> {
        if let Some((_, went)) = self.known.iter().find(|(given, _)| *given == wire) {
            return Ok(Taken::Again(went.clone()));
        }
        if self.waiting.iter().any(|waiting| waiting.wire == wire) {
            return Ok(Taken::Waits);
        }
        if self.finished {
            return Err(Gone);
        }
        self.finished = status >= 200;
        if !self.finished && self.waiting.len() >= max {
            return Ok(Taken::Waits);
        }
        self.waiting.push_back(Waiting { number: self.next, status, wire });
        self.next = self.next.wrapping_add(1);
        Ok(if self.waiting.len() == 1 { Taken::First } else { Taken::Waits })
    }

    /// The one that is to leave next.
    pub(crate) fn front(&self) -> Option<(u32, (Edge, bool), Bytes)> {
        self.waiting.front().map(|first| (first.number, self.at, first.wire.clone()))
    }

    /// The first leaves, as `went`.
    pub(crate) fn pass(&mut self, number: u32, went: Bytes) -> Result<(), Gone> {
        let first = self.waiting.pop_front_if(|first| first.number == number).ok_or(Gone)?;
        if first.status >= 200 {
            self.known.clear();
        } else if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back((first.wire, went));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, BrandId, CallId, CompanyId, EdgeAt};

    fn gate() -> Gate {
        let at = EdgeAt::Account(AccountId(1));
        let (call, brand, company) = (CallId(1), BrandId(1), CompanyId(1));
        Gate::new((Edge { call, brand, company, at, withheld: false }, false))
    }

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn responses_leave_in_order_and_are_repeated_as_they_left() {
        let mut gate = gate();
        assert_eq!(gate.take(180, bytes("180"), 8), Ok(Taken::First));
        assert_eq!(gate.take(180, bytes("180"), 8), Ok(Taken::Waits), "the same once more");
        assert_eq!(gate.take(200, bytes("200"), 8), Ok(Taken::Waits));
        assert_eq!(gate.take(486, bytes("486"), 8), Err(Gone), "one final response");
        assert_eq!(gate.take(183, bytes("183"), 8), Err(Gone), "and none behind it");
        assert_eq!(gate.pass(1, bytes("x")), Err(Gone), "not its turn");
        assert_eq!(gate.pass(0, bytes("180 changed")), Ok(()));
        assert_eq!(gate.pass(0, bytes("180 changed")), Err(Gone), "once");
        assert_eq!(gate.take(180, bytes("180"), 8), Ok(Taken::Again(bytes("180 changed"))));
        assert_eq!(gate.front().map(|(number, ..)| number), Some(1));
        assert_eq!(gate.pass(1, bytes("200 changed")), Ok(()));
        assert_eq!(gate.take(200, bytes("200"), 8), Ok(Taken::Again(bytes("200 changed"))));
        assert!(gate.front().is_none());
    }

    #[test]
    fn a_final_response_has_room_where_no_provisional_one_has() {
        let mut gate = gate();
        assert_eq!(gate.take(180, bytes("180"), 1), Ok(Taken::First));
        assert_eq!(gate.take(183, bytes("183"), 1), Ok(Taken::Waits));
        assert_eq!(gate.take(200, bytes("200"), 1), Ok(Taken::Waits));
        assert_eq!(gate.pass(0, bytes("180")), Ok(()));
        assert_eq!(gate.front().map(|(.., wire)| wire), Some(bytes("200")), "183 was lost");
    }
}
