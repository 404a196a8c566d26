//! Whom to try: one target, and the order of several (section 16.6: parallel within a q, serial across).

use bytes::Bytes;
use model::{Flow, HeaderOp};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// One target of a call.
#[derive(Clone, Debug)]
pub struct Target {
    /// The user's own number for it, given back in events.
    pub token: u16,
    /// The new Request-URI.
    pub request_uri: String,
    /// Route values that the request gets, nearest first: a binding's Path.
    pub routes: Vec<String>,
    /// The ways to it, to be tried in this order (RFC 3263 section 4.3).
    pub hops: SmallVec<[Flow; 1]>,
    /// Preference, in thousandths: the highest rings first, equals ring together.
    pub q: u16,
    /// Changes to the request's header fields.
    pub header_ops: Arc<[HeaderOp]>,
    /// The body it gets instead of the caller's.
    pub body: Option<Bytes>,
}

/// Targets that wait for their turn.
#[derive(Default, Debug)]
pub(crate) struct Waiting(VecDeque<Target>);

impl Waiting {
    /// Adds targets behind those that wait: by q, and in the order they came.
    pub(crate) fn add(&mut self, mut targets: Vec<Target>) {
        targets.sort_by_key(|target| core::cmp::Reverse(target.q));
        if self.0.is_empty() {
            self.0 = targets.into();
        } else {
            self.0.extend(targets);
        }
    }

    /// The targets that ring next: those with the q of the first, but not more than `most`.
    pub(crate) fn next_group(&mut self, most: usize) -> SmallVec<[Target; 2]> {
        let mut group = SmallVec::new();
        let q = self.next_q();
        while group.len() < most
            && let Some(target) = self.0.pop_front_if(|target| Some(target.q) == q)
        {
            group.push(target);
        }
        if self.0.is_empty() {
            // A call may last for hours.
            self.0 = VecDeque::new();
        }
        group
    }

    /// The q of those that ring next.
    pub(crate) fn next_q(&self) -> Option<u16> {
        self.0.front().map(|first| first.q)
    }

    /// Whoever waited waits no more.
    pub(crate) fn take(&mut self) -> VecDeque<Target> {
        core::mem::take(&mut self.0)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(token: u16, q: u16) -> Target {
        let (request_uri, routes) = (String::new(), Vec::new());
        Target { token, request_uri, routes, hops: SmallVec::new(), q, header_ops: Arc::from([]), body: None }
    }

    fn tokens(group: SmallVec<[Target; 2]>) -> Vec<u16> {
        group.into_iter().map(|target| target.token).collect()
    }

    #[test]
    fn equal_q_rings_together_and_no_more_than_the_breadth_lets() {
        let mut waiting = Waiting::default();
        waiting.add(vec![target(1, 500), target(2, 1000), target(3, 500), target(4, 500)]);
        assert_eq!(tokens(waiting.next_group(9)), [2]);
        assert_eq!(tokens(waiting.next_group(2)), [1, 3]);
        assert_eq!(tokens(waiting.next_group(2)), [4]);
        assert!(waiting.is_empty());
    }
}
