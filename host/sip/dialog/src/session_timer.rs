//! The session timer of one dialog (RFC 4028): who refreshes, when, and when the session is taken for dead.
//!
//! Each leg negotiates for itself. As UAC the interval is asked for and the choice of the refresher left to the other
//! side; as UAS the caller refreshes if it can, since that costs us least. A side that does not know the extension is
//! refreshed by us, so that a call whose phone is gone ends all the same.

use crate::usage::{Cx, Usage};
use crate::{Config, Ended};
use core::time::Duration;
use model::Instant;
use sip_message::{HeaderValue, Message, Name};

/// The shortest interval the RFC allows, in seconds (section 4).
const MIN_SE_FLOOR_S: u32 = 90;
/// The longest interval we follow a peer to, in seconds; one that asks for more gets no longer one.
const INTERVAL_MAX_S: u32 = 86_400;
/// How long before another try where a refresh could not be sent or was refused.
const AGAIN: Duration = Duration::from_secs(5);

/// What stands in a Session-Expires header field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SessionExpires {
    pub(crate) interval_s: u32,
    /// `Some(true)`: the UAC of that transaction refreshes.
    pub(crate) uac: Option<bool>,
}

/// The timer's state.
///
/// # Invariants
/// `expires_at` is `Some` exactly while a confirmed dialog has an interval; `refresh_at` only where we refresh.
#[derive(Default, Debug)]
pub(crate) struct SessionTimer {
    /// As agreed, in seconds; 0 before.
    interval_s: u32,
    ours: bool,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// The longest Min-SE the other side asked for, in seconds.
    floor_s: u32,
}

impl SessionExpires {
    /// Reads the field; one that is no number counts as absent.
    pub(crate) fn of(message: &Message) -> Option<SessionExpires> {
        let value = message.header(Name::SessionExpires)?.text().into_owned();
        let mut parts = value.split(';').map(str::trim);
        let interval_s = parts.next()?.parse().ok()?;
        let uac = parts.find_map(|part| match part.split_once('=')? {
            (name, who) if name.trim().eq_ignore_ascii_case("refresher") => {
                Some(who.trim().eq_ignore_ascii_case("uac"))
            }
            _ => None,
        });
        Some(SessionExpires { interval_s, uac })
    }

    fn value(self) -> String {
        match self.uac {
            None => self.interval_s.to_string(),
            Some(uac) => format!("{};refresher={}", self.interval_s, if uac { "uac" } else { "uas" }),
        }
    }
}

/// The Min-SE that answers 422 where a request's interval is too short for us (section 5); the sender must know the
/// extension to understand that.
pub(crate) fn too_short(config: &Config, request: &Message) -> Option<u32> {
    let least = config.session_min_se_s.max(MIN_SE_FLOOR_S);
    let asked = SessionExpires::of(request)?;
    (asked.interval_s < least && request.has_token(Name::Supported, "timer")).then_some(least)
}

fn min_se(message: &Message) -> u32 {
    message.header(Name::MinSe).map_or(0, |v| HeaderValue::new(first_part(&v.unfolded())).number().unwrap_or(0))
}

fn first_part(value: &[u8]) -> &[u8] {
    value.split(|b| *b == b';').next().unwrap_or_default()
}

impl SessionTimer {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.refresh_at.into_iter().chain(self.expires_at).min()
    }

    /// The fields of a request that opens or refreshes the session (sections 7.1 and 7.4).
    pub(crate) fn request_headers(&self, config: &Config) -> Vec<(String, String)> {
        let known = self.interval_s > 0;
        let interval_s = if known { self.interval_s } else { config.session_interval_s };
        if interval_s == 0 {
            return Vec::new();
        }
        let least = config.session_min_se_s.max(MIN_SE_FLOOR_S).max(self.floor_s);
        let wanted = SessionExpires { interval_s: interval_s.max(least), uac: known.then_some(self.ours) };
        vec![("Session-Expires".to_owned(), wanted.value()), ("Min-SE".to_owned(), least.to_string())]
    }

    /// A 422 names a longer minimum: `true` where asking again with it makes sense (section 7.3).
    pub(crate) fn raise(&mut self, response: &Message) -> bool {
        let least = min_se(response);
        let longer = least > self.floor_s && (MIN_SE_FLOOR_S..=INTERVAL_MAX_S).contains(&least);
        if longer {
            self.floor_s = least;
            self.interval_s = if self.interval_s > 0 { self.interval_s.max(least) } else { 0 };
        }
        longer
    }

    /// A 2xx to a request of ours (section 7.2).
    pub(crate) fn granted(&mut self, response: &Message, config: &Config, now: Instant) {
        match SessionExpires::of(response).filter(|granted| granted.interval_s > 0) {
            Some(granted) => {
                let interval_s = granted.interval_s.clamp(MIN_SE_FLOOR_S, INTERVAL_MAX_S);
                self.start(interval_s, granted.uac != Some(false), now);
            }
            // The other side has no timer: whether the session lives is found out by us alone.
            None if config.session_interval_s > 0 => {
                let least = config.session_min_se_s.max(MIN_SE_FLOOR_S).max(self.floor_s);
                self.start(config.session_interval_s.max(least), true, now);
            }
            None => *self = SessionTimer { floor_s: self.floor_s, ..SessionTimer::default() },
        }
    }

    /// We answer a request that opens or refreshes the session with a 2xx: its fields (section 9).
    pub(crate) fn answer(&mut self, request: &Message, config: &Config, now: Instant) -> Vec<(String, String)> {
        let knows = request.has_token(Name::Supported, "timer") || request.has_token(Name::Require, "timer");
        let asked = SessionExpires::of(request).filter(|asked| asked.interval_s > 0);
        let own_s = if self.interval_s > 0 { self.interval_s } else { config.session_interval_s };
        // The answer is never longer than what was asked for (section 9), whatever minimum stands beside it.
        let most = asked.map_or(INTERVAL_MAX_S, |asked| asked.interval_s.max(MIN_SE_FLOOR_S)).min(INTERVAL_MAX_S);
        let least = config.session_min_se_s.max(MIN_SE_FLOOR_S).max(min_se(request));
        let wanted = match asked {
            Some(asked) if own_s > 0 => asked.interval_s.min(own_s),
            Some(asked) => asked.interval_s,
            None if own_s > 0 => own_s,
            None => {
                *self = SessionTimer::default();
                return Vec::new();
            }
        };
        let interval_s = wanted.max(least).min(most);
        let uac = knows && asked.and_then(|asked| asked.uac).unwrap_or(true);
        self.start(interval_s, !uac, now);
        if !knows {
            return Vec::new();
        }
        let granted = SessionExpires { interval_s, uac: Some(uac) };
        let mut headers = vec![("Session-Expires".to_owned(), granted.value())];
        if uac {
            headers.push(("Require".to_owned(), "timer".to_owned()));
        }
        headers
    }

    /// A refresh came to nothing: it is tried again until the session expires.
    pub(crate) fn try_again(&mut self, now: Instant) {
        self.refresh_at = self.expires_at.filter(|_| self.ours).map(|_| now + AGAIN);
    }

    /// Section 10: half the interval for who refreshes; the other side waits until shortly before the end.
    fn start(&mut self, interval_s: u32, ours: bool, now: Instant) {
        let interval = Duration::from_secs(u64::from(interval_s));
        self.interval_s = interval_s;
        self.ours = ours;
        self.refresh_at = ours.then(|| now + interval / 2);
        let early = Duration::from_secs(u64::from((interval_s / 3).min(32)));
        self.expires_at = Some(now + interval.saturating_sub(early));
    }
}

impl Usage {
    /// Acts on the session timer: refresh, or the end of a session nobody refreshed.
    pub(crate) fn session_due(&mut self, cx: &mut Cx<'_>) {
        if self.is_leaving() {
            self.session = SessionTimer::default();
            return;
        }
        if self.session.expires_at.is_some_and(|at| at <= cx.now) {
            return self.end(cx, Ended::SessionExpired);
        }
        if self.session.refresh_at.is_some_and(|at| at <= cx.now) {
            self.session.refresh_at = None;
            if !self.refresh_session(cx) {
                self.session.try_again(cx.now);
            }
        }
    }

    /// The session fields of our 2xx to `request`; only a confirmed dialog has a timer.
    pub(crate) fn session_answer(&mut self, cx: &Cx<'_>, request: &Message) -> Vec<(String, String)> {
        if self.confirmed().is_none() {
            return Vec::new();
        }
        self.session.answer(request, cx.config, cx.now)
    }
}
