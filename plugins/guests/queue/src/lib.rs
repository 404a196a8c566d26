//! A queue: callers wait with music until an agent is free.
//!
//! ```json
//! { "agents": ["1001", "1002"], "strategy": "least-recent", "ring_s": 15, "wrap_up_s": 10, "max_wait_s": 600,
//!   "max_length": 50, "announce_s": 45, "exit_key": "0", "exit_to": "1003", "overflow": "1003" }
//! ```
//! | code | |
//! |---|---|
//! | `*41`, `*42` | an agent logs in and out |
//! | `*43`, `*44` | an agent pauses, and goes on |
//!
//! Every caller's script stands for itself; what they share is kept in kv. Who waits sits, deaf and muted, in a room of the
//! queue's name (the argument `queue` of a number that leads to one, `name`, or the number that was dialled): the room is what a script waits on, and whoever sets an agent free takes the first caller out of it. An
//! agent is taken by a compare-and-swap, so that no two callers ring one agent. Entries of scripts that died are gone with
//! their time. Strategies: `ring-all`, `round-robin`, `least-recent`, `fewest-calls`, `random`, `linear`.

mod agents;
mod line;

use agents::Desk;
use line::Line;
use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::{
    Action, Bucket, Feature, PlayList, Seat, Target, bridge_for, count, export_feature, extension, info, is_hung_up,
    now_ms, number, observe,
};

pub(crate) const STORE: Bucket = Bucket("queue");
/// A caller looks again after so long, whatever it is told: between its look and its wait an agent may have come free.
const LOOK_AGAIN_S: u32 = 10;
/// An agent's call is marked anew so often.
const MARK_S: u32 = 300;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    app: String,
    name: Option<String>,
    pub(crate) agents: Vec<String>,
    pub(crate) logged_in: bool,
    pub(crate) strategy: Strategy,
    ring_s: u32,
    wrap_up_s: u32,
    max_wait_s: u32,
    max_length: usize,
    priority: u8,
    announce_s: u32,
    overflow: Option<String>,
    exit_key: String,
    exit_to: Option<String>,
    music: Vec<String>,
    pack: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    RingAll,
    RoundRobin,
    LeastRecent,
    FewestCalls,
    Random,
    Linear,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            app: "queue".to_owned(),
            name: None,
            agents: Vec::new(),
            logged_in: false,
            strategy: Strategy::LeastRecent,
            ring_s: 20,
            wrap_up_s: 0,
            max_wait_s: 900,
            max_length: 100,
            priority: 5,
            announce_s: 60,
            overflow: None,
            exit_key: String::new(),
            exit_to: None,
            music: vec!["tone:350+440/200/9800".to_owned()],
            pack: "en".to_owned(),
        }
    }
}

struct Queue;

/// How a caller's time in the queue ended.
enum Outcome {
    Served,
    TooLong,
    Left,
}

impl Feature for Queue {
    fn invoke(call: CallInfo, code: String, _: String) -> Result<Action> {
        let config: Config = config()?;
        let Some(agent) = call.account.filter(|account| config.agents.contains(account)) else {
            return Ok(Action::Ignore);
        };
        let does = match code.as_str() {
            "*41" => "login",
            "*42" => "logout",
            "*43" => "pause",
            "*44" => "unpause",
            _ => return Ok(Action::Ignore),
        };
        let args = [("agent", agent.as_str()), ("do", does)].map(|(n, v)| (n.to_owned(), v.to_owned()));
        Ok(Action::RunApp((config.app, args.to_vec())))
    }
}

impl App for Queue {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let arg = |name: &str| call.args.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let name = arg("queue").or_else(|| config.name.clone()).unwrap_or_else(|| call.info.callee.user.clone());
        let line = Line::new(&call.info.company, &name);
        let desk = Desk::new(&config, &call.info.company);
        if let (Some(agent), Some(does)) = (arg("agent"), arg("do")) {
            return agent_acts(&call, &desk, (agent.as_str(), does.as_str()));
        }
        wait(&call, &config, &line, &desk)
    }
}

/// An agent comes or goes, and hears it.
fn agent_acts(call: &Call, desk: &Desk<'_>, (agent, does): (&str, &str)) -> Result<Ended> {
    call.leg.answer()?;
    let said = match does {
        "login" => desk.present(agent, true).map(|()| "queue-in")?,
        "logout" => desk.present(agent, false).map(|()| "queue-out")?,
        "pause" => desk.paused(agent, true).map(|()| "queue-paused")?,
        _ => desk.paused(agent, false).map(|()| "queue-unpaused")?,
    };
    let played = call.leg.play(&[file(said)]);
    call.leg.hangup();
    // Only now: a phone that still hears this would be busy.
    line::wake_all(&call.info.company)?;
    played.map(|()| Ended::default())
}

fn prompt(text: &str) -> Prompt {
    text.strip_prefix("tone:").map_or_else(|| file(text), tone)
}

fn wait(call: &Call, config: &Config, line: &Line, desk: &Desk<'_>) -> Result<Ended> {
    let caller = &call.leg;
    caller.answer()?;
    let begun = now_ms();
    if line.length()? >= config.max_length {
        count("queue_calls", &[("queue", line.name.as_str()), ("outcome", "full")]);
        return elsewhere(call, config, config.overflow.as_deref(), "queue-full");
    }
    let entry = line.join(&call.info.call_id, config.priority)?;
    let outcome = serve(call, config, (line, &entry), desk, begun);
    line.leave(&entry)?;
    line.wake()?;
    let waited = now_ms().saturating_sub(begun);
    observe("queue_wait_s", waited as f64 / 1_000.0, &[("queue", line.name.as_str())]);
    let word = match &outcome {
        Ok(Outcome::Served) => "served",
        Ok(Outcome::TooLong) => "timeout",
        Ok(Outcome::Left) => "left",
        Err(_) => "hung-up",
    };
    count("queue_calls", &[("queue", line.name.as_str()), ("outcome", word)]);
    line.statistics(word, waited)?;
    match outcome? {
        Outcome::Served => {
            caller.hangup();
            Ok(Ended::default())
        }
        Outcome::TooLong => elsewhere(call, config, config.overflow.as_deref(), "queue-timeout"),
        Outcome::Left => {
            let to = config.exit_to.as_deref().or(config.overflow.as_deref());
            elsewhere(call, config, to, "queue-timeout")
        }
    }
}

/// Until an agent has talked to the caller, or the caller goes.
fn serve(
    call: &Call,
    config: &Config,
    (line, entry): (&Line, &line::Entry),
    desk: &Desk<'_>,
    begun: u64,
) -> Result<Outcome> {
    let caller = &call.leg;
    let music: Vec<Prompt> = config.music.iter().map(|m| prompt(m)).collect();
    if caller.play_until(&[file("queue-welcome")], &config.exit_key)?.is_some() {
        return Ok(Outcome::Left);
    }
    caller.music(&music)?;
    let mut announced = now_ms();
    loop {
        line.mark(entry)?;
        let waited = now_ms().saturating_sub(begun);
        if waited >= u64::from(seconds(config.max_wait_s)) {
            return Ok(Outcome::TooLong);
        }
        let position = line.position(entry)?;
        if position == 1 && ring(call, config, (line, entry), desk)? {
            return Ok(Outcome::Served);
        }
        if config.announce_s > 0 && now_ms().saturating_sub(announced) >= u64::from(seconds(config.announce_s)) {
            announced = now_ms();
            let said = [file("queue-position"), number(&config.pack, line.position(entry)? as u64)];
            let listened = caller.play_list(&PlayList::of(&said).stop_on(&config.exit_key))?;
            if listened.digit.is_some() {
                return Ok(Outcome::Left);
            }
        }
        let left = u64::from(config.max_wait_s).saturating_sub(waited / 1_000).max(1);
        let seat = Seat::in_room(&line.room).muted(true).deaf(true).keys(&config.exit_key);
        let floor = caller.sit(&seat.max(u32::try_from(left).unwrap_or(1).min(LOOK_AGAIN_S)))?;
        if floor.ended_by == "digit" {
            return Ok(Outcome::Left);
        }
    }
}

/// The first caller rings agents that are free; whether it was served.
fn ring(call: &Call, config: &Config, (line, entry): (&Line, &line::Entry), desk: &Desk<'_>) -> Result<bool> {
    let mut free = desk.free(&line.name, &call.info.call_id)?;
    if config.strategy != Strategy::RingAll {
        free.truncate(1);
    }
    let taken: Vec<String> =
        free.into_iter().filter_map(|agent| desk.take(&agent, entry).ok()?.then_some(agent)).collect();
    if taken.is_empty() {
        return Ok(false);
    }
    // The next one may look for the agents that are left.
    line.ringing(entry, true)?;
    line.wake()?;
    let ring = Dial::to(taken.iter().map(String::as_str)).together().ring(seconds(config.ring_s)).hear(&[]);
    let answered = match dial(&call.leg, ring) {
        Ok(agent) => agent,
        Err(error) => {
            // Who has just not answered is left in peace for a moment.
            taken.iter().try_for_each(|agent| desk.release(agent, 5))?;
            line.ringing(entry, false)?;
            if call.leg.state() == "ended" {
                return Err(error);
            }
            info!("queue {}: {}: {error}", line.name, taken.join(", "));
            return Ok(false);
        }
    };
    let who = answered.info().callee.user;
    let who = taken.iter().find(|agent| **agent == who).or(taken.first()).cloned().unwrap_or_default();
    taken.iter().filter(|agent| **agent != who).try_for_each(|agent| desk.release(agent, 0))?;
    line.leave(entry)?;
    line.wake()?;
    desk.served(&line.name, &who)?;
    call.leg.music(&[])?;
    let talked = talk(call, desk, (who.as_str(), entry), &answered);
    answered.hangup();
    desk.release(&who, config.wrap_up_s)?;
    line.wake()?;
    talked.map(|()| true)
}

/// As long as they talk the agent is marked as taken.
fn talk(call: &Call, desk: &Desk<'_>, (agent, entry): (&str, &line::Entry), leg: &Leg) -> Result<()> {
    loop {
        desk.mark(agent, entry)?;
        match bridge_for(&call.leg, leg, MARK_S) {
            Ok(bridged) if bridged.ended_by == "max" => {}
            Ok(_) => return Ok(()),
            Err(error) if is_hung_up(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Follows an extension to its account.
fn target(whom: &str) -> Result<String> {
    if whom.contains(':') {
        return Ok(whom.to_owned());
    }
    Ok(match extension(whom)?.map(|number| number.target) {
        Some(Target::Account(name)) => name,
        _ => whom.to_owned(),
    })
}

/// Hands the caller on, or says that nobody is there.
fn elsewhere(call: &Call, config: &Config, to: Option<&str>, said: &str) -> Result<Ended> {
    let caller = &call.leg;
    caller.music(&[])?;
    if let Some(to) = to {
        match dial(caller, Dial::to([target(to)?]).ring(seconds(config.ring_s))) {
            Ok(callee) => {
                let talked = strowger_sdk::bridge(caller, &callee);
                callee.hangup();
                caller.hangup();
                return talked.map(|_| Ended::default());
            }
            Err(error) if caller.state() == "ended" => return Err(error),
            Err(error) => info!("{to}: {error}"),
        }
    }
    caller.play(&[file(said), file("goodbye")])?;
    caller.hangup();
    Ok(Ended::default())
}

export_app!(Queue);
export_feature!(Queue);
