//! Scenarios that go astray: the party hangs up at every verb, every verb takes too long, nothing is granted, and chance
//! answers. A plugin may give up in each of them; it may not trap, and it may not go on for ever.

use super::form::{Reply, Scenario, Step};
use super::play::{self, Said, Script};
use super::world::{Failed, World};
use super::{Subject, asked, filter, reply};
use bundle::Grants;
use model::{AppError, AppVerb};

/// Verbs after which a script that goes astray must have ended. One that lets a call wait for hours uses more.
const VERBS_MAX: usize = 2_000;
/// After a party hung up a script may ask this often before it ends.
const AFTER_HANGUP_MAX: usize = 50;

/// How a run goes astray.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Astray {
    /// The caller hangs up at this verb.
    HangsUp(usize),
    /// This verb takes too long.
    TimesOut(usize),
    /// Chance answers, from this seed.
    Chance(u64),
}

impl Astray {
    fn words(self) -> String {
        match self {
            Astray::HangsUp(at) => format!("the caller hangs up at verb {}", at + 1),
            Astray::TimesOut(at) => format!("verb {} takes too long", at + 1),
            Astray::Chance(seed) => format!("seed {seed}"),
        }
    }
}

/// Small and the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }

    /// Any reply that the call engine could give.
    #[allow(clippy::wildcard_enum_match_arm, reason = "other verbs have nothing to choose")]
    fn reply(&mut self, verb: &AppVerb) -> Reply {
        let mut says = Reply { after_ms: self.below(20_000), ..Reply::default() };
        let errors = ["timeout", "hung-up", "unavailable", "invalid-state", "limit-exceeded", "cancelled"];
        let error = |chance: &mut Chance, of: u64| {
            let at = usize::try_from(chance.below(of)).unwrap_or(usize::MAX);
            errors.get(at).map(|e| (*e).to_owned())
        };
        let key = |chance: &mut Chance| {
            let at = usize::try_from(chance.below(12)).unwrap_or_default();
            "0123456789*#".get(at..=at).map(str::to_owned)
        };
        match verb {
            AppVerb::Collect(_, spec) => {
                let most = u64::from(spec.max_digits.min(20));
                let count = self.below(most + 1);
                says.digits = Some((0..count).filter_map(|_| key(self)).collect::<String>().replace(['*', '#'], "1"));
            }
            AppVerb::Play(..) | AppVerb::Playback(..) if self.below(3) == 0 => says.digit = key(self),
            AppVerb::Record(..) => {
                says.duration_ms = Some(self.below(60_000));
                let ends = ["digit", "silence", "max", "hung-up"];
                says.ended_by = ends.get(usize::try_from(self.below(4)).unwrap_or_default()).map(|e| (*e).to_owned());
            }
            AppVerb::Dial(..) => says.error = error(self, 8),
            _ => {}
        }
        if says.error.is_none() && self.below(25) == 0 {
            says.error = error(self, 6);
        }
        says
    }
}

/// Every way to go astray, `seeds` of them by chance from `first` on; gives how many runs there were.
pub(super) async fn run(
    subject: &Subject<'_>,
    scenario: &Scenario,
    (first, seeds): (u64, u64),
) -> Result<usize, Failed> {
    let is_app =
        scenario.steps.iter().any(|s| s.value.ask.is_none() && s.value.tell.is_none() && s.value.expect.is_some());
    let verbs = scenario.steps.iter().filter(|s| s.value.ask.is_none() && s.value.expect.is_some()).count();
    let chance = (first..first.saturating_add(seeds)).map(Astray::Chance);
    let bent = (0..verbs).flat_map(|at| [Astray::HangsUp(at), Astray::TimesOut(at)]);
    let mut runs = 0;
    for grants in [subject.manifest.needs.clone(), Grants::default()] {
        let denied = grants.is_empty() && !subject.manifest.needs.is_empty();
        for astray in bent.clone().chain(chance.clone()) {
            let world = World::new(subject.bench, subject.manifest, scenario, &grants)?;
            let gone = if is_app {
                script(&world, scenario, (&subject.manifest.id, astray)).await
            } else {
                hooks(&world, scenario, astray).await
            };
            let granted = if denied { ", nothing granted" } else { "" };
            gone.map_err(|why| Failed { line: 0, text: format!("fuzz: {}{granted}: {why}", astray.words()) })?;
            runs += 1;
        }
    }
    Ok(runs)
}

async fn script(world: &World, scenario: &Scenario, (name, astray): (&str, Astray)) -> Result<(), String> {
    let mut script = Script::start(world, scenario, name);
    let mut chance = Chance(match astray {
        Astray::Chance(seed) => seed,
        Astray::HangsUp(_) | Astray::TimesOut(_) => 0,
    });
    let mut hung_up = None;
    let replies: Vec<&Step> =
        scenario.steps.iter().map(|s| &s.value).filter(|s| s.ask.is_none() && s.expect.is_some()).collect();
    for at in 0..VERBS_MAX {
        let (request, verb) = match script.next().await? {
            Said::Ended(Ok(_)) => return Ok(()),
            Said::Ended(Err(why)) => return Err(play::failure(&why)),
            Said::Verb(request, verb) => (request, verb),
        };
        if let Some(since) = hung_up {
            if at - since > AFTER_HANGUP_MAX {
                return Err(format!("{AFTER_HANGUP_MAX} verbs after the caller hung up it has not ended"));
            }
            script.answer(world, request, Err(reply::hung_up(None)?));
            continue;
        }
        let says = match astray {
            Astray::HangsUp(n) if n == at => Reply { error: Some("hung-up".to_owned()), ..Reply::default() },
            Astray::TimesOut(n) if n == at => Reply { error: Some("timeout".to_owned()), ..Reply::default() },
            // As the scenario goes, while it goes; then as it mostly does.
            Astray::HangsUp(_) | Astray::TimesOut(_) => {
                let late = || Reply { after_ms: 10_000, ..Reply::default() };
                replies.get(at).map_or_else(late, |s| s.reply.clone())
            }
            Astray::Chance(_) => chance.reply(&verb),
        };
        if says.error.as_deref() == Some("hung-up") && !matches!(verb, AppVerb::Dial(..)) {
            hung_up = Some(at);
        }
        script.reply(world, (request, &verb), &says)?;
    }
    // A queue or a room is left by hanging up only.
    let Said::Verb(request, _) = script.next().await? else { return Ok(()) };
    script.answer(world, request, Err(reply::hung_up(None)?));
    for _ in 0..AFTER_HANGUP_MAX {
        match script.next().await? {
            Said::Ended(Ok(_)) => return Ok(()),
            Said::Ended(Err(why)) => return Err(play::failure(&why)),
            Said::Verb(request, _) => script.answer(world, request, Err::<_, AppError>(reply::hung_up(None)?)),
        }
    }
    Err(format!("after {VERBS_MAX} verbs the caller hung up, and it has not ended"))
}

/// Numbers by chance to every question of the scenario.
async fn hooks(world: &World, scenario: &Scenario, astray: Astray) -> Result<(), String> {
    let mut chance = Chance(match astray {
        Astray::Chance(seed) => seed,
        Astray::HangsUp(at) | Astray::TimesOut(at) => at as u64,
    });
    for step in scenario.steps.iter().map(|s| &s.value).filter(|s| s.ask.is_some()) {
        if step.ask.as_deref() == Some("filter") {
            message(world, step, &mut chance).await?;
            continue;
        }
        if step.ask.as_deref().is_some_and(|kind| asked::ASKED.contains(&kind)) {
            let call = u32::try_from(chance.below(1 << 20)).unwrap_or_default();
            let seconds = u32::try_from(chance.below(100_000)).unwrap_or_default();
            let to =
                step.to.as_ref().map(|to| to.chars().take(usize::try_from(chance.below(20)).unwrap_or(1)).collect());
            let astray = Step { ask: step.ask.clone(), to, seconds: Some(seconds), ..Step::default() };
            let said = asked::said(world, &astray, call).await?;
            // An error is an answer; a trap is none.
            let why = said.1.get("why").and_then(serde_json::Value::as_str).unwrap_or_default();
            if ["trap", "timeout", "invalid"].iter().any(|word| why.starts_with(word)) {
                return Err(format!("{:?} to {:?}: {why}", astray.ask, astray.to));
            }
            continue;
        }
        let given = step.to.clone().unwrap_or_default();
        let keep = usize::try_from(chance.below(given.len() as u64 + 1)).unwrap_or_default();
        let mut to: String = given.chars().take(keep).collect();
        for _ in 0..chance.below(24) {
            let at = usize::try_from(chance.below(16)).unwrap_or_default();
            to.extend("0123456789*#+aZ%".get(at..=at));
        }
        let call = world.call(u32::try_from(chance.below(1 << 20)).unwrap_or_default(), None, Some(&to));
        let answer = play::question(world, call, step).await?;
        if answer.failed {
            let why: Vec<&str> = answer.hooks.iter().map(|h| h.outcome.as_str()).collect();
            return Err(format!("to {to:?}: {}", why.join(", ")));
        }
    }
    Ok(())
}

/// A filter's message with fields by chance: it may say `err`, not trap, and nothing that may not stand in a message.
async fn message(world: &World, step: &Step, chance: &mut Chance) -> Result<(), String> {
    let mut shown = filter::message(world, step, u32::try_from(chance.below(1 << 20)).unwrap_or_default());
    shown.headers.retain(|_| chance.below(4) > 0);
    for header in &mut shown.headers {
        let keep = usize::try_from(chance.below(header.value.len() as u64 + 1)).unwrap_or_default();
        header.value = header.value.chars().take(keep).collect();
        header.value.extend(
            (0..chance.below(24)).filter_map(|_| char::from_u32(0x20 + u32::try_from(chance.below(0x300)).ok()?)),
        );
    }
    let fields = format!("{:?}", shown.headers);
    let answer = filter::asked(world, shown).await?;
    let gave_up = filter::words(&answer).starts_with("err: ");
    if answer.verdict == model::FilterVerdict::Closed && !gave_up {
        return Err(format!("shown {fields}: {}", filter::words(&answer)));
    }
    Ok(())
}
