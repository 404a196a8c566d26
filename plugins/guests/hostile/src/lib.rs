//! A plugin that misbehaves as its configuration says: `{ "do": "spin" }`. For tests only; serves both points.

use serde::Deserialize;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use strowger_sdk::prelude::*;
use strowger_sdk::{beep, count, extension, header, info, now_ms, sleep};

#[derive(Deserialize)]
struct Config {
    r#do: Deed,
    #[serde(default)]
    ms: u64,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    /// Computes for ever.
    Spin,
    /// Takes memory until there is none.
    Hog,
    /// Calls itself until the stack is full.
    Recurse,
    /// Traps.
    Trap,
    /// Computes for `ms`, then answers well.
    Late,
    /// A plan that breaks the rules.
    Nonsense,
    /// A plan that would smuggle a header.
    Smuggle,
    /// Log lines and metric series without end.
    Flood,
    /// As a router: looks another tenant's number up and says what it saw.
    Peek,
    /// Behaves: refuses with 486 and `text`.
    Refuse,
    /// Behaves: `next`, with an attribute.
    Next,
    /// Counts its own invocations in its memory and says the count.
    Count,
    /// Uses call control although it is no app.
    Dial,
    /// An app that answers and never returns, whatever happens.
    Stay,
    /// An app that returns 486 unanswered.
    Decline,
    /// An app that beeps until the leg ends.
    Beep,
    /// A business error.
    Err,
}

struct Hostile;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// What both points do alike; gives back only for those who behave.
fn misbehave(config: &Config) {
    match config.r#do {
        Deed::Spin => spin(),
        Deed::Hog => hog(),
        Deed::Recurse => drop(black_box(recurse(black_box(1)))),
        Deed::Trap => panic!("on purpose"),
        Deed::Late => {
            let until = now_ms() + config.ms;
            while now_ms() < until {
                black_box(());
            }
        }
        Deed::Flood => {
            for i in 0..10_000 {
                info!("line {i}");
                count(&format!("series{i}"), &[]);
            }
        }
        _ => {}
    }
}

fn spin() {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn hog() {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[allow(unconditional_recursion)]
fn recurse(n: u64) -> u64 {
    let frame = black_box([n; 64]);
    recurse(black_box(n + 1)) + frame[0]
}

impl Router for Hostile {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        misbehave(&config);
        Ok(match config.r#do {
            Deed::Nonsense => Plan::new(Step::new().account("no body").ring(0)).connect(),
            Deed::Smuggle => Plan::new(Step::new().account("1001"))
                .header(header("X-Note", "a\r\nVia: SIP/2.0/UDP 192.0.2.1"))
                .connect(),
            Deed::Peek => refuse(480, &format!("{:?}", extension(&call.callee.user)?.map(|n| n.target))),
            Deed::Refuse => refuse(486, &config.text),
            Deed::Count => refuse(480, &(1 + COUNT.fetch_add(1, Ordering::Relaxed)).to_string()),
            Deed::Dial => refuse(480, &format!("{:?}", sleep(1))),
            Deed::Err => return Err(Error::NotFound),
            _ => Decision::Next(vec![("seen".to_owned(), call.callee.user)]),
        })
    }
}

impl App for Hostile {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        match config.r#do {
            Deed::Stay => loop {
                let _ = sleep(10);
            },
            Deed::Decline => return Ok(Ended::with(486)),
            Deed::Err => return Err(Error::NotFound),
            Deed::Beep => {
                call.leg.answer()?;
                loop {
                    call.leg.play(&[beep()])?;
                }
            }
            _ => {}
        }
        call.leg.answer()?;
        misbehave(&config);
        Ok(Ended::default())
    }
}

export_router!(Hostile);
export_app!(Hostile);
