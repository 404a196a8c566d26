//! An echo test: answers, beeps, then sends the caller's own audio back until he hangs up.
//!
//! ```json
//! { "max_s": 60 }
//! ```

use serde::Deserialize;
use strowger_sdk::beep;
use strowger_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    max_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_s: 60 }
    }
}

struct Echo;

impl App for Echo {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        call.leg.answer()?;
        call.leg.play(&[beep()])?;
        call.leg.echo(seconds(config.max_s))?;
        call.leg.hangup();
        Ok(Ended::default())
    }
}

export_app!(Echo);
