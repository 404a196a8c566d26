//! What one play sends: pieces in order, cut into frames.

use crate::output::FRAME;
use crate::tone::Tone;
use crate::{JobId, PlayError, Prompts};
use model::Prompt;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Piece {
    Pcm(Arc<[i16]>),
    Tone(Tone),
    Silence(usize),
}

impl Piece {
    fn new(prompt: &Prompt, prompts: &Prompts) -> Result<Piece, PlayError> {
        match prompt {
            Prompt::File(name) => prompts.get(name).cloned().map(Piece::Pcm).ok_or(name),
            Prompt::Tone(name) => Tone::parse(name).map(Piece::Tone).ok_or(name),
            Prompt::SilenceMs(ms) => Ok(Piece::Silence(*ms as usize * 8)),
        }
        .map_err(|name| PlayError::UnknownPrompt(name.clone()))
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
            Piece::Tone(tone) => head.iter_mut().enumerate().for_each(|(n, s)| *s = tone.sample(at + n)),
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
}

impl Player {
    pub(crate) fn new(job: JobId, list: &[Prompt], prompts: &Prompts, repeat: bool) -> Result<Player, PlayError> {
        let pieces = list.iter().map(|p| Piece::new(p, prompts)).collect::<Result<Vec<_>, _>>()?;
        // Repeating nothing would never end and never sound.
        let repeat = repeat && pieces.iter().any(|p| p.len() > 0);
        let mut player = Player { job, pieces, piece: 0, at: 0, repeat };
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
    fn unknown_names_are_told() {
        for bad in [file("nobody"), Prompt::Tone("loud".to_owned())] {
            let job = JobId { stream: StreamId(0), number: 0 };
            assert!(matches!(Player::new(job, &[bad], &Prompts::new(), false), Err(PlayError::UnknownPrompt(_))));
        }
    }
}
