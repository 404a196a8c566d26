//! Registrations and money: what a scenario asks of `hooks/registration` and `billing/rater`.

use super::form::Step;
use super::play::PATIENCE;
use super::view::{self, View};
use super::world::World;
use core::time::Duration;
use model::{
    Charge, Header, Instant, RateKind, RateQuestion, RateVerdict, Rated, RegisterAttempt, RegisterVerdict, Ticket,
    Usage, amount_text,
};
use plugin::Quote;
use serde_json::{Map, Value, json};

/// How long a phone asks to be registered, and a leg lasts, where a step says nothing.
const SECONDS: u32 = 60;

/// What is asked of a registration or a rater.
pub(super) const ASKED: [&str; 6] = ["register", "authorize", "extend", "settle", "release", "quote"];

/// Asks, and compares.
pub(super) async fn ask(world: &World, step: &Step, number: u32) -> Result<(), String> {
    let shown = said(world, step, number).await?;
    let Some(wanted) = &step.expect else {
        return if shown.0 == "failed" { Err(view::words(&shown)) } else { Ok(()) };
    };
    if shown.0 != wanted {
        return Err(format!("expected {wanted}, it says {}", view::words(&shown)));
    }
    view::holds(&shown.1, &step.with).map_err(|why| format!("{wanted}: {why}"))
}

/// What it says: a word and its fields; `failed` where it trapped, was late or said `err`.
pub(super) async fn said(world: &World, step: &Step, number: u32) -> Result<View, String> {
    let said = async {
        match step.ask.as_deref() {
            Some("register") => register(world, step).await,
            Some("settle" | "quote") => price(world, step, number).await,
            _ => grant(world, step, number).await,
        }
    };
    tokio::time::timeout(PATIENCE, said).await.map_err(|_| "the plugin says nothing".to_owned())?
}

async fn register(world: &World, step: &Step) -> Result<View, String> {
    let call = world.call(1, step.from.as_deref(), None);
    let attempt = RegisterAttempt {
        brand: call.brand,
        brand_name: call.brand_name,
        company: call.company,
        company_name: call.company_name,
        account: call.caller.user,
        aor: call.caller.uri,
        contacts: vec!["sip:phone@192.0.2.1".to_owned()],
        source_ip: step.source.clone().unwrap_or(call.source_ip),
        user_agent: step.headers.get("User-Agent").cloned().unwrap_or_default(),
        expires_s: Some(step.seconds.unwrap_or(SECONDS)),
        headers: step.headers.clone().into_iter().map(|(name, value)| Header { name, value }).collect(),
    };
    let answer = world.host.ask_register(attempt, world.directory.clone()).await;
    let hook = answer.hooks.first().ok_or("the plugin is asked about no registration")?;
    let outcome = hook.outcome.as_str();
    Ok(match answer.verdict {
        RegisterVerdict::Pass if outcome != "next" && !outcome.starts_with("at-most") => failed(outcome),
        RegisterVerdict::Pass => view::view("next", Value::Null),
        RegisterVerdict::AtMost(seconds) => view::view("at-most", json!({ "seconds": seconds })),
        RegisterVerdict::Refuse(sip, reason) => view::view("refuse", json!({ "sip": sip, "reason": reason })),
    })
}

fn failed(why: &str) -> View {
    view::view("failed", json!({ "why": why }))
}

fn rated(world: &World, step: &Step, number: u32) -> Rated {
    let call = world.call(number, step.from.as_deref(), step.to.as_deref());
    Rated {
        id: format!("{number}"),
        number: call.callee.user,
        trunk: step.trunk.clone(),
        payer: call.account,
        unasked: false,
        granted_s: None,
        since: None,
    }
}

async fn grant(world: &World, step: &Step, number: u32) -> Result<View, String> {
    let kind = match step.ask.as_deref() {
        Some("authorize") => RateKind::Authorize,
        Some("extend") => RateKind::Extend {
            used: Duration::from_secs(u64::from(step.seconds.unwrap_or(SECONDS))),
            granted_s: step.granted.unwrap_or(SECONDS),
        },
        _ => RateKind::Release,
    };
    let call = world.call(number, step.from.as_deref(), step.to.as_deref());
    let deadline = Instant::from_unix_nanos(0);
    let question = RateQuestion { ticket: Ticket(1), deadline, call, rated: rated(world, step, number), kind };
    let answer = world.host.ask_rate(question, world.directory.clone()).await;
    let hook = answer.hook.ok_or("the plugin is no rater")?;
    Ok(match answer.verdict {
        RateVerdict::Grant(grant) => {
            view::view("grant", json!({ "seconds": grant.seconds, "recheck-before-s": grant.recheck_before_s }))
        }
        RateVerdict::Deny(sip, reason) => view::view("deny", json!({ "sip": sip, "reason": reason })),
        RateVerdict::Failed if kind == RateKind::Release && hook.outcome == "released" => {
            view::view("released", Value::Null)
        }
        RateVerdict::Failed => failed(&hook.outcome),
    })
}

async fn price(world: &World, step: &Step, number: u32) -> Result<View, String> {
    let call = world.call(number, step.from.as_deref(), step.to.as_deref());
    let billed_ms = u64::from(step.seconds.unwrap_or(SECONDS)) * 1_000;
    let said = if step.ask.as_deref() == Some("quote") {
        let (at_ms, number) = (world.clock.now_ms(), call.callee.user.clone());
        let (brand, company, trunk) = (call.brand, call.company, step.trunk.clone());
        world.host.quote(Quote { brand, company, number, trunk, at_ms, billed_ms }, world.directory.clone()).await
    } else {
        let used = Usage {
            call: call.call,
            leg: 1,
            brand: call.brand,
            company: call.company,
            rated: rated(world, step, number),
            caller: call.caller.user.clone(),
            answered_at: Instant::from_unix_nanos(world.clock.now_ms().saturating_sub(billed_ms) * 1_000_000),
            billed_ms,
            cause: "normal-clearing".to_owned(),
        };
        world.host.settle(used, world.directory.clone()).await
    };
    Ok(said.map_or_else(|why| failed(&why), |charge| shown(&charge)))
}

fn shown(charge: &Charge) -> View {
    let lines: Map<String, Value> =
        charge.lines.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let carrier = charge.carrier_micros.map(amount_text);
    let total = amount_text(charge.micros);
    view::view("charge", json!({ "total": total, "carrier": carrier, "currency": charge.currency, "lines": lines }))
}
