//! A script that uses every verb about sound once, in order. For tests only.

use strowger_sdk::prelude::*;
use strowger_sdk::{Channels, Heard, PlayList, Seat, Tape, digits, members, number, remove_member, set_member};

struct Studio;

impl App for Studio {
    fn run(call: Call) -> Result<Ended> {
        let leg = &call.leg;
        leg.answer()?;
        let name = leg.start_tape(&Tape::of(Channels::Stereo))?;
        leg.music(&[file("hold")])?;
        leg.press("12#")?;
        leg.pause_tape(true)?;
        let list = PlayList::of(&[digits("en", "4711"), number("en", 42)]);
        let list = list.from(500).stop_on("#").steps('1', '3', 2_000).pause('2').again('0');
        let left_at = leg.play_list(&list)?.position_ms;
        if !matches!(leg.listen(true, Some(1_500), 30_000)?, Heard::Beep(1_000)) {
            return Ok(Ended::with(480));
        }
        leg.stop_tape()?;
        let message = leg.tape(&Tape::message(3_000, 60_000))?;
        let present = members("studio")?;
        for member in &present {
            set_member("studio", &strowger_sdk::Member { muted: true, ..member.clone() })?;
            remove_member("studio", member)?;
        }
        leg.sit(&Seat::in_room(&format!("{name} {} {left_at}", message.name)).deaf(true).gain(128).max(60))?;
        leg.leave()?;
        leg.hangup();
        Ok(Ended::default())
    }
}

export_app!(Studio);
