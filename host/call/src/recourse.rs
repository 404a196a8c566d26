//! What a caller gets whose call app has failed: the app once more, an apology, somebody else.

use crate::app::ending_of;
use crate::engine::Output;
use crate::leg::{Ending, Leg, Progress};
use crate::stage::{Apology, Waiting};
use crate::step::Step;
use core::time::Duration;
use model::{APOLOGY, AppFailure, CallEvent, Explained, HookReport, Prompt, RecordedBy, Recourse};
use sdp::Description;
use std::sync::Arc;

impl Step<'_, '_> {
    /// A script is gone that its binding has a recourse for.
    pub(crate) fn app_failed(&mut self, failure: &AppFailure, recourse: Recourse) {
        let ending = ending_of(failure);
        let Some(run) = self.run() else { return };
        let (name, args, restarted) = (run.name.clone(), run.args.clone(), run.restarted);
        let begun = matches!(failure, AppFailure::Trapped(_) | AppFailure::Timeout);
        let answered = self.call.legs.iter().any(Leg::is_answered);
        let is_there = self.call.leg(0).is_some_and(Leg::is_alive);
        let again = recourse.restart && begun && !restarted && !answered && is_there;
        let comes = match &recourse.fallback {
            _ if again => "it is started once more".to_owned(),
            Some(number) if is_there => format!("the caller goes on to {number}"),
            Some(_) | None => "the call ends".to_owned(),
        };
        self.tell_of_failure(&name, failure, &recourse.plugin, &comes);
        self.silence();
        if !is_there {
            self.end_call(ending)
        } else if again {
            self.start_app(name, args);
            if let Some(run) = self.run() {
                run.restarted = true;
            }
        } else if !self.call.leg(0).is_some_and(Leg::is_answered) && recourse.fallback.is_some() {
            // Who still hears ringing need not know.
            self.go_on(recourse.fallback, ending);
        } else {
            self.apologise(recourse, ending);
        }
    }

    /// It stands in the explanation, and with the CDRs.
    fn tell_of_failure(&mut self, name: &str, failure: &AppFailure, plugin: &str, comes: &str) {
        let (outcome, why) = match failure {
            AppFailure::NotBound => ("not-bound", "not bound"),
            AppFailure::Saturated => ("saturated", "no instance could be had"),
            AppFailure::Trapped(why) => ("trap", why.as_str()),
            AppFailure::Timeout => ("timeout", "it took more time than it may"),
        };
        let began = self.run().map(|run| run.since);
        let took = began.map_or(Duration::ZERO, |began| self.now().since(began));
        let hook = HookReport {
            binding: name.to_owned(),
            plugin: plugin.to_owned(),
            outcome: outcome.to_owned(),
            took,
            warm: false,
        };
        let explained = Explained {
            call: self.call.id,
            company: self.call.info.company,
            at: self.now(),
            asked: "app".to_owned(),
            callee: self.call.info.callee.user.clone(),
            decision: format!("app {name} failed ({why}): {comes}"),
            hooks: vec![hook],
        };
        self.desk.out.push_back(Output::Event(CallEvent::Explained(Box::new(explained))));
        self.merge_attrs(vec![("app-failed".to_owned(), format!("{name}: {outcome}"))]);
    }

    /// Ends what the script had begun; only the caller stays.
    fn silence(&mut self) {
        self.stop_ringback();
        let waiting = self.run().and_then(|run| run.pending.take()).map(|(_, waiting)| waiting);
        match waiting {
            Some(Waiting::Dial(_)) => self.forget_answers(),
            Some(Waiting::Play { job, .. }) => self.floors.media.stop(job),
            Some(Waiting::Collect(collecting)) => {
                if let Some(job) = collecting.job {
                    self.floors.media.stop(job);
                }
            }
            Some(Waiting::Playback(playing)) => self.floors.media.stop(playing.job),
            Some(
                Waiting::Answer { .. }
                | Waiting::Echo { .. }
                | Waiting::Bridge(_)
                | Waiting::Sleep { .. }
                | Waiting::Press { .. }
                | Waiting::Record { .. }
                | Waiting::Listen { .. }
                | Waiting::Fork { .. }
                | Waiting::Confer { .. },
            )
            | None => {}
        }
        self.part(0);
        for no in self.call.live_legs().into_iter().filter(|no| *no != 0) {
            self.end_leg(no, Ending::switch(model::Cause::AppFailed));
        }
        self.stop_taping(0, &[RecordedBy::App], ("stopped", None));
        self.leave_room(0);
        if let Some(stream) = self.call.leg(0).and_then(|leg| leg.stream) {
            self.floors.media.echo(stream, false);
            self.floors.media.stop_listening(stream);
            self.floors.media.stop_music(stream);
            self.floors.media.stop_fork(stream);
        }
    }

    fn apologise(&mut self, recourse: Recourse, ending: Ending) {
        let Recourse { apology, fallback, .. } = recourse;
        let name = apology.unwrap_or_else(|| APOLOGY.to_owned());
        if name.is_empty() || !self.hears() {
            return self.go_on(fallback, ending);
        }
        let stream = self.call.leg(0).and_then(|leg| leg.stream);
        let job = stream.and_then(|stream| self.start_prompts(stream, &[Prompt::File(name)], false).ok());
        let until = self.now() + Duration::from_millis(u64::from(self.floors.setup.limits.apology_max_ms));
        match (job, self.run()) {
            (Some(job), Some(run)) => run.apology = Some(Apology { job, until, ending, fallback }),
            (Some(_) | None, _) => self.go_on(fallback, ending),
        }
    }

    /// Whether the caller hears the switch; one who waits for an answer does from now on, as early media.
    pub(crate) fn hears(&mut self) -> bool {
        let Some(leg) = self.call.leg(0) else { return false };
        if leg.is_answered() {
            return true;
        }
        let (Some(key), Some(offer)) = (leg.dialog, self.call.caller_offer.clone()) else { return false };
        let Ok(offer) = Description::parse(&offer) else { return false };
        let Ok(body) = self.answer_by_ourselves(0, &Arc::new(offer)) else { return false };
        let now = self.now();
        if self.floors.dialogs.progress(self.floors.transactions, key, 183, Some(body), &[], now).is_err() {
            return false;
        }
        if let Some(leg) = self.call.leg_mut(0) {
            leg.progress = Progress::Ringing;
        }
        true
    }

    /// The apology was heard, or took too long.
    pub(crate) fn apologised(&mut self) {
        let Some(apology) = self.run().and_then(|run| run.apology.take()) else { return };
        self.floors.media.stop(apology.job);
        self.go_on(apology.fallback, apology.ending);
    }

    /// The caller goes on to the fallback as if the app had sent it there.
    fn go_on(&mut self, fallback: Option<String>, ending: Ending) {
        let Some(number) = fallback else { return self.end_call(ending) };
        if self.call.leg(0).is_some_and(Leg::is_answered) {
            self.call.summoned.get_or_insert_default();
            self.call.caller_offer = self.call.leg(0).and_then(|l| l.theirs.as_ref()).map(|theirs| theirs.to_bytes());
        }
        self.reroute(&number, Vec::new());
    }
}
