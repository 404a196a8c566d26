//! The front desk: numbers that begin with a prefix ring one account, counted; who is not answered gets a small menu.
//! The same in other languages: `sdk/javascript/example`, `sdk/python/example`.
//!
//! ```json
//! { "prefix": "8", "account": "1001", "operator": "1002" }
//! ```

use serde::Deserialize;
use strowger_sdk::prelude::*;
use strowger_sdk::{Bucket, Cause, header, info};

const DESK: Bucket = Bucket("front-desk");

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    prefix: String,
    account: String,
    operator: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "8".to_owned(), account: "1001".to_owned(), operator: "1002".to_owned() }
    }
}

fn counted() -> i64 {
    DESK.add("calls", 1, None).unwrap_or_else(|why| {
        info!("the call is not counted: {why}");
        0
    })
}

struct Desk;

impl Router for Desk {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        if !call.callee.user.starts_with(&config.prefix) {
            return Ok(Decision::Next(vec![("language".to_owned(), "rust".to_owned())]));
        }
        let step = Step::new().account(&config.account).ring(seconds(20));
        Ok(Plan::new(step).header(header("X-Front-Desk", &counted().to_string())).connect())
    }

    fn exhausted(_: CallInfo, tried: Vec<(String, Cause)>) -> Result<Decision> {
        Ok(Decision::App(("front-desk".to_owned(), vec![("tried".to_owned(), tried.len().to_string())])))
    }
}

impl App for Desk {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        let caller = &call.leg;
        caller.answer()?;
        let pressed = caller.collect(Collect::digits(1).prompts(&[file("attendant-menu")]))?;
        if pressed.digits == "1" {
            if let Err(error) = operator(caller, &config.operator) {
                if caller.state() == "ended" {
                    return Err(error);
                }
                caller.play(&[file("attendant-busy")])?;
            }
        } else {
            caller.play(&[file("goodbye")])?;
        }
        caller.hangup();
        Ok(Ended::default())
    }
}

fn operator(caller: &Leg, whom: &str) -> Result<()> {
    let callee = dial(caller, Dial::to([whom]).ring(seconds(20)))?;
    bridge(caller, &callee)?;
    callee.hangup();
    Ok(())
}

export_router!(Desk);
export_app!(Desk);
