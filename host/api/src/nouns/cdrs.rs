//! CDRs: one per leg, newest first, by keyset.

use super::{Listed, Many};
use crate::listing::{Asked, Noun};
use crate::problem::Refusals;
use crate::{Api, auth::Caller, stamp};
use axum::extract::State;
use model::{EndedBy, LegRole, amount_text};
use serde::Serialize;
use std::collections::BTreeMap;
use store::{Found, Wanted};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The record of one leg.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cdr {
    /// The call's id.
    call: String,
    /// 0 is the caller's.
    leg: u16,
    /// `caller` or `callee`.
    role: &'static str,
    brand: i64,
    company: i64,
    /// The account this leg belongs to.
    account: Option<i64>,
    /// The dialog's Call-ID.
    sip_call_id: String,
    caller: String,
    callee: String,
    /// The plugin binding that decided.
    decided_by: Option<String>,
    started_at: String,
    ringing_at: Option<String>,
    answered_at: Option<String>,
    ended_at: String,
    /// From answer to end.
    billed_ms: u64,
    /// The catalogue's code, as `normal-clearing`.
    cause: &'static str,
    /// ITU-T Q.850.
    q850: u16,
    /// The final status of the INVITE.
    sip_status: u16,
    /// `caller`, `callee`, `switch` or `operator`.
    ended_by: &'static str,
    /// How its media went; null where none passed through the switch.
    media: Option<MediaQuality>,
    /// Who vouches for the caller's number: `none`, `passed-a` to `passed-c`, `failed-...`, or of a leg to a carrier
    /// `signed-a` to `signed-c`; null where nobody looked.
    identity: Option<&'static str>,
    /// What it costs; null where nothing is to be paid for it, or until it is settled.
    charge: Option<Charge>,
    /// Whether it waits for its price.
    unsettled: bool,
}

/// What a leg costs, and how it came to that. Amounts are decimal texts, never floating numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Charge {
    /// What the company pays, as `0.15`.
    cost: String,
    /// What the carrier takes, where it is known; only its brand and the platform are told.
    carrier_cost: Option<String>,
    /// ISO 4217.
    currency: String,
    /// The plan, the prefix, the rate and whatever else the rater says.
    lines: BTreeMap<String, String>,
}

impl Charge {
    /// As whoever asks may see it: what a brand pays its carriers is none of its companies' business.
    pub(crate) fn shown(charge: model::Charge, to: store::Scope) -> Charge {
        let theirs = !matches!(to, store::Scope::Company(..));
        Charge {
            cost: amount_text(charge.micros),
            carrier_cost: charge.carrier_micros.filter(|_| theirs).map(amount_text),
            currency: charge.currency,
            lines: charge.lines.into_iter().collect(),
        }
    }
}

/// How the media of one leg went. "In" is from the party, as the switch counted it; "out" is to the party, as its RTCP
/// reports say, and null where it sends none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MediaQuality {
    packets_in: u64,
    packets_out: u64,
    lost_in: u64,
    lost_out: Option<u64>,
    /// Milliseconds.
    jitter_in_ms: f64,
    jitter_out_ms: Option<f64>,
    /// Between switch and party, there and back.
    round_trip_ms: Option<f64>,
    /// Mean opinion score by the E-model, 1.0 to 4.41.
    mos_in: Option<f64>,
    mos_out: Option<f64>,
    /// Whether it was SRTP.
    srtp: bool,
}

impl From<model::MediaQuality> for MediaQuality {
    fn from(m: model::MediaQuality) -> Self {
        let ms = |us: u32| f64::from(us) / 1_000.0;
        let score = |hundredths: u16| f64::from(hundredths) / 100.0;
        MediaQuality {
            packets_in: m.packets_in,
            packets_out: m.packets_out,
            lost_in: m.lost_in,
            lost_out: m.lost_out,
            jitter_in_ms: ms(m.jitter_in_us),
            jitter_out_ms: m.jitter_out_us.map(ms),
            round_trip_ms: m.round_trip_us.map(ms),
            mos_in: m.mos_in.map(score),
            mos_out: m.mos_out.map(score),
            srtp: m.srtp,
        }
    }
}

impl Cdr {
    /// As whoever asks may see it.
    pub(crate) fn shown(c: model::Cdr, to: store::Scope) -> Cdr {
        let billed_ms = c.billed_ms();
        let unsettled = c.charge.is_none() && c.rated.is_some() && c.answered_at.is_some();
        Cdr {
            call: c.call.to_string(),
            leg: c.leg,
            role: match c.role {
                LegRole::Caller => "caller",
                LegRole::Callee => "callee",
            },
            brand: c.brand.0,
            company: c.company.0,
            account: c.account.map(|a| a.0),
            sip_call_id: c.sip_call_id,
            caller: c.caller,
            callee: c.callee,
            decided_by: c.decided_by,
            started_at: stamp::rfc3339(c.started_at),
            ringing_at: c.ringing_at.map(stamp::rfc3339),
            answered_at: c.answered_at.map(stamp::rfc3339),
            ended_at: stamp::rfc3339(c.ended_at),
            billed_ms,
            cause: c.cause.code(),
            q850: c.cause.q850(),
            sip_status: c.sip_status,
            ended_by: match c.ended_by {
                EndedBy::Caller => "caller",
                EndedBy::Callee => "callee",
                EndedBy::Switch => "switch",
                EndedBy::Operator => "operator",
            },
            media: c.media.map(Into::into),
            identity: c.identity.map(model::Vouched::code),
            charge: c.charge.map(|charge| Charge::shown(charge, to)),
            unsettled,
        }
    }
}

impl Noun for Cdr {
    fn listing() -> &'static store::Listing {
        store::lists::CDRS
    }
}

/// Lists CDRs, newest first.
#[utoipa::path(get, path = "/cdrs", tag = "cdrs", params(Asked<Cdr>), responses((status = 200, body = Many<Cdr>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Cdr>) -> Listed<Cdr> {
    page(&api, &caller, &asked.0).await
}

/// A page of CDRs, as whoever asks may see them.
pub(crate) async fn page(api: &Api, caller: &Caller, wanted: &Wanted) -> Listed<Cdr> {
    let found = api.db.cdrs().found(&caller.ctx, wanted).await?;
    Ok(Many::found(Found { rows: shown(found.rows, caller.ctx.scope), next: found.next }))
}

/// CDRs as whoever asks may see them.
pub(crate) fn shown(rows: Vec<model::Cdr>, to: store::Scope) -> Vec<Cdr> {
    rows.into_iter().map(|row| Cdr::shown(row, to)).collect()
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}
