//! The way from other threads to the shards: a question is put to all of them, and their answers are gathered.

use crate::Gone;
use crate::command::Command;
use tokio::sync::{mpsc, oneshot};

/// One inbox for each shard, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Inboxes(Vec<mpsc::Sender<Command>>);

impl Inboxes {
    /// So many, each with room for `max` commands; and their other ends.
    pub(crate) fn new(count: usize, max: usize) -> (Inboxes, Vec<mpsc::Receiver<Command>>) {
        let (senders, receivers) = (0..count).map(|_| mpsc::channel(max.max(1))).unzip();
        (Inboxes(senders), receivers)
    }

    /// Asks every shard; the answers in the order of the shards.
    ///
    /// # Errors
    /// [`Gone`] as soon as one of them is.
    pub(crate) async fn ask<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Result<Vec<T>, Gone> {
        let mut awaited = Vec::with_capacity(self.0.len());
        for inbox in &self.0 {
            let (send, receive) = oneshot::channel();
            inbox.send(command(send)).await.map_err(|_| Gone)?;
            awaited.push(receive);
        }
        let mut answers = Vec::with_capacity(awaited.len());
        for receive in awaited {
            answers.push(receive.await.map_err(|_| Gone)?);
        }
        Ok(answers)
    }

    /// Asks every shard that has not ended; the answers of those that did not end meanwhile.
    pub(crate) async fn ask_living<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<T> {
        let mut awaited = Vec::with_capacity(self.0.len());
        for inbox in &self.0 {
            let (send, receive) = oneshot::channel();
            if inbox.send(command(send)).await.is_ok() {
                awaited.push(receive);
            }
        }
        let mut answers = Vec::with_capacity(awaited.len());
        for receive in awaited {
            answers.extend(receive.await.ok());
        }
        answers
    }

    /// The same without keeping the shards alive.
    pub(crate) fn downgrade(&self) -> WeakInboxes {
        WeakInboxes(self.0.iter().map(mpsc::Sender::downgrade).collect())
    }

    /// Returns when a shard has ended.
    pub(crate) async fn closed(&self) {
        if let Some(first) = self.0.first() {
            first.closed().await;
        }
    }
}

/// [`Inboxes`] of shards that may have ended.
#[derive(Clone, Debug)]
pub(crate) struct WeakInboxes(Vec<mpsc::WeakSender<Command>>);

impl WeakInboxes {
    /// The inboxes, unless a shard has ended.
    pub(crate) fn upgrade(&self) -> Option<Inboxes> {
        self.0.iter().map(mpsc::WeakSender::upgrade).collect::<Option<_>>().map(Inboxes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Inboxes};

    #[tokio::test]
    async fn a_shard_that_has_ended_keeps_no_other_from_being_asked() {
        let (inboxes, mut others) = Inboxes::new(3, 4);
        drop(others.remove(0));
        drop(others.remove(1));
        let mut living = others.remove(0);
        let answering = tokio::spawn(async move {
            while let Some(command) = living.recv().await {
                if let Command::EndAll(answer) = command {
                    let _asker = answer.send(7);
                }
            }
        });
        assert!(inboxes.ask(Command::EndAll).await.is_err(), "what needs all of them is refused");
        assert_eq!(inboxes.ask_living(Command::EndAll).await, [7]);
        drop(inboxes);
        answering.await.expect("the shard's task ends with its inbox");
    }
}
