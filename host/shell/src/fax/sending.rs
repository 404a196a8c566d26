//! Sends what is queued: a call for each fax, which goes the way of every other call, and its pages to whoever answers.
//!
//! A fax is claimed under a lease that is renewed while its call lasts; one whose try was cut off (a crash) is another try's
//! after that, from its first page on. A fax lies on the node that took it in, and only that one can send it.

use super::{FaxDesk, FaxKind, Outgoing, Sent, draw, file_of, ident, lock};
use crate::command::Command;
use crate::inboxes::WeakInboxes;
use core::time::Duration;
use facsimile::wire::Done;
use model::{Cause, FaxCall, Instant, Limits};
use std::sync::Arc;
use store::{Db, Fax, FaxEnd, FaxTry, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant as Moment, sleep_until};

/// How often it is looked for a fax whose time has come; one that is queued here is looked for at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So long a fax is ours without another word.
const LEASE: Duration = Duration::from_secs(120);
/// How often the lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// So long tries that are under way may end when the switch stops.
const PARTING: Duration = Duration::from_secs(5);
/// The pause of a fax that finds no room for its call, or whose pages lie on another node.
const ROOM_AGAIN: Duration = Duration::from_secs(15);
/// A fax that waits so long for room, or for its node, has failed.
const WAITS_MAX: Duration = Duration::from_secs(86_400);
/// The longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(3_600);
/// How long a call that is ended may take to say so.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What sends the queue of a node.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    pub(crate) desk: FaxDesk,
    pub(crate) db: Db,
    pub(crate) limits: Limits,
    pub(crate) shards: WeakInboxes,
}

/// What becomes of a fax after a try.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    /// It was sent, or has failed.
    Over(FaxEnd),
    /// It is tried again; a try that was none does not count.
    Again { pause: Duration, end: FaxEnd, counts: bool },
}

impl Sending {
    /// Runs until `stop` holds true.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut tries: JoinSet<()> = JoinSet::new();
        let mut told = false;
        while !*stop.borrow_and_update() {
            match self.begin(&mut tries).await {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::warn!(%error, "faxes wait for the database");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.desk.0.queued.notified() => {}
                Some(_) = tries.join_next(), if !tries.is_empty() => {}
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            }
        }
        let ends = async { while tries.join_next().await.is_some() {} };
        let _cut_off = tokio::time::timeout(PARTING, ends).await;
    }

    /// Begins what is due, as far as there is room.
    async fn begin(&self, tries: &mut JoinSet<()>) -> Result<(), StoreError> {
        while let Ok(place) = Arc::clone(&self.desk.0.places).try_acquire_owned() {
            let Some(holder) = draw() else { return Ok(()) };
            let (now, most) = (self.desk.0.clock.now(), self.limits.faxes_sending_max);
            let Some(fax) = self.db.faxes().claim(&holder, (now, LEASE), most).await? else { return Ok(()) };
            let own = self.clone();
            tries.spawn(async move { own.attempt(fax, &holder, place).await });
        }
        Ok(())
    }

    /// One try.
    async fn attempt(&self, fax: Fax, holder: &str, place: OwnedSemaphorePermit) {
        let of = FaxTry { fax: fax.id, holder };
        let fate = self.fate(&fax, of, place).await;
        let now = self.desk.0.clock.now();
        let written = match &fate {
            Fate::Over(end) => {
                let (whole, why) = (end.whole, end.reason.as_str());
                tracing::info!(fax = fax.id, company = fax.company.0, tries = fax.tries, whole, why, "a fax is over");
                self.db.faxes().ended(of, now, end).await
            }
            Fate::Again { pause, end, counts } => {
                tracing::info!(fax = fax.id, why = end.reason, again_in = ?pause, "a fax waits");
                self.db.faxes().later(of, now + *pause, end, *counts).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(fax = fax.id, %error, "what became of a fax is not written: it will be tried again");
        }
    }

    async fn fate(&self, fax: &Fax, of: FaxTry<'_>, place: OwnedSemaphorePermit) -> Fate {
        let failed = |reason: &str| FaxEnd { reason: reason.to_owned(), ..FaxEnd::default() };
        // The last of its tries was cut off by the end of a process.
        if fax.tries > self.limits.fax_tries_max {
            return Fate::Over(failed("it was tried as often as may be, and cut off"));
        }
        let file = file_of(&self.desk.0.room.root, fax.company, &fax.name, FaxKind::Tiff);
        if !file.exists() {
            return self.waits(fax, failed("its pages are not on this node"));
        }
        let (Some(ticket), Some(shards)) = (draw(), self.shards.upgrade()) else {
            return self.waits(fax, failed("the switch is ending"));
        };
        let wanted =
            FaxCall { company: fax.company, from: fax.caller.clone(), to: fax.callee.clone(), ticket: ticket.clone() };
        let (ended, told) = oneshot::channel();
        let outgoing = Outgoing { company: fax.company, file, ident: ident(&fax.caller), place, ended };
        lock(&self.desk.0.outgoing).insert(ticket.clone(), outgoing);
        let asked = shards.ask(|answer| Command::Fax(wanted.clone(), answer)).await;
        drop(shards);
        let begun =
            asked.map_or(Err(Cause::Draining), |all| all.into_iter().flatten().next().unwrap_or(Err(Cause::NotFound)));
        let call = match begun {
            Ok(call) => call,
            Err(cause) => {
                lock(&self.desk.0.outgoing).remove(&ticket);
                return self.unreached(fax, cause);
            }
        };
        if let Err(error) = self.db.faxes().called(of, call).await {
            tracing::warn!(fax = fax.id, %error, "the call of a fax is not noted");
        }
        let sent = self.watch(of, (&ticket, call), told).await;
        lock(&self.desk.0.outgoing).remove(&ticket);
        lock(&self.desk.0.calls).remove(&call);
        match sent {
            Some(Sent::Spoken(done)) => self.spoken(fax, done),
            Some(Sent::Unreached(cause)) => self.unreached(fax, cause),
            None => self.again(fax, failed("the call did not say how it went")),
        }
    }

    /// Waits until the call has ended, and keeps the fax ours meanwhile. A machine that does not answer is given up.
    async fn watch(
        &self,
        of: FaxTry<'_>,
        (ticket, call): (&str, model::CallId),
        mut told: oneshot::Receiver<Sent>,
    ) -> Option<Sent> {
        let mut renew = tokio::time::interval(RENEW_EVERY);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut rings_until = Some(Moment::now() + Duration::from_secs(u64::from(self.limits.fax_ring_s)));
        // Past the longest fax nothing is waited for.
        let mut until = Moment::now() + Duration::from_secs(u64::from(self.limits.fax_max_s + self.limits.fax_ring_s));
        until += ENDS_WITHIN;
        loop {
            tokio::select! {
                sent = &mut told => return sent.ok(),
                _ = renew.tick() => {
                    let lease = self.desk.0.clock.now() + LEASE;
                    if let Err(error) = self.db.faxes().renew(of, lease).await {
                        tracing::warn!(fax = of.fax, %error, "a fax that is being sent is not ours for certain");
                    }
                }
                () = sleep_until(rings_until.unwrap_or(until)), if rings_until.is_some() => {
                    rings_until = None;
                    if lock(&self.desk.0.outgoing).contains_key(ticket) {
                        self.give_up(call).await;
                        until = Moment::now() + ENDS_WITHIN;
                    }
                }
                () = sleep_until(until) => {
                    self.give_up(call).await;
                    return None;
                }
            }
        }
    }

    async fn give_up(&self, call: model::CallId) {
        if let Some(shards) = self.shards.upgrade() {
            let _known = shards.ask_living(|answer| Command::Hangup(call, answer)).await;
        }
    }

    /// Somebody answered.
    fn spoken(&self, fax: &Fax, done: Done) -> Fate {
        let end = FaxEnd { whole: done.ok, pages: done.pages, station: done.remote, t38: done.t38, reason: done.text };
        if end.whole { Fate::Over(end) } else { self.again(fax, end) }
    }

    /// Nobody did.
    #[allow(clippy::wildcard_enum_match_arm, reason = "all other causes may pass")]
    fn unreached(&self, fax: &Fax, cause: Cause) -> Fate {
        let end = FaxEnd { reason: format!("{}: {}", cause.code(), cause.advice()), ..FaxEnd::default() };
        match cause {
            // Room, which the tenant or the switch will have again.
            Cause::LimitReached
            | Cause::CallsMaxOut
            | Cause::CallsMaxIn
            | Cause::TrunkFull
            | Cause::TrunkRate
            | Cause::Draining => self.waits(fax, end),
            // What no other try changes.
            Cause::NotFound
            | Cause::NoDecision
            | Cause::NoRoute
            | Cause::NotPermitted
            | Cause::NoNumberToShow
            | Cause::Forbidden
            | Cause::PluginRefused
            | Cause::Redirected
            | Cause::PlanInvalid
            | Cause::LoopDetected => Fate::Over(end),
            // An operator has given it up; we have, where it rang too long.
            Cause::OperatorHangup => {
                self.again(fax, FaxEnd { reason: "no-answer: nobody answers, or the call was ended".to_owned(), ..end })
            }
            _ => self.again(fax, end),
        }
    }

    /// It is tried once more, if it may be.
    fn again(&self, fax: &Fax, end: FaxEnd) -> Fate {
        if fax.tries >= self.limits.fax_tries_max {
            return Fate::Over(end);
        }
        let first = u64::from(self.limits.fax_retry_s.max(1));
        let doubled = first.saturating_mul(2_u64.saturating_pow(fax.tries.saturating_sub(1).min(32)));
        Fate::Again { pause: Duration::from_secs(doubled).min(RETRY_MAX), end, counts: true }
    }

    /// Nothing was tried: it waits, but not for ever.
    fn waits(&self, fax: &Fax, end: FaxEnd) -> Fate {
        let now: Instant = self.desk.0.clock.now();
        if fax.made_at + WAITS_MAX <= now {
            return Fate::Over(end);
        }
        Fate::Again { pause: ROOM_AGAIN, end, counts: false }
    }
}
