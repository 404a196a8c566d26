//! What one play sends: pieces in order, cut into frames.

use crate::output::FRAME;
use crate::tone::Tone;
use crate::{JobId, PlayError, Prompts, say};
use core::time::Duration;
use model::Prompt;
use std::sync::Arc;

/// At 8 kHz.
const SAMPLES_PER_MS: usize = 8;

#[derive(Clone, Debug)]
enum Piece {
    Pcm(Arc<[i16]>),
    Tone(Tone),
    Silence(usize),
}

impl Piece {
    /// Adds what a prompt is made of.
    fn add(prompt: &Prompt, prompts: &Prompts, out: &mut Vec<Piece>) -> Result<(), PlayError> {
        let unknown = |name: &str| PlayError::UnknownPrompt(name.to_owned());
        let stored = |name: &String| prompts.get(name).cloned().map(Piece::Pcm).ok_or_else(|| unknown(name));
        match prompt {
            Prompt::File(name) => out.push(stored(name)?),
            Prompt::Tone(name) => out.push(Tone::parse(name).map(Piece::Tone).ok_or_else(|| unknown(name))?),
            Prompt::SilenceMs(ms) => out.push(Piece::Silence(*ms as usize * SAMPLES_PER_MS)),
            Prompt::Clip { sound, .. } | Prompt::Brought { sound, .. } => out.push(Piece::Pcm(Arc::clone(&sound.0))),
            Prompt::Digits { text, .. } => {
                let words = say::words(prompt, &|name| prompts.get(name).is_some()).ok_or_else(|| unknown(text))?;
                out.extend(words.iter().map(stored).collect::<Result<Vec<_>, _>>()?);
            }
            Prompt::Number { value, .. } => {
                let words = say::words(prompt, &|name| prompts.get(name).is_some());
                let words = words.ok_or_else(|| unknown(&value.to_string()))?;
                out.extend(words.iter().map(stored).collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        match self {
            Piece::Pcm(samples) => samples.len(),
            Piece::Tone(tone) => tone.len(),
            Piece::Silence(samples) => *samples,
        }
    }

    /// Copies from `at` on and gives how many samples there were.
    fn read(&self, at: usize, out: &mut [i16]) -> usize {
        let count = self.len().saturating_sub(at).min(out.len());
        let (head, _) = out.split_at_mut(count);
        match self {
            Piece::Pcm(samples) => {
                if let Some(part) = samples.get(at..at + count) {
                    head.copy_from_slice(part);
                }
            }
            Piece::Tone(tone) => tone.read(at, head),
            Piece::Silence(_) => head.fill(0),
        }
        count
    }
}

/// One play on its way.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) job: JobId,
    pieces: Vec<Piece>,
    piece: usize,
    at: usize,
    repeat: bool,
    /// Nothing is heard, and nothing moves on.
    pub(crate) paused: bool,
}

impl Player {
    pub(crate) fn new(job: JobId, list: &[Prompt], prompts: &Prompts, repeat: bool) -> Result<Player, PlayError> {
        let mut pieces = Vec::with_capacity(list.len());
        for prompt in list {
            Piece::add(prompt, prompts, &mut pieces)?;
        }
        // Repeating nothing would never end and never sound.
        let repeat = repeat && pieces.iter().any(|p| p.len() > 0);
        let mut player = Player { job, pieces, piece: 0, at: 0, repeat, paused: false };
        player.skip();
        Ok(player)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.piece >= self.pieces.len()
    }

    /// The next frame; the last one ends in silence.
    pub(crate) fn frame(&mut self) -> [i16; FRAME] {
        let mut out = [0; FRAME];
        let mut filled = 0;
        while let (Some(piece), Some(rest)) = (self.pieces.get(self.piece), out.get_mut(filled..)) {
            if rest.is_empty() {
                break;
            }
            let count = piece.read(self.at, rest);
            self.at += count;
            filled += count;
            self.skip();
        }
        out
    }

    /// How far it has come, from the beginning of the list.
    pub(crate) fn position(&self) -> Duration {
        let before: usize = self.pieces.iter().take(self.piece).map(Piece::len).sum();
        Duration::from_millis(((before + self.at) / SAMPLES_PER_MS) as u64)
    }

    /// How long the whole list is.
    pub(crate) fn length(&self) -> Duration {
        let samples: usize = self.pieces.iter().map(Piece::len).sum();
        Duration::from_millis((samples / SAMPLES_PER_MS) as u64)
    }

    /// Goes on from this place of the list, within a piece or not; behind its end nothing is left.
    pub(crate) fn seek(&mut self, to: Duration) {
        let mut left = usize::try_from(to.as_millis()).unwrap_or(usize::MAX).saturating_mul(SAMPLES_PER_MS);
        self.piece = 0;
        self.at = 0;
        while let Some(len) = self.pieces.get(self.piece).map(Piece::len) {
            if left < len {
                self.at = left;
                break;
            }
            left -= len;
            self.piece += 1;
        }
        if self.repeat && self.is_over() {
            self.piece = 0;
        }
        self.skip();
    }

    /// Past every piece that is used up, and round if it repeats.
    fn skip(&mut self) {
        while self.pieces.get(self.piece).is_some_and(|p| self.at >= p.len()) {
            self.piece += 1;
            self.at = 0;
            if self.repeat && self.is_over() {
                self.piece = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamId;

    fn player(list: &[Prompt], repeat: bool) -> Player {
        let mut prompts = Prompts::new();
        prompts.insert("ones", vec![1; 100]);
        prompts.insert("empty", vec![]);
        Player::new(JobId { stream: StreamId(0), number: 0 }, list, &prompts, repeat).unwrap()
    }

    fn file(name: &str) -> Prompt {
        Prompt::File(name.to_owned())
    }

    #[test]
    fn pieces_join_without_a_gap_and_the_last_frame_is_filled_up() {
        let mut player = player(&[file("ones"), file("empty"), Prompt::SilenceMs(5), file("ones")], false);
        let frames = [player.frame(), player.frame()];
        assert!(player.is_over());
        let expected: Vec<i16> = [vec![1; 100], vec![0; 40], vec![1; 100], vec![0; 80]].concat();
        assert_eq!(frames.as_flattened(), expected);
    }

    #[test]
    fn repeating_goes_round_for_ever_but_nothing_is_over_at_once() {
        let mut round = player(&[file("ones"), file("empty")], true);
        for _ in 0..100 {
            assert_eq!(round.frame(), [1; FRAME]);
            assert!(!round.is_over());
        }
        assert!(player(&[file("empty"), Prompt::SilenceMs(0)], true).is_over());
        assert!(player(&[], true).is_over());
    }

    #[test]
    fn a_list_is_sought_as_one_and_knows_its_place() {
        let list = [Prompt::SilenceMs(10), file("ones"), Prompt::SilenceMs(100), file("ones")];
        let mut player = player(&list, false);
        let _ = player.frame();
        assert_eq!(player.position(), Duration::from_millis(20));
        player.seek(Duration::from_millis(122));
        let frame = player.frame();
        assert_eq!((frame[0], frame[3], frame[4], frame[103]), (0, 0, 1, 1));
        assert!(player.is_over());
        player.seek(Duration::from_millis(10));
        assert_eq!(player.frame()[..101], [vec![1; 100], vec![0]].concat());
        player.seek(Duration::from_secs(5));
        assert!(player.is_over());
    }

    #[test]
    fn unknown_names_are_told() {
        for bad in [file("nobody"), Prompt::Tone("loud".to_owned())] {
            let job = JobId { stream: StreamId(0), number: 0 };
            assert!(matches!(Player::new(job, &[bad], &Prompts::new(), false), Err(PlayError::UnknownPrompt(_))));
        }
    }
}
