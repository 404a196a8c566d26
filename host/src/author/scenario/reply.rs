//! What comes of a verb: as a step says, or as it mostly goes.

use super::form::Reply;
use core::time::Duration;
use model::{
    AppError, AppReply, AppVerb, Bridged, CallInfo, Cause, CauseInfo, Collected, Conferred, ForkEnd, LegHandle,
    PlayedTo, RecordingDone, Sounded,
};

/// Why a leg hung up.
pub(super) fn hung_up(cause: Option<&str>) -> Result<AppError, String> {
    let cause = match cause {
        Some(code) => Cause::from_code(code).ok_or_else(|| format!("{code} is no cause"))?,
        None => Cause::NormalClearing,
    };
    Ok(AppError::HungUp(CauseInfo { by_remote: true, ..CauseInfo::local(cause) }))
}

/// The error of that name.
pub(super) fn error(name: &str, cause: Option<&str>) -> Result<AppError, String> {
    let text = || "as the scenario says".to_owned();
    Ok(match name {
        "denied" => AppError::Denied(text()),
        "invalid-state" => AppError::InvalidState(text()),
        "invalid-argument" => AppError::InvalidArgument(text()),
        "not-found" => AppError::NotFound,
        "timeout" => AppError::Timeout,
        "limit-exceeded" => AppError::LimitExceeded(text()),
        "hung-up" => return hung_up(cause),
        "cancelled" => AppError::Cancelled,
        "unavailable" => AppError::Unavailable(text()),
        other => return Err(format!("{other} is no error: denied, timeout, hung-up, not-found, ..")),
    })
}

/// The reply to this verb of a call. `legs` counts those that were dialled.
pub(super) fn to(
    verb: &AppVerb,
    says: &Reply,
    call: &CallInfo,
    legs: &mut u16,
) -> Result<Result<AppReply, AppError>, String> {
    if let Some(name) = &says.error {
        return error(name, says.cause.as_deref()).map(Err);
    }
    let after = Duration::from_millis(says.after_ms);
    let duration = says.duration_ms.map_or(after, Duration::from_millis);
    let digit = says.digit.clone();
    Ok(Ok(match verb {
        AppVerb::Play(..) => AppReply::Played(digit),
        AppVerb::Collect(..) => {
            let digits = says.digits.clone().unwrap_or_default();
            AppReply::Collected(Collected {
                timed_out: digits.is_empty() && says.terminator.is_none(),
                terminator: says.terminator.clone(),
                digits,
            })
        }
        AppVerb::Dial(_, spec) => {
            *legs += 1;
            let mut info = call.clone();
            info.callee.user = spec.targets.first().cloned().unwrap_or_default();
            AppReply::Leg(LegHandle(*legs), Box::new(info))
        }
        AppVerb::Bridge(..) => {
            let ended_by = says.ended_by.clone().unwrap_or_else(|| "a".to_owned());
            AppReply::Bridged(Bridged { ended_by, duration, cause: None })
        }
        AppVerb::Playback(..) => AppReply::PlayedTo(PlayedTo { digit, position: duration }),
        AppVerb::Record(..) | AppVerb::RecordStop(_) => AppReply::Recorded(RecordingDone {
            name: format!("{}-0-1", call.call),
            length: says.duration_ms.map_or(Duration::from_secs(5), Duration::from_millis),
            ended_by: says.ended_by.clone().unwrap_or_else(|| "silence".to_owned()),
            digit,
        }),
        AppVerb::RecordStart(..) => AppReply::Recording(format!("{}-0-1", call.call)),
        AppVerb::Listen(..) => AppReply::Sounded(sounded(says)?),
        AppVerb::Confer(..) => {
            let ended_by = says.ended_by.clone().unwrap_or_else(|| "removed".to_owned());
            AppReply::Conferred(Conferred { ended_by, digit })
        }
        AppVerb::ForkAttend(..) | AppVerb::ForkStop(_) => AppReply::Forked(ForkEnd {
            ended_by: says.ended_by.clone().unwrap_or_else(|| "end".to_owned()),
            note: says.note.clone().unwrap_or_default(),
            digit,
            sent: duration,
            heard: duration,
            dropped: Duration::ZERO,
        }),
        AppVerb::Members(_) => AppReply::Members(Vec::new()),
        AppVerb::Ring(_)
        | AppVerb::Answer(..)
        | AppVerb::Refuse(..)
        | AppVerb::Hangup(_)
        | AppVerb::FaxOffer(_)
        | AppVerb::Echo(..)
        | AppVerb::Sleep(_)
        | AppVerb::Music(..)
        | AppVerb::Press(..)
        | AppVerb::RecordPause(..)
        | AppVerb::Leave(_)
        | AppVerb::Fork(..)
        | AppVerb::Member(..) => AppReply::Done,
    }))
}

fn sounded(says: &Reply) -> Result<Sounded, String> {
    Ok(match says.heard.as_deref() {
        Some("silence") => Sounded::Silence,
        Some(hz) => Sounded::Beep(hz.parse().map_err(|_| format!("{hz}: `silence`, or a frequency in Hz"))?),
        None => Sounded::Nothing,
    })
}

/// How long a verb takes on the scenario's clock.
pub(super) fn takes(verb: &AppVerb, says: &Reply) -> u64 {
    if let (AppVerb::Sleep(time), None) = (verb, &says.error) {
        return u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    }
    says.after_ms
}
