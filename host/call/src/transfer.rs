//! Transfers by REFER (RFC 3515, 3891, 3892, 4488), carried out here and not by the party that is transferred.
//!
//! *Blind*: a second call is opened as if the transferor had dialled the target, so that the chain is asked for the
//! transferor's account and that account pays. Its caller's leg stands in for the transferee until somebody answers;
//! then the transferee's dialog and media move into it, and the first call ends. A failure gives the call back: the
//! first call goes on, and a transferor that has left is called back.
//! *Attended*: Replaces names the transferor's leg of another call of the same company. The transferee takes that leg's
//! place there, under its number and at its account's cost.
//!
//! What touches two calls is a [`Job`]: a step leaves it at the desk, and [`crate::cross`] does it after the step.

use crate::leg::{Ending, LegNo};
use crate::step::Step;
use media::JobId;
use model::{AccountId, AppArgs, CallId, Cause, EndedBy, Prompt};
use sip_dialog::{InDialogAnswer, Refer};
use sip_message::Message;
use sip_transaction::ServerKey;

/// Sent where a transfer cannot be done; of the refusals the one that leaves the dialog alone (RFC 5057 section 5.1).
pub(crate) const DECLINE: u16 = 603;

/// A transfer of a party of this call.
#[derive(Debug)]
pub(crate) struct Handing {
    /// The call that rings the target.
    pub(crate) to: CallId,
    /// Who asked for it; `None` where the switch calls somebody back.
    pub(crate) transferor: Option<LegNo>,
    pub(crate) transferee: LegNo,
    /// Whose account asks and pays.
    pub(crate) account: AccountId,
    /// The subscription, where there is one: what was asked, and whether its id is named.
    pub(crate) refer: Option<(Refer, bool)>,
    /// The newest status that was told.
    pub(crate) told: u16,
    /// Whether a failure was followed by calling the transferor back already.
    pub(crate) recall: bool,
    /// What the transferee hears since the transferor left.
    pub(crate) ringback: Option<JobId>,
}

/// For whom a call rings.
#[derive(Debug)]
pub(crate) struct Serves {
    /// The call whose party its first leg stands in for.
    pub(crate) call: CallId,
    /// The number the target is shown.
    pub(crate) shown: String,
    /// The display name the target is shown.
    pub(crate) display: Option<String>,
    /// The Referred-By of its INVITEs.
    pub(crate) referred_by: String,
    /// Whether its party's media has to pass through the switch: a carrier's word, or a recording.
    pub(crate) anchor: bool,
    /// Whether nobody is asked when the plan has run out.
    pub(crate) recall: bool,
}

/// Work on two calls.
#[derive(Debug)]
pub(crate) enum Job {
    /// A party asks for a transfer that its own call allows.
    Refer { call: CallId, transferor: LegNo, transferee: LegNo, server: ServerKey, refer: Box<Refer> },
    /// The target rings.
    Ringing { call: CallId, status: u16 },
    /// The target has answered as this leg of the call that served.
    Answered { served: CallId, leg: LegNo },
    /// The chain gives the party to an app.
    ToApp { served: CallId, name: String, args: AppArgs },
    /// The target cannot be had.
    Failed { call: CallId, ending: Ending },
    /// Nobody waits for the target any more.
    Abandon { served: CallId, ending: Ending },
    /// A parked party has waited long enough: its parker is called back.
    Recall { call: CallId, leg: LegNo, account: AccountId },
    /// A leg is taken out of its conference room.
    Unseat { call: CallId, leg: LegNo },
}

impl Step<'_, '_> {
    /// A party sent REFER.
    pub(crate) fn referred(&mut self, no: LegNo, server: ServerKey, request: &Message) {
        let refer = match Refer::of(request) {
            Ok(refer) => refer,
            Err(status) => return self.answer_within(no, server, &InDialogAnswer::bare(status)),
        };
        let answered = self.call.leg(no).is_some_and(|l| l.is_answered());
        let idle = self.call.handing.is_none() && self.call.serves.is_none();
        let transferee = self.bridge_mut().filter(|b| b.joins(no)).map(|b| b.other(no));
        match transferee.filter(|_| answered && idle) {
            Some(transferee) => {
                let call = self.id();
                let refer = Box::new(refer);
                self.desk.jobs.push_back(Job::Refer { call, transferor: no, transferee, server, refer });
            }
            None => self.answer_within(no, server, &InDialogAnswer::bare(DECLINE)),
        }
    }

    /// Tells the transferor how far its transfer has come; a final status ends the subscription.
    pub(crate) fn tell_transferor(&mut self, status: u16) {
        let now = self.now();
        let Some(handing) = &mut self.call.handing else { return };
        if handing.told >= 200 || (status < 200 && status <= handing.told) {
            return;
        }
        handing.told = status;
        let Some((refer, named)) = &handing.refer else { return };
        let notify = refer.notify(status, *named);
        let key = handing.transferor.and_then(|no| self.call.leg(no)).and_then(|l| l.dialog);
        if let Some(key) = key {
            // One that has hung up meanwhile has ended the subscription too.
            let _ = self.floors.dialogs.send(self.floors.transactions, key, &notify, now);
        }
    }

    /// The transferor hangs up while its transfer is under way, as it may: the transferee waits for the target, and
    /// hears it ring. `true` where that is so.
    pub(crate) fn transferor_left(&mut self, no: LegNo) -> bool {
        let Some(handing) = self.call.handing.as_mut().filter(|h| h.transferor == Some(no)) else { return false };
        handing.transferor = None;
        let transferee = handing.transferee;
        let by = self.call.leg(no).map_or(EndedBy::Switch, crate::leg::Leg::ended_by_party);
        self.part(no);
        self.end_leg(no, Ending { cause: Cause::Transferred, sip: 200, by });
        let ringback = self.play_over(transferee, &["ring"]);
        if let Some(handing) = &mut self.call.handing {
            handing.ringback = ringback;
        }
        true
    }

    /// Plays the first of these that can be played to a leg, over and over.
    pub(crate) fn play_over(&mut self, no: LegNo, tones: &[&str]) -> Option<JobId> {
        let now = self.now();
        let stream = self.call.leg(no)?.stream?;
        let media = &mut *self.floors.media;
        tones.iter().find_map(|tone| media.play(stream, &[Prompt::Tone((*tone).to_owned())], true, now).ok())
    }

    /// The call is over, or one of its parties is: a transfer under way loses its sense.
    pub(crate) fn drop_handing(&mut self, ending: Ending) {
        self.tell_transferor(487);
        if let Some(handing) = self.call.handing.take() {
            if let Some(job) = handing.ringback {
                self.floors.media.stop(job);
            }
            self.desk.jobs.push_back(Job::Abandon { served: handing.to, ending });
        }
        if let Some(serves) = self.call.serves.take() {
            self.desk.jobs.push_back(Job::Failed { call: serves.call, ending });
        }
    }
}
