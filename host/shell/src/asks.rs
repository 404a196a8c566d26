//! Questions under way. Each is a future of the plugin host, polled on the shard's own thread when the plugin's thread
//! wakes it: an answer crosses one thread boundary, not two, and an unbound chain answers without leaving this thread.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use model::Ticket;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

type Asking<A> = Pin<Box<dyn Future<Output = A> + Send>>;

/// Marks the ticket and wakes the shard.
struct AskWaker {
    ticket: Ticket,
    woken: Arc<Mutex<Vec<Ticket>>>,
    net: net::Waker,
}

impl Wake for AskWaker {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.ticket);
        self.net.wake();
    }
}

/// # Invariants
/// A future in `pending` was polled, and whoever completes it holds its waker.
pub(crate) struct Asks<A> {
    pending: BTreeMap<Ticket, (Asking<A>, Waker)>,
    woken: Arc<Mutex<Vec<Ticket>>>,
    turn: Vec<Ticket>,
    net: net::Waker,
}

impl<A> Asks<A> {
    pub(crate) fn new(net: net::Waker) -> Asks<A> {
        Asks { pending: BTreeMap::new(), woken: Arc::default(), turn: Vec::new(), net }
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Begins to ask; gives the answer if it is there at once.
    pub(crate) fn begin(&mut self, ticket: Ticket, ask: impl Future<Output = A> + Send + 'static) -> Option<A> {
        let mut ask: Asking<A> = Box::pin(ask);
        let waker = AskWaker { ticket, woken: Arc::clone(&self.woken), net: self.net.clone() };
        let waker = Waker::from(Arc::new(waker));
        match ask.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => {
                self.pending.insert(ticket, (ask, waker));
                None
            }
        }
    }

    /// Polls every question that was woken; gives those that are answered.
    pub(crate) fn answered(&mut self, mut answered: impl FnMut(Ticket, A)) {
        std::mem::swap(&mut self.turn, &mut self.woken.lock().unwrap_or_else(PoisonError::into_inner));
        for ticket in self.turn.drain(..) {
            // Woken twice, or answered already.
            let Some((ask, waker)) = self.pending.get_mut(&ticket) else { continue };
            if let Poll::Ready(answer) = ask.as_mut().poll(&mut Context::from_waker(waker)) {
                self.pending.remove(&ticket);
                answered(ticket, answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Asks;
    use model::{Answer, Limits, Ticket};
    use tokio::sync::oneshot;

    fn answer() -> Answer {
        Answer { decision: None, failed: false, attrs: Vec::new(), hooks: Vec::new() }
    }

    #[test]
    fn an_answer_that_is_there_needs_no_wake_and_a_late_one_wakes_the_shard() {
        let mut net = net::Net::bind(&[], net::PortPool::default(), &Limits::default()).unwrap();
        let mut asks = Asks::new(net.waker());
        assert_eq!(asks.begin(Ticket(1), core::future::ready(answer())), Some(answer()));
        let (send, receive) = oneshot::channel();
        assert_eq!(asks.begin(Ticket(2), async { receive.await.unwrap() }), None);
        let mut got = Vec::new();
        asks.answered(|ticket, _| got.push(ticket));
        assert!(got.is_empty());
        let plugin = std::thread::spawn(move || send.send(answer()).unwrap());
        net.wait(None).unwrap();
        asks.answered(|ticket, _| got.push(ticket));
        assert_eq!((got, asks.len()), (vec![Ticket(2)], 0));
        plugin.join().unwrap();
    }
}
