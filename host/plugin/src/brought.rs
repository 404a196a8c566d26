//! Prompts that are neither stored nor made here: a file at a URL, a text that is read aloud. They are brought before the
//! verb that plays them sets out, so that the shard meets samples only.

use crate::bindings::router::strowger::types::types::Error;
use crate::control::Verb;
use crate::convert;
use crate::guest::Guest;
use core::fmt;
use core::time::Duration;
use model::{AppError, AppVerb, Clip, Prompt, SoundSource, Speech};
use tokio::sync::oneshot;

/// How long a prompt is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of a prompt that is to be brought.
pub type SoundAnswer = Result<Clip, AppError>;

/// Whoever brings prompts. Neither function waits itself; a receiver that gets no answer was asked of somebody who is gone.
pub trait Sounds: Send + Sync + fmt::Debug {
    /// The file at a URL that the script may ask; `private`: it may also be at a private address.
    fn fetch(&self, url: String, private: bool) -> oneshot::Receiver<SoundAnswer>;

    /// A text, read aloud.
    fn speak(&self, speech: Speech) -> oneshot::Receiver<SoundAnswer>;
}

impl Guest {
    /// Puts the sound into each prompt of a verb that is to be brought.
    pub(crate) async fn bring(&mut self, verb: &mut AppVerb) -> Verb<()> {
        for prompt in verb.prompts_mut() {
            if let Prompt::Brought { from, sound } = prompt {
                *sound = self.brought(from).await?;
            }
        }
        Ok(())
    }

    async fn brought(&mut self, from: &SoundSource) -> Verb<Clip> {
        let nobody = || Error::Unavailable("prompts: nobody brings any here".to_owned());
        let power = &self.bound.powers.http;
        let script = self.script.as_ref().ok_or_else(nobody)?;
        let (answer, _permits) = match from {
            SoundSource::Url(url) => {
                let url = power.admit("GET", url)?;
                if power.clients.script().is_some() {
                    return Ok(Clip::default());
                }
                let permits = power.permits()?;
                let sounds = script.sounds.as_ref().ok_or_else(nobody)?;
                (sounds.fetch(url.to_string(), power.private), Some(permits))
            }
            // A script of a test hears nothing.
            SoundSource::Speech(_) if power.clients.script().is_some() => return Ok(Clip::default()),
            SoundSource::Speech(speech) => (script.sounds.as_ref().ok_or_else(nobody)?.speak(speech.clone()), None),
        };
        match self.park(tokio::time::timeout(PATIENCE, answer)).await {
            Ok(Ok(answer)) => answer.map_err(convert::error),
            Ok(Err(_)) => Err(nobody()),
            Err(_) => Err(Error::Timeout),
        }
    }
}
