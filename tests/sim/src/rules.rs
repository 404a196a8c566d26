//! The rules that hold after every step, each with a name.

use crate::dialog::Stage;
use crate::journal::Journal;
use crate::node::Node;
use crate::phone::{Lamp, Phone};
use crate::plan::account_id;
use crate::text;
use core::time::Duration;
use model::{Cause, Instant, Limits};
use std::collections::{BTreeMap, BTreeSet};
use switch::Counters;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1.
const PATIENCE: Duration = Duration::from_secs(32);
/// After this long both sides have heard of an end: 64*T1 for the ACK that does not come, 64*T1 for the BYE.
const SETTLED: Duration = Duration::from_secs(70);
/// No request of a leg leaves so long after its end.
const SILENT: Duration = Duration::from_secs(110);

/// A rule that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The rule's name.
    pub rule: &'static str,
    /// What happened.
    pub words: String,
}

fn broken(rule: &'static str, words: String) -> Result<(), Broken> {
    Err(Broken { rule, words })
}

/// A 2xx of the switch that waits for its ACK.
#[derive(Debug)]
struct Unacked {
    first: Instant,
    last: Instant,
    interval: Duration,
}

/// What the rules remember of what was sent.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Final responses by branch and method.
    finals: BTreeMap<(String, String), (u16, String)>,
    unacked: BTreeMap<(String, u32), Unacked>,
    /// Call-IDs of dialogs that a BYE has ended. A 2xx to a re-INVITE may still be repeated there, and its ACK may be late.
    over: BTreeSet<String>,
    /// The newest NOTIFY by our tag: its number, and whether it was answered.
    notifies: BTreeMap<String, (u32, bool)>,
}

impl Rules {
    /// The switch sends a message.
    pub(crate) fn sent(&mut self, message: &str, journal: &Journal, now: Instant) -> Result<(), Broken> {
        match text::status(message) {
            Some(status) if status >= 200 => self.final_sent(message, status, journal, now),
            Some(_) => Ok(()),
            None => self.request_sent(message, journal, now),
        }
    }

    fn final_sent(&mut self, message: &str, status: u16, journal: &Journal, now: Instant) -> Result<(), Broken> {
        let of = |name| text::field(message, name).unwrap_or_default();
        let tag = text::tag(of("to")).unwrap_or_default();
        let key = (text::branch(message).to_owned(), text::method(message).to_owned());
        let known = self.finals.entry(key).or_insert_with(|| (status, tag.to_owned()));
        if known.0 != status || known.1 != tag {
            return broken("one-final", format!("{status} {tag} after {known:?}: {}", of("call-id")));
        }
        if text::method(message) != "INVITE" || status >= 300 {
            return Ok(());
        }
        if journal.by_call_id(of("call-id")).is_none_or(|e| e.answered.is_none()) {
            return broken("journal-first", format!("a 2xx left before its record: {}", of("call-id")));
        }
        let key = (of("call-id").to_owned(), text::cseq(message));
        if self.over.contains(&key.0) {
            return Ok(());
        }
        match self.unacked.get_mut(&key) {
            Some(waiting) => {
                waiting.interval = (waiting.interval * 2).min(T2);
                waiting.last = now;
            }
            None => {
                self.unacked.insert(key, Unacked { first: now, last: now, interval: T1 });
            }
        }
        Ok(())
    }

    fn request_sent(&mut self, message: &str, journal: &Journal, now: Instant) -> Result<(), Broken> {
        let call_id = text::field(message, "call-id").unwrap_or_default();
        let method = text::method(message);
        let entry = journal.by_call_id(call_id);
        if method == "BYE" {
            self.dialog_over(call_id);
        }
        // What a transfer came to may be told in one breath (RFC 3515); a lamp's documents are told one by one.
        if method == "NOTIFY" && text::field(message, "event").is_some_and(|e| e.starts_with("dialog")) {
            let tag = text::field(message, "from").and_then(text::tag).unwrap_or_default().to_owned();
            let cseq = text::cseq(message);
            let newest = self.notifies.entry(tag).or_insert((cseq, false));
            if cseq > newest.0 && !newest.1 {
                return broken("one-notify", format!("NOTIFY {cseq} while {} is not answered: {call_id}", newest.0));
            }
            if cseq > newest.0 {
                *newest = (cseq, false);
            }
        }
        if let Some((at, cause)) = entry.and_then(|e| e.ended)
            && now.since(at) > SILENT
        {
            return broken(
                "after-the-end",
                format!("{method} {} s after {cause:?}: {call_id}", now.since(at).as_secs()),
            );
        }
        if method != "CANCEL" || entry.is_some_and(|e| e.answered.is_some()) {
            return Ok(());
        }
        let cause = entry.and_then(|e| e.ended).map(|(_, cause)| cause);
        match cause {
            None | Some(Cause::SignallingTimeout | Cause::AckTimeout | Cause::NormalClearing) => {
                broken("cancel-reason", format!("a CANCEL for {cause:?}: {call_id}"))
            }
            Some(_) => Ok(()),
        }
    }

    fn dialog_over(&mut self, call_id: &str) {
        self.over.insert(call_id.to_owned());
        self.unacked.retain(|(id, _), _| id != call_id);
    }

    /// A message reached the switch.
    pub(crate) fn delivered(&mut self, message: &str) {
        let call_id = text::field(message, "call-id").unwrap_or_default();
        match text::method(message) {
            "ACK" if text::status(message).is_none() => {
                // On a stream the transaction is gone with its ACK (Timer I is zero): the same INVITE, sent again on a new
                // connection, is a new one.
                if text::field(message, "via").is_some_and(|via| via.contains("/TCP ")) {
                    self.finals.remove(&(text::branch(message).to_owned(), "INVITE".to_owned()));
                }
                self.unacked.remove(&(call_id.to_owned(), text::cseq(message)));
            }
            "BYE" if text::status(message).is_none() => {
                self.forget_stream(message);
                self.dialog_over(call_id);
            }
            "NOTIFY" if text::status(message).is_some_and(|s| s >= 200) => {
                let tag = text::field(message, "from").and_then(text::tag).unwrap_or_default();
                if let Some(newest) = self.notifies.get_mut(tag).filter(|(cseq, _)| *cseq == text::cseq(message)) {
                    newest.1 = true;
                }
            }
            _ if text::status(message).is_none() && text::method(message) != "INVITE" => self.forget_stream(message),
            _ => {}
        }
    }

    /// On a stream nothing is repeated (Timer J is zero): the same request, sent again on a new connection, is a new one.
    fn forget_stream(&mut self, request: &str) {
        if text::field(request, "via").is_some_and(|via| via.contains("/TCP ")) {
            self.finals.remove(&(text::branch(request).to_owned(), text::method(request).to_owned()));
        }
    }

    /// A re-INVITE went unanswered because its call ended meanwhile: then the switch had sent a final response, which
    /// the network lost (RFC 3261 section 15.1.2 wants 487 for one that was pending).
    pub(crate) fn check_orphan(&self, branch: &str) -> Result<(), Broken> {
        if self.finals.contains_key(&(branch.to_owned(), "INVITE".to_owned())) {
            return Ok(());
        }
        broken("unanswered", format!("no final response to the re-INVITE {branch}"))
    }

    /// The switch was replaced: it knows nothing of what it sent.
    pub(crate) fn restart(&mut self) {
        self.finals.clear();
        self.notifies.clear();
        self.unacked.clear();
    }

    /// A phone's connection broke: the 2xx of its calls cannot be sent as promised.
    pub(crate) fn cut(&mut self, phone: &Phone) {
        self.unacked.retain(|(call_id, _), _| !phone.dialogs.contains_key(call_id));
    }

    /// A message could not be sent at all, for there is no connection to its place: it is repeated no more.
    pub(crate) fn unsendable(&mut self, message: &str) {
        let call_id = text::field(message, "call-id").unwrap_or_default();
        self.unacked.remove(&(call_id.to_owned(), text::cseq(message)));
    }

    /// Every 2xx is repeated until its ACK (RFC 3261 section 13.3.1.4).
    fn check_2xx(&self, now: Instant) -> Result<(), Broken> {
        for ((call_id, cseq), waiting) in &self.unacked {
            let due = waiting.last + waiting.interval + Duration::from_millis(2);
            if now > due && due < waiting.first + PATIENCE {
                return broken("2xx-repeated", format!("{call_id} {cseq}: due at {due:?}, {waiting:?}"));
            }
        }
        Ok(())
    }

    /// After every step.
    pub(crate) fn step(&self, figures: &Counters, (limits, shards): (&Limits, u8), now: Instant) -> Result<(), Broken> {
        self.check_2xx(now)?;
        if figures.astray > 0 {
            return broken("astray", format!("what another shard's brand owns was taken: {figures:?}"));
        }
        // The limit is of each shard.
        if figures.calls_alive > limits.calls_max * usize::from(shards) {
            return broken("limit", format!("{} calls, calls_max {}", figures.calls_alive, limits.calls_max));
        }
        if figures.streams_open > figures.ports_total || figures.ports_free > figures.ports_total {
            return broken("limit", format!("streams and ports: {figures:?}"));
        }
        Ok(())
    }
}

/// Limits that need a look at every call.
pub(crate) fn check_calls(core: &Node, limits: &Limits) -> Result<(), Broken> {
    let mut per_company: BTreeMap<_, usize> = BTreeMap::new();
    for call in core.calls() {
        let count = per_company.entry(call.company).or_default();
        *count += 1;
        if *count > limits.calls_per_company_max {
            return broken("limit", format!("{count} calls of {:?}", call.company));
        }
        if call.legs.len() > limits.legs_per_call_max {
            return broken("limit", format!("{} legs in {:?}", call.legs.len(), call.call));
        }
    }
    Ok(())
}

/// Phones and switch believe in the same dialogs, as soon as every message about an end had its time.
pub(crate) fn check_agreement(phones: &[Phone], journal: &Journal, now: Instant) -> Result<(), Broken> {
    let mut believed: BTreeMap<&str, (usize, Stage, Instant, bool)> = BTreeMap::new();
    for phone in phones {
        for dialog in phone.dialogs.values() {
            believed.insert(&dialog.call_id, (phone.index, dialog.stage, dialog.since, dialog.excused));
        }
    }
    let old = |at: Instant| now.since(at) > SETTLED;
    for (call_id, (phone, stage, since, excused)) in &believed {
        let entry = journal.by_call_id(call_id);
        let gone = entry.is_none_or(|e| e.answered.is_none() || e.ended.is_some_and(|(at, _)| old(at)));
        if *stage == Stage::Up && old(*since) && !excused && gone {
            return broken("agreement", format!("phone {phone} is in {call_id}, the switch is not: {entry:?}"));
        }
    }
    for entry in journal.legs.values().filter(|e| e.ended.is_none()) {
        let settled = match believed.get(entry.sip_call_id.as_str()) {
            Some((_, Stage::Up | Stage::Leaving, ..) | (_, _, _, true)) => true,
            Some((_, Stage::Over | Stage::Ringing | Stage::Calling { .. }, since, false)) => !old(*since),
            None => false,
        };
        if !settled && entry.answered.is_some_and(old) {
            return broken("agreement", format!("the switch is in {entry:?}, its phone is not"));
        }
    }
    Ok(())
}

/// Lamps show what the journal knows, as soon as every NOTIFY had its time: an answered leg of the watched account is
/// confirmed, and an ended one is not shown.
pub(crate) fn check_lamps(phones: &[Phone], journal: &Journal, now: Instant) -> Result<(), Broken> {
    let old = |at: Instant| now.since(at) > SETTLED;
    for phone in phones {
        let company = phone.plan.company;
        for watch in phone.watches.iter().filter(|w| w.stage == Lamp::Up && !w.excused && old(w.since)) {
            let of = phones.iter().position(|p| p.plan.company == company && p.plan.user == watch.user);
            let account = of.map(account_id);
            for ((call, leg), entry) in journal.legs.iter().filter(|(_, e)| e.account == account) {
                let shown = watch.shows.get(&format!("{call}-{leg}")).map(String::as_str);
                let talks = entry.ended.is_none() && entry.answered.is_some_and(old);
                let wrong = talks && shown != Some("confirmed");
                let stale = shown.is_some() && entry.ended.is_some_and(|(at, _)| old(at));
                if wrong || stale {
                    let words =
                        format!("phone {} sees {} as {shown:?}: {call} {leg} {entry:?}", phone.index, watch.user);
                    return broken("lamp", words);
                }
            }
        }
    }
    Ok(())
}

/// RTP was heard in the call it was said in, by people of one company.
pub(crate) fn check_heard(phones: &[Phone], journal: &Journal, restarted: bool) -> Result<(), Broken> {
    let call_id = |label: u32| {
        let phone = phones.get((label >> 16) as usize)?;
        Some((phone.plan.company, phone.ports.get(&(label as u16))?))
    };
    for (said, heard) in phones.iter().flat_map(|p| p.heard.keys()) {
        let (Some((company, one)), Some((other, two))) = (call_id(*said), call_id(*heard)) else {
            return broken("rtp-label", format!("{said:x} heard by {heard:x}"));
        };
        let same = one == two || journal.same_call(one, two).unwrap_or(restarted);
        // A phone that is a carrier's server is no company's: by the trunk anybody may be heard there.
        let unwritten = restarted && journal.same_call(one, two).is_none();
        let known = company == other || journal.was_carried(one) || journal.was_carried(two) || unwritten;
        if !known || !same {
            return broken("rtp-same-call", format!("what was said in {one} was heard in {two}"));
        }
    }
    Ok(())
}

/// At rest every table is empty and every port is back.
pub(crate) fn check_rest(figures: &Counters, is_idle: bool) -> Result<(), Broken> {
    if figures.ports_free != figures.ports_total {
        return broken("ports", format!("{} of {} ports are back", figures.ports_free, figures.ports_total));
    }
    if figures.subscriptions_alive > 0 {
        return broken("tables", format!("subscriptions are left: {figures:?}"));
    }
    if !is_idle {
        return broken("tables", format!("{figures:?}"));
    }
    Ok(())
}
