//! Music on hold: who is put on hold hears the music of its company, and not what the holder's phone plays.

use crate::leg::LegNo;
use crate::step::Step;
use model::Prompt;

impl Step<'_, '_> {
    /// What the company's held parties hear; `None` where it has nothing of its own.
    pub(crate) fn company_music(&self) -> Option<Vec<Prompt>> {
        let company = self.floors.directory.company(self.call.info.company)?;
        company.hold_music.as_ref().map(|name| vec![Prompt::File(name.clone())])
    }

    /// Whether a party that is put on hold by its peer can be played to.
    pub(crate) fn plays_on_hold(&self, no: LegNo) -> bool {
        self.company_music().is_some() && self.call.leg(no).is_some_and(|l| l.stream.is_some())
    }

    /// A party holds the other one, or takes it back.
    pub(crate) fn hold_other(&mut self, other: LegNo, holds: bool) {
        let now = self.now();
        let Some(stream) = self.call.leg(other).and_then(|l| l.stream) else { return };
        if !holds {
            return self.floors.media.stop_music(stream);
        }
        if let Some(music) = self.company_music() {
            // A name that no prompt has, or a party that cannot be spoken to: it hears what it would have heard without.
            let _ = self.floors.media.start_music(stream, &music, now);
        }
    }
}
