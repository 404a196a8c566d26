//! What the switch says of recordings: each begins once, has sound only while it goes on, is over once, and is as long as it
//! says.

use crate::rules::Broken;
use core::time::Duration;
use model::{RecordingEvent, RecordingId};
use std::collections::BTreeMap;

/// The recordings that go on: frames a second, and samples so far.
#[derive(Debug, Default)]
pub(crate) struct Recordings(BTreeMap<RecordingId, (u64, u64)>);

fn broken(words: String) -> Result<(), Broken> {
    Err(Broken { rule: "recordings", words })
}

impl Recordings {
    /// The switch said something of a recording.
    pub(crate) fn note(&mut self, event: &RecordingEvent) -> Result<(), Broken> {
        match event {
            RecordingEvent::Started(start) => {
                let rate = u64::from(start.rate) * u64::from(start.channels.count());
                match self.0.insert(start.recording, (rate, 0)) {
                    None => Ok(()),
                    Some(_) => broken(format!("{} begins twice", start.name)),
                }
            }
            RecordingEvent::Sound(id, samples) => match self.0.get_mut(id) {
                Some((_, so_far)) => {
                    *so_far += samples.len() as u64;
                    Ok(())
                }
                None => broken(format!("sound of {id:?}, which does not go on")),
            },
            RecordingEvent::Ended(id, length) => match self.0.remove(id) {
                Some((rate, samples)) if Duration::from_millis(samples * 1_000 / rate) == *length => Ok(()),
                Some((rate, samples)) => broken(format!("{samples} samples at {rate} are not {length:?}")),
                None => broken(format!("{id:?} ends, and did not go on")),
            },
        }
    }

    /// The switch died.
    pub(crate) fn restart(&mut self) {
        self.0.clear();
    }

    /// At rest none goes on.
    pub(crate) fn check_rest(&self) -> Result<(), Broken> {
        if self.0.is_empty() { Ok(()) } else { broken(format!("at rest {:?} go on", self.0)) }
    }
}
