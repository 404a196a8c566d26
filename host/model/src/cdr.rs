//! One CDR per leg, and the records that make it survive a crash.

use crate::{AccountId, BrandId, CallId, Cause, Charge, CompanyId, Instant, Rated, Usage, Vouched};
use serde::{Deserialize, Serialize};

/// Which side of the call a leg is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegRole {
    /// The leg that brought the call in.
    Caller,
    /// A leg the switch opened.
    Callee,
}

/// Who ended a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The calling party.
    Caller,
    /// The called party.
    Callee,
    /// The switch: a limit, a timeout, a plugin, a shutdown.
    Switch,
    /// A person through the API.
    Operator,
}

/// The record of one leg. `(call, leg)` is unique for ever: a store that gets it twice keeps one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cdr {
    /// The call.
    pub call: CallId,
    /// The leg's number within the call: 0 is the caller's.
    pub leg: u16,
    /// Which side.
    pub role: LegRole,
    /// The tenant's brand.
    pub brand: BrandId,
    /// The tenant.
    pub company: CompanyId,
    /// The account this leg belongs to.
    pub account: Option<AccountId>,
    /// The dialog's Call-ID header.
    pub sip_call_id: String,
    /// The caller's number or user part as presented.
    pub caller: String,
    /// The number or user part that was called on this leg.
    pub callee: String,
    /// The plugin binding that decided, if one did.
    pub decided_by: Option<String>,
    /// INVITE received or sent.
    pub started_at: Instant,
    /// First 18x.
    pub ringing_at: Option<Instant>,
    /// 2xx.
    pub answered_at: Option<Instant>,
    /// The end.
    pub ended_at: Instant,
    /// Why it ended.
    pub cause: Cause,
    /// The final SIP status of the INVITE as seen on the wire.
    pub sip_status: u16,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// How its media went; `None` where none passed through the switch.
    #[serde(default)]
    pub media: Option<MediaQuality>,
    /// Who vouches for the caller's number; `None` where nobody looked and nothing was signed.
    #[serde(default)]
    pub identity: Option<Vouched>,
    /// What was authorised for this leg; `None` where nobody has to be asked about its price.
    #[serde(default)]
    pub rated: Option<Rated>,
    /// What it cost; `None` until it is settled. Never in the journal.
    #[serde(skip)]
    pub charge: Option<Charge>,
}

/// How the media of one leg went. "In" is from the party, as the switch counted it; "out" is to the party, as the
/// party's reports say (RFC 3550 section 6.4), and absent where it sends none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MediaQuality {
    /// RTP packets from the party.
    pub packets_in: u64,
    /// RTP packets to the party.
    pub packets_out: u64,
    /// Packets that the party sent and that never came.
    pub lost_in: u64,
    /// Packets to the party that it misses.
    pub lost_out: Option<u64>,
    /// Jitter of what came, in microseconds.
    pub jitter_in_us: u32,
    /// Jitter at the party, in microseconds.
    pub jitter_out_us: Option<u32>,
    /// Time there and back between switch and party, in microseconds.
    pub round_trip_us: Option<u32>,
    /// Mean opinion score of what came, in hundredths, by the E-model (ITU-T G.107).
    pub mos_in: Option<u16>,
    /// The same at the party.
    pub mos_out: Option<u16>,
    /// Whether it was SRTP.
    pub srtp: bool,
}

impl Cdr {
    /// Time from answer to end, in milliseconds; zero for a leg that was never answered.
    #[must_use]
    pub fn billed_ms(&self) -> u64 {
        self.answered_at.map_or(0, |at| u64::try_from(self.ended_at.since(at).as_millis()).unwrap_or(u64::MAX))
    }

    /// What is to be settled: of an answered leg that was authorised.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.answered_at?;
        let rated = self.rated.clone()?;
        let answered_at = rated.since.or(self.answered_at)?;
        let used = self.ended_at.since(answered_at).as_millis();
        // A leg that its grant has ended is charged to the grant's end, not for the moment until the timer was served.
        let most = rated.granted_s.filter(|_| self.cause == Cause::GrantEnded).map(|s| u128::from(s) * 1_000);
        let used = most.map_or(used, |most| used.min(most));
        Some(Usage {
            call: self.call,
            leg: self.leg,
            brand: self.brand,
            company: self.company,
            rated,
            caller: self.caller.clone(),
            answered_at,
            billed_ms: u64::try_from(used).unwrap_or(u64::MAX),
            cause: self.cause.code().to_owned(),
        })
    }
}

/// What the switch hands to the durable outbox, in order, before the transmits of the same step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallRecord {
    /// A leg was answered: its CDR as it would stand if the process died now.
    Answered(Cdr),
    /// A leg ended: its final CDR.
    Ended(Cdr),
}
