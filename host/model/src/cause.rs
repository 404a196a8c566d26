//! The error catalogue: why a leg or a call ended. API, CDR, logs and portal print from it.

use serde::{Deserialize, Serialize};

/// How urgent a cause is for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Part of normal traffic.
    Normal,
    /// Somebody's configuration or equipment is wrong.
    Notice,
    /// The switch or something it depends on is failing.
    Alarm,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sip:literal, $q850:literal, $severity:ident, $advice:literal;)*) => {
        /// Why a leg ended. Each has a stable code, a SIP status, a Q.850 cause, a severity and advice.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// Every cause of the catalogue.
            pub const ALL: &'static [Cause] = &[$(Cause::$name,)*];

            /// The stable code, as in CDRs and the API.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Cause::$name => $code,)* }
            }

            /// The SIP status that refuses an INVITE for this cause (RFC 3261 section 21); 200 for a call that was answered.
            #[must_use]
            pub const fn sip_status(self) -> u16 {
                match self { $(Cause::$name => $sip,)* }
            }

            /// The ITU-T Q.850 cause value.
            #[must_use]
            pub const fn q850(self) -> u16 {
                match self { $(Cause::$name => $q850,)* }
            }

            /// How urgent it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Cause::$name => Severity::$severity,)* }
            }

            /// What the operator can do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Cause::$name => $advice,)* }
            }
        }
    };
}

catalogue! {
    /// One party hung up an answered call.
    NormalClearing = "normal-clearing", 200, 16, Normal, "Nothing to do.";
    /// The caller gave up before an answer.
    Cancelled = "cancelled", 487, 16, Normal, "Nothing to do.";
    /// Another branch of the same fork answered first.
    AnsweredElsewhere = "answered-elsewhere", 487, 26, Normal, "Nothing to do.";
    /// The callee is busy.
    Busy = "busy", 486, 17, Normal, "Nothing to do.";
    /// It rang until the ring timeout.
    NoAnswer = "no-answer", 480, 19, Normal, "Lengthen the ring timeout or add a forward.";
    /// The callee declined.
    Declined = "declined", 603, 21, Normal, "Nothing to do.";
    /// The dialled number leads nowhere.
    NotFound = "not-found", 404, 1, Normal, "Check the number and the routing plugin's tables.";
    /// The account exists and has no binding.
    NotRegistered = "not-registered", 480, 20, Normal, "Check the phone's registration.";
    /// The callee's equipment answered with another failure.
    Rejected = "rejected", 480, 31, Normal, "See the leg's SIP status.";
    /// The call's maximum duration passed.
    MaxDuration = "max-duration", 200, 102, Normal, "Raise the plan's max-duration if calls should last longer.";
    /// An operator or the API ended the call.
    OperatorHangup = "operator-hangup", 480, 31, Normal, "Nothing to do.";
    /// The call app ended the call.
    AppHangup = "app-hangup", 200, 16, Normal, "Nothing to do.";
    /// A plugin refused the call.
    PluginRefused = "plugin-refused", 403, 21, Normal, "See the plugin's reason in the CDR.";
    /// A plugin sent the caller elsewhere.
    Redirected = "redirected", 302, 23, Normal, "Nothing to do.";
    /// No plugin decided and the brand has no static route.
    NoDecision = "no-decision", 404, 3, Notice, "Bind a router for this brand, or set the brand's static route.";
    /// The plugin chain failed or was late and the brand has no static route.
    PluginFailed = "plugin-failed", 503, 41, Alarm, "See the plugin's log; roll back the binding.";
    /// The call app trapped or ran out of a limit.
    AppFailed = "app-failed", 500, 41, Alarm, "See the plugin's log; roll back the binding.";
    /// A plan broke a rule and was not carried out.
    PlanInvalid = "plan-invalid", 500, 41, Alarm, "The router's plan was refused: see the log for the rule it broke.";
    /// Too many reroutes.
    LoopDetected = "loop-detected", 482, 25, Notice, "The router sends the call round in a circle.";
    /// The caller may not make this call.
    Forbidden = "forbidden", 403, 57, Normal, "Check the account's rights.";
    /// No common codec, or a session description that cannot be used.
    NotAcceptable = "not-acceptable", 488, 88, Notice, "Check the codecs on both sides.";
    /// A browser's media came to no keys: its certificate is not the one it described, or the handshake failed (RFC 5763).
    MediaUnsecured = "media-unsecured", 488, 88, Notice, "The party's DTLS handshake failed: somebody stands between, or its software cannot do what it described.";
    /// The switch itself could not finish a browser's handshake: its thread ended, or had no room.
    HandshakeLost = "handshake-lost", 503, 42, Alarm, "See the log and the metrics of handshakes: either their thread broke, or more browsers begin than this machine can sign for.";
    /// The party was transferred to another, or transferred its call (RFC 3515, 3891).
    Transferred = "transferred", 200, 16, Normal, "Nothing to do.";
    /// Another phone of the company took the ringing call.
    PickedUp = "picked-up", 487, 26, Normal, "Nothing to do.";
    /// Nobody refreshed the session in its interval (RFC 4028).
    SessionExpired = "session-expired", 200, 102, Notice, "The peer vanished during the call: check the network between it and the switch.";
    /// No RTP for the media timeout.
    MediaTimeout = "media-timeout", 200, 41, Notice, "Check the network path and NAT of the party's media.";
    /// A transaction timed out (RFC 3261 Timer B or F).
    SignallingTimeout = "signalling-timeout", 408, 102, Notice, "The peer did not answer: check that it is reachable.";
    /// A 2xx was never acknowledged (RFC 3261 section 13.3.1.4).
    AckTimeout = "ack-timeout", 408, 102, Notice, "The caller's ACK did not arrive: check its Contact and the path back.";
    /// The transport failed.
    TransportFailed = "transport-failed", 503, 38, Notice, "Connection refused or lost: check the peer.";
    /// The next hop's name has no address that we can send to (RFC 3263).
    NextHopUnknown = "next-hop-unknown", 502, 3, Notice, "Its name has no address of a transport we have: check the name and the DNS records.";
    /// The next hop's addresses could not be looked up in time (RFC 3263).
    LookupFailed = "lookup-failed", 503, 38, Alarm, "The DNS servers did not answer: check them and this machine's resolv.conf.";
    /// A limit of the switch was reached.
    LimitReached = "limit-reached", 503, 42, Alarm, "Raise the named limit or add capacity.";
    /// The tenant has as many calls as it may, and one of its accounts wants another.
    CallsMaxOut = "calls-max-out", 403, 42, Notice, "Raise the calls-max of the company or the account.";
    /// The tenant has as many calls as it may, and somebody calls it.
    CallsMaxIn = "calls-max-in", 486, 17, Notice, "Raise the calls-max of the company or the account.";
    /// The account is not to be disturbed.
    DoNotDisturb = "do-not-disturb", 486, 17, Normal, "Nothing to do.";
    /// A call filter or a forward refuses the caller.
    CallerRefused = "caller-refused", 403, 21, Normal, "See the number's call filter, or the account's forwards.";
    /// The trunk takes only callers that somebody vouches for, and this one's Identity is missing or does not hold.
    CallerUnproven = "caller-unproven", 428, 21, Notice, "The CDR's identity says what was wrong; the trunk's verify and the brand's anchors decide.";
    /// The account that pays may not call this number.
    NotPermitted = "not-permitted", 403, 57, Normal, "See the account's call ACL, or its company's.";
    /// A service code was dialled, and what it asks for is done.
    ServiceDone = "service-done", 480, 16, Normal, "Nothing to do.";
    /// The client shows no public number of its own.
    NoNumberToShow = "no-number-to-show", 403, 21, Notice, "Let the account present one of its company's numbers, or give it or its company an outgoing DDI.";
    /// No free media port.
    NoMediaPort = "no-media-port", 503, 44, Alarm, "Widen the media port range.";
    /// The trunk has as many calls as it may.
    TrunkFull = "trunk-full", 503, 34, Notice, "Raise the trunk's calls-max, or name another trunk in the plan.";
    /// The trunk has begun as many calls in this second as it may.
    TrunkRate = "trunk-rate", 503, 42, Notice, "Raise the trunk's cps-max, or name another trunk in the plan.";
    /// None of the trunk's servers lives, or none has an address.
    TrunkDown = "trunk-down", 503, 38, Alarm, "See the trunk's status: its servers do not answer.";
    /// A carrier's server did not answer at all in the trunk's time.
    TrunkSilent = "trunk-silent", 408, 102, Notice, "The carrier's server is slow or gone: see the trunk's status, or raise its answer-ms.";
    /// The plan names a trunk that the brand does not have, or that is disabled.
    TrunkUnknown = "trunk-unknown", 503, 3, Notice, "Check the trunk's name in the routing plugin's configuration.";
    /// None of the brand's outgoing routes is for this number.
    NoRoute = "no-route", 500, 3, Notice, "Add an outgoing route for the number, or a price of one of its trunks.";
    /// The call has come to an outgoing route that blocks.
    RouteBlocked = "route-blocked", 403, 21, Normal, "An outgoing route of the brand blocks this number: see its name and priority.";
    /// None of the trunks of the brand's outgoing routes has carried the call.
    RoutesExhausted = "routes-exhausted", 503, 34, Notice, "See the causes of the legs: every trunk was tried.";
    /// The rater refuses: no credit, a cap, no price for the number.
    NotPaidFor = "not-paid-for", 402, 57, Normal, "See the company's wallet and plan, and the rater's words in the trace.";
    /// The rater failed or was late, and its binding is closed where it fails.
    RaterFailed = "rater-failed", 503, 41, Alarm, "See the rater's log and the database; its `open_s` would let calls pass.";
    /// What was granted is used up and no more was granted.
    GrantEnded = "grant-ended", 200, 102, Normal, "The payer's credit or cap is used up.";
    /// The switch is being shut down.
    Draining = "draining", 503, 41, Normal, "Send the call to another node.";
    /// The process ended while the call was up; written after the restart.
    SwitchRestarted = "switch-restarted", 500, 41, Alarm, "The process was killed or crashed: look for the reason in the system log.";
    /// A defect of the switch; the call was ended and the shard kept.
    InternalError = "internal-error", 500, 41, Alarm, "Report it with the call id.";
}

impl Cause {
    /// The catalogue's cause for a final SIP status that a peer sent (RFC 3261 section 21).
    #[must_use]
    pub const fn from_sip(status: u16) -> Cause {
        match status {
            200..=299 => Cause::NormalClearing,
            403 => Cause::Forbidden,
            404 | 410 | 484 | 604 => Cause::NotFound,
            408 => Cause::SignallingTimeout,
            486 | 600 => Cause::Busy,
            487 => Cause::Cancelled,
            488 | 606 => Cause::NotAcceptable,
            482 | 483 => Cause::LoopDetected,
            603 => Cause::Declined,
            _ => Cause::Rejected,
        }
    }

    /// The cause with this stable code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Cause> {
        Cause::ALL.iter().copied().find(|c| c.code() == code)
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(input)?;
        Cause::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("unknown cause {code:?}")))
    }
}

/// A cause as a plugin sees it: the SIP status and Q.850 value on the wire, and who ended it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CauseInfo {
    /// The catalogue's cause.
    pub cause: Cause,
    /// The SIP status that was seen or sent.
    pub sip: u16,
    /// The reason phrase or text.
    pub reason: String,
    /// Whether the remote party ended it.
    pub by_remote: bool,
}

impl CauseInfo {
    /// `cause` with its own status and no text.
    #[must_use]
    pub fn local(cause: Cause) -> Self {
        CauseInfo { cause, sip: cause.sip_status(), reason: cause.code().to_owned(), by_remote: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_found_again() {
        let codes: BTreeSet<_> = Cause::ALL.iter().map(|c| c.code()).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause.code()), Some(*cause));
            assert!((200..700).contains(&cause.sip_status()), "{cause:?}");
            assert!((1..=127).contains(&cause.q850()), "{cause:?}");
        }
    }
}
