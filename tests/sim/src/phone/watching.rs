//! A phone's lamps: it subscribes to the calls of others (RFC 6665, RFC 4235) and believes what it is told.

use super::Phone;
use crate::chance::Chance;
use crate::compose::Draft;
use crate::dialog::due;
use crate::text;
use core::time::Duration;
use model::Instant;
use std::collections::BTreeMap;

/// Where a subscription stands, as its phone believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lamp {
    /// There is none.
    Off,
    /// Our SUBSCRIBE is out.
    Asking,
    Up,
    /// Our SUBSCRIBE with Expires 0 is out.
    Leaving,
}

/// One lamp.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) user: String,
    pub(crate) stage: Lamp,
    /// When it came up, or was last excused.
    pub(crate) since: Instant,
    /// The switch or the connection went away: what it shows may be old until the next refresh.
    pub(crate) excused: bool,
    /// The dialogs shown, by id, and their states.
    pub(crate) shows: BTreeMap<String, String>,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    heard_cseq: u32,
    version: Option<u32>,
    tries: u8,
    pub(super) at: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(user: &str, chance: &mut Chance, start: Instant) -> Watch {
        Watch {
            user: user.to_owned(),
            stage: Lamp::Off,
            since: start,
            excused: false,
            shows: BTreeMap::new(),
            call_id: String::new(),
            local: String::new(),
            remote: String::new(),
            target: String::new(),
            cseq: 0,
            heard_cseq: 0,
            version: None,
            tries: 0,
            at: Some(start + chance.millis(1_000, 20_000)),
        }
    }

    fn off(&mut self, again: Option<Instant>) {
        self.stage = Lamp::Off;
        self.shows.clear();
        self.at = again;
    }
}

impl Phone {
    /// Every lamp whose time has come.
    pub(super) fn wake_watches(&mut self, now: Instant) {
        for index in 0..self.watches.len() {
            if due(&mut self.watches[index].at, now) {
                self.subscribe(index, now);
            }
        }
    }

    /// Subscribes, refreshes, or, when closing, ends.
    fn subscribe(&mut self, index: usize, now: Instant) {
        let fresh = (self.token("w"), self.token("wt"), self.branch());
        let (own, domain, closing) = (self.who.own(), self.who.domain.clone(), self.closing);
        let watch = &mut self.watches[index];
        if watch.stage == Lamp::Off && watch.tries == 0 {
            watch.call_id = format!("{}@phone", fresh.0);
            watch.local = format!("{own};tag={}", fresh.1);
            watch.target = format!("sip:{}@{domain}", watch.user);
            watch.remote = format!("<{}>", watch.target);
            watch.heard_cseq = 0;
            watch.version = None;
            watch.shows.clear();
        }
        watch.stage = if closing { Lamp::Leaving } else { Lamp::Asking };
        watch.cseq += 1;
        let expires_s = if closing { 0 } else { self.plan.expires_s };
        let uri = watch.target.clone();
        let credentials = self.authorize("SUBSCRIBE", &uri);
        let extra = format!("Event: dialog\r\nExpires: {expires_s}\r\n{credentials}");
        let watch = &self.watches[index];
        let draft = Draft {
            method: "SUBSCRIBE",
            uri: &uri,
            from: &watch.local,
            to: &watch.remote,
            call_id: &watch.call_id,
            cseq: watch.cseq,
            extra: &extra,
            sdp: None,
        };
        let bytes = self.who.request(&draft, &fresh.2);
        self.send(bytes, now);
    }

    /// The final response to a SUBSCRIBE.
    pub(super) fn watch_response(&mut self, message: &str, now: Instant) {
        let call_id = text::field(message, "call-id").unwrap_or_default();
        let Some(index) = self.watches.iter().position(|w| w.call_id == call_id) else { return };
        let status = text::status(message).unwrap_or_default();
        let (closing, half) = (self.closing, Duration::from_millis(self.plan.expires_s * 500));
        let watch = &mut self.watches[index];
        match status {
            401 if watch.tries < 3 => {
                watch.tries += 1;
                watch.stage = Lamp::Off;
                self.challenged(message);
                self.subscribe(index, now);
            }
            200 if watch.stage == Lamp::Leaving => watch.off(None),
            200 => {
                if watch.excused || text::tag(&watch.remote).is_none() {
                    watch.since = now;
                }
                watch.tries = 0;
                watch.excused = false;
                watch.stage = Lamp::Up;
                text::field(message, "to").unwrap_or_default().clone_into(&mut watch.remote);
                text::uri(text::field(message, "contact").unwrap_or_default()).clone_into(&mut watch.target);
                watch.at = Some(if closing { now } else { now + half });
            }
            // The switch knows nothing of it: subscribe anew (RFC 6665 section 4.1.2.2).
            481 => {
                watch.tries = 0;
                watch.off(Some(now + Duration::from_millis(100)).filter(|_| !closing));
            }
            _ => {
                watch.tries = 0;
                watch.off(Some(now + Duration::from_secs(5)).filter(|_| !closing));
                if !self.may_be_disabled {
                    self.breaks("subscription", format!("a SUBSCRIBE was refused with {status}: {call_id}"));
                }
            }
        }
    }

    /// A SUBSCRIBE met silence.
    pub(super) fn watch_gave_up(&mut self, bytes: &str, now: Instant) {
        let call_id = text::field(bytes, "call-id").unwrap_or_default();
        let again = Some(now + Duration::from_secs(1)).filter(|_| !self.closing);
        if let Some(watch) = self.watches.iter_mut().find(|w| w.call_id == call_id) {
            watch.tries = 0;
            watch.off(again);
        }
    }

    /// A NOTIFY: its number, the version of its document, and what it shows.
    pub(super) fn notified(&mut self, message: &str, now: Instant) {
        let of = |name| text::field(message, name).unwrap_or_default();
        let own = |w: &Watch| w.call_id == of("call-id") && text::tag(&w.local) == text::tag(of("to"));
        let theirs = |w: &Watch| text::tag(&w.remote).is_none_or(|tag| Some(tag) == text::tag(of("from")));
        let Some(index) = self.watches.iter().position(|w| own(w) && theirs(w)) else {
            return self.refuse(message, 481, now);
        };
        let again = Some(now + Duration::from_secs(1)).filter(|_| !self.closing);
        let watch = &mut self.watches[index];
        let cseq = text::cseq(message);
        let in_order = cseq > watch.heard_cseq;
        watch.heard_cseq = cseq;
        let versions = watch.hear_document(message);
        if of("subscription-state").starts_with("terminated") {
            watch.tries = 0;
            if watch.stage != Lamp::Leaving {
                let stood = watch.stage != Lamp::Off;
                watch.off(again.filter(|_| stood));
            }
        }
        if !in_order {
            self.breaks("notify-order", format!("CSeq {cseq} again: {}", of("call-id")));
        }
        if let Err(words) = versions {
            self.breaks("notify-version", format!("{words}: {}", of("call-id")));
        }
        self.refuse(message, 200, now);
    }

    /// The switch or the connection went away.
    pub(super) fn excuse_watches(&mut self, now: Instant) {
        for watch in &mut self.watches {
            watch.excused = true;
            watch.since = now;
        }
    }

    /// The connection stands again: the switch is told where we are.
    pub(super) fn refresh_watches(&mut self, now: Instant) {
        for index in 0..self.watches.len() {
            if self.watches[index].stage == Lamp::Up {
                self.watches[index].at = Some(now + self.chance.millis(0, 200));
            }
        }
    }

    /// Ends every subscription in its own time.
    pub(super) fn close_watches(&mut self, now: Instant) {
        for index in 0..self.watches.len() {
            let at = now + self.chance.millis(0, 3_000);
            self.watches[index].at = (self.watches[index].stage == Lamp::Up).then_some(at);
        }
    }

    /// Whether no subscription stands or is wanted.
    pub(super) fn watches_are_off(&self) -> bool {
        self.watches.iter().all(|w| w.stage == Lamp::Off && w.at.is_none())
    }

    pub(super) fn next_watch(&self) -> Option<Instant> {
        self.watches.iter().filter_map(|w| w.at).min()
    }
}

impl Watch {
    /// Takes a dialog-info document. Versions rise by one with each (RFC 4235 section 4.1.1); the first is whole.
    fn hear_document(&mut self, message: &str) -> Result<(), String> {
        let Some((_, document)) = message.split_once("<dialog-info") else { return Ok(()) };
        let version: Option<u32> = attribute(document, "version").parse().ok();
        let whole = attribute(document, "state") == "full";
        let expected = self.version.map_or(0, |v| v + 1);
        if version != Some(expected) || (expected == 0 && !whole) {
            return Err(format!("version {version:?}, whole {whole}, expected {expected}"));
        }
        self.version = version;
        if whole {
            self.shows.clear();
        }
        for dialog in document.split("<dialog ").skip(1) {
            let id = attribute(dialog, "id").to_owned();
            let state = dialog.split("<state>").nth(1).and_then(|s| s.split('<').next()).unwrap_or_default();
            if state == "terminated" {
                self.shows.remove(&id);
            } else {
                self.shows.insert(id, state.to_owned());
            }
        }
        Ok(())
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let begin = format!("{name}=\"");
    element.split(begin.as_str()).nth(1).and_then(|v| v.split('"').next()).unwrap_or_default()
}
