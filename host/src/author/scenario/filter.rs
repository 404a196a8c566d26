//! Messages that a scenario shows to a filter (`hooks/sip-filter`), and what it makes of them.

use super::form::{MessageForm, Step};
use super::play::PATIENCE;
use super::view::{self, View};
use super::world::World;
use model::{
    AccountId, Edge, EdgeAt, FilterAnswer, FilterMessage, FilterVerdict, Header, HeaderOp, TrunkId, apply_ops,
};
use serde_json::{Map, Value, json};

/// The message of a step.
pub(super) fn message(world: &World, step: &Step, number: u32) -> FilterMessage {
    let call = world.call(number, step.from.as_deref(), step.to.as_deref());
    let MessageForm { outbound, within, status, trunk, account } = step.message.clone();
    let (at, edge_name) = match trunk {
        Some(name) => (EdgeAt::Trunk(TrunkId(1)), name),
        None => {
            let name = account.unwrap_or_else(|| call.caller.user.clone());
            let id = world.directory.account(call.company, &name).map_or(AccountId(0), |account| account.id);
            (EdgeAt::Account(id), name)
        }
    };
    FilterMessage {
        edge: Edge { call: call.call, brand: call.brand, company: call.company, at, withheld: false },
        brand_name: call.brand_name,
        company_name: call.company_name,
        edge_name,
        method: "INVITE".to_owned(),
        request_uri: status.is_none().then(|| call.callee.uri.clone()),
        status,
        inbound: !outbound,
        within,
        from_uri: call.caller.uri,
        to_uri: call.callee.uri,
        headers: step.headers.clone().into_iter().map(|(name, value)| Header { name, value }).collect(),
    }
}

/// Shows it to this one plugin.
pub(super) async fn asked(world: &World, message: FilterMessage) -> Result<FilterAnswer, String> {
    let asked = tokio::time::timeout(PATIENCE, world.host.ask_filter(message, world.directory.clone())).await;
    asked.map_err(|_| "the plugin says nothing".to_owned())
}

/// What it said, in its own words.
pub(super) fn words(answer: &FilterAnswer) -> String {
    answer.hooks.iter().map(|hook| hook.outcome.as_str()).collect::<Vec<_>>().join(", ")
}

/// Shows a step's message, and compares.
pub(super) async fn ask(world: &World, step: &Step, number: u32) -> Result<(), String> {
    let message = message(world, step, number);
    let answer = asked(world, message.clone()).await?;
    let shown = if answer.hooks.is_empty() { ("unasked", Map::new()) } else { verdict(&answer, message.headers) };
    let Some(wanted) = &step.expect else {
        return if shown.0 == "closed" { Err(format!("the plugin failed: {}", words(&answer))) } else { Ok(()) };
    };
    if shown.0 != wanted {
        return Err(format!("expected {wanted}, it decided {} ({})", view::words(&shown), words(&answer)));
    }
    view::holds(&shown.1, &step.with).map_err(|why| format!("{wanted}: {why}"))
}

/// `pass` with the changes and what stands in the message then, `refuse`, or `closed`: it failed, or said `err`.
fn verdict(answer: &FilterAnswer, mut headers: Vec<Header>) -> View {
    let fields = match &answer.verdict {
        FilterVerdict::Pass(ops) => {
            apply_ops(&mut headers, ops);
            let line = |op: &HeaderOp| match op {
                HeaderOp::Add(header) => format!("add {}: {}", header.name, header.value),
                HeaderOp::Set(header) => format!("set {}: {}", header.name, header.value),
                HeaderOp::Remove(name) => format!("remove {name}"),
            };
            let lines: Vec<String> = ops.iter().map(line).collect();
            let left: Map<String, Value> =
                headers.into_iter().map(|header| (header.name, Value::from(header.value))).collect();
            return view::view("pass", json!({ "ops": lines, "headers": left }));
        }
        FilterVerdict::Refuse(sip, reason) => json!({ "sip": sip, "reason": reason }),
        FilterVerdict::Closed => return ("closed", Map::new()),
    };
    view::view("refuse", fields)
}
