//! Who answers: who is there, who is free, and whose turn it is.

use crate::line::Entry;
use crate::{Config, STORE, Strategy};
use strowger_sdk::{Result, now_ms};

/// A mark of an agent's call is gone after so long without its script.
const TAKEN_S: u32 = 600;

/// The agents of a company, as one queue knows them.
pub(crate) struct Desk<'a> {
    config: &'a Config,
    prefix: String,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(config: &'a Config, company: &str) -> Desk<'a> {
        Desk { config, prefix: format!("agent/{}/", company.replace('/', "%2f")) }
    }

    fn key(&self, agent: &str, what: &str) -> String {
        format!("{}{}/{what}", self.prefix, agent.replace('/', "%2f"))
    }

    /// Comes or goes.
    pub(crate) fn present(&self, agent: &str, on: bool) -> Result<()> {
        STORE.put(&self.key(agent, "in"), if on { "1" } else { "0" })?;
        self.paused(agent, false)
    }

    pub(crate) fn paused(&self, agent: &str, on: bool) -> Result<()> {
        let key = self.key(agent, "paused");
        if on { STORE.put(&key, "1") } else { STORE.delete(&key) }
    }

    fn is_free(&self, agent: &str) -> Result<bool> {
        let present = match STORE.text(&self.key(agent, "in"))? {
            Some(text) => text == "1",
            None => self.config.logged_in,
        };
        Ok(present
            && STORE.get(&self.key(agent, "paused"))?.is_none()
            && STORE.get(&self.key(agent, "taken"))?.is_none()
            && STORE.get(&self.key(agent, "rests"))?.is_none())
    }

    fn figure(&self, agent: &str, what: &str) -> Result<u64> {
        Ok(STORE.text(&self.key(agent, what))?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Agents who are free, whose turn it is first.
    pub(crate) fn free(&self, queue: &str, call: &str) -> Result<Vec<String>> {
        let mut free = Vec::new();
        for agent in &self.config.agents {
            if self.is_free(agent)? {
                free.push(agent.clone());
            }
        }
        match self.config.strategy {
            Strategy::RingAll | Strategy::Linear => {}
            Strategy::LeastRecent => self.sort(&mut free, "last")?,
            Strategy::FewestCalls => self.sort(&mut free, "calls")?,
            Strategy::Random => {
                let seed =
                    call.bytes().fold(now_ms(), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
                let turn = usize::try_from((seed >> 16) % free.len().max(1) as u64).unwrap_or_default();
                free.rotate_left(turn);
            }
            Strategy::RoundRobin => {
                let last = STORE.text(&format!("{}turn/{queue}", self.prefix))?;
                let place = |agent: &String| self.config.agents.iter().position(|a| a == agent);
                let last = last.and_then(|last| place(&last));
                let next = free.iter().position(|agent| place(agent) > last).unwrap_or_default();
                free.rotate_left(next);
            }
        }
        Ok(free)
    }

    fn sort(&self, agents: &mut Vec<String>, what: &str) -> Result<()> {
        let mut ranked = Vec::with_capacity(agents.len());
        for agent in agents.drain(..) {
            ranked.push((self.figure(&agent, what)?, agent));
        }
        // Of equals the order of the configuration stays.
        ranked.sort_by_key(|(figure, _)| *figure);
        agents.extend(ranked.into_iter().map(|(_, agent)| agent));
        Ok(())
    }

    /// Takes an agent for a call; false when another call was faster.
    pub(crate) fn take(&self, agent: &str, entry: &Entry) -> Result<bool> {
        STORE.swap_for(&self.key(agent, "taken"), None, &entry.call, TAKEN_S)
    }

    /// The agent's call goes on.
    pub(crate) fn mark(&self, agent: &str, entry: &Entry) -> Result<()> {
        STORE.put_for(&self.key(agent, "taken"), &entry.call, TAKEN_S)
    }

    /// The agent is free again after so many seconds.
    pub(crate) fn release(&self, agent: &str, rest_s: u32) -> Result<()> {
        if rest_s > 0 {
            STORE.put_for(&self.key(agent, "rests"), "1", rest_s)?;
        }
        STORE.delete(&self.key(agent, "taken"))
    }

    /// An agent has answered.
    pub(crate) fn served(&self, queue: &str, agent: &str) -> Result<()> {
        STORE.put(&self.key(agent, "last"), now_ms().to_string())?;
        STORE.add(&self.key(agent, "calls"), 1, None)?;
        STORE.put(&format!("{}turn/{queue}", self.prefix), agent)
    }
}
