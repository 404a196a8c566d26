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
    /// Remembers how often it was asked, and does what the dialled text says: `trap`, `spin`, `nonsense`, `err`, `late`,
    /// `grab`, `leak`, `logs`, `dial`, or a number to look up. Else it says the count.
    Remember,
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

/// What a guest does that lives longer than one question.
fn remember(config: &Config, callee: &str) -> Result<Decision> {
    let count = 1 + COUNT.fetch_add(1, Ordering::Relaxed);
    let said = match callee {
        "trap" => panic!("on purpose"),
        "spin" => {
            spin();
            String::new()
        }
        "nonsense" => return Ok(refuse(200, "no failure")),
        "err" => return Err(Error::NotFound),
        "late" => {
            let until = now_ms() + config.ms;
            while now_ms() < until {
                black_box(());
            }
            String::new()
        }
        // More than there is, and lives on.
        "grab" => {
            let mut held: Vec<u8> = Vec::new();
            format!("{} ", held.try_reserve_exact(1 << 30).is_err())
        }
        "leak" => {
            black_box(Box::leak(vec![1_u8; 4 << 20].into_boxed_slice()));
            String::new()
        }
        "logs" => {
            for i in 0..60 {
                info!("line {i}");
            }
            String::new()
        }
        "dial" => format!("{:?} ", sleep(1)),
        number if number.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{} ", extension(number)?.map_or("nobody".to_owned(), |found| format!("{:?}", found.target)))
        }
        _ => String::new(),
    };
    Ok(refuse(480, &format!("{said}{count}")))
}

impl Router for Hostile {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        misbehave(&config);
        Ok(match config.r#do {
            Deed::Remember => return remember(&config, &call.callee.user),
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
