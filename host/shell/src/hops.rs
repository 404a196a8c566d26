//! Lookups of next hops under way: each is a task of the runtime, whose answer wakes the shard.

use model::{ResolveFailure, ResolveQuestion, ResolveTicket};
use resolver::{Found, Resolver};
use std::sync::mpsc;

type Answer = (ResolveTicket, Result<Vec<Found>, ResolveFailure>);

/// How many there can be is the core's limit (`Limits::lookups_max`), how long one takes the resolver's.
pub(crate) struct Hops {
    resolver: Resolver,
    net: net::Waker,
    send: mpsc::Sender<Answer>,
    receive: mpsc::Receiver<Answer>,
}

impl Hops {
    pub(crate) fn new(resolver: Resolver, net: net::Waker) -> Hops {
        let (send, receive) = mpsc::channel();
        Hops { resolver, net, send, receive }
    }

    /// Begins to look up; must be called within the runtime.
    pub(crate) fn ask(&self, question: ResolveQuestion) {
        let (resolver, send, net) = (self.resolver.clone(), self.send.clone(), self.net.clone());
        tokio::spawn(async move {
            let found = resolver.ask(&question.target).await;
            // A shard that is gone needs no answer.
            let _gone = send.send((question.ticket, found));
            net.wake();
        });
    }

    /// What was answered since it was asked last.
    pub(crate) fn answered(&self) -> Vec<Answer> {
        self.receive.try_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use model::{HopTarget, Limits};
    use resolver::{ResolverSettings, Ways};

    #[test]
    fn an_answer_wakes_the_shard() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _entered = runtime.enter();
        let mut net = net::Net::bind(&[], net::PortPool::default(), &Limits::default()).unwrap();
        let settings = ResolverSettings {
            servers: vec!["127.0.0.1:9".parse().unwrap()],
            deadline: Duration::from_secs(2),
            ways: Ways::default(),
        };
        let hops = Hops::new(Resolver::new(settings), net.waker());
        let target = HopTarget { host: "a b".to_owned(), port: Some(0), transport: None, secure: false };
        hops.ask(ResolveQuestion { ticket: ResolveTicket(7), target });
        net.wait(None).unwrap();
        assert_eq!(hops.answered(), vec![(ResolveTicket(7), Err(ResolveFailure::Invalid))]);
    }
}
